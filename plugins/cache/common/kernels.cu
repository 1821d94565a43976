/* SPDX-License-Identifier: MIT */
#include "kernels.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <confgen/quantise.h>

#include "../../common/elements.h"

enum {
    WARP = 32,
    THREADS = 128,           /* K and V of a token are 128 vectors for 8 heads of 64 */
    VECTOR = 8,              /* elements per thread and iteration */
    COPY_UNROLL = 4,         /* 16-byte loads in flight per thread */
    COPY_CHUNKS_MAX = 65535, /* largest gridDim.y */
    FEW_ENTRIES = 16,
    MANY_ENTRIES = 960, /* every GPU and driver takes 4 KiB of launch parameters */
};

/* ---- rows ---------------------------------------------------------------------------------- */

/*
 * Index map. Block (row, chunk): row = plane * n_heads + head; a chunk is COPY_UNROLL * THREADS
 * units of a row; a block steps by gridDim.y chunks. Unit i is at byte i * sizeof(unit) of a row.
 */
#define COPY_ROWS_KERNEL(name, unit)                                                               \
    static __global__ void __launch_bounds__(THREADS)                                              \
        name(const __grid_constant__ cg_cache_rows r)                                              \
    {                                                                                              \
        int64_t plane = blockIdx.x / (uint32_t)r.n_heads;                                          \
        int64_t head = blockIdx.x % (uint32_t)r.n_heads;                                           \
        unit *__restrict__ to =                                                                    \
            (unit *)((char *)r.to + plane * r.to_plane_stride + head * r.to_head_stride);          \
        const unit *__restrict__ from =                                                            \
            (const unit *)((const char *)r.from + plane * r.from_plane_stride +                    \
                           head * r.from_head_stride);                                             \
        int64_t n = r.bytes / (int64_t)sizeof(unit);                                               \
        int64_t step = (int64_t)gridDim.y * THREADS * COPY_UNROLL;                                 \
                                                                                                   \
        for (int64_t first = (int64_t)blockIdx.y * THREADS * COPY_UNROLL + threadIdx.x; first < n; \
             first += step) {                                                                      \
            unit x[COPY_UNROLL];                                                                   \
                                                                                                   \
            _Pragma("unroll") for (int j = 0; j < COPY_UNROLL; j++) if (first + j * THREADS < n)   \
                x[j] = from[first + j * THREADS];                                                  \
            _Pragma("unroll") for (int j = 0; j < COPY_UNROLL; j++) if (first + j * THREADS < n)   \
                to[first + j * THREADS] = x[j];                                                    \
        }                                                                                          \
    }

COPY_ROWS_KERNEL(copy_rows_16_kernel, uint4)
COPY_ROWS_KERNEL(copy_rows_2_kernel, uint16_t)

static int all_multiples_of_16(const cg_cache_rows *r)
{
    return (((uint64_t)r->to | (uint64_t)r->from | (uint64_t)r->to_plane_stride |
             (uint64_t)r->from_plane_stride | (uint64_t)r->to_head_stride |
             (uint64_t)r->from_head_stride | (uint64_t)r->bytes) &
            15) == 0;
}

cudaError_t cg_cache_copy_rows_cuda(const cg_cache_rows *rows, cudaStream_t stream)
{
    int wide = all_multiples_of_16(rows);
    int64_t units = rows->bytes / (wide ? 16 : 2);
    int64_t n_chunks = (units + THREADS * COPY_UNROLL - 1) / (THREADS * COPY_UNROLL);
    dim3 grid;

    if (rows->n_planes < 1 || rows->n_heads < 1 || rows->bytes < 1)
        return cudaSuccess;
    if (rows->n_planes > INT32_MAX / rows->n_heads)
        return cudaErrorInvalidValue;
    grid.x = (uint32_t)(rows->n_planes * rows->n_heads);
    grid.y = (uint32_t)(n_chunks < COPY_CHUNKS_MAX ? n_chunks : COPY_CHUNKS_MAX);
    grid.z = 1;
    if (wide)
        copy_rows_16_kernel<<<grid, THREADS, 0, stream>>>(*rows);
    else
        copy_rows_2_kernel<<<grid, THREADS, 0, stream>>>(*rows);
    return cudaGetLastError();
}

/* ---- page table ---------------------------------------------------------------------------- */

