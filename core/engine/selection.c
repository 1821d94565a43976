/* SPDX-License-Identifier: MIT */
#include "engine/selection.h"

#include <confgen/build_info.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "engine/run_shape.h"
#include "engine/tuning_cache.h"

enum {
    GPU_BATCH = 512, /* without a measurement: the matrix products are compute-bound from here on */
    FEW_BATCHES = 2, /* tuning costs about as much as this many runs of the largest batch */
    FEW_EQUAL_BATCHES = 4, /* up to so many batches become equal ones */
    MAX_CANDIDATES = 16,   /* plugins of one kind */
    KEY_TEXT = 512,
};

static const double attempt_seconds = 0.8; /* of a short time: tuning.h */
/* Seconds of a tuning without jobs (--tune auto, in a run that may take half a minute itself) and
 * with them. On the CPU a cache with room for all tokens takes seconds to clear. */
enum { GPU_SHORT_BUDGET = 10, GPU_BUDGET = 60, CPU_BUDGET = 120 };

static const int32_t gpu_batches[] = { 64, 128, 256, 512, 1024, 2048, 4096, 8192 };
static const int32_t cpu_batches[] = { 16, 32, 64, 128, 256 };
enum {
    N_GPU_BATCHES = sizeof gpu_batches / sizeof gpu_batches[0],
    N_CPU_BATCHES = sizeof cpu_batches / sizeof cpu_batches[0],
};

/* Order of preference: the first pair that works is the default. Other plugins follow. */
enum { N_PREFERRED = 3 };
static const char *const preferred_attentions[N_PREFERRED] = { "flash", "cudnn", "eager" };
static const char *const preferred_caches[N_PREFERRED] = { "paged", "static", "dynamic" };

#define REQUESTED "requested"

struct pair {
    const cg_plugin *attention, *cache;
};

struct selector {
    const cg_selection_request *request;
    const cg_engine_options *options; /* of the request */
    const cg_worker *worker;
    struct pair pairs[CG_TUNING_PAIRS]; /* that work on the worker's device */
    cg_tuning_attempt refused[CG_TUNING_PAIRS];
    int32_t n_pairs, n_refused;
    cg_molecule_template molecules[CG_TUNING_WORKS]; /* those that are measured */
    int32_t n_molecules;
};

int cg_is_auto(const char *name)
{
    return !name || !strcmp(name, "auto");
}

static void warn(const struct selector *s, const cg_error *why)
{
    cg_host_log(&s->worker->host.host, CG_LOG_WARNING, "%s", why->msg);
}

/* ---- the pairs that work ------------------------------------------------------------------ */

/* Position of a name in the order of preference; N_PREFERRED for all others. */
static int rank_of(const char *name, const char *const *order)
{
    int i = 0;

    while (i < N_PREFERRED && strcmp(name, order[i]) != 0)
        i++;
    return i;
}

/* Collects candidate plugins of a kind in order of preference; returns the count. */
static int32_t find_candidates(const struct selector *s, cg_plugin_kind kind, const char *name,
                               const char *const *order, const cg_plugin **ret)
{
    const cg_registry_entry *entries;
    int32_t n_entries = cg_registry_entries(s->request->registry, &entries), n = 0;

    for (int rank = 0; rank <= N_PREFERRED; rank++)
        for (int32_t i = 0; i < n_entries && n < MAX_CANDIDATES; i++) {
            const cg_plugin *p = entries[i].plugin;

            if (p->kind == kind && rank_of(p->name, order) == rank &&
                (cg_is_auto(name) || !strcmp(name, p->name)))
                ret[n++] = p;
        }
    return n;
}

/* Keeps the reason why a pair is no candidate. */
static void add_refused(struct selector *s, const cg_plugin *attention, const cg_plugin *cache,
                        int32_t batch_size, const char *why)
{
    cg_tuning_attempt *a = &s->refused[s->n_refused];

    if (s->n_refused == CG_TUNING_PAIRS)
        return;
    s->n_refused++;
    *a = (cg_tuning_attempt) { CG_SIZED(cg_tuning_attempt), .batch_size = batch_size };
    snprintf(a->attention, sizeof a->attention, "%s", attention->name);
    snprintf(a->kv_cache, sizeof a->kv_cache, "%s", cache->name);
    cg_tuning_set_refused(a, why);
}

