/* SPDX-License-Identifier: MIT */
/** @file bench_decode.h  State of `bench decode`: measured by bench_decode.c, printed by
 * bench_decode_show.c. */
#ifndef CG_TOOLS_BENCH_DECODE_H
#define CG_TOOLS_BENCH_DECODE_H

#include <confgen/gpu.h>
#include <limits.h>

#include "bench.h"

enum { DECODE_CELLS = 512, DECODE_LIST = 32 };

/** One combination of batch size, constraint, attention, cache and its type. */
struct decode_cell {
    int32_t batch;
    const char *constraint;
    const char *attention, *kv_cache, *kv_type; /* as given; NULL: selected by the engine */
    int64_t n_molecules;                        /* the first of the list */
    int32_t gens;                               /* of each */
    cg_engine *engine;                          /* NULL while closed */
    struct samples tokens, sampled, forced, conformers, ratio;
    cg_report sum; /* over all rounds; head_rows, device_bytes and kv_bytes: the largest */
    char attention_used[32], cache_used[32], kv_dtype[16];
    int32_t kv_token_bytes; /* of a token's keys and values, all layers */
    cg_error failure;       /* code CG_OK: none */
};

struct decode_bench {
    cg_engine_options options;
    cg_sampling sampling;
    struct plugin_files plugins;
    int32_t batches[DECODE_LIST], n_batches;
    const char *constraints[DECODE_LIST], *attentions[DECODE_LIST], *caches[DECODE_LIST];
    const char *kv_types[DECODE_LIST];
    int32_t n_constraints, n_attentions, n_caches, n_kv_types;
    const char *molecules, *json;
    int64_t limit;
    int32_t gens, wanted_batches, free_tokens, rounds;
    double seconds;
    int etkdg, apart;
    char default_molecules[PATH_MAX];
    cg_requests *requests;
    int64_t n_items;
    struct decode_cell cells[DECODE_CELLS];
    int n_cells;
    struct samples etkdg_rates;
    /* of the last engine opened; what is used is the same for all cells */
    cg_engine_info info;
    double temperature;
    char model[PATH_MAX], device[128], dtype[16];
    /* on a GPU */
    int on_gpu;
    cg_gpu_info gpu;
    cg_gpu_ceilings ceilings;
};

/** Prints what identifies a cell, e.g. "batch 64, grammar, flash, paged". */
void decode_print_name(FILE *out, const struct decode_cell *c);
/** Prints the tables. */
void decode_print(struct decode_bench *b);
/** Writes all figures to b->json. */
cg_status decode_write_json(struct decode_bench *b, cg_error *err);

#endif
