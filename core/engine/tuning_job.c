/* SPDX-License-Identifier: MIT */
#include "engine/tuning_job.h"

#include "base/error.h"
#include "engine/run_shape.h"

enum { GENERATIONS = 4 }; /* of a molecule in turn, so that prompts take part */

struct tuning_job {
    const cg_tuner *tuner;
    cg_executor *ex;
    int32_t n_left, turn; /* sequences not started, and molecules that were */
    int32_t n_completed;
    int64_t tokens; /* of completed sequences */
    int64_t evaluated_before;
    double start, limit;
};

static int64_t evaluated(const struct tuning_job *j)
{
    cg_executor_stats stats = { 0 };

    j->ex->ops->stats(j->ex, &stats);
    return stats.tokens;
}

static double seconds_of(const struct tuning_job *j)
{
    return j->tuner->now(j->tuner->ctx) - j->start;
}

/* ---- cg_scheduler_io ---------------------------------------------------------------------- */

static int next(void *ctx, int wait, cg_work *ret_work)
{
    struct tuning_job *j = ctx;
    int32_t n = j->n_left < GENERATIONS ? j->n_left : GENERATIONS;

    (void)wait;
    if (!n)
        return CG_WORK_END;
    *ret_work = j->tuner->works[j->turn % j->tuner->n_works];
    ret_work->first_generation = (uint32_t)(j->turn * GENERATIONS);
    ret_work->n_generations = (uint32_t)n;
    ret_work->owner = NULL; /* none is requeued by its owner: an executor is not replaced */
    j->turn++;
    j->n_left -= n;
    return CG_WORK_TAKEN;
}

static cg_status completed(void *ctx, const cg_work *work, uint32_t generation,
                           const cg_sequence_result *result, cg_error *err)
{
    struct tuning_job *j = ctx;

    (void)work;
    (void)generation;
    (void)err;
    j->tokens += result->n_tokens;
    j->n_completed++;
    return CG_OK;
}

static void released(void *ctx, const cg_work *work)
{
    (void)ctx;
    (void)work;
}

static int stop(void *ctx)
{
    const struct tuning_job *j = ctx;

    return seconds_of(j) >= j->limit;
}

/* ---- tuning_job.h ------------------------------------------------------------------------- */

/* Runs a job of n sequences; CG_ERR_INTERRUPTED if it was stopped. */
static cg_status run(struct tuning_job *j, int32_t batch_size, int32_t n, double limit,
                     cg_error *err)
{
    const cg_scheduler_io io = {
        .ctx = j, .next = next, .completed = completed, .released = released, .stop = stop
    };

    j->n_left = n;
    j->n_completed = 0;
    j->tokens = 0;
    j->limit = limit;
    j->evaluated_before = evaluated(j);
    j->start = j->tuner->now(j->tuner->ctx);
    return cg_schedule(j->ex, batch_size, cg_prompt_slots(j->tuner->device, batch_size), 0, &io,
                       err);
}

cg_status cg_tuning_job(const cg_tuner *t, cg_executor *ex, int32_t batch_size, double limit,
                        cg_tuning_job_result *ret_result, cg_error *err)
{
    struct tuning_job j = { .tuner = t, .ex = ex };
    cg_tuning_job_result r = { 0 };
    cg_error why = CG_ERROR_INIT;
    /* fills all slots, so that memory is in place and graphs and algorithms are settled */
    cg_status st = run(&j, batch_size, batch_size, t->seconds, &why);

    if (st == CG_OK || st == CG_ERR_INTERRUPTED)
        st = run(&j, batch_size, CG_TUNING_JOB_BATCHES * batch_size, limit, &why);
    if (st != CG_OK && st != CG_ERR_INTERRUPTED)
        return cg_fail(err, st, "%s", why.msg);
    r.n_conformers = st == CG_OK ? j.n_completed : 0;
    r.tokens = st == CG_OK ? j.tokens : evaluated(&j) - j.evaluated_before;
    r.seconds = seconds_of(&j);
    if (st == CG_OK && (r.tokens < 1 || !(r.seconds > 0)))
        return cg_fail(err, CG_ERR_INTERNAL, "no tokens in a job of %d sequences",
                       CG_TUNING_JOB_BATCHES * batch_size);
    *ret_result = r;
    return CG_OK;
}
