/* SPDX-License-Identifier: MIT */
/*
 * Prefill over keys and values of f8_e4m3 with scales, on compute capability 9.0: the design of
 * prefill.cu with products of 8 bits.
 *
 * Index map. As in prefill.cu. The warps of the last warpgroup are: 0, the producer; 1 and 2, which
 * transpose values in shared memory; 3, which reads scales. Rings of stages connect them:
 *
 *   keys                 producer -> consumers
 *   values               producer -> transposing warps
 *   transposed values    transposing warps -> consumers
 *   scales of a tile     warp 3 -> consumers
 *
 * Queries are quantised by the consumers, each row by its largest magnitude: q = q8 q_scale. A
 * score is (q8 . k8) k_scale times the row's factor scale q_scale.
 *
 * Weights. With x the score times log2(e), a row keeps `max`, the largest x, and an exponent
 * `shift`: its weights are w = 2^(x - max + shift), their sum is that of the w, and w v_scale is
 * rounded to f8 and multiplied with the stored values. 2^shift is about 2^8 by the largest
 * magnitude of the v_scale that the row has seen, so that w v_scale is below 256: its largest is
 * far from the subnormal numbers of the type, and none is beyond 448. As for `max`, older sums are
 * multiplied by the factor that a new `shift` needs. It depends on the tokens that the row attends
 * to and on no other, hence so do the bits of the result.
 *
 * Transposition. A product of 32 tokens has, in a thread, the weights 8 i + 2t + e of its rows (i =
 * 0..3, e = 0, 1) in C fragments, and wants columns 4t + c and 4t + 16 + c (c = 0..3) of A. So
 * column 16 h + 4t + 2b + e is given to token 16 h + 8 b + 2t + e, and no weight changes its
 * thread: that is the order of tokens in the transposed values. Element d of 16 is row 8 (d & 1) +
 * d / 2 of them: ldmatrix gives pairs of elements, and stmatrix then writes 8 adjacent rows, which
 * are in different banks. So column 8 (2c + a) + 2t + e of the result is element 16 c + 4t + 2e +
 * a.
 *
 * Accumulators of products of 8 bits have fewer bits than f32. They hold one key tile, and are
 * added to sums in f32: of 64 elements at a time, since there are no registers for more.
 *
 * Sources: Shah et al. 2024, "FlashAttention-3", section 3.3.
 */
#include "producer.cuh"
#include "weights.cuh"
#include "wgmma_f8.cuh"

#if HAS_WGMMA

template <int HEAD_DIM> struct hopper_f8_shape {
    static constexpr int DIM = HEAD_DIM, GROUPS = HOPPER_F8_WARPGROUPS;
    static constexpr int COPIERS = 1, OTHERS = 3;
    static constexpr int ROWS = 64 * GROUPS, CONSUMERS = 128 * GROUPS;
    static constexpr int KEYS = HOPPER_F8_KEYS, NN = KEYS / 8, KK = DIM / 32;
    static constexpr int PANELS = 1, ROW_ELEMENTS = DIM, ROW = DIM; /* bytes of a key */
    static constexpr int PANEL = KEYS * ROW, TILE = PANEL;
    static constexpr int Q_PANEL = ROWS * 128, Q = DIM / HOPPER_PANEL * Q_PANEL;
    static constexpr bool TURNS = DIM >= HOPPER_F8_TURNS;
    static constexpr int WAIT = HOPPER_F8_WAIT; /* groups of 8 tokens weighed before the wait */
    static constexpr int PARTS = DIM / 64;      /* of a result: 64 elements each */
    static constexpr int QUERIES = ROWS * ROW;  /* of 8 bits, one term */
    static constexpr int STAGES = HOPPER_F8_STAGES, TERMS = HOPPER_F8_QUERY_TERMS;
    static constexpr int TRANSPOSERS = 2;
    static constexpr int PRODUCER_REGISTERS = HOPPER_F8_PRODUCER_REGISTERS;
    static constexpr int CONSUMER_REGISTERS = HOPPER_F8_CONSUMER_REGISTERS;
};

/* The scales of a key tile, those of a lane's tokens one after the other: of token 8 i + 2 t + e in
 * [t][2 i + e]. The padding puts the four t in different banks. */
struct alignas(16) tile_scales {
    float k[4][HOPPER_F8_KEYS / 4 + 4],
        v[4][HOPPER_F8_KEYS / 4 + 4]; /* v: 0 for tokens that do not exist */
    float shift;                      /* of weights, for the largest magnitude of v */
};

template <typename S> struct f8_layout : hopper_layout<S> {
    uint32_t queries, transposed;                      /* [TERMS], [STAGES] */
    uint32_t t_full, t_empty, scale_full, scale_empty; /* [STAGES] */

    __device__ __forceinline__ explicit f8_layout(uint32_t begin)
        : hopper_layout<S>(begin,
                           begin + 2 * S::Q + S::TERMS * S::QUERIES + 3 * S::STAGES * S::TILE),
          queries(begin + 2 * S::Q + 2 * S::STAGES * S::TILE),
          transposed(queries + S::TERMS * S::QUERIES), t_full(this->end),
          t_empty(t_full + 8 * S::STAGES), scale_full(t_empty + 8 * S::STAGES),
          scale_empty(scale_full + 8 * S::STAGES)
    {
    }
};

template <typename S> DEVICE_INLINE void create_f8_barriers(const f8_layout<S> &m)
{
    create_barriers<S>(m, S::OTHERS, S::CONSUMERS / 32, S::TRANSPOSERS);
    for (int i = 0; i < S::STAGES; i++) {
        phase_barrier_create(m.t_full + i * 8, S::TRANSPOSERS);
        phase_barrier_create(m.t_empty + i * 8, S::CONSUMERS / 32);
        phase_barrier_create(m.scale_full + i * 8, 1);
        phase_barrier_create(m.scale_empty + i * 8, S::CONSUMERS / 32);
    }
}

/* ---- transposing warps ---------------------------------------------------------------------- */

/* Sets numbers of tokens from `valid` on to 0: they may be NaN, which a weight of 0 does not hide.
 * r: of ldmatrix, 4 x 8 tokens x 16 elements. */
