/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/record.h"

static const char *const elements[] = { "C", "Cl" };
static const double xyz[][3] = { { 0, -0.0004, 1.5 }, { -1.23456, 12.0, -0.0006 } };
static const cg_tag tags[] = { { "check", "bond \"C-Cl\"\ttoo long" }, { "empty", "" } };
static const char molblock[] = "title\n  confgen\n\n  0  0\nM  END\n";

static const char *const atom_types[] = { "C.3", "Cl" };
static const int charges[] = { 2, -1 };
static const uint32_t bond_atoms[][2] = { { 0, 1 } };
static const char *const bond_types[] = { "1" };

static cg_record_conformer conformer(void)
{
    return (cg_record_conformer) { .name = "a\"b\\c d $$$$",
                                   .smiles = "C/C=C\\Cl",
                                   .generation = 7,
                                   .seed = UINT64_C(18446744073709551615),
                                   .n_atoms = 2,
                                   .elements = elements,
                                   .xyz = xyz,
                                   .decimals = 3,
                                   .text = "[C]<0.000,0.000,1.500>",
                                   .molblock = molblock,
                                   .tags = tags,
                                   .n_tags = 2,
                                   .atom_types = atom_types,
                                   .charges = charges,
                                   .bond_atoms = bond_atoms,
                                   .bond_types = bond_types,
                                   .n_bonds = 1 };
}

static const struct {
    cg_record_format format;
    const char *text;
} wanted[] = {
    { CG_RECORD_SDF, "a\"b\\c d $$$$\n  confgen\n\n  0  0\nM  END\n"
                     ">  <name>\na\"b\\c d $$$$\n\n>  <SMILES>\nC/C=C\\Cl\n\n>  <generation>\n7\n\n"
                     ">  <seed>\n18446744073709551615\n\n>  <check>\nbond \"C-Cl\" too long\n\n"
                     ">  <empty>\n\n$$$$\n" },
    { CG_RECORD_XYZ, "2\nProperties=species:S:1:pos:R:3 name=\"a\\\"b\\\\c d $$$$\" "
                     "smiles=\"C/C=C\\\\Cl\" generation=7 seed=18446744073709551615 "
                     "check=\"bond \\\"C-Cl\\\" too long\" empty=\"\"\n"
                     "C 0.000 0.000 1.500\nCl -1.235 12.000 -0.001\n" },
    { CG_RECORD_SMILES3D, "[C]<0.000,0.000,1.500>\ta\"b\\c d $$$$\t7\t18446744073709551615"
                          "\tcheck=bond \"C-Cl\" too long\tempty=\n" },
    { CG_RECORD_JSON,
      "{\"name\": \"a\\\"b\\\\c d $$$$\", \"smiles\": \"C/C=C\\\\Cl\", "
      "\"generation\": 7, \"seed\": 18446744073709551615, \"elements\": [\"C\", \"Cl\"], "
      "\"xyz\": [[0.000, 0.000, 1.500], [-1.235, 12.000, -0.001]], "
      "\"check\": \"bond \\\"C-Cl\\\"\\u0009too long\", \"empty\": \"\"}\n" },
    { CG_RECORD_MOL2, "@<TRIPOS>MOLECULE\na\"b\\c d $$$$\n2 1 1 0 0\nSMALL\nUSER_CHARGES\n\n"
                      "@<TRIPOS>ATOM\n"
                      "      1 C1         0.0000    -0.0004     1.5000 C.3   1 UNL   2.0\n"
                      "      2 Cl1       -1.2346    12.0000    -0.0006 Cl    1 UNL  -1.0\n"
                      "@<TRIPOS>UNITY_ATOM_ATTR\n1 2\ncharge 2\nAtomExpr 2\n"
                      "2 2\ncharge -1\nAtomExpr -1\n"
                      "@<TRIPOS>BOND\n     1     1     2 1\n@<TRIPOS>SUBSTRUCTURE\n1 UNL 1\n"
                      "@<TRIPOS>COMMENT\nSMILES C/C=C\\Cl\ngeneration 7\n"
                      "seed 18446744073709551615\ncheck bond \"C-Cl\" too long\nempty \n" },
};

