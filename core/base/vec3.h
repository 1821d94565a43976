/* SPDX-License-Identifier: MIT */
/** @file vec3.h  Vectors of three coordinates: float (cg_vec3_*) and double (cg_vec3d_*). */
#ifndef CG_BASE_VEC3_H
#define CG_BASE_VEC3_H

#include <confgen/status.h>

/** v = to - from */
static inline CG_HOST_DEVICE void cg_vec3_between(const float from[3], const float to[3],
                                                  float v[3])
{
    for (int i = 0; i < 3; i++)
        v[i] = to[i] - from[i];
}

/** c = a x b; c must not overlap a or b. */
static inline CG_HOST_DEVICE void cg_vec3_cross(const float a[3], const float b[3], float c[3])
{
    c[0] = a[1] * b[2] - a[2] * b[1];
    c[1] = a[2] * b[0] - a[0] * b[2];
    c[2] = a[0] * b[1] - a[1] * b[0];
}

static inline CG_HOST_DEVICE float cg_vec3_dot(const float a[3], const float b[3])
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

static inline void cg_vec3d_between(const double from[3], const double to[3], double v[3])
{
    for (int i = 0; i < 3; i++)
        v[i] = to[i] - from[i];
}

/** v = to - from, computed in double precision. */
static inline void cg_vec3d_between_floats(const float from[3], const float to[3], double v[3])
{
    for (int i = 0; i < 3; i++)
        v[i] = (double)to[i] - (double)from[i];
}

static inline void cg_vec3d_cross(const double a[3], const double b[3], double c[3])
{
    c[0] = a[1] * b[2] - a[2] * b[1];
    c[1] = a[2] * b[0] - a[0] * b[2];
    c[2] = a[0] * b[1] - a[1] * b[0];
}

static inline double cg_vec3d_dot(const double a[3], const double b[3])
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

#endif
