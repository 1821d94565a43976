/* SPDX-License-Identifier: MIT */
/**
 * @file producer.cuh  What the prefill kernels of hopper share: row tiles, the copies of queries,
 * keys and values, the turns and masks of consumers, and the way of results to memory.
 *
 * A shape S of such a kernel has the consumer warpgroups GROUPS with ROWS rows and CONSUMERS
 * threads; KEYS tokens of a key tile; the PANELS panels of a token of keys or values, of ROW bytes
 * and ROW_ELEMENTS elements; the bytes PANEL and TILE of a panel and a tile of keys or values, and
 * Q_PANEL and Q of 64 elements and all elements of the queries; the rings' STAGES; COPIERS,
 * the most warps that copy keys and values, 1 or 2; DIM.
 */
#ifndef HOPPER_PRODUCER_CUH
#define HOPPER_PRODUCER_CUH

#include "../common/sequence_of_tile.cuh"
#include "../common/softmax.cuh"
#include "../common/warpgroup_tile.cuh"
#include "hopper.h"
#include "tma.cuh"

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

/* Addresses in shared memory. */
template <typename S> struct hopper_layout {
    uint32_t q, out, k, v; /* k, v: [STAGES] */
    uint32_t q_full, q_empty;
    uint32_t tile_full, tile_empty;            /* [2] */
    uint32_t k_full, k_empty, v_full, v_empty; /* [STAGES] */
    uint32_t end;

    /* The tensors are at `begin`, the barriers at `barriers`. */
    __device__ __forceinline__ hopper_layout(uint32_t begin, uint32_t barriers)
        : q(begin), out(q + S::Q), k(out + S::Q), v(k + S::STAGES * S::TILE), q_full(barriers),
          q_empty(q_full + 8), tile_full(q_full + 16), tile_empty(q_full + 32), k_full(q_full + 48),
          k_empty(k_full + 8 * S::STAGES), v_full(k_empty + 8 * S::STAGES),
          v_empty(v_full + 8 * S::STAGES), end(v_empty + 8 * S::STAGES)
    {
    }
};

/* Creates the barriers of a layout. One thread calls it. others: warps besides consumers that read
 * row tiles; k_readers, v_readers: warps that release keys and values. */
template <typename S>
DEVICE_INLINE void create_barriers(const hopper_layout<S> &m, int others, int k_readers,
                                   int v_readers)
{
    constexpr int WARPS = S::CONSUMERS / 32;

    phase_barrier_create(m.q_full, 1);
    phase_barrier_create(m.q_empty, WARPS);
    for (int i = 0; i < 2; i++) {
        phase_barrier_create(m.tile_full + i * 8, 1);
        phase_barrier_create(m.tile_empty + i * 8, WARPS + others);
    }
    for (int i = 0; i < S::STAGES; i++) {
        phase_barrier_create(m.k_full + i * 8, 1);
        phase_barrier_create(m.v_full + i * 8, 1);
        phase_barrier_create(m.k_empty + i * 8, k_readers);
        phase_barrier_create(m.v_empty + i * 8, v_readers);
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

/* Queues the copies of a key tile to dst, each lane that of box `lane`. `full` completes. */
template <typename S>
DEVICE_INLINE void copy_tile(const hopper_call *c, const CUtensorMap *map, int head,
                             tile_source from, uint32_t dst, uint32_t full, int lane)
{
    if (lane == 0)
        phase_expect(full, S::TILE);
    __syncwarp();
    if (lane * c->box_tokens < S::KEYS) {
#pragma unroll
        for (int panel = 0; panel < S::PANELS; panel++)
            copy_box(dst + panel * S::PANEL + lane * c->box_tokens * S::ROW, map, full,
                     panel * S::ROW_ELEMENTS, from.token, head, from.block);
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
    hopper_ring<S::STAGES> k, v;
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
                phase_wait(m.k_empty + k.stage() * 8, k.parity() ^ 1);
                copy_tile<S>(c, &c->k, t->head, now, m.k + k.stage() * S::TILE,
                             m.k_full + k.stage() * 8, lane);
                k.n++;
            }
            if (values && j + 1 < t->end) {
                phase_wait(m.v_empty + v.stage() * 8, v.parity() ^ 1);
                copy_tile<S>(c, &c->v, t->head, last, m.v + v.stage() * S::TILE,
                             m.v_full + v.stage() * 8, lane);
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

/* ---- consumers ------------------------------------------------------------------------------ */

/* Named barriers: 0 is __syncthreads(). */
enum {
    CONSUMER_BARRIER = 1,
    TURN_BARRIER = 2,  /* and following, of each consumer warpgroup */
    GROUP_BARRIER = 6, /* and following, of the threads of each */
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

#endif

#endif
