/* SPDX-License-Identifier: MIT */
/*
 * For LD_PRELOAD: lets one allocation of a program fail, whoever calls it (operator new and the
 * functions of libc that allocate call malloc()).
 *
 *   FAIL_ALLOC=N         the N-th allocation fails, counted from 1
 *   FAIL_ALLOC_FROM=N    it and all after it fail
 *   FAIL_ALLOC_COUNT=F   at exit, the number of allocations is written to file F
 */
#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t align, size_t n);

static atomic_long n_allocations;
static long fail_one, fail_from; /* 0: none */

/* The value of NAME= in the environment, 0 without it. */
static long number_in(char **environment, const char *name)
{
    size_t n = strlen(name);

    for (; *environment; environment++)
        if (!strncmp(*environment, name, n))
            return atol(*environment + n);
    return 0;
}

/* Linked with -z initfirst: runs before the constructors of all libraries, libc's too, so getenv()
 * does not work yet. */
__attribute__((constructor)) static void read_settings(int argc, char **argv, char **environment)
{
    (void)argc;
    (void)argv;
    fail_one = number_in(environment, "FAIL_ALLOC=");
    fail_from = number_in(environment, "FAIL_ALLOC_FROM=");
}

__attribute__((destructor)) static void write_count(void)
{
    const char *path = getenv("FAIL_ALLOC_COUNT");
    long n = atomic_load(&n_allocations);
    FILE *f = path ? fopen(path, "w") : NULL;

    if (!f)
        return;
    fprintf(f, "%ld\n", n);
    fclose(f);
}

static int fails(void)
{
    long n = atomic_fetch_add(&n_allocations, 1) + 1;

    if (n != fail_one && (!fail_from || n < fail_from))
        return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t n)
{
    return fails() ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    return fails() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    return fails() ? NULL : __libc_realloc(p, n);
}

void *memalign(size_t align, size_t n)
{
    return fails() ? NULL : __libc_memalign(align, n);
}

void *aligned_alloc(size_t align, size_t n)
{
    return fails() ? NULL : __libc_memalign(align, n);
}

int posix_memalign(void **ret, size_t align, size_t n)
{
    void *p = fails() ? NULL : __libc_memalign(align, n);

    if (!p)
        return ENOMEM;
    *ret = p;
    return 0;
}
