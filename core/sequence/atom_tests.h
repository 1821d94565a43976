/* SPDX-License-Identifier: MIT */
/**
 * @file atom_tests.h  Geometry tests of each atom as soon as its coordinates are generated.
 *
 * A completed atom is tested against the atoms before it: distances, angles, configuration of
 * stereocentres and double bonds, flatness of aromatic rings. The tests are data, compiled once per
 * molecule (template/geometry_tables.h). Like those of automaton.h, the functions here are compiled
 * for host and device and access only the memory of one sequence.
 *
 * An atom that fails a test is moved to a valid position and its text is rewritten, unless the
 * conformer is only mirrored (relaxation.h, number_path.h). If that fails, the sequence restarts, a
 * bounded number of times: cg_sequence_restart().
 */
#ifndef CG_SEQUENCE_ATOM_TESTS_H
#define CG_SEQUENCE_ATOM_TESTS_H

#include "format/number_format.h"
#include "sequence/automaton.h"
#include "sequence/number_symbols.h"

typedef enum cg_geometry_mode {
    CG_GEOMETRY_OFF = 0,
    CG_GEOMETRY_COUNT,  /* test atoms and count the failures */
    CG_GEOMETRY_REPAIR, /* test, count and repair */
} cg_geometry_mode;

/** Cause of a failed test, in order of precedence: the first one is reported. */
typedef enum cg_fault_cause {
    CG_CAUSE_NONE = 0,
    CG_CAUSE_BOND,      /* a bond is too long or too short */
    CG_CAUSE_ANGLE,     /* an angle is out of its range, or a trigonal atom is pyramidal */
    CG_CAUSE_CLASH,     /* other atoms are too close */
    CG_CAUSE_STRETCHED, /* other atoms are farther apart than the bond path between them allows */
    CG_CAUSE_CENTRE,    /* a stereocentre has the wrong configuration or is flat */
    CG_CAUSE_DOUBLE,    /* a double bond has the wrong configuration or is twisted */
    CG_CAUSE_RING,      /* an aromatic ring is not flat */
    CG_CAUSE_CORE,      /* an atom of the core is not at its place */
    CG_CAUSES,
} cg_fault_cause;

/** "bond", "angle", "clash", "stretched", "centre", "double_bond", "ring", "core"; static storage.
 */
const char *cg_fault_cause_name(cg_fault_cause cause);

enum {
    CG_TEST_VOLUME = 0,  /* v1 . (v2 x v3) in Å^3; v: from atom[0] to atom[1], [2], [3] */
    CG_TEST_TORSION = 1, /* cosine of the torsion atom[0]-[1]-[2]-[3] */
    CG_TEST_FLAT = 2,    /* square of that cosine: either cis or trans passes */
    CG_TEST_ANGLE = 3,   /* cosine of the angle atom[0]-[1]-[2]; atom[3] is CG_NO_ATOM */
};

enum { CG_NO_ATOM = -1 };

/**
 * A quantity of three or four atoms that must lie in [low, high]. Relaxation requires volumes of
 * one sign or of a symmetric range, and torsions that are cis (`low` > 0, no `high`) or trans (the
 * reverse).
 */
typedef struct cg_geometry_test {
    int32_t atom[4];
    int32_t kind;  /* CG_TEST_* */
    int32_t cause; /* CG_CAUSE_* */
    float low, high;
} cg_geometry_test;

/**
 * The place of an atom of the core, a substructure whose shape is given, in the frame of the three
 * reference atoms: the first at the origin, the second on +x, the third in the xy plane with y > 0.
 */
typedef struct cg_core_place {
    float at[3];     /* Å */
    int32_t is_core; /* 0: the atom is free */
} cg_core_place;

enum { CG_CORE_REFERENCES = 3 };

/**
 * The tests of a molecule, atoms in the order of the text. The arrays are in one block of memory:
 * cg_geometry_bind().
 */
typedef struct cg_geometry {
    int32_t n_atoms;
    int32_t n_tests;
    int32_t first_centre; /* first atom that completes a stereocentre's test; n_atoms if none */
    int32_t n_untested;   /* stereo configurations of the SMILES that no test covers */
    /* The core. No bounds or tests are of its atoms alone: cg_core_find_place() says where the
     * atoms behind the first one belong. Repair moves the other atoms. */
    int32_t n_core;                             /* its atoms; 0: there is none */
    int32_t core_reference[CG_CORE_REFERENCES]; /* ascending; the first is the core's first atom */
    int32_t core_off_plane; /* first core atom out of the xy plane; n_atoms if none */
    float core_tolerance;   /* Å from its place at which an atom of the core passes */
    /* bounds of the squared distance of atoms i and j < i at [i (i - 1) / 2 + j], Å^2 */
    const float *low2, *high2;
    const int32_t *test_start; /* [n_atoms + 1] offsets of the tests that atom i completes */
    const cg_core_place *core; /* [n_atoms] if n_core > 0 */
    const cg_geometry_test *tests;
    /* cause of a distance out of its bounds, indexed as low2; a CLASH pair farther apart than its
     * upper bound is reported as STRETCHED */
    const int8_t *pair_cause;
} cg_geometry;

enum { CG_GEOMETRY_MAX_ATOMS = 4096 };

