/* SPDX-License-Identifier: MIT */
/* Calls of the functions that alloc_watch.h sees, for test_watch.c. Exports two symbols. */
#include "allocating.h"

#include <malloc.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

void *_Znwm(size_t bytes); /* operator new and delete */
void *_Znam(size_t bytes);
void _ZdlPv(void *ptr);
void _ZdaPv(void *ptr);

/* The compiler must not leave an allocation out. */
static void *volatile kept;
static void *volatile null;

static void drop(void *ptr)
{
    kept = ptr;
    free(kept);
}

static void *(*volatile by_pointer)(size_t) = malloc; /* an address in data */

static void call_malloc(void)
{
    drop(malloc(8));
}

static void call_by_pointer(void)
{
    drop(by_pointer(8));
}

static void call_calloc(void)
{
    drop(calloc(2, 8));
}

static void call_realloc(void)
{
    drop(realloc(null, 8));
}

static void call_reallocarray(void)
{
    drop(reallocarray(null, 2, 8));
}

static void call_aligned_alloc(void)
{
    drop(aligned_alloc(64, 64));
}

static void call_posix_memalign(void)
{
    void *p = NULL;

    if (!posix_memalign(&p, 64, 64))
        drop(p);
}

static void call_memalign(void)
{
    drop(memalign(64, 64));
}

static void call_strdup(void)
{
    drop(strdup(kept ? "a text" : "another"));
}

static void call_mmap(void)
{
    kept = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(kept, 4096);
}

static void call_new(void)
{
    kept = _Znwm(8);
    _ZdlPv(kept);
}

static void call_new_array(void)
{
    kept = _Znam(8);
    _ZdaPv(kept);
}

static void *return_null(void *arg)
{
    (void)arg;
    return NULL;
}

static void call_pthread_create(void)
{
    pthread_t thread;

    if (!pthread_create(&thread, NULL, return_null, NULL))
        pthread_join(thread, NULL);
}

static void call_vasprintf(const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) > 0)
        drop(text);
    va_end(ap);
}

static void call_asprintf(void)
{
    call_vasprintf("%d", 1);
}

static void call_fopen(void)
{
    FILE *f = fopen("/dev/null", "r");

    if (f)
        fclose(f);
}

static void call_fork(void)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    if (pid > 0)
        waitpid(pid, NULL, 0);
}

static void call_system(void)
{
    if (system(":"))
        abort();
}

const struct allocating_call allocating_calls[] = {
    { "malloc()", call_malloc },
    { "malloc()", call_by_pointer },
    { "calloc()", call_calloc },
    { "realloc()", call_realloc },
    { "reallocarray()", call_reallocarray },
    { "aligned_alloc()", call_aligned_alloc },
    { "posix_memalign()", call_posix_memalign },
    { "memalign()", call_memalign },
    { "strdup()", call_strdup },
    { "mmap()", call_mmap },
    { "operator new()", call_new },
    { "operator new[]()", call_new_array },
    { "vasprintf()", call_asprintf },
    { "fopen()", call_fopen },
    { "pthread_create()", call_pthread_create },
    { "fork()", call_fork },
    { "system()", call_system },
};
const int n_allocating_calls = sizeof allocating_calls / sizeof *allocating_calls;
