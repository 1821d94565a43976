/* SPDX-License-Identifier: MIT */
/* Memory and clocks of the CPU or a GPU. */
#include "bench_device.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "bench.h"
#include "conformance/element.h"

/* Random elements are made once and repeated; a prime number of them, so that heads and tokens
 * differ. */
enum { PATTERN = 1048573 };

cg_status bench_device_open(int32_t index, struct bench_device *ret, cg_error *err)
{
    struct bench_device d = { 0 };
    cg_status st = CG_OK;

    d.info.struct_size = sizeof d.info;
    d.ceilings.struct_size = sizeof d.ceilings;
    if (index >= 0) {
        CG_TRY_GOTO(st, cg_gpu_open(index, &d.gpu, err), out);
        cg_gpu_get_info(d.gpu, &d.info);
        CG_TRY_GOTO(st, cg_gpu_measure(d.gpu, &d.ceilings, err), out);
    }
    *ret = d;
    d.gpu = NULL;
out:
    bench_device_close(&d);
    return st;
}

void bench_device_close(struct bench_device *d)
{
    cg_gpu_close(d->gpu);
    d->gpu = NULL;
}

/* The line of /proc/meminfo in bytes; a large number if it cannot be read. */
static int64_t available_memory(void)
{
    FILE *f = fopen("/proc/meminfo", "r");
    long long kib = INT64_MAX / 1024;
    char line[128];

    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "MemAvailable: %lld kB", &kib) == 1)
            break;
    if (f)
        fclose(f);
    return kib * 1024;
}

static int64_t gpu_free_bytes(const struct bench_device *d)
{
    cg_gpu_info info = { CG_SIZED(cg_gpu_info) };

    cg_gpu_get_info(d->gpu, &info);
    return info.free_bytes;
}

int64_t bench_device_free_bytes(const struct bench_device *d)
{
    return d->gpu ? gpu_free_bytes(d) : available_memory();
}

int64_t bench_device_used_bytes(const struct bench_device *d)
{
    struct mallinfo2 heap;

    if (d->gpu)
        return d->info.memory_bytes - gpu_free_bytes(d);
    heap = mallinfo2();
    return (int64_t)(heap.uordblks + heap.hblkhd);
}

cg_status bench_device_alloc(struct bench_device *d, int64_t bytes, void **ret, cg_error *err)
{
    int64_t available;

    if (d->gpu)
        return cg_gpu_alloc(d->gpu, (size_t)bytes, ret, err);
    available = available_memory(); /* the system grants more and ends the process later */
    if (bytes < available)
        *ret = aligned_alloc(256, (size_t)(bytes + 255) / 256 * 256);
    if (bytes >= available || !*ret)
        return cg_fail(err, CG_ERR_NOMEM, "%.2f GB: more than the %.2f GB of memory that are free",
                       (double)bytes * 1e-9, (double)available * 1e-9);
    return CG_OK;
}

void bench_device_free(struct bench_device *d, void *p)
{
    if (d->gpu)
        cg_gpu_free(d->gpu, p);
    else
        free(p);
}

cg_status bench_device_write(struct bench_device *d, void *dst, const void *src, int64_t bytes,
                             cg_error *err)
{
    if (d->gpu)
        return cg_gpu_write(d->gpu, dst, src, (size_t)bytes, err);
    memcpy(dst, src, (size_t)bytes);
    return CG_OK;
}

cg_status bench_device_read(struct bench_device *d, void *dst, const void *src, int64_t bytes,
                            cg_error *err)
{
    if (d->gpu)
        return cg_gpu_read(d->gpu, dst, src, (size_t)bytes, err);
    memcpy(dst, src, (size_t)bytes);
    return CG_OK;
}

cg_status bench_device_fill(struct bench_device *d, void *dst, int32_t byte, int64_t bytes,
                            cg_error *err)
{
    if (d->gpu)
        return cg_gpu_fill(d->gpu, dst, byte, (size_t)bytes, err);
    memset(dst, byte, (size_t)bytes);
    return CG_OK;
}

cg_status bench_device_random(struct bench_device *d, void *dst, int64_t n, cg_dtype dtype,
                              float range, uint32_t seed, cg_error *err)
{
    int64_t size = cg_dtype_size(dtype);
    char *pattern;
    cg_status st = CG_OK;

    if (d->gpu && size > 1 && range == 1)
        return cg_gpu_random(d->gpu, dst, n, dtype, seed, err);
    pattern = malloc((size_t)(PATTERN * size));
    if (!pattern)
        return cg_fail_nomem(err, "random numbers");
    for (int64_t i = 0; i < PATTERN && i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        element_store(pattern + i * size, dtype, range * ((float)(seed >> 8) * 0x1p-23f - 1.0f));
    }
    for (int64_t i = 0; i < n; i += PATTERN) {
        int64_t part = n - i < PATTERN ? n - i : PATTERN;

        CG_TRY_GOTO(st, bench_device_write(d, (char *)dst + i * size, pattern, part * size, err),
                    out);
    }
out:
    free(pattern);
    return st;
}

cg_status bench_device_synchronize(struct bench_device *d, cg_error *err)
{
    return d->gpu ? cg_gpu_synchronize(d->gpu, err) : CG_OK;
}

cg_status bench_device_mark(struct bench_device *d, int32_t which, cg_error *err)
{
    if (d->gpu)
        return cg_gpu_mark(d->gpu, which, err);
    if (which)
        d->seconds = cg_now() - d->started;
    else
        d->started = cg_now();
    return CG_OK;
}

cg_status bench_device_elapsed(struct bench_device *d, double *ret_seconds, cg_error *err)
{
    if (d->gpu)
        return cg_gpu_elapsed(d->gpu, ret_seconds, err);
    *ret_seconds = d->seconds;
    return CG_OK;
}
