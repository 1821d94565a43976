/* SPDX-License-Identifier: MIT */
/* confgen doctor: describes the machine, the plugins and the default model on one page. */
#include <confgen/gpu.h>
#include <confgen/build_info.h>
#include <confgen/plugins.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cpu.h"
#include "commands.h"

const struct command_page page_doctor = {
    .name = "doctor",
    .summary = "describe this machine, plugins and default model",
    .usage = "confgen doctor\n",
    .text = "Prints the processor, memory, GPUs, libraries, plugins, remembered GPU measurements, "
            "the default model and the plugins that would be selected for it. Loading the plugins "
            "runs their code. Exit status 3 if something that every run needs is missing; a "
            "missing GPU is not an error.",
    .notes = "",
};

/* Finds the first line of `path` that begins with `key`; *ret is what follows its colon. 0, or -1
 * if there is none. */
static int find_line(const char *path, const char *key, char *ret, size_t cap)
{
    FILE *f = fopen(path, "re");
    char line[512];
    int found = 0;

    while (f && !found && fgets(line, sizeof line, f)) {
        char *at = strchr(line, ':');

        if (strncmp(line, key, strlen(key)) || !at)
            continue;
        at += 1 + strspn(at + 1, " \t");
        at[strcspn(at, "\n")] = '\0';
        snprintf(ret, cap, "%s", at);
        found = 1;
    }
    if (f)
        fclose(f);
    return found ? 0 : -1;
}

static const char *flash_isa(void)
{
    static const struct {
        uint32_t required; /* as in the flash plugin */
        const char *name;
    } variants[] = {
        { CG_CPU_AVX512F | CG_CPU_AVX512VL | CG_CPU_AVX512BW | CG_CPU_AVX512DQ, "avx512" },
        { CG_CPU_AVX2 | CG_CPU_FMA, "avx2" },
    };
    const char *forced = getenv("CONFGEN_FLASH_ISA");

    if (forced && *forced)
        return forced;
    for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++)
        if ((variants[i].required & ~cg_cpu_flags()) == 0)
            return variants[i].name;
    return "generic";
}

static void print_cpu(void)
{
    char model[256];
    cpu_set_t set;
    int usable = sched_getaffinity(0, sizeof set, &set) ? 0 : CPU_COUNT(&set);

    if (find_line("/proc/cpuinfo", "model name", model, sizeof model))
        snprintf(model, sizeof model, "unknown");
    print_lines(stdout, "processor       %s, %d of %ld cores usable\n", model, usable,
                sysconf(_SC_NPROCESSORS_ONLN));
    print_lines(stdout,
                "vector unit     %s (attention 'flash'; CONFGEN_FLASH_ISA=avx512|avx2|generic)\n",
                flash_isa());
}

static double gib(double bytes)
{
    return bytes / (1 << 30);
}

static void print_memory(void)
{
    char total[64] = "0", available[64] = "0", limit[64] = "";
    FILE *f = fopen("/sys/fs/cgroup/memory.max", "re");

    find_line("/proc/meminfo", "MemTotal", total, sizeof total);
    find_line("/proc/meminfo", "MemAvailable", available, sizeof available);
    print_lines(stdout, "memory          %.1f GiB, %.1f GiB available",
                gib(1024 * strtod(total, NULL)), gib(1024 * strtod(available, NULL)));
    if (f && fgets(limit, sizeof limit, f) && strtod(limit, NULL) > 0)
        print_lines(stdout, ", this process may use %.1f GiB", gib(strtod(limit, NULL)));
    putchar('\n');
    if (f)
        fclose(f);
}

static void print_libraries(void)
{
    cg_library library = { CG_SIZED(cg_library) };

    cg_library_get(0, &library);
    print_lines(stdout, "chemistry       %s %s\nlibraries       ", library.name, library.version);
    for (int32_t i = 1; cg_library_get(i, &library); i++)
        print_lines(stdout, "%s%s %s", i > 1 ? ", " : "", library.name, library.version);
    putchar('\n');
}

