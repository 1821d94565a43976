/* SPDX-License-Identifier: MIT */
/*
 * Prefill on compute capability 9.0: persistent thread blocks, copies by TMA, matrix products of
 * warpgroups.
 *
 * Index map. A thread block takes row tiles from a counter until there are none. The last
 * warpgroup is the producer: its first warp finds the row tile and copies queries, keys and values;
 * a second warp copies the values where a key tile is more than one page. They are a row tile ahead
 * of the others where these still work on the end of one. The others, the consumers, compute 64
 * rows each: warp w has rows 16 w .. of the tile. Over f8_e4m3 the other three warps of the
 * producer write the tiles that the consumers read (convert.cuh).
 *
 * Keys are taken in tiles of 128 at absolute positions, descending: tiles that some row does not
 * see in whole come first. Keys and values have a ring of two stages each, whose barriers are
 * `full`, completed by the copies or conversions, and `empty`, completed by the consumer warps.
 *
 * Step j of a consumer queues the scores of tile j and the product of tile j + 1's weights and
 * values, and computes the weights of tile j while these run. The consumer warpgroups queue in
 * turns (`turn`), so that one computes weights while the products of another run.
 *
 * Values of memory without a valid token are set to zero in the first step, the only one that may
 * see such memory: a weight of 0 does not hide an infinity.
 *
 * Bits. A row's result depends on its query, its position and the tokens it attends to.
 *
 * Sources: Shah et al. 2024, "FlashAttention-3", section 3.
 */
#include "../common/softmax.cuh"
#include "convert.cuh"
#include "producer.cuh"
#include "weights.cuh"

#if HAS_WGMMA

template <int HEAD_DIM, bool OVER_F8> struct hopper_shape {
    static constexpr int DIM = HEAD_DIM, GROUPS = HOPPER_WARPGROUPS(DIM);
    static constexpr int ROWS = 64 * GROUPS, CONSUMERS = 128 * GROUPS;
    static constexpr int KEYS = HOPPER_KEYS, NN = KEYS / 8;
    static constexpr int KK = DIM / 16; /* steps of 16 elements */
    static constexpr int PANELS = DIM / HOPPER_PANEL;
    static constexpr int PANEL = KEYS * 128, Q_PANEL = ROWS * 128; /* bytes */
    static constexpr int TILE = PANELS * PANEL, Q = PANELS * Q_PANEL;
    static constexpr int STAGES = HOPPER_STAGES;

    static constexpr bool IS_F8 = OVER_F8;
    static constexpr int COPIERS = IS_F8 ? 1 : 2, CONVERTERS = 3;
    static constexpr int COPY_ELEMENTS = IS_F8 ? DIM : HOPPER_PANEL;
    static constexpr int COPY_BOXES = DIM / COPY_ELEMENTS;
    static constexpr int COPY_ROW = COPY_ELEMENTS * (IS_F8 ? 1 : 2);
    static constexpr int COPY_PANEL = KEYS * COPY_ROW, COPY_TILE = COPY_BOXES * COPY_PANEL;
    static constexpr int COPY_STAGES = IS_F8 ? HOPPER_F8_STAGES(DIM) : STAGES;

    static constexpr int PRODUCER_REGISTERS = DIM == 64 ? 32 : IS_F8 ? 56 : 40;
    static constexpr int CONSUMER_REGISTERS = DIM == 64 ? 160 : IS_F8 ? 224 : 232;
};

/* Named barriers: 0 is __syncthreads(). */
enum {
    CONSUMER_BARRIER = 1,
    TURN_BARRIER = 2, /* and following, of each consumer warpgroup */
};

/* Waits until the previous warpgroup has queued its products. */
DEVICE_INLINE void wait_for_turn(int warpgroup)
{
    barrier_wait(TURN_BARRIER + warpgroup, 256);
}

template <int GROUPS> DEVICE_INLINE void pass_turn(int warpgroup)
{
    barrier_arrive(TURN_BARRIER + (warpgroup + 1 == GROUPS ? 0 : warpgroup + 1), 256);
}

/* What a warp knows of its 16 rows, of which the lane holds rows g and g + 8. Row r sees tokens
 * [first, last]. */
struct warp_rows {
    int32_t least_last, most_first; /* of the warp's rows: all rows see the tokens between */
    int32_t first[2], last[2];      /* of the lane's rows */
};

/* row: the warp's first, of the sequence and key/value head */
DEVICE_INLINE warp_rows find_rows(const hopper_call *c, int pos0, int kv_len, int row, int g)
{
    const int before = c->window ? c->window - 1 : INT32_MAX / 2; /* tokens before its own */
    warp_rows w;

    w.least_last = c->is_causal ? pos0 + row / c->group : kv_len - 1;
    w.most_first = pos0 + (row + 15) / c->group - before;
#pragma unroll
    for (int h = 0; h < 2; h++) {
        const int pos = pos0 + (row + 8 * h + g) / c->group;

        w.last[h] = c->is_causal ? pos : kv_len - 1;
        w.first[h] = pos - before;
    }
    return w;
}

