/* SPDX-License-Identifier: MIT */
/* flash beyond the conformance suite: error of its exp2, equal bits over every cache plugin, texts
 * of its refusals. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flash_cpu.h"
#include "plugin_dir.h"
#include "plugin/host.h"
#include "plugin/registry.h"

enum { LAYERS = 2, SLOTS = 4, HEADS = 6, KV_HEADS = 2, DIM = 64, MAX_LEN = 131, ROWS = 40 };

/* flash_variants[i], NULL where this processor lacks its instructions. */
static const flash_variant *variant_here(int i)
{
    const flash_variant *v = &flash_variants[i];

    return (v->cpu_flags & ~flash_cpu_flags()) == 0 ? v : NULL;
}

static int n_variants(void)
{
    int n = 0;

    while (flash_variants[n].name)
        n++;
    return n;
}

static float exp2_of(const flash_variant *variant, float x)
{
    float in[16], out[16];

    for (int i = 0; i < 16; i++)
        in[i] = x;
    variant->exp2(in, out, 16);
    return out[7];
}

START_TEST(exp2_is_close)
{
    enum { N = 1 << 20 };
    const flash_variant *v = variant_here(_i);
    double worst = 0, at = 0;
    float *x, *y;

    if (!v) {
        fprintf(stderr, "exp2 of %s skipped: not on this processor\n", flash_variants[_i].name);
        return;
    }
    x = malloc(N * sizeof *x);
    y = malloc(N * sizeof *y);
    ck_assert(x && y);
    for (int i = 0; i < N; i++)
        x[i] = -126.0f * (float)i / N * (i & 1 ? 1.0f : 0.01f);
    v->exp2(x, y, N);
    for (int i = 0; i < N; i++) {
        double want = exp2((double)x[i]), ulp = exp2(floor(log2(want)) - 23);
        double error = fabs((double)y[i] - want) / ulp;

        if (error > worst) {
            worst = error;
            at = (double)x[i];
        }
    }
    printf("exp2 of %s: at most %.3f units in the last place, at %.9g\n", v->name, worst, at);
    ck_assert_double_le(worst, 1.5);
    ck_assert(exp2_of(v, 0.0f) == 1.0f);
    ck_assert(exp2_of(v, -126.0f) == 0x1p-126f);
    ck_assert(exp2_of(v, -127.0f) == 0.0f);
    ck_assert(exp2_of(v, -1e30f) == 0.0f);
    ck_assert(exp2_of(v, -INFINITY) == 0.0f);
    ck_assert(isnan(exp2_of(v, NAN)));
    free(x);
    free(y);
}
END_TEST

static cg_plugin_host host;

