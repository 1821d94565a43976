/* SPDX-License-Identifier: MIT */
/*
 * confgen-conformance-attention, confgen-conformance-cache, confgen-conformance-constraint:
 *
 *   PROGRAM PLUGIN.so [--device cpu|cuda|cuda:I|all] [--time-limit SECONDS] [--in-process]
 *           [--only TEXT]... [SEED [ROUNDS]]
 *
 * loads the plugin as confgen does and prints a line per check, which runs in a process of its own;
 * with --only, the checks whose names contain a text.
 * Status 0: all passed, 1: some failed, 2: usage, or --only selects no check, 3: the plugin was
 * refused, 77: it supports none of the devices.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance/conformance.h"
#include "base/cpu.h"
#include "base/pool.h"
#include "plugin/host.h"
#include "plugin/loader.h"

struct counts {
    int reported, left_out; /* checks */
    int devices;            /* that the plugin supports */
};

static void print_check(void *ctx, const cg_conformance_verdict *v)
{
    ((struct counts *)ctx)->reported++;
    printf("%-6s %-40s %s\n", v->passed ? "ok" : "FAILED", v->check, v->detail);
    fflush(stdout);
}

static void count_left_out(void *ctx, const char *check)
{
    (void)check;
    ((struct counts *)ctx)->left_out++;
}

static void print_left_out(void *ctx, const char *check)
{
    (void)ctx;
    fprintf(stderr, "  %s\n", check);
}

static void print_plugin(void *ctx, const cg_plugin *plugin)
{
    char line[2048];

    (void)ctx;
    cg_conformance_plugin_line(plugin, line, sizeof line);
    puts(line);
}

static void print_device(void *ctx, const cg_conformance_device *device)
{
    char line[2048];

    ((struct counts *)ctx)->devices += device->is_checked;
    cg_conformance_device_line(device, line, sizeof line);
    puts(line);
}

static void print_message(void *ctx, const char *line)
{
    (void)ctx;
    printf("%s\n", line);
    fflush(stdout);
}

static void print_log(void *ctx, int32_t level, const char *text)
{
    (void)ctx;
    (void)level;
    fprintf(stderr, "%s\n", text);
}

static cg_status open_plugin(void *ctx, const cg_plugin **ret_plugin, const cg_host **ret_host,
                             cg_error *err)
{
    static cg_plugin_host host; /* lives as long as the process */
    const char *file = ctx;
    cg_team *team;

    CG_TRY(cg_team_create(cg_cpu_count() > 2 ? cg_cpu_count() : 2, &team, err));
    cg_plugin_host_init(&host, team, print_log, NULL, CG_LOG_WARNING);
    CG_TRY(cg_plugin_load(file, &host.host, ret_plugin, err));
    if ((*ret_plugin)->kind != CONFORMANCE_KIND)
        return host.host.fail(
            err, CG_ERR_PLUGIN, "plugin '%s': found a plugin for %s, wanted one for %s", file,
            cg_plugin_kind_name((*ret_plugin)->kind), cg_plugin_kind_name(CONFORMANCE_KIND));
    *ret_host = &host.host;
    return CG_OK;
}

int main(int argc, char **argv)
{
    static const struct option longs[] = { { "device", required_argument, NULL, 'd' },
                                           { "time-limit", required_argument, NULL, 't' },
                                           { "in-process", no_argument, NULL, 'i' },
                                           { "only", required_argument, NULL, 'o' },
                                           { NULL, 0, NULL, 0 } };
    struct counts counts = { .devices = CONFORMANCE_KIND == CG_PLUGIN_CONSTRAINT };
    const char *only[64];
    cg_conformance_options options = {
        .seed = 1,
        .report = print_check,
        .ctx = &counts,
        .plugin = print_plugin,
        .visit = print_device,
        .message = print_message,
        .only = only,
        .leave_out = count_left_out,
    };
    cg_status (*run)(cg_conformance_open_fn, void *, const char *, const cg_conformance_options *,
                     cg_conformance_result *, cg_error *) = cg_conformance_run_children;
    cg_conformance_result result = { 0 };
    const char *device = NULL;
    cg_error err = CG_ERROR_INIT;
    int option, is_usage = 0;
    cg_status st;

    while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1)
        if (option == 'd')
            device = optarg;
        else if (option == 't')
            options.max_seconds = atoi(optarg);
        else if (option == 'i')
            run = cg_conformance_run_here;
        else if (option == 'o' && options.n_only < (int)(sizeof only / sizeof *only))
            only[options.n_only++] = optarg;
        else
            is_usage = 1;
    if (is_usage || argc - optind < 1 || argc - optind > 3) {
        fprintf(stderr,
                "usage: %s [--device cpu|cuda|cuda:I|all] [--time-limit SECONDS] [--in-process] "
                "[--only TEXT]... PLUGIN.so [SEED [ROUNDS]]\n",
                argv[0]);
        return 2;
    }
    if (argc - optind > 1)
        options.seed = strtoull(argv[optind + 1], NULL, 0);
    if (argc - optind > 2)
        options.rounds = atoi(argv[optind + 2]);
    st = run(open_plugin, argv[optind], device, &options, &result, &err);
    if (st != CG_OK) {
        fprintf(stderr, "%s\n", err.msg);
        return st == CG_ERR_USAGE ? 2 : 3;
    }
    if (!counts.reported && counts.left_out && counts.devices) {
        fprintf(stderr, "--only selects none of these checks:\n");
        options.plugin = NULL;
        options.visit = NULL;
        options.message = NULL;
        options.leave_out = print_left_out;
        (void)run(open_plugin, argv[optind], device, &options, &result, &err);
        return 2;
    }
    if (result.failures)
        printf("%d checks failed\n", result.failures);
    return result.failures ? 1 : counts.devices || (options.n_only && counts.reported) ? 0 : 77;
}
