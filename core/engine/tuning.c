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

/* ---- one measurement ---------------------------------------------------------------------- */

struct measurement {
    const cg_tuner *tuner;
    cg_executor *ex;
    uint32_t generation;
    int32_t batch_size;
};

static cg_status admit(struct measurement *m, int32_t slot, cg_error *err)
{
    const cg_work *w = &m->tuner->work;
    cg_sequence_job job = { w->program, { 0, w->molecule, m->generation++ }, w->geometry };

    return m->ex->ops->admit(m->ex, slot, 0, &job, err);
}

static cg_status compute_prompt(struct measurement *m, cg_error *err)
{
    const cg_work *w = &m->tuner->work;

    CG_TRY(m->ex->ops->begin_prompt(m->ex, 0, w->prompt, w->n_prompt, err));
    for (int n = 0; !m->ex->ops->prompt_ready(m->ex, 0); n++) {
        if (n == MAX_RUNS)
            return cg_fail(err, CG_ERR_INTERNAL, "the prompt is not ready after %d runs", n);
        CG_TRY(m->ex->ops->run(m->ex, STEPS_PER_RUN, err));
    }
    return CG_OK;
}

/* Runs some steps and refills the slots of completed sequences. */
static cg_status advance(struct measurement *m, cg_error *err)
{
    cg_sequence_result result;

    CG_TRY(m->ex->ops->run(m->ex, STEPS_PER_RUN, err));
    while (m->ex->ops->collect(m->ex, &result)) {
        m->ex->ops->release(m->ex, result.slot);
        CG_TRY(admit(m, result.slot, err));
    }
    return CG_OK;
}

static cg_executor_stats totals(const struct measurement *m)
{
    cg_executor_stats stats = { 0 };

    m->ex->ops->stats(m->ex, &stats);
    return stats;
}

/* Fills all slots and runs until graphs and algorithms are settled. */
static cg_status warm_up(struct measurement *m, cg_error *err)
{
    int64_t end;

    CG_TRY(compute_prompt(m, err));
    for (int32_t i = 0; i < m->batch_size; i++)
        CG_TRY(admit(m, i, err));
    end = totals(m).steps + WARM_UP_STEPS;
    for (int n = 0; totals(m).steps < end; n++) {
        if (n == MAX_RUNS)
            return cg_fail(err, CG_ERR_INTERNAL, "no steps after %d runs", n);
        CG_TRY(advance(m, err));
    }
    return CG_OK;
}

