/* SPDX-License-Identifier: MIT */
/** @file attention_suite.h  What the attention suites of CPU and CUDA share. */
#ifndef CG_CONFORMANCE_ATTENTION_SUITE_H
#define CG_CONFORMANCE_ATTENTION_SUITE_H

#include "attention_case.h"

typedef struct attention_suite {
    checker c;
    watch_host watch;
    const cg_attention_ops *ops;
    cg_gpu *gpu;        /* CUDA */
    int32_t capability; /* of it, 10 * major + minor; CPU: 0 */
} attention_suite;

/** The checks on the device of options->gpu. */
void attention_suite_cpu(attention_suite *s);
void attention_suite_cuda(attention_suite *s);

/** Check: problems that make no sense, each a change of `good`, are refused. */
void attention_check_refusals(attention_suite *s, const cg_attention_problem *good);
/** Checks: plans of `problem`, which is served, are made, destroyed, and made without memory. */
void attention_check_life(attention_suite *s, const cg_attention_problem *problem);

/**
 * Case: all rows against the truth, to its bound, NaN and infinities included; for 16-bit types
 * also the relative error of a row and head as a norm: 1e-2 in bf16, 2e-3 in f16.
 *
 * @param loose  a value that is not finite may make NaN of any row of its sequence in the call
 */
void attention_compare(attention_suite *s, const attention_case *ac, const case_out *o, int loose,
                       const char *where);
/** Row t of `o` has the bits of row u of `all`. */
int attention_same_row(const attention_case *ac, const case_out *o, int32_t t, const case_out *all,
                       int32_t u);

/** Rows of a case's sequences that are still to be computed: the rows from[i] .. to[i] are next. */
typedef struct attention_cut {
    int32_t from[CASE_MAX_SEQS], to[CASE_MAX_SEQS];
    int32_t only; /* the one sequence that has rows, or -1 */
} attention_cut;

/** The next random cut behind `cut` (all zero: the first); 0 if all rows were had. */
int attention_cut_next(checker *c, const attention_case *ac, attention_cut *cut);
/** Cases: `part`, rows of a cut, has the bits of those rows of `all`. */
void attention_compare_cut(attention_suite *s, const attention_case *ac, const attention_cut *cut,
                           const case_out *part, const case_out *all, const char *where);

#endif
