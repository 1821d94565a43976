/* SPDX-License-Identifier: MIT */
/*
 * Decode: few query rows against many keys. Every key and value is read once.
 *
 * Index map. Thread block (x, y) computes row tile x / n_kv_heads of key/value head x % n_kv_heads
 * against the y-th split that the tile sees. Row tiles [0, n_seqs) are the first 16 rows of
 * each sequence. The others are found from q_start: sequence i owns tiles
 * floor(q_start[i] g / 16) <= x - n_seqs < floor(q_start[i+1] g / 16), never fewer than it has
 * further tiles. A thread block without work exits immediately.
 *
 * Keys are divided into KV blocks of 16 tokens at absolute positions 0, 16, 32 ...; KV block b
 * belongs to warp b % W, W = FLASH_DECODE_WARPS. Each warp streams its KV blocks through its own
 * ring of stages in shared memory and keeps a running softmax of all rows. At the end the warps'
 * results are merged; where the tile sees several splits, the thread block that finishes last
 * merges these in ascending order.
 *
 * Bits. Where a KV block or a split begins, and which warp processes it, depends only on its
 * position, and tokens hidden from a row change none of its bits: the row's result is a function of
 * its query, its position, the cached tokens and the plan's split size.
 *
 * Sources: Dao et al. 2022, algorithm 1 (tiling); Dao et al. 2023, "Flash-Decoding" (splits).
 */
#include "decode.cuh"
#include "ptx/mma.cuh"

/*
 * Sizes of the kernel for one head size.
 *
 * Head sizes that are multiples of 64 have the swizzled rows of mma.cuh. Rows of the others are an
 * odd number of 16-byte vectors apart, which puts a vector of 8 rows in different banks too; head
 * size 56 is computed as 64, of which the last 8 elements are 0.
 */
template <int WIDTH> struct decode_shape {
    static constexpr int DIM = (WIDTH + 15) / 16 * 16;
    static constexpr int KK = DIM / 16;         /* steps of 16 elements */
    static constexpr int ROW_BYTES = WIDTH * 2; /* of a head of q, out and the cache */
    static constexpr bool SWIZZLED = DIM % 64 == 0;
    static constexpr int VECTORS = DIM / 8; /* 16-byte vectors of a row */
    static constexpr int STRIDE = SWIZZLED ? DIM * 2 : (VECTORS | 1) * 16; /* of rows */
    static constexpr int TILE = FLASH_KV_BLOCK * STRIDE; /* bytes of K or V of a KV block */
    static constexpr int STAGES = FLASH_DECODE_STAGES(WIDTH);
    static constexpr int RING = STAGES * 2 * TILE; /* bytes of a warp's ring */
    static constexpr int BLOCKS = FLASH_DECODE_BLOCKS(WIDTH);
    /* Floats between rows of the exchange: rows g, g + 1 ... are in different banks. */
    static constexpr int PITCH = DIM + 8;
};

/* Offset in a tile of 16-byte vector `vector` of row `row`. */
template <int WIDTH> DEVICE_INLINE uint32_t vector_offset(int row, int vector)
{
    using S = decode_shape<WIDTH>;

    return row * S::STRIDE + ((S::SWIZZLED ? vector ^ (row & 7) : vector) << 4);
}

/* ldmatrix address of a lane for vectors 2 i and 2 i + 1, from that for vectors 0 and 1. */
template <int WIDTH> DEVICE_INLINE uint32_t fragment(uint32_t tile, uint32_t offset, int i)
{
    using S = decode_shape<WIDTH>;

    if constexpr (!S::SWIZZLED)
        return tile + offset + i * 32;
    else if constexpr (S::DIM == 192) /* the row's bits overlap those of i */
        return tile + (offset ^ i % 4 << 5) + i / 4 * 128;
    else
        return tile + (offset ^ i << 5);
}

/* A warp's KV blocks: first_block, first_block + W ...; n of them, possibly none. */
typedef struct kv_stream {
    const char *k; /* of the key/value head; contiguous: of the warp's first KV block in the slot */
    const char *v;
    int64_t token_stride;
    int32_t first_block;
    int32_t n;
    int32_t lo; /* tokens that are read: lo <= j < hi */
    int32_t hi;
    /* Paged views only. Lane l holds the byte offset of the warp's KV block 32 m + l, and of the
     * 32 KV blocks after these, so no copy waits for the page table. */
    const int32_t *table; /* of the slot */
    int64_t page_stride;
    int32_t page_kv_blocks;
    flash_divisor by_page; /* page_kv_blocks */
    int32_t end;           /* of the KV blocks that are read */
    int64_t offset;
    int64_t next_offset;
} kv_stream;

