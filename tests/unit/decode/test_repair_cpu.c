/* SPDX-License-Identifier: MIT */
/* Tests and repairs the atoms of a sequence, with an automaton of one digit per token, and with
 * those of other kinds of numbers. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decode/repair_cpu.h"
#include "sequence/token_number.h"
#include "geometry_made.h"
#include "number_text_made.h"
#include "sequence/coordinate.h"
#ifdef BLOCK
#include "block.h"
#include "cuda/repair.cuh"
#endif

/* ---- test automaton ------------------------------------------------------------------------- */

/*
 * Numbers of one or two digits before the point and three after it, with an optional "-"; token i
 * is pieces[i]. State 0 starts a number; 1 follows '-'; 2 follows a digit other than 0; 3 and 4
 * force the '.' after 0 and after two digits; 5, 6, 7 sample the decimals.
 */
enum { DIGIT = 0, POINT = 10, MINUS, BEGIN, NEXT, END, CARBON, PROMPT, N_PIECES };

static const char *const pieces[N_PIECES] = { "0", "1", "2", "3", "4", "5", "6",   "7",     "8",
                                              "9", ".", "-", "<", ",", ">", "[C]", "PROMPT" };
static const int32_t row[] = { 0, 11, 21, 32, 33, 34, 44, 54, 64 };
static int32_t token[64], next[64];
static cg_token_number token_numbers[N_PIECES];
static const cg_conformer_format format = {
    .open = "<",
    .separator = ",",
    .close = ">",
    .number = { .kind = CG_NUMBER_DECIMAL, .max_integer_digits = 2, .decimals = 3 },
};
static const cg_automaton automaton = { .row = row, .token = token, .next = next };

enum { ATOMS = 20, LIMIT = ATOMS * 40 };

static int32_t entry[3 * ATOMS], forced_start[3 * ATOMS + 2], forced_token[6 * ATOMS + 2];
static cg_program program;
static cg_sequence seq;
static int32_t tokens[LIMIT];
static cg_atom_mark marks[ATOMS];
static cg_cpu_repair repair_state;
static cg_repair_target target;

static void make_automaton(void)
{
    int n = 0;

    for (int d = 0; d < 10; d++) /* 0 */
        token[n] = DIGIT + d, next[n++] = d ? 2 : 3;
    token[n] = MINUS, next[n++] = 1;
    for (int d = 0; d < 10; d++) /* 1 */
        token[n] = DIGIT + d, next[n++] = d ? 2 : 3;
    for (int d = 0; d < 10; d++) /* 2 */
        token[n] = DIGIT + d, next[n++] = 4;
    token[n] = POINT, next[n++] = 5;
    token[n] = POINT, next[n++] = 5; /* 3 */
    token[n] = POINT, next[n++] = 5; /* 4 */
    for (int k = 5; k < 8; k++)
        for (int d = 0; d < 10; d++)
            token[n] = DIGIT + d, next[n++] = k < 7 ? k + 1 : CG_EXIT;
    ck_assert_int_eq(n, 64);
    for (int i = 0; i < N_PIECES; i++)
        token_numbers[i] = cg_token_number_of(&format, pieces[i], strlen(pieces[i]));
}

/* Starts n atoms, "[C]<x,y,z>" each, without bounds on their distances. */
static void begin(int32_t n, int32_t n_tests)
{
    int32_t n_forced = 0;

    make_automaton();
    make_geometry(n, n_tests);
    for (int32_t f = 0; f <= 3 * n; f++) {
        forced_start[f] = n_forced;
        if (f % 3) {
            forced_token[n_forced++] = NEXT;
            continue;
        }
        if (f)
            forced_token[n_forced++] = END;
        if (f < 3 * n) {
            forced_token[n_forced++] = CARBON;
            forced_token[n_forced++] = BEGIN;
        }
    }
    forced_start[3 * n + 1] = n_forced;
    program = (cg_program) { .n_fields = 3 * n,
                             .fields_per_atom = 3,
                             .entry = entry,
                             .forced_start = forced_start,
                             .forced_token = forced_token };
    ck_assert_int_eq(cg_cpu_repair_begin(&repair_state, n), 0);
    tokens[0] = PROMPT;
    seq = (cg_sequence) { .n_tokens = 1, .limit = LIMIT };
    cg_sequence_begin(&seq, &program, &automaton, tokens, marks);
    target = (cg_repair_target) {
        .text = { &automaton, token_numbers, &format.number, &program, &seq, tokens, marks },
        .geometry = &m.g,
        .restart_limit = CG_MAX_RESTARTS,
    };
}

static void finish(void)
{
    cg_cpu_repair_finish(&repair_state);
    repair_state = (cg_cpu_repair) { .cap = 0 };
}

/* Appends the sampled tokens of a text, as the model would. */
static void write_text(const char *text)
{
    for (const char *p = text; *p; p++) {
        int32_t want = *p == '-' ? MINUS : *p == '.' ? POINT : *p - '0', t = row[seq.state];

        if (want == POINT && tokens[seq.n_tokens - 1] == POINT)
            continue; /* already forced */
        while (t < row[seq.state + 1] && token[t] != want)
            t++;
        ck_assert_int_lt(t, row[seq.state + 1]);
        cg_sequence_advance(&seq, &program, &automaton, t, tokens, marks);
    }
}

#ifdef BLOCK
/*
 * Tests by blocks of PER_BLOCK listed slots, the last one of fewer, and repair by REPAIR_BLOCKS
 * blocks. The slots that hold the sequence start one step after the other, so that some are tested
 * while others are repaired. The others are free, but for one without work.
 */
