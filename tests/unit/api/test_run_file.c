/* SPDX-License-Identifier: MIT */
/* Runs from file to file: outputs, failures, shards, resuming, stopping, refusals. */
#include <confgen/results.h>

#include <math.h>

#include "api/run_file.h"
#include "base/buf.h"
#include "base/file.h"
#include "tiny_engine.h"

static const char list[] = "CCO\tethanol\t2\n"
                           "C1CC\topen\t2\n"
                           "\n"
                           "c1ccccc1\tbenzene\t3\n"
                           "CC(=O)N\tamide\n"
                           "[NH4+].[Cl-]\tsalt\t1\n";

static cg_engine *engine;
static cg_run_options options;
static cg_report report = { CG_SIZED(cg_report) };
static cg_error err;
static volatile int stop_flag;
static char failure_texts[8192];
static int64_t progressed;
static char input[512], output[512], failed[512];

static void on_failure(void *ctx, const char *text)
{
    size_t n = strlen(failure_texts);

    (void)ctx;
    snprintf(failure_texts + n, sizeof failure_texts - n, "%s\n", text);
}

static void on_progress(void *ctx, const cg_report *so_far, int64_t done)
{
    (void)ctx;
    ck_assert_int_le(done, so_far->total_molecules);
    progressed++;
}

static void setup(void)
{
    scratch_make();
    write_tiny_model();
    engine = open_tiny_engine(4, 0, NULL);
    snprintf(input, sizeof input, "%s", scratch_write_text("in.smi", list));
    snprintf(output, sizeof output, "%s", scratch_path("out.sdf"));
    snprintf(failed, sizeof failed, "%s", scratch_path("failed.tsv"));
    options = (cg_run_options) { CG_SIZED(cg_run_options), .gens = 2,
                                 .input = input,           .output = output,
                                 .on_failure = on_failure, .stop = &stop_flag };
    err = (cg_error)CG_ERROR_INIT;
}

static void teardown(void)
{
    cg_engine_close(engine);
    scratch_remove();
}

static cg_status run(void)
{
    failure_texts[0] = '\0';
    return cg_engine_run(engine, &options, &report, &err);
}

static void run_ok(void)
{
    ck_assert_msg(run() == CG_OK, "%s", err.msg);
}

static void refused(cg_status status, const char *text)
{
    ck_assert_int_eq(run(), status);
    ck_assert_msg(strstr(err.msg, text) != NULL, "'%s' is not in '%s'", text, err.msg);
}

/* Contents of a file; free(). */
static char *read_all(const char *path)
{
    cg_bytes b = { 0 };
    cg_error e = CG_ERROR_INIT;

    ck_assert_msg(cg_file_read(path, 1 << 24, &b, &e) == CG_OK, "%s", e.msg);
    return (char *)b.data;
}

static int count(const char *text, const char *what)
{
    int n = 0;

    for (const char *p = text; (p = strstr(p, what)) != NULL; p += strlen(what))
        n++;
    return n;
}

START_TEST(every_line_is_accounted_for)
{
    char *text;

    options.failed = failed;
    options.progress = on_progress;
    run_ok();
    ck_assert_int_eq(report.molecules, 5); /* the blank line is skipped */
    ck_assert_int_eq(report.molecules_failed, 1);
    ck_assert_int_eq(report.total_molecules, 5);
    ck_assert_int_eq(report.total_conformers, 10);
    ck_assert_int_eq(report.requested, 8);
    ck_assert_int_eq(report.conformers, 8);
    ck_assert_int_gt(report.bytes_written, 1000);
    ck_assert_int_gt(progressed, 0);
    ck_assert_ptr_nonnull(
        strstr(failure_texts, "in.smi:2: open: SMILES offset 1: unclosed ring bond 1"));
    ck_assert_int_eq(count(failure_texts, "\n"), 1);
    text = read_all(output);
    ck_assert_int_eq(count(text, "$$$$\n"), 8);
    ck_assert_ptr_nonnull(strstr(text, "[Cl-].[NH4+]"));
    free(text);
    text = read_all(failed);
    ck_assert_int_eq(count(text, "\n"), 2);
    ck_assert_ptr_nonnull(strstr(text, "\n2\topen\tC1CC\t-\tSMILES offset 1"));
    free(text);
}
END_TEST

