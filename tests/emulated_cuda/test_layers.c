/* SPDX-License-Identifier: MIT */
/* The kernels of core/cuda/layers.cu on the emulated GPU against the operations of the CPU. */
#include <check.h>
#include <confgen/tensor.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "conformance/element.h"
#include "cuda/layers.h"
#include "model/config.h"
#include "ops/elementwise.h"
#include "scaled_row.h"

enum {
    ROWS = 6,
    MAX_WIDTH = 8208,
    BLOCK_TOKENS = 4,
    MAX_TOKENS = 12, /* of a slot */
    MAX_BLOCKS = 8,
    MAX_SCALES = MAX_BLOCKS * 3 * BLOCK_TOKENS,
    MAX_CACHE = MAX_SCALES * 256,
};

static const float eps = 1e-5f;
static const cg_dtype types[] = { CG_F32, CG_F16, CG_BF16 };
enum { N_TYPES = sizeof types / sizeof *types };

/* Device memory is host memory. Arrays of float also hold elements of 16 bits. */
static struct {
    float x[ROWS * MAX_WIDTH], out[ROWS * MAX_WIDTH], table[4 * MAX_WIDTH],
        positions[4 * MAX_WIDTH];
    float weight[MAX_WIDTH], bias[MAX_WIDTH], q_norm[256], k_norm[256];
    float cosines[MAX_TOKENS * 128], sines[MAX_TOKENS * 128];
    float k[MAX_CACHE], v[MAX_CACHE];
    float k_scale[MAX_SCALES], v_scale[MAX_SCALES];
    int32_t token[ROWS], row[ROWS], n, slot[ROWS], pos[ROWS];
    int32_t pages[2 * MAX_TOKENS / BLOCK_TOKENS];
} * d;

static float want[ROWS * MAX_WIDTH], want_k[MAX_CACHE], want_v[MAX_CACHE];
static cg_error err = CG_ERROR_INIT;

static void set_up(void)
{
    static const int32_t token[] = { 2, 0, -1, 1, 2, 3 }, row[] = { 3, 0, 4, 9, 9, 9 };
    static const int32_t slot[] = { 0, 0, 0, 1, 1, -1 }, pos[] = { 0, 1, 2, 7, 11, 0 };
    static const int32_t pages[] = { 5, 0, 7, 2, 6, 1 };

    ck_assert(cudaMalloc((void **)&d, sizeof *d) == cudaSuccess);
    memcpy(d->token, token, sizeof d->token);
    memcpy(d->row, row, sizeof d->row);
    memcpy(d->slot, slot, sizeof d->slot);
    memcpy(d->pos, pos, sizeof d->pos);
    memcpy(d->pages, pages, sizeof d->pages);
    d->n = 3;
    memset(want, 0, sizeof want);
}

static void tear_down(void)
{
    cudaFree(d);
}

/* Numbers that the type holds. */
static void fill(void *p, cg_dtype t, int n, float scale)
{
    static uint32_t state = 1;

    for (int i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        element_store((char *)p + i * cg_dtype_size(t), t,
                      (float)(int32_t)(state & 0xffffff00u) * 0x1p-31f * scale);
    }
}

static float element(const void *p, cg_dtype t, int i)
{
    return element_load((const char *)p + i * cg_dtype_size(t), t);
}

/* Copies n elements to floats. */
static void read_elements(const void *p, cg_dtype t, int n, float *ret)
{
    for (int i = 0; i < n; i++)
        ret[i] = element(p, t, i);
}

static void finish(cg_status st)
{
    ck_assert_msg(st == CG_OK, "%s", err.msg);
    ck_assert(cudaStreamSynchronize(NULL) == cudaSuccess);
}

/* The first n elements are those wanted, up to the tolerance and one rounding to the type; NaN
 * where that is wanted. */
