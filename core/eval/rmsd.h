/* SPDX-License-Identifier: MIT */
/**
 * @file rmsd.h  Root-mean-square deviation of two sets of conformers after the best superposition.
 *
 * Superposition by proper rotation (Kabsch; solved with quaternions, QCP: Theobald, Acta Cryst. A61
 * (2005) 478), the smallest value over a molecule's automorphisms. All figures in ångström, right
 * to 1e-6 Å or a float's last digit. They are the same to the last bit on every processor, and
 * whatever the order of conformers. Sets may be used by any number of threads at once.
 */
#ifndef CG_EVAL_RMSD_H
#define CG_EVAL_RMSD_H

#include "eval/symmetry.h"

/** Conformers prepared for comparison: centred, their inner products known. */
typedef struct cg_rmsd_set cg_rmsd_set;

/**
 * @param xyz  [n_conformers][n_atoms][3] Å, finite; not kept
 * @return CG_OK; CG_ERR_INPUT naming the conformer where a value is not finite; CG_ERR_USAGE
 * without atoms; CG_ERR_NOMEM.
 */
cg_status cg_rmsd_set_create(const float (*xyz)[3], size_t n_conformers, size_t n_atoms,
                             cg_rmsd_set **ret_set, cg_error *err);
void cg_rmsd_set_destroy(cg_rmsd_set *set); /* accepts NULL */

/** What bounds a comparison; zero: no bound. None either where few_maps is no less than all. */
typedef struct cg_rmsd_limits {
    double seconds;  /* after so much time the remaining pairs see the first maps only */
    size_t few_maps; /* so many of them, >= 1 where seconds is set */
} cg_rmsd_limits;

/** What a comparison did. */
typedef struct cg_rmsd_count {
    uint64_t pairs;  /* n_a * n_b */
    uint64_t exact;  /* maps that were tried: pairs times maps without pruning */
    uint64_t pruned; /* pairs that a lower bound decided */
    int limited;     /* the time ran out */
} cg_rmsd_count;

/**
 * The full matrix.
 * @param ret_rmsd  [n_a][n_b] Å; unspecified on failure
 * @return CG_OK; CG_ERR_MISMATCH where sets and maps are not of one number of atoms; CG_ERR_NOMEM
 */
cg_status cg_rmsd_matrix(const cg_rmsd_set *a, const cg_rmsd_set *b, const cg_symmetry *symmetry,
                         float *ret_rmsd, cg_error *err);

/**
 * Row and column minima of the matrix, without the pairs that a lower bound shows to be no minimum;
 * the same values to the last bit as by cg_rmsd_matrix().
 *
 * @param limits     NULL: none
 * @param ret_min_a  [n_a] Å, for each conformer of a the nearest of b; infinite where b is empty
 * @param ret_min_b  [n_b] Å
 * @param ret_count  may be NULL
 * @return as cg_rmsd_matrix(); CG_ERR_USAGE for limits without maps
 */
cg_status cg_rmsd_minima(const cg_rmsd_set *a, const cg_rmsd_set *b, const cg_symmetry *symmetry,
                         const cg_rmsd_limits *limits, float *ret_min_a, float *ret_min_b,
                         cg_rmsd_count *ret_count, cg_error *err);

#endif