static cg_status find_pairs(struct selector *s, int32_t batch_size, cg_error *err)
{
    const cg_plugin *attention[MAX_CANDIDATES], *cache[MAX_CANDIDATES];
    int32_t n_attention = find_candidates(s, CG_PLUGIN_ATTENTION, s->options->attention,
                                          preferred_attentions, attention);
    int32_t n_cache =
        find_candidates(s, CG_PLUGIN_CACHE, s->options->kv_cache, preferred_caches, cache);
    char refusals[CG_REASON_TEXT] = "";
    cg_error why = CG_ERROR_INIT;
    cg_status st = CG_ERR_UNSUPPORTED;
    size_t at = 0;

    /* by distance from the default: if time runs out, the pairs that differ in both are left out */
    for (int32_t distance = 0; distance < n_attention + n_cache; distance++)
        for (int32_t i = 0; i <= distance && i < n_attention; i++) {
            int32_t j = distance - i;
            int n;

            if (j >= n_cache)
                continue;
            st = cg_worker_match(s->worker, attention[i], cache[j], batch_size, &why);
            if (st == CG_OK && s->n_pairs < CG_TUNING_PAIRS) {
                s->pairs[s->n_pairs++] = (struct pair) { attention[i], cache[j] };
                continue;
            }
            add_refused(s, attention[i], cache[j], batch_size,
                        st == CG_OK ? "left out: too many pairs" : why.msg);
            n = snprintf(refusals + at, sizeof refusals - at, "%s%s/%s: %s", at ? "; " : "",
                         attention[i]->name, cache[j]->name, why.msg);
            at += n > 0 && (size_t)n < sizeof refusals - at ? (size_t)n : 0;
        }
    if (s->n_pairs)
        return CG_OK;
    if (n_attention * n_cache == 1) /* the only refusal is the reason */
        return cg_fail(err, st, "%s", why.msg);
    return cg_fail(
        err, CG_ERR_UNSUPPORTED,
        "no pair of attention and KV cache plugin supports this model with a KV cache of "
        "%s, wanted another --kv-dtype or plugin: %.600s",
        s->request->kv_dtype, refusals);
}

/* ---- measuring ---------------------------------------------------------------------------- */

/*
 * Refuses an executor on the CPU whose cache holds more than a quarter of the memory before its
 * first token. On a GPU the executor bounds its cache.
 */
static cg_status check_cache_size(const cg_executor *ex, cg_error *err)
{
    cg_cache_stats stats = { CG_SIZED(cg_cache_stats) };
    double memory = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);

    ex->ops->cache_stats(ex, &stats);
    if ((double)stats.bytes_allocated <= memory / 4)
        return CG_OK;
    return cg_fail(err, CG_ERR_NOMEM,
                   "left out: its cache takes %.1f GB, more than a quarter of the memory",
                   (double)stats.bytes_allocated / 1e9);
}

/* cg_tuner.open */
static cg_status open_pair(void *ctx, int32_t pair, int32_t batch_size, cg_executor **ret_executor,
                           cg_error *err)
{
    const struct selector *s = ctx;
    cg_executor *ex = NULL;
    cg_status st;

    CG_TRY(cg_worker_create_executor(s->worker, s->pairs[pair].attention, s->pairs[pair].cache,
                                     batch_size, &ex, err));
    st = s->worker->device == CG_DEVICE_CPU ? check_cache_size(ex, err) : CG_OK;
    if (st != CG_OK)
        ex->ops->destroy(ex);
    else
        *ret_executor = ex;
    return st;
}

/* cg_tuner.now */
static double clock_now(void *ctx)
{
    (void)ctx;
    return cg_now();
}

/* Typical drugs: celecoxib, imatinib, ibuprofen; smaller molecules where sequences are short. */
static cg_status build_molecules(struct selector *s, cg_error *err)
{
    static const char *const smiles[] = {
        "Cc1ccc(cc1)-c1cc(nn1-c1ccc(cc1)S(N)(=O)=O)C(F)(F)F",
        "Cc1ccc(cc1Nc1nccc(n1)-c1cccnc1)NC(=O)c1ccc(cc1)CN1CCN(C)CC1",
        "CC(C)Cc1ccc(cc1)C(C)C(=O)O",
        "CC(=O)Oc1ccccc1C(=O)O",
        "CCO",
    };
    cg_error why = CG_ERROR_INIT;

    for (size_t i = 0; i < sizeof smiles / sizeof smiles[0] && s->n_molecules < CG_TUNING_WORKS;
         i++) {
        cg_status st = cg_molecule_template_build(s->request->builder, smiles[i], strlen(smiles[i]),
                                                  &s->molecules[s->n_molecules], &why);

        if (st == CG_OK)
            s->n_molecules++;
        else if (st != CG_ERR_LIMIT)
            return cg_fail(err, st, "%s", why.msg);
    }
    return s->n_molecules ? CG_OK : cg_fail(err, CG_ERR_LIMIT, "%s", why.msg);
}

