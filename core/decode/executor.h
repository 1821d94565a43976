/* SPDX-License-Identifier: MIT */
/**
 * @file executor.h  The one interface of the machines that run a model: the CPU's, and CUDA's.
 *
 * An executor owns the weights on its device, the KV cache, and `n_slots` + `n_prompt_slots` places
 * for sequences. A *prefix* is a prompt whose keys and values are computed once and then shared by
 * the sequences that are admitted on top of it. A *step* appends up to `step_tokens` tokens over
 * all places - the prompts' tokens, sampled tokens and the forced tokens behind them - and then
 * samples one token for each sequence whose tokens are all in the cache. The host only fills and
 * empties slots between runs; a run may be many steps.
 *
 * What a sequence becomes depends on its job alone: not on its slot, its neighbours, the size of
 * steps or the number of threads. (CPU: bit for bit. See core/README.md.)
 */
#ifndef CG_DECODE_EXECUTOR_H
#define CG_DECODE_EXECUTOR_H

#include <confgen/attention.h>
#include <confgen/cache.h>
#include <confgen/constraint.h>
#include <confgen/sampling.h>

#include "base/pool.h"
#include "sequence/atom_tests.h"
#include "sequence/rng.h"
#include "model/model.h"

/** What an executor is built for. */
typedef struct cg_executor_config {
    const cg_model *model; /* borrowed until destroy; CUDA copies it to the device */
    const cg_attention_ops *attention;
    const cg_cache_ops *cache;
    const cg_host *host; /* for the plugins */
    const cg_automaton *automaton;
    cg_sampling sampling;
    cg_geometry_mode geometry;
    const cg_token_number
        *token_numbers; /* [vocabulary of the model] unless geometry is off; borrowed */
    int32_t decimals;   /* of coordinates as they are written */
    int32_t n_slots;
    int32_t n_prompt_slots;
    int32_t max_len;     /* tokens of a sequence, prompt included */
    int32_t step_tokens; /* token budget of a step; 0: chosen */
    /* CUDA only */
    int32_t gpu;           /* index */
    cg_dtype dtype;        /* of weights, activations and cache: CG_BF16, or CG_F32 for parity */
    int32_t deterministic; /* nonzero: tokens do not depend on batch size, at some cost */
} cg_executor_config;

/** A sequence to generate. Borrowed until it is collected. */
typedef struct cg_sequence_job {
    const cg_program *program;
    cg_rng_key key;
    const cg_geometry *geometry; /* NULL: none is looked at */
} cg_sequence_job;

/** A sequence that has ended. */
typedef struct cg_sequence_result {
    int32_t slot;
    int32_t done;            /* CG_SEQUENCE_*, not _RUNNING */
    int32_t n_tokens;        /* of the completion, forced ones included */
    int32_t n_sampled;       /* of them sampled */
    const int32_t *tokens;   /* [n_tokens] valid until the slot is released */
    cg_repair_counts repair; /* what its geometry took; zero where none was looked at */
} cg_sequence_result;

/** Totals since creation. Seconds are wall time of the calling thread. */
typedef struct cg_executor_stats {
    int64_t steps;
    int64_t prompt_tokens; /* evaluated in prefixes */
    int64_t tokens;        /* evaluated in sequences */
    int64_t sampled;
    int64_t forced;        /* appended without sampling; evaluated or not */
    double seconds;        /* in run() */
    double matmul_seconds; /* of them in the matrix library */
    double attention_seconds;
    double sample_seconds;
    int64_t attended;      /* cached tokens that sequences attended to, summed over steps */
    int64_t step_rows;     /* rows that steps computed, unused ones included */
    double device_seconds; /* CUDA: in launches */
    double idle_seconds;   /* CUDA: between them */
    int64_t device_bytes;  /* CUDA: weights, activations and cache */
    int64_t head_rows;     /* rows of the head that a step multiplies with, now */
} cg_executor_stats;

typedef struct cg_executor cg_executor;

struct cg_executor_ops {
    const char *name; /* "cpu", "cuda" */
    void (*destroy)(cg_executor *ex);

    /** Begin to compute a prompt [n] in the free prefix place `prefix`. Copies the tokens. */
    cg_status (*begin_prompt)(cg_executor *ex, int32_t prefix, const int32_t *tokens, int32_t n,
                              cg_error *err);
    /** Nonzero once all of the prompt's tokens are in the cache. */
    int (*prompt_ready)(const cg_executor *ex, int32_t prefix);
    void (*release_prompt)(cg_executor *ex, int32_t prefix);

    /** Start a sequence in the free slot `slot` on top of a ready prefix. Copies the job. */
    cg_status (*admit)(cg_executor *ex, int32_t slot, int32_t prefix, const cg_sequence_job *job,
                       cg_error *err);
    /** Run until a sequence ends or a prefix becomes ready, at most max_steps steps. */
    cg_status (*run)(cg_executor *ex, int32_t max_steps, cg_error *err);
    /** The next ended sequence that was not returned before; 0 if there is none. */
    int (*collect)(cg_executor *ex, cg_sequence_result *ret_result);
    /** Free a slot, whatever became of its sequence. */
    void (*release)(cg_executor *ex, int32_t slot);
    /**
     * Send the running sequence of a slot back to the start of `atom`, at most the one it is
     * writing (see cg_sequence_roll_back).
     */
    cg_status (*roll_back)(cg_executor *ex, int32_t slot, int32_t atom, cg_error *err);

    void (*stats)(const cg_executor *ex, cg_executor_stats *ret_stats);
    void (*cache_stats)(const cg_executor *ex, cg_cache_stats *ret_stats);
};

struct cg_executor {
    const struct cg_executor_ops *ops;
};

/** The CPU's. Matrix products by oneDNN in f32, the loops on `team` (borrowed). */
cg_status cg_executor_cpu_create(const cg_executor_config *config, cg_team *team,
                                 cg_executor **ret_executor, cg_error *err);

#endif
