/* SPDX-License-Identifier: MIT */
/* Minima: of RDKit's energy, the same by every kernel and in any company. */
#include <math.h>
#include <string.h>

#include "forcefield/minimizer_kernel.h"
#include "forcefield/mmff_energy.h"
#include "forcefield/mmff_golden.h"
#include "forcefield/mmff_minimizer.h"
#include "scratch.h"

enum { COPIES = 11 }; /* more than the lanes of any kernel */

static cg_error err = CG_ERROR_INIT;

static uint64_t state;

static double uniform(void) /* [-1, 1) */
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (double)(state >> 11) * 0x1p-52 - 1;
}

/* [n][n_atoms][3]: the molecule's conformer, others with displaced atoms. free() */
static double *copies(const golden_molecule *m, size_t n)
{
    double *xyz = calloc(n * m->n_atoms * 3, sizeof *xyz);

    state = 5;
    for (size_t i = 0; i < n * m->n_atoms * 3; i++)
        xyz[i] = m->xyz[i / 3 % m->n_atoms][i % 3] + (i < m->n_atoms * 3 ? 0 : 0.1 * uniform());
    return xyz;
}

static void minimize(const cg_minimizer_kernel *kernel, const cg_mmff_tables *t,
                     const cg_minimizer_options *options, size_t n, double *xyz, cg_minimized *ret)
{
    ck_assert_msg(cg_mmff_minimize_by(kernel, t, options, n, xyz, ret, &err) == CG_OK, "%s",
                  err.msg);
}

/* RDKit takes another way from the same place: two molecules end in another minimum. */
START_TEST(minima_are_as_low_as_rdkits)
{
    const cg_minimizer_options options = { 20000, 0.003, NULL };
    int n_higher = 0;

    golden_load();
    for (size_t k = 0; k < n_golden; k++)
        for (int v = 0; v < 2; v++) {
            const golden_molecule *m = &golden[k];
            cg_mmff_tables *t = golden_tables(m, v);
            double *xyz = copies(m, 1), (*gradient)[3] = calloc(m->n_atoms, sizeof *gradient);
            double greatest = 0, energy;
            cg_minimized z;

            minimize(cg_minimizer_kernel_get(0), t, &options, 1, xyz, &z);
            energy = cg_mmff_energy(t, (const double(*)[3])xyz, NULL, gradient);
            for (size_t i = 0; i < m->n_atoms * 3; i++)
                greatest = fmax(greatest, fabs(gradient[i / 3][i % 3]));
            ck_assert_msg(z.converged, "%s: %g kcal/mol/A after %d rounds", m->smiles, z.gradient,
                          z.rounds);
            ck_assert_double_lt(greatest, options.gradient + 1e-6);
            ck_assert_double_eq_tol(z.gradient, greatest, 1e-6);
            ck_assert_double_eq_tol(z.after, energy, 1e-8);
            ck_assert_double_eq_tol(
                z.before, cg_mmff_energy(t, (const double(*)[3])m->xyz, NULL, NULL), 1e-8);
            if (z.after > m->minimised[v] + 0.1) {
                printf("%s, %s: %.3f instead of %.3f kcal/mol\n", m->smiles, golden_variants[v],
                       z.after, m->minimised[v]);
                n_higher++;
            }
            free(gradient);
            free(xyz);
            cg_mmff_tables_destroy(t);
        }
    ck_assert_int_le(n_higher, 3);
    golden_free();
}
END_TEST

START_TEST(kernels_give_the_same_bits)
{
    golden_load();
    for (size_t k = 0; k < n_golden; k += 5) {
        const golden_molecule *m = &golden[k];
        cg_mmff_tables *t = golden_tables(m, CG_MMFF94);
        const size_t each = m->n_atoms * 3;
        double *first = copies(m, COPIES);
        cg_minimized z[COPIES], other[COPIES];
        const cg_minimizer_kernel *kernel;

        minimize(cg_minimizer_kernel_get(0), t, &cg_minimizer_defaults, COPIES, first, z);
        for (int i = 1; (kernel = cg_minimizer_kernel_get(i)) != NULL; i++) {
            double *xyz = copies(m, COPIES);

            minimize(kernel, t, &cg_minimizer_defaults, COPIES, xyz, other);
            ck_assert_msg(memcmp(xyz, first, COPIES * each * sizeof *xyz) == 0, "%s, %s",
                          kernel->name, m->smiles);
            ck_assert_mem_eq(other, z, sizeof z);
            free(xyz);
        }
        for (size_t i = 0; i < COPIES; i++) { /* alone */
            double *xyz = copies(m, COPIES);

            minimize(cg_minimizer_kernel_get(0), t, &cg_minimizer_defaults, 1, xyz + i * each,
                     other);
            ck_assert_mem_eq(xyz + i * each, first + i * each, each * sizeof *xyz);
            ck_assert_mem_eq(other, &z[i], sizeof z[0]);
            free(xyz);
        }
        free(first);
        cg_mmff_tables_destroy(t);
    }
    golden_free();
}
END_TEST

