/* SPDX-License-Identifier: MIT */
/*
 * The candidates that presets keep, and their probabilities, against those of transformers'
 * processors, recorded by tools/compare_sampling.py: the CPU's sampler and the GPU's, run on the
 * host.
 */
#include <check.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "decode/sampler.h"
#include "sampler_block.h"

enum { ROWS = 4, COLUMNS = 200 };

static float logits[ROWS][COLUMNS];

/* As golden_rows() of tools/compare_sampling.py: many of them are equal. */
static void make_logits(void)
{
    uint32_t state = 1;

    for (int r = 0; r < ROWS; r++)
        for (int i = 0; i < COLUMNS; i++) {
            state = state * 1664525u + 1013904223u;
            logits[r][i] = (float)(state >> 8 & 1023) / 64 - 8;
        }
}

static json_t *load(void)
{
    const char *root = getenv("CONFGEN_SOURCE_ROOT");
    char path[4096];
    json_error_t error;
    json_t *doc;

    ck_assert_msg(root != NULL, "CONFGEN_SOURCE_ROOT is not set");
    snprintf(path, sizeof path, "%s/tests/golden/sampling.json", root);
    doc = json_load_file(path, 0, &error);
    ck_assert_msg(doc != NULL, "%s: %s", path, error.text);
    return doc;
}

static double number(const json_t *list, size_t i)
{
    return json_number_value(json_array_get(list, i));
}

static void check_case(const json_t *c, const char *side, const double *p)
{
    double total = 0, largest = 0, smallest = INFINITY;
    int kept = 0;

    for (int i = 0; i < COLUMNS; i++)
        total += p[i];
    for (int i = 0; i < COLUMNS; i++) {
        if (p[i] <= 0)
            continue;
        kept++;
        largest = fmax(largest, p[i] / total);
        smallest = fmin(smallest, p[i] / total);
    }
    ck_assert_msg(kept == json_integer_value(json_object_get(c, "kept")) &&
                      fabs(largest - json_number_value(json_object_get(c, "largest"))) < 1e-6 &&
                      fabs(smallest - json_number_value(json_object_get(c, "smallest"))) < 1e-6,
                  "%s, %s, row %d: %d candidates of %.9g to %.9g", side,
                  json_string_value(json_object_get(c, "name")),
                  (int)json_integer_value(json_object_get(c, "row")), kept, smallest, largest);
}

START_TEST(distributions_are_those_of_transformers)
{
    json_t *doc = load();
    const json_t *cases = json_object_get(doc, "cases");
    cg_sampler_scratch scratch = { 0 };
    double p[COLUMNS], total;

    make_logits();
    ck_assert_uint_gt(json_array_size(cases), 200);
    for (size_t k = 0; k < json_array_size(cases); k++) {
        const json_t *c = json_array_get(cases, k), *s = json_object_get(c, "sampling");
        const float *row = logits[json_integer_value(json_object_get(c, "row"))];
        cg_sampling sampling = { sizeof sampling, 0,           number(s, 1), (int32_t)number(s, 2),
                                 number(s, 3),    number(s, 4) };

        ck_assert_int_eq(cg_sampling_weights(&sampling, row, COLUMNS, &scratch, &total), CG_OK);
        for (int i = 0; i < COLUMNS; i++)
            p[i] = (double)scratch.p[i];
        check_case(c, "CPU", p);
        weights_by_block(&sampling, row, COLUMNS, p);
        check_case(c, "GPU", p);
    }
    cg_sampler_scratch_finish(&scratch);
    json_decref(doc);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("golden sampling");
    TCase *tc = tcase_create("distributions");
    SRunner *sr;
    int failed;

    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, distributions_are_those_of_transformers);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
