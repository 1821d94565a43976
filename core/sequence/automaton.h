/* SPDX-License-Identifier: MIT */
/**
 * @file automaton.h  Runs a molecule's program over the automaton tables: plain data, no callbacks.
 *
 * The state of a sequence is a few integers and its token array. The functions below access nothing
 * else, so the same code is compiled for host and device. Tokens that are appended but not yet in
 * the KV cache are those from n_kv on: a step treats prompt tokens, sampled tokens and forced
 * tokens alike.
 */
#ifndef CG_SEQUENCE_AUTOMATON_H
#define CG_SEQUENCE_AUTOMATON_H

#include <confgen/constraint.h>

#include <confgen/status.h>

typedef struct cg_sequence {
    int32_t n_tokens;    /* in the token array: prompt, then completion */
    int32_t n_kv;        /* tokens in the KV cache */
    int32_t done;        /* CG_SEQUENCE_* */
    int32_t n_sampled;   /* tokens that were sampled; the others are prompt or forced */
    int32_t field;       /* current field of the program; n_fields when complete */
    int32_t state;       /* automaton state from which the next token is sampled */
    int32_t limit;       /* upper bound of n_tokens */
    int32_t attempt;     /* number of roll-backs so far: part of the RNG counter */
    int32_t is_mirrored; /* the conformer is the mirror image of the text's, in the plane z = 0 */
} cg_sequence;

/** From coordinate k of a sequence's conformer to that of its text, and back. */
static inline CG_HOST_DEVICE float cg_sequence_mirror(const cg_sequence *seq, float x, int32_t k)
{
    return seq->is_mirrored && k == 2 ? -x : x;
}

/** Start of an atom, the point that a roll-back restores. */
typedef struct cg_atom_mark {
    int32_t n_tokens; /* at the atom's first sampled token */
    int32_t n_sampled;
} cg_atom_mark;

enum {
    CG_SEQUENCE_RUNNING = 0,
    CG_SEQUENCE_COMPLETE = 1,
    CG_SEQUENCE_UNFINISHED = 2, /* reached the token limit */
    CG_SEQUENCE_GIVEN_UP = 3,   /* geometry not repaired: sequence/atom_tests.h */
};

/**
 * Starts a sequence: appends the forced tokens before the first field and the tokens of the forced
 * states at its start.
 *
 * @param tokens      [seq->limit]; tokens beyond the limit are not stored
 * @param marks       [n_fields / fields_per_atom] or NULL; written as atoms are reached
 */
CG_HOST_DEVICE void cg_sequence_begin(cg_sequence *seq, const cg_program *program,
                                      const cg_automaton *automaton, int32_t *tokens,
                                      cg_atom_mark *marks);

/** Appends the token of transition `t` of the current state and all forced tokens after it. */
CG_HOST_DEVICE void cg_sequence_advance(cg_sequence *seq, const cg_program *program,
                                        const cg_automaton *automaton, int32_t t, int32_t *tokens,
                                        cg_atom_mark *marks);

/**
 * Index of the first token of a field, given that of its first sampled one: they differ where all
 * texts of the field begin with the same tokens.
 */
CG_HOST_DEVICE int32_t cg_sequence_field_start(const cg_program *program,
                                               const cg_automaton *automaton, int32_t field,
                                               int32_t first_sampled);

/**
 * Rolls the sequence back to the first sampled token of `atom`, which must have been reached
 * (fields_per_atom > 0). Restores token counts, KV length, field and state and increments
 * `attempt`, so the next random numbers differ. The last remaining token is evaluated again for its
 * logits. At atom 0 also clears is_mirrored.
 */
CG_HOST_DEVICE void cg_sequence_roll_back(cg_sequence *seq, const cg_program *program,
                                          const cg_automaton *automaton, int32_t atom,
                                          const cg_atom_mark *marks);

#endif
