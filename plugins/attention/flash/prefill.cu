/* SPDX-License-Identifier: MIT */
/*
 * Prefill: many query rows per sequence, as in prompts.
 *
 * Index map. Thread block x computes a tile of ROWS rows (128, or 64 for short prompts) of
 * key/value head x % n_kv_heads; find_row_tile() gives the tile. A thread block without work exits
 * immediately. A warp computes ROWS / 4 rows of the tile. Of 128 rows these are two A fragments, so
 * each load of keys and values from shared memory is used twice; of 64 rows one, so a
 * multiprocessor holds more thread blocks. Warp w computes rows from ROWS / 4 w or, in half of the
 * thread blocks, from ROWS / 4 (3 - w): warps w of all thread blocks share one quarter of a
 * multiprocessor, and later rows see more keys.
 *
 * Keys are taken in tiles of 64 at absolute positions 0, 64, 128 ..., ascending, through two stages
 * in shared memory: both are filled at the start, then one while the other is used. A warp skips
 * tiles that none of its rows sees.
 *
 * Bits. As decode: tokens hidden from a row change none of its bits, and tiles begin at fixed
 * positions. A row's result is a function of its query, its position and the cached tokens,
 * whatever ROWS.
 *
 * Source: Dao 2023, "FlashAttention-2", algorithm 1.
 */
#include "prefill.cuh"

/* Sizes of the kernel for one head size and tile height. */
template <int DIM, int ROWS> struct prefill_shape {
    static constexpr int KEYS = FLASH_PREFILL_KEYS, NN = KEYS / 8;
    static constexpr int KK = DIM / 16; /* steps of 16 elements */
    static constexpr int ROW_BYTES = DIM * 2;
    static constexpr int MM = ROWS / FLASH_PREFILL_WARPS / 16; /* A fragments of a warp */
    static constexpr int STAGE = 2 * KEYS * ROW_BYTES;         /* bytes of K and V of a key tile */
    static constexpr int VECTORS = DIM / 8;                    /* of a row, 16 bytes each */
    static constexpr int PASS = FLASH_PREFILL_WARPS * 32 / VECTORS; /* rows a thread block copies */
    /* Queries are loaded into the second stage, else to shared memory of their own. */
    static constexpr bool Q_IN_STAGE = ROWS == 64 && DIM == 128;
    /* Queries are kept in registers, else in shared memory: those of 32 rows of 128 elements would
     * take the registers of the scores. */
    static constexpr bool Q_IN_REGISTERS = Q_IN_STAGE || (ROWS == 128 && DIM == 64);
};

/* Queues the copies of KV block i of a key tile that begins at token0; dst: of the tile's keys. */
template <int DIM, bool PAGED>
DEVICE_INLINE void load_kv_block(const flash_cuda_call *c, const kv_source *s, int64_t offset,
                                 int token0, int i, uint32_t dst)
{
    constexpr int PASS = prefill_shape<DIM, 128>::PASS;
    const int token = token0 + i * FLASH_KV_BLOCK;
    int64_t at = s->vector + (PAGED ? __shfl_sync(FULL_WARP, offset, i) : token * c->token_stride);

    dst += i * (FLASH_KV_BLOCK * DIM * 2);
#pragma unroll
    for (int r = 0; r < FLASH_KV_BLOCK / PASS; r++) {
        const int t = token + r * PASS + s->row;
        const bool valid = t >= s->lo && t < s->hi;

        cp_async_16B(dst + r * PASS * DIM * 2, c->k + at, valid);
        cp_async_16B(dst + (FLASH_PREFILL_KEYS + r * PASS) * DIM * 2, c->v + at, valid);
        at += PASS * c->token_stride;
    }
}

/*
 * Queues the copies of key tile j, K, then V, as one group; tiles in order.
 *
 * @param offset  lane l: byte offset of KV block l % 4 of the tile that is loaded next
 * @param dst     of the thread's first vector
 *
 * ROLLED: a loop at run time, for kernels that would spill the addresses of a whole tile.
 */
