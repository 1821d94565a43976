/* SPDX-License-Identifier: MIT */
/**
 * @file relaxation.h  Somewhere else for atoms that stand where they cannot be, and its text.
 *
 * An atom that fails its tests (geometry.h) is moved to a possible place near the one that was
 * drawn, and the text is written anew from there. The place is found by projection: every distance,
 * volume and torsion that is out of its range asks the moving atoms to go the shortest way that
 * mends it, and each atom goes the mean of what is asked of it, many times (position based
 * dynamics: Müller et al., J. Vis. Commun. Image Represent. 18, 109 (2007), with the averaging of
 * Macklin et al., Motion in Games 2014). Where no place is found for the atom alone, those
 * written before it move too.
 *
 * The functions hold no loop that needs a barrier: threads of a device, or one of the host, call
 * them in turns.
 */
#ifndef CG_SEQUENCE_RELAXATION_H
#define CG_SEQUENCE_RELAXATION_H

#include "sequence/atom_tests.h"

enum {
    CG_RELAXATION_ITERATIONS = 100,
    CG_RELAXATION_LEVELS = 4,
};

/** First of the atoms that move in a level: 0 the last one alone; then more; in the end all. */
static inline CG_HOST_DEVICE int32_t cg_relaxation_first_atom(int32_t atom, int32_t level)
{
    const int32_t also[CG_RELAXATION_LEVELS] = { 0, 3, 15, INT32_MAX };

    return atom > also[level] ? atom - also[level] : 0;
}

/** The first of atoms first to last that is not where it was: from there on the text changes. */
CG_HOST_DEVICE int32_t cg_relaxation_first_moved(const float (*was)[3], const float (*is)[3],
                                                 int32_t first, int32_t last);

/** A sum of what is asked of one atom. Zero first; sums of several threads are added. */
typedef struct cg_correction {
    float by[3]; /* Å */
    int32_t n;   /* how many ask */
    int32_t off; /* nonzero where the atom is not well within the range of a test */
} cg_correction;

/**
 * Add what is asked of atom i while atoms first to last move, those before stand, and those behind
 * are not there. Threads share the work: this is number `thread` of `n_threads`.
 *
 * @param xyz  [last + 1][3] Å
 */
CG_HOST_DEVICE void cg_relaxation_correct(const cg_geometry *g, const float (*xyz)[3],
                                          int32_t first, int32_t last, int32_t i, int32_t thread,
                                          int32_t n_threads, cg_correction *pull);

/** How far the atom goes for it, Å. */
CG_HOST_DEVICE void cg_correction_displacement(const cg_correction *pull, float ret_by[3]);

#endif
