/* SPDX-License-Identifier: MIT */
/* The two ceilings of a GPU, measured: copy bandwidth and bf16 matrix rate. */
#include "gpu_device.h"

#include "fill.h"
#include "gemm.h"

enum { COPY_BYTES = 1 << 30, MATRIX = 8192, REPEATS = 10 };

/* Seconds of the queued region between the two marks, the median of REPEATS. */
static double median(double *t, int n)
{
    for (int i = 1; i < n; i++)
        for (int j = i; j > 0 && t[j] < t[j - 1]; j--) {
            double x = t[j];

            t[j] = t[j - 1];
            t[j - 1] = x;
        }
    return t[n / 2];
}

static cg_status measure_copy(cg_gpu *gpu, char *a, char *b, double *ret_rate, cg_error *err)
{
    cudaStream_t stream = cg_cuda_gpu_stream(gpu);
    double t[REPEATS];
    cg_status status = CG_OK;

    for (int i = -2; i < REPEATS && status == CG_OK; i++) {
        status = cg_cuda_gpu_mark(gpu, 0, err);
        if (status == CG_OK)
            status =
                CG_CUDA(cudaMemcpyAsync(b, a, COPY_BYTES, cudaMemcpyDeviceToDevice, stream), err);
        if (status == CG_OK)
            status = cg_cuda_gpu_mark(gpu, 1, err);
        if (status == CG_OK)
            status = cg_cuda_gpu_elapsed(gpu, &t[i < 0 ? 0 : i], err);
    }
    if (status == CG_OK)
        *ret_rate = 2.0 * COPY_BYTES / median(t, REPEATS);
    return status;
}

static cg_status measure_matmul(cg_gpu *gpu, const char *x, const char *w, char *y,
                                double *ret_rate, cg_error *err)
{
    const cg_gemm_shape shape = { MATRIX, MATRIX, MATRIX, CG_BF16, CG_BF16, 0 };
    cg_gemm_context *context = NULL;
    cg_gemm *gemm = NULL;
    double t[REPEATS];
    cg_status status = cg_gemm_context_create(0, cg_cuda_gpu_stream(gpu), &context, err);

    if (status == CG_OK)
        status = cg_gemm_create(context, &shape, &gemm, err);
    for (int i = -2; i < REPEATS && status == CG_OK; i++) {
        status = cg_cuda_gpu_mark(gpu, 0, err);
        if (status == CG_OK)
            status = cg_gemm_run(gemm, x, w, y, err);
        if (status == CG_OK)
            status = cg_cuda_gpu_mark(gpu, 1, err);
        if (status == CG_OK)
            status = cg_cuda_gpu_elapsed(gpu, &t[i < 0 ? 0 : i], err);
    }
    if (status == CG_OK)
        *ret_rate = 2.0 * MATRIX * MATRIX * MATRIX / median(t, REPEATS);
    cg_gemm_destroy(gemm);
    cg_gemm_context_destroy(context);
    return status;
}

cg_status cg_cuda_gpu_measure(cg_gpu *gpu, cg_gpu_ceilings *ret_ceilings, cg_error *err)
{
    const size_t matrix_bytes = (size_t)MATRIX * MATRIX * 2;
    cg_gpu_ceilings c = { .struct_size = sizeof c };
    void *a = NULL, *b = NULL;
    cg_status status = cg_cuda_gpu_alloc(gpu, COPY_BYTES, &a, err);

    if (status == CG_OK)
        status = cg_cuda_gpu_alloc(gpu, COPY_BYTES, &b, err);
    if (status == CG_OK)
        status = cg_cuda_fill_random(a, COPY_BYTES / 2, CG_BF16, 3, cg_cuda_gpu_stream(gpu), err);
    if (status == CG_OK)
        status = measure_copy(gpu, a, b, &c.copy_bytes, err);
    if (status == CG_OK)
        status = measure_matmul(gpu, a, (char *)a + matrix_bytes, b, &c.matmul_flops, err);
    if (a)
        cg_cuda_gpu_free(gpu, a);
    if (b)
        cg_cuda_gpu_free(gpu, b);
    if (status == CG_OK)
        *ret_ceilings = c;
    return status;
}

cg_status cg_cuda_gpu_random(cg_gpu *gpu, void *dst, int64_t n, cg_dtype dtype, uint32_t seed,
                             cg_error *err)
{
    cg_gpu_info info;
    cg_status status;

    if (n < 0 || !cg_dtype_size(dtype))
        return cg_fail(err, CG_ERR_USAGE, "%lld random numbers of type %d: wanted f32, bf16 or f16",
                       (long long)n, dtype);
    cg_cuda_gpu_get_info(gpu, &info);
    status = cg_cuda_use(info.index, err);
    if (status == CG_OK)
        status = cg_cuda_fill_random(dst, n, dtype, seed, cg_cuda_gpu_stream(gpu), err);
    return status == CG_OK ? cg_cuda_gpu_synchronize(gpu, err) : status;
}