START_TEST(records_are_written)
{
    cg_error err = CG_ERROR_INIT;
    cg_record_conformer c = conformer();
    cg_record_format format;
    cg_buf b = { 0 };

    ck_assert_int_eq(cg_record_write(wanted[_i].format, &c, &b, &err), CG_OK);
    ck_assert_str_eq(b.data, wanted[_i].text);
    ck_assert_int_eq(
        cg_record_format_parse(cg_record_format_name(wanted[_i].format), &format, &err), CG_OK);
    ck_assert_int_eq(format, wanted[_i].format);
    cg_buf_finish(&b);
}
END_TEST

/* Written records are detected, named and counted, also from a prefix. */
START_TEST(records_are_read_back)
{
    cg_record_format format = wanted[_i].format;
    cg_error err = CG_ERROR_INIT;
    cg_record_conformer c = conformer();
    cg_buf b = { 0 }, name = { 0 };
    size_t one;

    c.name = format == CG_RECORD_MOL2 ? "mol \"1\"" : "mol \"1\"\\";
    ck_assert_int_eq(cg_record_write(format, &c, &b, &err), CG_OK);
    one = b.len;
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(cg_record_write(format, &c, &b, &err), CG_OK);
    ck_assert_int_eq(cg_record_detect(b.data, b.len), format);
    cg_record_name(format, b.data, b.len, &name);
    ck_assert_str_eq(cg_buf_text(&name), c.name);
    ck_assert_int_eq(cg_record_count(format, b.data, b.len), 3);
    ck_assert_int_eq(cg_record_count(format, b.data, 0), 0);
    for (size_t n = 1; n <= b.len; n++) {
        int64_t count = cg_record_count(format, b.data, n);

        cg_buf_clear(&name);
        cg_record_name(cg_record_detect(b.data, n), b.data, n, &name);
        /* A record without its last line end may or may not count as finished. */
        ck_assert_msg(count == (int64_t)((n + one - 1) / one) ||
                          count == (int64_t)((n + one - 1) / one) - 1,
                      "%lld records in %zu bytes", (long long)count, n);
    }
    cg_buf_finish(&b);
    cg_buf_finish(&name);
}
END_TEST

START_TEST(json_records_parse_as_json)
{
    cg_error err = CG_ERROR_INIT;
    cg_record_conformer c = conformer();
    cg_buf b = { 0 };
    json_t *root;

    c.name = "caf\xc3\xa9\t\n\x01";
    c.seed = 42;
    ck_assert_int_eq(cg_record_write(CG_RECORD_JSON, &c, &b, &err), CG_OK);
    root = json_loadb(b.data, b.len, JSON_REJECT_DUPLICATES, NULL);
    ck_assert_ptr_nonnull(root);
    ck_assert_str_eq(json_string_value(json_object_get(root, "name")), c.name);
    ck_assert_int_eq(json_integer_value(json_object_get(root, "seed")), 42);
    ck_assert_uint_eq(json_array_size(json_object_get(root, "xyz")), 2);
    json_decref(root);
    cg_buf_finish(&b);
}
END_TEST

static const char *const odd_names[] = {
    "M  END",
    "M  ENDING of x",
    "M  V30 END CTAB",
    "> <x>",
    ">  <SMILES>",
    "  blanks  ",
    "a $$$$",
    "0",
    "{\"name\": ",
    "C<",
    "Properties=a",
    "name=\"x\" smiles=\"y\"",
    "\\",
    "\"",
    "caf\xc3\xa9",
    "=1+1",
    "\xc2\x9b",
};

