/* SPDX-License-Identifier: MIT */
#include "layers.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "device.cuh"
#include "model/config.h"
#include "ptx/quantise.cuh"

enum {
    THREADS = 256,
    NORM_THREADS = 128, /* of a block whose warps have a row each */
    ROPE_THREADS = 128, /* the same */
    ROPE_BLOCKS = 10,   /* on a multiprocessor at once */
    SCALED_ROPE_BLOCKS = 8,
    HEADS_IN_FLIGHT = 4, /* heads of a row that a group of lanes of rope_store loads together */
};

/* Four neighbouring elements as they are loaded, by one instruction. */
template <typename T>
using four_elements = typename std::conditional<sizeof(T) == 2, uint2, float4>::type;

static __device__ __forceinline__ void load8_f32(const float *p, float v[8])
{
    float4 a = ((const float4 *)p)[0], b = ((const float4 *)p)[1];

    v[0] = a.x, v[1] = a.y, v[2] = a.z, v[3] = a.w;
    v[4] = b.x, v[5] = b.y, v[6] = b.z, v[7] = b.w;
}

static __device__ __forceinline__ void store8_f32(float *p, const float v[8])
{
    ((float4 *)p)[0] = make_float4(v[0], v[1], v[2], v[3]);
    ((float4 *)p)[1] = make_float4(v[4], v[5], v[6], v[7]);
}

static __device__ __forceinline__ void load4_f32(const float *p, float v[4])
{
    float4 a = *(const float4 *)p;

    v[0] = a.x, v[1] = a.y, v[2] = a.z, v[3] = a.w;
}

static __device__ __forceinline__ void store4_f32(float *p, const float v[4])
{
    *(float4 *)p = make_float4(v[0], v[1], v[2], v[3]);
}

/* Two neighbouring elements of a word; the first is in the low half. */
static __device__ __forceinline__ float2 unpack(uint32_t w, __nv_bfloat16)
{
    return make_float2(__uint_as_float(w << 16), __uint_as_float(w & 0xffff0000u));
}

static __device__ __forceinline__ float2 unpack(uint32_t w, __half)
{
    return __half22float2(*(const __half2 *)&w);
}

static __device__ __forceinline__ uint32_t pack(float a, float b, __nv_bfloat16)
{
    __nv_bfloat162 p = __floats2bfloat162_rn(a, b);

    return *(uint32_t *)&p;
}

static __device__ __forceinline__ uint32_t pack(float a, float b, __half)
{
    __half2 p = __floats2half2_rn(a, b);

    return *(uint32_t *)&p;
}

/* Of a type of 16 bits. */
template <typename T> static __device__ __forceinline__ void load8_16bit(const T *p, float v[8])
{
    const uint4 w = *(const uint4 *)p;
    const float2 a = unpack(w.x, T()), b = unpack(w.y, T());
    const float2 c = unpack(w.z, T()), d = unpack(w.w, T());

    v[0] = a.x, v[1] = a.y, v[2] = b.x, v[3] = b.y;
    v[4] = c.x, v[5] = c.y, v[6] = d.x, v[7] = d.y;
}

template <typename T> static __device__ __forceinline__ void store8_16bit(T *p, const float v[8])
{
    *(uint4 *)p = make_uint4(pack(v[0], v[1], T()), pack(v[2], v[3], T()), pack(v[4], v[5], T()),
                             pack(v[6], v[7], T()));
}

template <typename T> static __device__ __forceinline__ void load4_16bit(const T *p, float v[4])
{
    const uint2 w = *(const uint2 *)p;
    const float2 a = unpack(w.x, T()), b = unpack(w.y, T());

    v[0] = a.x, v[1] = a.y, v[2] = b.x, v[3] = b.y;
}

template <typename T> static __device__ __forceinline__ void store4_16bit(T *p, const float v[4])
{
    *(uint2 *)p = make_uint2(pack(v[0], v[1], T()), pack(v[2], v[3], T()));
}

