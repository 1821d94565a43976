/* SPDX-License-Identifier: MIT */
/*
 * The executor interface with a tiny random model over attention and cache plugins: the CPU
 * executor, or the CUDA executor if CONFGEN_TEST_GPU is 1.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cuda_loader/cuda_module.h"
#include "decode/executor.h"
#include "decode/prompt_steps.h"
#include "gpu_mode.h"
#include "model/step_tokens.h"
#include "plugin/host.h"
#include "plugin/registry.h"
#include "sequence/automaton.h"

enum { VOCAB = 64, N_LAYERS = 2, ATOMS = 5, FIELDS = 3 * ATOMS, PROMPT = 21, MAX_LEN = 160 };

/*
 * A coordinate: state 2 forces token 30, state 0 allows 10..19, state 1 allows 20..29 and ends the
 * field. x starts in state 2, y and z in state 0. Forced tokens: [1 2] before the first field, [3]
 * between fields, [4 5] at the end.
 */
static int32_t row[4] = { 0, 10, 20, 21 }, token[21], next[21], head_row[21], head_token[20];
static const cg_automaton automaton = {
    CG_SIZED(cg_automaton),
    .capacity_states = 3,
    .capacity_transitions = 21,
    .capacity_head_rows = 20,
    .row = row,
    .token = token,
    .next = next,
    .head_row = head_row,
    .head_token = head_token,
};
static int32_t entry[FIELDS], forced_start[FIELDS + 2], forced_token[FIELDS + 3];
static cg_program program = {
    CG_SIZED(cg_program),        .n_fields = FIELDS,   .n_states = 3,  .n_transitions = 21,
    .n_head_rows = 20,           .fields_per_atom = 3, .entry = entry, .forced_start = forced_start,
    .forced_token = forced_token
};
static int32_t prompt[PROMPT];

/* A device and an attention plugin to test. */
struct target {
    int cuda;
    const char *attention;
    cg_dtype dtype;   /* CUDA */
    int32_t head_dim; /* of the model */
};
static const struct target cpus[] = { { 0, "eager", CG_F32, 16 }, { 0, "flash", CG_F32, 16 } };
static const struct target gpus[] = { { 1, "eager", CG_F32, 16 }, { 1, "flash", CG_BF16, 64 } };
static const struct target *targets = cpus; /* [2]; many tests use only the second */
static const char *const caches[] = { "dynamic", "static", "paged" };

static cg_team *team;
static cg_plugin_host host;
static cg_registry *registry;
static cg_model *models[2]; /* one per target */
static cg_error err = CG_ERROR_INIT;

#define OK(call) ck_assert_msg((call) == CG_OK, "%s", err.msg)

static const cg_model_config shape = {
    .arch = CG_ARCH_QWEN3,
    .hidden = 32,
    .n_layers = N_LAYERS,
    .n_heads = 4,
    .n_kv_heads = 2,
    .intermediate = 48,
    .vocab = VOCAB,
    .max_positions = 256,
    .tie_embeddings = 1,
    .qk_norm = 1,
    .norm_eps = 1e-6,
    .rope = { .kind = CG_ROPE_DEFAULT, .theta = 10000 },
};

static void setup(void)
{
    cg_model_config config = shape;
    int32_t n = 0;

    for (int i = 0; i < 20; i++) {
        token[i] = head_token[i] = 10 + i;
        next[i] = i < 10 ? 1 : CG_EXIT;
        head_row[i] = i;
    }
    token[20] = 30;
    next[20] = 0;
    head_row[20] = -1;
    forced_token[n++] = 1;
    forced_token[n++] = 2;
    for (int f = 0; f < FIELDS; f++) {
        entry[f] = f % 3 ? 0 : 2;
        forced_start[f + 1] = n;
        if (f + 1 < FIELDS)
            forced_token[n++] = 3;
    }
    forced_token[n++] = 4;
    forced_token[n++] = 5;
    forced_start[FIELDS + 1] = n;
    program.max_tokens = n + FIELDS * 2 + ATOMS;
    for (int i = 0; i < PROMPT; i++)
        prompt[i] = 40 + i;
    OK(cg_team_create(2, &team, &err));
    cg_plugin_host_init(&host, team, NULL, NULL, CG_LOG_WARNING);
    OK(cg_registry_open(&host.host, NULL, 0, &registry, &err));
    for (int i = 0; i < 2; i++) {
        config.head_dim = targets[i].head_dim;
        OK(cg_model_random(&config, 5, &models[i], &err));
    }
}

static void teardown(void)
{
    cg_model_close(models[0]);
    cg_model_close(models[1]);
    cg_registry_destroy(registry);
    cg_team_destroy(team);
}

static const void *find(cg_plugin_kind kind, const char *name)
{
    const cg_plugin *plugin;

    OK(cg_registry_find(registry, kind, name, &plugin, &err));
    return plugin->ops;
}

static cg_executor_config configure(int32_t target, const char *cache, int32_t deterministic,
                                    int32_t n_slots, int32_t step_tokens, int32_t max_len)
{
    const struct target *m = &targets[target];

    return (cg_executor_config) { .model = models[target],
                                  .attention = find(CG_PLUGIN_ATTENTION, m->attention),
                                  .cache = find(CG_PLUGIN_CACHE, cache),
                                  .host = &host.host,
                                  .automaton = &automaton,
                                  .sampling = { sizeof(cg_sampling), 0, 1, 0, 1, 0 },
                                  .n_slots = n_slots,
                                  .n_prompt_slots = 1,
                                  .max_len = max_len,
                                  .step_tokens = step_tokens,
                                  .kv_dtype = m->dtype,
                                  .dtype = m->dtype,
                                  .deterministic = deterministic };
}

static cg_status create_for(int32_t target, const cg_executor_config *config, cg_executor **ret)
{
    return targets[target].cuda ? cg_cuda_loader_create_executor(config, ret, &err)
                                : cg_executor_cpu_create(config, team, ret, &err);
}

