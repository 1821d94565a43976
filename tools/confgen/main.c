/* SPDX-License-Identifier: MIT */
/* The program: picks the command. */
#include <string.h>

#include "commands.h"

static const struct {
    const char *name;
    int (*main)(int argc, char **argv);
} commands[] = {
    { "generate", cmd_generate },
};

int main(int argc, char **argv)
{
    if (argc > 1 && argv[1][0] != '-')
        for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
            if (!strcmp(argv[1], commands[i].name))
                return commands[i].main(argc - 1, argv + 1);
    return cmd_generate(argc, argv);
}