DEVICE_INLINE void clear_tokens(uint32_t r[4], int valid, int lane)
{
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const int token = 8 * i + lane % 4 * 2;

        r[i] &= (token < valid ? 0xffffu : 0) | (token + 1 < valid ? 0xffff0000u : 0);
    }
}

/* Transposes the share of warp `share` of a tile. valid: tokens of the tile that exist. */
template <typename S>
DEVICE_INLINE void transpose_tile(uint32_t from, uint32_t to, int valid, int share, int lane)
{
    constexpr int BLOCKS = S::DIM / 16 / S::TRANSPOSERS; /* of 16 elements */
    const int row = lane & 7, matrix = lane >> 3, c0 = share * BLOCKS;
    const int spread = S::ROW == 128 ? row : row >> 1; /* of the swizzle of values */

    from += (8 * matrix + row) * S::ROW;
    to += (16 * c0 + 8 * (matrix & 1) + row) * 128;
#pragma unroll 1
    for (int s = 0; s < S::KEYS / 32; s++) {
        uint32_t r[BLOCKS][4], x[4];

#pragma unroll
        for (int i = 0; i < BLOCKS; i++)
            ldmatrix_x4_trans(r[i], from + 32 * s * S::ROW + (((c0 + i) ^ spread) << 4));
        if (valid - 32 * s < 32)
#pragma unroll
            for (int i = 0; i < BLOCKS; i++)
                clear_tokens(r[i], valid - 32 * s, lane);
#pragma unroll
        for (int i = 0; i < BLOCKS; i++) {
#pragma unroll
            for (int h = 0; h < 2; h++) {
                x[2 * h] = __byte_perm(r[i][2 * h], r[i][2 * h + 1], 0x6420);
                x[2 * h + 1] = __byte_perm(r[i][2 * h], r[i][2 * h + 1], 0x7531);
            }
            stmatrix_x4(to + i * 16 * 128 + (((2 * s + (matrix >> 1)) ^ row) << 4), x);
        }
    }
}

template <typename S>
DEVICE_INLINE void transpose(const f8_layout<S> &m, const volatile hopper_tile *shared_tiles,
                             int share, int lane)
{
    hopper_ring<S::STAGES> v, transposed;
    hopper_ring<2> tiles;

    for (;;) {
        phase_wait(m.tile_full + tiles.stage() * 8, tiles.parity());

        const volatile hopper_tile *tile = shared_tiles + tiles.stage();
        const int rows = tile->rows, first = tile->first, kv_len = tile->kv_len;
        int j = tile->end - 1;

        if (rows < 0)
            return;
        __syncwarp();
        release(m.tile_empty + tiles.stage() * 8, lane);
        tiles.n++;
        for (; j >= first; j--) {
            phase_wait(m.v_full + v.stage() * 8, v.parity());
            phase_wait(m.t_empty + transposed.stage() * 8, transposed.parity() ^ 1);
            transpose_tile<S>(m.v + v.stage() * S::TILE,
                              m.transposed + transposed.stage() * S::TILE, kv_len - j * S::KEYS,
                              share, lane);
            share_writes();
            __syncwarp();
            release(m.v_empty + v.stage() * 8, lane);
            release(m.t_full + transposed.stage() * 8, lane);
            v.n++;
            transposed.n++;
        }
    }
}

/* ---- the warp of scales --------------------------------------------------------------------- */

/* The shift of weights for the bits of the largest magnitude of their scales: 2^shift times that is
 * at least 128 and less than 256. NaN for NaN and infinities, which so reach the result. */
DEVICE_INLINE float shift_of(uint32_t peak)
{
    const int shift = 7 + 127 - (int)(peak >> 23);

    return peak >= 0x7f800000u ? CUDART_NAN_F
                               : (float)max(-HOPPER_F8_MAX_SHIFT, min(shift, HOPPER_F8_MAX_SHIFT));
}

enum { SCALES_PER_LANE = HOPPER_F8_KEYS / 32 };

/* Scales of tokens lane, lane + 32, .. of key tile j. */
struct lane_scales {
    float k[SCALES_PER_LANE], v[SCALES_PER_LANE];
};

DEVICE_INLINE float load_scale(const float *scales, int64_t offset)
{
    return scales ? __ldg((const float *)((const char *)scales + offset)) : 1.0f;
}

DEVICE_INLINE lane_scales load_scales(const hopper_call *c, int head, int slot, int lo, int kv_len,
                                      int j, int lane)
{
    lane_scales s;

#pragma unroll
    for (int i = 0; i < SCALES_PER_LANE; i++) {
        const int token = j * HOPPER_F8_KEYS + 32 * i + lane;

        s.k[i] = s.v[i] = 0;
        if (token >= lo && token < kv_len) {
            int64_t block = slot, at = token;

            if (c->page_table) {
                const int page = token / c->block_tokens;

                block = __ldg(c->page_table + (int64_t)slot * c->table_stride + page);
                at = token - page * c->block_tokens;
            }
            at = block * c->scale_block_stride + head * c->scale_head_stride +
                 at * c->scale_token_stride;
            s.k[i] = load_scale(c->k_scale, at);
            s.v[i] = load_scale(c->v_scale, at);
        }
    }
    return s;
}

template <typename S, typename Layout>
DEVICE_INLINE void provide_scales(const hopper_call *c, const Layout &m,
                                  const volatile hopper_tile *shared_tiles, tile_scales *stages,
                                  int lane)
{
    hopper_ring<S::STAGES> ring;
    hopper_ring<2> tiles;

    for (;;) {
        phase_wait(m.tile_full + tiles.stage() * 8, tiles.parity());

        const volatile hopper_tile *tile = shared_tiles + tiles.stage();
        const int rows = tile->rows, first = tile->first, kv_len = tile->kv_len;
        const int head = tile->head, slot = tile->slot, lo = tile->lo;
        int j = tile->end - 1;
        lane_scales s;

        if (rows < 0)
            return;
        __syncwarp();
        release(m.tile_empty + tiles.stage() * 8, lane);
        tiles.n++;
        s = load_scales(c, head, slot, lo, kv_len, j, lane);
#pragma unroll 1
        for (; j >= first; j--) {
            tile_scales *to = stages + ring.stage();
            uint32_t peak = 0;

            phase_wait(m.scale_empty + ring.stage() * 8, ring.parity() ^ 1);
#pragma unroll
            for (int i = 0; i < SCALES_PER_LANE; i++) {
                const int column = 8 * i + lane / 8 * 2 + lane % 2;

                to->k[lane % 8 / 2][column] = s.k[i];
                to->v[lane % 8 / 2][column] = s.v[i];
                peak = max(peak, __float_as_uint(s.v[i]) & 0x7fffffffu);
            }
#pragma unroll
            for (int i = 16; i; i /= 2)
                peak = max(peak, __shfl_xor_sync(FULL_WARP, peak, i));
            if (lane == 0)
                to->shift = shift_of(peak);
            __syncwarp();
            release(m.scale_full + ring.stage() * 8, lane);
            ring.n++;
            if (j > first) /* while the consumers use those */
                s = load_scales(c, head, slot, lo, kv_len, j - 1, lane);
        }
    }
}

