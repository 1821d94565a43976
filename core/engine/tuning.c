/* SPDX-License-Identifier: MIT */
#include "engine/tuning.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"

enum {
    WARM_UP_STEPS = 24, /* graphs are captured and algorithms selected in the first steps */
    STEPS_PER_RUN = 8,
    MAX_STEPS = 512,  /* of one attempt; a conformer of a drug has 150 to 500 */
    MAX_RUNS = 10000, /* bound on calls of a broken executor */
    FLAT_BATCHES = 2, /* the search ends after this many larger batches without a gain */
};

/* A smaller batch at this share of the best rate wins: less memory, a shorter end of the run. */
static const double good_share = 0.97;
/* Another pair must be faster by more than the variation between two runs of one pair. */
static const double min_gain = 1.01;
/* An attempt below this share of the best rate after a quarter of its time is stopped. */
static const double hopeless_share = 0.75;

/* ---- one attempt -------------------------------------------------------------------------- */

struct attempt {
    const cg_tuner *tuner;
    cg_executor *ex;
    uint32_t generation;
    int32_t batch_size;
};

static cg_status admit(struct attempt *a, int32_t slot, cg_error *err)
{
    const cg_work *w = &a->tuner->work;
    cg_sequence_job job = { w->program, { 0, w->molecule, a->generation++ }, w->geometry };

    return a->ex->ops->admit(a->ex, slot, 0, &job, err);
}

static cg_status compute_prompt(struct attempt *a, cg_error *err)
{
    const cg_work *w = &a->tuner->work;

    CG_TRY(a->ex->ops->begin_prompt(a->ex, 0, w->prompt, w->n_prompt, err));
    for (int n = 0; !a->ex->ops->prompt_ready(a->ex, 0); n++) {
        if (n == MAX_RUNS)
            return cg_fail(err, CG_ERR_INTERNAL, "the prompt is not ready after %d runs", n);
        CG_TRY(a->ex->ops->run(a->ex, STEPS_PER_RUN, err));
    }
    return CG_OK;
}

/* Runs some steps and refills the slots of completed sequences. */
static cg_status advance(struct attempt *a, cg_error *err)
{
    cg_sequence_result result;

    CG_TRY(a->ex->ops->run(a->ex, STEPS_PER_RUN, err));
    while (a->ex->ops->collect(a->ex, &result)) {
        a->ex->ops->release(a->ex, result.slot);
        CG_TRY(admit(a, result.slot, err));
    }
    return CG_OK;
}

static cg_executor_stats totals(const struct attempt *a)
{
    cg_executor_stats stats = { 0 };

    a->ex->ops->stats(a->ex, &stats);
    return stats;
}

/* Fills all slots and runs until graphs and algorithms are settled. */
static cg_status warm_up(struct attempt *a, cg_error *err)
{
    int64_t end;

    CG_TRY(compute_prompt(a, err));
    for (int32_t i = 0; i < a->batch_size; i++)
        CG_TRY(admit(a, i, err));
    end = totals(a).steps + WARM_UP_STEPS;
    for (int n = 0; totals(a).steps < end; n++) {
        if (n == MAX_RUNS)
            return cg_fail(err, CG_ERR_INTERNAL, "no steps after %d runs", n);
        CG_TRY(advance(a, err));
    }
    return CG_OK;
}

/* Measures tokens per second. Stops early if the rate stays far below `best` (0: unknown). */
static cg_status measure(struct attempt *a, double best, double *ret_rate, cg_error *err)
{
    const cg_tuner *t = a->tuner;
    cg_executor_stats before, now;
    double start, seconds, rate = 0;

    CG_TRY(warm_up(a, err));
    before = totals(a);
    start = t->now(t->ctx);
    for (int n = 0; n < MAX_RUNS; n++) {
        CG_TRY(advance(a, err));
        now = totals(a);
        seconds = t->now(t->ctx) - start;
        rate = seconds > 0 ? (double)(now.tokens - before.tokens) / seconds : 0;
        if (seconds >= t->seconds || now.steps - before.steps >= MAX_STEPS ||
            (seconds >= t->seconds / 4 && rate < hopeless_share * best))
            break;
    }
    if (rate <= 0)
        return cg_fail(err, CG_ERR_INTERNAL, "no tokens in %d runs", MAX_RUNS);
    *ret_rate = rate;
    return CG_OK;
}

/* Measures a pair at a batch and appends the figure, also for a failure. */
static cg_status attempt(const cg_tuner *t, int32_t pair, int32_t batch_size, double best,
                         cg_tuning *tuning, cg_error *err)
{
    cg_tuning_figure *f = &tuning->figures[tuning->n_figures++];
    struct attempt a = { t, NULL, t->work.first_generation, batch_size };
    cg_error why = CG_ERROR_INIT;
    cg_status st = t->open(t->ctx, pair, batch_size, &a.ex, &why);

    *f = (cg_tuning_figure) { CG_SIZED(cg_tuning_figure), .batch_size = batch_size };
    snprintf(f->attention, sizeof f->attention, "%s", t->pairs[pair].attention);
    snprintf(f->kv_cache, sizeof f->kv_cache, "%s", t->pairs[pair].kv_cache);
    if (st == CG_OK) {
        st = measure(&a, best, &f->tokens_per_second, &why);
        a.ex->ops->destroy(a.ex);
    }
    if (st == CG_OK)
        return CG_OK;
    snprintf(f->refused, sizeof f->refused, "%.*s", (int)sizeof f->refused - 1,
             why.msg[0] ? why.msg : cg_status_name(st));
    for (char *c = f->refused; *c; c++) /* a cut may split a UTF-8 character */
        if ((unsigned char)*c >= 0x80)
            *c = '?';
    return cg_fail(err, st, "%s", f->refused);
}

