/* SPDX-License-Identifier: MIT */
/* Every kind of bad plugin is refused with its text: path, found, wanted. */
#include <check.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugin/host.h"
#include "plugin/loader.h"
#include "plugin/registry.h"

#define TEXT_OF(x) #x
#define TEXT(x)    TEXT_OF(x)
#define MINOR      TEXT(CG_PLUGIN_ABI_MINOR)

static cg_plugin_host host;
static int warnings;

static char info[512], last_warning[1024]; /* the last line of each level */

static void keep_log(void *ctx, int32_t level, const char *text)
{
    (void)ctx;
    ck_assert(level == CG_LOG_WARNING || level == CG_LOG_INFO);
    ck_assert_ptr_nonnull(text);
    warnings += level == CG_LOG_WARNING;
    if (level == CG_LOG_INFO)
        snprintf(info, sizeof info, "%s", text);
    else
        snprintf(last_warning, sizeof last_warning, "%s", text);
}

static void setup(void)
{
    warnings = 0;
    cg_plugin_host_init(&host, NULL, keep_log, NULL, CG_LOG_DEBUG);
}

static const char *module(const char *name)
{
    static char path[512];
    const char *dir = getenv("CONFGEN_BADPLUGINS");

    ck_assert_ptr_nonnull(dir);
    snprintf(path, sizeof path, "%s/attention_%s.so", dir, name);
    return path;
}

static const struct {
    const char *name;
    cg_status status;
    const char *text; /* after "plugin 'PATH'" */
} refusals[] = {
    { "no_symbol", CG_ERR_PLUGIN,
      ": found no symbol cg_plugin_entry_v1; wanted a confgen plugin, which exports it "
      "(confgen/plugin.h, CG_EXPORT)" },
    { "wrong_symbol", CG_ERR_PLUGIN,
      ": found plugin ABI 2 (symbol cg_plugin_entry_v2), this confgen has 1; use a newer confgen, "
      "or rebuild it against the headers of confgen " CG_VERSION_STRING },
    { "failing_entry", CG_ERR_PLUGIN,
      ": its entry refused (unsupported): wanted a host that makes coffee" },
    { "silent_entry", CG_ERR_PLUGIN, ": its entry refused (internal error): without a reason" },
    { "null_descriptor", CG_ERR_PLUGIN,
      ": its entry returned success but no descriptor; wanted a cg_plugin in *ret_plugin" },
    { "short_descriptor", CG_ERR_PLUGIN,
      ": its descriptor has 16 bytes, wanted at least 48; set struct_size with "
      "CG_SIZED(cg_plugin)" },
    { "other_major", CG_ERR_PLUGIN,
      ": found plugin ABI 2." MINOR " in its descriptor, this confgen has 1." MINOR
      "; use a newer confgen, or rebuild it against the "
      "headers of confgen " CG_VERSION_STRING },
    { "bad_kind", CG_ERR_PLUGIN,
      ": found kind 9, wanted 1 (attention), 2 (cache) or 3 (constraint)" },
    { "bad_name", CG_ERR_PLUGIN, ": its name 'Bad Name' holds a character outside [a-z0-9_]" },
    { "long_name", CG_ERR_PLUGIN,
      ": its name 'a_name_that_is_longer_than_the_31_charac' is too long; wanted 1 to 31 of "
      "[a-z0-9_]" },
    { "empty_name", CG_ERR_PLUGIN, ": its name '' is empty; wanted 1 to 31 of [a-z0-9_]" },
    { "null_name", CG_ERR_PLUGIN, ": its descriptor has no name; wanted 1 to 31 of [a-z0-9_]" },
    { "null_description", CG_ERR_PLUGIN,
      " (good): its descriptor has no description; wanted a string" },
    { "null_ops", CG_ERR_PLUGIN,
      " (good): its operation table is NULL; wanted a cg_attention_ops" },
    { "short_ops", CG_ERR_PLUGIN,
      " (good): its cg_attention_ops has 32 bytes and ends before 'run', wanted at least 48; set "
      "struct_size with CG_SIZED(cg_attention_ops)" },
    { "null_member", CG_ERR_PLUGIN,
      " (good): 'run' of its cg_attention_ops is NULL; wanted a function" },
};
enum { N_REFUSALS = sizeof refusals / sizeof *refusals };

