/* SPDX-License-Identifier: MIT */
#include "template/geometry_tables.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "chem/adjacency.h"
#include "chem/angles.h"
#include "chem/bounds.h"
#include "chem/planes.h"
#include "chem/stereo.h"
#include "chem/twist.h"

/* A clash test requires at most this fraction of RDKit's lower bound. */
static const double max_clash_share = 0.75;
/* Distance from the ends of a range that PoseBusters permits, Å: rounding of coordinates. */
static const double permitted_reserve = 0.03;
/* Å, of hydrogens at least four bonds apart. RDKit permits less; the closest known ones are at 1.56
 * Å: Zong et al., J. Am. Chem. Soc. 135, 13235 (2013). */
static const double min_hydrogens = 1.75;
static const double bond_half_width = 0.2;     /* Å; RDKit's bounds are +-0.21 Å in some rings */
static const double hydrogen_half_width = 0.1; /* of bonds of hydrogens, which hardly vary */
static const float min_volume = 0.5F;          /* Å^3, of a stereocentre */
static const float min_cosine = 0.9F; /* of a torsion, cis or trans; and of aromatic rings */
static const float min_planar_cosine = 0.95F; /* of a torsion about another C=C bond */
/* Angles and trigonal volumes keep this distance from the limits of chem/angles.h. */
static const float angle_reserve = 1;     /* degrees */
static const float volume_reserve = 0.1F; /* Å^3 */

/* Tests in any order. */
struct list {
    cg_geometry_test *tests;
    size_t n, cap;
};

static int add(struct list *list, uint32_t a, uint32_t b, uint32_t c, uint32_t d, int32_t kind,
               int32_t cause, float low, float high)
{
    if (cg_grow((void **)&list->tests, &list->cap, list->n + 1, sizeof *list->tests))
        return -1;
    list->tests[list->n++] = (cg_geometry_test) {
        .atom = { (int32_t)a, (int32_t)b, (int32_t)c, (int32_t)d },
        .kind = kind,
        .cause = cause,
        .low = low,
        .high = high,
    };
    return 0;
}

/* Tests the sign of the volume of atoms `a`, `b`, `c` around the stereocentre. */
static int add_volume(struct list *list, uint32_t centre, uint32_t a, uint32_t b, uint32_t c,
                      int sign)
{
    return add(list, centre, a, b, c, CG_TEST_VOLUME, CG_CAUSE_CENTRE,
               sign > 0 ? min_volume : -INFINITY, sign > 0 ? INFINITY : -min_volume);
}

/* Index of the neighbour that is an ordinary hydrogen, -1 without one. */
static int find_hydrogen(const cg_smiles_atom *atoms, const cg_stereo_centre *c)
{
    for (int k = 0; k < c->n_neighbours; k++)
        if (atoms[c->neighbours[k]].element == 1 && !atoms[c->neighbours[k]].isotope)
            return k;
    return -1;
}

/*
 * Any three of four neighbours determine the configuration, so a test for each triple fails as
 * early as possible. The vectors to all four sum to about zero: the sign alternates with the
 * neighbour that is left out. A hydrogen is on the side that the angles to the others leave to it.
 */
static int add_centre(struct list *list, const cg_smiles_atom *atoms, const cg_stereo_centre *c)
{
    const uint32_t *n = c->neighbours;
    int h = find_hydrogen(atoms, c);

    if (c->n_neighbours == 3)
        return add_volume(list, c->atom, n[0], n[1], n[2], c->sign);
    if (h >= 0)
        return add_volume(list, c->atom, n[h == 0], n[h < 2 ? 2 : 1], n[h < 3 ? 3 : 2],
                          h % 2 ? -c->sign : c->sign);
    return add_volume(list, c->atom, n[1], n[2], n[3], c->sign) ||
           add_volume(list, c->atom, n[0], n[2], n[3], -c->sign) ||
           add_volume(list, c->atom, n[0], n[1], n[3], c->sign) ||
           add_volume(list, c->atom, n[0], n[1], n[2], -c->sign);
}

