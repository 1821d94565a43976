/* SPDX-License-Identifier: MIT */
/** @file core_frame.h  Moves finished conformers into the frame of their core. */
#ifndef CG_ENGINE_CORE_FRAME_H
#define CG_ENGINE_CORE_FRAME_H

#include "format/number_format.h"
#include "template/kept_core.h"

/**
 * Can numbers of this format hold a core's shape?
 *
 * @param ret_tolerance  Å: cg_geometry.core_tolerance: places are as exact as the text allows
 * @return 1; 0 for bins, codes, and numbers of 0.01 Å or more
 */
int cg_core_tolerance(const cg_number_format *format, float *ret_tolerance);

/**
 * Superposes a conformer on the core, by the core's atoms, and gives these the core's coordinates.
 *
 * @param n    atoms of xyz, at least those of the molecule
 * @param xyz  [n][3] Å
 */
void cg_core_superpose(const cg_kept_core *kept, size_t n, double (*xyz)[3]);

/** Gives the core's atoms the core's coordinates. */
void cg_core_restore(const cg_kept_core *kept, double (*xyz)[3]);

#endif
