/* SPDX-License-Identifier: MIT */
/**
 * @file fsq_decoder.h  From SMILES tokens and codes to coordinates: the interface of FSQ decoders.
 *
 * A decoder holds the weights on its device and turns whole conformers into coordinates, in one
 * pass without masks: every token of a conformer attends to all of them.
 *
 *   x_t  = W2 relu(W1 [onehot(token_t), digits(code_t)] + b1) + b2 + position(t)
 *   x   += Wo attention(layer_norm(x)); x += Wd relu(Wu layer_norm(x))      in each layer
 *   xyz_t = W x_t + b
 *
 * Conformers of any lengths share a batch, which is split where it exceeds the rows of a pass. The
 * result of a conformer does not depend on the others: bit for bit on the CPU, and on a GPU with
 * `deterministic`. On a GPU without it, last bits depend on the rows of its batch.
 *
 * Thread: one call at a time per decoder. Decoders on GPUs use a stream of their own, so that a
 * call overlaps with an executor's work on the same GPU.
 */
#ifndef CG_FSQ_FSQ_DECODER_H
#define CG_FSQ_FSQ_DECODER_H

#include <confgen/tensor.h>

#include "base/pool.h"
#include "fsq/fsq_model.h"

/** Configuration of a decoder. */
typedef struct cg_fsq_decoder_config {
    const cg_fsq_model *model; /* borrowed until destroy; CUDA copies the weights to the device */
    int32_t max_rows;          /* of a pass, and so tokens of the longest conformer */
    /* CUDA only */
    int32_t gpu;           /* index */
    cg_dtype dtype;        /* of weights and activations: CG_F32, or CG_BF16 */
    int32_t tf32;          /* nonzero: f32 products round their inputs to TF32 */
    int32_t deterministic; /* nonzero: bits do not depend on the batch, at some cost */
} cg_fsq_decoder_config;

/** Conformers to decode; conformer i has rows start[i] to start[i + 1] - 1. All borrowed. */
typedef struct cg_fsq_batch {
    int32_t n;            /* conformers */
    const int32_t *start; /* [n + 1] ascending, start[0] = 0 */
    const int32_t *token; /* [start[n]] ids, cg_fsq_tokenize() */
    const int32_t *code;  /* [start[n]] in [0, n_codes) */
} cg_fsq_batch;

typedef struct cg_fsq_decoder cg_fsq_decoder;

struct cg_fsq_decoder_ops {
    const char *name;                   /* "cpu", "cuda" */
    void (*destroy)(cg_fsq_decoder *d); /* does not accept NULL */
    /** Decodes a checked batch of at most max_rows rows. */
    cg_status (*pass)(cg_fsq_decoder *d, const cg_fsq_batch *batch, float (*ret_xyz)[3],
                      cg_error *err);
};

struct cg_fsq_decoder {
    const struct cg_fsq_decoder_ops *ops;
    const cg_fsq_config *config; /* borrowed from the model */
    int32_t max_rows;
};

/** Creates a decoder on the CPU: matrix products by oneDNN in f32, loops on `team` (borrowed). */
cg_status cg_fsq_decoder_cpu_create(const cg_fsq_decoder_config *config, cg_team *team,
                                    cg_fsq_decoder **ret_decoder, cg_error *err);
void cg_fsq_decoder_destroy(cg_fsq_decoder *decoder); /* accepts NULL */

/**
 * Decodes a batch of any size.
 *
 * @param ret_xyz  [start[n]] Å; rows of tokens that are no atoms have no meaning
 * @return CG_OK; CG_ERR_LIMIT for a conformer of more than max_rows tokens; CG_ERR_INPUT for a
 * token or code outside of the model's, or a conformer without tokens; CG_ERR_NOMEM; CG_ERR_CUDA,
 * CG_ERR_DEVICE_NOMEM. On failure ret_xyz is unspecified.
 */
cg_status cg_fsq_decoder_run(cg_fsq_decoder *decoder, const cg_fsq_batch *batch,
                             float (*ret_xyz)[3], cg_error *err);

#endif
