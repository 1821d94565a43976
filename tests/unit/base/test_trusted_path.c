/* SPDX-License-Identifier: MIT */
/* Files whose code may be loaded, by owners and permissions of all that leads to them. */
#include "base/trusted_path.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "scratch.h"

enum { SOMEBODY = 54321 };

/* folder/inner/plugin.so, which only this user may write. */
static void make_files(void)
{
    scratch_make();
    unsetenv("CONFGEN_ALLOW_WRITABLE_PLUGINS");
    umask(022);
    ck_assert_int_eq(mkdir(scratch_path("folder"), 0755), 0);
    ck_assert_int_eq(mkdir(scratch_path("folder/inner"), 0755), 0);
    scratch_write_text("folder/inner/plugin.so", "code");
}

static void check_accepted(const char *path)
{
    cg_error err = CG_ERROR_INIT;

    ck_assert_msg(cg_trusted_path_check("plugin", path, &err) == CG_OK, "%s", err.msg);
}

/* `part` of the message names what others may write, and how it is. */
static void check_refused(const char *path, const char *part)
{
    cg_error err = CG_ERROR_INIT;

    ck_assert_msg(cg_trusted_path_check("plugin", path, &err) == CG_ERR_PLUGIN,
                  "%s was accepted, wanted a refusal with: %s", path, part);
    ck_assert_contains(err.msg, part);
    ck_assert_contains(err.msg, "CONFGEN_ALLOW_WRITABLE_PLUGINS=1");
    ck_assert_int_eq(setenv("CONFGEN_ALLOW_WRITABLE_PLUGINS", "1", 1), 0);
    check_accepted(path);
    ck_assert_int_eq(setenv("CONFGEN_ALLOW_WRITABLE_PLUGINS", "0", 1), 0);
    ck_assert_int_eq(cg_trusted_path_check("plugin", path, NULL), CG_ERR_PLUGIN);
    unsetenv("CONFGEN_ALLOW_WRITABLE_PLUGINS");
}

static void set_mode(const char *name, mode_t mode)
{
    ck_assert_int_eq(chmod(scratch_path(name), mode), 0);
}

START_TEST(files_and_folders_of_this_user)
{
    char folder[512];

    check_accepted(scratch_path("folder/inner/plugin.so"));
    check_accepted(scratch_path("folder/inner"));
    check_accepted(scratch_path("folder//inner/../inner/./plugin.so"));
    check_accepted("/");
    snprintf(folder, sizeof folder, "%s", scratch_path("folder"));
    ck_assert_int_eq(chdir(folder), 0);
    check_accepted("inner/plugin.so");
    check_accepted("./inner/plugin.so");
    ck_assert_int_eq(chdir("/"), 0);
}
END_TEST

START_TEST(file_that_others_may_write)
{
    char path[512];

    snprintf(path, sizeof path, "%s", scratch_path("folder/inner/plugin.so"));
    set_mode("folder/inner/plugin.so", 0646);
    check_refused(path, "folder/inner/plugin.so' may be written by everyone (mode 0646)");
    if (geteuid())
        return; /* the group may be this user's own */
    set_mode("folder/inner/plugin.so", 0664);
    check_refused(path, "folder/inner/plugin.so' may be written by its group (mode 0664)");
    set_mode("folder/inner/plugin.so", 0644);
    ck_assert_int_eq(chown(path, SOMEBODY, 0), 0);
    check_refused(path, "folder/inner/plugin.so' belongs to user 54321");
}
END_TEST

