/* SPDX-License-Identifier: MIT */
#include "engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "engine/paths.h"
#include "engine/settings.h"
#include "io/input.h"
#include "plugin/match.h"

enum {
    DEFAULT_MAX_NEW = 4096, /* where neither the user nor the model says */
    MAX_BATCH = 65536,
    TOKEN_CACHE = 1 << 16,
};

const char *cg_version(void)
{
    return CG_VERSION_STRING;
}

/* ---- choices ------------------------------------------------------------------------------ */

static int is_auto(const char *name)
{
    return !name || !strcmp(name, "auto");
}

/* A positive number in an environment variable, 0 without. */
static int32_t env_count(const char *name)
{
    const char *text = getenv(name);
    long n = text ? strtol(text, NULL, 10) : 0;

    return n > 0 && n <= 4096 ? (int32_t)n : 0;
}

static cg_status check_options(const cg_engine_options *o, cg_error *err)
{
    const char *device = o->device;

    if (o->batch_size < 0 || o->batch_size > MAX_BATCH)
        return cg_fail(err, CG_ERR_USAGE, "batch size %d: wanted 1 to %d, or auto", o->batch_size,
                       MAX_BATCH);
    if (o->threads < 0 || o->threads > 4096 || o->template_workers < 0 ||
        o->template_workers > 4096)
        return cg_fail(err, CG_ERR_USAGE, "%d threads and %d template workers: wanted 1 to 4096",
                       o->threads, o->template_workers);
    if (o->max_new_tokens < 0)
        return cg_fail(err, CG_ERR_USAGE, "max-new-tokens %d: wanted at least 1",
                       o->max_new_tokens);
    if (!is_auto(device) && strcmp(device, "cpu")) {
        if (!strncmp(device, "cuda", 4))
            return cg_fail(err, CG_ERR_UNSUPPORTED,
                           "device '%s': this build has no CUDA executor; use --device cpu",
                           device);
        return cg_fail(err, CG_ERR_USAGE, "device '%s': wanted auto, cpu, cuda or cuda:I", device);
    }
    return CG_OK;
}

