/* SPDX-License-Identifier: MIT */
/** @file call.h  A plan, and the call of its arguments, for both devices. */
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

/** A plan. */
typedef struct efficient_plan {
    const cg_host *host;
    cg_attention_problem problem; /* of cg_attention_keep_problem() */
    /* CPU: the kernel, and floats of workspace per worker */
    void (*rows)(const efficient_call *c, const efficient_row_tile *tile, int32_t kv_head,
                 float *scratch);
    size_t scratch;
} efficient_plan;

/** Returns the call of checked arguments that has at least one query token. */
efficient_call efficient_make_call(const cg_attention_problem *problem,
                                   const cg_attention_args *args);

#endif
