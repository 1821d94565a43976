/* SPDX-License-Identifier: MIT */
/**
 * @file fsq_model.h  The decoder of a finite scalar quantisation (FSQ) of coordinates: its
 * settings, its SMILES tokens and its checked weights.
 *
 *   cg_fsq_model_open(dir) : config.json, model.safetensors
 *
 * Both are written by tools/convert_fsq_decoder.py from a checkpoint of the autoencoder. The
 * tensors keep the checkpoint's names: post_q.0 and post_q.2 (input MLP), dec.layers.N (encoder
 * layers) and out. An open model is checked: every tensor is present once, with the shape that
 * config.json implies, in bf16, f16 or f32, without NaN or infinity, and there are no others.
 *
 * Source: Mentzer et al. 2023 (FSQ); the arithmetic is that of the public 3DMolGen.
 *
 * Thread: immutable after open, shared freely.
 */
#ifndef CG_FSQ_FSQ_MODEL_H
#define CG_FSQ_FSQ_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include <confgen/status.h>

#include "base/index.h"
#include "fsq/fsq_config.h"
#include "model/weights.h"

/** One encoder layer; projections are [outputs, inputs]. H hidden, I intermediate. */
typedef struct cg_fsq_layer {
    cg_tensor_ref norm1; /* [1, H] */
    cg_tensor_ref qkv;   /* [3 H, H] queries, keys, values */
    cg_tensor_ref o;     /* [H, H] */
    cg_tensor_ref norm2; /* [1, H] */
    cg_tensor_ref up;    /* [I, H] */
    cg_tensor_ref down;  /* [H, I] */
} cg_fsq_layer;

typedef struct cg_fsq_model {
    cg_fsq_config config;
    char **tokens;               /* [config.n_tokens] texts; the id is the index */
    cg_index index;              /* of tokens */
    cg_tensor_ref in;            /* [input_hidden, n_tokens + n_digits] */
    cg_tensor_ref in_bias;       /* [1, input_hidden] */
    cg_tensor_ref mid;           /* [H, input_hidden] */
    cg_tensor_ref mid_bias;      /* [1, H] */
    cg_fsq_layer *layers;        /* [config.n_layers] */
    cg_tensor_ref out;           /* [3, H] */
    cg_tensor_ref out_bias;      /* [1, 3] */
    uint64_t fingerprint;        /* XXH3 over settings, tokens and weights, for resume manifests */
    struct cg_safetensors *file; /* owns the memory of the references */
    float *heap;                 /* owns it if the weights are in no file */
} cg_fsq_model;

/**
 * Opens a directory.
 *
 * @return CG_OK; CG_ERR_IO, CG_ERR_FORMAT, CG_ERR_LIMIT, CG_ERR_UNSUPPORTED, CG_ERR_NOMEM with a
 *         message naming the file. On failure *ret_model is unchanged.
 */
cg_status cg_fsq_model_open(const char *dir, cg_fsq_model **ret_model, cg_error *err);
/**
 * Opens the config.json of a directory, with random weights that depend on it only: for benchmarks.
 * @return as cg_fsq_model_open()
 */
cg_status cg_fsq_model_random(const char *dir, cg_fsq_model **ret_model, cg_error *err);
void cg_fsq_model_close(cg_fsq_model *model); /* accepts NULL */

#endif
