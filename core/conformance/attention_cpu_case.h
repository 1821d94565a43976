/* SPDX-License-Identifier: MIT */
/** @file attention_cpu_case.h  Problems, cases and plans of the checks of attention on the CPU. */
#ifndef CG_CONFORMANCE_ATTENTION_CPU_CASE_H
#define CG_CONFORMANCE_ATTENTION_CPU_CASE_H

#include "attention_memory.h"
#include "attention_suite.h"

/** A problem of the suite's types, with the flags that the plugin offers or none, and no window. */
cg_attention_problem cpu_problem(attention_suite *s, int32_t head_dim, int32_t n_heads,
                                 int32_t n_kv_heads, int32_t max_kv_len);
/** As cpu_problem(), of a random common head size and number of heads. */
cg_attention_problem cpu_random_problem(attention_suite *s, int32_t max_kv_len);
/** A layout of the list, or of a random page size, capacity and padding. */
case_layout cpu_random_layout(test_recorder *rec);
/** As most_rows below: whole prompts; CPU_PROMPTS + n: of each the last n rows at most. */
enum { CPU_PROMPTS = 1 << 20 };

/**
 * Creates n_seqs random sequences of a problem, each of at most `most_rows` rows; the longest has
 * max_kv_len tokens. Sets max_tokens, max_seqs and n_slots to the counts of the case or to larger
 * ones.
 */
void cpu_case_create(test_recorder *rec, const cg_attention_problem *problem, int32_t n_seqs,
                     int32_t most_rows, attention_case *ret_case);

/** A case in memory, and a plan of its problem. */
typedef struct cpu_case {
    attention_case ac;
    case_layout layout;
    case_memory memory;
    void *plan;
} cpu_case;

typedef void (*cpu_case_fn)(attention_suite *s, cpu_case *c);

/**
 * Plans a problem; a refusal must have a reason. Returns whether it is supported, *ret_plan is NULL
 * if not.
 */
int cpu_plan(attention_suite *s, const cg_attention_problem *problem, const char *where,
             void **ret_plan);
/**
 * Makes a problem and layout that the plugin refuses one that it supports: with the head sizes and
 * heads of the suite's typical problem, then with its layout too. A refusal must have a reason.
 * Returns 0 if none is supported.
 */
int cpu_adapt(attention_suite *s, cg_attention_problem *problem, case_layout *layout);
/**
 * Calls fn with a random case of the problem, adapted by cpu_adapt(). Returns whether it is
 * supported.
 */
int cpu_with_case(attention_suite *s, const cg_attention_problem *problem,
                  const case_layout *layout, int32_t n_seqs, int32_t most_rows, cpu_case_fn fn);
/** Runs all rows over memory `m` and compares them with the reference, which is solved. */
void cpu_run_and_compare(attention_suite *s, const cpu_case *c, const case_memory *m,
                         const case_call *call);
/** Solves the case, and compares the results of its memory and of a second one, which stays. */
void cpu_compare_twice(attention_suite *s, cpu_case *c);
/** Runs the rows of a split and compares their bits with those of `all`, a call with all rows. */
void cpu_compare_split(attention_suite *s, const cpu_case *c, const attention_split *split,
                       const case_out *all);
/** Any division of the rows into calls gives the bits of a single call. */
void cpu_compare_splits(attention_suite *s, cpu_case *c);

#endif
