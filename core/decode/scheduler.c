/* SPDX-License-Identifier: MIT */
#include "decode/scheduler.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"

/*
 * Steps between two polls for signals and built templates. A step of a full batch may take a tenth
 * of a second, and a signal should not wait for many.
 */
enum { STEPS_PER_RUN = 8 };

/* Generations of a molecule that are not started yet: those of `work`, or a list. */
struct pending {
    cg_work work;
    uint32_t *list; /* owned; NULL: the generations of `work` */
    uint32_t n, n_started;
};

struct prompt_slot {
    int busy;
    uint64_t order; /* of arrival: the oldest gets free sequence slots first */
    struct pending pending;
};

struct sequence_slot {
    int busy;
    cg_work work;
    uint32_t generation;
};

struct scheduler {
    cg_executor *ex;
    const cg_scheduler_io *io;
    uint64_t seed;
    int32_t n_slots, n_prompt_slots, n_busy_slots, n_busy_prompts;
    struct sequence_slot *slots;
    struct prompt_slot *prompts;
    struct pending *requeued; /* taken from next(), not in a prompt slot; started first, in order */
    size_t n_requeued, cap_requeued;
    uint64_t arrivals;
    int at_end;
    int reported_no_room;
};

static uint32_t generation_of(const struct pending *p, uint32_t i)
{
    if (p->list)
        return p->list[i];
    return p->work.generations ? p->work.generations[i] : p->work.first_generation + i;
}

static void free_prompt(struct scheduler *s, struct prompt_slot *prompt)
{
    s->ex->ops->release_prompt(s->ex, (int32_t)(prompt - s->prompts));
    free(prompt->pending.list);
    *prompt = (struct prompt_slot) { 0 };
    s->n_busy_prompts--;
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
        struct sequence_slot *slot = &s->slots[result.slot];

        CG_TRY(s->io->completed(s->io->ctx, &slot->work, slot->generation, &result, err));
        free_slot(s, result.slot);
        s->io->released(s->io->ctx, &slot->work);
    }
    return CG_OK;
}

/* ---- out of memory ------------------------------------------------------------------------ */

/* Reserves entries of `requeued` for the work of all slots. */
static cg_status reserve_requeued(struct scheduler *s, cg_error *err)
{
    size_t want = s->n_requeued + (size_t)s->n_busy_prompts + (size_t)s->n_busy_slots;

    if (cg_grow((void **)&s->requeued, &s->cap_requeued, want, sizeof *s->requeued))
        return cg_fail_nomem(err, "scheduler");
    return CG_OK;
}

static cg_status append_to_list(struct pending *p, uint32_t generation, cg_error *err)
{
    uint32_t *list = realloc(p->list, ((size_t)p->n + 1) * sizeof *list);

    if (!list)
        return cg_fail_nomem(err, "scheduler");
    p->list = list;
    list[p->n++] = generation;
    return CG_OK;
}

/* Requeues the sequence of a slot, in the list of its work if there is one. */
static cg_status requeue(struct scheduler *s, const struct sequence_slot *slot, cg_error *err)
{
    size_t i = 0;

    while (i < s->n_requeued &&
           (s->requeued[i].work.owner != slot->work.owner || !s->requeued[i].list))
        i++;
    if (i == s->n_requeued)
        s->requeued[s->n_requeued++] = (struct pending) { .work = slot->work };
    return append_to_list(&s->requeued[i], slot->generation, err);
}

/* Releases all slots and requeues their work. */
static cg_status requeue_all(struct scheduler *s, cg_error *err)
{
    CG_TRY(reserve_requeued(s, err));
    for (int32_t i = 0; i < s->n_slots; i++)
        if (s->slots[i].busy) {
            cg_status st = requeue(s, &s->slots[i], err);

            free_slot(s, i);
            CG_TRY(st);
        }
    for (int32_t i = 0; i < s->n_prompt_slots; i++)
        if (s->prompts[i].busy) {
            s->requeued[s->n_requeued++] = s->prompts[i].pending;
            s->prompts[i].pending.list = NULL; /* moved */
            free_prompt(s, &s->prompts[i]);
        }
    return CG_OK;
}

