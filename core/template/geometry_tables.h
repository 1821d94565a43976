/* SPDX-License-Identifier: MIT */
/**
 * @file geometry_tables.h  Compiles the geometry tests of a molecule (sequence/atom_tests.h).
 *
 * - Bonds: bounds of RDKit's distance geometry, 0.15 Å wider on each side, at most 0.2 Å from
 *   their middle (chem/bounds.h); 0.1 Å for bonds of hydrogens.
 * - Two neighbours of one atom: bounds 0.35 Å wider on each side.
 * - Angles: ranges of chem/angles.h, 1 degree narrower on each side; trigonal atoms with three
 *   neighbours: the volume of chem/angles.h, 0.1 Å^3 smaller.
 * - Other pairs: bounds 0.35 to 0.75 Å wider on each side, by the number of bonds between them;
 *   lower bound at most 75 % of RDKit's. Hydrogens four bonds or more apart: at least 1.75 Å.
 * - Stereocentres: a volume of the requested sign of at least 0.5 Å^3 (chem/stereo.h).
 * - Cis and trans: cosine of the torsion at least 0.9 in absolute value, of the requested sign.
 * - Other C=C bonds: cosine of the torsion at least 0.95 in absolute value, of either sign
 *   (chem/planes.h).
 * - Aromatic rings of 5 and 6 atoms: cosine of each torsion in the ring at least 0.9 (cis).
 *
 * Atoms are those of the text, explicit hydrogens included. The checks of a finished conformer
 * (check/checker.h) have wider margins.
 */
#ifndef CG_TEMPLATE_GEOMETRY_TABLES_H
#define CG_TEMPLATE_GEOMETRY_TABLES_H

#include "chem/molecule.h"
#include "sequence/atom_tests.h"

/**
 * Compiles the tests of a molecule.
 *
 * @param ret  owned by the caller, cg_geometry_destroy(); unchanged on failure
 * @return CG_OK; CG_ERR_UNSUPPORTED if RDKit gives no bounds; CG_ERR_NOMEM
 */
cg_status cg_geometry_compile(const cg_molecule *mol, cg_geometry **ret, cg_error *err);
void cg_geometry_destroy(cg_geometry *geometry); /* accepts NULL */

#endif
