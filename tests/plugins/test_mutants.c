/* SPDX-License-Identifier: MIT */
/*
 * The conformance checks must detect mutants of caches and constraints: correct plugins, each with
 * one defect. Those of attention are in tests/mutants.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance/conformance.h"
#include "plugin_dir.h"
#include "plugin/host.h"
#include "plugin/loader.h"

static cg_plugin_host host;
static char failed_checks[4096];

static void record_failure(void *ctx, const cg_conformance_verdict *v)
{
    size_t n = strlen(failed_checks);

    (void)ctx;
    if (!v->passed)
        snprintf(failed_checks + n, sizeof failed_checks - n, "%s: %.200s\n", v->check, v->detail);
}

static const void *load(const char *file)
{
    int is_example = !strncmp(file, "constraint", 10);
    const char *dir = is_example ? dir_of_variable("CONFGEN_TEST_EXAMPLE_DIR") : built_plugin_dir();
    const cg_plugin *plugin = NULL;
    cg_error err = CG_ERROR_INIT;
    char path[1024];

    cg_plugin_host_init(&host, NULL, NULL, NULL, 0);
    snprintf(path, sizeof path, "%s/%s", dir, file);
    ck_assert_msg(cg_plugin_load(path, &host.host, &plugin, &err) == CG_OK, "%s", err.msg);
    return plugin->ops;
}

static cg_conformance_options options(void)
{
    failed_checks[0] = '\0';
    return (cg_conformance_options) { .seed = 3, .rounds = 8, .report = record_failure };
}

static int mutant, calls;

/* Leaks the host's allocation; keeps it reachable for leak checkers. */
static void wrong_destroy(void *self)
{
    static void *kept[4096] __attribute__((used));
    static int n;

    if (n < 4096)
        kept[n++] = self;
}

/* ---- caches -------------------------------------------------------------------------------- */

static const cg_cache_ops *cache;

static cg_status wrong_view(void *self, int32_t layer, cg_kv_view *ret_view, cg_error *err)
{
    cg_status st = cache->view(self, mutant == 1 ? 0 : layer, ret_view, err);

    if (mutant == 2)
        ret_view->generation = 1;
    return st;
}

static cg_status wrong_append(void *self, int32_t layer, const cg_cache_append *args, cg_error *err)
{
    cg_cache_append changed = *args;

    changed.v = args->k;
    changed.v_stride = args->k_stride;
    return cache->append(self, layer, &changed, err);
}

static cg_status wrong_share(void *self, int32_t dst, int32_t src, int32_t len, cg_error *err)
{
    return cache->share_prefix(self, dst, src, len > 1 ? len - 1 : len, err);
}

static cg_status wrong_reserve(void *self, int32_t slot, int32_t len, cg_error *err)
{
    cg_status st = cache->reserve(self, slot, len, err);

    return st == CG_ERR_USAGE ? CG_OK : st;
}

static void wrong_release(void *self, int32_t slot)
{
    (void)self; /* releases nothing */
    (void)slot;
}

static void wrong_stats(const void *self, cg_cache_stats *ret_stats)
{
    cache->stats(self, ret_stats);
    ret_stats->bytes_used = ret_stats->bytes_allocated + 1;
}

START_TEST(cache_mutants_are_detected)
{
    cg_conformance_options o = options();
    cg_cache_ops ops;
    int32_t failures;

    cache = load(_i == 2 ? "cache/dynamic/cache_dynamic.so" : "cache/paged/cache_paged.so");
    ops = *cache;
    mutant = _i;
    switch (_i) {
    case 1:
    case 2:
        ops.view = wrong_view;
        break;
    case 3:
        ops.append = wrong_append;
        break;
    case 4:
        ops.share_prefix = wrong_share;
        break;
    case 5:
        ops.reserve = wrong_reserve;
        break;
    case 6:
        ops.release = wrong_release;
        break;
    case 7:
        ops.stats = wrong_stats;
        break;
    case 8:
        ops.paged = 0;
        break;
    case 9:
        ops.destroy = wrong_destroy;
        break;
    case 10:
        ops.block_tokens = 64;
        break;
    }
    failures = cg_conformance_cache(&ops, &host.host, &o);
    if (_i == 0)
        ck_assert_msg(failures == 0, "%s", failed_checks);
    else
        ck_assert_msg(failures > 0, "mutant %d was not detected", _i);
    printf("cache mutant %d:\n%s", _i, failed_checks);
}
END_TEST

/* ---- constraints --------------------------------------------------------------------------- */

static const cg_constraint_ops *constraint;

static cg_status wrong_compile(void *self, const cg_literals *text, cg_program **ret_program,
                               cg_error *err)
{
    cg_status st = constraint->compile(self, text, ret_program, err);
    const cg_automaton *a = constraint->automaton(self);
    cg_program *p = *ret_program;

    if (st != CG_OK)
        return mutant == 1 ? CG_OK : st;
    switch (mutant) {
    case 2:
        ((int32_t *)p->entry)[0] = p->n_states;
        break;
    case 3:
        ((int32_t *)p->forced_token)[1] = 260; /* an unused id */
        break;
    case 4:
        p->max_tokens = p->forced_start[p->n_fields + 1] + p->n_fields;
        break;
    case 5:
        ((int32_t *)a->token)[1] = a->token[0];
        break;
    case 6:
        ((int32_t *)a->next)[2] = p->n_states;
        break;
    case 7: /* the last state only leads to itself */
        for (int32_t i = a->row[p->n_states - 1]; i < a->row[p->n_states]; i++)
            ((int32_t *)a->next)[i] = p->n_states - 1;
        break;
    case 8:
        ((int32_t *)a->head_row)[0] = a->head_row[1];
        break;
    case 9:
        p->n_states = a->capacity_states + 1;
        break;
    case 10:
        ((int32_t *)p->entry)[p->n_fields - 1] = calls++ % 5 == 0; /* differs between threads */
        break;
    case 11:
        ((int32_t *)p->forced_start)[1] = p->forced_start[2] + 1;
        break;
    }
    return st;
}

START_TEST(constraint_mutants_are_detected)
{
    cg_conformance_options o = options();
    cg_constraint_ops ops;
    int32_t failures;

    constraint = load("constraint_example.so");
    ops = *constraint;
    mutant = _i;
    o.rounds = 2;
    if (_i == 12)
        ops.destroy = wrong_destroy;
    else if (_i > 0)
        ops.compile = wrong_compile;
    failures = cg_conformance_constraint(&ops, &host.host, &o);
    if (_i == 0)
        ck_assert_msg(failures == 0, "%s", failed_checks);
    else
        ck_assert_msg(failures > 0, "mutant %d was not detected", _i);
    printf("constraint mutant %d:\n%s", _i, failed_checks);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("mutants");
    TCase *tc = tcase_create("mutants");
    SRunner *sr;
    int failed;

    tcase_add_loop_test(tc, cache_mutants_are_detected, 0, 11);
    tcase_add_loop_test(tc, constraint_mutants_are_detected, 0, 13);
    tcase_set_timeout(tc, 120);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
