/* SPDX-License-Identifier: MIT */
/* Streams, events, captures and graphs of the CUDA run time, and copies, which streams order. */
#include "streams.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "emulator.h"

enum { EARLY = 8 /* one of so many operations runs what its stream has queued */ };

typedef struct operation {
    struct operation *next;
    void (*run)(const void *arg);
    size_t bytes;
    int is_host_function; /* may wait: runs only when a thread waits for the stream */
    _Alignas(16) char arg[];
} operation;

typedef struct list {
    operation *first, **end;
} list;

/* What a stream captures. A stream that waits for an event of a capture joins it as a branch, whose
 * operations follow those of the origin at its end, or at random in the order of the calls. */
struct CUgraph_st {
    list operations;
    struct CUgraph_st *origin; /* of a branch; NULL: not a branch */
    int is_early;              /* the branch, in the order of the calls */
    int is_open;               /* the origin does not wait for the branch's last operation yet */
};

struct CUgraphExec_st {
    list operations;
};

struct CUstream_st {
    list queued;
    struct CUgraph_st *captured; /* NULL: not captured */
    struct CUstream_st *next;
};

struct CUevent_st {
    struct CUstream_st *stream;
    struct CUgraph_st *captured;    /* recorded in this capture; NULL: outside of captures */
    uint64_t n_recorded, n_reached; /* n_reached: by the stream */
    int is_timed;
    double time; /* s */
};

/* One thread at a time uses streams and runs what they hold; a host function may use events. */
static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static struct CUstream_st *streams;
static uint64_t random_state;
static _Thread_local int n_captures; /* of the calling thread */
static _Thread_local cudaError_t last_error;

/* ---- errors --------------------------------------------------------------------------------- */

cudaError_t emulated_result(cudaError_t code)
{
    if (code != cudaSuccess)
        last_error = code;
    return code;
}

cudaError_t cudaGetLastError(void)
{
    cudaError_t code = last_error;

    last_error = cudaSuccess;
    return code;
}

cudaError_t emulated_outside_of_captures(void)
{
    return emulated_result(n_captures ? cudaErrorStreamCaptureUnsupported : cudaSuccess);
}

/* ---- lists of operations -------------------------------------------------------------------- */

static operation *create_operation(void (*run)(const void *arg), const void *arg, size_t bytes)
{
    operation *o = malloc(sizeof *o + bytes);

    if (!o)
        abort();
    *o = (operation) { .run = run, .bytes = bytes };
    if (bytes)
        memcpy(o->arg, arg, bytes);
    return o;
}

static void append(list *l, operation *o)
{
    if (!l->first)
        l->end = &l->first;
    *l->end = o;
    l->end = &o->next;
}

static void append_copies(list *to, const list *from)
{
    for (const operation *o = from->first; o; o = o->next) {
        operation *copy = create_operation(o->run, o->arg, o->bytes);

        copy->is_host_function = o->is_host_function;
        append(to, copy);
    }
}

static void clear(list *l)
{
    while (l->first) {
        operation *o = l->first;

        l->first = o->next;
        free(o);
    }
}

static void run_first_locked(struct CUstream_st *s)
{
    operation *o = s->queued.first;

    s->queued.first = o->next;
    o->run(o->arg);
    free(o);
}

static void run_all_locked(struct CUstream_st *s)
{
    while (s->queued.first)
        run_first_locked(s);
}

static int draw_locked(unsigned n)
{
    if (!random_state)
        random_state = emulator_seed * 0x9e3779b97f4a7c15u + 1;
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (int)((random_state >> 33) % n);
}

/* Runs the queued operations now or leaves them, at random. */
static void run_early_locked(struct CUstream_st *s)
{
    if (draw_locked(EARLY))
        return;
    while (s->queued.first && !s->queued.first->is_host_function)
        run_first_locked(s);
}

static void queue_operation(struct CUstream_st *s, operation *o)
{
    pthread_mutex_lock(&lock);
    if (s->captured) {
        s->captured->is_open = 1;
        append(s->captured->is_early ? &s->captured->origin->operations : &s->captured->operations,
               o);
    } else {
        append(&s->queued, o);
        run_early_locked(s);
    }
    pthread_mutex_unlock(&lock);
}

void emulated_queue(cudaStream_t stream, void (*run)(const void *arg), const void *arg,
                    size_t bytes)
{
    operation *o;

    if (!stream && emulated_outside_of_captures() != cudaSuccess)
        return;
    o = create_operation(run, arg, bytes);
    if (stream) {
        queue_operation(stream, o);
    } else {
        run(o->arg);
        free(o);
    }
}

