/* SPDX-License-Identifier: MIT */
/*
 * Decode of latent attention on compute capability 9.0. Keys are read once, for both products.
 *
 * Index map. Thread block b is row tile b % head_tiles of team b / head_tiles. The token groups of
 * all sequences, and the key tiles of each, form one list, in which LATENT_START more entries stand
 * for the start and the end of a token group. Each team takes an equal range of it: the end of a
 * token group, then whole ones, then the begin of another. What several teams have of a token group
 * are its parts: their sums go to the workspace, and the merge kernel adds them in ascending order.
 * With is_whole the team in whose range a token group begins has all of it. So it is where parts
 * would save little: then the list has one entry for a token group.
 *
 * A producer warp finds the parts and copies queries and key tiles, by panels of 64 elements, into
 * a ring of two stages. Two consumer warpgroups share the 64 rows: warp w of each has rows 16 w ...
 * Warpgroup i computes the weights of key tiles with an index of parity i, and multiplies the
 * weights of all key tiles with elements 256 i .. 256 i + 255 of the values. It takes weights of
 * its own from registers, those of the other warpgroup from shared memory.
 *
 *   own key tile      scores, weights, hands them over, product with its half of the values
 *   other's key tile  waits for weights and factor, product with its half of the values
 *
 * The two products of a key tile run at the same time; scores of the next follow them, unless some
 * panels of these have been queued before (AHEAD). Each panel has a barrier `full`, so scores begin
 * with the first one. A stage has three barriers `empty`, for the panels that warpgroup 0, that
 * warpgroup 1 and that no product of values reads.
 *
 * Values with memory of their own (is_separate) have the second stage, keys the first.
 *
 * Values of tokens that no row sees are set to zero: a weight of 0 does not hide an infinity.
 *
 * Bits. Key tiles begin at multiples of 64 tokens, and the parity of their index, not their order
 * in the call, decides which warpgroup sums their weights. With is_whole a row's result depends on
 * its query, its position and the tokens it attends to; else also on where its parts begin.
 *
 * Sources: DeepSeek-AI 2024, "DeepSeek-V2", section 2.1 (latent attention); FlashMLA, "A Deep-Dive
 * Into the New Flash MLA Kernel" (two warpgroups that exchange weights); Dao et al. 2023,
 * "Flash-Decoding" (parts).
 */
#include "../common/softmax.cuh"
#include "../common/warpgroup_tile.cuh"
#include "latent.h"
#include "ptx/tma.cuh"
#include "weights.cuh"

/* Rows of a row tile that exist, of the group's `tokens` tokens. */
DEVICE_INLINE int rows_of_tile(const latent_call *c, int head_tile, int tokens)
{
    return c->head_tiles > 1 ? min(LATENT_ROWS, c->n_heads - head_tile * LATENT_ROWS)
                             : tokens * c->n_heads;
}

/* Address in out of row r of a row tile. */
DEVICE_INLINE char *row_of_out(const latent_call *c, int head_tile, int token0, int r)
{
    const int token = r / c->tile_heads, head = head_tile * LATENT_ROWS + r % c->tile_heads;

    return c->out + (token0 + token) * c->out_stride + head * (LATENT_VALUES * 2);
}

#if HAS_WGMMA

enum {
    NN = LATENT_KEYS / 8,     /* groups of 8 tokens of a key tile */
    HALF = LATENT_VALUES / 2, /* elements of a value that a warpgroup computes */
    HALF_PANELS = HALF / LATENT_PANEL,
    VALUE_PANELS = LATENT_VALUES / LATENT_PANEL,
    CONSUMER_WARPS = 8,
    PRODUCER_REGISTERS = 72,
    CONSUMER_REGISTERS = 216,
};

/* Named barriers: 0 is __syncthreads(), 1 and 2 are warpgroup_barrier()'s. */
enum { WEIGHTS_BARRIER = 3 /* and 4: of each warpgroup */, SUMS_BARRIER = 5 };

/* A part, for the row tile of a thread block. rows < 0: no more. */
struct latent_part {
    int32_t token0, tokens; /* of the token group, in q and out */
    int32_t rows;
    int32_t slot;
    int32_t pos0;       /* position of the first token */
    int32_t kv_len;     /* of the sequence */
    int32_t lo;         /* first cached token that some row sees */
    int32_t first, end; /* key tiles */
    int32_t to;         /* index of its sums in the workspace; < 0: it has all key tiles */
};

