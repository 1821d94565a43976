/* SPDX-License-Identifier: MIT */
/**
 * @file conformance.h  Does a plugin keep the promises of its header?
 *
 * Uses the public headers alone, so that any plugin can be asked: by our tests, by `plugins check`,
 * by the programs conformance_attention, conformance_cache and conformance_constraint.
 *
 * Attention and caches are checked on a device: the CPU, or a GPU through confgen/gpu.h.
 *
 * A check is a group of cases under one name; it is reported once, passed or with the first case
 * that failed. Whatever is random is drawn from the seed.
 */
#ifndef CG_CONFORMANCE_H
#define CG_CONFORMANCE_H

#include <confgen/attention.h>
#include <confgen/cache.h>
#include <confgen/constraint.h>
#include <confgen/gpu.h>
#include <confgen/plugin.h>

/** A finished check. `detail`: number of cases, or what went wrong. Borrowed for the call. */
typedef void (*cg_conformance_report_fn)(void *ctx, int32_t passed, const char *check,
                                         const char *detail);

typedef struct cg_conformance_options {
    uint64_t seed;
    int32_t rounds; /* random cases of a check; 0: the default, a few seconds in all */
    cg_conformance_report_fn report;
    void *ctx;
    cg_gpu *gpu; /* check on this one, borrowed; NULL: on the CPU */
    /** What is checked next, or is not and why: a line. NULL: not wanted. Borrowed for the call. */
    void (*say)(void *ctx, const char *line);
} cg_conformance_options;

/**
 * All checks of the plugin's kind on one device.
 *
 * @param host  services to give to the plugin, wrapped in counting and failing ones
 * @return number of failed checks
 */
int32_t cg_conformance_run(const cg_plugin *plugin, const cg_host *host,
                           const cg_conformance_options *options);

/** What came of the devices that were to be checked. */
typedef struct cg_conformance_result {
    int32_t checked;  /* devices that checks were run on */
    int32_t failures; /* checks that failed */
} cg_conformance_result;

/**
 * Check a plugin on every device that it claims to serve: one that refuses each of the usual
 * problems there, with a reason, claims nothing. Each device is told of through `say`: what it is,
 * or why it was left out. A constraint has no device and is checked once.
 *
 * @param device  "cpu", "cuda", "cuda:I", "all" (the CPU and every GPU); NULL: the CPU, and the
 *                first GPU where there is one
 * @return CG_OK, whatever the checks said; CG_ERR_USAGE for another device
 */
cg_status cg_conformance_run_devices(const cg_plugin *plugin, const cg_host *host,
                                     const char *device, const cg_conformance_options *options,
                                     cg_conformance_result *ret_result, cg_error *err);

/** The checks of one kind, on an operation table. Return as cg_conformance_run(). */
int32_t cg_conformance_attention(const cg_attention_ops *ops, const cg_host *host,
                                 const cg_conformance_options *options);
int32_t cg_conformance_cache(const cg_cache_ops *ops, const cg_host *host,
                             const cg_conformance_options *options);
int32_t cg_conformance_constraint(const cg_constraint_ops *ops, const cg_host *host,
                                  const cg_conformance_options *options);

#endif
