/* SPDX-License-Identifier: MIT */
#include "base/cache_window.h"
#include "model/attention_problem.h"
#include "scratch.h"

static const cg_model_config config = {
    .hidden = 512, .n_layers = 3, .n_heads = 8, .n_kv_heads = 2, .head_dim = 64, .vocab = 100
};

START_TEST(flags_follow_the_device)
{
    uint32_t reproducible = CG_ATTENTION_DETERMINISTIC | CG_ATTENTION_BATCH_INVARIANT;

    ck_assert_uint_eq(cg_attention_flags(CG_DEVICE_CPU, 0), reproducible);
    ck_assert_uint_eq(cg_attention_flags(CG_DEVICE_CPU, 1), reproducible);
    ck_assert_uint_eq(cg_attention_flags(CG_DEVICE_CUDA, 0), CG_ATTENTION_GRAPH_SAFE);
    ck_assert_uint_eq(cg_attention_flags(CG_DEVICE_CUDA, 1),
                      CG_ATTENTION_GRAPH_SAFE | reproducible);
}
END_TEST

START_TEST(the_problem_combines_model_run_and_cache)
{
    const cg_attention_shape shape = { .device = CG_DEVICE_CUDA,
                                       .compute_capability = 90,
                                       .dtype = CG_BF16,
                                       .kv_dtype = CG_F16,
                                       .max_tokens = 640,
                                       .max_seqs = 520,
                                       .max_kv_len = 2048,
                                       .flags = CG_ATTENTION_GRAPH_SAFE };
    cg_attention_problem all[CG_MAX_ATTENTION_PROBLEMS], p;
    int32_t n = cg_attention_problems_of_model(&config, &shape, all);
    cg_cache_ops cache = { CG_SIZED(cg_cache_ops), .paged = 1 };
    cg_kv_view view = { CG_SIZED(cg_kv_view), .dtype = CG_BF16, .block_tokens = 16,
                        .head_stride = 128, .token_stride = 256 };

    ck_assert_int_eq(n, 1);
    p = all[0];
    ck_assert_uint_eq(p.struct_size, sizeof p);
    ck_assert_int_eq(p.device, CG_DEVICE_CUDA);
    ck_assert_int_eq(p.compute_capability, 90);
    ck_assert_int_eq(p.dtype, CG_BF16);
    ck_assert_int_eq(p.kv_dtype, CG_F16);
    ck_assert_int_eq(p.n_heads, 8);
    ck_assert_int_eq(p.n_kv_heads, 2);
    ck_assert_int_eq(p.head_dim, 64);
    ck_assert_int_eq(p.max_tokens, 640);
    ck_assert_int_eq(p.max_seqs, 520);
    ck_assert_int_eq(p.max_kv_len, 2048);
    ck_assert_int_eq(p.window, 0);
    ck_assert(p.scale == 0.125f);
    ck_assert_uint_eq(p.flags, CG_ATTENTION_GRAPH_SAFE);
    ck_assert(!p.paged && !p.block_tokens && !p.kv_layout);

    cg_attention_problem_set_cache(&p, &cache, &view);
    ck_assert_int_eq(p.kv_dtype, CG_BF16);
    ck_assert_int_eq(p.paged, 1);
    ck_assert_int_eq(p.block_tokens, 16);
    ck_assert_int_eq(p.kv_layout, cg_kv_layout(&view));
    ck_assert_int_ne(p.kv_layout, 0); /* the heads of a token are adjacent */
    cache.paged = 0;
    cg_attention_problem_set_cache(&p, &cache, &view);
    ck_assert(!p.paged && !p.block_tokens);
}
END_TEST

START_TEST(a_cache_of_8_bits_needs_scales)
{
    static const struct {
        cg_dtype dtype;
        int is_scaled;
    } cases[] = { { CG_F32, 0 }, { CG_BF16, 0 }, { CG_F16, 0 }, { CG_F8_E4M3, 1 }, { CG_I8, 1 } };
    const cg_attention_shape shape = { .device = CG_DEVICE_CUDA,
                                       .dtype = CG_BF16,
                                       .kv_dtype = cases[_i].dtype,
                                       .max_seqs = 520,
                                       .max_kv_len = 2048 };
    cg_attention_problem p[CG_MAX_ATTENTION_PROBLEMS];
    cg_cache_config c = cg_cache_config_of_model(&config, &shape);

    cg_attention_problems_of_model(&config, &shape, p);
    ck_assert_int_eq(p[0].kv_dtype, cases[_i].dtype);
    ck_assert_uint_eq(p[0].features, cases[_i].is_scaled ? CG_ATTENTION_KV_SCALES : 0);
    ck_assert_uint_eq(c.struct_size, sizeof c);
    ck_assert_int_eq(c.device, CG_DEVICE_CUDA);
    ck_assert_int_eq(c.dtype, cases[_i].dtype);
    ck_assert_int_eq(c.n_layers, 3);
    ck_assert_int_eq(c.n_slots, 520);
    ck_assert_int_eq(c.n_kv_heads, 2);
    ck_assert_int_eq(c.head_dim, 64);
    ck_assert_int_eq(c.max_len, 2048);
    ck_assert_uint_eq(c.features, cases[_i].is_scaled ? CG_CACHE_SCALES : 0);
    ck_assert(!c.max_bytes && !c.stream && !c.v_head_dim && !c.window && !c.sink_tokens);
}
END_TEST