/* Loads a row of one warp: element 256 c + 8 lane + j is v[c][j] of a lane; v stays as it is beyond
 * `hidden`. */
template <int CHUNKS>
static __device__ __forceinline__ void load_row_of_warp(const float *x, int32_t hidden,
                                                        int32_t lane, float v[CHUNKS][8])
{
#pragma unroll
    for (int c = 0; c < CHUNKS; c++)
        if (256 * c + 8 * lane < hidden)
            load8_f32(x + 256 * c + 8 * lane, v[c]);
}

/* w = x * w / rms(x); one warp per row: v holds x and w the weights as load_row_of_warp() leaves
 * them, 0 beyond `hidden`. */
template <int CHUNKS>
static __device__ __forceinline__ void normalise_row_of_warp(const float v[CHUNKS][8], float eps,
                                                             int32_t hidden, float w[CHUNKS][8])
{
    float sum = 0;

#pragma unroll
    for (int c = 0; c < CHUNKS; c++) {
        float squares = 0;

        for (int j = 0; j < 8; j++)
            squares += v[c][j] * v[c][j];
        sum += warp_sum(squares);
    }
    sum = rsqrtf(sum / (float)hidden + eps);
#pragma unroll
    for (int c = 0; c < CHUNKS; c++)
        for (int j = 0; j < 8; j++)
            w[c][j] *= v[c][j] * sum;
}

/* The bits of magnitudes are ordered as these; those of NaN are the largest. */
static __device__ __forceinline__ uint32_t most_of_8(const float v[8], uint32_t most)
{
    for (int j = 0; j < 8; j++)
        most = max(most, __float_as_uint(fabsf(v[j])));
    return most;
}

/* The greatest of each group of `lanes` neighbouring lanes. All lanes of a warp. */
static __device__ __forceinline__ uint32_t most_of_lanes(uint32_t most, int32_t lanes)
{
    for (int32_t step = lanes >> 1; step > 0; step /= 2)
        most = max(most, __shfl_xor_sync(0xffffffffu, most, step));
    return most;
}

#define LOAD8    load8_16bit
#define STORE8   store8_16bit
#define LOAD4    load4_16bit
#define STORE4   store4_16bit
#define ACT      __nv_bfloat16
#define FN(name) name##_bf16_kernel
#include "layers_kernels.cuh"
#undef ACT
#undef FN

#define ACT      __half
#define FN(name) name##_f16_kernel
#include "layers_kernels.cuh"
#undef ACT
#undef FN
#undef LOAD8
#undef STORE8
#undef LOAD4
#undef STORE4

#define ACT      float
#define LOAD8    load8_f32
#define STORE8   store8_f32
#define LOAD4    load4_f32
#define STORE4   store4_f32
#define FN(name) name##_f32_kernel
#include "layers_kernels.cuh"

/* ---- rows of i8 with a scale ------------------------------------------------------------- */

/* 1 / scale of a row whose largest magnitude is `most`; 0, so zeros, if it is negligible. */
static __device__ __forceinline__ float inverse_scale(float most)
{
    return most > 1e-30f ? 127 / most : 0;
}

static __device__ __forceinline__ void store8_i8(int8_t *p, const float v[8], float factor)
{
    float w[8];

    for (int j = 0; j < 8; j++)
        w[j] = v[j] * factor;
    *(uint2 *)p = make_uint2(pack_i8x4(w), pack_i8x4(w + 4));
}

