/* SPDX-License-Identifier: MIT */
/*
 * Decode over caches of 8 bits: f8_e4m3, f8_e5m2 or i8, with scales or without. Every call over
 * such a cache runs here, prompts included.
 *
 * Thread blocks, splits and KV blocks are those of decode.cu. A byte of this cache leaves time for
 * half as many instructions as one of that cache. So these differ:
 *   - The operands of both products are exchanged: S = K Q^T and O = V^T P^T. Tokens, then
 * elements, are the 16 rows of an MMA, and query rows its 8 columns. A row tile has 8 or 16 rows.
 *   - A key tile has two KV blocks for head sizes up to 96, from positions 0, 32, 64 ...; key tile
 * b is that of warp b % W.
 *   - W is 1 where thread blocks of one warp fill the GPU. They need no merge.
 *   - Sums are relative to an *offset* that may lag behind the maximum, up to a weight of 2^LAG. So
 *     most key tiles change no accumulator.
 *
 * Numbers. Keys and values become f16, which holds all numbers of the three types. So both products
 * are exact but for the f32 sums. These operands are rounded:
 *   - Queries times a power of two, by which the largest element of a row is in [2^14, 2^15). So a
 *     query of f16 loses nothing, one of bf16 at most 2^-39 of its largest element.
 *   - Weights times scales of values, times a power of two: with the largest scale that the row has
 *     seen in [2^e, 2^(e+1)), the *unit* of its accumulators is 2^(e-10). Products are below 2^15,
 *     and those above 2^-24 of that scale keep f16's 11 bits.
 *   Scales of keys multiply scores, in f32.
 *
 * Bits are a function of what decode.cu names, of W, and of the scales. Offset and unit are those
 * of the row: tokens that the row does not see are left out.
 */
#include <cuda_fp8.h>

#include "decode.cuh"
#include "ptx/mma.cuh"

/* KV blocks of a key tile, stages of a warp's ring, and warps per multiprocessor that registers are
 * to allow; shared memory allows as many on compute capability 9.0. */
static constexpr int kv_blocks_for(int width)
{
    return width <= 96 ? 2 : 1;
}

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ > 800 && __CUDA_ARCH__ < 890
static constexpr int MOST_BLOCKS = 16; /* that a multiprocessor holds */
#else
static constexpr int MOST_BLOCKS = 24;
#endif

static constexpr int warps_for(int width, int octets)
{
    return 4 * (width <= 64    ? 6 - octets
                : width <= 128 ? 5 - octets
                : width == 192 ? 4 - octets
                               : 3 - octets);
}

static constexpr int blocks_for(int width, int octets, int warps)
{
    const int n = warps_for(width, octets) / warps;

    return n < MOST_BLOCKS ? n : MOST_BLOCKS;
}

enum {
    STAGES = 2,
    MIN_UNIT = 20,       /* least biased exponent of scales */
    LAG = 4,             /* weights are at most 2^LAG */
    HEADROOM = 14 - LAG, /* scales are below 2^(HEADROOM + 1) units, products below 2^15 */
    QUERY_EXPONENT = 14, /* of the largest element of a row */
};

/*
 * Sizes of the kernel for one head size and number of octets: 8 rows of a row tile, the columns of
 * an MMA. A head size of 56 is computed as 64, of which the last 8 elements are 0.
 */
template <int WIDTH, int OCTETS> struct decode8_shape {
    static constexpr int DIM = (WIDTH + 15) / 16 * 16;
    static constexpr int ROWS = 8 * OCTETS;  /* of a row tile */
    static constexpr int VECTORS = DIM / 16; /* 16-byte vectors of a token */
    /* Vectors of a token change places among as many, the largest power of two that divides VECTORS
     * up to 8: a vector of 8 tokens is in different banks. */
    static constexpr int PLACES = VECTORS % 8 == 0 ? 8 : VECTORS % 4 == 0 ? 4 : VECTORS % 2 ? 1 : 2;
    static constexpr int KV_BLOCKS = kv_blocks_for(WIDTH); /* of a key tile */
    static constexpr int KEYS = KV_BLOCKS * FLASH_KV_BLOCK;
    static constexpr int LANES = 32 / KV_BLOCKS;      /* that copy a KV block */
    static constexpr int TILE = KEYS * DIM;           /* bytes of K or V of a key tile */
    static constexpr int SCALES = KEYS * 4;           /* bytes of the scales of K or V */
    static constexpr int STAGE = 2 * (TILE + SCALES); /* K, V, scales of K, of V */
    /* Floats between rows of the exchange: pairs of rows 2t are in different banks. */
    static constexpr int PITCH = DIM + 4;
    static constexpr int EXCHANGE = ROWS * PITCH * 4;
    /* Bytes of a warp's ring, which becomes its exchange. */
    static constexpr int RING = STAGES * STAGE > EXCHANGE ? STAGES *STAGE : EXCHANGE;
};

/* ---- conversions ---------------------------------------------------------------------------- */

/*
 * The four elements of a word as two pairs of f16: 0, 1 and 2, 3, or if ACROSS 0, 2 and 1, 3.
 * Exact; NaN stays NaN.
 */
