/* SPDX-License-Identifier: MIT */
/* Added hydrogens are apart from other atoms, and the atoms of the text keep their places. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chem/bounds.h"
#include "chem/enriched.h"
#include "chem/rdkit_c.h"
#include "chem/stereo.h"
#include "template/geometry_tables.h"
#include "template/hydrogen_placement.h"
#include "format_made.h"
#include "scratch.h"

enum { MAX_ATOMS = 400, MAX_LINE = 1 << 16 };

/* A molecule and a conformer with hydrogens. */
static struct {
    cg_molecule *mol;
    cg_geometry *geometry; /* of the text */
    cg_hydrogen_placement *placement;
    const cg_molecule *all;
    cg_bounds bounds;
    cg_hydrogen_outcome outcome;
    double xyz[MAX_ATOMS][3], text_xyz[MAX_ATOMS][3];
    size_t n_text, n;
} s;

static void drop(void)
{
    cg_bounds_finish(&s.bounds);
    cg_geometry_destroy(s.geometry);
    cg_hydrogen_placement_destroy(s.placement);
    cg_molecule_destroy(s.mol);
    memset(&s, 0, sizeof s);
}

static void make(const char *smiles)
{
    cg_error err = CG_ERROR_INIT;

    drop();
    ck_assert_msg(cg_molecule_parse(smiles, strlen(smiles), &s.mol, &err) == CG_OK, "%s: %s",
                  smiles, err.msg);
    ck_assert_msg(cg_hydrogen_placement_create(s.mol, &s.placement, &err) == CG_OK, "%s: %s",
                  smiles, err.msg);
    ck_assert_msg(cg_geometry_compile(s.mol, &s.geometry, &err) == CG_OK, "%s", err.msg);
    s.all = cg_hydrogen_placement_molecule(s.placement);
    s.n_text = cg_molecule_n_atoms(s.mol);
    s.n = cg_molecule_n_atoms(s.all);
    ck_assert_uint_le(s.n, MAX_ATOMS);
    ck_assert_msg(cg_bounds_compute(s.all, &s.bounds, &err) == CG_OK, "%s", err.msg);
}

/* 1 if the atoms of the text pass their tests. */
static int is_valid(void)
{
    static float xyz[MAX_ATOMS][3];
    int n_faults = 0;

    for (size_t i = 0; i < s.n_text; i++)
        for (int k = 0; k < 3; k++)
            xyz[i][k] = (float)s.text_xyz[i][k];
    for (int32_t i = 0; i < (int32_t)s.n_text; i++)
        n_faults +=
            cg_geometry_test_atom(s.geometry, (const float(*)[3])xyz, i, 0, 1) != CG_FAULT_NONE;
    return n_faults == 0;
}

/* Embeds the molecule with RDKit, the atoms of the text only. */
static void embed(int seed)
{
    size_t size;
    char *pkl = get_mol(cg_molecule_smiles(s.mol, NULL), &size, "{}"), *block = NULL, *line;
    char how[32];

    snprintf(how, sizeof how, "{\"randomSeed\":%d}", seed);
    ck_assert(pkl && add_hs(&pkl, &size) == 1 && set_3d_coords(&pkl, &size, how) > 0);
    block = get_molblock(pkl, size, "{}");
    ck_assert_ptr_nonnull(block);
    line = block;
    for (int i = 0; i < 4; i++)
        line = strchr(line, '\n') + 1;
    for (size_t i = 0; i < s.n_text; i++, line = strchr(line, '\n') + 1)
        ck_assert_int_eq(
            sscanf(line, "%lf %lf %lf", &s.text_xyz[i][0], &s.text_xyz[i][1], &s.text_xyz[i][2]),
            3);
    free_ptr(block);
    free_ptr(pkl);
}

static void place(int move_all)
{
    cg_error err = CG_ERROR_INIT;

    memcpy(s.xyz, s.text_xyz, sizeof s.xyz);
    ck_assert_msg(cg_hydrogen_placement_run(s.placement, move_all, s.xyz, &s.outcome, &err) ==
                      CG_OK,
                  "%s", err.msg);
    if (s.outcome != CG_HYDROGENS_MOVED_ALL)
        ck_assert_int_eq(memcmp(s.xyz, s.text_xyz, s.n_text * sizeof s.xyz[0]), 0);
}

static double distance(size_t i, size_t j)
{
    const double *a = s.xyz[i], *b = s.xyz[j];

    return hypot(hypot(a[0] - b[0], a[1] - b[1]), a[2] - b[2]);
}

