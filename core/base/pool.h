/* SPDX-License-Identifier: MIT */
/**
 * @file pool.h  Threads: a fork-join team for numerical loops and a bounded job queue.
 *
 * The two are separate because they wait differently: the team runs loops of microseconds and its
 * workers spin shortly before they sleep; the queue runs jobs of milliseconds.
 */
#ifndef CG_BASE_POOL_H
#define CG_BASE_POOL_H

#include <confgen/status.h>

/** Logical processors this process may run on (>= 1). */
int cg_cpu_count(void);

/* ---- team: parallel loops -------------------------------------------------------------- */

typedef struct cg_team cg_team;

/** Loop body: handle item i; `worker` in [0, cg_team_size) is stable within the call. */
typedef void (*cg_loop_fn)(void *ctx, int64_t i, int worker);

/**
 * A team of n_threads (>= 1), the calling thread being one of them. One thread at a time may run
 * loops on a team.
 */
cg_status cg_team_create(int n_threads, cg_team **ret_team, cg_error *err);
void cg_team_destroy(cg_team *team); /* accepts NULL */
int cg_team_size(const cg_team *team);

/**
 * Call fn(ctx, i, worker) for every i in [0, n), each once, in any order and on any worker; returns
 * when all are done. Items are handed out one at a time, so results must not depend on the worker.
 * ctx is borrowed for the call. Must not be called from inside a loop body of the same team.
 */
void cg_team_loop(cg_team *team, int64_t n, cg_loop_fn fn, void *ctx);

/* ---- queue: jobs in the background ------------------------------------------------------ */

typedef struct cg_queue cg_queue;
typedef void (*cg_job_fn)(void *arg, int worker);

/** n_threads workers (>= 1) and at most `bound` waiting jobs (>= 1). */
cg_status cg_queue_create(int n_threads, int bound, cg_queue **ret_queue, cg_error *err);
/** Blocks while `bound` jobs are waiting. arg must live until the job has run. */
void cg_queue_push(cg_queue *queue, cg_job_fn fn, void *arg);
/** Runs the jobs that are still waiting, joins the workers. Accepts NULL. */
void cg_queue_destroy(cg_queue *queue);

#endif
