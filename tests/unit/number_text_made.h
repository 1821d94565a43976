/* SPDX-License-Identifier: MIT */
/**
 * @file number_text_made.h  Automata and programs for conformer formats, with made-up tokens.
 *
 * Atoms are "[C]". A token is one character, or `whole_numbers` one number, and "[C]". Numbers that
 * may continue ("1.2", "1.25") end with the next token: then a field is all of an atom.
 */
#ifndef CG_TESTS_NUMBER_TEXT_MADE_H
#define CG_TESTS_NUMBER_TEXT_MADE_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "constraints/common/automaton_builder.h"
#include "format/conformer_format.h"
#include "sequence/token_number.h"

enum { MADE_VOCABULARY = 8192, MADE_ATOMS = 24, MADE_PATH = 16 };

static struct made_text {
    const char *name; /* of the kind */
    cg_conformer_format format;
    int whole_numbers;
    char *piece[MADE_VOCABULARY];
    cg_token_number token_numbers[MADE_VOCABULARY];
    int32_t n_pieces;
    cg_automaton_builder tables;
    cg_program program;
    int32_t entry[3 * MADE_ATOMS], forced_start[3 * MADE_ATOMS + 2];
    int32_t forced_token[64 * MADE_ATOMS];
} made;

/* ---- kinds -------------------------------------------------------------------------------- */

enum made_kind {
    MADE_FIXED,      /* <-1.50,0.25,10.00> */
    MADE_STRIPPED,   /* <-1.5,0.25,10> */
    MADE_INTEGERS,   /* <-0150,0025,1000> */
    MADE_BINS,       /* molgen-binned-13, one token per digit */
    MADE_BIN_TOKENS, /* the same, one token per number */
    MADE_ADJACENT,   /* molgen-binned-258: [C]113130144; */
    MADE_FEW_BINS,   /* fewer than 100 of them: all begin with 0 */
    MADE_TRIPLES,    /* the numbers behind the SMILES: CCC|1130,0130,0144;... */
    MADE_KINDS,
};

static inline cg_conformer_format made_format_named(const char *name)
{
    cg_conformer_format f;

    ck_assert_int_eq(cg_conformer_format_named(name, &f, NULL), CG_OK);
    return f;
}

static inline cg_conformer_format made_format_of(enum made_kind kind)
{
    cg_conformer_format f =
        made_format_named(kind == MADE_ADJACENT || kind == MADE_FEW_BINS ? "molgen-binned-258"
                          : kind == MADE_TRIPLES                         ? "molgen-binned-21"
                          : kind >= MADE_BINS                            ? "molgen-binned-13"
                          : kind == MADE_STRIPPED                        ? "molgen-v2"
                                                                         : "molgen-v3");

    if (kind <= MADE_STRIPPED)
        f.number.decimals = 2;
    if (kind == MADE_INTEGERS)
        f.number = (cg_number_format) {
            .kind = CG_NUMBER_INTEGER, .max_integer_digits = 4, .width = 4, .per_angstrom = 100
        };
    if (kind == MADE_FEW_BINS) {
        f.number.n_edges = 61;
        f.number.n_values = 62;
        for (int i = 0; i < 61; i++)
            f.number.edge[i] = -3.1 + 0.1 * i;
    }
    if (kind == MADE_TRIPLES) {
        f.layout = CG_LAYOUT_SMILES;
        strcpy(f.open, "");
        strcpy(f.close, ";");
        strcpy(f.between, "|");
    }
    return f;
}

static const char *const made_names[MADE_KINDS] = { "fixed decimals", "stripped decimals",
                                                    "integers",       "bins",
                                                    "bin tokens",     "adjacent bins",
                                                    "few bins",       "triples" };

/* ---- tokens ------------------------------------------------------------------------------- */

static inline int32_t made_id_of(const char *text, size_t len)
{
    int32_t id = 0;

    while (id < made.n_pieces &&
           (strlen(made.piece[id]) != len || memcmp(made.piece[id], text, len)))
        id++;
    if (id < made.n_pieces)
        return id;
    ck_assert_int_lt(id, MADE_VOCABULARY);
    made.piece[id] = strndup(text, len);
    made.token_numbers[id] = cg_token_number_of(&made.format, text, len);
    made.n_pieces++;
    return id;
}

/* Cuts a text into tokens of one character, except for "[C]". */
static inline int32_t made_cut(const char *text, int32_t *ids)
{
    int32_t n = 0;

    while (*text) {
        size_t len = strncmp(text, "[C]", 3) ? 1 : 3;

        ids[n++] = made_id_of(text, len);
        text += len;
    }
    return n;
}

static inline int32_t made_cut_number(const char *text, int32_t *ids)
{
    if (!made.whole_numbers)
        return made_cut(text, ids);
    ids[0] = made_id_of(text, strlen(text));
    return 1;
}

