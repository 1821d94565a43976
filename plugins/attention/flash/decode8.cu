/* SPDX-License-Identifier: MIT */
/*
 * Decode over caches of 8 bits: f8_e4m3, f8_e5m2 or i8, with scales or without. Every call over
 * such a cache runs here, prompts included.
 *
 * Thread blocks, splits, warps and KV blocks are those of decode.cu, except that a row tile has 8
 * or 16 rows, and that the operands of both products are exchanged: S = K Q^T and O = V^T P^T.
 * Tokens, then elements, are the 16 rows of an MMA, and query rows its 8 columns. In decode.cu
 * query rows are the 16 rows, twice as many as most row tiles have; but a byte of this cache leaves
 * time for half as many instructions as one of that cache.
 *
 * Numbers. Keys and values become f16, which holds all numbers of the three types. So both products
 * are exact but for the f32 sums. These operands are rounded:
 *   - Queries times a power of two, by which the largest element of a row is in [2^14, 2^15). So a
 *     query of f16 loses nothing, one of bf16 at most 2^-39 of its largest element.
 *   - Weights times scales of values, times a power of two: with the largest scale that the row has
 *     seen in [2^e, 2^(e+1)), the *unit* of its accumulators is 2^(e-14). Products are below 2^15,
 *     and those above 2^-28 of that scale keep f16's 11 bits.
 *   Scales of keys multiply scores, in f32.
 *
 * Bits are a function of what decode.cu names, and of the scales. A unit is one of the row: scales
 * of tokens that the row does not see are left out.
 */
#include <cuda_fp8.h>

#include "decode.cuh"
#include "ptx/mma.cuh"

/* Stages of a warp's ring, and thread blocks per multiprocessor that registers are to allow; shared
 * memory allows as many on compute capability 9.0. */
static constexpr int stages_for(int width)
{
    return width <= 96 ? 3 : 2;
}

static constexpr int blocks_for(int width, int octets)
{
    return 2 * (width <= 64    ? 6 - octets
                : width <= 128 ? 5 - octets
                : width == 192 ? 4 - octets
                               : 3 - octets);
}

