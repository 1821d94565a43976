/* SPDX-License-Identifier: MIT */
/**
 * @file producer.cuh  The producer of prefill.cu: row tiles, the copies of queries, keys and
 * values.
 *
 * Its shape S has the consumer warpgroups GROUPS with ROWS rows and CONSUMERS threads; DIM elements
 * of a head; KEYS tokens of a key tile; the bytes TILE of a tile of keys or values of 16 bits and
 * the STAGES of their rings, Q_PANEL and Q of 64 elements and all elements of the queries.
 *
 * What is copied: COPY_BOXES boxes of COPY_ELEMENTS elements of a token, COPY_ROW bytes each; the
 * bytes COPY_PANEL and COPY_TILE of a box of all tokens and of a tile, and the COPY_STAGES. Of 16
 * bits (!IS_F8) these are the tiles that consumers read. Of 8 bits, CONVERTERS warps write those.
 * COPIERS is the most warps that copy, 1 or 2.
 */
#ifndef HOPPER_PRODUCER_CUH
#define HOPPER_PRODUCER_CUH

#include "../common/sequence_of_tile.cuh"
#include "../common/warpgroup_tile.cuh"
#include "hopper.h"
#include "ptx/tma.cuh"

#if HAS_WGMMA

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

/* Addresses of the stages that copies of keys or values fill. */
struct copy_stages {
    uint32_t tiles;
    uint32_t scales; /* of 8 bits: [stage][KEYS] floats */
    uint32_t full, empty;
};

/* Addresses in shared memory, of which the tensors are first. */
template <typename S> struct hopper_layout {
    static constexpr uint32_t TILES = 2 * S::Q + 2 * S::STAGES * S::TILE; /* bytes */
    static constexpr uint32_t F8_TILES = S::COPY_STAGES * S::COPY_TILE;   /* of keys or values */
    static constexpr uint32_t F8_SCALES = S::COPY_STAGES * S::KEYS * 4;
    static constexpr uint32_t TENSORS = TILES + (S::IS_F8 ? 2 * (F8_TILES + F8_SCALES) : 0);

    uint32_t q, out, k, v; /* k, v: [STAGES] */
    uint32_t q_full, q_empty;
    uint32_t tile_full, tile_empty;            /* [2] */
    uint32_t k_full, k_empty, v_full, v_empty; /* [STAGES] */
    copy_stages k_copies, v_copies;

    __device__ __forceinline__ explicit hopper_layout(uint32_t begin)
        : q(begin), out(q + S::Q), k(out + S::Q), v(k + S::STAGES * S::TILE),
          q_full(begin + TENSORS), q_empty(q_full + 8), tile_full(q_full + 16),
          tile_empty(q_full + 32), k_full(q_full + 48), k_empty(k_full + 8 * S::STAGES),
          v_full(k_empty + 8 * S::STAGES), v_empty(v_full + 8 * S::STAGES)
    {
        if constexpr (S::IS_F8) {
            const uint32_t tiles = begin + TILES, scales = tiles + 2 * F8_TILES;
            const uint32_t full = v_empty + 8 * S::STAGES, step = 8 * S::COPY_STAGES;

            k_copies = { tiles, scales, full, full + step };
            v_copies = { tiles + F8_TILES, scales + F8_SCALES, full + 2 * step, full + 3 * step };
        } else {
            k_copies = { k, 0, k_full, k_empty };
            v_copies = { v, 0, v_full, v_empty };
        }
    }
};

/* Creates the barriers of a layout. One thread calls it. readers: warps besides consumers that read
 * row tiles. */
