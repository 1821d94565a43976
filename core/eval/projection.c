/* SPDX-License-Identifier: MIT */
#include "eval/projection.h"

#include "base/vec3.h"
#include "eval/rmsd_kernel.h"

#include <math.h>
#include <string.h>

void cg_view_centre(size_t n, float (*xyz)[3])
{
    double sum[3] = { 0 };

    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < 3; k++)
            sum[k] += (double)xyz[i][k];
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < 3; k++)
            xyz[i][k] = (float)((double)xyz[i][k] - sum[k] / (double)n);
}

/* Replaces each point by its coordinates along three axes. */
static void turn(size_t n, double axes[3][3], float (*xyz)[3])
{
    for (size_t i = 0; i < n; i++) {
        const double p[3] = { (double)xyz[i][0], (double)xyz[i][1], (double)xyz[i][2] };

        for (int k = 0; k < 3; k++)
            xyz[i][k] = (float)cg_vec3d_dot(axes[k], p);
    }
}

/* Reverses an axis along which the third moment is negative. */
static void direct(size_t n, const float (*xyz)[3], double axis[3])
{
    double skew = 0;

    for (size_t i = 0; i < n; i++) {
        const double p[3] = { (double)xyz[i][0], (double)xyz[i][1], (double)xyz[i][2] };
        double t = cg_vec3d_dot(axis, p);

        skew += t * t * t;
    }
    for (int k = 0; k < 3 && skew < 0; k++)
        axis[k] = -axis[k];
}

void cg_view_principal(size_t n, float (*xyz)[3])
{
    double m[4][4] = { { 0 } }, vectors[4][4], axes[3][3];

    for (size_t i = 0; i < n; i++)
        for (int a = 0; a < 3; a++)
            for (int b = 0; b < 3; b++)
                m[a][b] += (double)xyz[i][a] * (double)xyz[i][b];
    cg_rmsd_eigenvectors(3, m, vectors);
    for (int a = 0; a < 2; a++) {
        for (int k = 0; k < 3; k++)
            axes[a][k] = vectors[a][k];
        direct(n, (const float(*)[3])xyz, axes[a]);
    }
    cg_vec3d_cross(axes[0], axes[1], axes[2]);
    turn(n, axes, xyz);
}

void cg_view_rotation(const double products[9], double ret_axes[3][3])
{
    double q[4];

    cg_rmsd_quaternion(products, q);
    memcpy(ret_axes,
           (double[3][3]) {
               { q[0] * q[0] + q[1] * q[1] - q[2] * q[2] - q[3] * q[3],
                 2 * (q[1] * q[2] - q[0] * q[3]), 2 * (q[1] * q[3] + q[0] * q[2]) },
               { 2 * (q[1] * q[2] + q[0] * q[3]),
                 q[0] * q[0] - q[1] * q[1] + q[2] * q[2] - q[3] * q[3],
                 2 * (q[2] * q[3] - q[0] * q[1]) },
               { 2 * (q[1] * q[3] - q[0] * q[2]), 2 * (q[2] * q[3] + q[0] * q[1]),
                 q[0] * q[0] - q[1] * q[1] - q[2] * q[2] + q[3] * q[3] },
           },
           sizeof(double[3][3]));
}

void cg_view_superpose(size_t n, const float (*to)[3], float (*xyz)[3])
{
    double products[9] = { 0 }, axes[3][3];

    for (size_t i = 0; i < n; i++)
        for (int a = 0; a < 3; a++)
            for (int b = 0; b < 3; b++)
                products[3 * a + b] += (double)xyz[i][a] * (double)to[i][b];
    cg_view_rotation(products, axes);
    turn(n, axes, xyz);
}

void cg_view_extent(size_t n, const float (*xyz)[3], double ret_extent[3])
{
    for (int k = 0; k < 3; k++) {
        ret_extent[k] = 0.5;
        for (size_t i = 0; i < n; i++)
            ret_extent[k] = fmax(ret_extent[k], fabs((double)xyz[i][k]));
    }
}
