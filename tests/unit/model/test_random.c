/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "model/model.h"
#include "scratch.h"

static cg_model *make(uint64_t seed)
{
    cg_model_config c;
    cg_model *m = NULL;
    cg_error err = CG_ERROR_INIT;

    ck_assert_int_eq(cg_model_config_named("default", &c, &err), CG_OK);
    c.n_layers = 2;
    ck_assert_int_eq(cg_model_random(&c, seed, &m, &err), CG_OK);
    return m;
}

START_TEST(weights_depend_only_on_the_seed)
{
    cg_model *a = make(1), *b = make(1), *c = make(2);

    ck_assert_uint_eq(cg_model_fingerprint(a), cg_model_fingerprint(b));
    ck_assert_uint_ne(cg_model_fingerprint(a), cg_model_fingerprint(c));
    /* Pinned: benchmarks of all versions use the same weights. */
    ck_assert_uint_eq(((const uint16_t *)a->embed.data)[0], 0x3c9f);
    cg_model_close(a);
    cg_model_close(b);
    cg_model_close(c);
}
END_TEST

static void moments(const cg_tensor_ref *w, double *mean, double *sigma, double *kurtosis)
{
    int64_t n = w->rows * w->cols;
    float *x = malloc((size_t)n * sizeof *x);
    double s1 = 0, s2 = 0, s4 = 0;

    cg_weight_to_f32(w, 0, w->rows, x);
    for (int64_t i = 0; i < n; i++)
        s1 += x[i];
    *mean = s1 / (double)n;
    for (int64_t i = 0; i < n; i++) {
        double d = x[i] - *mean;

        s2 += d * d;
        s4 += d * d * d * d;
    }
    s2 /= (double)n;
    *sigma = sqrt(s2);
    *kurtosis = s4 / (double)n / (s2 * s2);
    free(x);
}

START_TEST(weights_are_normal_and_norms_one)
{
    cg_model *m = make(7);
    const cg_tensor_ref *w[] = { &m->embed, &m->layers[0].gate, &m->layers[1].down };
    float one[512];
    double mean, sigma, kurtosis;

    for (int i = 0; i < 3; i++) {
        moments(w[i], &mean, &sigma, &kurtosis);
        ck_assert_msg(fabs(mean) < 1e-4 && fabs(sigma - 0.02) < 1e-4 && fabs(kurtosis - 3) < 0.03,
                      "%d: mean %g, sigma %g, kurtosis %g", i, mean, sigma, kurtosis);
    }
    ck_assert(memcmp(m->layers[0].q.data, m->layers[1].q.data, 4096) != 0);
    ck_assert_ptr_eq(m->head.data, m->embed.data);
    ck_assert_int_eq(m->layers[0].q.rows, 512);
    ck_assert_int_eq(m->layers[0].k.rows, 256);
    ck_assert_int_eq(m->layers[1].down.cols, 1280);
    ck_assert_ptr_null(m->layers[0].q_bias.data);
    ck_assert_int_eq(m->layers[1].q_norm.cols, 64);
    cg_weight_to_f32(&m->final_norm, 0, 1, one);
    for (int i = 0; i < 512; i++)
        ck_assert_float_eq(one[i], 1.0f);
    ck_assert_int_eq(m->format.conformer.number.decimals, 4);
    ck_assert_int_eq(m->generation.sampling.do_sample, 1);
    cg_model_close(m);
}
END_TEST

START_TEST(oversized_shape_is_out_of_memory)
{
    cg_model_config c = { .arch = CG_ARCH_LLAMA,
                          .hidden = CG_MAX_HIDDEN,
                          .n_layers = CG_MAX_LAYERS,
                          .n_heads = CG_MAX_HEADS,
                          .n_kv_heads = CG_MAX_HEADS,
                          .head_dim = CG_MAX_HEAD_DIM,
                          .intermediate = CG_MAX_INTERMEDIATE,
                          .vocab = CG_MAX_VOCAB,
                          .max_positions = 1 };
    cg_model *m = NULL;
    cg_error err = CG_ERROR_INIT;

    ck_assert_int_eq(cg_model_random(&c, 1, &m, &err), CG_ERR_NOMEM);
    ck_assert_ptr_null(m);
    ck_assert_contains(err.msg, "no memory for");
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("random models");

    tcase_add_test(tc, weights_depend_only_on_the_seed);
    tcase_add_test(tc, weights_are_normal_and_norms_one);
    tcase_add_test(tc, oversized_shape_is_out_of_memory);
    return run_suite("random models", (TCase *[]) { tc }, 1);
}
