/* SPDX-License-Identifier: MIT */
/*
 * none: after the begin token every token of the vocabulary is allowed, until the stop token. What
 * comes out is checked afterwards, and may be the wrong molecule, malformed or unfinished.
 */
#include <stdlib.h>
#include <string.h>

#include <confgen/constraint.h>

#include "../common/tables.h"

enum { MAX_BEGIN = 64 };

struct none {
    const cg_host *host;
    const cg_text_format *format;
    cg_tables tables;
    int32_t entry;
    int32_t n_begin;
    int32_t begin[MAX_BEGIN];
};

static void none_destroy(void *self)
{
    struct none *c = self;

    if (!c)
        return;
    if (c->tables.host)
        cg_tables_finish(&c->tables);
    free(c);
}

/* One state: every token leads back to it, the stop token out. */
static cg_status any_token(struct none *c, int32_t n, int32_t stop, cg_error *err)
{
    int32_t *token = calloc((size_t)n, sizeof *token);
    int32_t *next = calloc((size_t)n, sizeof *next);
    cg_status status;

    if (token && next) {
        for (int32_t i = 0; i < n; i++) {
            token[i] = i;
            next[i] = i == stop ? CG_EXIT : CG_TABLES_SELF;
        }
        status = cg_tables_state(&c->tables, n, token, next, &c->entry, err);
    } else {
        status = c->host->fail(err, CG_ERR_NOMEM, "none: out of memory");
    }
    free(token);
    free(next);
    return status;
}

static cg_status none_create(const cg_host *host, const cg_vocabulary *vocab,
                             const cg_text_format *format, void **ret_self, cg_error *err)
{
    struct none *c = calloc(1, sizeof *c);
    int32_t stop = 0, n = 0;
    cg_status status;

    if (!c)
        return host->fail(err, CG_ERR_NOMEM, "none: out of memory");
    c->host = host;
    c->format = format;
    status = vocab->encode(vocab->ctx, format->stop, (uint32_t)strlen(format->stop), &stop, NULL, 1,
                           &n, NULL);
    if (status != CG_OK || n != 1)
        status = host->fail(err, CG_ERR_UNSUPPORTED,
                            "none: '%s' is not one token of this tokenizer, so the end of a "
                            "sequence cannot be told",
                            format->stop);
    if (status == CG_OK)
        status = vocab->encode(vocab->ctx, format->begin, (uint32_t)strlen(format->begin), c->begin,
                               NULL, MAX_BEGIN, &c->n_begin, err);
    if (status == CG_OK)
        status = cg_tables_init(&c->tables, host, vocab->n_tokens, 1, vocab->n_tokens, err);
    if (status == CG_OK)
        status = any_token(c, vocab->n_tokens, stop, err);
    if (status != CG_OK) {
        none_destroy(c);
        return status;
    }
    *ret_self = c;
    return CG_OK;
}

static const cg_automaton *none_automaton(const void *self)
{
    return &((const struct none *)self)->tables.automaton;
}

static cg_status none_compile(void *self, const cg_template *text, cg_program **ret_program,
                              cg_error *err)
{
    struct none *c = self;
    int32_t span_start[3] = { 0, c->n_begin, c->n_begin };

    (void)text;
    return cg_tables_program(&c->tables, 1, &c->entry, span_start, c->begin, 0,
                             c->format->max_new_tokens, ret_program, err);
}

static void none_release(void *self, cg_program *program)
{
    struct none *c = self;

    c->host->free(c->host->ctx, program);
}

static const cg_constraint_ops ops = {
    CG_SIZED(cg_constraint_ops),
    .create = none_create,
    .destroy = none_destroy,
    .automaton = none_automaton,
    .compile = none_compile,
    .release = none_release,
};

static const cg_plugin plugin = {
    CG_SIZED(cg_plugin),
    .kind = CG_PLUGIN_CONSTRAINT,
    .abi_major = CG_PLUGIN_ABI_MAJOR,
    .abi_minor = CG_PLUGIN_ABI_MINOR,
    .name = "none",
    .version = CG_VERSION_STRING,
    .description = "any token until the stop token; the text is checked afterwards",
    .ops = &ops,
};

cg_status cg_plugin_entry_v1(const cg_host *host, const cg_plugin **ret_plugin, cg_error *err)
{
    (void)host;
    (void)err;
    *ret_plugin = &plugin;
    return CG_OK;
}
