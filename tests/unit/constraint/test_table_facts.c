/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "constraint/checked_constraint.h"
#include "constraint/table_facts.h"

/*
 * The number of an optional sign and two digits of test_automaton.c: state 0 allows '-' (10) or a
 * digit (20, 21); state 1 a digit; state 2 forces '.' (30) and leads to state 3, which ends the
 * field with 40 or 41. Two fields, one per atom; forced tokens [1 2] | [3] | [4 5]. Behind these
 * states, two that only other programs use: state 4 allows 20 and 40 and leads to 3 and 5, state 5
 * forces 41 and the exit.
 */
enum { STATES = 4, TRANSITIONS = 8, HEAD_ROWS = 5, ALL_STATES = 6, UNUSED = 50, VOCABULARY = 60 };

struct made {
    int32_t row[ALL_STATES + 1], token[11], next[11], head_row[11], head_token[HEAD_ROWS];
    int32_t entry[6], forced_start[8], forced_token[5];
    cg_automaton automaton;
    cg_program program;
    int32_t n_atoms;
};

static const struct made correct = {
    .row = { 0, 3, 5, 6, 8, 10, 11 },
    .token = { 10, 20, 21, 20, 21, 30, 40, 41, 20, 40, 41 },
    .next = { 1, 2, 2, 2, 2, 3, CG_EXIT, CG_EXIT, 3, 5, CG_EXIT },
    .head_row = { 0, 1, 2, 1, 2, -1, 3, 4, 1, 3, -1 },
    .head_token = { 10, 20, 21, 40, 41 },
    .entry = { 0, 2 },
    .forced_start = { 0, 2, 3, 5 },
    .forced_token = { 1, 2, 3, 4, 5 },
    .n_atoms = 2,
};
static struct made made;
static cg_table_facts facts;
static cg_error err;

static const char *token_bytes(const void *ctx, int32_t id, uint32_t *ret_len, int32_t *ret_special)
{
    (void)ctx;
    *ret_len = 1;
    *ret_special = 0;
    return id == UNUSED ? NULL : "x";
}

static const cg_vocabulary vocabulary = { CG_SIZED(cg_vocabulary), .n_tokens = VOCABULARY,
                                          .token = token_bytes };

static void setup(void)
{
    cg_table_facts_finish(&facts); /* of an earlier part of the test */
    made = correct;
    made.automaton = (cg_automaton) {
        CG_SIZED(cg_automaton),
        .capacity_states = ALL_STATES,
        .capacity_transitions = 11,
        .capacity_head_rows = HEAD_ROWS,
        .row = made.row,
        .token = made.token,
        .next = made.next,
        .head_row = made.head_row,
        .head_token = made.head_token,
    };
    made.program = (cg_program) {
        CG_SIZED(cg_program),
        .n_fields = 2,
        .n_states = STATES,
        .n_transitions = TRANSITIONS,
        .n_head_rows = HEAD_ROWS,
        .max_tokens = 11, /* 5 forced ones; 4 tokens from state 0 and 2 from state 2 */
        .fields_per_atom = 1,
        .entry = made.entry,
        .forced_start = made.forced_start,
        .forced_token = made.forced_token,
    };
    facts = (cg_table_facts) { .automaton = &made.automaton, .vocabulary = &vocabulary };
    err = (cg_error)CG_ERROR_INIT;
}

static void teardown(void)
{
    cg_table_facts_finish(&facts);
}

static cg_status check(void)
{
    cg_status st = cg_check_automaton(&made.automaton, &err);

    return st == CG_OK ? cg_check_program(&facts, &made.program, made.n_atoms, &err) : st;
}

