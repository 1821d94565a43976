/* SPDX-License-Identifier: MIT */
/*
 * The kernels of core/cuda/layers_kernels.cuh in f32 on the host, block by block and barrier by
 * barrier, against the operations of the CPU.
 */
#include <check.h>
#include <confgen/tensor.h>
#include <math.h>
#include <string.h>

#include "block.h"
#include "cuda/layers.h"
#include "model/config.h"
#include "ops/elementwise.h"

#define __global__
#define __shared__ static
#define __expf     expf
#define rsqrtf(x)  (1.0f / sqrtf(x))

static struct {
    unsigned x;
} blockIdx;

#include "cuda/device.cuh"

static void load8_f32(const float *p, float v[8])
{
    memcpy(v, p, 8 * sizeof *v);
}

static void store8_f32(float *p, const float v[8])
{
    memcpy(p, v, 8 * sizeof *v);
}

static void load4_f32(const float *p, float v[4])
{
    memcpy(v, p, 4 * sizeof *v);
}

static void store4_f32(float *p, const float v[4])
{
    memcpy(p, v, 4 * sizeof *v);
}

#define ACT      float
#define LOAD8    load8_f32
#define STORE8   store8_f32
#define LOAD4    load4_f32
#define STORE4   store4_f32
#define FN(name) name##_kernel
#if defined(__GNUC__) && !defined(__clang__) /* threads without elements have uninitialised ones   \
                                              */
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include "cuda/layers_kernels.cuh"

enum { ROWS = 5, MAX_WIDTH = 1400 };

static float x[ROWS * MAX_WIDTH], weight[MAX_WIDTH], bias[2 * MAX_WIDTH], got[ROWS * MAX_WIDTH];
static float want[ROWS * MAX_WIDTH];

static void fill(float *p, int n, float scale)
{
    static uint32_t state = 1;

    for (int i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        p[i] = (float)(int32_t)(state & 0xffffff00u) * 0x1p-31f * scale;
    }
}

/* Runs a kernel over n blocks. */
static void launch(void (*body)(void *), void *arg, unsigned n)
{
    for (blockIdx.x = 0; blockIdx.x < n; blockIdx.x++)
        block_run(body, arg);
}

static void expect(int n, float tolerance)
{
    for (int i = 0; i < n; i++)
        ck_assert_msg(fabsf(got[i] - want[i]) <= tolerance, "element %d: %g, wanted %g", i,
                      (double)got[i], (double)want[i]);
}

/* ---- norms ------------------------------------------------------------------------------ */

struct norm_call {
    const int32_t *row, *n;
    int32_t hidden, is_rms;
};

static void norm_thread(void *arg)
{
    const struct norm_call *c = arg;

    if (c->is_rms)
        rms_norm_kernel(x, weight, 1e-5f, c->row, c->n, c->hidden, got);
    else
        layer_norm_kernel(x, weight, bias, 1e-5f, c->row, c->n, c->hidden, got);
}

static void norm(const struct norm_call *c, int from, float *out)
{
    if (c->is_rms)
        cg_rms_norm(x + from * c->hidden, weight, 1e-5f, c->hidden, out);
    else
        cg_layer_norm(x + from * c->hidden, weight, bias, 1e-5f, c->hidden, out);
}

START_TEST(norms_of_rows)
{
    /* narrower than a block of 64 threads x 8, as wide, and wider */
    static const int32_t widths[] = { 8, 40, 512, 768, 1400 };
    static const int32_t row[ROWS] = { 3, 0, 4, 9, 9 }, n = 3;
    int32_t hidden = widths[_i / 2];
    struct norm_call all = { NULL, NULL, hidden, _i % 2 }, some = { row, &n, hidden, _i % 2 };

    fill(x, ROWS * hidden, 3);
    fill(weight, hidden, 1);
    fill(bias, hidden, 1);
    for (int i = 0; i < ROWS * hidden; i++)
        x[i] += 5;
    launch(norm_thread, &all, ROWS);
    for (int t = 0; t < ROWS; t++)
        norm(&all, t, want + t * hidden);
    expect(ROWS * hidden, 2e-5f);
    launch(norm_thread, &some, ROWS);
    memset(want, 0, sizeof want);
    for (int t = 0; t < n; t++)
        norm(&some, row[t], want + t * hidden);
    expect(ROWS * hidden, 2e-5f);
}
END_TEST

/* ---- embedding -------------------------------------------------------------------------- */

static int use_positions;
static const int32_t token[ROWS] = { 2, 0, -1, 1, 2 }, pos[ROWS] = { 0, 3, 9, 1, 2 };

static void embed_thread(void *arg)
{
    const int32_t *hidden = arg;

    embed_kernel(token, pos, weight, use_positions ? bias : NULL, *hidden, got);
}

/* The embedding goes to x, its norm to `got`. */
static void embed_norm_thread(void *arg)
{
    const int32_t *hidden = arg;

    embed_norm_kernel(token, weight, bias, 1e-5f, *hidden, x, got);
}

START_TEST(embedding_and_norm)
{
    int32_t hidden = 72;

    fill(weight, 3 * hidden, 1);
    fill(bias, hidden, 1);
    launch(embed_norm_thread, &hidden, ROWS);
    for (int t = 0; t < ROWS; t++) {
        const float *row = weight + token[t] * hidden;

        for (int i = 0; i < hidden; i++)
            ck_assert(x[t * hidden + i] == (token[t] < 0 ? 0 : row[i]));
        cg_rms_norm(x + t * hidden, bias, 1e-5f, hidden, want + t * hidden);
    }
    expect(ROWS * hidden, 2e-5f);
}
END_TEST

