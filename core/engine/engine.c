/* SPDX-License-Identifier: MIT */
#include "engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "check/checker.h"
#include "engine/selection.h"
#include "engine/device_request.h"
#include "engine/paths.h"
#include "engine/settings.h"
#include "io/input.h"

enum {
    DEFAULT_MAX_NEW = 4096, /* where neither the user nor the model says */
    TOKEN_CACHE = 1 << 16,
};

const char *cg_version(void)
{
    return CG_VERSION_STRING;
}

/* ---- choices ------------------------------------------------------------------------------ */

/* A positive number in an environment variable, 0 without. */
static int32_t env_count(const char *name)
{
    const char *text = getenv(name);
    long n = text ? strtol(text, NULL, 10) : 0;

    return n > 0 && n <= CG_MAX_THREADS ? (int32_t)n : 0;
}

static cg_status check_options(const cg_engine_options *o, cg_error *err)
{
    if (o->batch_size < 0 || o->batch_size > CG_MAX_BATCH)
        return cg_fail(err, CG_ERR_USAGE, "batch size %d: wanted 1 to %d, or auto", o->batch_size,
                       CG_MAX_BATCH);
    if (o->threads < 0 || o->threads > CG_MAX_THREADS || o->template_workers < 0 ||
        o->template_workers > CG_MAX_THREADS)
        return cg_fail(err, CG_ERR_USAGE, "%d threads and %d template workers: wanted 1 to %d",
                       o->threads, o->template_workers, CG_MAX_THREADS);
    if (o->max_new_tokens < 0)
        return cg_fail(err, CG_ERR_USAGE, "max-new-tokens %d: wanted at least 1",
                       o->max_new_tokens);
    if (o->max_length < 0)
        return cg_fail(err, CG_ERR_USAGE, "max-length %d: wanted at least 1", o->max_length);
    if (o->step_tokens < 0 || o->step_tokens > CG_MAX_STEP_TOKENS)
        return cg_fail(err, CG_ERR_USAGE, "step-tokens %d: wanted 1 to %d", o->step_tokens,
                       CG_MAX_STEP_TOKENS);
    if (o->tuning < CG_TUNING_AUTO || o->tuning > CG_TUNING_ALWAYS)
        return cg_fail(err, CG_ERR_USAGE, "tuning %d: wanted 0, 1 or 2", o->tuning);
    return CG_OK;
}

static void choose_counts(cg_engine *e, const cg_engine_options *o)
{
    int32_t cores = (int32_t)cg_cpu_count(), slurm = env_count("SLURM_CPUS_PER_TASK");

    e->info.threads = o->threads ? o->threads : cores;
    e->info.template_workers = o->template_workers ? o->template_workers : slurm ? slurm : cores;
    e->info.step_tokens = o->step_tokens;
}

/* What was asked for, and the model's own setting where nothing was. */
static cg_sampling choose_sampling(const cg_sampling *asked, const cg_generation_config *g)
{
    cg_sampling s = asked ? *asked : (cg_sampling) { sizeof s, -1, -1, -1, -1, -1 };

    if (s.greedy < 0)
        s.greedy = !g->do_sample;
    if (s.temperature < 0)
        s.temperature = (float)g->temperature;
    if (s.top_k < 0)
        s.top_k = g->top_k;
    if (s.top_p < 0)
        s.top_p = (float)g->top_p;
    if (s.min_p < 0)
        s.min_p = (float)g->min_p;
    return s;
}

static cg_status choose_length(cg_engine *e, const cg_engine_options *o, cg_error *err)
{
    int32_t positions = e->model->config.max_positions;

    if (o->max_length > positions)
        return cg_fail(err, CG_ERR_USAGE, "max-length %d: model '%s' has %d positions",
                       o->max_length, e->model_dir, positions);
    e->info.max_length = o->max_length ? o->max_length : cg_context_length(&e->model->config);
    return CG_OK;
}

/* ---- parts -------------------------------------------------------------------------------- */

/* Random weights in a named shape, with the text format of the tokenizer's directory. */
static cg_status make_random_model(cg_engine *e, const char *shape, const char *tokenizer_dir,
                                   cg_error *err)
{
    char name[64];
    cg_model_config config;
    cg_status status = cg_model_config_named(shape, &config, err);

    if (status == CG_OK)
        status = cg_model_random(&config, 0, &e->model, err);
    if (status == CG_OK)
        status = cg_read_format_config(tokenizer_dir, &e->model->format, err);
    if (status != CG_OK)
        return status;
    snprintf(name, sizeof name, "shape:%s", shape);
    e->model_dir = strdup(name);
    return e->model_dir ? CG_OK : cg_fail(err, CG_ERR_NOMEM, "engine: out of memory");
}