enum { ORDERS = 3, SLOTS = 17, PER_BLOCK = BLOCK_THREADS / 32, REPAIR_BLOCKS = 2 };
enum { IDLE_SLOT = 2, CHAINS = 1, CHAIN = 5 };

static const int holders[] = { 0, 1, 3, SLOTS - 1 };
static int n_holders; /* 1 or all */
static struct repair_shared shared;
static cg_step_state step;
static struct {
    cg_slot_state slots[SLOTS];
    int32_t tokens[SLOTS][LIMIT];
    cg_atom_mark marks[SLOTS][LIMIT];
    float xyz[SLOTS][3 * LIMIT];
    int32_t tests[SLOTS], n_tests;
    int32_t repairs[SLOTS], n_repairs;
} device;
static float read_xyz[3 * ATOMS]; /* of the sequence, by blocks */

/* Everything that a block writes for a slot. */
static struct state {
    cg_sequence seq;
    cg_repair_counts repair;
    int32_t tokens[LIMIT];
    cg_atom_mark marks[ATOMS];
    float xyz[3 * ATOMS];
} state, other;

static void save(int slot, struct state *s)
{
    s->seq = device.slots[slot].seq;
    s->repair = device.slots[slot].repair;
    memcpy(s->tokens, device.tokens[slot], sizeof s->tokens);
    memcpy(s->marks, device.marks[slot], sizeof s->marks);
    memcpy(s->xyz, device.xyz[slot], sizeof s->xyz);
}

static void take_over(const struct state *s)
{
    seq = s->seq;
    repair_state.counts = s->repair;
    memcpy(tokens, s->tokens, sizeof tokens);
    memcpy(marks, s->marks, sizeof marks);
    memcpy(read_xyz, s->xyz, sizeof read_xyz);
    memcpy(repair_state.xyz, s->xyz, (size_t)m.g.n_atoms * sizeof *repair_state.xyz);
}

static void fill_slots(void)
{
    for (int i = 0; i < SLOTS; i++) {
        device.slots[i] = (cg_slot_state) { .seq = seq,
                                            .kind = CG_SLOT_FREE,
                                            .program = *target.text.program,
                                            .geometry = m.g,
                                            .progress.stage = CG_REPAIR_TEST,
                                            .repair = repair_state.counts };
        memcpy(device.tokens[i], tokens, sizeof tokens);
        memcpy(device.marks[i], marks, sizeof marks);
        memcpy(device.xyz[i], read_xyz, sizeof read_xyz);
    }
    device.slots[IDLE_SLOT].kind = CG_SLOT_SEQUENCE;
    device.slots[IDLE_SLOT].progress.stage = CG_REPAIR_IDLE;
}

/* Body of a block of tests. */
static void test_by_block(void *block_index)
{
    int32_t i = *(int32_t *)block_index * PER_BLOCK + (int32_t)threadIdx.x / 32;

    if (i < device.n_tests)
        test_listed(&step, target.text.automaton, device.tests[i]);
}

/* Body of a block of repairs. */
static void repair_by_block(void *block_index)
{
    for (int32_t i = *(int32_t *)block_index; i < device.n_repairs; i += REPAIR_BLOCKS)
        repair_listed(&step, target.text.automaton, &shared, device.repairs[i]);
}

/* Lists the slots with work, as gather does. */
static void list_slots(void)
{
    device.n_tests = device.n_repairs = 0;
    for (int i = 0; i < SLOTS; i++) {
        if (device.slots[i].kind != CG_SLOT_SEQUENCE)
            continue;
        if (device.slots[i].progress.stage == CG_REPAIR_TEST)
            device.tests[device.n_tests++] = i;
        if (device.slots[i].progress.stage >= CG_REPAIR_RELAX)
            device.repairs[device.n_repairs++] = i;
    }
}

/* Repairs the slots that are under repair before, and tests. */
static void run_step(void)
{
    list_slots();
    for (int32_t i = 0; i < REPAIR_BLOCKS; i++)
        block_run(repair_by_block, &i);
    for (int32_t i = 0; i * PER_BLOCK < device.n_tests; i++)
        block_run(test_by_block, &i);
}

/* Tests and repairs an atom in the slots of the sequence; the result in *ret. */
static void run_steps(int32_t atom, int32_t n_busy, struct state *ret)
{
    int n_working = 1;

    fill_slots();
    step.n_out = &n_busy;
    for (int i = 0; i < n_holders || n_working; i++) {
        if (i < n_holders) {
            cg_slot_state *slot = &device.slots[holders[i]];

            slot->kind = CG_SLOT_SEQUENCE;
            slot->progress.from_field = atom * target.text.program->fields_per_atom;
        }
        run_step();
        n_working = 0;
        for (int k = 0; k < n_holders; k++)
            n_working += device.slots[holders[k]].progress.stage != CG_REPAIR_IDLE;
    }
    save(0, ret);
}

/* All slots of the sequence have the same result; the others are as they were. */
static void expect_same_slots(const struct state *want, const struct state *before)
{
    static struct state got;

    for (int i = 0; i < SLOTS; i++) {
        int is_holder = 0;

        for (int k = 0; k < n_holders; k++)
            is_holder |= i == holders[k];
        save(i, &got);
        ck_assert_mem_eq(&got, is_holder ? want : before, sizeof got);
        ck_assert_int_eq(device.slots[i].progress.stage,
                         is_holder || i == IDLE_SLOT ? CG_REPAIR_IDLE : CG_REPAIR_TEST);
    }
}

