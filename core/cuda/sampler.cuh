/* SPDX-License-Identifier: MIT */
/*
 * Samples one of the allowed tokens, by all threads of a block. Counterpart of decode/sampler.c on
 * the device, with the same filters in the same order.
 */
#ifndef CG_CUDA_SAMPLER_CUH
#define CG_CUDA_SAMPLER_CUH

#include <confgen/sampling.h>

#include "block.cuh"

enum {
    READ_AHEAD = 4, /* logits that a thread reads at a time */
    DIGIT_BITS = 8, /* of select_key() */
    DIGITS = 1 << DIGIT_BITS,
};

static const uint32_t NOT_FINITE = UINT32_MAX; /* key of a logit that is not finite */

/* Candidates for the next token of one row: the allowed transitions of its automaton state. */
struct candidates {
    const float *logits;     /* of the row, by head row */
    const int32_t *head_row; /* [n] */
    float *cached;           /* [n] shared: the logits; NULL: read again on each use */
    const float *p; /* [n] probabilities in the place of the logits; NULL: computed on each use */
    int32_t n;
    float max, scale;         /* probability = exp2((logit - max) * scale) */
    uint32_t lowest, highest; /* keys of the least and the greatest logit */
    uint32_t least; /* top-k keeps the candidates whose logit has this key or a higher one */
};

/*
 * Sums by digit, in halves of 32 bits: on shared memory an atomic addition of 64 bits is a loop.
 * Digit d is at d + d / 8: the lanes of find_bin(), of eight digits each, read different banks.
 */
struct digit_sums {
    uint32_t low[DIGITS + DIGITS / 8], high[DIGITS + DIGITS / 8];
};

/* Shared memory of the block. */
struct sampler_shared {
    struct digit_sums bins; /* 0 between calls of select_key() */
    u64 rest, size;         /* of find_bin() */
    u64 part[2][32];        /* of scan(), in turn */
    u64 best[32];           /* of read_logits(), by warp */
    uint32_t lowest[32];    /* of read_logits(), by warp */
    uint32_t digit;         /* of find_bin() */
    float u;                /* random number, uniform in [0, 1) */
};

