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

#endif
