/* SPDX-License-Identifier: MIT */
/* confgen bench rmsd: pairs/s of the comparison that confgen eval runs. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "base/pool.h"
#include "base/size.h"
#include "bench.h"
#include "bench_rmsd.h"
#include "eval/rmsd.h"
#include "table.h"

enum { MATRIX_ROWS = 100, MATRIX_COLUMNS = 200 };

static const double leader_radius = 0.5; /* Å */

static const struct command_option options[] = {
    { "molecules", 'f', "FILE", "default: the sample shipped with confgen" },
    { "limit", 'l', "N", "read only the first N molecules" },
    { "conformers", 'n', "N",
      "references per molecule (default: the count in FILE, else 50); twice as many are compared "
      "with them" },
    { "threads", 't', "N", "molecules at once (default 1)" },
    { "symmetry", 's', "NAME", "conjugated (default) or plain" },
    { "max-maps", 'm', "N", "automorphisms per molecule, default 10000" },
    { "json", 'j', "FILE", "write all figures" },
};

const struct command_page page_bench_rmsd = {
    .name = "bench rmsd",
    .summary = "pairs of conformers/s",
    .usage = "confgen bench rmsd [options]\n",
    .text = "",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .notes = "Conformers are artificial: RDKit embeds one per molecule, then its bonds are rotated "
             "and its atoms displaced; half of those compared are near a reference. minima is what "
             "confgen eval computes: the nearest of each, without the pairs that a bound excludes. "
             "matrix is all pairs of up to 100 with up to 200. leaders is what --prune 0.5 "
             "computes, of the conformers that are compared. Seconds are processor time, "
             "independent of the number of threads.",
};

struct rmsd_molecule {
    char *name, *smiles;
    int64_t n_ref;
    /* results */
    size_t n_atoms, n_maps;
    int limited, failed;
    cg_rmsd_count count;
    uint64_t matrix_pairs;
    size_t n_leaders;
    double symmetry_seconds, minima_seconds, matrix_seconds, leaders_seconds;
};

struct rmsd_bench {
    const char *file, *json;
    int64_t limit, conformers;
    int32_t threads, max_maps;
    cg_symmetry_rule rule;
    struct rmsd_molecule *molecules;
    size_t n, cap;
    double wall;
    char (*reason)[CG_ERROR_TEXT]; /* [n], of failed molecules */
};

static double thread_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* add() of read_bench_molecules() */
static void add_molecule(void *ctx, const cg_input_record *record)
{
    struct rmsd_bench *b = ctx;

    if (cg_grow((void **)&b->molecules, &b->cap, b->n + 1, sizeof *b->molecules))
        out_of_memory();
    b->molecules[b->n] = (struct rmsd_molecule) { .name = strdup(record->name),
                                                  .smiles = strdup(record->smiles),
                                                  .n_ref = b->conformers       ? b->conformers
                                                           : record->count > 0 ? record->count
                                                                               : 50 };
    if (!b->molecules[b->n].name || !b->molecules[b->n].smiles)
        out_of_memory();
    b->n++;
}

/* Times the minima over all conformers and the matrix of the first ones. */
static cg_status compare(struct rmsd_molecule *m, const float (*xyz)[3],
                         const cg_symmetry *symmetry, cg_error *err)
{
    size_t n_ref = (size_t)m->n_ref, n_gen = 2 * n_ref, n = m->n_atoms;
    size_t rows = n_ref < MATRIX_ROWS ? n_ref : MATRIX_ROWS;
    size_t columns = n_gen < MATRIX_COLUMNS ? n_gen : MATRIX_COLUMNS;
    float *ret = cg_alloc_array(n_ref + n_gen + rows * columns, sizeof *ret);
    size_t *leader = cg_alloc_array(n_gen, sizeof *leader);
    cg_rmsd_set *ref = NULL, *gen = NULL, *some_ref = NULL, *some_gen = NULL;
    double start = thread_seconds();
    cg_status st;

    if (!ret || !leader)
        out_of_memory();
    CG_TRY_GOTO(st, cg_rmsd_set_create(xyz, n_ref, n, &ref, err), out);
    CG_TRY_GOTO(st, cg_rmsd_set_create(xyz + n_ref * n, n_gen, n, &gen, err), out);
    CG_TRY_GOTO(st, cg_rmsd_minima(ref, gen, symmetry, NULL, ret, ret + n_ref, &m->count, err),
                out);
    m->minima_seconds = thread_seconds() - start;
    start = thread_seconds();
    CG_TRY_GOTO(st, cg_rmsd_set_create(xyz, rows, n, &some_ref, err), out);
    CG_TRY_GOTO(st, cg_rmsd_set_create(xyz + n_ref * n, columns, n, &some_gen, err), out);
    CG_TRY_GOTO(st, cg_rmsd_matrix(some_ref, some_gen, symmetry, ret, err), out);
    m->matrix_seconds = thread_seconds() - start;
    m->matrix_pairs = (uint64_t)rows * columns;
    start = thread_seconds();
    CG_TRY_GOTO(st, cg_rmsd_leaders(xyz + n_ref * n, n_gen, symmetry, leader_radius, leader, err),
                out);
    m->leaders_seconds = thread_seconds() - start;
    for (size_t i = 0; i < n_gen; i++)
        m->n_leaders += leader[i] == i;
out:
    cg_rmsd_set_destroy(ref);
    cg_rmsd_set_destroy(gen);
    cg_rmsd_set_destroy(some_ref);
    cg_rmsd_set_destroy(some_gen);
    free(ret);
    free(leader);
    return st;
}

