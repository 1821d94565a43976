/* SPDX-License-Identifier: MIT */
/* Checks in child processes: cg_conformance_run_children(). */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "claimed_devices.h"
#include "process_state.h"

enum { EVENT_MAGIC = 0x43474576, EVENT_TEXT = 1600 };

/* What a child says. */
enum event_kind {
    EVENT_PLUGIN = 1, /* value: kind; text: the other members of its descriptor, by say_plugin() */
    EVENT_VISIT,      /* value: is_checked; text: name of the device, NUL, text */
    EVENT_MESSAGE,    /* text: for options->message */
    EVENT_REFUSED,    /* value: status of open(); text */
    EVENT_BEGIN,      /* device, value: index of the check; text: its name */
    EVENT_LEAVE_OUT,  /* text: name of a check */
    EVENT_VERDICT,    /* value: passed; seconds; text: detail */
    EVENT_END,        /* value: nonzero: more checks may follow; the child exits next */
};

/* Written at once: shorter than PIPE_BUF. The text follows. */
struct event {
    uint32_t magic;
    int32_t kind, device, value;
    uint32_t len, reserved; /* no padding: valgrind reports bytes that were never set */
    double seconds;
};

/* Where a child starts. */
struct start_at {
    int32_t device; /* of device_choice_run() */
    int32_t check;
};

/* ---- child ----------------------------------------------------------------------------------- */

struct child {
    const cg_conformance_options *options; /* the caller's */
    pid_t pid;
    int pipe;
    struct stat pipe_file;
    int32_t device, n_begun;
    const process_state *before_loading;
};

/* A child that cannot speak ends: without a verdict its check has failed. A process that the plugin
 * forked does not speak for it. */
static void say_bytes(struct child *c, enum event_kind kind, int32_t value, double seconds,
                      const char *text, size_t len)
{
    char bytes[sizeof(struct event) + EVENT_TEXT];
    struct event e = { EVENT_MAGIC, kind, c->device, value, 0, 0, seconds };
    struct stat now;

    e.len = (uint32_t)(len < EVENT_TEXT ? len : EVENT_TEXT);
    memcpy(bytes, &e, sizeof e);
    memcpy(bytes + sizeof e, text, e.len);
    if (getpid() != c->pid || fstat(c->pipe, &now) || now.st_dev != c->pipe_file.st_dev ||
        now.st_ino != c->pipe_file.st_ino ||
        write(c->pipe, bytes, sizeof e + e.len) != (ssize_t)(sizeof e + e.len))
        _exit(0);
}

static void say(struct child *c, enum event_kind kind, int32_t value, const char *text)
{
    say_bytes(c, kind, value, 0, text, strlen(text));
}

/* Two numbers and three strings, separated by NUL. */
static void say_plugin(void *ctx, const cg_plugin *p)
{
    char text[EVENT_TEXT];
    int n = snprintf(text, sizeof text, "%d%c%d%c%.31s%c%.200s%c%.1000s", p->abi_major, 0,
                     p->abi_minor, 0, p->name, 0, p->version, 0, p->description);

    say_bytes(ctx, EVENT_PLUGIN, p->kind, 0, text, (size_t)n);
}

static void say_visit(void *ctx, const cg_conformance_device *d)
{
    char text[EVENT_TEXT];
    int n = snprintf(text, sizeof text, "%.31s%c%.1500s", d->name, 0, d->text);

    say_bytes(ctx, EVENT_VISIT, d->is_checked, 0, text, (size_t)n);
}

static void say_begin(void *ctx, int32_t index, const char *check)
{
    struct child *c = ctx;

    c->n_begun++;
    say(c, EVENT_BEGIN, index, check);
}

static void say_leave_out(void *ctx, const char *check)
{
    say(ctx, EVENT_LEAVE_OUT, 0, check);
}

static void say_verdict(void *ctx, const cg_conformance_verdict *v)
{
    say_bytes(ctx, EVENT_VERDICT, v->passed, v->seconds, v->detail, strlen(v->detail));
}

static void say_message(void *ctx, const char *line)
{
    say(ctx, EVENT_MESSAGE, 0, line);
}

/*
 * Runs one check on the CPU, or all checks on one GPU or of the file, from `at` on. Returns whether
 * more may follow. A device that the plugin does not claim has no check, so the next one is tried.
 */
