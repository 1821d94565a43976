/* SPDX-License-Identifier: MIT */
/*
 * The kernel for CUDA: online softmax over tiles of 32 keys, without tensor cores, f32 arithmetic.
 *
 * A thread block of four warps computes a row tile of ROWS rows of one key/value head, and of a row
 * of out at most COLUMNS elements. Key tile i, counted from position 0, belongs to warp i mod 4,
 * which keeps the running softmax of all rows over its tiles. There is no barrier between warps
 * until the end, where their results are added in the order of the warps.
 *
 * A warp takes a tile in three steps. Scores: lane j has token j; 32 elements of all keys at a time
 * are copied to shared memory, converted to f32, and multiplied by all rows. Weights: lane j has
 * token j, sums and maxima over the lanes. Values: lane i has elements i, 32 + i, 64 + i ... of
 * out; a few tokens at a time are copied to shared memory and added to all rows. So the rows of a
 * tile, which are the query heads of a group and the tokens of a prompt, share every load of keys
 * and values, and shared memory does not depend on the size of a head.
 *
 * Bits. The order of a row's sums depends on the row alone: not on ROWS, nor on the other rows of
 * the tile. This file is compiled without contraction (-fmad=false): what is fused is written
 * fmaf().
 *
 * Scores, ALiBi, bias, soft-cap and sinks are in units of log 2, for exp2f().
 *
 * Sources: Milakov and Gimelshein 2018 (online softmax); Rabe and Staats 2021.
 */
#include "efficient_cuda.h"

#include <float.h>
#include <math.h>

#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include "../../common/elements.h"

enum {
    WARPS = 4,
    THREADS = 32 * WARPS,
    KEY_COLUMNS = 32,             /* elements of a key that are copied at a time */
    KEY_STRIDE = KEY_COLUMNS + 4, /* floats; lanes that read float4 of 8 rows meet in no bank */
    STAGE = EFFICIENT_TILE * KEY_STRIDE, /* floats of a warp's copies */
    BATCH = 4,                           /* 16-byte vectors that a lane loads at a time */
    MAX_SHARED = 46 << 10,               /* bytes of dynamic shared memory that every GPU has */
};

static const unsigned all_lanes = 0xffffffffu;
#define LOG2E 1.442695041f

/* ---- warps --------------------------------------------------------------------------------- */

/* All lanes return the sum; the order of additions is the same in every lane. */
static __device__ __forceinline__ float sum_lanes(float x)
{
#pragma unroll
    for (int m = 16; m; m >>= 1)
        x += __shfl_xor_sync(all_lanes, x, m);
    return x;
}

/* The largest x; NaN if all are. */
static __device__ __forceinline__ float largest_lane(float x)
{
#pragma unroll
    for (int m = 16; m; m >>= 1)
        x = fmaxf(x, __shfl_xor_sync(all_lanes, x, m));
    return x;
}

static __device__ __forceinline__ uint32_t or_lanes(uint32_t x)
{
#pragma unroll
    for (int m = 16; m; m >>= 1)
        x |= __shfl_xor_sync(all_lanes, x, m);
    return x;
}

/* ---- copies to shared memory --------------------------------------------------------------- */

/* Element i of a 16-byte vector of the type. */
template <cg_dtype T>
static __device__ __forceinline__ float element_of(const uint32_t *words, int i)
{
    uint32_t w;

    if (T == CG_F32)
        return cg_float_of_bits(words[i]);
    if (T == CG_BF16 || T == CG_F16) {
        w = words[i / 2] >> 16 * (i & 1);
        return T == CG_BF16 ? cg_float_of_bits(w << 16)
                            : __half2float(__ushort_as_half((unsigned short)w));
    }
    w = words[i / 4] >> 8 * (i & 3) & 255;
    return T == CG_F8_E4M3   ? cg_float_of_f8_e4m3((uint8_t)w)
           : T == CG_F8_E5M2 ? cg_float_of_f8_e5m2((uint8_t)w)
                             : (float)(int8_t)(uint8_t)w;
}

