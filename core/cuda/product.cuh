/* SPDX-License-Identifier: MIT */
/**
 * @file product.cuh  A matrix product y = a w^T of bf16 with f32 sums or of i8 with sums of 32
 * bits, and what follows it, on compute capability 9.0.
 *
 * A thread block computes tiles of ROWS rows and N outputs (of gate and of up each, with
 * CG_PRODUCT_SWIGLU) until there are none. Its last warp, the producer, copies panels of 64
 * inputs of bf16 or 128 of i8 of a and w by TMA to a ring of STAGES stages; the others,
 * warpgroups of 64 rows each, multiply. With SPLIT > 1, a cluster of SPLIT blocks shares a tile,
 * each block with a part of the inputs; a block adds up PART_GROUPS groups of 32 outputs, in the
 * order of the parts.
 *
 * Columns. In the C fragment of a warpgroup, lane 4 g + t holds columns 8 j + 2 t + e of rows g and
 * g + 8. The copy of w orders the rows of each group of 32 so that these are the outputs 8 t + 2 j
 * + e: a thread holds eight neighbouring outputs, 16 bytes of bf16, and of a head of 64 or 128 both
 * elements of each pair that is rotated. The order is part of the tensor map of w (five
 * dimensions: element, e, t, j, group); memory holds w as a checkpoint does.
 *
 * Rows of x are normalised behind the product: a is x times the weight of the norm, which the
 * product that computed x wrote as bf16, with the sums of squares of its rows; the product of a is
 * multiplied by 1 / rms.
 *
 * Numbers of i8 have scales: that of a row of a and that of an output of w. The sums are exact, and
 * are multiplied by both before anything else.
 *
 * Weights are copied before the wait for earlier kernels.
 *
 * Where a sum and a product could be contracted, the code says which are, so that all rows of a
 * tile are computed in the same way.
 */
#ifndef CG_CUDA_PRODUCT_CUH
#define CG_CUDA_PRODUCT_CUH

#include "device.cuh"
#include "product_call.h"
#include "ptx/cluster.cuh"
#include "ptx/quantise.cuh"

template <int GROUPS_, int N_, cg_product_end END_, int SPLIT_, int STAGES_, int HEAD_DIM_ = 0,
          bool IS_I8_ = false>
struct product_shape {
    static constexpr int GROUPS = GROUPS_, N = N_, SPLIT = SPLIT_, STAGES = STAGES_;
    static constexpr int HEAD_DIM = HEAD_DIM_; /* with CG_PRODUCT_HEADS */
    static constexpr cg_product_end END = END_;
    static constexpr bool IS_I8 = IS_I8_; /* a and w are i8 */
    using Sum = typename std::conditional<IS_I8, int32_t, float>::type;
    static constexpr int PANEL = IS_I8 ? 128 : 64; /* inputs */
    static constexpr int MATRICES = END == CG_PRODUCT_SWIGLU ? 2 : 1;
    /* Many sums take registers from a whole warpgroup, of which one warp is the producer. */
    static constexpr bool MOVES_REGISTERS = GROUPS == 2 && MATRICES * N >= 256;
    static constexpr int PRODUCER_REGISTERS = 40, CONSUMER_REGISTERS = 232;
    static constexpr int ROWS = 64 * GROUPS, CONSUMERS = 128 * GROUPS;
    static constexpr int THREADS = CONSUMERS + (MOVES_REGISTERS ? 128 : 32);
    static constexpr int NN = N / 8, COLUMN_GROUPS = N / 32;
    static constexpr int UNIT = HEAD_DIM ? HEAD_DIM / 32 : 1; /* groups that one block adds up */
    static constexpr int PART_GROUPS = (COLUMN_GROUPS / UNIT + SPLIT - 1) / SPLIT * UNIT;
    static constexpr int OWNERS = (COLUMN_GROUPS + PART_GROUPS - 1) / PART_GROUPS;
    /* bytes */
    static constexpr int A = ROWS * 128, W = N * 128, STAGE = A + MATRICES * W;
    static constexpr int VECTORS = PART_GROUPS * MATRICES * 4; /* of 16 bytes, of a thread's part */
    static constexpr int RECEIVED = VECTORS * CONSUMERS * 16;  /* from a block of the cluster */
    static constexpr int RECEIVED_AT = STAGES * STAGE;
    static constexpr int SCALES_AT = RECEIVED_AT + (SPLIT - 1) * RECEIVED;
    static constexpr int SCALES = IS_I8 ? MATRICES * N * 4 : 0; /* of the outputs of a tile */
    static constexpr int BARRIERS_AT = SCALES_AT + 2 * SCALES;  /* of two tiles in turn */
    static constexpr int SHARED = BARRIERS_AT + (2 * STAGES + 2) * 8;
    static constexpr int BLOCKS = SHARED <= 113 * 1024 ? 2 : 1; /* on a multiprocessor */
    /* Rows of a thread whose heads end together, where registers suffice. */
    static constexpr int ROWS_AT_ONCE = HEAD_DIM == 64 && THREADS * BLOCKS <= 384 ? 2 : 1;
    static_assert(SHARED <= 227 * 1024, "");
    static_assert(!IS_I8 || (SPLIT == 1 && END != CG_PRODUCT_RESIDUAL), "");
};

