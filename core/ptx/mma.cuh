/* SPDX-License-Identifier: MIT */
/**
 * @file mma.cuh  The layouts that matrix instructions impose on registers and shared memory.
 *
 * Element types are __half and __nv_bfloat16. Two neighbouring elements share 32 bits, the lower
 * index in the lower half.
 *
 * Fragments of mma.m16n8k16, lane = 4 g + t (PTX ISA, "Matrix fragments for mma.m16n8k16"):
 *
 *   A [16 x 16]  a[0]: row g,     columns 2t, 2t+1    a[2]: row g,     columns 2t+8, 2t+9
 *                a[1]: row g + 8, columns 2t, 2t+1    a[3]: row g + 8, columns 2t+8, 2t+9
 *   B [16 x 8]   b0: rows 2t, 2t+1, column g          b1: rows 2t+8, 2t+9, column g
 *   C [16 x 8]   c[0], c[1]: row g, columns 2t, 2t+1  c[2], c[3]: row g + 8, the same columns
 *
 * Shared tiles. Row r of a tile takes 2 head_dim bytes. Its 16-byte vector u is stored at vector
 * u ^ (r & 7): vector u of any 8 consecutive rows, and all vectors of one row, are in different
 * banks.
 *
 *   K, ldmatrix.x4 of 16 tokens x 16 elements: B fragments of Q K^T (k: elements, n: tokens)
 *     lane l gives the address of token 8 (l >> 4) + (l & 7), vector 2 kk + ((l >> 3) & 1)
 *     r[0], r[1]: b0, b1 of tokens 0..7;  r[2], r[3]: b0, b1 of tokens 8..15
 *   V, ldmatrix.x4.trans of 16 tokens x 16 elements: B fragments of P V (k: tokens, n: elements)
 *     lane l gives the address of token 8 ((l >> 3) & 1) + (l & 7), vector 2 nn + (l >> 4)
 *     r[0], r[1]: b0, b1 of elements 0..7;  r[2], r[3]: b0, b1 of elements 8..15
 *   Q, ldmatrix.x4 of 16 rows x 16 elements: the A fragment
 *     lane l gives the address of row 8 ((l >> 3) & 1) + (l & 7), vector 2 kk + (l >> 4)
 */
#ifndef CG_MMA_CUH
#define CG_MMA_CUH

#include "ptx.cuh"

/* ldmatrix address of a lane in a K tile for vectors 0 and 1; of 2 i and 2 i + 1: ^ (i << 5). */
DEVICE_INLINE uint32_t k_fragment_offset(int lane, int head_dim)
{
    int row = ((lane >> 4) << 3) + (lane & 7);

    return row * head_dim * 2 + ((((lane >> 3) & 1) ^ (lane & 7)) << 4);
}

/* The same in a V tile, and in a Q tile for an A fragment. */
DEVICE_INLINE uint32_t v_fragment_offset(int lane, int head_dim)
{
    int row = (((lane >> 3) & 1) << 3) + (lane & 7);

    return row * head_dim * 2 + (((lane >> 4) ^ (lane & 7)) << 4);
}

#endif