enum {
    SCALES = 2 * FLASH_KV_BLOCK * 4, /* bytes of the scales of a KV block: of keys, of values */
    MIN_UNIT = 20,                   /* least biased exponent of scales */
    HEADROOM = 14,                   /* products are below 2^(HEADROOM + 1) */
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
    static constexpr int TILE = FLASH_KV_BLOCK * DIM; /* bytes of K or V of a KV block */
    static constexpr int STAGE = 2 * TILE + SCALES;
    static constexpr int STAGES = stages_for(WIDTH);
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
        *ret_first = f16x2_of_e4m3x2((uint16_t)x);
        *ret_second = f16x2_of_e4m3x2((uint16_t)(x >> 16));
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

/* ---- copies of keys and values -------------------------------------------------------------- */

/* Offset in the scales of a stage of those that a lane copies: lane l < 16 copies that of key l,
 * lane 16 + l that of value l. Those of tokens g and g + 8 are neighbours. */
DEVICE_INLINE uint32_t scale_offset(int lane)
{
    return lane / 16 * 64 + lane % 8 * 8 + lane / 8 % 2 * 4;
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
 * A warp's KV blocks: first_block, first_block + W ...; n of them, possibly none. A slot of a
 * contiguous view is one page.
 */
typedef struct kv8_stream {
    /* Addresses of the lane's first copies from a KV block: K, and the scale of a token's K or V.
     */
    const char *k;
    const char *scale; /* NULL: has none */
    uint32_t to;       /* in a stage */
    uint32_t scale_to;
    int32_t first; /* its token in the KV block, less the first token that is read */
    int32_t scale_first;
    int32_t first_block;
    int32_t n;
    int32_t n_tokens; /* that are read */
    int32_t end;      /* of the KV blocks that are read */
    /* Lane l holds the offsets of the warp's KV block 32 m + l, and the page of the 32nd KV block
     * after that, so no copy waits for the page table. */
    int64_t at; /* from k and v */
    int64_t scale_at;
    int32_t next_page;
    const int32_t *table; /* of the slot; NULL: contiguous */
} kv8_stream;

/* Page of the warp's KV block i; 0 if the block is at or past n_blocks. */
DEVICE_INLINE int32_t page_of(const kv8_stream *s, const flash_cuda_call *c, int i, int n_blocks)
{
    const int block = s->first_block + i * FLASH_DECODE_WARPS;

    return block < n_blocks ? s->table[divide(block, c->by_page)] : 0;
}

/* Sets the offsets of the warp's KV block i, which is in a page. */
DEVICE_INLINE void set_offsets(kv8_stream *s, const flash_cuda_call *c, int i, int64_t page)
{
    const int block = s->first_block + i * FLASH_DECODE_WARPS;
    const int before = s->table ? divide(block, c->by_page) * c->page_kv_blocks : 0;
    const int64_t token = (block - before) * (int64_t)FLASH_KV_BLOCK;

    s->at = page * c->page_stride + token * c->token_stride;
    s->scale_at = page * c->scale_page_stride + token * c->scale_token_stride;
}

/*
 * Queues the copies of K or V of a KV block, as one warp. Its token r is read if 0 <= first + r <
 * n_tokens, else 0.
 *
 * @param dst, src  of the tile; where a pass of the warp copies whole tokens, of the lane's vector
 */
template <int WIDTH>
DEVICE_INLINE void copy_tokens(const kv8_stream *s, uint32_t dst, const char *src,
                               int64_t token_stride, int first, int lane)
{
    constexpr int VECTORS = decode8_shape<WIDTH, 1>::VECTORS, TOKENS = 32 / VECTORS; /* of a pass */
    constexpr int LAST = WIDTH % 16 ? WIDTH % 16 : 16; /* bytes of the last vector */

    if constexpr (32 % VECTORS == 0) {
        const int bytes = lane % VECTORS == VECTORS - 1 ? LAST : 16;

#pragma unroll
        for (int i = 0; i < FLASH_KV_BLOCK / TOKENS; i++) {
            const bool is_read = (uint32_t)(first + i * TOKENS) < (uint32_t)s->n_tokens;

            /* places of tokens i TOKENS + r are those of token r, exclusive or constants */
            cp_async_up_to_16B((dst ^ vector_offset<WIDTH>(i * TOKENS, 0) % 128) +
                                   i * TOKENS * VECTORS * 16,
                               src, is_read ? bytes : 0);
            src += TOKENS * token_stride;
        }
    } else {
#pragma unroll
        for (int i = 0; i < (VECTORS + 1) / 2; i++) {
            const int x = lane + 32 * i, r = x / VECTORS, vector = x % VECTORS;
            const bool is_read = (uint32_t)(first + r) < (uint32_t)s->n_tokens;

            if (VECTORS % 2 == 0 || r < FLASH_KV_BLOCK)
                cp_async_up_to_16B(dst + vector_offset<WIDTH>(r, vector),
                                   src + r * token_stride + vector * 16, is_read ? 16 : 0);
        }
    }
}

/*
 * Queues the copies of the warp's KV block i to a stage: K, V, scales. KV blocks are loaded in
 * order, each once. Every call is one group of copies, an empty one after the last KV block.
 */
template <int WIDTH>
DEVICE_INLINE void load_kv_block(kv8_stream *s, const flash_cuda_call *c, int i, uint32_t stage,
                                 int lane)
{
    constexpr int TILE = decode8_shape<WIDTH, 1>::TILE;

    if (i < s->n) {
        const int token = (s->first_block + i * FLASH_DECODE_WARPS) * FLASH_KV_BLOCK;

        if (i && i % 32 == 0) {
            set_offsets(s, c, i + lane, s->next_page);
            if (s->table)
                s->next_page = page_of(s, c, i + 32 + lane, s->end);
        }

        const char *k = s->k + __shfl_sync(FULL_WARP, s->at, i % 32);
        const int64_t scale_at = __shfl_sync(FULL_WARP, s->scale_at, i % 32);

        copy_tokens<WIDTH>(s, stage + s->to, k, c->token_stride, token + s->first, lane);
        copy_tokens<WIDTH>(s, stage + s->to + TILE, k + (c->v - c->k), c->token_stride,
                           token + s->first, lane);
        if (s->scale)
            cp_async_4B(stage + s->scale_to, s->scale + scale_at,
                        (uint32_t)(token + s->scale_first) < (uint32_t)s->n_tokens);
    }
    cp_async_commit();
}

/*
 * Finds the warp's first KV block and loads the page-table entries of its first 32. The rest of the
 * stream is set up later, since all copies wait for these loads. Entries after the sequence's last
 * page are undefined, and their lanes are not used.
 */
DEVICE_INLINE void start_stream(kv8_stream *s, const flash_cuda_call *c, const row_tile *tile,
                                int begin, int warp, int lane)
{
    /* the first KV block >= begin that belongs to this warp: block % W == warp */
    s->first_block = begin + ((warp - begin) & (FLASH_DECODE_WARPS - 1));
    s->table = NULL;
    s->next_page = tile->slot;
    if (c->page_table) {
        s->table = c->page_table + (int64_t)tile->slot * c->table_stride;
        s->next_page = page_of(s, c, lane, c->table_stride * c->page_kv_blocks);
    }
}

/*
 * Sets up the rest of the stream and queues the copies of the warp's first KV blocks, one per stage
 * of its ring. Scales of a tensor that has none are set to 1 in every stage, and never copied.
 */
template <int WIDTH>
DEVICE_INLINE void fill_ring(kv8_stream *s, const flash_cuda_call *c, const row_tile *tile, int end,
                             uint32_t ring, int lane)
{
    using S = decode8_shape<WIDTH, 1>;
    constexpr bool WHOLE_TOKENS = 32 % S::VECTORS == 0; /* copy_tokens() */
    const int token = WHOLE_TOKENS ? lane / S::VECTORS : 0;
    const int vector = WHOLE_TOKENS ? lane % S::VECTORS : 0;
    const char *scales = (const char *)(lane < FLASH_KV_BLOCK ? c->k_scale : c->v_scale);

    s->k = c->k + tile->head * c->head_stride + token * c->token_stride + vector * 16;
    s->scale = scales ? scales + tile->head * c->scale_head_stride +
                            lane % FLASH_KV_BLOCK * c->scale_token_stride
                      : NULL;
    s->to = vector_offset<WIDTH>(token, vector);
    s->scale_to = 2 * S::TILE + scale_offset(lane);
    s->first = token - tile->lo;
    s->scale_first = lane % FLASH_KV_BLOCK - tile->lo;
    s->n = (end - s->first_block + FLASH_DECODE_WARPS - 1) / FLASH_DECODE_WARPS;
    s->n_tokens = tile->hi - tile->lo;
    s->end = end;
    keep_in_registers(s->k);
    keep_in_registers(s->scale);
    keep_in_registers(s->to);
    keep_in_registers(s->scale_to);
    set_offsets(s, c, lane, s->next_page);
#pragma unroll
    for (int i = 0; i < S::STAGES; i++) {
        if (!s->scale)
            store_4B(ring + i * S::STAGE + s->scale_to, __float_as_uint(1.0f));
        load_kv_block<WIDTH>(s, c, i, ring + i * S::STAGE, lane);
    }
    if (s->table)
        s->next_page = page_of(s, c, 32 + lane, end);
}

/* ---- queries -------------------------------------------------------------------------------- */

/* What a lane knows of a row: a column of an MMA. */
typedef struct row_state {
    float scale; /* of scores, for exp2 */
    float max;   /* of the scores before scaling */
    float sum;   /* of the lane's own tokens' weights, relative to max */
    int unit;    /* biased exponent of the largest scale of a value that the row has seen */
} row_state;

/* The element in the lower 16 bits. */
DEVICE_INLINE float query_element(uint32_t x, int is_f16)
{
    return is_f16 ? unpack<__half>(x) : unpack<__nv_bfloat16>(x);
}

/*
 * Loads the B fragments of a row from global memory, times a power of two; a row outside the tile
 * is 0. Returns the inverse of that power, which is 1 / 2^60 at least.
 */
template <int WIDTH>
DEVICE_INLINE float load_query(uint32_t (*q)[2], const flash_cuda_call *c, const row_tile *tile,
                               int i, int t)
{
    constexpr int VECTORS = decode8_shape<WIDTH, 1>::VECTORS, ROW_BYTES = WIDTH * 2;
    const int row = tile->row0 + i, token = divide(row, c->by_group);
    const char *from = c->q + (int64_t)tile->head * c->group * ROW_BYTES +
                       (tile->token0 + token) * c->q_stride + (row - token * c->group) * ROW_BYTES +
                       t * 8;
    float largest = 0;
    int exponent; /* of the power */

#pragma unroll
    for (int u = 0; u < VECTORS; u++) {
        uint2 x = make_uint2(0, 0);

        if (i < tile->rows && u * 16 + t * 4 < WIDTH)
            x = *(const uint2 *)(from + u * 32);
        q[u][0] = x.x ^ c->sign_flip;
        q[u][1] = x.y ^ c->sign_flip;
#pragma unroll
        for (int e = 0; e < 4; e++)
            largest = fmaxf(largest, fabsf(query_element(q[u][e / 2] >> e % 2 * 16, c->q_is_f16)));
    }
    largest = fmaxf(largest, __shfl_xor_sync(FULL_WARP, largest, 1));
    largest = fmaxf(largest, __shfl_xor_sync(FULL_WARP, largest, 2));
    exponent = min(60, 127 + HEADROOM - (int)(__float_as_uint(largest) >> 23));
#pragma unroll
    for (int u = 0; u < VECTORS; u++)
#pragma unroll
        for (int e = 0; e < 2; e++)
            q[u][e] = pack<__half>(
                __fmul_rn(query_element(q[u][e], c->q_is_f16), power_of_2(127 + exponent)),
                __fmul_rn(query_element(q[u][e] >> 16, c->q_is_f16), power_of_2(127 + exponent)));
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

/* Biased exponent of |x|, and the largest one of eight lanes that share a row. */
DEVICE_INLINE int exponent_of(float x)
{
    return (int)(__float_as_uint(x) >> 23 & 255);
}

DEVICE_INLINE int column_max(int x)
{
    x = max(x, __shfl_xor_sync(FULL_WARP, x, 4));
    x = max(x, __shfl_xor_sync(FULL_WARP, x, 8));
    return max(x, __shfl_xor_sync(FULL_WARP, x, 16));
}

/* s += K Q^T of one KV block. */
template <int WIDTH, int OCTETS, typename Element>
DEVICE_INLINE void multiply_keys(float (*s)[4], const uint32_t (*q)[(WIDTH + 15) / 16][2],
                                 uint32_t k, uint32_t offset)
{
    constexpr int VECTORS = decode8_shape<WIDTH, OCTETS>::VECTORS;

#pragma unroll
    for (int i = 0; i < (VECTORS + 1) / 2; i++) {
        uint32_t r[4]; /* tokens 0..7 and 8..15 of vector 2 i, then of 2 i + 1 */

        ldmatrix_x4(r, fragment<WIDTH>(k, offset, i));
#pragma unroll
        for (int u = 2 * i; u < min(2 * i + 2, VECTORS); u++) {
            uint32_t a[4];

            convert<Element, false>(r[u % 2 * 2], &a[0], &a[2]);
            convert<Element, false>(r[u % 2 * 2 + 1], &a[1], &a[3]);
#pragma unroll
            for (int j = 0; j < OCTETS; j++)
                mma<__half>(s[j], a, q[j][u][0], q[j][u][1]);
        }
    }
}

/* acc += V^T P^T of one KV block. */
template <int WIDTH, int OCTETS, typename Element>
DEVICE_INLINE void multiply_values(float (*acc)[(WIDTH + 15) / 16][4], const uint32_t (*p)[2],
                                   uint32_t v, uint32_t offset)
{
    constexpr int VECTORS = decode8_shape<WIDTH, OCTETS>::VECTORS;

#pragma unroll
    for (int i = 0; i < (VECTORS + 1) / 2; i++) {
        uint32_t r[4];

        ldmatrix_x4_trans(r, fragment<WIDTH>(v, offset, i));
#pragma unroll
        for (int u = 2 * i; u < min(2 * i + 2, VECTORS); u++) {
            uint32_t a[4];

            convert<Element, true>(r[u % 2 * 2], &a[0], &a[1]);
            convert<Element, true>(r[u % 2 * 2 + 1], &a[2], &a[3]);
#pragma unroll
            for (int j = 0; j < OCTETS; j++)
                mma<__half>(acc[j][u], a, p[j][0], p[j][1]);
        }
    }
}

/*
 * The scores and scales of an octet's tokens that are hidden from a row, i.e. after its position or
 * older than its window: -infinity and 0. Element e of both is of token `token`, or 8 later, and
 * row e % 2. Sets the units of both rows to those of the tokens that they see.
 */
DEVICE_INLINE void mask_octet(float s[4], float v_scale[4], int unit[2], const int pos[2],
                              const flash_cuda_call *c, int token)
{
#pragma unroll
    for (int e = 0; e < 4; e++) {
        const int column = token + e / 2 * 8;

        if (column > pos[e % 2] || (c->window && column <= pos[e % 2] - c->window)) {
            s[e] = -CUDART_INF_F;
            v_scale[e] = 0;
        }
    }
#pragma unroll
    for (int e = 0; e < 2; e++)
        unit[e] = column_max(max(exponent_of(v_scale[e]), exponent_of(v_scale[e + 2])));
}

/*
 * Replaces the scores of a KV block by weights, makes the sums of both rows relative to the new
 * maximum and unit, and returns the factors that make accumulators so.
 *
 * @param ret_p  B fragment of the weights times scales, in units
 */
DEVICE_INLINE void weigh_octet(float s[4], const float v_scale[4], const int unit[2],
                               row_state row[2], uint32_t ret_p[2], float ret_factor[2])
{
#pragma unroll
    for (int e = 0; e < 2; e++) {
        row_state *r = &row[e];
        const float max = fmaxf(r->max, column_max(fmaxf(s[e], s[e + 2])));
        const float factor = softmax_factor(r->max, max, r->scale);
        const float offset = softmax_offset(max, r->scale);
        const int new_unit = ::max(r->unit, unit[e]);
        const float inverse = power_of_2(2 * 127 + HEADROOM - new_unit);

        s[e] = exp2_fast(__fmaf_rn(s[e], r->scale, -offset));
        s[e + 2] = exp2_fast(__fmaf_rn(s[e + 2], r->scale, -offset));
        r->sum = __fmaf_rn(r->sum, factor, __fadd_rn(s[e], s[e + 2]));
        s[e] = __fmul_rn(s[e], __fmul_rn(v_scale[e], inverse));
        s[e + 2] = __fmul_rn(s[e + 2], __fmul_rn(v_scale[e + 2], inverse));
        ret_factor[e] = __fmul_rn(factor, power_of_2(::max(127 + r->unit - new_unit, 0)));
        r->max = max;
        r->unit = new_unit;
    }
    /* C fragments have tokens as rows, B fragments as the two elements of a pair */
    ret_p[0] = transpose_8x8(pack<__half>(s[0], s[1]));
    ret_p[1] = transpose_8x8(pack<__half>(s[2], s[3]));
}

/* ---- results -------------------------------------------------------------------------------- */

/* Stores the warp's maxima, for exp2, and sums of an octet to max_sum[8], its accumulators to rows
 * of `exchange`. `rows`: of the octet. */
template <int WIDTH, int OCTETS>
DEVICE_INLINE void store_octet(const row_state row[2], const float (*acc)[4], float2 *max_sum,
                               float *exchange, int rows, int g, int t)
{
    using S = decode8_shape<WIDTH, OCTETS>;

#pragma unroll
    for (int e = 0; e < 2; e++) {
        const int i = 2 * t + e;
        const float sum = column_sum(row[e].sum), unit = power_of_2(row[e].unit - HEADROOM);

        if (g == 0)
            max_sum[i] = make_float2(__fmul_rn(row[e].max, row[e].scale), sum);
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

/* ---- kernel --------------------------------------------------------------------------------- */

template <int WIDTH, int OCTETS, typename Element>
__global__ void __launch_bounds__(FLASH_DECODE_WARPS * 32, blocks_for(WIDTH, OCTETS))
    flash_decode8_kernel(const __grid_constant__ flash_cuda_call c)
{
    using S = decode8_shape<WIDTH, OCTETS>;
    constexpr int VECTORS = S::VECTORS;
    extern __shared__ __align__(128) unsigned char shared[];
    __shared__ float2 shared_max_sum[FLASH_DECODE_WARPS][S::ROWS];
    __shared__ int shared_is_last;
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    row_tile tile;
    key_range keys;
    kv8_stream stream;

    start_decode(&c);
    if (!find_decode_tile(&c, S::ROWS, lane, &tile))
        return;
    find_split(&c, &tile, &keys);
    start_stream(&stream, &c, &tile, keys.begin, warp, lane);
    if ((int)blockIdx.y >= keys.n_splits)
        return;

    const uint32_t ring = shared_address(shared) + warp * S::RING;

    fill_ring<WIDTH>(&stream, &c, &tile, keys.end, ring, lane);

    /* The lane's rows of octet j: 8 j + 2 t and the next one. */
    row_state row[OCTETS][2];
    int pos[OCTETS][2];
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
            row[j][e].max = -CUDART_INF_F;
            row[j][e].sum = 0;
            row[j][e].unit = MIN_UNIT;
            pos[j][e] = tile.pos0 + divide(tile.row0 + 8 * j + 2 * t + e, c.by_group);
        }
#pragma unroll
        for (int u = 0; u < VECTORS; u++)
#pragma unroll
            for (int e = 0; e < 4; e++)
                acc[j][u][e] = 0;
    }

    uint32_t offset = vector_offset<WIDTH>(lane % 16, lane / 16); /* of vectors 0 and 1 */
    uint32_t scales = 2 * S::TILE + g * 8;
    uint32_t stage = ring;

    if (OCTETS == 1) { /* two leave no registers */
        keep_in_registers(offset);
        keep_in_registers(scales);
    }

    for (int i = 0; i < stream.n; i++) {
        const int token = (stream.first_block + i * FLASH_DECODE_WARPS) * FLASH_KV_BLOCK;
        const bool is_masked = token + FLASH_KV_BLOCK > tile.pos_lo + 1 ||
                               (c.window && token <= tile.pos_hi - c.window);
        float s[OCTETS][4] = {}, factor[OCTETS][2];
        uint32_t p[OCTETS][2];

        cp_async_wait<S::STAGES - 1>();
        __syncwarp();
        multiply_keys<WIDTH, OCTETS, Element>(s, q, stage, offset);

        const float2 k_scale = load_8B(stage + scales);
        const float2 v_scale = load_8B(stage + scales + SCALES / 2);
        const int unit =
            __reduce_max_sync(FULL_WARP, max(exponent_of(v_scale.x), exponent_of(v_scale.y)));

#pragma unroll
        for (int j = 0; j < OCTETS; j++) {
            float of_values[4] = { v_scale.x, v_scale.x, v_scale.y, v_scale.y };
            int units[2] = { unit, unit };

#pragma unroll
            for (int e = 0; e < 4; e++)
                s[j][e] = __fmul_rn(s[j][e], e < 2 ? k_scale.x : k_scale.y);
            if (is_masked)
                mask_octet(s[j], of_values, units, pos[j], &c, token + g);
            weigh_octet(s[j], of_values, units, row[j], p[j], factor[j]);
#pragma unroll
            for (int u = 0; u < VECTORS; u++)
#pragma unroll
                for (int e = 0; e < 4; e++)
                    acc[j][u][e] = __fmul_rn(acc[j][u][e], factor[j][e % 2]);
        }
        multiply_values<WIDTH, OCTETS, Element>(acc, p, stage + S::TILE, offset);
        __syncwarp();
        load_kv_block<WIDTH>(&stream, &c, i + S::STAGES, stage, lane);
        stage += S::STAGE;
        if (stage == ring + S::STAGES * S::STAGE)
            stage = ring;
    }
    cp_async_wait<0>();
    __syncwarp();
#pragma unroll
    for (int j = 0; j < OCTETS; j++)
        store_octet<WIDTH, OCTETS>(row[j], acc[j], shared_max_sum[warp] + 8 * j,
                                   (float *)(shared + warp * S::RING) + 8 * j * S::PITCH,
                                   tile.rows - 8 * j, g, t);
    __syncthreads();
    if (c.q_is_f16)
        merge_results<WIDTH, OCTETS, __half>(&c, &tile, keys.n_splits, shared_max_sum, shared,
                                             &shared_is_last);
    else
        merge_results<WIDTH, OCTETS, __nv_bfloat16>(&c, &tile, keys.n_splits, shared_max_sum,
                                                    shared, &shared_is_last);
}

/* ---- variants ------------------------------------------------------------------------------- */

template <int WIDTH, int OCTETS> static flash_decode8_variant variant_of(cg_dtype kv_dtype)
{
    const void *kernel =
        kv_dtype == CG_F8_E4M3   ? (const void *)flash_decode8_kernel<WIDTH, OCTETS, __nv_fp8_e4m3>
        : kv_dtype == CG_F8_E5M2 ? (const void *)flash_decode8_kernel<WIDTH, OCTETS, __nv_fp8_e5m2>
                                 : (const void *)flash_decode8_kernel<WIDTH, OCTETS, int8_t>;

    return { kernel, 8 * OCTETS, FLASH_DECODE_WARPS * decode8_shape<WIDTH, OCTETS>::RING };
}

template <int WIDTH> static flash_decode8_variant variant_of(cg_dtype kv_dtype, int64_t rows)
{
    return rows <= 8 ? variant_of<WIDTH, 1>(kv_dtype) : variant_of<WIDTH, 2>(kv_dtype);
}

extern "C" flash_decode8_variant flash_select_decode8(int head_dim, cg_dtype kv_dtype, int64_t rows)
{
    switch (head_dim) {
    case 32:
        return variant_of<32>(kv_dtype, rows);
    case 56:
        return variant_of<56>(kv_dtype, rows);
    case 64:
        return variant_of<64>(kv_dtype, rows);
    case 80:
        return variant_of<80>(kv_dtype, rows);
    case 96:
        return variant_of<96>(kv_dtype, rows);
    case 128:
        return variant_of<128>(kv_dtype, rows);
    case 192:
        return variant_of<192>(kv_dtype, rows);
    default:
        return variant_of<256>(kv_dtype, rows);
    }
}
