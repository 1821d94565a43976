/* SPDX-License-Identifier: MIT */
/*
 * The attention template of `confgen plugins new` with one fault, which MISBEHAVE in the
 * environment names: most harm the process that checks the plugin. children.sh lists the faults.
 */
#include <confgen/attention.h>

static cg_status correct_entry(const cg_host *host, const cg_plugin **ret_plugin, cg_error *err);

#define cg_plugin_entry_v1 correct_entry
#include "attention_example.c"
#undef cg_plugin_entry_v1

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int does(const char *fault)
{
    const char *name = getenv("MISBEHAVE");

    return name && !strcmp(name, fault);
}

static void hang(void)
{
    for (;;)
        pause();
}

/* Lets a copy of the process go on, and ends after it. */
static void leave_it_to_a_child(void)
{
    static int has_forked;
    pid_t pid = has_forked++ ? 0 : fork();

    if (pid > 0) {
        waitpid(pid, NULL, 0);
        _exit(0);
    }
}

/* Ends or stops the process in the function `where`: "exit in run", "hang in run", ... */
static void misbehave(const char *where)
{
    const char *name = getenv("MISBEHAVE"), *at = name ? strstr(name, " in ") : NULL;

    if (!at || strcmp(at + 4, where) != 0)
        return;
    if (!strncmp(name, "quick exit", 10))
        _exit(0);
    if (!strncmp(name, "exit", 4))
        exit(0);
    if (!strncmp(name, "hang", 4))
        hang();
    if (!strncmp(name, "stop", 4))
        raise(SIGSTOP);
    if (!strncmp(name, "abort", 5))
        abort();
    if (!strncmp(name, "user signal", 11))
        raise(SIGUSR1);
    if (!strncmp(name, "fork", 4))
        leave_it_to_a_child();
    if (!strncmp(name, "null write", 10))
        *(volatile int *)(uintptr_t)atoi("16") = 1;
    if (!strncmp(name, "close all", 9))
        for (int fd = 0; fd < 64; fd++)
            close(fd);
    if (!strncmp(name, "close output", 12))
        close(1);
    if (!strncmp(name, "noise", 5))
        for (int fd = 3; fd < 64; fd++)
            if (write(fd, "noise from a plugin, longer than the header of a message", 56) < 0)
                continue;
}

__attribute__((constructor)) static void construct(void)
{
    misbehave("constructor");
}

__attribute__((destructor)) static void destruct(void)
{
    misbehave("destructor");
}

static cg_status bad_supports(const cg_host *host, const cg_attention_problem *p, cg_error *err)
{
    misbehave("supports");
    return supports(host, p, err);
}

static void bad_destroy(void *plan)
{
    misbehave("destroy");
    destroy(plan);
}

static size_t bad_workspace_size(const void *plan)
{
    return does("workspace of SIZE_MAX") ? SIZE_MAX
           : does("workspace of 32 TiB") ? (size_t)1 << 45
                                         : workspace_size(plan);
}

static cg_status bad_run(void *plan, const cg_attention_args *args, cg_error *err)
{
    cg_status st;

    misbehave("run");
    st = run(plan, args, err);
    if (does("write before q"))
        ((float *)args->q)[-1] = 0;
    if (does("write before slot"))
        ((int32_t *)args->slot)[-1] = 0;
    if (does("write after kv_len"))
        ((int32_t *)args->kv_len)[args->n_seqs] = 0;
    if (does("write to q") && args->n_tokens)
        ((float *)args->q)[0] += 1;
    return st;
}

CG_EXPORT cg_status cg_plugin_entry_v1(const cg_host *host, const cg_plugin **ret_plugin,
                                       cg_error *err)
{
    static cg_attention_ops bad_ops;
    static cg_plugin bad_plugin;
    const cg_plugin *correct;

    misbehave("entry");
    CG_TRY(correct_entry(host, &correct, err));
    bad_ops = *(const cg_attention_ops *)correct->ops;
    bad_ops.supports = bad_supports;
    bad_ops.destroy = bad_destroy;
    bad_ops.workspace_size = bad_workspace_size;
    bad_ops.run = bad_run;
    bad_plugin = *correct;
    bad_plugin.ops = &bad_ops;
    *ret_plugin = &bad_plugin;
    return CG_OK;
}