START_TEST(formats_follow_the_extension)
{
    static const struct {
        const char *name, *format, *mark;
        int n;
    } cases[] = {
        { "a.xyz", NULL, "Properties=species:S:1:pos:R:3", 8 },
        { "a.json", NULL, "{\"name\": ", 8 },
        { "a.jsonl", NULL, "{\"name\": ", 8 },
        { "a.smiles3d", NULL, "]<", 2 * (3 + 6 + 4 + 2) },
        { "a.sdf", NULL, "$$$$\n", 8 },
        { "a", NULL, "$$$$\n", 8 },
        { "a.b/c", NULL, "$$$$\n", 8 },
        { "a.sdf", "xyz", "Properties=", 8 },
    };
    char *text;

    shell("mkdir -p '%s/a.b'", scratch_dir);
    snprintf(output, sizeof output, "%s", scratch_path(cases[_i].name));
    options.format = cases[_i].format;
    run_ok();
    text = read_all(output);
    ck_assert_int_eq(count(text, cases[_i].mark), cases[_i].n);
    free(text);
}
END_TEST

START_TEST(shards_concatenate_to_the_whole)
{
    char *whole, joined[1 << 16] = "";
    int64_t n_molecules = 0;

    run_ok();
    whole = read_all(output);
    options.overwrite = 1;
    options.shards = 3;
    for (options.shard = 0; options.shard < 3; options.shard++) {
        char *part;

        run_ok();
        ck_assert_int_ge(report.molecules, 1);
        n_molecules += report.molecules;
        part = read_all(output);
        ck_assert_uint_lt(strlen(joined) + strlen(part), sizeof joined);
        strcat(joined, part);
        free(part);
    }
    ck_assert_int_eq(n_molecules, 5);
    ck_assert_str_eq(joined, whole);
    free(whole);
}
END_TEST

START_TEST(stopped_run_resumes)
{
    char *want, *got;

    run_ok();
    want = read_all(output);
    options.overwrite = 1;
    stop_flag = 1;
    ck_assert_int_eq(run(), CG_ERR_INTERRUPTED);
    stop_flag = 0;
    refused(CG_OK, "");
    options.overwrite = 0;
    options.resume = 1;
    run_ok();
    ck_assert_int_eq(report.molecules_resumed, 5);
    ck_assert_int_eq(report.conformers_resumed, 8);
    ck_assert_int_eq(report.molecules_failed, 1);
    ck_assert_int_eq(report.molecules + report.conformers, 0);
    got = read_all(output);
    ck_assert_str_eq(got, want);
    free(want);
    free(got);
    options.gens = 3;
    refused(CG_ERR_MISMATCH, "had gens '2', this one has '3'");
}
END_TEST

/* The uncompressed bytes of the output; free(). */
static char *read_results(int64_t *ret_n_frames)
{
    cg_results *results;
    cg_buf text = { 0 };

    ck_assert_msg(cg_results_open(output, &results, &err) == CG_OK, "%s", err.msg);
    ck_assert_str_eq(cg_results_note(results), "");
    *ret_n_frames = cg_results_count(results);
    for (int64_t i = 0; i < *ret_n_frames; i++) {
        const char *bytes;
        size_t len;

        ck_assert_msg(!cg_results_read(results, i, &bytes, &len, &err), "%s", err.msg);
        cg_buf_put(&text, bytes, len);
    }
    cg_results_close(results);
    ck_assert_int_eq(text.failed, 0);
    return text.data;
}

static void run_in_frames(size_t frame_bytes)
{
    failure_texts[0] = '\0';
    ck_assert_msg(!cg_engine_run_in_frames(engine, &options, frame_bytes, &report, &err), "%s",
                  err.msg);
}

static const char *const record_formats[] = { "sdf", "xyz", "smiles3d", "json" };
static const char *const containers[] = { "", ".gz", ".zst" };

