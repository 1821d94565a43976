/* SPDX-License-Identifier: MIT */
/** @file efficient_cpu.h  The kernel for the CPU, and its memory. */
#ifndef EFFICIENT_CPU_H
#define EFFICIENT_CPU_H

#include "efficient.h"

enum {
    EFFICIENT_ROWS = 16, /* of a row tile */
    EFFICIENT_LANES = 8, /* of a vector: sizes of rows in scratch memory are multiples of it */
};

/** Floats of a key or value of n elements in scratch memory. */
static inline int32_t efficient_padded(int32_t n)
{
    return (n + EFFICIENT_LANES - 1) / EFFICIENT_LANES * EFFICIENT_LANES;
}

/** Floats of scratch memory that one worker needs, a multiple of 64 bytes. */
static inline size_t efficient_scratch(int32_t head_dim, int32_t v_dim)
{
    size_t sizes = (size_t)efficient_padded(head_dim) + (size_t)efficient_padded(v_dim);

    return (EFFICIENT_ROWS + EFFICIENT_TILE) * sizes + EFFICIENT_ROWS * EFFICIENT_TILE;
}

/**
 * Computes a row tile of one key/value head.
 *
 * @param scratch  [efficient_scratch()] aligned to 64 bytes, contents undefined
 */
typedef void (*efficient_rows_fn)(const efficient_call *c, const efficient_row_tile *tile,
                                  int32_t kv_head, float *scratch);

void efficient_rows_baseline(const efficient_call *c, const efficient_row_tile *tile,
                             int32_t kv_head, float *scratch);
#ifdef EFFICIENT_X86
void efficient_rows_avx2(const efficient_call *c, const efficient_row_tile *tile, int32_t kv_head,
                         float *scratch);
#endif

#endif
