/* SPDX-License-Identifier: MIT */
#include "eval/html.h"

#include "eval/overlay.h"
#include "sdf_made.h"
#include "eval_made.h"
#include "xml_check.h"

static cg_buf out;
static cg_eval_result result;

static void drop(void)
{
    cg_buf_finish(&out);
    cg_eval_result_finish(&result);
}

/* Writes the page; it must be well-formed and without scripts, NaN or infinity. */
static const char *page(void)
{
    cg_error err = CG_ERROR_INIT;

    ck_assert_msg(cg_eval_write_html(&result, &out, &err) == CG_OK, "%s", err.msg);
    xml_check(cg_buf_text(&out));
    ck_assert_ptr_null(strstr(cg_buf_text(&out), "<script"));
    ck_assert_ptr_null(strstr(cg_buf_text(&out), ">nan"));
    ck_assert_ptr_null(strstr(cg_buf_text(&out), "\"nan"));
    ck_assert_ptr_null(strstr(cg_buf_text(&out), ">inf"));
    return cg_buf_text(&out);
}

START_TEST(any_number_of_molecules)
{
    static const size_t sizes[] = { 0, 1, 2, 3, 9, 10, 11, 19, 20, 21, 31, 39, 40, 49, 101 };
    int drawn = (int)(sizes[_i] < CG_EVAL_HTML_WORST ? sizes[_i] : CG_EVAL_HTML_WORST);

    result = made_result(sizes[_i]);
    page();
    ck_assert_int_eq(xml_count(cg_buf_text(&out), "<svg class=\"chart\""), 7);
    ck_assert_int_eq(xml_count(cg_buf_text(&out), "class=\"drawing\""), drawn);
    /* One point per molecule in the MAT-P secondst MAT-R plot. */
    ck_assert_int_eq(xml_count(cg_buf_text(&out), "class=\"m point\""), (int)sizes[_i]);
}
END_TEST

START_TEST(page_has_no_external_links)
{
    static const char *const links[] = { "http://", "https://", "url(", "@import", "<link" };
    const char *text;

    result = made_result(30);
    text = page();
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++)
        for (const char *at = text; (at = strstr(at, links[i])); at++)
            ck_assert_msg(!strncmp(at, "http://www.w3.org/", 18), "%.60s", at); /* namespaces */
    ck_assert_contains(text, "default-src 'none'");
}
END_TEST

START_TEST(names_and_paths_are_escaped)
{
    static const char evil[] = "</title><script>alert(1)</script>\"'&\x01\xff";
    const char *text;

    result = made_result(12);
    made_replace(&result.ref_path, evil);
    made_replace(&result.gen_path, evil);
    made_replace(&result.molecules[3].name, evil);
    made_replace(&result.molecules[4].name, "");
    made_replace(&result.molecules[4].smiles, evil);
    text = page();
    ck_assert_contains(text, "&lt;script&gt;alert(1)");
    ck_assert_contains(text, "not drawn: ");
}
END_TEST

START_TEST(all_missing)
{
    result = made_result(25);
    for (size_t i = 0; i < 25; i++)
        made_missing(&result, i);
    result.summary.n_missing = 25;
    result.summary.n_gen = result.summary.checked = result.summary.passed_all = 0;
    result.summary.mat_r = result.summary.mat_p = (cg_eval_figure) { NAN, NAN };
    memset(result.summary.check_done, 0, sizeof result.summary.check_done);
    memset(result.summary.check_failed, 0, sizeof result.summary.check_failed);
    page();
    ck_assert_int_eq(xml_count(cg_buf_text(&out), "nothing generated</p>"), 20);
    ck_assert_contains(cg_buf_text(&out), "Of 25 molecules without output, 20 are shown.");
    ck_assert_int_eq(xml_count(cg_buf_text(&out), "m point\""), 0);
}
END_TEST

START_TEST(missing_molecules_take_at_most_half_of_the_list)
{
    result = made_result(60);
    for (size_t i = 0; i < 30; i++)
        made_missing(&result, i);
    page();
    ck_assert_int_eq(xml_count(cg_buf_text(&out), "nothing generated</p>"), 10);
    ck_assert_int_eq(xml_count(cg_buf_text(&out), "class=\"drawing\""), 20);
}
END_TEST

