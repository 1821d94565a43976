/* SPDX-License-Identifier: MIT */
/** @file emulated_tensor.h  What the emulated driver writes to a CUtensorMap. */
#ifndef CG_TESTS_EMULATED_TENSOR_H
#define CG_TESTS_EMULATED_TENSOR_H

#include <cuda.h>
#include <stdint.h>

/** A tensor of up to five dimensions, innermost first; absent ones have size and box 1. */
typedef struct emulated_tensor {
    const char *base;
    uint64_t size[5];
    uint64_t stride[5]; /* bytes; [0] is not used */
    uint32_t box[5];
    uint32_t element; /* bytes */
    uint32_t swizzle; /* bytes: 64 or 128, of a row of a box, too */
} emulated_tensor;

static inline const emulated_tensor *emulated_tensor_of(const CUtensorMap *map)
{
    return (const emulated_tensor *)map;
}

#endif
