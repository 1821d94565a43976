/* SPDX-License-Identifier: MIT */
/* Reading atoms back from their tokens, testing them, restarting a sequence. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "geometry_made.h"
#include "sequence/token_number.h"

static uint32_t random_state;

static uint32_t below(uint32_t n)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)(random_state >> 8) * n >> 24);
}

static float uniform(float low, float high)
{
    return low + (high - low) * (float)below(1 << 20) / (1 << 20);
}

/* ---- reading ------------------------------------------------------------------------------ */

enum { MAX_PIECES = 64 };

/* Any number of decimals. */
static const cg_conformer_format any_decimals = {
    .open = "<",
    .separator = ",",
    .close = ">",
    .number = { .max_integer_digits = 4, .decimals = 6, .strip_zeros = 1 },
};

/* Reads an atom whose token i is pieces[i]. */
static int read_pieces(const char *const *pieces, float xyz[3])
{
    cg_token_number token_numbers[MAX_PIECES];
    int32_t tokens[MAX_PIECES], n = 0;

    for (; n < MAX_PIECES && pieces[n]; n++) {
        tokens[n] = n;
        token_numbers[n] = cg_token_number_of(&any_decimals, pieces[n], strlen(pieces[n]));
    }
    return cg_geometry_read_xyz(tokens, n, token_numbers, &any_decimals.number, 0, xyz);
}

static const struct {
    const char *pieces[MAX_PIECES];
    float xyz[3];
} atoms[] = {
    /* default model: ",-12." is one token up to 19, three decimals are one token */
    { { "0.", "000", ",-0.", "000", ",0.", "000" }, { 0, 0, 0 } },
    { { "-12.", "345", ",-12.", "004", ",", "99.", "999" }, { -12.345f, -12.004f, 99.999f } },
    { { ">[13CH3]<", "7.", "100", ",-3.", "020", ",0.", "005", ">[O]<" },
      { 7.1f, -3.02f, 0.005f } },
    { { "[2H]<", "-2.", "000", ",2.", "000", ",2.", "500" }, { -2, 2, 2.5f } },
    /* Qwen3: one token per digit, brackets and signs together */
    {
        { "]<-", "1",  ".",  "2",   "3", "4", "5", ",", "0", ".", "0",  "0",
          "0",   "1",  ",-", "1",   "2", ".", "9", "9", "9", "9", ">[", "1",
          "3",   "CH", "3",  "]<-", "5", ".", "0", "0", "0", "0" },
        { -1.2345f, 0.0001f, -12.9999f } },
    { { "]<", "9", "9", ".", "9", "9", "9", "9", ",-", "9", "9", ".",  "9", "9",
        "9",  "9", ",", "1", "0", ".", "0", "1", "0",  "0", ">", "[O", "]", "<" },
      { 99.9999f, -99.9999f, 10.01f } },
    /* Llama-3: three digits per token */
    { { "]<-", "1", ".", "234", "5", ",-", "12", ".", "999", "9", ",", "0", ".", "000", "5", ">[" },
      { -1.2345f, -12.9999f, 0.0005f } },
    /* one token for the text before the number, with the sign or more */
    { { ">[O]<-", "1.", "5", ",-", "2.", "25", ",", "3", ".", "125", ">" },
      { -1.5f, -2.25f, 3.125f } },
    { { ">[O]<-1.", "5", ",-2.", "25", ",3.", "125", ">" }, { -1.5f, -2.25f, 3.125f } },
    /* characters of the bracket are not sign, point or digit of the number */
    { { "-]<", "1", ".", "5", ",", "2.", "5", ",", "3.", "5" }, { 1.5f, 2.5f, 3.5f } },
    { { "-]", "<", "1", ".", "5", ",", "2.", "5", ",", "3.", "5" }, { 1.5f, 2.5f, 3.5f } },
    { { "-", "]", "<-", "1", ".", "5", ",", "2.", "5", ",", "3.", "5" }, { -1.5f, 2.5f, 3.5f } },
    { { ">.", "[", "2", "H", "]<", "1", ".", "25", ",2.", "5", ",3.", "5" },
      { 1.25f, 2.5f, 3.5f } },
    { { ">1.", "[Na", "+]<-", "1", ".", "25", ",2.", "5", ",3.", "5" }, { -1.25f, 2.5f, 3.5f } },
    /* formats of other models: four digits and five decimals; no decimals */
    { { "<", "-", "1234.", "56789", ",1234", ".", "00001", ",0.", "00000", ">" },
      { -1234.56789f, 1234.00001f, 0 } },
    { { "<", "12", ",-", "7", ",", "0", ">" }, { 12, -7, 0 } },
};