template <typename Element, bool ACROSS>
DEVICE_INLINE void convert(uint32_t x, uint32_t *ret_first, uint32_t *ret_second)
{
    if constexpr (std::is_same<Element, __nv_fp8_e4m3>::value) {
        if (ACROSS)
            x = __byte_perm(x, 0, 0x3120);

        uint32_t pairs[2];

        f16x4_of_e4m3x4(pairs, x);
        *ret_first = pairs[0];
        *ret_second = pairs[1];
    } else if constexpr (std::is_same<Element, __nv_fp8_e5m2>::value) {
        /* the upper half of an f16 */
        *ret_first = __byte_perm(x, 0, ACROSS ? 0x2404 : 0x1404);
        *ret_second = __byte_perm(x, 0, ACROSS ? 0x3414 : 0x3424);
    } else {
        /* the bytes of 1024 + (x + 128) are x + 128 and 0x64; 0x6480 is 1152 */
        x ^= 0x80808080;
        *ret_first =
            subtract_f16x2(__byte_perm(x, 0x64646464, ACROSS ? 0x4240 : 0x4140), 0x64806480);
        *ret_second =
            subtract_f16x2(__byte_perm(x, 0x64646464, ACROSS ? 0x4341 : 0x4342), 0x64806480);
    }
}

/* 2^(biased - 127), for 0 < biased < 255; 0 for 0. */
DEVICE_INLINE float power_of_2(int biased)
{
    return __uint_as_float((uint32_t)biased << 23);
}

/* Biased exponent of |x|. */
DEVICE_INLINE int exponent_of(float x)
{
    return (int)(__float_as_uint(x) >> 23 & 255);
}

/* The element in the upper 16 bits. */
template <typename Element> DEVICE_INLINE float unpack_upper(uint32_t x)
{
    return is_f16<Element> ? unpack<Element>(x >> 16) : __uint_as_float(x & 0xffff0000);
}

/* ---- copies of keys and values -------------------------------------------------------------- */

/* Offset of token r's scale in those of K or V of a key tile: scales of tokens g, g + 8 ... are
 * neighbours. */
template <int WIDTH> DEVICE_INLINE uint32_t scale_offset(int r)
{
    return (r % 8 * (decode8_shape<WIDTH, 1>::KEYS / 8) + r / 8) * 4;
}

/* Offset in a tile of 16-byte vector `vector` of token `token`. */
template <int WIDTH> DEVICE_INLINE uint32_t vector_offset(int token, int vector)
{
    using S = decode8_shape<WIDTH, 1>;

    return token * S::DIM + ((vector ^ token / (8 / S::PLACES) % S::PLACES) << 4);
}

/* ldmatrix address of a lane for vectors 2 i and 2 i + 1, from that for vectors 0 and 1. */
template <int WIDTH> DEVICE_INLINE uint32_t fragment(uint32_t tile, uint32_t offset, int i)
{
    constexpr int PAIRS = (decode8_shape<WIDTH, 1>::PLACES + 1) / 2; /* that change places */

    return tile + (offset ^ i % PAIRS << 5) + (i / PAIRS * PAIRS << 5);
}

/*
 * A warp's key tiles: first_tile, first_tile + W ...; n of them, possibly none. Key tile b has the
 * KV blocks KV_BLOCKS b ... A slot of a contiguous view is one page. Lanes are divided among the KV
 * blocks of a key tile: a lane copies from one of them.
 */
typedef struct kv8_stream {
    /* Addresses of the lane's first copies from a KV block: of K, and of the scales of a token of K
     * and V, or where a key tile has one KV block, of K or V. */
    const char *k;
    const char *scale[2];
    bool has_scale[2];
    uint32_t to;       /* in a stage */
    uint32_t scale_to; /* of the first scale */
    int32_t lo;        /* first token that is read */
    int32_t n_tokens;  /* that are read */
    int32_t n_inside;  /* the same of which copy_key_tile<INSIDE> may copy a key tile */
    int32_t first_tile;
    int32_t n;
    int32_t end; /* of the KV blocks that are read */
    /* Lane l holds the offsets of the warp's KV block 32 m + l, and the page of the 32nd KV block
     * after that, so no copy waits for the page table. */
    int64_t at; /* from k and v */
    int64_t scale_at;
    int32_t next_page;
    const int32_t *table; /* of the slot; NULL: contiguous */
} kv8_stream;

/* Key tiles from one of a warp's to that after 32 KV blocks. */
template <int WIDTH, int WARPS> DEVICE_INLINE int tiles_ahead(void)
{
    return 32 / decode8_shape<WIDTH, 1>::KV_BLOCKS * WARPS;
}

/* The lane's of the 32 KV blocks of a warp that begin with a key tile. */
template <int WIDTH, int WARPS> DEVICE_INLINE int kv_block_of(int tile, int lane)
{
    constexpr int KV_BLOCKS = decode8_shape<WIDTH, 1>::KV_BLOCKS;

    return (tile + lane / KV_BLOCKS * WARPS) * KV_BLOCKS + lane % KV_BLOCKS;
}

/* The page of a KV block; 0 if the block is at or past n_blocks. */
DEVICE_INLINE int32_t page_of(const kv8_stream *s, const flash_cuda_call *c, int block,
                              int n_blocks)
{
    return block < n_blocks ? s->table[divide(block, c->by_page)] : 0;
}

/* Sets the lane's offsets, to those of a KV block in a page; any for one that is not read. */
DEVICE_INLINE void set_offsets(kv8_stream *s, const flash_cuda_call *c, int block, int page)
{
    const int before = s->table ? divide(block, c->by_page) * c->page_kv_blocks : 0;
    const int token = (block - before) * FLASH_KV_BLOCK;

    s->at = stride_times(page, c->page_stride) + stride_times(token, c->token_stride);
    s->scale_at =
        stride_times(page, c->scale_page_stride) + stride_times(token, c->scale_token_stride);
}

