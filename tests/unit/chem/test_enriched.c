/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chem/enriched.h"
#include "chem/fixed.h"
#include "chem/coordinate_frame.h"
#include "format_made.h"

static cg_enriched_split split_ok(const char *smiles)
{
    cg_error err = CG_ERROR_INIT;
    cg_enriched_split s = { 0 };

    ck_assert_msg(cg_enriched_split_smiles(smiles, strlen(smiles), format_of_decimals(4, 2), &s,
                                           &err) == CG_OK,
                  "'%s': %s", smiles, err.msg);
    return s;
}

static void assert_literal(const cg_enriched_split *s, size_t i, const char *want)
{
    size_t n = s->literal_at[i + 1] - s->literal_at[i];

    ck_assert_msg(n == strlen(want) && memcmp(s->text + s->literal_at[i], want, n) == 0,
                  "literal %zu is '%.*s', wanted '%s'", i, (int)n, s->text + s->literal_at[i],
                  want);
}

START_TEST(literals_and_descriptors)
{
    cg_enriched_split s = split_ok("C[C@@H]1(Cl)/N=c2\\[nH]c%12.[2H]%12C21");

    ck_assert_uint_eq(s.n_atoms, 9);
    assert_literal(&s, 0, "[C]<");
    assert_literal(&s, 1, ">[C@@H]<");
    assert_literal(&s, 2, ">1([Cl]<");
    assert_literal(&s, 3, ">)/[N]<");
    assert_literal(&s, 4, ">=[c]<");
    assert_literal(&s, 5, ">2\\[nH]<");
    assert_literal(&s, 6, ">[c]<");
    assert_literal(&s, 7, ">%12.[2H]<");
    assert_literal(&s, 8, ">%12[C]<");
    assert_literal(&s, 9, ">21");
    ck_assert_uint_eq(s.n_groups, s.n_atoms);
    ck_assert_uint_eq(strlen(s.text), s.literal_at[s.n_atoms + 1]);
    cg_enriched_split_finish(&s);
    cg_enriched_split_finish(&s); /* may be repeated */
    cg_enriched_split_finish(NULL);
}
END_TEST

START_TEST(ambiguous_brackets_are_refused)
{
    static const char *texts[] = { "[C]O", "C[O]", "C[N]C", "[Cl]", "[n]1ccccc1", "[B]", "*C" };
    cg_error err = CG_ERROR_INIT;
    cg_enriched_split s = { 0 };

    ck_assert_int_eq(
        cg_enriched_split_smiles(texts[_i], strlen(texts[_i]), format_of_decimals(4, 2), &s, &err),
        CG_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.msg, "mistaken"));
    ck_assert_ptr_null(s.text);
}
END_TEST

/* The atom is that of the text that was parsed, not of the canonical SMILES. */
START_TEST(radicals_are_named)
{
    static const char *const cases[][2] = {
        { "CC(C)(C)N([O])C(C)(C)C", "radical [O] (atom 6): radical atoms without hydrogens are not "
                                    "supported; an atom in brackets" },
        { "C[P@](=O)CC", "radical [P@] (atom 2)" },
        { "[H]OC([H])([O])[H]", "radical [O] (atom 5)" },
        { "CC[O]C[O]", "radical [O] (atom 5)" },
        { "[CH2]C[O]", "radical [O] (atom 3)" },
        { "CC[C]C", "radical [C] (atom 3)" },
        { "C[S@@]([2H])CC", "radical [S@@] (atom 2)" },
        { "[2H][C]([2H])C", "radical [C] (atom 2)" },
    };

    for (size_t i = 0; CG_RDKIT_ADAPTER && i < sizeof cases / sizeof *cases; i++) {
        cg_error err = CG_ERROR_INIT;
        cg_molecule *mol = NULL;
        cg_enriched_split s = { 0 };

        ck_assert_int_eq(cg_molecule_parse(cases[i][0], strlen(cases[i][0]), &mol, &err), CG_OK);
        ck_assert_int_eq(cg_enriched_split_molecule(mol, format_of_decimals(4, 2), &s, &err),
                         CG_ERR_UNSUPPORTED);
        ck_assert_msg(strstr(err.msg, cases[i][1]) != NULL, "'%s': %s", cases[i][0], err.msg);
        cg_molecule_destroy(mol);
    }
}
END_TEST

