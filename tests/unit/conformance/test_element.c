/* SPDX-License-Identifier: MIT */
/* Conversions of the element types of plugins. */
#include <check.h>

#include "conformance/element.h"

static const cg_dtype types[] = { CG_BF16, CG_F16, CG_F8_E4M3, CG_F8_E5M2, CG_I8 };

START_TEST(every_number_is_kept)
{
    cg_dtype t = types[_i];
    uint32_t size = cg_dtype_size(t);

    for (uint32_t code = 0; code < 1u << 8 * size; code++) {
        uint32_t stored = 0;
        float x;

        memcpy(&stored, &code, size);
        x = element_load(&stored, t);
        if (isnan(x) || (isinf(x) && size == 1)) /* many codes of NaN; 8-bit types saturate */
            continue;
        element_store(&stored, t, x);
        ck_assert_msg(stored == code, "%s: 0x%x became 0x%x", cg_dtype_name(t), code, stored);
    }
}
END_TEST

START_TEST(numbers_between_are_rounded_to_even)
{
    static const struct {
        cg_dtype type;
        float x, rounded;
    } cases[] = {
        { CG_F8_E4M3, 448, 448 },
        { CG_F8_E4M3, 1e9f, 448 },
        { CG_F8_E4M3, -500, -448 },
        { CG_F8_E4M3, 0x1p-9f, 0x1p-9f },
        { CG_F8_E4M3, 0x1p-10f, 0 },
        { CG_F8_E4M3, 0x1.8p-10f, 0x1p-9f },
        { CG_F8_E4M3, 17, 16 },
        { CG_F8_E4M3, 19, 20 },
        { CG_F8_E4M3, 0x1.fp0f, 2 },
        { CG_F8_E5M2, 57344, 57344 },
        { CG_F8_E5M2, 1e9f, 57344 },
        { CG_F8_E5M2, 0x1p-16f, 0x1p-16f },
        { CG_F8_E5M2, 9, 8 },
        { CG_F8_E5M2, 11, 12 },
        { CG_I8, 126.5f, 126 },
        { CG_I8, -1e9f, -128 },
        { CG_I8, -0.5f, 0 },
        { CG_BF16, 0x1.01p0f, 1 },
        { CG_BF16, 0x1.03p0f, 0x1.04p0f },
        { CG_F16, 65519, 65504 },
        { CG_F16, 0x1p-25f, 0 },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_msg(element_round(cases[i].x, cases[i].type) == cases[i].rounded,
                      "%g as %s is %g, wanted %g", (double)cases[i].x, cg_dtype_name(cases[i].type),
                      (double)element_round(cases[i].x, cases[i].type), (double)cases[i].rounded);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("element");
    TCase *tc = tcase_create("element");
    SRunner *sr;
    int failed;

    tcase_add_loop_test(tc, every_number_is_kept, 0, sizeof types / sizeof *types);
    tcase_add_test(tc, numbers_between_are_rounded_to_even);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
