/* SPDX-License-Identifier: MIT */
/** @file uff.h  Energies and minima by UFF, where MMFF94 has no parameters: by RDKit, on the CPU.
 */
#ifndef CG_FORCEFIELD_UFF_H
#define CG_FORCEFIELD_UFF_H

#include "forcefield/mmff_minimizer.h"

/**
 * @param smiles  the molecule with all hydrogens as atoms
 * @return CG_OK; CG_ERR_UNSUPPORTED if UFF has no parameters for it, with the atom; CG_ERR_NOMEM
 */
cg_status cg_uff_check(const char *smiles, cg_error *err);

/**
 * Moves a conformer to a minimum of its UFF energy, in stages. Fragments do not interact.
 *
 * @param stages   [n_stages] one after the other; rounds are those of RDKit's minimiser
 * @param xyz      [n_atoms][3] Å, changed; unspecified on failure
 * @param ret      of the last stage, `before` of the first
 * @return CG_OK; CG_ERR_UNSUPPORTED with RDKit's reason; CG_ERR_NOMEM
 * Thread: any number of threads may call it at once.
 */
cg_status cg_uff_minimize(const char *smiles, const cg_minimizer_options *stages, int32_t n_stages,
                          size_t n_atoms, double (*xyz)[3], cg_minimized *ret, cg_error *err);

#endif
