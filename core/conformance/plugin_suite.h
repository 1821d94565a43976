/* SPDX-License-Identifier: MIT */
/** @file plugin_suite.h  Checks of a plugin's file and descriptor, which need no device. */
#ifndef CG_CONFORMANCE_PLUGIN_SUITE_H
#define CG_CONFORMANCE_PLUGIN_SUITE_H

#include "conformance.h"

/** Runs them. Return as cg_conformance_run(). */
int32_t plugin_suite(const cg_plugin *plugin, const cg_conformance_options *options);

#endif
