/* SPDX-License-Identifier: MIT */
/** @file bench.h  The benchmarks and the helpers that they share (bench.c). */
#ifndef CG_TOOLS_BENCH_H
#define CG_TOOLS_BENCH_H

#include <confgen/confgen.h>
#include <confgen/gpu.h>
#include <confgen/plugin.h>

#include "base/clock.h"
#include "commands.h"
#include "io/input.h"

int bench_decode(int argc, char **argv);
int bench_attention(int argc, char **argv);
int bench_tokenizer(int argc, char **argv);
int bench_templates(int argc, char **argv);
int bench_rmsd(int argc, char **argv);
int bench_minimize(int argc, char **argv);

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

/**
 * Calls add() for each readable molecule of a list, at most `limit` of them (0: all). A usage error
 * if there is none.
 *
 * @param file    NULL: the sample shipped with confgen
 * @param record  valid during the call
 */
cg_status read_bench_molecules(const char *file, int64_t limit,
                               void (*add)(void *ctx, const cg_input_record *record), void *ctx,
                               cg_error *err);

/** The value of --device: index of the GPU, -1 for "cpu". */
int32_t parse_gpu(const char *text);
/** A usage error if the file exists; `path` may be NULL. */
void check_bench_json(const char *path);
/** Writes `root` (NULL: out of memory), replacing what an earlier call wrote, and releases it.
 * CG_ERR_IO naming the file. */
cg_status write_bench_json(const char *path, json_t *root, cg_error *err);

#endif
