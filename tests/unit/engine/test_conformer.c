/* SPDX-License-Identifier: MIT */
/* Verdicts on a completed sequence: conformer, wrong molecule, parse failure, unfinished. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/conformer.h"

#include "sequence/automaton.h"
#include "format_made.h"

static cg_format_config format = {
    .prompt_open = "[SMILES]",
    .prompt_close = "[/SMILES]",
    .completion_open = "[CONFORMER]",
    .completion_close = "[/CONFORMER]",
    .end = "<|endoftext|>",
};

static cg_tokenizer *tokenizer;
static cg_molecule_template molecule; /* CCO */

static void setup(void)
{
    cg_error err = CG_ERROR_INIT;
    char dir[512];

    snprintf(dir, sizeof dir, "%s/data/confgen-default", getenv("CONFGEN_SOURCE_ROOT"));
    ck_assert_msg(cg_tokenizer_load(dir, &tokenizer, &err) == CG_OK, "%s", err.msg);
    molecule = (cg_molecule_template) { 0 };
    ck_assert_int_eq(cg_molecule_parse("CCO", 3, &molecule.molecule, &err), CG_OK);
    format.conformer = *format_of_decimals(3, 2);
    ck_assert_int_eq(
        cg_enriched_split_molecule(molecule.molecule, &format.conformer, &molecule.split, &err),
        CG_OK);
}

static void teardown(void)
{
    cg_enriched_split_finish(&molecule.split);
    cg_molecule_destroy(molecule.molecule);
    cg_tokenizer_destroy(tokenizer);
}

/* Parses a text, which becomes `wanted`. */
static void check_becomes(const char *text, const char *wanted, int32_t done, int is_mirrored,
                          cg_parsed_conformer *ret)
{
    cg_tokens tokens = CG_TOKENS_INIT;
    cg_error err = CG_ERROR_INIT;
    cg_completion completion;

    ck_assert_int_eq(cg_tokenizer_encode(tokenizer, NULL, text, strlen(text), 0, &tokens, &err),
                     CG_OK);
    completion =
        (cg_completion) { tokens.ids, (int32_t)tokens.n, done, is_mirrored, { .moved = 0 } };
    ck_assert_int_eq(cg_conformer_parse(&molecule, &format, tokenizer, &completion, ret, &err),
                     CG_OK);
    ck_assert_str_eq(ret->text, wanted);
    ck_assert_uint_eq(ret->text_len, strlen(wanted));
    cg_tokens_finish(&tokens);
}

static void check(const char *text, int32_t done, cg_parsed_conformer *ret)
{
    check_becomes(text, text, done, 0, ret);
}

#define BODY         "[C]<0.000,0.000,0.000>[C]<1.500,0.000,0.000>[O]<2.000,-1.250,0.001>"
#define FRAMED(body) "[CONFORMER]" body "[/CONFORMER]<|endoftext|>"

static const struct {
    const char *text, *reason;
    int32_t done, verdict;
} cases[] = {
    { FRAMED(BODY), "", CG_SEQUENCE_COMPLETE, CG_CONFORMER_OK },
    { FRAMED(BODY), "the limit of tokens was reached before the end", CG_SEQUENCE_UNFINISHED,
      CG_CONFORMER_UNFINISHED },
    { "", "the limit of tokens was reached", CG_SEQUENCE_UNFINISHED, CG_CONFORMER_UNFINISHED },
    { "", "tags are missing", CG_SEQUENCE_COMPLETE, CG_CONFORMER_PARSE_FAILURE },
    { BODY, "tags are missing", CG_SEQUENCE_COMPLETE, CG_CONFORMER_PARSE_FAILURE },
    { "[CONFORMER]" BODY, "tags are missing", CG_SEQUENCE_COMPLETE, CG_CONFORMER_PARSE_FAILURE },
    { FRAMED("[C]<0.000,0.000,0.000>[O]<1.500,0.000,0.000>[C]<2.000,-1.250,0.001>"),
      "the text is of COC", CG_SEQUENCE_COMPLETE, CG_CONFORMER_WRONG_MOLECULE },
    { FRAMED("[C]<0.000,0.000,0.000>"), "the text is of C", CG_SEQUENCE_COMPLETE,
      CG_CONFORMER_WRONG_MOLECULE },
    { FRAMED("[C]<0.000,0.000,0.000>[C]<1.500,0.00,0.000>[O]<2.000,-1.250,0.001>"), "offset 36",
      CG_SEQUENCE_COMPLETE, CG_CONFORMER_PARSE_FAILURE },
    { FRAMED("hello"), "", CG_SEQUENCE_COMPLETE, CG_CONFORMER_PARSE_FAILURE },
    { FRAMED(""), "", CG_SEQUENCE_COMPLETE, CG_CONFORMER_PARSE_FAILURE },
};

START_TEST(verdicts)
{
    cg_parsed_conformer c = { 0 };

    check(cases[_i].text, cases[_i].done, &c);
    ck_assert_msg(c.verdict == cases[_i].verdict, "verdict %d instead of %d: %s", c.verdict,
                  cases[_i].verdict, c.reason);
    ck_assert_msg(strstr(c.reason, cases[_i].reason) != NULL, "'%s' is not in '%s'",
                  cases[_i].reason, c.reason);
    ck_assert_int_eq(c.verdict == CG_CONFORMER_OK, c.reason[0] == '\0');
    ck_assert_int_eq(c.verdict == CG_CONFORMER_OK, c.xyz != NULL);
    cg_parsed_conformer_finish(&c);
    ck_assert_ptr_null(c.text);
}
END_TEST

