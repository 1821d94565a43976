/* SPDX-License-Identifier: MIT */
#include "chem/puckered.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "chem/adjacency.h"

enum { N = CG_PUCKERED_ATOMS, FREE = 0, ON_RING, SEEN };

struct ring_search {
    const cg_smiles *graph;
    cg_adjacency adj;
    uint8_t *state;  /* [n_atoms] FREE, ON_RING or SEEN */
    uint32_t *queue; /* [n_atoms] */
    cg_puckered *found;
    size_t cap;
};

static int is_multiple(const cg_smiles_bond *b)
{
    return b->symbol == '=' || b->symbol == '#' || b->symbol == '$' || b->symbol == ':';
}

static int may_be_member(const cg_smiles_atom *a)
{
    return !a->aromatic &&
           (a->element == 6 || a->element == 7 || a->element == 8 || a->element == 16);
}

static int has_multiple_bond(const struct ring_search *s, uint32_t atom)
{
    for (uint32_t k = s->adj.first[atom]; k < s->adj.first[atom + 1]; k++)
        if (is_multiple(&s->graph->bonds[s->adj.bond[k]]))
            return 1;
    return 0;
}

static int is_saturated_carbon(const struct ring_search *s, uint32_t atom)
{
    const cg_smiles_atom *a = &s->graph->atoms[atom];

    return a->element == 6 && (!a->bracket || a->degree + a->n_h == 4) &&
           !has_multiple_bond(s, atom);
}

/* Is there a way from `outside` back to a ring atom, other than over its bond to `atom`? */
static int leads_back(struct ring_search *s, uint32_t atom, uint32_t outside)
{
    size_t head = 0, tail = 0;
    int found = 0;

    s->state[outside] = SEEN;
    s->queue[tail++] = outside;
    while (head < tail && !found) {
        uint32_t at = s->queue[head++];

        for (uint32_t k = s->adj.first[at]; k < s->adj.first[at + 1] && !found; k++) {
            uint32_t next = s->adj.to[k];

            if (at == outside && next == atom)
                continue;
            found = s->state[next] == ON_RING;
            if (s->state[next] == FREE) {
                s->state[next] = SEEN;
                s->queue[tail++] = next;
            }
        }
    }
    for (size_t i = 0; i < tail; i++)
        s->state[s->queue[i]] = FREE;
    return found;
}

static int is_in_other_ring(struct ring_search *s, const uint32_t *ring)
{
    int other = 0;

    for (int i = 0; i < N; i++)
        s->state[ring[i]] = ON_RING;
    for (int i = 0; i < N && !other; i++)
        for (uint32_t k = s->adj.first[ring[i]]; k < s->adj.first[ring[i] + 1] && !other; k++) {
            uint32_t to = s->adj.to[k];

            /* a ring atom that is no neighbour in the ring: a bond across it */
            other = to != ring[(i + 1) % N] && to != ring[(i + N - 1) % N] &&
                    (s->state[to] == ON_RING || leads_back(s, ring[i], to));
        }
    for (int i = 0; i < N; i++)
        s->state[ring[i]] = FREE;
    return other;
}

/* Bit k: the bond of ring atoms k and k + 1 is a multiple bond. */
static unsigned multiple_bonds(const struct ring_search *s, const uint32_t *ring)
{
    unsigned bits = 0;

    for (int i = 0; i < N; i++)
        for (uint32_t k = s->adj.first[ring[i]]; k < s->adj.first[ring[i] + 1]; k++)
            if (s->adj.to[k] == ring[(i + 1) % N] && is_multiple(&s->graph->bonds[s->adj.bond[k]]))
                bits |= 1u << i;
    return bits;
}

static int bond_has_atom(unsigned bonds, int i)
{
    return (bonds >> i & 1) || (bonds >> (i + N - 1) % N & 1);
}

