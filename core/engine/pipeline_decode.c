/* SPDX-License-Identifier: MIT */
/* The decoders: each runs the scheduler of one executor over the molecules of the window. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "decode/scheduler.h"
#include "engine/counters.h"
#include "engine/pipeline_state.h"

/* ---- taking work -------------------------------------------------------------------------- */

/*
 * Number of a molecule's waiting generations that a decoder takes: all, unless other decoders exist
 * and the generations would fill its slots more than once.
 */
static int32_t share_locked(const cg_decoder *d, const cg_pipeline_molecule *m)
{
    int32_t n = m->round.n - m->locked.n_started, batch = d->worker->batch_size;

    return d->pipeline->engine->device.n_workers > 1 && n / 2 >= batch ? batch : n;
}

static void take_locked(cg_decoder *d, cg_pipeline_molecule *m, cg_work *ret_work)
{
    struct cg_pipeline *p = d->pipeline;
    const cg_molecule_template *t = &m->built.template;
    int32_t n = share_locked(d, m), first = m->locked.n_started;

    *ret_work = (cg_work) {
        .prompt = t->prompt,
        .n_prompt = t->n_prompt,
        .program = t->program,
        .geometry = p->engine->codes ? NULL : t->geometry, /* codes are tested when decoded */
        .molecule = (uint64_t)m->input.index,
        .first_generation = (uint32_t)first,
        .n_generations = (uint32_t)n,
        .owner = m,
        .generations = m->round.generations ? m->round.generations + first : NULL,
        .retry = m->round.retry,
    };
    m->locked.n_started += n;
    if (m->round.retry)
        p->locked.counts.retried += n;
    else
        p->locked.counts.requested += n;
    if (m->locked.n_started < m->round.n)
        return;
    if (m->round.retry) {
        p->locked.retry_queue = m->locked.next_retry;
        return;
    }
    m->locked.state = CG_RUNNING;
    p->locked.n_running++;
    p->locked.n_scheduled++;
}

/* Takes work if there is any. Returns CG_WORK_*. */
static int try_take_locked(cg_decoder *d, cg_work *ret_work)
{
    struct cg_pipeline *p = d->pipeline;
    int may_retry = cg_pipeline_max_retries(p) && p->locked.n_running;
    cg_pipeline_molecule *m = NULL;

    while (p->locked.n_scheduled < p->locked.n_read) {
        m = cg_pipeline_at_locked(p, p->locked.n_scheduled);
        if (m->locked.state != CG_DONE)
            break;
        p->locked.n_scheduled++; /* it failed: nothing to decode */
        m = NULL;
    }
    if (p->stopping)
        return CG_WORK_END;
    if (p->locked.retry_queue)
        m = p->locked.retry_queue;
    else if (!m && p->locked.at_end && !may_retry)
        return CG_WORK_END;
    else if (!m || m->locked.state != CG_READY)
        return CG_WORK_NONE_YET;
    take_locked(d, m, ret_work);
    return CG_WORK_TAKEN;
}

/* cg_scheduler_io.next */
static int next_work(void *ctx, int wait, cg_work *ret_work)
{
    cg_decoder *d = ctx;
    struct cg_pipeline *p = d->pipeline;
    int got;

    pthread_mutex_lock(&p->lock);
    while ((got = try_take_locked(d, ret_work)) == CG_WORK_NONE_YET && wait)
        pthread_cond_wait(&p->changed, &p->lock);
    pthread_mutex_unlock(&p->lock);
    return got;
}

/* ---- completed sequences ------------------------------------------------------------------ */

