/* SPDX-License-Identifier: MIT */
#include "eval/figure.h"

#include <math.h>

#include "eval/quantile.h"

cg_eval_figure cg_eval_figure_of(double *values, size_t n)
{
    cg_eval_figure f = { NAN, NAN };
    double sum = 0;

    if (!n)
        return f;
    cg_sort_doubles(values, n);
    for (size_t i = 0; i < n; i++)
        sum += values[i];
    f.mean = sum / (double)n;
    f.median = n % 2 ? values[n / 2] : 0.5 * (values[n / 2 - 1] + values[n / 2]);
    return f;
}
