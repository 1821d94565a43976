/* SPDX-License-Identifier: MIT */
/* A core in a molecule: which match, the tests that keep its shape, and what relaxations leave. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec3.h"
#include "engine/core_frame.h"
#include "sequence/relaxation_host.h"
#include "template/geometry_tables.h"
#include "template/kept_core.h"
#include "core_made.h"
#include "scratch.h"

enum { MAX_ATOMS = 64 };

static cg_error err;
static struct {
    cg_core *core;
    cg_molecule *mol;
    cg_geometry *geometry;
    cg_kept_core kept;
} s;

static void drop(void)
{
    cg_kept_core_finish(&s.kept);
    cg_geometry_destroy(s.geometry);
    cg_molecule_destroy(s.mol);
    cg_core_destroy(s.core);
    memset(&s, 0, sizeof s);
}

static cg_status find(const char *smiles)
{
    drop();
    ck_assert_msg(cg_core_create(core_made, &s.core, &err) == CG_OK, "%s", err.msg);
    ck_assert_msg(cg_molecule_parse(smiles, strlen(smiles), &s.mol, &err) == CG_OK, "%s", err.msg);
    ck_assert_msg(cg_geometry_compile(s.mol, &s.geometry, &err) == CG_OK, "%s", err.msg);
    return cg_kept_core_find(s.core, s.mol, s.geometry, &s.kept, &err);
}

static void keep(const char *smiles)
{
    ck_assert_msg(find(smiles) == CG_OK, "%s: %s", smiles, err.msg);
    ck_assert_int_eq(cg_geometry_keep_core(&s.kept, 0.01F, &s.geometry, &err), CG_OK);
}

static int is_core(uint32_t atom)
{
    for (size_t i = 0; i < cg_core_n_atoms(s.core); i++)
        if (s.kept.atoms[i] == atom)
            return 1;
    return 0;
}

/* Puts the core's atoms into xyz, relative to its first one. */
static void put_core(float (*xyz)[3])
{
    const double(*from)[3] = cg_core_positions(s.core);

    for (size_t i = 0; i < cg_core_n_atoms(s.core); i++)
        for (int k = 0; k < 3; k++)
            xyz[s.kept.atoms[i]][k] = (float)(from[i][k] - from[0][k]);
}

START_TEST(a_match_has_the_elements_and_bonds_of_the_core)
{
    keep("CCCNC(=O)[C@@H]1CCCN1S(=O)(=O)CC");
    for (size_t i = 0; i < cg_core_n_atoms(s.core); i++) {
        const cg_smiles_atom *atom = &cg_molecule_graph(s.mol)->atoms[s.kept.atoms[i]];

        ck_assert_int_eq(atom->element, core_made_elements[i]);
        for (size_t j = 0; j < i; j++)
            ck_assert_uint_ne(s.kept.atoms[i], s.kept.atoms[j]);
    }
    ck_assert_int_eq(find("CCCNC(=O)[C@@H]1CCCN1S(=O)CC"), CG_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.msg, "does not contain the core (12 heavy atoms)"));
    ck_assert_ptr_null(s.kept.core);
    ck_assert_int_eq(find("CCCNC(=O)[C@@H]1CCCC1S(=O)(=O)CC"), CG_ERR_UNSUPPORTED);
}
END_TEST

/* The second core of a molecule is taken if the first has the other hand; so is any match of a
 * molecule that states no stereo. */
