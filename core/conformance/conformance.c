/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "alloc_watch.h"
#include "attention_suite.h"
#include "conformance.h"
#include "fenced_memory.h"
#include "watched_ops.h"

int32_t cg_conformance_attention(const cg_attention_ops *ops, const cg_host *host,
                                 const cg_conformance_options *options)
{
    attention_suite s = { .ops = watch_attention(ops, options->gpu != NULL), .gpu = options->gpu };
    cg_gpu_info info = { CG_SIZED(cg_gpu_info) };

    test_recorder_init(&s.rec, options);
    test_host_init(&s.test_host, host);
    if (s.gpu) {
        cg_gpu_get_info(s.gpu, &info);
        s.capability = info.compute_capability;
        attention_suite_cuda(&s);
    } else {
        fenced_memory_start();
        attention_suite_cpu(&s);
    }
    return s.rec.failures;
}

int32_t cg_conformance_run(const cg_plugin *plugin, const cg_host *host,
                           const cg_conformance_options *options)
{
    if (!options->gpu)
        alloc_watch_install(plugin->ops);
    switch (plugin->kind) {
    case CG_PLUGIN_ATTENTION:
        return cg_conformance_attention(plugin->ops, host, options);
    case CG_PLUGIN_CACHE:
        return cg_conformance_cache(plugin->ops, host, options);
    case CG_PLUGIN_CONSTRAINT:
        return cg_conformance_constraint(plugin->ops, host, options);
    }
    if (options->report) {
        char text[64];

        snprintf(text, sizeof text, "plugins of kind %d cannot be checked", plugin->kind);
        options->report(options->ctx,
                        &(cg_conformance_verdict) { .check = "kind", .detail = text });
    }
    return 1;
}