/* What a warp copies: `n_columns` elements from `column` on of tokens `first` to first + n. */
struct efficient_block {
    const char *base;
    int64_t offset;  /* bytes from base to the row of this lane's token of the tile */
    uint32_t exists; /* tokens of the tile; others are copied as zeros */
    int32_t first, n;
    int32_t column, n_columns;
    int32_t stride; /* floats between tokens in `to` */
    float *to;
};

/* Copies rows of whole vectors: 16 bytes of a row at a time, `BATCH` loads in flight. */
template <cg_dtype T> static __device__ __forceinline__ void copy_vectors(const efficient_block &b)
{
    constexpr int SIZE = T == CG_F32 ? 4 : T == CG_BF16 || T == CG_F16 ? 2 : 1, E = 16 / SIZE;
    const int32_t lane = (int32_t)threadIdx.x % 32, per_row = b.n_columns / E;
    const int32_t total = b.n * per_row;

    for (int32_t v0 = lane; v0 - lane < total; v0 += 32 * BATCH) {
        uint4 x[BATCH];

#pragma unroll
        for (int i = 0; i < BATCH; i++) {
            const int32_t v = v0 + 32 * i, row = v < total ? v / per_row : 0;
            const int64_t offset = __shfl_sync(all_lanes, b.offset, b.first + row);

            x[i] = make_uint4(0, 0, 0, 0);
            if (v < total && b.exists >> (b.first + row) & 1)
                x[i] = __ldg(
                    (const uint4 *)(b.base + offset + b.column * SIZE + (v - row * per_row) * 16));
        }
#pragma unroll
        for (int i = 0; i < BATCH; i++) {
            const int32_t v = v0 + 32 * i, row = v < total ? v / per_row : 0;
            const uint32_t words[] = { x[i].x, x[i].y, x[i].z, x[i].w };
            float4 *to = (float4 *)(b.to + row * b.stride + (v - row * per_row) * E);

            if (v < total)
#pragma unroll
                for (int k = 0; k < E; k += 4)
                    to[k / 4] =
                        make_float4(element_of<T>(words, k), element_of<T>(words, k + 1),
                                    element_of<T>(words, k + 2), element_of<T>(words, k + 3));
        }
    }
}

/* Copies rows of any size and alignment, with zeros behind the last element up to a vector. */
static __device__ __forceinline__ void copy_elements(const efficient_block &b, cg_dtype dtype)
{
    const int32_t lane = (int32_t)threadIdx.x % 32, size = (int32_t)cg_dtype_size(dtype);

    for (int32_t row = 0; row < b.n; row++) {
        const int64_t offset = __shfl_sync(all_lanes, b.offset, b.first + row);
        const char *from = b.base + offset + b.column * size;
        const int32_t exists = b.exists >> (b.first + row) & 1;

        for (int32_t d = lane; d < (b.n_columns + 3) / 4 * 4; d += 32)
            b.to[row * b.stride + d] =
                exists && d < b.n_columns ? cg_element_load(from + d * size, dtype) : 0.0f;
    }
}

/* Copies a block for all lanes of the warp to read. */
static __device__ __forceinline__ void copy_block(const efficient_block &b, cg_dtype dtype,
                                                  int32_t is_aligned)
{
    __syncwarp(); /* the copy before has been read */
    if (!is_aligned || b.n_columns * (int32_t)cg_dtype_size(dtype) % 16)
        copy_elements(b, dtype);
    else if (dtype == CG_F32)
        copy_vectors<CG_F32>(b);
    else if (dtype == CG_BF16)
        copy_vectors<CG_BF16>(b);
    else if (dtype == CG_F16)
        copy_vectors<CG_F16>(b);
    else if (dtype == CG_F8_E4M3)
        copy_vectors<CG_F8_E4M3>(b);
    else if (dtype == CG_F8_E5M2)
        copy_vectors<CG_F8_E5M2>(b);
    else
        copy_vectors<CG_I8>(b);
    __syncwarp();
}

/* True if every row of a view's keys or values begins at a multiple of 16 bytes. */
static __device__ __forceinline__ int32_t rows_are_aligned(const void *base, int64_t block,
                                                           int64_t head, int64_t token)
{
    return !(((int64_t)(uintptr_t)base | block | head | token) & 15);
}

