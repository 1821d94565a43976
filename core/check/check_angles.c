/* SPDX-License-Identifier: MIT */
/* The angle tests of a checker, and those of trigonal atoms that must be planar. */
#include <math.h>
#include <stdio.h>

#include "base/vec3.h"
#include "check/checker_internal.h"

static const double degrees_of_radian = 57.29577951308232;

/* Degrees; 0 if two of the atoms coincide. */
static double angle_of(const cg_angle *a, const float (*xyz)[3])
{
    double u[3], v[3], cross[3];

    cg_vec3d_between_floats(xyz[a->centre], xyz[a->first], u);
    cg_vec3d_between_floats(xyz[a->centre], xyz[a->second], v);
    cg_vec3d_cross(u, v, cross);
    return degrees_of_radian * atan2(sqrt(cg_vec3d_dot(cross, cross)), cg_vec3d_dot(u, v));
}

static double volume_of(const cg_trigonal *t, const float (*xyz)[3])
{
    double v[3][3], cross[3];

    for (int k = 0; k < 3; k++)
        cg_vec3d_between_floats(xyz[t->centre], xyz[t->neighbours[k]], v[k]);
    cg_vec3d_cross(v[1], v[2], cross);
    return cg_vec3d_dot(v[0], cross);
}

int cg_check_find_bent_angle(const cg_checker *c, const float (*xyz)[3], char *ret_detail,
                             size_t cap)
{
    for (size_t i = 0; i < c->bond_angles.n_angles; i++) {
        const cg_angle *a = &c->bond_angles.angles[i];
        double angle = angle_of(a, xyz), low = (double)a->low, high = (double)a->high;

        if (angle >= low && angle <= high)
            continue;
        snprintf(ret_detail, cap, "angle %u-%u-%u %.1f degrees, %s %.0f", a->first + 1,
                 a->centre + 1, a->second + 1, angle, angle < low ? "at least" : "at most",
                 angle < low ? low : high);
        return 1;
    }
    for (size_t i = 0; i < c->bond_angles.n_trigonal; i++) {
        const cg_trigonal *t = &c->bond_angles.trigonal[i];

        if (fabs(volume_of(t, xyz)) <= (double)CG_TRIGONAL_VOLUME)
            continue;
        snprintf(ret_detail, cap, "atom %u is pyramidal, not trigonal", t->centre + 1);
        return 1;
    }
    return 0;
}