/* Addresses in shared memory. */
struct latent_layout {
    uint32_t q, stages, weights;
    uint32_t exchange; /* float2 [64]: maximum and factor that belong to `weights` */
    uint32_t sums;     /* float [2][2][64]: of this part and the one before, by warpgroup */
    uint32_t parts;    /* latent_part [2] */
    uint32_t full;     /* [LATENT_STAGES][LATENT_PANELS] */
    uint32_t empty;    /* [LATENT_STAGES][3] */
    uint32_t q_full, q_empty;
    uint32_t part_full, part_empty; /* [2] */

    __device__ __forceinline__ explicit latent_layout(uint32_t begin)
        : q(begin), stages(q + LATENT_TILE), weights(stages + LATENT_STAGES * LATENT_TILE),
          exchange(weights + LATENT_PANEL_BYTES), sums(exchange + LATENT_ROWS * 8),
          parts(sums + 4 * LATENT_ROWS * 4), full(parts + 2 * sizeof(latent_part)),
          empty(full + LATENT_STAGES * LATENT_PANELS * 8), q_full(empty + LATENT_STAGES * 3 * 8),
          q_empty(q_full + 8), part_full(q_full + 16), part_empty(q_full + 32)
    {
    }
};
static_assert(sizeof(latent_part) % 8 == 0, "barriers follow it");

/* Where a key tile is: its keys and its values, each in a stage of the ring. */
struct latent_ring {
    int32_t is_separate;
    uint32_t n; /* key tiles before it */

    __device__ __forceinline__ int keys(void) const
    {
        return is_separate ? 0 : n & 1;
    }
    __device__ __forceinline__ int values(void) const
    {
        return is_separate ? 1 : n & 1;
    }
    __device__ __forceinline__ uint32_t parity(void) const
    {
        return (is_separate ? n : n >> 1) & 1;
    }
};

DEVICE_INLINE uint32_t stage_at(const latent_layout &m, int stage)
{
    return m.stages + stage * LATENT_TILE;
}

DEVICE_INLINE uint32_t full_at(const latent_layout &m, int stage, int panel)
{
    return m.full + (stage * LATENT_PANELS + panel) * 8;
}

/* Barrier `empty` of the panels of warpgroup 0's values, of warpgroup 1's, or (2) of the rest. */
DEVICE_INLINE uint32_t empty_at(const latent_layout &m, int stage, int which)
{
    return m.empty + (stage * 3 + which) * 8;
}

DEVICE_INLINE void create_barriers(const latent_layout &m)
{
    if (threadIdx.x == 0) {
        for (int i = 0; i < LATENT_STAGES * LATENT_PANELS; i++)
            phase_barrier_create(m.full + i * 8, 1);
        for (int i = 0; i < LATENT_STAGES * 3; i++)
            phase_barrier_create(m.empty + i * 8, CONSUMER_WARPS / 2);
        phase_barrier_create(m.q_full, 1);
        phase_barrier_create(m.q_empty, CONSUMER_WARPS);
        for (int i = 0; i < 2; i++) {
            phase_barrier_create(m.part_full + i * 8, 1);
            phase_barrier_create(m.part_empty + i * 8, CONSUMER_WARPS);
        }
        share_phase_barriers();
    }
    __syncthreads();
}

/* ---- producer: parts ------------------------------------------------------------------------ */

/* A sequence with its part of the list of all key tiles: `length` entries for each group. */
struct latent_sequence {
    int32_t token0, tokens, groups;
    int32_t kv_len;
    int32_t first; /* key tile that some row sees */
    int32_t length;
};

DEVICE_INLINE int lowest_token(const latent_call *c, int pos)
{
    return c->window ? max(0, pos - c->window + 1) : 0;
}

DEVICE_INLINE latent_sequence load_sequence(const latent_call *c, int seq)
{
    const int kv_len = __ldg(c->kv_len + seq); /* undefined without tokens: loaded early */
    latent_sequence s;

    s.token0 = __ldg(c->q_start + seq);
    s.tokens = __ldg(c->q_start + seq + 1) - s.token0;
    s.groups = (s.tokens + c->tile_tokens - 1) / c->tile_tokens;
    s.kv_len = s.tokens ? kv_len : 0;
    s.first = lowest_token(c, s.kv_len - s.tokens) / LATENT_KEYS;
    s.length = (s.kv_len + LATENT_KEYS - 1) / LATENT_KEYS - s.first + LATENT_START;
    return s;
}

/* Sum over the lanes up to this one. */
DEVICE_INLINE int sum_up_to(int x, int lane)
{
#pragma unroll
    for (int step = 1; step < 32; step *= 2) {
        const int y = __shfl_up_sync(FULL_WARP, x, step);

        x += lane >= step ? y : 0;
    }
    return x;
}

