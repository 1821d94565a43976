/* SPDX-License-Identifier: MIT */
#include "fsq_kernels.h"

#include <cuda_bf16.h>

#include "device.cuh"

enum {
    WARPS = 8, /* rows of a block where a warp processes a row */
    THREADS = 256,
    DIM = CG_FSQ_HEAD_DIM,
    QUERIES = CG_FSQ_QUERIES,
    KEYS = 32,     /* of a tile */
    PAD = DIM + 4, /* floats between rows in shared memory: 16-byte aligned, banks spread */
};

static __device__ __forceinline__ float to_float(float x)
{
    return x;
}

static __device__ __forceinline__ float to_float(__nv_bfloat16 x)
{
    return __bfloat162float(x);
}

static __device__ __forceinline__ void store(float *p, float x)
{
    *p = x;
}

static __device__ __forceinline__ void store(__nv_bfloat16 *p, float x)
{
    *p = __float2bfloat16_rn(x);
}

/* ---- input, output ------------------------------------------------------------------------ */

/* A block per row. */
template <typename ACT> static __global__ void embed_kernel(cg_fsq_embed a, ACT *in)
{
    __shared__ float digits[CG_FSQ_MAX_DIGITS];
    int64_t t = blockIdx.x;
    int32_t width = a.config.input_hidden, hidden = a.config.hidden;
    const float *row = a.in_rows + (int64_t)a.token[t] * width;
    const float *digit_rows = a.in_rows + (int64_t)a.config.n_tokens * width;
    const float *position = a.positions + (int64_t)a.pos[t] * hidden;

    if ((int32_t)threadIdx.x < a.config.n_digits)
        digits[threadIdx.x] = cg_fsq_digit(&a.config, a.code[t], (int32_t)threadIdx.x);
    __syncthreads();
    for (int32_t j = threadIdx.x; j < width; j += blockDim.x) {
        float sum = a.in_bias[j] + row[j];

        for (int32_t k = 0; k < a.config.n_digits; k++)
            sum += digits[k] * digit_rows[(int64_t)k * width + j];
        store(in + t * width + j, fmaxf(sum, 0.0f));
    }
    for (int32_t i = threadIdx.x; i < hidden; i += blockDim.x)
        a.x[t * hidden + i] = position[i];
}

/* A warp per row. */
static __global__ void output_kernel(const float *x, const float *weight, const float *bias,
                                     int32_t rows, int32_t hidden, float *xyz)
{
    int64_t t = (int64_t)blockIdx.x * WARPS + threadIdx.x / 32;
    int lane = threadIdx.x % 32;

    if (t >= rows)
        return;
    for (int k = 0; k < 3; k++) {
        float sum = 0;

        for (int32_t i = lane; i < hidden; i += 32)
            sum += x[t * hidden + i] * weight[(int64_t)k * hidden + i];
        sum = warp_sum(sum);
        if (lane == 0)
            xyz[t * 3 + k] = sum + bias[k];
    }
}

/* ---- attention ---------------------------------------------------------------------------- */

/* Copies rows [row, row + n) of one head to dst [n, PAD]; rows from `end` on become zeros. */
template <typename ACT>
static __device__ __forceinline__ void load_tile(const ACT *src, int64_t stride, int32_t row,
                                                 int32_t end, int n, float *dst)
{
    for (int i = threadIdx.x; i < n * DIM; i += THREADS) {
        int r = i / DIM, d = i % DIM;

        dst[r * PAD + d] = row + r < end ? to_float(src[(row + r) * stride + d]) : 0.0f;
    }
}

/*
 * A block computes QUERIES rows of a head: blockIdx.x is the tile, blockIdx.y the head. Keys pass
 * through shared memory in tiles; softmax is computed along the way (Milakov and Gimelshein 2018).
 * Thread (i, j) of 16 x 16 holds queries 4i to 4i + 3: keys j and j + 16 of their scores, elements
 * 4j to 4j + 3 of their output. The 16 threads of a row i are half a warp.
 */
