/* SPDX-License-Identifier: MIT */
#include "emulator.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../coroutine.h"

enum {
    WARP = 32,
    MAX_THREADS = 1024,
    MAX_WARPS = MAX_THREADS / WARP,
    STACK = 256 << 10, /* address space: pages are used when touched */
    GUARD = 4096,      /* inaccessible, below each stack */
    STAGGER = 320,     /* between the tops of stacks, for a processor's cache */
    NAMED_BARRIERS = 16,
};

enum state { READY, AT_BARRIER, AT_SHUFFLE, AT_BALLOT, AT_PHASE, AT_NAMED, RETURNED };

/* One line of a processor's cache: a kernel switches threads at every shuffle. */
typedef struct thread {
    coroutine coroutine;
    uint3 index;
    enum state state;
    emulated_place place; /* at which it waits */
    union {
        uint64_t value;              /* given to an operation of the warp */
        const emulated_phase *phase; /* whose phase of `parity` it waits for */
    };
    uint64_t result;
    union {
        uint32_t mask; /* of an operation of the warp */
        uint32_t parity;
        uint32_t id; /* of the named barrier that it waits at */
    };
    uint32_t from; /* lane that a shuffle reads */
} thread;

_Static_assert(sizeof(thread) == 64, "one line of a processor's cache");

uint64_t emulator_seed = 1;

__attribute__((constructor)) static void read_seed(void)
{
    const char *text = getenv("EMULATED_GPU_SEED");

    if (text)
        emulator_seed = strtoull(text, NULL, 0);
}

uint64_t emulated_block_number;
uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

/* The running block. */
static struct {
    const emulated_grid *grid;
    void (*body)(const void *arg);
    const void *arg;
    char *stacks;
    char *dynamic_shared;
    coroutine caller; /* of emulator_run() */
    _Alignas(sizeof(thread)) thread threads[MAX_THREADS];
    uint32_t n_threads, n_warps;
    uint32_t n_ready;          /* threads */
    uint32_t ready[MAX_WARPS]; /* lanes */
    uint64_t random;
    int has_waited; /* for earlier kernels, a thread of the block */
    struct {
        uint32_t arrived, n;
        int value;
    } named[NAMED_BARRIERS];
    uint32_t self;             /* the running thread */
    uint32_t warp, step, lane; /* of the turn */
} block;

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

static uint32_t random_word(void)
{
    uint64_t x = block.random;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    block.random = x;
    return (uint32_t)(x >> 32);
}

static void run_thread(void);

/* Thread i begins in run_thread() when it is switched to. */
static void start_thread(uint32_t i, uint3 index)
{
    thread *t = &block.threads[i];

    coroutine_create(&t->coroutine, block.stacks + (size_t)i * (STACK + GUARD) + GUARD,
                     STACK - (size_t)(i % WARP) * STAGGER, run_thread);
    t->index = index;
}

/* ---- faults -------------------------------------------------------------------------------- */

static const char *place_text(const thread *t, char text[200])
{
    static const char *const what[] = { "has not run",          "waits at the barrier",
                                        "waits at the shuffle", "waits at the vote",
                                        "waits for the phase",  "waits at the named barrier" };

    if (t->state == RETURNED)
        snprintf(text, 200, "has returned");
    else
        snprintf(text, 200, "%s of %s:%d", what[t->state], t->place.file, t->place.line);
    return text;
}

/* Ends the process: what thread i waits for does not happen, because of thread j. */
static _Noreturn void fail(const char *fault, uint32_t i, uint32_t j)
{
    const thread *a = &block.threads[i], *b = &block.threads[j];
    char at_a[200], at_b[200];

    fprintf(stderr,
            "%s: kernel launched at %s:%d, block (%u, %u, %u): thread %u (lane %u) %s, thread %u "
            "(lane %u) %s\n",
            fault, block.grid->launched.file, block.grid->launched.line, blockIdx.x, blockIdx.y,
            blockIdx.z, i, i % WARP, place_text(a, at_a), j, j % WARP, place_text(b, at_b));
    abort();
}

