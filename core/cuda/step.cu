/* SPDX-License-Identifier: MIT */
#include "step.h"

#include <confgen/attention.h>

/* Functions of the automaton and of geometry repair, compiled for the device. */
#include "format/number_format.c"
#include "sequence/coordinate.c"
#include "sequence/automaton.c"
#include "sequence/atom_tests.c"
#include "sequence/relaxation.c"
#include "sequence/number_path.c"

#include "block.cuh"
#include "repair.cuh"
#include "sampler.cuh"

enum {
    GATHER_THREADS = 1024,
    GATHER_SLOTS = 8, /* that a thread reads at a time */
    FILL_THREADS = 128,
    TEST_THREADS = 256,
    REPAIR_THREADS = 256,
    MAX_REPAIR_BLOCKS = 1024,
    FAILURE_NOT_FINITE = 1,
};

/* ---- gather ------------------------------------------------------------------------------- */

/* Adds x of all threads of the warp to a sum in shared memory, with one atomic instead of 32. */
static __device__ void add_to(u64 *sum, u64 x)
{
    for (int step = 16; step > 0; step /= 2)
        x += __shfl_xor_sync(0xffffffffu, x, step);
    if (threadIdx.x % 32 == 0 && x)
        atomicAdd(sum, x);
}

/* Fills the rows of a batch whose sequences are set, and the padding behind them; a row per thread.
 */
static __global__ void __launch_bounds__(FILL_THREADS)
    fill_rows_kernel(const cg_step_batch b, const int32_t *tokens, int32_t max_len)
{
    int32_t t = (int32_t)(blockIdx.x * blockDim.x + threadIdx.x);
    int32_t token = -1, pos = 0, slot = -1;

    if (t >= b.rows)
        return;
    if (t < b.q_start[b.max_seqs]) {
        int32_t i = cg_attention_sequence_of_token(b.q_start, b.max_seqs, t);

        slot = b.seq_slot[i];
        pos = b.kv_len[i] - b.q_start[i + 1] + t;
        token = tokens[(int64_t)slot * max_len + pos];
    }
    b.token[t] = token;
    b.pos[t] = pos;
    b.slot[t] = slot;
}

static void fill_rows(const cg_step_state *state, const cg_step_batch *batch, cudaStream_t stream)
{
    unsigned blocks = (unsigned)((batch->rows + FILL_THREADS - 1) / FILL_THREADS);

    fill_rows_kernel<<<blocks, FILL_THREADS, 0, stream>>>(*batch, state->tokens, state->max_len);
}

/* What gather keeps of a slot that it has read. */
struct gathered_slot {
    int32_t n_kv;    /* tokens in the cache; -stage if the slot has geometry work */
    int32_t pending; /* tokens to be computed */
};

/*
 * Prompts come first, since sequences wait for them; then the sequence slots in turn, from
 * first_slot on. That order defines a slot's rank.
 */
static __device__ __forceinline__ int32_t slot_of_rank(const cg_step_state *s, int32_t first_slot,
                                                       int32_t rank)
{
    int32_t turn = rank - (s->batch.max_seqs - s->n_slots), slot = first_slot + turn;

    slot = slot < s->n_slots ? slot : slot - s->n_slots;
    return turn < 0 ? s->n_slots + rank : slot;
}

/* Is a member of cg_slot_state in the sector, 32 bytes of memory, that has the stage? */
static constexpr bool is_beside_stage(size_t offset)
{
    return offset / 32 == offsetof(cg_slot_state, progress.stage) / 32;
}

static_assert(is_beside_stage(offsetof(cg_slot_state, kind)) &&
                  is_beside_stage(offsetof(cg_slot_state, seq.n_tokens)) &&
                  is_beside_stage(offsetof(cg_slot_state, seq.n_kv)) &&
                  is_beside_stage(offsetof(cg_slot_state, seq.done)),
              "read_slots() reads one sector of a slot");

/*
 * Reads the n slots from a rank on, and slot 0 as one without pending tokens in the place of
 * others: without branches, all loads are in flight at a time. Returns the pending tokens.
 */
