/* SPDX-License-Identifier: MIT */
#include "eval/bootstrap.h"

#include "base/error.h"
#include "base/philox.h"
#include "base/size.h"
#include "eval/quantile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Sums of a metric over molecules, for both sides. */
struct sums {
    double a, b;
    size_t n_a, n_b;
};

static void add(struct sums *s, const double *a, const double *b, size_t n_metrics)
{
    for (size_t k = 0; k < n_metrics; k++) {
        if (!isnan(a[k])) {
            s[k].a += a[k];
            s[k].n_a++;
        }
        if (!isnan(b[k])) {
            s[k].b += b[k];
            s[k].n_b++;
        }
    }
}

static double mean(double sum, size_t n)
{
    return n ? sum / (double)n : NAN;
}

/* Sums over n molecules sampled with replacement. A random number of 32 bits is scaled to [0, n):
 * the bias is below n / 2^32. */
static void resample(const double *a, const double *b, size_t n, size_t n_metrics, uint64_t seed,
                     uint32_t index, struct sums *s)
{
    uint32_t key[2] = { (uint32_t)seed, (uint32_t)(seed >> 32) }, random[4];

    memset(s, 0, n_metrics * sizeof *s);
    for (size_t i = 0; i < n; i++) {
        size_t at;

        if (i % 4 == 0) {
            uint32_t counter[4] = { (uint32_t)(i / 4), (uint32_t)((uint64_t)i / 4 >> 32), index,
                                    0 };

            cg_philox4x32(counter, key, random);
        }
        at = (size_t)((uint64_t)random[i % 4] * n >> 32);
        add(s, a + at * n_metrics, b + at * n_metrics, n_metrics);
    }
}

static double normal_cdf(double x)
{
    return 0.5 * erfc(-x / sqrt(2));
}

/* Upper quantile of the standard normal distribution: x > 0 with probability `tail` < 0.5 above. */
static double normal_quantile(double tail)
{
    double low = 0, high = 40;

    for (int i = 0; i < 80; i++) {
        double x = (low + high) / 2;

        if (normal_cdf(-x) > tail)
            low = x;
        else
            high = x;
    }
    return (low + high) / 2;
}

/* Tail probability that gives the interval about the width of Student's t interval for n values:
 * the plain percentile interval is too narrow by sqrt((n - 1) / n) and by the ratio of z to t. The
 * quantile of t is a series in 1 / (n - 1) (Abramowitz and Stegun, 26.7.5). */
static double expanded_tail(double tail, size_t n)
{
    double z = normal_quantile(tail), f = (double)(n - 1);
    double t =
        z + (pow(z, 3) + z) / (4 * f) + (5 * pow(z, 5) + 16 * pow(z, 3) + 3 * z) / (96 * f * f);

    return normal_cdf(-t * sqrt((double)n / f));
}

static cg_status check_settings(const cg_bootstrap_settings *s, size_t n, cg_error *err)
{
    if (s->resamples < 100 || s->resamples > 1000000)
        return cg_fail(err, CG_ERR_INPUT, "bootstrap: %u resamples, wanted 100 to 1000000",
                       s->resamples);
    if (!(s->level > 0 && s->level < 1))
        return cg_fail(err, CG_ERR_INPUT, "bootstrap: level %g, wanted above 0 and below 1",
                       s->level);
    if (n > UINT32_MAX)
        return cg_fail(err, CG_ERR_INPUT, "bootstrap: %zu molecules, wanted at most %u", n,
                       UINT32_MAX);
    return CG_OK;
}

cg_status cg_bootstrap_differences(const double *a, const double *b, size_t n, size_t n_metrics,
                                   const cg_bootstrap_settings *settings,
                                   cg_bootstrap_figure *ret_figures, cg_error *err)
{
    size_t values, resamples = settings->resamples;
    struct sums *s = NULL;
    double *differences = NULL;   /* [n_metrics][resamples] */
    size_t *n_differences = NULL; /* [n_metrics] */
    cg_status st = CG_OK;

    CG_TRY(check_settings(settings, n, err));
    if (!cg_mul(n_metrics, resamples, &values))
        differences = cg_alloc_array(values, sizeof *differences);
    s = calloc(n_metrics ? n_metrics : 1, sizeof *s);
    n_differences = calloc(n_metrics ? n_metrics : 1, sizeof *n_differences);
    if (!differences || !s || !n_differences) {
        st = cg_fail_nomem(err, "bootstrap");
        goto out;
    }
    for (size_t k = 0; k < n_metrics; k++) {
        ret_figures[k] = (cg_bootstrap_figure) { .low = NAN, .high = NAN };
        for (size_t i = 0; i < n; i++)
            ret_figures[k].n += !isnan(a[i * n_metrics + k]) && !isnan(b[i * n_metrics + k]);
    }
    for (size_t i = 0; i < n; i++)
        add(s, a + i * n_metrics, b + i * n_metrics, n_metrics);
    for (size_t k = 0; k < n_metrics; k++) {
        ret_figures[k].a = mean(s[k].a, s[k].n_a);
        ret_figures[k].b = mean(s[k].b, s[k].n_b);
        ret_figures[k].difference = ret_figures[k].b - ret_figures[k].a;
    }
    for (size_t r = 0; r < resamples && n; r++) {
        resample(a, b, n, n_metrics, settings->seed, (uint32_t)r, s);
        for (size_t k = 0; k < n_metrics; k++)
            if (s[k].n_a && s[k].n_b)
                differences[k * resamples + n_differences[k]++] =
                    mean(s[k].b, s[k].n_b) - mean(s[k].a, s[k].n_a);
    }
    for (size_t k = 0; k < n_metrics; k++) {
        double *v = differences + k * resamples, tail;

        if (ret_figures[k].n < 2)
            continue;
        tail = expanded_tail((1 - settings->level) / 2, ret_figures[k].n);
        cg_sort_doubles(v, n_differences[k]);
        ret_figures[k].low = cg_quantile(v, n_differences[k], tail);
        ret_figures[k].high = cg_quantile(v, n_differences[k], 1 - tail);
    }
out:
    free(differences);
    free(s);
    free(n_differences);
    return st;
}
