/* SPDX-License-Identifier: MIT */
/* What conformance checks observe beside results: call_watch.h, alloc_watch.h, process_state.h. */
#include <check.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <fenv.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "allocating.h"
#include "conformance/alloc_watch.h"
#include "conformance/call_watch.h"
#include "conformance/plugin_image.h"
#include "conformance/plugin_suite.h"
#include "conformance/process_state.h"

static const struct allocating_call *calls;
static int n_calls;

static void load_module(void)
{
    void *module = dlopen(getenv("CONFGEN_TEST_ALLOCATING"), RTLD_NOW | RTLD_LOCAL);

    ck_assert_msg(module != NULL, "%s", dlerror());
    calls = dlsym(module, "allocating_calls");
    ck_assert_ptr_nonnull(calls);
    n_calls = *(const int *)dlsym(module, "n_allocating_calls");
    alloc_watch_install(calls);
}

START_TEST(allocations_of_a_module_are_seen)
{
    const uint32_t rules[] = { CALL_NO_MEMORY | CALL_NO_THREADS, 0, CALL_NO_HOST_MEMORY };
    char text[256], want[64];

    load_module();
    alloc_watch_install(calls); /* a second time: no effect */
    for (int i = 0; i < n_calls; i++) {
        calls[i].call(); /* outside of a call of the plugin */
        for (int r = 0; r < 3; r++) {
            call_watch_begin("run()", rules[r]);
            calls[i].call();
            call_watch_end();
            ck_assert_int_eq(call_watch_take_fault(text, sizeof text), r == 0);
            snprintf(want, sizeof want, "run() calls %s: it must not ", calls[i].function);
            if (r == 0)
                ck_assert_msg(!strncmp(text, want, strlen(want)), "%s, wanted %s", text, want);
        }
    }
}
END_TEST

START_TEST(allocations_of_the_program_are_not_seen)
{
    static int here;
    void *volatile p;
    char text[256];

    alloc_watch_install(&here);
    call_watch_begin("run()", CALL_NO_MEMORY);
    p = malloc(8);
    free(p);
    call_watch_end();
    ck_assert_int_eq(call_watch_take_fault(text, sizeof text), 0);
}
END_TEST

START_TEST(symbols_of_a_module_are_read)
{
    plugin_image image;
    int found = 0, exported = 0;

    load_module();
    ck_assert_int_eq(plugin_image_find(calls, &image), 1);
    for (size_t i = 0; i < image.n_symbols; i++) {
        const char *name = plugin_image_symbol(&image, i);

        found += !strcmp(name, "allocating_calls") || !strcmp(name, "n_allocating_calls");
        exported += image.symbols[i].st_shndx != SHN_UNDEF;
    }
    ck_assert_int_eq(found, 2);
    ck_assert_int_ge(exported, 2); /* sanitizers add some */
    ck_assert_str_eq(plugin_image_symbol(&image, image.n_symbols), "");
    ck_assert_int_eq(plugin_image_holds(&image, (uintptr_t)calls, sizeof *calls), 1);
    ck_assert_int_eq(plugin_image_holds(&image, (uintptr_t)calls, SIZE_MAX), 0);
    ck_assert_int_eq(plugin_image_find(&image, &image), 0);      /* the stack */
    ck_assert_int_eq(plugin_image_find(load_module, &image), 0); /* the program */
}
END_TEST

static void round_up(void *arg, int64_t i, int32_t worker)
{
    (void)arg;
    (void)i;
    (void)worker;
    fesetround(FE_UPWARD);
}

