/* SPDX-License-Identifier: MIT */
/* The groups of atoms that must be flat, from the graph. */
#include <stdlib.h>

#include "base/error.h"
#include "base/size.h"
#include "eval/check_internal.h"

enum { SMALLEST = 5, LARGEST = 6, MAX_DEGREE = 4 };

/* Aromatic neighbours, for the rings: an atom of an aromatic ring has two or three. */
struct neighbours {
    uint32_t n, to[MAX_DEGREE];
};

struct finder {
    const cg_smiles *graph;
    const uint32_t *heavy;
    struct neighbours *aromatic; /* [n_atoms] over aromatic bonds */
    cg_error *err;
};

static cg_status add(const struct finder *f, cg_check_planes *planes, const cg_check_plane *plane)
{
    if (cg_grow((void **)&planes->items, &planes->cap, planes->n + 1, sizeof *planes->items))
        return cg_fail(f->err, CG_ERR_NOMEM, "checks of %zu atoms: out of memory",
                       f->graph->n_atoms);
    planes->items[planes->n++] = *plane;
    return CG_OK;
}

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
static cg_status close_ring(const struct finder *f, const uint32_t *path, int n,
                            cg_check_planes *rings)
{
    cg_check_plane plane = { .n = n };

    if (n < SMALLEST || path[1] > path[n - 1])
        return CG_OK;
    for (int i = 0; i < n; i++)
        plane.atoms[i] = (int32_t)f->heavy[path[i]];
    return add(f, rings, &plane);
}

static int is_on(const uint32_t *path, int n, uint32_t atom)
{
    for (int i = 0; i < n; i++)
        if (path[i] == atom)
            return 1;
    return 0;
}

/* Rings through `start` whose other atoms are behind it. */
static cg_status rings_from(const struct finder *f, uint32_t start, cg_check_planes *rings)
{
    uint32_t path[LARGEST] = { start }, next[LARGEST] = { 0 };
    int n = 1;
    cg_status status = CG_OK;

    while (n > 0 && status == CG_OK) {
        const struct neighbours *here = &f->aromatic[path[n - 1]];
        uint32_t k = next[n - 1]++, to;

        if (k >= here->n) {
            n--;
            continue;
        }
        to = here->to[k];
        if (to == start)
            status = close_ring(f, path, n, rings);
        else if (to > start && n < LARGEST && !is_on(path, n, to)) {
            path[n] = to;
            next[n++] = 0;
        }
    }
    return status;
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

/* Put an end of a double bond and its neighbours into the plane; 0 if it has no heavy one. */
static int add_end(const struct finder *f, uint32_t end, uint32_t other, cg_check_plane *plane)
{
    int n = 0;

    plane->atoms[plane->n++] = (int32_t)f->heavy[end];
    for (size_t i = 0; i < f->graph->n_bonds; i++) {
        const cg_smiles_bond *b = &f->graph->bonds[i];
        uint32_t to = b->first == end ? b->second : b->first;

        if ((b->first != end && b->second != end) || to == other ||
            f->heavy[to] == CG_CHECK_NOT_HEAVY)
            continue;
        plane->atoms[plane->n++] = (int32_t)f->heavy[to];
        n++;
    }
    if (n == 1)
        plane->atoms[plane->n++] = CG_CHECK_HYDROGEN;
    return n > 0;
}

static cg_status find_double_bonds(const struct finder *f, cg_check_planes *planes)
{
    cg_status status = CG_OK;

    for (size_t i = 0; i < f->graph->n_bonds && status == CG_OK; i++) {
        const cg_smiles_bond *b = &f->graph->bonds[i];
        cg_check_plane plane = { 0 };

        if (b->symbol == '=' && is_trigonal(f, b->first) && is_trigonal(f, b->second) &&
            add_end(f, b->first, b->second, &plane) && add_end(f, b->second, b->first, &plane))
            status = add(f, planes, &plane);
    }
    return status;
}

cg_status cg_check_find_planes(cg_checker *checker, const uint32_t *heavy, cg_error *err)
{
    struct finder f = { .graph = cg_molecule_graph(checker->mol), .heavy = heavy, .err = err };
    cg_status status = CG_OK;

    f.aromatic = calloc(f.graph->n_atoms + 1, sizeof *f.aromatic);
    if (!f.aromatic)
        return cg_fail(err, CG_ERR_NOMEM, "checks of %zu atoms: out of memory", f.graph->n_atoms);
    find_aromatic(&f);
    for (size_t i = 0; i < f.graph->n_atoms && status == CG_OK; i++)
        status = rings_from(&f, (uint32_t)i, &checker->rings);
    if (status == CG_OK)
        status = find_double_bonds(&f, &checker->double_bonds);
    free(f.aromatic);
    return status;
}
