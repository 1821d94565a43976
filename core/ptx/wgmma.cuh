/* SPDX-License-Identifier: MIT */
/**
 * @file wgmma.cuh  Matrix products of a warpgroup, and other instructions of sm_90a only.
 *
 * A warpgroup is four consecutive warps, the first with an index that is a multiple of 4. Together
 * they multiply 64 rows; warp w has rows 16 w .. 16 w + 15. Its C fragment is that of mma.m16n8k16
 * (mma.cuh), once for every 8 columns. Where A is in registers, its fragment for 16 columns is that
 * of mma.m16n8k16 too (PTX ISA, "Register Fragments and Shared Memory Matrix Layouts" of wgmma).
 *
 * Shared tiles are panels of 64 elements of 16 bits or 128 of 8: a row of a panel has 128 bytes,
 * 16-byte vector u of row r is stored at vector u ^ (r & 7), and panels begin at multiples of 1024
 * bytes. That is the hardware's "128-byte swizzle". A descriptor describes a part of such a tile:
 *
 *   bits 0..13   address / 16
 *   bits 16..29  leading byte offset / 16
 *   bits 32..45  stride byte offset / 16: between groups of 8 rows, 1024
 *   bits 62..63  1: 128-byte swizzle
 *
 *   Q and K [rows][elements], 16 elements a product, 32 of 8 bits ("K-major"): the address moves by
 *     32 bytes from one product to the next, four in a panel. The leading offset is not used.
 *   V [tokens][elements], 16 tokens a product ("MN-major", the transpose bit of B is set): the
 *     address moves by 16 rows, 2048 bytes; the leading offset is that between panels.
 *
 * Products are asynchronous. No code may touch their registers between wgmma_begin() and the end of
 * wgmma_wait(); after the wait they pass through registers_settle(). Call share_writes() before
 * products that read shared memory written by other instructions.
 *
 * ptxas reports (C7510 and its neighbours) where it serialises products after all: when a branch
 * lies between two of one group, or registers are short.
 */
#ifndef CG_WGMMA_CUH
#define CG_WGMMA_CUH

#include "mma.cuh"

/* sm_90a only: neither sm_90 nor later architectures. */
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
#define HAS_WGMMA 1
#else
#define HAS_WGMMA 0
#endif

#if HAS_WGMMA

/* Orders writes to shared memory before products that this thread queues later: its own writes and
 * those it has waited for, copies included, and after a barrier those of other threads. */
DEVICE_INLINE void share_writes(void)
{
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

/* x y of two pairs of bf16. */
DEVICE_INLINE uint32_t multiply_bf16x2(uint32_t x, uint32_t y)
{
    uint32_t z;

    asm("mul.rn.bf16x2 %0, %1, %2;" : "=r"(z) : "r"(x), "r"(y));
    return z;
}

/* Set the registers of each thread of the calling warpgroups to N: fewer, or more once others have
 * fewer. */
template <int N> DEVICE_INLINE void registers_shrink(void)
{
    asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(N));
}

template <int N> DEVICE_INLINE void registers_grow(void)
{
    asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(N));
}

/* Creates a barrier in shared memory, 8 bytes. A phase ends with the n-th arrival, and the next
 * begins. */
DEVICE_INLINE void phase_barrier_create(uint32_t at, int n)
{
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(at), "r"(n) : "memory");
}

/* Arrives. Reads and writes of this thread up to here come first. */
DEVICE_INLINE void phase_arrive(uint32_t at)
{
    asm volatile("{\n.reg .b64 state;\nmbarrier.arrive.shared::cta.b64 state, [%0];\n}" ::"r"(at)
                 : "memory");
}

/* Arrives when all copies that this thread has queued are complete. */
DEVICE_INLINE void phase_arrive_copied(uint32_t at)
{
    asm volatile("cp.async.mbarrier.arrive.noinc.shared::cta.b64 [%0];" ::"r"(at) : "memory");
}

/* Waits for the end of the phase of this parity: 0 for the first. */
DEVICE_INLINE void phase_wait(uint32_t at, uint32_t parity)
{
    asm volatile("{\n.reg .pred done;\nAGAIN:\n"
                 "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
                 "@!done bra AGAIN;\n}" ::"r"(at),
                 "r"(parity)
                 : "memory");
}

