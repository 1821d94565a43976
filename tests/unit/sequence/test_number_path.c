/* SPDX-License-Identifier: MIT */
/* Number paths through automata like those of the grammar plugin, and through other ones. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "constraints/common/automaton_builder.h"
#include "sequence/coordinate.h"
#include "sequence/number_path.h"
#include "sequence/token_number.h"

static uint32_t random_state = 1;

static uint32_t below(uint32_t n)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)(random_state >> 8) * n >> 24);
}

/* ---- a vocabulary that grows as needed ---------------------------------------------------- */

enum { MAX_VOCABULARY = 4096, MAX_PIECES = 96, NUMBER_MAX = 16 };

/* Any number of decimals. */
static cg_conformer_format format = {
    .open = "<",
    .separator = ",",
    .close = ">",
    .number = { .max_integer_digits = 4, .decimals = 6, .strip_zeros = 1 },
};

static char *piece[MAX_VOCABULARY];
static cg_token_number token_numbers[MAX_VOCABULARY];
static int32_t n_vocabulary;

static int32_t id_of(const char *text, size_t len)
{
    int32_t id = 0;

    while (id < n_vocabulary && (strlen(piece[id]) != len || memcmp(piece[id], text, len)))
        id++;
    if (id < n_vocabulary)
        return id;
    ck_assert_int_lt(id, MAX_VOCABULARY);
    piece[id] = strndup(text, len);
    token_numbers[id] = cg_token_number_of(&format, text, len);
    n_vocabulary++;
    return id;
}

static int32_t id(const char *text)
{
    return id_of(text, strlen(text));
}

static void clear_vocabulary(void)
{
    while (n_vocabulary > 0)
        free(piece[--n_vocabulary]);
}

/* ---- three tokenizations ------------------------------------------------------------------ */

/*
 * Tokens of a number after "," or "]<":
 *
 *   default  ",-12." is one token, but from 20 on ",-" and "20."; all decimals are one token
 *   llama3   "]<-" is one token; digits in groups of three
 *   qwen3    "]<-" is one token; one token per digit
 */
enum style { DEFAULT, LLAMA3, QWEN3, N_STYLES };

static const struct {
    const char *name;
    int32_t decimals, integers; /* digits */
} styles[N_STYLES] = { { "default", 3, 2 }, { "llama3", 4, 2 }, { "qwen3", 4, 2 } };

/* Cuts digits into groups of at most `most`. */
static const char *cut_digits(const char *p, int most, int32_t *ids, int32_t *n)
{
    while (*p >= '0' && *p <= '9') {
        size_t len = strspn(p, "0123456789");

        len = len < (size_t)most ? len : (size_t)most;
        ids[(*n)++] = id_of(p, len);
        p += len;
    }
    return p;
}

static int32_t cut(enum style style, const char *text, int32_t *ids)
{
    const char *p = text;
    int32_t n = 0;

    while (*p) {
        size_t lead = strcspn(p, "0123456789."), digits = strspn(p + lead, "0123456789");

        if (*p == '.') {
            ids[n++] = id(".");
            p++;
        } else if (!lead) {
            p = cut_digits(p, style == DEFAULT || style == LLAMA3 ? 3 : 1, ids, &n);
        } else if (style != DEFAULT) {
            ids[n++] = id_of(p, lead);
            p += lead;
        } else if (*p == ',' && p[lead + digits] == '.' && atoi(p + lead) < 20) {
            ids[n++] = id_of(p, lead + digits + 1);
            p += lead + digits + 1;
        } else {
            ids[n++] = id_of(p, lead);
            p += lead;
            ids[n++] = id_of(p, digits + 1);
            p += digits + 1;
        }
    }
    return n;
}

/* ---- automata ----------------------------------------------------------------------------- */

static void *host_alloc(void *ctx, size_t bytes)
{
    (void)ctx;
    return malloc(bytes);
}

static void host_free(void *ctx, void *memory)
{
    (void)ctx;
    free(memory);
}

static const cg_host host = {
    CG_SIZED(cg_host), .workers = 1, .alloc = host_alloc, .free = host_free, .fail = cg_fail,
};
static cg_automaton_builder tables;
static cg_error err;

