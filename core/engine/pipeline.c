/* SPDX-License-Identifier: MIT */
#include "pipeline.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/size.h"
#include "decode/scheduler.h"

/* A molecule passes through these in order; FAILED molecules go from BUILDING to DONE. */
enum { BUILDING = 0, READY, RUNNING, FINISHING, DONE };

struct cg_pipeline {
    cg_engine *engine;
    const cg_pipeline_io *io;
    cg_report *report;
    cg_queue *workers;
    pthread_mutex_t lock; /* states */
    pthread_cond_t changed;
    cg_pipeline_molecule **window; /* ring: molecules that were read and not yet emitted */
    int64_t cap;
    int64_t n_read, n_scheduled, n_emitted; /* this thread's; ring positions modulo cap */
    int at_end;
    cg_status status; /* first failure of a callback, */
    cg_error failure; /* and its text */
};

int64_t cg_peak_memory(void)
{
    struct rusage usage;

    return getrusage(RUSAGE_SELF, &usage) ? 0 : (int64_t)usage.ru_maxrss * 1024;
}

static void destroy_molecule(struct cg_pipeline *p, cg_pipeline_molecule *m)
{
    if (!m)
        return;
    p->io->forget(p->io->ctx, m);
    for (int32_t i = 0; m->generations && i < m->n_generations; i++)
        free(m->generations[i].tokens);
    free(m->generations);
    if (m->built.builder)
        cg_molecule_template_finish(&m->built);
    free(m->name);
    free(m->smiles);
    free(m);
}

