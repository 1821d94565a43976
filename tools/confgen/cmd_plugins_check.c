/* SPDX-License-Identifier: MIT */
/* confgen plugins check. */
#include <confgen/plugins.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/json.h"
#include "commands.h"
#include "conformance/conformance.h"
#include "text/model_texts.h"

static const struct command_option options[] = {
    { "seed", 's', "S", "selects other random cases" },
    { "rounds", 'r', "N", "more random cases" },
    { "threads", 't', "N", "of the plugin" },
    { "device", 'd', "cpu|cuda|cuda:I|all",
      "a single device, or all: the CPU and every GPU (default: the CPU and the first GPU)" },
    { "time-limit", 'l', "SECONDS",
      "of one check (default: 30 s, on a GPU 300 s; four times as long if other programs use the "
      "processors)" },
    { "in-process", 'i', NULL, "run all checks in this process, for a debugger" },
    { "only", 'o', "TEXT", "only the checks whose names contain TEXT (repeatable)" },
    { "model", 'm', "DIR",
      "a constraint is checked over its tokenizer and text format (default: the default model)" },
    { "json", 'j', NULL, "print one JSON object instead of lines" },
};

const struct command_page page_plugins_check = {
    .name = "plugins check",
    .summary = "run the conformance suite over a plugin",
    .usage = "confgen plugins check FILE.so [--model DIR] [--device cpu|cuda|cuda:I|all] [--only "
             "TEXT]...\n"
             "                      [--seed S] [--rounds N] [--threads N] [--time-limit SECONDS]\n"
             "                      [--json] [--in-process]\n",
    .text =
        "Runs the conformance suite of the plugin's kind, which confgen's own plugins pass: "
        "lifecycle, random shapes, edge lengths, poisoned workspace, guard bytes, refusals, "
        "failing allocations, and for attention a comparison with a float64 reference. --seed "
        "selects other random cases, --rounds more of them. --only selects the checks whose names "
        "contain TEXT; it may be repeated. --json prints one JSON object instead of lines.\n\nA "
        "constraint is checked over a vocabulary of bytes, and over the tokenizer and text format "
        "of a model (--model; default: the default model) with molecules of many kinds.\n\nA "
        "plugin is checked on every device that it supports: the CPU and the first GPU, if there "
        "is one. --device selects one, or all: the CPU and every GPU. Skipped devices are printed "
        "with the reason.\n\nEach check on the CPU, and all checks on a GPU, run in a process of "
        "their own: a plugin that crashes, hangs or ends the process fails the check. --time-limit "
        "bounds one check (default: 30 s, on a GPU 300 s; four times as long if other programs use "
        "the processors). --in-process runs all checks in this process, for a debugger.\n\nExit "
        "status: 0 all checks passed, 1 some failed, 2 --only selects no check (the names are "
        "printed), 3 the file was refused, or supports none of the devices.",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .notes = "",
};

/* The plugin of a command line, loaded in the process that checks it, and what its checks give. */
struct checked_plugin {
    const char *file;
    const char *device, *model; /* as given; NULL: not */
    int32_t threads;
    int32_t n_passed, n_failed;                /* checks reported */
    int32_t n_left_out;                        /* by --only */
    int32_t n_devices;                         /* that it supports; a constraint needs none */
    json_t *plugin, *devices, *notes, *checks; /* with --json */
};

/* ---- lines ---------------------------------------------------------------------------------- */

static void print_line(const char *line)
{
    printf("%s\n", line);
    fflush(stdout);
}

static void count(struct checked_plugin *p, const cg_conformance_verdict *v)
{
    if (v->passed)
        p->n_passed++;
    else
        p->n_failed++;
}

static void print_check(void *ctx, const cg_conformance_verdict *v)
{
    count(ctx, v);
    printf("%-48s  %-6s  %s\n", v->check, v->passed ? "ok" : "FAILED", v->detail);
    fflush(stdout);
}

static void print_note(void *ctx, const char *line)
{
    (void)ctx;
    print_line(line);
}

/* Notes the options that do not apply to the plugin's kind. */
static void note_options(const struct checked_plugin *p, const cg_plugin *plugin,
                         void (*note)(void *ctx, const char *line), void *ctx)
{
    if (p->device && plugin->kind == CG_PLUGIN_CONSTRAINT)
        note(ctx, "note: --device does not apply to a constraint, which has no device");
    if (p->model && plugin->kind != CG_PLUGIN_CONSTRAINT)
        note(ctx,
             plugin->kind == CG_PLUGIN_CACHE
                 ? "note: --model does not apply to a cache; it is for constraints"
                 : "note: --model does not apply to an attention plugin; it is for constraints");
}

