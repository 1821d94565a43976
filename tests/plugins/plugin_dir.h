/* SPDX-License-Identifier: MIT */
/** @file plugin_dir.h  Directories of the built plugins, set by `meson test`. */
#ifndef CG_TESTS_PLUGIN_DIR_H
#define CG_TESTS_PLUGIN_DIR_H

#include <check.h>
#include <stdlib.h>

/** Value of an environment variable; fails the test if it is not set. */
static inline const char *dir_of_variable(const char *variable)
{
    const char *dir = getenv(variable);

    ck_assert_msg(dir != NULL, "%s is not set: run the test by `meson test`", variable);
    return dir;
}

/** Directory of the plugins of this build. */
static inline const char *built_plugin_dir(void)
{
    return dir_of_variable("CONFGEN_TEST_PLUGIN_DIR");
}

#endif
