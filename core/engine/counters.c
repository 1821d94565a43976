/* SPDX-License-Identifier: MIT */
#include "engine/counters.h"

#include <stddef.h>
#include <string.h>

#include "check/checker.h"

/* ---- the table ---------------------------------------------------------------------------- */

_Static_assert((int)CG_CHECK_COUNT <= (int)CG_MAX_CHECKS, "cg_report has room for all checks");
_Static_assert((int)CG_CAUSES <= (int)CG_MAX_CAUSES, "cg_report has room for all causes");

const char *cg_check_describe(int32_t id, const char **ret_meaning)
{
    if (id < 0 || id >= CG_CHECK_COUNT)
        return NULL;
    if (ret_meaning)
        *ret_meaning = cg_check_description((cg_check_id)id);
    return cg_check_name((cg_check_id)id);
}

const char *cg_fault_describe(int32_t cause)
{
    return cause >= 0 && cause < CG_CAUSES ? cg_fault_cause_name((cg_fault_cause)cause) : NULL;
}

static const char *check_label(int32_t i)
{
    return cg_check_describe(i, NULL);
}

#define COUNTER(member, type_, rule_, path)                                                        \
    {                                                                                              \
        CG_SIZED(cg_report_counter), .name = #member, .json_path = path,                           \
                                     .offset = offsetof(cg_report, member), .type = type_,         \
                                     .rule = rule_, .n = 1                                         \
    }
#define COUNTERS(member, count, path, label_, first_)                                              \
    {                                                                                              \
        CG_SIZED(cg_report_counter),                                                               \
            .name = #member, .json_path = path, .offset = offsetof(cg_report, member),             \
            .type = CG_COUNTER_INT64, .rule = CG_COUNTER_SUM, .n = count, .label = label_,         \
            .first = first_                                                                        \
    }
#define COUNT(member, path) COUNTER(member, CG_COUNTER_INT64, CG_COUNTER_SUM, path)
#define STATE(member, path) COUNTER(member, CG_COUNTER_INT64, CG_COUNTER_MAX, path)
#define TIME(member, path)  COUNTER(member, CG_COUNTER_REAL, CG_COUNTER_SUM, path)

static const cg_report_counter counters[] = {
    STATE(total_molecules, NULL),
    STATE(total_conformers, NULL),
    STATE(expected_tokens, NULL),
    COUNTER(n_executors, CG_COUNTER_INT32, CG_COUNTER_MAX, NULL),
    COUNTER(halvings, CG_COUNTER_INT32, CG_COUNTER_MAX, "engine.halvings"),
    COUNTERS(executor_tokens, CG_MAX_GPUS, NULL, NULL, 0),

    COUNT(molecules, "counts.molecules"),
    COUNT(molecules_failed, "counts.molecules_failed"),
    COUNT(molecules_resumed, "counts.molecules_resumed"),
    COUNT(requested, "counts.requested"),
    COUNT(conformers, "counts.conformers"),
    COUNT(conformers_resumed, "counts.conformers_resumed"),
    COUNT(failed_input, "counts.failures.whole_molecules.bad_input"),
    COUNT(failed_limit, "counts.failures.whole_molecules.too_large"),
    COUNT(failed_unsupported, "counts.failures.whole_molecules.unsupported"),
    COUNT(repeated_names, "counts.input.repeated_names"),
    COUNT(dropped_extensions, "counts.input.dropped_extensions"),
    COUNT(stereo_groups, "counts.input.stereo_groups"),
    COUNT(lost_stereo, "counts.input.lost_stereo"),
    COUNT(wrong_molecules, "counts.failures.wrong_molecule"),
    COUNT(parse_failures, "counts.failures.parse_failure"),
    COUNT(unfinished, "counts.failures.unfinished"),
    COUNT(invalid_geometry, "counts.failures.invalid_geometry"),
    COUNT(prompt_tokens, "counts.tokens.prompt"),
    COUNT(tokens, "counts.tokens.completion"),
    COUNT(sampled, "counts.tokens.sampled"),
    COUNT(forced, "counts.tokens.forced"),
    COUNT(steps, "counts.steps"),
    COUNT(prompt_steps, "counts.prompt_steps"),
    COUNT(prompt_step_rows, "counts.prompt_step_rows"),
    COUNT(sequences, NULL),
    COUNT(evaluated, NULL),
    COUNT(attended, NULL),
    COUNT(step_rows, NULL),
    STATE(head_rows, NULL),

    COUNT(checked, "checks.checked"),
    COUNT(passed, "checks.passed_all"),
    COUNT(unchecked, "checks.unchecked"),
    COUNTERS(check_done, CG_MAX_CHECKS, "checks.tests.*.done", check_label, 0),
    COUNTERS(check_failed, CG_MAX_CHECKS, "checks.tests.*.failed", check_label, 0),
    COUNTERS(check_unchecked, CG_MAX_CHECKS, "checks.tests.*.unchecked", check_label, 0),
    COUNT(retried, "checks.retried"),
    COUNT(fixed_by_retry, "checks.fixed_by_retry"),

    COUNTERS(geometry_count, CG_MAX_CAUSES, "geometry.faults.*", cg_fault_describe, 1),
    COUNT(geometry_moved, "geometry.atoms_moved"),
    COUNT(geometry_restarts, "geometry.restarts"),
    COUNT(geometry_discarded_tokens, "geometry.tokens_discarded"),
    COUNT(geometry_untested_stereo, "geometry.untested_stereo"),
    COUNT(geometry_untested_molecules, "geometry.untested_molecules"),
    COUNT(hydrogens_moved, "geometry.hydrogens_moved"),
    COUNT(hydrogens_failed, "geometry.hydrogens_failed"),

    COUNT(minimized, "energy.minimized"),
    COUNT(minimized_rejected, "energy.rejected"),
    COUNT(energy_refused, "energy.refused_molecules"),
    COUNT(energy_uff, "energy.uff_molecules"),

    COUNT(dropped_rmsd, "ensemble.pruned"),
    COUNT(dropped_energy, "ensemble.above_energy_window"),
    COUNT(dropped_number, "ensemble.above_max_conformers"),

    TIME(seconds, "seconds.total"),
    TIME(decode_seconds, "seconds.decode"),
    TIME(matmul_seconds, "seconds.matmul"),
    TIME(attention_seconds, "seconds.attention"),
    TIME(sample_seconds, "seconds.sample"),
    TIME(prompt_step_seconds, "seconds.prompt_steps"),
    TIME(chemistry_seconds, "seconds.chemistry"),
    TIME(template_seconds, "seconds.template"),
    TIME(record_seconds, "seconds.record"),
    TIME(minimize_seconds, "seconds.minimize"),
    TIME(prune_seconds, "seconds.prune"),
    TIME(device_seconds, NULL),
    TIME(idle_seconds, NULL),

    STATE(token_cache_hits, "token_cache.hits"),
    STATE(token_cache_misses, "token_cache.misses"),
    STATE(peak_bytes, "bytes.peak_memory"),
    STATE(kv_bytes, "bytes.kv_cache"),
    STATE(device_bytes, "bytes.device"),
    COUNT(bytes_written, "bytes.written"),
};

