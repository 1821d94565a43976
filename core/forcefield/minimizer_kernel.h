/* SPDX-License-Identifier: MIT */
/**
 * @file minimizer_kernel.h  Kernels of mmff_minimizer.c, compiled once per instruction set.
 * Internal.
 *
 * A kernel minimises several conformers of one molecule at once, one per lane of a vector. Lanes
 * are independent and no product is contracted with a sum: a conformer's bits depend neither on the
 * other lanes nor on the instruction set.
 *
 * The method is L-BFGS (Nocedal, Math. Comp. 35 (1980) 773) with backtracking. In a round every
 * lane is evaluated once, at its trial position. A lane whose energy has decreased enough moves
 * there and sets out in a new direction; another lane shortens its step.
 */
#ifndef CG_FORCEFIELD_MINIMIZER_KERNEL_H
#define CG_FORCEFIELD_MINIMIZER_KERNEL_H

#include <confgen/status.h>

#include "forcefield/mmff_tables.h"
#include "forcefield/stiffness.h"

enum { CG_MINIMIZER_PERIOD = 10, CG_MINIMIZER_HISTORY = 8, CG_MINIMIZER_MAX_LANES = 8 };

/** State of a lane after a round. */
enum {
    CG_LANE_RUNS = 0,
    CG_LANE_CONVERGED = 1, /* the gradient is below its limit */
    CG_LANE_STALLED = 2,   /* no step along the direction decreases the energy */
};

/** A number or mask of each lane. */
typedef double cg_lane_numbers[CG_MINIMIZER_MAX_LANES] __attribute__((aligned(64)));
typedef int64_t cg_lane_masks[CG_MINIMIZER_MAX_LANES] __attribute__((aligned(64)));

/** Conformers in the lanes of a kernel. */
typedef struct cg_minimizer_lanes {
    const cg_mmff_tables *tables;
    const cg_stiffness *stiffness;
    const double *moves; /* [n_atoms] 1, or 0 for atoms that stay in place */
    double limit;        /* of the greatest component of the gradient, kcal/mol/Å */
    /* [n_atoms * 3][lanes], aligned to 64 bytes; g, y and their products are 0 for atoms that stay
     */
    double *x, *g;           /* accepted position, Å, and gradient there, kcal/mol/Å */
    double *trial, *g_trial; /* position to evaluate, and its gradient */
    double *direction;       /* from x */
    double *s, *y;           /* [CG_MINIMIZER_HISTORY] steps and changes of the gradient */
    double *blocks;          /* [stiffness->n_blocks][3][3][lanes] the factors of the stiffness */
    int32_t slot;            /* of the next step in the history */
    cg_lane_numbers rho[CG_MINIMIZER_HISTORY]; /* 1 / (s y); 0: not used */
    cg_lane_numbers energy, energy_trial;      /* at x and at the trial position, kcal/mol */
    cg_lane_numbers step;                      /* part of the direction up to the trial position */
    cg_lane_numbers slope;                     /* g direction */
    cg_lane_numbers least;                     /* stiffness without terms, kcal/mol/Å^2 */
    cg_lane_numbers gradient;                  /* greatest component at x */
    cg_lane_masks fresh;                       /* -1: the trial position is the first one; else 0 */
    cg_lane_masks state;                       /* result: CG_LANE_* */
} cg_minimizer_lanes;

typedef struct cg_minimizer_kernel {
    const char *name;
    int lanes;
    /** Energy and gradient at the trial positions. */
    void (*evaluate)(cg_minimizer_lanes *lanes);
    /**
     * Accepts or rejects the trial positions, and sets the next ones.
     *
     * @param renew  1: with the stiffness at the accepted positions. Due where a lane is fresh, and
     *               every CG_MINIMIZER_PERIOD rounds
     */
    void (*advance)(cg_minimizer_lanes *lanes, int renew);
} cg_minimizer_kernel;

extern const cg_minimizer_kernel cg_minimizer_generic;
#ifdef CG_FORCEFIELD_X86
extern const cg_minimizer_kernel cg_minimizer_avx2, cg_minimizer_avx512;
#endif

struct cg_minimizer_options;
struct cg_minimized;

/** cg_mmff_minimize() with the given kernel. */
cg_status cg_mmff_minimize_by(const cg_minimizer_kernel *kernel, const cg_mmff_tables *tables,
                              const struct cg_minimizer_options *options, size_t n, double *xyz,
                              struct cg_minimized *ret_minimized, cg_error *err);

/** The i-th kernel that this processor can run, best first; NULL after the last. */
const cg_minimizer_kernel *cg_minimizer_kernel_get(int i);

#endif
