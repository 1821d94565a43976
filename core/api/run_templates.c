/* SPDX-License-Identifier: MIT */
/* The template stage alone: cg_engine_build_templates(). */
#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "engine/engine.h"
#include "engine/pipeline.h"

/* Molecules of one job: long against handing it out, short against the whole. */
enum { CHUNK = 8, QUEUE = 64 };

struct stage {
    cg_engine *engine;
    const cg_request *requests;
    int64_t n, next; /* under the lock, with the report */
    pthread_mutex_t lock;
    cg_report *report;
};

static void build_chunk(void *arg, int worker)
{
    struct stage *s = arg;
    cg_report sum = { 0 };
    int64_t from, to;

    (void)worker;
    pthread_mutex_lock(&s->lock);
    from = s->next;
    to = s->next = from + CHUNK < s->n ? from + CHUNK : s->n;
    pthread_mutex_unlock(&s->lock);
    for (int64_t i = from; i < to; i++) {
        const char *smiles = s->requests[i].smiles;
        cg_molecule_template built = { 0 };

        sum.molecules++;
        if (cg_molecule_template_build(&s->engine->builder, smiles, strlen(smiles), &built, NULL) !=
            CG_OK) {
            sum.molecules_failed++;
            continue;
        }
        sum.chemistry_seconds += built.chemistry_seconds;
        sum.template_seconds += built.own_seconds;
        cg_molecule_template_finish(&built);
    }
    pthread_mutex_lock(&s->lock);
    s->report->molecules += sum.molecules;
    s->report->molecules_failed += sum.molecules_failed;
    s->report->chemistry_seconds += sum.chemistry_seconds;
    s->report->template_seconds += sum.template_seconds;
    pthread_mutex_unlock(&s->lock);
}

cg_status cg_engine_build_templates(cg_engine *engine, const cg_request *requests, int64_t n,
                                    int32_t workers, cg_report *ret_report, cg_error *err)
{
    cg_report report = { CG_SIZED(cg_report) };
    struct stage s = { engine, requests, n, 0, PTHREAD_MUTEX_INITIALIZER, &report };
    cg_queue *queue = NULL;
    double start = cg_now();
    cg_status status =
        cg_queue_create(workers > 0 ? workers : engine->info.template_workers, QUEUE, &queue, err);

    if (status != CG_OK)
        return status;
    for (int64_t i = 0; i < n; i += CHUNK)
        cg_queue_push(queue, build_chunk, &s);
    cg_queue_destroy(queue);
    pthread_mutex_destroy(&s.lock);
    report.seconds = cg_now() - start;
    report.peak_bytes = cg_peak_memory();
    if (engine->model.token_cache) {
        cg_token_cache_stats stats = CG_TOKEN_CACHE_STATS_INIT;

        cg_token_cache_get_stats(engine->model.token_cache, &stats);
        report.token_cache_hits = (int64_t)stats.hits;
        report.token_cache_misses = (int64_t)stats.misses;
    }
    *ret_report = report;
    return CG_OK;
}