START_TEST(correct_tables_pass)
{
    ck_assert_msg(check() == CG_OK, "%s", err.msg);
    ck_assert_int_eq(facts.n_states, STATES);
    ck_assert_int_eq(facts.longest[0], 4);
    ck_assert_int_eq(facts.longest[1], 3);
    ck_assert_int_eq(facts.longest[2], 2);
    ck_assert_int_eq(facts.longest[3], 1);
    /* a longer bound, three fields to an atom, fields of several atoms */
    made.program.max_tokens = 100;
    ck_assert_int_eq(check(), CG_OK);
    made.program.fields_per_atom = 0;
    made.program.max_tokens = 7;
    ck_assert_int_eq(check(), CG_OK);
    made.program.n_fields = 6;
    made.program.fields_per_atom = 3;
    made.program.max_tokens = 100;
    memset(made.entry, 0, sizeof made.entry);
    memset(made.forced_start, 0, sizeof made.forced_start);
    ck_assert_msg(check() == CG_OK, "%s", err.msg);
    made.program.forced_token = NULL;
    ck_assert_msg(check() == CG_OK, "%s", err.msg);
}
END_TEST

START_TEST(states_are_checked_once)
{
    struct made before;

    ck_assert_int_eq(check(), CG_OK);
    before = made;
    made.next[0] = 99; /* not seen: state 0 has been checked */
    made.program.n_states = ALL_STATES;
    made.program.n_transitions = 11;
    ck_assert_msg(check() == CG_OK, "%s", err.msg);
    ck_assert_int_eq(facts.n_states, ALL_STATES);
    ck_assert_int_eq(facts.longest[4], 2);
    made = before; /* the shorter program is still complete without the new states */
    ck_assert_int_eq(check(), CG_OK);
}
END_TEST

START_TEST(new_states_may_lead_to_themselves_if_fields_have_no_bound)
{
    made.next[8] = 4; /* 4 -> 4 */
    made.program.n_states = ALL_STATES;
    made.program.n_transitions = 11;
    made.entry[1] = 4;
    ck_assert_int_eq(check(), CG_ERR_PLUGIN);
    ck_assert_ptr_nonnull(strstr(err.msg, "paths of any length, wanted no cycle"));
    ck_assert_int_eq(facts.longest[4], CG_NO_BOUND);
    ck_assert_int_eq(facts.longest[5], 1);
    made.program.fields_per_atom = 0;
    ck_assert_int_eq(check(), CG_OK);
    made.program.fields_per_atom = 1; /* no field of this program comes to the cycle */
    made.entry[1] = 0;
    made.program.max_tokens = 13;
    ck_assert_msg(check() == CG_OK, "%s", err.msg);
}
END_TEST

START_TEST(a_program_without_states_passes)
{
    made.program.n_states = made.program.n_transitions = made.program.n_head_rows = 0;
    made.program.n_fields = 0;
    made.program.fields_per_atom = 0;
    made.program.entry = NULL;
    made.program.max_tokens = 2;
    ck_assert_msg(check() == CG_OK, "%s", err.msg);
    setup();
    ck_assert_int_eq(check(), CG_OK);
}
END_TEST

