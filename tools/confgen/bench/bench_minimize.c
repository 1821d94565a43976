/* SPDX-License-Identifier: MIT */
/* confgen bench minimize: conformers/s of the minimiser, on the CPU and on a GPU. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/pool.h"
#include "base/size.h"
#include "bench.h"
#include "bench_rmsd.h"
#include "chem/hydrogens.h"
#include "cuda_loader/cuda_module.h"
#include "forcefield/mmff_parameters.h"
#include "table.h"

enum { WARP = 32, MAX_STREAMS = 16 };

static const struct command_option options[] = {
    { "molecules", 'f', "FILE", "default: the sample shipped with confgen" },
    { "limit", 'l', "N", "read only the first N molecules" },
    { "conformers", 'n', "N", "per molecule (default 64)" },
    { "threads", 't', "N", "of the CPU, each with one molecule at once (default 1)" },
    { "device", 'd', "DEV", "cpu (default) or cuda:N, which is measured beside the CPU" },
    { "batch", 'b', "N", "molecules in a call of the GPU (default 16)" },
    { "streams", 's', "N", "calls at once (default 2)" },
    { "block-threads", 'w', "N", "of the block of a conformer, whole warps of 32 (default 64)" },
    { "blocks", 'g', "N", "conformers of a call at once (default: four per multiprocessor)" },
    { "rounds", 'r', "N", "repetitions, of which the median counts (default 3)" },
    { "json", 'j', "FILE", "write all figures" },
};

const struct command_page page_bench_minimize = {
    .name = "bench minimize",
    .summary = "conformers/s moved to a minimum of their energy",
    .usage = "confgen bench minimize [options]\n",
    .text = "",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .notes = "Conformers are artificial: RDKit embeds one per molecule, with hydrogens; then its "
             "bonds are rotated by about 10 degrees and its atoms displaced. Each is minimised as "
             "by --minimize mmff94: hydrogens first, then all atoms. Results of the GPU are "
             "compared with those of the CPU bit for bit.",
};

struct minimized_molecule {
    char *smiles;
    cg_mmff_tables *tables;
    uint8_t *fixed; /* [n_atoms] for the first stage */
    cg_minimizer_options stages[CG_MINIMIZER_MAX_STAGES];
    double *start;       /* [conformers][n_atoms][3] */
    cg_minimizer_job on; /* the CPU: xyz and minimized are owned */
    cg_minimizer_job gpu;
    cg_error err; /* code != CG_OK: left out, for this reason */
};

struct minimize_bench {
    const char *file, *json;
    int64_t limit, conformers, batch;
    int32_t threads, streams, rounds, gpu; /* gpu: index, -1: none */
    cg_device_minimizer_config config;
    struct minimized_molecule *molecules;
    size_t n, cap;
    cg_minimizer_job *jobs; /* [n_jobs] of the GPU */
    size_t n_jobs;
    struct samples cpu_seconds, gpu_seconds;
    /* of the calls in progress */
    pthread_mutex_t lock;
    size_t next_job;
    cg_error err; /* of a call, guarded by lock */
};

/* ---- conformers ----------------------------------------------------------------------------- */

/* add() of read_bench_molecules() */
static void add_molecule(void *ctx, const cg_input_record *record)
{
    struct minimize_bench *b = ctx;

    if (cg_grow((void **)&b->molecules, &b->cap, b->n + 1, sizeof *b->molecules))
        out_of_memory();
    b->molecules[b->n] =
        (struct minimized_molecule) { .smiles = strdup(record->smiles), .err = CG_ERROR_INIT };
    if (!b->molecules[b->n].smiles)
        out_of_memory();
    b->n++;
}

/* Room for the results of a device. */
static void make_job(struct minimized_molecule *m, size_t n, cg_minimizer_job *ret)
{
    size_t each = (size_t)m->tables->n_atoms * 3;

    *ret = (cg_minimizer_job) { .tables = m->tables,
                                .stages = m->stages,
                                .n_stages = CG_MINIMIZER_MAX_STAGES,
                                .n = n,
                                .xyz = cg_alloc_array(n * each, sizeof(double)),
                                .minimized = cg_alloc_array(n, sizeof(cg_minimized)) };
    if (!ret->xyz || !ret->minimized)
        out_of_memory();
}

