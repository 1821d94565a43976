/* SPDX-License-Identifier: MIT */
/* Atoms that are pulled to where they can be: the pull itself, and where it ends. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sequence/relaxation.h"
#include "geometry_made.h"

typedef const float (*const_points)[3];

static const double pi = 3.14159265358979;
static uint32_t state = 1; /* of random numbers */

static uint32_t below(uint32_t n)
{
    state = state * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)(state >> 8) * n >> 24);
}

static float any_in(float low, float high)
{
    return low + (high - low) * (float)below(1 << 20) / (1 << 20);
}

/* n points in a box, each at least 0.7 Å from the others. */
static void scatter(float (*xyz)[3], int n, float box)
{
    for (int i = 0; i < n; i++) {
        int apart = 1;

        for (int k = 0; k < 3; k++)
            xyz[i][k] = any_in(-box, box);
        for (int j = 0; j < i; j++)
            apart &= hypotf(hypotf(xyz[i][0] - xyz[j][0], xyz[i][1] - xyz[j][1]),
                            xyz[i][2] - xyz[j][2]) > 0.7f;
        i -= !apart;
    }
}

static cg_correction pull_of(const float (*xyz)[3], int32_t first, int32_t last, int32_t i)
{
    cg_correction pull = { .n = 0 };

    cg_relaxation_correct(&m.g, xyz, first, last, i, 0, 1, &pull);
    return pull;
}

/* ---- what is measured, in double and by other formulas -------------------------------------- */

static double determinant(const double a[3], const double b[3], const double c[3])
{
    return a[0] * (b[1] * c[2] - b[2] * c[1]) + a[1] * (b[2] * c[0] - b[0] * c[2]) +
           a[2] * (b[0] * c[1] - b[1] * c[0]);
}

static double volume(const double (*x)[3], const int32_t *atom)
{
    double v[3][3];

    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++)
            v[i][k] = x[atom[i + 1]][k] - x[atom[0]][k];
    return determinant(v[0], v[1], v[2]);
}

/* In (-pi, pi], positive if, seen along the axis, the far end is turned clockwise (IUPAC). */
static double torsion(const double (*x)[3], const int32_t *atom)
{
    double b[3][3], along = 0, size2 = 0, dots[3] = { 0 };

    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++)
            b[i][k] = x[atom[i + 1]][k] - x[atom[i]][k];
    for (int k = 0; k < 3; k++) {
        size2 += b[1][k] * b[1][k];
        dots[0] += b[0][k] * b[1][k];
        dots[1] += b[1][k] * b[2][k];
        dots[2] += b[0][k] * b[2][k];
    }
    along = dots[0] * dots[1] - dots[2] * size2; /* (b0 x b1) . (b1 x b2) */
    return atan2(sqrt(size2) * determinant(b[0], b[1], b[2]), along);
}

static double measure(const float (*xyz)[3], const cg_geometry_test *t, int atom, int axis,
                      double by)
{
    double x[4][3];

    for (int i = 0; i < 4; i++)
        for (int k = 0; k < 3; k++)
            x[i][k] = (double)xyz[i][k] + (i == atom && k == axis ? by : 0);
    return t->kind == CG_TEST_VOLUME ? volume((const double(*)[3])x, t->atom)
                                     : torsion((const double(*)[3])x, t->atom);
}

static double difference(double to, double from, int32_t kind)
{
    double d = to - from;

    if (kind != CG_TEST_VOLUME)
        d -= 2 * pi * round(d / (2 * pi));
    return d;
}

/* ---- one test pulls along its gradient ------------------------------------------------------- */

/* A range that x misses by `miss`, as the pull aims at it; 0 where there is none. */
static int aim(cg_geometry_test *t, double x, double *miss)
{
    double small = 0.01, far = pi - fabs(x), least = fmin(fabs(x), far), most;

    *t = (cg_geometry_test) { .kind = t->kind, .low = -INFINITY, .high = INFINITY };
    if (t->kind == CG_TEST_VOLUME && below(2)) {
        t->low = (float)((x + small) / 2);
        *miss = 2 * (double)t->low - x;
        return 1;
    }
    if (t->kind == CG_TEST_VOLUME) {
        t->high = (float)((x - small) / 2);
        *miss = 2 * (double)t->high - x;
        return 1;
    }
    if (t->kind == CG_TEST_FLAT) {
        most = (least - small) / 0.6;
        t->low = (float)(cos(most) * cos(most));
        *miss = (x > 0) == (fabs(x) < far) ? -small : small;
        return most > 0.05 && most < 1.5;
    }
    if (below(2)) { /* cis */
        most = (fabs(x) - small) / 0.6;
        t->low = (float)cos(most);
        *miss = x > 0 ? -small : small;
    } else {
        most = (far - small) / 0.6;
        t->high = (float)-cos(most);
        *miss = x > 0 ? small : -small;
    }
    return most > 0.05 && most < 3;
}