/* ---- consumers ------------------------------------------------------------------------------ */

/* State of one row, as of ../common/softmax.cuh. */
struct f8_row {
    float max;    /* of the scores before the row's factor, scales of keys included */
    float sum;    /* of the weights of the lane's tokens */
    float factor; /* of scores: scale log2(e) q_scale */
    float shift;  /* of the weights: the least of those of the tokens that the row has seen */
};

/* Address of the 16-byte vector u of row r of a tile of queries of 8 bits. */
template <typename S> DEVICE_INLINE uint32_t query_vector(uint32_t tile, int r, int u)
{
    return tile + r * S::ROW + ((u ^ (S::ROW == 128 ? r & 7 : r >> 1 & 3)) << 4);
}

/*
 * Quantises the warp's 16 rows of queries from shared memory to shared memory. Lane l has half l %
 * 2 of row l / 2. Returns the row's factor: q is the stored number times that.
 */
template <typename S, typename Element>
DEVICE_INLINE float quantise_queries(const f8_layout<S> &m, int warp_row, int lane)
{
    constexpr int VECTORS = S::DIM / 16; /* of 8 elements of 16 bits, in a half */
    const int r = warp_row + lane / 2, half = lane % 2;
    uint32_t x[VECTORS][4];
    float largest = 0x1p-100f, inverse;

#pragma unroll
    for (int i = 0; i < VECTORS; i++) {
        const int u = half * VECTORS + i;

        load_16B(x[i], m.q + u / 8 * S::Q_PANEL + r * 128 + (((u ^ r) & 7) << 4));
#pragma unroll
        for (int e = 0; e < 4; e++)
            largest = fmaxf(largest, fmaxf(fabsf(unpack<Element>(x[i][e] & 0xffff)),
                                           fabsf(unpack<Element>(x[i][e] >> 16))));
    }
    largest = fmaxf(largest, __shfl_xor_sync(FULL_WARP, largest, 1));
    inverse = __fdiv_rn(448.0f, largest);
#pragma unroll
    for (int i = 0; i < VECTORS / 2; i++) {
        uint32_t y[S::TERMS][4];

#pragma unroll
        for (int e = 0; e < 4; e++) {
            const uint32_t a = x[2 * i + e / 2][e % 2 * 2], b = x[2 * i + e / 2][e % 2 * 2 + 1];
            float z[4] = { unpack<Element>(a & 0xffff), unpack<Element>(a >> 16),
                           unpack<Element>(b & 0xffff), unpack<Element>(b >> 16) };

#pragma unroll
            for (int n = 0; n < 4; n++)
                z[n] = __fmul_rn(z[n], inverse);
            y[0][e] = pack_f8(z[0], z[1], z[2], z[3]);
            if constexpr (S::TERMS == 2) {
                float rounded[4];

                unpack_f8(rounded, y[0][e]);
                y[1][e] = pack_f8(z[0] - rounded[0], z[1] - rounded[1], z[2] - rounded[2],
                                  z[3] - rounded[3]);
            }
        }
#pragma unroll
        for (int n = 0; n < S::TERMS; n++)
            store_16B(query_vector<S>(m.queries + n * S::QUERIES, r, half * VECTORS / 2 + i), y[n]);
    }
    return __fdiv_rn(largest, 448.0f);
}

/* Queues p = Q K^T of one key tile. */
template <typename S>
DEVICE_INLINE void queue_f8_scores(float (*p)[4], uint32_t queries, uint32_t k)
{
    const uint32_t q_descriptor = shared_descriptor(queries, 16);
    const uint32_t k_descriptor = shared_descriptor(k, 16);

    wgmma_f8_scores<S::ROW, false>(p, q_descriptor, k_descriptor);
#pragma unroll
    for (int i = 1; i < S::TERMS * S::KK; i++)
        wgmma_f8_scores<S::ROW, true>(
            p, q_descriptor + ((i / S::KK * S::QUERIES + i % S::KK * 32) >> 4),
            k_descriptor + (i % S::KK * 32 >> 4));
}

/* Queues acc = weights times 64 elements of the values of one key tile. */
template <typename S>
DEVICE_INLINE void queue_f8_values(float (*acc)[4], const uint32_t (*weights)[4], uint32_t v)
{
    const uint32_t v_descriptor = shared_descriptor(v, 16);

#pragma unroll
    for (int n = 0; n < S::KEYS / 32; n++)
        wgmma_f8_values(acc, weights[n], v_descriptor + (n * 32 >> 4), n > 0);
}

/* Of the lane's scales, those of tokens 8 i + 2 t, 8 i + 2 t + 1 and the same of i + 1. */
DEVICE_INLINE float4 scales_at(const float *of_lane, int i)
{
    return *(const float4 *)(of_lane + 2 * i);
}

/* The shifts for the tokens of a tile that each of the lane's rows sees. */
DEVICE_INLINE void shifts_of_rows(const tile_scales *scales, const warp_rows *w, int token, int t,
                                  float shift[2])
{
    uint32_t peak[2] = { 0, 0 };

#pragma unroll 4
    for (int i = 0; i < HOPPER_F8_KEYS / 4; i++) {
        const int at = token + i / 2 * 8 + 2 * t + i % 2;
        const uint32_t x = __float_as_uint(scales->v[t][i]) & 0x7fffffffu;

#pragma unroll
        for (int h = 0; h < 2; h++)
            if (at >= w->first[h] && at <= w->last[h])
                peak[h] = max(peak[h], x);
    }
#pragma unroll
    for (int h = 0; h < 2; h++) {
#pragma unroll
        for (int m = 1; m <= 2; m *= 2)
            peak[h] = max(peak[h], __shfl_xor_sync(FULL_WARP, peak[h], m));
        shift[h] = shift_of(peak[h]);
    }
}

