/* SPDX-License-Identifier: MIT */
/**
 * @file mma.cuh  Instructions of sm_80 and newer, and the layouts they impose on registers and
 *                shared memory.
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
#ifndef FLASH_MMA_CUH
#define FLASH_MMA_CUH

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <stdint.h>
#include <type_traits>

#define FLASH_INLINE static __device__ __forceinline__

#define FULL_WARP 0xffffffffu

template <typename Element> constexpr bool is_f16 = std::is_same<Element, __half>::value;

FLASH_INLINE uint32_t shared_address(const void *p)
{
    return (uint32_t)__cvta_generic_to_shared(p);
}

/* Copies 16 bytes from global to shared memory asynchronously; !valid: writes zeros, reads
 * nothing. */
FLASH_INLINE void cp_async_16B(uint32_t dst, const char *src, bool valid)
{
    int n = valid ? 16 : 0;

    asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;" ::"r"(dst), "l"(src),
                 "r"(n)
                 : "memory");
}

/* Ends a group of copies. */
FLASH_INLINE void cp_async_commit(void)
{
    asm volatile("cp.async.commit_group;" ::: "memory");
}

/* Waits until at most N of this thread's newest groups are in flight. */
template <int N> FLASH_INLINE void cp_async_wait(void)
{
    asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}

/* Loads and stores of shared memory. */
FLASH_INLINE uint32_t load_4B(uint32_t address)
{
    uint32_t x;

    asm volatile("ld.shared.u32 %0, [%1];" : "=r"(x) : "r"(address) : "memory");
    return x;
}

FLASH_INLINE void load_16B(uint32_t x[4], uint32_t address)
{
    asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
                 : "r"(address)
                 : "memory");
}

FLASH_INLINE void store_4B(uint32_t address, uint32_t x)
{
    asm volatile("st.shared.u32 [%0], %1;" ::"r"(address), "r"(x) : "memory");
}

FLASH_INLINE void ldmatrix_x4(uint32_t r[4], uint32_t address)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(address)
                 : "memory");
}

FLASH_INLINE void ldmatrix_x4_trans(uint32_t r[4], uint32_t address)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(address)
                 : "memory");
}

/* ldmatrix address of a lane in a K tile for vectors 0 and 1; of 2 i and 2 i + 1: ^ (i << 5). */
FLASH_INLINE uint32_t k_fragment_offset(int lane, int head_dim)
{
    int row = ((lane >> 4) << 3) + (lane & 7);

    return row * head_dim * 2 + ((((lane >> 3) & 1) ^ (lane & 7)) << 4);
}

/* The same in a V tile, and in a Q tile for an A fragment. */
FLASH_INLINE uint32_t v_fragment_offset(int lane, int head_dim)
{
    int row = (((lane >> 3) & 1) << 3) + (lane & 7);

    return row * head_dim * 2 + (((lane >> 4) ^ (lane & 7)) << 4);
}

/* c += a b; f32 accumulators */
template <typename Element>
FLASH_INLINE void mma(float c[4], const uint32_t a[4], uint32_t b0, uint32_t b1)
{
    if constexpr (is_f16<Element>)
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
template <typename Element> FLASH_INLINE uint32_t pack(float lo, float hi)
{
    uint32_t x;

    if constexpr (is_f16<Element>)
        asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(x) : "f"(hi), "f"(lo));
    else
        asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(x) : "f"(hi), "f"(lo));
    return x;
}

/* The element in the lower 16 bits. */
template <typename Element> FLASH_INLINE float unpack(uint32_t x)
{
    return is_f16<Element> ? __half2float(__ushort_as_half((unsigned short)x))
                           : __uint_as_float(x << 16);
}

/* 2^x: exact for 0 and -infinity. */
FLASH_INLINE float exp2_fast(float x)
{
    float y;

    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

#endif
