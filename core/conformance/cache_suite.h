/* SPDX-License-Identifier: MIT */
/** @file cache_suite.h  A cache under test, a model of its contents, and calls that fill both. */
#ifndef CG_CONFORMANCE_CACHE_SUITE_H
#define CG_CONFORMANCE_CACHE_SUITE_H

#include "test_case.h"
#include "gpu_memory.h"

enum {
    CACHE_SLOTS = 5,
    CACHE_LAYERS = 3,
    CACHE_HEADS = 2,
    CACHE_MAX_LEN = 150,
    CACHE_MAX_ROWS = 400, /* most tokens of one append */
};

/** The model stores a number per token, from which elements of keys and values are computed. */
typedef struct cache_suite {
    test_recorder rec;
    test_host test_host;
    const cg_cache_ops *ops;
    cg_gpu *gpu;    /* NULL: the CPU */
    cg_dtype dtype; /* of the cache */
    int32_t dim;    /* head size */
    void *self;
    uint32_t token[CACHE_SLOTS][CACHE_MAX_LEN];
    int32_t valid[CACHE_SLOTS]; /* tokens stored */
    int32_t reserved_tokens[CACHE_SLOTS];
    int32_t shares;                /* prefixes shared since all slots were empty */
    uint32_t next;                 /* number of the next token */
    cg_kv_view view[CACHE_LAYERS]; /* at the last check */
    /* host copies of a block's keys and values, and of the page table */
    char *copy[2];
    int32_t *table;
    size_t copy_bytes, table_entries;
} cache_suite;

cg_cache_config cache_config(const cache_suite *s);
/** Bytes of one token and head. */
size_t cache_row_bytes(const cache_suite *s);
/** Element type in which a token is appended: the lowest bits of its number. */
cg_dtype cache_source_type(uint32_t token);
/** Element of a token's key (0) or value (1), as passed to append(). */
float cache_element(const cache_suite *s, uint32_t token, int32_t layer, int32_t head, int32_t d,
                    int32_t value);
/** Empties the model. */
void cache_model_clear(cache_suite *s);
/** Creates a cache and records whether that succeeded. */
int cache_create(cache_suite *s, const cg_cache_config *config);
/** True if `st` is out of memory, of the host or of the GPU under test. */
int cache_is_nomem(const cache_suite *s, cg_status st);
/** Page table in host memory; NULL without one, or if it cannot be read. */
const int32_t *cache_host_table(cache_suite *s, const cg_kv_view *v);
/** Records whether all stored tokens are at the addresses of the views. `after`: the last call. */
int cache_check_content(cache_suite *s, const char *after);
/** Records whether the stats are consistent with the model. */
void cache_check_stats(cache_suite *s, const cg_cache_config *config, const char *after);

/** Tokens of one append. */
typedef struct cache_rows {
    int32_t n;
    int32_t slot[CACHE_MAX_ROWS], pos[CACHE_MAX_ROWS];
    uint32_t token[CACHE_MAX_ROWS];
    cg_dtype dtype;
    size_t stride[2]; /* bytes between rows of keys, of values */
    char *data[2];    /* keys and values of one layer */
} cache_rows;

/** Creates n[slot] new tokens for every slot, interleaved, with some entries to skip (slot -1). */
void cache_rows_random(cache_suite *s, const int32_t *n, cache_rows *ret_rows);
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
void cache_device_rows_destroy(cache_device_rows *d);

/** Calls append() for a layer and records the status. `d`: on a GPU, else NULL. */
void cache_append(cache_suite *s, int32_t layer, const cache_rows *r, const cache_device_rows *d);
/** Appends n[slot] new tokens to every slot, in all layers. */
void cache_append_all(cache_suite *s, const int32_t *n);
/** Reserves len tokens and records failures other than out of memory. Returns 0 on failure. */
int cache_reserve(cache_suite *s, int32_t slot, int32_t len);

/** Checks that run on a GPU only. */
void cache_check_captured_append(cache_suite *s);
void cache_check_device_memory(cache_suite *s);

#endif
