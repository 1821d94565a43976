/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "chem/elements.h"
#include "chem/smiles.h"

static cg_smiles scan_ok(const char *text)
{
    cg_error err = CG_ERROR_INIT;
    cg_smiles s = { 0 };

    ck_assert_msg(cg_smiles_scan(text, strlen(text), CG_SMILES_STRICT, 1000, &s, &err) == CG_OK,
                  "'%s': %s", text, err.msg);
    return s;
}

START_TEST(elements_are_found_by_symbol)
{
    ck_assert_int_eq(cg_element_find("H", 1), 1);
    ck_assert_int_eq(cg_element_find("Cl", 2), 17);
    ck_assert_int_eq(cg_element_find("Og", 2), 118);
    ck_assert_int_eq(cg_element_find("cl", 2), 0);
    ck_assert_int_eq(cg_element_find("", 0), 0);
    ck_assert_int_eq(cg_element_find("Clx", 3), 0);
    for (int z = 1; z <= CG_N_ELEMENTS; z++)
        ck_assert_int_eq(cg_element_find(cg_element_symbol(z), strlen(cg_element_symbol(z))), z);
    ck_assert_str_eq(cg_element_symbol(0), "*");
    ck_assert_str_eq(cg_element_symbol(119), "*");
}
END_TEST

START_TEST(metals_are_distinguished)
{
    static const char *metals[] = { "Li", "Na", "Mg", "Al", "Fe", "Zn", "Sn", "Pt", "U" };
    static const char *nonmetals[] = {
        "H", "He", "B", "C", "Si", "Ge", "As", "Se", "Te", "I", "At"
    };

    for (size_t i = 0; i < sizeof metals / sizeof *metals; i++)
        ck_assert_int_eq(cg_element_is_metal(cg_element_find(metals[i], strlen(metals[i]))), 1);
    for (size_t i = 0; i < sizeof nonmetals / sizeof *nonmetals; i++)
        ck_assert_int_eq(cg_element_is_metal(cg_element_find(nonmetals[i], strlen(nonmetals[i]))),
                         0);
    ck_assert_int_eq(cg_element_is_metal(0), 0);
    ck_assert_int_eq(cg_element_is_metal(200), 0);
}
END_TEST

START_TEST(bracket_atoms_are_parsed)
{
    cg_smiles s = scan_ok("[13CH3:12][N@@H+]([2H])[se]Cl[O-2][Fe+++][C@TH1][*]");
    const cg_smiles_atom *a = s.atoms;

    ck_assert_uint_eq(s.n_atoms, 9);
    ck_assert_uint_eq(a[0].element, 6);
    ck_assert_uint_eq(a[0].isotope, 13);
    ck_assert_uint_eq(a[0].n_h, 3);
    ck_assert_uint_eq(a[0].map, 12);
    ck_assert_uint_eq(a[0].start, 0);
    ck_assert_uint_eq(a[0].len, 10);
    ck_assert_uint_eq(a[1].element, 7);
    ck_assert_uint_eq(a[1].chiral, 2);
    ck_assert_uint_eq(a[1].n_h, 1);
    ck_assert_int_eq(a[1].charge, 1);
    ck_assert_uint_eq(a[1].degree, 3);
    ck_assert_uint_eq(a[2].element, 1);
    ck_assert_uint_eq(a[2].isotope, 2);
    ck_assert_uint_eq(a[2].n_h, 0);
    ck_assert_uint_eq(a[3].element, 34);
    ck_assert_uint_eq(a[3].aromatic, 1);
    ck_assert_uint_eq(a[4].element, 17);
    ck_assert_uint_eq(a[4].bracket, 0);
    ck_assert_int_eq(a[5].charge, -2);
    ck_assert_int_eq(a[6].charge, 3);
    ck_assert_uint_eq(a[7].chiral, 3);
    ck_assert_uint_eq(a[8].element, 0);
    cg_smiles_finish(&s);
}
END_TEST