START_TEST(folder_that_others_may_write)
{
    static const char *const folders[] = { "folder", "folder/inner" };
    char path[512], part[128];

    snprintf(path, sizeof path, "%s", scratch_path("folder/inner/plugin.so"));
    for (int i = 0; i < 2; i++) {
        set_mode(folders[i], 0777);
        snprintf(part, sizeof part, "%s' may be written by everyone (mode 0777)", folders[i]);
        check_refused(path, part);
        set_mode(folders[i], 01777); /* others may add files, and not replace this one */
        check_accepted(path);
        set_mode(folders[i], 0755);
        if (geteuid())
            continue;
        set_mode(folders[i], 0775);
        snprintf(part, sizeof part, "%s' may be written by its group (mode 0775)", folders[i]);
        check_refused(path, part);
        set_mode(folders[i], 0755);
        ck_assert_int_eq(chown(scratch_path(folders[i]), SOMEBODY, 0), 0);
        snprintf(part, sizeof part, "%s' belongs to user 54321", folders[i]);
        check_refused(path, part);
        ck_assert_int_eq(chown(scratch_path(folders[i]), 0, 0), 0);
    }
    set_mode("folder", 01777); /* the folder itself: others may add plugins */
    check_refused(scratch_path("folder"), "folder' may be written by everyone (mode 1777)");
}
END_TEST

/* first -> open/second, open/second -> ../folder/inner: `open` counts, though it holds no plugin.
 */
START_TEST(symbolic_links)
{
    char through[512];

    ck_assert_int_eq(mkdir(scratch_path("open"), 0755), 0);
    ck_assert_int_eq(symlink("open/second", scratch_path("first")), 0);
    ck_assert_int_eq(symlink("../folder/inner", scratch_path("open/second")), 0);
    snprintf(through, sizeof through, "%s", scratch_path("first/plugin.so"));
    check_accepted(through);
    set_mode("open", 0777);
    check_refused(through, "open' may be written by everyone");
    check_accepted(scratch_path("folder/inner/plugin.so"));
    set_mode("open", 0755);

    ck_assert_int_eq(symlink(scratch_path("folder/inner/plugin.so"), scratch_path("link.so")), 0);
    check_accepted(scratch_path("link.so"));
    set_mode("folder/inner/plugin.so", 0666);
    check_refused(scratch_path("link.so"), "inner/plugin.so' may be written by everyone");
    set_mode("folder/inner/plugin.so", 0644);
    if (!geteuid()) {
        ck_assert_int_eq(lchown(scratch_path("link.so"), SOMEBODY, 0), 0);
        check_refused(scratch_path("link.so"), "link.so' belongs to user 54321");
    }
}
END_TEST

START_TEST(paths_that_cannot_be_followed)
{
    cg_error err = CG_ERROR_INIT;
    char longer[6000];

    ck_assert_int_eq(cg_trusted_path_check("plugin", scratch_path("none/x.so"), &err), CG_ERR_IO);
    ck_assert_contains(err.msg, strerror(ENOENT));
    ck_assert_int_eq(symlink("loop", scratch_path("loop")), 0);
    ck_assert_int_eq(cg_trusted_path_check("plugin", scratch_path("loop"), &err), CG_ERR_IO);
    ck_assert_contains(err.msg, strerror(ELOOP));
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    ck_assert_int_eq(cg_trusted_path_check("plugin", longer, &err), CG_ERR_IO);
    ck_assert_contains(err.msg, strerror(ENAMETOOLONG));
}
END_TEST

/* No descriptor stays open, whatever the outcome. */
START_TEST(descriptors)
{
    int before = open("/dev/null", O_RDONLY), after;

    ck_assert_int_eq(symlink("folder/inner/plugin.so", scratch_path("link.so")), 0);
    check_accepted(scratch_path("link.so"));
    set_mode("folder/inner/plugin.so", 0666);
    check_refused(scratch_path("link.so"), "everyone");
    (void)cg_trusted_path_check("plugin", scratch_path("none"), NULL);
    after = open("/dev/null", O_RDONLY);
    ck_assert_int_eq(after, before + 1);
    close(before);
    close(after);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("trusted_path");

    tcase_add_checked_fixture(tc, make_files, scratch_remove);
    tcase_add_test(tc, files_and_folders_of_this_user);
    tcase_add_test(tc, file_that_others_may_write);
    tcase_add_test(tc, folder_that_others_may_write);
    tcase_add_test(tc, symbolic_links);
    tcase_add_test(tc, paths_that_cannot_be_followed);
    tcase_add_test(tc, descriptors);
    return run_suite("trusted_path", &tc, 1);
}
