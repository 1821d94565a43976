/* SPDX-License-Identifier: MIT */
/**
 * @file minimizer_numbers.h  Numbers of the minimiser, for vectors and for a thread of a GPU: the
 * constants of a step and functions that have the same bits in both.
 *
 * The file that includes this one defines before
 *
 *   vec        double, or a vector of them; real and scalar as mmff_terms.h wants them
 *   lane_mask  the type of a comparison of two vec
 *   TERM       storage class of the functions
 *   splat(x), choose(mask, a, b), vector_sqrt(x)
 */
#ifndef CG_FORCEFIELD_MINIMIZER_NUMBERS_H
#define CG_FORCEFIELD_MINIMIZER_NUMBERS_H

/* Of the decrease that the slope promises, a step must reach this part. */
#define SUFFICIENT 1e-4
/* No atom moves farther in one step, Å. */
#define MAX_MOVE 0.3
/* Å^2 mol/kcal, that of a stiff bond: along the gradient. */
#define STEEPEST_SCALE 1e-3
/* A shorter part of the direction is no step. */
#define MIN_STEP 1e-7
/* Of a sum over coordinates: adders of a processor are kept busy, and lanes of a GPU's warp. */
enum { PARTIAL_SUMS = 8 };

TERM vec larger(vec a, vec b)
{
    return choose(a > b, a, b);
}

TERM vec smaller(vec a, vec b)
{
    return choose(a < b, a, b);
}

TERM vec magnitude(vec x)
{
    return choose(x < 0.0, -x, x);
}

TERM vec real_sqrt(vec x)
{
    return vector_sqrt(x);
}

TERM vec real_clamp(vec x, double low, double high)
{
    return smaller(larger(x, splat(low)), splat(high));
}

/* asin(x) for |x| <= 1/2 as x + x z R(z), z = x^2: the rational function of fdlibm's e_asin.c. */
TERM vec small_asin(vec x, vec z)
{
    vec p =
        z * (1.66666666666666657415e-01 +
             z * (-3.25565818622400915405e-01 +
                  z * (2.01212532134862925881e-01 +
                       z * (-4.00555345006794114027e-02 +
                            z * (7.91534994289814532176e-04 + z * 3.47933107596021167570e-05)))));
    vec q = 1.0 + z * (-2.40339491173441421878e+00 +
                       z * (2.02094576023350569471e+00 +
                            z * (-6.88283971605453293030e-01 + z * 7.70381505559019352791e-02)));

    return x + x * (p / q);
}

/* With |x| > 1/2, asin |x| = pi/2 - 2 asin sqrt((1 - |x|) / 2). */
TERM vec real_asin(vec x)
{
    const double half_pi = 1.5707963267948966;
    vec m = magnitude(x);
    lane_mask large = m > 0.5;
    vec half = (1.0 - m) * 0.5;
    vec z = choose(large, half, m * m);
    vec r = small_asin(choose(large, vector_sqrt(z), m), z);

    r = choose(large, half_pi - 2.0 * r, r);
    return choose(x < 0.0, -r, r);
}

TERM vec real_acos(vec x)
{
    const double half_pi = 1.5707963267948966, pi = 3.141592653589793;
    vec m = magnitude(x);
    lane_mask large = m > 0.5;
    vec half = (1.0 - m) * 0.5;
    vec z = choose(large, half, m * m);
    vec r = small_asin(choose(large, vector_sqrt(z), x), z);

    return choose(large, choose(x < 0.0, pi - 2.0 * r, 2.0 * r), half_pi - r);
}

/* The step that minimises the parabola through both energies and the slope, but a half to a tenth
 * of the last one. */
TERM vec shorter(vec step, vec slope, vec energy, vec trial)
{
    vec best = -slope * step * step / (2.0 * (trial - energy - slope * step));

    best = choose(best > 0.1 * step, best, 0.1 * step); /* also if not a number */
    return smaller(best, 0.5 * step);
}

#endif