/* XXH3 of the tokenizer's files, mixed in a fixed order; a file that is not there counts as 0. */
static cg_status hash_tokenizer(const char *dir, uint64_t *ret_hash, cg_error *err)
{
    static const char *const names[] = { "tokenizer.json", "vocab.json", "merges.txt",
                                         "added_tokens.json", "tokenizer_config.json" };
    uint64_t sum = 0, hash;
    cg_status status = CG_OK;

    for (size_t i = 0; i < sizeof names / sizeof names[0] && status == CG_OK; i++) {
        char *path = cg_path_join(dir, names[i]);

        hash = 0;
        if (!path)
            status = cg_fail(err, CG_ERR_NOMEM, "engine: out of memory");
        else if (cg_file_exists(path))
            status = cg_input_hash(path, &hash, err);
        free(path);
        sum = (sum ^ hash) * UINT64_C(0x9e3779b97f4a7c15);
    }
    *ret_hash = sum;
    return status;
}

static cg_status open_weights(cg_engine *e, const cg_engine_options *o, cg_error *err)
{
    char *dir = NULL;
    cg_status status;

    if (!o->shape) {
        if (o->tokenizer)
            return cg_fail(err, CG_ERR_USAGE,
                           "a tokenizer '%s' without a shape: a model brings its own",
                           o->tokenizer);
        if (!o->model)
            status = cg_default_model_dir(&e->model_dir, err);
        else if ((e->model_dir = strdup(o->model)))
            status = CG_OK;
        else
            status = cg_fail(err, CG_ERR_NOMEM, "engine: out of memory");
        if (status == CG_OK)
            status = cg_model_open(e->model_dir, &e->model, err);
        if (status == CG_OK)
            status = hash_tokenizer(e->model_dir, &e->info.tokenizer_fingerprint, err);
        return status == CG_OK ? cg_tokenizer_load(e->model_dir, &e->tokenizer, err) : status;
    }
    if (o->model)
        return cg_fail(err, CG_ERR_USAGE, "a model '%s' and a shape '%s': wanted one of them",
                       o->model, o->shape);
    if (!o->tokenizer && (status = cg_default_model_dir(&dir, err)) != CG_OK)
        return status;
    status = cg_tokenizer_load(dir ? dir : o->tokenizer, &e->tokenizer, err);
    if (status == CG_OK)
        status = make_random_model(e, o->shape, dir ? dir : o->tokenizer, err);
    free(dir);
    return status;
}

static cg_status open_model(cg_engine *e, const cg_engine_options *o, cg_error *err)
{
    int32_t ids;
    cg_status status = open_weights(e, o, err);

    if (status != CG_OK)
        return status;
    ids = cg_tokenizer_vocab_size(e->tokenizer);
    if (ids > e->model->config.vocab)
        return cg_fail(err, CG_ERR_MISMATCH,
                       "model '%s': the tokenizer has ids up to %d, the embedding has %d rows",
                       e->model_dir, ids - 1, e->model->config.vocab);
    if (o->token_cache) {
        status = cg_token_cache_create(TOKEN_CACHE, &e->token_cache, err);
        if (status != CG_OK)
            return status;
    }
    cg_vocabulary_init(&e->vocabulary, e->tokenizer, e->token_cache);
    return CG_OK;
}

/* The constraint; attention and cache by name only as far as they must exist. */
static cg_status find_plugins(cg_engine *e, const cg_engine_options *o, cg_error *err)
{
    const cg_plugin *plugin;
    cg_status status = cg_registry_open(&e->host.host, o->plugins, o->n_plugins, &e->registry, err);

    if (status == CG_OK && !cg_is_auto(o->attention))
        status = cg_registry_find(e->registry, CG_PLUGIN_ATTENTION, o->attention, &plugin, err);
    if (status == CG_OK && !cg_is_auto(o->kv_cache))
        status = cg_registry_find(e->registry, CG_PLUGIN_CACHE, o->kv_cache, &plugin, err);
    if (status == CG_OK)
        status = cg_registry_find(e->registry, CG_PLUGIN_CONSTRAINT,
                                  cg_is_auto(o->constraint) ? "grammar" : o->constraint,
                                  &e->constraint, err);
    return status;
}