/* Waits for the n threads of the block that call it; returns whether x holds for any of them. */
DEVICE_INLINE bool any_thread(int n, bool x)
{
    uint32_t any;

    asm volatile("{\n.reg .pred p, q;\nsetp.ne.u32 p, %1, 0;\n"
                 "bar.red.or.pred q, 8, %2, p;\nselp.u32 %0, 1, 0, q;\n}"
                 : "=r"(any)
                 : "r"((uint32_t)x), "r"(n)
                 : "memory");
    return any;
}

/* Waits for the 128 threads of warpgroup `group`. */
DEVICE_INLINE void warpgroup_barrier(int group)
{
    asm volatile("bar.sync %0, 128;" ::"r"(1 + group) : "memory");
}

/* Waits for the n threads of the block that wait or arrive at barrier `id`, 0..15. */
DEVICE_INLINE void barrier_wait(int id, int n)
{
    asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(n) : "memory");
}

/* Arrives without waiting. */
DEVICE_INLINE void barrier_arrive(int id, int n)
{
    asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(n) : "memory");
}

DEVICE_INLINE void wgmma_begin(void)
{
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}

DEVICE_INLINE void wgmma_commit(void)
{
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}

/* Waits until at most N of the newest groups are in flight. */
template <int N> DEVICE_INLINE void wgmma_wait(void)
{
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(N) : "memory");
}

/* Keep the compiler from moving reads of c to before this point, or writes to after it. */
DEVICE_INLINE void registers_settle(float (*c)[4], int n)
{
#pragma unroll
    for (int i = 0; i < n; i++)
        asm volatile("" : "+f"(c[i][0]), "+f"(c[i][1]), "+f"(c[i][2]), "+f"(c[i][3])::"memory");
}

DEVICE_INLINE void registers_settle(int32_t (*c)[4], int n)
{
#pragma unroll
    for (int i = 0; i < n; i++)
        asm volatile("" : "+r"(c[i][0]), "+r"(c[i][1]), "+r"(c[i][2]), "+r"(c[i][3])::"memory");
}

/* Lower half of a descriptor. address: of vector 0 of row 0; leading: bytes between panels of V. */
DEVICE_INLINE uint32_t shared_descriptor(uint32_t address, uint32_t leading)
{
    return (leading >> 4) << 16 | address >> 4;
}

/* The upper half is the same in all. In the text of an instruction: b = {x, upper half}. */
#define WGMMA_UPPER            ".reg .b32 h;\nmov.b32 h, 0x40000040;\n"
#define WGMMA_DESCRIPTOR(b, x) ".reg .b64 " b ";\nmov.b64 " b ", {" x ", h};\n"

/* Accumulators as asm operands of constraint r, and their names. */
#define WGMMA_C8(r, c, i)                                                                          \
    "+" r((c)[i][0]), "+" r((c)[i][1]), "+" r((c)[i][2]), "+" r((c)[i][3]), "+" r((c)[i + 1][0]),  \
        "+" r((c)[i + 1][1]), "+" r((c)[i + 1][2]), "+" r((c)[i + 1][3])
#define WGMMA_C_32(r, c)  WGMMA_C8(r, c, 0), WGMMA_C8(r, c, 2)
#define WGMMA_C_64(r, c)  WGMMA_C8(r, c, 0), WGMMA_C8(r, c, 2), WGMMA_C8(r, c, 4), WGMMA_C8(r, c, 6)
#define WGMMA_C_128(r, c) WGMMA_C_64(r, c), WGMMA_C_64(r, (c) + 8)
#define WGMMA_C_160(r, c) WGMMA_C_128(r, c), WGMMA_C8(r, c, 16), WGMMA_C8(r, c, 18)
#define WGMMA_C_192(r, c) WGMMA_C_128(r, c), WGMMA_C_64(r, (c) + 16)
#define WGMMA_C_256(r, c) WGMMA_C_128(r, c), WGMMA_C_128(r, (c) + 16)

