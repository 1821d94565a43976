/* SPDX-License-Identifier: MIT */
/*
 * The default model against oracles of Hugging Face transformers (README.md): f32 logits after
 * given prefixes to 1e-3, unconstrained greedy continuations id by id, for every attention plugin
 * over every cache plugin. Runs on the CPU, or on a GPU if CONFGEN_TEST_GPU is 1; there also bf16
 * logits, with an error norm of at most 1e-2 of the norm of the oracle.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda_loader/cuda_module.h"
#include "gpu_mode.h"
#include "oracle.h"
#include "template/template.h"

enum { N_CASES = 8, POSITIONS = 4, MAX_LEN = 1024 };

static const char *const attentions[] = { "eager", "flash" };
static const struct {
    const char *attention;
    cg_dtype dtype;
    int32_t optional; /* may be missing from the build, or refuse; the reason is printed */
} on_cuda[] = { { "eager", CG_F32, 0 },  { "eager", CG_BF16, 0 }, { "eager", CG_F16, 0 },
                { "flash", CG_BF16, 0 }, { "flash", CG_F16, 0 },  { "cudnn", CG_BF16, 1 } };
static const char *const caches[] = { "dynamic", "static", "paged" };

static int gpu; /* run the tests on a GPU */
static cg_model *model;
static cg_tokenizer *tokenizer;
static json_t *document, *cases; /* cases: an array of the document */

static void setup(void)
{
    char path[4096];

    oracle_setup();
    snprintf(path, sizeof path, "%s/data/confgen-default", oracle_env("CONFGEN_SOURCE_ROOT"));
    OK(cg_model_open(path, &model, &err));
    OK(cg_tokenizer_load(path, &tokenizer, &err));
    document = oracle_load("generation.json");
    cases = json_object_get(document, "cases");
    ck_assert_int_eq((int)json_array_size(cases), N_CASES);
}

static void teardown(void)
{
    json_decref(document);
    cg_tokenizer_destroy(tokenizer);
    cg_model_close(model);
    oracle_teardown();
}

static const char *name_of(const json_t *c)
{
    return json_string_value(json_object_get(c, "name"));
}

/* A text, the positions of its recorded logits, and these. */
struct text {
    int32_t *ids, n;
    int32_t positions[POSITIONS];
    float *want; /* [POSITIONS, vocab] */
};

/* The body of a .npy of float32 [POSITIONS, vocab]. */
static float *read_npy(const char *file)
{
    char path[4096], header[128];
    size_t n = (size_t)POSITIONS * (size_t)model->config.vocab;
    float *data = calloc(n, sizeof *data);
    FILE *f;

    snprintf(path, sizeof path, "%s/tests/golden/%s", oracle_env("CONFGEN_SOURCE_ROOT"), file);
    f = fopen(path, "rb");
    ck_assert_msg(f != NULL, "%s cannot be opened", path);
    ck_assert_uint_eq(fread(header, 1, sizeof header, f), sizeof header);
    ck_assert_ptr_nonnull(strstr(header + 10, "'<f4'"));
    ck_assert_uint_eq(fread(data, sizeof *data, n, f), n);
    fclose(f);
    return data;
}

static struct text read_text(const json_t *c)
{
    const json_t *positions = json_object_get(c, "logits_positions");
    struct text t = { .want = read_npy(json_string_value(json_object_get(c, "logits_file"))) };

    t.ids = oracle_ids(c, "ids", &t.n);
    for (int p = 0; p < POSITIONS; p++) {
        t.positions[p] = (int32_t)json_integer_value(json_array_get(positions, (size_t)p));
        ck_assert_int_lt(t.positions[p], t.n);
    }
    return t;
}

static void free_text(struct text *t)
{
    free(t->ids);
    free(t->want);
}

/* ---- logits ------------------------------------------------------------------------------- */