START_TEST(atoms_are_read_back)
{
    float xyz[3] = { NAN, NAN, NAN };

    ck_assert_int_eq(read_pieces(atoms[_i].pieces, xyz), 1);
    for (int k = 0; k < 3; k++)
        ck_assert_msg(fabsf(xyz[k] - atoms[_i].xyz[k]) <= 3e-7f * fmaxf(1, fabsf(atoms[_i].xyz[k])),
                      "number %d: %.7f, wanted %.7f", k, (double)xyz[k], (double)atoms[_i].xyz[k]);
}
END_TEST

static const char *const no_atoms[][MAX_PIECES] = {
    { NULL },
    { "<", "1.", "000", ">" },
    { "<", "1.", "000", ",2.", "000", ">" },
    { ",", ",", ",", ",", ",", "," },
    { "<", "1.", "000", "0000", ",2.", "000", ",3.", "000" }, /* too many decimals */
};

START_TEST(incomplete_atoms_are_refused)
{
    float xyz[3] = { NAN, NAN, NAN };

    ck_assert_int_eq(read_pieces(no_atoms[_i], xyz), 0);
    for (int k = 0; k < 3; k++) /* repair starts from these coordinates */
        ck_assert(isfinite(xyz[k]));
}
END_TEST

/* Cuts a text at random; always after decimals, and before them if `wide`. */
static int cut(const char *text, int wide, char buffer[], const char *pieces[MAX_PIECES])
{
    int n = 0, decimals = 0;

    for (const char *p = text; *p; p++) {
        int starts = p == text || below(2) || ((*p == ',' || *p == '>') && decimals) ||
                     (wide && p[-1] == '.');

        if (starts && p != text)
            *buffer++ = '\0';
        if (starts)
            pieces[n++] = buffer;
        *buffer++ = *p;
        decimals = *p == '.' || (decimals && *p >= '0' && *p <= '9');
    }
    *buffer = '\0';
    pieces[n] = NULL;
    return n;
}

START_TEST(numbers_may_be_cut_anywhere)
{
    static const char *const texts[] = {
        "<0.000,0.000,0.000>[O]<1.000,",     "]<-1.234,10.065,-99.999>",
        ">[O-]<12.0005,-0.0000,-98.7654>1",  "[13CH3]<-0.0001,0.1000,99.9999>=[C]<-",
        "<5.25,-5.5,0.125>[2H]<1.0,2.0,3.0", "<-1234.56789,0.00001,4.50000>)",
    };
    char buffer[2 * MAX_PIECES];
    const char *pieces[MAX_PIECES];

    for (int round = 0; round < 3000; round++) {
        const char *text = texts[below(sizeof texts / sizeof *texts)];
        const char *at = strchr(text, '<') + 1;
        float xyz[3];
        char *end;
        int n = cut(text, strstr(text, "1234") != NULL, buffer, pieces);

        ck_assert_int_le(n, MAX_PIECES);
        ck_assert_msg(read_pieces(pieces, xyz), "round %d: %s", round, text);
        for (int k = 0; k < 3; k++, at = end + 1) {
            float want = strtof(at, &end);

            ck_assert_msg(fabsf(xyz[k] - want) <= 3e-7f * fmaxf(1, fabsf(want)),
                          "round %d: %s: number %d: %.7f, wanted %.7f", round, text, k,
                          (double)xyz[k], (double)want);
        }
    }
}
END_TEST

/* ---- testing ------------------------------------------------------------------------------ */

enum { MAX_ATOMS = 48, MAX_TESTS = 200 };

/* The arrays are contiguous in their block. */
START_TEST(the_arrays_fill_their_block)
{
    static const int32_t counts[][2] = { { 1, 0 }, { 2, 0 }, { 3, 1 }, { 4, 7 }, { 9, 30 } };

    for (int i = 0; i < 5; i++) {
        int32_t n = counts[i][0], pairs = n * (n - 1) / 2;
        size_t size = cg_geometry_size(n, counts[i][1], 0);
        const char *end;

        make_geometry(n, counts[i][1]);
        ck_assert_ptr_eq(m.tests, m.memory);
        ck_assert_ptr_eq(m.low2, m.tests + counts[i][1]);
        ck_assert_ptr_eq(m.high2, m.low2 + pairs);
        ck_assert_ptr_eq(m.start, m.high2 + pairs);
        ck_assert_ptr_eq(m.cause, m.start + n + 1);
        end = (const char *)m.cause + pairs;
        ck_assert(end <= (const char *)m.memory + size && end + 4 > (const char *)m.memory + size);
        ck_assert_uint_eq(size % sizeof(int32_t), 0); /* copied to a GPU in words */
    }
}
END_TEST