START_TEST(coordinates_and_body)
{
    cg_parsed_conformer c = { 0 };

    check(FRAMED(BODY), CG_SEQUENCE_COMPLETE, &c);
    ck_assert_uint_eq(c.body_len, strlen(BODY));
    ck_assert_int_eq(memcmp(c.body, BODY, c.body_len), 0);
    ck_assert_double_eq(c.xyz[1][0], 1.5);
    ck_assert_double_eq(c.xyz[2][1], -1.25);
    ck_assert_double_eq(c.xyz[2][2], 0.001);
    cg_parsed_conformer_finish(&c);
}
END_TEST

static const cg_automaton *no_automaton(const void *self)
{
    static const int32_t row[1];
    static const cg_automaton automaton = { CG_SIZED(cg_automaton), .row = row };

    (void)self;
    return &automaton;
}

/* The text is that of the mirrored conformer; zeros stay zeros. A text without a conformer stays.
 */
START_TEST(a_mirrored_conformer)
{
    cg_parsed_conformer c = { 0 };

    check_becomes(FRAMED(BODY),
                  FRAMED("[C]<0.000,0.000,0.000>[C]<1.500,0.000,0.000>[O]<2.000,-1.250,-0.001>"),
                  CG_SEQUENCE_COMPLETE, 1, &c);
    ck_assert_int_eq(c.verdict, CG_CONFORMER_OK);
    ck_assert_int_eq(strncmp(c.body, "[C]<0.000", 9), 0);
    ck_assert_uint_eq(c.body_len, strlen(BODY) + 1);
    ck_assert_double_eq(c.xyz[2][1], -1.25);
    ck_assert_double_eq(c.xyz[2][2], -0.001);
    ck_assert(!signbit(c.xyz[0][2]));
    cg_parsed_conformer_finish(&c);
    check_becomes(FRAMED(BODY), FRAMED(BODY), CG_SEQUENCE_UNFINISHED, 1, &c);
    ck_assert_int_eq(c.verdict, CG_CONFORMER_UNFINISHED);
    cg_parsed_conformer_finish(&c);
}
END_TEST

/* A constraint that cannot write a number of the format, in fields of one number and of three. */
START_TEST(a_number_without_a_path)
{
    static const cg_constraint_ops ops = { CG_SIZED(cg_constraint_ops), .automaton = no_automaton };
    static const cg_vocabulary vocabulary = { CG_SIZED(cg_vocabulary), .n_tokens = 1 };
    cg_template_builder builder = { .format = &format.conformer };
    cg_program program = { .fields_per_atom = 3 };
    cg_completion completion = {
        .done = CG_SEQUENCE_GIVEN_UP,
        .repair = { .unwritten_field = 5, .unwritten_xyz = { 1.25f, -1.2344f, 12.5f } },
    };
    cg_parsed_conformer c = { 0 };
    cg_error err = CG_ERROR_INIT;

    ck_assert_int_eq(cg_checked_constraint_create("binned", &ops, &program, &vocabulary,
                                                  &builder.constraint, &err),
                     CG_OK);
    molecule.builder = &builder;
    molecule.program = &program;
    ck_assert_int_eq(cg_conformer_parse(&molecule, &format, tokenizer, &completion, &c, &err),
                     CG_OK);
    ck_assert_int_eq(c.verdict, CG_CONFORMER_INVALID_GEOMETRY);
    ck_assert_str_eq(c.reason, "constraint 'binned' has no path for the number -1.234, field 2 of "
                               "atom 2 of the text: wanted one for every number of the format "
                               "(CG_CONSTRAINT_ALL_NUMBERS): the plugin violates its contract");
    cg_parsed_conformer_finish(&c);
    program.fields_per_atom = 1;
    ck_assert_int_eq(cg_conformer_parse(&molecule, &format, tokenizer, &completion, &c, &err),
                     CG_OK);
    ck_assert_ptr_nonnull(
        strstr(c.reason, "the numbers 1.250,-1.234,12.500, field 1 of atom 5 of the text: "));
    cg_parsed_conformer_finish(&c);
    molecule.program = NULL;
    cg_checked_constraint_destroy(builder.constraint);
}
END_TEST

START_TEST(tokens_outside_the_vocabulary)
{
    const int32_t tokens[] = { 1 << 20 };
    const cg_completion completion = { tokens, 1, CG_SEQUENCE_COMPLETE, 0, { .moved = 0 } };
    cg_error err = CG_ERROR_INIT;
    cg_parsed_conformer c = { 0 };

    ck_assert_int_eq(cg_conformer_parse(&molecule, &format, tokenizer, &completion, &c, &err),
                     CG_ERR_INPUT);
    ck_assert_ptr_null(c.text);
    ck_assert_int_ne(err.msg[0], '\0');
}
END_TEST

int main(void)
{
    Suite *s = suite_create("conformer");
    TCase *tc = tcase_create("verdicts");
    SRunner *sr;
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, verdicts, 0, (int)(sizeof cases / sizeof cases[0]));
    tcase_add_test(tc, coordinates_and_body);
    tcase_add_test(tc, a_mirrored_conformer);
    tcase_add_test(tc, a_number_without_a_path);
    tcase_add_test(tc, tokens_outside_the_vocabulary);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
