/* SPDX-License-Identifier: MIT */
/* Random weights for benchmarks. */
#include <math.h>
#include <stdlib.h>
#include <xxhash.h>

#include "base/cpu.h"
#include "base/error.h"
#include "base/pool.h"
#include "base/size.h"
#include "model/model_store.h"
#include "model/tensor_specs.h"

enum { TABLE = 1 << 16, ALIGN = 64, MAX_THREADS = 16 };

/* Of the weights: initializer_range of Llama and Qwen, so activations have the usual size. */
static const double init_sigma = 0.02;

/*
 * Computes the 65536 quantiles of normal(0, sigma) as bf16. 16 random bits select one of them for a
 * weight: one table look-up instead of a logarithm and a cosine.
 */
static void fill_quantiles(double sigma, uint16_t table[TABLE])
{
    const double inv_sqrt_2pi = 0.3989422804014327;
    double z = 0.0;

    for (int k = TABLE / 2; k < TABLE; k++) {
        double tail = 1.0 - (k + 0.5) / TABLE; /* P(Z > z) */
        double step;

        /* Newton iteration from the previous quantile. The tail is convex: z converges from the
         * left, and the step is never negative before convergence. */
        do {
            step = (0.5 * erfc(z * M_SQRT1_2) - tail) / (exp(-0.5 * z * z) * inv_sqrt_2pi);
            z += step;
        } while (step > 1e-9);
        table[k] = cg_bf16_from_f32((float)(z * sigma));
        table[TABLE - 1 - k] = cg_bf16_from_f32((float)(-z * sigma));
    }
}

/* Finaliser of splitmix64 (Steele et al. 2014): a bijection that mixes all bits. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static void fill(uint16_t *dst, size_t n, uint64_t key, const uint16_t *table)
{
    for (size_t i = 0; i < n; i += 4) {
        uint64_t bits = mix(key + (i / 4 + 1) * 0x9e3779b97f4a7c15u);

        for (size_t j = i; j < i + 4 && j < n; j++, bits >>= 16)
            dst[j] = table[bits & 0xffffu];
    }
}

/* Computes the offsets of the tensors in one block of memory, and its size. */
static cg_status assign_offsets(const cg_tensor_spec *specs, size_t n, size_t *offsets,
                                size_t *ret_bytes, cg_error *err)
{
    size_t sum = 0, bytes = 0;

    for (size_t i = 0; i < n; i++) {
        offsets[i] = sum;
        if (cg_mul((size_t)specs[i].rows, (size_t)specs[i].cols, &bytes) ||
            cg_mul(bytes, 2, &bytes) || cg_add(bytes, ALIGN - 1, &bytes) ||
            cg_add(sum, bytes / ALIGN * ALIGN, &sum))
            return cg_fail(err, CG_ERR_NOMEM, "random model: the size of the weights overflows");
    }
    *ret_bytes = sum;
    return CG_OK;
}

/* Weights of a model that are filled in parallel. */
struct filling {
    const cg_model *model;
    uint64_t seed;
    cg_tensor_spec *specs;
    const size_t *offsets;
    const uint16_t *table;
};

/* Fills tensor i with values that depend only on the seed and i. */
static void fill_tensor(void *ctx, int64_t i, int worker)
{
    const struct filling *f = ctx;
    cg_tensor_spec *s = &f->specs[i];
    uint16_t *dst = (uint16_t *)((char *)f->model->store->heap + f->offsets[i]);
    size_t elems = (size_t)(s->rows * s->cols);

    (void)worker;
    if (s->is_norm)
        for (size_t j = 0; j < elems; j++)
            dst[j] = 0x3f80u; /* 1.0 */
    else
        fill(dst, elems, mix(f->seed + 1) + mix((uint64_t)i + 1), f->table);
    s->whole = (cg_tensor_ref) { dst, s->rows, s->cols, CG_BF16 };
}

static void hash_tensor(void *ctx, int64_t i, int worker)
{
    cg_tensor_spec *s = &((const struct filling *)ctx)->specs[i];

    (void)worker;
    s->hash = XXH3_64bits(s->whole.data, (size_t)cg_weight_bytes(&s->whole));
}

/*
 * Allocates the weights in one block owned by m->store, fills them and points the model at them. A
 * failure is cleaned up by cg_model_close().
 *
 * `offsets`: [n], `table`: [TABLE], scratch of the caller.
 */
static cg_status fill_model(cg_model *m, uint64_t seed, cg_tensor_spec *specs, size_t n,
                            size_t *offsets, uint16_t *table, cg_team *team, cg_error *err)
{
    struct filling f = { m, seed, specs, offsets, table };
    size_t bytes = 0;

    CG_TRY(assign_offsets(specs, n, offsets, &bytes, err));
    m->store->heap = aligned_alloc(ALIGN, bytes);
    if (!m->store->heap)
        return cg_fail(err, CG_ERR_NOMEM, "random model: no memory for %zu bytes", bytes);
    fill_quantiles(init_sigma, table);
    cg_team_loop(team, (int64_t)n, fill_tensor, &f);
    for (size_t i = 0; i < n; i++)
        CG_TRY(cg_tensor_spec_reorder(&specs[i], &m->config, err));
    cg_team_loop(team, (int64_t)n, hash_tensor, &f);
    cg_model_complete(m, specs, n);
    return CG_OK;
}

cg_status cg_model_random(const cg_model_config *config, uint64_t seed, cg_model **ret_model,
                          cg_error *err)
{
    cg_model *m = calloc(1, sizeof *m);
    cg_tensor_spec *specs = NULL;
    size_t *offsets = NULL, n = 0;
    uint16_t *table = NULL;
    cg_team *team = NULL;
    int n_threads = cg_cpu_count();
    cg_status st;

    if (!m || !(m->store = calloc(1, sizeof *m->store))) {
        st = cg_fail_nomem(err, "random model");
        goto out;
    }
    m->config = *config;
    m->generation.sampling =
        (cg_stated_sampling) { .stated = CG_STATES_DO_SAMPLE | CG_STATES_TOP_K, .do_sample = 1 };
    CG_TRY_GOTO(st, cg_format_config_parse("", NULL, 0, &m->format, err), out);
    CG_TRY_GOTO(st, cg_tensor_specs_create(m, &specs, &n, err), out);
    offsets = cg_alloc_array(n, sizeof *offsets);
    table = cg_alloc_array(TABLE, sizeof *table);
    if (!offsets || !table) {
        st = cg_fail_nomem(err, "random model");
        goto out;
    }
    CG_TRY_GOTO(st, cg_team_create(n_threads < MAX_THREADS ? n_threads : MAX_THREADS, &team, err),
                out);
    CG_TRY_GOTO(st, fill_model(m, seed, specs, n, offsets, table, team, err), out);
    *ret_model = m;
    m = NULL;
out:
    cg_team_destroy(team);
    free(table);
    free(offsets);
    free(specs);
    cg_model_close(m);
    return st;
}
