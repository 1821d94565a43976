/* SPDX-License-Identifier: MIT */
/**
 * @file compare.h  Two evaluations against the same references: is B better than A?
 *
 * Molecules are matched by name (by canonical SMILES where they have none) and compared in pairs;
 * differences are B - A, with intervals from a bootstrap over molecules. Twice: over the molecules
 * for which both have output, and over all with failures counted as the protocol counts them (a
 * molecule without output covers nothing and has no MAT).
 */
#ifndef CG_EVAL_COMPARE_H
#define CG_EVAL_COMPARE_H

#include "base/buf.h"
#include "eval/bootstrap.h"
#include "eval/result.h"

/** What is compared, by molecule first. Rates and COV are shares of 1, MAT is in ångström. */
typedef enum cg_compare_metric {
    CG_COMPARE_COV_R = 0,
    CG_COMPARE_MAT_R,
    CG_COMPARE_COV_P,
    CG_COMPARE_MAT_P,
    CG_COMPARE_PASS,    /* share of a molecule's conformers that pass all checks */
    CG_COMPARE_WRONG,   /* share of its records that are another molecule or broken */
    CG_COMPARE_MISSING, /* 1 without output; over all molecules only */
    CG_COMPARE_METRICS
} cg_compare_metric;

/** The sets of molecules that are compared. */
typedef enum cg_compare_set {
    CG_COMPARE_BOTH = 0, /* those for which both have output */
    CG_COMPARE_ALL,      /* failures counted */
    CG_COMPARE_SETS
} cg_compare_set;

typedef enum cg_compare_verdict {
    CG_COMPARE_UNKNOWN = 0,   /* too few molecules, or nothing to compare */
    CG_COMPARE_NO_DIFFERENCE, /* the interval spans 0 */
    CG_COMPARE_BETTER,        /* it lies on the good side of 0 */
    CG_COMPARE_WITHIN,        /* on the bad side, and the loss is at most the tolerance */
    CG_COMPARE_WORSE,         /* on the bad side, and the loss is above the tolerance */
} cg_compare_verdict;

/** Fewer pairs than this give no verdict: an interval from them would be too narrow. */
enum { CG_COMPARE_LEAST = 10 };

typedef struct cg_compare_settings {
    double tolerance_share; /* loss of a share that is put up with, >= 0 */
    double tolerance_rmsd;  /* ångström, >= 0 */
    cg_bootstrap_settings bootstrap;
} cg_compare_settings;

/** 10,000 resamples, seed 1, intervals of 95 %, no tolerance. */
cg_compare_settings cg_compare_default_settings(void);

/** A metric over a set. */
typedef struct cg_compare_figure {
    cg_bootstrap_figure mean;  /* n, a, b, difference, low, high */
    double median_a, median_b; /* over the molecules that have a value; NaN without */
    cg_compare_verdict verdict;
} cg_compare_figure;

typedef struct cg_eval_comparison {
    char *label_a, *label_b; /* what A and B are called, e.g. their files */
    cg_compare_settings settings;
    cg_eval_settings protocol;       /* of both */
    size_t n_common;                 /* molecules in both files */
    size_t n_only_a, n_only_b;       /* in one: not compared */
    size_t n_both;                   /* common ones with output in both */
    size_t n_missing_a, n_missing_b; /* common ones without output */
    cg_compare_figure figures[CG_COMPARE_SETS][CG_COMPARE_METRICS];
    cg_compare_verdict verdict; /* worse: any metric is; within: any is and none worse; then better;
                                   unknown only where all are */
} cg_eval_comparison;

/** "cov_r", ...; static storage. As in JSON. */
const char *cg_compare_metric_name(cg_compare_metric metric);
/** "both" and "all". */
const char *cg_compare_set_name(cg_compare_set set);
/** "unknown", "no_difference", "better", "within_tolerance", "worse"; static storage. */
const char *cg_compare_verdict_name(cg_compare_verdict verdict);

/**
 * Compare. Refused where the figures do not mean the same: another delta, RMSD or symmetry rule,
 * other references under a name, a name twice, no molecule in common.
 *
 * @param settings  NULL: the default
 * @param ret       cg_eval_comparison_finish(); unchanged on failure. The labels are the paths of
 *                  what was generated until cg_eval_comparison_label() sets others.
 * @return CG_OK; CG_ERR_INPUT; CG_ERR_NOMEM.
 */
cg_status cg_eval_compare(const cg_eval_result *a, const cg_eval_result *b,
                          const cg_compare_settings *settings, cg_eval_comparison *ret,
                          cg_error *err);
void cg_eval_comparison_finish(cg_eval_comparison *c); /* accepts NULL and a zeroed struct */

/** Call A and B so. CG_ERR_NOMEM leaves the old labels. */
cg_status cg_eval_comparison_label(cg_eval_comparison *c, const char *a, const char *b,
                                   cg_error *err);

/** Append tables and verdict for a terminal of 80 columns or more. */
cg_status cg_eval_comparison_text(const cg_eval_comparison *c, cg_buf *out, cg_error *err);
/** Append JSON, "confgen-comparison-1": see README.md of this folder. */
cg_status cg_eval_comparison_json(const cg_eval_comparison *c, cg_buf *out, cg_error *err);

#endif
