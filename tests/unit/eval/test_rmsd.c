/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/rmsd.h"
#include "eval/rmsd_kernel.h"

enum { MAX_ATOMS = 40, MAX_CONFORMERS = 48 };

/* ---- random input ----------------------------------------------------------------------- */

static uint64_t state;

static double uniform(void) /* [0, 1) */
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (double)(state >> 11) * 0x1p-53;
}

static size_t below(size_t n)
{
    return (size_t)(uniform() * (double)n);
}

static double normal(void)
{
    double sum = -6;

    for (int i = 0; i < 12; i++)
        sum += uniform();
    return sum;
}

/* A rotation by a random quaternion. */
static void make_rotation(double r[3][3])
{
    double w = normal(), x = normal(), y = normal(), z = normal();
    double s = 2 / (w * w + x * x + y * y + z * z);

    memcpy(r,
           (double[3][3]) { { 1 - s * (y * y + z * z), s * (x * y - z * w), s * (x * z + y * w) },
                            { s * (x * y + z * w), 1 - s * (x * x + z * z), s * (y * z - x * w) },
                            { s * (x * z - y * w), s * (y * z + x * w), 1 - s * (x * x + y * y) } },
           sizeof(double[3][3]));
}

/* `from` rotated and translated at random, with noise of that standard deviation added. */
static void move(const float (*from)[3], size_t n, double noise, float (*to)[3])
{
    double r[3][3], shift[3] = { 5 * normal(), 5 * normal(), 5 * normal() };

    make_rotation(r);
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < 3; k++)
            to[i][k] = (float)(r[k][0] * (double)from[i][0] + r[k][1] * (double)from[i][1] +
                               r[k][2] * (double)from[i][2] + shift[k] + noise * normal());
}

enum shape { SOLID, FLAT, LINE, POINT, SYMMETRIC, SHAPES };

static void make_shape(enum shape shape, size_t n, float (*xyz)[3])
{
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < 3; k++) {
            double v = 3 * normal();

            if ((shape == FLAT && k == 2) || (shape == LINE && k > 0) || shape == POINT)
                v = 0;
            if (shape == SYMMETRIC) /* corners of a cube */
                v = (i >> k & 1) ? 1 : -1;
            xyz[i][k] = (float)v;
        }
}

/* n_maps permutations, the first of them the identity; not a group. */
static cg_symmetry make_maps(size_t n_atoms, size_t n_maps, size_t n_moved)
{
    cg_symmetry s = { n_atoms, n_maps, calloc(n_maps * n_atoms, sizeof *s.maps), 0 };

    for (size_t m = 0; m < n_maps; m++) {
        uint16_t *map = s.maps + m * n_atoms;

        for (size_t i = 0; i < n_atoms; i++)
            map[i] = (uint16_t)i;
        for (size_t i = 0; m && i < n_moved; i++) {
            size_t a = below(n_moved), b = below(n_moved);
            uint16_t t = map[a];

            map[a] = map[b];
            map[b] = t;
        }
    }
    return s;
}

/* ---- independent computation ------------------------------------------------------- */

/*
 * Largest trace of R M over rotations R: rotates about each axis by the best angle until the trace
 * no longer grows. Stationary points that are not maxima are saddles; several starts avoid them.
 */
static double best_trace(const double given[3][3])
{
    double best = -INFINITY;

    for (int start = 0; start < 8; start++) {
        double m[3][3], r[3][3], trace = 0, before = -INFINITY;

        make_rotation(r);
        for (int i = 0; i < 3; i++)
            for (int j = 0; j < 3; j++)
                m[i][j] = r[i][0] * given[0][j] + r[i][1] * given[1][j] + r[i][2] * given[2][j];
        for (int sweep = 0; sweep < 400 && trace > before; sweep++) {
            before = sweep ? trace : before;
            for (int p = 0; p < 3; p++) {
                int q = (p + 1) % 3;
                double angle = atan2(m[p][q] - m[q][p], m[p][p] + m[q][q]);
                double c = cos(angle), s = sin(angle);

                for (int k = 0; k < 3; k++) {
                    double a = m[p][k], b = m[q][k];

                    m[p][k] = c * a - s * b;
                    m[q][k] = s * a + c * b;
                }
            }
            trace = m[0][0] + m[1][1] + m[2][2];
            best = trace > best ? trace : best;
        }
    }
    return best;
}