START_TEST(floating_point_environment_is_compared_and_restored)
{
    call_watch caller;
    char text[256];

    ck_assert_uint_eq(fp_control(), fp_control_default());
    call_watch_begin("plan()", 0);
    feraiseexcept(FE_INEXACT); /* a flag, not a setting */
    call_watch_end();
    ck_assert_int_eq(call_watch_take_fault(text, sizeof text), 0);
    call_watch_begin("plan()", 0);
    round_up(NULL, 0, 0);
    call_watch_end();
    ck_assert_int_eq(call_watch_take_fault(text, sizeof text), 1);
    ck_assert_ptr_nonnull(strstr(text, "plan() changes the floating-point environment"));
    ck_assert_int_eq(fegetround(), FE_TONEAREST);
    ck_assert_int_eq(call_watch_take_fault(text, sizeof text), 0);

    call_watch_begin("run()", CALL_NO_MEMORY);
    caller = call_watch_current();
    call_watch_item(&caller, round_up, NULL, 0, 0);
    call_watch_note(CALL_NO_MEMORY, "is the second fault"); /* the first is kept */
    call_watch_end();
    ck_assert_int_eq(call_watch_take_fault(text, sizeof text), 1);
    ck_assert_ptr_nonnull(strstr(text, "run() changes the floating-point environment"));
    ck_assert_int_eq(fegetround(), FE_TONEAREST);
}
END_TEST

static char failure[512]; /* "CHECK: DETAIL" of the last failed check */

static void keep_failure(void *ctx, const cg_conformance_verdict *v)
{
    (void)ctx;
    if (!v->passed)
        snprintf(failure, sizeof failure, "%s: %s", v->check, v->detail);
}

/* Runs the checks of a descriptor that need no file. */
static void check_table(int32_t kind, const void *ops, const char *want)
{
    static const char *const only[] = { "ABI", "bits" };
    const cg_conformance_options options = { .report = keep_failure, .only = only, .n_only = 2 };
    const cg_plugin plugin = { CG_PLUGIN_HEADER(kind), .name = "x", .version = "1",
                               .description = "", .ops = ops };

    failure[0] = '\0';
    ck_assert_int_eq(plugin_suite(&plugin, &options), want != NULL);
    ck_assert_msg(want ? strstr(failure, want) != NULL : !failure[0], "found '%s', wanted '%s'",
                  failure, want ? want : "no failure");
}

START_TEST(bits_without_a_meaning_are_found)
{
    cg_attention_ops attention = { CG_SIZED(cg_attention_ops), .caps = 7, .features = 0x3ff };
    cg_cache_ops cache = { CG_SIZED(cg_cache_ops), .flags = 3, .features = 7, .kv_layout = 1 };
    cg_constraint_ops constraint = { CG_SIZED(cg_constraint_ops), .features = 15 };

    check_table(CG_PLUGIN_ATTENTION, &attention, NULL);
    check_table(CG_PLUGIN_CACHE, &cache, NULL);
    check_table(CG_PLUGIN_CONSTRAINT, &constraint, NULL);

    attention.features = 1 << 10;
    check_table(CG_PLUGIN_ATTENTION, &attention,
                "cg_attention_ops.features is 0x400: bit 10 has no "
                "meaning in plugin ABI 1.");
    attention.struct_size = offsetof(cg_attention_ops, features); /* of ABI 1.1: not read */
    check_table(CG_PLUGIN_ATTENTION, &attention, NULL);

    cache.features = CG_CACHE_GATHER;
    check_table(CG_PLUGIN_CACHE, &cache, "CG_CACHE_GATHER, but gather is NULL");
    cache.features = CG_CACHE_DEFER;
    check_table(CG_PLUGIN_CACHE, &cache, "CG_CACHE_DEFER, but flush is NULL");
    cache.features = 1u << 31;
    check_table(CG_PLUGIN_CACHE, &cache, "cg_cache_ops.features is 0x80000000: bit 31 ");
    cache.features = 0;
    cache.kv_layout = 5;
    check_table(CG_PLUGIN_CACHE, &cache, "kv_layout is 5, wanted 0 (CG_KV_HND) or 1 (CG_KV_NHD)");
    cache.kv_layout = 0;
    cache.flags = 4;
    check_table(CG_PLUGIN_CACHE, &cache, "cg_cache_ops.flags is 0x4: bit 2 ");
    cache.struct_size = offsetof(cg_cache_ops, block_tokens); /* of ABI 1.0 */
    check_table(CG_PLUGIN_CACHE, &cache, NULL);

    constraint.features = 16;
    check_table(CG_PLUGIN_CONSTRAINT, &constraint, "cg_constraint_ops.features is 0x10: bit 4 ");
    constraint.features = 0;
    constraint.reserved_2 = 1;
    check_table(CG_PLUGIN_CONSTRAINT, &constraint, "cg_constraint_ops.reserved_2 is 0x1: bit 0 ");
    constraint.reserved = 4;
    check_table(CG_PLUGIN_CONSTRAINT, &constraint, "cg_constraint_ops.reserved is 0x4: bit 2 ");
}
END_TEST

