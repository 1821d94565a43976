/* SPDX-License-Identifier: MIT */
/*
 * Prefill on compute capability 9.0: matrix products of warpgroups.
 *
 * Index map. As prefill.cu, with row tiles of three (head size 64) or two warpgroups of 64 rows:
 * warp w computes rows 16 w .. of the tile. One more warpgroup, the producer, copies keys and
 * values.
 *
 * Keys are taken in tiles of 128 at absolute positions 0, 128, 256 ..., ascending, through two
 * rings of two stages each, one for keys and one for values. Each stage has two barriers: `full`,
 * completed by its copies, and `empty`, completed by the warps of all other warpgroups, the
 * consumers. So no consumer warpgroup waits for another, except for tiles with non-finite values
 * (below): step j of a consumer queues the scores of tile j + 1 and the product of tile j's weights
 * and values, and computes the weights of the former while these run.
 *
 * Non-finite values hidden from some rows of the thread block are handled before step j, by all
 * consumers together: the weights of tile j are computed once more, this time in full, to add the
 * products of those values with scalar code; then the tile is made finite in place. The stage of
 * keys of such a tile is released only then.
 *
 * Bits. The same guarantees as prefill.cu, but not the same bits.
 *
 * Sources: Dao 2023, "FlashAttention-2", algorithm 1; Shah et al. 2024, "FlashAttention-3", section
 * 3 (a producer warpgroup; scores of the next tile during the weights of this one).
 */
#include "prefill.cuh"
#include "../common/warpgroup_tile.cuh"

#if HAS_WGMMA

/* Sizes of the kernel for one head size. */
template <int DIM> struct prefill90_shape {
    static constexpr int CONSUMER_GROUPS = FLASH_PREFILL90_WARPGROUPS(DIM);
    static constexpr int ROWS = 64 * CONSUMER_GROUPS, CONSUMERS = 128 * CONSUMER_GROUPS;
    static constexpr int KEYS = FLASH_PREFILL90_KEYS, NN = KEYS / 8;
    static constexpr int KK = DIM / 16; /* steps of 16 elements */
    static constexpr int PANELS = DIM / 64;
    static constexpr int PANEL = KEYS * 128, Q_PANEL = ROWS * 128; /* bytes */
    static constexpr int TILE = PANELS * PANEL;
    static constexpr int STAGES = FLASH_PREFILL90_STAGES;
    static constexpr int VECTORS = DIM / 8, PASS = 128 / VECTORS; /* rows a warpgroup copies */
    /* Of a thread: the CONSUMERS + 128 threads start with an equal share. */
    static constexpr int PRODUCER_REGISTERS = DIM == 64 ? 32 : 40;
    static constexpr int CONSUMER_REGISTERS = DIM == 64 ? 160 : 232;
};

/* A stage of a ring, and the parity of the phase of its barriers that is waited for next. */
template <int STAGES> struct ring {
    int stage;
    uint32_t parity;

    __device__ __forceinline__ void advance(void)
    {
        if (++stage == STAGES) {
            stage = 0;
            parity ^= 1;
        }
    }
};

/* Addresses in shared memory: [STAGES] tiles and barriers. */
template <int DIM> struct shared_layout {
    using S = prefill90_shape<DIM>;
    uint32_t q;
    uint32_t k;
    uint32_t v;
    uint32_t k_full;
    uint32_t v_full;
    uint32_t k_empty;
    uint32_t v_empty;

    __device__ __forceinline__ explicit shared_layout(uint32_t begin)
        : q(begin), k(q + S::PANELS * S::Q_PANEL), v(k + S::STAGES * S::TILE),
          k_full(v + S::STAGES * S::TILE), v_full(k_full + S::STAGES * 8),
          k_empty(v_full + S::STAGES * 8), v_empty(k_empty + S::STAGES * 8)
    {
    }
};

