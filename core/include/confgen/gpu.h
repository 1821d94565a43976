/* SPDX-License-Identifier: MIT */
/**
 * @file gpu.h  NVIDIA GPUs, for applications that check or time plugins on one.
 *
 * All functions go through the CUDA module, which is loaded at the first call. A program that links
 * against confgen therefore starts on a machine without a driver; cg_gpu_count() and cg_gpu_open()
 * then fail with the reason.
 *
 * An open GPU has one stream. Calls that take a size in bytes copy or fill synchronously; kernels
 * that a plugin queues on the stream run after the work queued before them. One thread at a time
 * uses a cg_gpu.
 */
#ifndef CONFGEN_GPU_H
#define CONFGEN_GPU_H

#include <stddef.h>
#include <stdint.h>

#include <confgen/sized.h>
#include <confgen/status.h>
#include <confgen/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A GPU with a stream of its own. */
typedef struct cg_gpu cg_gpu;
/** Work captured from the stream of a GPU. */
typedef struct cg_gpu_graph cg_gpu_graph;

/** Properties of a GPU. */
typedef struct cg_gpu_info {
    uint32_t struct_size;
    int32_t index;              /* of the CUDA device */
    int32_t compute_capability; /* 10 * major + minor */
    int32_t multiprocessors;    /* number of them */
    int32_t driver_version;  /* CUDA version that the driver supports, 1000 * major + 10 * minor */
    int32_t runtime_version; /* of the CUDA runtime of this build, in the same form */
    int64_t memory_bytes;    /* all of its memory */
    int64_t free_bytes;      /* at the time of the call */
    int64_t l2_bytes;        /* of the L2 cache */
    char name[64];           /* as the driver has it */
    char uuid[40];           /* "GPU-..." */
} cg_gpu_info;

/**
 * Number of GPUs that confgen can use.
 *
 * @return CG_OK, also for none; CG_ERR_UNSUPPORTED with the reason if this build has no CUDA
 *         module, or the driver is missing or too old
 */
CG_EXPORT cg_status cg_gpu_count(int32_t *ret_n, cg_error *err);

/** Opens GPU `index`. *ret_gpu is owned by the caller, cg_gpu_close(). */
CG_EXPORT cg_status cg_gpu_open(int32_t index, cg_gpu **ret_gpu, cg_error *err);
CG_EXPORT void cg_gpu_close(cg_gpu *gpu); /* accepts NULL; frees the memory that is left */
/** Describes the GPU. */
CG_EXPORT void cg_gpu_get_info(const cg_gpu *gpu, cg_gpu_info *ret_info);
/** The cudaStream_t, to pass to plugins. */
CG_EXPORT void *cg_gpu_stream(const cg_gpu *gpu);

/** Allocates device memory, 256-byte aligned, contents undefined. CG_ERR_DEVICE_NOMEM. */
CG_EXPORT cg_status cg_gpu_alloc(cg_gpu *gpu, size_t bytes, void **ret_ptr, cg_error *err);
CG_EXPORT void cg_gpu_free(cg_gpu *gpu, void *ptr); /* accepts NULL */
/** Copies host memory to the device and waits. */
CG_EXPORT cg_status cg_gpu_write(cg_gpu *gpu, void *dst, const void *src, size_t bytes,
                                 cg_error *err);
/** Copies device memory to the host, after the work queued before, and waits. */
CG_EXPORT cg_status cg_gpu_read(cg_gpu *gpu, void *dst, const void *src, size_t bytes,
                                cg_error *err);
/** Sets `bytes` bytes to `byte`. */
CG_EXPORT cg_status cg_gpu_fill(cg_gpu *gpu, void *dst, int32_t byte, size_t bytes, cg_error *err);
/** Writes n elements of `dtype`, uniform in [-1, 1); each depends only on seed and index. */
CG_EXPORT cg_status cg_gpu_random(cg_gpu *gpu, void *dst, int64_t n, cg_dtype dtype, uint32_t seed,
                                  cg_error *err);
/** Waits for the stream. Reports errors of kernels that ran before: CG_ERR_CUDA. */
CG_EXPORT cg_status cg_gpu_synchronize(cg_gpu *gpu, cg_error *err);

/** Records a time stamp on the stream: which = 0 before the timed work, 1 after it. */
CG_EXPORT cg_status cg_gpu_mark(cg_gpu *gpu, int32_t which, cg_error *err);
/** Waits for time stamp 1. Returns the seconds between the two. */
CG_EXPORT cg_status cg_gpu_elapsed(cg_gpu *gpu, double *ret_seconds, cg_error *err);

/**
 * Holds the stream: work queued on it from now on waits for cg_gpu_release(), but at most `seconds`
 * (up to 60). Shows what a function that queues work does without the stream: whether it waits for
 * it, or works on another. CG_ERR_USAGE if the stream is held already.
 */
CG_EXPORT cg_status cg_gpu_hold(cg_gpu *gpu, double seconds, cg_error *err);
/** Lets a held stream go on. Returns nonzero if it was held until now. */
CG_EXPORT int32_t cg_gpu_release(cg_gpu *gpu);
/** As cg_gpu_read(), without waiting for the stream, held or not. */
CG_EXPORT cg_status cg_gpu_read_now(cg_gpu *gpu, void *dst, const void *src, size_t bytes,
                                    cg_error *err);
/** CUDA device that is current in the calling thread. */
CG_EXPORT cg_status cg_gpu_current_device(const cg_gpu *gpu, int32_t *ret_index, cg_error *err);

/** Starts a capture: work queued on the stream is recorded instead of run. */
CG_EXPORT cg_status cg_gpu_capture_begin(cg_gpu *gpu, cg_error *err);
/** Ends a capture. *ret_graph is owned by the caller. CG_ERR_CUDA if a call cannot be captured. */
CG_EXPORT cg_status cg_gpu_capture_end(cg_gpu *gpu, cg_gpu_graph **ret_graph, cg_error *err);
/** Queues the captured work once. */
CG_EXPORT cg_status cg_gpu_replay(cg_gpu *gpu, cg_gpu_graph *graph, cg_error *err);
CG_EXPORT void cg_gpu_graph_destroy(cg_gpu_graph *graph); /* accepts NULL */

/** Measured peak rates of memory and matrix units: the two ceilings of a roofline. */
typedef struct cg_gpu_ceilings {
    uint32_t struct_size;
    uint32_t reserved;
    double copy_bytes;   /* bytes read + written per second, large device-to-device copy */
    double matmul_flops; /* flop/s: bf16 in, f32 sums, 8192 x 8192 x 8192, random data */
} cg_gpu_ceilings;

/** Measures them: takes about a second and 3 GB of device memory. */
CG_EXPORT cg_status cg_gpu_measure(cg_gpu *gpu, cg_gpu_ceilings *ret_ceilings, cg_error *err);

#ifdef __cplusplus
}
#endif

#endif