/*
 * Against numerical gradients: each moving atom is asked to go its share of the shortest way, and
 * when all do, the figure is what it should be.
 */
START_TEST(a_test_pulls_along_its_gradient)
{
    int32_t kind = _i;
    int tried = 0;

    for (int round = 0; round < 2000 && tried < 400; round++) {
        float xyz[4][3], moved[4][3];
        double gradient[4][3], size = 0, miss, x;
        int32_t first = (int32_t)below(4), order[4] = { 0, 1, 2, 3 };
        cg_geometry_test *t;

        make(4, 1);
        scatter(xyz, 4, 2);
        t = m.tests;
        for (int i = 3; i > 0; i--) {
            int j = (int)below((uint32_t)i + 1), was = order[i];

            order[i] = order[j];
            order[j] = was;
        }
        t->kind = kind;
        memcpy(t->atom, order, sizeof order);
        x = measure((const_points)xyz, t, 0, 0, 0);
        if (!aim(t, x, &miss))
            continue;
        memcpy(t->atom, order, sizeof order);
        m.start[4] = 1;
        for (int i = 0; i < 4; i++)
            for (int k = 0; k < 3; k++) {
                gradient[i][k] = difference(measure((const_points)xyz, t, i, k, 1e-5),
                                            measure((const_points)xyz, t, i, k, -1e-5), kind) /
                                 2e-5;
                size += i >= first ? gradient[i][k] * gradient[i][k] : 0;
            }
        /* a last atom that hardly changes the figure; atoms as good as in line */
        if (size < 0.05 || (kind != CG_TEST_VOLUME && size > 20))
            continue;
        tried++;
        memcpy(moved, xyz, sizeof moved);
        for (int32_t i = first; i < 4; i++) {
            cg_correction pull = pull_of((const_points)xyz, first, 3, i);

            ck_assert_int_eq(pull.n, 1);
            for (int k = 0; k < 3; k++) {
                double want = miss * gradient[i][k] / size;

                ck_assert_msg(fabs((double)pull.sum[k] - want) < 1e-3 * (fabs(miss) / sqrt(size)),
                              "round %d, atom %d, axis %d: %.6f, wanted %.6f", round, i, k,
                              (double)pull.sum[k], want);
                moved[i][k] += pull.sum[k];
            }
        }
        miss -= difference(measure((const_points)moved, t, 0, 0, 0), x, kind);
        ck_assert_msg(fabs(miss) < 2e-3, "round %d, first %d: %.5f, still off by %.5f", round,
                      first, x, miss);
    }
    ck_assert_int_ge(tried, 300);
}
END_TEST

START_TEST(a_pair_is_pulled_by_its_miss)
{
    static const struct {
        float at, low, high, by; /* Å: apart, range, and what atom 1 is to go when it moves alone */
        int off, n;
    } pairs[] = {
        { 1.9f, 1.4f, 1.7f, -0.3f, 1, 1 },   { 1.1f, 1.4f, 1.7f, 0.4f, 1, 1 },
        { 1.43f, 1.4f, 1.7f, 0.07f, 1, 1 },  { 1.46f, 1.4f, 1.7f, 0.04f, 0, 1 },
        { 1.55f, 1.4f, 1.7f, 0, 0, 0 },      { 1.64f, 1.4f, 1.7f, -0.04f, 0, 1 },
        { 1.67f, 1.4f, 1.7f, -0.07f, 1, 1 },
    };

    for (int i = 0; i < 7; i++) {
        float xyz[2][3] = { { 3, -1, 2 }, { 3, -1 + pairs[i].at * 0.6f, 2 + pairs[i].at * 0.8f } };

        make(2, 0);
        pair(1, 0, pairs[i].low, pairs[i].high, CG_CAUSE_BOND);
        for (int32_t first = 0; first < 2; first++)
            for (int32_t a = first; a < 2; a++) {
                cg_correction p = pull_of((const_points)xyz, first, 1, a);
                float by = pairs[i].by * (first ? 1 : 0.5f) * (a ? 1 : -1);

                ck_assert_msg(
                    p.n == pairs[i].n && p.unsatisfied == pairs[i].off && fabsf(p.sum[0]) < 1e-5f &&
                        fabsf(p.sum[1] - 0.6f * by) < 1e-5f && fabsf(p.sum[2] - 0.8f * by) < 1e-5f,
                    "pair %d, atom %d of %d: %d, off %d: %.4f %.4f %.4f", i, a, first, p.n,
                    p.unsatisfied, (double)p.sum[0], (double)p.sum[1], (double)p.sum[2]);
            }
    }
}
END_TEST

