/* SPDX-License-Identifier: MIT */
/** @file kernels.h  Kernels of the caches. All calls enqueue on a stream and return. */
#ifndef CACHE_COMMON_KERNELS_H
#define CACHE_COMMON_KERNELS_H

#include <confgen/cache.h>
#include <cuda_runtime_api.h>

#include "memory.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Loads the kernels, so that the first launch may be captured into a graph. */
cudaError_t cg_cache_load_kernels(void);

/**
 * Copies rows of device memory.
 *
 * @param rows  borrowed for the call; addresses, strides and bytes are multiples of 2
 */
cudaError_t cg_cache_copy_rows_cuda(const cg_cache_rows *rows, cudaStream_t stream);

/**
 * table[0..n) = entries[0..n).
 *
 * @param table    [n] device
 * @param entries  [n] host, borrowed for the call: they are passed as launch parameters
 */
cudaError_t cg_cache_set_entries_cuda(int32_t *table, const int32_t *entries, int32_t n,
                                      cudaStream_t stream);

/**
 * Stores new keys and values, converted to the view's dtype (to nearest, ties to even), with their
 * scales if it has any (confgen/quantise.h), on args->stream. Tokens whose slot, position or block
 * is outside of the view are skipped.
 *
 * @param view      borrowed for the call
 * @param n_blocks  valid block numbers of the page table are [0, n_blocks)
 * @param args      borrowed for the call; its arrays until the launch has run
 */
cudaError_t cg_cache_append_cuda(const cg_kv_view *view, int32_t n_blocks,
                                 const cg_cache_append *args);

#ifdef __cplusplus
}
#endif

#endif
