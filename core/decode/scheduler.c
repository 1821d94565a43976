/* SPDX-License-Identifier: MIT */
#include "scheduler.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"

/* Steps between two looks at what others do: signals, finished templates. A step of a full batch
 * may take a tenth of a second, and a signal should not wait for many. */
enum { STEPS_A_RUN = 8 };

/* Generations of a molecule that are still to be begun: a range or, again, a list. */
struct batch {
    cg_work work;
    uint32_t *list; /* owned; NULL: those of `work` */
    uint32_t n, begun;
};

/* A prefix place and whose prompt is in it. */
struct prefix {
    int busy;
    uint64_t order; /* of arrival: the oldest is served first */
    struct batch batch;
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
    int32_t n_slots, n_prompt_slots, n_busy_slots, n_busy_prefixes;
    struct slot *slots;
    struct prefix *prefixes;
    struct batch *requeued; /* taken, and not in a prefix place: what is first goes first */
    size_t n_requeued, cap_requeued;
    uint64_t arrivals;
    int at_end, told;
};

static cg_status nomem(cg_error *err)
{
    return cg_fail(err, CG_ERR_NOMEM, "scheduler: out of memory");
}

static uint32_t generation_of(const struct batch *b, uint32_t i)
{
    if (b->list)
        return b->list[i];
    return b->work.generations ? b->work.generations[i] : b->work.first_generation + i;
}

static void free_prefix(struct scheduler *s, struct prefix *p)
{
    s->ex->ops->release_prompt(s->ex, (int32_t)(p - s->prefixes));
    free(p->batch.list);
    *p = (struct prefix) { 0 };
    s->n_busy_prefixes--;
}

static void free_slot(struct scheduler *s, int32_t i)
{
    s->ex->ops->release(s->ex, i);
    s->slots[i].busy = 0;
    s->n_busy_slots--;
}

static cg_status collect(struct scheduler *s, cg_error *err)
{
    cg_sequence_result result;

    while (s->ex->ops->collect(s->ex, &result)) {
        struct slot *slot = &s->slots[result.slot];
        cg_status status = s->io->ended(s->io->ctx, &slot->work, slot->generation, &result, err);

        if (status != CG_OK)
            return status;
        free_slot(s, result.slot);
        s->io->gone(s->io->ctx, &slot->work);
    }
    return CG_OK;
}

/* ---- when memory is short ----------------------------------------------------------------- */

/* Room in `again` for what places hold at most. */
static cg_status make_room(struct scheduler *s, cg_error *err)
{
    size_t want = s->n_requeued + (size_t)s->n_busy_prefixes + (size_t)s->n_busy_slots;

    return cg_grow((void **)&s->requeued, &s->cap_requeued, want, sizeof *s->requeued) ? nomem(err)
                                                                                       : CG_OK;
}

/* Append a generation to a batch that is a list. */
static cg_status append(struct batch *b, uint32_t generation, cg_error *err)
{
    uint32_t *list = realloc(b->list, ((size_t)b->n + 1) * sizeof *list);

    if (!list)
        return nomem(err);
    b->list = list;
    list[b->n++] = generation;
    return CG_OK;
}

/* A sequence that was released is to begin again: with others of its work, if there are any. */
static cg_status put_back(struct scheduler *s, const struct slot *slot, cg_error *err)
{
    size_t i = 0;

    while (i < s->n_requeued &&
           (s->requeued[i].work.owner != slot->work.owner || !s->requeued[i].list))
        i++;
    if (i == s->n_requeued)
        s->requeued[s->n_requeued++] = (struct batch) { .work = slot->work };
    return append(&s->requeued[i], slot->generation, err);
}

/* Empty all places into `again`. */
static cg_status empty(struct scheduler *s, cg_error *err)
{
    cg_status status = make_room(s, err);

    for (int32_t i = 0; i < s->n_slots && status == CG_OK; i++)
        if (s->slots[i].busy) {
            status = put_back(s, &s->slots[i], err);
            free_slot(s, i);
        }
    for (int32_t i = 0; i < s->n_prompt_slots && status == CG_OK; i++)
        if (s->prefixes[i].busy) {
            struct batch b = s->prefixes[i].batch, *to = &s->requeued[s->n_requeued++];

            s->prefixes[i].batch.list = NULL; /* b has it now */
            free_prefix(s, &s->prefixes[i]);
            *to = b;
        }
    return status;
}

static cg_status shrink(struct scheduler *s, const cg_error *why, cg_error *err)
{
    cg_status status = collect(s, err);

    if (status == CG_OK)
        status = empty(s, err);
    if (status != CG_OK)
        return status;
    if (!s->io->shrink)
        return cg_fail(err, why->code, "%s", why->msg);
    /* places that there are no more stay unused */
    return s->io->shrink(s->io->ctx, why, &s->ex, &s->n_slots, &s->n_prompt_slots, err);
}

/* There is no room for one more sequence: wait for those at work to make some, or shrink. */
static cg_status wait_for_room(struct scheduler *s, const cg_error *why, cg_error *err)
{
    if (!s->n_busy_slots || s->n_busy_slots < s->n_slots / 2)
        return shrink(s, why, err);
    if (!s->told && s->io->crowded)
        s->io->crowded(s->io->ctx, s->n_busy_slots, why);
    s->told = 1;
    return CG_OK;
}

