/* SPDX-License-Identifier: MIT */
/**
 * @file rmsd_kernel.h  Kernels of rmsd.c, compiled once per instruction set. Internal to rmsd*.c.
 *
 * A kernel compares one conformer of a with eight of b, one per lane. Coordinates are centred and
 * divided by their norm (root of the sum of squares, Å). Then the largest eigenvalue of Horn's
 * matrix, called lambda here, is at most 1, and
 *
 *   n msd = (|a| - |b|)^2 + 2 |a| |b| (1 - lambda)
 *
 * Lanes are independent and no product is contracted with a sum: all instruction sets give the same
 * bits.
 */
#ifndef CG_EVAL_RMSD_KERNEL_H
#define CG_EVAL_RMSD_KERNEL_H

#include "eval/rmsd_plan.h"

enum { CG_RMSD_LANES = 8, CG_RMSD_PRODUCTS = 9 };

/** Less than every lambda: no superposition computed. */
#define CG_RMSD_NO_LAMBDA (-2.0)

/*
 * A map or a pair is skipped only if its lambda is below the threshold by more than this, which is
 * far above the error of the compared figures.
 */
#define CG_RMSD_MARGIN 1e-6

/** Input and output of run(). */
typedef struct cg_rmsd_block {
    const cg_rmsd_plan *plan;
    const double *a;         /* [n_atoms][3] */
    const double *b;         /* [n_atoms][3][LANES], 64-byte aligned, as all below */
    const double *threshold; /* [LANES] smaller lambdas may be left out */
    double *level;           /* [plan->n_levels][PRODUCTS][LANES] scratch */
    double *best;            /* [LANES] result: largest lambda over the maps */
} cg_rmsd_block;

/** Input and output of bound(): one conformer of a, eight of b. */
typedef struct cg_rmsd_bound {
    double norm_a, singular_a[3], msd_a; /* msd_a: least msd so far, times the number of atoms */
    const double *norm_b;                /* [LANES], 64-byte aligned, as the others */
    const double *singular_b;            /* [3][LANES] */
    const double *msd_b;                 /* [LANES] times the number of atoms */
    double *threshold;                   /* [LANES] result: lambda that improves neither msd */
} cg_rmsd_bound;

typedef struct cg_rmsd_kernel {
    const char *name;
    void (*run)(const cg_rmsd_block *block);
    /** Returns 1 if the pair of some lane may be closer than msd_a or msd_b. */
    int (*bound)(const cg_rmsd_bound *bound);
} cg_rmsd_kernel;

extern const cg_rmsd_kernel cg_rmsd_generic;
#ifdef CG_RMSD_X86
extern const cg_rmsd_kernel cg_rmsd_avx2, cg_rmsd_avx512;
#endif

/** The i-th kernel that this processor can run, best first; NULL after the last. */
const cg_rmsd_kernel *cg_rmsd_kernel_get(int i);

/** Eigenvalues of a symmetric n x n matrix, n <= 4, by Jacobi rotations, descending; m is
 * overwritten. */
void cg_rmsd_eigenvalues(int n, double m[4][4], double *ret_values);
/** Unit eigenvectors likewise: ret_vectors[i][k < n] is that of the i-th largest eigenvalue. */
void cg_rmsd_eigenvectors(int n, double m[4][4], double ret_vectors[4][4]);
/** The unit quaternion (w, x, y, z) of the rotation that superposes a on b, from the inner products
 * [3][3] (axes of a by axes of b). */
void cg_rmsd_quaternion(const double *products, double ret_q[4]);
/** Lambda from the inner products [3][3] (axes of a by axes of b), `stride` apart, by Jacobi
 * rotations: accurate also for multiple roots. */
double cg_rmsd_horn(const double *products, int stride);

#endif
