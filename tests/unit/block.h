/* SPDX-License-Identifier: MIT */
/*
 * Runs one block of a kernel on one host thread: the subset of CUDA that the .cuh files use.
 * The threads of the block are coroutines that run in turn, each from one barrier to the next, in
 * an order that changes from turn to turn. If they do not all arrive at the same barrier, the
 * program aborts.
 */
#ifndef CG_TESTS_BLOCK_H
#define CG_TESTS_BLOCK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "../coroutine.h"

#define CG_CUDA_GPU_DEVICE_H /* replaces cuda/gpu_device.h */
#define __device__
#define __forceinline__ inline

typedef void *cudaStream_t;

enum { BLOCK_THREADS = 64, BLOCK_STACK = 64 << 10 };

static struct {
    unsigned x;
} threadIdx, blockDim = { BLOCK_THREADS };

/* The threads and the barrier at which each waits: a source line, for the block or for its warp. */
static struct {
    coroutine main, thread[BLOCK_THREADS];
    char *stacks;
    const char *file[BLOCK_THREADS];
    int line[BLOCK_THREADS];      /* 0: the thread has returned */
    int scope[BLOCK_THREADS];     /* threads of the barrier: BLOCK_THREADS or 32 */
    uint64_t word[BLOCK_THREADS]; /* operand of a warp shuffle */
    void (*body)(void *arg);
    void *arg;
    uint32_t seed;
} block;

static void block_wait(int scope, const char *file, int line)
{
    unsigned x = threadIdx.x;

    block.scope[x] = scope;
    block.file[x] = file;
    block.line[x] = line;
    coroutine_switch(&block.thread[x], &block.main);
    threadIdx.x = x;
}

#define __syncthreads() block_wait(BLOCK_THREADS, __FILE__, __LINE__)
#define __syncwarp()    block_wait(32, __FILE__, __LINE__)

/* The word of thread x of the same warp. */
static uint64_t block_shuffle(uint64_t word, unsigned x, const char *file, int line)
{
    uint64_t other;

    block.word[threadIdx.x] = word;
    block_wait(32, file, line);
    other = block.word[x];
    block_wait(32, file, line);
    return other;
}

static inline uint32_t __float_as_uint(float x)
{
    union {
        float x;
        uint32_t word;
    } u = { x };

    return u.word;
}

static inline float __uint_as_float(uint32_t word)
{
    union {
        uint32_t word;
        float x;
    } u = { word };

    return u.x;
}

static inline float block_xor_float(float x, int step, const char *file, int line)
{
    return __uint_as_float(
        (uint32_t)block_shuffle(__float_as_uint(x), threadIdx.x ^ (unsigned)step, file, line));
}

static inline int32_t block_xor_int(int32_t x, int step, const char *file, int line)
{
    return (int32_t)block_shuffle((uint32_t)x, threadIdx.x ^ (unsigned)step, file, line);
}

static inline unsigned long long block_xor_u64(unsigned long long x, int step, const char *file,
                                               int line)
{
    return block_shuffle(x, threadIdx.x ^ (unsigned)step, file, line);
}

#define __shfl_xor_sync(mask, x, step)                                                             \
    _Generic((x), float                                                                            \
             : block_xor_float, int32_t                                                            \
             : block_xor_int, unsigned long long                                                   \
             : block_xor_u64)(x, step, __FILE__, __LINE__)

static inline unsigned long long block_up(unsigned long long x, int step, const char *file,
                                          int line)
{
    unsigned from = threadIdx.x % 32 >= (unsigned)step ? threadIdx.x - (unsigned)step : threadIdx.x;

    return block_shuffle(x, from, file, line);
}

#define __shfl_up_sync(mask, x, step) block_up(x, step, __FILE__, __LINE__)
static inline unsigned long long block_lane(unsigned long long x, int lane, const char *file,
                                            int line)
{
    return block_shuffle(x, threadIdx.x / 32 * 32 + (unsigned)lane, file, line);
}

#define __shfl_sync(mask, x, lane) block_lane(x, lane, __FILE__, __LINE__)

static inline uint32_t block_max(uint32_t x, const char *file, int line)
{
    for (unsigned step = 16; step; step /= 2) {
        uint32_t other = (uint32_t)block_shuffle(x, threadIdx.x ^ step, file, line);

        x = x > other ? x : other;
    }
    return x;
}

#define __reduce_max_sync(mask, x) block_max(x, __FILE__, __LINE__)

static inline int __clz(int x)
{
    return x ? __builtin_clz((unsigned)x) : 32;
}

static inline uint32_t block_add_unsigned(uint32_t *at, uint32_t x)
{
    uint32_t was = *at;

    *at += x;
    return was;
}

static inline int32_t block_add_int(int32_t *at, int32_t x)
{
    int32_t was = *at;

    *at += x;
    return was;
}

#define atomicAdd(at, x)                                                                           \
    _Generic((at), uint32_t * : block_add_unsigned, int32_t * : block_add_int)(at, x)

static inline int32_t atomicMin(int32_t *at, int32_t x)
{
    int32_t was = *at;

    *at = x < was ? x : was;
    return was;
}

static inline int32_t atomicOr(int32_t *at, int32_t x)
{
    int32_t was = *at;

    *at |= x;
    return was;
}

static void block_thread(void)
{
    unsigned x = threadIdx.x;

    block.body(block.arg);
    block.line[x] = 0;
    coroutine_switch(&block.thread[x], &block.main);
}

/* Continues n threads from `first` on, which must wait at the same barrier, in some order. */
static void block_turn(unsigned first, unsigned n)
{
    unsigned step, x;

    for (unsigned k = 0; k < n; k++)
        if (block.line[first + k] != block.line[first] ||
            block.file[first + k] != block.file[first] ||
            block.scope[first + k] != block.scope[first]) {
            fprintf(stderr, "threads %u and %u wait at %s:%d and %s:%d\n", first, first + k,
                    block.file[first], block.line[first], block.file[first + k],
                    block.line[first + k]);
            abort();
        }
    block.seed = block.seed * 1664525u + 1013904223u;
    step = block.seed >> 16 | 1; /* odd: visits all threads of a power of two */
    x = block.seed >> 8;
    for (unsigned k = 0; k < n; k++, x += step) {
        threadIdx.x = first + x % n;
        coroutine_switch(&block.main, &block.thread[threadIdx.x]);
    }
}

/* Runs body(arg) in all threads of a block. */
static void block_run(void (*body)(void *arg), void *arg)
{
    block.body = body;
    block.arg = arg;
    if (!block.stacks)
        block.stacks = malloc((size_t)BLOCK_THREADS * BLOCK_STACK);
    for (unsigned x = 0; x < BLOCK_THREADS; x++) {
        coroutine_create(&block.thread[x], block.stacks + (size_t)x * BLOCK_STACK, BLOCK_STACK,
                         block_thread);
        block.line[x] = -1;
        block.file[x] = "the start";
        block.scope[x] = BLOCK_THREADS;
    }
    for (;;) {
        int warps = 0;

        for (unsigned x = 0; x < BLOCK_THREADS; x += 32)
            for (; block.line[x] && block.scope[x] == 32; warps++)
                block_turn(x, 32);
        if (!block.line[0])
            break;
        block_turn(0, BLOCK_THREADS);
    }
    for (unsigned x = 0; x < BLOCK_THREADS; x++)
        if (block.line[x]) {
            fprintf(stderr, "thread %u waits at %s:%d for threads that have returned\n", x,
                    block.file[x], block.line[x]);
            abort();
        }
}

#endif
