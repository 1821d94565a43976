/* SPDX-License-Identifier: MIT-0 */
/* The GPU part of @NAME@: memory, appends and copies. Any of f32, bf16 and f16 is stored as any. */
#include "@NAME@_cuda.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

static cg_status fail_cuda(const cg_host *host, const char *what, cudaError_t e, cg_error *err)
{
    cudaGetLastError(); /* or the next call would report it */
    return host->fail(err, CG_ERR_CUDA, "@NAME@: %s: %s", what, cudaGetErrorString(e));
}

static __device__ float load(const void *from, cg_dtype dtype, int64_t i)
{
    return dtype == CG_BF16  ? __bfloat162float(((const __nv_bfloat16 *)from)[i])
           : dtype == CG_F16 ? __half2float(((const __half *)from)[i])
                             : ((const float *)from)[i];
}

static __device__ void store(void *to, cg_dtype dtype, int64_t i, float x)
{
    if (dtype == CG_BF16)
        ((__nv_bfloat16 *)to)[i] = __float2bfloat16(x);
    else if (dtype == CG_F16)
        ((__half *)to)[i] = __float2half(x);
    else
        ((float *)to)[i] = x;
}

/* Grid: (n_tokens, n_kv_heads). Parameters are by value: a captured launch keeps them. */
static __global__ void append_kernel(const cg_cache_append a, const cg_kv_view view)
{
    const int token = blockIdx.x, head = blockIdx.y, slot = a.slot[token];

    if (slot < 0)
        return;

    const int64_t at = cg_kv_offset(&view, slot, head, a.pos[token]);
    const char *k = (const char *)a.k + token * a.k_stride;
    const char *v = (const char *)a.v + token * a.v_stride;

    for (int d = threadIdx.x; d < view.head_dim; d += blockDim.x) {
        const int64_t i = (int64_t)head * view.head_dim + d;

        store((char *)view.k + at, view.dtype, d, load(k, a.dtype, i));
        store((char *)view.v + at, view.dtype, d, load(v, a.dtype, i));
    }
}

cg_status cuda_check_config(const cg_host *host, const cg_cache_config *c, cg_error *err)
{
    if (c->dtype != CG_F32 && c->dtype != CG_BF16 && c->dtype != CG_F16)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "keys and values of %s: on a GPU @NAME@ stores f32, bf16 or f16",
                          cg_dtype_name(c->dtype));
    if (c->n_kv_heads > 65535) /* of a grid's y */
        return host->fail(err, CG_ERR_UNSUPPORTED, "%d heads: on a GPU @NAME@ stores at most 65535",
                          c->n_kv_heads);
    return CG_OK;
}

cg_status cuda_allocate(const cg_host *host, int64_t bytes, char **ret_data, cg_error *err)
{
    cudaFuncAttributes attributes;
    void *data = NULL;
    cudaError_t e = cudaFuncGetAttributes(&attributes, append_kernel);

    if (e != cudaSuccess) {
        cudaGetLastError();
        return host->fail(err, CG_ERR_UNSUPPORTED, "@NAME@ has no kernel for this GPU: %s",
                          cudaGetErrorString(e));
    }
    e = cudaMalloc(&data, (size_t)bytes);
    if (e == cudaErrorMemoryAllocation) {
        cudaGetLastError();
        return host->fail(err, CG_ERR_DEVICE_NOMEM, "@NAME@: no GPU memory for %lld bytes",
                          (long long)bytes);
    }
    if (e != cudaSuccess)
        return fail_cuda(host, "allocation", e, err);
    *ret_data = (char *)data;
    return CG_OK;
}

void cuda_free(char *data)
{
    cudaFree(data); /* waits for queued work that uses it */
}

cg_status cuda_append(const cg_host *host, const cg_kv_view *view, const cg_cache_append *args,
                      cg_error *err)
{
    cudaError_t e;

    if (args->dtype != CG_F32 && args->dtype != CG_BF16 && args->dtype != CG_F16)
        return host->fail(err, CG_ERR_USAGE, "@NAME@: tokens of %s, wanted f32, bf16 or f16",
                          cg_dtype_name(args->dtype));
    if (args->n_tokens == 0)
        return CG_OK;
    append_kernel<<<dim3(args->n_tokens, view->n_kv_heads), 64, 0, (cudaStream_t)args->stream>>>(
        *args, *view);
    e = cudaGetLastError();
    return e == cudaSuccess ? CG_OK : fail_cuda(host, "append", e, err);
}

cg_status cuda_copy_heads(const cg_host *host, char *to, const char *from, int64_t n_heads,
                          int64_t head_stride, int64_t bytes, void *stream, cg_error *err)
{
    cudaError_t e;

    if (bytes == 0)
        return CG_OK;
    e = cudaMemcpy2DAsync(to, (size_t)head_stride, from, (size_t)head_stride, (size_t)bytes,
                          (size_t)n_heads, cudaMemcpyDeviceToDevice, (cudaStream_t)stream);
    return e == cudaSuccess ? CG_OK : fail_cuda(host, "copy", e, err);
}
