/* SPDX-License-Identifier: MIT */
#include "eager_cuda.h"

#include <confgen/attention_check.h>
#include <cuda_runtime_api.h>

#include "../common/cuda_checks.h"

/* True for problems of the kernel of eager_general.cu. */
static int is_general(const cg_attention_problem *p)
{
    return cg_attention_uses(p, ~0u) || p->head_dim > EAGER_MAX_DIM;
}

cg_status eager_cuda_supports(const cg_host *host, const cg_attention_problem *p, cg_error *err)
{
    int32_t v_dim = cg_attention_value_size(p);

    CG_TRY(attention_check_capability(host, p, 80, err));
    if (p->head_dim > EAGER_MAX_GENERAL_DIM || v_dim > EAGER_MAX_GENERAL_DIM ||
        p->n_heads > EAGER_MAX_HEADS)
        return host->fail(
            err, CG_ERR_UNSUPPORTED,
            "%d heads, keys of %d elements, values of %d: wanted at most %d heads and "
            "%d elements on CUDA",
            p->n_heads, p->head_dim, v_dim, EAGER_MAX_HEADS, EAGER_MAX_GENERAL_DIM);
    return attention_check_gpu(host, "CUDA", err);
}

cg_status eager_cuda_load(const cg_host *host, const cg_attention_problem *p, cg_error *err)
{
    int code = is_general(p) ? eager_general_load() : eager_kernel_load(p->kv_dtype);

    if (code != cudaSuccess)
        return host->fail(err, CG_ERR_CUDA, "CUDA: %s loading the kernel of eager",
                          cudaGetErrorString((cudaError_t)code));
    return CG_OK;
}

static int launch_general(const cg_attention_problem *p, const cg_attention_args *a)
{
    eager_general_call call = { *p, { CG_SIZED(cg_attention_args) }, { CG_SIZED(cg_kv_view) } };

    cg_fill_struct(&call.args, a); /* a host of another minor has shorter or longer ones */
    cg_fill_struct(&call.kv, a->kv);
    return eager_general_launch(&call, a->stream);
}

static int launch(const cg_attention_problem *p, const cg_attention_args *a)
{
    int64_t size = cg_dtype_size(p->dtype), kv_size = cg_dtype_size(p->kv_dtype);
    const cg_kv_view *kv = a->kv;
    eager_call call = {
        .q = a->q,
        .out = a->out,
        .k = kv->k,
        .v = kv->v,
        .q_start = a->q_start,
        .slot = a->slot,
        .kv_len = a->kv_len,
        .page_table = kv->page_table,
        .q_stride = a->q_stride / size,
        .out_stride = a->out_stride / size,
        .block_stride = kv->block_stride / kv_size,
        .head_stride = kv->head_stride / kv_size,
        .token_stride = kv->token_stride / kv_size,
        .dtype = p->dtype,
        .kv_dtype = p->kv_dtype,
        .n_tokens = a->n_tokens,
        .n_seqs = a->n_seqs,
        .n_heads = p->n_heads,
        .group = p->n_heads / p->n_kv_heads,
        .head_dim = p->head_dim,
        .block_tokens = kv->block_tokens,
        .table_stride = kv->table_stride,
        .window = p->window,
        .scale = p->scale,
    };

    return eager_kernel_launch(&call, a->stream);
}

cg_status eager_cuda_run(const cg_host *host, const cg_attention_problem *p,
                         const cg_attention_args *a, cg_error *err)
{
    int64_t size = cg_dtype_size(p->dtype);
    int code;

    CG_TRY(cg_attention_check_device_args(host, p, a, err));
    if (cg_attention_is_empty(a))
        return CG_OK;
    if (a->q_stride % size || a->out_stride % size)
        return host->fail(err, CG_ERR_USAGE,
                          "attention arguments: strides of q and out are %lld and %lld bytes, "
                          "wanted multiples of %d",
                          (long long)a->q_stride, (long long)a->out_stride, (int)size);
    code = is_general(p) ? launch_general(p, a) : launch(p, a);
    if (code != cudaSuccess)
        return host->fail(err, CG_ERR_CUDA, "CUDA: %s launching the kernel of eager",
                          cudaGetErrorString((cudaError_t)code));
    return CG_OK;
}