#if HAS_WGMMA

template <typename S> DEVICE_INLINE uint32_t full_barrier(uint32_t shared, int stage)
{
    return shared + S::BARRIERS_AT + stage * 8;
}

template <typename S> DEVICE_INLINE uint32_t empty_barrier(uint32_t shared, int stage)
{
    return shared + S::BARRIERS_AT + (S::STAGES + stage) * 8;
}

template <typename S> DEVICE_INLINE uint32_t received_barrier(uint32_t shared)
{
    return shared + S::BARRIERS_AT + 2 * S::STAGES * 8;
}

template <typename S> DEVICE_INLINE uint32_t scales_barrier(uint32_t shared)
{
    return received_barrier<S>(shared) + 8;
}

template <typename S>
DEVICE_INLINE void queue_weights(const product_call *c, uint32_t shared, int stage, int k,
                                 int column_tile)
{
    const uint32_t full = full_barrier<S>(shared, stage);

    phase_expect(full, S::STAGE);
    for (int m = 0; m < S::MATRICES; m++)
        copy_box(shared + stage * S::STAGE + S::A + m * S::W, &c->w, full, k * S::PANEL, 0, 0, 0,
                 column_tile * S::COLUMN_GROUPS + m * (c->outputs / 32));
}

template <typename S>
DEVICE_INLINE void queue_rows(const product_call *c, uint32_t shared, int stage, int k,
                              int row_tile)
{
    copy_box(shared + stage * S::STAGE, &c->a, full_barrier<S>(shared, stage), k * S::PANEL,
             row_tile * S::ROWS);
}

/* One thread. Tiles first, first + step, ..; panels [k0, k1) of each. */
template <typename S>
DEVICE_INLINE void produce(const product_call *c, uint32_t shared, int first, int step, int k0,
                           int k1)
{
    const int ahead = min(S::STAGES, k1 - k0);
    uint32_t n = ahead;

    for (int i = 0; i < ahead; i++)
        queue_weights<S>(c, shared, i, k0 + i, first / c->row_tiles);
    wait_for_earlier_kernels();
    for (int i = 0; i < ahead; i++)
        queue_rows<S>(c, shared, i, k0 + i, first % c->row_tiles);
    for (int tile = first; tile < c->n_tiles; tile += step)
        for (int k = tile == first ? k0 + ahead : k0; k < k1; k++, n++) {
            const int stage = n % S::STAGES;

            phase_wait(empty_barrier<S>(shared, stage), (n / S::STAGES & 1) ^ 1);
            queue_weights<S>(c, shared, stage, k, tile / c->row_tiles);
            queue_rows<S>(c, shared, stage, k, tile % c->row_tiles);
        }
}

/* A consumer warp has read a stage. */
template <typename S> DEVICE_INLINE void release_stage(uint32_t shared, int stage, int lane)
{
    __syncwarp();
    if (lane == 0)
        phase_arrive(empty_barrier<S>(shared, stage));
}

/* What rows `row` and row + 8 need behind the product. */
struct product_rows {
    float scale[2];
    int slot[2], pos[2]; /* with ROWS_AT_ONCE 2 */
};

/* The factors are 1 / rms, of which the four lanes of a row share the work, or the scales of rows
 * of i8. */