static void check_cpu_logits(const cg_attention_ops *attention, const cg_cache_ops *cache,
                             const json_t *c)
{
    int32_t vocab = model->config.vocab;
    struct text t = read_text(c);
    float *got = calloc((size_t)POSITIONS * (size_t)vocab, sizeof *got);

    oracle_cpu_logits(model, attention, cache, t.ids, t.positions, POSITIONS, got);
    for (int32_t i = 0; i < POSITIONS * vocab; i++)
        ck_assert_msg(fabsf(got[i] - t.want[i]) < 1e-3f,
                      "%s, position %d, token %d: found %g, wanted %g", name_of(c),
                      t.positions[i / vocab], i % vocab, (double)got[i], (double)t.want[i]);
    free(got);
    free_text(&t);
}

START_TEST(logits_equal_the_oracles)
{
    const cg_attention_ops *attention = oracle_plugin(CG_PLUGIN_ATTENTION, attentions[_i / 3]);
    const cg_cache_ops *cache = oracle_plugin(CG_PLUGIN_CACHE, caches[_i % 3]);

    /* all cases with one pair, the shortest and the longest with the others */
    for (size_t c = 0; c < N_CASES; c += _i == 5 ? 1 : N_CASES - 1)
        check_cpu_logits(attention, cache, json_array_get(cases, c));
}
END_TEST

/* A constraint that allows every token, and its program for a one-atom molecule. */
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

    f->ops = oracle_plugin(CG_PLUGIN_CONSTRAINT, "none");
    cg_vocabulary_init(&f->vocabulary, tokenizer, NULL);
    OK(f->ops->create(&host.host, &f->vocabulary.vocabulary, &format, &f->self, &err));
    OK(f->ops->compile(f->self, &text, &f->program, &err));
}

static void close_free_text(struct free_text *f)
{
    f->ops->release(f->self, f->program);
    f->ops->destroy(f->self);
}

/*
 * Checks the logits of a text on a GPU, in steps of config->step_tokens. Returns the relative error
 * over all positions; *ret_st: the status of a refusal.
 */
static double check_cuda_logits(const cg_executor_config *config, const json_t *c,
                                cg_status *ret_st)
{
    int32_t vocab = model->config.vocab;
    struct text t = read_text(c);
    float *got = calloc((size_t)POSITIONS * (size_t)vocab, sizeof *got);
    const cg_cuda_module *module;
    double error = 0, size = 0, worst = 0; /* squared norms; greatest ratio at a position */
    int32_t worst_position = 0;

    OK(cg_cuda_loader_get_module(&module, &err));
    *ret_st = module->logits(config, t.ids, t.n, t.positions, POSITIONS, got, &err);
    for (int p = 0; p < POSITIONS && *ret_st == CG_OK; p++) {
        double error_p = 0, size_p = 0;

        for (int32_t v = 0; v < vocab; v++) {
            double a = got[p * vocab + v], b = t.want[p * vocab + v];

            ck_assert_msg(isfinite(a) && (config->dtype != CG_F32 || fabs(a - b) < 1e-3),
                          "%s, position %d, token %d: found %g, wanted %g", name_of(c),
                          t.positions[p], v, a, b);
            error_p += (a - b) * (a - b);
            size_p += b * b;
        }
        error += error_p;
        size += size_p;
        if (error_p > worst * size_p) {
            worst = error_p / size_p;
            worst_position = t.positions[p];
        }
    }
    if (*ret_st == CG_OK)
        printf("%s, %s: relative error %.1e, at position %d %.1e\n", name_of(c),
               cg_dtype_name(config->dtype), sqrt(error / size), worst_position, sqrt(worst));
    ck_assert_msg(worst <= 4e-4, "%s, position %d: relative error %.2e", name_of(c), worst_position,
                  sqrt(worst));
    ck_assert_msg(*ret_st != CG_OK || error <= 1e-4 * size, "%s: relative error %.2e", name_of(c),
                  sqrt(error / size));
    free(got);
    free_text(&t);
    return *ret_st == CG_OK ? sqrt(error / size) : 0;
}