/* With a ready prompt in prompt slot 0. */
static cg_executor *create_ready(int32_t target, const cg_executor_config *config)
{
    cg_executor *ex;

    OK(create_for(target, config, &ex));
    OK(ex->ops->begin_prompt(ex, 0, prompt, PROMPT, &err));
    while (!ex->ops->prompt_ready(ex, 0))
        OK(ex->ops->run(ex, 1, &err));
    return ex;
}

static cg_executor *create(int32_t target, const char *cache, int32_t deterministic,
                           int32_t n_slots, int32_t step_tokens, int32_t max_len)
{
    cg_executor_config config =
        configure(target, cache, deterministic, n_slots, step_tokens, max_len);

    return create_ready(target, &config);
}

/* On the second target, with the defaults of users. */
static cg_executor *open_executor(const char *cache, int32_t n_slots, int32_t max_len)
{
    return create(1, cache, 0, n_slots, 0, max_len);
}

static void admit(cg_executor *ex, int32_t slot, uint32_t generation)
{
    cg_sequence_job job = { &program, { 7, 11, generation }, NULL };

    OK(ex->ops->admit(ex, slot, 0, &job, &err));
}

static cg_sequence_result wait_for_one(cg_executor *ex)
{
    cg_sequence_result r;

    for (int guard = 0; !ex->ops->collect(ex, &r); guard++) {
        ck_assert_int_lt(guard, 1000);
        OK(ex->ops->run(ex, 16, &err));
    }
    return r;
}

/* Returns the tokens of generations 0 .. n-1, [n][program.max_tokens], generated in n_slots slots.
 */
static int32_t *generate(cg_executor *ex, int32_t n_slots, int32_t n)
{
    int32_t *all = calloc((size_t)(n * program.max_tokens), sizeof *all);
    int32_t *in_slot = calloc((size_t)n_slots, sizeof *in_slot);
    int32_t started = 0;

    for (; started < n_slots && started < n; started++) {
        in_slot[started] = started;
        admit(ex, started, (uint32_t)started);
    }
    for (int32_t completed = 0; completed < n; completed++) {
        cg_sequence_result r = wait_for_one(ex);

        ck_assert_int_eq(r.done, CG_SEQUENCE_COMPLETE);
        ck_assert_int_eq(r.n_tokens, program.max_tokens); /* all paths have the same length here */
        ck_assert_int_eq(r.n_sampled, 2 * FIELDS);
        memcpy(all + in_slot[r.slot] * program.max_tokens, r.tokens,
               (size_t)r.n_tokens * sizeof *all);
        ex->ops->release(ex, r.slot);
        if (started < n) {
            in_slot[r.slot] = started;
            admit(ex, r.slot, (uint32_t)started++);
        }
    }
    free(in_slot);
    return all;
}

/* The tokens do not depend on slots, step size, prompt steps, attention or cache. */
START_TEST(sequences_depend_only_on_their_job)
{
    static const int32_t shapes[][3] = { { 1, 0, CG_PROMPT_STEPS_OFF },
                                         { 3, 4, CG_PROMPT_STEPS_OFF },
                                         { 9, 0, CG_PROMPT_STEPS_AUTO },
                                         { 5, 33, 8 },
                                         { 3, 0, 500 } };
    const char *attention = targets[_i / 3].attention, *cache = caches[_i % 3];
    enum { N = 9 };
    int32_t *want = NULL;

    for (int s = 0; s < 5; s++) {
        cg_executor_config config =
            configure(_i / 3, cache, 1, shapes[s][0], shapes[s][1], MAX_LEN);
        cg_executor *ex;
        int32_t *got;

        config.prompt_step_tokens = shapes[s][2];
        ex = create_ready(_i / 3, &config);
        got = generate(ex, shapes[s][0], N);

        if (!want) {
            want = got;
            got = NULL;
        } else {
            ck_assert_msg(!memcmp(got, want, (size_t)(N * program.max_tokens) * sizeof *got),
                          "%s over %s: %d slots, steps of %d, prompt steps of %d", attention, cache,
                          shapes[s][0], shapes[s][1], shapes[s][2]);
        }
        free(got);
        ex->ops->destroy(ex);
    }
    for (int g = 1; g < N; g++) /* and generations differ */
        ck_assert(memcmp(want, want + g * program.max_tokens,
                         (size_t)program.max_tokens * sizeof *want) != 0);
    free(want);
}
END_TEST

START_TEST(a_rolled_back_sequence_continues_from_the_atom)
{
    const char *cache = caches[_i % 3];
    cg_executor *ex = create(_i / 3, cache, 0, 2, 0, MAX_LEN);
    cg_sequence_result r;
    int32_t first[MAX_LEN], at_atom3;

    admit(ex, 0, 0);
    r = wait_for_one(ex);
    memcpy(first, r.tokens, (size_t)r.n_tokens * sizeof *first);
    /* [1 2] 30, then for each atom three fields of 2 + 1 tokens and the forced 30 of the next atom
     */
    at_atom3 = 3 + 3 * (3 * 3 + 1);
    OK(ex->ops->roll_back(ex, 0, 3, &err));
    r = wait_for_one(ex);
    ck_assert_int_eq(r.done, CG_SEQUENCE_COMPLETE);
    ck_assert_int_eq(r.n_tokens, program.max_tokens);
    ck_assert_int_eq(r.n_sampled, 2 * FIELDS); /* tokens that were rolled back do not count */
    ck_assert_msg(!memcmp(r.tokens, first, (size_t)at_atom3 * sizeof *first),
                  "%s: tokens before the atom changed", cache);
    ck_assert_msg(memcmp(r.tokens + at_atom3, first + at_atom3,
                         (size_t)(r.n_tokens - at_atom3) * sizeof *first) != 0,
                  "%s: the same tokens were sampled again", cache);
    /* once more, in the middle of the sequence; the other sequence must not be affected */
    memcpy(first, r.tokens, (size_t)r.n_tokens * sizeof *first);
    OK(ex->ops->roll_back(ex, 0, 0, &err));
    admit(ex, 1, 1);
    OK(ex->ops->run(ex, 9, &err));
    OK(ex->ops->roll_back(ex, 0, 0, &err));
    for (int completed = 0; completed < 2; completed++) {
        r = wait_for_one(ex);
        ck_assert_int_eq(r.done, CG_SEQUENCE_COMPLETE);
        ck_assert_int_eq(r.n_tokens, program.max_tokens);
        ck_assert(memcmp(r.tokens, first, (size_t)r.n_tokens * sizeof *first) != 0);
    }
    ex->ops->destroy(ex);
}
END_TEST

