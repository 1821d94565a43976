/* SPDX-License-Identifier: MIT */
/**
 * @file manifest.h  The manifest: a text file next to the output that lists its contents, for
 * resuming a run.
 *
 * JSON lines, append-only: the fingerprint of the run, one line per finished molecule in input
 * order (or for several without a frame, with their number as "molecules"), and a last line when
 * the output is complete. A line is written after the bytes it describes and ends in a checksum of
 * itself. A line that is truncated, damaged or inconsistent with the previous one is ignored, as
 * are all lines after it.
 *
 *     {"confgen_manifest":2,"fingerprint":{"input":"...","seed":"..."},
 *      "notes":{"constraint plugin":"..."},"sum":"..."}
 *     {"i":0,"end":812,"size":812,"plain":4411,"xxh":"81d2...","records":10,"failed":0,
 *      "failed_end":44,"sum":"..."}
 *     {"i":1,"end":9012,"size":8200,"plain":70000,"xxh":"20c7...","records":90,"failed":0,
 *      "failed_end":44,"frames":[[5000,40000],[3200,30000]],"sum":"..."}
 *     {"complete":true,"end":845,"failed_end":44,"sum":"..."}
 *
 * The file is locked while it is open (base/append_file.h).
 */
#ifndef CG_IO_MANIFEST_H
#define CG_IO_MANIFEST_H

#include <stddef.h>

#include <confgen/status.h>

#include "io/container.h"

/** A setting that a resumed run must share with the first one. */
typedef struct cg_fingerprint_item {
    const char *key;
    const char *value;
    const char *note; /* kept and named in a mismatch, but not compared; NULL: none */
} cg_fingerprint_item;

/** A finished molecule, or consecutive ones without a frame. */
typedef struct cg_manifest_line {
    int64_t index;         /* ordinal in the input, of the last one; increasing */
    uint64_t end;          /* size of the output file up to and including its frames */
    uint64_t size;         /* bytes of its frames, 0: none */
    uint64_t content_size; /* bytes of its frames, uncompressed; "plain" in the file */
    size_t n_frames;       /* if several, "frames" in the file lists "size" and "plain" of each */
    uint64_t hash;         /* XXH3 (64 bits) of its frames and its lines of failures */
    int64_t n_records;     /* conformers written */
    int64_t n_failed;      /* generations that failed */
    int64_t n_molecules;   /* 1 with a frame */
    uint64_t failed_end;   /* size of the failure file up to and including its lines, 0 without */
} cg_manifest_line;

typedef struct cg_manifest cg_manifest;

/**
 * Creates the file, or opens and reads one that exists, and locks it.
 *
 * @param may_exist  0: only a new file
 * @return CG_OK; CG_ERR_USAGE if it exists and may not; CG_ERR_MISMATCH if its contents are not
 *         those of a manifest; CG_ERR_IO, also if another run holds the lock; CG_ERR_FORMAT for an
 *         intact line that cannot be parsed; CG_ERR_NOMEM
 */
cg_status cg_manifest_open(const char *path, int may_exist, cg_manifest **ret_manifest,
                           cg_error *err);
void cg_manifest_close(cg_manifest *manifest); /* accepts NULL */
/** As cg_manifest_close(); before, removes the file if cg_manifest_open() created it. */
void cg_manifest_discard(cg_manifest *manifest);

/** 1 if the first line is present and intact; otherwise there are no lines. */
int cg_manifest_has_header(const cg_manifest *manifest);
/** Compares fingerprints. CG_ERR_MISMATCH names the first item that differs, both values and
 * notes. */
cg_status cg_manifest_check(const cg_manifest *manifest, const cg_fingerprint_item *items,
                            size_t n_items, cg_error *err);
size_t cg_manifest_count(const cg_manifest *manifest);
/** Line i < count; borrowed until the next change. */
const cg_manifest_line *cg_manifest_get(const cg_manifest *manifest, size_t i);
/** The frames of the first n lines, [*ret_n_frames] in order; borrowed until the next change. */
const cg_container_frame *cg_manifest_frames(const cg_manifest *manifest, size_t n,
                                             size_t *ret_n_frames);
/** 1 if the output was completed, with these sizes of the output and the failure file. */
int cg_manifest_is_complete(const cg_manifest *manifest, uint64_t *ret_end,
                            uint64_t *ret_failed_end);

/** Empties the manifest and writes this fingerprint. */
cg_status cg_manifest_start(cg_manifest *manifest, const cg_fingerprint_item *items, size_t n_items,
                            cg_error *err);
/** Keeps only the first n molecules; the output counts as incomplete. */
cg_status cg_manifest_truncate(cg_manifest *manifest, size_t n, cg_error *err);
/** Appends a molecule with the frames [line->n_frames], copied. */
cg_status cg_manifest_append(cg_manifest *manifest, const cg_manifest_line *line,
                             const cg_container_frame *frames, cg_error *err);
/** Marks the output as complete. */
cg_status cg_manifest_complete(cg_manifest *manifest, uint64_t end, uint64_t failed_end,
                               cg_error *err);
/** Syncs the file to disk. */
cg_status cg_manifest_sync(cg_manifest *manifest, cg_error *err);

#endif
