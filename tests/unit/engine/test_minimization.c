/* SPDX-License-Identifier: MIT */
/* Conformers of the round: energies, minima, rejection of lost configurations. */
#include <math.h>

#include "chem/hydrogens.h"
#include "engine/minimization.h"
#include "molecule_made.h"
#include "scratch.h"

enum { ATOMS = 5 };

/* A flat carbon whose hydrogen is on the side of the halogens. Atoms C, F, Cl, Br, H. */
static const double flat[ATOMS][3] = {
    { 0, 0, 0 }, { 1.35, 0, 0.1 }, { -0.9, 1.5, 0.1 }, { -1, -1.65, 0.1 }, { 0, 0, 1.1 }
};

static cg_error err = CG_ERROR_INIT;

static cg_parsed_conformer conformer(int32_t verdict)
{
    cg_parsed_conformer c = { .verdict = verdict };

    if (verdict == CG_CONFORMER_OK) {
        c.xyz = malloc(sizeof flat);
        memcpy(c.xyz, flat, sizeof flat);
    }
    return c;
}

static cg_minimization *make(const char *smiles, int32_t mode)
{
    cg_molecule *text = parse(smiles);
    cg_hydrogens *all = NULL;
    cg_minimization *z = NULL;

    ck_assert(cg_hydrogens_create(text, &all, &err) == CG_OK);
    ck_assert_msg(cg_minimization_create(mode, text, cg_hydrogens_molecule(all),
                                         &(cg_kept_core) { 0 }, &z, &err) == CG_OK,
                  "%s", err.msg);
    cg_hydrogens_destroy(all);
    cg_molecule_destroy(text);
    return z;
}

/* The carbon turns inside out: one of the enantiomers loses its configuration, the other one gets
 * its own. */
START_TEST(a_lost_configuration_is_rejected)
{
    static const char *const isomers[] = { "F[C@H](Cl)Br", "F[C@@H](Cl)Br" };
    int n_rejected = 0;

    for (int i = 0; i < 2; i++) {
        cg_minimization *z = make(isomers[i], CG_MINIMIZE_MMFF94);
        cg_parsed_conformer c[2] = { conformer(CG_CONFORMER_OK),
                                     conformer(CG_CONFORMER_UNFINISHED) };

        /* the text is F, C, Cl, Br */
        memcpy(c[0].xyz[0], flat[1], sizeof flat[0]);
        memcpy(c[0].xyz[1], flat[0], sizeof flat[0]);
        ck_assert(cg_minimization_run(z, NULL, c, 2, &err) == CG_OK);
        ck_assert_int_eq(c[0].is_minimized, 1);
        ck_assert_double_gt(c[0].released, 10);
        ck_assert_double_lt(c[0].gradient, 0.01);
        ck_assert_int_eq(c[1].verdict, CG_CONFORMER_UNFINISHED);
        ck_assert_int_eq(c[1].has_energy, 0);
        if (c[0].verdict != CG_CONFORMER_OK) {
            n_rejected++;
            ck_assert_int_eq(c[0].verdict, CG_CONFORMER_INVALID_GEOMETRY);
            ck_assert_str_eq(c[0].reason, "minimisation inverts the stereocentre, atom 2");
        }
        cg_parsed_conformer_finish(&c[0]);
        cg_minimization_destroy(z);
    }
    ck_assert_int_eq(n_rejected, 1);
}
END_TEST

/* MMFF94 has no germanium: UFF. */
START_TEST(modes_move_what_they_say)
{
    static const char *const names[] = { "MMFF94",  "MMFF94",         "MMFF94",
                                         "MMFF94s", "MMFF94_noestat", "MMFF94s_noestat" };
    double energy[6];

    for (int32_t mode = CG_MINIMIZE_NONE; mode <= CG_MINIMIZE_MMFF94S_NOESTAT; mode++) {
        cg_minimization *z = make(_i ? "F[GeH](Cl)Br" : "FC(Cl)Br", mode);
        cg_parsed_conformer c = conformer(CG_CONFORMER_OK);
        double from[ATOMS][3];

        ck_assert_int_eq(cg_minimization_uff_reason(z) != NULL, _i);
        ck_assert_str_eq(cg_minimization_force_field(z), _i ? "UFF" : names[mode]);
        if (_i)
            ck_assert_ptr_nonnull(strstr(cg_minimization_uff_reason(z), "no type for Ge"));
        memcpy(c.xyz[0], flat[1], sizeof flat[0]);
        memcpy(c.xyz[1], flat[0], sizeof flat[0]);
        memcpy(from, c.xyz, sizeof from);
        ck_assert(cg_minimization_run(z, NULL, &c, 1, &err) == CG_OK);
        ck_assert_int_eq(c.has_energy, 1);
        ck_assert_int_eq(c.is_minimized, mode != CG_MINIMIZE_NONE);
        energy[mode] = c.energy;
        ck_assert_int_eq(memcmp(c.xyz, from, 4 * sizeof from[0]) == 0,
                         mode <= CG_MINIMIZE_HYDROGENS);
        ck_assert_int_eq(memcmp(c.xyz, from, sizeof from) == 0, mode == CG_MINIMIZE_NONE);
        if (mode >= CG_MINIMIZE_MMFF94)
            ck_assert_double_le(c.gradient, 0.01);
        cg_parsed_conformer_finish(&c);
        cg_minimization_destroy(z);
    }
    ck_assert_double_lt(energy[CG_MINIMIZE_HYDROGENS], energy[CG_MINIMIZE_NONE]);
    ck_assert_double_lt(energy[CG_MINIMIZE_MMFF94], energy[CG_MINIMIZE_HYDROGENS]);
    ck_assert_double_eq_tol(energy[CG_MINIMIZE_MMFF94], energy[CG_MINIMIZE_MMFF94S], 1e-3);
    ck_assert_double_eq_tol(energy[CG_MINIMIZE_MMFF94_NOESTAT], energy[CG_MINIMIZE_MMFF94S_NOESTAT],
                            1e-3);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("minimization");

    tcase_add_test(tc, a_lost_configuration_is_rejected);
    tcase_add_loop_test(tc, modes_move_what_they_say, 0, 2);
    return run_suite("minimization", &tc, 1);
}
