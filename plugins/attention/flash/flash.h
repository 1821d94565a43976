/* SPDX-License-Identifier: MIT */
/** @file flash.h  One piece of work of the flash kernels, and the variants that do it. */
#ifndef FLASH_H
#define FLASH_H

#include <confgen/attention.h>

enum {
    /* Keys are taken in tiles of this many tokens that begin at absolute positions 0, TILE, 2 TILE
     * ...: where a tile begins must depend on nothing, or a row's bits would. */
    FLASH_TILE = 32,
    /* Tokens that the kernels take to be evenly spaced in memory. Blocks of a multiple of this need
     * no copy. */
    FLASH_PIECE = 16,
    FLASH_PIECES = FLASH_TILE / FLASH_PIECE,
    FLASH_MAX_DIM = 256,
    /* Rows of one piece of work. */
    FLASH_ROWS = 16,
};

/**
 * Rows that read the same keys: rows [first, first + n) of one sequence and key/value head, where
 * row r is query head r % group (of the group that shares the key/value head) of token r / group.
 */
typedef struct flash_work {
    const char *q; /* of row 0 */
    char *out;     /* of row 0 */
    int64_t q_stride;
    int64_t out_stride; /* bytes between tokens */
    int32_t first;
    int32_t n; /* <= FLASH_ROWS */
    int32_t group;
    int32_t first_pos; /* position of token 0; row r attends to [.., first_pos + r / group] */
    int32_t window;    /* newest tokens a row attends to; 0: all */
    int32_t head_dim;
    int32_t slot;
    int32_t kv_head;
    float scale;
    const cg_kv_view *kv;
    float *gather; /* [2, FLASH_TILE, head_dim] scratch if blocks cut pieces, else NULL */
} flash_work;

typedef void (*flash_rows_fn)(const flash_work *work);

void flash_rows_generic(const flash_work *work);
#ifdef FLASH_X86
void flash_rows_avx2(const flash_work *work);
void flash_rows_avx512(const flash_work *work);
#endif

/*
 * exp2 of n floats by the same code that the kernels use, for the test of its error. n must be a
 * multiple of 16.
 */
void flash_exp2_generic(const float *x, float *ret_y, int32_t n);
#ifdef FLASH_X86
void flash_exp2_avx2(const float *x, float *ret_y, int32_t n);
void flash_exp2_avx512(const float *x, float *ret_y, int32_t n);
#endif

#endif
