/* SPDX-License-Identifier: MIT */
/* The one symbol of the CUDA module. */
#include "cuda_loader/cuda_module.h"

#include <confgen/version.h>

#include "gpu_device.h"
#include "executor_cuda.h"
#include "fsq_decoder_cuda.h"
#include "logits.h"
#include "minimizer_cuda.h"

CG_EXPORT const cg_cuda_module *cg_cuda_module_get(void);

const cg_cuda_module *cg_cuda_module_get(void)
{
    static const cg_cuda_module module = {
        .struct_size = sizeof module,
        .version = CG_VERSION_STRING,
        .count = cg_cuda_count,
        .open = cg_cuda_gpu_open,
        .close = cg_cuda_gpu_close,
        .get_info = cg_cuda_gpu_get_info,
        .stream = cg_cuda_gpu_stream,
        .alloc = cg_cuda_gpu_alloc,
        .free = cg_cuda_gpu_free,
        .write = cg_cuda_gpu_write,
        .read = cg_cuda_gpu_read,
        .fill = cg_cuda_gpu_fill,
        .synchronize = cg_cuda_gpu_synchronize,
        .mark = cg_cuda_gpu_mark,
        .elapsed = cg_cuda_gpu_elapsed,
        .hold = cg_cuda_gpu_hold,
        .release = cg_cuda_gpu_release,
        .read_now = cg_cuda_gpu_read_now,
        .current_device = cg_cuda_current_device,
        .capture_begin = cg_cuda_gpu_capture_begin,
        .capture_end = cg_cuda_gpu_capture_end,
        .replay = cg_cuda_gpu_replay,
        .graph_destroy = cg_cuda_gpu_graph_destroy,
        .measure = cg_cuda_gpu_measure,
        .random = cg_cuda_gpu_random,
        .executor_create = cg_cuda_executor_create,
        .logits = cg_cuda_logits,
        .fsq_decoder_create = cg_cuda_fsq_decoder_create,
        .minimizer_create = cg_cuda_minimizer_create,
    };

    return &module;
}