/*
 * Queues the copies of K or V of a key tile, as one warp. Its token r is read if 0 <= first + r <
 * n_tokens, else 0.
 *
 * @param INSIDE  all tokens are read, and are DIM bytes apart
 * @param src     of the lane's KV block; where a pass of the warp copies whole tokens, of its
 * vector
 */
template <int WIDTH, bool INSIDE>
DEVICE_INLINE void copy_tokens(const kv8_stream *s, uint32_t dst, const char *src,
                               int64_t token_stride, int first, int lane)
{
    using S = decode8_shape<WIDTH, 1>;
    constexpr int VECTORS = S::VECTORS, LANES = S::LANES, TOKENS = LANES / VECTORS; /* of a pass */
    constexpr int LAST = WIDTH % 16 ? WIDTH % 16 : 16; /* bytes of the last vector */
    const int64_t stride = INSIDE ? S::DIM : token_stride;
    const int block = lane / LANES * FLASH_KV_BLOCK; /* first token of the lane's KV block */

    if constexpr (LANES % VECTORS == 0) {
        const int bytes = LAST < 16 && lane % VECTORS == VECTORS - 1 ? LAST : 16;
        const int token = first + block + lane % LANES / VECTORS;

#pragma unroll
        for (int i = 0; i < FLASH_KV_BLOCK / TOKENS; i++) {
            const bool is_read = INSIDE || (uint32_t)(token + i * TOKENS) < (uint32_t)s->n_tokens;

            /* places of tokens i TOKENS + r are those of token r, exclusive or constants */
            cp_async_up_to_16B(dst + (s->to ^ vector_offset<WIDTH>(i * TOKENS, 0) % 128) +
                                   i * TOKENS * VECTORS * 16,
                               src + i * TOKENS * stride, is_read ? bytes : 0);
        }
    } else {
#pragma unroll
        for (int i = 0; i < (FLASH_KV_BLOCK * VECTORS + LANES - 1) / LANES; i++) {
            const int x = lane % LANES + LANES * i, r = x / VECTORS, vector = x % VECTORS;
            const bool is_read = INSIDE || (uint32_t)(first + block + r) < (uint32_t)s->n_tokens;

            if (FLASH_KV_BLOCK * VECTORS % LANES == 0 || r < FLASH_KV_BLOCK)
                cp_async_up_to_16B(dst + vector_offset<WIDTH>(block + r, vector),
                                   src + r * stride + vector * 16, is_read ? 16 : 0);
        }
    }
}

/* The same for K, V and scales. `at`, `scale_at`: offsets of the lane's KV block. */
template <int WIDTH, bool INSIDE>
DEVICE_INLINE void copy_key_tile(const kv8_stream *s, const flash_cuda_call *c, uint32_t stage,
                                 int64_t at, int64_t scale_at, int first, int lane)
{
    using S = decode8_shape<WIDTH, 1>;
    const char *k = s->k + at, *v = k + (c->v - c->k);

    copy_tokens<WIDTH, INSIDE>(s, stage, k, c->token_stride, first, lane);
    copy_tokens<WIDTH, INSIDE>(s, stage + S::TILE, v, c->token_stride, first, lane);
#pragma unroll
    for (int i = 0; i < S::KV_BLOCKS; i++)
        if (s->has_scale[i])
            cp_async_4B(stage + s->scale_to + i * S::SCALES, s->scale[i] + scale_at,
                        INSIDE || (uint32_t)(first + lane % S::KEYS) < (uint32_t)s->n_tokens);
}

/*
 * Queues the copies of the warp's key tile i to a stage. Key tiles are loaded in order, each once.
 * Every call is one group of copies, an empty one after the last key tile.
 *
 * @param token  first of the key tile
 */
template <int WIDTH, int WARPS>
DEVICE_INLINE void load_key_tile(kv8_stream *s, const flash_cuda_call *c, int i, int token,
                                 uint32_t stage, int lane)
{
    using S = decode8_shape<WIDTH, 1>;

    if (i < s->n) {
        const int x = i * S::KV_BLOCKS; /* its first KV block is the warp's x-th */
        const int first = token - s->lo;

        if (i && x % 32 == 0) {
            const int tile = token / S::KEYS;

            set_offsets(s, c, kv_block_of<WIDTH, WARPS>(tile, lane), s->next_page);
            if (s->table)
                s->next_page = page_of(
                    s, c, kv_block_of<WIDTH, WARPS>(tile + tiles_ahead<WIDTH, WARPS>(), lane),
                    s->end);
        }

        const int from = x + lane / S::LANES; /* modulo 32 */
        const int64_t at = __shfl_sync(FULL_WARP, s->at, from);
        const int64_t scale_at = __shfl_sync(FULL_WARP, s->scale_at, from);

        if ((uint32_t)first < (uint32_t)s->n_inside)
            copy_key_tile<WIDTH, true>(s, c, stage, at, scale_at, first, lane);
        else
            copy_key_tile<WIDTH, false>(s, c, stage, at, scale_at, first, lane);
    }
    cp_async_commit();
}

/*
 * Finds the warp's first key tile and loads the page-table entries of its first 32 KV blocks. The
 * rest of the stream is set up later, since all copies wait for these loads. Entries before the
 * first page that is read and after the last are undefined: so are the addresses, not used, of
 * copies of tokens that are not read.
 */