static const struct {
    const char *text;
    size_t atoms, bonds, components;
} shapes[] = {
    { "C", 1, 0, 1 },           { "CC(=O)O", 4, 3, 1 },
    { "c1ccccc1", 6, 6, 1 },    { "C1CC1C1CC1", 6, 7, 1 },
    { "C%12CC%12", 3, 3, 1 },   { "C%(123)CC%(123)", 3, 3, 1 },
    { "C%(12)CC%12", 3, 3, 1 }, { "C1.C1", 2, 1, 2 },
    { "[Na+].[Cl-]", 2, 0, 2 }, { "F/C=C\\Cl", 4, 3, 1 },
    { "C(C)(C)(C)C", 5, 4, 1 }, { "C12CC1C2", 4, 5, 1 },
    { "C=1CCC=1", 4, 4, 1 },    { "Cn1cnc2c1c(=O)n(C)c(=O)n2C", 14, 15, 1 },
    { "BrCCl", 3, 2, 1 },       { "N#C-C:C$C", 5, 4, 1 },
};

START_TEST(atoms_bonds_and_components_are_counted)
{
    cg_smiles s = scan_ok(shapes[_i].text);

    ck_assert_msg(s.n_atoms == shapes[_i].atoms && s.n_bonds == shapes[_i].bonds &&
                      s.n_components == shapes[_i].components,
                  "'%s': %zu atoms, %zu bonds, %zu components", shapes[_i].text, s.n_atoms,
                  s.n_bonds, s.n_components);
    for (size_t i = 0; i < s.n_bonds; i++)
        ck_assert_uint_lt(s.bonds[i].first, s.bonds[i].second);
    cg_smiles_finish(&s);
}
END_TEST

START_TEST(bonds_keep_their_symbol)
{
    cg_smiles s = scan_ok("C=1CCC1#N");

    ck_assert_uint_eq(s.n_bonds, 5);
    ck_assert_int_eq(s.bonds[0].symbol, 0);
    ck_assert_int_eq(s.bonds[3].symbol, '='); /* the ring closure; its symbol is at the first end */
    ck_assert_uint_eq(s.bonds[3].first, 0);
    ck_assert_uint_eq(s.bonds[3].second, 3);
    ck_assert_int_eq(s.bonds[4].symbol, '#');
    cg_smiles_finish(&s);
}
END_TEST

static const struct {
    const char *text, *message;
} bad[] = {
    { "", "offset 0: found the end, wanted at least one atom" },
    { "C(", "offset 2: found the end, wanted ')'" },
    { "CC)", "offset 2: found ')', wanted a '(' before it" },
    { "C()C", "offset 2: found ')'" },
    { "C((C))", "offset 2: found '('" },
    { "C1CC", "offset 1: unclosed ring bond 1" },
    { "C11", "offset 2: found '1', wanted the second end of a ring bond on another atom" },
    { "1CC1", "offset 0: found '1', wanted an atom before a ring closure" },
    { "C=", "offset 2: found the end, wanted an atom" },
    { "C==C", "offset 2: found '=', wanted an atom or ring closure" },
    { "=C", "offset 0: found '='" },
    { "C.", "offset 2: found the end, wanted an atom" },
    { ".C", "offset 0: found '.'" },
    { "C..C", "offset 2: found '.'" },
    { "CXC", "offset 1: found 'X', wanted an atom, bond" },
    { "C C", "offset 1: found byte 0x20" },
    { "\"CCO\"", "offset 0: found '\"', wanted SMILES without quotation marks" },
    { "CCO;a",
      "offset 3: found ';', wanted SMILES: queries (SMARTS) are not supported, and columns" },
    { "aspirin", "wanted an atom, bond, branch or ring closure: names are not looked up" },
    { "C?", "offset 1: found '?', wanted an atom, bond, branch or ring closure" },
    { "C\xc3\xa9", "offset 1: found byte 0xc3" },
    { "[C", "offset 2: found the end, wanted ']'" },
    { "[]", "offset 1: found ']', wanted an element symbol" },
    { "[Xx]", "wanted an element symbol" },
    { "[CH3", "wanted ']'" },
    { "[C[", "offset 2: found '[', wanted ']'" },
    { "[1234C]", "wanted a mass number" },
    { "[C@TH99]", "chirality class" },
    { "[C+100]", "wanted a charge" },
    { "[CH100]", "wanted at most 99 hydrogens" },
    { "[C:]", "wanted an atom class" },
    { "C%1", "wanted two digits" },
    { "C%(1", "wanted a ring number" },
    { "C%(123456)", "wanted a ring number" },
    { "C%()", "wanted a ring number" },
    { "N->B", "offset 1: found '-', wanted a bond with shared electrons" },
    { "B<-N", "offset 1: found '<'" },
    { "C]", "offset 1: found ']'" },
};

