/* SPDX-License-Identifier: MIT */
/** @file minimization.h  Energies and minima of a molecule's finished conformers. */
#ifndef CG_ENGINE_MINIMIZATION_H
#define CG_ENGINE_MINIMIZATION_H

#include "engine/conformer.h"
#include "engine/minimizer_pool.h"
#include "template/kept_core.h"

/** Energies or minima of one molecule's conformers: the mode and the tables. Immutable. */
typedef struct cg_minimization cg_minimization;

/**
 * @param mode  CG_MINIMIZE_*; NONE: energies by MMFF94, nothing moves
 * @param text  the molecule of the canonical SMILES; not retained, as `all`
 * @param all   the same with all hydrogens, after the atoms of the text
 * @param core  its atoms stay in place; not retained; zeroed: all move
 * @param ret   owned by the caller, cg_minimization_destroy(); unchanged on failure
 * @return CG_OK; CG_ERR_UNSUPPORTED if neither MMFF94 nor UFF has parameters for it, with the
 *         reasons; CG_ERR_NOMEM
 */
cg_status cg_minimization_create(int32_t mode, const cg_molecule *text, const cg_molecule *all,
                                 const cg_kept_core *core, cg_minimization **ret, cg_error *err);
/** Why energies are UFF's and not MMFF94's; NULL if they are MMFF94's. Owned by `minimization`. */
const char *cg_minimization_uff_reason(const cg_minimization *minimization);
/** The force field of energies and minima, e.g. "MMFF94s_noestat" or "UFF". Static storage. */
const char *cg_minimization_force_field(const cg_minimization *minimization);
void cg_minimization_destroy(cg_minimization *minimization); /* accepts NULL */

/**
 * Minimises the conformers whose verdict is OK and that have hydrogens, and sets their energies;
 * leaves others unchanged. All modes but HYDROGENS move hydrogens first, then all atoms. A
 * conformer that loses a configuration that the SMILES states gets the verdict INVALID_GEOMETRY.
 *
 * @param pool  of GPUs; NULL: on the calling thread, as always by UFF
 * @param c     [n]
 * @return CG_OK; CG_ERR_NOMEM; as cg_minimizer_pool_run()
 * Thread: any number of threads may use one minimisation at once.
 */
cg_status cg_minimization_run(const cg_minimization *minimization, cg_minimizer_pool *pool,
                              cg_parsed_conformer *c, int32_t n, cg_error *err);

#endif
