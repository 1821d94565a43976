/* SPDX-License-Identifier: MIT */
/* The program: runs the command that the first argument names, `generate` by default. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"

static const struct command commands[] = {
    { "generate", cmd_generate }, { "plugins", cmd_plugins }, { "inspect", cmd_inspect },
    { "doctor", cmd_doctor },     { "bench", cmd_bench },     { "eval", cmd_eval },
};

/*
 * Opens closed standard descriptors, so that no file of the run gets their numbers and, with them,
 * the messages. In the opposite direction: reading and writing still fail as if they were closed.
 */
static void open_standard_descriptors(void)
{
    static const int flags[] = { O_WRONLY, O_RDONLY, O_RDONLY };

    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", flags[fd]) != fd)
            _exit(EXIT_ENVIRONMENT);
}

int main(int argc, char **argv)
{
    open_standard_descriptors();
    if (argc > 1 && argv[1][0] != '-')
        for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
            if (!strcmp(argv[1], commands[i].name))
                end_program(commands[i].main(argc - 1, argv + 1));
    end_program(cmd_generate(argc, argv));
}
