/* SPDX-License-Identifier: MIT */
/*
 * The application API as a program of another release calls it: with structs that are shorter or
 * longer than the library's, by the rules of confgen/sized.h.
 */
#include <confgen/build_info.h>
#include <confgen/confgen.h>
#include <confgen/evaluation.h>
#include <confgen/gpu.h>
#include <confgen/plugins.h>
#include <confgen/results.h>
#include <confgen/tokenizer.h>
#include <stdint.h>

#include "../unit/gpu_mode.h"
#include "../unit/tiny_engine.h"

enum {
    SMALLEST = 8, /* struct_size and one member */
    MORE = 64,    /* bytes of a newer release */
    GUARD = 64,
    FILLER = 0xa5,
    HUGE_SIZE = 1 << 20,
};

static cg_engine *engine;
static cg_plugin_set *set;
static cg_requests *molecules;
static cg_results *results;
static cg_tokenizer *tokenizer;
static cg_token_cache *cache;
static cg_gpu *gpu;         /* NULL: not tested */
static const char *plugins; /* their folder */

/* On the CPU, also where a GPU is tested: it is tested as such. */
static cg_status open_engine(const cg_sampling *sampling, cg_engine **ret_engine, cg_error *err)
{
    const char *model = scratch_path("model");
    cg_engine_options o = {
        CG_SIZED(cg_engine_options), .batch_size = 2,     .threads = 1,    .template_workers = 1,
        .max_new_tokens = 40,        .model = model,      .device = "cpu", .constraint = "none",
        .geometry = "off",           .sampling = sampling
    };

    return cg_engine_open(&o, ret_engine, err);
}

static void set_up(void)
{
    cg_plugin_set_options open = { CG_SIZED(cg_plugin_set_options), .threads = 1 };
    cg_match_options match = { CG_SIZED(cg_match_options), .shape = "default" };
    cg_error err = CG_ERROR_INIT;
    char folders[1024];

    scratch_make();
    write_tiny_model();
    scratch_write_text("in.smi", "C\tmethane\nO\twater\n");
    scratch_write_text("results.smiles3d", "[C]<0.0,0.0,0.0>\tmethane\t0\t1\n");
    scratch_write_text("records.sdf", "ethane\n  x                   3D\n\n"
                                      "  2  1  0  0  0  0  0  0  0  0999 V2000\n"
                                      "    0.0000    0.0000    0.0000 C   0  0\n"
                                      "    1.5000    0.0000    0.1000 C   0  0\n"
                                      "  1  2  1  0\nM  END\n$$$$\n");
    scratch_write_text("attention_refused.so", "no plugin\n");
    snprintf(folders, sizeof folders, "%s:%s", plugins, scratch_dir);
    setenv("CONFGEN_PLUGIN_PATH", folders, 1);
    ck_assert_msg(!cg_plugin_set_open(&open, &set, &err), "%s", err.msg);
    ck_assert_msg(!cg_plugin_set_match(set, &match, &err), "%s", err.msg);
    ck_assert_msg(!open_engine(NULL, &engine, &err), "%s", err.msg);
    ck_assert_msg(!cg_requests_read(scratch_path("in.smi"), 0, 1, &molecules, &err), "%s", err.msg);
    ck_assert_msg(!cg_results_open(scratch_path("results.smiles3d"), &results, &err), "%s",
                  err.msg);
    ck_assert_msg(!cg_tokenizer_load(scratch_path("model"), &tokenizer, &err), "%s", err.msg);
    ck_assert_msg(!cg_token_cache_create(16, &cache, &err), "%s", err.msg);
}

static void tear_down(void)
{
    cg_token_cache_destroy(cache);
    cg_tokenizer_destroy(tokenizer);
    cg_results_close(results);
    cg_requests_free(molecules);
    cg_engine_close(engine);
    cg_plugin_set_close(set);
    scratch_remove();
}