static void print_plugin(void *ctx, const cg_plugin *plugin)
{
    struct checked_plugin *p = ctx;
    char line[2048];

    p->n_devices += plugin->kind == CG_PLUGIN_CONSTRAINT;
    cg_conformance_plugin_line(plugin, line, sizeof line);
    print_line(line);
    note_options(p, plugin, print_note, p);
}

static void print_device(void *ctx, const cg_conformance_device *device)
{
    struct checked_plugin *p = ctx;
    char line[2048];

    p->n_devices += device->is_checked;
    cg_conformance_device_line(device, line, sizeof line);
    print_line(line);
}

static void print_counts(const struct checked_plugin *p, int is_checked)
{
    printf("\n%s: %d checks passed, %d failed%s\n", p->file, p->n_passed, p->n_failed,
           p->n_failed || is_checked ? "" : ", on no device");
}

/* ---- JSON ----------------------------------------------------------------------------------- */

static void add(json_t *array, json_t *value)
{
    if (json_array_append_new(array, value))
        out_of_memory();
}

static json_t *text_or_null(const char *text)
{
    return text ? cg_json_text(text) : json_null();
}

static void keep_check(void *ctx, const cg_conformance_verdict *v)
{
    struct checked_plugin *p = ctx;

    count(p, v);
    add(p->checks, json_pack("{s:o, s:o, s:b, s:o, s:f}", "name", cg_json_text(v->check), "device",
                             text_or_null(v->device), "passed", (int)v->passed, "detail",
                             cg_json_text(v->detail), "seconds", v->seconds));
}

static void keep_note(void *ctx, const char *line)
{
    struct checked_plugin *p = ctx;

    add(p->notes, cg_json_text(line));
}

static void keep_plugin(void *ctx, const cg_plugin *plugin)
{
    static const char *const kinds[] = { "attention", "cache", "constraint" };
    struct checked_plugin *p = ctx;
    char abi[32];

    p->n_devices += plugin->kind == CG_PLUGIN_CONSTRAINT;
    snprintf(abi, sizeof abi, "%d.%d", plugin->abi_major, plugin->abi_minor);
    json_decref(p->plugin);
    p->plugin = json_pack("{s:s, s:o, s:o, s:o, s:s}", "kind", kinds[plugin->kind - 1], "name",
                          cg_json_text(plugin->name), "version", cg_json_text(plugin->version),
                          "description", cg_json_text(plugin->description), "abi", abi);
    if (!p->plugin)
        out_of_memory();
    note_options(p, plugin, keep_note, p);
}

static void keep_device(void *ctx, const cg_conformance_device *d)
{
    struct checked_plugin *p = ctx;

    p->n_devices += d->is_checked;
    add(p->devices, json_pack("{s:o, s:b, s:o}", "name", cg_json_text(d->name), "checked",
                              (int)d->is_checked, "text", cg_json_text(d->text)));
}

/* Prints the object. The hash is that of manifests and reports. */
static int print_json(struct checked_plugin *p, uint64_t seed, cg_error *err)
{
    char hash_text[32], abi[32];
    json_t *root;
    uint64_t hash;

    if (cg_file_hash(p->file, &hash, err) != CG_OK)
        return report_error(err);
    snprintf(hash_text, sizeof hash_text, "%016" PRIx64, hash);
    snprintf(abi, sizeof abi, "%d.%d", CG_PLUGIN_ABI_MAJOR, CG_PLUGIN_ABI_MINOR);
    root = json_pack("{s:s, s:s, s:o, s:s, s:O, s:I, s:o, s:o, s:o, s:i, s:i}", "confgen",
                     cg_version(), "plugin_abi", abi, "path", cg_json_text(p->file), "hash",
                     hash_text, "plugin", p->plugin, "seed", (json_int_t)seed, "devices",
                     p->devices, "notes", p->notes, "checks", p->checks, "passed", (int)p->n_passed,
                     "failed", (int)p->n_failed);
    if (!root || json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6)))
        out_of_memory();
    printf("\n");
    json_decref(root);
    return EXIT_OK;
}

/* ---- command -------------------------------------------------------------------------------- */

static void count_left_out(void *ctx, const char *check)
{
    struct checked_plugin *p = ctx;

    (void)check;
    p->n_left_out++;
}

static void print_left_out(void *ctx, const char *check)
{
    (void)ctx;
    fprintf(stderr, "  %s\n", check);
}

static void print_log(void *ctx, int32_t level, const char *text)
{
    (void)ctx;
    if (level <= CG_LOG_WARNING)
        fprintf(stderr, "confgen: %s\n", text);
}