static double slow_rmsd(const float (*a)[3], const float (*b)[3], size_t n, const cg_symmetry *s)
{
    double best = INFINITY;

    for (size_t m = 0; m < s->n_maps; m++) {
        double ca[3] = { 0 }, cb[3] = { 0 }, products[3][3] = { { 0 } }, squares = 0, d;

        for (size_t i = 0; i < n; i++)
            for (int k = 0; k < 3; k++) {
                ca[k] += (double)a[i][k] / (double)n;
                cb[k] += (double)b[i][k] / (double)n;
            }
        for (size_t i = 0; i < n; i++)
            for (int k = 0; k < 3; k++) {
                double x = (double)a[s->maps[m * n + i]][k] - ca[k];
                double y = (double)b[i][k] - cb[k];

                squares += x * x + y * y;
                for (int l = 0; l < 3; l++)
                    products[k][l] += x * ((double)b[i][l] - cb[l]);
            }
        d = squares - 2 * best_trace((const double(*)[3])products);
        best = d < best ? d : best;
    }
    return sqrt((best > 0 ? best : 0) / (double)n);
}

static cg_rmsd_set *make_set(const float (*xyz)[3], size_t n, size_t n_atoms)
{
    cg_error err = CG_ERROR_INIT;
    cg_rmsd_set *set = NULL;

    ck_assert_msg(cg_rmsd_set_create(xyz, n, n_atoms, &set, &err) == CG_OK, "%s", err.msg);
    return set;
}

static void matrix(const float (*a)[3], size_t na, const float (*b)[3], size_t nb, size_t n_atoms,
                   const cg_symmetry *s, float *ret)
{
    cg_rmsd_set *sa = make_set(a, na, n_atoms), *sb = make_set(b, nb, n_atoms);
    cg_error err = CG_ERROR_INIT;

    ck_assert_msg(cg_rmsd_matrix(sa, sb, s, ret, &err) == CG_OK, "%s", err.msg);
    cg_rmsd_set_destroy(sa);
    cg_rmsd_set_destroy(sb);
}

/* ---- tests ------------------------------------------------------------------------------- */

START_TEST(two_points)
{
    static const float a[2][3] = { { 0, 0, 0 }, { 1, 0, 0 } };
    static const float b[2][3] = { { 5, 1, 1 }, { 5, 1, 3 } };
    cg_symmetry s = make_maps(2, 1, 0);
    float d = -1;

    matrix(a, 1, b, 1, 2, &s, &d);
    ck_assert_double_eq_tol((double)d, 0.5, 1e-7);
    cg_symmetry_finish(&s);
}
END_TEST

START_TEST(mirror_image_is_another_conformer)
{
    static const float a[4][3] = { { 0, 0, 0 }, { 1, 0, 0 }, { 0, 2, 0 }, { 0, 0, 3 } };
    static const float b[4][3] = { { 0, 0, 0 }, { 1, 0, 0 }, { 0, 2, 0 }, { 0, 0, -3 } };
    cg_symmetry s = make_maps(4, 1, 0);
    float d = -1;

    matrix(a, 1, b, 1, 4, &s, &d);
    ck_assert_double_eq_tol((double)d, slow_rmsd(a, b, 4, &s), 1e-6);
    ck_assert_double_gt((double)d, 0.4);
    cg_symmetry_finish(&s);
}
END_TEST

