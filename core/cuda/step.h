/* SPDX-License-Identifier: MIT */
/**
 * @file step.h  The decoding step on the device: slots, automaton, sampling; no host in the loop.
 *
 * A step is  gather -> forward pass -> sample,  and beside the last two  gather -> repair. `gather`
 * compacts the pending tokens of all slots into the token budget. `sample` samples a token for each
 * sequence whose tokens are all in the cache, appends it together with the forced tokens after it
 * and tests the atoms completed by these tokens. `repair` does part of each repair that was in
 * progress before; the slots of these have no rows in the batch. The next step waits for both. A
 * step needs no host work, so it is captured once and replayed. Results for the host - completed
 * sequences, ready prompts, counters - are written to mapped pinned host memory.
 *
 * A *prompt step* is  gather_prompts -> forward pass  over the prompt slots, with a batch of its
 * own. An executor that runs prompt steps leaves the prompt slots out of the other steps.
 *
 * KV slots [0, n_slots) are sequence slots; the following ones are prompt slots.
 *
 * All calls queue on `stream`.
 */
#ifndef CG_CUDA_STEP_H
#define CG_CUDA_STEP_H

#include <confgen/sampling.h>

#include <stdalign.h>

#include "gpu_device.h"
#include "sequence/relaxation.h"
#include "sequence/rng.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { CG_SLOT_FREE = 0, CG_SLOT_PROMPT = 1, CG_SLOT_SEQUENCE = 2 };

/** Pending geometry work of a slot. Until it is IDLE again, gather skips the slot. */
typedef enum cg_repair_stage {
    CG_REPAIR_IDLE = 0,
    CG_REPAIR_TEST,    /* test the atoms completed since field `from_field` */
    CG_REPAIR_RELAX,   /* `atom` failed: relax it, at higher levels also atoms before it */
    CG_REPAIR_FIT,     /* move the relaxed atoms `next` to `atom` to centres of cells */
    CG_REPAIR_REWRITE, /* rewrite the text of atoms `next` to `atom` */
} cg_repair_stage;

/** Progress of that work, of which each step does a part. */
typedef struct cg_repair_progress {
    int32_t from_field;
    int32_t atom;
    cg_relaxation_start start;
    int32_t iteration; /* the next one of the relaxation */
    int32_t next;
    int32_t n_tokens, attempt; /* of the sequence before the rewrite rolled it back */
    int32_t stage;             /* CG_REPAIR_* */
} cg_repair_progress;

/**
 * State of a KV slot. gather runs on one multiprocessor and reads every slot. The members that it
 * reads, progress.stage to seq.done, lie in one aligned sector of 32 bytes.
 */
typedef struct cg_slot_state {
    alignas(32) cg_repair_progress progress;
    int32_t kind; /* CG_SLOT_* */
    cg_sequence seq;
    cg_rng_key key;
    int32_t n_prompt;     /* tokens of the prompt */
    cg_program program;   /* arrays in device memory */
    cg_geometry geometry; /* arrays in device memory; n_atoms 0: atoms are not tested */
    cg_repair_counts repair;
} cg_slot_state;

/** Per-slot completion record. Pinned; written by kernels, cleared by the host. */
typedef struct cg_slot_event {
    int32_t done;        /* CG_SEQUENCE_*; of a prompt: nonzero once it is ready */
    int32_t n_tokens;    /* of the completion */
    int32_t n_sampled;   /* of n_tokens */
    int32_t is_mirrored; /* as in cg_sequence */
    cg_repair_counts repair;
} cg_slot_event;

/** A sequence to start. */
typedef struct cg_admission {
    int32_t slot, prompt_slot;
    cg_rng_key key;
    cg_program program;   /* arrays in device memory */
    cg_geometry geometry; /* arrays in device memory */
} cg_admission;

/** Totals since creation. */
typedef struct cg_step_counters {
    int64_t steps;
    int64_t prompt_tokens; /* rows of prompts */
    int64_t tokens;        /* rows of sequences */
    int64_t sampled;
    int64_t attended; /* cached tokens that sequences attended to, summed over steps */
} cg_step_counters;

/** The rows of a pass and their sequences. Arrays in device memory. */
typedef struct cg_step_batch {
    int32_t rows;      /* token budget; 0: there are no such steps */
    int32_t max_seqs;  /* slots that are gathered, from the first of their kind on */
    int32_t *token;    /* [rows]; -1: padding */
    int32_t *pos;      /* [rows] */
    int32_t *slot;     /* [rows]; -1: padding */
    int32_t *q_start;  /* [max_seqs + 1] */
    int32_t *seq_slot; /* [max_seqs] */
    int32_t *kv_len;   /* [max_seqs] */
} cg_step_batch;

