/* SPDX-License-Identifier: MIT */
/**
 * @file geometry_tables.h  What decode/geometry.h tests, compiled from a molecule.
 *
 * | test | range | source |
 * | --- | --- | --- |
 * | bonds | bounds of RDKit's distance geometry, 0.15 Å wider, at most 0.2 Å from their middle |
 * chem/bounds.h | | neighbours of one atom | the same, 0.35 Å wider | | | other pairs | 0.35 to
 * 0.75 Å wider by the bonds between them, at least down to 75 % | | | stereocentres | volume of the
 * asked sign, at least 0.5 Å^3 | chem/stereo.h | | cis, trans | cosine of the torsion at least 0.9,
 * of the asked sign | | | other C=C bonds | at least 0.95, either sign | chem/planes.h | | aromatic
 * rings of 5 and 6 | cosine of each torsion at least 0.9 | |
 *
 * Every atom that is written counts, hydrogens among them. The checks of a finished conformer
 * (eval/check.h) have wider margins.
 */
#ifndef CG_TEMPLATE_GEOMETRY_TABLES_H
#define CG_TEMPLATE_GEOMETRY_TABLES_H

#include "chem/molecule.h"
#include "sequence/atom_tests.h"

/**
 * @param ret  owned by the caller, cg_geometry_destroy(); unchanged on failure
 * @return CG_OK; CG_ERR_UNSUPPORTED where RDKit gives no bounds; CG_ERR_NOMEM
 */
cg_status cg_geometry_compile(const cg_molecule *mol, cg_geometry **ret, cg_error *err);
void cg_geometry_destroy(cg_geometry *geometry); /* accepts NULL */

#endif
