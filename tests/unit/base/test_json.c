/* SPDX-License-Identifier: MIT */
#include "base/json.h"
#include "scratch.h"

static json_t *root;

static cg_json parse(const char *text)
{
    cg_error err = CG_ERROR_INIT;

    ck_assert_msg(cg_json_parse("f.json", text, strlen(text), &root, &err) == CG_OK, "%s", err.msg);
    return (cg_json) { "f.json", "", root };
}

static void release(void)
{
    json_decref(root);
    root = NULL;
}

START_TEST(syntax_errors_name_line_and_column)
{
    static const struct {
        const char *text, *where;
    } bad[] = {
        { "", "f.json:1:0: " },
        { "{\n \"a\": 1,\n \"b\" 2}", "f.json:3:6: " },
        { "{\"a\": 1} x", "f.json:1:10: " },
        { "{\"a\": 1, \"a\": 2}", "duplicate object key" },
        { "[1]", "wanted a JSON object" },
        { "{\"a\": NaN}", "invalid token" },
        { "{\"a\": \"\\u0000\"}", "\\u0000 is not allowed" },
        { "{\"a\": \"\xff\"}", "unable to decode byte" },
        { "{\"a\": 1e999}", "real number overflow" },
    };
    cg_error err = CG_ERROR_INIT;
    json_t *r = NULL;

    ck_assert_int_eq(cg_json_parse("f.json", bad[_i].text, strlen(bad[_i].text), &r, &err),
                     CG_ERR_FORMAT);
    ck_assert_contains(err.msg, bad[_i].where);
    ck_assert_ptr_null(r);
}
END_TEST

START_TEST(deep_nesting_is_refused)
{
    enum { N = 1000000 };
    char *text = malloc(N);
    cg_error err = CG_ERROR_INIT;
    json_t *r = NULL;

    memcpy(text, "{\"a\":", 5);
    memset(text + 5, '[', N - 5);
    ck_assert_int_eq(cg_json_parse("f.json", text, N, &r, &err), CG_ERR_FORMAT);
    ck_assert_contains(err.msg, "maximum parsing depth");
    free(text);
}
END_TEST

START_TEST(getters_check_type_and_range)
{
    cg_json o =
        parse("{\"i\": 7, \"r\": 2.5, \"e\": 1e6, \"b\": true, \"s\": \"text\", \"n\": null}");
    cg_error err = CG_ERROR_INIT;
    int64_t i = -1;
    double r = -1;
    int b = -1;
    const char *s = NULL;

    ck_assert_int_eq(cg_json_int(&o, "i", 1, 7, 7, &i, &err), CG_OK);
    ck_assert_int_eq(i, 7);
    ck_assert_int_eq(cg_json_int(&o, "e", 1, 0, 1000000, &i, &err), CG_OK);
    ck_assert_int_eq(i, 1000000);
    ck_assert_int_eq(cg_json_real(&o, "r", 1, 0, 3, &r, &err), CG_OK);
    ck_assert_double_eq(r, 2.5);
    ck_assert_int_eq(cg_json_real(&o, "i", 1, 0, 7, &r, &err), CG_OK);
    ck_assert_double_eq(r, 7);
    ck_assert_int_eq(cg_json_bool(&o, "b", 1, &b, &err), CG_OK);
    ck_assert_int_eq(b, 1);
    ck_assert_int_eq(cg_json_string(&o, "s", 1, &s, &err), CG_OK);
    ck_assert_str_eq(s, "text");

    /* absent and null: optional keeps the value, required fails */
    i = 5;
    ck_assert_int_eq(cg_json_int(&o, "n", 0, 0, 9, &i, &err), CG_OK);
    ck_assert_int_eq(cg_json_int(&o, "absent", 0, 0, 9, &i, &err), CG_OK);
    ck_assert_int_eq(i, 5);
    ck_assert_int_eq(cg_json_int(&o, "n", 1, 0, 9, &i, &err), CG_ERR_FORMAT);
    ck_assert_str_eq(err.msg, "f.json: n: found nothing, wanted a whole number from 0 to 9");
    ck_assert_int_eq(cg_json_bool(&o, "n", 1, &b, &err), CG_ERR_FORMAT);
    ck_assert_int_eq(cg_json_string(&o, "n", 1, &s, &err), CG_ERR_FORMAT);
    ck_assert_int_eq(cg_json_real(&o, "n", 1, 0, 1, &r, &err), CG_ERR_FORMAT);

    ck_assert_int_eq(cg_json_int(&o, "i", 1, 8, 9, &i, &err), CG_ERR_FORMAT);
    ck_assert_str_eq(err.msg, "f.json: i: found 7, wanted a whole number from 8 to 9");
    ck_assert_int_eq(cg_json_int(&o, "r", 1, 0, 9, &i, &err), CG_ERR_FORMAT);
    ck_assert_int_eq(cg_json_int(&o, "s", 1, 0, 9, &i, &err), CG_ERR_FORMAT);
    ck_assert_str_eq(err.msg, "f.json: s: found \"text\", wanted a whole number from 0 to 9");
    ck_assert_int_eq(cg_json_real(&o, "r", 1, 3, 4, &r, &err), CG_ERR_FORMAT);
    ck_assert_int_eq(cg_json_real(&o, "b", 1, 3, 4, &r, &err), CG_ERR_FORMAT);
    ck_assert_str_eq(err.msg, "f.json: b: found true, wanted a number from 3 to 4");
    ck_assert_int_eq(cg_json_bool(&o, "i", 1, &b, &err), CG_ERR_FORMAT);
    ck_assert_int_eq(cg_json_string(&o, "i", 1, &s, &err), CG_ERR_FORMAT);
    release();
}
END_TEST

START_TEST(errors_carry_path_and_shortened_value)
{
    cg_json o = parse("{\"s\": \"0123456789012345678901234567890123456789012345\", "
                      "\"l\": [1, 2], \"o\": {}, \"f\": false, \"r\": 0.5}");
    cg_error err = CG_ERROR_INIT;
    static const char *const keys[] = { "s", "l", "o", "f", "r", "none" };
    static const char *const texts[] = {
        "f.json: a.s: found \"0123456789012345678901234567890123456789...\", wanted W",
        "f.json: a.l: found a list of 2, wanted W",
        "f.json: a.o: found an object, wanted W",
        "f.json: a.f: found false, wanted W",
        "f.json: a.r: found 0.5, wanted W",
        "f.json: a.none: found nothing, wanted W",
    };

    o.path = "a";
    for (int i = 0; i < 6; i++) {
        ck_assert_int_eq(cg_json_fail_wanted(&o, keys[i], "W", &err), CG_ERR_FORMAT);
        ck_assert_str_eq(err.msg, texts[i]);
    }
    release();
}
END_TEST

START_TEST(any_text_becomes_a_string)
{
    static const char *const cases[][2] = { { "", "" },
                                            { "Å\n", "Å\n" },
                                            { "caf\xe9", "caf\xef\xbf\xbd" } };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *v = cg_json_text(cases[i][0]);

        ck_assert_str_eq(json_string_value(v), cases[i][1]);
        json_decref(v);
    }
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("json");

    tcase_add_loop_test(tc, syntax_errors_name_line_and_column, 0, 9);
    tcase_add_test(tc, deep_nesting_is_refused);
    tcase_add_test(tc, getters_check_type_and_range);
    tcase_add_test(tc, errors_carry_path_and_shortened_value);
    tcase_add_test(tc, any_text_becomes_a_string);
    return run_suite("json", (TCase *[]) { tc }, 1);
}
