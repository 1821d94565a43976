/* SPDX-License-Identifier: MIT */
/** @file run_input.h  The input side of a run: which lines it covers and what they request. */
#ifndef CG_API_RUN_INPUT_H
#define CG_API_RUN_INPUT_H

#include <confgen/confgen.h>

#include "io/input.h"

/** A half-open range of molecule indices. */
typedef struct cg_run_range {
    int64_t first, end;
} cg_run_range;

/** CG_ERR_USAGE naming the first option that is out of range. */
cg_status cg_run_check_options(const cg_run_options *options, cg_error *err);

/** Whether the input can be read twice: a regular file, or options->molecules. */
int cg_run_is_rereadable(const cg_run_options *options);

cg_status cg_run_open_input(const cg_run_options *options, cg_input **ret_input, cg_error *err);

/** Conformers that a line requests; 0 for a line without the count that --gens Nk multiplies. */
int64_t cg_run_generations_of(const cg_run_options *options, const cg_input_record *record);

/**
 * The molecules of a shard: neighbouring lines, so that the outputs of all shards concatenate to
 * that of the whole. Without shards the end is options->limit or INT64_MAX.
 */
cg_status cg_run_find_range(const cg_run_options *options, cg_run_range *ret_range, cg_error *err);

/**
 * Reads the lines of a range once, before the run: counts molecules and requested conformers. Both
 * are 0 for an input that is not rereadable.
 */
cg_status cg_run_survey(const cg_run_options *options, cg_run_range range, int64_t *ret_molecules,
                        int64_t *ret_conformers, cg_error *err);

#endif
