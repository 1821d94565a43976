/* SPDX-License-Identifier: MIT */
/** @file alloc_watch.h  Finds calls of malloc() and its like by the plugin's own code. */
#ifndef CG_CONFORMANCE_ALLOC_WATCH_H
#define CG_CONFORMANCE_ALLOC_WATCH_H

/**
 * From now on, calls of the allocating functions of the C library, of operator new and mmap(), and
 * of functions that start a thread or a process, that the shared object of `address` makes are
 * noted by call_watch_note(), then done. Replaces the addresses of these functions in the object's
 * global offset table, so it sees neither calls by other libraries nor by way of dlsym(). Does
 * nothing for the calling program, or on machines other than x86-64 and AArch64.
 */
void alloc_watch_install(const void *address);

#endif
