/* SPDX-License-Identifier: MIT */
/**
 * @file number_format.h  How a coordinate is written as text, and back.
 *
 *   CG_NUMBER_DECIMAL  -1.2340     fixed decimals; with strip_zeros -1.234, and 2 for 2.0
 *   CG_NUMBER_INTEGER  -0123       a multiple of 1 / per_angstrom Å
 *   CG_NUMBER_BIN      042         index of an interval between edges; its value is the centre
 *   CG_NUMBER_CODE     <42>        an index without a coordinate of its own
 *
 * Text is ASCII; a minus is written for negative numbers only, never for zero. The functions are
 * compiled for host and device.
 */
#ifndef CG_FORMAT_NUMBER_FORMAT_H
#define CG_FORMAT_NUMBER_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#include <confgen/status.h>

typedef enum cg_number_kind {
    CG_NUMBER_DECIMAL = 0,
    CG_NUMBER_INTEGER = 1,
    CG_NUMBER_BIN = 2,
    CG_NUMBER_CODE = 3,
} cg_number_kind;

enum {
    CG_NUMBER_MAX_DIGITS = 9,
    CG_NUMBER_MAX_DECIMALS = 6,
    CG_NUMBER_MAX_INTEGER_DIGITS = 6,
    CG_NUMBER_MAX_EDGES = 1024,
    CG_NUMBER_MAX_CODES = 1 << 16,
    CG_NUMBER_MAX_TEXT = 16, /* bytes of a number */
};

/** Plain data, without pointers: copied to a device as it is. */
typedef struct cg_number_format {
    int32_t kind;               /* cg_number_kind */
    int32_t max_integer_digits; /* DECIMAL: before the point, without a leading zero; 1 to 6.
                                   INTEGER: of the number */
    int32_t decimals;           /* DECIMAL: digits after the point, 1 to 6 */
    int32_t strip_zeros;        /* DECIMAL: trailing zeros, and a point without decimals, are not
                                   written */
    int32_t width;              /* INTEGER, BIN: padded with zeros to this many digits; 0: not */
    int32_t per_angstrom;       /* INTEGER */
    int32_t n_values;           /* CODE: number of codes. BIN: n_edges + 1; n_edges without an
                                   index above the last edge */
    int32_t n_edges;            /* BIN: at least 2 */
    /* BIN: ascending, Å. Index i is the number of edges <= x, at most n_values - 1. The value of
     * index i is the centre of edges i - 1 and i; outside of the edges, the outermost edge. */
    double edge[CG_NUMBER_MAX_EDGES];
} cg_number_format;

/**
 * A number as its digits without the point: -1.2340 is 12340, 5 digits, 4 decimals, minus. Bins,
 * integers and codes have no decimals.
 */
typedef struct cg_decimal {
    int32_t digits;   /* value of all digits, less than 10^9 */
    int32_t n_digits; /* written, padding included */
    int32_t n_decimals;
    int32_t minus; /* 0 or 1; 0 for zero */
} cg_decimal;

/** How a coordinate becomes a decimal or an integer. A bin is the interval that holds it. */
typedef enum cg_rounding {
    CG_ROUND_NEAREST = 0,
    /* toward zero, except that a value within a millionth of a unit of a multiple is the multiple:
     * reading and writing a text is lossless */
    CG_ROUND_TRUNCATE = 1,
} cg_rounding;

/**
 * Converts a coordinate in Å.
 *
 * @return 1; 0 if x is not finite or needs more digits than the format has, or for codes
 */
CG_HOST_DEVICE int cg_number_from_coordinate(const cg_number_format *f, double x,
                                             cg_rounding rounding, cg_decimal *ret);

/** The coordinate in Å that these digits mean: a decimal's nearest double, a bin's centre. An index
 * beyond the bins has the value of the last bin; codes have their index. */
CG_HOST_DEVICE double cg_number_to_coordinate(const cg_number_format *f, const cg_decimal *n);

/** Number `index` of a format with n_values: bins and codes. */
CG_HOST_DEVICE cg_decimal cg_number_of_index(const cg_number_format *f, int32_t index);

/** Writes the digits with sign and point, terminated. @return length, less than
 * CG_NUMBER_MAX_TEXT */
size_t cg_number_write(const cg_decimal *n, char ret_text[CG_NUMBER_MAX_TEXT]);

/**
 * Reads the number at the start of text[0, len): exactly what cg_number_write() writes for this
 * format. A format of fixed width ends after its digits, others at the first byte that cannot
 * continue the number.
 *
 * @param ret_wanted  on failure: what was wanted at text[*ret_used], static storage
 * @return 1 and the bytes used; 0
 */
int cg_number_parse(const cg_number_format *f, const char *text, size_t len, cg_decimal *ret,
                    size_t *ret_used, const char **ret_wanted);

/** Is the negative of every number of this format one of its numbers? */
static inline CG_HOST_DEVICE int cg_number_is_signed(const cg_number_format *f)
{
    return f->kind == CG_NUMBER_DECIMAL || f->kind == CG_NUMBER_INTEGER;
}

/** Does every number of this format have the same number of digits? Then numbers may follow one
 * another without separators. */
static inline CG_HOST_DEVICE int cg_number_has_fixed_width(const cg_number_format *f)
{
    return f->kind == CG_NUMBER_BIN && f->width > 0;
}

#endif