/* ---- turns --------------------------------------------------------------------------------- */

static void make_ready(uint32_t i)
{
    block.threads[i].state = READY;
    block.ready[i / WARP] |= 1u << i % WARP;
    block.n_ready++;
}

static int same_place(const thread *a, const thread *b)
{
    return a->state == b->state && a->place.line == b->place.line &&
           (a->place.file == b->place.file || !strcmp(a->place.file, b->place.file));
}

/* Continues the lanes of thread i's operation, if all of its mask that have not returned wait at
 * it. */
static void resolve(uint32_t i)
{
    uint32_t first = i / WARP * WARP, mask = block.threads[i].mask, ballot = 0;
    thread *t = &block.threads[i], *lanes = &block.threads[first];

    for (uint32_t k = 0; k < WARP; k++)
        if (mask >> k & 1 && first + k < block.n_threads && lanes[k].state != RETURNED) {
            if (!same_place(t, &lanes[k]) || lanes[k].mask != mask)
                return;
            ballot |= (uint32_t)(lanes[k].value != 0) << k;
        }
    for (uint32_t k = 0; k < WARP; k++)
        if (mask >> k & 1 && first + k < block.n_threads && lanes[k].state != RETURNED) {
            uint32_t from = lanes[k].from;

            if (lanes[k].state == AT_BALLOT) {
                lanes[k].result = ballot;
                continue;
            }
            if (first + from >= block.n_threads || lanes[from].state == RETURNED ||
                !(mask >> from & 1))
                fail("a shuffle reads a thread that does not take part", first + k, first + from);
            lanes[k].result = lanes[from].value;
        }
    for (uint32_t k = 0; k < WARP; k++)
        if (mask >> k & 1 && first + k < block.n_threads && lanes[k].state != RETURNED)
            make_ready(first + k);
}

static int has_ended(const emulated_phase *phase, uint32_t parity)
{
    return phase->parity != parity;
}

/* Continues the threads whose phases have ended. Returns whether there are any. */
static int end_phases(void)
{
    int n = 0;

    for (uint32_t i = 0; i < block.n_threads; i++)
        if (block.threads[i].state == AT_PHASE &&
            has_ended(block.threads[i].phase, block.threads[i].parity)) {
            make_ready(i);
            n++;
        }
    return n != 0;
}

/* No thread can continue but by the end of a phase or a barrier. Returns 0 if all have returned. */
static int end_barrier(void)
{
    if (end_phases())
        return 1;
    for (uint32_t i = 0; i < block.n_threads; i++)
        if (block.threads[i].state == AT_PHASE || block.threads[i].state == AT_NAMED)
            fail("threads wait for each other", i, i ? 0 : block.n_threads - 1);
    for (uint32_t i = 0; i < block.n_threads; i++) {
        const thread *t = &block.threads[i], *first = &block.threads[0];

        if ((t->state == RETURNED) != (first->state == RETURNED))
            fail("a thread has returned, another waits for it", 0, i);
        if (t->state != RETURNED && !same_place(t, first))
            fail("threads wait for each other", 0, i);
    }
    for (uint32_t i = 0; i < block.n_threads; i++)
        if (block.threads[i].state == AT_SHUFFLE || block.threads[i].state == AT_BALLOT)
            fail("threads name different masks", i, i / WARP * WARP);
    if (block.threads[0].state == RETURNED)
        return 0;
    for (uint32_t i = 0; i < block.n_threads; i++)
        make_ready(i);
    return 1;
}

/* Begins the turn of a warp with a ready lane. */
static void begin_turn(void)
{
    block.warp = random_word() % block.n_warps;
    while (!block.ready[block.warp])
        block.warp = (block.warp + 1) % block.n_warps;
    block.lane = random_word() % WARP;
    block.step = random_word() | 1; /* odd: steps reach all lanes */
}

/* Selects the next thread of the turn. Returns 0 at its end. */
static inline int next_lane(void)
{
    uint32_t ready = block.ready[block.warp], lane = block.lane;

    if (!ready)
        return 0;
    do
        lane = (lane + block.step) % WARP;
    while (!(ready >> lane & 1));
    block.lane = lane;
    block.ready[block.warp] = ready & ~(1u << lane);
    block.n_ready--;
    block.self = block.warp * WARP + lane;
    return 1;
}