/* ---- the pull of many ------------------------------------------------------------------------ */

enum { MANY = 24, MANY_TESTS = 60 };

/* Ranges at random, most of them missed. */
static void make_any(void)
{
    int32_t tests = 0;

    make(MANY, MANY_TESTS);
    for (int32_t i = 1; i < MANY; i++) {
        for (int32_t j = 0; j < i; j++)
            if (below(2))
                pair(i, j, any_in(0.5f, 2), any_in(3, 5),
                     below(4) ? CG_CAUSE_CLASH : CG_CAUSE_BOND);
        m.start[i] = tests;
        for (int t = 0; t < 3 && i >= 3 && tests < MANY_TESTS; t++) {
            int32_t other = (int32_t)below((uint32_t)i - 2);

            m.tests[tests++] = (cg_geometry_test) {
                .atom = { other, i, other + 1, other + 2 },
                .kind = t,
                .low = t == CG_TEST_FLAT ? 0.9f : 0.5f,
                .high = INFINITY,
            };
        }
    }
    m.start[MANY] = tests;
}

START_TEST(pulls_turn_with_the_atoms)
{
    for (int round = 0; round < 40; round++) {
        float xyz[MANY][3], other[MANY][3], turn[3][3], shift[3], a = any_in(0, 6),
                                                                  b = any_in(0, 6);
        const float about_z[3][3] = { { cosf(a), -sinf(a), 0 },
                                      { sinf(a), cosf(a), 0 },
                                      { 0, 0, 1 } };
        const float about_x[3][3] = { { 1, 0, 0 },
                                      { 0, cosf(b), -sinf(b) },
                                      { 0, sinf(b), cosf(b) } };
        int32_t first = round % 2 ? (int32_t)below(MANY) : 0;
        int asked = 0;

        make_any();
        scatter(xyz, MANY, 4);
        for (int i = 0; i < 3; i++) {
            shift[i] = any_in(-5, 5);
            for (int j = 0; j < 3; j++) {
                turn[i][j] = 0;
                for (int k = 0; k < 3; k++)
                    turn[i][j] += about_x[i][k] * about_z[k][j];
            }
        }
        for (int i = 0; i < MANY; i++)
            for (int k = 0; k < 3; k++)
                other[i][k] = turn[k][0] * xyz[i][0] + turn[k][1] * xyz[i][1] +
                              turn[k][2] * xyz[i][2] + shift[k];
        for (int32_t i = first; i < MANY; i++) {
            cg_correction p = pull_of((const_points)xyz, first, MANY - 1, i);
            cg_correction q = pull_of((const_points)other, first, MANY - 1, i);
            float size = 1 + fabsf(p.sum[0]) + fabsf(p.sum[1]) + fabsf(p.sum[2]);

            asked += p.n;
            ck_assert_int_eq(p.unsatisfied, q.unsatisfied);
            for (int k = 0; k < 3; k++) {
                float want = turn[k][0] * p.sum[0] + turn[k][1] * p.sum[1] + turn[k][2] * p.sum[2];

                ck_assert_msg(fabsf(q.sum[k] - want) < 2e-3f * size,
                              "round %d, atom %d, axis %d: %.5f, wanted %.5f", round, i, k,
                              (double)q.sum[k], (double)want);
            }
        }
        ck_assert_int_gt(asked, 0);
    }
}
END_TEST

/* What is asked of all atoms together neither shifts nor turns them. */
START_TEST(pulls_cancel)
{
    for (int round = 0; round < 40; round++) {
        float xyz[MANY][3];
        double sum[3] = { 0 }, moment[3] = { 0 }, size = 1;

        make_any();
        scatter(xyz, MANY, 4);
        for (int32_t i = 0; i < MANY; i++) {
            cg_correction p = pull_of((const_points)xyz, 0, MANY - 1, i);

            for (int k = 0; k < 3; k++) {
                int u = (k + 1) % 3, v = (k + 2) % 3;

                sum[k] += (double)p.sum[k];
                moment[k] +=
                    (double)xyz[i][u] * (double)p.sum[v] - (double)xyz[i][v] * (double)p.sum[u];
                size += fabs((double)p.sum[k]);
            }
        }
        for (int k = 0; k < 3; k++)
            ck_assert_msg(fabs(sum[k]) < 1e-4 * size && fabs(moment[k]) < 1e-3 * size,
                          "round %d: %g %g of %g", round, sum[k], moment[k], size);
    }
}
END_TEST