/* The records of a molecule in several frames are those of a run with a frame for each molecule. */
static void check_several_frames(const char *format, const char *container)
{
    char name[64], *want, *got;
    int64_t n_frames, n_records = 0;
    const char *bytes;
    cg_results *results;
    size_t len, n = 0;

    snprintf(name, sizeof name, "x.%s%s", format, container);
    snprintf(output, sizeof output, "%s", scratch_path(name));
    options.gens = 5;
    options.overwrite = 0;
    run_ok();
    want = read_results(&n_frames);
    ck_assert_int_eq(n_frames, 4);
    options.overwrite = 1;
    run_in_frames(1);
    ck_assert_int_eq(report.conformers, 20);
    if (!*container || !strcmp(container, ".gz")) {
        struct stat sb;

        ck_assert_int_eq(stat(output, &sb), 0);
        ck_assert_int_eq(report.bytes_written, sb.st_size);
    }
    got = read_results(&n_frames);
    ck_assert_int_eq(n_frames, *container ? 20 : 4); /* plain text has no marks of frames */
    ck_assert_str_eq(got, want);
    free(got);
    run_in_frames(strlen(want) / 8);
    got = read_results(&n_frames);
    ck_assert(*container ? n_frames > 4 && n_frames < 20 : n_frames == 4);
    ck_assert_str_eq(got, want);
    ck_assert_msg(!cg_results_open(output, &results, &err), "%s", err.msg);
    for (int64_t i = 0; cg_results_find(results, "benzene", i, &i, &err) == CG_OK; i++) {
        cg_results_frame frame = { CG_SIZED(cg_results_frame) };

        ck_assert_int_eq(cg_results_get(results, i, &frame, &err), CG_OK);
        n_records += frame.records;
        ck_assert_int_eq(cg_results_read(results, i, &bytes, &len, &err), CG_OK);
        ck_assert_ptr_nonnull(strstr(want, bytes));
        n += len;
    }
    ck_assert_int_eq(n_records, 5);
    ck_assert_uint_gt(n, strlen(want) / 8);
    cg_results_close(results);
    free(want);
    free(got);
}

START_TEST(a_molecule_has_several_frames)
{
    for (int i = 0; i < 4; i++)
        check_several_frames(record_formats[i], containers[_i]);
}
END_TEST

static unsigned long long number_after(const char *text, const char *key)
{
    const char *p = strstr(text, key);

    ck_assert_ptr_nonnull(p);
    return strtoull(p + strlen(key), NULL, 10);
}

/* Killed within the second frame of each molecule, which is written again from its first frame. */
START_TEST(a_molecule_cut_between_its_frames_resumes)
{
    enum { FRAME = 1000 };
    char manifest[600], *want_manifest;
    cg_bytes want = { 0 }, got = { 0 };
    int64_t n_left = 4;

    snprintf(output, sizeof output, "%s%s", scratch_path("x.sdf"), containers[_i]);
    snprintf(manifest, sizeof manifest, "%s.manifest", output);
    options.gens = 5;
    run_in_frames(FRAME);
    ck_assert_int_eq(cg_file_read(output, 1 << 24, &want, &err), CG_OK);
    want_manifest = read_all(manifest);
    options.resume = 1;
    for (char *line = want_manifest; (line = strchr(line, '\n') + 1)[0];) {
        unsigned long long cut;
        char *text;

        if (!strstr(line, "\"frames\":[["))
            break;
        if (strstr(line, "\"size\":0,") == strstr(line, "\"size\":"))
            continue; /* the molecule that cannot be built */
        text = strstr(line, "\"frames\":[[");
        cut = number_after(line, "\"end\":") - number_after(line, "\"size\":") +
              number_after(text, "[[") + number_after(text, "],[") / 2;
        scratch_write(strrchr(output, '/') + 1, want.data, cut);
        scratch_write(strrchr(manifest, '/') + 1, want_manifest, (size_t)(line - want_manifest));
        run_in_frames(FRAME);
        ck_assert_int_eq(report.conformers, 5 * n_left);
        n_left--;
        ck_assert_int_eq(cg_file_read(output, 1 << 24, &got, &err), CG_OK);
        ck_assert_msg(got.len == want.len && !memcmp(got.data, want.data, want.len), "cut at %llu",
                      cut);
        cg_bytes_release(&got);
        text = read_all(manifest);
        ck_assert_str_eq(text, want_manifest);
        free(text);
    }
    ck_assert_int_eq(n_left, 0);
    cg_bytes_release(&want);
    free(want_manifest);
}
END_TEST

