/* SPDX-License-Identifier: MIT */
/* Files opened for writing: append_file.h, whole_file.h, file_set.h. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/stat.h>

#include "base/append_file.h"
#include "base/file.h"
#include "base/file_set.h"
#include "base/whole_file.h"
#include "scratch.h"

static cg_error err;

static void expect_text(const char *path, const char *text)
{
    cg_bytes b = { 0 };

    ck_assert_msg(!cg_file_read(path, 1000, &b, &err), "%s", err.msg);
    ck_assert_str_eq((const char *)b.data, text);
    cg_bytes_release(&b);
}

/* Opening fails with this status and text; a new file is not left behind. */
static void refused(const char *path, int may_exist, cg_status code, const char *text)
{
    cg_append_file f;
    struct stat before = { 0 }, after = { 0 };
    int existed = !lstat(path, &before);

    ck_assert_int_eq(cg_append_file_open(&f, path, may_exist, &err), code);
    cg_append_file_discard(&f);
    ck_assert_contains(err.msg, text);
    ck_assert_int_eq(!lstat(path, &after), existed);
    ck_assert(before.st_size == after.st_size && before.st_ino == after.st_ino);
}

static void append(const char *path, int may_exist, const char *text)
{
    cg_append_file f;

    ck_assert_msg(!cg_append_file_open(&f, path, may_exist, &err), "%s", err.msg);
    ck_assert_int_eq(cg_append_file_write(&f, text, strlen(text), &err), CG_OK);
    cg_append_file_close(&f);
}

START_TEST(new_files_replace_nothing)
{
    const char *path = scratch_path("a");

    append(path, 0, "one");
    expect_text(path, "one");
    refused(path, 0, CG_ERR_USAGE, "exists: --overwrite replaces it");
    append(path, 1, " two");
    expect_text(path, "one two");
    refused(scratch_dir, 1, CG_ERR_IO, "Is a directory");
    refused(scratch_path("no/x"), 1, CG_ERR_IO, "there is no folder");
}
END_TEST

START_TEST(links_are_not_followed)
{
    const char *victim = scratch_write_text("victim", "precious"), *l = scratch_path("link");

    ck_assert_int_eq(symlink(victim, l), 0);
    refused(l, 0, CG_ERR_USAGE, "exists");
    refused(l, 1, CG_ERR_IO, "is a symbolic link");
    ck_assert_int_eq(unlink(l), 0);
    ck_assert_int_eq(symlink(scratch_path("missing"), l), 0);
    refused(l, 0, CG_ERR_USAGE, "exists");
    refused(l, 1, CG_ERR_IO, "is a symbolic link");
    ck_assert_int_ne(access(scratch_path("missing"), F_OK), 0);
    ck_assert_int_eq(unlink(l), 0);
    ck_assert_int_eq(link(victim, l), 0);
    refused(l, 1, CG_ERR_IO, "has 2 names (hard links)");
    expect_text(victim, "precious");
}
END_TEST

START_TEST(open_files_are_locked)
{
    const char *path = scratch_path("a");
    cg_append_file first;

    ck_assert_int_eq(cg_append_file_open(&first, path, 0, &err), CG_OK);
    refused(path, 1, CG_ERR_IO, "another run is writing it");
    cg_append_file_close(&first);
    append(path, 1, "x");
}
END_TEST

START_TEST(created_files_are_discarded)
{
    const char *path = scratch_path("a");
    cg_append_file f;

    ck_assert_int_eq(cg_append_file_open(&f, path, 0, &err), CG_OK);
    cg_append_file_discard(&f);
    ck_assert_int_ne(access(path, F_OK), 0);
    scratch_write_text("a", "kept");
    ck_assert_int_eq(cg_append_file_open(&f, path, 1, &err), CG_OK);
    cg_append_file_discard(&f);
    expect_text(path, "kept");
}
END_TEST

/* A pipe by its path and by a link to it, as /dev/stdout is one. */
START_TEST(streams_are_written_through_links)
{
    char path[64], text[16] = "";
    const char *l = scratch_path("link");
    int fd[2];

    ck_assert_int_eq(pipe(fd), 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd[1]);
    ck_assert_int_eq(symlink(path, l), 0);
    append(path, 0, "a");
    append(l, 0, "b");
    ck_assert_int_eq(cg_file_write_whole(l, "c", 1, 0, &err), CG_OK);
    ck_assert_int_eq(read(fd[0], text, 3), 3);
    ck_assert_str_eq(text, "abc");
    refused("/dev/full/x", 1, CG_ERR_IO, "Not a directory");
    refused("/dev/fd/9999", 1, CG_ERR_IO, "Bad file descriptor");
    /* a descriptor of a file is appended to where it stands */
    fd[0] = open(scratch_write_text("redirected", "12345"), O_RDWR | O_APPEND);
    snprintf(path, sizeof path, "/dev/fd/%d", fd[0]);
    ck_assert(cg_is_stream(path));
    append(path, 0, "6");
    expect_text(scratch_path("redirected"), "123456");
}
END_TEST

