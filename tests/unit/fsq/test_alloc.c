/* SPDX-License-Identifier: MIT */
/* Each allocation fails in turn: opening an FSQ model must fail cleanly. */
#include <stdlib.h>

#include "alloc_fail.h"
#include "fsq/fsq_tokens.h"
#include "fsq_made.h"

static const struct fsq_shape shape = { 64, 1, 64, 8, 12 };

/* Opens the model and splits a SMILES text. (oneDNN ends the program if it has no memory.) */
static cg_status open_and_tokenize(cg_error *err)
{
    cg_fsq_model *model = NULL;
    int32_t *ids = NULL, n = 0;
    cg_status st = cg_fsq_model_open(scratch_dir, &model, err);

    if (st == CG_OK)
        st = cg_fsq_tokenize(model, "[C]=[O]", 7, &ids, &n, err);
    cg_fsq_model_close(model);
    free(ids);
    return st;
}

START_TEST(every_failure_is_survived)
{
    long n = 0, nomem = 0;
    cg_error err = CG_ERROR_INIT;

    cg_fsq_model_close(fsq_made_model(&shape));
    /* lets libraries allocate their static data */
    ck_assert_msg(open_and_tokenize(&err) == CG_OK, "%s", err.msg);
    for (;; n++) {
        long before = atomic_load(&live);
        cg_status st;

        err = (cg_error)CG_ERROR_INIT;
        atomic_store(&alloc_failed, 0);
        atomic_store(&countdown, n);
        st = open_and_tokenize(&err);
        atomic_store(&countdown, -1);
        ck_assert_msg(st == CG_OK || (atomic_load(&alloc_failed) && err.code == st && err.msg[0]),
                      "allocation %ld: status %d: %s", n, st, err.msg);
        nomem += st == CG_ERR_NOMEM;
        ck_assert_msg(atomic_load(&live) == before, "allocation %ld: %ld blocks leaked", n,
                      atomic_load(&live) - before);
        if (!atomic_load(&alloc_failed))
            break;
    }
    ck_assert_msg(nomem >= 100, "only %ld of %ld failures reported", nomem, n);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("allocation failures");

    tcase_add_checked_fixture(tc, scratch_make, scratch_remove);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, every_failure_is_survived);
    return run_suite("fsq_alloc", &tc, 1);
}