START_TEST(roll_back_refuses_atoms_not_reached)
{
    cg_executor *ex = open_executor("paged", 2, MAX_LEN);

    admit(ex, 0, 0);
    OK(ex->ops->run(ex, 3, &err));
    ck_assert_int_eq(ex->ops->roll_back(ex, 0, ATOMS - 1, &err), CG_ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(err.msg, "the sequence has completed"));
    ck_assert_int_eq(ex->ops->roll_back(ex, 0, -1, &err), CG_ERR_USAGE);
    ck_assert_int_eq(ex->ops->roll_back(ex, 1, 0, &err), CG_ERR_USAGE); /* empty slot */
    ck_assert_ptr_nonnull(strstr(err.msg, "slot 1 holds no sequence"));
    ex->ops->release(ex, 0);
    ck_assert_int_eq(ex->ops->roll_back(ex, 0, 0, &err), CG_ERR_USAGE); /* released slot */
    ex->ops->destroy(ex);
}
END_TEST

START_TEST(a_sequence_ends_at_the_context_length)
{
    cg_executor *ex = open_executor("static", 1, PROMPT + 20);
    cg_sequence_result r;

    admit(ex, 0, 0);
    r = wait_for_one(ex);
    ck_assert_int_eq(r.done, CG_SEQUENCE_UNFINISHED);
    ck_assert_int_eq(r.n_tokens, 20);
    ck_assert_int_eq(ex->ops->begin_prompt(ex, 0, prompt, PROMPT + 20, &err), CG_ERR_LIMIT);
    ex->ops->destroy(ex);
}
END_TEST

START_TEST(a_prompt_is_evaluated_once_and_shared)
{
    cg_executor *ex = open_executor("paged", 6, MAX_LEN);
    cg_cache_stats cache = { CG_SIZED(cg_cache_stats) };
    cg_executor_stats stats;

    for (int i = 0; i < 6; i++)
        admit(ex, i, (uint32_t)i);
    OK(ex->ops->run(ex, 2, &err));
    ex->ops->cache_stats(ex, &cache);
    ck_assert_int_gt(cache.blocks_shared, 0);
    for (int i = 0; i < 6; i++)
        wait_for_one(ex);
    ex->ops->stats(ex, &stats);
    ck_assert_int_eq(stats.prompt_tokens, PROMPT);
    ck_assert_int_eq(stats.sampled, 6 * 2 * FIELDS);
    ck_assert_int_eq(stats.forced, 6 * (program.max_tokens - 2 * FIELDS));
    /* tokens after the last sampled one are never evaluated */
    ck_assert_int_eq(stats.tokens, 6 * (program.max_tokens - 3));
    ex->ops->destroy(ex);
}
END_TEST

/* ---- prompt steps ------------------------------------------------------------------------- */

enum { PROMPTS = 4 };

/* Plans of an attention plugin for a number of sequences, and calls of them. */
static struct {
    const cg_attention_ops *ops; /* its real functions */
    int32_t refused;             /* max_seqs of the plans that are refused */
    struct recorded_plan {
        void *plan;
        int32_t max_tokens, max_seqs, n_runs;
    } plans[8];
    int n;
} recorder;

static cg_status record_supports(const cg_host *services, const cg_attention_problem *problem,
                                 cg_error *ret_err)
{
    if (problem->max_seqs == recorder.refused)
        return cg_fail(ret_err, CG_ERR_UNSUPPORTED, "%d sequences", problem->max_seqs);
    return recorder.ops->supports(services, problem, ret_err);
}

static cg_status record_plan(const cg_host *services, const cg_attention_problem *problem,
                             void **ret_plan, cg_error *ret_err)
{
    CG_TRY(recorder.ops->plan(services, problem, ret_plan, ret_err));
    recorder.plans[recorder.n++] =
        (struct recorded_plan) { *ret_plan, problem->max_tokens, problem->max_seqs, 0 };
    return CG_OK;
}

static cg_status record_run(void *plan, const cg_attention_args *args, cg_error *ret_err)
{
    struct recorded_plan *p = recorder.plans;

    while (p->plan != plan)
        p++;
    p->n_runs++;
    ck_assert_int_le(args->n_tokens, p->max_tokens);
    ck_assert_int_le(args->n_seqs, p->max_seqs);
    return recorder.ops->run(plan, args, ret_err);
}

static cg_attention_ops record(const cg_attention_ops *ops, int32_t refused)
{
    cg_attention_ops recording = *ops;

    recorder.ops = ops;
    recorder.refused = refused;
    recorder.n = 0;
    recording.supports = record_supports;
    recording.plan = record_plan;
    recording.run = record_run;
    return recording;
}

static void begin_prompts(cg_executor *ex, int32_t first, int32_t end)
{
    for (int32_t i = first; i < end; i++)
        OK(ex->ops->begin_prompt(ex, i, prompt, PROMPT, &err));
}

static int count_ready(const cg_executor *ex)
{
    int n = 0;

    for (int32_t i = 0; i < PROMPTS; i++)
        n += ex->ops->prompt_ready(ex, i) != 0;
    return n;
}

/* Steps of an attention plan of so many sequences; a graph is captured once. */
static int count_runs(int32_t max_seqs)
{
    for (int i = 0; i < recorder.n; i++)
        if (recorder.plans[i].max_seqs == max_seqs)
            return recorder.plans[i].n_runs;
    return -1;
}

