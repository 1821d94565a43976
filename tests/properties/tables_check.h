/* SPDX-License-Identifier: MIT */
/** @file tables_check.h  Static checks of automata and programs: form, bounds, languages. */
#ifndef CG_TESTS_TABLES_CHECK_H
#define CG_TESTS_TABLES_CHECK_H

#include <confgen/constraint.h>

/** Properties of the states below n_states. Zero first. */
typedef struct tables_facts {
    const cg_automaton *automaton;
    const cg_vocabulary *vocabulary;
    int32_t n_states, cap;
    int32_t *longest;  /* [n_states] tokens of the longest path to CG_EXIT */
    int32_t *shortest; /* [n_states] tokens of the shortest path */
    uint64_t *paths;   /* [n_states] number of paths */
    char *color;       /* [n_states] of the search: 0 new, 1 open, 2 done */
    char text[256];    /* the first violation */
} tables_facts;

void tables_facts_finish(tables_facts *facts);

/**
 * Computes the properties of the new states that a program needs. Returns 0 and the reason in
 * facts->text if one of them violates constraint.h, is on a cycle or does not reach CG_EXIT.
 */
int tables_learn(tables_facts *facts, const cg_program *program);

/**
 * Returns whether the program is well-formed and max_tokens is the length of the longest sequence;
 * after tables_learn().
 */
int tables_check_program(tables_facts *facts, const cg_program *program, int32_t n_atoms);

/**
 * Returns whether two programs of two automata (or of one) accept the same sequences. Their states
 * may be numbered differently.
 */
int tables_same(const cg_automaton *a, const cg_program *p, const cg_automaton *b,
                const cg_program *q);

#endif
