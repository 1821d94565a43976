/* SPDX-License-Identifier: MIT */
/**
 * @file buckets.h  The largest lengths that execution plans are made for.
 *
 * A plan for sequences has a grid for its largest length: sequences that are much shorter leave
 * most of its blocks without work. Where the host knows that all sequences of a call are shorter, a
 * plan for the next power of two computes it. The plans are few, made at planning time, and none is
 * made for one length.
 */
#ifndef CUDNN_BUCKETS_H
#define CUDNN_BUCKETS_H

#include <stdint.h>

enum {
    BUCKET_LEAST = 128, /* tokens: a tile of cuDNN's kernels; shorter plans have as many blocks */
    MAX_BUCKETS = 8,    /* each takes half a second to make */
};

/* Largest length of the smallest plan: a power of two. */
static inline int64_t bucket_least(int64_t longest)
{
    int64_t len = BUCKET_LEAST;

    while (len << (MAX_BUCKETS - 1) < longest)
        len *= 2;
    return len;
}

/** Largest length of plan i: powers of two, but for the last one's, which is `longest`. */
static inline int64_t bucket_len(int64_t longest, int32_t i)
{
    int64_t len = bucket_least(longest) << i;

    return len < longest ? len : longest;
}

/** Index of the smallest plan for sequences of up to `bound` tokens; 1 <= bound <= longest. */
static inline int32_t bucket_of(int64_t longest, int64_t bound)
{
    int32_t i = 0;

    while (bucket_len(longest, i) < bound)
        i++;
    return i;
}

#endif
