/* SPDX-License-Identifier: MIT */
/**
 * @file graph.h  Attention as a cuDNN operation graph, and its execution plan.
 *
 * For every batch entry b and head h, with g = heads / kv_heads, n = row_count[b] and
 * m = token_count[b]:
 *
 *   out[b, h, i, :] = softmax_j(scale * q[b, h, i, :] . K[b, h / g, j, :]) V[b, h / g, j, :]
 *
 * for i < n, over j < m, or, if causal, over m - n + i - window < j <= m - n + i (window 0: from
 * 0 on). Counts, offsets and page tables are device data: one plan is valid for every length up to
 * `rows` and `len`.
 */
#ifndef CUDNN_GRAPH_H
#define CUDNN_GRAPH_H

#include "library.h"

/** Tensors that a call passes pointers for: their uids in the graph. */
enum {
    SDPA_Q = 1,       /* [batch, heads, rows, dim] */
    SDPA_K,           /* [batch or n_blocks, kv_heads, len or block_tokens, dim] */
    SDPA_V,           /* same */
    SDPA_OUT,         /* [batch, heads, rows, dim] */
    SDPA_ROW_COUNT,   /* i32 [batch] 0 .. rows */
    SDPA_TOKEN_COUNT, /* i32 [batch] 0 .. len */
    SDPA_Q_OFFSETS,   /* i64 [batch + 1] first element of a batch entry in q, if ragged */
    SDPA_OUT_OFFSETS, /* the same in out */
    SDPA_KV_OFFSETS,  /* the same in keys and values, if ragged_kv */
    SDPA_KEY_PAGES,   /* i32 [batch, n_pages], if block_tokens */
    SDPA_VALUE_PAGES, /* same */
    SDPA_N_POINTERS,
};

/** The two forms of attention in a graph, named as in cudnn-frontend. */
typedef enum sdpa_form {
    SDPA_UNIFIED,   /* one SDPA_FWD node, masked only by the counts */
    SDPA_COMPOSITE, /* matrix products, masks and softmax, recognised by cuDNN as attention */
} sdpa_form;

typedef struct sdpa_shape {
    sdpa_form form;
    cudnnDataType_t type; /* of q, keys, values and out */
    int64_t batch, heads, kv_heads, rows, len, dim;
    int64_t q_strides[3]; /* of batch entry, head, row, in elements */
    int64_t out_strides[3];
    int ragged;            /* batch entries of q and out start at offsets, not at strides */
    int ragged_kv;         /* batch entries of keys and values too */
    int64_t block_tokens;  /* nonzero: keys and values are in pages of this many tokens */
    int64_t n_blocks;      /* pages in the pool */
    int64_t kv_strides[3]; /* of batch entry or page, head, token, in elements */
    int causal;
    int64_t window; /* with causal: newest tokens a row attends to; 0: all */
    float scale;
} sdpa_shape;

typedef struct sdpa_graph sdpa_graph;

/**
 * Creates a descriptor of the device to plan for: GPU `index`, or the one described by `json` if
 * that is not NULL. The caller destroys it.
 */
cg_status sdpa_device_create(const cudnn_library *lib, const cg_host *host, int32_t index,
                             const char *json, cudnnBackendDescriptor_t *ret_device, cg_error *err);

/**
 * Builds the graph of a shape and queries cuDNN's heuristics for engines, then frees both. Touches
 * no device memory, and takes none of cg_host.
 *
 * @return CG_OK; CG_ERR_UNSUPPORTED with the step that cuDNN refused and its reason
 */
cg_status sdpa_graph_check(const cudnn_library *lib, const cg_host *host,
                           cudnnBackendDescriptor_t device, const sdpa_shape *shape, cg_error *err);

/**
 * The same, and creates the execution plan of the first engine that accepts; may compile. The
 * caller owns *ret_graph.
 */
cg_status sdpa_graph_create(const cudnn_library *lib, const cg_host *host,
                            cudnnBackendDescriptor_t device, const sdpa_shape *shape,
                            sdpa_graph **ret_graph, cg_error *err);
void sdpa_graph_destroy(sdpa_graph *graph); /* accepts NULL */

/** Bytes of workspace. */
size_t sdpa_graph_workspace(const sdpa_graph *graph);

/**
 * Enqueues a graph on the stream of `handle`.
 *
 * @param pointers  [SDPA_N_POINTERS] by SDPA_*; those that the shape does not use are ignored
 */
cg_status sdpa_graph_run(sdpa_graph *graph, cudnnHandle_t handle, void *const *pointers,
                         void *workspace, cg_error *err);

#endif
