/* SPDX-License-Identifier: MIT */
/** @file cache_suite.h  A cache under test, a model of its contents, and calls that fill both. */
#ifndef CG_CONFORMANCE_CACHE_SUITE_H
#define CG_CONFORMANCE_CACHE_SUITE_H

#include "test_case.h"
#include "gpu_memory.h"

/** No element of keys and values is larger. */
enum { CACHE_MAX_ELEMENT = 2048 };

/** Sizes of a cache. */
typedef struct cache_shape {
    int32_t n_layers, n_slots, n_kv_heads, head_dim;
    int32_t v_head_dim; /* differs from head_dim only with CG_CACHE_VALUE_SIZE */
    int32_t max_len;
} cache_shape;

/** Model of a slot: a number per token, from which elements of keys and values are computed. */
typedef struct cache_slot {
    uint32_t *token;   /* [max_len] */
    int32_t valid;     /* tokens stored */
    int32_t reserved;  /* tokens that there is room for */
    int32_t shared;    /* tokens [0, shared) may be those of another slot, too */
    int32_t unchecked; /* tokens from here on were stored since the last check of the content */
    int32_t lost;      /* with a window: tokens [sink_tokens, lost) may be gone */
} cache_slot;

typedef struct cache_suite {
    test_recorder rec;
    test_host test_host;
    const cg_cache_ops *ops;
    cg_gpu *gpu;         /* NULL: the CPU */
    int32_t append_size; /* struct_size of its arguments; 0: that of today */
    int32_t fenced;      /* arguments of append() are in fenced memory: on the CPU and one thread */
    cg_dtype dtype;      /* of the cache */
    int32_t typical_dim, typical_heads; /* that the plugin supports; 0: not known */
    cache_shape shape;
    uint32_t features; /* of the configuration, as the next two */
    int32_t window, sink_tokens;
    int32_t is_bounded; /* max_bytes is set: calls may be out of memory */
    void *self;
    cache_slot *slots; /* [n_slots] */
    uint32_t *tokens;  /* [n_slots, max_len] */
    int32_t shares;    /* prefixes shared since all slots were empty */
    uint32_t next;     /* number of the next token */
    cg_kv_view *views; /* [n_layers] at the last check */
    /* host copies of a block's keys, values and their scales, and of the page table */
    char *copy[4];
    size_t copy_bytes[4];
    int32_t *table;
    const int32_t *table_copied; /* of the view that `table` is a copy of; NULL: none */
    size_t table_entries;
} cache_suite;

/* ---- cache_shapes.c ------------------------------------------------------------------------ */

/** Three layers, five slots, two heads of `dim`, 150 tokens. */
cache_shape cache_shape_basic(int32_t dim);
/** A small shape at random. */
cache_shape cache_shape_small(test_recorder *rec);
/** Number of kinds of cache_shape_large(). */
enum { CACHE_LARGE_KINDS = 7 };
/** A shape at random of which two or three sizes are those of a real run, by `kind`. */
cache_shape cache_shape_large(test_recorder *rec, int32_t kind);
/** Number of kinds of cache_shape_extreme(). */
enum { CACHE_EXTREME_KINDS = 5 };
/** A shape of which one size, by `kind`, exceeds that of usual runs, and the others are small. */
cache_shape cache_shape_extreme(test_recorder *rec, int32_t kind);
/** A batch whose keys and values in f32 exceed 2 GiB. */
cache_shape cache_shape_huge(void);

/* ---- cache_model.c ------------------------------------------------------------------------- */

/** Configuration of the suite's shape. */
cg_cache_config cache_config(const cache_suite *s);
/** Elements of a key (0) or value (1). */
int32_t cache_dim(const cache_suite *s, int32_t value);
/** Element type in which a token is appended: the lowest bits of its number. */
cg_dtype cache_source_type(uint32_t token);
/** Elements [d, d + n) of a head of a token's key (0) or value (1), as passed to append(). */
void cache_elements(const cache_suite *s, uint32_t token, int32_t layer, int32_t head,
                    int32_t value, int32_t d, int32_t n, float *ret);
