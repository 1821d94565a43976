/* SPDX-License-Identifier: MIT */
/* cg_step_gather() on the emulated GPU against a loop over the slots. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "cuda/step.h"

enum { MAX_LEN = 64, STEPS = 2 };

static const struct gather_case {
    int32_t n_slots, n_prompts; /* slots of sequences and of prompts */
    int32_t rows, first_slot;
} cases[] = {
    { 5, 2, 600, 3 },        /* rows for all */
    { 5, 2, 1, 4 },          /* one row */
    { 1000, 30, 500, 990 },  /* a thread has a slot; rows run out */
    { 1025, 0, 5000, 0 },    /* most threads have two or none */
    { 4000, 96, 700, 3999 }, /* all threads have four */
    { 5000, 300, 40000, 4500 },
    { 8000, 192, 6000, 7999 }, /* as many as are read at a time */
    { 9000, 300, 4000, 17 },   /* more than that */
    { 9000, 300, 80000, 4500 },
    { 17000, 0, 8000, 16998 },
};
enum { N_CASES = sizeof cases / sizeof *cases };

static cg_error err = CG_ERROR_INIT;
static uint32_t random_state;

static int32_t draw(int32_t n)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (int32_t)((random_state >> 8) % (uint32_t)n);
}

static void *allocate(size_t n, size_t size)
{
    void *p;

    ck_assert(cudaMalloc(&p, n * size) == cudaSuccess);
    memset(p, 0, n * size);
    return p;
}

/* The arrays of a step. */
static cg_step_state create(const struct gather_case *c)
{
    const int32_t n = c->n_slots + c->n_prompts;
    cg_step_state s = { .n_slots = c->n_slots, .n_kv_slots = n, .max_len = MAX_LEN };

    s.slots = allocate((size_t)n, sizeof *s.slots);
    s.tokens = allocate((size_t)n * MAX_LEN, sizeof *s.tokens);
    s.first_slot = allocate(1, sizeof *s.first_slot);
    s.counters = allocate(1, sizeof *s.counters);
    s.batch.rows = c->rows;
    s.batch.max_seqs = n;
    s.batch.token = allocate((size_t)c->rows, sizeof *s.batch.token);
    s.batch.pos = allocate((size_t)c->rows, sizeof *s.batch.pos);
    s.batch.slot = allocate((size_t)c->rows, sizeof *s.batch.slot);
    s.batch.q_start = allocate((size_t)n + 1, sizeof *s.batch.q_start);
    s.batch.seq_slot = allocate((size_t)n, sizeof *s.batch.seq_slot);
    s.batch.kv_len = allocate((size_t)n, sizeof *s.batch.kv_len);
    s.out_row = allocate((size_t)n, sizeof *s.out_row);
    s.out_slot = allocate((size_t)n, sizeof *s.out_slot);
    s.n_out = allocate(1, sizeof *s.n_out);
    s.events = allocate((size_t)n, sizeof *s.events);
    s.geometry = CG_GEOMETRY_REPAIR;
    s.tests = allocate((size_t)n, sizeof *s.tests);
    s.n_tests = allocate(1, sizeof *s.n_tests);
    s.repairs = allocate((size_t)n, sizeof *s.repairs);
    s.n_repairs = allocate(1, sizeof *s.n_repairs);
    *s.n_tests = *s.n_repairs = 3; /* of the step before */
    *s.first_slot = c->first_slot;
    for (int32_t i = 0; i < n * MAX_LEN; i++)
        s.tokens[i] = i;
    return s;
}

static void destroy(cg_step_state *s)
{
    void *arrays[] = { s->slots,       s->tokens,    s->first_slot,     s->counters,
                       s->batch.token, s->batch.pos, s->batch.slot,     s->batch.q_start,
                       s->out_row,     s->out_slot,  s->batch.seq_slot, s->batch.kv_len,
                       s->n_out,       s->events,    s->tests,          s->n_tests,
                       s->repairs,     s->n_repairs };

    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        cudaFree(arrays[i]);
}

/* Slots of all kinds: free, with few or many pending tokens or none, finished, under repair. */
static void draw_slots(cg_step_state *s)
{
    for (int32_t i = 0; i < s->n_kv_slots; i++) {
        cg_slot_state *p = &s->slots[i];
        int32_t kind = i < s->n_slots ? CG_SLOT_SEQUENCE : CG_SLOT_PROMPT;

        p->kind = draw(8) ? kind : CG_SLOT_FREE;
        p->seq.n_kv = draw(MAX_LEN / 2);
        p->seq.n_tokens = p->seq.n_kv + (draw(4) ? 1 : draw(MAX_LEN / 2));
        p->seq.done = draw(10) ? CG_SEQUENCE_RUNNING : CG_SEQUENCE_COMPLETE;
        p->progress.stage = draw(10) ? CG_REPAIR_IDLE : CG_REPAIR_TEST + draw(4);
    }
}