/* Every violation: a change, and the text. */
static const struct violation {
    size_t offset; /* of an int32_t of struct made */
    int32_t value;
    const char *text;
} violations[] = {
#define AT(member) offsetof(struct made, member)
    { AT(automaton.struct_size), 16, "cg_automaton: found struct_size 16, wanted at least 56" },
    { AT(automaton.capacity_states), -1,
      "found capacities of -1 states, 11 transitions and 5 head rows, wanted 0 to 2147483646 "
      "each" },
    { AT(automaton.capacity_transitions), 7,
      "program: found 4 states, 8 transitions and 5 head rows, wanted at most 6, 7 and 5, the "
      "capacities" },
    { AT(program.struct_size), 20, "cg_program: found struct_size 20, wanted at least 56" },
    { AT(program.n_fields), -1, "program: found -1 fields, wanted 0 to 2147483645" },
    { AT(program.n_states), 7,
      "program: found 7 states, 8 transitions and 5 head rows, wanted at most 6, 11 and 5, the "
      "capacities" },
    { AT(program.n_states), 2,
      "state 0: found transition 1 to state 2, wanted one of 0 to 1 or CG_EXIT" },
    { AT(program.n_transitions), 7,
      "state 3: found transitions 6 to 7, wanted at least one, from the end of the state before "
      "it, among 7" },
    { AT(program.n_head_rows), -2,
      "program: found 4 states, 8 transitions and -2 head rows, wanted at most 6, 11 and 5, the "
      "capacities" },
    { AT(program.n_head_rows), 4, "state 3: found head row 4 for token 41, wanted one of 0 to 3" },
    { AT(row[0]), 1,
      "state 0: found transitions 1 to 2, wanted at least one, from the end of the state before "
      "it, among 8" },
    { AT(row[1]), 0,
      "state 0: found transitions 0 to -1, wanted at least one, from the end of the state before "
      "it, among 8" },
    { AT(row[2]), 1000000000,
      "state 1: found transitions 3 to 999999999, wanted at least one, from the end of the state "
      "before it, among 8" },
    { AT(row[2]), -5,
      "state 1: found transitions 3 to -6, wanted at least one, from the end of the state before "
      "it, among 8" },
    { AT(token[0]), -1, "state 0: found token -1, wanted 0 to 59" },
    { AT(token[7]), 60, "state 3: found token 60, wanted 0 to 59" },
    { AT(token[7]), 50, "state 3: found token 50, an unused id, wanted a token of the vocabulary" },
    { AT(token[1]), 10, "state 0: found token 10 behind token 10, wanted ascending tokens" },
    { AT(token[4]), 5, "state 1: found token 5 behind token 20, wanted ascending tokens" },
    { AT(next[4]), 1000000000,
      "state 1: found transition 1 to state 1000000000, wanted one of 0 to 3 or CG_EXIT" },
    { AT(next[4]), -2, "state 1: found transition 1 to state -2, wanted one of 0 to 3 or CG_EXIT" },
    { AT(head_row[5]), 0, "state 2: found head row 0 for its only token, wanted -1" },
    { AT(head_row[3]), -1, "state 1: found head row -1 for token 20, wanted one of 0 to 4" },
    { AT(head_row[3]), 2,
      "state 1: found head row 2, of token 21, for token 20, wanted that token's row" },
    { AT(head_token[4]), 1 << 30, "head row 4: found token 1073741824, wanted 0 to 59" },
    { AT(next[5]), 2, "state 0: found no path to CG_EXIT, wanted one from every state" },
    { AT(entry[1]), 4, "field 1: found entry state 4, wanted one of 0 to 3" },
    { AT(entry[0]), -1, "field 0: found entry state -1, wanted one of 0 to 3" },
    { AT(row[4]), 7, "state 3: found head row 3 for its only token, wanted -1" },
    { AT(forced_start[0]), -3, "program: found forced_start[0] -3, wanted 0" },
    { AT(forced_start[2]), 1,
      "program: found forced tokens 1 from 2 to 1, wanted an end that is not before the start" },
    { AT(forced_token[2]), -7, "forced token 2: found token -7, wanted 0 to 59" },
    { AT(forced_token[4]), 50,
      "forced token 4: found token 50, an unused id, wanted a token of the vocabulary" },
    { AT(program.max_tokens), 10,
      "program: found max_tokens 10, wanted at least 11, the longest sequence" },
    { AT(program.fields_per_atom), 2,
      "program: found 2 fields per atom (fields_per_atom), wanted 3, 1 or 0" },
    { AT(program.fields_per_atom), -1,
      "program: found -1 fields per atom (fields_per_atom), wanted 3, 1 or 0" },
    { AT(program.fields_per_atom), 3,
      "program: found 2 fields, 3 per atom (fields_per_atom), of 2 atoms: wanted 6" },
    { AT(n_atoms), 3,
      "program: found 2 fields, 1 per atom (fields_per_atom), of 3 atoms: wanted 3" },
};

START_TEST(a_violation_is_named)
{
    const struct violation *v = &violations[_i];

    memcpy((char *)&made + v->offset, &v->value, sizeof v->value);
    ck_assert_int_eq(check(), CG_ERR_PLUGIN);
    ck_assert_str_eq(err.msg, v->text);
    ck_assert_int_eq(err.code, CG_ERR_PLUGIN);
}
END_TEST

