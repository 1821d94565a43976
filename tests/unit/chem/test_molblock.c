/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chem/molblock.h"
#include "chem/rdkit_c.h"

static cg_molecule *molecule(const char *smiles)
{
    const cg_molecule_limits limits = { .max_chars = 20000, .max_atoms = 2000 };
    cg_error err = CG_ERROR_INIT;
    cg_molecule *mol = NULL;

    ck_assert_msg(cg_molecule_parse_limited(smiles, strlen(smiles), &limits, &mol, &err) == CG_OK,
                  "'%s': %s", smiles, err.msg);
    return mol;
}

/* The block of a molecule with coordinates xyz, free(); ret_version may be NULL. */
static char *block_text(const cg_molecule *mol, const double (*xyz)[3], int *ret_version)
{
    cg_error err = CG_ERROR_INIT;
    cg_molblock *block = NULL;
    size_t cap, len = 0;
    char *text;

    ck_assert_msg(cg_molblock_create(mol, &block, &err) == CG_OK, "%s", err.msg);
    cap = cg_molblock_bound(block, 4);
    text = malloc(cap);
    ck_assert_msg(cg_molblock_write(block, "name", 4, xyz, text, cap, &len, &err) == CG_OK, "%s",
                  err.msg);
    ck_assert_uint_eq(strlen(text), len);
    ck_assert_uint_lt(len, cap);
    if (ret_version)
        *ret_version = cg_molblock_version(block);
    cg_molblock_destroy(block);
    return text;
}

START_TEST(whole_block)
{
    static const double xyz[3][3] = { { 0.0, -0.00004, 1.5 },
                                      { 1.23456, -12.34564, -999.99996 },
                                      { 9999.0, -9999.0, 0.00005 } };
    cg_molecule *mol = molecule("[15NH3+]C=O");
    char *text;

    ck_assert_str_eq(cg_molecule_smiles(mol, NULL), "[15NH3+]C=O");
    text = block_text(mol, xyz, NULL);
    ck_assert_str_eq(text, "name\n"
                           "   confgen          3D\n"
                           "\n"
                           "  3  2  0  0  0  0  0  0  0  0999 V2000\n"
                           "    0.0000    0.0000    1.5000 N   0  0  0  0  0  4  0  0  0  0  0  0\n"
                           "    1.2346  -12.3456-1000.0000 C   0  0  0  0  0  0  0  0  0  0  0  0\n"
                           " 9999.0000-9999.0000    0.0001 O   0  0  0  0  0  0  0  0  0  0  0  0\n"
                           "  1  2  1  0\n"
                           "  2  3  2  0\n"
                           "M  CHG  1   1   1\n"
                           "M  ISO  1   1  15\n"
                           "M  END\n");
    free(text);
    cg_molecule_destroy(mol);
}
END_TEST

/* Canonical SMILES that RDKit reads from our block of a molecule; free_ptr(). */
static char *read_back(const cg_molecule *mol)
{
    size_t n = cg_molecule_n_atoms(mol);
    double(*xyz)[3] = calloc(n, sizeof *xyz);
    size_t size = 0;
    char *text, *pkl, *smiles;

    for (size_t i = 0; i < n; i++) {
        xyz[i][0] = 1.5 * (double)i;
        xyz[i][2] = (double)(i % 2);
    }
    text = block_text(mol, (const double(*)[3])xyz, NULL);
    pkl = get_mol(text, &size, "{\"removeHs\":false}");
    ck_assert_msg(pkl != NULL, "RDKit does not read:\n%s", text);
    ck_assert_int_eq(has_coords(pkl, size), 3);
    smiles = get_smiles(pkl, size, "{}");
    free_ptr(pkl);
    free(text);
    free(xyz);
    return smiles;
}

static const char *no_stereo[] = {
    "c1ccc2[nH]ccc2c1",
    "C[N+](=O)[O-]",
    "[Na+].[Cl-]",
    "[Ca+2].[O-]C=O",
    "[13CH3][2H]",
    "C[S+](C)[O-]",
    "O=P([O-])(O)O",
    "[NH4+]",
    "C#N",
    "[C-]#[O+]",
    "c1cc[n+]([O-])cc1",
    "C[B-](F)(F)F",
    "C[SiH2]C",
    "[CH3:7]O",
    "C1CC12CC2",
    "[O-][Cl+3]([O-])([O-])[O-]",
    "CN=[N+]=[N-]",
    "c1cc2cccc3ccc(c1)c23",
    "C[CH]C",
    "C[CH2-]",
    "c1c[se]cc1",
    "FS(F)(F)(F)(F)F",
    "[Xe]",
    "C[As](C)C",
    "c1cc[o+]cc1",
    "Cn1cnc2c1c(=O)n(C)c(=O)n2C",
    "CC[O]",
    "[CH2]",
    "O=[N]",
};

START_TEST(rdkit_reads_the_same_molecule)
{
    cg_molecule *mol = molecule(no_stereo[_i]);
    char *smiles = read_back(mol);

    ck_assert_str_eq(smiles, cg_molecule_smiles(mol, NULL));
    free_ptr(smiles);
    cg_molecule_destroy(mol);
}
END_TEST