static int run_checks(struct child *c, const cg_plugin *plugin, const cg_host *host,
                      const device_choice *choice, struct start_at at)
{
    cg_conformance_result result = { 0 };
    cg_conformance_options o = *c->options;
    int is_first_visit = !at.check;

    o.ctx = c;
    o.begin = say_begin;
    o.report = say_verdict;
    o.before_loading = c->before_loading;
    for (c->device = at.device; !c->n_begun; c->device++) {
        o.first_check = at.check;
        o.max_checks = c->device == DEVICE_HOST;
        o.visit = is_first_visit ? say_visit : NULL;
        o.message = is_first_visit ? say_message : NULL;
        o.leave_out = is_first_visit ? say_leave_out : NULL;
        if (!device_choice_run(choice, c->device, plugin, host, &o, &result))
            return 0;
        at.check = 0;
        is_first_visit = 1;
    }
    return 1;
}

static void be_child(struct child *c, cg_conformance_open_fn open_plugin, void *open_ctx,
                     const device_choice *choice, struct start_at at)
{
    const cg_plugin *plugin = NULL;
    const cg_host *host = NULL;
    process_state *before_loading;
    cg_error err = CG_ERROR_INIT;
    cg_status st;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpgid(0, 0);
    c->pid = getpid();
    fstat(c->pipe, &c->pipe_file);
    dup2(2, 1); /* the output is the caller's; a plugin may print too */
    before_loading = process_state_create(); /* lives as long as the process */
    c->before_loading = before_loading;
    st = open_plugin(open_ctx, &plugin, &host, &err);
    if (st != CG_OK) {
        say(c, EVENT_REFUSED, st, err.msg);
    } else {
        process_state_add_host(before_loading, host);
        if (!at.device && !at.check)
            say_plugin(c, plugin);
        say(c, EVENT_END, run_checks(c, plugin, host, choice, at), "");
    }
    exit(0);
}

/* ---- parent ---------------------------------------------------------------------------------- */

struct parent {
    const cg_conformance_options *options;
    cg_conformance_result result;
    pid_t pid; /* of the child */
    int pipe;
    char bytes[2 * (sizeof(struct event) + EVENT_TEXT)]; /* received, not yet handled */
    size_t n_bytes;
    struct timespec last;     /* event, or start of the child */
    double processor_seconds; /* of the child at that time */
    struct start_at at;       /* of the next child */
    int32_t last_device;      /* that a check began on; -1: none */
    int n_begun;              /* of this child */
    int is_running;           /* a check has begun and has no verdict */
    int has_ended, has_more, is_garbled;
    char check[EVENT_TEXT + 1];
    char device[32]; /* that the checks run on; "": none */
    cg_error *err;
    cg_status refused; /* status of open() */
};

/* The text of an error, for a process that has no plugin host. */
static cg_status fail_text(cg_error *err, cg_status code, const char *fmt, ...) CG_PRINTF(3, 4);

static cg_status fail_text(cg_error *err, cg_status code, const char *fmt, ...)
{
    va_list ap;

    if (err) {
        va_start(ap, fmt);
        vsnprintf(err->msg, sizeof err->msg, fmt, ap);
        va_end(ap);
        err->code = code;
    }
    return code;
}

/* Processor time of all threads of a process; 0 if it has ended. */
static double processor_seconds(pid_t pid)
{
    struct timespec used;
    clockid_t clock;

    if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &used))
        return 0;
    return (double)used.tv_sec + 1e-9 * (double)used.tv_nsec;
}

/* Seconds since the last event. */
static double seconds_since_event(const struct parent *p)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - p->last.tv_sec) + 1e-9 * (double)(now.tv_nsec - p->last.tv_nsec);
}

static void report(struct parent *p, int32_t passed, const char *check, double seconds,
                   const char *detail)
{
    p->result.failures += !passed;
    if (p->options->report)
        p->options->report(p->options->ctx, &(cg_conformance_verdict) {
                                                .passed = passed,
                                                .check = check,
                                                .device = p->device[0] ? p->device : NULL,
                                                .detail = detail,
                                                .seconds = seconds,
                                            });
}

/* Hands on what say_plugin() wrote. Behind the text are NULs. */
static void handle_plugin(const struct parent *p, int32_t kind, const char *text)
{
    const char *part[5];

    for (int i = 0; i < 5; i++) {
        part[i] = text;
        text += strlen(text) + 1;
    }
    if (p->options->plugin)
        p->options->plugin(p->options->ctx,
                           &(cg_plugin) { CG_SIZED(cg_plugin), .kind = kind,
                                          .abi_major = atoi(part[0]), .abi_minor = atoi(part[1]),
                                          .name = part[2], .version = part[3],
                                          .description = part[4] });
}

