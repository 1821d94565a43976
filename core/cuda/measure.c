/* SPDX-License-Identifier: MIT */
/* Measured peak rates of a GPU: copy bandwidth and bf16 matrix products. */
#include "gpu_device.h"

#include "fill.h"
#include "gemm.h"

enum { COPY_BYTES = 1 << 30, MATRIX = 8192, WARM_UP = 2, REPEATS = 10 };

/* Median; sorts t. */
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

/* Bytes read and written per second. */
static cg_status measure_copy(cg_gpu *gpu, const char *src, char *dst, double *ret_rate,
                              cg_error *err)
{
    cudaStream_t stream = cg_cuda_gpu_stream(gpu);
    double t[REPEATS];

    for (int i = -WARM_UP; i < REPEATS; i++) {
        CG_TRY(cg_cuda_gpu_mark(gpu, 0, err));
        CG_TRY(
            CG_CUDA(cudaMemcpyAsync(dst, src, COPY_BYTES, cudaMemcpyDeviceToDevice, stream), err));
        CG_TRY(cg_cuda_gpu_mark(gpu, 1, err));
        CG_TRY(cg_cuda_gpu_elapsed(gpu, &t[i < 0 ? 0 : i], err));
    }
    *ret_rate = 2.0 * COPY_BYTES / median(t, REPEATS);
    return CG_OK;
}

/* Floating-point operations per second of a product. */
static cg_status measure_gemm(cg_gpu *gpu, cg_gemm *gemm, const char *x, const char *w, char *y,
                              double *ret_rate, cg_error *err)
{
    double t[REPEATS];

    for (int i = -WARM_UP; i < REPEATS; i++) {
        CG_TRY(cg_cuda_gpu_mark(gpu, 0, err));
        CG_TRY(cg_gemm_run(gemm, x, w, y, err));
        CG_TRY(cg_cuda_gpu_mark(gpu, 1, err));
        CG_TRY(cg_cuda_gpu_elapsed(gpu, &t[i < 0 ? 0 : i], err));
    }
    *ret_rate = 2.0 * MATRIX * MATRIX * MATRIX / median(t, REPEATS);
    return CG_OK;
}

static cg_status measure_matmul(cg_gpu *gpu, const char *x, const char *w, char *y,
                                double *ret_rate, cg_error *err)
{
    const cg_gemm_shape shape = { MATRIX, MATRIX, MATRIX, CG_BF16, CG_BF16, 0, 0 };
    cg_gemm_context *context = NULL;
    cg_gemm *gemm = NULL;
    cg_status st;

    CG_TRY(cg_gemm_context_create(0, cg_cuda_gpu_stream(gpu), &context, err));
    CG_TRY_GOTO(st, cg_gemm_create(context, &shape, &gemm, err), out);
    st = measure_gemm(gpu, gemm, x, w, y, ret_rate, err);
out:
    cg_gemm_destroy(gemm);
    cg_gemm_context_destroy(context);
    return st;
}

cg_status cg_cuda_gpu_measure(cg_gpu *gpu, cg_gpu_ceilings *ret_ceilings, cg_error *err)
{
    const size_t matrix_bytes = (size_t)MATRIX * MATRIX * 2;
    cg_gpu_ceilings c = { .struct_size = sizeof c };
    void *a = NULL, *b = NULL;
    cg_status st;

    CG_TRY_GOTO(st, cg_cuda_gpu_alloc(gpu, COPY_BYTES, &a, err), out);
    CG_TRY_GOTO(st, cg_cuda_gpu_alloc(gpu, COPY_BYTES, &b, err), out);
    CG_TRY_GOTO(
        st, cg_cuda_fill_random(a, COPY_BYTES / 2, CG_BF16, 3, cg_cuda_gpu_stream(gpu), err), out);
    CG_TRY_GOTO(st, measure_copy(gpu, a, b, &c.copy_bytes, err), out);
    CG_TRY_GOTO(st, measure_matmul(gpu, a, (char *)a + matrix_bytes, b, &c.matmul_flops, err), out);
    *ret_ceilings = c;
out:
    if (a)
        cg_cuda_gpu_free(gpu, a);
    if (b)
        cg_cuda_gpu_free(gpu, b);
    return st;
}

cg_status cg_cuda_gpu_random(cg_gpu *gpu, void *dst, int64_t n, cg_dtype dtype, uint32_t seed,
                             cg_error *err)
{
    cg_gpu_info info;

    if (n < 0 || cg_dtype_size(dtype) < 2)
        return cg_fail(err, CG_ERR_USAGE, "%lld random numbers of %s: wanted f32, bf16 or f16",
                       (long long)n, cg_dtype_name(dtype));
    cg_cuda_gpu_get_info(gpu, &info);
    CG_TRY(cg_cuda_use(info.index, err));
    CG_TRY(cg_cuda_fill_random(dst, n, dtype, seed, cg_cuda_gpu_stream(gpu), err));
    return cg_cuda_gpu_synchronize(gpu, err);
}
