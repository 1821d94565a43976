/* SPDX-License-Identifier: MIT */
#include "eval/result_json.h"

#include "eval_made.h"

START_TEST(figures)
{
    double v[] = { 3, 1, 2, 10 };
    const float d[] = { 0.5f, 0.75f, 1.0f };
    cg_eval_figure f = cg_eval_figure_of(v, 4);

    ck_assert_double_eq(f.mean, 4);
    ck_assert_double_eq(f.median, 2.5);
    f = cg_eval_figure_of(v, 3); /* sorted by the first call: 1 2 3 */
    ck_assert_double_eq(f.median, 2);
    f = cg_eval_figure_of(v, 0);
    ck_assert(isnan(f.mean) && isnan(f.median));
    ck_assert_double_eq_tol(cg_eval_coverage(d, 3, 0.75), 1.0 / 3, 1e-15); /* strictly closer */
    ck_assert_double_eq(cg_eval_coverage(NULL, 0, 0.75), 0);
}
END_TEST

START_TEST(summary)
{
    cg_eval_result r = made_result(3);
    cg_error err = CG_ERROR_INIT;

    for (size_t i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++) {
            if (k < 2)
                r.molecules[i].ref_min[k] = 0.25f * (float)(i + (size_t)k + 1);
            r.molecules[i].gen_min[k] = 0.5f;
        }
    r.molecules[1].n_gen = 0;
    for (size_t i = 0; i < 3; i++)
        cg_eval_molecule_figures(&r.molecules[i], 0.75);
    r.summary.n_extra = 7;
    ck_assert_int_eq(cg_eval_summarize(&r, &err), CG_OK);
    ck_assert_uint_eq(r.summary.n_missing, 1);
    ck_assert_uint_eq(r.summary.n_extra, 7);
    ck_assert_uint_eq(r.summary.pairs, 12);
    /* 0.25 0.5: both; missing: none; 0.75 1.0: none */
    ck_assert_double_eq_tol(r.summary.cov_r.mean, 1.0 / 3, 1e-15);
    ck_assert_double_eq(r.summary.cov_r.median, 0);
    ck_assert_double_eq(r.summary.mat_r.mean, (0.375 + 0.875) / 2);
    ck_assert_double_eq(r.summary.curve_r[4].mean, 0);                   /* 0.25 */
    ck_assert_double_eq_tol(r.summary.curve_r[5].mean, 0.5 / 3, 1e-15);  /* 0.30 */
    ck_assert_double_eq_tol(r.summary.curve_p[10].mean, 2.0 / 3, 1e-15); /* 0.55 */
    r.settings.missing = CG_MISSING_DROP;
    ck_assert_int_eq(cg_eval_summarize(&r, &err), CG_OK);
    ck_assert_double_eq(r.summary.cov_r.mean, 0.5);
    r.molecules[0].n_gen = r.molecules[2].n_gen = 0;
    ck_assert_int_eq(cg_eval_summarize(&r, &err), CG_OK);
    ck_assert(isnan(r.summary.cov_r.mean) && isnan(r.summary.mat_p.median));
    cg_eval_result_finish(&r);
}
END_TEST

static cg_eval_result odd_result(void)
{
    cg_eval_result r = made_result(4);

    free(r.molecules[1].name);
    r.molecules[1].name = strdup("a \"quoted\", name\\\n\xc3\xa9");
    r.molecules[2].n_gen = 0;
    r.molecules[2].mat_r = r.molecules[2].mat_p = NAN;
    r.molecules[2].cov_r = r.molecules[2].cov_p = 0;
    r.molecules[3].maps_limited = r.molecules[3].time_limited = 1;
    r.molecules[3].mat_r = 1.0 / 3;
    r.summary.n_ref_broken = 5;
    r.summary.n_stereo = r.molecules[3].n_stereo = 2;
    r.molecules[3].n_wrong = r.molecules[3].n_state = 1;
    r.molecules[3].stereo_untested = 1;
    made_mismatch(&r, CG_FAULT_BROKEN, 1, "a\x01\"", "line 4: found 'x'");
    made_mismatch(&r, CG_FAULT_OPEN_STEREO, 0, "m003", "");
    r.run_json = strdup("{\"engine\":{\"device\":\"cpu\"},\"n\":[1,2.5]}");
    return r;
}

