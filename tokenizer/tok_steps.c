/* SPDX-License-Identifier: MIT */
#include "tok_steps.h"

#include <string.h>

#include "base/error.h"
#include "tok_chars.h"
#include "tok_text.h"

void cg_steps_finish(cg_steps *steps)
{
    for (size_t i = 0; i < steps->n; i++)
        cg_pattern_destroy(steps->items[i].split.pattern);
    memset(steps, 0, sizeof *steps);
}

void cg_steps_memory_finish(cg_steps_memory *memory)
{
    cg_mapped_finish(&memory->texts[0]);
    cg_mapped_finish(&memory->texts[1]);
    cg_spans_finish(&memory->pieces[0]);
    cg_spans_finish(&memory->pieces[1]);
    cg_split_memory_finish(&memory->split);
}

/* The text so far, its pieces, and those that a step makes of them. */
typedef struct stepper {
    cg_steps_memory *m;
    const cg_steps_input *input;
    cg_mapped *text, *new_text;
    cg_spans *pieces, *new_pieces;
    cg_error *err;
} stepper;

static cg_status nomem(stepper *s)
{
    return cg_fail_nomem(s->err, "splitting a text");
}

/* ---- steps that split ----------------------------------------------------------------------- */

static cg_status split_by_pattern(stepper *s, const cg_step *step, size_t start, size_t end)
{
    if (cg_split_find(&step->split, &s->m->split, s->text->text + start, end - start, 0, s->err))
        return s->err->code;
    return cg_split_apply(step->split.behavior, &s->m->split, start, s->new_pieces) ? nomem(s)
                                                                                    : CG_OK;
}

/* Each character of the class is a match of its own. */
static cg_status split_by_class(stepper *s, const cg_step *step, size_t start, size_t end)
{
    const char *text = s->text->text + start;
    size_t len = end - start, prev = 0, n;
    cg_split_memory *m = &s->m->split;
    int failed = 0;

    m->found.n = 0;
    for (size_t at = 0; at < len && !failed; at += n) {
        if (!step->is_member(cg_utf8_get(text + at, &n)))
            continue;
        failed = (prev < at && cg_split_push(m, prev, at, 0)) || cg_split_push(m, at, at + n, 1);
        prev = at + n;
    }
    if (failed || (prev < len && cg_split_push(m, prev, len, 0)) ||
        cg_split_apply(step->split.behavior, m, start, s->new_pieces))
        return nomem(s);
    return CG_OK;
}

static int word_class(uint32_t cp)
{
    return cg_is_whitespace_word(cp) ? 1 : cg_is_space(cp) ? 0 : 2;
}

static cg_status split_words(stepper *s, size_t start, size_t end)
{
    size_t from = start, n;
    int class = 0;

    for (size_t at = start; at < end; at += n) {
        int next = word_class(cg_utf8_get(s->text->text + at, &n));

        if (next == class)
            continue;
        if (class && cg_spans_push(s->new_pieces, from, at))
            return nomem(s);
        class = next;
        from = at;
    }
    return class && cg_spans_push(s->new_pieces, from, end) ? nomem(s) : CG_OK;
}

static cg_status split_fixed(stepper *s, size_t length, size_t start, size_t end)
{
    size_t from = start, count = 0, n;

    for (size_t at = start; at < end; at += n) {
        cg_utf8_get(s->text->text + at, &n);
        if (++count < length && at + n < end)
            continue;
        if (cg_spans_push(s->new_pieces, from, at + n))
            return nomem(s);
        from = at + n;
        count = 0;
    }
    return CG_OK;
}

/* ---- steps that write the text anew ------------------------------------------------------------
 */

/* Whether a piece starts the whole text; `*is_kept` is 1 if that text continues another. */
static int is_first(const stepper *s, size_t start)
{
    return s->input->origin + s->text->from[start] == 0;
}

/* Splits a piece of the new text in front of each replacement. */
static cg_status split_metaspace(stepper *s, const cg_step *step, size_t start)
{
    cg_split_memory *m = &s->m->split;
    const char *text = s->new_text->text + start;
    size_t len = s->new_text->len - start, prev = 0, n;

    if (!step->splits)
        return cg_spans_push(s->new_pieces, start, s->new_text->len) ? nomem(s) : CG_OK;
    m->found.n = 0;
    for (size_t at = 0; at < len; at += n) {
        if (cg_utf8_get(text + at, &n) != step->replacement)
            continue;
        if ((prev < at && cg_split_push(m, prev, at, 0)) || cg_split_push(m, at, at + n, 1))
            return nomem(s);
        prev = at + n;
    }
    if ((prev < len && cg_split_push(m, prev, len, 0)) ||
        cg_split_apply(CG_SPLIT_MERGED_AFTER, m, start, s->new_pieces))
        return nomem(s);
    return CG_OK;
}

