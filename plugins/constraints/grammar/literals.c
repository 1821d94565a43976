/* SPDX-License-Identifier: MIT */
/* Literals: compiled from text to forced tokens and an entry state, verified, and cached. */
#include <stdio.h>
#include <string.h>

#include "grammar.h"

/* Bytes of the cache; beyond it, literals are compiled again for every molecule. */
enum { MAX_CACHED_BYTES = 64 << 20 };

static uint32_t hash_text(const char *text, uint32_t len)
{
    uint32_t h = 2166136261u;

    for (uint32_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)text[i]) * 16777619u;
    return h ^ h >> 15;
}

/* One allocation: the struct, its forced tokens, its text. NULL when out of memory. */
static struct literal *literal_new(const struct grammar *g, enum literal_kind kind,
                                   const char *text, uint32_t len, const int32_t *forced,
                                   int32_t n_forced, int32_t entry)
{
    struct literal *literal =
        cg_host_zalloc(g->host, 1, sizeof *literal + (size_t)n_forced * sizeof *forced + len + 1);

    if (!literal)
        return NULL;
    literal->kind = kind;
    literal->hash = hash_text(text, len);
    literal->len = len;
    literal->entry = entry;
    literal->n_forced = n_forced;
    literal->forced = (int32_t *)(literal + 1);
    if (n_forced)
        memcpy(literal->forced, forced, (size_t)n_forced * sizeof *forced);
    literal->text = (char *)(literal->forced + n_forced);
    memcpy(literal->text, text, len);
    return literal;
}

static int is_literal(const struct literal *literal, enum literal_kind kind, uint32_t hash,
                      const char *text, uint32_t len)
{
    return literal->hash == hash && literal->len == len && literal->kind == kind &&
           !memcmp(literal->text, text, len);
}

/* ---- tails -------------------------------------------------------------------------------- */

/* Compiles a tail with every sign and integer; *ret_entry is the state before it. */
static cg_status compile_tail(struct grammar *g, const char *tail, uint32_t len, int32_t *ret_entry,
                              cg_error *err)
{
    size_t max_tokens = (size_t)len + GRAMMAR_MAX_NUMBER; /* a token is at least a byte */
    cg_path *paths = cg_host_zalloc(g->host, (size_t)g->n_integer_parts, sizeof *paths);
    int32_t *tokens =
        cg_host_zalloc(g->host, (size_t)g->n_integer_parts * max_tokens, sizeof *tokens);
    char *text = cg_host_zalloc(g->host, (size_t)len + 2 * GRAMMAR_MAX_NUMBER, 1);
    cg_status st = CG_OK;

    if (!paths || !tokens || !text) {
        st = grammar_nomem(g, err);
        goto out;
    }
    memcpy(text, tail, len);
    for (int32_t i = 0; i < g->n_integer_parts; i++) {
        const struct integer_part *p = &g->integer_parts[i];
        int32_t *path = tokens + (size_t)i * max_tokens;
        uint32_t end = len + p->len, text_len;
        int32_t first, n;

        memcpy(text + len, p->text, p->len);
        snprintf(text + end, GRAMMAR_MAX_NUMBER, "%0*d,", (int)g->format->decimals, 1);
        text_len = (uint32_t)strlen(text);
        CG_TRY_GOTO(st, grammar_pretokenize(g, text, text_len, 0, end, &n, err), out);
        CG_TRY_GOTO(st, grammar_encode_range(g, text, text_len, 0, end, &first, &n, err), out);
        memcpy(path, g->ids + first, (size_t)n * sizeof *path);
        paths[i] = (cg_path) { path, n, p->decimals_state };
    }
    st = cg_automaton_builder_paths(&g->tables, paths, g->n_integer_parts, ret_entry, err);
out:
    cg_host_free(g->host, paths);
    cg_host_free(g->host, tokens);
    cg_host_free(g->host, text);
    return st;
}