DEVICE_INLINE int max_of_warp(int x)
{
#pragma unroll
    for (int bit = 1; bit < 32; bit *= 2)
        x = max(x, __shfl_xor_sync(FULL_WARP, x, bit));
    return x;
}

/* A team's range of the list, and the sequence that holds its begin. */
struct latent_range {
    int32_t begin, end;
    int32_t share; /* team t has entries [share t, share (t + 1)) */
    int32_t seq;
    int32_t at; /* first entry of the sequence */
    bool is_whole;
    bool is_counted; /* an entry is a token group, not a key tile */
};

DEVICE_INLINE int entries_of_group(const latent_range *r, const latent_sequence *s)
{
    return r->is_counted ? 1 : s->length;
}

/* The lanes of the warp each add up a 32nd of the sequences, then search in one of these. */
DEVICE_INLINE latent_range find_range(const latent_call *c, int team, int lane)
{
    const int step = (c->n_seqs + 31) / 32;
    int own = 0, groups = 0, longest = 0, sum, total, which, seq;
    latent_range r;

#pragma unroll 4
    for (int i = lane * step; i < min((lane + 1) * step, c->n_seqs); i++) {
        const latent_sequence s = load_sequence(c, i);

        own += s.groups * s.length;
        groups += s.groups;
        longest = max(longest, s.groups ? s.length : 0);
    }
    sum = sum_up_to(own, lane);
    total = __shfl_sync(FULL_WARP, sum, 31);
    r.share = (total + c->n_teams - 1) / c->n_teams;
    r.is_whole = c->is_whole;
    r.is_counted = false;
    if (!c->is_whole) {
        const int sum_of_groups = sum_up_to(groups, lane);
        const int n_groups = __shfl_sync(FULL_WARP, sum_of_groups, 31);
        const int of_team = (n_groups + c->n_teams - 1) / c->n_teams;

        r.share = max(r.share, LATENT_LEAST + LATENT_START);
        if (of_team * max_of_warp(longest) <= r.share + LATENT_SPLIT) {
            own = groups;
            sum = sum_of_groups;
            total = n_groups;
            r.share = of_team;
            r.is_whole = r.is_counted = true;
        }
    }
    r.begin = min(total, team * r.share);
    r.end = min(total, r.begin + r.share);
    r.seq = c->n_seqs;
    r.at = total;
    if (r.begin == r.end)
        return r;
    sum -= own;
    which = __popc(__ballot_sync(FULL_WARP, sum <= r.begin)) - 1; /* the last such lane */
    r.at = __shfl_sync(FULL_WARP, sum, which);
    for (seq = which * step;; seq += 32) {
        own = 0;
        if (seq + lane < c->n_seqs) {
            const latent_sequence s = load_sequence(c, seq + lane);

            own = s.groups * entries_of_group(&r, &s);
        }
        sum = sum_up_to(own, lane);
        which = __popc(__ballot_sync(FULL_WARP, r.at + sum <= r.begin));
        if (which < 32)
            break;
        r.at += __shfl_sync(FULL_WARP, sum, 31);
    }
    r.seq = seq + which;
    r.at += __shfl_sync(FULL_WARP, sum - own, which);
    return r;
}

/*
 * The team's part of group `group` of a sequence, whose first entry in the list is `at`. Returns
 * whether it has one. The team with a group's first part describes the parts for the merge.
 */
DEVICE_INLINE bool find_part(const latent_call *c, const latent_range *r, const latent_sequence *s,
                             int group, int at, int lane, int team, int head_tile, latent_part *p)
{
    const int token = group * c->tile_tokens;

    p->token0 = s->token0 + token;
    p->tokens = min(c->tile_tokens, s->tokens - token);
    p->rows = rows_of_tile(c, head_tile, p->tokens);
    p->pos0 = s->kv_len - s->tokens + token;
    p->kv_len = s->kv_len;
    p->lo = lowest_token(c, p->pos0);
    p->first = p->lo / LATENT_KEYS;
    p->end = (p->pos0 + p->tokens - 1) / LATENT_KEYS + 1;
    p->to = -1;
    if (r->is_whole)
        return at >= r->begin; /* before r->end, too */

    const int tile0 = at + LATENT_START - s->first; /* entry of key tile 0, if it had one */
    const int team0 = (tile0 + p->first) / r->share;
    const int parts = (tile0 + p->end - 1) / r->share - team0 + 1;

    p->first = max(p->first, r->begin - tile0);
    p->end = min(p->end, r->end - tile0);
    if (p->first >= p->end)
        return false;
    if (parts == 1)
        return true;
    p->to = (team * c->head_tiles + head_tile) * 2 + (team == team0);
    if (team == team0 && head_tile == 0 && lane == 0) {
        const latent_split split = { parts, p->token0, p->tokens, 0 };

        c->splits[team] = split;
    }
    return true;
}