/** Bytes of the block. n_atoms is at most CG_GEOMETRY_MAX_ATOMS; has_core: n_core > 0. */
size_t cg_geometry_size(int32_t n_atoms, int32_t n_tests, int has_core);
/** Points the arrays of `g`, whose counts are set, into a block at `memory` (of any device). */
void cg_geometry_bind(cg_geometry *g, const void *memory);

/** A sequence, its text and the tables that govern it. Borrowed. */
typedef struct cg_sequence_text {
    const cg_automaton *automaton;
    const cg_token_number *token_numbers; /* [vocabulary] */
    const cg_number_format *number_format;
    const cg_program *program;
    cg_sequence *seq;
    int32_t *tokens;
    cg_atom_mark *marks;
} cg_sequence_text;

/**
 * Reads the coordinates of atom `atom` back from its tokens.
 *
 * @param ret_xyz  Å, of the conformer; missing numbers are 0
 * @return 1; 0 if there are not three numbers
 */
CG_HOST_DEVICE int cg_geometry_read_atom(const cg_sequence_text *text, int32_t atom,
                                         float ret_xyz[3]);

/**
 * Reads three coordinates.
 *
 * @param tokens   [n]; those after the third number are ignored
 * @param is_text  1: what precedes CG_SYMBOL_BEGIN is no number; 0: the first token may belong to a
 *                 number
 */
CG_HOST_DEVICE int cg_geometry_read_xyz(const int32_t *tokens, int32_t n,
                                        const cg_token_number *token_numbers,
                                        const cg_number_format *format, int is_text,
                                        float ret_xyz[3]);

/* A fault packs its cause and the highest-numbered other atom of the failed test. The least fault
 * is reported: causes in order of precedence, then the lowest atom. */
#define CG_FAULT(cause, atom) ((int32_t)(cause) << 16 | (atom))
#define CG_FAULT_NONE         CG_FAULT(CG_CAUSES, 0)
#define CG_FAULT_CAUSE(fault) ((fault) == CG_FAULT_NONE ? CG_CAUSE_NONE : (fault) >> 16)
#define CG_FAULT_ATOM(fault)  ((fault)&0xffff)

/** Is atom i one of the core? */
static inline CG_HOST_DEVICE int cg_geometry_is_core(const cg_geometry *g, int32_t i)
{
    return g->n_core > 0 && g->core[i].is_core;
}

/**
 * Finds the place of a core atom behind the first one. Where fewer than three reference atoms come
 * before it, the free directions are those in which it lies: it stays on its side.
 *
 * @param xyz       [atom + 1][3] Å
 * @param mirrored  1: the place in the mirror image of the core
 */
CG_HOST_DEVICE void cg_core_find_place(const cg_geometry *g, const float (*xyz)[3], int32_t atom,
                                       int mirrored, float ret_place[3]);

/** Does the quantity of a test lie in its range? `xyz` has its atoms, Å. */
CG_HOST_DEVICE int cg_geometry_test_passes(const cg_geometry_test *test, const float (*xyz)[3]);

/**
 * Tests atom `atom`, the last one in the text so far. Threads share the work: this is thread
 * `thread` of `n_threads`; the minimum of their results is the result for the atom.
 *
 * @param xyz  [atom + 1][3] Å
 * @return CG_FAULT_NONE or a fault: CG_FAULT_CAUSE(), CG_FAULT_ATOM()
 */
CG_HOST_DEVICE int32_t cg_geometry_test_atom(const cg_geometry *g, const float (*xyz)[3],
                                             int32_t atom, int32_t thread, int32_t n_threads);

/** Counters of a sequence's tests and repairs. Zero first. */
typedef struct cg_repair_counts {
    int32_t count[CG_CAUSES]; /* tested atoms: [0] passed, the others failed, by cause */
    int32_t moved;            /* atoms that repair moved, mirrored ones with z != 0 included */
    int32_t wasted;           /* tokens that were appended and discarded */
    int32_t restarts;         /* restarts of the conformer after a failed repair */
    int32_t last_cause;       /* CG_CAUSE_* of the last failed atom; 0 if none failed */
    int32_t last_atom;        /* that atom, in the order of the text */
    /* a field for whose numbers the automaton has no path, plus 1; 0: none. It ends the sequence.
     */
    int32_t unwritten_field;
    float unwritten_xyz[3]; /* Å, of the field's atom in the text */
} cg_repair_counts;

enum { CG_REPAIR_COUNTS_TEXT = 160 };

/** Failures by cause: "bond=2 centre=1", or "none". Terminated. */
void cg_repair_counts_text(const cg_repair_counts *r, char *ret_text, size_t cap);

enum { CG_MAX_RESTARTS = 8 }; /* then the sequence is given up */

/** Permitted restarts of a sequence. None with greedy sampling: the tokens would be the same. */
static inline int32_t cg_restart_limit(int32_t greedy)
{
    return greedy ? 0 : CG_MAX_RESTARTS;
}

/**
 * Restarts a sequence whose repair failed, with other random numbers; after `limit` restarts, or if
 * the constraint has no path for a number, gives it up instead. A sequence that reached its token
 * limit stays unchanged.
 */
CG_HOST_DEVICE void cg_sequence_restart(cg_repair_counts *r, int32_t limit, cg_sequence *seq,
                                        const cg_program *prog, const cg_automaton *aut,
                                        const cg_atom_mark *marks);

#endif