static int32_t fault_of(const float (*xyz)[3], int32_t atom)
{
    return cg_geometry_test_atom(&m.g, xyz, atom, 0, 1);
}

static void expect(int32_t fault, cg_fault_cause cause, int32_t atom)
{
    ck_assert_msg(fault == (cause ? CG_FAULT(cause, atom) : CG_FAULT_NONE), "%s at %d, wanted %s",
                  cg_fault_cause_name((cg_fault_cause)CG_FAULT_CAUSE(fault)), CG_FAULT_ATOM(fault),
                  cg_fault_cause_name(cause));
    ck_assert_int_eq(CG_FAULT_CAUSE(fault), cause);
    if (cause)
        ck_assert_int_eq(CG_FAULT_ATOM(fault), atom);
}

START_TEST(distances)
{
    float xyz[4][3] = { { 0, 0, 0 }, { 1.5f, 0, 0 }, { 2, 1, 0 }, { 0, 0, 9 } };

    make_geometry(4, 0);
    expect(fault_of((const float(*)[3])xyz, 0), CG_CAUSE_NONE, 0); /* no earlier atom */
    set_bounds(1, 0, 1.25f, 1.75f, CG_CAUSE_BOND);
    set_bounds(2, 0, 2, 2.5f, CG_CAUSE_ANGLE);
    set_bounds(3, 0, 3, 9, CG_CAUSE_CLASH);
    set_bounds(3, 1, 3, 100, CG_CAUSE_CLASH);
    set_bounds(3, 2, 3, 100, CG_CAUSE_CLASH);
    for (int i = 0; i < 4; i++)
        expect(fault_of((const float(*)[3])xyz, i), CG_CAUSE_NONE, 0);
    xyz[1][0] = 1.75f; /* bounds are inclusive */
    expect(fault_of((const float(*)[3])xyz, 1), CG_CAUSE_NONE, 0);
    xyz[1][0] = 1.25f;
    expect(fault_of((const float(*)[3])xyz, 1), CG_CAUSE_NONE, 0);
    xyz[1][0] = 1.24f;
    expect(fault_of((const float(*)[3])xyz, 1), CG_CAUSE_BOND, 0);
    xyz[1][0] = 1.76f;
    expect(fault_of((const float(*)[3])xyz, 1), CG_CAUSE_BOND, 0);
    xyz[2][1] = 3;
    expect(fault_of((const float(*)[3])xyz, 2), CG_CAUSE_ANGLE, 0);
    xyz[3][2] = 9.1f;
    expect(fault_of((const float(*)[3])xyz, 3), CG_CAUSE_STRETCHED, 0);
    xyz[3][2] = 1;
    expect(fault_of((const float(*)[3])xyz, 3), CG_CAUSE_CLASH, 0);
    for (int k = 0; k < 3; k++) /* on top of atom 2, and 3.6 Å from atom 0 */
        xyz[3][k] = xyz[2][k];
    expect(fault_of((const float(*)[3])xyz, 3), CG_CAUSE_CLASH, 2);
    set_bounds(3, 1, 4, 100, CG_CAUSE_CLASH); /* the earlier of two atoms */
    expect(fault_of((const float(*)[3])xyz, 3), CG_CAUSE_CLASH, 1);
    set_bounds(3, 2, 1.4f, 1.6f, CG_CAUSE_BOND); /* the cause takes precedence over the atom */
    expect(fault_of((const float(*)[3])xyz, 3), CG_CAUSE_BOND, 2);
}
END_TEST

static void one_test(int32_t kind, cg_fault_cause cause, float low, float high)
{
    make_geometry(4, 1);
    m.tests[0] = (cg_geometry_test) {
        .atom = { 2, 0, 1, 3 }, .kind = kind, .cause = cause, .low = low, .high = high
    };
    m.start[4] = 1; /* atom 3 completes it */
}

