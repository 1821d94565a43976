/* SPDX-License-Identifier: MIT */
/** @file bench.h  The benchmarks and the helpers that they share (bench.c). */
#ifndef CG_TOOLS_BENCH_H
#define CG_TOOLS_BENCH_H

#include <confgen/confgen.h>
#include <confgen/gpu.h>
#include <confgen/plugin.h>

#include "base/clock.h"
#include "commands.h"

int bench_decode(int argc, char **argv);
int bench_attention(int argc, char **argv);
int bench_tokenizer(int argc, char **argv);
int bench_templates(int argc, char **argv);
int bench_rmsd(int argc, char **argv);

/** Measurements of one cell of a table. Zero first. Out of memory ends the program. */
struct samples {
    double *values;
    size_t n, cap;
};
void samples_add(struct samples *s, double value);
double samples_median(const struct samples *s); /* 0 without samples */
void samples_finish(struct samples *s);

/** Requests for `gens` conformers of each of the first n molecules of a list, whose texts they
 * share; free(). */
cg_request *copy_requests(const cg_requests *list, int64_t n, int32_t gens);

/** The value of --device: index of the GPU, -1 for "cpu". */
int32_t parse_gpu(const char *text);
/** The value of --dtype. */
cg_dtype parse_dtype(const char *text);
/** A usage error if the file exists; `path` may be NULL. */
void check_bench_json(const char *path);
/** Writes `root` (NULL: out of memory), replacing what an earlier call wrote, and releases it.
 * CG_ERR_IO naming the file. */
cg_status write_bench_json(const char *path, json_t *root, cg_error *err);

/** Options of `bench attention` on a GPU. Borrowed. */
struct attention_gpu_options {
    const cg_host *host;
    const cg_plugin *const *attention;
    int n_attention;
    int layouts; /* bit 0: contiguous slots, bit 1: pages */
    int32_t gpu;
    cg_dtype dtype;
    uint32_t flags;           /* CG_ATTENTION_* in addition to GRAPH_SAFE */
    double seconds;           /* to measure each cell */
    const char *json;         /* output file; NULL: none */
    const char *const *names; /* sets and shapes; none: all shapes */
    int n_names;
};
cg_status bench_attention_gpu(const struct attention_gpu_options *o, cg_error *err);

/** The operands of an attention call that has run on a GPU. Borrowed. */
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
 * Compares some rows of three sequences with an f64 reference on the host. *ret_error is the
 * largest error of a row relative to its largest element; infinite if the output is not finite.
 */
cg_status attention_error(const struct attention_slice *s, double *ret_error, cg_error *err);

#endif