/* The results of host and block agree, except for the last digit of coordinates. */
static void expect_agreement(const struct state *want, int32_t n)
{
    const cg_repair_counts *r = &want->repair;

    ck_assert_int_eq(seq.done, want->seq.done);
    ck_assert_int_eq(seq.field, want->seq.field);
    ck_assert_int_eq(seq.attempt, want->seq.attempt);
    ck_assert_int_eq(seq.is_mirrored, want->seq.is_mirrored);
    ck_assert_mem_eq(repair_state.counts.count, r->count, sizeof r->count);
    ck_assert_int_eq(repair_state.counts.last_cause, r->last_cause);
    ck_assert_int_eq(repair_state.counts.last_atom, r->last_atom);
    ck_assert_int_eq(repair_state.counts.moved, r->moved);
    ck_assert_int_eq(repair_state.counts.restarts, r->restarts);
    ck_assert_int_eq(repair_state.counts.unwritten_field, r->unwritten_field);
    for (int32_t i = 0; i < 3 * n; i++)
        ck_assert_float_eq_tol(repair_state.xyz[i / 3][i % 3], want->xyz[i], 0.0015f);
}

static int repair_atom(int repair, int32_t atom)
{
    static struct state before;

    step = (cg_step_state) {
        .n_slots = SLOTS,
        .max_len = LIMIT,
        .slots = device.slots,
        .tokens = device.tokens[0],
        .marks = device.marks[0],
        .xyz = device.xyz[0],
        .repairs = device.repairs,
        .n_repairs = &device.n_repairs,
        .token_numbers = target.text.token_numbers,
        .number_format = target.text.number_format,
        .geometry = repair ? CG_GEOMETRY_REPAIR : CG_GEOMETRY_COUNT,
        .restart_limit = target.restart_limit,
    };
    fill_slots();
    save(0, &before);
    run_steps(atom, SLOTS, &state);
    expect_same_slots(&state, &before);
    for (int i = 0; i < ORDERS; i++) { /* in more or fewer steps, threads in another order */
        run_steps(atom, i * SLOTS / 2, &other);
        ck_assert_mem_eq(&other, &state, sizeof state);
        expect_same_slots(&state, &before);
    }
    cg_cpu_repair_atom(&repair_state, &target, repair, atom);
    expect_agreement(&state, seq.field / target.text.program->fields_per_atom);
    take_over(&state);
    return state.repair.wasted != before.repair.wasted || seq.done == CG_SEQUENCE_GIVEN_UP;
}

static void one_slot(void)
{
    n_holders = 1;
}

static void several_slots(void)
{
    n_holders = sizeof holders / sizeof *holders;
}
#else
enum { CHAINS = 20, CHAIN = 10 };

static int repair_atom(int repair, int32_t atom)
{
    return cg_cpu_repair_atom(&repair_state, &target, repair, atom);
}
#endif

/* Appends an atom and repairs it, as the executor does. Returns whether the text was rolled back.
 */
static int write_atom(int repair, const char *x, const char *y, const char *z)
{
    int32_t atom = seq.field / 3;

    write_text(x);
    write_text(y);
    write_text(z);
    ck_assert_int_eq(seq.field, 3 * (atom + 1));
    return repair_atom(repair, atom);
}

static const char *text_of(int32_t from)
{
    static char text[8 * LIMIT];

    *text = '\0';
    for (int32_t i = from; i < seq.n_tokens; i++)
        strcat(text, pieces[tokens[i]]);
    return text;
}

static void read_atoms(float (*xyz)[3], int32_t n)
{
    for (int32_t i = 0; i < n; i++)
        ck_assert(cg_geometry_read_atom(&target.text, i, xyz[i]));
}

/* Atoms 0 to n - 1 of the text pass. */
static void expect_pass(int32_t n)
{
    float xyz[ATOMS][3];

    read_atoms(xyz, n);
    for (int32_t i = 0; i < n; i++)
        ck_assert_msg(cg_geometry_test_atom(&m.g, (const float(*)[3])xyz, i, 0, 1) == CG_FAULT_NONE,
                      "atom %d: %s", i, text_of(0));
}

/* Tested atoms by cause, moved atoms, discarded tokens, restarts. */
static void expect_counts(int32_t passed, int32_t bonds, int32_t others, int32_t moved,
                          int32_t wasted, int32_t restarts)
{
    const cg_repair_counts *r = &repair_state.counts;
    int32_t rest = 0;

    for (int i = CG_CAUSE_BOND + 1; i < CG_CAUSES; i++)
        rest += r->count[i];
    ck_assert_msg(r->count[0] == passed && r->count[CG_CAUSE_BOND] == bonds && rest == others &&
                      r->moved == moved && r->wasted == wasted && r->restarts == restarts,
                  "passed %d, bonds %d, others %d, moved %d, wasted %d, restarts %d", r->count[0],
                  r->count[CG_CAUSE_BOND], rest, r->moved, r->wasted, r->restarts);
}

/* ---- repair of an atom ----------------------------------------------------------------------
 */

START_TEST(atoms_that_pass_are_kept)
{
    for (int repair = 0; repair < 2; repair++) {
        begin(2, 0);
        set_bounds(1, 0, 1.4f, 1.7f, CG_CAUSE_BOND);
        ck_assert_int_eq(write_atom(repair, "0.000", "-1.250", "12.345"), 0);
        ck_assert_int_eq(write_atom(repair, "1.500", "-1.250", "12.345"), 0);
        ck_assert_str_eq(text_of(0), "PROMPT[C]<0.000,-1.250,12.345>[C]<1.500,-1.250,12.345>");
        ck_assert_int_eq(seq.done, CG_SEQUENCE_COMPLETE);
        ck_assert_int_eq(seq.attempt, 0);
        expect_counts(2, 0, 0, 0, 0, 0);
        finish();
    }
}
END_TEST

