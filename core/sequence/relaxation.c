/* SPDX-License-Identifier: MIT */
/* core/cuda/step.cu includes this file to compile it for the device. */
#include "sequence/relaxation.h"

#include "base/vec3.h"

#ifndef __CUDACC__
#include <math.h>
#endif

/*
 * A quantity out of its range is corrected to a target inside it and is satisfied somewhat before
 * the target is reached, so that the rounded coordinates of the text still pass.
 */
static const float bond_margin = 0.1f;      /* Å from a bound to the target, of bonds */
static const float distance_margin = 0.2f;  /* of other distances, whose ranges are wider */
static const float satisfied_margin = 0.5f; /* share of the margin that satisfies */
static const float volume_target = 2;       /* times the bound */
static const float satisfied_volume = 1.5f;
static const float torsion_target = 0.6f; /* share of the largest permitted angle */
static const float satisfied_torsion = 0.8f;

/* Degenerate geometries: bounds on divisors. */
static const float coincident = 1e-3f;  /* Å: closer atoms have no direction between them */
static const float min_normal2 = 1e-2f; /* Å^4: bounds the gradient of nearly collinear atoms */
static const float min_axis = 1e-1f;    /* Å */
static const float min_gradient2 =
    1e-6f; /* of a quantity that hardly depends on the moving atoms */

static const float over_relaxation = 1.5f;  /* times the mean correction */
static const float max_displacement = 0.5f; /* Å: the gradients do not hold farther */

static CG_HOST_DEVICE void add_correction(cg_correction *c, const float v[3], float scale)
{
    for (int k = 0; k < 3; k++)
        c->sum[k] += scale * v[k];
    c->n++;
}

static CG_HOST_DEVICE void correct_pair(const cg_geometry *g, const float (*xyz)[3], int32_t first,
                                        int32_t i, int32_t j, cg_correction *c)
{
    int32_t at = i > j ? i * (i - 1) / 2 + j : j * (j - 1) / 2 + i;
    float low = sqrtf(g->low2[at]), high = sqrtf(g->high2[at]);
    float margin = g->pair_cause[at] == CG_CAUSE_BOND ? bond_margin : distance_margin;
    float v[3], d, miss;

    cg_vec3_between(xyz[j], xyz[i], v);
    d = sqrtf(cg_vec3_dot(v, v));
    if (low > 0 && d < low + margin)
        miss = low + margin - d;
    else if (d > high - margin)
        miss = high - margin - d;
    else
        return;
    if (fabsf(miss) > satisfied_margin * margin)
        c->unsatisfied = 1;
    if (d < coincident) { /* separate them along an arbitrary direction */
        v[0] = i > j ? 1 : -1;
        v[1] = v[2] = 0;
        d = 1;
    }
    add_correction(c, v, (j >= first ? 0.5f : 1) * miss / d); /* two moving atoms share it */
}

/* Returns the volume of a test; gradient[k] is its gradient with respect to atom k of the test. */
static CG_HOST_DEVICE float volume_gradient(const float (*xyz)[3], const cg_geometry_test *t,
                                            float gradient[4][3])
{
    float u[3], v[3], w[3];

    cg_vec3_between(xyz[t->atom[0]], xyz[t->atom[1]], u);
    cg_vec3_between(xyz[t->atom[0]], xyz[t->atom[2]], v);
    cg_vec3_between(xyz[t->atom[0]], xyz[t->atom[3]], w);
    cg_vec3_cross(v, w, gradient[1]);
    cg_vec3_cross(w, u, gradient[2]);
    cg_vec3_cross(u, v, gradient[3]);
    for (int k = 0; k < 3; k++)
        gradient[0][k] = -gradient[1][k] - gradient[2][k] - gradient[3][k];
    return cg_vec3_dot(u, gradient[1]);
}

/*
 * Returns the torsion of a test in radians, and its gradient as above. Source: Blondel and Karplus,
 * J. Comput. Chem. 17, 1132 (1996).
 */
