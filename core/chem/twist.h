/* SPDX-License-Identifier: MIT */
/**
 * @file twist.h  How far rings twist a double bond out of its plane.
 */
#ifndef CG_CHEM_TWIST_H
#define CG_CHEM_TWIST_H

#include "chem/adjacency.h"
#include "chem/stereo.h"

/**
 * Least cosine of the torsions about a double bond, in absolute value, that its rings permit: below
 * 1 if a ring of up to 11 atoms contains the bond in trans, because the SMILES requests it or
 * because the bond ends at a bridgehead (Bredt's rule: with both neighbours of one end in rings
 * with a neighbour of the other, one of them is trans). 0 if that ring has fewer than 8 atoms.
 *
 * @param requested  the bond's configuration, or NULL
 */
float cg_double_bond_twist(const cg_adjacency *adj, const uint32_t ends[2],
                           const cg_stereo_bond *requested);

#endif
