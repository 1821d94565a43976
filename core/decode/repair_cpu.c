/* SPDX-License-Identifier: MIT */
#include "decode/repair_cpu.h"

#include <stdlib.h>
#include <string.h>

#include "base/size.h"

typedef float point[3];

int cg_cpu_repair_begin(cg_cpu_repair *a, int32_t n)
{
    a->repair = (cg_repair_counts) { 0 };
    return n && cg_grow((void **)&a->xyz, &a->cap, 3 * (size_t)n, sizeof *a->xyz);
}

void cg_cpu_repair_finish(cg_cpu_repair *a)
{
    free(a->xyz);
}

/* Read an atom back and test it. */
static int32_t test(const cg_cpu_repair *a, const cg_repair_target *at, int32_t atom)
{
    int32_t begin = at->marks[atom].n_tokens;

    if (!cg_geometry_read_xyz(at->tokens + begin, at->seq->n_tokens - begin, at->token_numbers,
                              a->xyz[atom]))
        return CG_FAULT(CG_CAUSE_BOND, 0);
    return cg_geometry_test_atom(at->geometry, (const point *)a->xyz, atom, 0, 1);
}

/* A possible place for atoms first to last, into a->xyz + n_atoms. */
static int find_place(cg_cpu_repair *a, const cg_geometry *g, int32_t first, int32_t last)
{
    point *xyz = a->xyz + g->n_atoms, *by = xyz + g->n_atoms;

    memcpy(xyz, a->xyz, ((size_t)last + 1) * sizeof *xyz);
    for (int round = 0; round < CG_RELAXATION_ITERATIONS; round++) {
        int off = 0;

        for (int32_t i = first; i <= last; i++) {
            cg_correction pull = { .n = 0 };

            cg_relaxation_correct(g, (const point *)xyz, first, last, i, 0, 1, &pull);
            cg_correction_displacement(&pull, by[i]);
            off |= pull.off;
        }
        if (!off)
            return 1;
        for (int32_t i = first; i <= last; i++)
            for (int k = 0; k < 3; k++)
                xyz[i][k] += by[i][k];
    }
    return 0;
}

/* Append a coordinate, where the sequence is to choose one. */
static int write_number(const cg_repair_target *at, float x)
{
    cg_sequence *seq = at->seq;
    cg_decimal number;
    cg_number_path w;
    int became;

    if (seq->done || !cg_decimal_from_float(x, at->decimals, &number))
        return 0;
    cg_number_path_begin(&w, &number, at->automaton, seq->state,
                         at->token_numbers[at->tokens[seq->n_tokens - 1]]);
    do
        became =
            cg_number_path_step(&w, at->automaton, at->token_numbers,
                                cg_number_path_find(&w, at->automaton, at->token_numbers, 0, 1));
    while (became == CG_NUMBER_PATH_RUNNING);
    if (became == CG_NUMBER_PATH_FOUND)
        cg_number_path_append(&w, seq, at->program, at->automaton, at->tokens, at->marks);
    return became == CG_NUMBER_PATH_FOUND;
}

/*
 * Write atoms first to last anew, from the first one on that was moved. What is drawn behind them
 * is drawn with the random numbers that it would have been, unless the text became shorter: these
 * were used.
 */
static int rewrite(cg_cpu_repair *a, const cg_repair_target *at, int32_t first, int32_t last)
{
    const point *xyz = (const point *)a->xyz + at->geometry->n_atoms;
    int32_t n_tokens = at->seq->n_tokens, attempt = at->seq->attempt;

    first = cg_relaxation_first_moved((const point *)a->xyz, xyz, first, last);
    a->repair.moved += last - first + 1;
    a->repair.wasted += n_tokens - at->marks[first].n_tokens;
    cg_sequence_roll_back(at->seq, at->program, at->automaton, first, at->marks);
    for (int32_t i = first; i <= last; i++) {
        for (int k = 0; k < 3; k++)
            if (!write_number(at, xyz[i][k]))
                return 0;
        if (test(a, at, i) != CG_FAULT_NONE)
            return 0;
    }
    if (at->seq->n_tokens >= n_tokens)
        at->seq->attempt = attempt;
    return 1;
}

int cg_cpu_repair_atom(cg_cpu_repair *a, const cg_repair_target *at, int repair, int32_t atom)
{
    int32_t fault = test(a, at, atom), first, level = 0;

    a->repair.count[CG_FAULT_CAUSE(fault)]++;
    if (fault == CG_FAULT_NONE || !repair)
        return 0;
    do
        first = cg_relaxation_first_atom(atom, level++);
    while (!find_place(a, at->geometry, first, atom) && first > 0);
    /* the last level's place may do, though it is not well within */
    if (!rewrite(a, at, first, atom))
        cg_sequence_restart(&a->repair, at->restarts, at->seq, at->program, at->automaton,
                            at->marks);
    return 1;
}
