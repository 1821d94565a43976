/* SPDX-License-Identifier: MIT */
/**
 * @file linear.h  y = x W^T on the CPU, by oneDNN, with results that do not depend on the batch.
 *
 * The weights are packed once into oneDNN's own layout, in panels of output features; a product is
 * then a loop of (panel, row tile) tasks over a thread team. oneDNN computes one task on one
 * thread, always over the whole of K, so the sum behind y[r, n] does not depend on the team. That
 * it does not depend on how many rows a task has either is checked, not assumed: when a shape is
 * first met, every row count in use is compared bit by bit with the largest, and the row counts
 * that disagree are not used (rows are padded to one that agrees).
 */
#ifndef CG_OPS_LINEAR_H
#define CG_OPS_LINEAR_H

#include "base/pool.h"
#include <confgen/status.h>

/**
 * Output features that are computed together. Two products of one k that share a row of W give the
 * same bits for it, as long as the numbers of features of both are multiples of this.
 */
enum { CG_LINEAR_PANEL = 128 };

/** Rows that may be read and written beyond the last one: buffers of x and y have room for them. */
enum { CG_LINEAR_PAD = 64 };

/** Primitives shared by linears of one shape, and the memory objects of the workers. */
typedef struct cg_linear_context cg_linear_context;
/** Packed weights of one product. */
typedef struct cg_linear cg_linear;

/** The team is borrowed and is the only one that runs this context's products. */
cg_status cg_linear_context_create(cg_team *team, cg_linear_context **ret_ctx, cg_error *err);
void cg_linear_context_destroy(cg_linear_context *ctx); /* after its linears; accepts NULL */

/** Fills dst[n_rows, k] with rows row0 .. of the weights, f32. */
typedef void (*cg_linear_rows_fn)(void *arg, int64_t row0, int64_t n_rows, float *dst);

/**
 * Pack W [n, k]; x has rows of k floats, y of n floats.
 *
 * @param accumulate  nonzero: y += x W^T (a residual), else y = x W^T
 */
cg_status cg_linear_create(cg_linear_context *ctx, int64_t n, int64_t k, int accumulate,
                           cg_linear_rows_fn rows, void *arg, cg_linear **ret_linear,
                           cg_error *err);
void cg_linear_destroy(cg_linear *linear); /* accepts NULL */

/**
 * Compute `rows` rows. x [rows + CG_LINEAR_PAD, k], y [rows + CG_LINEAR_PAD, n]: the padding rows
 * may be read and overwritten.
 */
cg_status cg_linear_run(cg_linear *linear, const float *x, float *y, int64_t rows, cg_error *err);

/** Row counts of a task that this shape uses, as text for reports, e.g. "1 2 3 4 ... 64". */
const char *cg_linear_row_counts(const cg_linear *linear);

#endif
