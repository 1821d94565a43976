/* SPDX-License-Identifier: MIT */
/* Stereo tests derived from SMILES marks, checked on geometries that RDKit embeds. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chem/rdkit_c.h"
#include "chem/stereo.h"
#include "molecule_made.h"
#include "stereo_table.h"

static cg_stereo find(const cg_molecule *mol)
{
    cg_error err = CG_ERROR_INIT;
    cg_stereo stereo = { 0 };

    ck_assert_msg(cg_stereo_find(mol, &stereo, &err) == CG_OK, "%s", err.msg);
    return stereo;
}

/* Coordinates of the molecule's atoms from RDKit's embedding; the added hydrogens follow them. */
static float (*embed(const cg_molecule *mol))[3]
{
    size_t n = cg_molecule_n_atoms(mol), size;
    char *pkl = get_mol(cg_molecule_smiles(mol, NULL), &size, "{}"), *block, *line;
    float(*xyz)[3] = calloc(n, sizeof *xyz);

    ck_assert_ptr_nonnull(pkl);
    ck_assert_int_eq(add_hs(&pkl, &size), 1);
    ck_assert_msg(set_3d_coords(&pkl, &size, "{\"randomSeed\":7}") > 0, "%s",
                  cg_molecule_smiles(mol, NULL));
    block = get_molblock(pkl, size, "{}");
    line = block;
    for (int i = 0; i < 4; i++)
        line = strchr(line, '\n') + 1;
    for (size_t i = 0; i < n; i++, line = strchr(line, '\n') + 1)
        ck_assert_int_eq(sscanf(line, "%f %f %f", &xyz[i][0], &xyz[i][1], &xyz[i][2]), 3);
    free_ptr(block);
    free_ptr(pkl);
    return xyz;
}

static const struct {
    const char *smiles;
    size_t centres, bonds, untested;
} cases[] = {
    { "CCO", 0, 0, 0 },
    { "C[C@H](N)C(=O)O", 1, 0, 0 },
    { "C[C@@H](N)C(=O)O", 1, 0, 0 },
    { "[C@](F)(Cl)(Br)I", 1, 0, 0 },
    { "C[S@](=O)c1ccccc1", 1, 0, 0 },
    { "C[S@@](=O)CC", 1, 0, 0 },
    { "CC[P@](=O)(OC)c1ccccc1", 1, 0, 0 },
    { "O[C@H]1CC[C@@H](C)CC1", 2, 0, 0 },
    { "C[C@@H]1CCCC[C@H]1O", 2, 0, 0 },
    { "C1C[C@]2(C)CC[C@@H](O)C[C@@H]2C1", 3, 0, 0 },
    { "C[C@]12CC[C@H]3[C@@H](CCc4cc(O)ccc43)[C@@H]1CC[C@@H]2O", 5, 0, 0 },
    { "CN1[C@@H]2CC[C@H]1C[C@@H](C2)OC(=O)C(CO)c1ccccc1", 3, 0, 0 },
    { "C[C@@]1(F)CO1", 1, 0, 0 },
    { "C1C[C@@]2(CO1)CC(=O)[C@H](F)C2", 2, 0, 0 },
    { "F/C=C/F", 0, 1, 0 },
    { "F/C=C\\F", 0, 1, 0 },
    { "C/C(F)=C(/Cl)Br", 0, 1, 0 },
    { "C/C=C/C=C\\C", 0, 2, 0 },
    { "C/C=N/O", 0, 1, 0 },
    { "c1ccccc1/N=N/c1ccccc1", 0, 1, 0 },
    { "C1=C/CCCCCCCCCC/1", 0, 1, 0 },
    { "C1=C\\CCCCCC/1", 0, 1, 0 },
    { "C/C=C1\\CCCC[C@@H]1C", 1, 1, 0 },
    { "C/C=C1/C=CC(=O)C(F)=C1", 0, 1, 0 },
    { "CC(/C=C/C(C)=O)=C\\C(=O)O", 0, 2, 0 },
    { "C[C@H](O)/C=C/[C@@H](C)F", 2, 1, 0 },
    { "[2H][C@](C)(F)Cl", 1, 0, 0 },
    { "[2H][C@H](C)F", 1, 0, 0 },
    { "[H]/N=C(/C)F", 0, 1, 0 },
    { "[2H]/C(C)=C/F", 0, 1, 0 },
};