static void expect_elements(const void *got, const float *wanted, cg_dtype t, int n,
                            float tolerance)
{
    const float rounding = t == CG_F32 ? 0 : t == CG_F16 ? 0x1p-10f : 0x1p-7f;

    for (int i = 0; i < n; i++) {
        float x = element(got, t, i);

        if (isnan(wanted[i]))
            ck_assert_msg(isnan(x), "element %d: %g, wanted none", i, (double)x);
        else
            ck_assert_msg(fabsf(x - wanted[i]) <= tolerance + rounding * fabsf(wanted[i]),
                          "element %d: %g, wanted %g", i, (double)x, (double)wanted[i]);
    }
}

static void expect(cg_dtype t, int n, float tolerance)
{
    expect_elements(d->out, want, t, n, tolerance);
}

/* ---- norms ------------------------------------------------------------------------------ */

/* Narrower than a warp of eight elements per lane, as wide, and wider; a width of each kernel; more
 * than a block of 1024 threads holds. */
static const int32_t widths[] = { 8, 40, 256, 512, 768, 1024, 1400, 2048, 2056, 4096, 8200 };
enum { N_WIDTHS = sizeof widths / sizeof *widths };
enum { N_I8_WIDTHS = 8 }; /* up to CG_MAX_I8_HIDDEN */

static void normalise(int is_rms, const int32_t *row, int rows, int32_t hidden, cg_dtype t)
{
    memset(d->out, 0xff, sizeof d->out); /* NaN */
    if (is_rms)
        finish(cg_cuda_rms_norm(d->x, d->weight, eps, row, &d->n, rows, hidden, t, d->out, NULL,
                                &err));
    else
        finish(cg_cuda_layer_norm(d->x, d->weight, d->bias, eps, row, &d->n, rows, hidden, t,
                                  d->out, NULL, &err));
    ck_assert(isnan(element(d->out, t, rows * hidden)));
}

static void norm(int is_rms, int from, int32_t hidden, float *out)
{
    if (is_rms)
        cg_rms_norm(d->x + from * hidden, d->weight, eps, hidden, out);
    else
        cg_layer_norm(d->x + from * hidden, d->weight, d->bias, eps, hidden, out);
}

START_TEST(norms_of_rows)
{
    const int32_t hidden = widths[_i], rows = ROWS - 1;
    const cg_dtype t = types[_i % N_TYPES];

    fill(d->x, CG_F32, ROWS * hidden, 3);
    fill(d->weight, CG_F32, hidden, 1);
    fill(d->bias, CG_F32, hidden, 1);
    for (int i = 0; i < ROWS * hidden; i++)
        d->x[i] += 5;
    for (int is_rms = 0; is_rms < 2; is_rms++) {
        normalise(is_rms, NULL, rows, hidden, t);
        for (int r = 0; r < rows; r++)
            norm(is_rms, r, hidden, want + r * hidden);
        expect(t, rows * hidden, 4e-5f);
        normalise(is_rms, d->row, rows, hidden, t);
        memset(want, 0, sizeof want);
        for (int r = 0; r < d->n; r++)
            norm(is_rms, d->row[r], hidden, want + r * hidden);
        expect(t, rows * hidden, 4e-5f);
    }
}
END_TEST

/* The sum of squares in the order of the comment in layers_kernels.cuh. */
static float sum_of_squares(const float *x, int hidden)
{
    float sum = 0;

    for (int first = 0; first < hidden; first += 256) {
        float lane[32] = { 0 };

        for (int i = first; i < hidden && i < first + 256; i++)
            lane[(i - first) / 8] += x[i] * x[i];
        for (int step = 16; step > 0; step /= 2)
            for (int l = 0; l < step; l++)
                lane[l] += lane[l + step];
        sum += lane[0];
    }
    return sum;
}