static __device__ __forceinline__ u64 read_slots(const cg_step_state *s, int32_t first_slot,
                                                 int32_t rank, int32_t n, struct gathered_slot *g)
{
    u64 pending = 0;

    for (int32_t k = 0; k < GATHER_SLOTS; k++) {
        const cg_slot_state *p = &s->slots[k < n ? slot_of_rank(s, first_slot, rank + k) : 0];
        int32_t stage = p->progress.stage, kind = p->kind, done = p->seq.done;
        int32_t n_kv = p->seq.n_kv, n_pending = p->seq.n_tokens - n_kv;
        int is_idle = (k >= n) | (kind == CG_SLOT_FREE) | (done != 0) | (stage != CG_REPAIR_IDLE);
        int has_work = (k < n) & (kind == CG_SLOT_SEQUENCE) & (stage != CG_REPAIR_IDLE);

        g[k].n_kv = has_work ? -stage : n_kv;
        g[k].pending = is_idle ? 0 : n_pending;
        pending += (u64)g[k].pending;
    }
    return pending;
}

/* Lists a slot that has geometry work; the counters are in shared memory. */
static __device__ __forceinline__ void
list_slot(const cg_step_state *s, int32_t slot, int32_t stage, int32_t *n_tests, int32_t *n_repairs)
{
    if (stage == CG_REPAIR_TEST)
        s->tests[atomicAdd(n_tests, 1)] = slot;
    else
        s->repairs[atomicAdd(n_repairs, 1)] = slot;
}

/* `take` rows are all that the slot's pending tokens need. */
static __device__ __forceinline__ int is_complete(const struct gathered_slot *g, int32_t take)
{
    return take && take == g->pending;
}

/* low half: sequences of the batch; high half: those whose logits are computed */
static __device__ __forceinline__ u64 places(const struct gathered_slot *g, int32_t take,
                                             int is_prompt)
{
    return (u64)(is_complete(g, take) && !is_prompt) << 32 | (take != 0);
}

/* Writes `take` rows of a slot as sequence `seq` of the batch, from `row` on, and its place `out`
 * of those with logits. */
static __device__ __forceinline__ void write_sequence(const cg_step_state *s, int32_t slot,
                                                      const struct gathered_slot *g, int32_t take,
                                                      int32_t row, int32_t seq, int32_t out)
{
    s->batch.seq_slot[seq] = slot;
    s->batch.kv_len[seq] = g->n_kv + take;
    s->batch.q_start[seq] = row;
    s->slots[slot].seq.n_kv = g->n_kv + take;
    if (!is_complete(g, take))
        return;
    if (slot < s->n_slots) {
        s->out_row[out] = row + take - 1;
        s->out_slot[out] = slot;
    } else {
        s->events[slot].done = 1;
    }
}

