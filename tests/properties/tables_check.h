/* SPDX-License-Identifier: MIT */
/** @file tables_check.h  Static checks of automata and programs: form, bounds, languages. */
#ifndef CG_TESTS_TABLES_CHECK_H
#define CG_TESTS_TABLES_CHECK_H

#include "constraint/table_facts.h"

/** Properties of the states below n_states. Zero first. */
typedef struct tables_facts {
    const cg_automaton *automaton;
    const cg_vocabulary *vocabulary;
    int32_t n_states, cap;
    cg_table_facts form; /* with `longest` of each state */
    int32_t *shortest;   /* [n_states] tokens of the shortest path */
    uint64_t *paths;     /* [n_states] number of paths */
    char *color;         /* [n_states] of the search: 0 new, 1 open, 2 done */
    char text[256];      /* the first violation */
} tables_facts;

void tables_facts_finish(tables_facts *facts);

/**
 * Checks a program and computes the properties of the new states that it needs. Returns 0 and the
 * reason in facts->text if one of them violates constraint.h, if a state is on a cycle, or if
 * max_tokens is not the length of the longest sequence.
 */
int tables_learn(tables_facts *facts, const cg_program *program, int32_t n_atoms);

/**
 * Returns whether two programs of two automata (or of one) accept the same sequences. Their states
 * may be numbered differently.
 */
int tables_same(const cg_automaton *a, const cg_program *p, const cg_automaton *b,
                const cg_program *q);

#endif
