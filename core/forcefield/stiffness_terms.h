/* SPDX-License-Identifier: MIT */
/**
 * @file stiffness_terms.h  The terms of a conformer's stiffness matrix, for vectors and for a
 * thread of a GPU.
 *
 * Included after minimizer_numbers.h and mmff_terms.h. The matrix is a sum of k v v^T, where v is
 * the gradient of a bond length, an angle or a torsion, and k the second derivative of its term, or
 * a typical one; and of a multiple of the identity. So it is positive definite everywhere, other
 * than the second derivatives of the energy. Non-bonded pairs are left out: it stays sparse.
 */
#ifndef CG_FORCEFIELD_STIFFNESS_TERMS_H
#define CG_FORCEFIELD_STIFFNESS_TERMS_H

/* Of all else than bonds, angles and torsions, kcal/mol/Å^2: at the start, and its factor and limit
 * at each renewal. */
#define FIRST_STIFFNESS 100.0
#define STIFFNESS_DECAY 0.3
#define LEAST_STIFFNESS 3.0
/* Sines and squares of areas (Å^4) are not less: angles and torsions of straight atoms. */
#define LEAST_SINE  0.1
#define LEAST_AREA2 0.05

/** v = gradients of both atoms; d = x[0] - x[1], Å. */
TERM void bond_gradient(const vec d[3], vec v[2][3])
{
    vec inverse = 1.0 / mmff_length(d);

    for (int i = 0; i < 3; i++) {
        v[0][i] = d[i] * inverse;
        v[1][i] = -v[0][i];
    }
}

/** a = x[0] - x[1], b = x[2] - x[1] */
TERM void angle_gradient(const vec a[3], const vec b[3], vec v[3][3])
{
    vec inverse_a, inverse_b, c, inverse_sine;

    inverse_a = 1.0 / mmff_length(a);
    inverse_b = 1.0 / mmff_length(b);
    c = real_clamp(mmff_dot(a, b) * inverse_a * inverse_b, -1, 1);
    inverse_sine = 1.0 / larger(vector_sqrt(larger(1.0 - c * c, splat(0))), splat(LEAST_SINE));
    for (int i = 0; i < 3; i++) {
        vec ua = a[i] * inverse_a, ub = b[i] * inverse_b;

        v[0][i] = (c * ua - ub) * inverse_a * inverse_sine;
        v[2][i] = (c * ub - ua) * inverse_b * inverse_sine;
        v[1][i] = -v[0][i] - v[2][i];
    }
}

/**
 * a = x[0] - x[1], b = x[1] - x[2], c = x[3] - x[2]
 *
 * Source: Blondel and Karplus, J. Comput. Chem. 17, 1132 (1996).
 */
TERM void torsion_gradient(const vec a[3], const vec b[3], const vec c[3], vec v[4][3])
{
    vec m[3], n[3], length, m2, n2, of_a, of_c;

    mmff_cross(a, b, m);
    mmff_cross(c, b, n);
    length = mmff_length(b);
    m2 = 1.0 / larger(mmff_dot(m, m), splat(LEAST_AREA2));
    n2 = 1.0 / larger(mmff_dot(n, n), splat(LEAST_AREA2));
    of_a = mmff_dot(a, b) / length * m2;
    of_c = mmff_dot(c, b) / length * n2;
    for (int i = 0; i < 3; i++) {
        vec shift = of_a * m[i] - of_c * n[i];

        v[0][i] = -length * m2 * m[i];
        v[3][i] = length * n2 * n[i];
        v[1][i] = shift - v[0][i];
        v[2][i] = -shift - v[3][i];
    }
}

/** The number to add to the diagonal, kcal/mol/Å^2: the first one, or the one after `last`. */
TERM vec next_stiffness(lane_mask first, vec last)
{
    return choose(first, splat(FIRST_STIFFNESS),
                  larger(last * STIFFNESS_DECAY, splat(LEAST_STIFFNESS)));
}

/** The inverse of a symmetric 3 x 3 matrix. */
TERM void invert_symmetric(const vec m[9], vec ret[9])
{
    vec a = m[0], b = m[1], c = m[2], d = m[4], e = m[5], f = m[8];
    vec aa = d * f - e * e, ab = c * e - b * f, ac = b * e - c * d;
    vec bb = a * f - c * c, bc = b * c - a * e, cc = a * d - b * b;
    vec inverse = 1.0 / (a * aa + b * ab + c * ac);
    const vec all[9] = { aa, ab, ac, ab, bb, bc, ac, bc, cc };

    for (int i = 0; i < 9; i++)
        ret[i] = all[i] * inverse;
}

#endif
