/* SPDX-License-Identifier: MIT */
/* core/cuda/step.cu includes this file to compile it for the device. */
#include "format/number_format.h"

#ifndef __CUDACC__
#include <math.h>
#endif

static CG_HOST_DEVICE int64_t ten_to(int32_t n)
{
    int64_t p = 1;

    for (; n > 0; n--)
        p *= 10;
    return p;
}

static CG_HOST_DEVICE int32_t count_digits(int32_t value)
{
    int32_t n = 1;

    while (n < CG_NUMBER_MAX_DIGITS && value >= ten_to(n))
        n++;
    return n;
}

/* Units of a size x >= 0, which is a multiple of them up to the rounding. */
static CG_HOST_DEVICE int64_t to_units(double x, cg_rounding rounding)
{
    double nearest = floor(x + 0.5);

    if (rounding == CG_ROUND_NEAREST || fabs(x - nearest) < 1e-6)
        return (int64_t)nearest;
    return (int64_t)x;
}

static CG_HOST_DEVICE void strip_zeros(cg_decimal *n)
{
    while (n->n_decimals > 0 && n->digits % 10 == 0) {
        n->digits /= 10;
        n->n_decimals--;
        n->n_digits--;
    }
}

/* Number of edges <= x, by bisection. */
static CG_HOST_DEVICE int32_t find_bin(const cg_number_format *f, double x)
{
    int32_t low = 0, high = f->n_edges;

    while (low < high) {
        int32_t middle = (low + high) / 2;

        if (f->edge[middle] <= x)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

CG_HOST_DEVICE cg_decimal cg_number_of_index(const cg_number_format *f, int32_t index)
{
    cg_decimal n = { index, count_digits(index), 0, 0 };

    if (f->kind == CG_NUMBER_BIN && n.n_digits < f->width)
        n.n_digits = f->width;
    return n;
}

CG_HOST_DEVICE int cg_number_from_coordinate(const cg_number_format *f, double x,
                                             cg_rounding rounding, cg_decimal *ret)
{
    cg_decimal n = { 0, 0, 0, 0 };
    int64_t units;

    if (f->kind == CG_NUMBER_CODE || !(fabs(x) < 1e7)) /* also refuses NaN and infinity */
        return 0;
    if (f->kind == CG_NUMBER_BIN) {
        int32_t index = find_bin(f, x);

        *ret = cg_number_of_index(f, index < f->n_values ? index : f->n_values - 1);
        return 1;
    }
    n.n_decimals = f->kind == CG_NUMBER_DECIMAL ? f->decimals : 0;
    units = to_units(fabs(x) * (f->kind == CG_NUMBER_DECIMAL ? (double)ten_to(f->decimals)
                                                             : (double)f->per_angstrom),
                     rounding);
    if (units >= ten_to(f->max_integer_digits + n.n_decimals) ||
        units >= ten_to(CG_NUMBER_MAX_DIGITS))
        return 0;
    n.digits = (int32_t)units;
    n.minus = x < 0 && units > 0;
    n.n_digits = count_digits(n.digits);
    if (n.n_digits < n.n_decimals + 1)
        n.n_digits = n.n_decimals + 1;
    if (f->kind == CG_NUMBER_INTEGER && n.n_digits < f->width)
        n.n_digits = f->width;
    if (f->kind == CG_NUMBER_DECIMAL && f->strip_zeros)
        strip_zeros(&n);
    *ret = n;
    return 1;
}

CG_HOST_DEVICE double cg_number_to_coordinate(const cg_number_format *f, const cg_decimal *n)
{
    double size = (double)n->digits;

    switch (f->kind) {
    case CG_NUMBER_DECIMAL:
        size /= (double)ten_to(n->n_decimals);
        break;
    case CG_NUMBER_INTEGER:
        size /= (double)f->per_angstrom;
        break;
    case CG_NUMBER_BIN:
        if (n->digits <= 0)
            return f->edge[0];
        if (n->digits >= f->n_edges)
            return f->edge[f->n_edges - 1];
        return 0.5 * (f->edge[n->digits - 1] + f->edge[n->digits]);
    default:
        break;
    }
    return n->minus ? -size : size;
}

#ifndef __CUDACC__

size_t cg_number_write(const cg_decimal *n, char ret_text[CG_NUMBER_MAX_TEXT])
{
    size_t len = 0;

    if (n->minus)
        ret_text[len++] = '-';
    for (int32_t i = n->n_digits - 1; i >= 0; i--) {
        ret_text[len++] = (char)('0' + n->digits / ten_to(i) % 10);
        if (i == n->n_decimals && i > 0)
            ret_text[len++] = '.';
    }
    ret_text[len] = '\0';
    return len;
}

/* ---- reading ------------------------------------------------------------------------------ */

struct number_reader {
    const char *text;
    size_t len, at;
    cg_decimal n;
    const char *wanted;
};

static int is_digit(const struct number_reader *r)
{
    return r->at < r->len && r->text[r->at] >= '0' && r->text[r->at] <= '9';
}

/* Reads up to `max` digits. @return their count */
static int32_t read_digits(struct number_reader *r, int32_t max)
{
    int32_t n = 0;

    for (; n < max && is_digit(r); n++, r->at++)
        r->n.digits = r->n.digits * 10 + (r->text[r->at] - '0');
    r->n.n_digits += n;
    return n;
}

static int fail(struct number_reader *r, const char *wanted)
{
    r->wanted = wanted;
    return 0;
}

/* Digits without a leading zero. */
static int read_plain_integer(struct number_reader *r, int32_t max, const char *too_long)
{
    int32_t n = read_digits(r, max);

    if (n == 0)
        return fail(r, r->n.minus ? "a digit" : "a number");
    if (n > 1 && r->n.digits < ten_to(n - 1)) {
        r->at -= (size_t)n - 1;
        return fail(r, "'.': a number has no leading zero");
    }
    return is_digit(r) ? fail(r, too_long) : 1;
}

static int read_decimal(struct number_reader *r, const cg_number_format *f)
{
    if (!read_plain_integer(r, f->max_integer_digits,
                            "'.': the number has all its digits before the point"))
        return 0;
    if (r->at == r->len || r->text[r->at] != '.')
        return f->strip_zeros ? 1 : fail(r, "'.' in a number");
    r->at++;
    r->n.n_decimals = read_digits(r, f->decimals);
    if (r->n.n_decimals == 0 || (!f->strip_zeros && r->n.n_decimals < f->decimals))
        return fail(r, "another digit after the point");
    if (f->strip_zeros && r->n.digits % 10 == 0) {
        r->at--;
        return fail(r, "a digit other than 0 at the end of a number");
    }
    return 1;
}

static int read_padded(struct number_reader *r, int32_t width, int32_t max)
{
    if (!width)
        return read_plain_integer(r, max, "no more digits");
    if (read_digits(r, width) < width)
        return fail(r, "another digit: the number is padded with zeros");
    /* A number wider than its padding has no leading zero. */
    if (width < max && is_digit(r) && r->n.digits >= ten_to(width - 1))
        read_digits(r, max - width);
    return 1;
}

int cg_number_parse(const cg_number_format *f, const char *text, size_t len, cg_decimal *ret,
                    size_t *ret_used, const char **ret_wanted)
{
    struct number_reader r = { .text = text, .len = len };
    int ok;

    if (f->kind <= CG_NUMBER_INTEGER && len && text[0] == '-') {
        r.n.minus = 1;
        r.at++;
    }
    switch (f->kind) {
    case CG_NUMBER_DECIMAL:
        ok = read_decimal(&r, f);
        break;
    case CG_NUMBER_INTEGER:
        ok = read_padded(&r, f->width, f->max_integer_digits);
        break;
    case CG_NUMBER_BIN:
        ok = read_padded(&r, f->width, f->width ? f->width : CG_NUMBER_MAX_DIGITS);
        break;
    default:
        ok = read_padded(&r, 0, CG_NUMBER_MAX_DIGITS);
        break;
    }
    if (ok && r.n.minus && r.n.digits == 0) {
        r.at = 0;
        ok = fail(&r, "a zero without a sign");
    }
    if (ok && f->kind >= CG_NUMBER_BIN && r.n.digits >= f->n_values) {
        r.at = 0;
        ok = fail(&r, "an index below the number of values");
    }
    *ret_used = r.at;
    *ret_wanted = r.wanted;
    if (ok)
        *ret = r.n;
    return ok;
}

#endif
