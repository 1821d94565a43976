/* SPDX-License-Identifier: MIT */
/* confgen eval: generated conformers against references. */
#include <confgen/version.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/pool.h"
#include "eval/conformers.h"
#include "eval/evaluate.h"
#include "eval/html.h"
#include "eval/result_json.h"

#include "commands.h"
#include "table.h"

static const char help[] =
    "confgen eval --ref REF.sdf --gen GEN.sdf    COV and MAT of generated conformers\n"
    "confgen eval --compare A.json B.json        is evaluation B better than A? (--compare "
    "--help)\n"
    "\n"
    "Both files are SDF, plain, .gz or .zst, from anywhere: with hydrogens or without, in any "
    "order\n"
    "of atoms and records; - is standard input. Molecules are matched by name, or by canonical\n"
    "SMILES where names are missing or match nothing.\n"
    "\n"
    "  --delta D                     threshold of COV in ångström (0.75; 0.5 for QM9)\n"
    "  --missing zero|drop           a molecule without output covers nothing (zero, the "
    "published\n"
    "                                convention), or is left out\n"
    "  --rmsd best|plain             smallest over the automorphisms (best), or atom by atom\n"
    "  --symmetry conjugated|plain   whether conjugated terminal O and N count as equal, as in\n"
    "                                RDKit's GetBestRMS since 2022.09 (conjugated)\n"
    "  --max-matches N               automorphisms a molecule (10000)\n"
    "  --time-limit S                seconds a molecule; the pairs that are left see 16\n"
    "                                automorphisms (0: no limit)\n"
    "  --threads N                   default: all cores\n"
    "  --check                       check every generated conformer by itself\n"
    "  --json FILE, --csv FILE, --html FILE\n"
    "                                write the result, a line a molecule, a page\n"
    "  --run REPORT.json             the generating run's --report, kept in the result; what\n"
    "                                it says of atoms in impossible places is printed\n"
    "  --overwrite                   replace files that exist\n"
    "\n"
    "Exit status: 0, 1 where records could not be read or checked, 2 wrong usage, 3 where a file\n"
    "cannot be read or written.\n";

enum { MAX_RUN = 64 << 20 }; /* bytes of a run's report */

struct job {
    const char *ref, *gen, *json, *csv, *html, *run;
    cg_eval_settings settings;
    int32_t threads;
    int overwrite;
};

/* ---- what is asked for -------------------------------------------------------------------- */

/* The index of a word among two. */
static int parse_word(const char *name, const char *text, const char *zero, const char *one)
{
    if (strcmp(text, zero) != 0 && strcmp(text, one) != 0)
        usage_error("%s '%s': wanted %s or %s", name, text, zero, one);
    return !strcmp(text, one);
}

static double parse_double(const char *name, const char *text, double lo, double hi)
{
    char *end;
    double v = strtod(text, &end);

    if (end == text || *end || !(v >= lo && v <= hi))
        usage_error("%s '%s': wanted a number from %g to %g", name, text, lo, hi);
    return v;
}

enum {
    O_REF = 256,
    O_GEN,
    O_DELTA,
    O_MISSING,
    O_RMSD,
    O_SYMMETRY,
    O_MATCHES,
    O_TIME,
    O_THREADS,
    O_CHECK,
    O_JSON,
    O_CSV,
    O_HTML,
    O_RUN,
    O_OVERWRITE
};

static const struct option options[] = {
    { "ref", required_argument, NULL, O_REF },
    { "gen", required_argument, NULL, O_GEN },
    { "delta", required_argument, NULL, O_DELTA },
    { "missing", required_argument, NULL, O_MISSING },
    { "rmsd", required_argument, NULL, O_RMSD },
    { "symmetry", required_argument, NULL, O_SYMMETRY },
    { "max-matches", required_argument, NULL, O_MATCHES },
    { "time-limit", required_argument, NULL, O_TIME },
    { "threads", required_argument, NULL, O_THREADS },
    { "check", no_argument, NULL, O_CHECK },
    { "json", required_argument, NULL, O_JSON },
    { "csv", required_argument, NULL, O_CSV },
    { "html", required_argument, NULL, O_HTML },
    { "run", required_argument, NULL, O_RUN },
    { "overwrite", no_argument, NULL, O_OVERWRITE },
    { "help", no_argument, NULL, OPTION_HELP },
    { NULL, 0, NULL, 0 },
};

