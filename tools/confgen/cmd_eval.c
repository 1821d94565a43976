/* SPDX-License-Identifier: MIT */
/* confgen eval: compares generated conformers with references. */
#include <confgen/version.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/file.h"
#include "base/json.h"
#include "base/pool.h"
#include "base/whole_file.h"
#include "eval/conformers.h"
#include "eval/evaluate.h"
#include "eval/html.h"
#include "eval/overlay.h"
#include "eval/result_json.h"

#include "commands.h"
#include "table.h"

enum { MAX_RUN = 64 << 20 }; /* bytes of a run's report */

struct eval_options {
    const char *ref, *gen, *json, *csv, *html, *run;
    cg_eval_settings settings;
    int32_t threads;
    int overwrite;
};

/* ---- options ------------------------------------------------------------------------------ */

static void parse_word(const char *option, const char *word, cg_eval_settings *settings)
{
    cg_error err = CG_ERROR_INIT;

    if (cg_eval_set_word(settings, option, word, &err) != CG_OK)
        usage_error("%s", err.msg);
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
    O_MISMATCH,
    O_RMSD,
    O_SYMMETRY,
    O_MATCHES,
    O_TIME,
    O_THREADS,
    O_CHECK,
    O_BIOACTIVE,
    O_RELAXATION,
    O_JSON,
    O_CSV,
    O_HTML,
    O_RUN,
    O_OVERWRITE
};

static const struct command_option options[] = {
    { "ref", O_REF, "REF.sdf", "the reference conformers" },
    { "gen", O_GEN, "GEN.sdf", "the generated conformers" },
    { "delta", O_DELTA, "D", "threshold of COV in ångström (0.75; 0.5 for QM9)" },
    { "missing", O_MISSING, "zero|drop",
      "a molecule without output covers nothing (zero, as published) or is left out" },
    { "on-mismatch", O_MISMATCH, "error|drop",
      "if references of one name are different molecules: refuse them (error), or evaluate the one "
      "that SMILES items state, else the most frequent one, and list the others (drop)" },
    { "rmsd", O_RMSD, "best|plain", "smallest over the automorphisms (best), or atom by atom" },
    { "symmetry", O_SYMMETRY, "conjugated|plain",
      "whether conjugated terminal O and N count as equal, as in RDKit's GetBestRMS since 2022.09 "
      "(conjugated)" },
    { "max-matches", O_MATCHES, "N", "automorphisms per molecule (10000)" },
    { "time-limit", O_TIME, "S",
      "seconds per molecule; remaining pairs use 16 automorphisms (0: no limit)" },
    { "threads", O_THREADS, "N", "default: all cores" },
    { "check", O_CHECK, NULL, "check every generated conformer by itself" },
    { "bioactive", O_BIOACTIVE, NULL,
      "the protocol for experimental references: best RMSD and hit rates of the first 1, 10, 25 "
      "... conformers, by rotatable bonds and heavy atoms; torsions (TFD); clusters" },
    { "relaxation", O_RELAXATION, NULL,
      "MMFF94 energy that a generated conformer releases on the way to its minimum; hydrogens that "
      "a record lacks are added and moved to their minimum first" },
    { "json", O_JSON, "FILE", "write the whole result" },
    { "csv", O_CSV, "FILE", "write one line per molecule" },
    { "html", O_HTML, "FILE", "write a page with charts" },
    { "run", O_RUN, "REPORT.json",
      "the generating run's --report: kept in the result; its counts of geometry failures are "
      "printed" },
    { "overwrite", O_OVERWRITE, NULL, "replace existing files" },
};