template <int DIM, bool PAGED, bool ROLLED>
DEVICE_INLINE void load_tile(const flash_cuda_call *c, const kv_source *s, int64_t *offset, int j,
                             uint32_t dst, int lane)
{
    constexpr int KEYS = FLASH_PREFILL_KEYS, BLOCKS = KEYS / FLASH_KV_BLOCK;

    if (ROLLED) {
#pragma unroll 1
        for (int i = 0; i < BLOCKS; i++)
            load_kv_block<DIM, PAGED>(c, s, *offset, j * KEYS, i, dst);
    } else {
#pragma unroll
        for (int i = 0; i < BLOCKS; i++)
            load_kv_block<DIM, PAGED>(c, s, *offset, j * KEYS, i, dst);
    }
    if (PAGED)
        *offset = paged_offset<KEYS>(c, s, j + 1, lane);
    cp_async_commit();
}

/* Queues the copies of the tile's queries; dst: of the thread's first vector. */
template <int DIM, int ROWS>
DEVICE_INLINE void load_queries(const flash_cuda_call *c, const row_tile *tile, uint32_t dst,
                                int row, int vector)
{
    using S = prefill_shape<DIM, ROWS>;
    const char *q_base = c->q + (int64_t)tile->head * c->group * S::ROW_BYTES + vector * 16;
    row_walk walk = row_walk_start(c, tile->row0 + row, S::PASS);

#pragma unroll
    for (int i = 0; i < ROWS / S::PASS; i++) {
        cp_async_16B(dst + i * S::PASS * S::ROW_BYTES,
                     q_base + (tile->token0 + walk.token) * c->q_stride + walk.head * S::ROW_BYTES,
                     row + i * S::PASS < tile->rows);
        row_walk_next(c, &walk);
    }
    cp_async_commit();
}

/* Returns whether n of the thread's 16-byte vectors, `step` bytes apart, are finite. */
template <typename Element> DEVICE_INLINE bool vectors_are_finite(uint32_t address, int n, int step)
{
    bool finite = true;

    for (int i = 0; i < n; i++) {
        uint32_t x[4];

        load_16B(x, address + i * step);
        finite = finite && is_finite_16B<Element>(x);
    }
    return finite;
}

/* p = Q K^T of one key tile. q: A fragments, or if not Q_IN_REGISTERS, read from q_rows. */
template <int DIM, int ROWS, typename Element>
DEVICE_INLINE void multiply_keys(float (*p)[FLASH_PREFILL_KEYS / 8][4],
                                 const uint32_t (*q)[DIM / 16][4], uint32_t q_rows, uint32_t k,
                                 uint32_t q_offset, uint32_t k_offset)
{
    using S = prefill_shape<DIM, ROWS>;

#pragma unroll
    for (int m = 0; m < S::MM; m++)
#pragma unroll
        for (int n = 0; n < S::NN; n++)
#pragma unroll
            for (int e = 0; e < 4; e++)
                p[m][n][e] = 0;
#pragma unroll
    for (int kk = 0; kk < S::KK; kk++) {
        uint32_t q_now[S::MM][4];

        if constexpr (!S::Q_IN_REGISTERS) {
#pragma unroll
            for (int m = 0; m < S::MM; m++)
                ldmatrix_x4(q_now[m], q_rows + m * 16 * S::ROW_BYTES + (q_offset ^ kk << 5));
        }
#pragma unroll
        for (int n = 0; n < S::NN; n += 2) {
            uint32_t b[4];

            ldmatrix_x4(b, k + n * 8 * S::ROW_BYTES + (k_offset ^ kk << 5));
#pragma unroll
            for (int m = 0; m < S::MM; m++) {
                const uint32_t *a = S::Q_IN_REGISTERS ? q[m][kk] : q_now[m];

                mma<Element>(p[m][n], a, b[0], b[1]);
                mma<Element>(p[m][n + 1], a, b[2], b[3]);
            }
        }
    }
}

/* Sets to -infinity the scores of tokens after a row's position or older than its window. row: the
 * warp's first row of the sequence, plus g. */