/* Measures tokens per second. Stops early if the rate stays far below `best` (0: unknown). */
static cg_status measure(struct measurement *m, double best, double *ret_rate, cg_error *err)
{
    const cg_tuner *t = m->tuner;
    cg_executor_stats before, now;
    double start, seconds, rate = 0;

    CG_TRY(warm_up(m, err));
    before = totals(m);
    start = t->now(t->ctx);
    for (int n = 0; n < MAX_RUNS; n++) {
        CG_TRY(advance(m, err));
        now = totals(m);
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

/* Measures a pair at a batch size and appends the attempt, also a failed one. */
static cg_status try_pair(const cg_tuner *t, int32_t pair, int32_t batch_size, double best,
                          cg_tuning *tuning, cg_error *err)
{
    cg_tuning_attempt *a = &tuning->attempts[tuning->n_attempts++];
    struct measurement m = { t, NULL, t->work.first_generation, batch_size };
    cg_error why = CG_ERROR_INIT;
    cg_status st = t->open(t->ctx, pair, batch_size, &m.ex, &why);

    *a = (cg_tuning_attempt) { CG_SIZED(cg_tuning_attempt), .batch_size = batch_size };
    snprintf(a->attention, sizeof a->attention, "%s", t->pairs[pair].attention);
    snprintf(a->kv_cache, sizeof a->kv_cache, "%s", t->pairs[pair].kv_cache);
    if (st == CG_OK) {
        st = measure(&m, best, &a->tokens_per_second, &why);
        m.ex->ops->destroy(m.ex);
    }
    if (st == CG_OK)
        return CG_OK;
    snprintf(a->refused, sizeof a->refused, "%.*s", (int)sizeof a->refused - 1,
             why.msg[0] ? why.msg : cg_status_name(st));
    for (char *c = a->refused; *c; c++) /* a cut may split a UTF-8 character */
        if ((unsigned char)*c >= 0x80)
            *c = '?';
    return cg_fail(err, st, "%s", a->refused);
}

/* ---- the search --------------------------------------------------------------------------- */

/* Measures increasing batches with one pair. */
static void try_batches(const cg_tuner *t, int32_t pair, cg_tuning *tuning, cg_error *err)
{
    double best = 0;
    int flat = 0;

    for (int32_t i = 0; i < t->n_batches && flat < FLAT_BATCHES; i++) {
        double rate;

        if (try_pair(t, pair, t->batches[i], 0, tuning, err) != CG_OK)
            return; /* a larger batch needs even more memory */
        rate = tuning->attempts[tuning->n_attempts - 1].tokens_per_second;
        flat = rate * good_share > best ? 0 : flat + 1;
        best = rate > best ? rate : best;
    }
}

/* The smallest batch close to the best of attempts [from, n_attempts); NULL without a success. */
static const cg_tuning_attempt *find_batch(const cg_tuning *tuning, int32_t from)
{
    double best = 0;

    for (int32_t i = from; i < tuning->n_attempts; i++)
        if (tuning->attempts[i].tokens_per_second > best)
            best = tuning->attempts[i].tokens_per_second;
    for (int32_t i = from; i < tuning->n_attempts && best > 0; i++)
        if (tuning->attempts[i].tokens_per_second >= good_share * best)
            return &tuning->attempts[i];
    return NULL;
}

static void select_attempt(cg_tuning *tuning, const cg_tuning_attempt *a)
{
    memcpy(tuning->attention, a->attention, sizeof tuning->attention);
    memcpy(tuning->kv_cache, a->kv_cache, sizeof tuning->kv_cache);
    tuning->batch_size = a->batch_size;
    tuning->tokens_per_second = a->tokens_per_second;
}

cg_status cg_tune(const cg_tuner *t, cg_tuning *ret_tuning, cg_error *err)
{
    const cg_tuning_attempt *a = NULL;
    cg_error first = CG_ERROR_INIT, why = CG_ERROR_INIT;
    double start = t->now(t->ctx);
    int32_t pair = 0;
    cg_tuning tuning = { .n_attempts = 0 };

    if (t->n_pairs < 1 || t->n_pairs > CG_TUNING_PAIRS || t->n_batches < 1 ||
        t->n_batches > CG_TUNING_BATCHES)
        return cg_fail(err, CG_ERR_LIMIT,
                       "tuning: found %d pairs and %d batches, wanted 1 to %d and 1 to %d",
                       t->n_pairs, t->n_batches, CG_TUNING_PAIRS, CG_TUNING_BATCHES);
    for (; pair < t->n_pairs && !a; pair++) { /* until one of them works */
        int32_t from = tuning.n_attempts;

        try_batches(t, pair, &tuning, pair ? &why : &first);
        a = find_batch(&tuning, from);
    }
    if (!a)
        return cg_fail(err, CG_ERR_UNSUPPORTED, "%s", first.msg);
    select_attempt(&tuning, a);
    for (; pair < t->n_pairs; pair++) {
        if (try_pair(t, pair, tuning.batch_size, tuning.tokens_per_second, &tuning, &why) != CG_OK)
            continue;
        a = &tuning.attempts[tuning.n_attempts - 1];
        if (a->tokens_per_second > min_gain * tuning.tokens_per_second)
            select_attempt(&tuning, a);
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
    for (int32_t i = 0; i < tuning->n_attempts; i++) {
        const cg_tuning_attempt *a = &tuning->attempts[i];
        char rate[48];
        int n;

        format_grouped(a->tokens_per_second, rate, sizeof rate);
        if (a->refused[0])
            n = snprintf(ret_text + at, cap - at, "%s%s/%s %d refused: %s", i ? "; " : "",
                         a->attention, a->kv_cache, a->batch_size, a->refused);
        else
            n = snprintf(ret_text + at, cap - at, "%s%s/%s %d: %s%s", i ? "; " : "", a->attention,
                         a->kv_cache, a->batch_size, rate, i ? "" : " tokens/s");
        if (n < 0 || (size_t)n >= cap - at)
            break; /* cut to cap */
        at += (size_t)n;
    }
    return ret_text;
}