static void set_state(cg_pipeline_molecule *m, int32_t state)
{
    struct cg_pipeline *p = m->pipeline;

    pthread_mutex_lock(&p->lock);
    m->state = state;
    pthread_cond_signal(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

static int32_t get_state(cg_pipeline_molecule *m)
{
    struct cg_pipeline *p = m->pipeline;
    int32_t state;

    pthread_mutex_lock(&p->lock);
    state = m->state;
    pthread_mutex_unlock(&p->lock);
    return state;
}

/* ---- jobs --------------------------------------------------------------------------------- */

static void build_job(void *arg, int worker)
{
    cg_pipeline_molecule *m = arg;
    struct cg_pipeline *p = m->pipeline;
    cg_error err = CG_ERROR_INIT;
    cg_status status = cg_molecule_template_build(&p->engine->builder, m->smiles, strlen(m->smiles),
                                                  &m->built, &err);

    (void)worker;
    if (status == CG_OK) {
        m->generations = calloc((size_t)m->n_generations, sizeof *m->generations);
        if (!m->generations)
            status = cg_fail(&err, CG_ERR_NOMEM, "%d conformers: out of memory", m->n_generations);
    }
    if (status != CG_OK)
        m->failure = err;
    else if (p->io->prepare)
        p->io->prepare(p->io->ctx, m);
    set_state(m, m->failure.code == CG_OK ? READY : DONE);
}

static void finish_job(void *arg, int worker)
{
    cg_pipeline_molecule *m = arg;
    double t = cg_now();

    (void)worker;
    m->pipeline->io->finish(m->pipeline->io->ctx, m);
    m->finish_seconds = cg_now() - t;
    set_state(m, DONE);
}

/* ---- this thread -------------------------------------------------------------------------- */

static cg_pipeline_molecule *at(const struct cg_pipeline *p, int64_t i)
{
    return p->window[i % p->cap];
}

/* Read on while there is room, and have templates built. */
static cg_status read_ahead(struct cg_pipeline *p)
{
    while (!p->at_end && p->n_read - p->n_emitted < p->cap) {
        cg_pipeline_molecule *m = calloc(1, sizeof *m);
        int more = 0;
        cg_status status;

        if (!m)
            return cg_fail(&p->failure, CG_ERR_NOMEM, "pipeline: out of memory");
        m->pipeline = p;
        m->failure.struct_size = sizeof m->failure;
        status = p->io->next(p->io->ctx, m, &more, &p->failure);
        if (status != CG_OK || !more) {
            destroy_molecule(p, m);
            p->at_end = 1;
            return status;
        }
        p->window[p->n_read++ % p->cap] = m;
        if (m->failure.code != CG_OK)
            m->state = DONE;
        else
            cg_queue_push(p->workers, build_job, m);
    }
    return CG_OK;
}

static void count(cg_report *r, const cg_pipeline_molecule *m)
{
    r->chemistry_seconds += m->built.chemistry_seconds;
    r->template_seconds += m->built.own_seconds;
    r->record_seconds += m->finish_seconds;
}

/* Hand out what is done, in order. */
static cg_status emit_done(struct cg_pipeline *p)
{
    while (p->status == CG_OK && p->n_emitted < p->n_read &&
           get_state(at(p, p->n_emitted)) == DONE) {
        cg_pipeline_molecule *m = at(p, p->n_emitted);

        p->window[p->n_emitted++ % p->cap] = NULL;
        if (p->n_scheduled < p->n_emitted)
            p->n_scheduled = p->n_emitted; /* a failed molecule is never scheduled */
        p->report->molecules++;
        count(p->report, m);
        p->status = p->io->emit(p->io->ctx, m, &p->failure);
        destroy_molecule(p, m);
    }
    return p->status;
}

/* The scheduler wants the next molecule; cg_scheduler_io.next. */
static int next_work(void *ctx, int wait, cg_work *ret_work)
{
    struct cg_pipeline *p = ctx;

    for (;;) {
        cg_pipeline_molecule *m;
        int32_t state;

        if (emit_done(p) == CG_OK)
            p->status = read_ahead(p);
        if (p->status != CG_OK)
            return CG_WORK_END;
        if (p->n_scheduled == p->n_read) {
            if (p->at_end)
                return CG_WORK_END;
            /* the window is full of molecules that are being finished */
            m = at(p, p->n_emitted);
            if (!wait)
                return CG_WORK_NONE_YET;
        } else {
            m = at(p, p->n_scheduled);
        }
        pthread_mutex_lock(&p->lock);
        while (wait && (m->state == BUILDING || m->state == FINISHING))
            pthread_cond_wait(&p->changed, &p->lock);
        state = m->state;
        pthread_mutex_unlock(&p->lock);
        if (state == READY) {
            m->state = RUNNING;
            p->n_scheduled++;
            *ret_work = (cg_work) {
                .prompt = m->built.prompt,
                .n_prompt = m->built.n_prompt,
                .program = m->built.program,
                .molecule = (uint64_t)m->index,
                .n_generations = (uint32_t)m->n_generations,
                .owner = m,
            };
            p->report->requested += m->n_generations;
            return CG_WORK_TAKEN;
        }
        if (state == DONE && p->n_scheduled < p->n_read && m == at(p, p->n_scheduled))
            p->n_scheduled++; /* failed: nothing to run */
        else if (state != DONE)
            return CG_WORK_NONE_YET;
    }
}

static cg_status sequence_ended(void *ctx, const cg_work *work, uint32_t generation,
                                const cg_sequence_result *result, cg_error *err)
{
    struct cg_pipeline *p = ctx;
    cg_pipeline_molecule *m = work->owner;
    cg_generation *g = &m->generations[generation];

    g->tokens = cg_alloc_array((size_t)result->n_tokens, sizeof *g->tokens);
    if (!g->tokens)
        return cg_fail(err, CG_ERR_NOMEM, "pipeline: out of memory");
    memcpy(g->tokens, result->tokens, (size_t)result->n_tokens * sizeof *g->tokens);
    g->n_tokens = result->n_tokens;
    g->n_sampled = result->n_sampled;
    g->done = result->done;
    p->report->sequences++;
    p->report->tokens += result->n_tokens;
    p->report->sampled += result->n_sampled;
    p->report->forced += result->n_tokens - result->n_sampled;
    if (++m->n_ended == m->n_generations) {
        set_state(m, FINISHING);
        cg_queue_push(p->workers, finish_job, m);
    }
    return CG_OK;
}

static int stop(void *ctx)
{
    struct cg_pipeline *p = ctx;

    return emit_done(p) != CG_OK || p->io->stop(p->io->ctx);
}

/* Everything was decoded: wait for the rest to be finished and emit it. */
static cg_status drain(struct cg_pipeline *p)
{
    while (emit_done(p) == CG_OK && p->n_emitted < p->n_read) {
        pthread_mutex_lock(&p->lock);
        while (at(p, p->n_emitted)->state != DONE)
            pthread_cond_wait(&p->changed, &p->lock);
        pthread_mutex_unlock(&p->lock);
    }
    return p->status;
}

static void add_executor_stats(cg_report *r, cg_executor *ex, const cg_executor_stats *before)
{
    cg_executor_stats now;
    cg_cache_stats cache = { CG_SIZED(cg_cache_stats) };

    ex->ops->stats(ex, &now);
    ex->ops->cache_stats(ex, &cache);
    r->steps += now.steps - before->steps;
    r->prompt_tokens += now.prompt_tokens - before->prompt_tokens;
    r->decode_seconds += now.seconds - before->seconds;
    r->matmul_seconds += now.matmul_seconds - before->matmul_seconds;
    r->attention_seconds += now.attention_seconds - before->attention_seconds;
    r->sample_seconds += now.sample_seconds - before->sample_seconds;
    r->kv_bytes = cache.bytes_allocated;
    r->evaluated += now.tokens - before->tokens;
    r->attended += now.attended - before->attended;
    r->step_rows += now.step_rows - before->step_rows;
    r->head_rows = now.head_rows;
    r->device_seconds += now.device_seconds - before->device_seconds;
    r->idle_seconds += now.idle_seconds - before->idle_seconds;
    r->device_bytes = now.device_bytes;
}

static void add_token_cache_stats(cg_report *r, const cg_token_cache *cache)
{
    cg_token_cache_stats stats = CG_TOKEN_CACHE_STATS_INIT;

    if (!cache)
        return;
    cg_token_cache_get_stats(cache, &stats);
    r->token_cache_hits = (int64_t)stats.hits;
    r->token_cache_misses = (int64_t)stats.misses;
}

cg_status cg_pipeline_run(cg_engine *engine, const cg_pipeline_io *io, cg_report *report,
                          cg_error *err)
{
    struct cg_pipeline p = {
        .engine = engine, .io = io, .report = report, .failure = CG_ERROR_INIT
    };
    cg_scheduler_io scheduler_io = { &p, next_work, sequence_ended, stop };
    cg_executor *ex = engine->executor;
    cg_executor_stats before;
    double t = cg_now();
    cg_status status;

    /* Room for a batch of molecules with one conformer each, and as many being built. */
    p.cap = 4 * (int64_t)engine->info.batch_size + 16;
    p.window = calloc((size_t)p.cap, sizeof *p.window);
    if (!p.window)
        return cg_fail(err, CG_ERR_NOMEM, "pipeline: out of memory");
    pthread_mutex_init(&p.lock, NULL);
    pthread_cond_init(&p.changed, NULL);
    ex->ops->stats(ex, &before);
    /* The queue holds the whole window: pushing from this thread never waits for this thread. */
    status = cg_queue_create(engine->info.template_workers, (int)p.cap * 2, &p.workers, err);
    if (status == CG_OK)
        status = cg_schedule(ex, engine->info.batch_size, engine->n_prefixes, engine->info.seed,
                             &scheduler_io, err);
    if (status == CG_OK)
        status = drain(&p);
    if (p.status != CG_OK) /* it is why the scheduler stopped */
        status = cg_fail(err, p.status, "%s", p.failure.msg);
    cg_queue_destroy(p.workers);
    for (; p.n_emitted < p.n_read; p.n_emitted++)
        destroy_molecule(&p, at(&p, p.n_emitted));
    add_executor_stats(report, ex, &before);
    add_token_cache_stats(report, engine->token_cache);
    report->seconds += cg_now() - t;
    report->peak_bytes = cg_peak_memory();
    free(p.window);
    pthread_mutex_destroy(&p.lock);
    pthread_cond_destroy(&p.changed);
    return status;
}
