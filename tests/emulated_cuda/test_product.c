/* SPDX-License-Identifier: MIT */
/* The products of core/cuda/product.cu on the emulated GPU against sums in double. */
#include "cuda/product.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "scaled_row.h"

enum { MAX_ROWS = 150, MAX_OUTPUTS = 512, MAX_INPUTS = 256, CACHE_TOKENS = 40, MAX_PARTS = 24 };

/* Device memory is host memory. */
static struct {
    uint16_t a[MAX_ROWS * MAX_INPUTS], w[2 * MAX_OUTPUTS * MAX_INPUTS], out[MAX_ROWS * MAX_OUTPUTS];
    int8_t a8[MAX_ROWS * MAX_INPUTS], w8[2 * MAX_OUTPUTS * MAX_INPUTS];
    float w_scale[2 * MAX_OUTPUTS];
    uint16_t k[MAX_ROWS * CACHE_TOKENS * MAX_OUTPUTS], v[MAX_ROWS * CACHE_TOKENS * MAX_OUTPUTS];
    float x[MAX_ROWS * MAX_OUTPUTS], norm[MAX_OUTPUTS], sums[MAX_PARTS * MAX_ROWS];
    float q_norm[128], k_norm[128], cosines[CACHE_TOKENS * 64], sines[CACHE_TOKENS * 64];
    float a_scale[MAX_ROWS];
    float k_scale[MAX_ROWS * CACHE_TOKENS * 2], v_scale[MAX_ROWS * CACHE_TOKENS * 2];
    int32_t slot[MAX_ROWS], pos[MAX_ROWS];
} * d;
static float old_x[MAX_ROWS * MAX_OUTPUTS];
static double product[MAX_ROWS][2 * MAX_OUTPUTS];
static double error, size; /* sums of squares over all elements compared */

static float random_number(void)
{
    static uint32_t state = 1;

    state = state * 1664525u + 1013904223u;
    return (float)(int32_t)(state & 0xffffff00u) * 0x1p-31f;
}

static float of_bf16(uint16_t x)
{
    uint32_t bits = (uint32_t)x << 16;
    float y;

    memcpy(&y, &bits, sizeof y);
    return y;
}

static void fill(float *p, int n, float scale, float mean)
{
    for (int i = 0; i < n; i++)
        p[i] = random_number() * scale + mean;
}

static void fill_bf16(uint16_t *p, int n)
{
    for (int i = 0; i < n; i++) {
        float x = random_number();
        uint32_t bits;

        memcpy(&bits, &x, sizeof bits);
        p[i] = (uint16_t)(bits >> 16);
    }
}

static void fill_i8(int8_t *p, int n)
{
    for (int i = 0; i < n; i++)
        p[i] = (int8_t)(random_number() * 127.99f);
}

static void set_up(void)
{
    ck_assert(cudaMalloc((void **)&d, sizeof *d) == cudaSuccess);
    fill_bf16(d->a, MAX_ROWS * MAX_INPUTS);
    fill_bf16(d->w, 2 * MAX_OUTPUTS * MAX_INPUTS);
    fill_i8(d->a8, MAX_ROWS * MAX_INPUTS);
    fill_i8(d->w8, 2 * MAX_OUTPUTS * MAX_INPUTS);
    fill(d->a_scale, MAX_ROWS, 0.001f, 0.003f);
    fill(d->w_scale, 2 * MAX_OUTPUTS, 0.001f, 0.003f);
    fill(d->x, MAX_ROWS * MAX_OUTPUTS, 8, 0);
    memcpy(old_x, d->x, sizeof old_x);
    fill(d->norm, MAX_OUTPUTS, 0.5f, 1);
    fill(d->sums, MAX_PARTS * MAX_ROWS, 20, 50);
    fill(d->q_norm, 128, 0.5f, 1);
    fill(d->k_norm, 128, 0.5f, 1);
    fill(d->cosines, CACHE_TOKENS * 64, 1, 0);
    fill(d->sines, CACHE_TOKENS * 64, 1, 0);
    memset(d->out, 0xff, sizeof d->out); /* NaN */
    memset(d->k, 0xff, sizeof d->k);
    memset(d->v, 0xff, sizeof d->v);
    for (int i = 0; i < MAX_ROWS; i++) {
        d->slot[i] = i % 7 == 6 ? -1 : MAX_ROWS - 1 - i;
        d->pos[i] = i * 13 % CACHE_TOKENS;
    }
    error = size = 0;
}

static void tear_down(void)
{
    cudaFree(d);
}

