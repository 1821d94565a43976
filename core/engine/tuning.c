/* SPDX-License-Identifier: MIT */
#include "engine/tuning.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"

enum {
    WARM_UP_STEPS = 24, /* graphs are captured and algorithms chosen in the first steps */
    STEPS_A_LOOK = 8,
    MAX_STEPS = 512,  /* of one attempt; a conformer of a drug has 150 to 500 */
    MAX_RUNS = 10000, /* after so many calls something is broken */
    FLAT_BATCHES = 2, /* larger batches that did not help, and then the search ends */
};

/* A batch that gives this share of the best is as good: less memory, less to wait for at the end.
 */
static const double good_enough = 0.97;
/* Another pair must be faster by more than what two runs of one pair differ by. */
static const double better_by = 1.01;
/* An attempt that is this far behind after a quarter of its time will not win. */
static const double hopeless = 0.75;

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
    cg_status status = a->ex->ops->begin_prompt(a->ex, 0, w->prompt, w->n_prompt, err);

    for (int n = 0; status == CG_OK && !a->ex->ops->prompt_ready(a->ex, 0); n++) {
        if (n == MAX_RUNS)
            return cg_fail(err, CG_ERR_INTERNAL, "the prompt is not ready after %d runs", n);
        status = a->ex->ops->run(a->ex, STEPS_A_LOOK, err);
    }
    return status;
}

/* Some steps; a sequence that ends makes room for the next. */
static cg_status advance(struct attempt *a, cg_error *err)
{
    cg_sequence_result result;
    cg_status status = a->ex->ops->run(a->ex, STEPS_A_LOOK, err);

    while (status == CG_OK && a->ex->ops->collect(a->ex, &result)) {
        a->ex->ops->release(a->ex, result.slot);
        status = admit(a, result.slot, err);
    }
    return status;
}

static cg_executor_stats totals(const struct attempt *a)
{
    cg_executor_stats stats = { 0 };

    a->ex->ops->stats(a->ex, &stats);
    return stats;
}

/* Tokens a second. Gives up where it stays far behind `best` (0: nothing to compare with). */
static cg_status measure(struct attempt *a, double best, double *ret_rate, cg_error *err)
{
    const cg_tuner *t = a->tuner;
    cg_executor_stats before, now;
    double start, seconds, rate = 0;
    cg_status status = compute_prompt(a, err);

    for (int32_t i = 0; i < a->batch_size && status == CG_OK; i++)
        status = admit(a, i, err);
    before = totals(a);
    for (int n = 0; status == CG_OK && totals(a).steps < before.steps + WARM_UP_STEPS; n++)
        status = n < MAX_RUNS ? advance(a, err)
                              : cg_fail(err, CG_ERR_INTERNAL, "no steps after %d runs", n);
    if (status != CG_OK)
        return status;
    before = totals(a);
    start = t->now(t->ctx);
    for (int n = 0; n < MAX_RUNS; n++) {
        if ((status = advance(a, err)) != CG_OK)
            return status;
        now = totals(a);
        seconds = t->now(t->ctx) - start;
        rate = seconds > 0 ? (double)(now.tokens - before.tokens) / seconds : 0;
        if (seconds >= t->seconds || now.steps - before.steps >= MAX_STEPS ||
            (seconds >= t->seconds / 4 && rate < hopeless * best))
            break;
    }
    if (rate <= 0)
        return cg_fail(err, CG_ERR_INTERNAL, "no tokens in %d runs", MAX_RUNS);
    *ret_rate = rate;
    return CG_OK;
}