START_TEST(coordinates_carry_the_stereo)
{
    /* A stereocentre and its mirror image. */
    double xyz[5][3] = { { 1, 1, 1 }, { 0, 0, 0 }, { -1, -1, 1 }, { -1, 1, -1 }, { 1, -1, -1 } };
    cg_molecule *mol = molecule("C[C@](F)(Cl)Br");
    char *read[2];

    ck_assert_str_eq(cg_molecule_smiles(mol, NULL), "C[C@](F)(Cl)Br");
    for (int mirror = 0; mirror < 2; mirror++) {
        size_t size = 0;
        char *text = block_text(mol, (const double(*)[3])xyz, NULL);
        char *pkl = get_mol(text, &size, "{}");

        read[mirror] = get_smiles(pkl, size, "{}");
        free_ptr(pkl);
        free(text);
        for (int i = 0; i < 5; i++)
            xyz[i][2] = -xyz[i][2];
    }
    ck_assert_str_eq(read[0], "C[C@@](F)(Cl)Br");
    ck_assert_str_eq(read[1], "C[C@](F)(Cl)Br");
    free_ptr(read[0]);
    free_ptr(read[1]);
    cg_molecule_destroy(mol);
}
END_TEST

START_TEST(coordinates_carry_double_bond_configurations)
{
    static const double trans[4][3] = {
        { -1.3, 1, 0 }, { -0.7, 0, 0 }, { 0.7, 0, 0 }, { 1.3, -1, 0 }
    };
    static const double cis[4][3] = {
        { -1.3, 1, 0 }, { -0.7, 0, 0 }, { 0.7, 0, 0 }, { 1.3, 1, 0 }
    };
    cg_molecule *mol = molecule("FC=CF"); /* unspecified: only the coordinates decide */
    const double(*xyz[2])[3] = { trans, cis };
    static const char *want[2] = { "F/C=C/F", "F/C=C\\F" };

    for (int i = 0; i < 2; i++) {
        size_t size = 0;
        char *text = block_text(mol, xyz[i], NULL);
        char *pkl = get_mol(text, &size, "{}");
        char *smiles = get_smiles(pkl, size, "{}");

        ck_assert_str_eq(smiles, want[i]);
        free_ptr(smiles);
        free_ptr(pkl);
        free(text);
    }
    cg_molecule_destroy(mol);
}
END_TEST

START_TEST(large_molecules_become_v3000)
{
    enum { N = 1100 };
    char text[3 * N];
    double(*xyz)[3] = calloc(N, sizeof *xyz);
    size_t len = 0, size = 0;
    int version = 0;
    cg_molecule *mol;
    char *block, *pkl, *smiles;

    len = (size_t)sprintf(text, "C[N+](C)(C)C.[13CH4].[CH3].C1CC1");
    for (int i = 0; i < N - 10; i++)
        len += (size_t)sprintf(text + len, ".O");
    mol = molecule(text);
    ck_assert_uint_eq(cg_molecule_n_atoms(mol), N);
    for (int i = 0; i < N; i++)
        for (int k = 0; k < 3; k++)
            xyz[i][k] = -1000.0 + 0.5 * i + 0.25 * k;
    block = block_text(mol, (const double(*)[3])xyz, &version);
    ck_assert_int_eq(version, 3000);
    ck_assert_ptr_nonnull(strstr(block, "V3000\n"));
    ck_assert_ptr_nonnull(strstr(block, " -1000.0000 -999.7500 -999.5000 0"));
    pkl = get_mol(block, &size, "{}");
    ck_assert_ptr_nonnull(pkl);
    smiles = get_smiles(pkl, size, "{}");
    ck_assert_str_eq(smiles, cg_molecule_smiles(mol, NULL));
    free_ptr(smiles);
    free_ptr(pkl);
    free(block);
    free(xyz);
    cg_molecule_destroy(mol);
}
END_TEST

START_TEST(bad_arguments_are_refused)
{
    static const struct {
        const char *name;
        size_t len;
    } names[] = { { "a\nb", 3 }, { "a\0b", 3 }, { "$$$$", 4 }, { "\t", 1 }, { "\x7f", 1 } };
    cg_error err = CG_ERROR_INIT;
    cg_molecule *mol = molecule("CO");
    double xyz[2][3] = { { 0 } };
    cg_molblock *block = NULL;
    char buf[1024];
    size_t len;

    ck_assert_int_eq(cg_molblock_create(mol, &block, &err), CG_OK);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        ck_assert_int_eq(cg_molblock_write(block, names[i].name, names[i].len,
                                           (const double(*)[3])xyz, buf, sizeof buf, &len, &err),
                         CG_ERR_INPUT);
    ck_assert_int_eq(cg_molblock_write(block, "", 0, (const double(*)[3])xyz, buf, 20, &len, &err),
                     CG_ERR_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.msg, "buffer of 20 bytes"));
    xyz[1][2] = NAN;
    ck_assert_int_eq(
        cg_molblock_write(block, "", 0, (const double(*)[3])xyz, buf, sizeof buf, &len, &err),
        CG_ERR_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.msg, "atom 2"));
    xyz[1][2] = -9999.1;
    ck_assert_int_eq(
        cg_molblock_write(block, "", 0, (const double(*)[3])xyz, buf, sizeof buf, &len, &err),
        CG_ERR_LIMIT);
    xyz[1][2] = 0.0;
    ck_assert_int_eq(
        cg_molblock_write(block, "", 0, (const double(*)[3])xyz, buf, sizeof buf, &len, &err),
        CG_OK);
    ck_assert_int_eq(buf[0], '\n');
    cg_molblock_destroy(block);
    cg_molblock_destroy(NULL);
    cg_molecule_destroy(mol);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("chem_molblock");
    TCase *tc = tcase_create("molblock");
    SRunner *sr;
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, whole_block);
    tcase_add_loop_test(tc, rdkit_reads_the_same_molecule, 0, sizeof no_stereo / sizeof *no_stereo);
    tcase_add_test(tc, coordinates_carry_the_stereo);
    tcase_add_test(tc, coordinates_carry_double_bond_configurations);
    tcase_add_test(tc, large_molecules_become_v3000);
    tcase_add_test(tc, bad_arguments_are_refused);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
