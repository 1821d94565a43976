/* SPDX-License-Identifier: MIT */
/* confgen plugins list|matrix|check; cmd_plugins_new.c has new. */
#include <confgen/plugins.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "conformance/conformance.h"
#include "table.h"
#include "text/model_texts.h"

/* ---- list --------------------------------------------------------------------------------- */

static const char list_help[] =
    "confgen plugins list [--plugin FILE.so]...\n"
    "\n"
    "Lists the plugins that a run could use, and the refused files with their reasons. Plugins\n"
    "are searched in the files given, the directories of CONFGEN_PLUGIN_PATH (separated by\n"
    "colons) and the program's own plugin directory; of several with one name the first is\n"
    "used.\n"
    "\n"
    "Loading a plugin runs its code, also for this list. A file that somebody else may write, or\n"
    "in a directory that somebody else may write, is refused; CONFGEN_ALLOW_WRITABLE_PLUGINS=1\n"
    "in the environment allows it.\n";

static int list(int argc, char **argv)
{
    static const struct option options[] = {
        { "plugin", required_argument, NULL, 'p' },
        { "help", no_argument, NULL, OPTION_HELP },
        { NULL, 0, NULL, 0 },
    };
    static const char *const headings[] = { "kind", "name", "version", "description", "path" };
    struct plugin_files files = { .n = 0 };
    cg_plugin_set_options open = { CG_SIZED(cg_plugin_set_options), .threads = 1 };
    cg_loaded_plugin found = { CG_SIZED(cg_loaded_plugin) };
    cg_refused_plugin refused = { CG_SIZED(cg_refused_plugin) };
    cg_plugin_set *set;
    cg_error err = CG_ERROR_INIT;
    struct text_table table;

    command_name = "plugins list";
    while (next_option(argc, argv, options, list_help) != -1)
        add_plugin_file(&files, optarg);
    no_operands(argc, argv, "add a file with --plugin");
    open.files = files.files;
    open.n_files = files.n;
    if (cg_plugin_set_open(&open, &set, &err) != CG_OK)
        return report_error(&err);
    table_begin(&table, "lllll", headings);
    for (int32_t i = 0; cg_plugin_set_loaded(set, i, &found); i++) {
        table_cell(&table, "%s", found.kind);
        table_cell(&table, "%s", found.plugin->name);
        table_cell(&table, "%s", found.plugin->version);
        table_cell(&table, "%s", found.plugin->description);
        table_cell(&table, "%s", found.path);
    }
    table_print(&table, stdout);
    for (int32_t i = 0; cg_plugin_set_loaded(set, i, &found); i++)
        if (found.hides)
            printf("\nhidden: confgen's own %s '%s' (%s), by '%s', which has the same name\n",
                   found.kind, found.plugin->name, found.hides, found.path);
    for (int32_t i = 0; cg_plugin_set_refused(set, i, &refused); i++)
        printf("%srefused: %s\n", i ? "" : "\n", refused.reason);
    cg_plugin_set_close(set);
    return EXIT_OK;
}

/* ---- matrix ------------------------------------------------------------------------------- */

static const char matrix_help[] =
    "confgen plugins matrix [--model DIR | --shape NAME] [--device cpu|cuda|cuda:I]\n"
    "                       [--batch-size N] [--deterministic] [--plugin FILE.so]...\n"
    "\n"
    "Pairs every attention plugin with every cache plugin: `ok`, or why the pair does not support\n"
    "the model. Shapes: default, llama380m, qwen3-0.6b. Without a model or shape: the default\n"
    "model. --deterministic requires on CUDA what a run with that flag requires; the CPU always\n"
    "does.\n";

