/* SPDX-License-Identifier: MIT */
#include "sequence/relaxation_host.h"

#include <string.h>

typedef float atom_position[3];

int cg_relaxation_run(const cg_geometry *g, float (*xyz)[3], float (*displacement)[3],
                      int32_t first, int32_t last, int32_t iterations)
{
    for (int32_t iteration = 0; iteration < iterations; iteration++) {
        int unsatisfied = 0;

        for (int32_t i = first; i <= last; i++) {
            cg_correction correction = { .n = 0 };

            cg_relaxation_correct(g, (const atom_position *)xyz, first, last, i, 0, 1, &correction);
            cg_correction_displacement(&correction, displacement[i]);
            unsatisfied |= correction.unsatisfied;
        }
        if (!unsatisfied)
            return 1;
        for (int32_t i = first; i <= last; i++)
            for (int k = 0; k < 3; k++)
                xyz[i][k] += displacement[i][k];
    }
    return 0;
}

/* ---- finished conformers ------------------------------------------------------------------ */

static int32_t count_faults(const cg_geometry *g, const float (*xyz)[3], cg_repair_counts *c)
{
    int32_t n = 0;

    for (int32_t i = 0; i < g->n_atoms; i++) {
        int32_t fault = cg_geometry_test_atom(g, xyz, i, 0, 1);

        c->count[CG_FAULT_CAUSE(fault)]++;
        if (fault == CG_FAULT_NONE)
            continue;
        n++;
        c->last_cause = CG_FAULT_CAUSE(fault);
        c->last_atom = i;
    }
    return n;
}

static int passes(const cg_geometry *g, const float (*xyz)[3])
{
    cg_repair_counts ignored = { 0 };

    return !count_faults(g, xyz, &ignored);
}

/* Whether a test's stereocentre or, with `kind` CG_TEST_TORSION, double bond is inverted. */
static int is_inverted(const cg_geometry_test *t, int kind, const float (*xyz)[3])
{
    return t->kind == kind && cg_relaxation_configuration(t, xyz) < 0;
}

/* Mirrors the conformer if more tests of stereocentres have the wrong sign than the right one. */
static void choose_hand(const cg_geometry *g, float (*xyz)[3])
{
    int32_t balance = 0;

    for (int32_t n = 0; n < g->n_tests; n++)
        if (g->tests[n].kind == CG_TEST_VOLUME)
            balance += cg_relaxation_configuration(&g->tests[n], (const atom_position *)xyz);
    for (int32_t i = 0; i < g->n_atoms && balance < 0; i++)
        xyz[i][2] = -xyz[i][2];
}

static int is_bond(const cg_geometry *g, int32_t i, int32_t j)
{
    return i != j &&
           g->pair_cause[i > j ? i * (i - 1) / 2 + j : j * (j - 1) / 2 + i] == CG_CAUSE_BOND;
}

/*
 * Finds the atoms on the side of `end` of the bond from `start` to it.
 *
 * @param ret_side  [n_atoms] 1 for these atoms, 0 for the others
 * @return 0 if a ring contains the bond
 */
static int find_side(const cg_geometry *g, int32_t start, int32_t end, char *ret_side)
{
    int grown = 1;

    memset(ret_side, 0, (size_t)g->n_atoms);
    ret_side[end] = 1;
    while (grown) {
        grown = 0;
        for (int32_t i = 0; i < g->n_atoms; i++)
            for (int32_t j = 0; ret_side[i] && j < g->n_atoms; j++) {
                if (ret_side[j] || !is_bond(g, i, j) || (i == end && j == start))
                    continue;
                if (j == start)
                    return 0;
                ret_side[j] = grown = 1;
            }
    }
    return 1;
}

