/* SPDX-License-Identifier: MIT */
/*
 * Several executors over one queue, and executors that run out of memory, produce the conformers of
 * a single executor in the same order.
 */
#include "engine/engine.h"
#include "tiny_engine.h"

/* ---- executors that run out of memory ----------------------------------------------------- */

/* A CPU executor in a wrapper that fails as a GPU's would. */
struct wrapped_executor {
    cg_executor base;
    cg_executor *inner;
    struct cg_executor_ops ops;
    int32_t n_slots, n_busy;
};

static struct memory {
    int32_t max_slots;              /* more are refused at creation */
    int32_t max_sequences;          /* admitted at once; 0: any number */
    _Atomic int runs_until_failure; /* of executors with more than `safe_slots` slots; -1: none */
    int32_t safe_slots;
    _Atomic int created, alive;
} memory;

static cg_executor *inner(cg_executor *ex)
{
    return ((struct wrapped_executor *)ex)->inner;
}

static cg_status fail_no_memory(cg_error *err)
{
    err->code = CG_ERR_DEVICE_NOMEM;
    snprintf(err->msg, sizeof err->msg, "the GPU has no memory left");
    return CG_ERR_DEVICE_NOMEM;
}

static void wrapped_destroy(cg_executor *ex)
{
    inner(ex)->ops->destroy(inner(ex));
    memory.alive--;
    free(ex);
}

static cg_status wrapped_begin_prompt(cg_executor *ex, int32_t prompt_slot, const int32_t *tokens,
                                      int32_t n, cg_error *err)
{
    return inner(ex)->ops->begin_prompt(inner(ex), prompt_slot, tokens, n, err);
}

static int wrapped_prompt_ready(const cg_executor *ex, int32_t prompt_slot)
{
    const struct wrapped_executor *s = (const struct wrapped_executor *)ex;

    return s->inner->ops->prompt_ready(s->inner, prompt_slot);
}

static void wrapped_release_prompt(cg_executor *ex, int32_t prompt_slot)
{
    inner(ex)->ops->release_prompt(inner(ex), prompt_slot);
}

static cg_status wrapped_admit(cg_executor *ex, int32_t slot, int32_t prompt_slot,
                               const cg_sequence_job *job, cg_error *err)
{
    struct wrapped_executor *s = (struct wrapped_executor *)ex;
    cg_status st;

    if (memory.max_sequences && s->n_busy == memory.max_sequences)
        return fail_no_memory(err);
    st = s->inner->ops->admit(s->inner, slot, prompt_slot, job, err);
    s->n_busy += st == CG_OK;
    return st;
}

static cg_status wrapped_run(cg_executor *ex, int32_t max_steps, cg_error *err)
{
    struct wrapped_executor *s = (struct wrapped_executor *)ex;

    if (s->n_slots > memory.safe_slots && memory.runs_until_failure > 0 &&
        !--memory.runs_until_failure)
        return fail_no_memory(err);
    return s->inner->ops->run(s->inner, max_steps, err);
}

static int wrapped_collect(cg_executor *ex, cg_sequence_result *ret_result)
{
    return inner(ex)->ops->collect(inner(ex), ret_result);
}

static void wrapped_release(cg_executor *ex, int32_t slot)
{
    ((struct wrapped_executor *)ex)->n_busy--;
    inner(ex)->ops->release(inner(ex), slot);
}

static void wrapped_stats(const cg_executor *ex, cg_executor_stats *ret_stats)
{
    const struct wrapped_executor *s = (const struct wrapped_executor *)ex;

    s->inner->ops->stats(s->inner, ret_stats);
    ret_stats->device_bytes = 1000 * s->n_slots;
}

static void wrapped_cache_stats(const cg_executor *ex, cg_cache_stats *ret_stats)
{
    const struct wrapped_executor *s = (const struct wrapped_executor *)ex;

    s->inner->ops->cache_stats(s->inner, ret_stats);
}

static const struct cg_executor_ops wrapped_ops = {
    .name = "wrapped",
    .destroy = wrapped_destroy,
    .begin_prompt = wrapped_begin_prompt,
    .prompt_ready = wrapped_prompt_ready,
    .release_prompt = wrapped_release_prompt,
    .admit = wrapped_admit,
    .run = wrapped_run,
    .collect = wrapped_collect,
    .release = wrapped_release,
    .stats = wrapped_stats,
    .cache_stats = wrapped_cache_stats,
};

