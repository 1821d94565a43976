/* SPDX-License-Identifier: MIT */
#include "chem/twist.h"

enum { MAX_RING = 11, MAX_NEIGHBOURS = 3 };

enum { NO_ATOM = -1 };

/* Is there a path of n bonds from `from` to `to` that avoids the bond's ends and atom `avoid`? */
static int has_path(const cg_adjacency *adj, const uint32_t ends[2], int64_t avoid, uint32_t from,
                    uint32_t to, int n)
{
    if (n == 0)
        return from == to;
    for (uint32_t k = adj->first[from]; k < adj->first[from + 1]; k++) {
        uint32_t next = adj->to[k];

        if (next != ends[0] && next != ends[1] && next != avoid &&
            has_path(adj, ends, avoid, next, to, n - 1))
            return 1;
    }
    return 0;
}

static uint32_t degree(const cg_adjacency *adj, uint32_t atom)
{
    return adj->first[atom + 1] - adj->first[atom];
}

/* Atoms of the smallest ring through first-end-end-second but not through `avoid`, at most
 * MAX_RING; 0 if there is none. */
static int ring_of(const cg_adjacency *adj, const uint32_t ends[2], uint32_t first, uint32_t second,
                   int64_t avoid)
{
    if (first == second)
        return 3;
    if (degree(adj, first) < 2 || degree(adj, second) < 2)
        return 0;
    for (int n = 1; n <= MAX_RING - 3; n++)
        if (has_path(adj, ends, avoid, first, second, n))
            return n + 3;
    return 0;
}

/* Neighbours of ends[e] except the other end; returns their number. */
static int neighbours_of(const cg_adjacency *adj, const uint32_t ends[2], int e,
                         uint32_t ret[MAX_NEIGHBOURS])
{
    int n = 0;

    for (uint32_t k = adj->first[ends[e]]; k < adj->first[ends[e] + 1] && n < MAX_NEIGHBOURS; k++)
        if (adj->to[k] != ends[!e])
            ret[n++] = adj->to[k];
    return n;
}

static int smaller(int ring, int other)
{
    return ring && (!other || ring < other) ? ring : other;
}

/*
 * Smallest ring that contains the bond in trans because one end is a bridgehead; 0 if none does. A
 * ring through the other neighbour of that end is the outline of two fused rings, which holds the
 * bond in trans without strain.
 */
static int ring_at_bridgehead(const cg_adjacency *adj, const uint32_t ends[2])
{
    int smallest = 0;

    for (int e = 0; e < 2; e++) {
        const uint32_t order[2] = { ends[e], ends[!e] };
        uint32_t near[MAX_NEIGHBOURS], far[MAX_NEIGHBOURS];
        int n_near = neighbours_of(adj, order, 0, near), n_far = neighbours_of(adj, order, 1, far);

        for (int i = 0; i < n_near && n_far == 2; i++) {
            int ring[2] = { ring_of(adj, order, near[i], far[0], far[1]),
                            ring_of(adj, order, near[i], far[1], far[0]) };

            if (ring[0] && ring[1])
                smallest = smaller(ring[0] > ring[1] ? ring[0] : ring[1], smallest);
        }
    }
    return smallest;
}

float cg_double_bond_twist(const cg_adjacency *adj, const uint32_t ends[2],
                           const cg_stereo_bond *requested)
{
    /* MMFF94 conformers of strained cycloalkenes and bridgehead alkenes reach 0.51, 0.59, 0.8 */
    static const float least[MAX_RING + 1] = { 1, 0, 0, 0, 0, 0, 0, 0, 0.4F, 0.5F, 0.7F, 0.8F };
    int ring = ring_at_bridgehead(adj, ends);

    for (int k = 0; requested && k < CG_STEREO_BOND_PAIRS; k++) {
        uint32_t n[2];

        if (cg_stereo_bond_pair(requested, k, n) < 0)
            ring = smaller(ring_of(adj, requested->ends, n[0], n[1], NO_ATOM), ring);
    }
    return least[ring];
}