static const struct {
    double v;
    int decimals;
    const char *text;
} numbers[] = {
    { 0.0, 3, "0.000" },          { -0.0, 3, "0.000" },         { -0.0009, 3, "0.000" },
    { 0.0009, 3, "0.000" },       { -0.001, 3, "-0.001" },      { 1.9999, 3, "1.999" },
    { -1.9999, 3, "-1.999" },     { 1.001, 3, "1.001" },        { 4.0180, 3, "4.018" },
    { 12.3456, 4, "12.3456" },    { -12.34569, 4, "-12.3456" }, { 99.9999, 3, "99.999" },
    { -99.99996, 4, "-99.9999" }, { 0.05, 4, "0.0500" },        { 0.1 + 0.2, 3, "0.300" },
    { 8.199999, 1, "8.1" },       { 1.005, 6, "1.005000" },
};

START_TEST(numbers_are_truncated_toward_zero)
{
    cg_error err = CG_ERROR_INIT;
    cg_enriched_split s = split_ok("C");
    double xyz[1][3] = { { numbers[_i].v, 0.0, 0.0 } };
    char buf[128], want[128];
    size_t len = 0;

    ck_assert_int_eq(cg_enriched_write(&s, format_of_decimals(numbers[_i].decimals, 2),
                                       (const double(*)[3])xyz, buf, sizeof buf, &len, &err),
                     CG_OK);
    snprintf(want, sizeof want, "[C]<%s,%.*f,%.*f>", numbers[_i].text, numbers[_i].decimals, 0.0,
             numbers[_i].decimals, 0.0);
    ck_assert_str_eq(buf, want);
    ck_assert_uint_eq(len, strlen(want));
    ck_assert_uint_lt(len, cg_enriched_bound(&s));
    cg_enriched_split_finish(&s);
}
END_TEST

START_TEST(every_number_round_trips)
{
    cg_error err = CG_ERROR_INIT;
    cg_enriched_split s = split_ok("C");

    for (int decimals = 3; decimals <= 4; decimals++)
        for (int64_t u = -99999; u <= 99999; u += 7) {
            char text[128], rewritten[128], number[CG_FIXED_MAX + 1];
            double xyz[1][3];
            size_t len;

            number[cg_fixed_write(u, decimals, number)] = '\0';
            len = (size_t)snprintf(text, sizeof text, "[C]<%s,%s,%s>", number, number, number);
            ck_assert_int_eq(
                cg_enriched_read(&s, format_of_decimals(decimals, 2), text, len, xyz, &err), CG_OK);
            ck_assert_double_eq(xyz[0][1], strtod(number, NULL));
            ck_assert_int_eq(cg_enriched_write(&s, format_of_decimals(decimals, 2),
                                               (const double(*)[3])xyz, rewritten, sizeof rewritten,
                                               &len, &err),
                             CG_OK);
            ck_assert_str_eq(rewritten, text);
        }
    cg_enriched_split_finish(&s);
}
END_TEST

START_TEST(numbers_out_of_range_are_refused)
{
    static const double bad[] = { 100.0, -100.0, 1e300, -1e7, NAN, INFINITY, -INFINITY };
    cg_error err = CG_ERROR_INIT;
    cg_enriched_split s = split_ok("C");
    char buf[128];
    size_t len;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        double xyz[1][3] = { { 0.0, 0.0, bad[i] } };

        ck_assert_int_eq(cg_enriched_write(&s, format_of_decimals(3, 2), (const double(*)[3])xyz,
                                           buf, sizeof buf, &len, &err),
                         CG_ERR_LIMIT);
        ck_assert_ptr_nonnull(strstr(err.msg, "atom 1: found the coordinate"));
    }
    cg_enriched_split_finish(&s);
}
END_TEST

START_TEST(short_buffer_is_refused)
{
    cg_error err = CG_ERROR_INIT;
    cg_enriched_split s = split_ok("C");
    double xyz[1][3] = { { 0.0, 0.0, 0.0 } };
    char buf[10];
    size_t len;

    ck_assert_int_eq(cg_enriched_write(&s, format_of_decimals(3, 2), (const double(*)[3])xyz, buf,
                                       sizeof buf, &len, &err),
                     CG_ERR_LIMIT);
    cg_enriched_split_finish(&s);
}
END_TEST

