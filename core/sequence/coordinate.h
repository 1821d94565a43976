/* SPDX-License-Identifier: MIT */
/**
 * @file coordinate.h  Coordinates in single precision and the numbers that a text can hold.
 *
 * The numbers of a format divide space into cells: a position is written as the nearest one. Where
 * the cells are small, their size is within the margins of the geometry tests. Coarse cells - bins,
 * few digits - are not: an atom is then placed in one of 27 neighbouring cells.
 *
 * Decimals are converted in single precision, as fast on a GPU; other numbers in double.
 */
#ifndef CG_SEQUENCE_COORDINATE_H
#define CG_SEQUENCE_COORDINATE_H

#include "format/number_format.h"

/** The coordinate of a number, Å. */
CG_HOST_DEVICE float cg_coordinate_of(const cg_number_format *f, const cg_decimal *number);

/**
 * The number nearest to x; of a bin, the one that contains x. It may have more digits before the
 * point than the format has: then the automaton has no path for it.
 *
 * @return 1; 0 if x is not finite or the number has more than 9 digits
 */
CG_HOST_DEVICE int cg_coordinate_to_number(const cg_number_format *f, float x, cg_decimal *ret);

/** Are the cells at least 0.01 Å wide? */
CG_HOST_DEVICE int cg_number_is_coarse(const cg_number_format *f);

enum { CG_NEIGHBOUR_CELLS = 27 };

/**
 * Centre of number `i` of the cells around a position: the cell that contains it, then its
 * neighbours, about the nearest ones first. The same on all devices.
 *
 * @return 1; 0 if the text cannot hold it, or outside of the edges of bins
 */
CG_HOST_DEVICE int cg_cell_centre(const cg_number_format *f, const float xyz[3], int32_t i,
                                  float ret_centre[3]);

#endif