/* Byte offset from k and v of the warp's KV block i; 0 if the block is at or past n_blocks, the
 * sequence's block count. */
DEVICE_INLINE int64_t paged_offset(const kv_stream *s, int i, int n_blocks)
{
    int block = s->first_block + i * FLASH_DECODE_WARPS;

    if (block >= n_blocks)
        return 0;

    const int page = divide(block, s->by_page);

    return s->table[page] * s->page_stride +
           (block - page * s->page_kv_blocks) * FLASH_KV_BLOCK * s->token_stride;
}

/* Queues the copies of K or V of a KV block, as one warp. */
template <int WIDTH>
DEVICE_INLINE void copy_kv_block(const kv_stream *s, uint32_t dst, const char *src, int token,
                                 int lane)
{
    using S = decode_shape<WIDTH>;

    if constexpr (WIDTH == 64 || WIDTH == 128) {
        constexpr int ROWS = 32 / S::VECTORS; /* in one pass of the warp */
        int row = lane / S::VECTORS, vector = lane % S::VECTORS;

        src += row * s->token_stride + vector * 16;
#pragma unroll
        for (int i = 0; i < FLASH_KV_BLOCK / ROWS; i++) {
            int r = row + i * ROWS;

            cp_async_16B(dst + vector_offset<WIDTH>(r, vector), src,
                         token + r >= s->lo && token + r < s->hi);
            src += ROWS * s->token_stride;
        }
    } else {
#pragma unroll
        for (int i = 0; i < S::VECTORS / 2; i++) {
            const int x = lane + 32 * i, r = x / S::VECTORS, vector = x % S::VECTORS;
            const bool is_padding = vector * 8 >= WIDTH; /* zeros */

            cp_async_16B(dst + vector_offset<WIDTH>(r, vector),
                         is_padding ? src : src + r * s->token_stride + vector * 16,
                         !is_padding && token + r >= s->lo && token + r < s->hi);
        }
    }
}

/*
 * Queues the copies of the warp's KV block i to a stage: K, then V. KV blocks are loaded in order,
 * each once. Every call is one group of copies, an empty one after the last KV block.
 */
template <int WIDTH, bool PAGED>
DEVICE_INLINE void load_kv_block(kv_stream *s, int i, uint32_t dst, int lane)
{
    if (i < s->n) {
        int token = (s->first_block + i * FLASH_DECODE_WARPS) * FLASH_KV_BLOCK;
        int64_t at;

        if (PAGED) {
            if (i && i % 32 == 0) {
                s->offset = s->next_offset;
                s->next_offset = paged_offset(s, i + 32 + lane, s->end);
            }
            at = __shfl_sync(FULL_WARP, s->offset, i % 32);
        } else {
            at = (int64_t)i * (FLASH_DECODE_WARPS * FLASH_KV_BLOCK) * s->token_stride;
        }
        copy_kv_block<WIDTH>(s, dst, s->k + at, token, lane);
        copy_kv_block<WIDTH>(s, dst + decode_shape<WIDTH>::TILE, s->v + at, token, lane);
    }
    cp_async_commit();
}

/* Loads the A fragments of the lane's rows from global memory; rows outside the tile are 0. */
template <int WIDTH>
DEVICE_INLINE void load_queries(uint32_t (*q)[4], const flash_cuda_call *c, int head, int token0,
                                int row0, int rows, int g, int t)
{
    constexpr int KK = decode_shape<WIDTH>::KK, ROW_BYTES = decode_shape<WIDTH>::ROW_BYTES;
    const int row_a = row0 + g, row_b = row0 + g + 8;
    const char *heads = c->q + (int64_t)head * c->group * ROW_BYTES + t * 4;
    const int token_a = divide(row_a, c->by_group), token_b = divide(row_b, c->by_group);
    const char *a =
        heads + (token0 + token_a) * c->q_stride + (row_a - token_a * c->group) * ROW_BYTES;
    const char *b =
        heads + (token0 + token_b) * c->q_stride + (row_b - token_b * c->group) * ROW_BYTES;

#pragma unroll
    for (int kk = 0; kk < KK; kk++)
#pragma unroll
        for (int i = 0; i < 2; i++) {
            q[kk][2 * i] = q[kk][2 * i + 1] = 0;
            if (kk * 16 + i * 8 >= WIDTH)
                continue;
            if (g < rows)
                q[kk][2 * i] = *(const uint32_t *)(a + kk * 32 + i * 16) ^ c->sign_flip;
            if (g + 8 < rows)
                q[kk][2 * i + 1] = *(const uint32_t *)(b + kk * 32 + i * 16) ^ c->sign_flip;
        }
}