/* Solid, flat, linear and pointlike shapes; copies, near copies, mirror images, any maps. */
START_TEST(matrix_is_right)
{
    static float a[10 * MAX_ATOMS][3], b[10 * MAX_ATOMS][3];
    enum { NA = 4, NB = 10 };
    float d[NA * NB];

    state = (uint64_t)_i * 77 + 5;
    for (size_t n = 1; n <= 12; n++) {
        cg_symmetry s = make_maps(n, 1 + below(12), n < 2 ? 0 : 1 + below(n));

        for (size_t i = 0; i < NA; i++)
            make_shape((enum shape)_i, n, a + i * n);
        for (size_t i = 0; i < NB; i++) {
            const float(*from)[3] = (const float(*)[3])(a + below(NA) * n);
            const uint16_t *map = s.maps + below(s.n_maps) * n;

            move(from, n, (double[]) { 0, 1e-4, 0.01, 1 }[i % 4], b + i * n);
            if (i == 5)
                for (size_t k = 0; k < n; k++)
                    b[i * n + k][2] = -b[i * n + k][2];
            if (i == 6)
                for (size_t k = 0; k < n; k++)
                    memcpy(b[i * n + k], from[map[k]], sizeof b[0]);
            if (i == 7)
                make_shape(SOLID, n, b + i * n);
            if (i == 8)
                make_shape(POINT, n, b + i * n);
        }
        matrix((const float(*)[3])a, NA, (const float(*)[3])b, NB, n, &s, d);
        for (size_t i = 0; i < NA; i++)
            for (size_t j = 0; j < NB; j++) {
                double want = slow_rmsd((const float(*)[3])(a + i * n),
                                        (const float(*)[3])(b + j * n), n, &s);

                ck_assert_msg(fabs((double)d[i * NB + j] - want) < 2e-5,
                              "shape %d, %zu atoms, %zu maps, pair %zu %zu: %g, wanted %g", _i, n,
                              s.n_maps, i, j, (double)d[i * NB + j], want);
            }
        cg_symmetry_finish(&s);
    }
}
END_TEST

START_TEST(copies_are_at_zero)
{
    static float a[MAX_ATOMS][3], b[MAX_ATOMS][3];
    cg_symmetry s = make_maps(MAX_ATOMS, 1, 0);
    float d;

    state = (uint64_t)_i;
    make_shape((enum shape)(_i % SHAPES), MAX_ATOMS, a);
    memcpy(b, a, sizeof b);
    matrix((const float(*)[3])a, 1, (const float(*)[3])b, 1, MAX_ATOMS, &s, &d);
    ck_assert_double_lt((double)d, 1e-6);
    move((const float(*)[3])a, MAX_ATOMS, 0, b);
    matrix((const float(*)[3])a, 1, (const float(*)[3])b, 1, MAX_ATOMS, &s, &d);
    ck_assert_double_lt((double)d, 5e-6); /* b is rounded to float some ångström from 0 */
    cg_symmetry_finish(&s);
}
END_TEST

/* Sizes far outside the range of molecules. */
START_TEST(extreme_sizes_are_compared)
{
    static const double scales[] = { 1e-30, 1e-3, 1, 1e3, 1e15, 3e37 };
    static float a[6 * 5][3], unit[5][3];
    cg_symmetry s = make_maps(5, 3, 4);
    float d[36];

    state = 3;
    make_shape(SOLID, 5, unit);
    for (size_t i = 0; i < 6; i++)
        for (int k = 0; k < 15; k++)
            a[i * 5 + (size_t)k / 3][k % 3] = (float)(scales[i] / 10 * (double)unit[k / 3][k % 3]);
    matrix((const float(*)[3])a, 6, (const float(*)[3])a, 6, 5, &s, d);
    for (size_t i = 0; i < 6; i++)
        for (size_t j = 0; j < 6; j++) {
            double large = scales[i > j ? i : j];

            ck_assert(isfinite(d[i * 6 + j]));
            ck_assert_double_le((double)d[i * 6 + j], (i == j ? 1e-6 : 2) * large);
            ck_assert(i == j || (double)d[i * 6 + j] > 0.01 * large);
        }
    cg_symmetry_finish(&s);
}
END_TEST

