/* SPDX-License-Identifier: MIT */
/**
 * @file conformance.h  Does a plugin keep the promises of its header?
 *
 * Uses the public headers alone, so that any plugin can be asked: by our tests, by `plugins check`,
 * by the programs conformance_attention, conformance_cache and conformance_constraint.
 *
 * A check is a group of cases under one name; it is reported once, passed or with the first case
 * that failed. Whatever is random is drawn from the seed.
 */
#ifndef CG_CONFORMANCE_H
#define CG_CONFORMANCE_H

#include <confgen/attention.h>
#include <confgen/cache.h>
#include <confgen/constraint.h>
#include <confgen/plugin.h>

/** A finished check. `detail`: number of cases, or what went wrong. Borrowed for the call. */
typedef void (*cg_conformance_report_fn)(void *ctx, int32_t passed, const char *check,
                                         const char *detail);

typedef struct cg_conformance_options {
    uint64_t seed;
    int32_t rounds; /* random cases of a check; 0: the default, a few seconds in all */
    cg_conformance_report_fn report;
    void *ctx;
} cg_conformance_options;

/**
 * All checks of the plugin's kind.
 *
 * @param host  services to give to the plugin, wrapped in counting and failing ones
 * @return number of failed checks
 */
int32_t cg_conformance_run(const cg_plugin *plugin, const cg_host *host,
                           const cg_conformance_options *options);

/** The checks of one kind, on an operation table. Device: CPU. Return as above. */
int32_t cg_conformance_attention(const cg_attention_ops *ops, const cg_host *host,
                                 const cg_conformance_options *options);
int32_t cg_conformance_cache(const cg_cache_ops *ops, const cg_host *host,
                             const cg_conformance_options *options);
int32_t cg_conformance_constraint(const cg_constraint_ops *ops, const cg_host *host,
                                  const cg_conformance_options *options);

#endif