/*
 * Multiplies products of queries and keys by the scales of keys, masks them and renews the state of
 * the rows. token: position of the first key. masked: whether a row may not see all keys. factor:
 * of older sums. offset: of the exponents.
 */
template <typename S>
DEVICE_INLINE void scale_scores(float (*p)[4], f8_row row[2], float factor[2], float offset[2],
                                const warp_rows *w, const tile_scales *scales, int token,
                                bool masked, int t)
{
    float shift[2] = { scales->shift, scales->shift };

#pragma unroll
    for (int i = 0; i < S::NN; i += 2) {
        const float4 x = scales_at(scales->k[t], i);

#pragma unroll
        for (int h = 0; h < 2; h++) {
            p[i][2 * h] = __fmul_rn(p[i][2 * h], x.x);
            p[i][2 * h + 1] = __fmul_rn(p[i][2 * h + 1], x.y);
            p[i + 1][2 * h] = __fmul_rn(p[i + 1][2 * h], x.z);
            p[i + 1][2 * h + 1] = __fmul_rn(p[i + 1][2 * h + 1], x.w);
        }
    }
    if (masked) {
        mask_tile<S::NN>(p, w, token + 2 * t);
        shifts_of_rows(scales, w, token, t, shift);
    }
#pragma unroll
    for (int h = 0; h < 2; h++) {
        f8_row *r = row + h;
        float max_x = fmaxf(p[0][2 * h], p[0][2 * h + 1]), old;

#pragma unroll
        for (int i = 1; i < S::NN; i++)
            max_x = fmaxf(max_x, fmaxf(p[i][2 * h], p[i][2 * h + 1]));
        max_x = fmaxf(r->max, row_max(max_x));
        shift[h] = shift[h] >= r->shift ? r->shift : shift[h]; /* NaN stays */
        old = __fmul_rn(__fsub_rn(r->max, max_x == -CUDART_INF_F ? 0.0f : max_x), r->factor);
        factor[h] = exp2_fast(__fadd_rn(old, __fsub_rn(shift[h], r->shift)));
        offset[h] = __fsub_rn(softmax_offset(max_x, r->factor), shift[h]);
        r->max = max_x;
        r->shift = shift[h];
        r->sum = __fmul_rn(r->sum, factor[h]);
    }
}

/* Replaces scores by weights, adds these to the sums, and multiplies them by the scales of values:
 * groups [FIRST, END) of 8 tokens. */
template <int FIRST, int END>
DEVICE_INLINE void weigh_scores(float (*p)[4], f8_row row[2], const float offset[2],
                                const tile_scales *scales, int t)
{
#pragma unroll
    for (int i = FIRST; i < END; i += 2) {
        const float4 x = scales_at(scales->v[t], i);
        const float scale[2][2] = { { x.x, x.y }, { x.z, x.w } };

#pragma unroll
        for (int n = 0; n < 2; n++)
#pragma unroll
            for (int e = 0; e < 4; e++) {
                const int h = e / 2;
                const float weight = exp2_fast(__fmaf_rn(p[i + n][e], row[h].factor, -offset[h]));

                row[h].sum = __fadd_rn(row[h].sum, weight);
                p[i + n][e] = __fmul_rn(weight, scale[n][e % 2]);
            }
    }
}

/* The A fragments of the weights: no exchange between threads, see above. */
template <typename S> DEVICE_INLINE void pack_f8_tile(uint32_t (*weights)[4], const float (*p)[4])
{
#pragma unroll
    for (int n = 0; n < S::KEYS / 32; n++)
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const float *lo = p[4 * n + i / 2 * 2] + i % 2 * 2, *hi = lo + 4;

            weights[n][i] = pack_f8(lo[0], lo[1], hi[0], hi[1]);
        }
}

/* sums = sums factor + acc, of 64 elements */
DEVICE_INLINE void add_part(float (*sums)[4], const float (*acc)[4], const float factor[2])
{
#pragma unroll
    for (int n = 0; n < 8; n++)
#pragma unroll
        for (int e = 0; e < 4; e++)
            sums[n][e] = __fmaf_rn(sums[n][e], factor[e / 2], acc[n][e]);
}

/* Stores the warp's rows of out, through its part of shared memory at `staging`. */
template <typename S, typename Element>
DEVICE_INLINE void store_f8_out(const hopper_call *c, const volatile hopper_tile *tile,
                                const f8_row row[2], const float (*sums)[4], uint32_t staging,
                                int warp_row, int lane)
{
    const int g = lane / 4, t = lane % 4;

#pragma unroll
    for (int h = 0; h < 2; h++) {
        const float inverse = __fdiv_rn(1.0f, row_sum(row[h].sum));

        /* elements 16 n + 4t .. 4t+3, of vector 2 n + t / 2 */
#pragma unroll
        for (int n = 0; n < S::DIM / 16; n++) {
            const float *even = sums[2 * n] + 2 * h, *odd = sums[2 * n + 1] + 2 * h;
            const uint32_t at = staging + n / 4 * S::Q_PANEL + (8 * h + g) * 128 +
                                (((2 * n + t / 2) ^ g) % 8 << 4) + t % 2 * 8;

            store_4B(at, pack_out<Element>(even[0], odd[0], inverse));
            store_4B(at + 4, pack_out<Element>(even[1], odd[1], inverse));
        }
    }
    __syncwarp();
    copy_out<S>(c, tile, staging, warp_row, lane);
    __syncwarp();
}

