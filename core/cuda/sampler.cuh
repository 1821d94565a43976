/* SPDX-License-Identifier: MIT */
/*
 * Samples one of the allowed tokens, by all threads of a block. Counterpart of decode/sampler.c on
 * the device, with the same filters in the same order.
 */
#ifndef CG_CUDA_SAMPLER_CUH
#define CG_CUDA_SAMPLER_CUH

#include <confgen/sampling.h>

#include "block.cuh"

/* Candidates for the next token of one row: the allowed transitions of its automaton state. */
struct candidates {
    const float *logits;     /* of the row, by head row */
    const int32_t *head_row; /* [n] */
    float *p;                /* [n] shared: cached probabilities; NULL: recomputed on each use */
    int32_t n;
    float max, scale; /* probability = exp2((logit - max) * scale) */
    uint32_t least;   /* top-k keeps the candidates whose logit has this key or a higher one */
};

/* Shared memory of the block. */
struct sampler_shared {
    u64 bins[257]; /* of select_key() */
    u64 part[33];  /* of scan() */
    int32_t sampled;
};

/* Probability of candidate i relative to the most likely one, in [0, 1]. */
static __device__ __forceinline__ float probability(const struct candidates *c, int32_t i)
{
    return c->p ? c->p[i] : exp2f((c->logits[c->head_row[i]] - c->max) * c->scale);
}

/* A probability as an integer, in units of 2^-40. */
static __device__ __forceinline__ u64 weight(float p)
{
    return (u64)(p * 0x1p40f);
}

