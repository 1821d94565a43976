/* SPDX-License-Identifier: MIT */
/** @file sized_struct.h  Structs of a caller with other headers, by the rules of confgen/sized.h.
 */
#ifndef CG_BASE_SIZED_STRUCT_H
#define CG_BASE_SIZED_STRUCT_H

#include <stddef.h>

#include <confgen/sized.h>
#include <confgen/status.h>

/**
 * Checks struct_size of a caller's struct.
 *
 * @param type  its name, for the text
 * @return CG_OK; CG_ERR_USAGE if it cannot be the size of one
 */
cg_status cg_sized_struct_check(const void *caller, const char *type, cg_error *err);

/**
 * Copies what a caller's struct holds into the library's struct `own` of own_size bytes: members
 * that the caller's struct lacks keep their values. Sets struct_size of `own`.
 *
 * @return CG_OK; as cg_sized_struct_check(); CG_ERR_UNSUPPORTED if the caller sets what the library
 *         does not know
 */
cg_status cg_sized_struct_read(void *own, size_t own_size, const void *caller, const char *type,
                               cg_error *err);

/** cg_sized_struct_read() of a typed struct. */
#define CG_SIZED_READ(type, own, caller, err)                                                      \
    cg_sized_struct_read(1 ? (own) : (type *)NULL, sizeof(type),                                   \
                         1 ? (caller) : (const type *)NULL, #type, (err))

#endif
