/* SPDX-License-Identifier: MIT */
/**
 * @file mmff_tables.h  The terms of a molecule's MMFF94 or MMFF94s energy as flat tables, for host
 * and device.
 *
 * Atoms are numbered as in the molecule's SMILES, all hydrogens included. Units are MMFF94's: Å,
 * degrees, mdyn/Å and kcal/mol. mmff_terms.h has the formulas.
 *
 * The tables lie in one block of memory. A device copy has the same block and pointers moved by the
 * same distance.
 */
#ifndef CG_FORCEFIELD_MMFF_TABLES_H
#define CG_FORCEFIELD_MMFF_TABLES_H

#include <stddef.h>
#include <stdint.h>

/** kcal/mol of 1 mdyn Å. */
#define CG_MMFF_KCAL 143.9325

/** Parts of the energy. */
enum {
    CG_MMFF_BONDS = 0,
    CG_MMFF_ANGLES = 1,
    CG_MMFF_STRETCH_BENDS = 2,
    CG_MMFF_PLANES = 3,
    CG_MMFF_TORSIONS = 4,
    CG_MMFF_VAN_DER_WAALS = 5,
    CG_MMFF_CHARGES = 6,
    CG_MMFF_PARTS = 7,
};

typedef struct cg_mmff_bond {
    int32_t atoms[2];
    double force, length; /* mdyn/Å, Å */
} cg_mmff_bond;

/** An angle with its stretch-bend interaction, whose constants are 0 if there is none. */
typedef struct cg_mmff_angle {
    int32_t atoms[3];             /* [1] is the centre */
    int32_t linear;               /* 1: the ideal angle is 180 degrees */
    double force;                 /* mdyn Å/rad^2 */
    double angle;                 /* degrees */
    double stretch[2], length[2]; /* of the bonds [0]-[1] and [2]-[1]: mdyn/rad, Å */
} cg_mmff_angle;

/** Bending of atoms[3] out of the plane of the other three. */
typedef struct cg_mmff_plane {
    int32_t atoms[4]; /* [1] is the centre */
    double force;     /* mdyn Å/rad^2 */
} cg_mmff_plane;

typedef struct cg_mmff_torsion {
    int32_t atoms[4];
    double v[3]; /* kcal/mol */
} cg_mmff_torsion;

/** Van der Waals and Coulomb interaction. */
typedef struct cg_mmff_pair {
    int32_t atoms[2];
    double radius, depth; /* of the minimum: Å, kcal/mol */
    double charge;        /* product of the charges, e^2, reduced for pairs three bonds apart */
} cg_mmff_pair;

/** Immutable. Pairs are sorted by atoms[0], which is the smaller one. */
typedef struct cg_mmff_tables {
    int32_t n_atoms, n_bonds, n_angles, n_planes, n_torsions, n_pairs;
    cg_mmff_bond *bonds;
    cg_mmff_angle *angles;
    cg_mmff_plane *planes;
    cg_mmff_torsion *torsions;
    cg_mmff_pair *pairs;
    size_t size; /* bytes of the block, which begins at `bonds` */
} cg_mmff_tables;

#endif
