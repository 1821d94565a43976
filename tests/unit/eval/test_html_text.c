/* SPDX-License-Identifier: MIT */
#include "eval/html_text.h"

#include "scratch.h"

#include <math.h>

static cg_buf out;

static void drop(void)
{
    cg_buf_finish(&out);
}

START_TEST(texts_are_escaped)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        { "", "" },
        { "CC(=O)O", "CC(=O)O" },
        { "<script>alert('x')&\"</script>",
          "&lt;script&gt;alert(&#39;x&#39;)&amp;&quot;&lt;/script&gt;" },
        { "&amp;", "&amp;amp;" },
        { "a\001b\033[31m\177", "a\xef\xbf\xbd"
                                "b\xef\xbf\xbd[31m\xef\xbf\xbd" },
        { "tab\tline\n", "tab\tline\n" },
        { "\xc3\x85", "\xc3\x85" },
        { "\xff\xc3", "\xef\xbf\xbd\xef\xbf\xbd" },
        { "\xc0\xbc", "\xef\xbf\xbd\xef\xbf\xbd" },                 /* overlong < */
        { "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" }, /* surrogate */
        { "\xc2\x85", "\xef\xbf\xbd" },                             /* C1 control */
        { "\xef\xbf\xbe|\xef\xbf\xbd", "\xef\xbf\xbd|\xef\xbf\xbd" },
        { "\xf0\x9f\xa7\xaa", "\xf0\x9f\xa7\xaa" },
    };

    if ((size_t)_i >= sizeof cases / sizeof cases[0])
        return;
    cg_html_put_text(&out, cases[_i].text);
    ck_assert_str_eq(cg_buf_text(&out), cases[_i].want);
}
END_TEST

#define _ "\xc2\xa0"

START_TEST(figures_are_formatted)
{
    static const struct {
        void (*put)(cg_buf *, double);
        double value;
        const char *want;
    } cases[] = {
        { cg_html_put_percent, 0, "0.0" _ "%" },
        { cg_html_put_percent, 0.384, "38.4" _ "%" },
        { cg_html_put_percent, 1, "100.0" _ "%" },
        { cg_html_put_percent, 0.00042, "0.04" _ "%" },
        { cg_html_put_percent, 0.00001, "&lt;0.01" _ "%" },
        { cg_html_put_percent, 0.9997, "99.97" _ "%" },
        { cg_html_put_percent, 0.99999, "&gt;99.99" _ "%" },
        { cg_html_put_percent, NAN, "\xe2\x80\x93" },
        { cg_html_put_angstrom, 1.058, "1.058" _ "\xc3\x85" },
        { cg_html_put_angstrom, -0.5,
          "\xe2\x88\x92"
          "0.500" _ "\xc3\x85" },
        { cg_html_put_angstrom, INFINITY, "\xe2\x80\x93" },
        { cg_html_put_number, 0, "0" },
        { cg_html_put_number, 1158.74, "1,159" },
        { cg_html_put_number, 15.18, "15.2" },
        { cg_html_put_number, 0.0123, "0.0123" },
        { cg_html_put_number, 1e20, "1e+20" },
        { cg_html_put_number, NAN, "\xe2\x80\x93" },
        { cg_html_put_seconds, 2.3142, "2.31" _ "s" },
        { cg_html_put_seconds, 75.04, "75.0" _ "s" },
        { cg_html_put_seconds, 245, "4" _ "min" _ "05" _ "s" },
        { cg_html_put_seconds, 18725, "5" _ "h" _ "12" _ "min" },
        { cg_html_put_seconds, -1, "\xe2\x80\x93" },
        { cg_html_put_bytes, 1556, "1.6" _ "kB" },
        { cg_html_put_bytes, 270872576, "271" _ "MB" },
        { cg_html_put_bytes, 12, "12" _ "B" },
        { cg_html_put_bytes, NAN, "\xe2\x80\x93" },
    };

    if ((size_t)_i >= sizeof cases / sizeof cases[0])
        return;
    cases[_i].put(&out, cases[_i].value);
    ck_assert_msg(!strcmp(cg_buf_text(&out), cases[_i].want), "case %d: \"%s\", wanted \"%s\"", _i,
                  cg_buf_text(&out), cases[_i].want);
}
END_TEST

#undef _

START_TEST(counts_have_thousands)
{
    cg_html_put_count(&out, 0);
    cg_buf_putc(&out, ' ');
    cg_html_put_count(&out, 999);
    cg_buf_putc(&out, ' ');
    cg_html_put_count(&out, 1000);
    cg_buf_putc(&out, ' ');
    cg_html_put_count(&out, 86300000);
    cg_buf_putc(&out, ' ');
    cg_html_put_count(&out, UINT64_MAX);
    ck_assert_str_eq(cg_buf_text(&out), "0 999 1,000 86,300,000 18,446,744,073,709,551,615");
}
END_TEST

START_TEST(base64_is_padded)
{
    static const char *const want[] = { "",         "Zg==",     "Zm8=",    "Zm9v",
                                        "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy" };

    cg_html_put_base64(&out, "foobar", (size_t)_i);
    ck_assert_str_eq(cg_buf_text(&out), want[_i]);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("html_text");

    tcase_add_checked_fixture(tc, NULL, drop);
    tcase_add_loop_test(tc, texts_are_escaped, 0, 13);
    tcase_add_loop_test(tc, figures_are_formatted, 0, 26);
    tcase_add_test(tc, counts_have_thousands);
    tcase_add_loop_test(tc, base64_is_padded, 0, 7);
    return run_suite("eval_html_text", &tc, 1);
}
