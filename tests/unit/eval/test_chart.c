/* SPDX-License-Identifier: MIT */
#include "eval/chart.h"

#include "scratch.h"
#include "xml_check.h"

#include <math.h>

START_TEST(axes_are_round)
{
    static const struct {
        double low, high, want_low, want_high, want_step;
    } cases[] = {
        { 0, 1, 0, 1, 0.2 },        { 0, 4.38, 0, 5, 1 },   { 0.031, 0.069, 0.03, 0.07, 0.01 },
        { -1.2, 3.9, -2, 4, 2 },    { 16, 57, 10, 60, 10 }, { 0, 1234, 0, 1250, 250 },
        { 0, 0, 0, 1, 0.2 },        { 7, 7, 6, 14, 2 },     { NAN, 1, 0, 1, 0.2 },
        { 0, INFINITY, 0, 1, 0.2 }, { 2, 1, 0, 1, 0.2 },    { 0, 1e300, 0, 1, 0.2 },
    };
    cg_chart_axis a = cg_chart_axis_over(cases[_i].low, cases[_i].high, 5, "x");

    ck_assert_msg(fabs(a.low - cases[_i].want_low) < 1e-9 &&
                      fabs(a.high - cases[_i].want_high) < 1e-9 &&
                      fabs(a.step - cases[_i].want_step) < 1e-9,
                  "case %d: %g to %g by %g", _i, a.low, a.high, a.step);
}
END_TEST

/* A chart over 0 to 10 and 0 to 1. */
static cg_chart begin(cg_buf *out)
{
    cg_chart_axis x = { 0, 10, 5, 1, "x" }, y = { 0, 1, 0.5, 100, "y, %" };
    cg_chart c;

    cg_chart_begin(&c, out, &x, &y, "a test");
    return c;
}

START_TEST(ticks_are_labelled)
{
    cg_buf out = { 0 };
    cg_chart c = begin(&out);

    cg_chart_end(&c);
    xml_check(cg_buf_text(&out));
    ck_assert_contains(cg_buf_text(&out), ">50</text>");
    ck_assert_contains(cg_buf_text(&out), ">100</text>");
    ck_assert_contains(cg_buf_text(&out), ">10</text>");
    ck_assert_contains(cg_buf_text(&out), "aria-label=\"a test\"");
    cg_buf_finish(&out);
}
END_TEST

START_TEST(coordinates_are_linear_and_clamped)
{
    cg_buf out = { 0 };
    cg_chart c = begin(&out);

    ck_assert_double_eq_tol(cg_chart_x(&c, 0), c.left, 1e-9);
    ck_assert_double_eq_tol(cg_chart_x(&c, 5), (c.left + c.right) / 2, 1e-9);
    ck_assert_double_eq_tol(cg_chart_x(&c, 99), c.right, 1e-9);
    ck_assert_double_eq_tol(cg_chart_y(&c, 0), c.bottom, 1e-9);
    ck_assert_double_eq_tol(cg_chart_y(&c, 1), c.top, 1e-9);
    ck_assert_double_eq_tol(cg_chart_y(&c, -3), c.bottom, 1e-9);
    cg_buf_finish(&out);
}
END_TEST

START_TEST(values_that_are_not_finite_are_not_drawn)
{
    double x[] = { 0, 1, NAN, 3, 4 }, y[] = { 0.1, 0.2, 0.3, INFINITY, 0.5 };
    cg_buf out = { 0 };
    cg_chart c = begin(&out);

    cg_chart_line(&c, x, y, 5, "seen");
    cg_chart_line(&c, x + 2, y + 2, 2, "unseen");
    cg_chart_line(&c, x, y, 0, "unseen");
    cg_chart_point(&c, NAN, 0.5, 3, "unseen", NULL);
    cg_chart_bar(&c, 0, 1, NAN, "unseen", NULL);
    cg_chart_rule(&c, NAN, "unseen", 0, "r");
    cg_chart_rule(&c, 11, "unseen", 0, "r");
    cg_chart_text(&c, 1, NAN, 0, 0, "end", "unseen", "t");
    cg_chart_point(&c, 1, 0.5, 3, "seen", "tip &lt;");
    cg_chart_bar(&c, 1, 2, 0.5, "seen", NULL);
    cg_chart_rule(&c, 5, "seen", 1, "r");
    cg_chart_end(&c);
    xml_check(cg_buf_text(&out));
    ck_assert_int_eq(xml_count(cg_buf_text(&out), "class=\"unseen\""), 0);
    ck_assert_int_eq(xml_count(cg_buf_text(&out), "class=\"seen\""), 4);
    ck_assert_contains(cg_buf_text(&out), "<title>tip &lt;</title>");
    ck_assert_ptr_null(strstr(cg_buf_text(&out), "nan"));
    ck_assert_ptr_null(strstr(cg_buf_text(&out), "inf"));
    cg_buf_finish(&out);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("chart");

    tcase_add_loop_test(tc, axes_are_round, 0, 12);
    tcase_add_test(tc, ticks_are_labelled);
    tcase_add_test(tc, coordinates_are_linear_and_clamped);
    tcase_add_test(tc, values_that_are_not_finite_are_not_drawn);
    return run_suite("eval_chart", &tc, 1);
}
