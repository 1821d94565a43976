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
    u64 bins[258]; /* of select_key() */
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

/* Key of candidate i: of its logit, or the bits of its probability, which is not negative. */
static __device__ __forceinline__ uint32_t selection_key(const struct candidates *c, int by_mass,
                                                         int32_t i)
{
    return by_mass ? __float_as_uint(probability(c, i)) : logit_key(c, i);
}

/* The least and the greatest logit key, in all threads. */
static __device__ void key_range(const struct candidates *c, u64 *part, uint32_t *ret_least,
                                 uint32_t *ret_greatest)
{
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32, n_warps = blockDim.x / 32;
    uint32_t least = UINT32_MAX, greatest = 0;

    for (int32_t i = threadIdx.x; i < c->n; i += blockDim.x) {
        uint32_t key = logit_key(c, i);

        least = key < least ? key : least;
        greatest = key > greatest ? key : greatest;
    }
    for (int step = 16; step > 0; step /= 2) {
        u64 other = __shfl_xor_sync(0xffffffffu, (u64)greatest << 32 | least, step);

        least = (uint32_t)other < least ? (uint32_t)other : least;
        greatest = other >> 32 > greatest ? (uint32_t)(other >> 32) : greatest;
    }
    if (lane == 0)
        part[warp] = (u64)greatest << 32 | least;
    __syncthreads();
    for (int w = 0; w < n_warps; w++) {
        least = (uint32_t)part[w] < least ? (uint32_t)part[w] : least;
        greatest = part[w] >> 32 > greatest ? (uint32_t)(part[w] >> 32) : greatest;
    }
    __syncthreads();
    *ret_least = least;
    *ret_greatest = greatest;
}

/*
 * Sums the 256 bins from the highest down until the sum reaches `need`. Stores the last bin of the
 * sum in bins[256] and its part of `need` in bins[257]; bin 0 if the sum stays below. One warp.
 */
static __device__ void find_bin(u64 need, u64 *bins)
{
    int lane = threadIdx.x % 32, top = 255 - 8 * lane;
    u64 sum = 0, before;

    for (int b = top; b > top - 8; b--)
        sum += bins[b];
    before = sum;
    for (int step = 1; step < 32; step *= 2) {
        u64 y = __shfl_up_sync(0xffffffffu, before, step);

        if (lane >= step)
            before += y;
    }
    before -= sum;
    if (before < need && (lane == 31 || before + sum >= need)) {
        int b = top;

        need -= before;
        while (b > top - 7 && bins[b] < need)
            need -= bins[b--];
        bins[256] = (u64)b;
        bins[257] = need;
    }
}

/*
 * The highest key such that the candidates of this key and higher ones reach `need`; `need` is at
 * least 1 and at most what all reach. by_mass 0: by logit, each counts as 1. by_mass 1: by
 * probability; those that top-k keeps count as their weight.
 *
 * A radix select over the distance from the least key that counts, eight bits at a time from the
 * highest bit in which keys differ: the first histogram, which has all candidates, has them in many
 * bins. A histogram of those that share the bits found so far gives the next eight. All threads;
 * *ret_rest is the part of `need` that candidates of this key cover.
 */
static __device__ uint32_t select_key(const struct candidates *c, int by_mass, u64 need,
                                      struct sampler_shared *shared, u64 *ret_rest)
{
    u64 *bins = shared->bins;
    uint32_t least = __float_as_uint(0x1p-40f), greatest = __float_as_uint(1.0f), found = 0;
    int bits = 0; /* of the distance, not yet found */

    if (!by_mass) /* else weights of smaller probabilities are 0 */
        key_range(c, shared->part, &least, &greatest);
    while (bits < 32 && (greatest - least) >> bits)
        bits++;
    while (bits > 0) {
        int shift = bits > 8 ? bits - 8 : 0;

        for (int32_t b = threadIdx.x; b < 256; b += blockDim.x)
            bins[b] = 0;
        __syncthreads();
        for (int32_t i = threadIdx.x; i < c->n; i += blockDim.x) {
            uint32_t key = selection_key(c, by_mass, i), distance = key - least;

            if (key >= least && (bits == 32 || (distance ^ found) >> bits == 0) &&
                (!by_mass || is_in_top_k(c, i)))
                atomicAdd(&bins[distance >> shift & ((1u << (bits - shift)) - 1)],
                          by_mass ? weight(probability(c, i)) : 1);
        }
        __syncthreads();
        if (threadIdx.x < 32)
            find_bin(need, bins);
        __syncthreads();
        found |= (uint32_t)bins[256] << shift;
        need = bins[257];
        bits = shift;
        __syncthreads();
    }
    *ret_rest = need;
    return least + found;
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
    k->key = select_key(c, 1, target, shared, &rest);
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
    /* odd: neighbouring threads read different banks of shared memory */
    int32_t chunk = (c->n + (int32_t)blockDim.x - 1) / (int32_t)blockDim.x | 1;
    struct kept k = { 0, 0, (float)sampling->min_p, 0, INT32_MAX, 0 };
    u64 unused;

    k.begin = (int32_t)threadIdx.x * chunk;
    k.begin = k.begin < c->n ? k.begin : c->n;
    k.end = k.begin + chunk < c->n ? k.begin + chunk : c->n;
    if (sampling->top_k > 0 && sampling->top_k < c->n)
        c->least = select_key(c, 0, (u64)sampling->top_k, shared, &unused);
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