/* p += Q K^T of one KV block. */
template <int WIDTH, typename Element>
DEVICE_INLINE void multiply_keys(float (*p)[4], const uint32_t (*q)[4], uint32_t k,
                                 uint32_t k_offset)
{
#pragma unroll
    for (int kk = 0; kk < decode_shape<WIDTH>::KK; kk++) {
        uint32_t b[4];

        ldmatrix_x4(b, fragment<WIDTH>(k, k_offset, kk));
        mma<Element>(p[0], q[kk], b[0], b[1]);
        mma<Element>(p[1], q[kk], b[2], b[3]);
    }
}

/* Sets to -infinity the scores of tokens after a row's position or older than its window. */
DEVICE_INLINE void mask_scores(float (*p)[4], int pos_a, int pos_b, const flash_cuda_call *c,
                               int token, int t)
{
#pragma unroll
    for (int n = 0; n < 2; n++)
#pragma unroll
        for (int e = 0; e < 4; e++) {
            int column = token + 8 * n + 2 * t + (e & 1), pos = e < 2 ? pos_a : pos_b;

            if (column > pos || (c->window && column <= pos - c->window))
                p[n][e] = -CUDART_INF_F;
        }
}

/* Replaces the scores of a KV block by weights, and makes sums and accumulators relative to the new
 * maximum. */
template <int WIDTH>
DEVICE_INLINE void update_softmax(float (*p)[4], softmax soft[2], float (*acc)[4], float scale)
{
    float max_a =
        fmaxf(soft[0].max, row_max(fmaxf(fmaxf(p[0][0], p[0][1]), fmaxf(p[1][0], p[1][1]))));
    float max_b =
        fmaxf(soft[1].max, row_max(fmaxf(fmaxf(p[0][2], p[0][3]), fmaxf(p[1][2], p[1][3]))));
    float factor_a = softmax_factor(soft[0].max, max_a, scale);
    float factor_b = softmax_factor(soft[1].max, max_b, scale);
    float offset_a = softmax_offset(max_a, scale);
    float offset_b = softmax_offset(max_b, scale);

#pragma unroll
    for (int n = 0; n < 2; n++)
#pragma unroll
        for (int e = 0; e < 4; e++)
            p[n][e] = exp2_fast(__fmaf_rn(p[n][e], scale, e < 2 ? -offset_a : -offset_b));
    soft[0].max = max_a;
    soft[1].max = max_b;
    soft[0].sum = __fmaf_rn(soft[0].sum, factor_a,
                            __fadd_rn(__fadd_rn(p[0][0], p[0][1]), __fadd_rn(p[1][0], p[1][1])));
    soft[1].sum = __fmaf_rn(soft[1].sum, factor_b,
                            __fadd_rn(__fadd_rn(p[0][2], p[0][3]), __fadd_rn(p[1][2], p[1][3])));
#pragma unroll
    for (int n = 0; n < decode_shape<WIDTH>::VECTORS; n++) {
        acc[n][0] = __fmul_rn(acc[n][0], factor_a);
        acc[n][1] = __fmul_rn(acc[n][1], factor_a);
        acc[n][2] = __fmul_rn(acc[n][2], factor_b);
        acc[n][3] = __fmul_rn(acc[n][3], factor_b);
    }
}

/* acc += weights times the values of one KV block. */
template <int WIDTH, typename Element>
DEVICE_INLINE void multiply_values(float (*acc)[4], const float (*p)[4], uint32_t v,
                                   uint32_t v_offset)
{
    uint32_t a[4]; /* the C fragments of 16 tokens are the A fragment of this product */

    pack_weights<Element>(a, p);
#pragma unroll
    for (int nn = 0; nn < decode_shape<WIDTH>::KK; nn++) {
        uint32_t b[4];

        ldmatrix_x4_trans(b, fragment<WIDTH>(v, v_offset, nn));
        mma<Element>(acc[2 * nn], a, b[0], b[1]);
        mma<Element>(acc[2 * nn + 1], a, b[2], b[3]);
    }
}

