/* SPDX-License-Identifier: MIT */
/** @file page_kernels.h  Kernels of deferred work. All calls enqueue on a stream and return. */
#ifndef CACHE_PAGED_PAGE_KERNELS_H
#define CACHE_PAGED_PAGE_KERNELS_H

#include <cuda_runtime_api.h>

#include "pool.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Copies a part of pages.
 *
 * @param pool    has device memory
 * @param part    token_bytes is a multiple of 2
 * @param copies  [n] host, borrowed for the call; none depends on another
 */
cudaError_t cg_page_copy_cuda(const cg_page_pool *pool, const cg_page_part *part,
                              const cg_page_copy *copies, int32_t n, cudaStream_t stream);

/**
 * view_table[entry[i]] = host_table[entry[i]].
 *
 * @param entry  [n] host, borrowed for the call; may repeat
 */
cudaError_t cg_page_publish_cuda(const cg_page_pool *pool, const int32_t *entry, int32_t n,
                                 cudaStream_t stream);

#ifdef __cplusplus
}
#endif

#endif