START_TEST(prompts_are_computed_together_with_a_plan_of_their_own)
{
    cg_executor_config config = configure(1, caches[_i], 0, 3, 0, MAX_LEN);
    cg_attention_ops recording = record(config.attention, -1);
    const int32_t all = targets[1].cuda ? 3 : 3 + PROMPTS;
    int32_t rows = targets[1].cuda ? 128 : 2 * PROMPT + 5, runs;
    cg_executor_stats stats;
    cg_executor *ex;

    config.attention = &recording;
    config.n_prompt_slots = PROMPTS;
    config.prompt_step_tokens = 2 * PROMPT + 5; /* a GPU rounds it up */
    OK(create_for(1, &config, &ex));
    begin_prompts(ex, 0, PROMPTS);
    while (count_ready(ex) < PROMPTS)
        OK(ex->ops->run(ex, 1, &err));
    ck_assert_int_eq(count_runs(all), 0);
    runs = (PROMPTS * PROMPT + rows - 1) / rows * N_LAYERS;
    ck_assert_int_eq(count_runs(PROMPTS), runs);
    for (int32_t i = 0; i < 3; i++) {
        cg_sequence_job job = { &program, { 7, 11, (uint32_t)i }, NULL };

        OK(ex->ops->admit(ex, i, i, &job, &err));
    }
    for (int32_t i = 0; i < 3; i++)
        ck_assert_int_eq(wait_for_one(ex).done, CG_SEQUENCE_COMPLETE);
    ck_assert_int_eq(count_runs(PROMPTS), runs);
    ck_assert_int_gt(count_runs(all), 0);
    ex->ops->stats(ex, &stats);
    ck_assert_int_eq(stats.prompt_tokens, PROMPTS * PROMPT);
    ck_assert_int_eq(stats.prompt_steps * N_LAYERS, runs);
    ck_assert_int_ge(stats.prompt_step_rows, PROMPTS * PROMPT);
    ck_assert(stats.prompt_step_seconds > 0 && stats.steps > 0);
    ex->ops->destroy(ex);
}
END_TEST

/* Texts after prompts that prompt steps divide are those after prompts in the steps of sequences.
 */
START_TEST(long_prompts_are_divided)
{
    enum { LONG = 90, N = 3 };
    static const int32_t budgets[] = { CG_PROMPT_STEPS_OFF, 128 };
    int32_t long_prompt[LONG], texts[2][N][MAX_LEN];
    cg_executor_stats stats;

    for (int k = 0; k < 2; k++) {
        cg_executor_config config = configure(1, "static", 1, N, 0, MAX_LEN);
        cg_executor *ex;

        config.n_prompt_slots = N;
        config.prompt_step_tokens = budgets[k];
        OK(create_for(1, &config, &ex));
        for (int32_t i = 0; i < N; i++) {
            for (int32_t t = 0; t < LONG; t++)
                long_prompt[t] = (7 * t + 20 * i) % VOCAB;
            OK(ex->ops->begin_prompt(ex, i, long_prompt, LONG, &err));
        }
        for (int32_t i = 0; i < N; i++)
            while (!ex->ops->prompt_ready(ex, i))
                OK(ex->ops->run(ex, 1, &err));
        for (int32_t i = 0; i < N; i++) {
            cg_sequence_job job = { &program, { 7, 11, 0 }, NULL };

            OK(ex->ops->admit(ex, i, i, &job, &err));
        }
        for (int i = 0; i < N; i++) {
            cg_sequence_result r = wait_for_one(ex);

            ck_assert_int_eq(r.n_tokens, program.max_tokens);
            memcpy(texts[k][r.slot], r.tokens, (size_t)r.n_tokens * sizeof *r.tokens);
        }
        ex->ops->stats(ex, &stats);
        ck_assert_int_eq(stats.prompt_tokens, N * LONG);
        ck_assert_int_eq(stats.prompt_steps, k ? (N * LONG + 127) / 128 : 0);
        ex->ops->destroy(ex);
    }
    for (int i = 0; i < N; i++)
        ck_assert_mem_eq(texts[1][i], texts[0][i], (size_t)program.max_tokens * sizeof(int32_t));
    ck_assert(memcmp(texts[0][0], texts[0][1], (size_t)program.max_tokens * sizeof(int32_t)) != 0);
}
END_TEST

/* A prompt waits for others while sequences run and more than half of the slots are ready. */
START_TEST(prompts_wait_for_each_other)
{
    cg_executor_config config = configure(1, "static", 0, 1, 0, MAX_LEN);
    cg_executor_stats stats;
    cg_executor *ex;
    int64_t steps;

    config.n_prompt_slots = PROMPTS;
    config.prompt_step_tokens = 256;
    OK(create_for(1, &config, &ex));
    begin_prompts(ex, 0, PROMPTS);
    while (count_ready(ex) < PROMPTS)
        OK(ex->ops->run(ex, 1, &err));
    admit(ex, 0, 0);
    ex->ops->release_prompt(ex, 0);
    begin_prompts(ex, 0, 1);
    for (int i = 0; i < 4; i++)
        OK(ex->ops->run(ex, 1, &err));
    ck_assert_int_eq(count_ready(ex), PROMPTS - 1);
    ex->ops->stats(ex, &stats);
    steps = stats.prompt_steps;
    ex->ops->release_prompt(ex, 1);
    begin_prompts(ex, 1, 2);
    OK(ex->ops->run(ex, 1, &err));
    ck_assert_int_eq(count_ready(ex), PROMPTS);
    ex->ops->stats(ex, &stats);
    ck_assert_int_eq(stats.prompt_steps, steps + 1);
    /* without a sequence, a prompt does not wait */
    ex->ops->release(ex, 0);
    ex->ops->release_prompt(ex, 3);
    begin_prompts(ex, 3, 4);
    for (int i = 0; i < 2; i++) /* the first may report the prompts before */
        OK(ex->ops->run(ex, 1, &err));
    ck_assert_int_eq(count_ready(ex), PROMPTS);
    ex->ops->release_prompt(ex, 2); /* and one that has not been computed can be released */
    begin_prompts(ex, 2, 3);
    ex->ops->release_prompt(ex, 2);
    ex->ops->destroy(ex);
}
END_TEST

