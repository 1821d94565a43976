/* SPDX-License-Identifier: MIT */
/**
 * @file minimizer_tile.h  The kernels of minimizer_kernel.h for vectors of WIDTH doubles.
 *
 * Included by minimizer_<variant>.c, which defines WIDTH and vector_sqrt(x).
 */
#include "forcefield/minimizer_kernel.h"

#include <string.h>

typedef double vec __attribute__((vector_size(8 * WIDTH), may_alias));
typedef int64_t lane_mask __attribute__((vector_size(8 * WIDTH), may_alias)); /* 0 or -1 */

typedef vec real;
typedef double scalar;
#define TERM static inline __attribute__((always_inline))

TERM vec splat(double x)
{
    return (vec) { 0 } + x;
}

TERM vec load(const double *p)
{
    return *(const vec *)p;
}

TERM void store(double *p, vec x)
{
    *(vec *)p = x;
}

TERM vec choose(lane_mask in, vec a, vec b)
{
    return (vec)((in & (lane_mask)a) | (~in & (lane_mask)b));
}

#include "forcefield/minimizer_numbers.h"
#include "forcefield/mmff_terms.h"

/* ---- energy -------------------------------------------------------------------------------- */

TERM void between(const double *x, int32_t from, int32_t to, vec d[3])
{
    for (int i = 0; i < 3; i++)
        d[i] = load(x + (to * 3 + i) * WIDTH) - load(x + (from * 3 + i) * WIDTH);
}

/* Adds to the gradient of an atom. */
TERM void add(double *g, int32_t atom, const vec part[3])
{
    for (int i = 0; i < 3; i++)
        store(g + (atom * 3 + i) * WIDTH, load(g + (atom * 3 + i) * WIDTH) + part[i]);
}

/* Adds minus the sum of the gradients of the other atoms. */
TERM void subtract(double *g, int32_t atom, const vec part[3])
{
    for (int i = 0; i < 3; i++)
        store(g + (atom * 3 + i) * WIDTH, load(g + (atom * 3 + i) * WIDTH) - part[i]);
}

static vec bonds(const cg_mmff_tables *t, const double *x, double *g)
{
    vec energy = splat(0);

    for (const cg_mmff_bond *p = t->bonds; p < t->bonds + t->n_bonds; p++) {
        vec d[3], part[3];

        between(x, p->atoms[1], p->atoms[0], d);
        energy += mmff_bond(p, d, part);
        add(g, p->atoms[0], part);
        subtract(g, p->atoms[1], part);
    }
    return energy;
}

static vec angles(const cg_mmff_tables *t, const double *x, double *g)
{
    vec energy = splat(0);

    for (const cg_mmff_angle *p = t->angles; p < t->angles + t->n_angles; p++) {
        vec a[3], b[3], ga[3], gb[3], stretch, bend;

        between(x, p->atoms[1], p->atoms[0], a);
        between(x, p->atoms[1], p->atoms[2], b);
        bend = mmff_angle(p, a, b, ga, gb, &stretch);
        energy += bend + stretch;
        add(g, p->atoms[0], ga);
        add(g, p->atoms[2], gb);
        for (int i = 0; i < 3; i++)
            ga[i] += gb[i];
        subtract(g, p->atoms[1], ga);
    }
    return energy;
}

static vec planes(const cg_mmff_tables *t, const double *x, double *g)
{
    vec energy = splat(0);

    for (const cg_mmff_plane *p = t->planes; p < t->planes + t->n_planes; p++) {
        vec a[3], b[3], c[3], ga[3], gb[3], gc[3];

        between(x, p->atoms[1], p->atoms[0], a);
        between(x, p->atoms[1], p->atoms[2], b);
        between(x, p->atoms[1], p->atoms[3], c);
        energy += mmff_plane(p, a, b, c, ga, gb, gc);
        add(g, p->atoms[0], ga);
        add(g, p->atoms[2], gb);
        add(g, p->atoms[3], gc);
        for (int i = 0; i < 3; i++)
            ga[i] += gb[i] + gc[i];
        subtract(g, p->atoms[1], ga);
    }
    return energy;
}