template <typename S, typename Element>
DEVICE_INLINE void consume_f8(const hopper_call *c, const f8_layout<S> &m,
                              const volatile hopper_tile *shared_tiles, const tile_scales *scales,
                              int warp, int lane)
{
    constexpr int KEYS = S::KEYS, NN = S::NN, N = S::DIM / 8;
    const int warpgroup = warp / 4, warp_row = warp * 16, g = lane / 4, t = lane % 4;
    const uint32_t queries = m.queries + warpgroup * 64 * S::ROW;
    hopper_ring<S::STAGES> k, v; /* scales: as keys, until they are released */
    hopper_ring<2> tiles;
    hopper_ring<1> q;

    if (S::TURNS && warpgroup == S::GROUPS - 1)
        pass_turn<S::GROUPS>(warpgroup); /* the first one begins */
    for (;;) {
        float p[NN][4], sums[N][4], acc[8][4], factor[2], older[2], offset[2];
        uint32_t weights[KEYS / 32][4];
        f8_row rows[2];
        warp_rows w;

        phase_wait(m.tile_full + tiles.stage() * 8, tiles.parity());

        const volatile hopper_tile *tile = shared_tiles + tiles.stage();
        const int first = tile->first;
        int j = tile->end - 1;

        if (tile->rows < 0)
            return;
        w = find_rows(c, tile->pos0, tile->kv_len, tile->row0 + warp_row, g);
        phase_wait(m.q_full, q.parity());
        barrier_wait(GROUP_BARRIER + warpgroup, 128); /* no warp reads the queries before */
        {
            const float q_scale = quantise_queries<S, Element>(m, warp_row, lane);

#pragma unroll
            for (int h = 0; h < 2; h++) {
                /* above 0, as c->scale: -infinity times it stays -infinity */
                rows[h].factor =
                    fmaxf(__fmul_rn(c->scale, __shfl_sync(FULL_WARP, q_scale, 2 * (8 * h + g))),
                          0x1p-126f);
                rows[h].max = -CUDART_INF_F;
                rows[h].sum = 0;
                rows[h].shift = shift_of(0);
            }
        }
        share_writes();
        release(m.q_empty, lane);
        q.n++;
        barrier_wait(GROUP_BARRIER + warpgroup, 128);
#pragma unroll
        for (int n = 0; n < N; n++)
#pragma unroll
            for (int e = 0; e < 4; e++)
                sums[n][e] = 0;

        /* The weights of the last key tile. */
        phase_wait(m.k_full + k.stage() * 8, k.parity());
        wgmma_begin();
        queue_f8_scores<S>(p, queries, m.k + k.stage() * S::TILE);
        wgmma_commit();
        wgmma_wait<0>();
        registers_settle(p, NN);
        release(m.k_empty + k.stage() * 8, lane);
        phase_wait(m.scale_full + k.stage() * 8, k.parity());
        scale_scores<S>(p, rows, older, offset, &w, scales + k.stage(), j * KEYS,
                        is_masked(&w, j * KEYS, KEYS), t);
        weigh_scores<0, NN>(p, rows, offset, scales + k.stage(), t);
        __syncwarp();
        release(m.scale_empty + k.stage() * 8, lane);
        k.n++;
        pack_f8_tile<S>(weights, p);

        while (--j >= first) {
            const uint32_t values = m.transposed + v.stage() * S::TILE;

            phase_wait(m.k_full + k.stage() * 8, k.parity());
            phase_wait(m.t_full + v.stage() * 8, v.parity());
            if (S::TURNS)
                wait_for_turn(warpgroup);
            wgmma_begin();
            queue_f8_scores<S>(p, queries, m.k + k.stage() * S::TILE);
            wgmma_commit();
            queue_f8_values<S>(acc, weights, values);
            wgmma_commit();
            if (S::TURNS)
                pass_turn<S::GROUPS>(warpgroup);
            wgmma_wait<1>();
            registers_settle(p, NN);
            release(m.k_empty + k.stage() * 8, lane);
            phase_wait(m.scale_full + k.stage() * 8, k.parity());
            scale_scores<S>(p, rows, factor, offset, &w, scales + k.stage(), j * KEYS,
                            is_masked(&w, j * KEYS, KEYS), t);
            if constexpr (S::PARTS == 2) {
                registers_settle(p, NN);
                keep_before_wait(c->n_seqs);
                wgmma_wait<0>();
                registers_settle(acc, 8);
                add_part(sums, acc, older);
                wgmma_begin();
                queue_f8_values<S>(acc, weights, values + 64 * 128);
                wgmma_commit();
            }
            weigh_scores<0, S::WAIT>(p, rows, offset, scales + k.stage(), t);
            keep_before_wait(c->n_kv_heads);
            wgmma_wait<0>();
            registers_settle(acc, 8);
            release(m.t_empty + v.stage() * 8, lane);
            add_part(sums + 8 * (S::PARTS - 1), acc, older);
            weigh_scores<S::WAIT, NN>(p, rows, offset, scales + k.stage(), t);
            __syncwarp();
            release(m.scale_empty + k.stage() * 8, lane);
            older[0] = factor[0];
            older[1] = factor[1];
            pack_f8_tile<S>(weights, p);
            k.n++;
            v.n++;
        }

        phase_wait(m.t_full + v.stage() * 8, v.parity());
#pragma unroll
        for (int i = 0; i < S::PARTS; i++) {
            wgmma_begin();
            queue_f8_values<S>(acc, weights, m.transposed + v.stage() * S::TILE + i * 64 * 128);
            wgmma_commit();
            wgmma_wait<0>();
            registers_settle(acc, 8);
            add_part(sums + 8 * i, acc, older);
        }
        release(m.t_empty + v.stage() * 8, lane);
        v.n++;
        store_f8_out<S, Element>(c, tile, rows, sums, m.out + warp_row * 128, warp_row, lane);
        release(m.tile_empty + tiles.stage() * 8, lane);
        tiles.n++;
    }
}

template <int DIM, typename Element>
__global__ void __launch_bounds__(hopper_f8_shape<DIM>::CONSUMERS + 128, 1)
    hopper_prefill_f8_kernel(const __grid_constant__ hopper_call c)
{
    using S = hopper_f8_shape<DIM>;
    extern __shared__ __align__(1024) unsigned char shared[];
    __shared__ hopper_tile tiles[2];
    __shared__ tile_scales scales[S::STAGES];
    const int lane = threadIdx.x % 32;
    const int warp = __shfl_sync(FULL_WARP, threadIdx.x / 32, 0);
    const f8_layout<S> m(shared_address(shared));

    if (threadIdx.x == 0) {
        create_f8_barriers(m);
        share_phase_barriers();
    }
    __syncthreads();
    if (warp >= S::CONSUMERS / 32) {
        const int other = warp - S::CONSUMERS / 32;

        registers_shrink<S::PRODUCER_REGISTERS>();
        if (other == 0)
            produce<S>(&c, m, tiles, lane);
        else if (other <= S::TRANSPOSERS)
            transpose(m, tiles, other - 1, lane);
        else
            provide_scales<S>(&c, m, tiles, scales, lane);
    } else {
        registers_grow<S::CONSUMER_REGISTERS>();
        consume_f8<S, Element>(&c, m, tiles, scales, warp, lane);
    }
}