const struct command_page page_eval = {
    .name = "eval",
    .summary = "COV and MAT of generated conformers",
    .usage =
        "confgen eval --ref REF.sdf --gen GEN.sdf    COV and MAT of generated conformers\n"
        "confgen eval --compare A.json B.json        compare two evaluations (--compare --help)\n",
    .text = "Both files are SDF from any program, plain, .gz or .zst, with or without hydrogens, "
            "atoms and records in any order; - is standard input. Molecules are matched by name, "
            "or by canonical SMILES if names are missing or none matches.",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .notes = "Records that cannot be read or show another molecule than the reference of their "
             "name are not scored; conformers of another stereoisomer are. Both are "
             "listed.\n\nExit status: 0; 1 if records were not scored, show another stereoisomer "
             "or could not be checked, or if names match only in part; 2 usage error; 3 a file "
             "cannot be read or written, or the references are refused.",
};

/* As in a run: more threads than processors would wait for each other. */
static int32_t parse_threads(const char *value)
{
    int32_t wanted = parse_int("--threads", value, 1, CG_MAX_THREADS), cores = cg_cpu_count();

    if (wanted <= cores)
        return wanted;
    message("--threads %d is lowered to %d, the number of processors available", wanted, cores);
    return cores;
}

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
        parse_word("--missing", value, s);
        break;
    case O_MISMATCH:
        parse_word("--on-mismatch", value, s);
        break;
    case O_RMSD:
        parse_word("--rmsd", value, s);
        break;
    case O_SYMMETRY:
        parse_word("--symmetry", value, s);
        break;
    case O_MATCHES:
        s->max_maps = (size_t)parse_int("--max-matches", value, 1, 1000000);
        break;
    case O_TIME:
        s->seconds = parse_double("--time-limit", value, 0, 1e6);
        break;
    case O_THREADS:
        o->threads = parse_threads(value);
        break;
    case O_CHECK:
        s->checks = 1;
        break;
    case O_BIOACTIVE:
        s->bioactive = 1;
        break;
    case O_RELAXATION:
        s->relaxation = 1;
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
    const struct named_file in[] = { { NULL, "the --ref file", o->ref },
                                     { NULL, "the --gen file", o->gen },
                                     { NULL, "the --run file", o->run } };
    const struct named_file out[] = { { "--json", "the --json file", o->json },
                                      { "--csv", "the --csv file", o->csv },
                                      { "--html", "the --html file", o->html } };

    check_files(in, 3, out, 3, o->overwrite);
}

static void parse(int argc, char **argv, struct eval_options *o)
{
    int option;

    *o = (struct eval_options) {
        .settings = cg_eval_default_settings(),
        .threads = cg_cpu_count(),
    };
    while ((option = next_option(argc, argv, &page_eval)) != -1)
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
    static const char *const headings[] = { "check", "done", "failed", "unchecked", "passed" };
    struct text_table t;

    table_begin(&t, "lrrrr", headings);
    for (int k = 0; k < CG_CHECK_COUNT; k++) {
        uint64_t done = s->check_done[k], failed = s->check_failed[k];

        table_cell(&t, "%s", cg_check_name((cg_check_id)k));
        table_cell(&t, "%llu", (unsigned long long)done);
        table_cell(&t, "%llu", (unsigned long long)failed);
        table_cell(&t, "%llu", (unsigned long long)s->check_unchecked[k]);
        cell_share(&t, done ? (double)(done - failed) / (double)done : NAN);
    }
    table_cell(&t, "all");
    table_cell(&t, "%llu", (unsigned long long)s->checked);
    table_cell(&t, "%llu", (unsigned long long)(s->checked - s->passed_all - s->unchecked));
    table_cell(&t, "%llu", (unsigned long long)s->unchecked);
    cell_share(&t, s->checked ? (double)s->passed_all / (double)s->checked : NAN);
    table_print(&t, stdout);
}

static void cell_energy(struct text_table *t, double v)
{
    if (isfinite(v))
        table_cell(t, "%.2f", v);
    else
        table_cell(t, "-");
}