static void finish_molecules(struct selector *s)
{
    while (s->n_molecules)
        cg_molecule_template_finish(&s->molecules[--s->n_molecules]);
}

static cg_status measure(struct selector *s, cg_tuning *ret_tuning, cg_error *err)
{
    const cg_engine_options *o = s->options;
    double test_seconds = s->request->cpu_attempt_seconds;
    double seconds = test_seconds > 0 ? test_seconds : attempt_seconds;
    int is_gpu = s->worker->device == CG_DEVICE_CUDA, has_jobs = o->tuning == CG_TUNING_ALWAYS;
    cg_tuning_pair names[CG_TUNING_PAIRS];
    cg_tuner tuner = { .pairs = names,
                       .n_pairs = s->n_pairs,
                       .batches = o->batch_size ? &o->batch_size
                                  : is_gpu      ? gpu_batches
                                                : cpu_batches,
                       .n_batches = o->batch_size ? 1
                                    : is_gpu      ? N_GPU_BATCHES
                                                  : N_CPU_BATCHES,
                       .left_out = s->refused,
                       .n_left_out = s->n_refused,
                       .device = s->worker->device,
                       .seconds = seconds,
                       .budget = !is_gpu    ? CPU_BUDGET
                                 : has_jobs ? GPU_BUDGET
                                            : GPU_SHORT_BUDGET,
                       .has_jobs = has_jobs,
                       .ctx = s,
                       .open = open_pair,
                       .now = clock_now };
    char name[32];
    cg_status st;

    CG_TRY_GOTO(st, build_molecules(s, err), out);
    for (int32_t i = 0; i < s->n_pairs; i++)
        names[i] = (cg_tuning_pair) { s->pairs[i].attention->name, s->pairs[i].cache->name };
    tuner.n_works = s->n_molecules;
    for (int32_t i = 0; i < s->n_molecules; i++)
        tuner.works[i] = (cg_work) { .prompt = s->molecules[i].prompt,
                                     .n_prompt = s->molecules[i].n_prompt,
                                     .program = s->molecules[i].program,
                                     .geometry = s->molecules[i].geometry,
                                     .molecule = (uint64_t)i };
    cg_host_log(
        &s->worker->host.host, CG_LOG_INFO,
        "%s: measuring attention, KV cache and batch size, which takes about %.0f s at most%s",
        cg_worker_name(s->worker, name, sizeof name), tuner.budget,
        is_gpu ? " and is remembered" : "");
    st = cg_tune(&tuner, ret_tuning, err);
out:
    finish_molecules(s);
    return st;
}

/* ---- remembered tunings ------------------------------------------------------------------- */

/* Everything that the speed depends on. */
struct key {
    char memory[32], driver[32], model[KEY_TEXT], max_length[32], step_tokens[32],
        prompt_step_tokens[32], batch_size[32], tokenizer[32], plugins[KEY_TEXT];
    cg_tuning_item items[20];
    size_t n;
};

static void add_item(struct key *k, const char *key, const char *value)
{
    k->items[k->n++] = (cg_tuning_item) { key, value };
}

/* The plugins that were candidates, with their versions. */
static void list_plugins(const struct selector *s, char *ret, size_t cap)
{
    size_t at = 0;

    for (int32_t i = 0; i < s->n_pairs && at < cap; i++)
        at += (size_t)snprintf(ret + at, cap - at, "%s%s %s over %s %s", i ? ", " : "",
                               s->pairs[i].attention->name, s->pairs[i].attention->version,
                               s->pairs[i].cache->name, s->pairs[i].cache->version);
}

