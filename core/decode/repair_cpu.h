/* SPDX-License-Identifier: MIT */
/** @file repair_cpu.h  Tests and repairs the atoms of a sequence of the CPU executor. */
#ifndef CG_DECODE_REPAIR_CPU_H
#define CG_DECODE_REPAIR_CPU_H

#include "sequence/number_path.h"
#include "sequence/relaxation.h"

/** Zero first. */
typedef struct cg_cpu_repair {
    cg_repair_counts counts;
    float (*xyz)[3]; /* [3 * atoms] Å: as in the text; as relaxed; displacements */
    size_t cap;
} cg_cpu_repair;

/** A sequence and its tests. Borrowed. */
typedef struct cg_repair_target {
    cg_sequence_text text;
    const cg_geometry *geometry;
    int32_t restart_limit;
} cg_repair_target;

/** Starts a conformer of n atoms. @return 0, or -1 if out of memory */
int cg_cpu_repair_begin(cg_cpu_repair *r, int32_t n);
void cg_cpu_repair_finish(cg_cpu_repair *r);

/**
 * Tests `atom`, the last completed one. With `repair`, a failing atom is moved, together with
 * earlier ones if necessary, and their text is rewritten, unless all are only mirrored
 * (cg_relaxation_accept()); if that fails, the sequence restarts or is given up.
 *
 * @return nonzero if the text was rolled back or the sequence given up
 */
int cg_cpu_repair_atom(cg_cpu_repair *r, const cg_repair_target *target, int repair, int32_t atom);

#endif
