/* SPDX-License-Identifier: MIT */
/**
 * @file mmff_terms.h  Energy and gradient of each kind of MMFF94's terms, for any kind of number.
 *
 * The file that includes this one defines before
 *
 *   real      a floating-point type or a vector of one
 *   scalar    the type of real's elements
 *   TERM      storage class of the functions
 *   real_sqrt(x), real_acos(x), real_asin(x), real_clamp(x, low, high)   with scalar bounds
 *
 * so that the double-precision reference, the vector kernels and CUDA share the formulas. A term
 * takes the differences of its atoms' positions, in Å, and returns kcal/mol and kcal/mol/Å. The
 * gradient of the atom that the differences begin at is minus the sum of the others'.
 *
 * Source: Halgren, J. Comput. Chem. 17, 490-519 (1996) and 20, 720-729 (1999).
 */
#ifndef CG_FORCEFIELD_MMFF_TERMS_H
#define CG_FORCEFIELD_MMFF_TERMS_H

#include "forcefield/mmff_tables.h"

#define MMFF_NUMBER(x) ((scalar)(x))
#define MMFF_DEGREE    MMFF_NUMBER(0.017453292519943295)
#define MMFF_ENERGY    MMFF_NUMBER(CG_MMFF_KCAL)
/* kcal/mol of two unit charges at 1 Å */
#define MMFF_COULOMB MMFF_NUMBER(332.0716)
/* Squares of lengths and sines are not less, so that no division overflows. */
#define MMFF_TINY MMFF_NUMBER(1e-12)
#define MMFF_HUGE MMFF_NUMBER(1e30)

TERM void mmff_cross(const real a[3], const real b[3], real c[3])
{
    c[0] = a[1] * b[2] - a[2] * b[1];
    c[1] = a[2] * b[0] - a[0] * b[2];
    c[2] = a[0] * b[1] - a[1] * b[0];
}

TERM real mmff_dot(const real a[3], const real b[3])
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

TERM real mmff_length(const real a[3])
{
    return real_sqrt(real_clamp(mmff_dot(a, a), MMFF_TINY, MMFF_HUGE));
}

/** d = x[0] - x[1]; ret_g: gradient of atom 0. */
TERM real mmff_bond(const cg_mmff_bond *p, const real d[3], real ret_g[3])
{
    const scalar force = (scalar)p->force * MMFF_ENERGY;
    real r = mmff_length(d);
    real x = r - (scalar)p->length, x2 = x * x;
    real slope =
        force * x * (MMFF_NUMBER(1) - MMFF_NUMBER(3) * x + MMFF_NUMBER(14.0 / 3.0) * x2) / r;

    for (int i = 0; i < 3; i++)
        ret_g[i] = slope * d[i];
    return MMFF_NUMBER(0.5) * force * x2 *
           (MMFF_NUMBER(1) - MMFF_NUMBER(2) * x + MMFF_NUMBER(7.0 / 3.0) * x2);
}

/**
 * Angle bending, and stretch-bending of its two bonds.
 *
 * @param a, b  x[0] - x[1], x[2] - x[1]
 * @param ret_a, ret_b  gradients of atoms 0 and 2
 * @param ret_stretch  energy of stretch-bending
 */
