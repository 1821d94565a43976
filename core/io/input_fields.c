/* SPDX-License-Identifier: MIT */
#include "input_fields.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "io/input_extension.h"

void cg_input_fields_reset(cg_input_fields *f, int64_t line)
{
    f->line = line;
    f->count = -1;
    f->notes = 0;
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
            cg_input_fields_fail(
                f, CG_ERR_INPUT, "control character (byte 0x%02x) in column %zu, wanted text%s", c,
                i + 1, c == '\r' ? "; tr '\\r' '\\n' converts lines that end with it" : "");
            return 1;
        }
    }
    return 0;
}

void cg_input_fields_set_name(cg_input_fields *f, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] != ' ') {
            cg_buf_put(&f->name, text, len);
            return;
        }
}

void cg_input_fields_set_count(cg_input_fields *f, const char *text, size_t len)
{
    int64_t k = 0;
    size_t i = 0;

    if (!len)
        return;
    for (; i < len && text[i] >= '0' && text[i] <= '9' && k <= CG_INPUT_MAX_K; i++)
        k = k * 10 + (text[i] - '0');
    f->count = i < len || k < 1 || k > CG_INPUT_MAX_K ? CG_INPUT_BAD_COUNT : k;
}

static void check_smiles(cg_input_fields *f)
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

static int is_blank(char c)
{
    return c == ' ' || c == '\t';
}

void cg_input_fields_set_smiles(cg_input_fields *f, const char *text, size_t len)
{
    size_t n = 0, rest;

    while (len && is_blank(*text)) {
        text++;
        len--;
    }
    while (len && is_blank(text[len - 1]))
        len--;
    while (n < len && !is_blank(text[n]))
        n++;
    rest = n;
    while (rest < len && is_blank(text[rest]))
        rest++;
    if (rest < len && text[rest] != '|')
        n = len; /* a blank inside, which is refused */
    cg_buf_put(&f->smiles, text, n);
    check_smiles(f);
    if (n < len)
        cg_input_fields_set_extension(f, text + rest, len - rest);
}

void cg_input_fields_set_extension(cg_input_fields *f, const char *text, size_t len)
{
    char reason[CG_EXTENSION_REASON];

    if (len && cg_extension_read(text, len, &f->notes, reason))
        cg_input_fields_fail(f, CG_ERR_UNSUPPORTED, "%s", reason);
}

int cg_line_is_empty(const cg_line *line)
{
    return !line->too_long && strspn(line->text, " \t") == line->len;
}
