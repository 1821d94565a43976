/* SPDX-License-Identifier: MIT */
/**
 * @file rmsd_tile.h  The kernels of rmsd_kernel.h for vectors of WIDTH doubles.
 *
 * Included by rmsd_<variant>.c, which defines WIDTH, a divisor of CG_RMSD_LANES, and
 * ANY_LANE(mask): whether any lane is set. Processing WIDTH lanes at a time keeps nine sums in
 * registers.
 *
 * lambda is the largest of the four real roots of Horn's quartic. With the inner products M and
 * their singular values s1 >= s2 >= |s3|, s3 having the sign of det M,
 *
 *   P(x) = x^4 - 2 |M|^2 x^2 - 8 det(M) x + (|M|^4 - 4 |cof M|^2),  roots +-s1 +-s2 +-s3
 *
 * with an even number of minus signs.
 */
#include "eval/rmsd_kernel.h"

#include <stdint.h>
#include <string.h>

typedef double vec __attribute__((vector_size(8 * WIDTH), may_alias));
typedef int64_t lane_mask __attribute__((vector_size(8 * WIDTH))); /* 0 or -1 in each lane */

enum {
    MAX_STEPS = 40,
};
/* Newton's iteration has converged: it doubles the digits, and P' is not small (below). */
#define STEP_SMALL 1e-10
/* P' at the root is prod(lambda - other roots). Below this limit, rounding of P (1e-15) matters. */
#define SLOPE_SMALL 1e-3
/* Bound of the rounding errors of P, P' and P''. */
#define NOISE 2e-14

static inline __attribute__((always_inline)) int any_lane(lane_mask mask)
{
    return ANY_LANE(mask);
}

static inline __attribute__((always_inline)) vec splat(double x)
{
    return (vec) { 0 } + x;
}

static inline __attribute__((always_inline)) vec load(const double *p)
{
    return *(const vec *)p;
}

static inline __attribute__((always_inline)) vec choose(lane_mask in, vec a, vec b)
{
    return (vec)((in & (lane_mask)a) | (~in & (lane_mask)b));
}

static inline __attribute__((always_inline)) vec larger(vec a, vec b)
{
    return choose(a > b, a, b);
}

static inline __attribute__((always_inline)) vec smaller(vec a, vec b)
{
    return choose(a < b, a, b);
}

/* Coefficients of P: x^4 + c2 x^2 + c1 x + c0. */
struct quartic {
    vec c2, c1, c0;
    vec norm2; /* |M|^2 */
};

static inline __attribute__((always_inline)) struct quartic make_quartic(const vec *m)
{
    vec c00 = m[4] * m[8] - m[5] * m[7], c01 = m[5] * m[6] - m[3] * m[8];
    vec c02 = m[3] * m[7] - m[4] * m[6], c10 = m[2] * m[7] - m[1] * m[8];
    vec c11 = m[0] * m[8] - m[2] * m[6], c12 = m[1] * m[6] - m[0] * m[7];
    vec c20 = m[1] * m[5] - m[2] * m[4], c21 = m[2] * m[3] - m[0] * m[5];
    vec c22 = m[0] * m[4] - m[1] * m[3];
    vec det = m[0] * c00 + m[1] * c01 + m[2] * c02;
    vec norm2 = (m[0] * m[0] + m[1] * m[1] + m[2] * m[2]) +
                (m[3] * m[3] + m[4] * m[4] + m[5] * m[5]) +
                (m[6] * m[6] + m[7] * m[7] + m[8] * m[8]);
    vec cof2 = (c00 * c00 + c01 * c01 + c02 * c02) + (c10 * c10 + c11 * c11 + c12 * c12) +
               (c20 * c20 + c21 * c21 + c22 * c22);

    return (struct quartic) { norm2 * -2.0, det * -8.0, norm2 * norm2 - cof2 * 4.0, norm2 };
}

/*
 * Lanes whose roots are all less than x: exactly there P and all its derivatives are positive, as
 * all roots are real (Budan-Fourier).
 */
static inline __attribute__((always_inline)) lane_mask all_below(const struct quartic *q, vec x)
{
    vec x2 = x * x;
    vec p = ((x2 + q->c2) * x + q->c1) * x + q->c0;
    vec p1 = (x2 * 4.0 + q->c2 * 2.0) * x + q->c1;
    vec p2 = x2 * 12.0 + q->c2 * 2.0;

    return (p > NOISE) & (p1 > NOISE) & (p2 > NOISE) & (x > 0.0);
}

/* Solves the lanes that Newton's iteration cannot: roots too close to separate by P. */
static __attribute__((noinline)) void solve_hard(const vec *m, const lane_mask *hard, vec *x)
{
    double products[CG_RMSD_PRODUCTS][WIDTH];

    memcpy(products, m, sizeof products);
    for (int i = 0; i < WIDTH; i++)
        if ((*hard)[i])
            (*x)[i] = cg_rmsd_horn(&products[0][i], WIDTH);
}

