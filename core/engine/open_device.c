/* SPDX-License-Identifier: MIT */
/* Opening an engine's device: workers on the CPU or on GPUs, their selections and executors. */
#include <confgen/gpu.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "engine/engine.h"
#include "engine/run_shape.h"
#include "model/i8_products.h"
#include "plugin/loader.h"

/* ---- workers ------------------------------------------------------------------------------ */

void cg_engine_close_device(cg_engine *e)
{
    for (int32_t i = 0; i < e->device.n_workers; i++)
        cg_worker_finish(&e->device.workers[i]);
    if (e->codes)
        cg_code_decoder_clear(e->codes);
    free(e->device.workers);
    e->device.workers = NULL;
    e->device.n_workers = 0;
}

static cg_status alloc_workers(cg_engine *e, int32_t n, cg_error *err)
{
    e->device.workers = calloc((size_t)n, sizeof *e->device.workers);
    if (!e->device.workers)
        return cg_fail_nomem(err, "engine");
    e->device.n_workers = n;
    return CG_OK;
}

/* Bytes of the keys and values of a token in all layers, scales included. */
static int32_t count_token_bytes(const cg_model_config *c, cg_dtype kv_dtype)
{
    int32_t size = (int32_t)cg_dtype_size(kv_dtype), scale = size == 1 ? (int32_t)sizeof(float) : 0;

    return 2 * c->n_layers * c->n_kv_heads * (c->head_dim * size + scale);
}

/* kv_dtype may be CG_DTYPE_AUTO: that of the run. */
static void fill_prototype(cg_engine *e, const cg_engine_options *o, cg_device device,
                           cg_dtype dtype, cg_dtype kv_dtype, int32_t deterministic)
{
    cg_geometry_mode geometry = e->codes ? CG_GEOMETRY_OFF : e->builder.geometry;

    if (kv_dtype == CG_DTYPE_AUTO)
        kv_dtype = cg_activation_dtype(dtype);
    e->info.dtype = cg_kv_dtype_name(dtype);
    e->info.kv_dtype = cg_kv_dtype_name(kv_dtype);
    e->info.kv_token_bytes = count_token_bytes(&e->model.weights->config, kv_dtype);
    e->info.deterministic = deterministic;
    e->device.prototype = (cg_executor_prototype) {
        .config = { .model = e->model.weights,
                    .automaton = cg_checked_constraint_automaton(e->constraint.checked),
                    .sampling = e->sampling,
                    .geometry = geometry,
                    .token_numbers = e->token_numbers,
                    .number_format = &e->model.weights->format.conformer.number,
                    .max_len = e->info.max_length,
                    .step_tokens = o->step_tokens,
                    .prompt_step_tokens = o->prompt_step_tokens,
                    .kept_tokens = cg_kept_tokens(device, geometry, e->info.max_length),
                    .kv_dtype = kv_dtype,
                    .dtype = dtype,
                    .deterministic = deterministic },
        .factory = e->hooks.factory,
    };
}

/* An earlier worker on a GPU of the same model and memory, whose selection also fits this one. */
static const cg_worker *find_equal_worker(const cg_engine *e, const cg_worker *w)
{
    for (const cg_worker *v = e->device.workers; v < w; v++)
        if (v->device == w->device && !strcmp(v->gpu_info.name, w->gpu_info.name) &&
            v->gpu_info.memory_bytes == w->gpu_info.memory_bytes)
            return v;
    return NULL;
}

static cg_status select_for_worker(cg_engine *e, const cg_selection_request *request, cg_worker *w,
                                   cg_error *err)
{
    const cg_worker *equal = find_equal_worker(e, w);
    cg_selection selection;

    if (equal) {
        w->attention = equal->attention;
        w->cache = equal->cache;
        w->batch_size = equal->batch_size;
        return CG_OK;
    }
    CG_TRY(cg_select(request, w, &selection, err));
    w->attention = selection.attention;
    w->cache = selection.cache;
    w->batch_size = selection.batch_size;
    if (w == e->device.workers)
        e->device.selection = selection;
    return CG_OK;
}

