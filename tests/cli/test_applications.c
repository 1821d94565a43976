/* SPDX-License-Identifier: MIT */
/* The public headers for applications, through the installed library. */
#include <check.h>
#include <confgen/confgen.h>
#include <confgen/gpu.h>
#include <confgen/build_info.h>
#include <confgen/plugins.h>
#include <confgen/results.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[64];

/* Writes a file with this text; its name is `path`. */
static void write_file(const char *ending, const char *text)
{
    int fd;
    FILE *f;

    snprintf(path, sizeof path, "/tmp/confgen_test_XXXXXX%s", ending);
    fd = mkstemps(path, (int)strlen(ending));
    ck_assert_int_ge(fd, 0);
    f = fdopen(fd, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs(text, f), 0);
    ck_assert_int_eq(fclose(f), 0);
}

static void ck_text(const cg_error *err, const char *part)
{
    ck_assert_msg(strstr(err->msg, part) != NULL, "'%s' is not in '%s'", part, err->msg);
}

/* ---- requests ----------------------------------------------------------------------------- */

static const char molecules[] = "CCO\tethanol\t3\nC |open\nOc1ccccc1\tphenol\nC(C\tbad\n";

START_TEST(requests_are_read)
{
    cg_error err = CG_ERROR_INIT;
    cg_requests *list;
    cg_request item = { CG_SIZED(cg_request) };

    write_file(".smi", molecules);
    ck_assert_int_eq(cg_requests_read(path, 0, 7, &list, &err), CG_OK);
    ck_assert_int_eq(cg_requests_count(list), 3);
    ck_assert_int_eq(cg_requests_skipped(list), 1); /* the extension without its end */
    ck_assert_int_eq(cg_requests_get(list, 0, &item), 1);
    ck_assert_str_eq(item.smiles, "CCO");
    ck_assert_str_eq(item.name, "ethanol");
    ck_assert_int_eq(item.n_conformers, 7);
    ck_assert_int_eq(cg_requests_get(list, 1, &item), 1);
    ck_assert_str_eq(item.name, "phenol");
    ck_assert_int_eq(item.index, 2);
    ck_assert_int_eq(cg_requests_get(list, 3, &item), 0);
    cg_requests_free(list);
    ck_assert_int_eq(cg_requests_read(path, 1, 1, &list, &err), CG_OK);
    ck_assert_int_eq(cg_requests_count(list), 1);
    cg_requests_free(list);
    unlink(path);
    ck_assert_int_eq(cg_requests_read(path, 0, 1, &list, &err), CG_ERR_IO);
    ck_text(&err, path);
    cg_requests_free(NULL);
}
END_TEST

/* ---- results ------------------------------------------------------------------------------ */

START_TEST(results_are_read)
{
    static const char text[] = "[C]<0.0,0.0,0.0>\tmethane\t0\t1\n"
                               "[C]<0.0,0.0,0.0>\tmethane\t1\t1\n"
                               "[O]<0.0,0.0,0.0>\twater\t0\t1\n";
    cg_error err = CG_ERROR_INIT;
    cg_results_frame frame = { CG_SIZED(cg_results_frame) };
    cg_results *r;
    const char *bytes;
    size_t len;
    int64_t i;

    write_file(".smiles3d", text);
    ck_assert_int_eq(cg_results_open(path, &r, &err), CG_OK);
    ck_assert_str_eq(cg_results_container(r), "plain");
    ck_assert_int_eq(cg_results_has_table(r), 0);
    ck_assert_str_eq(cg_results_note(r), "");
    ck_assert_int_eq(cg_results_count(r), 2);
    ck_assert_int_eq(cg_results_get(r, 0, &frame, &err), CG_OK);
    ck_assert_str_eq(frame.name, "methane");
    ck_assert_int_eq(frame.records, 2);
    ck_assert_int_eq(cg_results_find(r, "water", 0, &i, &err), CG_OK);
    ck_assert_int_eq(i, 1);
    ck_assert_int_eq(cg_results_read(r, i, &bytes, &len, &err), CG_OK);
    ck_assert_str_eq(bytes, strstr(text, "[O]"));
    ck_assert_uint_eq(len, strlen(bytes));
    ck_assert_int_eq(cg_results_find(r, "water", 2, &i, &err), CG_ERR_INPUT);
    ck_assert_int_eq(cg_results_find(r, "ether", 0, &i, &err), CG_ERR_INPUT);
    ck_assert_int_eq(cg_results_get(r, 2, &frame, &err), CG_ERR_USAGE);
    ck_assert_int_eq(cg_results_read(r, -1, &bytes, &len, &err), CG_ERR_USAGE);
    cg_results_close(r);
    unlink(path);
    ck_assert_int_eq(cg_results_open(path, &r, &err), CG_ERR_IO);
    cg_results_close(NULL);
}
END_TEST

