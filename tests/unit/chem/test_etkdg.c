/* SPDX-License-Identifier: MIT */
/* RDKit's embedding, the baseline of benches. */
#include "chem/etkdg.h"
#include "scratch.h"

START_TEST(embeds_what_rdkit_accepts)
{
    cg_error err = CG_ERROR_INIT;
    int32_t embedded = -1;

    ck_assert_int_eq(cg_etkdg_embed("CCO", 3, 1, &embedded, &err), CG_OK);
    ck_assert_int_eq(embedded, 3);
    ck_assert_int_ne(cg_etkdg_embed("C(C", 1, 1, &embedded, &err), CG_OK);
    ck_assert_int_eq(embedded, 3);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("etkdg");

    tcase_add_test(tc, embeds_what_rdkit_accepts);
    return run_suite("etkdg", &tc, 1);
}
