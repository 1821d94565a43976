/* SPDX-License-Identifier: MIT */
/* base/plugin_call.h: which plugin, layer and step a failure names, and its status. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/plugin_call.h"

static const cg_plugin_call everywhere = { "attention", "naive", 3, 17 };

START_TEST(a_failure_names_plugin_layer_and_step)
{
    static const struct {
        cg_plugin_call call;
        cg_status st;
        const char *why;
        cg_status wanted;
        const char *text;
    } cases[] = {
        { { "attention", "naive", 3, 17 },
          CG_ERR_UNSUPPORTED,
          "the moon is full",
          CG_ERR_UNSUPPORTED,
          "attention 'naive', layer 3, step 17: the moon is full" },
        { { "cache", "flat", -1, 0 },
          CG_ERR_NOMEM,
          "full",
          CG_ERR_NOMEM,
          "cache 'flat', step 0: full" },
        { { "cache", "flat", 2, -1 },
          CG_ERR_DEVICE_NOMEM,
          "full",
          CG_ERR_DEVICE_NOMEM,
          "cache 'flat', layer 2: full" },
        { { "cache", NULL, -1, -1 }, CG_ERR_CUDA, "lost", CG_ERR_CUDA, "cache: lost" },
        /* statuses that would blame the user or confgen, or look like a signal */
        { { "cache", "flat", -1, -1 },
          CG_ERR_USAGE,
          "slot 9 of 8",
          CG_ERR_PLUGIN,
          "cache 'flat': slot 9 of 8" },
        { { "cache", "flat", -1, -1 },
          CG_ERR_INTERRUPTED,
          "stop",
          CG_ERR_PLUGIN,
          "cache 'flat': stop" },
        { { "cache", "flat", -1, -1 }, CG_ERR_INTERNAL, "bug", CG_ERR_PLUGIN, "cache 'flat': bug" },
        { { "cache", "flat", -1, -1 }, CG_ERR_INPUT, "no", CG_ERR_PLUGIN, "cache 'flat': no" },
        { { "cache", "flat", -1, -1 }, 7777, "no", CG_ERR_PLUGIN, "cache 'flat': no" },
        /* without a text */
        { { "attention", "naive", 3, 17 },
          CG_ERR_INTERNAL,
          "",
          CG_ERR_PLUGIN,
          "attention 'naive', layer 3, step 17: failed without a reason (internal error)" },
        { { "attention", "naive", 3, 17 },
          -1,
          "",
          CG_ERR_PLUGIN,
          "attention 'naive', layer 3, step 17: failed without a reason (unknown status -1)" },
        { { "attention", "naive", 0, 0 },
          CG_ERR_UNSUPPORTED,
          "",
          CG_ERR_PLUGIN,
          "attention 'naive', layer 0, step 0: failed without a reason (unsupported)" },
        { { "attention", "naive", 0, 0 },
          CG_ERR_DEVICE_NOMEM,
          "",
          CG_ERR_DEVICE_NOMEM,
          "attention 'naive', layer 0, step 0: failed without a reason (out of device memory)" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cg_error why = CG_ERROR_INIT, err = CG_ERROR_INIT;

        if (*cases[i].why)
            cg_fail(&why, cases[i].st, "%s", cases[i].why);
        ck_assert_int_eq(cg_plugin_call_status(&cases[i].call, cases[i].st, &why, &err),
                         cases[i].wanted);
        ck_assert_str_eq(err.msg, cases[i].text);
        ck_assert_int_eq(err.code, cases[i].wanted);
    }
}
END_TEST

START_TEST(success_writes_nothing)
{
    cg_error why = CG_ERROR_INIT, err = CG_ERROR_INIT;

    cg_fail(&why, CG_ERR_NOMEM, "a text although the call succeeded");
    ck_assert_int_eq(cg_plugin_call_status(&everywhere, CG_OK, &why, &err), CG_OK);
    ck_assert_str_eq(err.msg, "");
    ck_assert_int_eq(cg_plugin_call_status(&everywhere, CG_ERR_NOMEM, &why, NULL), CG_ERR_NOMEM);
}
END_TEST

/* A plugin may fill the text by hand: without an end, or with controls. */
START_TEST(texts_without_an_end_are_cut)
{
    cg_error why = CG_ERROR_INIT, err = CG_ERROR_INIT;

    memset(why.msg, 'x', sizeof why.msg);
    why.msg[3] = '\033';
    ck_assert_int_eq(cg_plugin_call_status(&everywhere, CG_ERR_IO, &why, &err), CG_ERR_IO);
    ck_assert_ptr_nonnull(memchr(err.msg, '\0', sizeof err.msg));
    ck_assert_ptr_null(strchr(err.msg, '\033'));
    ck_assert_int_eq(strncmp(err.msg, "attention 'naive', layer 3, step 17: xxx", 40), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("plugin_call");
    TCase *tc = tcase_create("plugin_call");
    SRunner *sr;
    int failed;

    tcase_add_test(tc, a_failure_names_plugin_layer_and_step);
    tcase_add_test(tc, success_writes_nothing);
    tcase_add_test(tc, texts_without_an_end_are_cut);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