START_TEST(without_repair_nothing_changes)
{
    begin(3, 0);
    set_bounds(1, 0, 1.4f, 1.7f, CG_CAUSE_BOND);
    set_bounds(2, 1, 1.4f, 1.7f, CG_CAUSE_BOND);
    set_bounds(2, 0, 2.2f, 2.8f, CG_CAUSE_ANGLE);
    write_atom(0, "0.000", "0.000", "0.000");
    ck_assert_int_eq(write_atom(0, "9.000", "0.000", "0.000"), 0);
    ck_assert_int_eq(write_atom(0, "9.000", "1.500", "0.000"), 0);
    ck_assert_str_eq(text_of(1), "[C]<0.000,0.000,0.000>[C]<9.000,0.000,0.000>"
                                 "[C]<9.000,1.500,0.000>");
    ck_assert_int_eq(seq.done, CG_SEQUENCE_COMPLETE);
    ck_assert_int_eq(seq.attempt, 0);
    expect_counts(1, 1, 1, 0, 0, 0);
    finish();
}
END_TEST

/* In the middle of a sequence, and its last atom. */
START_TEST(a_failing_atom_is_rewritten)
{
    const char *const before = "PROMPT[C]<-0.500,0.000,0.000>[C]<";
    int32_t n_before, n_kv;

    begin(2 + _i, 0);
    set_bounds(1, 0, 1.4f, 1.7f, CG_CAUSE_BOND);
    write_atom(1, "-0.500", "0.000", "0.000");
    n_before = marks[1].n_tokens;
    seq.n_kv = n_kv = seq.n_tokens - 1;
    ck_assert_int_eq(write_atom(1, "-10.123", "0.000", "0.000"), 1);
    expect_pass(2);
    ck_assert_int_eq(strncmp(text_of(0), before, strlen(before)), 0);
    ck_assert_int_eq(marks[1].n_tokens, n_before);
    ck_assert_int_eq(seq.field, 6);
    ck_assert_int_eq(seq.done, _i ? CG_SEQUENCE_RUNNING : CG_SEQUENCE_COMPLETE);
    ck_assert_int_eq(seq.attempt, 1);
    ck_assert_int_eq(seq.n_kv, n_before - 1);
    ck_assert_int_le(seq.n_kv, n_kv);
    /* "-10.123,0.000,0.000>" and, if another atom follows, "[C]<" */
    expect_counts(1, 1, 0, 1, _i ? 22 : 20, 0);
    finish();
}
END_TEST

/* The last atom has no valid position while the atoms before it are fixed. */
START_TEST(earlier_atoms_move_if_necessary)
{
    begin(6, 0);
    set_bounds(4, 3, 1, 2, CG_CAUSE_BOND);
    set_bounds(5, 3, 1.4f, 1.8f, CG_CAUSE_BOND);
    set_bounds(5, 2, 1.4f, 1.8f, CG_CAUSE_BOND); /* but atoms 2 and 3 are far apart */
    for (int i = 0; i < 4; i++) {
        static const char *const x[] = { "-20.000", "-10.000", "0.000", "6.000" };

        ck_assert_int_eq(write_atom(1, x[i], "0.000", "0.000"), 0);
    }
    ck_assert_int_eq(write_atom(1, "7.000", "1.000", "0.000"), 0);
    ck_assert_int_eq(write_atom(1, "3.000", "0.000", "0.000"), 1);
    expect_pass(6);
    ck_assert_int_eq(
        strncmp(text_of(1), "[C]<-20.000,0.000,0.000>[C]<-10.000,0.000,0.000>[C]<", 52), 0);
    ck_assert_int_eq(seq.done, CG_SEQUENCE_COMPLETE);
    ck_assert_int_eq(seq.n_sampled, seq.n_tokens - 1 - (6 * 5 + 2 * 6) - (1 + 1));
    /* moved: 2 to 5; the discarded text is that of four atoms without the first "[C]<" */
    expect_counts(5, 1, 0, 4, 4 * (2 + 18) - 2, 0);
    finish();
}
END_TEST

/* The text of a stereocentre has the other configuration after repair; the rest is unchanged. */
START_TEST(a_wrong_configuration_is_rewritten)
{
    const char *const before =
        "[C]<0.000,0.000,0.000>[C]<0.880,0.880,0.880>[C]<0.880,-0.880,-0.880>"
        "[C]<";

    begin(4, 1);
    for (int32_t i = 1; i < 4; i++)
        for (int32_t j = 0; j < i; j++)
            set_bounds(i, j, j ? 2.1f : 1.38f, j ? 2.85f : 1.68f,
                       j ? CG_CAUSE_ANGLE : CG_CAUSE_BOND);
    m.tests[0] = (cg_geometry_test) { .atom = { 0, 1, 2, 3 },
                                      .kind = CG_TEST_VOLUME,
                                      .cause = CG_CAUSE_CENTRE,
                                      .low = -INFINITY,
                                      .high = -0.5f };
    m.start[4] = 1;
    write_atom(1, "0.000", "0.000", "0.000");
    write_atom(1, "0.880", "0.880", "0.880");
    ck_assert_int_eq(write_atom(1, "0.880", "-0.880", "-0.880"), 0);
    ck_assert_int_eq(write_atom(1, "-0.880", "0.880", "-0.880"), 1);
    expect_pass(4);
    ck_assert_int_eq(strncmp(text_of(1), before, strlen(before)), 0);
    ck_assert_int_eq(repair_state.counts.count[CG_CAUSE_CENTRE], 1);
    expect_counts(3, 0, 1, 1, 20, 0);
    finish();
}
END_TEST

