/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "chem/molecule.h"
#include "chem/rdkit_c.h"

static const struct {
    const char *in, *out;
    size_t atoms, heavy, fragments;
    int charge;
} good[] = {
    { "C", "C", 1, 1, 1, 0 },
    { "OCC", "CCO", 3, 3, 1, 0 },
    { "[H]C([H])([H])[H]", "C", 1, 1, 1, 0 },
    { "[2H]C([H])([H])[H]", "[2H]C", 2, 1, 1, 0 },
    { "[13CH4]", "[13CH4]", 1, 1, 1, 0 },
    { "C1=CC=CC=C1", "c1ccccc1", 6, 6, 1, 0 },
    { "C1=CNC=C1", "c1cc[nH]c1", 5, 5, 1, 0 },
    { "[Na+].[Cl-]", "[Cl-].[Na+]", 2, 2, 2, 0 },
    { "[NH4+]", "[NH4+]", 1, 1, 1, 1 },
    { "C[N+](C)(C)CC(=O)[O-]", "C[N+](C)(C)CC(=O)[O-]", 8, 8, 1, 0 },
    { "[O-]S(=O)(=O)[O-]", "O=S(=O)([O-])[O-]", 5, 5, 1, -2 },
    { "[C:1](C)[O:2]", NULL, 3, 3, 1, 0 },
    { "[CH3:7]O", "O[CH3:7]", 2, 2, 1, 0 },
    { "F/C=C/F", "F/C=C/F", 4, 4, 1, 0 },
    { "N[C@@H](C)C(=O)O", "C[C@H](N)C(=O)O", 6, 6, 1, 0 },
    { "C[C@H](C)C", "CC(C)C", 4, 4, 1, 0 },
    { "C%12CCCCC%12", "C1CCCCC1", 6, 6, 1, 0 },
    { "C%(345)CCCCC%(345)", "C1CCCCC1", 6, 6, 1, 0 },
    { "C1.C1", "CC", 2, 2, 1, 0 },
    { "[#6]O", "[C]O", 2, 2, 1, 0 },
    { "[Ca+2]", "[Ca+2]", 1, 1, 1, 2 },
    { "c1ccc2[se]ccc2c1", NULL, 9, 9, 1, 0 },
};

START_TEST(molecules_are_made_canonical)
{
    cg_error err = CG_ERROR_INIT;
    cg_molecule *mol = NULL;
    size_t len = 0;

    ck_assert_msg(cg_molecule_parse(good[_i].in, strlen(good[_i].in), &mol, &err) == CG_OK,
                  "'%s': %s", good[_i].in, err.msg);
    if (good[_i].out)
        ck_assert_str_eq(cg_molecule_smiles(mol, &len), good[_i].out);
    ck_assert_uint_eq(strlen(cg_molecule_smiles(mol, &len)), len);
    ck_assert_uint_eq(cg_molecule_n_atoms(mol), good[_i].atoms);
    ck_assert_uint_eq(cg_molecule_graph(mol)->n_atoms, good[_i].atoms);
    ck_assert_uint_eq(cg_molecule_n_heavy(mol), good[_i].heavy);
    ck_assert_uint_eq(cg_molecule_n_fragments(mol), good[_i].fragments);
    ck_assert_int_eq(cg_molecule_charge(mol), good[_i].charge);
    cg_molecule_destroy(mol);
}
END_TEST

