/* SPDX-License-Identifier: MIT */
/* The plugins of this machine, for applications: confgen/plugins.h. */
#include <confgen/gpu.h>
#include <confgen/plugins.h>

#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/error.h"
#include "base/pool.h"
#include "engine/device_request.h"
#include "engine/paths.h"
#include "engine/run_shape.h"
#include "model/config_files.h"
#include "plugin/host.h"
#include "plugin/loader.h"
#include "plugin/pairing.h"
#include "plugin/registry.h"

struct cg_plugin_set {
    cg_team *team;
    cg_plugin_host host;
    cg_registry *registry;
    cg_loaded_plugin *loaded;   /* [n_loaded] the registry's entries */
    cg_refused_plugin *refused; /* [n_refused] the registry's refusals */
    int32_t n_loaded, n_refused;
    /** Of the last match. */
    struct {
        cg_pairing *pairings;  /* [n] */
        cg_plugin_pair *pairs; /* [n] the same for the application */
        int32_t n;
        cg_error no_gpu; /* code != CG_OK: why the GPU cannot be used */
    } match;
};

/* ---- opening ------------------------------------------------------------------------------ */

static cg_status open_registry(cg_plugin_set *s, const cg_plugin_set_options *o, cg_error *err)
{
    const cg_host *host = &s->host.host;

    if (!o->files_only)
        return cg_registry_open(host, o->files, o->n_files, &s->registry, err);
    CG_TRY(cg_registry_create(host, &s->registry, err));
    for (int32_t i = 0; i < o->n_files; i++)
        CG_TRY(cg_registry_add_file(s->registry, o->files[i], err));
    return CG_OK;
}

/* Converts the registry's lists to those of the public header. */
static cg_status fill_lists(cg_plugin_set *s, cg_error *err)
{
    const cg_registry_entry *entries;
    const cg_registry_refusal *refusals;

    s->n_loaded = cg_registry_entries(s->registry, &entries);
    s->n_refused = cg_registry_refusals(s->registry, &refusals);
    s->loaded = calloc((size_t)s->n_loaded + 1, sizeof *s->loaded);
    s->refused = calloc((size_t)s->n_refused + 1, sizeof *s->refused);
    if (!s->loaded || !s->refused)
        return cg_fail_nomem(err, "plugins");
    for (int32_t i = 0; i < s->n_loaded; i++)
        s->loaded[i] = (cg_loaded_plugin) {
            CG_SIZED(cg_loaded_plugin),
            .plugin = entries[i].plugin,
            .kind = cg_plugin_kind_name(entries[i].plugin->kind),
            .path = entries[i].path,
        };
    for (int32_t i = 0; i < s->n_refused; i++)
        s->refused[i] = (cg_refused_plugin) {
            CG_SIZED(cg_refused_plugin),
            .path = refusals[i].path,
            .reason = refusals[i].text,
        };
    return CG_OK;
}

static cg_status open_parts(cg_plugin_set *s, const cg_plugin_set_options *o, cg_error *err)
{
    CG_TRY(cg_team_create(o->threads > 0 ? o->threads : cg_cpu_count(), &s->team, err));
    cg_plugin_host_init(&s->host, s->team, o->log, o->log_ctx, CG_LOG_INFO);
    CG_TRY(open_registry(s, o, err));
    return fill_lists(s, err);
}

cg_status cg_plugin_set_open(const cg_plugin_set_options *o, cg_plugin_set **ret_set, cg_error *err)
{
    cg_plugin_set *s = calloc(1, sizeof *s);
    cg_status st;

    if (!s)
        return cg_fail_nomem(err, "plugins");
    st = open_parts(s, o, err);
    if (st != CG_OK) {
        cg_plugin_set_close(s);
        return st;
    }
    *ret_set = s;
    return CG_OK;
}

static void free_match(cg_plugin_set *s)
{
    cg_pairing_matrix_free(s->match.pairings, s->match.n);
    free(s->match.pairs);
    s->match.pairings = NULL;
    s->match.pairs = NULL;
    s->match.n = 0;
}

void cg_plugin_set_close(cg_plugin_set *s)
{
    if (!s)
        return;
    free_match(s);
    free(s->loaded);
    free(s->refused);
    cg_registry_destroy(s->registry);
    cg_team_destroy(s->team);
    free(s);
}

/* ---- listing ------------------------------------------------------------------------------ */

const cg_host *cg_plugin_set_host(const cg_plugin_set *s)
{
    return &s->host.host;
}

int32_t cg_plugin_set_loaded(const cg_plugin_set *s, const cg_loaded_plugin **ret_plugins)
{
    *ret_plugins = s->loaded;
    return s->n_loaded;
}

int32_t cg_plugin_set_refused(const cg_plugin_set *s, const cg_refused_plugin **ret_refused)
{
    *ret_refused = s->refused;
    return s->n_refused;
}

