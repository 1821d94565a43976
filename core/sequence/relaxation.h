/* SPDX-License-Identifier: MIT */
/**
 * @file relaxation.h  Moves atoms that fail their geometry tests to a nearby valid position.
 *
 * The valid position is found by projection: every distance, volume and torsion out of its range
 * contributes to each moving atom the shortest correction that satisfies it; each atom moves by the
 * mean of its corrections; this is iterated (position-based dynamics: Müller et al., J. Vis.
 * Commun. Image Represent. 18, 109 (2007), with the averaging of Macklin et al., Motion in Games
 * 2014). If no valid position is found for the failing atom alone, atoms before it move too: the
 * move-set level.
 *
 * An atom with the wrong configuration does not start where it was sampled, but at a mirror image:
 * cg_relaxation_find_start(). An atom of the core (atom_tests.h) starts at its place. Core atoms do
 * not move in relaxations, but for the first one while it is the failing atom.
 *
 * No function contains a loop that needs a barrier: the caller (the threads of a block, or one host
 * thread) iterates.
 */
#ifndef CG_SEQUENCE_RELAXATION_H
#define CG_SEQUENCE_RELAXATION_H

#include "sequence/atom_tests.h"

enum { CG_RELAXATION_ALL = 3, CG_RELAXATION_LEVELS = 6 };

/**
 * First atom of the move set of a level; the set ends with the failing atom `atom`. Level 0: only
 * this atom; levels 1 and 2: 3 and 15 more; from level 3 on: all. Levels 4 and 5 start from
 * displaced atoms, to leave a cage of the wrong topology.
 */
static inline CG_HOST_DEVICE int32_t cg_relaxation_first_atom(int32_t atom, int32_t level)
{
    const int32_t n_before[CG_RELAXATION_LEVELS] = { 0, 3, 15, INT32_MAX, INT32_MAX, INT32_MAX };

    return atom > n_before[level] ? atom - n_before[level] : 0;
}

/**
 * Iterations of a level. An atom that finds a valid position alone takes ten on average, so a small
 * move set is given up early. Where all atoms move they may form a cage, which takes more.
 */
static inline CG_HOST_DEVICE int32_t cg_relaxation_iterations(int32_t atom, int32_t level)
{
    const int32_t n[CG_RELAXATION_LEVELS] = { 40, 60, 100, 400, 200, 200 };
    int all = level < CG_RELAXATION_ALL && cg_relaxation_first_atom(atom, level) == 0;

    return n[all ? CG_RELAXATION_ALL : level];
}

/** Where the atoms are when a relaxation starts. */
typedef enum cg_relaxation_origin {
    CG_ORIGIN_SAMPLED = 0,
    CG_ORIGIN_MIRRORED,  /* all atoms, in the plane z = 0 */
    CG_ORIGIN_REFLECTED, /* the failing atom, in the plane of three other atoms */
    CG_ORIGIN_ROTATED,   /* the failing atom, by 180 degrees about the axis of two other atoms */
} cg_relaxation_origin;

typedef struct cg_relaxation_start {
    int32_t level;
    int32_t origin;    /* CG_ORIGIN_* */
    int32_t image;     /* CG_ORIGIN_*, as selected for level 0 */
    int32_t atom[3];   /* of the plane; [0] and [1] of the axis */
    int32_t is_placed; /* the failing atom is one of the core and starts at its place */
    float place[3];    /* Å */
} cg_relaxation_start;

/**
 * Selects the start of level 0 for failing atom `atom`.
 *
 * MIRRORED, if the atom completes the first stereocentres of the text and all of them are
 * inverted. The frame of the text lies in the plane z = 0, so the mirror image is a text too, equal
 * in all distances and as probable for a model that does not distinguish mirror images.
 * REFLECTED, if it completes an inverted stereocentre later: its distances to the other atoms of
 * the centre stay the same. ROTATED, likewise for a double bond. Else SAMPLED.
 *
 * A core atom behind the core's first one is placed. Where it is the first core atom out of the
 * plane of the others, lies on the wrong side of it and no stereocentre was complete before it, the
 * conformer is mirrored too. Other atoms mirror it while the core so far is its own mirror image.
 *
 * @param xyz  [atom + 1][3] Å
 */
