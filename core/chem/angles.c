/* SPDX-License-Identifier: MIT */
#include "chem/angles.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "chem/adjacency.h"

enum {
    MAX_RING = 10,      /* larger rings have the angles of chains */
    MAX_NEIGHBOURS = 8, /* of an atom with ranges */
    HEAVY = 14,         /* elements from silicon on */
};

enum shape { LINEAR, TRIGONAL, TETRAHEDRAL, HYPERVALENT };

struct range {
    float low, high; /* degrees */
};

struct bonds_of_atom {
    int n_double, n_triple, order; /* order: sum over the bonds that are not aromatic */
};

struct angle_search {
    const cg_smiles *graph;
    cg_adjacency adj;
    uint32_t *seen;  /* [n_atoms] last search that reached the atom */
    uint32_t *queue; /* [n_atoms] */
    uint32_t n_searches;
    cg_angles *angles;
    size_t cap_angles, cap_trigonal;
};

static struct bonds_of_atom bonds_of(const struct angle_search *s, uint32_t atom)
{
    struct bonds_of_atom b = { 0 };

    for (uint32_t k = s->adj.first[atom]; k < s->adj.first[atom + 1]; k++) {
        char symbol = s->graph->bonds[s->adj.bond[k]].symbol;

        b.n_double += symbol == '=';
        b.n_triple += symbol == '#';
        b.order += symbol == '=' ? 2 : symbol == '#' ? 3 : 1;
    }
    return b;
}

/* Valence electrons of a neutral atom of a main group, 0 for other elements. */
static int valence_electrons(int element)
{
    static const uint8_t noble[] = { 2, 10, 18, 36, 54, 86 };

    for (int i = 1; i < 6; i++)
        if (element <= noble[i]) {
            int from_noble = noble[i] - element;

            return from_noble < 6 ? 8 - from_noble : element - noble[i - 1];
        }
    return 0;
}

/* Bonds and lone pairs of an atom, hydrogens included: 4 for all that obey the octet rule. */
static int electron_pairs(const cg_smiles_atom *a, const struct bonds_of_atom *b)
{
    int unshared = valence_electrons(a->element) - a->charge - b->order - a->n_h;

    return a->degree + a->n_h + (unshared > 0 ? unshared / 2 : 0);
}

/* Electron pairs of a hypervalent atom. */
static int pairs_at(const struct angle_search *s, uint32_t atom)
{
    struct bonds_of_atom b = bonds_of(s, atom);

    return electron_pairs(&s->graph->atoms[atom], &b);
}

static enum shape shape_of(const struct angle_search *s, uint32_t atom)
{
    const cg_smiles_atom *a = &s->graph->atoms[atom];
    struct bonds_of_atom b = bonds_of(s, atom);
    int n_neighbours = a->degree + a->n_h;

    if (a->element >= HEAVY)
        return !a->aromatic && electron_pairs(a, &b) > 4 ? HYPERVALENT : TETRAHEDRAL;
    if (a->element < 5 || a->element > 7)
        return TETRAHEDRAL;
    if (n_neighbours == 2 && (b.n_triple == 1 || b.n_double == 2))
        return LINEAR;
    if (a->element == 5)
        return n_neighbours <= 3 ? TRIGONAL : TETRAHEDRAL;
    return a->aromatic || (b.n_double == 1 && n_neighbours <= 3) ? TRIGONAL : TETRAHEDRAL;
}

/* Atoms of the smallest ring through first-centre-second, at most MAX_RING; 0 if there is none. */
static int ring_of(struct angle_search *s, uint32_t first, uint32_t centre, uint32_t second)
{
    const cg_smiles_atom *atoms = s->graph->atoms;
    size_t head = 0, tail = 0;

    if (atoms[first].degree < 2 || atoms[second].degree < 2)
        return 0;
    s->n_searches++;
    s->seen[first] = s->seen[centre] = s->n_searches;
    s->queue[tail++] = first;
    for (int ring = 3; ring <= MAX_RING && head < tail; ring++)
        for (size_t end = tail; head < end; head++) {
            uint32_t at = s->queue[head];

            for (uint32_t k = s->adj.first[at]; k < s->adj.first[at + 1]; k++) {
                uint32_t to = s->adj.to[k];

                if (to == second)
                    return ring;
                if (s->seen[to] == s->n_searches)
                    continue;
                s->seen[to] = s->n_searches;
                s->queue[tail++] = to;
            }
        }
    return 0;
}

/* Two neighbours of an O or N that widen its angle up to 180 degrees: Si-O-Si, N=C=S, N=P. */
static int may_be_straight(const struct angle_search *s, uint32_t atom)
{
    int n_heavy = 0;

    if (s->graph->atoms[atom].degree != 2 ||
        (s->graph->atoms[atom].element != 7 && s->graph->atoms[atom].element != 8))
        return 0;
    for (uint32_t k = s->adj.first[atom]; k < s->adj.first[atom + 1]; k++) {
        uint32_t to = s->adj.to[k];

        n_heavy += s->graph->atoms[to].element >= HEAVY;
        if (s->graph->bonds[s->adj.bond[k]].symbol == '=' &&
            (s->graph->atoms[to].element >= HEAVY ||
             (s->graph->atoms[to].element == 6 && shape_of(s, to) == LINEAR)))
            return 1;
    }
    return n_heavy == 2;
}