static void setup(void)
{
    err = (cg_error)CG_ERROR_INIT;
    ck_assert_int_eq(
        cg_automaton_builder_init(&tables, "test", &host, MAX_VOCABULARY, 4096, 65536, &err),
        CG_OK);
}

static void teardown(void)
{
    cg_automaton_builder_finish(&tables);
    clear_vocabulary();
}

static int32_t state(int32_t n, const int32_t *token, const int32_t *next)
{
    int32_t s = -1;

    ck_assert_msg(cg_automaton_builder_state(&tables, n, token, next, &s, &err) == CG_OK, "%s",
                  err.msg);
    return s;
}

static int32_t paths(cg_path *path, int32_t n)
{
    int32_t s = -1;

    ck_assert_msg(cg_automaton_builder_paths(&tables, path, n, &s, &err) == CG_OK, "%s", err.msg);
    return s;
}

/* Returns a state from which all decimals from `least` on are paths, each in its tokens. */
static int32_t decimals_state(enum style style, int least)
{
    int32_t most = 1, n = 0, s, digits = styles[style].decimals;
    int32_t(*ids)[8];
    cg_path *path;

    for (int i = 0; i < digits; i++)
        most *= 10;
    ids = calloc((size_t)most, sizeof *ids);
    path = calloc((size_t)most, sizeof *path);
    for (int32_t i = least; i < most; i++, n++) {
        char text[NUMBER_MAX];

        snprintf(text, sizeof text, "%0*d", (int)digits, (int)i);
        path[n] = (cg_path) { ids[n], cut(style, text, ids[n]), CG_EXIT };
    }
    s = paths(path, n);
    free(ids);
    free(path);
    return s;
}

/* Returns a state from which all numbers after `before` are paths. */
static int32_t number_state(enum style style, const char *before)
{
    int32_t any = decimals_state(style, 0), some = decimals_state(style, 1), n = 0;
    static int32_t ids[200][16];
    static cg_path path[200];

    for (int minus = 0; minus < 2; minus++)
        for (int integer = 0; integer < 100; integer++, n++) {
            char text[2 * NUMBER_MAX];

            snprintf(text, sizeof text, "%s%s%d.", before, minus ? "-" : "", integer);
            path[n] =
                (cg_path) { ids[n], cut(style, text, ids[n]), minus && !integer ? some : any };
        }
    return paths(path, n);
}

/* ---- search -------------------------------------------------------------------------------- */

static cg_number_path path_found;

/* Continues a search with n_threads threads, as a device does, in descending order. */
static int continue_search(int32_t n_threads)
{
    int result;

    do {
        int32_t least = INT32_MAX;

        for (int32_t t = n_threads; t-- > 0;) {
            int32_t mine =
                cg_number_path_find(&path_found, &tables.automaton, token_numbers, t, n_threads);

            least = mine < least ? mine : least;
        }
        result = cg_number_path_step(&path_found, &tables.automaton, token_numbers, least);
        ck_assert_int_le(path_found.depth, CG_NUMBER_PATH_DEPTH);
        ck_assert_int_lt(path_found.n_steps, 1000); /* bounded */
    } while (result == CG_NUMBER_PATH_RUNNING);
    return result;
}

static int search(const cg_decimal *number, int32_t from, int is_text, int32_t n_threads)
{
    memset(&path_found, 0x55, sizeof path_found);
    cg_number_path_start(&path_found, &format.number, &tables.automaton, from, is_text);
    cg_number_path_add(&path_found, number);
    return continue_search(n_threads);
}

static void path_text(char *out)
{
    *out = '\0';
    for (int32_t i = 0; i < path_found.depth; i++)
        strcat(out, piece[tables.token[path_found.transition[i]]]);
}

/* Makes a number from its digits, in units of the last decimal. */
static cg_decimal number_of(int64_t units, int32_t decimals, int minus)
{
    cg_decimal n = { (int32_t)units, 1, decimals, minus && units };

    for (int64_t rest = units / 10; rest; rest /= 10)
        n.n_digits++;
    if (n.n_digits <= decimals)
        n.n_digits = decimals + 1;
    return n;
}

static void number_text(const cg_decimal *n, char *out)
{
    int32_t one = 1;

    for (int32_t i = 0; i < n->n_decimals; i++)
        one *= 10;
    sprintf(out, "%s%d.%0*d", n->minus ? "-" : "", (int)(n->digits / one), (int)n->n_decimals,
            (int)(n->digits % one));
}