template <typename S>
DEVICE_INLINE void load_rows(const product_call *c, int row, int t, product_rows *ret)
{
#pragma unroll
    for (int h = 0; h < 2; h++) {
        const int r = min(row + 8 * h, c->rows - 1);

        if constexpr (S::ROWS_AT_ONCE == 2) {
            ret->slot[h] = row + 8 * h < c->rows ? c->slot[r] : -1;
            ret->pos[h] = c->pos[r];
        }
        if constexpr (S::IS_I8) {
            ret->scale[h] = c->a_scale[r];
        } else {
            float sum = 0;

            for (int i = t; i < c->n_parts; i += 4)
                sum += c->square_sums[(int64_t)i * c->rows + r];
            sum += __shfl_xor_sync(FULL_WARP, sum, 1);
            sum += __shfl_xor_sync(FULL_WARP, sum, 2);
            ret->scale[h] = rsqrtf(fmaf(sum, c->inverse_width, c->eps));
        }
    }
}

/* Shared memory of the scales of the outputs of the block's tile number n. */
template <typename S> DEVICE_INLINE uint32_t scales_of(uint32_t shared, uint32_t n)
{
    return shared + S::SCALES_AT + n % 2 * S::SCALES;
}

/* Queues the copy of the scales of a tile's outputs; zeros behind the last output. All consumers.
 */
template <typename S>
DEVICE_INLINE void queue_scales(const product_call *c, uint32_t to, int column_tile)
{
    constexpr int VECTORS_OF_MATRIX = S::N / 4;

    for (int i = threadIdx.x; i < S::MATRICES * VECTORS_OF_MATRIX; i += S::CONSUMERS) {
        const int column = column_tile * S::N + i % VECTORS_OF_MATRIX * 4;

        cp_async_16B(to + i * 16,
                     (const char *)(c->w_scale + i / VECTORS_OF_MATRIX * c->outputs + column),
                     column < c->outputs);
    }
    cp_async_commit();
}

/* Waits for the scales of tile number n, which the warps of the block copy together. When a warp
 * passes, all have read those of the tile before: the next copy overwrites these. */
template <typename S> DEVICE_INLINE void wait_for_scales(uint32_t shared, uint32_t n, int lane)
{
    cp_async_wait<0>();
    __syncwarp();
    if (lane == 0)
        phase_arrive(scales_barrier<S>(shared));
    phase_wait(scales_barrier<S>(shared), n & 1);
}

DEVICE_INLINE void load_8(const float *p, float v[8])
{
    const float4 a = ((const float4 *)p)[0], b = ((const float4 *)p)[1];

    v[0] = a.x, v[1] = a.y, v[2] = a.z, v[3] = a.w;
    v[4] = b.x, v[5] = b.y, v[6] = b.z, v[7] = b.w;
}

DEVICE_INLINE void store_8(float *p, const float v[8])
{
    ((float4 *)p)[0] = make_float4(v[0], v[1], v[2], v[3]);
    ((float4 *)p)[1] = make_float4(v[4], v[5], v[6], v[7]);
}

DEVICE_INLINE void pack_8_bf16(uint32_t ret[4], const float v[8])
{
#pragma unroll
    for (int i = 0; i < 4; i++)
        ret[i] = pack<__nv_bfloat16>(v[2 * i], v[2 * i + 1]);
}

DEVICE_INLINE void store_8_bf16(void *p, const float v[8])
{
    uint32_t w[4];

    pack_8_bf16(w, v);
    *(uint4 *)p = make_uint4(w[0], w[1], w[2], w[3]);
}

/* The thread's outputs 32 q + 8 t .. + 7 of row g + 8 h. */
DEVICE_INLINE void take_8(const float (*c)[4], int q, int h, float v[8])
{
#pragma unroll
    for (int j = 0; j < 4; j++)
#pragma unroll
        for (int e = 0; e < 2; e++)
            v[2 * j + e] = c[4 * q + j][2 * h + e];
}

DEVICE_INLINE void put_8(float (*c)[4], int q, int h, const float v[8])
{
#pragma unroll
    for (int j = 0; j < 4; j++)
#pragma unroll
        for (int e = 0; e < 2; e++)
            c[4 * q + j][2 * h + e] = v[2 * j + e];
}

/* Whether block `rank` of the cluster adds up column group q. */
template <typename S> DEVICE_INLINE bool owns(int rank, int q)
{
    return S::SPLIT == 1 || q / S::PART_GROUPS == rank;
}