START_TEST(a_missing_array_is_named)
{
    made.automaton.next = NULL;
    ck_assert_int_eq(check(), CG_ERR_PLUGIN);
    ck_assert_str_eq(err.msg, "found NULL for a table of the automaton, wanted row, token, next, "
                              "head_row and head_token");
    setup();
    made.program.entry = NULL;
    ck_assert_int_eq(check(), CG_ERR_PLUGIN);
    ck_assert_str_eq(err.msg, "program: found NULL for entry or forced_start, wanted arrays");
    setup();
    made.program.forced_token = NULL;
    ck_assert_int_eq(check(), CG_ERR_PLUGIN);
    ck_assert_str_eq(err.msg, "program: found NULL for forced_token, wanted 5 tokens");
    ck_assert_int_eq(cg_check_automaton(NULL, &err), CG_ERR_PLUGIN);
    ck_assert_str_eq(err.msg, "automaton() returned NULL, wanted tables");
    setup();
    made.program.fields_per_atom = 0;
    made.program.max_tokens = 6;
    ck_assert_int_eq(check(), CG_ERR_PLUGIN);
    ck_assert_str_eq(err.msg,
                     "program: found max_tokens 6, wanted at least 7, the shortest sequence");
}
END_TEST

/* Field 1, from the forced state 2 on, has a choice in state 3; from state 5 on it has none. */
START_TEST(the_first_field_of_an_atom_has_a_choice)
{
    made.program.n_states = ALL_STATES;
    made.program.n_transitions = 11;
    made.entry[1] = 5;
    ck_assert_int_eq(check(), CG_ERR_PLUGIN);
    ck_assert_str_eq(err.msg,
                     "field 1: found an only path from state 5 to CG_EXIT, wanted a choice "
                     "in an atom's first field");
    made.program.fields_per_atom = 0;
    ck_assert_msg(check() == CG_OK, "%s", err.msg);
    made.program.fields_per_atom = 3; /* the second field of an atom */
    made.program.n_fields = 3;
    made.n_atoms = 1;
    made.entry[2] = 0;
    memset(made.forced_start, 0, sizeof made.forced_start);
    ck_assert_msg(check() == CG_OK, "%s", err.msg);
}
END_TEST

/* A program that ends before the states which its own lead to, compiled after a longer one. */
START_TEST(a_program_has_all_states_that_it_leads_to)
{
    made.program.n_states = ALL_STATES;
    made.program.n_transitions = 11;
    ck_assert_int_eq(check(), CG_OK);
    made.program.n_states = 5; /* state 4 leads to state 5 */
    ck_assert_int_eq(check(), CG_ERR_PLUGIN);
    ck_assert_str_eq(err.msg, "program: found 5 states, 11 transitions and 5 head rows, wanted at "
                              "least 6, 10 and 5, which these states lead to");
    made.program.n_states = ALL_STATES;
    made.program.n_transitions = 10;
    ck_assert_int_eq(check(), CG_ERR_PLUGIN);
    made.program.n_transitions = 11;
    made.program.n_head_rows = 4;
    ck_assert_int_eq(check(), CG_ERR_PLUGIN);
    made.program.n_head_rows = HEAD_ROWS;
    ck_assert_int_eq(check(), CG_OK);
}
END_TEST

/* ---- a constraint in use ------------------------------------------------------------------- */

static int32_t released;
static cg_status compile_status;
static const char *compile_text;

static const cg_automaton *get_automaton(const void *self)
{
    (void)self;
    return &made.automaton;
}

static cg_status compile(void *self, const cg_literals *text, cg_program **ret_program,
                         cg_error *why)
{
    (void)self;
    (void)text;
    *ret_program = made.program.n_states == 1 ? NULL : &made.program;
    if (compile_text)
        snprintf(why->msg, sizeof why->msg, "%s", compile_text);
    why->code = compile_status;
    return compile_status;
}

static void release(void *self, cg_program *program)
{
    (void)self;
    released += program != NULL;
}

static const cg_constraint_ops ops = { CG_SIZED(cg_constraint_ops), .automaton = get_automaton,
                                       .compile = compile, .release = release };

