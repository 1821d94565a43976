/* SPDX-License-Identifier: MIT */
#include "compile_checks.h"

#include <string.h>

/* Token counts, at most one per byte and a few per atom, cannot overflow. */
enum { MAX_ATOMS = 1 << 24, MAX_BYTES = 1 << 28 };

cg_status cg_constraint_check_format(const char *name, const cg_host *host,
                                     const cg_vocabulary *vocabulary, const cg_text_format *format,
                                     int32_t *ret_stop, cg_error *err)
{
    int32_t id = -1, n = 0;

    if (format->decimals < 1 || format->decimals > CG_MAX_DECIMALS ||
        format->max_integer_digits < 1 || format->max_integer_digits > CG_MAX_INTEGER_DIGITS)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "%s: the number format has max_integer_digits %d (supported: 1 "
                          "to %d) and decimals %d (1 to %d): see confgen.json",
                          name, format->max_integer_digits, CG_MAX_INTEGER_DIGITS, format->decimals,
                          CG_MAX_DECIMALS);
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
