/* SPDX-License-Identifier: MIT */
/* Writes the report of a run as JSON. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include <confgen/build_info.h>

#include "commands.h"

static json_t *sampling_json(const cg_sampling *s)
{
    return json_pack("{s:b, s:f, s:i, s:f, s:f}", "greedy", s->greedy, "temperature",
                     (double)s->temperature, "top_k", (int)s->top_k, "top_p", (double)s->top_p,
                     "min_p", (double)s->min_p);
}

/* The GPUs in use, with the tokens that each completed. */
static json_t *gpus_json(const cg_engine_info *info, const cg_report *r)
{
    json_t *list = json_array();

    for (int32_t i = 0; i < info->n_gpus; i++) {
        const cg_engine_gpu *g = &info->gpus[i];
        json_t *o = json_pack("{s:i, s:s, s:s, s:i, s:i, s:I, s:s, s:s, s:i, s:I}", "index",
                              (int)g->index, "name", g->name, "uuid", g->uuid, "compute_capability",
                              (int)g->compute_capability, "driver", (int)g->driver_version,
                              "memory", (json_int_t)g->memory_bytes, "attention", g->attention,
                              "kv_cache", g->kv_cache, "batch_size", (int)g->batch_size,
                              "completion_tokens", (json_int_t)r->executor_tokens[i]);

        json_array_append_new(list, o);
    }
    return list;
}

/* The measurements that selected attention, cache and batch size. */
static json_t *tuning_json(const cg_engine_info *info)
{
    json_t *figures = json_array();

    for (int32_t i = 0; i < info->n_figures; i++) {
        const cg_tuning_figure *f = &info->figures[i];
        json_t *o = json_pack("{s:s, s:s, s:i}", "attention", f->attention, "kv_cache", f->kv_cache,
                              "batch_size", (int)f->batch_size);

        if (*f->refused)
            json_object_set_new(o, "refused", json_string(f->refused));
        else
            json_object_set_new(o, "tokens_per_second", json_real(f->tokens_per_second));
        json_array_append_new(figures, o);
    }
    return json_pack("{s:s, s:o}", "source", info->tuning, "figures", figures);
}

static json_t *engine_json(const cg_engine_info *info, const cg_report *r)
{
    char fingerprint[32];

    snprintf(fingerprint, sizeof fingerprint, "%016llx", (unsigned long long)info->fingerprint);
    return json_pack(
        "{s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:s, s:i, s:i, s:i, "
        "s:I, s:s, s:b, s:s, s:i, s:i, s:o, s:o, s:o}",
        "model", info->model, "architecture", info->architecture, "fingerprint", fingerprint,
        "parameters", (json_int_t)info->parameters, "device", info->device, "attention",
        info->attention, "attention_reason", info->attention_reason, "kv_cache", info->kv_cache,
        "kv_cache_reason", info->kv_cache_reason, "device_reason", info->device_reason,
        "constraint_reason", info->constraint_reason, "constraint", info->constraint, "batch_size",
        (int)info->batch_size, "batch_reason", info->batch_reason, "threads", (int)info->threads,
        "template_workers", (int)info->template_workers, "context", (int)info->max_length, "seed",
        (json_int_t)info->seed, "dtype", info->dtype, "deterministic", info->deterministic,
        "promise", info->promise, "step_tokens", (int)info->step_tokens, "halvings",
        (int)r->halvings, "gpus", gpus_json(info, r), "tuning", tuning_json(info), "sampling",
        sampling_json(&info->sampling));
}

static json_t *counts_json(const cg_report *r)
{
    json_t *molecules =
        json_pack("{s:I, s:I, s:I}", "bad_input", (json_int_t)r->failed_input, "too_large",
                  (json_int_t)r->failed_limit, "unsupported", (json_int_t)r->failed_unsupported);
    json_t *failures =
        json_pack("{s:o, s:I, s:I, s:I, s:I}", "whole_molecules", molecules, "wrong_molecule",
                  (json_int_t)r->wrong_molecules, "parse_failure", (json_int_t)r->parse_failures,
                  "unfinished", (json_int_t)r->unfinished, "invalid_geometry",
                  (json_int_t)r->invalid_geometry);
    json_t *tokens = json_pack("{s:I, s:I, s:I, s:I}", "prompt", (json_int_t)r->prompt_tokens,
                               "completion", (json_int_t)r->tokens, "sampled",
                               (json_int_t)r->sampled, "forced", (json_int_t)r->forced);

    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:I}", "molecules",
                     (json_int_t)r->molecules, "molecules_failed", (json_int_t)r->molecules_failed,
                     "molecules_resumed", (json_int_t)r->molecules_resumed, "requested",
                     (json_int_t)r->requested, "conformers", (json_int_t)r->conformers,
                     "conformers_resumed", (json_int_t)r->conformers_resumed, "failures", failures,
                     "tokens", tokens, "steps", (json_int_t)r->steps);
}

