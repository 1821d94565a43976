/* SPDX-License-Identifier: MIT */
/* Relaxation: the corrections of an atom, and the position it converges to. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sequence/relaxation.h"
#include "geometry_made.h"

typedef const float (*const_points)[3];

static const double pi = 3.14159265358979;
static uint32_t random_state = 1;

static uint32_t below(uint32_t n)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)(random_state >> 8) * n >> 24);
}

static float uniform(float low, float high)
{
    return low + (high - low) * (float)below(1 << 20) / (1 << 20);
}

/* n random points in a box, at least 0.7 Å from each other. */
static void scatter(float (*xyz)[3], int n, float box)
{
    for (int i = 0; i < n; i++) {
        int apart = 1;

        for (int k = 0; k < 3; k++)
            xyz[i][k] = uniform(-box, box);
        for (int j = 0; j < i; j++)
            apart &= hypotf(hypotf(xyz[i][0] - xyz[j][0], xyz[i][1] - xyz[j][1]),
                            xyz[i][2] - xyz[j][2]) > 0.7f;
        i -= !apart;
    }
}

static cg_correction correction_of(const float (*xyz)[3], int32_t first, int32_t last, int32_t i)
{
    cg_correction correction = { .n = 0 };

    cg_relaxation_correct(&m.g, xyz, first, last, i, 0, 1, &correction);
    return correction;
}

/* ---- references, in double and by other formulas -------------------------------------------- */

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

/* In (-pi, pi], positive if, viewed along the axis, the far end is rotated clockwise (IUPAC). */
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

static double angle(const double (*x)[3], const int32_t *atom)
{
    double b[2][3], dot = 0, size[2] = { 0 };

    for (int i = 0; i < 2; i++)
        for (int k = 0; k < 3; k++) {
            b[i][k] = x[atom[2 * i]][k] - x[atom[1]][k];
            size[i] += b[i][k] * b[i][k];
        }
    for (int k = 0; k < 3; k++)
        dot += b[0][k] * b[1][k];
    return acos(fmin(fmax(dot / sqrt(size[0] * size[1]), -1), 1));
}

static double measure(const float (*xyz)[3], const cg_geometry_test *t, int atom, int axis,
                      double by)
{
    double x[4][3];

    for (int i = 0; i < 4; i++)
        for (int k = 0; k < 3; k++)
            x[i][k] = (double)xyz[i][k] + (i == atom && k == axis ? by : 0);
    return t->kind == CG_TEST_VOLUME  ? volume((const double(*)[3])x, t->atom)
           : t->kind == CG_TEST_ANGLE ? angle((const double(*)[3])x, t->atom)
                                      : torsion((const double(*)[3])x, t->atom);
}

static double difference(double to, double from, int32_t kind)
{
    double d = to - from;

    if (kind != CG_TEST_VOLUME)
        d -= 2 * pi * round(d / (2 * pi));
    return d;
}

/* ---- corrections of one test ----------------------------------------------------------------- */

