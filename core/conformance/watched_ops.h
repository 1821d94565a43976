/* SPDX-License-Identifier: MIT */
/** @file watched_ops.h  Operation tables that observe each call of a plugin by call_watch.h. */
#ifndef CG_CONFORMANCE_WATCHED_OPS_H
#define CG_CONFORMANCE_WATCHED_OPS_H

#include <confgen/attention.h>
#include <confgen/cache.h>
#include <confgen/constraint.h>

/**
 * Returns a table of the same size and content whose functions call those of `ops` and observe
 * them. On a GPU only cg_host.alloc() is watched for: the CUDA run time in a plugin allocates as it
 * likes. One table per kind and process, overwritten by the next call.
 */
const cg_attention_ops *watch_attention(const cg_attention_ops *ops, int on_gpu);
const cg_cache_ops *watch_cache(const cg_cache_ops *ops, int on_gpu);
const cg_constraint_ops *watch_constraint(const cg_constraint_ops *ops);

#endif
