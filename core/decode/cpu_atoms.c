/* SPDX-License-Identifier: MIT */
#include "decode/cpu_atoms.h"

#include <stdlib.h>
#include <string.h>

#include "base/size.h"

typedef float point[3];

int cg_cpu_atoms_begin(cg_cpu_atoms *a, int32_t n)
{
    a->repair = (cg_repair) { 0 };
    return n && cg_grow((void **)&a->xyz, &a->cap, 3 * (size_t)n, sizeof *a->xyz);
}

void cg_cpu_atoms_finish(cg_cpu_atoms *a)
{
    free(a->xyz);
}

/* Read an atom back and test it. */
static int32_t test(const cg_cpu_atoms *a, const cg_cpu_sequence *at, int32_t atom)
{
    int32_t begin = at->marks[atom].n_tokens;

    if (!cg_geometry_read(at->tokens + begin, at->seq->n_tokens - begin, at->spelling,
                          a->xyz[atom]))
        return CG_FAULT(CG_CAUSE_BOND, 0);
    return cg_geometry_test_atom(at->geometry, (const point *)a->xyz, atom, 0, 1);
}

/* A possible place for atoms first to last, into a->xyz + n_atoms. */
static int find_place(cg_cpu_atoms *a, const cg_geometry *g, int32_t first, int32_t last)
{
    point *xyz = a->xyz + g->n_atoms, *by = xyz + g->n_atoms;

    memcpy(xyz, a->xyz, ((size_t)last + 1) * sizeof *xyz);
    for (int round = 0; round < CG_PLACING_ROUNDS; round++) {
        int off = 0;

        for (int32_t i = first; i <= last; i++) {
            cg_pull pull = { .n = 0 };

            cg_placing_pull(g, (const point *)xyz, first, last, i, 0, 1, &pull);
            cg_placing_move(&pull, by[i]);
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
static int write_number(const cg_cpu_sequence *at, float x)
{
    cg_sequence *seq = at->seq;
    cg_number number;
    cg_writer w;
    int became;

    if (seq->done || !cg_number_of(x, at->decimals, &number))
        return 0;
    cg_writer_begin(&w, &number, at->automaton, seq->state,
                    at->spelling[at->tokens[seq->n_tokens - 1]]);
    do
        became = cg_writer_step(&w, at->automaton, at->spelling,
                                cg_writer_find(&w, at->automaton, at->spelling, 0, 1));
    while (became == CG_WRITER_GOES_ON);
    if (became == CG_WRITER_DONE)
        cg_writer_append(&w, seq, at->program, at->automaton, at->tokens, at->marks);
    return became == CG_WRITER_DONE;
}

/*
 * Write atoms first to last anew, from the first one on that was moved. What is drawn behind them
 * is drawn with the random numbers that it would have been, unless the text became shorter: these
 * were used.
 */
static int rewrite(cg_cpu_atoms *a, const cg_cpu_sequence *at, int32_t first, int32_t last)
{
    const point *xyz = (const point *)a->xyz + at->geometry->n_atoms;
    int32_t n_tokens = at->seq->n_tokens, attempt = at->seq->attempt;

    first = cg_placing_moved((const point *)a->xyz, xyz, first, last);
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

int cg_cpu_atoms_look(cg_cpu_atoms *a, const cg_cpu_sequence *at, int repair, int32_t atom)
{
    int32_t fault = test(a, at, atom), first, rung = 0;

    a->repair.count[CG_FAULT_CAUSE(fault)]++;
    if (fault == CG_FAULT_NONE || !repair)
        return 0;
    do
        first = cg_placing_first(atom, rung++);
    while (!find_place(a, at->geometry, first, atom) && first > 0);
    /* the last rung's place may do, though it is not well within */
    if (!rewrite(a, at, first, atom))
        cg_repair_restart(&a->repair, at->restarts, at->seq, at->program, at->automaton, at->marks);
    return 1;
}
