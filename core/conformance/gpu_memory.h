/* SPDX-License-Identifier: MIT */
/**
 * @file gpu_memory.h  Memory of a GPU between guard bytes, for the checks that run on one.
 *
 * Every call that fails is a failed case of the open check, and ends the suite (checker.lost):
 * after a fault of a kernel nothing more can be asked of the GPU in this process.
 */
#ifndef CG_CONFORMANCE_GPU_MEMORY_H
#define CG_CONFORMANCE_GPU_MEMORY_H

#include <confgen/gpu.h>

#include "test_case.h"

typedef struct gpu_block {
    checker *c;
    cg_gpu *gpu;
    char *base; /* guard, memory, guard */
    char *ptr;  /* the memory, 256-byte aligned */
    size_t bytes;
} gpu_block;

/** Case: status of a cg_gpu call. Returns whether it was good. */
int gpu_ok(checker *c, cg_status st, const cg_error *err, const char *what);
/** Wait for what was queued: faults of kernels show here. */
int gpu_wait(checker *c, cg_gpu *gpu, const char *what);

/** `bytes` bytes filled with 0xff (NaN in every type) between guards. 0 if that failed. */
int gpu_block_create(checker *c, cg_gpu *gpu, size_t bytes, gpu_block *ret_block);
void gpu_block_destroy(gpu_block *b); /* accepts one that is all zero */
/** Fill the first `bytes` bytes from `src`; the rest becomes 0xff. */
void gpu_block_load(gpu_block *b, const void *src, size_t bytes);
void gpu_block_read(const gpu_block *b, void *dst);
/** All of it 0xff again. */
void gpu_block_poison(gpu_block *b);
/** True if nothing was written in front of or behind it. */
int gpu_block_guarded(const gpu_block *b);
/** True if it holds `want` [bytes] and its guards are whole. */
int gpu_block_holds(const gpu_block *b, const void *want);

#endif
