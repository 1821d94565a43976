/* SPDX-License-Identifier: MIT */
/** @file ptx.cuh  Instructions of sm_80 and newer as functions; fragments and tiles: mma.cuh. */
#ifndef CG_PTX_CUH
#define CG_PTX_CUH

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>
#include <stdint.h>
#include <type_traits>

#define DEVICE_INLINE static __device__ __forceinline__

#define FULL_WARP 0xffffffffu

/* Keeps x in registers: the compiler cannot compute it again where it is used, as in each iteration
 * of a loop. */
DEVICE_INLINE void keep_in_registers(uint32_t &x)
{
    asm volatile("" : "+r"(x));
}

DEVICE_INLINE void keep_in_registers(const char *&x)
{
    asm volatile("" : "+l"(x));
}

template <typename Element> constexpr bool is_f16 = std::is_same<Element, __half>::value;

DEVICE_INLINE uint32_t shared_address(const void *p)
{
    return (uint32_t)__cvta_generic_to_shared(p);
}

/* Copies n <= 16 bytes from global to shared memory asynchronously, and writes zeros behind them to
 * 16 bytes. Both addresses are multiples of 16; 0 bytes: reads nothing. */
DEVICE_INLINE void cp_async_up_to_16B(uint32_t dst, const char *src, int n)
{
    asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;" ::"r"(dst), "l"(src),
                 "r"(n)
                 : "memory");
}

/* Copies 16 bytes; !valid: writes zeros, reads nothing. */
DEVICE_INLINE void cp_async_16B(uint32_t dst, const char *src, bool valid)
{
    cp_async_up_to_16B(dst, src, valid ? 16 : 0);
}

/* The same for 4 bytes. */
DEVICE_INLINE void cp_async_4B(uint32_t dst, const char *src, bool valid)
{
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(dst), "l"(src),
                 "r"(valid ? 4 : 0)
                 : "memory");
}

/* Lets the next kernel of the stream start when all thread blocks of this one have called it or
 * exited, if it was launched to overlap (programmatic dependent launch). Compute capability 9.0. */
DEVICE_INLINE void allow_next_kernel(void)
{
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

/* In a kernel that was launched to overlap, waits until earlier kernels of the stream have finished
 * and their stores are visible. Nothing that they write may be read before, nor by __ldg() after.
 */
DEVICE_INLINE void wait_for_earlier_kernels(void)
{
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

/* Loads the cache line of an address to the second-level cache, which is coherent. */
DEVICE_INLINE void prefetch_to_l2(const void *p)
{
    asm volatile("prefetch.global.L2 [%0];" ::"l"(p));
}

/* Ends a group of copies. */
DEVICE_INLINE void cp_async_commit(void)
{
    asm volatile("cp.async.commit_group;" ::: "memory");
}

/* Waits until at most N of this thread's newest groups are in flight. */
template <int N> DEVICE_INLINE void cp_async_wait(void)
{
    asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}

/* Loads and stores of shared memory. */
DEVICE_INLINE uint32_t load_4B(uint32_t address)
{
    uint32_t x;

    asm volatile("ld.shared.u32 %0, [%1];" : "=r"(x) : "r"(address) : "memory");
    return x;
}

DEVICE_INLINE float2 load_8B(uint32_t address)
{
    float2 x;

    asm volatile("ld.shared.v2.f32 {%0, %1}, [%2];"
                 : "=f"(x.x), "=f"(x.y)
                 : "r"(address)
                 : "memory");
    return x;
}

DEVICE_INLINE void load_16B(uint32_t x[4], uint32_t address)
{
    asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
                 : "r"(address)
                 : "memory");
}

DEVICE_INLINE void store_4B(uint32_t address, uint32_t x)
{
    asm volatile("st.shared.u32 [%0], %1;" ::"r"(address), "r"(x) : "memory");
}

DEVICE_INLINE void store_16B(uint32_t address, const uint32_t x[4])
{
    asm volatile("st.shared.v4.u32 [%0], {%1, %2, %3, %4};" ::"r"(address), "r"(x[0]), "r"(x[1]),
                 "r"(x[2]), "r"(x[3])
                 : "memory");
}

DEVICE_INLINE void ldmatrix_x4(uint32_t r[4], uint32_t address)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(address)
                 : "memory");
}

DEVICE_INLINE void ldmatrix_x4_trans(uint32_t r[4], uint32_t address)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(address)
                 : "memory");
}

/* Transposes 8 x 8 elements of 16 bits: lane 4 i + t gives elements 2t and 2t + 1 of row i, and
 * gets those of column i. */
DEVICE_INLINE uint32_t transpose_8x8(uint32_t x)
{
    uint32_t y;

    asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(y) : "r"(x));
    return y;
}

/* c += a b; f32 accumulators */
template <typename Element>
DEVICE_INLINE void mma(float c[4], const uint32_t a[4], uint32_t b0, uint32_t b1)
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
template <typename Element> DEVICE_INLINE uint32_t pack(float lo, float hi)
{
    uint32_t x;

    if constexpr (is_f16<Element>)
        asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(x) : "f"(hi), "f"(lo));
    else
        asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(x) : "f"(hi), "f"(lo));
    return x;
}

/* Four f8_e4m3 as two pairs of f16; exact, NaN stays NaN. In software before compute
 * capability 8.9.
 */
DEVICE_INLINE void f16x4_of_e4m3x4(uint32_t y[2], uint32_t x)
{
#if __CUDA_ARCH__ >= 890
    asm("{\n.reg .b16 lo, hi;\nmov.b32 {lo, hi}, %2;\n"
        "cvt.rn.f16x2.e4m3x2 %0, lo;\ncvt.rn.f16x2.e4m3x2 %1, hi;\n}"
        : "=r"(y[0]), "=r"(y[1])
        : "r"(x));
#else
#pragma unroll
    for (int i = 0; i < 2; i++) {
        const __half2_raw pair =
            __nv_cvt_fp8x2_to_halfraw2((__nv_fp8x2_storage_t)(x >> 16 * i), __NV_E4M3);

        y[i] = pair.x | (uint32_t)pair.y << 16;
    }
#endif
}

/* Four numbers as i8, rounded to nearest even; NaN becomes 0. They are at most 127 in magnitude.
 * The first is in the lowest byte. */
DEVICE_INLINE uint32_t pack_i8x4(const float x[4])
{
    uint32_t y = 0;

#pragma unroll
    for (int i = 0; i < 4; i++)
        y |= ((uint32_t)__float2int_rn(x[i]) & 0xff) << 8 * i;
    return y;
}

/* x - y of two pairs of f16. */
DEVICE_INLINE uint32_t subtract_f16x2(uint32_t x, uint32_t y)
{
    uint32_t z;

    asm("sub.f16x2 %0, %1, %2;" : "=r"(z) : "r"(x), "r"(y));
    return z;
}

/* The element in the lower 16 bits. */
template <typename Element> DEVICE_INLINE float unpack(uint32_t x)
{
    return is_f16<Element> ? __half2float(__ushort_as_half((unsigned short)x))
                           : __uint_as_float(x << 16);
}

/* 2^x: exact for 0 and -infinity. */
DEVICE_INLINE float exp2_fast(float x)
{
    float y;

    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

#endif
