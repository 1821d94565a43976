/* SPDX-License-Identifier: MIT */
/**
 * @file fenced_memory.h  Host memory between inaccessible regions.
 *
 * An access outside of such memory, or a write to it while it is read-only, is recorded; the access
 * then takes place and the process goes on. It is a SIGSEGV, at which a debugger stops. A fault
 * elsewhere keeps its usual effect. Thread: allocation and records from one thread; accesses from
 * any.
 */
#ifndef CG_CONFORMANCE_FENCED_MEMORY_H
#define CG_CONFORMANCE_FENCED_MEMORY_H

#include <stddef.h>

/** Installs the handler of accesses, for the rest of the process. Before fenced_alloc(). */
void fenced_memory_start(void);
/** Bytes from which on memory is not filled. */
#define FENCED_SPARSE ((size_t)1 << 30)

/**
 * Returns memory filled with 0xff (NaN as floats), or from FENCED_SPARSE bytes on with 0, which
 * takes memory only where it is written. Ends the process when out of memory.
 *
 * @param name    for records; borrowed while the memory lives
 * @param align   power of two, at most 4096
 * @param at_end  nonzero: at most align - 1 bytes before the region behind; else right after the
 *                region before
 */
void *fenced_alloc(const char *name, size_t bytes, size_t align, int at_end);
void fenced_free(void *ptr); /* accepts NULL */
/** True if this process may have so much address space at once. */
int fenced_has_room(size_t bytes);
/** Makes the memory read-only, or writable. Accepts NULL. */
void fenced_set_read_only(void *ptr, int read_only);
/**
 * Describes the first access that was not allowed since the last call, and forgets it: "wrote to
 * NAME", "accessed memory 4 bytes after NAME" ... Returns 0 if there was none.
 */
int fenced_violation(char *ret_text, size_t capacity);

#endif