/* Fills a cache of the plugin with fixed tokens and attends over it; out is [ROWS, HEADS, DIM]. */
static void attend(const cg_registry *r, const char *cache_name, int32_t window, float *out)
{
    static float k[MAX_LEN * KV_HEADS * DIM], v[MAX_LEN * KV_HEADS * DIM], q[ROWS * HEADS * DIM];
    static const int32_t kv_len[SLOTS] = { 131, 17, 64, 90 }, rows[SLOTS] = { 1, 17, 2, 20 };
    int32_t slot[MAX_LEN], pos[MAX_LEN], slots[SLOTS] = { 0, 1, 2, 3 }, q_start[SLOTS + 1] = { 0 };
    const cg_plugin *attention = NULL, *cache = NULL;
    cg_error err = CG_ERROR_INIT;
    const cg_attention_ops *ops;
    const cg_cache_ops *cache_ops;
    void *self = NULL, *plan = NULL, *workspace;
    cg_kv_view view = { CG_SIZED(cg_kv_view) };
    cg_cache_config config = {
        CG_SIZED(cg_cache_config), .n_layers = LAYERS, .n_slots = SLOTS,
        .n_kv_heads = KV_HEADS,    .head_dim = DIM,    .max_len = MAX_LEN,
    };
    cg_attention_problem problem = {
        CG_SIZED(cg_attention_problem),
        .n_heads = HEADS,
        .n_kv_heads = KV_HEADS,
        .head_dim = DIM,
        .max_tokens = ROWS,
        .max_seqs = SLOTS,
        .max_kv_len = MAX_LEN,
        .window = window,
        .scale = 0.125f,
    };

    ck_assert_int_eq(cg_registry_find(r, CG_PLUGIN_ATTENTION, "flash", &attention, &err), CG_OK);
    ck_assert_int_eq(cg_registry_find(r, CG_PLUGIN_CACHE, cache_name, &cache, &err), CG_OK);
    ops = attention->ops;
    cache_ops = cache->ops;
    ck_assert_int_eq(cache_ops->create(&host.host, &config, &self, &err), CG_OK);
    srand(7);
    for (int32_t i = 0; i < ROWS * HEADS * DIM; i++)
        q[i] = (float)rand() / (float)RAND_MAX * 4 - 2;
    for (int32_t s = 0; s < SLOTS; s++) {
        ck_assert_int_eq(cache_ops->reserve(self, s, kv_len[s], &err), CG_OK);
        for (int32_t i = 0; i < kv_len[s] * KV_HEADS * DIM; i++) {
            k[i] = (float)rand() / (float)RAND_MAX * 4 - 2;
            v[i] = (float)rand() / (float)RAND_MAX * 4 - 2;
        }
        for (int32_t i = 0; i < kv_len[s]; i++) {
            slot[i] = s;
            pos[i] = i;
        }
        ck_assert_int_eq(cache_ops->append(self, 1,
                                           &(cg_cache_append) {
                                               CG_SIZED(cg_cache_append),
                                               .n_tokens = kv_len[s],
                                               .slot = slot,
                                               .pos = pos,
                                               .k = k,
                                               .v = v,
                                               .k_stride = KV_HEADS * DIM * sizeof(float),
                                               .v_stride = KV_HEADS * DIM * sizeof(float),
                                           },
                                           &err),
                         CG_OK);
        q_start[s + 1] = q_start[s] + rows[s];
    }
    ck_assert_int_eq(q_start[SLOTS], ROWS);
    ck_assert_int_eq(cache_ops->view(self, 1, &view, &err), CG_OK);
    problem.paged = view.page_table != NULL;
    ck_assert_int_eq(ops->plan(&host.host, &problem, &plan, &err), CG_OK);
    workspace = host.host.alloc(host.host.ctx, ops->workspace_size(plan));
    ck_assert_int_eq(ops->run(plan,
                              &(cg_attention_args) {
                                  CG_SIZED(cg_attention_args),
                                  .n_tokens = ROWS,
                                  .n_seqs = SLOTS,
                                  .q = q,
                                  .out = out,
                                  .q_stride = HEADS * DIM * sizeof(float),
                                  .out_stride = HEADS * DIM * sizeof(float),
                                  .q_start = q_start,
                                  .slot = slots,
                                  .kv_len = kv_len,
                                  .kv = &view,
                                  .workspace = workspace,
                              },
                              &err),
                     CG_OK);
    host.host.free(host.host.ctx, workspace);
    ops->destroy(plan);
    cache_ops->destroy(self);
}

START_TEST(same_bits_over_every_cache)
{
    static float a[ROWS * HEADS * DIM], b[ROWS * HEADS * DIM], c[ROWS * HEADS * DIM];
    cg_error err = CG_ERROR_INIT;
    cg_registry *r = NULL;

    if (!variant_here(_i))
        return; /* reported by exp2_is_close */
    cg_plugin_host_init(&host, NULL, NULL, NULL, 0);
    ck_assert_int_eq(setenv("CONFGEN_FLASH_ISA", flash_variants[_i].name, 1), 0);
    ck_assert_int_eq(cg_registry_create(&host.host, &r, &err), CG_OK);
    ck_assert_int_eq(cg_registry_add_dir(r, built_plugin_dir(), &err), CG_OK);
    for (int32_t window = 0; window < 50; window += 23) {
        attend(r, "static", window, a);
        attend(r, "dynamic", window, b);
        attend(r, "paged", window, c);
        ck_assert_int_eq(memcmp(a, b, sizeof a), 0);
        ck_assert_int_eq(memcmp(a, c, sizeof a), 0);
    }
    cg_registry_destroy(r);
}
END_TEST

