/* SPDX-License-Identifier: MIT */
/** @file checker_internal.h  Members of a checker. Atoms are those of the canonical SMILES. */
#ifndef CG_CHECK_CHECKER_INTERNAL_H
#define CG_CHECK_CHECKER_INTERNAL_H

#include "chem/angles.h"
#include "chem/contacts.h"
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

/** Kinds of pairs: bonds, the ends of angles, others. */
enum { CG_CHECK_BOND, CG_CHECK_ANGLE, CG_CHECK_OTHER, CG_CHECK_KINDS };

enum {
    CG_CHECK_PLANE_ATOMS = 6,
    CG_CHECK_HYDROGEN = -1, /* implicit hydrogen of a double bond, placed by its neighbours */
};

/**
 * Atoms that must be coplanar: a ring in ring order, or a double bond as { end, two neighbours,
 * other end, two neighbours }. Or a ring that must not be.
 */
typedef struct cg_check_plane {
    int32_t atoms[CG_CHECK_PLANE_ATOMS];
    int32_t n;           /* 5 or 6 */
    int32_t may_be_flat; /* of a ring that must not be: see cg_puckered_ring */
} cg_check_plane;

typedef struct cg_check_planes {
    cg_check_plane *items;
    size_t n;
} cg_check_planes;

struct cg_checker {
    const cg_molecule *mol;
    int sanitize_failed; /* RDKit reads the molblock as another molecule, or it cannot be written */
    cg_check_pairs pairs[CG_CHECK_KINDS];
    /* those at hypervalent atoms with the narrower ranges of RDKit's own bounds */
    cg_check_pairs disputed[CG_CHECK_KINDS];
    cg_check_planes rings, double_bonds;
    cg_check_planes puckered; /* rings of six that must not be planar */
    cg_angles bond_angles;
    cg_contacts contacts;
    cg_stereo stereo;
    uint32_t unchecked;         /* bits: tests that apply but cannot be done for the molecule */
    char reason[CG_ERROR_TEXT]; /* of the first of them, "" without */
};

/** Fills pairs and disputed. @return CG_OK; CG_ERR_UNSUPPORTED without bounds; CG_ERR_NOMEM
 */
cg_status cg_check_find_pairs(cg_checker *checker, cg_error *err);
/** Fills rings, double_bonds and puckered. @return CG_OK; CG_ERR_NOMEM */
cg_status cg_check_find_planes(cg_checker *checker, cg_error *err);

/** Writes which fragment touches no other one to ret_detail, or "". @return CG_OK; CG_ERR_NOMEM */
cg_status cg_check_find_loose_fragment(const cg_checker *checker, const float (*xyz)[3],
                                       char *ret_detail, size_t cap, cg_error *err);
/** 1 if an angle is out of range or a trigonal atom is not planar, with the values in ret_detail.
 */
int cg_check_find_bent_angle(const cg_checker *checker, const float (*xyz)[3], char *ret_detail,
                             size_t cap);

#endif