/* ---- rows ---------------------------------------------------------------------------------- */

/* What lane r knows of row r of the row tile. */
struct efficient_lane_row {
    efficient_reach reach;
    int32_t token; /* query token of the call */
    int32_t head;  /* query head */
    float max;     /* of the scores of this warp's tiles */
    float sum;     /* of weights relative to max */
};

/* What the features make of the score of row r and this lane's token, which the row attends to. */
static __device__ __forceinline__ float refine_score(const efficient_call &c,
                                                     const efficient_lane_row &own, int r,
                                                     int32_t token, bool is_visible, float k_scale,
                                                     float s)
{
    const int32_t head = __shfl_sync(all_lanes, own.head, r);
    const int32_t row = __shfl_sync(all_lanes, own.token, r);
    const int32_t position = __shfl_sync(all_lanes, own.reach.position, r);

    s *= k_scale;
    if (c.softcap != 0)
        s = c.softcap * LOG2E * tanhf(s / (c.softcap * LOG2E));
    if (c.alibi_slope)
        s = fmaf(c.alibi_slope[head] * LOG2E, (float)(token - position), s);
    if (c.bias && is_visible)
        s = fmaf(cg_element_load((const char *)c.bias + row * c.bias_row_stride +
                                     head * c.bias_head_stride +
                                     token * (int64_t)cg_dtype_size(c.bias_dtype),
                                 c.bias_dtype),
                 LOG2E, s);
    return s;
}

/* Sets what lane r knows of row r. Lanes behind the last row have one that attends to nothing. */
static __device__ __forceinline__ efficient_lane_row begin_row(const efficient_call &c,
                                                               const efficient_row_tile &tile,
                                                               int32_t kv_head, int32_t lane)
{
    const int32_t index = tile.first + (lane < tile.n ? lane : 0);
    efficient_lane_row own;

    own.token = c.q_start[tile.seq] + index / c.group;
    own.head = kv_head * c.group + index % c.group;
    own.reach = efficient_reach_of(&c, tile.seq, own.token);
    own.max = -FLT_MAX; /* finite: a score of -infinity has weight 0, not NaN */
    own.sum = 0;
    return own;
}

/* The key tiles of all rows. */
static __device__ __forceinline__ efficient_key_tiles find_key_tiles(const efficient_lane_row &own)
{
    efficient_key_tiles k = efficient_no_key_tiles();

    efficient_add_reach(&k, &own.reach); /* lanes without a row have that of row 0 */
#pragma unroll
    for (int m = 16; m; m >>= 1) {
        k.sinks = max(k.sinks, __shfl_xor_sync(all_lanes, k.sinks, m));
        k.first = min(k.first, __shfl_xor_sync(all_lanes, k.first, m));
        k.last = max(k.last, __shfl_xor_sync(all_lanes, k.last, m));
    }
    return k;
}

/* The queries of the row tile, times scale: [ROWS, size], zeros behind the last element and row. */
static __device__ void load_queries(const efficient_call &c, const efficient_row_tile &tile,
                                    int32_t kv_head, int32_t rows, int32_t size, float *q)
{
    const int64_t bytes = cg_dtype_size(c.dtype);

    for (int32_t i = (int32_t)threadIdx.x; i < rows * size; i += THREADS) {
        const int32_t r = i / size, d = i % size, index = tile.first + r;
        const int32_t token = c.q_start[tile.seq] + index / c.group;
        const int32_t head = kv_head * c.group + index % c.group;

        q[i] = 0;
        if (r < tile.n && d < c.head_dim)
            q[i] = c.scale * LOG2E *
                   cg_element_load((const char *)c.q + token * c.q_stride +
                                       ((int64_t)head * c.head_dim + d) * bytes,
                                   c.dtype);
    }
}