static vec torsions(const cg_mmff_tables *t, const double *x, double *g)
{
    vec energy = splat(0);

    for (const cg_mmff_torsion *p = t->torsions; p < t->torsions + t->n_torsions; p++) {
        vec a[3], b[3], c[3], part[4][3];

        between(x, p->atoms[1], p->atoms[0], a);
        between(x, p->atoms[1], p->atoms[2], b);
        between(x, p->atoms[2], p->atoms[3], c);
        energy += mmff_torsion(p, a, b, c, part);
        for (int i = 0; i < 4; i++)
            add(g, p->atoms[i], part[i]);
    }
    return energy;
}

/* The first atom of consecutive pairs is the same: its gradient stays in registers. */
static vec pairs(const cg_mmff_tables *t, const double *x, double *g)
{
    const cg_mmff_pair *p = t->pairs, *end = t->pairs + t->n_pairs;
    vec energy = splat(0);

    while (p < end) {
        const int32_t first = p->atoms[0];
        vec sum[3] = { splat(0), splat(0), splat(0) }, row = splat(0);

        for (; p < end && p->atoms[0] == first; p++) {
            vec d[3], part[3], well, coulomb;

            between(x, p->atoms[1], first, d);
            well = mmff_pair(p, d, part, &coulomb);
            row += well + coulomb;
            subtract(g, p->atoms[1], part);
            for (int i = 0; i < 3; i++)
                sum[i] += part[i];
        }
        energy += row;
        add(g, first, sum);
    }
    return energy;
}

static void evaluate(cg_minimizer_lanes *l)
{
    const cg_mmff_tables *t = l->tables;
    vec energy;

    memset(l->g_trial, 0, (size_t)t->n_atoms * 3 * sizeof(vec));
    energy = bonds(t, l->trial, l->g_trial);
    energy += angles(t, l->trial, l->g_trial);
    energy += planes(t, l->trial, l->g_trial);
    energy += torsions(t, l->trial, l->g_trial);
    energy += pairs(t, l->trial, l->g_trial);
    for (int32_t i = 0; i < t->n_atoms; i++)
        if (l->moves[i] == 0)
            memset(l->g_trial + (size_t)i * 3 * WIDTH, 0, 3 * sizeof(vec));
    store(l->energy_trial, energy);
}

#include "forcefield/stiffness_tile.h"

/* ---- step ----------------------------------------------------------------------------------- */

/* The sum over coordinates of a b, in partial sums of every PARTIAL_SUMS-th coordinate. */
TERM vec dot(const double *a, const double *b, size_t n)
{
    vec sum[PARTIAL_SUMS];
    size_t i = 0;

    for (int k = 0; k < PARTIAL_SUMS; k++)
        sum[k] = splat(0);
    for (; i + PARTIAL_SUMS <= n; i += PARTIAL_SUMS)
        for (size_t k = 0; k < PARTIAL_SUMS; k++)
            sum[k] += load(a + (i + k) * WIDTH) * load(b + (i + k) * WIDTH);
    for (size_t k = 0; i + k < n; k++)
        sum[k] += load(a + (i + k) * WIDTH) * load(b + (i + k) * WIDTH);
    for (int half = PARTIAL_SUMS / 2; half > 0; half /= 2)
        for (int k = 0; k < half; k++)
            sum[k] += sum[k + half];
    return sum[0];
}

/* Moves accepted lanes to their trial positions and enters their steps in the history. */
static void accept_trial(cg_minimizer_lanes *l, lane_mask accept)
{
    const size_t n = (size_t)l->tables->n_atoms * 3;
    double *s = l->s + (size_t)l->slot * n * WIDTH, *y = l->y + (size_t)l->slot * n * WIDTH;
    lane_mask fresh = *(const lane_mask *)l->fresh, usable;
    vec sy, yy, most = splat(0);

    for (size_t i = 0; i < n * WIDTH; i += WIDTH) {
        vec x = load(l->x + i), g = load(l->g + i);
        vec x_new = choose(accept, load(l->trial + i), x);
        vec g_new = choose(accept, load(l->g_trial + i), g);
        vec s_i = choose(fresh, splat(0), x_new - x), y_i = choose(fresh, splat(0), g_new - g);

        store(s + i, s_i);
        store(y + i, y_i);
        store(l->x + i, x_new);
        store(l->g + i, g_new);
        most = larger(magnitude(g_new), most);
    }
    sy = dot(s, y, n);
    yy = dot(y, y, n);
    usable = accept & ~fresh & (sy > 1e-10 * yy);
    for (int k = 0; k < CG_MINIMIZER_HISTORY; k++)
        store(l->rho[k], choose(fresh, splat(0), load(l->rho[k])));
    store(l->rho[l->slot], choose(usable, 1.0 / sy, splat(0)));
    store(l->energy, choose(accept, load(l->energy_trial), load(l->energy)));
    store(l->gradient, most);
    l->slot = (l->slot + 1) % CG_MINIMIZER_HISTORY;
}

