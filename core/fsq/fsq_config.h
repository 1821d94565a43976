/* SPDX-License-Identifier: MIT */
/** @file fsq_config.h  The settings of an FSQ decoder; compiled for host and device. */
#ifndef CG_FSQ_FSQ_CONFIG_H
#define CG_FSQ_FSQ_CONFIG_H

#include <stdint.h>

#include <confgen/status.h>

enum {
    CG_FSQ_HEAD_DIM = 64, /* the number of heads is hidden / 64 */
    CG_FSQ_MAX_HIDDEN = 8192,
    CG_FSQ_MAX_WIDTH = 65536, /* of an MLP's hidden layer */
    CG_FSQ_MAX_LAYERS = 64,
    CG_FSQ_MAX_DIGITS = 16,
    CG_FSQ_MAX_CODES = 65536,
    CG_FSQ_MAX_TOKENS = 4096,    /* of the vocabulary */
    CG_FSQ_MAX_TOKEN_BYTES = 32, /* of a token's text */
};

/** config.json */
typedef struct cg_fsq_config {
    int32_t hidden;       /* width of the residual stream, a multiple of CG_FSQ_HEAD_DIM */
    int32_t n_layers;     /* encoder layers */
    int32_t intermediate; /* hidden layer of their MLP */
    int32_t input_hidden; /* hidden layer of the input MLP */
    int32_t n_tokens;     /* SMILES tokens */
    int32_t n_digits;
    int32_t levels[CG_FSQ_MAX_DIGITS]; /* [n_digits] values of a digit, each at least 2 */
    int32_t n_codes;                   /* product of the levels */
    double eps;                        /* of the layer norms */
} cg_fsq_config;

/** Value in [-1, 1] of digit i of a code; equidistant over its levels. Digit 0 changes first. */
static inline CG_HOST_DEVICE float cg_fsq_digit(const cg_fsq_config *config, int32_t code,
                                                int32_t i)
{
    const int32_t *levels = config->levels;

    for (int32_t j = 0; j < i; j++)
        code /= levels[j];
    return 2.0f * (float)(code % levels[i]) / (float)(levels[i] - 1) - 1.0f;
}

#endif
