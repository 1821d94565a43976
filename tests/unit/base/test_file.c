/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <sys/stat.h>
#include <zstd.h>

#include "base/file.h"
#include "scratch.h"

static void fill(uint8_t *p, size_t n)
{
    uint32_t x = 1;

    for (size_t i = 0; i < n; i++) {
        x = x * 1664525u + 1013904223u;
        p[i] = (uint8_t)(x >> 30); /* compressible */
    }
}

START_TEST(reads_whole_files)
{
    static const size_t sizes[] = { 0, 1, 4095, 4096, 300000 };
    size_t n = sizes[_i];
    uint8_t *want = malloc(n + 1);
    cg_bytes b = { 0 };
    cg_error err = CG_ERROR_INIT;
    const char *path;

    fill(want, n);
    path = scratch_write("a", want, n);
    ck_assert_int_eq(cg_file_read(path, n, &b, &err), CG_OK);
    ck_assert_uint_eq(b.len, n);
    ck_assert(n == 0 || memcmp(b.data, want, n) == 0);
    ck_assert_uint_eq(b.data[n], 0);
    cg_bytes_release(&b);
    ck_assert_ptr_null(b.data);
    cg_bytes_release(&b);
    cg_bytes_release(NULL);
    free(want);
}
END_TEST

START_TEST(reads_files_of_unknown_size)
{
    cg_bytes b = { 0 };
    cg_error err = CG_ERROR_INIT;

    ck_assert_int_eq(cg_file_read("/proc/self/stat", 1 << 16, &b, &err), CG_OK);
    ck_assert_uint_gt(b.len, 20);
    cg_bytes_release(&b);
    ck_assert_int_eq(cg_file_read("/proc/self/stat", 4, &b, &err), CG_ERR_LIMIT);
    ck_assert_contains(err.msg, "beyond 4 bytes");
}
END_TEST

static void refused(const char *path, size_t max, cg_status code, const char *text)
{
    cg_error err = CG_ERROR_INIT;
    cg_bytes b = { 0 };

    ck_assert_int_eq(cg_file_read(path, max, &b, &err), code);
    ck_assert_contains(err.msg, path);
    ck_assert_contains(err.msg, text);
    ck_assert_ptr_null(b.data);
}

START_TEST(refuses_other_than_regular_files)
{
    const char *fifo = scratch_path("fifo");

    refused(scratch_path("nothing"), 10, CG_ERR_IO, "No such file");
    refused(scratch_dir, 10, CG_ERR_IO, "is a directory");
    ck_assert_int_eq(mkfifo(fifo, 0600), 0);
    refused(fifo, 10, CG_ERR_IO, "is a FIFO"); /* without waiting for a writer */
    refused("/dev/zero", 10, CG_ERR_IO, "is a device");
    refused(scratch_write_text("big", "0123456789"), 9, CG_ERR_LIMIT, "10 bytes, wanted at most 9");
}
END_TEST

START_TEST(refuses_without_permission)
{
    const char *path = scratch_write_text("secret", "x");

    ck_assert_int_eq(chmod(path, 0), 0);
    /* Root may read any file: drop to uid 65534. Check runs each test in its own process. */
    if (geteuid() == 0)
        ck_assert_int_eq(seteuid(65534), 0);
    refused(path, 10, CG_ERR_IO, "Permission denied");
    if (getuid() == 0)
        ck_assert_int_eq(seteuid(0), 0);
}
END_TEST

START_TEST(hash_is_of_the_content)
{
    char *a = strdup(scratch_write_text("a", "CC")), *b = strdup(scratch_write_text("b", "CC"));
    cg_error err = CG_ERROR_INIT;
    uint64_t x, y, z;

    ck_assert_int_eq(cg_file_hash(a, &x, &err), CG_OK);
    ck_assert_int_eq(cg_file_hash(b, &y, &err), CG_OK);
    ck_assert_int_eq(cg_file_hash(scratch_write_text("b", "CO"), &z, &err), CG_OK);
    ck_assert(x == y && x != z);
    ck_assert_int_eq(cg_file_hash(scratch_path("nothing"), &x, &err), CG_ERR_IO);
    free(a);
    free(b);
}
END_TEST

START_TEST(extensions_have_any_case)
{
    ck_assert_uint_eq(cg_path_strip_extension("a.smi.gz", 8, ".gz"), 5);
    ck_assert_uint_eq(cg_path_strip_extension("a.smi.GZ", 8, ".gz"), 5);
    ck_assert_uint_eq(cg_path_strip_extension("a.smi.gz", 5, ".smi"), 1);
    ck_assert_uint_eq(cg_path_strip_extension("a.smi.gz", 8, ".smi"), 8);
    ck_assert_uint_eq(cg_path_strip_extension(".gz", 3, ".gz"), 3);
    ck_assert_uint_eq(cg_path_strip_extension("", 0, ".gz"), 0);
    ck_assert_int_eq(cg_path_has_extension("a.smi.GZ", ".gz"), 1);
    ck_assert_int_eq(cg_path_has_extension("a.smi.gz", ".smi"), 0);
    ck_assert_int_eq(cg_path_has_extension(".gz", ".gz"), 0);
}
END_TEST

