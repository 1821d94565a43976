/* SPDX-License-Identifier: MIT */
/* RDKit's C functions as confgen uses them, from the adapter or a system librdkitcffi. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chem/rdkit_c.h"

static char *pickle(const char *text, size_t *size)
{
    char *pkl = get_mol(text, size, "{}");

    ck_assert_msg(pkl != NULL && *size > 0, "get_mol('%s') failed", text);
    return pkl;
}

START_TEST(smiles_survive_pickling)
{
    size_t size = 0;
    char *pkl = pickle("OC(=O)[C@@H](N)C", &size);
    char *smiles = get_smiles(pkl, size, NULL);
    char *flat = get_smiles(pkl, size, "{\"doIsomericSmiles\":false}");
    char *cx = get_cxsmiles(pkl, size, "{}");

    ck_assert_str_eq(smiles, "C[C@H](N)C(=O)O");
    ck_assert_str_eq(flat, "CC(N)C(=O)O");
    ck_assert_int_eq(strncmp(cx, smiles, strlen(smiles)), 0);
    ck_assert_int_eq(has_coords(pkl, size), 0);
    free_ptr(cx);
    free_ptr(flat);
    free_ptr(smiles);
    free_ptr(pkl);
}
END_TEST

START_TEST(bad_texts_give_null)
{
    static const char *texts[] = {
        "C(",  "c1cccc1",          "C(C)(C)(C)(C)C",
        "[Q]", "\n\n\n  M  END\n", "\n\n\n  9  9  0  0  0  0  0  0  0  0999 V2000\nM  END\n"
    };
    size_t size = 7;

    ck_assert_ptr_null(get_mol(texts[_i], &size, "{}"));
    ck_assert_uint_eq(size, 0);
}
END_TEST

START_TEST(bad_pickles_give_failure)
{
    char *null_pkl = NULL;
    size_t zero = 0, size = 4;
    char junk[] = "junk";

    ck_assert_ptr_null(get_smiles(NULL, 0, "{}"));
    ck_assert_ptr_null(get_smiles(junk, size, "{}"));
    ck_assert_ptr_null(get_molblock(junk, size, "{}"));
    ck_assert_ptr_null(get_substruct_matches(junk, size, junk, size, "{}"));
    ck_assert_ptr_null(get_descriptors(junk, size));
    ck_assert_ptr_null(get_svg(junk, size, "{}"));
    ck_assert_int_eq(add_hs(&null_pkl, &zero), 0);
    ck_assert_int_eq(remove_all_hs(&null_pkl, &zero), 0);
    ck_assert_int_eq(set_3d_coords(&null_pkl, &zero, "{}"), 0);
    ck_assert_int_eq(has_coords(NULL, 0), 0);
}
END_TEST

START_TEST(details_are_checked)
{
    static const char *bad[] = { "{\"noSuchKey\":true}", "{\"removeHs\":1}", "[]", "{", "{}{}" };
    size_t size = 0;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_ptr_null(get_mol("C", &size, bad[i]));
}
END_TEST

START_TEST(queries_match)
{
    size_t mol_size = 0, query_size = 0;
    char *mol = pickle("c1ccccc1", &mol_size);
    char *query = get_qmol("c:c", &query_size, "{}");
    char *all, *some, *none;
    char *miss;
    size_t n = 0, miss_size = 0;

    ck_assert_ptr_nonnull(query);
    all = get_substruct_matches(mol, mol_size, query, query_size, "{\"uniquify\":false}");
    for (const char *p = all; (p = strstr(p, "\"atoms\":[")) != NULL; p++)
        n++;
    ck_assert_uint_eq(n, 12);
    some = get_substruct_matches(mol, mol_size, query, query_size,
                                 "{\"uniquify\":false,\"maxMatches\":1}");
    ck_assert_str_eq(some, "[{\"atoms\":[0,1],\"bonds\":[0]}]");
    miss = get_qmol("N", &miss_size, "{}");
    none = get_substruct_matches(mol, mol_size, miss, miss_size, "{}");
    ck_assert_str_eq(none, "{}");
    free_ptr(none);
    free_ptr(miss);
    free_ptr(some);
    free_ptr(all);
    free_ptr(query);
    free_ptr(mol);
}
END_TEST

START_TEST(hydrogens_and_embedding)
{
    size_t size = 0;
    char *pkl = pickle("CCO", &size);
    char *block, *smiles, *descriptors, *svg, *v3;

    ck_assert_int_eq(add_hs(&pkl, &size), 1);
    smiles = get_smiles(pkl, size, "{}");
    ck_assert_str_eq(smiles, "[H]OC([H])([H])C([H])([H])[H]");
    free_ptr(smiles);
    ck_assert_int_eq(set_3d_coords(&pkl, &size, "{\"randomSeed\":42}"), 1);
    ck_assert_int_eq(has_coords(pkl, size), 3);
    block = get_molblock(pkl, size, "{\"includeStereo\":false}");
    ck_assert_ptr_nonnull(strstr(block, "V2000"));
    v3 = get_v3kmolblock(pkl, size, "{}");
    ck_assert_ptr_nonnull(strstr(v3, "V3000"));
    descriptors = get_descriptors(pkl, size);
    ck_assert_ptr_nonnull(strstr(descriptors, "\"exactmw\":46.04"));
    ck_assert_int_eq(remove_all_hs(&pkl, &size), 1);
    smiles = get_smiles(pkl, size, "{}");
    ck_assert_str_eq(smiles, "CCO");
    svg = get_svg(pkl, size, "{\"width\":100,\"height\":80}");
    ck_assert_ptr_nonnull(strstr(svg, "<svg"));
    free_ptr(svg);
    free_ptr(descriptors);
    free_ptr(v3);
    free_ptr(block);
    free_ptr(smiles);
    free_ptr(pkl);
}
END_TEST

START_TEST(extras_give_a_reason)
{
    char reason[64] = "";
    char *smiles = cgrd_canonical_smiles("OCC", reason, sizeof reason);
    size_t n;

    ck_assert_str_eq(smiles, "CCO");
    free_ptr(smiles);
    ck_assert_ptr_null(cgrd_canonical_smiles("c1cccc1", reason, sizeof reason));
    ck_assert_uint_gt(strlen(reason), 10);
    ck_assert_ptr_null(cgrd_canonical_smiles("c1cccc1", reason, 5)); /* truncated, terminated */
    ck_assert_uint_le(strlen(reason), 4);
    ck_assert_ptr_null(cgrd_canonical_smiles("c1cccc1", NULL, 0));
    ck_assert_ptr_null(cgrd_count_hs("C(", &n, reason, sizeof reason));
    ck_assert_int_eq(cgrd_place_hs("junk", 4, NULL, 0, NULL, 0, reason, sizeof reason), 0);
}
END_TEST

