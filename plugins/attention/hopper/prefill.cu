/* SPDX-License-Identifier: MIT */
/*
 * Prefill on compute capability 9.0: persistent thread blocks, copies by TMA, matrix products of
 * warpgroups.
 *
 * Index map. A thread block takes row tiles from a counter until there are none. The last
 * warpgroup is the producer: its first warp finds the row tile and copies queries, keys and values;
 * it is a row tile ahead of the others where they still work on the end of one. The others, the
 * consumers, compute 64 rows each: warp w has rows 16 w .. of the tile.
 *
 * Keys are taken in tiles of 128 at absolute positions, descending: tiles that some row does not
 * see in whole come first. Keys and values have a ring of two stages each, whose barriers are
 * `full`, completed by the copies, and `empty`, completed by the consumer warps.
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
#include "../common/sequence_of_tile.cuh"
#include "../common/warpgroup_tile.cuh"
#include "hopper.h"
#include "tma.cuh"
#include "weights.cuh"

#if HAS_WGMMA

template <int DIM> struct hopper_shape {
    static constexpr int GROUPS = HOPPER_WARPGROUPS(DIM);
    static constexpr int ROWS = 64 * GROUPS, CONSUMERS = 128 * GROUPS;
    static constexpr int KEYS = HOPPER_KEYS, NN = KEYS / 8;
    static constexpr int KK = DIM / 16; /* steps of 16 elements */
    static constexpr int PANELS = DIM / HOPPER_PANEL;
    static constexpr int PANEL = KEYS * 128, Q_PANEL = ROWS * 128; /* bytes */
    static constexpr int TILE = PANELS * PANEL, Q = PANELS * Q_PANEL;
    static constexpr int STAGES = HOPPER_STAGES;
    static constexpr int VECTORS = DIM / 8; /* 16-byte vectors of a row */
    static constexpr int PRODUCER_REGISTERS = DIM == 64 ? 32 : 40;
    static constexpr int CONSUMER_REGISTERS = DIM == 64 ? 160 : 232;
};

/* A row tile: rows [row0, row0 + rows) of one sequence and key/value head. rows < 0: no more. */
struct hopper_tile {
    int32_t head, slot;
    int32_t token0; /* the sequence's first query token */
    int32_t row0, rows;
    int32_t pos0;       /* position of that token */
    int32_t kv_len;     /* of the sequence */
    int32_t lo;         /* first token that some row sees */
    int32_t first, end; /* key tiles [first, end) that some row sees */
};

/* Addresses in shared memory. */
template <int DIM> struct hopper_layout {
    using S = hopper_shape<DIM>;
    uint32_t q, out, k, v; /* k, v: [STAGES] */
    uint32_t q_full, q_empty;
    uint32_t tile_full, tile_empty;            /* [2] */
    uint32_t k_full, k_empty, v_full, v_empty; /* [STAGES] */

    __device__ __forceinline__ explicit hopper_layout(uint32_t begin)
        : q(begin), out(q + S::Q), k(out + S::Q), v(k + S::STAGES * S::TILE),
          q_full(v + S::STAGES * S::TILE), q_empty(q_full + 8), tile_full(q_full + 16),
          tile_empty(q_full + 32), k_full(q_full + 48), k_empty(k_full + 8 * S::STAGES),
          v_full(k_empty + 8 * S::STAGES), v_empty(v_full + 8 * S::STAGES)
    {
    }
};

template <int DIM> DEVICE_INLINE void create_barriers(const hopper_layout<DIM> &m)
{
    using S = hopper_shape<DIM>;
    constexpr int WARPS = S::CONSUMERS / 32;

    if (threadIdx.x == 0) {
        phase_barrier_create(m.q_full, 1);
        phase_barrier_create(m.q_empty, WARPS);
        for (int i = 0; i < 2; i++) {
            phase_barrier_create(m.tile_full + i * 8, 1);
            phase_barrier_create(m.tile_empty + i * 8, WARPS);
        }
        for (int i = 0; i < S::STAGES; i++) {
            phase_barrier_create(m.k_full + i * 8, 1);
            phase_barrier_create(m.v_full + i * 8, 1);
            phase_barrier_create(m.k_empty + i * 8, WARPS);
            phase_barrier_create(m.v_empty + i * 8, WARPS);
        }
        share_phase_barriers();
    }
    __syncthreads();
}

