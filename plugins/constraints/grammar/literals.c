/* SPDX-License-Identifier: MIT */
/* Literals: compiled from text to forced tokens and a tail, verified, and cached. */
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
                                   int32_t n_forced)
{
    struct literal *literal =
        cg_host_zalloc(g->host, 1, sizeof *literal + (size_t)n_forced * sizeof *forced + len + 1);

    if (!literal)
        return NULL;
    literal->kind = kind;
    literal->hash = hash_text(text, len);
    literal->len = len;
    literal->entry = CG_EXIT;
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

/* A buffer for a literal of `len` bytes between the texts that may precede and follow it. */
static char *text_new(const struct grammar *g, uint32_t len)
{
    size_t around = strlen(g->format->begin) + strlen(g->format->end) + strlen(g->format->stop) +
                    strlen(g->numbers.separator) + strlen(g->after_number);

    return cg_host_zalloc(g->host, len + around + 4 * (size_t)GRAMMAR_MAX_NUMBER, 1);
}

/* ---- tails -------------------------------------------------------------------------------- */

/* Tokenizes a tail with every head. */
static cg_status compile_tail(struct grammar *g, struct tail *tail, cg_error *err)
{
    char *text = text_new(g, tail->len);
    const int32_t *rest;
    int32_t first, n;
    cg_status st = CG_OK;

    if (!text)
        return grammar_nomem(g, err);
    memcpy(text, tail->text, tail->len);
    for (int32_t i = 0; i < g->n_heads; i++) {
        uint32_t end = tail->len + g->heads[i].len, len;

        len = tail->len + grammar_sample(g, i, 0, text + tail->len, &rest, &n);
        strcpy(text + len, g->after_number);
        len += (uint32_t)strlen(g->after_number);
        CG_TRY_GOTO(st, grammar_split(g, text, len, 0, end, &n, err), out);
        CG_TRY_GOTO(st, grammar_encode_range(g, text, len, 0, end, &first, &n, err), out);
        CG_TRY_GOTO(st, grammar_add_path(g, &tail->paths, g->ids + first, n, err), out);
    }
out:
    cg_host_free(g->host, text);
    return st;
}

static void free_tail(const struct grammar *g, struct tail *tail)
{
    grammar_paths_finish(g, &tail->paths);
    cg_host_free(g->host, tail);
}

/* Returns the tail with this text, from the cache or compiled. */
static cg_status get_tail(struct grammar *g, const char *text, uint32_t len, struct tail **ret_tail,
                          cg_error *err)
{
    uint32_t hash = hash_text(text, len);
    struct tail *tail;
    cg_status st;

    for (tail = g->tails; tail; tail = tail->link)
        if (tail->hash == hash && tail->len == len && !memcmp(tail->text, text, len)) {
            *ret_tail = tail;
            return CG_OK;
        }
    tail = cg_host_zalloc(g->host, 1, sizeof *tail + len + 1);
    if (!tail)
        return grammar_nomem(g, err);
    tail->hash = hash;
    tail->len = len;
    memcpy(tail->text, text, len);
    st = compile_tail(g, tail, err);
    if (st != CG_OK) {
        free_tail(g, tail);
        return st;
    }
    tail->link = g->tails;
    g->tails = tail;
    *ret_tail = tail;
    return CG_OK;
}

cg_status grammar_find_number_ends(struct grammar *g, cg_error *err)
{
    struct tail *no_tail = NULL;
    cg_path *paths;

    g->fields_are_atoms = g->decimals.n && g->numbers.strip_zeros;
    if (g->decimals.n)
        return CG_OK;
    CG_TRY(get_tail(g, "", 0, &no_tail, err));
    paths = cg_host_zalloc(g->host, (size_t)g->n_heads, sizeof *paths);
    if (!paths)
        return grammar_nomem(g, err);
    for (int32_t i = 0; i < g->n_heads; i++)
        paths[i].token = grammar_path(&no_tail->paths, i, &paths[i].n);
    g->fields_are_atoms = cg_paths_have_prefixes(paths, g->n_heads);
    cg_host_free(g->host, paths);
    return CG_OK;
}

/*
 * Finds the start of the literal's last pre-token: the last boundary within text[begin, end] that
 * exists whatever number follows. Tries numbers of every shape until none of them moves the
 * boundary.
 */
static cg_status find_tail(struct grammar *g, char *text, uint32_t begin, uint32_t end,
                           uint32_t *ret_tail, cg_error *err)
{
    uint32_t tail = end;
    int moved;

    do {
        moved = 0;
        for (int32_t k = 0; k < g->n_shapes; k++) {
            const int32_t *rest;
            int32_t n;
            uint32_t number_end = end + grammar_sample(g, g->shape[k], k, text + end, &rest, &n);

            strcpy(text + number_end, g->after_number);
            CG_TRY(grammar_split(g, text, (uint32_t)strlen(text), begin, number_end, &n, err));
            for (; !grammar_is_boundary(g->ends, n, tail); tail--)
                moved = 1;
        }
    } while (moved);
    *ret_tail = tail;
    return CG_OK;
}

/* ---- closing tokens ----------------------------------------------------------------------- */

/* Builds the states of an atom from right to left: closing token, numbers, separators. */
static cg_status build_closing(struct grammar *g, struct closing *closing, cg_error *err)
{
    struct continuation c = { .next = CG_EXIT };
    cg_status st;

    CG_TRY(cg_automaton_builder_state(&g->tables, 1, &closing->token, &c.next, &c.next, err));
    for (int32_t k = 1; k < g->numbers.fields_per_literal; k++) {
        const struct literal *separator = g->separator;

        CG_TRY(grammar_continue(g, &c, err));
        st = grammar_get_entry(g, separator->tail, 0, &c, &c.next, err);
        grammar_free_entries(g, &c);
        if (st != CG_OK)
            return st;
        for (int32_t i = separator->n_forced - 1; i >= 0; i--)
            CG_TRY(cg_automaton_builder_state(&g->tables, 1, &separator->forced[i], &c.next,
                                              &c.next, err));
    }
    closing->first_number.next = c.next;
    return grammar_continue(g, &closing->first_number, err);
}

static cg_status get_closing(struct grammar *g, int32_t token, struct closing **ret_closing,
                             cg_error *err)
{
    struct closing *closing;
    cg_status st;

    for (closing = g->closings; closing; closing = closing->link)
        if (closing->token == token) {
            *ret_closing = closing;
            return CG_OK;
        }
    closing = cg_host_zalloc(g->host, 1, sizeof *closing);
    if (!closing)
        return grammar_nomem(g, err);
    closing->token = token;
    st = build_closing(g, closing, err);
    if (st != CG_OK) {
        cg_host_free(g->host, closing);
        return st;
    }
    closing->link = g->closings;
    g->closings = closing;
    *ret_closing = closing;
    return CG_OK;
}

/* Takes the closing token from the start of a literal: a forced one, or the first of the tail. */
static cg_status take_closing(struct grammar *g, struct literal *literal, cg_error *err)
{
    const struct tail *tail = literal->tail;
    int32_t token = 0, n, is_same = 1;

    if (literal->n_forced) {
        CG_TRY(get_closing(g, literal->forced[0], &literal->closing, err));
        literal->forced++;
        literal->n_forced--;
        return CG_OK;
    }
    if (!tail)
        return g->host->fail(err, CG_ERR_UNSUPPORTED,
                             "grammar: no text follows the last number, wanted one that shows "
                             "where it ends");
    for (int32_t i = 0; i < g->n_heads && is_same; i++) {
        const int32_t *path = grammar_path(&tail->paths, i, &n);

        if (i == 0)
            token = path[0];
        is_same = n > 1 && path[0] == token;
    }
    if (!is_same)
        return g->host->fail(err, CG_ERR_UNSUPPORTED,
                             "grammar: the first token of '%.80s' between two numbers depends on "
                             "the second one, so that it does not show where the first one ends: "
                             "use --constraint none or another tokenizer",
                             literal->text);
    literal->skip = 1;
    return get_closing(g, token, &literal->closing, err);
}

/* ---- literals ----------------------------------------------------------------------------- */

/* Compiles literal_text[0, len) to forced tokens and a tail. */
static cg_status compile_literal(struct grammar *g, enum literal_kind kind,
                                 const char *literal_text, uint32_t len,
                                 struct literal **ret_literal, cg_error *err)
{
    char *text = text_new(g, len);
    uint32_t begin, end, forced_begin, forced_end;
    struct tail *tail = NULL;
    const int32_t *rest;
    int32_t first = 0, n = 0;
    cg_status st = CG_OK;

    if (!text)
        return grammar_nomem(g, err);
    if (kind == LITERAL_FIRST)
        begin = (uint32_t)(stpcpy(text, g->format->begin) - text);
    else
        begin = grammar_sample(g, 0, 0, text, &rest, &n);
    end = begin + len;
    /* The begin text belongs to the forced tokens of the first literal. */
    forced_begin = kind == LITERAL_FIRST ? 0 : begin;
    memcpy(text + begin, literal_text, len);
    if (kind == LITERAL_LAST) {
        strcpy(text + end, g->format->end);
        strcat(text + end, g->format->stop);
        forced_end = (uint32_t)strlen(text);
        CG_TRY_GOTO(st, grammar_split(g, text, forced_end, begin, begin, &n, err), out);
    } else {
        CG_TRY_GOTO(st, find_tail(g, text, forced_begin, end, &forced_end, err), out);
        CG_TRY_GOTO(st, get_tail(g, text + forced_end, end - forced_end, &tail, err), out);
    }
    n = 0;
    if (forced_end > forced_begin)
        CG_TRY_GOTO(st,
                    grammar_encode_range(g, text, (uint32_t)strlen(text), forced_begin, forced_end,
                                         &first, &n, err),
                    out);
    *ret_literal = literal_new(g, kind, literal_text, len, g->ids + first, n);
    if (*ret_literal)
        (*ret_literal)->tail = tail;
    else
        st = grammar_nomem(g, err);
out:
    cg_host_free(g->host, text);
    return st;
}

/* Are ids[0, n) the forced tokens, the tail with head i, and `rest`? */
static int is_tokenization(const struct literal *literal, int32_t i, const int32_t *rest,
                           int32_t n_rest, const int32_t *ids, int32_t n)
{
    int32_t n_path = 0, n_forced = literal->n_forced;
    const int32_t *path = literal->tail ? grammar_path(&literal->tail->paths, i, &n_path) : NULL;

    return n == n_forced + n_path + n_rest &&
           !memcmp(ids, literal->forced, (size_t)n_forced * sizeof *ids) &&
           (!n_path || !memcmp(ids + n_forced, path, (size_t)n_path * sizeof *ids)) &&
           (!n_rest || !memcmp(ids + n_forced + n_path, rest, (size_t)n_rest * sizeof *ids));
}

/* Writes what precedes a literal: the begin text, or numbers of shape k. @return its length */
static uint32_t write_before(const struct grammar *g, enum literal_kind kind, int32_t k, char *text)
{
    const int32_t *rest;
    int32_t n, shape = g->shape[k % g->n_shapes];
    uint32_t len;

    if (kind == LITERAL_FIRST)
        return (uint32_t)(stpcpy(text, g->format->begin) - text);
    len = grammar_sample(g, shape, k, text, &rest, &n);
    if (kind == LITERAL_SEPARATOR && k % 2) { /* the second one */
        len = (uint32_t)(stpcpy(text + len, g->numbers.separator) - text);
        len += grammar_sample(g, shape, k + 1, text + len, &rest, &n);
    }
    return len;
}

/* Tokenizes the literal as a whole, with head i behind it unless it is the last one. */
static cg_status verify_with_head(struct grammar *g, const struct literal *literal, int32_t i,
                                  int32_t k, char *text, cg_error *err)
{
    uint32_t before = write_before(g, literal->kind, k, text);
    uint32_t begin = literal->kind == LITERAL_FIRST ? 0 : before, end = before + literal->len;
    const int32_t *rest = NULL;
    int32_t n_rest = 0, first = 0, n = 0;

    memcpy(text + before, literal->text, literal->len);
    if (literal->kind == LITERAL_LAST) {
        end = (uint32_t)(stpcpy(stpcpy(text + end, g->format->end), g->format->stop) - text);
    } else {
        end += grammar_sample(g, i, k, text + end, &rest, &n_rest);
        strcpy(text + end, g->after_number);
    }
    if (end > begin)
        CG_TRY(grammar_encode_range(g, text, (uint32_t)strlen(text), begin, end, &first, &n, err));
    if (!is_tokenization(literal, i, rest, n_rest, g->ids + first, n))
        return g->host->fail(err, CG_ERR_UNSUPPORTED,
                             "grammar: the tokenizer splits '%.80s' differently from its parts",
                             text);
    return CG_OK;
}

/*
 * Verifies the assumptions in grammar.h: that the pre-tokenizer distinguishes shapes of numbers but
 * not single digits, and does not look back across a boundary. Tokenizes the literal between
 * numbers of every shape as a whole.
 */
static cg_status verify_literal(struct grammar *g, const struct literal *literal, cg_error *err)
{
    char *text = text_new(g, literal->len);
    int32_t k = 0;
    cg_status st = CG_OK;

    if (!text)
        return grammar_nomem(g, err);
    for (; k < g->n_shapes; k++)
        CG_TRY_GOTO(st, verify_with_head(g, literal, g->shape[k], k, text, err), out);
    /* 0, 3, 9, 21, 45, ..: some of every number of digits, from both ends */
    for (int32_t i = 0; i < g->n_heads && literal->kind != LITERAL_LAST; i = 2 * i + 3, k += 2) {
        CG_TRY_GOTO(st, verify_with_head(g, literal, i, k, text, err), out);
        CG_TRY_GOTO(st, verify_with_head(g, literal, g->n_heads - 1 - i, k + 1, text, err), out);
    }
out:
    cg_host_free(g->host, text);
    return st;
}

/* Compiles and verifies a literal, and finds the state or the closing token that it stands for. */
static cg_status make_literal(struct grammar *g, enum literal_kind kind, const char *text,
                              uint32_t len, struct literal **ret_literal, cg_error *err)
{
    struct literal *literal = NULL;
    cg_status st;

    CG_TRY(compile_literal(g, kind, text, len, &literal, err));
    CG_TRY_GOTO(st, verify_literal(g, literal, err), out);
    if (g->fields_are_atoms && (kind == LITERAL_INNER || kind == LITERAL_LAST))
        CG_TRY_GOTO(st, take_closing(g, literal, err), out);
    else if (!g->fields_are_atoms && kind != LITERAL_LAST)
        CG_TRY_GOTO(st, grammar_get_entry(g, literal->tail, 0, &g->exit, &literal->entry, err),
                    out);
    *ret_literal = literal;
    literal = NULL;
out:
    cg_host_free(g->host, literal);
    return st;
}

cg_status grammar_get_literal_locked(struct grammar *g, enum literal_kind kind, const char *text,
                                     uint32_t len, struct literal **ret_literal, cg_error *err)
{
    uint32_t hash = hash_text(text, len);
    struct literal **list = &g->literals[(hash + (uint32_t)kind) % GRAMMAR_LITERAL_BUCKETS];
    struct literal *literal;

    for (literal = *list; literal; literal = literal->link)
        if (is_literal(literal, kind, hash, text, len)) {
            *ret_literal = literal;
            return CG_OK;
        }
    CG_TRY(make_literal(g, kind, text, len, &literal, err));
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
    free_list(g, &g->uncached);
    while (g->tails) {
        struct tail *tail = g->tails;

        g->tails = tail->link;
        free_tail(g, tail);
    }
    while (g->closings) {
        struct closing *closing = g->closings;

        g->closings = closing->link;
        grammar_free_entries(g, &closing->first_number);
        cg_host_free(g->host, closing);
    }
    grammar_free_entries(g, &g->exit);
}