START_TEST(distance_bounds)
{
    char reason[128] = "";
    size_t size = 0, n = 0;
    char *pkl = pickle("CCCCC", &size);
    double *smooth = cgrd_distance_bounds(pkl, size, "{}", NULL, 0, &n, reason, sizeof reason);
    double *raw = cgrd_distance_bounds(pkl, size, "{\"doTriangleSmoothing\":false}", NULL, 0, &n,
                                       reason, sizeof reason);

    ck_assert_msg(smooth && raw, "%s", reason);
    ck_assert_uint_eq(n, 5);
    for (size_t i = 0; i < n; i++)
        for (size_t j = i + 1; j < n; j++) { /* [i][j] is the upper bound, [j][i] the lower */
            ck_assert(smooth[j * n + i] > 1 && smooth[j * n + i] <= smooth[i * n + j]);
            ck_assert(smooth[i * n + j] <= raw[i * n + j] + 1e-9);
            ck_assert(smooth[j * n + i] >= raw[j * n + i] - 1e-9);
        }
    ck_assert(smooth[0 * n + 1] < 1.6 && smooth[1 * n + 0] > 1.4);          /* C-C */
    ck_assert(smooth[0 * n + 2] < 2.7 && smooth[2 * n + 0] > 2.3);          /* C-C-C */
    ck_assert(raw[0 * n + 3] < 4.1 && raw[3 * n + 0] > 2.3);                /* cis to trans */
    ck_assert(smooth[0 * n + 4] < 6 && raw[0 * n + 4] > smooth[0 * n + 4]); /* 1-5: smoothed */
    free_ptr((char *)raw);
    free_ptr((char *)smooth);
    ck_assert_ptr_null(
        cgrd_distance_bounds(pkl, size, "{\"smooth\":true}", NULL, 0, &n, reason, sizeof reason));
    ck_assert_str_eq(reason, "details have an unknown key");
    ck_assert_ptr_null(cgrd_distance_bounds("junk", 4, "{}", NULL, 0, &n, reason, sizeof reason));
    ck_assert_ptr_null(cgrd_distance_bounds(NULL, 0, NULL, NULL, 0, &n, NULL, 0));
    free_ptr(pkl);
}
END_TEST

