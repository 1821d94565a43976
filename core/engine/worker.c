/* SPDX-License-Identifier: MIT */
#include "engine/worker.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "engine/engine.h"
#include "engine/settings.h"
#include "cuda_loader/cuda_module.h"
#include "model/attention_problem.h"
#include "plugin/pairing.h"

enum { MAX_GPU_PREFIXES = 64 };

cg_status cg_worker_init_cpu(cg_worker *w, cg_engine *engine, int32_t index, cg_error *err)
{
    cg_status status = CG_OK;

    *w = (cg_worker) { .engine = engine, .device = CG_DEVICE_CPU };
    if (!index)
        w->team = engine->team;
    else
        status = cg_team_create(engine->info.threads, &w->team, err);
    cg_plugin_host_init(&w->host, w->team, engine->host.log, engine->host.log_ctx,
                        engine->host.log_level);
    return status;
}

cg_status cg_worker_init_gpu(cg_worker *w, cg_engine *engine, int32_t index, cg_error *err)
{
    cg_gpu *gpu;
    cg_status status;

    *w = (cg_worker) { .engine = engine, .device = CG_DEVICE_CUDA };
    cg_plugin_host_init(&w->host, NULL, engine->host.log, engine->host.log_ctx,
                        engine->host.log_level);
    status = cg_gpu_open(index, &gpu, err);
    if (status != CG_OK)
        return status;
    cg_gpu_get_info(gpu, &w->gpu_info);
    cg_gpu_close(gpu);
    return CG_OK;
}

static void close_executor(cg_worker *w)
{
    if (w->executor)
        w->executor->ops->destroy(w->executor);
    w->executor = NULL;
}

void cg_worker_finish(cg_worker *w)
{
    close_executor(w);
    if (w->engine && w->team != w->engine->team)
        cg_team_destroy(w->team);
    *w = (cg_worker) { 0 };
}

const char *cg_worker_name(const cg_worker *w, char *ret_name, size_t cap)
{
    if (w->device == CG_DEVICE_CUDA)
        snprintf(ret_name, cap, "cuda:%d", w->gpu_info.index);
    else
        snprintf(ret_name, cap, "cpu");
    return ret_name;
}

/*
 * Prompts under way at once. A GPU ends many sequences between two looks of the host, and molecules
 * with few conformers then need as many prompts.
 */
static int32_t prefixes_of(const cg_worker *w, int32_t batch_size)
{
    int32_t n = batch_size / 16;

    if (w->device == CG_DEVICE_CPU || n < CG_PROMPT_SLOTS)
        return cg_prompt_slots_for(batch_size);
    return n < MAX_GPU_PREFIXES ? n : MAX_GPU_PREFIXES;
}

cg_status cg_worker_match(const cg_worker *w, const cg_plugin *attention, const cg_plugin *cache,
                          int32_t batch_size, cg_error *err)
{
    const cg_engine *e = w->engine;
    int32_t places = batch_size + prefixes_of(w, batch_size);
    cg_attention_problem problem;
    cg_cache_config config;

    cg_model_needs(&e->model->config, w->device, w->gpu_info.compute_capability,
                   cg_attention_flags(w->device, e->info.deterministic), batch_size, &problem,
                   &config);
    problem.dtype = problem.kv_dtype = config.dtype = e->dtype;
    problem.max_kv_len = config.max_len = e->info.max_length;
    problem.max_seqs = config.n_slots = places;
    return cg_pairing_check(&w->host.host, attention, cache, &problem, &config, NULL, err);
}

