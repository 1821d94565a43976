/* SPDX-License-Identifier: MIT */
/* Parsing of --device, --dtype and --kv-dtype, and resolving to GPUs. */
#include "engine/device_request.h"
#include "scratch.h"

static cg_error err;

START_TEST(device_words_are_parsed)
{
    static const struct {
        const char *text;
        int kind, all, n, first, last;
    } cases[] = {
        { NULL, CG_REQUEST_AUTO, 0, 1, 0, 0 },
        { "auto", CG_REQUEST_AUTO, 0, 1, 0, 0 },
        { "cpu", CG_REQUEST_CPU, 0, 0, 0, 0 },
        { "cuda", CG_REQUEST_CUDA, 0, 1, 0, 0 },
        { "cuda:3", CG_REQUEST_CUDA, 0, 1, 3, 3 },
        { "cuda:2,0,7", CG_REQUEST_CUDA, 0, 3, 2, 7 },
        { "cuda:all", CG_REQUEST_CUDA, 1, 0, 0, 0 },
        { "cuda:9999", CG_REQUEST_CUDA, 0, 1, 9999, 9999 },
    };
    cg_device_request r;

    ck_assert_int_eq(cg_device_parse(cases[_i].text, &r, &err), CG_OK);
    ck_assert_int_eq(r.kind, cases[_i].kind);
    ck_assert_int_eq(r.all, cases[_i].all);
    ck_assert_int_eq(r.n, cases[_i].n);
    if (r.n) {
        ck_assert_int_eq(r.gpus[0], cases[_i].first);
        ck_assert_int_eq(r.gpus[r.n - 1], cases[_i].last);
    }
}
END_TEST

START_TEST(malformed_devices_are_refused)
{
    static const char *const texts[] = { "",           "tpu",       "cuda:",   "cuda:,1",
                                         "cuda:1,",    "cuda:1,1",  "cuda:-1", "cuda:1 ",
                                         "cudax",      "CPU",       "cuda:x",  "cuda:1;2",
                                         "cuda:all,1", "cuda:12345" };
    cg_device_request r = { .kind = CG_REQUEST_CPU, .n = 77 };

    ck_assert_int_eq(cg_device_parse(texts[_i], &r, &err), CG_ERR_USAGE);
    ck_assert_contains(err.msg, "wanted auto, cpu, cuda, cuda:I, cuda:I,J,... or cuda:all");
    ck_assert_int_eq(r.n, 77);
}
END_TEST

START_TEST(too_many_gpus_are_refused)
{
    cg_device_request r;

    ck_assert_int_eq(cg_device_parse("cuda:0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15", &r, &err),
                     CG_OK);
    ck_assert_int_eq(r.n, CG_MAX_GPUS);
    ck_assert_int_eq(cg_device_parse("cuda:0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16", &r, &err),
                     CG_ERR_LIMIT);
    ck_assert_contains(err.msg, "more than 16 GPUs");
}
END_TEST

static cg_status resolve(const char *text, int32_t n_gpus, int32_t *gpus, int32_t *n)
{
    cg_device_request r;

    ck_assert_int_eq(cg_device_parse(text, &r, &err), CG_OK);
    return cg_device_resolve(&r, text, n_gpus, gpus, n, &err);
}

START_TEST(requests_resolve_to_gpus)
{
    int32_t gpus[CG_MAX_GPUS], n = 0;

    ck_assert_int_eq(resolve("auto", 2, gpus, &n), CG_OK);
    ck_assert(n == 1 && gpus[0] == 0);
    ck_assert_int_eq(resolve("cuda:all", 4, gpus, &n), CG_OK);
    ck_assert(n == 4 && gpus[0] == 0 && gpus[3] == 3);
    ck_assert_int_eq(resolve("cuda:3,1", 4, gpus, &n), CG_OK);
    ck_assert(n == 2 && gpus[0] == 3 && gpus[1] == 1);
    ck_assert_int_eq(resolve("cuda", 0, gpus, &n), CG_ERR_UNSUPPORTED);
    ck_assert_str_eq(err.msg, "device 'cuda': the driver finds no GPU on this machine");
    ck_assert_int_eq(resolve("cuda:1,2", 2, gpus, &n), CG_ERR_UNSUPPORTED);
    ck_assert_str_eq(err.msg, "device 'cuda:1,2': found no GPU 2; this machine has 2, counted "
                              "from 0");
    ck_assert_int_eq(resolve("cuda:all", 17, gpus, &n), CG_ERR_LIMIT);
}
END_TEST