static struct range linear_range(int ring)
{
    static const uint8_t low[MAX_RING + 1] = { 160, 0, 0, 40, 75, 95, 110, 125, 140, 150, 150 };

    return (struct range) { low[ring], 180 };
}

/*
 * `ring` is the ring of the angle and `smallest` the smallest one at the atom, 0 for none. An angle
 * in a larger ring than `smallest` is outside of that one.
 */
static struct range range_of(const struct angle_search *s, uint32_t atom, enum shape shape,
                             int ring, int smallest, int wide)
{
    int element = s->graph->atoms[atom].element, trigonal = shape == TRIGONAL;
    struct range r = { 88, 145 };

    if (shape == LINEAR)
        return linear_range(ring);
    if (ring == 3)
        return (struct range) { 40, 85 };
    if (ring == 4)
        return (struct range) { 65, 116 };
    if (wide)
        return (struct range) { 95, 180 };
    if (trigonal)
        r.low = ring == 5 ? 90 : 100;
    else if (ring == 5)
        r.low = element >= HEAVY ? 72 : 78;
    else if (element >= HEAVY)
        r.low = 76;
    if (ring == 5)
        r.high = 130;
    else if (element == 6 && !trigonal && ring < 7)
        r.high = 135;
    if (smallest == 3)
        r.high = ring ? 180 : trigonal ? 170 : 155;
    else if (smallest == 4 || (smallest == 5 && ring >= 7))
        r.high = trigonal || element == 7 ? 165 : 152;
    return r;
}

/* Index of the pair of neighbours i and j in the arrays of add_atom(). */
static int pair_index(int i, int j)
{
    return i > j ? i * (i - 1) / 2 + j : j * (j - 1) / 2 + i;
}

/* Rings of up to 7 atoms cannot span an angle of 180 degrees. */
static int spans_small_ring(const int *ring, int i, int j)
{
    int size = ring[pair_index(i, j)];

    return size > 0 && size <= 7;
}

/* Pauling's electronegativity, times 10. */
static int electronegativity(int element)
{
    switch (element) {
    case 9:
        return 40;
    case 8:
        return 34;
    case 7:
    case 17:
        return 31;
    case 35:
        return 30;
    default:
        return 25;
    }
}

/*
 * Cost of `first` and `second` as the axis of a trigonal bipyramid: neighbours that share a small
 * ring are axial and equatorial, the axis is electronegative.
 */
static int axis_cost(const struct angle_search *s, const uint32_t *to, int n, const int *ring,
                     int first, int second)
{
    int cost = -electronegativity(s->graph->atoms[to[first]].element) -
               electronegativity(s->graph->atoms[to[second]].element);

    for (int i = 1; i < n; i++)
        for (int j = 0; j < i; j++) {
            int n_axial = (i == first || i == second) + (j == first || j == second);

            cost += spans_small_ring(ring, i, j) && n_axial != 1 ? 1000 : 0;
        }
    return cost;
}

/* Pairs the neighbours from `at` on as axes outside of small rings; one may be left over if n is
 * odd. 0 if that is impossible. */
static int pair_outside_rings(int n, const int *ring, int at, int may_leave, int *opposite)
{
    while (at < n && opposite[at] >= 0)
        at++;
    if (at == n)
        return 1;
    for (int j = at + 1; j < n; j++) {
        if (opposite[j] >= 0 || spans_small_ring(ring, at, j))
            continue;
        opposite[at] = j;
        opposite[j] = at;
        if (pair_outside_rings(n, ring, at + 1, may_leave, opposite))
            return 1;
        opposite[at] = opposite[j] = -1;
    }
    return may_leave && pair_outside_rings(n, ring, at + 1, 0, opposite);
}

/*
 * Chooses the opposite neighbours of a hypervalent atom: opposite[i] is the neighbour opposite to
 * i, or -1. In a trigonal bipyramid only the axial neighbours have one. The most electronegative
 * are paired first, unless that leaves neighbours in one small ring for an axis.
 */
