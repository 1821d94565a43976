/* SPDX-License-Identifier: MIT */
/* The plugins of this machine, for applications: confgen/plugins.h. */
#include <confgen/gpu.h>
#include <confgen/plugins.h>

#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/error.h"
#include "base/pool.h"
#include "base/sized_struct.h"
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
    /** Of the last match. */
    struct {
        cg_pairing *pairings; /* [n] */
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

static cg_status open_parts(cg_plugin_set *s, const cg_plugin_set_options *o, cg_error *err)
{
    CG_TRY(cg_team_create(o->threads > 0 ? o->threads : cg_cpu_count(), &s->team, err));
    cg_plugin_host_init(&s->host, s->team, o->log, o->log_ctx, CG_LOG_INFO);
    return open_registry(s, o, err);
}

cg_status cg_plugin_set_open(const cg_plugin_set_options *options, cg_plugin_set **ret_set,
                             cg_error *err)
{
    cg_plugin_set_options o = { 0 };
    cg_plugin_set *s;
    cg_status st;

    CG_TRY(CG_SIZED_READ(cg_plugin_set_options, &o, options, err));
    s = calloc(1, sizeof *s);
    if (!s)
        return cg_fail_nomem(err, "plugins");
    st = open_parts(s, &o, err);
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
    s->match.pairings = NULL;
    s->match.n = 0;
}

void cg_plugin_set_close(cg_plugin_set *s)
{
    if (!s)
        return;
    free_match(s);
    cg_registry_destroy(s->registry);
    cg_team_destroy(s->team);
    free(s);
}

/* ---- listing ------------------------------------------------------------------------------ */

const cg_host *cg_plugin_set_host(const cg_plugin_set *s)
{
    return &s->host.host;
}

int32_t cg_plugin_set_loaded(const cg_plugin_set *s, int32_t i, cg_loaded_plugin *ret_plugin)
{
    const cg_registry_entry *entries;
    int32_t n = cg_registry_entries(s->registry, &entries);
    cg_loaded_plugin plugin = { CG_SIZED(cg_loaded_plugin) };

    if (i < 0 || i >= n)
        return 0;
    plugin.plugin = entries[i].plugin;
    plugin.kind = cg_plugin_kind_name(entries[i].plugin->kind);
    plugin.path = entries[i].path;
    plugin.hides = entries[i].hides;
    cg_fill_struct(ret_plugin, &plugin);
    return 1;
}

int32_t cg_plugin_set_refused(const cg_plugin_set *s, int32_t i, cg_refused_plugin *ret_refused)
{
    const cg_registry_refusal *refusals;
    int32_t n = cg_registry_refusals(s->registry, &refusals);
    cg_refused_plugin refused = { CG_SIZED(cg_refused_plugin) };

    if (i < 0 || i >= n)
        return 0;
    refused.path = refusals[i].path;
    refused.reason = refusals[i].text;
    cg_fill_struct(ret_refused, &refused);
    return 1;
}

/* The loaded plugin of a kind and name; NULL if there is none. */
static const cg_registry_entry *find_entry(const cg_plugin_set *s, cg_plugin_kind kind,
                                           const char *name)
{
    const cg_registry_entry *entries;
    int32_t n = cg_registry_entries(s->registry, &entries);

    for (int32_t i = 0; i < n; i++)
        if (entries[i].plugin->kind == kind && !strcmp(entries[i].plugin->name, name))
            return &entries[i];
    return NULL;
}

int32_t cg_plugin_set_alias(const cg_plugin_set *s, int32_t i, cg_aliased_plugin *ret_alias)
{
    const cg_plugin_alias *a = cg_plugin_alias_get(i);
    cg_aliased_plugin alias = { CG_SIZED(cg_aliased_plugin) };
    const cg_registry_entry *hides;

    if (!a)
        return 0;
    hides = find_entry(s, a->kind, a->name);
    alias.is_installed = !a->plugin || find_entry(s, a->kind, a->plugin);
    alias.kind = cg_plugin_kind_name(a->kind);
    alias.name = a->name;
    alias.plugin = a->plugin ? a->plugin : "auto";
    alias.kv_dtype = a->kv_dtype;
    if (a->is_window)
        alias.limits = "if all layers have a sliding window; on a GPU without repair";
    alias.hidden_by = hides ? hides->path : NULL;
    cg_fill_struct(ret_alias, &alias);
    return 1;
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

/* Types of a run on shape->device that names its plugins: "gpu_dtype" and "gpu_kv_dtype" of
 * confgen.json do not count. */
static cg_status parse_types(const cg_match_options *o, cg_run_shape *shape, cg_error *err)
{
    cg_dtype dtype, kv_dtype, device_dtype = shape->device == CG_DEVICE_CUDA ? CG_BF16 : CG_F32;

    CG_TRY(cg_dtype_parse(o->dtype, &dtype, err));
    CG_TRY(cg_kv_dtype_parse(o->kv_dtype, &kv_dtype, err));
    if (shape->device == CG_DEVICE_CPU && dtype != CG_DTYPE_AUTO && dtype != CG_F32)
        return cg_fail(err, CG_ERR_USAGE, "dtype %s: the CPU computes in f32", o->dtype);
    shape->dtype = dtype == CG_DTYPE_AUTO ? device_dtype : cg_activation_dtype(dtype);
    shape->kv_dtype = kv_dtype == CG_DTYPE_AUTO ? shape->dtype : kv_dtype;
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

cg_status cg_plugin_set_match(cg_plugin_set *s, const cg_match_options *options, cg_error *err)
{
    cg_match_options o = { 0 };
    cg_run_shape shape = { 0 };
    cg_attention_problem problems[CG_MAX_ATTENTION_PROBLEMS];
    cg_cache_config cache;
    cg_model_config config;
    int32_t gpu = 0, n_problems;

    CG_TRY(CG_SIZED_READ(cg_match_options, &o, options, err));
    shape.deterministic = o.deterministic != 0;
    shape.batch_size = o.batch_size > 0 ? o.batch_size : CG_DEFAULT_BATCH;
    CG_TRY(parse_device(o.device ? o.device : "cpu", &shape.device, &gpu, err));
    CG_TRY(parse_types(&o, &shape, err));
    CG_TRY(read_config(&o, &config, err));
    free_match(s);
    s->match.no_gpu = (cg_error)CG_ERROR_INIT;
    if (shape.device == CG_DEVICE_CUDA)
        shape.compute_capability = compute_capability_of(gpu, &s->match.no_gpu);
    shape.max_length = cg_context_length(&config);
    shape.kept_tokens = cg_kept_tokens(shape.device, CG_GEOMETRY_REPAIR, shape.max_length);
    n_problems = cg_plugin_requirements(&config, &shape, problems, &cache);
    return cg_pairing_matrix(s->registry, &s->host.host, problems, n_problems, &cache,
                             &s->match.pairings, &s->match.n, err);
}

int32_t cg_plugin_set_pair(const cg_plugin_set *s, int32_t i, cg_plugin_pair *ret_pair)
{
    int has_device = s->match.no_gpu.code == CG_OK;
    cg_plugin_pair pair = { CG_SIZED(cg_plugin_pair) };
    const cg_pairing *p;

    if (i < 0 || i >= s->match.n)
        return 0;
    p = &s->match.pairings[i];
    pair.status = has_device ? p->status : CG_ERR_UNSUPPORTED; /* without a GPU, of all pairs */
    pair.attention = p->attention;
    pair.cache = p->cache;
    pair.reason = has_device ? p->reason : s->match.no_gpu.msg;
    cg_fill_struct(ret_pair, &pair);
    return 1;
}
