/* SPDX-License-Identifier: MIT */
#include "step.h"

#include <math_constants.h>

/* The few functions of the automaton and of geometry, compiled for the device. */
#include "sequence/automaton.c"
#include "sequence/atom_tests.c"
#include "sequence/relaxation.c"
#include "sequence/number_path.c"

#include "repair.cuh"

typedef unsigned long long u64;

enum {
    GATHER_THREADS = 1024,
    LOOK_THREADS = 256,
    FAILURE_NOT_FINITE = 1,
};

/* ---- block-wide helpers ------------------------------------------------------------------- */

/*
 * Sum of x over the threads before this one, and over all in *ret_total. Whole warps, at most 1024
 * threads; `part` is shared, [33]. Ends with all threads past their reads of `part`.
 */
static __device__ u64 scan(u64 x, u64 *part, u64 *ret_total)
{
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32, n_warps = blockDim.x / 32;
    u64 sum = x, before;

    for (int step = 1; step < 32; step *= 2) {
        u64 y = __shfl_up_sync(0xffffffffu, sum, step);

        if (lane >= step)
            sum += y;
    }
    if (lane == 31)
        part[warp] = sum;
    __syncthreads();
    if (warp == 0) {
        u64 w = lane < n_warps ? part[lane] : 0, all = w;

        for (int step = 1; step < 32; step *= 2) {
            u64 y = __shfl_up_sync(0xffffffffu, all, step);

            if (lane >= step)
                all += y;
        }
        if (lane < n_warps)
            part[lane] = all - w;
        if (lane == 31)
            part[32] = all;
    }
    __syncthreads();
    before = part[warp] + sum - x;
    *ret_total = part[32];
    __syncthreads();
    return before;
}

/* Adds x of all threads of the warp to a sum in shared memory: one atomic instead of 32 in turn. */
static __device__ void add_to(u64 *sum, u64 x)
{
    for (int step = 16; step > 0; step /= 2)
        x += __shfl_xor_sync(0xffffffffu, x, step);
    if (threadIdx.x % 32 == 0 && x)
        atomicAdd(sum, x);
}

/* ---- gather ------------------------------------------------------------------------------- */