template <int DIM> DEVICE_INLINE void create_barriers(const shared_layout<DIM> &m)
{
    using S = prefill90_shape<DIM>;

    if (threadIdx.x == 0) {
        for (int i = 0; i < S::STAGES; i++) {
            phase_barrier_create(m.k_full + i * 8, 128);
            phase_barrier_create(m.v_full + i * 8, 128);
            phase_barrier_create(m.k_empty + i * 8, S::CONSUMERS / 32);
            phase_barrier_create(m.v_empty + i * 8, S::CONSUMERS / 32);
        }
        share_writes();
    }
    __syncthreads();
}

/*
 * Queues the copies of tile j of base (k or v).
 *
 * @param offset  paged: lane l: byte offset of KV block l % 8 of the tile
 * @param dst     of the thread's first vector
 */
template <int KEYS, int PASS, bool PAGED>
DEVICE_INLINE void load_tile(const flash_cuda_call *c, const kv_source *s, const char *base,
                             int64_t offset, int j, uint32_t dst)
{
    const int token = j * KEYS + s->row;
    const uint32_t read = s->hi - s->lo;
    const char *at = base + s->vector + (PAGED ? s->row % FLASH_KV_BLOCK : token) * c->token_stride;

#pragma unroll
    for (int i = 0; i < (KEYS + PASS - 1) / PASS; i++) {
        const int row = i * PASS; /* plus the thread's own; a warp's rows are of one KV block */
        const char *from = at;

        if (PAGED)
            from += __shfl_sync(FULL_WARP, offset, (s->row + row) / FLASH_KV_BLOCK) +
                    ((s->row + row) % FLASH_KV_BLOCK - s->row % FLASH_KV_BLOCK) * c->token_stride;
        else
            from += row * c->token_stride;
        if (KEYS % PASS == 0 || s->row + row < KEYS)
            cp_async_16B(dst + row * 128, from, (uint32_t)(token + row - s->lo) < read);
    }
}

/* The producer: copies keys and values of tiles [first, end) in the order of their use: K first,
 * K first + 1, V first, K first + 2, V first + 1 ... */
template <int DIM, bool PAGED>
DEVICE_INLINE void produce(const flash_cuda_call *c, const shared_layout<DIM> &m,
                           const row_tile *tile, int first, int end, uint32_t copy_dst,
                           int copy_row, int copy_vector, int lane)
{
    using S = prefill90_shape<DIM>;
    /* stages that have never been used count as empty */
    ring<S::STAGES> k = { 0, 1 }, v = { 0, 1 };
    int64_t offset = 0, last_offset = 0; /* of the tile whose keys are next; of the one before */
    kv_source s;

    s.vector = tile->head * c->head_stride + copy_vector * 16;
    s.lo = tile->lo;
    s.hi = tile->hi;
    s.row = copy_row;
    if constexpr (PAGED) {
        s.table = c->page_table + (int64_t)tile->slot * c->table_stride;
        offset = paged_offset<S::KEYS>(c, &s, first, lane);
    } else {
        s.vector += tile->slot * c->page_stride;
    }
    for (int j = first; j <= end; j++) {
        if (j < end) {
            phase_wait(m.k_empty + k.stage * 8, k.parity);
            load_tile<S::KEYS, S::PASS, PAGED>(c, &s, c->k, offset, j,
                                               m.k + k.stage * S::TILE + copy_dst);
            phase_arrive_copied(m.k_full + k.stage * 8);
            k.advance();
        }
        if (j > first) {
            phase_wait(m.v_empty + v.stage * 8, v.parity);
            load_tile<S::KEYS, S::PASS, PAGED>(c, &s, c->v, last_offset, j - 1,
                                               m.v + v.stage * S::TILE + copy_dst);
            phase_arrive_copied(m.v_full + v.stage * 8);
            v.advance();
        }
        if constexpr (PAGED) { /* page-table entries of the next tile, ahead of their use */
            last_offset = offset;
            offset = paged_offset<S::KEYS>(c, &s, j + 1, lane);
        }
    }
    cp_async_commit();
    cp_async_wait<0>();
}

