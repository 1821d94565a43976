/* SPDX-License-Identifier: MIT */
/**
 * @file gpu_memory.h  GPU memory between guard bytes.
 *
 * A failing call is recorded as a failed case of the current check and ends the suite
 * (test_recorder.gpu_lost): after a kernel fault this process cannot use the GPU any more. A plain
 * out-of-memory error ends it too.
 */
#ifndef CG_CONFORMANCE_GPU_MEMORY_H
#define CG_CONFORMANCE_GPU_MEMORY_H

#include <confgen/gpu.h>

#include "test_case.h"

typedef struct gpu_block {
    test_recorder *rec;
    cg_gpu *gpu;
    char *base; /* guard, memory, guard */
    char *ptr;  /* the memory, 256-byte aligned */
    size_t bytes;
} gpu_block;

/** Records a failed cg_gpu call. `what`: the call. Returns whether it succeeded. */
int gpu_ok(test_recorder *rec, cg_status st, const cg_error *err, const char *what);
/** Waits for the stream; reports faults of kernels. `what`: the work. */
int gpu_wait(test_recorder *rec, cg_gpu *gpu, const char *what);

/** Allocates bytes filled with 0xff (NaN in every type) between guards. Returns 0 on failure. */
int gpu_block_create(test_recorder *rec, cg_gpu *gpu, size_t bytes, gpu_block *ret_block);
void gpu_block_destroy(gpu_block *b); /* accepts a zeroed block */
/** Copies `bytes` bytes from `src`; fills the rest with 0xff. */
void gpu_block_load(gpu_block *b, const void *src, size_t bytes);
void gpu_block_read(const gpu_block *b, void *dst);
/** Fills all of it with 0xff. */
void gpu_block_poison(gpu_block *b);
/** True if the guards before and after it are unchanged. */
int gpu_block_guarded(const gpu_block *b);
/** True if it contains `expected` [bytes] and its guards are unchanged. */
int gpu_block_holds(const gpu_block *b, const void *expected);

#endif