cg_status cg_worker_make(const cg_worker *w, const cg_plugin *attention, const cg_plugin *cache,
                         int32_t batch_size, cg_executor **ret_executor, cg_error *err)
{
    const cg_engine *e = w->engine;
    const cg_constraint_ops *constraint = e->constraint->ops;
    cg_executor_config config = {
        .model = e->model,
        .attention = attention->ops,
        .cache = cache->ops,
        .host = &w->host.host,
        .automaton = constraint->automaton(e->constraint_self),
        .sampling = e->info.sampling,
        .geometry = e->builder.geometry,
        .token_numbers = e->token_numbers,
        .decimals = e->model->format.decimals,
        .n_slots = batch_size,
        .n_prompt_slots = prefixes_of(w, batch_size),
        .max_len = e->info.max_length,
        .step_tokens = e->info.step_tokens,
        .gpu = w->gpu_info.index,
        .dtype = e->dtype,
        .deterministic = e->info.deterministic,
    };
    cg_status status = cg_worker_match(w, attention, cache, batch_size, err);

    if (status != CG_OK)
        return status;
    if (e->hooks.create)
        return e->hooks.create(e->hooks.ctx, &config, w->team, ret_executor, err);
    return w->device == CG_DEVICE_CUDA
               ? cg_cuda_loader_create_executor(&config, ret_executor, err)
               : cg_executor_cpu_create(&config, w->team, ret_executor, err);
}

cg_status cg_worker_open(cg_worker *w, char *ret_reason, cg_error *err)
{
    cg_error why = CG_ERROR_INIT;
    char name[32];
    cg_status status;

    ret_reason[0] = '\0';
    for (;;) {
        status = cg_worker_make(w, w->attention, w->cache, w->batch_size, &w->executor, &why);
        if (status != CG_ERR_DEVICE_NOMEM || w->batch_size == 1)
            break;
        w->halvings++;
        snprintf(ret_reason, CG_ERROR_TEXT, "halved from %d to %d: %.900s", w->batch_size,
                 w->batch_size / 2, why.msg);
        cg_host_log(&w->engine->host.host, CG_LOG_WARNING, "%s: the batch is %s",
                    cg_worker_name(w, name, sizeof name), ret_reason);
        w->batch_size /= 2;
    }
    if (status != CG_OK)
        return cg_fail(err, status, "%s", why.msg);
    w->n_prompt_slots = prefixes_of(w, w->batch_size);
    return CG_OK;
}

static void add_stats(cg_executor_stats *sum, const cg_executor_stats *s)
{
    sum->steps += s->steps;
    sum->prompt_tokens += s->prompt_tokens;
    sum->tokens += s->tokens;
    sum->sampled += s->sampled;
    sum->forced += s->forced;
    sum->seconds += s->seconds;
    sum->matmul_seconds += s->matmul_seconds;
    sum->attention_seconds += s->attention_seconds;
    sum->sample_seconds += s->sample_seconds;
    sum->attended += s->attended;
    sum->step_rows += s->step_rows;
    sum->head_rows = s->head_rows;
    sum->device_seconds += s->device_seconds;
    sum->idle_seconds += s->idle_seconds;
    if (s->device_bytes > sum->device_bytes)
        sum->device_bytes = s->device_bytes; /* the peak: a smaller executor came after */
}

void cg_worker_stats(const cg_worker *w, cg_executor_stats *ret_stats)
{
    cg_executor_stats now = { 0 };

    *ret_stats = w->past;
    if (!w->executor)
        return;
    w->executor->ops->stats(w->executor, &now);
    add_stats(ret_stats, &now);
}

cg_status cg_worker_shrink(cg_worker *w, const cg_error *why, cg_error *err)
{
    char name[32], reason[CG_ERROR_TEXT];

    if (w->batch_size == 1)
        return cg_fail(err, why->code, "%s", why->msg);
    cg_worker_stats(w, &w->past);
    close_executor(w); /* its memory is what the next one needs */
    w->halvings++;
    cg_host_log(&w->engine->host.host, CG_LOG_WARNING,
                "%s: memory ran short with a batch of %d, which is halved; its unfinished "
                "conformers begin again: %s",
                cg_worker_name(w, name, sizeof name), w->batch_size, why->msg);
    w->batch_size /= 2;
    return cg_worker_open(w, reason, err);
}