START_TEST(stereo_selects_the_match)
{
    ck_assert_int_eq(find("CNC(=O)[C@H]1CCCN1S(C)(=O)=O"), CG_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.msg, "another stereo"));
    ck_assert_int_eq(find("CNC(=O)C1CCCN1S(C)(=O)=O"), CG_OK);
    for (int i = 0; i < 2; i++) {
        const char *smiles = i ? "O=C(NCCNC(=O)[C@H]1CCCN1S(C)(=O)=O)[C@@H]1CCCN1S(C)(=O)=O"
                               : "O=C(NCCNC(=O)[C@@H]1CCCN1S(C)(=O)=O)[C@H]1CCCN1S(C)(=O)=O";
        float xyz[MAX_ATOMS][3] = { { 0 } };
        int n = 0;

        ck_assert_msg(find(smiles) == CG_OK, "%s", err.msg);
        put_core(xyz);
        for (int32_t k = 0; k < s.geometry->n_tests; k++) {
            const cg_geometry_test *t = &s.geometry->tests[k];

            if (t->cause != CG_CAUSE_CENTRE || !is_core((uint32_t)t->atom[0]) ||
                !is_core((uint32_t)t->atom[1]) || !is_core((uint32_t)t->atom[2]) ||
                !is_core((uint32_t)t->atom[3]))
                continue;
            ck_assert_int_eq(cg_geometry_test_passes(t, (const float(*)[3])xyz), 1);
            n++;
        }
        ck_assert_int_ge(n, 1);
    }
}
END_TEST

/* From rotated reference atoms every place is found, in the core and in its mirror image. */
START_TEST(places_have_the_shape_of_the_core)
{
    const float axes[3][3] = { { 0.36F, 0.48F, -0.8F },
                               { -0.8F, 0.6F, 0 },
                               { 0.48F, 0.64F, 0.6F } };
    float core[MAX_ATOMS][3] = { { 0 } };
    const cg_geometry *g;

    keep("CNC(=O)[C@@H]1CCCN1[SH](=O)=O"); /* no other atoms */
    g = s.geometry;
    put_core(core);
    ck_assert_int_eq(g->n_core, 12);
    ck_assert_int_gt(g->core_off_plane, g->core_reference[2]);
    ck_assert_int_lt(g->core_off_plane, g->n_atoms);
    for (int mirrored = 0; mirrored < 2; mirrored++) {
        float xyz[MAX_ATOMS][3] = { { 0 } };

        for (int32_t i = 0; i < g->n_atoms; i++)
            for (int k = 0; k < 3; k++)
                xyz[i][k] = 3 + (mirrored && k == 2 ? -1 : 1) * cg_vec3_dot(axes[k], core[i]);
        for (int32_t i = g->core_reference[0] + 1; i < g->n_atoms; i++) {
            float place[3], v[3];

            if (!cg_geometry_is_core(g, i))
                continue;
            cg_core_find_place(g, (const float(*)[3])xyz, i, mirrored, place);
            cg_vec3_between(place, xyz[i], v);
            ck_assert_msg(cg_vec3_dot(v, v) < 1e-8F, "atom %d", i);
            /* the test agrees, and sees the mirror image of what is off the plane */
            ck_assert_int_eq(cg_geometry_test_atom(g, (const float(*)[3])xyz, i, 0, 1),
                             mirrored && fabsf(g->core[i].at[2]) > 0.005F
                                 ? CG_FAULT(CG_CAUSE_CORE, g->core_reference[0])
                                 : CG_FAULT_NONE);
        }
    }
}
END_TEST

