/* SPDX-License-Identifier: MIT */
/**
 * @file rmsd_plan.h  Order of summation of the inner products of all maps. Internal to rmsd*.c.
 *
 * Most maps agree in most atoms (a phenyl ring turned over moves four). The maps are sorted into a
 * trie by the images of the atoms, and the sum of a common prefix is computed once: 432 maps of 40
 * atoms cost less than a tenth of 432 sums over 40 atoms.
 */
#ifndef CG_EVAL_RMSD_PLAN_H
#define CG_EVAL_RMSD_PLAN_H

#include "eval/symmetry.h"

enum { CG_RMSD_NO_LEVEL = UINT16_MAX };

/** Loads the sums of level `from`, adds the pairs, stores them as level `to` or evaluates them. */
typedef struct cg_rmsd_step {
    uint16_t from; /* CG_RMSD_NO_LEVEL: start from zero */
    uint16_t to;   /* CG_RMSD_NO_LEVEL: a map is complete, evaluate */
    uint32_t n;    /* number of pairs */
    size_t first;  /* index of the first pair */
} cg_rmsd_step;

typedef struct cg_rmsd_plan {
    size_t n_atoms, n_maps;
    size_t n_levels;
    size_t n_steps;
    cg_rmsd_step *steps; /* [n_steps] */
    size_t n_pairs;
    uint16_t (*pairs)[2]; /* [n_pairs] atom of a, atom of b */
} cg_rmsd_plan;

/** Plan over the first n_maps maps of the symmetry, which is not retained. CG_ERR_NOMEM. */
cg_status cg_rmsd_plan_init(const cg_symmetry *symmetry, size_t n_maps, cg_rmsd_plan *ret_plan,
                            cg_error *err);
void cg_rmsd_plan_finish(cg_rmsd_plan *plan); /* accepts a zeroed struct */

#endif
