/* SPDX-License-Identifier: MIT */
/*
 * Many rows a sequence on compute capability 9.0: products of warpgroups.
 *
 * Included by prefill90.cu once a variant, after it has defined (undefined again at the end)
 *
 *   DIM    head size, 64 or 128
 *   F16    1: elements are f16; 0: bf16
 *   PAGED  1: views have a page table
 *   NAME   of the kernel
 *
 * Index map. As prefill_tile.cuh, with tiles of 64 rows a warpgroup, three (head size 64) or two:
 * warp w does rows 16 w .. of the tile. One warpgroup more copies keys and values.
 *
 * Keys are taken in tiles of 128 at absolute positions 0, 128, 256 ..., ascending, through two
 * places of keys and two of values. Each place has two barriers, one that its copies complete and
 * one that all other warps complete, so that no warpgroup waits for another: step j of a warpgroup
 * queues the scores of tile j + 1 and the product of tile j's weights and values; while that is
 * under way it makes weights of the former.
 *
 * Values that are not finite, and that not all rows of the block see, are met before step j, by all
 * warpgroups together: weights of tile j are computed once more, this time in full, to add the
 * products of those values by hand; then the tile is made finite where it lies. The place of keys
 * of such a tile is given back only then.
 *
 * Bits. As prefill_tile.cuh, but not the same ones.
 *
 * Sources: Dao 2023, "FlashAttention-2", algorithm 1; Shah et al. 2024, "FlashAttention-3", section
 * 3 (a warpgroup that copies; scores of the next tile beside the weights of this one).
 */
#define WARPGROUPS FLASH_PREFILL90_WARPGROUPS(DIM)
#define KEYS       FLASH_PREFILL90_KEYS
#define STAGES     FLASH_PREFILL90_STAGES
/* of a thread: (128 + 128 * WARPGROUPS) threads began with as many as there are for each */
#if DIM == 64
#define COPY_REGISTERS  32
#define WGMMA_REGISTERS 160
#else
#define COPY_REGISTERS  40
#define WGMMA_REGISTERS 232
#endif
#define ROWS      (64 * (WARPGROUPS))
#define CONSUMERS (128 * (WARPGROUPS))

#if FLASH_HAS_WGMMA