/* Makes and compares the conformers of a molecule. */
static cg_status measure(const struct rmsd_bench *b, struct rmsd_molecule *m, uint64_t seed,
                         cg_error *err)
{
    cg_molecule *mol = NULL;
    cg_symmetry symmetry = { 0 };
    float(*xyz)[3] = NULL;
    double start;
    cg_status st;

    CG_TRY_GOTO(st, cg_molecule_parse(m->smiles, strlen(m->smiles), &mol, err), out);
    start = thread_seconds();
    CG_TRY_GOTO(st, cg_symmetry_find(mol, b->rule, (size_t)b->max_maps, &symmetry, err), out);
    m->symmetry_seconds = thread_seconds() - start;
    m->n_atoms = symmetry.n_atoms;
    m->n_maps = symmetry.n_maps;
    m->limited = symmetry.limited;
    CG_TRY_GOTO(st, bench_rmsd_conformers(mol, (size_t)m->n_ref, seed, &xyz, err), out);
    CG_TRY_GOTO(st, compare(m, (const float(*)[3])xyz, &symmetry, err), out);
out:
    free(xyz);
    cg_symmetry_finish(&symmetry);
    cg_molecule_destroy(mol);
    return st;
}

static void run_molecule(void *ctx, int64_t i, int worker)
{
    struct rmsd_bench *b = ctx;
    cg_error err = CG_ERROR_INIT;

    (void)worker;
    b->molecules[i].failed = measure(b, &b->molecules[i], (uint64_t)i, &err) != CG_OK;
    memcpy(b->reason[i], err.msg, sizeof b->reason[i]);
}

static cg_status run_all(struct rmsd_bench *b, cg_error *err)
{
    cg_team *team = NULL;
    double start = cg_now();

    CG_TRY(cg_team_create(b->threads, &team, err));
    b->reason = calloc(b->n, sizeof *b->reason);
    if (!b->reason)
        out_of_memory();
    cg_team_loop(team, (int64_t)b->n, run_molecule, b);
    b->wall = cg_now() - start;
    cg_team_destroy(team);
    return CG_OK;
}

/* Sums over the molecules whose number of maps is in a range. */
struct rmsd_sums {
    uint64_t molecules, failed, limited, pairs, maps_tried, pruned, all, matrix_pairs;
    double symmetry, minima, matrix, leaders;
    struct samples minima_rate, matrix_rate; /* pairs/s, by molecule */
};

static struct rmsd_sums add_up(const struct rmsd_bench *b, size_t low, size_t high)
{
    struct rmsd_sums s = { 0 };

    for (size_t i = 0; i < b->n; i++) {
        const struct rmsd_molecule *m = &b->molecules[i];

        if (m->n_maps < low || m->n_maps > high)
            continue;
        s.molecules++;
        s.failed += m->failed != 0;
        if (m->failed)
            continue;
        s.limited += m->limited != 0;
        s.pairs += m->count.pairs;
        s.maps_tried += m->count.maps_tried;
        s.pruned += m->count.pruned;
        s.all += m->count.pairs * m->n_maps;
        s.matrix_pairs += m->matrix_pairs;
        s.symmetry += m->symmetry_seconds;
        s.minima += m->minima_seconds;
        s.matrix += m->matrix_seconds;
        s.leaders += m->leaders_seconds;
        samples_add(&s.minima_rate, (double)m->count.pairs / m->minima_seconds);
        samples_add(&s.matrix_rate, (double)m->matrix_pairs / m->matrix_seconds);
    }
    return s;
}

static void sums_finish(struct rmsd_sums *s)
{
    samples_finish(&s->minima_rate);
    samples_finish(&s->matrix_rate);
}

