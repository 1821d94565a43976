/* SPDX-License-Identifier: MIT */
/* confgen text write|read: conformers to the text of a model's format and back. */
#include "text.h"

const struct command_page page_text = {
    .name = "text",
    .summary = "conformers to the text of a model's format and back",
    .usage = "confgen text write FILE.sdf   write the training text of each conformer, one a line\n"
             "confgen text read FILE        read texts of a model, one a line, and write an SDF\n",
    .text = "Each takes --help. Both write to standard output.",
    .notes = "",
};

int cmd_text(int argc, char **argv)
{
    static const struct command commands[] = { { "write", text_write }, { "read", text_read } };

    command_name = "text";
    return run_subcommand(argc, argv, commands, sizeof commands / sizeof commands[0], &page_text);
}
