/* SPDX-License-Identifier: MIT */
#include <time.h>

#include "model/safetensors.h"
#include "scratch.h"
#include "st_writer.h"

#define T(dtype, shape, begin, end)                                                                \
    "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" begin "," end "]}"

static uint8_t data[64];

static const char good_header[] =
    "{\"__metadata__\":{\"format\":\"pt\"},"
    "\"b\":" T("F32", "[3]", "8",
               "20") ","
                     "\"a\":" T("BF16", "[2,2]", "0",
                                "8") ","
                                     "\"s\":" T("F16", "[]", "20",
                                                "22") ","
                                                      "\"empty\":" T("I64", "[0,5]", "0", "0") "}";

static void check_good(const cg_safetensors *s)
{
    static const char *const names[] = { "empty", "a", "b", "s" };
    static const int dtypes[] = { CG_ST_OTHER, CG_ST_BF16, CG_ST_F32, CG_ST_F16 };
    static const int dims[] = { 2, 2, 1, 0 };

    ck_assert_uint_eq(s->table.n, 4);
    ck_assert_uint_eq(s->data_len, 22);
    ck_assert_uint_eq((uintptr_t)s->data % 8, 0);
    ck_assert_int_eq(memcmp(s->data, data, 22), 0);
    for (int i = 0; i < 4; i++) {
        ck_assert_str_eq(s->table.tensors[i].name, names[i]);
        ck_assert_int_eq(s->table.tensors[i].dtype, dtypes[i]);
        ck_assert_int_eq(s->table.tensors[i].n_dims, dims[i]);
    }
    ck_assert_int_eq(s->table.tensors[1].shape[1], 2);
    ck_assert_uint_eq(s->table.tensors[2].begin, 8);
    ck_assert_uint_eq(s->table.tensors[2].end, 20);
}

START_TEST(plain_and_compressed_files_open)
{
    /* aligned, or as by old writers: data at an odd address */
    struct st_file f = st_make(good_header, _i & 1 ? 0 : 8, data, 22);
    cg_safetensors *s = NULL;
    cg_error err = CG_ERROR_INIT;
    const char *path = _i & 2 ? st_save_zst(&f, "x.safetensors.zst") : st_save(&f, "x.safetensors");

    ck_assert(!(_i & 1) || strlen(good_header) % 8);
    ck_assert_msg(cg_safetensors_open(path, f.len, &s, &err) == CG_OK, "%s", err.msg);
    check_good(s);
    cg_safetensors_close(s);
    cg_safetensors_close(NULL);
    free(f.bytes);
}
END_TEST

START_TEST(every_truncation_is_refused)
{
    struct st_file f = st_make(good_header, 8, data, 22);
    cg_st_table t = { 0 };
    cg_error err = CG_ERROR_INIT;

    for (size_t n = 0; n < f.len; n++) {
        uint8_t *copy = malloc(n + 1); /* of exact size, for the address sanitizer */

        memcpy(copy, f.bytes, n);
        ck_assert_msg(cg_st_table_parse("x", copy, n, n, &t, &err) == CG_ERR_FORMAT, "%zu", n);
        free(copy);
    }
    ck_assert_int_eq(cg_st_table_parse("x", f.bytes, f.len, f.len, &t, &err), CG_OK);
    cg_st_table_finish(&t);
    ck_assert_int_eq(cg_st_table_parse("x", f.bytes, f.len, f.len + 1, &t, &err), CG_ERR_FORMAT);
    ck_assert_contains(err.msg, "the tensors end at byte 22 of the data, the file has 23");
    free(f.bytes);
}
END_TEST