START_TEST(json_round_trip)
{
    for (int checks = 0; checks < 2; checks++) {
        cg_eval_result r = odd_result(), back = { 0 };
        cg_buf first = { 0 }, second = { 0 };
        cg_error err = CG_ERROR_INIT;

        r.settings.checks = checks;
        if (checks)
            made_relaxation(&r);
        r.settings.missing = checks ? CG_MISSING_DROP : CG_MISSING_ZERO;
        r.settings.on_mismatch = checks ? CG_MISMATCH_DROP : CG_MISMATCH_ERROR;
        r.settings.rmsd = checks ? CG_RMSD_PLAIN : CG_RMSD_BEST;
        ck_assert_int_eq(cg_eval_write_json(&r, &first, &err), CG_OK);
        ck_assert_msg(cg_eval_read_json("x", first.data, first.len, &back, &err) == CG_OK, "%s",
                      err.msg);
        ck_assert_int_eq(cg_eval_write_json(&back, &second, &err), CG_OK);
        ck_assert_str_eq(first.data, second.data);
        ck_assert_str_eq(back.molecules[1].name, r.molecules[1].name);
        ck_assert_double_eq(back.molecules[3].mat_r, 1.0 / 3);
        ck_assert(isnan(back.molecules[2].mat_r));
        ck_assert_ptr_null(back.molecules[2].ref_min);
        ck_assert_float_eq_tol(back.molecules[0].ref_min[1], r.molecules[0].ref_min[1], 1e-4);
        ck_assert_uint_eq(back.summary.n_ref_broken, 5);
        ck_assert_uint_eq(back.summary.n_stereo, 2);
        ck_assert_uint_eq(back.molecules[3].n_state, 1);
        ck_assert_int_eq(back.molecules[3].stereo_untested, 1);
        ck_assert_int_eq(back.settings.on_mismatch, r.settings.on_mismatch);
        ck_assert_uint_eq(back.n_mismatches, 2);
        ck_assert_int_eq(back.mismatches[0].fault, CG_FAULT_BROKEN);
        ck_assert_int_eq(back.mismatches[0].is_reference, 1);
        ck_assert_str_eq(back.mismatches[0].name, "a\x01\"");
        ck_assert_str_eq(back.mismatches[0].found, "line 4: found 'x'");
        ck_assert_int_eq(back.mismatches[1].fault, CG_FAULT_OPEN_STEREO);
        ck_assert_uint_eq(back.mismatches[1].n, 4);
        ck_assert_str_eq(back.run_json, r.run_json);
        ck_assert_int_eq(back.settings.missing, r.settings.missing);
        ck_assert_int_eq(back.settings.rmsd, r.settings.rmsd);
        ck_assert_int_eq(back.settings.symmetry, CG_SYMMETRY_CONJUGATED);
        ck_assert_int_eq(back.settings.relaxation, checks);
        ck_assert_ptr_null(back.molecules[1].relaxation_energy);
        if (checks) {
            ck_assert_uint_eq(back.summary.n_relaxed, 2);
            ck_assert_uint_eq(back.summary.n_no_parameters, 1);
            ck_assert(isnan(back.molecules[0].relaxation_energy[0]));
            ck_assert_float_eq(back.molecules[3].relaxation_energy[2], 10.1f * 2 + 3);
            ck_assert_double_eq(back.summary.relaxation.mean, r.summary.relaxation.mean);
        }
        cg_eval_result_finish(&back);
        cg_eval_result_finish(&r);
        cg_buf_finish(&first);
        cg_buf_finish(&second);
    }
}
END_TEST