template <int WIDTH, int WARPS>
DEVICE_INLINE void start_stream(kv8_stream *s, const flash_cuda_call *c, const row_tile *tile,
                                int begin, int warp, int lane)
{
    const int tile_begin = begin / decode8_shape<WIDTH, 1>::KV_BLOCKS;

    /* the first key tile >= tile_begin that belongs to this warp: tile % W == warp */
    s->first_tile = tile_begin + ((warp - tile_begin) & (WARPS - 1));
    s->table = NULL;
    s->next_page = tile->slot;
    if (c->page_table) {
        s->table = c->page_table + stride_times(tile->slot, c->table_stride);
        s->next_page = page_of(s, c, kv_block_of<WIDTH, WARPS>(s->first_tile, lane),
                               c->table_stride * c->page_kv_blocks);
    }
}

/*
 * Sets up the rest of the stream and queues the copies of the warp's first key tiles, one per stage
 * of its ring. Scales of a tensor that has none are set to 1 in every stage, and never copied.
 */
template <int WIDTH, int WARPS>
DEVICE_INLINE void fill_ring(kv8_stream *s, const flash_cuda_call *c, const row_tile *tile, int end,
                             uint32_t ring, int lane)
{
    using S = decode8_shape<WIDTH, 1>;
    constexpr bool WHOLE_TOKENS = S::LANES % S::VECTORS == 0; /* copy_tokens() */
    const int token = WHOLE_TOKENS ? lane % S::LANES / S::VECTORS : 0;
    const int vector = WHOLE_TOKENS ? lane % S::VECTORS : 0;
    const int end_tile = (end + S::KV_BLOCKS - 1) / S::KV_BLOCKS;
    const int first_tensor = S::KV_BLOCKS == 1 ? lane / FLASH_KV_BLOCK : 0; /* of scales */

    s->k = c->k + stride_times(tile->head, c->head_stride) + stride_times(token, c->token_stride) +
           vector * 16;
    s->to =
        WHOLE_TOKENS ? vector_offset<WIDTH>(lane / S::LANES * FLASH_KV_BLOCK + token, vector) : 0;
    s->scale_to = 2 * S::TILE + first_tensor * S::SCALES + scale_offset<WIDTH>(lane % S::KEYS);
    s->n = (end_tile - s->first_tile + WARPS - 1) / WARPS;
    s->lo = tile->lo;
    s->n_tokens = tile->hi - tile->lo;
    s->n_inside = c->token_stride == S::DIM ? max(0, s->n_tokens - S::KEYS + 1) : 0;
    s->end = end;
#pragma unroll
    for (int i = 0; i < S::KV_BLOCKS; i++) {
        const float *scales = first_tensor + i ? c->v_scale : c->k_scale;

        s->has_scale[i] = scales != NULL;
        s->scale[i] = scales
                          ? (const char *)scales + stride_times(tile->head, c->scale_head_stride) +
                                stride_times(lane % FLASH_KV_BLOCK, c->scale_token_stride)
                          : NULL;
        keep_in_registers(s->scale[i]);
    }
    keep_in_registers(s->k);
    keep_in_registers(s->to);
    keep_in_registers(s->scale_to);
    set_offsets(s, c, kv_block_of<WIDTH, WARPS>(s->first_tile, lane), s->next_page);
    if (!c->k_scale || !c->v_scale)
#pragma unroll
        for (int i = 0; i < STAGES; i++)
#pragma unroll
            for (int x = 0; x < S::KV_BLOCKS; x++)
                if (!s->has_scale[x])
                    store_4B(ring + i * S::STAGE + s->scale_to + x * S::SCALES,
                             __float_as_uint(1.0f));
#pragma unroll
    for (int i = 0; i < STAGES; i++)
        load_key_tile<WIDTH, WARPS>(s, c, i, (s->first_tile + i * WARPS) * S::KEYS,
                                    ring + i * S::STAGE, lane);
    if (s->table)
        s->next_page = page_of(
            s, c, kv_block_of<WIDTH, WARPS>(s->first_tile + tiles_ahead<WIDTH, WARPS>(), lane),
            end);
}

/* ---- queries -------------------------------------------------------------------------------- */

/* Loads what a lane has of a row's query as f32, from global memory; 0 outside the tile. Returns
 * the largest magnitude of the row. */
template <int WIDTH, typename Query>
DEVICE_INLINE float load_query_as(float (*x)[4], const char *from, bool is_row, int t)
{
    float largest = 0;

#pragma unroll
    for (int u = 0; u < decode8_shape<WIDTH, 1>::VECTORS; u++) {
        uint2 pairs = make_uint2(0, 0);

        if (is_row && u * 16 + t * 4 < WIDTH)
            pairs = *(const uint2 *)(from + u * 32);
        x[u][0] = unpack<Query>(pairs.x);
        x[u][1] = unpack_upper<Query>(pairs.x);
        x[u][2] = unpack<Query>(pairs.y);
        x[u][3] = unpack_upper<Query>(pairs.y);
    }
#pragma unroll
    for (int u = 0; u < decode8_shape<WIDTH, 1>::VECTORS; u++)
#pragma unroll
        for (int e = 0; e < 4; e++)
            largest = fmaxf(largest, fabsf(x[u][e]));
    largest = fmaxf(largest, __shfl_xor_sync(FULL_WARP, largest, 1));
    return fmaxf(largest, __shfl_xor_sync(FULL_WARP, largest, 2));
}

/*
 * Loads the B fragments of a row, times a power of two, negative where the scale of scores is.
 * Returns the inverse of that power's magnitude, which is 1 / 2^60 at least.
 */