template <int DIM, int ROWS>
DEVICE_INLINE void mask_scores(float (*p)[FLASH_PREFILL_KEYS / 8][4], const flash_cuda_call *c,
                               int pos0, int row, int token, int t)
{
    using S = prefill_shape<DIM, ROWS>;

#pragma unroll
    for (int m = 0; m < S::MM; m++)
#pragma unroll
        for (int h = 0; h < 2; h++) {
            const int pos = pos0 + (row + 16 * m + 8 * h) / c->group;
            const int first = c->window ? pos - c->window + 1 : 0;

#pragma unroll
            for (int n = 0; n < S::NN; n++)
#pragma unroll
                for (int e = 0; e < 2; e++) {
                    int column = token + 8 * n + 2 * t + e;

                    if (column > pos || column < first)
                        p[m][n][2 * h + e] = -CUDART_INF_F;
                }
        }
}

/* Raises the rows' maxima to those of the scores; sums and accumulators become relative to them.
 * Where no maximum of the warp has grown all factors are 1, and nothing is done. */
template <int DIM, int ROWS>
DEVICE_INLINE void update_max(const float (*p)[FLASH_PREFILL_KEYS / 8][4], softmax (*soft)[2],
                              float (*acc)[DIM / 8][4], float scale)
{
    using S = prefill_shape<DIM, ROWS>;
    float max[S::MM][2];
    bool grown = false;

#pragma unroll
    for (int m = 0; m < S::MM; m++)
#pragma unroll
        for (int h = 0; h < 2; h++) {
            float x = fmaxf(p[m][0][2 * h], p[m][0][2 * h + 1]);

#pragma unroll
            for (int n = 1; n < S::NN; n++)
                x = fmaxf(x, fmaxf(p[m][n][2 * h], p[m][n][2 * h + 1]));
            max[m][h] = fmaxf(soft[m][h].max, row_max(x));
            grown = grown || max[m][h] != soft[m][h].max;
        }
    if (!__any_sync(FULL_WARP, grown))
        return;
#pragma unroll
    for (int m = 0; m < S::MM; m++)
#pragma unroll
        for (int h = 0; h < 2; h++) {
            float factor = softmax_factor(soft[m][h].max, max[m][h], scale);

            soft[m][h].max = max[m][h];
            soft[m][h].sum = __fmul_rn(soft[m][h].sum, factor);
#pragma unroll
            for (int n = 0; n < DIM / 8; n++) {
                acc[m][n][2 * h] = __fmul_rn(acc[m][n][2 * h], factor);
                acc[m][n][2 * h + 1] = __fmul_rn(acc[m][n][2 * h + 1], factor);
            }
        }
}

/* Replaces scores by weights; acc += weights times the values of the tile. 16 tokens at a time, so
 * weights are computed during products. Their C fragments are the A fragment of the next product.
 */