/* ---- plugins ------------------------------------------------------------------------------ */

START_TEST(plugins_are_found_and_matched)
{
    cg_plugin_set_options open = { CG_SIZED(cg_plugin_set_options), .threads = 2 };
    cg_match_options match = { CG_SIZED(cg_match_options), .shape = "default" };
    cg_error err = CG_ERROR_INIT;
    cg_loaded_plugin found = { CG_SIZED(cg_loaded_plugin) };
    cg_refused_plugin refused = { CG_SIZED(cg_refused_plugin) };
    cg_plugin_pair pair = { CG_SIZED(cg_plugin_pair) };
    const char *const *dirs;
    const cg_plugin *plugin;
    cg_plugin_set *set;
    int32_t n = 0, gpus = 0;

    ck_assert_int_eq(cg_plugin_set_open(&open, &set, &err), CG_OK);
    ck_assert_int_eq(cg_plugin_set_loaded(set, 7, &found), 1);
    ck_assert_int_eq(cg_plugin_set_loaded(set, 0, &found), 1);
    ck_assert_str_eq(found.kind, "attention");
    ck_assert_int_eq(cg_plugin_set_refused(set, 0, &refused), 0);
    ck_assert_int_eq(cg_plugin_set_pair(set, 0, &pair), 0); /* before a match */
    ck_assert_int_ge(cg_plugin_set_dirs(set, &dirs), 1);
    ck_assert_str_eq(dirs[0], getenv("CONFGEN_PLUGIN_PATH"));
    ck_assert_int_eq(cg_plugin_set_host(set)->workers, 2);
    ck_assert_int_eq(cg_plugin_set_find(set, CG_PLUGIN_CACHE, "paged", &plugin, &err), CG_OK);
    ck_assert_str_eq(plugin->name, "paged");
    ck_assert_int_eq(cg_plugin_set_find(set, CG_PLUGIN_CACHE, "flash", &plugin, &err),
                     CG_ERR_USAGE);
    ck_assert_int_eq(cg_plugin_set_match(set, &match, &err), CG_OK);
    for (; cg_plugin_set_pair(set, n, &pair); n++) {
        const char *name = pair.attention->name;
        int of_gpus = !strcmp(name, "cudnn") || !strcmp(name, "hopper"); /* if built */

        ck_assert_msg(of_gpus ? pair.status == CG_ERR_UNSUPPORTED &&
                                    strstr(pair.reason, ", but the device is cpu")
                              : pair.status == CG_OK && !*pair.reason,
                      "%s over %s: status %d, '%s'", name, pair.cache->name, pair.status,
                      pair.reason);
    }
    ck_assert_int_ge(n, 6);
    match.device = "cuda";
    ck_assert_int_eq(cg_plugin_set_match(set, &match, &err), CG_OK);
    if (cg_gpu_count(&gpus, &err) != CG_OK || gpus == 0)
        for (n = 0; cg_plugin_set_pair(set, n, &pair); n++)
            ck_assert(pair.status == CG_ERR_UNSUPPORTED && *pair.reason);
    match.device = "tpu";
    ck_assert_int_eq(cg_plugin_set_match(set, &match, &err), CG_ERR_USAGE);
    ck_text(&err, "tpu");
    cg_plugin_set_close(set);
    cg_plugin_set_close(NULL);
}
END_TEST

START_TEST(a_file_without_directories)
{
    const char *file = path;
    cg_plugin_set_options open = { CG_SIZED(cg_plugin_set_options), .threads = 1, .files_only = 1,
                                   .n_files = 1, .files = &file };
    cg_error err = CG_ERROR_INIT;
    cg_plugin_set *set;

    write_file(".so", "no plugin\n");
    ck_assert_int_eq(cg_plugin_set_open(&open, &set, &err), CG_ERR_PLUGIN);
    ck_text(&err, path);
    unlink(path);
    open.n_files = 0;
    ck_assert_int_eq(cg_plugin_set_open(&open, &set, &err), CG_OK);
    cg_plugin_set_close(set);
}
END_TEST

/* ---- machine ------------------------------------------------------------------------------ */

