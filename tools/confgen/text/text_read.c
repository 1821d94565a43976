/* SPDX-License-Identifier: MIT */
/* confgen text read FILE: texts of a model to an SDF. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "chem/enriched.h"
#include "chem/molblock.h"
#include "io/source.h"
#include "text.h"

static const struct command_option options[] = {
    TEXT_FORMAT_OPTIONS,
};

const struct command_page page_text_read = {
    .name = "text read",
    .summary = "read texts of a model",
    .usage = "confgen text read FILE [--format NAME|FILE.json | --model DIR]\n",
    .text =
        "Reads texts that a model wrote or was trained on, one a line, and writes an SDF to "
        "standard output. A line is a whole text with its tags, which may hold several conformers, "
        "or the text of one conformer without tags. FILE: plain, .gz or .zst; - is standard input. "
        "The title of a record is `line N`, or `line N.K` for conformer K of a line.",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .notes = "Exit status: 0; 1 if a text was not one of the format, with its reason on standard "
             "error; 3 if FILE cannot be read.",
};

enum { MAX_LINE = 16 << 20 };

struct text_reader {
    cg_format_config format;
    cg_code_decoder *decoder; /* NULL: the format has coordinates */
    int64_t line, n_failed;
};

/* Writes the record of a parsed text; its atoms keep the order of the text. */
static cg_status write_record(const cg_enriched *e, const char *title, cg_error *err)
{
    cg_molecule *mol = NULL, *as_written = NULL;
    cg_molblock *block = NULL;
    char *text = NULL;
    size_t len, cap;
    cg_status st;

    CG_TRY_GOTO(st, cg_molecule_parse(e->smiles, e->smiles_len, &mol, err), out);
    CG_TRY_GOTO(st, cg_molecule_with_hydrogens(mol, e->smiles, &as_written, err), out);
    CG_TRY_GOTO(st, cg_molblock_create(as_written, &block, err), out);
    cap = cg_molblock_bound(block, strlen(title));
    text = malloc(cap);
    if (!text) {
        st = cg_fail_nomem(err, "text");
        goto out;
    }
    CG_TRY_GOTO(st,
                cg_molblock_write(block, title, strlen(title), (const double(*)[3])e->xyz, text,
                                  cap, &len, err),
                out);
    printf("%s>  <SMILES>\n%s\n\n$$$$\n", text, e->smiles);
out:
    free(text);
    cg_molblock_destroy(block);
    cg_molecule_destroy(as_written);
    cg_molecule_destroy(mol);
    return st;
}

static cg_status read_conformer(struct text_reader *r, const char *text, size_t len, int k,
                                cg_error *err)
{
    cg_enriched e = { 0 };
    char title[64];
    cg_status st;

    snprintf(title, sizeof title, k ? "line %lld.%d" : "line %lld", (long long)r->line, k);
    st = cg_enriched_parse(text, len, &r->format.conformer, &e, err);
    if (st == CG_OK && r->decoder)
        st = text_decode_codes(r->decoder, &r->format.conformer, &e, err);
    if (st == CG_OK)
        st = write_record(&e, title, err);
    cg_enriched_finish(&e);
    if (st == CG_OK || st == CG_ERR_NOMEM)
        return st;
    message("%s: %s", title, err->msg);
    r->n_failed++;
    return CG_OK;
}

/* Reads the conformers of a line: those between the completion's tags, or all of the line. */
static cg_status read_line(struct text_reader *r, const char *line, size_t len, cg_error *err)
{
    const char *open = r->format.completion_open, *close = r->format.completion_close;
    const char *at = memmem(line, len, open, strlen(open)), *end = line + len;

    if (!at)
        return read_conformer(r, line, len, 0, err);
    for (int k = 1; at; k++) {
        const char *body = at + strlen(open);
        const char *stop = memmem(body, (size_t)(end - body), close, strlen(close));

        if (!stop) {
            message("line %lld: '%s' without '%s' after it", (long long)r->line, open, close);
            r->n_failed++;
            return CG_OK;
        }
        at = memmem(stop, (size_t)(end - stop), open, strlen(open));
        CG_TRY(read_conformer(r, body, (size_t)(stop - body), at || k > 1 ? k : 0, err));
    }
    return CG_OK;
}

/* Passes the lines of `text` on, the unfinished last one only at the end of the file. */
static cg_status take_lines(struct text_reader *r, cg_buf *text, int at_end, cg_error *err)
{
    size_t at = 0;

    while (at < text->len) {
        const char *start = text->data + at, *newline = memchr(start, '\n', text->len - at);
        size_t len = newline ? (size_t)(newline - start) : text->len - at, next = at + len + 1;

        if (!newline && !at_end)
            break;
        r->line++;
        if (len && start[len - 1] == '\r')
            len--;
        if (len)
            CG_TRY(read_line(r, start, len, err));
        at = next;
    }
    at = at < text->len ? at : text->len;
    memmove(text->data, text->data + at, text->len - at);
    text->len -= at;
    if (text->len > MAX_LINE)
        return cg_fail(err, CG_ERR_LIMIT, "line %lld: found more than 16 MiB",
                       (long long)r->line + 1);
    return CG_OK;
}

static cg_status read_file(struct text_reader *r, const char *path, cg_error *err)
{
    cg_source *source = NULL;
    cg_buf text = { 0 };
    cg_status st = CG_OK;
    size_t n = 1;

    CG_TRY(cg_source_open(path, NULL, &source, err));
    while (st == CG_OK && n) {
        if (cg_buf_reserve(&text, 1 << 16))
            st = cg_fail_nomem(err, path);
        else if ((st = cg_source_read(source, text.data + text.len, 1 << 16, &n, err)) == CG_OK) {
            text.len += n;
            if (text.len)
                st = take_lines(r, &text, n == 0, err);
        }
    }
    cg_buf_finish(&text);
    cg_source_close(source);
    return st;
}

int text_read(int argc, char **argv)
{
    struct text_options chosen = { 0 };
    struct text_reader r = { 0 };
    cg_error err = CG_ERROR_INIT;
    int option, status;

    command_name = "text read";
    while ((option = next_option(argc, argv, &page_text_read)) != -1)
        text_option(&chosen, option, optarg);
    if (text_open_format(&chosen, &r.format, &err) != CG_OK)
        return report_error(&err);
    if (r.format.conformer.layout == CG_LAYOUT_TOKENS && !chosen.model)
        usage_error("the format %s: its codes need the decoder of a model, wanted --model DIR",
                    r.format.conformer.name);
    if (r.format.conformer.layout == CG_LAYOUT_TOKENS &&
        text_open_decoder(chosen.model, &r.format.conformer, &r.decoder, &err) != CG_OK)
        return report_error(&err);
    status = read_file(&r, single_operand(argc, argv, "FILE"), &err) != CG_OK ? report_error(&err)
             : r.n_failed                                                     ? EXIT_SOME_FAILED
                                                                              : EXIT_OK;
    cg_code_decoder_close(r.decoder);
    return status;
}
