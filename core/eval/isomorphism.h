/* SPDX-License-Identifier: MIT */
/**
 * @file isomorphism.h  Isomorphism of the heavy-atom graphs of two molecules.
 *
 * RDKit's substructure search takes exponential time for molecules with many equal branches,
 * components or rings in different atom orders (a dendrimer of 160 carbons: 5 s; thirty benzenes:
 * aborted after 20 s). This is individualization-refinement instead: colours (label and
 * the colours of the neighbours) are refined, then ties are broken atom by atom. That takes
 * milliseconds. It backtracks only on graphs that do not occur in chemistry, so the number of
 * backtracks is limited.
 */
#ifndef CG_EVAL_ISOMORPHISM_H
#define CG_EVAL_ISOMORPHISM_H

#include <confgen/status.h>

#include <stddef.h>
#include <stdint.h>

/** A hydrogen that is an atom of its own. */
typedef struct cg_hydrogen {
    uint16_t atom;  /* index among all atoms */
    uint16_t heavy; /* heavy atom of the graph that it is bound to, or CG_NO_ATOM */
    int isotope;    /* 0: not stated */
} cg_hydrogen;

enum { CG_NO_ATOM = UINT16_MAX };

/** Heavy atoms and their bonds; hydrogens apart. Zero first; cg_heavy_graph_finish() releases. */
typedef struct cg_heavy_graph {
    size_t n;        /* heavy atoms */
    uint32_t *label; /* [n] isotope << 16 | element << 8 | charge */
    uint16_t *atom;  /* [n] index among all atoms */
    uint32_t *first; /* [n + 1] atom i has the entries [first[i], first[i + 1]) of those below */
    uint16_t *neighbour; /* [first[n]] */
    size_t n_hydrogens;
    cg_hydrogen *hydrogens; /* [n_hydrogens] in the order of the atoms */
    uint8_t *type; /* [first[n]] type of the bond, as in a molfile: 1 to 3, 4 aromatic, ... */
} cg_heavy_graph;

/**
 * Reads the graph of an RDKit molecule (pickle of rdkit_c.h). Hydrogens of all isotopes are
 * listed apart.
 *
 * @return CG_OK; CG_ERR_UNSUPPORTED if RDKit's molblock has an unexpected form; CG_ERR_NOMEM
 */
cg_status cg_heavy_graph_read(const char *pkl, size_t size, cg_heavy_graph *ret_graph,
                              cg_error *err);
void cg_heavy_graph_finish(cg_heavy_graph *graph); /* accepts NULL and a zeroed struct */

/**
 * Finds the first isomorphism in lexicographic order of images; if both graphs have the same atom
 * order, that is the identity.
 *
 * @param ret_order  [from->n] image of atom i of `from`, as an index among all atoms of `to`
 * @return CG_OK; CG_ERR_UNSUPPORTED if there is none; CG_ERR_LIMIT after too many backtracks;
 *         CG_ERR_NOMEM
 */
cg_status cg_isomorphism_find(const cg_heavy_graph *from, const cg_heavy_graph *to,
                              uint16_t *ret_order, cg_error *err);

#endif