static cg_decimal any_number(enum style style)
{
    static const int64_t edges[] = { 0,     1,     9,      10,     99,     999,
                                     1000,  1001,  9999,   10000,  10001,  19999,
                                     20000, 99999, 100000, 199999, 200000, 999999 };
    int32_t decimals = styles[style].decimals;
    int64_t most = decimals == 3 ? 99999 : 999999, units;

    switch (below(4)) {
    case 0:
        units = edges[below(sizeof edges / sizeof *edges)];
        break;
    case 1: /* small ones as likely as large ones */
        units = below(1u << below(20));
        break;
    default:
        units = below((uint32_t)most + 1);
    }
    return number_of(units <= most ? units : most, decimals, (int)below(2));
}

/* The path of a number after `before` consists of the tokens of its text. */
static void expect_path(enum style style, const char *before, const cg_decimal *n, int result)
{
    char text[64], number[NUMBER_MAX], got[256];
    int32_t ids[MAX_PIECES], n_ids;

    number_text(n, number);
    snprintf(text, sizeof text, "%s%s", before, number);
    ck_assert_msg(result == CG_NUMBER_PATH_FOUND, "%s: no path for '%s'", styles[style].name, text);
    n_ids = cut(style, text, ids);
    path_text(got);
    ck_assert_msg(path_found.depth == n_ids, "%s: '%s' in %d tokens, '%s' in %d",
                  styles[style].name, got, path_found.depth, text, n_ids);
    for (int32_t i = 0; i < n_ids; i++)
        ck_assert_msg(tables.token[path_found.transition[i]] == ids[i],
                      "%s: '%s', token %d of '%s'", styles[style].name, got, i, text);
}

START_TEST(paths_are_the_canonical_tokens)
{
    enum style style = (enum style)_i;
    const char *const literals[] = { ",", "]<" };
    int backtracked = 0;

    for (int literal = 0; literal < 2; literal++) {
        int32_t from = number_state(style, literals[literal]);

        for (int round = 0; round < 3000; round++) {
            cg_decimal n = any_number(style);
            int result = search(&n, from, literal, 1);

            expect_path(style, literals[literal], &n, result);
            backtracked += path_found.n_steps > path_found.depth;
        }
    }
    if (style == DEFAULT) /* "," is a prefix of 1.5 too, but leads to 20. and above */
        ck_assert_int_gt(backtracked, 100);
}
END_TEST

/* The separator before the number may precede the field. */
START_TEST(the_separator_may_precede_the_field)
{
    for (enum style style = 0; style < N_STYLES; style++) {
        int32_t from = number_state(style, "<"), first = tables.row[from];
        int inner = -1;

        /* the state after '<', which is a token of its own if no sign follows */
        for (int32_t t = first; t < tables.row[from + 1] && style != DEFAULT; t++)
            if (!strcmp(piece[tables.token[t]], "<"))
                inner = tables.next[t];
        if (inner < 0)
            continue;
        for (int round = 0; round < 300; round++) {
            cg_decimal n = any_number(style);
            char text[64], want[NUMBER_MAX];

            n.minus = 0;
            ck_assert_int_eq(search(&n, inner, 0, 1), CG_NUMBER_PATH_FOUND);
            path_text(text);
            number_text(&n, want);
            ck_assert_str_eq(text, want);
            n.minus = n.digits > 0; /* no sign follows a single '<' */
            if (n.minus)
                ck_assert_int_eq(search(&n, inner, 0, 1), CG_NUMBER_PATH_NONE);
        }
    }
}
END_TEST

START_TEST(threads_find_the_same_path)
{
    static const int32_t threads[] = { 2, 3, 32, 256, 1024 };

    for (enum style style = 0; style < N_STYLES; style++) {
        int32_t from = number_state(style, ",");

        for (int round = 0; round < 60; round++) {
            cg_decimal n = any_number(style);
            cg_number_path single;
            int result = search(&n, from, 0, 1);

            if (!(round % 4)) /* a number without a path */
                n.digits += 10 * n.digits, n.n_digits = 8, result = search(&n, from, 0, 1);
            single = path_found;
            for (int i = 0; i < 5; i++) {
                ck_assert_int_eq(search(&n, from, 0, threads[i]), result);
                ck_assert_int_eq(path_found.depth, single.depth);
                ck_assert_int_eq(path_found.n_steps, single.n_steps);
                ck_assert(!memcmp(path_found.transition, single.transition,
                                  (size_t)single.depth * sizeof *single.transition));
            }
        }
    }
}
END_TEST

