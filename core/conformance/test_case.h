/* SPDX-License-Identifier: MIT */
/**
 * @file test_case.h  Tools of the conformance checks: recorded verdicts, random numbers, guarded
 * memory, and a host that counts allocations and injects failures.
 */
#ifndef CG_CONFORMANCE_TEST_CASE_H
#define CG_CONFORMANCE_TEST_CASE_H

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "conformance.h"
#include "process_state.h"

/* ---- verdicts ------------------------------------------------------------------------------ */

/** The most memory that a plugin may ask for to compute one of the small cases. */
#define CASE_MAX_BYTES ((size_t)1 << 30)

/** Counts the cases of the current check and the failed checks. */
typedef struct test_recorder {
    const cg_conformance_options *options;
    uint64_t random;       /* state of the generator */
    int32_t begun;         /* checks that test_begin() was called for */
    int32_t run;           /* checks of these that it began */
    struct timespec began; /* the current check */
    const char *check;     /* name of the current check */
    int32_t cases;         /* of the current check */
    int32_t bad;           /* failed cases of the current check */
    int32_t failures;      /* failed checks */
    int32_t gpu_lost;      /* a GPU call failed: no further case can run on this GPU */
    char detail[1400];     /* text of the first failed case, or of test_note() */
    process_state *before; /* the current check */
} test_recorder;

void test_recorder_init(test_recorder *rec, const cg_conformance_options *options);
/**
 * Starts a check, whose random numbers depend on the seed and its name only. `check` is borrowed
 * until test_end(). Returns 0 if this process is not to run it: nothing more is to be done then,
 * and test_end() not to be called.
 */
int test_begin(test_recorder *rec, const char *check);
/** Ends the current check and reports it. */
void test_end(test_recorder *rec);
/** Records a case. Returns `ok`; keeps the text of the first failure of a check. */
int expect(test_recorder *rec, int ok, const char *fmt, ...) CG_PRINTF(3, 4);
/** Notes why the current check has no case; the text becomes its detail. */
void test_note(test_recorder *rec, const char *fmt, ...) CG_PRINTF(2, 3);
/** Records whether `st` is a refusal (not CG_OK) with a text and with the code in `err`. */
int expect_refused(test_recorder *rec, cg_status st, const cg_error *err, const char *what);
/** Records whether a size that a plugin asks for is at most CASE_MAX_BYTES; `what` returned it. */
int test_size_is_sane(test_recorder *rec, size_t bytes, const char *what);
/** options->rounds, or `standard` if that is 0. */
int32_t test_rounds(const test_recorder *rec, int32_t standard);

/* ---- random numbers ------------------------------------------------------------------------ */

uint64_t random_u64(test_recorder *rec);
/** Uniform in [lo, hi]. */
int32_t random_in(test_recorder *rec, int32_t lo, int32_t hi);
/** Approximately normal, mean 0, variance 1. */
float random_normal(test_recorder *rec);

/* ---- guarded memory ------------------------------------------------------------------------ */

enum { GUARD = 64 };

/** Bytes between guard bytes, filled with 0xff (NaN as floats) up to 256 MiB; NULL when out of
 * memory. */
void *guarded_alloc(size_t bytes, size_t align);
/** Bytes of memory of guarded_alloc(). */
size_t guarded_bytes(const void *ptr);
/** True if the guard bytes before and after the memory of guarded_alloc() are unchanged. */
int guarded_intact(const void *ptr);
void guarded_free(void *ptr); /* accepts NULL */

/**
 * Records whether each of several calls of once(ctx) leaves bytes of malloc() behind, where that is
 * known. Some calls may leave memory that the process keeps: a leak is what each of several rounds
 * of calls leaves. One that not every round has is not seen.
 *
 * @param what  is made and destroyed by once(), e.g. "plan"
 */
void expect_heap_kept(test_recorder *rec, const char *what, void (*once)(void *ctx), void *ctx);

/* ---- instrumented host --------------------------------------------------------------------- */

enum { TEST_MAX_WORKERS = 64 };

/**
 * Wraps a host: memory is poisoned and guarded, allocations are counted and can be made to fail,
 * loops can run in another order with other workers. host.workers may be set to any number up to
 * TEST_MAX_WORKERS while the plugin has no object: items then run as all of these workers, at once
 * as many as there are threads.
 */
typedef struct test_host {
    cg_host host; /* passed to the plugin */
    const cg_host *base;
    atomic_int live;          /* allocations that are not freed */
    atomic_llong live_bytes;  /* of these */
    atomic_int overwritten;   /* allocations freed with damaged guards */
    atomic_int n_failed;      /* allocations that have failed */
    atomic_int until_failure; /* allocations that succeed before one fails; negative: none fails */
    int32_t reverse_loops;    /* run loops backwards, on the calling thread, as other workers */
    int32_t n_loops;          /* that have run on other workers than those of `base` */
    atomic_flag is_busy[TEST_MAX_WORKERS]; /* an item runs as this worker */
} test_host;

void test_host_init(test_host *h, const cg_host *base);
/** Records whether all allocations are freed and no guard is damaged. `what`: the last action. */
void expect_all_freed(test_recorder *rec, test_host *h, const char *what);

#endif