START_TEST(dtypes_are_parsed)
{
    cg_dtype t = 99;

    ck_assert_int_eq(cg_dtype_parse(NULL, &t, &err), CG_OK);
    ck_assert_int_eq(t, CG_DTYPE_AUTO);
    ck_assert_int_eq(cg_dtype_parse("bf16", &t, &err), CG_OK);
    ck_assert_int_eq(t, CG_BF16);
    ck_assert_str_eq(cg_dtype_name(t), "bf16");
    ck_assert_int_eq(cg_dtype_parse("f16", &t, &err), CG_OK);
    ck_assert_int_eq(t, CG_F16);
    ck_assert_int_eq(cg_dtype_parse("f32", &t, &err), CG_OK);
    ck_assert_int_eq(t, CG_F32);
    ck_assert_str_eq(cg_dtype_name(t), "f32");
    ck_assert_int_eq(cg_dtype_parse("int8", &t, &err), CG_OK);
    ck_assert_int_eq(t, CG_I8);
    ck_assert_int_eq(cg_activation_dtype(CG_I8), CG_BF16);
    ck_assert_int_eq(cg_activation_dtype(CG_F16), CG_F16);
    ck_assert_int_eq(cg_dtype_parse("i8", &t, &err), CG_ERR_USAGE);
    ck_assert_str_eq(err.msg, "dtype 'i8': wanted auto, bf16, f16, int8 or f32");
    ck_assert_int_eq(t, CG_I8); /* as before */
    ck_assert_int_eq(cg_dtype_parse("fp8", &t, &err), CG_ERR_USAGE);
    ck_assert_str_eq(err.msg, "dtype 'fp8': wanted auto, bf16, f16, int8 or f32");
    ck_assert_int_eq(t, CG_I8);
}
END_TEST

START_TEST(kv_dtypes_are_parsed)
{
    static const struct {
        const char *word;
        cg_dtype dtype;
    } cases[] = { { "f32", CG_F32 },
                  { "bf16", CG_BF16 },
                  { "f16", CG_F16 },
                  { "fp8", CG_F8_E4M3 },
                  { "int8", CG_I8 } };
    cg_dtype t = 99;

    ck_assert_int_eq(cg_kv_dtype_parse(NULL, &t, &err), CG_OK);
    ck_assert_int_eq(t, CG_DTYPE_AUTO);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_int_eq(cg_kv_dtype_parse(cases[i].word, &t, &err), CG_OK);
        ck_assert_int_eq(t, cases[i].dtype);
        ck_assert_str_eq(cg_kv_dtype_name(t), cases[i].word);
    }
    ck_assert_int_eq(cg_kv_dtype_parse("auto", &t, &err), CG_OK);
    ck_assert_int_eq(t, CG_DTYPE_AUTO);
    ck_assert_int_eq(cg_kv_dtype_parse("f8_e5m2", &t, &err), CG_ERR_USAGE);
    ck_assert_str_eq(err.msg, "kv-dtype 'f8_e5m2': wanted auto, f32, bf16, f16, fp8 or int8");
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("device");

    tcase_add_loop_test(tc, device_words_are_parsed, 0, 8);
    tcase_add_loop_test(tc, malformed_devices_are_refused, 0, 14);
    tcase_add_test(tc, too_many_gpus_are_refused);
    tcase_add_test(tc, requests_resolve_to_gpus);
    tcase_add_test(tc, dtypes_are_parsed);
    tcase_add_test(tc, kv_dtypes_are_parsed);
    return run_suite("device", &tc, 1);
}