/* Returns the number of GPUs. */
static int32_t print_gpus(void)
{
    cg_error err = CG_ERROR_INIT;
    int32_t n = 0;

    if (cg_gpu_count(&n, &err) != CG_OK)
        print_lines(stdout, "GPUs            none: %s\n", err.msg);
    else if (!n)
        puts("GPUs            none: the driver reports no GPU");
    for (int32_t i = 0; i < n; i++) {
        cg_gpu_info info = { CG_SIZED(cg_gpu_info) };
        cg_gpu *gpu;

        print_lines(stdout, "%-16scuda:%d ", i ? "" : "GPUs", i);
        if (cg_gpu_open(i, &gpu, &err) != CG_OK) {
            print_lines(stdout, "cannot be used: %s\n", err.msg);
            continue;
        }
        cg_gpu_get_info(gpu, &info);
        cg_gpu_close(gpu);
        print_lines(
            stdout,
            "%s, %.1f GiB, %.1f GiB free, compute capability %d.%d, driver for CUDA %d.%d\n",
            info.name, gib((double)info.memory_bytes), gib((double)info.free_bytes),
            info.compute_capability / 10, info.compute_capability % 10, info.driver_version / 1000,
            info.driver_version % 1000 / 10);
        if (i == n - 1)
            print_lines(stdout, "%-16sCUDA runtime %d.%d\n", "built with",
                        info.runtime_version / 1000, info.runtime_version % 1000 / 10);
    }
    return n;
}

static void print_cuda_libraries(void)
{
    cg_library library = { CG_SIZED(cg_library) };

    print_lines(stdout, "%-16s", "CUDA libraries");
    for (int32_t i = 0; cg_cuda_library_get(i, &library); i++)
        print_lines(stdout, "%s%s %s", i ? ", " : "", library.name,
                    *library.version ? library.version : "not found");
    putchar('\n');
}

/* The pairs of attention and cache that work on a GPU, in one line, then the others' reasons. */
static void print_gpu_pairs(cg_plugin_set *set)
{
    cg_match_options match = { CG_SIZED(cg_match_options), .device = "cuda" };
    cg_error err = CG_ERROR_INIT;
    cg_plugin_pair pair = { CG_SIZED(cg_plugin_pair) };
    int32_t shown = 0;

    if (cg_plugin_set_match(set, &match, &err) != CG_OK) {
        print_lines(stdout, "on a GPU        %s\n", err.msg);
        return;
    }
    print_lines(stdout, "%-16s", "on a GPU");
    for (int32_t i = 0; cg_plugin_set_pair(set, i, &pair); i++)
        if (pair.status == CG_OK)
            print_lines(stdout, "%s%s/%s", shown++ ? ", " : "", pair.attention->name,
                        pair.cache->name);
    puts(shown ? "" : "no pair of attention and KV cache works");
    for (int32_t i = 0; cg_plugin_set_pair(set, i, &pair); i++)
        if (pair.status != CG_OK)
            print_lines(stdout, "%-16snot %s/%s: %s\n", "", pair.attention->name, pair.cache->name,
                        pair.reason);
}

static void print_remembered(void *ctx, const cg_tuned *t)
{
    int *n = ctx, is_other = *t->kv_dtype && strcmp(t->kv_dtype, t->dtype) != 0;

    print_lines(stdout, "%-16s%s, %s, %s%s%s: %s/%s, batch %d: %.0f tokens/s\n",
                (*n)++ ? "" : "remembered", t->gpu, t->model, t->dtype,
                is_other ? ", KV cache of " : "", is_other ? t->kv_dtype : "", t->attention,
                t->kv_cache, t->batch_size, t->tokens_per_second);
}

static void print_all_remembered(void)
{
    cg_error err = CG_ERROR_INIT;
    char path[4096] = "";
    int n = 0;

    if (cg_tuning_list(print_remembered, &n, path, sizeof path, &err) != CG_OK)
        print_lines(stdout, "remembered      %s\n", err.msg);
    else if (!n)
        print_lines(stdout, "remembered      no GPU measurements%s%s\n",
                    *path ? "; their file is " : "", path);
    else
        print_lines(stdout, "%-16s(%s)\n", "", path);
}