CG_HOST_DEVICE cg_relaxation_start cg_relaxation_find_start(const cg_geometry *g,
                                                            const float (*xyz)[3], int32_t atom);

/**
 * Selects the start after a relaxation of `atom` that found no valid position. A reflected or
 * rotated atom that is not valid alone starts where it was sampled on levels 0 to 2, and at its
 * image again when all atoms move. Up to 4 atoms form no cage: their levels end when all of them
 * move.
 *
 * @return 0 after the last one
 */
CG_HOST_DEVICE int cg_relaxation_next_start(cg_relaxation_start *start, int32_t atom);

/** First of the atoms that the start or the relaxation after it moves. */
static inline CG_HOST_DEVICE int32_t cg_relaxation_first_placed(const cg_relaxation_start *start,
                                                                int32_t atom)
{
    return start->origin == CG_ORIGIN_MIRRORED ? 0 : cg_relaxation_first_atom(atom, start->level);
}

/** Is the start a mirror image of the whole text, or a place in the core, which may be valid as it
 * is? */
static inline CG_HOST_DEVICE int cg_relaxation_is_image(const cg_relaxation_start *start)
{
    return (start->origin == CG_ORIGIN_MIRRORED || start->is_placed) && start->level == 0;
}

/** Position of atom i, 0 to `atom`, at the start, Å. */
CG_HOST_DEVICE void cg_relaxation_start_position(const cg_geometry *g,
                                                 const cg_relaxation_start *start,
                                                 const float (*xyz)[3], int32_t atom, int32_t i,
                                                 float ret_position[3]);

/**
 * Configuration of the stereocentre or double bond of a test: 1 as requested, -1 the opposite one;
 * 0 for other tests.
 */
CG_HOST_DEVICE int cg_relaxation_configuration(const cg_geometry_test *test, const float (*xyz)[3]);

/** First of the atoms `first` to `last` that moved, else `last`. */
CG_HOST_DEVICE int32_t cg_relaxation_first_moved(const float (*before)[3], const float (*after)[3],
                                                 int32_t first, int32_t last);

/**
 * Accepts the positions that the relaxation from `start` has found: counts the atoms that moved. If
 * it started from the mirror image of all atoms and numbers are signed, seq->is_mirrored changes in
 * place of the text, and `before` becomes the image.
 *
 * @param before, after  [last + 1][3] Å
 * @return the first atom whose text changes; last + 1 if none does
 */
CG_HOST_DEVICE int32_t cg_relaxation_accept(const cg_relaxation_start *start,
                                            const cg_number_format *format, int32_t last,
                                            float (*before)[3], const float (*after)[3],
                                            cg_sequence *seq, cg_repair_counts *counts);

/** Corrections of one atom. Zero first; those of several threads are added. */
typedef struct cg_correction {
    float sum[3];        /* Å */
    int32_t n;           /* corrections in the sum */
    int32_t unsatisfied; /* nonzero if the atom is not well within the range of a test */
} cg_correction;

/**
 * Adds the corrections of atom i while atoms `first` to `last` move; atoms before them and those of
 * the core are fixed, atoms after them do not exist yet. A fixed atom gets no corrections, but may
 * be unsatisfied. Threads share the work: this is thread `thread` of
 * `n_threads`.
 *
 * @param xyz  [last + 1][3] Å
 */
CG_HOST_DEVICE void cg_relaxation_correct(const cg_geometry *g, const float (*xyz)[3],
                                          int32_t first, int32_t last, int32_t i, int32_t thread,
                                          int32_t n_threads, cg_correction *correction);

/** Displacement of the atom in this iteration, Å: the over-relaxed, bounded mean. */
CG_HOST_DEVICE void cg_correction_displacement(const cg_correction *correction,
                                               float ret_displacement[3]);

#endif
