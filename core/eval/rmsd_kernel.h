/* SPDX-License-Identifier: MIT */
/**
 * @file rmsd_kernel.h  Inside rmsd.c: what runs once for every instruction set.
 *
 * Eight conformers of b stand side by side, one a lane, before a single one of a. Coordinates are
 * centred and divided by their norm (root of the sum of squares, Å), so that the largest eigenvalue
 * of Horn's matrix, called lambda here, is at most 1 and
 *
 *   n msd = (|a| - |b|)^2 + 2 |a| |b| (1 - lambda)
 *
 * No lane sees another and nothing is contracted: all instruction sets give the same bits.
 */
#ifndef CG_EVAL_RMSD_KERNEL_H
#define CG_EVAL_RMSD_KERNEL_H

#include "eval/rmsd_program.h"

enum { CG_RMSD_LANES = 8, CG_RMSD_PRODUCTS = 9 };

/** Below every lambda: no superposition was computed. */
#define CG_RMSD_NO_LAMBDA (-2.0)

/*
 * A superposition is left out, and a pair is, only where lambda stays below what is wanted by more
 * than this: far more than the error of any figure compared.
 */
#define CG_RMSD_MARGIN 1e-6

typedef struct cg_rmsd_block {
    const cg_rmsd_program *program;
    const double *a;     /* [n_atoms][3] */
    const double *b;     /* [n_atoms][3][LANES], 64-byte aligned */
    const double *floor; /* [LANES] lambdas below it need not be known; 64-byte aligned */
    double *level;       /* [program->n_levels][PRODUCTS][LANES] scratch, 64-byte aligned */
    double *best;        /* [LANES] largest lambda over the maps, 64-byte aligned */
} cg_rmsd_block;

/** Of one conformer of a, and eight of b. */
typedef struct cg_rmsd_bound {
    double norm_a, singular_a[3], msd_a; /* msd_a: times the number of atoms */
    const double *norm_b;                /* [LANES], 64-byte aligned, as the others */
    const double *singular_b;            /* [3][LANES] */
    const double *msd_b;                 /* [LANES] times the number of atoms */
    double *floor;                       /* [LANES] written: lambda that would be news */
} cg_rmsd_bound;

typedef struct cg_rmsd_kernel {
    const char *name;
    void (*run)(const cg_rmsd_block *block);
    /** 1 where a lane may hold a pair nearer than msd_a or msd_b. */
    int (*bound)(const cg_rmsd_bound *bound);
} cg_rmsd_kernel;

extern const cg_rmsd_kernel cg_rmsd_generic;
#ifdef CG_RMSD_X86
extern const cg_rmsd_kernel cg_rmsd_avx2, cg_rmsd_avx512;
#endif

/** The i-th kernel that this processor can run, best first; NULL behind the last. */
const cg_rmsd_kernel *cg_rmsd_kernel_get(int i);

/** Eigenvalues of a symmetric n x n matrix, n <= 4, by Jacobi rotations, largest first. */
void cg_rmsd_eigenvalues(int n, double m[4][4], double *ret_values);
/** Lambda of inner products [3][3], a's axes by b's, `stride` apart, in full precision always. */
double cg_rmsd_horn(const double *products, int stride);

#endif
