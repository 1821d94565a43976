/* SPDX-License-Identifier: MIT */
/** @file quantile.h  Sorting doubles, and quantiles of sorted doubles. */
#ifndef CG_EVAL_QUANTILE_H
#define CG_EVAL_QUANTILE_H

#include <stddef.h>
#include <stdlib.h>

static inline int cg_compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/** Sorts v[n], free of NaN, ascending. */
static inline void cg_sort_doubles(double *v, size_t n)
{
    qsort(v, n, sizeof *v, cg_compare_doubles);
}

/** Quantile q in [0, 1] of sorted v[n], n >= 1, with linear interpolation. */
static inline double cg_quantile(const double *v, size_t n, double q)
{
    double at = q * (double)(n - 1);
    size_t i = (size_t)at;

    return i + 1 < n ? v[i] + (at - (double)i) * (v[i + 1] - v[i]) : v[i];
}

#endif