/* q = (approximate inverse Hessian) g, by the two loops of L-BFGS. */
static void find_direction(const cg_minimizer_lanes *l, double *q)
{
    const size_t n_coords = (size_t)l->tables->n_atoms * 3, n = n_coords * WIDTH;
    vec alpha[CG_MINIMIZER_HISTORY];

    memcpy(q, l->g, n * sizeof *q);
    for (int k = 1; k <= CG_MINIMIZER_HISTORY; k++) { /* from the last step to the first */
        int slot = (l->slot - k + CG_MINIMIZER_HISTORY) % CG_MINIMIZER_HISTORY;
        const double *s = l->s + slot * n, *y = l->y + slot * n;

        alpha[slot] = dot(s, q, n_coords) * load(l->rho[slot]);
        for (size_t i = 0; i < n; i += WIDTH)
            store(q + i, load(q + i) - alpha[slot] * load(y + i));
    }
    solve(l, q);
    for (int k = CG_MINIMIZER_HISTORY; k >= 1; k--) {
        int slot = (l->slot - k + CG_MINIMIZER_HISTORY) % CG_MINIMIZER_HISTORY;
        const double *s = l->s + slot * n, *y = l->y + slot * n;
        vec part = alpha[slot] - dot(y, q, n_coords) * load(l->rho[slot]);

        for (size_t i = 0; i < n; i += WIDTH)
            store(q + i, load(q + i) + part * load(s + i));
    }
}

/* Sets the directions of accepted lanes; q is scratch. */
static void turn(cg_minimizer_lanes *l, lane_mask accept, double *q)
{
    const size_t n_coords = (size_t)l->tables->n_atoms * 3, n = n_coords * WIDTH;
    vec slope, steepest, farthest = splat(0), part;
    lane_mask down;

    find_direction(l, q);
    slope = -dot(q, l->g, n_coords);
    steepest = -dot(l->g, l->g, n_coords);
    /* Rounding may turn it upwards. */
    down = slope < 0.0;
    slope = choose(down, slope, steepest * STEEPEST_SCALE);
    for (size_t i = 0; i < n; i += 3 * WIDTH) {
        vec far2 = splat(0);

        for (size_t k = i; k < i + 3 * WIDTH; k += WIDTH) {
            vec d = choose(down, -load(q + k), load(l->g + k) * -STEEPEST_SCALE);

            store(q + k, d);
            far2 += d * d;
        }
        farthest = larger(far2, farthest);
    }
    part = MAX_MOVE / larger(vector_sqrt(farthest), splat(MAX_MOVE));
    for (size_t i = 0; i < n; i += WIDTH)
        store(l->direction + i, choose(accept, load(q + i) * part, load(l->direction + i)));
    store(l->slope, choose(accept, slope * part, load(l->slope)));
}

static void advance(cg_minimizer_lanes *l, int renew)
{
    const size_t n = (size_t)l->tables->n_atoms * 3 * WIDTH;
    vec energy = load(l->energy), trial = load(l->energy_trial);
    vec step = load(l->step), slope = load(l->slope);
    lane_mask fresh = *(const lane_mask *)l->fresh;
    lane_mask accept = fresh | (trial <= energy + SUFFICIENT * step * slope);
    lane_mask converged, stalled;

    accept_trial(l, accept);
    if (renew)
        find_stiffness(l, fresh);
    turn(l, accept, l->g_trial);
    step = choose(accept, splat(1), shorter(step, slope, energy, trial));
    for (size_t i = 0; i < n; i += WIDTH)
        store(l->trial + i, load(l->x + i) + step * load(l->direction + i));
    converged = load(l->gradient) < l->limit;
    stalled = ~converged & ~(step > MIN_STEP);
    store(l->step, step);
    *(lane_mask *)l->fresh = (lane_mask) { 0 };
    *(lane_mask *)l->state = (converged & CG_LANE_CONVERGED) | (stalled & CG_LANE_STALLED);
}