static cg_status wrapped_create(void *ctx, const cg_executor_config *config, cg_team *team,
                                cg_executor **ret_executor, cg_error *err)
{
    struct wrapped_executor *s;
    cg_status st;

    (void)ctx;
    if (config->n_slots > memory.max_slots)
        return fail_no_memory(err);
    s = calloc(1, sizeof *s);
    s->base.ops = &wrapped_ops;
    s->n_slots = config->n_slots;
    st = cg_executor_cpu_create(config, team, &s->inner, err);
    ck_assert_int_eq(st, CG_OK);
    memory.created++;
    memory.alive++;
    *ret_executor = &s->base;
    return CG_OK;
}

/* ---- runs --------------------------------------------------------------------------------- */

static const char *const smiles[] = {
    "CCO", "c1ccccc1", "C1CC", "CC(=O)N", "O", "C[C@H](N)C(=O)O"
};
enum { MOLECULES = 24, MANY = 61 };

static char log_text[1 << 14], texts[2][1 << 20];
static char *text_at;
static int32_t retry; /* of the engines that are opened */
static char model_path[512];
static cg_error err;
static cg_engine *engine;

static void on_log(void *ctx, int32_t level, const char *text)
{
    size_t n = strlen(log_text);

    (void)ctx;
    if (level <= CG_LOG_WARNING)
        snprintf(log_text + n, sizeof log_text - n, "%s\n", text);
}

static void on_conformer(void *ctx, const cg_conformer *g)
{
    (void)ctx;
    text_at += sprintf(text_at, "%llu %d %d %#x %d %s\n", (unsigned long long)g->request->index,
                       g->generation, g->verdict, g->checks_failed, g->retries, g->text);
    ck_assert_int_eq(g->checks_done != 0, retry && g->verdict == CG_CONFORMER_OK);
    ck_assert_int_eq(g->reason[0] != '\0', g->verdict != CG_CONFORMER_OK || g->checks_failed);
    ck_assert(text_at < texts[1] + sizeof texts[1] - 10000);
}

static void setup(void)
{
    scratch_make();
    write_tiny_model();
    snprintf(model_path, sizeof model_path, "%s", scratch_path("model"));
    memory = (struct memory) { .max_slots = 1 << 20, .safe_slots = 1 << 20 };
    log_text[0] = '\0';
    retry = 0;
    err = (cg_error)CG_ERROR_INIT;
}

static void teardown(void)
{
    cg_engine_close(engine);
    ck_assert_int_eq(memory.alive, 0);
    scratch_remove();
}

static cg_status open_engine(int32_t n_cpu, int32_t batch_size)
{
    cg_engine_options options = { CG_SIZED(cg_engine_options),
                                  .model = model_path,
                                  .batch_size = batch_size,
                                  .threads = 1,
                                  .template_workers = 2,
                                  .seed = 3,
                                  .device = "cpu",
                                  .log = on_log,
                                  .geometry = "off", /* random weights give none */
                                  .retry = retry };
    cg_engine_test_hooks hooks = { .n_cpu_executors = n_cpu,
                                   .factory = { .create = wrapped_create } };

    return cg_engine_open_with(&options, &hooks, &engine, &err);
}

/* Generates small molecules and one with many conformers. */
static cg_status generate(char *text, cg_report *report)
{
    cg_request requests[MOLECULES];

    for (int i = 0; i < MOLECULES; i++)
        requests[i] =
            (cg_request) { CG_SIZED(cg_request), .n_conformers = i == 10 ? MANY : 1 + i % 4,
                           .index = (uint64_t)i, .smiles = smiles[i % 6] };
    text_at = text;
    *text_at = '\0';
    *report = (cg_report) { CG_SIZED(cg_report) };
    return cg_engine_generate(engine, requests, MOLECULES, on_conformer, NULL, report, &err);
}

/* Generates with one executor of one slot into texts[0]. */
static void make_reference(cg_report *report)
{
    ck_assert_msg(open_engine(1, 1) == CG_OK, "%s", err.msg);
    ck_assert_msg(generate(texts[0], report) == CG_OK, "%s", err.msg);
    cg_engine_close(engine);
    engine = NULL;
    memory.created = 0;
}

