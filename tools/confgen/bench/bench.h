/* SPDX-License-Identifier: MIT */
/** @file bench.h  The benches, and what they share. */
#ifndef CG_TOOLS_BENCH_H
#define CG_TOOLS_BENCH_H

#include <confgen/gpu.h>
#include <confgen/plugin.h>

#include "commands.h"

int bench_decode(int argc, char **argv);
int bench_attention(int argc, char **argv);
int bench_tokenizer(int argc, char **argv);
int bench_templates(int argc, char **argv);
int bench_rmsd(int argc, char **argv);

/** Seconds on a clock that never goes back. */
double now(void);

/** Measurements of one cell. Zero first. Out of memory ends the program. */
struct samples {
    double *values;
    size_t n, cap;
};
void samples_add(struct samples *s, double value);
double samples_median(const struct samples *s); /* 0 of none */
void samples_finish(struct samples *s);

/** --device: index of the GPU, -1 for "cpu". */
int32_t parse_gpu(const char *text);
/** --dtype. */
cg_dtype parse_dtype(const char *text);
/** Write a bench's figures and let go of them. CG_ERR_IO naming the file; root NULL: no memory. */
cg_status write_bench_json(const char *path, json_t *root, cg_error *err);

/** What `bench attention` was asked for on a GPU. Borrowed. */
struct attention_gpu_options {
    const cg_host *host;
    const cg_plugin *const *attention;
    int n_attention;
    int layouts; /* bit 0: contiguous slots, bit 1: pages */
    int32_t gpu;
    cg_dtype dtype;
    uint32_t flags;           /* CG_ATTENTION_* beside GRAPH_SAFE */
    double seconds;           /* of measuring for each cell */
    const char *json;         /* NULL: none */
    const char *const *names; /* of sets and shapes; none: all shapes */
    int n_names;
};
cg_status bench_attention_gpu(const struct attention_gpu_options *o, cg_error *err);

/** A call of attention that has run on a GPU. Borrowed. */
struct attention_slice {
    cg_gpu *gpu;
    cg_kv_view view;     /* k and v on the GPU, page_table on the host */
    const char *q, *out; /* on the GPU, rows row_bytes apart */
    int64_t row_bytes;
    const int32_t *q_start, *slot, *kv_len; /* on the host */
    int32_t n_seqs, n_heads;
    double scale;
};
/**
 * The largest error of some rows of three sequences against f64 on the host, each row's relative to
 * its largest element; infinite where the output is not finite.
 */
cg_status attention_error(const struct attention_slice *s, double *ret_error, cg_error *err);

#endif