/* Sends the sums of column groups of other blocks to these, and adds what they have sent. */
template <typename S>
DEVICE_INLINE void add_parts(float (*sums)[4], uint32_t shared, int rank, bool has_rows, int thread,
                             int lane)
{
    if (has_rows)
#pragma unroll
        for (int q = 0; q < S::COLUMN_GROUPS; q++) {
            const int owner = q / S::PART_GROUPS;

            if (owner != rank) {
                const int source = rank < owner ? rank : rank - 1;
                const uint32_t to = cluster_address(
                    shared + S::RECEIVED_AT + source * S::RECEIVED + thread * 16, owner);
#pragma unroll
                for (int m = 0; m < S::MATRICES; m++)
#pragma unroll
                    for (int h = 0; h < 2; h++) {
                        const int vector = ((q % S::PART_GROUPS) * S::MATRICES + m) * 4 + 2 * h;
                        float v[8];

                        take_8(sums + m * S::NN, q, h, v);
                        cluster_store_16B(to + vector * S::CONSUMERS * 16, v);
                        cluster_store_16B(to + (vector + 1) * S::CONSUMERS * 16, v + 4);
                    }
            }
        }
    cluster_fence();
    __syncwarp();
    if (lane < S::OWNERS && lane != rank)
        cluster_arrive(cluster_address(received_barrier<S>(shared), lane));
    if (rank >= S::OWNERS)
        return;
    cluster_phase_wait(received_barrier<S>(shared), 0);
    if (!has_rows)
        return;
#pragma unroll
    for (int q = 0; q < S::COLUMN_GROUPS; q++)
        if (owns<S>(rank, q))
#pragma unroll
            for (int source = 0; source < S::SPLIT - 1; source++)
#pragma unroll
                for (int m = 0; m < S::MATRICES; m++)
#pragma unroll
                    for (int h = 0; h < 2; h++) {
                        const int vector = ((q % S::PART_GROUPS) * S::MATRICES + m) * 4 + 2 * h;
                        const uint32_t from = shared + S::RECEIVED_AT + source * S::RECEIVED +
                                              thread * 16 + vector * S::CONSUMERS * 16;
                        uint32_t w[8];
                        float v[8];

                        load_16B(w, from);
                        load_16B(w + 4, from + S::CONSUMERS * 16);
                        take_8(sums + m * S::NN, q, h, v);
#pragma unroll
                        for (int i = 0; i < 8; i++)
                            v[i] += __uint_as_float(w[i]);
                        put_8(sums + m * S::NN, q, h, v);
                    }
}

/* ---- what follows ---------------------------------------------------------------------------- */

/* x of n column groups from column on. */
DEVICE_INLINE void load_residual(const product_call *c, float (*x)[4], int n, int row, int column)
{
#pragma unroll
    for (int q = 0; q < n; q++)
#pragma unroll
        for (int h = 0; h < 2; h++) {
            float v[8] = { 0, 0, 0, 0, 0, 0, 0, 0 };

            if (row + 8 * h < c->rows && column + 32 * q < c->outputs)
                load_8(c->x + (int64_t)(row + 8 * h) * c->outputs + column + 32 * q, v);
            put_8(x, q, h, v);
        }
}

/* Adds x of the column groups that the block adds up. */
template <typename S>
DEVICE_INLINE void add_residual(float (*sums)[4], const float (*x)[4], int rank)
{
#pragma unroll
    for (int q = 0; q < S::COLUMN_GROUPS; q++)
        if (owns<S>(rank, q))
#pragma unroll
            for (int i = 0; i < 16; i++)
                sums[4 * q + i / 4][i % 4] += x[q % S::PART_GROUPS * 4 + i / 4][i % 4];
}

/* column: the thread's first */
template <typename S>
DEVICE_INLINE void end_residual(const product_call *c, const float (*sums)[4], int rank, int row,
                                int column, int column_tile, int t)
{
    float squares[2] = { 0, 0 };

#pragma unroll
    for (int q = 0; q < S::COLUMN_GROUPS; q++)
        if (owns<S>(rank, q) && column + 32 * q < c->outputs) {
            float norm[8];

            if (c->norm)
                load_8(c->norm + column + 32 * q, norm);
#pragma unroll
            for (int h = 0; h < 2; h++) {
                const int64_t r = row + 8 * h;
                float v[8];

                take_8(sums, q, h, v);
#pragma unroll
                for (int i = 0; i < 8; i++)
                    squares[h] = fmaf(v[i], v[i], squares[h]);
                if (r < c->rows) {
                    store_8(c->x + r * c->outputs + column + 32 * q, v);
                    if (c->norm) {
#pragma unroll
                        for (int i = 0; i < 8; i++)
                            v[i] *= norm[i];
                        store_8_bf16((uint16_t *)c->out + r * c->outputs + column + 32 * q, v);
                    }
                }
            }
        }
#pragma unroll
    for (int h = 0; h < 2; h++) {
        squares[h] += __shfl_xor_sync(FULL_WARP, squares[h], 1);
        squares[h] += __shfl_xor_sync(FULL_WARP, squares[h], 2);
        if (t == 0 && row + 8 * h < c->rows && rank < S::OWNERS)
            c->out_square_sums[(int64_t)(column_tile * S::OWNERS + rank) * c->rows + row + 8 * h] =
                squares[h];
    }
}