static void print_relaxation(const cg_eval_summary *s)
{
    static const char *const headings[] = { "conformers", "molecules", "median",
                                            "mean",       "90 %",      "largest" };
    const cg_relaxation *r = &s->relaxation;
    struct text_table t;

    printf(
        "\nrelaxation energy (--relaxation): MMFF94, kcal/mol, from a conformer to its minimum\n");
    table_begin(&t, "rrrrrr", headings);
    table_cell(&t, "%llu", (unsigned long long)r->n);
    table_cell(&t, "%llu", (unsigned long long)s->n_relaxed);
    cell_energy(&t, r->median);
    cell_energy(&t, r->mean);
    cell_energy(&t, r->high);
    cell_energy(&t, r->largest);
    table_print(&t, stdout);
    printf("molecules without MMFF94 parameters: %llu\n", (unsigned long long)s->n_no_parameters);
}

/* ---- experimental references -------------------------------------------------------------- */

static void begin_groups(struct text_table *t, const char *first, char (*names)[32],
                         const char **headings)
{
    headings[0] = first;
    headings[1] = "molecules";
    headings[2] = "best, mean";
    headings[3] = "median";
    headings[4] = "TFD";
    for (int k = 0; k < CG_BIOACTIVE_HITS; k++) {
        snprintf(names[k], sizeof names[k], "< %g Å", cg_bioactive_threshold(k));
        headings[5 + k] = names[k];
    }
    table_begin(t, "lrrrrrrrrr", headings);
}

static void put_group(struct text_table *t, const cg_bioactive_group *g, uint64_t n)
{
    table_cell(t, "%llu", (unsigned long long)n);
    cell_distance(t, g->best.mean);
    cell_distance(t, g->best.median);
    if (isfinite(g->tfd.mean))
        table_cell(t, "%.4f", g->tfd.mean);
    else
        table_cell(t, "-");
    for (int k = 0; k < CG_BIOACTIVE_HITS; k++)
        cell_share(t, g->hit[k]);
}

static void print_strata(const cg_bioactive_summary *s, int by_heavy)
{
    const char *headings[5 + CG_BIOACTIVE_HITS];
    char names[CG_BIOACTIVE_HITS][32];
    struct text_table t;

    begin_groups(&t, by_heavy ? "heavy atoms" : "rotatable bonds", names, headings);
    for (int i = 0; i < CG_BIOACTIVE_STRATA; i++) {
        cg_bioactive_stratum stratum = cg_bioactive_stratum_at(i);

        if (stratum.by_heavy != by_heavy || !s->strata[i].n_molecules)
            continue;
        if (stratum.high == UINT32_MAX)
            table_cell(&t, "%u or more", stratum.low);
        else
            table_cell(&t, "%u to %u", stratum.low, stratum.high);
        put_group(&t, &s->strata[i], s->strata[i].n_molecules);
    }
    table_print(&t, stdout);
}