START_TEST(threads_share_the_pull)
{
    static const int32_t threads[] = { 2, 3, 32, 256 };

    for (int round = 0; round < 20; round++) {
        float xyz[MANY][3];
        int32_t first = (int32_t)below(MANY),
                last = first + (int32_t)below((uint32_t)(MANY - first));

        make_any();
        scatter(xyz, MANY, 4);
        for (int32_t i = first; i <= last; i++) {
            cg_correction want = pull_of((const_points)xyz, first, last, i);
            float size = 1 + fabsf(want.sum[0]) + fabsf(want.sum[1]) + fabsf(want.sum[2]);

            for (int n = 0; n < 4; n++) {
                cg_correction sum = { .n = 0 };

                for (int32_t t = 0; t < threads[n]; t++) {
                    cg_correction mine = { .n = 0 };

                    cg_relaxation_correct(&m.g, (const_points)xyz, first, last, i, t, threads[n],
                                          &mine);
                    for (int k = 0; k < 3; k++)
                        sum.sum[k] += mine.sum[k];
                    sum.n += mine.n;
                    sum.unsatisfied |= mine.unsatisfied;
                }
                ck_assert_int_eq(sum.n, want.n);
                ck_assert_int_eq(sum.unsatisfied, want.unsatisfied);
                for (int k = 0; k < 3; k++)
                    ck_assert(fabsf(sum.sum[k] - want.sum[k]) < 1e-4f * size);
            }
        }
    }
}
END_TEST

/* Atoms behind the last one are not there: neither their pairs nor their tests, nor their places.
 */
START_TEST(later_atoms_are_not_there)
{
    float xyz[MANY][3], cut[MANY][3];

    make_any();
    scatter(xyz, MANY, 4);
    memcpy(cut, xyz, sizeof cut);
    for (int32_t i = 12; i < MANY; i++)
        for (int k = 0; k < 3; k++)
            cut[i][k] = NAN;
    for (int32_t i = 4; i <= 11; i++) {
        cg_correction p = pull_of((const_points)xyz, 4, 11, i),
                      q = pull_of((const_points)cut, 4, 11, i);

        ck_assert(!memcmp(&p, &q, sizeof p));
    }
}
END_TEST

/* Atoms in line, or on top of each other: there is no gradient, and nothing that is no number. */
START_TEST(figures_that_are_none)
{
    static const float figures[][4][3] = {
        { { 0 } },
        { { 0, 0, 0 }, { 1, 0, 0 }, { 2, 0, 0 }, { 3, 0, 0 } },
        { { 0, 0, 0 }, { 1, 0, 0 }, { 1, 0, 0 }, { 2, 1, 0 } },
        { { 0, 1, 0 }, { 0, 1, 0 }, { 1, 1, 0 }, { 1, 2, 1 } },
        { { 0, 0, 0 }, { 0, 0, 1.5f }, { 1.4f, 0, 2 }, { 1.4f, 0, 2 } },
        { { 0, 0, 0 }, { 1, 0, 0 }, { 2, 1e-6f, 0 }, { 3, 0, -1e-6f } },
    };

    for (int i = 0; i < 18; i++) {
        make(4, 1);
        m.tests[0] = (cg_geometry_test) {
            .atom = { 0, 1, 2, 3 }, .kind = i % 3, .low = 0.9f, .high = INFINITY
        };
        m.start[4] = 1;
        for (int32_t first = 0; first < 4; first++)
            for (int32_t a = first; a < 4; a++) {
                cg_correction p = pull_of((const_points)figures[i / 3], first, 3, a);
                float by[3];

                cg_correction_displacement(&p, by);
                for (int k = 0; k < 3; k++)
                    ck_assert_msg(fabsf(by[k]) <= 0.5f, "figure %d, kind %d, atom %d: %g", i / 3,
                                  i % 3, a, (double)by[k]);
            }
    }
}
END_TEST

