/* SPDX-License-Identifier: MIT */
#include "chem/coordinate_frame.h"

#include <math.h>

#include "base/error.h"

static double dot(const double a[3], const double b[3])
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

/* r = p - ((p . e) e): the part of p across the unit vector e; returns its length. */
static double across(const double p[3], const double e[3], double r[3])
{
    double along = dot(p, e);

    for (int k = 0; k < 3; k++)
        r[k] = p[k] - e[k] * along;
    return sqrt(dot(r, r));
}

static void scale(double v[3], double f)
{
    for (int k = 0; k < 3; k++)
        v[k] *= f;
}

cg_status cg_coordinate_frame_first_atoms(double (*xyz)[3], size_t n, cg_error *err)
{
    double origin[3], ex[3], ey[3], ez[3], p[3];
    double length;
    int found = 0;

    for (size_t i = 0; i < n; i++)
        if (!isfinite(xyz[i][0]) || !isfinite(xyz[i][1]) || !isfinite(xyz[i][2]))
            return cg_fail(err, CG_ERR_INPUT, "atom %zu: found a coordinate that is not finite",
                           i + 1);
    if (n == 0)
        return CG_OK;
    for (int k = 0; k < 3; k++)
        origin[k] = xyz[0][k];
    if (n == 1) {
        xyz[0][0] = xyz[0][1] = xyz[0][2] = 0.0;
        return CG_OK;
    }
    for (int k = 0; k < 3; k++)
        ex[k] = xyz[1][k] - origin[k];
    length = sqrt(dot(ex, ex));
    if (length < 1e-3)
        return cg_fail(err, CG_ERR_INPUT,
                       "atoms 1 and 2: found %.6f Å between them, wanted at least 0.001", length);
    scale(ex, 1.0 / length);
    for (size_t i = 2; i < n && !found; i++) {
        for (int k = 0; k < 3; k++)
            p[k] = xyz[i][k] - origin[k];
        length = across(p, ex, ey);
        found = length > 1e-2 && length > 1e-2 * sqrt(dot(p, p));
    }
    if (!found) {
        /* All on one line: turn the z or y axis, whichever is farther from it, into the plane. */
        const double helper[3] = { 0.0, fabs(ex[2]) < 0.9 ? 0.0 : 1.0,
                                   fabs(ex[2]) < 0.9 ? 1.0 : 0.0 };
        length = across(helper, ex, ey);
    }
    scale(ey, 1.0 / length);
    ez[0] = ex[1] * ey[2] - ex[2] * ey[1];
    ez[1] = ex[2] * ey[0] - ex[0] * ey[2];
    ez[2] = ex[0] * ey[1] - ex[1] * ey[0];
    for (size_t i = 0; i < n; i++) {
        for (int k = 0; k < 3; k++)
            p[k] = xyz[i][k] - origin[k];
        xyz[i][0] = dot(p, ex);
        xyz[i][1] = dot(p, ey);
        xyz[i][2] = dot(p, ez);
    }
    return CG_OK;
}
