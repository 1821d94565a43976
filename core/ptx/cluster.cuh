/* SPDX-License-Identifier: MIT */
/** @file cluster.cuh  Shared memory and barriers of a cluster of thread blocks, sm_90. */
#ifndef CG_CLUSTER_CUH
#define CG_CLUSTER_CUH

#include "tma.cuh"

#if HAS_WGMMA

/* Rank of the block in its cluster. */
DEVICE_INLINE uint32_t cluster_rank(void)
{
    uint32_t x;

    asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(x));
    return x;
}

/* Waits for all threads of the cluster. */
DEVICE_INLINE void cluster_barrier(void)
{
    asm volatile("barrier.cluster.arrive.release;\n"
                 "barrier.cluster.wait.acquire;" ::
                     : "memory");
}

/* Address, in the shared memory of the cluster, of `address` in block `rank`. */
DEVICE_INLINE uint32_t cluster_address(uint32_t address, uint32_t rank)
{
    uint32_t x;

    asm volatile("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(x) : "r"(address), "r"(rank));
    return x;
}

DEVICE_INLINE void cluster_store_16B(uint32_t address, const float x[4])
{
    asm volatile("st.shared::cluster.v4.f32 [%0], {%1, %2, %3, %4};" ::"r"(address), "f"(x[0]),
                 "f"(x[1]), "f"(x[2]), "f"(x[3])
                 : "memory");
}

/* Orders this thread's stores before arrivals of its warp that follow a __syncwarp(). */
DEVICE_INLINE void cluster_fence(void)
{
    asm volatile("fence.acq_rel.cluster;" ::: "memory");
}

DEVICE_INLINE void cluster_arrive(uint32_t at)
{
    asm volatile("mbarrier.arrive.shared::cluster.b64 _, [%0];" ::"r"(at) : "memory");
}

DEVICE_INLINE void cluster_phase_wait(uint32_t at, uint32_t parity)
{
    asm volatile("{\n.reg .pred done;\nAGAIN:\n"
                 "mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 done, [%0], %1;\n"
                 "@!done bra AGAIN;\n}" ::"r"(at),
                 "r"(parity)
                 : "memory");
}

#endif

#endif
