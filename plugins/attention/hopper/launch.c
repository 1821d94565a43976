/* SPDX-License-Identifier: MIT */
#include "launch.h"

#include <math.h>
#include <string.h>

#include <confgen/attention_check.h>
#include <cuda_runtime_api.h>

#include "../common/cuda_checks.h"

enum { ALIGNMENT = 16 /* of all bases and strides: the copy engine's */ };

#define CUDA_CHECK(host, call, err) ATTENTION_CUDA(host, "hopper", call, err)

cg_status hopper_check_problem(const cg_host *host, const cg_attention_problem *p, cg_error *err)
{
    if (p->device != CG_DEVICE_CUDA)
        return host->fail(err, CG_ERR_UNSUPPORTED, "hopper needs cuda, but the device is %s",
                          cg_device_name(p->device));
    if (p->compute_capability != 90)
        return host->fail(err, CG_ERR_UNSUPPORTED, "compute capability %d.%d, wanted 9.0",
                          p->compute_capability / 10, p->compute_capability % 10);
    if ((p->dtype != CG_BF16 && p->dtype != CG_F16) ||
        (p->dtype != p->kv_dtype && p->kv_dtype != CG_F8_E4M3))
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "q of %s and cache of %s, wanted bf16 or f16 for both, or a cache of "
                          "f8_e4m3",
                          cg_dtype_name(p->dtype), cg_dtype_name(p->kv_dtype));
    if (p->paged && p->block_tokens % 16)
        return host->fail(err, CG_ERR_UNSUPPORTED, "pages of %d tokens, wanted a multiple of 16",
                          p->block_tokens);
    if (p->scale < 0)
        return host->fail(err, CG_ERR_UNSUPPORTED, "scale %g, wanted 0 or more", (double)p->scale);
    return attention_check_gpu(host, "no GPU that hopper can use", err);
}

static int is_aligned(const void *p)
{
    return (uintptr_t)p % ALIGNMENT == 0;
}

cg_status hopper_check_args(const cg_host *host, const cg_attention_problem *p,
                            const cg_attention_args *a, cg_error *err)
{
    CG_TRY(cg_attention_check_device_args(host, p, a, err));
    if (cg_attention_is_empty(a))
        return CG_OK;
    if (p->paged && a->kv->block_tokens % 16)
        return host->fail(err, CG_ERR_MISMATCH, "pages of %d tokens, wanted a multiple of 16",
                          a->kv->block_tokens);
    if (!a->q || !a->out || !a->q_start || !a->slot || !a->kv_len)
        return host->fail(err, CG_ERR_USAGE,
                          "attention arguments: q, out, q_start, slot or kv_len is NULL");
    if (!is_aligned(a->q) || !is_aligned(a->out) || a->q_stride % ALIGNMENT ||
        a->out_stride % ALIGNMENT || !is_aligned(a->kv->k) || !is_aligned(a->kv->v) ||
        a->kv->block_stride % ALIGNMENT || a->kv->head_stride % ALIGNMENT ||
        a->kv->token_stride % ALIGNMENT)
        return host->fail(err, CG_ERR_USAGE,
                          "attention arguments: q, out, keys, values or a stride of them is no "
                          "multiple of %d bytes",
                          ALIGNMENT);
    return cg_attention_uses(p, CG_ATTENTION_KV_SCALES) ? attention_check_scales(host, a->kv, err)
                                                        : CG_OK;
}

cg_status hopper_configure_kernel(const cg_host *host, const void *kernel, int threads, int smem,
                                  cg_error *err)
{
    struct cudaFuncAttributes attributes;

    CG_TRY(CUDA_CHECK(host, cudaFuncGetAttributes(&attributes, kernel), err));
    if (attributes.maxThreadsPerBlock < threads)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "hopper was built without the architecture 90a: found a kernel of %d "
                          "threads, wanted %d",
                          attributes.maxThreadsPerBlock, threads);
    return CUDA_CHECK(
        host, cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, smem), err);
}

cg_status hopper_find_encode(const cg_host *host, hopper_encode_fn *ret_encode, cg_error *err)
{
    enum cudaDriverEntryPointQueryResult found;
    void *encode = NULL;

    CG_TRY(CUDA_CHECK(host,
                      cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &encode, 12000,
                                                       cudaEnableDefault, &found),
                      err));
    if (found != cudaDriverEntryPointSuccess)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "hopper: the driver has no cuTensorMapEncodeTiled(), wanted CUDA 12.0");
    memcpy(ret_encode, &encode, sizeof encode);
    return CG_OK;
}

cg_status hopper_describe(const cg_host *host, hopper_encode_fn encode, cg_dtype dtype,
                          const void *base, uint32_t n, const cuuint64_t *size,
                          const cuuint64_t *stride, const cuuint32_t *box, CUtensorMap *ret_map,
                          cg_error *err)
{
    static const cuuint32_t step[] = { 1, 1, 1, 1 };
    const CUtensorMapDataType type = dtype == CG_F8_E4M3 ? CU_TENSOR_MAP_DATA_TYPE_UINT8
                                     : dtype == CG_F16   ? CU_TENSOR_MAP_DATA_TYPE_FLOAT16
                                                         : CU_TENSOR_MAP_DATA_TYPE_BFLOAT16;
    const CUtensorMapSwizzle swizzle = box[0] * cg_dtype_size(dtype) == 128
                                           ? CU_TENSOR_MAP_SWIZZLE_128B
                                           : CU_TENSOR_MAP_SWIZZLE_64B;
    CUresult code = encode(ret_map, type, n, (void *)(uintptr_t)base, size, stride, box, step,
                           CU_TENSOR_MAP_INTERLEAVE_NONE, swizzle,
                           CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);

    if (code != CUDA_SUCCESS)
        return host->fail(err, CG_ERR_CUDA,
                          "hopper: cuTensorMapEncodeTiled() failed with CUDA error %d", (int)code);
    return CG_OK;
}

int32_t hopper_box_of_pages(int32_t n, int32_t most)
{
    int32_t box = n & -n;

    return box < most ? box : most;
}

float hopper_exp2_scale(float scale)
{
    /* exp(x) = exp2(x log2(e)). A scale of 0 becomes one small enough to leave all weights equal:
     * the score -infinity of hidden tokens times the scale must stay -infinity. */
    const float log2e = 0x1.715476p0f, min_scale = 1e-30f;

    return fmaxf(scale * log2e, min_scale);
}