START_TEST(text_is_parsed)
{
    static const char text[] =
        "[C]<0.000,0.000,0.000>[NH3+]<1.520,0.000,0.000>1([cH-]<-2.010,1.398,-0.001>=1)";
    cg_error err = CG_ERROR_INIT;
    cg_enriched e = { 0 };

    ck_assert_msg(cg_enriched_parse(text, strlen(text), format_of_decimals(3, 2), &e, &err) ==
                      CG_OK,
                  "%s", err.msg);
    ck_assert_str_eq(e.smiles, "C[NH3+]1([cH-]=1)");
    ck_assert_uint_eq(e.smiles_len, strlen(e.smiles));
    ck_assert_uint_eq(e.n_atoms, 3);
    ck_assert_double_eq(e.xyz[2][0], -2.010);
    ck_assert_double_eq(e.xyz[2][1], 1.398);
    ck_assert_double_eq(e.xyz[2][2], -0.001);
    cg_enriched_finish(&e);
    cg_enriched_finish(NULL);
}
END_TEST

static const struct {
    const char *text, *message;
} bad_texts[] = {
    { "", "offset 0: found the end, wanted at least one atom" },
    { "C<0.000,0.000,0.000>", "offset 0: found 'C', wanted '[' of an atom" },
    { "[C]", "offset 3: found the end, wanted '<' after an atom" },
    { "[C<0.000", "offset 8: found the end, wanted ']'" },
    { "[C][C]<0.000,0.000,0.000>", "offset 3: found '[', wanted '<'" },
    { "[C]<0.000,0.000>", "offset 15: found '>', wanted ',' between" },
    { "[C]<0.000,0.000,0.000,0.000>", "offset 21: found ',', wanted '>'" },
    { "[C]<0.000,0.000,0.00>", "offset 20: found '>', wanted another digit" },
    { "[C]<0.000,0.000,0.0000>", "offset 21: found '0', wanted '>'" },
    { "[C]<0.000,0.000,-0.000>", "offset 16: found '-', wanted a zero without a sign" },
    { "[C]<01.000,0.000,0.000>", "offset 5: found '1', wanted '.': a number has no leading zero" },
    { "[C]<123.000,0.000,0.000>", "offset 6: found '3', wanted '.': the number has all" },
    { "[C]<.000,0.000,0.000>", "offset 4: found '.', wanted a number" },
    { "[C]<+1.000,0.000,0.000>", "offset 4: found '+', wanted a number" },
    { "[C]<--1.000,0.000,0.000>", "offset 5: found '-', wanted a digit" },
    { "[C]<1,0.000,0.000>", "offset 5: found ',', wanted '.'" },
    { "[C]<1e0,0.000,0.000>", "offset 5: found 'e', wanted '.'" },
    { "[C]< 1.000,0.000,0.000>", "offset 4: found byte 0x20" },
    { "[C]<0.000,0.000,0.000", "offset 21: found the end, wanted '>'" },
    { "[C]<0.000,0.000,0.000>\n", "offset 22: found byte 0x0a" },
    { "[C]<0.000,0.000,0.000>C", "offset 22: found 'C'" },
    { "[C]<0.000,0.000,0.000>1", "without coordinates: SMILES offset 1: unclosed ring bond 1" },
    { "[C]<0.000,0.000,0.000>=", "without coordinates: SMILES offset 2" },
    { "[Xx]<0.000,0.000,0.000>", "wanted an element symbol" },
    { "[]<0.000,0.000,0.000>", "wanted an element symbol" },
    { "[[C]]<0.000,0.000,0.000>", "offset 4: found ']', wanted '<'" },
};

START_TEST(errors_name_the_offset)
{
    cg_error err = CG_ERROR_INIT;
    cg_enriched e = { 0 };
    const char *text = bad_texts[_i].text;

    ck_assert_int_eq(cg_enriched_parse(text, strlen(text), format_of_decimals(3, 2), &e, &err),
                     CG_ERR_INPUT);
    ck_assert_msg(strstr(err.msg, bad_texts[_i].message) != NULL, "'%s' gave: %s", text, err.msg);
    ck_assert_ptr_null(e.smiles);
}
END_TEST