/* A centre at atom 0 with neighbours 1, 2, 3, in a volume of 2.7 Å^3; positive if it passes. */
static void begin_centre(int32_t n)
{
    begin(n, 1);
    for (int32_t i = 1; i < 4; i++)
        for (int32_t j = 0; j < i; j++)
            set_bounds(i, j, j ? 2.1f : 1.3f, j ? 2.85f : 1.8f, j ? CG_CAUSE_ANGLE : CG_CAUSE_BOND);
    m.tests[0] = (cg_geometry_test) { .atom = { 0, 1, 2, 3 },
                                      .kind = CG_TEST_VOLUME,
                                      .cause = CG_CAUSE_CENTRE,
                                      .low = 0.5f,
                                      .high = INFINITY };
    for (int32_t i = 4; i <= n; i++)
        m.start[i] = 1;
    m.g.first_centre = 3;
}

/*
 * The first stereocentre of a text is put right by mirroring the conformer; the text stays as it
 * is. Later atoms are tested, and rewritten, in the mirrored text.
 */
START_TEST(the_first_centre_is_mirrored)
{
    for (int is_near = 0; is_near < 2; is_near++) {
        float xyz[5][3];

        begin_centre(6);
        set_bounds(4, 3, 1.4f, 1.7f, CG_CAUSE_BOND);
        write_atom(1, "0.000", "0.000", "0.000");
        write_atom(1, "1.500", "0.000", "0.000");
        ck_assert_int_eq(write_atom(1, "-0.500", "1.414", "0.000"), 0);
        ck_assert_int_eq(write_atom(1, "-0.500", "-0.707", "-1.225"), 0);
        ck_assert_str_eq(text_of(1), "[C]<0.000,0.000,0.000>[C]<1.500,0.000,0.000>"
                                     "[C]<-0.500,1.414,0.000>[C]<-0.500,-0.707,-1.225>[C]<");
        ck_assert_int_eq(seq.is_mirrored, 1);
        expect_pass(4);
        expect_counts(3, 0, 1, 1, 0, 0);
        ck_assert_int_eq(write_atom(1, "-0.500", "-0.707", is_near ? "-2.825" : "-3.325"),
                         !is_near);
        expect_pass(5);
        read_atoms(xyz, 5);
        ck_assert_float_eq(xyz[3][2], 1.225f);
        ck_assert_float_gt(xyz[4][2], 2.6f);
        ck_assert_float_lt(xyz[4][2], 2.95f);
        finish();
    }
}
END_TEST

/* The atoms before the failing one are mirrored with it. */
START_TEST(earlier_atoms_are_mirrored)
{
    begin_centre(4);
    write_atom(1, "0.000", "0.000", "0.000");
    write_atom(1, "0.000", "1.225", "0.875");
    write_atom(1, "1.225", "-0.613", "0.875");
    ck_assert_int_eq(write_atom(1, "-1.225", "-0.613", "0.875"), 0);
    ck_assert_str_eq(text_of(1), "[C]<0.000,0.000,0.000>[C]<0.000,1.225,0.875>"
                                 "[C]<1.225,-0.613,0.875>[C]<-1.225,-0.613,0.875>");
    expect_pass(4);
    ck_assert_int_eq(seq.is_mirrored, 1);
    ck_assert_int_eq(seq.done, CG_SEQUENCE_COMPLETE);
    ck_assert_int_eq(repair_state.counts.moved, 3);
    finish();
}
END_TEST

/* An image that is not valid is relaxed: the text changes from the first atom that moved on. */
START_TEST(a_mirrored_atom_is_relaxed)
{
    const char *before = "[C]<0.000,0.000,0.000>[C]<0.000,1.225,0.875>[C]<1.225,-0.613,0.875>"
                         "[C]<-1.";

    begin_centre(4);
    write_atom(1, "0.000", "0.000", "0.000");
    write_atom(1, "0.000", "1.225", "0.875");
    write_atom(1, "1.225", "-0.613", "0.875");
    ck_assert_int_eq(write_atom(1, "-1.725", "-0.863", "1.225"), 1); /* 2.3 Å */
    ck_assert_int_eq(strncmp(text_of(1), before, strlen(before)), 0);
    expect_pass(4);
    ck_assert_int_eq(seq.is_mirrored, 1);
    ck_assert_int_eq(repair_state.counts.moved, 3);
    ck_assert_int_lt(repair_state.counts.wasted, 25); /* tokens of one atom */
    finish();
}
END_TEST

/* With a configuration decided before, the deciding atom is reflected in the plane of the others.
 */
START_TEST(a_later_centre_is_reflected)
{
    float xyz[4][3];

    begin_centre(4);
    m.g.first_centre = 0;
    write_atom(1, "0.000", "0.000", "0.000");
    write_atom(1, "0.000", "1.225", "0.875");
    write_atom(1, "1.225", "-0.613", "0.875");
    ck_assert_int_eq(write_atom(1, "-1.225", "-0.613", "0.875"), 1);
    expect_pass(4);
    expect_counts(3, 0, 1, 1, repair_state.counts.wasted, 0);
    read_atoms(xyz, 4);
    for (int j = 0; j < 3; j++) {
        static const float distance[] = { 1.6263f, 2.2075f, 2.45f };
        float d2 = 0;

        for (int k = 0; k < 3; k++)
            d2 += (xyz[3][k] - xyz[j][k]) * (xyz[3][k] - xyz[j][k]);
        ck_assert_float_eq_tol(sqrtf(d2), distance[j], 0.05f);
    }
    finish();
}
END_TEST