static cg_status prepare(struct minimized_molecule *m, size_t n, uint64_t seed, cg_error *err)
{
    cg_molecule *text = NULL;
    cg_hydrogens *hydrogens = NULL;
    const cg_molecule *all;
    cg_status st;

    CG_TRY_GOTO(st, cg_molecule_parse(m->smiles, strlen(m->smiles), &text, err), out);
    CG_TRY_GOTO(st, cg_hydrogens_create(text, &hydrogens, err), out);
    all = cg_hydrogens_molecule(hydrogens);
    CG_TRY_GOTO(
        st, cg_mmff_tables_create(cg_molecule_smiles(all, NULL), CG_MMFF94, &m->tables, err), out);
    CG_TRY_GOTO(st, bench_near_conformers(all, n, seed, &m->start, err), out);
    m->fixed = calloc((size_t)m->tables->n_atoms, 1);
    if (!m->fixed)
        out_of_memory();
    memset(m->fixed, 1, cg_molecule_n_atoms(text));
    m->stages[0] = cg_minimizer_hydrogens_first;
    m->stages[0].fixed = m->fixed;
    m->stages[1] = cg_minimizer_defaults;
    make_job(m, n, &m->on);
    make_job(m, n, &m->gpu);
out:
    cg_hydrogens_destroy(hydrogens);
    cg_molecule_destroy(text);
    return st;
}

static void prepare_molecule(void *ctx, int64_t i, int worker)
{
    struct minimize_bench *b = ctx;
    struct minimized_molecule *m = &b->molecules[i];

    (void)worker;
    (void)prepare(m, (size_t)b->conformers, (uint64_t)i, &m->err);
}

/* Coordinates of the start. */
static void reset(const struct minimized_molecule *m, const cg_minimizer_job *job)
{
    memcpy(job->xyz, m->start, job->n * (size_t)m->tables->n_atoms * 3 * sizeof *job->xyz);
}

/* ---- the CPU -------------------------------------------------------------------------------- */

static void minimize_on_cpu(void *ctx, int64_t i, int worker)
{
    struct minimize_bench *b = ctx;
    struct minimized_molecule *m = &b->molecules[i];

    (void)worker;
    if (m->err.code == CG_OK)
        (void)cg_mmff_minimize_job(&m->on, &m->err);
}

static void measure_cpu(struct minimize_bench *b, cg_team *team)
{
    double start;

    for (size_t i = 0; i < b->n; i++)
        if (b->molecules[i].err.code == CG_OK)
            reset(&b->molecules[i], &b->molecules[i].on);
    start = cg_now();
    cg_team_loop(team, (int64_t)b->n, minimize_on_cpu, b);
    samples_add(&b->cpu_seconds, cg_now() - start);
}

/* ---- the GPU -------------------------------------------------------------------------------- */

struct stream_caller {
    struct minimize_bench *b;
    cg_device_minimizer *minimizer;
    pthread_t thread;
};

/* The next jobs of a call. Returns their number. */
static size_t take_jobs(struct minimize_bench *b, const cg_minimizer_job **ret_jobs)
{
    size_t n;

    pthread_mutex_lock(&b->lock);
    n = b->n_jobs - b->next_job;
    n = b->err.code != CG_OK ? 0 : n < (size_t)b->batch ? n : (size_t)b->batch;
    *ret_jobs = b->jobs + b->next_job;
    b->next_job += n;
    pthread_mutex_unlock(&b->lock);
    return n;
}

static void *call(void *arg)
{
    struct stream_caller *c = arg;
    const cg_minimizer_job *jobs;
    size_t n;

    while ((n = take_jobs(c->b, &jobs)) > 0) {
        cg_error err = CG_ERROR_INIT;

        if (c->minimizer->ops->run(c->minimizer, jobs, n, &err) == CG_OK)
            continue;
        pthread_mutex_lock(&c->b->lock);
        c->b->err = err;
        pthread_mutex_unlock(&c->b->lock);
    }
    return NULL;
}

static cg_status measure_gpu(struct minimize_bench *b, struct stream_caller *callers, cg_error *err)
{
    int32_t n = 0;
    double start;

    b->next_job = b->n_jobs = 0;
    for (size_t i = 0; i < b->n; i++)
        if (b->molecules[i].err.code == CG_OK) {
            reset(&b->molecules[i], &b->molecules[i].gpu);
            b->jobs[b->n_jobs++] = b->molecules[i].gpu;
        }
    start = cg_now();
    while (n < b->streams && !pthread_create(&callers[n].thread, NULL, call, &callers[n]))
        n++;
    for (int32_t i = 0; i < n; i++)
        pthread_join(callers[i].thread, NULL);
    samples_add(&b->gpu_seconds, cg_now() - start);
    if (n < b->streams)
        return cg_fail(err, CG_ERR_NOMEM, "minimisation: a thread cannot be started");
    *err = b->err;
    return b->err.code;
}