static void print_bioactive(const cg_eval_result *r)
{
    const cg_bioactive_summary *s = &r->summary.bioactive;
    const char *headings[5 + CG_BIOACTIVE_HITS];
    char names[CG_BIOACTIVE_HITS][32];
    struct text_table t;

    printf(
        "\nexperimental references (--bioactive): best RMSD, mean best TFD and hit rates of the\n"
        "first conformers of a molecule; molecules of at least as many conformers\n");
    begin_groups(&t, "first", names, headings);
    for (int k = 0; k < CG_BIOACTIVE_COUNTS; k++) {
        if (k < CG_BIOACTIVE_ALL && !s->full[k])
            continue;
        if (k < CG_BIOACTIVE_ALL)
            table_cell(&t, "%llu", (unsigned long long)cg_bioactive_count(k));
        else
            table_cell(&t, "all");
        put_group(&t, &s->curve[k], s->full[k]);
    }
    table_print(&t, stdout);
    putchar('\n');
    print_strata(s, 0);
    putchar('\n');
    print_strata(s, 1);
    printf("\nclusters of a molecule, mean and median:");
    for (int i = 0; i < CG_BIOACTIVE_RADII; i++)
        printf("%s %.1f and %.1f at %g Å", i ? "," : "", s->clusters[i].mean, s->clusters[i].median,
               cg_bioactive_radius(i));
    putchar('\n');
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
    printf(
        "not scored: %llu generated of another molecule (%llu of them another protonation state\n"
        "      or tautomer), %llu generated that cannot be read, %llu generated molecules without\n"
        "      reference; %llu references of another molecule, %llu that cannot be read\n",
        (unsigned long long)s->n_wrong, (unsigned long long)s->n_state,
        (unsigned long long)s->n_broken, (unsigned long long)s->n_extra,
        (unsigned long long)s->n_ref_dropped, (unsigned long long)s->n_ref_broken);
    printf(
        "stereo: %llu of %llu generated and %llu of %llu references are another stereoisomer than\n"
        "      the reference's SMILES; they are scored; %llu molecules cannot be tested in full\n",
        (unsigned long long)s->n_stereo, (unsigned long long)s->n_gen,
        (unsigned long long)s->n_ref_stereo, (unsigned long long)s->n_ref,
        (unsigned long long)s->n_stereo_untested);
    if (r->settings.bioactive)
        print_bioactive(r);
    if (r->settings.relaxation)
        print_relaxation(s);
    if (r->settings.checks) {
        putchar('\n');
        print_checks(s);
    }
}

/* ---- mismatches --------------------------------------------------------------------------- */

enum { MAX_LISTED = 10 }; /* mismatches of a kind that are printed; files have all */

/* Prints one mismatch: file, name, records, what was found and what was wanted. */
static void print_mismatch(const cg_eval_result *r, const cg_eval_mismatch *m)
{
    static const char *const shows[CG_FAULT_COUNT] = {
        [CG_FAULT_MOLECULE] = "another molecule",
        [CG_FAULT_PROTONATION] = "another protonation state",
        [CG_FAULT_TAUTOMER] = "a tautomer",
        [CG_FAULT_ENANTIOMER] = "the enantiomer",
        [CG_FAULT_STEREOISOMER] = "another stereoisomer",
        [CG_FAULT_OPEN_STEREO] = "another stereoisomer than the references",
    };
    const char *path = m->is_reference ? r->ref_path : r->gen_path, *what = shows[m->fault];
    const char *name = *m->name || m->fault == CG_FAULT_BROKEN ? m->name : m->wanted;
    const char *s = m->n == 1 ? "s" : "", *are = m->n == 1 ? "is" : "are";
    char which[96];

    if (!m->first_record)
        snprintf(which, sizeof which, "%llu conformer%s", (unsigned long long)m->n,
                 m->n == 1 ? "" : "s");
    else if (m->n == 1)
        snprintf(which, sizeof which, "record %llu", (unsigned long long)m->first_record);
    else
        snprintf(which, sizeof which, "%llu records, the first is %llu,", (unsigned long long)m->n,
                 (unsigned long long)m->first_record);
    if (m->fault == CG_FAULT_BROKEN)
        message("'%s': '%.60s': %s cannot be read and %s not scored: %s", path, name, which, are,
                m->found);
    else if (cg_eval_fault_drops(m->fault))
        message("'%s': '%.60s': %s show%s %s, '%.100s', wanted '%.100s', and %s not scored", path,
                name, which, s, what, m->found, m->wanted, are);
    else
        message("'%s': '%.60s': %s show%s %s, wanted '%.100s'%s, and %s scored", path, name, which,
                s, what, m->wanted,
                m->fault == CG_FAULT_OPEN_STEREO ? ", which leaves it open" : "", are);
}

