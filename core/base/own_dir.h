/* SPDX-License-Identifier: MIT */
/** @file own_dir.h  Finds the folders of the running program and of confgen's own code. */
#ifndef CG_BASE_OWN_DIR_H
#define CG_BASE_OWN_DIR_H

#include <stddef.h>

/*
 * Code and data are loaded from below these folders, so both come from the kernel: neither the name
 * that a program was started with nor the one that a library was loaded by takes part, for these
 * may be relative to a current folder that others fill. Results are absolute, without symbolic
 * links and without a slash at the end, except "/".
 *
 * Thread: any.
 */

/**
 * Finds the folder of the running program's file.
 *
 * @param ret_dir  [cap] the folder; unchanged if it is not found
 * @return 1; 0 if the kernel does not name the file (no /proc, a file outside of the root folder),
 *         or the path does not fit
 */
int cg_own_dir_of_program(char *ret_dir, size_t cap);

/**
 * Finds the folder of the file that holds this function: the library, or a program that contains
 * the library's code. Parameters and result are those of cg_own_dir_of_program().
 */
int cg_own_dir_of_code(char *ret_dir, size_t cap);

#endif
