/* SPDX-License-Identifier: MIT */
#include "eval/compare.h"
#include "eval/evaluate.h"

#include <jansson.h>
#include <math.h>

#include "chem/rdkit_c.h"
#include "eval/html.h"
#include "eval/result_json.h"
#include "sdf_made.h"
#include "xml_check.h"

static const cg_eval_settings settings = {
    .delta = 0.75, .symmetry = CG_SYMMETRY_CONJUGATED, .max_maps = 1000, .bioactive = 1
};

static cg_eval_result evaluate(const cg_eval_settings *s, int n_threads)
{
    cg_conformer_file ref = { 0 }, gen = { 0 };
    cg_eval_result r = { 0 };
    cg_error err = CG_ERROR_INIT;

    ck_assert_int_eq(cg_conformer_file_read(eval_data("bioactive_ref.sdf.zst"),
                                            CG_KEEP_TEXT_HYDROGENS, 2, &ref, &err),
                     CG_OK);
    ck_assert_int_eq(cg_conformer_file_read(eval_data("bioactive_gen.sdf.zst"),
                                            CG_KEEP_TEXT_HYDROGENS, 2, &gen, &err),
                     CG_OK);
    ck_assert_msg(cg_evaluate(&ref, &gen, s, n_threads, &r, NULL, &err) == CG_OK, "%s", err.msg);
    cg_conformer_file_finish(&ref);
    cg_conformer_file_finish(&gen);
    return r;
}

/* Equal to the number, or not a number if it is null. */
static void equal(double ours, const json_t *wanted)
{
    if (json_is_null(wanted))
        ck_assert(isnan(ours));
    else
        ck_assert_double_eq_tol(ours, json_number_value(wanted), 1e-5);
}

/* Figures of tools/study/check_bioactive.py: GetBestRMS, leaders by its RMSDs, and TFD. */
START_TEST(figures_equal_those_of_rdkit)
{
    json_t *golden = json_load_file(eval_data("bioactive.json"), 0, NULL);
    cg_eval_result r = evaluate(&settings, 2);
    size_t n = 0, n_atoms = 0;
    cgrd_torsion *torsions = cgrd_torsions("CCCC", &n, &n_atoms, NULL, 0);
    int has_torsions = torsions != NULL; /* not with a system librdkitcffi */

    free_ptr((char *)torsions);
    ck_assert_uint_eq(json_object_size(golden), r.n_molecules);
    for (size_t i = 0; i < r.n_molecules; i++) {
        const cg_bioactive *b = &r.molecules[i].bioactive;
        const json_t *wanted = json_object_get(golden, r.molecules[i].name);

        ck_assert(json_is_object(wanted));
        for (size_t k = 0; k < CG_BIOACTIVE_COUNTS; k++) {
            if (has_torsions)
                equal(b->tfd[k], json_array_get(json_object_get(wanted, "tfd"), k));
            equal(b->best[k], json_array_get(json_object_get(wanted, "best"), k));
            for (int t = 0; t < CG_BIOACTIVE_HITS; t++) {
                char key[32];

                snprintf(key, sizeof key, "%g", cg_bioactive_threshold(t));
                equal(b->hit[k][t],
                      json_array_get(json_object_get(json_object_get(wanted, "hit"), key), k));
            }
        }
        for (size_t k = 0; k < CG_BIOACTIVE_RADII; k++)
            equal(b->clusters[k], json_array_get(json_object_get(wanted, "clusters"), k));
    }
    json_decref(golden);
    cg_eval_result_finish(&r);
}
END_TEST

/* COV and MAT are those of an evaluation without the option; threads change nothing. */
START_TEST(other_figures_stay)
{
    cg_eval_settings plain = settings;
    cg_eval_result with = evaluate(&settings, 1), without;

    plain.bioactive = 0;
    without = evaluate(&plain, 2);
    for (size_t i = 0; i < with.n_molecules; i++) {
        const cg_eval_molecule *a = &with.molecules[i], *b = &without.molecules[i];

        ck_assert_uint_eq(a->n_gen, b->n_gen);
        for (size_t k = 0; a->n_gen && k < a->n_ref; k++)
            ck_assert_float_eq(a->ref_min[k], b->ref_min[k]);
        for (size_t k = 0; k < a->n_gen; k++)
            ck_assert_float_eq(a->gen_min[k], b->gen_min[k]);
        if (a->n_gen)
            ck_assert_double_eq(a->mat_r, a->bioactive.best[CG_BIOACTIVE_ALL]);
    }
    ck_assert_double_eq(with.summary.cov_r.mean, without.summary.cov_r.mean);
    ck_assert_uint_eq(with.summary.pairs, without.summary.pairs);
    cg_eval_result_finish(&with);
    cg_eval_result_finish(&without);
}
END_TEST

START_TEST(summary_counts_molecules)
{
    cg_eval_result r = evaluate(&settings, 2);
    const cg_bioactive_summary *s = &r.summary.bioactive;
    cg_error err = CG_ERROR_INIT;
    uint64_t by_rotors = 0, by_heavy = 0;

    ck_assert_uint_eq(s->full[0], 5);
    ck_assert_uint_eq(s->full[1], 4);
    ck_assert_uint_eq(s->full[CG_BIOACTIVE_ALL], 5);
    ck_assert_uint_eq(s->curve[0].n_molecules, 6); /* one is missing: hit rates are of six */
    ck_assert_double_eq_tol(s->curve[0].hit[4], 5.0 / 6, 1e-12);
    for (int i = 0; i < CG_BIOACTIVE_STRATA; i++)
        *(cg_bioactive_stratum_at(i).by_heavy ? &by_heavy : &by_rotors) += s->strata[i].n_molecules;
    ck_assert_uint_eq(by_rotors, 6);
    ck_assert_uint_eq(by_heavy, 6);
    r.settings.missing = CG_MISSING_DROP;
    ck_assert_int_eq(cg_eval_summarize(&r, &err), CG_OK);
    ck_assert_uint_eq(s->curve[0].n_molecules, 5);
    ck_assert_double_eq(s->curve[0].hit[4], 1);
    cg_eval_result_finish(&r);
}
END_TEST