/* ---- the search --------------------------------------------------------------------------- */

/* Measures increasing batches with one pair. */
static void try_batches(const cg_tuner *t, int32_t pair, cg_tuning *tuning, cg_error *err)
{
    double best = 0;
    int flat = 0;

    for (int32_t i = 0; i < t->n_batches && flat < FLAT_BATCHES; i++) {
        double rate;

        if (attempt(t, pair, t->batches[i], 0, tuning, err) != CG_OK)
            return; /* a larger batch needs even more memory */
        rate = tuning->figures[tuning->n_figures - 1].tokens_per_second;
        flat = rate * good_share > best ? 0 : flat + 1;
        best = rate > best ? rate : best;
    }
}

/* The smallest batch close to the best of figures [from, n_figures); NULL without a success. */
static const cg_tuning_figure *find_batch(const cg_tuning *tuning, int32_t from)
{
    double best = 0;

    for (int32_t i = from; i < tuning->n_figures; i++)
        if (tuning->figures[i].tokens_per_second > best)
            best = tuning->figures[i].tokens_per_second;
    for (int32_t i = from; i < tuning->n_figures && best > 0; i++)
        if (tuning->figures[i].tokens_per_second >= good_share * best)
            return &tuning->figures[i];
    return NULL;
}

static void select_figure(cg_tuning *tuning, const cg_tuning_figure *f)
{
    memcpy(tuning->attention, f->attention, sizeof tuning->attention);
    memcpy(tuning->kv_cache, f->kv_cache, sizeof tuning->kv_cache);
    tuning->batch_size = f->batch_size;
    tuning->tokens_per_second = f->tokens_per_second;
}

cg_status cg_tune(const cg_tuner *t, cg_tuning *ret_tuning, cg_error *err)
{
    const cg_tuning_figure *f = NULL;
    cg_error first = CG_ERROR_INIT, why = CG_ERROR_INIT;
    double start = t->now(t->ctx);
    int32_t pair = 0;
    cg_tuning tuning = { .n_figures = 0 };

    if (t->n_pairs < 1 || t->n_pairs > CG_TUNING_PAIRS || t->n_batches < 1 ||
        t->n_batches > CG_TUNING_BATCHES)
        return cg_fail(err, CG_ERR_LIMIT,
                       "tuning: found %d pairs and %d batches, wanted 1 to %d and 1 to %d",
                       t->n_pairs, t->n_batches, CG_TUNING_PAIRS, CG_TUNING_BATCHES);
    for (; pair < t->n_pairs && !f; pair++) { /* until one of them works */
        int32_t from = tuning.n_figures;

        try_batches(t, pair, &tuning, pair ? &why : &first);
        f = find_batch(&tuning, from);
    }
    if (!f)
        return cg_fail(err, CG_ERR_UNSUPPORTED, "%s", first.msg);
    select_figure(&tuning, f);
    for (; pair < t->n_pairs; pair++) {
        if (attempt(t, pair, tuning.batch_size, tuning.tokens_per_second, &tuning, &why) != CG_OK)
            continue;
        f = &tuning.figures[tuning.n_figures - 1];
        if (f->tokens_per_second > min_gain * tuning.tokens_per_second)
            select_figure(&tuning, f);
    }
    tuning.seconds = t->now(t->ctx) - start;
    *ret_tuning = tuning;
    return CG_OK;
}

/* ---- text --------------------------------------------------------------------------------- */

/* Writes digits in groups of three: 310,000. */
static void format_grouped(double value, char *ret_text, size_t cap)
{
    char digits[32];
    int n = snprintf(digits, sizeof digits, "%.0f", value);
    size_t at = 0;

    for (int i = 0; i < n && at + 2 < cap; i++) {
        if (i && (n - i) % 3 == 0)
            ret_text[at++] = ',';
        ret_text[at++] = digits[i];
    }
    ret_text[at] = '\0';
}

char *cg_tuning_text(const cg_tuning *tuning, char *ret_text, size_t cap)
{
    size_t at = 0;

    ret_text[0] = '\0';
    for (int32_t i = 0; i < tuning->n_figures; i++) {
        const cg_tuning_figure *f = &tuning->figures[i];
        char rate[48];
        int n;

        format_grouped(f->tokens_per_second, rate, sizeof rate);
        if (f->refused[0])
            n = snprintf(ret_text + at, cap - at, "%s%s/%s %d refused: %s", i ? "; " : "",
                         f->attention, f->kv_cache, f->batch_size, f->refused);
        else
            n = snprintf(ret_text + at, cap - at, "%s%s/%s %d: %s%s", i ? "; " : "", f->attention,
                         f->kv_cache, f->batch_size, rate, i ? "" : " tokens/s");
        if (n < 0 || (size_t)n >= cap - at)
            break; /* cut to cap */
        at += (size_t)n;
    }
    return ret_text;
}