START_TEST(volumes_have_a_sign)
{
    float xyz[4][3] = { { 2, 0, 0 }, { 0, 2, 0 }, { 0, 0, 0 }, { 0, 0, 2 } }; /* from atom 2: 8 */

    one_test(CG_TEST_VOLUME, CG_CAUSE_CENTRE, 0.5f, INFINITY);
    expect(fault_of((const float(*)[3])xyz, 3), CG_CAUSE_NONE, 0);
    xyz[3][2] = 0.124f; /* 0.496: nearly flat */
    expect(fault_of((const float(*)[3])xyz, 3), CG_CAUSE_CENTRE, 2);
    xyz[3][2] = 0.126f;
    expect(fault_of((const float(*)[3])xyz, 3), CG_CAUSE_NONE, 0);
    xyz[3][2] = -2;
    expect(fault_of((const float(*)[3])xyz, 3), CG_CAUSE_CENTRE, 2);
    m.tests[0].low = -INFINITY;
    m.tests[0].high = -0.5f;
    expect(fault_of((const float(*)[3])xyz, 3), CG_CAUSE_NONE, 0);
    xyz[3][2] = 2;
    expect(fault_of((const float(*)[3])xyz, 3), CG_CAUSE_CENTRE, 2);
    expect(fault_of((const float(*)[3])xyz, 2), CG_CAUSE_NONE, 0); /* completed only by atom 3 */
}
END_TEST

/* Atoms 2-0-1-3 with a torsion of `angle` about 0-1. */
static void set_torsion(float xyz[4][3], float angle)
{
    const float at[4][3] = { { 0, 0, 0 },
                             { 1.3f, 0, 0 },
                             { -0.7f, 1.2f, 0 },
                             { 2, 1.2f * cosf(angle), 1.2f * sinf(angle) } };

    memcpy(xyz, at, sizeof at);
}

START_TEST(torsions)
{
    static const struct {
        int32_t kind;
        float low, high;
        int first, last; /* degrees that pass, of either sign */
    } tests[] = {
        { CG_TEST_TORSION, 0.9f, INFINITY, 0, 25 },
        { CG_TEST_TORSION, -INFINITY, -0.9f, 155, 180 },
        { CG_TEST_FLAT, 0.9025f, INFINITY, 0, 18 }, /* also from 162 */
    };
    float xyz[4][3];

    for (int i = 0; i < 3; i++) {
        one_test(tests[i].kind, CG_CAUSE_DOUBLE, tests[i].low, tests[i].high);
        for (int degrees = -180; degrees <= 180; degrees++) {
            int size = abs(degrees), flat = tests[i].kind == CG_TEST_FLAT;
            int passes = (size >= tests[i].first && size <= tests[i].last) ||
                         (flat && size >= 180 - tests[i].last);

            set_torsion(xyz, (float)degrees * 3.14159265f / 180);
            expect(fault_of((const float(*)[3])xyz, 3), passes ? CG_CAUSE_NONE : CG_CAUSE_DOUBLE,
                   2);
        }
        set_torsion(xyz, 0);
        memcpy(xyz[3], (float[]) { 2, 0, 0 }, sizeof xyz[3]); /* collinear */
        expect(fault_of((const float(*)[3])xyz, 3), CG_CAUSE_DOUBLE, 2);
        memcpy(xyz[3], xyz[1], sizeof xyz[3]); /* coincident */
        expect(fault_of((const float(*)[3])xyz, 3), CG_CAUSE_DOUBLE, 2);
    }
}
END_TEST

START_TEST(angles)
{
    float xyz[4][3] = { { 1.5F, 0, 0 }, { 0, 0, 0 }, { 7, 7, 7 }, { 0 } };

    for (int bounded = 0; bounded < 2; bounded++) {
        one_test(CG_TEST_ANGLE, CG_CAUSE_ANGLE, bounded ? -0.5F : -INFINITY, 0.5F);
        memcpy(m.tests[0].atom, (int32_t[]) { 0, 1, 3, CG_NO_ATOM }, sizeof m.tests[0].atom);
        for (int degrees = 0; degrees <= 180; degrees += 3) { /* never at a limit */
            float angle = ((float)degrees + 0.5F) * 3.14159265F / 180;
            int passes = degrees >= 60 && (!bounded || degrees < 120);

            xyz[3][0] = 1.2F * cosf(angle);
            xyz[3][1] = 1.2F * sinf(angle);
            expect(fault_of((const float(*)[3])xyz, 3), passes ? CG_CAUSE_NONE : CG_CAUSE_ANGLE, 1);
        }
        memcpy(xyz[3], xyz[1], sizeof xyz[3]); /* coincident */
        expect(fault_of((const float(*)[3])xyz, 3), CG_CAUSE_ANGLE, 1);
    }
}
END_TEST

