/* SPDX-License-Identifier: MIT */
#include "eval/compare.h"

#include "base/json.h"
#include "eval_made.h"

static cg_eval_result a, b;
static cg_eval_comparison c;
static cg_buf out;

static void drop(void)
{
    cg_buf_finish(&out);
    cg_eval_comparison_finish(&c);
    cg_eval_result_finish(&a);
    cg_eval_result_finish(&b);
}

static void make(size_t n)
{
    a = made_result(n);
    b = made_result(n);
    made_replace(&b.gen_path, "out/new.sdf");
}

static void compare(const cg_compare_settings *settings)
{
    cg_error err = CG_ERROR_INIT;

    ck_assert_msg(cg_eval_compare(&a, &b, settings, &c, &err) == CG_OK, "%s", err.msg);
}

static void refused(const char *want)
{
    cg_error err = CG_ERROR_INIT;

    ck_assert_int_eq(cg_eval_compare(&a, &b, NULL, &c, &err), CG_ERR_INPUT);
    ck_assert_contains(err.msg, want);
    ck_assert_ptr_null(c.label_a); /* unchanged */
}

static const cg_compare_figure *figure(cg_compare_set set, cg_compare_metric metric)
{
    return &c.figures[set][metric];
}

START_TEST(equal_results)
{
    make(50);
    compare(NULL);
    ck_assert_int_eq(c.verdict, CG_COMPARE_NO_DIFFERENCE);
    ck_assert_uint_eq(c.n_common, 50);
    ck_assert_uint_eq(c.n_both, 50);
    for (int set = 0; set < CG_COMPARE_SETS; set++)
        for (int k = 0; k < CG_COMPARE_MISSING; k++) {
            ck_assert_double_eq(figure(set, k)->estimate.difference, 0);
            ck_assert_int_eq(figure(set, k)->verdict, CG_COMPARE_NO_DIFFERENCE);
        }
    ck_assert_int_eq(figure(CG_COMPARE_BOTH, CG_COMPARE_MISSING)->verdict, CG_COMPARE_UNKNOWN);
    ck_assert_int_eq(figure(CG_COMPARE_ALL, CG_COMPARE_MISSING)->verdict, CG_COMPARE_NO_DIFFERENCE);
}
END_TEST

/* Higher COV is better, higher MAT is worse. */
START_TEST(direction_of_each_metric)
{
    static const struct {
        cg_compare_metric metric;
        double by;
        cg_compare_verdict want;
    } cases[] = {
        { CG_COMPARE_COV_R, 0.05, CG_COMPARE_BETTER },
        { CG_COMPARE_COV_R, -0.05, CG_COMPARE_WORSE },
        { CG_COMPARE_COV_P, 0.05, CG_COMPARE_BETTER },
        { CG_COMPARE_COV_P, -0.05, CG_COMPARE_WORSE },
        { CG_COMPARE_MAT_R, -0.05, CG_COMPARE_BETTER },
        { CG_COMPARE_MAT_R, 0.05, CG_COMPARE_WORSE },
        { CG_COMPARE_MAT_P, -0.05, CG_COMPARE_BETTER },
        { CG_COMPARE_MAT_P, 0.05, CG_COMPARE_WORSE },
    };

    make(40);
    for (size_t i = 0; i < 40; i++) {
        cg_eval_molecule *m = &b.molecules[i];
        double by = cases[_i].by * (0.5 + (double)(i % 5) / 4);

        *(cases[_i].metric == CG_COMPARE_COV_R   ? &m->cov_r
          : cases[_i].metric == CG_COMPARE_COV_P ? &m->cov_p
          : cases[_i].metric == CG_COMPARE_MAT_R ? &m->mat_r
                                                 : &m->mat_p) += by;
    }
    compare(NULL);
    for (int set = 0; set < CG_COMPARE_SETS; set++)
        for (int k = 0; k < CG_COMPARE_MISSING; k++)
            ck_assert_int_eq(figure(set, k)->verdict, k == (int)cases[_i].metric
                                                          ? cases[_i].want
                                                          : CG_COMPARE_NO_DIFFERENCE);
    ck_assert_double_eq_tol(figure(CG_COMPARE_BOTH, cases[_i].metric)->estimate.difference,
                            cases[_i].by, 1e-9);
    ck_assert_int_eq(c.verdict, cases[_i].want);
}
END_TEST

