/* SPDX-License-Identifier: MIT */
/* The folders of the running program and of the code in it. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/own_dir.h"
#include "scratch.h"

START_TEST(folders)
{
    char exe[PATH_MAX], dir[PATH_MAX] = "";

    ck_assert_ptr_nonnull(realpath("/proc/self/exe", exe));
    *strrchr(exe, '/') = '\0';
    ck_assert_int_eq(chdir("/"), 0);
    ck_assert_int_eq(cg_own_dir_of_program(dir, sizeof dir), 1);
    ck_assert_str_eq(dir, exe);
    *dir = '\0';
    ck_assert_int_eq(cg_own_dir_of_code(dir, sizeof dir), 1);
    ck_assert_str_eq(dir, exe);
}
END_TEST

START_TEST(too_long)
{
    char dir[PATH_MAX] = "", small[PATH_MAX] = "unchanged";
    size_t n;

    ck_assert_int_eq(cg_own_dir_of_program(dir, sizeof dir), 1);
    n = strlen(dir);
    ck_assert_int_eq(cg_own_dir_of_program(small, n), 0);
    ck_assert_int_eq(cg_own_dir_of_code(small, n), 0);
    ck_assert_str_eq(small, "unchanged");
    ck_assert_int_eq(cg_own_dir_of_code(small, n + 1), 1);
    ck_assert_str_eq(small, dir);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("own_dir");

    tcase_add_test(tc, folders);
    tcase_add_test(tc, too_long);
    return run_suite("own_dir", &tc, 1);
}