static cg_status open_constraint(cg_engine *e, const cg_engine_options *o, cg_error *err)
{
    const cg_format_config *f = &e->model->format;
    const cg_constraint_ops *ops = e->constraint->ops;
    int32_t model_max = e->model->generation.max_new_tokens;
    cg_status status;

    e->format = (cg_text_format) {
        CG_SIZED(cg_text_format),
        .decimals = f->decimals,
        .max_integer_digits = f->max_integer_digits,
        .begin = f->completion_open,
        .end = f->completion_close,
        .stop = f->end,
        .max_new_tokens = o->max_new_tokens ? o->max_new_tokens
                          : model_max       ? model_max
                                            : DEFAULT_MAX_NEW,
    };
    status =
        ops->create(&e->host.host, &e->vocabulary.vocabulary, &e->format, &e->constraint_self, err);
    if (status != CG_OK)
        return cg_fail_prefix(err, status, "constraint '%s' for model '%s'", e->constraint->name,
                              e->model_dir);
    e->builder = (cg_template_builder) {
        .vocabulary = &e->vocabulary.vocabulary,
        .constraint = ops,
        .constraint_self = e->constraint_self,
        .format = f,
        .max_len = e->info.max_length,
        .max_new_tokens = o->max_new_tokens,
    };
    return CG_OK;
}

/* ---- the device --------------------------------------------------------------------------- */

static void close_workers(cg_engine *e)
{
    for (int32_t i = 0; i < e->n_workers; i++)
        cg_worker_finish(&e->workers[i]);
    free(e->workers);
    e->workers = NULL;
    e->n_workers = 0;
}

static cg_status alloc_workers(cg_engine *e, int32_t n, cg_error *err)
{
    e->workers = calloc((size_t)n, sizeof *e->workers);
    if (!e->workers)
        return cg_fail(err, CG_ERR_NOMEM, "engine: out of memory");
    e->n_workers = n;
    return CG_OK;
}

/* Choices and executors of the workers. */
static cg_status open_workers(cg_engine *e, const cg_engine_options *o, cg_error *err)
{
    char halved[CG_ERROR_TEXT];
    cg_status status;

    e->info.dtype = cg_dtype_name(e->dtype);
    status = cg_select_plugins(e, o, err);
    for (int32_t i = 0; i < e->n_workers && status == CG_OK; i++) {
        status = cg_worker_open(&e->workers[i], halved, err);
        if (!i && halved[0])
            snprintf(e->batch_reason, sizeof e->batch_reason, "%s", halved);
    }
    return status;
}

static cg_status open_on_cpu(cg_engine *e, const cg_engine_options *o, cg_dtype dtype,
                             cg_error *err)
{
    int32_t n = e->hooks.n_cpu ? e->hooks.n_cpu : 1;
    cg_status status;

    if (dtype == CG_BF16)
        return cg_fail(err, CG_ERR_USAGE, "dtype bf16: the CPU computes in f32 (%.800s)",
                       e->device_reason);
    e->dtype = CG_F32;
    e->info.deterministic = 1;
    snprintf(e->device, sizeof e->device, "cpu");
    status = alloc_workers(e, n, err);
    for (int32_t i = 0; i < e->n_workers && status == CG_OK; i++)
        status = cg_worker_init_cpu(&e->workers[i], e, i, err);
    return status == CG_OK ? open_workers(e, o, err) : status;
}

static cg_status open_on_gpus(cg_engine *e, const cg_engine_options *o,
                              const cg_device_request *request, cg_dtype dtype, cg_error *err)
{
    const char *text = request->kind == CG_REQUEST_AUTO ? "auto" : o->device;
    int32_t gpus[CG_MAX_GPUS], n_gpus = 0, n = 0;
    size_t at;
    cg_status status = cg_gpu_count(&n_gpus, err);

    if (status != CG_OK && request->kind == CG_REQUEST_CUDA)
        cg_fail_prefix(err, status, "device '%.200s'", text);
    if (status != CG_OK)
        return status;
    status = cg_device_resolve(request, text, n_gpus, gpus, &n, err);
    if (status == CG_OK)
        status = alloc_workers(e, n, err);
    e->dtype = dtype < 0 ? CG_BF16 : dtype;
    e->info.deterministic = o->deterministic != 0;
    at = (size_t)snprintf(e->device, sizeof e->device, "cuda:");
    for (int32_t i = 0; i < e->n_workers && status == CG_OK; i++) {
        at +=
            (size_t)snprintf(e->device + at, sizeof e->device - at, "%s%d", i ? "," : "", gpus[i]);
        status = cg_worker_init_gpu(&e->workers[i], e, gpus[i], err);
    }
    return status == CG_OK ? open_workers(e, o, err) : status;
}