/* Stage and parity of the n-th use of a ring. */
template <int STAGES> struct hopper_ring {
    uint32_t n = 0;

    __device__ __forceinline__ int stage(void) const
    {
        return n % STAGES;
    }
    __device__ __forceinline__ uint32_t parity(void) const
    {
        return n / STAGES & 1;
    }
};

/* ---- producer ------------------------------------------------------------------------------- */

/*
 * Row tile `index`. Sequence i owns floor(q_start[i + 1] g / ROWS) - floor(q_start[i] g / ROWS) + 1
 * numbers per head, never fewer than it has tiles. The numbers of a head follow one another, so
 * that thread blocks read the same keys at a time; the last tile, which sees most keys, comes
 * first. Returns whether there is such a tile.
 */
template <int DIM>
DEVICE_INLINE bool find_tile(const hopper_call *c, int index, int lane, hopper_tile *t)
{
    using S = hopper_shape<DIM>;
    const int seq = sequence_of_tile(c, S::ROWS, 1, lane, index / c->n_kv_heads);
    const int token0 = __ldg(c->q_start + seq), token_end = __ldg(c->q_start + seq + 1);
    const int begin = token0 * c->group / S::ROWS + seq; /* numbers before it, per head */
    const int owned = token_end * c->group / S::ROWS + seq + 1 - begin;
    const int local = index - begin * c->n_kv_heads;
    const int tokens = token_end - token0, rows = tokens * c->group;
    const int n_tiles = (rows + S::ROWS - 1) / S::ROWS;
    const int tile = local % owned;

    t->head = local / owned;
    if (tile >= n_tiles || t->head >= c->n_kv_heads)
        return false;
    t->slot = __ldg(c->slot + seq);
    t->kv_len = __ldg(c->kv_len + seq);
    t->token0 = token0;
    t->row0 = (n_tiles - 1 - tile) * S::ROWS;
    t->rows = min(S::ROWS, rows - t->row0);
    t->pos0 = t->kv_len - tokens;

    const int pos_lo = t->pos0 + t->row0 / c->group;
    const int pos_hi = t->pos0 + (t->row0 + t->rows - 1) / c->group;

    t->lo = c->window ? max(0, pos_lo - c->window + 1) : 0;
    t->first = t->lo / S::KEYS;
    t->end = pos_hi / S::KEYS + 1;
    return true;
}

/* Queues the copies of key tile j to dst; the lanes of the warp share them. `full` completes. */
template <int DIM>
DEVICE_INLINE void copy_tile(const hopper_call *c, const CUtensorMap *map, const hopper_tile *t,
                             int j, uint32_t dst, uint32_t full, int lane)
{
    using S = hopper_shape<DIM>;
    const int boxes = S::KEYS / c->box_tokens;

    if (lane == 0)
        phase_expect(full, S::TILE);
    __syncwarp();
#pragma unroll 1
    for (int i = lane; i < boxes * S::PANELS; i += 32) {
        const int panel = i / boxes, box = i - panel * boxes;
        int token = j * S::KEYS + box * c->box_tokens, block = t->slot;

        if (c->page_table) {
            /* The entry of a page without a token that is read may be any number. Its box is copied
             * from behind a block: zeros. */
            const bool is_read = token + c->box_tokens > t->lo && token < t->kv_len;

            block = is_read ? __ldg(c->page_table + (int64_t)t->slot * c->table_stride +
                                    token / c->block_tokens)
                            : 0;
            token = is_read ? token % c->block_tokens : c->block_tokens;
        }
        copy_box(dst + panel * S::PANEL + box * c->box_tokens * 128, map, full,
                 panel * HOPPER_PANEL, token, t->head, block);
    }
}

/* Copies queries, keys and values of the row tiles in the order of their use: Q, K of the last key
 * tile, K of the one before, V of the last ... */
