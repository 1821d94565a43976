/* SPDX-License-Identifier: MIT */
/* Rules of an ensemble: preference, what is dropped, clusters, order. */
#include <math.h>

#include "engine/ensemble.h"
#include "molecule_made.h"
#include "scratch.h"

enum { ATOMS = 3, MAX = 8 };

static cg_error err = CG_ERROR_INIT;

/* Conformers of propane that differ by the length of a bond; NAN: without an energy. */
static void make(cg_parsed_conformer *c, cg_parsed_conformer **ret, const double *energy,
                 const double *length, int n)
{
    for (int i = 0; i < n; i++) {
        c[i] = (cg_parsed_conformer) { .has_energy = !isnan(energy[i]), .energy = energy[i] };
        c[i].xyz = calloc(ATOMS, sizeof *c[i].xyz);
        c[i].xyz[1][0] = 1.5;
        c[i].xyz[2][1] = length[i];
        ret[i] = &c[i];
    }
}

static void finish(cg_parsed_conformer *c, int n)
{
    for (int i = 0; i < n; i++)
        cg_parsed_conformer_finish(&c[i]);
}

static void apply(cg_ensemble_rules rules, cg_parsed_conformer **c, int n, int32_t *ret_order)
{
    cg_molecule *mol = parse("CCC");
    cg_ensemble e = { .rules.prune = 0 };

    ck_assert_msg(cg_ensemble_init(&rules, mol, &e, &err) == CG_OK, "%s", err.msg);
    ck_assert_msg(cg_ensemble_select(&e, c, n, ret_order, &err) == CG_OK, "%s", err.msg);
    cg_ensemble_finish(&e);
    cg_molecule_destroy(mol);
}

static void expect(const int32_t *found, const int32_t *wanted, int n, const char *what)
{
    for (int i = 0; i < n; i++)
        ck_assert_msg(found[i] == wanted[i], "%s %d: %d, wanted %d", what, i, found[i], wanted[i]);
}

static void expect_dropped(cg_parsed_conformer *const *c, const int32_t *wanted, int n)
{
    int32_t dropped[MAX];

    for (int i = 0; i < n; i++)
        dropped[i] = c[i]->dropped;
    expect(dropped, wanted, n, "dropped");
}

START_TEST(the_lowest_energy_stays)
{
    static const double energy[] = { 3, 1, 9, 1, 2 }, length[] = { 1.5, 1.5, 4, 8, 1.6 };
    cg_parsed_conformer made[MAX], *c[MAX];
    int32_t order[MAX];

    make(made, c, energy, length, 5);
    apply((cg_ensemble_rules) { .prune = 0.5, .sort = CG_SORT_ENERGY }, c, 5, order);
    expect(order, (int32_t[]) { 1, 3, 4, 0, 2 }, 5, "order");
    expect_dropped(c, (int32_t[]) { CG_DROPPED_RMSD, 0, 0, 0, CG_DROPPED_RMSD }, 5);
    ck_assert_int_eq(c[1]->cluster_size, 3);
    ck_assert_int_eq(c[2]->cluster_size, 1);
    ck_assert_int_eq(c[3]->cluster_size, 1);
    finish(made, 5);
}
END_TEST

/* The window first, so that what is above it is in no cluster; then clusters, then the number. */
START_TEST(rules_apply_in_order)
{
    static const double energy[] = { 3, 1, 9, 1, 2 }, length[] = { 1.5, 1.5, 4, 8, 1.6 };
    cg_parsed_conformer made[MAX], *c[MAX];
    int32_t order[MAX];

    make(made, c, energy, length, 5);
    apply((cg_ensemble_rules) { .prune = 0.5, .energy_window = 1, .max_conformers = 1 }, c, 5,
          order);
    expect(order, (int32_t[]) { 0, 1, 2, 3, 4 }, 5, "order");
    expect_dropped(
        c,
        (int32_t[]) { CG_DROPPED_ENERGY, 0, CG_DROPPED_ENERGY, CG_DROPPED_NUMBER, CG_DROPPED_RMSD },
        5);
    ck_assert_int_eq(c[1]->cluster_size, 2);
    finish(made, 5);
}
END_TEST

START_TEST(without_energies_the_first_stays)
{
    static const double energy[] = { NAN, NAN, NAN }, length[] = { 1.6, 1.5, 4 };
    cg_parsed_conformer made[MAX], *c[MAX];
    int32_t order[MAX];

    make(made, c, energy, length, 3);
    apply((cg_ensemble_rules) { .prune = 0.5, .energy_window = 1, .sort = CG_SORT_ENERGY }, c, 3,
          order);
    expect(order, (int32_t[]) { 0, 1, 2 }, 3, "order");
    expect_dropped(c, (int32_t[]) { 0, CG_DROPPED_RMSD, 0 }, 3);
    finish(made, 3);
}
END_TEST

/* Conformers that failed lead no cluster and take no place. */
START_TEST(failures_are_left_alone)
{
    static const double energy[] = { 0, 2, 1 }, length[] = { 1.5, 1.5, 4 };
    cg_parsed_conformer made[MAX], *c[MAX];
    int32_t order[MAX];

    make(made, c, energy, length, 3);
    made[0].verdict = CG_CONFORMER_INVALID_GEOMETRY;
    apply(
        (cg_ensemble_rules) {
            .prune = 0.5, .energy_window = 5, .max_conformers = 2, .sort = CG_SORT_ENERGY },
        c, 3, order);
    expect(order, (int32_t[]) { 2, 1, 0 }, 3, "order");
    expect_dropped(c, (int32_t[]) { 0, 0, 0 }, 3);
    ck_assert_int_eq(c[0]->cluster_size, 0);
    finish(made, 3);
}
END_TEST

/* The ends of propane exchanged: the long bond is the other one. */
START_TEST(symmetries_are_compared)
{
    static const double energy[] = { 0, 1 }, length[] = { 4, 4 };
    cg_parsed_conformer made[MAX], *c[MAX];
    double end[3];
    int32_t order[MAX];

    make(made, c, energy, length, 2);
    memcpy(end, made[1].xyz[0], sizeof end);
    memcpy(made[1].xyz[0], made[1].xyz[2], sizeof end);
    memcpy(made[1].xyz[2], end, sizeof end);
    apply((cg_ensemble_rules) { .prune = 0.1 }, c, 2, order);
    expect_dropped(c, (int32_t[]) { 0, CG_DROPPED_RMSD }, 2);
    finish(made, 2);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("ensemble");

    tcase_add_test(tc, the_lowest_energy_stays);
    tcase_add_test(tc, rules_apply_in_order);
    tcase_add_test(tc, without_energies_the_first_stays);
    tcase_add_test(tc, failures_are_left_alone);
    tcase_add_test(tc, symmetries_are_compared);
    return run_suite("ensemble", &tc, 1);
}
