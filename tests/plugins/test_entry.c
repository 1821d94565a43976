/* SPDX-License-Identifier: MIT */
/*
 * The entry of every plugin in this tree refuses an incomplete host with a text.
 *
 *   test_entry PLUGIN.so...
 */
#include <check.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include <confgen/plugin.h>

#include "plugin/host.h"

static char **paths;
static cg_plugin_host host;

static void setup(void)
{
    cg_plugin_host_init(&host, NULL, NULL, NULL, CG_LOG_WARNING);
}

static cg_plugin_entry_fn entry_of(const char *path)
{
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    cg_plugin_entry_fn entry;

    ck_assert_msg(handle != NULL, "%s", dlerror());
    *(void **)&entry = dlsym(handle, CG_PLUGIN_ENTRY_SYMBOL);
    ck_assert_msg(entry != NULL, "%s", path);
    return entry;
}

static void refuses(cg_plugin_entry_fn entry, const cg_host *with, const char *text)
{
    cg_error err = CG_ERROR_INIT;
    const cg_plugin *plugin = NULL;

    ck_assert_int_eq(entry(with, &plugin, &err), CG_ERR_PLUGIN);
    ck_assert_int_eq(err.code, CG_ERR_PLUGIN);
    ck_assert_msg(strstr(err.msg, text) != NULL, "'%s' does not contain '%s'", err.msg, text);
    ck_assert_ptr_null(plugin);
    ck_assert_int_eq(entry(with, &plugin, NULL), CG_ERR_PLUGIN); /* err may be NULL */
    ck_assert_ptr_null(plugin);
}

START_TEST(incomplete_host_is_refused)
{
    cg_plugin_entry_fn entry = entry_of(paths[_i]);
    cg_host h = host.host;

    refuses(entry, NULL, "host services: found NULL, wanted a cg_host");

    h.struct_size = offsetof(cg_host, fail);
    refuses(entry, &h, "host services: found 48 bytes, wanted at least 56 (plugin ABI 1.0)");
    h.struct_size = 0;
    refuses(entry, &h, "host services: found 0 bytes, wanted at least 56 (plugin ABI 1.0)");

    h = host.host;
    h.fail = NULL;
    refuses(entry, &h, "host services: incomplete, wanted alloc, free, log, parallel_for, fail");
    h = host.host;
    h.alloc = NULL;
    refuses(entry, &h, "host services: incomplete");
    h = host.host;
    h.workers = 0;
    refuses(entry, &h, "host services: incomplete");
}
END_TEST

START_TEST(complete_host_gets_the_descriptor)
{
    cg_plugin_entry_fn entry = entry_of(paths[_i]);
    cg_error err = CG_ERROR_INIT;
    const cg_plugin *plugin = NULL;
    struct {
        cg_host host;
        void *newer; /* a member that the plugin's headers lack */
    } longer = { .host = host.host };

    longer.host.struct_size = sizeof longer;
    ck_assert_msg(entry(&longer.host, &plugin, &err) == CG_OK, "%s", err.msg);
    ck_assert_ptr_nonnull(plugin);
    ck_assert_ptr_nonnull(strstr(paths[_i], plugin->name)); /* KIND_NAME.so */
    ck_assert_int_eq(err.code, CG_OK);
    ck_assert_str_eq(err.msg, "");
}
END_TEST

int main(int argc, char **argv)
{
    Suite *s = suite_create("entry");
    TCase *tc = tcase_create("entry");
    SRunner *sr;
    int failed;

    if (argc < 2)
        return 2;
    paths = argv + 1;
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_loop_test(tc, incomplete_host_is_refused, 0, argc - 1);
    tcase_add_loop_test(tc, complete_host_gets_the_descriptor, 0, argc - 1);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
