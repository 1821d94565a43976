/* SPDX-License-Identifier: MIT */
/*
 * Matching queries an attention plugin with the problem that the executor plans, and on a GPU with
 * few rows per sequence.
 */
#include "engine/worker.h"
#include "plugin/registry.h"
#include "scratch.h"

/* ---- an attention plugin that records its problems ---------------------------------------- */

static cg_attention_problem supported, planned;

static cg_status record_supports(const cg_host *host, const cg_attention_problem *problem,
                                 cg_error *err)
{
    (void)host;
    (void)err;
    supported = *problem;
    return CG_OK;
}

static cg_status record_plan(const cg_host *host, const cg_attention_problem *problem,
                             void **ret_plan, cg_error *err)
{
    (void)host;
    (void)err;
    planned = *problem;
    *ret_plan = NULL;
    return CG_OK;
}

static size_t no_workspace(const void *plan)
{
    (void)plan;
    return 0;
}

static void forget_plan(void *plan)
{
    (void)plan;
}

static const cg_attention_ops attention_ops = {
    CG_SIZED(cg_attention_ops),     .supports = record_supports, .plan = record_plan,
    .workspace_size = no_workspace, .destroy = forget_plan,
};
static const cg_plugin recorder = { CG_SIZED(cg_plugin), .kind = CG_PLUGIN_ATTENTION,
                                    .name = "recorder", .ops = &attention_ops };

/* ---- a paged cache on any device, for matching only --------------------------------------- */

static cg_cache_config cached;

static cg_status cache_supports(const cg_host *host, const cg_cache_config *config, cg_error *err)
{
    (void)host;
    (void)err;
    cached = *config;
    return CG_OK;
}

static const cg_cache_ops pages_ops = { CG_SIZED(cg_cache_ops), .paged = 1,
                                        .supports = cache_supports, .block_tokens = 16 };
static const cg_plugin pages = { CG_SIZED(cg_plugin), .kind = CG_PLUGIN_CACHE, .name = "pages",
                                 .ops = &pages_ops };

/* ---- workers ------------------------------------------------------------------------------ */

static cg_error err;
static cg_plugin_host host;
static cg_team *team;
static cg_model *model;
static cg_automaton automaton;
static cg_executor_prototype prototype;

static void setup(void)
{
    cg_model_config config;

    err = (cg_error)CG_ERROR_INIT;
    ck_assert_int_eq(cg_model_config_named("default", &config, &err), CG_OK);
    config.n_layers = 1;
    config.vocab = 64;
    ck_assert_int_eq(cg_model_random(&config, 0, &model, &err), CG_OK);
    ck_assert_int_eq(cg_team_create(1, &team, &err), CG_OK);
    cg_plugin_host_init(&host, team, NULL, NULL, CG_LOG_WARNING);
    prototype = (cg_executor_prototype) {
        .config = { .model = model, .automaton = &automaton, .max_len = 96 },
    };
}

static void teardown(void)
{
    cg_model_close(model);
    cg_team_destroy(team);
}

static const int32_t batch_sizes[] = { 1, 3, 64 };
static const char *const caches[] = { "paged", "static", "dynamic" };

START_TEST(cpu_plans_the_problem_of_the_match)
{
    const cg_plugin *cache = NULL;
    cg_registry *registry = NULL;
    cg_executor *executor = NULL;
    cg_attention_problem matched;
    cg_worker w;

    ck_assert_int_eq(cg_registry_create(&host.host, &registry, &err), CG_OK);
    ck_assert_int_eq(cg_registry_add_dir(registry, getenv("CONFGEN_PLUGIN_PATH"), &err), CG_OK);
    ck_assert_int_eq(cg_registry_find(registry, CG_PLUGIN_CACHE, caches[_i % 3], &cache, &err),
                     CG_OK);
    prototype.config.step_tokens = _i < 9 ? 0 : 40;
    cg_worker_init_cpu(&w, &prototype, &host);
    ck_assert_msg(cg_worker_match(&w, &recorder, cache, batch_sizes[_i / 3 % 3], &err) == CG_OK,
                  "%s", err.msg);
    matched = supported;
    ck_assert_msg(cg_worker_create_executor(&w, &recorder, cache, batch_sizes[_i / 3 % 3],
                                            &executor, &err) == CG_OK,
                  "%s", err.msg);
    ck_assert_mem_eq(&planned, &matched, sizeof planned);
    executor->ops->destroy(executor);
    cg_worker_finish(&w);
    cg_registry_destroy(registry);
}
END_TEST

/* cuDNN takes a paged cache only for max_tokens / 4 <= max_seqs. */
START_TEST(gpu_match_has_few_rows_per_sequence)
{
    static const int32_t gpu_batches[] = { 64, 512 };
    int32_t batch_size = gpu_batches[_i % 2];
    cg_worker w = { .prototype = &prototype,
                    .device = CG_DEVICE_CUDA,
                    .gpu_info = { .compute_capability = 90 } };

    cg_plugin_host_init(&w.host, NULL, NULL, NULL, CG_LOG_WARNING);
    prototype.config.max_len = 4096;
    prototype.config.dtype = CG_BF16;
    prototype.config.deterministic = _i / 2;
    ck_assert_msg(cg_worker_match(&w, &recorder, &pages, batch_size, &err) == CG_OK, "%s", err.msg);
    ck_assert_int_eq(supported.max_kv_len, 4096);
    ck_assert_int_eq(cached.max_len, 4096);
    ck_assert_int_eq(supported.max_seqs, cached.n_slots);
    ck_assert_int_gt(supported.max_seqs, batch_size);
    ck_assert_int_ge(supported.max_tokens, batch_size * 5 / 4);
    ck_assert_int_le(supported.max_tokens / 4, supported.max_seqs);
    ck_assert_int_eq(supported.block_tokens, 16);
    ck_assert_int_eq(supported.compute_capability, 90);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("worker");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, cpu_plans_the_problem_of_the_match, 0, 18);
    tcase_add_loop_test(tc, gpu_match_has_few_rows_per_sequence, 0, 4);
    return run_suite("worker", &tc, 1);
}