/** Everything a step reads and writes; passed to kernels by value. Device memory unless noted. */
typedef struct cg_step_state {
    int32_t n_slots;    /* sequence slots */
    int32_t n_kv_slots; /* sequence slots and prompt slots */
    int32_t max_len;
    cg_slot_state *slots; /* [n_kv_slots] */
    int32_t *tokens;      /* [n_kv_slots, max_len] */
    cg_atom_mark *marks;  /* [n_slots, max_len] */
    /* set unless geometry is off */
    /* [n_slots, 3, max_len] Å: per slot three arrays of max_len / 3 positions, read back from the
     * text, relaxed, and displacements; repair.cuh */
    float *xyz;
    /* [n_slots] slots whose atoms the current step tests, in any order: gather lists those that the
     * repair of an earlier step leaves to be tested, sampling those that complete atoms */
    int32_t *tests;
    int32_t *n_tests;
    int32_t *repairs; /* [n_slots] slots whose repairs the current step continues, in any order */
    int32_t *n_repairs;
    const cg_token_number *token_numbers; /* [vocabulary] */
    const cg_number_format *number_format;
    int32_t geometry;      /* cg_geometry_mode */
    int32_t restart_limit; /* of a sequence */
    int32_t *first_slot;   /* sequence slot that the next step fills first */
    cg_step_counters *counters;
    /* batch of the current step: of the first max_seqs KV slots, which are all of them or the
     * sequence slots */
    cg_step_batch batch;
    int32_t *out_row;  /* [n_slots] rows whose logits are computed */
    int32_t *out_slot; /* [n_slots] */
    int32_t *n_out;
    /* pinned host memory */
    cg_slot_event *events; /* [n_kv_slots] */
    int32_t *completions;  /* [n_slots, max_len] token ids of completed sequences */
    int32_t *failure;      /* nonzero: logits are not finite */
} cg_step_state;

/**
 * Fills the batch, up to the token budget: prompts first, then sequences in turn. Unless geometry
 * is off, lists the slots to test and those under repair.
 */
cg_status cg_step_gather(const cg_step_state *state, cudaStream_t stream, cg_error *err);

/**
 * Fills the batch of a prompt step, up to its token budget: prompts in the order of their slots.
 *
 * @param prompts  its max_seqs are all prompt slots
 */
cg_status cg_step_gather_prompts(const cg_step_state *state, const cg_step_batch *prompts,
                                 cudaStream_t stream, cg_error *err);

/**
 * Samples one token for each sequence of `out_slot` and appends it and the forced tokens after it.
 * Unless geometry is off, then tests the atoms completed by these tokens, and those that an earlier
 * repair leaves to be tested.
 *
 * Probabilities are summed as integers (units of 2^-40 of the largest), so the sampled token does
 * not depend on the order of summation.
 *
 * @param logits       [n_slots, stride] f32; row i belongs to out_slot[i], element h to head row h
 * @param automaton    its arrays in device memory
 * @param n_head_rows  head rows in use; determines the size of a block
 */
cg_status cg_step_sample(const cg_step_state *state, const float *logits, int64_t stride,
                         const cg_automaton *automaton, const cg_sampling *sampling,
                         int32_t n_head_rows, cudaStream_t stream, cg_error *err);

/**
 * Continues the repairs that cg_step_gather() has listed; geometry is not off. `stream` has to wait
 * for gather, and the next step or change of slots for `stream`. The forward pass and
 * cg_step_sample() may run meanwhile: they use other slots.
 */
cg_status cg_step_repair(const cg_step_state *state, const cg_automaton *automaton,
                         cudaStream_t stream, cg_error *err);

/** Starts a prompt in a prompt slot. `tokens`: [n] pinned, borrowed until the call has run. */
cg_status cg_step_begin_prompt(const cg_step_state *state, int32_t kv_slot, const int32_t *tokens,
                               int32_t n, cudaStream_t stream, cg_error *err);

/**
 * Starts sequences in free sequence slots, each after the prompt of its prompt slot.
 *
 * @param admissions  [n] pinned, borrowed until the call has run
 */
cg_status cg_step_admit(const cg_step_state *state, const cg_automaton *automaton,
                        const cg_admission *admissions, int32_t n, cudaStream_t stream,
                        cg_error *err);

/** Frees a slot. */
cg_status cg_step_release(const cg_step_state *state, int32_t kv_slot, cudaStream_t stream,
                          cg_error *err);

/** cg_sequence_roll_back() on a slot. */
cg_status cg_step_roll_back(const cg_step_state *state, const cg_automaton *automaton, int32_t slot,
                            int32_t atom, cudaStream_t stream, cg_error *err);

#ifdef __cplusplus
}
#endif

#endif
