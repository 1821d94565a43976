/* SPDX-License-Identifier: MIT */
/* The registry of plugins, for applications: confgen/plugins.h. */
#include <confgen/gpu.h>
#include <confgen/plugins.h>

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/pool.h"
#include "engine/device_request.h"
#include "engine/paths.h"
#include "engine/settings.h"
#include "model/attention_problem.h"
#include "plugin/host.h"
#include "plugin/loader.h"
#include "plugin/pairing.h"
#include "plugin/registry.h"

struct cg_plugin_set {
    cg_team *team;
    cg_plugin_host host;
    cg_registry *registry;
    cg_loaded_plugin *found;
    cg_refused_plugin *refused;
    int32_t n_found, n_refused;
    cg_pairing *cells;
    cg_plugin_pair *pairs;
    int32_t n_pairs;
    cg_error no_gpu; /* why CUDA was not asked about at the last match; code CG_OK: it was */
};

static cg_status nomem(cg_error *err)
{
    return cg_fail(err, CG_ERR_NOMEM, "plugins: out of memory");
}

static cg_status open_files(cg_plugin_set *s, const cg_plugin_set_options *o, cg_error *err)
{
    cg_status status = cg_registry_create(&s->host.host, &s->registry, err);

    for (int32_t i = 0; i < o->n_files && status == CG_OK; i++)
        status = cg_registry_add_file(s->registry, o->files[i], err);
    return status;
}

/* The registry's lists as the public header shows them. */
static cg_status list(cg_plugin_set *s, cg_error *err)
{
    const cg_registry_entry *entries;
    const cg_registry_refusal *refusals;

    s->n_found = cg_registry_entries(s->registry, &entries);
    s->n_refused = cg_registry_refusals(s->registry, &refusals);
    s->found = calloc((size_t)s->n_found + 1, sizeof *s->found);
    s->refused = calloc((size_t)s->n_refused + 1, sizeof *s->refused);
    if (!s->found || !s->refused)
        return nomem(err);
    for (int32_t i = 0; i < s->n_found; i++)
        s->found[i] = (cg_loaded_plugin) {
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

cg_status cg_plugin_set_open(const cg_plugin_set_options *o, cg_plugin_set **ret_set, cg_error *err)
{
    cg_plugin_set *s = calloc(1, sizeof *s);
    cg_status status;

    if (!s)
        return nomem(err);
    status = cg_team_create(o->threads > 0 ? o->threads : cg_cpu_count(), &s->team, err);
    if (status == CG_OK) {
        cg_plugin_host_init(&s->host, s->team, o->log, o->log_ctx, CG_LOG_INFO);
        status = o->files_only
                     ? open_files(s, o, err)
                     : cg_registry_open(&s->host.host, o->files, o->n_files, &s->registry, err);
    }
    if (status == CG_OK)
        status = list(s, err);
    if (status != CG_OK) {
        cg_plugin_set_close(s);
        return status;
    }
    *ret_set = s;
    return CG_OK;
}

static void forget_pairs(cg_plugin_set *s)
{
    cg_pairing_matrix_free(s->cells, s->n_pairs);
    free(s->pairs);
    s->cells = NULL;
    s->pairs = NULL;
    s->n_pairs = 0;
}

void cg_plugin_set_close(cg_plugin_set *s)
{
    if (!s)
        return;
    forget_pairs(s);
    free(s->found);
    free(s->refused);
    cg_registry_destroy(s->registry);
    cg_team_destroy(s->team);
    free(s);
}

const cg_host *cg_plugin_set_host(const cg_plugin_set *s)
{
    return &s->host.host;
}

int32_t cg_plugin_set_loaded(const cg_plugin_set *s, const cg_loaded_plugin **ret_plugins)
{
    *ret_plugins = s->found;
    return s->n_found;
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

static cg_status read_shape(const cg_match_options *o, cg_model_config *ret_config, cg_error *err)
{
    char *dir;
    cg_status status;

    if (o->shape && o->model)
        return cg_fail(err, CG_ERR_USAGE, "a model '%s' and a shape '%s': wanted one of them",
                       o->model, o->shape);
    if (o->shape)
        return cg_model_config_named(o->shape, ret_config, err);
    if (o->model)
        return cg_read_model_config(o->model, ret_config, err);
    status = cg_default_model_dir(&dir, err);
    if (status == CG_OK) {
        status = cg_read_model_config(dir, ret_config, err);
        free(dir);
    }
    return status;
}

static cg_status read_device(const char *text, cg_device *ret_device, int32_t *ret_gpu,
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

/* 10 * major + minor; 0 and the reason if this GPU cannot be asked. */
static int32_t capability_of(int32_t gpu, cg_error *ret_reason)
{
    cg_gpu_info info = { CG_SIZED(cg_gpu_info) };
    cg_gpu *open = NULL;

    if (cg_gpu_open(gpu, &open, ret_reason) != CG_OK)
        return 0;
    cg_gpu_get_info(open, &info);
    cg_gpu_close(open);
    return info.compute_capability;
}

cg_status cg_plugin_set_match(cg_plugin_set *s, const cg_match_options *o,
                              const cg_plugin_pair **ret_pairs, int32_t *ret_n, cg_error *err)
{
    int32_t deterministic = CG_HAS_SIZE(o, deterministic) && o->deterministic, capability = 0;
    int32_t batch_size = o->batch_size > 0 ? o->batch_size : CG_DEFAULT_BATCH, gpu = 0;
    const char *text = o->device ? o->device : "cpu";
    cg_attention_problem problem;
    cg_cache_config cache;
    cg_model_config config;
    cg_device device = CG_DEVICE_CPU;
    cg_status status;

    if ((status = read_device(text, &device, &gpu, err)) != CG_OK ||
        (status = read_shape(o, &config, err)) != CG_OK)
        return status;
    s->no_gpu = (cg_error)CG_ERROR_INIT;
    if (device == CG_DEVICE_CUDA)
        capability = capability_of(gpu, &s->no_gpu);
    cg_model_needs(&config, device, capability, cg_attention_flags(device, deterministic),
                   batch_size, &problem, &cache);
    forget_pairs(s);
    status = cg_pairing_matrix(s->registry, &s->host.host, &problem, &cache, &s->cells, &s->n_pairs,
                               err);
    if (status != CG_OK)
        return status;
    s->pairs = calloc((size_t)s->n_pairs + 1, sizeof *s->pairs);
    if (!s->pairs)
        return nomem(err);
    for (int32_t i = 0; i < s->n_pairs; i++) {
        s->pairs[i] = (cg_plugin_pair) {
            CG_SIZED(cg_plugin_pair),           .status = s->cells[i].status,
            .attention = s->cells[i].attention, .cache = s->cells[i].cache,
            .reason = s->cells[i].reason,
        };
        if (s->no_gpu.code != CG_OK) {
            s->pairs[i].status = CG_ERR_UNSUPPORTED;
            s->pairs[i].reason = s->no_gpu.msg;
        }
    }
    *ret_pairs = s->pairs;
    *ret_n = s->n_pairs;
    return CG_OK;
}
