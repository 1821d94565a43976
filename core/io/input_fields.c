/* SPDX-License-Identifier: MIT */
#include "input_fields.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

void cg_input_fields_reset(cg_input_fields *f, int64_t line)
{
    f->line = line;
    f->count = -1;
    f->error = (cg_error)CG_ERROR_INIT;
    cg_buf_clear(&f->smiles);
    cg_buf_clear(&f->name);
}

void cg_input_fields_finish(cg_input_fields *f)
{
    cg_buf_finish(&f->smiles);
    cg_buf_finish(&f->name);
}

void cg_input_fields_fail(cg_input_fields *f, cg_status code, const char *fmt, ...)
{
    char reason[CG_ERROR_TEXT];
    va_list ap;

    if (f->error.code != CG_OK)
        return;
    va_start(ap, fmt);
    vsnprintf(reason, sizeof reason, fmt, ap);
    va_end(ap);
    cg_fail(&f->error, code, "%s:%lld: %s", f->file, (long long)f->line, reason);
}

int cg_input_fields_reject_line(cg_input_fields *f, const cg_line *line)
{
    if (line->too_long) {
        cg_input_fields_fail(f, CG_ERR_LIMIT, "the line has %llu bytes, wanted at most %d",
                             (unsigned long long)line->len, CG_INPUT_MAX_LINE);
        return 1;
    }
    for (size_t i = 0; i < line->len; i++) {
        unsigned char c = (unsigned char)line->text[i];

        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            cg_input_fields_fail(f, CG_ERR_INPUT,
                                 "control character (byte 0x%02x) in column %zu, wanted text", c,
                                 i + 1);
            return 1;
        }
    }
    return 0;
}

void cg_input_fields_set_count(cg_input_fields *f, const char *text, size_t len)
{
    int64_t k = 0;
    size_t i = 0;

    if (!len)
        return;
    for (; i < len && text[i] >= '0' && text[i] <= '9' && k <= CG_INPUT_MAX_K; i++)
        k = k * 10 + (text[i] - '0');
    if (i < len || k < 1 || k > CG_INPUT_MAX_K)
        cg_input_fields_fail(f, CG_ERR_INPUT,
                             "the conformer count is '%.*s', wanted a number from 1 to %d",
                             (int)(len < 60 ? len : 60), text, CG_INPUT_MAX_K);
    else
        f->count = k;
}

void cg_input_fields_check_smiles(cg_input_fields *f)
{
    if (!f->smiles.len)
        cg_input_fields_fail(f, CG_ERR_INPUT, "no SMILES: its column is empty");
    for (size_t i = 0; i < f->smiles.len; i++) {
        unsigned char c = (unsigned char)f->smiles.data[i];

        if (c <= 0x20 || c >= 0x7f) {
            cg_input_fields_fail(
                f, CG_ERR_INPUT,
                "byte 0x%02x at position %zu of the SMILES, wanted printable ASCII", c, i + 1);
            return;
        }
    }
}

int cg_line_is_empty(const cg_line *line)
{
    return !line->too_long && strspn(line->text, " \t") == line->len;
}