template <typename S> DEVICE_INLINE void create_barriers(const hopper_layout<S> &m, int readers)
{
    constexpr int WARPS = S::CONSUMERS / 32;

    phase_barrier_create(m.q_full, 1);
    phase_barrier_create(m.q_empty, WARPS);
    for (int i = 0; i < 2; i++) {
        phase_barrier_create(m.tile_full + i * 8, 1);
        phase_barrier_create(m.tile_empty + i * 8, WARPS + readers);
    }
    for (int i = 0; i < S::STAGES; i++) {
        phase_barrier_create(m.k_full + i * 8, S::IS_F8 ? S::CONVERTERS : 1);
        phase_barrier_create(m.v_full + i * 8, S::IS_F8 ? S::CONVERTERS : 1);
        phase_barrier_create(m.k_empty + i * 8, WARPS);
        phase_barrier_create(m.v_empty + i * 8, WARPS);
    }
    for (int i = 0; S::IS_F8 && i < S::COPY_STAGES; i++) {
        /* completed by boxes, and by the copies of scales that each lane has queued */
        phase_barrier_create(m.k_copies.full + i * 8, 1 + 32);
        phase_barrier_create(m.v_copies.full + i * 8, 1 + 32);
        phase_barrier_create(m.k_copies.empty + i * 8, S::CONVERTERS);
        phase_barrier_create(m.v_copies.empty + i * 8, S::CONVERTERS);
    }
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
 * numbers per head, never fewer than it has tiles. Heads come in sections: the last tile of each
 * head of a section first, which sees most keys, then the one before. So the tiles that end a call
 * are short ones, and thread blocks read few heads at a time, from the L2 cache. Returns whether
 * there is such a tile.
 */
template <typename S>
DEVICE_INLINE bool find_tile(const hopper_call *c, int index, int lane, hopper_tile *t)
{
    const int seq = sequence_of_tile(c, S::ROWS, 1, lane, index / c->n_kv_heads);
    const int token0 = __ldg(c->q_start + seq), token_end = __ldg(c->q_start + seq + 1);
    const int begin = token0 * c->group / S::ROWS + seq; /* numbers before it, per head */
    const int owned = token_end * c->group / S::ROWS + seq + 1 - begin;
    const int local = index - begin * c->n_kv_heads;
    const int tokens = token_end - token0, rows = tokens * c->group;
    const int n_tiles = (rows + S::ROWS - 1) / S::ROWS;

    if (local >= owned * c->n_kv_heads) /* the number of query tokens may be below its bound */
        return false;

    const int most = min(HOPPER_SECTION, c->n_kv_heads), head0 = local / (owned * most) * most;
    const int heads = min(most, c->n_kv_heads - head0);
    const int in_section = local - head0 * owned, tile = in_section / heads;

    t->head = head0 + in_section - tile * heads;
    if (tile >= n_tiles)
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
    t->end = (c->is_causal ? pos_hi : t->kv_len - 1) / S::KEYS + 1;
    return true;
}

/* Where the copy of a box of a key tile reads. */
struct tile_source {
    int32_t token, block;
};

/* Of box `box` of key tile j. Pages come from memory: call it well before copy_tile(). */
template <typename S>
DEVICE_INLINE tile_source find_source(const hopper_call *c, const hopper_tile *t, int j, int box)
{
    tile_source from;

    from.token = j * S::KEYS + box * c->box_tokens;
    from.block = t->slot;
    if (from.token + c->box_tokens <= t->lo || from.token >= t->kv_len) {
        /* No row sees it, and its page may be any number or hold anything: outside of a block there
         * are zeros. */
        from.token = c->block_tokens;
        from.block = 0;
    } else if (c->page_table && box * c->box_tokens < S::KEYS) {
        const int page = from.token / c->block_tokens;

        from.block = __ldg(c->page_table + (int64_t)t->slot * c->table_stride + page);
        from.token -= page * c->block_tokens;
    }
    return from;
}

/* Queues the copies of the scales of key tile j to dst, those of tokens that no row sees as 0. */
template <typename S>
DEVICE_INLINE void copy_scales(const hopper_call *c, const float *scales, const hopper_tile *t,
                               int j, tile_source from, uint32_t dst, int lane)
{
#pragma unroll
    for (int i = 0; i < S::KEYS; i += 32) {
        const int row = i + lane, box = row / c->box_tokens, token = j * S::KEYS + row;
        const int block = __shfl_sync(FULL_WARP, from.block, box);
        const int at = __shfl_sync(FULL_WARP, from.token, box) + row - box * c->box_tokens;

        cp_async_4B(dst + row * 4,
                    (const char *)scales + block * c->scale_block_stride +
                        t->head * c->scale_head_stride + at * c->scale_token_stride,
                    token >= t->lo && token < t->kv_len);
    }
}

/* Queues the copies of key tile j to a stage, each lane that of box `lane`. */
template <typename S>
DEVICE_INLINE void copy_tile(const hopper_call *c, const CUtensorMap *map, const float *scales,
                             const hopper_tile *t, int j, tile_source from, const copy_stages &to,
                             int stage, int lane)
{
    const uint32_t dst = to.tiles + stage * S::COPY_TILE, full = to.full + stage * 8;

    if (lane == 0)
        phase_expect(full, S::COPY_TILE);
    __syncwarp();
    if (lane * c->box_tokens < S::KEYS) {
#pragma unroll
        for (int box = 0; box < S::COPY_BOXES; box++)
            copy_box(dst + box * S::COPY_PANEL + lane * c->box_tokens * S::COPY_ROW, map, full,
                     box * S::COPY_ELEMENTS, from.token, t->head, from.block);
    }
    if constexpr (S::IS_F8) {
        if (scales)
            copy_scales<S>(c, scales, t, j, from, to.scales + stage * (S::KEYS * 4), lane);
        phase_arrive_copied(full);
    }
}

/* Whether a second warp copies the values. One is enough for key tiles of one box, and gets more
 * done than two that wait in turns. */
template <typename S> DEVICE_INLINE bool has_second_copier(const hopper_call *c)
{
    return S::COPIERS == 2 && c->box_tokens < S::KEYS;
}

/*
 * Copies keys, values or both of row tiles in the order of their use: K of the last key tile, K of
 * the one before, V of the last ... Pages of the next key tile are looked up before the wait for
 * memory of this one.
 */
template <typename S> struct tile_copier {
    hopper_ring<S::COPY_STAGES> k, v;
    const bool keys, values;

    __device__ __forceinline__ tile_copier(bool of_keys, bool of_values)
        : keys(of_keys), values(of_values)
    {
    }

    __device__ __forceinline__ void copy(const hopper_call *c, const hopper_layout<S> &m,
                                         const hopper_tile *t, int lane)
    {
        tile_source next = find_source<S>(c, t, t->end - 1, lane), now = next, last;

#pragma unroll 1
        for (int j = t->end - 1; j >= t->first - 1; j--) {
            last = now;
            now = next;
            if (j > t->first)
                next = find_source<S>(c, t, j - 1, lane);
            if (keys && j >= t->first) {
                phase_wait(m.k_copies.empty + k.stage() * 8, k.parity() ^ 1);
                copy_tile<S>(c, &c->k, c->k_scale, t, j, now, m.k_copies, k.stage(), lane);
                k.n++;
            }
            if (values && j + 1 < t->end) {
                phase_wait(m.v_copies.empty + v.stage() * 8, v.parity() ^ 1);
                copy_tile<S>(c, &c->v, c->v_scale, t, j + 1, last, m.v_copies, v.stage(), lane);
                v.n++;
            }
        }
    }
};

/* Finds row tiles, copies their queries and keys, and their values where no second warp does. */
template <typename S>
DEVICE_INLINE void produce(const hopper_call *c, const hopper_layout<S> &m,
                           hopper_tile *shared_tiles, int lane)
{
    tile_copier<S> copier(true, !has_second_copier<S>(c));
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
        } else if (!find_tile<S>(c, (int)index, lane, &t)) {
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
            for (int i = 0; i < S::Q / S::Q_PANEL; i++)
                copy_box(m.q + i * S::Q_PANEL, &c->q, m.q_full, i * HOPPER_PANEL, t.head * c->group,
                         t.token0 + t.row0 / c->group);
        }
        copier.copy(c, m, &t, lane);
    }
}

/* Copies values, in a second warp. */
template <typename S>
DEVICE_INLINE void produce_values(const hopper_call *c, const hopper_layout<S> &m,
                                  const volatile hopper_tile *shared_tiles, int lane)
{
    tile_copier<S> copier(false, true);
    hopper_ring<2> tiles;

    for (;;) {
        phase_wait(m.tile_full + tiles.stage() * 8, tiles.parity());

        const volatile hopper_tile *tile = shared_tiles + tiles.stage();
        hopper_tile t;

        t.rows = tile->rows;
        t.head = tile->head;
        t.slot = tile->slot;
        t.kv_len = tile->kv_len;
        t.lo = tile->lo;
        t.first = tile->first;
        t.end = tile->end;
        if (t.rows < 0)
            return;
        __syncwarp();
        release(m.tile_empty + tiles.stage() * 8, lane);
        tiles.n++;
        copier.copy(c, m, &t, lane);
    }
}

#endif

#endif
