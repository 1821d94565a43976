/* SPDX-License-Identifier: MIT */
/** @file cache_suite.h  A cache, what it must hold, and the calls that fill it. */
#ifndef CG_CONFORMANCE_CACHE_SUITE_H
#define CG_CONFORMANCE_CACHE_SUITE_H

#include "test_case.h"
#include "gpu_memory.h"

enum {
    CACHE_SLOTS = 5,
    CACHE_LAYERS = 3,
    CACHE_HEADS = 2,
    CACHE_MAX_LEN = 150,
    CACHE_MAX_ROWS = 400, /* tokens of one append */
};

/** What a cache must hold: a number for every token; elements of keys and values follow from it. */
typedef struct cache_suite {
    checker c;
    watch_host watch;
    const cg_cache_ops *ops;
    cg_gpu *gpu;    /* NULL: the CPU */
    cg_dtype dtype; /* of the cache */
    int32_t dim;    /* head size */
    void *self;
    uint32_t token[CACHE_SLOTS][CACHE_MAX_LEN];
    int32_t valid[CACHE_SLOTS]; /* tokens that were stored */
    int32_t room[CACHE_SLOTS];  /* tokens that were reserved */
    int32_t shares;             /* prefixes shared since all was empty */
    uint32_t next;
    cg_kv_view view[CACHE_LAYERS]; /* as last seen */
    /* a block's keys and values, and the page table, brought from the device */
    char *copy[2];
    int32_t *table;
    size_t copy_bytes, table_entries;
} cache_suite;

cg_cache_config cache_config(const cache_suite *s);
/** Bytes of a token and head. */
size_t cache_row_bytes(const cache_suite *s);
/** The type in which a token is appended: the lowest bits of its number. */
cg_dtype cache_source_type(uint32_t token);
/** What a token brings, as it is given to append(). */
float cache_element(const cache_suite *s, uint32_t token, int32_t layer, int32_t head, int32_t d,
                    int32_t value);
/** All is empty. */
void cache_model_clear(cache_suite *s);
/** Case: create() of an empty cache. */
int cache_create(cache_suite *s, const cg_cache_config *config);
/** There is no memory, of the kind that the device has. */
int cache_is_nomem(const cache_suite *s, cg_status st);
/** The page table where the host can read it; NULL if there is none, or it cannot be had. */
const int32_t *cache_host_table(cache_suite *s, const cg_kv_view *v);
/** Case: everything that was stored is where the views say. */
int cache_check_content(cache_suite *s, const char *after);
/** Cases: the stats make sense. */
void cache_check_stats(cache_suite *s, const cg_cache_config *config, const char *after);

/** Tokens of one append. */
typedef struct cache_rows {
    int32_t n;
    int32_t slot[CACHE_MAX_ROWS], pos[CACHE_MAX_ROWS];
    uint32_t token[CACHE_MAX_ROWS];
    cg_dtype dtype;
    size_t stride[2]; /* bytes between keys, between values */
    char *data[2];    /* keys and values of one layer */
} cache_rows;

/** `n[slot]` new tokens for every slot, interleaved, some places left out. */
void cache_rows_draw(cache_suite *s, const int32_t *n, cache_rows *ret_rows);
/** Write keys and values of a layer to rows->data. */
void cache_rows_fill(const cache_suite *s, cache_rows *r, int32_t layer);
void cache_rows_free(cache_rows *r);

/** The arguments of append() in memory of the device. */
typedef struct cache_device_rows {
    gpu_block slot, pos, data[2];
    int32_t n; /* the bound that is passed */
} cache_device_rows;

/** For n tokens of the types of r; 0 if that failed. */
int cache_device_rows_create(cache_suite *s, const cache_rows *r, int32_t n,
                             cache_device_rows *ret_rows);
/** What is behind the rows has slot -1. */
void cache_device_rows_load(cache_device_rows *d, const cache_rows *r);
void cache_device_rows_destroy(cache_device_rows *d);

/** Case: append() to a layer; `d` on a GPU, else NULL. */
void cache_append(cache_suite *s, int32_t layer, const cache_rows *r, const cache_device_rows *d);
/** Append `n[slot]` tokens to every slot, in all layers. */
void cache_append_all(cache_suite *s, const int32_t *n);
/** Case: room for len tokens; 0 if there is no memory, which must leave all as it was. */
int cache_reserve(cache_suite *s, int32_t slot, int32_t len);

/** Checks of a GPU alone. */
void cache_check_captured_append(cache_suite *s);
void cache_check_device_memory(cache_suite *s);

#endif
