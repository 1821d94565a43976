/* SPDX-License-Identifier: MIT */
/**
 * @file puckered.h  Six-membered rings that PoseBusters' test "non-aromatic ring non-flatness"
 * wants to be puckered.
 *
 * The rings are those of its five SMARTS patterns: six atoms of C, N, O and S, not aromatic, in no
 * other ring; at most two multiple bonds; with two of them, heteroatoms are the ends of one of the
 * two bonds only, or one atom outside of both.
 */
#ifndef CG_CHEM_PUCKERED_H
#define CG_CHEM_PUCKERED_H

#include "chem/molecule.h"

enum { CG_PUCKERED_ATOMS = 6 };

/** A ring, in ring order. */
typedef struct cg_puckered_ring {
    uint32_t atoms[CG_PUCKERED_ATOMS];
    int may_be_flat; /* 0: two of its saturated carbons are neighbours, or no atom has a multiple
                        bond. Eclipsed bonds keep such a ring from being flat. 1: all others, such
                        as 1,4-dihydropyridines, barbiturates, diketopiperazines */
} cg_puckered_ring;

/** Zero first; cg_puckered_finish() releases. Atoms are those of the canonical SMILES. */
typedef struct cg_puckered {
    cg_puckered_ring *rings;
    size_t n;
} cg_puckered;

/** Finds the rings. @return CG_OK; CG_ERR_NOMEM, then *ret_puckered is unchanged */
cg_status cg_puckered_find(const cg_molecule *mol, cg_puckered *ret_puckered, cg_error *err);
void cg_puckered_finish(cg_puckered *puckered); /* accepts NULL and a zeroed struct */

#endif
