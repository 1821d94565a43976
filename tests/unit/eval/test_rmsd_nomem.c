/* SPDX-License-Identifier: MIT */
/* Every allocation of ours fails once: the call must report it, return nothing and leak nothing. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "eval/rmsd.h"
#include "failing_malloc.h"

START_TEST(symmetry)
{
    cg_error err = CG_ERROR_INIT;
    cg_molecule *mol = NULL;
    cg_symmetry s = { 0 };
    long k = 0;
    cg_status st = CG_ERR_NOMEM;

    ck_assert_int_eq(cg_molecule_parse("CC(=O)O", 7, &mol, &err), CG_OK);
    for (; st != CG_OK; k++) {
        countdown = k;
        st = cg_symmetry_find(mol, CG_SYMMETRY_CONJUGATED, 10, &s, &err);
        countdown = -1;
        /* An allocation failure inside RDKit is reported as a failed match. */
        ck_assert_msg(st == CG_OK || st == CG_ERR_NOMEM || st == CG_ERR_UNSUPPORTED, "%s", err.msg);
        ck_assert(st == CG_OK || !s.maps);
        ck_assert_int_lt(k, 100);
    }
    ck_assert_int_gt(k, 8);
    ck_assert_uint_eq(s.n_maps, 2);
    cg_symmetry_finish(&s);
    cg_molecule_destroy(mol);
}
END_TEST

START_TEST(comparison)
{
    static const float xyz[9][3] = { { 0 }, { 1 },    { 2 }, { 1 }, { 2 },
                                     { 4 }, { 0, 1 }, { 5 }, { 9 } };
    uint16_t maps[6] = { 0, 1, 2, 2, 1, 0 };
    cg_symmetry s = { 3, 2, maps, 0 };
    cg_rmsd_limits limits = { 10, 1 };
    float d[9], min_a[3], min_b[3];
    size_t leader[3];

    for (int which = 0, ok = 0; which < 4; which++, ok = 0)
        for (long k = 0; !ok; k++) {
            cg_error err = CG_ERROR_INIT;
            cg_rmsd_set *set = NULL;
            cg_status st;

            countdown = which == 0 ? k : -1;
            st = cg_rmsd_set_create(xyz, 3, 3, &set, &err);
            countdown = -1;
            ck_assert(which == 0 || st == CG_OK);
            ck_assert((st == CG_OK) == (set != NULL));
            countdown = which == 0 ? -1 : k;
            if (which == 1)
                st = cg_rmsd_matrix(set, set, &s, d, &err);
            if (which == 2)
                st = cg_rmsd_minima(set, set, &s, &limits, min_a, min_b, NULL, &err);
            if (which == 3)
                st = cg_rmsd_leaders(xyz, 3, &s, 0.5, leader, &err);
            countdown = -1;
            ok = st == CG_OK;
            ck_assert_msg(ok || st == CG_ERR_NOMEM, "%s", err.msg);
            ck_assert(!ok || k >= 5);
            cg_rmsd_set_destroy(set);
        }
    ck_assert_float_eq_tol(d[0], 0, 1e-6f);
    ck_assert_float_eq_tol(min_a[0], 0, 1e-6f);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("rmsd_nomem");
    TCase *tc = tcase_create("nomem");
    SRunner *sr;
    int failed;

    tcase_add_test(tc, symmetry);
    tcase_add_test(tc, comparison);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