template <int DIM>
DEVICE_INLINE void produce(const hopper_call *c, const hopper_layout<DIM> &m,
                           hopper_tile *shared_tiles, int lane)
{
    using S = hopper_shape<DIM>;
    hopper_ring<S::STAGES> k, v;
    hopper_ring<2> tiles; /* handed to the consumers */
    hopper_ring<1> q;

    for (;;) {
        uint32_t index = 0;
        hopper_tile t;

        if (lane == 0)
            index = atomicAdd(c->next_tile, 1u);
        index = __shfl_sync(FULL_WARP, index, 0);
        if (index >= (uint32_t)c->n_tiles) {
            /* every thread block takes one number too many: the last one resets the counter */
            if (lane == 0 && index == (uint32_t)c->n_tiles + gridDim.x - 1)
                *c->next_tile = 0;
            t.rows = -1;
        } else if (!find_tile<DIM>(c, (int)index, lane, &t)) {
            continue;
        }
        /* stages that have never been used count as empty */
        phase_wait(m.tile_empty + tiles.stage() * 8, tiles.parity() ^ 1);
        if (lane == 0) {
            shared_tiles[tiles.stage()] = t;
            phase_arrive(m.tile_full + tiles.stage() * 8);
        }
        if (t.rows < 0)
            return;
        tiles.n++;
        phase_wait(m.q_empty, q.parity() ^ 1);
        q.n++;
        if (lane == 0) {
            phase_expect(m.q_full, S::Q);
            for (int i = 0; i < S::PANELS; i++)
                copy_box(m.q + i * S::Q_PANEL, &c->q, m.q_full, i * HOPPER_PANEL, t.head * c->group,
                         t.token0 + t.row0 / c->group);
        }
#pragma unroll 1
        for (int j = t.end - 1; j >= t.first - 1; j--) {
            if (j >= t.first) {
                phase_wait(m.k_empty + k.stage() * 8, k.parity() ^ 1);
                copy_tile<DIM>(c, &c->k, &t, j, m.k + k.stage() * S::TILE, m.k_full + k.stage() * 8,
                               lane);
                k.n++;
            }
            if (j + 1 < t.end) {
                phase_wait(m.v_empty + v.stage() * 8, v.parity() ^ 1);
                copy_tile<DIM>(c, &c->v, &t, j + 1, m.v + v.stage() * S::TILE,
                               m.v_full + v.stage() * 8, lane);
                v.n++;
            }
        }
    }
}

/* ---- consumers ------------------------------------------------------------------------------ */

/* Named barriers: 0 is __syncthreads(). */
enum { CONSUMER_BARRIER = 1, TURN_BARRIER = 2 /* and following, of each consumer warpgroup */ };

/* Waits until the previous warpgroup has queued its products. */
DEVICE_INLINE void wait_for_turn(int warpgroup)
{
    barrier_wait(TURN_BARRIER + warpgroup, 256);
}

template <int GROUPS> DEVICE_INLINE void pass_turn(int warpgroup)
{
    barrier_arrive(TURN_BARRIER + (warpgroup + 1 == GROUPS ? 0 : warpgroup + 1), 256);
}

/* What a warp knows of its 16 rows, of which the lane holds rows g and g + 8. */
struct warp_rows {
    int32_t lo, hi; /* positions of the first row and the last */
    int32_t pos[2]; /* of the lane's rows */
};

/* Masks both rows; token: position of the score in p[0][0]. */
template <int NN>
DEVICE_INLINE void mask_tile(float (*p)[4], const warp_rows *w, int token, int window)
{
    mask_scores(p, NN, 0, token, w->pos[0], window);
    mask_scores(p, NN, 1, token, w->pos[1], window);
}