/* Texts of each built-in format; those of molgen-v2 and molgen-binned-258 are published samples. */
static const struct {
    const char *format, *smiles, *text;
    double last[3]; /* Å, of the last atom */
} format_texts[] = {
    { "molgen-v1",
      "CC[NH3+]",
      "C<-2.7704,-2.1829,1.2110>C<0.0000,0.5000,1.0000>[NH3+]<1.0000,2.0000,-3.5000>",
      { 1, 2, -3.5 } },
    { "molgen-v2",
      "NC(=O)[C@H](F)n1ccnc1",
      "[NH2]<0.6151,-3.0582,-1.1726>[C]<-0.1242,-2.6813,-0.0853>(=[O]<-0.1331,-3.3685,0.9161>)[C@H]"
      "<"
      "-0.1531,-0.3121,-1.0482>([F]<1,2,0>)[n]<1.2598,-0.0391,-0.5542>1[c]<2.3206,-0.511,-1.3215>["
      "c]<"
      "3.6391,-0.3053,-0.961>[n]<3.9421,0.4178,0.1804>[c]<2.9125,0.9311,10>1",
      { 2.9125, 0.9311, 10 } },
    { "molgen-v2",
      "CS(C)(=N)=NC(=S)PB",
      "[C]<0,0,0>[S]<0,0,0>([C]<0,0,0>)(=[NH]<0,0,0>)=[N]<0,0,0>[C]<0,0,0>(=[S]<0,0,0>)[PH]<0,0,0>"
      "[BH2]<0,0,-0.5>",
      { 0, 0, -0.5 } },
    { "molgen-v3",
      "C=O",
      "[C]<-2.7704,-2.1829,1.2110>=[O]<0.0000,0.5000,-1.0000>",
      { 0, 0.5, -1 } },
    { "molgen-binned-21",
      "C=O",
      "[C]<0001,0500,1000>=[O]<0501,0512,0548>",
      { 0.021, 0.483, 1.995 } },
    { "molgen-binned-13", "C=O", "[C]<001,125,250>=[O]<126,130,144>", { 0.052, 0.468, 1.924 } },
    { "molgen-binned-258",
      "CC",
      "[C]128130125;[C]100000257;",
      { -2.37965, -10.574765862560271, 10.510156147575572 } },
};

START_TEST(formats_are_read_and_written)
{
    cg_conformer_format f = format_named(format_texts[_i].format);
    const char *text = format_texts[_i].text;
    cg_error err = CG_ERROR_INIT;
    cg_enriched e = { 0 };
    cg_enriched_split s = { 0 };
    double xyz[16][3];
    char *written;
    size_t len;

    ck_assert_msg(cg_enriched_parse(text, strlen(text), &f, &e, &err) == CG_OK, "%s", err.msg);
    ck_assert_str_eq(e.smiles, format_texts[_i].smiles);
    for (int k = 0; k < 3; k++)
        ck_assert_double_eq_tol(e.xyz[e.n_atoms - 1][k], format_texts[_i].last[k], 2e-4);
    ck_assert_msg(cg_enriched_split_smiles(e.smiles, e.smiles_len, &f, &s, &err) == CG_OK, "%s",
                  err.msg);
    ck_assert_msg(cg_enriched_read(&s, &f, text, strlen(text), xyz, &err) == CG_OK, "%s", err.msg);
    ck_assert_mem_eq(xyz, e.xyz, e.n_atoms * sizeof *xyz);
    written = malloc(cg_enriched_bound(&s));
    ck_assert_ptr_nonnull(written);
    if (f.number.kind == CG_NUMBER_BIN && f.number.n_values > f.number.n_edges)
        xyz[1][1] -= 1, xyz[1][2] += 1; /* the open ends: beyond the outermost edges */
    ck_assert_int_eq(cg_enriched_write(&s, &f, (const double(*)[3])xyz, written,
                                       cg_enriched_bound(&s), &len, &err),
                     CG_OK);
    ck_assert_str_eq(written, text);
    free(written);
    cg_enriched_split_finish(&s);
    cg_enriched_finish(&e);
}
END_TEST

