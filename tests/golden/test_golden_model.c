/* SPDX-License-Identifier: MIT */
/*
 * The default model against oracles from Hugging Face transformers (README.md): f32 logits after
 * given prefixes to 1e-3, greedy continuations without a constraint id by id, for every attention
 * plugin over every cache plugin. On the CPU, or on CUDA when CONFGEN_TEST_GPU is 1: there also
 * bf16 logits, of which the norm of the error is within 1e-2 of that of the oracle's.
 */
#include <check.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sequence/automaton.h"
#include "decode/cpu_model.h"
#include "decode/executor.h"
#include "cuda_loader/cuda_module.h"
#include "gpu_mode.h"
#include "plugin/host.h"
#include "plugin/registry.h"
#include "template/template.h"

enum { POSITIONS = 4, MAX_LEN = 1024 };

static const char *const attentions[] = { "eager", "flash" };
/* CUDA. What a plugin is in no build of, or refuses, is told. */
static const struct {
    const char *attention;
    cg_dtype dtype;
    int32_t optional;
} on_cuda[] = { { "eager", CG_F32, 0 },
                { "eager", CG_BF16, 0 },
                { "flash", CG_BF16, 0 },
                { "cudnn", CG_BF16, 1 } };
static const char *const caches[] = { "dynamic", "static", "paged" };

static cg_team *team;
static cg_plugin_host host;
static cg_registry *registry;
static cg_model *model;
static cg_tokenizer *tokenizer;
static json_t *document, *cases; /* cases: an array of it */
static cg_error err = CG_ERROR_INIT;

#define OK(call) ck_assert_msg((call) == CG_OK, "%s", err.msg)

static const char *root(void)
{
    const char *path = getenv("CONFGEN_SOURCE_ROOT");

    ck_assert_msg(path != NULL, "CONFGEN_SOURCE_ROOT is not set");
    return path;
}

static void setup(void)
{
    char path[4096];
    json_error_t json_err;

    OK(cg_team_create(2, &team, &err));
    cg_plugin_host_init(&host, team, NULL, NULL, CG_LOG_WARNING);
    OK(cg_registry_open(&host.host, NULL, 0, &registry, &err));
    snprintf(path, sizeof path, "%s/data/confgen-default", root());
    OK(cg_model_open(path, &model, &err));
    OK(cg_tokenizer_load(path, &tokenizer, &err));
    snprintf(path, sizeof path, "%s/tests/golden/generation.json", root());
    document = json_load_file(path, 0, &json_err);
    ck_assert_msg(document != NULL, "%s: %s", path, json_err.text);
    cases = json_object_get(document, "cases");
    ck_assert_int_eq((int)json_array_size(cases), 8);
}

static void teardown(void)
{
    json_decref(document);
    cg_tokenizer_destroy(tokenizer);
    cg_model_close(model);
    cg_registry_destroy(registry);
    cg_team_destroy(team);
}

static const void *find(cg_plugin_kind kind, const char *name)
{
    const cg_plugin *plugin;

    OK(cg_registry_find(registry, kind, name, &plugin, &err));
    return plugin->ops;
}

static int32_t *get_ids(const json_t *c, const char *key, int32_t *ret_n)
{
    const json_t *list = json_object_get(c, key);
    int32_t *ids;

    *ret_n = (int32_t)json_array_size(list);
    ids = calloc((size_t)*ret_n + 1, sizeof *ids);
    for (int32_t i = 0; i < *ret_n; i++)
        ids[i] = (int32_t)json_integer_value(json_array_get(list, (size_t)i));
    return ids;
}

/* The body of a .npy of float32 [4, vocab]. */
static float *read_npy(const json_t *c, int32_t vocab)
{
    char path[4096], header[128];
    size_t n = (size_t)POSITIONS * (size_t)vocab;
    float *data = calloc(n, sizeof *data);
    FILE *f;

    snprintf(path, sizeof path, "%s/tests/golden/%s", root(),
             json_string_value(json_object_get(c, "logits_file")));
    f = fopen(path, "rb");
    ck_assert_msg(f != NULL, "%s cannot be opened", path);
    ck_assert_uint_eq(fread(header, 1, sizeof header, f), sizeof header);
    ck_assert_ptr_nonnull(strstr(header + 10, "'<f4'"));
    ck_assert_uint_eq(fread(data, sizeof *data, n, f), n);
    fclose(f);
    return data;
}

