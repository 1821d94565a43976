/* SPDX-License-Identifier: MIT */
/** @file tma.cuh  Copies of boxes of tensors (TMA, PTX ISA "cp.async.bulk.tensor"), sm_90. */
#ifndef CG_TMA_CUH
#define CG_TMA_CUH

#include <cuda.h>

#include "wgmma.cuh"

#if HAS_WGMMA

/* Makes barriers that this thread has created visible to the copy engine. */
DEVICE_INLINE void share_phase_barriers(void)
{
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}

/* Arrives, and adds `bytes` to those that the phase waits for. */
DEVICE_INLINE void phase_expect(uint32_t at, uint32_t bytes)
{
    asm volatile("{\n.reg .b64 state;\n"
                 "mbarrier.arrive.expect_tx.shared::cta.b64 state, [%0], %1;\n}" ::"r"(at),
                 "r"(bytes)
                 : "memory");
}

/* Copies the box at element coordinates x, y, .. to dst; completes its bytes on a phase barrier.
 * What lies outside of the tensor is zero. */
DEVICE_INLINE void copy_box(uint32_t dst, const CUtensorMap *map, uint32_t barrier, int x, int y)
{
    asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes "
                 "[%0], [%1, {%3, %4}], [%2];" ::"r"(dst),
                 "l"(map), "r"(barrier), "r"(x), "r"(y)
                 : "memory");
}

DEVICE_INLINE void copy_box(uint32_t dst, const CUtensorMap *map, uint32_t barrier, int x, int y,
                            int z)
{
    asm volatile("cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes "
                 "[%0], [%1, {%3, %4, %5}], [%2];" ::"r"(dst),
                 "l"(map), "r"(barrier), "r"(x), "r"(y), "r"(z)
                 : "memory");
}

DEVICE_INLINE void copy_box(uint32_t dst, const CUtensorMap *map, uint32_t barrier, int x, int y,
                            int z, int w)
{
    asm volatile("cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes "
                 "[%0], [%1, {%3, %4, %5, %6}], [%2];" ::"r"(dst),
                 "l"(map), "r"(barrier), "r"(x), "r"(y), "r"(z), "r"(w)
                 : "memory");
}

DEVICE_INLINE void copy_box(uint32_t dst, const CUtensorMap *map, uint32_t barrier, int x, int y,
                            int z, int w, int v)
{
    asm volatile("cp.async.bulk.tensor.5d.shared::cluster.global.mbarrier::complete_tx::bytes "
                 "[%0], [%1, {%3, %4, %5, %6, %7}], [%2];" ::"r"(dst),
                 "l"(map), "r"(barrier), "r"(x), "r"(y), "r"(z), "r"(w), "r"(v)
                 : "memory");
}

DEVICE_INLINE void prefetch_map(const CUtensorMap *map)
{
    asm volatile("prefetch.tensormap [%0];" ::"l"(map) : "memory");
}

#endif

#endif
