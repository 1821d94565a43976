/* SPDX-License-Identifier: MIT */
/* confgen docs man|completion: the man page and the completion of shells, of the commands' pages.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"

static const struct command_page *const pages[] = {
    &page_generate,
    &page_plugins,
    &page_plugins_list,
    &page_plugins_matrix,
    &page_plugins_check,
    &page_plugins_new,
    &page_inspect,
    &page_eval,
    &page_eval_compare,
    &page_draw,
    &page_model,
    &page_model_inspect,
    &page_text,
    &page_text_write,
    &page_text_read,
    &page_bench,
    &page_bench_decode,
    &page_bench_attention,
    &page_bench_tokenizer,
    &page_bench_templates,
    &page_bench_rmsd,
    &page_bench_minimize,
    &page_doctor,
    &page_docs,
};

enum { N_PAGES = sizeof pages / sizeof pages[0] };

const struct command_page page_docs = {
    .name = "docs",
    .summary = "man page, completion of bash and zsh",
    .usage = "confgen docs man               print the man page\n"
             "confgen docs completion bash   print the completion of bash\n"
             "confgen docs completion zsh    print the completion of zsh\n",
    .text = "An installed confgen has them in share/man, share/bash-completion and share/zsh. In "
            "another "
            "case: confgen docs man | man -l -, and source <(confgen docs completion bash).",
    .notes = "",
};

/* ---- man page ----------------------------------------------------------------------------- */

/* Prints a character of UTF-8 for roff; returns its length. */
static size_t put_roff_character(const char *text)
{
    const unsigned char *c = (const unsigned char *)text;

    switch (*c) {
    case '-':
        fputs("\\-", stdout);
        return 1;
    case '\\':
        fputs("\\e", stdout);
        return 1;
    case '`':
    case '\'':
        fputs(*c == '`' ? "\\(ga" : "\\(aq", stdout);
        return 1;
    }
    if (*c < 0x80) {
        putchar(*c);
        return 1;
    }
    if ((*c & 0xe0) == 0xc0) {
        printf("\\[u%04X]", (unsigned)((*c & 0x1f) << 6 | (c[1] & 0x3f)));
        return 2;
    }
    printf("\\[u%04X]", (unsigned)((*c & 0x0f) << 12 | (c[1] & 0x3f) << 6 | (c[2] & 0x3f)));
    return 3;
}

/* Prints n bytes of a text; no line begins with a request. */
static void put_roff(const char *text, size_t n)
{
    for (size_t i = 0; i < n;) {
        if (text[i] == '.' && (!i || text[i - 1] == '\n'))
            fputs("\\&", stdout);
        i += put_roff_character(text + i);
    }
}

/* Paragraphs, each after the request `between`. */
static void put_roff_paragraphs(const char *text, const char *between)
{
    while (*text) {
        const char *end = strstr(text, "\n\n");
        const size_t n = end ? (size_t)(end - text) : strlen(text);

        printf("%s\n", between);
        put_roff(text, n);
        putchar('\n');
        text += n + (end ? 2 : 0);
    }
}

static void put_roff_option(const struct command_page *page, const struct command_option *o)
{
    const char letter = option_letter(page, o);

    printf(".TP\n.B ");
    if (letter)
        printf("\\-%c, ", letter);
    printf("\\-\\-");
    put_roff(o->name, strlen(o->name));
    if (o->value) {
        putchar(' ');
        put_roff(o->value, strlen(o->value));
    }
    putchar('\n');
    put_roff(o->text, strlen(o->text));
    putchar('\n');
}

static void put_roff_options(const struct command_page *page)
{
    for (size_t i = 0; i < page->n_options; i++) {
        const struct command_option *o = &page->options[i];

        if (o->name)
            put_roff_option(page, o);
        else
            put_roff_paragraphs(o->text, ".SS");
    }
    if (page->n_options)
        put_roff_option(page, &help_option);
}

static void put_roff_usage(const struct command_page *page)
{
    printf(".nf\n");
    put_roff(page->usage, strlen(page->usage));
    printf(".fi\n");
}

static int print_man(void)
{
    printf(".\\\" made by confgen docs man\n"
           ".TH CONFGEN 1 \"\" \"confgen %s\" \"User Commands\"\n"
           ".SH NAME\nconfgen \\- %s\n.SH SYNOPSIS\n",
           cg_version(), page_generate.summary);
    put_roff_usage(&page_generate);
    printf(".SH DESCRIPTION\n");
    put_roff_paragraphs(page_generate.text, ".PP");
    put_roff_paragraphs(page_generate.notes, ".PP");
    printf(".SH OPTIONS\n");
    put_roff_options(&page_generate);
    for (int i = 1; i < N_PAGES; i++) {
        printf(".SH \"CONFGEN ");
        for (const char *c = pages[i]->name; *c; c++)
            fputs(*c == '-' ? "\\-" : (const char[]) { (char)toupper((unsigned char)*c), '\0' },
                  stdout);
        printf("\"\n");
        put_roff_usage(pages[i]);
        put_roff_paragraphs(pages[i]->text, ".PP");
        put_roff_options(pages[i]);
        put_roff_paragraphs(pages[i]->notes, ".PP");
    }
    return EXIT_OK;
}

/* ---- completion --------------------------------------------------------------------------- */