/* Any one-line name that is UTF-8 comes back from a record of any format, and the records count. */
START_TEST(odd_names_are_kept)
{
    for (size_t i = 0; i < sizeof odd_names / sizeof *odd_names; i++) {
        cg_error err = CG_ERROR_INIT;
        cg_record_conformer c = conformer();
        cg_buf b = { 0 }, name = { 0 };
        char block[256];

        snprintf(block, sizeof block,
                 "%s\n  confgen\n\n  0  0  0  0  0  0  0  0  0  0999 V2000\nM  END\n",
                 odd_names[i]);
        c.name = odd_names[i];
        c.molblock = block;
        for (int k = 0; k < 2; k++)
            ck_assert_msg(cg_record_write((cg_record_format)_i, &c, &b, &err) == CG_OK, "%s",
                          err.msg);
        ck_assert_int_eq(cg_record_detect(b.data, b.len), _i);
        cg_record_name((cg_record_format)_i, b.data, b.len, &name);
        ck_assert_str_eq(cg_buf_text(&name), odd_names[i]);
        ck_assert_int_eq(cg_record_count((cg_record_format)_i, b.data, b.len), 2);
        cg_buf_finish(&b);
        cg_buf_finish(&name);
    }
}
END_TEST

/* The block goes from the title to the line "M  END", not to a title that looks like it. */
START_TEST(title_is_not_the_end_of_the_block)
{
    cg_error err = CG_ERROR_INIT;
    cg_record_conformer c = conformer();
    cg_buf b = { 0 };

    c.name = "M  END";
    c.molblock = "M  END\n  confgen\n\n  0  0\nM  END\n";
    ck_assert_int_eq(cg_record_write(CG_RECORD_SDF, &c, &b, &err), CG_OK);
    ck_assert_ptr_nonnull(
        strstr(b.data, "M  END\n  confgen\n\n  0  0\nM  END\n>  <name>\nM  END\n\n>  <SMILES>"));
    cg_buf_finish(&b);
}
END_TEST

static const struct {
    cg_record_format format;
    const char *name, *reason;
} refused_names[] = {
    { CG_RECORD_SDF, "$$$$", "the name '$$$$' starts with '$$$$', which ends a record of an SDF" },
    { CG_RECORD_SDF, "$$$$ and more", "starts with '$$$$'" },
    { CG_RECORD_SDF, "two\nlines", "a control character (byte 0x0a at position 4)" },
    { CG_RECORD_XYZ, "two\nlines", "a record of format xyz can hold; --format json holds it" },
    { CG_RECORD_SMILES3D, "a\tb", "a control character (byte 0x09 at position 2)" },
    { CG_RECORD_JSON, "caf\xe9", "is not UTF-8" },
    { CG_RECORD_MOL2, "@<TRIPOS>ATOM",
      "starts with '@' or '#' or ends with '\\', which a line of" },
    { CG_RECORD_MOL2, "# 1", "which a line of a mol2 cannot" },
    { CG_RECORD_MOL2, "continued\\", "which a line of a mol2 cannot" },
};

START_TEST(names_that_a_format_cannot_hold_are_refused)
{
    cg_error err = CG_ERROR_INIT;
    cg_record_conformer c = conformer();
    cg_buf b = { 0 };

    c.name = refused_names[_i].name;
    ck_assert_int_eq(cg_record_write(refused_names[_i].format, &c, &b, &err), CG_ERR_INPUT);
    ck_assert_msg(strstr(err.msg, refused_names[_i].reason) != NULL, "%s", err.msg);
    ck_assert_uint_eq(b.len, 0);
    cg_buf_finish(&b);
}
END_TEST

