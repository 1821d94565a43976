/* SPDX-License-Identifier: MIT */
/** @file geometry_made.h  Geometry tables that a test fills. Test code only. */
#ifndef CG_TEST_GEOMETRY_MADE_H
#define CG_TEST_GEOMETRY_MADE_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "sequence/atom_tests.h"

static struct made {
    cg_geometry g;
    float *low2, *high2;
    int32_t *start;
    cg_geometry_test *tests;
    int8_t *cause;
    void *memory;
} m;

/* Makes tables without any bounds or tests. */
static inline void make_geometry(int32_t n_atoms, int32_t n_tests)
{
    int32_t pairs = n_atoms * (n_atoms - 1) / 2;

    free(m.memory);
    m = (struct made) { .g = { .n_atoms = n_atoms, .n_tests = n_tests } };
    m.memory = calloc(1, cg_geometry_size(n_atoms, n_tests, 0));
    cg_geometry_bind(&m.g, m.memory);
    m.low2 = (float *)m.g.low2;
    m.high2 = (float *)m.g.high2;
    m.start = (int32_t *)m.g.test_start;
    m.tests = (cg_geometry_test *)m.g.tests;
    m.cause = (int8_t *)m.g.pair_cause;
    for (int32_t i = 0; i < pairs; i++) {
        m.high2[i] = INFINITY;
        m.cause[i] = CG_CAUSE_CLASH;
    }
}

/* Bounds the distance of atoms i and j < i, Å. */
static inline void set_bounds(int32_t i, int32_t j, float low, float high, cg_fault_cause cause)
{
    int32_t at = i * (i - 1) / 2 + j;

    m.low2[at] = low * low;
    m.high2[at] = high * high;
    m.cause[at] = (int8_t)cause;
}

#endif
