/* SPDX-License-Identifier: MIT */
/**
 * @file cache.h  KV caches: who owns the memory of keys and values, and how it is laid out.
 *
 * A cache has `n_slots` places for sequences. The executor knows how many tokens of a slot are
 * valid; the cache only has to keep room for them. Calls other than append() come from one host
 * thread, between steps.
 */
#ifndef CONFGEN_CACHE_H
#define CONFGEN_CACHE_H

#include <confgen/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What is to be cached. Filled by the host. */
typedef struct cg_cache_config {
    uint32_t struct_size;
    cg_device device;
    cg_dtype dtype;
    int32_t n_layers;
    int32_t n_slots;
    int32_t n_kv_heads;
    int32_t head_dim;
    int32_t max_len;   /* tokens of one slot, at most */
    int64_t max_bytes; /* memory that may be used; 0: no bound but the machine's */
    void *stream;      /* CUDA: copies and clears are queued here; CPU: NULL */
} cg_cache_config;

/** New keys and values of one layer: token i goes to position pos[i] of slot slot[i]. */
typedef struct cg_cache_append {
    uint32_t struct_size;
    int32_t n_tokens;    /* CUDA: an upper bound; tokens with slot < 0 are skipped */
    const int32_t *slot; /* [n_tokens] device */
    const int32_t *pos;  /* [n_tokens] device; room must have been reserved */
    const void *k;       /* [n_tokens, n_kv_heads, head_dim] f32 (CPU) or bf16/f16/f32 (CUDA) */
    const void *v;       /* same */
    int64_t k_stride;    /* bytes between rows of k */
    int64_t v_stride;
    cg_dtype dtype; /* of k and v */
    void *stream;
} cg_cache_append;

typedef struct cg_cache_stats {
    uint32_t struct_size;
    int64_t bytes_allocated; /* memory held now */
    int64_t bytes_used;      /* of it in blocks that belong to a slot */
    int64_t blocks_shared;   /* blocks that belong to more than one slot */
    int64_t grown;           /* how often memory was allocated anew */
} cg_cache_stats;

/** cg_cache_ops.flags */
enum {
    /* CUDA: a kernel of the host may store new keys and values where view() says (converted to the
     * view's dtype) in place of append(): the cache wants no more than that. */
    CG_CACHE_STORE_BY_VIEW = 1 << 0,
};

typedef struct cg_cache_ops {
    uint32_t struct_size;
    int32_t paged; /* nonzero: views carry a page table */

    /** CG_OK, or CG_ERR_UNSUPPORTED with the reason. Allocates nothing. */
    cg_status (*supports)(const cg_host *host, const cg_cache_config *config, cg_error *err);
    cg_status (*create)(const cg_host *host, const cg_cache_config *config, void **ret_self,
                        cg_error *err);
    void (*destroy)(void *self); /* accepts NULL */

    /**
     * Make room for tokens [0, len) of `slot`, len <= max_len; what is there stays. CG_ERR_NOMEM /
     * CG_ERR_DEVICE_NOMEM if there is none; the slot then is as before.
     */
    cg_status (*reserve)(void *self, int32_t slot, int32_t len, cg_error *err);
    /** Store new keys and values of a layer. CPU: runs on the calling thread's team. */
    cg_status (*append)(void *self, int32_t layer, const cg_cache_append *args, cg_error *err);
    /**
     * Let tokens [0, len) of the empty slot `dst` be those of `src`: by reference where the layout
     * can, else copied. Later appends to either never change the other.
     */
    cg_status (*share_prefix)(void *self, int32_t dst, int32_t src, int32_t len, cg_error *err);
    /** Tokens from `len` on are forgotten (roll-back): memory beyond may be given back. */
    cg_status (*truncate)(void *self, int32_t slot, int32_t len, cg_error *err);
    /** The slot is empty again; memory that no other slot shares may be reused. */
    void (*release)(void *self, int32_t slot);
    /** Layout of a layer now. */
    cg_status (*view)(void *self, int32_t layer, cg_kv_view *ret_view, cg_error *err);
    void (*stats)(const void *self, cg_cache_stats *ret_stats);
    /** Tokens of a block where that is known before create(); 0: views tell. For matching. */
    int32_t block_tokens;
    int32_t flags; /* CG_CACHE_* */
} cg_cache_ops;

#ifdef __cplusplus
}
#endif

#endif
