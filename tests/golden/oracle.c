/* SPDX-License-Identifier: MIT */
#include "oracle.h"

#include <stdlib.h>

#include "decode/cpu_model.h"

enum { BATCH = 37, BATCH_CAPACITY = 64 };

cg_team *team;
cg_plugin_host host;
cg_registry *registry;
cg_error err = CG_ERROR_INIT;

void oracle_setup(void)
{
    OK(cg_team_create(2, &team, &err));
    cg_plugin_host_init(&host, team, NULL, NULL, CG_LOG_WARNING);
    OK(cg_registry_open(&host.host, NULL, 0, &registry, &err));
}

void oracle_teardown(void)
{
    cg_registry_destroy(registry);
    cg_team_destroy(team);
}

const void *oracle_plugin(cg_plugin_kind kind, const char *name)
{
    const cg_plugin *plugin;

    OK(cg_registry_find(registry, kind, name, &plugin, &err));
    return plugin->ops;
}

const char *oracle_env(const char *name)
{
    const char *value = getenv(name);

    ck_assert_msg(value != NULL, "%s is not set", name);
    return value;
}

json_t *oracle_load(const char *file)
{
    char path[4096];
    json_error_t json_err;
    json_t *document;

    snprintf(path, sizeof path, "%s/tests/golden/%s", oracle_env("CONFGEN_SOURCE_ROOT"), file);
    document = json_load_file(path, 0, &json_err);
    ck_assert_msg(document != NULL, "%s: %s", path, json_err.text);
    return document;
}

int32_t *oracle_ids(const json_t *c, const char *key, int32_t *ret_n)
{
    const json_t *list = json_object_get(c, key);
    int32_t *ids;

    *ret_n = (int32_t)json_array_size(list);
    ids = calloc((size_t)*ret_n + 1, sizeof *ids);
    for (int32_t i = 0; i < *ret_n; i++)
        ids[i] = (int32_t)json_integer_value(json_array_get(list, (size_t)i));
    return ids;
}

void oracle_cpu_logits(const cg_model *model, const cg_attention_ops *attention,
                       const cg_cache_ops *cache, const int32_t *ids, const int32_t *positions,
                       int32_t n_positions, float *ret_logits)
{
    const cg_model_config *mc = &model->config;
    int32_t max_len = positions[n_positions - 1] + 1, from = 0;
    cg_cache_config cache_config = { CG_SIZED(cg_cache_config),
                                     .device = CG_DEVICE_CPU,
                                     .dtype = CG_F32,
                                     .n_layers = mc->n_layers,
                                     .n_slots = 2,
                                     .n_kv_heads = mc->n_kv_heads,
                                     .head_dim = mc->head_dim,
                                     .max_len = max_len };
    cg_cpu_model_config config = { .model = model,
                                   .team = team,
                                   .host = &host.host,
                                   .attention = attention,
                                   .cache = cache,
                                   .max_tokens = BATCH_CAPACITY,
                                   .max_seqs = 2,
                                   .max_out = 2,
                                   .max_len = max_len };
    int32_t *all = calloc((size_t)mc->vocab, sizeof *all), token[BATCH], pos[BATCH], slot[BATCH];
    int32_t q_start[2] = { 0 }, seq_slot = 1, kv_len, out_row;
    cg_cpu_model *m;

    OK(cache->create(&host.host, &cache_config, &config.cache_self, &err));
    OK(cg_cpu_model_create(&config, &m, &err));
    for (int32_t i = 0; i < mc->vocab; i++)
        all[i] = i;
    OK(cg_cpu_model_set_head_rows(m, all, mc->vocab, &err));
    for (int32_t p = 0; p < n_positions;) {
        int32_t end = positions[p] + 1, n = end - from < BATCH ? end - from : BATCH;
        cg_cpu_batch batch = { .n_tokens = n,
                               .n_seqs = 1,
                               .n_out = from + n == end,
                               .token = token,
                               .pos = pos,
                               .slot = slot,
                               .q_start = q_start,
                               .seq_slot = &seq_slot,
                               .kv_len = &kv_len,
                               .out_row = &out_row };
        const float *logits;
        int64_t stride;

        for (int32_t i = 0; i < n; i++) {
            token[i] = ids[from + i];
            pos[i] = from + i;
            slot[i] = seq_slot;
        }
        q_start[1] = n;
        kv_len = from + n;
        out_row = n - 1;
        OK(cache->reserve(config.cache_self, seq_slot, kv_len, &err));
        OK(cg_cpu_model_forward(m, &batch, &logits, &stride, &err));
        from += n;
        if (from < end)
            continue;
        for (int32_t v = 0; v < mc->vocab; v++)
            ret_logits[(size_t)p * (size_t)mc->vocab + (size_t)v] = logits[v];
        p++;
    }
    cg_cpu_model_destroy(m);
    cache->destroy(config.cache_self);
    free(all);
}

void oracle_run(cg_executor *ex, const cg_program *program, const oracle_prompt *prompts, int32_t n,
                void (*check)(int32_t i, const cg_sequence_result *result))
{
    int32_t n_completed = 0;
    cg_sequence_result result;

    for (int32_t i = 0; i < n; i++)
        OK(ex->ops->begin_prompt(ex, i, prompts[i].ids, prompts[i].n, &err));
    for (int32_t i = 0; i < n; i++) {
        cg_sequence_job job = { program, { 0, (uint64_t)i, 0 }, NULL };

        while (!ex->ops->prompt_ready(ex, i))
            OK(ex->ops->run(ex, 1, &err));
        OK(ex->ops->admit(ex, i, i, &job, &err));
    }
    for (int runs = 0; n_completed < n; runs++) {
        ck_assert_int_lt(runs, 2000);
        OK(ex->ops->run(ex, 64, &err));
        while (ex->ops->collect(ex, &result)) {
            check(result.slot, &result);
            ex->ops->release(ex, result.slot);
            n_completed++;
        }
    }
    ex->ops->destroy(ex);
}
