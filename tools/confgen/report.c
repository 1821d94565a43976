/* SPDX-License-Identifier: MIT */
/* Writes the report of a run as JSON. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include <confgen/build_info.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "commands.h"

enum { MAX_REPORT = 64 << 20 }; /* bytes of a report that is to be replaced */

json_t *sampling_json(const cg_sampling *s)
{
    return json_pack("{s:b, s:f, s:i, s:f, s:f}", "greedy", s->greedy, "temperature",
                     s->temperature, "top_k", (int)s->top_k, "top_p", s->top_p, "min_p", s->min_p);
}

json_t *sampling_sources_json(const cg_sampling_sources *from)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s}", "greedy", cg_sampling_source_name(from->greedy),
                     "temperature", cg_sampling_source_name(from->temperature), "top_k",
                     cg_sampling_source_name(from->top_k), "top_p",
                     cg_sampling_source_name(from->top_p), "min_p",
                     cg_sampling_source_name(from->min_p));
}

/* The GPUs in use, with the tokens that each completed. */
static json_t *gpus_json(const cg_engine *engine, const cg_report *r)
{
    cg_engine_gpu g = { CG_SIZED(cg_engine_gpu) };
    json_t *list = json_array();

    for (int32_t i = 0; cg_engine_get_gpu(engine, i, &g); i++) {
        json_t *o =
            json_pack("{s:i, s:o, s:o, s:i, s:i, s:I, s:s, s:s, s:i, s:I}", "index", (int)g.index,
                      "name", cg_json_text(g.name), "uuid", cg_json_text(g.uuid),
                      "compute_capability", (int)g.compute_capability, "driver",
                      (int)g.driver_version, "memory", (json_int_t)g.memory_bytes, "attention",
                      g.attention, "kv_cache", g.kv_cache, "batch_size", (int)g.batch_size,
                      "completion_tokens", (json_int_t)r->executor_tokens[i]);

        json_array_append_new(list, o);
    }
    return list;
}

/* The plugins in use. */
static json_t *plugins_json(const cg_engine *engine)
{
    cg_engine_plugin p = { CG_SIZED(cg_engine_plugin) };
    json_t *list = json_array();

    for (int32_t i = 0; cg_engine_get_plugin(engine, i, &p); i++) {
        char hash[32], abi[32];
        json_t *o;

        snprintf(hash, sizeof hash, "%016llx", (unsigned long long)p.hash);
        snprintf(abi, sizeof abi, "%d.%d", p.abi_major, p.abi_minor);
        o = json_pack("{s:s, s:s, s:o, s:o, s:s, s:s, s:b}", "kind", p.kind, "name", p.name,
                      "version", cg_json_text(p.version), "path", cg_json_text(p.path), "abi", abi,
                      "hash", hash, "own", p.is_own);
        if (p.hides)
            json_object_set_new(o, "hides", cg_json_text(p.hides));
        json_array_append_new(list, o);
    }
    return list;
}

/* The measurements that selected attention, cache and batch size. */
static json_t *tuning_json(const cg_engine *engine)
{
    cg_tuning_attempt f = { CG_SIZED(cg_tuning_attempt) };
    json_t *figures = json_array();

    for (int32_t i = 0; cg_engine_get_attempt(engine, i, &f); i++) {
        json_t *o = json_pack("{s:s, s:s, s:i}", "attention", f.attention, "kv_cache", f.kv_cache,
                              "batch_size", (int)f.batch_size);

        if (*f.refused)
            json_object_set_new(o, "refused", cg_json_text(f.refused));
        else {
            json_object_set_new(o, "tokens_per_second", json_real(f.tokens_per_second));
            json_object_set_new(o, "conformers", json_integer(f.n_conformers));
        }
        json_array_append_new(figures, o);
    }
    return json_pack("{s:o, s:o}", "source", cg_json_text(cg_engine_get_info(engine)->tuning),
                     "figures", figures);
}