/* ---- producer: copies ----------------------------------------------------------------------- */

/* Where the box of key tile j that this lane copies is in the view. */
struct latent_box {
    int32_t block, token;
};

/* The entry of a page without a token that is read may be any number. Its box is copied from behind
 * a block: zeros. */
DEVICE_INLINE latent_box find_box(const latent_call *c, const latent_part *p, int j, int lane)
{
    const int boxes = LATENT_KEYS / c->box_tokens; /* 1, 2 or 4 */
    const int token = j * LATENT_KEYS + lane % boxes * c->box_tokens;

    if (!c->page_table)
        return { p->slot, token };
    if (token + c->box_tokens <= p->lo || token >= p->kv_len)
        return { 0, c->block_tokens };
    return { __ldg(c->page_table + (int64_t)p->slot * c->table_stride + token / c->block_tokens),
             token % c->block_tokens };
}

/* Queues the copies of n panels of a key tile to a stage; the lanes of the warp share them. */
DEVICE_INLINE void copy_panels(const latent_call *c, const latent_layout &m, const CUtensorMap *map,
                               latent_box box, int stage, int panel, int n, int lane)
{
    const int boxes = LATENT_KEYS / c->box_tokens; /* n of these are at most 16 */

    if (lane < n)
        phase_expect(full_at(m, stage, panel + lane), LATENT_PANEL_BYTES);
    __syncwarp();
    panel += lane / boxes;
    if (lane < n * boxes)
        copy_box(stage_at(m, stage) + panel * LATENT_PANEL_BYTES +
                     lane % boxes * c->box_tokens * 128,
                 map, full_at(m, stage, panel), panel * LATENT_PANEL, box.token, 0, box.block);
}

/* Copies the panels of a half of the values of a key tile. */
DEVICE_INLINE void copy_half(const latent_call *c, const latent_layout &m, const CUtensorMap *map,
                             latent_box box, int stage, uint32_t parity, int half, int lane)
{
    phase_wait(empty_at(m, stage, half), parity ^ 1); /* stages that have never been used are */
    copy_panels(c, m, map, box, stage, half * HALF_PANELS, HALF_PANELS, lane);
}

/* Copies the queries of a part, then its key tiles in ascending order. */
DEVICE_INLINE void copy_part(const latent_call *c, const latent_layout &m, const latent_part *p,
                             uint32_t q_parity, latent_ring *ring, int head_tile, int lane)
{
    latent_box box = find_box(c, p, p->first, lane);

    phase_wait(m.q_empty, q_parity ^ 1);
    if (lane == 0) {
        phase_expect(m.q_full, LATENT_PANELS * c->tile_tokens * c->tile_heads * 128);
        for (int i = 0; i < LATENT_PANELS; i++)
            copy_box(m.q + i * LATENT_PANEL_BYTES, &c->q, m.q_full, i * LATENT_PANEL,
                     head_tile * LATENT_ROWS, p->token0);
    }
#pragma unroll 1
    for (int j = p->first; j < p->end; j++, ring->n++) {
        const int stage = ring->keys();
        const uint32_t parity = ring->parity();
        /* loaded before the waits, used for the next key tile */
        const latent_box next = find_box(c, p, min(j + 1, p->end - 1), lane);

        phase_wait(empty_at(m, stage, 2), parity ^ 1);
        copy_panels(c, m, &c->k, box, stage, VALUE_PANELS, 1, lane);
        for (int half = 0; half < 2; half++)
            copy_half(c, m, &c->k, box, stage, parity, half, lane);
        for (int half = 0; c->is_separate && half < 2; half++)
            copy_half(c, m, &c->v, box, ring->values(), parity, half, lane);
        box = next;
    }
}