/* The sums of i8 times the scales of the weights, in the same registers. scales: shared memory, of
 * the thread's first column */
template <typename S>
DEVICE_INLINE void scale_outputs(int32_t (*sums)[4], uint32_t scales, float (*ret)[4])
{
#pragma unroll
    for (int m = 0; m < S::MATRICES; m++)
#pragma unroll
        for (int q = 0; q < S::COLUMN_GROUPS; q++) {
            int32_t(*part)[4] = sums + m * S::NN + 4 * q;

            uint32_t scale[8];

            load_16B(scale, scales + (m * S::N + 32 * q) * 4);
            load_16B(scale + 4, scales + (m * S::N + 32 * q + 4) * 4);
#pragma unroll
            for (int i = 0; i < 16; i++)
                part[i / 4][i % 4] = __float_as_int((float)part[i / 4][i % 4] *
                                                    __uint_as_float(scale[i / 4 * 2 + i % 2]));
            registers_settle(part, 4); /* else all scales are loaded first */
#pragma unroll
            for (int i = 0; i < 16; i++)
                ret[m * S::NN + 4 * q + i / 4][i % 4] = __int_as_float(part[i / 4][i % 4]);
        }
}

template <typename S>
DEVICE_INLINE void end_swiglu(const product_call *c, const float (*sums)[4], int rank, int row,
                              int column, const float scale[2])
{
    const float log2e = 0x1.715476p0f;

#pragma unroll
    for (int q = 0; q < S::COLUMN_GROUPS; q++)
        if (owns<S>(rank, q) && column + 32 * q < c->outputs)
#pragma unroll
            for (int h = 0; h < 2; h++) {
                const int64_t r = row + 8 * h;
                float gate[8], up[8];

                take_8(sums, q, h, gate);
                take_8(sums + S::NN, q, h, up);
#pragma unroll
                for (int i = 0; i < 8; i++) {
                    const float x = gate[i] * scale[h];

                    gate[i] = __fdividef(x, 1.0f + exp2_fast(-log2e * x)) * (up[i] * scale[h]);
                }
                if (r < c->rows)
                    store_8_bf16((uint16_t *)c->out + r * c->outputs + column + 32 * q, gate);
            }
}

/* The scale of a row of a head, of which four lanes have numbers v of bf16. All lanes of a warp. */
template <int QS> DEVICE_INLINE float scale_of_head(const uint32_t (*v)[4], cg_dtype dtype)
{
    uint32_t largest = 0;

#pragma unroll
    for (int i = 0; i < 4 * QS; i++) {
        const uint32_t pair = v[i / 4][i % 4] & 0x7fff7fffu;

        largest = max(largest, max(pair << 16, pair & 0xffff0000u));
    }
    largest = max(largest, __shfl_xor_sync(FULL_WARP, largest, 1));
    largest = max(largest, __shfl_xor_sync(FULL_WARP, largest, 2));
    return cg_kv_scale(largest, dtype);
}

/* Stores the scale and the codes of v, the lane's numbers of bf16: eight neighbours of each group
 * of 32. */
template <int QS>
DEVICE_INLINE void store_scaled(const cg_kv_view *view, bool is_value, kv_place at, int head,
                                int lane_column, const uint32_t (*v)[4], float scale)
{
    char *const out = (char *)(is_value ? view->v : view->k) + kv_offset(view, at, head);
    const float inverse = __frcp_rn(scale);

    if (lane_column == 0)
        *(float *)((char *)(is_value ? view->v_scale : view->k_scale) +
                   kv_scale_offset(view, at, head)) = scale;
#pragma unroll
    for (int q = 0; q < QS; q++) {
        uint32_t code[2];

#pragma unroll
        for (int i = 0; i < 2; i++) {
            const uint32_t a = v[q][2 * i], b = v[q][2 * i + 1];
            const float x[4] = { __uint_as_float(a << 16), __uint_as_float(a & 0xffff0000u),
                                 __uint_as_float(b << 16), __uint_as_float(b & 0xffff0000u) };

            code[i] = quantise_4(x, scale, inverse, view->dtype);
        }
        *(uint2 *)(out + 32 * q + lane_column) = make_uint2(code[0], code[1]);
    }
}

