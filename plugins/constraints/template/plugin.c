/* SPDX-License-Identifier: MIT */
/*
 * template: the fixed-length scheme of earlier systems, kept to measure against.
 *
 * The molecule is written with a placeholder, "0.000,0.000,0.000", for every triple, and tokenized
 * once. Tokens of placeholders are free: there the model may write any token made of digits, '.',
 * ',' and '-'. All other tokens are forced. The count of free tokens is the placeholder's whatever
 * the model writes, so a triple that needs more (a minus sign or a fourth decimal is a token for
 * some tokenizers) is cut short, and one that needs fewer is filled with junk. Both were measured
 * on earlier systems; `grammar` cannot do either.
 */
#include <pthread.h>
#include <string.h>

#include <confgen/constraint.h>

#include "../common/compile_checks.h"
#include "../common/automaton_builder.h"

/* Three decimals whatever the model's number format is: so it was, and that is what it costs. */
static const char placeholder[] = "0.000,0.000,0.000";

enum {
    MAX_CHAIN = sizeof placeholder - 1
}; /* free tokens of one triple: a token is a byte or more */

struct scheme {
    const cg_host *host;
    const cg_vocabulary *vocab;
    const cg_text_format *format;
    pthread_mutex_t lock; /* tables and chain */
    cg_automaton_builder tables;
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
        cg_automaton_builder_finish(&c->tables);
    cg_give(c->host, c->free_token);
    cg_give(c->host, c->next);
    pthread_mutex_destroy(&c->lock);
    cg_give(c->host, c);
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
    c->free_token = cg_take(c->host, (size_t)c->vocab->n_tokens, sizeof *c->free_token);
    c->next = cg_take(c->host, (size_t)c->vocab->n_tokens, sizeof *c->next);
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
    int32_t stop;
    cg_status status = cg_constraint_check_format("template", host, vocab, format, &stop, err);

