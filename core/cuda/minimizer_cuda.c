/* SPDX-License-Identifier: MIT */
#include "minimizer_cuda.h"

#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "minimizer_image.h"

enum {
    DEFAULT_THREADS = 64,
    DEFAULT_BLOCKS_EACH = 4, /* blocks of a multiprocessor */
    WARP = 32,
    MAX_THREADS = 256,
    WORK_BYTES = 64 << 20, /* of all blocks; fewer blocks run where theirs would exceed it */
    MIN_BUFFER = 4 << 20,  /* bytes of input and results, doubled as needed */
};

/* Input and results of a call, in pinned memory, and the same on the device. */
struct buffer {
    char *host, *device;
    size_t cap;
};

struct cuda_minimizer {
    cg_device_minimizer base;
    int32_t gpu, threads, max_blocks;
    cudaStream_t stream;
    struct buffer buffer;
    double *work;
    size_t work_cap; /* doubles */
};

/* What lies where in the buffer of a call: offsets. */
struct minimizer_call {
    const cg_minimizer_job *jobs;
    size_t n_jobs, n_items;
    cg_image_plan *plans; /* [n_jobs] of which n_plans are made */
    size_t n_plans;
    size_t images, items, next, xyz, minimized, end;
    size_t work_size, shared_size; /* doubles */
};

/* ---- memory --------------------------------------------------------------------------------- */

static void buffer_finish(struct buffer *b)
{
    cudaFreeHost(b->host);
    cudaFree(b->device);
    *b = (struct buffer) { 0 };
}

static cg_status reserve_buffer(struct cuda_minimizer *m, size_t bytes, cg_error *err)
{
    struct buffer b = { .cap = m->buffer.cap ? m->buffer.cap : MIN_BUFFER };
    cg_status st;

    if (bytes <= m->buffer.cap)
        return CG_OK;
    while (b.cap < bytes)
        b.cap *= 2;
    buffer_finish(&m->buffer);
    st = CG_CUDA(cudaHostAlloc((void **)&b.host, b.cap, cudaHostAllocDefault), err);
    if (st == CG_OK)
        st = CG_CUDA(cudaMalloc((void **)&b.device, b.cap), err);
    if (st == CG_OK)
        m->buffer = b;
    else
        buffer_finish(&b);
    return st;
}

static cg_status reserve_work(struct cuda_minimizer *m, size_t n, cg_error *err)
{
    if (n <= m->work_cap)
        return CG_OK;
    cudaFree(m->work);
    m->work = NULL;
    m->work_cap = 0;
    CG_TRY(CG_CUDA(cudaMalloc((void **)&m->work, n * sizeof *m->work), err));
    m->work_cap = n;
    return CG_OK;
}

/* ---- a call --------------------------------------------------------------------------------- */

static void call_finish(struct minimizer_call *c)
{
    for (size_t i = 0; i < c->n_plans; i++)
        cg_image_plan_finish(&c->plans[i]);
    free(c->plans);
}

static size_t coordinates_of(const cg_minimizer_job *job)
{
    return job->n * (size_t)job->tables->n_atoms * 3;
}

