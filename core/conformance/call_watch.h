/* SPDX-License-Identifier: MIT */
/**
 * @file call_watch.h  What a function of the plugin does besides its result: forbidden calls, and
 * changes of the floating-point environment and the locale of its thread.
 */
#ifndef CG_CONFORMANCE_CALL_WATCH_H
#define CG_CONFORMANCE_CALL_WATCH_H

#include <locale.h>
#include <stdint.h>

#include <confgen/plugin.h>

/** What a function may not do. */
enum {
    CALL_NO_HOST_MEMORY = 1 << 0, /* cg_host.alloc() */
    CALL_NO_MEMORY = 1 << 1,      /* malloc() and its like, where alloc_watch.h sees them */
    CALL_NO_THREADS = 1 << 2,     /* pthread_create(), fork() and their like, likewise */
    CALL_NO_LOOPS = 1 << 3,       /* cg_host.parallel_for(): in every item of a loop */
};

/** A function of the plugin that runs on a thread. */
typedef struct call_watch {
    const char *function; /* e.g. "run()"; NULL: none */
    uint32_t forbidden;   /* CALL_NO_* */
    uint64_t fp_control;  /* before it */
    locale_t locale;
} call_watch;

/** The function that runs on this thread. */
call_watch call_watch_current(void);
/** Before and after a call of the plugin on this thread. A changed environment is restored. */
void call_watch_begin(const char *function, uint32_t forbidden);
void call_watch_end(void);
/** Runs an item of a loop of `caller`, on this thread. */
void call_watch_item(const call_watch *caller, cg_host_loop_fn fn, void *arg, int64_t i,
                     int32_t worker);
/**
 * From inside a call: it does `what`, e.g. "calls malloc()". Returns 1 and records that if `rule`
 * (CALL_NO_*) forbids it.
 */
int call_watch_note(uint32_t rule, const char *what);
/** Writes the first fault since the last call of this function and returns 1; 0: there is none. */
int call_watch_take_fault(char *ret_text, size_t capacity);

/**
 * Rounding, exception masks and treatment of subnormal numbers of this thread; 0 on machines that
 * this is not written for.
 */
uint64_t fp_control(void);
/** The value of fp_control() in a new process. */
uint64_t fp_control_default(void);

#endif
