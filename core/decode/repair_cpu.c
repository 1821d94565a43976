/* SPDX-License-Identifier: MIT */
#include "decode/repair_cpu.h"

#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "sequence/relaxation_host.h"

typedef float point[3];

int cg_cpu_repair_begin(cg_cpu_repair *r, int32_t n)
{
    r->counts = (cg_repair_counts) { 0 };
    return n && cg_grow((void **)&r->xyz, &r->cap, 3 * (size_t)n, sizeof *r->xyz);
}

void cg_cpu_repair_finish(cg_cpu_repair *r)
{
    free(r->xyz);
}

/* Reads an atom back from the text and tests it; returns its fault. */
static int32_t test_atom(const cg_cpu_repair *r, const cg_repair_target *target, int32_t atom)
{
    int32_t begin = target->marks[atom].n_tokens;

    if (!cg_geometry_read_xyz(target->tokens + begin, target->seq->n_tokens - begin,
                              target->token_numbers, r->xyz[atom]))
        return CG_FAULT(CG_CAUSE_BOND, 0);
    return cg_geometry_test_atom(target->geometry, (const point *)r->xyz, atom, 0, 1);
}

/* Places atoms 0 to `last` at the start of a relaxation, in r->xyz + n_atoms. */
static void place(cg_cpu_repair *r, const cg_geometry *g, const cg_relaxation_start *start,
                  int32_t last)
{
    for (int32_t i = 0; i <= last; i++)
        cg_relaxation_start_position(start, (const point *)r->xyz, last, i, r->xyz[g->n_atoms + i]);
}

/* Relaxes the atoms of a level up to `last`, in r->xyz + n_atoms. @return 1 if all tests are
 * satisfied */
static int relax(cg_cpu_repair *r, const cg_geometry *g, int32_t level, int32_t last)
{
    point *xyz = r->xyz + g->n_atoms;

    return cg_relaxation_run(g, xyz, xyz + g->n_atoms, cg_relaxation_first_atom(last, level), last,
                             cg_relaxation_iterations(last, level));
}

/* Appends coordinate x to a sequence that is at the start of a field. @return 0 if it cannot */
static int append_number(const cg_repair_target *target, float x)
{
    cg_sequence *seq = target->seq;
    cg_decimal number;
    cg_number_path path;
    int result;

    if (seq->done || !cg_decimal_from_float(x, target->decimals, &number))
        return 0;
    cg_number_path_begin(&path, &number, target->automaton, seq->state,
                         target->token_numbers[target->tokens[seq->n_tokens - 1]]);
    do
        result = cg_number_path_step(
            &path, target->automaton, target->token_numbers,
            cg_number_path_find(&path, target->automaton, target->token_numbers, 0, 1));
    while (result == CG_NUMBER_PATH_RUNNING);
    if (result == CG_NUMBER_PATH_FOUND)
        cg_number_path_append(&path, seq, target->program, target->automaton, target->tokens,
                              target->marks);
    return result == CG_NUMBER_PATH_FOUND;
}

/*
 * Rewrites the text from the first moved atom of first to last on. Later tokens keep their RNG
 * counters, unless the new text is shorter: the counters of its next tokens are already consumed.
 */
static int rewrite(cg_cpu_repair *r, const cg_repair_target *target, int32_t first, int32_t last)
{
    const point *xyz = (const point *)r->xyz + target->geometry->n_atoms;
    int32_t n_tokens = target->seq->n_tokens, attempt = target->seq->attempt;

    first = cg_relaxation_first_moved((const point *)r->xyz, xyz, first, last);
    r->counts.moved += last - first + 1;
    r->counts.wasted += n_tokens - target->marks[first].n_tokens;
    cg_sequence_roll_back(target->seq, target->program, target->automaton, first, target->marks);
    for (int32_t i = first; i <= last; i++) {
        for (int k = 0; k < 3; k++)
            if (!append_number(target, xyz[i][k]))
                return 0;
        if (test_atom(r, target, i) != CG_FAULT_NONE)
            return 0;
    }
    if (target->seq->n_tokens >= n_tokens)
        target->seq->attempt = attempt;
    return 1;
}

/* Moves `atom`, and earlier ones if necessary. Returns the first atom that may have moved. */
static int32_t move_atoms(cg_cpu_repair *r, const cg_geometry *g, int32_t atom)
{
    cg_relaxation_start start = cg_relaxation_find_start(g, (const point *)r->xyz, atom);

    place(r, g, &start, atom);
    if (start.origin == CG_ORIGIN_MIRRORED &&
        cg_geometry_test_atom(g, (const point *)r->xyz + g->n_atoms, atom, 0, 1) == CG_FAULT_NONE)
        return 0;
    /* The result of the last level may pass the tests even if it is not well within them. */
    while (!relax(r, g, start.level, atom) && cg_relaxation_next_start(&start, atom))
        place(r, g, &start, atom);
    return start.origin == CG_ORIGIN_MIRRORED ? 0 : cg_relaxation_first_atom(atom, start.level);
}

int cg_cpu_repair_atom(cg_cpu_repair *r, const cg_repair_target *target, int repair, int32_t atom)
{
    int32_t fault = test_atom(r, target, atom);

    r->counts.count[CG_FAULT_CAUSE(fault)]++;
    if (fault == CG_FAULT_NONE)
        return 0;
    r->counts.last_cause = CG_FAULT_CAUSE(fault);
    r->counts.last_atom = atom;
    if (!repair)
        return 0;
    if (!rewrite(r, target, move_atoms(r, target->geometry, atom), atom))
        cg_sequence_restart(&r->counts, target->restart_limit, target->seq, target->program,
                            target->automaton, target->marks);
    return 1;
}