/* Requested trans bonds of small rings keep their sign at least. */
static float stereo_cosine(const cg_adjacency *adj, const cg_stereo_bond *bond)
{
    return fminf(min_cosine, fmaxf(cg_double_bond_twist(adj, bond->ends, bond), 0.1F));
}

static int add_stereo(struct list *list, const cg_smiles_atom *atoms, const cg_stereo *stereo,
                      const cg_adjacency *adj)
{
    int failed = 0;

    for (size_t i = 0; i < stereo->n_centres && !failed; i++)
        failed = add_centre(list, atoms, &stereo->centres[i]);
    for (size_t i = 0; i < stereo->n_bonds; i++) {
        const cg_stereo_bond *b = &stereo->bonds[i];
        const float least = stereo_cosine(adj, b);

        for (int k = 0; k < CG_STEREO_BOND_PAIRS && !failed; k++) {
            uint32_t n[2];
            int sign = cg_stereo_bond_pair(b, k, n);

            if (sign)
                failed =
                    add(list, n[0], b->ends[0], b->ends[1], n[1], CG_TEST_TORSION, CG_CAUSE_DOUBLE,
                        sign > 0 ? least : -INFINITY, sign > 0 ? INFINITY : -least);
        }
    }
    return failed;
}

/*
 * Adds the tests of planar rings and bonds. CG_TEST_FLAT bounds the squared cosine, so cis and
 * trans both pass.
 */
static int add_planes(struct list *list, const cg_planes *planes, const cg_stereo *stereo,
                      const cg_adjacency *adj)
{
    int failed = 0;

    for (size_t i = 0; i < planes->n_rings; i++) {
        const cg_flat_ring *r = &planes->rings[i];

        for (uint32_t k = 0; k < r->n && !failed; k++)
            failed =
                add(list, r->atoms[k], r->atoms[(k + 1) % r->n], r->atoms[(k + 2) % r->n],
                    r->atoms[(k + 3) % r->n], CG_TEST_TORSION, CG_CAUSE_RING, min_cosine, INFINITY);
    }
    for (size_t i = 0; i < planes->n_bonds; i++) {
        const cg_flat_bond *b = &planes->bonds[i];
        const float least =
            fminf(min_planar_cosine,
                  cg_double_bond_twist(adj, b->ends, cg_stereo_find_bond(stereo, b->ends)));

        for (uint32_t k = 0; k < b->n_neighbours[0] * b->n_neighbours[1] && least > 0 && !failed;
             k++)
            failed = add(list, b->neighbours[0][k % b->n_neighbours[0]], b->ends[0], b->ends[1],
                         b->neighbours[1][k / b->n_neighbours[0]], CG_TEST_FLAT, CG_CAUSE_DOUBLE,
                         least * least, INFINITY);
    }
    return failed;
}

static float cosine_of(float degrees)
{
    return cosf(degrees * 3.14159265F / 180);
}

static int add_angles(struct list *list, const cg_angles *angles)
{
    const float volume = CG_TRIGONAL_VOLUME - volume_reserve;
    int failed = 0;

    for (size_t i = 0; i < angles->n_angles && !failed; i++) {
        const cg_angle *a = &angles->angles[i];

        failed = add(list, a->first, a->centre, a->second, (uint32_t)CG_NO_ATOM, CG_TEST_ANGLE,
                     CG_CAUSE_ANGLE, a->high < 180 ? cosine_of(a->high - angle_reserve) : -INFINITY,
                     a->low > 0 ? cosine_of(a->low + angle_reserve) : INFINITY);
    }
    for (size_t i = 0; i < angles->n_trigonal && !failed; i++) {
        const cg_trigonal *t = &angles->trigonal[i];

        failed = add(list, t->centre, t->neighbours[0], t->neighbours[1], t->neighbours[2],
                     CG_TEST_VOLUME, CG_CAUSE_ANGLE, -volume, volume);
    }
    return failed;
}