/* Copies the queries of the warpgroup; dst: of the thread's first vector. */
template <int DIM>
DEVICE_INLINE void load_queries(const flash_cuda_call *c, const row_tile *tile, uint32_t dst,
                                int group_row, int group_rows, int copy_row, int copy_vector,
                                int warpgroup)
{
    constexpr int PASS = prefill90_shape<DIM>::PASS;
    const char *q_base = c->q + (int64_t)tile->head * c->group * (DIM * 2) + copy_vector * 16;
    row_walk walk = row_walk_start(c, tile->row0 + group_row + copy_row, PASS);

#pragma unroll
    for (int i = 0; i < 64 / PASS; i++) {
        cp_async_16B(dst + i * PASS * 128,
                     q_base + (tile->token0 + walk.token) * c->q_stride + walk.head * (DIM * 2),
                     copy_row + i * PASS < group_rows);
        row_walk_next(c, &walk);
    }
    cp_async_commit();
    cp_async_wait<0>();
    if (c->sign_flip)
        flip_signs(dst, 64 / PASS, PASS * 128, c->sign_flip);
    share_writes();
    warpgroup_barrier(warpgroup);
}

/* Returns whether some rows of the tile do not see tokens of [token, token + n) that others do. */
DEVICE_INLINE bool is_split(const flash_cuda_call *c, const row_tile *t, int token, int n)
{
    return t->pos_lo < t->pos_hi &&
           (token + n > t->pos_lo + 1 || (c->window && token <= t->pos_hi - c->window));
}

/*
 * Replaces n C fragments of scores by weights. Returns whether the maximum of some row of the warp
 * has grown: then the caller multiplies older sums by the factors, all of which are 1 otherwise.
 */
DEVICE_INLINE bool update_softmax(float (*p)[4], int n, softmax soft[2], float factor[2],
                                  float scale)
{
    float offset[2];
    bool grown = false;

#pragma unroll
    for (int h = 0; h < 2; h++) {
        float max = fmaxf(p[0][2 * h], p[0][2 * h + 1]);

#pragma unroll
        for (int i = 1; i < n; i++)
            max = fmaxf(max, fmaxf(p[i][2 * h], p[i][2 * h + 1]));
        max = fmaxf(soft[h].max, row_max(max));
        grown = grown || max != soft[h].max;
        factor[h] = softmax_factor(soft[h].max, max, scale);
        soft[h].max = max;
        soft[h].sum = __fmul_rn(soft[h].sum, factor[h]);
        offset[h] = softmax_offset(max, scale);
    }
#pragma unroll
    for (int i = 0; i < n; i += 2)
        compute_weights(p + i, soft, offset, scale);
    return __any_sync(FULL_WARP, grown);
}

/* A consumer warp: 16 rows of the tile, of which the lane holds rows g and g + 8 as C fragments. */
template <int DIM> struct consumer {
    using S = prefill90_shape<DIM>;
    int lo; /* position of the warp's first row */
    int hi; /* of its last */
    int pos[2];
    uint32_t q_descriptor; /* of the warpgroup's 64 rows */
    softmax soft[2];
    float acc[DIM / 8][4];
    uint32_t weights[S::NN / 2][4]; /* of the tile whose values are multiplied next */
};

/* Masks the scores of the key tile that begins at `token`, where rows do not see all of it. */
template <int DIM>
DEVICE_INLINE void mask_tile(float (*p)[4], const flash_cuda_call *c, const consumer<DIM> *w,
                             int token, int t)
{
    using S = prefill90_shape<DIM>;

    if (token + S::KEYS > w->lo + 1 || (c->window && token <= w->hi - c->window)) {
        mask_scores(p, S::NN, 0, token + 2 * t, w->pos[0], c->window);
        mask_scores(p, S::NN, 1, token + 2 * t, w->pos[1], c->window);
    }
}

template <int DIM, typename Element>
DEVICE_INLINE void pack_tile_weights(consumer<DIM> *w, const float (*p)[4])
{
#pragma unroll
    for (int n = 0; n < prefill90_shape<DIM>::NN / 2; n++)
        pack_weights<Element>(w->weights[n], p + 2 * n);
}

