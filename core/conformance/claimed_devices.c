/* SPDX-License-Identifier: MIT */
/* Selects the devices to check a plugin on: the requested ones that it claims to support. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attention_suite.h"
#include "cache_suite.h"
#include "claimed_devices.h"
#include "fenced_memory.h"
#include "plugin_suite.h"
#include "process_state.h"
#include "watched_ops.h"

#define DEVICE_TEXT "device '%s': wanted cpu, cuda, cuda:I or all"

/* ---- lines ---------------------------------------------------------------------------------- */

void cg_conformance_plugin_line(const cg_plugin *p, char *ret_line, size_t capacity)
{
    const char *kind = p->kind == CG_PLUGIN_ATTENTION ? "attention"
                       : p->kind == CG_PLUGIN_CACHE   ? "cache"
                                                      : "constraint";

    snprintf(ret_line, capacity, "%s plugin %s %s: %s", kind, p->name, p->version, p->description);
}

void cg_conformance_device_line(const cg_conformance_device *d, char *ret_line, size_t capacity)
{
    if (!d->is_checked)
        snprintf(ret_line, capacity, "%s: not checked: %s", d->name, d->text);
    else if (d->text[0])
        snprintf(ret_line, capacity, "%s (%s):", d->name, d->text);
    else
        snprintf(ret_line, capacity, "%s:", d->name);
}

static void visit(const cg_conformance_options *options, const char *name, int32_t is_checked,
                  const char *fmt, ...) CG_PRINTF(4, 5);

static void visit(const cg_conformance_options *options, const char *name, int32_t is_checked,
                  const char *fmt, ...)
{
    char text[CG_ERROR_TEXT + 64];
    va_list ap;

    if (!options->visit)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    options->visit(options->ctx, &(cg_conformance_device) { name, is_checked, text });
}

/* ---- claims -------------------------------------------------------------------------------- */

static int attention_claims(const cg_attention_ops *ops, const cg_host *host, cg_gpu *gpu,
                            int32_t capability, cg_error *ret_reason)
{
    cg_attention_problem p;

    return attention_typical_problem(ops, host, gpu, capability, &p, ret_reason);
}

static int cache_claims(const cg_cache_ops *ops, const cg_host *host, cg_gpu *gpu,
                        cg_error *ret_reason)
{
    static const cg_dtype dtypes[] = { CG_BF16, CG_F16, CG_F32 };
    int32_t dim, heads;

    for (int32_t i = gpu ? 0 : 2; i < 3; i++)
        if (cache_typical_heads(ops, host, gpu, dtypes[i], &dim, &heads, ret_reason))
            return 1;
    return 0;
}

/* ---- devices ------------------------------------------------------------------------------- */

static void run_on(const cg_plugin *plugin, const cg_host *host, cg_gpu *gpu, const char *name,
                   const cg_conformance_options *options, cg_conformance_result *result)
{
    cg_conformance_options o = *options;
    cg_gpu_info info = { CG_SIZED(cg_gpu_info) };
    cg_error reason = CG_ERROR_INIT;
    process_state *before;
    int claims;

    if (gpu)
        cg_gpu_get_info(gpu, &info);
    fenced_memory_start(); /* its handler is not the plugin's */
    before = process_state_create();
    claims = plugin->kind == CG_PLUGIN_ATTENTION
                 ? attention_claims(watch_attention(plugin->ops, gpu != NULL), host, gpu,
                                    info.compute_capability, &reason)
                 : cache_claims(watch_cache(plugin->ops, gpu != NULL), host, gpu, &reason);
    if (!claims) {
        visit(options, name, 0, "the plugin does not support it: %s", reason.msg);
        goto out;
    }
    if (gpu)
        visit(options, name, 1, "%s, compute capability %d.%d", info.name,
              info.compute_capability / 10, info.compute_capability % 10);
    else
        visit(options, name, 1, "%s", "");
    o.gpu = gpu;
    o.device = name;
    o.before_calls = before;
    result->checked++;
    result->failures += cg_conformance_run(plugin, host, &o);
out:
    process_state_destroy(before);
}

