/* SPDX-License-Identifier: MIT */
/*
 * The minimiser on a GPU gives the bits of the CPU's, in any company and for any number of threads
 * and blocks. Needs CONFGEN_TEST_GPU=1; else exits with 77.
 */
#include <math.h>
#include <string.h>

#include "cuda_loader/cuda_module.h"
#include "forcefield/mmff_energy.h"
#include "forcefield/mmff_golden.h"
#include "gpu_mode.h"
#include "scratch.h"

enum { MAX_JOBS = 128, COPIES = 3 };

static cg_error err = CG_ERROR_INIT;

static uint64_t state;

static double uniform(void) /* [-1, 1) */
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (double)(state >> 11) * 0x1p-52 - 1;
}

/* A job with its own copies of everything that the minimiser changes. */
struct case_of {
    cg_mmff_tables *tables;
    uint8_t fixed[400];
    cg_minimizer_options stages[CG_MINIMIZER_MAX_STAGES];
    cg_minimizer_job job;
};

/* Copies of the molecule's conformer with displaced atoms, but the first. */
static void open_case(struct case_of *c, const golden_molecule *m, size_t n, int32_t n_stages)
{
    const size_t n_coords = n * m->n_atoms * 3;

    ck_assert_uint_le(m->n_atoms, sizeof c->fixed);
    c->tables = golden_tables(m, CG_MMFF94);
    memset(c->fixed, 0, sizeof c->fixed);
    for (size_t i = 0; i < m->n_atoms; i += 2)
        c->fixed[i] = 1;
    c->stages[0] =
        n_stages == 2 ? (cg_minimizer_options) { 100, 30.0, c->fixed } : cg_minimizer_defaults;
    c->stages[1] = cg_minimizer_defaults;
    c->job = (cg_minimizer_job) { .tables = c->tables,
                                  .stages = c->stages,
                                  .n_stages = n_stages,
                                  .n = n,
                                  .xyz = calloc(n_coords, sizeof(double)),
                                  .minimized = calloc(n, sizeof(cg_minimized)) };
    state = 5;
    for (size_t i = 0; i < n_coords; i++)
        c->job.xyz[i] =
            m->xyz[i / 3 % m->n_atoms][i % 3] + (i < m->n_atoms * 3 ? 0 : 0.1 * uniform());
}

static void close_case(struct case_of *c)
{
    free(c->job.xyz);
    free(c->job.minimized);
    cg_mmff_tables_destroy(c->tables);
}

static cg_device_minimizer *open_minimizer(int32_t threads, int32_t blocks)
{
    const cg_device_minimizer_config config = { 0, threads, blocks };
    cg_device_minimizer *m = NULL;

    ck_assert_msg(cg_cuda_loader_create_minimizer(&config, &m, &err) == CG_OK, "%s", err.msg);
    return m;
}

static void run(cg_device_minimizer *m, const cg_minimizer_job *jobs, size_t n)
{
    ck_assert_msg(m->ops->run(m, jobs, n, &err) == CG_OK, "%s", err.msg);
}

static void assert_same(const cg_minimizer_job *got, const cg_minimizer_job *want,
                        const char *smiles)
{
    const size_t each = (size_t)want->tables->n_atoms * 3;

    for (size_t i = 0; i < want->n; i++) {
        const cg_minimized *g = &got->minimized[i], *w = &want->minimized[i];

        ck_assert_msg(g->rounds == w->rounds && g->after == w->after && g->before == w->before &&
                          g->gradient == w->gradient && g->converged == w->converged,
                      "%s, conformer %zu: %.17g to %.17g kcal/mol in %d rounds, wanted %.17g to "
                      "%.17g in %d",
                      smiles, i, g->before, g->after, g->rounds, w->before, w->after, w->rounds);
        ck_assert_msg(memcmp(got->xyz + i * each, want->xyz + i * each, each * sizeof *got->xyz) ==
                          0,
                      "%s, conformer %zu: other coordinates", smiles, i);
    }
}

/* All molecules in one call, in two stages. */
START_TEST(bits_are_those_of_the_cpu)
{
    static struct case_of on_gpu[MAX_JOBS], on_cpu[MAX_JOBS];
    cg_device_minimizer *m = open_minimizer(0, 0);
    cg_minimizer_job jobs[MAX_JOBS];
    int n_converged = 0, n = 0;

    golden_load();
    ck_assert_uint_le(n_golden, MAX_JOBS);
    for (size_t k = 0; k < n_golden; k++) {
        open_case(&on_gpu[k], &golden[k], COPIES, 2);
        open_case(&on_cpu[k], &golden[k], COPIES, 2);
        jobs[k] = on_gpu[k].job;
        ck_assert_int_eq(cg_mmff_minimize_job(&on_cpu[k].job, &err), CG_OK);
    }
    run(m, jobs, n_golden);
    for (size_t k = 0; k < n_golden; k++) {
        assert_same(&jobs[k], &on_cpu[k].job, golden[k].smiles);
        for (size_t i = 0; i < COPIES; i++, n++)
            n_converged += jobs[k].minimized[i].converged;
        close_case(&on_gpu[k]);
        close_case(&on_cpu[k]);
    }
    ck_assert_int_eq(n_converged, n);
    golden_free();
    m->ops->destroy(m);
}
END_TEST