static void set_size(void *sized, size_t size)
{
    uint32_t struct_size = (uint32_t)size;

    memcpy(sized, &struct_size, sizeof struct_size);
}

/* ---- structs that the library fills ------------------------------------------------------- */

/* Each returns nonzero if *ret was filled. */

static int fill_loaded(void *ret)
{
    return cg_plugin_set_loaded(set, 0, ret);
}

static int fill_refused(void *ret)
{
    return cg_plugin_set_refused(set, 0, ret);
}

static int fill_pair(void *ret)
{
    return cg_plugin_set_pair(set, 0, ret);
}

static int fill_library(void *ret)
{
    return cg_library_get(0, ret);
}

static int fill_cuda_library(void *ret)
{
    return cg_cuda_library_get(1, ret);
}

static int fill_frame(void *ret)
{
    return cg_results_get(results, 0, ret, NULL) == CG_OK;
}

static int fill_request(void *ret)
{
    return cg_requests_get(molecules, 1, ret);
}

static int fill_plugin(void *ret)
{
    return cg_engine_get_plugin(engine, 0, ret);
}

static int fill_sampling(void *ret)
{
    return cg_sampling_preset_get("recall", ret, NULL) == CG_OK;
}

static int fill_prompt_tokens(void *ret)
{
    return cg_tokenizer_prompt_tokens(tokenizer, ret, NULL) == CG_OK;
}

static int fill_cache_stats(void *ret)
{
    cg_token_cache_get_stats(cache, ret);
    return 1;
}

static int fill_gpu_info(void *ret)
{
    if (gpu)
        cg_gpu_get_info(gpu, ret);
    return gpu ? 1 : -1;
}

static int fill_ceilings(void *ret)
{
    return gpu ? cg_gpu_measure(gpu, ret, NULL) == CG_OK : -1;
}

static int fill_by_generate(void *ret)
{
    cg_request r = { CG_SIZED(cg_request), .n_conformers = 1, .smiles = "C" };

    return cg_engine_generate(engine, &r, 1, NULL, NULL, ret, NULL) == CG_OK;
}

static int fill_by_templates(void *ret)
{
    cg_request r = { CG_SIZED(cg_request), .smiles = "C" };

    return cg_engine_build_templates(engine, &r, 1, 1, ret, NULL) == CG_OK;
}

static int fill_by_run(void *ret)
{
    const char *input = scratch_path("in.smi"), *output = scratch_path("out.sdf");
    cg_run_options run = { CG_SIZED(cg_run_options), .gens = 1, .overwrite = 1, .input = input,
                           .output = output };

    return cg_engine_run(engine, &run, ret, NULL) == CG_OK;
}

#define FILLED(type, last, fill, varies)                                                           \
    {                                                                                              \
#type, sizeof(type), offsetof(type, last), fill, varies                                    \
    }

static const struct filled {
    const char *type;
    size_t size, shorter; /* without the last member */
    int (*fill)(void *ret);
    int varies; /* from call to call: times, padding */
} filled[] = {
    FILLED(cg_loaded_plugin, path, fill_loaded, 0),
    FILLED(cg_refused_plugin, reason, fill_refused, 0),
    FILLED(cg_plugin_pair, reason, fill_pair, 0),
    FILLED(cg_library, version, fill_library, 0),
    FILLED(cg_library, version, fill_cuda_library, 0),
    FILLED(cg_results_frame, name, fill_frame, 0),
    FILLED(cg_request, name, fill_request, 0),
    FILLED(cg_engine_plugin, path, fill_plugin, 0),
    FILLED(cg_sampling, min_p, fill_sampling, 0),
    FILLED(cg_prompt_tokens, suffix, fill_prompt_tokens, 1),
    FILLED(cg_token_cache_stats, capacity, fill_cache_stats, 0),
    FILLED(cg_gpu_info, uuid, fill_gpu_info, 1),
    FILLED(cg_gpu_ceilings, matmul_flops, fill_ceilings, 1),
    FILLED(cg_report, hydrogens_failed, fill_by_generate, 1),
    FILLED(cg_report, hydrogens_failed, fill_by_templates, 1),
    FILLED(cg_report, hydrogens_failed, fill_by_run, 1),
};
enum { N_FILLED = sizeof filled / sizeof filled[0] };