/* Turns one side of each inverted double bond by 180 degrees about it; not those of rings. */
static void rotate_bonds(const cg_geometry *g, float (*xyz)[3])
{
    char side[CG_GEOMETRY_MAX_ATOMS];

    for (int32_t n = 0; n < g->n_tests; n++) {
        const cg_geometry_test *t = &g->tests[n];
        cg_relaxation_start start = { .origin = CG_ORIGIN_ROTATED,
                                      .atom = { t->atom[1], t->atom[2] } };

        if (!is_inverted(t, CG_TEST_TORSION, (const atom_position *)xyz) ||
            !find_side(g, t->atom[1], t->atom[2], side))
            continue;
        for (int32_t i = 0; i < g->n_atoms; i++) {
            atom_position turned;

            if (!side[i] || i == t->atom[2])
                continue;
            cg_relaxation_start_position(g, &start, (const atom_position *)xyz, i, i, turned);
            memcpy(xyz[i], turned, sizeof turned);
        }
    }
}

/* Moves the inverted centres of three neighbours through the plane of these; returns how many. */
static int reflect_centres(const cg_geometry *g, float (*xyz)[3])
{
    int n_reflected = 0;

    for (int32_t n = 0; n < g->n_tests; n++) {
        const cg_geometry_test *t = &g->tests[n];
        cg_relaxation_start start = { .origin = CG_ORIGIN_REFLECTED,
                                      .atom = { t->atom[1], t->atom[2], t->atom[3] } };
        int n_tests = 0; /* of this centre: four if it has four neighbours */
        atom_position reflected;

        if (!is_inverted(t, CG_TEST_VOLUME, (const atom_position *)xyz))
            continue;
        for (int32_t m = 0; m < g->n_tests; m++)
            n_tests += g->tests[m].cause == CG_CAUSE_CENTRE && g->tests[m].atom[0] == t->atom[0];
        if (n_tests > 1)
            continue;
        cg_relaxation_start_position(g, &start, (const atom_position *)xyz, t->atom[0], t->atom[0],
                                     reflected);
        memcpy(xyz[t->atom[0]], reflected, sizeof reflected);
        n_reflected++;
    }
    return n_reflected;
}

/* Relaxes all atoms of `moved`, a start of this level. @return 1 if they all pass */
static int relax_all(const cg_geometry *g, int32_t level, float (*moved)[3],
                     float (*displacement)[3])
{
    int32_t last = g->n_atoms - 1;

    cg_relaxation_run(g, moved, displacement, 0, last, cg_relaxation_iterations(last, level));
    return passes(g, (const atom_position *)moved);
}

/*
 * Where a relaxation starts: the conformer, or its mirror image, with the right double bonds.
 * `displaced`: the level whose displacements are added, 0 for none.
 */
static void set_start(const cg_geometry *g, const float (*xyz)[3], int32_t displaced,
                      float (*ret_start)[3])
{
    cg_relaxation_start start = { .level = displaced };

    for (int32_t i = 0; i < g->n_atoms; i++)
        cg_relaxation_start_position(g, &start, xyz, g->n_atoms - 1, i, ret_start[i]);
    choose_hand(g, ret_start);
    rotate_bonds(g, ret_start);
}

/* Finds positions that pass all tests, in `moved`. @return 0 if there are none */
static int find_positions(const cg_geometry *g, const float (*xyz)[3], float (*moved)[3],
                          float (*displacement)[3])
{
    set_start(g, xyz, 0, moved);
    if (relax_all(g, CG_RELAXATION_ALL, moved, displacement))
        return 1;
    set_start(g, xyz, 0, moved);
    if (reflect_centres(g, moved) && relax_all(g, CG_RELAXATION_ALL, moved, displacement))
        return 1;
    for (int32_t level = CG_RELAXATION_ALL + 1; level < CG_RELAXATION_LEVELS; level++) {
        set_start(g, xyz, level, moved);
        if (relax_all(g, level, moved, displacement))
            return 1;
    }
    return 0;
}

int cg_repair_finished(const cg_geometry *g, int repair, float (*xyz)[3], float (*scratch)[3],
                       cg_repair_counts *counts)
{
    if (!count_faults(g, (const atom_position *)xyz, counts))
        return 1;
    if (!repair || !find_positions(g, (const atom_position *)xyz, scratch, scratch + g->n_atoms))
        return 0;
    for (int32_t i = 0; i < g->n_atoms; i++)
        counts->moved += memcmp(scratch[i], xyz[i], sizeof *xyz) != 0;
    memcpy(xyz, scratch, (size_t)g->n_atoms * sizeof *xyz);
    return 1;
}