static void handle_visit(struct parent *p, int32_t is_checked, const char *text)
{
    const cg_conformance_device d = { text, is_checked, text + strlen(text) + 1 };

    if (is_checked)
        snprintf(p->device, sizeof p->device, "%.31s", d.name);
    if (p->options->visit)
        p->options->visit(p->options->ctx, &d);
}

static void handle(struct parent *p, const struct event *e, const char *text)
{
    switch (e->kind) {
    case EVENT_PLUGIN:
        handle_plugin(p, e->value, text);
        break;
    case EVENT_VISIT:
        handle_visit(p, e->value, text);
        break;
    case EVENT_MESSAGE:
        if (p->options->message)
            p->options->message(p->options->ctx, text);
        break;
    case EVENT_REFUSED:
        p->refused = e->value;
        (void)fail_text(p->err, e->value, "%s", text);
        break;
    case EVENT_BEGIN:
        p->n_begun++;
        p->is_running = 1;
        p->result.checked += e->device != DEVICE_NONE && p->last_device != e->device;
        p->last_device = e->device;
        /* elsewhere than on the CPU the child goes on itself */
        p->at = e->device == DEVICE_HOST ? (struct start_at) { DEVICE_HOST, e->value + 1 }
                                         : (struct start_at) { e->device + 1, 0 };
        snprintf(p->check, sizeof p->check, "%s", text);
        break;
    case EVENT_LEAVE_OUT:
        if (p->options->leave_out)
            p->options->leave_out(p->options->ctx, text);
        break;
    case EVENT_VERDICT:
        p->is_running = 0;
        report(p, e->value, p->check, e->seconds, text);
        break;
    case EVENT_END:
        p->has_ended = 1;
        p->has_more = e->value;
        break;
    default:
        p->is_garbled = 1;
    }
}

/* Handles the whole events that have been received. */
static void handle_all(struct parent *p)
{
    struct event e;

    while (!p->is_garbled && p->n_bytes >= sizeof e) {
        char text[EVENT_TEXT + 8] = "";

        memcpy(&e, p->bytes, sizeof e);
        if (e.magic != EVENT_MAGIC || e.len > EVENT_TEXT) {
            p->is_garbled = 1;
            return;
        }
        if (p->n_bytes < sizeof e + e.len)
            return;
        memcpy(text, p->bytes + sizeof e, e.len);
        p->n_bytes -= sizeof e + e.len;
        memmove(p->bytes, p->bytes + sizeof e + e.len, p->n_bytes);
        handle(p, &e, text);
        clock_gettime(CLOCK_MONOTONIC, &p->last);
        p->processor_seconds = processor_seconds(p->pid);
    }
}

/* Reads what the pipe holds. Returns 0 at its end. */
static int receive(struct parent *p)
{
    for (;;) {
        ssize_t n = read(p->pipe, p->bytes + p->n_bytes, sizeof p->bytes - p->n_bytes);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 && errno == EAGAIN;
        p->n_bytes += (size_t)n;
        handle_all(p);
        if (p->is_garbled)
            return 0;
    }
}

/* The time limit of the child's checks. */
static int32_t max_seconds(const struct parent *p)
{
    return p->options->max_seconds         ? p->options->max_seconds
           : p->last_device >= DEVICE_GPUS ? 10 * CG_CONFORMANCE_SECONDS
                                           : CG_CONFORMANCE_SECONDS;
}

/*
 * Whether the child's check hangs. Other processes may keep a check from the processors, so one
 * that has used little of them gets more time.
 */
static int is_over_limit(const struct parent *p)
{
    enum { PATIENCE = 4 };
    double seconds = seconds_since_event(p), limit = max_seconds(p);

    return seconds > PATIENCE * limit ||
           (seconds > limit && processor_seconds(p->pid) - p->processor_seconds > limit / 2);
}

/*
 * Waits for the end of the child, and handles what it says. The pipe may stay open after that, in a
 * process that the plugin started. Returns 0 if the time limit ended it.
 */
