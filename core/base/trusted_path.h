/* SPDX-License-Identifier: MIT */
/** @file trusted_path.h  Decides by owners and permissions whether a file's code may be loaded. */
#ifndef CG_BASE_TRUSTED_PATH_H
#define CG_BASE_TRUSTED_PATH_H

#include <confgen/status.h>

/**
 * Checks that nobody but root, this user and the owner of the running program can change the file
 * or folder `path`, or put another in its place. Loading a file runs its code, so this comes before
 * dlopen(). Checked are `path`, every folder above it up to the root, and the same for each
 * symbolic link on the way:
 *
 * - the owner is root, the effective user or the owner of the program;
 * - neither the group nor others may write. Two cases are not writable by others: a folder above
 *   the file with the sticky bit (/tmp), whose entries only their owners may replace; and a group
 *   that is the owner's own, with the owner's name and no other member, where no access control
 *   list is set.
 *
 * A folder that also contains the program, at any depth, is not checked: who may write there may
 * replace the program itself.
 *
 * After success only the users named can change what `path` leads to, so a later dlopen() of the
 * same path loads the checked file.
 *
 * CONFGEN_ALLOW_WRITABLE_PLUGINS=1 in the environment turns the check off; it is ignored in a
 * program that runs with another user's rights (secure_getenv()).
 *
 * @param what  begins the message, e.g. "plugin"
 * @return CG_OK; CG_ERR_PLUGIN with the folder or file that others may write, and what to do;
 *         CG_ERR_IO if a part of the path cannot be read
 * Thread: any.
 */
cg_status cg_trusted_path_check(const char *what, const char *path, cg_error *err);

#endif
