/* SPDX-License-Identifier: MIT */
#include "eval/rmsd_kernel.h"

#include <math.h>
#include <string.h>

enum { MAX_SWEEPS = 30 };

/* Jacobi rotation that zeroes m[p][q]; the columns of v, if not NULL, turn along. */
static void rotate(int n, double m[4][4], int p, int q, double v[4][4])
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
    for (int k = 0; v && k < n; k++) {
        double a = v[k][p], b = v[k][q];

        v[k][p] = c * a - s * b;
        v[k][q] = s * a + c * b;
    }
}

/* Makes m diagonal by Jacobi rotations; v as in rotate(). */
static void diagonalize(int n, double m[4][4], double v[4][4])
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
                    rotate(n, m, p, q, v);
            }
    }
}

void cg_rmsd_eigenvalues(int n, double m[4][4], double *ret_values)
{
    diagonalize(n, m, NULL);
    for (int i = 0; i < n; i++) {
        int at = i;

        for (; at > 0 && ret_values[at - 1] < m[i][i]; at--)
            ret_values[at] = ret_values[at - 1];
        ret_values[at] = m[i][i];
    }
}

void cg_rmsd_eigenvectors(int n, double m[4][4], double ret_vectors[4][4])
{
    double v[4][4] = { { 1, 0, 0, 0 }, { 0, 1, 0, 0 }, { 0, 0, 1, 0 }, { 0, 0, 0, 1 } };
    int order[4];

    diagonalize(n, m, v);
    for (int i = 0; i < n; i++) {
        int at = i;

        for (; at > 0 && m[order[at - 1]][order[at - 1]] < m[i][i]; at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
    for (int i = 0; i < n; i++)
        for (int k = 0; k < n; k++)
            ret_vectors[i][k] = v[k][order[i]];
}

/* Horn's matrix of the inner products, whose largest eigenvalue is lambda. */
static void horn_matrix(const double *products, int stride, double ret_m[4][4])
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

    memcpy(ret_m, horn, sizeof horn);
}

void cg_rmsd_quaternion(const double *products, double ret_q[4])
{
    double horn[4][4], vectors[4][4];

    horn_matrix(products, 1, horn);
    cg_rmsd_eigenvectors(4, horn, vectors);
    memcpy(ret_q, vectors[0], sizeof vectors[0]);
}

double cg_rmsd_horn(const double *products, int stride)
{
    double horn[4][4], values[4];

    horn_matrix(products, stride, horn);
    cg_rmsd_eigenvalues(4, horn, values);
    return values[0];
}