START_TEST(bits_of_rms_norm)
{
    int32_t hidden = widths[_i];

    fill(d->x, CG_F32, ROWS * hidden, 3);
    fill(d->weight, CG_F32, hidden, 1);
    normalise(1, NULL, ROWS - 1, hidden, CG_F32);
    for (int i = 0; i < (ROWS - 1) * hidden; i++) {
        const float *x = d->x + i / hidden * hidden;
        float scale = 1 / sqrtf(sum_of_squares(x, hidden) / (float)hidden + eps);

        ck_assert(d->out[i] == d->weight[i % hidden] * (x[i % hidden] * scale));
    }
}
END_TEST

/* ---- rows of i8 ------------------------------------------------------------------------- */

/* The rows of `wanted`, each with its own scale: `numbers` are at most half a unit off. */
static void expect_i8(const int8_t *numbers, const float *scale, const float *wanted, int rows,
                      int width)
{
    for (int r = 0; r < rows; r++) {
        float most = 0;
        int largest = 0;

        for (int i = 0; i < width; i++)
            most = fmaxf(most, fabsf(wanted[r * width + i]));
        ck_assert_msg(fabsf(scale[r] * 127 - most) <= 1e-5f * most, "row %d: scale %g, wanted %g",
                      r, (double)scale[r], (double)(most / 127));
        for (int i = 0; i < width; i++) {
            const int x = numbers[r * width + i];

            ck_assert_msg(fabsf((float)x * scale[r] - wanted[r * width + i]) <= 0.501f * scale[r],
                          "row %d, element %d: %d of %g, wanted %g", r, i, x, (double)scale[r],
                          (double)wanted[r * width + i]);
            largest = abs(x) > largest ? abs(x) : largest;
        }
        ck_assert_int_eq(largest, most > 0 ? 127 : 0);
    }
    ck_assert_int_eq(numbers[rows * width], -1); /* as before */
}

/* A row of zeros and one with NaN are among them. */
START_TEST(norm_as_i8)
{
    const int32_t hidden = widths[_i], rows = ROWS - 1;
    int8_t *h = (int8_t *)d->out;
    float *scale = d->table;

    fill(d->x, CG_F32, ROWS * hidden, 3);
    fill(d->weight, CG_F32, hidden, 1);
    memset(d->x + hidden, 0, (size_t)hidden * sizeof *d->x);
    memset(h, 0xff, (size_t)(ROWS * hidden));
    finish(cg_cuda_rms_norm_i8(d->x, d->weight, eps, rows, hidden, h, scale, NULL, &err));
    for (int r = 0; r < rows; r++)
        norm(1, r, hidden, want + r * hidden);
    expect_i8(h, scale, want, rows, hidden);
    d->x[hidden + 7] = NAN;
    finish(cg_cuda_rms_norm_i8(d->x, d->weight, eps, rows, hidden, h, scale, NULL, &err));
    ck_assert(isnan(scale[1]));
    ck_assert(isfinite(scale[0]) && isfinite(scale[2]));
}
END_TEST

START_TEST(weights_as_i8)
{
    const int32_t columns = widths[_i], rows = ROWS - 1;
    int8_t *numbers = (int8_t *)d->out;
    float *scale = d->table;

    fill(d->x, CG_F32, ROWS * columns, 0.1f);
    memset(d->x + columns, 0, (size_t)columns * sizeof *d->x);
    memset(numbers, 0xff, (size_t)(ROWS * columns));
    finish(cg_cuda_quantise_rows(d->x, rows, columns, numbers, scale, NULL, &err));
    expect_i8(numbers, scale, d->x, rows, columns);
    d->x[columns - 1] = NAN;
    finish(cg_cuda_quantise_rows(d->x, rows, columns, numbers, scale, NULL, &err));
    ck_assert(isnan(scale[0]));
    ck_assert(isfinite(scale[2]));
}
END_TEST

/* ---- embedding -------------------------------------------------------------------------- */

