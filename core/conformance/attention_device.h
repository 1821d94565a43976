/* SPDX-License-Identifier: MIT */
/** @file attention_device.h  Device memory for the calls of an attention plan. */
#ifndef CG_CONFORMANCE_ATTENTION_DEVICE_H
#define CG_CONFORMANCE_ATTENTION_DEVICE_H

#include "attention_case.h"
#include "gpu_memory.h"

/** The structs that a plugin gets: those of this build, of ABI 1.0, or longer ones of a later ABI.
 */
enum case_abi { ABI_SAME, ABI_1_0, ABI_LATER };

/**
 * A copy of `bytes` bytes of a sized struct for a plugin, with its own struct_size; behind those of
 * this build it has bytes that a plugin does not know. In memory of that size, so that sanitizers
 * detect reads behind it: free().
 */
void *case_struct_of_size(const void *of_this_build, size_t bytes);

/**
 * Device memory for the calls of one plan. Addresses do not change with cases and rows, as captured
 * graphs require. Memory without a valid token or row is NaN.
 */
typedef struct case_device {
    test_recorder *rec;
    cg_gpu *gpu;
    const cg_attention_ops *ops;
    void *plan;
    cg_attention_problem problem;
    case_layout layout;
    cg_kv_view view;
    int32_t slot_of[CASE_MAX_SEQS]; /* slot of the view for each slot of a case */
    gpu_block k, v, table, q, out, q_start, slot, kv_len, workspace;
    gpu_block k_scale, v_scale, alibi_slope, sink_logit, bias, position, tree; /* of features */
    int64_t bias_row_stride, bias_head_stride;
    int32_t tree_words;
    int32_t *host_q_start, *host_kv_len; /* [max_seqs + 1], of the last rows; for prepare() */
    int32_t is_prepared;                 /* call prepare() before run() */
    int64_t q_stride, out_stride;
    int32_t n_tokens, n_seqs; /* bounds passed to run() */
    int32_t rows;             /* q_start[n_seqs] */
    enum case_abi abi;        /* of the structs passed to run() */
} case_device;

/**
 * Creates memory for a plan and for cases of n_slots slots. The view has as many slots, or more.
 * Returns 0 on failure.
 *
 * @param problem  the one of `plan`, with the layout applied
 */
int case_device_create(test_recorder *rec, cg_gpu *gpu, const cg_attention_ops *ops, void *plan,
                       const cg_attention_problem *problem, const case_layout *layout,
                       int32_t n_slots, case_device *ret_device);
void case_device_destroy(case_device *d);

/** Loads keys, values and page table of a case, and the data that all its rows share. */
void case_device_load(case_device *d, const attention_case *ac);
/**
 * Loads queries, offsets, lengths and slots of a case's rows, selected as in attention_case_run();
 * sequences without rows are left out, or their entries are garbage. Poisons out and workspace.
 *
 * @param use_max_bounds  use the problem's bounds for n_tokens and n_seqs, else random ones
 */
void case_device_set_rows(case_device *d, const attention_case *ac, const int32_t *first_row,
                          const int32_t *end_row, int32_t use_max_bounds);
/** Calls run(). Returns 0 on failure, recorded as a failed case, or if it refused NHD strides. */
int case_device_enqueue(case_device *d);
/** Waits, checks for writes out of bounds, reads the rows; on failure ret_out->data is NULL. */
void case_device_finish(case_device *d, case_out *ret_out);
/**
 * Calls run() while the stream is held: it must not wait, allocate, change the device or work on
 * another stream. For rows that have been run before, since a kernel's first launch may wait. Ends
 * as case_device_finish().
 */
void case_device_run_held(case_device *d, case_out *ret_out);

#endif