/* Bounds of the distance of two atoms, Å. */
static void macrocycle_bounds(const char *smiles, int first, int second, double *low, double *high)
{
    char reason[128];
    size_t size, n;
    char *pkl = get_mol(smiles, &size, "{\"removeHs\":false}");
    double *b = cgrd_distance_bounds(pkl, size, "{\"flexibleMacrocycles\":true}", NULL, 0, &n,
                                     reason, sizeof reason);

    ck_assert_msg(b != NULL, "%s", reason);
    *low = b[(size_t)second * n + (size_t)first];
    *high = b[(size_t)first * n + (size_t)second];
    free_ptr((char *)b);
    free_ptr(pkl);
}

/* RDKit 2022.09 holds them for trans and cis. */
START_TEST(torsions_of_macrocycles_are_free)
{
    double low, high;

    /* substituents of neighbouring atoms of a benzene ring, one of them in the macrocycle */
    macrocycle_bounds("Oc1cccc2c1NC(=O)CCCCCCCCC2", 0, 7, &low, &high);
    ck_assert_msg(low < 2.8, "%.2f", low);
    macrocycle_bounds("C1CCC/C=C/C=C\\CC1", 3, 6, &low, &high); /* trans */
    ck_assert_msg(low > 3.2 && high > 3.7, "%.2f %.2f", low, high);
    macrocycle_bounds("C1CCC/C=C/C=C\\CC1", 5, 8, &low, &high); /* cis */
    ck_assert_msg(low < 3.2 && high < 3.7, "%.2f %.2f", low, high);
}
END_TEST

/* RDKit takes torsions of such rings for cis and trans, and so does PoseBusters. */
START_TEST(torsions_of_rings_of_8_are_not_free)
{
    double low, high;

    macrocycle_bounds("ClN1/C=C\\C=C/C=C2/C[C@H]21", 0, 3, &low, &high);
    ck_assert_msg(low > 3.8 && high < 4.1, "%.2f %.2f", low, high);
}
END_TEST

/* As in PoseBusters, secondary amides are trans; in a macrocycle they may be cis. */
START_TEST(amides_of_macrocycles_may_be_cis)
{
    double low, high;

    macrocycle_bounds("CNC(C)=O", 0, 3, &low, &high);
    ck_assert(low > 3.5 && high < 4);
    macrocycle_bounds("C1NC(=O)CCCCCCCC1", 0, 4, &low, &high);
    ck_assert(low < 3 && high > 3.5);
    /* beside one they are trans, and pairs four bonds apart have their own bounds */
    macrocycle_bounds("CNC(=O)C1CCCCCCCCCC1", 0, 4, &low, &high);
    ck_assert(low > 3.5 && high < 4);
    macrocycle_bounds("CNC(=O)C1CCCCCCCCCC1", 0, 5, &low, &high);
    ck_assert(low > 4 && high < 5.1);
    macrocycle_bounds("CNC(=O)C1CCCCCCCCCC1", 1, 6, &low, &high); /* over a free torsion */
    ck_assert(low < 2.4);
    /* lorlatinib: over a torsion of its benzene ring, in which RDKit knows the angle */
    macrocycle_bounds("C[C@H]1Oc2cc(cnc2N)-c2c(nn(C)c2C#N)CN(C)C(=O)c2ccc(F)cc21", 0, 24, &low,
                      &high);
    ck_assert_msg(low > 3.9, "%.2f", low);
}
END_TEST