struct few {
    int32_t entry[FEW_ENTRIES];
};

struct many {
    int32_t entry[MANY_ENTRIES];
};

static __global__ void __launch_bounds__(THREADS)
    set_few_kernel(int32_t *table, int32_t n, const __grid_constant__ struct few few)
{
    if ((int32_t)threadIdx.x < n)
        table[threadIdx.x] = few.entry[threadIdx.x];
}

static __global__ void __launch_bounds__(THREADS)
    set_many_kernel(int32_t *table, int32_t n, const __grid_constant__ struct many many)
{
    for (int32_t i = (int32_t)threadIdx.x; i < n; i += THREADS)
        table[i] = many.entry[i];
}

cudaError_t cg_cache_set_entries_cuda(int32_t *table, const int32_t *entries, int32_t n,
                                      cudaStream_t stream)
{
    cudaError_t code = cudaSuccess;

    if (n < 1)
        return cudaSuccess;
    if (n <= FEW_ENTRIES) {
        struct few few = {};

        for (int32_t i = 0; i < n; i++)
            few.entry[i] = entries[i];
        set_few_kernel<<<1, 32, 0, stream>>>(table, n, few);
        return cudaGetLastError();
    }
    for (int32_t done = 0; done < n && code == cudaSuccess; done += MANY_ENTRIES) {
        int32_t now = n - done < MANY_ENTRIES ? n - done : MANY_ENTRIES;
        struct many many;

        for (int32_t i = 0; i < MANY_ENTRIES; i++)
            many.entry[i] = i < now ? entries[done + i] : 0;
        set_many_kernel<<<1, THREADS, 0, stream>>>(table + done, now, many);
        code = cudaGetLastError();
    }
    return code;
}

/* ---- append -------------------------------------------------------------------------------- */

/* Whether a view over n_blocks blocks has a place for a position of a slot. */
static __device__ __forceinline__ bool has_place(const cg_kv_view &view, int32_t slot, int32_t pos,
                                                 int32_t n_blocks)
{
    int64_t capacity = (int64_t)view.block_tokens * (view.page_table ? view.table_stride : 1);
    int64_t block;

    if (slot < 0 || slot >= view.n_slots || pos < 0 || pos >= capacity)
        return false;
    block = cg_kv_block(&view, slot, pos);
    return block >= 0 && block < n_blocks;
}

static __device__ __forceinline__ float load_1(const char *from, cg_dtype dtype)
{
    if (dtype == CG_F32)
        return *(const float *)from;
    if (dtype == CG_BF16)
        return __bfloat162float(*(const __nv_bfloat16 *)from);
    return __half2float(*(const __half *)from);
}

static __device__ __forceinline__ void store_1(char *to, float x, cg_dtype dtype)
{
    if (dtype == CG_F32)
        *(float *)to = x;
    else if (dtype == CG_BF16)
        *(__nv_bfloat16 *)to = __float2bfloat16_rn(x);
    else
        *(__half *)to = __float2half_rn(x);
}

/* Loads VECTOR elements at a 16-byte boundary. */
static __device__ __forceinline__ void load_8(const char *from, cg_dtype dtype, float *x)
{
    if (dtype == CG_F32) {
        float4 a = ((const float4 *)from)[0], b = ((const float4 *)from)[1];

        x[0] = a.x, x[1] = a.y, x[2] = a.z, x[3] = a.w;
        x[4] = b.x, x[5] = b.y, x[6] = b.z, x[7] = b.w;
        return;
    }
    uint4 bits = *(const uint4 *)from;
    const uint32_t pair[4] = { bits.x, bits.y, bits.z, bits.w };

#pragma unroll
    for (int i = 0; i < 4; i++) {
        uint16_t low = (uint16_t)pair[i], high = (uint16_t)(pair[i] >> 16);

        x[2 * i] = dtype == CG_BF16 ? __uint_as_float((uint32_t)low << 16)
                                    : __half2float(__ushort_as_half(low));
        x[2 * i + 1] = dtype == CG_BF16 ? __uint_as_float((uint32_t)high << 16)
                                        : __half2float(__ushort_as_half(high));
    }
}