/* One warp per row, rows of at most 256 * CHUNKS elements. */
template <int CHUNKS>
static __global__ void __launch_bounds__(NORM_THREADS)
    rms_norm_i8_kernel(const float *x, const float *weight, float eps, int32_t rows, int32_t hidden,
                       int8_t *h, float *scale)
{
    const int32_t lane = threadIdx.x % 32, t = blockIdx.x * (NORM_THREADS / 32) + threadIdx.x / 32;
    float v[CHUNKS][8] = {}, w[CHUNKS][8] = {}, most;
    uint32_t most_bits = 0;

    allow_next_kernel();
    load_row_of_warp<CHUNKS>(weight, hidden, lane, w);
    wait_for_earlier_kernels();
    if (t >= rows)
        return;
    load_row_of_warp<CHUNKS>(x + (int64_t)t * hidden, hidden, lane, v);
    normalise_row_of_warp<CHUNKS>(v, eps, hidden, w);
#pragma unroll
    for (int c = 0; c < CHUNKS; c++)
        most_bits = most_of_8(w[c], most_bits);
    most = __uint_as_float(most_of_lanes(most_bits, 32));
#pragma unroll
    for (int c = 0; c < CHUNKS; c++)
        if (256 * c + 8 * lane < hidden)
            store8_i8(h + (int64_t)t * hidden + 256 * c + 8 * lane, w[c], inverse_scale(most));
    if (lane == 0)
        scale[t] = most / 127;
}

/* One warp per row. */
static __global__ void __launch_bounds__(NORM_THREADS)
    quantise_rows_kernel(const float *w, int32_t rows, int32_t columns, int8_t *numbers,
                         float *scale)
{
    const int32_t lane = threadIdx.x % 32, r = blockIdx.x * (NORM_THREADS / 32) + threadIdx.x / 32;
    float v[8], most;
    uint32_t most_bits = 0;

    if (r >= rows)
        return;
    w += (int64_t)r * columns;
    numbers += (int64_t)r * columns;
    for (int32_t i = 8 * lane; i < columns; i += 256) {
        load8_f32(w + i, v);
        most_bits = most_of_8(v, most_bits);
    }
    most = __uint_as_float(most_of_lanes(most_bits, 32));
    for (int32_t i = 8 * lane; i < columns; i += 256) {
        load8_f32(w + i, v);
        store8_i8(numbers + i, v, inverse_scale(most));
    }
    if (lane == 0)
        scale[r] = most / 127;
}

/* ---- calls ------------------------------------------------------------------------------- */

/* Threads for a row: whole warps, eight elements per thread. */
static int row_threads(int32_t hidden)
{
    int n = (hidden / 8 + 31) / 32 * 32;

    return n < 1024 ? n : 1024;
}

/* The kernels of a norm, for rows of at most 256, 512, 1024 and 2048 elements and for wider ones.
 */
#define KERNELS_OF_NORM(name, type)                                                                \
    {                                                                                              \
        name##_of_warps_##type##_kernel<1>, name##_of_warps_##type##_kernel<2>,                    \
            name##_of_warps_##type##_kernel<4>, name##_of_warps_##type##_kernel<8>,                \
            name##_##type##_kernel                                                                 \
    }

typedef struct norm_grid {
    int kernel; /* index in KERNELS_OF_NORM() */
    int blocks, threads;
} norm_grid;

static norm_grid grid_of_norm(int32_t rows, int32_t hidden)
{
    const int warps = NORM_THREADS / 32;

    for (int i = 0; i < 4; i++)
        if (hidden <= 256 << i)
            return { i, (rows + warps - 1) / warps, NORM_THREADS };
    return { 4, rows, row_threads(hidden) };
}

/* Queues a kernel that calls wait_for_earlier_kernels() in all threads. It may start before earlier
 * kernels of the stream end where its image is of compute capability 9.0 or newer: the call does
 * nothing in others. */
template <typename... P, typename... A>
static cg_status launch_early(void (*kernel)(P...), dim3 blocks, int threads, cudaStream_t stream,
                              cg_error *err, A... args)
{
    cudaLaunchAttribute overlap = {};
    cudaLaunchConfig_t config = {};
    cudaFuncAttributes found;

    CG_TRY(CG_CUDA(cudaFuncGetAttributes(&found, kernel), err));
    overlap.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    overlap.val.programmaticStreamSerializationAllowed = 1;
    config.gridDim = blocks;
    config.blockDim = dim3(threads);
    config.stream = stream;
    config.attrs = &overlap;
    config.numAttrs = found.ptxVersion >= 90;
    return CG_CUDA(cudaLaunchKernelEx(&config, kernel, args...), err);
}