static cg_status run_all(struct minimize_bench *b, cg_error *err)
{
    struct stream_caller callers[MAX_STREAMS] = { 0 };
    cg_team *team = NULL;
    cg_status st;

    b->jobs = cg_alloc_array(b->n, sizeof *b->jobs);
    if (!b->jobs)
        out_of_memory();
    CG_TRY(cg_team_create(b->threads, &team, err));
    cg_team_loop(team, (int64_t)b->n, prepare_molecule, b);
    for (int32_t i = 0; b->gpu >= 0 && i < b->streams; i++) {
        callers[i].b = b;
        CG_TRY_GOTO(st, cg_cuda_loader_create_minimizer(&b->config, &callers[i].minimizer, err),
                    out);
    }
    if (b->gpu >= 0) { /* warm-up */
        CG_TRY_GOTO(st, measure_gpu(b, callers, err), out);
        b->gpu_seconds.n = 0;
    }
    for (int32_t round = 0; round < b->rounds; round++) {
        measure_cpu(b, team);
        if (b->gpu >= 0)
            CG_TRY_GOTO(st, measure_gpu(b, callers, err), out);
    }
    st = CG_OK;
out:
    for (int32_t i = 0; i < b->streams; i++)
        if (callers[i].minimizer)
            callers[i].minimizer->ops->destroy(callers[i].minimizer);
    cg_team_destroy(team);
    return st;
}

/* ---- results -------------------------------------------------------------------------------- */

struct minimized_sums {
    int64_t molecules, conformers, converged, same;
    double atoms, rounds, released; /* over conformers */
};

static struct minimized_sums add_up(const struct minimize_bench *b)
{
    struct minimized_sums s = { 0 };

    for (size_t i = 0; i < b->n; i++) {
        const struct minimized_molecule *m = &b->molecules[i];
        const size_t each = m->tables ? (size_t)m->tables->n_atoms * 3 : 0;

        if (m->err.code != CG_OK)
            continue;
        s.molecules++;
        for (size_t k = 0; k < m->on.n; k++) {
            const cg_minimized *z = &m->on.minimized[k];

            s.conformers++;
            s.converged += z->converged;
            s.atoms += m->tables->n_atoms;
            s.rounds += z->rounds;
            s.released += z->before - z->after;
            s.same += b->gpu >= 0 && !memcmp(m->on.xyz + k * each, m->gpu.xyz + k * each,
                                             each * sizeof *m->on.xyz);
        }
    }
    return s;
}

static void print(const struct minimize_bench *b, const struct minimized_sums *s)
{
    static const char *const headings[] = { "device", "seconds", "conformers/s" };
    const double n = (double)s->conformers;
    double cpu = samples_median(&b->cpu_seconds), gpu = samples_median(&b->gpu_seconds);
    struct text_table t;

    printf("%lld conformers of %lld molecules (%lld left out); on average %.1f atoms, %.1f rounds, "
           "%.1f kcal/mol released; %.2f %% converged\n",
           (long long)s->conformers, (long long)s->molecules,
           (long long)((int64_t)b->n - s->molecules), s->atoms / n, s->rounds / n, s->released / n,
           100 * (double)s->converged / n);
    if (b->gpu >= 0)
        printf("bits of the GPU equal those of the CPU: %lld of %lld conformers\n",
               (long long)s->same, (long long)s->conformers);
    printf("\n");
    table_begin(&t, "lrr", headings);
    table_cell(&t, "cpu, %d threads", (int)b->threads);
    table_cell(&t, "%.3f", cpu);
    table_cell(&t, "%.0f", n / cpu);
    if (b->gpu >= 0) {
        table_cell(&t, "cuda:%d, %d streams of %d molecules", (int)b->gpu, (int)b->streams,
                   (int)b->batch);
        table_cell(&t, "%.3f", gpu);
        table_cell(&t, "%.0f", n / gpu);
    }
    table_print(&t, stdout);
}