/* The atom that completes a test. */
static int32_t last_atom(const cg_geometry_test *t)
{
    int32_t last = t->atom[0];

    for (int k = 1; k < 4; k++)
        last = t->atom[k] > last ? t->atom[k] : last;
    return last;
}

/* Counting sort of the tests by the atom that completes them: start[a] is the first of atom a. */
static void sort_tests(const struct list *list, int32_t n_atoms, int32_t *start,
                       cg_geometry_test *tests)
{
    memset(start, 0, ((size_t)n_atoms + 1) * sizeof *start);
    for (size_t i = 0; i < list->n; i++)
        start[last_atom(&list->tests[i]) + 1]++;
    for (int32_t a = 0; a < n_atoms; a++)
        start[a + 1] += start[a];
    for (size_t i = list->n; i > 0; i--) /* backwards: a stable sort */
        tests[--start[last_atom(&list->tests[i - 1]) + 1]] = list->tests[i - 1];
    for (int32_t a = 0; a < n_atoms; a++) /* start[a + 1] is the first test of atom a now */
        start[a] = start[a + 1];
    start[n_atoms] = (int32_t)list->n;
}

/* First atom that completes a stereocentre's test; n_atoms if none does. */
static int32_t find_first_centre(const struct list *list, int32_t n_atoms)
{
    int32_t first = n_atoms;

    for (size_t i = 0; i < list->n; i++)
        if (list->tests[i].cause == CG_CAUSE_CENTRE && last_atom(&list->tests[i]) < first)
            first = last_atom(&list->tests[i]);
    return first;
}

/* Widening of the bounds of a distance, Å, by the number of bonds between the two atoms. */
static const struct margin {
    double low, high;
    int8_t cause;
} margins[] = {
    { 0, 0, CG_CAUSE_NONE },        { 0.15, 0.15, CG_CAUSE_BOND }, { 0.35, 0.35, CG_CAUSE_ANGLE },
    { 0.35, 0.45, CG_CAUSE_CLASH }, { 0.5, 0.75, CG_CAUSE_CLASH }, { 0.5, 0.5, CG_CAUSE_CLASH },
};

/* Fills the arrays of a cg_geometry by pair of atoms: squares of the widened bounds, and causes. */
static void set_pairs(const cg_bounds *bounds, const cg_smiles_atom *atoms, float *low2,
                      float *high2, int8_t *cause)
{
    const int last = sizeof margins / sizeof margins[0] - 1;
    size_t at = 0;

    for (size_t i = 1; i < bounds->n_atoms; i++)
        for (size_t j = 0; j < i; j++, at++) {
            int n_bonds = cg_bounds_path_length(bounds, i, j);
            const struct margin *m = &margins[n_bonds < last ? n_bonds : last];
            double lower = cg_bounds_lower(bounds, i, j), low = lower - m->low;
            double upper = cg_bounds_upper(bounds, i, j), high = upper + m->high;
            int n_hydrogens = (atoms[i].element == 1) + (atoms[j].element == 1);

            if (n_bonds == 1) {
                double half = n_hydrogens ? hydrogen_half_width : bond_half_width;

                low = fmax(low, (lower + upper) / 2 - half);
                high = fmin(high, (lower + upper) / 2 + half);
            } else if (n_bonds > 2) {
                low = fmin(low, lower * max_clash_share);
            }
            if (n_bonds > 3 && n_hydrogens == 2)
                low = fmax(low, fmin(min_hydrogens, upper));
            if (bounds->rdkit && n_bonds > 1 && !n_hydrogens &&
                cg_bounds_may_satisfy(bounds, i, j)) {
                double least, most;

                cg_bounds_permitted(bounds, i, j, 1, &least, &most);
                low = fmax(low, least + permitted_reserve);
                high = fmin(high, most - permitted_reserve);
            }
            low2[at] = low > 0 ? (float)(low * low) : 0;
            high2[at] = (float)(high * high);
            cause[at] = m->cause;
        }
}

