/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "io/container.h"
#include "io/reader.h"

enum { N_MOLECULES = 20 };

/* In /dev/shm if possible: every finished file is synced. */
static char dir[64];
static char path[4096];
static const char *const names[] = { "x.sdf", "x.sdf.gz", "x.sdf.zst" };

static const char *in_dir(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

/* Molecule i: i % 4 + 1 SDF records; molecule 3 is long. */
static void put_molecule(cg_buf *b, int i)
{
    for (int k = 0; k <= i % 4; k++) {
        cg_buf_printf(b, "mol_%d\n", i);
        for (int line = 0; line < (i == 3 ? 20000 : 5); line++)
            cg_buf_printf(b, "line %d of %d\n", line * 7919 % 1000, k);
        cg_buf_puts(b, "M  END\n$$$$\n");
    }
}

static cg_status create(const char *to, cg_container_format format, cg_container **ret,
                        cg_error *err)
{
    cg_append_file file = { 0 };
    cg_status st = cg_append_file_open(&file, to, 1, err);

    if (st == CG_OK)
        st = cg_container_open(&file, format, NULL, 0, ret, err);
    cg_append_file_close(&file);
    return st;
}

static void write_all(cg_container_format format, const char *to, cg_buf *plain, int n)
{
    cg_error err = CG_ERROR_INIT;
    cg_container *c = NULL;
    cg_buf b = { 0 };

    ck_assert_msg(!create(to, format, &c, &err), "%s", err.msg);
    for (int i = 0; i < n; i++) {
        cg_buf_clear(&b);
        put_molecule(&b, i);
        cg_buf_put(plain, b.data, b.len);
        ck_assert_msg(!cg_container_append(c, b.data, b.len, &err), "%s", err.msg);
        ck_assert_int_eq(cg_container_append(c, "", 0, &err), CG_OK); /* no records: no frame */
    }
    ck_assert_msg(!cg_container_finish(c, &err), "%s", err.msg);
    cg_container_close(c);
    cg_buf_finish(&b);
}

static void read_file(const char *from, cg_buf *b)
{
    FILE *f = fopen(from, "rb");
    size_t n;

    ck_assert_ptr_nonnull(f);
    do {
        ck_assert_int_eq(cg_buf_reserve(b, 65536), 0);
        n = fread(b->data + b->len, 1, 65536, f);
        b->len += n;
    } while (n);
    fclose(f);
}

static void check_same(const cg_buf *a, const cg_buf *b)
{
    ck_assert_uint_eq(a->len, b->len);
    ck_assert(a->len == 0 || !memcmp(a->data, b->data, a->len));
}

static void check_frames(cg_reader *r, int n)
{
    cg_error err = CG_ERROR_INIT;
    cg_buf want = { 0 }, got = { 0 };

    ck_assert_uint_eq(cg_reader_count(r), (size_t)n);
    for (int i = 0; i < n; i++) {
        char name[32];
        size_t at;

        cg_buf_clear(&want);
        cg_buf_clear(&got);
        put_molecule(&want, i);
        ck_assert_msg(!cg_reader_read(r, (size_t)i, 0, &got, &err), "%s", err.msg);
        check_same(&want, &got);
        ck_assert_uint_eq(cg_reader_frame(r, (size_t)i)->content_size, want.len);
        cg_buf_clear(&got);
        ck_assert_msg(!cg_reader_read(r, (size_t)i, 10, &got, &err), "%s", err.msg);
        ck_assert_uint_eq(got.len, 10);
        ck_assert(!memcmp(want.data, got.data, 10));
        snprintf(name, sizeof name, "mol_%d", i);
        ck_assert_msg(!cg_reader_find(r, name, 0, &at, &err), "%s", err.msg);
        ck_assert_uint_eq(at, (size_t)i);
    }
    ck_assert_int_eq(cg_reader_find(r, "unknown", 0, (size_t *)&(size_t) { 0 }, &err),
                     CG_ERR_INPUT);
    ck_assert_ptr_nonnull(strstr(err.msg, "has no molecule 'unknown'"));
    cg_buf_finish(&want);
    cg_buf_finish(&got);
}

START_TEST(written_files_are_read_back)
{
    cg_error err = CG_ERROR_INIT;
    cg_buf plain = { 0 };
    cg_reader *r = NULL;
    char *to = strdup(in_dir(names[_i]));

    ck_assert_int_eq(cg_container_format_of(to), _i);
    write_all((cg_container_format)_i, to, &plain, N_MOLECULES);
    ck_assert_msg(!cg_reader_open(to, &r, &err), "%s", err.msg);
    ck_assert_int_eq(cg_reader_format(r), _i);
    ck_assert_int_eq(cg_reader_has_table(r), _i == CG_CONTAINER_ZST);
    ck_assert_str_eq(cg_reader_note(r), "");
    check_frames(r, N_MOLECULES);
    cg_reader_close(r);
    cg_buf_finish(&plain);
    free(to);
}
END_TEST

START_TEST(an_empty_output_is_a_valid_file)
{
    cg_error err = CG_ERROR_INIT;
    cg_buf plain = { 0 };
    cg_reader *r = NULL;
    char *to = strdup(in_dir(names[_i]));

    write_all((cg_container_format)_i, to, &plain, 0);
    ck_assert_msg(!cg_reader_open(to, &r, &err), "%s", err.msg);
    ck_assert_uint_eq(cg_reader_count(r), 0);
    ck_assert_str_eq(cg_reader_note(r), "");
    cg_reader_close(r);
    cg_buf_finish(&plain);
    free(to);
}
END_TEST

/* Any zstd decoder reads the file as one stream, the seek table included. */
START_TEST(zstd_decodes_the_file_as_a_stream)
{
    cg_buf plain = { 0 }, file = { 0 }, got = { 0 };
    ZSTD_DStream *ds = ZSTD_createDStream();
    ZSTD_inBuffer in;

    write_all(CG_CONTAINER_ZST, in_dir("x.sdf.zst"), &plain, N_MOLECULES);
    read_file(in_dir("x.sdf.zst"), &file);
    in = (ZSTD_inBuffer) { file.data, file.len, 0 };
    while (in.pos < in.size) {
        ZSTD_outBuffer out = { NULL, 4096, 0 };
        size_t rc;

        ck_assert_int_eq(cg_buf_reserve(&got, 4096), 0);
        out.dst = got.data + got.len;
        rc = ZSTD_decompressStream(ds, &out, &in);
        ck_assert_msg(!ZSTD_isError(rc), "%s", ZSTD_getErrorName(rc));
        got.len += out.pos;
    }
    check_same(&plain, &got);
    ZSTD_freeDStream(ds);
    cg_buf_finish(&plain);
    cg_buf_finish(&file);
    cg_buf_finish(&got);
}
END_TEST

START_TEST(gzip_decodes_the_file_as_a_stream)
{
    cg_buf plain = { 0 }, got = { 0 };
    gzFile f;
    int n;

    write_all(CG_CONTAINER_GZ, in_dir("x.sdf.gz"), &plain, N_MOLECULES);
    f = gzopen(in_dir("x.sdf.gz"), "rb");
    ck_assert_ptr_nonnull(f);
    do {
        ck_assert_int_eq(cg_buf_reserve(&got, 4096), 0);
        n = gzread(f, got.data + got.len, 4096);
        ck_assert_int_ge(n, 0);
        got.len += (size_t)n;
    } while (n);
    ck_assert_int_eq(gzclose(f), Z_OK);
    check_same(&plain, &got);
    cg_buf_finish(&plain);
    cg_buf_finish(&got);
}
END_TEST

START_TEST(bytes_do_not_depend_on_the_run)
{
    cg_buf plain = { 0 }, a = { 0 }, b = { 0 };

    for (int i = 0; i < 2; i++) {
        write_all((cg_container_format)_i, in_dir(names[_i]), &plain, 5);
        read_file(in_dir(names[_i]), i ? &b : &a);
    }
    check_same(&a, &b);
    if (_i == CG_CONTAINER_GZ) /* no modification time */
        ck_assert(!memcmp(a.data + 4, "\0\0\0\0", 4));
    cg_buf_finish(&plain);
    cg_buf_finish(&a);
    cg_buf_finish(&b);
}
END_TEST

static uint32_t u32(const char *p)
{
    const unsigned char *u = (const unsigned char *)p;

    return (uint32_t)u[0] | (uint32_t)u[1] << 8 | (uint32_t)u[2] << 16 | (uint32_t)u[3] << 24;
}

/* The table byte for byte as the format specifies it. */
START_TEST(seek_table_conforms_to_the_format)
{
    cg_buf plain = { 0 }, file = { 0 };
    const char *t;
    uint32_t offset = 0;
    cg_buf b = { 0 };

    write_all(CG_CONTAINER_ZST, in_dir("x.sdf.zst"), &plain, 5);
    read_file(in_dir("x.sdf.zst"), &file);
    t = file.data + file.len - (8 + 5 * 8 + 9);
    ck_assert_uint_eq(u32(t), 0x184D2A5E);
    ck_assert_uint_eq(u32(t + 4), 5 * 8 + 9);
    for (int i = 0; i < 5; i++) {
        cg_buf_clear(&b);
        put_molecule(&b, i);
        ck_assert_uint_eq(u32(file.data + offset), 0xFD2FB528);
        ck_assert(file.data[offset + 4] & 4); /* with checksum */
        ck_assert_uint_eq(ZSTD_findFrameCompressedSize(file.data + offset, file.len - offset),
                          u32(t + 8 + 8 * i));
        ck_assert_uint_eq(u32(t + 12 + 8 * i), b.len);
        offset += u32(t + 8 + 8 * i);
    }
    ck_assert_ptr_eq(file.data + offset, t);
    ck_assert_uint_eq(u32(t + 48), 5);
    ck_assert_int_eq(t[52], 0);
    ck_assert_uint_eq(u32(t + 53), 0x8F92EAB1);
    cg_buf_finish(&plain);
    cg_buf_finish(&file);
    cg_buf_finish(&b);
}
END_TEST

/* Without a table, or with a wrong one, the file is scanned. */
START_TEST(frames_are_found_without_a_valid_table)
{
    enum { TABLE = 8 + 6 * 8 + 9 };
    cg_error err = CG_ERROR_INIT;
    cg_buf plain = { 0 }, file = { 0 };
    cg_reader *r = NULL;

    write_all(CG_CONTAINER_ZST, in_dir("x.sdf.zst"), &plain, 6);
    read_file(in_dir("x.sdf.zst"), &file);
    ck_assert_int_eq(cg_reader_open_memory("t", file.data, file.len - TABLE, &r, &err), CG_OK);
    ck_assert_int_eq(cg_reader_has_table(r), 0);
    ck_assert_ptr_nonnull(strstr(cg_reader_note(r), "no seek table at the end"));
    check_frames(r, 6);
    cg_reader_close(r);
    for (size_t k = 0; k < TABLE; k++) {
        char *byte = file.data + file.len - TABLE + k;
        size_t in_entry = k - 8;
        char old = *byte;

        *byte ^= 0x55;
        if (cg_reader_open_memory("t", file.data, file.len, &r, &err) == CG_OK) {
            /* A wrong uncompressed size is found when the frame is read. */
            if (k >= 8 && in_entry < 48 && in_entry % 8 >= 4 && cg_reader_has_table(r)) {
                cg_buf b = { 0 };

                ck_assert_int_eq(cg_reader_read(r, in_entry / 8, 0, &b, &err), CG_ERR_FORMAT);
                cg_buf_finish(&b);
            } else {
                ck_assert_msg(cg_reader_count(r) == 6, "table byte %zu", k);
                check_frames(r, 6);
            }
            cg_reader_close(r);
        } else {
            ck_abort_msg("table byte %zu: %s", k, err.msg);
        }
        *byte = old;
    }
    cg_buf_finish(&plain);
    cg_buf_finish(&file);
}
END_TEST

/* Truncated at any byte: the complete frames before it are listed and read. */
START_TEST(truncated_files_keep_their_complete_frames)
{
    cg_error err = CG_ERROR_INIT;
    cg_buf plain = { 0 }, file = { 0 };
    cg_container_frame at[6];
    cg_reader *r = NULL;

    write_all((cg_container_format)_i, in_dir(names[_i]), &plain, 3);
    read_file(in_dir(names[_i]), &file);
    ck_assert_int_eq(cg_reader_open_memory("t", file.data, file.len, &r, &err), CG_OK);
    for (size_t i = 0; i < 3; i++)
        at[i] = *cg_reader_frame(r, i);
    cg_reader_close(r);
    for (size_t cut = 4; cut < file.len; cut++) { /* detecting the format takes four bytes */
        size_t whole = 0;
        cg_status st = cg_reader_open_memory("t", file.data, cut, &r, &err);

        while (whole < 3 && at[whole].offset + at[whole].size <= cut)
            whole++;
        if (st != CG_OK) {
            ck_assert_msg(!whole && st == CG_ERR_FORMAT, "cut at %zu: %s", cut, err.msg);
            continue;
        }
        /* In plain text, some records of a molecule or an incomplete record are a frame too. */
        ck_assert_msg(cg_reader_count(r) == whole || (_i == 0 && cg_reader_count(r) <= whole + 2),
                      "cut at %zu: %zu frames of %zu", cut, cg_reader_count(r), whole);
        for (size_t i = 0; i < whole; i++) {
            cg_buf b = { 0 };

            ck_assert_int_eq(cg_reader_read(r, i, 0, &b, &err), CG_OK);
            ck_assert_uint_eq(b.len, at[i].content_size);
            cg_buf_finish(&b);
        }
        cg_reader_close(r);
    }
    cg_buf_finish(&plain);
    cg_buf_finish(&file);
}
END_TEST

/* Any byte changed: an error or the original bytes, never other bytes or a crash. */
START_TEST(damage_is_found)
{
    cg_error err = CG_ERROR_INIT;
    cg_buf plain = { 0 }, file = { 0 };

    write_all(_i ? CG_CONTAINER_ZST : CG_CONTAINER_GZ, in_dir("x"), &plain, 2);
    read_file(in_dir("x"), &file);
    for (size_t k = 0; k < file.len; k++) {
        cg_reader *r = NULL;
        cg_buf got = { 0 };
        char old = file.data[k];
        cg_status st;

        file.data[k] ^= (char)(1 << k % 8);
        st = cg_reader_open_memory("t", file.data, file.len, &r, &err);
        for (size_t i = 0; st == CG_OK && i < cg_reader_count(r); i++)
            st = cg_reader_read(r, i, 0, &got, &err);
        /* Some fields of a gzip header have no effect; a lost frame is reported in the note. */
        if (st == CG_OK && got.len == plain.len)
            check_same(&plain, &got);
        else if (st == CG_OK)
            ck_assert_msg(*cg_reader_note(r), "byte %zu: %zu bytes and no note", k, got.len);
        cg_reader_close(r);
        cg_buf_finish(&got);
        file.data[k] = old;
    }
    cg_buf_finish(&plain);
    cg_buf_finish(&file);
}
END_TEST

/* A frame of 2 GiB of zeros in 64 KiB; a frame that claims 2^60 bytes; a claimed window of 2^41. */
START_TEST(lying_sizes_are_bounded)
{
    static const char huge_claim[] = "\x28\xb5\x2f\xfd\xe0\0\0\0\0\0\0\0\x10\x01\0\0";
    static const char huge_window[] = "\x28\xb5\x2f\xfd\x00\xf8\x01\0\0";
    cg_error err = CG_ERROR_INIT;
    cg_buf bomb = { 0 }, got = { 0 };
    cg_reader *r = NULL;

    /* Blocks of 128 KiB of one byte, run-length coded: four bytes each. */
    cg_buf_put(&bomb, "\x28\xb5\x2f\xfd\x00\x38", 6); /* window 128 KiB */
    for (int i = 0; i < (1 << 14); i++)
        cg_buf_put(&bomb, i + 1 < 1 << 14 ? "\x02\x00\x10z" : "\x03\x00\x10z", 4);
    ck_assert_int_eq(cg_reader_open_memory("t", bomb.data, bomb.len, &r, &err), CG_OK);
    ck_assert_uint_eq(cg_reader_count(r), 1);
    ck_assert_int_eq(cg_reader_read(r, 0, 1000, &got, &err), CG_OK);
    ck_assert_uint_eq(got.len, 1000);
    cg_buf_clear(&got);
    ck_assert_int_eq(cg_reader_read(r, 0, 0, &got, &err), CG_ERR_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.msg, "more than 1073741824 uncompressed bytes"));
    cg_reader_close(r);
    cg_buf_finish(&got);
    ck_assert_int_eq(cg_reader_open_memory("t", huge_claim, sizeof huge_claim - 1, &r, &err),
                     CG_OK);
    ck_assert_int_eq(cg_reader_read(r, 0, 0, &got, &err), CG_ERR_FORMAT);
    cg_reader_close(r);
    ck_assert_int_eq(cg_reader_open_memory("t", huge_window, sizeof huge_window - 1, &r, &err),
                     CG_OK);
    ck_assert_int_eq(cg_reader_read(r, 0, 0, &got, &err), CG_ERR_FORMAT);
    cg_reader_close(r);
    cg_buf_finish(&bomb);
    cg_buf_finish(&got);
}
END_TEST

