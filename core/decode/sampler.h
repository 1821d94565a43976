/* SPDX-License-Identifier: MIT */
/**
 * @file sampler.h  Samples one of the allowed tokens from their logits.
 *
 * The logits are those of the allowed tokens only: the mask applies before the temperature. The
 * filters follow in the order of Hugging Face's generate: temperature, top-k, top-p, min-p.
 */
#ifndef CG_DECODE_SAMPLER_H
#define CG_DECODE_SAMPLER_H

#include <confgen/sampling.h>
#include <stddef.h>

/** Scratch memory of one worker; zero first. */
typedef struct cg_sampler_scratch {
    float *p;       /* [cap_p] probabilities relative to the largest; 0: excluded */
    int32_t *order; /* [cap_order] candidates by rising probability */
    size_t cap_p, cap_order;
} cg_sampler_scratch;

void cg_sampler_scratch_finish(cg_sampler_scratch *scratch);

/**
 * Computes the distribution that cg_sample() samples from: scratch->p[i] / *ret_total. The
 * candidates that are kept are those that transformers' processors keep.
 *
 * @param sampling  not greedy
 * @param logits    [n], n >= 1; not NaN
 * @return CG_OK; CG_ERR_NOMEM
 */
cg_status cg_sampling_weights(const cg_sampling *sampling, const float *logits, int32_t n,
                              cg_sampler_scratch *scratch, double *ret_total);

/**
 * Samples one of n >= 1 candidates.
 *
 * @param logits     [n], in the order of the state's transitions; not NaN
 * @param u          uniform in [0, 1)
 * @param ret_index  of the candidate, in [0, n)
 * @return CG_OK; CG_ERR_NOMEM
 */
cg_status cg_sample(const cg_sampling *sampling, const float *logits, int32_t n, float u,
                    cg_sampler_scratch *scratch, int32_t *ret_index);

#endif