static int is_hydrogen(size_t i)
{
    return cg_molecule_graph(s.all)->atoms[i].element == 1;
}

/* Least distance of two hydrogens that are more than three bonds apart. */
static double nearest_hydrogens(void)
{
    double least = 10;

    for (size_t i = 0; i < s.n; i++)
        for (size_t j = 0; j < i; j++)
            if (is_hydrogen(i) && is_hydrogen(j) && cg_bounds_path_length(&s.bounds, i, j) > 3)
                least = fmin(least, distance(i, j));
    return least;
}

/* Distances of added hydrogens, by PoseBusters' margins and stricter; each hydrogen of a
 * stereocentre is opposite to the other neighbours. */
static void check_record(void)
{
    static float xyz[MAX_ATOMS][3];
    const char *smiles = cg_molecule_smiles(s.mol, NULL);
    cg_error err = CG_ERROR_INIT;
    cg_stereo stereo = { 0 }, all = { 0 };

    ck_assert_msg(s.outcome != CG_HYDROGENS_FAILED, "%s", smiles);
    ck_assert_msg(nearest_hydrogens() >= 1.7, "%s: %.2f", smiles, nearest_hydrogens());
    for (size_t i = s.n_text; i < s.n; i++)
        for (size_t j = 0; j < i; j++) {
            double d = distance(i, j), low = cg_bounds_lower(&s.bounds, i, j),
                   high = cg_bounds_upper(&s.bounds, i, j);
            int path = cg_bounds_path_length(&s.bounds, i, j);
            int right = path == 1   ? d > low - 0.12 && d < high + 0.12
                        : path == 2 ? d > 0.75 * low && d < 1.25 * high
                                    : d > 0.7 * low;

            ck_assert_msg(right, "%s: atoms %zu and %zu: %.2f Å, bounds %.2f to %.2f", smiles,
                          i + 1, j + 1, d, low, high);
        }
    for (size_t i = 0; i < s.n; i++)
        for (int k = 0; k < 3; k++)
            xyz[i][k] = (float)s.xyz[i][k];
    ck_assert_msg(cg_stereo_find(s.mol, &stereo, &err) == CG_OK, "%s", err.msg);
    ck_assert_msg(cg_stereo_find(s.all, &all, &err) == CG_OK, "%s", err.msg);
    ck_assert_uint_eq(stereo.n_centres, all.n_centres);
    for (size_t i = 0; i < stereo.n_centres; i++) { /* the text may be of the other enantiomer */
        double volume = cg_stereo_centre_volume(&stereo.centres[i], (const float(*)[3])xyz);
        double with = cg_stereo_centre_volume(&all.centres[i], (const float(*)[3])xyz);

        ck_assert_uint_eq(stereo.centres[i].atom, all.centres[i].atom);
        ck_assert_msg(fabs(with) > CG_STEREO_FLAT && (with > 0) == (volume > 0), "%s: centre %u",
                      smiles, all.centres[i].atom + 1);
    }
    cg_stereo_finish(&all);
    cg_stereo_finish(&stereo);
}

static const char *const molecules[] = {
    "CO",
    "C",
    "CC(C)(C)C(C)(C)C",
    "CC(C)(C)c1ccccc1C(C)(C)C",
    "C[NH3+]",
    "OCC(O)C(O)CO",
    "OC(=O)c1ccccc1O",
    "C#CCC#C",
    "[H]/N=C(/C)N",
    "[H]/N=N/C",
    "N=C(N)NCCC[C@H]([NH3+])C(=O)[O-]",
    "[2H]C([2H])([2H])C(C)(C)C",
    "[2H][C@H](C)O",
    "[BH4-]",
    "C[BH3-]",
    "CS",
    "CP",
    "C[SiH3]",
    "CB(O)O",
    "C[AsH2]",
    "C[SeH]",
    "c1cc[nH]c1",
    "Cc1cccc2cccc(C)c12",
    "CNC(C)=O",
    "C=C=C",
    "C/C=C/C=C\\C",
    "N[C@@H](C)C(=O)O",
    "C1C[C@H](C)[S@+](C)C1",
    "C[P@@H](=O)CC",
    "C[C@H]1CN1C",
    "C1CC2CCC1C2",
    "C1C2CC3CC1CC(C2)C3",
    "OC[C@H]1O[C@@H](O)[C@H](O)[C@@H](O)[C@@H]1O",
    "C1CCCCCCCCC1",
    "C[C@]12CC[C@H]3[C@@H](CCC4=CC(=O)CC[C@@]34C)[C@@H]1CC[C@@H]2O",
    "c1ccc2c(c1)ccc1ccc3ccc4ccccc4c3c12",
};

