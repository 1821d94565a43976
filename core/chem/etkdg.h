/* SPDX-License-Identifier: MIT */
/** @file etkdg.h  RDKit's own conformer generator: the baseline of `confgen bench decode`. */
#ifndef CG_CHEM_ETKDG_H
#define CG_CHEM_ETKDG_H

#include <confgen/status.h>

/**
 * Embeds `n` conformers of a molecule with hydrogens (ETKDGv3 with small-ring terms, random seeds
 * seed, seed + 1, ...; no force field).
 *
 * @param ret_embedded  number of embeddings that succeeded
 * @return CG_OK; CG_ERR_INPUT for a molecule that RDKit refuses; else as cg_molecule_parse()
 * Thread: may be called from any number of threads at once.
 */
cg_status cg_etkdg_embed(const char *smiles, int32_t n, int32_t seed, int32_t *ret_embedded,
                         cg_error *err);

#endif
