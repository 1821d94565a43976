/* SPDX-License-Identifier: MIT */
/* confgen eval --compare A.json B.json: is B better than A? */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "eval/compare.h"
#include "eval/result_json.h"

static const char help[] =
    "confgen eval --compare A.json B.json   is evaluation B better than A?\n"
    "\n"
    "  --tolerance X[,Y]  a loss of at most X is put up with: X as a share of 1 for COV, checks,\n"
    "                     wrong and missing (0.01: one point of per cent), Y in \xc3\x85 for MAT\n"
    "                     (default: X for both; 0)\n"
    "  --resamples N      of the bootstrap, 100 to 1000000 (default 10000)\n"
    "  --seed S           of the bootstrap (default 1)\n"
    "  --json FILE        the comparison for programs; replaced where it exists\n"
    "\n"
    "Molecules are matched by name; differences are B - A of the means over molecules, with 95 %\n"
    "intervals from a bootstrap over molecules, once over the molecules for which both have "
    "output\n"
    "and once over all. A metric is worse where its whole interval is on the bad side of 0 and "
    "the\n"
    "loss is above the tolerance.\n"
    "\n"
    "Exit status: 0 where no metric is worse, 1 where one is, 2 for usage, 3 where a file cannot "
    "be\n"
    "read or the two cannot be compared.\n";

enum { COMPARE = 1000, TOLERANCE, RESAMPLES, SEED, JSON };

/* "X" or "X,Y", both at least 0. */
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
        usage_error("--tolerance '%s': wanted X or X,Y, numbers of at least 0", text);
    s->tolerance_share = v[0];
    s->tolerance_rmsd = v[n - 1];
}

static int print(const cg_eval_comparison *c, const char *json, cg_error *err)
{
    cg_buf text = { 0 };
    int status;

    if (json) {
        if (cg_eval_comparison_json(c, &text, err) != CG_OK ||
            write_whole_file(json, &text, err) != CG_OK)
            goto failed;
        cg_buf_clear(&text);
    }
    if (cg_eval_comparison_text(c, &text, err) != CG_OK)
        goto failed;
    if (fwrite(text.data, 1, text.len, stdout) != text.len || fflush(stdout)) {
        fprintf(stderr, "confgen: standard output: %s\n", strerror(errno));
        cg_buf_finish(&text);
        return EXIT_ENVIRONMENT;
    }
    cg_buf_finish(&text);
    return c->verdict == CG_COMPARE_WORSE ? EXIT_SOME_FAILED : EXIT_OK;
failed:
    status = report_error(err);
    cg_buf_finish(&text);
    return status;
}

int eval_compare(int argc, char **argv)
{
    static const struct option options[] = {
        { "compare", no_argument, NULL, COMPARE },
        { "tolerance", required_argument, NULL, TOLERANCE },
        { "resamples", required_argument, NULL, RESAMPLES },
        { "seed", required_argument, NULL, SEED },
        { "json", required_argument, NULL, JSON },
        { "help", no_argument, NULL, OPTION_HELP },
        { NULL, 0, NULL, 0 },
    };
    cg_compare_settings settings = cg_compare_default_settings();
    cg_eval_result a = { 0 }, b = { 0 };
    cg_eval_comparison c = { 0 };
    cg_error err = CG_ERROR_INIT;
    const char *json = NULL;
    int option, status;

    command_name = "eval --compare";
    while ((option = next_option(argc, argv, options, help)) != -1)
        if (option == TOLERANCE)
            parse_tolerance(optarg, &settings);
        else if (option == RESAMPLES)
            settings.bootstrap.resamples = (uint32_t)parse_int("--resamples", optarg, 100, 1000000);
        else if (option == SEED)
            settings.bootstrap.seed = (uint64_t)parse_int64("--seed", optarg, 0, INT64_MAX);
        else if (option == JSON)
            json = optarg;
    if (optind + 2 != argc)
        usage_error("--compare: wanted two evaluations, A.json and B.json");
    if (cg_eval_read_json_file(argv[optind], &a, &err) != CG_OK ||
        cg_eval_read_json_file(argv[optind + 1], &b, &err) != CG_OK ||
        cg_eval_compare(&a, &b, &settings, &c, &err) != CG_OK ||
        cg_eval_comparison_label(&c, argv[optind], argv[optind + 1], &err) != CG_OK)
        status = report_error(&err);
    else
        status = print(&c, json, &err);
    cg_eval_comparison_finish(&c);
    cg_eval_result_finish(&a);
    cg_eval_result_finish(&b);
    return status;
}