static __global__ void __launch_bounds__(CONSUMERS + 128, 1)
    NAME(const __grid_constant__ flash_cuda_call c)
{
    const int KK = DIM / 16, NN = KEYS / 8, PANELS = DIM / 64;
    const int PANEL = KEYS * 128, Q_PANEL = ROWS * 128; /* bytes */
    const int TILE = PANELS * PANEL;
    const int UNITS = DIM / 8, PASS = 128 / UNITS; /* rows a pass of a warpgroup */
    extern __shared__ __align__(1024) unsigned char shared[];
    const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    const int warp = __shfl_sync(FULL_WARP, threadIdx.x / 32, 0), warpgroup = warp / 4;
    const uint32_t q_tile = shared_address(shared);
    const uint32_t k_tiles = q_tile + PANELS * Q_PANEL, v_tiles = k_tiles + STAGES * TILE;
    const uint32_t k_full = v_tiles + STAGES * TILE, v_full = k_full + STAGES * 8;
    const uint32_t k_empty = v_full + STAGES * 8, v_empty = k_empty + STAGES * 8;

    if (threadIdx.x == 0) {
        for (int i = 0; i < STAGES; i++) {
            phase_barrier_create(k_full + i * 8, 128);
            phase_barrier_create(v_full + i * 8, 128);
            phase_barrier_create(k_empty + i * 8, CONSUMERS / 32);
            phase_barrier_create(v_empty + i * 8, CONSUMERS / 32);
        }
        share_writes();
    }
    __syncthreads();

    const int tile = blockIdx.x / c.n_kv_heads, head = blockIdx.x % c.n_kv_heads;
    const int seq = find_sequence(c.q_start, c.n_seqs, c.group, ROWS, 1, lane, tile);
    /* slot and kv_len are garbage where the sequence has no rows: loaded early, used below */
    const int token0 = __ldg(c.q_start + seq), tokens = __ldg(c.q_start + seq + 1) - token0;
    const int kv_len = __ldg(c.kv_len + seq), slot = __ldg(c.slot + seq);
    const int local = tile - token0 * c.group / ROWS - seq;
    const int n_local = (tokens * c.group + ROWS - 1) / ROWS;

    if (local >= n_local)
        return;

    /* [lo, hi): tokens that a row of the tile sees; its first row sees them up to pos_lo. */
    const int row0 = (n_local - 1 - local) * ROWS;
    const int rows = min(ROWS, tokens * c.group - row0);
    const int pos0 = kv_len - tokens;
    const int pos_lo = pos0 + row0 / c.group, pos_hi = pos0 + (row0 + rows - 1) / c.group;
    const int lo = c.window ? max(0, pos_lo - c.window + 1) : 0, hi = pos_hi + 1;
    const int first = lo / KEYS, end = (hi + KEYS - 1) / KEYS; /* tiles */

    /* What this thread copies: one unit of every PASS-th row. PASS is a multiple of 8. */
    const int copy_row = threadIdx.x % 128 / UNITS, copy_unit_of_row = threadIdx.x % UNITS;
    const int copy_panel = copy_unit_of_row / 8;
    const uint32_t copy_at = copy_row * 128 + (((copy_unit_of_row ^ copy_row) & 7) << 4);

    if (warpgroup == WARPGROUPS) {
        registers_shrink(COPY_REGISTERS);

        const uint32_t copy_dst = copy_panel * PANEL + copy_at;
        tile_feed s;
        int k_place = 0, v_place = 0;
        uint32_t k_parity = 1, v_parity = 1; /* of places that have never been used: empty */

        s.unit = head * c.head_stride + copy_unit_of_row * 16;
        s.lo = lo;
        s.hi = hi;
        s.row = copy_row;
        s.place = s.last_place = 0;
#if PAGED
        s.table = c.page_table + (int64_t)slot * c.table_stride;
        s.place = feed_place(&c, &s, first, lane, KEYS);
#else
        s.unit += slot * c.block_stride;
#endif
        /* in the order of their use: K first, K first + 1, V first, K first + 2, V first + 1 ... */
        for (int j = first; j <= end; j++) {
            if (j < end) {
                phase_wait(k_empty + k_place * 8, k_parity);
                feed(&c, &s, c.k, s.place, j, k_tiles + k_place * TILE + copy_dst, KEYS, PASS,
                     PAGED);
                phase_arrive_copied(k_full + k_place * 8);
                if (++k_place == STAGES) {
                    k_place = 0;
                    k_parity ^= 1;
                }
            }
            if (j > first) {
                phase_wait(v_empty + v_place * 8, v_parity);
                feed(&c, &s, c.v, s.last_place, j - 1, v_tiles + v_place * TILE + copy_dst, KEYS,
                     PASS, PAGED);
                phase_arrive_copied(v_full + v_place * 8);
                if (++v_place == STAGES) {
                    v_place = 0;
                    v_parity ^= 1;
                }
            }
            feed_next(&c, &s, j, lane, KEYS, PAGED);
        }
        copies_commit();
        copies_wait(0);
        return;
    }
    registers_grow(WGMMA_REGISTERS);

    /* This warp's rows, and this lane's: g and g + 8 of them. Tiles that the warpgroup sees. */
    const int warp_row = warp * 16, warp_rows = min(16, rows - warp_row); /* <= 0: none */
    const int warp_lo = pos0 + (row0 + warp_row) / c.group;
    const int warp_hi = pos0 + (row0 + warp_row + warp_rows - 1) / c.group;
    const int group_row = warpgroup * 64, group_rows = min(64, rows - group_row);
    const int group_lo = pos0 + (row0 + group_row) / c.group;
    const int group_hi = pos0 + (row0 + group_row + group_rows - 1) / c.group;
    const int seen = c.window ? max(0, group_lo - c.window + 1) / KEYS : 0;
    const int seen_end = group_rows > 0 ? group_hi / KEYS + 1 : 0;
    const uint32_t q_rows = q_tile + warp_row * 128;

    {
        const char *heads = c.q + (int64_t)head * c.group * (DIM * 2) + copy_unit_of_row * 16;
        const uint32_t dst = q_tile + copy_panel * Q_PANEL + group_row * 128 + copy_at;
        row_walk walk = walk_rows(&c, row0 + group_row + copy_row, PASS);

#pragma unroll
        for (int i = 0; i < 64 / PASS; i++) {
            copy_unit(dst + i * PASS * 128,
                      heads + (token0 + walk.token) * c.q_stride + walk.head * (DIM * 2),
                      copy_row + i * PASS < group_rows);
            walk_on(&c, &walk);
        }
        copies_commit();
        copies_wait(0);
        if (c.sign_flip)
            flip_signs(dst, 64 / PASS, PASS * 128, c.sign_flip);
        share_writes();
        warpgroup_barrier(warpgroup);
    }

    softmax soft[2];
    float acc[2 * KK][4];
    uint32_t weights[NN / 2][4];
    int place = 0; /* of tile j's keys and values, once j >= first */
    uint32_t parity = 0;
    int pos[2];

#pragma unroll
    for (int h = 0; h < 2; h++) {
        soft[h].max = -CUDART_INF_F;
        soft[h].sum = 0;
        pos[h] = pos0 + (row0 + warp_row + 8 * h + g) / c.group;
    }
#pragma unroll
    for (int n = 0; n < 2 * KK; n++)
#pragma unroll
        for (int e = 0; e < 4; e++)
            acc[n][e] = 0;

    const uint32_t q_descriptor = shared_descriptor(q_tile + group_row * 128, 16);

#define SCORES(p, k_at)                                                                            \
    do {                                                                                           \
        const uint32_t k_ = shared_descriptor(k_at, 16);                                           \
        _Pragma("unroll") for (int kk = 0; kk < KK; kk++)                                          \
            wgmma_scores(F16, p, q_descriptor + ((kk / 4 * Q_PANEL + kk % 4 * 32) >> 4),           \
                         k_ + ((kk / 4 * PANEL + kk % 4 * 32) >> 4), kk > 0);                      \
    } while (0)
#define VALUES(v_at)                                                                               \
    do {                                                                                           \
        const uint32_t v_ = shared_descriptor(v_at, PANEL);                                        \
        _Pragma("unroll") for (int n = 0; n < NN / 2; n++)                                         \
            wgmma_values(F16, DIM, acc, weights[n], v_ + (n * 2048 >> 4));                         \
    } while (0)
/* Tokens that a row does not see: beyond its position, or older than its window. */
#define HIDE_UNSEEN(p, token)                                                                      \
    do {                                                                                           \
        if ((token) + KEYS > warp_lo + 1 || (c.window && (token) <= warp_hi - c.window)) {         \
            hide_unseen(p, NN, 0, (token) + 2 * t, pos[0], c.window);                              \
            hide_unseen(p, NN, 1, (token) + 2 * t, pos[1], c.window);                              \
        }                                                                                          \
    } while (0)
/* Whether some rows of the block do not see tokens of tile j that others do. */
#define IS_SPLIT(j)                                                                                \
    (pos_lo < pos_hi &&                                                                            \
     (((j) + 1) * KEYS > pos_lo + 1 || (c.window && (j)*KEYS <= pos_hi - c.window)))
#define RELEASE(at)                                                                                \
    do {                                                                                           \
        if (lane == 0)                                                                             \
            phase_arrive(at);                                                                      \
    } while (0)

    for (int j = first - 1; j < end; j++) {
        const int next = j < first || place == STAGES - 1 ? 0 : place + 1; /* of tile j + 1 */
        const uint32_t next_parity = j < first ? 0 : parity ^ (next == 0);
        const bool has_weights = j >= seen && j < seen_end;
        const bool has_scores = j + 1 >= seen && j + 1 < seen_end;

        if (j >= first && IS_SPLIT(j)) {
            const uint32_t v = v_tiles + place * TILE;
            const uint32_t units = v + copy_panel * PANEL + warpgroup * PASS * 128 + copy_at;
            const int unit_row = warpgroup * PASS + copy_row;

            phase_wait(v_full + place * 8, parity);
            if (any_thread(CONSUMERS,
                           !feed_is_finite(F16, units, unit_row, KEYS, WARPGROUPS * PASS))) {
                if (has_weights) {
                    float p[NN][4], offset[2];
                    softmax unused[2] = {};

                    wgmma_begin();
                    SCORES(p, k_tiles + place * TILE);
                    wgmma_commit();
                    wgmma_wait(0);
                    registers_settle(p, NN);
#pragma unroll
                    for (int h = 0; h < 2; h++) {
                        hide_unseen(p, NN, h, j * KEYS + 2 * t, pos[h], c.window);
                        offset[h] = softmax_offset(soft[h].max, c.scale);
                    }
                    /* one copy of the code: all moves down by 16 tokens a turn */
#pragma unroll 1
                    for (int n = 0; n < NN; n += 2) {
                        weigh(p, unused, offset, c.scale);
#pragma unroll
                        for (int i = 0; i < PANELS; i++)
                            add_not_finite(F16, p, v + i * PANEL + n * 8 * 128, acc + 8 * i, lane,
                                           64);
#pragma unroll
                        for (int i = 0; i + 1 < NN / 2; i++)
#pragma unroll
                            for (int e = 0; e < 4; e++)
                                weights[i][e] = weights[i + 1][e];
                        pack_weights(F16, weights[NN / 2 - 1], p);
#pragma unroll
                        for (int i = 0; i + 2 < NN; i++)
#pragma unroll
                            for (int e = 0; e < 4; e++)
                                p[i][e] = p[i + 2][e];
                    }
                }
                any_thread(CONSUMERS, false);
                make_feed_finite(F16, units, unit_row, KEYS, WARPGROUPS * PASS);
                share_writes();
                any_thread(CONSUMERS, false);
            }
            RELEASE(k_empty + place * 8); /* which have been kept for this */
        }

        if (has_scores && has_weights) {
            float p[NN][4], factor[2];

            phase_wait(k_full + next * 8, next_parity);
            phase_wait(v_full + place * 8, parity);
            share_writes();
            wgmma_begin();
            SCORES(p, k_tiles + next * TILE);
            wgmma_commit();
            VALUES(v_tiles + place * TILE);
            wgmma_commit();
            wgmma_wait(1);
            registers_settle(p, NN);
            if (!IS_SPLIT(j + 1))
                RELEASE(k_empty + next * 8);
            HIDE_UNSEEN(p, (j + 1) * KEYS);

            const bool grown = soften(p, NN, soft, factor, c.scale);

            /* Weights are computed before the wait: the compiler moves it, but not over a branch.
             */
            registers_settle(p, NN);
            if (c.n_seqs < 0)
                __trap();
            wgmma_wait(0);
            registers_settle(acc, 2 * KK);
            RELEASE(v_empty + place * 8);
            if (grown) {
#pragma unroll
                for (int n = 0; n < 2 * KK; n++)
#pragma unroll
                    for (int e = 0; e < 4; e++)
                        acc[n][e] = __fmul_rn(acc[n][e], factor[e / 2]);
            }
#pragma unroll
            for (int n = 0; n < NN / 2; n++)
                pack_weights(F16, weights[n], p + 2 * n);
        } else {
            if (has_scores) { /* the first */
                float p[NN][4], factor[2];

                phase_wait(k_full + next * 8, next_parity);
                share_writes();
                wgmma_begin();
                SCORES(p, k_tiles + next * TILE);
                wgmma_commit();
                wgmma_wait(0);
                registers_settle(p, NN);
                HIDE_UNSEEN(p, (j + 1) * KEYS);
                soften(p, NN, soft, factor, c.scale);
#pragma unroll
                for (int n = 0; n < NN / 2; n++)
                    pack_weights(F16, weights[n], p + 2 * n);
            } else if (has_weights) { /* the last */
                phase_wait(v_full + place * 8, parity);
                share_writes();
                wgmma_begin();
                VALUES(v_tiles + place * TILE);
                wgmma_commit();
                wgmma_wait(0);
                registers_settle(acc, 2 * KK);
            }
            /* Places that are not used are given back all the same, once they are full. */
            if (j + 1 < end && !IS_SPLIT(j + 1)) {
                phase_wait(k_full + next * 8, next_parity);
                RELEASE(k_empty + next * 8);
            }
            if (j >= first) {
                phase_wait(v_full + place * 8, parity);
                RELEASE(v_empty + place * 8);
            }
        }
        place = next;
        parity = next_parity;
    }

    /* Through shared memory to whole units, over the warp's own queries. */
    warpgroup_barrier(warpgroup); /* other warps' products may have read them */
#pragma unroll
    for (int h = 0; h < 2; h++) {
        float inverse = __fdiv_rn(1.0f, row_sum(soft[h].sum));

#pragma unroll
        for (int n = 0; n < 2 * KK; n++)
            store_word(q_rows + n / 8 * Q_PANEL + (8 * h + g) * 128 + ((n % 8 ^ g) << 4) + t * 4,
                       pack_out(F16, acc[n][2 * h], acc[n][2 * h + 1], inverse));
    }
    __syncwarp();
    {
        const int unit = lane % UNITS, lane_row = lane / UNITS;
        char *heads = c.out + (int64_t)head * c.group * (DIM * 2) + unit * 16;
        row_walk walk = walk_rows(&c, row0 + warp_row + lane_row, 32 / UNITS);

#pragma unroll
        for (int i = 0; i < 16 / (32 / UNITS); i++) {
            int r = lane_row + i * (32 / UNITS);
            uint32_t x[4];

            load_unit(x, q_rows + unit / 8 * Q_PANEL + r * 128 + (((unit ^ r) & 7) << 4));
            if (r < warp_rows)
                store_global(heads + (token0 + walk.token) * c.out_stride + walk.head * (DIM * 2),
                             x);
            walk_on(&c, &walk);
        }
    }
}

#undef SCORES
#undef VALUES
#undef HIDE_UNSEEN
#undef IS_SPLIT
#undef RELEASE

#else

/* The image of another architecture: the host sees that a block has fewer threads than it wants. */
static __global__ void __launch_bounds__(32) NAME(const __grid_constant__ flash_cuda_call c)
{
}

#endif

#undef WARPGROUPS
#undef KEYS
#undef STAGES
#undef COPY_REGISTERS
#undef WGMMA_REGISTERS
#undef ROWS
#undef CONSUMERS
#undef DIM
#undef F16
#undef PAGED
#undef NAME