/* Lays the call out. */
static cg_status call_init(const cg_minimizer_job *jobs, size_t n, struct minimizer_call *c,
                           cg_error *err)
{
    size_t at = 0, n_coords = 0;

    *c = (struct minimizer_call) { .jobs = jobs, .n_jobs = n };
    c->plans = calloc(n, sizeof *c->plans);
    if (!c->plans)
        return cg_fail_nomem(err, "minimisation");
    for (size_t i = 0; i < n; i++) {
        c->n_items += jobs[i].n;
        n_coords += coordinates_of(&jobs[i]);
    }
    if (c->n_items > INT32_MAX)
        return cg_fail(err, CG_ERR_LIMIT, "minimisation of %zu conformers in a call", c->n_items);
    c->images = at;
    at += n * sizeof(cg_minimizer_image);
    c->items = at;
    at += c->n_items * sizeof(cg_minimizer_item);
    c->next = at;
    at += sizeof(int64_t);
    for (; c->n_plans < n; c->n_plans++) {
        cg_image_plan *plan = &c->plans[c->n_plans];
        size_t size, state;

        CG_TRY(cg_image_plan_init(&jobs[c->n_plans], at, plan, &at, err));
        size = cg_minimizer_work_size(&plan->image);
        state = cg_minimizer_state_size(&plan->image);
        c->work_size = size > c->work_size ? size : c->work_size;
        if (state > c->shared_size && state * sizeof(double) <= CG_MINIMIZE_MAX_SHARED)
            c->shared_size = state;
    }
    c->xyz = at;
    at += n_coords * sizeof(double);
    c->minimized = at;
    c->end = at + c->n_items * sizeof(cg_minimized);
    return CG_OK;
}

/* Writes the input to pinned memory. */
static void call_fill(const struct minimizer_call *c, char *memory)
{
    cg_minimizer_image *images = (cg_minimizer_image *)(memory + c->images);
    cg_minimizer_item *items = (cg_minimizer_item *)(memory + c->items);
    double *xyz = (double *)(memory + c->xyz);
    size_t at = 0;

    memset(memory + c->next, 0, sizeof(int64_t));
    for (size_t i = 0; i < c->n_jobs; i++) {
        const cg_minimizer_job *job = &c->jobs[i];
        const size_t each = (size_t)job->tables->n_atoms * 3;

        images[i] = c->plans[i].image;
        cg_image_plan_fill(&c->plans[i], job, memory);
        memcpy(xyz + at, job->xyz, coordinates_of(job) * sizeof *xyz);
        for (size_t k = 0; k < job->n; k++, at += each)
            *items++ = (cg_minimizer_item) { (int32_t)i, at };
    }
}

/* Copies the results to the jobs. */
static void call_take(const struct minimizer_call *c, const char *memory)
{
    const double *xyz = (const double *)(memory + c->xyz);
    const cg_minimized *minimized = (const cg_minimized *)(memory + c->minimized);

    for (size_t i = 0; i < c->n_jobs; i++) {
        const cg_minimizer_job *job = &c->jobs[i];

        memcpy(job->xyz, xyz, coordinates_of(job) * sizeof *xyz);
        memcpy(job->minimized, minimized, job->n * sizeof *minimized);
        xyz += coordinates_of(job);
        minimized += job->n;
    }
}

static int32_t choose_blocks(const struct cuda_minimizer *m, const struct minimizer_call *c)
{
    size_t n = WORK_BYTES / sizeof(double) / c->work_size;

    n = n < (size_t)m->max_blocks ? n : (size_t)m->max_blocks;
    n = n < c->n_items ? n : c->n_items;
    return n > 0 ? (int32_t)n : 1;
}

static cg_status queue_call(struct cuda_minimizer *m, const struct minimizer_call *c, cg_error *err)
{
    const int32_t blocks = choose_blocks(m, c);
    char *device, *host;
    cg_minimize_launch launch;
    cg_status st;

    CG_TRY(reserve_buffer(m, c->end, err));
    CG_TRY(reserve_work(m, (size_t)blocks * c->work_size, err));
    device = m->buffer.device;
    host = m->buffer.host;
    call_fill(c, host);
    launch = (cg_minimize_launch) {
        .images = (const cg_minimizer_image *)(device + c->images),
        .memory = device,
        .items = (const cg_minimizer_item *)(device + c->items),
        .n_items = (int32_t)c->n_items,
        .next = (int32_t *)(device + c->next),
        .xyz = (double *)(device + c->xyz),
        .minimized = (cg_minimized *)(device + c->minimized),
        .work = m->work,
        .work_size = c->work_size,
        .shared_size = c->shared_size,
    };
    CG_TRY(CG_CUDA(cudaMemcpyAsync(device, host, c->minimized, cudaMemcpyHostToDevice, m->stream),
                   err));
    st = cg_cuda_minimize(&launch, blocks, m->threads, m->stream, err);
    if (st != CG_OK)
        return cg_fail_prefix(err, st,
                              "minimize_kernel, %d blocks of %d threads, %zu bytes of shared "
                              "memory, %zu conformers",
                              blocks, m->threads, c->shared_size * sizeof(double), c->n_items);
    return CG_CUDA(cudaMemcpyAsync(host + c->xyz, device + c->xyz, c->end - c->xyz,
                                   cudaMemcpyDeviceToHost, m->stream),
                   err);
}

