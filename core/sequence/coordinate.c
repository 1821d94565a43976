/* SPDX-License-Identifier: MIT */
/* core/cuda/step.cu includes this file to compile it for the device. */
#include "sequence/coordinate.h"

#ifndef __CUDACC__
#include <math.h>
#endif

static CG_HOST_DEVICE int32_t power_of_ten(int32_t n)
{
    int32_t p = 1;

    for (; n > 0; n--)
        p *= 10;
    return p;
}

/* The number of a count of units, the last digit's; of decimals and integers. */
static CG_HOST_DEVICE cg_decimal number_of_units(const cg_number_format *f, int32_t size, int minus)
{
    int32_t decimals = f->kind == CG_NUMBER_DECIMAL ? f->decimals : 0;
    cg_decimal n = { size, decimals + 1, decimals, minus && size > 0 };

    while (n.n_digits < CG_NUMBER_MAX_DIGITS && n.digits >= power_of_ten(n.n_digits))
        n.n_digits++;
    if (f->kind == CG_NUMBER_INTEGER && n.n_digits < f->width)
        n.n_digits = f->width;
    for (; f->strip_zeros && n.n_decimals > 0 && n.digits % 10 == 0; n.n_decimals--, n.n_digits--)
        n.digits /= 10;
    return n;
}

static CG_HOST_DEVICE float units_per_angstrom(const cg_number_format *f)
{
    return (float)(f->kind == CG_NUMBER_DECIMAL ? power_of_ten(f->decimals) : f->per_angstrom);
}

CG_HOST_DEVICE float cg_coordinate_of(const cg_number_format *f, const cg_decimal *n)
{
    const float tenth[] = { 1, 1e-1f, 1e-2f, 1e-3f, 1e-4f, 1e-5f, 1e-6f };
    float size;

    if (f->kind != CG_NUMBER_DECIMAL)
        return (float)cg_number_to_coordinate(f, n);
    size = (float)n->digits;
    return (n->minus ? -size : size) * tenth[n->n_decimals];
}

CG_HOST_DEVICE int cg_coordinate_to_number(const cg_number_format *f, float x, cg_decimal *ret)
{
    float size;
    int32_t units;

    if (f->kind == CG_NUMBER_BIN)
        return cg_number_from_coordinate(f, (double)x, CG_ROUND_NEAREST, ret);
    size = fabsf(x) * units_per_angstrom(f);
    if (!(size < 999999935.0F)) /* the last float before 10^9 */
        return 0;
    units = (int32_t)size;
    units += size - (float)units >= 0.5F; /* the sum size + 0.5 would itself be rounded */
    *ret = number_of_units(f, units, x < 0);
    return 1;
}

CG_HOST_DEVICE int cg_number_is_coarse(const cg_number_format *f)
{
    return f->kind == CG_NUMBER_BIN || units_per_angstrom(f) <= 100;
}

/* ---- cells -------------------------------------------------------------------------------- */

/* The coordinate of the cell `offset` cells from that of x. Returns 0 if there is none. */
static CG_HOST_DEVICE int neighbour(const cg_number_format *f, float x, int32_t offset, float *ret)
{
    int32_t cell;
    cg_decimal n;

    if (!cg_coordinate_to_number(f, x, &n))
        return 0;
    if (f->kind == CG_NUMBER_BIN) {
        int32_t last = f->n_edges - 1; /* bins between two edges are 1 to `last` */

        cell = n.digits < 1 ? 1 : n.digits > last ? last : n.digits;
        cell += offset;
        if (cell < 1 || cell > last)
            return 0;
        n = cg_number_of_index(f, cell);
    } else {
        int32_t decimals = f->kind == CG_NUMBER_DECIMAL ? f->decimals : 0;

        cell = n.digits * power_of_ten(decimals - n.n_decimals);
        cell = (n.minus ? -cell : cell) + offset;
        n = number_of_units(f, cell < 0 ? -cell : cell, cell < 0);
        if (n.n_digits - n.n_decimals > f->max_integer_digits)
            return 0;
    }
    *ret = cg_coordinate_of(f, &n);
    return 1;
}

CG_HOST_DEVICE int cg_cell_centre(const cg_number_format *f, const float xyz[3], int32_t i,
                                  float ret_centre[3])
{
    /* Per axis 0: the same cell, 1: the neighbour on the side of the position, 2: the other one;
     * digits to base 3, in ascending order of the distance that they cost on average. */
    const int8_t order[CG_NEIGHBOUR_CELLS] = { 0,  1,  3, 9,  4,  10, 12, 13, 2,
                                               6,  18, 5, 7,  11, 15, 19, 21, 14,
                                               16, 22, 8, 20, 24, 17, 23, 25, 26 };
    int32_t digits = order[i];
    float centre;

    for (int k = 0; k < 3; k++, digits /= 3) {
        int32_t side = digits % 3;

        if (!neighbour(f, xyz[k], 0, &centre))
            return 0;
        if (side && !neighbour(f, xyz[k], (side == 1) == (xyz[k] >= centre) ? 1 : -1, &centre))
            return 0;
        ret_centre[k] = centre;
    }
    return 1;
}
