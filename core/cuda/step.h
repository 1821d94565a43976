/* SPDX-License-Identifier: MIT */
/**
 * @file step.h  The step on the device: slots, automaton, sampling. No host in the loop.
 *
 * A step is  gather -> forward pass -> sample.  `gather` compacts what all slots have waiting into
 * the token budget; `sample` draws a token for each sequence whose tokens are all in the cache, and
 * appends it with all that the automaton forces behind it. Both read and write device memory alone,
 * so a step is captured once and replayed. What the host must hear - an ended sequence, a ready
 * prompt, counts - is written to pinned memory of the host.
 *
 * Calls queue on `stream`.
 */
#ifndef CG_CUDA_STEP_H
#define CG_CUDA_STEP_H

#include <confgen/sampling.h>

#include "gpu_device.h"
#include "sequence/atom_tests.h"
#include "sequence/rng.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { CG_SLOT_FREE = 0, CG_SLOT_PROMPT = 1, CG_SLOT_SEQUENCE = 2 };

/** What is to be done about a slot's atoms; until it is done the slot takes part in no step. */
typedef enum cg_repair_stage {
    CG_REPAIR_IDLE = 0,
    CG_REPAIR_TEST,    /* at the atoms that were completed since field `before` */
    CG_REPAIR_RELAX,   /* `atom` failed: find a place for it, and for others before it */
    CG_REPAIR_REWRITE, /* write the text of atoms `next` to `atom` */
} cg_repair_stage;

/** How far that is: a step does a part of it. */
typedef struct cg_repair_progress {
    int32_t stage; /* CG_REPAIR_* */
    int32_t before;
    int32_t atom;
    int32_t level, iteration; /* of the relaxation; the iteration that comes next */
    int32_t next;
    int32_t n_tokens, attempt; /* of the sequence before any of its text was taken back */
} cg_repair_progress;

/** A slot or, behind them, a prefix. */
typedef struct cg_slot_state {
    cg_sequence seq;
    cg_rng_key key;
    int32_t kind;         /* CG_SLOT_* */
    int32_t n_prompt;     /* tokens of the prompt */
    cg_program program;   /* its arrays in device memory, */
    cg_geometry geometry; /* and these; n_atoms 0: none is looked at */
    cg_repair_progress progress;
    cg_repair_counts repair;
} cg_slot_state;

/** What the host hears of a place. Pinned; written by kernels, cleared by the host. */
typedef struct cg_slot_event {
    int32_t done;      /* CG_SEQUENCE_*; of a prefix: nonzero once it is ready */
    int32_t n_tokens;  /* of the completion */
    int32_t n_sampled; /* of them */
    int32_t reserved;
    cg_repair_counts repair;
} cg_slot_event;

/** Totals since creation. */
typedef struct cg_step_counters {
    int64_t steps;
    int64_t prompt_tokens; /* rows of prefixes */
    int64_t tokens;        /* rows of sequences */
    int64_t sampled;
    int64_t attended; /* cached tokens that sequences attended to, summed over steps */
} cg_step_counters;

/** Everything a step reads and writes; passed to kernels by value. Device memory but for the end.
 */
typedef struct cg_step_state {
    int32_t n_slots;
    int32_t n_kv_slots; /* slots, then prefixes */
    int32_t max_len;
    int32_t step_tokens; /* the budget */
    cg_slot_state *slots;
    int32_t *tokens;     /* [n_kv_slots, max_len] */
    cg_atom_mark *marks; /* [n_slots, max_len] */
    /* while geometry is looked at */
    float *xyz;                           /* [n_slots, 3, max_len] Å, three an atom: atoms.cuh */
    const cg_token_number *token_numbers; /* [vocabulary] */
    int32_t geometry;                     /* cg_geometry_mode */
    int32_t decimals;                     /* of coordinates as they are written */
    int32_t restarts;                     /* so often a sequence may begin anew */
    int32_t *first;                       /* slot that is served first in the next step */
    cg_step_counters *counters;
    /* the batch of the running step */
    int32_t *token;    /* [step_tokens]; -1: padding */
    int32_t *pos;      /* [step_tokens] */
    int32_t *slot;     /* [step_tokens]; -1: padding */
    int32_t *q_start;  /* [n_kv_slots + 1] */
    int32_t *seq_slot; /* [n_kv_slots] */
    int32_t *kv_len;   /* [n_kv_slots] */
    int32_t *out_row;  /* [n_slots] rows whose logits are wanted */
    int32_t *out_slot; /* [n_slots] */
    int32_t *n_out;
    /* pinned host memory */
    cg_slot_event *events; /* [n_kv_slots] */
    int32_t *ended;        /* [n_slots, max_len] completions of ended sequences */
    int32_t *failure;      /* nonzero: logits that are not finite */
} cg_step_state;

/** Fill the batch: prompts first, then sequences in turn, while there is room. */
cg_status cg_step_gather(const cg_step_state *state, cudaStream_t stream, cg_error *err);

/**
 * Sample one token of each sequence of the batch that wants one and append what it forces; then, if
 * geometry is on, look at the atoms that this completed, and go on with those that are mended.
 *
 * Probabilities are summed as integers (2^-40 of the largest), so that no order of summation shows
 * in the choice.
 *
 * @param logits     [n_slots, stride] f32; row i is of out_slot[i], entry c of column c
 * @param automaton  its arrays in device memory
 * @param n_head_rows  in use; decides the size of a block
 */
cg_status cg_step_sample(const cg_step_state *state, const float *logits, int64_t stride,
                         const cg_automaton *automaton, const cg_sampling *sampling,
                         int32_t n_head_rows, cudaStream_t stream, cg_error *err);

/** Begin a prompt in a prefix place. `tokens`: [n] pinned, borrowed until the stream is there. */
cg_status cg_step_begin_prompt(const cg_step_state *state, int32_t place, const int32_t *tokens,
                               int32_t n, cudaStream_t stream, cg_error *err);

/** Begin a sequence on top of a prefix. The arrays of program and geometry are device memory. */
cg_status cg_step_admit(const cg_step_state *state, const cg_automaton *automaton, int32_t place,
                        int32_t prefix, const cg_rng_key *key, const cg_program *program,
                        const cg_geometry *geometry, cudaStream_t stream, cg_error *err);

/** Forget what a place holds. */
cg_status cg_step_release(const cg_step_state *state, int32_t place, cudaStream_t stream,
                          cg_error *err);

/** cg_sequence_roll_back() of a slot. */
cg_status cg_step_roll_back(const cg_step_state *state, const cg_automaton *automaton,
                            int32_t place, int32_t atom, cudaStream_t stream, cg_error *err);

#ifdef __cplusplus
}
#endif

#endif
