/* SPDX-License-Identifier: MIT */
/**
 * @file adjacency.h  Neighbour lists of a SMILES graph.
 */
#ifndef CG_CHEM_ADJACENCY_H
#define CG_CHEM_ADJACENCY_H

#include "chem/smiles.h"

/** The neighbours of atom i are to[first[i] .. first[i + 1]), in the order of the bonds. */
typedef struct cg_adjacency {
    uint32_t *first; /* [n_atoms + 1] */
    uint32_t *to;    /* [2 * n_bonds] */
    uint32_t *bond;  /* [2 * n_bonds] index of the bond to each neighbour */
} cg_adjacency;

/** Fills the lists. @return CG_OK; CG_ERR_NOMEM, then *ret_adjacency is unchanged */
cg_status cg_adjacency_build(const cg_smiles *graph, cg_adjacency *ret_adjacency, cg_error *err);
void cg_adjacency_finish(cg_adjacency *adjacency); /* accepts NULL and a zeroed struct */

#endif
