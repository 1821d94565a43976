/* SPDX-License-Identifier: MIT */
#include "eval/compare.h"

#include "base/error.h"
#include "base/size.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct metric {
    const char *name;
    int higher_is_better;
    int is_rmsd;
} metrics[CG_COMPARE_METRICS] = {
    [CG_COMPARE_COV_R] = { "cov_r", 1, 0 },     [CG_COMPARE_MAT_R] = { "mat_r", 0, 1 },
    [CG_COMPARE_COV_P] = { "cov_p", 1, 0 },     [CG_COMPARE_MAT_P] = { "mat_p", 0, 1 },
    [CG_COMPARE_PASS] = { "pass", 1, 0 },       [CG_COMPARE_WRONG] = { "wrong", 0, 0 },
    [CG_COMPARE_MISSING] = { "missing", 0, 0 },
};

const char *cg_compare_metric_name(cg_compare_metric metric)
{
    return metrics[metric].name;
}

const char *cg_compare_set_name(cg_compare_set set)
{
    return set == CG_COMPARE_BOTH ? "both" : "all";
}

const char *cg_compare_verdict_name(cg_compare_verdict verdict)
{
    static const char *const names[] = { "unknown", "no_difference", "better", "within_tolerance",
                                         "worse" };

    return names[verdict];
}

cg_compare_settings cg_compare_default_settings(void)
{
    return (cg_compare_settings) {
        .bootstrap = { .resamples = 10000, .seed = 1, .level = 0.95 },
    };
}

void cg_eval_comparison_finish(cg_eval_comparison *c)
{
    if (!c)
        return;
    free(c->label_a);
    free(c->label_b);
    memset(c, 0, sizeof *c);
}

cg_status cg_eval_comparison_label(cg_eval_comparison *c, const char *a, const char *b,
                                   cg_error *err)
{
    char *label_a = strdup(a), *label_b = strdup(b);

    if (!label_a || !label_b) {
        free(label_a);
        free(label_b);
        return cg_fail_nomem(err, "comparison");
    }
    free(c->label_a);
    free(c->label_b);
    c->label_a = label_a;
    c->label_b = label_b;
    return CG_OK;
}

/* ---- matching -------------------------------------------------------------------------- */

static const char *key_of(const cg_eval_molecule *m)
{
    return *m->name ? m->name : m->smiles;
}

static int compare_keys(const void *a, const void *b)
{
    const cg_eval_molecule *const *x = a, *const *y = b;

    return strcmp(key_of(*x), key_of(*y));
}

/* Lists the molecules of a result in the order of their keys. */
static cg_status sort_molecules(const cg_eval_result *result, const char *which,
                                const cg_eval_molecule ***ret_list, cg_error *err)
{
    size_t n = result->n_molecules;
    const cg_eval_molecule **list = cg_alloc_array(n, sizeof(const cg_eval_molecule *));

    if (!list)
        return cg_fail_nomem(err, "comparison");
    for (size_t i = 0; i < n; i++)
        list[i] = &result->molecules[i];
    qsort(list, n, sizeof *list, compare_keys);
    for (size_t i = 1; i < n; i++)
        if (!strcmp(key_of(list[i - 1]), key_of(list[i]))) {
            cg_fail(err, CG_ERR_INPUT,
                    "comparison: '%s' is the name of two molecules of %s, wanted unique names",
                    key_of(list[i]), which);
            free(list);
            return CG_ERR_INPUT;
        }
    *ret_list = list;
    return CG_OK;
}

/* Molecules of both evaluations, in pairs. */
struct pairs {
    const cg_eval_molecule **a, **b; /* [n] */
    size_t n, only_a, only_b;
};

/* Merges the two sorted lists; common molecules are packed to the front. */
static cg_status match_molecules(const cg_eval_result *ra, const cg_eval_result *rb,
                                 struct pairs *p, cg_error *err)
{
    size_t i = 0, k = 0;

