/* SPDX-License-Identifier: MIT */
/** @file tensor.h  Element types, devices and the view of cached keys and values. */
#ifndef CONFGEN_TENSOR_H
#define CONFGEN_TENSOR_H

#include <stdint.h>

#include <confgen/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Element type. Numbers are part of the ABI. */
typedef int32_t cg_dtype;
enum { CG_F32 = 0, CG_BF16 = 1, CG_F16 = 2 };

/** Where a pointer's memory lies. Numbers are part of the ABI. */
typedef int32_t cg_device;
enum { CG_DEVICE_CPU = 0, CG_DEVICE_CUDA = 1 };

/** Bytes of one element, 0 for an unknown type. */
static inline uint32_t cg_dtype_size(cg_dtype t)
{
    return t == CG_F32 ? 4u : (t == CG_BF16 || t == CG_F16) ? 2u : 0u;
}

/**
 * Where the keys and values of one layer lie, for every slot.
 *
 * A slot is the place of one sequence. Memory is cut into blocks: a block holds `block_tokens`
 * consecutive tokens of all heads. With a page table, token p of slot s lies in block
 * page_table[s * table_stride + p / block_tokens]; without one (page_table NULL) a slot is one
 * block, numbered s. In both layouts
 *
 *   address(s, head, p) = base + block * block_stride
 *                              + head * head_stride
 *                              + (p % block_tokens) * token_stride
 *
 * and the head_dim elements of one head and token are contiguous. Strides are in bytes. Pointers,
 * page_table included, are memory of `device`, owned by the cache, valid until its `generation`
 * changes or it is destroyed.
 */
typedef struct cg_kv_view {
    uint32_t struct_size;
    cg_device device;
    cg_dtype dtype;
    int32_t n_slots;
    int32_t n_kv_heads;
    int32_t head_dim;
    int32_t block_tokens;      /* tokens in a block; without a page table the capacity of a slot */
    int32_t table_stride;      /* entries of page_table a slot; 0 without one */
    const int32_t *page_table; /* [n_slots, table_stride] or NULL */
    void *k;                   /* base of the keys */
    void *v;                   /* base of the values, same strides */
    int64_t block_stride;
    int64_t head_stride;
    int64_t token_stride;
    uint64_t generation; /* changes whenever a pointer or a stride of a view has changed */
} cg_kv_view;

/** Byte offset of (slot, head, token) from k or v: the formula above. */
static inline int64_t cg_kv_offset(const cg_kv_view *kv, int32_t slot, int32_t head, int32_t pos)
{
    int32_t in_block = pos % kv->block_tokens;
    int64_t block = kv->page_table
                        ? kv->page_table[(int64_t)slot * kv->table_stride + pos / kv->block_tokens]
                        : slot;

    return block * kv->block_stride + head * kv->head_stride + in_block * kv->token_stride;
}

#ifdef __cplusplus
}
#endif

#endif