START_TEST(moves_are_bounded)
{
    const struct {
        cg_correction pull;
        float by[3];
    } moves[] = {
        { { { 0, 0, 0 }, 0, 0 }, { 0, 0, 0 } },
        { { { 0.1f, -0.2f, 0 }, 1, 1 }, { 0.15f, -0.3f, 0 } },
        { { { 0.1f, -0.2f, 0.04f }, 2, 0 }, { 0.075f, -0.15f, 0.03f } }, /* their mean */
        { { { 0, 0, 100 }, 3, 1 }, { 0, 0, 0.5f } },
        { { { -3e4f, 4e4f, 0 }, 1, 1 }, { -0.3f, 0.4f, 0 } },
    };

    for (int i = 0; i < 5; i++) {
        float by[3] = { NAN, NAN, NAN };

        cg_correction_displacement(&moves[i].pull, by);
        for (int k = 0; k < 3; k++)
            ck_assert_msg(fabsf(by[k] - moves[i].by[k]) < 1e-6f, "move %d, axis %d: %.6f", i, k,
                          (double)by[k]);
    }
}
END_TEST

START_TEST(the_ladder_ends_with_all)
{
    for (int32_t atom = 0; atom < 4096; atom += 1 + atom / 50) {
        ck_assert_int_eq(cg_relaxation_first_atom(atom, 0), atom); /* the last one alone */
        for (int32_t level = 1; level < CG_RELAXATION_LEVELS; level++) {
            int32_t first = cg_relaxation_first_atom(atom, level),
                    before = cg_relaxation_first_atom(atom, level - 1);

            ck_assert(first >= 0 && (first < before || !before));
        }
        ck_assert_int_eq(cg_relaxation_first_atom(atom, CG_RELAXATION_LEVELS - 1), 0);
    }
}
END_TEST

/* ---- where it ends ----------------------------------------------------------------------------
 */

/* As the executors do it. The rounds it took, -1: no place was found. */
static int find_place(float (*xyz)[3], int32_t first, int32_t last)
{
    float by[MANY][3];

    for (int round = 0; round < CG_RELAXATION_ITERATIONS; round++) {
        int off = 0;

        for (int32_t i = first; i <= last; i++) {
            cg_correction pull = pull_of((const_points)xyz, first, last, i);

            cg_correction_displacement(&pull, by[i]);
            off |= pull.unsatisfied;
        }
        if (!off)
            return round;
        for (int32_t i = first; i <= last; i++)
            for (int k = 0; k < 3; k++)
                xyz[i][k] += by[i][k];
    }
    return -1;
}

/* Something is wrong, it is mended, and every atom passes, even with three decimals. */
static int expect_place(float (*xyz)[3], int32_t first, int32_t last, int wrong)
{
    int32_t faults = 0;
    int rounds;

    for (int32_t i = first; i <= last; i++)
        faults += cg_geometry_test_atom(&m.g, (const_points)xyz, i, 0, 1) != CG_FAULT_NONE;
    ck_assert_int_eq(faults > 0, wrong);
    rounds = find_place(xyz, first, last);
    ck_assert_msg(rounds >= 0, "no place is found");
    ck_assert_int_eq(rounds > 0, wrong);
    for (int32_t i = first; i <= last; i++)
        for (int k = 0; k < 3; k++)
            xyz[i][k] = roundf(xyz[i][k] * 1e3f) / 1e3f;
    for (int32_t i = first; i <= last; i++) {
        int32_t fault = cg_geometry_test_atom(&m.g, (const_points)xyz, i, 0, 1);

        ck_assert_msg(fault == CG_FAULT_NONE, "atom %d after %d rounds: %s to atom %d", i, rounds,
                      cg_fault_cause_name((cg_fault_cause)CG_FAULT_CAUSE(fault)),
                      CG_FAULT_ATOM(fault));
    }
    return rounds;
}

START_TEST(bonds_are_mended)
{
    static const float at[] = { 0, 1e-6f, 0.1f, 0.9f, 1.39f, 1.71f, 2.5f, 20 };

    for (int i = 0; i < 8; i++)
        for (int32_t first = 0; first < 2; first++) {
            float xyz[2][3] = { { 1, 2, 3 }, { 1, 2, 3 + at[i] } };

            make(2, 0);
            pair(1, 0, 1.4f, 1.7f, CG_CAUSE_BOND);
            expect_place(xyz, first, 1, 1);
            ck_assert(first == 0 || (xyz[0][0] == 1 && xyz[0][1] == 2 && xyz[0][2] == 3));
        }
}
END_TEST

