/* SPDX-License-Identifier: MIT */
/* The program: runs the command that the first argument names, `generate` by default. */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"

static int (*const mains[N_COMMANDS])(int argc, char **argv) = {
    [COMMAND_GENERATE] = cmd_generate, [COMMAND_PLUGINS] = cmd_plugins,
    [COMMAND_INSPECT] = cmd_inspect,   [COMMAND_DOCTOR] = cmd_doctor,
    [COMMAND_BENCH] = cmd_bench,       [COMMAND_EVAL] = cmd_eval,
    [COMMAND_TEXT] = cmd_text,         [COMMAND_MODEL] = cmd_model,
    [COMMAND_DRAW] = cmd_draw,         [COMMAND_DOCS] = cmd_docs,
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

/* confgen help [COMMAND [SUBCOMMAND]], confgen help OPTION */
static _Noreturn void help(int argc, char **argv)
{
    static char option[] = "--help";
    char *arguments[] = { argv[0], argc > 3 ? argv[3] : option, argc > 3 ? option : NULL, NULL };
    const int command = argc > 2 ? find_command(argv[2]) : COMMAND_GENERATE;
    const char *nearest = command < 0 ? nearest_command(argv[2]) : NULL;

    if (command < 0 && print_option_help(&page_generate, argv[2] + strspn(argv[2], "-"), stdout))
        end_program(EXIT_OK);
    if (nearest)
        usage_error("'%s': no such command; the nearest is %s", argv[2], nearest);
    if (command < 0)
        usage_error("'%s': no such command or option", argv[2]);
    end_program(mains[command](argc > 3 ? 3 : 2, arguments));
}

/* Refuses a word that is neither a command nor a SMILES before generate refuses the options of the
 * command that was meant. */
static void check_word(const char *word)
{
    cg_buf molecules = { 0 };

    add_operand(&molecules, word);
    cg_buf_finish(&molecules);
}

int main(int argc, char **argv)
{
    const int command = argc > 1 ? find_command(argv[1]) : -1;

    open_standard_descriptors();
    signal(SIGXFSZ, SIG_IGN); /* the file size limit is a write error */
    if (command >= 0)
        end_program(mains[command](argc - 1, argv + 1));
    if (argc > 1 && !strcmp(argv[1], "help"))
        help(argc, argv);
    if (argc > 1 && argv[1][0] != '-')
        check_word(argv[1]);
    end_program(cmd_generate(argc, argv));
}