/* The next word of a value such as "auto|NAME|off" that is typed as it stands; NULL at the end. */
static const char *next_value(const char **at, size_t *ret_n)
{
    while (*at && **at) {
        const char *word = *at;
        const size_t n = strcspn(word, "|");

        *at += n + (word[n] == '|');
        *ret_n = n;
        if (strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789-._") == n && strncmp(word, "-", n))
            return word;
    }
    return NULL;
}

static void put_values(const char *value)
{
    const char *word;
    size_t n;
    int is_first = 1;

    while ((word = next_value(&value, &n)) != NULL) {
        printf("%s%.*s", is_first ? "" : " ", (int)n, word);
        is_first = 0;
    }
}

static int has_values(const char *value)
{
    size_t n;

    return next_value(&value, &n) != NULL;
}

/* The words that may follow a command: its subcommands, or all commands. */
static void put_subcommands(const struct command_page *page)
{
    const size_t n = strlen(page->name);

    for (int i = 1; i < N_PAGES; i++) {
        const char *name = pages[i]->name;

        if (!n && !strchr(name, ' '))
            printf("%s ", name);
        else if (n && !strncmp(name, page->name, n) && name[n] == ' ')
            printf("%s ", name + n + 1);
    }
    if (page == &page_generate)
        printf("generate help ");
    if (page == &page_docs)
        printf("man completion ");
}

static void print_bash(void)
{
    printf("# completion of confgen for bash, made by confgen docs completion bash\n"
           "_confgen() {\n"
           "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command='' "
           "words=''\n"
           "  local first=${COMP_WORDS[1]-} second=${COMP_WORDS[2]-}\n"
           "  [ \"$COMP_CWORD\" -gt 1 ] || first=''\n"
           "  [ \"$COMP_CWORD\" -gt 2 ] || second=''\n"
           "  case \"$first $second\" in\n");
    for (int i = N_PAGES - 1; i > 0; i--) /* subcommands stand behind their command */
        printf(strchr(pages[i]->name, ' ') ? "    '%s') command='%s' ;;\n"
                                           : "    '%s '*) command='%s' ;;\n",
               pages[i]->name, pages[i]->name);
    printf("  esac\n"
           "  case \"$command $prev\" in\n");
    for (int i = 0; i < N_PAGES; i++)
        for (size_t k = 0; k < pages[i]->n_options; k++) {
            const struct command_option *o = &pages[i]->options[k];

            if (!o->name || !o->value)
                continue;
            printf("    '%s --%s') COMPREPLY=(", pages[i]->name, o->name);
            if (has_values(o->value)) {
                printf("$(compgen -W '");
                put_values(o->value);
                printf("' -- \"$cur\")");
            }
            printf("); return ;;\n");
        }
    printf("    'docs completion') COMPREPLY=($(compgen -W 'bash zsh' -- \"$cur\")); return ;;\n"
           "  esac\n"
           "  case \"$command\" in\n");
    for (int i = 0; i < N_PAGES; i++) {
        printf("    '%s') words='", pages[i]->name);
        put_subcommands(pages[i]);
        for (size_t k = 0; k < pages[i]->n_options; k++)
            if (pages[i]->options[k].name)
                printf("--%s ", pages[i]->options[k].name);
        printf("--help' ;;\n");
    }
    printf("  esac\n"
           "  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
           "}\n"
           "complete -o default -F _confgen confgen confgen-lm\n");
}

/* Prints a text of a specification of zsh's _arguments, which stands between quotes and brackets.
 */
static void put_zsh_text(const char *text)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\'", stdout);
        else if (strchr("[]:\\", *text))
            putchar('\\');
        putchar(*text);
    }
}

static void put_zsh_options(const struct command_page *page)
{
    for (size_t i = 0; i <= page->n_options; i++) {
        const struct command_option *o = i < page->n_options ? &page->options[i] : &help_option;

        if (!o->name)
            continue;
        printf(" \\\n        '--%s[", o->name);
        put_zsh_text(o->text);
        printf("]");
        if (o->value) {
            putchar(':');
            put_zsh_text(o->value);
            putchar(':');
            if (has_values(o->value)) {
                putchar('(');
                put_values(o->value);
                putchar(')');
            } else {
                printf("_files");
            }
        }
        putchar('\'');
    }
}

static void print_zsh(void)
{
    printf("#compdef confgen confgen-lm\n"
           "# completion of confgen for zsh, made by confgen docs completion zsh\n"
           "_confgen() {\n"
           "  local first=$words[2] second=$words[3]\n"
           "  (( CURRENT > 2 )) || first=''\n"
           "  (( CURRENT > 3 )) || second=''\n"
           "  case \"$first $second\" in\n");
    for (int i = N_PAGES - 1; i >= 0; i--) {
        const struct command_page *page = pages[i];

        if (i && strchr(page->name, ' '))
            printf("    '%s')\n", page->name);
        else if (i)
            printf("    '%s '*)\n", page->name);
        else
            printf("    *)\n");
        printf("      local -a subcommands=(");
        put_subcommands(page);
        printf(")\n"
               "      [[ -n $words[CURRENT] && $words[CURRENT] == -* ]] || compadd -a subcommands\n"
               "      _arguments '*:file:_files'");
        put_zsh_options(page);
        printf("\n      ;;\n");
    }
    printf("  esac\n"
           "}\n"
           "_confgen \"$@\"\n");
}

int cmd_docs(int argc, char **argv)
{
    static const char *const shells[] = { "bash", "zsh" };

    command_name = "docs";
    while (next_option(argc, argv, &page_docs) != -1)
        ;
    if (optind + 1 == argc && !strcmp(argv[optind], "man"))
        return print_man();
    if (optind + 2 != argc || strcmp(argv[optind], "completion"))
        usage_error("wanted man, completion bash or completion zsh");
    if (parse_keyword("completion", argv[optind + 1], shells, 2) == 0)
        print_bash();
    else
        print_zsh();
    return EXIT_OK;
}
