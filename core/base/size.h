/* SPDX-License-Identifier: MIT */
/** @file size.h  Checked size arithmetic, for all sizes that come from input. */
#ifndef CG_BASE_SIZE_H
#define CG_BASE_SIZE_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/** *ret = a * b; 0 on success, -1 on overflow (ret unchanged). */
static inline int cg_mul(size_t a, size_t b, size_t *ret)
{
    size_t r;

    if (__builtin_mul_overflow(a, b, &r))
        return -1;
    *ret = r;
    return 0;
}

/** *ret = a + b; 0 on success, -1 on overflow (ret unchanged). */
static inline int cg_add(size_t a, size_t b, size_t *ret)
{
    size_t r;

    if (__builtin_add_overflow(a, b, &r))
        return -1;
    *ret = r;
    return 0;
}

/** Allocates n uninitialised elements of `size` bytes; free(). NULL on overflow or out of memory.
 */
static inline void *cg_alloc_array(size_t n, size_t size)
{
    size_t bytes;

    if (cg_mul(n, size, &bytes))
        return NULL;
    return malloc(bytes ? bytes : 1);
}

/**
 * Grows *array (elements of `size` bytes, capacity *cap) to at least `want` elements by doubling.
 * Returns 0; -1 leaves array and capacity unchanged.
 */
static inline int cg_grow(void **array, size_t *cap, size_t want, size_t size)
{
    size_t c = *cap ? *cap : 16;
    size_t bytes;
    void *p;

    if (want <= *cap)
        return 0;
    while (c < want)
        if (cg_mul(c, 2, &c))
            return -1;
    if (cg_mul(c, size, &bytes))
        return -1;
    p = realloc(*array, bytes);
    if (!p)
        return -1;
    *array = p;
    *cap = c;
    return 0;
}

#endif
