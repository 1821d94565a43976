/* SPDX-License-Identifier: MIT */
#include "decode/text_probability.h"

#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/plugin_call.h"
#include "base/size.h"
#include "decode/cpu_model.h"

static cg_status fill_head_rows(cg_cpu_model *m, int32_t vocab, cg_error *err)
{
    int32_t *all = cg_alloc_array((size_t)vocab, sizeof *all);
    cg_status st;

    if (!all)
        return cg_fail_nomem(err, "text probability");
    for (int32_t i = 0; i < vocab; i++)
        all[i] = i;
    st = cg_cpu_model_set_head_rows(m, all, vocab, err);
    free(all);
    return st;
}

/* log(softmax(logits)[token]) */
static double log_softmax(const float *logits, int32_t n, int32_t token)
{
    double sum = 0;
    float max = logits[0];

    for (int32_t i = 1; i < n; i++)
        max = logits[i] > max ? logits[i] : max;
    for (int32_t i = 0; i < n; i++)
        sum += exp((double)(logits[i] - max));
    return (double)(logits[token] - max) - log(sum);
}

/* All tokens but the last in one batch: token i predicts token i + 1. */
static cg_status score(cg_cpu_model *m, const cg_text_scorer *scorer, void *cache_self,
                       int32_t slot, cg_scored_text *text, cg_error *err)
{
    int32_t n = text->n - 1, *rows = cg_alloc_array((size_t)n, 3 * sizeof *rows);
    int32_t q_start[2] = { 0, n };
    int32_t n_out = text->n - text->n_given;
    const float *logits;
    int64_t stride;
    cg_cpu_batch batch = { .n_tokens = n,
                           .n_seqs = 1,
                           .n_out = n_out,
                           .step = slot,
                           .q_start = q_start,
                           .seq_slot = &slot,
                           .kv_len = &n };
    cg_plugin_call call = { "cache", scorer->cache_name, -1, slot };
    cg_error why = CG_ERROR_INIT;
    cg_status st;

    if (!rows)
        return cg_fail_nomem(err, "text probability");
    batch.token = (int32_t *)(uintptr_t)text->ids;
    batch.pos = rows;
    batch.slot = rows + n;
    batch.out_row = rows + 2 * n;
    for (int32_t i = 0; i < n; i++) {
        batch.pos[i] = i;
        batch.slot[i] = slot;
    }
    for (int32_t i = 0; i < n_out; i++)
        batch.out_row[i] = text->n_given - 1 + i;
    CG_TRY_GOTO(
        st,
        cg_plugin_call_status(&call, scorer->cache->reserve(cache_self, slot, n, &why), &why, err),
        out);
    CG_TRY_GOTO(st, cg_cpu_model_forward(m, &batch, &logits, &stride, err), out);
    text->log_probability = 0;
    for (int32_t i = 0; i < n_out; i++)
        text->log_probability += log_softmax(logits + i * stride, scorer->model->config.vocab,
                                             text->ids[text->n_given + i]);
out:
    free(rows);
    return st;
}

cg_status cg_score_texts(const cg_text_scorer *scorer, cg_scored_text *texts, int32_t n_texts,
                         cg_error *err)
{
    const cg_model_config *c = &scorer->model->config;
    int32_t longest = 1;
    cg_cache_config cache_config = { CG_SIZED(cg_cache_config), .device = CG_DEVICE_CPU,
                                     .dtype = CG_F32,           .n_layers = c->n_layers,
                                     .n_slots = n_texts,        .n_kv_heads = c->n_kv_heads,
                                     .head_dim = c->head_dim };
    cg_cpu_model_config config = { .model = scorer->model,
                                   .team = scorer->team,
                                   .host = scorer->host,
                                   .attention = scorer->attention,
                                   .cache = scorer->cache,
                                   .attention_name = scorer->attention_name,
                                   .cache_name = scorer->cache_name,
                                   .max_seqs = 1 };
    cg_plugin_call call = { "cache", scorer->cache_name, -1, -1 };
    cg_error why = CG_ERROR_INIT;
    cg_cpu_model *m = NULL;
    cg_status st;

    for (int32_t i = 0; i < n_texts; i++)
        longest = texts[i].n > longest ? texts[i].n : longest;
    cache_config.max_len = config.max_len = config.max_tokens = config.max_out = longest;
    CG_TRY(cg_plugin_call_status(
        &call, scorer->cache->create(scorer->host, &cache_config, &config.cache_self, &why), &why,
        err));
    CG_TRY_GOTO(st, cg_cpu_model_create(&config, &m, err), out);
    CG_TRY_GOTO(st, fill_head_rows(m, c->vocab, err), out);
    for (int32_t i = 0; st == CG_OK && i < n_texts; i++)
        st = score(m, scorer, config.cache_self, i, &texts[i], err);
out:
    cg_cpu_model_destroy(m);
    scorer->cache->destroy(config.cache_self);
    return st;
}
