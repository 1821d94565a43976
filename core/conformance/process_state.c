/* SPDX-License-Identifier: MIT */
#include "process_state.h"

#include <dirent.h>
#include <limits.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MAX_FILES = 1024, N_SIGNALS = 65 };

struct open_file {
    int fd;
    dev_t device;
    ino_t inode;
};

struct process_state {
    char directory[PATH_MAX];
    char locale[1024];
    mode_t mask;
    struct sigaction handlers[N_SIGNALS];
    sigset_t blocked; /* of the calling thread */
    int n_files, n_threads;
    struct open_file files[MAX_FILES];
    char **environment; /* NULL-terminated */
};

/* ---- parts ---------------------------------------------------------------------------------- */

/* Calls fn for the numbers that name the entries of a directory of /proc. */
static void each_number(const char *path, void (*fn)(process_state *, int), process_state *s)
{
    DIR *dir = opendir(path);
    const struct dirent *e;

    while (dir && (e = readdir(dir)))
        if (e->d_name[0] >= '0' && e->d_name[0] <= '9' && atoi(e->d_name) != dirfd(dir))
            fn(s, atoi(e->d_name));
    if (dir)
        closedir(dir);
}

static void add_file(process_state *s, int fd)
{
    struct stat info;

    if (s->n_files < MAX_FILES && !fstat(fd, &info))
        s->files[s->n_files++] = (struct open_file) { fd, info.st_dev, info.st_ino };
}

static void add_thread(process_state *s, int id)
{
    (void)id;
    s->n_threads++;
}

static const struct open_file *find_file(const process_state *s, int fd)
{
    for (int i = 0; i < s->n_files; i++)
        if (s->files[i].fd == fd)
            return &s->files[i];
    return NULL;
}

static char **copy_environment(void)
{
    size_t n = 0;
    char **copy;

    while (environ && environ[n])
        n++;
    copy = calloc(n + 1, sizeof *copy);
    if (!copy)
        abort();
    for (size_t i = 0; i < n; i++) {
        copy[i] = strdup(environ[i]);
        if (!copy[i])
            abort();
    }
    return copy;
}

static int is_in(char **environment, const char *variable)
{
    while (*environment && strcmp(*environment, variable) != 0)
        environment++;
    return *environment != NULL;
}

/* A variable of `a` that is not in `b`; NULL if there is none. */
static const char *find_change(char **a, char **b)
{
    while (*a && is_in(b, *a))
        a++;
    return *a;
}

/* ---- whole states --------------------------------------------------------------------------- */

process_state *process_state_create(void)
{
    process_state *s = calloc(1, sizeof *s);
    const char *locale = setlocale(LC_ALL, NULL);

    if (!s)
        abort();
    if (!getcwd(s->directory, sizeof s->directory))
        s->directory[0] = '\0';
    snprintf(s->locale, sizeof s->locale, "%s", locale ? locale : "");
    s->mask = umask(0);
    umask(s->mask);
    for (int i = 1; i < N_SIGNALS; i++)
        (void)sigaction(i, NULL, &s->handlers[i]);
    (void)pthread_sigmask(SIG_BLOCK, NULL, &s->blocked);
    each_number("/proc/self/fd", add_file, s);
    each_number("/proc/self/task", add_thread, s);
    s->environment = copy_environment();
    return s;
}

void process_state_destroy(process_state *s)
{
    if (!s)
        return;
    for (char **v = s->environment; *v; v++)
        free(*v);
    free(s->environment);
    free(s);
}

/* The thread that runs a loop is one of the workers. */
void process_state_add_host(process_state *s, const cg_host *host)
{
    s->n_threads += host->workers - 1;
}

static int has_same_handler(const struct sigaction *a, const struct sigaction *b)
{
    return (a->sa_flags & SA_SIGINFO) == (b->sa_flags & SA_SIGINFO) &&
           (a->sa_flags & SA_SIGINFO ? a->sa_sigaction == b->sa_sigaction
                                     : a->sa_handler == b->sa_handler);
}