/* The embedding goes to x, its norm to `out`. */
START_TEST(embedding_and_norm)
{
    int32_t hidden = widths[_i];
    cg_dtype t = types[(_i + 1) % N_TYPES];

    fill(d->table, t, 4 * hidden, 1);
    fill(d->weight, CG_F32, hidden, 1);
    memset(d->x, 0xff, sizeof d->x);
    memset(d->out, 0xff, sizeof d->out);
    finish(cg_cuda_embed_norm(d->token, d->table, d->weight, eps, ROWS - 1, hidden, t, d->x, d->out,
                              NULL, &err));
    for (int r = 0; r < ROWS - 1; r++) {
        for (int i = 0; i < hidden; i++)
            ck_assert(d->x[r * hidden + i] ==
                      (d->token[r] < 0 ? 0 : element(d->table, t, d->token[r] * hidden + i)));
        cg_rms_norm(d->x + r * hidden, d->weight, eps, hidden, want + r * hidden);
    }
    expect(t, (ROWS - 1) * hidden, 2e-5f);
    ck_assert(isnan(d->x[(ROWS - 1) * hidden]));
    ck_assert(isnan(element(d->out, t, (ROWS - 1) * hidden)));
}
END_TEST

START_TEST(embedding_and_positions)
{
    enum { HIDDEN = 72 };
    const cg_dtype t = types[_i];

    for (int r = 0; r < ROWS; r++)
        d->pos[r] = r % 4;
    fill(d->table, t, 4 * HIDDEN, 1);
    fill(d->positions, t, 4 * HIDDEN, 1);
    for (int has_positions = 0; has_positions < 2; has_positions++) {
        finish(cg_cuda_embed(d->token, d->pos, d->table, has_positions ? d->positions : NULL, ROWS,
                             HIDDEN, t, d->x, NULL, &err));
        for (int i = 0; i < ROWS * HIDDEN; i++) {
            int r = i / HIDDEN, j = i % HIDDEN;
            float position = has_positions ? element(d->positions, t, d->pos[r] * HIDDEN + j) : 0;

            ck_assert(
                d->x[i] ==
                (d->token[r] < 0 ? 0 : element(d->table, t, d->token[r] * HIDDEN + j) + position));
        }
    }
}
END_TEST

START_TEST(gathered_rows)
{
    enum { WIDTH = 24, N = 3 };
    static const int32_t row[N] = { 2, 0, 1 };
    const cg_dtype t = types[_i];

    memcpy(d->row, row, sizeof row);
    fill(d->table, t, N * WIDTH, 1);
    finish(cg_cuda_gather_rows(d->table, d->row, N, ROWS, WIDTH, t, d->out, NULL, &err));
    for (int i = 0; i < ROWS * WIDTH; i++)
        ck_assert(element(d->out, t, i) ==
                  (i / WIDTH < N ? element(d->table, t, row[i / WIDTH] * WIDTH + i % WIDTH) : 0));
}
END_TEST

/* ---- activations ------------------------------------------------------------------------ */

static void test_activation(int32_t activation, int is_gated, int has_bias, int is_fused,
                            cg_dtype t)
{
    static void (*const functions[CG_N_ACTS])(const float *, int64_t, float *) = {
        [CG_ACT_SILU] = cg_silu,           [CG_ACT_GELU] = cg_gelu,
        [CG_ACT_GELU_TANH] = cg_gelu_tanh, [CG_ACT_QUICK_GELU] = cg_quick_gelu,
        [CG_ACT_RELU] = cg_relu,
    };
    enum { WIDTH = 136 };
    const int in_width = (is_gated ? 2 : 1) * WIDTH;
    float row[2 * WIDTH];

    fill(d->x, t, ROWS * in_width, 4);
    fill(d->bias, CG_F32, in_width, 1);
    if (is_fused)
        finish(cg_cuda_silu_mul(d->x, ROWS, WIDTH, t, d->out, NULL, &err));
    else
        finish(cg_cuda_activate(d->x, has_bias ? d->bias : NULL, ROWS, WIDTH, is_gated, activation,
                                t, d->out, NULL, &err));
    for (int r = 0; r < ROWS; r++) {
        float *out = want + r * WIDTH;

        read_elements((char *)d->x + r * in_width * cg_dtype_size(t), t, in_width, row);
        if (has_bias)
            cg_add_to(row, d->bias, in_width);
        functions[activation](row, WIDTH, out);
        if (is_gated)
            cg_multiply(out, row + WIDTH, WIDTH, out);
    }
    expect(t, ROWS * WIDTH, 2e-5f);
}