/* ---- products of 16 bits -------------------------------------------------------------------- */

/*
 * The same over f16 copies of keys and values: warps 1 and 2 of the last warpgroup convert keys and
 * values, which is exact, in place of the transposition. Queries are rounded to f16 by their
 * largest magnitude, and weights, with the exponents above, to f16.
 */
template <int HEAD_DIM> struct hopper_half_shape {
    static constexpr int DIM = HEAD_DIM, GROUPS = HOPPER_F8_WARPGROUPS;
    static constexpr int COPIERS = 1, OTHERS = 3;
    static constexpr int ROWS = 64 * GROUPS, CONSUMERS = 128 * GROUPS;
    static constexpr int KEYS = HOPPER_F8_KEYS, NN = KEYS / 8;
    static constexpr int PANELS = 1, ROW_ELEMENTS = DIM, ROW = DIM; /* bytes of a key in memory */
    static constexpr int PANEL = KEYS * ROW, TILE = PANEL;
    static constexpr int Q_PANEL = ROWS * 128, Q = DIM / HOPPER_PANEL * Q_PANEL;
    static constexpr int STAGES = HOPPER_F8_RAW_STAGES(DIM);
    static constexpr int PRODUCER_REGISTERS = 56, CONSUMER_REGISTERS = 224;
};

/* Of the tiles that are multiplied; for ../common/warpgroup_tile.cuh. */
template <typename S> struct half_tile {
    static constexpr int NN = S::NN, KK = S::DIM / 16, PANELS = S::DIM / 64;
    static constexpr int PANEL = S::KEYS * 128, Q_PANEL = S::Q_PANEL, TILE = PANELS * PANEL;
    static constexpr int STAGES = HOPPER_F8_STAGES;
};

template <typename S> struct half_layout : hopper_layout<S> {
    using H = half_tile<S>;
    /* All is in dynamic memory: padding behind static memory would be too much. */
    static constexpr uint32_t BARRIERS =
        2 * S::Q + 2 * S::STAGES * S::TILE + 2 * H::STAGES * H::TILE;
    static constexpr uint32_t SHARED_TILES = BARRIERS + 256, SCALES = SHARED_TILES + 128;
    static_assert(2 * sizeof(hopper_tile) <= 128, "the part of row tiles is too small");
    static_assert(SCALES + H::STAGES * sizeof(tile_scales) <= BARRIERS + HOPPER_F8_SHARED,
                  "the part of scales is too small");
    uint32_t k16, v16;                                 /* [H::STAGES] */
    uint32_t k16_full, k16_empty, v16_full, v16_empty; /* [H::STAGES] */
    uint32_t scale_full, scale_empty;                  /* [H::STAGES] */

    __device__ __forceinline__ explicit half_layout(uint32_t begin)
        : hopper_layout<S>(begin, begin + BARRIERS),
          k16(begin + 2 * S::Q + 2 * S::STAGES * S::TILE), v16(k16 + H::STAGES * H::TILE),
          k16_full(this->end), k16_empty(k16_full + 8 * H::STAGES),
          v16_full(k16_empty + 8 * H::STAGES), v16_empty(v16_full + 8 * H::STAGES),
          scale_full(v16_empty + 8 * H::STAGES), scale_empty(scale_full + 8 * H::STAGES)
    {
    }
};

template <typename S> DEVICE_INLINE void create_half_barriers(const half_layout<S> &m)
{
    constexpr int WARPS = S::CONSUMERS / 32;

    create_barriers<S>(m, S::OTHERS, 1, 1);
    for (int i = 0; i < half_tile<S>::STAGES; i++) {
        phase_barrier_create(m.k16_full + i * 8, 1);
        phase_barrier_create(m.v16_full + i * 8, 1);
        phase_barrier_create(m.k16_empty + i * 8, WARPS);
        phase_barrier_create(m.v16_empty + i * 8, WARPS);
        phase_barrier_create(m.scale_full + i * 8, 1);
        phase_barrier_create(m.scale_empty + i * 8, WARPS);
    }
}

/* Converts a tile. A lane takes vectors of 16 numbers of every eighth row; each eight adjacent
 * lanes read and write different banks: rows r and r ^ 5 differ in the bits that both swizzles
 * need. */
template <typename S> DEVICE_INLINE void convert_tile(uint32_t from, uint32_t to, int lane)
{
    using H = half_tile<S>;
    constexpr int AT_ONCE = 4; /* groups of 8 rows, of 64 numbers each */
    const int r = lane / 8 ^ (lane & 4 ? 5 : 0), u = lane % 4;
    const uint32_t source = from + r * S::ROW + ((u ^ (S::ROW == 128 ? r : r / 2)) << 4);
    const uint32_t first = to + r * 128 + ((2 * u ^ r) << 4), second = first ^ 16;

#pragma unroll
    for (int n = 0; n < S::KEYS / 8 * H::PANELS; n += AT_ONCE) {
        uint32_t x[AT_ONCE][4];

#pragma unroll
        for (int i = 0; i < AT_ONCE; i++)
            load_16B(x[i], (source ^ (n + i) % H::PANELS * 64) + (n + i) / H::PANELS * 8 * S::ROW);
#pragma unroll
        for (int i = 0; i < AT_ONCE; i++) {
            const int at = (n + i) % H::PANELS * H::PANEL + (n + i) / H::PANELS * 1024;
            uint32_t y[2][4];

#pragma unroll
            for (int e = 0; e < 4; e++) {
                y[e / 2][e % 2 * 2] = convert_f8(x[i][e]);
                y[e / 2][e % 2 * 2 + 1] = convert_f8(x[i][e] >> 16);
            }
            store_16B(first + at, y[0]);
            store_16B(second + at, y[1]);
        }
    }
}