START_TEST(logits_on_cuda_equal_the_oracles)
{
    const char *attention = on_cuda[_i / 3].attention, *cache = caches[_i % 3];
    const cg_plugin *plugin = NULL;
    cg_executor_config config = { .model = model,
                                  .cache = oracle_plugin(CG_PLUGIN_CACHE, cache),
                                  .host = &host.host,
                                  .sampling = { sizeof(cg_sampling), 1, 1, 0, 1, 0 },
                                  .n_slots = POSITIONS,
                                  .n_prompt_slots = 1,
                                  .max_len = MAX_LEN,
                                  .step_tokens = 37,
                                  .kv_dtype = on_cuda[_i / 3].dtype,
                                  .dtype = on_cuda[_i / 3].dtype };
    struct free_text none;
    cg_status st;
    double error = 0;

    st = cg_registry_find(registry, CG_PLUGIN_ATTENTION, attention, &plugin, &err);
    if (st == CG_OK) {
        config.attention = plugin->ops;
        open_free_text(&none);
        config.automaton = none.ops->automaton(none.self);
        for (size_t c = 0; c < N_CASES && st == CG_OK; c += _i % 3 == 2 ? 1 : N_CASES - 1)
            error = fmax(error, check_cuda_logits(&config, json_array_get(cases, c), &st));
        close_free_text(&none);
    }
    if (st != CG_OK)
        printf("%s over %s: %s\n", attention, cache, err.msg);
    else
        printf("%s over %s, %s: relative error of the logits %.1e\n", attention, cache,
               cg_dtype_name(config.dtype), error);
    ck_assert_msg(st == CG_OK ||
                      (on_cuda[_i / 3].optional && (!plugin || st == CG_ERR_UNSUPPORTED)),
                  "%s", err.msg);
}
END_TEST

/* ---- greedy continuations ----------------------------------------------------------------- */

/* Compares a greedy continuation up to the first token whose gap to the second best is small. */
static void check_greedy(int32_t i, const cg_sequence_result *r)
{
    const json_t *c = json_array_get(cases, (size_t)i);
    const json_t *branch = json_object_get(c, "greedy_first_gap_under_1e-3");
    int32_t n, *want = oracle_ids(c, "greedy_ids", &n);
    int32_t n_certain = json_is_integer(branch) ? (int32_t)json_integer_value(branch) : n;
    const int32_t *got = r->tokens + 1; /* after the forced begin token */

    for (int32_t k = 0; k < n_certain; k++)
        ck_assert_msg(k + 1 < r->n_tokens && got[k] == want[k],
                      "%s: id %d of %d: found %d, wanted %d", name_of(c), k, n,
                      k + 1 < r->n_tokens ? got[k] : -1, want[k]);
    if (n_certain == n) {
        ck_assert_int_eq(r->n_tokens, n + 1);
        ck_assert_int_eq(r->done, CG_SEQUENCE_COMPLETE);
    }
    free(want);
}

START_TEST(greedy_ids_equal_the_oracles)
{
    cg_executor_config config = { .model = model,
                                  .attention =
                                      oracle_plugin(CG_PLUGIN_ATTENTION, attentions[_i / 3]),
                                  .cache = oracle_plugin(CG_PLUGIN_CACHE, caches[_i % 3]),
                                  .host = &host.host,
                                  .sampling = { sizeof(cg_sampling), 1, 1, 0, 1, 0 },
                                  .n_slots = N_CASES,
                                  .n_prompt_slots = N_CASES,
                                  .max_len = MAX_LEN };
    oracle_prompt prompts[N_CASES];
    struct free_text none;
    cg_executor *ex;

    open_free_text(&none);
    config.automaton = none.ops->automaton(none.self);
    OK(gpu ? cg_cuda_loader_create_executor(&config, &ex, &err)
           : cg_executor_cpu_create(&config, team, &ex, &err));
    for (size_t i = 0; i < N_CASES; i++) {
        prompts[i].ids = oracle_ids(json_array_get(cases, i), "prompt_ids", &prompts[i].n);
        prompts[i].n--; /* the begin token is forced */
    }
    oracle_run(ex, none.program, prompts, N_CASES, check_greedy);
    for (size_t i = 0; i < N_CASES; i++)
        free(prompts[i].ids);
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
        /* a case takes a minute with eager attention: only the pairs that differ most */
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
