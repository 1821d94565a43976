/* SPDX-License-Identifier: MIT */
/**
 * @file units.h  Lengths and offsets of a call for cuDNN, computed on the device.
 *
 * cuDNN gets a batch of units, each with its own count of rows and of tokens. A unit is a sequence,
 * or one row of q, which needs no mask because it is the newest token of its past. If the stride
 * between key/value heads is unknown at planning, a unit has one batch entry per key/value head:
 * entry = unit * n_kv_heads + head.
 */
#ifndef CUDNN_UNITS_H
#define CUDNN_UNITS_H

#include <confgen/attention.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Pointers are device memory; strides and offsets are in elements. */
typedef struct units_call {
    /* of cg_attention_args and its view */
    const int32_t *q_start, *slot, *kv_len;
    const int32_t *page_table; /* NULL: contiguous */
    int64_t q_stride, out_stride;
    int64_t block_stride, head_stride, token_stride;
    int32_t n_tokens, n_seqs, table_stride;
    /* of the plan */
    int32_t n_units;
    int32_t by_row;       /* units are rows, else sequences */
    int32_t entries;      /* batch entries per unit: 1 or n_kv_heads */
    int32_t entry_width;  /* elements of a row of q per entry */
    int32_t block_tokens; /* if paged */
    int32_t n_pages;      /* per unit, if paged */
    int32_t window;       /* rows: tokens before the window are skipped; 0: all count */
    /* results */
    int32_t *row_count, *token_count; /* [n_units * entries] */
    int32_t *pages;                   /* [n_units, n_pages], if paged */
    int64_t *q_at, *out_at, *kv_at;   /* [n_units * entries + 1] */
} units_call;

/** Enqueues the kernel on a cudaStream_t. @return the cudaError_t of the launch */
int units_launch(const units_call *call, void *stream);

#ifdef __cplusplus
}
#endif

#endif
