/* SPDX-License-Identifier: MIT */
#include "progress.h"

enum { THREADS = 512 };

struct call {
    cg_page_progress p;
    const int32_t *slot, *pos;
    int32_t n_tokens;
};

/* Slot of a token that is stored, else -1. */
static __device__ __forceinline__ int32_t slot_of(const struct call &c, int32_t token)
{
    int32_t slot = c.slot[token];

    return slot >= 0 && slot < c.p.n_slots && c.pos[token] >= 0 && c.pos[token] < c.p.max_len ? slot
                                                                                              : -1;
}

/*
 * One block. Thread i takes tokens i, i + THREADS, ... The tokens of a slot may be in any order:
 * first all threads find the least position of each slot, then those of its token write it, then
 * all clear what they have used.
 */
static __global__ void __launch_bounds__(THREADS)
    progress_kernel(const __grid_constant__ struct call c)
{
    volatile int32_t *least = c.p.least;        /* other threads' results: not from the L1 cache */
    volatile uint64_t *progress = c.p.progress; /* the host reads it: one store */

    for (int32_t i = (int32_t)threadIdx.x; i < c.n_tokens; i += THREADS) {
        int32_t slot = slot_of(c, i);

        if (slot >= 0)
            atomicMin(&c.p.least[slot], c.pos[i]);
    }
    __syncthreads();
    for (int32_t i = (int32_t)threadIdx.x; i < c.n_tokens; i += THREADS) {
        int32_t slot = slot_of(c, i);

        if (slot >= 0 && c.pos[i] == least[slot])
            progress[slot] = (uint64_t)(uint32_t)c.p.epoch[slot] << 32 | (uint32_t)c.pos[i];
    }
    __syncthreads();
    for (int32_t i = (int32_t)threadIdx.x; i < c.n_tokens; i += THREADS) {
        int32_t slot = slot_of(c, i);

        if (slot >= 0)
            least[slot] = CG_NO_POSITION;
    }
}

cudaError_t cg_page_progress_load(void)
{
    struct cudaFuncAttributes attributes;

    return cudaFuncGetAttributes(&attributes, (const void *)progress_kernel);
}

cudaError_t cg_page_progress_cuda(const cg_page_progress *p, const cg_cache_append *args)
{
    struct call c = { *p, args->slot, args->pos, args->n_tokens };

    if (args->n_tokens < 1)
        return cudaSuccess;
    progress_kernel<<<1, THREADS, 0, (cudaStream_t)args->stream>>>(c);
    return cudaGetLastError();
}
