/* SPDX-License-Identifier: MIT */
/**
 * @file output.h  The output of a run: container, manifest and failure file, kept consistent.
 *
 * Molecules are written in input order. For each: its frames, its failures, then its line in
 * `<output>.manifest`. A run that is killed between any two bytes can be resumed: bytes that the
 * manifest does not list are truncated, and the finished files equal those of an uninterrupted run.
 * (Against loss of power the files are synced at the end and twice a minute; a resumed run checks
 * the hash of every molecule and resumes after the last intact prefix.)
 */
#ifndef CG_IO_OUTPUT_H
#define CG_IO_OUTPUT_H

#include "io/container.h"
#include "io/manifest.h"

typedef struct cg_output_options {
    cg_container_format format;
    int resume;              /* continue an unfinished output, or start one */
    int overwrite;           /* replace existing files */
    const char *failed_path; /* failure file, NULL: none */
    /* Settings that a resumed run must share with the first; the failure file and the container
     * format are added. */
    const cg_fingerprint_item *fingerprint;
    size_t n_fingerprint;
} cg_output_options;

typedef enum cg_output_kind {
    CG_OUTPUT_FRESH = 0,
    CG_OUTPUT_RESUMED,  /* the file holds molecules of an earlier run */
    CG_OUTPUT_COMPLETE, /* the file holds all molecules: nothing to do */
} cg_output_kind;

/** Contents of an output when it was opened. */
typedef struct cg_output_state {
    cg_output_kind kind;
    int64_t next_index;  /* all molecules with a smaller index are done */
    int64_t n_molecules; /* done, with or without records */
    int64_t n_records;
    int64_t n_failed;
    int64_t n_molecules_failed; /* with a failed generation, or without records */
    /* A sentence for the user about molecules that must be generated again, or ""; borrowed from
     * the output. */
    const char *note;
} cg_output_state;

/** A finished molecule; everything borrowed. */
typedef struct cg_output_molecule {
    int64_t index;     /* greater than that of the previous molecule */
    const void *bytes; /* [len] all its records, or its last frame (see cg_output_put_frame) */
    size_t len;        /* 0: no records */
    int64_t n_records;
    int64_t n_failed;        /* generations that failed */
    const char *failed_text; /* [failed_len] lines of cg_failure_write */
    size_t failed_len;
} cg_output_molecule;

typedef struct cg_output cg_output;

/**
 * Opens the output. Standard output ("-") and anything but a regular file has no manifest. All
 * files are opened as in base/append_file.h and locked before any of them is changed; a refusal
 * leaves them as they were.
 *
 * CG_ERR_USAGE: one of the files exists and neither resume nor overwrite is set; both are set; or
 * standard output is to be resumed. CG_ERR_MISMATCH: the fingerprint differs; a file to resume was
 * not written by that run; or there is another file in the place of the manifest. CG_ERR_IO: cannot
 * be opened, or another run is writing it.
 */
cg_status cg_output_open(const char *path, const cg_output_options *options, cg_output **ret_output,
                         cg_output_state *ret_state, cg_error *err);
/**
 * Compresses and writes one molecule. On failure (CG_ERR_IO for a full disk) the files are
 * truncated to the previous molecules, and the output accepts no further calls except close.
 */
cg_status cg_output_put(cg_output *output, const cg_output_molecule *molecule, cg_error *err);
/** As cg_output_put() with a frame of cg_frame_compress(), of content_size uncompressed bytes. */
cg_status cg_output_put_frame(cg_output *output, const cg_output_molecule *molecule,
                              uint64_t content_size, cg_error *err);
/**
 * Writes a frame of the next molecule before its last one: cg_output_put_frame() completes the
 * molecule, with the counts and failures of all its frames. If the run is killed before, a resumed
 * run writes the molecule again. Errors as cg_output_put().
 */
cg_status cg_output_put_part(cg_output *output, const void *frame, size_t len,
                             uint64_t content_size, cg_error *err);
/** Removes the parts of the next molecule, which failed. CG_ERR_IO if there are any in a stream. */
cg_status cg_output_drop_parts(cg_output *output, cg_error *err);
/** Completes the output after the last molecule: writes the seek table, marks the manifest
 * complete, syncs. */
cg_status cg_output_finish(cg_output *output, cg_error *err);
/** Closes the output; without cg_output_finish() it can be resumed. Accepts NULL. */
void cg_output_close(cg_output *output);

#endif