/* Fills a struct of `size` bytes and compares it with a whole one. */
static void check_filled(const struct filled *f, size_t size, const unsigned char *whole)
{
    size_t known = size < f->size ? size : f->size;
    unsigned char *p = malloc(size + GUARD);
    uint32_t struct_size;

    memset(p, FILLER, size + GUARD);
    set_size(p, size);
    ck_assert_msg(f->fill(p) == 1, "%s of %zu bytes", f->type, size);
    memcpy(&struct_size, p, sizeof struct_size);
    ck_assert_msg(struct_size == size, "%s of %zu bytes: struct_size %u", f->type, size,
                  struct_size);
    ck_assert_msg(f->varies || !memcmp(p + 4, whole + 4, known - 4),
                  "%s of %zu bytes differs from one of %zu", f->type, size, f->size);
    for (size_t i = known; i < size + GUARD; i++)
        ck_assert_msg(p[i] == (i < size ? 0 : FILLER), "%s of %zu bytes: byte %zu is 0x%02x",
                      f->type, size, i, p[i]);
    free(p);
}

START_TEST(results_keep_the_callers_size)
{
    const struct filled *f = &filled[_i];
    unsigned char *whole = calloc(1, f->size);
    int done;

    set_size(whole, f->size);
    done = f->fill(whole);
    if (done != -1) {
        ck_assert_int_eq(done, 1);
        check_filled(f, SMALLEST, whole);
        check_filled(f, f->shorter, whole);
        check_filled(f, f->size, whole);
        check_filled(f, f->size + MORE, whole);
    }
    free(whole);
}
END_TEST

/* Sums of reports of several sizes: counters that both have. */
START_TEST(reports_of_several_sizes_are_added)
{
    static const size_t sizes[] = { SMALLEST, offsetof(cg_report, tokens),
                                    offsetof(cg_report, hydrogens_failed), sizeof(cg_report),
                                    sizeof(cg_report) + MORE };
    enum { N_SIZES = sizeof sizes / sizeof sizes[0] };

    for (int i = 0; i < N_SIZES; i++)
        for (int k = 0; k < N_SIZES; k++) {
            int64_t both = (int64_t)(sizes[i] < sizes[k] ? sizes[i] : sizes[k]);
            unsigned char *sum = calloc(1, sizes[i] + GUARD), *part = malloc(sizes[k]);
            int64_t molecules_sum;

            memset(part, 0, sizes[k]);
            set_size(sum, sizes[i]);
            set_size(part, sizes[k]);
            if (sizes[k] > SMALLEST)
                ((cg_report *)part)->molecules = 3;
            cg_report_add((cg_report *)sum, (const cg_report *)part);
            cg_report_add((cg_report *)sum, (const cg_report *)part);
            memcpy(&molecules_sum, sum + offsetof(cg_report, molecules), sizeof molecules_sum);
            ck_assert_int_eq(molecules_sum, both > SMALLEST ? 6 : 0);
            for (int g = 0; g < GUARD; g++)
                ck_assert_uint_eq(sum[sizes[i] + (size_t)g], 0);
            free(sum);
            free(part);
        }
}
END_TEST

/* ---- structs that the library reads ------------------------------------------------------- */

static cg_status read_engine_options(const void *options, cg_error *err)
{
    cg_engine *opened = NULL;
    cg_status st = cg_engine_open(options, &opened, err);

    cg_engine_close(opened);
    return st;
}

static cg_status read_engine_sampling(const void *sampling, cg_error *err)
{
    cg_engine *opened = NULL;
    cg_status st = open_engine(sampling, &opened, err);

    cg_engine_close(opened);
    return st;
}

