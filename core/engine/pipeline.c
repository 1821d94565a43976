/* SPDX-License-Identifier: MIT */
#include "pipeline.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/size.h"
#include "decode/scheduler.h"

/* A molecule passes through these in order, from FINISHING back to RUNNING where some of it is
 * drawn again; molecules that fail go from BUILDING to DONE. */
enum { BUILDING = 0, READY, RUNNING, FINISHING, DONE };

/* The calling thread looks up from waiting this often, for signals and progress. */
enum { LOOK_MS = 50 };

/* Templates that stand ready for a slot, at most. */
enum { MAX_BUILT = 4096 };

/* A thread that keeps an executor busy. */
struct decoder {
    struct cg_pipeline *pipeline;
    cg_worker *worker;
    pthread_t thread;
    int started;
    cg_executor_stats before;
    int64_t tokens; /* under the lock */
};

struct cg_pipeline {
    cg_engine *engine;
    const cg_pipeline_io *io;
    cg_report *report; /* the calling thread's */
    cg_queue *jobs;
    struct decoder *decoders; /* [engine->device.n_workers] */
    _Atomic int stopping;     /* decoders are to end */
    pthread_mutex_t lock;     /* of all below */
    pthread_cond_t changed;
    cg_pipeline_molecule **window; /* ring: molecules that were read and not yet emitted */
    int64_t cap;
    int64_t n_read, n_scheduled, n_emitted; /* ring positions modulo cap */
    int64_t n_running;                      /* molecules from RUNNING on that are not DONE */
    cg_pipeline_molecule *retry_queue,
        **last_retry; /* with waves to be handed out, the oldest first */
    int at_end;
    cg_report counts; /* what decoders have counted and *report does not have yet */
    cg_status status; /* first failure, */
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
    if (p->io->forget)
        p->io->forget(p->io->ctx, m);
    for (int32_t i = 0; m->generations && i < m->n_generations; i++) {
        free(m->generations[i].tokens);
        cg_parsed_conformer_finish(&m->generations[i].checked);
    }
    free(m->generations);
    free((uint32_t *)m->round);
    cg_checker_destroy(m->checker);
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
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

/* The run ends; the first failure is the one that is told. */
static void fail_locked(struct cg_pipeline *p, cg_status status, const cg_error *why)
{
    if (p->status == CG_OK) {
        p->status = status;
        p->failure = *why;
    }
    p->stopping = 1;
    pthread_cond_broadcast(&p->changed);
}

static cg_pipeline_molecule *at_locked(const struct cg_pipeline *p, int64_t i)
{
    return p->window[i % p->cap];
}

/* ---- jobs --------------------------------------------------------------------------------- */

/* A molecule without distance bounds is not checked: its conformers are not lost for that. */
static cg_status make_checker(cg_pipeline_molecule *m, cg_error *err)
{
    cg_error why = CG_ERROR_INIT;
    cg_status status = cg_checker_create(m->built.molecule, &m->checker, &why);

    if (status != CG_ERR_UNSUPPORTED)
        return status == CG_OK ? CG_OK : cg_fail(err, status, "%s", why.msg);
    cg_host_log(&m->pipeline->engine->host.host, CG_LOG_WARNING, "%s: not checked: %s", m->name,
                why.msg);
    return CG_OK;
}

static void build_job(void *arg, int worker)
{
    cg_pipeline_molecule *m = arg;
    struct cg_pipeline *p = m->pipeline;
    cg_error err = CG_ERROR_INIT;
    cg_status status = cg_molecule_template_build(&p->engine->builder, m->smiles, strlen(m->smiles),
                                                  &m->built, &err);

    (void)worker;
    if (status == CG_OK && p->engine->info.check)
        status = make_checker(m, &err);
    m->n_round = m->n_generations;
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

static uint32_t generation_of(const cg_pipeline_molecule *m, int32_t i)
{
    return m->round ? m->round[i] : (uint32_t)i;
}

/* What has a generation become? The best of its attempts stays, of equals the first. */
static cg_status read_generation(const cg_pipeline_molecule *m, cg_generation *g, cg_error *err)
{
    cg_parsed_conformer c = { 0 };
    cg_status status = cg_conformer_check(&m->built, m->pipeline->engine->model.tokenizer,
                                          g->tokens, g->n_tokens, g->done, &g->repair, &c, err);

    if (status == CG_OK && m->checker)
        status = cg_conformer_check_geometry(m->checker, m->built.molecule, &c, err);
    c.retry = m->retry;
    free(g->tokens);
    g->tokens = NULL;
    if (status == CG_OK && (!g->is_read || cg_parsed_conformer_badness(&c) <
                                               cg_parsed_conformer_badness(&g->checked))) {
        cg_parsed_conformer better = c;

        c = g->checked;
        g->checked = better;
        g->is_read = 1;
    }
    cg_parsed_conformer_finish(&c);
    return status;
}

/* Read what the round has become; *ret_n of its generations are still bad: the next round. */
static cg_status read_wave(cg_pipeline_molecule *m, int32_t *ret_n, cg_error *err)
{
    uint32_t *bad = cg_alloc_array((size_t)m->n_round, sizeof *bad);
    int32_t n = 0;
    cg_status status = bad ? CG_OK : cg_fail(err, CG_ERR_NOMEM, "pipeline: out of memory");

    for (int32_t i = 0; i < m->n_round && status == CG_OK; i++) {
        cg_generation *g = &m->generations[generation_of(m, i)];

        status = read_generation(m, g, err);
        if (cg_parsed_conformer_badness(&g->checked) > 0 && status == CG_OK)
            bad[n++] = generation_of(m, i);
    }
    if (status != CG_OK) {
        free(bad);
        return status;
    }
    free((uint32_t *)m->round);
    m->round = bad;
    *ret_n = n;
    return CG_OK;
}

/* Hand the bad ones out again. */
static void begin_round(cg_pipeline_molecule *m, int32_t n)
{
    struct cg_pipeline *p = m->pipeline;

    m->retry++;
    m->n_round = n;
    pthread_mutex_lock(&p->lock);
    m->state = RUNNING;
    m->n_begun = m->n_ended = 0;
    m->next_retry = NULL;
    *(p->retry_queue ? p->last_retry : &p->retry_queue) = m;
    p->last_retry = &m->next_retry;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

static void count_checks(cg_pipeline_molecule *m)
{
    cg_report *r = &m->checks;

    for (int32_t i = 0; i < m->n_generations; i++) {
        const cg_parsed_conformer *c = &m->generations[i].checked;

        r->fixed_by_retry += c->retry && !cg_parsed_conformer_badness(c);
        if (!c->checks_done)
            continue;
        r->checked++;
        r->passed += !c->checks_failed;
        for (int id = 0; id < CG_CHECK_COUNT; id++) {
            r->check_done[id] += c->checks_done >> id & 1;
            r->check_failed[id] += c->checks_failed >> id & 1;
        }
    }
}

static void finish_job(void *arg, int worker)
{
    cg_pipeline_molecule *m = arg;
    struct cg_pipeline *p = m->pipeline;
    double t = cg_now();
    int32_t n_bad;
    cg_status status = read_wave(m, &n_bad, &m->failure);

    (void)worker;
    if (status == CG_OK && n_bad && m->retry < (uint32_t)p->engine->info.retry) {
        m->finish_seconds += cg_now() - t;
        begin_round(m, n_bad);
        return;
    }
    if (status == CG_OK) {
        count_checks(m);
        if (p->io->finish)
            p->io->finish(p->io->ctx, m);
    }
    m->finish_seconds += cg_now() - t;
    pthread_mutex_lock(&p->lock);
    m->state = DONE;
    p->n_running--;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

/* ---- decoders ----------------------------------------------------------------------------- */

/*
 * How many of a molecule's waiting generations a decoder takes: all, unless there are other
 * decoders and it would fill its slots more than once with them.
 */
static int32_t share_locked(const struct decoder *d, const cg_pipeline_molecule *m)
{
    int32_t n = m->n_round - m->n_begun, batch = d->worker->batch_size;

    return d->pipeline->engine->device.n_workers > 1 && n / 2 >= batch ? batch : n;
}

static void take_locked(struct decoder *d, cg_pipeline_molecule *m, cg_work *ret_work)
{
    struct cg_pipeline *p = d->pipeline;
    int32_t n = share_locked(d, m);

    *ret_work = (cg_work) {
        .prompt = m->built.prompt,
        .n_prompt = m->built.n_prompt,
        .program = m->built.program,
        .geometry = m->built.geometry,
        .molecule = (uint64_t)m->index,
        .first_generation = (uint32_t)m->n_begun,
        .n_generations = (uint32_t)n,
        .owner = m,
        .generations = m->round ? m->round + m->n_begun : NULL,
        .retry = m->retry,
    };
    m->n_begun += n;
    if (m->retry)
        p->counts.retried += n;
    else
        p->counts.requested += n;
    if (m->n_begun < m->n_round)
        return;
    if (m->retry) {
        p->retry_queue = m->next_retry;
        return;
    }
    m->state = RUNNING;
    p->n_running++;
    p->n_scheduled++;
}

/* cg_scheduler_io.next */
static int next_work(void *ctx, int wait, cg_work *ret_work)
{
    struct decoder *d = ctx;
    struct cg_pipeline *p = d->pipeline;
    int got = CG_WORK_NONE_YET;

    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (p->n_scheduled < p->n_read && at_locked(p, p->n_scheduled)->state == DONE)
            p->n_scheduled++; /* failed: nothing to run */
        if (!p->stopping && p->retry_queue) {
            take_locked(d, p->retry_queue, ret_work);
            got = CG_WORK_TAKEN;
            break;
        }
        if (p->stopping || (p->at_end && p->n_scheduled == p->n_read &&
                            !(p->engine->info.retry && p->n_running))) {
            got = CG_WORK_END;
            break;
        }
        if (p->n_scheduled < p->n_read && at_locked(p, p->n_scheduled)->state == READY) {
            take_locked(d, at_locked(p, p->n_scheduled), ret_work);
            got = CG_WORK_TAKEN;
            break;
        }
        if (!wait)
            break;
        pthread_cond_wait(&p->changed, &p->lock);
    }
    pthread_mutex_unlock(&p->lock);
    return got;
}

static void count_repair(cg_report *r, const cg_sequence_result *result)
{
    const cg_repair_counts *repair = &result->repair;

    for (int32_t i = 0; i < CG_CAUSES; i++)
        r->geometry_count[i] += repair->count[i];
    r->geometry_moved += repair->moved;
    r->geometry_restarts += repair->restarts;
    r->geometry_discarded_tokens += repair->wasted;
}

static cg_status sequence_ended(void *ctx, const cg_work *work, uint32_t generation,
                                const cg_sequence_result *result, cg_error *err)
{
    struct decoder *d = ctx;
    struct cg_pipeline *p = d->pipeline;
    cg_pipeline_molecule *m = work->owner;
    cg_generation *g = &m->generations[generation];

    g->tokens = cg_alloc_array((size_t)result->n_tokens, sizeof *g->tokens);
    if (!g->tokens)
        return cg_fail(err, CG_ERR_NOMEM, "pipeline: out of memory");
    memcpy(g->tokens, result->tokens, (size_t)result->n_tokens * sizeof *g->tokens);
    g->n_tokens = result->n_tokens;
    g->n_sampled = result->n_sampled;
    g->done = result->done;
    g->repair = result->repair;
    pthread_mutex_lock(&p->lock);
    count_repair(&p->counts, result);
    p->counts.sequences += !work->retry;
    p->counts.tokens += result->n_tokens;
    p->counts.sampled += result->n_sampled;
    p->counts.forced += result->n_tokens - result->n_sampled;
    d->tokens += result->n_tokens;
    pthread_mutex_unlock(&p->lock);
    return CG_OK;
}

static void sequence_gone(void *ctx, const cg_work *work)
{
    struct decoder *d = ctx;
    struct cg_pipeline *p = d->pipeline;
    cg_pipeline_molecule *m = work->owner;
    int all;

    pthread_mutex_lock(&p->lock);
    all = ++m->n_ended == m->n_round;
    if (all)
        m->state = FINISHING;
    pthread_mutex_unlock(&p->lock);
    if (all)
        cg_queue_push(p->jobs, finish_job, m);
}

static int decoder_stop(void *ctx)
{
    return ((struct decoder *)ctx)->pipeline->stopping;
}

static void decoder_crowded(void *ctx, int32_t n_busy, const cg_error *why)
{
    const struct decoder *d = ctx;
    char name[32];

    cg_host_log(&d->pipeline->engine->host.host, CG_LOG_WARNING,
                "%s: %d of %d sequences fill the memory, the others wait: %s",
                cg_worker_name(d->worker, name, sizeof name), n_busy, d->worker->batch_size,
                why->msg);
}

static cg_status decoder_shrink(void *ctx, const cg_error *why, cg_executor **ret_executor,
                                int32_t *ret_slots, int32_t *ret_prefixes, cg_error *err)
{
    struct decoder *d = ctx;
    cg_status status = cg_worker_shrink(d->worker, why, err);

    if (status != CG_OK)
        return status;
    *ret_executor = d->worker->executor;
    *ret_slots = d->worker->batch_size;
    *ret_prefixes = d->worker->n_prompt_slots;
    return CG_OK;
}

static void *decode(void *arg)
{
    struct decoder *d = arg;
    struct cg_pipeline *p = d->pipeline;
    cg_scheduler_io io = {
        d, next_work, sequence_ended, sequence_gone, decoder_stop, decoder_crowded, decoder_shrink
    };
    cg_error err = CG_ERROR_INIT;
    cg_status status = cg_schedule(d->worker->executor, d->worker->batch_size,
                                   d->worker->n_prompt_slots, p->engine->info.seed, &io, &err);

    if (status != CG_OK) {
        pthread_mutex_lock(&p->lock);
        fail_locked(p, status, &err);
        pthread_mutex_unlock(&p->lock);
    }
    return NULL;
}

/* ---- the calling thread ------------------------------------------------------------------- */

/* Read on while there is room, and have templates built. */
static cg_status read_ahead(struct cg_pipeline *p, cg_error *err)
{
    while (!p->at_end && p->n_read - p->n_emitted < p->cap) { /* written by this thread alone */
        cg_pipeline_molecule *m = calloc(1, sizeof *m);
        int more = 0, build;
        cg_status status;

        if (!m)
            return cg_fail(err, CG_ERR_NOMEM, "pipeline: out of memory");
        m->pipeline = p;
        m->failure.struct_size = sizeof m->failure;
        status = p->io->next(p->io->ctx, m, &more, err);
        build = status == CG_OK && more && m->failure.code == CG_OK;
        if (status != CG_OK || !more) {
            destroy_molecule(p, m);
            m = NULL;
        } else if (!build) {
            m->state = DONE;
        }
        pthread_mutex_lock(&p->lock);
        if (m)
            p->window[p->n_read++ % p->cap] = m;
        else
            p->at_end = 1;
        pthread_cond_broadcast(&p->changed);
        pthread_mutex_unlock(&p->lock);
        if (build)
            cg_queue_push(p->jobs, build_job, m);
        if (status != CG_OK)
            return status;
    }
    return CG_OK;
}

/* The next molecule in order, if it is done: it leaves the window. */
static cg_pipeline_molecule *take_done(struct cg_pipeline *p)
{
    cg_pipeline_molecule *m = NULL;

    pthread_mutex_lock(&p->lock);
    if (p->n_emitted < p->n_read && at_locked(p, p->n_emitted)->state == DONE) {
        m = at_locked(p, p->n_emitted);
        p->window[p->n_emitted++ % p->cap] = NULL;
        if (p->n_scheduled < p->n_emitted)
            p->n_scheduled = p->n_emitted; /* a failed molecule is never scheduled */
    }
    pthread_mutex_unlock(&p->lock);
    return m;
}

static void add_checks(cg_report *r, const cg_report *checks)
{
    r->checked += checks->checked;
    r->passed += checks->passed;
    r->fixed_by_retry += checks->fixed_by_retry;
    for (int id = 0; id < CG_CHECK_COUNT; id++) {
        r->check_done[id] += checks->check_done[id];
        r->check_failed[id] += checks->check_failed[id];
    }
}

/* Hand out what is done, in order. */
static cg_status emit_done(struct cg_pipeline *p, cg_error *err)
{
    cg_report *r = p->report;
    cg_pipeline_molecule *m;
    cg_status status = CG_OK;

    while (status == CG_OK && (m = take_done(p)) != NULL) {
        r->molecules++;
        r->chemistry_seconds += m->built.chemistry_seconds;
        r->template_seconds += m->built.own_seconds;
        r->record_seconds += m->finish_seconds;
        if (m->failure.code == CG_OK)
            add_checks(r, &m->checks);
        if (m->built.geometry)
            r->geometry_untested_stereo += m->built.geometry->n_unchecked;
        else if (m->failure.code == CG_OK && p->engine->builder.geometry != CG_GEOMETRY_OFF)
            r->geometry_untested_molecules++;
        status = p->io->emit(p->io->ctx, m, err);
        destroy_molecule(p, m);
    }
    return status;
}

static void publish_locked(struct cg_pipeline *p)
{
    cg_report *r = p->report, *c = &p->counts;

    r->requested += c->requested;
    for (int32_t i = 0; i < CG_CAUSES; i++)
        r->geometry_count[i] += c->geometry_count[i];
    r->geometry_moved += c->geometry_moved;
    r->geometry_restarts += c->geometry_restarts;
    r->geometry_discarded_tokens += c->geometry_discarded_tokens;
    r->retried += c->retried;
    r->sequences += c->sequences;
    r->tokens += c->tokens;
    r->sampled += c->sampled;
    r->forced += c->forced;
    *c = (cg_report) { 0 };
    for (int32_t i = 0; i < p->engine->device.n_workers && i < CG_MAX_GPUS; i++) {
        r->executor_tokens[i] += p->decoders[i].tokens;
        p->decoders[i].tokens = 0;
    }
}

/* Wait until there is something to do; 0 at the end of the run. */
static int wait_for_news(struct cg_pipeline *p)
{
    struct timespec until;
    int go_on;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += LOOK_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_mutex_lock(&p->lock);
    if (!p->stopping && p->n_emitted < p->n_read && at_locked(p, p->n_emitted)->state != DONE)
        pthread_cond_timedwait(&p->changed, &p->lock, &until);
    publish_locked(p);
    go_on = !p->stopping && !(p->at_end && p->n_emitted == p->n_read);
    pthread_mutex_unlock(&p->lock);
    return go_on;
}

static void coordinate(struct cg_pipeline *p)
{
    cg_error err = CG_ERROR_INIT;
    cg_status status;

    do {
        status = emit_done(p, &err);
        if (status == CG_OK)
            status = read_ahead(p, &err);
        if (status == CG_OK && p->io->stop(p->io->ctx))
            status = cg_fail(&err, CG_ERR_INTERRUPTED, "stopped before all molecules were done");
    } while (status == CG_OK && wait_for_news(p));
    pthread_mutex_lock(&p->lock);
    if (status != CG_OK)
        fail_locked(p, status, &err);
    pthread_mutex_unlock(&p->lock);
}

/* Decoders of all workers; those that were started end by themselves or by `stopping`. */
static void start_decoders(struct cg_pipeline *p)
{
    cg_error err = CG_ERROR_INIT;

    for (int32_t i = 0; i < p->engine->device.n_workers; i++) {
        struct decoder *d = &p->decoders[i];

        if (pthread_create(&d->thread, NULL, decode, d)) {
            cg_fail(&err, CG_ERR_NOMEM, "pipeline: no thread can be started");
            pthread_mutex_lock(&p->lock);
            fail_locked(p, CG_ERR_NOMEM, &err);
            pthread_mutex_unlock(&p->lock);
            return;
        }
        d->started = 1;
    }
}

/* ---- run ---------------------------------------------------------------------------------- */

static void add_executor_stats(struct cg_pipeline *p)
{
    cg_report *r = p->report;

    r->kv_bytes = r->device_bytes = 0;
    r->halvings = 0;
    r->n_executors = p->engine->device.n_workers;
    for (int32_t i = 0; i < p->engine->device.n_workers; i++) {
        const cg_worker *w = p->decoders[i].worker;
        const cg_executor_stats *before = &p->decoders[i].before;
        cg_cache_stats cache = { CG_SIZED(cg_cache_stats) };
        cg_executor_stats now;

        cg_worker_stats(w, &now);
        if (w->executor)
            w->executor->ops->cache_stats(w->executor, &cache);
        r->steps += now.steps - before->steps;
        r->prompt_tokens += now.prompt_tokens - before->prompt_tokens;
        r->decode_seconds += now.seconds - before->seconds;
        r->matmul_seconds += now.matmul_seconds - before->matmul_seconds;
        r->attention_seconds += now.attention_seconds - before->attention_seconds;
        r->sample_seconds += now.sample_seconds - before->sample_seconds;
        r->evaluated += now.tokens - before->tokens;
        r->attended += now.attended - before->attended;
        r->step_rows += now.step_rows - before->step_rows;
        r->head_rows = now.head_rows;
        r->device_seconds += now.device_seconds - before->device_seconds;
        r->idle_seconds += now.idle_seconds - before->idle_seconds;
        r->kv_bytes += cache.bytes_allocated;
        r->device_bytes += now.device_bytes;
        r->halvings += w->halvings;
    }
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

/* Decoders and window, sized by the executors; an executor that an earlier run lost is made again.
 */
static cg_status prepare(struct cg_pipeline *p, cg_error *err)
{
    cg_engine *e = p->engine;
    char reason[CG_ERROR_TEXT];
    int64_t slots = 0;
    cg_status status = CG_OK;

    p->decoders = calloc((size_t)e->device.n_workers, sizeof *p->decoders);
    if (!p->decoders)
        return cg_fail(err, CG_ERR_NOMEM, "pipeline: out of memory");
    for (int32_t i = 0; i < e->device.n_workers && status == CG_OK; i++) {
        struct decoder *d = &p->decoders[i];

        d->pipeline = p;
        d->worker = &e->device.workers[i];
        if (!d->worker->executor)
            status = cg_worker_open(d->worker, reason, err);
        cg_worker_stats(d->worker, &d->before);
        slots += d->worker->batch_size;
    }
    if (status != CG_OK)
        return status;
    /* Room for a batch of molecules with one conformer each, as many that wait for one of them to
     * be emitted, and some that are being built. */
    p->cap = 16 + 2 * slots + (2 * slots < MAX_BUILT ? 2 * slots : MAX_BUILT);
    p->window = calloc((size_t)p->cap, sizeof *p->window);
    if (!p->window)
        return cg_fail(err, CG_ERR_NOMEM, "pipeline: out of memory");
    /* The queue holds the whole window: pushing never waits. */
    return cg_queue_create(e->info.template_workers, (int)p->cap * 2, &p->jobs, err);
}

cg_status cg_pipeline_run(cg_engine *engine, const cg_pipeline_io *io, cg_report *report,
                          cg_error *err)
{
    struct cg_pipeline p = { .engine = engine, .io = io, .report = report };
    pthread_condattr_t monotonic;
    double t = cg_now();
    cg_status status;

    pthread_mutex_init(&p.lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&p.changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    status = prepare(&p, err);
    if (status == CG_OK) {
        start_decoders(&p);
        coordinate(&p);
        for (int32_t i = 0; i < engine->device.n_workers; i++)
            if (p.decoders[i].started)
                pthread_join(p.decoders[i].thread, NULL);
        cg_queue_destroy(p.jobs);
        publish_locked(&p); /* nobody else is left */
        if (p.status != CG_OK)
            status = cg_fail(err, p.status, "%s", p.failure.msg);
        for (; p.n_emitted < p.n_read; p.n_emitted++)
            destroy_molecule(&p, at_locked(&p, p.n_emitted));
        add_executor_stats(&p);
        add_token_cache_stats(report, engine->model.token_cache);
    }
    report->seconds += cg_now() - t;
    report->peak_bytes = cg_peak_memory();
    free(p.window);
    free(p.decoders);
    pthread_mutex_destroy(&p.lock);
    pthread_cond_destroy(&p.changed);
    return status;
}
