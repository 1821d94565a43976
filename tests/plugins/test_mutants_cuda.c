/* SPDX-License-Identifier: MIT */
/*
 * The conformance checks for CUDA must detect mutants: plugins on a simulated GPU in host memory,
 * each with one defect. Number 0 has none.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance/conformance.h"
#include "fake_gpu.h"
#include "fake_plugins.h"
#include "plugin/host.h"
#include "plugin/loader.h"
#include "plugin_dir.h"

/* Values of fake_mutant, 0 (no defect) included. */
enum {
    N_ATTENTION_MUTANTS = 16,
    N_CACHE_MUTANTS = 7, /* of the paged cache */
    N_CACHES = 3,        /* the others are checked without a defect */
    N_CACHE_TESTS = N_CACHE_MUTANTS + N_CACHES - 1,
};

static cg_plugin_host host;
static char failed_checks[1024];

static void record_failure(void *ctx, int32_t passed, const char *check, const char *detail)
{
    size_t n = strlen(failed_checks);

    (void)ctx;
    if (!passed)
        snprintf(failed_checks + n, sizeof failed_checks - n, "%s: %.300s\n", check, detail);
}

static cg_conformance_options options(void)
{
    cg_conformance_options o = { .seed = 3, .rounds = 2, .report = record_failure };
    cg_error err = CG_ERROR_INIT;

    cg_plugin_host_init(&host, NULL, NULL, NULL, 0);
    failed_checks[0] = '\0';
    ck_assert(cg_gpu_open(0, &o.gpu, &err) == CG_OK);
    return o;
}

/* ---- attention ----------------------------------------------------------------------------- */

START_TEST(attention_mutants_are_detected)
{
    cg_conformance_options o = options();
    int32_t failures;

    fake_mutant = _i;
    failures = cg_conformance_attention(&fake_attention, &host.host, &o);
    printf("attention mutant %d:\n%s", _i, failed_checks);
    if (_i == 0)
        ck_assert_msg(failures == 0, "%s", failed_checks);
    else
        ck_assert_msg(failures > 0, "mutant %d was not detected", _i);
    ck_assert_int_eq(fake_gpu_live, 0);
}
END_TEST

/* ---- caches -------------------------------------------------------------------------------- */

static const cg_cache_ops *load_cache(const char *name)
{
    const cg_plugin *plugin = NULL;
    cg_error err = CG_ERROR_INIT;
    char path[1024];

    snprintf(path, sizeof path, "%s/cache/%s/cache_%s.so", built_plugin_dir(), name, name);
    ck_assert_msg(cg_plugin_load(path, &host.host, &plugin, &err) == CG_OK, "%s", err.msg);
    return plugin->ops;
}

START_TEST(cache_mutants_are_detected)
{
    static const char *const names[N_CACHES] = { "paged", "dynamic", "static" };
    cg_conformance_options o = options();
    cg_cache_ops ops;
    int32_t failures;

    fake_cache_base = load_cache(names[_i < N_CACHE_MUTANTS ? 0 : _i - N_CACHE_MUTANTS + 1]);
    fake_mutant = _i < N_CACHE_MUTANTS ? _i : 0;
    ops = fake_cache();
    failures = cg_conformance_cache(&ops, &host.host, &o);
    printf("cache mutant %d:\n%s", _i, failed_checks);
    if (fake_mutant == 0)
        ck_assert_msg(failures == 0, "%s", failed_checks);
    else
        ck_assert_msg(failures > 0, "mutant %d was not detected", _i);
    ck_assert_int_eq(fake_gpu_live, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("mutants on a GPU");
    TCase *tc = tcase_create("conformance");
    SRunner *sr;
    int failed;

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, attention_mutants_are_detected, 0, N_ATTENTION_MUTANTS);
    tcase_add_loop_test(tc, cache_mutants_are_detected, 0, N_CACHE_TESTS);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
