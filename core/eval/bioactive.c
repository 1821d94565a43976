/* SPDX-License-Identifier: MIT */
#include "eval/bioactive.h"

#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/size.h"

static const uint64_t counts[CG_BIOACTIVE_COUNTS] = { 1, 10, 25, 50, 100, 250, 1000, UINT64_MAX };
static const double thresholds[CG_BIOACTIVE_HITS] = { 0.5, 0.75, 1, 1.5, 2 };
static const double radii[CG_BIOACTIVE_RADII] = { 0.5, 1, 2 };
static const cg_bioactive_stratum strata[CG_BIOACTIVE_STRATA] = {
    { 0, 0, 2 },   { 0, 3, 5 },   { 0, 6, 8 },   { 0, 9, 12 },  { 0, 13, UINT32_MAX }, { 1, 0, 15 },
    { 1, 16, 20 }, { 1, 21, 25 }, { 1, 26, 30 }, { 1, 31, 40 }, { 1, 41, UINT32_MAX },
};

uint64_t cg_bioactive_count(int k)
{
    return counts[k];
}

double cg_bioactive_threshold(int t)
{
    return thresholds[t];
}

double cg_bioactive_radius(int r)
{
    return radii[r];
}

cg_bioactive_stratum cg_bioactive_stratum_at(int i)
{
    return strata[i];
}

int cg_bioactive_in_stratum(int i, uint32_t n_rotatable, uint32_t n_heavy)
{
    uint32_t v = strata[i].by_heavy ? n_heavy : n_rotatable;

    return v >= strata[i].low && v <= strata[i].high;
}

cg_bioactive cg_bioactive_missing(void)
{
    cg_bioactive b = { 0 };

    for (int k = 0; k < CG_BIOACTIVE_COUNTS; k++)
        b.best[k] = b.tfd[k] = NAN;
    for (int r = 0; r < CG_BIOACTIVE_RADII; r++)
        b.clusters[r] = NAN;
    return b;
}

void cg_bioactive_set(cg_bioactive *b, int k, const float *d, size_t n_ref)
{
    double sum = 0;

    for (size_t i = 0; i < n_ref; i++)
        sum += (double)d[i];
    b->best[k] = sum / (double)n_ref;
    for (int t = 0; t < CG_BIOACTIVE_HITS; t++) {
        size_t hits = 0;

        for (size_t i = 0; i < n_ref; i++)
            hits += (double)d[i] < thresholds[t];
        b->hit[k][t] = (double)hits / (double)n_ref;
    }
}

/* Is a molecule of the stratum? All are if that is negative. */
static int is_of(const cg_bioactive_item *m, int stratum)
{
    return stratum < 0 || cg_bioactive_in_stratum(stratum, m->n_rotatable, m->n_heavy);
}

/* Figures of the first counts[k] conformers, over the molecules of a stratum, or over all if
 * `stratum` is negative. values[n] is overwritten. */
static cg_bioactive_group group_of(const cg_bioactive_item *items, size_t n, int drop_missing,
                                   int k, int stratum, double *values)
{
    cg_bioactive_group g = { 0 };
    size_t n_best = 0;

    for (size_t i = 0; i < n; i++) {
        const cg_bioactive_item *m = &items[i];

        if (!is_of(m, stratum) || (drop_missing && !m->n_gen))
            continue;
        g.n_molecules++;
        for (int t = 0; t < CG_BIOACTIVE_HITS; t++)
            g.hit[t] += m->figures->hit[k][t];
        if (m->n_gen)
            values[n_best++] = m->figures->best[k];
    }
    for (int t = 0; t < CG_BIOACTIVE_HITS; t++)
        g.hit[t] = g.n_molecules ? g.hit[t] / (double)g.n_molecules : NAN;
    g.best = cg_eval_figure_of(values, n_best);
    n_best = 0;
    for (size_t i = 0; i < n; i++)
        if (is_of(&items[i], stratum) && isfinite(items[i].figures->tfd[k]))
            values[n_best++] = items[i].figures->tfd[k];
    g.tfd = cg_eval_figure_of(values, n_best);
    return g;
}

cg_status cg_bioactive_summarize(const cg_bioactive_item *items, size_t n, int drop_missing,
                                 cg_bioactive_summary *ret_summary, cg_error *err)
{
    cg_bioactive_summary s = { 0 };
    double *values = cg_alloc_array(n ? n : 1, sizeof *values);

    if (!values)
        return cg_fail_nomem(err, "summary");
    for (int k = 0; k < CG_BIOACTIVE_COUNTS; k++) {
        uint64_t least = k == CG_BIOACTIVE_ALL ? 1 : counts[k];

        s.curve[k] = group_of(items, n, drop_missing, k, -1, values);
        for (size_t i = 0; i < n; i++)
            s.full[k] += items[i].n_gen >= least;
    }
    for (int i = 0; i < CG_BIOACTIVE_STRATA; i++)
        s.strata[i] = group_of(items, n, drop_missing, CG_BIOACTIVE_ALL, i, values);
    for (int r = 0; r < CG_BIOACTIVE_RADII; r++) {
        size_t n_values = 0;

        for (size_t i = 0; i < n; i++)
            if (items[i].n_gen)
                values[n_values++] = items[i].figures->clusters[r];
        s.clusters[r] = cg_eval_figure_of(values, n_values);
    }
    *ret_summary = s;
    free(values);
    return CG_OK;
}