START_TEST(activations_with_bias_and_gate)
{
    for (int form = 0; form < 4; form++)
        test_activation(_i, form & 1, form & 2, 0, types[(_i + form) % N_TYPES]);
}
END_TEST

/* cg_cuda_silu_mul() */
START_TEST(fused_silu)
{
    for (int i = 0; i < N_TYPES; i++)
        test_activation(CG_ACT_SILU, 1, 0, 1, types[i]);
}
END_TEST

START_TEST(added_bias)
{
    enum { WIDTH = 520 };

    fill(d->x, CG_F32, ROWS * WIDTH, 4);
    fill(d->bias, CG_F32, WIDTH, 1);
    memcpy(want, d->x, ROWS * WIDTH * sizeof *want);
    for (int r = 0; r < ROWS; r++)
        cg_add_to(want + r * WIDTH, d->bias, WIDTH);
    finish(cg_cuda_add_bias(d->x, d->bias, ROWS, WIDTH, NULL, &err));
    ck_assert_mem_eq(d->x, want, ROWS * WIDTH * sizeof *want);
}
END_TEST

/* ---- rotation --------------------------------------------------------------------------- */

/* With idle lanes and without. */
static const int32_t head_dims[] = { 8, 24, 56, 64, 80, 128, 256 };
enum { N_HEAD_DIMS = sizeof head_dims / sizeof *head_dims };

/* Which of the optional arguments there are, and the cache. */
static const struct rope_case {
    int32_t has_bias, has_q_norm, has_k_norm, is_rotated, store, is_paged, tokens_first;
} rope_cases[] = {
    { 0, 0, 0, 1, 1, 1, 0 }, { 0, 0, 0, 1, 1, 0, 1 }, { 0, 0, 0, 0, 1, 0, 0 },
    { 1, 1, 1, 1, 1, 1, 1 }, { 0, 1, 0, 1, 0, 0, 0 }, { 0, 0, 1, 0, 1, 0, 0 },
    { 1, 0, 0, 1, 0, 0, 0 },
};
enum { N_ROPE_CASES = sizeof rope_cases / sizeof *rope_cases };

/* The cache that d->k, d->v and d->pages hold. */
static cg_kv_view view_of(const struct rope_case *c, int32_t n_kv_heads, int32_t head_dim,
                          cg_dtype t)
{
    const int64_t bytes = head_dim * (int64_t)cg_dtype_size(t);
    const int32_t block_tokens = c->is_paged ? BLOCK_TOKENS : MAX_TOKENS;

    return (cg_kv_view) {
        CG_SIZED(cg_kv_view),
        .block_tokens = block_tokens,
        .table_stride = c->is_paged ? MAX_TOKENS / BLOCK_TOKENS : 0,
        .page_table = c->is_paged ? d->pages : NULL,
        .k = d->k,
        .v = d->v,
        .block_stride = bytes * block_tokens * n_kv_heads,
        .head_stride = c->tokens_first ? bytes : bytes * block_tokens,
        .token_stride = c->tokens_first ? bytes * n_kv_heads : bytes,
    };
}