DEVICE_INLINE void produce(const latent_call *c, const latent_layout &m, latent_part *shared_parts,
                           int lane)
{
    const int team = blockIdx.x / c->head_tiles, head_tile = blockIdx.x % c->head_tiles;
    if (lane == 0) {
        prefetch_map(&c->q);
        prefetch_map(&c->k);
    }

    latent_range r = find_range(c, team, lane);
    latent_ring ring = { c->is_separate, 0 };
    latent_part p;
    uint32_t n = 0; /* parts */

    if (!c->is_whole && head_tile == 0 && lane == 0) {
        const latent_split none = { 0, 0, 0, 0 };

        c->splits[team] = none;
    }
    for (; r.at < r.end; r.seq++) {
        const latent_sequence s = load_sequence(c, r.seq);

        const int length = entries_of_group(&r, &s);

        for (int i = max(r.begin - r.at, 0) / length; i < s.groups; i++) {
            const int at = r.at + i * length;
            /* the last groups of a prompt see most keys: first, last, second, last but one, .. */
            const int group = i % 2 ? s.groups - 1 - i / 2 : i / 2;

            if (at >= r.end)
                break;
            if (!find_part(c, &r, &s, group, at, lane, team, head_tile, &p))
                continue;
            p.slot = __ldg(c->slot + r.seq);
            phase_wait(m.part_empty + n % 2 * 8, (n / 2 & 1) ^ 1);
            if (lane == 0) {
                shared_parts[n % 2] = p;
                phase_arrive(m.part_full + n % 2 * 8);
            }
            copy_part(c, m, &p, n & 1, &ring, head_tile, lane);
            n++;
        }
        r.at += s.groups * length;
    }
    phase_wait(m.part_empty + n % 2 * 8, (n / 2 & 1) ^ 1);
    if (lane == 0) {
        shared_parts[n % 2].rows = -1;
        phase_arrive(m.part_full + n % 2 * 8);
    }
}

/* ---- consumers ------------------------------------------------------------------------------ */

/* Queues the scores of panels [BEGIN, END), in the order in which they are copied: the last one
 * first. Each is a group of its own, since the waits lie between. */
template <int BEGIN, int END, typename Element>
DEVICE_INLINE void queue_panels(float (*p)[4], const latent_layout &m, const latent_ring &ring)
{
    const int stage = ring.keys();
    const uint32_t q = shared_descriptor(m.q, 16), k = shared_descriptor(stage_at(m, stage), 16);

#pragma unroll
    for (int i = BEGIN; i < END; i++) {
        const int panel = i ? i - 1 : LATENT_PANELS - 1;

        phase_wait(full_at(m, stage, panel), ring.parity());
        wgmma_begin();
#pragma unroll
        for (int kk = 0; kk < LATENT_PANEL / 16; kk++) {
            const uint32_t at = (panel * LATENT_PANEL_BYTES + kk * 32) >> 4;

            wgmma_scores<Element, LATENT_KEYS>(p, q + at, k + at, i > 0 || kk > 0);
        }
        wgmma_commit();
    }
}

/* Sets to zero the warpgroup's half of the values of tokens that no row sees, or waits for nothing
 * where there are none. */
DEVICE_INLINE void clear_values(uint32_t values, const latent_part *p, int j, int warpgroup)
{
    const int lo = max(p->lo - j * LATENT_KEYS, 0), hi = p->kv_len - j * LATENT_KEYS;
    const uint32_t zeros[4] = { 0, 0, 0, 0 };

    if (lo == 0 && hi >= LATENT_KEYS)
        return;
    for (int i = threadIdx.x % 128; i < HALF_PANELS * LATENT_KEYS * 8; i += 128)
        if (i / 8 % LATENT_KEYS < lo || i / 8 % LATENT_KEYS >= hi)
            store_16B(values + i * 16, zeros);
    share_writes();
    warpgroup_barrier(warpgroup);
}

/* Waits for the warpgroup's half of the values of a key tile. Returns its address. */
DEVICE_INLINE uint32_t wait_for_values(const latent_layout &m, const latent_ring &ring,
                                       const latent_part *p, int j, int warpgroup)
{
    const int stage = ring.values();
    const uint32_t at = stage_at(m, stage) + warpgroup * HALF_PANELS * LATENT_PANEL_BYTES;

#pragma unroll
    for (int i = 0; i < HALF_PANELS; i++)
        phase_wait(full_at(m, stage, warpgroup * HALF_PANELS + i), ring.parity());
    clear_values(at, p, j, warpgroup);
    return shared_descriptor(at, LATENT_PANEL_BYTES);
}

/* Hands the weights of a key tile and what belongs to them to the other warpgroup, whose product
 * with the values reads them. The warpgroup itself has read those that they replace. */
