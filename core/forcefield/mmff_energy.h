/* SPDX-License-Identifier: MIT */
/** @file mmff_energy.h  The MMFF94 energy of one conformer in double precision: the reference. */
#ifndef CG_FORCEFIELD_MMFF_ENERGY_H
#define CG_FORCEFIELD_MMFF_ENERGY_H

#include "forcefield/mmff_tables.h"

/**
 * Energy and gradient of a conformer. No interaction is cut off; fragments do not interact, as in
 * RDKit.
 *
 * @param xyz           [n_atoms][3] Å
 * @param ret_parts     [CG_MMFF_PARTS] kcal/mol, may be NULL
 * @param ret_gradient  [n_atoms][3] kcal/mol/Å, may be NULL
 * @return the sum of the parts, kcal/mol
 * Thread: any number of threads may use the same tables.
 */
double cg_mmff_energy(const cg_mmff_tables *tables, const double (*xyz)[3], double *ret_parts,
                      double (*ret_gradient)[3]);

#endif