#define WGMMA_LIST_32 "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15}"
#define WGMMA_LIST_64                                                                              \
    "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, "  \
    "%20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}"
#define WGMMA_LIST_128                                                                             \
    "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, "  \
    "%20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, "   \
    "%38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, "   \
    "%56, %57, %58, %59, %60, %61, %62, %63}"
#define WGMMA_LIST_160                                                                             \
    "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, "  \
    "%20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, "   \
    "%38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, "   \
    "%56, %57, %58, %59, %60, %61, %62, %63, %64, %65, %66, %67, %68, %69, %70, %71, %72, %73, "   \
    "%74, %75, %76, %77, %78, %79}"
#define WGMMA_LIST_192                                                                             \
    "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, "       \
    "%19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, "        \
    "%36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, "        \
    "%53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, %64, %65, %66, %67, %68, %69, "        \
    "%70, %71, %72, %73, %74, %75, %76, %77, %78, %79, %80, %81, %82, %83, %84, %85, %86, "        \
    "%87, %88, %89, %90, %91, %92, %93, %94, %95}"
#define WGMMA_LIST_256                                                                             \
    "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, "       \
    "%19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, "   \
    "%37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, "   \
    "%55, %56, %57, %58, %59, %60, %61, %62, %63, %64, %65, %66, %67, %68, %69, %70, %71, %72, "   \
    "%73, %74, %75, %76, %77, %78, %79, %80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, "   \
    "%91, %92, %93, %94, %95, %96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, "      \
    "%107, %108, %109, %110, %111, %112, %113, %114, %115, %116, %117, %118, %119, %120, %121, "   \
    "%122, %123, %124, %125, %126, %127}"

/* The inputs follow them. p: whether to add to c. */
#define WGMMA_SHARED(a, b, add)                                                                    \
    WGMMA_UPPER WGMMA_DESCRIPTOR("a", a) WGMMA_DESCRIPTOR("b", b) "setp.ne.b32 p, " add ", 0;\n"
#define WGMMA_SHARED_32     WGMMA_SHARED("%16", "%17", "%18")
#define WGMMA_SHARED_64     WGMMA_SHARED("%32", "%33", "%34")
#define WGMMA_SHARED_128    WGMMA_SHARED("%64", "%65", "%66")
#define WGMMA_SHARED_160    WGMMA_SHARED("%80", "%81", "%82")
#define WGMMA_SHARED_192    WGMMA_SHARED("%96", "%97", "%98")
#define WGMMA_SHARED_256    WGMMA_SHARED("%128", "%129", "%130")
#define WGMMA_REGISTERS_64  WGMMA_UPPER WGMMA_DESCRIPTOR("b", "%36") "setp.ne.b32 p, %37, 0;\n"
#define WGMMA_REGISTERS_128 WGMMA_UPPER WGMMA_DESCRIPTOR("b", "%68") "setp.ne.b32 p, %69, 0;\n"
#define WGMMA_REGISTERS_256 WGMMA_UPPER WGMMA_DESCRIPTOR("b", "%132") "setp.ne.b32 p, %133, 0;\n"
#define WGMMA_A_64          "{%32, %33, %34, %35}"
#define WGMMA_A_128         "{%64, %65, %66, %67}"
#define WGMMA_A_256         "{%128, %129, %130, %131}"

/* A and B from shared memory, A K-major, B too unless transposed ("1"): MN-major */
#define WGMMA_S(n, type, c, a, b, add, transposed)                                                 \
    asm volatile("{\n.reg .pred p;\n" WGMMA_SHARED_##n "wgmma.mma_async.sync.aligned.m64n" #n      \
                                                       "k16.f32." type "." type " " WGMMA_LIST_##n \
                 ", a, b, p, 1, 1, 0, " transposed ";\n}"                                          \
                 : WGMMA_C_##n("f", c)                                                             \
                 : "r"(a), "r"(b), "r"(add))

