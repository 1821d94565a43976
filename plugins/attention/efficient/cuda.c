/* SPDX-License-Identifier: MIT */
#include "efficient_cuda.h"

#include <confgen/attention_check.h>
#include <cuda_runtime_api.h>

#include "../common/cuda_checks.h"

cg_status efficient_cuda_supports(const cg_host *host, const cg_attention_problem *p, cg_error *err)
{
    cudaError_t code;

    CG_TRY(attention_check_capability(host, p, 70, err));
    CG_TRY(attention_check_gpu(host, "CUDA", err));
    code = (cudaError_t)efficient_cuda_load_kernels(cg_attention_value_size(p));
    if (code == cudaSuccess)
        return CG_OK;
    (void)cudaGetLastError();
    return host->fail(
        err, CG_ERR_UNSUPPORTED, "CUDA: %s: this build has no kernels for compute capability %d.%d",
        cudaGetErrorString(code), p->compute_capability / 10, p->compute_capability % 10);
}

cg_status efficient_cuda_run(const efficient_plan *plan, const cg_attention_args *args,
                             cg_error *err)
{
    const cg_attention_problem *p = &plan->problem;
    efficient_call call;
    int code;

    CG_TRY(cg_attention_check_device_args(plan->host, p, args, err));
    if (cg_attention_is_empty(args))
        return CG_OK;
    call = efficient_make_call(p, args);
    code = efficient_cuda_launch(&call, args->stream);
    if (code != cudaSuccess)
        return plan->host->fail(err, CG_ERR_CUDA, "CUDA: %s launching the kernel of efficient",
                                cudaGetErrorString((cudaError_t)code));
    return CG_OK;
}
