/* SPDX-License-Identifier: MIT */
/**
 * @file architectures.h  The supported architectures: keys and defaults of config.json, features,
 * names of the tensors.
 *
 * The defaults are those of the classes of transformers.
 */
#ifndef CG_MODEL_ARCHITECTURES_H
#define CG_MODEL_ARCHITECTURES_H

#include <stddef.h>
#include <stdint.h>

#include "model/rope.h"

/** Tensors of a layer; QKV are q, k and v in one tensor. */
typedef enum cg_role {
    CG_ROLE_INPUT_NORM,
    CG_ROLE_INPUT_NORM_BIAS,
    CG_ROLE_Q,
    CG_ROLE_K,
    CG_ROLE_V,
    CG_ROLE_QKV,
    CG_ROLE_Q_BIAS,
    CG_ROLE_K_BIAS,
    CG_ROLE_V_BIAS,
    CG_ROLE_QKV_BIAS,
    CG_ROLE_Q_NORM,
    CG_ROLE_K_NORM,
    CG_ROLE_O,
    CG_ROLE_O_BIAS,
    CG_ROLE_POST_NORM,
    CG_ROLE_POST_NORM_BIAS,
    CG_ROLE_GATE,
    CG_ROLE_GATE_BIAS,
    CG_ROLE_UP,
    CG_ROLE_UP_BIAS,
    CG_ROLE_DOWN,
    CG_ROLE_DOWN_BIAS,
} cg_role;

/** How a tensor of the file differs from the matrix that the model uses. */
enum {
    CG_STORED_PLAIN = 0,
    CG_STORED_TRANSPOSED = 1, /* [inputs, outputs] (Conv1D of GPT-2) */
    CG_STORED_BY_HEAD = 2,    /* rows: q, k and v of a head, then of the next one (GPT-NeoX) */
};

typedef struct cg_tensor_name {
    cg_role role;
    const char *name; /* after the prefix of the layer */
    int32_t stored;   /* CG_STORED_* */
} cg_tensor_name;

/** Whether projections have a bias. */
enum { CG_BIAS_NEVER = 0, CG_BIAS_ALWAYS = 1, CG_BIAS_BY_KEY = 2 };

/** How config.json selects the layers with a sliding window. */
enum {
    CG_WINDOWS_NONE = 0,
    CG_WINDOWS_ALL = 1,        /* sliding_window: in all layers */
    CG_WINDOWS_FROM_LAYER = 2, /* use_sliding_window: from layer max_window_layers on */
    CG_WINDOWS_NO_ROPE = 3,    /* use_sliding_window: in the layers without rotation */
};

/** A member of config.json and an older or other spelling; the latter may be NULL. */
typedef struct cg_config_key {
    const char *name, *alias;
} cg_config_key;

typedef struct cg_architecture {
    int32_t arch;
    const char *name;       /* in architectures */
    const char *model_type; /* in model_type */

    cg_config_key hidden, n_layers, n_heads, max_positions;
    const char *intermediate;
    const char *norm_eps;
    const char *activation;
    double default_eps;
    const char *default_activation;
    int32_t has_kv_heads;     /* num_key_value_heads and head_dim are read */
    int32_t default_kv_heads; /* of an absent key; 0: as many as heads */
    int32_t default_head_dim; /* 0: hidden / heads */
    int32_t default_tied;
    int32_t default_attention_bias;
    cg_rope_keys rope;

    int32_t qkv_bias, o_bias, mlp_bias; /* CG_BIAS_* */
    int32_t windows;                    /* CG_WINDOWS_* */
    int32_t no_rope_layers;             /* 1: config.json names layers without rotation */
    int32_t qk_norm, norm, mlp, learned_positions; /* as in cg_model_config */

    const char *prefix; /* of all tensors but the head; a checkpoint may leave it out */
    const char *embed, *positions, *layer, *final_norm, *final_norm_bias; /* after the prefix */
    const char *head;
    const cg_tensor_name *tensors; /* of a layer, after "<layer>.<number>." */
    size_t n_tensors;
} cg_architecture;

/** Returns an architecture. Static storage. */
const cg_architecture *cg_architecture_of(int32_t arch);

/** Finds an architecture by its name or, if that is NULL, by its model type; NULL: unknown. */
const cg_architecture *cg_architecture_find(const char *name, const char *model_type);

/** Writes the names of all architectures, "A, B or C". */
void cg_architecture_list(char *ret_text, size_t cap);

#endif
