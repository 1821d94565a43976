/* SPDX-License-Identifier: MIT */
/**
 * @file scheduler.h  Keeping an executor's slots full: molecules in, ended sequences out.
 *
 * Molecules are taken in order. A molecule's prompt is computed once, in a prefix place; its
 * generations are admitted in order as slots become free, and a slot is refilled as soon as its
 * sequence has ended, so several molecules are usually on their way.
 *
 * Where the device has no room for another sequence (CG_ERR_DEVICE_NOMEM) while at least half of
 * the slots are at work, sequences wait until others have ended. Otherwise, and where a step fails
 * for want of memory, all sequences under way are released, the caller provides an executor with
 * fewer slots, and they begin again there. Each ends once: what it becomes depends on its key, not
 * on how often it was begun.
 */
#ifndef CG_DECODE_SCHEDULER_H
#define CG_DECODE_SCHEDULER_H

#include "decode/executor.h"

/**
 * Generations of a molecule: [first_generation, first_generation + n_generations), or those listed.
 * Everything is borrowed until gone() was called for the last of them.
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
    uint32_t retry;              /* they are drawn for the again-th time more: cg_rng_retry() */
    const cg_geometry *geometry; /* NULL: none */
} cg_work;

enum { CG_WORK_END = -1, CG_WORK_NONE_YET = 0, CG_WORK_TAKEN = 1 };

/** What the scheduler asks of its caller; all on the calling thread. */
typedef struct cg_scheduler_io {
    void *ctx;
    /**
     * The next work. `wait`: the executor is idle, so block until there is some or none will come.
     * Returns CG_WORK_*.
     */
    int (*next)(void *ctx, int wait, cg_work *ret_work);
    /** A sequence of `work` has ended; result->tokens is borrowed for the call. */
    cg_status (*ended)(void *ctx, const cg_work *work, uint32_t generation,
                       const cg_sequence_result *result, cg_error *err);
    /** The executor has let go of a sequence that ended(). */
    void (*gone)(void *ctx, const cg_work *work);
    /** Called between runs; nonzero stops the scheduler with CG_ERR_INTERRUPTED. */
    int (*stop)(void *ctx);
    /** Sequences wait for room, n_busy are at work. Told once. NULL: not wanted. */
    void (*crowded)(void *ctx, int32_t n_busy, const cg_error *why);
    /**
     * Nothing is in the executor any more: replace it by one with fewer slots, for the reason
     * `why`. Fails where that is not possible. NULL: it is not.
     */
    cg_status (*shrink)(void *ctx, const cg_error *why, cg_executor **ret_executor,
                        int32_t *ret_slots, int32_t *ret_prefixes, cg_error *err);
} cg_scheduler_io;

/** Run until next() has returned CG_WORK_END and every sequence has ended. */
cg_status cg_schedule(cg_executor *ex, int32_t n_slots, int32_t n_prompt_slots, uint64_t seed,
                      const cg_scheduler_io *io, cg_error *err);

#endif
