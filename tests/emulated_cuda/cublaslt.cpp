/* SPDX-License-Identifier: MIT */
/*
 * The functions of cuBLASLt that core/cuda uses, and its one form of product: D = alpha A^T B +
 * beta C over columns, f32 sums, C and D of one layout. Whatever else is asked for is refused.
 *
 * The heuristic offers two algorithms, so that they are measured, but for a large product one. Both
 * give the same bits, for any number of rows. Of a product beyond LARGE, as those that measure a
 * GPU, only the first columns are computed.
 */
#include <cublasLt.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <stdlib.h>
#include <string.h>

#include "streams.h"

enum {
    ALGORITHMS = 2,
    MEASURED = 1 << 21, /* multiplications of the largest product that is measured */
    LARGE = 1 << 30,    /* multiplications */
    LANES = 16,         /* sums of a product, for the compiler's vectors */
};

namespace
{

struct description {
    cublasComputeType_t compute;
    cublasOperation_t a;
};

struct layout {
    cudaDataType type;
    uint64_t rows, columns;
    int64_t stride; /* elements, between columns */
};

struct product {
    layout a, b, d;
    const void *a_at, *b_at, *c_at;
    void *d_at;
    float alpha, beta;
    int tf32;
};

template <typename T, typename Opaque> T *inside(Opaque *o)
{
    static_assert(sizeof(T) <= sizeof(Opaque), "lies in the library's type");
    return (T *)(void *)o;
}

template <typename T, typename Opaque> const T *inside(const Opaque *o)
{
    return inside<T>(const_cast<Opaque *>(o));
}

bool is_float(cudaDataType type)
{
    return type == CUDA_R_32F || type == CUDA_R_16F || type == CUDA_R_16BF;
}

float element(cudaDataType type, const void *at, int64_t i)
{
    return type == CUDA_R_32F   ? ((const float *)at)[i]
           : type == CUDA_R_16F ? __half2float(((const __half *)at)[i])
                                : __bfloat162float(((const __nv_bfloat16 *)at)[i]);
}

void store(cudaDataType type, void *at, int64_t i, float x)
{
    if (type == CUDA_R_32F)
        ((float *)at)[i] = x;
    else if (type == CUDA_R_16F)
        ((__half *)at)[i] = __float2half(x);
    else
        ((__nv_bfloat16 *)at)[i] = __float2bfloat16(x);
}

/* To the nearest of 10 bits of mantissa. */
float round_to_tf32(float x)
{
    uint32_t bits;

    memcpy(&bits, &x, sizeof bits);
    bits = (bits + 0xfffu + (bits >> 13 & 1)) & ~0x1fffu;
    memcpy(&x, &bits, sizeof bits);
    return x;
}

/* Columns as floats, filled with zeros to a multiple of LANES. */
float *convert(const layout &l, const void *at, int tf32, uint64_t width)
{
    float *f = (float *)malloc(width * l.columns * sizeof *f + 1);

    if (!f)
        abort();
    for (uint64_t c = 0; c < l.columns; c++)
        for (uint64_t i = 0; i < width; i++) {
            float x = i < l.rows ? element(l.type, at, (int64_t)c * l.stride + (int64_t)i) : 0.0f;

            f[c * width + i] = tf32 ? round_to_tf32(x) : x;
        }
    return f;
}

uint64_t size_of(const layout *a, const layout *d)
{
    return a->rows * d->rows * d->columns;
}

float dot(const float *x, const float *y, uint64_t n)
{
    float sums[LANES] = { 0 }, sum = 0;

    for (uint64_t i = 0; i < n; i += LANES)
        for (int k = 0; k < LANES; k++)
            sums[k] += x[i + k] * y[i + k];
    for (int k = 0; k < LANES; k++)
        sum += sums[k];
    return sum;
}

void run_product(const void *arg)
{
    const product *p = (const product *)arg;
    uint64_t width = (p->a.rows + LANES - 1) / LANES * LANES;
    uint64_t columns =
        size_of(&p->a, &p->d) > LARGE ? LARGE / (p->a.rows * p->d.rows) + 1 : p->d.columns;
    layout part = p->b;
    float *a = convert(p->a, p->a_at, p->tf32, width), *b;

    part.columns = columns;
    b = convert(part, p->b_at, p->tf32, width);
    for (uint64_t c = 0; c < columns; c++)
        for (uint64_t r = 0; r < p->d.rows; r++) {
            int64_t i = (int64_t)c * p->d.stride + (int64_t)r;
            float x = p->alpha * dot(a + r * width, b + c * width, width);

            if (p->beta != 0)
                x += p->beta * element(p->d.type, p->c_at, i);
            store(p->d.type, p->d_at, i, x);
        }
    free(a);
    free(b);
}

/* Whether this library has the product. */
bool has(const description *op, const layout *a, const layout *b, const layout *c, const layout *d)
{
    bool is_compute = op->compute == CUBLAS_COMPUTE_32F ||
                      (op->compute == CUBLAS_COMPUTE_32F_FAST_TF32 && a->type == CUDA_R_32F);

    return is_compute && op->a == CUBLAS_OP_T && a->rows == b->rows && a->columns == d->rows &&
           b->columns == d->columns && a->type == b->type && is_float(a->type) &&
           is_float(d->type) && (d->type == a->type || d->type == CUDA_R_32F) &&
           c->type == d->type && c->rows == d->rows && c->columns == d->columns &&
           c->stride == d->stride && a->stride >= (int64_t)a->rows &&
           b->stride >= (int64_t)b->rows && d->stride >= (int64_t)d->rows;
}

template <typename T, typename Opaque> cublasStatus_t create(Opaque **ret, const T &value)
{
    *ret = (Opaque *)calloc(1, sizeof **ret);
    if (!*ret)
        return CUBLAS_STATUS_ALLOC_FAILED;
    *inside<T>(*ret) = value;
    return CUBLAS_STATUS_SUCCESS;
}

} // namespace

