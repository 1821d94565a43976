/* SPDX-License-Identifier: MIT */
/**
 * @file stereo.h  The stereo that a SMILES asks for, as tests that coordinates pass or fail.
 *
 * Read from the marks of the canonical SMILES alone: @ and @@ become the sign of a volume, / and \
 * become cis or trans. Nothing is perceived here: what the SMILES leaves open has no test.
 */
#ifndef CG_CHEM_STEREO_H
#define CG_CHEM_STEREO_H

#include "chem/molecule.h"

/**
 * A tetrahedral centre. The volume is v1 . (v2 x v3) in Å^3. With three neighbours (the fourth is
 * a hydrogen or a lone pair) v are the vectors from the centre to neighbours 0, 1, 2; with four,
 * those from neighbour 0 to neighbours 1, 2, 3.
 */
typedef struct cg_stereo_centre {
    uint32_t atom;
    uint32_t neighbours[4];
    uint8_t n_neighbours; /* 3 or 4 */
    int8_t sign;          /* that the volume must have: 1 or -1 */
} cg_stereo_centre;

/** A double bond of atoms ends[0] and ends[1]: are neighbours[0] and [1] on one side of it? */
typedef struct cg_stereo_bond {
    uint32_t ends[2];
    uint32_t neighbours[2]; /* one of each end */
    int8_t cis;             /* 1 yes, 0 no */
} cg_stereo_bond;

/** Zero first; cg_stereo_finish() releases. */
typedef struct cg_stereo {
    cg_stereo_centre *centres;
    size_t n_centres;
    cg_stereo_bond *bonds;
    size_t n_bonds;
    size_t n_untested; /* marks that coordinates of heavy atoms cannot show: see cg_stereo_find */
} cg_stereo;

/**
 * The tests of a molecule. Hydrogens that are atoms of the SMILES are no neighbours: a centre with
 * one has three, and a double bond with nothing else at one end ([H]/N=C) counts as untested, as
 * do written classes other than @ and @@, and centres of more than four neighbours. Marks at a
 * double bond in a ring of fewer than eight atoms belong to other bonds.
 *
 * @return CG_OK; CG_ERR_NOMEM; on failure *ret is unchanged
 */
cg_status cg_stereo_find(const cg_molecule *mol, cg_stereo *ret, cg_error *err);
void cg_stereo_finish(cg_stereo *stereo); /* accepts NULL and a zeroed struct */

/** Below this a centre is as good as flat and has no sense, Å^3. RDKit's value. */
#define CG_STEREO_FLAT 0.1

/** Volume of a centre times the sign wanted: positive and >= CG_STEREO_FLAT if it is right. */
double cg_stereo_centre_volume(const cg_stereo_centre *centre, const float (*xyz)[3]);
/**
 * Cosine of the torsion neighbour-end-end-neighbour, with the sign changed for trans: positive if
 * it is right. 0 where three of the atoms are in line.
 */
double cg_stereo_bond_cosine(const cg_stereo_bond *bond, const float (*xyz)[3]);

#endif
