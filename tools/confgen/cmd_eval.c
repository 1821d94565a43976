/* SPDX-License-Identifier: MIT */
/* confgen eval: compares generated conformers with references. */
#include <confgen/version.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/pool.h"
#include "base/whole_file.h"
#include "eval/conformers.h"
#include "eval/evaluate.h"
#include "eval/html.h"
#include "eval/result_json.h"

#include "commands.h"
#include "table.h"

static const char help[] =
    "confgen eval --ref REF.sdf --gen GEN.sdf    COV and MAT of generated conformers\n"
    "confgen eval --compare A.json B.json        compare two evaluations (--compare --help)\n"
    "\n"
    "Both files are SDF from any program, plain, .gz or .zst, with or without hydrogens, atoms\n"
    "and records in any order; - is standard input. Molecules are matched by name, or by\n"
    "canonical SMILES if names are missing or none matches.\n"
    "\n"
    "  --delta D                     threshold of COV in ångström (0.75; 0.5 for QM9)\n"
    "  --missing zero|drop           a molecule without output covers nothing (zero, as\n"
    "                                published) or is left out\n"
    "  --rmsd best|plain             smallest over the automorphisms (best), or atom by atom\n"
    "  --symmetry conjugated|plain   whether conjugated terminal O and N count as equal, as in\n"
    "                                RDKit's GetBestRMS since 2022.09 (conjugated)\n"
    "  --max-matches N               automorphisms per molecule (10000)\n"
    "  --time-limit S                seconds per molecule; remaining pairs use 16\n"
    "                                automorphisms (0: no limit)\n"
    "  --threads N                   default: all cores\n"
    "  --check                       check every generated conformer by itself\n"
    "  --json FILE                   write the whole result\n"
    "  --csv FILE                    write one line per molecule\n"
    "  --html FILE                   write a page with charts\n"
    "  --run REPORT.json             the generating run's --report: kept in the result; its\n"
    "                                counts of geometry failures are printed\n"
    "  --overwrite                   replace existing files\n"
    "\n"
    "Exit status: 0, 1 if records could not be read or checked, 2 usage error, 3 a file cannot\n"
    "be read or written.\n";

enum { MAX_RUN = 64 << 20 }; /* bytes of a run's report */

struct eval_options {
    const char *ref, *gen, *json, *csv, *html, *run;
    cg_eval_settings settings;
    int32_t threads;
    int overwrite;
};

/* ---- options ------------------------------------------------------------------------------ */

