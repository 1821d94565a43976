/* SPDX-License-Identifier: MIT */
/*
 * Tiny models of every architecture and feature against oracles of Hugging Face transformers
 * (README.md).
 * f32 logits to 1e-4 of the largest of their position; unconstrained greedy continuations id by id.
 * Runs on the CPU, for every attention plugin over every cache plugin, or on a GPU if
 * CONFGEN_TEST_GPU is 1, with eager attention in f32.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cuda_loader/cuda_module.h"
#include "gpu_mode.h"
#include "oracle.h"

enum { N_MODELS = 12, ALL_PAIRS = 4, N_PAIRS = 6, MAX_LEN = 256 };

static const char *const attentions[] = { "eager", "flash" };
static const char *const caches[] = { "dynamic", "static", "paged" };

static int gpu; /* run the tests on a GPU */
static json_t *document;

/* A model and its oracles. */
static const json_t *oracle;
static cg_model *model;
static int32_t vocab;

/* An automaton of one state that allows every token, and a program of one endless field. */
static struct {
    int32_t row[2], *token, *next, *head_row, *head_token; /* [vocab] */
    int32_t entry[1], forced_start[3];
    cg_automaton automaton;
    cg_program program;
} any;

static void allow_any_token(int32_t n_tokens)
{
    int32_t **arrays[] = { &any.token, &any.next, &any.head_row, &any.head_token };

    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        *arrays[i] = calloc((size_t)vocab, sizeof **arrays[i]);
    for (int32_t i = 0; i < vocab; i++)
        any.token[i] = any.head_row[i] = any.head_token[i] = i; /* next[i]: state 0 */
    any.row[1] = vocab;
    any.automaton = (cg_automaton) { CG_SIZED(cg_automaton),
                                     .capacity_states = 1,
                                     .capacity_transitions = vocab,
                                     .capacity_head_rows = vocab,
                                     .row = any.row,
                                     .token = any.token,
                                     .next = any.next,
                                     .head_row = any.head_row,
                                     .head_token = any.head_token };
    any.program = (cg_program) { CG_SIZED(cg_program),
                                 .n_fields = 1,
                                 .n_states = 1,
                                 .n_transitions = vocab,
                                 .n_head_rows = vocab,
                                 .max_tokens = n_tokens,
                                 .entry = any.entry,
                                 .forced_start = any.forced_start,
                                 .forced_token = any.forced_start };
}

static void write_and_open_model(const char *name)
{
    char dir[] = "/tmp/confgen-oracle-XXXXXX", path[128];
    static const char *const files[] = { "config.json", "generation_config.json",
                                         "model.safetensors" };
    int status;
    pid_t pid;

    ck_assert_ptr_nonnull(mkdtemp(dir));
    pid = fork();
    if (pid == 0) {
        execl(oracle_env("WRITE_MODEL"), "write_model", dir, "--oracle", name, (char *)NULL);
        _exit(127);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    OK(cg_model_open(dir, &model, &err));
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, files[i]);
        unlink(path); /* the open model keeps its mapping */
    }
    rmdir(dir);
}

static void open_oracle(int i)
{
    const json_t *cases = json_object_get(document, "cases");

    ck_assert_int_eq((int)json_array_size(cases), N_MODELS);
    oracle = json_array_get(cases, (size_t)i);
    write_and_open_model(json_string_value(json_object_get(oracle, "name")));
    vocab = model->config.vocab;
    allow_any_token((int32_t)json_array_size(json_object_get(oracle, "greedy_ids")));
}

static void setup(void)
{
    oracle_setup();
    document = oracle_load("architectures.json");
}

static void teardown(void)
{
    free(any.token);
    free(any.next);
    free(any.head_row);
    free(any.head_token);
    cg_model_close(model);
    json_decref(document);
    oracle_teardown();
}

static cg_executor_config executor_config(int pair, int32_t n_slots)
{
    return (cg_executor_config) {
        .model = model,
        .attention = oracle_plugin(CG_PLUGIN_ATTENTION, attentions[pair / 3]),
        .cache = oracle_plugin(CG_PLUGIN_CACHE, caches[pair % 3]),
        .host = &host.host,
        .automaton = &any.automaton,
        .sampling = { sizeof(cg_sampling), 1, 1, 0, 1, 0 },
        .n_slots = n_slots,
        .n_prompt_slots = 1,
        .max_len = MAX_LEN,
        .step_tokens = gpu ? 37 : 0,
        .dtype = CG_F32,
    };
}