/* Sequence of row t: the last one that begins at or before it. */
static __device__ int32_t sequence_of(const int32_t *q_start, int32_t n_seqs, int32_t t)
{
    int32_t lo = 0, hi = n_seqs; /* q_start[lo] <= t < q_start[hi] */

    while (hi - lo > 1) {
        int32_t mid = (lo + hi) / 2;

        if (q_start[mid] <= t)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

/*
 * One block. Prefixes are served first, since slots wait for them, then the slots in turn from
 * *first on; thread i of round r looks at the place of rank r * blockDim + i.
 */
static __global__ void __launch_bounds__(GATHER_THREADS) gather_kernel(cg_step_state s)
{
    __shared__ u64 part[33];
    __shared__ int32_t next_first;
    __shared__ u64 attended, prompt_rows;
    int32_t first = *s.first, rows = 0, seqs = 0, outs = 0; /* the same in all threads */
    int32_t n_prompt_slots = s.n_kv_slots - s.n_slots;

    if (threadIdx.x == 0) {
        next_first = INT32_MAX;
        attended = prompt_rows = 0;
    }
    for (int32_t base = 0; base < s.n_kv_slots; base += blockDim.x) {
        int32_t rank = base + (int32_t)threadIdx.x, place = 0, want = 0, take = 0, room;
        int32_t n_kv = 0, kind = CG_SLOT_FREE;
        u64 before, total, flags;

        if (rank < s.n_kv_slots) {
            const cg_slot_state *p;

            place = rank < n_prompt_slots ? s.n_slots + rank : first + rank - n_prompt_slots;
            if (rank >= n_prompt_slots && place >= s.n_slots)
                place -= s.n_slots;
            p = &s.slots[place];
            kind = p->kind;
            n_kv = p->seq.n_kv;
            want = p->seq.n_tokens - n_kv;
            if (kind == CG_SLOT_FREE || p->seq.done || p->progress.stage != CG_REPAIR_IDLE)
                want = 0;
        }
        before = scan((u64)want, part, &total);
        room = s.step_tokens - rows;
        if (want && before < (u64)room)
            take = want < room - (int32_t)before ? want : room - (int32_t)before;
        if (want && !take && rank >= n_prompt_slots)
            atomicMin(&next_first, rank - n_prompt_slots);
        before += (u64)rows;
        rows += total < (u64)room ? (int32_t)total : room;
        /* sequences of the batch in the low half, those that want logits in the high one */
        flags = take ? 1 : 0;
        if (take && take == want && kind == CG_SLOT_SEQUENCE)
            flags |= (u64)1 << 32;
        flags = scan(flags, part, &total);
        if (take) {
            int32_t seq = seqs + (int32_t)(flags & 0xffffffffu), row = (int32_t)before;

            s.seq_slot[seq] = place;
            s.kv_len[seq] = n_kv + take;
            s.q_start[seq] = row;
            s.slots[place].seq.n_kv = n_kv + take;
            if (take == want && kind == CG_SLOT_SEQUENCE) {
                int32_t out = outs + (int32_t)(flags >> 32);

                s.out_row[out] = row + take - 1;
                s.out_slot[out] = place;
            } else if (take == want) {
                s.events[place].done = 1;
            }
        }
        add_to(&attended, take && kind == CG_SLOT_SEQUENCE ? (u64)(n_kv + take) : 0);
        add_to(&prompt_rows, kind == CG_SLOT_PROMPT ? (u64)take : 0);
        seqs += (int32_t)(total & 0xffffffffu);
        outs += (int32_t)(total >> 32);
    }
    for (int32_t i = seqs + (int32_t)threadIdx.x; i <= s.n_kv_slots; i += blockDim.x)
        s.q_start[i] = rows;
    __syncthreads(); /* the lists above are read by other threads of the block now */
    for (int32_t t = threadIdx.x; t < s.step_tokens; t += blockDim.x) {
        int32_t token = -1, pos = 0, place = -1;

        if (t < rows) {
            int32_t i = sequence_of(s.q_start, seqs, t);

            place = s.seq_slot[i];
            pos = s.kv_len[i] - s.q_start[i + 1] + t;
            token = s.tokens[(int64_t)place * s.max_len + pos];
        }
        s.token[t] = token;
        s.pos[t] = pos;
        s.slot[t] = place;
    }
    if (threadIdx.x == 0) {
        cg_step_counters c = *s.counters;

        if (next_first != INT32_MAX)
            *s.first = (first + next_first) % s.n_slots;
        *s.n_out = outs;
        c.steps += rows > 0;
        c.prompt_tokens += (int64_t)prompt_rows;
        c.tokens += rows - (int64_t)prompt_rows;
        c.sampled += outs;
        c.attended += (int64_t)attended;
        *s.counters = c;
    }
}

extern "C" cg_status cg_step_gather(const cg_step_state *state, cudaStream_t stream, cg_error *err)
{
    gather_kernel<<<1, GATHER_THREADS, 0, stream>>>(*state);
    return CG_CUDA(cudaGetLastError(), err);
}

/* ---- sample ------------------------------------------------------------------------------- */

/* The choice of one row: who is allowed, and how likely. */
struct choice {
    const float *logits;     /* of the row, by column */
    const int32_t *head_row; /* [n] of the allowed transitions */
    float *kept;             /* [n] shared: their probabilities; NULL: recomputed */
    int32_t n;
    float max, scale; /* p = exp2((logit - max) * scale) */
};

/* Probability relative to the likeliest, in [0, 1]. */
static __device__ __forceinline__ float probability(const struct choice *c, int32_t i)
{
    return c->kept ? c->kept[i] : exp2f((c->logits[c->head_row[i]] - c->max) * c->scale);
}

static __device__ __forceinline__ u64 weight(float p)
{
    return (u64)(p * 0x1p40f);
}

/* The likeliest, the first of equals; all threads. */
static __device__ int32_t argmax(const struct choice *c, u64 *part)
{
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32, n_warps = blockDim.x / 32;
    float best = -CUDART_INF_F;
    int32_t at = INT32_MAX;
    u64 key;

    for (int32_t i = threadIdx.x; i < c->n; i += blockDim.x) {
        float x = c->logits[c->head_row[i]];

        if (x > best) {
            best = x;
            at = i;
        }
    }
    /* ordered like the float, then by falling index */
    key = __float_as_uint(best);
    key = key & 0x80000000u ? ~key & 0xffffffffu : key | 0x80000000u;
    key = key << 32 | (0xffffffffu - (uint32_t)at);
    for (int step = 16; step > 0; step /= 2) {
        u64 y = __shfl_xor_sync(0xffffffffu, key, step);

        if (y > key)
            key = y;
    }
    if (lane == 0)
        part[warp] = key;
    __syncthreads();
    key = part[0];
    for (int w = 1; w < n_warps; w++)
        if (part[w] > key)
            key = part[w];
    __syncthreads();
    return (int32_t)(0xffffffffu - (uint32_t)key);
}

/* Of all candidates those above `key`, and the first `ties` of those equal to it. */
struct threshold {
    uint32_t key; /* bits of a probability */
    int32_t ties;
};

/*
 * Narrow what `t` keeps down: to the likeliest candidates that make up `need`, counted each as 1
 * (by_mass 0) or as its weight. Finds the last one's probability eight bits at a time, from the
 * top: among the candidates that share the bits found so far a histogram tells the next eight.
 * All threads; `bins` is shared, [257].
 */
static __device__ struct threshold narrow(const struct choice *c, struct threshold t, int by_mass,
                                          u64 need, u64 *bins)
{
    struct threshold found = { 0, 0 };
    u64 one;

    for (int shift = 24; shift >= 0; shift -= 8) {
        for (int32_t b = threadIdx.x; b < 256; b += blockDim.x)
            bins[b] = 0;
        __syncthreads();
        for (int32_t i = threadIdx.x; i < c->n; i += blockDim.x) {
            float p = probability(c, i);
            uint32_t key = __float_as_uint(p);

            if (key > t.key && (shift == 24 || (key ^ found.key) >> (shift + 8) == 0))
                atomicAdd(&bins[key >> shift & 255], by_mass ? weight(p) : 1);
        }
        __syncthreads();
        if (threadIdx.x == 0) {
            int b = 255;

            if (t.ties && (shift == 24 || (t.key ^ found.key) >> (shift + 8) == 0))
                bins[t.key >> shift & 255] +=
                    (u64)t.ties * (by_mass ? weight(__uint_as_float(t.key)) : 1);
            while (b > 0 && bins[b] < need)
                need -= bins[b--];
            bins[256] = (u64)b;
            bins[0] = need;
        }
        __syncthreads();
        found.key |= (uint32_t)bins[256] << shift;
        need = bins[0];
        __syncthreads();
    }
    /* how many of the equal ones it takes */
    one = by_mass ? weight(__uint_as_float(found.key)) : 1;
    found.ties = one ? (int32_t)((need + one - 1) / one) : 0;
    if (found.ties < 1)
        found.ties = 1;
    if (found.key == t.key && found.ties > t.ties)
        found.ties = t.ties;
    return found;
}

/* Weight of candidate i, 0 if it is not kept; *rank: of those equal to the threshold before it. */
static __device__ u64 kept_weight(const struct choice *c, struct threshold t, float floor,
                                  int32_t i, int32_t *rank)
{
    float p = probability(c, i);
    uint32_t key = __float_as_uint(p);

    if (key < t.key || p < floor)
        return 0;
    if (key == t.key && (*rank)++ >= t.ties)
        return 0;
    return weight(p);
}

/* Draw by u; all threads get the choice. `shared`: [257 + 33 + 1]. */
static __device__ int32_t draw(struct choice *c, const cg_sampling *sampling, float u, u64 *shared)
{
    u64 *part = shared + 257, total, target, before, sum = 0;
    int32_t chunk = (c->n + (int32_t)blockDim.x - 1) / (int32_t)blockDim.x;
    int32_t begin = min((int32_t)threadIdx.x * chunk, c->n), end = min(begin + chunk, c->n);
    int32_t rank0 = 0, rank, last = -1;
    struct threshold t = { 0, INT32_MAX };

    if (sampling->top_k > 0 && sampling->top_k < c->n)
        t = narrow(c, (struct threshold) { 0, 0 }, 0, (u64)sampling->top_k, shared);
    if (sampling->top_p < 1) {
        rank = 0;
        if (t.ties != INT32_MAX) { /* ranks of the equal ones, as below */
            for (int32_t i = begin; i < end; i++)
                rank += __float_as_uint(probability(c, i)) == t.key;
            rank0 = (int32_t)scan((u64)rank, part, &total);
        }
        rank = rank0;
        for (int32_t i = begin; i < end; i++)
            sum += kept_weight(c, t, 0, i, &rank);
        scan(sum, part, &total);
        /* at least one unit, at most all */
        target = (u64)((double)sampling->top_p * (double)total);
        target = target < 1 ? 1 : target > total ? total : target;
        t = narrow(c, t.ties == INT32_MAX ? (struct threshold) { 0, 0 } : t, 1, target, shared);
        rank0 = 0;
    }
    if (t.ties != INT32_MAX) {
        rank = 0;
        for (int32_t i = begin; i < end; i++)
            rank += __float_as_uint(probability(c, i)) == t.key;
        rank0 = (int32_t)scan((u64)rank, part, &total);
    }
    sum = 0;
    rank = rank0;
    for (int32_t i = begin; i < end; i++)
        sum += kept_weight(c, t, sampling->min_p, i, &rank);
    before = scan(sum, part, &total);
    /* u is a multiple of 2^-24: floor(u * total) without rounding */
    target = (u64)(uint32_t)(u * 0x1p24f);
    target = (total >> 24) * target + ((total & 0xffffffu) * target >> 24);
    if (before <= target && target < before + sum) {
        rank = rank0;
        for (int32_t i = begin; i < end && last < 0; i++) {
            before += kept_weight(c, t, sampling->min_p, i, &rank);
            if (before > target)
                last = i;
        }
        shared[0] = (u64)last;
    }
    __syncthreads();
    return (int32_t)shared[0];
}

/* Tell the host of a sequence that has ended; all threads, which see its place as it is. */
static __device__ void tell_end(const cg_step_state *s, int32_t place)
{
    const cg_slot_state *p = &s->slots[place];
    int64_t base = (int64_t)place * s->max_len;

    for (int32_t i = p->n_prompt + (int32_t)threadIdx.x; i < p->seq.n_tokens; i += blockDim.x)
        s->ended[base + i - p->n_prompt] = s->tokens[base + i];
    if (threadIdx.x == 0) {
        cg_slot_event event = { p->seq.done, p->seq.n_tokens - p->n_prompt, p->seq.n_sampled };

        event.repair = p->repair;
        s->events[place] = event;
    }
}

/* One block a row of logits. Dynamic shared memory: `cap` probabilities. */
static __global__ void sample_kernel(cg_step_state s, const float *logits, int64_t stride,
                                     cg_automaton aut, cg_sampling sampling, int32_t cap)
{
    extern __shared__ float kept[];
    __shared__ u64 shared[257 + 33 + 1];
    __shared__ int bad;
    u64 *part = shared + 257;
    struct choice c;
    cg_slot_state *p;
    int32_t place, first, chosen;

    if ((int32_t)blockIdx.x >= *s.n_out)
        return;
    place = s.out_slot[blockIdx.x];
    p = &s.slots[place];
    first = aut.row[p->seq.state];
    c.logits = logits + (int64_t)blockIdx.x * stride;
    c.head_row = aut.head_row + first;
    c.n = aut.row[p->seq.state + 1] - first;
    c.kept = NULL;
    if (threadIdx.x == 0)
        bad = 0;
    __syncthreads();
    for (int32_t i = threadIdx.x; i < c.n; i += blockDim.x)
        if (!isfinite(c.logits[c.head_row[i]]))
            bad = 1;
    chosen = argmax(&c, part); /* its barriers publish `bad` */
    if (bad) {
        if (threadIdx.x == 0) {
            *s.failure = FAILURE_NOT_FINITE;
            p->seq.done = CG_SEQUENCE_UNFINISHED;
        }
        return;
    }
    if (!sampling.greedy) {
        float u = cg_rng_uniform(&p->key, (uint32_t)(p->seq.n_tokens - p->n_prompt),
                                 (uint32_t)p->seq.attempt);

        c.max = c.logits[c.head_row[chosen]];
        c.scale = 1.44269504088896341f / sampling.temperature;
        if (c.n <= cap) {
            for (int32_t i = threadIdx.x; i < c.n; i += blockDim.x)
                kept[i] = probability(&c, i);
            c.kept = kept;
            __syncthreads();
        }
        chosen = draw(&c, &sampling, u, shared);
    }
    if (threadIdx.x == 0) {
        cg_sequence seq = p->seq;

        if (p->geometry.n_atoms) {
            p->progress.stage = CG_REPAIR_TEST;
            p->progress.before = seq.field;
        }
        cg_sequence_advance(&seq, &p->program, &aut, first + chosen,
                            s.tokens + (int64_t)place * s.max_len,
                            s.marks + (int64_t)place * s.max_len);
        p->seq = seq;
    }
    __syncthreads();
    if (p->seq.done && !p->geometry.n_atoms)
        tell_end(&s, place);
}

/*
 * Look at the atoms that sequences have completed, and mend them. One block a slot, apart from the
 * sampling: it needs more registers than the largest of those blocks has.
 */
static __global__ void __launch_bounds__(LOOK_THREADS)
    look_kernel(cg_step_state s, cg_automaton aut)
{
    __shared__ struct look look;
    int32_t place = blockIdx.x;
    struct slot slot = slot_of(&s, &aut, place);

    if (slot.p->kind != CG_SLOT_SEQUENCE || slot.p->progress.stage == CG_REPAIR_IDLE)
        return;
    if (threadIdx.x == 0) {
        look.seq = slot.p->seq;
        look.progress = slot.p->progress;
    }
    __syncthreads();
    look_at_slot(&slot, &look, work_of_step(s.n_slots, *s.n_out));
    if (threadIdx.x == 0) {
        slot.p->seq = look.seq;
        slot.p->progress = look.progress;
    }
    __syncthreads();
    if (look.seq.done && look.progress.stage == CG_REPAIR_IDLE)
        tell_end(&s, place);
}

extern "C" cg_status cg_step_sample(const cg_step_state *state, const float *logits, int64_t stride,
                                    const cg_automaton *automaton, const cg_sampling *sampling,
                                    int32_t n_head_rows, cudaStream_t stream, cg_error *err)
{
    enum { CAP = 4096 };
    int threads = n_head_rows > 8192 ? 1024 : 256;
    int32_t cap = n_head_rows < CAP ? n_head_rows : CAP;

    sample_kernel<<<state->n_slots, threads, (size_t)cap * sizeof(float), stream>>>(
        *state, logits, stride, *automaton, *sampling, cap);
    if (state->geometry)
        look_kernel<<<state->n_slots, LOOK_THREADS, 0, stream>>>(*state, *automaton);
    return CG_CUDA(cudaGetLastError(), err);
}

/* ---- slots ------------------------------------------------------------------------------- */

static __global__ void begin_prefix_kernel(cg_step_state s, int32_t place, const int32_t *tokens,
                                           int32_t n)
{
    for (int32_t i = threadIdx.x; i < n; i += blockDim.x)
        s.tokens[(int64_t)place * s.max_len + i] = tokens[i];
    if (threadIdx.x == 0) {
        cg_slot_state p = { 0 };

        p.seq.n_tokens = n;
        p.seq.limit = s.max_len;
        p.kind = CG_SLOT_PROMPT;
        p.n_prompt = n;
        s.slots[place] = p;
    }
}

extern "C" cg_status cg_step_begin_prompt(const cg_step_state *state, int32_t place,
                                          const int32_t *tokens, int32_t n, cudaStream_t stream,
                                          cg_error *err)
{
    begin_prefix_kernel<<<1, 256, 0, stream>>>(*state, place, tokens, n);
    return CG_CUDA(cudaGetLastError(), err);
}

static __global__ void admit_kernel(cg_step_state s, cg_automaton aut, int32_t place,
                                    int32_t prefix, cg_rng_key key, cg_program program,
                                    cg_geometry geometry)
{
    int32_t n_prompt = s.slots[prefix].seq.n_tokens;
    int32_t *tokens = s.tokens + (int64_t)place * s.max_len;

    for (int32_t i = threadIdx.x; i < n_prompt; i += blockDim.x)
        tokens[i] = s.tokens[(int64_t)prefix * s.max_len + i];
    __syncthreads();
    if (threadIdx.x == 0) {
        cg_slot_state p = { 0 };
        int64_t limit = (int64_t)n_prompt + program.max_tokens;

        p.key = key;
        p.kind = CG_SLOT_SEQUENCE;
        p.n_prompt = n_prompt;
        p.program = program;
        if (s.geometry)
            p.geometry = geometry;
        p.seq.n_tokens = n_prompt;
        p.seq.limit = limit < s.max_len ? (int32_t)limit : s.max_len;
        cg_sequence_begin(&p.seq, &program, &aut, tokens, s.marks + (int64_t)place * s.max_len);
        /* At least one token must be evaluated to give the first logits. */
        p.seq.n_kv = n_prompt < p.seq.n_tokens ? n_prompt : p.seq.n_tokens - 1;
        s.slots[place] = p;
    }
    __syncthreads();
    if (s.slots[place].seq.done)
        tell_end(&s, place);
}

extern "C" cg_status cg_step_admit(const cg_step_state *state, const cg_automaton *automaton,
                                   int32_t place, int32_t prefix, const cg_rng_key *key,
                                   const cg_program *program, const cg_geometry *geometry,
                                   cudaStream_t stream, cg_error *err)
{
    admit_kernel<<<1, 128, 0, stream>>>(*state, *automaton, place, prefix, *key, *program,
                                        *geometry);
    return CG_CUDA(cudaGetLastError(), err);
}

static __global__ void release_kernel(cg_step_state s, int32_t place)
{
    s.slots[place].kind = CG_SLOT_FREE;
}

extern "C" cg_status cg_step_release(const cg_step_state *state, int32_t place, cudaStream_t stream,
                                     cg_error *err)
{
    release_kernel<<<1, 1, 0, stream>>>(*state, place);
    return CG_CUDA(cudaGetLastError(), err);
}

static __global__ void roll_back_kernel(cg_step_state s, cg_automaton aut, int32_t place,
                                        int32_t atom)
{
    cg_slot_state *p = &s.slots[place];

    p->progress.stage = CG_REPAIR_IDLE;
    cg_sequence_roll_back(&p->seq, &p->program, &aut, atom, s.marks + (int64_t)place * s.max_len);
}

extern "C" cg_status cg_step_roll_back(const cg_step_state *state, const cg_automaton *automaton,
                                       int32_t place, int32_t atom, cudaStream_t stream,
                                       cg_error *err)
{
    roll_back_kernel<<<1, 1, 0, stream>>>(*state, *automaton, place, atom);
    return CG_CUDA(cudaGetLastError(), err);
}
