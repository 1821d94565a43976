/* SPDX-License-Identifier: MIT */
/**
 * @file bootstrap.h  Confidence intervals of paired differences, by resampling molecules.
 *
 * Percentile bootstrap (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13):
 * molecules are drawn with replacement, as many as there are; the difference of the two means over
 * the draw is one resample; the interval lies between two quantiles of the resamples. The quantiles
 * are moved outwards for few molecules, where plain ones cover too little (Hesterberg, What
 * Teachers Should Know About the Bootstrap, The American Statistician 69 (2015) 371). The draws are
 * Philox4x32-10 of (seed, resample, place): the same on every machine, for any order of work.
 */
#ifndef CG_EVAL_BOOTSTRAP_H
#define CG_EVAL_BOOTSTRAP_H

#include <confgen/status.h>

#include <stddef.h>
#include <stdint.h>

typedef struct cg_bootstrap_settings {
    uint32_t resamples; /* 100 to 1,000,000 */
    uint64_t seed;
    double level; /* above 0, below 1: 0.95 */
} cg_bootstrap_settings;

/** A difference of means. What is not defined is NaN. */
typedef struct cg_bootstrap_figure {
    size_t n;          /* molecules with both values */
    double a, b;       /* means over those that have a value */
    double difference; /* b - a */
    double low, high;  /* of the difference */
} cg_bootstrap_figure;

/**
 * Differences b - a of several metrics over the same molecules, resampled together.
 *
 * A value that is NaN does not count in its mean; a resample in which a metric has no value on one
 * side is left out for that metric.
 *
 * @param a, b     [n][n_metrics]
 * @param ret      [n_metrics]; low and high are NaN where fewer than two molecules have a value
 * @return CG_OK; CG_ERR_INPUT for settings out of range; CG_ERR_NOMEM.
 */
cg_status cg_bootstrap_differences(const double *a, const double *b, size_t n, size_t n_metrics,
                                   const cg_bootstrap_settings *settings, cg_bootstrap_figure *ret,
                                   cg_error *err);

#endif