/* All kernels of this processor give the same bits, independent of lane and neighbouring lanes. */
START_TEST(kernels_agree_to_the_bit)
{
    enum { N = 17, BLOCK = N * 3 * CG_RMSD_LANES };
    static _Alignas(64) double b[BLOCK], threshold[CG_RMSD_LANES], singular[3 * CG_RMSD_LANES];
    static _Alignas(64) double level[N * CG_RMSD_PRODUCTS * CG_RMSD_LANES];
    static _Alignas(64) double best[4][CG_RMSD_LANES], bounds[4][CG_RMSD_LANES];
    static _Alignas(64) double norm[CG_RMSD_LANES], msd[CG_RMSD_LANES];
    double a[N * 3];
    cg_rmsd_plan plan = { 0 };
    int possible[4] = { 0 };

    state = (uint64_t)_i + 1;
    for (int round = 0; round < 40; round++) {
        cg_symmetry s = make_maps(N, 1 + below(30), 6);
        int n = 0;

        ck_assert_int_eq(cg_rmsd_plan_init(&s, s.n_maps, &plan, NULL), CG_OK);
        ck_assert_uint_le(plan.n_levels, N);
        for (int i = 0; i < N * 3; i++)
            a[i] = normal() / sqrt(3.0 * N) * (round % 5 == 0 && i % 3 == 2 ? 1e-9 : 1);
        for (int i = 0; i < BLOCK; i++)
            b[i] = normal() / sqrt(3.0 * N) * (round % 7 == 0 && i / 8 % 3 ? 1e-12 : 1);
        for (int l = 0; l < CG_RMSD_LANES; l++) {
            threshold[l] = round % 2 ? CG_RMSD_NO_LAMBDA : uniform() - 0.3;
            norm[l] = 10 + uniform();
            msd[l] = 50 * uniform();
            for (int k = 0; k < 3; k++)
                singular[k * CG_RMSD_LANES + l] = 0.5 * uniform();
        }
        for (const cg_rmsd_kernel *k; (k = cg_rmsd_kernel_get(n)) != NULL; n++) {
            cg_rmsd_block block = { &plan, a, b, threshold, level, best[n] };
            cg_rmsd_bound bound = { 10.5, { 0.7, 0.5, 0.4 }, 20, norm, singular, msd, bounds[n] };

            k->run(&block);
            possible[n] = k->bound(&bound);
            ck_assert_msg(!memcmp(best[n], best[0], sizeof best[0]), "%s differs", k->name);
            ck_assert_msg(!memcmp(bounds[n], bounds[0], sizeof bounds[0]), "%s differs", k->name);
            ck_assert_int_eq(possible[n], possible[0]);
        }
        ck_assert_int_ge(n, 1);
        cg_rmsd_plan_finish(&plan);
        cg_symmetry_finish(&s);
    }
}
END_TEST

/* Every map occurs once, with all its pairs. */
START_TEST(plans_hold_all_maps)
{
    state = (uint64_t)_i;
    for (int round = 0; round < 50; round++) {
        size_t n = 1 + below(MAX_ATOMS), leaves = 0;
        cg_symmetry s = make_maps(n, 1 + below(60), below(n + 1));
        cg_rmsd_plan p = { 0 };
        uint16_t(*levels)[MAX_ATOMS], (*maps)[MAX_ATOMS];

        ck_assert_int_eq(cg_rmsd_plan_init(&s, s.n_maps, &p, NULL), CG_OK);
        levels = calloc(p.n_levels + 1, sizeof *levels);
        maps = calloc(s.n_maps, sizeof *maps);
        for (size_t k = 0; k < p.n_steps; k++) {
            const cg_rmsd_step *step = &p.steps[k];
            uint16_t now[MAX_ATOMS];

            ck_assert(step->from == CG_RMSD_NO_LEVEL || step->from < p.n_levels);
            ck_assert(step->to == CG_RMSD_NO_LEVEL || step->to < p.n_levels);
            if (step->from == CG_RMSD_NO_LEVEL)
                memset(now, 0xff, sizeof now);
            else
                memcpy(now, levels[step->from], sizeof now);
            for (size_t j = step->first; j < step->first + step->n; j++) {
                ck_assert_uint_lt(j, p.n_pairs);
                ck_assert_uint_lt(p.pairs[j][1], n);
                ck_assert_uint_eq(now[p.pairs[j][1]], UINT16_MAX);
                now[p.pairs[j][1]] = p.pairs[j][0];
            }
            if (step->to == CG_RMSD_NO_LEVEL)
                memcpy(maps[leaves++], now, sizeof now);
            else
                memcpy(levels[step->to], now, sizeof now);
        }
        ck_assert_uint_eq(leaves, s.n_maps);
        for (size_t m = 0; m < s.n_maps; m++) {
            size_t at = 0;

            while (at < leaves && memcmp(maps[at], s.maps + m * n, n * sizeof *s.maps))
                at++;
            ck_assert_msg(at < leaves, "map %zu of %zu is missing", m, s.n_maps);
            maps[at][0] =
                UINT16_MAX; /* taken: a repeated map must occur as often as it was passed */
        }
        free(levels);
        free(maps);
        cg_rmsd_plan_finish(&p);
        cg_symmetry_finish(&s);
    }
}
END_TEST

