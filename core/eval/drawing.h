/* SPDX-License-Identifier: MIT */
/**
 * @file drawing.h  A grid of a molecule's conformers in SVG.
 *
 * Each cell has a conformer as sticks (sticks.h) and below it generation, energy and checks, as far
 * as the record states them. The drawing is one SVG without scripts, links and fonts; its bytes
 * depend only on the molecule and the options. One scale applies to all cells.
 */
#ifndef CG_EVAL_DRAWING_H
#define CG_EVAL_DRAWING_H

#include "eval/drawn_molecule.h"

typedef enum cg_drawing_align {
    CG_ALIGN_FIRST = 0, /* superposed on the first conformer, which is seen along its principal axes
                         */
    CG_ALIGN_NONE,      /* each conformer is seen along its own principal axes */
} cg_drawing_align;

/**
 * Turns all conformers into view and appends the drawing.
 *
 * @param columns  >= 1; fewer are drawn if there are fewer conformers
 * @return CG_OK; CG_ERR_NOMEM
 */
cg_status cg_drawing_write(cg_drawn_molecule *molecule, int columns, cg_drawing_align align,
                           cg_buf *out, cg_error *err);

/** Turns n centred conformers of n_atoms into view. */
void cg_drawing_turn(size_t n_atoms, size_t n, float (*xyz)[3], cg_drawing_align align);

#endif
