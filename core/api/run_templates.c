/* SPDX-License-Identifier: MIT */
/* Building templates only: cg_engine_build_templates(). */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "api/requests.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/sized_struct.h"
#include "engine/pipeline.h"

enum {
    CHUNK = 8, /* molecules of one job: long compared with handing it out, short with the run */
    QUEUE = 64,
};

struct stage {
    cg_engine *engine;
    const char **smiles; /* [n] */
    int64_t n;
    pthread_mutex_t lock;
    /** Guarded by `lock`. */
    struct {
        int64_t next;
        cg_report report;
    } locked;
};

/* A job; arg is the stage. */
static void build_chunk(void *arg, int worker)
{
    struct stage *s = arg;
    cg_report part = { CG_SIZED(cg_report) };
    int64_t from, to;

    (void)worker;
    pthread_mutex_lock(&s->lock);
    from = s->locked.next;
    to = s->locked.next = from + CHUNK < s->n ? from + CHUNK : s->n;
    pthread_mutex_unlock(&s->lock);
    for (int64_t i = from; i < to; i++) {
        const char *smiles = s->smiles[i];
        cg_molecule_template built = { 0 };

        part.molecules++;
        if (cg_molecule_template_build(&s->engine->builder, smiles, strlen(smiles), &built, NULL) !=
            CG_OK) {
            part.molecules_failed++;
            continue;
        }
        part.chemistry_seconds += built.chemistry_seconds;
        part.template_seconds += built.own_seconds;
        cg_molecule_template_finish(&built);
    }
    pthread_mutex_lock(&s->lock);
    cg_report_add(&s->locked.report, &part);
    pthread_mutex_unlock(&s->lock);
}

cg_status cg_engine_build_templates(cg_engine *engine, const cg_request *requests, int64_t n,
                                    int32_t workers, cg_report *ret_report, cg_error *err)
{
    struct stage s = {
        .engine = engine,
        .n = n,
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .locked = { .report = { CG_SIZED(cg_report) } },
    };
    cg_report *r = &s.locked.report;
    cg_queue *queue = NULL;
    cg_request one;
    double start;
    cg_status st;

    CG_TRY(cg_sized_struct_check(ret_report, "cg_report", err));
    s.smiles = malloc(((size_t)n + 1) * sizeof *s.smiles);
    if (!s.smiles)
        return cg_fail_nomem(err, "templates");
    for (int64_t i = 0; i < n; i++) {
        CG_TRY_GOTO(st, cg_request_read(requests, i, &one, err), out);
        s.smiles[i] = one.smiles;
    }
    start = cg_now();
    CG_TRY_GOTO(
        st,
        cg_queue_create(workers > 0 ? workers : engine->info.template_workers, QUEUE, &queue, err),
        out);
    for (int64_t i = 0; i < n; i += CHUNK)
        cg_queue_push(queue, build_chunk, &s);
    cg_queue_destroy(queue);
    pthread_mutex_destroy(&s.lock);
    r->seconds = cg_now() - start;
    r->peak_bytes = cg_peak_memory();
    cg_report_set_token_cache(r, engine);
    cg_fill_struct(ret_report, r);
out:
    free(s.smiles);
    return st;
}