    if (status != CG_OK)
        return status;
    c = cg_take(host, 1, sizeof *c);
    if (!c)
        return host->fail(err, CG_ERR_NOMEM, "template: out of memory");
    c->host = host;
    c->vocab = vocab;
    c->format = format;
    pthread_mutex_init(&c->lock, NULL);
    status = find_free_tokens(c, err);
    if (status == CG_OK)
        status = cg_automaton_builder_init(&c->tables, host, vocab->n_tokens, MAX_CHAIN,
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

/* The state with n free tokens to go, 1 <= n <= MAX_CHAIN. */
static cg_status chain_state(struct scheme *c, int32_t n, int32_t *ret_state, cg_error *err)
{
    for (; c->n_chain < n; c->n_chain++) {
        int32_t next = c->n_chain ? c->chain[c->n_chain - 1] : CG_EXIT;
        cg_status status;

        for (int32_t i = 0; i < c->n_free; i++)
            c->next[i] = next;
        status = cg_automaton_builder_state(&c->tables, c->n_free, c->free_token, c->next,
                                            &c->chain[c->n_chain], err);
        if (status != CG_OK)
            return status;
    }
    *ret_state = c->chain[n - 1];
    return CG_OK;
}

/* What one molecule is compiled in. */
struct work {
    int32_t n_atoms;
    char *text;       /* with placeholders; hole[a] is where atom a's stands */
    uint32_t len;     /* bytes of text */
    cg_range *hole;   /* [n_atoms] */
    int32_t *ids;     /* [n_ids] tokens of the text, and the bytes each stands for */
    cg_range *ranges; /* [n_ids] */
    int32_t n_ids;
    int32_t *entry;        /* [n_atoms] */
    int32_t *forced_start; /* [n_atoms + 2] */
    int32_t *forced_token; /* [n_ids] */
};

static void work_finish(const struct scheme *c, struct work *w)
{
    cg_give(c->host, w->text);
    cg_give(c->host, w->hole);
    cg_give(c->host, w->ids);
    cg_give(c->host, w->ranges);
    cg_give(c->host, w->entry);
    cg_give(c->host, w->forced_start);
    cg_give(c->host, w->forced_token);
}

static cg_status work_init(const struct scheme *c, const cg_literals *text, struct work *w,
                           cg_error *err)
{
    size_t atoms = (size_t)text->n_atoms;
    size_t room = strlen(c->format->begin) + strlen(c->format->end) + strlen(c->format->stop) +
                  (text->literal[atoms].end - text->literal[0].begin) +
                  atoms * strlen(placeholder) + 1;

    if (room > INT32_MAX)
        return c->host->fail(err, CG_ERR_LIMIT, "template: a molecule of %zu bytes", room);
    w->n_atoms = text->n_atoms;
    w->text = cg_take(c->host, room, 1);
    w->hole = cg_take(c->host, atoms, sizeof *w->hole);
    w->ids = cg_take(c->host, room, sizeof *w->ids); /* a token is at least a byte */
    w->ranges = cg_take(c->host, room, sizeof *w->ranges);
    w->entry = cg_take(c->host, atoms, sizeof *w->entry);
    w->forced_start = cg_take(c->host, atoms + 2, sizeof *w->forced_start);
    w->forced_token = cg_take(c->host, room, sizeof *w->forced_token);
    if (!w->text || !w->hole || !w->ids || !w->ranges || !w->entry || !w->forced_start ||
        !w->forced_token)
        return nomem(c, err);
    return CG_OK;
}

static void write_text(const struct scheme *c, const cg_literals *text, struct work *w)
{
    char *at = stpcpy(w->text, c->format->begin);

    for (int32_t a = 0; a <= w->n_atoms; a++) {
        size_t len = text->literal[a].end - text->literal[a].begin;

        memcpy(at, text->text + text->literal[a].begin, len);
        at += len;
        if (a == w->n_atoms)
            break;
        w->hole[a].begin = (uint32_t)(at - w->text);
        at = stpcpy(at, placeholder);
        w->hole[a].end = (uint32_t)(at - w->text);
    }
    at = stpcpy(at, c->format->end);
    at = stpcpy(at, c->format->stop);
    w->len = (uint32_t)(at - w->text);
}

/* Sort the tokens into free ones (of a hole) and forced ones (all others). */
static cg_status split_tokens(struct scheme *c, struct work *w, cg_error *err)
{
    const cg_range *ranges = w->ranges;
    int32_t i = 0, n_span = 0;

    for (int32_t a = 0; a < w->n_atoms; a++) {
        const cg_range *hole = &w->hole[a];
        int32_t first;
        cg_status status;

        for (; i < w->n_ids && ranges[i].end <= hole->begin; i++)
            w->forced_token[n_span++] = w->ids[i];
        w->forced_start[a + 1] = n_span;
        for (first = i; i < w->n_ids && ranges[i].begin < hole->end; i++)
            ;
        if (first == i || ranges[first].begin != hole->begin || ranges[i - 1].end != hole->end)
            return c->host->fail(err, CG_ERR_UNSUPPORTED,
                                 "template: in '%.80s' no token ends at byte %u or %u: the "
                                 "tokenizer merges the placeholder with what surrounds it",
                                 w->text, hole->begin, hole->end);
        status = chain_state(c, i - first, &w->entry[a], err);
        if (status != CG_OK)
            return status;
    }
    for (; i < w->n_ids; i++)
        w->forced_token[n_span++] = w->ids[i];
    w->forced_start[w->n_atoms + 1] = n_span;
    return CG_OK;
}

static cg_status scheme_compile(void *self, const cg_literals *text, cg_program **ret_program,
                                cg_error *err)
{
    struct scheme *c = self;
    struct work w = { 0 };
    cg_status status = cg_constraint_check_literals("template", c->host, text, err);

    if (status == CG_OK)
        status = work_init(c, text, &w, err);
    if (status == CG_OK) {
        write_text(c, text, &w);
        status = c->vocab->encode(c->vocab->ctx, w.text, w.len, w.ids, w.ranges, (int32_t)w.len,
                                  &w.n_ids, err);
    }
    if (status == CG_OK) {
        pthread_mutex_lock(&c->lock);
        status = split_tokens(c, &w, err);
        if (status == CG_OK)
            status = cg_automaton_builder_program(&c->tables, w.n_atoms, w.entry, w.forced_start,
                                                  w.forced_token, 1, 0, ret_program, err);
        pthread_mutex_unlock(&c->lock);
    }
    work_finish(c, &w);
    return status;
}

static void scheme_release(void *self, cg_program *program)
{
    struct scheme *c = self;

    cg_give(c->host, program);
}

static const cg_constraint_ops ops = {
    CG_SIZED(cg_constraint_ops),   .create = scheme_create,   .destroy = scheme_destroy,
    .automaton = scheme_automaton, .compile = scheme_compile, .release = scheme_release,
};

static const cg_plugin plugin = {
    CG_PLUGIN_HEADER(CG_PLUGIN_CONSTRAINT),
    .name = "template",
    .version = CG_VERSION_STRING,
    .description = "fixed-length placeholders, as earlier systems; to measure against",
    .ops = &ops,
};

cg_status cg_plugin_entry_v1(const cg_host *host, const cg_plugin **ret_plugin, cg_error *err)
{
    return cg_plugin_enter(host, &plugin, ret_plugin, err);
}