/* A double bond with the wrong configuration: the deciding atom turns about its axis. */
START_TEST(a_double_bond_is_rotated)
{
    begin(4, 1);
    set_bounds(3, 2, 1.35f, 1.65f, CG_CAUSE_BOND);
    m.tests[0] = (cg_geometry_test) { .atom = { 0, 1, 2, 3 },
                                      .kind = CG_TEST_TORSION,
                                      .cause = CG_CAUSE_DOUBLE,
                                      .low = -INFINITY,
                                      .high = -0.9f };
    m.start[4] = 1;
    write_atom(1, "-0.750", "1.299", "0.000");
    write_atom(1, "0.000", "0.000", "0.000");
    write_atom(1, "1.300", "0.000", "0.000");
    ck_assert_int_eq(write_atom(1, "2.050", "1.299", "0.000"), 1);
    ck_assert_str_eq(text_of(marks[3].n_tokens), "2.050,-1.299,0.000>");
    expect_pass(4);
    finish();
}
END_TEST

/* ---- failed repair --------------------------------------------------------------------------
 */

/* Contradictory bounds (at least 3 Å, at most 2 Å) and bounds that are not finite. */
START_TEST(impossible_bounds_are_given_up)
{
    static const float lows[] = { 3, INFINITY, 3, NAN }, highs[] = { 2, INFINITY, -3, 2 };
    int32_t tries = 0, wasted = 0, n_start;

    begin(3, 0);
    set_bounds(1, 0, 3, 2, CG_CAUSE_BOND);
    m.low2[0] = lows[_i] * lows[_i];
    m.high2[0] = highs[_i] * fabsf(highs[_i]);
    n_start = seq.n_tokens;
    for (; !seq.done && tries < 100; tries++) {
        int32_t n;

        ck_assert_int_eq(seq.n_tokens, n_start);
        ck_assert_int_eq(seq.field, 0);
        ck_assert_int_eq(write_atom(1, "1.000", "0.000", "0.000"), 0);
        n = seq.n_tokens;
        ck_assert_int_eq(write_atom(1, "2.500", "0.000", "0.000"), 1);
        ck_assert_int_le(repair_state.counts.restarts, CG_MAX_RESTARTS);
        wasted += n - n_start;
    }
    ck_assert_int_eq(seq.done, CG_SEQUENCE_GIVEN_UP);
    ck_assert_int_eq(tries, CG_MAX_RESTARTS + 1);
    ck_assert_int_ge(seq.attempt, CG_MAX_RESTARTS);
    ck_assert_int_eq(repair_state.counts.restarts, CG_MAX_RESTARTS);
    ck_assert_int_eq(repair_state.counts.count[0], tries);
    ck_assert_int_gt(repair_state.counts.wasted, wasted / 3);
    finish();
}
END_TEST

/* A valid position that the text cannot express: it has too many integer digits. */
START_TEST(a_position_without_a_text)
{
    int32_t n_start;

    begin(2, 0);
    set_bounds(1, 0, 6, 7, CG_CAUSE_BOND);
    n_start = seq.n_tokens;
    write_atom(1, "99.000", "0.000", "0.000");
    ck_assert_int_eq(write_atom(1, "99.900", "0.000", "0.000"), 1); /* would move to about 105 */
    ck_assert_int_eq(seq.n_tokens, n_start);
    ck_assert_int_eq(seq.done, CG_SEQUENCE_RUNNING);
    /* atom 1, then atom 0 and the "[C]<" after it */
    expect_counts(1, 1, 0, 1, 19 + 21, 1);
    write_atom(1, "10.000", "0.000", "0.000"); /* other coordinates can be repaired */
    ck_assert_int_eq(write_atom(1, "10.900", "0.000", "0.000"), 1);
    expect_pass(2);
    ck_assert_int_eq(seq.done, CG_SEQUENCE_COMPLETE);
    finish();
}
END_TEST

/* A constraint whose numbers all end with 0. */
START_TEST(a_number_without_a_path_is_recorded)
{
    begin(2, 0);
    set_bounds(1, 0, 1.2f, 1.6f, CG_CAUSE_BOND);
    for (int d = 1; d < 10; d++)
        token[row[7] + d] = CARBON;
    write_atom(1, "0.000", "0.000", "0.000");
    ck_assert_int_eq(write_atom(1, "3.170", "0.330", "0.000"), 1);
    ck_assert_int_eq(seq.done, CG_SEQUENCE_GIVEN_UP);
    expect_counts(1, 1, 0, 1, 18, 0); /* no restart: the numbers of another start lack paths, too */
    ck_assert_int_eq(repair_state.counts.unwritten_field, 4); /* x of atom 1, plus 1 */
    ck_assert_float_eq_tol(repair_state.counts.unwritten_xyz[0], 1.399f, 0.01f);
    ck_assert_float_eq_tol(repair_state.counts.unwritten_xyz[1], 0.146f, 0.01f);
    finish();
}
END_TEST

/* The sampled atom is within the token limit, the rewritten one is not: the sequence ends there. */
START_TEST(a_rewrite_ends_at_the_token_limit)
{
    begin(2, 0);
    set_bounds(1, 0, 20, 30, CG_CAUSE_BOND);
    seq.limit = marks[0].n_tokens + 38;
    write_atom(1, "0.000", "0.000", "0.000");
    ck_assert_int_eq(write_atom(1, "9.000", "0.000", "0.000"), 1);
    ck_assert_int_eq(seq.done, CG_SEQUENCE_UNFINISHED);
    ck_assert_int_eq(seq.n_tokens, seq.limit);
    ck_assert_int_eq(tokens[seq.limit - 1], DIGIT); /* the ">" is missing */
    expect_counts(1, 1, 0, 1, 18, 0);
    finish();
}
END_TEST

