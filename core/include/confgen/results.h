/* SPDX-License-Identifier: MIT */
/**
 * @file results.h  Reads the output of a run, molecule by molecule.
 *
 * An output file (.sdf.zst, .xyz.gz, .json, ...) is a sequence of frames. A frame holds the records
 * of one molecule, which are its conformers. A molecule with more than 64 MiB of records has
 * several frames. Files are not trusted: a defect is an error or a note, never a crash.
 */
#ifndef CONFGEN_RESULTS_H
#define CONFGEN_RESULTS_H

#include <stddef.h>
#include <stdint.h>

#include <confgen/sized.h>
#include <confgen/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An open output file. */
typedef struct cg_results cg_results;

/** A frame: the records of one molecule, or a part of them. */
typedef struct cg_results_frame {
    uint32_t struct_size;
    uint32_t continues;  /* 1: the records continue those of the frame before */
    int64_t records;     /* conformers in it */
    uint64_t offset;     /* of the frame in the file */
    uint64_t compressed; /* bytes in the file */
    uint64_t plain;      /* bytes of the records */
    const char *name;    /* of the molecule; "" if the records carry none */
} cg_results_frame;

/**
 * Opens an output file.
 *
 * @param ret_results  owned by the caller, cg_results_close()
 * @return CG_OK; CG_ERR_IO; CG_ERR_FORMAT if no frame can be found in a file that is not empty;
 *         CG_ERR_NOMEM
 * Thread: one at a time.
 */
CG_EXPORT cg_status cg_results_open(const char *path, cg_results **ret_results, cg_error *err);
CG_EXPORT void cg_results_close(cg_results *results); /* accepts NULL */

/** "zst", "gz" or "plain". Static storage. */
CG_EXPORT const char *cg_results_container(const cg_results *results);
/** Nonzero if the frames are listed in a seek table. */
CG_EXPORT int32_t cg_results_has_table(const cg_results *results);
/** A defect of the file, e.g. a truncated end, or "". Lives with the results. */
CG_EXPORT const char *cg_results_note(const cg_results *results);
/** Number of frames. */
CG_EXPORT int64_t cg_results_count(const cg_results *results);

/**
 * Describes frame i, 0 <= i < count; reads and checks it.
 *
 * @param ret_frame  its name is valid until the next call on the results
 * @return CG_OK; CG_ERR_FORMAT, CG_ERR_LIMIT, CG_ERR_IO, CG_ERR_NOMEM naming the frame
 */
CG_EXPORT cg_status cg_results_get(cg_results *results, int64_t i, cg_results_frame *ret_frame,
                                   cg_error *err);
/** Returns the uncompressed records of frame i, valid until the next call. As cg_results_get(). */
CG_EXPORT cg_status cg_results_read(cg_results *results, int64_t i, const char **ret_bytes,
                                    size_t *ret_len, cg_error *err);
/**
 * Finds a molecule by name: the first frame with that name from number `from` on. A molecule may
 * have several frames, and several molecules may have one name: continue at *ret_i + 1.
 * CG_ERR_INPUT if there is none.
 */
CG_EXPORT cg_status cg_results_find(cg_results *results, const char *name, int64_t from,
                                    int64_t *ret_i, cg_error *err);

#ifdef __cplusplus
}
#endif

#endif