START_TEST(embedded_geometry_passes_and_its_mirror_image_fails)
{
    cg_molecule *mol = parse(cases[_i].smiles);
    cg_stereo stereo = find(mol);
    float(*xyz)[3] = embed(mol);

    ck_assert_msg(stereo.n_centres == cases[_i].centres, "%s", cases[_i].smiles);
    ck_assert_msg(stereo.n_bonds == cases[_i].bonds, "%s", cases[_i].smiles);
    ck_assert_msg(stereo.n_untested == cases[_i].untested, "%s", cases[_i].smiles);
    for (int mirrored = 0; mirrored < 2; mirrored++) {
        for (size_t i = 0; i < stereo.n_centres; i++) {
            double volume = cg_stereo_centre_volume(&stereo.centres[i], (const float(*)[3])xyz);

            ck_assert_msg(mirrored ? volume < -0.5 : volume > 0.5, "%s: centre %u, %.2f",
                          cases[_i].smiles, stereo.centres[i].atom, volume);
        }
        for (size_t i = 0; i < stereo.n_bonds; i++)
            ck_assert_msg(cg_stereo_bond_cosine(&stereo.bonds[i], (const float(*)[3])xyz) > 0.8,
                          "%s: bond %u=%u", cases[_i].smiles, stereo.bonds[i].ends[0],
                          stereo.bonds[i].ends[1]);
        for (size_t i = 0; i < cg_molecule_n_atoms(mol); i++)
            xyz[i][2] = -xyz[i][2];
    }
    free(xyz);
    cg_stereo_finish(&stereo);
    cg_molecule_destroy(mol);
}
END_TEST

/* Signs that RDKit from PyPI decides: see stereo_table.h. */
START_TEST(every_kind_of_stereo_has_the_sign_of_embedded_coordinates)
{
    struct stereo_row row = { 0 };
    FILE *f = stereo_table_open();
    int n = 0;

    for (; stereo_row_read(f, &row); n++) {
        cg_stereo stereo = find(row.mol);

        ck_assert_msg(stereo.n_centres == row.n_centres && stereo.n_bonds == row.n_bonds &&
                          stereo.n_untested == 0,
                      "%s: %zu centres, %zu bonds, %zu untested", row.smiles, stereo.n_centres,
                      stereo.n_bonds, stereo.n_untested);
        for (int mirrored = 0; mirrored < 2; mirrored++, stereo_row_mirror(&row))
            for (size_t i = 0; i < stereo.n_centres; i++) {
                const cg_stereo_centre *c = &stereo.centres[i];
                double v = cg_stereo_centre_volume(c, (const float(*)[3])row.xyz);

                ck_assert_msg(mirrored ? v < -0.5 : v > 0.5, "%s: centre %u: %.2f", row.smiles,
                              c->atom + 1, v);
            }
        for (size_t i = 0; i < stereo.n_bonds; i++) {
            const cg_stereo_bond *b = &stereo.bonds[i];
            double cosine = cg_stereo_bond_cosine(b, (const float(*)[3])row.xyz);

            ck_assert_msg(cosine > 0.5, "%s: bond %u-%u: %.2f", row.smiles, b->ends[0] + 1,
                          b->ends[1] + 1, cosine);
            cosine = cg_stereo_bond_cosine(b, (const float(*)[3])row.swapped);
            ck_assert_msg(!row.has_swapped || cosine < -0.5, "%s: bond %u-%u inverted: %.2f",
                          row.smiles, b->ends[0] + 1, b->ends[1] + 1, cosine);
        }
        cg_stereo_finish(&stereo);
    }
    ck_assert_int_ge(n, 100);
    fclose(f);
}
END_TEST

/* Marks that RDKit drops. */
static const struct {
    const char *smiles;
    size_t untested;
} lost[] = {
    { "CC=[C@]=CC", 1 }, /* allenes */
    { "CC=[C@@]=CC", 1 },
    { "CC=[C@AL1]=CC", 1 },
    { "CC=C=[C@]=C=CC", 1 },
    { "CC(C)=[C@]=CC", 0 }, /* two methyl groups at one end */
    { "C=[C@]=CC", 0 },
    { "C/C=C=C=C/C", 1 }, /* a cumulene that is cis or trans */
    { "C/C=C=C/C", 0 },
    { "F[P@](Cl)(Br)(I)C", 1 },
    { "F[P@TB1](Cl)(Br)(I)C", 1 },
    { "F[S@OH1](Cl)(Br)(I)(C)CC", 1 },
    { "C/C=C1\\CC[C@H](C)CC1", 2 }, /* rings that are stereogenic as a whole */
    { "C/C=C1\\CC/C(=C/C)CC1", 2 },
    { "O[C@H]1C[C@]2(C1)C[C@H](O)C2", 1 },
    { "C1C/C=C/CCC1", 1 }, /* trans in a small ring */
    { "C1C/C=C\\CCC1", 0 },
    { "C/[S@](Cl)=N/C#N", 1 }, /* stereocentres to later releases */
    { "C[S@](=NC#N)CC", 1 },
    { "C[S@](=NC#N)C", 0 },
    { "C[C@](C)(C)C", 0 }, /* no stereocentres */
    { "C[C@]1(C)C[C@H](F)CCC1", 0 },
    { "C[C@H]1CCCCC1", 0 },
    { "C[N@](CC)CCC", 0 },
    { "C[C@H]1CC[N@@]1C", 0 },
    { "C/C=C(/C)C", 0 },
    { "C/C=C1/C=CC(=O)C(F)=C1", 0 },
    { "CC(/C=C/C(C)=O)=C\\C(=O)O", 0 },
    { "[H][C@](F)(Cl)C", 0 },
};

/* The neighbour of an end that RDKit does not name counts too: in a ring of three the named one
 * stays in place while the other turns to the wrong side. */
