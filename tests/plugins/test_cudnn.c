/* SPDX-License-Identifier: MIT */
/* Refusals of cudnn that need neither a GPU nor cuDNN. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <confgen/attention.h>

#include "plugin_dir.h"
#include "plugin/host.h"
#include "plugin/registry.h"

#undef fail /* a macro of Check, and a member of cg_host */

static cg_plugin_host host;

static const cg_attention_ops *open_cudnn(cg_registry **ret_registry)
{
    const cg_plugin *plugin = NULL;
    cg_error err = CG_ERROR_INIT;

    cg_plugin_host_init(&host, NULL, NULL, NULL, 0);
    ck_assert_int_eq(cg_registry_create(&host.host, ret_registry, &err), CG_OK);
    ck_assert_msg(cg_registry_add_dir(*ret_registry, built_plugin_dir(), &err) == CG_OK, "%s",
                  err.msg);
    ck_assert_msg(cg_registry_find(*ret_registry, CG_PLUGIN_ATTENTION, "cudnn", &plugin, &err) ==
                      CG_OK,
                  "%s", err.msg);
    return plugin->ops;
}

static cg_attention_problem make_problem(void)
{
    return (cg_attention_problem) {
        CG_SIZED(cg_attention_problem),
        .device = CG_DEVICE_CUDA,
        .compute_capability = 90,
        .dtype = CG_BF16,
        .kv_dtype = CG_BF16,
        .n_heads = 16,
        .n_kv_heads = 8,
        .head_dim = 64,
        .paged = 1,
        .block_tokens = 16,
        .max_tokens = 512,
        .max_seqs = 256,
        .max_kv_len = 300,
        .scale = 0.125f,
        .flags = CG_ATTENTION_GRAPH_SAFE,
    };
}

static void expect_refusal(const cg_attention_ops *ops, const cg_attention_problem *p,
                           const char *text)
{
    cg_error err = CG_ERROR_INIT;
    void *plan = NULL;

    ck_assert_int_eq(ops->supports(&host.host, p, &err), CG_ERR_UNSUPPORTED);
    ck_assert_msg(strstr(err.msg, text) != NULL, "'%s' does not contain '%s'", err.msg, text);
    ck_assert_int_eq(ops->plan(&host.host, p, &plan, NULL), CG_ERR_UNSUPPORTED);
    ck_assert_ptr_null(plan);
}

START_TEST(refuses_with_reasons)
{
    cg_registry *r = NULL;
    const cg_attention_ops *ops = open_cudnn(&r);
    cg_attention_problem p = make_problem();

    p.device = CG_DEVICE_CPU;
    expect_refusal(ops, &p, "cudnn needs CUDA, but the device is cpu");
    p = make_problem();
    p.compute_capability = 75;
    expect_refusal(ops, &p, "compute capability 7.5, wanted 8.0 or newer");
    p = make_problem();
    p.dtype = p.kv_dtype = CG_F32;
    expect_refusal(ops, &p, "cuDNN takes bf16 or f16");
    p = make_problem();
    p.kv_dtype = CG_F16;
    expect_refusal(ops, &p, "the same in both");
    p = make_problem();
    p.head_dim = 60;
    expect_refusal(ops, &p, "head size 60, wanted a multiple of 8 up to 256");
    p = make_problem();
    p.block_tokens = 24;
    expect_refusal(ops, &p, "pages of 24 tokens (0: unknown), wanted a power of two");
    p = make_problem();
    p.block_tokens = 0;
    expect_refusal(ops, &p, "pages of 0 tokens (0: unknown), wanted a power of two");
    for (p = make_problem(), p.block_tokens = 1; p.block_tokens <= 32; p.block_tokens *= 2) {
        p.max_tokens = 16 * p.max_seqs;
        expect_refusal(ops, &p, "over pages: cuDNN lets NaN of unused page memory spread");
    }
    p = make_problem();
    p.flags |= CG_ATTENTION_BATCH_INVARIANT;
    expect_refusal(ops, &p, "batch-invariant attention, which cuDNN does not guarantee");
    ops->destroy(NULL);
    cg_registry_destroy(r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cudnn");
    TCase *tc = tcase_create("refusals");
    SRunner *sr;
    int failed;

    tcase_add_test(tc, refuses_with_reasons);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
