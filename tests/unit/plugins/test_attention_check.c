/* SPDX-License-Identifier: MIT */
/* The checks of confgen/attention_check.h for features: members, views and arrays. */
#include <stdarg.h>
#include <stdio.h>

#include <confgen/attention_check.h>

#include "scratch.h"
#undef fail /* a member of cg_host */

static cg_status fail(cg_error *err, cg_status code, const char *fmt, ...)
{
    va_list list;

    va_start(list, fmt);
    vsnprintf(err->msg, sizeof err->msg, fmt, list);
    va_end(list);
    return err->code = code;
}

static const cg_host host = { CG_SIZED(cg_host), .fail = fail };
static cg_error err;

static cg_attention_problem problem_with(uint32_t features)
{
    return (cg_attention_problem) {
        CG_SIZED(cg_attention_problem),
        .n_heads = 2,
        .n_kv_heads = 1,
        .head_dim = 8,
        .block_tokens = 100,
        .max_tokens = 40,
        .max_seqs = 1,
        .max_kv_len = 100,
        .scale = 1,
        .features = features,
        .softcap = features & CG_ATTENTION_SOFTCAP ? 20 : 0,
    };
}

static float memory[8];

static cg_kv_view view(void)
{
    return (cg_kv_view) {
        CG_SIZED(cg_kv_view), .n_slots = 1,       .n_kv_heads = 1, .head_dim = 8,
        .block_tokens = 100,  .k = memory,        .v = memory,     .block_stride = 3200,
        .head_stride = 3200,  .token_stride = 32,
    };
}

static const int32_t q_start[] = { 0, 40 }, slot[] = { 0 }, kv_len[] = { 50 };

static cg_attention_args args(const cg_kv_view *kv)
{
    return (cg_attention_args) {
        CG_SIZED(cg_attention_args),
        .n_tokens = 40,
        .n_seqs = 1,
        .q_start = q_start,
        .slot = slot,
        .kv_len = kv_len,
        .kv = kv,
        .position = kv_len,
        .alibi_slope = memory,
        .sink_logit = memory,
        .bias = memory,
        .tree_mask = (const uint32_t *)kv_len,
        .tree_words = 2,
    };
}

static void expect_text(cg_status st, cg_status code, const char *text)
{
    ck_assert_msg(st == code && strstr(err.msg, text), "status %d, text '%s', wanted %d, '%s'", st,
                  err.msg, code, text);
}

START_TEST(members_of_unused_features_have_no_meaning)
{
    cg_attention_problem p = problem_with(0), kept;

    p.softcap = -1;
    p.mask = 7;
    p.v_head_dim = -3;
    p.sink_tokens = -1;
    p.bias_dtype = 99;
    ck_assert_int_eq(cg_attention_check_problem(&host, &p, &err), CG_OK);
    kept = cg_attention_keep_problem(&p);
    ck_assert(kept.softcap == 0 && kept.mask == CG_MASK_CAUSAL && kept.sink_tokens == 0 &&
              kept.bias_dtype == 0 && kept.v_head_dim == 8);
    p = problem_with(~0u); /* of a host of 1.1, followed by other memory */
    p.struct_size = offsetof(cg_attention_problem, features);
    kept = cg_attention_keep_problem(&p);
    ck_assert(kept.features == 0 && kept.softcap == 0 && kept.v_head_dim == 8);
    p = problem_with(CG_ATTENTION_VALUE_SIZE);
    p.v_head_dim = 6;
    ck_assert_int_eq(cg_attention_keep_problem(&p).v_head_dim, 6);
}
END_TEST

START_TEST(members_of_features_are_checked)
{
    cg_attention_problem p = problem_with(CG_ATTENTION_SOFTCAP);

    ck_assert_int_eq(cg_attention_check_problem(&host, &p, &err), CG_OK);
    p.softcap = 0;
    expect_text(cg_attention_check_problem(&host, &p, &err), CG_ERR_UNSUPPORTED, "soft-cap 0,");
    p = problem_with(CG_ATTENTION_SINK_TOKENS);
    p.sink_tokens = -1;
    expect_text(cg_attention_check_problem(&host, &p, &err), CG_ERR_UNSUPPORTED, "-1 sink tokens");
    p = problem_with(CG_ATTENTION_BIAS);
    p.bias_dtype = CG_I8;
    expect_text(cg_attention_check_problem(&host, &p, &err), CG_ERR_UNSUPPORTED, "bias of i8");
    p = problem_with(CG_ATTENTION_NO_MASK);
    p.mask = 7;
    expect_text(cg_attention_check_problem(&host, &p, &err), CG_ERR_UNSUPPORTED, "unknown mask");
    p = problem_with(CG_ATTENTION_VALUE_SIZE);
    p.v_head_dim = -6;
    expect_text(cg_attention_check_problem(&host, &p, &err), CG_ERR_UNSUPPORTED,
                "values of -6 elements");
    p = problem_with(0);
    p.kv_dtype = CG_I8;
    expect_text(cg_attention_check_problem(&host, &p, &err), CG_ERR_UNSUPPORTED,
                "cache of i8 without");
}
END_TEST

