/* SPDX-License-Identifier: MIT */
/* Selects the devices to check a plugin on: the requested ones that it claims to support. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance.h"

static void report_device(const cg_conformance_options *options, const char *fmt, ...)
    CG_PRINTF(2, 3);

static void report_device(const cg_conformance_options *options, const char *fmt, ...)
{
    char line[1400];
    va_list ap;

    if (!options->message)
        return;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    options->message(options->ctx, line);
}

/* ---- claims -------------------------------------------------------------------------------- */

/* A plugin claims a device unless it refuses properly; the checks find improper refusals. */
static int is_refusal(cg_status st, const cg_error *err)
{
    return st == CG_ERR_UNSUPPORTED && err->msg[0];
}

static int attention_claims(const cg_attention_ops *ops, const cg_host *host, cg_gpu *gpu,
                            int32_t capability, cg_error *ret_reason)
{
    static const cg_dtype dtypes[] = { CG_BF16, CG_F16, CG_F32 };

    for (int32_t i = gpu ? 0 : 8; i < 12; i++) { /* on the CPU only f32 */
        int32_t paged = i & 1, dim = i & 2 ? 128 : 64;
        cg_attention_problem p = {
            CG_SIZED(cg_attention_problem),
            .device = gpu ? CG_DEVICE_CUDA : CG_DEVICE_CPU,
            .compute_capability = capability,
            .dtype = dtypes[i / 4],
            .kv_dtype = dtypes[i / 4],
            .n_heads = 8,
            .n_kv_heads = 4,
            .head_dim = dim,
            .paged = paged,
            .block_tokens = paged ? 16 : 512,
            .max_tokens = 64,
            .max_seqs = 64,
            .max_kv_len = 512,
            .scale = 0.125f,
        };
        cg_error err = CG_ERROR_INIT;

        if (!is_refusal(ops->supports(host, &p, &err), &err))
            return 1;
        if (!ret_reason->msg[0])
            *ret_reason = err;
    }
    return 0;
}

static int cache_claims(const cg_cache_ops *ops, const cg_host *host, cg_gpu *gpu,
                        cg_error *ret_reason)
{
    static const cg_dtype dtypes[] = { CG_BF16, CG_F16, CG_F32 };

    for (int32_t i = gpu ? 0 : 2; i < 3; i++) {
        cg_cache_config config = {
            CG_SIZED(cg_cache_config),
            .device = gpu ? CG_DEVICE_CUDA : CG_DEVICE_CPU,
            .dtype = dtypes[i],
            .n_layers = 3,
            .n_slots = 5,
            .n_kv_heads = 2,
            .head_dim = 64,
            .max_len = 150,
            .stream = gpu ? cg_gpu_stream(gpu) : NULL,
        };
        cg_error err = CG_ERROR_INIT;

        if (!is_refusal(ops->supports(host, &config, &err), &err))
            return 1;
        if (!ret_reason->msg[0])
            *ret_reason = err;
    }
    return 0;
}

/* ---- devices ------------------------------------------------------------------------------- */

static void run_on(const cg_plugin *plugin, const cg_host *host, cg_gpu *gpu, const char *name,
                   const cg_conformance_options *options, cg_conformance_result *result)
{
    cg_conformance_options o = *options;
    cg_gpu_info info = { CG_SIZED(cg_gpu_info) };
    cg_error reason = CG_ERROR_INIT;
    int claims;

    if (gpu)
        cg_gpu_get_info(gpu, &info);
    claims = plugin->kind == CG_PLUGIN_ATTENTION
                 ? attention_claims(plugin->ops, host, gpu, info.compute_capability, &reason)
                 : cache_claims(plugin->ops, host, gpu, &reason);
    if (!claims) {
        report_device(options, "%s: not checked, the plugin does not support it: %s", name,
                      reason.msg);
        return;
    }
    if (gpu)
        report_device(options, "%s (%s, compute capability %d.%d):", name, info.name,
                      info.compute_capability / 10, info.compute_capability % 10);
    else
        report_device(options, "%s:", name);
    o.gpu = gpu;
    result->checked++;
    result->failures += cg_conformance_run(plugin, host, &o);
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
        report_device(options, "%s: not checked: %s", name, err.msg);
        return;
    }
    run_on(plugin, host, gpu, name, options, result);
    cg_gpu_close(gpu);
}

/* Runs on GPUs [first, first + most) that exist; reports `first` if it does not. */
static void run_on_gpus(const cg_plugin *plugin, const cg_host *host, int32_t first, int32_t most,
                        const cg_conformance_options *options, cg_conformance_result *result)
{
    cg_error err = CG_ERROR_INIT;
    int32_t n = 0;

    if (cg_gpu_count(&n, &err) != CG_OK)
        report_device(options, "cuda: not checked: %s", err.msg);
    else if (n == 0)
        report_device(options, "cuda: not checked: this machine has no GPU");
    else
        for (int32_t i = first; i < first + most && (i < n || i == first); i++)
            run_on_gpu(plugin, host, i, options, result);
}

cg_status cg_conformance_run_devices(const cg_plugin *plugin, const cg_host *host,
                                     const char *device, const cg_conformance_options *options,
                                     cg_conformance_result *ret_result, cg_error *err)
{
    cg_conformance_result result = { 0 };
    const char *name = device ? device : "";
    int32_t first = 0, most = 1;
    char *end = NULL;

    if (!strncmp(name, "cuda:", 5)) {
        long index = strtol(name + 5, &end, 10);

        if (name[5] < '0' || name[5] > '9' || *end || index > 1023)
            name = "?";
        first = (int32_t)index;
    } else if (!strcmp(name, "all")) {
        most = 1024;
    } else if (*name && strcmp(name, "cpu") && strcmp(name, "cuda")) {
        name = "?";
    }
    if (*name == '?')
        return host->fail(err, CG_ERR_USAGE, "device '%s': wanted cpu, cuda, cuda:I or all",
                          device);
    if (plugin->kind != CG_PLUGIN_ATTENTION && plugin->kind != CG_PLUGIN_CACHE) {
        result.checked = 1;
        result.failures = cg_conformance_run(plugin, host, options);
    } else {
        if (strncmp(name, "cuda", 4))
            run_on(plugin, host, NULL, "cpu", options, &result);
        if (strcmp(name, "cpu"))
            run_on_gpus(plugin, host, first, most, options, &result);
    }
    *ret_result = result;
    return CG_OK;
}