/* Stores the warp's maxima and sums to max_sum[16], its accumulators to rows of `exchange`. */
template <int WIDTH>
DEVICE_INLINE void store_warp_result(softmax soft[2], const float (*acc)[4], float2 *max_sum,
                                     float *exchange, int rows, int g, int t)
{
    constexpr int PITCH = decode_shape<WIDTH>::PITCH;

    soft[0].sum = row_sum(soft[0].sum);
    soft[1].sum = row_sum(soft[1].sum);
    if (t == 0) {
        max_sum[g] = make_float2(soft[0].max, soft[0].sum);
        max_sum[g + 8] = make_float2(soft[1].max, soft[1].sum);
    }
#pragma unroll
    for (int n = 0; n < decode_shape<WIDTH>::VECTORS; n++) {
        if (g < rows)
            *(float2 *)(exchange + g * PITCH + 8 * n + 2 * t) = make_float2(acc[n][0], acc[n][1]);
        if (g + 8 < rows)
            *(float2 *)(exchange + (g + 8) * PITCH + 8 * n + 2 * t) =
                make_float2(acc[n][2], acc[n][3]);
    }
}

/*
 * Finds the warp's first KV block and loads the page-table entries of its first 32. The rest of the
 * stream is set up later, since all copies wait for these loads. Entries after the sequence's last
 * page are undefined, and their lanes are not used.
 */
template <bool PAGED>
DEVICE_INLINE void start_stream(kv_stream *s, const flash_cuda_call *c, const row_tile *tile,
                                int begin, int warp, int lane)
{
    /* the first KV block >= begin that belongs to this warp: block % W == warp */
    s->first_block = begin + ((warp - begin) & (FLASH_DECODE_WARPS - 1));
    s->token_stride = c->token_stride;
    if constexpr (PAGED) {
        s->table = c->page_table + (int64_t)tile->slot * c->table_stride;
        s->page_stride = c->page_stride;
        s->page_kv_blocks = c->page_kv_blocks;
        s->by_page = c->by_page;
        s->offset = paged_offset(s, lane, c->table_stride * c->page_kv_blocks);
    }
}

/* Sets up the rest of the stream and queues the copies of the warp's first KV blocks, one per stage
 * of its ring. */
template <int WIDTH, bool PAGED>
DEVICE_INLINE void fill_ring(kv_stream *s, const flash_cuda_call *c, const row_tile *tile, int end,
                             uint32_t ring, int lane)
{
    s->k = c->k + tile->head * c->head_stride;
    s->v = c->v + tile->head * c->head_stride;
    s->n = (end - s->first_block + FLASH_DECODE_WARPS - 1) / FLASH_DECODE_WARPS;
    s->lo = tile->lo;
    s->hi = tile->hi;
    if constexpr (!PAGED) {
        int64_t at =
            tile->slot * c->page_stride + s->first_block * (FLASH_KV_BLOCK * c->token_stride);

        s->k += at;
        s->v += at;
    }
#pragma unroll
    for (int i = 0; i < decode_shape<WIDTH>::STAGES; i++)
        load_kv_block<WIDTH, PAGED>(s, i, ring + i * 2 * decode_shape<WIDTH>::TILE, lane);
    if constexpr (PAGED) {
        s->end = end;
        s->next_offset = paged_offset(s, 32 + lane, s->end);
    }
}

