/* SPDX-License-Identifier: MIT */
/* core/cuda/step.cu includes this file to compile it for the device. */
#include "sequence/number_path.h"

#include "sequence/coordinate.h"

enum { MAX_STEPS = 512 }; /* of a search; with the grammar plugin few more than the path's tokens */

static CG_HOST_DEVICE void put_symbol(cg_number_path *path, int32_t symbol)
{
    path->symbols[path->n_symbols++] = (int8_t)symbol;
}

CG_HOST_DEVICE void cg_number_path_start(cg_number_path *path, const cg_number_format *format,
                                         const cg_automaton *aut, int32_t state, int is_text)
{
    path->n_symbols = 0;
    path->may_be_adjacent = cg_number_has_fixed_width(format);
    path->depth = path->n_steps = 0;
    path->state[0] = state;
    path->next_transition = aut->row[state];
    path->emitted[0] = is_text ? CG_EMITTED_TEXT : 0;
}

CG_HOST_DEVICE void cg_number_path_add(cg_number_path *path, const cg_decimal *number)
{
    int32_t digits = number->digits, end;

    if (path->n_symbols)
        put_symbol(path, CG_SYMBOL_NEXT);
    if (number->minus)
        put_symbol(path, CG_SYMBOL_MINUS);
    path->n_symbols += number->n_digits + (number->n_decimals > 0);
    end = path->n_symbols;
    for (int32_t k = 0; k < number->n_digits; k++, digits /= 10) { /* from the last one on */
        if (k > 0 && k == number->n_decimals)
            path->symbols[--end] = CG_SYMBOL_POINT;
        path->symbols[--end] = (int8_t)(CG_SYMBOL_ZERO + digits % 10);
    }
}

/*
 * The search begins before the forced tokens of the field, which may be a part of the numbers. Only
 * the first number of an atom has text before it that may look like numbers.
 */
CG_HOST_DEVICE int cg_number_path_begin(cg_number_path *path, const cg_sequence_text *text,
                                        const float xyz[3])
{
    const cg_program *prog = text->program;
    int32_t field = text->seq->field, per = prog->fields_per_atom, k = field % per;
    int32_t begin = cg_sequence_field_start(prog, text->automaton, field, text->seq->n_tokens);
    int is_text =
        k == 0 && !cg_token_number_ends_before(text->token_numbers[text->tokens[begin - 1]]);

    cg_number_path_start(path, text->number_format, text->automaton, prog->entry[field], is_text);
    for (int32_t n = 3 / per; n > 0; n--, k++) {
        cg_decimal number;

        if (!cg_coordinate_to_number(text->number_format, cg_sequence_mirror(text->seq, xyz[k], k),
                                     &number))
            return 0;
        cg_number_path_add(path, &number);
    }
    return 1;
}

/* Returns whether a symbol continues the numbers of which *emitted is a prefix; if so, adds it. */
static CG_HOST_DEVICE int emit_symbol(const cg_number_path *path, int32_t symbol, int32_t *emitted)
{
    int32_t at = *emitted;

    if (at == CG_EMITTED_TEXT) {
        if (symbol == CG_SYMBOL_BEGIN)
            *emitted = 0;
        return 1;
    }
    if (at >= path->n_symbols) { /* a digit or point would continue the last number */
        if (symbol >= CG_SYMBOL_MINUS)
            *emitted = CG_EMITTED_ALL;
        return *emitted == CG_EMITTED_ALL;
    }
    if (symbol >= CG_SYMBOL_NEXT && (at == 0 || path->symbols[at - 1] == CG_SYMBOL_NEXT))
        return 1; /* more text before a number */
    if (path->symbols[at] == CG_SYMBOL_NEXT && path->may_be_adjacent && symbol < CG_SYMBOL_NEXT)
        at++;
    if (path->symbols[at] != symbol)
        return 0;
    *emitted = at + 1;
    return 1;
}

/* The same for all symbols of a token. */
static CG_HOST_DEVICE int emit(const cg_number_path *path, cg_token_number t, int32_t *emitted)
{
    for (; t; t >>= CG_SYMBOL_BITS)
        if (!emit_symbol(path, (int32_t)(t & CG_SYMBOL_MASK), emitted))
            return 0;
    return 1;
}

CG_HOST_DEVICE int32_t cg_number_path_find(const cg_number_path *path, const cg_automaton *aut,
                                           const cg_token_number *token_numbers, int32_t thread,
                                           int32_t n_threads)
{
    int32_t end = aut->row[path->state[path->depth] + 1];

    for (int32_t t = path->next_transition + thread; t < end; t += n_threads) {
        int32_t emitted = path->emitted[path->depth];

        if (emit(path, token_numbers[aut->token[t]], &emitted) &&
            (aut->next[t] != CG_EXIT || emitted >= path->n_symbols))
            return t;
    }
    return INT32_MAX;
}

CG_HOST_DEVICE int cg_number_path_step(cg_number_path *path, const cg_automaton *aut,
                                       const cg_token_number *token_numbers, int32_t found)
{
    int32_t emitted;

    if (++path->n_steps > MAX_STEPS)
        return CG_NUMBER_PATH_NONE;
    if (found == INT32_MAX) {
        if (!path->depth)
            return CG_NUMBER_PATH_NONE;
        path->next_transition = path->transition[--path->depth] + 1;
        return CG_NUMBER_PATH_RUNNING;
    }
    path->transition[path->depth] = found;
    if (aut->next[found] == CG_EXIT) {
        path->depth++;
        return CG_NUMBER_PATH_FOUND;
    }
    if (path->depth + 1 == CG_NUMBER_PATH_DEPTH) { /* too long: try the next transition */
        path->next_transition = found + 1;
        return CG_NUMBER_PATH_RUNNING;
    }
    emitted = path->emitted[path->depth];
    emit(path, token_numbers[aut->token[found]], &emitted);
    path->emitted[++path->depth] = (int8_t)emitted;
    path->state[path->depth] = aut->next[found];
    path->next_transition = aut->row[aut->next[found]];
    return CG_NUMBER_PATH_RUNNING;
}

CG_HOST_DEVICE void cg_number_path_record_missing(const cg_sequence_text *text, const float xyz[3],
                                                  cg_repair_counts *r)
{
    int32_t field = text->seq->field, per = text->program->fields_per_atom;

    for (int32_t k = field % per; k < field % per + 3 / per; k++) {
        cg_decimal number;

        if (!cg_number_from_coordinate(text->number_format,
                                       cg_sequence_mirror(text->seq, xyz[k], k), CG_ROUND_NEAREST,
                                       &number))
            return;
    }
    r->unwritten_field = field + 1;
    for (int32_t k = 0; k < 3; k++)
        r->unwritten_xyz[k] = cg_sequence_mirror(text->seq, xyz[k], k);
}

CG_HOST_DEVICE void cg_number_path_append(const cg_number_path *path, const cg_sequence_text *text)
{
    const cg_automaton *aut = text->automaton;

    for (int32_t i = 0; i < path->depth && !text->seq->done; i++)
        if (aut->row[path->state[i] + 1] - aut->row[path->state[i]] > 1) /* the rest is forced */
            cg_sequence_advance(text->seq, text->program, aut, path->transition[i], text->tokens,
                                text->marks);
}
