/* SPDX-License-Identifier: MIT */
/**
 * @file sized.h  Structs that grow with members at their end: their first member is struct_size.
 *
 * Whoever makes such a struct sets struct_size to the size that it has in his headers, so that the
 * other side, built against older or newer headers, knows which members are there. This file has
 * the rules of the application API; plugin.h has those between a host and a plugin.
 *
 *  1. A struct that a function reads (options, requests) may be shorter than the library's: members
 *     that it lacks are zero. It may be longer if what the library does not know is zero, else the
 *     function fails with CG_ERR_UNSUPPORTED, because a setting would be ignored. A struct_size
 *     that cannot be one, such as 0, is CG_ERR_USAGE. No padding is among what is added.
 *  2. A struct that a function fills (ret_*) has the caller's struct_size when the function is
 *     called. The function writes what fits and no byte behind it: cg_fill_struct().
 *  3. A struct that the library hands out by its address (cg_engine_get_info(), callbacks) has the
 *     library's struct_size. A program that may run with an older library tests newer members with
 *     CG_HAS() or CG_HAS_SIZE().
 *  4. There are no arrays of such structs except in cg_engine_generate(), and none of them holds
 *     another by value. Arrays inside of them never change their size.
 */
#ifndef CONFGEN_SIZED_H
#define CONFGEN_SIZED_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * True if the struct at `ptr` is long enough to hold `field` and the field is not NULL. Test every
 * member that may be newer than the other side with this macro before using it.
 */
#define CG_HAS(ptr, field)                                                                         \
    ((ptr)->struct_size >= offsetof(__typeof__(*(ptr)), field) + sizeof((ptr)->field) &&           \
     (ptr)->field != NULL)

/** CG_HAS() for a member that is not a pointer: true if the struct is long enough to hold it. */
#define CG_HAS_SIZE(ptr, field)                                                                    \
    ((ptr)->struct_size >= offsetof(__typeof__(*(ptr)), field) + sizeof((ptr)->field))

/** First member of every sized struct: `{ CG_SIZED(struct cg_foo), .x = ... }`. */
#define CG_SIZED(type) .struct_size = sizeof(type)

/**
 * Fills a sized struct of the caller from one of the callee's, `from`: copies the members that fit
 * in the struct_size that the caller has set in `ret`, and clears what a longer struct of the
 * caller has behind them. struct_size of `ret` is kept.
 */
static inline void cg_fill_struct(void *ret, const void *from)
{
    const char *source = (const char *)from;
    char *target = (char *)ret;
    uint32_t room, size;

    memcpy(&room, ret, sizeof room);
    memcpy(&size, from, sizeof size);
    for (uint32_t i = sizeof room; i < room; i++)
        target[i] = i < size ? source[i] : 0;
}

#ifdef __cplusplus
}
#endif

#endif
