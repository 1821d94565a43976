/* SPDX-License-Identifier: MIT */
#include "forcefield/mmff_energy.h"

#include <math.h>
#include <string.h>

#include "base/vec3.h"

typedef double real;
typedef double scalar;
#define TERM static inline

static double real_sqrt(double x)
{
    return sqrt(x);
}

static double real_acos(double x)
{
    return acos(x);
}

static double real_asin(double x)
{
    return asin(x);
}

static double real_clamp(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

#include "forcefield/mmff_terms.h"

/* Adds the gradients of atoms other than `centre` to theirs, and subtracts them from its own. */
static void add(double (*gradient)[3], int32_t centre, int32_t atom, const double g[3])
{
    if (!gradient)
        return;
    for (int i = 0; i < 3; i++) {
        gradient[atom][i] += g[i];
        gradient[centre][i] -= g[i];
    }
}

double cg_mmff_energy(const cg_mmff_tables *t, const double (*xyz)[3], double *ret_parts,
                      double (*gradient)[3])
{
    double parts[CG_MMFF_PARTS] = { 0 }, sum = 0;

    if (gradient)
        memset(gradient, 0, (size_t)t->n_atoms * sizeof *gradient);
    for (const cg_mmff_bond *p = t->bonds; p < t->bonds + t->n_bonds; p++) {
        double d[3], g[3];

        cg_vec3d_between(xyz[p->atoms[1]], xyz[p->atoms[0]], d);
        parts[CG_MMFF_BONDS] += mmff_bond(p, d, g);
        add(gradient, p->atoms[1], p->atoms[0], g);
    }
    for (const cg_mmff_angle *p = t->angles; p < t->angles + t->n_angles; p++) {
        double a[3], b[3], ga[3], gb[3], stretch;

        cg_vec3d_between(xyz[p->atoms[1]], xyz[p->atoms[0]], a);
        cg_vec3d_between(xyz[p->atoms[1]], xyz[p->atoms[2]], b);
        parts[CG_MMFF_ANGLES] += mmff_angle(p, a, b, ga, gb, &stretch);
        parts[CG_MMFF_STRETCH_BENDS] += stretch;
        add(gradient, p->atoms[1], p->atoms[0], ga);
        add(gradient, p->atoms[1], p->atoms[2], gb);
    }
    for (const cg_mmff_plane *p = t->planes; p < t->planes + t->n_planes; p++) {
        double a[3], b[3], c[3], ga[3], gb[3], gc[3];

        cg_vec3d_between(xyz[p->atoms[1]], xyz[p->atoms[0]], a);
        cg_vec3d_between(xyz[p->atoms[1]], xyz[p->atoms[2]], b);
        cg_vec3d_between(xyz[p->atoms[1]], xyz[p->atoms[3]], c);
        parts[CG_MMFF_PLANES] += mmff_plane(p, a, b, c, ga, gb, gc);
        add(gradient, p->atoms[1], p->atoms[0], ga);
        add(gradient, p->atoms[1], p->atoms[2], gb);
        add(gradient, p->atoms[1], p->atoms[3], gc);
    }
    for (const cg_mmff_torsion *p = t->torsions; p < t->torsions + t->n_torsions; p++) {
        double a[3], b[3], c[3], g[4][3];

        cg_vec3d_between(xyz[p->atoms[1]], xyz[p->atoms[0]], a);
        cg_vec3d_between(xyz[p->atoms[1]], xyz[p->atoms[2]], b);
        cg_vec3d_between(xyz[p->atoms[2]], xyz[p->atoms[3]], c);
        parts[CG_MMFF_TORSIONS] += mmff_torsion(p, a, b, c, g);
        /* the sum of the four is 0 */
        add(gradient, p->atoms[1], p->atoms[0], g[0]);
        add(gradient, p->atoms[1], p->atoms[2], g[2]);
        add(gradient, p->atoms[1], p->atoms[3], g[3]);
    }
    for (const cg_mmff_pair *p = t->pairs; p < t->pairs + t->n_pairs; p++) {
        double d[3], g[3], coulomb;

        cg_vec3d_between(xyz[p->atoms[1]], xyz[p->atoms[0]], d);
        parts[CG_MMFF_VAN_DER_WAALS] += mmff_pair(p, d, g, &coulomb);
        parts[CG_MMFF_CHARGES] += coulomb;
        add(gradient, p->atoms[1], p->atoms[0], g);
    }
    for (int i = 0; i < CG_MMFF_PARTS; i++)
        sum += parts[i];
    if (ret_parts)
        memcpy(ret_parts, parts, sizeof parts);
    return sum;
}