START_TEST(unknown_variant_is_refused)
{
    cg_attention_problem problem = {
        CG_SIZED(cg_attention_problem),
        .n_heads = 1,
        .n_kv_heads = 1,
        .head_dim = 64,
        .max_tokens = 1,
        .max_seqs = 1,
        .max_kv_len = 1,
        .scale = 1,
    };
    const cg_plugin *attention = NULL;
    cg_error err = CG_ERROR_INIT;
    cg_registry *r = NULL;

    cg_plugin_host_init(&host, NULL, NULL, NULL, 0);
    ck_assert_int_eq(setenv("CONFGEN_FLASH_ISA", "sse9", 1), 0);
    ck_assert_int_eq(cg_registry_create(&host.host, &r, &err), CG_OK);
    ck_assert_int_eq(cg_registry_add_dir(r, built_plugin_dir(), &err), CG_OK);
    ck_assert_int_eq(cg_registry_find(r, CG_PLUGIN_ATTENTION, "flash", &attention, &err), CG_OK);
    ck_assert_int_eq(
        ((const cg_attention_ops *)attention->ops)->supports(&host.host, &problem, &err),
        CG_ERR_UNSUPPORTED);
    ck_assert_str_eq(err.msg, "CONFGEN_FLASH_ISA is 'sse9', wanted one of avx512, avx2, generic "
                              "that this processor has");
    cg_registry_destroy(r);
}
END_TEST

/* Problems that the CUDA kernels do not support are refused before the driver is called. */
START_TEST(cuda_problems_are_refused_with_the_reason)
{
    const cg_attention_problem good = {
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
        .max_tokens = 64,
        .max_seqs = 64,
        .max_kv_len = 1024,
        .scale = 0.125f,
    };
    struct {
        cg_attention_problem p;
        const char *text;
    } bad[] = {
        { good, "q of f32 and cache of f32, wanted bf16 or f16 for q and the same type, or one of "
                "8 bits, for the cache on CUDA; eager serves others" },
        { good, "q of bf16 and cache of f16, wanted bf16 or f16 for q and the same type, or one of "
                "8 bits, for the cache on CUDA; eager serves others" },
        { good, "head size 112, wanted 32, 56, 64, 80, 96, 128, 192 or 256 on CUDA; eager serves "
                "others" },
        { good, "pages of 24 tokens, wanted a multiple of 16 on CUDA" },
        { good,
          "1073741824 query tokens of 16 heads over 1024 cached tokens: too many for one launch" },
        { good, "values of another size: not supported on cuda" },
        { good, "scales for a cache of bf16, wanted f8_e4m3, f8_e5m2 or i8 on CUDA" },
        { good,
          "head size 48, wanted 32, 56, 64, 80, 96, 128, 192 or 256 on CUDA; eager serves others" },
    };
    const cg_plugin *attention = NULL;
    cg_error err = CG_ERROR_INIT;
    cg_registry *r = NULL;
    const cg_attention_ops *ops;

    bad[0].p.dtype = bad[0].p.kv_dtype = CG_F32;
    bad[1].p.kv_dtype = CG_F16;
    bad[2].p.head_dim = 112;
    bad[3].p.block_tokens = 24;
    bad[4].p.max_tokens = 1 << 30;
    bad[5].p.features = CG_ATTENTION_VALUE_SIZE;
    bad[6].p.features = bad[7].p.features = CG_ATTENTION_KV_SCALES;
    bad[7].p.kv_dtype = CG_F8_E4M3;
    bad[7].p.head_dim = 48;
    cg_plugin_host_init(&host, NULL, NULL, NULL, 0);
    ck_assert_int_eq(cg_registry_create(&host.host, &r, &err), CG_OK);
    ck_assert_int_eq(cg_registry_add_dir(r, built_plugin_dir(), &err), CG_OK);
    ck_assert_int_eq(cg_registry_find(r, CG_PLUGIN_ATTENTION, "flash", &attention, &err), CG_OK);
    ops = attention->ops;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        void *plan = NULL;

        ck_assert_int_eq(ops->supports(&host.host, &bad[i].p, &err), CG_ERR_UNSUPPORTED);
#ifdef CG_WITH_CUDA
        ck_assert_str_eq(err.msg, bad[i].text);
#else
        ck_assert_str_eq(err.msg, "this flash was built without CUDA");
#endif
        ck_assert_int_eq(ops->plan(&host.host, &bad[i].p, &plan, &err), CG_ERR_UNSUPPORTED);
        ck_assert_ptr_null(plan);
    }
    cg_registry_destroy(r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("flash");
    TCase *tc = tcase_create("flash");
    SRunner *sr;
    int failed;

    tcase_add_loop_test(tc, exp2_is_close, 0, n_variants());
    tcase_add_loop_test(tc, same_bits_over_every_cache, 0, n_variants());
    tcase_add_test(tc, unknown_variant_is_refused);
    tcase_add_test(tc, cuda_problems_are_refused_with_the_reason);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
