/* SPDX-License-Identifier: MIT */
/** @file checker_internal.h  Members of a checker. Atom indices count heavy atoms only. */
#ifndef CG_CHECK_CHECKER_INTERNAL_H
#define CG_CHECK_CHECKER_INTERNAL_H

#include "chem/stereo.h"
#include "check/checker.h"

/** Two atoms and the allowed range of their distance, margins included. */
typedef struct cg_check_pair {
    uint32_t first, second;
    float low, high;   /* Å */
    float low2, high2; /* squared */
} cg_check_pair;

typedef struct cg_check_pairs {
    cg_check_pair *items;
    size_t n;
} cg_check_pairs;

enum {
    CG_CHECK_PLANE_ATOMS = 6,
    CG_CHECK_HYDROGEN = -1, /* implicit hydrogen of a double bond, placed by its neighbours */
};

/**
 * Atoms that must be coplanar: a ring in ring order, or a double bond as { end, two neighbours,
 * other end, two neighbours }.
 */
typedef struct cg_check_plane {
    int32_t atoms[CG_CHECK_PLANE_ATOMS];
    int32_t n; /* 5 or 6 */
} cg_check_plane;

typedef struct cg_check_planes {
    cg_check_plane *items;
    size_t n;
} cg_check_planes;

struct cg_checker {
    const cg_molecule *mol;
    size_t n_atoms;
    int sanitize_failed; /* RDKit reads the molblock as another molecule, or it cannot be written */
    cg_check_pairs bonds, angles, others;
    cg_check_planes rings, double_bonds;
    cg_stereo stereo;
    uint32_t *smiles_atom; /* [n_atoms] index among all atoms of the SMILES */
};

/** In `heavy_index` below: a hydrogen. */
#define CG_CHECK_NOT_HEAVY UINT32_MAX

/**
 * Fills bonds, angles and others.
 *
 * @param heavy_index  [atoms of the SMILES] index among the heavy atoms, or CG_CHECK_NOT_HEAVY
 */
cg_status cg_check_find_pairs(cg_checker *checker, const uint32_t *heavy_index, cg_error *err);
/** Fills rings and double_bonds. */
cg_status cg_check_find_planes(cg_checker *checker, const uint32_t *heavy_index, cg_error *err);

#endif
