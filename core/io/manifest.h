/* SPDX-License-Identifier: MIT */
/**
 * @file manifest.h  What an output file holds so far: the text file beside it that a run resumes
 * by.
 *
 * JSON lines, only ever appended to: the fingerprint of the run, a line a finished molecule in
 * input order, and a last line when the output is complete. A line is written after the bytes that
 * it tells of; it ends in a checksum of itself. A line that is torn or damaged or does not follow
 * from the one before is ignored, with all behind it.
 *
 *     {"confgen_manifest":1,"fingerprint":{"input":"...","seed":"..."},"sum":"..."}
 *     {"i":0,"end":812,"size":812,"plain":4411,"xxh":"81d2...","records":10,"failed":0,
 *      "failed_end":44,"sum":"..."}
 *     {"complete":true,"end":845,"failed_end":44,"sum":"..."}
 *
 * The file is locked while it is open, so that two runs do not write one output.
 */
#ifndef CG_IO_MANIFEST_H
#define CG_IO_MANIFEST_H

#include <stddef.h>

#include <confgen/status.h>

/** One thing that a resumed run must have in common with the first one. */
typedef struct cg_fingerprint_item {
    const char *key;
    const char *value;
} cg_fingerprint_item;

/** A finished molecule. */
typedef struct cg_manifest_line {
    int64_t index;       /* ordinal in the input, growing */
    uint64_t end;        /* bytes of the output file with it */
    uint64_t size;       /* bytes of its frame, 0: none */
    uint64_t plain;      /* uncompressed */
    uint64_t hash;       /* XXH3 (64 bits) of the frame */
    int64_t n_records;   /* conformers written */
    int64_t n_failed;    /* generations that failed */
    uint64_t failed_end; /* bytes of the file of failures with it, 0 without such a file */
} cg_manifest_line;

typedef struct cg_manifest cg_manifest;

/** Open or create, lock and read. CG_ERR_IO, also where another run holds the lock. */
cg_status cg_manifest_open(const char *path, cg_manifest **ret_manifest, cg_error *err);
void cg_manifest_close(cg_manifest *manifest); /* accepts NULL */

/** The first line is there and whole; otherwise there are no other lines either. */
int cg_manifest_has_header(const cg_manifest *manifest);
/** CG_ERR_MISMATCH names the first item that differs, what was found and what is wanted. */
cg_status cg_manifest_check(const cg_manifest *manifest, const cg_fingerprint_item *items,
                            size_t n_items, cg_error *err);
size_t cg_manifest_count(const cg_manifest *manifest);
/** Line i < count; borrowed until the next change. */
const cg_manifest_line *cg_manifest_get(const cg_manifest *manifest, size_t i);
/** The output was completed, with these sizes of the two files. */
int cg_manifest_is_complete(const cg_manifest *manifest, uint64_t *ret_end,
                            uint64_t *ret_failed_end);

/** Begin anew with this fingerprint. */
cg_status cg_manifest_start(cg_manifest *manifest, const cg_fingerprint_item *items, size_t n_items,
                            cg_error *err);
/** Keep the first n lines only, and no completion. */
cg_status cg_manifest_truncate(cg_manifest *manifest, size_t n, cg_error *err);
cg_status cg_manifest_append(cg_manifest *manifest, const cg_manifest_line *line, cg_error *err);
cg_status cg_manifest_complete(cg_manifest *manifest, uint64_t end, uint64_t failed_end,
                               cg_error *err);
cg_status cg_manifest_sync(cg_manifest *manifest, cg_error *err);

#endif