START_TEST(minima_are_those_of_the_matrix)
{
    static float a[MAX_CONFORMERS * MAX_ATOMS][3], b[MAX_CONFORMERS * MAX_ATOMS][3];
    static float d[MAX_CONFORMERS * MAX_CONFORMERS];
    uint64_t pruned = 0;

    state = (uint64_t)_i * 1000 + 17;
    for (int round = 0; round < 30; round++) {
        size_t n = 1 + below(round % 3 ? MAX_ATOMS : 6), na = below(MAX_CONFORMERS + 1);
        size_t nb = below(MAX_CONFORMERS + 1), n_bases = 1 + below(6);
        cg_symmetry s = make_maps(n, 1 + below(30), below(n + 1));
        float min_a[MAX_CONFORMERS], min_b[MAX_CONFORMERS];
        float found_a[MAX_CONFORMERS], found_b[MAX_CONFORMERS];
        static float base[8 * MAX_ATOMS][3];
        cg_rmsd_count count = { 0 };
        cg_rmsd_set *sa, *sb;
        cg_error err = CG_ERROR_INIT;

        for (size_t i = 0; i < n_bases; i++)
            make_shape((enum shape)(round % 4 ? SOLID : below(SHAPES)), n, base + i * n);
        for (size_t i = 0; i < na; i++)
            move((const float(*)[3])(base + below(n_bases) * n), n, uniform(), a + i * n);
        for (size_t i = 0; i < nb; i++)
            move((const float(*)[3])(base + below(n_bases) * n), n, uniform(), b + i * n);
        sa = make_set((const float(*)[3])a, na, n);
        sb = make_set((const float(*)[3])b, nb, n);
        ck_assert_int_eq(cg_rmsd_matrix(sa, sb, &s, d, &err), CG_OK);
        ck_assert_int_eq(cg_rmsd_minima(sa, sb, &s, NULL, found_a, found_b, &count, &err), CG_OK);
        for (size_t i = 0; i < na; i++)
            min_a[i] = INFINITY;
        for (size_t j = 0; j < nb; j++)
            min_b[j] = INFINITY;
        for (size_t i = 0; i < na; i++)
            for (size_t j = 0; j < nb; j++) {
                min_a[i] = d[i * nb + j] < min_a[i] ? d[i * nb + j] : min_a[i];
                min_b[j] = d[i * nb + j] < min_b[j] ? d[i * nb + j] : min_b[j];
            }
        ck_assert(!memcmp(min_a, found_a, na * sizeof *min_a));
        ck_assert(!memcmp(min_b, found_b, nb * sizeof *min_b));
        ck_assert_uint_eq(count.pairs, na * nb);
        ck_assert_uint_eq(count.maps_tried, (count.pairs - count.pruned) * s.n_maps);
        ck_assert_int_eq(count.limited, 0);
        pruned += count.pruned;
        cg_rmsd_set_destroy(sa);
        cg_rmsd_set_destroy(sb);
        cg_symmetry_finish(&s);
    }
    ck_assert_uint_gt(pruned, 0);
}
END_TEST