START_TEST(hydrogens_of_embedded_molecules)
{
    int n = 0;

    make(molecules[_i]);
    for (int seed = 1; seed <= 8 && n < 3; seed++) {
        embed(seed);
        if (!is_valid()) /* distance geometry may distort linear atoms and part fragments */
            continue;
        place(0);
        check_record();
        n++;
    }
    ck_assert_int_gt(n, 0);
    drop();
}
END_TEST

/* A sampled conformer of cytisine, whose ideal hydrogens are 1.2 Å apart. */
START_TEST(hydrogens_of_a_sampled_conformer)
{
    static const double sampled[][3] = {
        { 0.000, 0.000, 0.000 },   { 1.248, 0.026, 0.000 },  { 1.931, 1.269, 0.000 },
        { 3.283, 1.327, -0.053 },  { 4.026, 0.108, -0.117 }, { 3.461, -1.159, 0.038 },
        { 2.052, -1.076, -0.030 }, { 1.361, -2.316, 0.069 }, { 2.294, -3.103, 0.833 },
        { 2.189, -4.300, 1.656 },  { 3.700, -4.424, 1.858 }, { 4.444, -3.415, 1.008 },
        { 4.140, -1.884, 1.253 },  { 2.869, -2.121, 1.980 },
    };

    make("O=c1cccc2n1C[C@@H]1CNC[C@@H]2C1");
    memcpy(s.text_xyz, sampled, sizeof sampled);
    place(1);
    ck_assert_int_ne(s.outcome, CG_HYDROGENS_IDEAL);
    check_record();
    drop();
}
END_TEST

/* The conformers of the training set: few hydrogens need another place. */
START_TEST(hydrogens_of_reference_conformers)
{
    static char path[512], line[MAX_LINE];
    cg_error err = CG_ERROR_INIT;
    int n_moved = 0, n = 0;
    FILE *f;

    snprintf(path, sizeof path, "%s/tests/data/chem/val_enriched_200.txt",
             getenv("CONFGEN_SOURCE_ROOT"));
    f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof line, f)) {
        char *text = strchr(line, '\t');
        cg_enriched e = { 0 };

        if (n++ % 4) /* enough of them, for valgrind */
            continue;
        *text++ = '\0';
        text[strcspn(text, "\n")] = '\0';
        make(line);
        ck_assert_int_eq(cg_enriched_parse(text, strlen(text), format_of_decimals(3, 2), &e, &err),
                         CG_OK);
        memcpy(s.text_xyz, e.xyz, s.n_text * sizeof *e.xyz);
        cg_enriched_finish(&e);
        place(0);
        check_record();
        n_moved += s.outcome != CG_HYDROGENS_IDEAL;
    }
    fclose(f);
    ck_assert_int_eq(n, 200);
    ck_assert_int_lt(n_moved, 20);
    drop();
}
END_TEST

/* Fragments of one atom each, in a row. */
START_TEST(hydrogens_of_salts)
{
    static const char *const salts[] = { "[BH4-].[Na+]", "[NH4+].[Cl-]", "O.O", "C.O.[H+]" };

    make(salts[_i]);
    for (size_t i = 0; i < s.n_text; i++)
        s.text_xyz[i][0] = 3.2 * (double)i;
    ck_assert(is_valid());
    place(0);
    check_record();
    drop();
}
END_TEST

START_TEST(other_atoms_move_last)
{
    make("CC(C)(C)C");
    embed(1);
    for (int k = 0; k < 3; k++) /* two methyl groups in each other */
        s.text_xyz[2][k] = s.text_xyz[0][k] + 0.6 * (s.text_xyz[2][k] - s.text_xyz[0][k]);
    place(0);
    ck_assert_int_eq(s.outcome, CG_HYDROGENS_FAILED);
    place(1);
    ck_assert_int_eq(s.outcome, CG_HYDROGENS_MOVED_ALL);
    check_record();
    drop();
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("placement");

    tcase_set_timeout(tc, 60);
    if (CG_RDKIT_ADAPTER) { /* else there are no hydrogens */
        tcase_add_loop_test(tc, hydrogens_of_embedded_molecules, 0,
                            sizeof molecules / sizeof *molecules);
        tcase_add_loop_test(tc, hydrogens_of_salts, 0, 4);
        tcase_add_test(tc, hydrogens_of_a_sampled_conformer);
        tcase_add_test(tc, hydrogens_of_reference_conformers);
        tcase_add_test(tc, other_atoms_move_last);
    }
    return run_suite("hydrogen_placement", &tc, 1);
}
