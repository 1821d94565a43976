/* SPDX-License-Identifier: MIT */
/** @file bench.h  The benches, and what they share. */
#ifndef CG_TOOLS_BENCH_H
#define CG_TOOLS_BENCH_H

#include "commands.h"

int bench_decode(int argc, char **argv);
int bench_attention(int argc, char **argv);
int bench_tokenizer(int argc, char **argv);
int bench_templates(int argc, char **argv);

/** Seconds on a clock that never goes back. */
double now(void);

/** Measurements of one cell. Zero first. Out of memory ends the program. */
struct samples {
    double *values;
    size_t n, cap;
};
void samples_add(struct samples *s, double value);
double samples_median(const struct samples *s); /* 0 of none */
void samples_finish(struct samples *s);

#endif