static const struct {
    const char *header;
    const char *found;
} bad_headers[] = {
    { "", "x:1:0" },
    { "[]", "wanted a JSON object" },
    { "{\"a\":3}", "header entry of tensor 'a': found 3, wanted an object" },
    { "{\"a\":{}}", "a.dtype: found nothing, wanted a string" },
    { "{\"a\":{\"dtype\":3}}", "a.dtype: found 3" },
    { "{\"a\":" T("Q4_0", "[2]", "0", "8") "}", "a.dtype: found \"Q4_0\", wanted BF16" },
    { "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,64]}}", "a.shape: found nothing" },
    { "{\"a\":" T("F32", "16", "0", "64") "}", "a.shape: found 16" },
    { "{\"a\":" T("F32", "[1,1,1,1,1,1,1,1,16]", "0", "64") "}", "a.shape: found a list of 9" },
    { "{\"a\":" T("F32", "[-16]", "0", "64") "}", "a.shape: size 1" },
    { "{\"a\":" T("F32", "[2,1.5]", "0", "64") "}", "a.shape: size 2" },
    { "{\"a\":" T("F32", "[4294967296,4294967296]", "0", "64") "}", "a.shape: size 2" },
    { "{\"a\":" T("F32", "[4611686018427387904]", "0", "64") "}", "elements of F32" },
    { "{\"a\":" T("F32", "[15]", "0", "64") "}", "64 bytes, wanted 15 elements of F32" },
    { "{\"a\":" T("F32", "[]", "0", "64") "}", "64 bytes, wanted 1 elements of F32" },
    { "{\"a\":" T("F32", "[16]", "64", "0") "}", "the second not smaller" },
    { "{\"a\":" T("F32", "[16]", "-64", "0") "}", "data_offsets: found a list of 2" },
    { "{\"a\":" T("F32", "[17]", "0", "68") "}", "ends at byte 68 of the data, the file has 64" },
    { "{\"a\":" T("F32", "[16]", "0", "9223372036854775807") "}", "ends at byte 9223372036854" },
    { "{\"a\":" T("F32", "[16]", "0", "92233720368547758070") "}", "too big" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[16],\"data_offsets\":[0]}}", "found a list of 1" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[16],\"data_offsets\":{}}}", "found an object" },
    { "{\"a\":" T("F32", "[8]", "0", "32") "}", "end at byte 32 of the data, the file has 64" },
    { "{\"a\":" T("F32", "[8]", "32", "64") "}", "bytes 0 to 32 of the data belong to no tensor" },
    { "{\"a\":" T("F32", "[9]", "0", "36") ",\"b\":" T("F32", "[8]", "32", "64") "}",
      "tensors a and b overlap at byte 32" },
    { "{\"a\":" T("F32", "[16]", "0", "64") ",\"b\":" T("F32", "[16]", "0", "64") "}", "overlap" },
    { "{\"a\":" T("U8", "[2]", "0", "2") ",\"b\":" T("F32", "[15]", "2", "62") "}",
      "b.data_offsets: begins at byte 2, wanted a multiple of 4" },
    { "{\"a\":" T("F32", "[8]", "0", "32") ",\"a\":" T("F32", "[8]", "32", "64") "}",
      "duplicate object key" },
    { "{\"a\":" T("F32", "[16]", "0", "64") "}}", "x:1:" },
};

enum { N_BAD = sizeof bad_headers / sizeof *bad_headers };

START_TEST(bad_headers_are_refused)
{
    struct st_file f = st_make(bad_headers[_i].header, 8, data, 64);
    cg_st_table t = { .n = 77 };
    cg_error err = CG_ERROR_INIT;

    ck_assert_msg(cg_st_table_parse("x", f.bytes, f.len, f.len, &t, &err) == CG_ERR_FORMAT,
                  "%d: %s", _i, err.msg);
    ck_assert_contains(err.msg, bad_headers[_i].found);
    ck_assert_uint_eq(t.n, 77);
    free(f.bytes);
}
END_TEST

START_TEST(huge_header_lengths_are_refused)
{
    static const uint64_t lengths[] = { UINT64_MAX, UINT64_MAX - 7, (uint64_t)1 << 63,
                                        CG_ST_MAX_HEADER + 1 };
    struct st_file f = st_make(good_header, 8, data, 22);
    cg_st_table t = { 0 };
    cg_error err = CG_ERROR_INIT;
    uint64_t n = f.len - 7;

    for (int i = 0; i < 4; i++) {
        memcpy(f.bytes, &lengths[i], 8);
        ck_assert_int_eq(cg_st_table_parse("x", f.bytes, f.len, f.len, &t, &err), CG_ERR_LIMIT);
        ck_assert_contains(err.msg, "declares a header of");
    }
    memcpy(f.bytes, &n, 8);
    ck_assert_int_eq(cg_st_table_parse("x", f.bytes, f.len, f.len, &t, &err), CG_ERR_FORMAT);
    ck_assert_contains(err.msg, "after the length");
    free(f.bytes);
}
END_TEST

