/* SPDX-License-Identifier: MIT-0 */
/* The GPU part of @NAME@: @NAME@.c calls it, @NAME@.cu implements it. */
#ifndef CUDA_PART_H
#define CUDA_PART_H

#include <confgen/attention.h>

#ifdef __cplusplus
extern "C" {
#endif

/* As cg_attention_ops.supports, for a valid problem on a GPU. */
cg_status cuda_supports(const cg_host *host, const cg_attention_problem *p, cg_error *err);
/* CG_ERR_UNSUPPORTED with the reason if the current GPU has no kernel for such a problem. */
cg_status cuda_check_kernel(const cg_host *host, const cg_attention_problem *p, cg_error *err);
/* As cg_attention_ops.run, for a plan of such a problem: enqueues on the stream of the call. */
cg_status cuda_run(const cg_host *host, const cg_attention_problem *p,
                   const cg_attention_args *args, cg_error *err);

#ifdef __cplusplus
}
#endif

#endif