static __device__ __forceinline__ void store_8(char *to, const float *x, cg_dtype dtype)
{
    uint32_t pair[4];

    if (dtype == CG_F32) {
        ((float4 *)to)[0] = make_float4(x[0], x[1], x[2], x[3]);
        ((float4 *)to)[1] = make_float4(x[4], x[5], x[6], x[7]);
        return;
    }
#pragma unroll
    for (int i = 0; i < 4; i++) {
        uint16_t low, high;

        if (dtype == CG_BF16) {
            low = __bfloat16_as_ushort(__float2bfloat16_rn(x[2 * i]));
            high = __bfloat16_as_ushort(__float2bfloat16_rn(x[2 * i + 1]));
        } else {
            low = __half_as_ushort(__float2half_rn(x[2 * i]));
            high = __half_as_ushort(__float2half_rn(x[2 * i + 1]));
        }
        pair[i] = low | (uint32_t)high << 16;
    }
    *(uint4 *)to = make_uint4(pair[0], pair[1], pair[2], pair[3]);
}

static __host__ __device__ __forceinline__ int32_t element_size(cg_dtype dtype)
{
    return dtype == CG_F32 ? 4 : 2;
}

/*
 * Views without scales whose values have the size and strides of keys.
 *
 * Index map. Block x: token x. Its units are numbered over K, then V: unit u is elements
 * [e, e + width) of K if u < n, else of V, with n = row / width and e = u % n * width; element e is
 * element d = e % head_dim of head e / head_dim. `width` divides head_dim.
 *
 *   from = k + token * k_stride + e * element
 *   to   = view.k + offset(slot, head, pos) + d * element
 *
 * The element types are uniform over threads: their branches do not diverge.
 */
static __device__ __forceinline__ void
append_token(const cg_kv_view &view, const cg_cache_append &a, int32_t n_blocks, int32_t width)
{
    int64_t token = blockIdx.x;
    int32_t slot = a.slot[token], pos = a.pos[token];
    int32_t n = view.n_kv_heads * view.head_dim / width;
    int64_t offset;

    if (!has_place(view, slot, pos, n_blocks))
        return;
    offset = cg_kv_offset(&view, slot, 0, pos);
    for (int32_t u = (int32_t)threadIdx.x; u < 2 * n; u += THREADS) {
        int32_t e = (u < n ? u : u - n) * width;
        int32_t head = e / view.head_dim, d = e - head * view.head_dim;
        const char *from =
            u < n ? (const char *)a.k + token * a.k_stride : (const char *)a.v + token * a.v_stride;
        char *to = (char *)(u < n ? view.k : view.v) + offset + head * view.head_stride +
                   (int64_t)d * element_size(view.dtype);

        from += (int64_t)e * element_size(a.dtype);
        if (width == VECTOR) {
            float x[VECTOR];

            if (a.dtype == view.dtype && a.dtype != CG_F32) { /* copy the bits, NaN included */
                *(uint4 *)to = *(const uint4 *)from;
                continue;
            }
            load_8(from, a.dtype, x);
            store_8(to, x, view.dtype);
        } else if (a.dtype == view.dtype && a.dtype != CG_F32) {
            *(uint16_t *)to = *(const uint16_t *)from;
        } else {
            store_1(to, load_1(from, a.dtype), view.dtype);
        }
    }
}

static __global__ void __launch_bounds__(THREADS)
    append_8_kernel(const __grid_constant__ cg_kv_view view,
                    const __grid_constant__ cg_cache_append a, int32_t n_blocks)
{
    append_token(view, a, n_blocks, VECTOR);
}

static __global__ void __launch_bounds__(THREADS)
    append_1_kernel(const __grid_constant__ cg_kv_view view,
                    const __grid_constant__ cg_cache_append a, int32_t n_blocks)
{
    append_token(view, a, n_blocks, 1);
}

/* Bits of the largest magnitude of n elements, for all lanes of a warp. */
static __device__ __forceinline__ uint32_t largest_magnitude(const char *from, cg_dtype dtype,
                                                             int32_t n, int32_t lane)
{
    uint32_t largest = 0;

    for (int32_t d = lane; d < n; d += WARP)
        largest =
            max(largest, cg_float_bits(load_1(from + d * element_size(dtype), dtype)) & 0x7fffffff);
    for (int32_t i = WARP / 2; i > 0; i /= 2)
        largest = max(largest, __shfl_xor_sync(0xffffffff, largest, i));
    return largest;
}