/* Atoms on top of each other go apart, and where they go nothing is infinite. */
START_TEST(heaps_are_spread)
{
    for (int32_t n = 2; n <= 4; n++) {
        float xyz[4][3] = { { 0 } };

        make(n, 0);
        for (int32_t i = 1; i < n; i++)
            for (int32_t j = 0; j < i; j++)
                pair(i, j, 2, 9, CG_CAUSE_CLASH);
        expect_place(xyz, 0, n - 1, 1);
    }
}
END_TEST

static void place(float (*xyz)[3], const float (*from)[3], int n)
{
    memcpy(xyz, from, (size_t)n * sizeof *xyz);
}

/* A centre, atom 0, and its neighbours at a tetrahedron's corners. */
static const float corners[5][3] = {
    { 0, 0, 0 },
    { 0.88f, 0.88f, 0.88f },
    { 0.88f, -0.88f, -0.88f },
    { -0.88f, 0.88f, -0.88f },
    { -0.88f, -0.88f, 0.88f },
};

static void make_centre(int32_t n, int sign)
{
    /* volumes of three neighbours, those of the corners negative, positive, negative, positive */
    static const int32_t three[4][3] = { { 1, 2, 3 }, { 1, 2, 4 }, { 1, 3, 4 }, { 2, 3, 4 } };
    static const int of_corners[4] = { 1, -1, 1, -1 };

    make(n, n == 5 ? 4 : 1);
    for (int32_t i = 1; i < n; i++)
        for (int32_t j = 0; j < i; j++)
            pair(i, j, j ? 2.1f : 1.38f, j ? 2.85f : 1.68f, j ? CG_CAUSE_ANGLE : CG_CAUSE_BOND);
    for (int t = 0; t < m.g.n_tests; t++) {
        int positive = of_corners[t] * sign > 0;

        m.tests[t] = (cg_geometry_test) {
            .atom = { 0, three[t][0], three[t][1], three[t][2] },
            .kind = CG_TEST_VOLUME,
            .cause = CG_CAUSE_CENTRE,
            .low = positive ? 0.5f : -INFINITY,
            .high = positive ? INFINITY : -0.5f,
        };
    }
    m.start[4] = 1;
    m.start[n] = m.g.n_tests;
}

/* Three neighbours: the last one goes through the plane of the others. */
START_TEST(a_wrong_hand_is_mirrored)
{
    float xyz[5][3], to[3];
    int sign;

    make_centre(4, 1);
    place(xyz, corners, 4);
    sign = cg_geometry_test_atom(&m.g, (const_points)xyz, 3, 0, 1) == CG_FAULT_NONE ? 1 : -1;
    make_centre(4, sign);
    expect_place(xyz, 3, 3, 0);
    place(xyz, corners, 4);
    make_centre(4, -sign);
    expect_place(xyz, 3, 3, 1);
    ck_assert(!memcmp(xyz, corners, 3 * sizeof *xyz));
    /* four: where it would go there is the fourth one, and it goes to the other side */
    make_centre(5, sign);
    place(xyz, corners, 5);
    expect_place(xyz, 4, 4, 0);
    memcpy(to, xyz[3], sizeof to);
    xyz[4][0] = to[0] + 0.3f;
    xyz[4][1] = to[1] - 0.1f;
    xyz[4][2] = to[2] + 0.2f;
    expect_place(xyz, 4, 4, 1);
    for (int k = 0; k < 3; k++)
        ck_assert_float_eq_tol(xyz[4][k], corners[4][k], 0.6f);
    /* a mirror image whose centre stands: all four neighbours go */
    for (int round = 0; round < 50; round++) {
        place(xyz, corners, 5);
        for (int i = 1; i < 5; i++)
            for (int k = 0; k < 3; k++)
                xyz[i][k] += any_in(-0.15f, 0.15f);
        make_centre(5, -sign);
        expect_place(xyz, 1, 4, 1);
    }
}
END_TEST

/* Atoms 0-1=2-3, turned by `angle` about the bond. */
static void twist(float (*xyz)[3], double angle)
{
    const float at[4][3] = { { -0.67f, 1.17f, 0 },
                             { 0, 0, 0 },
                             { 1.33f, 0, 0 },
                             { 2, 1.17f * (float)cos(angle), 1.17f * (float)sin(angle) } };

    place(xyz, at, 4);
}

