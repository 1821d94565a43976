/* SPDX-License-Identifier: MIT */
/** @file attention_suite.h  Checks and comparisons of both attention suites, CPU and CUDA. */
#ifndef CG_CONFORMANCE_ATTENTION_SUITE_H
#define CG_CONFORMANCE_ATTENTION_SUITE_H

#include "attention_case.h"

typedef struct attention_suite {
    test_recorder rec;
    test_host test_host;
    const cg_attention_ops *ops;
    cg_gpu *gpu;                  /* CUDA */
    int32_t capability;           /* compute capability, 10 * major + minor; CPU: 0 */
    cg_attention_problem typical; /* that the plugin supports */
    cg_dtype dtype, kv_dtype;     /* CPU: of most cases, those of `typical` */
    int32_t keeps_layout;         /* CPU: the check is of a layout, so cases keep theirs */
} attention_suite;

/** All checks on the CPU, or on s->gpu. */
void attention_suite_cpu(attention_suite *s);
void attention_suite_cuda(attention_suite *s);

/**
 * Finds a common problem that a plugin supports: types, head sizes, groups and layouts, the most
 * common first. Returns 0 if there is none, with the first refusal in *ret_reason.
 *
 * @param gpu  NULL: on the CPU
 */
int attention_typical_problem(const cg_attention_ops *ops, const cg_host *host, const cg_gpu *gpu,
                              int32_t capability, cg_attention_problem *ret_problem,
                              cg_error *ret_reason);

/** Checks that invalid problems, each a modification of `good`, are refused. */
void attention_check_refusals(attention_suite *s, const cg_attention_problem *good);
/** Checks creation and destruction of plans of a supported problem, also when out of memory. */
void attention_check_lifecycle(attention_suite *s, const cg_attention_problem *problem);

/**
 * Compares all rows with the reference, within its bound, NaN and infinities included; for 16-bit
 * types also the relative error of a row and head as a norm: at most 1e-2 in bf16, 2e-3 in f16.
 *
 * @param loose  a NaN or infinite value may make any row of its sequence in the call NaN
 */
void attention_compare(attention_suite *s, const attention_case *ac, const case_out *o, int loose,
                       const char *where);
/** True if row t of `o` has the bits of row u of `all`. */
int attention_same_row(const attention_case *ac, const case_out *o, int32_t t, const case_out *all,
                       int32_t u);

/** Features that the plugin declares. */
uint32_t attention_features(const attention_suite *s);
/** Name of a feature; NULL if this suite does not know it. */
const char *attention_feature_name(uint32_t bit);
/** Makes a problem one of latent attention (MLA, absorbed), which has one key/value head. */
void attention_set_latent(cg_attention_problem *p);
/** Sets features of a problem, and draws what belongs to them. */
void attention_set_features(attention_suite *s, uint32_t bits, cg_attention_problem *p);
/** Runs a case of a problem with features. */
typedef void (*attention_features_fn)(attention_suite *s, uint32_t bits, int32_t round);
/** Checks each feature that the plugin declares, and all together. */
void attention_check_each_feature(attention_suite *s, attention_features_fn run);

/** Rows [first_row[i], end_row[i]) of every sequence i: one of the calls that a case is split into.
 */
typedef struct attention_split {
    int32_t first_row[CASE_MAX_SEQS], end_row[CASE_MAX_SEQS];
    int32_t only; /* the only sequence with rows, or -1 */
} attention_split;

/** Advances to the next random rows; initially all zero with only = -1. 0 after the last row. */
int attention_split_next(test_recorder *rec, const attention_case *ac, attention_split *split);
/** Records for each row of `part`, the result of a split, whether it has the bits of `all`. */
void attention_compare_split(attention_suite *s, const attention_case *ac,
                             const attention_split *split, const case_out *part,
                             const case_out *all, const char *where);

#endif
