/* SPDX-License-Identifier: MIT */
#include "chem/adjacency.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/size.h"

/* A counting sort of the bonds by atom. */
static void fill(const cg_smiles *g, cg_adjacency *adj)
{
    uint32_t at = 0;

    for (size_t i = 0; i < g->n_atoms; i++) {
        adj->first[i] = at;
        at += g->atoms[i].degree;
    }
    adj->first[g->n_atoms] = at;
    for (size_t b = 0; b < g->n_bonds; b++) {
        uint32_t ends[2] = { g->bonds[b].first, g->bonds[b].second };

        for (int e = 0; e < 2; e++) {
            at = adj->first[ends[e]]++;
            adj->to[at] = ends[!e];
            adj->bond[at] = (uint32_t)b;
        }
    }
    /* first[i] now is the end of list i, the start of list i + 1. */
    for (size_t i = g->n_atoms; i > 0; i--)
        adj->first[i] = adj->first[i - 1];
    adj->first[0] = 0;
}

cg_status cg_adjacency_build(const cg_smiles *graph, cg_adjacency *ret_adjacency, cg_error *err)
{
    cg_adjacency adj = {
        .first = cg_alloc_array(graph->n_atoms + 1, sizeof *adj.first),
        .to = cg_alloc_array(2 * graph->n_bonds + 1, sizeof *adj.to),
        .bond = cg_alloc_array(2 * graph->n_bonds + 1, sizeof *adj.bond),
    };

    if (!adj.first || !adj.to || !adj.bond) {
        cg_adjacency_finish(&adj);
        return cg_fail_nomem(err, "neighbour lists");
    }
    fill(graph, &adj);
    *ret_adjacency = adj;
    return CG_OK;
}

void cg_adjacency_finish(cg_adjacency *adjacency)
{
    if (!adjacency)
        return;
    free(adjacency->first);
    free(adjacency->to);
    free(adjacency->bond);
    *adjacency = (cg_adjacency) { 0 };
}