static cg_status open_workers(cg_engine *e, const cg_engine_options *o, cg_error *err)
{
    cg_selection_request request = {
        .options = o,
        .registry = e->registry,
        .builder = &e->builder,
        .n_workers = e->device.n_workers,
        .constraint = e->constraint.plugin->name,
        .geometry = e->info.geometry,
        .dtype = e->info.dtype,
        .kv_dtype = e->info.kv_dtype,
        .attention_alias = e->attention_alias,
        .kv_cache_alias = e->kv_cache_alias,
        .tokenizer_fingerprint = e->info.tokenizer_fingerprint,
        .cpu_attempt_seconds = e->hooks.cpu_attempt_seconds,
    };
    char halved[CG_ERROR_TEXT];

    for (int32_t i = 0; i < e->device.n_workers; i++)
        CG_TRY(select_for_worker(e, &request, &e->device.workers[i], err));
    for (int32_t i = 0; i < e->device.n_workers; i++) {
        CG_TRY(cg_worker_open(&e->device.workers[i], halved, err));
        if (!i && halved[0])
            snprintf(e->device.selection.batch_reason, CG_REASON_TEXT, "%s", halved);
    }
    return CG_OK;
}

/* ---- devices ------------------------------------------------------------------------------ */

static cg_status open_on_cpu(cg_engine *e, const cg_engine_options *o,
                             const cg_device_request *request, cg_error *err)
{
    const cg_executor_prototype *prototype = &e->device.prototype;

    if (request->dtype != CG_DTYPE_AUTO && request->dtype != CG_F32)
        return cg_fail(err, CG_ERR_USAGE, "dtype %s: the CPU computes in f32 (%.800s)",
                       cg_kv_dtype_name(request->dtype), e->device.reason);
    fill_prototype(e, o, CG_DEVICE_CPU, CG_F32, request->kv_dtype, 1);
    snprintf(e->device.dtype_reason, CG_REASON_TEXT, "the CPU computes in f32");
    snprintf(e->device.name, sizeof e->device.name, "cpu");
    CG_TRY(alloc_workers(e, e->hooks.n_cpu_executors ? e->hooks.n_cpu_executors : 1, err));
    if (e->codes)
        CG_TRY(cg_code_decoder_add_cpu(e->codes, e->info.threads, err));
    cg_worker_init_cpu(&e->device.workers[0], prototype, &e->host);
    for (int32_t i = 1; i < e->device.n_workers; i++)
        CG_TRY(cg_worker_init_cpu_team(&e->device.workers[i], prototype, &e->host, err));
    return open_workers(e, o, err);
}

/* The alias "window" promises that tokens behind the window are given up. */
static cg_status check_window_alias(const cg_engine *e, cg_error *err)
{
    const cg_plugin_alias *alias = e->kv_cache_alias;

    if (!alias || !alias->is_window || e->device.prototype.config.geometry != CG_GEOMETRY_REPAIR)
        return CG_OK;
    return cg_fail(err, CG_ERR_UNSUPPORTED,
                   "kv-cache %s: on a GPU a repair may go back to any token, so all are kept; "
                   "wanted kv-cache %s, or geometry off or count",
                   alias->name, alias->plugin);
}

/* Whether the model's files decide the types of a run on a GPU: all is left to confgen. A run that
 * names plugins or types compares like with like. */
static int leaves_types(const cg_engine_options *o, const cg_device_request *request)
{
    return request->kv_dtype == CG_DTYPE_AUTO && request->dtype == CG_DTYPE_AUTO &&
           cg_is_auto(o->attention) && cg_is_auto(o->kv_cache);
}

static void close_for_another_try(cg_engine *e)
{
    cg_engine_close_device(e);
    e->device.selection = (cg_selection) { .batch_size = 0 };
}

