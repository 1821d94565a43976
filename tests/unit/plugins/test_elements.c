/* SPDX-License-Identifier: MIT */
/* The plugins' conversions of element types against those of the conformance suite. */
#include <check.h>

#include "../../../plugins/common/elements.h"
#include "conformance/element.h"

static const cg_dtype types[] = { CG_F32, CG_BF16, CG_F16, CG_F8_E4M3, CG_F8_E5M2, CG_I8 };

static int same_number(float a, float b)
{
    return isnan(a) ? isnan(b) && signbit(a) == signbit(b) : float_bits(a) == float_bits(b);
}

START_TEST(every_code_is_read)
{
    cg_dtype t = types[_i];
    uint32_t size = cg_dtype_size(t);

    for (uint64_t code = 0; code < 1u << 8 * (size > 2 ? 2 : size); code++) {
        uint32_t stored = size > 2 ? (uint32_t)code << 16 : (uint32_t)code;
        float x = cg_element_load(&stored, t), many[1], wanted = element_load(&stored, t);

        ck_assert_msg(isnan(x) ? isnan(wanted) : same_number(x, wanted),
                      "%s: 0x%x is %g, wanted %g", cg_dtype_name(t), stored, (double)x,
                      (double)wanted);
        cg_elements_load(many, &stored, t, 1);
        ck_assert(same_number(many[0], x));
    }
}
END_TEST

/* Every float of 11 bits after the point, which are all numbers of the types and those in the
 * middle of two, and its neighbours. */
START_TEST(every_float_is_rounded)
{
    cg_dtype t = types[_i];

    for (uint32_t i = 0; i < 3u << 20; i++) {
        float x = float_of_bits((i / 3 << 12) + i % 3 - 1);
        uint32_t stored = 0, wanted = 0, many = 0;
        int is_right;

        cg_element_store(&stored, t, x);
        element_store(&wanted, t, x);
        cg_elements_store(&many, t, &x, 1);
        is_right =
            isnan(x) && t != CG_I8 ? same_number(cg_element_load(&stored, t), x) : stored == wanted;
        if (!is_right || many != stored) /* each ck_assert() is a system call */
            ck_abort_msg("%s: %a became 0x%x and 0x%x, wanted 0x%x", cg_dtype_name(t), (double)x,
                         stored, many, wanted);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("elements");
    TCase *tc = tcase_create("elements");
    SRunner *sr;
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, every_code_is_read, 0, sizeof types / sizeof *types);
    tcase_add_loop_test(tc, every_float_is_rounded, 0, sizeof types / sizeof *types);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
