/* SPDX-License-Identifier: MIT */
/* confgen plugins list|matrix; cmd_plugins_check.c has check, cmd_plugins_new.c new. */
#include <confgen/plugins.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "commands.h"
#include "table.h"

/* ---- list --------------------------------------------------------------------------------- */

static const struct command_option list_options[] = {
    { "plugin", 'p', "FILE.so", "look into this file too (repeatable)" },
    { "json", 'j', NULL, "print one JSON object" },
};

const struct command_page page_plugins_list = {
    .name = "plugins list",
    .summary = "list plugins, and files that are refused",
    .usage = "confgen plugins list [--plugin FILE.so]... [--json]\n",
    .text = "Lists the plugins that a run could use, and the refused files with their reasons. "
            "Plugins are searched in the files given, the directories of CONFGEN_PLUGIN_PATH "
            "(separated by colons) and the program's own plugin directory; of several with one "
            "name the first is used. Aliases are names that other software has for them: "
            "--attention sdpa_flash is --attention flash. A plugin of such a name comes before the "
            "alias. --json prints one JSON object.\n\nLoading a plugin runs its code, also for "
            "this list. A file that somebody else may write, or in a directory that somebody else "
            "may write, is refused; CONFGEN_ALLOW_WRITABLE_PLUGINS=1 in the environment allows it.",
    .options = list_options,
    .n_options = sizeof list_options / sizeof list_options[0],
    .notes = "",
};

static void print_aliases(const cg_plugin_set *set)
{
    static const char *const headings[] = { "kind", "alias", "means" };
    cg_aliased_plugin a = { CG_SIZED(cg_aliased_plugin) };
    struct text_table table;

    printf("\n");
    table_begin(&table, "lll", headings);
    for (int32_t i = 0; cg_plugin_set_alias(set, i, &a); i++) {
        table_cell(&table, "%s", a.kind);
        table_cell(&table, "%s", a.name);
        if (a.hidden_by)
            table_cell(&table, "the plugin '%s' of this name", a.hidden_by);
        else
            table_cell(&table, "%s%s%s%s%s%s", a.plugin, a.is_installed ? "" : " (not installed)",
                       a.kv_dtype ? " with --kv-dtype " : "", a.kv_dtype ? a.kv_dtype : "",
                       a.limits ? ", " : "", a.limits ? a.limits : "");
    }
    table_print(&table, stdout);
}

static void print_list(const cg_plugin_set *set)
{
    static const char *const headings[] = {
        "kind", "name", "version", "ABI", "description", "path"
    };
    cg_loaded_plugin found = { CG_SIZED(cg_loaded_plugin) };
    cg_refused_plugin refused = { CG_SIZED(cg_refused_plugin) };
    struct text_table table;

    table_begin(&table, "llllll", headings);
    for (int32_t i = 0; cg_plugin_set_loaded(set, i, &found); i++) {
        table_cell(&table, "%s", found.kind);
        table_cell(&table, "%s", found.plugin->name);
        table_cell(&table, "%s", found.plugin->version);
        table_cell(&table, "%d.%d", found.plugin->abi_major, found.plugin->abi_minor);
        table_cell(&table, "%s", found.plugin->description);
        table_cell(&table, "%s", found.path);
    }
    table_print(&table, stdout);
    print_aliases(set);
    for (int32_t i = 0; cg_plugin_set_loaded(set, i, &found); i++)
        if (found.hides)
            printf("\nhidden: confgen's own %s '%s' (%s), by '%s', which has the same name\n",
                   found.kind, found.plugin->name, found.hides, found.path);
    for (int32_t i = 0; cg_plugin_set_refused(set, i, &refused); i++)
        printf("%srefused: %s\n", i ? "" : "\n", refused.reason);
}

static void print_json_list(const cg_plugin_set *set)
{
    cg_loaded_plugin found = { CG_SIZED(cg_loaded_plugin) };
    cg_refused_plugin refused = { CG_SIZED(cg_refused_plugin) };
    cg_aliased_plugin a = { CG_SIZED(cg_aliased_plugin) };
    json_t *plugins = json_array(), *aliases = json_array(), *refusals = json_array(), *root;
    int is_short = 0; /* of memory */

    for (int32_t i = 0; cg_plugin_set_loaded(set, i, &found); i++) {
        const cg_plugin *p = found.plugin;
        char abi[32];

        snprintf(abi, sizeof abi, "%d.%d", p->abi_major, p->abi_minor);
        is_short |= json_array_append_new(
            plugins,
            json_pack("{s:s, s:o, s:o, s:s, s:o, s:o, s:o}", "kind", found.kind, "name",
                      cg_json_text(p->name), "version", cg_json_text(p->version), "abi", abi,
                      "description", cg_json_text(p->description), "path", cg_json_text(found.path),
                      "hides", found.hides ? cg_json_text(found.hides) : json_null()));
    }
    for (int32_t i = 0; cg_plugin_set_alias(set, i, &a); i++)
        is_short |= json_array_append_new(
            aliases, json_pack("{s:s, s:s, s:s, s:s?, s:s?, s:b, s:o}", "kind", a.kind, "name",
                               a.name, "plugin", a.plugin, "kv_dtype", a.kv_dtype, "limits",
                               a.limits, "installed", a.is_installed, "hidden_by",
                               a.hidden_by ? cg_json_text(a.hidden_by) : json_null()));
    for (int32_t i = 0; cg_plugin_set_refused(set, i, &refused); i++)
        is_short |= json_array_append_new(refusals, json_pack("{s:o, s:o}", "path",
                                                              cg_json_text(refused.path), "reason",
                                                              cg_json_text(refused.reason)));
    root = json_pack("{s:s, s:o, s:o, s:o}", "confgen", cg_version(), "plugins", plugins, "aliases",
                     aliases, "refused", refusals);
    if (is_short || !root || json_dumpf(root, stdout, JSON_INDENT(2)))
        out_of_memory();
    printf("\n");
    json_decref(root);
}

