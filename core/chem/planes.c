/* SPDX-License-Identifier: MIT */
#include "chem/planes.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"

enum { MIN_RING = 5, MAX_RING = CG_RING_ATOMS, MAX_DEGREE = 4 };

/* Neighbours over aromatic bonds; an atom of an aromatic ring has two or three. */
struct aromatic_neighbours {
    uint32_t n, to[MAX_DEGREE];
};

struct search {
    const cg_smiles *graph;
    struct aromatic_neighbours *aromatic; /* [n_atoms] */
    cg_planes *planes;
    size_t cap_rings, cap_bonds;
};

/* RDKit writes single bonds between aromatic atoms as '-': a bond without a symbol is aromatic. */
static void find_aromatic_bonds(struct search *s)
{
    for (size_t i = 0; i < s->graph->n_bonds; i++) {
        const cg_smiles_bond *b = &s->graph->bonds[i];
        struct aromatic_neighbours *ends[2] = { &s->aromatic[b->first], &s->aromatic[b->second] };

        if ((b->symbol != '\0' && b->symbol != ':') || !s->graph->atoms[b->first].aromatic ||
            !s->graph->atoms[b->second].aromatic || ends[0]->n == MAX_DEGREE ||
            ends[1]->n == MAX_DEGREE)
            continue;
        ends[0]->to[ends[0]->n++] = b->second;
        ends[1]->to[ends[1]->n++] = b->first;
    }
}

/* Adds the ring that `path` closes. Each ring occurs in two directions: only one has path[1] below
 * path[n - 1]. 0, or -1 when out of memory. */
static int close_ring(struct search *s, const uint32_t *path, int n)
{
    cg_planes *p = s->planes;

    if (n < MIN_RING || path[1] > path[n - 1])
        return 0;
    if (cg_grow((void **)&p->rings, &s->cap_rings, p->n_rings + 1, sizeof *p->rings))
        return -1;
    p->rings[p->n_rings].n = (uint32_t)n;
    memcpy(p->rings[p->n_rings++].atoms, path, (size_t)n * sizeof *path);
    return 0;
}

static int path_has(const uint32_t *path, int n, uint32_t atom)
{
    for (int i = 0; i < n; i++)
        if (path[i] == atom)
            return 1;
    return 0;
}

/* Depth-first search for rings through `start` whose other atoms have larger indices. */
static int find_rings_from(struct search *s, uint32_t start)
{
    uint32_t path[MAX_RING] = { start }, next[MAX_RING] = { 0 };
    int n = 1;

    while (n > 0) {
        const struct aromatic_neighbours *here = &s->aromatic[path[n - 1]];
        uint32_t k = next[n - 1]++, to;

        if (k >= here->n) {
            n--;
            continue;
        }
        to = here->to[k];
        if (to == start) {
            if (close_ring(s, path, n))
                return -1;
        } else if (to > start && n < MAX_RING && !path_has(path, n, to)) {
            path[n] = to;
            next[n++] = 0;
        }
    }
    return 0;
}

/* Carbon with three neighbours (hydrogens included) and exactly one multiple bond. */
static int is_trigonal(const struct search *s, uint32_t atom)
{
    const cg_smiles_atom *a = &s->graph->atoms[atom];
    size_t n_single = 0;

    if (a->element != 6 || a->aromatic || a->degree > 3 || (a->bracket && a->degree + a->n_h != 3))
        return 0;
    for (size_t i = 0; i < s->graph->n_bonds; i++) {
        const cg_smiles_bond *b = &s->graph->bonds[i];

        if (b->first == atom || b->second == atom)
            n_single += b->symbol != '=' && b->symbol != '#';
    }
    return n_single == (size_t)a->degree - 1;
}

/* Stores the heavy neighbours of end e, except the other end; returns their number. */
static uint32_t add_end_neighbours(const struct search *s, cg_flat_bond *bond, int e)
{
    for (size_t i = 0; i < s->graph->n_bonds; i++) {
        const cg_smiles_bond *b = &s->graph->bonds[i];
        uint32_t to = b->first == bond->ends[e] ? b->second : b->first;

        if ((b->first == bond->ends[e] || b->second == bond->ends[e]) && to != bond->ends[!e] &&
            s->graph->atoms[to].element != 1)
            bond->neighbours[e][bond->n_neighbours[e]++] = to;
    }
    return bond->n_neighbours[e];
}

static int find_double_bonds(struct search *s)
{
    cg_planes *p = s->planes;

    for (size_t i = 0; i < s->graph->n_bonds; i++) {
        const cg_smiles_bond *b = &s->graph->bonds[i];
        cg_flat_bond bond = { .ends = { b->first, b->second } };

        if (b->symbol != '=' || !is_trigonal(s, b->first) || !is_trigonal(s, b->second) ||
            !add_end_neighbours(s, &bond, 0) || !add_end_neighbours(s, &bond, 1))
            continue;
        if (cg_grow((void **)&p->bonds, &s->cap_bonds, p->n_bonds + 1, sizeof *p->bonds))
            return -1;
        p->bonds[p->n_bonds++] = bond;
    }
    return 0;
}

cg_status cg_planes_find(const cg_molecule *mol, cg_planes *ret_planes, cg_error *err)
{
    cg_planes planes = { 0 };
    struct search s = { .graph = cg_molecule_graph(mol), .planes = &planes };
    int failed;

    s.aromatic = calloc(s.graph->n_atoms + 1, sizeof *s.aromatic);
    failed = !s.aromatic;
    if (!failed)
        find_aromatic_bonds(&s);
    for (size_t i = 0; i < s.graph->n_atoms && !failed; i++)
        failed = find_rings_from(&s, (uint32_t)i);
    if (!failed)
        failed = find_double_bonds(&s);
    free(s.aromatic);
    if (failed) {
        cg_planes_finish(&planes);
        return cg_fail_nomem(err, "planar groups");
    }
    *ret_planes = planes;
    return CG_OK;
}

void cg_planes_finish(cg_planes *planes)
{
    if (!planes)
        return;
    free(planes->rings);
    free(planes->bonds);
    *planes = (cg_planes) { 0 };
}