TERM real mmff_angle(const cg_mmff_angle *p, const real a[3], const real b[3], real ret_a[3],
                     real ret_b[3], real *ret_stretch)
{
    const scalar cubic = MMFF_NUMBER(-0.006981317); /* per degree */
    const scalar force = (scalar)p->force * MMFF_ENERGY * MMFF_DEGREE * MMFF_DEGREE;
    const scalar k0 = (scalar)p->stretch[0] * MMFF_ENERGY * MMFF_DEGREE;
    const scalar k1 = (scalar)p->stretch[1] * MMFF_ENERGY * MMFF_DEGREE;
    real ra = mmff_length(a), rb = mmff_length(b);
    real inverse_a = MMFF_NUMBER(1) / ra, inverse_b = MMFF_NUMBER(1) / rb;
    real c = real_clamp(mmff_dot(a, b) * inverse_a * inverse_b, MMFF_NUMBER(-1), MMFF_NUMBER(1));
    real energy, by_cosine, by_ra, by_rb; /* derivatives */

    if (p->linear) {
        const scalar k = (scalar)p->force * MMFF_ENERGY;

        energy = k * (MMFF_NUMBER(1) + c);
        by_cosine = c * MMFF_NUMBER(0) + k;
        *ret_stretch = by_ra = by_rb = c * MMFF_NUMBER(0);
    } else {
        real x = real_acos(c) * (MMFF_NUMBER(1) / MMFF_DEGREE) - (scalar)p->angle;
        real sine = real_sqrt(real_clamp(MMFF_NUMBER(1) - c * c, MMFF_TINY, MMFF_NUMBER(1)));
        real stretch = k0 * (ra - (scalar)p->length[0]) + k1 * (rb - (scalar)p->length[1]);

        energy = MMFF_NUMBER(0.5) * force * x * x * (MMFF_NUMBER(1) + cubic * x);
        *ret_stretch = stretch * x;
        by_cosine = -(force * x * (MMFF_NUMBER(1) + MMFF_NUMBER(1.5) * cubic * x) + stretch) /
                    (sine * MMFF_DEGREE);
        by_ra = k0 * x;
        by_rb = k1 * x;
    }
    for (int i = 0; i < 3; i++) {
        real ua = a[i] * inverse_a, ub = b[i] * inverse_b;

        ret_a[i] = by_ra * ua + by_cosine * (ub - c * ua) * inverse_a;
        ret_b[i] = by_rb * ub + by_cosine * (ua - c * ub) * inverse_b;
    }
    return energy;
}

/**
 * a, b, c: x[0], x[2] and x[3] minus x[1]; ret_a, ret_b, ret_c: gradients of atoms 0, 2 and 3.
 *
 * With n = a x b, the sine of the angle is s = n c / (|n| |c|).
 */
TERM real mmff_plane(const cg_mmff_plane *p, const real a[3], const real b[3], const real c[3],
                     real ret_a[3], real ret_b[3], real ret_c[3])
{
    const scalar force = (scalar)p->force * MMFF_ENERGY;
    real n[3], by_n[3], inverse_n, inverse_c, s, angle, by_sine;

    mmff_cross(a, b, n);
    inverse_n = MMFF_NUMBER(1) / mmff_length(n);
    inverse_c = MMFF_NUMBER(1) / mmff_length(c);
    s = real_clamp(mmff_dot(n, c) * inverse_n * inverse_c, MMFF_NUMBER(-1), MMFF_NUMBER(1));
    angle = real_asin(s);
    by_sine =
        force * angle / real_sqrt(real_clamp(MMFF_NUMBER(1) - s * s, MMFF_TINY, MMFF_NUMBER(1)));
    for (int i = 0; i < 3; i++) {
        real un = n[i] * inverse_n, uc = c[i] * inverse_c;

        by_n[i] = by_sine * (uc - s * un) * inverse_n;
        ret_c[i] = by_sine * (un - s * uc) * inverse_c;
    }
    mmff_cross(b, by_n, ret_a);
    mmff_cross(by_n, a, ret_b);
    return MMFF_NUMBER(0.5) * force * angle * angle;
}

/**
 * a = x[0] - x[1], b = x[2] - x[1], c = x[3] - x[2]; ret_g: gradients of atoms 0, 1, 2 and 3.
 *
 * With t = a x b and u = c x b, the cosine of the torsion is t u / (|t| |u|). The energy is a
 * polynomial of it.
 */
