/* SPDX-License-Identifier: MIT */
/**
 * @file output.h  The output of a run: container, manifest and file of failures kept in step.
 *
 * Molecules are written in input order. For each: its frame, its failures, then its line in
 * `<output>.manifest`. A run that is killed between any two bytes can be resumed: what the manifest
 * does not tell of is cut off, and the finished files are those of an undisturbed run. (Against the
 * loss of power the files are synced at the end and twice a minute; a resumed run checks the hash
 * of every frame and goes back to the last whole prefix.)
 */
#ifndef CG_IO_OUTPUT_H
#define CG_IO_OUTPUT_H

#include "io/container.h"
#include "io/manifest.h"

typedef struct cg_output_options {
    cg_container_format format;
    int resume;              /* go on with an unfinished output, or begin one */
    int overwrite;           /* replace what is there */
    const char *failed_path; /* file of failures, NULL: none; must not be the output */
    /* What a resumed run must have in common with the first; the file of failures and the format
     * of the container are added to it. */
    const cg_fingerprint_item *fingerprint;
    size_t n_fingerprint;
} cg_output_options;

typedef enum cg_output_kind {
    CG_OUTPUT_FRESH = 0,
    CG_OUTPUT_RESUMED,  /* molecules of an earlier run are in the file */
    CG_OUTPUT_COMPLETE, /* all of them are: nothing to do */
} cg_output_kind;

/** What an opened output holds already. */
typedef struct cg_output_state {
    cg_output_kind kind;
    int64_t next_index;  /* molecules with a smaller index are done */
    int64_t n_molecules; /* done, with or without records */
    int64_t n_records;
    int64_t n_failed;
    int64_t n_molecules_failed; /* with a failed generation, or without records */
    /* A sentence for the user about molecules that are made again, or ""; borrowed from the
     * output. */
    const char *note;
} cg_output_state;

/** A finished molecule; everything borrowed. */
typedef struct cg_output_molecule {
    int64_t index;     /* greater than those before */
    const void *bytes; /* [len] all its records, or its frame (see cg_output_put_frame) */
    size_t len;        /* 0: no records */
    int64_t n_records;
    int64_t n_failed;        /* generations that failed */
    const char *failed_text; /* [failed_len] lines of cg_failure_write */
    size_t failed_len;
} cg_output_molecule;

typedef struct cg_output cg_output;

/**
 * Open the output. "-" (standard output) and what is no regular file has no manifest.
 *
 * CG_ERR_USAGE: the output (or the file of failures) exists and neither resume nor overwrite is
 * set, both are set, or standard output is to be resumed. CG_ERR_MISMATCH: the fingerprint differs,
 * or an output without a manifest is to be resumed. CG_ERR_IO: cannot be opened, or another run is
 * writing it.
 */
cg_status cg_output_open(const char *path, const cg_output_options *options, cg_output **ret_output,
                         cg_output_state *ret_state, cg_error *err);
/**
 * Compress and write one molecule. On failure (a full disk: CG_ERR_IO) the files are cut back to
 * the molecules before, and only closing is left to do.
 */
cg_status cg_output_put(cg_output *output, const cg_output_molecule *molecule, cg_error *err);
/** The same with a frame that cg_frame_compress made from `plain` bytes. */
cg_status cg_output_put_frame(cg_output *output, const cg_output_molecule *molecule, uint64_t plain,
                              cg_error *err);
/** All molecules are written: write the seek table, mark the manifest complete, sync. */
cg_status cg_output_finish(cg_output *output, cg_error *err);
/** Close; without finish before it, what is written can be resumed. Accepts NULL. */
void cg_output_close(cg_output *output);

#endif