START_TEST(attention_may_refuse_prompt_steps)
{
    cg_executor_config config = configure(1, "static", 0, 2, 0, MAX_LEN);
    cg_attention_ops recording = record(config.attention, PROMPTS);
    cg_executor_stats stats;
    cg_executor *ex;

    config.attention = &recording;
    config.n_prompt_slots = PROMPTS;
    OK(create_for(1, &config, &ex)); /* by default prompts are then part of the other steps */
    begin_prompts(ex, 0, 1);
    while (!ex->ops->prompt_ready(ex, 0))
        OK(ex->ops->run(ex, 1, &err));
    admit(ex, 0, 0);
    ck_assert_int_eq(wait_for_one(ex).done, CG_SEQUENCE_COMPLETE);
    ex->ops->stats(ex, &stats);
    ck_assert_int_eq(stats.prompt_steps, 0);
    ck_assert_int_eq(stats.prompt_tokens, PROMPT);
    ex->ops->destroy(ex);
    config.prompt_step_tokens = 64; /* requested */
    ck_assert_int_eq(create_for(1, &config, &ex), CG_ERR_UNSUPPORTED);
    ck_assert_msg(strstr(err.msg, "4 sequences") != NULL, "%s", err.msg);
}
END_TEST

START_TEST(token_budgets_of_prompt_steps)
{
    ck_assert_int_eq(cg_prompt_step_tokens(CG_DEVICE_CPU, 4, CG_PROMPT_STEPS_AUTO), 0);
    ck_assert_int_eq(cg_prompt_step_tokens(CG_DEVICE_CPU, 4, 100), 100);
    ck_assert_int_eq(cg_prompt_step_tokens(CG_DEVICE_CPU, 4, CG_PROMPT_STEPS_OFF), 0);
    ck_assert_int_eq(cg_prompt_step_tokens(CG_DEVICE_CUDA, 4, CG_PROMPT_STEPS_OFF), 0);
    ck_assert_int_eq(cg_prompt_step_tokens(CG_DEVICE_CUDA, 4, 100), 128);
    ck_assert_int_eq(cg_prompt_step_tokens(CG_DEVICE_CUDA, 4, 129), 256);
    for (int32_t slots = 1; slots <= 64; slots++) { /* flash's bound for its prefill kernels */
        int32_t rows = cg_prompt_step_tokens(CG_DEVICE_CUDA, slots, CG_PROMPT_STEPS_AUTO);

        ck_assert_int_ge(rows / 16, slots);
        ck_assert_int_eq(rows % 128, 0);
    }
}
END_TEST

