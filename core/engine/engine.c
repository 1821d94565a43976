/* SPDX-License-Identifier: MIT */
#include "engine/engine.h"

#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/error.h"
#include "base/sized_struct.h"
#include "check/checker.h"
#include "engine/run_shape.h"

enum { DEFAULT_MAX_NEW = 4096 }; /* where neither the options nor the model state a bound */

/* ---- options ------------------------------------------------------------------------------ */

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
    if (o->prompt_step_tokens < CG_PROMPT_STEPS_OFF || o->prompt_step_tokens > CG_MAX_STEP_TOKENS)
        return cg_fail(err, CG_ERR_USAGE, "prompt-step-tokens %d: wanted 1 to %d, auto or off",
                       o->prompt_step_tokens, CG_MAX_STEP_TOKENS);
    if (o->tuning < CG_TUNING_AUTO || o->tuning > CG_TUNING_ALWAYS)
        return cg_fail(err, CG_ERR_USAGE, "tuning: found %d, wanted one of CG_TUNING_*", o->tuning);
    return CG_OK;
}

/* A number of threads in an environment variable; 0 without one. */
static int32_t thread_count_in(const char *variable)
{
    const char *text = getenv(variable);
    long n = text ? strtol(text, NULL, 10) : 0;

    return n > 0 && n <= CG_MAX_THREADS ? (int32_t)n : 0;
}

static int32_t at_most(int32_t n, int32_t limit)
{
    return n < limit ? n : limit;
}

/* More threads than processors would wait for each other: requests are lowered. */
static void set_threads(cg_engine_info *info, const cg_engine_options *o)
{
    int32_t cores = (int32_t)cg_cpu_count(), slurm = thread_count_in("SLURM_CPUS_PER_TASK");
    int32_t workers = o->template_workers ? o->template_workers : slurm ? slurm : cores;

    info->threads = at_most(o->threads ? o->threads : cores, cores);
    info->template_workers = at_most(workers, cores);
}

static void log_if_lowered(const cg_engine *e, const char *option, int32_t wanted, int32_t found)
{
    if (wanted > found)
        cg_host_log(&e->host.host, CG_LOG_WARNING,
                    "%s %d is lowered to %d, the number of processors available", option, wanted,
                    found);
}

static cg_status set_max_length(cg_engine *e, const cg_engine_options *o, cg_error *err)
{
    const cg_model_config *config = &e->model.weights->config;

    CG_TRY(cg_check_max_length(config, e->model.name, o->max_length, err));
    if (o->max_length > config->max_positions)
        cg_host_log(&e->host.host, CG_LOG_WARNING,
                    "max-length %d: model '%s' was made for %d positions; what it writes beyond "
                    "them may be worse",
                    o->max_length, e->model.name, config->max_positions);
    e->info.max_length = o->max_length ? o->max_length : cg_context_length(config);
    return CG_OK;
}

/* Creates and drops a checker, so that an RDKit without what the tests need is refused at once. */
static cg_status try_checker(cg_error *err)
{
    cg_molecule *probe = NULL;
    cg_checker *checker = NULL;
    const char *reason;
    cg_status st;

    CG_TRY_GOTO(st, cg_molecule_parse("CC", 2, &probe, err), out);
    CG_TRY_GOTO(st, cg_checker_create(probe, &checker, err), out);
    if (cg_checker_unchecked(checker, &reason))
        st = cg_fail(err, CG_ERR_UNSUPPORTED, "%s", reason);
out:
    cg_checker_destroy(checker);
    cg_molecule_destroy(probe);
    return st == CG_OK ? CG_OK : cg_fail_prefix(err, st, "--check");
}

static cg_status set_checks(cg_engine *e, const cg_engine_options *o, cg_error *err)
{
    e->info.retry = o->retry;
    e->info.check = o->check || o->retry;
    if (o->retry < 0)
        return cg_fail(err, CG_ERR_USAGE, "--retry %d: wanted 0 or more", o->retry);
    if (o->retry && e->sampling.greedy)
        return cg_fail(err, CG_ERR_USAGE,
                       "--retry %d: greedy sampling (%s) repeats the same conformer", o->retry,
                       cg_sampling_source_name(e->sampling_from.greedy));
    return e->info.check ? try_checker(err) : CG_OK;
}

