/* SPDX-License-Identifier: MIT */
#include "engine/selection.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "engine/settings.h"
#include "engine/tuning_cache.h"

enum {
    GPU_BATCH = 512, /* where nothing was measured: the matrix products are bound by arithmetic */
    FEW_BATCHES = 2, /* measuring costs about as much as so many large batches */
    KEY_TEXT = 512,
};

static const double attempt_seconds = 0.8; /* beside opening the executor */

static const int32_t batches[] = { 64, 128, 256, 512, 1024, 2048 };
enum { N_BATCHES = sizeof batches / sizeof batches[0] };

/* In this order they are tried; the first pair that works is the default. */
static const char *const attentions[] = { "flash", "cudnn", "eager" };
static const char *const caches[] = { "paged", "static", "dynamic" };

/* A pair that works on a worker's device. */
struct pair {
    const cg_plugin *attention, *cache;
};

struct choice {
    cg_engine *engine;
    cg_worker *worker;
    const cg_engine_options *options;
    struct pair pairs[CG_TUNING_PAIRS];
    int32_t n_pairs;
    char refused[CG_REASON_TEXT]; /* pairs that do not work, with reasons */
    cg_molecule_template built;   /* what is measured with */
};

int cg_is_auto(const char *name)
{
    return !name || !strcmp(name, "auto");
}

/* ---- the pairs that work ------------------------------------------------------------------ */

static int rank_of(const char *name, const char *const *order, int n)
{
    int i = 0;

    while (i < n && strcmp(name, order[i]) != 0)
        i++;
    return i;
}

/* The plugins of a kind that come into question, in their order; their number. */
static int32_t candidates(const cg_engine *e, cg_plugin_kind kind, const char *asked,
                          const char *const *order, const cg_plugin **ret, int32_t cap)
{
    const cg_registry_entry *entries;
    int32_t n_entries = cg_registry_entries(e->registry, &entries), n = 0;

    for (int rank = 0; rank <= 3; rank++) /* behind the three known ones: all others */
        for (int32_t i = 0; i < n_entries && n < cap; i++) {
            const cg_plugin *p = entries[i].plugin;

            if (p->kind == kind && rank_of(p->name, order, 3) == rank &&
                (cg_is_auto(asked) || !strcmp(asked, p->name)))
                ret[n++] = p;
        }
    return n;
}

static cg_status find_pairs(struct choice *c, int32_t batch_size, cg_error *err)
{
    enum { EACH = 16 };
    const cg_engine_options *o = c->options;
    const cg_plugin *attention[EACH], *cache[EACH];
    int32_t n_attention =
        candidates(c->engine, CG_PLUGIN_ATTENTION, o->attention, attentions, attention, EACH);
    int32_t n_cache = candidates(c->engine, CG_PLUGIN_CACHE, o->kv_cache, caches, cache, EACH);
    cg_error why = CG_ERROR_INIT;
    cg_status status = CG_ERR_UNSUPPORTED;
    size_t at = 0;

    for (int32_t i = 0; i < n_attention; i++)
        for (int32_t j = 0; j < n_cache && c->n_pairs < CG_TUNING_PAIRS; j++) {
            int n;

            status = cg_worker_match(c->worker, attention[i], cache[j], batch_size, &why);
            if (status == CG_OK) {
                c->pairs[c->n_pairs++] = (struct pair) { attention[i], cache[j] };
                continue;
            }
            n = snprintf(c->refused + at, sizeof c->refused - at, "%s%s/%s: %s", at ? "; " : "",
                         attention[i]->name, cache[j]->name, why.msg);
            at += n > 0 && (size_t)n < sizeof c->refused - at ? (size_t)n : 0;
        }
    if (c->n_pairs)
        return CG_OK;
    if (n_attention * n_cache == 1) /* its own words */
        return cg_fail(err, status, "%s", why.msg);
    return cg_fail(err, CG_ERR_UNSUPPORTED,
                   "no attention and KV cache serve this model together: %.700s", c->refused);
}

/* ---- measuring ---------------------------------------------------------------------------- */

static cg_status open_pair(void *ctx, int32_t pair, int32_t batch_size, cg_executor **ret_executor,
                           cg_error *err)
{
    struct choice *c = ctx;

    return cg_worker_make(c->worker, c->pairs[pair].attention, c->pairs[pair].cache, batch_size,
                          ret_executor, err);
}

static double clock_now(void *ctx)
{
    (void)ctx;
    return cg_now();
}

