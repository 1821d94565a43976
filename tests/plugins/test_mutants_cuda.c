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

/* A defect and the check that must detect it. */
struct mutant {
    int number;     /* value of fake_mutant */
    int32_t rounds; /* 0: those of the suite */
    const char *check;
};

static cg_plugin_host host;
static char failed_checks[1024];

static void record_failure(void *ctx, const cg_conformance_verdict *v)
{
    size_t n = strlen(failed_checks);

    (void)ctx;
    if (!v->passed)
        snprintf(failed_checks + n, sizeof failed_checks - n, "%s: %.300s\n", v->check, v->detail);
}

static cg_conformance_options options(void)
{
    cg_conformance_options o = { .seed = 1, .rounds = 2, .report = record_failure };
    cg_error err = CG_ERROR_INIT;

    cg_plugin_host_init(&host, NULL, NULL, NULL, 0);
    failed_checks[0] = '\0';
    ck_assert(cg_gpu_open(0, &o.gpu, &err) == CG_OK);
    return o;
}

/* Runs the check that must detect a defect, by one of the suites. */
static void expect_detected(const struct mutant *m, int32_t (*run)(const cg_conformance_options *))
{
    cg_conformance_options o = options();
    char begin[128];

    o.rounds = m->rounds;
    o.only = &m->check;
    o.n_only = 1;
    fake_mutant = m->number;
    (void)run(&o);
    printf("mutant %d: %s", m->number, failed_checks);
    snprintf(begin, sizeof begin, "%s: ", m->check);
    ck_assert_msg(!strncmp(failed_checks, begin, strlen(begin)),
                  "mutant %d: found '%s', wanted '%s'", m->number, failed_checks, m->check);
    ck_assert_int_eq(fake_gpu_live, 0);
}

static void expect_passed(int mutant, int32_t (*run)(const cg_conformance_options *))
{
    cg_conformance_options o = options();

    fake_mutant = mutant;
    if (mutant) {
        static const char *const only[] = { "feature", "prepare" };

        o.rounds = 12;
        o.only = only;
        o.n_only = 2;
    }
    ck_assert_msg(run(&o) == 0, "%s", failed_checks);
    ck_assert_int_eq(fake_gpu_live, 0);
}

/* ---- attention ----------------------------------------------------------------------------- */

/* The table of tests/mutants: lines "NUMBER  check  ; --rounds N", the last part only where it
 * differs from the suite's. */
static struct mutant attention_mutants[128];
static int n_attention_mutants;

static void read_attention_mutants(void)
{
    static char text[16384];
    const char *path = getenv("CONFGEN_TEST_MUTANTS");
    FILE *f = path ? fopen(path, "r") : NULL;
    char *line, *rest = text;

    if (!f || fread(text, 1, sizeof text - 1, f) == sizeof text - 1) {
        fprintf(stderr, "CONFGEN_TEST_MUTANTS: no table of mutants, or too long\n");
        exit(1);
    }
    fclose(f);
    while ((line = strsep(&rest, "\n"))) {
        struct mutant m = { .number = atoi(line) };
        size_t digits = strspn(line, "0123456789");
        char *options = strchr(line, ';'), *option;

        if (options)
            *options++ = '\0';
        option = options ? strstr(options, "--rounds ") : NULL;
        if (option)
            m.rounds = atoi(option + strlen("--rounds "));
        m.check = line + digits + strspn(line + digits, " ");
        if (!m.number || !*m.check)
            continue; /* empty, a comment, or no fault */
        for (size_t i = strlen(line); line[i - 1] == ' '; i--)
            line[i - 1] = '\0';
        attention_mutants[n_attention_mutants++] = m;
    }
    attention_mutants[n_attention_mutants++] =
        (struct mutant) { FAKE_MUTANT_DEVICE, 1,
                          "run() works on its stream, and does not wait or allocate" };
}

static int32_t check_attention(const cg_conformance_options *o)
{
    cg_attention_ops ops = fake_attention();

    return cg_conformance_attention(&ops, &host.host, o);
}

START_TEST(attention_mutants_are_detected)
{
    expect_detected(&attention_mutants[_i], check_attention);
    fake_set_device(0);
}
END_TEST

START_TEST(attention_without_defect_passes)
{
    expect_passed(0, check_attention);
}
END_TEST

START_TEST(features_without_defect_pass)
{
    expect_passed(2000, check_attention);
}
END_TEST

/* ---- caches -------------------------------------------------------------------------------- */

static const cg_cache_ops *load_cache(const char *name)
{
    const cg_plugin *plugin = NULL;
    cg_error err = CG_ERROR_INIT;
    char path[1024];

    cg_plugin_host_init(&host, NULL, NULL, NULL, 0);
    snprintf(path, sizeof path, "%s/cache/%s/cache_%s.so", built_plugin_dir(), name, name);
    ck_assert_msg(cg_plugin_load(path, &host.host, &plugin, &err) == CG_OK, "%s", err.msg);
    return plugin->ops;
}

#define RANDOM      "content after random operations"
#define REAL_RUNS   "content in shapes of real runs"
#define HELD_APPEND "append() works on its stream, and does not wait or allocate"

static const struct mutant cache_mutants[] = {
    { 1, 2, "the memory bound is kept" },
    { 2, 2, RANDOM },
    { 3, 2, RANDOM },
    { 4, 2, "append() captured once, then replayed" },
    { 5, 2, RANDOM },
    { 6, 2, RANDOM },
    { 7, 3, REAL_RUNS },
    { 8, 1, REAL_RUNS },
    { 9, 1, REAL_RUNS },
    { 10, 7, REAL_RUNS },
    { 11, 1, REAL_RUNS },
    { 12, 2, RANDOM },
    { 13, 2, "append() does not allocate" },
    { 14, 2, HELD_APPEND },
    { 15, 2, HELD_APPEND },
    { 16, 2, HELD_APPEND },
    { 17, 2, RANDOM },
    { 18, 2, RANDOM },
    { 19, 2, RANDOM },
    { 20, 2, RANDOM },
};

static int32_t check_cache(const cg_conformance_options *o)
{
    cg_cache_ops ops = fake_cache();

    return cg_conformance_cache(&ops, &host.host, o);
}

START_TEST(cache_mutants_are_detected)
{
    fake_cache_base = load_cache("paged");
    expect_detected(&cache_mutants[_i], check_cache);
}
END_TEST

START_TEST(caches_without_defect_pass)
{
    static const char *const names[] = { "paged", "dynamic", "static" };

    fake_cache_base = load_cache(names[_i]);
    expect_passed(0, check_cache);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("mutants on a GPU");
    TCase *tc = tcase_create("conformance");
    SRunner *sr;
    int failed;

    tcase_set_timeout(tc, 120);
    read_attention_mutants();
    tcase_add_loop_test(tc, attention_mutants_are_detected, 0, n_attention_mutants);
    tcase_add_test(tc, attention_without_defect_passes);
    tcase_add_test(tc, features_without_defect_pass);
    tcase_add_loop_test(tc, cache_mutants_are_detected, 0,
                        sizeof cache_mutants / sizeof *cache_mutants);
    tcase_add_loop_test(tc, caches_without_defect_pass, 0, 3);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
