/* SPDX-License-Identifier: MIT */
/** @file commands.h  The program's commands and what they share. */
#ifndef CG_TOOLS_COMMANDS_H
#define CG_TOOLS_COMMANDS_H

#include <confgen/confgen.h>
#include <jansson.h>
#include <getopt.h>
#include <stdio.h>

#include "base/append_file.h"
#include "base/buf.h"
#include "page.h"

/** Exit statuses of the program. */
enum {
    EXIT_OK = 0,
    EXIT_SOME_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_ENVIRONMENT = 3,
    EXIT_INTERRUPTED = 130,
};

/* ---- commands: argv[0] is the command's name; each returns an exit status ------------------- */

int cmd_generate(int argc, char **argv);
int cmd_plugins(int argc, char **argv);
int cmd_inspect(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_eval(int argc, char **argv);
int cmd_draw(int argc, char **argv);
int cmd_text(int argc, char **argv);
int cmd_model(int argc, char **argv);
int cmd_docs(int argc, char **argv);
/** confgen eval --compare; takes the arguments of cmd_eval(). */
int cmd_eval_compare(int argc, char **argv);
/** confgen plugins check */
int cmd_plugins_check(int argc, char **argv);
/** confgen plugins new */
int cmd_plugins_new(int argc, char **argv);

/* ---- results -------------------------------------------------------------------------------- */

/** The exit status for a status of the library. */
int exit_status_of(cg_status status);
/** fprintf() for texts that quote files; every line is written as by cg_text_visible(). */
void print_lines(FILE *out, const char *fmt, ...) CG_PRINTF(2, 3);
/** Prints "confgen: TEXT" and a line end on standard error, as by cg_text_visible(). */
void message(const char *fmt, ...) CG_PRINTF(1, 2);
/**
 * Ends the program, here and in usage errors only. If standard output could not be written, says so
 * and makes EXIT_OK and EXIT_SOME_FAILED an EXIT_ENVIRONMENT.
 */
_Noreturn void end_program(int status);
/** Before exit(1): otherwise it is the end that a library without memory makes (shortage.c). */
void expect_exit(void);
/** Prints "confgen: TEXT" on standard error; returns the exit status for the error's code. */
int report_error(const cg_error *err);

/**
 * Opens the file run->report, if there is one (report.c). It must be new, unless the run overwrites
 * or resumes; a resumed run replaces reports only. As cg_append_file_open().
 */
cg_status report_open(const cg_run_options *run, cg_append_file *ret_file, cg_error *err);
/** Sampling as it stands in reports, and the sources of the values; owned by the caller. */
json_t *sampling_json(const cg_sampling *sampling);
json_t *sampling_sources_json(const cg_sampling_sources *from);
/** Writes the report of a run as JSON. CG_ERR_IO naming the file. */
cg_status report_write(cg_append_file *file, const cg_engine *engine, const cg_report *report,
                       cg_status outcome, json_t *messages, json_t *warnings, cg_error *err);

/* ---- options (args.c) ------------------------------------------------------------------------
 * A usage error prints its text and ends the program; `name` is the flag that the text names. */

int32_t parse_int(const char *name, const char *text, int32_t lo, int32_t hi);
/** The value of --prompt-step-tokens: auto, off or a number, as in cg_engine_options. */
int32_t parse_prompt_step_tokens(const char *text);
int64_t parse_int64(const char *name, const char *text, int64_t lo, int64_t hi);
double parse_real(const char *name, const char *text);
/** Whole numbers in [lo, hi], separated by commas, at most `cap`; returns how many. */
int parse_ints(const char *name, const char *text, int32_t lo, int32_t hi, int32_t *ret, int cap);
/** Words separated by commas, at most `cap`; cuts `text` in place and returns how many. */
int parse_words(const char *name, char *text, const char **ret, int cap);
/** The index of `text` among n words. */
int parse_keyword(const char *name, const char *text, const char *const *words, int n);

/** A file of the command line; texts as in cg_file_set_add_output(). */
struct named_file {
    const char *option; /* of an output */
    const char *role;
    const char *path; /* NULL: not given */
};
/**
 * A usage error if an output exists, unless `overwrite` is set, or is one of the inputs or another
 * output, by device and inode.
 */
void check_files(const struct named_file *in, int n_in, const struct named_file *out, int n_out,
                 int overwrite);

/** The command that usage errors refer to, e.g. "plugins list"; "" for the main job. */
extern const char *command_name;
/** Prints "confgen: TEXT; see confgen COMMAND --help" and exits with EXIT_USAGE. */
_Noreturn void usage_error(const char *fmt, ...) CG_PRINTF(1, 2);
/** Prints a message and exits with EXIT_ENVIRONMENT. */
_Noreturn void out_of_memory(void);

/**
 * Returns the next option's id, -1 at the end (optind is then the first operand). Unknown options
 * and missing values are usage errors; --help and -h print the page's help and exit with EXIT_OK.
 */
int next_option(int argc, char **argv, const struct command_page *page);

/** After the options: returns the only operand, which usage errors call `name`. */
const char *single_operand(int argc, char **argv, const char *name);
/** After the options: an operand is a usage error; `hint` (may be "") says what to do instead. */
void no_operands(int argc, char **argv, const char *hint);

/** The word that at most 2 changes of letters make of `text`; NULL if there is none (words.c). */
const char *nearest_word(const char *text, const char *const *words, size_t n);

/* ---- operands (operands.c) ------------------------------------------------------------------- */

enum {
    COMMAND_GENERATE, /* the default */
    COMMAND_PLUGINS,
    COMMAND_INSPECT,
    COMMAND_DOCTOR,
    COMMAND_BENCH,
    COMMAND_EVAL,
    COMMAND_TEXT,
    COMMAND_MODEL,
    COMMAND_DRAW,
    COMMAND_DOCS,
    N_COMMANDS,
};
/** The COMMAND_* of that name; -1 if there is none. */
int find_command(const char *name);
/** nearest_word() among the commands. */
const char *nearest_command(const char *text);
/** Adds a line of a .smi to a list: a SMILES, which a name may follow. `option` is for messages. */
void add_smiles(cg_buf *molecules, const char *option, const char *text);
/** As add_smiles() for an operand. One that is no SMILES is a usage error, which says whether it is
 * a file or a misspelt command. */
void add_operand(cg_buf *molecules, const char *text);

/** Values of --plugin, which may be repeated. */
struct plugin_files {
    const char *files[64];
    int32_t n;
};
void add_plugin_file(struct plugin_files *p, const char *file);

/** A command, or a subcommand of one. */
struct command {
    const char *name;
    int (*main)(int argc, char **argv);
};
enum { MAX_SUBCOMMANDS = 16 };
/** 1 for help, -h and --help. */
int asks_for_help(const char *argument);
/** Runs the command that argv[1] names; n <= MAX_SUBCOMMANDS. */
int run_subcommand(int argc, char **argv, const struct command *commands, size_t n,
                   const struct command_page *page);

#endif
