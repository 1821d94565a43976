/* SPDX-License-Identifier: MIT */
#include "engine/minimizer_pool.h"

#include <confgen/limits.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/error.h"
#include "cuda_loader/cuda_module.h"
#include "plugin/host.h"

enum { MAX_CALL_JOBS = 256 };

/* A job that waits, on the stack of the thread that waits for it. */
struct waiting_job {
    cg_minimizer_job job;
    struct waiting_job *next;
    cg_status status;
    cg_error err;
    int is_done;
};

struct pooled_minimizer {
    cg_device_minimizer *minimizer;
    int is_busy;
};

struct cg_minimizer_pool {
    const cg_host *host;
    struct pooled_minimizer minimizers[CG_MAX_GPUS * CG_MINIMIZERS_PER_GPU];
    int n_minimizers;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* a job is done, or a minimiser free */
    /* Guarded by `lock`: */
    struct waiting_job *first, **end; /* the queue */
    int has_warned;                   /* of jobs on the CPU */
};

/* ---- create, destroy ---------------------------------------------------------------------- */

static cg_status add_gpu(cg_minimizer_pool *p, int32_t gpu, cg_error *err)
{
    const cg_device_minimizer_config config = { .gpu = gpu };

    for (int i = 0; i < CG_MINIMIZERS_PER_GPU; i++) {
        cg_error why = CG_ERROR_INIT;
        cg_status st = cg_cuda_loader_create_minimizer(
            &config, &p->minimizers[p->n_minimizers].minimizer, &why);

        if (st == CG_ERR_DEVICE_NOMEM) {
            cg_host_log(p->host, CG_LOG_WARNING, "GPU %d: %s minimiser of conformers: %s", gpu,
                        i ? "one" : "no", why.msg);
            return CG_OK;
        }
        if (st != CG_OK)
            return cg_fail(err, st, "%s", why.msg);
        p->n_minimizers++;
    }
    return CG_OK;
}

cg_status cg_minimizer_pool_create(const int32_t *gpus, int32_t n, const cg_host *host,
                                   cg_minimizer_pool **ret_pool, cg_error *err)
{
    cg_minimizer_pool *p = calloc(1, sizeof *p);
    cg_status st = CG_OK;

    if (!p)
        return cg_fail_nomem(err, "minimisation");
    p->host = host;
    p->end = &p->first;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->changed, NULL);
    for (int32_t i = 0; st == CG_OK && i < n; i++)
        st = add_gpu(p, gpus[i], err);
    if (st == CG_OK)
        *ret_pool = p;
    else
        cg_minimizer_pool_destroy(p);
    return st;
}

void cg_minimizer_pool_destroy(cg_minimizer_pool *p)
{
    if (!p)
        return;
    for (int i = 0; i < p->n_minimizers; i++)
        p->minimizers[i].minimizer->ops->destroy(p->minimizers[i].minimizer);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->changed);
    free(p);
}

/* ---- jobs --------------------------------------------------------------------------------- */

/* Removes at most MAX_CALL_JOBS from the queue. Returns their number. */
static size_t take_locked(cg_minimizer_pool *p, struct waiting_job **taken, cg_minimizer_job *jobs)
{
    size_t n = 0;

    for (; p->first && n < MAX_CALL_JOBS; n++) {
        taken[n] = p->first;
        jobs[n] = p->first->job;
        p->first = p->first->next;
    }
    if (!p->first)
        p->end = &p->first;
    return n;
}

/* Minimises waiting jobs; the lock is released meanwhile. */
static void serve_locked(cg_minimizer_pool *p, struct pooled_minimizer *m)
{
    struct waiting_job *taken[MAX_CALL_JOBS];
    cg_minimizer_job jobs[MAX_CALL_JOBS];
    size_t n = take_locked(p, taken, jobs);
    cg_error err = CG_ERROR_INIT;
    cg_status st;

    m->is_busy = 1;
    pthread_mutex_unlock(&p->lock);
    st = m->minimizer->ops->run(m->minimizer, jobs, n, &err);
    pthread_mutex_lock(&p->lock);
    m->is_busy = 0;
    for (size_t i = 0; i < n; i++) {
        taken[i]->status = st;
        taken[i]->err = err;
        taken[i]->is_done = 1;
    }
    pthread_cond_broadcast(&p->changed);
}

static struct pooled_minimizer *find_free_locked(cg_minimizer_pool *p)
{
    for (int i = 0; i < p->n_minimizers; i++)
        if (!p->minimizers[i].is_busy)
            return &p->minimizers[i];
    return NULL;
}

/* A GPU had no memory: the job is unchanged. */
static cg_status run_on_cpu(cg_minimizer_pool *p, const cg_minimizer_job *job, const cg_error *why,
                            cg_error *err)
{
    int is_first;

    pthread_mutex_lock(&p->lock);
    is_first = !p->has_warned;
    p->has_warned = 1;
    pthread_mutex_unlock(&p->lock);
    if (is_first)
        cg_host_log(p->host, CG_LOG_WARNING, "conformers are minimised on the CPU: %s", why->msg);
    return cg_mmff_minimize_job(job, err);
}

cg_status cg_minimizer_pool_run(cg_minimizer_pool *p, const cg_minimizer_job *job, cg_error *err)
{
    struct waiting_job mine = { .job = *job, .err = CG_ERROR_INIT };

    if (!p || !p->n_minimizers)
        return cg_mmff_minimize_job(job, err);
    pthread_mutex_lock(&p->lock);
    *p->end = &mine;
    p->end = &mine.next;
    while (!mine.is_done) {
        struct pooled_minimizer *m = p->first ? find_free_locked(p) : NULL;

        if (m)
            serve_locked(p, m);
        else
            pthread_cond_wait(&p->changed, &p->lock);
    }
    pthread_mutex_unlock(&p->lock);
    if (mine.status == CG_ERR_DEVICE_NOMEM)
        return run_on_cpu(p, job, &mine.err, err);
    return mine.status == CG_OK ? CG_OK : cg_fail(err, mine.status, "%s", mine.err.msg);
}