/* What becomes of a row's head of q (kind 0), k (1) or v (2). */
static void compute_head(const cg_cuda_qkv *a, int kind, int head, int pos, float *x)
{
    const float *norm = kind == 0 ? a->q_norm : kind == 1 ? a->k_norm : NULL;
    const int32_t half = a->head_dim / 2;

    if (a->bias)
        cg_add_to(x, a->bias + head * a->head_dim, a->head_dim);
    if (norm)
        cg_rms_norm(x, norm, a->eps, a->head_dim, x);
    if (a->cosines && kind < 2)
        cg_rope(x, a->cosines + pos * half, a->sines + pos * half, a->head_dim);
}

/* The arguments of a case over random numbers; the cache holds NaN. */
static cg_cuda_qkv rope_args(const struct rope_case *c, int32_t n_heads, int32_t n_kv,
                             int32_t head_dim, cg_dtype t)
{
    const int32_t width = (n_heads + 2 * n_kv) * head_dim;

    fill(d->out, t, ROWS * width, 1);
    fill(d->bias, CG_F32, width, 1);
    fill(d->q_norm, CG_F32, head_dim, 1);
    fill(d->k_norm, CG_F32, head_dim, 1);
    fill(d->cosines, CG_F32, MAX_TOKENS * head_dim / 2, 1);
    fill(d->sines, CG_F32, MAX_TOKENS * head_dim / 2, 1);
    memset(d->k, 0xff, sizeof d->k);
    memset(d->v, 0xff, sizeof d->v);
    return (cg_cuda_qkv) {
        .qkv = d->out,
        .bias = c->has_bias ? d->bias : NULL,
        .q_norm = c->has_q_norm ? d->q_norm : NULL,
        .k_norm = c->has_k_norm ? d->k_norm : NULL,
        .cosines = c->is_rotated ? d->cosines : NULL,
        .sines = c->is_rotated ? d->sines : NULL,
        .slot = d->slot,
        .pos = d->pos,
        .rows = ROWS,
        .n_heads = n_heads,
        .n_kv_heads = n_kv,
        .head_dim = head_dim,
        .eps = 1e-6f,
        .act = t,
        .store = c->store,
        .view = view_of(c, n_kv, head_dim, t),
    };
}

/* Each width of each type; each case of heads of 64 in bf16. */
START_TEST(rotation_and_store)
{
    const int is_width = _i < N_HEAD_DIMS * N_TYPES;
    const cg_dtype t = is_width ? types[_i % N_TYPES] : CG_BF16;
    const int32_t head_dim = is_width ? head_dims[_i / N_TYPES] : 64;
    const struct rope_case *c = &rope_cases[_i % N_ROPE_CASES];
    const int32_t n_heads = 12, n_kv = 3, n_all = n_heads + 2 * n_kv, width = n_all * head_dim;
    const cg_cuda_qkv args = rope_args(c, n_heads, n_kv, head_dim, t);
    const cg_kv_view view = args.view;

    memset(want_k, 0xff, sizeof want_k);
    memset(want_v, 0xff, sizeof want_v);
    read_elements(d->out, t, ROWS * width, want);
    for (int r = 0; r < ROWS; r++)
        for (int head = 0; head < n_all && d->slot[r] >= 0; head++) { /* others are padding */
            int kind = head < n_heads ? 0 : head < n_heads + n_kv ? 1 : 2;
            float *in_row = want + r * width + head * head_dim, x[256];

            memcpy(x, in_row, head_dim * sizeof *x);
            compute_head(&args, kind, head, d->pos[r], x);
            if (kind > 0 && c->store) {
                int64_t offset =
                    cg_kv_offset(&view, d->slot[r], (head - n_heads) % n_kv, d->pos[r]);

                memcpy((kind == 1 ? want_k : want_v) + offset / (int64_t)cg_dtype_size(t), x,
                       head_dim * sizeof *x);
            } else
                memcpy(in_row, x, head_dim * sizeof *x);
        }
    finish(cg_cuda_rope_store(&args, NULL, &err));
    expect(t, ROWS * width, 4e-6f);
    expect_elements(d->k, want_k, t, MAX_BLOCKS * n_kv * BLOCK_TOKENS * head_dim, 4e-6f);
    expect_elements(d->v, want_v, t, MAX_BLOCKS * n_kv * BLOCK_TOKENS * head_dim, 4e-6f);
}
END_TEST

