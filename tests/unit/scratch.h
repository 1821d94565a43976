/* SPDX-License-Identifier: MIT */
/** @file scratch.h  A temporary directory per test, and a suite runner. Test code only. */
#ifndef CG_TEST_SCRATCH_H
#define CG_TEST_SCRATCH_H

#include <check.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char scratch_dir[256];

/* Check fixtures: tcase_add_checked_fixture(tc, scratch_make, scratch_remove). */
static inline void scratch_make(void)
{
    const char *tmp = getenv("TMPDIR");

    snprintf(scratch_dir, sizeof scratch_dir, "%s/confgen-test-XXXXXX", tmp ? tmp : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(scratch_dir));
}

static inline int scratch_unlink(const char *path, const struct stat *sb, int type, struct FTW *ftw)
{
    (void)sb;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline void scratch_remove(void)
{
    ck_assert_int_eq(nftw(scratch_dir, scratch_unlink, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* Returns the path of a file in the directory, valid for the next three calls. */
static inline const char *scratch_path(const char *name)
{
    static char paths[4][512];
    static int turn;
    char *p = paths[turn++ & 3];

    snprintf(p, sizeof paths[0], "%s/%s", scratch_dir, name);
    return p;
}

static inline const char *scratch_write(const char *name, const void *bytes, size_t len)
{
    const char *path = scratch_path(name);
    FILE *f = fopen(path, "wb");

    ck_assert_msg(f != NULL, "cannot write %s", path);
    ck_assert_uint_eq(fwrite(bytes, 1, len, f), len);
    ck_assert_int_eq(fclose(f), 0);
    return path;
}

static inline const char *scratch_write_text(const char *name, const char *text)
{
    return scratch_write(name, text, strlen(text));
}

#define ck_assert_contains(text, part)                                                             \
    ck_assert_msg(strstr((text), (part)) != NULL, "\"%s\" lacks \"%s\"", (text), (part))

static inline int run_suite(const char *name, TCase *const *cases, int n)
{
    Suite *s = suite_create(name);
    SRunner *sr;
    int failed;

    for (int i = 0; i < n; i++)
        suite_add_tcase(s, cases[i]);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}

#endif
