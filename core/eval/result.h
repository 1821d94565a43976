/* SPDX-License-Identifier: MIT */
/**
 * @file result.h  What an evaluation found: figures by molecule and in all.
 *
 * COV-R is the share of a molecule's references with a generated conformer nearer than delta
 * (strictly), MAT-R the mean over references of the distance to the nearest generated one; COV-P
 * and MAT-P the same with the roles exchanged. By molecule first, then mean and median over
 * molecules (Ganea et al., GeoMol, 2021). RMSD in ångström, COV as a share of 1.
 */
#ifndef CG_EVAL_RESULT_H
#define CG_EVAL_RESULT_H

#include "check/checker.h"
#include "eval/symmetry.h"

#include <confgen/status.h>

#include <stddef.h>
#include <stdint.h>

enum { CG_EVAL_DELTAS = 60 }; /* the curve: 0.05, 0.10, ... 3.00 Å */

/** delta of the curve's point i. */
static inline double cg_eval_delta(int i)
{
    return (double)(i + 1) * 5 / 100;
}

typedef enum cg_eval_missing {
    CG_MISSING_ZERO = 0, /* a molecule without output covers nothing; it has no MAT */
    CG_MISSING_DROP,     /* it is left out */
} cg_eval_missing;

typedef enum cg_eval_rmsd {
    CG_RMSD_BEST = 0, /* smallest over the automorphisms */
    CG_RMSD_PLAIN,    /* atom by atom */
} cg_eval_rmsd;

typedef struct cg_eval_settings {
    double delta; /* Å, 0.75 for drugs */
    cg_eval_missing missing;
    cg_eval_rmsd rmsd;
    cg_symmetry_rule symmetry;
    size_t max_maps; /* automorphisms a molecule */
    double seconds;  /* a molecule; 0: no limit */
    int checks;      /* 1: single conformers are checked too */
} cg_eval_settings;

/** A molecule of the references. */
typedef struct cg_eval_molecule {
    char *name;   /* of the references */
    char *smiles; /* canonical */
    uint32_t n_heavy, n_rotatable;
    uint64_t n_ref;      /* reference conformers */
    uint64_t n_gen;      /* generated ones that are this molecule; 0: missing */
    uint64_t n_wrong;    /* generated records of its name that are another molecule */
    uint64_t n_broken;   /* that could not be read */
    uint64_t n_maps;     /* automorphisms used */
    int maps_limited;    /* their number hit max_maps */
    int time_limited;    /* its time ran out */
    double seconds;      /* spent on it by one thread */
    float *ref_min;      /* [n_ref] Å to the nearest generated; NULL where n_gen is 0 */
    float *gen_min;      /* [n_gen] Å to the nearest reference */
    double cov_r, cov_p; /* at settings.delta; 0 where missing */
    double mat_r, mat_p; /* NaN where missing */
    uint64_t checked;    /* conformers that were checked */
    uint64_t passed_all; /* of them */
    uint64_t check_done[CG_CHECK_COUNT], check_failed[CG_CHECK_COUNT];
} cg_eval_molecule;

/** A figure over the molecules that count. */
typedef struct cg_eval_figure {
    double mean, median;
} cg_eval_figure;

typedef struct cg_eval_summary {
    uint64_t n_molecules; /* of the references */
    uint64_t n_missing;   /* of them without a generated conformer */
    uint64_t n_extra;     /* generated molecules without references: not evaluated */
    uint64_t n_ref, n_gen, n_wrong;
    uint64_t n_broken;                       /* generated records, whatever their names */
    uint64_t n_ref_broken;                   /* reference records */
    uint64_t n_maps_limited, n_time_limited; /* molecules */
    uint64_t pairs;                          /* sum of n_ref * n_gen */
    cg_eval_figure cov_r, cov_p;             /* over all, or over those with output */
    cg_eval_figure mat_r, mat_p;             /* over those with output */
    cg_eval_figure curve_r[CG_EVAL_DELTAS], curve_p[CG_EVAL_DELTAS]; /* COV at cg_eval_delta(i) */
    uint64_t checked, passed_all;
    uint64_t check_done[CG_CHECK_COUNT], check_failed[CG_CHECK_COUNT];
    double seconds; /* wall clock */
} cg_eval_summary;

typedef struct cg_eval_result {
    char *ref_path, *gen_path;
    cg_eval_settings settings;
    size_t n_molecules;
    cg_eval_molecule *molecules; /* [n_molecules] in the order of the references */
    cg_eval_summary summary;
    char *run_json; /* report of the run that generated, as it was given; NULL without */
} cg_eval_result;

void cg_eval_result_finish(cg_eval_result *result); /* accepts NULL and a zeroed struct */

/** "zero", "drop"; "best", "plain"; "conjugated", "plain". Static storage. */
const char *cg_eval_missing_name(cg_eval_missing missing);
const char *cg_eval_rmsd_name(cg_eval_rmsd rmsd);
const char *cg_symmetry_rule_name(cg_symmetry_rule rule);

/** The share of d[n] below delta; 0 where n is 0. */
double cg_eval_coverage(const float *d, size_t n, double delta);

/** Mean and median of values[n], NaN where n is 0; puts the values into order. */
cg_eval_figure cg_eval_figure_of(double *values, size_t n);

/**
 * A molecule's COV and MAT from its ref_min and gen_min: cov 0 and mat NaN where n_gen is 0.
 */
void cg_eval_molecule_figures(cg_eval_molecule *molecule, double delta);

/**
 * Fill in the summary from molecules and settings: all but n_extra, n_broken, n_ref_broken and
 * seconds, which the molecules do not know.
 */
cg_status cg_eval_summarize(cg_eval_result *result, cg_error *err);

#endif