START_TEST(numbers_outside_the_format_have_no_path)
{
    for (enum style style = 0; style < N_STYLES; style++) {
        int32_t from = number_state(style, ","), decimals = styles[style].decimals;
        cg_decimal n = number_of(decimals == 3 ? 100000 : 1000000, decimals, 0);

        ck_assert_int_eq(search(&n, from, 0, 1), CG_NUMBER_PATH_NONE); /* 100.000 */
        n = number_of(999999999, decimals, 1);
        ck_assert_int_eq(search(&n, from, 0, 1), CG_NUMBER_PATH_NONE);
        for (int32_t other = 0; other < 6; other++) {
            n = number_of(12345, other, 0);
            ck_assert_int_eq(search(&n, from, 0, 1),
                             other == decimals ? CG_NUMBER_PATH_FOUND : CG_NUMBER_PATH_NONE);
        }
        n = (cg_decimal) { 0, decimals + 1, decimals, 1 }; /* -0.000 never occurs */
        ck_assert_int_eq(search(&n, from, 0, 1), CG_NUMBER_PATH_NONE);
    }
}
END_TEST

/* ---- automata unlike those of the grammar plugin -------------------------------------------- */

static const cg_decimal one_half = { 15, 2, 1, 0 }; /* 1.5 */

/* Returns a state with a path of n tokens, most of them before the number. */
static int32_t long_path(int n)
{
    int32_t s = state(1, (int32_t[]) { id("5") }, (int32_t[]) { CG_EXIT });

    s = state(1, (int32_t[]) { id("1.") }, &s);
    s = state(1, (int32_t[]) { id("<") }, &s);
    for (int i = 3; i < n; i++)
        s = state(1, (int32_t[]) { id("x") }, &s);
    return s;
}

START_TEST(the_longest_path)
{
    ck_assert_int_eq(search(&one_half, long_path(CG_NUMBER_PATH_DEPTH), 1, 1),
                     CG_NUMBER_PATH_FOUND);
    ck_assert_int_eq(path_found.depth, CG_NUMBER_PATH_DEPTH);
    ck_assert_int_eq(search(&one_half, long_path(CG_NUMBER_PATH_DEPTH + 1), 1, 1),
                     CG_NUMBER_PATH_NONE);
    ck_assert_int_eq(search(&one_half, long_path(100), 1, 1), CG_NUMBER_PATH_NONE);
}
END_TEST

/* Digits, points and signs before the separator are ignored, as in [13C-]. */
START_TEST(text_before_the_number_is_ignored)
{
    static const char *const lead[] = { "<-", "]", "-", ".", "13", ">[" };
    int32_t s = state(1, (int32_t[]) { id("5") }, (int32_t[]) { CG_EXIT });
    cg_decimal n = one_half;
    char text[64];

    n.minus = 1;
    s = state(1, (int32_t[]) { id("1.") }, &s);
    for (int i = 0; i < 6; i++)
        s = state(1, (int32_t[]) { id(lead[i]) }, &s);
    ck_assert_int_eq(search(&n, s, 1, 1), CG_NUMBER_PATH_FOUND);
    path_text(text);
    ck_assert_str_eq(text, ">[13.-]<-1.5");
}
END_TEST

START_TEST(a_short_path_is_found_after_a_long_one)
{
    int32_t too_long = long_path(CG_NUMBER_PATH_DEPTH), usable = long_path(5), from;
    int32_t token[] = { id("x"), id("y") };

    ck_assert_int_lt(token[0], token[1]);
    from = state(2, token, (int32_t[]) { too_long, usable });
    ck_assert_int_eq(search(&one_half, from, 1, 1), CG_NUMBER_PATH_FOUND);
    ck_assert_int_eq(path_found.depth, 6);
    ck_assert_int_eq(tables.token[path_found.transition[0]], token[1]);
}
END_TEST

