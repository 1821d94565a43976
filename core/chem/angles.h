/* SPDX-License-Identifier: MIT */
/**
 * @file angles.h  Permitted ranges of the bond angles of a molecule.
 *
 * The range of an angle depends on its central atom and on rings:
 *
 * - linear atoms (a triple bond or two double bonds at C or N: nitriles, alkynes, allenes, azides,
 *   isocyanates, CO2): at least 160 degrees; less in rings of up to 10 atoms;
 * - trigonal atoms (C and N with a double bond, aromatic atoms, B with three neighbours): 100 to
 *   145;
 * - other C 88 to 135; other N and O 88 to 145; heavier elements 76 to 145;
 * - imine N of isocyanates and isothiocyanates, O and N between heavier elements (Si-O-Si, P-O-P,
 *   N=P): 95 to 180;
 * - atoms of five or six electron pairs (SF5, PF5, PF6-, SF4, IF5, ICl3): about 90 and 180 of an
 *   octahedron, 90, 120 and 180 of a trigonal bipyramid, whose axes take the more electronegative
 *   neighbours; lone pairs are equatorial. Which neighbours are opposite is fixed for a molecule;
 * - angles within rings of 3, 4 and 5 atoms: about 60, 90 and 105; angles outside of rings of 3
 *   and 4 at a ring atom: wider than those above.
 *
 * A trigonal atom with three neighbours is also planar: its three angles may each be in range in a
 * pyramid. The ranges include the angles of ETKDG and MMFF94 conformers (check/NOTES.md).
 */
#ifndef CG_CHEM_ANGLES_H
#define CG_CHEM_ANGLES_H

#include "chem/molecule.h"

/** The angle first-centre-second; first < second. */
typedef struct cg_angle {
    uint32_t first, centre, second;
    float low, high;      /* degrees; 0 and 180 are no limits */
    uint8_t own_distance; /* 1: the distance of the ends follows from this range, because RDKit's
                             bounds do not permit it */
} cg_angle;

/** A trigonal atom and its three neighbours. */
typedef struct cg_trigonal {
    uint32_t centre, neighbours[3];
} cg_trigonal;

/** Zero first; cg_angles_finish() releases. Atoms are those of the canonical SMILES. */
typedef struct cg_angles {
    cg_angle *angles;
    size_t n_angles;
    cg_trigonal *trigonal;
    size_t n_trigonal;
} cg_angles;

/**
 * Largest volume v1 . (v2 x v3) of the vectors from a trigonal atom to its neighbours, Å^3, in
 * absolute value. A tetrahedral carbon has about 2.7; C60, the most curved, 1.5.
 */
#define CG_TRIGONAL_VOLUME 1.6F

/** Lists the angles of a molecule that have a range. @return CG_OK; CG_ERR_NOMEM, then *ret_angles
 * is unchanged */
cg_status cg_angles_find(const cg_molecule *mol, cg_angles *ret_angles, cg_error *err);
void cg_angles_finish(cg_angles *angles); /* accepts NULL and a zeroed struct */

#endif