template <int DIM, int ROWS, typename Element>
DEVICE_INLINE void multiply_values(float (*acc)[DIM / 8][4], float (*p)[FLASH_PREFILL_KEYS / 8][4],
                                   softmax (*soft)[2], float scale, uint32_t v, uint32_t v_offset,
                                   bool finite, int lane)
{
    using S = prefill_shape<DIM, ROWS>;
    float offset[S::MM][2];

#pragma unroll
    for (int m = 0; m < S::MM; m++)
#pragma unroll
        for (int h = 0; h < 2; h++)
            offset[m][h] = softmax_offset(soft[m][h].max, scale);
    if (finite) {
#pragma unroll
        for (int n = 0; n < S::NN; n += 2) {
            uint32_t a[S::MM][4];

#pragma unroll
            for (int m = 0; m < S::MM; m++) {
                compute_weights(p[m] + n, soft[m], offset[m], scale);
                pack_weights<Element>(a[m], p[m] + n);
            }
#pragma unroll
            for (int nn = 0; nn < S::KK; nn++) {
                uint32_t b[4];

                ldmatrix_x4_trans(b, v + n * 8 * S::ROW_BYTES + (v_offset ^ nn << 5));
#pragma unroll
                for (int m = 0; m < S::MM; m++) {
                    mma<Element>(acc[m][2 * nn], a[m], b[0], b[1]);
                    mma<Element>(acc[m][2 * nn + 1], a[m], b[2], b[3]);
                }
            }
        }
    } else {
        /* Rare, so not unrolled: the scores move down by 16 tokens per iteration. */
#pragma unroll 1
        for (int n = 0; n < S::NN; n += 2) {
            uint32_t a[S::MM][4];

#pragma unroll
            for (int m = 0; m < S::MM; m++) {
                compute_weights(p[m], soft[m], offset[m], scale);
                add_not_finite<DIM, Element>(p[m], v + n * 8 * S::ROW_BYTES, acc[m], lane);
                pack_weights<Element>(a[m], p[m]);
            }
#pragma unroll
            for (int nn = 0; nn < S::KK; nn++) {
                uint32_t b[4];

                ldmatrix_x4_trans(b, v + n * 8 * S::ROW_BYTES + (v_offset ^ nn << 5));
                make_finite_16B<Element>(b);
#pragma unroll
                for (int m = 0; m < S::MM; m++) {
                    mma<Element>(acc[m][2 * nn], a[m], b[0], b[1]);
                    mma<Element>(acc[m][2 * nn + 1], a[m], b[2], b[3]);
                }
            }
#pragma unroll
            for (int m = 0; m < S::MM; m++)
#pragma unroll
                for (int i = 0; i + 2 < S::NN; i++)
#pragma unroll
                    for (int e = 0; e < 4; e++)
                        p[m][i][e] = p[m][i + 2][e];
        }
    }
}

/* Stores the warp's rows of out, through shared memory at out_rows, in 16-byte vectors. */
template <int DIM, int ROWS, typename Element>
DEVICE_INLINE void store_out(const flash_cuda_call *c, const row_tile *tile,
                             const softmax (*soft)[2], const float (*acc)[DIM / 8][4],
                             uint32_t out_rows, int warp_row, int warp_rows, int lane)
{
    using S = prefill_shape<DIM, ROWS>;
    const int g = lane / 4, t = lane % 4;

    __syncwarp();
#pragma unroll
    for (int m = 0; m < S::MM; m++)
#pragma unroll
        for (int h = 0; h < 2; h++) {
            float inverse = __fdiv_rn(1.0f, row_sum(soft[m][h].sum));

            /* Vector n of row r is stored as vector n ^ (r & 7) = n ^ g: no bank conflicts. */
#pragma unroll
            for (int n = 0; n < DIM / 8; n++)
                store_4B(out_rows + (16 * m + 8 * h + g) * S::ROW_BYTES + ((n ^ g) << 4) + t * 4,
                         pack_out<Element>(acc[m][n][2 * h], acc[m][n][2 * h + 1], inverse));
        }
    __syncwarp();

    constexpr int ROWS_PER_PASS = 32 / S::VECTORS; /* of a warp */
    const int vector = lane % S::VECTORS, lane_row = lane / S::VECTORS;
    char *out_base = c->out + (int64_t)tile->head * c->group * S::ROW_BYTES + vector * 16;
    row_walk walk = row_walk_start(c, tile->row0 + warp_row + lane_row, ROWS_PER_PASS);

#pragma unroll
    for (int i = 0; i < 16 * S::MM / ROWS_PER_PASS; i++) {
        int r = lane_row + i * ROWS_PER_PASS;
        uint32_t x[4];

        load_16B(x, out_rows + r * S::ROW_BYTES + ((vector ^ (r & 7)) << 4));
        if (r < warp_rows)
            store_global_16B(out_base + (tile->token0 + walk.token) * c->out_stride +
                                 walk.head * S::ROW_BYTES,
                             x);
        row_walk_next(c, &walk);
    }
}