template <typename ACT>
static __global__ void __launch_bounds__(THREADS)
    attend_kernel(const ACT *qkv, const cg_fsq_tile *tiles, int32_t hidden, ACT *out)
{
    __shared__ __align__(16) float q[QUERIES * PAD], k[KEYS * PAD], v[KEYS * PAD];
    __shared__ float p[QUERIES * (KEYS + 1)]; /* probabilities of the tile's keys */
    cg_fsq_tile tile = tiles[blockIdx.x];
    int64_t stride = 3 * (int64_t)hidden;
    const ACT *head = qkv + blockIdx.y * DIM;
    int i = threadIdx.x / 16, j = threadIdx.x % 16;
    float top[4], total[4], acc[4][4];
    const float scale = 0.125f; /* 1 / sqrt(DIM) */

    for (int a = 0; a < 4; a++) {
        top[a] = -INFINITY;
        total[a] = 0;
        for (int d = 0; d < 4; d++)
            acc[a][d] = 0;
    }
    load_tile(head, stride, tile.first, tile.end, QUERIES, q);
    for (int32_t key = tile.begin; key < tile.end; key += KEYS) {
        float s[4][2] = { { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 } };

        __syncthreads(); /* the former tile is used up; q is written */
        load_tile(head + hidden, stride, key, tile.end, KEYS, k);
        load_tile(head + 2 * hidden, stride, key, tile.end, KEYS, v);
        __syncthreads();
        for (int d = 0; d < DIM; d += 4) {
            float4 k0 = *(const float4 *)(k + j * PAD + d);
            float4 k1 = *(const float4 *)(k + (j + 16) * PAD + d);

            for (int a = 0; a < 4; a++) {
                float4 x = *(const float4 *)(q + (4 * i + a) * PAD + d);

                s[a][0] += x.x * k0.x + x.y * k0.y + x.z * k0.z + x.w * k0.w;
                s[a][1] += x.x * k1.x + x.y * k1.y + x.z * k1.z + x.w * k1.w;
            }
        }
        for (int a = 0; a < 4; a++) {
            float m, shrink, sum = 0;

            for (int b = 0; b < 2; b++)
                s[a][b] = key + j + 16 * b < tile.end ? s[a][b] * scale : -INFINITY;
            m = fmaxf(s[a][0], s[a][1]);
            for (int step = 8; step > 0; step /= 2)
                m = fmaxf(m, __shfl_xor_sync(0xffffffffu, m, step));
            m = fmaxf(m, top[a]);
            shrink = expf(top[a] - m);
            top[a] = m;
            for (int b = 0; b < 2; b++) {
                float e = expf(s[a][b] - m);

                p[(4 * i + a) * (KEYS + 1) + j + 16 * b] = e;
                sum += e;
            }
            for (int step = 8; step > 0; step /= 2)
                sum += __shfl_xor_sync(0xffffffffu, sum, step);
            total[a] = total[a] * shrink + sum;
            for (int d = 0; d < 4; d++)
                acc[a][d] *= shrink;
        }
        __syncwarp(); /* the row's probabilities were written by its own half warp */
        for (int b = 0; b < KEYS; b++) {
            float4 x = *(const float4 *)(v + b * PAD + 4 * j);

            for (int a = 0; a < 4; a++) {
                float w = p[(4 * i + a) * (KEYS + 1) + b];

                acc[a][0] += w * x.x;
                acc[a][1] += w * x.y;
                acc[a][2] += w * x.z;
                acc[a][3] += w * x.w;
            }
        }
    }
    for (int a = 0; a < 4; a++) {
        int32_t t = tile.first + 4 * i + a;

        if (t < tile.end)
            for (int d = 0; d < 4; d++)
                store(out + (int64_t)t * hidden + blockIdx.y * DIM + 4 * j + d,
                      acc[a][d] / total[a]);
    }
}

/* ---- launches ----------------------------------------------------------------------------- */

static unsigned row_blocks(int32_t rows)
{
    return (unsigned)((rows + WARPS - 1) / WARPS);
}

extern "C" cg_status cg_cuda_fsq_embed(const cg_fsq_embed *args, int32_t rows, cg_dtype act,
                                       cudaStream_t stream, cg_error *err)
{
    if (act == CG_F32)
        embed_kernel<<<rows, THREADS, 0, stream>>>(*args, (float *)args->in);
    else
        embed_kernel<<<rows, THREADS, 0, stream>>>(*args, (__nv_bfloat16 *)args->in);
    return CG_CUDA(cudaGetLastError(), err);
}

extern "C" cg_status cg_cuda_fsq_attend(const void *qkv, const cg_fsq_tile *tiles, int32_t n_tiles,
                                        int32_t hidden, cg_dtype act, void *out,
                                        cudaStream_t stream, cg_error *err)
{
    dim3 grid((unsigned)n_tiles, (unsigned)(hidden / DIM));

    if (act == CG_F32)
        attend_kernel<<<grid, THREADS, 0, stream>>>((const float *)qkv, tiles, hidden,
                                                    (float *)out);
    else
        attend_kernel<<<grid, THREADS, 0, stream>>>((const __nv_bfloat16 *)qkv, tiles, hidden,
                                                    (__nv_bfloat16 *)out);
    return CG_CUDA(cudaGetLastError(), err);
}

extern "C" cg_status cg_cuda_fsq_output(const float *x, const float *weight, const float *bias,
                                        int32_t rows, int32_t hidden, float *xyz,
                                        cudaStream_t stream, cg_error *err)
{
    output_kernel<<<row_blocks(rows), 32 * WARPS, 0, stream>>>(x, weight, bias, rows, hidden, xyz);
    return CG_CUDA(cudaGetLastError(), err);
}
