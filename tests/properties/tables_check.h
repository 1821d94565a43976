/* SPDX-License-Identifier: MIT */
/** @file tables_check.h  What the tables say, without running them: form, bounds, languages. */
#ifndef CG_TESTS_TABLES_CHECK_H
#define CG_TESTS_TABLES_CHECK_H

#include <confgen/constraint.h>

/** What is known of the states below n_states. Zero first. */
typedef struct tables_facts {
    const cg_automaton *automaton;
    const cg_vocabulary *vocabulary;
    int32_t n_states, cap;
    int32_t *longest;  /* [n_states] tokens of the longest path to CG_EXIT */
    int32_t *shortest; /* [n_states] of the shortest */
    uint64_t *paths;   /* [n_states] how many there are */
    char *color;       /* [n_states] of the search: 0 new, 1 open, 2 done */
    char text[256];    /* what was wrong */
} tables_facts;

void tables_facts_finish(tables_facts *facts);

/**
 * Learn the states that a program needs and that are new. 0 and the reason in facts->text if one of
 * them breaks the rules of constraint.h, lies on a cycle or leads nowhere.
 */
int tables_learn(tables_facts *facts, const cg_program *program);

/** Is the program well-formed, and max_tokens exactly the longest sequence? Its states are known.
 */
int tables_check_program(tables_facts *facts, const cg_program *program, int32_t n_atoms);

/**
 * Do two programs of two automata (or of one) accept the same sequences? Their states may be
 * numbered differently.
 */
int tables_same(const cg_automaton *a, const cg_program *p, const cg_automaton *b,
                const cg_program *q);

#endif
