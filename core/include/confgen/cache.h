/* SPDX-License-Identifier: MIT */
/**
 * @file cache.h  KV caches: ownership and layout of the memory of keys and values.
 *
 * A cache has `n_slots` slots, each for one sequence. The executor tracks how many tokens of a slot
 * are valid; the cache only provides room for them. A slot is empty while no token is reserved: at
 * first, after release(), and after truncate() to 0. All calls come from one host thread; those
 * other than append() come between steps.
 */
#ifndef CONFGEN_CACHE_H
#define CONFGEN_CACHE_H

#include <confgen/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Parts of a cache beyond 1.0: bits of cg_cache_ops.features, those that the plugin knows, and of
 * cg_cache_config.features, those that a run needs. A host sets only bits of the latter that the
 * former have.
 */
enum {
    CG_CACHE_VALUE_SIZE = 1 << 0, /* config.v_head_dim */
    CG_CACHE_SCALES = 1 << 1,     /* types of 8 bits: append() quantises, views have scales */
    CG_CACHE_WINDOW = 1 << 2,     /* config.window and sink_tokens: memory behind it may be freed */
    CG_CACHE_GATHER = 1 << 3,     /* gather() */
    CG_CACHE_DEFER = 1 << 4,      /* copies and page tables may wait for flush() */
};

/** Size, type and device of a cache. Filled by the host. */
typedef struct cg_cache_config {
    uint32_t struct_size;
    cg_device device;   /* CG_DEVICE_* */
    cg_dtype dtype;     /* of keys and values */
    int32_t n_layers;   /* layers of the model */
    int32_t n_slots;    /* sequences held at once, prompts included */
    int32_t n_kv_heads; /* key/value heads of a token */
    int32_t head_dim;   /* elements of a key */
    int32_t max_len;    /* most tokens of one slot */
    int64_t max_bytes;  /* bound of the memory held; 0: unbounded */
    void *stream;       /* CUDA: copies and clears are queued here; CPU: NULL */
    /* Since 1.2 */
    uint32_t features;   /* CG_CACHE_VALUE_SIZE and following that the run needs */
    int32_t v_head_dim;  /* elements of a value; 0: head_dim */
    int32_t window;      /* newest tokens that a new token's query reads, itself included; 0: all */
    int32_t sink_tokens; /* oldest tokens that are read although the window has passed them */
} cg_cache_config;

/**
 * New keys and values of one layer: token i goes to position pos[i] of slot slot[i].
 *
 * With CG_CACHE_WINDOW, and p the least position of a slot among the new ones, tokens before
 * p + 1 - window, but for the sink_tokens first ones, may be gone from then on: their page table
 * entries may be any number. truncate() does not bring them back. To store at the position of such
 * a token, a host calls truncate() and reserve() first.
 */
typedef struct cg_cache_append {
    uint32_t struct_size;
    int32_t n_tokens;    /* CUDA: an upper bound; tokens with slot < 0 are skipped */
    const int32_t *slot; /* [n_tokens] device */
    const int32_t *pos;  /* [n_tokens] device; room must have been reserved */
    const void *k;       /* [n_tokens, n_kv_heads, head_dim] f32 (CPU) or bf16/f16/f32 (CUDA) */
    const void *v;       /* [n_tokens, n_kv_heads, v_head_dim], of the same type */
    int64_t k_stride;    /* bytes between rows of k */
    int64_t v_stride;    /* bytes between rows of v */
    cg_dtype dtype;      /* of k and v */
    void *stream;        /* CUDA: cudaStream_t that the work is queued on; CPU: NULL */
} cg_cache_append;

/** Memory of a cache. */
typedef struct cg_cache_stats {
    uint32_t struct_size;
    int64_t bytes_allocated; /* memory held now */
    int64_t bytes_used;      /* part of it in blocks that belong to a slot; 0 if all are empty */
    int64_t blocks_shared;   /* blocks that belong to more than one slot */
    int64_t grown;           /* times the memory was reallocated */
} cg_cache_stats;

/** cg_cache_ops.flags */
enum {
    /* CUDA: instead of calling append(), a kernel of the host may store new keys and values at the
     * addresses of view(), converted to the view's dtype; but not in a view with scales. With
     * CG_CACHE_WINDOW, layer 0 gets its append() all the same. */
    CG_CACHE_STORE_BY_VIEW = 1 << 0,
    /* Since 1.2. CUDA: the same for a view with scales, of types of 8 bits, whose values have the
     * strides of keys. Each head of each token then has a scale of its own: the kernels write
     * through k_scale and v_scale, and no stride of the scales is 0. They compute scales and
     * elements by quantise.h */
    CG_CACHE_STORE_SCALED = 1 << 1,
};