START_TEST(views_must_fit_the_features)
{
    cg_attention_problem p = problem_with(CG_ATTENTION_VALUE_SIZE);
    cg_kv_view kv = view();

    ck_assert_int_eq(cg_attention_check_view(&host, &p, &kv, &err), CG_OK);
    kv.v_head_dim = 6;
    expect_text(cg_attention_check_view(&host, &p, &kv, &err), CG_ERR_MISMATCH,
                "values of 6 elements, planned for 8");
    p.v_head_dim = 6;
    ck_assert_int_eq(cg_attention_check_view(&host, &p, &kv, &err), CG_OK);
    kv.struct_size = offsetof(cg_kv_view, v_head_dim); /* of a host of 1.1 */
    expect_text(cg_attention_check_view(&host, &p, &kv, &err), CG_ERR_MISMATCH,
                "cg_kv_view.struct_size");
    kv = view();
    p = problem_with(0);
    kv.v_token_stride = 30;
    expect_text(cg_attention_check_view(&host, &p, &kv, &err), CG_ERR_MISMATCH,
                "strides of values");
    kv = view();
    kv.k_scale = memory;
    expect_text(cg_attention_check_view(&host, &p, &kv, &err), CG_ERR_MISMATCH, "with scales");
    p.features = CG_ATTENTION_KV_SCALES;
    ck_assert_int_eq(cg_attention_check_view(&host, &p, &kv, &err), CG_OK);
}
END_TEST

START_TEST(arrays_of_features_must_be_there)
{
    const struct {
        uint32_t feature;
        size_t offset;
        const char *text;
    } arrays[] = {
        { CG_ATTENTION_POSITIONS, offsetof(cg_attention_args, position), "position is NULL" },
        { CG_ATTENTION_ALIBI, offsetof(cg_attention_args, alibi_slope), "alibi_slope is NULL" },
        { CG_ATTENTION_SINK_LOGITS, offsetof(cg_attention_args, sink_logit), "sink_logit is NULL" },
        { CG_ATTENTION_BIAS, offsetof(cg_attention_args, bias), "bias is NULL" },
        { CG_ATTENTION_TREE, offsetof(cg_attention_args, tree_mask), "tree_mask is NULL" },
    };
    cg_kv_view kv = view();

    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        cg_attention_problem p = problem_with(arrays[i].feature);
        cg_attention_args a = args(&kv);

        ck_assert_int_eq(cg_attention_check_args(&host, &p, &a, &err), CG_OK);
        ck_assert_int_eq(cg_attention_check_device_args(&host, &p, &a, &err), CG_OK);
        memset((char *)&a + arrays[i].offset, 0, sizeof(void *));
        expect_text(cg_attention_check_args(&host, &p, &a, &err), CG_ERR_USAGE, arrays[i].text);
        expect_text(cg_attention_check_device_args(&host, &p, &a, &err), CG_ERR_USAGE,
                    arrays[i].text);
        p.features = 0;
        ck_assert_int_eq(cg_attention_check_args(&host, &p, &a, &err), CG_OK);
        p = problem_with(arrays[i].feature);
        a = args(&kv);
        a.struct_size = offsetof(cg_attention_args, position);
        expect_text(cg_attention_check_args(&host, &p, &a, &err), CG_ERR_USAGE, "struct_size");
        a.n_tokens = 0; /* a call without rows needs none */
        ck_assert_int_eq(cg_attention_check_device_args(&host, &p, &a, &err), CG_OK);
    }
}
END_TEST

START_TEST(bias_and_tree_have_their_sizes)
{
    cg_attention_problem p = problem_with(CG_ATTENTION_BIAS);
    cg_kv_view kv = view();
    cg_attention_args a = args(&kv);

    p.bias_dtype = CG_F16;
    a.bias_row_stride = 3;
    expect_text(cg_attention_check_args(&host, &p, &a, &err), CG_ERR_USAGE, "multiples of 2");
    p = problem_with(CG_ATTENTION_TREE | CG_ATTENTION_NO_MASK);
    p.mask = CG_MASK_NONE;
    a = args(&kv);
    a.tree_words = 1;
    expect_text(cg_attention_check_args(&host, &p, &a, &err), CG_ERR_USAGE,
                "40 query tokens, but a row of tree_mask has 1 words");
    a.tree_words = 0;
    expect_text(cg_attention_check_args(&host, &p, &a, &err), CG_ERR_USAGE, "0 words");
    a = args(&kv);
    a.kv_len = (const int32_t[]) { 39 };
    expect_text(cg_attention_check_args(&host, &p, &a, &err), CG_ERR_USAGE, "at least 40 cached");
    p.features = CG_ATTENTION_NO_MASK; /* cross attention */
    ck_assert_int_eq(cg_attention_check_args(&host, &p, &a, &err), CG_OK);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("attention_check");

    tcase_add_test(tc, members_of_unused_features_have_no_meaning);
    tcase_add_test(tc, members_of_features_are_checked);
    tcase_add_test(tc, views_must_fit_the_features);
    tcase_add_test(tc, arrays_of_features_must_be_there);
    tcase_add_test(tc, bias_and_tree_have_their_sizes);
    return run_suite("attention_check", &tc, 1);
}
