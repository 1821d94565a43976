/* SPDX-License-Identifier: MIT */
/** @file relaxation_host.h  Relaxation by one host thread, and repair of finished conformers. */
#ifndef CG_SEQUENCE_RELAXATION_HOST_H
#define CG_SEQUENCE_RELAXATION_HOST_H

#include "sequence/relaxation.h"

/**
 * Relaxes atoms `first` to `last`, at most `iterations` times.
 *
 * @param xyz           [last + 1][3] Å
 * @param displacement  [last + 1][3] scratch memory
 * @return 1 as soon as all of them are well within their tests, else 0
 */
int cg_relaxation_run(const cg_geometry *g, float (*xyz)[3], float (*displacement)[3],
                      int32_t first, int32_t last, int32_t iterations);

/**
 * Tests all atoms of a finished conformer and, with `repair`, moves those that fail, and others as
 * far as these need them to, until all pass. A conformer that cannot be repaired stays unchanged.
 *
 * @param xyz      [n_atoms][3] Å
 * @param scratch  [2 * n_atoms][3]
 * @param counts   zeroed; `count`, `moved`, `last_cause` and `last_atom` of the tests before repair
 * @return 1 if all atoms pass; 0
 */
int cg_repair_finished(const cg_geometry *g, int repair, float (*xyz)[3], float (*scratch)[3],
                       cg_repair_counts *counts);

#endif