template <int WIDTH>
DEVICE_INLINE float load_query(uint32_t (*q)[2], const flash_cuda_call *c, const row_tile *tile,
                               int i, int t)
{
    constexpr int VECTORS = decode8_shape<WIDTH, 1>::VECTORS, ROW_BYTES = WIDTH * 2;
    const int row = tile->row0 + i, token = divide(row, c->by_group);
    const char *from = c->q + stride_times(tile->head, c->group * ROW_BYTES) +
                       stride_times(tile->token0 + token, c->q_stride) +
                       (uint32_t)((row - token * c->group) * ROW_BYTES + t * 8);
    float x[VECTORS][4];
    const float largest = c->q_is_f16
                              ? load_query_as<WIDTH, __half>(x, from, i < tile->rows, t)
                              : load_query_as<WIDTH, __nv_bfloat16>(x, from, i < tile->rows, t);
    const int exponent = min(60, 127 + QUERY_EXPONENT - exponent_of(largest)); /* of the power */
    const float power =
        __uint_as_float((uint32_t)(127 + exponent) << 23 | (c->sign_flip & 0x80000000));

#pragma unroll
    for (int u = 0; u < VECTORS; u++)
#pragma unroll
        for (int e = 0; e < 2; e++)
            q[u][e] =
                pack<__half>(__fmul_rn(x[u][2 * e], power), __fmul_rn(x[u][2 * e + 1], power));
    return power_of_2(127 - exponent);
}

/* ---- products and softmax ------------------------------------------------------------------- */

/* Maximum and sum over the eight lanes that share a row; the sum has the same bits in all. */
DEVICE_INLINE float column_max(float x)
{
    x = fmaxf(x, __shfl_xor_sync(FULL_WARP, x, 4));
    x = fmaxf(x, __shfl_xor_sync(FULL_WARP, x, 8));
    return fmaxf(x, __shfl_xor_sync(FULL_WARP, x, 16));
}

DEVICE_INLINE float column_sum(float x)
{
    x = __fadd_rn(x, __shfl_xor_sync(FULL_WARP, x, 4));
    x = __fadd_rn(x, __shfl_xor_sync(FULL_WARP, x, 8));
    return __fadd_rn(x, __shfl_xor_sync(FULL_WARP, x, 16));
}

/* s += K Q^T of KV block b of a key tile. */
template <int WIDTH, int OCTETS, typename Element>
DEVICE_INLINE void multiply_keys(float (*s)[decode8_shape<WIDTH, OCTETS>::KEYS / 4],
                                 const uint32_t (*q)[(WIDTH + 15) / 16][2], int b, uint32_t k,
                                 uint32_t offset)
{
    using S = decode8_shape<WIDTH, OCTETS>;
    constexpr int VECTORS = S::VECTORS;

#pragma unroll
    for (int i = 0; i < (VECTORS + 1) / 2; i++) {
        uint32_t r[4]; /* tokens 0..7 and 8..15 of vector 2 i, then of 2 i + 1 */

        ldmatrix_x4(r, fragment<WIDTH>(k, offset, i) + b * FLASH_KV_BLOCK * S::DIM);
#pragma unroll
        for (int u = 2 * i; u < min(2 * i + 2, VECTORS); u++) {
            uint32_t a[4];

            convert<Element, false>(r[u % 2 * 2], &a[0], &a[2]);
            convert<Element, false>(r[u % 2 * 2 + 1], &a[1], &a[3]);
#pragma unroll
            for (int j = 0; j < OCTETS; j++)
                mma<__half>(s[j] + 4 * b, a, q[j][u][0], q[j][u][1]);
        }
    }
}

/* acc += V^T P^T of KV block b of a key tile. */
template <int WIDTH, int OCTETS, typename Element>
DEVICE_INLINE void multiply_values(float (*acc)[(WIDTH + 15) / 16][4],
                                   const uint32_t (*p)[decode8_shape<WIDTH, OCTETS>::KEYS / 8],
                                   int b, uint32_t v, uint32_t offset)
{
    using S = decode8_shape<WIDTH, OCTETS>;
    constexpr int VECTORS = S::VECTORS;

#pragma unroll
    for (int i = 0; i < (VECTORS + 1) / 2; i++) {
        uint32_t r[4];

        ldmatrix_x4_trans(r, fragment<WIDTH>(v, offset, i) + b * FLASH_KV_BLOCK * S::DIM);
#pragma unroll
        for (int u = 2 * i; u < min(2 * i + 2, VECTORS); u++) {
            uint32_t a[4];

            convert<Element, true>(r[u % 2 * 2], &a[0], &a[1]);
            convert<Element, true>(r[u % 2 * 2 + 1], &a[2], &a[3]);
#pragma unroll
            for (int j = 0; j < OCTETS; j++)
                mma<__half>(acc[j][u], a, p[j][2 * b], p[j][2 * b + 1]);
        }
    }
}

/* Loads the scales of the lane's tokens of a key tile: g, g + 8 ... */
template <int N> DEVICE_INLINE void load_scales(float x[N], uint32_t address)
{
    if constexpr (N == 4) {
        uint32_t words[4];

        load_16B(words, address);
#pragma unroll
        for (int i = 0; i < 4; i++)
            x[i] = __uint_as_float(words[i]);
    } else {
        const float2 pair = load_8B(address);

        x[0] = pair.x;
        x[1] = pair.y;
    }
}

/* What a lane knows of a row: a column of an MMA. */
typedef struct row_state {
    float scale;   /* of scores, for exp2 */
    float offset;  /* weights are exp2(score * scale - offset) */
    float ceiling; /* scores above it raise the offset; -infinity: none has been seen */
    float sum;     /* of the lane's own tokens' weights */
    float limit;   /* 2^(e + 1): scales of values below it keep the unit */
} row_state;

