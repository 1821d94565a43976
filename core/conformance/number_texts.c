/* SPDX-License-Identifier: MIT */
#include "number_texts.h"

#include <stdlib.h>
#include <string.h>

static int64_t power_of_ten(int32_t n)
{
    int64_t p = 1;

    while (n-- > 0)
        p *= 10;
    return p;
}

static int compare_listed(const void *a, const void *b, void *arg)
{
    const number_texts *n = arg;

    return strcmp(n->listed[*(const int32_t *)a], n->listed[*(const int32_t *)b]);
}

static void init_listed(number_texts *n)
{
    n->count = n->n_listed;
    n->order = malloc(((size_t)n->n_listed + 1) * sizeof *n->order);
    if (!n->order)
        abort();
    for (int32_t i = 0; i < n->n_listed; i++) {
        uint32_t len = (uint32_t)strlen(n->listed[i]);

        n->order[i] = i;
        n->max_len = len > n->max_len ? len : n->max_len;
        for (uint32_t k = 0; k < len; k++)
            n->is_digit[(unsigned char)n->listed[i][k]] = 1;
    }
    qsort_r(n->order, (size_t)n->n_listed, sizeof *n->order, compare_listed, n);
}

void number_texts_init(number_texts *n, const cg_text_format *format)
{
    *n = (number_texts) {
        .per_literal = 3,
        .separator = ",",
        .decimals = format->decimals,
        .max_integer_digits = format->max_integer_digits,
    };
    if (CG_HAS_SIZE(format, n_numbers) && format->fields_per_literal) {
        n->per_literal = format->fields_per_literal;
        n->separator = format->separator;
        n->strip_zeros = format->strip_zeros;
        n->listed = format->numbers;
        n->n_listed = format->n_numbers;
    }
    if (n->listed) {
        init_listed(n);
        return;
    }
    n->count = 2 * power_of_ten(n->max_integer_digits + n->decimals) - 1;
    n->max_len = (uint32_t)(2 + n->max_integer_digits + n->decimals);
    for (const char *c = "-.0123456789"; *c; c++)
        n->is_digit[(unsigned char)*c] = 1;
}

void number_texts_finish(number_texts *n)
{
    free(n->order);
    *n = (number_texts) { 0 };
}

static int64_t listed_index(const number_texts *n, const char *text, uint32_t len)
{
    int32_t lo = 0, hi = n->n_listed;

    while (lo < hi) {
        int32_t mid = lo + (hi - lo) / 2;
        const char *other = n->listed[n->order[mid]];
        int compared = strncmp(other, text, len);

        if (compared == 0 && other[len] == '\0')
            return n->order[mid];
        if (compared < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return -1;
}

/* Bytes of digits at the start of text[len]; adds them to *units. */
static uint32_t read_digits(const char *text, uint32_t len, int64_t *units)
{
    uint32_t i = 0;

    for (; i < len && text[i] >= '0' && text[i] <= '9'; i++)
        *units = 10 * *units + (text[i] - '0');
    return i;
}

static int64_t decimal_index(const number_texts *n, const char *text, uint32_t len)
{
    uint32_t sign = len > 0 && text[0] == '-', before, after = 0;
    int64_t units = 0, half = (n->count + 1) / 2;

    text += sign;
    len -= sign;
    before = read_digits(text, len, &units);
    if (before < 1 || before > (uint32_t)n->max_integer_digits || (before > 1 && text[0] == '0'))
        return -1;
    if (before < len) {
        after = text[before] == '.' ? read_digits(text + before + 1, len - before - 1, &units) : 0;
        if (!after || before + 1 + after != len || after > (uint32_t)n->decimals ||
            (n->strip_zeros && text[len - 1] == '0'))
            return -1;
    }
    if (!n->strip_zeros && after != (uint32_t)n->decimals)
        return -1;
    units *= power_of_ten(n->decimals - (int32_t)after);
    if (!sign)
        return units;
    if (units)
        return half + units - 1;
    return n->any_zero ? 0 : -1; /* there is no negative zero */
}

int64_t number_index(const number_texts *n, const char *text, uint32_t len)
{
    if (!len || len > n->max_len)
        return -1;
    return n->listed ? listed_index(n, text, len) : decimal_index(n, text, len);
}

void number_print(const number_texts *n, int64_t i, char ret_text[NUMBER_TEXT])
{
    int64_t half = (n->count + 1) / 2, one = power_of_ten(n->decimals);
    int64_t units = i < half ? i : i - half + 1;
    int len;

    if (n->listed) {
        snprintf(ret_text, NUMBER_TEXT, "%s", n->listed[i]);
        return;
    }
    len = snprintf(ret_text, NUMBER_TEXT, "%s%lld.%0*lld", i < half ? "" : "-",
                   (long long)(units / one), n->decimals, (long long)(units % one));
    while (n->strip_zeros && ret_text[len - 1] == '0')
        ret_text[--len] = '\0';
    if (ret_text[len - 1] == '.')
        ret_text[len - 1] = '\0';
}