/* Try a pair at a batch; the figure tells what became of it. */
static cg_status attempt(const cg_tuner *t, int32_t pair, int32_t batch_size, double best,
                         cg_tuning *tuning, cg_error *err)
{
    cg_tuning_figure *f = &tuning->figures[tuning->n_figures++];
    struct attempt a = { t, NULL, t->work.first_generation, batch_size };
    cg_error why = CG_ERROR_INIT;
    cg_status status = t->open(t->ctx, pair, batch_size, &a.ex, &why);

    *f = (cg_tuning_figure) { CG_SIZED(cg_tuning_figure), .batch_size = batch_size };
    snprintf(f->attention, sizeof f->attention, "%s", t->pairs[pair].attention);
    snprintf(f->kv_cache, sizeof f->kv_cache, "%s", t->pairs[pair].kv_cache);
    if (status == CG_OK) {
        status = measure(&a, best, &f->tokens_per_second, &why);
        a.ex->ops->destroy(a.ex);
    }
    if (status == CG_OK)
        return CG_OK;
    snprintf(f->refused, sizeof f->refused, "%.*s", (int)sizeof f->refused - 1,
             why.msg[0] ? why.msg : cg_status_name(status));
    for (char *c = f->refused; *c; c++) /* the cut may have split a character */
        if ((unsigned char)*c >= 0x80)
            *c = '?';
    return cg_fail(err, status, "%s", f->refused);
}

/* ---- the search --------------------------------------------------------------------------- */

/* Growing batches with one pair: figures [from, n_figures). */
static void try_batches(const cg_tuner *t, int32_t pair, cg_tuning *tuning, cg_error *err)
{
    double best = 0;
    int flat = 0;

    for (int32_t i = 0; i < t->n_batches && flat < FLAT_BATCHES; i++) {
        double rate;

        if (attempt(t, pair, t->batches[i], 0, tuning, err) != CG_OK)
            return; /* a larger one needs more memory still */
        rate = tuning->figures[tuning->n_figures - 1].tokens_per_second;
        flat = rate * good_enough > best ? 0 : flat + 1;
        best = rate > best ? rate : best;
    }
}

/* The smallest batch that is good enough; NULL if none of the figures from `from` on succeeded. */
static const cg_tuning_figure *choose_batch(const cg_tuning *tuning, int32_t from)
{
    double best = 0;

    for (int32_t i = from; i < tuning->n_figures; i++)
        if (tuning->figures[i].tokens_per_second > best)
            best = tuning->figures[i].tokens_per_second;
    for (int32_t i = from; i < tuning->n_figures && best > 0; i++)
        if (tuning->figures[i].tokens_per_second >= good_enough * best)
            return &tuning->figures[i];
    return NULL;
}

static void choose(cg_tuning *tuning, const cg_tuning_figure *f)
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
        return cg_fail(err, CG_ERR_LIMIT, "tuning: %d pairs and %d batches", t->n_pairs,
                       t->n_batches);
    for (; pair < t->n_pairs && !f; pair++) { /* a pair whose first attempt fails has one figure */
        int32_t from = tuning.n_figures;

        try_batches(t, pair, &tuning, pair ? &why : &first);
        f = choose_batch(&tuning, from);
    }
    if (!f)
        return cg_fail(err, CG_ERR_UNSUPPORTED, "%s", first.msg);
    choose(&tuning, f);
    for (; pair < t->n_pairs; pair++) {
        if (attempt(t, pair, tuning.batch_size, tuning.tokens_per_second, &tuning, &why) != CG_OK)
            continue;
        f = &tuning.figures[tuning.n_figures - 1];
        if (f->tokens_per_second > better_by * tuning.tokens_per_second)
            choose(&tuning, f);
    }
    tuning.seconds = t->now(t->ctx) - start;
    *ret_tuning = tuning;
    return CG_OK;
}

/* ---- text --------------------------------------------------------------------------------- */

/* Digits in groups of three: 310,000. */
static void group(double value, char *ret_text, size_t cap)
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

        group(f->tokens_per_second, rate, sizeof rate);
        if (f->refused[0])
            n = snprintf(ret_text + at, cap - at, "%s%s/%s %d refused: %s", i ? "; " : "",
                         f->attention, f->kv_cache, f->batch_size, f->refused);
        else
            n = snprintf(ret_text + at, cap - at, "%s%s/%s %d: %s%s", i ? "; " : "", f->attention,
                         f->kv_cache, f->batch_size, rate, i ? "" : " tokens/s");
        if (n < 0 || (size_t)n >= cap - at)
            break; /* the text is cut */
        at += (size_t)n;
    }
    return ret_text;
}