static void make_key(const struct selector *s, struct key *k)
{
    const cg_selection_request *r = s->request;
    const cg_executor_config *c = &s->worker->prototype->config;
    const cg_model_config *m = &c->model->config;
    const cg_gpu_info *gpu = &s->worker->gpu_info;

    k->n = 0;
    snprintf(k->memory, sizeof k->memory, "%.0f GiB", (double)gpu->memory_bytes / (1 << 30));
    snprintf(k->driver, sizeof k->driver, "%d", gpu->driver_version);
    snprintf(k->model, sizeof k->model,
             "%s, %d layers of %d, heads %d/%d of %d, intermediate %d, vocabulary %d",
             cg_arch_name(m->arch), m->n_layers, m->hidden, m->n_heads, m->n_kv_heads, m->head_dim,
             m->intermediate, m->vocab);
    snprintf(k->tokenizer, sizeof k->tokenizer, "%016" PRIx64, r->tokenizer_fingerprint);
    snprintf(k->max_length, sizeof k->max_length, "%d", c->max_len);
    snprintf(k->step_tokens, sizeof k->step_tokens, "%d", c->step_tokens);
    snprintf(k->prompt_step_tokens, sizeof k->prompt_step_tokens, "%d", c->prompt_step_tokens);
    snprintf(k->batch_size, sizeof k->batch_size, "%d", s->options->batch_size);
    list_plugins(s, k->plugins, sizeof k->plugins);
    add_item(k, "confgen", CG_VERSION_STRING);
    add_item(k, "gpu", gpu->name);
    add_item(k, "memory", k->memory);
    add_item(k, "driver", k->driver);
    add_item(k, "model", k->model);
    add_item(k, "tokenizer", k->tokenizer);
    add_item(k, "constraint", r->constraint);
    add_item(k, "dtype", r->dtype);
    add_item(k, "kv_dtype", r->kv_dtype);
    add_item(k, "geometry", r->geometry);
    add_item(k, "deterministic", c->deterministic ? "yes" : "no");
    add_item(k, "max_length", k->max_length);
    add_item(k, "step_tokens", k->step_tokens);
    add_item(k, "prompt_step_tokens", k->prompt_step_tokens);
    add_item(k, "batch_size", k->batch_size);
    add_item(k, "plugins", k->plugins);
}

/* The candidate that a tuning selects; NULL if there is none. */
static const struct pair *find_pair(const struct selector *s, const cg_tuning *tuning)
{
    for (int32_t i = 0; i < s->n_pairs; i++)
        if (!strcmp(s->pairs[i].attention->name, tuning->attention) &&
            !strcmp(s->pairs[i].cache->name, tuning->kv_cache))
            return &s->pairs[i];
    return NULL;
}

/* Whether a tuning was found whose pair is a candidate; another one is dropped. */
static int keep_candidate(const struct selector *s, int found, cg_tuning *tuning)
{
    if (found && find_pair(s, tuning))
        return 1;
    *tuning = (cg_tuning) { .n_attempts = 0 };
    return 0;
}

/* Loads the tuning stored under `key`; 0 if there is none, or if its pair no longer works. */
static int recall(const struct selector *s, const char *path, const struct key *key,
                  cg_tuning *ret_tuning)
{
    cg_error why = CG_ERROR_INIT;
    int found = 0;

    if (!*path)
        return 0;
    if (cg_tuning_load(path, key->items, key->n, ret_tuning, &found, &why) != CG_OK)
        warn(s, &why);
    return keep_candidate(s, found, ret_tuning);
}

/* As recall(), of the tunings shipped with confgen; writes their path to ret_path [PATH_MAX]. */
static int recall_shipped(const struct selector *s, const struct key *key, cg_tuning *ret_tuning,
                          char *ret_path)
{
    cg_error why = CG_ERROR_INIT;
    int found = 0;

    if (cg_data_path("tunings.json", ret_path, PATH_MAX, NULL) != CG_OK)
        return 0; /* an installation without data */
    if (cg_tuning_load_shipped(ret_path, key->items, key->n, ret_tuning, &found, &why) != CG_OK)
        warn(s, &why);
    return keep_candidate(s, found, ret_tuning);
}

/* ---- selecting ---------------------------------------------------------------------------- */

/* Conformers that this worker will generate; 0: unknown. */
static int64_t workload_of(const struct selector *s)
{
    int64_t n = s->request->n_workers;

    return s->options->workload > 0 ? (s->options->workload + n - 1) / n : 0;
}

static int is_small_workload(const struct selector *s)
{
    int64_t n = workload_of(s);

    return n && n < (int64_t)FEW_BATCHES * gpu_batches[N_GPU_BATCHES - 1];
}

/*
 * A tuning of the CPU, which only --tune always makes, is not remembered: the conformers of other
 * runs there depend on no file. Tests measure the CPU in place of a GPU.
 */
