/* SPDX-License-Identifier: MIT */
/**
 * @file compare.h  Compares two evaluations, A and B, against the same references.
 *
 * Molecules are matched by name (by canonical SMILES if unnamed) and compared in pairs. Differences
 * are B - A, with intervals from a bootstrap over molecules. Two sets are compared: the molecules
 * for which both have output, and all molecules, with failures counted as in the protocol (a
 * molecule without output has COV 0 and no MAT).
 */
#ifndef CG_EVAL_COMPARE_H
#define CG_EVAL_COMPARE_H

#include "base/buf.h"
#include "eval/bootstrap.h"
#include "eval/result.h"

/** Compared figures of a molecule. Rates and COV are shares of 1, MAT is in ångström. */
typedef enum cg_compare_metric {
    CG_COMPARE_COV_R = 0,
    CG_COMPARE_MAT_R,
    CG_COMPARE_COV_P,
    CG_COMPARE_MAT_P,
    CG_COMPARE_PASS,    /* share of a molecule's conformers that pass all checks */
    CG_COMPARE_WRONG,   /* share of its records that show another molecule or are broken */
    CG_COMPARE_MISSING, /* 1 without output; only in the set of all molecules */
    CG_COMPARE_METRICS
} cg_compare_metric;

/** Compared sets of molecules. */
typedef enum cg_compare_set {
    CG_COMPARE_BOTH = 0, /* molecules with output in both */
    CG_COMPARE_ALL,      /* all common molecules, failures counted */
    CG_COMPARE_SETS
} cg_compare_set;

/** In ascending order: the largest verdict of all figures is the overall one. */
typedef enum cg_compare_verdict {
    CG_COMPARE_UNKNOWN = 0,   /* too few molecules have the figure */
    CG_COMPARE_NO_DIFFERENCE, /* the interval contains 0 */
    CG_COMPARE_BETTER,        /* the interval is on the good side of 0 */
    CG_COMPARE_WITHIN,        /* on the bad side, and the loss is at most the tolerance */
    CG_COMPARE_WORSE,         /* on the bad side, and the loss is above the tolerance */
} cg_compare_verdict;

/** Least number of pairs for a verdict: with fewer, the interval would be too narrow. */
enum { CG_COMPARE_LEAST = 10 };

typedef struct cg_compare_settings {
    double tolerance_share; /* tolerated loss of a share, >= 0 */
    double tolerance_rmsd;  /* tolerated loss of MAT, Å, >= 0 */
    cg_bootstrap_settings bootstrap;
} cg_compare_settings;

/** 10,000 resamples, seed 1, intervals of 95 %, no tolerance. */
cg_compare_settings cg_compare_default_settings(void);

/** A metric over a set. */
typedef struct cg_compare_figure {
    cg_bootstrap_figure estimate; /* of the means: n, a, b, difference, low, high */
    double median_a, median_b;    /* over the molecules that have a value; NaN without */
    cg_compare_verdict verdict;
} cg_compare_figure;

/** Compared figures of experimental references (bioactive.h). */
typedef enum cg_compare_measure {
    CG_COMPARE_BEST = 0, /* best RMSD, Å */
    CG_COMPARE_TFD,      /* best TFD */
    CG_COMPARE_HIT,      /* hit rate */
    CG_COMPARE_CLUSTERS, /* neither more nor fewer is better: no verdict */
} cg_compare_measure;

/** What row i of cg_eval_comparison.bioactive compares. */
typedef struct cg_compare_row {
    cg_compare_measure measure;
    int count;     /* point of the curve; CG_BIOACTIVE_ALL for all conformers */
    int threshold; /* of a hit rate, or radius of clusters; negative without */
    int stratum;   /* -1: all molecules */
} cg_compare_row;

enum {
    /* Best RMSD, TFD and hit rates at each point of the curve and in each stratum; clusters. */
    CG_COMPARE_ROWS =
        (CG_BIOACTIVE_COUNTS + CG_BIOACTIVE_STRATA) * (2 + CG_BIOACTIVE_HITS) + CG_BIOACTIVE_RADII
};

cg_compare_row cg_compare_row_at(int i);

/** Compared figures of a molecule's relaxation energies, kcal/mol. */
enum {
    CG_COMPARE_RELAXATIONS = 4, /* median, mean, 90th percentile, largest */
};
/** "median", "mean", "p90", "largest"; static storage. */
const char *cg_compare_relaxation_name(int i);

typedef struct cg_eval_comparison {
    char *label_a, *label_b; /* displayed names, e.g. the files */
    cg_compare_settings settings;
    cg_eval_settings protocol;       /* of both */
    size_t n_common;                 /* molecules in both files */
    size_t n_only_a, n_only_b;       /* molecules in one file; not compared */
    size_t n_both;                   /* common molecules with output in both */
    size_t n_missing_a, n_missing_b; /* common molecules without output */
    cg_compare_figure figures[CG_COMPARE_SETS][CG_COMPARE_METRICS];
    cg_compare_verdict verdict; /* the largest of all figures */
    uint64_t most_conformers;   /* of a common molecule in one of the files */
    int has_bioactive;          /* 1: both evaluations have them */
    /* Over all common molecules: best RMSD, TFD and clusters over those with output in both, hit
     * rates with 0 for a molecule without output. They do not count in the verdict above: they are
     * many and depend on each other, and COV-R and MAT-R have a part in it. */
    cg_compare_figure bioactive[CG_COMPARE_ROWS];
    /* Of the molecules that have the figure in both; neither counts in the verdict above. */
    int has_relaxation; /* 1: both evaluations have relaxation energies */
    cg_compare_figure relaxation[CG_COMPARE_RELAXATIONS];
    int has_checks;                           /* 1: both evaluations have checks */
    cg_compare_figure checks[CG_CHECK_COUNT]; /* share of a molecule's conformers that pass each,
                                                 of those of which it was done */
} cg_eval_comparison;

/** "cov_r", ...; static storage. As in the JSON file. */
const char *cg_compare_metric_name(cg_compare_metric metric);
/** "both" and "all". */
const char *cg_compare_set_name(cg_compare_set set);
/** "unknown", "no_difference", "better", "within_tolerance", "worse"; static storage. */
const char *cg_compare_verdict_name(cg_compare_verdict verdict);

/**
 * Compares two evaluations. Refused if their figures are not comparable: different delta, RMSD or
 * symmetry rule, different references under a name, duplicate names, or no molecule in common.
 *
 * @param settings        NULL: the default
 * @param ret_comparison  cg_eval_comparison_finish(); unchanged on failure. The labels are the
 *                        paths of the generated files until cg_eval_comparison_label() sets others.
 * @return CG_OK; CG_ERR_INPUT; CG_ERR_NOMEM
 */
cg_status cg_eval_compare(const cg_eval_result *a, const cg_eval_result *b,
                          const cg_compare_settings *settings, cg_eval_comparison *ret_comparison,
                          cg_error *err);
void cg_eval_comparison_finish(cg_eval_comparison *c); /* accepts NULL and a zeroed struct */

/** Sets the labels, which are copied. CG_ERR_NOMEM leaves the old ones. */
cg_status cg_eval_comparison_label(cg_eval_comparison *c, const char *a, const char *b,
                                   cg_error *err);

/** Appends tables and verdict for a terminal of at least 80 columns. */
cg_status cg_eval_comparison_text(const cg_eval_comparison *c, cg_buf *out, cg_error *err);
/** Appends JSON of format "confgen-comparison-1", described in README.md of this folder. */
cg_status cg_eval_comparison_json(const cg_eval_comparison *c, cg_buf *out, cg_error *err);

#endif
