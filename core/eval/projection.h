/* SPDX-License-Identifier: MIT */
/**
 * @file projection.h  Turns conformers into view: centre, principal axes, superposition.
 *
 * Coordinates are ångström. In view, x points to the right, y up and z to the observer.
 */
#ifndef CG_EVAL_PROJECTION_H
#define CG_EVAL_PROJECTION_H

#include <stddef.h>

/** Moves the centroid of n points to the origin. */
void cg_view_centre(size_t n, float (*xyz)[3]);

/**
 * Turns n centred points so that they extend most along x and least along z, without a reflection.
 * The longer tail of the distribution along x and along y points to the positive side, so the view
 * does not depend on the orientation in the file.
 */
void cg_view_principal(size_t n, float (*xyz)[3]);

/**
 * The rotation that superposes centred points a on centred points b.
 *
 * @param products  [3][3] sums of the inner products, axes of a by axes of b
 * @param ret_axes  rows: coordinate k of a turned point is its product with ret_axes[k]
 */
void cg_view_rotation(const double products[9], double ret_axes[3][3]);

/** Turns n centred points to the least RMSD from the centred points `to`, without a reflection. */
void cg_view_superpose(size_t n, const float (*to)[3], float (*xyz)[3]);

/** Largest absolute x, y and z of n points; each at least 0.5, as one atom has a size too. */
void cg_view_extent(size_t n, const float (*xyz)[3], double ret_extent[3]);

#endif