/* Returns the state before a tail and a number, from the cache or compiled. */
static cg_status get_tail(struct grammar *g, const char *tail, uint32_t len, int32_t *ret_entry,
                          cg_error *err)
{
    uint32_t hash = hash_text(tail, len);
    struct literal *known;
    int32_t entry;

    for (known = g->tails; known; known = known->link)
        if (is_literal(known, LITERAL_INNER, hash, tail, len)) {
            *ret_entry = known->entry;
            return CG_OK;
        }
    CG_TRY(compile_tail(g, tail, len, &entry, err));
    known = literal_new(g, LITERAL_INNER, tail, len, NULL, 0, entry);
    if (!known)
        return grammar_nomem(g, err);
    known->link = g->tails;
    g->tails = known;
    *ret_entry = entry;
    return CG_OK;
}

/*
 * Finds the start of the literal's last pre-token: the last boundary within text[begin, end] that
 * exists whatever number follows. Tries every combination of sign and count of integer digits until
 * none of them moves the boundary.
 */
static cg_status find_tail(struct grammar *g, char *text, uint32_t begin, uint32_t end,
                           uint32_t *ret_tail, cg_error *err)
{
    uint32_t tail = end;
    int moved;

    do {
        moved = 0;
        for (int32_t digits = 1; digits <= g->format->max_integer_digits; digits++)
            for (int negative = 0; negative < 2; negative++) {
                uint32_t len =
                    end + (uint32_t)sprintf(text + end, "%s%.*s.%0*d,", negative ? "-" : "",
                                            (int)digits, "1234567", (int)g->format->decimals, 1);
                int32_t n;

                CG_TRY(grammar_pretokenize(g, text, len, begin, len - 1, &n, err));
                for (; !grammar_is_boundary(g->ends, n, tail); tail--)
                    moved = 1;
            }
    } while (moved);
    *ret_tail = tail;
    return CG_OK;
}

/* ---- literals ----------------------------------------------------------------------------- */

/* Compiles literal_text[0, len). */
static cg_status compile_literal(struct grammar *g, enum literal_kind kind,
                                 const char *literal_text, uint32_t len,
                                 struct literal **ret_literal, cg_error *err)
{
    const char *before = kind == LITERAL_FIRST ? g->format->begin : g->sample_number;
    const char *after = g->format->end, *stop = g->format->stop;
    uint32_t begin = (uint32_t)strlen(before), end = begin + len;
    /* The begin token belongs to the forced tokens of the first literal. It is an added token:
     * pre-tokenization starts after it. */
    uint32_t forced_begin = kind == LITERAL_FIRST ? 0 : begin, forced_end = 0;
    uint32_t skip = kind == LITERAL_FIRST ? begin : 0;
    char *text = cg_host_zalloc(
        g->host, (size_t)end + strlen(after) + strlen(stop) + 2 * GRAMMAR_MAX_NUMBER, 1);
    int32_t first = 0, n = 0, entry = CG_EXIT;
    cg_status st = CG_OK;

    if (!text)
        return grammar_nomem(g, err);
    memcpy(text, before, begin);
    memcpy(text + begin, literal_text, len);
    if (kind == LITERAL_LAST) {
        CG_TRY_GOTO(st, grammar_pretokenize(g, text, end, begin, end, &n, err), out);
        strcpy(text + end, after);
        strcat(text + end, stop);
        forced_end = (uint32_t)strlen(text);
    } else {
        CG_TRY_GOTO(st, find_tail(g, text + skip, begin - skip, end - skip, &forced_end, err), out);
        forced_end += skip;
        CG_TRY_GOTO(st,
                    get_tail(g, literal_text + (forced_end - begin), end - forced_end, &entry, err),
                    out);
        sprintf(text + end, "1.%0*d,", (int)g->format->decimals, 1);
    }
    n = 0;
    if (forced_end > forced_begin)
        CG_TRY_GOTO(st,
                    grammar_encode_range(g, text, (uint32_t)strlen(text), forced_begin, forced_end,
                                         &first, &n, err),
                    out);
    *ret_literal = literal_new(g, kind, literal_text, len, g->ids + first, n, entry);
    if (!*ret_literal)
        st = grammar_nomem(g, err);
out:
    cg_host_free(g->host, text);
    return st;
}

