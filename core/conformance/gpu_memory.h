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

/** Bytes before and after a block: most writes that miss it are seen. */
enum {
    GPU_GUARD = 64 << 10,
    GPU_WIDE_GUARD = 1 << 20, /* of what a plugin writes to */
};

typedef struct gpu_block {
    test_recorder *rec;
    cg_gpu *gpu;
    char *base; /* guard, memory, guard */
    char *ptr;  /* the memory, 256-byte aligned */
    size_t bytes;
    size_t guard; /* bytes of one */
    char *image;  /* host copy of what was loaded; NULL before the first gpu_block_image() */
} gpu_block;

/** Records a failed cg_gpu call. `what`: the call. Returns whether it succeeded. */
int gpu_ok(test_recorder *rec, cg_status st, const cg_error *err, const char *what);
/** Waits for the stream; reports faults of kernels. `what`: the work. */
int gpu_wait(test_recorder *rec, cg_gpu *gpu, const char *what);
/** Free memory of the GPU now. */
int64_t gpu_free_memory(const cg_gpu *gpu);

/**
 * Allocates bytes filled with 0xff (NaN in every type) between guards of GPU_GUARD bytes. Returns 0
 * on failure.
 */
int gpu_block_create(test_recorder *rec, cg_gpu *gpu, size_t bytes, gpu_block *ret_block);
/** The same between guards of GPU_WIDE_GUARD bytes. */
int gpu_block_create_wide(test_recorder *rec, cg_gpu *gpu, size_t bytes, gpu_block *ret_block);
void gpu_block_destroy(gpu_block *b); /* accepts a zeroed block */
/** Host memory [bytes] for what is to be loaded; owned by the block. */
char *gpu_block_image(gpu_block *b);
/** Copies the image to the GPU. */
void gpu_block_load_image(gpu_block *b);
/** Copies `bytes` bytes from `src` to the image and the GPU; fills the rest with 0xff. */
void gpu_block_load(gpu_block *b, const void *src, size_t bytes);
void gpu_block_read(const gpu_block *b, void *dst);
/** Fills all of the GPU's memory with 0xff. */
void gpu_block_poison(gpu_block *b);
/** True if the guards before and after it are unchanged. */
int gpu_block_guarded(const gpu_block *b);
/** True if it contains its image and its guards are unchanged. */
int gpu_block_unchanged(gpu_block *b);
/** True if all of it is 0xff. Does not wait for the stream. */
int gpu_block_is_poison_now(const gpu_block *b);

#endif
