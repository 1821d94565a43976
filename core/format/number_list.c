/* SPDX-License-Identifier: MIT */
#include "format/number_list.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

enum { MAX_LISTED = CG_NUMBER_MAX_TEXT + 2 * CG_MAX_MARK }; /* bytes of a code with its marks */

/* Integers: 0, 1, .., then -1, -2, .. */
static int32_t count_numbers(const cg_number_format *f)
{
    int32_t n = 1;

    if (f->kind == CG_NUMBER_DECIMAL)
        return 0;
    if (f->kind != CG_NUMBER_INTEGER)
        return f->n_values;
    for (int32_t i = 0; i < f->max_integer_digits; i++)
        n *= 10;
    return 2 * n - 1;
}

static cg_decimal number_at(const cg_number_format *f, int32_t i, int32_t count)
{
    int32_t positive = count / 2 + 1; /* of integers: zero counts as one */
    cg_decimal n;

    if (f->kind != CG_NUMBER_INTEGER)
        return cg_number_of_index(f, i);
    n = cg_number_of_index(f, i < positive ? i : i - positive + 1);
    n.minus = i >= positive;
    if (n.n_digits < f->width)
        n.n_digits = f->width;
    return n;
}

cg_status cg_number_list_create(const cg_conformer_format *format, cg_number_list *ret,
                                cg_error *err)
{
    const cg_number_format *f = &format->number;
    int32_t n = count_numbers(f);
    size_t n_bytes = (size_t)n * (sizeof(char *) + MAX_LISTED);
    char *at;

    if (n == 0) {
        *ret = (cg_number_list) { 0 };
        return CG_OK;
    }
    ret->block = malloc(n_bytes);
    if (!ret->block)
        return cg_fail_nomem(err, "numbers of a format");
    ret->text = ret->block;
    ret->n = n;
    at = (char *)(ret->text + n);
    for (int32_t i = 0; i < n; i++) {
        cg_decimal number = number_at(f, i, n);

        ret->text[i] = at;
        if (f->kind == CG_NUMBER_CODE)
            at = stpcpy(at, format->open);
        at += cg_number_write(&number, at);
        if (f->kind == CG_NUMBER_CODE)
            at = stpcpy(at, format->close);
        at++;
    }
    return CG_OK;
}

void cg_number_list_finish(cg_number_list *list)
{
    if (!list)
        return;
    free(list->block);
    *list = (cg_number_list) { 0 };
}

void cg_text_format_set_numbers(cg_text_format *text, const cg_conformer_format *format,
                                const cg_number_list *list)
{
    text->decimals = format->number.decimals;
    text->max_integer_digits = format->number.max_integer_digits;
    text->fields_per_literal = cg_format_fields_per_literal(format);
    text->strip_zeros = format->number.strip_zeros;
    text->separator = format->separator;
    text->numbers = list->text;
    text->n_numbers = list->n;
}

int cg_text_format_is_basic(const cg_text_format *text)
{
    return text->fields_per_literal == 3 && !text->strip_zeros && !strcmp(text->separator, ",") &&
           !text->numbers;
}
