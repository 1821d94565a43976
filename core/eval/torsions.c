/* SPDX-License-Identifier: MIT */
#include "eval/torsions.h"

#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "chem/rdkit_c.h"

struct cg_torsions {
    cgrd_torsion *quartets; /* [n], by term */
    size_t n;
    double weights; /* sum over the terms */
};

/* The end of the term that begins at quartet i. */
static size_t term_end(const cg_torsions *t, size_t i)
{
    unsigned term = t->quartets[i].term;

    while (i < t->n && t->quartets[i].term == term)
        i++;
    return i;
}

cg_status cg_torsions_create(const char *smiles, size_t n_atoms, cg_torsions **ret_torsions,
                             cg_error *err)
{
    size_t n = 0, n_found = 0;
    cgrd_torsion *quartets = cgrd_torsions(smiles, &n, &n_found, NULL, 0);
    cg_torsions *t;

    *ret_torsions = NULL;
    if (!quartets || !n || n_found != n_atoms) {
        free_ptr((char *)quartets);
        return CG_OK;
    }
    t = calloc(1, sizeof *t);
    if (!t) {
        free_ptr((char *)quartets);
        return cg_fail_nomem(err, "torsions");
    }
    t->quartets = quartets;
    t->n = n;
    for (size_t i = 0; i < n; i = term_end(t, i))
        t->weights += quartets[i].weight;
    *ret_torsions = t;
    return CG_OK;
}

void cg_torsions_destroy(cg_torsions *torsions)
{
    if (!torsions)
        return;
    free_ptr((char *)torsions->quartets);
    free(torsions);
}

size_t cg_torsions_count(const cg_torsions *torsions)
{
    return torsions->n;
}

static void cross(const double *a, const double *b, double *out)
{
    out[0] = a[1] * b[2] - a[2] * b[1];
    out[1] = a[2] * b[0] - a[0] * b[2];
    out[2] = a[0] * b[1] - a[1] * b[0];
}

static double dot(const double *a, const double *b)
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

/* Torsion of four atoms in degrees, -180 to 180; 0 if three are in line. */
static double torsion(const float (*xyz)[3], const unsigned *atoms)
{
    const double degrees = 57.295779513082320877;
    double bond[3][3], n1[3], n2[3];

    for (int b = 0; b < 3; b++)
        for (int k = 0; k < 3; k++)
            bond[b][k] = (double)xyz[atoms[b + 1]][k] - (double)xyz[atoms[b]][k];
    cross(bond[0], bond[1], n1);
    cross(bond[1], bond[2], n2);
    return degrees * atan2(sqrt(dot(bond[1], bond[1])) * dot(bond[0], n2), dot(n1, n2));
}

void cg_torsions_angles(const cg_torsions *torsions, const float (*xyz)[3], double *ret_angles)
{
    for (size_t i = 0; i < torsions->n; i++)
        ret_angles[i] = torsion(xyz, torsions->quartets[i].atoms);
}

/* Least difference of an angle of a and one of b, between 0 and 180 degrees. */
static double least_difference(const double *a, const double *b, size_t n)
{
    double least = 180;

    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            double d = fabs(a[i] - b[j]);

            d = d > 180 ? 360 - d : d;
            least = d < least ? d : least;
        }
    return least;
}

/* Difference of the means of the absolute angles of a ring. */
static double ring_difference(const double *a, const double *b, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += fabs(a[i]) - fabs(b[i]);
    return fabs(sum) / (double)n;
}

double cg_torsions_deviation(const cg_torsions *t, const double *a, const double *b)
{
    double sum = 0;

    for (size_t i = 0, end; i < t->n; i = end) {
        const cgrd_torsion *q = &t->quartets[i];
        double d;

        end = term_end(t, i);
        d = q->is_ring ? ring_difference(a + i, b + i, end - i)
                       : least_difference(a + i, b + i, end - i);
        sum += q->weight * d / q->max_deviation;
    }
    return sum / t->weights;
}