/** Elements that callers of cache_elements() take at a time. */
enum { CACHE_SOME_ELEMENTS = 64 };
/**
 * Finds a head size and number of heads that a plugin supports, common ones first. Returns 0 if
 * there are none, with the first refusal in *ret_reason.
 *
 * @param gpu  NULL: on the CPU
 */
int cache_typical_heads(const cg_cache_ops *ops, const cg_host *host, cg_gpu *gpu, cg_dtype dtype,
                        int32_t *ret_dim, int32_t *ret_heads, cg_error *ret_reason);
/**
 * Sets the shape and empties the model. A shape that the plugin refuses gets the typical heads, and
 * fewer layers if it needs too much memory.
 */
void cache_set_shape(cache_suite *s, const cache_shape *shape);
/** Empties the model. */
void cache_model_clear(cache_suite *s);
/** Shortens a slot of the model to `len` tokens. */
void cache_model_truncate(cache_suite *s, int32_t slot, int32_t len);
/** Frees what the suite holds. */
void cache_model_free(cache_suite *s);
/** True until a case of the check has failed: the others would say no more. */
int cache_goes_on(const cache_suite *s);
/** Creates a cache and records whether that succeeded. */
int cache_create(cache_suite *s, const cg_cache_config *config);
/** Whether the plugin supports the shape; records a refusal without a reason. */
int cache_is_supported(cache_suite *s);
/**
 * Sets the shape and creates a cache with its configuration. Returns 0 if the plugin does not
 * support it or create() fails, which is recorded.
 */
int cache_open_shape(cache_suite *s, const cache_shape *shape, cg_cache_config *ret_config);
/** Destroys the cache, and records what it has not freed. */
void cache_destroy(cache_suite *s);
/**
 * True if `st` is out of memory, of the host or of the GPU under test, and that can be: there is a
 * bound, an allocation of the host has failed, or it is a GPU.
 */
int cache_is_nomem(const cache_suite *s, cg_status st);
/** End of the message of a call whose status cache_is_nomem() has not. */
#define CACHE_WANTED_NOMEM                                                                         \
    "; wanted CG_OK, or out of memory where memory has a bound or an allocation has failed"
/** Whether the plugin has a CG_CACHE_* feature. */
int cache_has_feature(const cache_suite *s, uint32_t feature);

/* ---- cache_content.c ----------------------------------------------------------------------- */

/** Addresses of the keys (0) or values (1) of a view. */
typedef struct cache_plane {
    char *base;
    int64_t block_stride, head_stride, token_stride;
    int64_t row; /* bytes of a head and token */
} cache_plane;

cache_plane cache_plane_of(const cache_suite *s, const cg_kv_view *v, int32_t value);
/** Page table in host memory; NULL without one, or if it cannot be read. */
const int32_t *cache_host_table(cache_suite *s, const cg_kv_view *v);
/** With CG_CACHE_DEFER: calls flush(), and records a failure. */
void cache_flush(cache_suite *s);
/** cache_flush(), then fetches and checks the views of all layers. `after`: the last call. */
int cache_check_views(cache_suite *s, const char *after);
/**
 * Records whether the tokens stored since the last check, and a sample of the others, are at the
 * addresses of the views. All are checked if they are few.
 */
int cache_check_content(cache_suite *s, const char *after);
/** cache_check_content() of all tokens; on a GPU of a large sample of them. */
int cache_check_all(cache_suite *s, const char *after);
/** Records whether the stats are consistent with the model. */
void cache_check_stats(cache_suite *s, const cg_cache_config *config, const char *after);

/* ---- cache_append.c ------------------------------------------------------------------------ */

/** Tokens of one append. */
typedef struct cache_rows {
    int32_t n;
    int32_t *slot, *pos; /* [n] */
    uint32_t *token;     /* [n] */
    cg_dtype dtype;
    size_t stride[2]; /* bytes between rows of keys, of values */
    char *data[2];    /* keys and values of one layer */
    int32_t fenced;   /* slot, pos and data are in fenced memory */
} cache_rows;

/** Order of the tokens of an append. */
enum { CACHE_ORDER_TURNS, CACHE_ORDER_SLOTS, CACHE_ORDER_SHUFFLED, CACHE_N_ORDERS };

