/* SPDX-License-Identifier: MIT */
/* Heads and decimals of all numbers, and the states that accept them. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "grammar.h"

static int32_t power_of_ten(int32_t n)
{
    int32_t p = 1;

    while (n-- > 0)
        p *= 10;
    return p;
}

/* ---- decimals ----------------------------------------------------------------------------- */

static int32_t count_decimals(const struct grammar *g)
{
    if (g->numbers.listed)
        return 0;
    return power_of_ten(g->format->decimals) - (g->numbers.strip_zeros ? 1 : 0);
}

/* Writes decimals k: 0000, 0001, ..; with zeros stripped 0001, .., 0009, 001, .. @return length */
static uint32_t write_decimals(const struct grammar *g, int32_t k, char *ret_text)
{
    int32_t len = sprintf(ret_text, "%0*d", (int)g->format->decimals,
                          (int)k + (g->numbers.strip_zeros ? 1 : 0));

    while (g->numbers.strip_zeros && ret_text[len - 1] == '0')
        len--;
    ret_text[len] = '\0';
    return (uint32_t)len;
}

static cg_status tokenize_decimals(struct grammar *g, cg_error *err)
{
    int32_t count = count_decimals(g);

    for (int32_t k = 0; k < count; k++) {
        char text[3 * GRAMMAR_MAX_NUMBER + CG_MAX_SEPARATOR] = "0.";
        uint32_t end = 2 + write_decimals(g, k, text + 2);
        int32_t first, n;

        strcpy(text + end, g->after_number);
        CG_TRY(grammar_split(g, text, (uint32_t)strlen(text), 2, end, &n, err));
        CG_TRY(grammar_encode_range(g, text, (uint32_t)strlen(text), 2, end, &first, &n, err));
        CG_TRY(grammar_add_path(g, &g->decimals, g->ids + first, n, err));
    }
    return CG_OK;
}

uint32_t grammar_sample(const struct grammar *g, int32_t head, int32_t k, char *ret_text,
                        const int32_t **ret_rest, int32_t *ret_n)
{
    const struct number_head *h = &g->heads[head];
    int32_t count = count_decimals(g), at = 0;

    strcpy(ret_text, h->text);
    *ret_n = 0;
    if (h->rest == REST_NONE)
        return h->len;
    if (!g->numbers.strip_zeros)
        at = 7 * k % 97 % (count - 1) + 1; /* not zero */
    else if (k % 2)
        at = (k % 9 + 1) * power_of_ten(g->format->decimals - 1) - 1; /* one digit */
    else
        at = 7 * k % 97 % count;
    *ret_rest = grammar_path(&g->decimals, at, ret_n);
    return h->len + write_decimals(g, at, ret_text + h->len);
}

/* ---- heads -------------------------------------------------------------------------------- */

static void add_head(struct grammar *g, const char *text, enum rest rest)
{
    g->heads[g->n_heads++] = (struct number_head) { text, (uint32_t)strlen(text), rest };
}

static void add_integer(struct grammar *g, int negative, int32_t value, const char *point,
                        enum rest rest)
{
    char *text = g->head_texts[g->n_heads];

    snprintf(text, GRAMMAR_MAX_HEAD, "%s%d%s", negative ? "-" : "", (int)value, point);
    add_head(g, text, rest);
}

/* "0." and up, then "-0." and on; then, with zeros stripped, "0" and up, "-1" and on. */
static void add_decimal_heads(struct grammar *g, int32_t integers)
{
    for (int32_t i = 0; i < 2 * integers; i++)
        add_integer(g, i >= integers, i % integers, ".",
                    i == integers ? REST_NONZERO_DECIMALS : REST_DECIMALS);
    for (int32_t i = 0; i < 2 * integers && g->numbers.strip_zeros; i++)
        if (i != integers)
            add_integer(g, i > integers, i % integers, "", REST_NONE);
}

static cg_status make_heads(struct grammar *g, cg_error *err)
{
    int32_t integers = g->numbers.listed ? 0 : power_of_ten(g->format->max_integer_digits);
    size_t n_texts = (size_t)integers * (g->numbers.strip_zeros ? 4 : 2);
    size_t n = n_texts + (size_t)g->numbers.n_listed;

    g->heads = cg_host_zalloc(g->host, n, sizeof *g->heads);
    g->head_texts = cg_host_zalloc(g->host, n_texts, sizeof *g->head_texts);
    if (!g->heads || !g->head_texts)
        return grammar_nomem(g, err);
    if (!g->numbers.listed)
        add_decimal_heads(g, integers);
    for (int32_t i = 0; i < g->numbers.n_listed; i++)
        add_head(g, g->numbers.listed[i], REST_NONE);
    return CG_OK;
}

/* Is all of the number one added token? */
static cg_status is_added(struct grammar *g, const struct number_head *h, int32_t *ret,
                          cg_error *err)
{
    uint32_t len;
    int32_t n;

    *ret = 0;
    if (h->rest != REST_NONE)
        return CG_OK;
    CG_TRY(
        g->vocab->encode(g->vocab->ctx, h->text, h->len, g->ids, g->ranges, g->capacity, &n, err));
    if (n == 1)
        g->vocab->token(g->vocab->ctx, g->ids[0], &len, ret);
    return CG_OK;
}

/* Do two heads differ in their digits only? */
static int same_shape(const struct number_head *a, const struct number_head *b)
{
    if (a->len != b->len || a->rest != b->rest)
        return 0;
    for (uint32_t i = 0; i < a->len; i++)
        if (a->text[i] != b->text[i] &&
            !(isdigit((unsigned char)a->text[i]) && isdigit((unsigned char)b->text[i])))
            return 0;
    return 1;
}