static cg_status write_json(const struct minimize_bench *b, const struct minimized_sums *s,
                            cg_error *err)
{
    json_t *root = json_pack(
        "{s:s, s:I, s:I, s:f, s:f, s:f, s:I, s:i, s:f}", "bench", "minimize", "molecules",
        (json_int_t)s->molecules, "conformers", (json_int_t)s->conformers, "atoms", s->atoms,
        "rounds", s->rounds, "released", s->released, "converged", (json_int_t)s->converged,
        "threads", (int)b->threads, "cpu_seconds", samples_median(&b->cpu_seconds));

    if (root && b->gpu >= 0)
        json_object_update_new(
            root, json_pack("{s:i, s:i, s:i, s:i, s:i, s:I, s:f}", "gpu", (int)b->gpu, "streams",
                            (int)b->streams, "batch", (int)b->batch, "block_threads",
                            (int)b->config.threads, "blocks", (int)b->config.blocks, "same_bits",
                            (json_int_t)s->same, "gpu_seconds", samples_median(&b->gpu_seconds)));
    return write_bench_json(b->json, root, err);
}

static void finish(struct minimize_bench *b)
{
    for (size_t i = 0; i < b->n; i++) {
        struct minimized_molecule *m = &b->molecules[i];

        cg_mmff_tables_destroy(m->tables);
        free(m->smiles);
        free(m->fixed);
        free(m->start);
        free(m->on.xyz);
        free(m->on.minimized);
        free(m->gpu.xyz);
        free(m->gpu.minimized);
    }
    free(b->molecules);
    free(b->jobs);
    samples_finish(&b->cpu_seconds);
    samples_finish(&b->gpu_seconds);
    pthread_mutex_destroy(&b->lock);
}

static void parse_options(struct minimize_bench *b, int argc, char **argv)
{
    int option;

    while ((option = next_option(argc, argv, &page_bench_minimize)) != -1)
        switch (option) {
        case 'f':
            b->file = optarg;
            break;
        case 'l':
            b->limit = parse_int64("--limit", optarg, 1, INT64_MAX / 2);
            break;
        case 'n':
            b->conformers = parse_int64("--conformers", optarg, 1, 100000);
            break;
        case 't':
            b->threads = parse_int("--threads", optarg, 1, CG_MAX_THREADS);
            break;
        case 'd':
            b->gpu = parse_gpu(optarg);
            break;
        case 'b':
            b->batch = parse_int64("--batch", optarg, 1, 100000);
            break;
        case 's':
            b->streams = parse_int("--streams", optarg, 1, MAX_STREAMS);
            break;
        case 'w':
            b->config.threads = parse_int("--block-threads", optarg, WARP, 256);
            if (b->config.threads % WARP)
                usage_error("--block-threads %d: wanted whole warps of %d", b->config.threads,
                            WARP);
            break;
        case 'g':
            b->config.blocks = parse_int("--blocks", optarg, 1, 100000);
            break;
        case 'r':
            b->rounds = parse_int("--rounds", optarg, 1, 1000);
            break;
        default:
            b->json = optarg;
        }
}

int bench_minimize(int argc, char **argv)
{
    struct minimize_bench b = { .conformers = 64,
                                .batch = 16,
                                .threads = 1,
                                .streams = 2,
                                .rounds = 3,
                                .gpu = -1,
                                .lock = PTHREAD_MUTEX_INITIALIZER,
                                .err = CG_ERROR_INIT };
    cg_error err = CG_ERROR_INIT;
    struct minimized_sums sums;
    cg_status st;

    command_name = "bench minimize";
    parse_options(&b, argc, argv);
    no_operands(argc, argv, "give molecules with --molecules");
    check_bench_json(b.json);
    b.config.gpu = b.gpu;
    CG_TRY_GOTO(st, read_bench_molecules(b.file, b.limit, add_molecule, &b, &err), out);
    CG_TRY_GOTO(st, run_all(&b, &err), out);
    for (size_t i = 0; i < b.n; i++)
        if (b.molecules[i].err.code != CG_OK)
            fprintf(stderr, "confgen: left out: %s\n", b.molecules[i].err.msg);
    sums = add_up(&b);
    if (!sums.molecules) {
        st = cg_fail(&err, CG_ERR_UNSUPPORTED, "no molecule can be minimised");
        goto out;
    }
    print(&b, &sums);
    if (b.json)
        st = write_json(&b, &sums, &err);
out:
    finish(&b);
    return st == CG_OK ? EXIT_OK : report_error(&err);
}