/* ---- streams -------------------------------------------------------------------------------- */

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *ret_stream, unsigned flags)
{
    struct CUstream_st *s = calloc(1, sizeof *s);

    if (!s || flags != cudaStreamNonBlocking) /* others wait for the default stream */
        abort();
    pthread_mutex_lock(&lock);
    s->next = streams;
    streams = s;
    pthread_mutex_unlock(&lock);
    *ret_stream = s;
    return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
    cudaError_t code = emulated_outside_of_captures();

    if (code != cudaSuccess || !stream)
        return code;
    pthread_mutex_lock(&lock);
    run_all_locked(stream);
    pthread_mutex_unlock(&lock);
    return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    cudaError_t code = cudaStreamSynchronize(stream);

    if (code != cudaSuccess)
        return code;
    pthread_mutex_lock(&lock);
    for (struct CUstream_st **at = &streams; *at; at = &(*at)->next)
        if (*at == stream) {
            *at = stream->next;
            break;
        }
    pthread_mutex_unlock(&lock);
    free(stream);
    return cudaSuccess;
}

cudaError_t emulated_synchronize(void)
{
    cudaError_t code = emulated_outside_of_captures();

    if (code != cudaSuccess)
        return code;
    pthread_mutex_lock(&lock);
    for (struct CUstream_st *s = streams; s; s = s->next)
        run_all_locked(s);
    pthread_mutex_unlock(&lock);
    return cudaSuccess;
}

struct host_function {
    cudaHostFn_t function;
    void *ctx;
};

static void run_host_function(const void *arg)
{
    const struct host_function *h = arg;

    h->function(h->ctx);
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void *ctx)
{
    struct host_function h = { function, ctx };
    operation *o = create_operation(run_host_function, &h, sizeof h);

    o->is_host_function = 1;
    queue_operation(stream, o);
    return cudaSuccess;
}

/* ---- events --------------------------------------------------------------------------------- */

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *ret_event, unsigned flags)
{
    *ret_event = calloc(1, sizeof **ret_event);
    if (!*ret_event)
        return emulated_result(cudaErrorMemoryAllocation);
    (*ret_event)->is_timed = !(flags & cudaEventDisableTiming);
    return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t *ret_event)
{
    return cudaEventCreateWithFlags(ret_event, cudaEventDefault);
}

static void run_record(const void *arg)
{
    struct CUevent_st *event;
    struct timespec now;

    memcpy(&event, arg, sizeof event);
    clock_gettime(CLOCK_MONOTONIC, &now);
    event->time = (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
    event->n_reached++;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    cudaError_t code = cudaSuccess;

    pthread_mutex_lock(&lock);
    event->captured = stream ? stream->captured : NULL;
    if (!event->captured && (code = emulated_outside_of_captures()) == cudaSuccess) {
        event->stream = stream;
        event->n_recorded++;
        emulated_queue(stream, run_record, &event, sizeof event);
    }
    pthread_mutex_unlock(&lock);
    return code;
}

struct wait {
    cudaEvent_t event;
    uint64_t n; /* that the event is to have reached */
};

static void run_wait(const void *arg)
{
    const struct wait *w = arg;

    while (w->event->n_reached < w->n)
        run_first_locked(w->event->stream);
}

static void append_branch(struct CUgraph_st *branch)
{
    list *l = &branch->operations;

    while (l->first) {
        operation *o = l->first;

        l->first = o->next;
        o->next = NULL;
        append(&branch->origin->operations, o);
    }
    branch->is_open = 0;
}

/* Begins a branch of a capture, or ends it. Branches of branches are not emulated. */
static void wait_captured(struct CUstream_st *stream, struct CUgraph_st *recorded)
{
    if (!stream->captured) {
        stream->captured = calloc(1, sizeof *stream->captured);
        if (!stream->captured || recorded->origin)
            abort();
        stream->captured->origin = recorded;
        stream->captured->is_early = draw_locked(2);
    }
    stream->captured->is_open = 1;
    if (recorded->origin == stream->captured)
        append_branch(recorded);
    else if (stream->captured->origin != recorded)
        abort();
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags)
{
    struct wait w = { event, event->n_recorded };

    if (!stream || flags)
        abort();
    pthread_mutex_lock(&lock);
    if (event->captured)
        wait_captured(stream, event->captured);
    else
        emulated_queue(stream, run_wait, &w, sizeof w);
    pthread_mutex_unlock(&lock);
    return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
    cudaError_t code = emulated_outside_of_captures();

    if (code != cudaSuccess)
        return code;
    pthread_mutex_lock(&lock);
    while (event->n_reached < event->n_recorded)
        run_first_locked(event->stream);
    pthread_mutex_unlock(&lock);
    return cudaSuccess;
}

cudaError_t cudaEventElapsedTime(float *ret_ms, cudaEvent_t begin, cudaEvent_t end)
{
    cudaError_t code = cudaSuccess;

    pthread_mutex_lock(&lock);
    if (!begin->n_recorded || !end->n_recorded || !begin->is_timed || !end->is_timed)
        code = cudaErrorInvalidResourceHandle;
    else if (begin->n_reached < begin->n_recorded || end->n_reached < end->n_recorded)
        code = cudaErrorNotReady;
    else
        *ret_ms = (float)((end->time - begin->time) * 1e3);
    pthread_mutex_unlock(&lock);
    return emulated_result(code);
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    cudaError_t code = cudaEventSynchronize(event);

    if (code == cudaSuccess)
        free(event);
    return code;
}

/* ---- captures and graphs -------------------------------------------------------------------- */

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode mode)
{
    cudaError_t code = cudaSuccess;

    if (mode != cudaStreamCaptureModeThreadLocal)
        abort();
    pthread_mutex_lock(&lock);
    if (!stream || stream->captured)
        code = cudaErrorStreamCaptureUnsupported;
    else if (!(stream->captured = calloc(1, sizeof *stream->captured)))
        code = cudaErrorMemoryAllocation;
    else
        n_captures++;
    pthread_mutex_unlock(&lock);
    return emulated_result(code);
}