START_TEST(any_number_of_executors_gives_the_same_conformers)
{
    static const int32_t shapes[][2] = { { 1, 8 }, { 2, 1 }, { 2, 8 }, { 3, 4 }, { 4, 64 } };
    cg_report want, got;
    int64_t sum = 0;
    int used = 0;

    make_reference(&want);
    ck_assert_int_eq(open_engine(shapes[_i][0], shapes[_i][1]), CG_OK);
    ck_assert_msg(generate(texts[1], &got) == CG_OK, "%s", err.msg);
    ck_assert_str_eq(texts[1], texts[0]);
    ck_assert_int_eq(got.n_executors, shapes[_i][0]);
    ck_assert_int_eq(got.tokens, want.tokens);
    ck_assert_int_eq(got.sampled, want.sampled);
    ck_assert_int_eq(got.forced, want.forced);
    ck_assert_int_eq(got.requested, want.requested);
    ck_assert_int_eq(got.sequences, want.sequences);
    ck_assert_int_eq(got.conformers, want.conformers);
    ck_assert_int_eq(got.molecules, MOLECULES);
    ck_assert_int_eq(got.molecules_failed, 4);
    ck_assert_int_eq(got.halvings, 0);
    for (int i = 0; i < CG_MAX_GPUS; i++) {
        sum += got.executor_tokens[i];
        used += got.executor_tokens[i] > 0;
    }
    ck_assert_int_eq(sum, got.tokens);
    ck_assert_int_le(used, shapes[_i][0]);
    ck_assert_int_eq(got.device_bytes, 1000 * shapes[_i][0] * shapes[_i][1]);
    ck_assert_str_eq(log_text, "");
    /* a second call of the same engine */
    ck_assert_msg(generate(texts[1], &got) == CG_OK, "%s", err.msg);
    ck_assert_str_eq(texts[1], texts[0]);
    ck_assert_int_eq(got.tokens, want.tokens);
}
END_TEST

/* More than two batches of one molecule: more than one executor computes its prompt. */
START_TEST(one_molecule_is_shared_by_executors)
{
    cg_request request = { CG_SIZED(cg_request), .n_conformers = 200, .smiles = "c1ccccc1" };
    cg_report report = { CG_SIZED(cg_report) };
    int64_t prompt;

    ck_assert_int_eq(open_engine(1, 8), CG_OK);
    text_at = texts[0];
    ck_assert_int_eq(cg_engine_generate(engine, &request, 1, on_conformer, NULL, &report, &err),
                     CG_OK);
    prompt = report.prompt_tokens;
    cg_engine_close(engine);
    ck_assert_int_eq(open_engine(2, 8), CG_OK);
    text_at = texts[1];
    ck_assert_int_eq(cg_engine_generate(engine, &request, 1, on_conformer, NULL, &report, &err),
                     CG_OK);
    ck_assert_str_eq(texts[1], texts[0]);
    ck_assert_int_eq(report.prompt_tokens, 25 * prompt); /* parts of 8 */
    ck_assert_int_gt(report.executor_tokens[0], 0);
    ck_assert_int_gt(report.executor_tokens[1], 0);
}
END_TEST

/* Random weights give hardly any valid conformer: nearly all are retried up to the limit. */
START_TEST(failed_conformers_are_retried)
{
    static const int32_t shapes[][2] = { { 1, 8 }, { 2, 1 }, { 2, 8 }, { 3, 4 }, { 4, 64 } };
    cg_report plain, want, got;

    make_reference(&plain);
    ck_assert_int_eq(plain.retried + plain.checked + plain.fixed_by_retry, 0);
    retry = 3;
    make_reference(&want);
    ck_assert_int_eq(want.requested, plain.requested);
    ck_assert_int_eq(want.sequences, plain.sequences);
    ck_assert_int_eq(want.conformers, plain.conformers);
    ck_assert_int_eq(want.checked, plain.conformers);
    ck_assert_int_gt(want.retried, want.requested);
    ck_assert_int_le(want.retried, 3 * want.requested);
    ck_assert_int_gt(want.passed, 0);
    ck_assert_int_lt(want.passed, want.checked);
    ck_assert_int_eq(want.check_done[0], want.checked); /* sanitization */
    ck_assert_int_eq(want.check_failed[0], 0);
    ck_assert_int_gt(want.check_failed[2], 0); /* bonds */
    ck_assert_int_eq(open_engine(shapes[_i][0], shapes[_i][1]), CG_OK);
    memory.runs_until_failure = _i % 2 ? 20 : -1; /* with and without running out of memory */
    memory.safe_slots = 2;
    ck_assert_msg(generate(texts[1], &got) == CG_OK, "%s", err.msg);
    ck_assert_str_eq(texts[1], texts[0]);
    ck_assert_int_eq(got.tokens, want.tokens);
    ck_assert_int_eq(got.retried, want.retried);
    ck_assert_int_eq(got.fixed_by_retry, want.fixed_by_retry);
    ck_assert_int_eq(got.passed, want.passed);
    ck_assert_mem_eq(got.check_failed, want.check_failed, sizeof got.check_failed);
}
END_TEST

