/* SPDX-License-Identifier: MIT */
/**
 * @file pool.h  Threads: a fork-join team for numerical loops and a bounded job queue.
 *
 * They are separate because they wait differently: the team runs loops of microseconds and its
 * workers spin briefly before they sleep; the queue runs jobs of milliseconds.
 */
#ifndef CG_BASE_POOL_H
#define CG_BASE_POOL_H

#include <confgen/status.h>

/* ---- team: parallel loops -------------------------------------------------------------- */

typedef struct cg_team cg_team;

/** Loop body: processes item i; `worker` in [0, cg_team_size) is constant during the call. */
typedef void (*cg_loop_fn)(void *ctx, int64_t i, int worker);

/**
 * Creates a team of n_threads (>= 1), the calling thread included. One thread at a time may run
 * loops on a team.
 *
 * @return CG_OK; CG_ERR_USAGE for n_threads < 1; CG_ERR_NOMEM also if a thread cannot be started.
 *         On failure *ret_team is unchanged.
 */
cg_status cg_team_create(int n_threads, cg_team **ret_team, cg_error *err);
void cg_team_destroy(cg_team *team); /* accepts NULL */
int cg_team_size(const cg_team *team);

/**
 * Calls fn(ctx, i, worker) once for every i in [0, n), in any order and on any worker; returns when
 * all are done. Items are assigned to workers dynamically, so results must not depend on the
 * worker. ctx is borrowed for the call. Must not be called from a loop body of the same team.
 */
void cg_team_loop(cg_team *team, int64_t n, cg_loop_fn fn, void *ctx);

/* ---- queue: jobs in the background ------------------------------------------------------ */

typedef struct cg_queue cg_queue;
typedef void (*cg_job_fn)(void *arg, int worker);

/**
 * Creates a queue of n_threads workers (>= 1) and at most `bound` waiting jobs (>= 1).
 *
 * @return CG_OK; CG_ERR_USAGE; CG_ERR_NOMEM also if a thread cannot be started. On failure
 *         *ret_queue is unchanged.
 */
cg_status cg_queue_create(int n_threads, int bound, cg_queue **ret_queue, cg_error *err);
/** Appends a job; blocks while `bound` jobs are waiting. arg must live until the job has run. */
void cg_queue_push(cg_queue *queue, cg_job_fn fn, void *arg);
/** Runs the jobs that are still waiting and joins the workers. Accepts NULL. */
void cg_queue_destroy(cg_queue *queue);

#endif