/* A molecule such as most are: celecoxib; smaller ones where a sequence has little room. */
static cg_status build_molecule(struct choice *c, cg_error *err)
{
    static const char *const smiles[] = { "Cc1ccc(cc1)-c1cc(nn1-c1ccc(cc1)S(N)(=O)=O)C(F)(F)F",
                                          "CC(=O)Oc1ccccc1C(=O)O", "CCO" };
    cg_status status = CG_ERR_LIMIT;

    for (size_t i = 0; i < 3 && status == CG_ERR_LIMIT; i++)
        status = cg_molecule_template_build(&c->engine->builder, smiles[i], strlen(smiles[i]),
                                            &c->built, err);
    return status;
}

static cg_status measure(struct choice *c, cg_tuning *ret_tuning, cg_error *err)
{
    const cg_engine_options *o = c->options;
    double hook = c->engine->hooks.tuning_seconds;
    cg_tuning_pair names[CG_TUNING_PAIRS];
    cg_tuner tuner = { .pairs = names,
                       .n_pairs = c->n_pairs,
                       .batches = o->batch_size ? &o->batch_size : batches,
                       .n_batches = o->batch_size ? 1 : N_BATCHES,
                       .seconds = hook > 0 ? hook : attempt_seconds,
                       .ctx = c,
                       .open = open_pair,
                       .now = clock_now };
    char name[32];
    cg_status status = build_molecule(c, err);

    if (status != CG_OK)
        return status;
    for (int32_t i = 0; i < c->n_pairs; i++)
        names[i] = (cg_tuning_pair) { c->pairs[i].attention->name, c->pairs[i].cache->name };
    tuner.work = (cg_work) { .prompt = c->built.prompt,
                             .n_prompt = c->built.n_prompt,
                             .program = c->built.program,
                             .geometry = c->built.geometry,
                             .n_generations = 1 };
    cg_host_log(&c->engine->host.host, CG_LOG_INFO,
                "%s: measuring attention, KV cache and batch size on %s, which takes some "
                "seconds and is remembered",
                cg_worker_name(c->worker, name, sizeof name), c->worker->gpu_info.name);
    status = cg_tune(&tuner, ret_tuning, err);
    cg_molecule_template_finish(&c->built);
    return status;
}

/* ---- remembering -------------------------------------------------------------------------- */

/* Everything the speed depends on. */
struct key {
    char memory[32], driver[32], model[KEY_TEXT], max_length[32], step_tokens[32], batch_size[32],
        tokenizer[32], plugins[KEY_TEXT];
    cg_tuning_item items[16];
    size_t n;
};

static void add_item(struct key *k, const char *key, const char *value)
{
    k->items[k->n++] = (cg_tuning_item) { key, value };
}

/* The plugins that took part, with their versions. */
static void list_plugins(const struct choice *c, char *ret, size_t cap)
{
    size_t at = 0;

    for (int32_t i = 0; i < c->n_pairs && at < cap; i++)
        at += (size_t)snprintf(ret + at, cap - at, "%s%s %s over %s %s", i ? ", " : "",
                               c->pairs[i].attention->name, c->pairs[i].attention->version,
                               c->pairs[i].cache->name, c->pairs[i].cache->version);
}

static void make_key(const struct choice *c, struct key *k)
{
    const cg_engine *e = c->engine;
    const cg_engine_options *o = c->options;
    const cg_model_config *m = &e->model->config;
    const cg_gpu_info *gpu = &c->worker->gpu_info;

    k->n = 0;
    snprintf(k->memory, sizeof k->memory, "%.0f GiB", (double)gpu->memory_bytes / (1 << 30));
    snprintf(k->driver, sizeof k->driver, "%d", gpu->driver_version);
    snprintf(k->model, sizeof k->model,
             "%s, %d layers of %d, heads %d/%d of %d, intermediate %d, vocabulary %d",
             cg_arch_name(m->arch), m->n_layers, m->hidden, m->n_heads, m->n_kv_heads, m->head_dim,
             m->intermediate, m->vocab);
    snprintf(k->tokenizer, sizeof k->tokenizer, "%016" PRIx64, e->info.tokenizer_fingerprint);
    snprintf(k->max_length, sizeof k->max_length, "%d", e->info.max_length);
    snprintf(k->step_tokens, sizeof k->step_tokens, "%d", e->info.step_tokens);
    snprintf(k->batch_size, sizeof k->batch_size, "%d", o->batch_size);
    list_plugins(c, k->plugins, sizeof k->plugins);
    add_item(k, "confgen", CG_VERSION_STRING);
    add_item(k, "gpu", gpu->name);
    add_item(k, "memory", k->memory);
    add_item(k, "driver", k->driver);
    add_item(k, "model", k->model);
    add_item(k, "tokenizer", k->tokenizer);
    add_item(k, "constraint", e->constraint->name);
    add_item(k, "dtype", e->info.dtype);
    add_item(k, "geometry", e->info.geometry);
    add_item(k, "deterministic", e->info.deterministic ? "yes" : "no");
    add_item(k, "max_length", k->max_length);
    add_item(k, "step_tokens", k->step_tokens);
    add_item(k, "batch_size", k->batch_size);
    add_item(k, "plugins", k->plugins);
}