/* "auto" is the first GPU if there is one that can serve the model, else the CPU: with the reason.
 */
static cg_status open_device(cg_engine *e, const cg_engine_options *o,
                             const cg_device_request *request, cg_dtype dtype, cg_error *err)
{
    cg_error why = CG_ERROR_INIT;
    cg_status status;

    if (request->kind == CG_REQUEST_CUDA) {
        snprintf(e->device_reason, sizeof e->device_reason, "asked for");
        return open_on_gpus(e, o, request, dtype, err);
    }
    if (request->kind == CG_REQUEST_CPU) {
        snprintf(e->device_reason, sizeof e->device_reason, "asked for");
        return open_on_cpu(e, o, dtype, err);
    }
    status = open_on_gpus(e, o, request, dtype, &why);
    if (status == CG_OK) {
        snprintf(e->device_reason, sizeof e->device_reason, "auto: the first GPU");
        return CG_OK;
    }
    if (status == CG_ERR_NOMEM || status == CG_ERR_INTERNAL)
        return cg_fail(err, status, "%s", why.msg);
    if (e->n_workers) /* a GPU is there and is not used: not in silence */
        cg_host_log(&e->host.host, CG_LOG_WARNING, "the GPU is not used: %s", why.msg);
    close_workers(e);
    e->tuning = (cg_tuning) { .n_figures = 0 };
    e->tuning_source[0] = '\0';
    snprintf(e->device_reason, sizeof e->device_reason, "auto: %s", why.msg);
    return open_on_cpu(e, o, dtype, err);
}

static int64_t count_layer_parameters(const cg_model_config *c)
{
    int64_t q = (int64_t)c->n_heads * c->head_dim, kv = (int64_t)c->n_kv_heads * c->head_dim;
    int64_t layer = c->hidden * (2 * q + 2 * kv + 3 * (int64_t)c->intermediate + 2);

    if (c->qk_norm)
        layer += 2 * c->head_dim;
    if (c->qkv_bias)
        layer += q + 2 * kv;
    return c->n_layers * layer;
}

/* What is in the model, and what a step's work follows from. */
static void count_elements(cg_engine_info *info, const cg_model_config *c)
{
    int64_t embed = (int64_t)c->vocab * c->hidden;

    info->layer_parameters = count_layer_parameters(c);
    info->parameters = info->layer_parameters + c->hidden + (c->tie_embeddings ? 1 : 2) * embed;
    info->head_width = c->hidden;
    info->kv_elements = 2 * c->n_layers * c->n_kv_heads * c->head_dim;
    info->query_elements = c->n_layers * c->n_heads * c->head_dim;
}

/* What a conformer depends on, besides model, sampling and seed. */
static const char *promise_of(const cg_engine *e)
{
    if (e->workers[0].device == CG_DEVICE_CPU)
        return "the same conformers for any batch size, threads and KV cache";
    if (e->info.deterministic)
        return "the same conformers for any batch size, slot order and number of GPUs of one kind";
    /* the fastest algorithms of matrix products are found anew by each executor */
    return "the same conformers for the same kind of GPU, batch size and plugins, as long as the "
           "same algorithms are the fastest there";
}