/* Writes columns [column, column + n) of the rows: sums [.., stride] divided by totals. */
static __device__ void store_rows(const efficient_call &c, const efficient_row_tile &tile,
                                  int32_t kv_head, int32_t column, int32_t n, int32_t stride,
                                  const float *sums, const float *totals)
{
    const int64_t bytes = cg_dtype_size(c.dtype);

    for (int32_t i = (int32_t)threadIdx.x; i < tile.n * n; i += THREADS) {
        const int32_t r = i / n, d = i % n, index = tile.first + r;
        const int32_t token = c.q_start[tile.seq] + index / c.group;
        const int32_t head = kv_head * c.group + index % c.group;

        cg_element_store((char *)c.out + token * c.out_stride +
                             ((int64_t)head * c.v_dim + column + d) * bytes,
                         c.dtype, sums[r * stride + d] / totals[r]);
    }
}

/* ---- the kernel ---------------------------------------------------------------------------- */

/* Thread blocks per multiprocessor that registers are to allow, by the accumulators of a warp. */
static constexpr int blocks_for(int accumulators)
{
    return accumulators <= 512 ? 4 : accumulators <= 1024 ? 3 : 2;
}

/*
 * Index map. Block (x, y): row tile x / n_kv_heads of key/value head x % n_kv_heads, elements
 * y * COLUMNS on of out. Shared memory: queries [ROWS, q_size]; of each warp a copy [STAGE] and
 * weights [32, ROWS + 4]; at the end out [ROWS, COLUMNS] is in the place of the latter two.
 */