static const struct {
    const char *in;
    size_t len; /* 0 = strlen */
    cg_status status;
    const char *message;
} bad[] = {
    { "", 0, CG_ERR_INPUT, "found an empty text" },
    { "C C", 0, CG_ERR_INPUT, "offset 1: found byte 0x20, wanted printable ASCII" },
    { "C\tname", 0, CG_ERR_INPUT, "offset 1: found byte 0x09" },
    { "C\0C", 3, CG_ERR_INPUT, "offset 1: found byte 0x00" },
    { "C\xff", 0, CG_ERR_INPUT, "offset 1: found byte 0xff" },
    { "CC(", 0, CG_ERR_INPUT, "offset 3: found the end, wanted ')'" },
    { "[C+255]", 0, CG_ERR_INPUT, "SMILES offset 5: found '5', wanted a mass number, charge or" },
    { "[CH260]", 0, CG_ERR_INPUT, "offset 5: found '0'" },
    { "C[65548CH3]", 0, CG_ERR_INPUT, "offset 5: found '4'" },
    { "[Fe++++++++++++++++]", 0, CG_ERR_INPUT, "at most 15 signs of charge" },
    { "[H][H]", 0, CG_ERR_UNSUPPORTED, "wanted a heavy atom" },
    { "[2H][2H]", 0, CG_ERR_UNSUPPORTED, "wanted a heavy atom" },
    { "[H+]", 0, CG_ERR_UNSUPPORTED, "wanted a heavy atom" },
    { "C*", 0, CG_ERR_UNSUPPORTED, "'C*': atom 2 is the wildcard '*'" },
    { "[#6]c1**c*[@]1", 0, CG_ERR_UNSUPPORTED, "atom 3 is the wildcard '*'" },
    { "C[#0]", 0, CG_ERR_UNSUPPORTED, "atom 2 is the wildcard '[#0]'" },
    { "CC[1*]", 0, CG_ERR_UNSUPPORTED,
      "atom 3 is the wildcard '[1*]': wildcards, attachment points" },
    { "CC$C", 0, CG_ERR_UNSUPPORTED, "the bond of atoms 2 and 3 is quadruple" },
    { "O[Q]C", 0, CG_ERR_UNSUPPORTED, "'O[Q]C': atom 2, [Q], is a generic atom: queries are not" },
    { "CC[R1]", 0, CG_ERR_UNSUPPORTED, "atom 3, [R1], is an R group: R groups are not supported" },
    { "OC[R#]", 0, CG_ERR_UNSUPPORTED, "atom 3, [R#], is an R group" },
    { "OC[C,N]", 0, CG_ERR_UNSUPPORTED, "atom 3, [C,N], is a query (SMARTS): queries are not" },
    { "OC[!C]", 0, CG_ERR_UNSUPPORTED, "atom 3, [!C], is a query (SMARTS)" },
    { "OC[D]", 0, CG_ERR_UNSUPPORTED,
      "atom 3, [D], is a hydrogen isotope, which SMILES writes [2H]" },
    { "OC[Xx]", 0, CG_ERR_INPUT, "atom 3, [Xx], is no atom of an element, charge, isotope and" },
    { "CR", 0, CG_ERR_INPUT, "offset 1: found 'R', wanted an element: R groups are not supported" },
    { "CH", 0, CG_ERR_INPUT,
      "offset 1: found 'H', wanted an atom; a hydrogen atom is written [H]" },
    { "CC>>CO", 0, CG_ERR_INPUT, "offset 2: found '>', wanted one molecule: reactions are not" },
    { "C.C>[Pd]>CC", 0, CG_ERR_INPUT, "offset 3: found '>', wanted one molecule" },
    /* atoms are those of the text, although the canonical SMILES starts with CC */
    { "[H]OC.C[Mg]Br", 0, CG_ERR_UNSUPPORTED, "'[H]OC.C[Mg]Br': atom 5 (Mg) has bonds" },
    { "C[Mg]Br", 0, CG_ERR_UNSUPPORTED, "(Mg) has bonds: metal complexes are not supported" },
    { "N[Pt](N)(Cl)Cl", 0, CG_ERR_UNSUPPORTED, "(Pt) has bonds" },
    { "[AlH3]", 0, CG_ERR_UNSUPPORTED, "(Al) has bonds" },
    { "N->[Fe]", 0, CG_ERR_INPUT, "dative bonds are not supported" },
    { "C~C", 0, CG_ERR_INPUT, "offset 1: found '~', wanted SMILES: queries (SMARTS) are not" },
    { "C|x|", 0, CG_ERR_INPUT, "offset 1: found '|', wanted a blank before a CXSMILES extension" },
    { "\n  M  END", 0, CG_ERR_INPUT, "offset 0: found byte 0x0a" },
    { "SMILES", 0, CG_ERR_INPUT, "offset 1: found 'M'" },
};

