/* SPDX-License-Identifier: MIT */
/**
 * @file rope.h  The rotary position embedding: its settings, its angles and the order of a head.
 *
 * Executors rotate the pairs (i, i + head_dim / 2) of a head. Where only the first rotary_dim
 * elements of a head rotate, its queries and keys are kept in an order in which the same holds, and
 * the other pairs have angle 0: a dot product does not depend on the order of its terms.
 */
#ifndef CG_MODEL_ROPE_H
#define CG_MODEL_ROPE_H

#include "base/json.h"
#include "model/config.h"

/** Keys and defaults of an architecture at the top level of config.json. */
typedef struct cg_rope_keys {
    const char *theta; /* "rope_theta", or its own spelling */
    double default_theta;
    const char *share; /* of a head that rotates; NULL: all of it */
    double default_share;
} cg_rope_keys;

/**
 * Reads the settings of config.json: at its top level, and in `rope_scaling` or `rope_parameters`
 * (transformers >= 5). What a file states twice must be equal: versions of transformers differ in
 * which of the two they take.
 *
 * @param config  head_dim and max_positions are set; `rope` and `rotary_dim` are written
 * @return CG_OK; CG_ERR_FORMAT; CG_ERR_UNSUPPORTED
 */
cg_status cg_rope_read(const cg_json *o, const cg_rope_keys *keys, cg_model_config *config,
                       cg_error *err);

/**
 * Computes the rotation per position of each pair of elements, in radians.
 *
 *   inv_freq[i] = theta^(-2 i / rotary_dim), scaled; 0 for the pairs that keep still
 *
 * Rounded to float32 after each step, as in the training code: at position 2000 the last bit of an
 * inverse frequency is 1e-4 rad.
 *
 * @param ret_inv_freq  [head_dim / 2]
 * Source: Su et al. 2021; llama3: the Llama 3.1 release; yarn: Peng et al. 2023; as in
 * transformers' modeling_rope_utils.
 */
void cg_rope_inv_freq(const cg_model_config *config, float *ret_inv_freq);

/**
 * Computes the cosines and sines of positions 0 to n_positions - 1.
 *
 * @param ret_cosines, ret_sines  [n_positions, head_dim / 2]
 * @return CG_OK; CG_ERR_NOMEM
 */
cg_status cg_rope_tables(const cg_model_config *config, int64_t n_positions, float *ret_cosines,
                         float *ret_sines, cg_error *err);

/** Returns the element of a head, in the order of the file, that executors keep at index i. */
int32_t cg_rope_source(const cg_model_config *config, int32_t i);

#endif