/* rdkit_extras.c, used with a system librdkitcffi, compiled under other names. */
char *extras_canonical_smiles(const char *smiles, char *reason, size_t reason_cap);
unsigned char *extras_count_hs(const char *smiles, size_t *ret_n_atoms, char *reason,
                               size_t reason_cap);
short extras_place_hs(const char *pkl, size_t pkl_sz, const double (*xyz)[3], size_t n_atoms,
                      double (*ret_xyz)[3], size_t n_hs, char *reason, size_t reason_cap);
double *extras_distance_bounds(const char *pkl, size_t pkl_sz, const char *details_json,
                               const cgrd_angle *angles, size_t n_angles, size_t *ret_n_atoms,
                               char *reason, size_t reason_cap);
cgrd_stereo *extras_find_stereo(const char *smiles, size_t *ret_n, size_t *ret_n_atoms,
                                char *reason, size_t reason_cap);
char *extras_invert_stereo(const char *smiles, const cgrd_stereo *inverted, size_t n, char *reason,
                           size_t reason_cap);
int extras_count_lost_stereo(const char *smiles, char *reason, size_t reason_cap);
double *extras_core_positions(const char *block, size_t *ret_n, char *reason, size_t reason_cap);
short extras_uff_check(const char *smiles, char *reason, size_t reason_cap);
short extras_uff_minimize(const char *smiles, double (*xyz)[3], size_t n_atoms,
                          const unsigned char *fixed, unsigned max_rounds, double gradient,
                          cgrd_uff_result *ret, char *reason, size_t reason_cap);
unsigned *extras_core_matches(const char *block, const char *smiles, unsigned max_matches,
                              size_t *ret_n, char *reason, size_t reason_cap);

START_TEST(extras_agree_with_the_adapter)
{
    static const char *texts[] = { "OCC",         "N[C@@H](C)C(=O)O", "F/C=C\\F",
                                   "[2H]C",       "[H]/N=C(/C)F",     "C[CH2]",
                                   "[Na+].[Cl-]", "c1ccc2[nH]ccc2c1", "[CH3:3]O" };
    char reason[128] = "";
    size_t n = 0;

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char *a = cgrd_canonical_smiles(texts[i], reason, sizeof reason);
        char *b = extras_canonical_smiles(texts[i], reason, sizeof reason);

        ck_assert_str_eq(a, b);
        free_ptr(a);
        free_ptr(b);
    }
    ck_assert_ptr_null(extras_canonical_smiles("C(", reason, sizeof reason));
    ck_assert_str_eq(reason, "not a valid molecule");
    ck_assert_ptr_null(extras_count_hs("C", &n, reason, sizeof reason));
    ck_assert_ptr_nonnull(strstr(reason, "cannot place hydrogens"));
    reason[0] = '\0';
    ck_assert_int_eq(extras_place_hs("", 0, NULL, 0, NULL, 0, reason, sizeof reason), 0);
    ck_assert_ptr_nonnull(strstr(reason, "cannot place hydrogens"));
    ck_assert_ptr_null(extras_distance_bounds("", 0, "{}", NULL, 0, &n, reason, sizeof reason));
    ck_assert_ptr_nonnull(strstr(reason, "gives no distance bounds"));
    ck_assert_ptr_null(extras_find_stereo("C[C@H](F)O", &n, &n, reason, sizeof reason));
    ck_assert_ptr_nonnull(strstr(reason, "does not give the stereo"));
    ck_assert_ptr_null(extras_invert_stereo("C[C@H](F)O", NULL, 0, reason, sizeof reason));
    ck_assert_int_eq(extras_count_lost_stereo("CC=[C@]=CC", reason, sizeof reason), 0);
    ck_assert_int_eq(extras_uff_check("C", reason, sizeof reason), 0);
    ck_assert_ptr_nonnull(strstr(reason, "gives no force field"));
    reason[0] = '\0';
    ck_assert_int_eq(extras_uff_minimize("C", NULL, 0, NULL, 0, 0, NULL, reason, sizeof reason), 0);
    ck_assert_ptr_nonnull(strstr(reason, "gives no force field"));
    ck_assert_ptr_null(extras_core_positions("", &n, reason, sizeof reason));
    ck_assert_ptr_nonnull(strstr(reason, "finds no core"));
    reason[0] = '\0';
    ck_assert_ptr_null(extras_core_matches("", "C", 1, &n, reason, sizeof reason));
    ck_assert_ptr_nonnull(strstr(reason, "finds no core"));
}
END_TEST