static int print_plugins(int32_t n_gpus)
{
    cg_plugin_set_options open = { CG_SIZED(cg_plugin_set_options), .threads = 1 };
    cg_error err = CG_ERROR_INIT;
    cg_loaded_plugin found = { CG_SIZED(cg_loaded_plugin) };
    cg_refused_plugin refused = { CG_SIZED(cg_refused_plugin) };
    const char *kind = "", *const * dirs;
    cg_plugin_set *set;
    int32_t n;

    if (cg_plugin_set_open(&open, &set, &err) != CG_OK) {
        print_lines(stdout, "plugins         %s\n", err.msg);
        return -1;
    }
    n = cg_plugin_set_dirs(set, &dirs);
    for (int32_t i = 0; i < n; i++)
        print_lines(stdout, "%-16s%s\n", i ? "" : "plugins from", dirs[i]);
    if (!n)
        print_lines(stdout,
                    "plugins from    no directory: none next to the program, none installed, "
                    "CONFGEN_PLUGIN_PATH not set\n");
    for (int32_t i = 0; cg_plugin_set_loaded(set, i, &found); i++) {
        int first = strcmp(found.kind, kind) != 0;

        kind = found.kind;
        if (first)
            print_lines(stdout, "%s%-16s", i ? "\n" : "", kind);
        print_lines(stdout, "%s%s %s", first ? "" : ", ", found.plugin->name,
                    found.plugin->version);
    }
    fputs(*kind ? "\n" : "", stdout);
    for (int32_t i = 0; cg_plugin_set_refused(set, i, &refused); i++)
        print_lines(stdout, "%-16s%s\n", i ? "" : "refused", refused.reason);
    if (n_gpus)
        print_gpu_pairs(set);
    cg_plugin_set_close(set);
    return 0;
}

static int print_model(void)
{
    cg_engine_options options = { CG_SIZED(cg_engine_options), .tuning = CG_TUNING_NEVER };
    cg_error err = CG_ERROR_INIT;
    const cg_engine_info *info;
    cg_engine *engine;

    if (cg_engine_open(&options, &engine, &err) != CG_OK) {
        print_lines(stdout, "default model   %s\n", err.msg);
        return -1;
    }
    info = cg_engine_get_info(engine);
    print_lines(stdout, "default model   %s\n", info->model);
    print_lines(
        stdout, "                %s, %.1f M parameters, %d tokens of context, %d decimals\n",
        info->architecture, (double)info->parameters * 1e-6, info->max_length, info->decimals);
    print_lines(stdout, "  device        %s, %s (%s), %d threads, %d template workers\n",
                info->device, info->dtype, info->device_reason, info->threads,
                info->template_workers);
    print_lines(stdout, "  attention     %s (%s)\n", info->attention, info->attention_reason);
    print_lines(stdout, "  KV cache      %s (%s)\n", info->kv_cache, info->kv_cache_reason);
    print_lines(stdout, "  constraint    %s\n", info->constraint);
    print_lines(stdout, "  batch size    %d (%s)\n", info->batch_size, info->batch_reason);
    cg_engine_close(engine);
    return 0;
}

int cmd_doctor(int argc, char **argv)
{
    int32_t n_gpus;
    int bad;

    command_name = "doctor";
    while (next_option(argc, argv, &page_doctor) != -1)
        ;
    no_operands(argc, argv, "");
    print_lines(stdout, "confgen         %s, plugin ABI %d.%d\n", cg_version(), CG_PLUGIN_ABI_MAJOR,
                CG_PLUGIN_ABI_MINOR);
    print_cpu();
    print_memory();
    n_gpus = print_gpus();
    if (n_gpus)
        print_cuda_libraries();
    print_libraries();
    bad = print_plugins(n_gpus);
    if (n_gpus)
        print_all_remembered();
    bad |= print_model();
    return bad ? EXIT_ENVIRONMENT : EXIT_OK;
}