START_TEST(incomplete_conformers_are_internal_errors)
{
    const double bad[][3] = { { 0, 0, 0 }, { 0, NAN, 0 } };
    cg_error err = CG_ERROR_INIT;
    cg_record_conformer c = conformer();
    cg_record_format format;
    cg_buf b = { 0 };

    cg_buf_puts(&b, "before");
    c.xyz = bad;
    ck_assert_int_eq(cg_record_write(CG_RECORD_XYZ, &c, &b, &err), CG_ERR_INTERNAL);
    ck_assert_ptr_nonnull(strstr(err.msg, "coordinate 1 of atom 2 is not finite"));
    ck_assert_int_eq(cg_record_write(CG_RECORD_JSON, &c, &b, &err), CG_ERR_INTERNAL);
    c.xyz = NULL;
    ck_assert_int_eq(cg_record_write(CG_RECORD_XYZ, &c, &b, &err), CG_ERR_INTERNAL);
    c.xyz = xyz;
    c.atom_types = NULL;
    ck_assert_int_eq(cg_record_write(CG_RECORD_MOL2, &c, &b, &err), CG_ERR_INTERNAL);
    ck_assert_ptr_nonnull(strstr(err.msg, "no types of atoms and bonds"));
    c.text = NULL;
    ck_assert_int_eq(cg_record_write(CG_RECORD_SMILES3D, &c, &b, &err), CG_ERR_INTERNAL);
    c.molblock = "no end";
    ck_assert_int_eq(cg_record_write(CG_RECORD_SDF, &c, &b, &err), CG_ERR_INTERNAL);
    ck_assert_int_eq(cg_record_write(CG_RECORD_PDB, &c, &b, &err), CG_ERR_INTERNAL);
    c.molblock = "x\n\n\n  2  0  0  0  0  0  0  0  0  0999 V2000\n    0.0000\n";
    ck_assert_int_eq(cg_record_write(CG_RECORD_PDB, &c, &b, &err), CG_ERR_INTERNAL);
    ck_assert_ptr_nonnull(strstr(err.msg, "the molblock ends early"));
    c.molblock = "x\n\n\n  0  0  0     0  0            999 V3000\nM  END\n";
    ck_assert_int_eq(cg_record_write(CG_RECORD_PDB, &c, &b, &err), CG_ERR_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.msg, "more than 999 atoms or bonds"));
    ck_assert_str_eq(b.data, "before");
    ck_assert_int_eq(cg_record_format_parse("mol", &format, &err), CG_ERR_USAGE);
    ck_assert_str_eq(err.msg,
                     "--format 'mol': unknown, wanted sdf, mol2, pdb, xyz, smiles3d or json");
    cg_buf_finish(&b);
}
END_TEST

START_TEST(failures_are_one_line_each)
{
    cg_buf b = { 0 };

    cg_failure_write(12, "a\tb", "C\\C", -1, "no\nreason", NULL, &b);
    cg_failure_write(13, "", "CC", 4, "cut off", "[C]<\x01\r", &b);
    ck_assert_str_eq(b.data,
                     "12\ta\\tb\tC\\\\C\t-\tno\\nreason\t\n13\t\tCC\t4\tcut off\t[C]<\\x01\\r\n");
    cg_buf_clear(&b); /* formulas of spreadsheets; numbers stay */
    cg_failure_write(14, "=HYPERLINK(\"x\")", "+1-1", -1, "@x", "-2", &b);
    ck_assert_str_eq(b.data, "14\t'=HYPERLINK(\"x\")\t'+1-1\t-\t'@x\t-2\n");
    cg_buf_clear(&b); /* quotation marks of spreadsheets */
    cg_failure_write(15, "\"=1+1\"", "CC", -1, "a \"quotation\"", "\"", &b);
    ck_assert_str_eq(b.data, "15\t'\"=1+1\"\tCC\t-\ta \"quotation\"\t'\"\n");
    ck_assert_str_eq(cg_failure_header(), "line\tname\tsmiles\tgeneration\treason\ttext\n");
    cg_buf_finish(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("record");
    TCase *tc = tcase_create("record");
    SRunner *sr;
    int failed;

    tcase_add_loop_test(tc, records_are_written, 0, sizeof wanted / sizeof *wanted);
    tcase_add_loop_test(tc, records_are_read_back, 0, sizeof wanted / sizeof *wanted);
    tcase_add_test(tc, json_records_parse_as_json);
    tcase_add_loop_test(tc, odd_names_are_kept, 0, 4);
    tcase_add_test(tc, title_is_not_the_end_of_the_block);
    tcase_add_loop_test(tc, names_that_a_format_cannot_hold_are_refused, 0,
                        sizeof refused_names / sizeof *refused_names);
    tcase_add_test(tc, incomplete_conformers_are_internal_errors);
    tcase_add_test(tc, failures_are_one_line_each);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
