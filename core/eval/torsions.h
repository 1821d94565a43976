/* SPDX-License-Identifier: MIT */
/**
 * @file torsions.h  Torsion fingerprint deviation (TFD) of two conformers of a molecule.
 *
 * As RDKit's TorsionFingerprints.py with its defaults (Schulz-Gasch et al., J. Chem. Inf. Model. 52
 * (2012) 1499): the weighted mean over rotatable bonds and rings of the difference of torsions, as
 * a share of the largest possible one. 0 is equal, 1 the largest.
 */
#ifndef CG_EVAL_TORSIONS_H
#define CG_EVAL_TORSIONS_H

#include <confgen/status.h>

#include <stddef.h>

typedef struct cg_torsions cg_torsions;

/**
 * Finds the torsions of a molecule.
 *
 * @param smiles        canonical
 * @param n_atoms       its heavy atoms
 * @param ret_torsions  cg_torsions_destroy(); NULL if the molecule has no TFD: no bond between two
 *                      atoms of at least two neighbours each, or several pieces, or confgen was
 *                      built without the RDKit adapter
 * @return CG_OK; CG_ERR_NOMEM
 */
cg_status cg_torsions_create(const char *smiles, size_t n_atoms, cg_torsions **ret_torsions,
                             cg_error *err);
void cg_torsions_destroy(cg_torsions *torsions); /* accepts NULL */

/** Number of angles of a conformer. */
size_t cg_torsions_count(const cg_torsions *torsions);

/** Computes ret_angles[cg_torsions_count()], in degrees, of xyz[n_atoms]. */
void cg_torsions_angles(const cg_torsions *torsions, const float (*xyz)[3], double *ret_angles);

/** TFD of two conformers from their angles. */
double cg_torsions_deviation(const cg_torsions *torsions, const double *a, const double *b);

#endif
