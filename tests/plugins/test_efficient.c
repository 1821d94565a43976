/* SPDX-License-Identifier: MIT */
/* efficient beyond the conformance suite: latent attention, equal bits of its variants for the CPU,
 * workspace. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/scratch.h"
#include "efficient_cpu.h"
#include "plugin_dir.h"
#include "plugin/host.h"
#include "plugin/registry.h"

/* Latent attention: a value is the first elements of its key, which all heads share. */
enum { HEADS = 24, DIM = 576, V_DIM = 512, LEN = 150, TOKENS = 3, V_ROW = HEADS * V_DIM };

struct latent {
    efficient_call call;
    float q[TOKENS * HEADS * DIM];
    int8_t kv[LEN * DIM];
    float scale[LEN];
    float out[TOKENS * V_ROW];
    int32_t q_start[2], slot, len;
};

static float random_unit(void)
{
    return (float)rand() / (float)RAND_MAX * 2 - 1;
}

static struct latent *create_latent(void)
{
    struct latent *l = calloc(1, sizeof *l);

    ck_assert_ptr_nonnull(l);
    srand(3);
    for (int i = 0; i < TOKENS * HEADS * DIM; i++)
        l->q[i] = random_unit();
    for (int i = 0; i < LEN * DIM; i++)
        l->kv[i] = (int8_t)(rand() % 256 - 128);
    for (int i = 0; i < LEN; i++)
        l->scale[i] = 0.02f + 0.01f * random_unit();
    l->q_start[1] = TOKENS;
    l->len = LEN;
    l->call = (efficient_call) {
        .kv = { .n_slots = 1,
                .n_kv_heads = 1,
                .head_dim = DIM,
                .v_head_dim = V_DIM,
                .block_tokens = LEN,
                .k = l->kv,
                .v = l->kv,
                .token_stride = DIM,
                .v_token_stride = DIM,
                .k_scale = l->scale,
                .v_scale = l->scale,
                .scale_token_stride = sizeof(float) },
        .q = l->q,
        .out = l->out,
        .q_stride = HEADS * DIM * sizeof *l->q,
        .out_stride = V_ROW * sizeof *l->out,
        .q_start = l->q_start,
        .slot = &l->slot,
        .kv_len = &l->len,
        .kv_dtype = CG_I8,
        .n_tokens = TOKENS,
        .n_seqs = 1,
        .n_kv_heads = 1,
        .group = HEADS,
        .head_dim = DIM,
        .v_dim = V_DIM,
        .is_causal = 1,
        .scale = 0.1f,
    };
    return l;
}

static void run_rows(const efficient_call *c, efficient_rows_fn rows)
{
    float *scratch = aligned_alloc(64, efficient_scratch(c->head_dim, c->v_dim) * sizeof *scratch);

    ck_assert_ptr_nonnull(scratch);
    for (int64_t x = 0; x < efficient_row_tiles(c, EFFICIENT_ROWS); x++) {
        efficient_row_tile tile = efficient_find_row_tile(c, EFFICIENT_ROWS, x);

        if (tile.n)
            rows(c, &tile, 0, scratch);
    }
    free(scratch);
}

/* out of one query token and head in double precision. */
static void solve(const struct latent *l, int token, int head, double *ret_out)
{
    double score[LEN], max = -INFINITY, sum = 0;
    int n = LEN - TOKENS + token + 1;

    for (int j = 0; j < n; j++) {
        score[j] = 0;
        for (int d = 0; d < DIM; d++)
            score[j] += (double)l->q[(token * HEADS + head) * DIM + d] * l->kv[j * DIM + d];
        score[j] *= 0.1f * (double)l->scale[j];
        max = fmax(max, score[j]);
    }
    memset(ret_out, 0, V_DIM * sizeof *ret_out);
    for (int j = 0; j < n; j++) {
        score[j] = exp(score[j] - max);
        sum += score[j];
        for (int d = 0; d < V_DIM; d++)
            ret_out[d] += score[j] * (double)l->scale[j] * l->kv[j * DIM + d];
    }
    for (int d = 0; d < V_DIM; d++)
        ret_out[d] /= sum;
}

START_TEST(latent_attention_is_right)
{
    struct latent *l = create_latent();
    double want[V_DIM];

    run_rows(&l->call, efficient_rows_baseline);
    for (int t = 0; t < TOKENS; t++)
        for (int h = 0; h < HEADS; h++) {
            solve(l, t, h, want);
            for (int d = 0; d < V_DIM; d++)
                ck_assert_double_eq_tol((double)l->out[t * V_ROW + h * V_DIM + d], want[d], 2e-5);
        }
    free(l);
}
END_TEST

START_TEST(variants_have_the_same_bits)
{
#ifdef EFFICIENT_X86
    struct latent *a = create_latent(), *b = create_latent();

    if (__builtin_cpu_supports("avx2")) {
        for (int32_t dim = DIM; dim > 500; dim -= 37) {
            a->call.head_dim = b->call.head_dim = dim;
            a->call.v_dim = b->call.v_dim = dim < V_DIM ? dim : V_DIM;
            run_rows(&a->call, efficient_rows_baseline);
            run_rows(&b->call, efficient_rows_avx2);
            ck_assert_mem_eq(a->out, b->out, sizeof a->out);
        }
    }
    free(a);
    free(b);
#endif
}
END_TEST

/* Memory does not grow with the context. */
START_TEST(workspace_is_small)
{
    static cg_plugin_host host;
    cg_attention_problem p = {
        CG_SIZED(cg_attention_problem),
        .n_heads = 8,
        .n_kv_heads = 2,
        .head_dim = 128,
        .max_tokens = 4096,
        .max_seqs = 64,
        .scale = 0.1f,
    };
    const cg_plugin *attention = NULL;
    cg_error err = CG_ERROR_INIT;
    cg_registry *r = NULL;
    const cg_attention_ops *ops;
    size_t bytes[2];

    cg_plugin_host_init(&host, NULL, NULL, NULL, 0);
    ck_assert_int_eq(cg_registry_create(&host.host, &r, &err), CG_OK);
    ck_assert_int_eq(cg_registry_add_dir(r, built_plugin_dir(), &err), CG_OK);
    ck_assert_int_eq(cg_registry_find(r, CG_PLUGIN_ATTENTION, "efficient", &attention, &err),
                     CG_OK);
    ops = attention->ops;
    for (int i = 0; i < 2; i++) {
        void *plan = NULL;

        p.max_kv_len = i ? 1 << 30 : 100;
        ck_assert_int_eq(ops->plan(&host.host, &p, &plan, &err), CG_OK);
        bytes[i] = ops->workspace_size(plan);
        ops->destroy(plan);
    }
    ck_assert_uint_eq(bytes[0], bytes[1]);
    ck_assert_uint_le(bytes[0], 1 << 16);
    cg_registry_destroy(r);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("efficient");

    tcase_add_test(tc, latent_attention_is_right);
    tcase_add_test(tc, variants_have_the_same_bits);
    tcase_add_test(tc, workspace_is_small);
    tcase_set_timeout(tc, 60);
    return run_suite("efficient", &tc, 1);
}
