/* SPDX-License-Identifier: MIT */
#include "tok_normalizer.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "tok_chars.h"
#include "tok_text.h"

void cg_normalizer_finish(cg_normalizer *normalizer)
{
    for (size_t i = 0; i < normalizer->n; i++) {
        cg_pattern_destroy(normalizer->steps[i].pattern);
        free(normalizer->steps[i].content);
    }
    memset(normalizer, 0, sizeof *normalizer);
}

void cg_normalizer_memory_finish(cg_normalizer_memory *memory)
{
    cg_mapped_finish(&memory->texts[0]);
    cg_mapped_finish(&memory->texts[1]);
    cg_nfc_finish(&memory->nfc);
    cg_match_memory_finish(&memory->match);
}

/* ---- steps over whole texts ---------------------------------------------------------------- */

static cg_status nomem(cg_error *err)
{
    return cg_fail_nomem(err, "normalizing a text");
}

static cg_status normal_form(cg_normalizer_memory *m, enum cg_normal_form form, const cg_mapped *in,
                             cg_mapped *out, cg_error *err)
{
    const cg_nfc *nfc = &m->nfc;
    int same;

    CG_TRY(cg_nfc_run(&m->nfc, form, in->text, in->len, &same, err));
    if (same)
        return cg_mapped_copy(out, in, 0, in->len) ? nomem(err) : CG_OK;
    for (size_t i = 0; i < nfc->n_parts; i++) {
        const cg_nfc_part *part = &nfc->parts[i];
        int failed = part->changed ? cg_mapped_put(out, nfc->text + part->to, part[1].to - part->to,
                                                   in->from[part->from], in->to[part[1].from - 1])
                                   : cg_mapped_copy(out, in, part->from, part[1].from);

        if (failed)
            return nomem(err);
    }
    return CG_OK;
}

static cg_status replace(const cg_normalizer_step *step, cg_normalizer_memory *m,
                         const cg_mapped *in, cg_mapped *out, cg_error *err)
{
    size_t prev = 0, start, end;
    cg_match_iterator it;
    int rc;

    cg_match_start(&it, step->pattern, &m->match, in->text, in->len, 0);
    while ((rc = cg_match_next(&it, &start, &end, err)) > 0) {
        uint32_t from = start < in->len ? in->from[start] : start ? in->to[start - 1] : 0;
        uint32_t to = end > start ? in->to[end - 1] : from;

        if (cg_mapped_copy(out, in, prev, start) ||
            cg_mapped_put(out, step->content, step->content_len, from, to))
            return nomem(err);
        prev = end;
    }
    if (rc < 0)
        return err ? err->code : CG_ERR_LIMIT;
    return cg_mapped_copy(out, in, prev, in->len) ? nomem(err) : CG_OK;
}

static cg_status strip(const cg_normalizer_step *step, const cg_mapped *in, cg_mapped *out,
                       cg_error *err)
{
    size_t start = 0, end = in->len, n;

    while (step->left && start < end && cg_is_space(cg_utf8_get(in->text + start, &n)))
        start += n;
    while (step->right && end > start) {
        size_t at = cg_utf8_back(in->text, end);

        if (!cg_is_space(cg_utf8_get(in->text + at, &n)))
            break;
        end = at;
    }
    return cg_mapped_copy(out, in, start, end) ? nomem(err) : CG_OK;
}

static cg_status prepend(const cg_normalizer_step *step, const cg_mapped *in, cg_mapped *out,
                         cg_error *err)
{
    if (in->len && cg_mapped_put(out, step->content, step->content_len, in->from[0], in->from[0]))
        return nomem(err);
    return cg_mapped_copy(out, in, 0, in->len) ? nomem(err) : CG_OK;
}

/* ---- steps over characters ------------------------------------------------------------------ */

/* Writes what becomes of one character. */
static int put_char(enum cg_normalizer_kind kind, const cg_mapped *in, size_t at, size_t n,
                    uint32_t cp, cg_mapped *out)
{
    uint32_t from = in->from[at], to = in->to[at + n - 1], lower[2];
    int failed = 0;

    switch (kind) {
    case CG_NORMALIZE_LOWERCASE:
        n = (size_t)cg_lowercase(cp, lower);
        for (size_t i = 0; i < n && !failed; i++)
            failed = cg_mapped_put_char(out, lower[i], from, to);
        return failed;
    case CG_NORMALIZE_STRIP_ACCENTS:
        return cg_is_combining_mark(cp) ? 0 : cg_mapped_copy(out, in, at, at + n);
    case CG_NORMALIZE_BERT_ACCENTS:
        return cg_is_accent(cp) ? 0 : cg_mapped_copy(out, in, at, at + n);
    case CG_NORMALIZE_BERT_CLEAN:
        if (cg_is_control(cp))
            return 0;
        return cg_is_space(cp) ? cg_mapped_put(out, " ", 1, from, to)
                               : cg_mapped_copy(out, in, at, at + n);
    case CG_NORMALIZE_BERT_CHINESE:
        if (!cg_is_chinese(cp))
            return cg_mapped_copy(out, in, at, at + n);
        return cg_mapped_put(out, " ", 1, from, from) || cg_mapped_copy(out, in, at, at + n) ||
               cg_mapped_put(out, " ", 1, to, to);
    default: /* CG_NORMALIZE_BYTE_LEVEL */
        for (size_t i = 0; i < n && !failed; i++)
            failed = cg_mapped_put_char(out, cg_byte_char((uint8_t)in->text[at + i]), from, to);
        return failed;
    }
}

static cg_status each_char(enum cg_normalizer_kind kind, const cg_mapped *in, cg_mapped *out,
                           cg_error *err)
{
    for (size_t at = 0, n; at < in->len; at += n) {
        uint32_t cp = cg_utf8_get(in->text + at, &n);

        if (put_char(kind, in, at, n, cp, out))
            return nomem(err);
    }
    return CG_OK;
}

static cg_status run_step(const cg_normalizer_step *step, cg_normalizer_memory *m, int continued,
                          const cg_mapped *in, cg_mapped *out, cg_error *err)
{
    switch (step->kind) {
    case CG_NORMALIZE_FORM:
        return normal_form(m, step->form, in, out, err);
    case CG_NORMALIZE_REPLACE:
        return replace(step, m, in, out, err);
    case CG_NORMALIZE_STRIP:
        return strip(step, in, out, err);
    case CG_NORMALIZE_PREPEND:
        return continued ? cg_mapped_copy(out, in, 0, in->len) ? nomem(err) : CG_OK
                         : prepend(step, in, out, err);
    default:
        return each_char(step->kind, in, out, err);
    }
}

cg_status cg_normalizer_run(const cg_normalizer *normalizer, cg_normalizer_memory *m,
                            const char *text, size_t len, int continued, cg_mapped **ret,
                            cg_error *err)
{
    cg_mapped *in = &m->texts[0], *out = &m->texts[1];
    size_t n;

    in->len = 0;
    for (size_t i = 0; i < len; i += n) { /* a character is one unit */
        cg_utf8_get(text + i, &n);
        if (cg_mapped_put(in, text + i, n, (uint32_t)i, (uint32_t)(i + n)))
            return nomem(err);
    }
    for (size_t i = 0; i < normalizer->n; i++) {
        cg_mapped *swap = in;

        out->len = 0;
        CG_TRY(run_step(&normalizer->steps[i], m, continued, in, out, err));
        in = out;
        out = swap;
    }
    *ret = in;
    return CG_OK;
}