START_TEST(other_files_are_refused)
{
    static const char nul[] = "a\0b", skippable[] = "\x5e\x2a\x4d\x18\xff\xff\xff\xffzz";
    cg_error err = CG_ERROR_INIT;
    cg_reader *r = NULL;

    ck_assert_int_eq(cg_reader_open(dir, &r, &err), CG_ERR_IO);
    ck_assert_ptr_nonnull(strstr(err.msg, "is a directory"));
    ck_assert_int_eq(cg_reader_open(in_dir("none"), &r, &err), CG_ERR_IO);
    ck_assert_ptr_nonnull(strstr(err.msg, "none': cannot open: No such file"));
    ck_assert_int_eq(cg_reader_open("/dev/null", &r, &err), CG_ERR_IO);
    ck_assert_int_eq(cg_reader_open_memory("t", nul, 3, &r, &err), CG_ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.msg, "neither zstd nor gzip nor text"));
    ck_assert_int_eq(cg_reader_open_memory("t", skippable, 10, &r, &err), CG_ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.msg, "no molecule can be read"));
    ck_assert_ptr_null(r);
}
END_TEST

/* Plain text is split into records; consecutive records of one molecule are one frame. */
START_TEST(plain_text_is_split_by_name)
{
    static const char *const texts[] = {
        "2\nProperties=species:S:1:pos:R:3 name=\"a\" x\nC 0 0 0\nH 0 0 1\n"
        "1\nProperties=species:S:1:pos:R:3 name=\"a\" y\nC 0 0 0\n"
        "0\nProperties=species:S:1:pos:R:3 name=\"b\" z\n",
        "[C]<0,0,0>\ta\t0\t1\n[C]<0,0,0>\ta\t1\t1\n[C]<0,0,0>\tb\t0\t1\n",
        "{\"name\": \"a\"}\n{\"name\": \"a\"}\n{\"name\": \"b\"}\n",
        "a\nM  END\n$$$$\na\r\nM  END\r\n$$$$\r\nb\n$$$$\n",
    };
    cg_error err = CG_ERROR_INIT;
    cg_reader *r = NULL;
    size_t at = 9;

    ck_assert_int_eq(cg_reader_open_memory("t", texts[_i], strlen(texts[_i]), &r, &err), CG_OK);
    ck_assert_uint_eq(cg_reader_count(r), 2);
    ck_assert_str_eq(cg_reader_note(r), "");
    ck_assert_int_eq(cg_reader_find(r, "b", 0, &at, &err), CG_OK);
    ck_assert_uint_eq(at, 1);
    ck_assert_uint_eq(cg_reader_frame(r, 0)->size + cg_reader_frame(r, 1)->size, strlen(texts[_i]));
    cg_reader_close(r);
}
END_TEST

