/* SPDX-License-Identifier: MIT */
/** @file clock.h  Elapsed wall time. */
#ifndef CG_BASE_CLOCK_H
#define CG_BASE_CLOCK_H

#include <time.h>

/** Seconds of a monotonic clock. */
static inline double cg_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

#endif