/*
 * Views whose values have a size or strides of their own, and those with scales.
 *
 * Index map. Block x: token x. A warp takes one row after another: row r is head r of the key if
 * r < n_kv_heads, else head r - n_kv_heads of the value. A lane takes elements lane, lane + 32, ...
 */
static __global__ void __launch_bounds__(THREADS)
    append_heads_kernel(const __grid_constant__ cg_kv_view view,
                        const __grid_constant__ cg_cache_append a, int32_t n_blocks)
{
    int32_t token = (int32_t)blockIdx.x, lane = (int32_t)threadIdx.x % WARP, slot = a.slot[token];
    int32_t pos;

    if (slot < 0)
        return;
    pos = a.pos[token];
    if (!has_place(view, slot, pos, n_blocks))
        return;
    for (int32_t r = (int32_t)threadIdx.x / WARP; r < 2 * view.n_kv_heads; r += THREADS / WARP) {
        int32_t value = r >= view.n_kv_heads, head = value ? r - view.n_kv_heads : r;
        int32_t n = value ? cg_cache_value_size(&view) : view.head_dim;
        const char *from =
            value ? (const char *)a.v + token * a.v_stride : (const char *)a.k + token * a.k_stride;
        char *to = value ? (char *)view.v + cg_kv_value_offset(&view, slot, head, pos)
                         : (char *)view.k + cg_kv_offset(&view, slot, head, pos);
        char *scales = (char *)(value ? view.v_scale : view.k_scale);
        float scale = 1;

        from += (int64_t)head * n * element_size(a.dtype);
        if (scales) {
            scale = cg_kv_scale(largest_magnitude(from, a.dtype, n, lane), view.dtype);
            if (lane == 0)
                *(float *)(scales + cg_kv_scale_offset(&view, slot, head, pos)) = scale;
        }
        for (int32_t d = lane; d < n; d += WARP)
            cg_element_store(to + d * (int32_t)cg_dtype_size(view.dtype), view.dtype,
                             load_1(from + d * element_size(a.dtype), a.dtype) / scale);
    }
}

/* The code of x in a type of 8 bits. */
static __device__ __forceinline__ uint32_t code_8(float x, cg_dtype dtype)
{
    return dtype == CG_I8        ? (uint8_t)cg_i8_of_float(x)
           : dtype == CG_F8_E4M3 ? cg_f8_e4m3_of_float(x)
                                 : cg_f8_e5m2_of_float(x);
}

/*
 * Views with scales whose rows are at most WARP vectors.
 *
 * Index map. 2^log2_lanes neighbouring threads take a row, a vector each. Row i is row
 * i % (2 n_kv_heads) of token i / (2 n_kv_heads), numbered as by append_heads_kernel().
 */
static __global__ void __launch_bounds__(THREADS)
    append_scaled_8_kernel(const __grid_constant__ cg_kv_view view,
                           const __grid_constant__ cg_cache_append a, int32_t n_blocks,
                           int32_t log2_lanes)
{
    const uint32_t i = blockIdx.x * THREADS + threadIdx.x, rows = 2 * (uint32_t)view.n_kv_heads;
    const int32_t token = (int32_t)((i >> log2_lanes) / rows),
                  r = (int32_t)((i >> log2_lanes) % rows);
    const int32_t value = r >= view.n_kv_heads, head = value ? r - view.n_kv_heads : r;
    const int32_t n = value ? cg_cache_value_size(&view) : view.head_dim;
    const int32_t first = (int32_t)(i & ((1u << log2_lanes) - 1)) * VECTOR;
    const int32_t exists = token < a.n_tokens && first < n;
    const int32_t slot = exists ? a.slot[token] : -1, pos = exists ? a.pos[token] : -1;
    float x[VECTOR] = {}, scale;
    uint32_t largest = 0, code[2] = {};
    int64_t at;

    if (exists)
        load_8((value ? (const char *)a.v + token * a.v_stride
                      : (const char *)a.k + token * a.k_stride) +
                   (int64_t)(head * n + first) * element_size(a.dtype),
               a.dtype, x);
#pragma unroll
    for (int j = 0; j < VECTOR; j++)
        largest = max(largest, cg_float_bits(x[j]) & 0x7fffffff);
    for (int32_t j = 1 << log2_lanes >> 1; j > 0; j /= 2)
        largest = max(largest, __shfl_xor_sync(0xffffffff, largest, j));
    if (!has_place(view, slot, pos, n_blocks))
        return;
    scale = cg_kv_scale(largest, view.dtype);
    if (first == 0)
        *(float *)((char *)(value ? view.v_scale : view.k_scale) +
                   cg_kv_scale_offset(&view, slot, head, pos)) = scale;
#pragma unroll
    for (int j = 0; j < VECTOR; j++)
        code[j / 4] |= code_8(x[j] / scale, view.dtype) << 8 * (j % 4);
    at = value ? cg_kv_value_offset(&view, slot, head, pos) : cg_kv_offset(&view, slot, head, pos);
    *(uint2 *)((char *)(value ? view.v : view.k) + at + first) = make_uint2(code[0], code[1]);
}

