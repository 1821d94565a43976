/* SPDX-License-Identifier: MIT */
/**
 * @file rmsd.h  Root-mean-square deviation of two sets of conformers after the best superposition.
 *
 * Superposition by proper rotation (Kabsch; solved with quaternions, QCP: Theobald, Acta Cryst. A61
 * (2005) 478); the minimum over a molecule's automorphisms. All figures in ångström, accurate to
 * 1e-6 Å or a float's last digit, and identical to the last bit on every processor and for any
 * order of conformers. Thread: a set may be used by any number of threads at once.
 */
#ifndef CG_EVAL_RMSD_H
#define CG_EVAL_RMSD_H

#include "eval/symmetry.h"

/** Conformers prepared for comparison: centred, scaled, sorted. */
typedef struct cg_rmsd_set cg_rmsd_set;

/**
 * @param xyz  [n_conformers][n_atoms][3] Å, finite; copied
 * @return CG_OK; CG_ERR_INPUT with the conformer's number if a value is not finite; CG_ERR_USAGE
 *         without atoms; CG_ERR_NOMEM
 */
cg_status cg_rmsd_set_create(const float (*xyz)[3], size_t n_conformers, size_t n_atoms,
                             cg_rmsd_set **ret_set, cg_error *err);
void cg_rmsd_set_destroy(cg_rmsd_set *set); /* accepts NULL */

/** Time limit of a comparison; zeroed: none. Without effect if few_maps covers all maps. */
typedef struct cg_rmsd_limits {
    double seconds;  /* afterwards the remaining pairs are compared over the first maps only */
    size_t few_maps; /* number of these maps, >= 1 if seconds is set */
} cg_rmsd_limits;

/** Counts of a comparison. */
typedef struct cg_rmsd_count {
    uint64_t pairs;      /* n_a * n_b */
    uint64_t maps_tried; /* summed over the pairs; without pruning, pairs times maps */
    uint64_t pruned;     /* pairs excluded by a lower bound */
    int limited;         /* 1 if the time limit was reached */
} cg_rmsd_count;

/**
 * Computes the full matrix.
 * @param ret_rmsd  [n_a][n_b] Å; unspecified on failure
 * @return CG_OK; CG_ERR_MISMATCH if sets and maps differ in their number of atoms; CG_ERR_NOMEM
 */
cg_status cg_rmsd_matrix(const cg_rmsd_set *a, const cg_rmsd_set *b, const cg_symmetry *symmetry,
                         float *ret_rmsd, cg_error *err);

/**
 * Computes row and column minima of the matrix, skipping pairs that a lower bound excludes. The
 * values equal those of cg_rmsd_matrix() to the last bit.
 *
 * @param limits     NULL: none
 * @param ret_min_a  [n_a] Å, from each conformer of a to the nearest of b; infinite if b is empty
 * @param ret_min_b  [n_b] Å
 * @param ret_count  may be NULL
 * @return as cg_rmsd_matrix(); CG_ERR_USAGE for a time limit with few_maps 0
 */
cg_status cg_rmsd_minima(const cg_rmsd_set *a, const cg_rmsd_set *b, const cg_symmetry *symmetry,
                         const cg_rmsd_limits *limits, float *ret_min_a, float *ret_min_b,
                         cg_rmsd_count *ret_count, cg_error *err);

/**
 * Leader clustering: in order, a conformer that is nearer than `radius` to no leader becomes one,
 * any other belongs to the first leader that near. Distances are those of cg_rmsd_matrix() from the
 * leader to the conformer; pairs that a lower bound excludes are skipped.
 *
 * @param xyz         [n][symmetry->n_atoms][3] Å, in order of preference; copied
 * @param radius      Å, > 0
 * @param ret_leader  [n] index of the conformer's leader; its own for a leader; unspecified on
 *                    failure
 * @return as cg_rmsd_set_create() and cg_rmsd_matrix()
 */
cg_status cg_rmsd_leaders(const float (*xyz)[3], size_t n, const cg_symmetry *symmetry,
                          double radius, size_t *ret_leader, cg_error *err);

#endif
