/* SPDX-License-Identifier: MIT */
/** @file vector.h  Three numbers, on any device. */
#ifndef CG_DECODE_VECTOR_H
#define CG_DECODE_VECTOR_H

#include "base/device.h"

static inline CG_HOST_DEVICE void cg_between(const float from[3], const float to[3], float v[3])
{
    for (int i = 0; i < 3; i++)
        v[i] = to[i] - from[i];
}

static inline CG_HOST_DEVICE void cg_cross(const float a[3], const float b[3], float c[3])
{
    c[0] = a[1] * b[2] - a[2] * b[1];
    c[1] = a[2] * b[0] - a[0] * b[2];
    c[2] = a[0] * b[1] - a[1] * b[0];
}

static inline CG_HOST_DEVICE float cg_dot(const float a[3], const float b[3])
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

#endif