/* After the time limit only the first maps are compared: minima between best and plain. */
START_TEST(time_limit_is_observed)
{
    enum { N = 30, CONFORMERS = 40, MAPS = 5000 };
    static float a[CONFORMERS * N][3], best[CONFORMERS], plain[CONFORMERS], got[CONFORMERS];
    cg_symmetry s = make_maps(N, MAPS, N);
    cg_symmetry one = { N, 1, s.maps, 0 };
    cg_rmsd_limits limits = { 1e-9, 1 };
    cg_rmsd_count count = { 0 };
    cg_rmsd_set *set;
    float other[CONFORMERS];

    state = 9;
    for (size_t i = 0; i < CONFORMERS; i++)
        make_shape(SOLID, N, a + i * N);
    set = make_set((const float(*)[3])a, CONFORMERS / 2, N);
    cg_rmsd_set *second = make_set((const float(*)[3])(a + CONFORMERS / 2 * N), CONFORMERS / 2, N);

    ck_assert_int_eq(cg_rmsd_minima(set, second, &s, NULL, best, other, NULL, NULL), CG_OK);
    ck_assert_int_eq(cg_rmsd_minima(set, second, &one, NULL, plain, other, NULL, NULL), CG_OK);
    ck_assert_int_eq(cg_rmsd_minima(set, second, &s, &limits, got, other, &count, NULL), CG_OK);
    ck_assert_int_eq(count.limited, 1);
    ck_assert_uint_lt(count.maps_tried, count.pairs * MAPS / 2);
    for (size_t i = 0; i < CONFORMERS / 2; i++) {
        ck_assert(best[i] <= got[i]);
        ck_assert(got[i] <= plain[i]);
    }
    limits.seconds = 1e6;
    ck_assert_int_eq(cg_rmsd_minima(set, second, &s, &limits, got, other, &count, NULL), CG_OK);
    ck_assert_int_eq(count.limited, 0);
    ck_assert(!memcmp(got, best, CONFORMERS / 2 * sizeof *got));
    limits = (cg_rmsd_limits) { 1e-9, MAPS }; /* few_maps covers all maps: no limit */
    ck_assert_int_eq(cg_rmsd_minima(set, second, &s, &limits, got, other, &count, NULL), CG_OK);
    ck_assert_int_eq(count.limited, 0);
    cg_rmsd_set_destroy(set);
    cg_rmsd_set_destroy(second);
    cg_symmetry_finish(&s);
}
END_TEST

START_TEST(bad_input_is_refused)
{
    float xyz[6][3] = { { 0 }, { 1 }, { 2 }, { 3 }, { 4 }, { 5 } };
    float d[4], e[4];
    cg_error err = CG_ERROR_INIT;
    cg_rmsd_set *two = NULL, *three = NULL;
    cg_symmetry s = make_maps(3, 2, 2);
    cg_rmsd_limits limits = { 1, 0 };

    ck_assert_int_eq(cg_rmsd_set_create(xyz, 1, 0, &two, &err), CG_ERR_USAGE);
    xyz[4][1] = NAN;
    ck_assert_int_eq(cg_rmsd_set_create(xyz, 2, 3, &two, &err), CG_ERR_INPUT);
    ck_assert_str_eq(err.msg, "RMSD: conformer 2: found a coordinate that is not finite");
    xyz[4][1] = INFINITY;
    ck_assert_int_eq(cg_rmsd_set_create(xyz, 2, 3, &two, &err), CG_ERR_INPUT);
    xyz[4][1] = 0;
    ck_assert_int_eq(cg_rmsd_set_create(xyz, SIZE_MAX / 4, 3, &two, &err), CG_ERR_NOMEM);
    ck_assert_ptr_null(two);
    two = make_set((const float(*)[3])xyz, 3, 2);
    three = make_set((const float(*)[3])xyz, 2, 3);
    ck_assert_int_eq(cg_rmsd_matrix(two, three, &s, d, &err), CG_ERR_MISMATCH);
    ck_assert_int_eq(cg_rmsd_minima(two, two, &s, NULL, d, e, NULL, &err), CG_ERR_MISMATCH);
    ck_assert_str_eq(err.msg,
                     "RMSD: the conformer sets have 2 and 2 atoms and the symmetry maps 3 (2 "
                     "maps); all three must describe the same molecule");
    ck_assert_int_eq(cg_rmsd_minima(three, three, &s, &limits, d, e, NULL, &err), CG_ERR_USAGE);
    cg_rmsd_set_destroy(two);
    cg_rmsd_set_destroy(three);
    cg_rmsd_set_destroy(NULL);
    cg_symmetry_finish(&s);
}
END_TEST

