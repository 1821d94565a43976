/* SPDX-License-Identifier: MIT */
/* Parses options and their values; a usage error ends the program. */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/append_file.h"
#include "base/file_set.h"
#include "base/text.h"
#include "commands.h"
#include "paint.h"

const char *command_name = "";

/* What a text quotes cannot act on the terminal: all but its line ends is made visible. */
static void CG_PRINTF(2, 0) print_visible(FILE *out, const char *fmt, va_list ap)
{
    char *text, *visible;

    if (vasprintf(&text, fmt, ap) < 0)
        out_of_memory();
    for (char *line = text, *end; line; line = end) {
        end = strchr(line, '\n');
        if (end)
            *end++ = '\0';
        visible = cg_text_visible_copy(line);
        if (!visible)
            out_of_memory();
        fprintf(out, "%s%s", visible, end ? "\n" : "");
        free(visible);
    }
    free(text);
}

void print_lines(FILE *out, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    print_visible(out, fmt, ap);
    va_end(ap);
}

/* Prints "confgen: " in the colour PAINT_*, and a text. Line ends in quoted input are escaped. */
static void CG_PRINTF(2, 0) print_message(int kind, const char *fmt, va_list ap)
{
    char *text, *visible;

    if (vasprintf(&text, fmt, ap) < 0 || !(visible = cg_text_visible_copy(text)))
        out_of_memory();
    fprintf(stderr, "%sconfgen:%s %s", paint(stderr, kind), paint(stderr, PAINT_NONE), visible);
    free(visible);
    free(text);
}