static cg_status read_set_options(const void *options, cg_error *err)
{
    cg_plugin_set *opened = NULL;
    cg_status st = cg_plugin_set_open(options, &opened, err);

    cg_plugin_set_close(opened);
    return st;
}

static cg_status read_match_options(const void *options, cg_error *err)
{
    return cg_plugin_set_match(set, options, err);
}

static cg_status read_sampling(const void *sampling, cg_error *err)
{
    return cg_sampling_check(sampling, err);
}

static cg_status read_run(const void *run, cg_error *err)
{
    return cg_engine_run(engine, run, NULL, err);
}

static cg_status read_run_files(const void *run, cg_error *err)
{
    return cg_run_check_files(engine, run, err);
}

static cg_status read_run_path(const void *run, cg_error *err)
{
    char path[512];

    return cg_run_output_path(run, path, sizeof path, err);
}

static cg_status read_run_workload(const void *run, cg_error *err)
{
    int64_t conformers;
    cg_status st = cg_run_workload(run, &conformers, err);

    ck_assert(st != CG_OK || conformers == 2);
    return st;
}

static cg_status read_request(const void *request, cg_error *err)
{
    return cg_engine_generate(engine, request, 1, NULL, NULL, NULL, err);
}

static cg_status read_request_of_template(const void *request, cg_error *err)
{
    cg_report report = { CG_SIZED(cg_report) };

    return cg_engine_build_templates(engine, request, 1, 1, &report, err);
}

static cg_status read_evaluation(const void *options, cg_error *err)
{
    cg_evaluation *evaluation = NULL;
    cg_status st = cg_evaluation_run(options, &evaluation, err);

    ck_assert((st == CG_OK) == (evaluation != NULL));
    if (evaluation) {
        ck_assert_contains(cg_evaluation_json(evaluation), "\"cov_r\": 1");
        ck_assert_str_eq(cg_evaluation_warning(evaluation), ""); /* the names are equal */
    }
    cg_evaluation_free(evaluation);
    return st;
}

#define READ(type, last, values, read)                                                             \
    {                                                                                              \
#type, sizeof(type), offsetof(type, last), &(values), read                                 \
    }

static char model_dir[512], input_file[512], output_file[512], records_file[512];
static const cg_engine_options engine_options = { CG_SIZED(cg_engine_options), .threads = 1,
                                                  .model = model_dir, .device = "cpu",
                                                  .geometry = "off" };
static const cg_plugin_set_options set_options = { CG_SIZED(cg_plugin_set_options), .threads = 1,
                                                   .files_only = 1 };
static const cg_match_options match_options = { CG_SIZED(cg_match_options), .shape = "default" };
static const cg_sampling sampling = { CG_SIZED(cg_sampling), 0, 0.8, 5, 0.9, 0.1 };
static const cg_run_options run_options = { CG_SIZED(cg_run_options), .gens = 1, .overwrite = 1,
                                            .input = input_file, .output = output_file };
static const cg_evaluation_options evaluation_options = { CG_SIZED(cg_evaluation_options),
                                                          .threads = 1, .ref = records_file,
                                                          .gen = records_file };
static const cg_request request = { CG_SIZED(cg_request), .n_conformers = 1, .smiles = "C" };

static const struct read {
    const char *type;
    size_t size, shorter; /* without the last member */
    const void *values;
    cg_status (*read)(const void *sized, cg_error *err);
} reads[] = {
    READ(cg_engine_options, preset, engine_options, read_engine_options),
    READ(cg_sampling, min_p, sampling, read_engine_sampling),
    READ(cg_plugin_set_options, log_ctx, set_options, read_set_options),
    READ(cg_match_options, reserved, match_options, read_match_options),
    READ(cg_sampling, min_p, sampling, read_sampling),
    READ(cg_run_options, report, run_options, read_run),
    READ(cg_run_options, report, run_options, read_run_files),
    READ(cg_run_options, report, run_options, read_run_path),
    READ(cg_run_options, report, run_options, read_run_workload),
    READ(cg_evaluation_options, relaxation, evaluation_options, read_evaluation),
    READ(cg_request, name, request, read_request),
    READ(cg_request, name, request, read_request_of_template),
};
enum { N_READS = sizeof reads / sizeof reads[0] };

