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

#include <fcntl.h>
#include <fenv.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
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

static void *do_nothing(void *arg)
{
    return arg;
}

static void *wait_forever(void *arg)
{
    hang();
    return arg;
}

static void notify(union sigval value)
{
    (void)value;
}

/* Leaves the process as it is, but allocates or makes a thread. */
static void allocate(const char *name)
{
    static void *volatile kept;
    pthread_t thread;

    if (!strncmp(name, "malloc", 6)) {
        kept = malloc(64);
        free(kept);
    }
    if (!strncmp(name, "lazy calloc", 11) && !kept)
        kept = calloc(1, 64);
    if (!strncmp(name, "mmap", 4)) {
        kept = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        munmap(kept, 4096);
    }
    if (!strncmp(name, "thread", 6) && !pthread_create(&thread, NULL, do_nothing, NULL))
        pthread_join(thread, NULL);
}

/* Leaves the process in another state. */
static void change_process(const char *name)
{
    struct sigevent event = { .sigev_notify = SIGEV_THREAD, .sigev_notify_function = notify };
    pthread_t thread;
    sigset_t signals;
    timer_t timer;

    if (!strncmp(name, "round", 5))
        fesetround(FE_UPWARD);
    if (!strncmp(name, "locale", 6))
        uselocale(newlocale(LC_ALL_MASK, "C", (locale_t)0));
    if (!strncmp(name, "directory", 9) && chdir("/"))
        abort();
    if (!strncmp(name, "umask", 5))
        umask(0777);
    if (!strncmp(name, "handler", 7))
        signal(SIGUSR2, SIG_IGN);
    if (!strncmp(name, "block", 5)) {
        sigemptyset(&signals);
        sigaddset(&signals, SIGUSR2);
        pthread_sigmask(SIG_BLOCK, &signals, NULL);
    }
    if (!strncmp(name, "file", 4) && open("/dev/null", O_RDONLY) < 0)
        abort();
    if (!strncmp(name, "variable", 8))
        setenv("A_VARIABLE", "of a plugin", 1);
    if (!strncmp(name, "worker", 6) && pthread_create(&thread, NULL, wait_forever, NULL))
        abort();
    if (!strncmp(name, "timer", 5)) /* the C library starts a thread for it */
        timer_create(CLOCK_MONOTONIC, &event, &timer);
}

/* Does the fault in the function `where`: "exit in run", "hang in run", ... */
static void misbehave(const char *where)
{
    const char *name = getenv("MISBEHAVE"), *at = name ? strstr(name, " in ") : NULL;

    if (!at || strcmp(at + 4, where) != 0)
        return;
    allocate(name);
    change_process(name);
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
    if (!strncmp(name, "print", 5))
        puts("{ text of a plugin");
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

static void loop_item(void *arg, int64_t i, int32_t worker)
{
    (void)arg;
    (void)i;
    (void)worker;
    misbehave("loop");
}

static cg_status bad_run(void *plan, const cg_attention_args *args, cg_error *err)
{
    const cg_host *h = ((struct plan *)plan)->host;
    cg_status st;

    misbehave("run");
    h->parallel_for(h->ctx, 64, loop_item, NULL);
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
    if (does("ABI 1.99"))
        bad_plugin.abi_minor = 99;
    if (does("unknown capability"))
        bad_ops.caps |= 1u << 30;
    if (does("unknown feature"))
        bad_ops.features |= 1u << 20;
    if (does("reserved bit"))
        bad_ops.reserved = 2;
    *ret_plugin = &bad_plugin;
    return CG_OK;
}
