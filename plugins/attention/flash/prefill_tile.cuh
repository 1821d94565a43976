/* SPDX-License-Identifier: MIT */
/*
 * Many rows a sequence: prompts.
 *
 * Included by prefill.cu once a variant, after it has defined (undefined again at the end)
 *
 *   DIM    head size, 64 or 128
 *   ROWS   of a tile, 128 or (short prompts) 64
 *   F16    1: elements are f16; 0: bf16
 *   PAGED  1: views have a page table
 *   NAME   of the kernel
 *
 * Index map. Block x does ROWS rows of key/value head x % n_kv_heads. Sequence i has room for tiles
 * floor(q_start[i] g / ROWS) + i <= x / n_kv_heads < floor(q_start[i+1] g / ROWS) + i + 1, never
 * less than it has tiles; its last tile, which sees most keys, comes first. A block without work
 * ends at once. A warp does ROWS / 4 rows of the tile, as two A fragments, so that each load of
 * keys and values from shared memory serves both, or as one, so that a multiprocessor has more
 * blocks. Warp w does rows from ROWS / 4 w or, in half of the blocks, from ROWS / 4 (3 - w): warp w
 * of all blocks shares one quarter of a multiprocessor, and later rows see more keys.
 *
 * Keys are taken in tiles of 64 at absolute positions 0, 64, 128 ..., ascending, through two places
 * in shared memory: both are filled at the start, then one while the other is used. Tiles that no
 * row of a warp sees are skipped by it.
 *
 * Bits. As decode: a row takes no notice of tokens that it does not see, and where tiles begin
 * depends on nothing. Its result is a function of its query, its position and the cached tokens,
 * whatever ROWS.
 *
 * Source: Dao 2023, "FlashAttention-2", algorithm 1.
 */
#define Q_MOVES (ROWS == 64 && DIM == 128)              /* queries begin in a place of keys */
#define Q_STAYS (Q_MOVES || (ROWS == 128 && DIM == 64)) /* in registers, else in shared memory */