/* Gathers a slot as sequence `seqs` of the batch, from row `rows` on. Returns the rows it takes. */
static int32_t gather_slot(cg_step_state *s, int32_t slot, int32_t rows, int32_t seqs)
{
    cg_slot_state *p = &s->slots[slot];
    int32_t pending = p->seq.n_tokens - p->seq.n_kv, take = s->batch.rows - rows;

    if (pending < take)
        take = pending;
    if (!take)
        return 0;
    for (int32_t k = 0; k < take; k++) {
        s->batch.pos[rows + k] = p->seq.n_kv + k;
        s->batch.slot[rows + k] = slot;
        s->batch.token[rows + k] = s->tokens[slot * MAX_LEN + p->seq.n_kv + k];
    }
    p->seq.n_kv += take;
    s->batch.seq_slot[seqs] = slot;
    s->batch.kv_len[seqs] = p->seq.n_kv;
    s->batch.q_start[seqs] = rows;
    if (p->kind == CG_SLOT_PROMPT) {
        s->counters->prompt_tokens += take;
        if (take == pending)
            s->events[slot].done = 1;
        return take;
    }
    s->counters->tokens += take;
    s->counters->attended += p->seq.n_kv;
    if (take == pending) {
        s->out_row[*s->n_out] = rows + take - 1;
        s->out_slot[(*s->n_out)++] = slot;
    }
    return take;
}

/* Lists the slots with geometry work. */
static void list(cg_step_state *s)
{
    *s->n_tests = *s->n_repairs = 0;
    for (int32_t i = 0; i < s->n_slots; i++) {
        if (s->slots[i].kind != CG_SLOT_SEQUENCE)
            continue;
        if (s->slots[i].progress.stage == CG_REPAIR_TEST)
            s->tests[(*s->n_tests)++] = i;
        if (s->slots[i].progress.stage >= CG_REPAIR_RELAX)
            s->repairs[(*s->n_repairs)++] = i;
    }
}

static void gather(cg_step_state *s)
{
    const int32_t n_prompts = s->n_kv_slots - s->n_slots, first = *s->first_slot;
    int32_t rows = 0, seqs = 0, is_waiting = 0;

    *s->n_out = 0;
    for (int32_t rank = 0; rank < s->n_kv_slots; rank++) {
        int32_t slot =
            rank < n_prompts ? s->n_slots + rank : (first + rank - n_prompts) % s->n_slots;
        const cg_slot_state *p = &s->slots[slot];

        if (p->kind == CG_SLOT_FREE || p->seq.done || p->progress.stage != CG_REPAIR_IDLE ||
            p->seq.n_tokens == p->seq.n_kv)
            continue;
        if (rows == s->batch.rows && rank >= n_prompts && !is_waiting) {
            is_waiting = 1;
            *s->first_slot = slot;
        }
        if (rows < s->batch.rows)
            rows += gather_slot(s, slot, rows, seqs++);
    }
    for (int32_t i = seqs; i <= s->batch.max_seqs; i++)
        s->batch.q_start[i] = rows;
    for (int32_t t = rows; t < s->batch.rows; t++) {
        s->batch.token[t] = s->batch.slot[t] = -1;
        s->batch.pos[t] = 0;
    }
    s->counters->steps += rows > 0;
    s->counters->sampled += *s->n_out;
}

static int compare(const void *a, const void *b)
{
    return *(const int32_t *)a - *(const int32_t *)b;
}

#define SAME(member, n)                                                                            \
    ck_assert_msg(!memcmp(got.member, want.member, (size_t)(n) * sizeof *got.member),              \
                  "case %d, step %d: " #member, _i, step)

START_TEST(gathered_slots)
{
    cg_step_state got = create(&cases[_i]), want = create(&cases[_i]);
    const int32_t n = got.n_kv_slots;

    random_state = (uint32_t)_i;
    draw_slots(&got);
    memcpy(want.slots, got.slots, (size_t)n * sizeof *got.slots);
    for (int step = 0; step < STEPS; step++) {
        ck_assert_int_eq(cg_step_gather(&got, NULL, &err), CG_OK);
        ck_assert(cudaStreamSynchronize(NULL) == cudaSuccess);
        gather(&want);
        list(&want);
        SAME(n_out, 1);
        SAME(n_tests, 1);
        SAME(n_repairs, 1);
        qsort(got.tests, (size_t)*got.n_tests, sizeof *got.tests, compare);
        qsort(got.repairs, (size_t)*got.n_repairs, sizeof *got.repairs, compare);
        SAME(tests, *want.n_tests);
        SAME(repairs, *want.n_repairs);
        SAME(first_slot, 1);
        SAME(counters, 1);
        SAME(slots, n);
        SAME(events, n);
        SAME(out_row, n);
        SAME(out_slot, n);
        SAME(batch.q_start, n + 1);
        SAME(batch.seq_slot, n);
        SAME(batch.kv_len, n);
        SAME(batch.token, got.batch.rows);
        SAME(batch.pos, got.batch.rows);
        SAME(batch.slot, got.batch.rows);
    }
    destroy(&got);
    destroy(&want);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cuda_step");
    TCase *tc = tcase_create("gather");
    SRunner *sr;
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, gathered_slots, 0, N_CASES);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
