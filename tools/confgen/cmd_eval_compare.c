/* SPDX-License-Identifier: MIT */
/* confgen eval --compare A.json B.json: compares two evaluations. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/whole_file.h"
#include "commands.h"
#include "eval/compare.h"
#include "eval/result_json.h"

enum { COMPARE = 1000, TOLERANCE, RESAMPLES, SEED, JSON, OVERWRITE };

static const struct command_option options[] = {
    { "compare", COMPARE, NULL, "compare evaluation B.json with A.json" },
    { "tolerance", TOLERANCE, "X[,Y]",
      "tolerated loss: X as a share of 1 for COV, checks, wrong and missing (0.01: one percentage "
      "point), Y in Å for MAT (default: X for both; 0)" },
    { "resamples", RESAMPLES, "N", "bootstrap resamples, 100 to 1000000 (default 10000)" },
    { "seed", SEED, "S", "bootstrap seed (default 1)" },
    { "json", JSON, "FILE", "write the comparison as JSON" },
    { "overwrite", OVERWRITE, NULL, "replace an existing FILE" },
};

const struct command_page page_eval_compare = {
    .name = "eval --compare",
    .summary = "compare two evaluations",
    .usage = "confgen eval --compare A.json B.json   compare evaluation B with A\n",
    .text = "",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .notes =
        "Molecules are matched by name. Differences are B - A of the means over molecules. Their "
        "95 % intervals come from a bootstrap over molecules: once over the molecules for which "
        "both have output, once over all. A metric is worse if its whole interval is on the bad "
        "side of 0 and the loss exceeds the tolerance.\n\nExit status: 0 no metric is worse, 1 one "
        "is, 2 usage error, 3 a file cannot be read or the two cannot be compared.",
};

/* "X" or "X,Y", neither negative. */
static void parse_tolerance(const char *text, cg_compare_settings *s)
{
    double v[2];
    char *end;
    int n = 0;

    do {
        v[n] = strtod(n ? end + 1 : text, &end);
        if (end == text || (*end && *end != ',') || !isfinite(v[n]) || v[n] < 0)
            break;
        n++;
    } while (*end && n < 2);
    if (!n || *end || end == text || end[-1] == ',')
        usage_error("--tolerance '%s': wanted X or X,Y, neither negative", text);
    s->tolerance_share = v[0];
    s->tolerance_rmsd = v[n - 1];
}

/* Writes the comparison to standard output, and as JSON to `json` unless it is NULL; *ret_status is
 * the exit status. */
static cg_status print(const cg_eval_comparison *c, const char *json, int overwrite,
                       int *ret_status, cg_error *err)
{
    cg_buf text = { 0 };
    cg_status st;

    if (json) {
        CG_TRY_GOTO(st, cg_eval_comparison_json(c, &text, err), out);
        CG_TRY_GOTO(st, cg_file_write_whole(json, text.data, text.len, overwrite, err), out);
        cg_buf_clear(&text);
    }
    CG_TRY_GOTO(st, cg_eval_comparison_text(c, &text, err), out);
    *ret_status = c->verdict == CG_COMPARE_WORSE ? EXIT_SOME_FAILED : EXIT_OK;
    fwrite(text.data, 1, text.len, stdout); /* end_program() reports a failure */
out:
    cg_buf_finish(&text);
    return st;
}

int cmd_eval_compare(int argc, char **argv)
{
    cg_compare_settings settings = cg_compare_default_settings();
    cg_eval_result a = { 0 }, b = { 0 };
    cg_eval_comparison c = { 0 };
    cg_error err = CG_ERROR_INIT;
    const char *json = NULL;
    cg_status st;
    int option, overwrite = 0, status = EXIT_OK;

    command_name = "eval --compare";
    while ((option = next_option(argc, argv, &page_eval_compare)) != -1)
        if (option == TOLERANCE)
            parse_tolerance(optarg, &settings);
        else if (option == RESAMPLES)
            settings.bootstrap.resamples = (uint32_t)parse_int("--resamples", optarg, 100, 1000000);
        else if (option == SEED)
            settings.bootstrap.seed = (uint64_t)parse_int64("--seed", optarg, 0, INT64_MAX);
        else if (option == JSON)
            json = optarg;
        else if (option == OVERWRITE)
            overwrite = 1;
    if (optind + 2 != argc)
        usage_error("--compare: wanted two evaluations, A.json and B.json");
    check_files(
        (const struct named_file[]) { { NULL, "the evaluation to compare", argv[optind] },
                                      { NULL, "the evaluation to compare", argv[optind + 1] } },
        2, &(const struct named_file) { "--json", "the comparison", json }, 1, overwrite);
    CG_TRY_GOTO(st, cg_eval_read_json_file(argv[optind], &a, &err), out);
    CG_TRY_GOTO(st, cg_eval_read_json_file(argv[optind + 1], &b, &err), out);
    CG_TRY_GOTO(st, cg_eval_compare(&a, &b, &settings, &c, &err), out);
    CG_TRY_GOTO(st, cg_eval_comparison_label(&c, argv[optind], argv[optind + 1], &err), out);
    CG_TRY_GOTO(st, print(&c, json, overwrite, &status, &err), out);
out:
    cg_eval_comparison_finish(&c);
    cg_eval_result_finish(&a);
    cg_eval_result_finish(&b);
    return st == CG_OK ? status : report_error(&err);
}
