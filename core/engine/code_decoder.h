/* SPDX-License-Identifier: MIT */
/**
 * @file code_decoder.h  The FSQ decoders of an engine: one for each of its devices.
 *
 * Models of a format with codes need them to turn finished texts into coordinates. Any thread may
 * decode; a call waits until a decoder is free.
 */
#ifndef CG_ENGINE_CODE_DECODER_H
#define CG_ENGINE_CODE_DECODER_H

#include "chem/enriched.h"
#include "fsq/fsq_decoder.h"

typedef struct cg_code_decoder cg_code_decoder;

/**
 * Opens the FSQ model of a model directory, the folder `dir`/fsq; no device yet.
 *
 * @param is_random  nonzero: random weights for its settings
 * @param format     of the model's text: the numbers of codes must agree
 * @return as cg_fsq_model_open(), and CG_ERR_MISMATCH
 */
cg_status cg_code_decoder_open(const char *dir, int is_random, const cg_conformer_format *format,
                               cg_code_decoder **ret_decoder, cg_error *err);
void cg_code_decoder_close(cg_code_decoder *d); /* accepts NULL */

/** Fingerprint of the weights, tokens and settings. */
uint64_t cg_code_decoder_fingerprint(const cg_code_decoder *d);

/** Adds a decoder on the CPU with a team of `threads`. */
cg_status cg_code_decoder_add_cpu(cg_code_decoder *d, int threads, cg_error *err);
/**
 * Adds one on GPU `index`, in f32.
 *
 * @param tf32  nonzero: products may round their inputs to TF32
 */
cg_status cg_code_decoder_add_gpu(cg_code_decoder *d, int32_t index, int32_t deterministic,
                                  int32_t tf32, cg_error *err);
/** Removes all devices. */
void cg_code_decoder_clear(cg_code_decoder *d);

/**
 * Finds the SMILES tokens of a molecule's literals.
 *
 * @param ret_ids  [split->n_groups] free()
 * @return CG_OK; CG_ERR_UNSUPPORTED if the network has no such token; CG_ERR_LIMIT if they are too
 *         many; CG_ERR_NOMEM
 */
cg_status cg_code_decoder_tokens(const cg_code_decoder *d, const cg_enriched_split *split,
                                 int32_t **ret_ids, cg_error *err);

/** cg_fsq_decoder_run() on a free device. Thread: any. */
cg_status cg_code_decoder_run(cg_code_decoder *d, const cg_fsq_batch *batch, float (*ret_xyz)[3],
                              cg_error *err);

#endif