/* One block. A thread has up to GATHER_SLOTS consecutive ranks at a time. */
static __global__ void __launch_bounds__(GATHER_THREADS) gather_kernel(cg_step_state s)
{
    __shared__ u64 part[2][32];
    __shared__ int32_t first_waiting; /* least rank, among sequence slots, that got no rows */
    __shared__ u64 attended, prompt_rows;
    __shared__ int32_t n_tests, n_repairs;
    const int32_t first_slot = *s.first_slot, n_prompt_slots = s.batch.max_seqs - s.n_slots;
    cg_step_counters c = *s.counters;
    int32_t rows = 0, seqs = 0, outs = 0; /* the same in all threads */
    u64 n_attended = 0, n_prompt_rows = 0;

    if (threadIdx.x == 0) {
        first_waiting = INT32_MAX;
        attended = prompt_rows = 0;
        n_tests = n_repairs = 0;
    }
    for (int32_t base = 0; base < s.batch.max_seqs; base += GATHER_THREADS * GATHER_SLOTS) {
        struct gathered_slot g[GATHER_SLOTS];
        int32_t left = s.batch.max_seqs - base, room = s.batch.rows - rows;
        int32_t n = min((left + GATHER_THREADS - 1) / GATHER_THREADS, GATHER_SLOTS);
        int32_t rank = base + (int32_t)threadIdx.x * n, waiting = INT32_MAX;
        int32_t before, used; /* rows of `room` that lesser ranks take */
        const int32_t first_row = rows;
        u64 total, flags = 0, pending;

        pending = scan(read_slots(&s, first_slot, rank, min(n, s.batch.max_seqs - rank), g),
                       part[0], &total);
        used = before = pending < (u64)room ? (int32_t)pending : room;
        for (int32_t k = 0; k < GATHER_SLOTS; k++) {
            int32_t take = min(g[k].pending, room - used);

            used += take;
            if (g[k].n_kv < 0)
                list_slot(&s, slot_of_rank(&s, first_slot, rank + k), -g[k].n_kv, &n_tests,
                          &n_repairs);
            if (g[k].pending && !take && rank + k >= n_prompt_slots)
                waiting = min(waiting, rank + k - n_prompt_slots);
            flags += places(&g[k], take, rank + k < n_prompt_slots);
        }
        if (waiting != INT32_MAX)
            atomicMin(&first_waiting, waiting);
        used = before;
        rows += total < (u64)room ? (int32_t)total : room;
        flags = scan(flags, part[1], &total);
        for (int32_t k = 0; k < GATHER_SLOTS; k++) {
            int32_t take = min(g[k].pending, room - used);
            int is_prompt = rank + k < n_prompt_slots;

            if (take)
                write_sequence(&s, slot_of_rank(&s, first_slot, rank + k), &g[k], take,
                               first_row + used, seqs + (int32_t)(flags & 0xffffffffu),
                               outs + (int32_t)(flags >> 32));
            used += take;
            flags += places(&g[k], take, is_prompt);
            if (is_prompt)
                n_prompt_rows += (u64)take;
            else if (take)
                n_attended += (u64)(g[k].n_kv + take);
        }
        seqs += (int32_t)(total & 0xffffffffu);
        outs += (int32_t)(total >> 32);
    }
    add_to(&attended, n_attended);
    add_to(&prompt_rows, n_prompt_rows);
    for (int32_t i = seqs + (int32_t)threadIdx.x; i <= s.batch.max_seqs; i += GATHER_THREADS)
        s.batch.q_start[i] = rows;
    __syncthreads(); /* of the sums */
    if (threadIdx.x == 0) {
        if (first_waiting != INT32_MAX)
            *s.first_slot = (first_slot + first_waiting) % s.n_slots;
        *s.n_out = outs;
        if (s.geometry) {
            *s.n_tests = n_tests;
            *s.n_repairs = n_repairs;
        }
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
    fill_rows(state, &state->batch, stream);
    return CG_CUDA(cudaGetLastError(), err);
}

/* One thread takes the rows of the prompt slots, of which there are few. */
static __global__ void gather_prompts_kernel(cg_step_state s, cg_step_batch b)
{
    int32_t rows = 0, seqs = 0;

    for (int32_t i = 0; i < b.max_seqs && rows < b.rows; i++) {
        cg_slot_state *p = &s.slots[s.n_slots + i];
        int32_t pending = p->kind == CG_SLOT_PROMPT ? p->seq.n_tokens - p->seq.n_kv : 0;
        int32_t room = b.rows - rows, take = pending < room ? pending : room;

        if (!take)
            continue;
        p->seq.n_kv += take;
        b.seq_slot[seqs] = s.n_slots + i;
        b.kv_len[seqs] = p->seq.n_kv;
        b.q_start[seqs++] = rows;
        rows += take;
    }
    for (int32_t i = seqs; i <= b.max_seqs; i++)
        b.q_start[i] = rows;
    s.counters->prompt_tokens += rows;
}

extern "C" cg_status cg_step_gather_prompts(const cg_step_state *state,
                                            const cg_step_batch *prompts, cudaStream_t stream,
                                            cg_error *err)
{
    gather_prompts_kernel<<<1, 1, 0, stream>>>(*state, *prompts);
    fill_rows(state, prompts, stream);
    return CG_CUDA(cudaGetLastError(), err);
}

/* ---- sample ------------------------------------------------------------------------------- */

/* Writes the completion and the event of a finished sequence to host memory; threads 0 to
 * n_threads - 1. */
static __device__ void publish_completion(const cg_step_state *s, int32_t slot,
                                          const cg_slot_state *p, int32_t thread, int32_t n_threads)
{
    int64_t base = (int64_t)slot * s->max_len;

    for (int32_t i = p->n_prompt + thread; i < p->seq.n_tokens; i += n_threads)
        s->completions[base + i - p->n_prompt] = s->tokens[base + i];
    if (thread == 0) {
        cg_slot_event event = { p->seq.done, p->seq.n_tokens - p->n_prompt, p->seq.n_sampled,
                                p->seq.is_mirrored };

        event.repair = p->repair;
        s->events[slot] = event;
    }
}

/* Appends the token of transition t and the forced tokens after it. Lists the slot if they complete
 * atoms to test. One thread. */
static __device__ void advance_slot(const cg_step_state *s, const cg_automaton *aut, int32_t slot,
                                    int32_t t, cg_slot_state *p)
{
    cg_sequence seq = p->seq;
    int32_t from_field = seq.field, per_atom = p->program.fields_per_atom;

    cg_sequence_advance(&seq, &p->program, aut, t, s->tokens + (int64_t)slot * s->max_len,
                        s->marks + (int64_t)slot * s->max_len);
    if (p->geometry.n_atoms && (seq.done || seq.field / per_atom > from_field / per_atom)) {
        s->slots[slot].progress.stage = CG_REPAIR_TEST;
        s->slots[slot].progress.from_field = from_field;
        s->tests[atomicAdd(s->n_tests, 1)] = slot;
    }
    s->slots[slot].seq = p->seq = seq;
}

/*
 * One block per row of logits. Dynamic shared memory: `cap` logits. A multiprocessor holds BLOCKS
 * at a time, since a block waits for memory and barriers most of its time.
 */
template <int THREADS, int BLOCKS>
static __global__ void __launch_bounds__(THREADS, BLOCKS)
    sample_kernel(cg_step_state s, const float *logits, int64_t stride, cg_automaton aut,
                  cg_sampling sampling, int32_t cap)
{
    static_assert(sizeof(cg_slot_state) % sizeof(int32_t) == 0, "copied by words");
    extern __shared__ float cached[];
    __shared__ struct sampler_shared shared;
    __shared__ cg_slot_state state;
    struct candidates c;
    const cg_slot_state *p;
    int32_t slot = s.out_slot[blockIdx.x], first, sampled;

    if ((int32_t)blockIdx.x >= *s.n_out)
        return;
    p = &s.slots[slot];
    first = aut.row[p->seq.state];
    c.logits = logits + (int64_t)blockIdx.x * stride;
    c.head_row = aut.head_row + first;
    c.n = aut.row[p->seq.state + 1] - first;
    c.cached = c.n <= cap ? cached : NULL;
    c.p = NULL;
    c.least = 0;
    c.scale = 1.44269504088896341f / (float)sampling.temperature;
    for (int32_t i = threadIdx.x; i < (int32_t)(sizeof state / sizeof(int32_t)); i += THREADS)
        ((int32_t *)&state)[i] = ((const int32_t *)p)[i];
    sampled = read_logits(&c, &shared); /* its barrier publishes `state` */
    if (sampled < 0) {
        if (threadIdx.x == 0) {
            *s.failure = FAILURE_NOT_FINITE;
            s.slots[slot].seq.done = CG_SEQUENCE_UNFINISHED;
        }
        return;
    }
    if (sampling.greedy) {
        sampled = threadIdx.x ? -1 : sampled;
    } else {
        if (threadIdx.x == THREADS - 1) /* of the warp with the fewest candidates */
            shared.u = cg_rng_uniform(&state.key, (uint32_t)(state.seq.n_tokens - state.n_prompt),
                                      (uint32_t)state.seq.attempt);
        sampled = sample_candidate(&c, &sampling, &shared);
    }
    if (sampled >= 0)
        advance_slot(&s, &aut, slot, first + sampled, &state);
    __syncthreads();
    if (state.seq.done && !state.geometry.n_atoms)
        publish_completion(&s, slot, &state, (int32_t)threadIdx.x, (int32_t)blockDim.x);
}

/* Publishes the completion of a slot that is finished and without geometry work. */
static __device__ void publish_tested(const cg_step_state *s, int32_t slot, int32_t thread,
                                      int32_t n_threads)
{
    const cg_slot_state *p = &s->slots[slot];

    if (p->seq.done && p->progress.stage == CG_REPAIR_IDLE)
        publish_completion(s, slot, p, thread, n_threads);
}

/*
 * Tests the atoms of the listed slots; a warp per slot. Separate from sampling because it needs
 * more registers than the largest block of that kernel leaves.
 */
static __global__ void __launch_bounds__(TEST_THREADS)
    test_kernel(cg_step_state s, cg_automaton aut)
{
    int32_t i = (int32_t)(blockIdx.x * (TEST_THREADS / 32) + threadIdx.x / 32);

    if (i < *s.n_tests) {
        test_listed(&s, &aut, s.tests[i]);
        publish_tested(&s, s.tests[i], (int32_t)threadIdx.x % 32, 32);
    }
}

/* Continues the repairs of the listed slots, which are few; a block per slot at a time. A
 * multiprocessor holds three blocks: a fourth would not leave enough registers. */
static __global__ void __launch_bounds__(REPAIR_THREADS, 3)
    repair_kernel(cg_step_state s, cg_automaton aut)
{
    __shared__ struct repair_shared shared;

    for (int32_t i = (int32_t)blockIdx.x; i < *s.n_repairs; i += (int32_t)gridDim.x) {
        repair_listed(&s, &aut, &shared, s.repairs[i]);
        publish_tested(&s, s.repairs[i], (int32_t)threadIdx.x, REPAIR_THREADS);
    }
}

extern "C" cg_status cg_step_repair(const cg_step_state *state, const cg_automaton *automaton,
                                    cudaStream_t stream, cg_error *err)
{
    int32_t n = state->n_slots < MAX_REPAIR_BLOCKS ? state->n_slots : MAX_REPAIR_BLOCKS;

    repair_kernel<<<n, REPAIR_THREADS, 0, stream>>>(*state, *automaton);
    return CG_CUDA(cudaGetLastError(), err);
}

extern "C" cg_status cg_step_sample(const cg_step_state *state, const float *logits, int64_t stride,
                                    const cg_automaton *automaton, const cg_sampling *sampling,
                                    int32_t n_head_rows, cudaStream_t stream, cg_error *err)
{
    enum { CAP = 4096, TESTS = TEST_THREADS / 32 /* of a block */ };
    int32_t test_blocks = (state->n_slots + TESTS - 1) / TESTS;
    int32_t cap = n_head_rows < CAP ? n_head_rows : CAP;
    size_t bytes = (size_t)cap * sizeof(float);

    if (n_head_rows > 8192)
        sample_kernel<1024, 1><<<state->n_slots, 1024, bytes, stream>>>(*state, logits, stride,
                                                                        *automaton, *sampling, cap);
    else
        sample_kernel<128, 12><<<state->n_slots, 128, bytes, stream>>>(*state, logits, stride,
                                                                       *automaton, *sampling, cap);
    if (state->geometry)
        test_kernel<<<test_blocks, TEST_THREADS, 0, stream>>>(*state, *automaton);
    return CG_CUDA(cudaGetLastError(), err);
}

/* ---- slots ------------------------------------------------------------------------------- */

static __global__ void begin_prompt_kernel(cg_step_state s, int32_t kv_slot, const int32_t *tokens,
                                           int32_t n)
{
    for (int32_t i = threadIdx.x; i < n; i += blockDim.x)
        s.tokens[(int64_t)kv_slot * s.max_len + i] = tokens[i];
    if (threadIdx.x == 0) {
        cg_slot_state p = { 0 };

        p.seq.n_tokens = n;
        p.seq.limit = s.max_len;
        p.kind = CG_SLOT_PROMPT;
        p.n_prompt = n;
        s.slots[kv_slot] = p;
    }
}

extern "C" cg_status cg_step_begin_prompt(const cg_step_state *state, int32_t kv_slot,
                                          const int32_t *tokens, int32_t n, cudaStream_t stream,
                                          cg_error *err)
{
    begin_prompt_kernel<<<1, 256, 0, stream>>>(*state, kv_slot, tokens, n);
    return CG_CUDA(cudaGetLastError(), err);
}

/* Block i starts the sequence of admission i. */
static __global__ void admit_kernel(cg_step_state s, cg_automaton aut,
                                    const cg_admission *admissions)
{
    static_assert(sizeof(cg_admission) % sizeof(int32_t) == 0, "copied by words");
    __shared__ cg_admission a; /* one copy over the bus */

    for (int32_t i = threadIdx.x; i < (int32_t)(sizeof a / sizeof(int32_t)); i += blockDim.x)
        ((int32_t *)&a)[i] = ((const int32_t *)&admissions[blockIdx.x])[i];
    __syncthreads();

    int32_t n_prompt = s.slots[a.prompt_slot].seq.n_tokens;
    int32_t *tokens = s.tokens + (int64_t)a.slot * s.max_len;

    for (int32_t i = threadIdx.x; i < n_prompt; i += blockDim.x)
        tokens[i] = s.tokens[(int64_t)a.prompt_slot * s.max_len + i];
    __syncthreads();
    if (threadIdx.x == 0) {
        cg_slot_state p = { 0 };
        int64_t limit = (int64_t)n_prompt + a.program.max_tokens;

        p.key = a.key;
        p.kind = CG_SLOT_SEQUENCE;
        p.n_prompt = n_prompt;
        p.program = a.program;
        if (s.geometry)
            p.geometry = a.geometry;
        p.seq.n_tokens = n_prompt;
        p.seq.limit = limit < s.max_len ? (int32_t)limit : s.max_len;
        cg_sequence_begin(&p.seq, &a.program, &aut, tokens, s.marks + (int64_t)a.slot * s.max_len);
        /* at least one token must be evaluated for the first logits */
        p.seq.n_kv = n_prompt < p.seq.n_tokens ? n_prompt : p.seq.n_tokens - 1;
        s.slots[a.slot] = p;
    }
    __syncthreads();
    if (s.slots[a.slot].seq.done)
        publish_completion(&s, a.slot, &s.slots[a.slot], (int32_t)threadIdx.x, (int32_t)blockDim.x);
}

extern "C" cg_status cg_step_admit(const cg_step_state *state, const cg_automaton *automaton,
                                   const cg_admission *admissions, int32_t n, cudaStream_t stream,
                                   cg_error *err)
{
    if (n < 1)
        return CG_OK;
    admit_kernel<<<n, 128, 0, stream>>>(*state, *automaton, admissions);
    return CG_CUDA(cudaGetLastError(), err);
}

static __global__ void release_kernel(cg_step_state s, int32_t kv_slot)
{
    s.slots[kv_slot].kind = CG_SLOT_FREE;
}

extern "C" cg_status cg_step_release(const cg_step_state *state, int32_t kv_slot,
                                     cudaStream_t stream, cg_error *err)
{
    release_kernel<<<1, 1, 0, stream>>>(*state, kv_slot);
    return CG_CUDA(cudaGetLastError(), err);
}

static __global__ void roll_back_kernel(cg_step_state s, cg_automaton aut, int32_t slot,
                                        int32_t atom)
{
    cg_slot_state *p = &s.slots[slot];

    p->progress.stage = CG_REPAIR_IDLE;
    cg_sequence_roll_back(&p->seq, &p->program, &aut, atom, s.marks + (int64_t)slot * s.max_len);
}

extern "C" cg_status cg_step_roll_back(const cg_step_state *state, const cg_automaton *automaton,
                                       int32_t slot, int32_t atom, cudaStream_t stream,
                                       cg_error *err)
{
    roll_back_kernel<<<1, 1, 0, stream>>>(*state, *automaton, slot, atom);
    return CG_CUDA(cudaGetLastError(), err);
}