/* Selects the next thread of the block. Returns 0 if all have returned. */
static int next_thread(void)
{
    while (!next_lane()) {
        uint32_t first = block.warp * WARP;

        for (uint32_t i = first; i < first + WARP && i < block.n_threads; i++)
            if (block.threads[i].state == AT_SHUFFLE || block.threads[i].state == AT_BALLOT)
                resolve(i);
        if (!block.n_ready && !end_barrier())
            return 0;
        begin_turn();
    }
    return 1;
}

/* Leaves the running thread, which waits or has returned, until it has a turn again. */
static void leave(void)
{
    thread *from = &block.threads[block.self];

    if (!next_thread()) {
        coroutine_switch(&from->coroutine, &block.caller);
        return;
    }
    if (&block.threads[block.self] == from)
        return;
    threadIdx = block.threads[block.self].index;
    coroutine_switch(&from->coroutine, &block.threads[block.self].coroutine);
}

static void run_thread(void)
{
    block.body(block.arg);
    block.threads[block.self].state = RETURNED;
    leave();
    abort(); /* has no further turn */
}

/* ---- functions of kernels ------------------------------------------------------------------ */

static thread *wait_at(enum state state, emulated_place place)
{
    thread *self = &block.threads[block.self];

    self->state = state;
    self->place = place;
    leave();
    return self;
}

void emulated_barrier(emulated_place place)
{
    (void)wait_at(AT_BARRIER, place);
}

static uint64_t warp_operation(enum state state, uint32_t mask, emulated_place place)
{
    thread *self = &block.threads[block.self];

    self->mask = mask;
    if (!(mask >> block.self % WARP & 1)) {
        self->state = state;
        self->place = place;
        fail("the mask leaves out its caller", block.self, block.self);
    }
    return wait_at(state, place)->result;
}

uint64_t emulated_shuffle(uint32_t mask, uint64_t value, uint32_t from, emulated_place place)
{
    block.threads[block.self].value = value;
    block.threads[block.self].from = from % WARP;
    return warp_operation(AT_SHUFFLE, mask, place);
}

uint32_t emulated_ballot(uint32_t mask, int value, emulated_place place)
{
    block.threads[block.self].value = value != 0;
    return (uint32_t)warp_operation(AT_BALLOT, mask, place);
}

void emulated_wait_for_kernels(void)
{
    block.has_waited = 1;
}

uint32_t emulated_thread(void)
{
    return block.self;
}

void emulated_fail(const char *fault)
{
    fail(fault, block.self, block.self);
}

void emulated_phase_create(emulated_phase *phase, int count)
{
    *phase = (emulated_phase) { .count = (int16_t)count, .missing = (int16_t)count };
}

void emulated_phase_add(emulated_phase *phase, int arrivals, int32_t bytes)
{
    if (phase->missing < arrivals)
        emulated_fail("more arrivals than a phase has");
    phase->missing = (int16_t)(phase->missing - arrivals);
    phase->bytes += bytes;
    if (!phase->missing && !phase->bytes) {
        phase->parity ^= 1;
        phase->missing = phase->count;
    }
}

void emulated_phase_wait(const emulated_phase *phase, uint32_t parity, emulated_place place)
{
    thread *self = &block.threads[block.self];

    self->phase = phase;
    self->parity = parity;
    if (!has_ended(phase, parity))
        (void)wait_at(AT_PHASE, place);
}

