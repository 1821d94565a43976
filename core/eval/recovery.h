/* SPDX-License-Identifier: MIT */
/**
 * @file recovery.h  How well the first K generated conformers recover the references, and how many
 * clusters the generated conformers form.
 *
 * Clusters are those of the leader algorithm in the order of the file: a conformer that is nearer
 * than the radius to no leader becomes a leader.
 */
#ifndef CG_EVAL_RECOVERY_H
#define CG_EVAL_RECOVERY_H

#include "eval/bioactive.h"
#include "eval/rmsd.h"
#include "eval/torsions.h"

/**
 * Computes the minima of cg_rmsd_minima(), to the last bit, and the figures that depend on the
 * order of the generated conformers.
 *
 * @param ref        references, at least one
 * @param gen        [n_gen][symmetry->n_atoms][3] Å, n_gen >= 1
 * @param limits     as in cg_rmsd_minima(); after the time limit clusters use the first maps too
 * @param ret_ref_min  [n_ref] Å, n_ref as in `ref`
 * @param ret_gen_min  [n_gen] Å
 * @return as cg_rmsd_minima() and cg_rmsd_set_create(). Memory: O(n_gen n_atoms).
 */
cg_status cg_recovery_compare(const cg_rmsd_set *ref, size_t n_ref, const float (*gen)[3],
                              size_t n_gen, const cg_symmetry *symmetry,
                              const cg_rmsd_limits *limits, float *ret_ref_min, float *ret_gen_min,
                              cg_bioactive *ret_figures, cg_rmsd_count *ret_count, cg_error *err);

/**
 * Computes figures->tfd.
 * @param ref, gen  [n_ref], [n_gen][n_atoms][3] Å, both at least one
 * @return CG_OK; CG_ERR_NOMEM. Memory: the torsions of the references.
 */
cg_status cg_recovery_torsions(const cg_torsions *torsions, const float (*ref)[3], size_t n_ref,
                               const float (*gen)[3], size_t n_gen, size_t n_atoms,
                               cg_bioactive *figures, cg_error *err);

#endif
