/* SPDX-License-Identifier: MIT */
/*
 * Jobs of many threads on the minimisers of a GPU: each gets its own result, that of the CPU. Needs
 * CONFGEN_TEST_GPU=1; else exits with 77.
 */
#include <pthread.h>
#include <string.h>

#include "engine/minimizer_pool.h"
#include "forcefield/mmff_golden.h"
#include "gpu_mode.h"
#include "plugin/host.h"
#include "scratch.h"

enum { THREADS = 6, EACH = 4 };

static cg_minimizer_pool *pool;

/* The jobs of a thread: molecules `first`, `first` + THREADS, ... */
struct jobs_of_thread {
    size_t first;
    cg_mmff_tables *tables[EACH];
    cg_minimizer_job jobs[EACH], want[EACH];
    cg_minimized minimized[2 * EACH];
    cg_error err;
    cg_status status;
    pthread_t thread;
};

static void open_job(const golden_molecule *m, cg_mmff_tables *t, cg_minimized *ret,
                     cg_minimizer_job *job)
{
    double *xyz = calloc(m->n_atoms * 3, sizeof *xyz);

    ck_assert_ptr_nonnull(xyz);
    for (size_t i = 0; i < m->n_atoms * 3; i++)
        xyz[i] = m->xyz[i / 3][i % 3];
    *job = (cg_minimizer_job) { .tables = t,
                                .stages = &cg_minimizer_defaults,
                                .n_stages = 1,
                                .n = 1,
                                .xyz = xyz,
                                .minimized = ret };
}

static void *run(void *arg)
{
    struct jobs_of_thread *t = arg;

    for (int i = 0; i < EACH && t->status == CG_OK; i++)
        t->status = cg_minimizer_pool_run(pool, &t->jobs[i], &t->err);
    return NULL;
}

static void open_pool(cg_plugin_host *host)
{
    const int32_t gpu = 0;
    cg_error err = CG_ERROR_INIT;

    cg_plugin_host_init(host, NULL, NULL, NULL, CG_LOG_WARNING);
    ck_assert_msg(cg_minimizer_pool_create(&gpu, 1, &host->host, &pool, &err) == CG_OK, "%s",
                  err.msg);
}

START_TEST(threads_get_their_own_results)
{
    static struct jobs_of_thread threads[THREADS];
    cg_error err = CG_ERROR_INIT;
    cg_plugin_host host;

    golden_load();
    open_pool(&host);
    ck_assert_uint_le(THREADS * EACH, n_golden);
    for (size_t k = 0; k < THREADS; k++) {
        struct jobs_of_thread *t = &threads[k];

        t->err = err;
        for (size_t i = 0; i < EACH; i++) {
            const golden_molecule *m = &golden[k + i * THREADS];

            t->tables[i] = golden_tables(m, CG_MMFF94);
            open_job(m, t->tables[i], &t->minimized[i], &t->jobs[i]);
            open_job(m, t->tables[i], &t->minimized[EACH + i], &t->want[i]);
            ck_assert_int_eq(cg_mmff_minimize_job(&t->want[i], &err), CG_OK);
        }
    }
    for (int k = 0; k < THREADS; k++)
        ck_assert_int_eq(pthread_create(&threads[k].thread, NULL, run, &threads[k]), 0);
    for (int k = 0; k < THREADS; k++)
        pthread_join(threads[k].thread, NULL);
    for (int k = 0; k < THREADS; k++) {
        struct jobs_of_thread *t = &threads[k];

        ck_assert_msg(t->status == CG_OK, "%s", t->err.msg);
        for (int i = 0; i < EACH; i++) {
            ck_assert_mem_eq(&t->minimized[i], &t->minimized[EACH + i], sizeof t->minimized[i]);
            ck_assert_mem_eq(t->jobs[i].xyz, t->want[i].xyz,
                             (size_t)t->tables[i]->n_atoms * 3 * sizeof(double));
            free(t->jobs[i].xyz);
            free(t->want[i].xyz);
            cg_mmff_tables_destroy(t->tables[i]);
        }
    }
    cg_minimizer_pool_destroy(pool);
    golden_free();
}
END_TEST

START_TEST(missing_gpus_are_named)
{
    const int32_t gpu = 900;
    cg_error err = CG_ERROR_INIT;
    cg_minimizer_pool *none = NULL;

    ck_assert_int_ne(cg_minimizer_pool_create(&gpu, 1, NULL, &none, &err), CG_OK);
    ck_assert_ptr_nonnull(strstr(err.msg, "900"));
    ck_assert_ptr_null(none);
}
END_TEST

int main(void)
{
    TCase *tc;

    if (gpu_mode() != GPU_REQUESTED)
        return EXIT_SKIPPED;
    tc = tcase_create("minimizer_pool");
    tcase_set_timeout(tc, 240);
    tcase_add_test(tc, threads_get_their_own_results);
    tcase_add_test(tc, missing_gpus_are_named);
    return run_suite("minimizer_pool", &tc, 1);
}