enum { N_COUNTERS = sizeof counters / sizeof counters[0] };

const cg_report_counter *cg_report_describe(int32_t i)
{
    return i >= 0 && i < N_COUNTERS ? &counters[i] : NULL;
}

/* ---- adding ------------------------------------------------------------------------------- */

#define COMBINE(rule, a, b) ((rule) == CG_COUNTER_SUM ? (a) + (b) : (a) > (b) ? (a) : (b))

static void add_value(int32_t type, int32_t rule, char *sum, const char *part, int32_t i)
{
    int32_t *a32 = (int32_t *)sum + i;
    int64_t *a64 = (int64_t *)sum + i;
    double *real = (double *)sum + i;

    switch (type) {
    case CG_COUNTER_INT32:
        *a32 = COMBINE(rule, *a32, ((const int32_t *)part)[i]);
        break;
    case CG_COUNTER_INT64:
        *a64 = COMBINE(rule, *a64, ((const int64_t *)part)[i]);
        break;
    default:
        *real = COMBINE(rule, *real, ((const double *)part)[i]);
    }
}

/* Whether a report, which may be shorter, holds a counter. */
static int holds(const cg_report *r, const cg_report_counter *c)
{
    uint32_t element = c->type == CG_COUNTER_INT32 ? 4 : 8;

    return r->struct_size >= c->offset + (uint32_t)c->n * element;
}

void cg_report_add(cg_report *sum, const cg_report *part)
{
    for (int32_t k = 0; k < N_COUNTERS; k++) {
        const cg_report_counter *c = &counters[k];

        if (!holds(sum, c) || !holds(part, c))
            continue;
        for (int32_t i = 0; i < c->n; i++)
            add_value(c->type, c->rule, (char *)sum + c->offset, (const char *)part + c->offset, i);
    }
}

/* ---- counting ----------------------------------------------------------------------------- */

void cg_report_count_failure(cg_report *r, cg_status failure)
{
    r->failed_input += failure == CG_ERR_INPUT;
    r->failed_limit += failure == CG_ERR_LIMIT;
    r->failed_unsupported += failure == CG_ERR_UNSUPPORTED;
}