static cg_status shrink(struct scheduler *s, const cg_error *why, cg_error *err)
{
    CG_TRY(collect(s, err));
    CG_TRY(requeue_all(s, err));
    if (!s->io->shrink)
        return cg_fail(err, why->code, "%s", why->msg);
    /* the arrays keep their size: entries beyond the new counts stay unused */
    return s->io->shrink(s->io->ctx, why, &s->ex, &s->n_slots, &s->n_prompt_slots, err);
}

/*
 * When out of memory for another sequence: if at least half of the slots are busy, returns CG_OK,
 * so that they run until one completes; otherwise shrinks.
 */
static cg_status keep_running_or_shrink(struct scheduler *s, const cg_error *why, cg_error *err)
{
    if (!s->n_busy_slots || s->n_busy_slots < s->n_slots / 2)
        return shrink(s, why, err);
    if (!s->reported_no_room && s->io->out_of_room)
        s->io->out_of_room(s->io->ctx, s->n_busy_slots, why);
    s->reported_no_room = 1;
    return CG_OK;
}

/* ---- filling ------------------------------------------------------------------------------ */

/* Provides the work for the next free prompt slot. @return CG_WORK_* */
static int next_pending(struct scheduler *s, struct pending *ret)
{
    int idle = !s->n_busy_slots && !s->n_busy_prompts, got;

    if (s->n_requeued) {
        *ret = s->requeued[0];
        memmove(s->requeued, s->requeued + 1, --s->n_requeued * sizeof *s->requeued);
        return CG_WORK_TAKEN;
    }
    if (s->at_end)
        return CG_WORK_END;
    *ret = (struct pending) { 0 };
    got = s->io->next(s->io->ctx, idle, &ret->work);
    ret->n = ret->work.n_generations;
    s->at_end = got == CG_WORK_END;
    return got;
}

/* Puts work back at the front of the queue; frees it on failure. */
static cg_status requeue_first(struct scheduler *s, struct pending *p, cg_error *err)
{
    if (cg_grow((void **)&s->requeued, &s->cap_requeued, s->n_requeued + 1, sizeof *p)) {
        free(p->list);
        return cg_fail_nomem(err, "scheduler");
    }
    memmove(s->requeued + 1, s->requeued, s->n_requeued++ * sizeof *p);
    s->requeued[0] = *p;
    return CG_OK;
}

/* Starts the prompts of waiting molecules in free prompt slots. */
static cg_status fill_prompt_slots(struct scheduler *s, cg_error *err)
{
    for (int32_t i = 0; i < s->n_prompt_slots; i++) {
        struct prompt_slot *prompt = &s->prompts[i];
        cg_error why = CG_ERROR_INIT;
        struct pending p;
        cg_status st;

        if (prompt->busy)
            continue;
        if (next_pending(s, &p) != CG_WORK_TAKEN)
            return CG_OK;
        st = s->ex->ops->begin_prompt(s->ex, i, p.work.prompt, p.work.n_prompt, &why);
        if (st != CG_OK) {
            CG_TRY(requeue_first(s, &p, err));
            if (st != CG_ERR_DEVICE_NOMEM)
                return cg_fail(err, st, "%s", why.msg);
            if (s->n_busy_slots || s->n_busy_prompts)
                return CG_OK; /* busy slots will free memory, or fail themselves */
            return shrink(s, &why, err);
        }
        prompt->pending = p;
        prompt->busy = 1;
        prompt->order = s->arrivals++;
        s->n_busy_prompts++;
    }
    return CG_OK;
}

static struct prompt_slot *oldest_prompt(struct scheduler *s)
{
    struct prompt_slot *oldest = NULL;