static void fill_gpus(cg_engine *e)
{
    for (int32_t i = 0; i < e->n_workers; i++) {
        const cg_worker *w = &e->workers[i];

        if (w->device != CG_DEVICE_CUDA)
            return;
        e->gpus[e->info.n_gpus++] = (cg_engine_gpu) {
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

static void fill_info(cg_engine *e)
{
    const cg_worker *w = &e->workers[0];

    e->info.struct_size = sizeof e->info;
    e->info.decimals = e->model->format.decimals;
    e->info.batch_size = w->batch_size;
    e->info.model = e->model_dir;
    e->info.architecture = cg_arch_name(e->model->config.arch);
    e->info.device = e->device;
    e->info.attention = w->attention->name;
    e->info.kv_cache = w->cache->name;
    e->info.constraint = e->constraint->name;
    e->info.device_reason = e->device_reason;
    e->info.attention_reason = e->attention_reason;
    e->info.kv_cache_reason = e->kv_cache_reason;
    e->info.batch_reason = e->batch_reason;
    e->info.fingerprint = cg_model_fingerprint(e->model);
    count_elements(&e->info, &e->model->config);
    e->info.promise = promise_of(e);
    e->info.gpus = e->gpus;
    e->info.figures = e->tuning.figures;
    e->info.n_figures = e->tuning.n_figures;
    e->info.tuning = e->tuning_source;
    fill_gpus(e);
}

/* Whether to check and to retry; where RDKit cannot help with it, that is said before any work. */
static cg_status choose_checks(cg_engine *e, const cg_engine_options *o, cg_error *err)
{
    cg_molecule *probe = NULL;
    cg_checker *checker = NULL;
    cg_status status;

    e->info.retry = o->retry;
    e->info.check = o->check || o->retry;
    if (o->retry < 0)
        return cg_fail(err, CG_ERR_USAGE, "--retry %d: wanted 0 or more", o->retry);
    if (o->retry && e->info.sampling.greedy)
        return cg_fail(err, CG_ERR_USAGE,
                       "--retry %d: greedy sampling draws the same conformer again", o->retry);
    if (!e->info.check)
        return CG_OK;
    status = cg_molecule_parse("CC", 2, &probe, err);
    if (status == CG_OK)
        status = cg_checker_create(probe, &checker, err);
    cg_checker_destroy(checker);
    cg_molecule_destroy(probe);
    return status == CG_OK ? CG_OK : cg_fail_prefix(err, status, "--check");
}

const char *cg_check_describe(int32_t id, const char **ret_meaning)
{
    if (id < 0 || id >= CG_CHECK_COUNT)
        return NULL;
    if (ret_meaning)
        *ret_meaning = cg_check_description((cg_check_id)id);
    return cg_check_name((cg_check_id)id);
}

cg_status cg_engine_open_with(const cg_engine_options *options, const cg_engine_test_hooks *hooks,
                              cg_engine **ret_engine, cg_error *err)
{
    cg_engine_options o = { 0 }; /* an older application knows fewer members */
    cg_device_request request;
    cg_dtype dtype;
    cg_engine *e;
    cg_status status;

    memcpy(&o, options, options->struct_size < sizeof o ? options->struct_size : sizeof o);
    status = check_options(&o, err);
    if (status == CG_OK)
        status = cg_device_parse(o.device, &request, err);
    if (status == CG_OK)
        status = cg_dtype_parse(o.dtype, &dtype, err);
    if (status != CG_OK)
        return status;
    e = calloc(1, sizeof *e);
    if (!e)
        return cg_fail(err, CG_ERR_NOMEM, "engine: out of memory");
    if (hooks)
        e->hooks = *hooks;
    choose_counts(e, &o);
    e->info.seed = o.seed;
    e->info.constraint_reason =
        cg_is_auto(o.constraint) ? "default: no wrong molecule, no malformed text" : "asked for";
    status = cg_team_create(e->info.threads, &e->team, err);
    if (status == CG_OK) {
        cg_plugin_host_init(&e->host, e->team, o.log, o.log_ctx, CG_LOG_INFO);
        status = find_plugins(e, &o, err);
    }
    if (status == CG_OK)
        status = open_model(e, &o, err);
    if (status == CG_OK) {
        e->info.sampling = choose_sampling(o.sampling, &e->model->generation);
        status = cg_sampling_check(&e->info.sampling, err);
    }
    if (status == CG_OK)
        status = choose_checks(e, &o, err);
    if (status == CG_OK)
        status = choose_length(e, &o, err);
    if (status == CG_OK)
        status = open_constraint(e, &o, err);
    if (status == CG_OK)
        status = cg_engine_select_geometry(e, &o, err);
    if (status == CG_OK)
        status = open_device(e, &o, &request, dtype, err);
    if (status != CG_OK) {
        cg_engine_close(e);
        return status;
    }
    fill_info(e);
    *ret_engine = e;
    return CG_OK;
}

cg_status cg_engine_open(const cg_engine_options *options, cg_engine **ret_engine, cg_error *err)
{
    return cg_engine_open_with(options, NULL, ret_engine, err);
}

void cg_engine_close(cg_engine *e)
{
    if (!e)
        return;
    close_workers(e);
    if (e->constraint_self)
        ((const cg_constraint_ops *)e->constraint->ops)->destroy(e->constraint_self);
    cg_token_cache_destroy(e->token_cache);
    cg_tokenizer_destroy(e->tokenizer);
    cg_model_close(e->model);
    cg_registry_destroy(e->registry);
    cg_team_destroy(e->team);
    free(e->token_numbers);
    free(e->model_dir);
    free(e);
}

const cg_engine_info *cg_engine_get_info(const cg_engine *e)
{
    return &e->info;
}
