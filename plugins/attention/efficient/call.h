/* SPDX-License-Identifier: MIT */
/** @file call.h  Checks of problems and calls, for both devices. */
#ifndef EFFICIENT_CALL_H
#define EFFICIENT_CALL_H

#include "efficient.h"

/** The features of the operation that efficient has: all of ABI 1.2. */
enum {
    EFFICIENT_FEATURES = CG_ATTENTION_SOFTCAP | CG_ATTENTION_ALIBI | CG_ATTENTION_SINK_LOGITS |
                         CG_ATTENTION_SINK_TOKENS | CG_ATTENTION_BIAS | CG_ATTENTION_NO_MASK |
                         CG_ATTENTION_VALUE_SIZE | CG_ATTENTION_KV_SCALES | CG_ATTENTION_POSITIONS |
                         CG_ATTENTION_TREE,
};

/** A plan: the problem, with zeros for what its features do not use. */
typedef struct efficient_plan {
    const cg_host *host;
    cg_attention_problem problem;
    /* CPU: the kernel, and floats of workspace per worker */
    void (*rows)(const efficient_call *c, const efficient_row_tile *tile, int32_t kv_head,
                 float *scratch);
    size_t scratch;
} efficient_plan;

/** Checks a well-formed problem against the limits of efficient; CG_ERR_UNSUPPORTED if beyond. */
cg_status efficient_check_problem(const cg_host *host, const cg_attention_problem *p,
                                  cg_error *err);

/**
 * Makes the call of checked arguments that has at least one row.
 *
 * @param plan  whose problem is that of efficient_keep_problem()
 * @return CG_OK; CG_ERR_MISMATCH for a view, CG_ERR_USAGE for an array that is missing
 */
cg_status efficient_make_call(const efficient_plan *plan, const cg_attention_args *args,
                              efficient_call *ret_call, cg_error *err);

/** Copies a checked problem; members of features that it does not use become 0. */
cg_attention_problem efficient_keep_problem(const cg_attention_problem *p);

#endif