TERM real mmff_torsion(const cg_mmff_torsion *p, const real a[3], const real b[3], const real c[3],
                       real ret_g[4][3])
{
    const scalar v1 = (scalar)p->v[0], v2 = (scalar)p->v[1], v3 = (scalar)p->v[2];
    real t[3], u[3], by_t[3], by_u[3], ga[3], gc[3], part_t[3], part_u[3];
    real inverse_t, inverse_u, x, x2, slope;

    mmff_cross(a, b, t);
    mmff_cross(c, b, u);
    inverse_t = MMFF_NUMBER(1) / mmff_length(t);
    inverse_u = MMFF_NUMBER(1) / mmff_length(u);
    x = real_clamp(mmff_dot(t, u) * inverse_t * inverse_u, MMFF_NUMBER(-1), MMFF_NUMBER(1));
    x2 = x * x;
    slope = MMFF_NUMBER(0.5) *
            (v1 - MMFF_NUMBER(4) * v2 * x + v3 * (MMFF_NUMBER(12) * x2 - MMFF_NUMBER(3)));
    for (int i = 0; i < 3; i++) {
        real ut = t[i] * inverse_t, uu = u[i] * inverse_u;

        by_t[i] = slope * (uu - x * ut) * inverse_t;
        by_u[i] = slope * (ut - x * uu) * inverse_u;
    }
    mmff_cross(b, by_t, ga);
    mmff_cross(by_t, a, part_t);
    mmff_cross(b, by_u, gc);
    mmff_cross(by_u, c, part_u);
    for (int i = 0; i < 3; i++) {
        real gb = part_t[i] + part_u[i];

        ret_g[0][i] = ga[i];
        ret_g[1][i] = -ga[i] - gb;
        ret_g[2][i] = gb - gc[i];
        ret_g[3][i] = gc[i];
    }
    return MMFF_NUMBER(0.5) *
           (v1 * (MMFF_NUMBER(1) + x) + MMFF_NUMBER(2) * v2 * (MMFF_NUMBER(1) - x2) +
            v3 * (MMFF_NUMBER(1) + x * (MMFF_NUMBER(4) * x2 - MMFF_NUMBER(3))));
}

/**
 * d = x[0] - x[1]; ret_g: gradient of atom 0. Returns the van der Waals energy.
 *
 * With q = r / R*, h = 1 / (q + 0.07) and w = 1.12 / (q^7 + 0.12), the energy is
 * epsilon (1.07 h)^7 (w - 2) and its derivative by q is
 * -7 epsilon (1.07 h)^7 (h (w - 2) + q^6 w^2 / 1.12).
 */
TERM real mmff_pair(const cg_mmff_pair *p, const real d[3], real ret_g[3], real *ret_coulomb)
{
    const scalar inverse_radius = MMFF_NUMBER(1) / (scalar)p->radius;
    real r = mmff_length(d);
    real q = r * inverse_radius;
    real q2 = q * q, q6 = q2 * q2 * q2;
    /* One division for the four denominators. */
    real d1 = q + MMFF_NUMBER(0.07), d2 = q6 * q + MMFF_NUMBER(0.12), d3 = r + MMFF_NUMBER(0.05);
    real d12 = d1 * d2, d3r = d3 * r;
    real inverse = MMFF_NUMBER(1) / (d12 * d3r);
    real inverse12 = inverse * d3r, inverse3r = inverse * d12;
    real h = inverse12 * d2, w = MMFF_NUMBER(1.12) * (inverse12 * d1);
    real inverse3 = inverse3r * r, inverse_r = inverse3r * d3;
    real t = MMFF_NUMBER(1.07) * h;
    real t2 = t * t, depth = (scalar)p->depth * (t2 * t2 * t2 * t);
    real well = w - MMFF_NUMBER(2);
    real coulomb = MMFF_COULOMB * (scalar)p->charge * inverse3;
    real slope = (MMFF_NUMBER(-7) * inverse_radius * depth *
                      (h * well + MMFF_NUMBER(1 / 1.12) * q6 * w * w) -
                  coulomb * inverse3) *
                 inverse_r;

    for (int i = 0; i < 3; i++)
        ret_g[i] = slope * d[i];
    *ret_coulomb = coulomb;
    return depth * well;
}

#endif