/* The tests are those of the molecule but for what concerns atoms of the core alone. */
START_TEST(tests_of_the_core_alone_are_dropped)
{
    int32_t n = 0, at = 0;
    const char *smiles = "CCCNC(=O)[C@@H]1C[C@@H](O)CN1S(=O)(=O)CC";
    cg_geometry *all = NULL;

    keep(smiles);
    ck_assert_int_eq(cg_geometry_compile(s.mol, &all, &err), CG_OK);
    for (int32_t i = 0; i < all->n_atoms; i++) {
        for (int32_t j = 0; j < i; j++, at++) {
            int both = is_core((uint32_t)i) && is_core((uint32_t)j);

            ck_assert(s.geometry->low2[at] == (both ? 0 : all->low2[at]));
            ck_assert(both ? isinf(s.geometry->high2[at])
                           : s.geometry->high2[at] == all->high2[at]);
            ck_assert_int_eq(s.geometry->pair_cause[at], all->pair_cause[at]);
        }
        ck_assert_int_eq(s.geometry->test_start[i], n);
        for (int32_t k = all->test_start[i]; k < all->test_start[i + 1]; k++) {
            const cg_geometry_test *t = &all->tests[k];
            int inside = 1;

            for (int a = 0; a < 4; a++)
                inside &= t->atom[a] == CG_NO_ATOM || is_core((uint32_t)t->atom[a]);
            if (!inside)
                ck_assert_mem_eq(t, &s.geometry->tests[n++], sizeof *t);
        }
    }
    ck_assert_int_eq(s.geometry->n_tests, n);
    ck_assert_int_lt(n, all->n_tests);
    ck_assert_int_lt(s.geometry->first_centre, all->n_atoms); /* the alcohol's */
    cg_geometry_destroy(all);
}
END_TEST

/* Atoms around the core move; its own do not, also from displaced starts. */
START_TEST(relaxation_leaves_the_core)
{
    float xyz[MAX_ATOMS][3] = { { 0 } }, displacement[MAX_ATOMS][3], before[MAX_ATOMS][3];
    int32_t last, n_moved = 0;

    keep("CCCNC(=O)[C@@H]1CCCN1S(=O)(=O)CC");
    last = s.geometry->n_atoms - 1;
    put_core(xyz);
    for (int32_t i = 0; i <= last; i++)
        for (int k = 0; k < 3 && !is_core((uint32_t)i); k++)
            xyz[i][k] = (float)(i + k) * 0.37F;
    for (int32_t i = 0; i <= last; i++) {
        cg_relaxation_start start = { .level = CG_RELAXATION_LEVELS - 1 };

        cg_relaxation_start_position(s.geometry, &start, (const float(*)[3])xyz, last, i,
                                     before[i]);
        if (is_core((uint32_t)i))
            ck_assert_mem_eq(before[i], xyz[i], sizeof xyz[i]);
        else
            ck_assert_mem_ne(before[i], xyz[i], sizeof xyz[i]);
    }
    cg_relaxation_run(s.geometry, xyz, displacement, 0, last, 50);
    put_core(before);
    for (int32_t i = 0; i <= last; i++) {
        if (is_core((uint32_t)i))
            ck_assert_mem_eq(before[i], xyz[i], sizeof xyz[i]);
        else
            n_moved += memcmp(before[i], xyz[i], sizeof xyz[i]) != 0;
    }
    ck_assert_int_eq(n_moved, s.geometry->n_atoms - 12);
}
END_TEST

/* A rotated and slightly distorted conformer returns, its core to the last bit. */
START_TEST(a_conformer_is_superposed_on_the_core)
{
    const double axes[3][3] = { { 0.36, 0.48, -0.8 }, { -0.8, 0.6, 0 }, { 0.48, 0.64, 0.6 } };
    double want[MAX_ATOMS][3], xyz[MAX_ATOMS][3];
    size_t n;

    keep("CCCNC(=O)[C@@H]1CCCN1S(=O)(=O)CC");
    n = cg_molecule_n_atoms(s.mol);
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < 3; k++)
            want[i][k] = 20 + 0.3 * (double)((7 * i + 5 * (size_t)k) % 11);
    cg_core_restore(&s.kept, want);
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < 3; k++)
            xyz[i][k] = cg_vec3d_dot(axes[k], want[i]) - 4 + (i % 2 ? 1e-4 : -1e-4);
    cg_core_superpose(&s.kept, n, xyz);
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < 3; k++) {
            ck_assert_double_eq_tol(xyz[i][k], want[i][k], 5e-4);
            ck_assert(!is_core((uint32_t)i) || xyz[i][k] == want[i][k]);
        }
}
END_TEST