/* A molecule of several frames, of which each but the last is full, and two of one name. */
START_TEST(full_frames_are_continued)
{
    static const int continues[] = { 0, 1, 1, 0, 0 };
    const cg_container_format format = (cg_container_format)_i;
    cg_error err = CG_ERROR_INIT;
    cg_buf record = { 0 }, frame = { 0 }, got = { 0 };
    char *to = strdup(in_dir(names[_i]));
    cg_container *c = NULL;
    cg_reader *r = NULL;
    size_t n = 0;

    cg_buf_puts(&record, "a\n");
    while (record.len < 1 << 20)
        cg_buf_puts(&record, "the line of a record\n");
    cg_buf_puts(&record, "$$$$\n");
    while (frame.len < CG_FRAME_FULL_CONTENT)
        cg_buf_put(&frame, record.data, record.len);
    ck_assert_int_eq(create(to, format, &c, &err), CG_OK);
    for (int i = 0; i < 2; i++)
        ck_assert_msg(!cg_container_append(c, frame.data, frame.len, &err), "%s", err.msg);
    ck_assert_msg(!cg_container_append(c, record.data, record.len, &err), "%s", err.msg);
    for (int i = 0; i < 2; i++)
        ck_assert_msg(!cg_container_append(c, "b\n$$$$\n", 7, &err), "%s", err.msg);
    ck_assert_msg(!cg_container_finish(c, &err), "%s", err.msg);
    cg_container_close(c);
    ck_assert_msg(!cg_reader_open(to, &r, &err), "%s", err.msg);
    ck_assert_uint_eq(cg_reader_count(r), format == CG_CONTAINER_PLAIN ? 4 : 5);
    for (size_t i = 0; i < cg_reader_count(r); i++) {
        int found;

        ck_assert_msg(!cg_reader_continues(r, i, &found, &err), "%s", err.msg);
        ck_assert_msg(found == continues[i], "frame %zu: %d", i, found);
    }
    for (size_t i = 0; cg_reader_find(r, "a", i, &i, &err) == CG_OK; i++, n++) {
        cg_buf_clear(&got);
        ck_assert_msg(!cg_reader_read(r, i, 0, &got, &err), "%s", err.msg);
        check_same(i < 2 ? &frame : &record, &got);
    }
    ck_assert_uint_eq(n, 3);
    cg_reader_close(r);
    cg_buf_finish(&record);
    cg_buf_finish(&frame);
    cg_buf_finish(&got);
    free(to);
}
END_TEST