/* Free text: a state that leads to itself, with tokens without digits. */
START_TEST(cycles_end)
{
    int32_t token[] = { id("x"), id("y"), id("1."), id("5") };
    int32_t next[] = { CG_BUILDER_SELF, CG_BUILDER_SELF, CG_BUILDER_SELF, CG_EXIT };
    int32_t s = state(4, token, next);
    cg_decimal n = one_half;
    char text[8 * CG_NUMBER_PATH_DEPTH];

    ck_assert_int_eq(search(&n, s, 1, 1), CG_NUMBER_PATH_NONE); /* there is no '<' */
    ck_assert_int_gt(path_found.n_steps, 200);                  /* many paths were tried */
    /* tokens without numeric payload are not part of a number, as in reading */
    ck_assert_int_eq(search(&n, s, 0, 1), CG_NUMBER_PATH_FOUND);
    path_text(text);
    ck_assert_str_eq(text + strlen(text) - 3, "1.5");
    ck_assert_int_le(path_found.depth, CG_NUMBER_PATH_DEPTH);
}
END_TEST

/* A fixed number of free tokens of any numeric kind. */
START_TEST(free_tokens)
{
    int32_t token[16], next[16], n = 0, chain[20] = { 0 };
    cg_decimal number = one_half;
    char text[64];

    for (char c = '0'; c <= '9'; c++)
        token[n++] = id_of(&c, 1);
    token[n++] = id(",");
    token[n++] = id(".");
    token[n++] = id("-");
    for (int k = 0; k < 17; k++) {
        for (int i = 0; i < n; i++)
            next[i] = k ? chain[k - 1] : CG_EXIT;
        chain[k] = state(n, token, next);
    }
    ck_assert_int_eq(search(&number, chain[2], 0, 1), CG_NUMBER_PATH_FOUND);
    path_text(text);
    ck_assert_str_eq(text, "1.5");
    ck_assert_int_eq(search(&number, chain[1], 0, 1), CG_NUMBER_PATH_NONE);
    ck_assert_int_eq(search(&number, chain[3], 0, 1), CG_NUMBER_PATH_FOUND);
    path_text(text);
    ck_assert_str_eq(text, "1.5,"); /* text may follow a number */
    number = (cg_decimal) { 123456789, 9, 1, 1 };
    ck_assert_int_eq(search(&number, chain[9], 0, 256), CG_NUMBER_PATH_NONE);
    ck_assert_int_eq(search(&number, chain[10], 0, 256), CG_NUMBER_PATH_FOUND);
    path_text(text);
    ck_assert_str_eq(text, "-12345678.9");
}
END_TEST

/* ---- appending to a sequence ---------------------------------------------------------------- */

enum { LIMIT = 128 };

static int32_t tokens[LIMIT + 1];
static cg_atom_mark marks[2];

/* Two atoms, "]<x,y,z>[O]<x,y,z>"; characters in one token with the sign belong to the number. */
static int32_t make_program(enum style style, int32_t *entry, int32_t *forced_start,
                            int32_t *forced_token, cg_program *prog)
{
    const char *first = style == DEFAULT ? "" : "]<";
    int32_t n = 0;

    *prog = (cg_program) { .n_fields = 6,
                           .fields_per_atom = 3,
                           .entry = entry,
                           .forced_start = forced_start,
                           .forced_token = forced_token };
    for (int f = 0; f < 6; f++) {
        forced_start[f] = n;
        if (f == 3)
            forced_token[n++] = id(">[O");
        if (f % 3 == 0)
            forced_token[n++] = id(style == DEFAULT ? "]<" : " ");
        entry[f] = number_state(style, f % 3 ? "," : first);
    }
    forced_start[6] = n;
    forced_token[n++] = id(">");
    forced_start[7] = n;
    return n;
}

static cg_sequence_text text_of(cg_sequence *seq, const cg_program *prog)
{
    return (cg_sequence_text) {
        &tables.automaton, token_numbers, &format.number, prog, seq, tokens, marks
    };
}

/* Appends a number in the current state of the sequence. */
static int append(cg_sequence *seq, const cg_program *prog, const cg_decimal *n)
{
    cg_sequence_text text = text_of(seq, prog);
    cg_token_number previous = token_numbers[tokens[seq->n_tokens - 1]];
    int result =
        search(n, seq->state, seq->field % 3 == 0 && !cg_token_number_ends_before(previous), 32);

    if (result == CG_NUMBER_PATH_FOUND)
        cg_number_path_append(&path_found, &text);
    return result;
}