START_TEST(conformers_per_reference)
{
    options.gens_per_reference = 1;
    run_ok();
    ck_assert_int_eq(report.conformers, 2 * (2 + 3 + 1));
    ck_assert_ptr_nonnull(strstr(failure_texts, "in.smi:5: no count k of reference conformers"));
    ck_assert_int_eq(report.molecules_failed, 2);
    options.overwrite = 1;
    options.gens = 1000000000;
    scratch_write_text("in.smi", "CCO\tmany\t3\n");
    run_ok();
    ck_assert_ptr_nonnull(
        strstr(failure_texts, "3000000000 conformers of one molecule, at most 2147483647"));
    options.gens = 2;
    scratch_write_text("in.smi", "CCO\tno_count\n");
    refused(CG_ERR_USAGE, "in.smi:1: --gens 2k is 2 conformers for each");
    options.input = "-"; /* the text is an example; no such file is created */
    options.shards = 2;
    refused(CG_ERR_USAGE, "no regular file");
}
END_TEST

START_TEST(workload_is_counted)
{
    int64_t n = -1, sum = 0;

    ck_assert_int_eq(cg_run_workload(&options, &n, &err), CG_OK);
    ck_assert_int_eq(n, 10); /* the blank line requests none */
    options.limit = 1;
    ck_assert_int_eq(cg_run_workload(&options, &n, &err), CG_OK);
    ck_assert_int_eq(n, 2);
    options.limit = 0;
    options.gens_per_reference = 1;
    options.shards = 3;
    for (options.shard = 0; options.shard < 3; options.shard++) {
        ck_assert_int_eq(cg_run_workload(&options, &n, &err), CG_OK);
        sum += n;
    }
    ck_assert_int_eq(sum,
                     2 * (2 + 2 + 3 + 1)); /* one of them cannot be built, which is unknown here */
    options.shards = 0;
    options.input = "-";
    ck_assert_int_eq(cg_run_workload(&options, &n, &err), CG_OK);
    ck_assert_int_eq(n, 0);
    options.input = "/nowhere.smi";
    ck_assert_int_eq(cg_run_workload(&options, &n, &err), CG_OK); /* the run reports it */
    ck_assert_int_eq(n, 0);
    options.gens = 0;
    ck_assert_int_eq(cg_run_workload(&options, &n, &err), CG_ERR_USAGE);
}
END_TEST

START_TEST(bad_options_are_refused)
{
    options.gens = 0;
    refused(CG_ERR_USAGE, "--gens 0: wanted at least 1");
    options.gens = 1;
    options.limit = -1;
    refused(CG_ERR_USAGE, "--limit -1");
    options.limit = 0;
    options.shards = 2;
    options.shard = 2;
    refused(CG_ERR_USAGE, "--shard 2/2");
    options.shards = 0;
    options.format = "mol";
    refused(CG_ERR_USAGE, "--format 'mol': unknown");
    options.format = "smiles3d";
    options.add_hs = 1;
    refused(CG_ERR_USAGE, "--add-hs: the smiles3d format has the atoms as they are generated");
    options.add_hs = 0;
    options.format = "xyz";
    options.output = input;
    refused(CG_ERR_USAGE, "is the input file '");
    options.output = output;
    options.failed = input;
    refused(CG_ERR_USAGE, "--failed");
    options.failed = NULL;
    options.input = "/nowhere.smi";
    refused(CG_ERR_IO, "/nowhere.smi");
    options.input = NULL;
    refused(CG_ERR_USAGE, "no input");
    ck_assert_int_ne(access(output, F_OK), 0);
}
END_TEST