/* `text` with the first `from` replaced by `to`, of the same length. */
static const char *replaced(const char *from, const char *to)
{
    static char text[4096];
    char *at;

    ck_assert_uint_eq(strlen(from), strlen(to));
    strcpy(text, core_made);
    at = strstr(text, from);
    ck_assert_ptr_nonnull(at);
    memcpy(at, to, strlen(to));
    return text;
}

static void refused(const char *block, const char *why)
{
    cg_core *core = NULL;

    ck_assert_int_eq(cg_core_create(block, &core, &err), CG_ERR_INPUT);
    ck_assert_msg(strstr(err.msg, why) != NULL, "%s", err.msg);
    ck_assert_ptr_null(core);
}

START_TEST(bad_cores_are_refused)
{
    refused("", "RDKit cannot read");
    refused("C\n\n\n", "RDKit cannot read");
    refused(replaced("4.1104 N", "4.1104 *"), "atom 3 is no element");
    refused(replaced("4.1104 N", "4.1104 Q"), "atom 3 is no element");
    refused(replaced("  2  3  1", "  2  3  8"), "bond 2 has no order");
    refused(replaced("   21.7985", "21798.5000"), "wanted at most 1000");
    refused("\n     RDKit          3D\n\n  2  1  0  0  0  0  0  0  0  0999 V2000\n"
            "    0.0000    0.0000    1.0000 C   0  0\n    0.0000    0.0000    2.5000 C   0  0\n"
            "  1  2  1  0\nM  END\n",
            "found 2 heavy atoms, wanted at least three");
    refused("\n     RDKit          3D\n\n  4  3  0  0  0  0  0  0  0  0999 V2000\n"
            "    0.0000    0.0000    1.0000 C   0  0\n    0.0000    0.0000    2.2000 C   0  0\n"
            "    0.0000    0.0000    3.6000 C   0  0\n    0.0000    1.0000    4.0000 H   0  0\n"
            "  1  2  3  0\n  2  3  1  0\n  3  4  1  0\nM  END\n",
            "found 3 heavy atoms on one line");
}
END_TEST

START_TEST(numbers_must_be_fine)
{
    cg_number_format f = { .kind = CG_NUMBER_DECIMAL, .decimals = 4 };
    float tolerance = 0;

    ck_assert_int_eq(cg_core_tolerance(&f, &tolerance), 1);
    ck_assert_double_eq_tol((double)tolerance, 2e-4, 1e-9);
    f = (cg_number_format) { .kind = CG_NUMBER_INTEGER, .per_angstrom = 1000 };
    ck_assert_int_eq(cg_core_tolerance(&f, &tolerance), 1);
    ck_assert_double_eq_tol((double)tolerance, 2e-3, 1e-8);
    f.per_angstrom = 100;
    ck_assert_int_eq(cg_core_tolerance(&f, &tolerance), 0);
    f.kind = CG_NUMBER_BIN;
    ck_assert_int_eq(cg_core_tolerance(&f, &tolerance), 0);
    f.kind = CG_NUMBER_CODE;
    ck_assert_int_eq(cg_core_tolerance(&f, &tolerance), 0);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("kept_core");

    tcase_add_checked_fixture(tc, NULL, drop);
    tcase_add_test(tc, numbers_must_be_fine);
    if (CG_RDKIT_ADAPTER) { /* else no core is read */
        tcase_add_test(tc, a_match_has_the_elements_and_bonds_of_the_core);
        tcase_add_test(tc, stereo_selects_the_match);
        tcase_add_test(tc, places_have_the_shape_of_the_core);
        tcase_add_test(tc, tests_of_the_core_alone_are_dropped);
        tcase_add_test(tc, relaxation_leaves_the_core);
        tcase_add_test(tc, a_conformer_is_superposed_on_the_core);
        tcase_add_test(tc, bad_cores_are_refused);
    }
    return run_suite("kept_core", &tc, 1);
}
