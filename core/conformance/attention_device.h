/* SPDX-License-Identifier: MIT */
/** @file attention_device.h  Device memory for the calls of an attention plan. */
#ifndef CG_CONFORMANCE_ATTENTION_DEVICE_H
#define CG_CONFORMANCE_ATTENTION_DEVICE_H

#include "attention_case.h"
#include "gpu_memory.h"

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
    gpu_block k, v, table, q, out, q_start, slot, kv_len, workspace;
    char *k_image, *v_image; /* host copies of k, v and table */
    int32_t *table_image;
    int64_t q_stride, out_stride;
    int32_t n_tokens, n_seqs; /* bounds passed to run() */
    int32_t rows;             /* q_start[n_seqs] */
} case_device;

/** `problem` is the one of `plan`, with the layout applied. Returns 0 on failure. */
int case_device_create(test_recorder *rec, cg_gpu *gpu, const cg_attention_ops *ops, void *plan,
                       const cg_attention_problem *problem, const case_layout *layout,
                       case_device *ret_device);
void case_device_destroy(case_device *d);

/** Loads keys, values and page table of a case. */
void case_device_load(case_device *d, const attention_case *ac);
/**
 * Loads queries, offsets, lengths and slots of a case's rows, selected as in attention_case_run();
 * entries of sequences without rows are garbage. Poisons out and workspace.
 *
 * @param use_max_bounds  use the problem's bounds for n_tokens and n_seqs, else random ones
 */
void case_device_set_rows(case_device *d, const attention_case *ac, const int32_t *first_row,
                          const int32_t *end_row, int32_t use_max_bounds);
/** Calls run(). Returns 0 on failure, recorded as a failed case, or if it refused NHD strides. */
int case_device_enqueue(case_device *d);
/** Waits, checks for writes out of bounds, reads the rows; on failure ret_out->data is NULL. */
void case_device_finish(case_device *d, case_out *ret_out);

#endif
