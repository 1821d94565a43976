/* SPDX-License-Identifier: MIT */
/**
 * @file memory.h  Where keys and values lie, the host's memory or a GPU's, behind one table.
 *
 * Layouts and bookkeeping are written once, above this; what differs is how memory is had, how rows
 * are copied and how new tokens are stored. Copies on a GPU are queued on config->stream: they come
 * after the kernels that were queued there before, and nothing waits for them.
 */
#ifndef CACHE_COMMON_MEMORY_H
#define CACHE_COMMON_MEMORY_H

#include <confgen/cache.h>

/** `n_planes * n_heads` rows of `bytes` bytes that are copied; strides in bytes. No overlap. */
typedef struct cg_cache_rows {
    void *to;
    const void *from;
    int64_t n_planes;
    int64_t to_plane; /* from one plane to the next */
    int64_t from_plane;
    int64_t n_heads;
    int64_t to_head; /* from one head to the next */
    int64_t from_head;
    int64_t bytes; /* a row; a multiple of an element's size, as are the strides */
} cg_cache_rows;

typedef struct cg_cache_memory {
    cg_device device;
    cg_status no_memory; /* what it is called when there is none */

    /** Is the device there and can it be used? CG_ERR_UNSUPPORTED with the reason. */
    cg_status (*check)(const cg_host *host, cg_error *err);
    /** `no_memory` comes without a text: the caller knows what it was for. */
    cg_status (*alloc)(const cg_host *host, int64_t bytes, void **ret_ptr, cg_error *err);
    /** Nothing that is queued may still use it. Accepts NULL. */
    void (*free)(const cg_host *host, void *ptr);
    /** Elements of config->dtype are moved; on a GPU queued on config->stream. */
    cg_status (*copy)(const cg_host *host, const cg_cache_config *config, const cg_cache_rows *rows,
                      cg_error *err);
    /** Until all that was queued on config->stream is done. */
    cg_status (*wait)(const cg_host *host, const cg_cache_config *config, cg_error *err);
    /** Before memory is given back for good, whatever still runs. No failure: nothing is left. */
    void (*settle)(void);
    /**
     * Is this append well-formed? On the CPU also: does every token have room?
     *
     * @param room  [n_slots] tokens that a slot has room for
     */
    cg_status (*check_append)(const cg_host *host, const cg_cache_config *config,
                              const cg_cache_append *args, const int32_t *room, cg_error *err);
    /**
     * Store checked arguments where the view says. CUDA: queued on args->stream; tokens outside of
     * slots, positions or blocks [0, n_blocks) are left out.
     */
    cg_status (*store)(const cg_host *host, const cg_kv_view *view, int32_t n_blocks,
                       const cg_cache_append *args, cg_error *err);
} cg_cache_memory;

extern const cg_cache_memory cg_cache_memory_host;
#ifdef CG_WITH_CUDA
extern const cg_cache_memory cg_cache_memory_cuda;
#endif

/** The memory of a configuration that cg_cache_check_config() accepts. */
const cg_cache_memory *cg_cache_memory_of(const cg_cache_config *config);

#endif
