/* SPDX-License-Identifier: MIT */
/*
 * Ends the program with a sentence and EXIT_ENVIRONMENT where a library runs out of memory and does
 * not report it: it aborts (std::bad_alloc out of a function that may not throw, a failed
 * assertion) or uses the NULL of malloc(). The output can be resumed, as after SIGKILL. Only the
 * program does this: a library must not change the signals of its host.
 */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <unistd.h>

#include "commands.h"

/* Addresses below are those of members of an object at NULL; nothing is ever mapped there. */
enum { NULL_OBJECT_BYTES = 1 << 16 };

static struct sigaction previous_abort, previous_segv;

/* errno is the thread's own and the handler runs on the thread that failed; a failed malloc() sets
 * it, and neither throwing an exception nor abort() changes it. */
static void on_crash(int number, siginfo_t *info, void *context)
{
    static const char text[] =
        "confgen: out of memory in a library that does not report it: give confgen more, or lower "
        "--batch-size, --threads and --template-workers; --resume continues the output\n";
    int is_shortage =
        errno == ENOMEM && (number == SIGABRT || (uintptr_t)info->si_addr < NULL_OBJECT_BYTES);

    (void)context;
    if (is_shortage) {
        if (write(STDERR_FILENO, text, sizeof text - 1) < 0)
            _exit(EXIT_ENVIRONMENT);
        _exit(EXIT_ENVIRONMENT);
    }
    sigaction(number, number == SIGABRT ? &previous_abort : &previous_segv, NULL);
    if (info->si_code <= 0) /* sent by kill() or abort(); a fault occurs again by itself */
        raise(number);
}

static void catch_crashes(int argc, char **argv, char **environment)
{
    struct sigaction action = { .sa_sigaction = on_crash, .sa_flags = SA_SIGINFO };

    (void)argc;
    (void)argv;
    (void)environment;
    sigaction(SIGABRT, &action, &previous_abort);
    sigaction(SIGSEGV, &action, &previous_segv);
}

/* Before the constructors of all libraries, which allocate, too. */
__attribute__((section(".preinit_array"),
               used)) static void (*const before_libraries)(int, char **, char **) = catch_crashes;
