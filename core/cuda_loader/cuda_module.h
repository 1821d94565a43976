/* SPDX-License-Identifier: MIT */
/**
 * @file cuda_module.h  What the CUDA module offers to the library, and how it is loaded.
 *
 * The module, confgen_cuda.so, is all of confgen that knows the CUDA runtime and cuBLASLt. It is
 * built where nvcc is, lies beside the library and is loaded when the first GPU is asked for. It
 * and the library are of one build: the interface is internal and the versions must be equal.
 */
#ifndef CG_CUDA_LOADER_CUDA_MODULE_H
#define CG_CUDA_LOADER_CUDA_MODULE_H

#include <confgen/gpu.h>

#include "decode/executor.h"

#define CG_CUDA_MODULE_SYMBOL "cg_cuda_module_get"

typedef struct cg_cuda_module {
    uint32_t struct_size;
    const char *version; /* CG_VERSION_STRING at its build */

    /* as their namesakes of confgen/gpu.h */
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
    cg_status (*capture_begin)(cg_gpu *gpu, cg_error *err);
    cg_status (*capture_end)(cg_gpu *gpu, cg_gpu_graph **ret_graph, cg_error *err);
    cg_status (*replay)(cg_gpu *gpu, cg_gpu_graph *graph, cg_error *err);
    void (*graph_destroy)(cg_gpu_graph *graph);
    cg_status (*measure)(cg_gpu *gpu, cg_gpu_ceilings *ret_ceilings, cg_error *err);
    cg_status (*random)(cg_gpu *gpu, void *dst, int64_t n, cg_dtype dtype, uint32_t seed,
                        cg_error *err);

    /** An executor on GPU config->gpu. */
    cg_status (*executor_create)(const cg_executor_config *config, cg_executor **ret_executor,
                                 cg_error *err);
    /**
     * Logits of a text after given positions, for tests: the text runs through an executor's
     * forward pass in steps.
     *
     * @param positions   [n_positions] ascending; at most config->n_slots and 64 of them
     * @param ret_logits  [n_positions, vocab]
     */
    cg_status (*logits)(const cg_executor_config *config, const int32_t *tokens, int32_t n_tokens,
                        const int32_t *positions, int32_t n_positions, float *ret_logits,
                        cg_error *err);
} cg_cuda_module;

typedef const cg_cuda_module *(*cg_cuda_module_get_fn)(void);

/**
 * The module, loaded once a process; never unloaded.
 *
 * @return CG_OK; CG_ERR_UNSUPPORTED with the reason if it was not built, lacks a library or is of
 *         another build
 * Thread: any.
 */
cg_status cg_cuda_module_load(const cg_cuda_module **ret_module, cg_error *err);

/** An executor on a GPU, through the module. */
cg_status cg_executor_cuda_create(const cg_executor_config *config, cg_executor **ret_executor,
                                  cg_error *err);

#endif