/* e of the row, biased: 2^e <= largest scale that it has seen < 2^(e + 1). */
DEVICE_INLINE int unit_of(const row_state *r)
{
    return (int)(__float_as_uint(r->limit) >> 23) - 1;
}

/* 2^(HEADROOM - e): the inverse of its unit. */
DEVICE_INLINE float inverse_unit(const row_state *r)
{
    return __uint_as_float(((uint32_t)(2 * 127 + HEADROOM + 1) << 23) - __float_as_uint(r->limit));
}

/*
 * Raises the offset of a row whose largest score is above the ceiling, and the unit to that of the
 * largest scale. Returns the factor that makes accumulators relative to both: 1 where neither
 * changes, anything finite where the row has seen no token.
 *
 * @param top       largest score of the key tile
 * @param exponent  of its largest scale, biased
 */
DEVICE_INLINE float grow(row_state *r, float top, int exponent)
{
    const int unit = unit_of(r), new_unit = max(unit, exponent);
    float factor = 1;

    if (top > r->ceiling) {
        const float offset = __fmul_rn(top, r->scale);

        factor = fminf(exp2_fast(__fsub_rn(r->offset, offset)), 1);
        r->offset = offset;
        r->ceiling = __fadd_rn(top, __fdividef(LAG, r->scale));
        r->sum = __fmul_rn(r->sum, factor);
    }
    r->limit = power_of_2(new_unit + 1);
    return __fmul_rn(factor, power_of_2(max(127 + unit - new_unit, 0)));
}

/*
 * Replaces the scores of an octet against a key tile by weights times scales, and adds the weights
 * to the sums of the lane's rows. Where the offset or the unit of some row grows, makes sums and
 * accumulators relative to it. Element 2 i + e of the scores is of token g + 8 i and row e. Tokens
 * that are hidden from a row, i.e. after its position or older than its window, count as scores of
 * -infinity with scales of 0.
 *
 * @param MASKED   tokens may be hidden
 * @param v_scale  of token g + 8 i
 * @param pos      of the rows, less the position of token g
 * @param ret_p    B fragments of the weights times scales, in units
 */
template <int WIDTH, int N, bool MASKED>
DEVICE_INLINE void weigh_octet(float *s, const float v_scale[N], const int pos[2], int window,
                               row_state row[2], float (*acc)[4], uint32_t *ret_p)
{
    float scale[N][2], top[2], largest[2];
    bool grows = false;

#pragma unroll
    for (int e = 0; e < 2; e++) {
#pragma unroll
        for (int i = 0; i < N; i++) {
            const bool is_hidden =
                MASKED && (8 * i > pos[e] || (window && 8 * i <= pos[e] - window));

            if (is_hidden)
                s[2 * i + e] = -CUDART_INF_F;
            scale[i][e] = is_hidden ? 0 : v_scale[i];
            top[e] = i ? fmaxf(top[e], s[2 * i + e]) : s[e];
            largest[e] = i ? fmaxf(largest[e], fabsf(scale[i][e])) : fabsf(scale[0][e]);
        }
        grows |= top[e] > row[e].ceiling || largest[e] >= row[e].limit;
    }
    if (__any_sync(FULL_WARP, grows)) {
        float factor[2];

        largest[0] = column_max(largest[0]);
        largest[1] = MASKED ? column_max(largest[1]) : largest[0];
#pragma unroll
        for (int e = 0; e < 2; e++)
            factor[e] = grow(&row[e], column_max(top[e]), exponent_of(largest[e]));
#pragma unroll
        for (int u = 0; u < decode8_shape<WIDTH, 1>::VECTORS; u++)
#pragma unroll
            for (int e = 0; e < 4; e++)
                acc[u][e] = __fmul_rn(acc[u][e], factor[e % 2]);
    }
#pragma unroll
    for (int e = 0; e < 2; e++) {
        row_state *r = &row[e];
        const float inverse = inverse_unit(r);
        float sum = 0;

#pragma unroll
        for (int i = 0; i < N; i++) {
            const float weight = exp2_fast(__fmaf_rn(s[2 * i + e], r->scale, -r->offset));

            sum = i ? __fadd_rn(sum, weight) : weight;
            s[2 * i + e] = __fmul_rn(weight, __fmul_rn(scale[i][e], inverse));
        }
        r->sum = __fadd_rn(r->sum, sum);
    }
    /* C fragments have tokens as rows, B fragments as the two elements of a pair */
#pragma unroll
    for (int i = 0; i < N; i++)
        ret_p[i] = transpose_8x8(pack<__half>(s[2 * i], s[2 * i + 1]));
}

/* ---- results -------------------------------------------------------------------------------- */

/* What makes accumulators sums of weights times values. */
DEVICE_INLINE float unit_factor(const row_state *r)
{
    return power_of_2(unit_of(r) - HEADROOM);
}

/* Stores the warp's offsets, in the place of maxima, and sums of an octet to max_sum[8], its
 * accumulators to rows of `exchange`. `rows`: of the octet. */
template <int WIDTH, int OCTETS>
DEVICE_INLINE void store_octet(const row_state row[2], const float (*acc)[4], float2 *max_sum,
                               float *exchange, int rows, int g, int t)
{
    using S = decode8_shape<WIDTH, OCTETS>;

#pragma unroll
    for (int e = 0; e < 2; e++) {
        const int i = 2 * t + e;
        const float sum = column_sum(row[e].sum), unit = unit_factor(&row[e]);

        if (g == 0)
            max_sum[i] =
                make_float2(row[e].ceiling == -CUDART_INF_F ? -CUDART_INF_F : row[e].offset, sum);
        if (i < rows)
#pragma unroll
            for (int u = 0; u < S::VECTORS; u++)
                *(float2 *)(exchange + i * S::PITCH + 16 * u + 2 * g) =
                    make_float2(__fmul_rn(acc[u][e], unit), __fmul_rn(acc[u][e + 2], unit));
    }
}

