/* SPDX-License-Identifier: MIT */
#include "fake_gpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LAUNCHES = 256, ARGS = 8192 };

struct cg_gpu_graph {
    int32_t n;
    struct {
        fake_kernel_fn kernel;
        _Alignas(16) char args[ARGS];
    } launch[LAUNCHES];
};

struct cg_gpu {
    cg_gpu_graph *captured; /* NULL: not capturing */
    int32_t is_held, has_expired;
    struct timespec held; /* time */
    cg_gpu_graph waiting; /* for the end of the hold */
    int32_t current;      /* device of the thread */
};

static cg_gpu gpu;
int fake_gpu_live;
int64_t fake_gpu_bytes;

static void record(cg_gpu_graph *g, fake_kernel_fn kernel, const void *args, size_t bytes)
{
    if (g->n == LAUNCHES || bytes > ARGS)
        abort();
    g->launch[g->n].kernel = kernel;
    memcpy(g->launch[g->n++].args, args, bytes);
}

static void run_all(cg_gpu_graph *g)
{
    for (int32_t i = 0; i < g->n; i++)
        g->launch[i].kernel(g->launch[i].args);
}

void fake_launch(fake_kernel_fn kernel, const void *args, size_t bytes)
{
    if (gpu.captured)
        record(gpu.captured, kernel, args, bytes);
    else if (gpu.is_held)
        record(&gpu.waiting, kernel, args, bytes);
    else
        kernel(args);
}

void fake_set_device(int32_t index)
{
    gpu.current = index;
}

static void end_hold(cg_gpu *g)
{
    if (!g->is_held)
        return;
    g->is_held = 0;
    run_all(&g->waiting);
    g->waiting.n = 0;
}

/* What waits for a held stream waits until the hold's time is over. */
static void wait_for(cg_gpu *g)
{
    if (g->is_held)
        nanosleep(&g->held, NULL);
    g->has_expired |= g->is_held;
    end_hold(g);
}

int fake_capturing(void)
{
    return gpu.captured != NULL;
}

/* Fails during a capture, as such calls do on a GPU. */
static cg_status check_not_capturing(cg_error *err)
{
    if (!gpu.captured)
        return CG_OK;
    snprintf(err->msg, sizeof err->msg, "called during a capture");
    return err->code = CG_ERR_CUDA;
}

cg_status cg_gpu_count(int32_t *ret_n, cg_error *err)
{
    (void)err;
    *ret_n = 1;
    return CG_OK;
}

cg_status cg_gpu_open(int32_t index, cg_gpu **ret_gpu, cg_error *err)
{
    (void)index;
    (void)err;
    *ret_gpu = &gpu;
    return CG_OK;
}

void cg_gpu_close(cg_gpu *g)
{
    (void)g;
}

void cg_gpu_get_info(const cg_gpu *g, cg_gpu_info *ret_info)
{
    cg_gpu_info info = { CG_SIZED(cg_gpu_info), .compute_capability = 90,
                         .free_bytes = ((int64_t)1 << 36) - fake_gpu_live - fake_gpu_bytes,
                         .name = "host memory" };

    (void)g;
    cg_fill_struct(ret_info, &info);
}

void *cg_gpu_stream(const cg_gpu *g)
{
    return (void *)(uintptr_t)g;
}

cg_status cg_gpu_alloc(cg_gpu *g, size_t bytes, void **ret_ptr, cg_error *err)
{
    (void)g;
    *ret_ptr = aligned_alloc(256, (bytes + 511) / 256 * 256);
    fake_gpu_live++;
    return *ret_ptr ? check_not_capturing(err) : CG_ERR_DEVICE_NOMEM;
}

void cg_gpu_free(cg_gpu *g, void *ptr)
{
    (void)g;
    fake_gpu_live -= ptr != NULL;
    free(ptr);
}

cg_status cg_gpu_write(cg_gpu *g, void *dst, const void *src, size_t bytes, cg_error *err)
{
    wait_for(g);
    memcpy(dst, src, bytes);
    return check_not_capturing(err);
}

cg_status cg_gpu_read(cg_gpu *g, void *dst, const void *src, size_t bytes, cg_error *err)
{
    return cg_gpu_write(g, dst, src, bytes, err);
}

cg_status cg_gpu_fill(cg_gpu *g, void *dst, int32_t byte, size_t bytes, cg_error *err)
{
    wait_for(g);
    memset(dst, byte, bytes);
    return check_not_capturing(err);
}

cg_status cg_gpu_synchronize(cg_gpu *g, cg_error *err)
{
    wait_for(g);
    return check_not_capturing(err);
}

cg_status cg_gpu_hold(cg_gpu *g, double seconds, cg_error *err)
{
    g->current = 0;
    g->held.tv_sec = (time_t)seconds;
    g->held.tv_nsec = (long)((seconds - (double)g->held.tv_sec) * 1e9);
    g->is_held = 1;
    g->has_expired = 0;
    return check_not_capturing(err);
}

int32_t cg_gpu_release(cg_gpu *g)
{
    int32_t was_held = g->is_held && !g->has_expired;

    end_hold(g);
    return was_held;
}

cg_status cg_gpu_read_now(cg_gpu *g, void *dst, const void *src, size_t bytes, cg_error *err)
{
    (void)g;
    (void)err;
    memcpy(dst, src, bytes);
    return CG_OK;
}

cg_status cg_gpu_current_device(const cg_gpu *g, int32_t *ret_index, cg_error *err)
{
    (void)err;
    *ret_index = g->current;
    return CG_OK;
}

cg_status cg_gpu_capture_begin(cg_gpu *g, cg_error *err)
{
    cg_status st = check_not_capturing(err);

    if (st == CG_OK)
        g->captured = calloc(1, sizeof *g->captured);
    return st;
}

cg_status cg_gpu_capture_end(cg_gpu *g, cg_gpu_graph **ret_graph, cg_error *err)
{
    (void)err;
    *ret_graph = g->captured;
    g->captured = NULL;
    return CG_OK;
}

cg_status cg_gpu_replay(cg_gpu *g, cg_gpu_graph *graph, cg_error *err)
{
    wait_for(g);
    run_all(graph);
    return check_not_capturing(err);
}

void cg_gpu_graph_destroy(cg_gpu_graph *graph)
{
    free(graph);
}
