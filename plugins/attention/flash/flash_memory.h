/* SPDX-License-Identifier: MIT */
/** @file flash_memory.h  From the cache to the operands of a tile: in place, or a copy in f32. */
#ifndef FLASH_MEMORY_H
#define FLASH_MEMORY_H

#include <string.h>

#include "../../common/elements.h"
#include "flash_tile.h"

/* A token's place in memory. */
struct place {
    int64_t block;
    int32_t token; /* of the block */
};

INLINE struct place find_token(const flash_work *wk, int32_t pos)
{
    const cg_attention_args *a = wk->call->args;

    return (struct place) { cg_kv_block(a->kv, a->slot[wk->seq], pos), pos % a->kv->block_tokens };
}

INLINE const char *address(const flash_work *wk, const flash_array *a, struct place at)
{
    return a->data + at.block * a->block_stride + wk->kv_head * a->head_stride +
           at.token * a->token_stride;
}

INLINE const float *scale_of(const flash_work *wk, const flash_array *a, struct place at)
{
    const cg_kv_view *kv = wk->call->args->kv;

    return (const float *)(a->scale + at.block * kv->scale_block_stride +
                           wk->kv_head * kv->scale_head_stride + at.token * kv->scale_token_stride);
}

/* Finds the addresses of the tile at j0, and of the next one if it begins before `end`. */
INLINE void locate_tile(const flash_work *wk, int32_t j0, int32_t end, struct tile *t)
{
    const flash_call *c = wk->call;

    t->k.stride = c->k.token_stride;
    t->v.stride = c->v.token_stride;
    for (int i = 0; i < FLASH_TILE_BLOCKS; i++) {
        int32_t j = i * FLASH_CPU_KV_BLOCK, next = j0 + FLASH_TILE + j;

        t->k.block[i] = t->v.block[i] = t->k.next[i] = t->v.next[i] = NULL;
        if (t->visible & token_bits(j, j + FLASH_CPU_KV_BLOCK)) {
            struct place at = find_token(wk, j0 + j);

            t->k.block[i] = address(wk, &c->k, at);
            t->v.block[i] = address(wk, &c->v, at);
        }
        if (next < end) {
            struct place at = find_token(wk, next);

            t->k.next[i] = address(wk, &c->k, at);
            t->v.next[i] = address(wk, &c->v, at);
        }
    }
}

/* Loads whole vectors of a type. */
#define LOAD_VECTORS(type, load)                                                                   \
    for (; d + W <= dim; d += W)                                                                   \
        v_store(to + d, v_mul(load((const type *)from + d), v_set1(scale)));                       \
    break

/* Converts adjacent elements to f32 and multiplies by their scale. */
INLINE void load_elements(float *to, const void *from, cg_dtype t, int32_t dim, float scale)
{
    int64_t size = cg_dtype_size(t);
    int32_t d = 0;

    switch (t) {
    case CG_BF16:
        LOAD_VECTORS(uint16_t, v_load_bf16);
    case CG_F16:
        LOAD_VECTORS(uint16_t, v_load_f16);
    case CG_F8_E4M3:
        LOAD_VECTORS(uint8_t, v_load_e4m3);
    case CG_F8_E5M2:
        LOAD_VECTORS(uint8_t, v_load_e5m2);
    case CG_I8:
        LOAD_VECTORS(uint8_t, v_load_i8);
    default:
        LOAD_VECTORS(float, v_load);
    }
    for (; d < dim; d++)
        to[d] = cg_element_load((const char *)from + d * size, t) * scale;
}

/*
 * Copies the visible keys or values of the tile at j0 to the scratch, as f32: [FLASH_TILE, dim].
 * Prefetches those of the next tile if it begins before `end`.
 */
NOINLINE void copy_tile(const flash_work *wk, const flash_array *a, int32_t dim, int32_t j0,
                        int32_t end, uint32_t visible, struct operand *ret_copy)
{
    const flash_call *c = wk->call;
    const cg_dtype type = c->problem->kv_dtype;
    const int32_t page = c->args->kv->block_tokens;
    const int is_aligned = page % FLASH_CPU_KV_BLOCK == 0; /* pages of the next tile are alike */
    size_t row = (size_t)dim * sizeof(float);
    uint32_t left = visible, hidden;

    ret_copy->stride = (int64_t)row;
    for (int i = 0; i < FLASH_TILE_BLOCKS; i++) {
        ret_copy->block[i] = (const char *)(wk->copy + i * FLASH_CPU_KV_BLOCK * dim);
        ret_copy->next[i] = NULL;
    }
    while (left) { /* tokens of a page */
        int32_t j = __builtin_ctz(left), next = j0 + FLASH_TILE + j, to;
        struct place at = find_token(wk, j0 + j);
        const char *ahead = is_aligned && next < end ? address(wk, a, find_token(wk, next)) : NULL;

        to = j + page - at.token < FLASH_TILE ? j + page - at.token : FLASH_TILE;
        left &= ~token_bits(0, to);
        for (; j < to; j++, at.token++) {
            if (ahead) {
                prefetch(ahead, dim * (int)cg_dtype_size(type));
                ahead += a->token_stride;
            }
            if (visible >> j & 1)
                load_elements(wk->copy + j * dim, address(wk, a, at), type, dim,
                              a->scale ? *scale_of(wk, a, at) : 1);
        }
    }
    hidden = ~visible & token_bits(__builtin_ctz(visible), 32 - __builtin_clz(visible));
    for (; hidden; hidden &= hidden - 1) /* are read, though their scores are not used */
        memset(wk->copy + __builtin_ctz(hidden) * dim, 0, row);
}

#endif