/* Against a clustering that reads the full matrix; with permuted copies, which only maps find. */
START_TEST(leaders_are_those_of_the_matrix)
{
    enum { N = 150 };
    static float xyz[N * MAX_ATOMS][3], base[8 * MAX_ATOMS][3], d[N * N];
    size_t n_leaders = 0, n_followers = 0;

    state = (uint64_t)_i * 1000 + 23;
    for (int round = 0; round < 20; round++) {
        size_t n_atoms = 1 + below(round % 3 ? MAX_ATOMS : 6), n = below(N + 1);
        size_t n_bases = 1 + below(6), found[N];
        cg_symmetry s = make_maps(n_atoms, 1 + below(20), below(n_atoms + 1));
        double radius = round % 5 ? 0.1 + uniform() : 0.01;
        cg_error err = CG_ERROR_INIT;

        for (size_t i = 0; i < n_bases; i++)
            make_shape((enum shape)(round % 4 ? SOLID : below(SHAPES)), n_atoms,
                       base + i * n_atoms);
        for (size_t i = 0; i < n; i++) {
            const float(*from)[3] = (const float(*)[3])(base + below(n_bases) * n_atoms);
            const uint16_t *map = s.maps + below(s.n_maps) * n_atoms;
            float permuted[MAX_ATOMS][3];

            for (size_t k = 0; k < n_atoms; k++)
                memcpy(permuted[k], from[map[k]], sizeof permuted[k]);
            move((const float(*)[3])permuted, n_atoms, uniform(), xyz + i * n_atoms);
        }
        matrix((const float(*)[3])xyz, n, (const float(*)[3])xyz, n, n_atoms, &s, d);
        ck_assert_msg(cg_rmsd_leaders((const float(*)[3])xyz, n, &s, radius, found, &err) == CG_OK,
                      "%s", err.msg);
        for (size_t i = 0; i < n; i++) {
            size_t leader = 0;

            while (leader < i && (found[leader] != leader || (double)d[leader * n + i] >= radius))
                leader++;
            ck_assert_uint_eq(found[i], leader);
            n_leaders += leader == i;
            n_followers += leader != i;
        }
        cg_symmetry_finish(&s);
    }
    ck_assert_uint_gt(n_leaders, 100);
    ck_assert_uint_gt(n_followers, 100);
}
END_TEST

/* A chain in the opposite order: another list of coordinates of one conformer. */
START_TEST(symmetric_copies_follow)
{
    static const float xyz[2][4][3] = { { { 0, 0, 0 }, { 1.5f, 0, 0 }, { 2, 1, 0 }, { 5, 1, 1 } },
                                        { { 5, 1, 1 }, { 2, 1, 0 }, { 1.5f, 0, 0 }, { 0, 0, 0 } } };
    uint16_t maps[] = { 0, 1, 2, 3, 3, 2, 1, 0 };
    cg_symmetry both = { 4, 2, maps, 0 }, plain = { 4, 1, maps, 0 };
    cg_error err = CG_ERROR_INIT;
    size_t leader[2];

    ck_assert_int_eq(cg_rmsd_leaders(xyz[0], 2, &both, 0.1, leader, &err), CG_OK);
    ck_assert_uint_eq(leader[1], 0);
    ck_assert_int_eq(cg_rmsd_leaders(xyz[0], 2, &plain, 0.1, leader, &err), CG_OK);
    ck_assert_uint_eq(leader[1], 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("rmsd");
    TCase *tc = tcase_create("rmsd");
    SRunner *sr;
    int failed;

    tcase_set_timeout(tc, 100);
    tcase_add_test(tc, two_points);
    tcase_add_test(tc, mirror_image_is_another_conformer);
    tcase_add_loop_test(tc, matrix_is_right, 0, SHAPES);
    tcase_add_loop_test(tc, copies_are_at_zero, 0, 3 * SHAPES);
    tcase_add_test(tc, extreme_sizes_are_compared);
    tcase_add_loop_test(tc, kernels_agree_to_the_bit, 0, 4);
    tcase_add_loop_test(tc, plans_hold_all_maps, 0, 4);
    tcase_add_loop_test(tc, minima_are_those_of_the_matrix, 0, 6);
    tcase_add_loop_test(tc, leaders_are_those_of_the_matrix, 0, 6);
    tcase_add_test(tc, symmetric_copies_follow);
    tcase_add_test(tc, time_limit_is_observed);
    tcase_add_test(tc, bad_input_is_refused);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
