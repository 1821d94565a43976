/* SPDX-License-Identifier: MIT */
#include "engine/tuning.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "engine/tuning_job.h"

enum {
    WARM_UP_STEPS = 24, /* graphs are captured and algorithms selected in the first steps */
    GPU_STEPS = 8,      /* of a run; of one on the CPU, where a step may take a second: 1 */
    MAX_STEPS = 512,    /* of a short time; a conformer of a drug has 150 to 500 */
    MAX_RUNS = 10000,   /* bound on calls of a broken executor */
    JOB_SECONDS = 16,   /* of a job at most, in short times */
    FLAT_BATCHES = 2,   /* the search ends after this many larger batches without a gain */
};

/* A smaller batch at this share of the best rate wins: less memory, a shorter end of the run. */
static const double good_share = 0.97;
/* A job is worth its time for pairs whose rate of a short time is at least this share of the best.
 */
static const double finalist_share = 0.9;
/* Another pair must be faster than an earlier one by more than jobs of three drugs tell: in runs
 * over a list, flash over paged was 4 % faster than over static, in jobs 2 % slower. */
static const double min_gain = 1.03;
/* A short time below this share of the best rate after a quarter of it is stopped; so is a job that
 * cannot reach it any more. */
static const double hopeless_share = 0.75;

#define LEFT_OUT "left out"

/* ---- a short time -------------------------------------------------------------------------- */

struct measurement {
    const cg_tuner *tuner;
    cg_executor *ex;
    uint32_t generation;
    int32_t batch_size;
};

static cg_status admit(struct measurement *m, int32_t slot, cg_error *err)
{
    const cg_work *w = &m->tuner->works[0];
    cg_sequence_job job = { w->program, { 0, w->molecule, m->generation++ }, w->geometry };

    return m->ex->ops->admit(m->ex, slot, 0, &job, err);
}

static cg_status run_steps(struct measurement *m, cg_error *err)
{
    return m->ex->ops->run(m->ex, m->tuner->device == CG_DEVICE_CPU ? 1 : GPU_STEPS, err);
}

static cg_status compute_prompt(struct measurement *m, cg_error *err)
{
    const cg_work *w = &m->tuner->works[0];

    CG_TRY(m->ex->ops->begin_prompt(m->ex, 0, w->prompt, w->n_prompt, err));
    for (int n = 0; !m->ex->ops->prompt_ready(m->ex, 0); n++) {
        if (n == MAX_RUNS)
            return cg_fail(err, CG_ERR_INTERNAL, "the prompt is not ready after %d runs", n);
        CG_TRY(run_steps(m, err));
    }
    return CG_OK;
}