START_TEST(threads_and_blocks_do_not_matter)
{
    static const int32_t shapes[][2] = { { 32, 1 }, { 96, 2 }, { 256, 0 } }; /* threads, blocks */
    struct case_of first, other;
    const golden_molecule *m;

    golden_load();
    m = &golden[n_golden / 2];
    open_case(&first, m, COPIES, 1);
    ck_assert_int_eq(cg_mmff_minimize_job(&first.job, &err), CG_OK);
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        cg_device_minimizer *d = open_minimizer(shapes[i][0], shapes[i][1]);

        open_case(&other, m, COPIES, 1);
        run(d, &other.job, 1);
        assert_same(&other.job, &first.job, m->smiles);
        close_case(&other);
        d->ops->destroy(d);
    }
    close_case(&first);
    golden_free();
}
END_TEST

/* The state of a conformer of a long alkane, of atoms anywhere, does not fit in shared memory. */
START_TEST(large_molecules_have_the_bits_of_the_cpu)
{
    enum { CARBONS = 45, ATOMS = 3 * CARBONS + 2, ROUNDS = 25 };
    static char smiles[CARBONS * 16];
    static double xyz[ATOMS][3];
    const golden_molecule m = { .smiles = smiles, .n_atoms = ATOMS, .xyz = xyz };
    cg_device_minimizer *d = open_minimizer(128, 0);
    struct case_of on_gpu, on_cpu;

    strcpy(smiles, "[H]");
    for (int i = 0; i < CARBONS; i++)
        strcat(smiles, "C([H])([H])");
    strcat(smiles, "[H]");
    state = 3;
    for (int i = 0; i < ATOMS * 3; i++)
        xyz[i / 3][i % 3] = 15 * uniform();
    open_case(&on_gpu, &m, COPIES, 1);
    open_case(&on_cpu, &m, COPIES, 1);
    on_gpu.stages[0].max_rounds = on_cpu.stages[0].max_rounds = ROUNDS;
    ck_assert_int_eq(cg_mmff_minimize_job(&on_cpu.job, &err), CG_OK);
    run(d, &on_gpu.job, 1);
    assert_same(&on_gpu.job, &on_cpu.job, "an alkane");
    ck_assert_int_eq(on_gpu.job.minimized[0].rounds, ROUNDS);
    close_case(&on_gpu);
    close_case(&on_cpu);
    d->ops->destroy(d);
}
END_TEST

/* The energy and the greatest component of the gradient are those of the reference. */
START_TEST(energies_and_gradients_are_right)
{
    cg_device_minimizer *d = open_minimizer(0, 0);

    golden_load();
    for (size_t k = 0; k < n_golden; k++) {
        const golden_molecule *m = &golden[k];
        double(*gradient)[3] = calloc(m->n_atoms, sizeof *gradient), greatest = 0, energy;
        struct case_of c;

        open_case(&c, m, 1, 1);
        c.stages[0] = (cg_minimizer_options) { 1, 0, NULL };
        energy = cg_mmff_energy(c.tables, (const double(*)[3])c.job.xyz, NULL, gradient);
        for (size_t i = 0; i < m->n_atoms * 3; i++)
            greatest = fmax(greatest, fabs(gradient[i / 3][i % 3]));
        run(d, &c.job, 1);
        ck_assert_double_eq_tol(c.job.minimized[0].before, energy, 1e-9 + 1e-12 * fabs(energy));
        ck_assert_double_eq_tol(c.job.minimized[0].gradient, greatest, 1e-9 * greatest);
        close_case(&c);
        free(gradient);
    }
    golden_free();
    d->ops->destroy(d);
}
END_TEST

START_TEST(empty_calls_and_jobs_are_nothing)
{
    cg_device_minimizer *d = open_minimizer(0, 0);
    cg_minimizer_job jobs[2];
    struct case_of c, want;

    golden_load();
    run(d, jobs, 0);
    open_case(&c, &golden[0], 1, 1);
    open_case(&want, &golden[0], 1, 1);
    ck_assert_int_eq(cg_mmff_minimize_job(&want.job, &err), CG_OK);
    jobs[0] = jobs[1] = c.job;
    jobs[0].n = 0;
    run(d, jobs, 1);
    run(d, jobs, 2);
    assert_same(&jobs[1], &want.job, golden[0].smiles);
    close_case(&c);
    close_case(&want);
    golden_free();
    d->ops->destroy(d);
}
END_TEST

START_TEST(bad_shapes_are_refused)
{
    static const int32_t threads[] = { 33, -32, 288 };
    cg_device_minimizer *m = NULL;

    for (size_t i = 0; i < sizeof threads / sizeof threads[0]; i++) {
        const cg_device_minimizer_config config = { 0, threads[i], 0 };

        ck_assert_int_eq(cg_cuda_loader_create_minimizer(&config, &m, &err), CG_ERR_INPUT);
        ck_assert_ptr_nonnull(strstr(err.msg, "wanted whole warps"));
    }
    ck_assert_ptr_null(m);
}
END_TEST

int main(void)
{
    TCase *tc;

    if (gpu_mode() != GPU_REQUESTED)
        return EXIT_SKIPPED;
    tc = tcase_create("device_minimizer");
    tcase_set_timeout(tc, 240);
    tcase_add_test(tc, bits_are_those_of_the_cpu);
    tcase_add_test(tc, threads_and_blocks_do_not_matter);
    tcase_add_test(tc, large_molecules_have_the_bits_of_the_cpu);
    tcase_add_test(tc, energies_and_gradients_are_right);
    tcase_add_test(tc, empty_calls_and_jobs_are_nothing);
    tcase_add_test(tc, bad_shapes_are_refused);
    return run_suite("device_minimizer", &tc, 1);
}