START_TEST(layers_with_a_window_have_a_problem_of_their_own)
{
    static const struct {
        uint8_t flags[3];
        int32_t max_kv_len, n, windows[2], layers[3];
    } cases[] = {
        { { 0, 0, 0 }, 100, 1, { 0 }, { 0, 0, 0 } },
        { { CG_LAYER_WINDOW, CG_LAYER_WINDOW, CG_LAYER_WINDOW }, 100, 1, { 30 }, { 0, 0, 0 } },
        { { 0, CG_LAYER_WINDOW, 0 }, 100, 2, { 0, 30 }, { 0, 1, 0 } },
        { { CG_LAYER_WINDOW, 0, CG_LAYER_NO_ROPE }, 31, 2, { 30, 0 }, { 0, 1, 1 } },
        { { CG_LAYER_WINDOW, 0, 0 }, 30, 1, { 0 }, { 0, 0, 0 } }, /* inactive in this run */
    };
    cg_model_config c = config;
    cg_attention_shape shape = { .max_kv_len = cases[_i].max_kv_len };
    cg_attention_problem p[CG_MAX_ATTENTION_PROBLEMS];

    c.window = 30;
    memcpy(c.layer_flags, cases[_i].flags, 3);
    ck_assert_int_eq(cg_attention_problems_of_model(&c, &shape, p), cases[_i].n);
    for (int32_t i = 0; i < cases[_i].n; i++)
        ck_assert_int_eq(p[i].window, cases[_i].windows[i]);
    for (int32_t i = 0; i < 3; i++)
        ck_assert_int_eq(cg_attention_problem_of_layer(&c, shape.max_kv_len, i),
                         cases[_i].layers[i]);
}
END_TEST

START_TEST(a_cache_gets_the_window_of_all_layers)
{
    static const struct {
        uint8_t flags[3];
        cg_device device;
        int32_t max_kv_len, kept, model_window, cache_window;
    } cases[] = {
        { { CG_LAYER_WINDOW, CG_LAYER_WINDOW, CG_LAYER_WINDOW }, CG_DEVICE_CPU, 100, 0, 30, 30 },
        { { CG_LAYER_WINDOW, CG_LAYER_WINDOW, CG_LAYER_WINDOW }, CG_DEVICE_CPU, 100, 69, 30, 99 },
        { { CG_LAYER_WINDOW, CG_LAYER_WINDOW, CG_LAYER_WINDOW }, CG_DEVICE_CPU, 100, 70, 30, 0 },
        { { CG_LAYER_WINDOW, CG_LAYER_WINDOW, CG_LAYER_WINDOW }, CG_DEVICE_CUDA, 100, 0, 30, 30 },
        { { CG_LAYER_WINDOW, CG_LAYER_WINDOW, CG_LAYER_WINDOW }, CG_DEVICE_CUDA, 100, 100, 30, 0 },
        { { CG_LAYER_WINDOW, CG_LAYER_WINDOW, CG_LAYER_WINDOW }, CG_DEVICE_CPU, 30, 0, 0, 0 },
        { { CG_LAYER_WINDOW, CG_LAYER_WINDOW, 0 }, CG_DEVICE_CPU, 100, 0, 0, 0 },
        { { 0, 0, 0 }, CG_DEVICE_CPU, 100, 0, 0, 0 },
    };
    cg_attention_shape shape = { .device = cases[_i].device,
                                 .max_kv_len = cases[_i].max_kv_len,
                                 .kept_tokens = cases[_i].kept };
    cg_model_config model = config;
    cg_cache_config c;
    cg_cache_ops ops = { CG_SIZED(cg_cache_ops), .features = CG_CACHE_GATHER };

    model.window = 30;
    memcpy(model.layer_flags, cases[_i].flags, 3);
    ck_assert_int_eq(cg_window_of_model(&model, shape.max_kv_len), cases[_i].model_window);
    c = cg_cache_config_of_model(&model, &shape);
    ck_assert_int_eq(c.window, cases[_i].cache_window);
    ck_assert_int_eq(c.sink_tokens, 0);
    ck_assert_uint_eq(c.features, cases[_i].cache_window ? CG_CACHE_WINDOW : 0);

    cg_cache_config_offer_window(&c, &ops);
    ck_assert(!c.window && !c.features);
    ops.features |= CG_CACHE_WINDOW;
    c = cg_cache_config_of_model(&model, &shape);
    cg_cache_config_offer_window(&c, &ops);
    ck_assert_int_eq(c.window, cases[_i].cache_window);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("attention problem");

    tcase_add_test(tc, flags_follow_the_device);
    tcase_add_test(tc, the_problem_combines_model_run_and_cache);
    tcase_add_loop_test(tc, a_cache_of_8_bits_needs_scales, 0, 5);
    tcase_add_loop_test(tc, a_cache_gets_the_window_of_all_layers, 0, 8);
    tcase_add_loop_test(tc, layers_with_a_window_have_a_problem_of_their_own, 0, 5);
    return run_suite("attention problem", &tc, 1);
}
