/* SPDX-License-Identifier: MIT */
/**
 * @file graph.h  Attention described to cuDNN, and the plan that cuDNN makes of it.
 *
 * For every batch b and head h, with g = heads / kv_heads, n = row_count[b] and m = token_count[b]:
 *
 *   out[b, h, i, :] = softmax_j(scale * q[b, h, i, :] . K[b, h / g, j, :]) V[b, h / g, j, :]
 *
 * for i < n, over j < m, or, if causal, over m - n + i - window < j <= m - n + i (window 0: from
 * 0 on). Counts, offsets and page tables are device data: one plan serves every length.
 */
#ifndef CUDNN_GRAPH_H
#define CUDNN_GRAPH_H

#include "library.h"

/** Tensors that a call gives a pointer for; host memory for SDPA_SCALE. */
enum {
    SDPA_Q = 1,       /* [batch, heads, rows, dim] */
    SDPA_K,           /* [batch or n_blocks, kv_heads, len or block_tokens, dim] */
    SDPA_V,           /* same */
    SDPA_OUT,         /* [batch, heads, rows, dim] */
    SDPA_ROW_COUNT,   /* i32 [batch] 0 .. rows */
    SDPA_TOKEN_COUNT, /* i32 [batch] 0 .. len */
    SDPA_Q_OFFSETS,   /* i64 [batch + 1] element of q at which a batch begins, if ragged */
    SDPA_OUT_OFFSETS, /* the same of out */
    SDPA_KV_OFFSETS,  /* the same of keys and values, if SDPA_RAGGED */
    SDPA_KEY_PAGES,   /* i32 [batch, n_pages], if SDPA_PAGED */
    SDPA_VALUE_PAGES, /* same */
    SDPA_N_POINTERS,
};

typedef enum sdpa_node {
    SDPA_NODE_FUSED, /* cuDNN's one node; it has no mask but the counts */
    SDPA_NODE_PARTS, /* matrix products, mask and softmax, recognised by cuDNN as attention */
} sdpa_node;

typedef struct sdpa_shape {
    sdpa_node node;
    cudnnDataType_t type; /* of q, keys, values and out */
    int64_t batch, heads, kv_heads, rows, len, dim;
    int64_t q_strides[3]; /* elements from a batch, head, row to the next */
    int64_t out_strides[3];
    int ragged;            /* batches of q and out begin at offsets, not at strides */
    int ragged_kv;         /* those of keys and values too */
    int64_t block_tokens;  /* nonzero: keys and values lie in pages of so many tokens */
    int64_t n_blocks;      /* pages that there are */
    int64_t kv_strides[3]; /* elements from a batch or page, head, token to the next */
    int causal;
    int64_t window; /* with causal: tokens a row attends to; 0: all */
    float scale;
} sdpa_shape;

typedef struct sdpa_graph sdpa_graph;

/** A description of the device that plans are made for: GPU `index`, or `json` if not NULL. */
cg_status sdpa_device_create(const cudnn_library *lib, const cg_host *host, int32_t index,
                             const char *json, cudnnBackendDescriptor_t *ret_device, cg_error *err);

/**
 * Describe a shape and ask cuDNN's heuristics for an engine. Touches no device memory.
 *
 * @param finish  also make the plan of the first engine that can be had: this may compile
 * @return CG_OK; CG_ERR_UNSUPPORTED with the step that cuDNN refused and its reason. *ret_graph is
 *         owned by the caller.
 */
cg_status sdpa_graph_create(const cudnn_library *lib, const cg_host *host,
                            cudnnBackendDescriptor_t device, const sdpa_shape *shape, int finish,
                            sdpa_graph **ret_graph, cg_error *err);
void sdpa_graph_destroy(sdpa_graph *graph); /* accepts NULL */

/** Of a finished graph: bytes of workspace. */
size_t sdpa_graph_workspace(const sdpa_graph *graph);

/**
 * Enqueue on the stream of `handle`.
 *
 * @param pointers  [SDPA_N_POINTERS] by SDPA_*; those that the shape has no use for are ignored
 */
cg_status sdpa_graph_run(sdpa_graph *graph, cudnnHandle_t handle, void *const *pointers,
                         void *workspace, cg_error *err);

#endif
