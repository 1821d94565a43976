/* SPDX-License-Identifier: MIT */
/** @file allocating.h  Symbols of the module of test_watch.c. */
#ifndef CG_TESTS_ALLOCATING_H
#define CG_TESTS_ALLOCATING_H

#include <confgen/status.h>

struct allocating_call {
    const char *function; /* that call() calls */
    void (*call)(void);
};

CG_EXPORT extern const struct allocating_call allocating_calls[];
CG_EXPORT extern const int n_allocating_calls;

#endif
