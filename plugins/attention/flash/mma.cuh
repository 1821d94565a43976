/* SPDX-License-Identifier: MIT */
/**
 * @file mma.cuh  The instructions that the kernels are made of, for sm_80 and newer.
 *
 * Element types. `f16` is a constant where these functions are inlined: elements are f16, or else
 * bf16. Two neighbouring elements travel in 32 bits, the lower index in the lower half.
 *
 * Fragments of mma.m16n8k16, lane = 4 g + t (PTX ISA, "Matrix fragments for mma.m16n8k16"):
 *
 *   A [16 x 16]  a[0]: row g,     columns 2t, 2t+1    a[2]: row g,     columns 2t+8, 2t+9
 *                a[1]: row g + 8, columns 2t, 2t+1    a[3]: row g + 8, columns 2t+8, 2t+9
 *   B [16 x 8]   b0: rows 2t, 2t+1, column g          b1: rows 2t+8, 2t+9, column g
 *   C [16 x 8]   c[0], c[1]: row g, columns 2t, 2t+1  c[2], c[3]: row g + 8, the same columns
 *
 * Shared tiles. Row r of a tile of head_dim elements is 2 head_dim bytes, 16-byte unit u of it lies
 * at unit u ^ (r & 7): any 8 rows' unit u are in different banks, and so are the units of a row.
 *
 *   K, ldmatrix.x4 of 16 tokens x 16 elements: B fragments of Q K^T (k: elements, n: tokens)
 *     lane l gives the address of token 8 (l >> 4) + (l & 7), unit 2 kk + ((l >> 3) & 1)
 *     r[0], r[1]: b0, b1 of tokens 0..7;  r[2], r[3]: b0, b1 of tokens 8..15
 *   V, ldmatrix.x4.trans of 16 tokens x 16 elements: B fragments of P V (k: tokens, n: elements)
 *     lane l gives the address of token 8 ((l >> 3) & 1) + (l & 7), unit 2 nn + (l >> 4)
 *     r[0], r[1]: b0, b1 of elements 0..7;  r[2], r[3]: b0, b1 of elements 8..15
 *   Q, ldmatrix.x4 of 16 rows x 16 elements: the A fragment
 *     lane l gives the address of row 8 ((l >> 3) & 1) + (l & 7), unit 2 kk + (l >> 4)
 */
#ifndef FLASH_MMA_CUH
#define FLASH_MMA_CUH

#include <cuda_fp16.h>
#include <math_constants.h>
#include <stdint.h>

#define FLASH_INLINE static __device__ __forceinline__

#define FULL_WARP 0xffffffffu

FLASH_INLINE uint32_t shared_address(const void *p)
{
    return (uint32_t)__cvta_generic_to_shared(p);
}

/* 16 bytes from global to shared memory, asynchronously; zeros, and nothing is read, if !valid. */
FLASH_INLINE void copy_unit(uint32_t dst, const char *src, bool valid)
{
    int n = valid ? 16 : 0;

    asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;" ::"r"(dst), "l"(src),
                 "r"(n)
                 : "memory");
}

/* Ends a group of copies. */
FLASH_INLINE void copies_commit(void)
{
    asm volatile("cp.async.commit_group;" ::: "memory");
}

/* Waits until at most n (a constant) of this thread's newest groups are under way. */
#define copies_wait(n) asm volatile("cp.async.wait_group %0;" ::"n"(n) : "memory")

/* Four bytes of shared memory. */
FLASH_INLINE uint32_t load_word(uint32_t address)
{
    uint32_t x;

    asm volatile("ld.shared.u32 %0, [%1];" : "=r"(x) : "r"(address) : "memory");
    return x;
}

/* 16 bytes of shared memory. */
FLASH_INLINE void load_unit(uint32_t x[4], uint32_t address)
{
    asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
                 : "r"(address)
                 : "memory");
}

FLASH_INLINE void store_word(uint32_t address, uint32_t x)
{
    asm volatile("st.shared.u32 [%0], %1;" ::"r"(address), "r"(x) : "memory");
}

