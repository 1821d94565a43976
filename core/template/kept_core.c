/* SPDX-License-Identifier: MIT */
#include "template/kept_core.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "base/vec3.h"
#include "sequence/relaxation.h"
#include "template/geometry_tables.h"

/* Å from the line through the first two references: nearer atoms leave the plane open. */
static const double min_off_line = 0.05;
/* Å from the plane of the references: the mirror image of a flatter core is the core itself. */
static const float min_off_plane = 0.05F;

/* ---- matches ------------------------------------------------------------------------------ */

/* Are all atoms of a test atoms of the core? */
static int is_of_core(const cg_geometry_test *t, const unsigned char *is_core)
{
    for (int k = 0; k < 4; k++)
        if (t->atom[k] != CG_NO_ATOM && !is_core[t->atom[k]])
            return 0;
    return 1;
}

/* Has the core no configuration that the tests of the molecule call inverted? */
static int stereo_agrees(const cg_core *core, const uint32_t *atoms, const cg_geometry *g,
                         unsigned char *is_core, float (*xyz)[3])
{
    const double(*from)[3] = cg_core_positions(core);

    memset(is_core, 0, (size_t)g->n_atoms);
    for (size_t i = 0; i < cg_core_n_atoms(core); i++) {
        is_core[atoms[i]] = 1;
        for (int k = 0; k < 3; k++) /* relative to an atom: precise in floats */
            xyz[atoms[i]][k] = (float)(from[i][k] - from[0][k]);
    }
    for (int32_t i = 0; i < g->n_tests; i++)
        if (is_of_core(&g->tests[i], is_core) &&
            cg_relaxation_configuration(&g->tests[i], (const float(*)[3])xyz) < 0)
            return 0;
    return 1;
}

/* The first match whose stereo agrees; NULL without one. */
static const uint32_t *choose(const cg_core *core, const uint32_t *matches, size_t n,
                              const cg_geometry *g, unsigned char *is_core, float (*xyz)[3])
{
    for (size_t i = 0; i < n; i++) {
        const uint32_t *atoms = matches + i * cg_core_n_atoms(core);

        if (stereo_agrees(core, atoms, g, is_core, xyz))
            return atoms;
    }
    return NULL;
}

cg_status cg_kept_core_find(const cg_core *core, const cg_molecule *mol, const cg_geometry *g,
                            cg_kept_core *ret, cg_error *err)
{
    const size_t n_core = cg_core_n_atoms(core), n_atoms = cg_molecule_n_atoms(mol);
    uint32_t *matches = NULL, *atoms = NULL;
    unsigned char *is_core = cg_alloc_array(n_atoms, 1);
    float(*xyz)[3] = cg_alloc_array(n_atoms, sizeof *xyz);
    const uint32_t *chosen;
    size_t n = 0;
    cg_status st;

    if (!g) {
        st = cg_fail(err, CG_ERR_UNSUPPORTED,
                     "RDKit gives no distance bounds, which conformers with a core need");
        goto out;
    }
    CG_TRY_GOTO(st, cg_core_find(core, mol, &matches, &n, err), out);
    atoms = cg_alloc_array(n_core, sizeof *atoms);
    if (!is_core || !xyz || !atoms) {
        st = cg_fail_nomem(err, "core");
        goto out;
    }
    chosen = choose(core, matches, n, g, is_core, xyz);
    if (!chosen) {
        st = n ? cg_fail(err, CG_ERR_UNSUPPORTED,
                         "the molecule contains the core (%zu heavy atoms) with another stereo "
                         "than the core's coordinates have",
                         n_core)
               : cg_fail(err, CG_ERR_UNSUPPORTED,
                         "the molecule does not contain the core (%zu heavy atoms)", n_core);
        goto out;
    }
    memcpy(atoms, chosen, n_core * sizeof *atoms);
    *ret = (cg_kept_core) { core, atoms };
    atoms = NULL;
out:
    free(matches);
    free(atoms);
    free(is_core);
    free(xyz);
    return st;
}

void cg_kept_core_finish(cg_kept_core *kept)
{
    free(kept->atoms);
    *kept = (cg_kept_core) { 0 };
}

/* ---- places ------------------------------------------------------------------------------- */

/* An atom of the molecule and its position in the core. */
struct placed {
    int32_t atom;
    const double *xyz;
};

static int by_atom(const void *a, const void *b)
{
    const struct placed *x = a, *y = b;

    return (x->atom > y->atom) - (x->atom < y->atom);
}

static void scale_to_unit(double v[3])
{
    const double size = sqrt(cg_vec3d_dot(v, v));

    for (int k = 0; k < 3 && size > 0; k++)
        v[k] /= size;
}

/* Sets v to the part of `to` - `from` perpendicular to the unit vector x. @return its length, Å */
static double across(const double *from, const double *to, const double x[3], double v[3])
{
    double part;

    cg_vec3d_between(from, to, v);
    part = cg_vec3d_dot(v, x);
    for (int k = 0; k < 3; k++)
        v[k] -= part * x[k];
    return sqrt(cg_vec3d_dot(v, v));
}