static int find_changed_signal(const process_state *a, const process_state *b, char *text,
                               size_t cap)
{
    for (int i = 1; i < N_SIGNALS; i++) {
        if (!has_same_handler(&a->handlers[i], &b->handlers[i])) {
            snprintf(text, cap, "the handler of signal %d (%s) is another one", i, strsignal(i));
            return 1;
        }
        if (sigismember(&a->blocked, i) != sigismember(&b->blocked, i)) {
            snprintf(text, cap, "signal %d (%s) is %s", i, strsignal(i),
                     sigismember(&b->blocked, i) ? "blocked" : "not blocked any more");
            return 1;
        }
    }
    return 0;
}

/* Descriptors up to `last`. */
static int find_changed_file(const process_state *a, const process_state *b, int last, char *text,
                             size_t cap)
{
    for (int i = 0; i < b->n_files; i++) {
        const struct open_file *now = &b->files[i], *was = find_file(a, now->fd);
        char link[64], target[256];
        ssize_t n;

        if (now->fd > last || (was && was->device == now->device && was->inode == now->inode))
            continue;
        snprintf(link, sizeof link, "/proc/self/fd/%d", now->fd);
        n = readlink(link, target, sizeof target - 1);
        target[n < 0 ? 0 : n] = '\0';
        snprintf(text, cap, "descriptor %d (%s) %s", now->fd, target,
                 was ? "was another file" : "is left open");
        return 1;
    }
    for (int i = 0; i < a->n_files; i++)
        if (a->files[i].fd <= last && !find_file(b, a->files[i].fd)) {
            snprintf(text, cap, "descriptor %d is closed", a->files[i].fd);
            return 1;
        }
    return 0;
}

static int find_changed_variable(const process_state *a, const process_state *b, char *text,
                                 size_t cap)
{
    const char *now = find_change(b->environment, a->environment);
    const char *was = find_change(a->environment, b->environment);
    const char *variable = now ? now : was;

    if (variable)
        snprintf(text, cap, "the environment variable %.*s %s", (int)strcspn(variable, "="),
                 variable, now ? "is set or has another value" : "is gone");
    return variable != NULL;
}

static int find_change_of(const process_state *a, const process_state *b, uint32_t parts,
                          char *text, size_t cap)
{
    if (strcmp(a->directory, b->directory) != 0)
        snprintf(text, cap, "the working directory is %s", b->directory);
    else if (a->mask != b->mask)
        snprintf(text, cap, "the umask is %03o, was %03o", (unsigned)b->mask, (unsigned)a->mask);
    else if (strcmp(a->locale, b->locale) != 0)
        snprintf(text, cap, "the locale is %s, was %s", b->locale, a->locale);
    else if (!find_changed_signal(a, b, text, cap) &&
             !find_changed_file(a, b, parts & PROCESS_FILES ? INT_MAX : 2, text, cap) &&
             !(parts & PROCESS_ENVIRONMENT && find_changed_variable(a, b, text, cap)))
        return 0;
    return 1;
}

int process_state_changed(const process_state *before, uint32_t parts, char *ret_text,
                          size_t capacity)
{
    enum { TRIES = 100 };
    process_state *now = process_state_create();
    int is_changed;

    for (int i = 0; i < TRIES && parts & PROCESS_THREADS && now->n_threads > before->n_threads;
         i++) {
        nanosleep(&(struct timespec) { .tv_nsec = 10000000 }, NULL);
        now->n_threads = 0;
        each_number("/proc/self/task", add_thread, now);
    }
    is_changed = find_change_of(before, now, parts, ret_text, capacity);
    if (!is_changed && parts & PROCESS_THREADS && now->n_threads != before->n_threads) {
        snprintf(ret_text, capacity, "%d threads run, %d ran before", now->n_threads,
                 before->n_threads);
        is_changed = 1;
    }
    process_state_destroy(now);
    return is_changed;
}
