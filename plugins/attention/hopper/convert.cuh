/* SPDX-License-Identifier: MIT */
/**
 * @file convert.cuh  Keys and values of f8_e4m3 become the 16-bit tiles that the consumers of
 * prefill.cu read: each number is multiplied by its token's scale.
 *
 * S is the shape of producer.cuh.
 */
#ifndef HOPPER_CONVERT_CUH
#define HOPPER_CONVERT_CUH

#include "producer.cuh"

#if HAS_WGMMA

/* What convert_vector() multiplies by: a scale, for bf16 a pair of it. */
template <typename Element> DEVICE_INLINE uint32_t factor_of_scale(float scale)
{
    return is_f16<Element> ? __float_as_uint(scale) : pack<Element>(scale, scale);
}

/* 16 numbers of f8_e4m3 times a scale; NaN stays NaN. A bf16 holds any scale, so that pairs are
 * multiplied; an f16 does not. */
template <typename Element>
DEVICE_INLINE void convert_vector(uint32_t y[2][4], const uint32_t x[4], uint32_t factor)
{
#pragma unroll
    for (int i = 0; i < 4; i++) {
        uint32_t pairs[2];

        f16x4_of_e4m3x4(pairs, x[i]);
#pragma unroll
        for (int e = 0; e < 2; e++) {
            const float lo = unpack<__half>(pairs[e]), hi = unpack<__half>(pairs[e] >> 16);
            uint32_t *to = &y[i / 2][i % 2 * 2 + e];

            if constexpr (is_f16<Element>)
                *to = pack<Element>(__fmul_rn(lo, __uint_as_float(factor)),
                                    __fmul_rn(hi, __uint_as_float(factor)));
            else
                *to = multiply_bf16x2(pack<Element>(lo, hi), factor);
        }
    }
}

/* What a lane converts of each group of 8 tokens: of one of them, 16 of 64 elements. Any eight
 * adjacent lanes read and write different banks: rows r and r ^ 5 differ in the bits that both
 * swizzles need. */
struct convert_lane {
    uint32_t row, from, to; /* offsets in a tile of 8 bits, of 16 bits */
};

template <typename S> DEVICE_INLINE convert_lane find_convert_lane(int lane)
{
    const uint32_t row = lane / 8 ^ (lane & 4 ? 5 : 0), u = lane % 4;

    return { row, row * S::COPY_ROW + ((u ^ (S::COPY_ROW == 128 ? row : row / 2)) << 4),
             row * 128 + ((2 * u ^ row) << 4) };
}

/* Converts groups share, share + CONVERTERS ... of 8 tokens of the tile in a stage. Token rows from
 * `end` on become zeros. */
template <typename S, typename Element>
DEVICE_INLINE void convert_groups(const copy_stages &copies, int stage, bool has_scales,
                                  uint32_t to, int share, int end, const convert_lane &lane)
{
    const uint32_t scales = copies.scales + stage * (S::KEYS * 4) + lane.row * 4;
    const uint32_t from = copies.tiles + stage * S::COPY_TILE + lane.from;
    uint32_t x[S::PANELS][4];
    float scale = 1;

    to += lane.to;
#pragma unroll
    for (int panel = 0; panel < S::PANELS; panel++)
        load_16B(x[panel], (from ^ panel * 64) + share * (8 * S::COPY_ROW));
    if (has_scales)
        scale = __uint_as_float(load_4B(scales + share * 32));
#pragma unroll 1
    for (int group = share; group < S::KEYS / 8; group += S::CONVERTERS) {
        uint32_t factor = factor_of_scale<Element>(scale);
        const int next = min(group + S::CONVERTERS, S::KEYS / 8 - 1); /* loaded ahead */
        const float next_scale = has_scales ? __uint_as_float(load_4B(scales + next * 32)) : 1.0f;

        if ((int)(group * 8 + lane.row) >= end) { /* memory that holds anything, NaN too */
            factor = 0;
#pragma unroll
            for (int panel = 0; panel < S::PANELS; panel++)
#pragma unroll
                for (int i = 0; i < 4; i++)
                    x[panel][i] = 0;
        }
#pragma unroll
        for (int panel = 0; panel < S::PANELS; panel++) {
            const uint32_t at = to + panel * S::PANEL + group * 1024;
            uint32_t y[2][4];

            convert_vector<Element>(y, x[panel], factor);
            load_16B(x[panel], (from ^ panel * 64) + next * (8 * S::COPY_ROW));
            store_16B(at, y[0]);
            store_16B(at ^ 16, y[1]);
        }
        scale = next_scale;
    }
}

/* Converts a warp's share of the keys and values, in the order of their copies. */
template <typename S, typename Element>
DEVICE_INLINE void convert(const hopper_call *c, const hopper_layout<S> &m,
                           const volatile hopper_tile *shared_tiles, int share, int lane)
{
    const convert_lane at = find_convert_lane<S>(lane);
    hopper_ring<S::COPY_STAGES> k8, v8;
    hopper_ring<S::STAGES> k, v;
    hopper_ring<2> tiles;

    for (;;) {
        phase_wait(m.tile_full + tiles.stage() * 8, tiles.parity());

        const volatile hopper_tile *tile = shared_tiles + tiles.stage();
        const int first = tile->first, end = tile->end;

        if (tile->rows < 0)
            return;
#pragma unroll 1
        for (int j = end - 1; j >= first - 1; j--) {
            if (j >= first) {
                phase_wait(m.k_copies.full + k8.stage() * 8, k8.parity());
                phase_wait(m.k_empty + k.stage() * 8, k.parity() ^ 1);
                convert_groups<S, Element>(m.k_copies, k8.stage(), c->k_scale,
                                           m.k + k.stage() * S::TILE, share, S::KEYS, at);
                share_writes();
                __syncwarp();
                release(m.k_copies.empty + k8.stage() * 8, lane);
                release(m.k_full + k.stage() * 8, lane);
                k8.n++;
                k.n++;
            }
            if (j + 1 < end) {
                phase_wait(m.v_copies.full + v8.stage() * 8, v8.parity());
                phase_wait(m.v_empty + v.stage() * 8, v.parity() ^ 1);
                /* who has one group more of keys has none more of values */
                convert_groups<S, Element>(m.v_copies, v8.stage(), c->v_scale,
                                           m.v + v.stage() * S::TILE, S::CONVERTERS - 1 - share,
                                           tile->kv_len - (j + 1) * S::KEYS, at);
                share_writes();
                __syncwarp();
                release(m.v_copies.empty + v8.stage() * 8, lane);
                release(m.v_full + v.stage() * 8, lane);
                v8.n++;
                v.n++;
            }
        }
        __syncwarp();
        release(m.tile_empty + tiles.stage() * 8, lane);
        tiles.n++;
    }
}

#endif

#endif