/* *best = max(*best, largest root) in the lanes of `active`. */
static inline __attribute__((always_inline)) void solve(const vec *m, const struct quartic *q,
                                                        lane_mask active, vec *best)
{
    /* From above, where P is convex: s1 + s2 + |s3| <= sqrt(3) |M| <= (1 + 3 |M|^2) / 2. */
    vec x = smaller(splat(1.0), q->norm2 * 1.5 + 0.5);
    vec slope = splat(0.0);
    lane_mask running = active, hard;

    for (int i = 0; i < MAX_STEPS && any_lane(running); i++) {
        vec x2 = x * x;
        vec p = ((x2 + q->c2) * x + q->c1) * x + q->c0;
        vec p1 = (x2 * 4.0 + q->c2 * 2.0) * x + q->c1;
        vec step = p / p1;

        /* A converged lane stops, so its bits do not depend on its neighbours. */
        x = choose(running, x - step, x);
        slope = choose(running, p1, slope);
        running &= (step > STEP_SMALL) | (step < -STEP_SMALL);
    }
    hard = active & (running | ~(slope > SLOPE_SMALL));
    if (__builtin_expect(any_lane(hard), 0))
        solve_hard(m, &hard, &x);
    *best = choose(active, larger(x, *best), *best);
}

static void run_lanes(const cg_rmsd_block *t, int lane)
{
    const cg_rmsd_plan *plan = t->plan;
    const double *b = t->b + lane;
    vec threshold = load(t->threshold + lane);
    vec best = splat(CG_RMSD_NO_LAMBDA);

    for (size_t k = 0; k < plan->n_steps; k++) {
        const cg_rmsd_step *step = &plan->steps[k];
        vec m[CG_RMSD_PRODUCTS];

        for (int i = 0; i < CG_RMSD_PRODUCTS; i++)
            m[i] =
                step->from == CG_RMSD_NO_LEVEL
                    ? splat(0.0)
                    : load(t->level + (step->from * CG_RMSD_PRODUCTS + i) * CG_RMSD_LANES + lane);
        for (size_t j = step->first; j < step->first + step->n; j++) {
            const double *pa = t->a + (size_t)plan->pairs[j][0] * 3;
            const double *pb = b + (size_t)plan->pairs[j][1] * (3 * CG_RMSD_LANES);
            vec x = load(pb), y = load(pb + CG_RMSD_LANES), z = load(pb + 2 * CG_RMSD_LANES);

            m[0] += x * pa[0];
            m[1] += y * pa[0];
            m[2] += z * pa[0];
            m[3] += x * pa[1];
            m[4] += y * pa[1];
            m[5] += z * pa[1];
            m[6] += x * pa[2];
            m[7] += y * pa[2];
            m[8] += z * pa[2];
        }
        if (step->to != CG_RMSD_NO_LEVEL) {
            for (int i = 0; i < CG_RMSD_PRODUCTS; i++)
                memcpy(t->level + (step->to * CG_RMSD_PRODUCTS + i) * CG_RMSD_LANES + lane, &m[i],
                       sizeof m[i]);
        } else {
            struct quartic q = make_quartic(m);
            lane_mask active = ~all_below(&q, larger(best, threshold) - CG_RMSD_MARGIN);

            if (any_lane(active))
                solve(m, &q, active, &best);
        }
    }
    memcpy(t->best + lane, &best, sizeof best);
}

static void run_block(const cg_rmsd_block *t)
{
    for (int lane = 0; lane < CG_RMSD_LANES; lane += WIDTH)
        run_lanes(t, lane);
}

/*
 * Over all rotations and maps, lambda is at most the sum of products of the singular values of the
 * two sets of coordinates (von Neumann).
 */
static int bound_block(const cg_rmsd_bound *t)
{
    int possible = 0;

    for (int lane = 0; lane < CG_RMSD_LANES; lane += WIDTH) {
        vec norm = load(t->norm_b + lane);
        vec most = load(t->singular_b + lane) * t->singular_a[0] +
                   load(t->singular_b + CG_RMSD_LANES + lane) * t->singular_a[1] +
                   load(t->singular_b + 2 * CG_RMSD_LANES + lane) * t->singular_a[2];
        vec msd = larger(splat(t->msd_a), load(t->msd_b + lane));
        vec squares = norm * norm + t->norm_a * t->norm_a;
        vec twice = norm * (2.0 * t->norm_a);
        vec threshold = (squares - msd) / twice;

        /* If one norm is negligible against the other, the threshold has no valid digits. */
        threshold = choose((squares < twice * 1e6) & (threshold > CG_RMSD_NO_LAMBDA), threshold,
                           splat(CG_RMSD_NO_LAMBDA));
        memcpy(t->threshold + lane, &threshold, sizeof threshold);
        possible |= any_lane(~(most + CG_RMSD_MARGIN < threshold));
    }
    return possible;
}
