/* SPDX-License-Identifier: MIT */
/**
 * @file bounds.h  Lower and upper bounds of all interatomic distances of a molecule.
 *
 * The bounds are those of RDKit's distance geometry (bond lengths, angles, torsions, van der Waals
 * radii) with these changes. Torsions about the bonds of rings of 9 or more atoms are free, so that
 * amides in them may be cis. Where two ends of a conjugated group differ only by resonance form
 * (carboxylates, nitro groups, amidinium, ...), both bonds get the union of both ranges.
 * Hypervalent atoms, and O and N between heavier elements, have the angles of angles.h. The
 * fragments of a salt or mixture are held together by the contacts of contacts.h.
 *
 * PoseBusters judges by RDKit's bounds, with margins. cg_bounds_permitted() applies its margins to
 * the bounds above or to RDKit's own, without the changes for such atoms and their bonds.
 */
#ifndef CG_CHEM_BOUNDS_H
#define CG_CHEM_BOUNDS_H

#include "chem/molecule.h"

/** Zero first; cg_bounds_finish() releases. Atoms are those of the canonical SMILES. */
typedef struct cg_bounds {
    size_t n_atoms;
    double *distance; /* [n][n] Å: see cg_bounds_lower(), cg_bounds_upper() */
    double *rdkit;    /* the same without the angles of angles.h; NULL if there are none */
    uint8_t *path;    /* [n][n]: see cg_bounds_path_length() */
} cg_bounds;

/**
 * Computes the bounds of a molecule.
 *
 * @param ret_bounds  unchanged on failure
 * @return CG_OK; CG_ERR_UNSUPPORTED with the reason if RDKit gives no bounds; CG_ERR_NOMEM
 */
cg_status cg_bounds_compute(const cg_molecule *mol, cg_bounds *ret_bounds, cg_error *err);
void cg_bounds_finish(cg_bounds *bounds); /* accepts NULL and a zeroed struct */

/** Bounds of the distance of two different atoms, in any order, Å. */
double cg_bounds_lower(const cg_bounds *bounds, size_t i, size_t j);
double cg_bounds_upper(const cg_bounds *bounds, size_t i, size_t j);
/**
 * Range of the distance of two different atoms that PoseBusters' margins permit: 25 % for bonds and
 * 1-3 pairs; 30 % and a reserve of 0.02 Å for others, without an upper limit.
 *
 * @param rdkit  1: of RDKit's bounds, as PoseBusters takes them; 0: of those of cg_bounds_lower()
 */
void cg_bounds_permitted(const cg_bounds *bounds, size_t i, size_t j, int rdkit, double *ret_low,
                         double *ret_high);
/**
 * 1 if the range of RDKit's bounds is within reach of a pair: the shape of a hypervalent atom may
 * contradict them.
 */
int cg_bounds_may_satisfy(const cg_bounds *bounds, size_t i, size_t j);
/** Bonds on the shortest path between two atoms; 255: at least 255, or no path. */
int cg_bounds_path_length(const cg_bounds *bounds, size_t i, size_t j);

#endif