START_TEST(a_file_that_others_change_is_an_error)
{
    const char *path = scratch_path("a");
    cg_append_file f;

    ck_assert_int_eq(cg_append_file_open(&f, path, 0, &err), CG_OK);
    ck_assert_int_eq(cg_append_file_write(&f, "12345", 5, &err), CG_OK);
    ck_assert_int_eq(cg_append_file_sync(&f, &err), CG_OK);
    ck_assert_int_eq(truncate(path, 2), 0);
    ck_assert_int_eq(cg_append_file_write(&f, "6", 1, &err), CG_ERR_IO);
    ck_assert_contains(err.msg, "has 2 bytes, wanted the 5 that were written");
    ck_assert_int_eq(cg_append_file_sync(&f, &err), CG_ERR_IO);
    ck_assert_int_eq(cg_append_file_truncate(&f, 4, &err), CG_ERR_IO);
    expect_text(path, "12");
    ck_assert_int_eq(cg_append_file_truncate(&f, 1, &err), CG_OK);
    ck_assert_int_eq(cg_append_file_write(&f, "2", 1, &err), CG_OK);
    expect_text(path, "12");
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(cg_append_file_write(&f, "3", 1, &err), CG_ERR_IO);
    ck_assert_contains(err.msg, "was removed by another program");
    cg_append_file_close(&f);
}
END_TEST

/* The number of a descriptor that the process opened itself names no output of the caller's. */
START_TEST(own_descriptors_are_refused)
{
    const char *kept = scratch_write_text("output", "records");
    int fd = open(kept, O_RDWR | O_CLOEXEC);
    char path[64];

    snprintf(path, sizeof path, "/dev/fd/%d", fd);
    refused(path, 0, CG_ERR_IO, "Bad file descriptor");
    refused(path, 1, CG_ERR_IO, "Bad file descriptor");
    expect_text(kept, "records");
    close(fd);
}
END_TEST

static void *read_late(void *ctx)
{
    const int *fd = ctx;
    static char bytes[1 << 16];
    size_t n = 0;
    ssize_t k;

    poll(NULL, 0, 100);
    while ((k = read(*fd, bytes, sizeof bytes)) > 0)
        n += (size_t)k;
    return (void *)(uintptr_t)n;
}

START_TEST(a_stream_that_does_not_block_is_waited_for)
{
    static const char bytes[300000];
    cg_append_file f;
    pthread_t reader;
    char path[64];
    void *n;
    int fd[2];

    ck_assert_int_eq(pipe(fd), 0);
    ck_assert_int_eq(fcntl(fd[1], F_SETFL, O_NONBLOCK), 0);
    ck_assert_int_eq(pthread_create(&reader, NULL, read_late, &fd[0]), 0);
    snprintf(path, sizeof path, "/dev/fd/%d", fd[1]);
    ck_assert_int_eq(cg_append_file_open(&f, path, 0, &err), CG_OK);
    ck_assert_msg(!cg_append_file_write(&f, bytes, sizeof bytes, &err), "%s", err.msg);
    cg_append_file_close(&f);
    close(fd[1]);
    ck_assert_int_eq(pthread_join(reader, &n), 0);
    ck_assert_uint_eq((uintptr_t)n, sizeof bytes);
    close(fd[0]);
}
END_TEST

START_TEST(whole_files_take_their_name_at_the_end)
{
    const char *path = scratch_path("a"), *l = scratch_path("link");
    struct stat old, new;

    ck_assert_int_eq(cg_file_write_whole(path, "one", 3, 0, &err), CG_OK);
    ck_assert_int_eq(stat(path, &old), 0);
    ck_assert_int_eq(cg_file_write_whole(path, "two", 3, 0, &err), CG_ERR_USAGE);
    ck_assert_contains(err.msg, "exists: --overwrite replaces it");
    expect_text(path, "one");
    ck_assert_int_eq(cg_file_write_whole(path, "two", 3, 1, &err), CG_OK);
    ck_assert_int_eq(stat(path, &new), 0);
    ck_assert(old.st_mode == new.st_mode);
    expect_text(path, "two");
    ck_assert_int_eq(symlink(path, l), 0);
    ck_assert_int_eq(cg_file_write_whole(l, "three", 5, 1, &err), CG_ERR_IO);
    ck_assert_contains(err.msg, "is a symbolic link");
    expect_text(path, "two");
    ck_assert_int_eq(cg_file_write_whole(scratch_dir, "x", 1, 1, &err), CG_ERR_IO);
    ck_assert_contains(err.msg, "Is a directory");
    ck_assert_int_eq(cg_file_write_whole(scratch_path("no/x"), "x", 1, 1, &err), CG_ERR_IO);
    ck_assert_contains(err.msg, "there is no folder");
}
END_TEST