/* Appends to a view with scales by vectors. False: its rows are no such vectors. */
static bool append_scaled_8(const cg_kv_view *view, int32_t n_blocks, const cg_cache_append *args)
{
    const int32_t k_size = view->head_dim, v_size = cg_cache_value_size(view);
    const int32_t longest = k_size > v_size ? k_size : v_size;
    const uint64_t targets = (uint64_t)view->k | (uint64_t)view->v | (uint64_t)view->block_stride |
                             (uint64_t)view->head_stride | (uint64_t)view->token_stride |
                             (uint64_t)view->v_block_stride | (uint64_t)view->v_head_stride |
                             (uint64_t)view->v_token_stride;
    const uint64_t sources =
        (uint64_t)args->k | (uint64_t)args->v | (uint64_t)args->k_stride | (uint64_t)args->v_stride;
    int32_t log2_lanes = 0;
    int64_t threads;

    while (VECTOR << log2_lanes < longest)
        log2_lanes++;
    threads = ((int64_t)args->n_tokens * 2 * view->n_kv_heads) << log2_lanes;
    if (!view->k_scale || !view->v_scale || (k_size | v_size) % VECTOR || longest > VECTOR * WARP ||
        sources % 16 || targets % VECTOR || threads > INT32_MAX)
        return false;
    append_scaled_8_kernel<<<(uint32_t)((threads + THREADS - 1) / THREADS), THREADS, 0,
                             (cudaStream_t)args->stream>>>(*view, *args, n_blocks, log2_lanes);
    return true;
}

cudaError_t cg_cache_append_cuda(const cg_kv_view *view, int32_t n_blocks,
                                 const cg_cache_append *args)
{
    uint64_t sources =
        (uint64_t)args->k | (uint64_t)args->v | (uint64_t)args->k_stride | (uint64_t)args->v_stride;
    uint64_t targets = (uint64_t)view->k | (uint64_t)view->v | (uint64_t)view->block_stride |
                       (uint64_t)view->head_stride | (uint64_t)view->token_stride;
    cudaStream_t stream = (cudaStream_t)args->stream;

    if (args->n_tokens < 1)
        return cudaSuccess;
    if (append_scaled_8(view, n_blocks, args))
        return cudaGetLastError();
    if (view->k_scale || view->v_head_stride)
        append_heads_kernel<<<args->n_tokens, THREADS, 0, stream>>>(*view, *args, n_blocks);
    else if (view->head_dim % VECTOR == 0 && ((sources | targets) & 15) == 0)
        append_8_kernel<<<args->n_tokens, THREADS, 0, stream>>>(*view, *args, n_blocks);
    else
        append_1_kernel<<<args->n_tokens, THREADS, 0, stream>>>(*view, *args, n_blocks);
    return cudaGetLastError();
}

/* -------------------------------------------------------------------------------------------- */

cudaError_t cg_cache_load_kernels(void)
{
    const void *const kernels[] = {
        (const void *)copy_rows_16_kernel, (const void *)copy_rows_2_kernel,
        (const void *)set_few_kernel,      (const void *)set_many_kernel,
        (const void *)append_8_kernel,     (const void *)append_1_kernel,
        (const void *)append_heads_kernel, (const void *)append_scaled_8_kernel,
    };
    cudaError_t code = cudaSuccess;

    for (size_t i = 0; i < sizeof kernels / sizeof kernels[0] && code == cudaSuccess; i++) {
        struct cudaFuncAttributes attributes;

        code = cudaFuncGetAttributes(&attributes, kernels[i]);
    }
    return code;
}