/* A full disk, simulated by a file size limit: the file keeps its complete frames. */
START_TEST(full_disk_leaves_a_readable_file)
{
    struct rlimit limit, before;
    cg_error err = CG_ERROR_INIT;
    cg_container *c = NULL;
    cg_reader *r = NULL;
    cg_buf b = { 0 }, got = { 0 };
    char *to = strdup(in_dir(names[_i]));
    cg_status st = CG_OK;
    size_t n;

    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = (struct rlimit) { 3000, before.rlim_max };
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    srand(1);
    for (int i = 0; i < 700; i++)
        cg_buf_printf(&b, "%c", 32 + rand() % 90);
    cg_buf_puts(&b, "\n$$$$\n");
    ck_assert_int_eq(create(to, (cg_container_format)_i, &c, &err), CG_OK);
    for (n = 0; st == CG_OK && n < 100; n++)
        st = cg_container_append(c, b.data, b.len, &err);
    n--;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
    ck_assert_int_eq(st, CG_ERR_IO);
    ck_assert_msg(strstr(err.msg, names[_i]) && strstr(err.msg, "File too large") &&
                      strstr(err.msg, "complete frames"),
                  "%s", err.msg);
    ck_assert_int_eq(cg_container_append(c, b.data, b.len, &err), CG_ERR_INTERNAL);
    ck_assert_int_eq(cg_container_finish(c, &err), CG_ERR_INTERNAL);
    cg_container_close(c);
    ck_assert_msg(!cg_reader_open(to, &r, &err), "%s", err.msg);
    if (_i == CG_CONTAINER_PLAIN) {
        /* One name: one frame of all records. */
        ck_assert_uint_eq(cg_reader_frame(r, 0)->size, n * b.len);
    } else {
        ck_assert_uint_eq(cg_reader_count(r), n);
        ck_assert_int_eq(cg_reader_read(r, n - 1, 0, &got, &err), CG_OK);
        check_same(&b, &got);
    }
    cg_reader_close(r);
    cg_buf_finish(&b);
    cg_buf_finish(&got);
    free(to);
}
END_TEST