static json_t *engine_json(const cg_engine *engine, const cg_report *r)
{
    const cg_engine_info *info = cg_engine_get_info(engine);
    char fingerprint[32];

    snprintf(fingerprint, sizeof fingerprint, "%016llx", (unsigned long long)info->fingerprint);
    return json_pack(
        "{s:o, s:s, s:s, s:I, s:s, s:s, s:o, s:s, s:o, s:o, s:o, s:s, s:o, s:o, s:i, s:o, s:i, "
        "s:i, s:i, "
        "s:I, s:s, s:o, s:s, s:i, s:b, s:s, s:i, s:i, s:o, s:o, s:o, s:o, s:o}",
        "model", cg_json_text(info->model), "architecture", info->architecture, "fingerprint",
        fingerprint, "parameters", (json_int_t)info->parameters, "device", info->device,
        "attention", info->attention, "attention_reason", cg_json_text(info->attention_reason),
        "kv_cache", info->kv_cache, "kv_cache_reason", cg_json_text(info->kv_cache_reason),
        "device_reason", cg_json_text(info->device_reason), "constraint_reason",
        cg_json_text(info->constraint_reason), "constraint", info->constraint, "text_format",
        cg_json_text(info->text_format), "text_format_reason",
        cg_json_text(info->text_format_reason), "batch_size", (int)info->batch_size, "batch_reason",
        cg_json_text(info->batch_reason), "threads", (int)info->threads, "template_workers",
        (int)info->template_workers, "context", (int)info->max_length, "seed",
        (json_int_t)info->seed, "dtype", info->dtype, "dtype_reason",
        cg_json_text(info->dtype_reason), "kv_dtype", info->kv_dtype, "kv_token_bytes",
        (int)info->kv_token_bytes, "deterministic", info->deterministic, "reproducibility",
        info->reproducibility, "step_tokens", (int)info->step_tokens, "prompt_step_tokens",
        (int)info->prompt_step_tokens, "gpus", gpus_json(engine, r), "tuning", tuning_json(engine),
        "sampling", sampling_json(info->sampling), "sampling_sources",
        sampling_sources_json(info->sampling_from), "plugins", plugins_json(engine));
}

/* ---- counters ----------------------------------------------------------------------------- */

static json_t *counter_json(const cg_report *r, const cg_report_counter *c, int32_t i)
{
    const char *at = (const char *)r + c->offset;

    switch (c->type) {
    case CG_COUNTER_INT32:
        return json_integer(((const int32_t *)at)[i]);
    case CG_COUNTER_INT64:
        return json_integer((json_int_t)((const int64_t *)at)[i]);
    default:
        return json_real(((const double *)at)[i]);
    }
}

/* Sets the member of a path such as "counts.tokens.sampled", with `label` for '*'. */
static void set_path(json_t *root, const char *path, const char *label, json_t *value)
{
    char key[64];
    const char *dot;

    for (; (dot = strchr(path, '.')) != NULL; path = dot + 1) {
        json_t *next;

        snprintf(key, sizeof key, "%.*s", (int)(dot - path), path);
        next = json_object_get(root, *key == '*' ? label : key);
        if (!next) {
            next = json_object();
            json_object_set_new(root, *key == '*' ? label : key, next);
        }
        root = next;
    }
    json_object_set_new(root, *path == '*' ? label : path, value);
}

/* All counters of the table that have a place in the report. */
static void set_counters(json_t *root, const cg_report *r)
{
    const cg_report_counter *c;

    for (int32_t k = 0; (c = cg_report_describe(k)) != NULL; k++) {
        const char *label = NULL;

        for (int32_t i = c->first; c->json_path && i < c->n; i++)
            if (!c->label || (label = c->label(i)) != NULL)
                set_path(root, c->json_path, label, counter_json(r, c, i));
    }
}

static int64_t count_atoms(const cg_report *r)
{
    int64_t n = 0;

    for (int32_t i = 0; i < CG_MAX_CAUSES; i++)
        n += r->geometry_count[i];
    return n;
}

