/* SPDX-License-Identifier: MIT */
/** @file figure.h  Mean and median of a figure over molecules. */
#ifndef CG_EVAL_FIGURE_H
#define CG_EVAL_FIGURE_H

#include <stddef.h>

/** A figure over the molecules that have it. */
typedef struct cg_eval_figure {
    double mean, median;
} cg_eval_figure;

/** Mean and median of values[n], which it sorts; NaN if n is 0. */
cg_eval_figure cg_eval_figure_of(double *values, size_t n);

#endif