/* 0 or 1, for `zero` or `one`. */
static int parse_either(const char *name, const char *text, const char *zero, const char *one)
{
    const char *words[] = { zero, one };

    return parse_keyword(name, text, words, 2);
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

static void set_option(struct eval_options *o, int option, const char *value)
{
    cg_eval_settings *s = &o->settings;

    switch (option) {
    case O_REF:
        o->ref = value;
        break;
    case O_GEN:
        o->gen = value;
        break;
    case O_DELTA:
        s->delta = parse_double("--delta", value, 1e-6, 100);
        break;
    case O_MISSING:
        s->missing =
            parse_either("--missing", value, "zero", "drop") ? CG_MISSING_DROP : CG_MISSING_ZERO;
        break;
    case O_RMSD:
        s->rmsd = parse_either("--rmsd", value, "best", "plain") ? CG_RMSD_PLAIN : CG_RMSD_BEST;
        break;
    case O_SYMMETRY:
        s->symmetry = parse_either("--symmetry", value, "plain", "conjugated")
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
        o->threads = parse_int("--threads", value, 1, 1024);
        break;
    case O_CHECK:
        s->checks = 1;
        break;
    case O_JSON:
        o->json = value;
        break;
    case O_CSV:
        o->csv = value;
        break;
    case O_HTML:
        o->html = value;
        break;
    case O_RUN:
        o->run = value;
        break;
    default:
        o->overwrite = 1;
    }
}

/* Refuses, before the work, outputs that exist (unless --overwrite), are inputs, or are named
 * twice. */
static void check_outputs(const struct eval_options *o)
{
    const char *out[] = { o->json, o->csv, o->html }, *in[] = { o->ref, o->gen, o->run };

    for (size_t i = 0; i < 3; i++) {
        if (!out[i])
            continue;
        for (size_t k = 0; k < 3; k++)
            if (in[k] && same_file(out[i], in[k]))
                usage_error("'%s' is both an input and an output", out[i]);
        for (size_t k = 0; k < i; k++)
            if (out[k] && same_file(out[i], out[k]))
                usage_error(
                    "'%s' and '%s' are one file: wanted one each for --json, --csv and --html",
                    out[k], out[i]);
        if (!o->overwrite && cg_file_exists(out[i]))
            usage_error("'%s' exists: --overwrite replaces it", out[i]);
    }
}

static void parse(int argc, char **argv, struct eval_options *o)
{
    int option;

    *o = (struct eval_options) {
        .settings = { .delta = 0.75,
                      .symmetry = CG_SYMMETRY_CONJUGATED,
                      .max_maps = CG_SYMMETRY_MAX_MAPS },
        .threads = cg_cpu_count(),
    };
    while ((option = next_option(argc, argv, options, help)) != -1)
        set_option(o, option, optarg);
    if (optind < argc)
        usage_error("'%s': wanted options only, as --ref FILE --gen FILE", argv[optind]);
    if (!o->ref || !o->gen)
        usage_error("%s is missing", o->ref ? "--gen FILE" : "--ref FILE");
    if (!strcmp(o->ref, "-") && !strcmp(o->gen, "-"))
        usage_error("--ref and --gen: only one of them can be standard input");
    check_outputs(o);
}

/* ---- printing ----------------------------------------------------------------------------- */

static void cell_share(struct text_table *t, double v)
{
    if (isfinite(v))
        table_cell(t, "%.2f %%", 100 * v);
    else
        table_cell(t, "-");
}

static void cell_distance(struct text_table *t, double v)
{
    if (isfinite(v))
        table_cell(t, "%.4f Å", v);
    else
        table_cell(t, "-");
}

static void print_figures(const cg_eval_summary *s)
{
    static const char *const headings[] = { "", "mean", "median" };
    const struct {
        const char *name;
        const cg_eval_figure *figure;
        void (*cell)(struct text_table *t, double v);
    } rows[] = {
        { "COV-R", &s->cov_r, cell_share },
        { "MAT-R", &s->mat_r, cell_distance },
        { "COV-P", &s->cov_p, cell_share },
        { "MAT-P", &s->mat_p, cell_distance },
    };
    struct text_table t;

    table_begin(&t, "lrr", headings);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        table_cell(&t, "%s", rows[i].name);
        rows[i].cell(&t, rows[i].figure->mean);
        rows[i].cell(&t, rows[i].figure->median);
    }
    table_print(&t, stdout);
}

static void print_checks(const cg_eval_summary *s)
{
    static const char *const headings[] = { "check", "done", "failed", "passed" };
    struct text_table t;

    table_begin(&t, "lrrr", headings);
    for (int k = 0; k < CG_CHECK_COUNT; k++) {
        uint64_t done = s->check_done[k], failed = s->check_failed[k];

        table_cell(&t, "%s", cg_check_name((cg_check_id)k));
        table_cell(&t, "%llu", (unsigned long long)done);
        table_cell(&t, "%llu", (unsigned long long)failed);
        cell_share(&t, done ? (double)(done - failed) / (double)done : NAN);
    }
    table_cell(&t, "all");
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
                                                 : "count as different",
           cg_symmetry_rule_name(s->symmetry));
    printf("limits: %zu automorphisms, reached by %llu molecules; ", s->max_maps,
           (unsigned long long)m->n_maps_limited);
    if (s->seconds > 0)
        printf("%g s, reached by %llu\n", s->seconds, (unsigned long long)m->n_time_limited);
    else
        printf("no time limit\n");
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
    printf("not counted as generated: %llu wrong (another molecule), %llu broken (unreadable);\n"
           "      %llu generated molecules have no reference\n",
           (unsigned long long)s->n_wrong, (unsigned long long)s->n_broken,
           (unsigned long long)s->n_extra);
    if (r->settings.checks) {
        putchar('\n');
        print_checks(s);
    }
}

/* Prints problems that did not end the evaluation; returns the exit status. */
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
        fprintf(stderr, "confgen: warning: no molecule of '%s' is in '%s'\n", gen->path, ref->path);
    if (notes->unchecked) {
        fprintf(stderr, "confgen: %zu molecules cannot be checked; the first: %s\n",
                notes->unchecked, notes->unchecked_reason);
        status = EXIT_SOME_FAILED;
    }
    return status;
}

/* ---- files -------------------------------------------------------------------------------- */

typedef cg_status eval_writer(const cg_eval_result *result, cg_buf *out, cg_error *err);