START_TEST(bad_module_is_refused_with_its_text)
{
    const char *path = module(refusals[_i].name);
    cg_error err = CG_ERROR_INIT;
    const cg_plugin *plugin = NULL;
    char want[2 * CG_ERROR_TEXT];

    snprintf(want, sizeof want, "plugin '%s'%s", path, refusals[_i].text);
    ck_assert_int_eq(cg_plugin_load(path, &host.host, &plugin, &err), refusals[_i].status);
    ck_assert_str_eq(err.msg, want);
    ck_assert_int_eq(err.code, refusals[_i].status);
    ck_assert_ptr_null(plugin);
}
END_TEST

START_TEST(newer_minor_is_loaded_with_a_line_in_the_log)
{
    cg_error err = CG_ERROR_INIT;
    const cg_plugin *plugin = NULL;

    ck_assert_int_eq(cg_plugin_load(module("newer_minor"), &host.host, &plugin, &err), CG_OK);
    ck_assert_str_eq(plugin->name, "newer");
    ck_assert_ptr_nonnull(
        strstr(info, "attention_newer_minor.so' (newer): built for plugin ABI 1."));
    ck_assert_ptr_nonnull(
        strstr(info, ", this confgen has 1." MINOR ": what is newer is not used"));
}
END_TEST

START_TEST(good_module_is_loaded)
{
    cg_error err = CG_ERROR_INIT;
    const cg_plugin *plugin = NULL;

    ck_assert_msg(cg_plugin_load(module("good"), &host.host, &plugin, &err) == CG_OK, "%s",
                  err.msg);
    ck_assert_str_eq(plugin->name, "good");
}
END_TEST

