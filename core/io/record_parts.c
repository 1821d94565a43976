/* SPDX-License-Identifier: MIT */
#include "io/record_parts.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

void cg_record_put_line(cg_buf *out, const char *s)
{
    for (; *s; s++)
        cg_buf_putc(out, iscntrl((unsigned char)*s) ? ' ' : *s);
}

void cg_record_put_coordinate(cg_buf *out, int width, int decimals, double x)
{
    char text[400]; /* the longest double has 309 digits before the point */
    int n = snprintf(text, sizeof text, "%.*f", decimals, x);
    int is_zero = strspn(text, "-0.") == (size_t)n;

    cg_buf_printf(out, "%*s", width, text + (is_zero && *text == '-'));
}

void cg_record_put_items(const cg_record_conformer *c,
                         void (*put)(cg_buf *out, const char *key, const char *value), cg_buf *out)
{
    char number[32];

    put(out, "SMILES", c->smiles);
    snprintf(number, sizeof number, "%" PRId64, c->generation);
    put(out, "generation", number);
    snprintf(number, sizeof number, "%" PRIu64, c->seed);
    put(out, "seed", number);
    for (size_t i = 0; i < c->n_tags; i++)
        put(out, c->tags[i].key, c->tags[i].value);
}

cg_status cg_record_check_coordinates(const cg_record_conformer *c, cg_error *err)
{
    if (c->n_atoms && (!c->elements || !c->xyz))
        return cg_fail(err, CG_ERR_INTERNAL, "record of '%s': no elements or coordinates", c->name);
    for (size_t i = 0; i < c->n_atoms; i++)
        for (int k = 0; k < 3; k++)
            if (!isfinite(c->xyz[i][k]))
                return cg_fail(err, CG_ERR_INTERNAL,
                               "record of '%s': coordinate %d of atom %zu is not finite", c->name,
                               k, i + 1);
    return CG_OK;
}