START_TEST(path_join_uses_one_slash)
{
    char *a = cg_path_join("dir", "x"), *b = cg_path_join("dir/", "x"), *c = cg_path_join("", "x");

    ck_assert_str_eq(a, "dir/x");
    ck_assert_str_eq(b, "dir/x");
    ck_assert_str_eq(c, "x");
    free(a);
    free(b);
    free(c);
    ck_assert(cg_file_exists(scratch_dir));
    ck_assert(!cg_file_exists(scratch_path("nothing")));
}
END_TEST

/* One frame, with or without its size in the header. */
static size_t pack(const uint8_t *src, size_t n, int declare, uint8_t *dst, size_t cap)
{
    ZSTD_CCtx *c = ZSTD_createCCtx();
    ZSTD_inBuffer in = { src, n, 0 };
    ZSTD_outBuffer out = { dst, cap, 0 };

    ZSTD_CCtx_setParameter(c, ZSTD_c_contentSizeFlag, declare);
    ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
    ck_assert_uint_eq(ZSTD_compressStream2(c, &out, &in, ZSTD_e_end), 0);
    ZSTD_freeCCtx(c);
    return out.pos;
}

enum { PLAIN = 200000 };

static uint8_t plain[PLAIN], packed[2 * PLAIN];

START_TEST(unpacks_frames)
{
    int declare = _i & 1, frames = _i < 2 ? 1 : 2;
    cg_error err = CG_ERROR_INIT;
    cg_bytes b = { 0 };
    size_t n, size = (size_t)frames * PLAIN;

    fill(plain, PLAIN);
    n = pack(plain, PLAIN, declare, packed, sizeof packed);
    if (frames == 2)
        n += pack(plain, PLAIN, 1, packed + n, sizeof packed - n);
    ck_assert_int_eq(cg_zstd_unpack("f", packed, n, size, &b, &err), CG_OK);
    ck_assert_uint_eq(b.len, size);
    for (int f = 0; f < frames; f++)
        ck_assert_int_eq(memcmp(b.data + f * PLAIN, plain, PLAIN), 0);
    ck_assert_uint_eq(b.data[size], 0);
    cg_bytes_release(&b);

    ck_assert_int_eq(cg_zstd_unpack("f", packed, n, size - 1, &b, &err), CG_ERR_LIMIT);
    ck_assert_contains(err.msg, "wanted at most");
    ck_assert_ptr_null(b.data);
}
END_TEST

START_TEST(refuses_damaged_frames)
{
    int declare = _i;
    cg_error err = CG_ERROR_INIT;
    cg_bytes b = { 0 };
    size_t n;

    fill(plain, PLAIN);
    n = pack(plain, PLAIN, declare, packed, sizeof packed);
    for (size_t cut = 0; cut < n; cut += cut < 40 ? 1 : 997)
        ck_assert_msg(cg_zstd_unpack("f", packed, cut, PLAIN, &b, &err) == CG_ERR_FORMAT,
                      "cut at %zu", cut);
    for (size_t at = 0; at < n; at += at < 40 ? 1 : 997) {
        packed[at] ^= 0x55;
        /* The checksum detects errors that the decoder does not; a changed size may exceed the
         * bound. */
        ck_assert_msg(cg_zstd_unpack("f", packed, n, PLAIN, &b, &err) != CG_OK, "byte %zu", at);
        packed[at] ^= 0x55;
    }
    packed[n] = 'x';
    ck_assert_int_eq(cg_zstd_unpack("f", packed, n + 1, PLAIN, &b, &err), CG_ERR_FORMAT);
    ck_assert_contains(err.msg, "bad or truncated zstd frame at byte");
}
END_TEST

START_TEST(refuses_bombs_before_allocating)
{
    /* Frame header only: magic, descriptor (8 byte size, single segment), size 2^60. */
    static const uint8_t bomb[] = { 0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0,    0, 0,
                                    0,    0,    0,    0,    0x10, 0x01, 0, 0 };
    cg_error err = CG_ERROR_INIT;
    cg_bytes b = { 0 };

    ck_assert_int_eq(cg_zstd_unpack("f", bomb, sizeof bomb, SIZE_MAX, &b, &err), CG_ERR_NOMEM);
    ck_assert_int_eq(cg_zstd_unpack("f", bomb, sizeof bomb, 1 << 20, &b, &err), CG_ERR_LIMIT);
    ck_assert_contains(err.msg, "declares 1152921504606846976 bytes");
}
END_TEST

int main(void)
{
    TCase *files = tcase_create("files"), *zstd = tcase_create("zstd");

    tcase_add_checked_fixture(files, scratch_make, scratch_remove);
    tcase_add_loop_test(files, reads_whole_files, 0, 5);
    tcase_add_test(files, reads_files_of_unknown_size);
    tcase_add_test(files, refuses_other_than_regular_files);
    tcase_add_test(files, refuses_without_permission);
    tcase_add_test(files, hash_is_of_the_content);
    tcase_add_test(files, extensions_have_any_case);
    tcase_add_test(files, path_join_uses_one_slash);
    tcase_add_loop_test(zstd, unpacks_frames, 0, 4);
    tcase_add_loop_test(zstd, refuses_damaged_frames, 0, 2);
    tcase_add_test(zstd, refuses_bombs_before_allocating);
    return run_suite("file", (TCase *[]) { files, zstd }, 2);
}