/* Replaces the first `from` in a good result; reading must then fail with `wanted`. */
START_TEST(json_refusals)
{
    static const struct {
        const char *from, *to, *wanted;
    } cases[] = {
        { "confgen-eval-1", "confgen-eval-9", "format: found \"confgen-eval-9\", wanted" },
        { "\"delta\": 0.75", "\"delta\": \"0.75\"", "settings.delta: found \"0.75\", wanted" },
        { "\"missing\": \"zero\"", "\"missing\": \"one\"", "settings.missing: found \"one\"" },
        { "\"checks\": true", "\"checks\": 1", "settings.checks: found 1, wanted true or false" },
        { "\"max_maps\": ", "\"maxmaps\": ", "found the member 'maxmaps', wanted one of delta " },
        { "\"max_maps\": ", "\"\": 1, \"max_maps\": ", "settings: found the member ''" },
        { "\"max_maps\": ", "\"rmsd symmetry\": 1, \"max_maps\": ", "the member 'rmsd symmetry'" },
        { "\"max_maps\": ", "\"maps\": 1, \"max_maps\": ", "the member 'maps'" },
        { "\"molecules\": 4", "\"molecules\": 5", "wanted a list of 5 molecules" },
        { "\"extra\": 0", "\"extra\": -1", "summary.extra: found -1, wanted a whole number" },
        { "\"cov_r\": {\"mean\": 0.5", "\"cov_r\": {\"mean\": 1.5",
          "summary.cov_r.mean: found 1.5, wanted a number from 0 to 1" },
        { "\"delta\": [0.05, ", "\"delta\": [0.06, ", "summary.curve.delta[0]: found 0.06" },
        { "\"delta\": [0.05, ", "\"delta\": [", "wanted a list of 60 numbers" },
        { "\"references\": 2,", "\"references\": 3,", "molecules[0].ref_min: found a list of 2" },
        { "\"generated\": 3,", "\"generated\": 2,", "molecules[0].gen_min: found a list of 3" },
        { "\"ref_min\": [", "\"ref_min\": [-", "molecules[0].ref_min[0]: wanted a distance" },
        { "\"mat_r\": 0.80000000000000004", "\"mat_r\": null",
          "molecules[0].mat_r: found nothing" },
        { "\"name\": \"m000\"", "\"name\": 7", "molecules[0].name: found 7, wanted a string" },
        { "\"failed\": 0", "\"failed\": 99", "wanted at most as many as were done" },
        { "\"run\": {", "\"run\": [{", "x:" },
        { "\"on_mismatch\": \"error\"", "\"on_mismatch\": \"keep\"",
          "settings.on_mismatch: found \"keep\", wanted \"error\" or \"drop\"" },
        { "\"fault\": \"broken\"", "\"fault\": \"cracked\"",
          "mismatches[0].fault: found \"cracked\"" },
        { "\"file\": \"references\"", "\"file\": 1", "mismatches[0].file: found 1" },
        { "\"mismatches\": [", "\"mismatches\": [7,", "mismatches[0]: wanted an object" },
        { "\"maps_limited\": false", "\"maps_limited\": 0", "wanted true or false" },
        { "\"relaxation\": true", "\"relaxation\": false",
          "wanted no member, as settings.relaxation is false" },
        { "\"relaxation\": [null,", "\"relaxation\": [",
          "molecules[0].relaxation: found a list of 2, wanted null or a number" },
        { "\"relaxation\": [null,", "\"relaxation\": [-1,",
          "molecules[0].relaxation[0]: wanted a number from 0" },
        { "\"no_parameters\": 1", "\"no_parameter\": 1",
          "found the member 'no_parameter', wanted" },
    };
    cg_eval_result r = odd_result(), back = { 0 };
    cg_buf good = { 0 };
    cg_error err = CG_ERROR_INIT;

    made_relaxation(&r);
    ck_assert_int_eq(cg_eval_write_json(&r, &good, &err), CG_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *at = strstr(good.data, cases[i].from);
        cg_buf bad = { 0 };

        ck_assert_msg(at != NULL, "case %zu: no '%s'", i, cases[i].from);
        cg_buf_put(&bad, good.data, (size_t)(at - good.data));
        cg_buf_puts(&bad, cases[i].to);
        cg_buf_puts(&bad, at + strlen(cases[i].from));
        ck_assert_msg(cg_eval_read_json("x", bad.data, bad.len, &back, &err) == CG_ERR_FORMAT,
                      "case %zu is accepted", i);
        ck_assert_msg(strstr(err.msg, cases[i].wanted) != NULL, "case %zu: \"%s\" lacks \"%s\"", i,
                      err.msg, cases[i].wanted);
        cg_buf_finish(&bad);
    }
    for (size_t len = 0; len < good.len - 2; len += 97)
        ck_assert_int_eq(cg_eval_read_json("x", good.data, len, &back, &err), CG_ERR_FORMAT);
    ck_assert_int_eq(cg_eval_read_json_file("/no/such/file", &back, &err), CG_ERR_IO);
    cg_eval_result_finish(&r);
    cg_buf_finish(&good);
}
END_TEST

