/* SPDX-License-Identifier: MIT */
/**
 * @file rmsd_program.h  Inside rmsd.c: the order in which the inner products of all maps are
 * summed.
 *
 * Maps mostly agree in most atoms (a phenyl ring turned over moves four). They are sorted into a
 * trie by the images of the atoms, and the sum of a common beginning is made once: 432 maps of 40
 * atoms cost less than a tenth of 432 sums over 40 atoms.
 */
#ifndef CG_EVAL_RMSD_PROGRAM_H
#define CG_EVAL_RMSD_PROGRAM_H

#include "eval/symmetry.h"

enum { CG_RMSD_NO_LEVEL = UINT16_MAX };

/** Take the sums of level `from`, add the pairs, keep them as level `to` or evaluate them. */
typedef struct cg_rmsd_step {
    uint16_t from; /* CG_RMSD_NO_LEVEL: zero */
    uint16_t to;   /* CG_RMSD_NO_LEVEL: a map is complete */
    uint32_t n;    /* pairs */
    size_t first;  /* of them */
} cg_rmsd_step;

typedef struct cg_rmsd_program {
    size_t n_atoms, n_maps;
    size_t n_levels;
    size_t n_steps;
    cg_rmsd_step *steps; /* [n_steps] */
    size_t n_pairs;
    uint16_t (*pairs)[2]; /* [n_pairs] atom of a, atom of b */
} cg_rmsd_program;

/** Of the first n_maps maps of the symmetry, which it does not keep. CG_ERR_NOMEM. */
cg_status cg_rmsd_program_init(const cg_symmetry *symmetry, size_t n_maps,
                               cg_rmsd_program *ret_program, cg_error *err);
void cg_rmsd_program_finish(cg_rmsd_program *program); /* accepts a zeroed struct */

#endif