/* With any number of threads, the minimum of their faults is the fault of the atom. */
START_TEST(threads_share_the_work)
{
    static cg_core_place places[MAX_ATOMS];
    float xyz[MAX_ATOMS][3];
    int faults[CG_CAUSES] = { 0 };

    for (int round = 0; round < 40; round++) {
        int32_t tests = 0;

        make_geometry(MAX_ATOMS, MAX_TESTS);
        for (int32_t i = 0; i < MAX_ATOMS; i++) {
            for (int k = 0; k < 3; k++)
                xyz[i][k] = uniform(-6, 6);
            places[i].is_core = i % 5 < 2;
        }
        m.g.n_core = MAX_ATOMS;
        m.g.core = places;
        memcpy(m.g.core_reference, (int32_t[]) { 0, 1, 5 }, sizeof m.g.core_reference);
        for (int32_t i = 1; i < MAX_ATOMS; i++) {
            for (int32_t j = 0; j < i; j++)
                if (!below(8))
                    set_bounds(i, j, uniform(0, 4), uniform(8, 40),
                               (cg_fault_cause)(CG_CAUSE_BOND + below(3)));
            m.start[i] = tests;
            for (uint32_t t = below(5); i >= 4 && t > 0 && tests < MAX_TESTS; t--)
                m.tests[tests++] = (cg_geometry_test) {
                    .atom = { (int32_t)below((uint32_t)i), i, (int32_t)below((uint32_t)i),
                              (int32_t)below((uint32_t)i) },
                    .kind = (int32_t)below(4),
                    .cause = (int32_t)(CG_CAUSE_CENTRE + below(3)),
                    .low = uniform(-1, 0),
                    .high = uniform(0, 1),
                };
        }
        m.start[MAX_ATOMS] = tests;
        for (int32_t atom = 0; atom < MAX_ATOMS; atom++) {
            int32_t want = fault_of((const float(*)[3])xyz, atom);

            faults[CG_FAULT_CAUSE(want)]++;
            for (int32_t n = 1; n <= 256; n = n < 5 ? n + 1 : n * 2) {
                int32_t least = CG_FAULT_NONE;

                for (int32_t t = n; t-- > 0;) {
                    int32_t mine = cg_geometry_test_atom(&m.g, (const float(*)[3])xyz, atom, t, n);

                    least = mine < least ? mine : least;
                }
                ck_assert_msg(least == want, "round %d, atom %d, %d threads: %#x, wanted %#x",
                              round, atom, n, (unsigned)least, (unsigned)want);
            }
        }
    }
    for (int i = 0; i < CG_CAUSES; i++)
        ck_assert_msg(faults[i] > 0 || i == CG_CAUSE_STRETCHED, "no atom with fault %d", i);
}
END_TEST

/* ---- restart -------------------------------------------------------------------------------- */

/*
 * The automaton of test_automaton.c with three atoms of one number each: an optional sign and two
 * digits. State 0 allows '-' (10) or a digit (20, 21); state 1 a digit; state 2 forces 30 and leads
 * to state 3, which ends the number with 40 or 41. Every atom starts in state 0.
 */
static const int32_t row[] = { 0, 3, 5, 6, 8 };
static const int32_t token[] = { 10, 20, 21, 20, 21, 30, 40, 41 };
static const int32_t next[] = { 1, 2, 2, 2, 2, 3, CG_EXIT, CG_EXIT };
static const int32_t head_row[] = { 0, 1, 2, 1, 2, -1, 3, 4 };
static const cg_automaton automaton = {
    .row = row, .token = token, .next = next, .head_row = head_row
};
static const int32_t entry[] = { 0, 0, 0 };
static const int32_t forced_start[] = { 0, 2, 3, 4, 5 };
static const int32_t forced_token[] = { 1, 2, 3, 4, 5 };
static const cg_program program = { .n_fields = 3,
                                    .fields_per_atom = 1,
                                    .entry = entry,
                                    .forced_start = forced_start,
                                    .forced_token = forced_token };
static int32_t tokens[32];
static cg_atom_mark marks[3];

static cg_sequence begin(void)
{
    cg_sequence seq = { .n_tokens = 0, .limit = 32 };

    cg_sequence_begin(&seq, &program, &automaton, tokens, marks);
    return seq;
}

/* Appends an atom of three tokens, or four with a sign. */
static void append_atom(cg_sequence *seq, int sign)
{
    if (sign)
        cg_sequence_advance(seq, &program, &automaton, 0, tokens, marks);
    cg_sequence_advance(seq, &program, &automaton, sign ? 3 : 1, tokens, marks);
    cg_sequence_advance(seq, &program, &automaton, 6, tokens, marks);
}

