/* SPDX-License-Identifier: MIT */
/*
 * Replaces malloc() and related functions: a chosen allocation fails, and live blocks are counted.
 * Included by one source file of a program; not usable under sanitizers.
 */
#ifndef CG_TESTS_ALLOC_FAIL_H
#define CG_TESTS_ALLOC_FAIL_H

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t align, size_t n);
void __libc_free(void *p);

static atomic_long countdown = -1; /* allocations until one fails; negative: never */
static atomic_long live;           /* blocks not yet freed */
static atomic_int alloc_failed;
static atomic_int fails_from_then_on; /* the allocations after the chosen one fail, too */

static int fails(void)
{
    if (!(atomic_load(&alloc_failed) && atomic_load(&fails_from_then_on)) &&
        (atomic_load(&countdown) < 0 || atomic_fetch_sub(&countdown, 1) != 0))
        return 0;
    atomic_store(&alloc_failed, 1);
    errno = ENOMEM; /* as a real malloc() */
    return 1;
}

static void *count(void *p)
{
    if (p)
        atomic_fetch_add(&live, 1);
    return p;
}

void *malloc(size_t n)
{
    return fails() ? NULL : count(__libc_malloc(n));
}

void *calloc(size_t n, size_t size)
{
    return fails() ? NULL : count(__libc_calloc(n, size));
}

void *realloc(void *p, size_t n)
{
    if (fails())
        return NULL;
    return p ? __libc_realloc(p, n) : count(__libc_realloc(p, n));
}

void *aligned_alloc(size_t align, size_t n)
{
    return fails() ? NULL : count(__libc_memalign(align, n));
}

void free(void *p)
{
    if (p)
        atomic_fetch_sub(&live, 1);
    __libc_free(p);
}

#endif
