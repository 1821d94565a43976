/* SPDX-License-Identifier: MIT */
/*
 * Writes the logits of a model on the CPU, for tools/check_architectures.py.
 *
 *   model_logits DIR ATTENTION CACHE < IDS > LOGITS
 *
 * IDS are decimal token ids. LOGITS are float32 [ids, vocab], those after each id. The text is
 * evaluated in uneven batches. Exit status 3 and one line on standard error: the model was refused.
 */
#include <stdio.h>
#include <stdlib.h>

#include "decode/cpu_model.h"
#include "plugin/host.h"
#include "plugin/registry.h"

enum { BATCH = 37, MAX_IDS = 65536 };

static cg_error err = CG_ERROR_INIT;

static void check(cg_status st)
{
    if (st == CG_OK)
        return;
    fprintf(stderr, "%s\n", err.msg);
    exit(3);
}

static const void *find(const cg_registry *registry, cg_plugin_kind kind, const char *name)
{
    const cg_plugin *plugin;

    check(cg_registry_find(registry, kind, name, &plugin, &err));
    return plugin->ops;
}

static void run(cg_cpu_model *m, const cg_cache_ops *cache, void *cache_self, int32_t *ids,
                int32_t n_ids, int32_t vocab)
{
    int32_t pos[BATCH], slot[BATCH], out_row[BATCH], seq_slot = 0;

    for (int32_t from = 0, n; from < n_ids; from += n) {
        int32_t q_start[2] = { 0 }, kv_len;
        const float *logits;
        int64_t stride;

        n = n_ids - from < BATCH ? n_ids - from : BATCH;
        for (int32_t i = 0; i < n; i++) {
            pos[i] = from + i;
            slot[i] = seq_slot;
            out_row[i] = i;
        }
        q_start[1] = n;
        kv_len = from + n;
        check(cache->reserve(cache_self, seq_slot, kv_len, &err));
        check(cg_cpu_model_forward(m,
                                   &(cg_cpu_batch) { .n_tokens = n,
                                                     .n_seqs = 1,
                                                     .n_out = n,
                                                     .token = ids + from,
                                                     .pos = pos,
                                                     .slot = slot,
                                                     .q_start = q_start,
                                                     .seq_slot = &seq_slot,
                                                     .kv_len = &kv_len,
                                                     .out_row = out_row },
                                   &logits, &stride, &err));
        for (int32_t i = 0; i < n; i++)
            fwrite(logits + i * stride, sizeof *logits, (size_t)vocab, stdout);
    }
}

int main(int argc, char **argv)
{
    static int32_t ids[MAX_IDS];
    int32_t n_ids = 0, *all;
    cg_cpu_model_config config = { .max_tokens = BATCH, .max_seqs = 1, .max_out = BATCH };
    cg_cache_config cache_config = { CG_SIZED(cg_cache_config), .device = CG_DEVICE_CPU,
                                     .dtype = CG_F32, .n_slots = 1 };
    cg_registry *registry;
    cg_plugin_host host;
    cg_team *team;
    cg_model *model;
    cg_cpu_model *m;

    if (argc != 4) {
        fputs("usage: model_logits DIR ATTENTION CACHE < IDS > LOGITS\n", stderr);
        return 2;
    }
    while (n_ids < MAX_IDS && scanf("%d", &ids[n_ids]) == 1)
        n_ids++;
    check(cg_team_create(2, &team, &err));
    cg_plugin_host_init(&host, team, NULL, NULL, CG_LOG_WARNING);
    check(cg_registry_open(&host.host, NULL, 0, &registry, &err));
    check(cg_model_open(argv[1], &model, &err));
    cache_config.n_layers = model->config.n_layers;
    cache_config.n_kv_heads = model->config.n_kv_heads;
    cache_config.head_dim = model->config.head_dim;
    cache_config.max_len = config.max_len = n_ids;
    config.model = model;
    config.team = team;
    config.host = &host.host;
    config.attention = find(registry, CG_PLUGIN_ATTENTION, argv[2]);
    config.cache = find(registry, CG_PLUGIN_CACHE, argv[3]);
    check(config.cache->create(&host.host, &cache_config, &config.cache_self, &err));
    check(cg_cpu_model_create(&config, &m, &err));
    all = calloc((size_t)model->config.vocab, sizeof *all);
    for (int32_t i = 0; all && i < model->config.vocab; i++)
        all[i] = i;
    check(cg_cpu_model_set_head_rows(m, all, model->config.vocab, &err));
    run(m, config.cache, config.cache_self, ids, n_ids, model->config.vocab);
    cg_cpu_model_destroy(m);
    config.cache->destroy(config.cache_self);
    free(all);
    cg_model_close(model);
    cg_registry_destroy(registry);
    cg_team_destroy(team);
    return fflush(stdout) ? 2 : 0;
}