static json_t *versions_json(void)
{
    cg_library library = { CG_SIZED(cg_library) };
    char abi[16];
    json_t *root;

    snprintf(abi, sizeof abi, "%d.%d", CG_PLUGIN_ABI_MAJOR, CG_PLUGIN_ABI_MINOR);
    root = json_pack("{s:s, s:s}", "confgen", cg_version(), "plugin_abi", abi);

    for (int32_t i = 0; cg_library_get(i, &library); i++)
        json_object_set_new(root, library.name, cg_json_text(library.version));
    return root;
}

static double rate(double n, double seconds)
{
    return seconds > 0 ? n / seconds : 0;
}

/* Objects are created in the order of the file. */
static json_t *make_report(const cg_engine *engine, const cg_report *r, cg_status outcome,
                           json_t *messages, json_t *warnings)
{
    const cg_engine_info *info = cg_engine_get_info(engine);
    json_t *root =
        json_pack("{s:o, s:O, s:O, s:s, s:o, s:{}, s:{}, s:{s:s, s:I}, s:{}, s:{s:f, s:f}}",
                  "versions", versions_json(), "messages", messages, "warnings", warnings,
                  "outcome", cg_status_name(outcome), "engine", engine_json(engine, r), "counts",
                  "checks", "geometry", "mode", info->geometry, "atoms", (json_int_t)count_atoms(r),
                  "seconds", "rates", "tokens_per_second", rate((double)r->tokens, r->seconds),
                  "conformers_per_second", rate((double)r->conformers, r->seconds));

    if (!root)
        return NULL;
    set_counters(root, r);
    if (info->check)
        set_path(root, "checks.retry", NULL, json_integer(info->retry));
    else
        json_object_set_new(root, "checks", json_null());
    return root;
}

/* Refuses an existing file that no run wrote; an empty one was reserved by a run that was killed.
 */
static cg_status check_is_report(const char *path, cg_error *err)
{
    cg_bytes bytes = { 0 };
    json_t *root = NULL;
    cg_status st;

    CG_TRY_GOTO(st, cg_file_read(path, MAX_REPORT, &bytes, err), out);
    if (!bytes.len)
        goto out;
    if (cg_json_parse(path, bytes.data, bytes.len, &root, NULL) != CG_OK ||
        !json_is_string(json_object_get(json_object_get(root, "versions"), "confgen")))
        st = cg_fail(err, CG_ERR_USAGE,
                     "'%s' exists and is no report of confgen, wanted the report of the "
                     "run to resume, or a new file",
                     path);
out:
    json_decref(root);
    cg_bytes_release(&bytes);
    return st;
}

cg_status report_open(const cg_run_options *run, cg_append_file *ret_file, cg_error *err)
{
    cg_status st;

    if (!run->report)
        return CG_OK;
    CG_TRY_GOTO(st, cg_append_file_open(ret_file, run->report, run->resume || run->overwrite, err),
                failed);
    if (run->resume && ret_file->regular)
        CG_TRY_GOTO(st, check_is_report(run->report, err), failed);
    return CG_OK;
failed:
    cg_append_file_discard(ret_file);
    return cg_fail_prefix(err, st, "report");
}

cg_status report_write(cg_append_file *file, const cg_engine *engine, const cg_report *r,
                       cg_status outcome, json_t *messages, json_t *warnings, cg_error *err)
{
    json_t *root = make_report(engine, r, outcome, messages, warnings);
    char *text = root ? json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) : NULL;
    cg_status st = CG_OK;

    if (!text) {
        st = cg_fail_nomem(err, file->name);
        goto out;
    }
    CG_TRY_GOTO(st, cg_append_file_truncate(file, 0, err), out);
    st = cg_append_file_write(file, text, strlen(text), err);
out:
    free(text);
    json_decref(root);
    return st == CG_OK ? st : cg_fail_prefix(err, st, "report");
}