/* Mended to 0.6 of the angle and twice the volume; 0.8 of it and one and a half are enough. */
START_TEST(well_within_its_range)
{
    static const float volumes[] = { 0.7f, 0.8f, 1.1f }, shares[] = { 0.85f, 0.75f, 0.5f };

    for (int i = 0; i < 3; i++)
        for (int what = 0; what < 10; what++) {
            double most = acos(0.9), angle = (double)shares[i] * most;
            float xyz[4][3] = { { 0, 0, 0 }, { 1, 0, 0 }, { 0, 1, 0 }, { 0, 0, 0 } };
            int other = what % 2;
            cg_geometry_test *t;
            cg_correction p;

            make(4, 1);
            m.start[4] = 1;
            t = m.tests;
            *t = (cg_geometry_test) { .atom = { 0, 1, 2, 3 }, .low = -INFINITY, .high = INFINITY };
            if (what < 2) { /* either hand */
                xyz[3][2] = other ? -volumes[i] : volumes[i];
                *(other ? &t->high : &t->low) = other ? -0.5f : 0.5f;
            } else { /* cis, trans, flat both ways; turned either way */
                int trans = what / 2 % 2;

                t->kind = what < 6 ? CG_TEST_TORSION : CG_TEST_FLAT;
                if (what >= 6)
                    t->low = 0.81f;
                else
                    *(trans ? &t->high : &t->low) = trans ? -0.9f : 0.9f;
                twist(xyz, (trans ? pi : 0) + (other ? -angle : angle));
            }
            p = pull_of((const_points)xyz, 3, 3, 3);
            ck_assert_msg(p.n == (i < 2) && p.unsatisfied == (i < 1), "figure %d, %d: %d, off %d",
                          what, i, p.n, p.unsatisfied);
        }
}
END_TEST

static void make_double_bond(int32_t kind, float low, float high)
{
    make(4, 1);
    pair(1, 0, 1.2f, 1.5f, CG_CAUSE_BOND);
    pair(2, 1, 1.18f, 1.48f, CG_CAUSE_BOND);
    pair(3, 2, 1.2f, 1.5f, CG_CAUSE_BOND);
    pair(2, 0, 2, 2.7f, CG_CAUSE_ANGLE);
    pair(3, 1, 2, 2.7f, CG_CAUSE_ANGLE);
    pair(3, 0, 2, 4.5f, CG_CAUSE_CLASH);
    m.tests[0] = (cg_geometry_test) {
        .atom = { 0, 1, 2, 3 }, .kind = kind, .cause = CG_CAUSE_DOUBLE, .low = low, .high = high
    };
    m.start[4] = 1;
}

/* From any angle, the last atom alone, or the last two. */
START_TEST(double_bonds_are_turned)
{
    static const struct {
        int32_t kind;
        float low, high;
    } bonds[] = { { CG_TEST_TORSION, 0.9f, INFINITY },
                  { CG_TEST_TORSION, -INFINITY, -0.9f },
                  { CG_TEST_FLAT, 0.9025f, INFINITY } };

    for (int i = 0; i < 3; i++)
        for (int degrees = -180; degrees <= 180; degrees += 5)
            for (int32_t first = 2; first < 4; first++) {
                float xyz[4][3], before[4][3];
                int32_t fault;

                make_double_bond(bonds[i].kind, bonds[i].low, bonds[i].high);
                twist(xyz, degrees * pi / 180);
                place(before, (const_points)xyz, 4);
                fault = cg_geometry_test_atom(&m.g, (const_points)xyz, 3, 0, 1);
                if (fault == CG_FAULT_NONE)
                    continue;
                ck_assert_msg(find_place(xyz, first, 3) > 0, "kind %d, %d degrees, first %d", i,
                              degrees, first);
                ck_assert(!memcmp(xyz, before, (size_t)first * sizeof *xyz));
                ck_assert_int_eq(cg_geometry_test_atom(&m.g, (const_points)xyz, 3, 0, 1),
                                 CG_FAULT_NONE);
                if (bonds[i].kind != CG_TEST_FLAT)
                    continue;
                /* the nearer of the two */
                twist(before, degrees * pi / 180);
                if (abs(degrees) < 80 || abs(degrees) > 100) {
                    double x[4][3];

                    for (int a = 0; a < 4; a++)
                        for (int k = 0; k < 3; k++)
                            x[a][k] = (double)xyz[a][k];
                    ck_assert_int_eq(fabs(torsion((const double(*)[3])x, m.tests[0].atom)) < 1.57,
                                     abs(degrees) < 90);
                }
            }
}
END_TEST