/* The same records, and the input's name in messages. */
START_TEST(molecules_may_be_a_text)
{
    cg_bytes want = { 0 }, found = { 0 };

    run_ok();
    ck_assert_int_eq(cg_file_read(output, 1 << 20, &want, &err), CG_OK);
    options.molecules = list;
    options.input = "my molecules";
    options.overwrite = 1;
    run_ok();
    ck_assert_ptr_nonnull(strstr(failure_texts, "my molecules:2: open: "));
    ck_assert_int_eq(cg_file_read(output, 1 << 20, &found, &err), CG_OK);
    ck_assert_uint_eq(found.len, want.len);
    ck_assert_mem_eq(found.data, want.data, want.len);
    cg_bytes_release(&want);
    cg_bytes_release(&found);
    options.overwrite = 0;
    options.resume = 1;
    options.molecules = "CCC\n";
    refused(CG_ERR_MISMATCH, "input");
    options.molecules = "";
    refused(CG_ERR_FORMAT, "'my molecules' is empty");
}
END_TEST

START_TEST(contradictions_of_an_ensemble_are_refused)
{
    options.prune = -1;
    refused(CG_ERR_USAGE, "--prune -1: wanted an RMSD");
    options.prune = NAN;
    refused(CG_ERR_USAGE, "--prune nan: wanted an RMSD");
    options.prune = 0;
    options.energy_window = INFINITY;
    refused(CG_ERR_USAGE, "--energy-window inf: wanted an energy");
    options.energy_window = 5;
    refused(CG_ERR_USAGE, "--energy-window: conformers have no energy");
    options.energy_window = 0;
    options.sort = CG_SORT_ENERGY;
    refused(CG_ERR_USAGE, "--sort energy: conformers have no energy");
    options.sort = 2;
    refused(CG_ERR_USAGE, "cg_run_options.sort is 2");
    options.sort = CG_SORT_GENERATION;
    options.max_conformers = -1;
    refused(CG_ERR_USAGE, "--max-conformers -1");
    ck_assert_int_ne(access(output, F_OK), 0);
}
END_TEST

START_TEST(presets_set_the_options_of_an_ensemble)
{
    options.energies = 1;
    options.energy_window = 5;
    options.max_conformers = 3;
    ck_assert_int_eq(cg_run_ensemble_preset("thorough", &options, &err), CG_OK);
    ck_assert_int_eq(options.add_hs, 1);
    ck_assert_int_eq(options.minimize, CG_MINIMIZE_MMFF94S_NOESTAT);
    ck_assert_int_eq(options.energies, 0);
    ck_assert_int_eq(options.sort, CG_SORT_ENERGY);
    ck_assert_double_eq(options.prune, 0.25);
    ck_assert_double_eq(options.energy_window, 0);
    ck_assert_int_eq(options.max_conformers, 0);
    ck_assert_int_eq(options.gens, 2);
    ck_assert_int_eq(cg_run_ensemble_preset("standard", &options, &err), CG_OK);
    ck_assert_int_eq(options.minimize, CG_MINIMIZE_MMFF94_NOESTAT);
    ck_assert_double_eq(options.prune, 0.5);
    ck_assert_int_eq(cg_run_ensemble_preset("raw", &options, &err), CG_OK);
    ck_assert_int_eq(options.add_hs, 0);
    ck_assert_int_eq(options.minimize, CG_MINIMIZE_NONE);
    ck_assert_int_eq(options.sort, CG_SORT_GENERATION);
    ck_assert_double_eq(options.prune, 0);
    ck_assert_int_eq(cg_run_ensemble_preset("fast", &options, &err), CG_ERR_USAGE);
    options.struct_size = offsetof(cg_run_options, prune);
    ck_assert_int_eq(cg_run_ensemble_preset("raw", &options, &err), CG_ERR_USAGE);
}
END_TEST