static void run(const cg_product_shape *shape, cg_product_args *args, int32_t *ret_n_sums)
{
    cg_product *p = NULL;
    cg_error err = CG_ERROR_INIT;

    ck_assert_msg(cg_product_create(shape, NULL, &p, &err) == CG_OK, "%s", err.msg);
    ck_assert_ptr_nonnull(p);
    *ret_n_sums = shape->end == CG_PRODUCT_RESIDUAL ? cg_product_sums(p) : 0;
    ck_assert_int_le(*ret_n_sums, MAX_PARTS);
    args->a = shape->is_i8 ? (void *)d->a8 : (void *)d->a;
    args->w = shape->is_i8 ? (void *)d->w8 : (void *)d->w;
    args->w_scale = d->w_scale;
    args->out = d->out;
    ck_assert_msg(cg_product_run(p, args, &err) == CG_OK, "%s", err.msg);
    ck_assert(cudaStreamSynchronize(NULL) == cudaSuccess);
    cg_product_destroy(p);
    for (int64_t r = 0; r < shape->rows; r++)
        for (int64_t o = 0; o < shape->outputs * (shape->end == CG_PRODUCT_SWIGLU ? 2 : 1); o++) {
            double sum = 0;

            for (int64_t k = 0; k < shape->inputs; k++) {
                const int64_t i = r * shape->inputs + k, j = o * shape->inputs + k;

                sum += shape->is_i8 ? d->a8[i] * d->w8[j]
                                    : (double)of_bf16(d->a[i]) * of_bf16(d->w[j]);
            }
            if (shape->is_i8)
                sum *= (double)d->w_scale[o] * args->a_scale[r];
            product[r][o] = sum;
        }
}

static void compare(double got, double want)
{
    ck_assert(isfinite(got));
    error += (got - want) * (got - want);
    size += want * want;
}

static void expect(double tolerance)
{
    ck_assert_msg(sqrt(error / size) < tolerance, "relative error %g, wanted less than %g",
                  sqrt(error / size), tolerance);
    error = size = 0;
}

static double scale_of(int n_parts, int rows, int r, int width, double eps)
{
    double sum = 0;

    for (int i = 0; i < n_parts; i++)
        sum += d->sums[i * rows + r];
    return n_parts ? 1 / sqrt(sum / width + eps) : 1;
}

/* one row; fewer and more than a tile; outputs that are no multiple of a tile's */
static const int row_counts[] = { 1, 70, MAX_ROWS };
enum { N_ROW_COUNTS = sizeof row_counts / sizeof *row_counts };

START_TEST(residual)
{
    const int rows = row_counts[_i % N_ROW_COUNTS], outputs = 160, has_norm = _i < N_ROW_COUNTS;
    const cg_product_shape shape = { rows, outputs, 192, CG_PRODUCT_RESIDUAL, 0, 0, 0 };
    cg_product_args args = { .x = d->x, .norm = has_norm ? d->norm : NULL, .out_sums = d->sums };
    double errors[3][2] = { { 0 } };
    int32_t n_sums;

    run(&shape, &args, &n_sums);
    for (int r = 0; r < rows; r++) {
        double squares = 0, sum = 0;

        for (int o = 0; o < outputs; o++) {
            double want = old_x[r * outputs + o] + product[r][o];

            compare(d->x[r * outputs + o], want);
            squares += want * want;
        }
        for (int i = 0; i < n_sums; i++)
            sum += d->sums[i * rows + r];
        errors[0][0] += (sum - squares) * (sum - squares);
        errors[0][1] += squares * squares;
    }
    expect(1e-6);
    ck_assert_double_lt(errors[0][0], 1e-12 * errors[0][1]);
    for (int i = 0; i < rows * outputs; i++)
        if (has_norm)
            compare(of_bf16(d->out[i]), (double)d->x[i] * d->norm[i % outputs]);
        else
            ck_assert_int_eq(d->out[i], 0xffff);
    if (has_norm)
        expect(3e-3);
}
END_TEST

START_TEST(swiglu)
{
    const int rows = row_counts[_i % N_ROW_COUNTS], outputs = 96, n_parts = _i < 3 ? 6 : 0;
    const cg_product_shape shape = { rows, outputs, 128, CG_PRODUCT_SWIGLU, 0, _i >= 6, 0 };
    cg_product_args args = {
        .sums = d->sums,
        .n_sums = n_parts,
        .a_scale = d->a_scale,
        .width = 128,
        .eps = 1e-5f,
    };
    int32_t n_sums;

    run(&shape, &args, &n_sums);
    for (int r = 0; r < rows; r++) {
        double scale = scale_of(n_parts, rows, r, 128, 1e-5);

        for (int o = 0; o < outputs; o++) {
            double gate = product[r][o] * scale, up = product[r][outputs + o] * scale;

            compare(of_bf16(d->out[r * outputs + o]), gate / (1 + exp(-gate)) * up);
        }
    }
    expect(3e-3);
}
END_TEST