extern "C" cg_status cg_cuda_embed_norm(const int32_t *token, const void *embed,
                                        const float *weight, float eps, int32_t rows,
                                        int32_t hidden, cg_dtype act, float *x, void *h,
                                        cudaStream_t stream, cg_error *err)
{
    static decltype(&embed_norm_f32_kernel) const f32[] = KERNELS_OF_NORM(embed_norm, f32);
    static decltype(&embed_norm_f16_kernel) const f16[] = KERNELS_OF_NORM(embed_norm, f16);
    static decltype(&embed_norm_bf16_kernel) const bf16[] = KERNELS_OF_NORM(embed_norm, bf16);
    const norm_grid g = grid_of_norm(rows, hidden);

    if (act == CG_F32)
        return launch_early(f32[g.kernel], g.blocks, g.threads, stream, err, token,
                            (const float *)embed, weight, eps, rows, hidden, x, (float *)h);
    if (act == CG_F16)
        return launch_early(f16[g.kernel], g.blocks, g.threads, stream, err, token,
                            (const __half *)embed, weight, eps, rows, hidden, x, (__half *)h);
    return launch_early(bf16[g.kernel], g.blocks, g.threads, stream, err, token,
                        (const __nv_bfloat16 *)embed, weight, eps, rows, hidden, x,
                        (__nv_bfloat16 *)h);
}

extern "C" cg_status cg_cuda_rms_norm(const float *x, const float *weight, float eps,
                                      const int32_t *row, const int32_t *n, int32_t rows,
                                      int32_t hidden, cg_dtype act, void *h, cudaStream_t stream,
                                      cg_error *err)
{
    static decltype(&rms_norm_f32_kernel) const f32[] = KERNELS_OF_NORM(rms_norm, f32);
    static decltype(&rms_norm_f16_kernel) const f16[] = KERNELS_OF_NORM(rms_norm, f16);
    static decltype(&rms_norm_bf16_kernel) const bf16[] = KERNELS_OF_NORM(rms_norm, bf16);
    const norm_grid g = grid_of_norm(rows, hidden);

    if (act == CG_F32)
        return launch_early(f32[g.kernel], g.blocks, g.threads, stream, err, x, weight, eps, row, n,
                            rows, hidden, (float *)h);
    if (act == CG_F16)
        return launch_early(f16[g.kernel], g.blocks, g.threads, stream, err, x, weight, eps, row, n,
                            rows, hidden, (__half *)h);
    return launch_early(bf16[g.kernel], g.blocks, g.threads, stream, err, x, weight, eps, row, n,
                        rows, hidden, (__nv_bfloat16 *)h);
}

extern "C" cg_status cg_cuda_rms_norm_i8(const float *x, const float *weight, float eps,
                                         int32_t rows, int32_t hidden, void *h, float *scale,
                                         cudaStream_t stream, cg_error *err)
{
    static decltype(&rms_norm_i8_kernel<1>) const kernels[] = {
        rms_norm_i8_kernel<1>,
        rms_norm_i8_kernel<2>,
        rms_norm_i8_kernel<4>,
        rms_norm_i8_kernel<8>,
    };
    const norm_grid g = grid_of_norm(rows, hidden);

    return launch_early(kernels[g.kernel], g.blocks, g.threads, stream, err, x, weight, eps, rows,
                        hidden, (int8_t *)h, scale);
}

extern "C" cg_status cg_cuda_quantise_rows(const float *w, int32_t rows, int32_t columns,
                                           void *numbers, float *scale, cudaStream_t stream,
                                           cg_error *err)
{
    const int32_t warps = NORM_THREADS / 32;

    quantise_rows_kernel<<<(rows + warps - 1) / warps, NORM_THREADS, 0, stream>>>(
        w, rows, columns, (int8_t *)numbers, scale);
    return CG_CUDA(cudaGetLastError(), err);
}