int32_t cg_plugin_set_dirs(const cg_plugin_set *s, const char *const **ret_dirs)
{
    return cg_registry_dirs(s->registry, ret_dirs);
}

cg_status cg_plugin_set_find(const cg_plugin_set *s, cg_plugin_kind kind, const char *name,
                             const cg_plugin **ret_plugin, cg_error *err)
{
    return cg_registry_find(s->registry, kind, name, ret_plugin, err);
}

/* ---- matching ----------------------------------------------------------------------------- */

static cg_status read_config(const cg_match_options *o, cg_model_config *ret_config, cg_error *err)
{
    char *dir;
    cg_status st;

    if (o->shape && o->model)
        return cg_fail(err, CG_ERR_USAGE, "a model '%s' and a shape '%s': wanted one of them",
                       o->model, o->shape);
    if (o->shape)
        return cg_model_config_named(o->shape, ret_config, err);
    if (o->model)
        return cg_model_config_read(o->model, ret_config, err);
    CG_TRY(cg_default_model_dir(&dir, err));
    st = cg_model_config_read(dir, ret_config, err);
    free(dir);
    return st;
}

static cg_status parse_device(const char *text, cg_device *ret_device, int32_t *ret_gpu,
                              cg_error *err)
{
    cg_device_request request;

    if (cg_device_parse(text, &request, NULL) != CG_OK || request.kind == CG_REQUEST_AUTO ||
        request.all || request.n > 1)
        return cg_fail(err, CG_ERR_USAGE, "device '%s': wanted cpu, cuda or cuda:I", text);
    *ret_device = request.kind == CG_REQUEST_CUDA ? CG_DEVICE_CUDA : CG_DEVICE_CPU;
    *ret_gpu = request.n ? request.gpus[0] : 0;
    return CG_OK;
}

/* 10 * major + minor; 0 and the reason if this GPU cannot be opened. */
static int32_t compute_capability_of(int32_t gpu, cg_error *ret_reason)
{
    cg_gpu_info info = { CG_SIZED(cg_gpu_info) };
    cg_gpu *open = NULL;

    if (cg_gpu_open(gpu, &open, ret_reason) != CG_OK)
        return 0;
    cg_gpu_get_info(open, &info);
    cg_gpu_close(open);
    return info.compute_capability;
}

/* Converts the pairings to the public struct; without a GPU, CUDA refuses all of them. */
static cg_status fill_pairs(cg_plugin_set *s, cg_error *err)
{
    int has_device = s->match.no_gpu.code == CG_OK;

    s->match.pairs = calloc((size_t)s->match.n + 1, sizeof *s->match.pairs);
    if (!s->match.pairs)
        return cg_fail_nomem(err, "plugins");
    for (int32_t i = 0; i < s->match.n; i++) {
        const cg_pairing *p = &s->match.pairings[i];

        s->match.pairs[i] = (cg_plugin_pair) {
            CG_SIZED(cg_plugin_pair),
            .status = has_device ? p->status : CG_ERR_UNSUPPORTED,
            .attention = p->attention,
            .cache = p->cache,
            .reason = has_device ? p->reason : s->match.no_gpu.msg,
        };
    }
    return CG_OK;
}

cg_status cg_plugin_set_match(cg_plugin_set *s, const cg_match_options *o,
                              const cg_plugin_pair **ret_pairs, int32_t *ret_n, cg_error *err)
{
    cg_run_shape shape = {
        .deterministic = CG_HAS_SIZE(o, deterministic) && o->deterministic,
        .batch_size = o->batch_size > 0 ? o->batch_size : CG_DEFAULT_BATCH,
    };
    cg_attention_problem problems[CG_MAX_ATTENTION_PROBLEMS];
    cg_cache_config cache;
    cg_model_config config;
    int32_t gpu = 0, n_problems;

    CG_TRY(parse_device(o->device ? o->device : "cpu", &shape.device, &gpu, err));
    CG_TRY(read_config(o, &config, err));
    free_match(s);
    s->match.no_gpu = (cg_error)CG_ERROR_INIT;
    if (shape.device == CG_DEVICE_CUDA)
        shape.compute_capability = compute_capability_of(gpu, &s->match.no_gpu);
    shape.dtype = shape.device == CG_DEVICE_CUDA ? CG_BF16 : CG_F32;
    shape.max_length = cg_context_length(&config);
    n_problems = cg_plugin_requirements(&config, &shape, problems, &cache);
    CG_TRY(cg_pairing_matrix(s->registry, &s->host.host, problems, n_problems, &cache,
                             &s->match.pairings, &s->match.n, err));
    CG_TRY(fill_pairs(s, err));
    *ret_pairs = s->match.pairs;
    *ret_n = s->match.n;
    return CG_OK;
}
