/* SPDX-License-Identifier: MIT */
/**
 * @file wgmma_f8.cuh  Matrix products of a warpgroup over f8_e4m3, and the transposition that they
 * need; sm_90a only.
 *
 * One product has 32 elements of k. The hardware has A and B of 8 bits K-major only, so values are
 * transposed in shared memory. Fragments of a warp, lane = 4 g + t (PTX ISA, "Register Fragments
 * and Shared Memory Matrix Layouts" of wgmma):
 *
 *   A [16 x 32]  a[0]: row g,     columns 4t .. 4t+3    a[2]: row g,     columns 4t+16 .. 4t+19
 *                a[1]: row g + 8, columns 4t .. 4t+3    a[3]: row g + 8, columns 4t+16 .. 4t+19
 *   C            as in ../common/wgmma.cuh
 *
 * Tiles in shared memory have rows of 128 bytes with the 128-byte swizzle of ../common/wgmma.cuh,
 * or rows of 64 with that of 64: 16-byte vector u of row r is stored at vector u ^ (r / 2 & 3), 8
 * rows take 512 bytes. A product moves the address by 32 bytes.
 */
#ifndef HOPPER_WGMMA_F8_CUH
#define HOPPER_WGMMA_F8_CUH

#include "../common/wgmma.cuh"

#if HAS_WGMMA

/* Four numbers, rounded to nearest even, beyond +-448 to these; NaN stays NaN. x[0] is in the
 * lowest byte. */
DEVICE_INLINE uint32_t pack_f8(float x0, float x1, float x2, float x3)
{
    uint32_t x;

    asm("{\n.reg .b16 lo, hi;\n"
        "cvt.rn.satfinite.e4m3x2.f32 lo, %2, %1;\n"
        "cvt.rn.satfinite.e4m3x2.f32 hi, %4, %3;\n"
        "mov.b32 %0, {lo, hi};\n}"
        : "=r"(x)
        : "f"(x0), "f"(x1), "f"(x2), "f"(x3));
    return x;
}

/* The numbers of pack_f8(). */
DEVICE_INLINE void unpack_f8(float x[4], uint32_t packed)
{
    uint32_t lo, hi;

    asm("{\n.reg .b16 lo, hi;\nmov.b32 {lo, hi}, %2;\n"
        "cvt.rn.f16x2.e4m3x2 %0, lo;\ncvt.rn.f16x2.e4m3x2 %1, hi;\n}"
        : "=r"(lo), "=r"(hi)
        : "r"(packed));
    x[0] = unpack<__half>(lo & 0xffff);
    x[1] = unpack<__half>(lo >> 16);
    x[2] = unpack<__half>(hi & 0xffff);
    x[3] = unpack<__half>(hi >> 16);
}

/* The two numbers of f8 in the lower half, as f16. */
DEVICE_INLINE uint32_t convert_f8(uint32_t x)
{
    uint32_t y;

    asm("{\n.reg .b16 lo, hi;\nmov.b32 {lo, hi}, %1;\ncvt.rn.f16x2.e4m3x2 %0, lo;\n}"
        : "=r"(y)
        : "r"(x));
    return y;
}

/* Stores four matrices of 8 x 8 elements of 16 bits: r[m] are elements 2t and 2t + 1 of row g of
 * matrix m. Lane l gives the address of row l & 7 of matrix l >> 3. */
DEVICE_INLINE void stmatrix_x4(uint32_t address, const uint32_t r[4])
{
    asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(address),
                 "r"(r[0]), "r"(r[1]), "r"(r[2]), "r"(r[3])
                 : "memory");
}

/* Upper halves of descriptors of rows of 128 bytes and of 64. */
#define WGMMA_F8_UPPER(row) ((row) == 128 ? 0x40000040u : 0x80000020u)

#define WGMMA_F8_PAIR(b, x, h) ".reg .b64 " b ";\nmov.b64 " b ", {" x ", " h "};\n"

/* As WGMMA_C_128(); access "=f": the product does not read them. */
#define WGMMA_F8_C8(access, c, i)                                                                  \
    access((c)[i][0]), access((c)[i][1]), access((c)[i][2]), access((c)[i][3]),                    \
        access((c)[i + 1][0]), access((c)[i + 1][1]), access((c)[i + 1][2]), access((c)[i + 1][3])
#define WGMMA_F8_C_128(access, c)                                                                  \
    WGMMA_F8_C8(access, c, 0), WGMMA_F8_C8(access, c, 2), WGMMA_F8_C8(access, c, 4),               \
        WGMMA_F8_C8(access, c, 6), WGMMA_F8_C8(access, c, 8), WGMMA_F8_C8(access, c, 10),          \
        WGMMA_F8_C8(access, c, 12), WGMMA_F8_C8(access, c, 14)

#define WGMMA_F8_S(access, c, q, k, add, row)                                                      \
    asm volatile(                                                                                  \
        "{\n.reg .pred p;\n" WGMMA_F8_PAIR("a", "%64", "%67") WGMMA_F8_PAIR(                       \
            "b", "%65",                                                                            \
            "%67") "setp.ne.b32 p, %66, 0;\n"                                                      \
                   "wgmma.mma_async.sync.aligned.m64n128k32.f32.e4m3.e4m3 " WGMMA_LIST_128         \
                   ", a, b, p, 1, 1;\n}"                                                           \
        : WGMMA_F8_C_128(access, c)                                                                \
        : "r"(q), "r"(k), "r"(add), "r"(WGMMA_F8_UPPER(row)))

/* c[16][4] = (ADD ? c : 0) + Q K^T of 32 elements and 128 tokens, in rows of ROW bytes. */
template <int ROW, bool ADD>
DEVICE_INLINE void wgmma_f8_scores(float (*c)[4], uint32_t q, uint32_t k)
{
    if constexpr (ADD)
        WGMMA_F8_S("+f", c, q, k, 1, ROW);
    else /* else the compiler keeps the values of c in their registers until here */
        WGMMA_F8_S("=f", c, q, k, 0, ROW);
}

/* c[8][4] = (add ? c : 0) + P V of 32 tokens and 64 elements. v: values transposed, in rows of 128
 * bytes. */
DEVICE_INLINE void wgmma_f8_values(float (*c)[4], const uint32_t p[4], uint32_t v, int add)
{
    asm volatile(
        "{\n.reg .pred p;\n" WGMMA_F8_PAIR(
            "b", "%36", "%38") "setp.ne.b32 p, %37, 0;\n"
                               "wgmma.mma_async.sync.aligned.m64n64k32.f32.e4m3.e4m3 " WGMMA_LIST_64
                               ", " WGMMA_A_64 ", b, p, 1, 1;\n}"
        : WGMMA_C_64(c)
        : "r"(p[0]), "r"(p[1]), "r"(p[2]), "r"(p[3]), "r"(v), "r"(add), "r"(WGMMA_F8_UPPER(128)));
}

#endif

#endif