/* The eight pairs of a position from pair `first` on. */
template <typename S>
DEVICE_INLINE void load_rotation(const product_call *c, int pos, int first, float cosines[8],
                                 float sines[8])
{
    const int64_t from = (int64_t)pos * (S::HEAD_DIM / 2) + first;

    load_8(c->cosines + from, cosines);
    load_8(c->sines + from, sines);
}

/* The factor of a row of a head, whose first group of columns is `first`: that of the product, and
 * 1 / rms of the head with a norm. All lanes of a warp. */
template <typename S>
DEVICE_INLINE float head_factor(const float (*sums)[4], int first, int h, float scale,
                                const float *norm, float eps)
{
    float sum = 0;

    if (!norm) /* uniform */
        return scale;
#pragma unroll
    for (int q = 0; q < S::HEAD_DIM / 32; q++) {
        float v[8];

        take_8(sums, first + q, h, v);
#pragma unroll
        for (int e = 0; e < 8; e++)
            sum = fmaf(v[e], v[e], sum);
    }
    sum += __shfl_xor_sync(FULL_WARP, sum, 1);
    sum += __shfl_xor_sync(FULL_WARP, sum, 2);
    return scale * rsqrtf(fmaf(sum * scale, scale / S::HEAD_DIM, eps));
}

/*
 * Rows row + 8 h of the heads of the tile, for h from h0 on: both, whose loads and shuffles then
 * overlap, or one, where registers are few. column: the thread's first; a tile begins at a head.
 */
template <typename S>
DEVICE_INLINE void end_heads(const product_call *c, const float (*sums)[4], int rank, int h0,
                             int row, int column, const product_rows &rows)
{
    constexpr int QS = S::HEAD_DIM / 32, HALF = QS / 2; /* groups of a head, of half of one */
    constexpr int H = S::ROWS_AT_ONCE;
    const int lane_column = column % 32;
    float cosines[H][8], sines[H][8]; /* of heads of 64 */
    kv_place at[H];
    int slot[H], pos[H];

#pragma unroll
    for (int h = 0; h < H; h++) {
        const int r = row + 8 * (h0 + h);

        slot[h] = H == 2 ? rows.slot[h] : r < c->rows ? c->slot[r] : -1;
        pos[h] = H == 2 ? rows.pos[h] : slot[h] >= 0 ? c->pos[r] : 0;
        if (H == 2 && c->cosines)
            load_rotation<S>(c, pos[h], lane_column, cosines[h], sines[h]);
        if (H == 2 && c->store)
            at[h] = kv_place_of(&c->view, max(slot[h], 0), pos[h]);
    }
#pragma unroll
    for (int i = 0; i < S::N / S::HEAD_DIM; i++) {
        const int head = (column + i * S::HEAD_DIM) / S::HEAD_DIM;
        const bool is_q = head < c->n_heads, is_v = head >= c->n_heads + c->n_kv_heads;
        const float *norm = is_q ? c->q_norm : is_v ? NULL : c->k_norm;
        const bool is_stored = c->store && !is_q, is_scaled = is_stored && c->view.k_scale;
        const int kv_head = head - c->n_heads - (is_v ? c->n_kv_heads : 0);
        uint32_t packed[H][QS][4];
        float kv_scale[H];

        if (!owns<S>(rank, i * QS) || column + i * S::HEAD_DIM >= c->outputs)
            continue;
#pragma unroll
        for (int h = 0; h < H; h++) {
            const float factor =
                head_factor<S>(sums, i * QS, h0 + h, rows.scale[h0 + h], norm, c->head_eps);

#pragma unroll
            for (int q = 0; q < HALF; q++) {
                float u[8], v[8], a[8], b[8];

                take_8(sums, i * QS + q, h0 + h, u);
                take_8(sums, i * QS + q + HALF, h0 + h, v);
                if (norm) {
                    load_8(norm + 32 * q + lane_column, a);
                    load_8(norm + 32 * (q + HALF) + lane_column, b);
                }
#pragma unroll
                for (int e = 0; e < 8; e++) {
                    u[e] *= norm ? factor * a[e] : factor;
                    v[e] *= norm ? factor * b[e] : factor;
                }
                if (!is_v && c->cosines) {
                    if (H == 2) {
#pragma unroll
                        for (int e = 0; e < 8; e++)
                            a[e] = cosines[h][e], b[e] = sines[h][e];
                    } else {
                        load_rotation<S>(c, pos[h], 32 * q + lane_column, a, b);
                    }
#pragma unroll
                    for (int e = 0; e < 8; e++) {
                        const float x = u[e], y = v[e];

                        u[e] = fmaf(x, a[e], -y * b[e]);
                        v[e] = fmaf(y, a[e], x * b[e]);
                    }
                }
                pack_8_bf16(packed[h][q], u);
                pack_8_bf16(packed[h][q + HALF], v);
            }
        }
        if (is_scaled)
#pragma unroll
            for (int h = 0; h < H; h++)
                kv_scale[h] = scale_of_head<QS>(packed[h], c->view.dtype);
#pragma unroll
        for (int h = 0; h < H; h++) {
            char *out = (char *)c->out +
                        ((int64_t)(row + 8 * (h0 + h)) * c->outputs + head * S::HEAD_DIM) * 2;

            if (slot[h] < 0)
                continue;
            if (is_stored) {
                const kv_place to = H == 2 ? at[h] : kv_place_of(&c->view, slot[h], pos[h]);

                if (is_scaled) {
                    store_scaled<QS>(&c->view, is_v, to, kv_head, lane_column, packed[h],
                                     kv_scale[h]);
                    continue;
                }
                out = (char *)(is_v ? c->view.v : c->view.k) + kv_offset(&c->view, to, kv_head);
            }
#pragma unroll
            for (int q = 0; q < QS; q++)
                *(uint4 *)(out + (32 * q + lane_column) * 2) =
                    make_uint4(packed[h][q][0], packed[h][q][1], packed[h][q][2], packed[h][q][3]);
        }
    }
}