static cg_status write_result(const struct eval_options *o, const char *path, eval_writer *write,
                              const cg_eval_result *result, cg_error *err)
{
    cg_buf text = { 0 };
    cg_status st;

    if (!path)
        return CG_OK;
    CG_TRY_GOTO(st, write(result, &text, err), out);
    CG_TRY_GOTO(st, cg_file_write_whole(path, text.data, text.len, o->overwrite, err), out);
out:
    cg_buf_finish(&text);
    return st;
}

/* Reads the report of the generating run; NULL if `path` is. *ret_run is for json_decref(). */
static cg_status read_run(const char *path, json_t **ret_run, cg_error *err)
{
    cg_bytes bytes = { 0 };
    cg_status st;

    if (!path)
        return CG_OK;
    CG_TRY_GOTO(st, cg_file_read(path, MAX_RUN, &bytes, err), out);
    CG_TRY_GOTO(st, cg_json_parse(path, bytes.data, bytes.len, ret_run, err), out);
out:
    cg_bytes_release(&bytes);
    return st;
}

static double number_at(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);

    return json_is_number(v) ? json_number_value(v) : 0;
}

/* Prints what the run's report says of the geometry tests during generation. */
static void print_geometry(const json_t *run)
{
    const json_t *geometry = json_object_get(run, "geometry");
    const json_t *causes = json_object_get(geometry, "faults");
    const json_t *counts = json_object_get(run, "counts");
    double atoms = number_at(geometry, "atoms"), failed = 0;
    double conformers = number_at(counts, "conformers");
    const char *name;

    if (!(atoms > 0 && conformers > 0))
        return;
    for (int32_t i = 1; (name = cg_fault_describe(i)); i++)
        failed += number_at(causes, name);
    printf("\nthe run (--run): %.0f of %.0f atoms failed a geometry test, %.2f %%\n", failed, atoms,
           100 * failed / atoms);
    for (int32_t i = 1; (name = cg_fault_describe(i)); i++)
        printf("%s%s %.0f", i > 1 ? ", " : "  ", name, number_at(causes, name));
    printf("\n  %.0f atoms moved, %.0f conformers restarted, %.0f given up; %.1f tokens per "
           "conformer, %.1f more discarded\n",
           number_at(geometry, "atoms_moved"), number_at(geometry, "restarts"),
           number_at(json_object_get(counts, "failures"), "invalid_geometry"),
           number_at(json_object_get(counts, "tokens"), "completion") / conformers,
           number_at(geometry, "tokens_discarded") / conformers);
}

/* ---- the command -------------------------------------------------------------------------- */

/* Evaluates and prints; *ret_status is the exit status. */
static cg_status evaluate(const struct eval_options *o, cg_eval_result *result, int *ret_status,
                          cg_error *err)
{
    cg_conformer_file ref = { 0 }, gen = { 0 };
    cg_eval_notes notes;
    double start = cg_now();
    cg_status st;

    CG_TRY_GOTO(st, cg_conformer_file_read(o->ref, o->threads, &ref, err), out);
    CG_TRY_GOTO(st, cg_conformer_file_read(o->gen, o->threads, &gen, err), out);
    CG_TRY_GOTO(st, cg_evaluate(&ref, &gen, &o->settings, o->threads, result, &notes, err), out);
    result->summary.seconds = cg_now() - start;
    print_result(result);
    *ret_status = warn(&ref, &gen, &notes);
out:
    cg_conformer_file_finish(&ref);
    cg_conformer_file_finish(&gen);
    return st;
}

int cmd_eval(int argc, char **argv)
{
    cg_eval_result result = { 0 };
    cg_error err = CG_ERROR_INIT;
    json_t *run = NULL;
    struct eval_options o;
    int status = EXIT_OK;
    cg_status st;

    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], "--compare"))
            return cmd_eval_compare(argc, argv);
    command_name = "eval";
    parse(argc, argv, &o);
    CG_TRY_GOTO(st, read_run(o.run, &run, &err), out);
    CG_TRY_GOTO(st, evaluate(&o, &result, &status, &err), out);
    if (run) {
        print_geometry(run);
        result.run_json = json_dumps(run, JSON_COMPACT);
        if (!result.run_json)
            out_of_memory();
    }
    CG_TRY_GOTO(st, write_result(&o, o.json, cg_eval_write_json, &result, &err), out);
    CG_TRY_GOTO(st, write_result(&o, o.csv, cg_eval_write_csv, &result, &err), out);
    CG_TRY_GOTO(st, write_result(&o, o.html, cg_eval_write_html, &result, &err), out);
out:
    json_decref(run);
    cg_eval_result_finish(&result);
    return st == CG_OK ? status : report_error(&err);
}
