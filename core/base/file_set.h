/* SPDX-License-Identifier: MIT */
/**
 * @file file_set.h  The files that a command reads and writes, compared by identity.
 *
 * Two paths are the same file if they have the same device and inode, whatever links lead there; a
 * file that does not exist yet is identified by its folder and its name. The inputs are added
 * first; an output that is already in the set is refused. Terminals and devices are not compared.
 */
#ifndef CG_BASE_FILE_SET_H
#define CG_BASE_FILE_SET_H

#include <stddef.h>

#include <confgen/status.h>

/** Zero first; cg_file_set_finish() frees. */
typedef struct cg_file_set {
    struct cg_file_use *uses; /* [n] of cap */
    size_t n, cap;
} cg_file_set;

void cg_file_set_finish(cg_file_set *set);

/**
 * Adds a file that is read, "-" for standard input; nothing if it does not exist.
 *
 * @param role  for messages, e.g. "the input"; borrowed until the set is finished
 */
cg_status cg_file_set_add_input(cg_file_set *set, const char *role, const char *path,
                                cg_error *err);
/** Adds the files of a folder, without those of its subfolders. */
cg_status cg_file_set_add_folder(cg_file_set *set, const char *role, const char *dir,
                                 cg_error *err);
/**
 * Adds a file that will be written, "-" for standard output.
 *
 * @param option  what names it, for messages, e.g. "--failed"; borrowed as `role`
 * @return CG_OK; CG_ERR_USAGE if it is in the set already; CG_ERR_NOMEM
 */
cg_status cg_file_set_add_output(cg_file_set *set, const char *option, const char *role,
                                 const char *path, cg_error *err);

#endif