/* A reused slot keeps nothing of its last sequence and grows its memory. */
START_TEST(slots_are_reused)
{
    begin(2, 0);
    set_bounds(1, 0, 1.4f, 1.7f, CG_CAUSE_BOND);
    write_atom(1, "0.000", "0.000", "0.000");
    write_atom(1, "9.000", "0.000", "0.000");
    ck_assert_int_eq(repair_state.counts.moved, 1);
    begin(ATOMS, 0);
    expect_counts(0, 0, 0, 0, 0, 0);
    for (int i = 0; i < ATOMS; i++) {
        char x[16];

        snprintf(x, sizeof x, "%d.000", i);
        ck_assert_int_eq(write_atom(1, x, "0.000", "0.000"), 0);
    }
    ck_assert_int_eq(seq.done, CG_SEQUENCE_COMPLETE);
    expect_counts(ATOMS, 0, 0, 0, 0, 0);
    /* all atoms move: the last one must be near two of the first ones, which are 3 Å apart */
    set_bounds(ATOMS - 1, 0, 1, 1.4f, CG_CAUSE_BOND);
    set_bounds(ATOMS - 1, 3, 1, 1.4f, CG_CAUSE_BOND);
    ck_assert_int_eq(repair_atom(1, ATOMS - 1), 1);
    ck_assert_int_eq(repair_state.counts.moved, ATOMS);
    expect_pass(ATOMS);
    ck_assert_int_eq(seq.done, CG_SEQUENCE_COMPLETE);
    ck_assert_int_eq(cg_cpu_repair_begin(&repair_state, 0), 0);
    finish();
}
END_TEST

/* ---- other kinds of numbers ------------------------------------------------------------------
 */

static uint32_t random_state;

static float uniform(float low, float high)
{
    random_state = random_state * 1664525u + 1013904223u;
    return low + (high - low) * (float)(random_state >> 12) / (1 << 20);
}

/* A chain of n atoms with a stereocentre at atom 1, in numbers of a kind. */
static void begin_chain(enum made_kind kind, int32_t n)
{
    made_begin(kind, n);
    make_geometry(n, 1);
    for (int32_t i = 1; i < n; i++)
        for (int32_t j = 0; j < i; j++) {
            int32_t steps = i == 3 && j > 0 ? 3 - j : i - j; /* atom 3 is bonded to atom 1 */

            steps = i == 3 && j == 1 ? 1 : i == 3 && j == 2 ? 2 : steps;
            set_bounds(i, j, (float[]) { 0, 1.35f, 2.1f, 2.4f }[steps < 3 ? steps : 3],
                       (float[]) { 0, 1.7f, 2.9f, 100 }[steps < 3 ? steps : 3],
                       steps == 1   ? CG_CAUSE_BOND
                       : steps == 2 ? CG_CAUSE_ANGLE
                                    : CG_CAUSE_CLASH);
        }
    m.tests[0] = (cg_geometry_test) { .atom = { 1, 0, 2, 3 },
                                      .kind = CG_TEST_VOLUME,
                                      .cause = CG_CAUSE_CENTRE,
                                      .low = 0.5f,
                                      .high = INFINITY };
    for (int32_t i = 4; i <= n; i++)
        m.start[i] = 1;
    m.g.first_centre = 3;
    ck_assert_int_eq(cg_cpu_repair_begin(&repair_state, n), 0);
    tokens[0] = made_id_of("@", 1);
    seq = (cg_sequence) { .n_tokens = 1, .limit = LIMIT };
    target = (cg_repair_target) {
        .text = { &made.tables.automaton, made.token_numbers, &made.format.number, &made.program,
                  &seq, tokens, marks },
        .geometry = &m.g,
        .restart_limit = CG_MAX_RESTARTS,
    };
    cg_sequence_begin(&seq, &made.program, &made.tables.automaton, tokens, marks);
}

/* Appends an atom at a position, as the model would. */
static void write_position(const float xyz[3])
{
    for (int32_t k = 0; k < made.program.fields_per_atom; k++) {
        cg_number_path path;
        int result;

        ck_assert(cg_number_path_begin(&path, &target.text, xyz));
        do
            result = cg_number_path_step(
                &path, &made.tables.automaton, made.token_numbers,
                cg_number_path_find(&path, &made.tables.automaton, made.token_numbers, 0, 1));
        while (result == CG_NUMBER_PATH_RUNNING);
        ck_assert_int_eq(result, CG_NUMBER_PATH_FOUND);
        cg_number_path_append(&path, &target.text);
    }
}

/* Writes and repairs the chain's atoms, each at random beside the one before it, in a box. */
static void write_chain(int32_t n, float size, float offset)
{
    while (!seq.done) {
        int32_t atom = seq.field / made.program.fields_per_atom;
        float xyz[3];

        for (int k = 0; k < 3; k++) {
            xyz[k] = atom ? repair_state.xyz[atom - 1][k] + uniform(-offset, offset) : 0;
            xyz[k] = xyz[k] < -size ? -size : xyz[k] > size ? size : xyz[k];
        }
        write_position(xyz);
        repair_atom(1, atom);
    }
    for (int32_t i = 0; i < n && seq.done == CG_SEQUENCE_COMPLETE; i++) {
        float xyz[ATOMS][3];

        for (int32_t j = 0; j <= i; j++)
            ck_assert(cg_geometry_read_atom(&target.text, j, xyz[j]));
        ck_assert_msg(cg_geometry_test_atom(&m.g, (const float(*)[3])xyz, i, 0, 1) == CG_FAULT_NONE,
                      "%s, atom %d: %s", made.name, i, made_text_of(tokens, seq.n_tokens));
    }
}