static int is_remembered(const struct selector *s)
{
    return s->worker->device == CG_DEVICE_CUDA || s->request->cpu_attempt_seconds > 0;
}

/*
 * Recalls a tuning of this machine, else takes a shipped one, else measures; returns 0 if there is
 * none. Writes to ret_source [CG_REASON_TEXT] the origin of the tuning, or why there is none.
 */
static int find_tuning(struct selector *s, cg_tuning *ret_tuning, char *ret_source)
{
    int32_t mode = s->options->tuning;
    cg_error why = CG_ERROR_INIT;
    char path[PATH_MAX] = "", shipped[PATH_MAX];
    struct key key;

    make_key(s, &key);
    if (is_remembered(s) && cg_tuning_path(path, sizeof path, &why) != CG_OK)
        warn(s, &why);
    if (mode != CG_TUNING_ALWAYS && recall(s, path, &key, ret_tuning)) {
        snprintf(ret_source, CG_REASON_TEXT, "remembered in %.900s", path);
        return 1;
    }
    if (mode != CG_TUNING_ALWAYS && is_remembered(s) &&
        recall_shipped(s, &key, ret_tuning, shipped)) {
        snprintf(ret_source, CG_REASON_TEXT, "shipped in %.900s", shipped);
        return 1;
    }
    if (mode == CG_TUNING_NEVER) {
        snprintf(ret_source, CG_REASON_TEXT, "auto-tuning disabled (--tune never)");
        return 0;
    }
    if (mode == CG_TUNING_AUTO && is_small_workload(s)) {
        snprintf(ret_source, CG_REASON_TEXT, "not measured: too few conformers are requested");
        return 0;
    }
    if (measure(s, ret_tuning, &why) != CG_OK) {
        warn(s, &why);
        snprintf(ret_source, CG_REASON_TEXT, "not measured: %s", why.msg);
        return 0;
    }
    snprintf(ret_source, CG_REASON_TEXT, "measured in %.1f s", ret_tuning->seconds);
    if (*path && cg_tuning_store(path, key.items, key.n, ret_tuning, &why) != CG_OK)
        warn(s, &why);
    return 1;
}

/*
 * Limits an automatic batch size to the number of requested conformers. Few batches become equal
 * ones: the products of a batch whose slots are not all used take as long as those of a full one.
 */
static void cap_batch(const struct selector *s, cg_selection *sel)
{
    const int64_t n = workload_of(s), n_batches = (n + sel->batch_size - 1) / sel->batch_size;
    const char *equal_parts = s->request->n_workers > 1 ? ", in equal parts" : "";

    if (s->options->batch_size || !n || n_batches > FEW_EQUAL_BATCHES)
        return;
    sel->batch_size = (int32_t)((n + n_batches - 1) / n_batches);
    if (n_batches == 1)
        snprintf(sel->batch_reason, CG_REASON_TEXT, "auto: all requested conformers%s",
                 equal_parts);
    else
        snprintf(sel->batch_reason, CG_REASON_TEXT,
                 "auto: the requested conformers%s, in %d equal batches", equal_parts,
                 (int)n_batches);
}

static void use_tuning(const struct selector *s, cg_selection *sel)
{
    const struct pair *pair = find_pair(s, &sel->tuning);
    char attempts[CG_REASON_TEXT - 64], name[32];

    sel->attention = pair->attention;
    sel->cache = pair->cache;
    sel->batch_size = s->options->batch_size ? s->options->batch_size : sel->tuning.batch_size;
    cg_tuning_text(&sel->tuning, attempts, sizeof attempts);
    snprintf(sel->attention_reason, CG_REASON_TEXT, "auto: measured: %s", attempts);
    snprintf(sel->kv_cache_reason, CG_REASON_TEXT, "auto: measured with the attention");
    snprintf(sel->batch_reason, CG_REASON_TEXT, "auto: the smallest within 3 %% of the best");
    cg_host_log(&s->worker->host.host, CG_LOG_INFO, "%s: %s: %s",
                cg_worker_name(s->worker, name, sizeof name), sel->tuning_source, attempts);
}

/* Without a measurement. */
static int32_t default_batch(const struct selector *s)
{
    return is_remembered(s) ? GPU_BATCH : CG_DEFAULT_BATCH;
}

