/* SPDX-License-Identifier: MIT */
/** @file page.h  What the commands take: of it parser, help, man page and completion are made. */
#ifndef CG_TOOLS_PAGE_H
#define CG_TOOLS_PAGE_H

#include <stddef.h>
#include <stdio.h>

/** An option of a command. Texts are static. */
struct command_option {
    const char *name;  /* without dashes; NULL: `text` is a heading of the options below */
    int id;            /* what next_option() returns */
    const char *value; /* as "FILE", or words as "off|count"; NULL: it takes none */
    const char *text;  /* what it does, one line */
};

/** Names of other programs for an option. */
struct foreign_option {
    const char *name;  /* ours, without dashes */
    const char *words; /* theirs, without dashes, separated by blanks */
};

/** A command. Texts of several paragraphs have an empty line between them. */
struct command_page {
    const char *name;                     /* "plugins list"; "" for the main job */
    const char *summary;                  /* a phrase */
    const char *usage;                    /* lines, printed as they are */
    const char *text;                     /* paragraphs in front of the options, or "" */
    const struct command_option *options; /* [n_options]; --help is added */
    size_t n_options;
    const struct foreign_option *foreign; /* [n_foreign]; messages about unknown options use them */
    size_t n_foreign;
    char letter;       /* an option's short form, which is its id; 0: none */
    const char *notes; /* paragraphs behind the options, or "" */
};

enum { MAX_OPTIONS = 96, OPTION_HELP = 'h' };

/** --help, which all commands take. */
extern const struct command_option help_option;
/** The letter of the option's short form; 0 if it has none. */
char option_letter(const struct command_page *page, const struct command_option *option);

/** Prints the text of --help. */
void print_help(const struct command_page *page, FILE *out);
/** Prints what --help says of an option, by its name or letter without dashes; 0 if there is none.
 */
int print_option_help(const struct command_page *page, const char *name, FILE *out);

extern const struct command_page page_generate, page_plugins, page_plugins_list,
    page_plugins_matrix, page_plugins_check, page_plugins_new, page_inspect, page_eval,
    page_eval_compare, page_draw, page_model, page_model_inspect, page_text, page_text_write,
    page_text_read, page_bench, page_bench_decode, page_bench_attention, page_bench_tokenizer,
    page_bench_templates, page_bench_rmsd, page_bench_minimize, page_doctor, page_docs;

#endif