START_TEST(rates_of_checks_and_wrong_molecules)
{
    make(40);
    for (size_t i = 0; i < 40; i++) {
        b.molecules[i].passed_all = 2;
        b.molecules[i].n_wrong = i % 2;
    }
    compare(NULL);
    ck_assert_int_eq(figure(CG_COMPARE_BOTH, CG_COMPARE_PASS)->verdict, CG_COMPARE_BETTER);
    ck_assert_double_eq_tol(figure(CG_COMPARE_BOTH, CG_COMPARE_PASS)->estimate.difference, 1.0 / 3,
                            1e-12);
    ck_assert_int_eq(figure(CG_COMPARE_ALL, CG_COMPARE_WRONG)->verdict, CG_COMPARE_WORSE);
    ck_assert_double_eq_tol(figure(CG_COMPARE_ALL, CG_COMPARE_WRONG)->estimate.b, 0.125, 1e-12);
    ck_assert_int_eq(c.verdict, CG_COMPARE_WORSE); /* a gain does not offset a loss */
}
END_TEST

/* Relaxation energies and each check are compared in pairs, beside the verdict. */
START_TEST(relaxation_and_checks)
{
    make(50);
    compare(NULL);
    ck_assert_int_eq(c.has_relaxation, 0);
    ck_assert_int_eq(c.has_checks, 1);
    drop();
    make(50);
    made_relaxation(&a);
    made_relaxation(&b);
    for (size_t i = 0; i < 50; i++) {
        if (b.molecules[i].relaxation_energy)
            b.molecules[i].relaxation_energy[2] -= 1;
        b.molecules[i].check_failed[CG_CHECK_BOND_ANGLES] = 2;
    }
    ck_assert_int_eq(cg_eval_summarize_relaxation(&b, &(cg_error)CG_ERROR_INIT), CG_OK);
    compare(NULL);
    ck_assert_int_eq(c.has_relaxation, 1);
    for (int k = 0; k < CG_COMPARE_RELAXATIONS; k++) {
        static const double differences[] = { -0.5, -0.5, -0.9, -1 };

        ck_assert_uint_eq(c.relaxation[k].estimate.n, 49);
        ck_assert_double_eq_tol(c.relaxation[k].estimate.difference, differences[k], 1e-5);
        ck_assert_int_eq(c.relaxation[k].verdict, CG_COMPARE_BETTER);
    }
    for (int k = 0; k < CG_CHECK_COUNT; k++) {
        int worse = k == CG_CHECK_BOND_ANGLES;

        ck_assert_double_eq_tol(c.checks[k].estimate.difference, worse ? -2.0 / 3 : 0, 1e-12);
        ck_assert_int_eq(c.checks[k].verdict, worse ? CG_COMPARE_WORSE : CG_COMPARE_NO_DIFFERENCE);
    }
    ck_assert_int_eq(c.verdict, CG_COMPARE_NO_DIFFERENCE);
    ck_assert_int_eq(cg_eval_comparison_json(&c, &out, &(cg_error)CG_ERROR_INIT), CG_OK);
    ck_assert_contains(cg_buf_text(&out),
                       "\"relaxation\": {\n    \"median\": {\"molecules\": 49, ");
    ck_assert_contains(cg_buf_text(&out),
                       "\"checks\": {\n    \"sanitization\": {\"molecules\": 50, ");
    cg_buf_clear(&out);
    ck_assert_int_eq(cg_eval_comparison_text(&c, &out, &(cg_error)CG_ERROR_INIT), CG_OK);
    ck_assert_contains(cg_buf_text(&out),
                       "\nbond_angles               100.00     33.33     -66.67 ");
    ck_assert_contains(cg_buf_text(&out), "\nlargest ");
}
END_TEST

