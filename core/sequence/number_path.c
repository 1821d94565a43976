/* SPDX-License-Identifier: MIT */
/* core/cuda/step.cu includes this file, to run it in a kernel. */
#include "sequence/number_path.h"

#include "sequence/token_number.h"

#ifndef __CUDACC__
#include <math.h>
#endif

enum {
    MAX_DIGITS = 9,
    MAX_TRIES = 256, /* steps of a search; a grammar's take few more than there are tokens */
};

static CG_HOST_DEVICE int32_t power_of_ten(int32_t n)
{
    int32_t p = 1;

    for (; n > 0; n--)
        p *= 10;
    return p;
}

CG_HOST_DEVICE int cg_decimal_from_float(float x, int32_t decimals, cg_decimal *ret)
{
    float size = fabsf(x) * (float)power_of_ten(decimals);
    cg_decimal n = { 0, decimals + 1, decimals, 0 };

    if (!(size < 999999935.0F)) /* the last float before 10^9 */
        return 0;
    n.digits = (int32_t)size;
    n.digits += size - (float)n.digits >= 0.5F; /* size + 0.5 would be rounded itself */
    n.minus = x < 0 && n.digits > 0;
    while (n.n_digits < MAX_DIGITS && n.digits >= power_of_ten(n.n_digits))
        n.n_digits++;
    *ret = n;
    return 1;
}

/* Does a token of this token_numbers continue what is written? Then *w is what is written with it.
 */
static CG_HOST_DEVICE int fits(const cg_decimal *number, cg_token_number s, cg_digits_emitted *w)
{
    int32_t n = CG_TOKEN_NUMBER_N_DIGITS(s), decimals = CG_TOKEN_NUMBER_N_DECIMALS(s), rest;
    int32_t n_integer = number->n_digits - number->n_decimals;

    if (s & (CG_TOKEN_NUMBER_BEGIN | CG_TOKEN_NUMBER_NEXT)) {
        if (w->begun && (w->minus || w->n_digits))
            return 0;
        w->begun = 1;
    }
    if (!w->begun)
        return 1;
    if (s & CG_TOKEN_NUMBER_MINUS) {
        if (!number->minus || w->minus || w->n_digits)
            return 0;
        w->minus = 1;
    }
    if (s & CG_TOKEN_NUMBER_POINT) {
        if (w->point || w->n_digits + n - decimals != n_integer)
            return 0;
        w->point = 1;
    } else if (!w->point && w->n_digits + n > n_integer) {
        return 0;
    }
    if ((n && number->minus != w->minus) || w->n_digits + n > number->n_digits)
        return 0;
    rest = number->digits / power_of_ten(number->n_digits - w->n_digits - n);
    if (n && rest % power_of_ten(n) != CG_TOKEN_NUMBER_VALUE(s))
        return 0;
    w->n_digits = (int8_t)(w->n_digits + n);
    return 1;
}

CG_HOST_DEVICE void cg_number_path_begin(cg_number_path *w, const cg_decimal *number,
                                         const cg_automaton *aut, int32_t state,
                                         cg_token_number before)
{
    const cg_digits_emitted nothing = { 0, 0, 0, 0 };

    w->number = *number;
    w->depth = w->tries = 0;
    w->state[0] = state;
    w->from = aut->row[state];
    w->written[0] = nothing;
    w->written[0].begun = (before & (CG_TOKEN_NUMBER_BEGIN | CG_TOKEN_NUMBER_NEXT)) != 0;
}

CG_HOST_DEVICE int32_t cg_number_path_find(const cg_number_path *w, const cg_automaton *aut,
                                           const cg_token_number *token_numbers, int32_t thread,
                                           int32_t n_threads)
{
    int32_t end = aut->row[w->state[w->depth] + 1];

    for (int32_t t = w->from + thread; t < end; t += n_threads) {
        cg_digits_emitted written = w->written[w->depth];

        if (fits(&w->number, token_numbers[aut->token[t]], &written) &&
            (aut->next[t] != CG_EXIT || written.n_digits == w->number.n_digits))
            return t;
    }
    return INT32_MAX;
}

CG_HOST_DEVICE int cg_number_path_step(cg_number_path *w, const cg_automaton *aut,
                                       const cg_token_number *token_numbers, int32_t found)
{
    if (++w->tries > MAX_TRIES)
        return CG_NUMBER_PATH_NONE;
    if (found == INT32_MAX) {
        if (!w->depth)
            return CG_NUMBER_PATH_NONE;
        w->from = w->transition[--w->depth] + 1;
        return CG_NUMBER_PATH_RUNNING;
    }
    w->transition[w->depth] = found;
    if (aut->next[found] == CG_EXIT) {
        w->depth++;
        return CG_NUMBER_PATH_FOUND;
    }
    if (w->depth + 1 == CG_NUMBER_PATH_DEPTH) { /* too long: look for another one */
        w->from = found + 1;
        return CG_NUMBER_PATH_RUNNING;
    }
    w->written[w->depth + 1] = w->written[w->depth];
    fits(&w->number, token_numbers[aut->token[found]], &w->written[w->depth + 1]);
    w->state[++w->depth] = aut->next[found];
    w->from = aut->row[aut->next[found]];
    return CG_NUMBER_PATH_RUNNING;
}

CG_HOST_DEVICE void cg_number_path_append(const cg_number_path *w, cg_sequence *seq,
                                          const cg_program *prog, const cg_automaton *aut,
                                          int32_t *tokens, cg_atom_mark *marks)
{
    for (int32_t i = 0; i < w->depth && !seq->done; i++)
        if (aut->row[w->state[i] + 1] - aut->row[w->state[i]] > 1) /* others are forced */
            cg_sequence_advance(seq, prog, aut, w->transition[i], tokens, marks);
}