/* Sets references and places of the core's atoms p[n], ascending. */
static void set_places(const struct placed *p, size_t n, cg_geometry *g, cg_core_place *places)
{
    double x[3], y[3], z[3], v[3], most = 0;
    size_t third = 2;

    cg_vec3d_between(p[0].xyz, p[1].xyz, x);
    scale_to_unit(x);
    for (size_t i = 2; i < n && most < min_off_line; i++) {
        const double distance = across(p[0].xyz, p[i].xyz, x, v);

        third = distance > most ? i : third;
        most = fmax(distance, most);
    }
    across(p[0].xyz, p[third].xyz, x, y);
    scale_to_unit(y);
    cg_vec3d_cross(x, y, z);
    g->core_reference[0] = p[0].atom;
    g->core_reference[1] = p[1].atom;
    g->core_reference[2] = p[third].atom;
    g->core_off_plane = g->n_atoms;
    for (size_t i = n; i > 0; i--) {
        cg_core_place *place = &places[p[i - 1].atom];

        cg_vec3d_between(p[0].xyz, p[i - 1].xyz, v);
        *place = (cg_core_place) {
            { (float)cg_vec3d_dot(v, x), (float)cg_vec3d_dot(v, y), (float)cg_vec3d_dot(v, z) }, 1
        };
        if (i - 1 > third && fabsf(place->at[2]) > min_off_plane)
            g->core_off_plane = p[i - 1].atom;
    }
}

/* Copies the bounds; pairs of core atoms get none. */
static void copy_pairs(const cg_geometry *from, const unsigned char *is_core, cg_geometry *to)
{
    float *low2 = (float *)to->low2, *high2 = (float *)to->high2;
    int8_t *cause = (int8_t *)to->pair_cause;
    size_t at = 0;

    for (int32_t i = 1; i < from->n_atoms; i++)
        for (int32_t j = 0; j < i; j++, at++) {
            int both = is_core[i] && is_core[j];

            low2[at] = both ? 0 : from->low2[at];
            high2[at] = both ? INFINITY : from->high2[at];
            cause[at] = from->pair_cause[at];
        }
}

/* Copies the tests that are not of core atoms alone. */
static void copy_tests(const cg_geometry *from, const unsigned char *is_core, cg_geometry *to)
{
    cg_geometry_test *tests = (cg_geometry_test *)to->tests;
    int32_t *start = (int32_t *)to->test_start, n = 0;

    to->first_centre = to->n_atoms;
    for (int32_t i = 0; i < from->n_atoms; i++) {
        start[i] = n;
        for (int32_t k = from->test_start[i]; k < from->test_start[i + 1]; k++) {
            if (is_of_core(&from->tests[k], is_core))
                continue;
            if (from->tests[k].cause == CG_CAUSE_CENTRE && to->first_centre == to->n_atoms)
                to->first_centre = i;
            tests[n++] = from->tests[k];
        }
    }
    start[from->n_atoms] = n;
}

static int32_t count_tests(const cg_geometry *g, const unsigned char *is_core)
{
    int32_t n = 0;

    for (int32_t i = 0; i < g->n_tests; i++)
        n += !is_of_core(&g->tests[i], is_core);
    return n;
}

cg_status cg_geometry_keep_core(const cg_kept_core *kept, float tolerance, cg_geometry **geometry,
                                cg_error *err)
{
    const cg_geometry *from = *geometry;
    const size_t n = cg_core_n_atoms(kept->core);
    unsigned char *is_core = calloc((size_t)from->n_atoms, 1);
    struct placed *p = cg_alloc_array(n, sizeof *p);
    cg_geometry counts = *from, *to;
    cg_status st = CG_OK;

    if (!is_core || !p) {
        st = cg_fail_nomem(err, "core");
        goto out;
    }
    for (size_t i = 0; i < n; i++) {
        is_core[kept->atoms[i]] = 1;
        p[i] = (struct placed) { (int32_t)kept->atoms[i], cg_core_positions(kept->core)[i] };
    }
    qsort(p, n, sizeof *p, by_atom);
    counts.n_tests = count_tests(from, is_core);
    counts.n_core = (int32_t)n;
    counts.core_tolerance = tolerance;
    to = calloc(1, sizeof *to + cg_geometry_size(counts.n_atoms, counts.n_tests, 1));
    if (!to) {
        st = cg_fail_nomem(err, "core");
        goto out;
    }
    *to = counts;
    cg_geometry_bind(to, to + 1);
    copy_pairs(from, is_core, to);
    copy_tests(from, is_core, to);
    set_places(p, n, to, (cg_core_place *)to->core);
    cg_geometry_destroy(*geometry);
    *geometry = to;
out:
    free(is_core);
    free(p);
    return st;
}
