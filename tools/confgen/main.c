/* SPDX-License-Identifier: MIT */
/* The program: runs the command that the first argument names, `generate` by default. */
#include <string.h>

#include "commands.h"

static const struct command commands[] = {
    { "generate", cmd_generate }, { "plugins", cmd_plugins }, { "inspect", cmd_inspect },
    { "doctor", cmd_doctor },     { "bench", cmd_bench },     { "eval", cmd_eval },
};

int main(int argc, char **argv)
{
    if (argc > 1 && argv[1][0] != '-')
        for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
            if (!strcmp(argv[1], commands[i].name))
                end_program(commands[i].main(argc - 1, argv + 1));
    end_program(cmd_generate(argc, argv));
}
