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
#include "model/kv_dtype.h"

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

enum {
    CG_ARCH_LLAMA = 0,
    CG_ARCH_QWEN2 = 1,
    CG_ARCH_QWEN3 = 2,
    CG_ARCH_MISTRAL = 3,
    CG_ARCH_SMOLLM3 = 4,
    CG_ARCH_GPT2 = 5,
    CG_ARCH_GPT_NEOX = 6,
    CG_N_ARCHS = 7,
};

/* Scalings of the rotary embedding. Up to max_positions, DYNAMIC is DEFAULT. */
enum {
    CG_ROPE_DEFAULT = 0,
    CG_ROPE_LLAMA3 = 1,
    CG_ROPE_LINEAR = 2,
    CG_ROPE_DYNAMIC = 3,
    CG_ROPE_YARN = 4,
};

/** Rotary position embedding. */
typedef struct cg_rope_config {
    int32_t kind;
    double theta;                  /* 0: no rotation (GPT-2) */
    double factor;                 /* all but DEFAULT */
    double low_freq_factor;        /* LLAMA3 */
    double high_freq_factor;       /* LLAMA3 */
    double original_max_positions; /* LLAMA3, YARN */
    double beta_fast, beta_slow;   /* YARN: rotations at the ends of the ramp */
    double attention_factor;       /* YARN: of cosines and sines */
    int32_t no_truncate;           /* YARN: the ends of the ramp are not rounded */
} cg_rope_config;

/* Normalisation: x / rms(x) * weight, or (x - mean) / deviation * weight + bias. */
enum { CG_NORM_RMS = 0, CG_NORM_LAYER = 1 };

/* MLP: down(act(gate(x)) * up(x)), or down(act(up(x))). */
enum { CG_MLP_GATED = 0, CG_MLP_PLAIN = 1 };

/* Activations; GELU_TANH is the approximation by tanh. */
enum {
    CG_ACT_SILU = 0,
    CG_ACT_GELU = 1,
    CG_ACT_GELU_TANH = 2,
    CG_ACT_QUICK_GELU = 3,
    CG_ACT_RELU = 4,
    CG_N_ACTS = 5,
};

/* Properties of a layer. */
enum {
    CG_LAYER_WINDOW = 1 << 0,  /* a token attends to the newest `window` tokens only */
    CG_LAYER_NO_ROPE = 1 << 1, /* queries and keys are not rotated */
};

/**
 * Shape and features of the network; see config.c for the defaults of absent keys. All members 0
 * but the sizes: pre-norm layers with RMSNorm, full attention with rotary positions and a
 * SiLU-gated MLP, without biases, as Llama.
 */
typedef struct cg_model_config {
    int32_t arch;
    int32_t hidden; /* width of the residual stream */
    int32_t n_layers;
    int32_t n_heads;      /* query heads */
    int32_t n_kv_heads;   /* divides n_heads */
    int32_t head_dim;     /* even; independent of hidden / n_heads */
    int32_t intermediate; /* width of the MLP */
    int32_t vocab;        /* rows of embedding and head; larger than every token id */
    int32_t max_positions;
    int32_t tie_embeddings; /* 1: the head is the embedding */
    int32_t qkv_bias;       /* 1: q, k, v projections have a bias */
    int32_t o_bias;         /* 1: so has the output projection of attention */
    int32_t mlp_bias;       /* 1: so have the projections of the MLP */
    int32_t qk_norm;        /* 1: RMSNorm over head_dim of q and k (Qwen3) */
    int32_t norm;           /* CG_NORM_* */
    int32_t mlp;            /* CG_MLP_* */
    int32_t activation;     /* CG_ACT_* */
    /* 1: x + attention(norm(x)) + mlp(norm'(x)), both of the layer's input (GPT-NeoX); 0: the MLP
     * follows attention */
    int32_t parallel_residual;
    int32_t learned_positions; /* 1: a vector of each position is added to the embedding (GPT-2) */
    int32_t rotary_dim;        /* rotated elements of a head, the first ones; 0: all of them */
    int32_t window;            /* >= 1 if a layer has CG_LAYER_WINDOW */
    uint8_t layer_flags[CG_MAX_LAYERS]; /* CG_LAYER_* */
    double norm_eps;
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
    int32_t has_format;   /* 1: the file describes `conformer` */
    int32_t has_end;      /* 1: end or stop is in the file */
    int32_t has_bos;      /* 1: bos replaces the tokens that the tokenizer puts around a prompt */
    char bos[CG_MAX_TAG]; /* a token; "" for null: none */
    int32_t n_stop;       /* 0: the model's end tokens */
    char stop[CG_MAX_STOP][CG_MAX_TAG]; /* [n_stop] tokens that end a sequence */
    /* not part of the format */
    cg_confgen_sampling sampling; /* values that go before the model's */
    /* Types on a GPU where nothing is requested. */
    cg_dtype gpu_dtype;    /* of a run; CG_DTYPE_AUTO, or without support: bf16 */
    cg_dtype gpu_kv_dtype; /* of the KV cache; CG_DTYPE_AUTO: that of the run */
} cg_format_config;

/**
 * Parses config.json.
 *
 * @param name  of the file, for messages
 * @return CG_OK; CG_ERR_FORMAT (syntax, missing key, wrong type or range, contradictory members);
 * CG_ERR_UNSUPPORTED (architecture, activation, kind of RoPE, scaled attention, quantisation);
 * CG_ERR_NOMEM. On failure *ret is unchanged.
 */
cg_status cg_model_config_parse(const char *name, const void *bytes, size_t len,
                                cg_model_config *ret, cg_error *err);

/** Parses confgen.json, or returns the defaults if bytes is NULL. @return as cg_model_config_parse
 */
cg_status cg_format_config_parse(const char *name, const void *bytes, size_t len,
                                 cg_format_config *ret, cg_error *err);

/**
 * Returns a built-in shape for benchmarks: "default", "llama380m", "qwen3-0.6b",
 * "llama1b", "llama7b", "gpt2".
 *
 * @return CG_OK; CG_ERR_USAGE naming the known shapes
 */
cg_status cg_model_config_named(const char *shape, cg_model_config *ret, cg_error *err);

/** Returns the name of an architecture as in config.json. Static storage. */
const char *cg_arch_name(int32_t arch);

#endif