START_TEST(a_restart_uses_other_random_numbers)
{
    cg_sequence seq = begin(), first = seq;
    cg_repair_counts r = { .restarts = 0 };

    for (int i = 1; i <= CG_MAX_RESTARTS; i++) {
        int32_t n;

        for (int atom = 0; atom < 1 + i % 3;
             atom++) /* of three: after all, the end is rolled back too */
            append_atom(&seq, i % 2);
        n = seq.n_tokens - first.n_tokens;
        r.wasted = 0;
        cg_sequence_restart(&r, CG_MAX_RESTARTS, &seq, &program, &automaton, marks);
        ck_assert_int_eq(r.restarts, i);
        ck_assert_int_eq(r.wasted, n);
        ck_assert_int_eq(seq.done, CG_SEQUENCE_RUNNING);
        ck_assert_int_eq(seq.attempt, i);
        ck_assert_int_eq(seq.n_tokens, first.n_tokens);
        ck_assert_int_eq(seq.n_sampled, first.n_sampled);
        ck_assert_int_eq(seq.field, first.field);
        ck_assert_int_eq(seq.state, first.state);
    }
    append_atom(&seq, 0);
    cg_sequence_restart(&r, CG_MAX_RESTARTS, &seq, &program, &automaton, marks);
    ck_assert_int_eq(seq.done, CG_SEQUENCE_GIVEN_UP);
    ck_assert_int_eq(r.restarts, CG_MAX_RESTARTS);
}
END_TEST

START_TEST(useless_restarts_are_refused)
{
    cg_sequence seq = begin();
    cg_repair_counts r = { .restarts = 0 };

    ck_assert_int_eq(cg_restart_limit(0), CG_MAX_RESTARTS);
    append_atom(&seq, 0);
    cg_sequence_restart(&r, cg_restart_limit(1), &seq, &program, &automaton, marks);
    ck_assert_int_eq(seq.done, CG_SEQUENCE_GIVEN_UP);
    ck_assert_int_eq(r.restarts, 0);
    seq = begin();
    append_atom(&seq, 0);
    seq.done = CG_SEQUENCE_UNFINISHED; /* the limit would be reached again */
    cg_sequence_restart(&r, CG_MAX_RESTARTS, &seq, &program, &automaton, marks);
    ck_assert_int_eq(seq.done, CG_SEQUENCE_UNFINISHED);
    ck_assert_int_eq(r.restarts, 0);
}
END_TEST

START_TEST(counts_are_printed)
{
    cg_repair_counts r = { .count = { 7, 2, 0, 0, 0, 11, 0, 1 } };
    char text[CG_REPAIR_COUNTS_TEXT], small[8];

    cg_repair_counts_text(&r, text, sizeof text);
    ck_assert_str_eq(text, "bond=2 centre=11 ring=1");
    cg_repair_counts_text(&r, small, sizeof small);
    ck_assert_str_eq(small, "bond=2 ");
    cg_repair_counts_text(&(cg_repair_counts) { .count = { 9 } }, text, sizeof text);
    ck_assert_str_eq(text, "none");
    for (int i = 0; i < CG_CAUSES; i++) /* the longest text */
        r.count[i] = INT32_MAX;
    cg_repair_counts_text(&r, text, sizeof text);
    ck_assert_str_eq(strrchr(text, ' '), " core=2147483647");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("atom tests");
    TCase *tc = tcase_create("atoms");
    SRunner *sr;
    int failed;

    tcase_add_loop_test(tc, atoms_are_read_back, 0, (int)(sizeof atoms / sizeof atoms[0]));
    tcase_add_loop_test(tc, incomplete_atoms_are_refused, 0,
                        (int)(sizeof no_atoms / sizeof no_atoms[0]));
    tcase_add_test(tc, numbers_may_be_cut_anywhere);
    tcase_add_test(tc, the_arrays_fill_their_block);
    tcase_add_test(tc, distances);
    tcase_add_test(tc, volumes_have_a_sign);
    tcase_add_test(tc, torsions);
    tcase_add_test(tc, angles);
    tcase_add_test(tc, threads_share_the_work);
    tcase_add_test(tc, a_restart_uses_other_random_numbers);
    tcase_add_test(tc, useless_restarts_are_refused);
    tcase_add_test(tc, counts_are_printed);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    free(m.memory);
    return failed != 0;
}