    for (int32_t i = 0; i < s->n_prompt_slots; i++)
        if (s->prompts[i].busy && (!oldest || s->prompts[i].order < oldest->order))
            oldest = &s->prompts[i];
    return oldest;
}

/* Starts generations of the oldest molecule in free slots once its prompt is ready. */
static cg_status fill_slots(struct scheduler *s, cg_error *err)
{
    struct prompt_slot *prompt = oldest_prompt(s);

    for (int32_t i = 0; i < s->n_slots && prompt; i++) {
        struct sequence_slot *slot = &s->slots[i];
        int32_t prompt_slot = (int32_t)(prompt - s->prompts);
        cg_error why = CG_ERROR_INIT;
        cg_sequence_job job;
        cg_status st;

        if (slot->busy)
            continue;
        if (!s->ex->ops->prompt_ready(s->ex, prompt_slot))
            return CG_OK;
        slot->work = prompt->pending.work;
        slot->generation = generation_of(&prompt->pending, prompt->pending.n_started);
        job.program = slot->work.program;
        job.geometry = slot->work.geometry;
        job.key = (cg_rng_key) { cg_rng_retry(s->seed, slot->work.retry), slot->work.molecule,
                                 slot->generation };
        st = s->ex->ops->admit(s->ex, i, prompt_slot, &job, &why);
        if (st == CG_ERR_DEVICE_NOMEM)
            return keep_running_or_shrink(s, &why, err);
        if (st != CG_OK)
            return cg_fail(err, st, "%s", why.msg);
        slot->busy = 1;
        s->n_busy_slots++;
        if (++prompt->pending.n_started == prompt->pending.n) {
            free_prompt(s, prompt);
            prompt = oldest_prompt(s);
        }
    }
    return CG_OK;
}

static cg_status run(struct scheduler *s, cg_error *err)
{
    cg_error why = CG_ERROR_INIT;
    cg_status st = s->ex->ops->run(s->ex, STEPS_PER_RUN, &why);

    if (st == CG_ERR_DEVICE_NOMEM)
        return shrink(s, &why, err);
    return st == CG_OK ? CG_OK : cg_fail(err, st, "%s", why.msg);
}

static cg_status run_all(struct scheduler *s, cg_error *err)
{
    for (;;) {
        if (s->io->stop(s->io->ctx))
            return cg_fail(err, CG_ERR_INTERRUPTED, "stopped before all molecules were done");
        CG_TRY(collect(s, err));
        CG_TRY(fill_prompt_slots(s, err));
        CG_TRY(fill_slots(s, err));
        if (s->n_busy_slots || s->n_busy_prompts)
            CG_TRY(run(s, err));
        else if (s->at_end && !s->n_requeued)
            return CG_OK;
    }
}

cg_status cg_schedule(cg_executor *ex, int32_t n_slots, int32_t n_prompt_slots, uint64_t seed,
                      const cg_scheduler_io *io, cg_error *err)
{
    struct scheduler s = {
        .ex = ex, .io = io, .seed = seed, .n_slots = n_slots, .n_prompt_slots = n_prompt_slots
    };
    cg_status st;

    s.slots = calloc((size_t)n_slots, sizeof *s.slots);
    s.prompts = calloc((size_t)n_prompt_slots, sizeof *s.prompts);
    st = s.slots && s.prompts ? run_all(&s, err) : cg_fail_nomem(err, "scheduler");
    for (int32_t i = 0; s.slots && i < s.n_slots; i++)
        if (s.slots[i].busy)
            free_slot(&s, i);
    for (int32_t i = 0; s.prompts && i < s.n_prompt_slots; i++)
        if (s.prompts[i].busy)
            free_prompt(&s, &s.prompts[i]);
    for (size_t i = 0; i < s.n_requeued; i++)
        free(s.requeued[i].list);
    free(s.requeued);
    free(s.slots);
    free(s.prompts);
    return st;
}
