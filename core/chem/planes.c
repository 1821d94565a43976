/* SPDX-License-Identifier: MIT */
#include "chem/planes.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"

enum { SMALLEST = 5, LARGEST = CG_RING_ATOMS, MAX_DEGREE = 4 };

/* Aromatic neighbours, for the rings: an atom of an aromatic ring has two or three. */
struct neighbours {
    uint32_t n, to[MAX_DEGREE];
};

struct finder {
    const cg_smiles *graph;
    struct neighbours *aromatic; /* [n_atoms] over aromatic bonds */
    cg_planes *planes;
    size_t cap_rings, cap_bonds;
};

/* RDKit writes single bonds between aromatic atoms as '-': those without a mark are aromatic. */
static void find_aromatic(struct finder *f)
{
    for (size_t i = 0; i < f->graph->n_bonds; i++) {
        const cg_smiles_bond *b = &f->graph->bonds[i];
        struct neighbours *ends[2] = { &f->aromatic[b->first], &f->aromatic[b->second] };

        if ((b->symbol != '\0' && b->symbol != ':') || !f->graph->atoms[b->first].aromatic ||
            !f->graph->atoms[b->second].aromatic || ends[0]->n == MAX_DEGREE ||
            ends[1]->n == MAX_DEGREE)
            continue;
        ends[0]->to[ends[0]->n++] = b->second;
        ends[1]->to[ends[1]->n++] = b->first;
    }
}

/* A path of aromatic atoms closes a ring: each is met once if its second atom is below its last. */
static int close_ring(struct finder *f, const uint32_t *path, int n)
{
    cg_planes *p = f->planes;

    if (n < SMALLEST || path[1] > path[n - 1])
        return 0;
    if (cg_grow((void **)&p->rings, &f->cap_rings, p->n_rings + 1, sizeof *p->rings))
        return -1;
    p->rings[p->n_rings].n = (uint32_t)n;
    memcpy(p->rings[p->n_rings++].atoms, path, (size_t)n * sizeof *path);
    return 0;
}

static int is_on(const uint32_t *path, int n, uint32_t atom)
{
    for (int i = 0; i < n; i++)
        if (path[i] == atom)
            return 1;
    return 0;
}

/* Rings through `start` whose other atoms are behind it. */
static int rings_from(struct finder *f, uint32_t start)
{
    uint32_t path[LARGEST] = { start }, next[LARGEST] = { 0 };
    int n = 1;

    while (n > 0) {
        const struct neighbours *here = &f->aromatic[path[n - 1]];
        uint32_t k = next[n - 1]++, to;

        if (k >= here->n) {
            n--;
            continue;
        }
        to = here->to[k];
        if (to == start) {
            if (close_ring(f, path, n))
                return -1;
        } else if (to > start && n < LARGEST && !is_on(path, n, to)) {
            path[n] = to;
            next[n++] = 0;
        }
    }
    return 0;
}

/* Carbon with three partners, one of them by this double bond. */
static int is_trigonal(const struct finder *f, uint32_t atom)
{
    const cg_smiles_atom *a = &f->graph->atoms[atom];
    size_t n_plain = 0;

    if (a->element != 6 || a->aromatic || a->degree > 3 || (a->bracket && a->degree + a->n_h != 3))
        return 0;
    for (size_t i = 0; i < f->graph->n_bonds; i++) {
        const cg_smiles_bond *b = &f->graph->bonds[i];

        if (b->first == atom || b->second == atom)
            n_plain += b->symbol != '=' && b->symbol != '#';
    }
    return n_plain == (size_t)a->degree - 1;
}

/* The heavy neighbours of end e other than the bond's; their number. */
static uint32_t find_neighbours(const struct finder *f, cg_flat_bond *bond, int e)
{
    for (size_t i = 0; i < f->graph->n_bonds; i++) {
        const cg_smiles_bond *b = &f->graph->bonds[i];
        uint32_t to = b->first == bond->ends[e] ? b->second : b->first;

        if ((b->first == bond->ends[e] || b->second == bond->ends[e]) && to != bond->ends[!e] &&
            f->graph->atoms[to].element != 1)
            bond->neighbours[e][bond->n_neighbours[e]++] = to;
    }
    return bond->n_neighbours[e];
}

static int find_bonds(struct finder *f)
{
    cg_planes *p = f->planes;

    for (size_t i = 0; i < f->graph->n_bonds; i++) {
        const cg_smiles_bond *b = &f->graph->bonds[i];
        cg_flat_bond bond = { .ends = { b->first, b->second } };

        if (b->symbol != '=' || !is_trigonal(f, b->first) || !is_trigonal(f, b->second) ||
            !find_neighbours(f, &bond, 0) || !find_neighbours(f, &bond, 1))
            continue;
        if (cg_grow((void **)&p->bonds, &f->cap_bonds, p->n_bonds + 1, sizeof *p->bonds))
            return -1;
        p->bonds[p->n_bonds++] = bond;
    }
    return 0;
}

cg_status cg_planes_find(const cg_molecule *mol, cg_planes *ret, cg_error *err)
{
    cg_planes planes = { 0 };
    struct finder f = { .graph = cg_molecule_graph(mol), .planes = &planes };
    int failed;

    f.aromatic = calloc(f.graph->n_atoms + 1, sizeof *f.aromatic);
    failed = !f.aromatic;
    if (!failed)
        find_aromatic(&f);
    for (size_t i = 0; i < f.graph->n_atoms && !failed; i++)
        failed = rings_from(&f, (uint32_t)i);
    if (!failed)
        failed = find_bonds(&f);
    free(f.aromatic);
    if (failed) {
        cg_planes_finish(&planes);
        return cg_fail(err, CG_ERR_NOMEM, "planes of %zu atoms: out of memory", f.graph->n_atoms);
    }
    *ret = planes;
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
