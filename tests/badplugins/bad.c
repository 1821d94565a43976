/* SPDX-License-Identifier: MIT */
/*
 * Plugins with one defect each, selected by a macro at compile time. Otherwise it is an attention
 * plugin that supports nothing.
 */
#include <confgen/attention.h>

static cg_status supports(const cg_host *host, const cg_attention_problem *problem, cg_error *err)
{
    return host->fail(err, CG_ERR_UNSUPPORTED, "supports nothing");
}

static cg_status plan(const cg_host *host, const cg_attention_problem *problem, void **ret_plan,
                      cg_error *err)
{
    return supports(host, problem, err);
}

static size_t workspace_size(const void *self)
{
    return 0;
}

static cg_status run(void *self, const cg_attention_args *args, cg_error *err)
{
    return CG_ERR_INTERNAL;
}

static void destroy(void *self)
{
}

static const cg_attention_ops ops = {
#ifdef SHORT_OPS
    .struct_size = offsetof(cg_attention_ops, run),
#else
    CG_SIZED(cg_attention_ops),
#endif
    .supports = supports,
    .plan = plan,
    .workspace_size = workspace_size,
#ifndef NULL_MEMBER
    .run = run,
#endif
    .destroy = destroy,
};

static const cg_plugin plugin = {
#ifdef SHORT_DESCRIPTOR
    .struct_size = 16,
#else
    CG_SIZED(cg_plugin),
#endif
#ifdef BAD_KIND
    .kind = 9,
#else
    .kind = CG_PLUGIN_ATTENTION,
#endif
#ifdef OTHER_MAJOR
    .abi_major = CG_PLUGIN_ABI_MAJOR + 1,
#else
    .abi_major = CG_PLUGIN_ABI_MAJOR,
#endif
#ifdef NEWER_MINOR
    .abi_minor = CG_PLUGIN_ABI_MINOR + 7,
#else
    .abi_minor = CG_PLUGIN_ABI_MINOR,
#endif
#if defined BAD_NAME
    .name = "Bad Name",
#elif defined LONG_NAME
    .name = "a_name_that_is_longer_than_the_31_characters",
#elif defined EMPTY_NAME
    .name = "",
#elif defined NEWER_MINOR
    .name = "newer",
#elif defined ALIAS_NAME
    .name = "sdpa_flash",
#elif defined NULL_NAME
    .name = NULL,
#else
    .name = "good",
#endif
    .version = "1",
#ifndef NULL_DESCRIPTION
    .description = "supports nothing",
#endif
#ifndef NULL_OPS
    .ops = &ops,
#endif
};

#if defined NO_SYMBOL
CG_EXPORT const cg_plugin *not_an_entry(void);

const cg_plugin *not_an_entry(void)
{
    return &plugin;
}
#elif defined WRONG_SYMBOL
CG_EXPORT cg_status cg_plugin_entry_v2(const cg_host *host, const cg_plugin **ret_plugin,
                                       cg_error *err);

cg_status cg_plugin_entry_v2(const cg_host *host, const cg_plugin **ret_plugin, cg_error *err)
{
    *ret_plugin = &plugin;
    return CG_OK;
}
#else
cg_status cg_plugin_entry_v1(const cg_host *host, const cg_plugin **ret_plugin, cg_error *err)
{
#if defined FAILING_ENTRY
    return host->fail(err, CG_ERR_UNSUPPORTED, "wanted a host that makes coffee");
#elif defined SILENT_ENTRY
    return CG_ERR_INTERNAL;
#elif defined NULL_DESCRIPTOR
    return CG_OK;
#else
    return cg_plugin_enter(host, &plugin, ret_plugin, err);
#endif
}
#endif