static void *wait_for_end(void *arg)
{
    pthread_mutex_lock(arg);
    pthread_mutex_unlock(arg);
    return NULL;
}

START_TEST(process_is_compared)
{
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    process_state *before = process_state_create();
    pthread_t thread;
    char text[256];
    int fd;

    ck_assert_int_eq(process_state_changed(before, PROCESS_ALL, text, sizeof text), 0);
    fd = open("/dev/null", O_RDONLY);
    ck_assert_int_eq(process_state_changed(before, PROCESS_ALL, text, sizeof text), 1);
    ck_assert_ptr_nonnull(strstr(text, "(/dev/null) is left open"));
    ck_assert_int_eq(process_state_changed(before, 0, text, sizeof text), 0);
    process_state_destroy(before);
    before = process_state_create();
    close(fd);
    ck_assert_int_eq(process_state_changed(before, PROCESS_ALL, text, sizeof text), 1);
    ck_assert_ptr_nonnull(strstr(text, "is closed"));
    ck_assert_int_eq(open("/dev/zero", O_RDONLY), fd);
    ck_assert_int_eq(process_state_changed(before, PROCESS_ALL, text, sizeof text), 1);
    ck_assert_ptr_nonnull(strstr(text, "(/dev/zero) was another file"));
    process_state_destroy(before);

    before = process_state_create();
    setenv("CONFGEN_TEST_ALLOCATING", "another", 1);
    ck_assert_int_eq(process_state_changed(before, PROCESS_ENVIRONMENT, text, sizeof text), 1);
    ck_assert_str_eq(text, "the environment variable CONFGEN_TEST_ALLOCATING is set or has another "
                           "value");
    unsetenv("CONFGEN_TEST_ALLOCATING");
    ck_assert_int_eq(process_state_changed(before, PROCESS_ENVIRONMENT, text, sizeof text), 1);
    ck_assert_str_eq(text, "the environment variable CONFGEN_TEST_ALLOCATING is gone");
    process_state_destroy(before);

    before = process_state_create();
    signal(SIGUSR1, SIG_IGN);
    ck_assert_int_eq(process_state_changed(before, 0, text, sizeof text), 1);
    ck_assert_ptr_nonnull(strstr(text, "the handler of signal 10 "));
    process_state_destroy(before);

    before = process_state_create();
    pthread_mutex_lock(&lock);
    ck_assert_int_eq(pthread_create(&thread, NULL, wait_for_end, &lock), 0);
    ck_assert_int_eq(process_state_changed(before, PROCESS_THREADS, text, sizeof text), 1);
    ck_assert_ptr_nonnull(strstr(text, " threads run, "));
    pthread_mutex_unlock(&lock);
    pthread_join(thread, NULL);
    ck_assert_int_eq(process_state_changed(before, PROCESS_THREADS, text, sizeof text), 0);
    process_state_destroy(before);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("watch");
    TCase *tc = tcase_create("watch");
    SRunner *runner;
    int failures;

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, allocations_of_a_module_are_seen);
    tcase_add_test(tc, allocations_of_the_program_are_not_seen);
    tcase_add_test(tc, symbols_of_a_module_are_read);
    tcase_add_test(tc, floating_point_environment_is_compared_and_restored);
    tcase_add_test(tc, process_is_compared);
    tcase_add_test(tc, bits_without_a_meaning_are_found);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
