/* SPDX-License-Identifier: MIT */
/**
 * @file identity.h  Which molecule a record shows, and where its heavy atoms stand in the block.
 *
 * Two molecules have one graph where their canonical SMILES without stereo and isotopes agree; then
 * their heavy atoms are matched by RDKit's substructure search, without a look at stereo. Any match
 * will do where RMSDs are taken over all automorphisms; the one that is taken is the first, which
 * is atom i to atom i where the orders agree already.
 */
#ifndef CG_EVAL_IDENTITY_H
#define CG_EVAL_IDENTITY_H

#include "chem/molecule.h"

/** What a molblock shows. Zero first; cg_identity_finish() releases. */
typedef struct cg_identity {
    cg_molecule *mol; /* of the SMILES that came along, where that has the block's graph; otherwise
                         the block's own, stereo perceived from the coordinates */
    char *graph;      /* canonical SMILES without stereo and isotopes */
    size_t n_heavy;
    uint16_t *order; /* [n_heavy] the block's atom that is heavy atom i of mol */
} cg_identity;

/**
 * Ask RDKit about a block of n_atoms atoms.
 *
 * @param block         terminated, ends with "M  END" and a line end
 * @param smiles        [smiles_len] that came along, or NULL
 * @param ret_identity  cg_identity_finish(); unchanged on failure
 * @return CG_OK; CG_ERR_INPUT where RDKit cannot read the block; CG_ERR_UNSUPPORTED, CG_ERR_LIMIT
 *         as cg_molecule_parse(); CG_ERR_NOMEM.
 * Thread: any number at once.
 */
cg_status cg_identity_find(const char *block, size_t n_atoms, const char *smiles, size_t smiles_len,
                           cg_identity *ret_identity, cg_error *err);
void cg_identity_finish(cg_identity *identity); /* accepts NULL and a zeroed struct */

/**
 * Match the heavy atoms of two molecules of one graph.
 *
 * @param ret_order  [heavy atoms] the heavy atom of `to` that is heavy atom i of `from`
 * @return CG_OK; CG_ERR_UNSUPPORTED where RDKit finds no match; CG_ERR_NOMEM.
 */
cg_status cg_identity_match(const cg_molecule *from, const cg_molecule *to, uint16_t *ret_order,
                            cg_error *err);

#endif
