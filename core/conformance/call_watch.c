/* SPDX-License-Identifier: MIT */
#include "call_watch.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

/* ---- floating-point environment ------------------------------------------------------------- */

#if defined(__x86_64__)
#define FP_CONTROL "x87 control word << 32 | MXCSR"
enum { MXCSR_FLAGS = 0x3f }; /* exceptions that have occurred */

uint64_t fp_control(void)
{
    uint32_t mxcsr;
    uint16_t x87;

    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
    __asm__ volatile("fnstcw %0" : "=m"(x87));
    return (uint64_t)x87 << 32 | (mxcsr & ~(uint32_t)MXCSR_FLAGS);
}

static void set_fp_control(uint64_t control)
{
    uint32_t mxcsr = (uint32_t)control;
    uint16_t x87 = (uint16_t)(control >> 32);

    __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
    __asm__ volatile("fldcw %0" : : "m"(x87));
}

uint64_t fp_control_default(void)
{
    return (uint64_t)0x37f << 32 | 0x1f80;
}

#elif defined(__aarch64__)
#define FP_CONTROL "FPCR"

uint64_t fp_control(void)
{
    uint64_t fpcr;

    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    return fpcr;
}

static void set_fp_control(uint64_t control)
{
    __asm__ volatile("msr fpcr, %0" : : "r"(control));
}

uint64_t fp_control_default(void)
{
    return 0;
}

#else
#define FP_CONTROL "unknown"

uint64_t fp_control(void)
{
    return 0;
}

static void set_fp_control(uint64_t control)
{
    (void)control;
}

uint64_t fp_control_default(void)
{
    return 0;
}
#endif

/* ---- faults --------------------------------------------------------------------------------- */

static pthread_mutex_t fault_lock = PTHREAD_MUTEX_INITIALIZER;
static char first_fault[256]; /* "": none */

static void add_fault(const char *fmt, ...) CG_PRINTF(1, 2);

static void add_fault(const char *fmt, ...)
{
    va_list ap;

    pthread_mutex_lock(&fault_lock);
    if (!first_fault[0]) {
        va_start(ap, fmt);
        vsnprintf(first_fault, sizeof first_fault, fmt, ap);
        va_end(ap);
    }
    pthread_mutex_unlock(&fault_lock);
}

int call_watch_take_fault(char *ret_text, size_t capacity)
{
    int is_fault;

    pthread_mutex_lock(&fault_lock);
    is_fault = first_fault[0] != '\0';
    if (is_fault)
        snprintf(ret_text, capacity, "%s", first_fault);
    first_fault[0] = '\0';
    pthread_mutex_unlock(&fault_lock);
    return is_fault;
}

/* ---- calls ---------------------------------------------------------------------------------- */

static _Thread_local call_watch current;

call_watch call_watch_current(void)
{
    return current;
}

void call_watch_begin(const char *function, uint32_t forbidden)
{
    current = (call_watch) { function, forbidden, fp_control(), uselocale((locale_t)0) };
}

void call_watch_end(void)
{
    uint64_t control = fp_control();

    if (control != current.fp_control) {
        set_fp_control(current.fp_control);
        add_fault("%s changes the floating-point environment of its thread: " FP_CONTROL
                  " is 0x%llx after it, 0x%llx before",
                  current.function, (unsigned long long)control,
                  (unsigned long long)current.fp_control);
    }
    if (uselocale((locale_t)0) != current.locale) {
        uselocale(current.locale);
        add_fault("%s changes the locale of its thread", current.function);
    }
    current.function = NULL;
    current.forbidden = 0;
}

void call_watch_item(const call_watch *caller, cg_host_loop_fn fn, void *arg, int64_t i,
                     int32_t worker)
{
    call_watch outer = current;

    call_watch_begin(caller->function ? caller->function : "a loop",
                     caller->forbidden | CALL_NO_LOOPS);
    fn(arg, i, worker);
    call_watch_end();
    current = outer;
}

int call_watch_note(uint32_t rule, const char *what)
{
    if (!(current.forbidden & rule))
        return 0;
    add_fault("%s %s: it must not %s", current.function, what,
              rule == CALL_NO_THREADS
                  ? "start threads or processes; cg_host.parallel_for() runs loops"
              : rule == CALL_NO_LOOPS ? "run a loop in an item of another"
                                      : "allocate");
    return 1;
}
