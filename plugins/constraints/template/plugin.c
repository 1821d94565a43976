/* SPDX-License-Identifier: MIT */
/*
 * template: the fixed-length scheme of earlier systems, kept to measure against.
 *
 * The molecule is written with a placeholder, "0.000,0.000,0.000", for every triple, and tokenized
 * once. Tokens of placeholders are free: there the model may write any token made of digits, '.',
 * ',' and '-'. All other tokens are forced. The count of free tokens is the placeholder's, so a
 * triple that needs more (a minus sign is a token for some tokenizers) is cut short, and one that
 * needs fewer is filled with junk. Both were measured on earlier systems; `grammar` cannot do
 * either.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <confgen/constraint.h>

#include "../common/tables.h"

enum {
    MAX_DECIMALS = 5,
    PLACEHOLDER = 3 * (2 + MAX_DECIMALS) + 3,
    MAX_CHAIN = 64, /* free tokens of one triple, at most */
};

struct scheme {
    const cg_host *host;
    const cg_vocabulary *vocab;
    const cg_text_format *format;
    char placeholder[PLACEHOLDER];
    pthread_mutex_t lock; /* tables and chain */
    cg_tables tables;
    int32_t n_free;
    int32_t *free_token; /* [n_free] ascending */
    int32_t *next;       /* [n_free] scratch */
    int32_t n_chain;
    int32_t chain[MAX_CHAIN]; /* chain[k]: k+1 free tokens to go */
};

static cg_status nomem(const struct scheme *c, cg_error *err)
{
    return c->host->fail(err, CG_ERR_NOMEM, "template: out of memory");
}

static void scheme_destroy(void *self)
{
    struct scheme *c = self;

    if (!c)
        return;
    if (c->tables.host)
        cg_tables_finish(&c->tables);
    free(c->free_token);
    free(c->next);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static int is_numeric(const char *bytes, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++)
        if (!strchr("0123456789.,-", bytes[i]) || !bytes[i])
            return 0;
    return len > 0;
}

static cg_status find_free_tokens(struct scheme *c, cg_error *err)
{
    c->free_token = calloc((size_t)c->vocab->n_tokens + 1, sizeof *c->free_token);
    c->next = calloc((size_t)c->vocab->n_tokens + 1, sizeof *c->next);
    if (!c->free_token || !c->next)
        return nomem(c, err);
    for (int32_t id = 0; id < c->vocab->n_tokens; id++) {
        uint32_t len;
        int32_t special;
        const char *bytes = c->vocab->token(c->vocab->ctx, id, &len, &special);

        if (bytes && !special && is_numeric(bytes, len))
            c->free_token[c->n_free++] = id;
    }
    if (c->n_free < 2)
        return c->host->fail(err, CG_ERR_UNSUPPORTED,
                             "template: %d tokens of digits, '.', ',' and '-' in this vocabulary",
                             c->n_free);
    return CG_OK;
}

static cg_status scheme_create(const cg_host *host, const cg_vocabulary *vocab,
                               const cg_text_format *format, void **ret_self, cg_error *err)
{
    struct scheme *c;
    cg_status status;

    if (format->decimals < 1 || format->decimals > MAX_DECIMALS)
        return host->fail(err, CG_ERR_UNSUPPORTED, "template: %d decimals; 1 to %d are served",
                          format->decimals, MAX_DECIMALS);
    c = calloc(1, sizeof *c);
    if (!c)
        return host->fail(err, CG_ERR_NOMEM, "template: out of memory");
    c->host = host;
    c->vocab = vocab;
    c->format = format;
    pthread_mutex_init(&c->lock, NULL);
    snprintf(c->placeholder, sizeof c->placeholder, "0.%0*d,0.%0*d,0.%0*d", (int)format->decimals,
             0, (int)format->decimals, 0, (int)format->decimals, 0);
    status = find_free_tokens(c, err);
    if (status == CG_OK)
        status = cg_tables_init(&c->tables, host, vocab->n_tokens, MAX_CHAIN,
                                MAX_CHAIN * c->n_free, err);
    if (status != CG_OK) {
        scheme_destroy(c);
        return status;
    }
    *ret_self = c;
    return CG_OK;
}

static const cg_automaton *scheme_automaton(const void *self)
{
    return &((const struct scheme *)self)->tables.automaton;
}

/* The state with n free tokens to go. */
static cg_status chain_state(struct scheme *c, int32_t n, int32_t *ret_state, cg_error *err)
{
    if (n < 1 || n > MAX_CHAIN)
        return c->host->fail(err, CG_ERR_UNSUPPORTED,
                             "template: the placeholder has %d tokens; 1 to %d are served", n,
                             MAX_CHAIN);
    for (; c->n_chain < n; c->n_chain++) {
        int32_t next = c->n_chain ? c->chain[c->n_chain - 1] : CG_EXIT;
        cg_status status;

        for (int32_t i = 0; i < c->n_free; i++)
            c->next[i] = next;
        status = cg_tables_state(&c->tables, c->n_free, c->free_token, c->next,
                                 &c->chain[c->n_chain], err);
        if (status != CG_OK)
            return status;
    }
    *ret_state = c->chain[n - 1];
    return CG_OK;
}

