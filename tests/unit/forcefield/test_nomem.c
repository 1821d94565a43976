/* SPDX-License-Identifier: MIT */
/* Every allocation of ours fails once: the call must report it, change nothing and leak nothing. */
#include <check.h>
#include <string.h>

#include "failing_malloc.h"
#include "forcefield/mmff_minimizer.h"
#include "forcefield/mmff_parameters.h"

START_TEST(all)
{
    const double water[9] = { -0.8, -0.2, 0, 0, 0.4, 0, 0.8, -0.2, 0 };
    cg_error err = CG_ERROR_INIT;
    cg_mmff_tables *t = NULL;
    cg_status st;
    cg_minimized z = { 0 };
    double xyz[9];
    int n_failed = 0;
    long k;

    /* A call into RDKit repeats an allocation that failed. */
    for (k = 0; k < 6; k++) {
        cg_mmff_tables_destroy(t);
        t = NULL;
        countdown = k;
        st = cg_mmff_tables_create("[H]O[H]", CG_MMFF94, &t, &err);
        countdown = -1;
        ck_assert_msg(st == CG_OK || st == CG_ERR_NOMEM, "%s", err.msg);
        ck_assert((st == CG_OK) == (t != NULL));
        n_failed += st != CG_OK;
    }
    ck_assert_int_eq(n_failed, 2);
    ck_assert_ptr_nonnull(t);
    memcpy(xyz, water, sizeof xyz);
    st = CG_ERR_NOMEM;
    for (k = 0; st != CG_OK; k++) {
        ck_assert_mem_eq(xyz, water, sizeof xyz);
        countdown = k;
        st = cg_mmff_minimize(t, &cg_minimizer_defaults, 1, xyz, &z, &err);
        countdown = -1;
        ck_assert(st == CG_OK || st == CG_ERR_NOMEM);
        ck_assert_int_lt(k, 10);
    }
    ck_assert_int_eq(k, 7);
    ck_assert_int_eq(z.converged, 1);
    cg_mmff_tables_destroy(t);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("nomem");
    TCase *tc = tcase_create("nomem");
    SRunner *r;
    int failed;

    tcase_add_test(tc, all);
    suite_add_tcase(s, tc);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