/* One text through the model in uneven chunks; logits after the given positions. */
static void check_logits(const cg_attention_ops *attention, const cg_cache_ops *cache,
                         const json_t *c)
{
    const cg_model_config *mc = &model->config;
    const json_t *positions = json_object_get(c, "logits_positions");
    const char *name = json_string_value(json_object_get(c, "name"));
    cg_cache_config cache_config = { CG_SIZED(cg_cache_config),
                                     .device = CG_DEVICE_CPU,
                                     .dtype = CG_F32,
                                     .n_layers = mc->n_layers,
                                     .n_slots = 2,
                                     .n_kv_heads = mc->n_kv_heads,
                                     .head_dim = mc->head_dim,
                                     .max_len = MAX_LEN };
    cg_cpu_model_config config = { model, team, &host.host, attention, cache,
                                   NULL,  64,   2,          2,         MAX_LEN };
    int32_t n, *ids = get_ids(c, "ids", &n), *all = calloc((size_t)mc->vocab, sizeof *all);
    int32_t pos[64], slot[64], q_start[2] = { 0 }, seq_slot = 1, kv_len, out_row = 0;
    float *want = read_npy(c, mc->vocab);
    cg_cpu_model *m;
    int32_t at = 0;

    OK(cache->create(&host.host, &cache_config, &config.cache_self, &err));
    OK(cg_cpu_model_create(&config, &m, &err));
    for (int32_t i = 0; i < mc->vocab; i++)
        all[i] = i;
    OK(cg_cpu_model_set_head_rows(m, all, mc->vocab, &err));
    for (int p = 0; p < POSITIONS; p++) {
        int32_t end = (int32_t)json_integer_value(json_array_get(positions, (size_t)p)) + 1;

        ck_assert_int_lt(end - 1, n);
        while (at < end) {
            int32_t len = end - at < 37 ? end - at : 37;
            cg_cpu_batch batch = { len,  1,       end == at + len, ids + at, pos,
                                   slot, q_start, &seq_slot,       &kv_len,  &out_row };
            const float *logits;
            int64_t stride;

            for (int32_t i = 0; i < len; i++) {
                pos[i] = at + i;
                slot[i] = seq_slot;
            }
            q_start[1] = len;
            kv_len = at + len;
            out_row = len - 1;
            OK(cache->reserve(config.cache_self, seq_slot, kv_len, &err));
            OK(cg_cpu_model_forward(m, &batch, &logits, &stride, &err));
            at += len;
            for (int32_t v = 0; at == end && v < mc->vocab; v++)
                ck_assert_msg(fabsf(logits[v] - want[p * mc->vocab + v]) < 1e-3f,
                              "%s, position %d, token %d: %g, wanted %g", name, end - 1, v,
                              (double)logits[v], (double)want[p * mc->vocab + v]);
        }
    }
    cg_cpu_model_destroy(m);
    cache->destroy(config.cache_self);
    free(ids);
    free(all);
    free(want);
}

START_TEST(logits_equal_the_oracles)
{
    const cg_attention_ops *attention = find(CG_PLUGIN_ATTENTION, attentions[_i / 3]);
    const cg_cache_ops *cache = find(CG_PLUGIN_CACHE, caches[_i % 3]);

    /* all cases with one pair, the shortest and the longest with the others */
    for (size_t c = 0; c < 8; c += _i == 5 ? 1 : 7)
        check_logits(attention, cache, json_array_get(cases, c));
}
END_TEST

/* The constraint that allows everything, for one molecule that is never looked at. */
struct free_text {
    const cg_constraint_ops *ops;
    cg_vocabulary_adapter vocabulary;
    void *self;
    cg_program *program;
};