void cg_report_count_verdict(cg_report *r, int32_t verdict, int64_t n)
{
    switch (verdict) {
    case CG_CONFORMER_OK:
        r->conformers += n;
        break;
    case CG_CONFORMER_WRONG_MOLECULE:
        r->wrong_molecules += n;
        break;
    case CG_CONFORMER_PARSE_FAILURE:
        r->parse_failures += n;
        break;
    case CG_CONFORMER_UNFINISHED:
        r->unfinished += n;
        break;
    default:
        r->invalid_geometry += n;
    }
}

void cg_report_count_repair(cg_report *r, const cg_repair_counts *repair)
{
    for (int32_t i = 0; i < CG_CAUSES; i++)
        r->geometry_count[i] += repair->count[i];
    r->geometry_moved += repair->moved;
    r->geometry_restarts += repair->restarts;
    r->geometry_discarded_tokens += repair->wasted;
}

/* ---- executors ---------------------------------------------------------------------------- */

/* TOTAL grows with the work; LATEST and PEAK describe the executor. */
enum stat_rule { TOTAL, LATEST, PEAK };

#define NOT_REPORTED SIZE_MAX
#define STAT(rule_, type_, member, in_report)                                                      \
    {                                                                                              \
        rule_, type_, offsetof(cg_executor_stats, member), in_report                               \
    }
#define AS(member) offsetof(cg_report, member)

/* The members of cg_executor_stats, and those of the report that count them. */
static const struct executor_stat {
    enum stat_rule rule;
    int32_t type;
    size_t in_stats, in_report;
} executor_stats[] = {
    STAT(TOTAL, CG_COUNTER_INT64, steps, AS(steps)),
    STAT(TOTAL, CG_COUNTER_INT64, prompt_tokens, AS(prompt_tokens)),
    STAT(TOTAL, CG_COUNTER_INT64, tokens, AS(evaluated)),
    STAT(TOTAL, CG_COUNTER_INT64, sampled, NOT_REPORTED), /* counted when a sequence completes */
    STAT(TOTAL, CG_COUNTER_INT64, forced, NOT_REPORTED),
    STAT(TOTAL, CG_COUNTER_REAL, seconds, AS(decode_seconds)),
    STAT(TOTAL, CG_COUNTER_REAL, matmul_seconds, AS(matmul_seconds)),
    STAT(TOTAL, CG_COUNTER_REAL, attention_seconds, AS(attention_seconds)),
    STAT(TOTAL, CG_COUNTER_REAL, sample_seconds, AS(sample_seconds)),
    STAT(TOTAL, CG_COUNTER_INT64, attended, AS(attended)),
    STAT(TOTAL, CG_COUNTER_INT64, step_rows, AS(step_rows)),
    STAT(TOTAL, CG_COUNTER_REAL, device_seconds, AS(device_seconds)),
    STAT(TOTAL, CG_COUNTER_REAL, idle_seconds, AS(idle_seconds)),
    STAT(LATEST, CG_COUNTER_INT64, head_rows, AS(head_rows)),
    STAT(PEAK, CG_COUNTER_INT64, device_bytes, AS(device_bytes)),
    STAT(TOTAL, CG_COUNTER_INT64, prompt_steps, AS(prompt_steps)),
    STAT(TOTAL, CG_COUNTER_INT64, prompt_step_rows, AS(prompt_step_rows)),
    STAT(TOTAL, CG_COUNTER_REAL, prompt_step_seconds, AS(prompt_step_seconds)),
};
enum { N_EXECUTOR_STATS = sizeof executor_stats / sizeof executor_stats[0] };

void cg_executor_stats_add(cg_executor_stats *sum, const cg_executor_stats *part)
{
    for (size_t k = 0; k < N_EXECUTOR_STATS; k++) {
        const struct executor_stat *s = &executor_stats[k];
        char *to = (char *)sum + s->in_stats;
        const char *from = (const char *)part + s->in_stats;

        if (s->rule == LATEST)
            memcpy(to, from, sizeof(int64_t));
        else
            add_value(s->type, s->rule == TOTAL ? CG_COUNTER_SUM : CG_COUNTER_MAX, to, from, 0);
    }
}

void cg_report_count_executor(cg_report *r, const cg_executor_stats *before,
                              const cg_executor_stats *after)
{
    for (size_t k = 0; k < N_EXECUTOR_STATS; k++) {
        const struct executor_stat *s = &executor_stats[k];
        const char *was = (const char *)before + s->in_stats;
        const char *now = (const char *)after + s->in_stats;
        char *to = (char *)r + s->in_report;

        if (s->in_report == NOT_REPORTED)
            continue;
        if (s->rule == LATEST)
            memcpy(to, now, sizeof(int64_t));
        else if (s->rule == PEAK) /* each executor has memory of its own */
            add_value(s->type, CG_COUNTER_SUM, to, now, 0);
        else if (s->type == CG_COUNTER_REAL)
            *(double *)to += *(const double *)now - *(const double *)was;
        else
            *(int64_t *)to += *(const int64_t *)now - *(const int64_t *)was;
    }
}