static void set_option(struct job *j, int option, const char *value)
{
    cg_eval_settings *s = &j->settings;

    switch (option) {
    case O_REF:
        j->ref = value;
        break;
    case O_GEN:
        j->gen = value;
        break;
    case O_DELTA:
        s->delta = parse_double("--delta", value, 1e-6, 100);
        break;
    case O_MISSING:
        s->missing =
            parse_word("--missing", value, "zero", "drop") ? CG_MISSING_DROP : CG_MISSING_ZERO;
        break;
    case O_RMSD:
        s->rmsd = parse_word("--rmsd", value, "best", "plain") ? CG_RMSD_PLAIN : CG_RMSD_BEST;
        break;
    case O_SYMMETRY:
        s->symmetry = parse_word("--symmetry", value, "plain", "conjugated")
                          ? CG_SYMMETRY_CONJUGATED
                          : CG_SYMMETRY_PLAIN;
        break;
    case O_MATCHES:
        s->max_maps = (size_t)parse_int("--max-matches", value, 1, 1000000);
        break;
    case O_TIME:
        s->seconds = parse_double("--time-limit", value, 0, 1e6);
        break;
    case O_THREADS:
        j->threads = parse_int("--threads", value, 1, 1024);
        break;
    case O_CHECK:
        s->checks = 1;
        break;
    case O_JSON:
        j->json = value;
        break;
    case O_CSV:
        j->csv = value;
        break;
    case O_HTML:
        j->html = value;
        break;
    case O_RUN:
        j->run = value;
        break;
    default:
        j->overwrite = 1;
    }
}

/* Before the work: a file that exists is refused unless it may be replaced; one that is read, or
 * written twice, always. */
static void check_outputs(const struct job *j)
{
    const char *out[] = { j->json, j->csv, j->html }, *in[] = { j->ref, j->gen, j->run };

    for (size_t i = 0; i < 3; i++) {
        if (!out[i])
            continue;
        for (size_t k = 0; k < 3; k++)
            if (in[k] && !strcmp(out[i], in[k]))
                usage_error("'%s' is read and would be written over", out[i]);
        for (size_t k = 0; k < i; k++)
            if (out[k] && !strcmp(out[i], out[k]))
                usage_error("'%s' is wanted for two of --json, --csv and --html", out[i]);
        if (!j->overwrite && cg_file_exists(out[i]))
            usage_error("'%s' exists: --overwrite replaces it", out[i]);
    }
}

static void parse(int argc, char **argv, struct job *j)
{
    int option;

    *j = (struct job) {
        .settings = { .delta = 0.75,
                      .symmetry = CG_SYMMETRY_CONJUGATED,
                      .max_maps = CG_SYMMETRY_MAX_MAPS },
        .threads = cg_cpu_count(),
    };
    while ((option = next_option(argc, argv, options, help)) != -1)
        set_option(j, option, optarg);
    if (optind < argc)
        usage_error("'%s': wanted options only, as --ref FILE --gen FILE", argv[optind]);
    if (!j->ref || !j->gen)
        usage_error("%s is missing", j->ref ? "--gen FILE" : "--ref FILE");
    if (!strcmp(j->ref, "-") && !strcmp(j->gen, "-"))
        usage_error("--ref and --gen: only one of them can be standard input");
    check_outputs(j);
}

/* ---- what is said ------------------------------------------------------------------------- */

static void cell_share(struct table *t, double v)
{
    if (isfinite(v))
        table_cell(t, "%.2f %%", 100 * v);
    else
        table_cell(t, "-");
}

static void cell_distance(struct table *t, double v)
{
    if (isfinite(v))
        table_cell(t, "%.4f Å", v);
    else
        table_cell(t, "-");
}

static void print_figures(const cg_eval_summary *s)
{
    static const char *const heads[] = { "", "mean", "median" };
    const struct {
        const char *name;
        const cg_eval_figure *figure;
        void (*cell)(struct table *t, double v);
    } rows[] = {
        { "COV-R", &s->cov_r, cell_share },
        { "MAT-R", &s->mat_r, cell_distance },
        { "COV-P", &s->cov_p, cell_share },
        { "MAT-P", &s->mat_p, cell_distance },
    };
    struct table t;

    table_begin(&t, "lrr", heads);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        table_cell(&t, "%s", rows[i].name);
        rows[i].cell(&t, rows[i].figure->mean);
        rows[i].cell(&t, rows[i].figure->median);
    }
    table_print(&t, stdout);
}

static void print_checks(const cg_eval_summary *s)
{
    static const char *const heads[] = { "check", "done", "failed", "passed" };
    struct table t;

    table_begin(&t, "lrrr", heads);
    for (int k = 0; k < CG_CHECK_COUNT; k++) {
        uint64_t done = s->check_done[k], failed = s->check_failed[k];

        table_cell(&t, "%s", cg_check_name((cg_check_id)k));
        table_cell(&t, "%llu", (unsigned long long)done);
        table_cell(&t, "%llu", (unsigned long long)failed);
        cell_share(&t, done ? (double)(done - failed) / (double)done : NAN);
    }
    table_cell(&t, "all of them");
    table_cell(&t, "%llu", (unsigned long long)s->checked);
    table_cell(&t, "%llu", (unsigned long long)(s->checked - s->passed_all));
    cell_share(&t, s->checked ? (double)s->passed_all / (double)s->checked : NAN);
    table_print(&t, stdout);
}

