/* SPDX-License-Identifier: MIT */
/* confgen bench decode|attention|tokenizer|templates|rmsd|minimize. */
#include "bench.h"

const struct command_page page_bench = {
    .name = "bench",
    .summary = "measure speed",
    .usage = "confgen bench decode      tokens/s and conformers/s, constrained and unconstrained\n"
             "confgen bench attention   attention plugins compared with each other and memory "
             "bandwidth\n"
             "confgen bench tokenizer   tokens/s, with and without the cache\n"
             "confgen bench templates   molecules/s of the work before decoding\n"
             "confgen bench rmsd        pairs of conformers/s, compared over a molecule's "
             "automorphisms\n"
             "confgen bench minimize    conformers/s moved to a minimum of their MMFF94 energy\n",
    .text =
        "Each takes --help. All cells of a table are measured in turn in one process for several "
        "rounds; printed are medians, so other load on the machine affects all cells alike.",
    .notes = "",
};

int cmd_bench(int argc, char **argv)
{
    static const struct command commands[] = {
        { "decode", bench_decode },       { "attention", bench_attention },
        { "tokenizer", bench_tokenizer }, { "templates", bench_templates },
        { "rmsd", bench_rmsd },           { "minimize", bench_minimize },
    };

    command_name = "bench";
    return run_subcommand(argc, argv, commands, sizeof commands / sizeof commands[0], &page_bench);
}