/* Prints the mismatches but those without a reference; returns the exit status. */
static int print_mismatches(const cg_eval_result *r)
{
    int status = EXIT_OK;

    for (size_t i = 0, n; i < r->n_mismatches; i += n) {
        const cg_eval_mismatch *m = &r->mismatches[i];

        for (n = 1; i + n < r->n_mismatches && m[n].fault == m->fault &&
                    m[n].is_reference == m->is_reference;)
            n++;
        if (m->fault == CG_FAULT_NO_REFERENCE)
            continue;
        for (size_t k = 0; k < n && k < MAX_LISTED; k++)
            print_mismatch(r, &m[k]);
        if (n > MAX_LISTED)
            message("... and %zu names more of this kind ('%s' in the list of --json FILE)",
                    n - MAX_LISTED, cg_eval_fault_name(m->fault));
        if (m->fault != CG_FAULT_OPEN_STEREO)
            status = EXIT_SOME_FAILED;
    }
    return status;
}

/* Appends a name to a list of at most three. */
static void add_name(cg_buf *list, size_t n, const char *name)
{
    if (n < 3)
        cg_buf_printf(list, "%s'%.60s'", n ? ", " : "", name);
    else if (n == 3)
        cg_buf_puts(list, ", ...");
}

/* Warns of names that match only in part: both files have molecules that the other lacks, and the
 * records without reference were not compared. Returns the exit status. */
static int warn_of_names(const cg_eval_result *r)
{
    cg_buf ours = { 0 }, theirs = { 0 };
    size_t n_gen = 0, n_ref = 0;
    uint64_t records = 0;

    for (size_t i = 0; i < r->n_mismatches; i++)
        if (r->mismatches[i].fault == CG_FAULT_NO_REFERENCE) {
            add_name(&ours, n_gen++,
                     *r->mismatches[i].name ? r->mismatches[i].name : r->mismatches[i].found);
            records += r->mismatches[i].n;
        }
    for (size_t i = 0; i < r->n_molecules; i++) {
        const cg_eval_molecule *m = &r->molecules[i];

        if (!m->n_gen && !m->n_wrong && !m->n_broken)
            add_name(&theirs, n_ref++, *m->name ? m->name : m->smiles);
    }
    if (n_gen && n_ref)
        message("warning: the files match only in part: %zu molecules of '%s' (%s; %llu records) "
                "have no reference and are not scored; %zu of %zu references of '%s' (%s) have no "
                "generated record; names must be equal",
                n_gen, r->gen_path, cg_buf_text(&ours), (unsigned long long)records, n_ref,
                r->n_molecules, r->ref_path, cg_buf_text(&theirs));
    cg_buf_finish(&ours);
    cg_buf_finish(&theirs);
    return n_gen && n_ref ? EXIT_SOME_FAILED : EXIT_OK;
}

/* Prints problems that did not end the evaluation; returns the exit status. */
static int warn(const cg_eval_result *r, const cg_conformer_file *gen, const cg_eval_notes *notes)
{
    int status = print_mismatches(r);
    char matching[CG_EVAL_WARNING_TEXT];

    cg_eval_warn_of_matching(r, notes, gen, matching);
    if (*matching)
        message("warning: %s", matching);
    if (!gen->n_records)
        message("warning: '%s' holds no record", r->gen_path);
    if (warn_of_names(r) != EXIT_OK)
        status = EXIT_SOME_FAILED;
    if (*notes->no_parameters)
        message("warning: the relaxation energy of %llu molecules is not known; the first: %s",
                (unsigned long long)r->summary.n_no_parameters, notes->no_parameters);
    if (notes->unchecked) {
        message("some checks of %zu molecules cannot be done; the first: %s", notes->unchecked,
                notes->unchecked_reason);
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
    cg_conformer_file gen = { 0 };
    cg_eval_notes notes;
    cg_status st = CG_OK;

    CG_TRY(cg_evaluate_files(o->ref, o->gen, &o->settings, o->threads, &gen, result, &notes, err));
    if (o->html)
        CG_TRY_GOTO(st, cg_eval_add_overlays(result, &gen, err), out);
    print_result(result);
    *ret_status = warn(result, &gen, &notes);
out:
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