START_TEST(missing_molecules_count_in_one_set_only)
{
    make(40);
    for (size_t i = 0; i < 12; i++)
        made_missing(&b, i);
    compare(NULL);
    ck_assert_uint_eq(c.n_both, 28);
    ck_assert_uint_eq(c.n_missing_a, 0);
    ck_assert_uint_eq(c.n_missing_b, 12);
    ck_assert_uint_eq(figure(CG_COMPARE_BOTH, CG_COMPARE_COV_R)->estimate.n, 28);
    ck_assert_int_eq(figure(CG_COMPARE_BOTH, CG_COMPARE_COV_R)->verdict, CG_COMPARE_NO_DIFFERENCE);
    ck_assert_uint_eq(figure(CG_COMPARE_ALL, CG_COMPARE_COV_R)->estimate.n, 40);
    ck_assert_int_eq(figure(CG_COMPARE_ALL, CG_COMPARE_COV_R)->verdict, CG_COMPARE_WORSE);
    ck_assert_int_eq(figure(CG_COMPARE_ALL, CG_COMPARE_MISSING)->verdict, CG_COMPARE_WORSE);
    ck_assert_double_eq_tol(figure(CG_COMPARE_ALL, CG_COMPARE_MISSING)->estimate.b, 0.3, 1e-12);
    ck_assert_uint_eq(figure(CG_COMPARE_ALL, CG_COMPARE_MAT_R)->estimate.n, 28);
    ck_assert_int_eq(c.verdict, CG_COMPARE_WORSE);
}
END_TEST

START_TEST(tolerances_of_shares_and_rmsd)
{
    cg_compare_settings s = cg_compare_default_settings();

    make(40);
    for (size_t i = 0; i < 40; i++) {
        b.molecules[i].cov_r -= 0.02;
        b.molecules[i].mat_r += 0.02;
    }
    s.tolerance_share = 0.03;
    s.tolerance_rmsd = 0.01;
    compare(&s);
    ck_assert_int_eq(figure(CG_COMPARE_BOTH, CG_COMPARE_COV_R)->verdict, CG_COMPARE_WITHIN);
    ck_assert_int_eq(figure(CG_COMPARE_BOTH, CG_COMPARE_MAT_R)->verdict, CG_COMPARE_WORSE);
    ck_assert_int_eq(c.verdict, CG_COMPARE_WORSE);
    cg_eval_comparison_finish(&c);
    s.tolerance_rmsd = 0.03;
    compare(&s);
    ck_assert_int_eq(c.verdict, CG_COMPARE_WITHIN);
    s.tolerance_rmsd = NAN;
    cg_eval_comparison_finish(&c);
    ck_assert_int_eq(cg_eval_compare(&a, &b, &s, &c, NULL), CG_ERR_INPUT);
}
END_TEST

START_TEST(few_molecules_give_no_verdict)
{
    make(CG_COMPARE_LEAST - 1);
    for (size_t i = 0; i < a.n_molecules; i++)
        b.molecules[i].cov_r = 0;
    compare(NULL);
    ck_assert_int_eq(c.verdict, CG_COMPARE_UNKNOWN);
}
END_TEST

START_TEST(order_of_the_files_does_not_matter)
{
    cg_eval_molecule first;
    cg_eval_comparison ordered;

    make(30);
    for (size_t i = 0; i < 30; i++)
        b.molecules[i].cov_r += 0.01 * (double)(i % 3);
    compare(NULL);
    ordered = c;
    c = (cg_eval_comparison) { 0 };
    first = b.molecules[0];
    memmove(b.molecules, b.molecules + 1, 29 * sizeof *b.molecules);
    b.molecules[29] = first;
    compare(NULL);
    ck_assert_mem_eq(ordered.figures, c.figures, sizeof c.figures);
    cg_eval_comparison_finish(&ordered);
}
END_TEST

START_TEST(molecules_in_one_file_only_are_counted)
{
    make(30);
    made_replace(&a.molecules[0].name, "only in A");
    made_replace(&b.molecules[29].name, "zzz");
    compare(NULL);
    ck_assert_uint_eq(c.n_common, 28);
    ck_assert_uint_eq(c.n_only_a, 2);
    ck_assert_uint_eq(c.n_only_b, 2);
}
END_TEST

START_TEST(unnamed_molecules_match_by_smiles)
{
    make(12);
    for (size_t i = 0; i < 12; i++) {
        char smiles[32];

        snprintf(smiles, sizeof smiles, "%.*sO", (int)i + 1, "CCCCCCCCCCCCCC");
        made_replace(&a.molecules[i].name, "");
        made_replace(&b.molecules[i].name, "");
        made_replace(&a.molecules[i].smiles, smiles);
        made_replace(&b.molecules[i].smiles, smiles);
    }
    compare(NULL);
    ck_assert_uint_eq(c.n_common, 12);
}
END_TEST

