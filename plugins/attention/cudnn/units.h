/* SPDX-License-Identifier: MIT */
/**
 * @file units.h  What a call tells cuDNN of lengths and places, computed on the device.
 *
 * cuDNN sees a batch of units, each with its own count of rows and of tokens. A unit is a sequence,
 * or one row of q: as the newest token of its own past it needs no mask. Where the stride from one
 * key/value head to the next is not known when the plan is made, every unit is there once a
 * key/value head: entry = unit * n_kv_heads + head.
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
    int32_t entries;      /* of a unit: 1 or n_kv_heads */
    int32_t entry_width;  /* elements of a row of q that belong to an entry */
    int32_t block_tokens; /* paged */
    int32_t n_pages;      /* of a unit, paged */
    int32_t window;       /* contiguous rows: tokens before the window are left out; 0: none are */
    /* what is written: [n_units * entries], offsets one more, pages [n_units, n_pages] */
    int32_t *row_count, *token_count, *pages;
    int64_t *q_at, *out_at, *kv_at;
} units_call;

/** Enqueue on a cudaStream_t. @return the cudaError_t of the launch */
int units_launch(const units_call *call, void *stream);

#ifdef __cplusplus
}
#endif

#endif
