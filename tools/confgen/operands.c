/* SPDX-License-Identifier: MIT */
/* Molecules of the command line, and what else its operands may have been meant to be. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chem/molecule.h"
#include "commands.h"

static const char *const command_names[N_COMMANDS] = {
    [COMMAND_GENERATE] = "generate", [COMMAND_PLUGINS] = "plugins", [COMMAND_INSPECT] = "inspect",
    [COMMAND_DOCTOR] = "doctor",     [COMMAND_BENCH] = "bench",     [COMMAND_EVAL] = "eval",
    [COMMAND_TEXT] = "text",         [COMMAND_MODEL] = "model",     [COMMAND_DRAW] = "draw",
    [COMMAND_DOCS] = "docs",
};

int find_command(const char *name)
{
    for (int i = 0; i < N_COMMANDS; i++)
        if (!strcmp(name, command_names[i]))
            return i;
    return -1;
}

const char *nearest_command(const char *text)
{
    return nearest_word(text, command_names, N_COMMANDS);
}

/* Does the name end in a kind of file? */
static int has_file_ending(const char *text)
{
    static const char *const endings[] = { "smi", "smiles", "ism", "can",  "txt", "csv",
                                           "tsv", "sdf",    "mol", "mol2", "gz",  "zst" };
    const char *dot = strrchr(text, '.');

    for (size_t i = 0; dot && i < sizeof endings / sizeof endings[0]; i++)
        if (!strcmp(dot + 1, endings[i]))
            return 1;
    return 0;
}

/* An operand that is no SMILES for that reason: a file, a misspelt command, or a misspelt SMILES.
 */
static _Noreturn void refuse_operand(const char *text, const char *reason)
{
    const char *command = nearest_command(text);

    if (!strcmp(text, "-"))
        usage_error("'-': wanted --input - for standard input");
    if (has_file_ending(text) || (*text && !access(text, F_OK)))
        usage_error("'%s': wanted --input %s", text, text);
    if (command)
        usage_error("'%s': no such command; the nearest is %s", text, command);
    usage_error("'%s': neither a command nor a SMILES (%s), wanted one of them, or --input FILE",
                text, reason);
}

void add_smiles(cg_buf *molecules, const char *option, const char *text)
{
    if (text[strcspn(text, "\r\n")])
        usage_error("%s '%s': has a line end, wanted one SMILES, which a name may follow; --input "
                    "reads a list",
                    option, text);
    if (!text[strspn(text, " \t")] || text[strspn(text, " \t")] == '#') /* a comment of a list */
        usage_error("%s '%s': wanted a SMILES, such as CCO", option, text);
    cg_buf_puts(molecules, text);
    cg_buf_putc(molecules, '\n');
    if (cg_buf_check(molecules, "command line", NULL) != CG_OK)
        out_of_memory();
}

void add_operand(cg_buf *molecules, const char *text)
{
    cg_molecule *molecule = NULL;
    cg_error err = CG_ERROR_INIT;
    const char *smiles = text + strspn(text, " \t");
    cg_status st = cg_molecule_parse(smiles, strcspn(smiles, " \t"), &molecule, &err);

    cg_molecule_destroy(molecule);
    if (st == CG_ERR_NOMEM)
        out_of_memory();
    if (st == CG_ERR_INPUT)
        refuse_operand(text, err.msg);
    add_smiles(molecules, "SMILES", text); /* one that is not supported is the run's failure */
}