START_TEST(errors_name_the_offset)
{
    cg_error err = CG_ERROR_INIT;
    cg_smiles s = { 0 };
    cg_status st =
        cg_smiles_scan(bad[_i].text, strlen(bad[_i].text), CG_SMILES_STRICT, 1000, &s, &err);

    ck_assert_int_eq(st, CG_ERR_INPUT);
    ck_assert_msg(strstr(err.msg, bad[_i].message) != NULL, "'%s' gave: %s", bad[_i].text, err.msg);
    ck_assert_ptr_null(s.atoms);
}
END_TEST

START_TEST(embedded_nul_is_refused)
{
    cg_error err = CG_ERROR_INIT;
    cg_smiles s = { 0 };

    ck_assert_int_eq(cg_smiles_scan("C\0C", 3, 0, 10, &s, &err), CG_ERR_INPUT);
    ck_assert_int_eq(cg_smiles_scan("[C\0]", 4, CG_SMILES_STRICT, 10, &s, &err), CG_ERR_INPUT);
}
END_TEST

START_TEST(atom_bound_stops_the_scan)
{
    cg_error err = CG_ERROR_INIT;
    cg_smiles s = { 0 };

    ck_assert_int_eq(cg_smiles_scan("CCCC", 4, 0, 3, &s, &err), CG_ERR_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.msg, "offset 3: found atom number 4, wanted at most 3"));
    ck_assert_int_eq(cg_smiles_scan("CCCC", 4, 0, 4, &s, &err), CG_OK);
    cg_smiles_finish(&s);
}
END_TEST

START_TEST(deep_branches_and_many_rings_do_not_recurse)
{
    enum { N = 200000 };
    char *text = malloc(5 * N);
    size_t len = 0;
    cg_smiles s = { 0 };
    cg_error err = CG_ERROR_INIT;

    for (int i = 0; i < N; i++, len += 2)
        memcpy(text + len, "C(", 2);
    text[len++] = 'C';
    memset(text + len, ')', N);
    len += N;
    ck_assert_int_eq(cg_smiles_scan(text, len, 0, SIZE_MAX, &s, &err), CG_OK);
    ck_assert_uint_eq(s.n_atoms, N + 1);
    cg_smiles_finish(&s);
    free(text);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("chem_smiles");
    TCase *tc = tcase_create("scanner");
    SRunner *sr;
    int failed;

    tcase_add_test(tc, elements_are_found_by_symbol);
    tcase_add_test(tc, metals_are_distinguished);
    tcase_add_test(tc, bracket_atoms_are_parsed);
    tcase_add_loop_test(tc, atoms_bonds_and_components_are_counted, 0,
                        sizeof shapes / sizeof *shapes);
    tcase_add_test(tc, bonds_keep_their_symbol);
    tcase_add_loop_test(tc, errors_name_the_offset, 0, sizeof bad / sizeof *bad);
    tcase_add_test(tc, embedded_nul_is_refused);
    tcase_add_test(tc, atom_bound_stops_the_scan);
    tcase_add_test(tc, deep_branches_and_many_rings_do_not_recurse);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
