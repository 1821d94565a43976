/* SPDX-License-Identifier: MIT */
#include "engine/worker.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "cuda_loader/cuda_module.h"
#include "engine/counters.h"
#include "engine/run_shape.h"
#include "plugin/pairing.h"

static void init(cg_worker *w, const cg_executor_prototype *prototype, cg_device device,
                 cg_team *team, const cg_plugin_host *host)
{
    *w = (cg_worker) { .prototype = prototype, .device = device, .team = team };
    cg_plugin_host_init(&w->host, team, host->log, host->log_ctx, host->log_level);
}

void cg_worker_init_cpu(cg_worker *w, const cg_executor_prototype *prototype,
                        const cg_plugin_host *host)
{
    init(w, prototype, CG_DEVICE_CPU, host->team, host);
}

cg_status cg_worker_init_cpu_team(cg_worker *w, const cg_executor_prototype *prototype,
                                  const cg_plugin_host *host, cg_error *err)
{
    cg_team *team = NULL;

    CG_TRY(cg_team_create(cg_team_size(host->team), &team, err));
    init(w, prototype, CG_DEVICE_CPU, team, host);
    w->owns_team = 1;
    return CG_OK;
}

cg_status cg_worker_init_gpu(cg_worker *w, const cg_executor_prototype *prototype,
                             const cg_plugin_host *host, int32_t index, cg_error *err)
{
    cg_gpu *gpu;

    init(w, prototype, CG_DEVICE_CUDA, NULL, host);
    CG_TRY(cg_gpu_open(index, &gpu, err));
    w->gpu_info.struct_size = sizeof w->gpu_info;
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
    if (w->owns_team)
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

cg_status cg_worker_match(const cg_worker *w, const cg_plugin *attention, const cg_plugin *cache,
                          int32_t batch_size, cg_error *err)
{
    const cg_executor_config *c = &w->prototype->config;
    cg_run_shape shape = {
        .device = w->device,
        .compute_capability = w->gpu_info.compute_capability,
        .dtype = cg_activation_dtype(c->dtype),
        .kv_dtype = c->kv_dtype,
        .deterministic = c->deterministic,
        .batch_size = batch_size,
        .max_length = c->max_len,
        .step_tokens = c->step_tokens,
        .kept_tokens = c->kept_tokens,
    };
    cg_attention_problem problems[CG_MAX_ATTENTION_PROBLEMS];
    cg_cache_config config;
    int32_t n = cg_plugin_requirements(&c->model->config, &shape, problems, &config);

    return cg_pairing_check(&w->host.host, attention, cache, problems, n, &config, NULL, err);
}

cg_status cg_worker_create_executor(const cg_worker *w, const cg_plugin *attention,
                                    const cg_plugin *cache, int32_t batch_size,
                                    cg_executor **ret_executor, cg_error *err)
{
    const cg_executor_factory *factory = &w->prototype->factory;
    cg_executor_config config = w->prototype->config;

    CG_TRY(cg_worker_match(w, attention, cache, batch_size, err));
    config.attention = attention->ops;
    config.attention_name = attention->name;
    config.cache = cache->ops;
    config.cache_name = cache->name;
    config.host = &w->host.host;
    config.n_slots = batch_size;
    config.n_prompt_slots = cg_prompt_slots(w->device, batch_size);
    config.gpu = w->gpu_info.index;
    if (factory->create)
        return factory->create(factory->ctx, &config, w->team, ret_executor, err);
    return w->device == CG_DEVICE_CUDA
               ? cg_cuda_loader_create_executor(&config, ret_executor, err)
               : cg_executor_cpu_create(&config, w->team, ret_executor, err);
}

cg_status cg_worker_open(cg_worker *w, char *ret_reason, cg_error *err)
{
    cg_error why = CG_ERROR_INIT;
    char name[32];
    cg_status st;

    ret_reason[0] = '\0';
    for (;;) {
        st =
            cg_worker_create_executor(w, w->attention, w->cache, w->batch_size, &w->executor, &why);
        if (st != CG_ERR_DEVICE_NOMEM || w->batch_size == 1)
            break;
        w->halvings++;
        snprintf(ret_reason, CG_ERROR_TEXT, "halved from %d to %d: %.900s", w->batch_size,
                 w->batch_size / 2, why.msg);
        cg_host_log(&w->host.host, CG_LOG_WARNING, "%s: the batch is %s",
                    cg_worker_name(w, name, sizeof name), ret_reason);
        w->batch_size /= 2;
    }
    if (st != CG_OK)
        return cg_fail(err, st, "%s", why.msg);
    w->n_prompt_slots = cg_prompt_slots(w->device, w->batch_size);
    return CG_OK;
}

void cg_worker_stats(const cg_worker *w, cg_executor_stats *ret_stats)
{
    cg_executor_stats now = { 0 };

    *ret_stats = w->past;
    if (!w->executor)
        return;
    w->executor->ops->stats(w->executor, &now);
    cg_executor_stats_add(ret_stats, &now);
}

cg_status cg_worker_shrink(cg_worker *w, const cg_error *why, cg_error *err)
{
    char name[32], reason[CG_ERROR_TEXT];

    if (w->batch_size == 1)
        return cg_fail(err, why->code, "%s", why->msg);
    cg_worker_stats(w, &w->past);
    close_executor(w); /* frees the memory for its replacement */
    w->halvings++;
    cg_host_log(&w->host.host, CG_LOG_WARNING,
                "%s: out of memory with a batch of %d, which is halved; its unfinished conformers "
                "restart: %s",
                cg_worker_name(w, name, sizeof name), w->batch_size, why->msg);
    w->batch_size /= 2;
    return cg_worker_open(w, reason, err);
}