/* ---- filling ------------------------------------------------------------------------------ */

/* What goes into the next free prefix place: CG_WORK_*. */
static int next_batch(struct scheduler *s, struct batch *ret)
{
    int idle = !s->n_busy_slots && !s->n_busy_prefixes, got;

    if (s->n_requeued) {
        *ret = s->requeued[0];
        memmove(s->requeued, s->requeued + 1, --s->n_requeued * sizeof *s->requeued);
        return CG_WORK_TAKEN;
    }
    if (s->at_end)
        return CG_WORK_END;
    *ret = (struct batch) { 0 };
    got = s->io->next(s->io->ctx, idle, &ret->work);
    ret->n = ret->work.n_generations;
    s->at_end = got == CG_WORK_END;
    return got;
}

/* Put waiting molecules into free prefix places. */
static cg_status fill_prefixes(struct scheduler *s, cg_error *err)
{
    for (int32_t i = 0; i < s->n_prompt_slots; i++) {
        struct prefix *p = &s->prefixes[i];
        cg_error why = CG_ERROR_INIT;
        struct batch b;
        cg_status status;

        if (p->busy)
            continue;
        if (next_batch(s, &b) != CG_WORK_TAKEN)
            return CG_OK;
        status = s->ex->ops->begin_prompt(s->ex, i, b.work.prompt, b.work.n_prompt, &why);
        if (status != CG_OK) { /* it stays the next one */
            if (cg_grow((void **)&s->requeued, &s->cap_requeued, s->n_requeued + 1, sizeof b)) {
                free(b.list);
                return nomem(err);
            }
            memmove(s->requeued + 1, s->requeued, s->n_requeued++ * sizeof b);
            s->requeued[0] = b;
            if (status != CG_ERR_DEVICE_NOMEM)
                return cg_fail(err, status, "%s", why.msg);
            if (s->n_busy_slots || s->n_busy_prefixes)
                return CG_OK; /* they will make room, or find none themselves */
            return shrink(s, &why, err);
        }
        p->batch = b;
        p->busy = 1;
        p->order = s->arrivals++;
        s->n_busy_prefixes++;
    }
    return CG_OK;
}

static struct prefix *oldest_prefix(struct scheduler *s)
{
    struct prefix *best = NULL;

    for (int32_t i = 0; i < s->n_prompt_slots; i++)
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
        cg_error why = CG_ERROR_INIT;
        cg_sequence_job job;
        cg_status status;

        if (slot->busy)
            continue;
        if (!s->ex->ops->prompt_ready(s->ex, place))
            return CG_OK;
        slot->work = p->batch.work;
        slot->generation = generation_of(&p->batch, p->batch.begun);
        job.program = slot->work.program;
        job.geometry = slot->work.geometry;
        job.key = (cg_rng_key) { cg_rng_retry(s->seed, slot->work.retry), slot->work.molecule,
                                 slot->generation };
        status = s->ex->ops->admit(s->ex, i, place, &job, &why);
        if (status == CG_ERR_DEVICE_NOMEM)
            return wait_for_room(s, &why, err);
        if (status != CG_OK)
            return cg_fail(err, status, "%s", why.msg);
        slot->busy = 1;
        s->n_busy_slots++;
        if (++p->batch.begun == p->batch.n) {
            free_prefix(s, p);
            p = oldest_prefix(s);
        }
    }
    return CG_OK;
}

static cg_status run(struct scheduler *s, cg_error *err)
{
    cg_error why = CG_ERROR_INIT;
    cg_status status = s->ex->ops->run(s->ex, STEPS_A_RUN, &why);

    if (status == CG_ERR_DEVICE_NOMEM)
        return shrink(s, &why, err);
    return status == CG_OK ? CG_OK : cg_fail(err, status, "%s", why.msg);
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
        if (s->at_end && !s->n_requeued && !s->n_busy_slots && !s->n_busy_prefixes)
            return status;
        if (status == CG_OK && (s->n_busy_slots || s->n_busy_prefixes))
            status = run(s, err);
    }
    return status;
}

cg_status cg_schedule(cg_executor *ex, int32_t n_slots, int32_t n_prompt_slots, uint64_t seed,
                      const cg_scheduler_io *io, cg_error *err)
{
    struct scheduler s = {
        .ex = ex, .io = io, .seed = seed, .n_slots = n_slots, .n_prompt_slots = n_prompt_slots
    };
    cg_status status;

    s.slots = calloc((size_t)n_slots, sizeof *s.slots);
    s.prefixes = calloc((size_t)n_prompt_slots, sizeof *s.prefixes);
    status = s.slots && s.prefixes ? loop(&s, err) : nomem(err);
    for (int32_t i = 0; s.slots && i < s.n_slots; i++)
        if (s.slots[i].busy)
            free_slot(&s, i);
    for (int32_t i = 0; s.prefixes && i < s.n_prompt_slots; i++)
        if (s.prefixes[i].busy)
            free_prefix(&s, &s.prefixes[i]);
    for (size_t i = 0; i < s.n_requeued; i++)
        free(s.requeued[i].list);
    free(s.requeued);
    free(s.slots);
    free(s.prefixes);
    return status;
}