static cg_status run(cg_device_minimizer *base, const cg_minimizer_job *jobs, size_t n,
                     cg_error *err)
{
    struct cuda_minimizer *m = (struct cuda_minimizer *)base;
    struct minimizer_call c;
    cg_status st, done;

    CG_TRY(CG_CUDA(cudaSetDevice(m->gpu), err));
    CG_TRY_GOTO(st, call_init(jobs, n, &c, err), out);
    if (c.n_items == 0)
        goto out;
    st = queue_call(m, &c, err);
    /* even after a failure: queued copies use the buffer until they are complete */
    done = CG_CUDA(cudaStreamSynchronize(m->stream), st == CG_OK ? err : NULL);
    st = st == CG_OK ? done : st;
    if (st == CG_OK)
        call_take(&c, m->buffer.host);
out:
    call_finish(&c);
    return st;
}

/* ---- create, destroy ------------------------------------------------------------------------ */

static void destroy(cg_device_minimizer *base)
{
    struct cuda_minimizer *m = (struct cuda_minimizer *)base;

    cudaSetDevice(m->gpu);
    if (m->stream)
        cudaStreamSynchronize(m->stream);
    buffer_finish(&m->buffer);
    cudaFree(m->work);
    if (m->stream)
        cudaStreamDestroy(m->stream);
    free(m);
}

static const struct cg_device_minimizer_ops cuda_ops = { destroy, run };

cg_status cg_cuda_minimizer_create(const cg_device_minimizer_config *config,
                                   cg_device_minimizer **ret_minimizer, cg_error *err)
{
    struct cuda_minimizer *m;
    int multiprocessors = 0;
    cg_status st;

    if (config->threads % WARP != 0 || config->threads < 0 || config->threads > MAX_THREADS)
        return cg_fail(err, CG_ERR_INPUT,
                       "minimiser: blocks of %d threads; wanted whole warps of %d, at most %d",
                       config->threads, WARP, MAX_THREADS);
    CG_TRY(cg_cuda_use(config->gpu, err));
    m = calloc(1, sizeof *m);
    if (!m)
        return cg_fail_nomem(err, "minimisation");
    m->base.ops = &cuda_ops;
    m->gpu = config->gpu;
    m->threads = config->threads ? config->threads : DEFAULT_THREADS;
    CG_TRY_GOTO(st,
                CG_CUDA(cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount,
                                               config->gpu),
                        err),
                out);
    CG_TRY_GOTO(st, cg_cuda_minimize_init(err), out);
    m->max_blocks = config->blocks > 0 ? config->blocks : multiprocessors * DEFAULT_BLOCKS_EACH;
    CG_TRY_GOTO(st, CG_CUDA(cudaStreamCreateWithFlags(&m->stream, cudaStreamNonBlocking), err),
                out);
    CG_TRY_GOTO(st, reserve_buffer(m, MIN_BUFFER, err), out);
    CG_TRY_GOTO(st, reserve_work(m, WORK_BYTES / sizeof *m->work, err), out);
    *ret_minimizer = &m->base;
    m = NULL;
out:
    if (m)
        destroy(&m->base);
    return st;
}