/* Sets a range whose correction target x misses by `miss`. @return 0 if there is none */
static int set_range(cg_geometry_test *t, double x, double *miss)
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
    if (t->kind == CG_TEST_ANGLE) { /* the target is 0.07 radians inside, or 0.19 if linear */
        int from_above = (int)below(2), linear = !from_above && cos(x + small - 0.19) < -0.9;

        *miss = from_above ? -small : small;
        most = from_above ? x - small + 0.07 : x + small - (linear ? 0.19 : 0.07);
        if (!from_above && !linear && cos(most) < -0.89)
            return 0;
        *(from_above ? &t->low : &t->high) = (float)cos(most);
        return most > 0 && most < pi;
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

static int is_in_test(const cg_geometry_test *t, int32_t atom)
{
    return t->atom[0] == atom || t->atom[1] == atom || t->atom[2] == atom || t->atom[3] == atom;
}

/*
 * Compared with numerical gradients: the correction of each moving atom is its part of the shortest
 * displacement, and together they satisfy the test.
 */
START_TEST(a_test_corrects_along_its_gradient)
{
    int32_t kind = _i;
    int tried = 0;

    for (int round = 0; round < 2000 && tried < 400; round++) {
        float xyz[4][3], moved[4][3];
        double gradient[4][3], size = 0, miss, x;
        int32_t first = (int32_t)below(4), order[4] = { 0, 1, 2, 3 };
        cg_geometry_test *t;

        make_geometry(4, 1);
        scatter(xyz, 4, 2);
        t = m.tests;
        for (int i = 3; i > 0; i--) {
            int j = (int)below((uint32_t)i + 1), was = order[i];

            order[i] = order[j];
            order[j] = was;
        }
        t->kind = kind;
        if (kind == CG_TEST_ANGLE)
            order[3] = CG_NO_ATOM;
        memcpy(t->atom, order, sizeof order);
        x = measure((const_points)xyz, t, 0, 0, 0);
        if (!set_range(t, x, &miss))
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
        /* the moving atoms hardly change the quantity, or the atoms are nearly collinear */
        if (size < 0.05 || (kind != CG_TEST_VOLUME && size > 20))
            continue;
        if (kind == CG_TEST_ANGLE && sin(x) < 0.1) /* numerical gradients fail */
            continue;
        tried++;
        memcpy(moved, xyz, sizeof moved);
        for (int32_t i = first; i < 4; i++) {
            cg_correction correction = correction_of((const_points)xyz, first, 3, i);

            ck_assert_int_eq(correction.n, is_in_test(t, i));
            for (int k = 0; k < 3; k++) {
                double want = miss * gradient[i][k] / size;

                ck_assert_msg(fabs((double)correction.sum[k] - want) <
                                  1e-3 * (fabs(miss) / sqrt(size)),
                              "round %d, atom %d, axis %d: %.6f, wanted %.6f", round, i, k,
                              (double)correction.sum[k], want);
                moved[i][k] += correction.sum[k];
            }
        }
        miss -= difference(measure((const_points)moved, t, 0, 0, 0), x, kind);
        ck_assert_msg(fabs(miss) < 2e-3, "round %d, first %d: %.5f, still off by %.5f", round,
                      first, x, miss);
    }
    ck_assert_int_ge(tried, 300);
}
END_TEST

START_TEST(a_pair_is_corrected_by_its_miss)
{
    static const struct {
        float distance, low, high, by; /* Å; by: correction of atom 1 if only it moves */
        int unsatisfied, n;
    } pairs[] = {
        { 1.9f, 1.4f, 1.7f, -0.3f, 1, 1 },   { 1.1f, 1.4f, 1.7f, 0.4f, 1, 1 },
        { 1.43f, 1.4f, 1.7f, 0.07f, 1, 1 },  { 1.46f, 1.4f, 1.7f, 0.04f, 0, 1 },
        { 1.55f, 1.4f, 1.7f, 0, 0, 0 },      { 1.64f, 1.4f, 1.7f, -0.04f, 0, 1 },
        { 1.67f, 1.4f, 1.7f, -0.07f, 1, 1 },
    };

    for (int i = 0; i < 7; i++) {
        float xyz[2][3] = { { 3, -1, 2 },
                            { 3, -1 + pairs[i].distance * 0.6f, 2 + pairs[i].distance * 0.8f } };

        make_geometry(2, 0);
        set_bounds(1, 0, pairs[i].low, pairs[i].high, CG_CAUSE_BOND);
        for (int32_t first = 0; first < 2; first++)
            for (int32_t a = first; a < 2; a++) {
                cg_correction p = correction_of((const_points)xyz, first, 1, a);
                float by = pairs[i].by * (first ? 1 : 0.5f) * (a ? 1 : -1);

                ck_assert_msg(p.n == pairs[i].n && p.unsatisfied == pairs[i].unsatisfied &&
                                  fabsf(p.sum[0]) < 1e-5f && fabsf(p.sum[1] - 0.6f * by) < 1e-5f &&
                                  fabsf(p.sum[2] - 0.8f * by) < 1e-5f,
                              "pair %d, atom %d, first %d: %d, unsatisfied %d: %.4f %.4f %.4f", i,
                              a, first, p.n, p.unsatisfied, (double)p.sum[0], (double)p.sum[1],
                              (double)p.sum[2]);
            }
    }
}
END_TEST

/* ---- sums of corrections --------------------------------------------------------------------- */

enum { MANY = 24, MANY_TESTS = 80 };

/* Random ranges, most of them violated. */
static void make_random_geometry(void)
{
    int32_t tests = 0;

    make_geometry(MANY, MANY_TESTS);
    for (int32_t i = 1; i < MANY; i++) {
        for (int32_t j = 0; j < i; j++)
            if (below(2))
                set_bounds(i, j, uniform(0.5f, 2), uniform(3, 5),
                           below(4) ? CG_CAUSE_CLASH : CG_CAUSE_BOND);
        m.start[i] = tests;
        for (int t = 0; t < 4 && i >= 3 && tests < MANY_TESTS; t++) {
            int32_t other = (int32_t)below((uint32_t)i - 2);

            m.tests[tests++] = (cg_geometry_test) {
                .atom = { other, i, other + 1, t == CG_TEST_ANGLE ? CG_NO_ATOM : other + 2 },
                .kind = t,
                .low = t == CG_TEST_FLAT ? 0.9f : 0.5f,
                .high = INFINITY,
            };
        }
    }
    m.start[MANY] = tests;
}

START_TEST(corrections_rotate_with_the_atoms)
{
    for (int round = 0; round < 40; round++) {
        float xyz[MANY][3], other[MANY][3], turn[3][3], shift[3], a = uniform(0, 6),
                                                                  b = uniform(0, 6);
        const float about_z[3][3] = { { cosf(a), -sinf(a), 0 },
                                      { sinf(a), cosf(a), 0 },
                                      { 0, 0, 1 } };
        const float about_x[3][3] = { { 1, 0, 0 },
                                      { 0, cosf(b), -sinf(b) },
                                      { 0, sinf(b), cosf(b) } };
        int32_t first = round % 2 ? (int32_t)below(MANY) : 0;
        int n_corrections = 0;

        make_random_geometry();
        scatter(xyz, MANY, 4);
        for (int i = 0; i < 3; i++) {
            shift[i] = uniform(-5, 5);
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
            cg_correction p = correction_of((const_points)xyz, first, MANY - 1, i);
            cg_correction q = correction_of((const_points)other, first, MANY - 1, i);
            float size = 1 + fabsf(p.sum[0]) + fabsf(p.sum[1]) + fabsf(p.sum[2]);

            n_corrections += p.n;
            ck_assert_int_eq(p.unsatisfied, q.unsatisfied);
            for (int k = 0; k < 3; k++) {
                float want = turn[k][0] * p.sum[0] + turn[k][1] * p.sum[1] + turn[k][2] * p.sum[2];

                ck_assert_msg(fabsf(q.sum[k] - want) < 2e-3f * size,
                              "round %d, atom %d, axis %d: %.5f, wanted %.5f", round, i, k,
                              (double)q.sum[k], (double)want);
            }
        }
        ck_assert_int_gt(n_corrections, 0);
    }
}
END_TEST

/* The corrections of all atoms together have no net force and no net moment. */
START_TEST(corrections_cancel)
{
    for (int round = 0; round < 40; round++) {
        float xyz[MANY][3];
        double sum[3] = { 0 }, moment[3] = { 0 }, size = 1;

        make_random_geometry();
        scatter(xyz, MANY, 4);
        for (int32_t i = 0; i < MANY; i++) {
            cg_correction p = correction_of((const_points)xyz, 0, MANY - 1, i);

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

START_TEST(threads_share_the_corrections)
{
    static const int32_t threads[] = { 2, 3, 32, 256 };

    for (int round = 0; round < 20; round++) {
        float xyz[MANY][3];
        int32_t first = (int32_t)below(MANY),
                last = first + (int32_t)below((uint32_t)(MANY - first));

        make_random_geometry();
        scatter(xyz, MANY, 4);
        for (int32_t i = first; i <= last; i++) {
            cg_correction want = correction_of((const_points)xyz, first, last, i);
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

/* Atoms after the last one are ignored: their pairs, their tests and their coordinates. */
START_TEST(later_atoms_are_ignored)
{
    float xyz[MANY][3], cut[MANY][3];

    make_random_geometry();
    scatter(xyz, MANY, 4);
    memcpy(cut, xyz, sizeof cut);
    for (int32_t i = 12; i < MANY; i++)
        for (int k = 0; k < 3; k++)
            cut[i][k] = NAN;
    for (int32_t i = 4; i <= 11; i++) {
        cg_correction p = correction_of((const_points)xyz, 4, 11, i),
                      q = correction_of((const_points)cut, 4, 11, i);

        ck_assert(!memcmp(&p, &q, sizeof p));
    }
}
END_TEST

/* Collinear or coincident atoms, which have no gradient, give finite displacements. */
START_TEST(degenerate_geometries_are_finite)
{
    static const float geometries[][4][3] = {
        { { 0 } },
        { { 0, 0, 0 }, { 1, 0, 0 }, { 2, 0, 0 }, { 3, 0, 0 } },
        { { 0, 0, 0 }, { 1, 0, 0 }, { 1, 0, 0 }, { 2, 1, 0 } },
        { { 0, 1, 0 }, { 0, 1, 0 }, { 1, 1, 0 }, { 1, 2, 1 } },
        { { 0, 0, 0 }, { 0, 0, 1.5f }, { 1.4f, 0, 2 }, { 1.4f, 0, 2 } },
        { { 0, 0, 0 }, { 1, 0, 0 }, { 2, 1e-6f, 0 }, { 3, 0, -1e-6f } },
    };

    for (int i = 0; i < 24; i++) {
        int kind = i % 4;

        make_geometry(4, 1);
        m.tests[0] = (cg_geometry_test) {
            .atom = { 0, 1, 2, kind == CG_TEST_ANGLE ? CG_NO_ATOM : 3 },
            .kind = kind,
            .low = kind == CG_TEST_ANGLE ? -INFINITY : 0.9f,
            .high = kind == CG_TEST_ANGLE ? -0.5f : INFINITY,
        };
        m.start[4] = 1;
        for (int32_t first = 0; first < 4; first++)
            for (int32_t a = first; a < 4; a++) {
                cg_correction p = correction_of((const_points)geometries[i / 4], first, 3, a);
                float displacement[3];

                cg_correction_displacement(&p, displacement);
                for (int k = 0; k < 3; k++)
                    ck_assert_msg(fabsf(displacement[k]) < 0.501f,
                                  "figure %d, kind %d, atom %d: %g", i / 4, kind, a,
                                  (double)displacement[k]);
            }
    }
}
END_TEST

START_TEST(displacements_are_bounded)
{
    const struct {
        cg_correction correction;
        float by[3];
    } moves[] = {
        { { { 0, 0, 0 }, 0, 0 }, { 0, 0, 0 } },
        { { { 0.1f, -0.2f, 0 }, 1, 1 }, { 0.15f, -0.3f, 0 } },
        { { { 0.1f, -0.2f, 0.04f }, 2, 0 }, { 0.075f, -0.15f, 0.03f } }, /* the mean */
        { { { 0, 0, 100 }, 3, 1 }, { 0, 0, 0.5f } },
        { { { -3e4f, 4e4f, 0 }, 1, 1 }, { -0.3f, 0.4f, 0 } },
    };

    for (int i = 0; i < 5; i++) {
        float displacement[3] = { NAN, NAN, NAN };

        cg_correction_displacement(&moves[i].correction, displacement);
        for (int k = 0; k < 3; k++)
            ck_assert_msg(fabsf(displacement[k] - moves[i].by[k]) < 1e-6f, "move %d, axis %d: %.6f",
                          i, k, (double)displacement[k]);
    }
}
END_TEST

START_TEST(the_last_level_moves_all_atoms)
{
    for (int32_t atom = 0; atom < 4096; atom += 1 + atom / 50) {
        ck_assert_int_eq(cg_relaxation_first_atom(atom, 0), atom); /* only the last one */
        for (int32_t level = 1; level < CG_RELAXATION_LEVELS; level++) {
            int32_t first = cg_relaxation_first_atom(atom, level),
                    before = cg_relaxation_first_atom(atom, level - 1);

            ck_assert(first >= 0 && (first < before || !before));
        }
        ck_assert_int_eq(cg_relaxation_first_atom(atom, CG_RELAXATION_LEVELS - 1), 0);
    }
}
END_TEST

/* ---- convergence ----------------------------------------------------------------------------
 */

/* Relaxes as the executors do. @return the number of iterations; -1 if it did not converge */
static int relax(float (*xyz)[3], int32_t first, int32_t last)
{
    float displacement[MANY][3];

    for (int iteration = 0; iteration < cg_relaxation_iterations(0, 0); iteration++) {
        int unsatisfied = 0;

        for (int32_t i = first; i <= last; i++) {
            cg_correction correction = correction_of((const_points)xyz, first, last, i);

            cg_correction_displacement(&correction, displacement[i]);
            unsatisfied |= correction.unsatisfied;
        }
        if (!unsatisfied)
            return iteration;
        for (int32_t i = first; i <= last; i++)
            for (int k = 0; k < 3; k++)
                xyz[i][k] += displacement[i][k];
    }
    return -1;
}

/* If atoms are `wrong`, they are corrected; then all pass, even rounded to three decimals. */
static int expect_relaxed(float (*xyz)[3], int32_t first, int32_t last, int wrong)
{
    int32_t faults = 0;
    int iterations;

    for (int32_t i = first; i <= last; i++)
        faults += cg_geometry_test_atom(&m.g, (const_points)xyz, i, 0, 1) != CG_FAULT_NONE;
    ck_assert_int_eq(faults > 0, wrong);
    iterations = relax(xyz, first, last);
    ck_assert_msg(iterations >= 0, "not converged");
    ck_assert_int_eq(iterations > 0, wrong);
    for (int32_t i = first; i <= last; i++)
        for (int k = 0; k < 3; k++)
            xyz[i][k] = roundf(xyz[i][k] * 1e3f) / 1e3f;
    for (int32_t i = first; i <= last; i++) {
        int32_t fault = cg_geometry_test_atom(&m.g, (const_points)xyz, i, 0, 1);

        ck_assert_msg(fault == CG_FAULT_NONE, "atom %d after %d iterations: %s to atom %d", i,
                      iterations, cg_fault_cause_name((cg_fault_cause)CG_FAULT_CAUSE(fault)),
                      CG_FAULT_ATOM(fault));
    }
    return iterations;
}

START_TEST(bonds_are_corrected)
{
    static const float at[] = { 0, 1e-6f, 0.1f, 0.9f, 1.39f, 1.71f, 2.5f, 20 };

    for (int i = 0; i < 8; i++)
        for (int32_t first = 0; first < 2; first++) {
            float xyz[2][3] = { { 1, 2, 3 }, { 1, 2, 3 + at[i] } };

            make_geometry(2, 0);
            set_bounds(1, 0, 1.4f, 1.7f, CG_CAUSE_BOND);
            expect_relaxed(xyz, first, 1, 1);
            ck_assert(first == 0 || (xyz[0][0] == 1 && xyz[0][1] == 2 && xyz[0][2] == 3));
        }
}
END_TEST

/* Coincident atoms separate. */
START_TEST(coincident_atoms_separate)
{
    for (int32_t n = 2; n <= 4; n++) {
        float xyz[4][3] = { { 0 } };

        make_geometry(n, 0);
        for (int32_t i = 1; i < n; i++)
            for (int32_t j = 0; j < i; j++)
                set_bounds(i, j, 2, 9, CG_CAUSE_CLASH);
        expect_relaxed(xyz, 0, n - 1, 1);
    }
}
END_TEST

static void copy_atoms(float (*xyz)[3], const float (*from)[3], int n)
{
    memcpy(xyz, from, (size_t)n * sizeof *xyz);
}

/* A stereocentre, atom 0, and its neighbours at the corners of a tetrahedron. */
static const float corners[5][3] = {
    { 0, 0, 0 },
    { 0.88f, 0.88f, 0.88f },
    { 0.88f, -0.88f, -0.88f },
    { -0.88f, 0.88f, -0.88f },
    { -0.88f, -0.88f, 0.88f },
};

static void make_centre(int32_t n, int sign)
{
    /* triples of neighbours; their volumes at the corners alternate in sign */
    static const int32_t three[4][3] = { { 1, 2, 3 }, { 1, 2, 4 }, { 1, 3, 4 }, { 2, 3, 4 } };
    static const int corner_sign[4] = { 1, -1, 1, -1 };

    make_geometry(n, n == 5 ? 4 : 1);
    for (int32_t i = 1; i < n; i++)
        for (int32_t j = 0; j < i; j++)
            set_bounds(i, j, j ? 2.1f : 1.38f, j ? 2.85f : 1.68f,
                       j ? CG_CAUSE_ANGLE : CG_CAUSE_BOND);
    for (int t = 0; t < m.g.n_tests; t++) {
        int positive = corner_sign[t] * sign > 0;

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

/* Three neighbours: the last one moves through the plane of the others. */
START_TEST(a_wrong_configuration_is_inverted)
{
    float xyz[5][3], to[3];
    int sign;

    make_centre(4, 1);
    copy_atoms(xyz, corners, 4);
    sign = cg_geometry_test_atom(&m.g, (const_points)xyz, 3, 0, 1) == CG_FAULT_NONE ? 1 : -1;
    make_centre(4, sign);
    expect_relaxed(xyz, 3, 3, 0);
    copy_atoms(xyz, corners, 4);
    make_centre(4, -sign);
    expect_relaxed(xyz, 3, 3, 1);
    ck_assert(!memcmp(xyz, corners, 3 * sizeof *xyz));
    /* four neighbours: the last one, near the third, moves to the free corner */
    make_centre(5, sign);
    copy_atoms(xyz, corners, 5);
    expect_relaxed(xyz, 4, 4, 0);
    memcpy(to, xyz[3], sizeof to);
    xyz[4][0] = to[0] + 0.3f;
    xyz[4][1] = to[1] - 0.1f;
    xyz[4][2] = to[2] + 0.2f;
    expect_relaxed(xyz, 4, 4, 1);
    for (int k = 0; k < 3; k++)
        ck_assert_float_eq_tol(xyz[4][k], corners[4][k], 0.6f);
    /* a mirror image with a fixed centre: all four neighbours move */
    for (int round = 0; round < 50; round++) {
        copy_atoms(xyz, corners, 5);
        for (int i = 1; i < 5; i++)
            for (int k = 0; k < 3; k++)
                xyz[i][k] += uniform(-0.15f, 0.15f);
        make_centre(5, -sign);
        expect_relaxed(xyz, 1, 4, 1);
    }
}
END_TEST

/* Atoms 0-1=2-3 with a torsion of `angle`. */
static void set_torsion(float (*xyz)[3], double angle)
{
    const float at[4][3] = { { -0.67f, 1.17f, 0 },
                             { 0, 0, 0 },
                             { 1.33f, 0, 0 },
                             { 2, 1.17f * (float)cos(angle), 1.17f * (float)sin(angle) } };

    copy_atoms(xyz, at, 4);
}

/* Targets are 0.6 of the largest angle and twice the volume bound; 0.8 and 1.5 satisfy. */
START_TEST(targets_are_inside_the_range)
{
    static const float volumes[] = { 0.7f, 0.8f, 1.1f }, shares[] = { 0.85f, 0.75f, 0.5f };

    for (int i = 0; i < 3; i++)
        for (int figure = 0; figure < 10; figure++) {
            double most = acos(0.9), angle = (double)shares[i] * most;
            float xyz[4][3] = { { 0, 0, 0 }, { 1, 0, 0 }, { 0, 1, 0 }, { 0, 0, 0 } };
            int other = figure % 2;
            cg_geometry_test *t;
            cg_correction p;

            make_geometry(4, 1);
            m.start[4] = 1;
            t = m.tests;
            *t = (cg_geometry_test) { .atom = { 0, 1, 2, 3 }, .low = -INFINITY, .high = INFINITY };
            if (figure < 2) { /* volume of either sign */
                xyz[3][2] = other ? -volumes[i] : volumes[i];
                *(other ? &t->high : &t->low) = other ? -0.5f : 0.5f;
            } else { /* cis, trans, flat both ways; torsions of either sign */
                int trans = figure / 2 % 2;

                t->kind = figure < 6 ? CG_TEST_TORSION : CG_TEST_FLAT;
                if (figure >= 6)
                    t->low = 0.81f;
                else
                    *(trans ? &t->high : &t->low) = trans ? -0.9f : 0.9f;
                set_torsion(xyz, (trans ? pi : 0) + (other ? -angle : angle));
            }
            p = correction_of((const_points)xyz, 3, 3, 3);
            ck_assert_msg(p.n == (i < 2) && p.unsatisfied == (i < 1),
                          "figure %d, %d: %d, unsatisfied %d", figure, i, p.n, p.unsatisfied);
        }
}
END_TEST

static void make_double_bond(int32_t kind, float low, float high)
{
    make_geometry(4, 1);
    set_bounds(1, 0, 1.2f, 1.5f, CG_CAUSE_BOND);
    set_bounds(2, 1, 1.18f, 1.48f, CG_CAUSE_BOND);
    set_bounds(3, 2, 1.2f, 1.5f, CG_CAUSE_BOND);
    set_bounds(2, 0, 2, 2.7f, CG_CAUSE_ANGLE);
    set_bounds(3, 1, 2, 2.7f, CG_CAUSE_ANGLE);
    set_bounds(3, 0, 2, 4.5f, CG_CAUSE_CLASH);
    m.tests[0] = (cg_geometry_test) {
        .atom = { 0, 1, 2, 3 }, .kind = kind, .cause = CG_CAUSE_DOUBLE, .low = low, .high = high
    };
    m.start[4] = 1;
}

/* From any angle, moving the last atom or the last two. */
START_TEST(double_bonds_are_rotated)
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
                set_torsion(xyz, degrees * pi / 180);
                copy_atoms(before, (const_points)xyz, 4);
                fault = cg_geometry_test_atom(&m.g, (const_points)xyz, 3, 0, 1);
                if (fault == CG_FAULT_NONE)
                    continue;
                ck_assert_msg(relax(xyz, first, 3) > 0, "kind %d, %d degrees, first %d", i, degrees,
                              first);
                ck_assert(!memcmp(xyz, before, (size_t)first * sizeof *xyz));
                ck_assert_int_eq(cg_geometry_test_atom(&m.g, (const_points)xyz, 3, 0, 1),
                                 CG_FAULT_NONE);
                if (bonds[i].kind != CG_TEST_FLAT)
                    continue;
                /* the nearer of cis and trans */
                set_torsion(before, degrees * pi / 180);
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

/* A chair is flattened. */
START_TEST(rings_are_flattened)
{
    for (int32_t first = 0; first < 4; first++) {
        float xyz[6][3];

        make_geometry(6, 6);
        for (int32_t i = 0; i < 6; i++) {
            xyz[i][0] = 1.4f * (float)cos(i * pi / 3);
            xyz[i][1] = 1.4f * (float)sin(i * pi / 3);
            /* fixed atoms are flat, otherwise there is no valid position for the others */
            xyz[i][2] = i < first ? 0 : i % 2 ? 0.35f : -0.35f;
            for (int32_t j = 0; j < i; j++) {
                int steps = i - j < 4 ? i - j : 6 - i + j;
                float apart = (float[]) { 0, 1.4f, 2.42f, 2.8f }[steps];
                float wide = steps == 1 ? 0.15f : 0.35f;

                set_bounds(i, j, apart - wide, apart + wide,
                           steps == 1   ? CG_CAUSE_BOND
                           : steps == 2 ? CG_CAUSE_ANGLE
                                        : CG_CAUSE_CLASH);
            }
        }
        /* atom 3 completes the first test, atoms 4 and 5 the others */
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
        expect_relaxed(xyz, first, 5, 1);
    }
}
END_TEST

/* Atoms 0-1-2 of bonds 1.1 to 1.5 Å and an angle test; 1-3 distances as in the tables of CO2. */
static void make_angle(float low, float high)
{
    make_geometry(3, 1);
    set_bounds(1, 0, 1.1f, 1.5f, CG_CAUSE_BOND);
    set_bounds(2, 1, 1.1f, 1.5f, CG_CAUSE_BOND);
    set_bounds(2, 0, 0.9f, 2.9f, CG_CAUSE_ANGLE);
    m.tests[0] = (cg_geometry_test) {
        .atom = { 0, 1, 2, CG_NO_ATOM },
        .kind = CG_TEST_ANGLE,
        .cause = CG_CAUSE_ANGLE,
        .low = high < 180 ? (float)cos((double)high * pi / 180) : -INFINITY,
        .high = (float)cos((double)low * pi / 180),
    };
    m.start[3] = 1;
}

/* Any order of the atoms in the text; the last atom moves (unless it is the centre), or the last
 * two, or all. */
START_TEST(angles_are_straightened_and_bent)
{
    static const int32_t orders[3][3] = { { 0, 1, 2 }, { 1, 0, 2 }, { 0, 2, 1 } };

    for (int linear = 0; linear < 2; linear++)
        for (int degrees = 0; degrees <= 180; degrees += 2)
            for (int o = 0; o < 3; o++)
                for (int32_t first = 0; first < (o == 2 ? 2 : 3); first++) {
                    float a = (float)degrees * 3.14159265f / 180, xyz[3][3] = { { 0 } };
                    int32_t fault;

                    make_angle(linear ? 161 : 101, linear ? 180 : 144);
                    xyz[orders[o][0]][0] = 1.3f;
                    xyz[orders[o][2]][0] = 1.2f * cosf(a);
                    xyz[orders[o][2]][1] = 1.2f * sinf(a);
                    memcpy(m.tests[0].atom, orders[o], sizeof orders[o]);
                    for (int i = 1; i < 3; i++)
                        for (int j = 0; j < i; j++) {
                            int centre = i == orders[o][1] || j == orders[o][1];

                            set_bounds(i, j, centre ? 1.1f : 0.9f, centre ? 1.5f : 2.9f,
                                       centre ? CG_CAUSE_BOND : CG_CAUSE_ANGLE);
                        }
                    fault = cg_geometry_test_atom(&m.g, (const_points)xyz, 2, 0, 1);
                    if (fault == CG_FAULT_NONE)
                        continue;
                    ck_assert_msg(relax(xyz, first, 2) > 0, "%d degrees, order %d, first %d",
                                  degrees, o, first);
                    ck_assert_int_eq(cg_geometry_test_atom(&m.g, (const_points)xyz, 2, 0, 1),
                                     CG_FAULT_NONE);
                }
}
END_TEST

/* A straight C=C-C is bent, and the double bond keeps or gets its configuration. */
START_TEST(straight_ends_of_double_bonds_are_bent)
{
    for (int trans = 0; trans < 2; trans++)
        for (int32_t first = 2; first < 4; first++) {
            float xyz[4][3];

            make_geometry(4, 3);
            set_bounds(1, 0, 1.2f, 1.6f, CG_CAUSE_BOND);
            set_bounds(2, 1, 1.15f, 1.5f, CG_CAUSE_BOND);
            set_bounds(3, 2, 1.2f, 1.6f, CG_CAUSE_BOND);
            set_bounds(2, 0, 2, 2.9f, CG_CAUSE_ANGLE);
            set_bounds(3, 1, 2, 2.9f, CG_CAUSE_ANGLE);
            set_bounds(3, 0, 2, 4.5f, CG_CAUSE_CLASH);
            for (int i = 0; i < 2; i++)
                m.tests[i] = (cg_geometry_test) { .atom = { i, i + 1, i + 2, CG_NO_ATOM },
                                                  .kind = CG_TEST_ANGLE,
                                                  .cause = CG_CAUSE_ANGLE,
                                                  .low = -0.81f,
                                                  .high = -0.19f };
            m.tests[2] = (cg_geometry_test) { .atom = { 0, 1, 2, 3 },
                                              .kind = CG_TEST_TORSION,
                                              .cause = CG_CAUSE_DOUBLE,
                                              .low = trans ? -INFINITY : 0.9f,
                                              .high = trans ? -0.9f : INFINITY };
            m.start[3] = 1;
            m.start[4] = 3;
            set_torsion(xyz, 0.3);
            memcpy(xyz[3], (float[]) { 2.7f, 0, 0 }, sizeof xyz[3]);
            expect_relaxed(xyz, first, 3, 1);
        }
}
END_TEST

/* A trigonal atom and three neighbours; the centre or a neighbour comes last. */
START_TEST(pyramids_are_flattened)
{
    for (int32_t centre = 0; centre < 4; centre += 3)
        for (int32_t first = 0; first < 4; first++)
            for (int side = -1; side <= 1; side += 2) {
                float xyz[4][3];
                int32_t around[3], n = 0;

                make_geometry(4, 1);
                for (int32_t i = 0; i < 4; i++)
                    if (i != centre)
                        around[n++] = i;
                for (int k = 0; k < 3; k++)
                    xyz[centre][k] = 0;
                for (int i = 0; i < 3; i++) {
                    float *p = xyz[around[i]];

                    p[0] = 1.35f * (float)cos(2 * pi / 3 * i);
                    p[1] = 1.35f * (float)sin(2 * pi / 3 * i);
                    p[2] = 0.55f * (float)side;
                }
                for (int32_t i = 1; i < 4; i++)
                    for (int32_t j = 0; j < i; j++) {
                        int bond = i == centre || j == centre;

                        set_bounds(i, j, bond ? 1.3f : 2, bond ? 1.7f : 2.9f,
                                   bond ? CG_CAUSE_BOND : CG_CAUSE_ANGLE);
                    }
                m.tests[0] = (cg_geometry_test) {
                    .atom = { centre, around[0], around[1], around[2] },
                    .kind = CG_TEST_VOLUME,
                    .cause = CG_CAUSE_ANGLE,
                    .low = -1.5f,
                    .high = 1.5f,
                };
                m.start[4] = 1;
                expect_relaxed(xyz, first, 3, 1);
            }
}
END_TEST

/* An atom well within all its ranges gets no correction. */
START_TEST(a_satisfied_atom_is_not_moved)
{
    float xyz[5][3], displacement[3];

    for (int figure = 0; figure < 3; figure++) {
        int32_t n = figure ? 4 : 5;

        if (figure == 0) {
            make_centre(5, 1);
            copy_atoms(xyz, corners, 5);
            if (cg_geometry_test_atom(&m.g, (const_points)xyz, 4, 0, 1) != CG_FAULT_NONE)
                make_centre(5, -1);
        } else {
            make_double_bond(figure == 1 ? CG_TEST_FLAT : CG_TEST_TORSION, 0.9f, INFINITY);
            set_torsion(xyz, 0.1);
        }
        for (int32_t first = 0; first < n; first++)
            for (int32_t i = first; i < n; i++) {
                cg_correction p = correction_of((const_points)xyz, first, n - 1, i);

                ck_assert_msg(p.n == 0 && p.unsatisfied == 0, "figure %d, atom %d: %d, %d", figure,
                              i, p.n, p.unsatisfied);
                cg_correction_displacement(&p, displacement);
                ck_assert(displacement[0] == 0 && displacement[1] == 0 && displacement[2] == 0);
            }
    }
    make_geometry(2, 0); /* no bounds: any position is valid, even a coincident one */
    for (int i = 0; i < 6; i++)
        ((float *)xyz)[i] = i < 3 ? 0 : 0.05f;
    ck_assert_int_eq(correction_of((const_points)xyz, 1, 1, 1).n, 0);
}
END_TEST

/*
 * A mirrored conformer: atom 2, which the relaxation moves back to where it was sampled, is not its
 * image, so the text changes from it on; a conformer that is its image keeps the text.
 */
START_TEST(a_mirrored_conformer_is_accepted)
{
    const cg_number_format decimals = { .kind = CG_NUMBER_DECIMAL,
                                        .max_integer_digits = 2,
                                        .decimals = 1 },
                           bins = { .kind = CG_NUMBER_BIN };
    const cg_relaxation_start start = { .level = 1, .origin = CG_ORIGIN_MIRRORED };
    const float sampled[4][3] = {
        { 0, 0, 0 }, { 1.5f, 0, 0 }, { 2, 1.4f, 0.1f }, { -0.5f, -0.7f, 1.2f }
    };
    float after[4][3], before[4][3];
    cg_sequence seq = { .n_tokens = 1 };
    cg_repair_counts counts = { .moved = 0 };

    memcpy(before, sampled, sizeof before);
    memcpy(after, sampled, sizeof after);
    after[3][2] = -1.2f;
    ck_assert_int_eq(
        cg_relaxation_accept(&start, &decimals, 3, before, (const_points)after, &seq, &counts), 2);
    ck_assert_int_eq(seq.is_mirrored, 1);
    ck_assert_float_eq(before[2][2], -0.1f);
    ck_assert_int_eq(counts.moved, 1);

    memcpy(before, sampled, sizeof before);
    after[2][2] = -0.1f;
    ck_assert_int_eq(
        cg_relaxation_accept(&start, &decimals, 3, before, (const_points)after, &seq, &counts), 4);
    ck_assert_int_eq(seq.is_mirrored, 0);
    ck_assert_int_eq(counts.moved, 3);

    memcpy(before, sampled, sizeof before);
    ck_assert_int_eq(
        cg_relaxation_accept(&start, &bins, 3, before, (const_points)after, &seq, &counts), 2);
    ck_assert_int_eq(seq.is_mirrored, 0);
    ck_assert_float_eq(before[2][2], 0.1f);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("relaxation");
    TCase *tc = tcase_create("corrections"), *convergence = tcase_create("convergence");
    SRunner *sr;
    int failed;

    tcase_add_loop_test(tc, a_test_corrects_along_its_gradient, CG_TEST_VOLUME, CG_TEST_ANGLE + 1);
    tcase_add_test(tc, a_pair_is_corrected_by_its_miss);
    tcase_add_test(tc, corrections_rotate_with_the_atoms);
    tcase_add_test(tc, corrections_cancel);
    tcase_add_test(tc, threads_share_the_corrections);
    tcase_add_test(tc, later_atoms_are_ignored);
    tcase_add_test(tc, targets_are_inside_the_range);
    tcase_add_test(tc, a_satisfied_atom_is_not_moved);
    tcase_add_test(tc, degenerate_geometries_are_finite);
    tcase_add_test(tc, displacements_are_bounded);
    tcase_add_test(tc, the_last_level_moves_all_atoms);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    tcase_add_test(convergence, bonds_are_corrected);
    tcase_add_test(convergence, coincident_atoms_separate);
    tcase_add_test(convergence, a_wrong_configuration_is_inverted);
    tcase_add_test(convergence, double_bonds_are_rotated);
    tcase_add_test(convergence, rings_are_flattened);
    tcase_add_test(convergence, angles_are_straightened_and_bent);
    tcase_add_test(convergence, a_mirrored_conformer_is_accepted);
    tcase_add_test(convergence, straight_ends_of_double_bonds_are_bent);
    tcase_add_test(convergence, pyramids_are_flattened);
    tcase_set_timeout(convergence, 60);
    suite_add_tcase(s, convergence);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    free(m.memory);
    return failed != 0;
}