void message(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    print_message(PAINT_NOTE, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
}

void usage_error(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    print_message(PAINT_ERROR, fmt, ap);
    va_end(ap);
    fprintf(stderr, "; see confgen %s%s--help\n", command_name, *command_name ? " " : "");
    exit(EXIT_USAGE);
}

void end_program(int status)
{
    const char *reason = NULL;

    if (fflush(stdout))
        reason = strerror(errno);
    else if (ferror(stdout))
        reason = "an earlier write failed";
    if (reason) {
        message("standard output: cannot be written: %s", reason);
        if (status == EXIT_OK || status == EXIT_SOME_FAILED)
            status = EXIT_ENVIRONMENT;
    }
    expect_exit();
    exit(status);
}

void out_of_memory(void)
{
    fputs("confgen: out of memory\n", stderr);
    exit(EXIT_ENVIRONMENT);
}

static int has_word(const char *words, const char *word)
{
    const size_t n = strlen(word);

    for (const char *at = words; n && (at = strstr(at, word)); at += n)
        if ((at == words || at[-1] == ' ') && (at[n] == ' ' || !at[n]))
            return 1;
    return 0;
}

/* The page's option that another program calls `name`, or whose name is nearest; NULL: none. */
static const char *meant_option(const struct command_page *page, const char *name)
{
    const char *names[MAX_OPTIONS];
    size_t n = 0;

    for (size_t i = 0; i < page->n_foreign; i++)
        if (has_word(page->foreign[i].words, name))
            return page->foreign[i].name;
    for (size_t i = 0; i < page->n_options; i++)
        if (page->options[i].name)
            names[n++] = page->options[i].name;
    return nearest_word(name, names, n);
}

/* `text` of the command line has the unknown option `name` */
static _Noreturn void refuse_name(const struct command_page *page, const char *text,
                                  const char *name)
{
    const char *meant = meant_option(page, name);

    if (meant)
        usage_error("%s: unknown option; the nearest is --%s", text, meant);
    usage_error("%s: unknown option", text);
}

/* The option of that id; NULL: none. */
static const struct command_option *option_of(const struct command_page *page, int id)
{
    for (size_t i = 0; i < page->n_options; i++)
        if (page->options[i].name && page->options[i].id == id)
            return &page->options[i];
    return id == OPTION_HELP ? &help_option : NULL;
}

/* For '?': an unknown or ambiguous name, or a value given to an option that takes none. */
static _Noreturn void refuse_option(char **argv, const struct command_page *page)
{
    const struct command_option *o = option_of(page, optopt);
    const char *text = argv[optind - 1];
    char name[64];

    if (!optopt) {
        const char *start = text + strspn(text, "-");

        snprintf(name, sizeof name, "%.*s", (int)strcspn(start, "="), start);
        refuse_name(page, text, name);
    }
    /* of an unknown letter `text` may be the argument before it */
    if (!strncmp(text, "--", 2) && strchr(text, '=') && o && !o->value)
        usage_error("%s: takes no value", text);
    snprintf(name, sizeof name, "-%c", optopt); /* may be in the middle of an argument */
    refuse_name(page, name, name + 1);
}

/* "-out b.sdf" and "-o=b.sdf" are no files "ut" and "=b.sdf". */
static void refuse_long_letter(const char *text, const struct command_page *page)
{
    const struct command_option *o = option_of(page, page->letter);
    const size_t n = strcspn(text + 1, "=");

    if (o && n && (n > 1 || text[2] == '=') && !strncmp(text + 1, o->name, n < 3 ? n : 3))
        usage_error("%s: wanted --%s or -%c", text, o->name, page->letter);
}

int next_option(int argc, char **argv, const struct command_page *page)
{
    struct option options[MAX_OPTIONS + 2] = { 0 };
    char letters[8];
    size_t n = 0;
    int option;

    for (size_t i = 0; i <= page->n_options; i++) {
        const struct command_option *o = i < page->n_options ? &page->options[i] : &help_option;

        if (o->name)
            options[n++] = (struct option) { o->name, o->value ? required_argument : no_argument,
                                             NULL, o->id };
    }
    /* ':' in front reports missing values as such */
    snprintf(letters, sizeof letters, page->letter ? ":h%c:" : ":h", page->letter);
    opterr = 0;
    option = getopt_long(argc, argv, letters, options, NULL);
    switch (option) {
    case ':':
        usage_error("%s: requires a value", argv[optind - 1]);
    case '?':
        refuse_option(argv, page);
    case OPTION_HELP:
        print_help(page, stdout);
        end_program(EXIT_OK);
    default:
        if (page->letter && option == page->letter && optarg == argv[optind - 1] + 2)
            refuse_long_letter(argv[optind - 1], page);
        return option;
    }
}

const char *single_operand(int argc, char **argv, const char *name)
{
    if (optind == argc)
        usage_error("missing operand: %s", name);
    if (optind + 1 < argc)
        usage_error("'%s': wanted a single operand, %s", argv[optind + 1], name);
    return argv[optind];
}

void no_operands(int argc, char **argv, const char *hint)
{
    if (optind < argc)
        usage_error("'%s': wanted no operand%s%s", argv[optind], *hint ? "; " : "", hint);
}

void add_plugin_file(struct plugin_files *p, const char *file)
{
    if (p->n == (int32_t)(sizeof p->files / sizeof p->files[0]))
        usage_error("--plugin: given more than %d times", p->n);
    p->files[p->n++] = file;
}

/* Reports a failure of the file set, of which a bad command line is a usage error. */
static void check_set(cg_status st, const cg_error *err)
{
    if (st == CG_ERR_USAGE)
        usage_error("%s", err->msg);
    if (st != CG_OK)
        out_of_memory();
}

void check_files(const struct named_file *in, int n_in, const struct named_file *out, int n_out,
                 int overwrite)
{
    cg_file_set set = { 0 };
    cg_error err = CG_ERROR_INIT;
    struct stat sb;

    for (int i = 0; i < n_in; i++)
        if (in[i].path)
            check_set(cg_file_set_add_input(&set, in[i].role, in[i].path, &err), &err);
    for (int i = 0; i < n_out; i++) {
        const char *path = out[i].path;

        if (!path)
            continue;
        check_set(cg_file_set_add_output(&set, out[i].option, out[i].role, path, &err), &err);
        if (!overwrite && !cg_is_stream(path) && !lstat(path, &sb))
            usage_error("'%s' exists: --overwrite replaces it", path);
    }
    cg_file_set_finish(&set);
}

/* "list, matrix or check" */
static void join_words(const char *const *words, size_t n, char *ret, size_t cap)
{
    size_t len = 0;

    for (size_t i = 0; i < n && len < cap; i++)
        len += (size_t)snprintf(ret + len, cap - len, "%s%s",
                                i == 0       ? ""
                                : i + 1 == n ? " or "
                                             : ", ",
                                words[i]);
}

int asks_for_help(const char *argument)
{
    return !strcmp(argument, "help") || !strcmp(argument, "-h") || !strcmp(argument, "--help");
}

int run_subcommand(int argc, char **argv, const struct command *commands, size_t n,
                   const struct command_page *page)
{
    const char *names[MAX_SUBCOMMANDS];
    char list[256];

    for (size_t i = 0; argc > 1 && i < n; i++)
        if (!strcmp(argv[1], commands[i].name))
            return commands[i].main(argc - 1, argv + 1);
    if (argc > 1 && asks_for_help(argv[1])) {
        print_help(page, stdout);
        return EXIT_OK;
    }
    for (size_t i = 0; i < n; i++)
        names[i] = commands[i].name;
    join_words(names, n, list, sizeof list);
    if (argc > 1)
        usage_error("'%s': unknown subcommand, wanted %s", argv[1], list);
    usage_error("missing subcommand: %s", list);
}

int32_t parse_prompt_step_tokens(const char *text)
{
    if (!strcmp(text, "auto"))
        return CG_PROMPT_STEPS_AUTO;
    if (!strcmp(text, "off"))
        return CG_PROMPT_STEPS_OFF;
    if (*text < '0' || *text > '9')
        usage_error("--prompt-step-tokens '%s': wanted 1 to %d, auto or off", text,
                    CG_MAX_STEP_TOKENS);
    return parse_int("--prompt-step-tokens", text, 1, CG_MAX_STEP_TOKENS);
}

int64_t parse_int64(const char *name, const char *text, int64_t lo, int64_t hi)
{
    char *end;
    long long value;

    errno = 0;
    value = strtoll(text, &end, 10);
    if (end == text || *end || errno || value < lo || value > hi)
        usage_error("%s '%s': wanted a whole number from %lld to %lld", name, text, (long long)lo,
                    (long long)hi);
    return value;
}

int32_t parse_int(const char *name, const char *text, int32_t lo, int32_t hi)
{
    return (int32_t)parse_int64(name, text, lo, hi);
}

double parse_real(const char *name, const char *text)
{
    char *end;
    double value;

    errno = 0;
    value = strtod(text, &end);
    if (end == text || *end || !isfinite(value))
        usage_error("%s '%s': wanted a number", name, text);
    return value;
}

int parse_keyword(const char *name, const char *text, const char *const *words, int n)
{
    char list[256];

    for (int i = 0; i < n; i++)
        if (!strcmp(text, words[i]))
            return i;
    join_words(words, (size_t)n, list, sizeof list);
    usage_error("%s '%s': wanted %s", name, text, list);
}

int parse_words(const char *name, char *text, const char **ret, int cap)
{
    char *save = NULL;
    int n = 0;

    for (char *word = strtok_r(text, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
        if (n == cap)
            usage_error("%s: wanted at most %d names", name, cap);
        ret[n++] = word;
    }
    if (!n)
        usage_error("%s: wanted names separated by commas", name);
    return n;
}

int parse_ints(const char *name, const char *text, int32_t lo, int32_t hi, int32_t *ret, int cap)
{
    const char *words[16];
    char copy[256];
    int n;

    if ((size_t)snprintf(copy, sizeof copy, "%s", text) >= sizeof copy)
        usage_error("%s: longer than %zu bytes", name, sizeof copy - 1);
    n = parse_words(name, copy, words, cap < 16 ? cap : 16);
    for (int i = 0; i < n; i++)
        ret[i] = parse_int(name, words[i], lo, hi);
    return n;
}

static void CG_PRINTF(1, 2) error_message(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    print_message(PAINT_ERROR, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
}

int report_error(const cg_error *err)
{
    error_message("%s", err->msg[0] ? err->msg : cg_status_name(err->code));
    return exit_status_of(err->code);
}

int exit_status_of(cg_status status)
{
    switch (status) {
    case CG_OK:
        return EXIT_OK;
    case CG_ERR_USAGE:
        return EXIT_USAGE;
    case CG_ERR_INTERRUPTED:
        return EXIT_INTERRUPTED;
    default:
        return EXIT_ENVIRONMENT;
    }
}