static void choose_opposite(const struct angle_search *s, const uint32_t *to, int n,
                            const int *ring, int bipyramid, int *opposite)
{
    int outside[MAX_NEIGHBOURS], in_ring = 0;

    for (int i = 0; i < n; i++)
        opposite[i] = outside[i] = -1;
    for (int axes = bipyramid ? 1 : n / 2; axes > 0; axes--) {
        int best = INT_MAX, first = -1, second = -1;

        for (int i = 1; i < n; i++)
            for (int j = 0; j < i; j++) {
                int cost = bipyramid ? axis_cost(s, to, n, ring, i, j)
                                     : 1000 * spans_small_ring(ring, i, j) -
                                           electronegativity(s->graph->atoms[to[i]].element) -
                                           electronegativity(s->graph->atoms[to[j]].element);

                if (opposite[i] >= 0 || opposite[j] >= 0 || cost >= best)
                    continue;
                best = cost;
                first = i;
                second = j;
            }
        opposite[first] = second;
        opposite[second] = first;
        in_ring |= spans_small_ring(ring, first, second);
    }
    if (in_ring && !bipyramid && pair_outside_rings(n, ring, 0, n % 2, outside))
        memcpy(opposite, outside, (size_t)n * sizeof *opposite);
}

/* Range of an angle at a hypervalent atom. */
static struct range hypervalent_range(int n_pairs, int n, const int *opposite, int i, int j)
{
    if (n_pairs > 6)
        return (struct range) { 60, 180 };
    if (opposite[i] == j)
        return (struct range) { 158, 180 };
    if (n_pairs == 5 && opposite[i] < 0 && opposite[j] < 0)
        return (struct range) { n == 5 ? 102 : 85, 138 };
    return (struct range) { 72, 108 };
}

/* Adds the angles of an atom whose neighbours are to[n], and its planarity. 0, or -1 when out of
 * memory. */
static int add_atom(struct angle_search *s, uint32_t atom, enum shape shape, const uint32_t *to,
                    int n)
{
    cg_angles *list = s->angles;
    int ring[MAX_NEIGHBOURS * MAX_NEIGHBOURS], opposite[MAX_NEIGHBOURS], smallest = 0;
    int n_in_rings = 0, n_pairs = 0, at = 0, wide;

    if (cg_grow((void **)&list->angles, &s->cap_angles, list->n_angles + (size_t)(n * n),
                sizeof *list->angles) ||
        cg_grow((void **)&list->trigonal, &s->cap_trigonal, list->n_trigonal + 1,
                sizeof *list->trigonal))
        return -1;
    for (int i = 1; i < n; i++)
        for (int j = 0; j < i; j++, at++) {
            ring[at] = ring_of(s, to[i], atom, to[j]);
            n_in_rings += ring[at] > 0;
            if (ring[at] && (!smallest || ring[at] < smallest))
                smallest = ring[at];
        }
    if (shape == HYPERVALENT) {
        n_pairs = pairs_at(s, atom);
        choose_opposite(s, to, n, ring, n_pairs == 5, opposite);
    }
    wide = shape == HYPERVALENT || (shape != LINEAR && may_be_straight(s, atom));
    at = 0;
    for (int i = 1; i < n; i++)
        for (int j = 0; j < i; j++, at++) {
            struct range r = shape == HYPERVALENT
                                 ? hypervalent_range(n_pairs, n, opposite, i, j)
                                 : range_of(s, atom, shape, ring[at], smallest, wide);

            list->angles[list->n_angles++] = (cg_angle) {
                .first = to[i] < to[j] ? to[i] : to[j],
                .centre = atom,
                .second = to[i] < to[j] ? to[j] : to[i],
                .low = r.low,
                .high = r.high,
                .own_distance = (uint8_t)(wide && (ring[at] == 0 || ring[at] > 4)),
            };
        }
    /* bridgeheads of small rings are pyramidal */
    if (shape == TRIGONAL && s->graph->atoms[atom].element == 6 && n == 3 && n_in_rings < 3)
        list->trigonal[list->n_trigonal++] =
            (cg_trigonal) { .centre = atom, .neighbours = { to[0], to[1], to[2] } };
    return 0;
}

cg_status cg_angles_find(const cg_molecule *mol, cg_angles *ret_angles, cg_error *err)
{
    cg_angles angles = { 0 };
    struct angle_search s = { .graph = cg_molecule_graph(mol), .angles = &angles };
    int failed;

    CG_TRY(cg_adjacency_build(s.graph, &s.adj, err));
    s.seen = calloc(s.graph->n_atoms + 1, sizeof *s.seen);
    s.queue = cg_alloc_array(s.graph->n_atoms + 1, sizeof *s.queue);
    failed = !s.seen || !s.queue;
    for (uint32_t i = 0; i < s.graph->n_atoms && !failed; i++) {
        int n = s.graph->atoms[i].degree;

        if (n >= 2 && n <= MAX_NEIGHBOURS)
            failed = add_atom(&s, i, shape_of(&s, i), s.adj.to + s.adj.first[i], n);
    }
    cg_adjacency_finish(&s.adj);
    free(s.seen);
    free(s.queue);
    if (failed) {
        cg_angles_finish(&angles);
        return cg_fail_nomem(err, "angles");
    }
    *ret_angles = angles;
    return CG_OK;
}

void cg_angles_finish(cg_angles *angles)
{
    if (!angles)
        return;
    free(angles->angles);
    free(angles->trigonal);
    *angles = (cg_angles) { 0 };
}