/* Of 16 inputs. */
template <typename S>
DEVICE_INLINE void queue_product(float (*sums)[4], uint32_t a, uint32_t w, int add)
{
    if constexpr (S::MATRICES * S::N <= 256) { /* gate and up are neighbours */
        wgmma_scores<__nv_bfloat16, S::MATRICES * S::N>(sums, a, w, add);
    } else {
        wgmma_scores<__nv_bfloat16, S::N>(sums, a, w, add);
        wgmma_scores<__nv_bfloat16, S::N>(sums + S::NN, a, w + (S::W >> 4), add);
    }
}

/* Of 32 inputs of i8. */
template <typename S>
DEVICE_INLINE void queue_product(int32_t (*sums)[4], uint32_t a, uint32_t w, int add)
{
    if constexpr (S::MATRICES * S::N <= 256) {
        wgmma_i8<S::MATRICES * S::N>(sums, a, w, add);
    } else {
        wgmma_i8<S::N>(sums, a, w, add);
        wgmma_i8<S::N>(sums + S::NN, a, w + (S::W >> 4), add);
    }
}

/* What follows the product, for rows row and row + 8. column: the thread's first */
template <typename S>
DEVICE_INLINE void end_tile(const product_call *c, const float (*sums)[4], int rank, int row,
                            int column, int column_tile, int t, const product_rows &rows)
{
    if constexpr (S::END == CG_PRODUCT_RESIDUAL)
        end_residual<S>(c, sums, rank, row, column, column_tile, t);
    else if constexpr (S::END == CG_PRODUCT_HEADS)
#pragma unroll
        for (int h = 0; h < 2; h += S::ROWS_AT_ONCE)
            end_heads<S>(c, sums, rank, h, row, column, rows);
    else
        end_swiglu<S>(c, sums, rank, row, column, rows.scale);
}

