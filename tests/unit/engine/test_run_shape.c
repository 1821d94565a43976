/* SPDX-License-Identifier: MIT */
#include "engine/run_shape.h"
#include "scratch.h"

START_TEST(lengths_beyond_the_positions)
{
    cg_model_config c = { .max_positions = 64, .rope = { .kind = CG_ROPE_DEFAULT } };
    cg_error err = CG_ERROR_INIT;

    ck_assert_int_eq(cg_check_max_length(&c, "m", 65, &err), CG_OK);
    c.rope.kind = CG_ROPE_DYNAMIC;
    ck_assert_int_eq(cg_check_max_length(&c, "m", 0, &err), CG_OK);
    ck_assert_int_eq(cg_check_max_length(&c, "m", 64, &err), CG_OK);
    ck_assert_int_eq(cg_check_max_length(&c, "m", 65, &err), CG_ERR_USAGE);
    ck_assert_contains(err.msg,
                       "max-length 65: model 'm' has 64 positions; beyond them its dynamic");
    c.rope.kind = CG_ROPE_DEFAULT;
    c.learned_positions = 1;
    ck_assert_int_eq(cg_check_max_length(&c, "m", 64, &err), CG_OK);
    ck_assert_int_eq(cg_check_max_length(&c, "m", 65, &err), CG_ERR_USAGE);
    ck_assert_contains(err.msg, "model 'm' has learned positions, 64 of them");
}
END_TEST

/* Repairs roll back on the CPU over a bounded number of tokens, on a GPU without the host. */
START_TEST(tokens_behind_a_window_that_are_kept)
{
    ck_assert_int_eq(cg_kept_tokens(CG_DEVICE_CPU, CG_GEOMETRY_OFF, 4000), 0);
    ck_assert_int_eq(cg_kept_tokens(CG_DEVICE_CUDA, CG_GEOMETRY_COUNT, 4000), 0);
    ck_assert_int_gt(cg_kept_tokens(CG_DEVICE_CPU, CG_GEOMETRY_REPAIR, 4000), 130);
    ck_assert_int_lt(cg_kept_tokens(CG_DEVICE_CPU, CG_GEOMETRY_REPAIR, 4000), 1000);
    ck_assert_int_eq(cg_kept_tokens(CG_DEVICE_CUDA, CG_GEOMETRY_REPAIR, 4000), 4000);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("run shape");

    tcase_add_test(tc, lengths_beyond_the_positions);
    tcase_add_test(tc, tokens_behind_a_window_that_are_kept);
    return run_suite("run shape", (TCase *[]) { tc }, 1);
}