START_TEST(csv)
{
    cg_eval_result r = odd_result();
    cg_buf out = { 0 };
    cg_error err = CG_ERROR_INIT;

    r.settings.checks = 0;
    ck_assert_int_eq(cg_eval_write_csv(&r, &out, &err), CG_OK);
    ck_assert_contains(out.data, "name,smiles,heavy_atoms,rotatable_bonds,references,generated,"
                                 "wrong,state,broken,stereo,references_dropped,"
                                 "references_broken,references_stereo,stereo_untested,"
                                 "maps,maps_limited,time_limited,seconds,cov_r,mat_r,"
                                 "cov_p,mat_p\nm000,CCO,3,0,2,3,0,0,0,0,0,0,0,0,1,0,0,");
    ck_assert_contains(out.data, "\n\"a \"\"quoted\"\", name\\\n\xc3\xa9\",CCO,4,1,");
    ck_assert_contains(out.data, "\nm002,CCO,5,2,2,0,0,0,0,0,0,0,0,0,1,0,0,0,0,,0,\n");
    r.settings.checks = 1;
    cg_buf_clear(&out);
    ck_assert_int_eq(cg_eval_write_csv(&r, &out, &err), CG_OK);
    ck_assert_contains(out.data, ",checked,passed_all,unchecked,sanitization_done,"
                                 "sanitization_failed,sanitization_unchecked,");
    ck_assert_contains(out.data, ",3,1,1,3,0,0,3,0,0,");
    ck_assert_contains(out.data, ",2,0,1\n");
    made_relaxation(&r);
    cg_buf_clear(&out);
    ck_assert_int_eq(cg_eval_write_csv(&r, &out, &err), CG_OK);
    ck_assert_contains(out.data, ",mat_p,relaxed,relaxation_median,relaxation_mean,relaxation_p90,"
                                 "relaxation_largest,checked,");
    ck_assert_contains(out.data, ",2,15.1500006,15.1500006,19.1900007,20.2000008,3,1,1,");
    ck_assert_contains(out.data, ",0,,,,,3,1,1,");
    /* formulas of spreadsheets; numbers stay */
    made_replace(&r.molecules[0].name, "=1+1");
    made_replace(&r.molecules[1].name, "@a,b");
    made_replace(&r.molecules[2].name, "-7.5");
    made_replace(&r.molecules[3].name, "'=1");
    cg_buf_clear(&out);
    ck_assert_int_eq(cg_eval_write_csv(&r, &out, &err), CG_OK);
    ck_assert_contains(out.data, "\n'=1+1,CCO,");
    ck_assert_contains(out.data, "\n\"'@a,b\",CCO,");
    ck_assert_contains(out.data, "\n-7.5,CCO,");
    ck_assert_contains(out.data, "\n''=1,CCO,");
    cg_eval_result_finish(&r);
    cg_buf_finish(&out);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("result");

    tcase_add_test(tc, figures);
    tcase_add_test(tc, summary);
    tcase_add_test(tc, json_round_trip);
    tcase_add_test(tc, json_refusals);
    tcase_add_test(tc, csv);
    return run_suite("eval_result", &tc, 1);
}