    CG_TRY(sort_molecules(ra, "A", &p->a, err));
    CG_TRY(sort_molecules(rb, "B", &p->b, err));
    while (i < ra->n_molecules && k < rb->n_molecules) {
        const cg_eval_molecule *a = p->a[i], *b = p->b[k];
        int order = strcmp(key_of(a), key_of(b));

        if (order) {
            i += order < 0;
            k += order > 0;
            continue;
        }
        if (a->n_ref != b->n_ref || a->n_heavy != b->n_heavy)
            return cg_fail(err, CG_ERR_INPUT,
                           "comparison: '%s' has %llu references of %u heavy atoms in A, %llu of "
                           "%u in B; wanted evaluations against the same references",
                           key_of(a), (unsigned long long)a->n_ref, a->n_heavy,
                           (unsigned long long)b->n_ref, b->n_heavy);
        p->a[p->n] = a;
        p->b[p->n++] = b;
        i++;
        k++;
    }
    p->only_a = ra->n_molecules - p->n;
    p->only_b = rb->n_molecules - p->n;
    if (!p->n)
        return cg_fail(err, CG_ERR_INPUT, "comparison: no molecule of A (%zu) is in B (%zu)",
                       ra->n_molecules, rb->n_molecules);
    return CG_OK;
}

/* Figures are comparable only under the same protocol. */
static cg_status check_protocol(const cg_eval_settings *a, const cg_eval_settings *b, cg_error *err)
{
    if (fabs(a->delta - b->delta) > 1e-9)
        return cg_fail(err, CG_ERR_INPUT,
                       "comparison: delta is %g in A and %g in B, wanted the same", a->delta,
                       b->delta);
    if (a->rmsd != b->rmsd)
        return cg_fail(err, CG_ERR_INPUT,
                       "comparison: RMSD is '%s' in A and '%s' in B, wanted the same",
                       cg_eval_rmsd_name(a->rmsd), cg_eval_rmsd_name(b->rmsd));
    if (a->rmsd == CG_RMSD_BEST && a->symmetry != b->symmetry)
        return cg_fail(err, CG_ERR_INPUT,
                       "comparison: symmetry is '%s' in A and '%s' in B, wanted the same",
                       cg_symmetry_rule_name(a->symmetry), cg_symmetry_rule_name(b->symmetry));
    return CG_OK;
}

static cg_status check_tolerance(const cg_compare_settings *s, cg_error *err)
{
    if (!(s->tolerance_share >= 0) || !(s->tolerance_rmsd >= 0))
        return cg_fail(err, CG_ERR_INPUT, "comparison: tolerance %g and %g, wanted 0 or more",
                       s->tolerance_share, s->tolerance_rmsd);
    return CG_OK;
}

/* ---- figures --------------------------------------------------------------------------- */

/* Metrics of a molecule; NaN if undefined. */
static void values_of(const cg_eval_molecule *m, double *v)
{
    uint64_t records = m->n_gen + m->n_wrong + m->n_broken;

    v[CG_COMPARE_COV_R] = m->n_gen ? m->cov_r : 0;
    v[CG_COMPARE_COV_P] = m->n_gen ? m->cov_p : 0;
    v[CG_COMPARE_MAT_R] = m->n_gen ? m->mat_r : NAN;
    v[CG_COMPARE_MAT_P] = m->n_gen ? m->mat_p : NAN;
    v[CG_COMPARE_PASS] = m->checked ? (double)m->passed_all / (double)m->checked : NAN;
    v[CG_COMPARE_WRONG] = records ? (double)(m->n_wrong + m->n_broken) / (double)records : NAN;
    v[CG_COMPARE_MISSING] = m->n_gen == 0;
}

/* Median of metric k over the molecules that have it. scratch[n] is overwritten. */
static double median(const double *values, size_t n, int k, double *scratch)
{
    size_t m = 0;

    for (size_t i = 0; i < n; i++)
        if (!isnan(values[i * CG_COMPARE_METRICS + (size_t)k]))
            scratch[m++] = values[i * CG_COMPARE_METRICS + (size_t)k];
    return cg_eval_figure_of(scratch, m).median;
}