static void print_settings(const cg_eval_settings *s, const cg_eval_summary *m)
{
    printf("COV: share nearer than %g Å; a molecule without output %s (--missing %s): %llu\n",
           s->delta, s->missing == CG_MISSING_ZERO ? "covers nothing" : "is left out",
           cg_eval_missing_name(s->missing), (unsigned long long)m->n_missing);
    if (s->rmsd == CG_RMSD_PLAIN) {
        printf("RMSD: atom by atom, without symmetry (--rmsd plain)\n");
        return;
    }
    printf("RMSD: smallest over the automorphisms (--rmsd best); conjugated terminal O and N\n"
           "      %s (--symmetry %s)\n",
           s->symmetry == CG_SYMMETRY_CONJUGATED ? "count as equal, as in RDKit since 2022.09"
                                                 : "are told apart",
           cg_symmetry_rule_name(s->symmetry));
    printf("limits: %zu automorphisms, met by %llu molecules; ", s->max_maps,
           (unsigned long long)m->n_maps_limited);
    if (s->seconds > 0)
        printf("%g s, met by %llu\n", s->seconds, (unsigned long long)m->n_time_limited);
    else
        printf("no limit of time\n");
}

static void print_result(const cg_eval_result *r)
{
    const cg_eval_summary *s = &r->summary;

    printf("%llu molecules, %llu references, %llu generated, %llu pairs in %.1f s\n\n",
           (unsigned long long)s->n_molecules, (unsigned long long)s->n_ref,
           (unsigned long long)s->n_gen, (unsigned long long)s->pairs, s->seconds);
    print_figures(s);
    putchar('\n');
    print_settings(&r->settings, s);
    printf(
        "not counted as generated: %llu wrong (another molecule), %llu broken (cannot be read);\n"
        "      %llu generated molecules have no reference\n",
        (unsigned long long)s->n_wrong, (unsigned long long)s->n_broken,
        (unsigned long long)s->n_extra);
    if (r->settings.checks) {
        putchar('\n');
        print_checks(s);
    }
}

/* What went wrong without ending the evaluation; returns the exit status. */
static int warn(const cg_conformer_file *ref, const cg_conformer_file *gen,
                const cg_eval_notes *notes)
{
    const cg_conformer_file *files[] = { ref, gen };
    int status = EXIT_OK;

    for (int i = 0; i < 2; i++)
        if (files[i]->n_broken) {
            fprintf(stderr, "confgen: '%s': %zu of %zu records cannot be read; the first: %s\n",
                    files[i]->path, files[i]->n_broken, files[i]->n_records,
                    files[i]->first_broken_reason);
            status = EXIT_SOME_FAILED;
        }
    if (notes->names_failed)
        fprintf(stderr,
                "confgen: warning: no name in '%s' is a name in '%s'; molecules were matched by "
                "canonical SMILES: %zu of %zu found a reference\n",
                gen->path, ref->path, notes->by_smiles, notes->by_smiles + notes->extra);
    else if (gen->n_molecules && !notes->by_name && !notes->by_smiles)
        fprintf(stderr, "confgen: warning: no molecule of '%s' is one of '%s'\n", gen->path,
                ref->path);
    if (notes->unchecked) {
        fprintf(stderr, "confgen: %zu molecules cannot be checked; the first: %s\n",
                notes->unchecked, notes->unchecked_reason);
        status = EXIT_SOME_FAILED;
    }
    return status;
}

/* ---- what is written ---------------------------------------------------------------------- */

static cg_status io_failed(const char *path, cg_error *err)
{
    err->code = CG_ERR_IO;
    snprintf(err->msg, sizeof err->msg, "'%s': cannot be written: %s", path, strerror(errno));
    return CG_ERR_IO;
}

cg_status write_whole_file(const char *path, const cg_buf *text, cg_error *err)
{
    char *part = NULL;
    FILE *f;
    cg_status st = CG_OK;

    if (asprintf(&part, "%s.part", path) < 0)
        out_of_memory();
    f = fopen(part, "wb");
    if (!f) {
        st = io_failed(part, err);
        free(part);
        return st;
    }
    if (fwrite(text->data, 1, text->len, f) != text->len)
        st = io_failed(part, err);
    if (fclose(f) && st == CG_OK)
        st = io_failed(part, err);
    if (st == CG_OK && rename(part, path))
        st = io_failed(path, err);
    if (st != CG_OK)
        unlink(part);
    free(part);
    return st;
}