int emulated_named_barrier(uint32_t id, uint32_t n, int waits, int value, emulated_place place)
{
    thread *self = &block.threads[block.self];

    if (id >= NAMED_BARRIERS || n % WARP || n > block.n_threads)
        emulated_fail("a named barrier that does not exist");
    if (block.named[id].arrived && block.named[id].n != n)
        emulated_fail("a named barrier of another number of threads");
    block.named[id].n = n;
    block.named[id].value |= value;
    self->id = id;
    if (++block.named[id].arrived == n) { /* the running thread goes on */
        for (uint32_t i = 0; i < block.n_threads; i++)
            if (block.threads[i].state == AT_NAMED && block.threads[i].id == id) {
                block.threads[i].result = (uint64_t)block.named[id].value;
                make_ready(i);
            }
        value = block.named[id].value;
        block.named[id].arrived = 0;
        block.named[id].value = 0;
        return value;
    }
    return waits ? (int)wait_at(AT_NAMED, place)->result : 0;
}

uint32_t emulated_lane(void)
{
    return block.self % WARP;
}

uint32_t emulated_active(void)
{
    uint32_t first = block.self / WARP * WARP, active = 0;

    for (uint32_t k = 0; k < WARP && first + k < block.n_threads; k++)
        active |= (uint32_t)(block.threads[first + k].state != RETURNED) << k;
    return active;
}

/* Words that are NaN in every float type, and far outside of memory as an offset. */
void emulated_fill(void *to, size_t bytes)
{
    static const uint32_t word = 0x7fffffff;
    size_t whole = bytes / sizeof word * sizeof word;

    for (size_t i = 0; i < whole; i += sizeof word)
        memcpy((char *)to + i, &word, sizeof word);
    memcpy((char *)to + whole, &word, bytes - whole);
}

void *emulated_dynamic_shared(void)
{
    return block.dynamic_shared;
}

/* ---- grids --------------------------------------------------------------------------------- */

static void create_stacks(void)
{
    size_t bytes = (size_t)MAX_THREADS * (STACK + GUARD);

    block.stacks = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (block.stacks == MAP_FAILED)
        abort();
    for (size_t i = 0; i < MAX_THREADS; i++)
        if (mprotect(block.stacks + i * (STACK + GUARD), GUARD, PROT_NONE))
            abort();
}

static void run_block(void)
{
    uint32_t i = 0;

    emulated_fill(block.dynamic_shared, block.grid->shared_bytes);
    memset(block.named, 0, sizeof block.named);
    emulated_block_number++;
    block.has_waited = 0;
    for (uint3 at = { 0, 0, 0 }; at.z < blockDim.z; at.z++)
        for (at.y = 0; at.y < blockDim.y; at.y++)
            for (at.x = 0; at.x < blockDim.x; at.x++) {
                start_thread(i, at);
                make_ready(i++);
            }
    begin_turn();
    (void)next_lane();
    threadIdx = block.threads[block.self].index;
    coroutine_switch(&block.caller, &block.threads[block.self].coroutine);
    if (block.grid->is_early && !block.has_waited)
        fail("an early kernel does not wait for earlier ones", 0, block.n_threads - 1);
}

void emulator_run(const emulated_grid *grid, void (*body)(const void *arg), const void *arg)
{
    uint64_t n = (uint64_t)grid->blocks.x * grid->blocks.y * grid->blocks.z, first;

    pthread_mutex_lock(&one_at_a_time);
    if (!block.stacks)
        create_stacks();
    if (!block.random)
        block.random = emulator_seed * 0x9e3779b97f4a7c15u + 1;
    block.grid = grid;
    block.body = body;
    block.arg = arg;
    if (posix_memalign((void **)&block.dynamic_shared, 1024, grid->shared_bytes))
        abort();
    gridDim = grid->blocks;
    blockDim = grid->threads;
    block.n_threads = blockDim.x * blockDim.y * blockDim.z;
    block.n_warps = (block.n_threads + WARP - 1) / WARP;
    first = random_word();
    for (uint64_t k = 0; k < n; k++) { /* upwards or downwards from any block */
        uint64_t b = ((first & 1 ? k : n - 1 - k) + first / 2) % n;

        blockIdx.x = (uint32_t)(b % gridDim.x);
        blockIdx.y = (uint32_t)(b / gridDim.x % gridDim.y);
        blockIdx.z = (uint32_t)(b / gridDim.x / gridDim.y);
        run_block();
    }
    free(block.dynamic_shared);
    pthread_mutex_unlock(&one_at_a_time);
}
