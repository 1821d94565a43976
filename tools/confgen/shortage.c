/* SPDX-License-Identifier: MIT */
/*
 * Ends the program with a sentence and EXIT_ENVIRONMENT where a library runs out of memory and does
 * not report it: it aborts (std::bad_alloc out of a function that may not throw, a failed
 * assertion), uses the NULL of malloc(), or calls exit(1) (libgomp). The output can be resumed, as
 * after SIGKILL. Only the program does this: a library must not change the signals of its host.
 */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "commands.h"

/* Addresses below are those of members of an object at NULL; nothing is ever mapped there. */
enum { NULL_OBJECT_BYTES = 1 << 16 };

static struct sigaction previous_abort, previous_segv;
static int is_exit_expected;

void expect_exit(void)
{
    is_exit_expected = 1;
}

static _Noreturn void end(void)
{
    static const char text[] =
        "confgen: out of memory in a library that does not report it: give confgen more, or lower "
        "--batch-size, --threads and --template-workers; --resume continues the output\n";

    if (write(STDERR_FILENO, text, sizeof text - 1) < 0)
        _exit(EXIT_ENVIRONMENT);
    _exit(EXIT_ENVIRONMENT);
}

/* errno is the thread's own and the handler runs on the thread that failed; a failed malloc() sets
 * it, and neither throwing an exception nor abort() changes it. */
static void on_crash(int number, siginfo_t *info, void *context)
{
    (void)context;
    if (errno == ENOMEM && (number == SIGABRT || (uintptr_t)info->si_addr < NULL_OBJECT_BYTES))
        end();
    sigaction(number, number == SIGABRT ? &previous_abort : &previous_segv, NULL);
    if (info->si_code <= 0) /* sent by kill() or abort(); a fault occurs again by itself */
        raise(number);
}

/* The program itself exits with 1 by end_program() only. */
static void on_program_exit(int status, void *context)
{
    (void)context;
    if (status == 1 && !is_exit_expected)
        end();
}

static void start(int argc, char **argv, char **environment)
{
    struct sigaction action = { .sa_sigaction = on_crash, .sa_flags = SA_SIGINFO };

    (void)argc;
    (void)argv;
    (void)environment;
    sigaction(SIGABRT, &action, &previous_abort);
    sigaction(SIGSEGV, &action, &previous_segv);
    on_exit(on_program_exit, NULL);
}

/* Before the constructors of all libraries, which allocate, too. */
typedef void start_function(int, char **, char **);
__attribute__((section(".preinit_array"), used)) static start_function *const before_libraries =
    start;
