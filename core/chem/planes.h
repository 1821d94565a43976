/* SPDX-License-Identifier: MIT */
/**
 * @file planes.h  Planar groups of a molecule: small aromatic rings and C=C double bonds.
 */
#ifndef CG_CHEM_PLANES_H
#define CG_CHEM_PLANES_H

#include "chem/molecule.h"

enum { CG_RING_ATOMS = 6 };

/** An aromatic ring of 5 or 6 atoms, in ring order. */
typedef struct cg_flat_ring {
    uint32_t atoms[CG_RING_ATOMS];
    uint32_t n;
} cg_flat_ring;

/** A double bond of two trigonal carbons that both have heavy neighbours. */
typedef struct cg_flat_bond {
    uint32_t ends[2];
    uint32_t neighbours[2][2]; /* heavy neighbours of each end, except the other end */
    uint32_t n_neighbours[2];  /* 1 or 2 */
} cg_flat_bond;

/** Zero first; cg_planes_finish() releases. Atoms are those of the canonical SMILES. */
typedef struct cg_planes {
    cg_flat_ring *rings;
    size_t n_rings;
    cg_flat_bond *bonds;
    size_t n_bonds;
} cg_planes;

/** Finds the planar groups. @return CG_OK; CG_ERR_NOMEM, then *ret_planes is unchanged. */
cg_status cg_planes_find(const cg_molecule *mol, cg_planes *ret_planes, cg_error *err);
void cg_planes_finish(cg_planes *planes); /* accepts NULL and a zeroed struct */

#endif