/* A chair becomes flat. */
START_TEST(rings_are_flattened)
{
    for (int32_t first = 0; first < 4; first++) {
        float xyz[6][3];

        make(6, 6);
        for (int32_t i = 0; i < 6; i++) {
            xyz[i][0] = 1.4f * (float)cos(i * pi / 3);
            xyz[i][1] = 1.4f * (float)sin(i * pi / 3);
            /* those that stand are flat, or there is no place for the others */
            xyz[i][2] = i < first ? 0 : i % 2 ? 0.35f : -0.35f;
            for (int32_t j = 0; j < i; j++) {
                int steps = i - j < 4 ? i - j : 6 - i + j;
                float apart = (float[]) { 0, 1.4f, 2.42f, 2.8f }[steps];
                float wide = steps == 1 ? 0.15f : 0.35f;

                pair(i, j, apart - wide, apart + wide,
                     steps == 1   ? CG_CAUSE_BOND
                     : steps == 2 ? CG_CAUSE_ANGLE
                                  : CG_CAUSE_CLASH);
            }
        }
        /* the first is complete with atom 3, the others with 4 and 5 */
        for (int32_t t = 0; t < 6; t++)
            m.tests[t] = (cg_geometry_test) {
                .atom = { t, (t + 1) % 6, (t + 2) % 6, (t + 3) % 6 },
                .kind = CG_TEST_TORSION,
                .cause = CG_CAUSE_RING,
                .low = 0.9f,
                .high = INFINITY,
            };
        m.start[4] = 1;
        m.start[5] = 2;
        m.start[6] = 6;
        expect_place(xyz, first, 5, 1);
    }
}
END_TEST

/* An atom within all its ranges, well within: nothing is asked of it. */
START_TEST(a_good_atom_is_left_alone)
{
    float xyz[5][3], by[3];

    for (int what = 0; what < 3; what++) {
        int32_t n = what ? 4 : 5;

        if (what == 0) {
            make_centre(5, 1);
            place(xyz, corners, 5);
            if (cg_geometry_test_atom(&m.g, (const_points)xyz, 4, 0, 1) != CG_FAULT_NONE)
                make_centre(5, -1);
        } else {
            make_double_bond(what == 1 ? CG_TEST_FLAT : CG_TEST_TORSION, 0.9f, INFINITY);
            twist(xyz, 0.1);
        }
        for (int32_t first = 0; first < n; first++)
            for (int32_t i = first; i < n; i++) {
                cg_correction p = pull_of((const_points)xyz, first, n - 1, i);

                ck_assert_msg(p.n == 0 && p.unsatisfied == 0, "figure %d, atom %d: %d, %d", what, i,
                              p.n, p.unsatisfied);
                cg_correction_displacement(&p, by);
                ck_assert(by[0] == 0 && by[1] == 0 && by[2] == 0);
            }
    }
    make(2, 0); /* no range at all: they may be anywhere, on top of each other too */
    for (int i = 0; i < 6; i++)
        ((float *)xyz)[i] = i < 3 ? 0 : 0.05f;
    ck_assert_int_eq(pull_of((const_points)xyz, 1, 1, 1).n, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("placing");
    TCase *tc = tcase_create("pulls"), *places = tcase_create("places");
    SRunner *sr;
    int failed;

    tcase_add_loop_test(tc, a_test_pulls_along_its_gradient, CG_TEST_VOLUME, CG_TEST_FLAT + 1);
    tcase_add_test(tc, a_pair_is_pulled_by_its_miss);
    tcase_add_test(tc, pulls_turn_with_the_atoms);
    tcase_add_test(tc, pulls_cancel);
    tcase_add_test(tc, threads_share_the_pull);
    tcase_add_test(tc, later_atoms_are_not_there);
    tcase_add_test(tc, well_within_its_range);
    tcase_add_test(tc, a_good_atom_is_left_alone);
    tcase_add_test(tc, figures_that_are_none);
    tcase_add_test(tc, moves_are_bounded);
    tcase_add_test(tc, the_ladder_ends_with_all);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    tcase_add_test(places, bonds_are_mended);
    tcase_add_test(places, heaps_are_spread);
    tcase_add_test(places, a_wrong_hand_is_mirrored);
    tcase_add_test(places, double_bonds_are_turned);
    tcase_add_test(places, rings_are_flattened);
    tcase_set_timeout(places, 60);
    suite_add_tcase(s, places);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    free(m.memory);
    return failed != 0;
}
