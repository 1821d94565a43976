/* SPDX-License-Identifier: MIT */
/*
 * conformance_attention, conformance_cache, conformance_constraint:
 *
 *   PROGRAM PLUGIN.so [--device cpu|cuda|cuda:I|all] [SEED [ROUNDS]]
 *
 * loads the plugin as confgen does and prints a line per check. Status 0: all passed, 1: some
 * failed, 2: usage, 3: the plugin was refused, 77: it supports none of the devices.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance/conformance.h"
#include "base/pool.h"
#include "plugin/host.h"
#include "plugin/loader.h"

static void print_check(void *ctx, int32_t passed, const char *check, const char *detail)
{
    (void)ctx;
    printf("%-6s %-40s %s\n", passed ? "ok" : "FAILED", check, detail);
    fflush(stdout);
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

int main(int argc, char **argv)
{
    cg_conformance_options options = { .seed = 1, .report = print_check, .message = print_message };
    cg_conformance_result result = { 0 };
    const char *program = argv[0], *device = NULL;
    cg_error err = CG_ERROR_INIT;
    const cg_plugin *plugin = NULL;
    cg_plugin_host host;
    cg_team *team = NULL;
    int status = 3;

    if (argc > 3 && !strcmp(argv[2], "--device")) {
        device = argv[3];
        argv[3] = argv[1];
        argv += 2;
        argc -= 2;
    }
    if (argc < 2 || argc > 4) {
        fprintf(stderr, "usage: %s PLUGIN.so [--device cpu|cuda|cuda:I|all] [SEED [ROUNDS]]\n",
                program);
        return 2;
    }
    if (argc > 2)
        options.seed = strtoull(argv[2], NULL, 0);
    if (argc > 3)
        options.rounds = atoi(argv[3]);
    if (cg_team_create(cg_cpu_count() > 2 ? cg_cpu_count() : 2, &team, &err) != CG_OK) {
        fprintf(stderr, "%s\n", err.msg);
        return 3;
    }
    cg_plugin_host_init(&host, team, print_log, NULL, CG_LOG_WARNING);
    if (cg_plugin_load(argv[1], &host.host, &plugin, &err) != CG_OK) {
        fprintf(stderr, "%s\n", err.msg);
    } else if (plugin->kind != CONFORMANCE_KIND) {
        fprintf(stderr, "plugin '%s': found a plugin for %s, wanted one for %s\n", argv[1],
                cg_plugin_kind_name(plugin->kind), cg_plugin_kind_name(CONFORMANCE_KIND));
    } else {
        printf("%s plugin %s %s: %s\n", cg_plugin_kind_name(plugin->kind), plugin->name,
               plugin->version, plugin->description);
        if (cg_conformance_run_devices(plugin, &host.host, device, &options, &result, &err) !=
            CG_OK) {
            fprintf(stderr, "%s\n", err.msg);
            status = 2;
        } else if (result.failures) {
            printf("%d checks failed\n", result.failures);
            status = 1;
        } else {
            status = result.checked ? 0 : 77;
        }
    }
    cg_team_destroy(team);
    return status;
}
