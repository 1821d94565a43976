/* SPDX-License-Identifier: MIT */
/*
 * Few rows against many keys: every key and value is read once.
 *
 * Included by decode.cu once a variant, after it has defined (undefined again at the end)
 *
 *   DIM    head size, 64 or 128
 *   F16    1: elements are f16; 0: bf16
 *   PAGED  1: views have a page table
 *   NAME   of the kernel
 *
 * Index map. Block (x, y) does the rows of tile x / n_kv_heads against chunk y (of those that the
 * tile sees) of key/value head x % n_kv_heads. Tiles [0, n_seqs) are the first 16 rows of each
 * sequence; the others are found by the offsets: sequence i has room for tiles
 * floor(q_start[i] g / 16) <= x - n_seqs < floor(q_start[i+1] g / 16), never less than it has
 * further tiles. A block without work ends at once.
 *
 * Keys are cut into pieces of 16 tokens at absolute positions 0, 16, 32 ...; piece p is warp
 * p % 4's. Each warp streams its pieces through a ring of its own in shared memory and keeps a
 * running softmax for all rows; at the end the four are merged, and where the tile sees several
 * chunks, the block that is done last merges these, in ascending order.
 *
 * Bits. Where a piece or a chunk begins, and which warp does it, depends on its position alone,
 * and a row takes no notice of tokens it does not see: its result is a function of its query, its
 * position, the cached tokens and the plan's chunk size.
 *
 * Source: Dao et al. 2022, algorithm 1 (tiling); Dao et al. 2023, "Flash-Decoding" (chunks).
 */
