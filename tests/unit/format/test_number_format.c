/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <math.h>
#include <string.h>

#include "format/conformer_format.h"
#include "scratch.h"

static cg_conformer_format named(const char *name)
{
    cg_error err = CG_ERROR_INIT;
    cg_conformer_format f;

    ck_assert_msg(cg_conformer_format_named(name, &f, &err) == CG_OK, "%s", err.msg);
    return f;
}

static void assert_written(const cg_number_format *f, double x, cg_rounding rounding,
                           const char *want)
{
    char text[CG_NUMBER_MAX_TEXT];
    cg_decimal n;

    ck_assert(cg_number_from_coordinate(f, x, rounding, &n));
    ck_assert_uint_eq(cg_number_write(&n, text), strlen(want));
    ck_assert_str_eq(text, want);
}

/* The texts are those that 3DMolGen's preprocessing writes for these coordinates. */
START_TEST(texts_of_the_built_in_formats)
{
    cg_conformer_format v2 = named("molgen-v2"), v3 = named("molgen-v3"),
                        wide = named("molgen-binned-21"), narrow = named("molgen-binned-13"),
                        ends = named("molgen-binned-258");

    assert_written(&v3.number, -2.77049, CG_ROUND_TRUNCATE, "-2.7704");
    assert_written(&v3.number, 1.211, CG_ROUND_TRUNCATE, "1.2110");
    assert_written(&v3.number, -0.00009, CG_ROUND_TRUNCATE, "0.0000");
    assert_written(&v2.number, 1.2110, CG_ROUND_TRUNCATE, "1.211");
    assert_written(&v2.number, 2.00001, CG_ROUND_TRUNCATE, "2");
    assert_written(&v2.number, -0.5, CG_ROUND_NEAREST, "-0.5");
    assert_written(&v2.number, 10.0, CG_ROUND_NEAREST, "10");
    assert_written(&wide.number, -20.99, CG_ROUND_NEAREST, "0001");
    assert_written(&wide.number, 0.01, CG_ROUND_NEAREST, "0501");
    assert_written(&narrow.number, 0.01, CG_ROUND_NEAREST, "126");
    assert_written(&narrow.number, -12.99, CG_ROUND_NEAREST, "001");
    assert_written(&narrow.number, 12.95, CG_ROUND_NEAREST, "250");
    assert_written(&ends.number, -11, CG_ROUND_NEAREST, "000");
    assert_written(&ends.number, 11, CG_ROUND_NEAREST, "257");
    assert_written(&ends.number, 0.01, CG_ROUND_NEAREST, "129");
}
END_TEST

START_TEST(reading_inverts_writing)
{
    for (int i = 0; cg_conformer_format_name(i); i++) {
        cg_conformer_format f = named(cg_conformer_format_name(i));

        for (double x = -9.7; f.number.kind != CG_NUMBER_CODE && x < 9.7; x += 0.00371) {
            char text[CG_NUMBER_MAX_TEXT + 1];
            const char *wanted = NULL;
            cg_decimal n, read;
            size_t len, used;
            double back;

            ck_assert(cg_number_from_coordinate(&f.number, x, CG_ROUND_NEAREST, &n));
            len = cg_number_write(&n, text);
            text[len] = ',';
            ck_assert_msg(cg_number_parse(&f.number, text, len + 1, &read, &used, &wanted),
                          "%s: '%s': wanted %s", f.name, text, wanted);
            ck_assert_uint_eq(used, len);
            ck_assert_int_eq(read.digits, n.digits);
            ck_assert_int_eq(read.minus, n.minus);
            back = cg_number_to_coordinate(&f.number, &read);
            ck_assert_double_le(fabs(back - x), f.number.kind == CG_NUMBER_BIN ? 0.0521 : 5.1e-5);
        }
    }
}
END_TEST

