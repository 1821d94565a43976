/* SPDX-License-Identifier: MIT */
#include "alloc_watch.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "call_watch.h"
#include "plugin_image.h"

/* Relocations that hold the address of a function. */
#if defined(__x86_64__)
enum { JUMP_SLOT = R_X86_64_JUMP_SLOT, GLOB_DAT = R_X86_64_GLOB_DAT, ABSOLUTE = R_X86_64_64 };
#elif defined(__aarch64__)
enum {
    JUMP_SLOT = R_AARCH64_JUMP_SLOT,
    GLOB_DAT = R_AARCH64_GLOB_DAT,
    ABSOLUTE = R_AARCH64_ABS64,
};
#endif

#if defined(__x86_64__) || defined(__aarch64__)

/*
 * The watched functions and their names in a text. All take up to six integers or pointers and
 * return one or nothing, so that one kind of wrapper passes on the argument registers of the
 * machine.
 */
#define WATCHED(X)                                                                                 \
    X(malloc, "malloc()")                                                                          \
    X(calloc, "calloc()")                                                                          \
    X(realloc, "realloc()")                                                                        \
    X(reallocarray, "reallocarray()")                                                              \
    X(aligned_alloc, "aligned_alloc()")                                                            \
    X(posix_memalign, "posix_memalign()")                                                          \
    X(memalign, "memalign()")                                                                      \
    X(valloc, "valloc()")                                                                          \
    X(pvalloc, "pvalloc()")                                                                        \
    X(strdup, "strdup()")                                                                          \
    X(strndup, "strndup()")                                                                        \
    X(vasprintf, "vasprintf()")                                                                    \
    X(__vasprintf_chk, "vasprintf()")                                                              \
    X(getline, "getline()")                                                                        \
    X(fopen, "fopen()")                                                                            \
    X(fopen64, "fopen()")                                                                          \
    X(opendir, "opendir()")                                                                        \
    X(mmap, "mmap()")                                                                              \
    X(mmap64, "mmap()")                                                                            \
    X(mremap, "mremap()")                                                                          \
    X(brk, "brk()")                                                                                \
    X(sbrk, "sbrk()")                                                                              \
    X(_Znwm, "operator new()")                                                                     \
    X(_Znam, "operator new[]()")                                                                   \
    X(_ZnwmRKSt9nothrow_t, "operator new()")                                                       \
    X(_ZnamRKSt9nothrow_t, "operator new[]()")                                                     \
    X(_ZnwmSt11align_val_t, "operator new()")                                                      \
    X(_ZnamSt11align_val_t, "operator new[]()")                                                    \
    X(_ZnwmSt11align_val_tRKSt9nothrow_t, "operator new()")                                        \
    X(_ZnamSt11align_val_tRKSt9nothrow_t, "operator new[]()")                                      \
    X(pthread_create, "pthread_create()")                                                          \
    X(thrd_create, "thrd_create()")                                                                \
    X(_ZNSt6thread15_M_start_threadESt10unique_ptrINS_6_StateESt14default_deleteIS1_EEPFvvE,       \
      "std::thread()")                                                                             \
    X(GOMP_parallel, "GOMP_parallel() (OpenMP)")                                                   \
    X(fork, "fork()")                                                                              \
    X(system, "system()")                                                                          \
    X(popen, "popen()")                                                                            \
    X(posix_spawn, "posix_spawn()")                                                                \
    X(posix_spawnp, "posix_spawnp()")

#define INDEX(name, text)  WATCHED_##name,
#define SYMBOL(name, text) { #name, "calls " text },

enum { WATCHED(INDEX) N_WATCHED };

static const struct {
    const char *name, *note;
} watched[] = { WATCHED(SYMBOL) };

typedef uintptr_t word;
typedef word (*word_fn)(word, word, word, word, word, word);

static word_fn originals[N_WATCHED]; /* as the dynamic loader found them for the plugin */

static void note(int i)
{
    /* those that start threads and processes are at the end */
    call_watch_note(i < WATCHED_pthread_create ? CALL_NO_MEMORY : CALL_NO_THREADS, watched[i].note);
}

#define WRAPPER(name, text)                                                                        \
    static word wrapped_##name(word a, word b, word c, word d, word e, word f)                     \
    {                                                                                              \
        note(WATCHED_##name);                                                                      \
        return originals[WATCHED_##name](a, b, c, d, e, f);                                        \
    }
#define WRAPPER_NAME(name, text) wrapped_##name,

WATCHED(WRAPPER)

static const word_fn wrappers[] = { WATCHED(WRAPPER_NAME) };

/* Replaces the address of a function at `slot`. Pages that the loader made read-only stay so. */
static void replace(const plugin_image *image, uintptr_t slot, int i)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *start = (void *)(slot / page * page);
    size_t bytes = slot + sizeof(word_fn) - (uintptr_t)start;
    int is_read_only = 0;
    word_fn found;

    for (int s = 0; s < image->n_segments; s++)
        is_read_only |=
            image->segments[s].p_type == PT_GNU_RELRO &&
            slot - (image->base + image->segments[s].p_vaddr) < image->segments[s].p_memsz;
    if (is_read_only && mprotect(start, bytes, PROT_READ | PROT_WRITE))
        return;
    memcpy(&found, (const void *)slot, sizeof found);
    if (found != wrappers[i]) {
        originals[i] = found;
        memcpy((void *)slot, &wrappers[i], sizeof wrappers[i]);
    }
    if (is_read_only)
        (void)mprotect(start, bytes, PROT_READ);
}

static void replace_in(const plugin_image *image, const ElfW(Rela) * relocations, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        const ElfW(Rela) *r = &relocations[k];
        const uint32_t type = ELF64_R_TYPE(r->r_info);
        uintptr_t slot = image->base + r->r_offset;
        const char *name;
        int i = 0;

        if (type != JUMP_SLOT && type != GLOB_DAT && (type != ABSOLUTE || r->r_addend))
            continue;
        name = plugin_image_symbol(image, ELF64_R_SYM(r->r_info));
        while (i < N_WATCHED && strcmp(name, watched[i].name) != 0)
            i++;
        if (i < N_WATCHED && plugin_image_holds(image, slot, sizeof(word_fn)))
            replace(image, slot, i);
    }
}

void alloc_watch_install(const void *address)
{
    plugin_image image;

    if (plugin_image_find(address, &image))
        for (int i = 0; i < 2; i++)
            replace_in(&image, image.relocations[i], image.n_relocations[i]);
}

#else

void alloc_watch_install(const void *address)
{
    (void)address;
}

#endif