DEVICE_INLINE void share_weights(const latent_layout &m, const uint32_t (*weights)[4],
                                 const softmax soft[2], const float factor[2], int warpgroup,
                                 int row, int lane)
{
    const int g = lane / 4, t = lane % 4;

    warpgroup_barrier(warpgroup);
#pragma unroll
    for (int h = 0; h < 2; h++) {
        /* rows of 128 bytes; vector n of row r is stored as vector n ^ (r & 7) */
#pragma unroll
        for (int n = 0; n < NN; n++)
            store_4B(m.weights + (row + 8 * h) * 128 + ((n ^ g) << 4) + t * 4,
                     weights[n / 2][n % 2 * 2 + h]);
        if (t == 0) {
            store_4B(m.exchange + (row + 8 * h) * 8, __float_as_uint(soft[h].max));
            store_4B(m.exchange + (row + 8 * h) * 8 + 4, __float_as_uint(factor[h]));
        }
    }
    share_writes();
    barrier_arrive(WEIGHTS_BARRIER + warpgroup, 256);
}

/* The maximum of few key tiles is larger than all before; a factor of 1 changes no bit. */
DEVICE_INLINE void scale_if_needed(float (*acc)[4], const float factor[2])
{
    if (__any_sync(FULL_WARP, factor[0] != 1 || factor[1] != 1))
        scale_values<HALF / 8>(acc, factor);
}

/* Sum over the tokens of both warpgroups of the weights of rows g and g + 8. */
DEVICE_INLINE void sum_weights(const latent_layout &m, uint32_t n, softmax soft[2], int warpgroup,
                               int row, int lane)
{
    const uint32_t at = m.sums + (n % 2 * 2 * LATENT_ROWS + row) * 4;

#pragma unroll
    for (int h = 0; h < 2; h++) {
        const float sum = row_sum(soft[h].sum);

        if (lane % 4 == 0)
            store_4B(at + (warpgroup * LATENT_ROWS + 8 * h) * 4, __float_as_uint(sum));
    }
    barrier_wait(SUMS_BARRIER, 256);
#pragma unroll
    for (int h = 0; h < 2; h++)
        soft[h].sum = __fadd_rn(__uint_as_float(load_4B(at + 8 * h * 4)),
                                __uint_as_float(load_4B(at + (LATENT_ROWS + 8 * h) * 4)));
}

/* Stores the lane's elements of rows g and g + 8: to out, or if there are other parts, the sums to
 * the workspace. */
template <typename Element>
DEVICE_INLINE void store_part(const latent_call *c, const latent_part *p, const softmax soft[2],
                              const float (*acc)[4], int head_tile, int warpgroup, int row, int t)
{
#pragma unroll
    for (int h = 0; h < 2; h++) {
        const int r = row + 8 * h, d = warpgroup * HALF + 2 * t;

        if (r >= p->rows)
            continue;
        if (p->to < 0) {
            const float inverse = __fdiv_rn(1.0f, soft[h].sum);
            char *out = row_of_out(c, head_tile, p->token0, r) + d * 2;

#pragma unroll
            for (int n = 0; n < HALF / 8; n++)
                *(uint32_t *)(out + n * 16) =
                    pack_out<Element>(acc[n][2 * h], acc[n][2 * h + 1], inverse);
        } else {
            const int64_t at = (int64_t)p->to * LATENT_ROWS + r;
            float *sums = c->sums + at * LATENT_VALUES + d;

#pragma unroll
            for (int n = 0; n < HALF / 8; n++)
                *(float2 *)(sums + n * 8) = make_float2(acc[n][2 * h], acc[n][2 * h + 1]);
            if (warpgroup == 0 && t == 0)
                *(float2 *)(c->max_sum + at * 2) = make_float2(soft[h].max, soft[h].sum);
        }
    }
}