/* Results of --check, named as in the files of confgen eval. */
static json_t *checks_json(const cg_engine_info *info, const cg_report *r)
{
    json_t *tests = json_object();
    const char *name;

    if (!info->check) {
        json_decref(tests);
        return json_null();
    }
    for (int32_t i = 0; i < CG_MAX_CHECKS && (name = cg_check_describe(i, NULL)); i++)
        json_object_set_new(tests, name,
                            json_pack("{s:I, s:I}", "done", (json_int_t)r->check_done[i], "failed",
                                      (json_int_t)r->check_failed[i]));
    return json_pack("{s:I, s:I, s:o, s:i, s:I, s:I}", "checked", (json_int_t)r->checked,
                     "passed_all", (json_int_t)r->passed, "tests", tests, "retry", (int)info->retry,
                     "retried", (json_int_t)r->retried, "fixed_by_retry",
                     (json_int_t)r->fixed_by_retry);
}

/* Results of the geometry tests during generation. */
static json_t *geometry_json(const cg_engine_info *info, const cg_report *r)
{
    json_t *causes = json_object();
    const char *name;
    int64_t atoms = r->geometry_count[0];

    for (int32_t i = 1; i < CG_MAX_CAUSES && (name = cg_fault_describe(i)); i++) {
        json_object_set_new(causes, name, json_integer((json_int_t)r->geometry_count[i]));
        atoms += r->geometry_count[i];
    }
    return json_pack("{s:s, s:I, s:o, s:I, s:I, s:I, s:I, s:I}", "mode", info->geometry, "atoms",
                     (json_int_t)atoms, "faults", causes, "atoms_moved",
                     (json_int_t)r->geometry_moved, "restarts", (json_int_t)r->geometry_restarts,
                     "tokens_discarded", (json_int_t)r->geometry_discarded_tokens,
                     "untested_stereo", (json_int_t)r->geometry_untested_stereo,
                     "untested_molecules", (json_int_t)r->geometry_untested_molecules);
}

static json_t *versions_json(void)
{
    cg_library libraries[32];
    int32_t n = cg_libraries(libraries, 32);
    char abi[16];
    json_t *root;

    snprintf(abi, sizeof abi, "%d.%d", CG_PLUGIN_ABI_MAJOR, CG_PLUGIN_ABI_MINOR);
    root = json_pack("{s:s, s:s}", "confgen", cg_version(), "plugin_abi", abi);

    for (int32_t i = 0; i < n && i < 32; i++)
        json_object_set_new(root, libraries[i].name, json_string(libraries[i].version));
    return root;
}

static double rate(double n, double seconds)
{
    return seconds > 0 ? n / seconds : 0;
}

static json_t *times_json(const cg_report *r)
{
    return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "total", r->seconds, "decode",
                     r->decode_seconds, "matmul", r->matmul_seconds, "attention",
                     r->attention_seconds, "sample", r->sample_seconds, "chemistry",
                     r->chemistry_seconds, "template", r->template_seconds, "record",
                     r->record_seconds);
}

cg_status report_write(const char *path, const cg_engine_info *info, const cg_report *r,
                       cg_status outcome, json_t *messages, cg_error *err)
{
    json_t *root = json_pack(
        "{s:o, s:O, s:s, s:o, s:o, s:o, s:o, s:o, s:{s:f, s:f}, s:{s:I, s:I}, s:{s:I, s:I, s:I, "
        "s:I}}",
        "versions", versions_json(), "messages", messages, "outcome", cg_status_name(outcome),
        "engine", engine_json(info, r), "counts", counts_json(r), "checks", checks_json(info, r),
        "geometry", geometry_json(info, r), "seconds", times_json(r), "rates", "tokens_per_second",
        rate((double)r->tokens, r->seconds), "conformers_per_second",
        rate((double)r->conformers, r->seconds), "token_cache", "hits",
        (json_int_t)r->token_cache_hits, "misses", (json_int_t)r->token_cache_misses, "bytes",
        "peak_memory", (json_int_t)r->peak_bytes, "kv_cache", (json_int_t)r->kv_bytes, "device",
        (json_int_t)r->device_bytes, "written", (json_int_t)r->bytes_written);
    int failed = !root || json_dump_file(root, path, JSON_INDENT(2) | JSON_REAL_PRECISION(9));

    if (failed && err) {
        err->code = CG_ERR_IO;
        snprintf(err->msg, sizeof err->msg, "report '%s': cannot be written: %s", path,
                 root ? strerror(errno) : "a name is not UTF-8, or out of memory");
    }
    json_decref(root);
    return failed ? CG_ERR_IO : CG_OK;
}
