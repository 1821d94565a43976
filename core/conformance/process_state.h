/* SPDX-License-Identifier: MIT */
/** @file process_state.h  What a plugin has to leave in the process as it was. */
#ifndef CG_CONFORMANCE_PROCESS_STATE_H
#define CG_CONFORMANCE_PROCESS_STATE_H

#include <stddef.h>
#include <stdint.h>

#include <confgen/plugin.h>

/** Parts of the state that a comparison includes; the others always are. */
enum {
    PROCESS_FILES = 1 << 0,       /* open descriptors from 3 on */
    PROCESS_THREADS = 1 << 1,     /* number of threads */
    PROCESS_ENVIRONMENT = 1 << 2, /* environment variables */
    PROCESS_ALL = PROCESS_FILES | PROCESS_THREADS | PROCESS_ENVIRONMENT,
};

typedef struct process_state process_state;

/**
 * The state now: working directory, umask, locale, signal handlers and mask, standard descriptors,
 * and PROCESS_ALL.
 */
process_state *process_state_create(void);
void process_state_destroy(process_state *s); /* accepts NULL */
/** Adds the workers of a host that has been made since to the threads of the state. */
void process_state_add_host(process_state *s, const cg_host *host);
/**
 * Compares the state now with an earlier one. Writes the first difference and returns 1; 0: there
 * is none. Threads that are about to end get a second.
 */
int process_state_changed(const process_state *before, uint32_t parts, char *ret_text,
                          size_t capacity);

#endif
