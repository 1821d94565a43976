/* SPDX-License-Identifier: MIT */
/* The program: runs the command that the first argument names, `generate` by default. */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"

static const struct command commands[] = {
    { "generate", cmd_generate }, { "plugins", cmd_plugins }, { "inspect", cmd_inspect },
    { "doctor", cmd_doctor },     { "bench", cmd_bench },     { "eval", cmd_eval },
    { "text", cmd_text },         { "model", cmd_model },     { "draw", cmd_draw },
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

/* The command of that name; NULL if there is none. */
static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (!strcmp(name, commands[i].name))
            return &commands[i];
    return NULL;
}

/* confgen help [COMMAND] */
static _Noreturn void help(int argc, char **argv)
{
    static char option[] = "--help";
    const struct command *command = find_command(argc > 2 ? argv[2] : "generate");
    char *arguments[] = { argv[0], option, NULL };

    if (!command)
        usage_error("'%s': no such command", argv[2]);
    end_program(command->main(2, arguments));
}

int main(int argc, char **argv)
{
    const struct command *command;

    open_standard_descriptors();
    signal(SIGXFSZ, SIG_IGN); /* the file size limit is a write error */
    if (argc > 1 && (command = find_command(argv[1])) != NULL)
        end_program(command->main(argc - 1, argv + 1));
    if (argc > 1 && !strcmp(argv[1], "help"))
        help(argc, argv);
    end_program(cmd_generate(argc, argv));
}