START_TEST(codes_follow_every_token)
{
    static const char text[] = "[C]<123>(<45>=<4095>[O]<678>)<90>[N]<0>%12<7>[C]<1>[N]<2>%12<3>";
    cg_conformer_format f = format_named("molgen-fsq");
    cg_error err = CG_ERROR_INIT;
    cg_enriched e = { 0 };
    cg_enriched_split s = { 0 };
    int32_t codes[16];
    char written[2048];
    size_t len;

    ck_assert_msg(cg_enriched_parse(text, strlen(text), &f, &e, &err) == CG_OK, "%s", err.msg);
    ck_assert_str_eq(e.smiles, "C(=O)N%12CN%12");
    ck_assert_uint_eq(e.n_codes, 10);
    ck_assert_int_eq(e.codes[2], 4095);
    ck_assert_msg(cg_enriched_split_smiles(e.smiles, e.smiles_len, &f, &s, &err) == CG_OK, "%s",
                  err.msg);
    ck_assert_uint_eq(s.n_groups, 10);
    ck_assert_uint_eq(s.n_atoms, 5);
    assert_literal(&s, 0, "[C]");
    assert_literal(&s, 6, "%12");
    assert_literal(&s, 10, "");
    ck_assert_int_eq(cg_enriched_read_codes(&s, &f, text, strlen(text), codes, &err), CG_OK);
    ck_assert_mem_eq(codes, e.codes, 10 * sizeof *codes);
    ck_assert_int_eq(cg_enriched_write_codes(&s, &f, codes, written, sizeof written, &len, &err),
                     CG_OK);
    ck_assert_str_eq(written, text);
    codes[0] = 4096;
    ck_assert_int_eq(cg_enriched_write_codes(&s, &f, codes, written, sizeof written, &len, &err),
                     CG_ERR_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.msg, "found code 4096, wanted 0 to 4095"));
    cg_enriched_split_finish(&s);
    cg_enriched_finish(&e);
}
END_TEST

START_TEST(coordinates_follow_the_smiles)
{
    static const char text[] =
        "C[C@H](F)Cl&{0012,-0003,0000{0001,0002,0003{0000,0000,0000{-0120,9999,"
        "0001";
    cg_conformer_format f = format_named("molgen-v1");
    cg_error err = CG_ERROR_INIT;
    cg_enriched e = { 0 };
    cg_enriched_split s = { 0 };

    f.layout = CG_LAYOUT_SMILES;
    strcpy(f.open, "{");
    strcpy(f.close, "");
    strcpy(f.between, "&");
    f.number = (cg_number_format) {
        .kind = CG_NUMBER_INTEGER, .max_integer_digits = 4, .width = 4, .per_angstrom = 10
    };
    ck_assert_msg(cg_enriched_parse(text, strlen(text), &f, &e, &err) == CG_OK, "%s", err.msg);
    ck_assert_str_eq(e.smiles, "C[C@H](F)Cl");
    ck_assert_double_eq_tol(e.xyz[3][0], -12, 1e-12);
    ck_assert_double_eq_tol(e.xyz[3][1], 999.9, 1e-12);
    ck_assert_int_eq(cg_enriched_split_smiles(e.smiles, e.smiles_len, &f, &s, &err), CG_OK);
    assert_literal(&s, 0, "C[C@H](F)Cl&{");
    assert_literal(&s, 1, "{");
    assert_literal(&s, 4, "");
    cg_enriched_split_finish(&s);
    cg_enriched_finish(&e);
}
END_TEST

static const struct {
    const char *format, *text, *message;
} refused_texts[] = {
    { "molgen-v2", "[C]<0,0,0>[NH3]<0,0,0>", "wanted '2'" },
    { "molgen-v2", "[N]<0,0,0>", "offset 2: found ']', wanted 'H'" },
    { "molgen-v2", "[OH2]<0.50,0,0>", "a digit other than 0 at the end" },
    { "molgen-v1", "C<0.0000,0.0000,0.0000>x", "an atom, a bond" },
    { "molgen-binned-258", "[C]128130;", "another digit" },
    { "molgen-binned-258", "[C]128130258;", "an index below the number of values" },
    { "molgen-binned-13", "[C]<128,130>", "',' between coordinates" },
    { "molgen-fsq", "[C]<1>(<2>[O]<3>)", "'<' before a code" },
    { "molgen-fsq", "[C]<01>", "no leading zero" },
};

START_TEST(texts_of_other_formats_are_refused)
{
    cg_conformer_format f = format_named(refused_texts[_i].format);
    cg_error err = CG_ERROR_INIT;
    cg_enriched e = { 0 };

    ck_assert_int_eq(
        cg_enriched_parse(refused_texts[_i].text, strlen(refused_texts[_i].text), &f, &e, &err),
        CG_ERR_INPUT);
    ck_assert_msg(strstr(err.msg, refused_texts[_i].message) != NULL, "%s", err.msg);
}
END_TEST

