/* SPDX-License-Identifier: MIT */
/** @file run_output.h  The output side of a run: path, formats, fingerprint of the manifest. */
#ifndef CG_API_RUN_OUTPUT_H
#define CG_API_RUN_OUTPUT_H

#include <confgen/confgen.h>

#include "api/run_input.h"
#include "engine/engine.h"
#include "io/output.h"
#include "io/record.h"

typedef struct cg_run_formats {
    cg_record_format record;
    cg_container_format container;
    int add_hs; /* records have all hydrogens: as options->add_hs, always those of a mol2 */
} cg_run_formats;

/**
 * The record format of options->format, else of the path's extension, else sdf; the container of
 * the path's extension. CG_ERR_USAGE, also if the record format cannot hold added hydrogens.
 */
cg_status cg_run_find_formats(const cg_run_options *options, const char *path,
                              cg_run_formats *ret_formats, cg_error *err);

/**
 * Opens the output with the fingerprint that a resumed run must have in common with the first: all
 * that the conformers depend on.
 *
 * @param core_hash  of the core's file; without options->core it does not count
 * @return as cg_output_open(); CG_ERR_USAGE for a resumed run whose input cannot be read twice
 */
cg_status cg_run_open_output(const cg_engine *engine, const cg_run_options *options,
                             const char *path, cg_run_formats formats, cg_run_range range,
                             uint64_t core_hash, cg_output **ret_output, cg_output_state *ret_state,
                             cg_error *err);

#endif
