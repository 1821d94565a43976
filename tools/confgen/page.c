/* SPDX-License-Identifier: MIT */
/* Prints the help of a command. */
#include "page.h"

#include <string.h>

#include "paint.h"

enum { WIDTH = 92, COLUMN = 26 };

/* Characters of a UTF-8 text of n bytes. */
static int count_characters(const char *text, size_t n)
{
    int count = 0;

    for (size_t i = 0; i < n; i++)
        count += ((unsigned char)text[i] & 0xc0) != 0x80;
    return count;
}

/* Prints a paragraph up to its end or an empty line, from `column` on, in lines that begin at
 * `indent`; returns what follows it. */
static const char *print_paragraph(const char *text, int column, int indent, FILE *out)
{
    int is_first = 1;

    while (*text && strncmp(text, "\n\n", 2)) {
        const size_t n = strcspn(text, " \n");
        const int width = count_characters(text, n);

        if (!is_first && column + 1 + width > WIDTH) {
            fprintf(out, "\n%*s", indent, "");
            column = indent;
        } else if (!is_first) {
            fputc(' ', out);
            column++;
        }
        fwrite(text, 1, n, out);
        column += width;
        is_first = 0;
        text += n;
        if (*text && strncmp(text, "\n\n", 2))
            text++;
    }
    fputc('\n', out);
    return text + (*text ? 2 : 0);
}

static void print_paragraphs(const char *text, FILE *out)
{
    while (*text) {
        fputc('\n', out);
        text = print_paragraph(text, 0, 0, out);
    }
}

char option_letter(const struct command_page *p, const struct command_option *o)
{
    if (o->id == OPTION_HELP || (p->letter && o->id == p->letter))
        return (char)o->id;
    return 0;
}

static void print_option(const struct command_page *p, const struct command_option *o, FILE *out)
{
    const char letter = option_letter(p, o);
    int column;

    fprintf(out, "  %s", paint(out, PAINT_BOLD));
    column = letter ? fprintf(out, "-%c, --%s", letter, o->name) : fprintf(out, "--%s", o->name);
    fputs(paint(out, PAINT_NONE), out);
    column += 2;
    if (o->value)
        column += fprintf(out, " %s", o->value);
    if (column + 2 > COLUMN)
        fprintf(out, "\n%*s", COLUMN, "");
    else
        fprintf(out, "%*s", COLUMN - column, "");
    print_paragraph(o->text, COLUMN, COLUMN, out);
}

int print_option_help(const struct command_page *p, const char *name, FILE *out)
{
    for (size_t i = 0; i < p->n_options; i++) {
        const char letter[] = { option_letter(p, &p->options[i]), '\0' };

        if (p->options[i].name &&
            (!strcmp(p->options[i].name, name) || (*letter && !strcmp(letter, name)))) {
            print_option(p, &p->options[i], out);
            return 1;
        }
    }
    return 0;
}

const struct command_option help_option = { "help", OPTION_HELP, NULL, "this text" };

void print_help(const struct command_page *p, FILE *out)
{
    fputs(p->usage, out);
    print_paragraphs(p->text, out);
    for (size_t i = 0; i < p->n_options; i++) {
        const struct command_option *o = &p->options[i];

        if (!i || !o->name)
            fputc('\n', out);
        if (o->name)
            print_option(p, o, out);
        else
            fprintf(out, "%s%s%s\n", paint(out, PAINT_BOLD), o->text, paint(out, PAINT_NONE));
    }
    if (p->n_options)
        print_option(p, &help_option, out);
    print_paragraphs(p->notes, out);
}