/** The operations of a cache plugin. */
typedef struct cg_cache_ops {
    uint32_t struct_size;
    int32_t paged; /* nonzero: views carry a page table */

    /** Returns CG_OK, or CG_ERR_UNSUPPORTED with the reason. Allocates nothing. */
    cg_status (*supports)(const cg_host *host, const cg_cache_config *config, cg_error *err);
    /** Allocates an empty cache. On success the caller owns *ret_self. */
    cg_status (*create)(const cg_host *host, const cg_cache_config *config, void **ret_self,
                        cg_error *err);
    void (*destroy)(void *self); /* accepts NULL */

    /**
     * Reserves room for tokens [0, len) of `slot`, len <= max_len, and keeps stored tokens.
     * CG_ERR_NOMEM / CG_ERR_DEVICE_NOMEM when out of memory, that is beyond max_bytes or when an
     * allocation fails; the slot is then unchanged. With a window on CUDA, reserve(),
     * share_prefix() and gather() may wait for the work queued on config->stream, whose end gives
     * memory back.
     */
    cg_status (*reserve)(void *self, int32_t slot, int32_t len, cg_error *err);
    /** Stores new keys and values of a layer. Does not allocate. CUDA: may be captured. */
    cg_status (*append)(void *self, int32_t layer, const cg_cache_append *args, cg_error *err);
    /**
     * Makes tokens [0, len) of `src` the tokens of the empty slot `dst`: by reference where the
     * layout allows it, else by copying. Later appends to either slot never change the other. Out
     * of memory as reserve(); dst is then empty.
     */
    cg_status (*share_prefix)(void *self, int32_t dst, int32_t src, int32_t len, cg_error *err);
    /**
     * Drops the tokens from `len` on (roll back); may free their memory. If fewer are reserved, the
     * slot is unchanged, and the call may fail with CG_ERR_USAGE.
     */
    cg_status (*truncate)(void *self, int32_t slot, int32_t len, cg_error *err);
    /** Empties the slot; memory that no other slot shares is free for all slots. */
    void (*release)(void *self, int32_t slot);
    /** Fills *ret_view with the current layout of a layer, by rule 2 of plugin.h. */
    cg_status (*view)(void *self, int32_t layer, cg_kv_view *ret_view, cg_error *err);
    /** Fills *ret_stats, by rule 2 of plugin.h. */
    void (*stats)(const void *self, cg_cache_stats *ret_stats);
    /** Tokens per block if known before create(), 0 if only views have it. For pairing. */
    int32_t block_tokens;
    int32_t flags; /* CG_CACHE_STORE_BY_VIEW and following */
    /* Since 1.2 */
    int32_t kv_layout; /* CG_KV_HND or CG_KV_NHD, of all views. For pairing. */
    uint32_t features; /* CG_CACHE_VALUE_SIZE and following that the plugin knows */
    /**
     * With CG_CACHE_GATHER: keeps tokens [0, from) of a slot and the tokens keep[i] >= from, which
     * ascend; token keep[i] becomes token from + i. Drops the others. The accepted path of a tree
     * of drafted tokens.
     *
     * @param keep  [n_keep] host memory
     */
    cg_status (*gather)(void *self, int32_t slot, int32_t from, const int32_t *keep, int32_t n_keep,
                        cg_error *err);
    /**
     * With CG_CACHE_DEFER: the other calls may leave what they do to device memory, copies of
     * tokens and entries of page tables, to this one, which does all of it at once; on CUDA, it
     * queues that on config->stream. The host calls it before append(), and before it queues work
     * that uses the memory of views. Results of view() and stats() do not wait for it.
     */
    cg_status (*flush)(void *self, cg_error *err);
} cg_cache_ops;

/** Room for a view or statistics of a newer minor: bytes behind the caller's struct. */
enum { CG_CACHE_RESULT_ROOM = 1024 };

/**
 * Calls view() for a plugin of any minor, also for one that assigns a whole struct instead of
 * keeping rule 2, with or without its struct_size: *ret_view has the members that both sides know,
 * the others are zero.
 */
static inline cg_status cg_cache_view(const cg_cache_ops *ops, void *self, int32_t layer,
                                      cg_kv_view *ret_view, cg_error *err)
{
    const uint32_t size_1_0 = offsetof(cg_kv_view, v_head_dim);
    union {
        cg_kv_view view;
        char room[CG_CACHE_RESULT_ROOM];
    } r;
    uint32_t size;

    memset(&r, 0, sizeof r);
    r.view.struct_size = sizeof r.view;
    CG_TRY(ops->view(self, layer, &r.view, err));
    size = r.view.struct_size < size_1_0 ? size_1_0 : r.view.struct_size;
    if (size < sizeof r.view) /* of an older plugin */
        memset((char *)&r.view + size, 0, sizeof r.view - size);
    *ret_view = r.view;
    ret_view->struct_size = sizeof *ret_view;
    return CG_OK;
}

/** Calls stats() in the same way. */
static inline void cg_cache_get_stats(const cg_cache_ops *ops, const void *self,
                                      cg_cache_stats *ret_stats)
{
    union {
        cg_cache_stats stats;
        char room[CG_CACHE_RESULT_ROOM];
    } r;

    memset(&r, 0, sizeof r);
    r.stats.struct_size = sizeof r.stats;
    ops->stats(self, &r.stats); /* no member is newer than 1.0 */
    *ret_stats = r.stats;
    ret_stats->struct_size = sizeof *ret_stats;
}

#ifdef __cplusplus
}
#endif

#endif