START_TEST(unwritable_outputs_are_named)
{
    cg_error err = CG_ERROR_INIT;
    cg_container *c = NULL;

    ck_assert_int_eq(create("/dev/full", CG_CONTAINER_PLAIN, &c, &err), CG_OK);
    ck_assert_int_eq(cg_container_append(c, "abc", 3, &err), CG_ERR_IO);
    ck_assert_ptr_nonnull(strstr(err.msg, "'/dev/full': wrote 0 of 3 bytes: No space left"));
    cg_container_close(c);
}
END_TEST

static void make_dir(void)
{
    snprintf(dir, sizeof dir, "%s/confgen_test_container_XXXXXX",
             access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void remove_dir(void)
{
    for (int i = 0; i < 3; i++)
        unlink(in_dir(names[i]));
    unlink(in_dir("x"));
    rmdir(dir);
}

int main(void)
{
    Suite *s = suite_create("container");
    TCase *tc = tcase_create("container");
    SRunner *sr;
    int failed;

    tcase_add_unchecked_fixture(tc, make_dir, remove_dir);
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, written_files_are_read_back, 0, 3);
    tcase_add_loop_test(tc, an_empty_output_is_a_valid_file, 0, 3);
    tcase_add_test(tc, zstd_decodes_the_file_as_a_stream);
    tcase_add_test(tc, gzip_decodes_the_file_as_a_stream);
    tcase_add_loop_test(tc, bytes_do_not_depend_on_the_run, 0, 3);
    tcase_add_test(tc, seek_table_conforms_to_the_format);
    tcase_add_test(tc, frames_are_found_without_a_valid_table);
    tcase_add_loop_test(tc, truncated_files_keep_their_complete_frames, 0, 3);
    tcase_add_loop_test(tc, damage_is_found, 0, 2);
    tcase_add_test(tc, lying_sizes_are_bounded);
    tcase_add_test(tc, other_files_are_refused);
    tcase_add_loop_test(tc, plain_text_is_split_by_name, 0, 4);
    tcase_add_loop_test(tc, full_frames_are_continued, 0, 3);
    tcase_add_loop_test(tc, full_disk_leaves_a_readable_file, 0, 3);
    tcase_add_test(tc, unwritable_outputs_are_named);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