template <int WIDTH, int OCTETS, typename Output>
DEVICE_INLINE void merge_results(const flash_cuda_call *c, const row_tile *tile, int n_splits,
                                 const float2 (*max_sum)[8 * OCTETS], const unsigned char *shared,
                                 int *shared_is_last)
{
    using S = decode8_shape<WIDTH, OCTETS>;

    merge_warps<WIDTH, S::RING, S::PITCH, Output>(c, tile, n_splits, max_sum, shared, 1);
    if (n_splits > 1 && is_last_split(c->finished + blockIdx.x, n_splits, shared_is_last))
        merge_splits<WIDTH, Output>(c, tile, n_splits, 1);
}

/* Stores the results of an octet to out: those of a thread block of one warp, whose sequences have
 * one split. `first`: the octet's first row. */
template <int WIDTH, typename Output>
DEVICE_INLINE void store_out_octet(const flash_cuda_call *c, const row_tile *tile,
                                   const row_state row[2], const float (*acc)[4], int first, int g,
                                   int t)
{
#pragma unroll
    for (int e = 0; e < 2; e++) {
        const int i = first + 2 * t + e;
        const float inverse = __fdiv_rn(1.0f, column_sum(row[e].sum)), unit = unit_factor(&row[e]);

        if (i < tile->rows) {
            char *out = out_address<WIDTH>(c, tile, i, 2 * g);

#pragma unroll
            for (int u = 0; u < decode8_shape<WIDTH, 1>::VECTORS; u++)
                if (16 * u + 2 * g < WIDTH)
                    *(uint32_t *)(out + 32 * u) = pack_out<Output>(
                        __fmul_rn(acc[u][e], unit), __fmul_rn(acc[u][e + 2], unit), inverse);
        }
    }
}

/* ---- kernel --------------------------------------------------------------------------------- */

template <int WIDTH, int OCTETS, int WARPS, typename Element>
__global__ void __launch_bounds__(WARPS * 32, blocks_for(WIDTH, OCTETS, WARPS))
    flash_decode8_kernel(const __grid_constant__ flash_cuda_call c)
{
    using S = decode8_shape<WIDTH, OCTETS>;
    constexpr int VECTORS = S::VECTORS, N = S::KEYS / 8; /* tokens of a lane in a key tile */
    extern __shared__ __align__(128) unsigned char shared[];
    __shared__ float2 shared_max_sum[WARPS][S::ROWS];
    __shared__ row_tile shared_tile; /* for the merge: the loop leaves no registers */
    __shared__ int shared_n_splits, shared_is_last;
    const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    const int warp = WARPS == 1 ? 0 : threadIdx.x / 32;
    row_tile tile;
    key_range keys;
    kv8_stream stream;

    start_decode<WARPS != 1>(&c);
    if (!find_decode_tile(&c, S::ROWS, lane, &tile))
        return;
    find_split<WARPS != 1>(&c, &tile, &keys);
    start_stream<WIDTH, WARPS>(&stream, &c, &tile, keys.begin, warp, lane);
    if ((int)blockIdx.y >= keys.n_splits)
        return;

    const uint32_t ring = shared_address(shared) + warp * S::RING;

    fill_ring<WIDTH, WARPS>(&stream, &c, &tile, keys.end, ring, lane);
    if (WARPS > 1 && threadIdx.x == 0) {
        shared_tile = tile;
        shared_n_splits = keys.n_splits;
    }

    /* The lane's rows of octet j: 8 j + 2 t and the next one. */
    row_state row[OCTETS][2];
    uint32_t q[OCTETS][VECTORS][2];
    float acc[OCTETS][VECTORS][4];

#pragma unroll
    for (int j = 0; j < OCTETS; j++) {
        const float inverse = load_query<WIDTH>(q[j], &c, &tile, 8 * j + g, t);

#pragma unroll
        for (int e = 0; e < 2; e++) {
            /* at least 1e-37: as in run(), a score of -infinity times the scale must stay so */
            row[j][e].scale =
                fmaxf(__fmul_rn(c.scale, __shfl_sync(FULL_WARP, inverse, (2 * t + e) * 4)), 1e-37f);
            row[j][e].offset = 0;
            row[j][e].ceiling = -CUDART_INF_F;
            row[j][e].sum = 0;
            row[j][e].limit = power_of_2(MIN_UNIT + 1);
        }
#pragma unroll
        for (int u = 0; u < VECTORS; u++)
#pragma unroll
            for (int e = 0; e < 4; e++)
                acc[j][u][e] = 0;
    }

    uint32_t offset = vector_offset<WIDTH>(lane % 16, lane / 16); /* of vectors 0 and 1 */
    uint32_t scales = 2 * S::TILE + scale_offset<WIDTH>(g);
    uint32_t stage = ring;

    if (OCTETS == 1) { /* two leave no registers */
        keep_in_registers(offset);
        keep_in_registers(scales);
    }

    /* Positions of key tiles of which every row sees all tokens. */
    const int unmasked = c.window ? max(0, tile.pos_hi - c.window + 1) : 0;
    const int n_unmasked = max(0, tile.pos_lo + 2 - S::KEYS - unmasked);
    int token = stream.first_tile * S::KEYS; /* first of the key tile */

    for (int i = 0; i < stream.n || (WARPS == 1 && i == 0); i++) {
        const bool is_masked = (uint32_t)(token - unmasked) >= (uint32_t)n_unmasked;
        float s[OCTETS][N * 2] = {}, k_scale[N], v_scale[N];
        uint32_t p[OCTETS][N];

        cp_async_wait<STAGES - 1>();
        __syncwarp();
#pragma unroll
        for (int b = 0; b < S::KV_BLOCKS; b++)
            multiply_keys<WIDTH, OCTETS, Element>(s, q, b, stage, offset);
        load_scales<N>(k_scale, stage + scales);
#pragma unroll
        for (int j = 0; j < OCTETS; j++)
#pragma unroll
            for (int e = 0; e < 2 * N; e++)
                s[j][e] = __fmul_rn(s[j][e], k_scale[e / 2]);
#pragma unroll
        for (int j = 0; j < OCTETS; j++) {
            load_scales<N>(v_scale, stage + scales + S::SCALES);
            if (is_masked) {
                const int from_g = tile.pos0 - token - g;
                uint32_t first = tile.row0 + 8 * j + 2 * t;
                int pos[2];

                keep_in_registers(first); /* positions are not kept for other key tiles */
#pragma unroll
                for (int e = 0; e < 2; e++)
                    pos[e] = from_g + divide(first + e, c.by_group);
                weigh_octet<WIDTH, N, true>(s[j], v_scale, pos, c.window, row[j], acc[j], p[j]);
            } else {
                weigh_octet<WIDTH, N, false>(s[j], v_scale, NULL, 0, row[j], acc[j], p[j]);
            }
        }
#pragma unroll
        for (int b = 0; b < S::KV_BLOCKS; b++)
            multiply_values<WIDTH, OCTETS, Element>(acc, p, b, stage + S::TILE, offset);
        __syncwarp();
        load_key_tile<WIDTH, WARPS>(&stream, &c, i + STAGES, token + STAGES * WARPS * S::KEYS,
                                    stage, lane);
        token += WARPS * S::KEYS;
        stage = i % 2 ? ring : ring + S::STAGE;
    }
    if constexpr (WARPS == 1) {
#pragma unroll
        for (int j = 0; j < OCTETS; j++)
            if (c.q_is_f16)
                store_out_octet<WIDTH, __half>(&c, &tile, row[j], acc[j], 8 * j, g, t);
            else
                store_out_octet<WIDTH, __nv_bfloat16>(&c, &tile, row[j], acc[j], 8 * j, g, t);
    } else {
        cp_async_wait<0>();
        __syncwarp();
#pragma unroll
        for (int j = 0; j < OCTETS; j++)
            store_octet<WIDTH, OCTETS>(row[j], acc[j], shared_max_sum[warp] + 8 * j,
                                       (float *)(shared + warp * S::RING) + 8 * j * S::PITCH,
                                       tile.rows - 8 * j, g, t);
        __syncthreads();
        if (c.q_is_f16)
            merge_results<WIDTH, OCTETS, __half>(&c, &shared_tile, shared_n_splits, shared_max_sum,
                                                 shared, &shared_is_last);
        else
            merge_results<WIDTH, OCTETS, __nv_bfloat16>(&c, &shared_tile, shared_n_splits,
                                                        shared_max_sum, shared, &shared_is_last);
    }
}

