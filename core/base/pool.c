/* SPDX-License-Identifier: MIT */
#include "base/pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"

/* ---- team ------------------------------------------------------------------------------- */

/*
 * Polls for the next loop before a worker sleeps: about 20 us, longer than the gap between two
 * loops of a decode step, shorter than a time slice.
 */
enum { SPINS = 4000 };

struct cg_team {
    int n_threads;
    int n_started; /* threads to join */
    pthread_t *threads;
    pthread_mutex_t lock;
    pthread_cond_t wake; /* a loop started, or `stop` is set */
    pthread_cond_t done; /* the last worker finished the loop */
    atomic_uint epoch;   /* number of loops started; written under the lock */
    atomic_int stop;     /* written under the lock */
    atomic_int busy;     /* workers that have not finished the loop */
    atomic_llong next;   /* next item */
    int64_t n;           /* items, body and its argument: published by epoch */
    cg_loop_fn fn;
    void *ctx;
};

struct team_arg {
    cg_team *team;
    int worker;
};

static void pause_cpu(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#else
    sched_yield();
#endif
}

static void run_items(cg_team *t, int worker)
{
    for (;;) {
        int64_t i = atomic_fetch_add_explicit(&t->next, 1, memory_order_relaxed);

        if (i >= t->n)
            return;
        t->fn(t->ctx, i, worker);
    }
}

static void *team_main(void *p)
{
    struct team_arg arg = *(struct team_arg *)p;
    cg_team *t = arg.team;
    unsigned seen = 0;

    free(p);
    for (;;) {
        unsigned epoch = seen;

        for (int i = 0; i < SPINS && epoch == seen && !atomic_load(&t->stop); i++) {
            pause_cpu();
            epoch = atomic_load(&t->epoch);
        }
        if (epoch == seen) {
            pthread_mutex_lock(&t->lock);
            while ((epoch = atomic_load(&t->epoch)) == seen && !atomic_load(&t->stop))
                pthread_cond_wait(&t->wake, &t->lock);
            pthread_mutex_unlock(&t->lock);
        }
        if (epoch == seen)
            return NULL; /* stop */
        seen = epoch;
        run_items(t, arg.worker);
        if (atomic_fetch_sub(&t->busy, 1) == 1) {
            pthread_mutex_lock(&t->lock);
            pthread_cond_signal(&t->done);
            pthread_mutex_unlock(&t->lock);
        }
    }
}

cg_status cg_team_create(int n_threads, cg_team **ret_team, cg_error *err)
{
    cg_team *t;

    if (n_threads < 1)
        return cg_fail(err, CG_ERR_USAGE, "thread team: %d threads, wanted at least 1", n_threads);
    t = calloc(1, sizeof *t);
    if (!t)
        return cg_fail_nomem(err, "thread team");
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->wake, NULL);
    pthread_cond_init(&t->done, NULL);
    t->n_threads = n_threads;
    t->threads = cg_alloc_array((size_t)n_threads, sizeof *t->threads);
    if (!t->threads)
        goto nomem;
    for (int w = 1; w < n_threads; w++) {
        struct team_arg *arg = malloc(sizeof *arg);
        int rc;

        if (!arg)
            goto nomem;
        arg->team = t;
        arg->worker = w;
        rc = pthread_create(&t->threads[t->n_started], NULL, team_main, arg);
        if (rc) {
            free(arg);
            cg_team_destroy(t);
            return cg_fail(err, CG_ERR_NOMEM, "thread team: cannot start thread %d of %d: %s",
                           w + 1, n_threads, strerror(rc));
        }
        t->n_started++;
    }
    *ret_team = t;
    return CG_OK;
nomem:
    cg_team_destroy(t);
    return cg_fail_nomem(err, "thread team");
}

void cg_team_destroy(cg_team *t)
{
    if (!t)
        return;
    pthread_mutex_lock(&t->lock);
    atomic_store(&t->stop, 1);
    pthread_cond_broadcast(&t->wake);
    pthread_mutex_unlock(&t->lock);
    for (int i = 0; i < t->n_started; i++)
        pthread_join(t->threads[i], NULL);
    pthread_mutex_destroy(&t->lock);
    pthread_cond_destroy(&t->wake);
    pthread_cond_destroy(&t->done);
    free(t->threads);
    free(t);
}

int cg_team_size(const cg_team *t)
{
    return t->n_threads;
}

