/* SPDX-License-Identifier: MIT */
#include "decode/repair_cpu.h"

#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "sequence/coordinate.h"
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
    if (!cg_geometry_read_atom(&target->text, atom, r->xyz[atom]))
        return CG_FAULT(CG_CAUSE_BOND, 0);
    return cg_geometry_test_atom(target->geometry, (const point *)r->xyz, atom, 0, 1);
}

/* Places atoms 0 to `last` at the start of a relaxation, in r->xyz + n_atoms. */
static void place(cg_cpu_repair *r, const cg_geometry *g, const cg_relaxation_start *start,
                  int32_t last)
{
    for (int32_t i = 0; i <= last; i++)
        cg_relaxation_start_position(g, start, (const point *)r->xyz, last, i,
                                     r->xyz[g->n_atoms + i]);
}

/* Relaxes the atoms of a level up to `last`, in r->xyz + n_atoms. @return 1 if all tests are
 * satisfied */
static int relax(cg_cpu_repair *r, const cg_geometry *g, int32_t level, int32_t last)
{
    point *xyz = r->xyz + g->n_atoms;

    return cg_relaxation_run(g, xyz, xyz + g->n_atoms, cg_relaxation_first_atom(last, level), last,
                             cg_relaxation_iterations(last, level));
}

/* Appends the numbers of one field of an atom to a sequence that is at the start of the field.
 * @return 0 if it cannot */
static int append_field(cg_cpu_repair *r, const cg_sequence_text *text, const float xyz[3])
{
    cg_number_path path;
    int result;

    if (text->seq->done || !cg_number_path_begin(&path, text, xyz))
        return 0;
    do
        result = cg_number_path_step(
            &path, text->automaton, text->token_numbers,
            cg_number_path_find(&path, text->automaton, text->token_numbers, 0, 1));
    while (result == CG_NUMBER_PATH_RUNNING);
    if (result == CG_NUMBER_PATH_FOUND)
        cg_number_path_append(&path, text);
    else
        cg_number_path_record_missing(text, xyz, &r->counts);
    return result == CG_NUMBER_PATH_FOUND;
}

/*
 * Rewrites the text of atoms first to last. Later tokens keep their RNG counters, unless the new
 * text is shorter: the counters of its next tokens are already consumed. Returns 0 if it cannot.
 */
static int rewrite(cg_cpu_repair *r, const cg_repair_target *target, int32_t first, int32_t last)
{
    const cg_sequence_text *text = &target->text;
    const point *xyz = (const point *)r->xyz + target->geometry->n_atoms;
    int32_t n_tokens = text->seq->n_tokens, attempt = text->seq->attempt;

    r->counts.wasted += n_tokens - text->marks[first].n_tokens;
    cg_sequence_roll_back(text->seq, text->program, text->automaton, first, text->marks);
    for (int32_t i = first; i <= last; i++) {
        for (int32_t k = 0; k < text->program->fields_per_atom; k++)
            if (!append_field(r, text, xyz[i]))
                return 0;
        if (test_atom(r, target, i) != CG_FAULT_NONE)
            return 0;
    }
    if (text->seq->n_tokens >= n_tokens)
        text->seq->attempt = attempt;
    return 1;
}

/*
 * Moves relaxed atoms to the centres of cells that pass the tests, one atom after the other, if the
 * numbers of the text are coarse. Returns 0 if an atom has no such cell.
 */
static int fit_to_cells(cg_cpu_repair *r, const cg_repair_target *target, int32_t first,
                        int32_t last)
{
    const cg_number_format *format = target->text.number_format;
    point *xyz = r->xyz + target->geometry->n_atoms;

    if (!cg_number_is_coarse(format))
        return 1;
    for (int32_t i =
             cg_relaxation_first_moved((const point *)r->xyz, (const point *)xyz, first, last);
         i <= last; i++) {
        const point relaxed = { xyz[i][0], xyz[i][1], xyz[i][2] };
        int32_t n = 0;

        while (
            n < CG_NEIGHBOUR_CELLS &&
            (!cg_cell_centre(format, relaxed, n, xyz[i]) ||
             cg_geometry_test_atom(target->geometry, (const point *)xyz, i, 0, 1) != CG_FAULT_NONE))
            n++;
        if (n == CG_NEIGHBOUR_CELLS)
            return 0;
    }
    return 1;
}

/*
 * Moves `atom`, and earlier ones if necessary. Returns 1 and from where they were moved; 0 if the
 * text can hold no valid position.
 */
static int move_atoms(cg_cpu_repair *r, const cg_repair_target *target, int32_t atom,
                      cg_relaxation_start *ret_start)
{
    const cg_geometry *g = target->geometry;
    cg_relaxation_start start = cg_relaxation_find_start(g, (const point *)r->xyz, atom);

    for (;;) {
        int is_valid, is_last;

        *ret_start = start;
        place(r, g, &start, atom);
        is_valid = cg_relaxation_is_image(&start) &&
                   cg_geometry_test_atom(g, (const point *)r->xyz + g->n_atoms, atom, 0, 1) ==
                       CG_FAULT_NONE;
        is_valid = is_valid || relax(r, g, start.level, atom);
        is_last = !cg_relaxation_next_start(&start, atom);
        /* The result of the last level may pass the tests even if it is not well within them. */
        if ((is_valid || is_last) &&
            fit_to_cells(r, target, cg_relaxation_first_placed(ret_start, atom), atom))
            return 1;
        if (is_last)
            return 0;
    }
}

/* Moves `atom` to a valid position. Returns 1 if the text was rolled back or the sequence given up.
 */
static int repair_atom(cg_cpu_repair *r, const cg_repair_target *target, int32_t atom)
{
    const cg_sequence_text *text = &target->text;
    const point *moved = (const point *)r->xyz + target->geometry->n_atoms;
    cg_relaxation_start start;

    if (move_atoms(r, target, atom, &start)) {
        int32_t first = cg_relaxation_accept(&start, text->number_format, atom, r->xyz, moved,
                                             text->seq, &r->counts);

        if (first > atom)
            return 0;
        if (rewrite(r, target, first, atom))
            return 1;
    }
    cg_sequence_restart(&r->counts, target->restart_limit, text->seq, text->program,
                        text->automaton, text->marks);
    return 1;
}

int cg_cpu_repair_atom(cg_cpu_repair *r, const cg_repair_target *target, int repair, int32_t atom)
{
    int32_t fault = test_atom(r, target, atom);

    r->counts.count[CG_FAULT_CAUSE(fault)]++;
    if (fault == CG_FAULT_NONE)
        return 0;
    r->counts.last_cause = CG_FAULT_CAUSE(fault);
    r->counts.last_atom = atom;
    return repair && repair_atom(r, target, atom);
}
