/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>

#include "sequence/automaton.h"

/*
 * A number of an optional sign and two digits: state 0 allows '-' (10) or a digit (20, 21); state 1
 * a digit; state 2 forces '.' (30) and leads to state 3, which ends the field with 40 or 41. Two
 * fields, one per atom; forced tokens [1 2] | [3] | [4 5].
 */
static const int32_t row[] = { 0, 3, 5, 6, 8 };
static const int32_t token[] = { 10, 20, 21, 20, 21, 30, 40, 41 };
static const int32_t next[] = { 1, 2, 2, 2, 2, 3, CG_EXIT, CG_EXIT };
static const int32_t head_row[] = { 0, 1, 2, 1, 2, -1, 3, 4 };
static const cg_automaton automaton = {
    .row = row, .token = token, .next = next, .head_row = head_row
};
static const int32_t entry[] = { 0, 2 }; /* the second field starts with the forced '.' */
static const int32_t forced_start[] = { 0, 2, 3, 5 };
static const int32_t forced_token[] = { 1, 2, 3, 4, 5 };
static const cg_program program = { .n_fields = 2,
                                    .fields_per_atom = 1,
                                    .entry = entry,
                                    .forced_start = forced_start,
                                    .forced_token = forced_token };

static int32_t tokens[32];
static cg_atom_mark marks[2];

static cg_sequence begin(int32_t n_prompt, int32_t limit)
{
    cg_sequence seq = { .n_tokens = n_prompt, .limit = limit };

    cg_sequence_begin(&seq, &program, &automaton, tokens, marks);
    return seq;
}

static void expect(const cg_sequence *seq, const int32_t *want, int32_t n)
{
    ck_assert_int_eq(seq->n_tokens, n);
    for (int32_t i = 0; i < n; i++)
        ck_assert_msg(tokens[i] == want[i], "token %d is %d, wanted %d", i, tokens[i], want[i]);
}

START_TEST(forced_tokens_are_appended)
{
    cg_sequence seq;

    tokens[0] = 99;
    seq = begin(1, 32);
    expect(&seq, (int32_t[]) { 99, 1, 2 }, 3);
    ck_assert_int_eq(seq.state, 0);
    ck_assert_int_eq(marks[0].n_tokens, 3);
    cg_sequence_advance(&seq, &program, &automaton, 0, tokens, marks); /* '-' */
    expect(&seq, (int32_t[]) { 99, 1, 2, 10 }, 4);
    ck_assert_int_eq(seq.state, 1);
    cg_sequence_advance(&seq, &program, &automaton, 4, tokens, marks); /* 21, forced 30 */
    expect(&seq, (int32_t[]) { 99, 1, 2, 10, 21, 30 }, 6);
    ck_assert_int_eq(seq.state, 3);
    /* 40 ends the field: forced token 3 and the forced '.' of the next field follow */
    cg_sequence_advance(&seq, &program, &automaton, 6, tokens, marks);
    expect(&seq, (int32_t[]) { 99, 1, 2, 10, 21, 30, 40, 3, 30 }, 9);
    ck_assert_int_eq(seq.field, 1);
    ck_assert_int_eq(marks[1].n_tokens, 9);
    ck_assert_int_eq(seq.done, CG_SEQUENCE_RUNNING);
    cg_sequence_advance(&seq, &program, &automaton, 7, tokens, marks);
    expect(&seq, (int32_t[]) { 99, 1, 2, 10, 21, 30, 40, 3, 30, 41, 4, 5 }, 12);
    ck_assert_int_eq(seq.done, CG_SEQUENCE_COMPLETE);
}
END_TEST

START_TEST(the_limit_ends_a_sequence_unfinished)
{
    cg_sequence seq = begin(0, _i);

    for (int guard = 0; !seq.done; guard++) {
        ck_assert_int_lt(guard, 20);
        cg_sequence_advance(&seq, &program, &automaton, row[seq.state], tokens, marks);
    }
    /* '-' 20 30 40: the longest path is 11 tokens */
    ck_assert_int_eq(seq.done, _i < 11 ? CG_SEQUENCE_UNFINISHED : CG_SEQUENCE_COMPLETE);
    ck_assert_int_le(seq.n_tokens, _i);
}
END_TEST

START_TEST(roll_back_restores_the_atom)
{
    cg_sequence seq = begin(0, 32), at_atom1;

    cg_sequence_advance(&seq, &program, &automaton, 1, tokens, marks);
    cg_sequence_advance(&seq, &program, &automaton, 6, tokens, marks);
    at_atom1 = seq;
    seq.n_kv = seq.n_tokens;
    seq.is_mirrored = 1;
    cg_sequence_advance(&seq, &program, &automaton, 7, tokens, marks);
    ck_assert_int_eq(seq.done, CG_SEQUENCE_COMPLETE);

    cg_sequence_roll_back(&seq, &program, &automaton, 1, marks);
    ck_assert_int_eq(seq.n_tokens, at_atom1.n_tokens);
    ck_assert_int_eq(seq.n_kv, at_atom1.n_tokens - 1);
    ck_assert_int_eq(seq.field, 1);
    ck_assert_int_eq(seq.state, at_atom1.state);
    ck_assert_int_eq(seq.done, CG_SEQUENCE_RUNNING);
    ck_assert_int_eq(seq.attempt, 1);
    ck_assert_int_eq(seq.n_sampled, at_atom1.n_sampled);
    ck_assert_int_eq(seq.is_mirrored, 1);

    cg_sequence_roll_back(&seq, &program, &automaton, 0, marks);
    ck_assert_int_eq(seq.n_tokens, 2);
    ck_assert_int_eq(seq.state, 0);
    ck_assert_int_eq(seq.attempt, 2);
    ck_assert_int_eq(seq.is_mirrored, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("automaton");
    TCase *tc = tcase_create("runner");
    SRunner *sr;
    int failed;

    tcase_add_test(tc, forced_tokens_are_appended);
    tcase_add_loop_test(tc, the_limit_ends_a_sequence_unfinished, 0, 14);
    tcase_add_test(tc, roll_back_restores_the_atom);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