/* The text with placeholders; hole[a] is where atom a's stands. */
static char *write_text(const struct scheme *c, const cg_template *text, cg_range *hole,
                        uint32_t *ret_len)
{
    size_t per = strlen(c->placeholder);
    size_t room = strlen(c->format->begin) + strlen(c->format->end) + strlen(c->format->stop) +
                  text->gap[text->n_atoms].end + (size_t)text->n_atoms * per + 1;
    char *out = malloc(room), *at = out;

    if (!out)
        return NULL;
    at = stpcpy(at, c->format->begin);
    for (int32_t a = 0; a <= text->n_atoms; a++) {
        size_t len = text->gap[a].end - text->gap[a].begin;

        memcpy(at, text->text + text->gap[a].begin, len);
        at += len;
        if (a == text->n_atoms)
            break;
        hole[a].begin = (uint32_t)(at - out);
        at = stpcpy(at, c->placeholder);
        hole[a].end = (uint32_t)(at - out);
    }
    at = stpcpy(at, c->format->end);
    at = stpcpy(at, c->format->stop);
    *ret_len = (uint32_t)(at - out);
    return out;
}

/* Sort the tokens into free ones (of a hole) and forced ones (all others). */
static cg_status split_tokens(struct scheme *c, int32_t n_atoms, const cg_range *hole,
                              const int32_t *ids, const cg_range *ranges, int32_t n,
                              int32_t *entry, int32_t *span_start, int32_t *span_token,
                              cg_error *err)
{
    int32_t i = 0, n_span = 0;

    for (int32_t a = 0; a < n_atoms; a++) {
        int32_t n_free = 0;
        cg_status status;

        for (; i < n && ranges[i].end <= hole[a].begin; i++)
            span_token[n_span++] = ids[i];
        span_start[a + 1] = n_span;
        for (; i < n && ranges[i].begin < hole[a].end; i++)
            n_free++;
        status = chain_state(c, n_free, &entry[a], err);
        if (status != CG_OK)
            return status;
    }
    for (; i < n; i++)
        span_token[n_span++] = ids[i];
    span_start[n_atoms + 1] = n_span;
    return CG_OK;
}

static cg_status scheme_compile(void *self, const cg_template *text, cg_program **ret_program,
                                cg_error *err)
{
    struct scheme *c = self;
    int32_t n_atoms = text->n_atoms, n = 0;
    uint32_t len = 0;
    cg_range *hole = calloc((size_t)n_atoms + 1, sizeof *hole), *ranges = NULL;
    int32_t *entry = calloc((size_t)n_atoms + 1, sizeof *entry), *ids = NULL, *span_token = NULL;
    int32_t *span_start = calloc((size_t)n_atoms + 2, sizeof *span_start);
    char *written = hole ? write_text(c, text, hole, &len) : NULL;
    cg_status status = CG_OK;

    if (written) {
        ids = calloc(len, sizeof *ids); /* a token is at least a byte */
        ranges = calloc(len, sizeof *ranges);
        span_token = calloc(len, sizeof *span_token);
    }
    if (!entry || !span_start || !ids || !ranges || !span_token)
        status = nomem(c, err);
    if (status == CG_OK)
        status = c->vocab->encode(c->vocab->ctx, written, len, ids, ranges, (int32_t)len, &n, err);
    pthread_mutex_lock(&c->lock);
    if (status == CG_OK)
        status = split_tokens(c, n_atoms, hole, ids, ranges, n, entry, span_start, span_token, err);
    if (status == CG_OK)
        status = cg_tables_program(&c->tables, n_atoms, entry, span_start, span_token, 1, 0,
                                   ret_program, err);
    pthread_mutex_unlock(&c->lock);
    free(hole);
    free(ranges);
    free(entry);
    free(ids);
    free(span_token);
    free(span_start);
    free(written);
    return status;
}

static void scheme_release(void *self, cg_program *program)
{
    struct scheme *c = self;

    c->host->free(c->host->ctx, program);
}

static const cg_constraint_ops ops = {
    CG_SIZED(cg_constraint_ops),
    .create = scheme_create,
    .destroy = scheme_destroy,
    .automaton = scheme_automaton,
    .compile = scheme_compile,
    .release = scheme_release,
};

static const cg_plugin plugin = {
    CG_SIZED(cg_plugin),
    .kind = CG_PLUGIN_CONSTRAINT,
    .abi_major = CG_PLUGIN_ABI_MAJOR,
    .abi_minor = CG_PLUGIN_ABI_MINOR,
    .name = "template",
    .version = CG_VERSION_STRING,
    .description = "fixed-length placeholders, as earlier systems; to measure against",
    .ops = &ops,
};

cg_status cg_plugin_entry_v1(const cg_host *host, const cg_plugin **ret_plugin, cg_error *err)
{
    (void)host;
    (void)err;
    *ret_plugin = &plugin;
    return CG_OK;
}
