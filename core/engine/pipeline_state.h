/* SPDX-License-Identifier: MIT */
/** @file pipeline_state.h  The state of a running pipeline; for the pipeline_*.c files. */
#ifndef CG_ENGINE_PIPELINE_STATE_H
#define CG_ENGINE_PIPELINE_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "engine/pipeline.h"

/**
 * States of a molecule, in order; from FINISHING it returns to RUNNING for a retry round, and a
 * molecule that cannot be built goes from BUILDING to DONE.
 */
enum { CG_BUILDING = 0, CG_READY, CG_RUNNING, CG_FINISHING, CG_DONE };

/** A thread that keeps one executor busy. */
typedef struct cg_decoder {
    struct cg_pipeline *pipeline;
    cg_worker *worker;
    int32_t index; /* of the worker */
    pthread_t thread;
    int is_started;
    cg_executor_stats counted; /* the worker's stats that the report has, or that precede the run */
} cg_decoder;

struct cg_pipeline {
    cg_engine *engine;
    const cg_pipeline_io *io;
    cg_report *report; /* accessed by the calling thread only */
    cg_queue *jobs;
    cg_minimizer_pool *minimizers; /* NULL: conformers are minimised on the CPU, or not at all */
    cg_decoder *decoders;          /* [engine->device.n_workers] */
    _Atomic int stopping;          /* nonzero: decoders end */
    pthread_mutex_t lock;
    pthread_cond_t changed;

    /** Guarded by `lock`; only the calling thread writes window, n_read, n_emitted and at_end. */
    struct {
        cg_pipeline_molecule **window; /* [capacity] ring of molecules in progress */
        int64_t capacity;
        int64_t n_read, n_scheduled, n_emitted; /* ring positions modulo capacity */
        int64_t n_running;                      /* molecules in RUNNING or FINISHING */
        cg_pipeline_molecule *retry_queue;      /* retry rounds to hand out, oldest first */
        cg_pipeline_molecule **retry_tail;      /* valid while the queue is not empty */
        int at_end;                             /* the source has no more molecules */
        cg_report counts;                       /* not yet added to *report */
        cg_status status;                       /* of the first failure */
        cg_error failure;                       /* its text */
    } locked;
};

/** The molecule at ring position i. */
cg_pipeline_molecule *cg_pipeline_at_locked(const struct cg_pipeline *p, int64_t i);

/** Rounds of a molecule after the first, at most, for whatever reason. */
int32_t cg_pipeline_max_retries(const struct cg_pipeline *p);

/** Ends the run. The first failure is the one reported. */
void cg_pipeline_fail_locked(struct cg_pipeline *p, cg_status status, const cg_error *why);

/** Frees a molecule and everything it owns. Accepts NULL. */
void cg_pipeline_free_molecule(cg_pipeline_molecule *m);

/* ---- pipeline_jobs.c: jobs; arg is a molecule --------------------------------------------- */

void cg_pipeline_build_job(void *arg, int worker);
void cg_pipeline_finish_job(void *arg, int worker);

/* ---- pipeline_decode.c -------------------------------------------------------------------- */

/** Body of a decoder's thread; arg is the decoder. */
void *cg_pipeline_decode(void *arg);

#endif