template <int DIM, int ROWS, typename Element, bool PAGED>
__global__ void __launch_bounds__(FLASH_PREFILL_WARPS * 32, ROWS == 128 ? 2
                                                            : DIM == 64 ? 4
                                                                        : 3)
    flash_prefill_kernel(const __grid_constant__ flash_cuda_call c)
{
    using S = prefill_shape<DIM, ROWS>;
    constexpr int KEYS = S::KEYS, KK = S::KK, MM = S::MM, STAGE = S::STAGE;
    constexpr int ROW_BYTES = S::ROW_BYTES, PASS = S::PASS;
    constexpr bool Q_IN_STAGE = S::Q_IN_STAGE;
    extern __shared__ __align__(128) unsigned char shared[];
    const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    /* by the parity of all bits of the index: the indices of thread blocks that share a
     * multiprocessor differ by any number */
    const int warp = (threadIdx.x / 32) ^ (__popc(blockIdx.x) % 2 * (FLASH_PREFILL_WARPS - 1));
    row_tile tile;

    if (!find_row_tile(&c, ROWS, lane, &tile))
        return;

    const int first = tile.lo / KEYS; /* key tile */
    const uint32_t stages = shared_address(shared) + (Q_IN_STAGE ? 0 : ROWS * ROW_BYTES);
    const uint32_t q_tile = Q_IN_STAGE ? stages + STAGE : shared_address(shared);

    /* What this thread copies: one 16-byte vector of every PASS-th row. PASS is 16 or 8. */
    const int copy_row = threadIdx.x / S::VECTORS, copy_vector = threadIdx.x % S::VECTORS;
    const uint32_t copy_dst = copy_row * ROW_BYTES + ((copy_vector ^ (copy_row & 7)) << 4);
    kv_source s;
    int64_t offset = 0;

    s.vector = tile.head * c.head_stride + copy_row * c.token_stride + copy_vector * 16;
    s.lo = tile.lo;
    s.hi = tile.hi;
    s.row = copy_row;
    if constexpr (PAGED) {
        s.table = c.page_table + (int64_t)tile.slot * c.table_stride;
        offset = paged_offset<KEYS>(&c, &s, first, lane);
    } else {
        s.vector += tile.slot * c.page_stride;
    }

    load_queries<DIM, ROWS>(&c, &tile, q_tile + copy_dst, copy_row, copy_vector);
    load_tile<DIM, PAGED, Q_IN_STAGE>(&c, &s, &offset, first, stages + copy_dst, lane);
    if constexpr (!Q_IN_STAGE) {
        if ((first + 1) * KEYS < tile.hi)
            load_tile<DIM, PAGED, false>(&c, &s, &offset, first + 1, stages + STAGE + copy_dst,
                                         lane);
        else
            cp_async_commit(); /* a group in any case: they are counted */
    }
    cp_async_wait<Q_IN_STAGE ? 1 : 2>();
    if (c.sign_flip)
        flip_signs(q_tile + copy_dst, ROWS / PASS, PASS * ROW_BYTES, c.sign_flip);
    __syncthreads();

    /* This warp's rows, and this lane's: rows g and g + 8 of each A fragment. */
    const int warp_row = warp * (16 * MM);
    const int warp_rows = min(16 * MM, tile.rows - warp_row); /* <= 0: none */
    const int warp_lo = tile.pos0 + (tile.row0 + warp_row) / c.group;
    const int warp_hi = tile.pos0 + (tile.row0 + warp_row + warp_rows - 1) / c.group;
    const uint32_t k_offset = k_fragment_offset(lane, DIM), v_offset = v_fragment_offset(lane, DIM);
    const uint32_t q_rows = q_tile + warp_row * ROW_BYTES;
    uint32_t q[MM][KK][4]; /* if Q_IN_REGISTERS */
    softmax soft[MM][2];
    float acc[MM][2 * KK][4];

#pragma unroll
    for (int m = 0; m < MM; m++) {
#pragma unroll
        for (int h = 0; h < 2; h++) {
            soft[m][h].max = -CUDART_INF_F;
            soft[m][h].sum = 0;
        }
#pragma unroll
        for (int n = 0; n < 2 * KK; n++)
#pragma unroll
            for (int e = 0; e < 4; e++)
                acc[m][n][e] = 0;
    }
    if constexpr (S::Q_IN_REGISTERS) {
#pragma unroll
        for (int m = 0; m < MM; m++)
#pragma unroll
            for (int kk = 0; kk < KK; kk++)
                ldmatrix_x4(q[m][kk], q_rows + m * 16 * ROW_BYTES + (v_offset ^ kk << 5));
    }
    if constexpr (Q_IN_STAGE) {
        __syncthreads();
        if ((first + 1) * KEYS < tile.hi)
            load_tile<DIM, PAGED, true>(&c, &s, &offset, first + 1, stages + STAGE + copy_dst,
                                        lane);
        else
            cp_async_commit(); /* a group in any case: they are counted */
    }

    uint32_t next_stage = stages; /* of the next key tile, loaded or not */

    for (int token = first * KEYS; token < tile.hi; token += KEYS) {
        const uint32_t k = next_stage, v = k + KEYS * ROW_BYTES;
        /* Some rows of the thread block do not see tokens that others do. Not a function: on sm_80
         * one costs registers, which spill. */
        const bool split =
            tile.pos_lo < tile.pos_hi &&
            (token + KEYS > tile.pos_lo + 1 || (c.window && token <= tile.pos_hi - c.window));
        bool finite = true;
        float p[MM][KEYS / 8][4];

        next_stage = stages + (STAGE - (k - stages));

        /* The barrier also ends all use of the stage that is filled next. */
        if (token > tile.lo)
            cp_async_wait<0>();
        else /* the first tile */
            cp_async_wait<1>();
        if (split)
            finite = !__syncthreads_or(
                !vectors_are_finite<Element>(v + copy_dst, KEYS / PASS, PASS * ROW_BYTES));
        else
            __syncthreads();
        if (token > tile.lo && token + KEYS < tile.hi)
            load_tile<DIM, PAGED, Q_IN_STAGE>(&c, &s, &offset, token / KEYS + 1,
                                              next_stage + copy_dst, lane);
        if (warp_rows <= 0 || token > warp_hi ||
            (c.window && token + KEYS - 1 <= warp_lo - c.window))
            continue;

        multiply_keys<DIM, ROWS, Element>(p, q, q_rows, k, v_offset, k_offset);
        if (token + KEYS > warp_lo + 1 || (c.window && token <= warp_hi - c.window))
            mask_scores<DIM, ROWS>(p, &c, tile.pos0, tile.row0 + warp_row + g, token, t);
        update_max<DIM, ROWS>(p, soft, acc, c.scale);
        multiply_values<DIM, ROWS, Element>(acc, p, soft, c.scale, v, v_offset, finite, lane);
    }

    /* Over the warp's own queries, or where the next tile would be, which no warp has used since
     * the last barrier. */
    store_out<DIM, ROWS, Element>(&c, &tile, soft, acc,
                                  Q_IN_STAGE ? next_stage + warp_row * ROW_BYTES : q_rows, warp_row,
                                  warp_rows, lane);
}

template <int DIM, int ROWS, typename Element> static const void *kernel_of(bool paged)
{
    return paged ? (const void *)flash_prefill_kernel<DIM, ROWS, Element, true>
                 : (const void *)flash_prefill_kernel<DIM, ROWS, Element, false>;
}

template <int DIM, int ROWS> static const void *kernel_of(bool f16, bool paged)
{
    return f16 ? kernel_of<DIM, ROWS, __half>(paged) : kernel_of<DIM, ROWS, __nv_bfloat16>(paged);
}

template <int DIM> static const void *kernel_of(int rows, bool f16, bool paged)
{
    return rows == FLASH_PREFILL_ROWS ? kernel_of<DIM, FLASH_PREFILL_ROWS>(f16, paged)
                                      : kernel_of<DIM, FLASH_PREFILL_SHORT_ROWS>(f16, paged);
}

extern "C" const void *flash_get_prefill_kernel(int head_dim, int rows, int f16, int paged)
{
    return head_dim == 64 ? kernel_of<64>(rows, f16 != 0, paged != 0)
                          : kernel_of<128>(rows, f16 != 0, paged != 0);
}
