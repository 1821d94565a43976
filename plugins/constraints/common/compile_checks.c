/* SPDX-License-Identifier: MIT */
#include "compile_checks.h"

#include <string.h>

/* Token counts, at most one per byte and a few per atom, cannot overflow. */
enum { MAX_ATOMS = 1 << 24, MAX_BYTES = 1 << 28 };

cg_constraint_numbers cg_constraint_numbers_of(const cg_text_format *format)
{
    cg_constraint_numbers n = { .fields_per_literal = 3, .separator = "," };

    if (!CG_HAS_SIZE(format, n_numbers))
        return n;
    if (format->fields_per_literal)
        n.fields_per_literal = format->fields_per_literal;
    if (format->separator)
        n.separator = format->separator;
    n.listed = format->numbers;
    n.n_listed = format->numbers ? format->n_numbers : 0;
    n.strip_zeros = !n.listed && format->strip_zeros;
    return n;
}

static cg_status check_numbers(const char *name, const cg_host *host, const cg_text_format *format,
                               cg_error *err)
{
    cg_constraint_numbers numbers = cg_constraint_numbers_of(format);

    if (numbers.fields_per_literal != 3 && numbers.fields_per_literal != 1)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "%s: the text format has %d numbers between two literals, wanted 3 or 1",
                          name, numbers.fields_per_literal);
    if (strlen(numbers.separator) > CG_MAX_SEPARATOR)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "%s: the separator of numbers has %zu bytes, wanted at most %d", name,
                          strlen(numbers.separator), CG_MAX_SEPARATOR);
    if (numbers.listed && (numbers.n_listed < 1 || numbers.n_listed > CG_MAX_LISTED_NUMBERS))
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "%s: the text format lists %d numbers; 1 to %d are supported", name,
                          numbers.n_listed, CG_MAX_LISTED_NUMBERS);
    for (int32_t i = 0; i < numbers.n_listed; i++) {
        size_t len = numbers.listed[i] ? strlen(numbers.listed[i]) : 0;

        if (len < 1 || len > CG_MAX_LISTED_NUMBER)
            return host->fail(err, CG_ERR_UNSUPPORTED,
                              "%s: listed number %d has %zu bytes; 1 to %d are supported", name, i,
                              len, CG_MAX_LISTED_NUMBER);
    }
    if (!numbers.listed &&
        (format->decimals < 1 || format->decimals > CG_MAX_DECIMALS ||
         format->max_integer_digits < 1 || format->max_integer_digits > CG_MAX_INTEGER_DIGITS))
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "%s: the number format has max_integer_digits %d (supported: 1 "
                          "to %d) and decimals %d (1 to %d): see confgen.json",
                          name, format->max_integer_digits, CG_MAX_INTEGER_DIGITS, format->decimals,
                          CG_MAX_DECIMALS);
    return CG_OK;
}

cg_status cg_constraint_check_format(const char *name, const cg_host *host,
                                     const cg_vocabulary *vocabulary, const cg_text_format *format,
                                     int32_t *ret_stop, cg_error *err)
{
    int32_t id = -1, n = 0;

    CG_TRY(check_numbers(name, host, format, err));
    if (!format->begin || !format->end || !format->stop)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "%s: text format without its texts, wanted begin, end and stop", name);
    if (format->stop[0] &&
        (vocabulary->encode(vocabulary->ctx, format->stop, (uint32_t)strlen(format->stop), &id,
                            NULL, 1, &n, NULL) != CG_OK ||
         n != 1))
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "%s: the stop text '%s' is not one token of this tokenizer", name,
                          format->stop);
    *ret_stop = format->stop[0] ? id : -1;
    return CG_OK;
}

cg_status cg_constraint_check_literals(const char *name, const cg_host *host,
                                       const cg_literals *text, cg_error *err)
{
    if (text->n_atoms < 1 || text->n_atoms > MAX_ATOMS)
        return host->fail(err, CG_ERR_INPUT, "%s: molecule of %d atoms; 1 to %d are supported",
                          name, text->n_atoms, MAX_ATOMS);
    for (int32_t i = 0; i <= text->n_atoms; i++) {
        const cg_range *literal = &text->literal[i];

        if (literal->begin > literal->end || literal->end > MAX_BYTES ||
            (i > 0 && literal->begin != literal[-1].end))
            return host->fail(err, CG_ERR_INPUT,
                              "%s: literal %d is bytes %u to %u; wanted it to start at the end of "
                              "the one before and to end by %d",
                              name, i, literal->begin, literal->end, MAX_BYTES);
    }
    return CG_OK;
}
