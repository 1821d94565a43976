/* SPDX-License-Identifier: MIT */
/* The GPU's sampler, one block of the kernel, run on the host. Allocated memory is not freed. */
#ifndef CG_TESTS_SAMPLER_BLOCK_H
#define CG_TESTS_SAMPLER_BLOCK_H

#include <math.h>

#include "block.h"
#include "cuda/sampler.cuh"

/* A row of logits for the block; row.cached as the kernel caches short rows. */
struct sampler_job {
    const cg_sampling *sampling;
    struct candidates row;
    float u;
    double *weights; /* [n] if the distribution is wanted */
    int32_t sampled;
};

static struct sampler_shared sampler_shared;

static void sampler_thread(void *arg)
{
    struct sampler_job *job = arg;
    struct candidates c = job->row;
    int32_t sampled;

    c.scale = 1.44269504088896341f / (float)job->sampling->temperature;
    if (threadIdx.x == 0)
        sampler_shared.u = job->u;
    sampled = read_logits(&c, &sampler_shared);
    if (job->weights) {
        struct kept k = apply_filters(&c, job->sampling, &sampler_shared);

        for (int32_t i = k.begin, rank = k.rank; i < k.end; i++)
            job->weights[i] = (double)kept_weight(&c, &k, i, &rank);
    } else if (!job->sampling->greedy) {
        sampled = sample_candidate(&c, job->sampling, &sampler_shared);
    }
    if (!job->weights && sampled >= 0)
        job->sampled = sampled;
}

/* Head rows 0 to n - 1. */
static const int32_t *identity(int32_t n)
{
    static int32_t *rows, n_rows;

    if (n > n_rows) {
        rows = realloc(rows, (size_t)n * sizeof *rows);
        for (; n_rows < n; n_rows++)
            rows[n_rows] = n_rows;
    }
    return rows;
}

/* cg_sample(), by a block. */
static inline int32_t sample_by_block(const cg_sampling *s, const float *logits, int32_t n, float u,
                                      int cache)
{
    float *cached = cache ? malloc((size_t)n * sizeof *cached) : NULL;
    struct sampler_job job = { s, { .logits = logits, .n = n }, u, NULL, -1 };

    job.row.head_row = identity(n);
    job.row.cached = cached;
    block_run(sampler_thread, &job);
    free(cached);
    return job.sampled;
}

/* The weights of all candidates, 0 for those that are excluded, by a block. */
static inline void weights_by_block(const cg_sampling *s, const float *logits, int32_t n,
                                    double *ret_weights)
{
    struct sampler_job job = { s, { .logits = logits, .n = n }, 0, ret_weights, -1 };

    job.row.head_row = identity(n);
    block_run(sampler_thread, &job);
}

#endif
