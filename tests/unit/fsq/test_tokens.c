/* SPDX-License-Identifier: MIT */
#include "fsq/fsq_tokens.h"

#include "fsq_made.h"

static const struct {
    const char *text;
    size_t length;
} tokens[] = {
    { "[C@@H](F)", 6 }, { "[]", 0 }, { "[C", 0 }, { "]", 0 },   { "%10[C]", 3 }, { "%1[C]", 0 },
    { "%101", 3 },      { "%", 0 },  { "12", 1 }, { "0", 1 },   { "=[O]", 1 },   { "#", 1 },
    { ":", 1 },         { "/", 1 },  { "\\", 1 }, { "-", 1 },   { "(", 1 },      { ")", 1 },
    { ".", 1 },         { "C", 0 },  { "", 0 },   { "<1>", 0 }, { " ", 0 },      { "$", 0 },
};

START_TEST(tokens_have_the_length_of_their_kind)
{
    size_t len = strlen(tokens[_i].text);

    ck_assert_msg(cg_fsq_token_length(tokens[_i].text, len) == tokens[_i].length, "%s",
                  tokens[_i].text);
}
END_TEST

START_TEST(smiles_become_ids)
{
    static const char smiles[] = "[CH3][C@@H]([O-])\\[c]%10=[nH]";
    static const char *const want[] = { "[CH3]", "[C@@H]", "(",   "[O-]", ")",
                                        "\\",    "[c]",    "%10", "=",    "[nH]" };
    cg_fsq_model *m = fsq_made_model(&(struct fsq_shape) { 64, 1, 64, 8, 12 });
    cg_error err = CG_ERROR_INIT;
    int32_t *ids = NULL, n = 0;

    ck_assert_int_eq(cg_fsq_tokenize(m, smiles, strlen(smiles), &ids, &n, &err), CG_OK);
    ck_assert_int_eq(n, 10);
    for (int i = 0; i < n; i++) {
        ck_assert_str_eq(m->tokens[ids[i]], want[i]);
        ck_assert_int_eq(cg_fsq_token_id(m, want[i], strlen(want[i])), ids[i]);
    }
    ck_assert_int_eq(cg_fsq_token_id(m, "[CH3]", 4), -1);
    ck_assert_int_eq(cg_fsq_token_id(m, "[U]", 3), -1);
    free(ids);
    ck_assert_int_eq(cg_fsq_tokenize(m, smiles, 0, &ids, &n, &err), CG_OK);
    ck_assert_int_eq(n, 0);
    free(ids);
    n = 77;
    ck_assert_int_eq(cg_fsq_tokenize(m, "[C][U][C]", 9, &ids, &n, &err), CG_ERR_INPUT);
    ck_assert_contains(err.msg, "has no token '[U]'");
    ck_assert_int_eq(cg_fsq_tokenize(m, "[C]CC", 5, &ids, &n, &err), CG_ERR_INPUT);
    ck_assert_contains(err.msg, "'CC' begins with no SMILES token");
    ck_assert_int_eq(n, 77);
    cg_fsq_model_close(m);
}
END_TEST

START_TEST(digits_are_equidistant_and_the_first_changes_first)
{
    cg_fsq_config c = { .n_digits = 3, .levels = { 2, 3, 5 } };

    ck_assert(cg_fsq_digit(&c, 0, 0) == -1 && cg_fsq_digit(&c, 0, 1) == -1 &&
              cg_fsq_digit(&c, 0, 2) == -1);
    ck_assert(cg_fsq_digit(&c, 1, 0) == 1 && cg_fsq_digit(&c, 1, 1) == -1);
    ck_assert(cg_fsq_digit(&c, 2, 0) == -1 && cg_fsq_digit(&c, 2, 1) == 0);
    ck_assert(cg_fsq_digit(&c, 5, 1) == 1 && cg_fsq_digit(&c, 5, 2) == -1);
    ck_assert(cg_fsq_digit(&c, 6, 2) == -0.5f && cg_fsq_digit(&c, 29, 2) == 1);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("tokens");

    tcase_add_checked_fixture(tc, scratch_make, scratch_remove);
    tcase_add_loop_test(tc, tokens_have_the_length_of_their_kind, 0,
                        sizeof tokens / sizeof *tokens);
    tcase_add_test(tc, smiles_become_ids);
    tcase_add_test(tc, digits_are_equidistant_and_the_first_changes_first);
    return run_suite("fsq_tokens", &tc, 1);
}