/* Dropped conformers are counted, and are no failures, whatever the frames. */
START_TEST(dropped_conformers_are_counted)
{
    int64_t conformers;

    options.gens = 20;
    options.overwrite = 1;
    run_ok();
    conformers = report.conformers;
    for (int i = 0; i < 2; i++) {
        const cg_report all = report;
        char *text;

        options.prune = i ? 1e6 : 0;
        options.max_conformers = i ? 0 : 1;
        ck_assert_msg(cg_engine_run_in_frames(engine, &options, 100, &report, &err) == CG_OK, "%s",
                      err.msg);
        ck_assert_int_eq(report.molecules_failed, all.molecules_failed);
        ck_assert_int_gt(report.conformers, 0);
        ck_assert_int_eq(report.conformers + (i ? report.dropped_rmsd : report.dropped_number),
                         conformers);
        text = read_all(output);
        ck_assert_int_eq(count(text, "$$$$"), report.conformers);
        ck_assert_int_eq(count(text, "<cluster_size>"), i ? report.conformers : 0);
        free(text);
    }
}
END_TEST

START_TEST(hydrogens_are_added)
{
    char *text;

    /* random coordinates are far apart, but the hydrogens are only counted */
    options.add_hs = 1;
    options.limit = 1;
    run_ok();
    text = read_all(output);
    ck_assert_int_eq(count(text, "  9  8  0"), 2);
    free(text);
}
END_TEST

START_TEST(unusable_conformers_are_failures)
{
    char *text;

    cg_engine_close(engine);
    engine = open_tiny_engine(4, 30, "none"); /* random weights generate noise */
    options.failed = failed;
    options.limit = 1;
    run_ok();
    ck_assert_int_eq(report.conformers, 0);
    ck_assert_int_eq(report.unfinished + report.parse_failures + report.wrong_molecules, 2);
    ck_assert_int_eq(report.molecules_failed, 1);
    ck_assert_ptr_nonnull(
        strstr(failure_texts, "in.smi:1: ethanol: 2 of 2 conformers failed, e.g. "));
    text = read_all(failed);
    ck_assert_int_eq(count(text, "\n1\tethanol\tCCO\t"), 2);
    free(text);
}
END_TEST

START_TEST(default_output_names)
{
    static const struct {
        const char *input, *format, *want;
        int shards;
    } cases[] = {
        { "dir/geom.smi", NULL, "geom.sdf.zst", 0 }, { "geom.smi.gz", "xyz", "geom.xyz.zst", 0 },
        { "a.b.csv.zst", NULL, "a.b.sdf.zst", 1 },   { "list", NULL, "list.sdf.zst", 0 },
        { "list.SMI", NULL, "list.sdf.zst", 0 },     { ".smi", NULL, ".smi.sdf.zst", 0 },
        { "-", "json", "stdin.json.zst", 0 },        { "x.txt", NULL, "x.1-of-4.sdf.zst", 4 },
    };
    char got[64];

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cg_run_options b = { CG_SIZED(cg_run_options), .input = cases[i].input,
                             .format = cases[i].format, .shard = 1, .shards = cases[i].shards };

        ck_assert_int_eq(cg_run_output_path(&b, got, sizeof got, &err), CG_OK);
        ck_assert_str_eq(got, cases[i].want);
        ck_assert_int_eq(cg_run_output_path(&b, got, 8, &err), CG_ERR_USAGE);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("run_file");
    TCase *tc = tcase_create("files");
    SRunner *sr;
    int n_failed;

    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, every_line_is_accounted_for);
    tcase_add_loop_test(tc, formats_follow_the_extension, 0, 8);
    tcase_add_test(tc, shards_concatenate_to_the_whole);
    tcase_add_test(tc, stopped_run_resumes);
    tcase_add_loop_test(tc, a_molecule_has_several_frames, 0, 3);
    tcase_add_loop_test(tc, a_molecule_cut_between_its_frames_resumes, 0, 3);
    tcase_add_test(tc, conformers_per_reference);
    tcase_add_test(tc, workload_is_counted);
    tcase_add_test(tc, bad_options_are_refused);
    tcase_add_test(tc, contradictions_of_an_ensemble_are_refused);
    tcase_add_test(tc, molecules_may_be_a_text);
    tcase_add_test(tc, presets_set_the_options_of_an_ensemble);
    tcase_add_test(tc, dropped_conformers_are_counted);
    tcase_add_test(tc, hydrogens_are_added);
    tcase_add_test(tc, unusable_conformers_are_failures);
    tcase_add_test(tc, default_output_names);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    n_failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return n_failed != 0;
}