FLASH_INLINE void load_matrices(uint32_t r[4], uint32_t address)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(address)
                 : "memory");
}

FLASH_INLINE void load_matrices_transposed(uint32_t r[4], uint32_t address)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(address)
                 : "memory");
}

/* Where lane `lane` points for unit pair 0; for pair i: ^ (i << 5). As the table above. */
FLASH_INLINE uint32_t key_offset(int lane, int head_dim)
{
    int row = ((lane >> 4) << 3) + (lane & 7);

    return row * head_dim * 2 + ((((lane >> 3) & 1) ^ (lane & 7)) << 4);
}

/* the same for V, and for Q as an A fragment */
FLASH_INLINE uint32_t value_offset(int lane, int head_dim)
{
    int row = (((lane >> 3) & 1) << 3) + (lane & 7);

    return row * head_dim * 2 + (((lane >> 4) ^ (lane & 7)) << 4);
}

/* c += a b; f32 accumulators */
FLASH_INLINE void mma(int f16, float c[4], const uint32_t a[4], uint32_t b0, uint32_t b1)
{
    if (f16)
        asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, "
                     "{%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                     : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
    else
        asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, "
                     "{%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                     : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/* Two elements, rounded to nearest even. */
FLASH_INLINE uint32_t pack(int f16, float lo, float hi)
{
    uint32_t x;

    if (f16)
        asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(x) : "f"(hi), "f"(lo));
    else
        asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(x) : "f"(hi), "f"(lo));
    return x;
}

/* The element in the lower 16 bits. */
FLASH_INLINE float unpack(int f16, uint32_t x)
{
    return f16 ? __half2float(__ushort_as_half((unsigned short)x)) : __uint_as_float(x << 16);
}

