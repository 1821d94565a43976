/* SPDX-License-Identifier: MIT */
/** @file attention_memory.h  Cases in memory of the CPU, and calls of run() over them. */
#ifndef CG_CONFORMANCE_ATTENTION_MEMORY_H
#define CG_CONFORMANCE_ATTENTION_MEMORY_H

#include "attention_case.h"

/**
 * Keys, values, scales and page table of a case in fenced, read-only memory. Memory without a valid
 * token is NaN; unused entries of the page table name a page of NaN, or none.
 */
typedef struct case_memory {
    cg_kv_view view;
    int32_t *table;
    int32_t n_blocks;
    int32_t unused; /* entries of the table without a page */
} case_memory;

/** Applies the layout to the problem, and gives the sequences other slots. */
void case_memory_create(test_recorder *rec, attention_case *ac, const case_layout *layout,
                        case_memory *ret_memory);
void case_memory_destroy(case_memory *m);
/** Writes other keys and values into the same memory, in other pages by the same table. */
void case_memory_rewrite(test_recorder *rec, attention_case *ac, case_memory *m);
/** Sets one element of a valid token to x, in the case and in memory. */
void case_memory_set(attention_case *ac, case_memory *m, int32_t values, int32_t seq, int32_t pos,
                     int32_t head, int32_t element, float x);

/** Records whether `function` accessed fenced memory as it may not. */
void expect_no_violation(test_recorder *rec, const char *function);

/** A call of run(). Zero: all rows without padding, structs of this ABI. */
typedef struct case_call {
    /* Rows first_row[i] <= t < end_row[i] of every sequence i, counted from its first row in the
     * case, with the cached tokens up to the last of them. NULL: all rows */
    const int32_t *first_row, *end_row;
    int32_t pad;         /* elements between rows of out */
    int64_t row_pad;     /* bytes between rows of q, and of out */
    uint32_t args_size;  /* struct_size of the arguments; 0: of this ABI. Bytes beyond are 0xff */
    uint32_t view_size;  /* likewise, of the view */
    int32_t is_prepared; /* call prepare() before */
} case_call;

/**
 * A call in three steps: memory, run(), checks. run() may be on another thread. The checks: the
 * status; run() writes only rows of out and the workspace, and reads only its arguments. Sequences
 * without rows are left out of half of the calls.
 */
typedef struct case_run case_run;

/** Returns NULL if the plan's workspace is too large. The caller owns the call. */
case_run *case_run_begin(test_recorder *rec, const cg_attention_ops *ops, void *plan,
                         const attention_case *ac, const case_memory *m, const case_call *call);
void case_run_call(case_run *r);
/** As n of these steps. Returns whether all had the same bits. */
int case_run_repeat(case_run *r, int32_t n);
/** Frees the call. @param ret_out  rows in order; data is NULL if the call failed */
void case_run_end(case_run *r, const attention_case *ac, case_out *ret_out);

/** The three steps. */
void attention_case_run(test_recorder *rec, const cg_attention_ops *ops, void *plan,
                        const attention_case *ac, const case_memory *m, const case_call *call,
                        case_out *ret_out);

#endif
