/* SPDX-License-Identifier: MIT */
/** @file prefill.cuh  What both prefill kernels use: rows, weights, units. */
#ifndef FLASH_PREFILL_CUH
#define FLASH_PREFILL_CUH

#include "flash_cuda.h"
#include "mma.cuh"

/* Every step-th row of a sequence, as token and query head of the group: without division. */
typedef struct row_walk {
    int32_t token;
    int32_t head;
    int32_t step_tokens;
    int32_t step_heads;
} row_walk;

FLASH_INLINE row_walk walk_rows(const flash_cuda_call *c, int row, int step)
{
    row_walk w;

    w.token = row / c->group;
    w.head = row - w.token * c->group;
    w.step_tokens = step / c->group;
    w.step_heads = step - w.step_tokens * c->group;
    return w;
}

FLASH_INLINE void walk_on(const flash_cuda_call *c, row_walk *w)
{
    w->token += w->step_tokens;
    w->head += w->step_heads;
    if (w->head >= c->group) {
        w->head -= c->group;
        w->token++;
    }
}

/* Whether n of the thread's units, `step` bytes apart, are finite. */
FLASH_INLINE bool units_are_finite(int f16, uint32_t address, int n, int step)
{
    bool finite = true;

    for (int i = 0; i < n; i++) {
        uint32_t x[4];

        load_unit(x, address + i * step);
        finite = finite && unit_is_finite(f16, x);
    }
    return finite;
}

/* Two C fragments of scores become weights, which are added to the sums of the lane's two rows. */
FLASH_INLINE void weigh(float (*p)[4], softmax *soft, const float *offset, float scale)
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

FLASH_INLINE void flip_signs(uint32_t address, int n, int step, uint32_t sign_flip)
{
    for (int i = 0; i < n; i++)
        for (int e = 0; e < 4; e++) {
            uint32_t at = address + i * step + e * 4;

            store_word(at, load_word(at) ^ sign_flip);
        }
}

FLASH_INLINE void store_global(char *dst, const uint32_t x[4])
{
    uint4 unit;

    unit.x = x[0];
    unit.y = x[1];
    unit.z = x[2];
    unit.w = x[3];
    *(uint4 *)dst = unit;
}

#endif