START_TEST(refusals_state_the_reason)
{
    cg_error err = CG_ERROR_INIT;
    cg_molecule *mol = NULL;
    size_t len = bad[_i].len ? bad[_i].len : strlen(bad[_i].in);
    cg_status st = cg_molecule_parse(bad[_i].in, len, &mol, &err);

    ck_assert_msg(st == bad[_i].status && strstr(err.msg, bad[_i].message), "'%s' gave %d: %s",
                  bad[_i].in, (int)st, err.msg);
    ck_assert_int_eq(err.code, st);
    ck_assert_ptr_null(mol);
}
END_TEST

/* What RDKit refuses; a system librdkitcffi gives no reason. */
START_TEST(chemical_errors_are_explained)
{
    static const char *const cases[][2] = {
        { "C(C)(C)(C)(C)C", "atom 1 (C) has valence 5, which is more than it can have" },
        /* explicit hydrogens count */
        { "[H]C([H])([H])C(C)(C)(C)(C)C", "atom 5 (C) has valence 6" },
        { "C[N+](C)(C)(C)C",
          "atom 2 (N) has valence 5, which is more than it can have with charge +1" },
        { "F[Si-2](F)(F)(F)(F)F",
          "atom 2 (Si) has valence 6, which is more than it can have with" },
        { "C[B-](C)(C)(C)C",
          "atom 2 (B) has valence 5, which is more than it can have with charge -1" },
        { "c1cccc1", "the aromatic ring of atom 1 has no alternating single and double bonds" },
        { "[H]Oc1cccn1", "the aromatic ring of atom 3 has no alternating" },
        { "CCcC", "atom 3 is aromatic, in lower case, but in no ring" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cg_error err = CG_ERROR_INIT;
        cg_molecule *mol = NULL;
        const char *wanted =
            CG_RDKIT_ADAPTER ? cases[i][1] : "RDKit refuses it: not a valid molecule";

        ck_assert_int_eq(cg_molecule_parse(cases[i][0], strlen(cases[i][0]), &mol, &err),
                         CG_ERR_INPUT);
        ck_assert_msg(strstr(err.msg, wanted) != NULL, "'%s': %s", cases[i][0], err.msg);
    }
}
END_TEST

/* Refusals and the slowest accepted texts take less than a second. */
START_TEST(long_texts_are_bounded)
{
    static const struct {
        const char *unit;
        size_t n;
        cg_status status;
    } cases[] = {
        { "C", 5 << 20, CG_ERR_LIMIT },
        { "C", 100000, CG_ERR_LIMIT },
        { "C", CG_MOLECULE_MAX_CHARS, CG_ERR_LIMIT },
        { "C", CG_MOLECULE_MAX_ATOMS + 1, CG_ERR_LIMIT },
        { "C", CG_MOLECULE_MAX_ATOMS, CG_OK },
        { "C1CC1", CG_MOLECULE_MAX_ATOMS / 3, CG_OK },
        { "(", CG_MOLECULE_MAX_CHARS, CG_ERR_INPUT },
        { "C(", 400, CG_ERR_INPUT },
        { "[", CG_MOLECULE_MAX_CHARS, CG_ERR_INPUT },
        { "C/C=C/", 150, CG_ERR_INPUT },
        { "[C@@H](O)", 200, CG_OK },
    };
    size_t unit = strlen(cases[_i].unit);
    size_t len = unit * cases[_i].n;
    char *text = malloc(len);
    cg_error err = CG_ERROR_INIT;
    cg_molecule *mol = NULL;
    double start = cg_now(), seconds;
    cg_status st;

    for (size_t i = 0; i < cases[_i].n; i++)
        memcpy(text + i * unit, cases[_i].unit, unit);
    st = cg_molecule_parse(text, len, &mol, &err);
    seconds = cg_now() - start;
    cg_molecule_destroy(mol);
    free(text);
    ck_assert_msg(st == cases[_i].status, "'%s' x %zu gave %d: %s", cases[_i].unit, cases[_i].n,
                  (int)st, err.msg);
    /* 0.3 s on an idle machine, 12 s under valgrind on a busy one; hours without the bounds */
    ck_assert_double_lt(seconds, 40);
}
END_TEST

START_TEST(limits_can_be_raised)
{
    const cg_molecule_limits limits = { .max_chars = 10000, .max_atoms = 1200 };
    char text[1100 * 2 + 1];
    cg_error err = CG_ERROR_INIT;
    cg_molecule *mol = NULL;

    for (int i = 0; i < 1100; i++)
        memcpy(text + 2 * i, "O.", 2);
    ck_assert_int_eq(cg_molecule_parse(text, 2199, &mol, &err), CG_ERR_LIMIT);
    ck_assert_int_eq(cg_molecule_parse_limited(text, 2199, &limits, &mol, &err), CG_OK);
    ck_assert_uint_eq(cg_molecule_n_atoms(mol), 1100);
    ck_assert_uint_eq(cg_molecule_n_fragments(mol), 1100);
    cg_molecule_destroy(mol);
}
END_TEST

START_TEST(bad_molblocks_are_refused)
{
    static const char flat[] = "\n     x            2D\n\n"
                               "  1  0  0  0  0  0  0  0  0  0999 V2000\n"
                               "    0.0000    0.0000    0.0000 C   0  0\n"
                               "M  END\n";
    cg_error err = CG_ERROR_INIT;
    cg_molecule *mol = NULL;
    char *large = malloc(CG_MOLECULE_MAX_BLOCK + 2);

    memset(large, 'C', CG_MOLECULE_MAX_BLOCK + 1);
    large[CG_MOLECULE_MAX_BLOCK + 1] = '\0';
    ck_assert_int_eq(cg_molecule_from_molblock(large, &mol, &err), CG_ERR_LIMIT);
    ck_assert_int_eq(cg_molecule_from_molblock("CC", &mol, &err), CG_ERR_INPUT);
    ck_assert_ptr_nonnull(strstr(err.msg, "no line 'M  END'"));
    ck_assert_int_eq(cg_molecule_from_molblock("\n\n\n 99 99\nM  END", &mol, &err), CG_ERR_INPUT);
    ck_assert_ptr_nonnull(strstr(err.msg, "RDKit cannot read it"));
    ck_assert_int_eq(cg_molecule_from_molblock(flat, &mol, &err), CG_ERR_INPUT);
    ck_assert_ptr_nonnull(strstr(err.msg, "no 3D coordinates"));
    ck_assert_ptr_null(mol);
    free(large);
}
END_TEST

#define MOL2(counts, rest)                                                                         \
    "@<TRIPOS>MOLECULE\nx\n" counts "\nSMALL\nNO_CHARGES\n@<TRIPOS>ATOM\n1 C1 0 0 0 C.3\n"         \
    "2 C2 1 0 0 C.3\n" rest

/* Records with which RDKit would take all memory, read beyond its arrays or end the program. */
static const struct {
    const char *record;
    cg_status status;
    const char *reason;
} bad_mol2[] = {
    { MOL2("300000000 1", ""), CG_ERR_LIMIT,
      "the molecule states 300000000 atoms, wanted at most" },
    { MOL2("-1 1", ""), CG_ERR_INPUT,
      "line 3 of the record: wanted the numbers of atoms and bonds" },
    { MOL2("+300000000 1", ""), CG_ERR_INPUT, "line 3 of the record" },
    { MOL2("", ""), CG_ERR_INPUT, "line 3 of the record" },
    { "@<TRIPOS>MOLECULE\nx\n1 0\n\n\n@<TRIPOS>ATOMS\n@<TRIPOS>UNITY_ATOM_ATTR\n1 1\ncharge 1\n",
      CG_ERR_INPUT, "found no line '@<TRIPOS>ATOM'" },
    { MOL2("2 1", ""), CG_ERR_INPUT, "found no line '@<TRIPOS>BOND'" },
    { MOL2("2 2", "@<TRIPOS>BOND\n1 1 2 1\n"), CG_ERR_INPUT, "found 1 bonds, wanted the 2" },
    { MOL2("2 1", "@<TRIPOS>BOND\n1 1 400000000 1\n"), CG_ERR_INPUT,
      "line 10 of the record: wanted a bond of two of the atoms 1 to 2" },
    { MOL2("2 1", "@<TRIPOS>BOND\n1 0 1 1\n"), CG_ERR_INPUT, "line 10 of the record" },
    { MOL2("2 1", "@<TRIPOS>BOND\n1 1\n"), CG_ERR_INPUT, "line 10 of the record" },
    { MOL2("2 0", "@<TRIPOS>UNITY_ATOM_ATTR\n\n"), CG_ERR_INPUT,
      "line 10 of the record: wanted one of the atoms 1 to 2 and the number of its attributes" },
    { MOL2("2 0", "@<TRIPOS>UNITY_ATOM_ATTR\n1 1\nAtomExpr\n"), CG_ERR_INPUT,
      "line 11 of the record: wanted the name and the value of an attribute" },
    { MOL2("2 0", "@<TRIPOS>UNITY_ATOM_ATTR\n1 9\ncharge 1"), CG_ERR_INPUT,
      "line 11 of the record" },
    { MOL2("2 0", "@<TRIPOS>UNITY_ATOM_ATTR\n3 1\ncharge 1"), CG_ERR_INPUT,
      "line 10 of the record" },
};

/* Hydrogens are missing: of an alcohol, of a ring, and but for that of the hydroxyl. */
static const char *const bare_mol2[] = {
    "@<TRIPOS>MOLECULE\nx\n3 2\nSMALL\nNO_CHARGES\n@<TRIPOS>ATOM\n1 C 0 0 0 C.3\n2 C 1 0 0 C.3\n"
    "3 O 2 1 0 O.3\n@<TRIPOS>BOND\n1 1 2 1\n2 2 3 1\n",
    "@<TRIPOS>MOLECULE\nx\n6 6\nSMALL\nNO_CHARGES\n@<TRIPOS>ATOM\n1 C 0 0 0 C.ar\n2 C 1 0 0 C.ar\n"
    "3 C 2 1 0 C.ar\n4 C 2 2 0 C.ar\n5 C 1 3 0 C.ar\n6 C 0 2 0 C.ar\n@<TRIPOS>BOND\n1 1 2 ar\n"
    "2 2 3 ar\n3 3 4 ar\n4 4 5 ar\n5 5 6 ar\n6 6 1 ar\n",
    "@<TRIPOS>MOLECULE\nx\n3 2\nSMALL\nNO_CHARGES\n@<TRIPOS>ATOM\n1 C 0 0 0 C.3\n2 O 1 0 0 O.3\n"
    "3 H 2 1 0 H\n@<TRIPOS>BOND\n1 1 2 1\n2 2 3 1\n",
};

START_TEST(mol2_without_hydrogens_is_refused)
{
    cg_error err = CG_ERROR_INIT;
    char *smiles = NULL;

    ck_assert_int_eq(cg_smiles_of_block(bare_mol2[_i], &smiles, &err), CG_ERR_INPUT);
    ck_assert_msg(strstr(err.msg, "a .mol2 has all hydrogens") != NULL, "%s", err.msg);
    ck_assert_ptr_null(smiles);
}
END_TEST

START_TEST(bad_mol2_is_refused_before_rdkit_reads_it)
{
    cg_error err = CG_ERROR_INIT;
    char *smiles = NULL;

    ck_assert_int_eq(cg_smiles_of_block(bad_mol2[_i].record, &smiles, &err), bad_mol2[_i].status);
    ck_assert_msg(strstr(err.msg, bad_mol2[_i].reason) != NULL, "%s", err.msg);
    ck_assert_ptr_null(smiles);
}
END_TEST

#define FORMATE                                                                                    \
    "@<TRIPOS>MOLECULE\nx\n4 3\nSMALL\nNO_CHARGES\n@<TRIPOS>ATOM\n1 C 0 0 0 C.2\n2 O 1 0 0 "       \
    "O.co2\n"                                                                                      \
    "3 O -1 1 0 O.co2\n4 H -1 -1 0 H\n@<TRIPOS>BOND\n1 1 2 ar\n2 1 3 ar\n3 1 4 1\n"
#define AMMONIUM                                                                                   \
    "@<TRIPOS>MOLECULE\nx\n5 4\nSMALL\nNO_CHARGES\n@<TRIPOS>ATOM\n1 N 0 0 0 N.4\n2 H 1 0 0 H\n"    \
    "3 H 0 1 0 H\n4 H 0 0 1 H\n5 H -1 -1 -1 H\n@<TRIPOS>BOND\n1 1 2 1\n2 1 3 1\n3 1 4 1\n4 1 5 "   \
    "1\n"
#define METHYLAMIDE                                                                                \
    "@<TRIPOS>MOLECULE\nx\n6 5\nSMALL\nNO_CHARGES\n@<TRIPOS>ATOM\n1 C 0 0 0 C.3\n2 N 1 0 0 N.3\n"  \
    "3 H 0 1 0 H\n4 H 0 0 1 H\n5 H -1 -1 -1 H\n6 H 2 1 0 H\n@<TRIPOS>BOND\n1 1 2 1\n2 1 3 1\n"     \
    "3 1 4 1\n4 1 5 1\n5 2 6 1\n"

/* Charges as Open Babel writes them, as RDKit reads them, and none: those of Corina's types. */
static const struct {
    const char *record, *smiles;
} good_mol2[] = {
    { FORMATE "@<TRIPOS>UNITY_ATOM_ATTR\n3 1\ncharge -1\n", "O=C[O-]" },
    { FORMATE, "O=C[O-]" },
    { AMMONIUM "@<TRIPOS>UNITY_ATOM_ATTR\n1 2\ncharge 1\nAtomExpr 1\n", "[NH4+]" },
    { AMMONIUM, "[NH4+]" },
    { METHYLAMIDE, "C[NH-]" }, /* not a radical */
    { "@<TRIPOS>MOLECULE\nx\n10 10\nSMALL\nNO_CHARGES\n@<TRIPOS>ATOM\n1 N 0 0 0 N.ar\n2 C 1 0 0 "
      "C.ar\n"
      "3 C 1 1 0 C.ar\n4 C 0 2 0 C.ar\n5 C -1 1 0 C.ar\n6 H 0 -1 0 H\n7 H 2 0 0 H\n8 H 2 2 0 H\n"
      "9 H 0 3 0 H\n10 H -2 1 0 H\n@<TRIPOS>BOND\n1 1 2 ar\n2 2 3 ar\n3 3 4 ar\n4 4 5 ar\n5 5 1 "
      "ar\n"
      "6 1 6 1\n7 2 7 1\n8 3 8 1\n9 4 9 1\n10 5 10 1\n",
      "c1cc[nH]c1" },
};

START_TEST(mol2_is_read_with_its_charges)
{
    cg_error err = CG_ERROR_INIT;
    char *smiles = NULL;

    ck_assert_msg(cg_smiles_of_block(good_mol2[_i].record, &smiles, &err) == CG_OK, "%s", err.msg);
    ck_assert_str_eq(smiles, good_mol2[_i].smiles);
    free(smiles);
}
END_TEST

START_TEST(destructors_accept_null)
{
    cg_smiles smiles = { 0 };
    cg_molecule *mol = NULL;
    cg_error err = CG_ERROR_INIT;

    cg_molecule_destroy(NULL);
    cg_smiles_finish(NULL);
    cg_smiles_finish(&smiles);
    ck_assert_ptr_null(smiles.atoms);
    ck_assert_ptr_null(smiles.bonds);
    free_ptr(NULL);
    /* the heap and RDKit remain usable */
    ck_assert_int_eq(cg_molecule_parse("CO", 2, &mol, &err), CG_OK);
    ck_assert_ptr_nonnull(mol);
    cg_molecule_destroy(mol);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("chem_molecule");
    TCase *tc = tcase_create("molecule");
    SRunner *sr;
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, molecules_are_made_canonical, 0, sizeof good / sizeof *good);
    tcase_add_loop_test(tc, refusals_state_the_reason, 0, sizeof bad / sizeof *bad);
    tcase_add_test(tc, chemical_errors_are_explained);
    tcase_add_loop_test(tc, long_texts_are_bounded, 0, 11);
    tcase_add_test(tc, limits_can_be_raised);
    tcase_add_test(tc, bad_molblocks_are_refused);
    tcase_add_loop_test(tc, bad_mol2_is_refused_before_rdkit_reads_it, 0,
                        sizeof bad_mol2 / sizeof *bad_mol2);
    if (CG_RDKIT_ADAPTER) {
        tcase_add_loop_test(tc, mol2_is_read_with_its_charges, 0,
                            sizeof good_mol2 / sizeof *good_mol2);
        tcase_add_loop_test(tc, mol2_without_hydrogens_is_refused, 0,
                            sizeof bare_mol2 / sizeof *bare_mol2);
    }
    tcase_add_test(tc, destructors_accept_null);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
