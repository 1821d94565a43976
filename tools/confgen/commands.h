/* SPDX-License-Identifier: MIT */
/** @file commands.h  The commands of the program; each is a main() of its own. */
#ifndef CG_TOOLS_COMMANDS_H
#define CG_TOOLS_COMMANDS_H

#include <confgen/confgen.h>
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

/** "confgen: TEXT" on standard error; returns the exit status that the error's code stands for. */
int report_error(const cg_error *err);

/** Write the report of a run as JSON. CG_ERR_IO naming the file. */
cg_status report_write(const char *path, const cg_engine_info *info, const cg_report *report,
                       cg_status outcome, cg_error *err);

/* ---- options (args.c): NAME is the flag for error texts; a bad value ends the program ---- */

int32_t parse_int(const char *name, const char *text, int32_t lo, int32_t hi);
int64_t parse_int64(const char *name, const char *text, int64_t lo, int64_t hi);
float parse_real(const char *name, const char *text);
/** "confgen: ..." and exit with EXIT_USAGE. */
_Noreturn void usage_error(const char *fmt, ...) CG_PRINTF(1, 2);

#endif