/* Returns whether this thread's vectors of a tile, in rows row, row + pass ..., are finite. */
template <int KEYS, typename Element>
DEVICE_INLINE bool rows_are_finite(uint32_t address, int row, int pass)
{
    bool finite = true;

    for (; row < KEYS; row += pass, address += pass * 128) {
        uint32_t x[4];

        load_16B(x, address);
        finite = finite && is_finite_16B<Element>(x);
    }
    return finite;
}

/* Replaces the non-finite elements of those vectors with zero. */
template <int KEYS, typename Element>
DEVICE_INLINE void make_rows_finite(uint32_t address, int row, int pass)
{
    for (; row < KEYS; row += pass, address += pass * 128) {
        uint32_t x[4];

        load_16B(x, address);
        make_finite_16B<Element>(x);
        for (int e = 0; e < 4; e++)
            store_4B(address + e * 4, x[e]);
    }
}

/*
 * Adds the products of the non-finite values of tile j, whose keys are at k and values at v, with
 * scalar code. The weights are computed again and end up as they were. The loop is not unrolled:
 * scores and weights move down by 16 tokens per iteration.
 */
template <int DIM, typename Element>
DEVICE_INLINE void add_tile_not_finite(consumer<DIM> *w, const flash_cuda_call *c, int j,
                                       uint32_t k, uint32_t v, int lane)
{
    using S = prefill90_shape<DIM>;
    float p[S::NN][4], offset[2];
    softmax unused[2] = {};

    wgmma_begin();
    queue_scores<S, Element>(p, w->q_descriptor, k);
    wgmma_commit();
    wgmma_wait<0>();
    registers_settle(p, S::NN);
#pragma unroll
    for (int h = 0; h < 2; h++) {
        mask_scores(p, S::NN, h, j * S::KEYS + 2 * (lane % 4), w->pos[h], c->window);
        offset[h] = softmax_offset(w->soft[h].max, c->scale);
    }
#pragma unroll 1
    for (int n = 0; n < S::NN; n += 2) {
        compute_weights(p, unused, offset, c->scale);
#pragma unroll
        for (int i = 0; i < S::PANELS; i++)
            add_not_finite<64, Element>(p, v + i * S::PANEL + n * 8 * 128, w->acc + 8 * i, lane);
#pragma unroll
        for (int i = 0; i + 1 < S::NN / 2; i++)
#pragma unroll
            for (int e = 0; e < 4; e++)
                w->weights[i][e] = w->weights[i + 1][e];
        pack_weights<Element>(w->weights[S::NN / 2 - 1], p);
#pragma unroll
        for (int i = 0; i + 2 < S::NN; i++)
#pragma unroll
            for (int e = 0; e < 4; e++)
                p[i][e] = p[i + 2][e];
    }
}

/*
 * Handles non-finite values of tile j, which some rows of the thread block do not see, in stage
 * `now`: adds their products with scalar code where the warp has weights, then makes the tile
 * finite. All consumers call it together.
 *
 * @param at   byte offset in the tile of the thread's first vector; its rows: row, row + pass ...
 */
template <int DIM, typename Element>
DEVICE_INLINE void
fix_not_finite(consumer<DIM> *w, const flash_cuda_call *c, const shared_layout<DIM> &m, int j,
               ring<FLASH_PREFILL90_STAGES> now, bool has_weights, uint32_t at, int row, int lane)
{
    using S = prefill90_shape<DIM>;
    constexpr int PASS = S::CONSUMER_GROUPS * S::PASS; /* of all consumers */
    const uint32_t v = m.v + now.stage * S::TILE;

    phase_wait(m.v_full + now.stage * 8, now.parity);
    if (!any_thread(S::CONSUMERS, !rows_are_finite<S::KEYS, Element>(v + at, row, PASS)))
        return;
    if (has_weights)
        add_tile_not_finite<DIM, Element>(w, c, j, m.k + now.stage * S::TILE, v, lane);
    any_thread(S::CONSUMERS, false);
    make_rows_finite<S::KEYS, Element>(v + at, row, PASS);
    share_writes();
    any_thread(S::CONSUMERS, false);
}