template <int AHEAD, typename Element>
DEVICE_INLINE void consume(const latent_call *c, const latent_layout &m,
                           const latent_part *shared_parts, int warp, int lane)
{
    const int head_tile = blockIdx.x % c->head_tiles, warpgroup = warp / 4;
    const int warp_row = warp % 4 * 16, row = warp_row + lane / 4, t = lane % 4;
    latent_ring ring = { c->is_separate, 0 };

    for (uint32_t n_parts = 0;; n_parts++) {
        float p[NN][4], acc[HALF / 8][4], factor[2], offset[2];
        uint32_t weights[NN / 2][4];
        softmax soft[2];
        int pos[2];

        phase_wait(m.part_full + n_parts % 2 * 8, n_parts / 2 & 1);

        const latent_part part = shared_parts[n_parts % 2];
        const int first = part.first, end = part.end;

        __syncwarp();
        release(m.part_empty + n_parts % 2 * 8, lane);
        if (part.rows < 0)
            return;

        const int lo = part.pos0 + warp_row / c->tile_heads; /* positions of the warp's rows */
        const int hi = part.pos0 + (warp_row + 15) / c->tile_heads;

#pragma unroll
        for (int h = 0; h < 2; h++) {
            pos[h] = part.pos0 + (row + 8 * h) / c->tile_heads;
            soft[h].max = -CUDART_INF_F;
            soft[h].sum = 0;
        }
#pragma unroll
        for (int n = 0; n < HALF / 8; n++)
#pragma unroll
            for (int e = 0; e < 4; e++)
                acc[n][e] = 0;

        phase_wait(m.q_full, n_parts & 1);
        if (end - first == 1 && first % 2 != warpgroup)
            release(m.q_empty, lane); /* no scores */
#pragma unroll 1
        for (int j = first; j < end; j++, ring.n++) {
            const latent_ring before = { ring.is_separate, ring.n - 1 };

            wgmma_wait<0>(); /* for the values of the key tile before */
            registers_settle(acc, HALF / 8);
            if (j > first)
                release(empty_at(m, before.values(), warpgroup), lane);
            if (j % 2 == warpgroup) {
                if (j == first || c->is_separate)
                    queue_panels<0, AHEAD, Element>(p, m, ring);
                queue_panels<AHEAD, LATENT_PANELS, Element>(p, m, ring);
                wgmma_wait<0>();
                registers_settle(p, NN);
                release(empty_at(m, ring.keys(), 2), lane);
                if (c->is_separate) {
                    release(empty_at(m, ring.keys(), 0), lane);
                    release(empty_at(m, ring.keys(), 1), lane);
                }
                if (j + 2 >= end)
                    release(m.q_empty, lane); /* the warpgroup's last scores of the part */
                if ((j + 1) * LATENT_KEYS > lo + 1 ||
                    (c->window && j * LATENT_KEYS <= hi - c->window)) {
                    mask_scores(p, NN, 0, j * LATENT_KEYS + 2 * t, pos[0], c->window);
                    mask_scores(p, NN, 1, j * LATENT_KEYS + 2 * t, pos[1], c->window);
                }
                update_max<NN>(p, soft, factor, offset, c->scale);

                const uint32_t values = wait_for_values(m, ring, &part, j, warpgroup);
                float sum[2] = { 0, 0 };

                /* the product of half of the weights runs while the others are computed */
                scale_if_needed(acc, factor);
#pragma unroll
                for (int i = 0; i < 2; i++) {
                    compute_weights<NN / 2>(p + i * NN / 2, sum, offset, c->scale);
                    pack_tile<NN / 2, Element>(weights + i * NN / 4, p + i * NN / 2);
                    wgmma_begin();
#pragma unroll
                    for (int n = i * NN / 4; n < (i + 1) * NN / 4; n++)
                        wgmma_values<HALF, Element>(acc, weights[n], values + (n * 2048 >> 4));
                    wgmma_commit();
                }
#pragma unroll
                for (int h = 0; h < 2; h++)
                    soft[h].sum = __fmaf_rn(soft[h].sum, factor[h], sum[h]);
                share_weights(m, weights, soft, factor, warpgroup, row, lane);
            } else {
                /* keys of their own have one stage, which still holds those of this tile */
                if (j + 1 < end && !c->is_separate)
                    queue_panels<0, AHEAD, Element>(p, m, { 0, ring.n + 1 });
                barrier_wait(WEIGHTS_BARRIER + 1 - warpgroup, 256);
#pragma unroll
                for (int h = 0; h < 2; h++) {
                    soft[h].max = __uint_as_float(load_4B(m.exchange + (row + 8 * h) * 8));
                    factor[h] = __uint_as_float(load_4B(m.exchange + (row + 8 * h) * 8 + 4));
                    soft[h].sum = __fmul_rn(soft[h].sum, factor[h]);
                }
                scale_if_needed(acc, factor);

                const uint32_t values = wait_for_values(m, ring, &part, j, warpgroup);
                const uint32_t others = shared_descriptor(m.weights, 16);

                wgmma_begin();
#pragma unroll
                for (int n = 0; n < NN / 2; n++)
                    wgmma_values<Element>(acc, others + (n * 32 >> 4), values + (n * 2048 >> 4));
                wgmma_commit();
            }
        }
        wgmma_wait<0>();
        registers_settle(acc, HALF / 8);
        release(empty_at(m, latent_ring { ring.is_separate, ring.n - 1 }.values(), warpgroup),
                lane);
        sum_weights(m, n_parts, soft, warpgroup, row, lane);
        store_part<Element>(c, &part, soft, acc, head_tile, warpgroup, row, t);
    }
}