/* A number that is ordered as x is; -0 is 0. */
static __device__ __forceinline__ uint32_t order_key(float x)
{
    uint32_t bits = __float_as_uint(x + 0.0f);

    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

/* The number with this key. */
static __device__ __forceinline__ float of_order_key(uint32_t key)
{
    return __uint_as_float(key & 0x80000000u ? key ^ 0x80000000u : ~key);
}

/* Logit of candidate i, until its probability takes its place. */
static __device__ __forceinline__ float logit(const struct candidates *c, int32_t i)
{
    return c->cached ? c->cached[i] : c->logits[c->head_row[i]];
}

/*
 * Probability of candidate i relative to the most likely one, in [0, 1]; 0 if top-k excludes it.
 */
static __device__ __forceinline__ float probability(const struct candidates *c, int32_t i)
{
    float x;

    if (c->p)
        return c->p[i];
    x = logit(c, i);
    return order_key(x) < c->least ? 0.0f : exp2f((x - c->max) * c->scale);
}

/* A probability as an integer, in units of 2^-40. */
static __device__ __forceinline__ u64 weight(float p)
{
    return (u64)(p * 0x1p40f);
}

/* The greatest key of the warp, high, with the complement of the least index that has it. */
static __device__ __forceinline__ u64 warp_best(uint32_t key, uint32_t index)
{
    uint32_t best = __reduce_max_sync(0xffffffffu, key);

    return (u64)best << 32 | __reduce_max_sync(0xffffffffu, key == best ? ~index : 0);
}

/*
 * Reads the logits, into c->cached unless it is NULL, and sets what c says of them. Returns the
 * index of the most likely candidate, the first of equal ones; -1 if a logit is not finite. All
 * threads; before the other functions, whose bins it clears.
 */
static __device__ int32_t read_logits(struct candidates *c, struct sampler_shared *shared)
{
    const int n_warps = blockDim.x / 32;
    const int32_t step = blockDim.x;
    uint32_t highest = 0, lowest = UINT32_MAX, at = 0;
    u64 best;

    for (int32_t i = threadIdx.x; i < DIGITS + DIGITS / 8; i += step)
        shared->bins.low[i] = shared->bins.high[i] = 0;
    for (int32_t first = threadIdx.x; first < c->n; first += READ_AHEAD * step) {
        int32_t row[READ_AHEAD];
        float x[READ_AHEAD];

        for (int k = 0; k < READ_AHEAD; k++)
            row[k] = c->head_row[first + k * step < c->n ? first + k * step : first];
        for (int k = 0; k < READ_AHEAD; k++)
            x[k] = c->logits[row[k]];
        for (int k = 0; k < READ_AHEAD; k++) {
            int32_t i = first + k * step;
            uint32_t key = isfinite(x[k]) ? order_key(x[k]) : NOT_FINITE;

            if (i >= c->n)
                break;
            if (c->cached)
                c->cached[i] = x[k];
            if (key > highest) {
                highest = key;
                at = (uint32_t)i;
            }
            lowest = key < lowest ? key : lowest;
        }
    }
    best = warp_best(highest, at);
    lowest = ~__reduce_max_sync(0xffffffffu, ~lowest);
    if (threadIdx.x % 32 == 0) {
        shared->best[threadIdx.x / 32] = best;
        shared->lowest[threadIdx.x / 32] = lowest;
    }
    __syncthreads();
    for (int w = 0; w < n_warps; w++) {
        best = shared->best[w] > best ? shared->best[w] : best;
        lowest = shared->lowest[w] < lowest ? shared->lowest[w] : lowest;
    }
    c->lowest = lowest;
    c->highest = (uint32_t)(best >> 32);
    c->max = of_order_key(c->highest);
    return c->highest == NOT_FINITE ? -1 : (int32_t) ~(uint32_t)best;
}

/* Puts the probabilities in the place of the cached logits. The next barrier publishes them. */
static __device__ void compute_probabilities(struct candidates *c)
{
    for (int32_t i = threadIdx.x; i < c->n; i += blockDim.x)
        c->cached[i] = probability(c, i);
    c->p = c->cached;
}

static __device__ __forceinline__ void add_to_bin(struct digit_sums *bins, uint32_t digit, u64 x)
{
    uint32_t at = digit + digit / 8, low = (uint32_t)x, high = (uint32_t)(x >> 32);

    high += atomicAdd(&bins->low[at], low) + low < low; /* the carry */
    if (high)
        atomicAdd(&bins->high[at], high);
}

/*
 * Sums the digits from the highest down until the sum reaches `need`, or `share` of all if need is
 * 0. Stores the last digit of the sum, its part of `need` and its size; digit 0 if the sum stays
 * below. Clears the bins. One warp.
 */
static __device__ void find_bin(struct sampler_shared *shared, u64 need, double share)
{
    int lane = threadIdx.x % 32, group = 31 - lane;
    uint32_t *low = shared->bins.low + 9 * group, *high = shared->bins.high + 9 * group;
    u64 bin[8], sum = 0, before, total;

    for (int d = 0; d < 8; d++) {
        bin[d] = (u64)high[d] << 32 | low[d];
        sum += bin[d];
        low[d] = high[d] = 0;
    }
    before = warp_scan(sum, 32);
    total = __shfl_sync(0xffffffffu, before, 31);
    before -= sum;
    if (!need) {
        need = (u64)(share * (double)total);
        need = need < 1 ? 1 : need > total ? total : need;
    }
    if (before < need && (lane == 31 || before + sum >= need)) {
        int d = 7;
        u64 size = bin[7];

        need -= before;
        for (int k = 6; k >= 0; k--) /* unrolled: `bin` is in registers */
            if (d == k + 1 && size < need) {
                need -= size;
                size = bin[k];
                d = k;
            }
        shared->digit = (uint32_t)(8 * group + d);
        shared->rest = need;
        shared->size = size;
    }
}

/* Key of candidate i: of its logit, or the bits of its probability, which is not negative. */
static __device__ __forceinline__ uint32_t selection_key(const struct candidates *c, int by_mass,
                                                         int32_t i)
{
    return by_mass ? __float_as_uint(probability(c, i)) : order_key(logit(c, i));
}

/*
 * A key such that the candidates of this key and higher ones, less some of this key, are the fewest
 * that reach a target. by_mass 0: by logit, each counts as 1, `amount` is the target; by_mass 1: by
 * probability, they count as their weight, the target is the share `amount` of all. *ret_rest is
 * the part of the target that candidates of this key cover; 0: all of them are needed.
 *
 * A radix select over the distance from the least key that counts, eight bits at a time from the
 * highest bit in which keys differ: the first histogram, which has all candidates, has them in many
 * bins. A histogram of those that share the bits found so far gives the next eight, until all
 * candidates of a bin are needed. All threads.
 */
static __device__ uint32_t select_key(const struct candidates *c, int by_mass, double amount,
                                      struct sampler_shared *shared, u64 *ret_rest)
{
    /* weights of smaller probabilities are 0: their distances are above all bits */
    uint32_t least = by_mass ? __float_as_uint(0x1p-40f) : c->lowest;
    uint32_t greatest = by_mass ? __float_as_uint(1.0f) : c->highest, found = 0;
    int bits = 32 - __clz((int)(greatest - least)); /* of the distance, not yet found */
    u64 need = by_mass ? 0 : (u64)amount;

    for (;;) {
        int shift = bits > DIGIT_BITS ? bits - DIGIT_BITS : 0;
        uint32_t above = bits < 32 ? 0xffffffffu << bits : 0;
        u64 lightest; /* bound of the weights of the bin */

        for (int32_t i = threadIdx.x; i < c->n; i += blockDim.x) {
            uint32_t key = selection_key(c, by_mass, i), digits = (key - least) ^ found;

            if (!(digits & above))
                add_to_bin(&shared->bins, digits >> shift,
                           by_mass ? weight(__uint_as_float(key)) : 1);
        }
        __syncthreads();
        if (threadIdx.x < 32)
            find_bin(shared, need, amount);
        __syncthreads();
        found |= shared->digit << shift;
        need = shared->rest;
        lightest = by_mass ? weight(__uint_as_float(least + found)) : 1;
        /* the second: the bin has one candidate */
        if (shared->size - need < lightest || shared->size < 2 * lightest)
            need = 0;
        if (!need || !shift)
            break;
        bits = shift;
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

    if (key < k->key || p < k->min_p)
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
    u64 rest, one, equal = 0;

    k->key = select_key(c, 1, top_p, shared, &rest);
    if (!rest)
        return;
    for (int32_t i = k->begin; i < k->end; i++)
        equal += __float_as_uint(probability(c, i)) == k->key;
    k->rank = (int32_t)scan(equal, shared->part[1], &equal);
    one = weight(__uint_as_float(k->key));
    k->ties = (int32_t)((rest + one - 1) / one);
}

/* Applies the filters; all threads. Sets c->least and c->p. */
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
        c->least = select_key(c, 0, sampling->top_k, shared, &unused);
    if (c->cached)
        compute_probabilities(c);
    if (sampling->top_p < 1)
        apply_top_p(c, sampling->top_p, shared, &k);
    else
        __syncthreads(); /* of the probabilities; that of the histogram otherwise */
    return k;
}

/* Samples a candidate. Its index in one thread, -1 in the others; all threads. */
static __device__ int32_t sample_candidate(struct candidates *c, const cg_sampling *sampling,
                                           struct sampler_shared *shared)
{
    struct kept k = apply_filters(c, sampling, shared);
    int32_t rank = k.rank;
    u64 total, target, before, sum = 0;

    for (int32_t i = k.begin; i < k.end; i++)
        sum += kept_weight(c, &k, i, &rank);
    before = scan(sum, shared->part[0], &total);
    /* u is a multiple of 2^-24: floor(u * total) without rounding */
    target = (u64)(uint32_t)(shared->u * 0x1p24f);
    target = (total >> 24) * target + ((total & 0xffffffu) * target >> 24);
    if (target < before || target >= before + sum)
        return -1;
    rank = k.rank;
    for (int32_t i = k.begin;; i++) {
        before += kept_weight(c, &k, i, &rank);
        if (before > target)
            return i;
    }
}

#endif