/* ---- parts -------------------------------------------------------------------------------- */

/*
 * Replaces an alias by the name of its plugin, or by NULL for "auto". Fails if a named plugin does
 * not exist.
 *
 * @param ret_alias  the alias, NULL for another name
 */
static cg_status resolve_name(const cg_engine *e, cg_plugin_kind kind, const char **name,
                              const cg_plugin_alias **ret_alias, cg_error *err)
{
    const cg_plugin *plugin;

    if (cg_is_auto(*name))
        return CG_OK;
    *ret_alias = cg_registry_alias(e->registry, kind, *name);
    if (*ret_alias && !(*ret_alias)->plugin) {
        *name = NULL;
        return CG_OK;
    }
    CG_TRY(cg_registry_find(e->registry, kind, *name, &plugin, err));
    *name = plugin->name;
    return CG_OK;
}

/* The alias of a cache may include the type of the cache. */
static cg_status resolve_kv_dtype(const cg_engine *e, cg_dtype *kv_dtype, cg_error *err)
{
    const cg_plugin_alias *alias = e->kv_cache_alias;
    cg_dtype wanted;

    if (!alias || !alias->kv_dtype)
        return CG_OK;
    CG_TRY(cg_kv_dtype_parse(alias->kv_dtype, &wanted, err));
    if (*kv_dtype != CG_DTYPE_AUTO && *kv_dtype != wanted)
        return cg_fail(err, CG_ERR_USAGE,
                       "kv-cache %s is %s with kv-dtype %s, but kv-dtype is %s; wanted one of them",
                       alias->name, alias->plugin, alias->kv_dtype, cg_kv_dtype_name(*kv_dtype));
    *kv_dtype = wanted;
    return CG_OK;
}

/* Finds the constraint, and attention and cache where they are named; *o gets the plugins' names.
 */
static cg_status open_plugins(cg_engine *e, cg_engine_options *o, cg_device_request *request,
                              cg_error *err)
{
    CG_TRY(cg_registry_open(&e->host.host, o->plugins, o->n_plugins, &e->registry, err));
    CG_TRY(resolve_name(e, CG_PLUGIN_ATTENTION, &o->attention, &e->attention_alias, err));
    CG_TRY(resolve_name(e, CG_PLUGIN_CACHE, &o->kv_cache, &e->kv_cache_alias, err));
    CG_TRY(resolve_kv_dtype(e, &request->kv_dtype, err));
    return cg_registry_find(e->registry, CG_PLUGIN_CONSTRAINT,
                            cg_is_auto(o->constraint) ? "grammar" : o->constraint,
                            &e->constraint.plugin, err);
}

/* The alias "window" is for models with one; open_device.c has the rule for GPUs. */
static cg_status check_window(const cg_engine *e, cg_error *err)
{
    const cg_plugin_alias *alias = e->kv_cache_alias;

    if (!alias || !alias->is_window ||
        cg_window_of_model(&e->model.weights->config, e->info.max_length))
        return CG_OK;
    return cg_fail(err, CG_ERR_UNSUPPORTED,
                   "kv-cache %s: a layer of model '%s' attends to all of up to %d tokens; wanted "
                   "kv-cache %s, which keeps them",
                   alias->name, e->model.name, e->info.max_length, alias->plugin);
}

static cg_status open_constraint(cg_engine *e, const cg_engine_options *o, cg_error *err)
{
    const cg_format_config *f = &e->model.weights->format;
    const cg_constraint_ops *ops = e->constraint.plugin->ops;
    int32_t model_max = e->model.weights->generation.max_new_tokens;
    cg_status st;

    CG_TRY(cg_engine_open_text(e, err));
    e->constraint.format.max_new_tokens = o->max_new_tokens ? o->max_new_tokens
                                          : model_max       ? model_max
                                                            : DEFAULT_MAX_NEW;
    st = ops->create(&e->host.host, &e->model.vocabulary.vocabulary, &e->constraint.format,
                     &e->constraint.self, err);
    if (st != CG_OK)
        return cg_fail_prefix(err, st, "constraint '%s' for model '%s'", e->constraint.plugin->name,
                              e->model.name);
    CG_TRY(cg_checked_constraint_create(e->constraint.plugin->name, ops, e->constraint.self,
                                        &e->model.vocabulary.vocabulary, &e->constraint.checked,
                                        err));
    e->builder = (cg_template_builder) {
        .vocabulary = &e->model.vocabulary,
        .constraint = e->constraint.checked,
        .format = &f->conformer,
        .prompt_open = f->prompt_open,
        .prompt_close = f->prompt_close,
        .around_prompt = e->model.around_prompt,
        .max_len = e->info.max_length,
        .max_new_tokens = o->max_new_tokens,
    };
    return CG_OK;
}