START_TEST(largest_header_is_read_quickly)
{
    char *header = malloc(CG_ST_MAX_HEADER + 1);
    size_t n = 1, i = 0;
    struct st_file f;
    cg_st_table t = { 0 };
    cg_error err = CG_ERROR_INIT;
    struct timespec t0, t1;
    double seconds;

    header[0] = '{';
    for (; n < CG_ST_MAX_HEADER - 100; i++)
        n += (size_t)sprintf(header + n, "%s\"%zu\":" T("I8", "[0]", "0", "0"), i ? "," : "", i);
    strcpy(header + n, "}");
    f = st_make(header, 8, data, 0);
    clock_gettime(CLOCK_MONOTONIC, &t0);
    ck_assert_msg(cg_st_table_parse("x", f.bytes, f.len, f.len, &t, &err) == CG_OK, "%s", err.msg);
    clock_gettime(CLOCK_MONOTONIC, &t1);
    seconds = (double)(t1.tv_sec - t0.tv_sec) + 1e-9 * (double)(t1.tv_nsec - t0.tv_nsec);
    ck_assert_uint_eq(t.n, i);
    cg_st_table_finish(&t);
    free(f.bytes);
    free(header);
    /* 0.1 s on an idle machine, 19 s under valgrind on a busy one */
    ck_assert_msg(seconds < 40, "%g s", seconds);
}
END_TEST

START_TEST(bad_files_are_refused)
{
    struct st_file f = st_make(good_header, 8, data, 22);
    cg_safetensors *s = NULL;
    cg_error err = CG_ERROR_INIT;
    const char *path;

    path = scratch_write("empty.safetensors", "", 0);
    ck_assert_int_eq(cg_safetensors_open(path, 1000, &s, &err), CG_ERR_FORMAT);
    ck_assert_contains(err.msg, "0 bytes, wanted a safetensors file");
    path = scratch_write("empty.safetensors.zst", "", 0);
    ck_assert_int_eq(cg_safetensors_open(path, 1000, &s, &err), CG_ERR_FORMAT);
    path = st_save(&f, "plain.safetensors.zst");
    ck_assert_int_eq(cg_safetensors_open(path, 1000, &s, &err), CG_ERR_FORMAT);
    ck_assert_contains(err.msg, "zstd");
    path = st_save_zst(&f, "long.safetensors.zst");
    ck_assert_int_eq(cg_safetensors_open(path, f.len - 1, &s, &err), CG_ERR_LIMIT);
    ck_assert_contains(err.msg, path);
    ck_assert_int_eq(cg_safetensors_open(scratch_dir, 1000, &s, &err), CG_ERR_IO);
    ck_assert_contains(err.msg, "is a directory");
    path = scratch_write_text("page.safetensors", "<!DOCTYPE html><html>not found</html>");
    ck_assert_int_eq(cg_safetensors_open(path, 1000, &s, &err), CG_ERR_LIMIT);
    ck_assert_contains(err.msg, "is it a safetensors file?");
    ck_assert_ptr_null(s);
    free(f.bytes);
}
END_TEST

START_TEST(damaged_bytes_never_break_the_invariants)
{
    /* A table that is accepted in spite of changed bytes satisfies its invariants. */
    struct st_file f = st_make(good_header, 8, data, 22);
    uint32_t x = 1;

    for (int round = 0; round < 20000; round++) {
        uint8_t *copy = malloc(f.len);
        cg_st_table t = { 0 };
        cg_error err = CG_ERROR_INIT;

        memcpy(copy, f.bytes, f.len);
        for (int k = 0; k < 2; k++) {
            x = x * 1664525u + 1013904223u;
            copy[(x >> 8) % (f.len - 22)] =
                round & 1 ? (uint8_t)(x >> 24) : (uint8_t) "0123456789[],-e"[x % 15];
        }
        if (cg_st_table_parse("x", copy, f.len, f.len, &t, &err) == CG_OK) {
            size_t pos = 0;

            for (size_t i = 0; i < t.n; i++) {
                ck_assert_uint_eq(t.tensors[i].begin, pos);
                ck_assert(t.tensors[i].n_dims <= CG_ST_MAX_DIMS);
                pos = t.tensors[i].end;
            }
            ck_assert_uint_eq(pos, f.len - t.data_start);
            cg_st_table_finish(&t);
        } else {
            ck_assert(err.msg[0] != '\0');
        }
        free(copy);
    }
    free(f.bytes);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("safetensors");

    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7);
    tcase_add_checked_fixture(tc, scratch_make, scratch_remove);
    tcase_add_loop_test(tc, plain_and_compressed_files_open, 0, 4);
    tcase_add_test(tc, every_truncation_is_refused);
    tcase_add_loop_test(tc, bad_headers_are_refused, 0, N_BAD);
    tcase_add_test(tc, huge_header_lengths_are_refused);
    tcase_add_test(tc, largest_header_is_read_quickly);
    tcase_add_test(tc, bad_files_are_refused);
    tcase_add_test(tc, damaged_bytes_never_break_the_invariants);
    return run_suite("safetensors", (TCase *[]) { tc }, 1);
}