/* Verdict by the interval of the difference, taken as a gain: positive is better. */
static cg_compare_verdict judge(const cg_bootstrap_figure *f, const struct metric *metric,
                                const cg_compare_settings *s)
{
    double tolerance = metric->is_rmsd ? s->tolerance_rmsd : s->tolerance_share;
    double gain = metric->higher_is_better ? f->difference : -f->difference;
    double least = metric->higher_is_better ? f->low : -f->high;
    double most = metric->higher_is_better ? f->high : -f->low;

    if (f->n < CG_COMPARE_LEAST || isnan(least) || isnan(most))
        return CG_COMPARE_UNKNOWN;
    if (least > 0)
        return CG_COMPARE_BETTER;
    if (most < 0)
        return -gain > tolerance ? CG_COMPARE_WORSE : CG_COMPARE_WITHIN;
    return CG_COMPARE_NO_DIFFERENCE;
}

/* Compares the pairs of one set: means with intervals, medians, verdicts. */
static cg_status compare_set(const struct pairs *p, cg_compare_set set, cg_eval_comparison *c,
                             cg_error *err)
{
    size_t n_values, n = 0;
    double *a = NULL, *b = NULL, *scratch = NULL;
    cg_bootstrap_figure estimates[CG_COMPARE_METRICS];
    cg_status st;

    if (!cg_mul(p->n, CG_COMPARE_METRICS, &n_values)) {
        a = cg_alloc_array(n_values, sizeof *a);
        b = cg_alloc_array(n_values, sizeof *b);
        scratch = cg_alloc_array(p->n, sizeof *scratch);
    }
    if (!a || !b || !scratch) {
        st = cg_fail_nomem(err, "comparison");
        goto out;
    }
    for (size_t i = 0; i < p->n; i++) {
        if (set == CG_COMPARE_BOTH && (!p->a[i]->n_gen || !p->b[i]->n_gen))
            continue;
        values_of(p->a[i], a + n * CG_COMPARE_METRICS);
        values_of(p->b[i], b + n * CG_COMPARE_METRICS);
        n++;
    }
    CG_TRY_GOTO(st,
                cg_bootstrap_differences(a, b, n, CG_COMPARE_METRICS, &c->settings.bootstrap,
                                         estimates, err),
                out);
    for (int k = 0; k < CG_COMPARE_METRICS; k++)
        c->figures[set][k] = (cg_compare_figure) {
            .estimate = estimates[k],
            .median_a = median(a, n, k, scratch),
            .median_b = median(b, n, k, scratch),
            .verdict = judge(&estimates[k], &metrics[k], &c->settings),
        };
    /* Undefined for this set: none of its molecules is missing. */
    if (set == CG_COMPARE_BOTH)
        c->figures[set][CG_COMPARE_MISSING] =
            (cg_compare_figure) { .estimate = { 0, NAN, NAN, NAN, NAN, NAN }, NAN, NAN, 0 };
out:
    free(a);
    free(b);
    free(scratch);
    return st;
}

/* ---- experimental references -------------------------------------------------------------- */

/* Rows: at each point of the curve and then in each stratum best RMSD, TFD and the hit rates;
 * clusters.
 */
cg_compare_row cg_compare_row_at(int i)
{
    enum { GROUP = 2 + CG_BIOACTIVE_HITS, GROUPS = CG_BIOACTIVE_COUNTS + CG_BIOACTIVE_STRATA };
    int group = i / GROUP, in_group = i % GROUP;

    if (i >= GROUP * GROUPS)
        return (cg_compare_row) { CG_COMPARE_CLUSTERS, CG_BIOACTIVE_ALL, i - GROUP * GROUPS, -1 };
    return (cg_compare_row) {
        .measure = in_group > 1 ? CG_COMPARE_HIT
                   : in_group   ? CG_COMPARE_TFD
                                : CG_COMPARE_BEST,
        .count = group < CG_BIOACTIVE_COUNTS ? group : CG_BIOACTIVE_ALL,
        .threshold = in_group - 2, /* negative without */
        .stratum = group < CG_BIOACTIVE_COUNTS ? -1 : group - CG_BIOACTIVE_COUNTS,
    };
}