static void compute_logits(int pair, const int32_t *ids, int32_t n_ids, const int32_t *positions,
                           int32_t n_positions, float *ret_logits)
{
    cg_executor_config config = executor_config(pair, n_positions);
    const cg_cuda_module *module;

    if (!gpu) {
        oracle_cpu_logits(model, config.attention, config.cache, ids, positions, n_positions,
                          ret_logits);
        return;
    }
    OK(cg_cuda_loader_get_module(&module, &err));
    OK(module->logits(&config, ids, n_ids, positions, n_positions, ret_logits, &err));
}

START_TEST(logits_equal_the_oracles)
{
    int32_t n_ids, n_positions, *ids, *positions;
    const json_t *want;
    float *got;

    open_oracle(_i / N_PAIRS);
    ids = oracle_ids(oracle, "ids", &n_ids);
    positions = oracle_ids(oracle, "positions", &n_positions);
    want = json_object_get(oracle, "logits");
    got = calloc((size_t)n_positions * (size_t)vocab, sizeof *got);
    compute_logits(_i % N_PAIRS, ids, n_ids, positions, n_positions, got);
    for (int32_t p = 0; p < n_positions; p++) {
        const json_t *row = json_array_get(want, (size_t)p);
        double largest = 0, error = 0;

        ck_assert_int_eq((int)json_array_size(row), vocab);
        for (int32_t v = 0; v < vocab; v++) {
            double x = json_real_value(json_array_get(row, (size_t)v));

            largest = fmax(largest, fabs(x));
            error = fmax(error, fabs(got[p * vocab + v] - x));
        }
        ck_assert_msg(error <= 1e-4 * largest, "%s, %s over %s, position %d: error %.2e of %.2e",
                      json_string_value(json_object_get(oracle, "name")),
                      attentions[_i % N_PAIRS / 3], caches[_i % 3], positions[p], error, largest);
    }
    free(ids);
    free(positions);
    free(got);
}
END_TEST

static void check_greedy(int32_t i, const cg_sequence_result *r)
{
    int32_t n, *want = oracle_ids(oracle, "greedy_ids", &n);

    ck_assert_int_eq(i, 0);
    ck_assert_int_eq(r->done, CG_SEQUENCE_UNFINISHED); /* the field ends at the limit */
    ck_assert_int_eq(r->n_tokens, n);
    for (int32_t k = 0; k < n; k++)
        ck_assert_msg(r->tokens[k] == want[k], "%s: id %d of %d: found %d, wanted %d",
                      json_string_value(json_object_get(oracle, "name")), k, n, r->tokens[k],
                      want[k]);
    free(want);
}

START_TEST(greedy_ids_equal_the_oracles)
{
    cg_executor_config config;
    cg_executor *ex;
    oracle_prompt prompt;

    open_oracle(_i / N_PAIRS);
    config = executor_config(_i % N_PAIRS, 1);
    OK(gpu ? cg_cuda_loader_create_executor(&config, &ex, &err)
           : cg_executor_cpu_create(&config, team, &ex, &err));
    prompt.ids = oracle_ids(oracle, "prompt_ids", &prompt.n);
    oracle_run(ex, &any.program, &prompt, 1, check_greedy);
    free(prompt.ids);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("golden");
    TCase *tc = tcase_create("architectures");
    int mode = gpu_mode(), failed;
    SRunner *sr;

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    gpu = mode == GPU_REQUESTED;
    for (int i = 0; i < N_MODELS * N_PAIRS; i++)
        /* only eager attention has f32 on a GPU; the first models suffice for all pairs */
        if (gpu ? i % N_PAIRS < 3 : i < ALL_PAIRS * N_PAIRS || i % N_PAIRS % (N_PAIRS - 1) == 0) {
            tcase_add_loop_test(tc, logits_equal_the_oracles, i, i + 1);
            tcase_add_loop_test(tc, greedy_ids_equal_the_oracles, i, i + 1);
        }
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    if (mode != GPU_MISSING)
        srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return mode == GPU_MISSING ? EXIT_SKIPPED : failed != 0;
}