static int wait_for_child(struct parent *p, int *ret_status)
{
    enum { TICK = 50, LAST_TICK = 2 }; /* ms; the end of the pipe is usually that of the child */
    int is_open = 1, is_in_time = 1;
    pid_t done;

    while ((done = waitpid(p->pid, ret_status, WNOHANG)) == 0 || (done < 0 && errno == EINTR)) {
        struct pollfd fd = { .fd = is_open ? p->pipe : -1, .events = POLLIN };

        (void)poll(&fd, 1, is_open ? TICK : LAST_TICK);
        if (is_open && fd.revents)
            is_open = receive(p);
        if (is_in_time && (is_over_limit(p) || p->is_garbled)) {
            is_in_time = p->is_garbled;
            kill(p->pid, SIGKILL);
        }
    }
    if (is_open)
        (void)receive(p);
    kill(-p->pid, SIGKILL); /* what the plugin started */
    return is_in_time;
}

/* What is wrong with a child that ended. Returns 0 if nothing is. */
static int find_fault(const struct parent *p, int is_in_time, int status, char *ret, size_t cap)
{
    const char *when = p->is_running ? "before the check did" : "after it";

    if (!is_in_time)
        snprintf(ret, cap, "no end after %.0f s: the remaining checks do not run",
                 seconds_since_event(p));
    else if (p->is_garbled)
        snprintf(ret, cap, "a call wrote to a descriptor that it did not open");
    else if (WIFSIGNALED(status))
        snprintf(ret, cap, "the process was killed by signal %d (%s) %s", WTERMSIG(status),
                 strsignal(WTERMSIG(status)), when);
    else if (p->is_running || !p->has_ended)
        snprintf(ret, cap, "the process ended with status %d %s, or its descriptors were closed",
                 WEXITSTATUS(status), when);
    else if (WEXITSTATUS(status))
        snprintf(ret, cap, "the process ended with status %d %s", WEXITSTATUS(status), when);
    else
        return 0;
    return 1;
}

/* Starts a child at p->at and handles it to its end. Sets *ret_more if another may follow. */
static cg_status run_child(struct parent *p, cg_conformance_open_fn open_plugin, void *open_ctx,
                           const device_choice *choice, int *ret_more)
{
    int pipes[2], status = 0, is_in_time;
    char fault[256], name[EVENT_TEXT + 32];

    if (pipe2(pipes, O_CLOEXEC))
        return fail_text(p->err, CG_ERR_IO, "a pipe to a check: %s", strerror(errno));
    fflush(NULL); /* the child must not write it again */
    p->pid = fork();
    if (p->pid < 0) {
        close(pipes[0]);
        close(pipes[1]);
        return fail_text(p->err, CG_ERR_IO, "a process for a check: %s", strerror(errno));
    }
    if (!p->pid) {
        struct child c = { .options = p->options, .pipe = pipes[1] };

        close(pipes[0]);
        be_child(&c, open_plugin, open_ctx, choice, p->at);
    }
    close(pipes[1]);
    p->pipe = pipes[0];
    (void)fcntl(p->pipe, F_SETFL, O_NONBLOCK);
    p->n_bytes = 0;
    p->n_begun = p->is_running = p->has_ended = p->has_more = p->is_garbled = 0;
    clock_gettime(CLOCK_MONOTONIC, &p->last);
    p->processor_seconds = 0;
    is_in_time = wait_for_child(p, &status);
    close(p->pipe);
    *ret_more = p->has_more;
    if (p->refused != CG_OK || !find_fault(p, is_in_time, status, fault, sizeof fault))
        return p->refused;
    if (p->is_running) {
        snprintf(name, sizeof name, "%s", p->check);
    } else if (p->n_begun) {
        snprintf(name, sizeof name, "the end of: %s", p->check);
    } else {
        snprintf(name, sizeof name, "loading, and support of the device");
        p->device[0] = '\0';
    }
    report(p, 0, name, seconds_since_event(p), fault);
    if (!is_in_time && p->last_device == DEVICE_HOST)
        p->at = (struct start_at) { DEVICE_GPUS, 0 };
    *ret_more = p->n_begun > 0;
    return CG_OK;
}

cg_status cg_conformance_run_children(cg_conformance_open_fn open_plugin, void *open_ctx,
                                      const char *device, const cg_conformance_options *options,
                                      cg_conformance_result *ret_result, cg_error *err)
{
    const cg_host no_plugin_host = { CG_SIZED(cg_host), .fail = fail_text };
    struct parent p = { .options = options, .last_device = -1, .err = err };
    device_choice choice;
    int has_more = 1;

    CG_TRY(device_choice_parse(&no_plugin_host, device, &choice, err));
    while (has_more)
        CG_TRY(run_child(&p, open_plugin, open_ctx, &choice, &has_more));
    *ret_result = p.result;
    return CG_OK;
}
