/* SPDX-License-Identifier: MIT */
/**
 * @file scheduler.h  Keeping an executor's slots full: molecules in, ended sequences out.
 *
 * Molecules are taken in order. A molecule's prompt is computed once, in a prefix place; its
 * generations are admitted in order as slots become free, and a slot is refilled as soon as its
 * sequence has ended, so several molecules are usually on their way.
 */
#ifndef CG_DECODE_SCHEDULER_H
#define CG_DECODE_SCHEDULER_H

#include "decode/executor.h"

/** A molecule to generate. Everything is borrowed until its last sequence was handed to ended(). */
typedef struct cg_work {
    const int32_t *prompt; /* [n_prompt] */
    int32_t n_prompt;
    const cg_program *program;
    uint64_t molecule;      /* index in the whole input, for the random numbers */
    uint32_t n_generations; /* >= 1 */
    void *owner;
} cg_work;

enum { CG_WORK_END = -1, CG_WORK_NONE_YET = 0, CG_WORK_TAKEN = 1 };

/** What the scheduler asks of its caller; all on the calling thread. */
typedef struct cg_scheduler_io {
    void *ctx;
    /**
     * The next molecule. `wait`: the executor is idle, so block until there is one or none will
     * come. Returns CG_WORK_*.
     */
    int (*next)(void *ctx, int wait, cg_work *ret_work);
    /** A sequence of `work` has ended; result->tokens is borrowed for the call. */
    cg_status (*ended)(void *ctx, const cg_work *work, uint32_t generation,
                       const cg_sequence_result *result, cg_error *err);
    /** Called between runs; nonzero stops the scheduler with CG_ERR_INTERRUPTED. */
    int (*stop)(void *ctx);
} cg_scheduler_io;

/** Run until next() has returned CG_WORK_END and every sequence has ended. */
cg_status cg_schedule(cg_executor *ex, int32_t n_slots, int32_t n_prefixes, uint64_t seed,
                      const cg_scheduler_io *io, cg_error *err);

#endif