START_TEST(texts_that_are_no_numbers_of_a_format)
{
    static const struct {
        const char *format, *text;
    } cases[] = {
        { "molgen-v3", "1.234" },       { "molgen-v3", "-0.0000" },
        { "molgen-v3", "01.0000" },     { "molgen-v3", "123.0000" },
        { "molgen-v3", "1" },           { "molgen-v3", "" },
        { "molgen-v2", "1.2340" },      { "molgen-v2", "1." },
        { "molgen-v2", "-0" },          { "molgen-v2", "0.0" },
        { "molgen-binned-13", "12" },   { "molgen-binned-13", "251" },
        { "molgen-binned-258", "258" }, { "molgen-binned-258", "-01" },
        { "molgen-binned-21", "042" },  { "molgen-fsq", "4096" },
        { "molgen-fsq", "017" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cg_conformer_format f = named(cases[i].format);
        const char *wanted = NULL;
        cg_decimal n;
        size_t used;

        ck_assert_msg(
            !cg_number_parse(&f.number, cases[i].text, strlen(cases[i].text), &n, &used, &wanted),
            "%s: '%s' was read", cases[i].format, cases[i].text);
        ck_assert_ptr_nonnull(wanted);
    }
}
END_TEST

START_TEST(coordinates_beyond_a_format)
{
    cg_conformer_format v3 = named("molgen-v3"), fsq = named("molgen-fsq");
    cg_decimal n;

    ck_assert(!cg_number_from_coordinate(&v3.number, 100.0, CG_ROUND_NEAREST, &n));
    ck_assert(!cg_number_from_coordinate(&v3.number, NAN, CG_ROUND_NEAREST, &n));
    ck_assert(!cg_number_from_coordinate(&v3.number, -INFINITY, CG_ROUND_NEAREST, &n));
    ck_assert(!cg_number_from_coordinate(&fsq.number, 1.0, CG_ROUND_NEAREST, &n));
}
END_TEST

static cg_status read_format(const char *text, cg_conformer_format *ret, cg_error *err)
{
    json_t *root = NULL;
    cg_status st = cg_json_parse("confgen.json", text, strlen(text), &root, err);

    if (st == CG_OK)
        st = cg_conformer_format_read(&(cg_json) { "confgen.json", "", root }, ret, err);
    json_decref(root);
    return st;
}

START_TEST(formats_of_confgen_json)
{
    cg_error err = CG_ERROR_INIT;
    cg_conformer_format f;

    ck_assert_msg(read_format("{}", &f, &err) == CG_OK, "%s", err.msg);
    ck_assert_str_eq(f.name, "molgen-v3");
    ck_assert_int_eq(f.is_changed, 0);
    ck_assert_msg(read_format("{\"format\": \"enriched-smiles-v2\", \"decimals\": 3, \"frame\": "
                              "\"first-atoms\"}",
                              &f, &err) == CG_OK,
                  "%s", err.msg);
    ck_assert_int_eq(f.number.decimals, 3);
    ck_assert_int_eq(f.frame, CG_FRAME_FIRST_ATOMS);
    ck_assert_msg(
        read_format("{\"format\": {\"name\": \"molgen-binned-21\", \"numbers\": {\"step\": "
                    "0.05}}}",
                    &f, &err) == CG_OK,
        "%s", err.msg);
    ck_assert_int_eq(f.number.n_edges, 841);
    ck_assert_int_eq(f.number.width, 3);
    ck_assert_msg(
        read_format("{\"format\": {\"layout\": \"smiles\", \"between\": \"&\", \"marks\": "
                    "[\"{\", \",\", \"\"], \"numbers\": {\"kind\": \"integer\", "
                    "\"per_angstrom\": 50, \"width\": 4}}}",
                    &f, &err) == CG_OK,
        "%s", err.msg);
    assert_written(&f.number, -1.5, CG_ROUND_NEAREST, "-0075");
    ck_assert_msg(read_format("{\"format\": {\"numbers\": {\"kind\": \"bin\", \"edges\": [-1, 0, "
                              "0.5]}}}",
                              &f, &err) == CG_OK,
                  "%s", err.msg);
    assert_written(&f.number, 0.2, CG_ROUND_NEAREST, "002");
}
END_TEST

START_TEST(refused_formats_of_confgen_json)
{
    static const struct {
        const char *json, *message;
    } cases[] = {
        { "{\"format\": \"molgen-spherical\"}", "spherical form of early 2025 is not supported" },
        { "{\"format\": \"molgen-v9\"}", "wanted molgen-v1" },
        { "{\"format\": 3}", "a name or an object" },
        { "{\"format\": {\"layuot\": \"atoms\"}}", "unknown key \"layuot\"" },
        { "{\"format\": {\"layout\": \"tokens\"}}", "\"tokens\" with codes" },
        { "{\"format\": {\"marks\": [\"<\", \"\", \">\"]}}", "a text between numbers" },
        { "{\"format\": {\"marks\": [\"1\", \",\", \">\"]}}", "no digits" },
        { "{\"format\": {\"numbers\": {\"low\": -9, \"high\": 9, \"bins\": 9}}}",
          "no such member" },
        { "{\"format\": {\"numbers\": {\"width\": 4}}}", "no such member" },
        { "{\"format\": {\"name\": \"molgen-binned-13\", \"numbers\": {\"width\": 2}}}",
          "the digits of the last bin" },
        { "{\"format\": {\"numbers\": {\"kind\": \"bin\", \"edges\": [0, 1], \"open_ends\": "
          "false}}}",
          "whose ends are open" },
        { "{\"format\": {\"layout\": \"smiles\"}}", "between the SMILES and the numbers" },
        { "{\"format\": {\"numbers\": {\"kind\": \"bin\"}}}", "low" },
        { "{\"format\": {\"numbers\": {\"kind\": \"bin\", \"edges\": [1, 0]}}}", "number 2" },
        { "{\"format\": {\"numbers\": {\"kind\": \"bin\", \"low\": 0, \"high\": 1, \"step\": 1, "
          "\"bins\": 2}}}",
          "either step or bins" },
        { "{\"format\": {\"between\": \"&\"}}", "the layout is not" },
        { "{\"format\": {\"layout\": \"smiles\", \"between\": \"C&\"}}", "no SMILES has" },
        { "{\"format\": {\"numbers\": {\"decimals\": 3}}, \"decimals\": 4}", "states it too" },
        { "{\"format\": {\"frame\": \"none\"}, \"frame\": \"centred\"}", "states it too" },
        { "{\"format\": \"molgen-binned-13\", \"decimals\": 3}", "are no decimals" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cg_error err = CG_ERROR_INIT;
        cg_conformer_format f;

        ck_assert_msg(read_format(cases[i].json, &f, &err) != CG_OK, "%s", cases[i].json);
        ck_assert_msg(strstr(err.msg, cases[i].message) != NULL, "%s: %s", cases[i].json, err.msg);
    }
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("formats");

    tcase_add_test(tc, texts_of_the_built_in_formats);
    tcase_add_test(tc, reading_inverts_writing);
    tcase_add_test(tc, texts_that_are_no_numbers_of_a_format);
    tcase_add_test(tc, coordinates_beyond_a_format);
    tcase_add_test(tc, formats_of_confgen_json);
    tcase_add_test(tc, refused_formats_of_confgen_json);
    return run_suite("format", &tc, 1);
}
