/* SPDX-License-Identifier: MIT */
/**
 * @file hydrogens.h  A molecule with all of its hydrogens as atoms, and their ideal positions.
 *
 * The atoms of the canonical SMILES keep their numbers; the hydrogens that it leaves out follow, in
 * the order of the atoms that bear them.
 */
#ifndef CG_CHEM_HYDROGENS_H
#define CG_CHEM_HYDROGENS_H

#include "chem/molecule.h"

/** The hydrogens of one molecule. Immutable. */
typedef struct cg_hydrogens cg_hydrogens;

/**
 * @param mol      not retained
 * @param ret      owned by the caller, cg_hydrogens_destroy(); unchanged on failure
 * @return CG_OK; CG_ERR_UNSUPPORTED with RDKit's reason; CG_ERR_NOMEM
 */
cg_status cg_hydrogens_create(const cg_molecule *mol, cg_hydrogens **ret, cg_error *err);
void cg_hydrogens_destroy(cg_hydrogens *hydrogens); /* accepts NULL */

/** The molecule with all hydrogens, owned by `hydrogens`. */
const cg_molecule *cg_hydrogens_molecule(const cg_hydrogens *hydrogens);

/**
 * Places the hydrogens by the geometry of their neighbours, regardless of other atoms, as RDKit's
 * addHs() does.
 *
 * @param xyz  [all atoms][3] Å; those of the canonical SMILES are read, the others written
 * @return CG_OK; CG_ERR_UNSUPPORTED with RDKit's reason; CG_ERR_NOMEM
 * Thread: any number of threads may use one object at once.
 */
cg_status cg_hydrogens_place(const cg_hydrogens *hydrogens, double (*xyz)[3], cg_error *err);

#endif
