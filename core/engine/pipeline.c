/* SPDX-License-Identifier: MIT */
#include "engine/pipeline_state.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"
#include "engine/counters.h"

enum {
    POLL_MS = 50,     /* interval at which the calling thread polls for signals and progress */
    MAX_BUILT = 4096, /* templates that are built ahead, at most */
};

int64_t cg_peak_memory(void)
{
    struct rusage usage;

    return getrusage(RUSAGE_SELF, &usage) ? 0 : (int64_t)usage.ru_maxrss * 1024;
}

void cg_report_set_token_cache(cg_report *r, const cg_engine *e)
{
    cg_token_cache_stats stats = CG_TOKEN_CACHE_STATS_INIT;

    if (!e->model.token_cache)
        return;
    cg_token_cache_get_stats(e->model.token_cache, &stats);
    r->token_cache_hits = (int64_t)stats.hits;
    r->token_cache_misses = (int64_t)stats.misses;
}

/* ---- the calling thread ------------------------------------------------------------------- */

/* Appends a molecule to the window; NULL marks the end of the source. */
static void append(struct cg_pipeline *p, cg_pipeline_molecule *m)
{
    pthread_mutex_lock(&p->lock);
    if (m)
        p->locked.window[p->locked.n_read++ % p->locked.capacity] = m;
    else
        p->locked.at_end = 1;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

static cg_status read_molecule(struct cg_pipeline *p, cg_error *err)
{
    cg_pipeline_molecule *m = calloc(1, sizeof *m);
    int more = 0;
    cg_status st;

    if (!m)
        return cg_fail_nomem(err, "pipeline");
    m->pipeline = p;
    m->failure.struct_size = sizeof m->failure;
    m->finished.counts.struct_size = sizeof m->finished.counts;
    st = p->io->next(p->io->ctx, m, &more, err);
    if (st != CG_OK || !more) {
        cg_pipeline_free_molecule(m);
        append(p, NULL);
        return st;
    }
    if (m->failure.code != CG_OK) {
        m->locked.state = CG_DONE; /* not visible to other threads yet */
        append(p, m);
    } else {
        append(p, m);
        cg_queue_push(p->jobs, cg_pipeline_build_job, m);
    }
    return CG_OK;
}

/* Reads molecules while the window has room. */
static cg_status read_ahead(struct cg_pipeline *p, cg_error *err)
{
    while (!p->locked.at_end && p->locked.n_read - p->locked.n_emitted < p->locked.capacity)
        CG_TRY(read_molecule(p, err));
    return CG_OK;
}

/* Removes the next molecule in order from the window, if it is done. */
static cg_pipeline_molecule *take_done(struct cg_pipeline *p)
{
    cg_pipeline_molecule *m = NULL;

    pthread_mutex_lock(&p->lock);
    if (p->locked.n_emitted < p->locked.n_read &&
        cg_pipeline_at_locked(p, p->locked.n_emitted)->locked.state == CG_DONE) {
        m = cg_pipeline_at_locked(p, p->locked.n_emitted);
        p->locked.window[p->locked.n_emitted++ % p->locked.capacity] = NULL;
        if (p->locked.n_scheduled < p->locked.n_emitted)
            p->locked.n_scheduled = p->locked.n_emitted; /* a failed molecule is not scheduled */
    }
    pthread_mutex_unlock(&p->lock);
    return m;
}

static void count_molecule(const struct cg_pipeline *p, const cg_pipeline_molecule *m)
{
    const cg_molecule_template *t = &m->built.template;
    int is_tested = p->engine->builder.geometry != CG_GEOMETRY_OFF;
    cg_report *r = p->report;

    r->molecules++;
    r->chemistry_seconds += t->chemistry_seconds;
    r->template_seconds += t->own_seconds;
    r->record_seconds += m->finished.seconds;
    if (t->geometry)
        r->geometry_untested_stereo += t->geometry->n_untested;
    else if (m->failure.code == CG_OK && is_tested)
        r->geometry_untested_molecules++;
    if (m->failure.code == CG_OK)
        cg_report_add(r, &m->finished.counts);
}

static cg_status emit_done(struct cg_pipeline *p, cg_error *err)
{
    cg_pipeline_molecule *m;
    cg_status st = CG_OK;

    while (st == CG_OK && (m = take_done(p)) != NULL) {
        st = p->io->emit(p->io->ctx, m, err); /* may set m->failure */
        count_molecule(p, m);
        cg_pipeline_free_molecule(m);
    }
    return st;
}

static void publish_locked(struct cg_pipeline *p)
{
    cg_report_add(p->report, &p->locked.counts);
    p->locked.counts = (cg_report) { CG_SIZED(cg_report) };
}

/*
 * Waits at most POLL_MS until the next molecule in order is done, then publishes the counts to
 * *report. Returns 0 when all are emitted or the run is stopping.
 */
static int wait_for_next_done(struct cg_pipeline *p)
{
    struct timespec until;
    int proceed;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += POLL_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_mutex_lock(&p->lock);
    if (!p->stopping && p->locked.n_emitted < p->locked.n_read &&
        cg_pipeline_at_locked(p, p->locked.n_emitted)->locked.state != CG_DONE)
        pthread_cond_timedwait(&p->changed, &p->lock, &until);
    publish_locked(p);
    proceed = !p->stopping && !(p->locked.at_end && p->locked.n_emitted == p->locked.n_read);
    pthread_mutex_unlock(&p->lock);
    return proceed;
}

static void coordinate(struct cg_pipeline *p)
{
    cg_error err = CG_ERROR_INIT, emit_err = CG_ERROR_INIT;
    cg_status st;

    do {
        CG_TRY_GOTO(st, emit_done(p, &err), failed);
        CG_TRY_GOTO(st, read_ahead(p, &err), failed);
        if (p->io->stop(p->io->ctx)) {
            st = cg_fail(&err, CG_ERR_INTERRUPTED, "stopped before all molecules were done");
            goto failed;
        }
    } while (wait_for_next_done(p));
    return;
failed:
    /* The source may have waited for input while molecules were completed. */
    if (st == CG_ERR_INTERRUPTED && emit_done(p, &emit_err) != CG_OK) {
        st = emit_err.code;
        err = emit_err;
    }
    pthread_mutex_lock(&p->lock);
    cg_pipeline_fail_locked(p, st, &err);
    pthread_mutex_unlock(&p->lock);
}

/* ---- run ---------------------------------------------------------------------------------- */

static void start_decoders(struct cg_pipeline *p)
{
    cg_error err = CG_ERROR_INIT;

    for (int32_t i = 0; i < p->engine->device.n_workers; i++) {
        cg_decoder *d = &p->decoders[i];
        int rc = pthread_create(&d->thread, NULL, cg_pipeline_decode, d);

        if (rc) {
            cg_fail(&err, CG_ERR_NOMEM, "pipeline: cannot start a thread: %s", strerror(rc));
            pthread_mutex_lock(&p->lock);
            cg_pipeline_fail_locked(p, CG_ERR_NOMEM, &err);
            pthread_mutex_unlock(&p->lock);
            return;
        }
        d->is_started = 1;
    }
}

static void count_executors(const struct cg_pipeline *p)
{
    cg_report *r = p->report;

    r->kv_bytes = r->device_bytes = 0;
    r->halvings = 0;
    r->n_executors = p->engine->device.n_workers;
    for (int32_t i = 0; i < p->engine->device.n_workers; i++) {
        const cg_worker *w = p->decoders[i].worker;
        cg_cache_stats cache = { CG_SIZED(cg_cache_stats) };
        cg_executor_stats after;

        cg_worker_stats(w, &after);
        cg_report_count_executor(r, &p->decoders[i].counted, &after);
        if (w->executor)
            w->executor->ops->cache_stats(w->executor, &cache);
        r->kv_bytes += cache.bytes_allocated;
        r->halvings += w->halvings;
    }
}

/* Conformers are minimised where they are decoded. */
static cg_status open_minimizers(struct cg_pipeline *p, cg_error *err)
{
    const cg_engine *e = p->engine;
    int32_t gpus[CG_MAX_GPUS];

    if (p->io->minimize == CG_MINIMIZE_NONE || !e->info.n_gpus)
        return CG_OK;
    for (int32_t i = 0; i < e->info.n_gpus; i++)
        gpus[i] = e->device.gpus[i].index;
    return cg_minimizer_pool_create(gpus, e->info.n_gpus, &e->host.host, &p->minimizers, err);
}

/*
 * Allocates decoders and window for the executors. An executor that an earlier run lost is created
 * again.
 */
static cg_status prepare(struct cg_pipeline *p, cg_error *err)
{
    cg_engine *e = p->engine;
    char reason[CG_ERROR_TEXT];
    int64_t slots = 0;

    p->decoders = calloc((size_t)e->device.n_workers, sizeof *p->decoders);
    if (!p->decoders)
        return cg_fail_nomem(err, "pipeline");
    for (int32_t i = 0; i < e->device.n_workers; i++) {
        cg_decoder *d = &p->decoders[i];

        *d = (cg_decoder) { .pipeline = p, .worker = &e->device.workers[i], .index = i };
        if (!d->worker->executor)
            CG_TRY(cg_worker_open(d->worker, reason, err));
        cg_worker_stats(d->worker, &d->counted);
        slots += d->worker->batch_size;
    }
    CG_TRY(open_minimizers(p, err));
    /* Room for a batch of molecules with one conformer each, as many that wait for one of them to
     * be emitted, and some that are being built. */
    p->locked.capacity = 16 + 2 * slots + (2 * slots < MAX_BUILT ? 2 * slots : MAX_BUILT);
    p->locked.window = calloc((size_t)p->locked.capacity, sizeof(cg_pipeline_molecule *));
    if (!p->locked.window)
        return cg_fail_nomem(err, "pipeline");
    /* the queue holds the whole window, so pushing never blocks */
    return cg_queue_create(e->info.template_workers, (int)p->locked.capacity * 2, &p->jobs, err);
}

/* Waits for the decoders, which end when all is emitted or `stopping` is set, and runs the
 * remaining jobs; then frees the molecules that were not emitted. */
static void join(struct cg_pipeline *p)
{
    for (int32_t i = 0; i < p->engine->device.n_workers; i++)
        if (p->decoders[i].is_started)
            pthread_join(p->decoders[i].thread, NULL);
    cg_queue_destroy(p->jobs);
    publish_locked(p); /* no other thread is left */
    for (; p->locked.n_emitted < p->locked.n_read; p->locked.n_emitted++)
        cg_pipeline_free_molecule(cg_pipeline_at_locked(p, p->locked.n_emitted));
}

static void init_condition(struct cg_pipeline *p)
{
    pthread_condattr_t monotonic;

    pthread_mutex_init(&p->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&p->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

cg_status cg_pipeline_run(cg_engine *engine, const cg_pipeline_io *io, cg_report *report,
                          cg_error *err)
{
    struct cg_pipeline p = {
        .engine = engine, .io = io, .report = report, .locked.counts.struct_size = sizeof(cg_report)
    };
    double start = cg_now();
    cg_status st;

    init_condition(&p);
    CG_TRY_GOTO(st, prepare(&p, err), out);
    start_decoders(&p);
    coordinate(&p);
    join(&p);
    if (p.locked.status != CG_OK)
        st = cg_fail(err, p.locked.status, "%s", p.locked.failure.msg);
    count_executors(&p);
    cg_report_set_token_cache(report, engine);
out:
    report->seconds += cg_now() - start;
    report->peak_bytes = cg_peak_memory();
    free(p.locked.window);
    free(p.decoders);
    cg_minimizer_pool_destroy(p.minimizers);
    pthread_mutex_destroy(&p.lock);
    pthread_cond_destroy(&p.changed);
    return st;
}