/**
 * Creates n[slot] new tokens for every slot, in one of the orders, with some entries to skip (slot
 * below 0). There is memory for `room` of them at least.
 */
void cache_rows_random(cache_suite *s, const int32_t *n, int32_t order, int32_t room,
                       cache_rows *ret_rows);
/** Writes keys and values of a layer to r->data. */
void cache_rows_fill(const cache_suite *s, cache_rows *r, int32_t layer);
void cache_rows_free(cache_rows *r);

/** Arguments of append() in device memory. */
typedef struct cache_device_rows {
    gpu_block slot, pos, data[2];
    int32_t n; /* bound passed as n_tokens */
} cache_device_rows;

/** Allocates n tokens of the type of r. Returns 0 on failure. */
int cache_device_rows_create(cache_suite *s, const cache_rows *r, int32_t n,
                             cache_device_rows *ret_rows);
/** Loads r; entries after its rows get slot -1. */
void cache_device_rows_load(cache_device_rows *d, const cache_rows *r);
/** True if append() has changed neither its arguments nor the memory around them. */
int cache_device_rows_unchanged(cache_device_rows *d);
void cache_device_rows_destroy(cache_device_rows *d);

/** Calls append() for a layer and records the status. `d`: on a GPU, else NULL. */
void cache_append(cache_suite *s, int32_t layer, const cache_rows *r, const cache_device_rows *d);
/** Appends n[slot] new tokens to every slot, in all layers. */
void cache_append_all(cache_suite *s, const int32_t *n);
/** Reserves len tokens and records failures other than out of memory. Returns 0 on failure. */
int cache_reserve(cache_suite *s, int32_t slot, int32_t len);
/** Writes bytes to the cache's memory, and records a failure. */
int cache_store(cache_suite *s, void *to, const void *bytes, size_t n);

/* ---- cache_operations.c -------------------------------------------------------------------- */

/** Empties a slot. */
void cache_release(cache_suite *s, int32_t slot);
/** Shortens a slot. */
void cache_truncate(cache_suite *s, int32_t slot, int32_t len);
/** Shares a prefix into the empty slot `dst`; records failures other than out of memory. */
void cache_share_into(cache_suite *s, int32_t dst, int32_t src, int32_t len);
/** Empties `dst`, and shares a prefix into it. */
void cache_share(cache_suite *s, int32_t dst, int32_t src, int32_t len);
/** With CG_CACHE_GATHER: keeps some of the tokens of a slot behind the first ones. */
void cache_gather(cache_suite *s, int32_t slot);
/** Runs an operation at random; returns its name. */
const char *cache_random_operation(cache_suite *s);
/** What a run does: prompts, shared by many sequences, which decode, roll back and end. */
void cache_run_like(cache_suite *s);
/** Releases all slots. */
void cache_release_all(cache_suite *s, const cg_cache_config *config);

/* ---- checks -------------------------------------------------------------------------------- */

/** cache_structs.c: structs of other minors than the plugin's. */
void cache_check_structs(cache_suite *s);
/** cache_memory.c: addresses that the views allow, and allocations in append(). */
void cache_check_addresses(cache_suite *s);
void cache_check_append_allocations(cache_suite *s);
/** cache_slots.c: slots after a failed reserve(), and a prefix that many slots share. */
void cache_check_slot_use(cache_suite *s, int32_t filled, int32_t empty);
void cache_check_failed_reserve(cache_suite *s);
void cache_check_many_owners(cache_suite *s);
void cache_check_reuse(cache_suite *s);
/** cache_threads.c: two caches, on two threads; hosts of other numbers of workers. On the CPU. */
void cache_check_threads(cache_suite *s);
void cache_check_workers(cache_suite *s);
/** cache_features.c: features of ABI 1.2 that the plugin has. */
void cache_check_features(cache_suite *s);
/** cache_cuda.c: on a GPU only. */
void cache_check_captured_append(cache_suite *s);
void cache_check_held_append(cache_suite *s);
void cache_check_device_memory(cache_suite *s);

#endif