/* 2^x: exact for 0 and -infinity. */
FLASH_INLINE float exp2_fast(float x)
{
    float y;

    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

/* Bits of the exponent: all set in infinities and NaNs alone. */
FLASH_INLINE uint32_t exponent_mask(int f16)
{
    return f16 ? 0x7c00u : 0x7f80u;
}

FLASH_INLINE bool lower_is_finite(int f16, uint32_t x)
{
    return (x & exponent_mask(f16)) != exponent_mask(f16);
}

FLASH_INLINE bool both_are_finite(int f16, uint32_t x)
{
    return lower_is_finite(f16, x) && lower_is_finite(f16, x >> 16);
}

FLASH_INLINE bool unit_is_finite(int f16, const uint32_t x[4])
{
    return both_are_finite(f16, x[0]) && both_are_finite(f16, x[1]) && both_are_finite(f16, x[2]) &&
           both_are_finite(f16, x[3]);
}

/* Zero in place of what is not finite. */
FLASH_INLINE void make_finite(int f16, uint32_t x[4])
{
#pragma unroll
    for (int i = 0; i < 4; i++)
        x[i] = (lower_is_finite(f16, x[i]) ? x[i] & 0xffffu : 0) |
               (lower_is_finite(f16, x[i] >> 16) ? x[i] & 0xffff0000u : 0);
}

/*
 * Running softmax of one row, held alike by the four lanes that share the row but for `sum`, of
 * which each lane has its own tokens' part. A row that has seen no token has max -infinity.
 *
 * All arithmetic is spelled out, so that the compiler cannot fuse it differently in two places. A
 * tile of which the row sees no token changes no bit: factor and weights are 1 and 0.
 */
typedef struct softmax {
    float max; /* of the scores before scaling */
    float sum;
} softmax;

/* Offset of the exponents: weights are exp2(score * scale - offset). */
FLASH_INLINE float softmax_offset(float max, float scale)
{
    return __fmul_rn(max == -CUDART_INF_F ? 0.0f : max, scale);
}

/* What sums relative to `max` are multiplied by when they become relative to `new_max`. */
FLASH_INLINE float softmax_factor(float max, float new_max, float scale)
{
    return exp2_fast(__fmul_rn(__fsub_rn(max, new_max == -CUDART_INF_F ? 0.0f : new_max), scale));
}

/* The largest of the four lanes that share a row. */
FLASH_INLINE float row_max(float x)
{
    x = fmaxf(x, __shfl_xor_sync(FULL_WARP, x, 1));
    return fmaxf(x, __shfl_xor_sync(FULL_WARP, x, 2));
}

/* Their sum, alike in all four: addition of two is commutative. */
FLASH_INLINE float row_sum(float x)
{
    x = __fadd_rn(x, __shfl_xor_sync(FULL_WARP, x, 1));
    return __fadd_rn(x, __shfl_xor_sync(FULL_WARP, x, 2));
}

/* The A fragment of 16 tokens' weights, of which p[0] and p[1] are the C fragments. */
FLASH_INLINE void pack_weights(int f16, uint32_t a[4], const float (*p)[4])
{
    a[0] = pack(f16, p[0][0], p[0][1]);
    a[1] = pack(f16, p[0][2], p[0][3]);
    a[2] = pack(f16, p[1][0], p[1][1]);
    a[3] = pack(f16, p[1][2], p[1][3]);
}

/*
 * Two elements of out: sums of weights times values, over the sum of weights. The addition of 0
 * makes a negative zero positive: which of the two a sum of zeros is may depend on tokens that the
 * row does not see.
 */
FLASH_INLINE uint32_t pack_out(int f16, float x, float y, float inverse)
{
    return pack(f16, __fmaf_rn(x, inverse, 0.0f), __fmaf_rn(y, inverse, 0.0f));
}

/*
 * Values that are not finite, times the weights of the rows that see them: what a product of
 * matrices must not do, where 0 times infinity would reach the other rows.
 *
 * @param p      weights of 16 tokens, as two C fragments; 0: not seen
 * @param v      shared address of the 16 tokens' values
 * @param acc    += weights times those values
 */
FLASH_INLINE void add_not_finite(int f16, const float (*p)[4], uint32_t v, float (*acc)[4],
                                 int lane, int dim)
{
#pragma unroll 1
    for (int u = 0; u < 16; u++) {
        /* token u is column u % 8 of p[u / 8], kept by lane t = u % 8 / 2 */
        int from = (lane & ~3) | u % 8 / 2;
        float a[2], b[2];
        float weight_a, weight_b;

        for (int n = 0; n < 2; n++) {
            a[n] = __shfl_sync(FULL_WARP, u & 1 ? p[n][1] : p[n][0], from);
            b[n] = __shfl_sync(FULL_WARP, u & 1 ? p[n][3] : p[n][2], from);
        }
        weight_a = u < 8 ? a[0] : a[1];
        weight_b = u < 8 ? b[0] : b[1];
#pragma unroll
        for (int n = 0; n < dim / 8; n++) {
            uint32_t x = load_word(v + u * dim * 2 + ((n ^ (u & 7)) << 4) + (lane & 3) * 4);

            if (!lower_is_finite(f16, x)) {
                acc[n][0] += weight_a != 0 ? weight_a * unpack(f16, x) : 0;
                acc[n][2] += weight_b != 0 ? weight_b * unpack(f16, x) : 0;
            }
            if (!lower_is_finite(f16, x >> 16)) {
                acc[n][1] += weight_a != 0 ? weight_a * unpack(f16, x >> 16) : 0;
                acc[n][3] += weight_b != 0 ? weight_b * unpack(f16, x >> 16) : 0;
            }
        }
    }
}

/*
 * The last sequence i with floor(q_start[i] * group / rows) + own * i <= x; there is one for x >=
 * 0. A warp looks together, 32 places a step.
 */
FLASH_INLINE int find_sequence(const int32_t *q_start, int n_seqs, int group, int rows, int own,
                               int lane, int x)
{
    int lo = 0, n = n_seqs; /* it is in [lo, lo + n) */

    while (n > 1) {
        int step = (n + 31) / 32, i = lane * step;
        bool below = i < n && __ldg(q_start + lo + i) * group / rows + own * (lo + i) <= x;
        int last = __popc(__ballot_sync(FULL_WARP, below)) - 1; /* lane 0's is below */

        lo += last * step;
        n = min(step, n - last * step);
    }
    return lo;
}

#endif