static int matrix(int argc, char **argv)
{
    static const struct option options[] = {
        { "model", required_argument, NULL, 'm' },   { "shape", required_argument, NULL, 's' },
        { "device", required_argument, NULL, 'd' },  { "batch-size", required_argument, NULL, 'b' },
        { "deterministic", no_argument, NULL, 'D' }, { "plugin", required_argument, NULL, 'p' },
        { "help", no_argument, NULL, OPTION_HELP },  { NULL, 0, NULL, 0 },
    };
    static const char *const headings[] = { "attention", "cache", "pair" };
    struct plugin_files files = { .n = 0 };
    cg_plugin_set_options open = { CG_SIZED(cg_plugin_set_options), .threads = 1 };
    cg_match_options match = { CG_SIZED(cg_match_options) };
    cg_plugin_pair pair = { CG_SIZED(cg_plugin_pair) };
    cg_plugin_set *set = NULL;
    cg_error err = CG_ERROR_INIT;
    struct text_table table;
    int option;

    command_name = "plugins matrix";
    while ((option = next_option(argc, argv, options, matrix_help)) != -1)
        switch (option) {
        case 'm':
            match.model = optarg;
            break;
        case 's':
            match.shape = optarg;
            break;
        case 'd':
            match.device = optarg;
            break;
        case 'b':
            match.batch_size = parse_int("--batch-size", optarg, 1, CG_MAX_BATCH);
            break;
        case 'D':
            match.deterministic = 1;
            break;
        default:
            add_plugin_file(&files, optarg);
        }
    no_operands(argc, argv, "");
    open.files = files.files;
    open.n_files = files.n;
    if (cg_plugin_set_open(&open, &set, &err) != CG_OK ||
        cg_plugin_set_match(set, &match, &err) != CG_OK) {
        cg_plugin_set_close(set);
        return report_error(&err);
    }
    table_begin(&table, "lll", headings);
    for (int32_t i = 0; cg_plugin_set_pair(set, i, &pair); i++) {
        table_cell(&table, "%s", pair.attention->name);
        table_cell(&table, "%s", pair.cache->name);
        table_cell(&table, "%s", pair.status == CG_OK ? "ok" : pair.reason);
    }
    table_print(&table, stdout);
    cg_plugin_set_close(set);
    return EXIT_OK;
}

/* ---- check -------------------------------------------------------------------------------- */

static const char check_help[] =
    "confgen plugins check FILE.so [--model DIR] [--device cpu|cuda|cuda:I|all] [--only TEXT]...\n"
    "                      [--seed S] [--rounds N] [--threads N] [--time-limit SECONDS]\n"
    "                      [--in-process]\n"
    "\n"
    "Runs the conformance suite of the plugin's kind, which confgen's own plugins pass:\n"
    "lifecycle, random shapes, edge lengths, poisoned workspace, guard bytes, refusals, failing\n"
    "allocations, and for attention a comparison with a float64 reference. --seed selects other\n"
    "random cases, --rounds more of them. --only selects the checks whose names contain TEXT; it\n"
    "may be repeated.\n"
    "\n"
    "A constraint is checked over a vocabulary of bytes, and over the tokenizer and text format "
    "of\n"
    "a model (--model; default: the default model) with molecules of many kinds.\n"
    "\n"
    "A plugin is checked on every device that it supports: the CPU and the first GPU, if there\n"
    "is one. --device selects one, or all: the CPU and every GPU. Skipped devices are printed\n"
    "with the reason.\n"
    "\n"
    "Each check on the CPU, and all checks on a GPU, run in a process of their own: a plugin that\n"
    "crashes, hangs or ends the process fails the check. --time-limit bounds one check (default:\n"
    "30 s, on a GPU 300 s). --in-process runs all checks in this process, for a debugger.\n"
    "\n"
    "Exit status: 0 all checks passed, 1 some failed, 2 --only selects no check (the names are\n"
    "printed), 3 the file was refused, or supports none of the devices.\n";

/* The plugin of a command line, loaded in the process that checks it. */
struct checked_plugin {
    const char *file;
    int32_t threads;
    int32_t n_checks;   /* reported */
    int32_t n_left_out; /* by --only */
};

static void print_check(void *ctx, int32_t passed, const char *check, const char *detail)
{
    struct checked_plugin *p = ctx;

    p->n_checks++;
    printf("%-48s  %-6s  %s\n", check, passed ? "ok" : "FAILED", detail);
    fflush(stdout);
}

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