template <int ROWS, int COLUMNS>
static __global__ void __launch_bounds__(THREADS, blocks_for(ROWS *COLUMNS))
    efficient_kernel(const __grid_constant__ efficient_call c)
{
    constexpr int REGS = COLUMNS / 32, P_STRIDE = ROWS + 4, VALUE_TOKENS = 1024 / COLUMNS;
    extern __shared__ float4 memory[];
    __shared__ float maxima[WARPS][ROWS], sums[WARPS][ROWS], largest[ROWS], totals[ROWS];
    const int32_t lane = (int32_t)threadIdx.x % 32, warp = (int32_t)threadIdx.x / 32;
    const int32_t q_size = (c.head_dim + 3) / 4 * 4, kv_head = (int32_t)blockIdx.x % c.n_kv_heads;
    const int32_t column = (int32_t)blockIdx.y * COLUMNS;
    const int32_t n_columns = min(COLUMNS, c.v_dim - column);
    const int32_t k_aligned =
        rows_are_aligned(c.kv.k, c.kv.block_stride, c.kv.head_stride, c.kv.token_stride);
    const int32_t v_aligned =
        rows_are_aligned(c.kv.v, c.kv.v_block_stride, c.kv.v_head_stride, c.kv.v_token_stride);
    const efficient_row_tile tile =
        efficient_find_row_tile(&c, ROWS, (int32_t)blockIdx.x / c.n_kv_heads);
    float *const q = (float *)memory, *const shared = q + ROWS * q_size;
    float *const stage = shared + warp * (STAGE + EFFICIENT_TILE * P_STRIDE);
    float *const weights = stage + STAGE;
    efficient_lane_row own;
    efficient_key_tiles tiles;
    int32_t slot;
    float acc[ROWS][REGS];

    if (tile.n == 0)
        return;
    slot = c.slot[tile.seq];
    own = begin_row(c, tile, kv_head, lane);
    tiles = find_key_tiles(own);
    load_queries(c, tile, kv_head, ROWS, q_size, q);
#pragma unroll
    for (int r = 0; r < ROWS; r++)
#pragma unroll
        for (int i = 0; i < REGS; i++)
            acc[r][i] = 0;
    __syncthreads();

    for (int32_t begin = efficient_next_key_tile(&tiles, 0); begin < tiles.last;
         begin = efficient_next_key_tile(&tiles, begin + EFFICIENT_TILE)) {
        const int32_t token = begin + lane;
        int64_t k_offset = 0, v_offset = 0;
        uint32_t own_visible, exists;
        float k_scale = 1, v_scale = 1, s[ROWS];

        if (begin / EFFICIENT_TILE % WARPS != warp)
            continue;
        own_visible = lane < tile.n ? efficient_visible(&c, &own.reach, begin) : 0;
        exists = or_lanes(own_visible);
        if (!exists)
            continue;
        if (exists >> lane & 1) {
            const int64_t scale = cg_kv_scale_offset(&c.kv, slot, kv_head, token);

            k_offset = cg_kv_offset(&c.kv, slot, kv_head, token);
            v_offset = cg_kv_value_offset(&c.kv, slot, kv_head, token);
            if (c.kv.k_scale)
                k_scale = *(const float *)((const char *)c.kv.k_scale + scale);
            if (c.kv.v_scale)
                v_scale = *(const float *)((const char *)c.kv.v_scale + scale);
        }

        /* scores */
#pragma unroll
        for (int r = 0; r < ROWS; r++)
            s[r] = 0;
        for (int32_t d0 = 0; d0 < c.head_dim; d0 += KEY_COLUMNS) {
            const int32_t n = min((int32_t)KEY_COLUMNS, c.head_dim - d0);

            copy_block({ (const char *)c.kv.k, k_offset, exists, 0, EFFICIENT_TILE, d0, n,
                         KEY_STRIDE, stage },
                       c.kv_dtype, k_aligned);
#pragma unroll 2
            for (int32_t d = 0; d < n; d += 4) {
                const float4 k = *(const float4 *)(stage + lane * KEY_STRIDE + d);

#pragma unroll
                for (int r = 0; r < ROWS; r++) {
                    const float4 y = *(const float4 *)(q + r * q_size + d0 + d);

                    s[r] = fmaf(k.x, y.x, s[r]);
                    s[r] = fmaf(k.y, y.y, s[r]);
                    s[r] = fmaf(k.z, y.z, s[r]);
                    s[r] = fmaf(k.w, y.w, s[r]);
                }
            }
        }

        /* weights; a row that attends to no token of the tile stays as it is */
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            const uint32_t visible = __shfl_sync(all_lanes, own_visible, r);
            const bool is_visible = visible >> lane & 1;
            float old, max, factor, weight, sum;

            if (!visible) {
                s[r] = 0;
                continue;
            }
            s[r] = refine_score(c, own, r, token, is_visible, k_scale, s[r]);
            s[r] = is_visible ? s[r] : -INFINITY;
            old = __shfl_sync(all_lanes, own.max, r);
            max = fmaxf(old, largest_lane(s[r]));
            factor = exp2f(old - max);
            weight = exp2f(s[r] - max);
            sum = sum_lanes(weight);
            if (lane == r) {
                own.max = max;
                own.sum = fmaf(own.sum, factor, sum);
            }
#pragma unroll
            for (int i = 0; i < REGS; i++)
                acc[r][i] *= factor;
            s[r] = weight * v_scale;
        }
#pragma unroll
        for (int r = 0; r < ROWS; r += 4)
            *(float4 *)(weights + lane * P_STRIDE + r) =
                make_float4(s[r], s[r + 1], s[r + 2], s[r + 3]);

        /* values */
        for (int32_t t0 = 0; t0 < EFFICIENT_TILE; t0 += VALUE_TOKENS) {
            if (!(exists & efficient_bits(t0, t0 + VALUE_TOKENS)))
                continue;
            copy_block({ (const char *)c.kv.v, v_offset, exists, t0, VALUE_TOKENS, column,
                         n_columns, COLUMNS, stage },
                       c.kv_dtype, v_aligned);
#pragma unroll 2
            for (int t = 0; t < VALUE_TOKENS; t++) {
                float v[REGS];

#pragma unroll
                for (int i = 0; i < REGS; i++)
                    v[i] = stage[t * COLUMNS + 32 * i + lane];
#pragma unroll
                for (int r = 0; r < ROWS; r += 4) {
                    const float4 w = *(const float4 *)(weights + (t0 + t) * P_STRIDE + r);

#pragma unroll
                    for (int i = 0; i < REGS; i++) {
                        acc[r][i] = fmaf(w.x, v[i], acc[r][i]);
                        acc[r + 1][i] = fmaf(w.y, v[i], acc[r + 1][i]);
                        acc[r + 2][i] = fmaf(w.z, v[i], acc[r + 2][i]);
                        acc[r + 3][i] = fmaf(w.w, v[i], acc[r + 3][i]);
                    }
                }
            }
        }
        __syncwarp(); /* the weights have been read */
    }

    /* the sum over the warps, relative to the largest maximum or the sink, in `shared` */
    if (lane < ROWS) {
        maxima[warp][lane] = own.max;
        sums[warp][lane] = own.sum;
    }
    __syncthreads();
    if (threadIdx.x < ROWS) {
        const float sink = c.sink_logit ? c.sink_logit[own.head] * LOG2E : -INFINITY;
        float max = fmaxf(sink, -FLT_MAX), total = 0;

        for (int w = 0; w < WARPS; w++)
            max = fmaxf(max, maxima[w][lane]);
        for (int w = 0; w < WARPS; w++)
            total = fmaf(sums[w][lane], exp2f(maxima[w][lane] - max), total);
        largest[lane] = max;
        totals[lane] = total + exp2f(sink - max);
    }
    __syncthreads();
    for (int w = 0; w < WARPS; w++) {
        if (w == warp)
#pragma unroll
            for (int r = 0; r < ROWS; r++) {
                const float factor = exp2f(maxima[warp][r] - largest[r]);

#pragma unroll
                for (int i = 0; i < REGS; i++) {
                    float *const at = shared + r * COLUMNS + 32 * i + lane;

                    *at = acc[r][i] * factor + (w ? *at : 0.0f);
                }
            }
        __syncthreads();
    }
    store_rows(c, tile, kv_head, column, n_columns, COLUMNS, shared, totals);
}