/* The value of a molecule for row i; NaN if undefined. */
static double row_value(const cg_eval_molecule *m, int i)
{
    cg_compare_row row = cg_compare_row_at(i);

    if (row.stratum >= 0 && !cg_bioactive_in_stratum(row.stratum, m->n_rotatable, m->n_heavy))
        return NAN;
    if (row.measure == CG_COMPARE_HIT)
        return m->bioactive.hit[row.count][row.threshold];
    if (row.measure == CG_COMPARE_TFD)
        return m->bioactive.tfd[row.count];
    return row.measure == CG_COMPARE_BEST ? m->bioactive.best[row.count]
                                          : m->bioactive.clusters[row.threshold];
}

/* ---- figures beside the verdict, in pairs --------------------------------------------------- */

/* A list of figures of a molecule. */
struct figure_list {
    int n;
    double (*value)(const cg_eval_molecule *m, int i); /* NaN if undefined */
    const struct metric *(*metric)(int i);             /* NULL for a figure without verdict */
};

/* Median of column k of values[n][n_columns]. scratch[n] is overwritten. */
static double column_median(const double *values, size_t n, int n_columns, int k, double *scratch)
{
    size_t m = 0;

    for (size_t i = 0; i < n; i++)
        if (!isnan(values[i * (size_t)n_columns + (size_t)k]))
            scratch[m++] = values[i * (size_t)n_columns + (size_t)k];
    return cg_eval_figure_of(scratch, m).median;
}

/* Compares the figures of the list over the molecules that have them on both sides. */
static cg_status compare_list(const struct pairs *p, const struct figure_list *list,
                              const cg_compare_settings *settings, cg_compare_figure *ret_figures,
                              cg_error *err)
{
    const size_t width = (size_t)list->n;
    double *a = NULL, *b = NULL, *scratch = cg_alloc_array(p->n, sizeof *scratch);
    cg_bootstrap_figure *estimates = cg_alloc_array(width, sizeof *estimates);
    size_t n_values;
    cg_status st;

    if (!cg_mul(p->n, width, &n_values)) {
        a = cg_alloc_array(n_values, sizeof *a);
        b = cg_alloc_array(n_values, sizeof *b);
    }
    if (!a || !b || !scratch || !estimates) {
        st = cg_fail_nomem(err, "comparison");
        goto out;
    }
    for (size_t i = 0; i < p->n; i++)
        for (int k = 0; k < list->n; k++) {
            size_t at = i * width + (size_t)k;

            a[at] = list->value(p->a[i], k);
            b[at] = list->value(p->b[i], k);
            if (isnan(a[at]) || isnan(b[at]))
                a[at] = b[at] = NAN; /* in pairs */
        }
    CG_TRY_GOTO(
        st, cg_bootstrap_differences(a, b, p->n, width, &settings->bootstrap, estimates, err), out);
    for (int k = 0; k < list->n; k++) {
        const struct metric *metric = list->metric(k);

        ret_figures[k] = (cg_compare_figure) {
            .estimate = estimates[k],
            .median_a = column_median(a, p->n, list->n, k, scratch),
            .median_b = column_median(b, p->n, list->n, k, scratch),
            .verdict = metric ? judge(&estimates[k], metric, settings) : CG_COMPARE_UNKNOWN,
        };
    }
out:
    free(a);
    free(b);
    free(scratch);
    free(estimates);
    return st;
}

static const struct metric *row_metric(int i)
{
    static const struct metric by_measure[] = {
        [CG_COMPARE_BEST] = { "best_rmsd", 0, 1 },
        [CG_COMPARE_TFD] = { "best_tfd", 0, 0 },
        [CG_COMPARE_HIT] = { "hit_rate", 1, 0 },
    };
    cg_compare_measure measure = cg_compare_row_at(i).measure;

    return measure == CG_COMPARE_CLUSTERS ? NULL : &by_measure[measure];
}

static const char *const relaxation_names[CG_COMPARE_RELAXATIONS] = { "median", "mean", "p90",
                                                                      "largest" };

const char *cg_compare_relaxation_name(int i)
{
    return relaxation_names[i];
}

static double relaxation_value(const cg_eval_molecule *m, int i)
{
    const cg_relaxation *r = &m->relaxation;
    const double values[CG_COMPARE_RELAXATIONS] = { r->median, r->mean, r->high, r->largest };

    return r->n ? values[i] : NAN;
}