static void print_message(void *ctx, const char *line)
{
    (void)ctx;
    printf("%s\n", line);
    fflush(stdout);
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

static int check(int argc, char **argv)
{
    enum { MAX_ONLY = 64 };
    static const struct option options[] = {
        { "seed", required_argument, NULL, 's' },       { "rounds", required_argument, NULL, 'r' },
        { "threads", required_argument, NULL, 't' },    { "device", required_argument, NULL, 'd' },
        { "time-limit", required_argument, NULL, 'l' }, { "in-process", no_argument, NULL, 'i' },
        { "only", required_argument, NULL, 'o' },       { "model", required_argument, NULL, 'm' },
        { "help", no_argument, NULL, OPTION_HELP },     { NULL, 0, NULL, 0 },
    };
    cg_status (*run)(cg_conformance_open_fn, void *, const char *, const cg_conformance_options *,
                     cg_conformance_result *, cg_error *) = cg_conformance_run_children;
    struct checked_plugin plugin = { .threads = 2 }; /* at least two, to expose races */
    cg_conformance_options conformance = {
        .seed = 1,
        .report = print_check,
        .ctx = &plugin,
        .message = print_message,
        .leave_out = count_left_out,
    };
    const char *only[MAX_ONLY], *model = NULL;
    static struct model_texts texts; /* lives as long as the process */
    cg_conformance_texts conformance_texts;
    cg_conformance_result result;
    const char *device = NULL;
    cg_error err = CG_ERROR_INIT;
    int option, has_device;
    cg_status st;

    command_name = "plugins check";
    conformance.only = only;
    while ((option = next_option(argc, argv, options, check_help)) != -1)
        if (option == 's')
            conformance.seed = (uint64_t)parse_int64("--seed", optarg, 0, INT64_MAX);
        else if (option == 'r')
            conformance.rounds = parse_int("--rounds", optarg, 1, 1000000);
        else if (option == 'd')
            device = optarg;
        else if (option == 'l')
            conformance.max_seconds = parse_int("--time-limit", optarg, 1, 1000000);
        else if (option == 'i')
            run = cg_conformance_run_here;
        else if (option == 'o' && conformance.n_only == MAX_ONLY)
            usage_error("--only: given more than %d times", MAX_ONLY);
        else if (option == 'm')
            model = optarg;
        else if (option == 'o')
            only[conformance.n_only++] = optarg;
        else
            plugin.threads = parse_int("--threads", optarg, 1, CG_MAX_THREADS);
    plugin.file = single_operand(argc, argv, "FILE.so");
    if (model_texts_open(model, &texts, &err) != CG_OK)
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
    st = run(open_checked, &plugin, device, &conformance, &result, &err);
    if (st != CG_OK)
        return report_error(&err);
    if (!plugin.n_checks && plugin.n_left_out) {
        message("--only selects none of these checks:");
        conformance.message = NULL;
        conformance.leave_out = print_left_out;
        (void)run(open_checked, &plugin, device, &conformance, &result, &err);
        return EXIT_USAGE;
    }
    printf("\n%s: %d checks passed, %d failed", plugin.file, plugin.n_checks - result.failures,
           result.failures);
    has_device = result.checked || conformance.n_only;
    printf(result.failures || has_device ? "\n" : ", on no device\n");
    return result.failures ? EXIT_SOME_FAILED : has_device ? EXIT_OK : EXIT_ENVIRONMENT;
}

static const char help[] =
    "confgen plugins list               list loaded plugins and refused files\n"
    "confgen plugins matrix             which attention works with which cache\n"
    "confgen plugins check FILE.so      run the conformance suite over a plugin\n"
    "confgen plugins new KIND NAME      write the project of a new plugin\n"
    "\n"
    "Each takes --help.\n";

int cmd_plugins(int argc, char **argv)
{
    static const struct command commands[] = {
        { "list", list }, { "matrix", matrix }, { "check", check }, { "new", cmd_plugins_new }
    };

    command_name = "plugins";
    return run_subcommand(argc, argv, commands, sizeof commands / sizeof commands[0], help);
}
