/* SPDX-License-Identifier: MIT */
#include "sequence/token_number.h"

#include <string.h>

static int last_byte(const char *text)
{
    size_t len = strlen(text);

    return len ? (unsigned char)text[len - 1] : -1;
}

/* Is c the last byte before the numbers of an atom? Without a mark it is that of the atom. */
static int is_begin(const cg_conformer_format *f, unsigned char c)
{
    int letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '*';

    if (f->open[0])
        return c == last_byte(f->open);
    if (f->layout == CG_LAYOUT_SMILES)
        return c == last_byte(f->close) || c == last_byte(f->between);
    return c == ']' || (letter && f->atom_text == CG_ATOM_BARE);
}

static int is_of_number(const cg_conformer_format *f, unsigned char c)
{
    return (c >= '0' && c <= '9') || (c == '.' && f->number.kind == CG_NUMBER_DECIMAL) ||
           (c == '-' && f->number.kind <= CG_NUMBER_INTEGER);
}

static int symbol_of(const cg_conformer_format *f, unsigned char c)
{
    if (is_of_number(f, c))
        return c == '.' ? CG_SYMBOL_POINT : c == '-' ? CG_SYMBOL_MINUS : CG_SYMBOL_ZERO + c - '0';
    if (is_begin(f, c))
        return CG_SYMBOL_BEGIN;
    return c && strchr(f->separator, c) ? CG_SYMBOL_NEXT : CG_SYMBOL_TEXT;
}

/* Leaves out what precedes BEGIN, except for the first text and the number before it. */
static size_t drop_before_begin(const unsigned char *symbols, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (symbols[i] >= CG_SYMBOL_NEXT)
            return i + 1;
    return n;
}

cg_token_number cg_token_number_of(const cg_conformer_format *format, const char *token, size_t len)
{
    unsigned char symbols[64];
    cg_token_number packed = 0;
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        int symbol = symbol_of(format, (unsigned char)token[i]);

        if (symbol >= CG_SYMBOL_NEXT && n > 0 && symbols[n - 1] == symbol)
            continue;
        if (symbol == CG_SYMBOL_BEGIN)
            n = drop_before_begin(symbols, n);
        if (n == sizeof symbols)
            return CG_SYMBOL_TEXT;
        symbols[n++] = (unsigned char)symbol;
    }
    if (n > CG_TOKEN_NUMBER_SYMBOLS)
        return CG_SYMBOL_TEXT;
    while (n-- > 0)
        packed = packed << CG_SYMBOL_BITS | symbols[n];
    return packed;
}

const char *cg_token_number_problem(const cg_conformer_format *f)
{
    if (f->layout == CG_LAYOUT_TOKENS || f->number.kind == CG_NUMBER_CODE)
        return "the codes of the text format are no coordinates";
    if (f->layout == CG_LAYOUT_SMILES && !f->open[0] && !f->close[0])
        return "no text shows where the numbers of an atom begin";
    for (const char *c = f->separator; *c; c++) {
        if (is_begin(f, (unsigned char)*c))
            return "the text between two numbers contains the character before the numbers";
        if (is_of_number(f, (unsigned char)*c))
            return "the text between two numbers contains a character of numbers";
    }
    return f->close[0] && is_of_number(f, (unsigned char)f->close[0])
               ? "the text behind the numbers begins with a character of numbers"
               : NULL;
}