static int list(int argc, char **argv)
{
    struct plugin_files files = { .n = 0 };
    cg_plugin_set_options open = { CG_SIZED(cg_plugin_set_options), .threads = 1 };
    cg_plugin_set *set;
    cg_error err = CG_ERROR_INIT;
    int option, is_json = 0;

    command_name = "plugins list";
    while ((option = next_option(argc, argv, &page_plugins_list)) != -1)
        if (option == 'j')
            is_json = 1;
        else
            add_plugin_file(&files, optarg);
    no_operands(argc, argv, "add a file with --plugin");
    open.files = files.files;
    open.n_files = files.n;
    if (cg_plugin_set_open(&open, &set, &err) != CG_OK)
        return report_error(&err);
    if (is_json)
        print_json_list(set);
    else
        print_list(set);
    cg_plugin_set_close(set);
    return EXIT_OK;
}

/* ---- matrix ------------------------------------------------------------------------------- */

static const struct command_option matrix_options[] = {
    { "model", 'm', "DIR", "the model to serve (default: the default model)" },
    { "shape", 's', "default|llama380m|qwen3-0.6b|llama1b|llama7b|gpt2",
      "the sizes of a model instead" },
    { "device", 'd', "cpu|cuda|cuda:I", "default cpu" },
    { "batch-size", 'b', "N", "sequences decoded at once" },
    { "deterministic", 'D', NULL,
      "on CUDA, what a run with that flag requires; the CPU always does" },
    { "plugin", 'p', "FILE.so", "another plugin (repeatable)" },
    { "dtype", 't', "NAME", "as of a run" },
    { "kv-dtype", 'k', "NAME", "as of a run that names its plugins (auto: as --dtype)" },
};

const struct command_page page_plugins_matrix = {
    .name = "plugins matrix",
    .summary = "which attention works with which KV cache",
    .usage = "confgen plugins matrix [--model DIR | --shape NAME] [--device cpu|cuda|cuda:I]\n"
             "                       [--dtype NAME] [--kv-dtype NAME] [--batch-size N] "
             "[--deterministic]\n"
             "                       [--plugin FILE.so]...\n",
    .text =
        "Pairs every attention plugin with every cache plugin: `ok`, or why the pair does not "
        "support the model. Shapes: default, llama380m, qwen3-0.6b, llama1b, llama7b, gpt2. "
        "Without a model or shape: the default model. --deterministic requires on CUDA what a run "
        "with that flag requires; the CPU always does. --dtype and --kv-dtype are those of a run "
        "that names its plugins: gpu_dtype and gpu_kv_dtype of confgen.json do not count.",
    .options = matrix_options,
    .n_options = sizeof matrix_options / sizeof matrix_options[0],
    .notes = "",
};

static int matrix(int argc, char **argv)
{
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
    while ((option = next_option(argc, argv, &page_plugins_matrix)) != -1)
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
        case 't':
            match.dtype = optarg;
            break;
        case 'k':
            match.kv_dtype = optarg;
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

const struct command_page page_plugins = {
    .name = "plugins",
    .summary = "attention, KV cache and constraint plugins",
    .usage = "confgen plugins list               list loaded plugins and refused files\n"
             "confgen plugins matrix             which attention works with which cache\n"
             "confgen plugins check FILE.so      run the conformance suite over a plugin\n"
             "confgen plugins new KIND NAME      write the project of a new plugin\n",
    .text = "Each takes --help.",
    .notes = "",
};

int cmd_plugins(int argc, char **argv)
{
    static const struct command commands[] = { { "list", list },
                                               { "matrix", matrix },
                                               { "check", cmd_plugins_check },
                                               { "new", cmd_plugins_new } };

    command_name = "plugins";
    return run_subcommand(argc, argv, commands, sizeof commands / sizeof commands[0],
                          &page_plugins);
}