static cg_status run_metaspace(stepper *s, const cg_step *step, size_t index, size_t start,
                               size_t end)
{
    const cg_mapped *in = s->text;
    uint32_t first, at_start = in->from[start];
    size_t begin = s->new_text->len, n;
    int wanted = step->prepend == CG_PREPEND_ALWAYS ||
                 (step->prepend == CG_PREPEND_FIRST && is_first(s, start));

    if (s->input->continued && is_first(s, start) && index == 0)
        wanted = 0;
    first = cg_utf8_get(in->text + start, &n);
    if (wanted && first != ' ' && first != step->replacement &&
        cg_mapped_put_char(s->new_text, step->replacement, at_start, at_start))
        return nomem(s);
    for (size_t at = start; at < end; at += n) {
        uint32_t cp = cg_utf8_get(in->text + at, &n);

        if (cp == ' ' ? cg_mapped_put_char(s->new_text, step->replacement, in->from[at],
                                           in->to[at + n - 1])
                      : cg_mapped_copy(s->new_text, in, at, at + n))
            return nomem(s);
    }
    return split_metaspace(s, step, begin);
}

/* Appends bytes [start, end) of a piece in the alphabet, as a piece. */
static int put_alphabet(stepper *s, const cg_mapped *in, size_t start, size_t end)
{
    size_t begin = s->new_text->len;

    for (size_t i = start; i < end; i++)
        if (cg_mapped_put_char(s->new_text, cg_byte_char((uint8_t)in->text[i]), in->from[i],
                               in->to[i]))
            return -1;
    return cg_spans_push(s->new_pieces, begin, s->new_text->len);
}

/* ---- all steps --------------------------------------------------------------------------------
 */

static cg_status run_piece(stepper *s, const cg_step *step, size_t index, size_t start, size_t end)
{
    switch (step->kind) {
    case CG_STEP_SPLIT:
        return split_by_pattern(s, step, start, end);
    case CG_STEP_CLASS:
        return split_by_class(s, step, start, end);
    case CG_STEP_WORDS:
        return split_words(s, start, end);
    case CG_STEP_FIXED:
        return split_fixed(s, step->length, start, end);
    case CG_STEP_METASPACE:
        return run_metaspace(s, step, index, start, end);
    default: /* CG_STEP_BYTE_LEVEL, behind its own blank and pattern */
        return put_alphabet(s, s->text, start, end) ? nomem(s) : CG_OK;
    }
}

static cg_status run_pieces(stepper *s, const cg_step *step, size_t index)
{
    int rewrites = step->kind == CG_STEP_METASPACE || step->kind == CG_STEP_BYTE_LEVEL;
    cg_spans *pieces = s->pieces;
    cg_mapped *text = s->text;

    s->new_pieces->n = 0;
    s->new_text->len = 0;
    for (size_t i = 0; i < pieces->n; i++)
        CG_TRY(run_piece(s, step, index, pieces->items[i].start, pieces->items[i].end));
    s->pieces = s->new_pieces;
    s->new_pieces = pieces;
    if (rewrites) {
        s->text = s->new_text;
        s->new_text = text;
    }
    return CG_OK;
}

/* The blank in front of each piece that the byte-level step may write. */
static cg_status put_blanks(stepper *s, size_t index)
{
    cg_spans *pieces = s->pieces;
    cg_mapped *text = s->text;

    s->new_pieces->n = 0;
    s->new_text->len = 0;
    for (size_t i = 0; i < pieces->n; i++) {
        size_t start = pieces->items[i].start, begin = s->new_text->len;
        int kept =
            text->text[start] == ' ' || (s->input->continued && is_first(s, start) && index == 0);

        if ((!kept && cg_mapped_put(s->new_text, " ", 1, text->from[start], text->from[start])) ||
            cg_mapped_copy(s->new_text, text, start, pieces->items[i].end) ||
            cg_spans_push(s->new_pieces, begin, s->new_text->len))
            return nomem(s);
    }
    s->text = s->new_text;
    s->new_text = text;
    s->pieces = s->new_pieces;
    s->new_pieces = pieces;
    return CG_OK;
}

static cg_status run_step(stepper *s, const cg_step *step, size_t index)
{
    static const cg_step none;
    cg_step pattern = none;

    if (step->kind == CG_STEP_BYTE_LEVEL) {
        if (step->prefix_space)
            CG_TRY(put_blanks(s, index));
        if (step->split.pattern) {
            pattern.kind = CG_STEP_SPLIT;
            pattern.split = step->split;
            CG_TRY(run_pieces(s, &pattern, index));
        }
    }
    return run_pieces(s, step, index);
}

cg_status cg_steps_run(const cg_steps *steps, cg_steps_memory *m, const cg_steps_input *input,
                       const cg_mapped **ret_text, const cg_spans **ret_pieces, cg_error *err)
{
    stepper s = { m, input, &m->texts[0], &m->texts[1], &m->pieces[0], &m->pieces[1], err };

    s.text->len = 0;
    s.pieces->n = 0;
    if (cg_mapped_copy(s.text, input->text, input->start, input->end) ||
        (s.text->len && cg_spans_push(s.pieces, 0, s.text->len)))
        return nomem(&s);
    for (size_t i = 0; i < steps->n; i++)
        CG_TRY(run_step(&s, &steps->items[i], i));
    *ret_text = s.text;
    *ret_pieces = s.pieces;
    return CG_OK;
}