/* Do PoseBusters' patterns match? See the header. */
static int is_tested(const struct ring_search *s, const uint32_t *ring)
{
    unsigned bonds = multiple_bonds(s, ring);
    int n_bonds = 0, n_free = 0, n_ends = 0, bonds_with = 0;

    for (int i = 0; i < N; i++) {
        int hetero = s->graph->atoms[ring[i]].element != 6;
        int next_hetero = s->graph->atoms[ring[(i + 1) % N]].element != 6;

        if ((bonds >> i & 1) && (bonds >> (i + 1) % N & 1)) /* neighbouring multiple bonds */
            return 0;
        n_bonds += (int)(bonds >> i & 1);
        bonds_with += (bonds >> i & 1) && (hetero || next_hetero);
        n_ends += hetero && bond_has_atom(bonds, i);
        n_free += hetero && !bond_has_atom(bonds, i);
    }
    return n_bonds < 2 ||
           (n_bonds == 2 && ((n_free == 0 && bonds_with <= 1) || (n_free == 1 && n_ends == 0)));
}

static int may_be_flat(const struct ring_search *s, const uint32_t *ring)
{
    int n_multiple = 0;

    for (int i = 0; i < N; i++) {
        if (is_saturated_carbon(s, ring[i]) && is_saturated_carbon(s, ring[(i + 1) % N]))
            return 0;
        n_multiple += has_multiple_bond(s, ring[i]);
    }
    return n_multiple > 0;
}

/* Adds the ring that `path` closes. Each ring occurs in two directions: only one has path[1] below
 * path[5]. 0, or -1 when out of memory. */
static int close_ring(struct ring_search *s, const uint32_t *path)
{
    cg_puckered *p = s->found;

    if (path[1] > path[N - 1] || !is_tested(s, path) || is_in_other_ring(s, path))
        return 0;
    if (cg_grow((void **)&p->rings, &s->cap, p->n + 1, sizeof *p->rings))
        return -1;
    memcpy(p->rings[p->n].atoms, path, sizeof p->rings->atoms);
    p->rings[p->n++].may_be_flat = may_be_flat(s, path);
    return 0;
}

static int is_on(const uint32_t *path, int n, uint32_t atom)
{
    for (int i = 0; i < n; i++)
        if (path[i] == atom)
            return 1;
    return 0;
}

/* Depth-first search for rings through `start` whose other atoms have larger indices. */
static int search_from(struct ring_search *s, uint32_t start)
{
    uint32_t path[N] = { start }, next[N] = { 0 };
    int n = 1;

    if (!may_be_member(&s->graph->atoms[start]))
        return 0;
    while (n > 0) {
        uint32_t here = path[n - 1], k = s->adj.first[here] + next[n - 1]++, to;

        if (k >= s->adj.first[here + 1]) {
            n--;
            continue;
        }
        to = s->adj.to[k];
        if (to == start) {
            if (n == N && close_ring(s, path))
                return -1;
        } else if (to > start && n < N && may_be_member(&s->graph->atoms[to]) &&
                   !is_on(path, n, to)) {
            path[n] = to;
            next[n++] = 0;
        }
    }
    return 0;
}

cg_status cg_puckered_find(const cg_molecule *mol, cg_puckered *ret_puckered, cg_error *err)
{
    cg_puckered found = { 0 };
    struct ring_search s = { .graph = cg_molecule_graph(mol), .found = &found };
    cg_status st = CG_OK;

    CG_TRY_GOTO(st, cg_adjacency_build(s.graph, &s.adj, err), out);
    s.state = calloc(s.graph->n_atoms + 1, 1);
    s.queue = cg_alloc_array(s.graph->n_atoms + 1, sizeof *s.queue);
    if (!s.state || !s.queue) {
        st = cg_fail_nomem(err, "rings");
        goto out;
    }
    for (size_t i = 0; i < s.graph->n_atoms; i++)
        if (search_from(&s, (uint32_t)i)) {
            st = cg_fail_nomem(err, "rings");
            goto out;
        }
    *ret_puckered = found;
    found = (cg_puckered) { 0 };
out:
    cg_puckered_finish(&found);
    cg_adjacency_finish(&s.adj);
    free(s.state);
    free(s.queue);
    return st;
}

void cg_puckered_finish(cg_puckered *puckered)
{
    if (!puckered)
        return;
    free(puckered->rings);
    *puckered = (cg_puckered) { 0 };
}
