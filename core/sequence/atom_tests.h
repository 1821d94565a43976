/* SPDX-License-Identifier: MIT */
/**
 * @file atom_tests.h  Is the atom that was just written possible? If not, write it again.
 *
 * When the coordinates of an atom are complete, they are tested against those of the atoms before
 * it: distances, the sense of stereocentres and double bonds, flatness of aromatic rings. What to
 * test is data, compiled once a molecule (template/geometry_tables.h); the functions here are the
 * same few lines on any device, as those of automaton.h, and touch the sequence's own memory alone.
 *
 * An atom that fails is moved to a possible place and written anew (placing.h, writing.h). Where
 * there is none, the sequence begins anew, a bounded number of times: cg_sequence_restart().
 */
#ifndef CG_SEQUENCE_ATOM_TESTS_H
#define CG_SEQUENCE_ATOM_TESTS_H

#include "sequence/automaton.h"
#include "sequence/token_number.h"

typedef enum cg_geometry_mode {
    CG_GEOMETRY_OFF = 0,
    CG_GEOMETRY_COUNT,  /* test and count */
    CG_GEOMETRY_REPAIR, /* and mend */
} cg_geometry_mode;

/** Why an atom fails. Of several causes the first one counts. */
typedef enum cg_fault_cause {
    CG_CAUSE_NONE = 0,
    CG_CAUSE_BOND,      /* a bond is too long or too short */
    CG_CAUSE_ANGLE,     /* two neighbours of an atom are too near or too far */
    CG_CAUSE_CLASH,     /* other atoms are too near */
    CG_CAUSE_STRETCHED, /* or so far that the bonds between them cannot be */
    CG_CAUSE_CENTRE,    /* a stereocentre has the wrong sense or none */
    CG_CAUSE_DOUBLE,    /* a double bond has the wrong sense or is twisted */
    CG_CAUSE_RING,      /* an aromatic ring is not flat */
    CG_CAUSES,
} cg_fault_cause;

/** "bond", "angle", "clash", "stretched", "centre", "double_bond", "ring"; static storage. */
const char *cg_fault_cause_name(cg_fault_cause cause);

enum {
    CG_TEST_VOLUME = 0,  /* v1 . (v2 x v3) in Å^3; v: from atom[0] to atom[1], [2], [3] */
    CG_TEST_TORSION = 1, /* cosine of the torsion atom[0]-[1]-[2]-[3] */
    CG_TEST_FLAT = 2,    /* its square: cis or trans */
};

/**
 * A figure of four atoms, at least `low` and at most `high`. What mends it (placing.h) takes
 * volumes to be of one sign, and torsions to be cis (`low` above 0, no `high`) or trans (the
 * reverse).
 */
typedef struct cg_geometry_test {
    int32_t atom[4];
    int32_t kind;  /* CG_TEST_* */
    int32_t cause; /* CG_CAUSE_* */
    float low, high;
} cg_geometry_test;

/**
 * The tests of a molecule, atoms in the order in which they are written. The arrays lie in one
 * block of memory: cg_geometry_bind().
 */
typedef struct cg_geometry {
    int32_t n_atoms;
    int32_t n_tests;
    int32_t n_unchecked; /* senses that the SMILES asks for and no test can see */
    /* squared distance of atoms i and j < i at [i (i - 1) / 2 + j], Å^2 */
    const float *low2, *high2;
    const int32_t *test_start; /* [n_atoms + 1] tests that atom i completes */
    const cg_geometry_test *tests;
    const int8_t *pair_cause; /* of a distance below its bounds, or out of them */
} cg_geometry;

/** Bytes of the block. n_atoms is at most 4096. */
size_t cg_geometry_size(int32_t n_atoms, int32_t n_tests);
/** Point the arrays of `g`, whose counts are set, into a block at `memory` (any device's). */
void cg_geometry_bind(cg_geometry *g, const void *memory);

/**
 * Read an atom's coordinates back.
 * @param tokens    [n] from the first choice of the atom on; what follows the atom is skipped
 * @param token_numbers  by token id
 * @param ret_xyz   zero what is not there
 * @return 1; 0 where there are not three numbers
 */
CG_HOST_DEVICE int cg_geometry_read_xyz(const int32_t *tokens, int32_t n,
                                        const cg_token_number *token_numbers, float ret_xyz[3]);

/* A fault: its cause, and of the atoms that the test looks at the last one before the tested atom.
 */
#define CG_FAULT(cause, atom) ((int32_t)(cause) << 16 | (atom))
#define CG_FAULT_NONE         CG_FAULT(CG_CAUSES, 0)
#define CG_FAULT_CAUSE(fault) ((fault) == CG_FAULT_NONE ? CG_CAUSE_NONE : (fault) >> 16)
#define CG_FAULT_ATOM(fault)  ((fault)&0xffff)

/**
 * Test atom `atom`, the last one that is written. Threads share the work: this is number `thread`
 * of `n_threads`, and the least of their results is the atom's.
 *
 * @param xyz  [atom + 1][3] Å
 * @return CG_FAULT_NONE, or the cause and where to look for it: CG_FAULT_CAUSE(), CG_FAULT_ATOM()
 */
CG_HOST_DEVICE int32_t cg_geometry_test_atom(const cg_geometry *g, const float (*xyz)[3],
                                             int32_t atom, int32_t thread, int32_t n_threads);

/** What became of a sequence's atoms. Zero first. */
typedef struct cg_repair_counts {
    int32_t count[CG_CAUSES]; /* atoms that were tested: [0] passed, the others failed, by cause */
    int32_t moved;            /* atoms whose coordinates were written anew (placing.h) */
    int32_t wasted;           /* tokens that were appended and taken back */
    int32_t restarts;         /* how often it began anew, where no place was found */
} cg_repair_counts;

enum { CG_REPAIR_COUNTS_TEXT = 128 };

/** "bond=2 centre=1", or "none": what failed, by cause. Terminated. */
void cg_repair_counts_text(const cg_repair_counts *r, char *ret_text, size_t cap);

enum { CG_MAX_RESTARTS = 8 }; /* then a sequence is given up */

/** How often a sequence may begin anew: greedy sampling would draw the same again. */
static inline int32_t cg_restart_limit(int32_t greedy)
{
    return greedy ? 0 : CG_MAX_RESTARTS;
}

/**
 * There is no place for an atom: begin anew with other random numbers, or after `most` times give
 * up. A sequence that a limit has cut stays as it is.
 */
CG_HOST_DEVICE void cg_sequence_restart(cg_repair_counts *r, int32_t most, cg_sequence *seq,
                                        const cg_program *prog, const cg_automaton *aut,
                                        const cg_atom_mark *marks);

#endif