START_TEST(both_neighbours_of_an_end_are_tested)
{
    cg_molecule *mol = parse("C/C(F)=C(/Cl)Br");
    cg_stereo stereo = find(mol);
    float(*xyz)[3] = embed(mol);
    const cg_stereo_bond *b = stereo.bonds;
    int n_pairs = 0;

    ck_assert_int_eq((int)stereo.n_bonds, 1);
    for (int k = 0; k < CG_STEREO_BOND_PAIRS; k++) {
        uint32_t n[2];

        n_pairs += cg_stereo_bond_pair(b, k, n) != 0;
    }
    ck_assert_int_eq(n_pairs, 4);
    for (int e = 0; e < 2; e++) {
        float other[3];

        ck_assert(cg_stereo_bond_cosine(b, (const float(*)[3])xyz) > 0.9);
        memcpy(other, xyz[b->others[e]], sizeof other);
        memcpy(xyz[b->others[e]], xyz[b->neighbours[e]], sizeof other);
        ck_assert(cg_stereo_bond_cosine(b, (const float(*)[3])xyz) < -0.9);
        memcpy(xyz[b->others[e]], other, sizeof other);
    }
    free(xyz);
    cg_stereo_finish(&stereo);
    cg_molecule_destroy(mol);
}
END_TEST

START_TEST(stereo_that_rdkit_cannot_hold_is_untested)
{
    cg_molecule *mol = parse(lost[_i].smiles);
    cg_stereo stereo = find(mol);

    ck_assert_msg(stereo.n_untested == lost[_i].untested, "%s: %zu", lost[_i].smiles,
                  stereo.n_untested);
    cg_stereo_finish(&stereo);
    cg_molecule_destroy(mol);
}
END_TEST

START_TEST(degenerate_coordinates_have_no_configuration)
{
    cg_molecule *mol = parse("C[C@H](O)/C=C/[C@@](F)(Cl)Br");
    cg_stereo stereo = find(mol);
    float xyz[16][3] = { { 0 } };

    ck_assert_uint_eq(stereo.n_centres, 2);
    ck_assert_uint_eq(stereo.n_bonds, 1);
    for (int line = 0; line < 2; line++) { /* all atoms in one point, then on one line */
        for (size_t i = 0; i < 2; i++)
            ck_assert(cg_stereo_centre_volume(&stereo.centres[i], (const float(*)[3])xyz) <
                      CG_STEREO_FLAT);
        ck_assert(cg_stereo_bond_cosine(&stereo.bonds[0], (const float(*)[3])xyz) <= 0);
        for (int i = 0; i < 16; i++)
            xyz[i][0] = (float)i;
    }
    cg_stereo_finish(&stereo);
    cg_stereo_finish(NULL);
    cg_molecule_destroy(mol);
}
END_TEST

/* All centres and double bonds inverted. */
static const struct {
    const char *smiles;
    int same;
} inversions[] = {
    { "C[C@H](O)[C@@H](C)O", 1 },   { "C[C@H](O)[C@H](C)O", 0 },
    { "C/C=C/[C@H](O)/C=C\\C", 1 }, /* arms exchanged */
    { "C/C=C/[C@H](O)/C=C/C", 0 },  { "C/C=C/C", 0 },
    { "[2H][C@H](C)O", 0 },         { "[2H][C@H](C)[C@@H]([2H])C", 1 },
    { "C[C@H]1CCC[S@+]1C", 0 },     { "C[P@@]1CC[P@](C)CC1", 1 },
    { "[H]/N=C(C)/CC", 0 },
};

START_TEST(inverted_molecules_are_compared)
{
    cg_molecule *mol = parse(inversions[_i].smiles);
    cg_stereo stereo = find(mol);
    unsigned char all[8] = { 1, 1, 1, 1, 1, 1, 1, 1 };
    cg_error err = CG_ERROR_INIT;
    int same = -1;

    ck_assert_uint_gt(stereo.n_centres + stereo.n_bonds, 0);
    ck_assert_int_eq(cg_stereo_is_same_isomer(mol, &stereo, all, all, &same, &err), CG_OK);
    ck_assert_msg(same == inversions[_i].same, "%s", inversions[_i].smiles);
    cg_stereo_finish(&stereo);
    cg_molecule_destroy(mol);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("chem_stereo");
    TCase *tc = tcase_create("marks");
    SRunner *sr;
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, embedded_geometry_passes_and_its_mirror_image_fails, 0,
                        (int)(sizeof cases / sizeof cases[0]));
    tcase_add_loop_test(tc, inverted_molecules_are_compared, 0,
                        (int)(sizeof inversions / sizeof inversions[0]));
    tcase_add_test(tc, every_kind_of_stereo_has_the_sign_of_embedded_coordinates);
    tcase_add_loop_test(tc, stereo_that_rdkit_cannot_hold_is_untested, 0,
                        (int)(sizeof lost / sizeof lost[0]));
    tcase_add_test(tc, both_neighbours_of_an_end_are_tested);
    tcase_add_test(tc, degenerate_coordinates_have_no_configuration);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