START_TEST(json_is_read_back)
{
    cg_eval_result r = evaluate(&settings, 2), back = { 0 };
    cg_buf text = { 0 }, again = { 0 };
    cg_error err = CG_ERROR_INIT;

    ck_assert_int_eq(cg_eval_write_json(&r, &text, &err), CG_OK);
    ck_assert_msg(cg_eval_read_json("x", text.data, text.len, &back, &err) == CG_OK, "%s", err.msg);
    ck_assert_int_eq(cg_eval_write_json(&back, &again, &err), CG_OK);
    ck_assert_str_eq(cg_buf_text(&text), cg_buf_text(&again));
    cg_buf_finish(&text);
    cg_buf_finish(&again);
    cg_eval_result_finish(&r);
    cg_eval_result_finish(&back);
}
END_TEST

/* B has only the first conformer's figures: worse at all conformers, equal at one. */
START_TEST(comparison_is_paired)
{
    cg_eval_result a = evaluate(&settings, 2), b = evaluate(&settings, 2);
    cg_eval_comparison c = { 0 };
    cg_buf text = { 0 };
    cg_error err = CG_ERROR_INIT;

    for (size_t i = 0; i < b.n_molecules; i++)
        b.molecules[i].bioactive.best[CG_BIOACTIVE_ALL] = b.molecules[i].bioactive.best[0];
    ck_assert_int_eq(cg_eval_compare(&a, &b, NULL, &c, &err), CG_OK);
    ck_assert_int_eq(c.has_bioactive, 1);
    for (int k = 0; k < CG_COMPARE_ROWS; k++) {
        cg_compare_row row = cg_compare_row_at(k);
        const cg_bootstrap_figure *f = &c.bioactive[k].estimate;

        if (row.measure != CG_COMPARE_BEST || row.count != CG_BIOACTIVE_ALL) {
            ck_assert(f->difference == 0 || f->n == 0);
        } else if (row.stratum < 0) {
            ck_assert_uint_eq(f->n, 5);
            ck_assert_double_eq_tol(f->a, a.summary.bioactive.curve[CG_BIOACTIVE_ALL].best.mean,
                                    1e-12);
            ck_assert_double_eq_tol(f->b, a.summary.bioactive.curve[0].best.mean, 1e-12);
            ck_assert(f->low > 0 && f->low < f->difference && f->difference < f->high);
        }
    }
    ck_assert_int_eq(cg_eval_comparison_json(&c, &text, &err), CG_OK);
    ck_assert_contains(cg_buf_text(&text), "{\"measure\": \"hit_rate\", \"conformers\": 25, "
                                           "\"threshold\": 0.75, \"molecules\": 6, ");
    cg_buf_clear(&text);
    ck_assert_int_eq(cg_eval_comparison_text(&c, &text, &err), CG_OK);
    ck_assert_contains(cg_buf_text(&text), "\nall, < 0.75 Å");
    cg_buf_finish(&text);
    cg_eval_comparison_finish(&c);
    b.settings.bioactive = 0;
    ck_assert_int_eq(cg_eval_compare(&a, &b, NULL, &c, &err), CG_OK);
    ck_assert_int_eq(c.has_bioactive, 0);
    cg_eval_comparison_finish(&c);
    cg_eval_result_finish(&a);
    cg_eval_result_finish(&b);
}
END_TEST

START_TEST(page_is_xml)
{
    cg_eval_result r = evaluate(&settings, 2);
    cg_error err = CG_ERROR_INIT;
    cg_buf page = { 0 };

    ck_assert_int_eq(cg_eval_write_html(&r, &page, &err), CG_OK);
    xml_check(cg_buf_text(&page));
    ck_assert_contains(cg_buf_text(&page), "<h3>The first K conformers</h3>");
    ck_assert_contains(cg_buf_text(&page), "<tr><th>6 to 8</th><td class=\"n\">1</td>");
    cg_buf_finish(&page);
    cg_eval_result_finish(&r);
}
END_TEST

/* After the time limit, one map: figures exist and the molecule is marked. */
START_TEST(time_limit)
{
    cg_eval_settings s = settings;
    cg_eval_result r;

    s.seconds = 1e-9;
    r = evaluate(&s, 2);
    for (size_t i = 0; i < r.n_molecules; i++)
        ck_assert_int_eq(r.molecules[i].time_limited,
                         r.molecules[i].n_gen && r.molecules[i].n_maps > 16);
    cg_eval_result_finish(&r);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("bioactive");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, figures_equal_those_of_rdkit);
    tcase_add_test(tc, other_figures_stay);
    tcase_add_test(tc, summary_counts_molecules);
    tcase_add_test(tc, json_is_read_back);
    tcase_add_test(tc, comparison_is_paired);
    tcase_add_test(tc, page_is_xml);
    tcase_add_test(tc, time_limit);
    return run_suite("eval_bioactive", &tc, 1);
}
