/* SPDX-License-Identifier: MIT */
/**
 * @file memory.h  Memory of keys and values on the CPU or a GPU: allocation, copies, stores.
 *
 * The caches are written once, above this interface. Copies on a GPU are enqueued on
 * config->stream: they run after earlier kernels of that stream, and the host does not wait.
 */
#ifndef CACHE_COMMON_MEMORY_H
#define CACHE_COMMON_MEMORY_H

#include <confgen/cache.h>

/** A copy of `n_planes * n_heads` rows of `bytes` bytes; strides in bytes. No overlap. */
typedef struct cg_cache_rows {
    void *to;
    const void *from;
    int64_t n_planes;
    int64_t to_plane_stride;
    int64_t from_plane_stride;
    int64_t n_heads;
    int64_t to_head_stride;
    int64_t from_head_stride;
    int64_t bytes; /* of a row; a multiple of the element size, as are the strides */
} cg_cache_rows;

typedef struct cg_cache_memory {
    cg_device device;
    cg_status nomem; /* status of an allocation that fails: CG_ERR_NOMEM or CG_ERR_DEVICE_NOMEM */

    /** Checks that the device exists and is usable; CG_ERR_UNSUPPORTED with the reason. */
    cg_status (*check)(const cg_host *host, cg_error *err);
    /** Allocates. Returns `nomem` without a text: the caller knows the purpose. */
    cg_status (*alloc)(const cg_host *host, int64_t bytes, void **ret_ptr, cg_error *err);
    /** Frees memory that no enqueued work uses. Accepts NULL. */
    void (*free)(const cg_host *host, void *ptr);
    /** Copies elements of config->dtype; on a GPU enqueued on config->stream. */
    cg_status (*copy)(const cg_host *host, const cg_cache_config *config, const cg_cache_rows *rows,
                      cg_error *err);
    /** Waits for the work on config->stream. */
    cg_status (*synchronize)(const cg_host *host, const cg_cache_config *config, cg_error *err);
    /** Waits for all work on the device, before the cache frees its memory. */
    void (*drain)(void);
    /**
     * Checks the arguments of an append; on the CPU also that every token has room.
     *
     * @param reserved_tokens  [n_slots]
     */
    cg_status (*check_append)(const cg_host *host, const cg_cache_config *config,
                              const cg_cache_append *args, const int32_t *reserved_tokens,
                              cg_error *err);
    /**
     * Stores checked arguments at the addresses of the view, with scales if it has any. CUDA:
     * enqueued on args->stream; tokens outside of slots, positions or blocks [0, n_blocks) are
     * skipped.
     */
    cg_status (*store)(const cg_host *host, const cg_kv_view *view, int32_t n_blocks,
                       const cg_cache_append *args, cg_error *err);
} cg_cache_memory;

extern const cg_cache_memory cg_cache_memory_host;
#ifdef CG_WITH_CUDA
extern const cg_cache_memory cg_cache_memory_cuda;
#endif

/** Elements of a value of a view. */
static inline CG_HOST_DEVICE int32_t cg_cache_value_size(const cg_kv_view *view)
{
    return view->v_head_dim ? view->v_head_dim : view->head_dim;
}

/** Memory of a configuration that cg_cache_check_config() accepts. */
const cg_cache_memory *cg_cache_memory_of(const cg_cache_config *config);

#endif