static const struct metric *relaxation_metric(int i)
{
    static const struct metric energy = { "relaxation", 0, 0 };

    (void)i;
    return &energy;
}

static double check_value(const cg_eval_molecule *m, int i)
{
    return m->check_done[i]
               ? (double)(m->check_done[i] - m->check_failed[i]) / (double)m->check_done[i]
               : NAN;
}

static const struct metric *check_metric(int i)
{
    (void)i;
    return &metrics[CG_COMPARE_PASS];
}

/* Compares what both evaluations have beside the metrics. */
static cg_status compare_lists(const struct pairs *p, const cg_eval_settings *a,
                               const cg_eval_settings *b, cg_eval_comparison *c, cg_error *err)
{
    static const struct figure_list bioactive = { CG_COMPARE_ROWS, row_value, row_metric };
    static const struct figure_list relaxation = { CG_COMPARE_RELAXATIONS, relaxation_value,
                                                   relaxation_metric };
    static const struct figure_list checks = { CG_CHECK_COUNT, check_value, check_metric };

    c->has_bioactive = a->bioactive && b->bioactive;
    c->has_relaxation = a->relaxation && b->relaxation;
    c->has_checks = a->checks && b->checks;
    if (c->has_bioactive)
        CG_TRY(compare_list(p, &bioactive, &c->settings, c->bioactive, err));
    if (c->has_relaxation)
        CG_TRY(compare_list(p, &relaxation, &c->settings, c->relaxation, err));
    if (c->has_checks)
        CG_TRY(compare_list(p, &checks, &c->settings, c->checks, err));
    return CG_OK;
}

static void count(const struct pairs *p, cg_eval_comparison *c)
{
    c->n_common = p->n;
    c->n_only_a = p->only_a;
    c->n_only_b = p->only_b;
    for (size_t i = 0; i < p->n; i++) {
        uint64_t most = p->a[i]->n_gen > p->b[i]->n_gen ? p->a[i]->n_gen : p->b[i]->n_gen;

        c->most_conformers = most > c->most_conformers ? most : c->most_conformers;
        c->n_missing_a += p->a[i]->n_gen == 0;
        c->n_missing_b += p->b[i]->n_gen == 0;
        c->n_both += p->a[i]->n_gen && p->b[i]->n_gen;
    }
}

/* The largest verdict in the order unknown < no_difference < better < within_tolerance < worse: a
 * gain in one metric does not offset a loss in another. */
static cg_compare_verdict overall(const cg_eval_comparison *c)
{
    cg_compare_verdict worst = CG_COMPARE_UNKNOWN;

    for (int set = 0; set < CG_COMPARE_SETS; set++)
        for (int k = 0; k < CG_COMPARE_METRICS; k++)
            if (c->figures[set][k].verdict > worst)
                worst = c->figures[set][k].verdict;
    return worst;
}

cg_status cg_eval_compare(const cg_eval_result *a, const cg_eval_result *b,
                          const cg_compare_settings *settings, cg_eval_comparison *ret_comparison,
                          cg_error *err)
{
    cg_eval_comparison c = { .settings = settings ? *settings : cg_compare_default_settings(),
                             .protocol = a->settings };
    struct pairs p = { 0 };
    cg_status st;

    CG_TRY(check_tolerance(&c.settings, err));
    CG_TRY(check_protocol(&a->settings, &b->settings, err));
    CG_TRY_GOTO(st, match_molecules(a, b, &p, err), out);
    count(&p, &c);
    for (int set = 0; set < CG_COMPARE_SETS; set++)
        CG_TRY_GOTO(st, compare_set(&p, set, &c, err), out);
    CG_TRY_GOTO(st, compare_lists(&p, &a->settings, &b->settings, &c, err), out);
    CG_TRY_GOTO(st, cg_eval_comparison_label(&c, a->gen_path, b->gen_path, err), out);
    c.verdict = overall(&c);
    *ret_comparison = c;
    c = (cg_eval_comparison) { 0 };
out:
    free(p.a);
    free(p.b);
    cg_eval_comparison_finish(&c);
    return st;
}
