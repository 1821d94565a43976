/* SPDX-License-Identifier: MIT */
/** @file progress.h  How far the sequences of a GPU have come: positions of appends, for the host.
 */
#ifndef CACHE_PAGED_PROGRESS_H
#define CACHE_PAGED_PROGRESS_H

#include <confgen/cache.h>
#include <cuda_runtime_api.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Memory of a cache, [n_slots] each. */
typedef struct cg_page_progress {
    int32_t n_slots;
    int32_t max_len;
    uint64_t *progress; /* pinned: cg_page_pool.progress */
    int32_t *epoch;     /* device: of each slot, zero at first */
    int32_t *least;     /* device: CG_NO_POSITION between launches */
} cg_page_progress;

enum {
    CG_NO_POSITION_BYTE = 0x7f, /* cudaMemset() of `least` */
    CG_NO_POSITION = 0x7f7f7f7f,
};

/** Loads the kernel, so that the first launch may be captured into a graph. */
cudaError_t cg_page_progress_load(void);

/**
 * Enqueues on args->stream: progress of the slots that get new tokens = epoch << 32 | the least
 * position among these. Tokens outside of slots and positions are skipped.
 *
 * @param args  borrowed for the call; its arrays until the launch has run
 */
cudaError_t cg_page_progress_cuda(const cg_page_progress *p, const cg_cache_append *args);

#ifdef __cplusplus
}
#endif

#endif