/* A wrong distance between the neighbours of a stereo bond means the wrong configuration. */
static void set_stereo_pairs(const cg_stereo *stereo, int8_t *cause)
{
    for (size_t b = 0; b < stereo->n_bonds; b++)
        for (int k = 0; k < CG_STEREO_BOND_PAIRS; k++) {
            uint32_t n[2];
            size_t i, j;

            if (!cg_stereo_bond_pair(&stereo->bonds[b], k, n))
                continue;
            i = n[0] > n[1] ? n[0] : n[1];
            j = n[0] > n[1] ? n[1] : n[0];
            cause[i * (i - 1) / 2 + j] = CG_CAUSE_DOUBLE;
        }
}

/* Allocates the struct and its block of arrays as one. */
static cg_status assemble(const cg_molecule *mol, const cg_bounds *bounds, const struct list *list,
                          const cg_stereo *stereo, cg_geometry **ret, cg_error *err)
{
    cg_geometry counts = {
        .n_atoms = (int32_t)cg_molecule_n_atoms(mol),
        .n_tests = (int32_t)list->n,
        .n_untested = (int32_t)stereo->n_untested,
    };
    size_t size = cg_geometry_size(counts.n_atoms, counts.n_tests, 0);
    cg_geometry *g = calloc(1, sizeof *g + size);

    if (!g)
        return cg_fail(err, CG_ERR_NOMEM, "geometry of %d atoms: out of memory", counts.n_atoms);
    *g = counts;
    g->first_centre = find_first_centre(list, g->n_atoms);
    cg_geometry_bind(g, g + 1);
    set_pairs(bounds, cg_molecule_graph(mol)->atoms, (float *)g->low2, (float *)g->high2,
              (int8_t *)g->pair_cause);
    set_stereo_pairs(stereo, (int8_t *)g->pair_cause);
    sort_tests(list, g->n_atoms, (int32_t *)g->test_start, (cg_geometry_test *)g->tests);
    *ret = g;
    return CG_OK;
}

cg_status cg_geometry_compile(const cg_molecule *mol, cg_geometry **ret, cg_error *err)
{
    cg_bounds bounds = { 0 };
    cg_stereo stereo = { 0 };
    cg_planes planes = { 0 };
    cg_angles angles = { 0 };
    cg_adjacency adj = { 0 };
    struct list list = { 0 };
    cg_status st;

    CG_TRY_GOTO(st, cg_bounds_compute(mol, &bounds, err), out);
    CG_TRY_GOTO(st, cg_stereo_find(mol, &stereo, err), out);
    CG_TRY_GOTO(st, cg_planes_find(mol, &planes, err), out);
    CG_TRY_GOTO(st, cg_angles_find(mol, &angles, err), out);
    CG_TRY_GOTO(st, cg_adjacency_build(cg_molecule_graph(mol), &adj, err), out);
    if (add_stereo(&list, cg_molecule_graph(mol)->atoms, &stereo, &adj) ||
        add_planes(&list, &planes, &stereo, &adj) || add_angles(&list, &angles)) {
        st = cg_fail(err, CG_ERR_NOMEM, "geometry of %zu atoms: out of memory", bounds.n_atoms);
        goto out;
    }
    st = assemble(mol, &bounds, &list, &stereo, ret, err);
out:
    cg_bounds_finish(&bounds);
    cg_stereo_finish(&stereo);
    cg_planes_finish(&planes);
    cg_angles_finish(&angles);
    cg_adjacency_finish(&adj);
    free(list.tests);
    return st;
}

void cg_geometry_destroy(cg_geometry *geometry)
{
    free(geometry);
}
