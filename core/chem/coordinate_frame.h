/* SPDX-License-Identifier: MIT */
/** @file coordinate_frame.h  The canonical coordinate frame of a model's training texts. */
#ifndef CG_CHEM_COORDINATE_FRAME_H
#define CG_CHEM_COORDINATE_FRAME_H

#include <stddef.h>

#include "format/conformer_format.h"

/**
 * Transforms xyz[n][3] (Å) into the frame "first-atoms": atom 0 at the origin, atom 1 on +x, the
 * first later atom off the x axis in the xy plane with y > 0. The rotation is proper and preserves
 * chirality. An atom is off the axis if its distance from it exceeds 0.01 Å and a hundredth of its
 * distance from the origin; without such an atom the rotation about x is arbitrary.
 *
 * @return CG_OK; CG_ERR_INPUT if a coordinate is not finite or atoms 0 and 1 are closer than
 *         0.001 Å. On failure xyz is unchanged.
 */
cg_status cg_coordinate_frame_first_atoms(double (*xyz)[3], size_t n, cg_error *err);

/**
 * Transforms xyz[n][3] into a frame: that of cg_coordinate_frame_first_atoms(), the mean of the
 * atoms at the origin, or no change. @return as cg_coordinate_frame_first_atoms()
 */
cg_status cg_coordinate_frame_apply(cg_frame frame, double (*xyz)[3], size_t n, cg_error *err);

#endif
