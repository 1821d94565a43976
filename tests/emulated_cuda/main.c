/* SPDX-License-Identifier: MIT */
/*
 * Runs the checks for CUDA on a plugin whose kernels run on the emulated GPU:
 *
 *   PROGRAM [--only TEXT]... [--except TEXT]... [--once TEXT]... [SEED [ROUNDS]]
 *
 * the checks whose names contain a text of --only, or all, without those of --except; those of
 * --once, which take long, in one round. Status 0: all
 * passed, 1: some failed, 2: usage. A fault that the emulator or a sanitizer finds ends the
 * process.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance/conformance.h"
#include "emulator.h"
#include "plugin/host.h"

cg_status cg_plugin_entry_v1(const cg_host *host, const cg_plugin **ret_plugin, cg_error *err);

enum { MAX_TEXTS = 64, MAX_CHECKS = 512 };

struct selection {
    const char *only[MAX_TEXTS], *except[MAX_TEXTS], *once[MAX_TEXTS];
    int n_only, n_except, n_once;
    /* Names of the selected checks: of all rounds, and of one. */
    const char *checks[2][MAX_CHECKS];
    int n_checks[2];
};

static void print_check(void *ctx, const cg_conformance_verdict *v)
{
    (void)ctx;
    printf("%-6s %-40s %6.2f s  %s\n", v->passed ? "ok" : "FAILED", v->check, v->seconds,
           v->detail);
    fflush(stdout);
}

static int contains_one_of(const char *name, const char *const *texts, int n)
{
    for (int i = 0; i < n; i++)
        if (strstr(name, texts[i]))
            return 1;
    return 0;
}

static void select_check(void *ctx, const char *check)
{
    struct selection *s = ctx;
    int once = contains_one_of(check, s->once, s->n_once);

    if ((s->n_only && !contains_one_of(check, s->only, s->n_only)) ||
        contains_one_of(check, s->except, s->n_except))
        return;
    if (s->n_checks[once] == MAX_CHECKS)
        abort();
    s->checks[once][s->n_checks[once]++] = strdup(check);
}

/* Adds a text of the command line. Returns 0 if there are too many. */
static int add(const char **texts, int *n, const char *text)
{
    if (*n == MAX_TEXTS)
        return 0;
    texts[(*n)++] = text;
    return 1;
}

int main(int argc, char **argv)
{
    static const struct option longs[] = { { "only", required_argument, NULL, 'o' },
                                           { "except", required_argument, NULL, 'e' },
                                           { "once", required_argument, NULL, '1' },
                                           { NULL, 0, NULL, 0 } };
    static const char *const no_check = "\n";
    static struct selection s;
    cg_conformance_options options = { .seed = 1,
                                       .report = print_check,
                                       .device = "cuda:0",
                                       .ctx = &s,
                                       .leave_out = select_check,
                                       .only = &no_check,
                                       .n_only = 1 };
    int option, failures = 0, is_right = 1;
    const cg_plugin *plugin = NULL;
    cg_error err = CG_ERROR_INIT;
    cg_plugin_host host;

    while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1)
        is_right &= option == 'o'   ? add(s.only, &s.n_only, optarg)
                    : option == 'e' ? add(s.except, &s.n_except, optarg)
                    : option == '1' ? add(s.once, &s.n_once, optarg)
                                    : 0;
    if (!is_right || argc - optind > 2) {
        fprintf(stderr, "usage: %s [--only TEXT]... [--except TEXT]... [SEED [ROUNDS]]\n", argv[0]);
        return 2;
    }
    if (argc - optind > 0)
        options.seed = strtoull(argv[optind], NULL, 0);
    if (argc - optind > 1)
        options.rounds = atoi(argv[optind + 1]);
    emulator_seed = options.seed;
    setenv("CONFGEN_CUDA_MODULE", EMULATED_MODULE, 0);
    cg_plugin_host_init(&host, NULL, NULL, NULL, CG_LOG_WARNING);
    if (cg_gpu_open(0, &options.gpu, &err) != CG_OK ||
        cg_plugin_entry_v1(&host.host, &plugin, &err) != CG_OK) {
        fprintf(stderr, "%s\n", err.msg);
        return 1;
    }
    (void)cg_conformance_run(plugin, &host.host, &options); /* for the names */
    if (!s.n_checks[0] && !s.n_checks[1]) {
        fprintf(stderr, "no check is selected\n");
        return 2;
    }
    options.leave_out = NULL;
    for (int once = 0; once < 2; once++) {
        options.only = s.checks[once];
        options.n_only = s.n_checks[once];
        if (once)
            options.rounds = 1;
        if (options.n_only)
            failures += cg_conformance_run(plugin, &host.host, &options);
    }
    cg_gpu_close(options.gpu);
    if (failures)
        printf("%d checks failed\n", failures);
    return failures != 0;
}
