/* SPDX-License-Identifier: MIT */
/** @file checked_constraint.h  A constraint in use: what it compiles is checked at once. */
#ifndef CG_CONSTRAINT_CHECKED_CONSTRAINT_H
#define CG_CONSTRAINT_CHECKED_CONSTRAINT_H

#include <confgen/constraint.h>

typedef struct cg_checked_constraint cg_checked_constraint;

/**
 * Checks the automaton of `self`, which the constraint's create() has returned.
 *
 * @param name        of the plugin, for messages; borrowed as the vocabulary
 * @return CG_OK; CG_ERR_PLUGIN if it violates constraint.h; CG_ERR_NOMEM. On failure
 * *ret_constraint is unchanged.
 */
cg_status cg_checked_constraint_create(const char *name, const cg_constraint_ops *ops, void *self,
                                       const cg_vocabulary *vocabulary,
                                       cg_checked_constraint **ret_constraint, cg_error *err);
/** The tables, which later programs are checked against. Owned by the constraint. */
const cg_automaton *cg_checked_constraint_automaton(const cg_checked_constraint *constraint);
/** The name given to create(). */
const char *cg_checked_constraint_name(const cg_checked_constraint *constraint);
void cg_checked_constraint_destroy(cg_checked_constraint *constraint); /* accepts NULL */

/**
 * Compiles a molecule and checks the program and all that is new in the tables. The caller frees
 * the program with cg_checked_constraint_release().
 *
 * @return as cg_constraint_ops.compile(); CG_ERR_PLUGIN if the result violates constraint.h
 * Thread: any.
 */
cg_status cg_checked_constraint_compile(cg_checked_constraint *constraint, const cg_literals *text,
                                        cg_program **ret_program, cg_error *err);

/** Frees a program; accepts NULL. Thread: any. */
void cg_checked_constraint_release(cg_checked_constraint *constraint, cg_program *program);

#endif