static void open_free_text(struct free_text *f)
{
    static const cg_range literals[2] = { { 0, 4 }, { 4, 5 } };
    const cg_text_format format = { CG_SIZED(cg_text_format), .decimals = 3,
                                    .max_integer_digits = 2,  .begin = "[CONFORMER]",
                                    .end = "[/CONFORMER]",    .stop = "<|endoftext|>",
                                    .max_new_tokens = 900 };
    const cg_literals text = { CG_SIZED(cg_literals), .n_atoms = 1, .text = "[C]<>",
                               .literal = literals };

    f->ops = find(CG_PLUGIN_CONSTRAINT, "none");
    cg_vocabulary_init(&f->vocabulary, tokenizer, NULL);
    OK(f->ops->create(&host.host, &f->vocabulary.vocabulary, &format, &f->self, &err));
    OK(f->ops->compile(f->self, &text, &f->program, &err));
}

static void close_free_text(struct free_text *f)
{
    f->ops->release(f->self, f->program);
    f->ops->destroy(f->self);
}

/* Logits of a text on CUDA, in steps of 37 tokens; the largest relative error of a position. */
static double check_cuda_logits(const cg_executor_config *config, const json_t *c, cg_status *ret)
{
    const json_t *list = json_object_get(c, "logits_positions");
    const char *name = json_string_value(json_object_get(c, "name"));
    int32_t n, *ids = get_ids(c, "ids", &n), vocab = model->config.vocab, positions[POSITIONS];
    float *want = read_npy(c, vocab);
    float *got = calloc((size_t)POSITIONS * (size_t)vocab, sizeof *got);
    const cg_cuda_module *module;
    double error = 0, size = 0; /* over all positions */

    OK(cg_cuda_loader_get_module(&module, &err));
    for (int p = 0; p < POSITIONS; p++)
        positions[p] = (int32_t)json_integer_value(json_array_get(list, (size_t)p));
    *ret = module->logits(config, ids, n, positions, POSITIONS, got, &err);
    for (int p = 0; p < POSITIONS && *ret == CG_OK; p++) {
        double of_error = 0, of_size = 0;

        for (int32_t v = 0; v < vocab; v++) {
            double a = got[p * vocab + v], b = want[p * vocab + v];

            ck_assert_msg(isfinite(a) && (config->dtype != CG_F32 || fabs(a - b) < 1e-3),
                          "%s, position %d, token %d: %g, wanted %g", name, positions[p], v, a, b);
            of_error += (a - b) * (a - b);
            of_size += b * b;
        }
        error += of_error;
        size += of_size;
        ck_assert_msg(of_error <= 4e-4 * of_size, "%s, position %d: relative error %.2e", name,
                      positions[p], sqrt(of_error / of_size));
    }
    ck_assert_msg(*ret != CG_OK || error <= 1e-4 * size, "%s: relative error %.2e", name,
                  sqrt(error / size));
    free(ids);
    free(want);
    free(got);
    return *ret == CG_OK ? sqrt(error / size) : 0;
}

START_TEST(logits_on_cuda_equal_the_oracles)
{
    const char *attention = on_cuda[_i / 3].attention, *cache = caches[_i % 3];
    const cg_plugin *plugin = NULL;
    cg_executor_config config = { .model = model,
                                  .cache = find(CG_PLUGIN_CACHE, cache),
                                  .host = &host.host,
                                  .sampling = { sizeof(cg_sampling), 1, 1, 0, 1, 0 },
                                  .n_slots = POSITIONS,
                                  .n_prompt_slots = 1,
                                  .max_len = MAX_LEN,
                                  .step_tokens = 37,
                                  .dtype = on_cuda[_i / 3].dtype };
    struct free_text none;
    cg_status status;
    double error = 0;

    status = cg_registry_find(registry, CG_PLUGIN_ATTENTION, attention, &plugin, &err);
    if (status == CG_OK) {
        config.attention = plugin->ops;
        open_free_text(&none);
        config.automaton = none.ops->automaton(none.self);
        for (size_t c = 0; c < 8 && status == CG_OK; c += _i % 3 == 2 ? 1 : 7)
            error = fmax(error, check_cuda_logits(&config, json_array_get(cases, c), &status));
        close_free_text(&none);
    }
    if (status != CG_OK)
        printf("%s over %s: %s\n", attention, cache, err.msg);
    else
        printf("%s over %s, %s: relative error of the logits %.1e\n", attention, cache,
               config.dtype == CG_F32 ? "f32" : "bf16", error);
    ck_assert_msg(status == CG_OK ||
                      (on_cuda[_i / 3].optional && (!plugin || status == CG_ERR_UNSUPPORTED)),
                  "%s", err.msg);
}
END_TEST

