/* SPDX-License-Identifier: MIT */
/** @file test_case.h  What the conformance checks share: verdicts, random numbers, a hostile host.
 */
#ifndef CG_CONFORMANCE_TEST_CASE_H
#define CG_CONFORMANCE_TEST_CASE_H

#include <pthread.h>
#include <stdatomic.h>

#include "conformance.h"

/* ---- verdicts ------------------------------------------------------------------------------ */

typedef struct checker {
    const cg_conformance_options *options;
    uint64_t random;   /* state of the generator */
    const char *check; /* the open check */
    int32_t cases;
    int32_t bad;       /* cases of it that failed */
    int32_t failures;  /* checks that failed */
    int32_t lost;      /* the GPU does not answer any more: no further case can be tried */
    char detail[1400]; /* of the first failed case */
} checker;

void checker_init(checker *c, const cg_conformance_options *options);
void checker_begin(checker *c, const char *check);
/** Reports the open check. */
void checker_end(checker *c);
/** One case. Returns `ok`; the text is kept if it is the check's first failure. */
int expect(checker *c, int ok, const char *fmt, ...) CG_PRINTF(3, 4);
/** A case: status `st` is a refusal (not CG_OK) and came with a text. */
int expect_refused(checker *c, cg_status st, const cg_error *err, const char *what);
/** Rounds asked for, or `standard`. */
int32_t checker_rounds(const checker *c, int32_t standard);

/* ---- random numbers ------------------------------------------------------------------------ */

uint64_t random_u64(checker *c);
/** In [lo, hi]. */
int32_t random_in(checker *c, int32_t lo, int32_t hi);
/** About normal, variance 1. */
float random_normal(checker *c);

/* ---- memory with guards -------------------------------------------------------------------- */

enum { GUARD = 64 };

/** `bytes` bytes filled with 0xff (NaN as floats) between guard bytes; NULL if there are none. */
void *guarded_alloc(size_t bytes, size_t align);
/** True if nothing was written in front of or behind it. */
int guarded_intact(const void *ptr);
void guarded_free(void *ptr); /* accepts NULL */

/* ---- a host that watches ------------------------------------------------------------------- */

/**
 * Wraps a host: memory is poisoned and guarded, allocations are counted and may be made to fail,
 * loops may be run in another order with arbitrary workers.
 */
typedef struct watch_host {
    cg_host host; /* what the plugin is given */
    const cg_host *base;
    atomic_int live;          /* allocations that were not given back */
    atomic_int overwritten;   /* allocations whose guards were found broken at free() */
    atomic_int until_failure; /* allocations until one fails; negative: none does */
    int32_t scramble;         /* run loops backwards, on the calling thread, as other workers */
} watch_host;

void watch_host_init(watch_host *w, const cg_host *base);
/** Cases: everything was given back, no guard is broken. */
void expect_clean(checker *c, watch_host *w, const char *what);

#endif