/* True if the tables accept ids[0, n) as the literal and a number. Walks them as a decoder does. */
static int accepts(const struct grammar *g, const struct literal *literal, const int32_t *ids,
                   int32_t n)
{
    int32_t state = literal->entry, i = 0;

    for (; i < literal->n_forced; i++)
        if (i >= n || ids[i] != literal->forced[i])
            return 0;
    for (; state != CG_EXIT; i++) {
        int32_t t = g->tables.row[state], end = g->tables.row[state + 1];

        while (t < end && (i >= n || g->tables.token[t] != ids[i]))
            t++;
        if (t == end)
            return 0;
        state = g->tables.next[t];
    }
    return i == n;
}

/*
 * Verifies the assumptions in grammar.h: that the pre-tokenizer distinguishes shapes of numbers but
 * not single digits, and does not look back across a boundary. Tokenizes the literal with numbers
 * of every shape as a whole; the tables must accept the tokens.
 */
static cg_status verify_literal(struct grammar *g, const struct literal *literal, cg_error *err)
{
    const char *before = literal->kind == LITERAL_FIRST ? g->format->begin : g->sample_number;
    uint32_t literal_begin = (uint32_t)strlen(before);
    uint32_t begin = literal->kind == LITERAL_FIRST ? 0 : literal_begin;
    int32_t integers = g->n_integer_parts / 2;
    char *text =
        cg_host_zalloc(g->host, (size_t)literal_begin + literal->len + 2 * GRAMMAR_MAX_NUMBER, 1);
    cg_status st = CG_OK;

    if (!text)
        return grammar_nomem(g, err);
    /* 0, 3, 9, 21, 45, 93, 189: some of every number of digits, with either sign */
    for (int32_t v = 0; v < integers; v = 2 * v + 3)
        for (int32_t i = v; i < g->n_integer_parts; i += integers) {
            int32_t first, n;
            uint32_t len = (uint32_t)sprintf(text, "%s%s%s%0*d>", before, literal->text,
                                             g->integer_parts[i].text, (int)g->format->decimals,
                                             7 * i % 97 + 1);

            CG_TRY_GOTO(st, grammar_encode_range(g, text, len, begin, len - 1, &first, &n, err),
                        out);
            if (!accepts(g, literal, g->ids + first, n)) {
                st = g->host->fail(err, CG_ERR_UNSUPPORTED,
                                   "grammar: the tokenizer splits '%.80s' differently from its "
                                   "parts",
                                   text);
                goto out;
            }
        }
out:
    cg_host_free(g->host, text);
    return st;
}

cg_status grammar_get_literal_locked(struct grammar *g, enum literal_kind kind, const char *text,
                                     uint32_t len, struct literal **ret_literal, cg_error *err)
{
    uint32_t hash = hash_text(text, len);
    struct literal **list = &g->literals[(hash + (uint32_t)kind) % GRAMMAR_LITERAL_BUCKETS];
    struct literal *literal;
    cg_status st;

    for (literal = *list; literal; literal = literal->link)
        if (is_literal(literal, kind, hash, text, len)) {
            *ret_literal = literal;
            return CG_OK;
        }
    CG_TRY(compile_literal(g, kind, text, len, &literal, err));
    if (kind != LITERAL_LAST && (st = verify_literal(g, literal, err)) != CG_OK) {
        cg_host_free(g->host, literal);
        return st;
    }
    if (g->cached_bytes > MAX_CACHED_BYTES)
        list = &g->uncached;
    else
        g->cached_bytes += sizeof *literal + len + (size_t)literal->n_forced * sizeof(int32_t);
    literal->link = *list;
    *list = literal;
    *ret_literal = literal;
    return CG_OK;
}

static void free_list(const struct grammar *g, struct literal **list)
{
    while (*list) {
        struct literal *literal = *list;

        *list = literal->link;
        cg_host_free(g->host, literal);
    }
}

void grammar_free_uncached_locked(struct grammar *g)
{
    free_list(g, &g->uncached);
}

void grammar_free_literals(struct grammar *g)
{
    for (int32_t b = 0; b < GRAMMAR_LITERAL_BUCKETS; b++)
        free_list(g, &g->literals[b]);
    free_list(g, &g->tails);
    free_list(g, &g->uncached);
}
