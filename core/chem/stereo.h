/* SPDX-License-Identifier: MIT */
/**
 * @file stereo.h  The stereo configuration of a molecule, as tests of coordinates.
 *
 * The configuration is that of RDKit's molecule of the canonical SMILES, not a reading of the text:
 * RDKit inverts the marks of some atoms (three neighbours, one of them by a ring closure) when it
 * reads and writes them. Unspecified configurations have no test.
 */
#ifndef CG_CHEM_STEREO_H
#define CG_CHEM_STEREO_H

#include "chem/molecule.h"

/**
 * A tetrahedral stereocentre. Its volume is v1 . (v2 x v3) in Å^3. With three neighbours (the
 * fourth is a lone pair or a hydrogen that is no atom of the SMILES) v are the vectors from the
 * stereocentre to neighbours 0, 1, 2; with four, those from neighbour 0 to neighbours 1, 2, 3.
 */
typedef struct cg_stereo_centre {
    uint32_t atom;
    uint32_t neighbours[4];
    uint8_t n_neighbours; /* 3 or 4 */
    int8_t sign;          /* of the volume: 1 or -1 */
} cg_stereo_centre;

/** In a cg_stereo_bond: there is no such atom in the text. */
#define CG_STEREO_NO_ATOM UINT32_MAX

/** The configuration of a double bond between ends[0] and ends[1]. */
typedef struct cg_stereo_bond {
    uint32_t ends[2];
    uint32_t neighbours[2]; /* one of each end */
    uint32_t others[2];     /* the other one of each end, or CG_STEREO_NO_ATOM */
    int8_t cis;             /* the neighbours are on one side of the bond: 1 yes, 0 no */
} cg_stereo_bond;

/** Zero first; cg_stereo_finish() releases. */
typedef struct cg_stereo {
    cg_stereo_centre *centres;
    size_t n_centres;
    cg_stereo_bond *bonds;
    size_t n_bonds;
    size_t n_untested; /* requested configurations without a test: see cg_stereo_find() */
} cg_stereo;

/**
 * Finds the tests of a molecule. Every atom of the SMILES is a neighbour, explicit hydrogens too.
 * Untested are the configurations that RDKit holds but are neither tetrahedral nor of a double
 * bond, and those that the parsed text states and RDKit cannot hold (cg_molecule_n_lost_stereo()).
 *
 * @return CG_OK; CG_ERR_UNSUPPORTED if RDKit does not give the stereo (always with a system
 *         librdkitcffi); CG_ERR_NOMEM; on failure *ret_stereo is unchanged
 */
cg_status cg_stereo_find(const cg_molecule *mol, cg_stereo *ret_stereo, cg_error *err);
void cg_stereo_finish(cg_stereo *stereo); /* accepts NULL and a zeroed struct */

/** Below this volume a stereocentre counts as planar, without a configuration; Å^3, RDKit's value.
 */
#define CG_STEREO_FLAT 0.1

/** Volume of a stereocentre times its sign: >= CG_STEREO_FLAT if the configuration is right. */
double cg_stereo_centre_volume(const cg_stereo_centre *centre, const float (*xyz)[3]);
/** The configuration of the double bond between two atoms, in either order; NULL without one. */
const cg_stereo_bond *cg_stereo_find_bond(const cg_stereo *stereo, const uint32_t ends[2]);

enum { CG_STEREO_BOND_PAIRS = 4 };
/**
 * Pair k of neighbours of a double bond, one of each end.
 *
 * @return 1 if they are cis, -1 if trans, 0 if an end has no such neighbour
 */
int cg_stereo_bond_pair(const cg_stereo_bond *bond, int k, uint32_t ret_neighbours[2]);
/**
 * Cosine of the torsion neighbour-end-end-neighbour, negated for trans, or the least of those of
 * all pairs of neighbours: positive if the configuration is right. 0 if three of the atoms are
 * collinear.
 */
double cg_stereo_bond_cosine(const cg_stereo_bond *bond, const float (*xyz)[3]);

/**
 * Is the stereoisomer with some centres and double bonds inverted the same molecule, as for a meso
 * compound with all stereocentres inverted? Compares canonical SMILES; takes the time of RDKit for
 * parsing and writing the molecule.
 *
 * @param centres, bonds  [n_centres], [n_bonds] of `stereo`, which is of `mol`; nonzero: inverted
 * @return CG_OK; CG_ERR_NOMEM
 */
cg_status cg_stereo_is_same_isomer(const cg_molecule *mol, const cg_stereo *stereo,
                                   const unsigned char *centres, const unsigned char *bonds,
                                   int *ret_same, cg_error *err);

#endif