template <int WIDTH, typename Element, bool PAGED>
__global__ void __launch_bounds__(FLASH_DECODE_WARPS * 32, decode_shape<WIDTH>::BLOCKS)
    flash_decode_kernel(const __grid_constant__ flash_cuda_call c)
{
    using S = decode_shape<WIDTH>;
    constexpr int TILE = S::TILE, STAGES = S::STAGES, RING = S::RING;
    extern __shared__ __align__(128) unsigned char shared[];
    __shared__ float2 shared_max_sum[FLASH_DECODE_WARPS][FLASH_DECODE_ROWS];
    __shared__ int shared_is_last;
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    row_tile tile;
    key_range keys;
    kv_stream stream;

    start_decode(&c);
    if (!find_decode_tile(&c, FLASH_DECODE_ROWS, lane, &tile))
        return;
    find_split(&c, &tile, &keys);
    start_stream<PAGED>(&stream, &c, &tile, keys.begin, warp, lane);
    if ((int)blockIdx.y >= keys.n_splits)
        return;

    const uint32_t ring = shared_address(shared) + warp * RING;

    fill_ring<WIDTH, PAGED>(&stream, &c, &tile, keys.end, ring, lane);

    /* The lane's rows a and b of the tile: g and g + 8. */
    const int pos_a = tile.pos0 + divide(tile.row0 + g, c.by_group);
    const int pos_b = tile.pos0 + divide(tile.row0 + g + 8, c.by_group);
    uint32_t q[S::KK][4];

    load_queries<WIDTH>(q, &c, tile.head, tile.token0, tile.row0, tile.rows, g, t);

    /* of what the lane addresses of vectors 0 and 1, see mma.cuh */
    const uint32_t k_offset = vector_offset<WIDTH>((lane >> 4 << 3) + (lane & 7), (lane >> 3) & 1);
    const uint32_t v_offset = vector_offset<WIDTH>(((lane >> 3) & 1) * 8 + (lane & 7), lane >> 4);
    softmax soft[2] = { { -CUDART_INF_F, 0 }, { -CUDART_INF_F, 0 } };
    float acc[S::VECTORS][4];
    uint32_t stage = ring;

#pragma unroll
    for (int n = 0; n < decode_shape<WIDTH>::VECTORS; n++)
#pragma unroll
        for (int e = 0; e < 4; e++)
            acc[n][e] = 0;

    for (int i = 0; i < stream.n; i++) {
        const int token = (stream.first_block + i * FLASH_DECODE_WARPS) * FLASH_KV_BLOCK;
        const uint32_t k = stage, v = stage + TILE;
        float p[2][4] = { { 0, 0, 0, 0 }, { 0, 0, 0, 0 } };

        cp_async_wait<STAGES - 1>();
        __syncwarp();
        multiply_keys<WIDTH, Element>(p, q, k, k_offset);
        if (token + FLASH_KV_BLOCK > tile.pos_lo + 1 ||
            (c.window && token <= tile.pos_hi - c.window))
            mask_scores(p, pos_a, pos_b, &c, token, t);
        update_softmax<WIDTH>(p, soft, acc, c.scale);
        multiply_values<WIDTH, Element>(acc, p, v, v_offset);
        __syncwarp();
        load_kv_block<WIDTH, PAGED>(&stream, i + STAGES, stage, lane);
        stage += 2 * TILE;
        if (stage == ring + RING)
            stage = ring;
    }
    cp_async_wait<0>();
    __syncwarp();
    store_warp_result<WIDTH>(soft, acc, shared_max_sum[warp], (float *)(shared + warp * RING),
                             tile.rows, g, t);
    __syncthreads();
    merge_warps<WIDTH, RING, S::PITCH, Element>(&c, &tile, keys.n_splits, shared_max_sum, shared,
                                                c.scale);
    if (keys.n_splits == 1 ||
        !is_last_split(c.finished + blockIdx.x, keys.n_splits, &shared_is_last))
        return;
    merge_splits<WIDTH, Element>(&c, &tile, keys.n_splits, c.scale);
}

template <int WIDTH, typename Element> static const void *kernel_of(bool paged)
{
    return paged ? (const void *)flash_decode_kernel<WIDTH, Element, true>
                 : (const void *)flash_decode_kernel<WIDTH, Element, false>;
}

template <int WIDTH> static const void *kernel_of(int f16, int paged)
{
    return f16 ? kernel_of<WIDTH, __half>(paged != 0) : kernel_of<WIDTH, __nv_bfloat16>(paged != 0);
}

extern "C" const void *flash_get_decode_kernel(int head_dim, int f16, int paged)
{
    switch (head_dim) {
    case 32:
        return kernel_of<32>(f16, paged);
    case 56:
        return kernel_of<56>(f16, paged);
    case 64:
        return kernel_of<64>(f16, paged);
    case 80:
        return kernel_of<80>(f16, paged);
    case 96:
        return kernel_of<96>(f16, paged);
    case 128:
        return kernel_of<128>(f16, paged);
    case 192:
        return kernel_of<192>(f16, paged);
    case 256:
        return kernel_of<256>(f16, paged);
    default:
        return NULL;
    }
}
