/* SPDX-License-Identifier: MIT */
/**
 * @file model.h  A model directory: settings and checked weights.
 *
 *   cg_model_open(dir) : config.json, generation_config.json?, confgen.json?, and either
 *                        model.safetensors or model.safetensors.index.json with its shards;
 *                        NAME.zst (zstd) is read if a weights file NAME does not exist
 *
 * An adapter (adapter_config.json) is merged into the weights, see adapter.h.
 *
 * Weights are read into memory, so a file that changes later has no effect. An open model is
 * checked: every tensor of the architecture is present once, with the shape that config.json
 * implies, in bf16, f16 or f32, without NaN or infinity, and there are no other tensors (except
 * rotary and mask buffers, and a head equal to the embedding in a model that ties them).
 *
 * Thread: immutable after open, shared freely.
 */
#ifndef CG_MODEL_MODEL_H
#define CG_MODEL_MODEL_H

#include <stdint.h>

#include <confgen/status.h>

#include "model/config.h"
#include "model/weights.h"

/**
 * One decoder layer; projections are [outputs, inputs], whatever their order in the file. H hidden,
 * D head_dim, Q = n_heads * D, K = n_kv_heads * D, I intermediate. Members that the features of the
 * config exclude have no data. Heads of q and k are in the order of rope.h.
 */
typedef struct cg_layer_weights {
    cg_tensor_ref input_norm;      /* [1, H] */
    cg_tensor_ref input_norm_bias; /* [1, H]: CG_NORM_LAYER */
    cg_tensor_ref q;               /* [Q, H] */
    cg_tensor_ref k;               /* [K, H] */
    cg_tensor_ref v;               /* [K, H] */
    cg_tensor_ref q_bias;          /* [1, Q]: qkv_bias */
    cg_tensor_ref k_bias;          /* [1, K]: qkv_bias */
    cg_tensor_ref v_bias;          /* [1, K]: qkv_bias */
    cg_tensor_ref q_norm;          /* [1, D]: qk_norm */
    cg_tensor_ref k_norm;          /* [1, D]: qk_norm */
    cg_tensor_ref o;               /* [H, Q] */
    cg_tensor_ref o_bias;          /* [1, H]: o_bias */
    cg_tensor_ref post_norm;       /* [1, H] */
    cg_tensor_ref post_norm_bias;  /* [1, H]: CG_NORM_LAYER */
    cg_tensor_ref gate;            /* [I, H]: CG_MLP_GATED */
    cg_tensor_ref gate_bias;       /* [1, I]: CG_MLP_GATED and mlp_bias */
    cg_tensor_ref up;              /* [I, H] */
    cg_tensor_ref up_bias;         /* [1, I]: mlp_bias */
    cg_tensor_ref down;            /* [H, I] */
    cg_tensor_ref down_bias;       /* [1, H]: mlp_bias */
} cg_layer_weights;

typedef struct cg_model {
    cg_model_config config;
    cg_generation_config generation;
    cg_format_config format;
    cg_tensor_ref embed;           /* [vocab, H] */
    cg_tensor_ref positions;       /* [max_positions, H]: learned_positions */
    cg_tensor_ref final_norm;      /* [1, H] */
    cg_tensor_ref final_norm_bias; /* [1, H]: CG_NORM_LAYER */
    cg_tensor_ref head;            /* [vocab, H]; equal to embed if tied */
    cg_layer_weights *layers;      /* [n_layers] */
    int32_t n_adapted;             /* tensors that an adapter of the directory changed */
    uint64_t fingerprint;          /* see cg_model_fingerprint */
    struct cg_model_store *store;  /* owns the memory of the references */
} cg_model;

/**
 * Opens a model directory.
 *
 * @return CG_OK; CG_ERR_IO, CG_ERR_FORMAT, CG_ERR_LIMIT, CG_ERR_UNSUPPORTED, CG_ERR_NOMEM with a
 *         message naming the file. On failure *ret_model is unchanged.
 */
cg_status cg_model_open(const char *dir, cg_model **ret_model, cg_error *err);

/**
 * Creates a model of random bf16 weights, for benchmarks: normal(0, 0.02), norms 1. The weights
 * depend only on `config` and `seed`.
 *
 * @return CG_OK; CG_ERR_NOMEM
 */
cg_status cg_model_random(const cg_model_config *config, uint64_t seed, cg_model **ret_model,
                          cg_error *err);

void cg_model_close(cg_model *model); /* accepts NULL */

/**
 * Returns a 64-bit fingerprint of a model for resume manifests: XXH3 over architecture, shape,
 * RoPE, text format and all weights. Sharding, compression, paths and generation_config.json do not
 * change it. Computed when the model is opened.
 */
uint64_t cg_model_fingerprint(const cg_model *model);

#endif