/* Ends the branches of a capture. Returns whether the origin waits for all of them. */
static int end_branches(const struct CUgraph_st *origin)
{
    int are_joined = 1;

    for (struct CUstream_st *s = streams; s; s = s->next) {
        if (!s->captured || s->captured->origin != origin)
            continue;
        are_joined &= !s->captured->is_open;
        clear(&s->captured->operations);
        free(s->captured);
        s->captured = NULL;
    }
    return are_joined;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *ret_graph)
{
    cudaError_t code = cudaSuccess;

    pthread_mutex_lock(&lock);
    if (stream->captured && !stream->captured->origin) {
        *ret_graph = stream->captured;
        stream->captured = NULL;
        n_captures--;
        if (!end_branches(*ret_graph)) {
            cudaGraphDestroy(*ret_graph);
            *ret_graph = NULL;
            code = cudaErrorStreamCaptureUnjoined;
        }
    } else {
        code = cudaErrorIllegalState;
    }
    pthread_mutex_unlock(&lock);
    return emulated_result(code);
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *ret_exec, cudaGraph_t graph,
                                 unsigned long long flags)
{
    (void)flags;
    *ret_exec = calloc(1, sizeof **ret_exec);
    if (!*ret_exec)
        return emulated_result(cudaErrorMemoryAllocation);
    append_copies(&(*ret_exec)->operations, &graph->operations);
    return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph)
{
    clear(&graph->operations);
    free(graph);
    return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream)
{
    cudaError_t code = emulated_outside_of_captures();

    if (code != cudaSuccess)
        return code;
    pthread_mutex_lock(&lock);
    append_copies(&stream->queued, &exec->operations);
    run_early_locked(stream);
    pthread_mutex_unlock(&lock);
    return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec)
{
    clear(&exec->operations);
    free(exec);
    return cudaSuccess;
}

/* ---- copies --------------------------------------------------------------------------------- */

struct copy {
    void *to;
    const void *from;
    size_t bytes;
};

static void run_copy(const void *arg)
{
    const struct copy *c = arg;

    memcpy(c->to, c->from, c->bytes);
}

/* A copy whose source follows the argument. */
static void run_staged_copy(const void *arg)
{
    const struct copy *c = arg;

    memcpy(c->to, c + 1, c->bytes);
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind,
                            cudaStream_t stream)
{
    struct copy c = { to, from, bytes };

    if (kind == cudaMemcpyHostToDevice && !emulated_is_pinned(from)) {
        struct copy *staged = malloc(sizeof c + bytes);

        if (!staged)
            abort();
        *staged = c;
        if (bytes)
            memcpy(staged + 1, from, bytes);
        emulated_queue(stream, run_staged_copy, staged, sizeof c + bytes);
        free(staged);
        return cudaSuccess;
    }
    emulated_queue(stream, run_copy, &c, sizeof c);
    if (kind == cudaMemcpyDeviceToHost && !emulated_is_pinned(to))
        return cudaStreamSynchronize(stream);
    return cudaSuccess;
}

cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind)
{
    cudaError_t code = emulated_outside_of_captures();

    (void)kind;
    if (code == cudaSuccess && bytes)
        memcpy(to, from, bytes);
    return code;
}

struct fill {
    void *to;
    size_t bytes;
    int byte;
};

static void run_fill(const void *arg)
{
    const struct fill *f = arg;

    memset(f->to, f->byte, f->bytes);
}

cudaError_t cudaMemsetAsync(void *to, int byte, size_t bytes, cudaStream_t stream)
{
    struct fill f = { to, bytes, byte };

    emulated_queue(stream, run_fill, &f, sizeof f);
    return cudaSuccess;
}

cudaError_t cudaMemset(void *to, int byte, size_t bytes)
{
    cudaError_t code = emulated_outside_of_captures();

    if (code == cudaSuccess)
        memset(to, byte, bytes);
    return code;
}