/* Reads a struct of `size` bytes, with no memory behind it; `last` is its last byte. */
static void check_read(const struct read *r, size_t size, size_t struct_size, int last,
                       cg_status want, const char *text)
{
    cg_error err = CG_ERROR_INIT;
    unsigned char *p = calloc(1, size);
    cg_status st;

    memcpy(p, r->values, size < r->size ? size : r->size);
    set_size(p, struct_size);
    if (last)
        p[size - 1] = (unsigned char)last;
    st = r->read(p, &err);
    ck_assert_msg(st == want, "%s of %zu bytes: found '%s' (%s), wanted '%s'", r->type, struct_size,
                  cg_status_name(st), err.msg, cg_status_name(want));
    if (st != CG_OK) {
        ck_assert_contains(err.msg, r->type);
        ck_assert_contains(err.msg, text);
    }
    free(p);
}

START_TEST(options_of_other_sizes_are_read)
{
    const struct read *r = &reads[_i];

    snprintf(model_dir, sizeof model_dir, "%s", scratch_path("model"));
    snprintf(input_file, sizeof input_file, "%s", scratch_path("in.smi"));
    snprintf(output_file, sizeof output_file, "%s", scratch_path("out.sdf"));
    snprintf(records_file, sizeof records_file, "%s", scratch_path("records.sdf"));
    check_read(r, r->shorter, r->shorter, 0, CG_OK, "");
    check_read(r, r->size, r->size, 0, CG_OK, "");
    check_read(r, r->size + MORE, r->size + MORE, 0, CG_OK, "");
    check_read(r, r->size + MORE, r->size + MORE, 1, CG_ERR_UNSUPPORTED, "newer confgen");
    check_read(r, r->size + 1, r->size + 1, 0x80, CG_ERR_UNSUPPORTED, "newer confgen");
    check_read(r, r->size, 0, 0, CG_ERR_USAGE, "wanted CG_SIZED(cg_");
    check_read(r, r->size, 4, 0, CG_ERR_USAGE, "wanted CG_SIZED(cg_");
    check_read(r, r->size, HUGE_SIZE, 0, CG_ERR_USAGE, "wanted CG_SIZED(cg_");
}
END_TEST

/* A report or result without struct_size is refused before anything is done. */
START_TEST(results_without_a_size_are_refused)
{
    cg_report report = { 0 };
    cg_results_frame frame = { 0 };
    cg_sampling none = { 0 };
    cg_prompt_tokens tokens = { 0 };
    cg_error err = CG_ERROR_INIT;

    ck_assert_int_eq(cg_engine_generate(engine, &request, 1, NULL, NULL, &report, &err),
                     CG_ERR_USAGE);
    ck_assert_contains(err.msg, "wanted CG_SIZED(cg_report)");
    ck_assert_int_eq(cg_engine_build_templates(engine, &request, 1, 1, &report, &err),
                     CG_ERR_USAGE);
    ck_assert_int_eq(cg_engine_run(engine, &run_options, &report, &err), CG_ERR_USAGE);
    ck_assert_contains(err.msg, "wanted CG_SIZED(cg_report)");
    ck_assert_int_eq(cg_results_get(results, 0, &frame, &err), CG_ERR_USAGE);
    ck_assert_contains(err.msg, "wanted CG_SIZED(cg_results_frame)");
    ck_assert_int_eq(cg_sampling_preset_get("recall", &none, &err), CG_ERR_USAGE);
    ck_assert_int_eq(cg_tokenizer_prompt_tokens(tokenizer, &tokens, &err), CG_ERR_USAGE);
}
END_TEST

