/* SPDX-License-Identifier: MIT */
/*
 * Keys and values of 8 bits, as append() stores and a reader of the views reads them: the error of
 * each element is within the bound of confgen/quantise.h.
 */
#include <check.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "conformance/element.h"
#include "paged.h"
#include "plugin/host.h"

/* Rows: what the elements of one head of a token are. */
enum { NORMAL, ZERO, OUTLIER, TINY, SUBNORMAL, HUGE_ROW, SPREAD, N_ROWS };
enum { HEADS = 2, WITH_NAN = N_ROWS, WITH_INFINITY, N_TOKENS };

static const cg_dtype types[] = { CG_I8, CG_F8_E4M3, CG_F8_E5M2 };
static const int32_t dims[] = { 1, 7, 8, 63, 64, 65, 200, 576 };
enum { N_TYPES = 3, N_DIMS = 8 };

static cg_plugin_host host;

static float uniform(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (float)(*state >> 8) * 0x1p-24f;
}

static float element(int32_t row, int32_t d, int32_t n, uint32_t *state)
{
    float x = 2 * uniform(state) - 1;

    switch (row) {
    case ZERO:
        return d % 2 ? -0.0f : 0;
    case OUTLIER:
        return d == n / 2 ? -3000 : x;
    case TINY: /* largest / L is below the smallest normal number */
        return x * 1e-37f;
    case SUBNORMAL:
        return x * 1e-43f;
    case HUGE_ROW:
        return x * 1e38f;
    case SPREAD: /* down to subnormal numbers of the types */
        return ldexpf(x, -(int)(30 * uniform(state)));
    default:
        return x;
    }
}

static void fill(float *x, int32_t row, int32_t n, uint32_t *state)
{
    for (int32_t d = 0; d < n; d++)
        x[d] = element(row, d, n, state);
    if (row == WITH_NAN)
        x[n - 1] = -NAN;
    if (row == WITH_INFINITY)
        x[0] = INFINITY;
}

/* Bound of the error of an element x of a row whose largest magnitude is m. */
static double bound(cg_dtype dtype, double x, double m)
{
    double largest = dtype == CG_I8 ? 127 : dtype == CG_F8_E4M3 ? 448 : 57344;
    double rounding = 1 + 0x1p-22; /* 1 + 4 u */

    m = fmax(m, largest * FLT_MIN);
    if (dtype == CG_I8)
        return m / 254 * rounding;
    if (dtype == CG_F8_E4M3)
        return fmax(fabs(x) * 0x1p-4, m / 448 * 0x1p-10) * rounding;
    return fmax(fabs(x) * 0x1p-3, m / 57344 * 0x1p-17) * rounding;
}

/* Compares a stored row with what was appended. */
static void check_row(const cg_kv_view *v, int32_t value, int32_t head, int32_t pos, const float *x)
{
    int32_t n = value && v->v_head_dim ? v->v_head_dim : v->head_dim;
    const char *at = value ? (const char *)v->v + cg_kv_value_offset(v, 0, head, pos)
                           : (const char *)v->k + cg_kv_offset(v, 0, head, pos);
    const char *scales = (const char *)(value ? v->v_scale : v->k_scale);
    float scale = *(const float *)(scales + cg_kv_scale_offset(v, 0, head, pos));
    double m = 0;

    for (int32_t d = 0; d < n; d++)
        m = fmax(m, fabs((double)x[d]));
    for (int32_t d = 0; d < n; d++) {
        float got = element_load(at + d, v->dtype) * scale;

        if (pos >= N_ROWS)
            ck_assert_msg(isnan(got), "token %d, element %d of %d: %g, wanted NaN", pos, d, n,
                          (double)got);
        else
            ck_assert_msg(fabs((double)got - (double)x[d]) <= bound(v->dtype, (double)x[d], m),
                          "%s, token %d, head %d, element %d of %d of the %s: %.9g, appended was "
                          "%.9g, largest %.9g, permitted error %g",
                          cg_dtype_name(v->dtype), pos, head, d, n, value ? "value" : "key",
                          (double)got, (double)x[d], m, bound(v->dtype, (double)x[d], m));
    }
}

static void append(void *self, int32_t n, int32_t v_n, const float *k, const float *v)
{
    int32_t slot[N_TOKENS] = { 0 }, pos[N_TOKENS];
    cg_error err = CG_ERROR_INIT;
    cg_cache_append args = { CG_SIZED(cg_cache_append),
                             .n_tokens = N_TOKENS,
                             .slot = slot,
                             .pos = pos,
                             .k = k,
                             .v = v,
                             .k_stride = HEADS * n * (int64_t)sizeof *k,
                             .v_stride = HEADS * v_n * (int64_t)sizeof *v,
                             .dtype = CG_F32 };

    for (int32_t i = 0; i < N_TOKENS; i++)
        pos[i] = i;
    ck_assert_int_eq(cg_paged_reserve(self, 0, N_TOKENS, &err), CG_OK);
    ck_assert_msg(cg_paged_append(self, 0, &args, &err) == CG_OK, "%s", err.msg);
}

START_TEST(error_of_a_round_trip_is_bounded)
{
    int32_t n = dims[_i % N_DIMS], v_n = dims[(_i * 3 + 1) % N_DIMS];
    const cg_cache_config config = { CG_SIZED(cg_cache_config),
                                     .device = CG_DEVICE_CPU,
                                     .dtype = types[_i / N_DIMS],
                                     .n_layers = 1,
                                     .n_slots = 1,
                                     .n_kv_heads = HEADS,
                                     .head_dim = n,
                                     .max_len = N_TOKENS,
                                     .features = CG_CACHE_SCALES | CG_CACHE_VALUE_SIZE,
                                     .v_head_dim = v_n };
    float *k = calloc((size_t)(N_TOKENS * HEADS * n), sizeof *k);
    float *v = calloc((size_t)(N_TOKENS * HEADS * v_n), sizeof *v);
    cg_kv_view view = { CG_SIZED(cg_kv_view) };
    cg_error err = CG_ERROR_INIT;
    uint32_t state = (uint32_t)_i;
    void *self = NULL;

    ck_assert(k && v);
    for (int32_t row = 0; row < N_TOKENS * HEADS; row++) {
        fill(k + row * n, row / HEADS, n, &state);
        fill(v + row * v_n, row / HEADS, v_n, &state);
    }
    cg_plugin_host_init(&host, NULL, NULL, NULL, 0);
    ck_assert_msg(cg_paged_create(&host.host, &config, &self, &err) == CG_OK, "%s", err.msg);
    append(self, n, v_n, k, v);
    ck_assert_int_eq(cg_paged_view(self, 0, &view, &err), CG_OK);
    for (int32_t row = 0; row < N_TOKENS * HEADS; row++) {
        check_row(&view, 0, row % HEADS, row / HEADS, k + row * n);
        check_row(&view, 1, row % HEADS, row / HEADS, v + row * v_n);
    }
    cg_paged_destroy(self);
    free(k);
    free(v);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("scales");
    TCase *tc = tcase_create("scales");
    SRunner *sr;
    int failed;

    tcase_add_loop_test(tc, error_of_a_round_trip_is_bounded, 0, N_TYPES * N_DIMS);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
