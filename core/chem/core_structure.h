/* SPDX-License-Identifier: MIT */
/**
 * @file core_structure.h  A core: a substructure with the coordinates that conformers keep.
 *
 * Atoms of a core are the heavy atoms of its molblock, in the order of the block.
 */
#ifndef CG_CHEM_CORE_STRUCTURE_H
#define CG_CHEM_CORE_STRUCTURE_H

#include "chem/molecule.h"

/** Immutable. */
typedef struct cg_core cg_core;

enum {
    CG_CORE_MAX_COORDINATE = 1000, /* Å, absolute value */
    CG_CORE_MAX_MATCHES = 1000,    /* of a molecule that are compared */
};

/**
 * Reads a core from a molblock.
 *
 * @param block  terminated, at most CG_MOLECULE_MAX_BLOCK bytes
 * @param ret    owned by the caller, cg_core_destroy(); unchanged on failure
 * @return CG_OK; CG_ERR_INPUT if RDKit cannot read the block, for atoms that are no elements, a
 *         drawing, coordinates beyond CG_CORE_MAX_COORDINATE, or fewer than three heavy atoms that
 *         are not on one line; CG_ERR_LIMIT; CG_ERR_NOMEM
 */
cg_status cg_core_create(const char *block, cg_core **ret, cg_error *err);
void cg_core_destroy(cg_core *core); /* accepts NULL */

size_t cg_core_n_atoms(const cg_core *core);
/** [n_atoms][3] Å, in the frame of the block; owned by the core. */
const double (*cg_core_positions(const cg_core *core))[3];

/**
 * Finds the core in a molecule: elements, charges of the core's charged atoms and bond orders are
 * the same, where aromatic and conjugated bonds are equal. Stereo is not compared.
 *
 * @param ret_matches  [*ret_n][n_atoms] atoms of the molecule's SMILES, every match of which none
 *                     is left out for symmetry, at most CG_CORE_MAX_MATCHES; free(); unchanged on
 *                     failure
 * @return CG_OK; CG_ERR_UNSUPPORTED with RDKit's reason; CG_ERR_NOMEM
 * Thread: any number of threads may use one core at once.
 */
cg_status cg_core_find(const cg_core *core, const cg_molecule *mol, uint32_t **ret_matches,
                       size_t *ret_n, cg_error *err);

#endif
