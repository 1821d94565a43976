/* SPDX-License-Identifier: MIT */
/**
 * @file bounds.h  The range that the distance of any two atoms of a molecule keeps to.
 *
 * RDKit's bounds of distance geometry (bond lengths, angles, torsions, van der Waals radii), with
 * two changes: secondary amides may be cis, as they are in macrocycles; and where two ends of a
 * conjugated group differ by the drawing alone (carboxylates, nitro groups, amidinium, ...), both
 * bonds get the range of both.
 */
#ifndef CG_CHEM_BOUNDS_H
#define CG_CHEM_BOUNDS_H

#include "chem/molecule.h"

/** Zero first; cg_bounds_finish() releases. Atoms are those of the canonical SMILES. */
typedef struct cg_bounds {
    size_t n_atoms;
    double *distance; /* [n][n] Å: see cg_bounds_lower(), cg_bounds_upper() */
    uint8_t *steps;   /* [n][n] see cg_bounds_path_length() */
} cg_bounds;

/**
 * @param ret  unchanged on failure
 * @return CG_OK; CG_ERR_UNSUPPORTED with the reason where RDKit gives no bounds; CG_ERR_NOMEM
 */
cg_status cg_bounds_compute(const cg_molecule *mol, cg_bounds *ret, cg_error *err);
void cg_bounds_finish(cg_bounds *bounds); /* accepts NULL and a zeroed struct */

/** Of two different atoms, in any order. */
double cg_bounds_lower(const cg_bounds *bounds, size_t i, size_t j);
double cg_bounds_upper(const cg_bounds *bounds, size_t i, size_t j);
/** Bonds of the shortest way between them; 1 of neighbours; 255: that many, or no way. */
int cg_bounds_path_length(const cg_bounds *bounds, size_t i, size_t j);

#endif