/* Values of sampling that a shorter struct lacks are the model's, as for members below 0. */
START_TEST(sampling_that_a_program_lacks_is_the_models)
{
    cg_error err = CG_ERROR_INIT;
    cg_sampling *s = malloc(offsetof(cg_sampling, top_p));
    const cg_engine_info *info;
    cg_engine *opened;
    char text[256];

    memcpy(s, &sampling, offsetof(cg_sampling, top_p));
    set_size(s, offsetof(cg_sampling, top_p));
    ck_assert_msg(!open_engine(s, &opened, &err), "%s", err.msg);
    info = cg_engine_get_info(opened);
    ck_assert_double_eq(info->sampling->temperature, 0.8);
    ck_assert_int_eq(info->sampling_from->temperature, CG_SAMPLING_FROM_FLAG);
    ck_assert_int_ne(info->sampling_from->top_p, CG_SAMPLING_FROM_FLAG);
    cg_sampling_describe(s, info->sampling_from, text, sizeof text);
    ck_assert_contains(text, "temperature 0.8 (flag), top-k 5 (flag), top-p 0 (");
    cg_engine_close(opened);
    free(s);
}
END_TEST

/* ---- arrays of requests ------------------------------------------------------------------- */

enum { REQUESTS = 3 };

struct seen {
    const char *requests; /* the array */
    size_t size;
    int n;
};

static void on_conformer(void *ctx, const cg_conformer *c)
{
    struct seen *seen = ctx;

    ck_assert_uint_ge(c->struct_size, sizeof *c);
    ck_assert_ptr_eq((const char *)c->request, seen->requests + (size_t)seen->n * seen->size);
    seen->n++;
}

/* Requests of `size` bytes, one behind the other, with no memory behind them. */
static char *make_requests(size_t size)
{
    char *list = calloc(REQUESTS, size);

    for (int i = 0; i < REQUESTS; i++) {
        cg_request r = request;

        r.index = (uint64_t)i;
        memcpy(list + (size_t)i * size, &r, size < sizeof r ? size : sizeof r);
        set_size(list + (size_t)i * size, size);
    }
    return list;
}

static cg_status generate(char *list, size_t size, struct seen *seen, cg_error *err)
{
    *seen = (struct seen) { .requests = list, .size = size };
    return cg_engine_generate(engine, (const cg_request *)list, REQUESTS, on_conformer, seen, NULL,
                              err);
}

START_TEST(arrays_of_requests_have_the_callers_stride)
{
    static const size_t sizes[] = { offsetof(cg_request, name), sizeof(cg_request),
                                    sizeof(cg_request) + MORE };
    const cg_request *as_templates;
    cg_report report = { CG_SIZED(cg_report) };
    cg_error err = CG_ERROR_INIT;
    struct seen seen;

    for (int i = 0; i < 3; i++) {
        char *list = make_requests(sizes[i]);

        ck_assert_msg(!generate(list, sizes[i], &seen, &err), "%s", err.msg);
        ck_assert_int_eq(seen.n, REQUESTS);
        as_templates = (const cg_request *)list;
        ck_assert_int_eq(
            cg_engine_build_templates(engine, as_templates, REQUESTS, 2, &report, &err), CG_OK);
        ck_assert_int_eq(report.molecules, REQUESTS);
        ck_assert_int_eq(report.molecules_failed, 0);
        set_size(list + sizes[i], sizes[i] - 4);
        ck_assert_int_eq(generate(list, sizes[i], &seen, &err), CG_ERR_USAGE);
        ck_assert_contains(err.msg, "request 1: struct_size is ");
        ck_assert_int_eq(
            cg_engine_build_templates(engine, as_templates, REQUESTS, 2, &report, &err),
            CG_ERR_USAGE);
        set_size(list + sizes[i], sizes[i]);
        if (sizes[i] > sizeof(cg_request)) {
            list[2 * sizes[i] - 1] = 1;
            ck_assert_int_eq(generate(list, sizes[i], &seen, &err), CG_ERR_UNSUPPORTED);
            ck_assert_contains(err.msg, "request 1: cg_request: byte ");
        }
        free(list);
    }
    ck_assert_int_eq(cg_engine_generate(engine, NULL, 0, NULL, NULL, NULL, &err), CG_OK);
}
END_TEST

