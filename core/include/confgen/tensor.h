/* SPDX-License-Identifier: MIT */
/** @file tensor.h  Element types, devices and the view of a layer's cached keys and values. */
#ifndef CONFGEN_TENSOR_H
#define CONFGEN_TENSOR_H

#include <stdint.h>

#include <confgen/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Element type. Numbers are part of the ABI. */
typedef int32_t cg_dtype;
/** cg_dtype */
enum {
    CG_F32 = 0,  /* IEEE binary32 */
    CG_BF16 = 1, /* the upper 16 bits of a binary32 */
    CG_F16 = 2,  /* IEEE binary16 */
    /* Since 1.2, of cached keys and values only, with scales (cg_kv_view.k_scale) */
    CG_F8_E4M3 = 3, /* OCP FP8: 4 bits of exponent, no infinity */
    CG_F8_E5M2 = 4, /* 5 bits of exponent */
    CG_I8 = 5,      /* two's complement */
};

/** Device that owns a pointer's memory. Numbers are part of the ABI. */
typedef int32_t cg_device;
/** cg_device */
enum {
    CG_DEVICE_CPU = 0,  /* host memory */
    CG_DEVICE_CUDA = 1, /* memory of an NVIDIA GPU */
};

/**
 * Order of tokens (N) and heads (H) within a block of a KV cache, outermost first; D are the
 * elements of one head and token. Numbers are part of the ABI.
 */
enum {
    CG_KV_HND = 0, /* [head, token, head_dim]: the tokens of a head are adjacent */
    CG_KV_NHD = 1, /* [token, head, head_dim]: the heads of a token are adjacent */
};

/** Bytes of one element, 0 for an unknown type. */
static inline CG_HOST_DEVICE uint32_t cg_dtype_size(cg_dtype t)
{
    return t == CG_F32                                        ? 4u
           : t == CG_BF16 || t == CG_F16                      ? 2u
           : t == CG_F8_E4M3 || t == CG_F8_E5M2 || t == CG_I8 ? 1u
                                                              : 0u;
}

/** Name of an element type for messages and reports, e.g. "bf16". Static storage. */
static inline const char *cg_dtype_name(cg_dtype t)
{
    static const char *const names[] = { "f32", "bf16", "f16", "f8_e4m3", "f8_e5m2", "i8" };

    return t >= CG_F32 && t <= CG_I8 ? names[t] : "unknown type";
}

/** Name of a device for messages and reports, e.g. "cuda". Static storage. */
static inline const char *cg_device_name(cg_device device)
{
    return device == CG_DEVICE_CPU ? "cpu" : device == CG_DEVICE_CUDA ? "cuda" : "unknown device";
}

/**
 * Layout of the cached keys and values of one layer, for every slot.
 *
 * A slot holds one sequence. Memory is divided into blocks: a block holds `block_tokens`
 * consecutive tokens of all heads. With a page table, token p of slot s is in block
 * page_table[s * table_stride + p / block_tokens]; without one (page_table NULL) slot s is block s.
 * In both cases
 *
 *   address(s, head, p) = base + block * block_stride
 *                              + head * head_stride
 *                              + (p % block_tokens) * token_stride
 *
 * and the head_dim elements of one head and token are contiguous. Strides are in bytes, multiples
 * of the element size; on CUDA base addresses and strides are multiples of 16 bytes. Pointers,
 * page_table included, are memory of `device`, owned by the cache, valid until its `generation`
 * changes or it is destroyed. Memory without a valid token may hold anything, NaN included, and
 * page table entries behind the last valid token may be any number.
 *
 * Since 1.2 values may have a size and strides of their own, and elements may be scaled: then
 * element = stored number * scale, with the float of k_scale or v_scale at
 *
 *   base + block * scale_block_stride + head * scale_head_stride
 *        + (p % block_tokens) * scale_token_stride
 *
 * where a stride of 0 shares a scale: three zeros are one scale for the tensor.
 */
typedef struct cg_kv_view {
    uint32_t struct_size;
    cg_device device;          /* of the memory */
    cg_dtype dtype;            /* of keys and values */
    int32_t n_slots;           /* sequences */
    int32_t n_kv_heads;        /* key/value heads of a token */
    int32_t head_dim;          /* elements of a key */
    int32_t block_tokens;      /* tokens per block; without a page table the capacity of a slot */
    int32_t table_stride;      /* page_table entries per slot; 0 without a page table */
    const int32_t *page_table; /* [n_slots, table_stride] or NULL */
    void *k;                   /* base address of the keys */
    void *v;                   /* base address of the values */
    int64_t block_stride;      /* bytes between blocks */
    int64_t head_stride;       /* bytes between heads of a block */
    int64_t token_stride;      /* bytes between tokens of a head */
    uint64_t generation;       /* changes whenever a pointer or a stride of a view has changed */
    /* Since 1.2 */
    int32_t v_head_dim; /* elements of a value; 0: head_dim */
    int32_t reserved;
    int64_t v_block_stride; /* of v; all three 0: those of k */
    int64_t v_head_stride;
    int64_t v_token_stride;
    const float *k_scale; /* NULL: not scaled */
    const float *v_scale;
    int64_t scale_block_stride; /* of k_scale and v_scale */
    int64_t scale_head_stride;
    int64_t scale_token_stride;
} cg_kv_view;

/** Block of token `pos` of a slot. */
static inline CG_HOST_DEVICE int64_t cg_kv_block(const cg_kv_view *kv, int32_t slot, int32_t pos)
{
    return kv->page_table
               ? kv->page_table[(int64_t)slot * kv->table_stride + pos / kv->block_tokens]
               : slot;
}

/**
 * Byte offset of (slot, head, token `pos`) from k, by the formula of cg_kv_view; from v too unless
 * values have strides of their own. In a kernel: of a view in the kernel's parameters.
 */
static inline CG_HOST_DEVICE int64_t cg_kv_offset(const cg_kv_view *kv, int32_t slot, int32_t head,
                                                  int32_t pos)
{
    return cg_kv_block(kv, slot, pos) * kv->block_stride + head * kv->head_stride +
           pos % kv->block_tokens * kv->token_stride;
}

/** cg_kv_offset() from v, for a view of at least 1.2. */
static inline CG_HOST_DEVICE int64_t cg_kv_value_offset(const cg_kv_view *kv, int32_t slot,
                                                        int32_t head, int32_t pos)
{
    if (!kv->v_block_stride && !kv->v_head_stride && !kv->v_token_stride)
        return cg_kv_offset(kv, slot, head, pos);
    return cg_kv_block(kv, slot, pos) * kv->v_block_stride + head * kv->v_head_stride +
           pos % kv->block_tokens * kv->v_token_stride;
}

/** cg_kv_offset() from k_scale and v_scale, for a view of at least 1.2. */
static inline CG_HOST_DEVICE int64_t cg_kv_scale_offset(const cg_kv_view *kv, int32_t slot,
                                                        int32_t head, int32_t pos)
{
    return cg_kv_block(kv, slot, pos) * kv->scale_block_stride + head * kv->scale_head_stride +
           pos % kv->block_tokens * kv->scale_token_stride;
}

/** CG_KV_NHD or CG_KV_HND, derived from the strides, for cg_attention_problem.kv_layout. */
static inline int32_t cg_kv_layout(const cg_kv_view *kv)
{
    return kv->token_stride > kv->head_stride ? CG_KV_NHD : CG_KV_HND;
}

#ifdef __cplusplus
}
#endif

#endif