START_TEST(when_a_prompt_step_is_due)
{
    static const struct {
        cg_prompt_counts counts; /* slots, waiting, ready, running */
        int due;
    } cases[] = {
        { { 4, 0, 0, 0 }, 0 }, { { 4, 1, 0, 9 }, 1 }, { { 4, 1, 2, 9 }, 1 },
        { { 4, 1, 3, 9 }, 0 }, { { 4, 1, 3, 0 }, 1 }, { { 1, 1, 0, 1 }, 1 },
        { { 5, 2, 3, 1 }, 0 }, { { 5, 3, 2, 1 }, 1 }, { { 32, 16, 16, 512 }, 1 },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_msg(cg_prompt_step_is_due(&cases[i].counts) == cases[i].due, "case %zu", i);
}
END_TEST

/* ---- plugins that fail ---------------------------------------------------------------------- */

/* Functions of attention and cache; the real ones follow until one of them is to fail. */
enum { RUN, APPEND, RESERVE, SHARE_PREFIX, TRUNCATE, VIEW, CREATE, FLUSH, N_FUNCTIONS };

static struct {
    const cg_attention_ops *attention;
    const cg_cache_ops *cache;
    int function, calls; /* that fails after so many calls */
    cg_status status;
    const char *text; /* NULL: none */
} failing;

static int fails(int function, cg_error *ret_err)
{
    if (function != failing.function || failing.calls-- != 0)
        return 0;
    if (failing.text)
        cg_fail(ret_err, failing.status, "%s", failing.text);
    return 1;
}

static cg_status run(void *plan, const cg_attention_args *args, cg_error *ret_err)
{
    return fails(RUN, ret_err) ? failing.status : failing.attention->run(plan, args, ret_err);
}

static cg_status append(void *self, int32_t layer, const cg_cache_append *args, cg_error *ret_err)
{
    return fails(APPEND, ret_err) ? failing.status
                                  : failing.cache->append(self, layer, args, ret_err);
}

static cg_status reserve(void *self, int32_t slot, int32_t len, cg_error *ret_err)
{
    return fails(RESERVE, ret_err) ? failing.status
                                   : failing.cache->reserve(self, slot, len, ret_err);
}

static cg_status share_prefix(void *self, int32_t dst, int32_t src, int32_t len, cg_error *ret_err)
{
    return fails(SHARE_PREFIX, ret_err) ? failing.status
                                        : failing.cache->share_prefix(self, dst, src, len, ret_err);
}

static cg_status truncate_slot(void *self, int32_t slot, int32_t len, cg_error *ret_err)
{
    return fails(TRUNCATE, ret_err) ? failing.status
                                    : failing.cache->truncate(self, slot, len, ret_err);
}

static cg_status view(void *self, int32_t layer, cg_kv_view *ret_view, cg_error *ret_err)
{
    return fails(VIEW, ret_err) ? failing.status
                                : failing.cache->view(self, layer, ret_view, ret_err);
}

static cg_status create_cache(const cg_host *services, const cg_cache_config *config,
                              void **ret_self, cg_error *ret_err)
{
    return fails(CREATE, ret_err) ? failing.status
                                  : failing.cache->create(services, config, ret_self, ret_err);
}

static cg_status flush(void *self, cg_error *ret_err)
{
    return fails(FLUSH, ret_err) ? failing.status : failing.cache->flush(self, ret_err);
}

/* Generates with a function that fails after `calls` calls; returns the status. */
static cg_status generate_failing(int function, int calls, cg_status status, const char *text)
{
    cg_executor_config config = configure(1, "paged", 0, 2, 0, MAX_LEN);
    cg_attention_ops attention = *config.attention;
    cg_cache_ops cache = *config.cache;
    cg_sequence_job job = { &program, { 7, 11, 0 }, NULL };
    cg_executor *ex = NULL;
    cg_sequence_result r;
    cg_status st;

    failing.attention = config.attention;
    failing.cache = config.cache;
    failing.function = function;
    failing.calls = calls;
    failing.status = status;
    failing.text = text;
    attention.run = run;
    cache.append = append;
    cache.reserve = reserve;
    cache.share_prefix = share_prefix;
    cache.truncate = truncate_slot;
    cache.view = view;
    cache.create = create_cache;
    cache.flush = flush;
    cache.flags = 0; /* append() is called */
    config.attention = &attention;
    config.attention_name = "naive";
    config.cache = &cache;
    config.cache_name = "flat";
    CG_TRY(create_for(1, &config, &ex));
    CG_TRY_GOTO(st, ex->ops->begin_prompt(ex, 0, prompt, PROMPT, &err), out);
    while (!ex->ops->prompt_ready(ex, 0))
        CG_TRY_GOTO(st, ex->ops->run(ex, 1, &err), out);
    CG_TRY_GOTO(st, ex->ops->admit(ex, 0, 0, &job, &err), out);
    while (!ex->ops->collect(ex, &r))
        CG_TRY_GOTO(st, ex->ops->run(ex, 1, &err), out);
    st = ex->ops->roll_back(ex, 0, 2, &err);
out:
    ex->ops->destroy(ex);
    return st;
}

START_TEST(a_failing_plugin_is_named_with_layer_and_step)
{
    static const struct {
        int function, calls;
        const char *place;
    } cases[] = {
        { CREATE, 0, "cache 'flat': " },
        { RUN, 0, "attention 'naive', layer 0, step 0: " },
        { RUN, 7 * N_LAYERS + 1, "attention 'naive', layer 1, step 7: " },
        { APPEND, 3 * N_LAYERS, "cache 'flat', layer 0, step 3: " },
        { RESERVE, 4, "cache 'flat', step 4: " },
        { SHARE_PREFIX, 0, "cache 'flat', step 1: " },
        { TRUNCATE, 0, "cache 'flat', step " },
        { VIEW, 1 + 2 * N_LAYERS + 1, "cache 'flat', layer 1, step 2: " },
    };
    const char *text = "the moon is full";
    cg_status st;

    if (targets[1].cuda) /* a graph repeats steps without a call of the plugin */
        return;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        st = generate_failing(cases[i].function, cases[i].calls, CG_ERR_UNSUPPORTED, text);
        ck_assert_int_eq(st, CG_ERR_UNSUPPORTED);
        ck_assert_msg(!strncmp(err.msg, cases[i].place, strlen(cases[i].place)) &&
                          strstr(err.msg, text),
                      "case %zu: %s", i, err.msg);
        st = generate_failing(cases[i].function, cases[i].calls, CG_ERR_INTERNAL, NULL);
        ck_assert_int_eq(st, CG_ERR_PLUGIN);
        ck_assert_msg(!strncmp(err.msg, cases[i].place, strlen(cases[i].place)) &&
                          strstr(err.msg, ": failed without a reason (internal error)"),
                      "case %zu: %s", i, err.msg);
    }
}
END_TEST

START_TEST(a_cache_that_cannot_flush_is_named)
{
    if (!targets[1].cuda) /* only there work waits for flush() */
        return;
    ck_assert_int_eq(generate_failing(FLUSH, 0, CG_ERR_CUDA, "the moon is full"), CG_ERR_CUDA);
    ck_assert_str_eq(err.msg, "cache 'flat', step 0: the moon is full");
}
END_TEST

/* Results that no executor can use. */
static cg_status wrong_view(void *self, int32_t layer, cg_kv_view *ret_view, cg_error *ret_err)
{
    cg_status st = failing.cache->view(self, layer, ret_view, ret_err);

    switch (failing.calls) {
    case 0:
        ret_view->block_tokens = 0;
        break;
    case 1:
        ret_view->head_dim = 7;
        break;
    case 2:
        ret_view->page_table = NULL;
        break;
    }
    return st;
}

static cg_status create_nothing(const cg_host *services, const cg_cache_config *config,
                                void **ret_self, cg_error *ret_err)
{
    (void)services;
    (void)config;
    (void)ret_self;
    (void)ret_err;
    return CG_OK;
}

START_TEST(results_that_cannot_be_used_are_refused)
{
    static const char *const texts[] = {
        "cache 'flat': view() gives 0 tokens per block, wanted 1 or more",
        "cache 'flat': view() gives 2 heads of 7 elements on ",
        "cache 'flat': view() gives no page table, but `paged` is 1",
        "cache 'flat': create() succeeded without a cache",
    };

    for (int i = 0; i < 4; i++) {
        cg_executor_config config = configure(1, "paged", 0, 2, 0, MAX_LEN);
        cg_cache_ops cache = *config.cache;
        cg_executor *ex = NULL;

        failing.cache = config.cache;
        failing.calls = i;
        cache.view = wrong_view;
        if (i == 3)
            cache.create = create_nothing;
        config.cache = &cache;
        config.cache_name = "flat";
        ck_assert_int_eq(create_for(1, &config, &ex), CG_ERR_PLUGIN);
        ck_assert_msg(!strncmp(err.msg, texts[i], strlen(texts[i])), "%s", err.msg);
    }
}
END_TEST

