/* SPDX-License-Identifier: MIT */
/**
 * @file bootstrap.h  Confidence intervals of paired differences, by resampling molecules.
 *
 * Percentile bootstrap (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13):
 * n of n molecules are sampled with replacement; the difference of the two means over the sample is
 * one resample; the interval lies between two quantiles of the resamples. For few molecules, where
 * plain quantiles cover too little, they are expanded (Hesterberg, What Teachers Should Know About
 * the Bootstrap, The American Statistician 69 (2015) 371). Random numbers are Philox4x32-10 of
 * (seed, resample, position): the same on every machine and in any order of evaluation.
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

/** A difference of means. Undefined values are NaN. */
typedef struct cg_bootstrap_figure {
    size_t n;          /* molecules with both values */
    double a, b;       /* means over the molecules that have a value */
    double difference; /* b - a */
    double low, high;  /* of the difference */
} cg_bootstrap_figure;

/**
 * Computes the differences b - a of several metrics over the same molecules, resampled together.
 * Means skip NaN values; a resample without any value of a metric on one side is dropped for that
 * metric.
 *
 * @param a, b     [n][n_metrics]
 * @param ret_figures  [n_metrics]; low and high are NaN if fewer than two molecules have both
 * values
 * @return CG_OK; CG_ERR_INPUT for settings out of range; CG_ERR_NOMEM
 */
cg_status cg_bootstrap_differences(const double *a, const double *b, size_t n, size_t n_metrics,
                                   const cg_bootstrap_settings *settings,
                                   cg_bootstrap_figure *ret_figures, cg_error *err);

#endif
