/* SPDX-License-Identifier: MIT */
/*
 * The command line of generate, eval and inspect, one argument per line. Nothing is generated and
 * no file is written: the library's entries and the opening of files for writing fail here.
 *
 * The program ends with one of its statuses, and with a sentence if that is not 0. What is printed
 * on standard error cannot act on the terminal.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>

#include "base/text.h"
#include "commands.h"

#include "fuzz.h"

enum { MAX_ARGUMENTS = 64, MAX_TEXT = 4096 };

int confgen_main(int argc, char **argv); /* main() of the program */

/* ---- functions replaced by the linker (--wrap), while a command runs --------------------------
 */

static jmp_buf ended;
static int running, status;

_Noreturn void __real_exit(int code);
_Noreturn void __wrap_exit(int code);
FILE *__real_fopen(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode);
int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
cg_status __wrap_cg_engine_open(const cg_engine_options *options, cg_engine **ret, cg_error *err);
cg_status __wrap_cg_run_workload(const cg_run_options *options, int64_t *ret, cg_error *err);

void __wrap_exit(int code)
{
    if (!running)
        __real_exit(code);
    status = code;
    longjmp(ended, 1);
}

FILE *__wrap_fopen(const char *path, const char *mode)
{
    if (running && *mode != 'r') {
        errno = EACCES;
        return NULL;
    }
    return __real_fopen(path, mode);
}

int __wrap_open(const char *path, int flags, ...)
{
    va_list ap;
    mode_t mode;

    va_start(ap, flags);
    mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    if (running && (flags & O_ACCMODE) != O_RDONLY) {
        errno = EACCES;
        return -1;
    }
    return __real_open(path, flags, mode);
}

static cg_status refuse(cg_error *err)
{
    if (err) {
        err->code = CG_ERR_IO;
        snprintf(err->msg, sizeof err->msg, "not while fuzzing");
    }
    return CG_ERR_IO;
}

cg_status __wrap_cg_engine_open(const cg_engine_options *o, cg_engine **ret, cg_error *err)
{
    require(o->struct_size == sizeof *o && o->n_plugins >= 0 && o->n_plugins <= 64);
    require(o->threads >= 0 && o->template_workers >= 0 && o->retry >= 0 && o->batch_size >= 0);
    return refuse(err);
}

cg_status __wrap_cg_run_workload(const cg_run_options *o, int64_t *ret, cg_error *err)
{
    require(o->input && o->gens >= 1 && o->shard >= 0 && o->limit >= 0);
    return refuse(err);
}

/* Takes back the handler of the program (shortage.c), so that libFuzzer installs its own. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    signal(SIGABRT, SIG_DFL);
    return 0;
}

/* What a command allocates before it exits is lost when it continues here. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

/* ---- the target ------------------------------------------------------------------------------ */

static void run_program(int argc, char **argv)
{
    optind = 0; /* glibc: starts getopt() again */
    command_name = "";
    running = 1;
    if (!setjmp(ended))
        status = confgen_main(argc, argv);
    running = 0;
}

static int is_run(const char *command)
{
    return *command == '-' || !strcmp(command, "generate") || !strcmp(command, "eval") ||
           !strcmp(command, "inspect") || !strcmp(command, "draw");
}

/* Cuts text into arguments; argv[0] is the program. Returns their number, 0 to leave them. */
static int split_arguments(char *text, char **argv)
{
    int argc = 1;

    argv[0] = (char *)"confgen";
    for (char *save = NULL, *word = strtok_r(text, "\n", &save); word;
         word = strtok_r(NULL, "\n", &save)) {
        /* nothing outside of the scratch folder is read */
        if (argc == MAX_ARGUMENTS - 1 || strchr(word, '/'))
            return 0;
        argv[argc++] = word;
    }
    argv[argc] = NULL;
    return argc > 1 && is_run(argv[1]) ? argc : 0;
}

/* No line can act on the terminal. */
static void require_visible(const char *text)
{
    char *lines = strdup(text);

    require(lines);
    for (char *save = NULL, *line = strtok_r(lines, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        char *visible = cg_text_visible_copy(line);

        require(visible && !strcmp(visible, line));
        free(visible);
    }
    free(lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int prepared;
    FILE *out = stdout, *err = stderr;
    char text[MAX_TEXT], *argv[MAX_ARGUMENTS], *said = NULL, *shown = NULL;
    size_t n_said = 0, n_shown = 0;
    int argc;

    if (!prepared)
        prepared = !chdir(fuzz_dir()) && freopen("/dev/null", "r", stdin);
    require(prepared);
    if (size >= sizeof text || memchr(data, '\0', size))
        return -1;
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    argc = split_arguments(text, argv);
    if (!argc)
        return -1;
    stdout = open_memstream(&shown, &n_shown);
    stderr = open_memstream(&said, &n_said);
    require(stdout && stderr);
    run_program(argc, argv);
    fclose(stdout);
    fclose(stderr);
    stdout = out;
    stderr = err;
    require(status == EXIT_OK || status == EXIT_USAGE || status == EXIT_ENVIRONMENT);
    require(status != EXIT_OK || n_shown); /* --help or --version, perhaps after a notice */
    require_visible(said);
    if (status != EXIT_OK) {
        require(n_said > 10 && !strncmp(said, "confgen: ", 9) && said[n_said - 1] == '\n');
        require(status != EXIT_USAGE || strstr(said, "--help\n") == said + n_said - 7);
    }
    free(shown);
    free(said);
    return 0;
}
