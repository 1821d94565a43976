/* SPDX-License-Identifier: MIT */
/**
 * @file pipeline.h  Molecules through the engine: built ahead, decoded, finished, emitted in order.
 *
 *   next (calling thread) -> build (jobs) -> decode (one thread per executor)
 *                         -> finish (jobs) -> emit (calling thread, in input order)
 *
 * If the engine retries, the finish job sends the failed generations of a molecule back to decode.
 *
 * A bounded window of molecules is in progress, so memory does not grow with the input. All
 * executors take work from one queue; a molecule whose generations fill an executor more than once
 * is handed out in parts.
 */
#ifndef CG_ENGINE_PIPELINE_H
#define CG_ENGINE_PIPELINE_H

#include "engine/conformer.h"
#include "engine/engine.h"
#include "engine/ensemble.h"
#include "engine/minimization.h"
#include "template/kept_core.h"

/** One conformer to generate: its last sequence until that is parsed, and the best result so far.
 */
typedef struct cg_generation {
    int32_t *tokens; /* [n_tokens] of the completion; NULL once parsed */
    int32_t n_tokens;
    int32_t done;        /* CG_SEQUENCE_* */
    int32_t is_mirrored; /* as in cg_sequence_result */
    cg_repair_counts repair;
    int32_t is_parsed; /* `parsed` is valid */
    cg_parsed_conformer parsed;
} cg_generation;

/** A molecule in the pipeline. */
typedef struct cg_pipeline_molecule cg_pipeline_molecule;
struct cg_pipeline_molecule {
    struct cg_pipeline *pipeline;
    void *user;       /* the caller's */
    cg_error failure; /* code != CG_OK: nothing is generated, for this reason */

    /** Set by cg_pipeline_io.next(). */
    struct {
        int64_t index; /* in the whole input; keys the random numbers */
        int64_t line;  /* in the file; 0 without one */
        char *name;    /* owned, not NULL */
        char *smiles;  /* as given; owned, not NULL */
        int32_t n_generations;
    } input;

    /** Set by the build job; valid while failure.code is CG_OK. */
    struct {
        cg_molecule_template template;
        cg_kept_core core;                /* zeroed: none */
        cg_hydrogen_placement *hydrogens; /* NULL: none are added */
        cg_minimization *minimization;    /* NULL: no energies */
        cg_ensemble ensemble;             /* zeroed: all conformers, in the order of generation */
        cg_checker *checker;              /* NULL: the geometry is not checked */
        int32_t *tokens;            /* [groups] of the FSQ decoder; NULL in formats without codes */
        cg_generation *generations; /* [input.n_generations] each written by its decoder */
    } built;

    /** The sampling round, set between rounds by the finish job. */
    struct {
        uint32_t *generations; /* [n] owned; NULL: all */
        int32_t n;
        uint32_t retry; /* 0: the first round */
    } round;

    /** Set by the finish job. */
    struct {
        double seconds;
        int32_t *order;   /* [input.n_generations] of delivery, owned; NULL: of generation */
        cg_report counts; /* checks, retries, hydrogens, energies, dropped conformers */
    } finished;

    /** Guarded by the pipeline's lock. */
    struct {
        int32_t state;
        int32_t n_started; /* generations of the round that were handed to an executor */
        int32_t n_completed;
        cg_pipeline_molecule *next_retry; /* in the queue of retry rounds */
    } locked;
};

/** The caller's callbacks. */
typedef struct cg_pipeline_io {
    void *ctx;
    /** Sets `input` of a zeroed molecule; *ret_more = 0 at the end. Calling thread. */
    cg_status (*next)(void *ctx, cg_pipeline_molecule *m, int *ret_more, cg_error *err);
    /** The template is built; may set `failure`. May be NULL. Jobs, any thread. */
    void (*prepare)(void *ctx, cg_pipeline_molecule *m);
    /**
     * All generations are parsed, after the last retry round, and selected: those whose
     * parsed.dropped is set have neither text nor coordinates any more. May set `failure` and take
     * over their `parsed`. Jobs. Not called for failed molecules. May be NULL.
     */
    void (*finish)(void *ctx, cg_pipeline_molecule *m);
    /** In input order, failed molecules included. May set `failure`. Calling thread. */
    cg_status (*emit)(void *ctx, cg_pipeline_molecule *m, cg_error *err);
    /** Frees `user`. May be NULL. Any thread. */
    void (*forget)(void *ctx, cg_pipeline_molecule *m);
    /** Polled; nonzero ends the run with CG_ERR_INTERRUPTED. Calling thread. */
    int (*stop)(void *ctx);
    int add_hs;       /* hydrogens are checked and written */
    int32_t minimize; /* CG_MINIMIZE_* */
    int energies;     /* conformers get energies */
    cg_ensemble_rules ensemble;
    const cg_core *core; /* kept in all conformers, with core_tolerance; NULL: none. Geometry is
                            repaired, and the format passes cg_core_tolerance() */
    float core_tolerance;
} cg_pipeline_io;

/**
 * Runs all molecules of the source. Adds counts and times to *report.
 *
 * @return CG_OK; CG_ERR_INTERRUPTED; the status that next(), emit() or an executor failed with.
 *         Molecules that were not emitted are forgotten.
 */
cg_status cg_pipeline_run(cg_engine *engine, const cg_pipeline_io *io, cg_report *report,
                          cg_error *err);

/** Sets the hits and misses of the engine's token cache in *report; nothing without a cache. */
void cg_report_set_token_cache(cg_report *report, const cg_engine *engine);

/** Peak resident memory of the process, bytes. */
int64_t cg_peak_memory(void);

#endif