static void warn(const struct choice *c, const cg_error *why)
{
    cg_host_log(&c->engine->host.host, CG_LOG_WARNING, "%s", why->msg);
}

/* What is remembered for this worker, as far as its pair still works. */
static int recall(const struct choice *c, const char *path, const struct key *key,
                  cg_tuning *ret_tuning)
{
    cg_error why = CG_ERROR_INIT;
    int found = 0;

    if (!*path)
        return 0;
    if (cg_tuning_load(path, key->items, key->n, ret_tuning, &found, &why) != CG_OK)
        warn(c, &why);
    for (int32_t i = 0; found && i < c->n_pairs; i++)
        if (!strcmp(ret_tuning->attention, c->pairs[i].attention->name) &&
            !strcmp(ret_tuning->kv_cache, c->pairs[i].cache->name))
            return 1;
    return 0;
}

/* ---- choosing ----------------------------------------------------------------------------- */

/* Conformers that one worker will make; 0: not known. */
static int64_t workload_of(const struct choice *c)
{
    int64_t n = c->engine->n_workers;

    return c->options->workload > 0 ? (c->options->workload + n - 1) / n : 0;
}

static int is_few(const struct choice *c)
{
    int64_t n = workload_of(c);

    return n && n < (int64_t)FEW_BATCHES * batches[N_BATCHES - 1];
}

/* Measured now, remembered, or neither: 1 if *ret_tuning holds a choice. */
static int find_tuning(struct choice *c, cg_tuning *ret_tuning, char *ret_source)
{
    int32_t mode = c->options->tuning;
    cg_error why = CG_ERROR_INIT;
    char path[4096] = "";
    struct key key;

    make_key(c, &key);
    if (cg_tuning_path(path, sizeof path, &why) != CG_OK)
        warn(c, &why);
    if (mode != CG_TUNING_ALWAYS && recall(c, path, &key, ret_tuning)) {
        snprintf(ret_source, CG_REASON_TEXT, "remembered in %.900s", path);
        return 1;
    }
    if (mode == CG_TUNING_NEVER || (mode == CG_TUNING_AUTO && is_few(c))) {
        snprintf(ret_source, CG_REASON_TEXT, "not measured: %s",
                 mode == CG_TUNING_NEVER ? "not wanted" : "few conformers are asked for");
        return 0;
    }
    if (measure(c, ret_tuning, &why) != CG_OK) {
        warn(c, &why);
        snprintf(ret_source, CG_REASON_TEXT, "not measured: %s", why.msg);
        return 0;
    }
    snprintf(ret_source, CG_REASON_TEXT, "measured in %.1f s", ret_tuning->seconds);
    if (*path && cg_tuning_store(path, key.items, key.n, ret_tuning, &why) != CG_OK)
        warn(c, &why);
    return 1;
}

static void take_pair(struct choice *c, const char *attention, const char *cache)
{
    for (int32_t i = 0; i < c->n_pairs; i++)
        if (!strcmp(c->pairs[i].attention->name, attention) &&
            !strcmp(c->pairs[i].cache->name, cache)) {
            c->worker->attention = c->pairs[i].attention;
            c->worker->cache = c->pairs[i].cache;
        }
}

/* No more slots than the input has conformers. */
static void cap_batch(struct choice *c, char *reason)
{
    int64_t n = workload_of(c);

    if (c->options->batch_size || !n || n >= c->worker->batch_size)
        return;
    c->worker->batch_size = (int32_t)n;
    snprintf(reason, CG_REASON_TEXT, "auto: all that is asked for%s",
             c->engine->n_workers > 1 ? ", in equal parts" : "");
}