/* Runs some steps and refills the slots of completed sequences. */
static cg_status advance(struct measurement *m, cg_error *err)
{
    cg_sequence_result result;

    CG_TRY(run_steps(m, err));
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

/* Fills all slots and runs until graphs and algorithms are settled, at most the short time. */
static cg_status warm_up(struct measurement *m, cg_error *err)
{
    const cg_tuner *t = m->tuner;
    double start = t->now(t->ctx);
    int64_t end;

    CG_TRY(compute_prompt(m, err));
    for (int32_t i = 0; i < m->batch_size; i++)
        CG_TRY(admit(m, i, err));
    end = totals(m).steps + WARM_UP_STEPS;
    for (int n = 0; totals(m).steps < end && (!n || t->now(t->ctx) - start < t->seconds); n++) {
        if (n == MAX_RUNS)
            return cg_fail(err, CG_ERR_INTERNAL, "no steps after %d runs", n);
        CG_TRY(advance(m, err));
    }
    return CG_OK;
}

/* Measures tokens evaluated per second. Stops early if the rate stays far below `best` (0:
 * unknown). */
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

/* ---- attempts ----------------------------------------------------------------------------- */

enum attempt_kind { SHORT_TIME, WHOLE_JOB };

struct tuning_search {
    const cg_tuner *tuner;
    cg_tuning tuning;
    int32_t pair_of[CG_TUNING_ATTEMPTS]; /* index of an attempt's pair */
    double start;
    double sequence_tokens; /* mean of a completed job; 0: none */
    int has_batch;          /* step 1 is over */
};

void cg_tuning_set_refused(cg_tuning_attempt *a, const char *why)
{
    snprintf(a->refused, sizeof a->refused, "%.*s", (int)sizeof a->refused - 1, why);
    for (char *c = a->refused; *c; c++) /* a cut may split a UTF-8 character */
        if ((unsigned char)*c >= 0x80)
            *c = '?';
}

/*
 * Runs the job of an attempt. Once one has been completed, others are stopped as soon as they
 * cannot reach hopeless_share of the best rate.
 */
static cg_status measure_job(struct tuning_search *s, cg_executor *ex, cg_tuning_attempt *a,
                             double best, cg_error *err)
{
    double limit = JOB_SECONDS * s->tuner->seconds;
    double tokens = s->sequence_tokens * CG_TUNING_JOB_BATCHES * a->batch_size; /* expected */
    cg_tuning_job_result r;

    if (best > 0 && tokens > 0 && tokens / (hopeless_share * best) < limit)
        limit = tokens / (hopeless_share * best);
    CG_TRY(cg_tuning_job(s->tuner, ex, a->batch_size, limit, &r, err));
    if (!r.n_conformers && (s->sequence_tokens > 0 || r.tokens < 1))
        return cg_fail(err, CG_ERR_LIMIT, LEFT_OUT ": its job takes more than %.1f s", limit);
    a->n_conformers = r.n_conformers;
    a->tokens_per_second = (double)r.tokens / r.seconds;
    if (r.n_conformers)
        s->sequence_tokens = (double)r.tokens / r.n_conformers;
    return CG_OK;
}

static cg_status measure_kind(struct tuning_search *s, enum attempt_kind kind, int32_t pair,
                              cg_tuning_attempt *a, double best, cg_error *err)
{
    const cg_tuner *t = s->tuner;
    struct measurement m = { t, NULL, t->works[0].first_generation, a->batch_size };
    cg_status st;

    CG_TRY(t->open(t->ctx, pair, a->batch_size, &m.ex, err));
    st = kind == SHORT_TIME ? measure(&m, best, &a->tokens_per_second, err)
                            : measure_job(s, m.ex, a, best, err);
    m.ex->ops->destroy(m.ex);
    return st;
}

/*
 * Measures a pair at a batch size and appends the attempt, also a failed one or one that is left
 * out for lack of time, half of which is for jobs.
 *
 * @param best  rate of the same kind to compare with; 0: unknown
 */
static cg_status try_pair(struct tuning_search *s, enum attempt_kind kind, int32_t pair,
                          int32_t batch_size, double best, cg_error *err)
{
    const cg_tuner *t = s->tuner;
    cg_tuning_attempt *a = &s->tuning.attempts[s->tuning.n_attempts];
    double seconds = t->now(t->ctx) - s->start;
    cg_error why = CG_ERROR_INIT;
    cg_status st;

    s->pair_of[s->tuning.n_attempts++] = pair;
    *a = (cg_tuning_attempt) { CG_SIZED(cg_tuning_attempt), .batch_size = batch_size };
    snprintf(a->attention, sizeof a->attention, "%s", t->pairs[pair].attention);
    snprintf(a->kv_cache, sizeof a->kv_cache, "%s", t->pairs[pair].kv_cache);
    if (s->has_batch && seconds >= (kind == SHORT_TIME && t->has_jobs ? t->budget / 2 : t->budget))
        st = cg_fail(&why, CG_ERR_LIMIT, LEFT_OUT ": tuning has taken %.0f s", seconds);
    else
        st = measure_kind(s, kind, pair, a, best, &why);
    if (st == CG_OK)
        return CG_OK;
    a->tokens_per_second = 0;
    cg_tuning_set_refused(a, why.msg[0] ? why.msg : cg_status_name(st));
    return cg_fail(err, st, "%s", a->refused);
}

/* ---- the search --------------------------------------------------------------------------- */

/* Measures increasing batches with one pair. */
static void try_batches(struct tuning_search *s, int32_t pair, cg_error *err)
{
    const cg_tuner *t = s->tuner;
    double best = 0;
    int flat = 0;

    for (int32_t i = 0; i < t->n_batches && flat < FLAT_BATCHES; i++) {
        double rate;

        if (try_pair(s, SHORT_TIME, pair, t->batches[i], 0, err) != CG_OK)
            return; /* a larger batch needs even more memory */
        rate = s->tuning.attempts[s->tuning.n_attempts - 1].tokens_per_second;
        flat = rate * good_share > best ? 0 : flat + 1;
        best = rate > best ? rate : best;
    }
}

/*
 * Rate of attempt i as one of a kind, 0 if it is not: a whole job is one that was completed, unless
 * none was.
 */
static double rate_of(const struct tuning_search *s, int32_t i, enum attempt_kind kind)
{
    const cg_tuning_attempt *a = &s->tuning.attempts[i];

    return kind == WHOLE_JOB && s->sequence_tokens > 0 && !a->n_conformers ? 0
                                                                           : a->tokens_per_second;
}

/* The best rate since attempt `from`. */
static double best_rate(const struct tuning_search *s, int32_t from, enum attempt_kind kind)
{
    double best = 0;

    for (int32_t i = from; i < s->tuning.n_attempts; i++)
        if (rate_of(s, i, kind) > best)
            best = rate_of(s, i, kind);
    return best;
}

/*
 * Among the attempts since `from`, all of a kind: the smallest batch close to the best rate, and
 * the fastest pair at it, or an earlier one within 3 % of it; -1 without a
 * success.
 */
static int32_t find_best(const struct tuning_search *s, int32_t from, enum attempt_kind kind)
{
    double best = best_rate(s, from, kind), at_batch = 0;
    const cg_tuning_attempt *a = s->tuning.attempts;
    int32_t n = s->tuning.n_attempts, batch = INT32_MAX, found = -1;

    if (!(best > 0))
        return -1;
    for (int32_t i = from; i < n; i++)
        if (rate_of(s, i, kind) >= good_share * best && a[i].batch_size < batch)
            batch = a[i].batch_size;
    for (int32_t i = from; i < n; i++)
        if (a[i].batch_size == batch && rate_of(s, i, kind) > at_batch)
            at_batch = rate_of(s, i, kind);
    for (int32_t i = from; i < n; i++)
        if (a[i].batch_size == batch && rate_of(s, i, kind) * min_gain >= at_batch &&
            (found < 0 || s->pair_of[i] < s->pair_of[found]))
            found = i;
    return found;
}

/* Steps 1 and 2. *ret_batch: that of the next ones. */
static cg_status try_short_times(struct tuning_search *s, int32_t *ret_batch, cg_error *err)
{
    const cg_tuner *t = s->tuner;
    cg_error first = CG_ERROR_INIT, why = CG_ERROR_INIT;
    int32_t pair = 0, best = -1;
    double rate;

    for (; pair < t->n_pairs && best < 0; pair++) { /* until one of them works */
        int32_t from = s->tuning.n_attempts;

        try_batches(s, pair, pair ? &why : &first);
        best = find_best(s, from, SHORT_TIME);
    }
    if (best < 0)
        return cg_fail(err, CG_ERR_UNSUPPORTED, "%s", first.msg);
    s->has_batch = 1;
    *ret_batch = s->tuning.attempts[best].batch_size;
    rate = s->tuning.attempts[best].tokens_per_second;
    for (; pair < t->n_pairs; pair++)
        if (try_pair(s, SHORT_TIME, pair, *ret_batch, rate, &why) == CG_OK &&
            s->tuning.attempts[s->tuning.n_attempts - 1].tokens_per_second > rate)
            rate = s->tuning.attempts[s->tuning.n_attempts - 1].tokens_per_second;
    return CG_OK;
}

/* The fastest pairs at a batch, in order; returns their number. */
static int32_t find_finalists(const struct tuning_search *s, int32_t batch,
                              int32_t ret_pairs[CG_TUNING_FINALISTS])
{
    const cg_tuning_attempt *a = s->tuning.attempts;
    int32_t attempts[CG_TUNING_FINALISTS], n = 0;
    double best = 0;

    for (int32_t i = 0; i < s->tuning.n_attempts; i++)
        if (a[i].batch_size == batch && a[i].tokens_per_second > best)
            best = a[i].tokens_per_second;
    for (int32_t i = 0; i < s->tuning.n_attempts; i++) {
        int32_t at = n;

        if (a[i].batch_size != batch || a[i].tokens_per_second < finalist_share * best)
            continue;
        while (at > 0 && a[attempts[at - 1]].tokens_per_second < a[i].tokens_per_second)
            at--;
        if (at == CG_TUNING_FINALISTS)
            continue;
        n += n < CG_TUNING_FINALISTS;
        memmove(attempts + at + 1, attempts + at, (size_t)(n - 1 - at) * sizeof *attempts);
        attempts[at] = i;
    }
    for (int32_t i = 0; i < n; i++)
        ret_pairs[i] = s->pair_of[attempts[i]];
    return n;
}

/* Measures the job of a pair; compares with the best of the jobs since attempt `from`. */
static void try_job(struct tuning_search *s, int32_t pair, int32_t batch, int32_t from)
{
    (void)try_pair(s, WHOLE_JOB, pair, batch, best_rate(s, from, WHOLE_JOB), NULL);
}

/* Steps 3 and 4, whose attempts begin at `from`. */
static void try_jobs(struct tuning_search *s, int32_t batch, int32_t from)
{
    const cg_tuner *t = s->tuner;
    int32_t pairs[CG_TUNING_FINALISTS], n = find_finalists(s, batch, pairs);
    double best;

    for (int32_t i = 0; i < n; i++)
        try_job(s, pairs[i], batch, from);
    best = best_rate(s, from, WHOLE_JOB);
    for (int32_t i = 0; i < n; i++) {
        if (rate_of(s, from + i, WHOLE_JOB) < good_share * best || !(best > 0))
            continue;
        for (int32_t k = 0; k < t->n_batches; k++)
            if (t->batches[k] == 2 * batch || 2 * t->batches[k] == batch)
                try_job(s, pairs[i], t->batches[k], from);
    }
}

static void select_attempt(cg_tuning *tuning, const cg_tuning_attempt *a)
{
    memcpy(tuning->attention, a->attention, sizeof tuning->attention);
    memcpy(tuning->kv_cache, a->kv_cache, sizeof tuning->kv_cache);
    tuning->batch_size = a->batch_size;
    tuning->tokens_per_second = a->tokens_per_second;
}

static cg_status check_tuner(const cg_tuner *t, cg_error *err)
{
    if (t->n_pairs < 1 || t->n_pairs > CG_TUNING_PAIRS || t->n_batches < 1 ||
        t->n_batches > CG_TUNING_BATCHES || t->n_works < 1 || t->n_works > CG_TUNING_WORKS ||
        t->n_left_out < 0 || t->n_left_out > CG_TUNING_PAIRS)
        return cg_fail(err, CG_ERR_LIMIT,
                       "tuning: found %d pairs, %d batches and %d molecules, wanted 1 to %d, 1 to "
                       "%d and 1 to %d",
                       t->n_pairs, t->n_batches, t->n_works, CG_TUNING_PAIRS, CG_TUNING_BATCHES,
                       CG_TUNING_WORKS);
    return CG_OK;
}

static cg_status run_search(struct tuning_search *s, cg_error *err)
{
    int32_t batch, n_short, best, best_short;

    CG_TRY(try_short_times(s, &batch, err));
    best_short = find_best(s, 0, SHORT_TIME);
    n_short = s->tuning.n_attempts;
    if (s->tuner->has_jobs)
        try_jobs(s, batch, n_short);
    best = find_best(s, n_short, WHOLE_JOB);
    if (best < 0) /* no jobs, no time was left for one, or all have failed */
        best = best_short;
    select_attempt(&s->tuning, &s->tuning.attempts[best]);
    return CG_OK;
}

cg_status cg_tune(const cg_tuner *t, cg_tuning *ret_tuning, cg_error *err)
{
    struct tuning_search *s;
    cg_status st;

    CG_TRY(check_tuner(t, err));
    s = calloc(1, sizeof *s);
    if (!s)
        return cg_fail_nomem(err, "tuning");
    s->tuner = t;
    s->start = t->now(t->ctx);
    st = run_search(s, err);
    if (st == CG_OK) {
        for (int32_t i = 0; i < t->n_left_out; i++)
            s->tuning.attempts[s->tuning.n_attempts++] = t->left_out[i];
        s->tuning.seconds = t->now(t->ctx) - s->start;
        *ret_tuning = s->tuning;
    }
    free(s);
    return st;
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

/* Kinds of attempts, in the order of the text. */
enum { JOBS, SHORT_TIMES, REFUSED, KINDS };

static int kind_of(const cg_tuning_attempt *a)
{
    return a->refused[0] ? REFUSED : a->n_conformers ? JOBS : SHORT_TIMES;
}

/* Writes an attempt; `is_first` of its kind. */
static int write_attempt(const cg_tuning_attempt *a, int is_first, char *ret_text, size_t cap)
{
    char rate[48], n[48];

    format_grouped(a->tokens_per_second, rate, sizeof rate);
    format_grouped(a->n_conformers, n, sizeof n);
    switch (kind_of(a)) {
    case JOBS:
        return snprintf(ret_text, cap, "%s/%s %d: %s%s%s%s", a->attention, a->kv_cache,
                        a->batch_size, rate, is_first ? " tokens/s of " : " of ", n,
                        is_first ? " conformers" : "");
    case SHORT_TIMES:
        return snprintf(ret_text, cap, "%s%s/%s %d: %s", is_first ? "short: " : "", a->attention,
                        a->kv_cache, a->batch_size, rate);
    default:
        return snprintf(ret_text, cap, "%s/%s %d %s%s", a->attention, a->kv_cache, a->batch_size,
                        strncmp(a->refused, LEFT_OUT, strlen(LEFT_OUT)) ? "refused: " : "",
                        a->refused);
    }
}

char *cg_tuning_text(const cg_tuning *tuning, char *ret_text, size_t cap)
{
    size_t at = 0;

    ret_text[0] = '\0';
    for (int kind = 0; kind < KINDS; kind++) {
        int is_first = 1;

        for (int32_t i = 0; i < tuning->n_attempts; i++) {
            const cg_tuning_attempt *a = &tuning->attempts[i];
            int n;

            if (kind_of(a) != kind)
                continue;
            n = snprintf(ret_text + at, cap - at, "%s", at ? "; " : "");
            if (n < 0 || (size_t)n >= cap - at)
                return ret_text; /* cut to cap */
            at += (size_t)n;
            n = write_attempt(a, is_first, ret_text + at, cap - at);
            if (n < 0 || (size_t)n >= cap - at)
                return ret_text;
            at += (size_t)n;
            is_first = 0;
        }
    }
    return ret_text;
}
