/* SPDX-License-Identifier: MIT */
/* Energies equal the newest RDKit's, part by part; gradients equal finite differences. */
#include <math.h>

#include "forcefield/mmff_energy.h"
#include "forcefield/mmff_golden.h"
#include "scratch.h"

START_TEST(energies_are_rdkits)
{
    static const char *const names[CG_MMFF_PARTS] = { "bonds",  "angles",   "stretch-bends",
                                                      "planes", "torsions", "van der Waals",
                                                      "charges" };
    golden_load();
    ck_assert_uint_gt(n_golden, 70);
    for (size_t k = 0; k < n_golden; k++)
        for (int v = 0; v < 2; v++) {
            const golden_molecule *m = &golden[k];
            cg_mmff_tables *t = golden_tables(m, v);
            double parts[CG_MMFF_PARTS], sum = 0, wanted = 0;
            double energy = cg_mmff_energy(t, (const double(*)[3])m->xyz, parts, NULL);

            for (int i = 0; i < CG_MMFF_PARTS; i++) {
                ck_assert_msg(fabs(parts[i] - m->parts[v][i]) <= 1e-6 + 1e-7 * fabs(parts[i]),
                              "%s, %s, %s: %.8f instead of %.8f", m->smiles, golden_variants[v],
                              names[i], parts[i], m->parts[v][i]);
                sum += parts[i];
                wanted += m->parts[v][i];
            }
            ck_assert_double_eq_tol(energy, sum, 1e-9 * (1 + fabs(sum)));
            ck_assert_double_eq_tol(energy, wanted, 1e-5);
            cg_mmff_tables_destroy(t);
        }
    golden_free();
}
END_TEST

START_TEST(electrostatic_terms_are_left_out)
{
    golden_load();
    for (size_t k = 0; k < n_golden; k++)
        for (int v = 0; v < 2; v++) {
            const golden_molecule *m = &golden[k];
            cg_mmff_tables *t = golden_tables(m, v ? CG_MMFF94S_NOESTAT : CG_MMFF94_NOESTAT);
            double parts[CG_MMFF_PARTS];

            cg_mmff_energy(t, (const double(*)[3])m->xyz, parts, NULL);
            for (int i = 0; i < CG_MMFF_CHARGES; i++)
                ck_assert_double_eq_tol(parts[i], m->parts[v][i], 1e-6 + 1e-7 * fabs(parts[i]));
            ck_assert_double_eq(parts[CG_MMFF_CHARGES], 0);
            cg_mmff_tables_destroy(t);
        }
    golden_free();
}
END_TEST

/* Central differences with a step of 1e-4 Å are exact to about 1e-5 kcal/mol/Å here. */
START_TEST(gradients_are_differences)
{
    const double h = 1e-4;

    golden_load();
    for (size_t k = 0; k < n_golden; k++) {
        const golden_molecule *m = &golden[k];
        cg_mmff_tables *t = golden_tables(m, CG_MMFF94S);
        double(*gradient)[3] = calloc(m->n_atoms, sizeof *gradient);

        cg_mmff_energy(t, (const double(*)[3])m->xyz, NULL, gradient);
        for (size_t i = 0; i < m->n_atoms; i++)
            for (int axis = 0; axis < 3; axis++) {
                double at = m->xyz[i][axis], slope;

                m->xyz[i][axis] = at + h;
                slope = cg_mmff_energy(t, (const double(*)[3])m->xyz, NULL, NULL);
                m->xyz[i][axis] = at - h;
                slope -= cg_mmff_energy(t, (const double(*)[3])m->xyz, NULL, NULL);
                slope /= 2 * h;
                m->xyz[i][axis] = at;
                ck_assert_msg(fabs(slope - gradient[i][axis]) <= 1e-4 + 1e-6 * fabs(slope),
                              "%s, atom %zu, axis %d: %.7f instead of %.7f", m->smiles, i, axis,
                              gradient[i][axis], slope);
            }
        free(gradient);
        cg_mmff_tables_destroy(t);
    }
    golden_free();
}
END_TEST

static const struct {
    const char *smiles, *reason; /* part of the message */
} refused[] = {
    { "[H]C([H])([H])[Se]C([H])([H])[H]", "MMFF94 has no type for Se (atom 5)" },
    { "[H]B([H])[H]", "MMFF94 has no type for B (atom 2)" },
    { "CC", "hydrogens of C (atom 1) are no atoms" },
    { "C(", "not a SMILES" },
};

START_TEST(says_what_has_no_parameters)
{
    cg_error err = CG_ERROR_INIT;
    cg_mmff_tables *t = NULL;

    ck_assert_int_eq(cg_mmff_tables_create(refused[_i].smiles, CG_MMFF94, &t, &err),
                     CG_ERR_UNSUPPORTED);
    ck_assert_msg(strstr(err.msg, refused[_i].reason) != NULL, "%s", err.msg);
    ck_assert_ptr_null(t);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("mmff");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, energies_are_rdkits);
    tcase_add_test(tc, electrostatic_terms_are_left_out);
    tcase_add_test(tc, gradients_are_differences);
    tcase_add_loop_test(tc, says_what_has_no_parameters, 0,
                        (int)(sizeof refused / sizeof refused[0]));
    return run_suite("mmff", &tc, 1);
}