/* Compare one greedy continuation as far as the oracle's own literal between the best two is clear.
 */
static void check_greedy(const json_t *c, const cg_sequence_result *r)
{
    const json_t *branch = json_object_get(c, "greedy_first_gap_under_1e-3");
    int32_t n, *want = get_ids(c, "greedy_ids", &n);
    int32_t sure = json_is_integer(branch) ? (int32_t)json_integer_value(branch) : n;
    const int32_t *got = r->tokens + 1; /* behind the forced begin token */

    for (int32_t i = 0; i < sure; i++)
        ck_assert_msg(i + 1 < r->n_tokens && got[i] == want[i], "%s: id %d of %d is %d, wanted %d",
                      json_string_value(json_object_get(c, "name")), i, n,
                      i + 1 < r->n_tokens ? got[i] : -1, want[i]);
    if (sure == n) {
        ck_assert_int_eq(r->n_tokens, n + 1);
        ck_assert_int_eq(r->done, CG_SEQUENCE_COMPLETE);
    }
    free(want);
}

static int gpu; /* the tests below run there */

START_TEST(greedy_ids_equal_the_oracles)
{
    cg_executor_config config = { .model = model,
                                  .attention = find(CG_PLUGIN_ATTENTION, attentions[_i / 3]),
                                  .cache = find(CG_PLUGIN_CACHE, caches[_i % 3]),
                                  .host = &host.host,
                                  .sampling = { sizeof(cg_sampling), 1, 1, 0, 1, 0 },
                                  .n_slots = 8,
                                  .n_prompt_slots = 8,
                                  .max_len = MAX_LEN };
    struct free_text none;
    cg_executor *ex;
    cg_sequence_result result;
    int ended = 0;

    open_free_text(&none);
    config.automaton = none.ops->automaton(none.self);
    OK(gpu ? cg_cuda_loader_create_executor(&config, &ex, &err)
           : cg_executor_cpu_create(&config, team, &ex, &err));
    for (int i = 0; i < 8; i++) {
        int32_t n, *prompt = get_ids(json_array_get(cases, (size_t)i), "prompt_ids", &n);

        OK(ex->ops->begin_prompt(ex, i, prompt, n - 1, &err)); /* the begin token is forced */
        free(prompt);
    }
    for (int i = 0; i < 8; i++) {
        cg_sequence_job job = { none.program, { 0, (uint64_t)i, 0 }, NULL };

        while (!ex->ops->prompt_ready(ex, i))
            OK(ex->ops->run(ex, 1, &err));
        OK(ex->ops->admit(ex, i, i, &job, &err));
    }
    for (int guard = 0; ended < 8; guard++) {
        ck_assert_int_lt(guard, 2000);
        OK(ex->ops->run(ex, 64, &err));
        while (ex->ops->collect(ex, &result)) {
            check_greedy(json_array_get(cases, (size_t)result.slot), &result);
            ex->ops->release(ex, result.slot);
            ended++;
        }
    }
    ex->ops->destroy(ex);
    close_free_text(&none);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("golden");
    TCase *tc = tcase_create("default model");
    int mode = gpu_mode(), failed;
    SRunner *sr;

    tcase_set_timeout(tc, 240);
    tcase_add_checked_fixture(tc, setup, teardown);
    if (mode == GPU_REQUESTED) {
        gpu = 1;
        tcase_add_loop_test(tc, logits_on_cuda_equal_the_oracles, 0,
                            3 * (int)(sizeof on_cuda / sizeof *on_cuda));
        tcase_add_loop_test(tc, greedy_ids_equal_the_oracles, 0, 3); /* eager, f32 */
    } else {
        tcase_add_loop_test(tc, logits_equal_the_oracles, 0, 6);
        /* without a constraint a case takes a minute with eager attention: the pairs that differ
         * most */
        tcase_add_loop_test(tc, greedy_ids_equal_the_oracles, 4, 6);
    }
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    if (mode != GPU_MISSING)
        srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return mode == GPU_MISSING ? EXIT_SKIPPED : failed != 0;
}
