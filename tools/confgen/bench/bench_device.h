/* SPDX-License-Identifier: MIT */
/** @file bench_device.h  Memory and clocks of the CPU or a GPU, for benches that run on either. */
#ifndef CG_TOOLS_BENCH_DEVICE_H
#define CG_TOOLS_BENCH_DEVICE_H

#include <confgen/gpu.h>
#include <confgen/plugin.h>

/** The CPU, or an open GPU. One thread at a time uses it. */
struct bench_device {
    cg_gpu *gpu; /* NULL: the CPU */
    cg_gpu_info info;
    cg_gpu_ceilings ceilings; /* of a GPU; on the CPU zero */
    double started;           /* CPU: time of the first time stamp */
    double seconds;           /* CPU: between the two */
};

/** Opens GPU `index` and measures its ceilings; the CPU if it is negative. */
cg_status bench_device_open(int32_t index, struct bench_device *ret, cg_error *err);
void bench_device_close(struct bench_device *d); /* may be zero */

/** Bytes that can be allocated now. */
int64_t bench_device_free_bytes(const struct bench_device *d);
/** Bytes of memory that the process (CPU) or all processes (GPU) have allocated. */
int64_t bench_device_used_bytes(const struct bench_device *d);

/** Memory aligned to 256 bytes. CG_ERR_NOMEM, CG_ERR_DEVICE_NOMEM with the sizes. */
cg_status bench_device_alloc(struct bench_device *d, int64_t bytes, void **ret, cg_error *err);
void bench_device_free(struct bench_device *d, void *p); /* accepts NULL */
cg_status bench_device_write(struct bench_device *d, void *dst, const void *src, int64_t bytes,
                             cg_error *err);
cg_status bench_device_read(struct bench_device *d, void *dst, const void *src, int64_t bytes,
                            cg_error *err);
cg_status bench_device_fill(struct bench_device *d, void *dst, int32_t byte, int64_t bytes,
                            cg_error *err);
/** n elements of a type, uniform in [-1, 1) times `range`. */
cg_status bench_device_random(struct bench_device *d, void *dst, int64_t n, cg_dtype dtype,
                              float range, uint32_t seed, cg_error *err);
cg_status bench_device_synchronize(struct bench_device *d, cg_error *err);
/** Time stamps before (0) and after (1) the timed work, and the seconds between them. */
cg_status bench_device_mark(struct bench_device *d, int32_t which, cg_error *err);
cg_status bench_device_elapsed(struct bench_device *d, double *ret_seconds, cg_error *err);

#endif