/*
 * Step j: queues the scores of tile j + 1 (stage `next`) and the product of tile j's weights and
 * values (stage `now`), and computes the weights of tile j + 1 while the product runs.
 */
template <int DIM, typename Element>
DEVICE_INLINE void attend_tile(consumer<DIM> *w, const flash_cuda_call *c,
                               const shared_layout<DIM> &m, const row_tile *tile, int j,
                               ring<FLASH_PREFILL90_STAGES> now, ring<FLASH_PREFILL90_STAGES> next,
                               int lane)
{
    using S = prefill90_shape<DIM>;
    float p[S::NN][4], factor[2];

    phase_wait(m.k_full + next.stage * 8, next.parity);
    phase_wait(m.v_full + now.stage * 8, now.parity);
    share_writes();
    wgmma_begin();
    queue_scores<S, Element>(p, w->q_descriptor, m.k + next.stage * S::TILE);
    wgmma_commit();
    queue_values<S, Element>(w->acc, w->weights, m.v + now.stage * S::TILE);
    wgmma_commit();
    wgmma_wait<1>();
    registers_settle(p, S::NN);
    if (!is_split(c, tile, (j + 1) * S::KEYS, S::KEYS))
        release(m.k_empty + next.stage * 8, lane);
    mask_tile(p, c, w, (j + 1) * S::KEYS, lane % 4);

    const bool grown = update_softmax(p, S::NN, w->soft, factor, c->scale);

    registers_settle(p, S::NN);
    keep_before_wait(c->n_seqs);
    wgmma_wait<0>();
    registers_settle(w->acc, DIM / 8);
    release(m.v_empty + now.stage * 8, lane);
    if (grown) {
#pragma unroll
        for (int n = 0; n < DIM / 8; n++)
#pragma unroll
            for (int e = 0; e < 4; e++)
                w->acc[n][e] = __fmul_rn(w->acc[n][e], factor[e / 2]);
    }
    pack_tile_weights<DIM, Element>(w, p);
}

/* The first step: only the weights of tile j, which is at `stage`. */
template <int DIM, typename Element>
DEVICE_INLINE void attend_first(consumer<DIM> *w, const flash_cuda_call *c,
                                const shared_layout<DIM> &m, int j, ring<FLASH_PREFILL90_STAGES> at,
                                int lane)
{
    using S = prefill90_shape<DIM>;
    float p[S::NN][4], factor[2];

    phase_wait(m.k_full + at.stage * 8, at.parity);
    share_writes();
    wgmma_begin();
    queue_scores<S, Element>(p, w->q_descriptor, m.k + at.stage * S::TILE);
    wgmma_commit();
    wgmma_wait<0>();
    registers_settle(p, S::NN);
    mask_tile(p, c, w, j * S::KEYS, lane % 4);
    update_softmax(p, S::NN, w->soft, factor, c->scale);
    pack_tile_weights<DIM, Element>(w, p);
}

/* The last step: only the product of weights and values, which are at `stage`. */
template <int DIM, typename Element>
DEVICE_INLINE void attend_last(consumer<DIM> *w, const shared_layout<DIM> &m,
                               ring<FLASH_PREFILL90_STAGES> at)
{
    using S = prefill90_shape<DIM>;

    phase_wait(m.v_full + at.stage * 8, at.parity);
    share_writes();
    wgmma_begin();
    queue_values<S, Element>(w->acc, w->weights, m.v + at.stage * S::TILE);
    wgmma_commit();
    wgmma_wait<0>();
    registers_settle(w->acc, DIM / 8);
}