START_TEST(a_plugin_without_memory_keeps_its_status)
{
    ck_assert_int_eq(generate_failing(RESERVE, 0, CG_ERR_DEVICE_NOMEM, "no page is free"),
                     CG_ERR_DEVICE_NOMEM);
    ck_assert_str_eq(err.msg, "cache 'flat', step 0: no page is free");
    ck_assert_int_eq(generate_failing(RUN, 0, CG_ERR_NOMEM, "tired"), CG_ERR_NOMEM);
    ck_assert_str_eq(err.msg, "attention 'naive', layer 0, step 0: tired");
    ck_assert_int_eq(generate_failing(RUN, 0, 31337, "tired"), CG_ERR_PLUGIN);
}
END_TEST

/* ---- windows ------------------------------------------------------------------------------ */

/* The cache `static`, which overwrites by NaN what its configuration permits it to forget. */
static struct {
    const cg_cache_ops *cache; /* its real functions */
    int32_t window;            /* of the configuration; 0: none */
    int32_t n_forgotten;       /* tokens that were overwritten */
} forgetful;

static cg_status forgetful_create(const cg_host *services, const cg_cache_config *config,
                                  void **ret_self, cg_error *ret_err)
{
    cg_cache_config whole = *config;

    ck_assert_int_eq((config->features & CG_CACHE_WINDOW) != 0, config->window != 0);
    forgetful.window = config->window;
    whole.features &= ~(uint32_t)CG_CACHE_WINDOW;
    whole.window = 0;
    return forgetful.cache->create(services, &whole, ret_self, ret_err);
}

static cg_status forgetful_append(void *self, int32_t layer, const cg_cache_append *args,
                                  cg_error *ret_err)
{
    cg_kv_view v = { CG_SIZED(cg_kv_view) };

    CG_TRY(forgetful.cache->append(self, layer, args, ret_err));
    CG_TRY(forgetful.cache->view(self, layer, &v, ret_err));
    for (int32_t i = 0; i < args->n_tokens && forgetful.window; i++) {
        int is_first = !i || args->slot[i] != args->slot[i - 1];
        int32_t lost = is_first ? args->pos[i] + 1 - forgetful.window : 0;

        for (int32_t pos = 0; pos < lost; pos++, forgetful.n_forgotten++)
            for (int32_t head = 0; head < v.n_kv_heads; head++) {
                int64_t at = cg_kv_offset(&v, args->slot[i], head, pos);

                memset((char *)v.k + at, 0xff, (size_t)v.head_dim * sizeof(float));
                memset((char *)v.v + at, 0xff, (size_t)v.head_dim * sizeof(float));
            }
    }
    return CG_OK;
}

enum { WINDOW = 10, N_TEXTS = 6 };

/* Texts of two slots, [N_TEXTS][program.max_tokens]: whole, rolled back to several depths, at the
 * end and in the middle. Returns the tokens that were evaluated. */
static int64_t generate_rolled_back(const cg_executor_config *config, int32_t *ret_texts)
{
    static const int32_t atoms[N_TEXTS] = { -1, 4, 3, 1, 0, 0 };
    cg_executor_stats stats;
    cg_executor *ex;

    OK(create_for(1, config, &ex));
    OK(ex->ops->begin_prompt(ex, 0, prompt, PROMPT, &err));
    while (!ex->ops->prompt_ready(ex, 0))
        OK(ex->ops->run(ex, 1, &err));
    admit(ex, 0, 0);
    for (int i = 0; i < N_TEXTS; i++) {
        cg_sequence_result r;

        if (atoms[i] >= 0)
            OK(ex->ops->roll_back(ex, 0, atoms[i], &err));
        if (i == N_TEXTS - 1) {
            admit(ex, 1, 1);
            OK(ex->ops->run(ex, 40, &err));
            OK(ex->ops->roll_back(ex, 0, 0, &err));
        }
        do {
            r = wait_for_one(ex);
            ck_assert_int_eq(r.done, CG_SEQUENCE_COMPLETE);
        } while (r.slot);
        memcpy(ret_texts + i * program.max_tokens, r.tokens,
               (size_t)r.n_tokens * sizeof *ret_texts);
    }
    ex->ops->stats(ex, &stats);
    ex->ops->destroy(ex);
    return stats.tokens;
}

/* A cache that forgets what is behind the window gives the texts of one that does not. A roll-back
 * over more than kept_tokens evaluates the sequence again. */
START_TEST(a_cache_may_forget_what_is_behind_the_window)
{
    static const struct {
        int32_t kept, step_tokens;
        int forgets, evaluates_again;
    } cases[] = { { 0, 0, 1, 1 },
                  { 0, 5, 1, 1 },
                  { 25, 0, 1, 1 },
                  { 60, 0, 1, 0 },
                  { MAX_LEN - WINDOW, 0, 0, 0 } };
    cg_executor_config config = configure(1, "static", 0, 2, cases[_i].step_tokens, MAX_LEN);
    cg_model_config windowed = shape;
    cg_cache_ops cache = *config.cache;
    int32_t *want = calloc((size_t)(N_TEXTS * program.max_tokens), sizeof *want);
    int32_t *got = calloc((size_t)(N_TEXTS * program.max_tokens), sizeof *got);
    cg_model *model;
    int64_t n_want, n_got;

    windowed.head_dim = targets[1].head_dim;
    windowed.window = WINDOW;
    memset(windowed.layer_flags, CG_LAYER_WINDOW, N_LAYERS);
    OK(cg_model_random(&windowed, 5, &model, &err));
    config.model = model;
    config.kept_tokens = cases[_i].kept;
    n_want = generate_rolled_back(&config, want);

    forgetful.cache = config.cache;
    forgetful.n_forgotten = 0;
    cache.features |= CG_CACHE_WINDOW;
    cache.create = forgetful_create;
    cache.append = forgetful_append;
    config.cache = &cache;
    n_got = generate_rolled_back(&config, got);
    ck_assert_mem_eq(got, want, (size_t)(N_TEXTS * program.max_tokens) * sizeof *got);
    ck_assert_int_eq(forgetful.window, cases[_i].forgets ? WINDOW + cases[_i].kept : 0);
    ck_assert_int_eq(forgetful.n_forgotten > 0, cases[_i].forgets);
    ck_assert_int_eq(n_got > n_want, cases[_i].evaluates_again);
    ck_assert_int_ge(n_got, n_want);
    cg_model_close(model);
    free(want);
    free(got);
}
END_TEST

