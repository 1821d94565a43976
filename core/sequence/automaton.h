/* SPDX-License-Identifier: MIT */
/**
 * @file automaton.h  Running a program over the automaton tables: plain data, no callbacks.
 *
 * The state of one sequence is a handful of integers and its token array, and both functions below
 * touch nothing else, so that they are the same few lines on any device. Tokens that are appended
 * but not yet in the KV cache are simply those from n_kv on: a prompt, a sampled token and the
 * forced tokens behind it are all the same to the step.
 */
#ifndef CG_SEQUENCE_AUTOMATON_H
#define CG_SEQUENCE_AUTOMATON_H

#include <confgen/constraint.h>

#include <confgen/host_device.h>

typedef struct cg_sequence {
    int32_t n_tokens;  /* in the token array: prompt, then the completion */
    int32_t n_kv;      /* of them in the KV cache */
    int32_t n_sampled; /* of them sampled, the rest is prompt or forced */
    int32_t field;     /* of the program, n_fields when complete */
    int32_t state;     /* of the automaton, in which the next token is to be sampled */
    int32_t limit;     /* n_tokens may not pass it */
    int32_t attempt;   /* roll-backs so far: part of the random counter */
    int32_t done;      /* CG_SEQUENCE_* */
} cg_sequence;

/** Where an atom began: what roll-back restores. */
typedef struct cg_atom_mark {
    int32_t n_tokens; /* at its first choice */
    int32_t n_sampled;
} cg_atom_mark;

enum {
    CG_SEQUENCE_RUNNING = 0,
    CG_SEQUENCE_COMPLETE = 1,
    CG_SEQUENCE_UNFINISHED = 2, /* the limit was reached first */
    CG_SEQUENCE_GIVEN_UP = 3,   /* its geometry could not be repaired: decode/geometry.h */
};

/**
 * Append the forced tokens at the start of a program: its first span and the forced states after
 * it.
 *
 * @param tokens      [seq->limit]; tokens beyond the limit are not stored
 * @param marks       [n_fields / fields_per_atom] or NULL: written as the atoms are reached
 */
CG_HOST_DEVICE void cg_sequence_begin(cg_sequence *seq, const cg_program *program,
                                      const cg_automaton *automaton, int32_t *tokens,
                                      cg_atom_mark *marks);

/** Append the token of transition `t` of the current state and all that is forced behind it. */
CG_HOST_DEVICE void cg_sequence_advance(cg_sequence *seq, const cg_program *program,
                                        const cg_automaton *automaton, int32_t t, int32_t *tokens,
                                        cg_atom_mark *marks);

/**
 * Go back to the first choice of `atom`, which must have been reached (fields_per_atom > 0): token
 * counts, KV length, field and state are what they were there, and `attempt` is one more, so that
 * the next draws differ. The last kept token is evaluated again, for its logits.
 */
CG_HOST_DEVICE void cg_sequence_roll_back(cg_sequence *seq, const cg_program *program,
                                          const cg_automaton *automaton, int32_t atom,
                                          const cg_atom_mark *marks);

#endif