/* Returns whether some row does not see all tokens [token, token + n). */
DEVICE_INLINE bool is_masked(const warp_rows *w, int token, int n)
{
    return token + n - 1 > w->least_last || token < w->most_first;
}

/* Sets the scores of hidden tokens to -infinity. token: position of the score in p[0][0]. */
template <int NN> DEVICE_INLINE void mask_tile(float (*p)[4], const warp_rows *w, int token)
{
#pragma unroll
    for (int h = 0; h < 2; h++)
        mask_columns(p, NN, h, w->first[h] - token, w->last[h] - token);
}

/* Copies the warp's rows of out from `staging`, where vector n of row r of a panel of 64 elements
 * is at vector n ^ (r & 7), to memory. */
template <typename S>
DEVICE_INLINE void copy_out(const hopper_call *c, const volatile hopper_tile *tile,
                            uint32_t staging, int warp_row, int lane)
{
    constexpr int VECTORS = S::DIM / 8, ROWS_PER_PASS = 32 / VECTORS;
    const int vector = lane % VECTORS, warp_rows = tile->rows - warp_row; /* may be negative */
    char *out = c->out + (int64_t)tile->head * c->group * (S::DIM * 2) + vector * 16;

#pragma unroll
    for (int i = 0; i < 16 / ROWS_PER_PASS; i++) {
        const int r = lane / VECTORS + i * ROWS_PER_PASS;
        const int row = tile->row0 + warp_row + r, token = row / c->group;
        uint32_t x[4];

        load_16B(x, staging + vector / 8 * S::Q_PANEL + r * 128 + (((vector ^ r) & 7) << 4));
        if (r < warp_rows)
            *(uint4 *)(out + (tile->token0 + token) * c->out_stride +
                       (row - token * c->group) * (S::DIM * 2)) =
                make_uint4(x[0], x[1], x[2], x[3]);
    }
}

/* Sets the values of the stage at v from token row `from` on to zero. All consumers call it. */
template <typename S> DEVICE_INLINE void clear_values(uint32_t v, int from)
{
    const int vectors = (S::KEYS - from) * 8; /* of a panel */
    const uint32_t zeros[4] = { 0, 0, 0, 0 };

    for (int i = threadIdx.x; i < vectors * S::PANELS; i += S::CONSUMERS) {
        const int panel = i / vectors;

        store_16B(v + panel * S::PANEL + from * 128 + (i - panel * vectors) * 16, zeros);
    }
    share_writes();
    barrier_wait(CONSUMER_BARRIER, S::CONSUMERS);
}

