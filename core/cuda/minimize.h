/* SPDX-License-Identifier: MIT */
/**
 * @file minimize.h  The kernel of the minimiser and its input.
 *
 * A block of threads minimises one conformer after the other. It has the method of
 * forcefield/minimizer_tile.h and the order of all its sums: no product is contracted with a sum
 * (-fmad=false), so bits are those of the CPU.
 *
 *   terms     a thread computes the gradient parts of a term, one for each atom
 *   gradient  a thread adds the parts of one coordinate, in the order of terms
 *   stiffness a thread adds the products of one element of a block; columns are eliminated one
 *             after the other, each by all threads
 *   direction one warp: its steps depend on each other
 */
#ifndef CG_CUDA_MINIMIZE_H
#define CG_CUDA_MINIMIZE_H

#include "forcefield/minimizer_kernel.h"
#include "forcefield/mmff_minimizer.h"
#include "gpu_device.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * A term's contribution to a block of the stiffness matrix: factor * gradient of the row's atom *
 * gradient of the column's atom. `row` and `column` are parts.
 */
typedef struct cg_stiffness_product {
    double factor;
    int32_t row, column;
} cg_stiffness_product;

/** A stage of a minimisation. */
typedef struct cg_image_stage {
    size_t moves; /* [n_atoms] double, as in cg_minimizer_lanes */
    double limit; /* kcal/mol/Å */
    int32_t max_rounds;
} cg_image_stage;

/**
 * A molecule on the device: its tables, the pattern of its stiffness, and lists of the addends of
 * each sum. Arrays are in the memory of a launch; members of type size_t are their offsets, in
 * bytes.
 *
 * Each term has a part for each of its atoms, in their order: the parts of bonds, then those of
 * angles, planes and torsions.
 */
typedef struct cg_minimizer_image {
    int32_t n_atoms, n_bonds, n_angles, n_planes, n_torsions, n_pairs;
    int32_t n_parts;
    int32_t n_blocks, max_rows; /* of the stiffness; of a column */
    int32_t n_levels;
    int32_t n_stages;
    cg_image_stage stages[CG_MINIMIZER_MAX_STAGES];
    size_t bonds, angles, planes, torsions, pairs; /* as in cg_mmff_tables */
    size_t part_starts, part_list;                 /* [n_atoms + 1], [n_parts] parts of an atom */
    size_t row_starts;                             /* [n_atoms + 1] pairs whose first atom it is */
    size_t pair_starts, pair_list;   /* [n_atoms + 1], [n_pairs] those whose second atom it is */
    size_t product_starts, products; /* [n_blocks + 1], cg_stiffness_product */
    size_t updates;                  /* as in cg_stiffness */
    /* Lists of int32_t, one after the other from `atoms` on: a part of a conformer's state, as each
     * step of the solution waits for them. */
    size_t lists_size;                  /* of all, bytes, a multiple of 8 */
    size_t atoms, columns;              /* as in cg_stiffness */
    size_t row_atoms;                   /* [n_blocks - n_atoms] atoms of the rows */
    size_t update_starts;               /* [n_atoms + 1] of columns */
    size_t level_starts, level_columns; /* [n_levels + 1], [n_atoms]: a column depends on those of
                                           earlier levels in the solution from the last one */
} cg_minimizer_image;

/** A conformer to minimise. */
typedef struct cg_minimizer_item {
    int32_t molecule; /* in `images` */
    size_t xyz;       /* its coordinates begin at this double */
} cg_minimizer_item;

/** Arguments of the kernel; device memory. */
typedef struct cg_minimize_launch {
    const cg_minimizer_image *images;
    const char *memory;             /* that images refer to */
    const cg_minimizer_item *items; /* [n_items] */
    int32_t n_items;
    int32_t *next;           /* conformers that have been taken; 0 at the start */
    double *xyz;             /* changed */
    cg_minimized *minimized; /* [n_items] result */
    double *work;            /* [blocks][work_size] */
    size_t work_size;        /* at least that of every image */
    size_t shared_size;      /* doubles of shared memory: for images whose state fits */
} cg_minimize_launch;

/** Doubles of the state of a conformer between rounds, in shared memory if they fit. */
static CG_HOST_DEVICE inline size_t cg_minimizer_state_size(const cg_minimizer_image *image)
{
    return (size_t)image->n_atoms * 3 * (5 + 2 * CG_MINIMIZER_HISTORY) +
           ((size_t)image->n_blocks + (size_t)image->max_rows) * 9 +
           image->lists_size / sizeof(double);
}

/** Doubles of a block's work memory: the state and the parts of terms. */
static inline size_t cg_minimizer_work_size(const cg_minimizer_image *image)
{
    return cg_minimizer_state_size(image) + (size_t)image->n_parts * 3 +
           (size_t)image->n_pairs * 4 + (size_t)image->n_bonds + (size_t)image->n_angles +
           (size_t)image->n_planes + (size_t)image->n_torsions + (size_t)image->n_atoms;
}

/** Bytes of shared memory for the state of a conformer, which a block may have on every GPU of
 * compute capability 8.0 or newer: 99 KiB at least. Larger states are in global memory. */
enum { CG_MINIMIZE_MAX_SHARED = 96 * 1024 };

/**
 * Permits launches with up to CG_MINIMIZE_MAX_SHARED bytes on the calling thread's GPU. Once before
 * the first launch: a limit that each launch sets would be that of another thread's launch.
 */
cg_status cg_cuda_minimize_init(cg_error *err);

/**
 * Queues the minimisation of all items.
 *
 * @param launch   shared_size: at most CG_MINIMIZE_MAX_SHARED bytes
 * @param threads  of a block, whole warps, at most 256
 * @return CG_OK; CG_ERR_CUDA
 */
cg_status cg_cuda_minimize(const cg_minimize_launch *launch, int32_t blocks, int32_t threads,
                           cudaStream_t stream, cg_error *err);

#ifdef __cplusplus
}
#endif

#endif