extern "C" cg_status cg_cuda_embed(const int32_t *token, const int32_t *pos, const void *embed,
                                   const void *positions, int32_t rows, int32_t hidden,
                                   cg_dtype act, float *x, cudaStream_t stream, cg_error *err)
{
    if (act == CG_F32)
        embed_f32_kernel<<<rows, row_threads(hidden), 0, stream>>>(
            token, pos, (const float *)embed, (const float *)positions, hidden, x);
    else if (act == CG_F16)
        embed_f16_kernel<<<rows, row_threads(hidden), 0, stream>>>(
            token, pos, (const __half *)embed, (const __half *)positions, hidden, x);
    else
        embed_bf16_kernel<<<rows, row_threads(hidden), 0, stream>>>(
            token, pos, (const __nv_bfloat16 *)embed, (const __nv_bfloat16 *)positions, hidden, x);
    return CG_CUDA(cudaGetLastError(), err);
}

extern "C" cg_status cg_cuda_layer_norm(const float *x, const float *weight, const float *bias,
                                        float eps, const int32_t *row, const int32_t *n,
                                        int32_t rows, int32_t hidden, cg_dtype act, void *h,
                                        cudaStream_t stream, cg_error *err)
{
    if (act == CG_F32)
        layer_norm_f32_kernel<<<rows, row_threads(hidden), 0, stream>>>(x, weight, bias, eps, row,
                                                                        n, hidden, (float *)h);
    else if (act == CG_F16)
        layer_norm_f16_kernel<<<rows, row_threads(hidden), 0, stream>>>(x, weight, bias, eps, row,
                                                                        n, hidden, (__half *)h);
    else
        layer_norm_bf16_kernel<<<rows, row_threads(hidden), 0, stream>>>(
            x, weight, bias, eps, row, n, hidden, (__nv_bfloat16 *)h);
    return CG_CUDA(cudaGetLastError(), err);
}

/* Eight elements per thread. */
static __global__ void add_bias_kernel(float *x, const float *bias, int64_t n, int32_t hidden)
{
    int64_t i = ((int64_t)blockIdx.x * blockDim.x + threadIdx.x) * 8;
    float v[8], b[8];

    if (i >= n)
        return;
    load8_f32(x + i, v);
    load8_f32(bias + i % hidden, b);
    for (int j = 0; j < 8; j++)
        v[j] += b[j];
    store8_f32(x + i, v);
}

/* Blocks of THREADS for n elements, eight per thread. */
static unsigned blocks_of(int64_t n)
{
    return (unsigned)((n / 8 + THREADS - 1) / THREADS);
}

extern "C" cg_status cg_cuda_add_bias(float *x, const float *bias, int32_t rows, int32_t hidden,
                                      cudaStream_t stream, cg_error *err)
{
    int64_t n = (int64_t)rows * hidden;

    add_bias_kernel<<<blocks_of(n), THREADS, 0, stream>>>(x, bias, n, hidden);
    return CG_CUDA(cudaGetLastError(), err);
}

extern "C" cg_status cg_cuda_activate(const void *in, const float *bias, int32_t rows,
                                      int32_t intermediate, int32_t is_gated, int32_t activation,
                                      cg_dtype act, void *out, cudaStream_t stream, cg_error *err)
{
    int64_t n = (int64_t)rows * intermediate;

    if (act == CG_F32)
        activate_f32_kernel<<<blocks_of(n), THREADS, 0, stream>>>(
            (const float *)in, bias, n, intermediate, is_gated, activation, (float *)out);
    else if (act == CG_F16)
        activate_f16_kernel<<<blocks_of(n), THREADS, 0, stream>>>(
            (const __half *)in, bias, n, intermediate, is_gated, activation, (__half *)out);
    else
        activate_bf16_kernel<<<blocks_of(n), THREADS, 0, stream>>>(
            (const __nv_bfloat16 *)in, bias, n, intermediate, is_gated, activation,
            (__nv_bfloat16 *)out);
    return CG_CUDA(cudaGetLastError(), err);
}