/* Pre-tokenizers distinguish shapes of numbers but not single digits: finds a head of each. */
static cg_status find_shapes(struct grammar *g, cg_error *err)
{
    int32_t added[GRAMMAR_MAX_SHAPES];

    for (int32_t i = 0; i < g->n_heads; i++) {
        int32_t mine, k = 0;

        CG_TRY(is_added(g, &g->heads[i], &mine, err));
        while (k < g->n_shapes &&
               (added[k] != mine || !same_shape(&g->heads[g->shape[k]], &g->heads[i])))
            k++;
        if (k < g->n_shapes)
            continue;
        if (k == GRAMMAR_MAX_SHAPES)
            return g->host->fail(err, CG_ERR_UNSUPPORTED,
                                 "grammar: number '%s' has another sign, length or bracket than %d "
                                 "others, which differ in them: wanted fewer kinds of numbers",
                                 g->heads[i].text, GRAMMAR_MAX_SHAPES);
        added[k] = mine;
        g->shape[g->n_shapes++] = i;
    }
    return CG_OK;
}

/* A separator and a number, or "," where only the texts of molecules follow numbers. */
static cg_status make_after_number(struct grammar *g, cg_error *err)
{
    char number[GRAMMAR_MAX_NUMBER];
    size_t size = strlen(g->numbers.separator) + 2 * sizeof number;

    g->after_number = cg_host_zalloc(g->host, size, 1);
    if (!g->after_number)
        return grammar_nomem(g, err);
    strcpy(number, g->heads[0].text);
    if (g->heads[0].rest != REST_NONE)
        write_decimals(g, 1, number + g->heads[0].len);
    if (g->numbers.fields_per_literal == 1)
        strcpy(g->after_number, ",");
    else
        sprintf(g->after_number, "%s%s", g->numbers.separator, number);
    return CG_OK;
}

cg_status grammar_compile_numbers(struct grammar *g, cg_error *err)
{
    CG_TRY(make_heads(g, err));
    CG_TRY(find_shapes(g, err));
    CG_TRY(make_after_number(g, err));
    return tokenize_decimals(g, err);
}

/* ---- states ------------------------------------------------------------------------------- */

cg_status grammar_continue(struct grammar *g, struct continuation *c, cg_error *err)
{
    int32_t n = g->decimals.n;
    cg_path *paths;
    cg_status st = CG_OK;

    c->any_decimals = c->nonzero_decimals = c->next;
    if (n == 0)
        return CG_OK;
    paths = cg_host_zalloc(g->host, (size_t)n, sizeof *paths);
    if (!paths)
        return grammar_nomem(g, err);
    for (int32_t k = 0; k < n; k++) {
        paths[k].token = grammar_path(&g->decimals, k, &paths[k].n);
        paths[k].next = c->next;
    }
    /* paths[0] is zero, unless zeros are stripped: then there is none, and both states are one. The
     * nonzero ones come first, because the call sorts its argument. */
    if (!g->numbers.strip_zeros)
        CG_TRY_GOTO(
            st, cg_automaton_builder_paths(&g->tables, paths + 1, n - 1, &c->nonzero_decimals, err),
            out);
    CG_TRY_GOTO(st, cg_automaton_builder_paths(&g->tables, paths, n, &c->any_decimals, err), out);
    if (g->numbers.strip_zeros)
        c->nonzero_decimals = c->any_decimals;
out:
    cg_host_free(g->host, paths);
    return st;
}

void grammar_free_entries(const struct grammar *g, struct continuation *c)
{
    while (c->entries) {
        struct tail_state *entry = c->entries;

        c->entries = entry->link;
        cg_host_free(g->host, entry);
    }
}

/* Builds the state before a tail and a number. */
static cg_status build_entry(struct grammar *g, const struct tail *tail, int32_t skip,
                             const struct continuation *c, int32_t *ret_state, cg_error *err)
{
    cg_path *paths = cg_host_zalloc(g->host, (size_t)g->n_heads, sizeof *paths);
    cg_status st;

    if (!paths)
        return grammar_nomem(g, err);
    for (int32_t i = 0; i < g->n_heads; i++) {
        enum rest rest = g->heads[i].rest;

        paths[i].token = grammar_path(&tail->paths, i, &paths[i].n) + skip;
        paths[i].n -= skip;
        paths[i].next = rest == REST_NONE       ? c->next
                        : rest == REST_DECIMALS ? c->any_decimals
                                                : c->nonzero_decimals;
    }
    st = cg_automaton_builder_paths(&g->tables, paths, g->n_heads, ret_state, err);
    cg_host_free(g->host, paths);
    return st;
}

cg_status grammar_get_entry(struct grammar *g, const struct tail *tail, int32_t skip,
                            struct continuation *c, int32_t *ret_state, cg_error *err)
{
    struct tail_state *entry;
    int32_t state;

    for (entry = c->entries; entry; entry = entry->link)
        if (entry->tail == tail && entry->skip == skip) {
            *ret_state = entry->state;
            return CG_OK;
        }
    CG_TRY(build_entry(g, tail, skip, c, &state, err));
    entry = cg_host_zalloc(g->host, 1, sizeof *entry);
    if (!entry)
        return grammar_nomem(g, err);
    *entry = (struct tail_state) { c->entries, tail, skip, state };
    c->entries = entry;
    *ret_state = state;
    return CG_OK;
}