/* Sets the values of a converted tile to 0 from token `from` on: they may be NaN, which a weight of
 * 0 does not hide. */
template <typename S> DEVICE_INLINE void clear_half_values(uint32_t v16, int from, int lane)
{
    using H = half_tile<S>;
    const uint32_t zeros[4] = { 0, 0, 0, 0 };

    __syncwarp();
    for (int panel = 0; panel < H::PANELS; panel++)
        for (int i = from * 8 + lane; i < S::KEYS * 8; i += 32)
            store_16B(v16 + panel * H::PANEL + i * 16, zeros);
}

/* A warp that converts keys or values. full, empty: of the tiles at `from`; full16, empty16: of
 * those at `to`. */
template <typename S>
DEVICE_INLINE void convert(const half_layout<S> &m, const volatile hopper_tile *shared_tiles,
                           bool values, int lane)
{
    using H = half_tile<S>;
    const uint32_t from = values ? m.v : m.k, to = values ? m.v16 : m.k16;
    const uint32_t full = values ? m.v_full : m.k_full, empty = values ? m.v_empty : m.k_empty;
    const uint32_t full16 = values ? m.v16_full : m.k16_full;
    const uint32_t empty16 = values ? m.v16_empty : m.k16_empty;
    hopper_ring<S::STAGES> raw;
    hopper_ring<H::STAGES> half;
    hopper_ring<2> tiles;

    for (;;) {
        phase_wait(m.tile_full + tiles.stage() * 8, tiles.parity());

        const volatile hopper_tile *tile = shared_tiles + tiles.stage();
        const int rows = tile->rows, first = tile->first, kv_len = tile->kv_len;
        int j = tile->end - 1;

        if (rows < 0)
            return;
        __syncwarp();
        release(m.tile_empty + tiles.stage() * 8, lane);
        tiles.n++;
#pragma unroll 1
        for (; j >= first; j--) {
            phase_wait(full + raw.stage() * 8, raw.parity());
            phase_wait(empty16 + half.stage() * 8, half.parity() ^ 1);
            convert_tile<S>(from + raw.stage() * S::TILE, to + half.stage() * H::TILE, lane);
            if (values && kv_len < (j + 1) * S::KEYS)
                clear_half_values<S>(to + half.stage() * H::TILE, kv_len - j * S::KEYS, lane);
            share_writes();
            __syncwarp();
            release(empty + raw.stage() * 8, lane);
            release(full16 + half.stage() * 8, lane);
            raw.n++;
            half.n++;
        }
    }
}

/* As quantise_queries(), to f16 in place. */
template <typename S, typename Element>
DEVICE_INLINE float round_queries(uint32_t q, int warp_row, int lane)
{
    constexpr int VECTORS = S::DIM / 16;
    const int r = warp_row + lane / 2, half = lane % 2;
    float largest = 0x1p-100f, inverse = 1;

#pragma unroll 1
    for (int pass = 0; pass < 2; pass++) {
#pragma unroll 4
        for (int i = 0; i < VECTORS; i++) {
            const int u = half * VECTORS + i;
            const uint32_t at = q + u / 8 * S::Q_PANEL + r * 128 + (((u ^ r) & 7) << 4);
            uint32_t x[4];

            load_16B(x, at);
#pragma unroll
            for (int e = 0; e < 4; e++) {
                const float lo = unpack<Element>(x[e] & 0xffff), hi = unpack<Element>(x[e] >> 16);

                if (pass == 0)
                    largest = fmaxf(largest, fmaxf(fabsf(lo), fabsf(hi)));
                else
                    x[e] = pack<__half>(__fmul_rn(lo, inverse), __fmul_rn(hi, inverse));
            }
            if (pass)
                store_16B(at, x);
        }
        largest = fmaxf(largest, __shfl_xor_sync(FULL_WARP, largest, 1));
        inverse = __fdiv_rn(448.0f, largest);
    }
    return __fdiv_rn(largest, 448.0f);
}

template <typename S, typename Element>
DEVICE_INLINE void store_half_out(const hopper_call *c, const volatile hopper_tile *tile,
                                  const f8_row row[2], const float (*acc)[4], uint32_t staging,
                                  int warp_row, int lane)
{
    const int g = lane / 4, t = lane % 4;

#pragma unroll
    for (int h = 0; h < 2; h++) {
        const float inverse = __fdiv_rn(1.0f, row_sum(row[h].sum));

#pragma unroll
        for (int n = 0; n < S::DIM / 8; n++)
            store_4B(staging + n / 8 * S::Q_PANEL + (8 * h + g) * 128 + ((n % 8 ^ g) << 4) + t * 4,
                     pack_out<Element>(acc[n][2 * h], acc[n][2 * h + 1], inverse));
    }
    __syncwarp();
    copy_out<S>(c, tile, staging, warp_row, lane);
    __syncwarp();
}