START_TEST(impossible_retries_are_refused)
{
    static const cg_sampling greedy = { CG_SIZED(cg_sampling), 1, -1, -1, -1, -1 };
    cg_engine_options options = { CG_SIZED(cg_engine_options), .model = model_path, .retry = 1,
                                  .sampling = &greedy };

    ck_assert_int_eq(cg_engine_open(&options, &engine, &err), CG_ERR_USAGE);
    ck_assert_str_eq(err.msg, "--retry 1: greedy sampling (flag) repeats the same conformer");
    options.retry = -1;
    ck_assert_int_eq(cg_engine_open(&options, &engine, &err), CG_ERR_USAGE);
    ck_assert_str_eq(err.msg, "--retry -1: wanted 0 or more");
    options.retry = 0;
    options.check = 1;
    ck_assert_int_eq(cg_engine_open(&options, &engine, &err), CG_OK);
    ck_assert_int_eq(cg_engine_get_info(engine)->check, 1);
}
END_TEST

START_TEST(batch_that_does_not_fit_is_halved)
{
    cg_report want, got;

    make_reference(&want);
    memory.max_slots = 5;
    ck_assert_msg(open_engine(2, 64) == CG_OK, "%s", err.msg);
    ck_assert_int_eq(cg_engine_get_info(engine)->batch_size, 4);
    ck_assert_str_eq(cg_engine_get_info(engine)->batch_reason,
                     "halved from 8 to 4: the GPU has no memory left");
    ck_assert_contains(log_text, "cpu: the batch is halved from 64 to 32: the GPU has no memory");
    ck_assert_int_eq(generate(texts[1], &got), CG_OK);
    ck_assert_str_eq(texts[1], texts[0]);
    ck_assert_int_eq(got.halvings, 8);
    cg_engine_close(engine);
    engine = NULL;
    memory.max_slots = 0;
    ck_assert_int_eq(open_engine(1, 64), CG_ERR_DEVICE_NOMEM);
    ck_assert_str_eq(err.msg, "the GPU has no memory left");
}
END_TEST

/* A run fails in the middle: an executor of half the size continues, and nothing is lost. */
START_TEST(out_of_memory_loses_no_conformer)
{
    cg_report want, got;

    make_reference(&want);
    ck_assert_int_eq(open_engine(1 + _i % 2, 16), CG_OK);
    memory.runs_until_failure = 1 + 3 * _i;
    memory.safe_slots = 8;
    ck_assert_msg(generate(texts[1], &got) == CG_OK, "%s", err.msg);
    ck_assert_str_eq(texts[1], texts[0]);
    ck_assert_int_eq(got.tokens, want.tokens);
    ck_assert_int_eq(got.conformers, want.conformers);
    ck_assert_int_eq(got.halvings, 1);
    ck_assert_int_eq(memory.created, 2 + _i % 2);
    ck_assert_contains(log_text, "out of memory with a batch of 16, which is halved");
    ck_assert_int_ge(got.device_bytes, 16000); /* the peak */
    ck_assert_msg(generate(texts[1], &got) == CG_OK, "%s", err.msg);
    ck_assert_str_eq(texts[1], texts[0]);
}
END_TEST

START_TEST(sequences_wait_for_memory)
{
    cg_report want, got;

    make_reference(&want);
    ck_assert_int_eq(open_engine(2, 16), CG_OK);
    memory.max_sequences = 9;
    ck_assert_int_eq(generate(texts[1], &got), CG_OK);
    ck_assert_str_eq(texts[1], texts[0]);
    ck_assert_int_eq(got.halvings, 0);
    ck_assert_contains(log_text, "cpu: 9 of 16 sequences fill the memory, the others wait");
}
END_TEST

/* One slot does not fit either: the run fails, and the engine works once there is memory. */
START_TEST(run_without_memory_fails)
{
    cg_report want, got;

    make_reference(&want);
    ck_assert_int_eq(open_engine(1 + _i, 8), CG_OK);
    memory.max_slots = 0;
    memory.runs_until_failure = 4;
    memory.safe_slots = 4;
    ck_assert_int_eq(generate(texts[1], &got), CG_ERR_DEVICE_NOMEM);
    ck_assert_str_eq(err.msg, "the GPU has no memory left");
    memory.max_slots = 64;
    ck_assert_msg(generate(texts[1], &got) == CG_OK, "%s", err.msg);
    ck_assert_str_eq(texts[1], texts[0]);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("executors");

    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, any_number_of_executors_gives_the_same_conformers, 0, 5);
    tcase_add_test(tc, one_molecule_is_shared_by_executors);
    tcase_add_loop_test(tc, failed_conformers_are_retried, 0, 5);
    tcase_add_test(tc, impossible_retries_are_refused);
    tcase_add_test(tc, batch_that_does_not_fit_is_halved);
    tcase_add_loop_test(tc, out_of_memory_loses_no_conformer, 0, 12);
    tcase_add_test(tc, sequences_wait_for_memory);
    tcase_add_loop_test(tc, run_without_memory_fails, 0, 2);
    return run_suite("executors", &tc, 1);
}
