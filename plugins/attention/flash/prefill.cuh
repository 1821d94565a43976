/* SPDX-License-Identifier: MIT */
/** @file prefill.cuh  What both prefill kernels use: rows in order, keys and values, weights. */
#ifndef FLASH_PREFILL_CUH
#define FLASH_PREFILL_CUH

#include "flash_cuda.h"
#include "ptx/mma.cuh"
#include "not_finite.cuh"
#include "row_tile.cuh"
#include "../common/softmax.cuh"

/* Every step-th row of a sequence as token and query head of the group, without division. */
typedef struct row_walk {
    int32_t token;
    int32_t head;
    int32_t step_tokens;
    int32_t step_heads;
} row_walk;

DEVICE_INLINE row_walk row_walk_start(const flash_cuda_call *c, int row, int step)
{
    row_walk w;

    w.token = row / c->group;
    w.head = row - w.token * c->group;
    w.step_tokens = step / c->group;
    w.step_heads = step - w.step_tokens * c->group;
    return w;
}

DEVICE_INLINE void row_walk_next(const flash_cuda_call *c, row_walk *w)
{
    w->token += w->step_tokens;
    w->head += w->step_heads;
    if (w->head >= c->group) {
        w->head -= c->group;
        w->token++;
    }
}

/* The keys and values that a row tile sees, as one thread copies them: a 16-byte vector of every
 * n-th token. */
typedef struct kv_source {
    int64_t vector; /* byte offset from k and v of the thread's vector; paged: within a page */
    int32_t lo;     /* tokens that are read: lo <= j < hi */
    int32_t hi;
    int32_t row;          /* the thread's first row of a key tile */
    const int32_t *table; /* paged: of the slot */
} kv_source;

/* Byte offset of KV block lane % n of key tile j, which has n (KEYS / 16); 0 where no token of it
 * is read. */
template <int KEYS>
DEVICE_INLINE int64_t paged_offset(const flash_cuda_call *c, const kv_source *s, int j, int lane)
{
    int block = j * (KEYS / FLASH_KV_BLOCK) + lane % (KEYS / FLASH_KV_BLOCK);

    if (block * FLASH_KV_BLOCK >= s->hi || (block + 1) * FLASH_KV_BLOCK <= s->lo)
        return 0;
    return __ldg(s->table + block / c->page_kv_blocks) * c->page_stride +
           block % c->page_kv_blocks * FLASH_KV_BLOCK * c->token_stride;
}

/* Replaces the scores of 16 tokens, two C fragments, by weights, and adds these to the lane's two
 * sums. */
DEVICE_INLINE void compute_weights(float (*p)[4], softmax *soft, const float *offset, float scale)
{
#pragma unroll
    for (int n = 0; n < 2; n++)
#pragma unroll
        for (int h = 0; h < 2; h++) {
            p[n][2 * h] = exp2_fast(__fmaf_rn(p[n][2 * h], scale, -offset[h]));
            p[n][2 * h + 1] = exp2_fast(__fmaf_rn(p[n][2 * h + 1], scale, -offset[h]));
            soft[h].sum = __fadd_rn(soft[h].sum, __fadd_rn(p[n][2 * h], p[n][2 * h + 1]));
        }
}

/* Flips the signs of n of the thread's query vectors, `step` bytes apart. */
DEVICE_INLINE void flip_signs(uint32_t address, int n, int step, uint32_t sign_flip)
{
    for (int i = 0; i < n; i++)
        for (int e = 0; e < 4; e++) {
            uint32_t at = address + i * step + e * 4;

            store_4B(at, load_4B(at) ^ sign_flip);
        }
}

DEVICE_INLINE void store_global_16B(char *dst, const uint32_t x[4])
{
    uint4 vector;

    vector.x = x[0];
    vector.y = x[1];
    vector.z = x[2];
    vector.w = x[3];
    *(uint4 *)dst = vector;
}

#endif