START_TEST(appended_numbers_are_read_back)
{
    enum style style = (enum style)_i;
    int32_t entry[6], forced_start[8], forced_token[16];
    cg_program prog;

    make_program(style, entry, forced_start, forced_token, &prog);
    for (int round = 0; round < 200; round++) {
        cg_sequence seq = { .n_tokens = 1, .limit = LIMIT };
        float want[2][3], xyz[3];
        char text[512] = "", got[512] = "";

        tokens[0] = id("@");
        cg_sequence_begin(&seq, &prog, &tables.automaton, tokens, marks);
        for (int f = 0; f < 6; f++) {
            cg_decimal n = any_number(style);
            char number[NUMBER_MAX];

            ck_assert_int_eq(seq.field, f);
            ck_assert_int_eq(append(&seq, &prog, &n), CG_NUMBER_PATH_FOUND);
            number_text(&n, number);
            want[f / 3][f % 3] = strtof(number, NULL);
            if (f == 3)
                strcat(text, ">[O");
            if (f % 3 == 0)
                strcat(text, style == DEFAULT ? "]<" : " ]<");
            else
                strcat(text, ",");
            strcat(text, number);
        }
        strcat(text, ">");
        ck_assert_int_eq(seq.done, CG_SEQUENCE_COMPLETE);
        for (int32_t i = 1; i < seq.n_tokens; i++)
            strcat(got, piece[tokens[i]]);
        ck_assert_str_eq(got, text);
        for (int a = 0; a < 2; a++) {
            ck_assert_int_eq(cg_geometry_read_xyz(tokens + marks[a].n_tokens,
                                                  seq.n_tokens - marks[a].n_tokens, token_numbers,
                                                  &format.number, 0, xyz),
                             1);
            for (int k = 0; k < 3; k++)
                ck_assert_msg(fabsf(xyz[k] - want[a][k]) <= 3e-7f * fmaxf(1, fabsf(want[a][k])),
                              "'%s', atom %d, number %d: %.6f", text, a, k, (double)xyz[k]);
        }
    }
}
END_TEST

/* No token is stored beyond the limit; the sequence is then unfinished. */
START_TEST(the_limit_ends_a_path)
{
    int32_t entry[6], forced_start[8], forced_token[16];
    cg_program prog;
    cg_decimal n = number_of(123456, 4, 1);

    make_program(QWEN3, entry, forced_start, forced_token, &prog);
    for (int32_t limit = 3; limit < 62; limit++) {
        cg_sequence seq = { .n_tokens = 1, .limit = limit };
        int f = 0;

        for (int32_t i = 0; i <= LIMIT; i++)
            tokens[i] = -7;
        tokens[0] = id("@");
        cg_sequence_begin(&seq, &prog, &tables.automaton, tokens, marks);
        for (; f < 6 && !seq.done; f++)
            ck_assert_int_eq(append(&seq, &prog, &n), CG_NUMBER_PATH_FOUND);
        /* '@', six numbers of 8 tokens, and two, one and one forced tokens between them */
        ck_assert_int_eq(seq.done, limit < 53 ? CG_SEQUENCE_UNFINISHED : CG_SEQUENCE_COMPLETE);
        ck_assert_int_eq(seq.n_tokens, limit < 53 ? limit : 53);
        ck_assert_int_eq(tokens[limit], -7);
    }
}
END_TEST

/* ---- decimals from floats ------------------------------------------------------------------- */

static int from_float(float x, int32_t decimals, cg_decimal *ret)
{
    const cg_number_format f = { .max_integer_digits = 6, .decimals = decimals };

    return cg_coordinate_to_number(&f, x, ret);
}

static cg_decimal must_convert(float x, int32_t decimals)
{
    cg_decimal n = { -1, -1, -1, -1 };

    ck_assert_msg(from_float(x, decimals, &n) == 1, "%.9g", (double)x);
    return n;
}

static void expect_number(float x, int32_t decimals, int32_t digits, int32_t n_digits,
                          int32_t minus)
{
    cg_decimal n = must_convert(x, decimals);

    ck_assert_msg(n.digits == digits && n.n_digits == n_digits && n.n_decimals == decimals &&
                      n.minus == minus,
                  "%.9g: %d, %d digits, %d decimals, minus %d", (double)x, n.digits, n.n_digits,
                  n.n_decimals, n.minus);
}

