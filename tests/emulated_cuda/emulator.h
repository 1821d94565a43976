/* SPDX-License-Identifier: MIT */
/**
 * @file emulator.h  Runs the blocks of a kernel on the calling thread.
 *
 * Blocks run one after another. The threads of a block are coroutines that run in turn, each until
 * it waits for others: at a barrier, or at an operation of its warp. The order is random at every
 * turn, over threads and over warps, so that a result that needs a missing barrier is wrong in most
 * orders. What no order can make right aborts the process, with a text that names the threads:
 *
 * - a barrier that other threads of the block do not reach, or pass elsewhere;
 * - an operation of a warp whose mask names a thread that does not reach it, or leaves out the
 *   caller; a shuffle from a thread that is not in the mask;
 * - a block of a kernel that was launched early, and does not wait for the earlier kernels.
 *
 * Shared memory is filled before each block, with NaN of every float type.
 */
#ifndef CG_TESTS_EMULATOR_H
#define CG_TESTS_EMULATOR_H

#include <stddef.h>
#include <stdint.h>

#include <cuda_runtime_api.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A place in the source, for messages. Two places are the same if line and file are. */
typedef struct emulated_place {
    const char *file;
    int line;
} emulated_place;

/** A launch. */
typedef struct emulated_grid {
    dim3 blocks;
    dim3 threads; /* of a block, at most 1024 */
    size_t shared_bytes;
    emulated_place launched;
    int is_early; /* on a GPU it may start before earlier kernels end */
} emulated_grid;

/** Seed of the orders; $EMULATED_GPU_SEED, or 1. Set before the first launch. */
extern uint64_t emulator_seed;

/** Runs body(arg) in every thread of the grid. One grid at a time: other callers wait. */
void emulator_run(const emulated_grid *grid, void (*body)(const void *arg), const void *arg);

/**
 * Queues body(arg) on a stream, as a kernel. arg[0..bytes) begins with an emulated_grid and is
 * copied; `kernel` identifies the kernel. Errors as of a launch: cudaGetLastError().
 */
void emulated_launch(const void *arg, size_t bytes, void (*body)(const void *arg),
                     const void *kernel, cudaStream_t stream);

/** Whether a launch has the attribute that makes it an early one. */
int emulated_is_early(const cudaLaunchConfig_t *config);

/** Makes a kernel known to cudaLaunchKernel(): the bytes of its parameter, and a function that
 * calls it. */
void emulated_register(const void *kernel, size_t bytes,
                       void (*call)(const void *kernel, const void *arg));

/* ---- called by the threads of a kernel ----------------------------------------------------- */

/** Variables of CUDA, of the running thread. */
extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;

/** Fills shared memory as it is at the start of a block. */
void emulated_fill(void *to, size_t bytes);
/** Dynamic shared memory of the block. */
void *emulated_dynamic_shared(void);
/** Lane of the running thread. */
uint32_t emulated_lane(void);
/** Lanes of the running thread's warp that have not returned. */
uint32_t emulated_active(void);
/** The running thread waits for earlier kernels, which have ended. */
void emulated_wait_for_kernels(void);

/** Number of the running thread in its block. */
uint32_t emulated_thread(void);
/** A number of the running block: each block of each launch has another. */
extern uint64_t emulated_block_number;
/** Ends the process: the running thread did what the text says. */
#ifdef __cplusplus
[[noreturn]]
#else
_Noreturn
#endif
void emulated_fail(const char *fault);

/** A barrier in shared memory (mbarrier): a phase ends when `count` threads have arrived and all
 * bytes that they expect have been copied. */
typedef struct emulated_phase {
    int16_t count, missing; /* arrivals */
    int32_t bytes : 31;     /* expected, less those copied */
    uint32_t parity : 1;    /* of the phase */
} emulated_phase;

void emulated_phase_create(emulated_phase *phase, int count);
/** Arrives `arrivals` times; adds bytes to those expected. */
void emulated_phase_add(emulated_phase *phase, int arrivals, int32_t bytes);
/** Waits for the end of the phase of this parity. */
void emulated_phase_wait(const emulated_phase *phase, uint32_t parity, emulated_place place);
/** Arrives at barrier `id` of n threads, and waits if `waits`. Returns whether a value of those who
 * wait is not 0. */
int emulated_named_barrier(uint32_t id, uint32_t n, int waits, int value, emulated_place place);

/** Waits for all threads of the block. */
void emulated_barrier(emulated_place place);
/** Waits for the lanes of the mask. Returns the value of lane `from` of the warp. */
uint64_t emulated_shuffle(uint32_t mask, uint64_t value, uint32_t from, emulated_place place);
/** Waits for the lanes of the mask. Returns the bits of those whose value is not 0. */
uint32_t emulated_ballot(uint32_t mask, int value, emulated_place place);

#ifdef __cplusplus
}
#endif

#endif