typedef cg_status writer(const cg_eval_result *result, cg_buf *out, cg_error *err);

static cg_status write_result(const char *path, writer *write, const cg_eval_result *result,
                              cg_error *err)
{
    cg_buf text = { 0 };
    cg_status st;

    if (!path)
        return CG_OK;
    st = write(result, &text, err);
    if (st == CG_OK)
        st = write_whole_file(path, &text, err);
    cg_buf_finish(&text);
    return st;
}

/* The report of the run that generated; *ret is for json_decref(). */
static cg_status read_run(const char *path, json_t **ret, cg_error *err)
{
    cg_bytes bytes = { 0 };
    cg_status st;

    if (!path)
        return CG_OK;
    st = cg_file_read(path, MAX_RUN, &bytes, err);
    if (st == CG_OK)
        st = cg_json_parse(path, bytes.data, bytes.len, ret, err);
    cg_bytes_release(&bytes);
    return st;
}

static double number_at(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);

    return json_is_number(v) ? json_number_value(v) : 0;
}

/* What the run says of atoms in impossible places, where it looked at them. */
static void print_geometry(const json_t *run)
{
    const json_t *geometry = json_object_get(run, "geometry");
    const json_t *causes = json_object_get(geometry, "faults");
    const json_t *counts = json_object_get(run, "counts");
    double atoms = number_at(geometry, "atoms"), off = 0;
    double conformers = number_at(counts, "conformers");
    const char *name;

    if (!(atoms > 0 && conformers > 0))
        return;
    for (int32_t i = 1; (name = cg_fault_describe(i)); i++)
        off += number_at(causes, name);
    printf("\nthe run (--run): %.0f of %.0f atoms were in impossible places when they were "
           "written, %.2f %%\n",
           off, atoms, 100 * off / atoms);
    for (int32_t i = 1; (name = cg_fault_describe(i)); i++)
        printf("%s%s %.0f", i > 1 ? ", " : "  ", name, number_at(causes, name));
    printf("\n  %.0f atoms moved, %.0f conformers begun anew, %.0f given up; %.1f tokens a "
           "conformer, %.1f more taken back\n",
           number_at(geometry, "atoms_moved"), number_at(geometry, "restarts"),
           number_at(json_object_get(counts, "failures"), "invalid_geometry"),
           number_at(json_object_get(counts, "tokens"), "completion") / conformers,
           number_at(geometry, "tokens_discarded") / conformers);
}

/* ---- the command -------------------------------------------------------------------------- */

static cg_status evaluate(const struct job *j, cg_eval_result *result, int *ret_status,
                          cg_error *err)
{
    cg_conformer_file ref = { 0 }, gen = { 0 };
    cg_eval_notes notes;
    double begun = cg_now();
    cg_status st = cg_conformer_file_read(j->ref, j->threads, &ref, err);

    if (st == CG_OK)
        st = cg_conformer_file_read(j->gen, j->threads, &gen, err);
    if (st == CG_OK)
        st = cg_evaluate(&ref, &gen, &j->settings, j->threads, result, &notes, err);
    if (st == CG_OK) {
        result->summary.seconds = cg_now() - begun;
        print_result(result);
        *ret_status = warn(&ref, &gen, &notes);
        if (fflush(stdout) || ferror(stdout)) {
            fprintf(stderr, "confgen: standard output: %s\n", strerror(errno));
            *ret_status = EXIT_ENVIRONMENT;
        }
    }
    cg_conformer_file_finish(&ref);
    cg_conformer_file_finish(&gen);
    return st;
}

int cmd_eval(int argc, char **argv)
{
    cg_eval_result result = { 0 };
    cg_error err = CG_ERROR_INIT;
    json_t *run = NULL;
    struct job j;
    int status = EXIT_OK;
    cg_status st;

    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], "--compare"))
            return eval_compare(argc, argv);
    command_name = "eval";
    parse(argc, argv, &j);
    st = read_run(j.run, &run, &err);
    if (st == CG_OK)
        st = evaluate(&j, &result, &status, &err);
    if (st == CG_OK && run) {
        print_geometry(run);
        result.run_json = json_dumps(run, JSON_COMPACT);
        if (!result.run_json)
            out_of_memory();
    }
    if (st == CG_OK)
        st = write_result(j.json, cg_eval_write_json, &result, &err);
    if (st == CG_OK)
        st = write_result(j.csv, cg_eval_write_csv, &result, &err);
    if (st == CG_OK)
        st = write_result(j.html, cg_eval_write_html, &result, &err);
    if (st != CG_OK)
        status = report_error(&err);
    json_decref(run);
    cg_eval_result_finish(&result);
    return status;
}