START_TEST(worst_molecule_comes_first)
{
    const char *first;

    result = made_result(40);
    result.molecules[17].mat_r = 9.5;
    made_missing(&result, 31);
    first = strstr(page(), "class=\"mols\"");
    ck_assert_ptr_nonnull(first);
    first = strstr(first, "<h3>");
    ck_assert_msg(!strncmp(first, "<h3>m031<", 9), "%.40s", first);
    first = strstr(first + 1, "<h3>");
    ck_assert_msg(!strncmp(first, "<h3>m017<", 9), "%.40s", first);
}
END_TEST

START_TEST(extreme_figures)
{
    result = made_result(20);
    result.molecules[0].mat_r = 1e300;
    result.molecules[1].mat_p = INFINITY;
    result.molecules[2].ref_min[0] = NAN;
    result.molecules[3].ref_min[0] = INFINITY;
    result.molecules[4].gen_min[0] = 3e38f;
    result.molecules[5].gen_min[0] = -1;
    result.molecules[6].n_heavy = UINT32_MAX;
    result.molecules[7].cov_r = -7;
    result.molecules[8].cov_r = NAN;
    result.summary.seconds = NAN;
    result.summary.passed_all = UINT64_MAX;
    result.summary.n_wrong = UINT64_MAX;
    result.settings.delta = _i == 0 ? 1e-9 : _i == 1 ? 1e9 : 0.75;
    page();
}
END_TEST

START_TEST(number_of_points_is_limited)
{
    result = made_result(2 * CG_EVAL_HTML_POINTS + 1);
    page();
    ck_assert_int_le(xml_count(cg_buf_text(&out), "m point\""), CG_EVAL_HTML_POINTS);
    ck_assert_contains(cg_buf_text(&out), "One molecule in 3 is drawn.");
}
END_TEST

START_TEST(run_facts)
{
    const char *text;

    result = made_result(3);
    result.run_json = strdup(
        "{\"versions\":{\"confgen\":\"0.1.0\",\"<b>\":\"<i>\"},\"messages\":[\"a < b\"],"
        "\"outcome\":\"ok\",\"engine\":{\"model\":\"m&m\",\"device\":\"cpu\",\"device_reason\":"
        "\"no <GPU>\",\"parameters\":28716800,\"seed\":17,\"gpus\":[{\"name\":\"H\",\"attention\":"
        "\"flash\",\"completion_tokens\":12345}],\"sampling\":{\"greedy\":false}},\"counts\":{"
        "\"molecules\":40,\"requested\":1000,\"failures\":{\"wrong_molecule\":50,\"parse_failure\":"
        "-3,\"unfinished\":\"x\"}},\"rates\":{\"tokens_per_second\":1158.7},\"seconds\":{\"total\":"
        "18725.0,\"decode\":[1]},\"bytes\":7,\"geometry\":{\"atoms\":4000,\"faults\":{"
        "\"double_bond\":1000,\"<u>\":1}}}");
    text = page();
    ck_assert_contains(text, "28,716,800");
    ck_assert_contains(text, "m&amp;m");
    ck_assert_contains(text, "no &lt;GPU&gt;");
    ck_assert_contains(text, "&lt;b&gt; <b>&lt;i&gt;</b>");
    ck_assert_contains(text, "a &lt; b");
    ck_assert_contains(text, "1,159");
    ck_assert_contains(text, "12,345 tokens");
    ck_assert_contains(text, "5.0\xc2\xa0%"); /* 50 of 1000 wrong */
    ck_assert_contains(text, "Geometry of atoms during generation");
    ck_assert_contains(text, "<tr><th>double_bond</th>");
    ck_assert_contains(text, "25.0\xc2\xa0%"); /* 1000 of 4000 */
    ck_assert_contains(text, "<tr><th>&lt;u&gt;</th>");
}
END_TEST