/* Runs on GPU `index`, or reports why not. */
static void run_on_gpu(const cg_plugin *plugin, const cg_host *host, int32_t index,
                       const cg_conformance_options *options, cg_conformance_result *result)
{
    cg_error err = CG_ERROR_INIT;
    cg_gpu *gpu = NULL;
    char name[32];

    snprintf(name, sizeof name, "cuda:%d", index);
    if (cg_gpu_open(index, &gpu, &err) != CG_OK) {
        visit(options, name, 0, "%s", err.msg);
        return;
    }
    run_on(plugin, host, gpu, name, options, result);
    cg_gpu_close(gpu);
}

cg_status device_choice_parse(const cg_host *host, const char *device, device_choice *ret_choice,
                              cg_error *err)
{
    device_choice c = { .cpu = 1, .n_gpus = 1 };
    char *end = NULL;

    if (device && !strcmp(device, "cpu")) {
        c.n_gpus = 0;
    } else if (device && !strcmp(device, "all")) {
        c.n_gpus = 1024;
    } else if (device && !strcmp(device, "cuda")) {
        c.cpu = 0;
    } else if (device && !strncmp(device, "cuda:", 5)) {
        long index = strtol(device + 5, &end, 10);

        if (device[5] < '0' || device[5] > '9' || *end || index > 1023)
            return host->fail(err, CG_ERR_USAGE, DEVICE_TEXT, device);
        c.cpu = 0;
        c.first_gpu = (int32_t)index;
    } else if (device) {
        return host->fail(err, CG_ERR_USAGE, DEVICE_TEXT, device);
    }
    *ret_choice = c;
    return CG_OK;
}

int device_choice_run(const device_choice *c, int32_t i, const cg_plugin *plugin,
                      const cg_host *host, const cg_conformance_options *options,
                      cg_conformance_result *result)
{
    int has_device = plugin->kind == CG_PLUGIN_ATTENTION || plugin->kind == CG_PLUGIN_CACHE;
    int32_t gpu = c->first_gpu + i - DEVICE_GPUS, n = 0;
    cg_error err = CG_ERROR_INIT;

    if (i == DEVICE_NONE) {
        result->failures += plugin_suite(plugin, options);
    } else if (i == DEVICE_HOST && !has_device) {
        result->checked++;
        result->failures += cg_conformance_run(plugin, host, options);
    } else if (i == DEVICE_HOST && c->cpu) {
        run_on(plugin, host, NULL, "cpu", options, result);
    }
    if (i < DEVICE_GPUS)
        return 1;
    if (!has_device || i - DEVICE_GPUS >= c->n_gpus)
        return 0;
    if (cg_gpu_count(&n, &err) != CG_OK || n == 0) {
        visit(options, "cuda", 0, "%s", err.msg[0] ? err.msg : "this machine has no GPU");
        return 0;
    }
    if (gpu >= n && i > DEVICE_GPUS)
        return 0;
    run_on_gpu(plugin, host, gpu, options, result); /* which reports a GPU that does not exist */
    return 1;
}

cg_status cg_conformance_run_devices(const cg_plugin *plugin, const cg_host *host,
                                     const char *device, const cg_conformance_options *options,
                                     cg_conformance_result *ret_result, cg_error *err)
{
    cg_conformance_result result = { 0 };
    device_choice choice;

    CG_TRY(device_choice_parse(host, device, &choice, err));
    for (int32_t i = 0; device_choice_run(&choice, i, plugin, host, options, &result); i++)
        continue;
    *ret_result = result;
    return CG_OK;
}

cg_status cg_conformance_run_here(cg_conformance_open_fn open, void *open_ctx, const char *device,
                                  const cg_conformance_options *options,
                                  cg_conformance_result *ret_result, cg_error *err)
{
    const cg_plugin *plugin = NULL;
    cg_conformance_options o = *options;
    process_state *before = process_state_create();
    const cg_host *host = NULL;
    cg_status st;

    CG_TRY_GOTO(st, open(open_ctx, &plugin, &host, err), out);
    process_state_add_host(before, host);
    if (o.plugin) {
        cg_plugin descriptor = *plugin;

        descriptor.ops = NULL;
        o.plugin(o.ctx, &descriptor);
    }
    o.before_loading = before;
    st = cg_conformance_run_devices(plugin, host, device, &o, ret_result, err);
out:
    process_state_destroy(before);
    return st;
}
