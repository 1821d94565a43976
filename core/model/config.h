/* SPDX-License-Identifier: MIT */
/**
 * @file config.h  Parsers of the settings of a Hugging Face model directory.
 *
 * config.json (shape of the network) and the optional confgen.json of this project (text format the
 * model was trained on); generation_config.h has the sampling. Each parser takes bytes, which
 * allows fuzzing, and a file name for messages. Every value is checked against the ranges
 * below; a setting that changes the network in a way this engine does not implement is refused by
 * name.
 */
#ifndef CG_MODEL_CONFIG_H
#define CG_MODEL_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#include <confgen/status.h>

#include "format/conformer_format.h"
#include "model/generation_config.h"

enum {
    CG_MAX_HIDDEN = 65536,
    CG_MAX_LAYERS = 512,
    CG_MAX_HEADS = 1024,
    CG_MAX_HEAD_DIM = 1024,
    CG_MAX_INTERMEDIATE = 1 << 20,
    CG_MAX_VOCAB = 1 << 22,
    CG_MAX_POSITIONS = 1 << 24,
    CG_MAX_STOP = 16, /* stop tokens of confgen.json */
    CG_MAX_TAG = 64,  /* bytes of a prompt or completion tag, the final 0 included */
};

enum { CG_ARCH_LLAMA = 0, CG_ARCH_QWEN2 = 1, CG_ARCH_QWEN3 = 2 };

enum { CG_ROPE_DEFAULT = 0, CG_ROPE_LLAMA3 = 1 };

/** Rotary position embedding. Only CG_ROPE_LLAMA3 uses the last four members. */
typedef struct cg_rope_config {
    int32_t kind;
    double theta;
    double factor;
    double low_freq_factor;
    double high_freq_factor;
    double original_max_positions;
} cg_rope_config;

/** Shape of the network; see config.c for the defaults of absent keys. */
typedef struct cg_model_config {
    int32_t arch;
    int32_t hidden; /* width of the residual stream */
    int32_t n_layers;
    int32_t n_heads;      /* query heads */
    int32_t n_kv_heads;   /* divides n_heads */
    int32_t head_dim;     /* even; independent of hidden / n_heads */
    int32_t intermediate; /* width of the SiLU-gated MLP */
    int32_t vocab;        /* rows of embedding and head; larger than every token id */
    int32_t max_positions;
    int32_t tie_embeddings; /* 1: the head is the embedding */
    int32_t qkv_bias;       /* 1: q, k, v projections have a bias (Qwen2) */
    int32_t qk_norm;        /* 1: RMSNorm over head_dim of q and k (Qwen3) */
    double rms_eps;
    cg_rope_config rope;
} cg_model_config;

/** confgen.json; without the file: molgen-v3 and the tags below. */
typedef struct cg_format_config {
    cg_conformer_format conformer;
    char prompt_open[CG_MAX_TAG];      /* [SMILES] */
    char prompt_close[CG_MAX_TAG];     /* [/SMILES] */
    char completion_open[CG_MAX_TAG];  /* [CONFORMER] */
    char completion_close[CG_MAX_TAG]; /* [/CONFORMER] */
    char end[CG_MAX_TAG]; /* <|endoftext|>; "" if nothing follows the completion. Without "end" it
                           * is the first stop token, "" if completion_close is one */
    int32_t has_end;      /* 1: end or stop is in the file */
    int32_t has_bos;      /* 1: bos replaces the tokens that the tokenizer puts around a prompt */
    char bos[CG_MAX_TAG]; /* a token; "" for null: none */
    int32_t n_stop;       /* 0: the model's end tokens */
    char stop[CG_MAX_STOP][CG_MAX_TAG]; /* [n_stop] tokens that end a sequence */
    cg_confgen_sampling sampling; /* not part of the format: values that go before the model's */
} cg_format_config;

/**
 * Parses config.json.
 *
 * @param name  of the file, for messages
 * @return CG_OK; CG_ERR_FORMAT (syntax, missing key, wrong type or range, contradictory members);
 * CG_ERR_UNSUPPORTED (architecture, activation, RoPE kind, sliding window, biases, quantisation);
 * CG_ERR_NOMEM. On failure *ret is unchanged.
 */
cg_status cg_model_config_parse(const char *name, const void *bytes, size_t len,
                                cg_model_config *ret, cg_error *err);

/** Parses confgen.json, or returns the defaults if bytes is NULL. @return as cg_model_config_parse
 */
cg_status cg_format_config_parse(const char *name, const void *bytes, size_t len,
                                 cg_format_config *ret, cg_error *err);

/**
 * Returns a built-in shape for benchmarks: "default", "llama380m", "qwen3-0.6b".
 *
 * @return CG_OK; CG_ERR_USAGE naming the known shapes
 */
cg_status cg_model_config_named(const char *shape, cg_model_config *ret, cg_error *err);

/** Returns the name of an architecture as in config.json. Static storage. */
const char *cg_arch_name(int32_t arch);

/**
 * Computes the rotation per position of each pair of elements (i, i + head_dim / 2), in radians.
 *
 *   inv_freq[i] = theta^(-2 i / head_dim), low frequencies scaled for llama3
 *
 * Rounded to float32 after each step, as in the training code: at position 2000 the last bit of an
 * inverse frequency is 1e-4 rad.
 *
 * @param ret_inv_freq  [head_dim / 2]
 * Source: Su et al. 2021; llama3: the Llama 3.1 release, as in transformers' modeling_rope_utils.
 */
void cg_rope_inv_freq(const cg_model_config *config, float *ret_inv_freq);

#endif