START_TEST(files_are_compared_by_identity)
{
    char *in = strdup(scratch_write_text("in.smi", "C")), *l = strdup(scratch_path("link"));
    cg_file_set set = { 0 };
    char path[600];

    ck_assert_int_eq(symlink(in, l), 0);
    ck_assert_int_eq(mkdir(scratch_path("model"), 0700), 0);
    scratch_write_text("model/config.json", "{}");
    ck_assert_int_eq(symlink(scratch_path("model"), scratch_path("other")), 0);
    ck_assert_int_eq(cg_file_set_add_input(&set, "the input", in, &err), CG_OK);
    ck_assert_int_eq(cg_file_set_add_input(&set, "the input", scratch_path("none"), &err), CG_OK);
    ck_assert_int_eq(
        cg_file_set_add_folder(&set, "a file of the model", scratch_path("model"), &err), CG_OK);
    ck_assert_int_eq(cg_file_set_add_output(&set, "--output", "the output", l, &err), CG_ERR_USAGE);
    ck_assert_contains(err.msg, "--output '");
    ck_assert_contains(err.msg, "link' is the input '");
    ck_assert_int_eq(cg_file_set_add_output(&set, "--output", "the output",
                                            scratch_path("other/config.json"), &err),
                     CG_ERR_USAGE);
    ck_assert_contains(err.msg, "is a file of the model '");
    /* files that do not exist, by the folder */
    ck_assert_int_eq(
        cg_file_set_add_output(&set, "--output", "the output", scratch_path("model/new"), &err),
        CG_OK);
    snprintf(path, sizeof path, "%s/./other/../other/new", scratch_dir);
    ck_assert_int_eq(cg_file_set_add_output(&set, "--failed", "", path, &err), CG_ERR_USAGE);
    ck_assert_contains(err.msg, "is the output '");
    snprintf(path, sizeof path, "%s/./new", scratch_dir);
    ck_assert_int_eq(cg_file_set_add_output(&set, "--failed", "", path, &err), CG_OK);
    /* devices may be named twice */
    ck_assert_int_eq(cg_file_set_add_output(&set, "--report", "", "/dev/null", &err), CG_OK);
    ck_assert_int_eq(cg_file_set_add_output(&set, "--html", "", "/dev/null", &err), CG_OK);
    cg_file_set_finish(&set);
    free(in);
    free(l);
}
END_TEST

START_TEST(standard_streams_are_compared)
{
    const char *path = scratch_write_text("in.smi", "C");
    cg_file_set set = { 0 };
    int fd = open(path, O_RDWR);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(dup2(fd, STDIN_FILENO), STDIN_FILENO);
    ck_assert_int_eq(cg_file_set_add_input(&set, "the input", "-", &err), CG_OK);
    ck_assert_int_eq(cg_file_set_add_output(&set, "--output", "the output", path, &err),
                     CG_ERR_USAGE);
    ck_assert_contains(err.msg, "is the input '-'");
    fflush(stdout);
    ck_assert_int_eq(dup2(fd, STDOUT_FILENO), STDOUT_FILENO);
    ck_assert_int_eq(cg_file_set_add_output(&set, "--output", "the output", "-", &err),
                     CG_ERR_USAGE);
    cg_file_set_finish(&set);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("output files");

    tcase_add_checked_fixture(tc, scratch_make, scratch_remove);
    tcase_add_test(tc, new_files_replace_nothing);
    tcase_add_test(tc, links_are_not_followed);
    tcase_add_test(tc, open_files_are_locked);
    tcase_add_test(tc, created_files_are_discarded);
    tcase_add_test(tc, streams_are_written_through_links);
    tcase_add_test(tc, a_file_that_others_change_is_an_error);
    tcase_add_test(tc, own_descriptors_are_refused);
    tcase_add_test(tc, a_stream_that_does_not_block_is_waited_for);
    tcase_add_test(tc, whole_files_take_their_name_at_the_end);
    tcase_add_test(tc, files_are_compared_by_identity);
    tcase_add_test(tc, standard_streams_are_compared);
    return run_suite("output files", &tc, 1);
}
