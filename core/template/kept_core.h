/* SPDX-License-Identifier: MIT */
/**
 * @file kept_core.h  A core (chem/core_structure.h) in one molecule, and the tests that keep it.
 *
 * A text has a frame of its own, in which the core may lie anywhere. So the tests fix the core's
 * shape, not its position: each of its atoms has a place relative to three others (cg_core_place in
 * sequence/atom_tests.h), where repair writes it as soon as it is sampled. A finished conformer is
 * superposed on the core; engine/core_frame.h.
 */
#ifndef CG_TEMPLATE_KEPT_CORE_H
#define CG_TEMPLATE_KEPT_CORE_H

#include "chem/core_structure.h"
#include "sequence/atom_tests.h"

/** Zero first; cg_kept_core_finish() releases. */
typedef struct cg_kept_core {
    const cg_core *core; /* borrowed; NULL: the molecule has none */
    uint32_t *atoms;     /* [cg_core_n_atoms()] the molecule's atom of each atom of the core */
} cg_kept_core;

/**
 * Finds the first match of the core, in RDKit's order, in which no stereo configuration that the
 * SMILES states is inverted.
 *
 * @param geometry  tests of the molecule; NULL: it has none
 * @param ret       borrows `core`; unchanged on failure
 * @return CG_OK; CG_ERR_UNSUPPORTED for a molecule without such a match or without tests;
 *         CG_ERR_NOMEM
 */
cg_status cg_kept_core_find(const cg_core *core, const cg_molecule *mol,
                            const cg_geometry *geometry, cg_kept_core *ret, cg_error *err);
void cg_kept_core_finish(cg_kept_core *kept); /* accepts zeroed structs */

/**
 * Replaces the tests of a molecule by those that keep the core. Tests and bounds of the core's
 * atoms alone are dropped: its shape is as it is given.
 *
 * @param tolerance  Å: cg_geometry.core_tolerance
 * @param geometry   of cg_geometry_compile(); its first atoms are those of the match; unchanged on
 *                   failure
 * @return CG_OK; CG_ERR_NOMEM
 */
cg_status cg_geometry_keep_core(const cg_kept_core *kept, float tolerance, cg_geometry **geometry,
                                cg_error *err);

#endif