/* Stores the warp's rows of out, through its part of shared memory at `staging`. */
template <typename S, typename Element>
DEVICE_INLINE void store_out(const hopper_call *c, const volatile hopper_tile *tile,
                             const softmax soft[2], const float (*acc)[4], uint32_t staging,
                             int warp_row, int lane)
{
    const int g = lane / 4, t = lane % 4;

#pragma unroll
    for (int h = 0; h < 2; h++) {
        const float inverse = __fdiv_rn(1.0f, row_sum(soft[h].sum));

        /* of copy_out(): no bank conflicts */
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
DEVICE_INLINE void consume(const hopper_call *c, const hopper_layout<S> &m,
                           const volatile hopper_tile *shared_tiles, int warp, int lane)
{
    constexpr int DIM = S::DIM, KEYS = S::KEYS, NN = S::NN;
    const int warpgroup = warp / 4, warp_row = warp * 16, g = lane / 4, t = lane % 4;
    const uint32_t q_descriptor = shared_descriptor(m.q + warpgroup * 64 * 128, 16);
    hopper_ring<S::STAGES> k, v;
    hopper_ring<2> tiles;
    hopper_ring<1> q;

    if (warpgroup == S::GROUPS - 1)
        pass_turn<S::GROUPS>(warpgroup); /* the first one begins */
    for (;;) {
        float p[NN][4], acc[DIM / 8][4], factor[2];
        uint32_t weights[NN / 2][4];
        softmax soft[2];
        warp_rows w;

        phase_wait(m.tile_full + tiles.stage() * 8, tiles.parity());

        const volatile hopper_tile *tile = shared_tiles + tiles.stage();
        const int first = tile->first, kv_len = tile->kv_len;
        const int row = tile->row0 + warp_row, pos0 = tile->pos0;

        if (tile->rows < 0)
            return;
        w = find_rows(c, pos0, kv_len, row, g);
#pragma unroll
        for (int h = 0; h < 2; h++) {
            soft[h].max = -CUDART_INF_F;
            soft[h].sum = 0;
        }
#pragma unroll
        for (int n = 0; n < DIM / 8; n++)
#pragma unroll
            for (int e = 0; e < 4; e++)
                acc[n][e] = 0;

        /* The weights of the last key tile. */
        int j = tile->end - 1;

        phase_wait(m.q_full, q.parity());
        phase_wait(m.k_full + k.stage() * 8, k.parity());
        wgmma_begin();
        queue_scores<S, Element>(p, q_descriptor, m.k + k.stage() * S::TILE);
        wgmma_commit();
        wgmma_wait<0>();
        registers_settle(p, NN);
        release(m.k_empty + k.stage() * 8, lane);
        k.n++;
        mask_tile<NN>(p, &w, j * KEYS + 2 * t);
        update_softmax<NN>(p, soft, factor, c->scale);
        pack_tile<NN, Element>(weights, p);
        if (!S::IS_F8 && kv_len < (j + 1) * KEYS) { /* what is converted is zero there */
            phase_wait(m.v_full + v.stage() * 8, v.parity());
            clear_values<S>(m.v + v.stage() * S::TILE, kv_len - j * KEYS);
        }

        while (--j >= first) {
            phase_wait(m.k_full + k.stage() * 8, k.parity());
            phase_wait(m.v_full + v.stage() * 8, v.parity());
            wait_for_turn(warpgroup);
            wgmma_begin();
            queue_scores<S, Element>(p, q_descriptor, m.k + k.stage() * S::TILE);
            wgmma_commit();
            queue_values<S, Element>(acc, weights, m.v + v.stage() * S::TILE);
            wgmma_commit();
            pass_turn<S::GROUPS>(warpgroup);
            wgmma_wait<1>();
            registers_settle(p, NN);
            release(m.k_empty + k.stage() * 8, lane);
            if (is_masked(&w, j * KEYS, KEYS))
                mask_tile<NN>(p, &w, j * KEYS + 2 * t);
            update_softmax<NN>(p, soft, factor, c->scale);
            registers_settle(p, NN);
            keep_before_wait(c->n_seqs);
            wgmma_wait<0>();
            registers_settle(acc, DIM / 8);
            release(m.v_empty + v.stage() * 8, lane);
            scale_values<DIM / 8>(acc, factor);
            pack_tile<NN, Element>(weights, p);
            k.n++;
            v.n++;
        }
        release(m.q_empty, lane);
        q.n++;

        phase_wait(m.v_full + v.stage() * 8, v.parity());
        wgmma_begin();
        queue_values<S, Element>(acc, weights, m.v + v.stage() * S::TILE);
        wgmma_commit();
        wgmma_wait<0>();
        registers_settle(acc, DIM / 8);
        release(m.v_empty + v.stage() * 8, lane);
        v.n++;
        store_out<S, Element>(c, tile, soft, acc, m.out + warp_row * 128, warp_row, lane);
        release(m.tile_empty + tiles.stage() * 8, lane);
        tiles.n++;
    }
}

template <int DIM, typename Element, bool IS_F8>
__global__ void __launch_bounds__(hopper_shape<DIM, IS_F8>::CONSUMERS + 128, 1)
    hopper_prefill_kernel(const __grid_constant__ hopper_call c)
{
    using S = hopper_shape<DIM, IS_F8>;
    extern __shared__ __align__(1024) unsigned char shared[];
    __shared__ hopper_tile tiles[2];
    const int lane = threadIdx.x % 32;
    const int warp = __shfl_sync(FULL_WARP, threadIdx.x / 32, 0);
    const hopper_layout<S> m(shared_address(shared));

    if (threadIdx.x == 0) {
        create_barriers(m, IS_F8 ? S::CONVERTERS : has_second_copier<S>(&c));
        share_phase_barriers();
    }
    __syncthreads();
    if (warp >= S::CONSUMERS / 32) {
        const int other = warp - S::CONSUMERS / 32;

        registers_shrink<S::PRODUCER_REGISTERS>();
        if (other == 0)
            produce<S>(&c, m, tiles, lane);
        else if constexpr (IS_F8)
            convert<S, Element>(&c, m, tiles, other - 1, lane);
        else if (other == 1 && has_second_copier<S>(&c))
            produce_values<S>(&c, m, tiles, lane);
    } else {
        registers_grow<S::CONSUMER_REGISTERS>();
        consume<S, Element>(&c, m, tiles, warp, lane);
    }
}

#else

/* Images for other architectures hold this stub. The host recognises it by its maximum block size.
 */
template <int DIM, typename Element, bool IS_F8>
__global__ void __launch_bounds__(32) hopper_prefill_kernel(const __grid_constant__ hopper_call c)
{
}

#endif

template <int DIM, typename Element> static const void *kernel_over(int f8)
{
    return f8 ? (const void *)hopper_prefill_kernel<DIM, Element, true>
              : (const void *)hopper_prefill_kernel<DIM, Element, false>;
}

template <int DIM> static const void *kernel_of(int f16, int f8)
{
    return f16 ? kernel_over<DIM, __half>(f8) : kernel_over<DIM, __nv_bfloat16>(f8);
}

extern "C" const void *hopper_get_prefill_kernel(int head_dim, int f16, int f8)
{
    return head_dim == 64 ? kernel_of<64>(f16, f8) : kernel_of<128>(f16, f8);
}