/* What is complete passes, read back from the text; nearly all is complete. */
START_TEST(chains_are_repaired_in_numbers_of_every_kind)
{
    int32_t n = _i == MADE_FEW_BINS && CHAIN > 6 ? 6 : CHAIN, given_up = 0, moved = 0, restarts = 0;

    random_state = 7;
    for (int round = 0; round < CHAINS; round++) {
        begin_chain((enum made_kind)_i, n);
        write_chain(n, _i == MADE_FEW_BINS ? 2.5f : 9, round % 2 ? 1.5f : 4);
        given_up += seq.done != CG_SEQUENCE_COMPLETE;
        moved += repair_state.counts.moved;
        restarts += repair_state.counts.restarts;
        finish();
    }
    made_finish();
    ck_assert_int_gt(moved, CHAINS);
    ck_assert_int_eq(given_up, 0);
    ck_assert_int_le(restarts, CHAINS);
}
END_TEST

/* A range of 0.16 Å, where rounding to the nearest cell of 0.1 Å moves by up to 0.09 Å. */
START_TEST(a_neighbouring_cell_is_taken)
{
    random_state = 3;
    for (int round = 0; round < 4 * CHAINS; round++) {
        float first[3] = { uniform(-1, 1), uniform(-1, 1), uniform(-1, 1) };

        begin_chain(MADE_BINS, 2);
        set_bounds(1, 0, 1.42f, 1.58f, CG_CAUSE_BOND);
        write_position(first);
        repair_atom(1, 0);
        write_position((float[]) { uniform(-4, 4), uniform(-4, 4), uniform(-4, 4) });
        repair_atom(1, 1);
        ck_assert_int_eq(seq.done, CG_SEQUENCE_COMPLETE);
        ck_assert_int_eq(repair_state.counts.restarts, 0);
        ck_assert(cg_geometry_read_atom(&target.text, 1, repair_state.xyz[1]));
        ck_assert_int_eq(cg_geometry_test_atom(&m.g, (const float(*)[3])repair_state.xyz, 1, 0, 1),
                         CG_FAULT_NONE);
        finish();
    }
    made_finish();
}
END_TEST

/* No centre of a cell passes: given up, the text has none. */
START_TEST(numbers_too_coarse_are_given_up)
{
    int32_t n_start;

    begin_chain(MADE_BINS, 2);
    target.restart_limit = 1;
    set_bounds(1, 0, 1.5001f, 1.5002f, CG_CAUSE_BOND);
    n_start = seq.n_tokens;
    for (int32_t tries = 0; !seq.done; tries++) {
        ck_assert_int_le(tries, 1);
        ck_assert_int_eq(seq.n_tokens, n_start);
        write_position((float[]) { 0, 0, 0 });
        repair_atom(1, 0);
        write_position((float[]) { 1, 1, 1 });
        ck_assert_int_eq(repair_atom(1, 1), 1);
    }
    ck_assert_int_eq(seq.done, CG_SEQUENCE_GIVEN_UP);
    ck_assert_int_eq(repair_state.counts.restarts, 1);
    ck_assert_int_eq(repair_state.counts.moved, 0);
    finish();
    made_finish();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("repair");
    TCase *tc = tcase_create("repair");
    SRunner *sr;
    int failed;

    tcase_set_timeout(tc, 120); /* a block on the host is slow */
    tcase_add_test(tc, atoms_that_pass_are_kept);
    tcase_add_test(tc, without_repair_nothing_changes);
    tcase_add_loop_test(tc, a_failing_atom_is_rewritten, 0, 2);
    tcase_add_test(tc, earlier_atoms_move_if_necessary);
    tcase_add_test(tc, a_wrong_configuration_is_rewritten);
    tcase_add_test(tc, the_first_centre_is_mirrored);
    tcase_add_test(tc, earlier_atoms_are_mirrored);
    tcase_add_test(tc, a_mirrored_atom_is_relaxed);
    tcase_add_test(tc, a_later_centre_is_reflected);
    tcase_add_test(tc, a_double_bond_is_rotated);
    tcase_add_loop_test(tc, impossible_bounds_are_given_up, 0, 4);
    tcase_add_test(tc, a_position_without_a_text);
    tcase_add_test(tc, a_number_without_a_path_is_recorded);
    tcase_add_test(tc, a_rewrite_ends_at_the_token_limit);
    tcase_add_test(tc, slots_are_reused);
    tcase_add_loop_test(tc, chains_are_repaired_in_numbers_of_every_kind, 0, MADE_KINDS);
    tcase_add_test(tc, a_neighbouring_cell_is_taken);
    tcase_add_test(tc, numbers_too_coarse_are_given_up);
    suite_add_tcase(s, tc);
#ifdef BLOCK
    tcase_add_checked_fixture(tc, one_slot, NULL);
    tc = tcase_create("several slots");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, several_slots, NULL);
    tcase_add_test(tc, without_repair_nothing_changes);
    tcase_add_loop_test(tc, a_failing_atom_is_rewritten, 0, 2);
    tcase_add_test(tc, a_mirrored_atom_is_relaxed);
    tcase_add_test(tc, a_position_without_a_text);
    suite_add_tcase(s, tc);
#endif
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    free(m.memory);
    return failed != 0;
}