/* The same of i8 with sums of 32 bits, both K-major. */
#define WGMMA_I8(n, c, a, b, add)                                                                  \
    asm volatile("{\n.reg .pred p;\n" WGMMA_SHARED_##n "wgmma.mma_async.sync.aligned.m64n" #n      \
                                                       "k32.s32.s8.s8 " WGMMA_LIST_##n             \
                 ", a, b, p;\n}"                                                                   \
                 : WGMMA_C_##n("r", c)                                                             \
                 : "r"(a), "r"(b), "r"(add))

/* A in registers, B from shared memory, MN-major; added to c */
#define WGMMA_R(n, type, c, a, b)                                                                  \
    asm volatile("{\n.reg .pred p;\n" WGMMA_REGISTERS_##n                                          \
                 "wgmma.mma_async.sync.aligned.m64n" #n "k16.f32." type "." type                   \
                 " " WGMMA_LIST_##n ", " WGMMA_A_##n ", b, p, 1, 1, 1;\n}"                         \
                 : WGMMA_C_##n("f", c)                                                             \
                 : "r"((a)[0]), "r"((a)[1]), "r"((a)[2]), "r"((a)[3]), "r"(b), "r"(1))

/* c[N / 8][4] = (add ? c : 0) + Q K^T of 16 elements and N tokens; or A W^T of 64 rows of A and N
 * of W. */
template <typename Element, int N = 128>
DEVICE_INLINE void wgmma_scores(float (*c)[4], uint32_t q, uint32_t k, int add)
{
    static_assert(N == 32 || N == 64 || N == 128 || N == 160 || N == 192 || N == 256, "");
#define WGMMA_SCORES(n)                                                                            \
    if constexpr (N == n && is_f16<Element>)                                                       \
        WGMMA_S(n, "f16", c, q, k, add, "0");                                                      \
    else if constexpr (N == n)                                                                     \
    WGMMA_S(n, "bf16", c, q, k, add, "0")
    WGMMA_SCORES(32);
    WGMMA_SCORES(64);
    WGMMA_SCORES(128);
    WGMMA_SCORES(160);
    WGMMA_SCORES(192);
    WGMMA_SCORES(256);
#undef WGMMA_SCORES
}

/* c[N / 8][4] = (add ? c : 0) + A B^T of 64 rows of A and N of B, 32 elements of i8. */
template <int N> DEVICE_INLINE void wgmma_i8(int32_t (*c)[4], uint32_t a, uint32_t b, int add)
{
    static_assert(N == 32 || N == 64 || N == 128 || N == 160 || N == 192 || N == 256, "");
    if constexpr (N == 32)
        WGMMA_I8(32, c, a, b, add);
    else if constexpr (N == 64)
        WGMMA_I8(64, c, a, b, add);
    else if constexpr (N == 128)
        WGMMA_I8(128, c, a, b, add);
    else if constexpr (N == 160)
        WGMMA_I8(160, c, a, b, add);
    else if constexpr (N == 192)
        WGMMA_I8(192, c, a, b, add);
    else
        WGMMA_I8(256, c, a, b, add);
}

/* c[N / 8][4] += P V of 16 tokens and N (64, 128 or 256) elements */
template <int N, typename Element>
DEVICE_INLINE void wgmma_values(float (*c)[4], const uint32_t p[4], uint32_t v)
{
    if constexpr (N == 64 && is_f16<Element>)
        WGMMA_R(64, "f16", c, p, v);
    else if constexpr (N == 64)
        WGMMA_R(64, "bf16", c, p, v);
    else if constexpr (N == 128 && is_f16<Element>)
        WGMMA_R(128, "f16", c, p, v);
    else if constexpr (N == 128)
        WGMMA_R(128, "bf16", c, p, v);
    else if constexpr (is_f16<Element>)
        WGMMA_R(256, "f16", c, p, v);
    else
        WGMMA_R(256, "bf16", c, p, v);
}

/* The same for 256 elements, with P in shared memory: 64 rows, 64 tokens in a panel. */
template <typename Element> DEVICE_INLINE void wgmma_values(float (*c)[4], uint32_t p, uint32_t v)
{
    if constexpr (is_f16<Element>)
        WGMMA_S(256, "f16", c, p, v, 1, "1");
    else
        WGMMA_S(256, "bf16", c, p, v, 1, "1");
}

#endif

#endif
