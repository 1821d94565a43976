/* SPDX-License-Identifier: MIT */
/* core/cuda/step.cu includes this file to compile it for the device. */
#include "sequence/number_path.h"

#include "sequence/token_number.h"

#ifndef __CUDACC__
#include <math.h>
#endif

enum {
    MAX_DIGITS = 9,
    MAX_STEPS = 256, /* of a search; with the grammar plugin few more than the path has tokens */
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
    n.digits += size - (float)n.digits >= 0.5F; /* the sum size + 0.5 would itself be rounded */
    n.minus = x < 0 && n.digits > 0;
    while (n.n_digits < MAX_DIGITS && n.digits >= power_of_ten(n.n_digits))
        n.n_digits++;
    *ret = n;
    return 1;
}

/* Returns whether a token with number `t` continues the number after *e; if so, adds it to *e. */
static CG_HOST_DEVICE int emit(const cg_decimal *number, cg_token_number t, cg_digits_emitted *e)
{
    int32_t n = CG_TOKEN_NUMBER_N_DIGITS(t), decimals = CG_TOKEN_NUMBER_N_DECIMALS(t), leading;
    int32_t n_integer = number->n_digits - number->n_decimals;

    if (t & (CG_TOKEN_NUMBER_BEGIN | CG_TOKEN_NUMBER_NEXT)) {
        if (e->started && (e->minus || e->n_digits))
            return 0;
        e->started = 1;
    }
    if (!e->started)
        return 1;
    if (t & CG_TOKEN_NUMBER_MINUS) {
        if (!number->minus || e->minus || e->n_digits)
            return 0;
        e->minus = 1;
    }
    if (t & CG_TOKEN_NUMBER_POINT) {
        if (e->point || e->n_digits + n - decimals != n_integer)
            return 0;
        e->point = 1;
    } else if (!e->point && e->n_digits + n > n_integer) {
        return 0;
    }
    if ((n && number->minus != e->minus) || e->n_digits + n > number->n_digits)
        return 0;
    leading = number->digits / power_of_ten(number->n_digits - e->n_digits - n);
    if (n && leading % power_of_ten(n) != CG_TOKEN_NUMBER_VALUE(t))
        return 0;
    e->n_digits = (int8_t)(e->n_digits + n);
    return 1;
}

CG_HOST_DEVICE void cg_number_path_begin(cg_number_path *path, const cg_decimal *number,
                                         const cg_automaton *aut, int32_t state,
                                         cg_token_number previous)
{
    const cg_digits_emitted nothing = { 0, 0, 0, 0 };

    path->number = *number;
    path->depth = path->n_steps = 0;
    path->state[0] = state;
    path->next_transition = aut->row[state];
    path->emitted[0] = nothing;
    path->emitted[0].started = (previous & (CG_TOKEN_NUMBER_BEGIN | CG_TOKEN_NUMBER_NEXT)) != 0;
}

CG_HOST_DEVICE int32_t cg_number_path_find(const cg_number_path *path, const cg_automaton *aut,
                                           const cg_token_number *token_numbers, int32_t thread,
                                           int32_t n_threads)
{
    int32_t end = aut->row[path->state[path->depth] + 1];

    for (int32_t t = path->next_transition + thread; t < end; t += n_threads) {
        cg_digits_emitted emitted = path->emitted[path->depth];

        if (emit(&path->number, token_numbers[aut->token[t]], &emitted) &&
            (aut->next[t] != CG_EXIT || emitted.n_digits == path->number.n_digits))
            return t;
    }
    return INT32_MAX;
}

CG_HOST_DEVICE int cg_number_path_step(cg_number_path *path, const cg_automaton *aut,
                                       const cg_token_number *token_numbers, int32_t found)
{
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
    path->emitted[path->depth + 1] = path->emitted[path->depth];
    emit(&path->number, token_numbers[aut->token[found]], &path->emitted[path->depth + 1]);
    path->state[++path->depth] = aut->next[found];
    path->next_transition = aut->row[aut->next[found]];
    return CG_NUMBER_PATH_RUNNING;
}

CG_HOST_DEVICE void cg_number_path_append(const cg_number_path *path, cg_sequence *seq,
                                          const cg_program *prog, const cg_automaton *aut,
                                          int32_t *tokens, cg_atom_mark *marks)
{
    for (int32_t i = 0; i < path->depth && !seq->done; i++)
        if (aut->row[path->state[i] + 1] - aut->row[path->state[i]] > 1) /* the rest is forced */
            cg_sequence_advance(seq, prog, aut, path->transition[i], tokens, marks);
}