/* cg_scheduler_io.completed */
static cg_status sequence_completed(void *ctx, const cg_work *work, uint32_t generation,
                                    const cg_sequence_result *result, cg_error *err)
{
    cg_decoder *d = ctx;
    struct cg_pipeline *p = d->pipeline;
    cg_pipeline_molecule *m = work->owner;
    cg_generation *g = &m->built.generations[generation];
    cg_report *counts = &p->locked.counts;

    g->tokens = cg_alloc_array((size_t)result->n_tokens, sizeof *g->tokens);
    if (!g->tokens)
        return cg_fail_nomem(err, "pipeline");
    memcpy(g->tokens, result->tokens, (size_t)result->n_tokens * sizeof *g->tokens);
    g->n_tokens = result->n_tokens;
    g->is_mirrored = result->is_mirrored;
    g->done = result->done;
    g->repair = result->repair;
    pthread_mutex_lock(&p->lock);
    cg_report_count_repair(counts, &result->repair);
    counts->sequences += !work->retry;
    counts->tokens += result->n_tokens;
    counts->sampled += result->n_sampled;
    counts->forced += result->n_tokens - result->n_sampled;
    if (d->index < CG_MAX_GPUS)
        counts->executor_tokens[d->index] += result->n_tokens;
    pthread_mutex_unlock(&p->lock);
    return CG_OK;
}

/* cg_scheduler_io.released */
static void sequence_released(void *ctx, const cg_work *work)
{
    cg_decoder *d = ctx;
    struct cg_pipeline *p = d->pipeline;
    cg_pipeline_molecule *m = work->owner;
    int is_last;

    pthread_mutex_lock(&p->lock);
    is_last = ++m->locked.n_completed == m->round.n;
    if (is_last)
        m->locked.state = CG_FINISHING;
    pthread_mutex_unlock(&p->lock);
    if (is_last)
        cg_queue_push(p->jobs, cg_pipeline_finish_job, m);
}

/* ---- stopping, memory --------------------------------------------------------------------- */

/* cg_scheduler_io.stop, called between runs of some steps: also publishes what they evaluated. */
static int is_stopping(void *ctx)
{
    cg_decoder *d = ctx;
    struct cg_pipeline *p = d->pipeline;
    cg_executor_stats now;

    cg_worker_stats(d->worker, &now);
    pthread_mutex_lock(&p->lock);
    cg_report_count_executor(&p->locked.counts, &d->counted, &now);
    pthread_mutex_unlock(&p->lock);
    d->counted = now;
    return p->stopping;
}

/* cg_scheduler_io.out_of_room */
static void log_out_of_room(void *ctx, int32_t n_busy, const cg_error *why)
{
    const cg_decoder *d = ctx;
    char name[32];

    cg_host_log(&d->worker->host.host, CG_LOG_WARNING,
                "%s: %d of %d sequences fill the memory, the others wait: %s",
                cg_worker_name(d->worker, name, sizeof name), n_busy, d->worker->batch_size,
                why->msg);
}

/* cg_scheduler_io.shrink */
static cg_status shrink(void *ctx, const cg_error *why, cg_executor **ret_executor,
                        int32_t *ret_slots, int32_t *ret_prompt_slots, cg_error *err)
{
    cg_decoder *d = ctx;

    CG_TRY(cg_worker_shrink(d->worker, why, err));
    *ret_executor = d->worker->executor;
    *ret_slots = d->worker->batch_size;
    *ret_prompt_slots = d->worker->n_prompt_slots;
    return CG_OK;
}

void *cg_pipeline_decode(void *arg)
{
    cg_decoder *d = arg;
    struct cg_pipeline *p = d->pipeline;
    cg_scheduler_io io = {
        .ctx = d,
        .next = next_work,
        .completed = sequence_completed,
        .released = sequence_released,
        .stop = is_stopping,
        .out_of_room = log_out_of_room,
        .shrink = shrink,
    };
    cg_error err = CG_ERROR_INIT;
    cg_status st = cg_schedule(d->worker->executor, d->worker->batch_size,
                               d->worker->n_prompt_slots, p->engine->info.seed, &io, &err);

    if (st != CG_OK) {
        pthread_mutex_lock(&p->lock);
        cg_pipeline_fail_locked(p, st, &err);
        pthread_mutex_unlock(&p->lock);
    }
    return NULL;
}
