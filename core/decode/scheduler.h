/* SPDX-License-Identifier: MIT */
/**
 * @file scheduler.h  Keeps the slots of an executor busy: work in, completed sequences out.
 *
 * Molecules are taken in order. The prompt of a molecule is computed once, in a prompt slot; its
 * generations are admitted in order as sequence slots become free. A slot is refilled as soon as
 * its sequence completes, so several molecules are usually in progress.
 *
 * If the device has no memory for another sequence (CG_ERR_DEVICE_NOMEM) while at least half of the
 * slots are busy, new sequences wait until others complete. Otherwise, and if a step fails for lack
 * of memory, all sequences in progress are released, the caller provides an executor with fewer
 * slots, and they restart there. Each completes once: the result depends on its key, not on how
 * often it was started.
 */
#ifndef CG_DECODE_SCHEDULER_H
#define CG_DECODE_SCHEDULER_H

#include "decode/executor.h"

/**
 * Generations of a molecule: [first_generation, first_generation + n_generations), or those listed.
 * Everything is borrowed until released() was called for the last of them.
 */
typedef struct cg_work {
    const int32_t *prompt; /* [n_prompt] */
    int32_t n_prompt;
    const cg_program *program;
    uint64_t molecule; /* index in the whole input, for the random numbers */
    uint32_t first_generation;
    uint32_t n_generations; /* >= 1 */
    void *owner;
    const uint32_t *generations; /* [n_generations] or NULL */
    uint32_t retry;              /* number of the retry round, 0 for the first: cg_rng_retry() */
    const cg_geometry *geometry; /* NULL: atoms are not tested */
} cg_work;

enum { CG_WORK_END = -1, CG_WORK_NONE_YET = 0, CG_WORK_TAKEN = 1 };

/** Callbacks of the scheduler; all run on the thread that called cg_schedule(). */
typedef struct cg_scheduler_io {
    void *ctx;
    /**
     * Provides the next work. `wait`: the executor is idle; block until there is work or no more
     * will come. Returns CG_WORK_*.
     */
    int (*next)(void *ctx, int wait, cg_work *ret_work);
    /** A sequence of `work` completed; result->tokens is borrowed for the call. */
    cg_status (*completed)(void *ctx, const cg_work *work, uint32_t generation,
                           const cg_sequence_result *result, cg_error *err);
    /** The executor released the sequence that completed() was called for. */
    void (*released)(void *ctx, const cg_work *work);
    /** Polled between runs; nonzero stops the scheduler with CG_ERR_INTERRUPTED. */
    int (*stop)(void *ctx);
    /** Sequences wait for memory while n_busy slots are busy. Called once. May be NULL. */
    void (*out_of_room)(void *ctx, int32_t n_busy, const cg_error *why);
    /**
     * Replaces the executor, which is empty, by one with fewer slots, because of `why`; fails if
     * that is not possible. NULL: it is not.
     */
    cg_status (*shrink)(void *ctx, const cg_error *why, cg_executor **ret_executor,
                        int32_t *ret_slots, int32_t *ret_prompt_slots, cg_error *err);
} cg_scheduler_io;

/** Runs until next() has returned CG_WORK_END and every sequence is complete. */
cg_status cg_schedule(cg_executor *ex, int32_t n_slots, int32_t n_prompt_slots, uint64_t seed,
                      const cg_scheduler_io *io, cg_error *err);

#endif
