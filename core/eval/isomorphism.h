/* SPDX-License-Identifier: MIT */
/**
 * @file isomorphism.h  An isomorphism between the heavy atoms of two molecules.
 *
 * RDKit's substructure search needs exponential time for molecules of many like branches, pieces or
 * rings in different orders of atoms (a dendrimer of 160 carbons: 5 s; thirty benzenes: given up
 * after 20 s). Here colours are refined first (an atom's colour is its element, charge and what its
 * neighbours have), then ties are broken atom by atom; that takes milliseconds and steps back only
 * in graphs that chemistry does not know, so rarely that the steps can be bounded.
 */
#ifndef CG_EVAL_ISOMORPHISM_H
#define CG_EVAL_ISOMORPHISM_H

#include <confgen/status.h>

#include <stddef.h>
#include <stdint.h>

/** Heavy atoms and their bonds. Zero first; cg_heavy_graph_finish() releases. */
typedef struct cg_heavy_graph {
    size_t n;        /* heavy atoms */
    uint32_t *label; /* [n] element and charge */
    uint16_t *atom;  /* [n] place among all atoms */
    uint32_t *first; /* [n + 1] in the two below: neighbours of atom i are first[i]..first[i+1] */
    uint16_t *neighbor; /* [first[n]] */
    uint8_t *type;      /* [first[n]] of the bond: 1 to 3, aromatic, others */
} cg_heavy_graph;

/**
 * Take a molecule in RDKit's form apart (rdkit_c.h). Hydrogens, isotopes too, are left out.
 *
 * @return CG_OK; CG_ERR_UNSUPPORTED where RDKit's text of it is not as expected; CG_ERR_NOMEM.
 */
cg_status cg_heavy_graph_read(const char *pkl, size_t size, cg_heavy_graph *ret_graph,
                              cg_error *err);
void cg_heavy_graph_finish(cg_heavy_graph *graph); /* accepts NULL and a zeroed struct */

/**
 * Find the isomorphism that takes, atom by atom, the first that is possible; with the same order in
 * both that is atom i to atom i.
 *
 * @param ret_order  [from->n] for atom i of `from` the place of its like among all atoms of `to`
 * @return CG_OK; CG_ERR_UNSUPPORTED where there is none; CG_ERR_LIMIT where the search is given up;
 *         CG_ERR_NOMEM.
 */
cg_status cg_isomorphism_find(const cg_heavy_graph *from, const cg_heavy_graph *to,
                              uint16_t *ret_order, cg_error *err);

#endif