/* ---- engine->info ------------------------------------------------------------------------- */

static int64_t count_layer_parameters(const cg_model_config *c)
{
    int64_t q = (int64_t)c->n_heads * c->head_dim, kv = (int64_t)c->n_kv_heads * c->head_dim;
    int64_t hidden = c->hidden, norm = c->norm == CG_NORM_LAYER ? 2 * hidden : hidden;
    int64_t inner = (c->mlp == CG_MLP_GATED ? 2 : 1) * (int64_t)c->intermediate; /* gate and up */
    int64_t layer = hidden * (2 * q + 2 * kv + inner + c->intermediate) + 2 * norm;

    if (c->qk_norm)
        layer += 2 * c->head_dim;
    if (c->qkv_bias)
        layer += q + 2 * kv;
    if (c->o_bias)
        layer += hidden;
    if (c->mlp_bias)
        layer += inner + hidden;
    return c->n_layers * layer;
}

/* Decimals of coordinates in records: those of the text, and enough for bins and integers. */
static int32_t count_decimals(const cg_number_format *f)
{
    return f->kind == CG_NUMBER_DECIMAL ? f->decimals : 4;
}

/* All but those of the layers: embedding, head, positions, final norm. */
static int64_t count_other_parameters(const cg_model_config *c)
{
    int64_t rows = (int64_t)c->vocab * (c->tie_embeddings ? 1 : 2);

    rows += c->learned_positions ? c->max_positions : 0;
    rows += c->norm == CG_NORM_LAYER ? 2 : 1;
    return rows * c->hidden;
}

static void fill_info(cg_engine *e, const cg_engine_options *o)
{
    const cg_model_config *c = &e->model.weights->config;
    cg_engine_info *info = &e->info;

    info->struct_size = sizeof *info;
    info->seed = o->seed;
    info->sampling = &e->sampling;
    info->sampling_from = &e->sampling_from;
    info->step_tokens = o->step_tokens;
    info->prompt_step_tokens = o->prompt_step_tokens;
    info->model = e->model.name;
    info->architecture = cg_arch_name(c->arch);
    info->fingerprint = cg_model_fingerprint(e->model.weights);
    for (int32_t i = 0; i < e->constraint.format.n_stop_tokens; i++) /* as hash_tokenizer() */
        info->fingerprint =
            (info->fingerprint ^ (uint64_t)e->model.stop[i]) * UINT64_C(0x9e3779b97f4a7c15);
    cg_conformer_format_text(&e->model.weights->format.conformer, e->model.format_text,
                             sizeof e->model.format_text);
    info->text_format = e->model.format_text;
    info->text_format_reason = e->model.format_reason;
    /* as hash_tokenizer(); the fingerprint of the weights has the format of the file only */
    if (!e->model.weights->format.has_format)
        for (const char *text = e->model.format_text; *text; text++)
            info->fingerprint =
                (info->fingerprint ^ (uint64_t)*text) * UINT64_C(0x9e3779b97f4a7c15);
    if (e->codes)
        info->fingerprint ^= cg_code_decoder_fingerprint(e->codes);
    info->decimals = count_decimals(&e->model.weights->format.conformer.number);
    info->constraint = e->constraint.plugin->name;
    info->constraint_reason =
        cg_is_auto(o->constraint) ? "default: no wrong molecule, no malformed text"
        : cg_constraint_features(e->constraint.plugin->ops) &
                (CG_CONSTRAINT_EXACT | CG_CONSTRAINT_ALL_NUMBERS)
            ? "requested"
            : "requested; does not declare that the text is the molecule's: another text fails";
    info->layer_parameters = count_layer_parameters(c);
    info->parameters = info->layer_parameters + count_other_parameters(c);
    info->head_width = c->hidden;
    info->kv_elements = 2 * c->n_layers * c->n_kv_heads * c->head_dim;
    info->query_elements = c->n_layers * c->n_heads * c->head_dim;
}

