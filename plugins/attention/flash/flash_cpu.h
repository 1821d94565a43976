/* SPDX-License-Identifier: MIT */
/** @file flash_cpu.h  A work item of the CPU kernels, and their variants by instruction set. */
#ifndef FLASH_CPU_H
#define FLASH_CPU_H

#include <confgen/attention.h>

enum {
    /* Tokens of a key tile. Tiles begin at absolute positions 0, 32, 64 ...: if that depended on
     * anything else, so would a row's bits. */
    FLASH_TILE = 32,
    /* Tokens of a KV block, which the kernels take to be evenly spaced in memory. Pages whose
     * size is not a multiple of it are gathered into a copy. */
    FLASH_CPU_KV_BLOCK = 16,
    FLASH_TILE_BLOCKS = FLASH_TILE / FLASH_CPU_KV_BLOCK,
    FLASH_MAX_DIM = 576, /* elements of a key or a value */
    /* Rows of one work item. */
    FLASH_ROWS = 16,
};

/** Keys or values of a layer: strides in bytes, by the formula of cg_kv_view. */
typedef struct flash_array {
    const char *data;
    int64_t block_stride;
    int64_t head_stride;
    int64_t token_stride;
    const char *scale; /* k_scale or v_scale; NULL: not scaled */
} flash_array;

/** What the work items of a call share. */
typedef struct flash_call {
    const cg_attention_problem *problem; /* of cg_attention_keep_problem() */
    const cg_attention_args *args;
    flash_array k;
    flash_array v;
    int32_t group; /* query heads per key/value head */
} flash_call;

/**
 * Query rows that read the same keys: rows [first, first + n) of one sequence and key/value head,
 * where row r is query head r % group (of the group that shares the key/value head) of the
 * sequence's query token r / group.
 */
typedef struct flash_work {
    const flash_call *call;
    int32_t seq;
    int32_t kv_head;
    int32_t first;
    int32_t n;   /* <= FLASH_ROWS */
    float *copy; /* [FLASH_TILE, head_dim or v_dim] scratch for a tile in f32; NULL: not needed */
} flash_work;

typedef void (*flash_rows_fn)(const flash_work *work);

/* y = exp2(x), n floats, by the code of the kernels: for the test of its error. n must be a
 * multiple of 16. */
typedef void (*flash_exp2_fn)(const float *x, float *ret_y, int32_t n);

void flash_rows_generic(const flash_work *work);
void flash_exp2_generic(const float *x, float *ret_y, int32_t n);
#ifdef FLASH_X86
void flash_rows_avx2(const flash_work *work);
void flash_exp2_avx2(const float *x, float *ret_y, int32_t n);
void flash_rows_avx512(const flash_work *work);
void flash_exp2_avx512(const float *x, float *ret_y, int32_t n);
#endif

/** Instruction-set extensions that a variant requires; 0: none beyond the target's baseline. */
enum {
    FLASH_CPU_AVX2 = 1 << 0,
    FLASH_CPU_FMA = 1 << 1,
    FLASH_CPU_F16C = 1 << 2,
    FLASH_CPU_AVX512F = 1 << 3,
    FLASH_CPU_AVX512VL = 1 << 4,
    FLASH_CPU_AVX512BW = 1 << 5,
    FLASH_CPU_AVX512DQ = 1 << 6,
};

/** The kernels for one instruction set. */
typedef struct flash_variant {
    const char *name;
    uint32_t cpu_flags; /* FLASH_CPU_* */
    flash_rows_fn rows;
    flash_exp2_fn exp2;
} flash_variant;

/** The variants of this build, fastest first; ends with an entry without a name. */
extern const flash_variant flash_variants[];

/** FLASH_CPU_* of this processor. */
uint32_t flash_cpu_flags(void);

#endif