/* The arcus functions of the kernels, which angles and planes show, are exact. */
START_TEST(kernels_have_the_energy)
{
    const cg_minimizer_options none = { 1, 0, NULL };
    const cg_minimizer_kernel *kernel;

    golden_load();
    for (size_t k = 0; k < n_golden; k++) {
        const golden_molecule *m = &golden[k];
        cg_mmff_tables *t = golden_tables(m, CG_MMFF94);

        for (int i = 0; (kernel = cg_minimizer_kernel_get(i)) != NULL; i++) {
            double *xyz = copies(m, COPIES), *moved = copies(m, COPIES);
            cg_minimized z[COPIES];

            minimize(kernel, t, &none, COPIES, moved, z);
            for (size_t c = 0; c < COPIES; c++) {
                double energy =
                    cg_mmff_energy(t, (const double(*)[3])(xyz + c * m->n_atoms * 3), NULL, NULL);

                ck_assert_double_eq_tol(z[c].before, energy, 1e-9 + 1e-12 * fabs(energy));
            }
            ck_assert_mem_eq(xyz, moved, COPIES * m->n_atoms * 3 * sizeof *xyz);
            free(xyz);
            free(moved);
        }
        cg_mmff_tables_destroy(t);
    }
    golden_free();
}
END_TEST

START_TEST(fixed_atoms_stay)
{
    const golden_molecule *m;
    cg_minimizer_options options = cg_minimizer_defaults;
    uint8_t fixed[300] = { 0 };
    cg_mmff_tables *t;
    double *xyz, *before;
    cg_minimized z;

    golden_load();
    m = &golden[n_golden - 1];
    t = golden_tables(m, CG_MMFF94);
    xyz = copies(m, 1);
    before = copies(m, 1);
    for (size_t i = 0; i < m->n_atoms; i += 2)
        fixed[i] = 1;
    options.fixed = fixed;
    minimize(cg_minimizer_kernel_get(0), t, &options, 1, xyz, &z);
    ck_assert_int_eq(z.converged, 1);
    ck_assert_double_lt(z.after, z.before);
    for (size_t i = 0; i < m->n_atoms * 3; i++)
        if (fixed[i / 3])
            ck_assert(xyz[i] == before[i]);
        else
            ck_assert(xyz[i] != before[i]);
    free(xyz);
    free(before);
    cg_mmff_tables_destroy(t);
    golden_free();
}
END_TEST

/* Atoms in one place, and positions that are no numbers, end the minimisation and do not disturb
 * the other conformers. */
START_TEST(impossible_conformers_end)
{
    const golden_molecule *m;
    cg_mmff_tables *t;
    double *xyz, *alone;
    cg_minimized z[3], one;

    golden_load();
    m = &golden[n_golden - 1];
    t = golden_tables(m, CG_MMFF94);
    xyz = copies(m, 3);
    alone = copies(m, 3);
    xyz[0] = NAN;
    for (size_t i = 0; i < m->n_atoms * 3; i++)
        xyz[m->n_atoms * 3 + i] = 1.5;
    minimize(cg_minimizer_kernel_get(0), t, &cg_minimizer_defaults, 3, xyz, z);
    ck_assert_int_eq(z[0].converged, 0);
    minimize(cg_minimizer_kernel_get(0), t, &cg_minimizer_defaults, 1, alone + m->n_atoms * 3 * 2,
             &one);
    ck_assert_mem_eq(&one, &z[2], sizeof one);
    free(xyz);
    free(alone);
    cg_mmff_tables_destroy(t);
    golden_free();
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("minimizer");

    tcase_set_timeout(tc, 100);
    tcase_add_test(tc, minima_are_as_low_as_rdkits);
    tcase_add_test(tc, kernels_give_the_same_bits);
    tcase_add_test(tc, kernels_have_the_energy);
    tcase_add_test(tc, fixed_atoms_stay);
    tcase_add_test(tc, impossible_conformers_end);
    return run_suite("minimizer", &tc, 1);
}
