/* SPDX-License-Identifier: MIT */
/** @file attention_device.h  Calls of an attention plan on a GPU. */
#ifndef CG_CONFORMANCE_ATTENTION_DEVICE_H
#define CG_CONFORMANCE_ATTENTION_DEVICE_H

#include "attention_case.h"
#include "gpu_memory.h"

/**
 * Device memory for the calls of one plan. It stays where it is while cases and rows change, as a
 * captured graph wants it. All that is no valid token or row is NaN.
 */
typedef struct case_device {
    checker *c;
    cg_gpu *gpu;
    const cg_attention_ops *ops;
    void *plan;
    cg_attention_problem problem;
    case_layout layout;
    cg_kv_view view;
    gpu_block k, v, table, q, out, q_start, slot, kv_len, workspace;
    char *k_image, *v_image; /* what the device was given */
    int32_t *table_image;
    int64_t q_stride, out_stride;
    int32_t n_tokens, n_seqs; /* the bounds that are passed */
    int32_t rows;             /* q_start[n_seqs] */
} case_device;

/** `problem` has the layout applied and is what `plan` was made for. 0 if that failed. */
int case_device_create(checker *c, cg_gpu *gpu, const cg_attention_ops *ops, void *plan,
                       const cg_attention_problem *problem, const case_layout *layout,
                       case_device *ret_device);
void case_device_destroy(case_device *d);

/** Keys, values and page table of a case. */
void case_device_load(case_device *d, const attention_case *ac);
/**
 * Queries, offsets, lengths and slots of a case's rows, as of attention_case_run(); entries of
 * sequences without rows are garbage. Poisons out and workspace.
 *
 * @param largest  pass the problem's largest bounds, else random ones
 */
void case_device_set_rows(case_device *d, const attention_case *ac, const int32_t *from,
                          const int32_t *to, int32_t largest);
/** run(): 0 if it failed, which is a failed case, or refused a layout that problems cannot tell. */
int case_device_enqueue(case_device *d);
/** Wait, look for writes where none may be, read the rows; ret_out->data is NULL if that failed. */
void case_device_finish(case_device *d, case_out *ret_out);

#endif