/* Stores the warp's rows of out, through shared memory at q_rows, in 16-byte vectors. */
template <int DIM, typename Element>
DEVICE_INLINE void store_out(const flash_cuda_call *c, const row_tile *tile, const softmax soft[2],
                             const float (*acc)[4], uint32_t q_rows, int warp_row, int warp_rows,
                             int lane)
{
    using S = prefill90_shape<DIM>;
    const int g = lane / 4, t = lane % 4;

#pragma unroll
    for (int h = 0; h < 2; h++) {
        float inverse = __fdiv_rn(1.0f, row_sum(soft[h].sum));

        /* Vector n of row r of a panel is stored as vector n ^ (r & 7): no bank conflicts. */
#pragma unroll
        for (int n = 0; n < DIM / 8; n++)
            store_4B(q_rows + n / 8 * S::Q_PANEL + (8 * h + g) * 128 + ((n % 8 ^ g) << 4) + t * 4,
                     pack_out<Element>(acc[n][2 * h], acc[n][2 * h + 1], inverse));
    }
    __syncwarp();

    constexpr int ROWS_PER_PASS = 32 / S::VECTORS; /* of a warp */
    const int vector = lane % S::VECTORS, lane_row = lane / S::VECTORS;
    char *out_base = c->out + (int64_t)tile->head * c->group * (DIM * 2) + vector * 16;
    row_walk walk = row_walk_start(c, tile->row0 + warp_row + lane_row, ROWS_PER_PASS);

#pragma unroll
    for (int i = 0; i < 16 / ROWS_PER_PASS; i++) {
        int r = lane_row + i * ROWS_PER_PASS;
        uint32_t x[4];

        load_16B(x, q_rows + vector / 8 * S::Q_PANEL + r * 128 + (((vector ^ r) & 7) << 4));
        if (r < warp_rows)
            store_global_16B(
                out_base + (tile->token0 + walk.token) * c->out_stride + walk.head * (DIM * 2), x);
        row_walk_next(c, &walk);
    }
}

