/* SPDX-License-Identifier: MIT */
/** @file repair_cpu.h  Geometry of a slot of the CPU executor: look at its atoms, and mend them. */
#ifndef CG_DECODE_REPAIR_CPU_H
#define CG_DECODE_REPAIR_CPU_H

#include "sequence/relaxation.h"
#include "sequence/number_path.h"

/** Zero first. */
typedef struct cg_cpu_repair {
    cg_repair_counts repair;
    float (*xyz)[3]; /* [3 * atoms] Å: as written; as they are moved; where they are pulled */
    size_t cap;
} cg_cpu_repair;

/** A sequence and what it is written by. Borrowed. */
typedef struct cg_repair_target {
    const cg_token_number *token_numbers; /* by token id */
    int32_t decimals;
    int32_t restarts; /* so often the sequence may begin anew */
    const cg_automaton *automaton;
    const cg_program *program;
    const cg_geometry *geometry;
    cg_sequence *seq;
    int32_t *tokens;
    cg_atom_mark *marks;
} cg_repair_target;

/** Begin a conformer of n atoms. @return 0, or -1 without memory */
int cg_cpu_repair_begin(cg_cpu_repair *a, int32_t n);
void cg_cpu_repair_finish(cg_cpu_repair *a);

/**
 * Look at an atom that is complete, the last one that is. With `repair` a failing one is moved,
 * with others if it must be; where there is no place for it, the sequence begins anew or is given
 * up.
 * @return nonzero where the sequence was changed
 */
int cg_cpu_repair_atom(cg_cpu_repair *a, const cg_repair_target *at, int repair, int32_t atom);

#endif
