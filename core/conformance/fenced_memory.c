/* SPDX-License-Identifier: MIT */
#include "fenced_memory.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MAX_REGIONS = 128, PADDING_BYTE = 0xff };

/* Inaccessible bytes on either side: they take address space, not memory. */
#define FENCE ((size_t)256 << 20)

/* A fence, whole pages with the memory, and a fence. */
struct region {
    const char *name; /* NULL: unused */
    char *start;      /* of the pages */
    size_t n_bytes;   /* of the pages */
    char *data;
    size_t size;
    int is_read_only;
    atomic_int is_open; /* an access has made a page accessible */
};

static struct region regions[MAX_REGIONS];
static struct sigaction next_action; /* for faults elsewhere */
static atomic_int has_violation;     /* 0: no, 1: being written, 2: yes */
static struct {
    const struct region *region;
    intptr_t offset; /* of the address from the data */
} violation;

static size_t page_size(void)
{
    static size_t size; /* set before the first fault */

    if (!size)
        size = (size_t)sysconf(_SC_PAGESIZE);
    return size;
}

/* Opens the page of a recorded access, so that it can go on. Async-signal-safe. */
static void handle_fault(int number, siginfo_t *info, void *context)
{
    char *at = info->si_addr;
    uintptr_t page = (uintptr_t)at / page_size() * page_size();
    int none = 0;

    (void)context;
    for (struct region *r = regions; r < regions + MAX_REGIONS; r++) {
        if (!r->name || at < r->start - FENCE || at >= r->start + r->n_bytes + FENCE)
            continue;
        if (atomic_compare_exchange_strong(&has_violation, &none, 1)) {
            violation.region = r;
            violation.offset = at - r->data;
            atomic_store(&has_violation, 2);
        }
        atomic_store(&r->is_open, 1);
        if (!mprotect((void *)page, page_size(), PROT_READ | PROT_WRITE))
            return;
    }
    sigaction(number, &next_action, NULL); /* the access is repeated and has its usual effect */
    if (info->si_code <= 0)                /* sent by a process: it would not come again */
        raise(number);
}

void fenced_memory_start(void)
{
    struct sigaction action = { .sa_sigaction = handle_fault,
                                .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
    struct sigaction now;

    if (!sigaction(SIGSEGV, NULL, &now) && now.sa_sigaction == handle_fault)
        return;
    sigemptyset(&action.sa_mask);
    sigaction(SIGSEGV, &action, &next_action);
}

static void out_of_memory(void)
{
    fprintf(stderr, "out of memory for a check\n");
    abort();
}

void *fenced_alloc(const char *name, size_t bytes, size_t align, int at_end)
{
    size_t page = page_size(), n_bytes = (bytes + align + page - 1) / page * page;
    struct region *r = regions;
    char *all;

    while (r < regions + MAX_REGIONS && r->name)
        r++;
    if (r == regions + MAX_REGIONS)
        out_of_memory();
    all = mmap(NULL, n_bytes + 2 * FENCE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
               -1, 0);
    if (all == MAP_FAILED || mprotect(all + FENCE, n_bytes, PROT_READ | PROT_WRITE))
        out_of_memory();
    r->start = all + FENCE;
    r->n_bytes = n_bytes;
    r->data = at_end ? r->start + (n_bytes - bytes) / align * align : r->start;
    r->size = bytes;
    r->is_read_only = 0;
    atomic_store(&r->is_open, 0);
    if (bytes < FENCED_SPARSE)
        memset(r->start, PADDING_BYTE, n_bytes);
    r->name = name;
    return r->data;
}

int fenced_has_room(size_t bytes)
{
    void *all = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (all == MAP_FAILED)
        return 0;
    munmap(all, bytes);
    return 1;
}

static struct region *region_of(void *ptr)
{
    for (struct region *r = regions; r < regions + MAX_REGIONS; r++)
        if (r->name && r->data == (char *)ptr)
            return r;
    abort();
}

void fenced_free(void *ptr)
{
    struct region *r;

    if (!ptr)
        return;
    r = region_of(ptr);
    r->name = NULL;
    munmap(r->start - FENCE, r->n_bytes + 2 * FENCE);
}

static void protect(struct region *r)
{
    if (mprotect(r->start, r->n_bytes, r->is_read_only ? PROT_READ : PROT_READ | PROT_WRITE))
        out_of_memory();
}

void fenced_set_read_only(void *ptr, int read_only)
{
    struct region *r;

    if (!ptr)
        return;
    r = region_of(ptr);
    r->is_read_only = read_only;
    protect(r);
}

/* True if the bytes of the pages around the data are as allocated. Restores them. */
static int has_intact_padding(struct region *r)
{
    size_t before = (size_t)(r->data - r->start), after = r->n_bytes - before - r->size;
    const unsigned char byte = r->size < FENCED_SPARSE ? PADDING_BYTE : 0;
    const char *ends[] = { r->start, r->data + r->size };
    const size_t sizes[] = { before, after };
    int is_intact = 1;

    for (int i = 0; i < 2; i++)
        for (size_t j = 0; j < sizes[i]; j++)
            is_intact &= (unsigned char)ends[i][j] == byte;
    if (!is_intact && !r->is_read_only) {
        memset(r->start, byte, before);
        memset(r->data + r->size, byte, after);
    }
    return is_intact;
}

static void describe(const struct region *r, intptr_t offset, char *ret_text, size_t capacity)
{
    const char *at = r->data + offset;

    if (offset >= 0 && offset < (intptr_t)r->size)
        snprintf(ret_text, capacity, "wrote to %s", r->name);
    else if (at >= r->start && at < r->start + r->n_bytes)
        snprintf(ret_text, capacity, "wrote before or after %s", r->name);
    else if (offset < 0)
        snprintf(ret_text, capacity, "accessed memory %zd bytes before %s", -offset, r->name);
    else
        snprintf(ret_text, capacity, "accessed memory %zd bytes after the end of %s",
                 offset - (intptr_t)r->size, r->name);
}

int fenced_violation(char *ret_text, size_t capacity)
{
    int found = atomic_load(&has_violation) == 2;

    if (found)
        describe(violation.region, violation.offset, ret_text, capacity);
    for (struct region *r = regions; r < regions + MAX_REGIONS; r++) {
        if (!r->name)
            continue;
        if (atomic_exchange(&r->is_open, 0)) {
            (void)mprotect(r->start - FENCE, FENCE, PROT_NONE);
            (void)mprotect(r->start + r->n_bytes, FENCE, PROT_NONE);
            protect(r);
        }
        if (!r->is_read_only && !has_intact_padding(r) && !found) {
            snprintf(ret_text, capacity, "wrote before or after %s", r->name);
            found = 1;
        }
    }
    atomic_store(&has_violation, 0);
    return found;
}
