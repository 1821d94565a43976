/* SPDX-License-Identifier: MIT */
/**
 * @file planes.h  The groups of atoms that must be flat: small aromatic rings, C=C double bonds.
 */
#ifndef CG_CHEM_PLANES_H
#define CG_CHEM_PLANES_H

#include "chem/molecule.h"

enum { CG_RING_ATOMS = 6 };

/** An aromatic ring of 5 or 6 atoms, in order around it. */
typedef struct cg_flat_ring {
    uint32_t atoms[CG_RING_ATOMS];
    uint32_t n;
} cg_flat_ring;

/** A double bond of two trigonal carbons that both have heavy neighbours. */
typedef struct cg_flat_bond {
    uint32_t ends[2];
    uint32_t neighbours[2][2]; /* heavy ones of each end, the other end left out */
    uint32_t n_neighbours[2];  /* 1 or 2 */
} cg_flat_bond;

/** Zero first; cg_planes_finish() releases. Atoms are those of the canonical SMILES. */
typedef struct cg_planes {
    cg_flat_ring *rings;
    size_t n_rings;
    cg_flat_bond *bonds;
    size_t n_bonds;
} cg_planes;

/** CG_OK; CG_ERR_NOMEM, and *ret is unchanged. */
cg_status cg_planes_find(const cg_molecule *mol, cg_planes *ret, cg_error *err);
void cg_planes_finish(cg_planes *planes); /* accepts NULL and a zeroed struct */

#endif