START_TEST(literals_of_a_known_molecule_must_match)
{
    static const struct {
        const char *text, *message; /* NULL: accepted */
    } cases[] = {
        { "[C]<0.000,0.000,0.000>=[O]<1.200,0.000,0.000>", NULL },
        { "[C]<0.000,0.000,0.000>#[O]<1.200,0.000,0.000>",
          "offset 22: found '#', wanted '=' of the molecule's text before coordinates 2 of 3" },
        { "[C]<0.000,0.000,0.000>=[N]<1.200,0.000,0.000>", "offset 24: found 'N', wanted 'O'" },
        { "[C]<0.000,0.000,0.000>", "offset 22: found the end, wanted '='" },
        { "[C]<0.000,0.000,0.000>=[O]<1.200,0.000,0.000>.",
          "offset 45: found '.', wanted the end" },
        { "[C]<0.000,0.000,0.000>=[O]<1.200,0.000,0.00>", "offset 43: found '>'" },
        { "", "offset 0: found the end, wanted '['" },
    };
    cg_error err = CG_ERROR_INIT;
    cg_enriched_split s = split_ok("C=O");
    double xyz[2][3];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cg_status st = cg_enriched_read(&s, format_of_decimals(3, 2), cases[i].text,
                                        strlen(cases[i].text), xyz, &err);

        ck_assert_int_eq(st, cases[i].message ? CG_ERR_INPUT : CG_OK);
        if (cases[i].message)
            ck_assert_msg(strstr(err.msg, cases[i].message) != NULL, "'%s' gave: %s", cases[i].text,
                          err.msg);
        else
            ck_assert_double_eq(xyz[1][0], 1.2);
    }
    cg_enriched_split_finish(&s);
}
END_TEST

/* ---- coordinate frame -------------------------------------------------------------------- */

static double distance(const double a[3], const double b[3])
{
    return sqrt((a[0] - b[0]) * (a[0] - b[0]) + (a[1] - b[1]) * (a[1] - b[1]) +
                (a[2] - b[2]) * (a[2] - b[2]));
}

static double volume(double (*p)[3], size_t a, size_t b, size_t c, size_t d)
{
    double u[3], v[3], w[3];

    for (int k = 0; k < 3; k++) {
        u[k] = p[b][k] - p[a][k];
        v[k] = p[c][k] - p[a][k];
        w[k] = p[d][k] - p[a][k];
    }
    return u[0] * (v[1] * w[2] - v[2] * w[1]) - u[1] * (v[0] * w[2] - v[2] * w[0]) +
           u[2] * (v[0] * w[1] - v[1] * w[0]);
}

START_TEST(frame_is_canonical_and_preserves_geometry)
{
    enum { N = 7 };
    double p[N][3], q[N][3];
    uint64_t state = 12345u + (uint64_t)_i * 7919u;
    cg_error err = CG_ERROR_INIT;

    for (int i = 0; i < N; i++)
        for (int k = 0; k < 3; k++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            p[i][k] = q[i][k] = (double)(state >> 40) / (double)(1 << 22) - 2.0;
        }
    if (_i % 2) /* atom 2 on the axis: atom 3 fixes the plane */
        for (int k = 0; k < 3; k++)
            p[2][k] = q[2][k] = p[0][k] + 2.5 * (p[1][k] - p[0][k]);
    ck_assert_int_eq(cg_coordinate_frame_first_atoms(q, N, &err), CG_OK);
    for (int k = 0; k < 3; k++)
        ck_assert_double_eq_tol(q[0][k], 0.0, 1e-12);
    ck_assert_double_gt(q[1][0], 0.0);
    ck_assert_double_eq_tol(q[1][1], 0.0, 1e-12);
    ck_assert_double_eq_tol(q[1][2], 0.0, 1e-12);
    ck_assert_double_gt(q[2 + _i % 2][1], 0.0);
    ck_assert_double_eq_tol(q[2 + _i % 2][2], 0.0, 1e-12);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < i; j++)
            ck_assert_double_eq_tol(distance(p[i], p[j]), distance(q[i], q[j]), 1e-10);
    ck_assert_double_eq_tol(volume(p, 0, 3, 4, 5), volume(q, 0, 3, 4, 5), 1e-9);
}
END_TEST