void cg_team_loop(cg_team *t, int64_t n, cg_loop_fn fn, void *ctx)
{
    if (n <= 0)
        return;
    if (t->n_threads == 1 || n == 1) {
        for (int64_t i = 0; i < n; i++)
            fn(ctx, i, 0);
        return;
    }
    t->n = n;
    t->fn = fn;
    t->ctx = ctx;
    atomic_store(&t->next, 0);
    atomic_store(&t->busy, t->n_threads - 1);
    pthread_mutex_lock(&t->lock);
    atomic_fetch_add(&t->epoch, 1);
    pthread_cond_broadcast(&t->wake);
    pthread_mutex_unlock(&t->lock);
    run_items(t, 0);
    for (int i = 0; i < SPINS; i++) {
        if (!atomic_load(&t->busy))
            return;
        pause_cpu();
    }
    pthread_mutex_lock(&t->lock);
    while (atomic_load(&t->busy))
        pthread_cond_wait(&t->done, &t->lock);
    pthread_mutex_unlock(&t->lock);
}

/* ---- queue ------------------------------------------------------------------------------ */

struct queued_job {
    cg_job_fn fn;
    void *arg;
};

struct cg_queue {
    int n_started, bound;
    pthread_t *threads;
    pthread_mutex_t lock;
    pthread_cond_t not_empty, not_full;
    struct {
        struct queued_job *ring; /* [bound] waiting jobs: `count` from `head` on */
        int head, count;
        int stop;
    } locked; /* guarded by `lock` */
};

struct queue_arg {
    cg_queue *queue;
    int worker;
};

static void *queue_main(void *p)
{
    struct queue_arg arg = *(struct queue_arg *)p;
    cg_queue *q = arg.queue;

    free(p);
    for (;;) {
        struct queued_job job;

        pthread_mutex_lock(&q->lock);
        while (!q->locked.count && !q->locked.stop)
            pthread_cond_wait(&q->not_empty, &q->lock);
        if (!q->locked.count) {
            pthread_mutex_unlock(&q->lock);
            return NULL;
        }
        job = q->locked.ring[q->locked.head];
        q->locked.head = (q->locked.head + 1) % q->bound;
        q->locked.count--;
        pthread_cond_signal(&q->not_full);
        pthread_mutex_unlock(&q->lock);
        job.fn(job.arg, arg.worker);
    }
}

cg_status cg_queue_create(int n_threads, int bound, cg_queue **ret_queue, cg_error *err)
{
    cg_queue *q;

    if (n_threads < 1 || bound < 1)
        return cg_fail(err, CG_ERR_USAGE,
                       "job queue: %d threads and a bound of %d jobs, wanted at least 1 of each",
                       n_threads, bound);
    q = calloc(1, sizeof *q);
    if (!q)
        return cg_fail_nomem(err, "job queue");
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->not_empty, NULL);
    pthread_cond_init(&q->not_full, NULL);
    q->bound = bound;
    q->locked.ring = cg_alloc_array((size_t)bound, sizeof *q->locked.ring);
    q->threads = cg_alloc_array((size_t)n_threads, sizeof *q->threads);
    if (!q->locked.ring || !q->threads)
        goto nomem;
    for (int w = 0; w < n_threads; w++) {
        struct queue_arg *arg = malloc(sizeof *arg);
        int rc;

        if (!arg)
            goto nomem;
        arg->queue = q;
        arg->worker = w;
        rc = pthread_create(&q->threads[w], NULL, queue_main, arg);
        if (rc) {
            free(arg);
            cg_queue_destroy(q);
            return cg_fail(err, CG_ERR_NOMEM, "job queue: cannot start thread %d of %d: %s", w + 1,
                           n_threads, strerror(rc));
        }
        q->n_started++;
    }
    *ret_queue = q;
    return CG_OK;
nomem:
    cg_queue_destroy(q);
    return cg_fail_nomem(err, "job queue");
}

void cg_queue_push(cg_queue *q, cg_job_fn fn, void *arg)
{
    pthread_mutex_lock(&q->lock);
    while (q->locked.count == q->bound)
        pthread_cond_wait(&q->not_full, &q->lock);
    q->locked.ring[(q->locked.head + q->locked.count) % q->bound] = (struct queued_job) { fn, arg };
    q->locked.count++;
    pthread_cond_signal(&q->not_empty);
    pthread_mutex_unlock(&q->lock);
}

void cg_queue_destroy(cg_queue *q)
{
    if (!q)
        return;
    pthread_mutex_lock(&q->lock);
    q->locked.stop = 1;
    pthread_cond_broadcast(&q->not_empty);
    pthread_mutex_unlock(&q->lock);
    for (int i = 0; i < q->n_started; i++)
        pthread_join(q->threads[i], NULL);
    pthread_mutex_destroy(&q->lock);
    pthread_cond_destroy(&q->not_empty);
    pthread_cond_destroy(&q->not_full);
    free(q->threads);
    free(q->locked.ring);
    free(q);
}