static void use_default_pair(const struct selector *s, cg_selection *sel)
{
    sel->attention = s->pairs[0].attention;
    sel->cache = s->pairs[0].cache;
    sel->batch_size = s->options->batch_size ? s->options->batch_size : default_batch(s);
    snprintf(sel->attention_reason, CG_REASON_TEXT, "auto: the default, %.900s",
             sel->tuning_source);
    memcpy(sel->kv_cache_reason, sel->attention_reason, CG_REASON_TEXT);
    memcpy(sel->batch_reason, sel->attention_reason, CG_REASON_TEXT);
}

static void mark_plugin(const char *name, const cg_plugin_alias *alias, char *ret_reason)
{
    if (cg_is_auto(name))
        return;
    if (alias)
        snprintf(ret_reason, CG_REASON_TEXT, REQUESTED " as '%s'", alias->name);
    else
        snprintf(ret_reason, CG_REASON_TEXT, REQUESTED);
}

/* Options that the user set have no other reason. */
static void mark_requested(const struct selector *s, cg_selection *sel)
{
    const cg_engine_options *o = s->options;

    mark_plugin(o->attention, s->request->attention_alias, sel->attention_reason);
    mark_plugin(o->kv_cache, s->request->kv_cache_alias, sel->kv_cache_reason);
    if (o->batch_size)
        snprintf(sel->batch_reason, CG_REASON_TEXT, REQUESTED);
}

static cg_status select_by_measurement(struct selector *s, cg_selection *sel, cg_error *err)
{
    int32_t batch_size = s->options->batch_size;
    int is_tuned = 0;

    CG_TRY(find_pairs(s, batch_size ? batch_size : default_batch(s), err));
    if (s->n_pairs > 1 || !batch_size)
        is_tuned = find_tuning(s, &sel->tuning, sel->tuning_source);
    if (is_tuned)
        use_tuning(s, sel);
    else
        use_default_pair(s, sel);
    cap_batch(s, sel);
    mark_requested(s, sel);
    return CG_OK;
}

/*
 * On the CPU one attention and one cache are the fastest wherever they work, unless --tune always
 * finds others. If the fast attention refuses, "auto" selects the plain one, with that reason.
 */
static cg_status select_by_rule(struct selector *s, cg_selection *sel, cg_error *err)
{
    const cg_engine_options *o = s->options;
    const cg_registry *registry = s->request->registry;
    const cg_plugin *plain;
    cg_error why = CG_ERROR_INIT;
    cg_status st;

    CG_TRY(cg_registry_find(registry, CG_PLUGIN_ATTENTION,
                            cg_is_auto(o->attention) ? "flash" : o->attention, &sel->attention,
                            err));
    CG_TRY(cg_registry_find(registry, CG_PLUGIN_CACHE,
                            cg_is_auto(o->kv_cache) ? "paged" : o->kv_cache, &sel->cache, err));
    sel->batch_size = o->batch_size ? o->batch_size : CG_DEFAULT_BATCH;
    snprintf(sel->attention_reason, CG_REASON_TEXT, "auto: vectorised, reads keys and values once");
    snprintf(sel->kv_cache_reason, CG_REASON_TEXT,
             "auto: shares the prompt, holds only what is used");
    snprintf(sel->batch_reason, CG_REASON_TEXT, "auto: fills the matrix products of a CPU");
    mark_requested(s, sel);
    st = cg_worker_match(s->worker, sel->attention, sel->cache, sel->batch_size, &why);
    if (st == CG_OK)
        return CG_OK;
    if (!cg_is_auto(o->attention) ||
        cg_registry_find(registry, CG_PLUGIN_ATTENTION, "eager", &plain, NULL) != CG_OK ||
        cg_worker_match(s->worker, plain, sel->cache, sel->batch_size, NULL) != CG_OK)
        return cg_fail(err, st, "%s", why.msg);
    sel->attention = plain;
    snprintf(sel->attention_reason, CG_REASON_TEXT, "auto: %s", why.msg);
    return CG_OK;
}

cg_status cg_select(const cg_selection_request *request, const cg_worker *worker,
                    cg_selection *ret_selection, cg_error *err)
{
    struct selector s = { .request = request, .options = request->options, .worker = worker };
    cg_selection selection = { .batch_size = 0 };

    CG_TRY(is_remembered(&s) || s.options->tuning == CG_TUNING_ALWAYS
               ? select_by_measurement(&s, &selection, err)
               : select_by_rule(&s, &selection, err));
    *ret_selection = selection;
    return CG_OK;
}