/* Text of tokens. Static storage. */
static inline const char *made_text_of(const int32_t *tokens, int32_t n)
{
    static char text[1 << 16];
    char *at = text;

    *at = '\0';
    for (int32_t i = 0; i < n; i++)
        at = stpcpy(at, made.piece[tokens[i]]);
    return text;
}

/* ---- automaton ---------------------------------------------------------------------------- */

static inline void *made_alloc(void *ctx, size_t bytes)
{
    (void)ctx;
    return malloc(bytes);
}

static inline void made_free(void *ctx, void *memory)
{
    (void)ctx;
    free(memory);
}

static const cg_host made_host = {
    CG_SIZED(cg_host), .workers = 1, .alloc = made_alloc, .free = made_free, .fail = cg_fail,
};

/* Number i of the format, ascending from the most negative one. @return 0 beyond the last one */
static inline int made_number(int32_t i, cg_decimal *ret)
{
    const cg_number_format *f = &made.format.number;
    int32_t per_angstrom = f->kind == CG_NUMBER_INTEGER ? f->per_angstrom : 100, most;

    if (f->kind == CG_NUMBER_BIN) {
        *ret = cg_number_of_index(f, i);
        return i < f->n_values;
    }
    ck_assert(f->kind == CG_NUMBER_INTEGER || f->decimals == 2);
    most = (f->kind == CG_NUMBER_INTEGER ? 10000 : 10000) - 1;
    return i <= 2 * most &&
           cg_number_from_coordinate(f, (double)(i - most) / per_angstrom, CG_ROUND_NEAREST, ret);
}

/* The state that accepts all numbers, with `end` behind them unless it is empty. */
static inline int32_t made_numbers(const char *end, int32_t next)
{
    enum { MOST = 20000 };
    static int32_t ids[MOST][MADE_PATH];
    static cg_path path[MOST];
    cg_error err = CG_ERROR_INIT;
    cg_decimal number;
    int32_t n = 0, state = -1;

    for (; made_number(n, &number); n++) {
        char text[CG_NUMBER_MAX_TEXT];

        ck_assert_int_lt(n, MOST);
        cg_number_write(&number, text);
        path[n] = (cg_path) { ids[n], made_cut_number(text, ids[n]), next };
        path[n].n += made_cut(end, ids[n] + path[n].n);
    }
    ck_assert_msg(cg_automaton_builder_paths(&made.tables, path, n, &state, &err) == CG_OK, "%s",
                  err.msg);
    return state;
}

static inline void made_force(int32_t *n, const char *text)
{
    *n += made_cut(text, made.forced_token + *n);
}

static inline void made_finish(void)
{
    cg_automaton_builder_finish(&made.tables);
    while (made.n_pieces > 0)
        free(made.piece[--made.n_pieces]);
}

/* Makes the automaton of a kind, and the program of n atoms. */
static inline void made_begin(enum made_kind kind, int32_t n_atoms)
{
    const cg_conformer_format *f = &made.format;
    int per_atom = kind == MADE_STRIPPED || kind == MADE_INTEGERS, per = per_atom ? 1 : 3;
    int is_behind = kind == MADE_TRIPLES;
    int32_t n = 0, state = CG_EXIT;
    cg_error err = CG_ERROR_INIT;

    ck_assert_int_le(n_atoms, MADE_ATOMS);
    made_finish();
    made.name = made_names[kind];
    made.format = made_format_of(kind);
    made.whole_numbers = kind == MADE_BIN_TOKENS;
    ck_assert_ptr_null(cg_token_number_problem(f));
    ck_assert_int_eq(cg_automaton_builder_init(&made.tables, "test", &made_host, MADE_VOCABULARY,
                                               1 << 16, 1 << 19, &err),
                     CG_OK);
    if (per_atom)
        for (int k = 2; k >= 0; k--)
            state = made_numbers(k == 2 ? f->close : f->separator, state);
    else
        state = made_numbers("", CG_EXIT);
    for (int32_t i = 0; i < per * n_atoms; i++) {
        made.entry[i] = state;
        made.forced_start[i] = n;
        if (i % per) {
            made_force(&n, f->separator);
            continue;
        }
        if (i && !per_atom)
            made_force(&n, f->close);
        for (int32_t k = 0; is_behind && !i && k < n_atoms; k++)
            made_force(&n, "[C]");
        if (is_behind && !i)
            made_force(&n, f->between);
        if (!is_behind)
            made_force(&n, "[C]");
        made_force(&n, f->open);
    }
    made.forced_start[per * n_atoms] = n;
    made_force(&n, per_atom ? "" : f->close);
    made.forced_start[per * n_atoms + 1] = n;
    made.program = (cg_program) { .n_fields = per * n_atoms,
                                  .fields_per_atom = per,
                                  .entry = made.entry,
                                  .forced_start = made.forced_start,
                                  .forced_token = made.forced_token };
}

#endif