START_TEST(decimals_of_floats)
{
    cg_decimal n = { 7, 7, 7, 7 };

    expect_number(0, 3, 0, 4, 0);
    expect_number(-0.0f, 3, 0, 4, 0);
    expect_number(-0.0004f, 3, 0, 4, 0);
    expect_number(-0.0006f, 3, 1, 4, 1);
    expect_number(0.9996f, 3, 1000, 4, 0);
    expect_number(9.9996f, 3, 10000, 5, 0);
    expect_number(-1.234f, 4, 12340, 5, 1);
    expect_number(-12.345f, 3, 12345, 5, 1);
    expect_number(99.9994f, 3, 99999, 5, 0);
    expect_number(0.5f, 0, 1, 1, 0);
    expect_number(0.25f, 0, 0, 1, 0);
    expect_number(-2.75f, 0, 3, 1, 1);
    expect_number(1e-30f, 5, 0, 6, 0);
    expect_number(0.00001f, 5, 1, 6, 0);
    expect_number(9999.5f, 4, 99995000, 8, 0);
    expect_number(999999872, 0, 999999872, 9, 0); /* the last float that fits */
    ck_assert(!from_float(999999936, 0, &n));
    ck_assert(!from_float(1e9f, 0, &n) && !from_float(-1e9f, 0, &n));
    ck_assert(!from_float(10000, 5, &n) && from_float(10000, 4, &n));
    n = (cg_decimal) { 7, 7, 7, 7 };
    ck_assert(!from_float(NAN, 3, &n) && !from_float(-NAN, 3, &n));
    ck_assert(!from_float(INFINITY, 3, &n) && !from_float(-INFINITY, 3, &n));
    ck_assert(!from_float(3e38f, 3, &n)); /* the product overflows */
    ck_assert_int_eq(n.digits, 7);        /* unchanged */
}
END_TEST

/* Rounds to nearest, ties away from zero. */
START_TEST(decimals_are_rounded_to_nearest)
{
    for (int32_t decimals = 0; decimals <= 5; decimals++)
        for (int round = 0; round < 4000; round++) {
            float scale = (float[]) { 1, 10, 100, 1e3f, 1e4f, 1e5f }[decimals];
            float x = (float)below(1 << 24) / (float)(1 << below(24)) / scale;
            float size = x * scale;
            cg_decimal n = must_convert(round % 2 ? -x : x, decimals), want;

            ck_assert_msg(fabs((double)n.digits - (double)size) <= 0.5 &&
                              (double)n.digits - (double)size != -0.5,
                          "%.9g with %d decimals: %d", (double)x, decimals, n.digits);
            ck_assert_int_eq(n.minus, round % 2 && n.digits);
            want = number_of(n.digits, decimals, n.minus);
            ck_assert(!memcmp(&want, &n, sizeof n));
        }
    expect_number(0.49999997f, 0, 0, 1, 0);
    expect_number(8388609, 0, 8388609, 7, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("number path");
    TCase *tc = tcase_create("numbers"), *path = tcase_create("paths");
    SRunner *sr;
    int failed;

    tcase_add_test(tc, decimals_of_floats);
    tcase_add_test(tc, decimals_are_rounded_to_nearest);
    suite_add_tcase(s, tc);
    tcase_add_checked_fixture(path, setup, teardown);
    tcase_set_timeout(path, 60);
    tcase_add_loop_test(path, paths_are_the_canonical_tokens, 0, N_STYLES);
    tcase_add_test(path, the_separator_may_precede_the_field);
    tcase_add_test(path, threads_find_the_same_path);
    tcase_add_test(path, numbers_outside_the_format_have_no_path);
    tcase_add_test(path, the_longest_path);
    tcase_add_test(path, text_before_the_number_is_ignored);
    tcase_add_test(path, a_short_path_is_found_after_a_long_one);
    tcase_add_test(path, cycles_end);
    tcase_add_test(path, free_tokens);
    tcase_add_loop_test(path, appended_numbers_are_read_back, 0, N_STYLES);
    tcase_add_test(path, the_limit_ends_a_path);
    suite_add_tcase(s, path);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