START_TEST(centred_frame)
{
    double p[2][3] = { { 1, 2, 3 }, { 3, 2, -1 } };
    cg_error err = CG_ERROR_INIT;

    ck_assert_int_eq(cg_coordinate_frame_apply(CG_FRAME_NONE, p, 2, &err), CG_OK);
    ck_assert_double_eq(p[0][0], 1);
    ck_assert_int_eq(cg_coordinate_frame_apply(CG_FRAME_CENTRED, p, 2, &err), CG_OK);
    ck_assert_double_eq(p[0][0], -1);
    ck_assert_double_eq(p[1][1], 0);
    ck_assert_double_eq(p[1][2], -2);
    p[0][1] = NAN;
    ck_assert_int_eq(cg_coordinate_frame_apply(CG_FRAME_CENTRED, p, 2, &err), CG_ERR_INPUT);
}
END_TEST

START_TEST(frame_of_few_or_aligned_atoms)
{
    double one[1][3] = { { 1.0, 2.0, 3.0 } };
    double line[3][3] = { { 1.0, 1.0, 1.0 }, { 1.0, 1.0, 2.0 }, { 1.0, 1.0, -1.0 } };
    double same[2][3] = { { 1.0, 1.0, 1.0 }, { 1.0, 1.0, 1.0 } };
    double nan_atom[2][3] = { { 1.0, 1.0, 1.0 }, { NAN, 1.0, 1.0 } };
    cg_error err = CG_ERROR_INIT;

    ck_assert_int_eq(cg_coordinate_frame_first_atoms(one, 0, &err), CG_OK);
    ck_assert_double_eq(one[0][1], 2.0);
    ck_assert_int_eq(cg_coordinate_frame_first_atoms(one, 1, &err), CG_OK);
    ck_assert_double_eq(one[0][1], 0.0);
    ck_assert_int_eq(cg_coordinate_frame_first_atoms(line, 3, &err), CG_OK);
    ck_assert_double_eq_tol(line[1][0], 1.0, 1e-12);
    ck_assert_double_eq_tol(line[2][0], -2.0, 1e-12);
    ck_assert_double_eq_tol(line[2][1], 0.0, 1e-12);
    ck_assert_int_eq(cg_coordinate_frame_first_atoms(same, 2, &err), CG_ERR_INPUT);
    ck_assert_ptr_nonnull(strstr(err.msg, "atoms 1 and 2"));
    ck_assert_double_eq(same[0][0], 1.0);
    ck_assert_int_eq(cg_coordinate_frame_first_atoms(nan_atom, 2, &err), CG_ERR_INPUT);
    ck_assert_ptr_nonnull(strstr(err.msg, "atom 2"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("chem_enriched");
    TCase *tc = tcase_create("enriched text and coordinate frame");
    SRunner *sr;
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, literals_and_descriptors);
    tcase_add_loop_test(tc, ambiguous_brackets_are_refused, 0, 7);
    tcase_add_test(tc, radicals_are_named);
    tcase_add_loop_test(tc, numbers_are_truncated_toward_zero, 0, sizeof numbers / sizeof *numbers);
    tcase_add_test(tc, every_number_round_trips);
    tcase_add_test(tc, numbers_out_of_range_are_refused);
    tcase_add_test(tc, short_buffer_is_refused);
    tcase_add_test(tc, text_is_parsed);
    tcase_add_loop_test(tc, errors_name_the_offset, 0, sizeof bad_texts / sizeof *bad_texts);
    tcase_add_loop_test(tc, formats_are_read_and_written, 0,
                        sizeof format_texts / sizeof *format_texts);
    tcase_add_test(tc, codes_follow_every_token);
    tcase_add_test(tc, coordinates_follow_the_smiles);
    tcase_add_loop_test(tc, texts_of_other_formats_are_refused, 0,
                        sizeof refused_texts / sizeof *refused_texts);
    tcase_add_test(tc, literals_of_a_known_molecule_must_match);
    tcase_add_loop_test(tc, frame_is_canonical_and_preserves_geometry, 0, 20);
    tcase_add_test(tc, centred_frame);
    tcase_add_test(tc, frame_of_few_or_aligned_atoms);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
