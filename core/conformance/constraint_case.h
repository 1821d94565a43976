/* SPDX-License-Identifier: MIT */
/**
 * @file constraint_case.h  A constraint over one vocabulary and number format, with the programs of
 * some molecules.
 */
#ifndef CG_CONFORMANCE_CONSTRAINT_CASE_H
#define CG_CONFORMANCE_CONSTRAINT_CASE_H

#include "constraint/table_facts.h"
#include "test_case.h"

typedef struct constraint_case {
    test_recorder *rec;
    test_host *host;
    const cg_constraint_ops *ops;
    const cg_vocabulary *vocabulary;
    const cg_text_format *format;
    const cg_literals *molecules;    /* [n_molecules] borrowed */
    const char *const *names;        /* [n_molecules] for messages; NULL: numbers */
    int32_t n_molecules, may_refuse; /* may_refuse: the format or a molecule, with a reason */
    int32_t any_form;                /* tables and programs are not checked */
    /* of an open case */
    void *self;
    cg_table_facts facts;
    cg_program **program; /* [n_molecules] NULL: refused */
    const cg_automaton *automaton;
    cg_literals *lent; /* of the last compile() */
} constraint_case;

/** The features that the plugin declares; those that include others with these. */
uint32_t constraint_features(const constraint_case *c);

/**
 * Are sequences texts of the molecule? Declared, or because fields are coordinates, which is as
 * much without the feature: then a number may be a negative zero.
 */
int constraint_is_exact(const constraint_case *c);

/** Name of molecule i for messages; valid until the next call. */
const char *constraint_molecule(const constraint_case *c, int32_t i);

/**
 * Creates the constraint, compiles all molecules and, unless any_form is set, records whether
 * tables and programs have the form that constraint.h demands.
 *
 * @return 1; 0 if the format is refused, with a reason, or if a case failed. constraint_close() in
 *         any case.
 */
int constraint_open(constraint_case *c);
void constraint_close(constraint_case *c);

/** Records whether a program of `n_atoms` atoms has the form that constraint.h demands. */
int constraint_check_program(constraint_case *c, const cg_program *p, int32_t n_atoms,
                             const char *molecule);

/** Records whether max_tokens is at most the bytes of the longest sequence, if that has a bound. */
void constraint_check_bound(constraint_case *c, const cg_program *p, const char *molecule);

/** Records whether tables of compiled programs stay as they are while others are compiled. */
void constraint_check_growth(constraint_case *c);

/* ---- sequences ----------------------------------------------------------------------------- */

/** How a sequence selects among the transitions of a state. */
enum constraint_selection { SELECT_FIRST, SELECT_LAST, SELECT_LONGEST, SELECT_ANY };

/** A sequence. Zero first; constraint_sequence_finish() releases. */
typedef struct constraint_sequence {
    int32_t *token;  /* [n_tokens] */
    uint32_t *end;   /* [n_tokens] of each token in text */
    cg_range *field; /* [n_fields] tokens of each field */
    char *text;      /* [len] terminated */
    uint32_t len;
    int32_t n_tokens, cap, is_complete; /* 0: cut at max_tokens */
} constraint_sequence;

/** Generates a sequence of a program. Aborts when out of memory. */
void constraint_generate(constraint_case *c, const cg_program *p,
                         enum constraint_selection selection, constraint_sequence *s);
void constraint_sequence_finish(constraint_sequence *s);

/* ---- checks of the meaning ----------------------------------------------------------------- */

/** Records whether forced tokens are parts of the molecule's text. */
void constraint_check_forced(constraint_case *c);
/** constraint_is_exact(): records whether sequences are texts of the molecule. */
void constraint_check_exact(constraint_case *c);
/** CG_CONSTRAINT_CANONICAL: records whether their tokens are the canonical ones. */
void constraint_check_canonical(constraint_case *c);
/** CG_CONSTRAINT_ALL_NUMBERS: records whether each number has exactly one path. */
void constraint_check_numbers(constraint_case *c);

#endif
