/* SPDX-License-Identifier: MIT */
/** @file mmff_minimizer.h  Moves conformers to minima of their MMFF94 energy. */
#ifndef CG_FORCEFIELD_MMFF_MINIMIZER_H
#define CG_FORCEFIELD_MMFF_MINIMIZER_H

#include <confgen/status.h>

#include "forcefield/mmff_tables.h"

typedef struct cg_minimizer_options {
    int32_t max_rounds;   /* evaluations of a conformer */
    double gradient;      /* kcal/mol/Å: ends when no component is greater */
    const uint8_t *fixed; /* [n_atoms] 1: the atom stays in place; NULL: all move */
} cg_minimizer_options;

/** 2000 rounds, 0.01 kcal/mol/Å, all atoms. */
extern const cg_minimizer_options cg_minimizer_defaults;

/**
 * Hydrogens leave the other atoms, no more: 100 rounds, 30 kcal/mol/Å. At their minimum, they would
 * lead the others to other minima (NOTES.md). The caller sets `fixed`.
 */
extern const cg_minimizer_options cg_minimizer_hydrogens_first;

/** What became of a conformer. */
typedef struct cg_minimized {
    double before, after; /* energy, kcal/mol */
    double gradient;      /* greatest component, kcal/mol/Å */
    int32_t rounds;
    int32_t converged; /* 0: the rounds ended, or no step decreased the energy any more */
} cg_minimized;

/**
 * Minimises conformers of one molecule. The result of a conformer does not depend on the others.
 *
 * @param xyz           [n][n_atoms][3] Å, changed; unchanged on failure
 * @param ret_minimized [n], unchanged on failure
 * @return CG_OK; CG_ERR_NOMEM
 * Thread: any number of threads may use the same tables.
 */
cg_status cg_mmff_minimize(const cg_mmff_tables *tables, const cg_minimizer_options *options,
                           size_t n, double *xyz, cg_minimized *ret_minimized, cg_error *err);

enum { CG_MINIMIZER_MAX_STAGES = 2 };

/** Conformers of one molecule, to be minimised in stages, one after the other. All borrowed. */
typedef struct cg_minimizer_job {
    const cg_mmff_tables *tables;
    const cg_minimizer_options *stages; /* [n_stages] */
    int32_t n_stages;                   /* 1 to CG_MINIMIZER_MAX_STAGES */
    size_t n;
    double *xyz;             /* [n][n_atoms][3] Å, changed; unspecified on failure */
    cg_minimized *minimized; /* [n] result: of the last stage, `before` of the first */
} cg_minimizer_job;

/** cg_mmff_minimize() for each stage. */
cg_status cg_mmff_minimize_job(const cg_minimizer_job *job, cg_error *err);

#endif
