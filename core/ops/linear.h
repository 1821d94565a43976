/* SPDX-License-Identifier: MIT */
/**
 * @file linear.h  y = x W^T on the CPU, by oneDNN, with results that do not depend on the batch.
 *
 * The weights are packed once into the layout of oneDNN, in panels of output features; a product is
 * a loop of (panel, row tile) tasks over a thread team. oneDNN computes a task on one thread,
 * always over the whole of K, so the sum for y[r, n] does not depend on the team. Independence of
 * the number of rows of a task is verified, not assumed: at the first use of a shape, every row
 * count is compared bit by bit with the largest one; row counts that differ are not used (rows are
 * padded to one that agrees).
 */
#ifndef CG_OPS_LINEAR_H
#define CG_OPS_LINEAR_H

#include <confgen/status.h>

#include "base/pool.h"

/**
 * Output features that are computed together. Two products of the same k that share a row of W give
 * the same bits for it if the numbers of features of both are multiples of this.
 */
enum { CG_LINEAR_PANEL = 128 };

/** Rows after the last one that may be read and written: buffers of x and y must include them. */
enum { CG_LINEAR_PAD = 64 };

/** oneDNN primitives, shared by products of the same shape, and the memory objects of the workers.
 */
typedef struct cg_linear_context cg_linear_context;
/** Packed weights of one product. */
typedef struct cg_linear cg_linear;

/** Creates a context. The team is borrowed; only it runs the products of this context. */
cg_status cg_linear_context_create(cg_team *team, cg_linear_context **ret_ctx, cg_error *err);
void cg_linear_context_destroy(cg_linear_context *ctx); /* after its linears; accepts NULL */

/** Writes rows [row0, row0 + n_rows) of the weights to dst [n_rows, k], f32. */
typedef void (*cg_linear_rows_fn)(void *arg, int64_t row0, int64_t n_rows, float *dst);

/**
 * Packs W [n, k]; rows of x have k floats, rows of y n floats.
 *
 * @param accumulate  nonzero: y += x W^T (a residual), else y = x W^T
 */
cg_status cg_linear_create(cg_linear_context *ctx, int64_t n, int64_t k, int accumulate,
                           cg_linear_rows_fn rows, void *arg, cg_linear **ret_linear,
                           cg_error *err);
void cg_linear_destroy(cg_linear *linear); /* accepts NULL */

/**
 * Computes `rows` rows. x [rows + CG_LINEAR_PAD, k], y [rows + CG_LINEAR_PAD, n]: the padding rows
 * may be read and overwritten.
 */
cg_status cg_linear_run(cg_linear *linear, const float *x, float *y, int64_t rows, cg_error *err);

/** Returns the row counts of tasks that this shape uses, for reports, e.g. "1 2 3 4 ... 64". */
const char *cg_linear_row_counts(const cg_linear *linear);

#endif