/* Opens on the GPUs [n]. kv_dtype may be CG_DTYPE_AUTO. */
static cg_status open_on_gpus_in(cg_engine *e, const cg_engine_options *o, const int32_t *gpus,
                                 int32_t n, cg_dtype dtype, cg_dtype kv_dtype, cg_error *err)
{
    size_t at = (size_t)snprintf(e->device.name, sizeof e->device.name, "cuda:");

    fill_prototype(e, o, CG_DEVICE_CUDA, dtype == CG_DTYPE_AUTO ? CG_BF16 : dtype, kv_dtype,
                   o->deterministic != 0);
    CG_TRY(alloc_workers(e, n, err));
    CG_TRY(check_window_alias(e, err));
    for (int32_t i = 0; i < n; i++) {
        at += (size_t)snprintf(e->device.name + at, sizeof e->device.name - at, "%s%d",
                               i ? "," : "", gpus[i]);
        CG_TRY(cg_worker_init_gpu(&e->device.workers[i], &e->device.prototype, &e->host, gpus[i],
                                  err));
        if (e->codes)
            CG_TRY(cg_code_decoder_add_gpu(e->codes, gpus[i], o->deterministic,
                                           e->device.prototype.config.dtype != CG_F32, err));
        if (dtype == CG_I8) /* before plugins and batches are tried */
            CG_TRY(cg_check_i8_products(&e->model.weights->config,
                                        e->device.workers[i].gpu_info.compute_capability, err));
    }
    return open_workers(e, o, err);
}

static cg_status open_on_gpus(cg_engine *e, const cg_engine_options *o,
                              const cg_device_request *request, cg_error *err)
{
    const cg_format_config *asked = &e->model.weights->format;
    const int is_asked = leaves_types(o, request);
    const cg_dtype dtype = is_asked ? asked->gpu_dtype : request->dtype;
    const cg_dtype kv_dtype = is_asked ? asked->gpu_kv_dtype : request->kv_dtype;
    const char *text = request->kind == CG_REQUEST_AUTO ? "auto" : o->device;
    int32_t gpus[CG_MAX_GPUS], n_gpus = 0, n = 0;
    cg_error why = CG_ERROR_INIT;
    cg_status st = cg_gpu_count(&n_gpus, err);

    if (st != CG_OK)
        return request->kind == CG_REQUEST_CUDA ? cg_fail_prefix(err, st, "device '%.200s'", text)
                                                : st;
    CG_TRY(cg_device_resolve(request, text, n_gpus, gpus, &n, err));
    snprintf(e->device.dtype_reason, CG_REASON_TEXT, "%s",
             dtype == CG_DTYPE_AUTO ? "default"
             : is_asked             ? "confgen.json"
                                    : "requested");
    st = open_on_gpus_in(e, o, gpus, n, dtype, kv_dtype, &why);
    if (st == CG_ERR_UNSUPPORTED && is_asked && dtype != CG_DTYPE_AUTO && dtype != CG_BF16) {
        snprintf(e->device.dtype_reason, CG_REASON_TEXT,
                 "default, as confgen.json's is refused: %s", why.msg);
        cg_host_log(&e->host.host, CG_LOG_WARNING, "gpu_dtype of confgen.json is not used: %s",
                    why.msg);
        close_for_another_try(e);
        return open_on_gpus_in(e, o, gpus, n, CG_BF16, kv_dtype, err);
    }
    return st == CG_OK ? CG_OK : cg_fail(err, st, "%s", why.msg);
}

/* Opens on the first GPU if it supports the model, else on the CPU with the reason. */
static cg_status open_auto(cg_engine *e, const cg_engine_options *o,
                           const cg_device_request *request, cg_error *err)
{
    cg_error why = CG_ERROR_INIT;
    cg_status st = open_on_gpus(e, o, request, &why);

    if (st == CG_OK) {
        snprintf(e->device.reason, CG_REASON_TEXT, "auto: the first GPU");
        return CG_OK;
    }
    if (st == CG_ERR_NOMEM || st == CG_ERR_INTERNAL)
        return cg_fail(err, st, "%s", why.msg);
    if (e->device.n_workers) /* an existing GPU is left unused */
        cg_host_log(&e->host.host, CG_LOG_WARNING, "the GPU is not used: %s", why.msg);
    close_for_another_try(e);
    snprintf(e->device.reason, CG_REASON_TEXT, "auto: %s", why.msg);
    return open_on_cpu(e, o, request, err);
}

