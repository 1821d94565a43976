/* SPDX-License-Identifier: MIT */
/**
 * @file relaxation_energy.h  Relaxation energy: MMFF94 energy of a conformer minus that of its
 * minimum.
 *
 * The minimum is that of forcefield/mmff_minimizer.h from the conformer. A record that has all
 * hydrogens is measured as it is. If it lacks one, all that the canonical SMILES leaves out are
 * placed by the geometry of their neighbours and moved to their minimum with the other atoms fixed;
 * the energy of the conformer is the one there. Energies in kcal/mol, of the isolated molecule.
 */
#ifndef CG_EVAL_RELAXATION_ENERGY_H
#define CG_EVAL_RELAXATION_ENERGY_H

#include "eval/conformers.h"

/** Distribution over conformers. */
typedef struct cg_relaxation {
    uint64_t n; /* conformers that were measured; without any, the others are NaN */
    double median, mean;
    double high; /* 90th percentile */
    double largest;
} cg_relaxation;

/** Distribution of energies[n], which it sorts. */
cg_relaxation cg_relaxation_of(double *energies, size_t n);

/** The conformers of a molecule. */
typedef struct cg_relaxation_input {
    const cg_molecule *mol;
    size_t n;
    const float (*xyz)[3];     /* [n][atoms of mol] Å; NaN for a hydrogen that is not known */
    const size_t *bound_first; /* [n + 1] as in cg_conformers */
    const cg_bound_hydrogen *bound;
} cg_relaxation_input;

/**
 * Measures the relaxation energies of a molecule's conformers.
 *
 * @param ret_energies  [n] NaN for a conformer of which a hydrogen is not known that is an atom of
 *                      the canonical SMILES
 * @return CG_OK; CG_ERR_UNSUPPORTED if MMFF94 has no parameters for the molecule, with the reason;
 *         CG_ERR_NOMEM
 */
cg_status cg_relaxation_measure(const cg_relaxation_input *input, float *ret_energies,
                                cg_error *err);

#endif