static cg_status open_checked(void *ctx, const cg_plugin **ret_plugin, const cg_host **ret_host,
                              cg_error *err)
{
    const struct checked_plugin *p = ctx;
    cg_plugin_set_options open = { CG_SIZED(cg_plugin_set_options),
                                   .threads = p->threads,
                                   .files_only = 1,
                                   .n_files = 1,
                                   .files = &p->file,
                                   .log = print_log };
    cg_loaded_plugin found = { CG_SIZED(cg_loaded_plugin) };
    cg_plugin_set *set; /* lives as long as the process */

    CG_TRY(cg_plugin_set_open(&open, &set, err));
    cg_plugin_set_loaded(set, 0, &found);
    *ret_plugin = found.plugin;
    *ret_host = cg_plugin_set_host(set);
    return CG_OK;
}

int cmd_plugins_check(int argc, char **argv)
{
    enum { MAX_ONLY = 64 };
    cg_status (*run)(cg_conformance_open_fn, void *, const char *, const cg_conformance_options *,
                     cg_conformance_result *, cg_error *) = cg_conformance_run_children;
    struct checked_plugin plugin = { .threads = 2 }; /* at least two, to expose races */
    cg_conformance_options conformance = {
        .seed = 1,
        .report = print_check,
        .ctx = &plugin,
        .plugin = print_plugin,
        .visit = print_device,
        .message = print_note,
        .leave_out = count_left_out,
    };
    const char *only[MAX_ONLY];
    static struct model_texts texts; /* lives as long as the process */
    cg_conformance_texts conformance_texts;
    cg_conformance_result result;
    cg_error err = CG_ERROR_INIT;
    int option, is_checked, is_json = 0;
    cg_status st;

    command_name = "plugins check";
    conformance.only = only;
    while ((option = next_option(argc, argv, &page_plugins_check)) != -1)
        switch (option) {
        case 's':
            conformance.seed = (uint64_t)parse_int64("--seed", optarg, 0, INT64_MAX);
            break;
        case 'r':
            conformance.rounds = parse_int("--rounds", optarg, 1, 1000000);
            break;
        case 't':
            plugin.threads = parse_int("--threads", optarg, 1, CG_MAX_THREADS);
            break;
        case 'd':
            plugin.device = optarg;
            break;
        case 'l':
            conformance.max_seconds = parse_int("--time-limit", optarg, 1, 1000000);
            break;
        case 'i':
            run = cg_conformance_run_here;
            break;
        case 'm':
            plugin.model = optarg;
            break;
        case 'j':
            is_json = 1;
            break;
        default:
            if (conformance.n_only == MAX_ONLY)
                usage_error("--only: given more than %d times", MAX_ONLY);
            only[conformance.n_only++] = optarg;
        }
    plugin.file = single_operand(argc, argv, "FILE.so");
    if (is_json) {
        conformance.report = keep_check;
        conformance.plugin = keep_plugin;
        conformance.visit = keep_device;
        conformance.message = keep_note;
        plugin.plugin = json_null();
        plugin.devices = json_array();
        plugin.notes = json_array();
        plugin.checks = json_array();
    }
    if (model_texts_open(plugin.model, &texts, &err) != CG_OK)
        return report_error(&err);
    conformance_texts = (cg_conformance_texts) {
        .name = texts.name,
        .vocabulary = texts.vocabulary,
        .format = &texts.format,
        .molecules = texts.molecules,
        .names = texts.smiles,
        .n_molecules = texts.n,
    };
    conformance.texts = texts.n ? &conformance_texts : NULL;
    st = run(open_checked, &plugin, plugin.device, &conformance, &result, &err);
    if (st != CG_OK)
        return report_error(&err);
    if (!plugin.n_passed && !plugin.n_failed && plugin.n_left_out && plugin.n_devices) {
        message("--only selects none of these checks:");
        conformance.plugin = NULL;
        conformance.visit = NULL;
        conformance.message = NULL;
        conformance.leave_out = print_left_out;
        (void)run(open_checked, &plugin, plugin.device, &conformance, &result, &err);
        return EXIT_USAGE;
    }
    /* --only may select checks of the file alone */
    is_checked = plugin.n_devices || (conformance.n_only && plugin.n_passed);
    if (!is_json)
        print_counts(&plugin, is_checked);
    else if (print_json(&plugin, conformance.seed, &err) != EXIT_OK)
        return EXIT_ENVIRONMENT;
    return plugin.n_failed ? EXIT_SOME_FAILED : is_checked ? EXIT_OK : EXIT_ENVIRONMENT;
}
