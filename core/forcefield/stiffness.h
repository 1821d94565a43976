/* SPDX-License-Identifier: MIT */
/**
 * @file stiffness.h  The pattern of a molecule's stiffness matrix and of its factors.
 *
 * The stiffness matrix approximates the second derivatives of the energy (stiffness_terms.h). It
 * has 3 x 3 blocks for pairs of atoms of a common bond, angle or torsion. The molecule's conformers
 * share the pattern; their matrices are factored as L D L^T along it. Atoms are eliminated in the
 * order of least degree, so that L has few blocks more.
 *
 * Block c < n_atoms is on the diagonal, at position c of the order of elimination. Block
 * n_atoms + k is in column c and row rows[k], columns[c] <= k < columns[c + 1].
 */
#ifndef CG_FORCEFIELD_STIFFNESS_H
#define CG_FORCEFIELD_STIFFNESS_H

#include <confgen/status.h>

#include "forcefield/mmff_tables.h"

enum { CG_BOND_BLOCKS = 1, CG_ANGLE_BLOCKS = 3, CG_TORSION_BLOCKS = 6 };

/** Immutable. */
typedef struct cg_stiffness {
    int32_t n_blocks;
    int32_t *atoms;     /* [n_atoms] in the order of elimination */
    int32_t *positions; /* [n_atoms] of the atoms in it */
    int32_t *columns;   /* [n_atoms + 1] */
    int32_t *rows;      /* [n_blocks - n_atoms] positions after the column's, ascending */
    /* For each column, for each of its rows a, for each of its rows b up to a: the block of a and
     * b. */
    int32_t *updates;
    /* Off-diagonal blocks of each term: of atoms 1-0, 2-0, 2-1, 3-0, 3-1, 3-2. */
    int32_t *bonds, *angles, *torsions;
    int32_t *storage; /* owns the arrays */
} cg_stiffness;

/**
 * @param ret_stiffness  cg_stiffness_finish() releases; unchanged on failure
 * @return CG_OK; CG_ERR_NOMEM
 */
cg_status cg_stiffness_init(const cg_mmff_tables *tables, cg_stiffness *ret_stiffness,
                            cg_error *err);
void cg_stiffness_finish(cg_stiffness *stiffness); /* accepts a zeroed struct */

/** Typical second derivative of the energy of a torsion with the pairs about it, kcal/mol/rad^2. */
#define CG_STIFFNESS_OF_TORSION 8.0

/** Second derivative of the energy of a bond by its length, kcal/mol/Å^2. */
static inline double cg_stiffness_of_bond(const cg_mmff_bond *bond)
{
    return bond->force * CG_MMFF_KCAL;
}

/** Of the energy of an angle, kcal/mol/rad^2. */
static inline double cg_stiffness_of_angle(const cg_mmff_angle *angle)
{
    return angle->force * CG_MMFF_KCAL;
}

#endif