/* ---- variants ------------------------------------------------------------------------------- */

template <int WIDTH, int OCTETS, int WARPS>
static flash_decode8_variant variant_of(cg_dtype kv_dtype)
{
    using S = decode8_shape<WIDTH, OCTETS>;
    const void *kernel =
        kv_dtype == CG_F8_E4M3
            ? (const void *)flash_decode8_kernel<WIDTH, OCTETS, WARPS, __nv_fp8_e4m3>
        : kv_dtype == CG_F8_E5M2
            ? (const void *)flash_decode8_kernel<WIDTH, OCTETS, WARPS, __nv_fp8_e5m2>
            : (const void *)flash_decode8_kernel<WIDTH, OCTETS, WARPS, int8_t>;

    return { kernel, S::ROWS, WARPS, S::KV_BLOCKS, WARPS * S::RING };
}

template <int WIDTH>
static flash_decode8_variant variant_of(cg_dtype kv_dtype, int64_t rows, int fills_gpu)
{
    if constexpr (WIDTH == 64 || WIDTH == 128)
        if (rows <= 8 && fills_gpu)
            return variant_of<WIDTH, 1, 1>(kv_dtype);
    return rows <= 8 ? variant_of<WIDTH, 1, FLASH_DECODE_WARPS>(kv_dtype)
                     : variant_of<WIDTH, 2, FLASH_DECODE_WARPS>(kv_dtype);
}

extern "C" flash_decode8_variant flash_select_decode8(int head_dim, cg_dtype kv_dtype, int64_t rows,
                                                      int fills_gpu)
{
    switch (head_dim) {
    case 32:
        return variant_of<32>(kv_dtype, rows, fills_gpu);
    case 56:
        return variant_of<56>(kv_dtype, rows, fills_gpu);
    case 64:
        return variant_of<64>(kv_dtype, rows, fills_gpu);
    case 80:
        return variant_of<80>(kv_dtype, rows, fills_gpu);
    case 96:
        return variant_of<96>(kv_dtype, rows, fills_gpu);
    case 128:
        return variant_of<128>(kv_dtype, rows, fills_gpu);
    case 192:
        return variant_of<192>(kv_dtype, rows, fills_gpu);
    default:
        return variant_of<256>(kv_dtype, rows, fills_gpu);
    }
}
