/* SPDX-License-Identifier: MIT */
/**
 * @file ensemble.h  Which conformers of a molecule are delivered, and in which order.
 *
 * Conformers are preferred by energy, equal ones and those without one by generation. First those
 * outside of the energy window are dropped, then those near a preferred one (leader clustering by
 * RMSD over heavy atoms and symmetries), then all after the first ones.
 */
#ifndef CG_ENGINE_ENSEMBLE_H
#define CG_ENGINE_ENSEMBLE_H

#include "chem/molecule.h"
#include "engine/conformer.h"
#include "eval/symmetry.h"

/** As in cg_run_options; zeroed: all conformers, in the order of generation. */
typedef struct cg_ensemble_rules {
    double prune;           /* Å; 0: off */
    double energy_window;   /* kcal/mol above the lowest; 0: off */
    int32_t max_conformers; /* 0: off */
    int32_t sort;           /* CG_SORT_* */
} cg_ensemble_rules;

/** The rules, and the atoms and symmetries by which they compare conformers of a molecule. */
typedef struct cg_ensemble {
    cg_ensemble_rules rules;
    size_t *heavy; /* [symmetry.n_atoms] their atoms in the coordinates */
    cg_symmetry symmetry;
} cg_ensemble;

/** Symmetries that are compared, at most: the time of a comparison is proportional to them. */
enum { CG_ENSEMBLE_MAX_MAPS = 1000 };

/**
 * @param mol  of the coordinates' first atoms; not retained
 * @param ret  cg_ensemble_finish(); unchanged on failure
 * @return CG_OK; of cg_symmetry_find(), only with rules->prune; CG_ERR_NOMEM
 */
cg_status cg_ensemble_init(const cg_ensemble_rules *rules, const cg_molecule *mol, cg_ensemble *ret,
                           cg_error *err);
void cg_ensemble_finish(cg_ensemble *ensemble); /* accepts a zeroed struct */

/**
 * Sets `dropped` and `cluster_size` of the conformers whose verdict is OK.
 *
 * @param c          [n] in the order of generation
 * @param ret_order  [n] the order of delivery: a permutation; conformers that failed are sorted as
 *                   those without an energy
 * @return CG_OK; CG_ERR_INPUT for coordinates that are not finite; CG_ERR_NOMEM
 * Thread: any number at once.
 */
cg_status cg_ensemble_select(const cg_ensemble *ensemble, cg_parsed_conformer *const *c, int32_t n,
                             int32_t *ret_order, cg_error *err);

#endif