static __global__ void __launch_bounds__(FLASH_DECODE_WARPS * 32, DIM == 64 ? 4 : 3)
    NAME(const __grid_constant__ flash_cuda_call c)
{
    const int KK = DIM / 16;                     /* steps of 16 elements */
    const int TILE = FLASH_CUDA_PIECE * DIM * 2; /* bytes of a piece of K or of V */
    const int STAGES = FLASH_DECODE_STAGES(DIM), RING = STAGES * 2 * TILE;
    const int PITCH = DIM + 8; /* floats of a row in the exchange: rows g, g+1.. in other banks */
    extern __shared__ __align__(128) unsigned char shared[];
    __shared__ float2 shared_ml[FLASH_DECODE_WARPS][FLASH_DECODE_ROWS];
    __shared__ int is_last;
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    const int tile = blockIdx.x / c.n_kv_heads, head = blockIdx.x % c.n_kv_heads;
    int seq = tile, row0 = 0;

    if (tile >= c.n_seqs) {
        int x = tile - c.n_seqs;

        if (x >= __ldg(c.q_start + c.n_seqs) * c.group / FLASH_DECODE_ROWS)
            return;
        seq = find_sequence(c.q_start, c.n_seqs, c.group, FLASH_DECODE_ROWS, 0, lane, x);
        row0 = (x - __ldg(c.q_start + seq) * c.group / FLASH_DECODE_ROWS + 1) * FLASH_DECODE_ROWS;
    }

    /* slot and kv_len are garbage where the sequence has no rows: loaded early, used below */
    const int token0 = __ldg(c.q_start + seq), tokens = __ldg(c.q_start + seq + 1) - token0;
    const int kv_len = __ldg(c.kv_len + seq), slot = __ldg(c.slot + seq);

    if (row0 >= tokens * c.group)
        return;

    /* [lo, hi): tokens that a row of the tile sees; its first row sees them up to pos_lo. */
    const int pos0 = kv_len - tokens, pos_lo = pos0 + row0 / c.group;
    const int lo = c.window ? max(0, pos_lo - c.window + 1) : 0;
    const int first = lo / FLASH_CUDA_PIECE, chunk = blockIdx.y;
    const int first_chunk = gridDim.y == 1 ? 0 : first / c.chunk_pieces;
    const int begin = max(first, (first_chunk + chunk) * c.chunk_pieces);
    stream s;

    s.piece0 = begin + ((warp - begin) & (FLASH_DECODE_WARPS - 1));
    s.token_stride = c.token_stride;
    s.lo = lo;
#if PAGED
    /* Before the end is known, since all else waits for these: the entries beyond are garbage, in
     * places that are not used. */
    s.table = c.page_table + (int64_t)slot * c.table_stride;
    s.block_stride = c.block_stride;
    s.block_pieces = c.block_pieces;
    s.place = paged_place(&s, lane, c.table_stride * c.block_pieces);
#endif

    const int rows = min(FLASH_DECODE_ROWS, tokens * c.group - row0);
    const int pos_hi = pos0 + (row0 + rows - 1) / c.group, hi = pos_hi + 1;
    const int end = (hi + FLASH_CUDA_PIECE - 1) / FLASH_CUDA_PIECE;
    const int n_chunks =
        gridDim.y == 1 ? 1 : (end - 1) / c.chunk_pieces - first_chunk + 1; /* that it sees */

    if (chunk >= n_chunks)
        return;

    const int stop = min(end, (first_chunk + chunk + 1) * c.chunk_pieces);
    const uint32_t ring = shared_address(shared) + warp * RING;

    s.k = c.k + head * c.head_stride;
    s.v = c.v + head * c.head_stride;
    s.n = (stop - s.piece0 + FLASH_DECODE_WARPS - 1) / FLASH_DECODE_WARPS;
    s.hi = hi;
#if !PAGED
    {
        int64_t at = slot * c.block_stride + s.piece0 * (FLASH_CUDA_PIECE * c.token_stride);

        s.k += at;
        s.v += at;
    }
#endif
#pragma unroll
    for (int i = 0; i < STAGES; i++)
        fetch(&s, i, ring + i * 2 * TILE, lane, DIM, PAGED);
#if PAGED
    s.end = stop;
    s.next_place = paged_place(&s, 32 + lane, s.end);
#endif

    /* This lane's rows: g and g + 8 of the tile, "a" and "b". */
    const int row_a = row0 + g, row_b = row0 + g + 8;
    const int pos_a = pos0 + row_a / c.group, pos_b = pos0 + row_b / c.group;
    uint32_t q[KK][4];
    {
        const char *heads = c.q + (int64_t)head * c.group * (DIM * 2) + t * 4;
        const char *a =
            heads + (token0 + row_a / c.group) * c.q_stride + row_a % c.group * (DIM * 2);
        const char *b =
            heads + (token0 + row_b / c.group) * c.q_stride + row_b % c.group * (DIM * 2);

#pragma unroll
        for (int kk = 0; kk < KK; kk++)
#pragma unroll
            for (int i = 0; i < 2; i++) {
                q[kk][2 * i] = q[kk][2 * i + 1] = 0;
                if (g < rows)
                    q[kk][2 * i] = __ldg((const uint32_t *)(a + kk * 32 + i * 16)) ^ c.sign_flip;
                if (g + 8 < rows)
                    q[kk][2 * i + 1] =
                        __ldg((const uint32_t *)(b + kk * 32 + i * 16)) ^ c.sign_flip;
            }
    }

    const uint32_t k_lane = key_offset(lane, DIM), v_lane = value_offset(lane, DIM);
    softmax soft_a = { -CUDART_INF_F, 0 }, soft_b = { -CUDART_INF_F, 0 };
    float acc[2 * KK][4];
    uint32_t at = ring;

#pragma unroll
    for (int n = 0; n < 2 * KK; n++)
#pragma unroll
        for (int e = 0; e < 4; e++)
            acc[n][e] = 0;

    for (int i = 0; i < s.n; i++) {
        const int token = (s.piece0 + i * FLASH_DECODE_WARPS) * FLASH_CUDA_PIECE;
        const uint32_t v = at + TILE;
        float p[2][4] = { { 0, 0, 0, 0 }, { 0, 0, 0, 0 } };
        bool masked, split, finite = true;

        copies_wait(STAGES - 1);
        __syncwarp();

#pragma unroll
        for (int kk = 0; kk < KK; kk++) {
            uint32_t b[4];

            load_matrices(b, at + (k_lane ^ kk << 5));
            mma(F16, p[0], q[kk], b[0], b[1]);
            mma(F16, p[1], q[kk], b[2], b[3]);
        }

        /* Tokens that a row does not see: beyond its position, or older than its window. */
        masked = token + FLASH_CUDA_PIECE > pos_lo + 1 || (c.window && token <= pos_hi - c.window);
        split = masked && pos_lo < pos_hi; /* some of them may be seen by other rows */
        if (masked) {
#pragma unroll
            for (int n = 0; n < 2; n++)
#pragma unroll
                for (int e = 0; e < 4; e++) {
                    int j = token + 8 * n + 2 * t + (e & 1), pos = e < 2 ? pos_a : pos_b;

                    if (j > pos || (c.window && j <= pos - c.window))
                        p[n][e] = -CUDART_INF_F;
                }
            if (split)
                finite = piece_is_finite(F16, v, lane, DIM);
        }

        {
            float max_a =
                fmaxf(soft_a.max, row_max(fmaxf(fmaxf(p[0][0], p[0][1]), fmaxf(p[1][0], p[1][1]))));
            float max_b =
                fmaxf(soft_b.max, row_max(fmaxf(fmaxf(p[0][2], p[0][3]), fmaxf(p[1][2], p[1][3]))));
            float factor_a = softmax_factor(soft_a.max, max_a, c.scale);
            float factor_b = softmax_factor(soft_b.max, max_b, c.scale);
            float offset_a = softmax_offset(max_a, c.scale);
            float offset_b = softmax_offset(max_b, c.scale);

#pragma unroll
            for (int n = 0; n < 2; n++)
#pragma unroll
                for (int e = 0; e < 4; e++)
                    p[n][e] = exp2_fast(__fmaf_rn(p[n][e], c.scale, e < 2 ? -offset_a : -offset_b));
            soft_a.max = max_a;
            soft_b.max = max_b;
            soft_a.sum =
                __fmaf_rn(soft_a.sum, factor_a,
                          __fadd_rn(__fadd_rn(p[0][0], p[0][1]), __fadd_rn(p[1][0], p[1][1])));
            soft_b.sum =
                __fmaf_rn(soft_b.sum, factor_b,
                          __fadd_rn(__fadd_rn(p[0][2], p[0][3]), __fadd_rn(p[1][2], p[1][3])));
#pragma unroll
            for (int n = 0; n < 2 * KK; n++) {
                acc[n][0] = __fmul_rn(acc[n][0], factor_a);
                acc[n][1] = __fmul_rn(acc[n][1], factor_a);
                acc[n][2] = __fmul_rn(acc[n][2], factor_b);
                acc[n][3] = __fmul_rn(acc[n][3], factor_b);
            }
        }

        /* C fragments of 16 tokens are the A fragment of the next product. */
        uint32_t a[4];

        pack_weights(F16, a, p);

        if (finite) {
#pragma unroll
            for (int nn = 0; nn < KK; nn++) {
                uint32_t b[4];

                load_matrices_transposed(b, v + (v_lane ^ nn << 5));
                mma(F16, acc[2 * nn], a, b[0], b[1]);
                mma(F16, acc[2 * nn + 1], a, b[2], b[3]);
            }
        } else {
            add_not_finite(F16, p, v, acc, lane, DIM);
#pragma unroll
            for (int nn = 0; nn < KK; nn++) {
                uint32_t b[4];

                load_matrices_transposed(b, v + (v_lane ^ nn << 5));
                make_finite(F16, b);
                mma(F16, acc[2 * nn], a, b[0], b[1]);
                mma(F16, acc[2 * nn + 1], a, b[2], b[3]);
            }
        }
        __syncwarp();
        fetch(&s, i + STAGES, at, lane, DIM, PAGED);
        at += 2 * TILE;
        if (at == ring + RING)
            at = ring;
    }
    copies_wait(0);
    __syncwarp();

    /* The warp's results, over its ring. */
    float *exchange = (float *)(shared + warp * RING);

    soft_a.sum = row_sum(soft_a.sum);
    soft_b.sum = row_sum(soft_b.sum);
    if (t == 0) {
        shared_ml[warp][g] = make_float2(soft_a.max, soft_a.sum);
        shared_ml[warp][g + 8] = make_float2(soft_b.max, soft_b.sum);
    }
#pragma unroll
    for (int n = 0; n < 2 * KK; n++) {
        if (g < rows)
            *(float2 *)(exchange + g * PITCH + 8 * n + 2 * t) = make_float2(acc[n][0], acc[n][1]);
        if (g + 8 < rows)
            *(float2 *)(exchange + (g + 8) * PITCH + 8 * n + 2 * t) =
                make_float2(acc[n][2], acc[n][3]);
    }
    __syncthreads();

    /* Two elements of a row a thread. */
    char *const out = c.out + (int64_t)head * c.group * (DIM * 2);
    const int64_t partial_row0 = (int64_t)token0 * c.group + row0;

    for (int x = threadIdx.x; x < rows * (DIM / 2); x += FLASH_DECODE_WARPS * 32) {
        const int r = x / (DIM / 2), d = x % (DIM / 2) * 2, row = row0 + r;
        merged m = { -CUDART_INF_F, 0, 0, 0 };

#pragma unroll
        for (int w = 0; w < FLASH_DECODE_WARPS; w++)
            m.max = fmaxf(m.max, shared_ml[w][r].x);
#pragma unroll
        for (int w = 0; w < FLASH_DECODE_WARPS; w++)
            merge(&m, shared_ml[w][r],
                  *(const float2 *)(shared + w * RING + (r * PITCH + d) * sizeof(float)), c.scale);
        if (n_chunks == 1) {
            write_out(F16, &m,
                      out + (token0 + row / c.group) * c.out_stride + row % c.group * (DIM * 2) +
                          d * 2);
        } else {
            int64_t at = (int64_t)(chunk * c.n_kv_heads + head) * c.max_rows + partial_row0 + r;

            *(float2 *)(c.partial_acc + at * DIM + d) = make_float2(m.x, m.y);
            if (d == 0)
                *(float2 *)(c.partial_ml + at * 2) = make_float2(m.max, m.sum);
        }
    }
    if (n_chunks == 1)
        return;

    /* The last block of this tile and head merges the chunks. Its stores are seen by whom sees the
     * count, and the count goes back to zero for the next launch. */
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) {
        uint32_t *finished = c.finished + blockIdx.x;

        is_last = atomicAdd(finished, 1) == (uint32_t)n_chunks - 1;
        if (is_last)
            *finished = 0;
        __threadfence();
    }
    __syncthreads();
    if (!is_last)
        return;
    for (int x = threadIdx.x; x < rows * (DIM / 2); x += FLASH_DECODE_WARPS * 32) {
        const int r = x / (DIM / 2), d = x % (DIM / 2) * 2, row = row0 + r;
        const int64_t step = (int64_t)c.n_kv_heads * c.max_rows;
        const int64_t at = (int64_t)head * c.max_rows + partial_row0 + r;
        merged m = { -CUDART_INF_F, 0, 0, 0 };

        for (int i = 0; i < n_chunks; i++)
            m.max = fmaxf(m.max, __ldcg(c.partial_ml + (at + i * step) * 2));
        for (int i = 0; i < n_chunks; i++)
            merge(&m, __ldcg((const float2 *)(c.partial_ml + (at + i * step) * 2)),
                  __ldcg((const float2 *)(c.partial_acc + (at + i * step) * DIM + d)), c.scale);
        write_out(F16, &m,
                  out + (token0 + row / c.group) * c.out_stride + row % c.group * (DIM * 2) +
                      d * 2);
    }
}

#undef DIM
#undef F16
#undef PAGED
#undef NAME