template <int AHEAD, typename Element>
__global__ void __launch_bounds__(LATENT_THREADS, 1)
    latent_decode_kernel(const __grid_constant__ latent_call c)
{
    extern __shared__ __align__(1024) unsigned char shared[];
    const int lane = threadIdx.x % 32;
    const int warp = __shfl_sync(FULL_WARP, threadIdx.x / 32, 0);
    const latent_layout m(shared_address(shared));
    latent_part *parts = (latent_part *)(shared + (m.parts - m.q));

    create_barriers(m);
    if (warp >= CONSUMER_WARPS) {
        registers_shrink<PRODUCER_REGISTERS>();
        if (warp == CONSUMER_WARPS)
            produce(&c, m, parts, lane);
    } else {
        registers_grow<CONSUMER_REGISTERS>();
        consume<AHEAD, Element>(&c, m, parts, warp, lane);
    }
}

#else

/* Images for other architectures hold this stub. The host recognises it by its maximum block size.
 */
template <int AHEAD, typename Element>
__global__ void __launch_bounds__(32) latent_decode_kernel(const __grid_constant__ latent_call c)
{
}

#endif

/* ---- merge ---------------------------------------------------------------------------------- */

/* Thread block (x, y) merges rows 4 x .. 4 x + 3 of the split token group of team y / head_tiles,
 * row tile y % head_tiles, a row per warp: a lane has elements 4 lane .. of each 128. */
template <typename Element>
__global__ void __launch_bounds__(LATENT_MERGE_THREADS)
    latent_merge_kernel(const __grid_constant__ latent_call c)
{
    const int team = blockIdx.y / c.head_tiles, head_tile = blockIdx.y % c.head_tiles;
    const int row = (int)(blockIdx.x * (LATENT_MERGE_THREADS / 32) + threadIdx.x / 32);
    const int lane = threadIdx.x % 32;
    const latent_split split = c.splits[team];
    float max = -CUDART_INF_F, sum = 0, x[LATENT_VALUES / 32] = { 0 };

    if (split.parts == 0 || row >= rows_of_tile(&c, head_tile, split.tokens))
        return;

    char *out = row_of_out(&c, head_tile, split.token0, row);
    /* the first part is at the end of its team's range, the others are at the begin of theirs */
    const int64_t at = (int64_t)(team * c.head_tiles + head_tile) * 2 * LATENT_ROWS + row;
    const int64_t step = (int64_t)c.head_tiles * 2 * LATENT_ROWS;

    for (int i = 0; i < split.parts; i++)
        max = fmaxf(max, c.max_sum[(at + i * step + (i ? 0 : LATENT_ROWS)) * 2]);
    for (int i = 0; i < split.parts; i++) {
        const int64_t from = at + i * step + (i ? 0 : LATENT_ROWS);
        const float2 max_sum = *(const float2 *)(c.max_sum + from * 2);
        const float factor = softmax_factor(max_sum.x, max, c.scale);

        sum = __fmaf_rn(factor, max_sum.y, sum);
#pragma unroll
        for (int k = 0; k < LATENT_VALUES / 128; k++) {
            const float4 y = *(const float4 *)(c.sums + from * LATENT_VALUES + k * 128 + lane * 4);

            x[4 * k] = __fmaf_rn(factor, y.x, x[4 * k]);
            x[4 * k + 1] = __fmaf_rn(factor, y.y, x[4 * k + 1]);
            x[4 * k + 2] = __fmaf_rn(factor, y.z, x[4 * k + 2]);
            x[4 * k + 3] = __fmaf_rn(factor, y.w, x[4 * k + 3]);
        }
    }

    const float inverse = __fdiv_rn(1.0f, sum);

#pragma unroll
    for (int k = 0; k < LATENT_VALUES / 128; k++)
        *(uint2 *)(out + k * 256 + lane * 8) =
            make_uint2(pack_out<Element>(x[4 * k], x[4 * k + 1], inverse),
                       pack_out<Element>(x[4 * k + 2], x[4 * k + 3], inverse));
}

extern "C" const void *latent_get_decode_kernel(int is_shared, int f16)
{
    constexpr int ALONE = LATENT_AHEAD, SHARED = LATENT_AHEAD_SHARED;

    return is_shared ? (f16 ? (const void *)latent_decode_kernel<SHARED, __half>
                            : (const void *)latent_decode_kernel<SHARED, __nv_bfloat16>)
                     : (f16 ? (const void *)latent_decode_kernel<ALONE, __half>
                            : (const void *)latent_decode_kernel<ALONE, __nv_bfloat16>);
}

extern "C" const void *latent_get_merge_kernel(int f16)
{
    return f16 ? (const void *)latent_merge_kernel<__half>
               : (const void *)latent_merge_kernel<__nv_bfloat16>;
}
