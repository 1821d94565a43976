/* SPDX-License-Identifier: MIT */
/**
 * @file coroutine.h  Coroutines, by which one thread of the host runs the threads of a kernel.
 *
 * A kernel switches at every shuffle. On x86-64 a switch costs some nanoseconds; elsewhere it is
 * swapcontext(), which makes a system call.
 */
#ifndef CG_TESTS_COROUTINE_H
#define CG_TESTS_COROUTINE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __x86_64__

typedef struct coroutine {
    void *stack_pointer;
} coroutine;

/** Leaves the running coroutine as *ret_from, and continues `to`. Keeps what a call preserves. */
__attribute__((naked, noinline)) static void coroutine_switch(coroutine *ret_from
                                                              __attribute__((unused)),
                                                              const coroutine *to
                                                              __attribute__((unused)))
{
    __asm__("pushq %rbp\n"
            "pushq %rbx\n"
            "pushq %r12\n"
            "pushq %r13\n"
            "pushq %r14\n"
            "pushq %r15\n"
            "movq %rsp, (%rdi)\n"
            "movq (%rsi), %rsp\n"
            "popq %r15\n"
            "popq %r14\n"
            "popq %r13\n"
            "popq %r12\n"
            "popq %rbx\n"
            "popq %rbp\n"
            "ret\n");
}

/** Makes a coroutine on a stack aligned to 16 bytes. It begins in run(), which must not return. */
static inline void coroutine_create(coroutine *ret, void *stack, size_t bytes, void (*run)(void))
{
    void **top = (void **)((char *)stack + bytes);

    *--top = NULL; /* a function starts with its return address on a stack aligned to 16 */
    *--top = (void *)(uintptr_t)run;
    for (int i = 0; i < 6; i++)
        *--top = NULL; /* registers */
    ret->stack_pointer = top;
}

#else

#include <ucontext.h>

typedef ucontext_t coroutine;

static inline void coroutine_switch(coroutine *ret_from, const coroutine *to)
{
    swapcontext(ret_from, to);
}

static inline void coroutine_create(coroutine *ret, void *stack, size_t bytes, void (*run)(void))
{
    getcontext(ret);
    ret->uc_stack.ss_sp = stack;
    ret->uc_stack.ss_size = bytes;
    makecontext(ret, run, 0);
}

#endif

#endif
