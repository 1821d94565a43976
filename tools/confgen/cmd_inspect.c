/* SPDX-License-Identifier: MIT */
/* confgen inspect FILE: lists the molecules of an output, or prints the records of one. */
#include <confgen/results.h>
#include <string.h>

#include "commands.h"
#include "table.h"

static const struct command_option options[] = {
    { "molecule", 'm', "NAME", "print the records of all molecules with that name" },
    { "frame", 'f', "I", "print the records of the I-th frame, from 0" },
};

const struct command_page page_inspect = {
    .name = "inspect",
    .summary = "list an output's molecules, extract one",
    .usage =
        "confgen inspect FILE                   list the frames of an output: one for each "
        "molecule,\n"
        "                                       several for one with more than 64 MiB of records\n"
        "confgen inspect FILE --molecule NAME   print the records of all molecules with that name\n"
        "confgen inspect FILE --frame I         print the records of the I-th frame, from 0\n",
    .text = "FILE is the output of a run: .zst, .gz or plain, also of an interrupted run that "
            "wrote at least one complete record.\n\nExit status: 0, 1 if a frame is damaged or no "
            "molecule has that name, 3 if FILE cannot be read.",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .notes = "",
};

static int list(cg_results *results, cg_error *err)
{
    static const char *const headings[] = { "frame", "molecule", "records", "compressed", "plain" };
    int64_t n = cg_results_count(results), molecules = 0, records = 0, damaged = 0;
    uint64_t compressed = 0, plain = 0;
    struct text_table table;

    table_begin(&table, "rlrrr", headings);
    for (int64_t i = 0; i < n; i++) {
        cg_results_frame frame = { CG_SIZED(cg_results_frame) };

        table_cell(&table, "%lld", (long long)i);
        if (cg_results_get(results, i, &frame, err) != CG_OK) {
            table_cell(&table, "damaged: %s", err->msg);
            for (int k = 0; k < 3; k++)
                table_cell(&table, "-");
            damaged++;
            continue;
        }
        table_cell(&table, "%s", frame.name);
        table_cell(&table, "%lld", (long long)frame.records);
        table_cell(&table, "%llu", (unsigned long long)frame.compressed);
        table_cell(&table, "%llu", (unsigned long long)frame.plain);
        molecules += !frame.continues;
        records += frame.records;
        compressed += frame.compressed;
        plain += frame.plain;
    }
    table_print(&table, stdout);
    printf("%lld molecules, %lld records, %llu bytes of %llu; container %s%s\n",
           (long long)molecules, (long long)records, (unsigned long long)compressed,
           (unsigned long long)plain, cg_results_container(results),
           cg_results_has_table(results) ? " with a seek table" : "");
    if (*cg_results_note(results))
        printf("%s\n", cg_results_note(results));
    return damaged ? EXIT_SOME_FAILED : EXIT_OK;
}

/* Prints the records of frame i. */
static int print_frame(cg_results *results, int64_t i, cg_error *err)
{
    const char *bytes;
    size_t len;

    if (cg_results_read(results, i, &bytes, &len, err) != CG_OK)
        return report_error(err);
    fwrite(bytes, 1, len, stdout); /* end_program() reports a failure */
    return EXIT_OK;
}

/* Prints the records of all molecules with that name; several are counted on standard error. */
static int print_molecule(cg_results *results, const char *name, cg_error *err)
{
    int64_t first = -1, second = -1, n = 0, i = -1;
    int status = EXIT_OK;

    while (cg_results_find(results, name, i + 1, &i, err) == CG_OK) {
        cg_results_frame frame = { CG_SIZED(cg_results_frame) };

        if (cg_results_get(results, i, &frame, err) != CG_OK)
            return report_error(err);
        status = print_frame(results, i, err);
        if (status != EXIT_OK)
            return status;
        if (frame.continues)
            continue;
        if (n == 0)
            first = i;
        if (n == 1)
            second = i;
        n++;
    }
    if (!n || err->code != CG_ERR_INPUT) {
        status = report_error(err);
        return err->code == CG_ERR_INPUT ? EXIT_SOME_FAILED : status;
    }
    if (n > 1)
        fprintf(stderr,
                "confgen: %lld molecules have this name, frames %lld, %lld%s: all are printed; "
                "--frame I prints one\n",
                (long long)n, (long long)first, (long long)second, n > 2 ? ", ..." : "");
    return EXIT_OK;
}

int cmd_inspect(int argc, char **argv)
{
    const char *path, *name = NULL;
    int64_t frame = -1;
    cg_results *results;
    cg_error err = CG_ERROR_INIT;
    int option, status;

    command_name = "inspect";
    while ((option = next_option(argc, argv, &page_inspect)) != -1)
        if (option == 'm')
            name = optarg;
        else
            frame = parse_int64("--frame", optarg, 0, INT64_MAX);
    path = single_operand(argc, argv, "FILE");
    if (name && frame >= 0)
        usage_error("--molecule and --frame: wanted only one of the two");
    if (cg_results_open(path, &results, &err) != CG_OK)
        return report_error(&err);
    if (name)
        status = print_molecule(results, name, &err);
    else
        status = frame >= 0 ? print_frame(results, frame, &err) : list(results, &err);
    cg_results_close(results);
    return status;
}