cublasStatus_t cublasLtCreate(cublasLtHandle_t *ret_handle)
{
    *ret_handle = (cublasLtHandle_t)calloc(1, 1);
    return *ret_handle ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_ALLOC_FAILED;
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle)
{
    free(handle);
    return CUBLAS_STATUS_SUCCESS;
}

const char *cublasLtGetStatusString(cublasStatus_t status)
{
    return status == CUBLAS_STATUS_NOT_SUPPORTED ? "not supported by the emulated cuBLASLt"
           : status == CUBLAS_STATUS_SUCCESS     ? "success"
                                                 : "an error of the emulated cuBLASLt";
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *ret, cublasComputeType_t compute,
                                        cudaDataType_t scale)
{
    if (scale != CUDA_R_32F)
        return CUBLAS_STATUS_NOT_SUPPORTED;
    return create(ret, description { compute, CUBLAS_OP_N });
}

cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t op)
{
    free(op);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t op,
                                              cublasLtMatmulDescAttributes_t attribute,
                                              const void *value, size_t bytes)
{
    description *d = inside<description>(op);

    if (attribute != CUBLASLT_MATMUL_DESC_TRANSA || bytes != sizeof d->a)
        return CUBLAS_STATUS_NOT_SUPPORTED;
    memcpy(&d->a, value, bytes);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *ret, cudaDataType type,
                                          uint64_t rows, uint64_t columns, int64_t stride)
{
    return create(ret, layout { type, rows, columns, stride });
}

cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout)
{
    free(layout);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *ret)
{
    return create(ret, 0);
}

cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference)
{
    free(preference);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t,
                                                    cublasLtMatmulPreferenceAttributes_t attribute,
                                                    const void *, size_t bytes)
{
    return (attribute == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES && bytes == sizeof(uint64_t)) ||
                   (attribute == CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK &&
                    bytes == sizeof(uint32_t))
               ? CUBLAS_STATUS_SUCCESS
               : CUBLAS_STATUS_NOT_SUPPORTED;
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t op,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t, int wanted,
                                              cublasLtMatmulHeuristicResult_t ret[], int *ret_n)
{
    if (!has(inside<description>(op), inside<layout>(a), inside<layout>(b), inside<layout>(c),
             inside<layout>(d)))
        return CUBLAS_STATUS_NOT_SUPPORTED;
    *ret_n = wanted < ALGORITHMS || size_of(inside<layout>(a), inside<layout>(d)) > MEASURED
                 ? 1
                 : ALGORITHMS;
    for (int i = 0; i < *ret_n; i++) {
        memset(&ret[i], 0, sizeof ret[i]);
        ret[i].algo.data[0] = (uint64_t)i + 1;
    }
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t op, const void *alpha,
                              const void *a_at, cublasLtMatrixLayout_t a, const void *b_at,
                              cublasLtMatrixLayout_t b, const void *beta, const void *c_at,
                              cublasLtMatrixLayout_t c, void *d_at, cublasLtMatrixLayout_t d,
                              const cublasLtMatmulAlgo_t *algo, void *, size_t, cudaStream_t stream)
{
    const description *o = inside<description>(op);
    product p;

    if (!algo->data[0] || algo->data[0] > ALGORITHMS ||
        !has(o, inside<layout>(a), inside<layout>(b), inside<layout>(c), inside<layout>(d)))
        return CUBLAS_STATUS_NOT_SUPPORTED;
    p = { *inside<layout>(a),
          *inside<layout>(b),
          *inside<layout>(d),
          a_at,
          b_at,
          c_at,
          d_at,
          *(const float *)alpha,
          *(const float *)beta,
          o->compute == CUBLAS_COMPUTE_32F_FAST_TF32 };
    emulated_queue(stream, run_product, &p, sizeof p);
    return CUBLAS_STATUS_SUCCESS;
}