static void print(const struct rmsd_bench *b)
{
    static const struct {
        const char *name;
        size_t low, high;
    } ranges[] = { { "1", 1, 1 },
                   { "2", 2, 2 },
                   { "3 to 7", 3, 7 },
                   { "8 to 31", 8, 31 },
                   { "32 to 199", 32, 199 },
                   { "200 and more", 200, SIZE_MAX },
                   { "all", 0, SIZE_MAX } };
    static const char *const headings[] = { "maps",           "molecules",        "pairs",
                                            "superpositions", "pruned",           "minima s",
                                            "pairs/s",        "superpositions/s", "matrix pairs/s",
                                            "leaders s" };
    struct text_table t;
    struct rmsd_sums all = add_up(b, 0, SIZE_MAX);

    printf("%llu molecules (%llu skipped, %llu with maps cut), %.1f million pairs; processor "
           "seconds: symmetry %.2f, minima %.2f; wall seconds including making the conformers "
           "%.1f, %d threads\n"
           "median over molecules: minima %.0f pairs/s, matrix %.0f pairs/s\n\n",
           (unsigned long long)all.molecules, (unsigned long long)all.failed,
           (unsigned long long)all.limited, (double)all.pairs * 1e-6, all.symmetry, all.minima,
           b->wall, (int)b->threads, samples_median(&all.minima_rate),
           samples_median(&all.matrix_rate));
    table_begin(&t, "lrrrrrrrrr", headings);
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        struct rmsd_sums s = add_up(b, ranges[i].low, ranges[i].high);

        if (s.molecules > s.failed) {
            table_cell(&t, "%s", ranges[i].name);
            table_cell(&t, "%llu", (unsigned long long)(s.molecules - s.failed));
            table_cell(&t, "%llu", (unsigned long long)s.pairs);
            table_cell(&t, "%.1f %%", 100 * (double)s.maps_tried / (double)s.all);
            table_cell(&t, "%.1f %%", 100 * (double)s.pruned / (double)s.pairs);
            table_cell(&t, "%.3f", s.minima);
            table_cell(&t, "%.3e", (double)s.pairs / s.minima);
            table_cell(&t, "%.3e", (double)s.maps_tried / s.minima);
            table_cell(&t, "%.3e", (double)s.matrix_pairs / s.matrix);
            table_cell(&t, "%.3f", s.leaders);
        }
        sums_finish(&s);
    }
    table_print(&t, stdout);
    sums_finish(&all);
}

static cg_status write_json(const struct rmsd_bench *b, cg_error *err)
{
    json_t *list = json_array();

    for (size_t i = 0; i < b->n; i++) {
        const struct rmsd_molecule *m = &b->molecules[i];

        json_array_append_new(
            list,
            json_pack("{s:o, s:o, s:b, s:I, s:I, s:b, s:I, s:I, s:I, s:f, s:f, s:I, s:f, s:I, s:f}",
                      "name", cg_json_text(m->name), "smiles", cg_json_text(m->smiles), "failed",
                      m->failed, "heavy_atoms", (json_int_t)m->n_atoms, "maps",
                      (json_int_t)m->n_maps, "maps_limited", m->limited, "pairs",
                      (json_int_t)m->count.pairs, "superpositions", (json_int_t)m->count.maps_tried,
                      "pruned", (json_int_t)m->count.pruned, "symmetry_seconds",
                      m->symmetry_seconds, "minima_seconds", m->minima_seconds, "matrix_pairs",
                      (json_int_t)m->matrix_pairs, "matrix_seconds", m->matrix_seconds, "leaders",
                      (json_int_t)m->n_leaders, "leaders_seconds", m->leaders_seconds));
    }
    return write_bench_json(b->json,
                            json_pack("{s:s, s:i, s:f, s:o}", "bench", "rmsd", "threads",
                                      (int)b->threads, "wall_seconds", b->wall, "molecules", list),
                            err);
}

int bench_rmsd(int argc, char **argv)
{
    static const char *const rules[] = { "conjugated", "plain" };
    struct rmsd_bench b = { .threads = 1,
                            .max_maps = CG_SYMMETRY_MAX_MAPS,
                            .rule = CG_SYMMETRY_CONJUGATED };
    cg_error err = CG_ERROR_INIT;
    cg_status st;
    int option;

    command_name = "bench rmsd";
    while ((option = next_option(argc, argv, &page_bench_rmsd)) != -1)
        switch (option) {
        case 'f':
            b.file = optarg;
            break;
        case 'l':
            b.limit = parse_int64("--limit", optarg, 1, INT64_MAX / 2);
            break;
        case 'n':
            b.conformers = parse_int64("--conformers", optarg, 1, 100000);
            break;
        case 't':
            b.threads = parse_int("--threads", optarg, 1, CG_MAX_THREADS);
            break;
        case 's':
            b.rule = parse_keyword("--symmetry", optarg, rules, 2) ? CG_SYMMETRY_PLAIN
                                                                   : CG_SYMMETRY_CONJUGATED;
            break;
        case 'm':
            b.max_maps = parse_int("--max-maps", optarg, 1, 10000000);
            break;
        default:
            b.json = optarg;
        }
    no_operands(argc, argv, "give molecules with --molecules");
    check_bench_json(b.json);
    CG_TRY_GOTO(st, read_bench_molecules(b.file, b.limit, add_molecule, &b, &err), out);
    CG_TRY_GOTO(st, run_all(&b, &err), out);
    for (size_t i = 0; i < b.n; i++)
        if (b.molecules[i].failed)
            fprintf(stderr, "confgen: skipped: %s\n", b.reason[i]);
    print(&b);
    if (b.json)
        CG_TRY_GOTO(st, write_json(&b, &err), out);
out:
    for (size_t i = 0; i < b.n; i++) {
        free(b.molecules[i].name);
        free(b.molecules[i].smiles);
    }
    free(b.molecules);
    free(b.reason);
    return st == CG_OK ? EXIT_OK : report_error(&err);
}