static __global__ void __launch_bounds__(FLASH_PREFILL_WARPS * 32, ROWS == 128 ? 2
                                                                   : DIM == 64 ? 4
                                                                               : 3)
    NAME(const __grid_constant__ flash_cuda_call c)
{
    const int KK = DIM / 16; /* steps of 16 elements */
    const int KEYS = FLASH_PREFILL_KEYS, NN = KEYS / 8;
    const int ROW = DIM * 2;                        /* bytes */
    const int MM = ROWS / FLASH_PREFILL_WARPS / 16; /* A fragments of a warp */
    const int STAGE = 2 * KEYS * ROW;               /* K, V */
    const int UNITS = DIM / 8,
              PASS = FLASH_PREFILL_WARPS * 32 / UNITS; /* rows a pass of the block */
    extern __shared__ __align__(128) unsigned char shared[];
    const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    /* the parity of all bits: blocks that run side by side are any distance apart */
    const int warp = (threadIdx.x / 32) ^ (__popc(blockIdx.x) % 2 * (FLASH_PREFILL_WARPS - 1));
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
    const int first = lo / KEYS;
    /* Queries have a place of their own, or begin in the second one of keys. */
    const uint32_t stages = shared_address(shared) + (Q_MOVES ? 0 : ROWS * ROW);
    const uint32_t q_tile = Q_MOVES ? stages + STAGE : shared_address(shared);

    /* What this thread copies: one unit of every PASS-th row. PASS is 16 or 8. */
    const int copy_row = threadIdx.x / UNITS, copy_unit_of_row = threadIdx.x % UNITS;
    const uint32_t copy_dst = copy_row * ROW + ((copy_unit_of_row ^ (copy_row & 7)) << 4);
    tile_stream s;

    s.unit = head * c.head_stride + copy_row * c.token_stride + copy_unit_of_row * 16;
    s.lo = lo;
    s.hi = hi;
    s.row = copy_row;
#if PAGED
    s.table = c.page_table + (int64_t)slot * c.table_stride;
    s.place = tile_place(&c, &s, first, lane);
#else
    s.unit += slot * c.block_stride;
#endif

    {
        const char *heads = c.q + (int64_t)head * c.group * ROW + copy_unit_of_row * 16;
        row_walk walk = walk_rows(&c, row0 + copy_row, PASS);

#pragma unroll
        for (int i = 0; i < ROWS / PASS; i++) {
            copy_unit(q_tile + copy_dst + i * PASS * ROW,
                      heads + (token0 + walk.token) * c.q_stride + walk.head * ROW,
                      copy_row + i * PASS < rows);
            walk_on(&c, &walk);
        }
    }
    copies_commit();
    fetch_tile(&c, &s, first, stages + copy_dst, lane, DIM, PAGED, Q_MOVES);
#if !Q_MOVES
    if ((first + 1) * KEYS < hi)
        fetch_tile(&c, &s, first + 1, stages + STAGE + copy_dst, lane, DIM, PAGED, Q_MOVES);
    else
        copies_commit(); /* a group in any case: they are counted */
#endif
    copies_wait(Q_MOVES ? 1 : 2);
    if (c.sign_flip)
        flip_signs(q_tile + copy_dst, ROWS / PASS, PASS * ROW, c.sign_flip);
    __syncthreads();

    /* This warp's rows, and this lane's: two A fragments of rows g and g + 8. */
    const int warp_row = warp * (16 * MM),
              warp_rows = min(16 * MM, rows - warp_row); /* <= 0: none */
    const int warp_lo = pos0 + (row0 + warp_row) / c.group;
    const int warp_hi = pos0 + (row0 + warp_row + warp_rows - 1) / c.group;
    const uint32_t k_lane = key_offset(lane, DIM), v_lane = value_offset(lane, DIM);
    const uint32_t q_rows = q_tile + warp_row * ROW;
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
#if Q_STAYS
    uint32_t q[MM][KK][4]; /* of 32 rows of 128 they would take the registers of the scores */

#pragma unroll
    for (int m = 0; m < MM; m++)
#pragma unroll
        for (int kk = 0; kk < KK; kk++)
            load_matrices(q[m][kk], q_rows + m * 16 * ROW + (v_lane ^ kk << 5));
#endif
#if Q_MOVES
    __syncthreads();
    if ((first + 1) * KEYS < hi)
        fetch_tile(&c, &s, first + 1, stages + STAGE + copy_dst, lane, DIM, PAGED, Q_MOVES);
    else
        copies_commit(); /* a group in any case: they are counted */
#endif

    uint32_t k_next = stages; /* where the next tile is, or will be */

    for (int token = first * KEYS; token < hi; token += KEYS) {
        const uint32_t k = k_next, v = k + KEYS * ROW;
        /* some rows of the block do not see tokens that others do */
        const bool split = pos_lo < pos_hi &&
                           (token + KEYS > pos_lo + 1 || (c.window && token <= pos_hi - c.window));
        bool finite = true;
        float p[MM][NN][4];

        k_next = stages + (STAGE - (k - stages));

        /* The barrier ends all use of the place that is filled next, too. */
        if (token > lo)
            copies_wait(0);
        else /* the first */
            copies_wait(1);
        if (split)
            finite =
                !__syncthreads_or(!units_are_finite(F16, v + copy_dst, KEYS / PASS, PASS * ROW));
        else
            __syncthreads();
        if (token > lo && token + KEYS < hi)
            fetch_tile(&c, &s, token / KEYS + 1, k_next + copy_dst, lane, DIM, PAGED, Q_MOVES);
        if (warp_rows <= 0 || token > warp_hi ||
            (c.window && token + KEYS - 1 <= warp_lo - c.window))
            continue;

#pragma unroll
        for (int m = 0; m < MM; m++)
#pragma unroll
            for (int n = 0; n < NN; n++)
#pragma unroll
                for (int e = 0; e < 4; e++)
                    p[m][n][e] = 0;
#pragma unroll
        for (int kk = 0; kk < KK; kk++) {
#if !Q_STAYS
            uint32_t q_now[MM][4];

#pragma unroll
            for (int m = 0; m < MM; m++)
                load_matrices(q_now[m], q_rows + m * 16 * ROW + (v_lane ^ kk << 5));
#endif
#pragma unroll
            for (int n = 0; n < NN; n += 2) {
                uint32_t b[4];

                load_matrices(b, k + n * 8 * ROW + (k_lane ^ kk << 5));
#pragma unroll
                for (int m = 0; m < MM; m++) {
#if Q_STAYS
                    const uint32_t *a = q[m][kk];
#else
                    const uint32_t *a = q_now[m];
#endif
                    mma(F16, p[m][n], a, b[0], b[1]);
                    mma(F16, p[m][n + 1], a, b[2], b[3]);
                }
            }
        }

        /* Tokens that a row does not see: beyond its position, or older than its window. */
        if (token + KEYS > warp_lo + 1 || (c.window && token <= warp_hi - c.window)) {
#pragma unroll
            for (int m = 0; m < MM; m++)
#pragma unroll
                for (int h = 0; h < 2; h++) {
                    const int pos = pos0 + (row0 + warp_row + 16 * m + 8 * h + g) / c.group;
                    const int from = c.window ? pos - c.window + 1 : 0;

#pragma unroll
                    for (int n = 0; n < NN; n++)
#pragma unroll
                        for (int e = 0; e < 2; e++) {
                            int i = token + 8 * n + 2 * t + e;

                            if (i > pos || i < from)
                                p[m][n][2 * h + e] = -CUDART_INF_F;
                        }
                }
        }

        /* Largest scores. Where none of the warp's has grown, all factors are 1. */
        float max[MM][2];
        bool grown = false;

#pragma unroll
        for (int m = 0; m < MM; m++)
#pragma unroll
            for (int h = 0; h < 2; h++) {
                float x = fmaxf(p[m][0][2 * h], p[m][0][2 * h + 1]);

#pragma unroll
                for (int n = 1; n < NN; n++)
                    x = fmaxf(x, fmaxf(p[m][n][2 * h], p[m][n][2 * h + 1]));
                max[m][h] = fmaxf(soft[m][h].max, row_max(x));
                grown = grown || max[m][h] != soft[m][h].max;
            }
        if (__any_sync(FULL_WARP, grown)) {
#pragma unroll
            for (int m = 0; m < MM; m++)
#pragma unroll
                for (int h = 0; h < 2; h++) {
                    float factor = softmax_factor(soft[m][h].max, max[m][h], c.scale);

                    soft[m][h].max = max[m][h];
                    soft[m][h].sum = __fmul_rn(soft[m][h].sum, factor);
#pragma unroll
                    for (int n = 0; n < 2 * KK; n++) {
                        acc[m][n][2 * h] = __fmul_rn(acc[m][n][2 * h], factor);
                        acc[m][n][2 * h + 1] = __fmul_rn(acc[m][n][2 * h + 1], factor);
                    }
                }
        }

        float offset[MM][2];

#pragma unroll
        for (int m = 0; m < MM; m++)
#pragma unroll
            for (int h = 0; h < 2; h++)
                offset[m][h] = softmax_offset(soft[m][h].max, c.scale);

        /* 16 tokens at a time, so that weights are computed while products are under way: their C
         * fragments are the A fragment of the next product. */
        if (finite) {
#pragma unroll
            for (int n = 0; n < NN; n += 2) {
                uint32_t a[MM][4];

#pragma unroll
                for (int m = 0; m < MM; m++) {
                    weigh(p[m] + n, soft[m], offset[m], c.scale);
                    pack_weights(F16, a[m], p[m] + n);
                }
#pragma unroll
                for (int nn = 0; nn < KK; nn++) {
                    uint32_t b[4];

                    load_matrices_transposed(b, v + n * 8 * ROW + (v_lane ^ nn << 5));
#pragma unroll
                    for (int m = 0; m < MM; m++) {
                        mma(F16, acc[m][2 * nn], a[m], b[0], b[1]);
                        mma(F16, acc[m][2 * nn + 1], a[m], b[2], b[3]);
                    }
                }
            }
        } else {
            /* Rare, so one copy of the code: the scores move down by 16 tokens a turn. */
#pragma unroll 1
            for (int n = 0; n < NN; n += 2) {
                uint32_t a[MM][4];

#pragma unroll
                for (int m = 0; m < MM; m++) {
                    weigh(p[m], soft[m], offset[m], c.scale);
                    add_not_finite(F16, p[m], v + n * 8 * ROW, acc[m], lane, DIM);
                    pack_weights(F16, a[m], p[m]);
                }
#pragma unroll
                for (int nn = 0; nn < KK; nn++) {
                    uint32_t b[4];

                    load_matrices_transposed(b, v + n * 8 * ROW + (v_lane ^ nn << 5));
                    make_finite(F16, b);
#pragma unroll
                    for (int m = 0; m < MM; m++) {
                        mma(F16, acc[m][2 * nn], a[m], b[0], b[1]);
                        mma(F16, acc[m][2 * nn + 1], a[m], b[2], b[3]);
                    }
                }
#pragma unroll
                for (int m = 0; m < MM; m++)
#pragma unroll
                    for (int i = 0; i + 2 < NN; i++)
#pragma unroll
                        for (int e = 0; e < 4; e++)
                            p[m][i][e] = p[m][i + 2][e];
            }
        }
    }

    /* Through shared memory to whole units: over the warp's own queries, or where the next tile
     * would be, which no warp uses since the last barrier. */
    const uint32_t out_rows = Q_MOVES ? k_next + warp_row * ROW : q_rows;

    __syncwarp();
#pragma unroll
    for (int m = 0; m < MM; m++)
#pragma unroll
        for (int h = 0; h < 2; h++) {
            float inverse = __fdiv_rn(1.0f, row_sum(soft[m][h].sum));

#pragma unroll
            for (int n = 0; n < 2 * KK; n++)
                store_word(out_rows + (16 * m + 8 * h + g) * ROW + ((n ^ g) << 4) + t * 4,
                           pack_out(F16, acc[m][n][2 * h], acc[m][n][2 * h + 1], inverse));
        }
    __syncwarp();
    {
        const int unit = lane % UNITS, lane_row = lane / UNITS;
        char *heads = c.out + (int64_t)head * c.group * ROW + unit * 16;
        row_walk walk = walk_rows(&c, row0 + warp_row + lane_row, 32 / UNITS);

#pragma unroll
        for (int i = 0; i < 16 * MM / (32 / UNITS); i++) {
            int r = lane_row + i * (32 / UNITS);
            uint32_t x[4];

            load_unit(x, out_rows + r * ROW + ((unit ^ (r & 7)) << 4));
            if (r < warp_rows)
                store_global(heads + (token0 + walk.token) * c.out_stride + walk.head * ROW, x);
            walk_on(&c, &walk);
        }
    }
}

#undef Q_MOVES
#undef Q_STAYS
#undef DIM
#undef ROWS
#undef F16
#undef PAGED
#undef NAME
