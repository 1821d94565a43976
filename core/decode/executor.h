/* SPDX-License-Identifier: MIT */
/**
 * @file executor.h  The interface of executors, which run a model on a device: CPU or CUDA.
 *
 * An executor owns the weights on its device and a KV cache of n_slots sequence slots and
 * n_prompt_slots prompt slots. A prompt slot holds the keys and values of a molecule's prompt,
 * which are computed once and shared, as a prefix, by the sequences admitted on top of it. A *step*
 * appends up to `step_tokens` tokens over all slots (prompt tokens, sampled tokens and the forced
 * tokens after them) and then samples one token of each sequence whose tokens are all in the cache.
 * The caller fills and empties slots between runs; a run may be many steps.
 *
 * An executor may have *prompt steps* beside them, which append the tokens of prompts alone: up to
 * `prompt_step_tokens` over the prompt slots, with an attention plan for as many tokens of few
 * sequences. It then computes every prompt in prompt steps, several prompts together, and the
 * tokens of sequences in the other steps.
 *
 * A sequence depends only on its job, not on its slot, the other sequences, the size of steps or
 * the number of threads. (CPU: bit for bit. See core/README.md.)
 *
 * Thread: one call at a time per executor.
 */
#ifndef CG_DECODE_EXECUTOR_H
#define CG_DECODE_EXECUTOR_H

#include <confgen/attention.h>
#include <confgen/cache.h>
#include <confgen/constraint.h>
#include <confgen/sampling.h>

#include "base/pool.h"
#include "model/model.h"
#include "sequence/atom_tests.h"
#include "sequence/rng.h"

/** Configuration of an executor. */
typedef struct cg_executor_config {
    const cg_model *model; /* borrowed until destroy; CUDA copies it to the device */
    const cg_attention_ops *attention;
    const cg_cache_ops *cache;
    const char *attention_name, *cache_name; /* for error texts; NULL: unknown */
    const cg_host *host;                     /* for the plugins */
    const cg_automaton *automaton;
    cg_sampling sampling;
    cg_geometry_mode geometry;
    /* borrowed; unused if geometry is off */
    const cg_token_number *token_numbers; /* [vocabulary of the model] */
    const cg_number_format *number_format;
    int32_t n_slots;
    int32_t n_prompt_slots;
    int32_t max_len;            /* tokens of a sequence, prompt included */
    int32_t step_tokens;        /* token budget of a step; 0: derived by the executor */
    int32_t prompt_step_tokens; /* of a prompt step; or CG_PROMPT_STEPS_* */
    cg_dtype kv_dtype;          /* of the cache */
    /* tokens behind a model's window that its cache keeps, so that a sequence may be rolled back
     * over as many; deeper ones evaluate the sequence from its first token again. CUDA: all are
     * kept with CG_GEOMETRY_REPAIR, where steps roll sequences back without the host */
    int32_t kept_tokens;
    /* CUDA only */
    int32_t gpu; /* index */
    /* of weights and activations: CG_BF16, CG_F16, or CG_F32 for comparison; CG_I8: bf16, but the
     * products of q, k and v, and of gate and up are of i8 */
    cg_dtype dtype;
    int32_t deterministic; /* nonzero: tokens do not depend on batch size, at some cost */
} cg_executor_config;

/** A sequence to generate. Borrowed until its slot is released. */
typedef struct cg_sequence_job {
    const cg_program *program;
    cg_rng_key key;
    const cg_geometry *geometry; /* NULL: atoms are not tested */
} cg_sequence_job;

/** A completed sequence. */
typedef struct cg_sequence_result {
    int32_t slot;
    int32_t done;            /* CG_SEQUENCE_*, not _RUNNING */
    int32_t n_tokens;        /* of the completion, forced ones included */
    int32_t n_sampled;       /* tokens that were sampled */
    const int32_t *tokens;   /* [n_tokens] valid until the slot is released */
    int32_t is_mirrored;     /* the conformer is the mirror image of the text's */
    cg_repair_counts repair; /* zero if its atoms were not tested */
} cg_sequence_result;

/** Totals since creation. Seconds are wall time of the calling thread. */
typedef struct cg_executor_stats {
    int64_t steps;         /* without prompt steps */
    int64_t prompt_tokens; /* evaluated in prompt slots */
    int64_t tokens;        /* evaluated in sequence slots */
    int64_t sampled;
    int64_t forced;        /* appended without sampling; evaluated or not */
    double seconds;        /* in run() */
    double matmul_seconds; /* in the matrix library, part of `seconds` */
    double attention_seconds;
    double sample_seconds;
    int64_t attended;      /* cached tokens that sequences attended to, summed over steps */
    int64_t step_rows;     /* rows computed by `steps`, padding included */
    double device_seconds; /* CUDA: in launches */
    double idle_seconds;   /* CUDA: between launches */
    int64_t device_bytes;  /* CUDA: weights, activations and cache */
    int64_t head_rows;     /* rows of the LM head that a step multiplies by, at present */
    int64_t prompt_steps;
    int64_t prompt_step_rows;   /* computed by them, padding included */
    double prompt_step_seconds; /* in them; CUDA: on the device, part of device_seconds */
} cg_executor_stats;

typedef struct cg_executor cg_executor;

struct cg_executor_ops {
    const char *name;                 /* "cpu", "cuda" */
    void (*destroy)(cg_executor *ex); /* does not accept NULL */

    /** Starts computing a prompt [n] in the free prompt slot `prompt_slot`. Copies the tokens. */
    cg_status (*begin_prompt)(cg_executor *ex, int32_t prompt_slot, const int32_t *tokens,
                              int32_t n, cg_error *err);
    /** Nonzero once all tokens of the prompt are in the cache. */
    int (*prompt_ready)(const cg_executor *ex, int32_t prompt_slot);
    /** Frees a prompt slot; sequences admitted on top of it keep the shared prefix. */
    void (*release_prompt)(cg_executor *ex, int32_t prompt_slot);

    /** Starts a sequence in the free slot `slot` on top of a ready prompt. Copies the job. */
    cg_status (*admit)(cg_executor *ex, int32_t slot, int32_t prompt_slot,
                       const cg_sequence_job *job, cg_error *err);
    /** Runs until a sequence completes or a prompt becomes ready, at most max_steps steps. */
    cg_status (*run)(cg_executor *ex, int32_t max_steps, cg_error *err);
    /** Returns the next completed sequence, each one once; 0 if there is none. */
    int (*collect)(cg_executor *ex, cg_sequence_result *ret_result);
    /** Frees a slot, whether its sequence is complete or not. */
    void (*release)(cg_executor *ex, int32_t slot);
    /**
     * Rolls the running sequence of a slot back to the start of `atom`, which must have been
     * reached: cg_sequence_roll_back(). CG_ERR_USAGE otherwise.
     */
    cg_status (*roll_back)(cg_executor *ex, int32_t slot, int32_t atom, cg_error *err);

    void (*stats)(const cg_executor *ex, cg_executor_stats *ret_stats);
    void (*cache_stats)(const cg_executor *ex, cg_cache_stats *ret_stats);
};

struct cg_executor {
    const struct cg_executor_ops *ops;
};

/** Creates the CPU executor: matrix products by oneDNN in f32, loops on `team` (borrowed). */
cg_status cg_executor_cpu_create(const cg_executor_config *config, cg_team *team,
                                 cg_executor **ret_executor, cg_error *err);

#endif