/* What goes to a view with scales are the codes of what stays in place without a view. */
START_TEST(rotation_and_scaled_store)
{
    static float before[ROWS * MAX_WIDTH], in_place[ROWS * MAX_WIDTH];
    const cg_dtype kv = scaled_types[(_i + _i / N_TYPES) % N_SCALED_TYPES], t = types[_i % N_TYPES];
    const int32_t head_dim = head_dims[_i / N_TYPES % N_HEAD_DIMS];
    const struct rope_case *c = &rope_cases[_i / N_TYPES % N_ROPE_CASES];
    const int32_t n_heads = 12, n_kv = 3, n_all = n_heads + 2 * n_kv, width = n_all * head_dim;
    cg_cuda_qkv args = rope_args(c, n_heads, n_kv, head_dim, t);
    cg_kv_view *view = &args.view;

    memset((char *)d->out + n_heads * head_dim * (int)cg_dtype_size(t), 0,
           head_dim * cg_dtype_size(t)); /* a head of k */
    memcpy(before, d->out, sizeof before);
    args.store = 0;
    finish(cg_cuda_rope_store(&args, NULL, &err));
    read_elements(d->out, t, ROWS * width, in_place);
    memcpy(d->out, before, sizeof before);
    args.store = 1;
    *view = view_of(c, n_kv, head_dim, kv);
    view->dtype = kv;
    view->k_scale = d->k_scale;
    view->v_scale = d->v_scale;
    view->scale_token_stride = sizeof(float);
    view->scale_head_stride = view->block_tokens * view->scale_token_stride;
    view->scale_block_stride = n_kv * view->scale_head_stride;
    finish(cg_cuda_rope_store(&args, NULL, &err));
    read_elements(d->out, t, ROWS * width, want);
    for (int r = 0; r < ROWS; r++) {
        const int32_t slot = d->slot[r], pos = d->pos[r];

        ck_assert_mem_eq(want + r * width, in_place + r * width, n_heads * head_dim * sizeof *want);
        for (int i = 0; i < 2 * n_kv && slot >= 0; i++) {
            const int is_value = i >= n_kv, head = i % n_kv;
            const int64_t at = cg_kv_offset(view, slot, head, pos);
            const float *scales = is_value ? d->v_scale : d->k_scale;

            expect_scaled_row((const uint8_t *)(is_value ? d->v : d->k) + at,
                              scales[cg_kv_scale_offset(view, slot, head, pos) / 4],
                              in_place + r * width + (n_heads + i) * head_dim, head_dim, kv);
        }
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cuda_layers");
    TCase *tc = tcase_create("kernels");
    SRunner *sr;
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_loop_test(tc, norms_of_rows, 0, N_WIDTHS);
    tcase_add_loop_test(tc, bits_of_rms_norm, 0, N_WIDTHS - 1);
    tcase_add_loop_test(tc, norm_as_i8, 0, N_I8_WIDTHS);
    tcase_add_loop_test(tc, weights_as_i8, 0, N_WIDTHS);
    tcase_add_loop_test(tc, embedding_and_norm, 0, N_WIDTHS);
    tcase_add_loop_test(tc, embedding_and_positions, 0, N_TYPES);
    tcase_add_loop_test(tc, gathered_rows, 0, N_TYPES);
    tcase_add_loop_test(tc, activations_with_bias_and_gate, 0, CG_N_ACTS);
    tcase_add_test(tc, fused_silu);
    tcase_add_test(tc, added_bias);
    tcase_add_loop_test(tc, rotation_and_store, 0, N_HEAD_DIMS * N_TYPES + N_ROPE_CASES);
    tcase_add_loop_test(tc, rotation_and_scaled_store, 0, N_HEAD_DIMS * N_TYPES);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