/* On a GPU: the texts over `paged`, which gives back pages, are those over `static`. A roll-back
 * evaluates the sequence again. */
START_TEST(pages_that_are_given_back_change_no_text)
{
    cg_executor_config config = configure(0, "static", 0, 2, 0, MAX_LEN);
    cg_model_config windowed = shape;
    int32_t *want = calloc((size_t)(N_TEXTS * program.max_tokens), sizeof *want);
    int32_t *got = calloc((size_t)(N_TEXTS * program.max_tokens), sizeof *got);
    int64_t n_want, n_got;
    cg_model *model;

    windowed.head_dim = targets[0].head_dim;
    windowed.window = WINDOW;
    memset(windowed.layer_flags, CG_LAYER_WINDOW, N_LAYERS);
    OK(cg_model_random(&windowed, 5, &model, &err));
    config.model = model;
    n_want = generate_rolled_back(&config, want);
    config = configure(0, "paged", 0, 2, 0, MAX_LEN);
    config.model = model;
    n_got = generate_rolled_back(&config, got);
    ck_assert_mem_eq(got, want, (size_t)(N_TEXTS * program.max_tokens) * sizeof *got);
    ck_assert_int_gt(n_got, n_want);
    cg_model_close(model);
    free(want);
    free(got);
}
END_TEST

/* Bytes of the cache `paged` in use when two sequences are complete. */
static int64_t bytes_of_pages(const cg_executor_config *config)
{
    cg_cache_stats stats = { CG_SIZED(cg_cache_stats) };
    cg_executor *ex;

    OK(create_for(1, config, &ex));
    OK(ex->ops->begin_prompt(ex, 0, prompt, PROMPT, &err));
    while (!ex->ops->prompt_ready(ex, 0))
        OK(ex->ops->run(ex, 1, &err));
    admit(ex, 0, 0);
    admit(ex, 1, 1);
    wait_for_one(ex);
    wait_for_one(ex);
    ex->ops->release_prompt(ex, 0);
    ex->ops->cache_stats(ex, &stats);
    ex->ops->destroy(ex);
    return stats.bytes_used;
}

START_TEST(pages_behind_the_window_are_given_back)
{
    cg_executor_config config = configure(1, "paged", 0, 2, 0, MAX_LEN);
    cg_model_config windowed = shape;
    cg_model *model;
    int64_t whole, part;

    windowed.head_dim = targets[1].head_dim;
    OK(cg_model_random(&windowed, 5, &model, &err));
    config.model = model;
    whole = bytes_of_pages(&config);
    cg_model_close(model);

    windowed.window = WINDOW;
    memset(windowed.layer_flags, CG_LAYER_WINDOW, N_LAYERS);
    OK(cg_model_random(&windowed, 5, &model, &err));
    config.model = model;
    part = bytes_of_pages(&config);
    cg_model_close(model);
    /* at most two pages of 16 tokens hold a window of 10; on a GPU there is room for the last
     * token, which is not evaluated */
    ck_assert_int_gt(part, 0);
    ck_assert_int_le(part,
                     (targets[1].cuda ? 3 : 2) * whole / ((PROMPT + program.max_tokens) / 16));
}
END_TEST

static void add_tests(TCase *tc, int mode)
{
    tcase_add_loop_test(tc, sequences_depend_only_on_their_job, 0, 6);
    tcase_add_loop_test(tc, a_rolled_back_sequence_continues_from_the_atom,
                        mode == GPU_REQUESTED ? 0 : 3, 6);
    if (mode != GPU_REQUESTED) /* its cache writes to the memory of the host */
        tcase_add_loop_test(tc, a_cache_may_forget_what_is_behind_the_window, 0, 5);
    else
        tcase_add_test(tc, pages_that_are_given_back_change_no_text);
    tcase_add_test(tc, pages_behind_the_window_are_given_back);
    tcase_add_test(tc, roll_back_refuses_atoms_not_reached);
    tcase_add_test(tc, a_sequence_ends_at_the_context_length);
    tcase_add_test(tc, a_prompt_is_evaluated_once_and_shared);
    tcase_add_loop_test(tc, prompts_are_computed_together_with_a_plan_of_their_own, 0, 3);
    tcase_add_test(tc, long_prompts_are_divided);
    tcase_add_test(tc, prompts_wait_for_each_other);
    tcase_add_test(tc, attention_may_refuse_prompt_steps);
    tcase_add_test(tc, token_budgets_of_prompt_steps);
    tcase_add_test(tc, when_a_prompt_step_is_due);
    tcase_add_test(tc, a_failing_plugin_is_named_with_layer_and_step);
    tcase_add_test(tc, a_cache_that_cannot_flush_is_named);
    tcase_add_test(tc, results_that_cannot_be_used_are_refused);
    tcase_add_test(tc, a_plugin_without_memory_keeps_its_status);
}

int main(void)
{
    Suite *s = suite_create("executor");
    int mode = gpu_mode(), failed;
    TCase *tc = tcase_create(mode == GPU_REQUESTED ? "cuda" : "cpu");
    SRunner *sr;

    if (mode == GPU_REQUESTED)
        targets = gpus;
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    add_tests(tc, mode);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    if (mode != GPU_MISSING)
        srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return mode == GPU_MISSING ? EXIT_SKIPPED : failed != 0;
}