/* Compares a head of 2 * half elements with the cache or, for q, with `out`. */
static void compare_head(const uint16_t *got, const double *y, double scale, const float *norm,
                         int is_rotated, int pos, int half)
{
    double squares = 0;

    for (int i = 0; i < 2 * half; i++)
        squares += y[i] * scale * y[i] * scale;
    if (norm)
        scale /= sqrt(squares / (2 * half) + 1e-6);
    for (int i = 0; i < half; i++) {
        double u = y[i] * scale * (norm ? norm[i] : 1);
        double v = y[half + i] * scale * (norm ? norm[half + i] : 1);
        double c = is_rotated ? d->cosines[pos * half + i] : 1;
        double s = is_rotated ? d->sines[pos * half + i] : 0;

        compare(of_bf16(got[i]), u * c - v * s);
        compare(of_bf16(got[half + i]), v * c + u * s);
    }
}

/* Invariant products: the bits of a row depend neither on its place nor on the number of rows. */
START_TEST(invariant_rows)
{
    static const int places[] = { 8, 21, 69, 149 }; /* of copies of row 0 */
    static uint16_t want[96];
    const int is_residual = _i == 2;
    cg_product_args args = {
        .a_scale = d->a_scale, .x = d->x, .norm = d->norm, .out_sums = d->sums
    };

    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        memcpy(d->a + places[i] * 256, d->a, 256 * sizeof *d->a);
        memcpy(d->a8 + places[i] * 256, d->a8, 256);
        memcpy(old_x + places[i] * 96, old_x, 96 * sizeof *old_x);
        d->a_scale[places[i]] = d->a_scale[0];
    }
    for (int i = 0; i < N_ROW_COUNTS; i++) {
        const cg_product_shape shape = {
            row_counts[i], 96, 256, is_residual ? CG_PRODUCT_RESIDUAL : CG_PRODUCT_SWIGLU, 0,
            _i == 1,       1
        };
        int32_t n_sums;

        memcpy(d->x, old_x, sizeof old_x);
        run(&shape, &args, &n_sums);
        if (!i)
            memcpy(want, d->out, sizeof want);
        ck_assert_int_eq(memcmp(want, d->out, sizeof want), 0);
        for (size_t j = 0; j < sizeof places / sizeof *places && places[j] < row_counts[i]; j++)
            ck_assert_int_eq(memcmp(want, d->out + places[j] * 96, sizeof want), 0);
    }
}
END_TEST

/* Arguments of CG_PRODUCT_HEADS without a view. */
static cg_product_args args_of_heads(int rows, int is_i8, int n_heads, int n_kv)
{
    const int has_norm = rows != 70, is_rotated = rows != 1;

    return (cg_product_args) {
        .sums = is_i8 ? NULL : d->sums,
        .n_sums = is_i8 ? 0 : 6,
        .a_scale = d->a_scale,
        .width = 128,
        .eps = 1e-5f,
        .q_norm = has_norm ? d->q_norm : NULL,
        .k_norm = has_norm ? d->k_norm : NULL,
        .cosines = is_rotated ? d->cosines : NULL,
        .sines = d->sines,
        .slot = d->slot,
        .pos = d->pos,
        .n_heads = n_heads,
        .n_kv_heads = n_kv,
        .head_eps = 1e-6f,
    };
}

/* The cache that d->k and d->v hold. */
static cg_kv_view view_of_heads(int n_kv, int head_dim, cg_dtype type)
{
    const int64_t bytes = head_dim * (int64_t)cg_dtype_size(type);

    return (cg_kv_view) {
        .dtype = type,
        .k = d->k,
        .v = d->v,
        .block_tokens = CACHE_TOKENS,
        .token_stride = bytes,
        .head_stride = bytes * CACHE_TOKENS,
        .block_stride = bytes * CACHE_TOKENS * n_kv,
    };
}

START_TEST(heads)
{
    const int rows = row_counts[_i % 3], head_dim = _i / 3 % 2 ? 128 : 64, store = _i / 6 % 2 == 0;
    const int is_i8 = _i >= 12;
    const int n_kv = head_dim == 64 ? 2 : 1, n_heads = head_dim == 64 ? 4 : 2;
    const int outputs = (n_heads + 2 * n_kv) * head_dim;
    const cg_product_shape shape = { rows, outputs, 128, CG_PRODUCT_HEADS, head_dim, is_i8, 0 };
    cg_product_args args = args_of_heads(rows, is_i8, n_heads, n_kv);
    int32_t n_sums;

    args.store = store;
    args.view = view_of_heads(n_kv, head_dim, CG_BF16);
    run(&shape, &args, &n_sums);
    for (int r = 0; r < rows; r++)
        for (int head = 0; head < n_heads + 2 * n_kv && d->slot[r] >= 0; head++) {
            const int is_q = head < n_heads, is_v = head >= n_heads + n_kv;
            const int kv_head = (head - n_heads) % n_kv;
            const uint16_t *in_cache =
                (is_v ? d->v : d->k) +
                ((d->slot[r] * n_kv + kv_head) * CACHE_TOKENS + d->pos[r]) * head_dim;

            compare_head(is_q || !store ? d->out + r * outputs + head * head_dim : in_cache,
                         &product[r][head * head_dim], scale_of(args.n_sums, rows, r, 128, 1e-5),
                         is_v   ? NULL
                         : is_q ? args.q_norm
                                : args.k_norm,
                         args.cosines && !is_v, d->pos[r], head_dim / 2);
        }
    expect(3e-3);
}
END_TEST

