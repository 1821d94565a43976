/* SPDX-License-Identifier: MIT */
/* confgen model inspect DIR: what a checkpoint is and how it would run. */
#include <stdlib.h>
#include <string.h>

#include <confgen/tokenizer.h>

#include "base/text.h"
#include "commands.h"

const struct command_page page_model = {
    .name = "model",
    .summary = "what a checkpoint is",
    .usage = "confgen model inspect DIR   what a checkpoint is, and whether it runs\n",
    .text = "Takes --help.",
    .notes = "",
};

static const struct command_option inspect_options[] = {
    { "tokenizer", 't', "DIR", "the tokenizer's folder or tokenizer.json, if it is not in DIR" },
    { "constraint", 'c', "NAME", "grammar (default), template, none" },
    { "smiles", 's', "SMILES", "the molecule of the prompt (default CC(N)=O)" },
};

const struct command_page page_model_inspect = {
    .name = "model inspect",
    .summary = "what a checkpoint is, and whether it runs",
    .usage = "confgen model inspect DIR [--tokenizer DIR] [--constraint NAME] [--smiles SMILES]\n",
    .text = "Opens a checkpoint as a run does, on the CPU, and prints its architecture and size, "
            "the tokens of a prompt, the text format and how it was found, sampling with the "
            "source of each value, the longest text, and all warnings.",
    .options = inspect_options,
    .n_options = sizeof inspect_options / sizeof inspect_options[0],
    .notes = "Exit status: 0 if it would run; 3 if not, with the reason.",
};

enum { MAX_PROMPT = 4096, MAX_WARNINGS = 32 };

/* Warnings of opening the engine. */
struct warnings {
    char *text[MAX_WARNINGS];
    int n;
};

static void keep_warning(void *ctx, int32_t level, const char *text)
{
    struct warnings *w = ctx;

    if (level >= CG_LOG_WARNING && w->n < MAX_WARNINGS && (w->text[w->n] = strdup(text)))
        w->n++;
}

static void print_warnings(struct warnings *w)
{
    for (int i = 0; i < w->n; i++) {
        print_lines(stdout, "%-16s%s\n", i ? "" : "warnings", w->text[i]);
        free(w->text[i]);
    }
}

/* 'CC' 34 ... : the text and the id of each token */
static cg_status print_tokens(const char *tokenizer_path, const int32_t *ids, int32_t n,
                              cg_error *err)
{
    cg_tokenizer *tokenizer;

    CG_TRY(cg_tokenizer_load(tokenizer_path, &tokenizer, err));
    for (int32_t i = 0; i < n; i++) {
        const char *bytes = "";
        size_t len = 0;

        cg_tokenizer_token_bytes(tokenizer, ids[i], &bytes, &len);
        print_lines(stdout, "%s%d '%.*s'", i ? "  " : "", ids[i], (int)len, bytes);
    }
    putchar('\n');
    cg_tokenizer_destroy(tokenizer);
    return CG_OK;
}

static cg_status print_prompt(const cg_engine *engine, const char *tokenizer, const char *smiles,
                              cg_error *err)
{
    const cg_engine_info *info = cg_engine_get_info(engine);
    int32_t *ids = malloc(MAX_PROMPT * sizeof *ids), n = 0, max_new = 0;
    cg_status st;

    if (!ids)
        out_of_memory();
    st = cg_engine_prompt(engine, smiles, ids, MAX_PROMPT, &n, &max_new, err);
    if (st == CG_OK) {
        print_lines(stdout, "%-16s", "prompt");
        st = print_tokens(tokenizer, ids, n, err);
        print_lines(stdout, "%-16s%d tokens with the prompt; %s takes %d and at most %d\n",
                    "longest text", info->max_length, smiles, n, max_new);
    }
    free(ids);
    return st;
}

static cg_status print_page(const cg_engine *engine, const char *tokenizer, const char *smiles,
                            cg_error *err)
{
    const cg_engine_info *info = cg_engine_get_info(engine);
    char sampling[256];

    print_lines(stdout, "%-16s%s\n", "model", info->model);
    print_lines(stdout, "%-16s%s, %.1f M parameters\n", "architecture", info->architecture,
                (double)info->parameters * 1e-6);
    print_lines(stdout, "%-16s%s\n", "tokenizer", tokenizer);
    CG_TRY(print_prompt(engine, tokenizer, smiles, err));
    print_lines(stdout, "%-16s%s\n", "text format", info->text_format);
    print_lines(stdout, "%-16sfrom: %s\n", "", info->text_format_reason);
    cg_sampling_describe(info->sampling, info->sampling_from, sampling, sizeof sampling);
    print_lines(stdout, "%-16s%s\n", "sampling", sampling);
    print_lines(stdout, "%-16s%s (%s)\n", "constraint", info->constraint, info->constraint_reason);
    print_lines(stdout, "%-16s%s\n", "geometry", info->geometry);
    return CG_OK;
}

static int model_inspect(int argc, char **argv)
{
    struct warnings warnings = { .n = 0 };
    cg_engine_options open = {
        CG_SIZED(cg_engine_options), .device = "cpu",     .batch_size = 1,
        .tuning = CG_TUNING_NEVER,   .log = keep_warning, .log_ctx = &warnings
    };
    const char *smiles = "CC(N)=O";
    cg_error err = CG_ERROR_INIT;
    cg_engine *engine = NULL;
    int option, status = EXIT_OK;

    command_name = "model inspect";
    while ((option = next_option(argc, argv, &page_model_inspect)) != -1)
        if (option == 't')
            open.tokenizer = optarg;
        else if (option == 'c')
            open.constraint = optarg;
        else
            smiles = optarg;
    open.model = single_operand(argc, argv, "DIR");
    if (cg_engine_open(&open, &engine, &err) != CG_OK ||
        print_page(engine, open.tokenizer ? open.tokenizer : open.model, smiles, &err) != CG_OK)
        status = report_error(&err);
    print_warnings(&warnings);
    cg_engine_close(engine);
    return status;
}

int cmd_model(int argc, char **argv)
{
    static const struct command commands[] = { { "inspect", model_inspect } };

    command_name = "model";
    return run_subcommand(argc, argv, commands, sizeof commands / sizeof commands[0], &page_model);
}