START_TEST(libraries_and_versions_are_listed)
{
    cg_library library = { CG_SIZED(cg_library) };
    cg_error err = CG_ERROR_INIT;
    char found[4096], small[4];
    int32_t n = 0;

    for (; cg_library_get(n, &library); n++)
        ck_assert_msg(strpbrk(library.version, "0123456789") != NULL, "%s has version '%s'",
                      library.name, library.version);
    ck_assert_int_ge(n, 6);
    ck_assert_int_eq(cg_library_get(-1, &library), 0);
    ck_assert_int_eq(cg_library_get(0, &library), 1);
    ck_assert_str_eq(library.name, "RDKit");
    ck_assert_int_eq(cg_data_path("geom_drugs_sample.smi", found, sizeof found, &err), CG_OK);
    ck_assert_int_eq(access(found, R_OK), 0);
    ck_assert_int_eq(cg_data_path("nothing", found, sizeof found, &err), CG_ERR_IO);
    ck_text(&err, "nothing");
    ck_assert_int_eq(cg_data_path("geom_drugs_sample.smi", small, sizeof small, &err), CG_ERR_IO);
}
END_TEST

/* ---- engine ------------------------------------------------------------------------------- */

static void count(void *ctx, const cg_conformer *c)
{
    int *n = ctx;

    n[c->verdict == CG_CONFORMER_OK]++;
}

START_TEST(random_weights_build_and_generate)
{
    cg_engine_options options = { CG_SIZED(cg_engine_options), .batch_size = 2, .threads = 1,
                                  .shape = "default" };
    const cg_request requests[] = {
        { CG_SIZED(cg_request), .n_conformers = 2, .smiles = "CO" },
        { CG_SIZED(cg_request), .n_conformers = 1, .index = 1, .smiles = "C(C" },
        { CG_SIZED(cg_request), .n_conformers = 1, .index = 2, .smiles = "O" },
    };
    cg_error err = CG_ERROR_INIT;
    cg_engine *engine;
    cg_report report = { CG_SIZED(cg_report) };
    int n[2] = { 0 };

    ck_assert_int_eq(cg_engine_open(&options, &engine, &err), CG_OK);
    ck_assert_str_eq(cg_engine_get_info(engine)->model, "shape:default");
    ck_assert_int_eq(cg_engine_get_info(engine)->decimals, 3); /* of the tokenizer's directory */
    for (int32_t workers = 0; workers <= 2; workers++) {
        ck_assert_int_eq(cg_engine_build_templates(engine, requests, 3, workers, &report, &err),
                         CG_OK);
        ck_assert_int_eq(report.molecules, 3);
        ck_assert_int_eq(report.molecules_failed, 1);
        ck_assert(report.chemistry_seconds > 0 && report.template_seconds > 0);
    }
    ck_assert_int_eq(cg_engine_build_templates(engine, requests, 0, 1, &report, &err), CG_OK);
    ck_assert_int_eq(report.molecules, 0);
    ck_assert_int_eq(cg_engine_generate(engine, requests, 3, count, n, &report, &err), CG_OK);
    ck_assert_int_eq(n[1], 3);
    ck_assert_int_eq(n[0], 1);
    cg_engine_close(engine);
}
END_TEST

START_TEST(contradicting_shapes_are_refused)
{
    cg_engine_options options = { CG_SIZED(cg_engine_options), .shape = "huge" };
    cg_error err = CG_ERROR_INIT;
    cg_engine *engine;

    ck_assert_int_eq(cg_engine_open(&options, &engine, &err), CG_ERR_USAGE);
    ck_text(&err, "huge");
    options.shape = "default";
    options.model = "/tmp";
    ck_assert_int_eq(cg_engine_open(&options, &engine, &err), CG_ERR_USAGE);
    ck_text(&err, "wanted one of them");
    options.shape = options.model = NULL;
    options.tokenizer = "/tmp";
    ck_assert_int_ne(cg_engine_open(&options, &engine, &err), CG_OK); /* has no tokenizer */
    ck_text(&err, "/tmp");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("applications");
    TCase *tests = tcase_create("applications");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, requests_are_read);
    tcase_add_test(tests, results_are_read);
    tcase_add_test(tests, plugins_are_found_and_matched);
    tcase_add_test(tests, a_file_without_directories);
    tcase_add_test(tests, libraries_and_versions_are_listed);
    tcase_add_test(tests, random_weights_build_and_generate);
    tcase_add_test(tests, contradicting_shapes_are_refused);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
