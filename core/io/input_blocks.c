/* SPDX-License-Identifier: MIT */
#include "io/input_blocks.h"

#include <string.h>

#include "base/error.h"
#include "io/record.h"

enum { TITLE_TO_COUNTS = 4 }; /* lines at the start of a molblock, of which the first is any text */

void cg_input_blocks_finish(cg_input_blocks *b)
{
    cg_buf_finish(&b->block);
}

static int starts_with(const char *text, size_t len, const char *start)
{
    return len >= strlen(start) && !memcmp(text, start, strlen(start));
}

/* Does the fourth line of a text, the counts line of a molblock, name its version? */
static int is_molblock(const char *text, size_t len)
{
    const char *end = text + len;

    for (int i = 0; i < 3; i++) {
        text = memchr(text, '\n', (size_t)(end - text));
        if (!text)
            return 0;
        text++;
    }
    len = (size_t)(end - text);
    for (size_t i = 0; i + 5 <= len && text[i] != '\n'; i++) {
        if (!memcmp(text + i, "V2000", 5) || !memcmp(text + i, "V3000", 5))
            return i > 0; /* after numbers alone */
        if (!text[i] || !strchr(" 0123456789", text[i]))
            return 0;
    }
    return 0;
}

cg_input_format cg_input_blocks_detect(const char *text, size_t len)
{
    const char *at = text;

    if (is_molblock(text, len))
        return CG_INPUT_SDF;
    while (at && *at == '#' && (at = memchr(at, '\n', len - (size_t)(at - text))) != NULL)
        at = at + 1 < text + len ? at + 1 : NULL;
    if (at && starts_with(at, len - (size_t)(at - text), CG_MOL2_START))
        return CG_INPUT_MOL2;
    return CG_INPUT_AUTO;
}

/* Adds a line of the molecule to the block. */
static void add_line(cg_input_blocks *b, const cg_line *line, cg_input_fields *f)
{
    if (f->error.code != CG_OK)
        return;
    if (line->too_long) {
        cg_input_fields_fail(f, CG_ERR_LIMIT,
                             "record %lld: line %lld has %llu bytes, wanted at most %d",
                             (long long)b->n_records, (long long)line->number,
                             (unsigned long long)line->len, CG_INPUT_MAX_LINE);
        return;
    }
    for (size_t i = 0; i < line->len; i++) {
        const unsigned char c = (unsigned char)line->text[i];

        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            cg_input_fields_fail(
                f, CG_ERR_INPUT,
                "record %lld: control character (byte 0x%02x) in line %lld, wanted text",
                (long long)b->n_records, c, (long long)line->number);
            return;
        }
    }
    if (b->block.len + line->len + 1 > CG_INPUT_MAX_BLOCK) {
        cg_input_fields_fail(f, CG_ERR_LIMIT, "record %lld: the molecule has more than %d bytes",
                             (long long)b->n_records, CG_INPUT_MAX_BLOCK);
        return;
    }
    cg_buf_put(&b->block, line->text, line->len);
    cg_buf_putc(&b->block, '\n');
}

static void set_name(const cg_line *line, cg_input_fields *f)
{
    const char *name = line->text + strspn(line->text, " \t");
    size_t len = strlen(name);

    while (len && strchr(" \t", name[len - 1]))
        len--;
    if (!line->too_long && strcmp(name, "*****")) /* a .mol2 without a name */
        cg_input_fields_set_name(f, name, len);
}

/* The SMILES of a whole block, or the error of the record. */
static cg_status set_smiles(cg_input_blocks *b, cg_input_fields *f, cg_error *err)
{
    cg_error why = CG_ERROR_INIT;
    cg_status st;

    CG_TRY(cg_buf_check(&b->block, f->file, err));
    if (f->error.code != CG_OK)
        return CG_OK;
    st = b->smiles_of(cg_buf_text(&b->block), &f->smiles, &why);
    if (st == CG_ERR_INPUT || st == CG_ERR_LIMIT || st == CG_ERR_UNSUPPORTED)
        cg_input_fields_fail(f, st, "record %lld: %s", (long long)b->n_records, why.msg);
    else if (st != CG_OK)
        return cg_fail(err, st, "%s:%lld: %s", f->file, (long long)f->line, why.msg);
    return CG_OK;
}

static cg_status read_sdf(cg_input_blocks *b, cg_lines *lines, cg_input_fields *f, int *ret_more,
                          cg_error *err)
{
    int more, n = 0, is_blank = 1, in_block = 1;
    cg_line line;

    for (;;) {
        cg_lines_mark(lines);
        CG_TRY(cg_lines_next(lines, &line, &more, err));
        if (!more || !strncmp(line.text, "$$$$", 4))
            break;
        if (!n)
            cg_input_fields_reset(f, line.number);
        if (!n++)
            set_name(&line, f);
        is_blank &= cg_line_is_empty(&line);
        if (in_block)
            add_line(b, &line, f);
        else if (!strncmp(line.text, "M  END", 6))
            cg_input_fields_fail(f, CG_ERR_INPUT,
                                 "record %lld: line %lld ends a second molecule, wanted a line "
                                 "'$$$$' between the two",
                                 (long long)b->n_records, (long long)line.number);
        in_block &= n <= TITLE_TO_COUNTS || strncmp(line.text, "M  END", 6) != 0;
    }
    *ret_more = more || !is_blank;
    if (!*ret_more)
        return CG_OK;
    if (!n)
        cg_input_fields_reset(f, line.number);
    if (in_block)
        cg_input_fields_fail(f, CG_ERR_INPUT, "record %lld: found no line 'M  END'",
                             (long long)b->n_records);
    return set_smiles(b, f, err);
}

static cg_status read_mol2(cg_input_blocks *b, cg_lines *lines, cg_input_fields *f, int *ret_more,
                           cg_error *err)
{
    int more = 1, n = 0;
    cg_line line;

    while (!b->begin && more) {
        cg_lines_mark(lines);
        CG_TRY(cg_lines_next(lines, &line, &more, err));
        if (more && starts_with(line.text, strlen(line.text), CG_MOL2_START))
            b->begin = line.number;
    }
    *ret_more = b->begin != 0;
    if (!*ret_more)
        return CG_OK;
    cg_input_fields_reset(f, b->begin);
    b->begin = 0;
    cg_buf_puts(&b->block, CG_MOL2_START);
    cg_buf_putc(&b->block, '\n');
    for (;;) {
        cg_lines_mark(lines);
        CG_TRY(cg_lines_next(lines, &line, &more, err));
        if (!more)
            break;
        if (starts_with(line.text, strlen(line.text), CG_MOL2_START)) {
            b->begin = line.number;
            break;
        }
        if (!n++)
            set_name(&line, f);
        add_line(b, &line, f);
    }
    return set_smiles(b, f, err);
}

cg_status cg_input_blocks_read(cg_input_blocks *b, cg_lines *lines, cg_input_fields *f,
                               int *ret_more, cg_error *err)
{
    cg_buf_clear(&b->block);
    b->n_records++;
    return (b->format == CG_INPUT_SDF ? read_sdf : read_mol2)(b, lines, f, ret_more, err);
}