START_TEST(failures_of_compile)
{
    static const struct {
        cg_status st, want;
        const char *text, *message;
    } cases[] = {
        { CG_ERR_LIMIT, CG_ERR_LIMIT, "too long", "constraint 'b20': too long" },
        { CG_ERR_UNSUPPORTED, CG_ERR_UNSUPPORTED, "no rings", "constraint 'b20': no rings" },
        { CG_ERR_NOMEM, CG_ERR_NOMEM, "no memory", "constraint 'b20': no memory" },
        { CG_ERR_INTERNAL, CG_ERR_PLUGIN, "oops", "constraint 'b20': oops" },
        { CG_ERR_INPUT, CG_ERR_PLUGIN, NULL, "constraint 'b20': failed without a reason" },
        { -77, CG_ERR_PLUGIN, NULL, "constraint 'b20': failed without a reason" },
    };
    cg_literals text = { CG_SIZED(cg_literals), .n_atoms = 2 };
    cg_checked_constraint *c = NULL;
    cg_program *p = NULL;
    int32_t self;

    ck_assert_int_eq(cg_checked_constraint_create("b20", &ops, &self, &vocabulary, &c, &err),
                     CG_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        compile_status = cases[i].st;
        compile_text = cases[i].text;
        ck_assert_int_eq(cg_checked_constraint_compile(c, &text, &p, &err), cases[i].want);
        ck_assert_msg(strstr(err.msg, cases[i].message) == err.msg, "%s", err.msg);
        ck_assert_ptr_null(p);
    }
    compile_status = CG_OK;
    compile_text = NULL;
    cg_checked_constraint_destroy(c);
}
END_TEST

START_TEST(a_program_in_violation_is_released)
{
    cg_literals text = { CG_SIZED(cg_literals), .n_atoms = 2 };
    cg_checked_constraint *c = NULL;
    cg_program *p = NULL;
    int32_t self;

    ck_assert_int_eq(cg_checked_constraint_create("b20", &ops, &self, &vocabulary, &c, &err),
                     CG_OK);
    made.next[2] = 1000000000;
    ck_assert_int_eq(cg_checked_constraint_compile(c, &text, &p, &err), CG_ERR_PLUGIN);
    ck_assert_str_eq(err.msg, "constraint 'b20': state 0: found transition 2 to state 1000000000, "
                              "wanted one of 0 to 3 or CG_EXIT: the plugin violates its contract");
    ck_assert_ptr_null(p);
    ck_assert_int_eq(released, 1);
    made.next[2] = 2;
    ck_assert_msg(cg_checked_constraint_compile(c, &text, &p, &err) == CG_OK, "%s", err.msg);
    ck_assert_ptr_eq(p, &made.program);
    cg_checked_constraint_release(c, p);
    ck_assert_int_eq(released, 2);
    made.program.n_states = 1;
    ck_assert_int_eq(cg_checked_constraint_compile(c, &text, &p, &err), CG_ERR_PLUGIN);
    ck_assert_str_eq(err.msg, "constraint 'b20': compile() succeeded without a program: the plugin "
                              "violates its contract");
    cg_checked_constraint_destroy(c);
    made.automaton.row = NULL;
    ck_assert_int_eq(cg_checked_constraint_create("b20", &ops, &self, &vocabulary, &c, &err),
                     CG_ERR_PLUGIN);
    ck_assert_ptr_nonnull(strstr(err.msg, "constraint 'b20': found NULL for a table"));
    ck_assert_int_eq(cg_checked_constraint_create("b20", &ops, NULL, &vocabulary, &c, &err),
                     CG_ERR_PLUGIN);
    ck_assert_ptr_nonnull(strstr(err.msg, "create() succeeded without an object"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("table_facts");
    TCase *tc = tcase_create("table_facts");
    SRunner *sr;
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, correct_tables_pass);
    tcase_add_test(tc, states_are_checked_once);
    tcase_add_test(tc, new_states_may_lead_to_themselves_if_fields_have_no_bound);
    tcase_add_test(tc, a_program_without_states_passes);
    tcase_add_loop_test(tc, a_violation_is_named, 0,
                        (int)(sizeof violations / sizeof violations[0]));
    tcase_add_test(tc, a_missing_array_is_named);
    tcase_add_test(tc, the_first_field_of_an_atom_has_a_choice);
    tcase_add_test(tc, a_program_has_all_states_that_it_leads_to);
    tcase_add_test(tc, failures_of_compile);
    tcase_add_test(tc, a_program_in_violation_is_released);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