/* ---- engine->info ------------------------------------------------------------------------- */

/* Sentence on what a conformer depends on, besides model, sampling and seed. */
static const char *reproducibility_of(const cg_engine *e)
{
    if (e->device.workers[0].device == CG_DEVICE_CPU)
        return "the same conformers for any batch size, threads and KV cache";
    if (e->info.deterministic)
        return "the same conformers for any batch size, slot order and number of GPUs of one kind";
    /* each executor measures which algorithms of the matrix products are the fastest */
    return "the same conformers for the same kind of GPU, batch size and plugins, as long as the "
           "same algorithms are the fastest there";
}

static void fill_gpus(cg_engine *e)
{
    for (int32_t i = 0; i < e->device.n_workers; i++) {
        const cg_worker *w = &e->device.workers[i];

        if (w->device != CG_DEVICE_CUDA)
            return;
        e->device.gpus[e->info.n_gpus++] = (cg_engine_gpu) {
            CG_SIZED(cg_engine_gpu),
            .index = w->gpu_info.index,
            .compute_capability = w->gpu_info.compute_capability,
            .driver_version = w->gpu_info.driver_version,
            .memory_bytes = w->gpu_info.memory_bytes,
            .name = w->gpu_info.name,
            .uuid = w->gpu_info.uuid,
            .attention = w->attention->name,
            .kv_cache = w->cache->name,
            .batch_size = w->batch_size,
        };
    }
}

/* Whether a worker or the engine uses a plugin. */
static int is_used(const cg_engine *e, const cg_plugin *plugin)
{
    if (plugin == e->constraint.plugin)
        return 1;
    for (int32_t i = 0; i < e->device.n_workers; i++)
        if (plugin == e->device.workers[i].attention || plugin == e->device.workers[i].cache)
            return 1;
    return 0;
}

static void fill_plugins(cg_engine *e)
{
    const cg_registry_entry *entries;
    int32_t n = cg_registry_entries(e->registry, &entries);

    for (int32_t i = 0; i < n; i++)
        if (is_used(e, entries[i].plugin))
            e->device.plugins[e->info.n_plugins++] = (cg_engine_plugin) {
                CG_SIZED(cg_engine_plugin),
                .is_own = entries[i].is_own,
                .hash = entries[i].hash,
                .kind = cg_plugin_kind_name(entries[i].plugin->kind),
                .name = entries[i].plugin->name,
                .version = entries[i].plugin->version,
                .path = entries[i].path,
                .hides = entries[i].hides,
                .abi_major = entries[i].plugin->abi_major,
                .abi_minor = entries[i].plugin->abi_minor,
            };
}

static void fill_info(cg_engine *e)
{
    const cg_worker *w = &e->device.workers[0];
    const cg_selection *s = &e->device.selection;

    e->info.device = e->device.name;
    e->info.device_reason = e->device.reason;
    e->info.dtype_reason = e->device.dtype_reason;
    e->info.attention = w->attention->name;
    e->info.attention_reason = s->attention_reason;
    e->info.kv_cache = w->cache->name;
    e->info.kv_cache_reason = s->kv_cache_reason;
    e->info.batch_size = w->batch_size;
    e->info.batch_reason = s->batch_reason;
    e->info.n_attempts = s->tuning.n_attempts;
    e->info.tuning = s->tuning_source;
    e->info.reproducibility = reproducibility_of(e);
    fill_gpus(e);
    fill_plugins(e);
}

cg_status cg_engine_open_device(cg_engine *e, const cg_engine_options *o,
                                const cg_device_request *request, cg_error *err)
{
    snprintf(e->device.reason, CG_REASON_TEXT, "requested");
    switch (request->kind) {
    case CG_REQUEST_CPU:
        CG_TRY(open_on_cpu(e, o, request, err));
        break;
    case CG_REQUEST_CUDA:
        CG_TRY(open_on_gpus(e, o, request, err));
        break;
    case CG_REQUEST_AUTO:
        CG_TRY(open_auto(e, o, request, err));
        break;
    }
    fill_info(e);
    return CG_OK;
}
