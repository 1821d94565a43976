/* SPDX-License-Identifier: MIT */
/** @file attention_bench.h  Parts of `bench attention`: data, calls, checks and tables of a shape.
 */
#ifndef CG_TOOLS_ATTENTION_BENCH_H
#define CG_TOOLS_ATTENTION_BENCH_H

#include <confgen/attention.h>
#include <confgen/cache.h>

#include "attention_shapes.h"
#include "bench.h"
#include "bench_device.h"

enum { MAX_ATTENTION = 32, MAX_CACHES = 8, MAX_CELLS = MAX_ATTENTION * MAX_CACHES };

/**
 * Memory of keys and values: that of the bench, as contiguous slots (`static`) or pages in random
 * order (`paged`), or on the CPU that of a cache plugin.
 */
struct bench_cache {
    const char *name;
    int paged;               /* of the bench's own memory */
    const cg_plugin *plugin; /* NULL: the bench's own */
    /* of the current shape */
    void *self; /* the plugin's */
    cg_status status;
    cg_error refusal; /* if status is not CG_OK */
};

/** An attention plugin over a cache, on the current shape. */
struct bench_cell {
    const cg_plugin *attention;
    const struct bench_cache *cache;
    cg_status status;
    cg_error refusal; /* if status is not CG_OK */
    void *plan, *workspace;
    int64_t workspace_bytes;
    int64_t plan_bytes; /* that plan() and the first call allocated, kernels on a GPU included */
    int64_t kv_bytes;   /* of the keys, values and scales of one call, as allocated */
    cg_gpu_graph *graph;
    int32_t calls;          /* timed together */
    int32_t next_set;       /* CPU: of the next timed call, modulo the number of sets */
    struct samples seconds; /* of one call */
    double spent;           /* seconds of all timed calls */
    double error;           /* relative to the reference */
};

/** Operands of a shape. An input set is what one call reads; calls use the sets in turn. */
struct bench_data {
    int32_t n_rows, n_sets, page_tokens, table_stride, n_pages;
    int32_t *kv_len, *slot, *q_start, *table;          /* on the host */
    void *on_kv_len, *on_slot, *on_q_start, *on_table; /* the same on the device */
    int64_t q_row, out_row;                            /* bytes of a row */
    int64_t q_bytes, out_bytes;                        /* of a set; multiples of 256 */
    int64_t k_bytes, v_bytes, scale_bytes; /* likewise; scale_bytes: of keys or of values */
    char *q, *out, *kv, *scales;           /* of all sets; set by set keys, then values */
    double flops, bytes;                   /* of one call */
};

/** The benchmark. Zero first. */
struct attention_bench {
    const cg_host *host;
    struct bench_device device;
    const cg_plugin *attention[MAX_ATTENTION];
    int n_attention;
    struct bench_cache caches[MAX_CACHES];
    int n_caches;
    int32_t page_tokens;
    uint32_t flags;      /* CG_ATTENTION_* that all plans need */
    double seconds;      /* to measure each cell */
    double most_seconds; /* of one call; slower cells are not measured */
    const char *json;    /* output file; NULL: none */
    json_t *rows;        /* of that file */
    /* the shape being measured */
    const struct attention_shape *shape;
    struct bench_data data;
    struct bench_cell cells[MAX_CELLS];
    int n_cells;
    struct samples memory_rate; /* CPU: bytes per second of a loop that reads keys and values */
};

/** Allocates the operands of b->shape. CG_ERR_NOMEM or CG_ERR_DEVICE_NOMEM if they do not fit. */
cg_status bench_data_make(struct attention_bench *b, cg_error *err);
void bench_data_free(struct attention_bench *b);
/** The keys and values of input set `set` in a cache. */
cg_status bench_data_view(const struct attention_bench *b, const struct bench_cache *cache,
                          int32_t set, cg_kv_view *ret, cg_error *err);
/** Bytes that the keys, values and scales of a set take in a cache. */
int64_t bench_data_kv_bytes(const struct attention_bench *b, const struct bench_cache *cache);
/** CPU: reads the keys and values of all sets in a loop and adds to b->memory_rate. */
void bench_data_read(struct attention_bench *b);

/** Creates and fills the cache of a plugin for b->shape; sets its status. */
void bench_cache_open(const struct attention_bench *b, struct bench_cache *cache);
void bench_cache_close(struct bench_cache *cache); /* may be closed */

/**
 * Prepares all cells: plans, warms up, counts memory. A cell that is refused keeps its reason;
 * fails if a plugin has broken the GPU's context.
 */
cg_status bench_cells_open(struct attention_bench *b, cg_error *err);
/** Makes cells that all have the same refusal, for a shape that cannot be measured. */
void bench_cells_refuse(struct attention_bench *b, cg_status status, const char *reason);
/** Measures the cells in turn, then compares sampled rows of each with the reference. */
cg_status bench_cells_measure(struct attention_bench *b, cg_error *err);
void bench_cells_close(struct attention_bench *b);

/** Prints the shape's table and adds its rows to b->rows. */
void bench_attention_show(struct attention_bench *b);
/** Prints a table of shapes. */
void bench_attention_list(const struct attention_shape *shapes, int n);
/** Writes the figures of all shapes so far to b->json. */
cg_status bench_attention_write(const struct attention_bench *b, cg_error *err);

/**
 * Computes some rows of three sequences in f64 on the host and compares them with those in `out`,
 * of input set 0 in `cache`. *ret_error is the largest error of a row relative to its largest
 * element; infinite if the output is not finite.
 */
cg_status bench_attention_error(struct attention_bench *b, const struct bench_cache *cache,
                                double *ret_error, cg_error *err);

#endif