START_TEST(stereo_elements)
{
    char reason[64] = "", *text;
    size_t n = 0, n_atoms = 0;
    cgrd_stereo *s;

    ck_assert_ptr_null(cgrd_find_stereo("C[C@H](", &n, &n_atoms, reason, sizeof reason));
    ck_assert_uint_gt(strlen(reason), 5);
    ck_assert_ptr_null(cgrd_invert_stereo("C(", NULL, 0, reason, sizeof reason));
    ck_assert_int_eq(cgrd_count_lost_stereo("C(", reason, sizeof reason), -1);
    s = cgrd_find_stereo("CCO", &n, &n_atoms, reason, sizeof reason);
    ck_assert_ptr_nonnull(s);
    ck_assert_uint_eq(n, 0);
    ck_assert_uint_eq(n_atoms, 3);
    free_ptr((char *)s);
    s = cgrd_find_stereo("[2H][C@H](C)/C=C/F", &n, &n_atoms, reason, sizeof reason);
    ck_assert_uint_eq(n, 2);
    ck_assert_uint_eq(n_atoms, 6);
    ck_assert_int_eq(s[0].kind, CGRD_CENTRE);
    ck_assert_uint_eq(s[0].atom, 1);
    ck_assert_uint_eq(s[0].n_neighbours, 3);
    ck_assert_int_eq(s[1].kind, CGRD_DOUBLE_BOND);
    ck_assert_int_eq(s[1].sense, 0);
    ck_assert_uint_eq(s[1].neighbours[1], 5);
    text = cgrd_invert_stereo("[2H][C@H](C)/C=C/F", s, n, reason, sizeof reason);
    ck_assert_str_eq(text, "[2H][C@@H](C)/C=C\\F");
    free_ptr(text);
    free_ptr((char *)s);
    s = cgrd_find_stereo("F[P@TB1](Cl)(Br)(I)C", &n, &n_atoms, reason, sizeof reason);
    ck_assert_uint_eq(n, 1);
    ck_assert_int_eq(s[0].kind, CGRD_OTHER_STEREO);
    free_ptr((char *)s);
}
END_TEST

START_TEST(version_and_logging)
{
    char *text = version();

    ck_assert_uint_gt(strlen(text), 4);
    free_ptr(text);
    disable_logging();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("chem_rdkit");
    TCase *tc = tcase_create("C functions");
    SRunner *sr;
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, smiles_survive_pickling);
    tcase_add_loop_test(tc, bad_texts_give_null, 0, 6);
    tcase_add_test(tc, bad_pickles_give_failure);
    if (CG_RDKIT_ADAPTER) { /* upstream ignores unknown keys */
        tcase_add_test(tc, details_are_checked);
        tcase_add_test(tc, distance_bounds);
        tcase_add_test(tc, amides_of_macrocycles_may_be_cis);
        tcase_add_test(tc, torsions_of_macrocycles_are_free);
        tcase_add_test(tc, torsions_of_rings_of_8_are_not_free);
    }
    tcase_add_test(tc, queries_match);
    tcase_add_test(tc, hydrogens_and_embedding);
    tcase_add_test(tc, extras_give_a_reason);
    tcase_add_test(tc, extras_agree_with_the_adapter);
    tcase_add_test(tc, version_and_logging);
    if (CG_RDKIT_ADAPTER)
        tcase_add_test(tc, stereo_elements);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