static cg_status choose_by_measurement(struct choice *c, cg_error *err)
{
    const cg_engine_options *o = c->options;
    cg_engine *e = c->engine;
    int first = c->worker == e->workers, known = 0;
    char source[CG_REASON_TEXT] = "", figures[CG_REASON_TEXT - 64], attention[CG_REASON_TEXT],
         kv_cache[CG_REASON_TEXT], batch[CG_REASON_TEXT];
    cg_tuning tuning = { .n_figures = 0 };
    cg_status status = find_pairs(c, o->batch_size ? o->batch_size : GPU_BATCH, err);

    if (status != CG_OK)
        return status;
    c->worker->attention = c->pairs[0].attention;
    c->worker->cache = c->pairs[0].cache;
    c->worker->batch_size = o->batch_size ? o->batch_size : GPU_BATCH;
    if (c->n_pairs > 1 || !o->batch_size)
        known = find_tuning(c, &tuning, source);
    if (known) {
        take_pair(c, tuning.attention, tuning.kv_cache);
        c->worker->batch_size = tuning.batch_size;
        cg_tuning_text(&tuning, figures, sizeof figures);
        snprintf(attention, sizeof attention, "auto: measured: %s", figures);
        snprintf(kv_cache, sizeof kv_cache, "auto: measured with the attention");
        snprintf(batch, sizeof batch,
                 "auto: the smallest within 3 %% of the best that was measured");
        cg_host_log(&e->host.host, CG_LOG_INFO, "%s: %s: %s", c->worker->gpu_info.name, source,
                    figures);
    } else {
        snprintf(attention, sizeof attention, "auto: the default, %.900s", source);
        snprintf(kv_cache, sizeof kv_cache, "%s", attention);
        snprintf(batch, sizeof batch, "%s", attention);
    }
    cap_batch(c, batch);
    if (!first)
        return CG_OK;
    e->tuning = tuning;
    snprintf(e->tuning_source, sizeof e->tuning_source, "%s", source);
    snprintf(e->attention_reason, CG_REASON_TEXT, "%s",
             cg_is_auto(o->attention) ? attention : "asked for");
    snprintf(e->kv_cache_reason, CG_REASON_TEXT, "%s",
             cg_is_auto(o->kv_cache) ? kv_cache : "asked for");
    snprintf(e->batch_reason, CG_REASON_TEXT, "%s", o->batch_size ? "asked for" : batch);
    return CG_OK;
}

/*
 * On the CPU one attention and one cache are best wherever they work. "auto" takes the plain
 * attention where the fast one refuses, and says why.
 */
static cg_status choose_on_cpu(struct choice *c, cg_error *err)
{
    const cg_engine_options *o = c->options;
    cg_engine *e = c->engine;
    cg_worker *w = c->worker;
    const cg_plugin *plain;
    cg_status status =
        cg_registry_find(e->registry, CG_PLUGIN_ATTENTION,
                         cg_is_auto(o->attention) ? "flash" : o->attention, &w->attention, err);

    if (status == CG_OK)
        status = cg_registry_find(e->registry, CG_PLUGIN_CACHE,
                                  cg_is_auto(o->kv_cache) ? "paged" : o->kv_cache, &w->cache, err);
    if (status != CG_OK)
        return status;
    w->batch_size = o->batch_size ? o->batch_size : CG_DEFAULT_BATCH;
    snprintf(e->attention_reason, CG_REASON_TEXT, "%s",
             cg_is_auto(o->attention) ? "auto: vectorised, reads keys and values once"
                                      : "asked for");
    snprintf(e->kv_cache_reason, CG_REASON_TEXT, "%s",
             cg_is_auto(o->kv_cache) ? "auto: shares the prompt, holds only what is used"
                                     : "asked for");
    snprintf(e->batch_reason, CG_REASON_TEXT, "%s",
             o->batch_size ? "asked for" : "auto: fills the matrix products of a CPU");
    status = cg_worker_match(w, w->attention, w->cache, w->batch_size, err);
    if (status == CG_OK || !cg_is_auto(o->attention) ||
        cg_registry_find(e->registry, CG_PLUGIN_ATTENTION, "eager", &plain, NULL) != CG_OK ||
        cg_worker_match(w, plain, w->cache, w->batch_size, NULL) != CG_OK)
        return status;
    w->attention = plain;
    snprintf(e->attention_reason, CG_REASON_TEXT, "auto: %s",
             err ? err->msg : "the fast one refuses");
    return CG_OK;
}

/* An earlier worker on a GPU of the same kind. */
static const cg_worker *twin_of(const cg_engine *e, const cg_worker *w)
{
    for (const cg_worker *v = e->workers; v < w; v++)
        if (v->device == w->device && !strcmp(v->gpu_info.name, w->gpu_info.name) &&
            v->gpu_info.memory_bytes == w->gpu_info.memory_bytes)
            return v;
    return NULL;
}

cg_status cg_select_plugins(cg_engine *e, const cg_engine_options *o, cg_error *err)
{
    for (int32_t i = 0; i < e->n_workers; i++) {
        cg_worker *w = &e->workers[i];
        struct choice c = { .engine = e, .worker = w, .options = o };
        const cg_worker *twin = twin_of(e, w);
        cg_status status = CG_OK;

        if (twin) {
            w->attention = twin->attention;
            w->cache = twin->cache;
            w->batch_size = twin->batch_size;
        } else {
            status = w->device == CG_DEVICE_CUDA || e->hooks.tuning_seconds > 0
                         ? choose_by_measurement(&c, err)
                         : choose_on_cpu(&c, err);
        }
        if (status != CG_OK)
            return status;
    }
    return CG_OK;
}