template <typename S>
DEVICE_INLINE void consume(const product_call *c, uint32_t shared, int first, int step, int k0,
                           int k1, int rank, int warp, int lane)
{
    constexpr bool IS_RESIDUAL = S::END == CG_PRODUCT_RESIDUAL;
    constexpr bool STARTS_WITH_RESIDUAL = IS_RESIDUAL && S::SPLIT == 1;
    const int g = lane / 4, t = lane % 4;
    uint32_t n = 0, n_tiles = 0;

    wait_for_earlier_kernels();
    for (int tile = first; tile < c->n_tiles; tile += step) {
        const int column_tile = tile / c->row_tiles;
        const int warp_row = tile % c->row_tiles * S::ROWS + warp * 16, row = warp_row + g;
        const int column = column_tile * S::N + 8 * t;
        typename S::Sum sums[S::MATRICES * S::NN][4];
        float residual[S::PART_GROUPS * 4][4];
        product_rows rows;

        if constexpr (S::IS_I8)
            queue_scales<S>(c, scales_of<S>(shared, n_tiles), column_tile);
        if constexpr (!IS_RESIDUAL)
            load_rows<S>(c, row, t, &rows);
        else if constexpr (STARTS_WITH_RESIDUAL)
            load_residual(c, sums, S::COLUMN_GROUPS, row, column);
        else
            load_residual(c, residual, S::PART_GROUPS, row, column + rank * S::PART_GROUPS * 32);
        registers_settle(sums, S::MATRICES * S::NN);

        int k = k0;

        do {
            const int stage = n % S::STAGES;
            const uint32_t from = shared + stage * S::STAGE;
            const uint32_t a = shared_descriptor(from + warp / 4 * 64 * 128, 16);
            const uint32_t w = shared_descriptor(from + S::A, 16);

            phase_wait(full_barrier<S>(shared, stage), n / S::STAGES & 1);
            wgmma_begin();
#pragma unroll
            for (int kk = 0; kk < 4; kk++)
                queue_product<S>(sums, a + kk * 2, w + kk * 2,
                                 STARTS_WITH_RESIDUAL || k > k0 || kk > 0);
            wgmma_commit();
            wgmma_wait<1>();
            if (k > k0)
                release_stage<S>(shared, (n + S::STAGES - 1) % S::STAGES, lane);
            n++;
        } while (++k < k1);
        wgmma_wait<0>();
        registers_settle(sums, S::MATRICES * S::NN);
        release_stage<S>(shared, (n + S::STAGES - 1) % S::STAGES, lane);
        if constexpr (S::SPLIT > 1)
            add_parts<S>(sums, shared, rank, warp_row < c->rows, threadIdx.x, lane);
        if constexpr (IS_RESIDUAL && S::SPLIT > 1)
            add_residual<S>(sums, residual, rank);
        if constexpr (S::IS_I8)
            wait_for_scales<S>(shared, n_tiles, lane);
        if (warp_row < c->rows) {
            if constexpr (S::IS_I8) {
                float y[S::MATRICES * S::NN][4];

                scale_outputs<S>(sums, scales_of<S>(shared, n_tiles) + 32 * t, y);
                end_tile<S>(c, y, rank, row, column, column_tile, t, rows);
            } else {
                end_tile<S>(c, sums, rank, row, column, column_tile, t, rows);
            }
        }
        n_tiles++;
        if constexpr (S::SPLIT > 1)
            return; /* a cluster has one tile */
    }
}

/* With SPLIT > 1 the grid has a cluster for each tile; else any number of blocks. */
template <typename S> DEVICE_INLINE void run_product(const product_call *c, uint32_t shared)
{
    const int lane = threadIdx.x % 32;
    const int warp = __shfl_sync(FULL_WARP, (int)(threadIdx.x / 32), 0);
    const int rank = S::SPLIT > 1 ? (int)cluster_rank() : 0;
    const int first = (int)blockIdx.x / S::SPLIT, step = (int)gridDim.x / S::SPLIT;
    const int k0 = c->k_steps * rank / S::SPLIT, k1 = c->k_steps * (rank + 1) / S::SPLIT;

    if (threadIdx.x == 0) {
        for (int i = 0; i < S::STAGES; i++) {
            phase_barrier_create(full_barrier<S>(shared, i), 1);
            phase_barrier_create(empty_barrier<S>(shared, i), 4 * S::GROUPS);
        }
        phase_barrier_create(received_barrier<S>(shared),
                             S::SPLIT > 1 ? (S::SPLIT - 1) * 4 * S::GROUPS : 1);
        phase_barrier_create(scales_barrier<S>(shared), 4 * S::GROUPS);
        share_phase_barriers();
    }
    __syncthreads();
    if constexpr (S::SPLIT > 1)
        cluster_barrier();
    allow_next_kernel();
    if (warp >= S::CONSUMERS / 32) {
        if constexpr (S::MOVES_REGISTERS)
            registers_shrink<S::PRODUCER_REGISTERS>();
        if (threadIdx.x == S::CONSUMERS) {
            prefetch_map(&c->a);
            prefetch_map(&c->w);
            produce<S>(c, shared, first, step, k0, k1);
        }
    } else {
        if constexpr (S::MOVES_REGISTERS)
            registers_grow<S::CONSUMER_REGISTERS>();
        consume<S>(c, shared, first, step, k0, k1, rank, warp, lane);
    }
}

#endif

#endif