static void log_adapter(const cg_engine *e)
{
    int32_t n = e->model.weights->n_adapted;

    if (n)
        cg_host_log(&e->host.host, CG_LOG_WARNING,
                    "model '%s': its adapter was added to %d tensors of the weights beside it",
                    e->model.name, n);
}

/* ---- open and close ----------------------------------------------------------------------- */

static cg_status open_parts(cg_engine *e, cg_engine_options *o, cg_error *err)
{
    cg_device_request request;

    CG_TRY(check_options(o, err));
    CG_TRY(cg_device_parse(o->device, &request, err));
    CG_TRY(cg_dtype_parse(o->dtype, &request.dtype, err));
    CG_TRY(cg_kv_dtype_parse(o->kv_dtype, &request.kv_dtype, err));
    set_threads(&e->info, o);
    CG_TRY(cg_team_create(e->info.threads, &e->team, err));
    cg_plugin_host_init(&e->host, e->team, o->log, o->log_ctx, CG_LOG_INFO);
    log_if_lowered(e, "--threads", o->threads, e->info.threads);
    log_if_lowered(e, "--template-workers", o->template_workers, e->info.template_workers);
    CG_TRY(open_plugins(e, o, &request, err));
    CG_TRY(cg_engine_open_model(e, o, err));
    log_adapter(e);
    CG_TRY(cg_engine_select_sampling(e, o, err));
    CG_TRY(set_checks(e, o, err));
    CG_TRY(set_max_length(e, o, err));
    CG_TRY(check_window(e, err));
    CG_TRY(open_constraint(e, o, err));
    CG_TRY(cg_engine_open_codes(e, o, err));
    CG_TRY(cg_engine_select_geometry(e, o, err));
    fill_info(e, o);
    return cg_engine_open_device(e, o, &request, err);
}

cg_status cg_engine_open_with(const cg_engine_options *options, const cg_engine_test_hooks *hooks,
                              cg_engine **ret_engine, cg_error *err)
{
    cg_engine_options o = { 0 };
    cg_engine *e;
    cg_status st;

    CG_TRY(CG_SIZED_READ(cg_engine_options, &o, options, err));
    e = calloc(1, sizeof *e);
    if (!e)
        return cg_fail_nomem(err, "engine");
    if (hooks)
        e->hooks = *hooks;
    st = open_parts(e, &o, err);
    if (st != CG_OK) {
        cg_engine_close(e);
        return st;
    }
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
    cg_engine_close_device(e);
    cg_code_decoder_close(e->codes);
    cg_checked_constraint_destroy(e->constraint.checked);
    if (e->constraint.self)
        ((const cg_constraint_ops *)e->constraint.plugin->ops)->destroy(e->constraint.self);
    cg_number_list_finish(&e->constraint.numbers);
    free(e->token_numbers);
    cg_engine_close_model(e);
    cg_registry_destroy(e->registry);
    cg_team_destroy(e->team);
    free(e);
}

const cg_engine_info *cg_engine_get_info(const cg_engine *e)
{
    return &e->info;
}

int32_t cg_engine_get_gpu(const cg_engine *e, int32_t i, cg_engine_gpu *ret_gpu)
{
    if (i < 0 || i >= e->info.n_gpus)
        return 0;
    cg_fill_struct(ret_gpu, &e->device.gpus[i]);
    return 1;
}

int32_t cg_engine_get_plugin(const cg_engine *e, int32_t i, cg_engine_plugin *ret_plugin)
{
    if (i < 0 || i >= e->info.n_plugins)
        return 0;
    cg_fill_struct(ret_plugin, &e->device.plugins[i]);
    return 1;
}

int32_t cg_engine_get_attempt(const cg_engine *e, int32_t i, cg_tuning_attempt *ret_attempt)
{
    if (i < 0 || i >= e->info.n_attempts)
        return 0;
    cg_fill_struct(ret_attempt, &e->device.selection.tuning.attempts[i]);
    return 1;
}