static void choose_counts(cg_engine *e, const cg_engine_options *o)
{
    int32_t cores = (int32_t)cg_cpu_count(), slurm = env_count("SLURM_CPUS_PER_TASK");

    e->info.threads = o->threads ? o->threads : cores;
    e->info.template_workers = o->template_workers ? o->template_workers : slurm ? slurm : cores;
    e->info.batch_size = o->batch_size ? o->batch_size : CG_DEFAULT_BATCH;
    snprintf(e->reasons[2], sizeof e->reasons[2], "%s",
             o->batch_size ? "asked for" : "auto: fills the matrix products of a CPU");
    e->n_prefixes = cg_prefixes_of(e->info.batch_size);
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

static cg_status find_plugins(cg_engine *e, const cg_engine_options *o, cg_error *err)
{
    cg_status status = cg_registry_open(&e->host.host, o->plugins, o->n_plugins, &e->registry, err);

    if (status == CG_OK)
        status =
            cg_registry_find(e->registry, CG_PLUGIN_ATTENTION,
                             is_auto(o->attention) ? "flash" : o->attention, &e->attention, err);
    if (status == CG_OK)
        status = cg_registry_find(e->registry, CG_PLUGIN_CACHE,
                                  is_auto(o->kv_cache) ? "paged" : o->kv_cache, &e->cache, err);
    if (status == CG_OK)
        status = cg_registry_find(e->registry, CG_PLUGIN_CONSTRAINT,
                                  is_auto(o->constraint) ? "grammar" : o->constraint,
                                  &e->constraint, err);
    snprintf(e->reasons[0], sizeof e->reasons[0], "%s",
             is_auto(o->attention) ? "auto: vectorised, reads keys and values once" : "asked for");
    snprintf(e->reasons[3], sizeof e->reasons[3], "%s",
             is_auto(o->constraint) ? "default: no wrong molecule, no malformed text"
                                    : "asked for");
    snprintf(e->reasons[1], sizeof e->reasons[1], "%s",
             is_auto(o->kv_cache) ? "auto: shares the prompt, holds only what is used"
                                  : "asked for");
    return status;
}

/*
 * Do attention and cache serve this model together? Asked before anything is allocated for it.
 * "auto" takes the plain attention where the fast one refuses, and says why.
 */
static cg_status match_plugins(cg_engine *e, const cg_engine_options *o, cg_error *err)
{
    const cg_host *host = &e->host.host;
    const cg_plugin *plain;
    cg_attention_problem problem;
    cg_cache_config cache;
    cg_status status;

    cg_model_needs(&e->model->config, CG_DEVICE_CPU, e->info.batch_size, &problem, &cache);
    status = cg_match(host, e->attention, e->cache, &problem, &cache, NULL, err);
    if (status == CG_OK || !is_auto(o->attention) ||
        cg_registry_find(e->registry, CG_PLUGIN_ATTENTION, "eager", &plain, NULL) != CG_OK ||
        cg_match(host, plain, e->cache, &problem, &cache, NULL, NULL) != CG_OK)
        return status;
    e->attention = plain;
    snprintf(e->reasons[0], sizeof e->reasons[0], "auto: %.*s", (int)sizeof e->reasons[0] - 7,
             err ? err->msg : "the fast one refuses");
    return CG_OK;
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
    e->info.max_len = cg_context_of(&e->model->config);
    e->builder = (cg_template_builder) {
        .vocabulary = &e->vocabulary.vocabulary,
        .constraint = ops,
        .constraint_self = e->constraint_self,
        .format = f,
        .max_len = e->info.max_len,
        .max_new_tokens = o->max_new_tokens,
    };
    return CG_OK;
}

static cg_status open_executor(cg_engine *e, cg_error *err)
{
    const cg_constraint_ops *constraint = e->constraint->ops;
    cg_executor_config config = {
        .model = e->model,
        .attention = e->attention->ops,
        .cache = e->cache->ops,
        .host = &e->host.host,
        .automaton = constraint->automaton(e->constraint_self),
        .sampling = e->info.sampling,
        .n_slots = e->info.batch_size,
        .n_prefixes = e->n_prefixes,
        .max_len = e->info.max_len,
    };

    return cg_executor_cpu_create(&config, e->team, &e->executor, err);
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

static void fill_info(cg_engine *e)
{
    e->info.struct_size = sizeof e->info;
    e->info.decimals = e->model->format.decimals;
    e->info.model = e->model_dir;
    e->info.architecture = cg_arch_name(e->model->config.arch);
    e->info.device = "cpu";
    e->info.attention = e->attention->name;
    e->info.kv_cache = e->cache->name;
    e->info.constraint = e->constraint->name;
    e->info.device_reason = "this release has a CPU executor only";
    e->info.constraint_reason = e->reasons[3];
    e->info.attention_reason = e->reasons[0];
    e->info.kv_cache_reason = e->reasons[1];
    e->info.batch_reason = e->reasons[2];
    e->info.fingerprint = cg_model_fingerprint(e->model);
    e->info.dtype = "f32";
    count_elements(&e->info, &e->model->config);
}

cg_status cg_engine_open(const cg_engine_options *o, cg_engine **ret_engine, cg_error *err)
{
    cg_engine *e;
    cg_status status = check_options(o, err);

    if (status != CG_OK)
        return status;
    e = calloc(1, sizeof *e);
    if (!e)
        return cg_fail(err, CG_ERR_NOMEM, "engine: out of memory");
    choose_counts(e, o);
    e->info.seed = o->seed;
    status = cg_team_create(e->info.threads, &e->team, err);
    if (status == CG_OK) {
        cg_plugin_host_init(&e->host, e->team, o->log, o->log_ctx, CG_LOG_INFO);
        status = find_plugins(e, o, err);
    }
    if (status == CG_OK)
        status = open_model(e, o, err);
    if (status == CG_OK) {
        e->info.sampling = choose_sampling(o->sampling, &e->model->generation);
        status = cg_sampling_check(&e->info.sampling, err);
    }
    if (status == CG_OK)
        status = match_plugins(e, o, err);
    if (status == CG_OK)
        status = open_constraint(e, o, err);
    if (status == CG_OK)
        status = open_executor(e, err);
    if (status != CG_OK) {
        cg_engine_close(e);
        return status;
    }
    fill_info(e);
    *ret_engine = e;
    return CG_OK;
}

void cg_engine_close(cg_engine *e)
{
    if (!e)
        return;
    if (e->executor)
        e->executor->ops->destroy(e->executor);
    if (e->constraint_self)
        ((const cg_constraint_ops *)e->constraint->ops)->destroy(e->constraint_self);
    cg_token_cache_destroy(e->token_cache);
    cg_tokenizer_destroy(e->tokenizer);
    cg_model_close(e->model);
    cg_registry_destroy(e->registry);
    cg_team_destroy(e->team);
    free(e->model_dir);
    free(e);
}

const cg_engine_info *cg_engine_get_info(const cg_engine *e)
{
    return &e->info;
}
