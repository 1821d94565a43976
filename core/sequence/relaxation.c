/* SPDX-License-Identifier: MIT */
/* core/cuda/step.cu includes this file, to run it in a kernel. */
#include "sequence/relaxation.h"

#include "base/vec3.h"

#ifndef __CUDACC__
#include <math.h>
#endif

static CG_HOST_DEVICE void ask(cg_correction *p, const float v[3], float times)
{
    for (int k = 0; k < 3; k++)
        p->by[k] += times * v[k];
    p->n++;
}

/* Of a distance, Å: it is mended to this far within its range, and must be half as far. */
static CG_HOST_DEVICE float depth(int32_t cause)
{
    return cause == CG_CAUSE_BOND ? 0.1f : 0.2f;
}

static CG_HOST_DEVICE void pull_pair(const cg_geometry *g, const float (*xyz)[3], int32_t first,
                                     int32_t i, int32_t j, cg_correction *p)
{
    int32_t at = i > j ? i * (i - 1) / 2 + j : j * (j - 1) / 2 + i;
    float low = sqrtf(g->low2[at]), high = sqrtf(g->high2[at]), in = depth(g->pair_cause[at]);
    float v[3], d, miss;

    cg_vec3_between(xyz[j], xyz[i], v);
    d = sqrtf(cg_vec3_dot(v, v));
    if (low > 0 && d < low + in)
        miss = low + in - d;
    else if (d > high - in)
        miss = high - in - d;
    else
        return;
    if (fabsf(miss) > 0.5f * in)
        p->off = 1;
    if (d < 1e-3f) { /* on top of each other: apart along any direction */
        v[0] = i > j ? 1 : -1;
        v[1] = v[2] = 0;
        d = 1;
    }
    ask(p, v, (j >= first ? 0.5f : 1) * miss / d);
}

/* Volume: its gradient by atom k of the test is of[k]. */
static CG_HOST_DEVICE float volume_gradient(const float (*xyz)[3], const cg_geometry_test *t,
                                            float of[4][3])
{
    float u[3], v[3], w[3];

    cg_vec3_between(xyz[t->atom[0]], xyz[t->atom[1]], u);
    cg_vec3_between(xyz[t->atom[0]], xyz[t->atom[2]], v);
    cg_vec3_between(xyz[t->atom[0]], xyz[t->atom[3]], w);
    cg_vec3_cross(v, w, of[1]);
    cg_vec3_cross(w, u, of[2]);
    cg_vec3_cross(u, v, of[3]);
    for (int k = 0; k < 3; k++)
        of[0][k] = -of[1][k] - of[2][k] - of[3][k];
    return cg_vec3_dot(u, of[1]);
}

/* Torsion, radians: Blondel and Karplus, J. Comput. Chem. 17, 1132 (1996). */
static CG_HOST_DEVICE float torsion_gradient(const float (*xyz)[3], const cg_geometry_test *t,
                                             float of[4][3])
{
    float f[3], g[3], h[3], a[3], b[3], c[3], a2, b2, axis, fg, hg;

    cg_vec3_between(xyz[t->atom[1]], xyz[t->atom[0]], f);
    cg_vec3_between(xyz[t->atom[2]], xyz[t->atom[1]], g);
    cg_vec3_between(xyz[t->atom[2]], xyz[t->atom[3]], h);
    cg_vec3_cross(f, g, a);
    cg_vec3_cross(h, g, b);
    cg_vec3_cross(b, a, c);
    a2 = fmaxf(cg_vec3_dot(a, a), 1e-2f); /* atoms in line: a short way for a start */
    b2 = fmaxf(cg_vec3_dot(b, b), 1e-2f);
    axis = fmaxf(sqrtf(cg_vec3_dot(g, g)), 1e-1f);
    fg = cg_vec3_dot(f, g) / (a2 * axis);
    hg = cg_vec3_dot(h, g) / (b2 * axis);
    for (int k = 0; k < 3; k++) {
        of[0][k] = -axis / a2 * a[k];
        of[3][k] = axis / b2 * b[k];
        of[1][k] = (axis / a2 + fg) * a[k] - hg * b[k];
        of[2][k] = -(axis / b2 - hg) * b[k] - fg * a[k];
    }
    return atan2f(cg_vec3_dot(c, g) / axis, cg_vec3_dot(a, b));
}

/* By how much a torsion must turn to come within `share` of the permitted angle. */
static CG_HOST_DEVICE float turn(const cg_geometry_test *t, float angle, float share)
{
    const float pi = 3.14159265f;
    float size = fabsf(angle), most, far;

    if (t->kind == CG_TEST_FLAT)
        most = acosf(sqrtf(t->low));
    else
        most = acosf(t->high < 1 ? -t->high : t->low);
    most *= share;
    far = pi - size; /* from trans */
    if (t->kind == CG_TEST_FLAT ? size < far : t->high >= 1) {
        if (size <= most)
            return 0;
        return angle > 0 ? most - size : size - most;
    }
    if (far <= most)
        return 0;
    return angle > 0 ? far - most : most - far;
}

static CG_HOST_DEVICE void pull_test(const cg_geometry_test *t, const float (*xyz)[3],
                                     int32_t first, int which, cg_correction *p)
{
    float of[4][3], miss, size = 0;

    if (t->kind == CG_TEST_VOLUME) {
        float x = volume_gradient(xyz, t, of);
        float low = 2 * t->low, high = 2 * t->high;

        miss = x < low ? low - x : x > high ? high - x : 0;
        if (x < 1.5f * t->low || x > 1.5f * t->high)
            p->off = 1;
    } else {
        float x = torsion_gradient(xyz, t, of);

        miss = turn(t, x, 0.6f);
        if (turn(t, x, 0.8f) != 0)
            p->off = 1;
    }
    if (miss == 0)
        return;
    for (int k = 0; k < 4; k++)
        if (t->atom[k] >= first)
            size += cg_vec3_dot(of[k], of[k]);
    if (size > 1e-6f)
        ask(p, of[which], miss / size);
}

CG_HOST_DEVICE int32_t cg_relaxation_first_moved(const float (*was)[3], const float (*is)[3],
                                                 int32_t first, int32_t last)
{
    while (first < last && was[first][0] == is[first][0] && was[first][1] == is[first][1] &&
           was[first][2] == is[first][2])
        first++;
    return first;
}

CG_HOST_DEVICE void cg_relaxation_correct(const cg_geometry *g, const float (*xyz)[3],
                                          int32_t first, int32_t last, int32_t i, int32_t thread,
                                          int32_t n_threads, cg_correction *pull)
{
    for (int32_t j = thread; j <= last; j += n_threads)
        if (j != i)
            pull_pair(g, xyz, first, i, j, pull);
    for (int32_t n = g->test_start[first] + thread; n < g->test_start[last + 1]; n += n_threads)
        for (int k = 0; k < 4; k++)
            if (g->tests[n].atom[k] == i)
                pull_test(&g->tests[n], xyz, first, k, pull);
}

CG_HOST_DEVICE void cg_correction_displacement(const cg_correction *pull, float ret_by[3])
{
    const float eager = 1.5f, farthest = 0.5f; /* Å: farther no gradient tells */
    float times = pull->n ? eager / (float)pull->n : 0;
    float size = times * sqrtf(cg_vec3_dot(pull->by, pull->by));

    if (size > farthest)
        times *= farthest / size;
    for (int k = 0; k < 3; k++)
        ret_by[k] = times * pull->by[k];
}