static CG_HOST_DEVICE float torsion_gradient(const float (*xyz)[3], const cg_geometry_test *t,
                                             float gradient[4][3])
{
    float f[3], g[3], h[3], a[3], b[3], c[3], a2, b2, axis, fg, hg;

    cg_vec3_between(xyz[t->atom[1]], xyz[t->atom[0]], f);
    cg_vec3_between(xyz[t->atom[2]], xyz[t->atom[1]], g);
    cg_vec3_between(xyz[t->atom[2]], xyz[t->atom[3]], h);
    cg_vec3_cross(f, g, a);
    cg_vec3_cross(h, g, b);
    cg_vec3_cross(b, a, c);
    a2 = fmaxf(cg_vec3_dot(a, a), min_normal2);
    b2 = fmaxf(cg_vec3_dot(b, b), min_normal2);
    axis = fmaxf(sqrtf(cg_vec3_dot(g, g)), min_axis);
    fg = cg_vec3_dot(f, g) / (a2 * axis);
    hg = cg_vec3_dot(h, g) / (b2 * axis);
    for (int k = 0; k < 3; k++) {
        gradient[0][k] = -axis / a2 * a[k];
        gradient[3][k] = axis / b2 * b[k];
        gradient[1][k] = (axis / a2 + fg) * a[k] - hg * b[k];
        gradient[2][k] = -(axis / b2 - hg) * b[k] - fg * a[k];
    }
    return atan2f(cg_vec3_dot(c, g) / axis, cg_vec3_dot(a, b));
}

/* Change of a torsion, radians, that brings it within `share` of the largest permitted angle. */
static CG_HOST_DEVICE float torsion_miss(const cg_geometry_test *t, float angle, float share)
{
    const float pi = 3.14159265f;
    float from_cis = fabsf(angle), from_trans, most;

    if (t->kind == CG_TEST_FLAT)
        most = acosf(sqrtf(t->low));
    else
        most = acosf(t->high < 1 ? -t->high : t->low);
    most *= share;
    from_trans = pi - from_cis;
    if (t->kind == CG_TEST_FLAT ? from_cis < from_trans : t->high >= 1) {
        if (from_cis <= most)
            return 0;
        return angle > 0 ? most - from_cis : from_cis - most;
    }
    if (from_trans <= most)
        return 0;
    return angle > 0 ? from_trans - most : most - from_trans;
}

/* The correction that a test contributes to its atom number `which`. */
static CG_HOST_DEVICE void correct_test(const cg_geometry_test *t, const float (*xyz)[3],
                                        int32_t first, int which, cg_correction *c)
{
    float gradient[4][3], miss, size = 0;

    if (t->kind == CG_TEST_VOLUME) {
        float x = volume_gradient(xyz, t, gradient);
        float low = volume_target * t->low, high = volume_target * t->high;

        miss = x < low ? low - x : x > high ? high - x : 0;
        if (x < satisfied_volume * t->low || x > satisfied_volume * t->high)
            c->unsatisfied = 1;
    } else {
        float x = torsion_gradient(xyz, t, gradient);

        miss = torsion_miss(t, x, torsion_target);
        if (torsion_miss(t, x, satisfied_torsion) != 0)
            c->unsatisfied = 1;
    }
    if (miss == 0)
        return;
    for (int k = 0; k < 4; k++)
        if (t->atom[k] >= first)
            size += cg_vec3_dot(gradient[k], gradient[k]);
    if (size > min_gradient2)
        add_correction(c, gradient[which], miss / size);
}

CG_HOST_DEVICE int32_t cg_relaxation_first_moved(const float (*before)[3], const float (*after)[3],
                                                 int32_t first, int32_t last)
{
    while (first < last && before[first][0] == after[first][0] &&
           before[first][1] == after[first][1] && before[first][2] == after[first][2])
        first++;
    return first;
}

CG_HOST_DEVICE void cg_relaxation_correct(const cg_geometry *g, const float (*xyz)[3],
                                          int32_t first, int32_t last, int32_t i, int32_t thread,
                                          int32_t n_threads, cg_correction *correction)
{
    for (int32_t j = thread; j <= last; j += n_threads)
        if (j != i)
            correct_pair(g, xyz, first, i, j, correction);
    for (int32_t n = g->test_start[first] + thread; n < g->test_start[last + 1]; n += n_threads)
        for (int k = 0; k < 4; k++)
            if (g->tests[n].atom[k] == i)
                correct_test(&g->tests[n], xyz, first, k, correction);
}

CG_HOST_DEVICE void cg_correction_displacement(const cg_correction *correction,
                                               float ret_displacement[3])
{
    float scale = correction->n ? over_relaxation / (float)correction->n : 0;
    float size = scale * sqrtf(cg_vec3_dot(correction->sum, correction->sum));

    if (size > max_displacement)
        scale *= max_displacement / size;
    for (int k = 0; k < 3; k++)
        ret_displacement[k] = scale * correction->sum[k];
}
