/* SPDX-License-Identifier: MIT */
/** @file attention_cpu.h  The checks of attention on the CPU, each group in a file of its own. */
#ifndef CG_CONFORMANCE_ATTENTION_CPU_H
#define CG_CONFORMANCE_ATTENTION_CPU_H

#include "attention_suite.h"

void attention_check_values(attention_suite *s);
void attention_check_bits(attention_suite *s);
void attention_check_abi(attention_suite *s);
void attention_check_features(attention_suite *s);

#endif