/* ---- variants ------------------------------------------------------------------------------ */

/*
 * A kernel for few rows of a sequence, as in decode, and one for many, by the elements of a value.
 * All give the same bits. Larger values are divided between thread blocks.
 */
struct efficient_variant {
    void (*kernel)(efficient_call);
    int32_t rows;
};

static const struct {
    int32_t columns;
    efficient_variant few, many;
} sizes[] = {
    { 64, { efficient_kernel<4, 64>, 4 }, { efficient_kernel<16, 64>, 16 } },
    { 128, { efficient_kernel<4, 128>, 4 }, { efficient_kernel<16, 128>, 16 } },
    { 256, { efficient_kernel<4, 256>, 4 }, { efficient_kernel<8, 256>, 8 } },
    { 512, { efficient_kernel<4, 512>, 4 }, { efficient_kernel<4, 512>, 4 } },
};
enum { N_SIZES = sizeof sizes / sizeof *sizes };

static int size_of(int32_t v_dim)
{
    int i = 0;

    while (i + 1 < N_SIZES && sizes[i].columns < v_dim)
        i++;
    return i;
}

/* Bytes of dynamic shared memory of a kernel. */
static size_t shared_bytes(int32_t rows, int32_t head_dim)
{
    int32_t floats =
        rows * ((head_dim + 3) / 4 * 4) + WARPS * (STAGE + EFFICIENT_TILE * (rows + 4));

    return (size_t)floats * sizeof(float);
}

extern "C" int efficient_cuda_load_kernels(int32_t v_dim)
{
    const int i = size_of(v_dim);
    cudaFuncAttributes attributes;
    cudaError_t code = cudaFuncGetAttributes(&attributes, sizes[i].few.kernel);

    return (int)(code ? code : cudaFuncGetAttributes(&attributes, sizes[i].many.kernel));
}

extern "C" int efficient_cuda_launch(const efficient_call *call, void *stream)
{
    const int i = size_of(call->v_dim);
    const int32_t columns = sizes[i].columns;
    const int64_t rows = (int64_t)call->n_tokens * call->group;
    /* more rows on average than those of a tile for few */
    const bool is_many = rows > (int64_t)sizes[i].few.rows * call->n_seqs &&
                         shared_bytes(sizes[i].many.rows, call->head_dim) <= MAX_SHARED;
    const efficient_variant variant = is_many ? sizes[i].many : sizes[i].few;
    const dim3 grid((unsigned)(efficient_row_tiles(call, variant.rows) * call->n_kv_heads),
                    (unsigned)((call->v_dim + columns - 1) / columns));

    variant.kernel<<<grid, THREADS, shared_bytes(variant.rows, call->head_dim),
                     (cudaStream_t)stream>>>(*call);
    return (int)cudaGetLastError();
}