START_TEST(not_comparable)
{
    make(30);
    switch (_i) {
    case 0:
        b.settings.delta = 0.5;
        refused("delta is 0.75 in A and 0.5 in B");
        break;
    case 1:
        b.settings.rmsd = CG_RMSD_PLAIN;
        refused("RMSD is 'best' in A and 'plain' in B");
        break;
    case 2:
        b.settings.symmetry = CG_SYMMETRY_PLAIN;
        refused("symmetry is 'conjugated' in A and 'plain' in B");
        break;
    case 3:
        b.molecules[4].n_ref = 5;
        refused("'m004' has 2 references of 7 heavy atoms in A, 5 of 7 in B");
        break;
    case 4:
        made_replace(&b.molecules[4].name, "m005");
        refused("'m005' is the name of two molecules of B");
        break;
    case 5:
        for (size_t i = 0; i < 30; i++)
            b.molecules[i].name[0] = 'x';
        refused("no molecule of A (30) is in B (30)");
        break;
    }
}
END_TEST

START_TEST(text_output)
{
    const char *text;

    make(40);
    made_replace(&a.gen_path, "old\033[31m.sdf");
    for (size_t i = 0; i < 40; i++)
        b.molecules[i].cov_r -= 0.0125;
    compare(NULL);
    ck_assert_int_eq(cg_eval_comparison_text(&c, &out, NULL), CG_OK);
    text = cg_buf_text(&out);
    ck_assert_contains(text, "A  old\\x1b[31m.sdf\n");
    ck_assert_contains(text, "40 molecules in both files; without output: 0 in A, 0 in B");
    ck_assert_contains(text, "COV-R, %            69.50     68.25      -1.25      -1.25 to   -1.25"
                             "  worse\n");
    ck_assert_contains(text, "MAT-R, \xc3\x85           0.9950    0.9950     0.0000");
    ck_assert_contains(text, "B against A: worse (COV-R where both have output; COV-R over all "
                             "molecules)\n");
}
END_TEST

START_TEST(json_output)
{
    cg_error err = CG_ERROR_INIT;
    json_t *root;
    const json_t *f;

    make(40);
    for (size_t i = 0; i < 40; i++)
        b.molecules[i].cov_r -= 0.0125;
    made_replace(&a.gen_path, "quo\"te");
    made_missing(&a, 3);
    compare(NULL);
    ck_assert_int_eq(cg_eval_comparison_json(&c, &out, NULL), CG_OK);
    ck_assert_msg(cg_json_parse("out", out.data, out.len, &root, &err) == CG_OK, "%s", err.msg);
    ck_assert_str_eq(json_string_value(json_object_get(root, "format")), "confgen-comparison-1");
    ck_assert_str_eq(json_string_value(json_object_get(root, "a")), "quo\"te");
    ck_assert_str_eq(json_string_value(json_object_get(root, "verdict")), "worse");
    f = json_object_get(json_object_get(root, "both"), "cov_r");
    ck_assert_int_eq(json_integer_value(json_object_get(f, "molecules")), 39);
    ck_assert_double_eq_tol(json_number_value(json_object_get(f, "difference")), -0.0125, 1e-8);
    ck_assert_str_eq(json_string_value(json_object_get(f, "verdict")), "worse");
    ck_assert_ptr_null(json_object_get(json_object_get(root, "both"), "missing"));
    ck_assert_ptr_nonnull(json_object_get(json_object_get(root, "all"), "missing"));
    json_decref(root);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("compare");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, NULL, drop);
    tcase_add_test(tc, equal_results);
    tcase_add_loop_test(tc, direction_of_each_metric, 0, 8);
    tcase_add_test(tc, rates_of_checks_and_wrong_molecules);
    tcase_add_test(tc, relaxation_and_checks);
    tcase_add_test(tc, missing_molecules_count_in_one_set_only);
    tcase_add_test(tc, tolerances_of_shares_and_rmsd);
    tcase_add_test(tc, few_molecules_give_no_verdict);
    tcase_add_test(tc, order_of_the_files_does_not_matter);
    tcase_add_test(tc, molecules_in_one_file_only_are_counted);
    tcase_add_test(tc, unnamed_molecules_match_by_smiles);
    tcase_add_loop_test(tc, not_comparable, 0, 6);
    tcase_add_test(tc, text_output);
    tcase_add_test(tc, json_output);
    return run_suite("eval_compare", &tc, 1);
}
