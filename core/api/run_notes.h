/* SPDX-License-Identifier: MIT */
/** @file run_notes.h  What a run says of its input as a whole: repeated names, unused extensions,
 * stereo.
 */
#ifndef CG_API_RUN_NOTES_H
#define CG_API_RUN_NOTES_H

#include <confgen/report.h>

#include "base/index.h"
#include "io/input.h"
#include "plugin/host.h"

/** Names beyond this number are not compared with later ones (64 MiB of hashes). */
#define CG_MAX_NAMES_COMPARED ((size_t)1 << 21)

/** Zero first; cg_run_notes_finish() releases. */
typedef struct cg_run_notes {
    cg_index names;                   /* hash of a name -> line where it is first */
    char name[64];                    /* of the first molecule whose name is repeated */
    int64_t name_line, first_line;    /* its line, and that of the first molecule of that name */
    int64_t dropped_line, group_line; /* first lines with such an extension */
    int64_t lost_line;                /* first line whose stereo is not read */
    int64_t uncompared_line;          /* first line whose name was not remembered, 0: none */
} cg_run_notes;

void cg_run_notes_finish(cg_run_notes *notes);
/**
 * Takes note of a line and of the molecule's name. Lines before the run's part of the input are
 * compared, too, but not counted.
 */
cg_status cg_run_notes_add(cg_run_notes *notes, const cg_input_record *record, const char *name,
                           int is_counted, cg_report *report, cg_error *err);
/** Takes note of a molecule of the run, in line `line` of the input, when its records are written.
 */
void cg_run_notes_add_molecule(cg_run_notes *notes, int64_t line, size_t n_lost_stereo,
                               cg_report *report);
/** Logs one warning for each kind that was counted. `path` is the input's. */
void cg_run_notes_log(const cg_run_notes *notes, const cg_report *report, const char *path,
                      const cg_host *host);

#endif