/* The kernels without and with a bias or a norm, each without and with scales. */
#define KERNELS_OF_ROPE(type)                                                                      \
    {                                                                                              \
        { rope_store_##type##_kernel<false, false>, rope_store_##type##_kernel<false, true> },     \
            { rope_store_##type##_kernel<true, false>, rope_store_##type##_kernel<true, true> },   \
    }

extern "C" cg_status cg_cuda_rope_store(const cg_cuda_qkv *args, cudaStream_t stream, cg_error *err)
{
    typedef void (*rope_kernel)(cg_cuda_qkv, int32_t);

    static const rope_kernel f32[2][2] = KERNELS_OF_ROPE(f32);
    static const rope_kernel f16[2][2] = KERNELS_OF_ROPE(f16);
    static const rope_kernel bf16[2][2] = KERNELS_OF_ROPE(bf16);
    const int32_t warps = ROPE_THREADS / 32, n_all = args->n_heads + 2 * args->n_kv_heads;
    const bool has_more = args->bias || args->q_norm || args->k_norm;
    const bool has_scales = args->store && args->view.k_scale;
    const auto &kernels = args->act == CG_F32 ? f32 : args->act == CG_F16 ? f16 : bf16;
    int32_t log2_lanes = 0, heads;
    dim3 blocks;

    while (8 << log2_lanes < args->head_dim)
        log2_lanes++;
    heads = HEADS_IN_FLIGHT * (32 >> log2_lanes);
    blocks = dim3((args->rows + warps - 1) / warps, (n_all + heads - 1) / heads);
    return launch_early(kernels[has_more][has_scales], blocks, ROPE_THREADS, stream, err, *args,
                        log2_lanes);
}

extern "C" cg_status cg_cuda_silu_mul(const void *gate_up, int32_t rows, int32_t intermediate,
                                      cg_dtype act, void *out, cudaStream_t stream, cg_error *err)
{
    int64_t n = (int64_t)rows * intermediate;

    if (act == CG_F32)
        silu_mul_f32_kernel<<<blocks_of(n), THREADS, 0, stream>>>((const float *)gate_up, n,
                                                                  intermediate, (float *)out);
    else if (act == CG_F16)
        silu_mul_f16_kernel<<<blocks_of(n), THREADS, 0, stream>>>((const __half *)gate_up, n,
                                                                  intermediate, (__half *)out);
    else
        silu_mul_bf16_kernel<<<blocks_of(n), THREADS, 0, stream>>>(
            (const __nv_bfloat16 *)gate_up, n, intermediate, (__nv_bfloat16 *)out);
    return CG_CUDA(cudaGetLastError(), err);
}

extern "C" cg_status cg_cuda_gather_rows(const void *src, const int32_t *row, int32_t n,
                                         int32_t rows, int32_t hidden, cg_dtype act, void *dst,
                                         cudaStream_t stream, cg_error *err)
{
    if (act == CG_F32)
        gather_rows_f32_kernel<<<rows, row_threads(hidden), 0, stream>>>((const float *)src, row, n,
                                                                         hidden, (float *)dst);
    else if (act == CG_F16)
        gather_rows_f16_kernel<<<rows, row_threads(hidden), 0, stream>>>((const __half *)src, row,
                                                                         n, hidden, (__half *)dst);
    else
        gather_rows_bf16_kernel<<<rows, row_threads(hidden), 0, stream>>>(
            (const __nv_bfloat16 *)src, row, n, hidden, (__nv_bfloat16 *)dst);
    return CG_CUDA(cudaGetLastError(), err);
}