START_TEST(bad_run_report_or_delta_is_refused)
{
    cg_error err = CG_ERROR_INIT;

    result = made_result(3);
    result.run_json = strdup("{\"a\":");
    ck_assert_int_eq(cg_eval_write_html(&result, &out, &err), CG_ERR_FORMAT);
    ck_assert_contains(err.msg, "report of the run:1:");
    result.settings.delta = NAN;
    ck_assert_int_eq(cg_eval_write_html(&result, &out, &err), CG_ERR_INPUT);
    ck_assert_contains(err.msg, "wanted a length above 0");
}
END_TEST

START_TEST(same_bytes_each_time)
{
    cg_buf second = { 0 };
    cg_error err = CG_ERROR_INIT;

    result = made_result(40);
    page();
    ck_assert_int_eq(cg_eval_write_html(&result, &second, &err), CG_OK);
    ck_assert_str_eq(cg_buf_text(&out), cg_buf_text(&second));
    cg_buf_finish(&second);
}
END_TEST

/* Overlays of three generated molecules: 30, 1 and 2 conformers; the third has a hostile name. */
static void add_overlays(void)
{
    cg_conformer_file gen = { 0 };
    cg_error err = CG_ERROR_INIT;
    cg_buf text = { 0 };

    for (int i = 0; i < 30; i++)
        sdf_chain(&text, "m002", "CCO", 1 + 0.01 * i, NULL);
    sdf_chain(&text, "m001", "CCNCC", 1, NULL);
    sdf_chain(&text, "</svg><script>&\"", "CCS", 1, NULL);
    sdf_chain(&text, "</svg><script>&\"", "CCS", 0.5, NULL);
    gen = sdf_read(&text, 1);
    made_replace(&result.molecules[0].name, "</svg><script>&\"");
    ck_assert_msg(cg_eval_add_overlays(&result, &gen, &err) == CG_OK, "%s", err.msg);
    cg_conformer_file_finish(&gen);
    cg_buf_finish(&text);
}

START_TEST(overlays)
{
    cg_error err = CG_ERROR_INIT;
    const char *text, *script;

    result = made_result(5);
    result.molecules[2].mat_r = 7;
    made_missing(&result, 1); /* has no MAT-R, and so no overlay */
    add_overlays();
    ck_assert_uint_ge(result.n_overlays, 2);
    ck_assert_str_eq(result.overlays[0].name, "m002");
    ck_assert_uint_eq(result.overlays[0].n, CG_OVERLAY_CONFORMERS);
    ck_assert_uint_eq(result.overlays[0].n_generated, 30);
    ck_assert_msg(cg_eval_write_html(&result, &out, &err) == CG_OK, "%s", err.msg);
    text = cg_buf_text(&out);
    xml_check(text);
    ck_assert_int_eq(xml_count(text, "<script"), 1);
    ck_assert_contains(text, "; script-src 'sha256-");
    script = strstr(text, "<script>") + 1;
    ck_assert_msg(!strncmp(strpbrk(script, "<&"), "</script>", 9), "%.60s", strpbrk(script, "<&"));
    ck_assert_contains(text, "the first 20 of 30 conformers");
    ck_assert_contains(text, "aria-label=\"&lt;/svg&gt;&lt;script&gt;&amp;&quot;: conformers");
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("html");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, NULL, drop);
    tcase_add_loop_test(tc, any_number_of_molecules, 0, 15);
    tcase_add_test(tc, page_has_no_external_links);
    tcase_add_test(tc, names_and_paths_are_escaped);
    tcase_add_test(tc, all_missing);
    tcase_add_test(tc, missing_molecules_take_at_most_half_of_the_list);
    tcase_add_test(tc, worst_molecule_comes_first);
    tcase_add_loop_test(tc, extreme_figures, 0, 3);
    tcase_add_test(tc, number_of_points_is_limited);
    tcase_add_test(tc, run_facts);
    tcase_add_test(tc, bad_run_report_or_delta_is_refused);
    tcase_add_test(tc, overlays);
    tcase_add_test(tc, same_bytes_each_time);
    return run_suite("eval_html", &tc, 1);
}