/* Sets the values of the stage at v from token row `from` on to zero. All consumers call it. */
template <int DIM> DEVICE_INLINE void clear_values(uint32_t v, int from)
{
    using S = hopper_shape<DIM>;
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
template <int DIM, typename Element>
DEVICE_INLINE void store_out(const hopper_call *c, const volatile hopper_tile *tile,
                             const softmax soft[2], const float (*acc)[4], uint32_t staging,
                             int warp_row, int lane)
{
    using S = hopper_shape<DIM>;
    constexpr int ROWS_PER_PASS = 32 / S::VECTORS;
    const int g = lane / 4, t = lane % 4, vector = lane % S::VECTORS;
    const int warp_rows = tile->rows - warp_row; /* may be negative */
    char *out = c->out + (int64_t)tile->head * c->group * (DIM * 2) + vector * 16;

#pragma unroll
    for (int h = 0; h < 2; h++) {
        const float inverse = __fdiv_rn(1.0f, row_sum(soft[h].sum));

        /* Vector n of row r of a panel is stored as vector n ^ (r & 7): no bank conflicts. */
#pragma unroll
        for (int n = 0; n < DIM / 8; n++)
            store_4B(staging + n / 8 * S::Q_PANEL + (8 * h + g) * 128 + ((n % 8 ^ g) << 4) + t * 4,
                     pack_out<Element>(acc[n][2 * h], acc[n][2 * h + 1], inverse));
    }
    __syncwarp();
#pragma unroll
    for (int i = 0; i < 16 / ROWS_PER_PASS; i++) {
        const int r = lane / S::VECTORS + i * ROWS_PER_PASS;
        const int row = tile->row0 + warp_row + r, token = row / c->group;
        uint32_t x[4];

        load_16B(x, staging + vector / 8 * S::Q_PANEL + r * 128 + (((vector ^ r) & 7) << 4));
        if (r < warp_rows)
            *(uint4 *)(out + (tile->token0 + token) * c->out_stride +
                       (row - token * c->group) * (DIM * 2)) = make_uint4(x[0], x[1], x[2], x[3]);
    }
    __syncwarp();
}

template <int DIM, typename Element>
DEVICE_INLINE void consume(const hopper_call *c, const hopper_layout<DIM> &m,
                           const volatile hopper_tile *shared_tiles, int warp, int lane)
{
    using S = hopper_shape<DIM>;
    constexpr int KEYS = S::KEYS, NN = S::NN;
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
        w.lo = pos0 + row / c->group;
        w.hi = pos0 + (row + 15) / c->group;
#pragma unroll
        for (int h = 0; h < 2; h++) {
            w.pos[h] = pos0 + (row + 8 * h + g) / c->group;
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
        mask_tile<NN>(p, &w, j * KEYS + 2 * t, c->window);
        update_softmax<NN>(p, soft, factor, c->scale);
        pack_tile<NN, Element>(weights, p);
        if (kv_len < (j + 1) * KEYS) {
            phase_wait(m.v_full + v.stage() * 8, v.parity());
            clear_values<DIM>(m.v + v.stage() * S::TILE, kv_len - j * KEYS);
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
            if ((j + 1) * KEYS > w.lo + 1 || (c->window && j * KEYS <= w.hi - c->window))
                mask_tile<NN>(p, &w, j * KEYS + 2 * t, c->window);
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
        store_out<DIM, Element>(c, tile, soft, acc, m.out + warp_row * 128, warp_row, lane);
        release(m.tile_empty + tiles.stage() * 8, lane);
        tiles.n++;
    }
}

template <int DIM, typename Element>
__global__ void __launch_bounds__(hopper_shape<DIM>::CONSUMERS + 128, 1)
    hopper_prefill_kernel(const __grid_constant__ hopper_call c)
{
    using S = hopper_shape<DIM>;
    extern __shared__ __align__(1024) unsigned char shared[];
    __shared__ hopper_tile tiles[2];
    const int lane = threadIdx.x % 32;
    const int warp = __shfl_sync(FULL_WARP, threadIdx.x / 32, 0);
    const hopper_layout<DIM> m(shared_address(shared));

    create_barriers(m);
    if (warp >= S::CONSUMERS / 32) {
        registers_shrink<S::PRODUCER_REGISTERS>();
        if (warp == S::CONSUMERS / 32)
            produce<DIM>(&c, m, tiles, lane);
    } else {
        registers_grow<S::CONSUMER_REGISTERS>();
        consume<DIM, Element>(&c, m, tiles, warp, lane);
    }
}

#else

/* Images for other architectures hold this stub. The host recognises it by its maximum block size.
 */
template <int DIM, typename Element>
__global__ void __launch_bounds__(32) hopper_prefill_kernel(const __grid_constant__ hopper_call c)
{
}

#endif

extern "C" const void *hopper_get_prefill_kernel(int head_dim, int f16)
{
    return head_dim == 64 ? (f16 ? (const void *)hopper_prefill_kernel<64, __half>
                                 : (const void *)hopper_prefill_kernel<64, __nv_bfloat16>)
                          : (f16 ? (const void *)hopper_prefill_kernel<128, __half>
                                 : (const void *)hopper_prefill_kernel<128, __nv_bfloat16>);
}
