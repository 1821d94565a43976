/* SPDX-License-Identifier: MIT */
#include "eval/rmsd_kernel.h"

#include <math.h>

enum { MAX_SWEEPS = 30 };

/* Jacobi rotation that zeroes m[p][q]. */
static void rotate(int n, double m[4][4], int p, int q)
{
    double theta = (m[q][q] - m[p][p]) / (2 * m[p][q]);
    double t = (theta < 0 ? -1 : 1) / (fabs(theta) + sqrt(theta * theta + 1));
    double c = 1 / sqrt(t * t + 1), s = t * c;

    for (int k = 0; k < n; k++) {
        double a = m[k][p], b = m[k][q];

        m[k][p] = c * a - s * b;
        m[k][q] = s * a + c * b;
    }
    for (int k = 0; k < n; k++) {
        double a = m[p][k], b = m[q][k];

        m[p][k] = c * a - s * b;
        m[q][k] = s * a + c * b;
    }
    m[p][q] = m[q][p] = 0;
}

void cg_rmsd_eigenvalues(int n, double m[4][4], double *ret_values)
{
    double total = 0, off = 1;

    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            total += m[i][j] * m[i][j];
    for (int sweep = 0; sweep < MAX_SWEEPS && off > 1e-32 * total; sweep++) {
        off = 0;
        for (int p = 0; p < n; p++)
            for (int q = p + 1; q < n; q++) {
                off += m[p][q] * m[p][q];
                if (m[p][q] != 0)
                    rotate(n, m, p, q);
            }
    }
    for (int i = 0; i < n; i++) {
        int at = i;

        for (; at > 0 && ret_values[at - 1] < m[i][i]; at--)
            ret_values[at] = ret_values[at - 1];
        ret_values[at] = m[i][i];
    }
}

double cg_rmsd_horn(const double *products, int stride)
{
    double xx = products[0], xy = products[stride], xz = products[2 * stride];
    double yx = products[3 * stride], yy = products[4 * stride], yz = products[5 * stride];
    double zx = products[6 * stride], zy = products[7 * stride], zz = products[8 * stride];
    double horn[4][4] = {
        { xx + yy + zz, yz - zy, zx - xz, xy - yx },
        { yz - zy, xx - yy - zz, xy + yx, zx + xz },
        { zx - xz, xy + yx, yy - xx - zz, yz + zy },
        { xy - yx, zx + xz, yz + zy, zz - xx - yy },
    };
    double values[4];

    cg_rmsd_eigenvalues(4, horn, values);
    return values[0];
}
