/* SPDX-License-Identifier: MIT */
#include "chem/coordinate_frame.h"

#include <math.h>

#include "base/error.h"
#include "base/vec3.h"

/* r = p - (p . e) e: the component of p perpendicular to the unit vector e; returns its length. */
static double perpendicular(const double p[3], const double e[3], double r[3])
{
    double along = cg_vec3d_dot(p, e);

    for (int k = 0; k < 3; k++)
        r[k] = p[k] - e[k] * along;
    return sqrt(cg_vec3d_dot(r, r));
}

static void scale(double v[3], double f)
{
    for (int k = 0; k < 3; k++)
        v[k] *= f;
}

static cg_status check_finite(const double (*xyz)[3], size_t n, cg_error *err)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(xyz[i][0]) || !isfinite(xyz[i][1]) || !isfinite(xyz[i][2]))
            return cg_fail(err, CG_ERR_INPUT, "atom %zu: found a coordinate that is not finite",
                           i + 1);
    return CG_OK;
}

cg_status cg_coordinate_frame_first_atoms(double (*xyz)[3], size_t n, cg_error *err)
{
    double origin[3], ex[3], ey[3], ez[3], p[3];
    double length;
    int found = 0;

    CG_TRY(check_finite((const double(*)[3])xyz, n, err));
    if (n == 0)
        return CG_OK;
    for (int k = 0; k < 3; k++)
        origin[k] = xyz[0][k];
    if (n == 1) {
        xyz[0][0] = xyz[0][1] = xyz[0][2] = 0.0;
        return CG_OK;
    }
    cg_vec3d_between(origin, xyz[1], ex);
    length = sqrt(cg_vec3d_dot(ex, ex));
    if (length < 1e-3)
        return cg_fail(err, CG_ERR_INPUT,
                       "atoms 1 and 2: found %.6f Å between them, wanted at least 0.001", length);
    scale(ex, 1.0 / length);
    for (size_t i = 2; i < n && !found; i++) {
        cg_vec3d_between(origin, xyz[i], p);
        length = perpendicular(p, ex, ey);
        found = length > 1e-2 && length > 1e-2 * sqrt(cg_vec3d_dot(p, p));
    }
    if (!found) {
        /* All atoms on one line: take ey from the old z axis, or from y if ex is close to z. */
        const double helper[3] = { 0.0, fabs(ex[2]) < 0.9 ? 0.0 : 1.0,
                                   fabs(ex[2]) < 0.9 ? 1.0 : 0.0 };
        length = perpendicular(helper, ex, ey);
    }
    scale(ey, 1.0 / length);
    cg_vec3d_cross(ex, ey, ez);
    for (size_t i = 0; i < n; i++) {
        cg_vec3d_between(origin, xyz[i], p);
        xyz[i][0] = cg_vec3d_dot(p, ex);
        xyz[i][1] = cg_vec3d_dot(p, ey);
        xyz[i][2] = cg_vec3d_dot(p, ez);
    }
    return CG_OK;
}

cg_status cg_coordinate_frame_apply(cg_frame frame, double (*xyz)[3], size_t n, cg_error *err)
{
    double mean[3] = { 0, 0, 0 };

    if (frame == CG_FRAME_FIRST_ATOMS)
        return cg_coordinate_frame_first_atoms(xyz, n, err);
    if (frame != CG_FRAME_CENTRED)
        return CG_OK;
    CG_TRY(check_finite((const double(*)[3])xyz, n, err));
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < 3; k++)
            mean[k] += xyz[i][k] / (double)n;
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < 3; k++)
            xyz[i][k] -= mean[k];
    return CG_OK;
}
