/* SPDX-License-Identifier: MIT */
#include "scheduler.h"

#include <stdlib.h>

#include "base/error.h"

/* Steps between two looks at what others do: signals, finished templates. A step of a full batch
 * may take a tenth of a second, and a signal should not wait for many. */
enum { STEPS_A_RUN = 8 };

/* A prefix place and the molecule in it. */
struct prefix {
    int busy;
    uint32_t admitted; /* generations so far */
    uint64_t order;    /* of arrival: the oldest molecule is served first */
    cg_work work;
};

struct slot {
    int busy;
    cg_work work;
    uint32_t generation;
};

struct scheduler {
    cg_executor *ex;
    const cg_scheduler_io *io;
    uint64_t seed;
    int32_t n_slots, n_prefixes, n_busy_slots, n_busy_prefixes;
    struct slot *slots;
    struct prefix *prefixes;
    uint64_t arrivals;
    int at_end;
};

static cg_status collect(struct scheduler *s, cg_error *err)
{
    cg_sequence_result result;

    while (s->ex->ops->collect(s->ex, &result)) {
        struct slot *slot = &s->slots[result.slot];
        cg_status status = s->io->ended(s->io->ctx, &slot->work, slot->generation, &result, err);

        if (status != CG_OK)
            return status;
        s->ex->ops->release(s->ex, result.slot);
        slot->busy = 0;
        s->n_busy_slots--;
    }
    return CG_OK;
}

/* Put waiting molecules into free prefix places. */
static cg_status fill_prefixes(struct scheduler *s, cg_error *err)
{
    for (int32_t i = 0; i < s->n_prefixes && !s->at_end; i++) {
        struct prefix *p = &s->prefixes[i];
        int idle = !s->n_busy_slots && !s->n_busy_prefixes, got;
        cg_status status;

        if (p->busy)
            continue;
        got = s->io->next(s->io->ctx, idle, &p->work);
        if (got == CG_WORK_NONE_YET)
            return CG_OK;
        if (got == CG_WORK_END) {
            s->at_end = 1;
            return CG_OK;
        }
        status = s->ex->ops->begin_prefix(s->ex, i, p->work.prompt, p->work.n_prompt, err);
        if (status != CG_OK)
            return status;
        p->busy = 1;
        p->admitted = 0;
        p->order = s->arrivals++;
        s->n_busy_prefixes++;
    }
    return CG_OK;
}

static struct prefix *oldest_prefix(struct scheduler *s)
{
    struct prefix *best = NULL;

    for (int32_t i = 0; i < s->n_prefixes; i++)
        if (s->prefixes[i].busy && (!best || s->prefixes[i].order < best->order))
            best = &s->prefixes[i];
    return best;
}

/* Start generations of the oldest molecule in free slots, once its prompt is ready. */
static cg_status fill_slots(struct scheduler *s, cg_error *err)
{
    struct prefix *p = oldest_prefix(s);

    for (int32_t i = 0; i < s->n_slots && p; i++) {
        struct slot *slot = &s->slots[i];
        int32_t place = (int32_t)(p - s->prefixes);
        cg_sequence_job job;
        cg_status status;

        if (slot->busy)
            continue;
        if (!s->ex->ops->prefix_ready(s->ex, place))
            return CG_OK;
        slot->work = p->work;
        slot->generation = p->admitted++;
        job.program = p->work.program;
        job.key = (cg_rng_key) { s->seed, p->work.molecule, slot->generation };
        status = s->ex->ops->admit(s->ex, i, place, &job, err);
        if (status != CG_OK)
            return status;
        slot->busy = 1;
        s->n_busy_slots++;
        if (p->admitted == p->work.n_generations) {
            s->ex->ops->release_prefix(s->ex, place);
            p->busy = 0;
            s->n_busy_prefixes--;
            p = oldest_prefix(s);
        }
    }
    return CG_OK;
}

static cg_status loop(struct scheduler *s, cg_error *err)
{
    cg_status status = CG_OK;

    while (status == CG_OK) {
        if (s->io->stop(s->io->ctx))
            return cg_fail(err, CG_ERR_INTERRUPTED, "stopped before all molecules were done");
        status = collect(s, err);
        if (status == CG_OK)
            status = fill_prefixes(s, err);
        if (status == CG_OK)
            status = fill_slots(s, err);
        if (s->at_end && !s->n_busy_slots && !s->n_busy_prefixes)
            return status;
        if (status == CG_OK && (s->n_busy_slots || s->n_busy_prefixes))
            status = s->ex->ops->run(s->ex, STEPS_A_RUN, err);
    }
    return status;
}

cg_status cg_schedule(cg_executor *ex, int32_t n_slots, int32_t n_prefixes, uint64_t seed,
                      const cg_scheduler_io *io, cg_error *err)
{
    struct scheduler s = { ex, io, seed, n_slots, n_prefixes, 0, 0, NULL, NULL, 0, 0 };
    cg_status status;

    s.slots = calloc((size_t)n_slots, sizeof *s.slots);
    s.prefixes = calloc((size_t)n_prefixes, sizeof *s.prefixes);
    if (s.slots && s.prefixes)
        status = loop(&s, err);
    else
        status = cg_fail(err, CG_ERR_NOMEM, "scheduler: out of memory");
    for (int32_t i = 0; s.slots && i < n_slots; i++)
        if (s.slots[i].busy)
            ex->ops->release(ex, i);
    for (int32_t i = 0; s.prefixes && i < n_prefixes; i++)
        if (s.prefixes[i].busy)
            ex->ops->release_prefix(ex, i);
    free(s.slots);
    free(s.prefixes);
    return status;
}
