/* SPDX-License-Identifier: MIT */
/**
 * @file cuda_module.h  Function table of the CUDA module, and its loader.
 *
 * The module, confgen_cuda.so, is the only part of the library that links the CUDA runtime and
 * cuBLASLt (CUDA plugins link their own runtime). It is built where nvcc is installed, lies next to
 * the library and is loaded by the first call that needs a GPU. The interface is internal: module
 * and library must come from the same build, so struct_size and version must be equal, and each
 * side reads and fills the other's structs as a whole, without the rules of confgen/sized.h. The
 * functions of confgen/gpu.h keep those rules towards the application.
 */
#ifndef CG_CUDA_LOADER_CUDA_MODULE_H
#define CG_CUDA_LOADER_CUDA_MODULE_H

#include <confgen/gpu.h>

#include "decode/executor.h"
#include "forcefield/device_minimizer.h"
#include "fsq/fsq_decoder.h"

#define CG_CUDA_MODULE_SYMBOL "cg_cuda_module_get"

typedef struct cg_cuda_module {
    uint32_t struct_size;
    const char *version; /* CG_VERSION_STRING of its build */

    /* as cg_gpu_count(), cg_gpu_open() ... of confgen/gpu.h, which fill structs of this build */
    cg_status (*count)(int32_t *ret_n, cg_error *err);
    cg_status (*open)(int32_t index, cg_gpu **ret_gpu, cg_error *err);
    void (*close)(cg_gpu *gpu);
    void (*get_info)(const cg_gpu *gpu, cg_gpu_info *ret_info);
    void *(*stream)(const cg_gpu *gpu);
    cg_status (*alloc)(cg_gpu *gpu, size_t bytes, void **ret_ptr, cg_error *err);
    void (*free)(cg_gpu *gpu, void *ptr);
    cg_status (*write)(cg_gpu *gpu, void *dst, const void *src, size_t bytes, cg_error *err);
    cg_status (*read)(cg_gpu *gpu, void *dst, const void *src, size_t bytes, cg_error *err);
    cg_status (*fill)(cg_gpu *gpu, void *dst, int32_t byte, size_t bytes, cg_error *err);
    cg_status (*synchronize)(cg_gpu *gpu, cg_error *err);
    cg_status (*mark)(cg_gpu *gpu, int32_t which, cg_error *err);
    cg_status (*elapsed)(cg_gpu *gpu, double *ret_seconds, cg_error *err);
    cg_status (*hold)(cg_gpu *gpu, double seconds, cg_error *err);
    int32_t (*release)(cg_gpu *gpu);
    cg_status (*read_now)(cg_gpu *gpu, void *dst, const void *src, size_t bytes, cg_error *err);
    cg_status (*current_device)(int32_t *ret_index, cg_error *err);
    cg_status (*capture_begin)(cg_gpu *gpu, cg_error *err);
    cg_status (*capture_end)(cg_gpu *gpu, cg_gpu_graph **ret_graph, cg_error *err);
    cg_status (*replay)(cg_gpu *gpu, cg_gpu_graph *graph, cg_error *err);
    void (*graph_destroy)(cg_gpu_graph *graph);
    cg_status (*measure)(cg_gpu *gpu, cg_gpu_ceilings *ret_ceilings, cg_error *err);
    cg_status (*random)(cg_gpu *gpu, void *dst, int64_t n, cg_dtype dtype, uint32_t seed,
                        cg_error *err);

    /** Creates an executor on GPU config->gpu: cg_cuda_executor_create(). */
    cg_status (*executor_create)(const cg_executor_config *config, cg_executor **ret_executor,
                                 cg_error *err);
    /**
     * Computes the logits of one text after given positions, for tests. The text passes through
     * the forward pass of an executor in steps.
     *
     * @param positions   [n_positions] ascending; at most config->n_slots and 64 of them
     * @param ret_logits  [n_positions, vocab]
     */
    cg_status (*logits)(const cg_executor_config *config, const int32_t *tokens, int32_t n_tokens,
                        const int32_t *positions, int32_t n_positions, float *ret_logits,
                        cg_error *err);

    /** Creates an FSQ decoder on GPU config->gpu: cg_cuda_fsq_decoder_create(). */
    cg_status (*fsq_decoder_create)(const cg_fsq_decoder_config *config,
                                    cg_fsq_decoder **ret_decoder, cg_error *err);

    /** Creates a minimiser on GPU config->gpu: cg_cuda_minimizer_create(). */
    cg_status (*minimizer_create)(const cg_device_minimizer_config *config,
                                  cg_device_minimizer **ret_minimizer, cg_error *err);
} cg_cuda_module;

typedef const cg_cuda_module *(*cg_cuda_module_get_fn)(void);

/**
 * Returns the module, which is loaded once per process and never unloaded.
 *
 * @return CG_OK; CG_ERR_UNSUPPORTED with the reason if the module was not built, needs a missing
 *         library or comes from another build
 * Thread: any.
 */
cg_status cg_cuda_loader_get_module(const cg_cuda_module **ret_module, cg_error *err);

/** Loads the module and creates an executor on GPU config->gpu. */
cg_status cg_cuda_loader_create_executor(const cg_executor_config *config,
                                         cg_executor **ret_executor, cg_error *err);

/**
 * Loads the module and creates an FSQ decoder on GPU config->gpu, as cg_fsq_decoder_cpu_create().
 *
 * @return also CG_ERR_UNSUPPORTED, CG_ERR_CUDA, CG_ERR_DEVICE_NOMEM
 */
cg_status cg_cuda_loader_create_fsq_decoder(const cg_fsq_decoder_config *config,
                                            cg_fsq_decoder **ret_decoder, cg_error *err);

/**
 * Loads the module and creates a minimiser on GPU config->gpu; its ops->destroy() releases it.
 *
 * @return CG_OK; CG_ERR_UNSUPPORTED, CG_ERR_INPUT for threads that are not whole warps,
 *         CG_ERR_NOMEM, CG_ERR_CUDA, CG_ERR_DEVICE_NOMEM
 */
cg_status cg_cuda_loader_create_minimizer(const cg_device_minimizer_config *config,
                                          cg_device_minimizer **ret_minimizer, cg_error *err);

#endif