template <typename S, typename Element>
DEVICE_INLINE void consume_half(const hopper_call *c, const half_layout<S> &m,
                                const volatile hopper_tile *shared_tiles, const tile_scales *scales,
                                int warp, int lane)
{
    using H = half_tile<S>;
    constexpr int KEYS = S::KEYS, NN = S::NN, N = S::DIM / 8;
    const int warpgroup = warp / 4, warp_row = warp * 16, g = lane / 4, t = lane % 4;
    const uint32_t q_descriptor = shared_descriptor(m.q + warpgroup * 64 * 128, 16);
    hopper_ring<H::STAGES> k, v; /* scales: as keys, until they are released */
    hopper_ring<2> tiles;
    hopper_ring<1> q;

    if (warpgroup == S::GROUPS - 1)
        pass_turn<S::GROUPS>(warpgroup); /* the first one begins */
    for (;;) {
        float p[NN][4], acc[N][4], factor[2], offset[2];
        uint32_t weights[NN / 2][4];
        f8_row rows[2];
        warp_rows w;

        phase_wait(m.tile_full + tiles.stage() * 8, tiles.parity());

        const volatile hopper_tile *tile = shared_tiles + tiles.stage();
        const int first = tile->first;
        int j = tile->end - 1;

        if (tile->rows < 0)
            return;
        w = find_rows(c, tile->pos0, tile->kv_len, tile->row0 + warp_row, g);
        phase_wait(m.q_full, q.parity());
        {
            const float q_scale = round_queries<S, Element>(m.q, warp_row, lane);

#pragma unroll
            for (int h = 0; h < 2; h++) {
                /* above 0, as c->scale: -infinity times it stays -infinity */
                rows[h].factor =
                    fmaxf(__fmul_rn(c->scale, __shfl_sync(FULL_WARP, q_scale, 2 * (8 * h + g))),
                          0x1p-126f);
                rows[h].max = -CUDART_INF_F;
                rows[h].sum = 0;
                rows[h].shift = shift_of(0);
            }
        }
        share_writes();
        barrier_wait(GROUP_BARRIER + warpgroup, 128);
#pragma unroll
        for (int n = 0; n < N; n++)
#pragma unroll
            for (int e = 0; e < 4; e++)
                acc[n][e] = 0;

        /* The weights of the last key tile. */
        phase_wait(m.k16_full + k.stage() * 8, k.parity());
        wgmma_begin();
        queue_scores<H, __half>(p, q_descriptor, m.k16 + k.stage() * H::TILE);
        wgmma_commit();
        wgmma_wait<0>();
        registers_settle(p, NN);
        release(m.k16_empty + k.stage() * 8, lane);
        phase_wait(m.scale_full + k.stage() * 8, k.parity());
        scale_scores<S>(p, rows, factor, offset, &w, scales + k.stage(), j * KEYS,
                        is_masked(&w, j * KEYS, KEYS), t);
        weigh_scores<0, NN>(p, rows, offset, scales + k.stage(), t);
        __syncwarp();
        release(m.scale_empty + k.stage() * 8, lane);
        k.n++;
        pack_tile<NN, __half>(weights, p);

        while (--j >= first) {
            phase_wait(m.k16_full + k.stage() * 8, k.parity());
            phase_wait(m.v16_full + v.stage() * 8, v.parity());
            wait_for_turn(warpgroup);
            wgmma_begin();
            queue_scores<H, __half>(p, q_descriptor, m.k16 + k.stage() * H::TILE);
            wgmma_commit();
            queue_values<H, __half>(acc, weights, m.v16 + v.stage() * H::TILE);
            wgmma_commit();
            pass_turn<S::GROUPS>(warpgroup);
            wgmma_wait<1>();
            registers_settle(p, NN);
            release(m.k16_empty + k.stage() * 8, lane);
            phase_wait(m.scale_full + k.stage() * 8, k.parity());
            scale_scores<S>(p, rows, factor, offset, &w, scales + k.stage(), j * KEYS,
                            is_masked(&w, j * KEYS, KEYS), t);
            weigh_scores<0, NN>(p, rows, offset, scales + k.stage(), t);
            registers_settle(p, NN);
            __syncwarp();
            release(m.scale_empty + k.stage() * 8, lane);
            keep_before_wait(c->n_seqs);
            wgmma_wait<0>();
            registers_settle(acc, N);
            release(m.v16_empty + v.stage() * 8, lane);
            scale_values<N>(acc, factor);
            pack_tile<NN, __half>(weights, p);
            k.n++;
            v.n++;
        }
        release(m.q_empty, lane);
        q.n++;

        phase_wait(m.v16_full + v.stage() * 8, v.parity());
        wgmma_begin();
        queue_values<H, __half>(acc, weights, m.v16 + v.stage() * H::TILE);
        wgmma_commit();
        wgmma_wait<0>();
        registers_settle(acc, N);
        release(m.v16_empty + v.stage() * 8, lane);
        v.n++;
        store_half_out<S, Element>(c, tile, rows, acc, m.out + warp_row * 128, warp_row, lane);
        release(m.tile_empty + tiles.stage() * 8, lane);
        tiles.n++;
    }
}

template <int DIM, typename Element>
__global__ void __launch_bounds__(hopper_half_shape<DIM>::CONSUMERS + 128, 1)
    hopper_prefill_half_kernel(const __grid_constant__ hopper_call c)
{
    using S = hopper_half_shape<DIM>;
    extern __shared__ __align__(1024) unsigned char shared[];
    const int lane = threadIdx.x % 32;
    const int warp = __shfl_sync(FULL_WARP, threadIdx.x / 32, 0);
    const half_layout<S> m(shared_address(shared));
    hopper_tile *tiles = (hopper_tile *)(shared + half_layout<S>::SHARED_TILES);
    tile_scales *scales = (tile_scales *)(shared + half_layout<S>::SCALES);

    if (threadIdx.x == 0) {
        create_half_barriers(m);
        share_phase_barriers();
    }
    __syncthreads();
    if (warp >= S::CONSUMERS / 32) {
        const int other = warp - S::CONSUMERS / 32;

        registers_shrink<S::PRODUCER_REGISTERS>();
        if (other == 0)
            produce<S>(&c, m, tiles, lane);
        else if (other <= 2)
            convert(m, tiles, other == 2, lane);
        else
            provide_scales<half_tile<S>>(&c, m, tiles, scales, lane);
    } else {
        registers_grow<S::CONSUMER_REGISTERS>();
        consume_half<S, Element>(&c, m, tiles, scales, warp, lane);
    }
}

#else

/* As in prefill.cu. */
template <int DIM, typename Element>
__global__ void __launch_bounds__(32)
    hopper_prefill_f8_kernel(const __grid_constant__ hopper_call c)
{
}

template <int DIM, typename Element>
__global__ void __launch_bounds__(32)
    hopper_prefill_half_kernel(const __grid_constant__ hopper_call c)
{
}

#endif

template <int DIM, typename Element> static const void *f8_kernel_of(void)
{
#if HOPPER_F8_PRODUCT_BITS == 16
    return (const void *)hopper_prefill_half_kernel<DIM, Element>;
#else
    return (const void *)hopper_prefill_f8_kernel<DIM, Element>;
#endif
}

extern "C" const void *hopper_get_prefill_f8_kernel(int head_dim, int f16)
{
    return head_dim == 64
               ? (f16 ? f8_kernel_of<64, __half>() : f8_kernel_of<64, __nv_bfloat16>())
               : (f16 ? f8_kernel_of<128, __half>() : f8_kernel_of<128, __nv_bfloat16>());
}