template <int DIM, typename Element, bool PAGED>
__global__ void __launch_bounds__(prefill90_shape<DIM>::CONSUMERS + 128, 1)
    flash_prefill90_kernel(const __grid_constant__ flash_cuda_call c)
{
    using S = prefill90_shape<DIM>;
    constexpr int KEYS = S::KEYS;
    extern __shared__ __align__(1024) unsigned char shared[];
    const int lane = threadIdx.x % 32, g = lane / 4;
    const int warp = __shfl_sync(FULL_WARP, threadIdx.x / 32, 0), warpgroup = warp / 4;
    const shared_layout<DIM> m(shared_address(shared));
    row_tile tile;

    create_barriers(m);
    if (!find_row_tile(&c, S::ROWS, lane, &tile))
        return;

    const int first = tile.lo / KEYS, end = (tile.hi + KEYS - 1) / KEYS; /* key tiles */

    /* What this thread copies: one 16-byte vector of every PASS-th row. PASS is a multiple of 8. */
    const int copy_row = threadIdx.x % 128 / S::VECTORS, copy_vector = threadIdx.x % S::VECTORS;
    const int copy_panel = copy_vector / 8;
    const uint32_t copy_at = copy_row * 128 + (((copy_vector ^ copy_row) & 7) << 4);

    if (warpgroup == S::CONSUMER_GROUPS) {
        registers_shrink<S::PRODUCER_REGISTERS>();
        produce<DIM, PAGED>(&c, m, &tile, first, end, copy_panel * S::PANEL + copy_at, copy_row,
                            copy_vector, lane);
        return;
    }
    registers_grow<S::CONSUMER_REGISTERS>();

    /* This warp's rows, and this lane's: g and g + 8 of them. Tiles that the warpgroup sees. */
    const int warp_row = warp * 16, warp_rows = min(16, tile.rows - warp_row); /* <= 0: none */
    const int group_row = warpgroup * 64, group_rows = min(64, tile.rows - group_row);
    const int group_lo = tile.pos0 + (tile.row0 + group_row) / c.group;
    const int group_hi = tile.pos0 + (tile.row0 + group_row + group_rows - 1) / c.group;
    const int seen = c.window ? max(0, group_lo - c.window + 1) / KEYS : 0;
    const int seen_end = group_rows > 0 ? group_hi / KEYS + 1 : 0;
    const uint32_t q_rows = m.q + warp_row * 128;

    load_queries<DIM>(&c, &tile, m.q + copy_panel * S::Q_PANEL + group_row * 128 + copy_at,
                      group_row, group_rows, copy_row, copy_vector, warpgroup);

    consumer<DIM> w;
    ring<S::STAGES> now = { S::STAGES - 1, 1 }; /* of tile j; advances to stage 0, parity 0 */

    w.lo = tile.pos0 + (tile.row0 + warp_row) / c.group;
    w.hi = tile.pos0 + (tile.row0 + warp_row + warp_rows - 1) / c.group;
    w.q_descriptor = shared_descriptor(m.q + group_row * 128, 16);
#pragma unroll
    for (int h = 0; h < 2; h++) {
        w.pos[h] = tile.pos0 + (tile.row0 + warp_row + 8 * h + g) / c.group;
        w.soft[h].max = -CUDART_INF_F;
        w.soft[h].sum = 0;
    }
#pragma unroll
    for (int n = 0; n < DIM / 8; n++)
#pragma unroll
        for (int e = 0; e < 4; e++)
            w.acc[n][e] = 0;

    for (int j = first - 1; j < end; j++) {
        const bool has_weights = j >= seen && j < seen_end;
        const bool has_scores = j + 1 >= seen && j + 1 < seen_end;
        ring<S::STAGES> next = now; /* of tile j + 1 */

        next.advance();
        if (j >= first && is_split(&c, &tile, j * KEYS, KEYS)) {
            fix_not_finite<DIM, Element>(&w, &c, m, j, now, has_weights,
                                         copy_panel * S::PANEL + warpgroup * S::PASS * 128 +
                                             copy_at,
                                         warpgroup * S::PASS + copy_row, lane);
            release(m.k_empty + now.stage * 8, lane); /* kept for this */
        }
        if (has_scores && has_weights) {
            attend_tile<DIM, Element>(&w, &c, m, &tile, j, now, next, lane);
        } else {
            if (has_scores)
                attend_first<DIM, Element>(&w, &c, m, j + 1, next, lane);
            else if (has_weights)
                attend_last<DIM, Element>(&w, m, now);
            /* Stages that are not used are released all the same, once they are full. */
            if (j + 1 < end && !is_split(&c, &tile, (j + 1) * KEYS, KEYS)) {
                phase_wait(m.k_full + next.stage * 8, next.parity);
                release(m.k_empty + next.stage * 8, lane);
            }
            if (j >= first) {
                phase_wait(m.v_full + now.stage * 8, now.parity);
                release(m.v_empty + now.stage * 8, lane);
            }
        }
        now = next;
    }

    /* Over the warp's own queries. */
    warpgroup_barrier(warpgroup); /* other warps' products may have read them */
    store_out<DIM, Element>(&c, &tile, w.soft, w.acc, q_rows, warp_row, warp_rows, lane);
}

#else

/* Images for other architectures hold this stub. The host recognises it by its maximum block size.
 */
template <int DIM, typename Element, bool PAGED>
__global__ void __launch_bounds__(32)
    flash_prefill90_kernel(const __grid_constant__ flash_cuda_call c)
{
}

#endif

template <int DIM, typename Element> static const void *kernel_of(bool paged)
{
    return paged ? (const void *)flash_prefill90_kernel<DIM, Element, true>
                 : (const void *)flash_prefill90_kernel<DIM, Element, false>;
}

template <int DIM> static const void *kernel_of(bool f16, bool paged)
{
    return f16 ? kernel_of<DIM, __half>(paged) : kernel_of<DIM, __nv_bfloat16>(paged);
}

extern "C" const void *flash_get_prefill90_kernel(int head_dim, int f16, int paged)
{
    return head_dim == 64 ? kernel_of<64>(f16 != 0, paged != 0)
                          : kernel_of<128>(f16 != 0, paged != 0);
}