static void gather_thread(void *arg)
{
    gather_rows_kernel(weight, arg, 3, 24, got);
}

START_TEST(gathered_rows)
{
    int32_t rows[] = { 2, 0, 1 };

    fill(weight, 3 * 24, 1);
    launch(gather_thread, rows, 4);
    for (int t = 0; t < 4; t++)
        for (int i = 0; i < 24; i++)
            want[t * 24 + i] = t < 3 ? weight[rows[t] * 24 + i] : 0;
    expect(4 * 24, 0);
}
END_TEST

START_TEST(embedding_and_positions)
{
    int32_t hidden = 72;

    use_positions = _i;
    fill(weight, 3 * hidden, 1);
    fill(bias, 4 * hidden, 1);
    launch(embed_thread, &hidden, ROWS);
    for (int t = 0; t < ROWS; t++)
        for (int i = 0; i < hidden; i++)
            want[t * hidden + i] = token[t] < 0
                                       ? 0
                                       : weight[token[t] * hidden + i] +
                                             (use_positions ? bias[pos[t] * hidden + i] : 0);
    expect(ROWS * hidden, 0);
}
END_TEST

/* ---- activations ------------------------------------------------------------------------ */

struct act_call {
    int32_t width, is_gated, has_bias, activation, is_fused;
};

static void activate_thread(void *arg)
{
    const struct act_call *c = arg;

    if (c->is_fused)
        silu_mul_kernel(x, (int64_t)ROWS * c->width, c->width, got);
    else
        activate_kernel(x, c->has_bias ? bias : NULL, (int64_t)ROWS * c->width, c->width,
                        c->is_gated, c->activation, got);
}

START_TEST(activations_with_bias_and_gate)
{
    static void (*const functions[CG_N_ACTS])(const float *, int64_t, float *) = {
        [CG_ACT_SILU] = cg_silu,           [CG_ACT_GELU] = cg_gelu,
        [CG_ACT_GELU_TANH] = cg_gelu_tanh, [CG_ACT_QUICK_GELU] = cg_quick_gelu,
        [CG_ACT_RELU] = cg_relu,
    };
    struct act_call c = { 136, _i & 1, _i >> 1 & 1, _i / 4, 0 };
    int32_t in_width;

    if (_i == 4 * CG_N_ACTS) /* the kernel of the common case */
        c = (struct act_call) { 136, 1, 0, CG_ACT_SILU, 1 };
    in_width = (c.is_gated ? 2 : 1) * c.width;
    fill(x, ROWS * in_width, 4);
    fill(bias, in_width, 1);
    launch(activate_thread, &c, (unsigned)(ROWS * c.width / 8 / BLOCK_THREADS + 1));
    for (int t = 0; t < ROWS; t++) {
        float *row = x + t * in_width, *out = want + t * c.width;

        if (c.has_bias)
            cg_add_to(row, bias, in_width);
        functions[c.activation](row, c.width, out);
        if (c.is_gated)
            cg_multiply(out, row + c.width, c.width, out);
    }
    expect(ROWS * c.width, 2e-5f);
}
END_TEST

/* ---- rotation --------------------------------------------------------------------------- */

static void rope_store_thread(void *arg)
{
    rope_store_kernel(*(cg_cuda_qkv *)arg, 4);
}

/* Two query heads, one key head and one value head of 32 elements. */
START_TEST(rotation_or_none)
{
    enum { D = 32, WIDTH = 4 * D };
    static const int32_t slot[ROWS] = { 0, 0, 0, 1, -1 }, at[ROWS] = { 0, 1, 2, 7, 0 };
    float cosines[8 * D / 2], sines[8 * D / 2];
    cg_cuda_qkv args = { .qkv = got,
                         .bias = bias,
                         .cosines = _i ? cosines : NULL,
                         .sines = _i ? sines : NULL,
                         .slot = slot,
                         .pos = at,
                         .rows = ROWS,
                         .n_heads = 2,
                         .n_kv_heads = 1,
                         .head_dim = D };

    for (int i = 0; i < 8 * D / 2; i++) {
        cosines[i] = cosf((float)i);
        sines[i] = sinf((float)i);
    }
    fill(bias, WIDTH, 1);
    fill(got, ROWS * WIDTH, 1);
    memcpy(want, got, sizeof want);
    for (int t = 0; t < ROWS - 1; t++) { /* the last row is padding */
        float *row = want + t * WIDTH;

        cg_add_to(row, bias, WIDTH);
        for (int h = 0; _i && h < 3; h++)
            cg_rope(row + h * D, cosines + at[t] * D / 2, sines + at[t] * D / 2, D);
    }
    launch(rope_store_thread, &args, ROWS * 4 * 4 / BLOCK_THREADS + 1);
    expect(ROWS * WIDTH, 1e-6f);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("layers");
    TCase *tc = tcase_create("kernels");
    SRunner *sr;
    int failed;

    tcase_add_loop_test(tc, norms_of_rows, 0, 10);
    tcase_add_loop_test(tc, embedding_and_positions, 0, 2);
    tcase_add_test(tc, embedding_and_norm);
    tcase_add_test(tc, gathered_rows);
    tcase_add_loop_test(tc, activations_with_bias_and_gate, 0, 4 * CG_N_ACTS + 1);
    tcase_add_loop_test(tc, rotation_or_none, 0, 2);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
