/* SPDX-License-Identifier: MIT */
/**
 * @file table_facts.h  Checks of what a constraint has compiled: automaton tables and programs.
 *
 * The executors follow the tables without testing an index: a wrong one reads foreign memory, on
 * the host or on a GPU, and a state without a path to CG_EXIT never ends. So everything that
 * constraint.h promises about tables and programs is tested once, when a program has been compiled.
 * Tables only grow, and so do the facts about them: each state is tested once.
 */
#ifndef CG_CONSTRAINT_TABLE_FACTS_H
#define CG_CONSTRAINT_TABLE_FACTS_H

#include <confgen/constraint.h>

enum { CG_NO_BOUND = INT32_MAX }; /* in `longest`: a cycle can be reached */

/**
 * Facts about the states that have been checked. Zeroed but for automaton and vocabulary, which are
 * borrowed. The first n states of an automaton are a table of their own if they lead to none behind
 * them.
 */
typedef struct cg_table_facts {
    const cg_automaton *automaton;
    const cg_vocabulary *vocabulary;
    int32_t n_states, n_head_rows; /* checked so far */
    int32_t cap_states;
    int32_t *needed_states;    /* [n_states + 1] states that the first i ones lead to, and i */
    int32_t *needed_head_rows; /* [n_states + 1] head rows of the first i states */
    int32_t *longest;          /* [n_states] tokens of the longest path to CG_EXIT, CG_NO_BOUND */
} cg_table_facts;

/**
 * Checks the sizes and pointers of an automaton, whose tables may still be empty. Call it before
 * the functions below.
 *
 * @return CG_OK; CG_ERR_PLUGIN with what was found and what was wanted
 */
cg_status cg_check_automaton(const cg_automaton *automaton, cg_error *err);

/**
 * Checks a program and the states that it needs. Takes time and memory in proportion to what is
 * new.
 *
 * @param n_atoms  of the literals that it was compiled from
 * @return CG_OK; CG_ERR_PLUGIN with what was found and what was wanted; CG_ERR_NOMEM
 */
cg_status cg_check_program(cg_table_facts *facts, const cg_program *program, int32_t n_atoms,
                           cg_error *err);

void cg_table_facts_finish(cg_table_facts *facts); /* accepts zeroed structs */

#endif
