/* SPDX-License-Identifier: MIT */
/** @file counters.h  Counting into a cg_report; the table of its members is in counters.c. */
#ifndef CG_ENGINE_COUNTERS_H
#define CG_ENGINE_COUNTERS_H

#include <confgen/confgen.h>

#include "decode/executor.h"

/** Counts a molecule that failed as a whole by its status; CG_OK counts nothing. */
void cg_report_count_failure(cg_report *report, cg_status failure);

/** Counts `n` generations with this verdict, CG_CONFORMER_*. */
void cg_report_count_verdict(cg_report *report, int32_t verdict, int64_t n);

/** Counts the geometry tests and the repair of one finished sequence. */
void cg_report_count_repair(cg_report *report, const cg_repair_counts *repair);

/** Adds the work of one executor between two readings of its stats. */
void cg_report_count_executor(cg_report *report, const cg_executor_stats *before,
                              const cg_executor_stats *after);

/** Adds the stats of a replacement executor to those of the executors before it. */
void cg_executor_stats_add(cg_executor_stats *sum, const cg_executor_stats *part);

#endif
