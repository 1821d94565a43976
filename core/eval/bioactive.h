/* SPDX-License-Identifier: MIT */
/**
 * @file bioactive.h  Figures of the protocol for experimental references, of which a molecule has
 * one or a few.
 *
 * Of the first K generated conformers in the order of the file: best RMSD of a molecule is the mean
 * over its references of the distance to the nearest of them; its hit rate at a threshold is the
 * share of its references for which that distance is strictly less than the threshold. With one
 * reference this is the published protocol (Friedrich et al., J. Chem. Inf. Model. 57 (2017) 529);
 * with several, a molecule still counts once. A molecule of fewer than K conformers enters with
 * all.
 */
#ifndef CG_EVAL_BIOACTIVE_H
#define CG_EVAL_BIOACTIVE_H

#include <confgen/status.h>

#include <stdint.h>

#include "eval/figure.h"

enum {
    CG_BIOACTIVE_COUNTS = 8, /* numbers of conformers: 1, 10, 25, 50, 100, 250, 1000, all */
    CG_BIOACTIVE_ALL = CG_BIOACTIVE_COUNTS - 1,
    CG_BIOACTIVE_HITS = 5,   /* thresholds of hit rates: 0.5, 0.75, 1, 1.5, 2 Å */
    CG_BIOACTIVE_RADII = 3,  /* of clusters: 0.5, 1, 2 Å */
    CG_BIOACTIVE_STRATA = 11 /* groups of molecules: 5 by rotatable bonds, 6 by heavy atoms */
};

/** Conformers at point k of the curves; UINT64_MAX for all. */
uint64_t cg_bioactive_count(int k);
double cg_bioactive_threshold(int t); /* Å */
double cg_bioactive_radius(int r);    /* Å */

/** A group of molecules: those whose property is from `low` to `high`. */
typedef struct cg_bioactive_stratum {
    int by_heavy;       /* 1: heavy atoms, 0: rotatable bonds */
    uint32_t low, high; /* high is UINT32_MAX in the last one */
} cg_bioactive_stratum;

cg_bioactive_stratum cg_bioactive_stratum_at(int i);
int cg_bioactive_in_stratum(int i, uint32_t n_rotatable, uint32_t n_heavy);

/** Figures of a molecule. Without output, hit rates are 0 and the others NaN. */
typedef struct cg_bioactive {
    double best[CG_BIOACTIVE_COUNTS]; /* Å */
    double hit[CG_BIOACTIVE_COUNTS][CG_BIOACTIVE_HITS];
    double tfd[CG_BIOACTIVE_COUNTS];     /* best TFD, as best RMSD; NaN where undefined */
    double clusters[CG_BIOACTIVE_RADII]; /* leaders among all conformers */
} cg_bioactive;

/** The figures of a molecule without output. */
cg_bioactive cg_bioactive_missing(void);

/** Sets best[k] and hit[k] from the distances d[n_ref] (n_ref >= 1) of the references. */
void cg_bioactive_set(cg_bioactive *b, int k, const float *d, size_t n_ref);

/** A molecule to be summarised. */
typedef struct cg_bioactive_item {
    const cg_bioactive *figures;
    uint64_t n_gen; /* 0: missing */
    uint32_t n_rotatable, n_heavy;
} cg_bioactive_item;

/** Figures over molecules: best RMSD, TFD and clusters over those with output. */
typedef struct cg_bioactive_group {
    uint64_t n_molecules; /* counted in the hit rates */
    cg_eval_figure best;
    cg_eval_figure tfd;            /* over those that have it */
    double hit[CG_BIOACTIVE_HITS]; /* means */
} cg_bioactive_group;

typedef struct cg_bioactive_summary {
    cg_bioactive_group curve[CG_BIOACTIVE_COUNTS];
    uint64_t full[CG_BIOACTIVE_COUNTS];             /* molecules of at least that many conformers;
                                                       for all: of at least one */
    cg_bioactive_group strata[CG_BIOACTIVE_STRATA]; /* of all conformers */
    cg_eval_figure clusters[CG_BIOACTIVE_RADII];
} cg_bioactive_summary;

/**
 * Summarises items[n].
 * @param drop_missing  1: molecules without output are left out of the hit rates
 * @return CG_OK; CG_ERR_NOMEM
 */
cg_status cg_bioactive_summarize(const cg_bioactive_item *items, size_t n, int drop_missing,
                                 cg_bioactive_summary *ret_summary, cg_error *err);

#endif