/* What goes to a view with scales are the codes of what goes to `out` without a view. */
START_TEST(scaled_heads)
{
    static uint16_t in_out[MAX_ROWS * MAX_OUTPUTS];
    const int rows = row_counts[_i % 3], head_dim = _i / 3 % 2 ? 128 : 64, is_i8 = _i / 6 % 2;
    const cg_dtype type = scaled_types[(_i + _i / 3) % N_SCALED_TYPES];
    const int n_kv = head_dim == 64 ? 2 : 1, n_heads = head_dim == 64 ? 4 : 2;
    const int outputs = (n_heads + 2 * n_kv) * head_dim;
    const cg_product_shape shape = { rows, outputs, 128, CG_PRODUCT_HEADS, head_dim, is_i8, 0 };
    cg_product_args args = args_of_heads(rows, is_i8, n_heads, n_kv);
    int32_t n_sums;

    run(&shape, &args, &n_sums);
    memcpy(in_out, d->out, sizeof in_out);
    args.store = 1;
    args.view = view_of_heads(n_kv, head_dim, type);
    args.view.k_scale = d->k_scale;
    args.view.v_scale = d->v_scale;
    args.view.scale_token_stride = sizeof(float);
    args.view.scale_head_stride = CACHE_TOKENS * sizeof(float);
    args.view.scale_block_stride = n_kv * args.view.scale_head_stride;
    memset(d->out, 0xff, sizeof d->out);
    run(&shape, &args, &n_sums);
    for (int r = 0; r < rows; r++)
        for (int head = 0; head < n_heads + 2 * n_kv && d->slot[r] >= 0; head++) {
            const int is_q = head < n_heads, is_v = head >= n_heads + n_kv;
            const uint16_t *row = in_out + r * outputs + head * head_dim;
            const int32_t at =
                (d->slot[r] * n_kv + (head - n_heads) % n_kv) * CACHE_TOKENS + d->pos[r];
            float numbers[128];

            for (int i = 0; i < head_dim; i++)
                numbers[i] = of_bf16(row[i]);
            if (is_q)
                ck_assert_mem_eq(d->out + r * outputs + head * head_dim, row, 2 * head_dim);
            else
                expect_scaled_row((const uint8_t *)(is_v ? d->v : d->k) + at * head_dim,
                                  (is_v ? d->v_scale : d->k_scale)[at], numbers, head_dim, type);
        }
}
END_TEST

START_TEST(without_a_kernel)
{
    static const cg_product_shape shapes[] = {
        { 16, 128, 96, CG_PRODUCT_RESIDUAL, 0, 0, 0 },  /* inputs: multiples of 64 */
        { 16, 128, 192, CG_PRODUCT_SWIGLU, 0, 1, 0 },   /* of i8: of 128 */
        { 16, 120, 128, CG_PRODUCT_RESIDUAL, 0, 0, 0 }, /* outputs: multiples of 32 */
        { 16, 240, 128, CG_PRODUCT_HEADS, 80, 0, 0 },   /* heads of 64 or 128 */
        { 16, 240, 128, CG_PRODUCT_HEADS, 80, 1, 0 },
        { 16, 128, 128, CG_PRODUCT_RESIDUAL, 0, 1, 0 }, /* of bf16 alone */
    };
    cg_error err = CG_ERROR_INIT;
    cg_product *p;

    ck_assert(cg_product_create(&shapes[_i], NULL, &p, &err) == CG_OK);
    ck_assert_ptr_null(p);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cuda_product");
    TCase *tc = tcase_create("product");
    SRunner *sr;
    int failed;

    tcase_set_timeout(tc, 300);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_loop_test(tc, residual, 0, 6);
    tcase_add_loop_test(tc, swiglu, 0, 9);
    tcase_add_loop_test(tc, invariant_rows, 0, 3);
    tcase_add_loop_test(tc, heads, 0, 24);
    tcase_add_loop_test(tc, scaled_heads, 0, 12);
    tcase_add_loop_test(tc, without_a_kernel, 0, 6);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
