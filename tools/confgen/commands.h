/* SPDX-License-Identifier: MIT */
/** @file commands.h  The commands of the program; each is a main() of its own. */
#ifndef CG_TOOLS_COMMANDS_H
#define CG_TOOLS_COMMANDS_H

#include <confgen/confgen.h>
#include <jansson.h>
#include <getopt.h>
#include <stdio.h>

/** Exit statuses. */
enum {
    EXIT_OK = 0,
    EXIT_SOME_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_ENVIRONMENT = 3,
    EXIT_INTERRUPTED = 130,
};

int cmd_generate(int argc, char **argv);
int cmd_plugins(int argc, char **argv);
int cmd_inspect(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_bench(int argc, char **argv);

/** confgen eval --compare: arguments as those of cmd_eval(). */
int eval_compare(int argc, char **argv);
int cmd_eval(int argc, char **argv);

/** "confgen: TEXT" on standard error; returns the exit status that the error's code stands for. */
int report_error(const cg_error *err);

/** Write the report of a run as JSON. CG_ERR_IO naming the file. */
cg_status report_write(const char *path, const cg_engine_info *info, const cg_report *report,
                       cg_status outcome, json_t *messages, cg_error *err);

/** Write a file and give it its name when it is whole (cmd_eval.c). CG_ERR_IO naming the file. */
struct cg_buf;
cg_status write_whole_file(const char *path, const struct cg_buf *text, cg_error *err);

/* ---- options (args.c): NAME is the flag for error texts; a bad value ends the program ---- */

int32_t parse_int(const char *name, const char *text, int32_t lo, int32_t hi);
int64_t parse_int64(const char *name, const char *text, int64_t lo, int64_t hi);
float parse_real(const char *name, const char *text);
/** Whole numbers separated by commas, [lo, hi] each, at most `cap`; returns their number. */
int parse_ints(const char *name, const char *text, int32_t lo, int32_t hi, int32_t *ret, int cap);
/** Words separated by commas, at most `cap`: cuts `text` in place; returns their number. */
int parse_words(const char *name, char *text, const char **ret, int cap);

/** The name that usage errors refer to, e.g. "plugins list"; "" for the main job. */
extern const char *command_name;
/** "confgen: ..." and exit with EXIT_USAGE. */
_Noreturn void usage_error(const char *fmt, ...) CG_PRINTF(1, 2);
_Noreturn void out_of_memory(void);

/**
 * The next option, -1 at the end (optind is then the first operand). Unknown options and missing
 * values are usage errors; OPTION_HELP prints `help` and exits with EXIT_OK.
 */
int next_option(int argc, char **argv, const struct option *options, const char *help);
enum { OPTION_HELP = 'h' };

/** --plugin FILE, given several times. */
struct plugin_files {
    const char *files[64];
    int32_t n;
};
void add_plugin_file(struct plugin_files *p, const char *file);

/** A command of commands: runs the one that argv[1] names. */
struct command {
    const char *name;
    int (*main)(int argc, char **argv);
};
int run_command(int argc, char **argv, const struct command *commands, size_t n, const char *help);

#endif