/* ---- structs that the library hands out --------------------------------------------------- */

static void on_progress(void *ctx, const cg_report *so_far, int64_t molecules_done)
{
    int *n = ctx;

    (void)molecules_done;
    ck_assert_uint_ge(so_far->struct_size, sizeof *so_far);
    ++*n;
}

static void on_tuned(void *ctx, const cg_tuned *tuned)
{
    (void)ctx;
    ck_assert_uint_ge(tuned->struct_size, sizeof *tuned);
}

START_TEST(structs_that_are_handed_out_have_a_size)
{
    const char *input = scratch_path("in.smi"), *output = scratch_path("out.sdf");
    cg_run_options run = { CG_SIZED(cg_run_options), .gens = 1, .input = input, .output = output,
                           .progress = on_progress };
    const cg_engine_info *info = cg_engine_get_info(engine);
    cg_tuning_attempt attempt = { CG_SIZED(cg_tuning_attempt) };
    cg_engine_gpu used = { CG_SIZED(cg_engine_gpu) };
    cg_error err = CG_ERROR_INIT;
    char path[512];
    int n = 0;

    ck_assert_uint_ge(info->struct_size, sizeof *info);
    ck_assert_uint_ge(info->sampling->struct_size, sizeof *info->sampling);
    ck_assert_uint_ge(info->sampling_from->struct_size, sizeof *info->sampling_from);
    ck_assert_uint_ge(cg_report_describe(0)->struct_size, sizeof(cg_report_counter));
    ck_assert_uint_ge(cg_plugin_set_host(set)->struct_size, sizeof(cg_host));
    run.ctx = &n;
    ck_assert_msg(!cg_engine_run(engine, &run, NULL, &err), "%s", err.msg);
    ck_assert_int_ge(n, 1);
    ck_assert_msg(!cg_tuning_list(on_tuned, NULL, path, sizeof path, &err), "%s", err.msg);
    ck_assert_int_eq(cg_engine_get_attempt(engine, info->n_attempts, &attempt), 0);
    ck_assert_int_eq(cg_engine_get_gpu(engine, info->n_gpus, &used), 0);
    ck_assert_int_eq(cg_engine_get_plugin(engine, -1, &(cg_engine_plugin) { 0 }), 0);
}
END_TEST

int main(void)
{
    TCase *tc;
    int failed, mode = gpu_mode();

    if (mode == GPU_MISSING)
        return EXIT_SKIPPED;
    tc = tcase_create("application");
    if (mode == GPU_REQUESTED && cg_gpu_open(0, &gpu, NULL) != CG_OK)
        return 1;
    plugins = strdup(getenv("CONFGEN_PLUGIN_PATH"));
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_loop_test(tc, results_keep_the_callers_size, 0, N_FILLED);
    tcase_add_test(tc, reports_of_several_sizes_are_added);
    tcase_add_loop_test(tc, options_of_other_sizes_are_read, 0, N_READS);
    tcase_add_test(tc, results_without_a_size_are_refused);
    tcase_add_test(tc, sampling_that_a_program_lacks_is_the_models);
    tcase_add_test(tc, arrays_of_requests_have_the_callers_stride);
    tcase_add_test(tc, structs_that_are_handed_out_have_a_size);
    failed = run_suite("application", &tc, 1);
    cg_gpu_close(gpu);
    return failed;
}