START_TEST(files_that_are_no_plugins)
{
    char dir[] = "/tmp/badplugins-XXXXXX", path[512], want[2 * CG_ERROR_TEXT];
    cg_error err = CG_ERROR_INIT;
    const cg_plugin *plugin = NULL;
    FILE *f;

    ck_assert_ptr_nonnull(mkdtemp(dir));
    ck_assert_int_eq(cg_plugin_load("", &host.host, &plugin, &err), CG_ERR_USAGE);
    ck_assert_str_eq(err.msg, "plugin '': empty path; wanted the path of a plugin's shared object");

    ck_assert_int_eq(cg_plugin_load("/nowhere/attention_x.so", &host.host, &plugin, &err),
                     CG_ERR_IO);
    ck_assert_str_eq(err.msg, "plugin '/nowhere/attention_x.so': No such file or directory; wanted "
                              "the path of a plugin's shared object");

    ck_assert_int_eq(cg_plugin_load(dir, &host.host, &plugin, &err), CG_ERR_PLUGIN);
    snprintf(want, sizeof want,
             "plugin '%s': is a directory; wanted one shared object, or name the directory in "
             "CONFGEN_PLUGIN_PATH",
             dir);
    ck_assert_str_eq(err.msg, want);

    ck_assert_int_eq(cg_plugin_load("/dev/null", &host.host, &plugin, &err), CG_ERR_PLUGIN);
    ck_assert_str_eq(err.msg,
                     "plugin '/dev/null': not a regular file; wanted a plugin's shared object");

    snprintf(path, sizeof path, "%s/attention_text.so", dir);
    f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fputs("this is a text, and it goes on for longer than the header of a shared object\n", f);
    fclose(f);
    ck_assert_int_eq(cg_plugin_load(path, &host.host, &plugin, &err), CG_ERR_PLUGIN);
    snprintf(want, sizeof want, "plugin '%s': cannot be loaded (", path);
    ck_assert_ptr_eq(strstr(err.msg, want), err.msg);
    ck_assert_ptr_nonnull(strstr(err.msg, "invalid ELF header); wanted a shared object for this "
                                          "machine, all of its symbols and libraries present"));

    /* a name without a slash is in the current directory, not in the library path */
    ck_assert_int_eq(chdir(dir), 0);
    ck_assert_int_eq(cg_plugin_load("attention_text.so", &host.host, &plugin, &err), CG_ERR_PLUGIN);
    ck_assert_ptr_nonnull(strstr(err.msg, "invalid ELF header"));
    ck_assert_ptr_null(plugin);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

/* dlopen would map beyond the end of the file and raise SIGBUS. */
START_TEST(truncated_file_is_refused)
{
    char path[] = "/tmp/cut-plugin-XXXXXX", want[CG_ERROR_TEXT];
    static char bytes[1 << 20];
    cg_error err = CG_ERROR_INIT;
    const cg_plugin *plugin = NULL;
    FILE *f = fopen(module("good"), "rb");
    size_t n;
    int fd = mkstemp(path);

    ck_assert_ptr_nonnull(f);
    n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    ck_assert(n > 4096 && n < sizeof bytes);
    ck_assert_int_eq(write(fd, bytes, n), n);
    for (size_t keep = n / 2; keep > 64; keep /= 2) {
        ck_assert_int_eq(ftruncate(fd, (off_t)keep), 0);
        ck_assert_int_eq(cg_plugin_load(path, &host.host, &plugin, &err), CG_ERR_PLUGIN);
        snprintf(want, sizeof want,
                 "plugin '%s': truncated: its segments end after the file's %zu bytes; wanted the "
                 "whole shared object",
                 path, keep);
        ck_assert_str_eq(err.msg, want);
    }
    close(fd);
    ck_assert_int_eq(unlink(path), 0);
}
END_TEST

START_TEST(duplicate_name_is_refused)
{
    char first[512], want[2 * CG_ERROR_TEXT];
    const cg_registry_entry *entries;
    cg_error err = CG_ERROR_INIT;
    cg_registry *r = NULL;

    snprintf(first, sizeof first, "%s", module("good"));
    ck_assert_int_eq(cg_registry_create(&host.host, &r, &err), CG_OK);
    ck_assert_int_eq(cg_registry_add_file(r, first, &err), CG_OK);
    ck_assert_int_eq(cg_registry_add_file(r, first, &err), CG_OK); /* a loaded file is skipped */
    ck_assert_int_eq(cg_registry_add_file(r, module("same_name"), &err), CG_ERR_PLUGIN);
    snprintf(want, sizeof want,
             "plugin '%s': the name 'good' is already taken by the attention plugin '%s'; rename "
             "one of them",
             module("same_name"), first);
    ck_assert_str_eq(err.msg, want);
    ck_assert_int_eq(cg_registry_entries(r, &entries), 1);
    ck_assert_str_eq(entries[0].path, first);
    cg_registry_destroy(r);
}
END_TEST

START_TEST(a_plugin_comes_before_an_alias)
{
    const cg_plugin *plugin = NULL;
    cg_error err = CG_ERROR_INIT;
    cg_registry *r = NULL;

    ck_assert_int_eq(cg_registry_create(&host.host, &r, &err), CG_OK);
    ck_assert_ptr_nonnull(cg_registry_alias(r, CG_PLUGIN_ATTENTION, "sdpa_flash"));
    ck_assert_int_eq(cg_registry_find(r, CG_PLUGIN_ATTENTION, "sdpa_flash", &plugin, &err),
                     CG_ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(err.msg, "attention 'sdpa_flash': an alias of 'flash', a plugin "
                                          "that is not installed; there is: none; aliases: sdpa, "
                                          "sdpa_math, "));
    ck_assert_int_eq(cg_registry_add_file(r, module("alias_name"), &err), CG_OK);
    ck_assert_int_eq(warnings, 1);
    ck_assert_ptr_nonnull(strstr(last_warning, "attention 'sdpa_flash' is the plugin '"));
    ck_assert_ptr_nonnull(strstr(last_warning, "attention_alias_name.so', not the alias of that "
                                               "name"));
    ck_assert_ptr_null(cg_registry_alias(r, CG_PLUGIN_ATTENTION, "sdpa_flash"));
    ck_assert_int_eq(cg_registry_find(r, CG_PLUGIN_ATTENTION, "sdpa_flash", &plugin, &err), CG_OK);
    ck_assert_str_eq(plugin->name, "sdpa_flash");
    ck_assert_int_eq(cg_registry_find(r, CG_PLUGIN_ATTENTION, "sdpa", &plugin, &err), CG_ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(err.msg, "attention 'sdpa': an alias of 'auto', wanted a plugin; "
                                          "there are: sdpa_flash; aliases: "));
    ck_assert_ptr_null(cg_registry_alias(r, CG_PLUGIN_CACHE, "sdpa"));
    cg_registry_destroy(r);
}
END_TEST

/* In a directory of bad plugins the good one is loaded, the others become refusals. */
START_TEST(directory_of_bad_plugins)
{
    const cg_registry_refusal *refused;
    const cg_registry_entry *entries;
    cg_error err = CG_ERROR_INIT;
    cg_registry *r = NULL;
    int32_t n;

    ck_assert_int_eq(cg_registry_create(&host.host, &r, &err), CG_OK);
    ck_assert_int_eq(cg_registry_add_dir(r, getenv("CONFGEN_BADPLUGINS"), &err), CG_OK);
    ck_assert_int_eq(cg_registry_entries(r, &entries), 3);
    ck_assert_str_eq(entries[0].plugin->name, "good");
    ck_assert_str_eq(entries[1].plugin->name, "newer");
    ck_assert_str_eq(entries[2].plugin->name, "sdpa_flash");
    n = cg_registry_refusals(r, &refused);
    ck_assert_int_eq(n, N_REFUSALS + 1); /* same_name too */
    ck_assert_int_eq(warnings, n + 1);   /* and that sdpa_flash is no alias */
    for (int32_t i = 0; i < n; i++)
        ck_assert_ptr_nonnull(strstr(refused[i].text, refused[i].path));
    ck_assert_int_eq(cg_registry_add_dir(r, "/nowhere", &err), CG_ERR_IO);
    ck_assert_str_eq(err.msg, "plugin directory '/nowhere': No such file or directory; wanted a "
                              "readable directory");
    cg_registry_destroy(r);
}
END_TEST

/* A refused file of the command line is an error; one found in a directory is not. */
START_TEST(only_named_files_are_required)
{
    const char *bad = module("bad_kind");
    cg_error err = CG_ERROR_INIT;
    cg_registry *r = NULL;
    const cg_plugin *plugin = NULL;

    ck_assert_int_eq(cg_registry_open(&host.host, &bad, 1, &r, &err), CG_ERR_PLUGIN);
    ck_assert_ptr_null(r);
    ck_assert_ptr_nonnull(strstr(err.msg, "found kind 9"));

    ck_assert_int_eq(setenv("CONFGEN_PLUGIN_PATH", "/nowhere", 1), 0);
    ck_assert_int_eq(cg_registry_open(&host.host, NULL, 0, &r, &err), CG_OK);
    ck_assert_int_ge(warnings, 1);
    ck_assert_int_eq(cg_registry_find(r, CG_PLUGIN_CONSTRAINT, "nowhere", &plugin, &err),
                     CG_ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(err.msg, "constraint 'nowhere': no such plugin; there "));
    ck_assert_ptr_nonnull(strstr(err.msg, "plugin directory '/nowhere': No such file"));
    cg_registry_destroy(r);
}
END_TEST

/* A copy of the good plugin that everyone may write is refused before any of its code runs; with
 * the environment's consent it is loaded. */
START_TEST(writable_plugin_is_not_loaded)
{
    char dir[] = "/tmp/confgen-writable-XXXXXX", path[64], command[700];
    const cg_plugin *plugin = NULL;
    cg_error err = CG_ERROR_INIT;

    unsetenv("CONFGEN_ALLOW_WRITABLE_PLUGINS");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/attention_copy.so", dir);
    snprintf(command, sizeof command, "cp '%s' '%s'", module("good"), path);
    ck_assert_int_eq(system(command), 0);
    ck_assert_int_eq(chmod(path, 0666), 0);
    ck_assert_int_eq(cg_plugin_load(path, &host.host, &plugin, &err), CG_ERR_PLUGIN);
    ck_assert_ptr_nonnull(strstr(err.msg, "attention_copy.so' may be written by everyone"));
    ck_assert_ptr_null(dlopen(path, RTLD_NOW | RTLD_NOLOAD));

    ck_assert_int_eq(chmod(path, 0644), 0);
    ck_assert_int_eq(chmod(dir, 0777), 0);
    {
        const cg_registry_refusal *refused;
        cg_registry *r;

        ck_assert_int_eq(cg_registry_create(&host.host, &r, &err), CG_OK);
        ck_assert_int_eq(cg_registry_add_dir(r, dir, &err), CG_ERR_PLUGIN);
        ck_assert_ptr_nonnull(strstr(err.msg, "plugin directory '/tmp/confgen-writable-"));
        ck_assert_int_eq(cg_registry_refusals(r, &refused), 0);
        cg_registry_destroy(r);
    }
    ck_assert_int_eq(setenv("CONFGEN_ALLOW_WRITABLE_PLUGINS", "1", 1), 0);
    ck_assert_int_eq(cg_plugin_load(path, &host.host, &plugin, &err), CG_OK);
    ck_assert_str_eq(plugin->name, "good");
    ck_assert_int_eq(remove(path), 0);
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("badplugins");
    TCase *tc = tcase_create("refusals");
    SRunner *sr;
    int failed;

    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_loop_test(tc, bad_module_is_refused_with_its_text, 0, N_REFUSALS);
    tcase_add_test(tc, good_module_is_loaded);
    tcase_add_test(tc, newer_minor_is_loaded_with_a_line_in_the_log);
    tcase_add_test(tc, files_that_are_no_plugins);
    tcase_add_test(tc, truncated_file_is_refused);
    tcase_add_test(tc, duplicate_name_is_refused);
    tcase_add_test(tc, a_plugin_comes_before_an_alias);
    tcase_add_test(tc, directory_of_bad_plugins);
    tcase_add_test(tc, only_named_files_are_required);
    tcase_add_test(tc, writable_plugin_is_not_loaded);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
