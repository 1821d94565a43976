/* SPDX-License-Identifier: MIT */
/**
 * @file pipeline.h  Molecules through the engine: built ahead, decoded, finished, emitted in order.
 *
 *   source (this thread) -> build (jobs) -> decode (a thread an executor)
 *                        -> finish (jobs) -> emit (this thread, in the order of the source)
 *
 * Where the engine retries, finish sends those generations of a molecule that failed back to
 * decode.
 *
 * A bounded window of molecules is under way, so memory does not grow with the input. All executors
 * take from one queue; the generations of a molecule that fills an executor more than once are
 * handed out in parts.
 */
#ifndef CG_ENGINE_PIPELINE_H
#define CG_ENGINE_PIPELINE_H

#include "engine/conformer.h"
#include "engine/engine.h"

/** A conformer: the sequence that has ended last, until it is read, and the best one so far. */
typedef struct cg_generation {
    int32_t *tokens; /* [n_tokens] of the completion; NULL once it is read */
    int32_t n_tokens, n_sampled;
    int32_t done; /* CG_SEQUENCE_* */
    cg_repair_counts repair;
    int32_t is_read; /* `checked` holds something */
    cg_parsed_conformer checked;
} cg_generation;

/** A molecule on its way. The source fills the first part; `user` is the sink's. */
typedef struct cg_pipeline_molecule cg_pipeline_molecule;
struct cg_pipeline_molecule {
    int64_t index; /* in the whole input; keys the random numbers */
    int64_t line;  /* in the file, 0 without one */
    char *name;    /* owned, not NULL */
    char *smiles;  /* as given; owned, not NULL */
    int32_t n_generations;
    cg_error failure; /* code != CG_OK: the molecule is not generated, with the reason */

    cg_molecule_template built; /* while failure.code is CG_OK */
    cg_generation *generations; /* [n_generations] each written by the thread that decoded it */
    void *user;
    double finish_seconds;
    cg_checker *checker;   /* where the engine checks */
    cg_report checks;      /* members of checks alone: what they found */
    const uint32_t *round; /* [n_round] generations that are drawn again; NULL: all */
    uint32_t retry;        /* how often those of this round were drawn before */
    int32_t n_round;       /* n_generations at first */
    struct cg_pipeline *pipeline;

    int32_t state;   /* this and what follows: under the pipeline's lock */
    int32_t n_begun; /* of the round: handed to an executor */
    int32_t n_ended;
    cg_pipeline_molecule *next_retry;
};

/** What the pipeline asks of its caller. */
typedef struct cg_pipeline_io {
    void *ctx;
    /** Fill the first part of a zeroed molecule; *ret_more = 0 at the end. This thread. */
    cg_status (*next)(void *ctx, cg_pipeline_molecule *m, int *ret_more, cg_error *err);
    /** The template stands; may set failure. May be NULL. Jobs, any thread. */
    void (*prepare)(void *ctx, cg_pipeline_molecule *m);
    /**
     * All generations are checked, and drawn again where that was asked for. May set failure and
     * take what it needs of their `checked`. Jobs. Not called for failed molecules. May be NULL.
     */
    void (*finish)(void *ctx, cg_pipeline_molecule *m);
    /** In order, failed molecules too. This thread. */
    cg_status (*emit)(void *ctx, cg_pipeline_molecule *m, cg_error *err);
    /** Free `user`. May be NULL. Any thread. */
    void (*forget)(void *ctx, cg_pipeline_molecule *m);
    /** Called now and then; nonzero ends the run with CG_ERR_INTERRUPTED. This thread. */
    int (*stop)(void *ctx);
} cg_pipeline_io;

/**
 * Run all molecules of the source. *report: counts and times are added to.
 *
 * @return CG_OK; CG_ERR_INTERRUPTED; what next, emit or the executor failed with. Molecules that
 *         were not emitted are forgotten.
 */
cg_status cg_pipeline_run(cg_engine *engine, const cg_pipeline_io *io, cg_report *report,
                          cg_error *err);

/** Count a molecule that failed as a whole by kind; CG_OK counts nothing. */
static inline void cg_report_failure(cg_report *report, cg_status failure)
{
    report->failed_input += failure == CG_ERR_INPUT;
    report->failed_limit += failure == CG_ERR_LIMIT;
    report->failed_unsupported += failure == CG_ERR_UNSUPPORTED;
}

/** Resident memory of the process at its peak, bytes. */
int64_t cg_peak_memory(void);

#endif