/* A number that is ordered as x is; -0 is 0. */
static __device__ __forceinline__ uint32_t order_key(float x)
{
    uint32_t bits = __float_as_uint(x + 0.0f);

    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

static __device__ __forceinline__ uint32_t logit_key(const struct candidates *c, int32_t i)
{
    return order_key(c->logits[c->head_row[i]]);
}

static __device__ __forceinline__ int is_in_top_k(const struct candidates *c, int32_t i)
{
    return !c->least || logit_key(c, i) >= c->least;
}

/* Index of the most likely candidate, the first of equal ones; all threads. */
static __device__ int32_t argmax(const struct candidates *c, u64 *part)
{
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32, n_warps = blockDim.x / 32;
    u64 key = 0;

    for (int32_t i = threadIdx.x; i < c->n; i += blockDim.x) {
        u64 x = (u64)logit_key(c, i) << 32 | (0xffffffffu - (uint32_t)i);

        if (x > key)
            key = x;
    }
    for (int step = 16; step > 0; step /= 2) {
        u64 y = __shfl_xor_sync(0xffffffffu, key, step);

        if (y > key)
            key = y;
    }
    if (lane == 0)
        part[warp] = key;
    __syncthreads();
    key = part[0];
    for (int w = 1; w < n_warps; w++)
        if (part[w] > key)
            key = part[w];
    __syncthreads();
    return (int32_t)(0xffffffffu - (uint32_t)key);
}

/*
 * The highest key such that the candidates of this key and higher ones reach `need`; `need` is at
 * most what all reach. by_mass 0: by logit, each counts as 1. by_mass 1: by probability, whose bits
 * are ordered as the float, which is not negative; those that top-k keeps count as their weight.
 *
 * A radix select, eight bits at a time from the top: a histogram of the candidates that share the
 * bits found so far gives the next eight. All threads; *ret_rest is what the candidates of this key
 * must contribute.
 */
static __device__ uint32_t select_key(const struct candidates *c, int by_mass, u64 need, u64 *bins,
                                      u64 *ret_rest)
{
    uint32_t found = 0;

    for (int shift = 24; shift >= 0; shift -= 8) {
        for (int32_t b = threadIdx.x; b < 256; b += blockDim.x)
            bins[b] = 0;
        __syncthreads();
        for (int32_t i = threadIdx.x; i < c->n; i += blockDim.x) {
            float p = by_mass ? probability(c, i) : 0;
            uint32_t key = by_mass ? __float_as_uint(p) : logit_key(c, i);

            if ((shift == 24 || (key ^ found) >> (shift + 8) == 0) &&
                (!by_mass || is_in_top_k(c, i)))
                atomicAdd(&bins[key >> shift & 255], by_mass ? weight(p) : 1);
        }
        __syncthreads();
        if (threadIdx.x == 0) {
            int b = 255;

            while (b > 0 && bins[b] < need)
                need -= bins[b--];
            bins[256] = (u64)b;
            bins[0] = need;
        }
        __syncthreads();
        found |= (uint32_t)bins[256] << shift;
        need = bins[0];
        __syncthreads();
    }
    *ret_rest = need;
    return found;
}

/* A thread's part of the candidates and what the filters keep of it. */
struct kept {
    int32_t begin, end; /* of the part */
    float min_p;
    /* Of top-p: the candidates with a probability of higher bits than these, and the first `ties`
     * of those with exactly these bits, of which `rank` lie before the part. */
    uint32_t key;
    int32_t ties, rank;
};

/*
 * Weight of candidate i, 0 if a filter excludes it. Calls for a part go from begin to end; *rank
 * counts the candidates at the threshold of top-p, from k->rank on.
 */
static __device__ u64 kept_weight(const struct candidates *c, const struct kept *k, int32_t i,
                                  int32_t *rank)
{
    float p = probability(c, i);
    uint32_t key = __float_as_uint(p);

    if (key < k->key || p < k->min_p || !is_in_top_k(c, i))
        return 0;
    if (key == k->key && (*rank)++ >= k->ties)
        return 0;
    return weight(p);
}

/*
 * Finds the threshold of top-p over what top-k keeps. Of equal candidates the first ones are kept;
 * in transformers any, its sort is not stable.
 */
static __device__ void apply_top_p(const struct candidates *c, double top_p,
                                   struct sampler_shared *shared, struct kept *k)
{
    u64 sum = 0, total, target, rest, one;

    for (int32_t i = k->begin; i < k->end; i++)
        sum += is_in_top_k(c, i) ? weight(probability(c, i)) : 0;
    scan(sum, shared->part, &total);
    target = (u64)(top_p * (double)total);
    target = target < 1 ? 1 : target > total ? total : target;
    k->key = select_key(c, 1, target, shared->bins, &rest);
    sum = 0;
    for (int32_t i = k->begin; i < k->end; i++)
        sum += is_in_top_k(c, i) && __float_as_uint(probability(c, i)) == k->key;
    k->rank = (int32_t)scan(sum, shared->part, &total);
    one = weight(__uint_as_float(k->key));
    k->ties = one ? (int32_t)((rest + one - 1) / one) : 1;
}

/* Applies the filters; all threads. Sets c->least. */
static __device__ struct kept apply_filters(struct candidates *c, const cg_sampling *sampling,
                                            struct sampler_shared *shared)
{
    int32_t chunk = (c->n + (int32_t)blockDim.x - 1) / (int32_t)blockDim.x;
    struct kept k = { 0, 0, (float)sampling->min_p, 0, INT32_MAX, 0 };
    u64 unused;

    k.begin = (int32_t)threadIdx.x * chunk;
    k.begin = k.begin < c->n ? k.begin : c->n;
    k.end = k.begin + chunk < c->n ? k.begin + chunk : c->n;
    if (sampling->top_k > 0 && sampling->top_k < c->n)
        c->least = select_key(c, 0, (u64)sampling->top_k, shared->bins, &unused);
    if (sampling->top_p < 1)
        apply_top_p(c, sampling->top_p, shared, &k);
    return k;
}

/* Samples a candidate with the uniform random number u; all threads get its index. */
static __device__ int32_t sample_candidate(struct candidates *c, const cg_sampling *sampling,
                                           float u, struct sampler_shared *shared)
{
    struct kept k = apply_filters(c, sampling, shared);
    int32_t rank = k.rank;
    u64 total, target, before, sum = 0;

    for (int32_t i = k.begin; i < k.end; i++)
        sum += kept_weight(c, &k, i, &rank);
    before = scan(sum, shared->part, &total);
    /* u is a multiple of 2^-24: floor(u * total) without rounding */
    target = (u64)(uint32_t)(u * 0x1p24f);
    target = (total >> 24) * target + ((total & 0xffffffu) * target >> 24);
    if (before <= target && target < before + sum) {
        int32_t sampled = -1;

        rank = k.rank;
        for (int32_t i = k.begin; i < k.end && sampled < 0; i++) {
            before += kept_weight(c, &k, i, &rank);
            if (before > target)
                sampled = i;
        }
        shared->sampled = sampled;
    }
    __syncthreads();
    return shared->sampled;
}

#endif
