/* SPDX-License-Identifier: MIT */
/*
 * none: after the begin text every token of the vocabulary is allowed, until a stop token. The
 * result is checked afterwards; it may be the wrong molecule, malformed or unfinished.
 */
#include <string.h>

#include <confgen/constraint.h>

#include "../common/compile_checks.h"
#include "../common/automaton_builder.h"

enum { MAX_BEGIN = 64 }; /* tokens of the begin text */

struct none {
    const cg_host *host;
    const cg_text_format *format;
    cg_automaton_builder tables;
    int32_t entry;
    int32_t n_begin;
    int32_t begin[MAX_BEGIN];
};

static void none_destroy(void *self)
{
    struct none *c = self;

    if (!c)
        return;
    if (c->tables.host) /* not initialised if create() failed early */
        cg_automaton_builder_finish(&c->tables);
    cg_host_free(c->host, c);
}

/* The number of stop tokens beside the stop text. */
static int32_t n_more_stops(const cg_text_format *format)
{
    return CG_HAS_SIZE(format, stop_tokens) ? format->n_stop_tokens : 0;
}

static int is_stop(const struct none *c, int32_t stop, int32_t id)
{
    for (int32_t i = 0; i < n_more_stops(c->format); i++)
        if (c->format->stop_tokens[i] == id)
            return 1;
    return id == stop;
}

/* Builds the one state: a stop token leads to the exit, every other used id back to the state. */
static cg_status make_state(struct none *c, const cg_vocabulary *vocab, int32_t stop, cg_error *err)
{
    int32_t *token = cg_host_zalloc(c->host, (size_t)vocab->n_tokens, sizeof *token);
    int32_t *next = cg_host_zalloc(c->host, (size_t)vocab->n_tokens, sizeof *next);
    int32_t n = 0;
    cg_status st;

    if (!token || !next) {
        st = c->host->fail(err, CG_ERR_NOMEM, "none: out of memory");
        goto out;
    }
    for (int32_t id = 0; id < vocab->n_tokens; id++) {
        uint32_t len;
        int32_t special;

        if (!vocab->token(vocab->ctx, id, &len, &special))
            continue;
        token[n] = id;
        next[n++] = is_stop(c, stop, id) ? CG_EXIT : CG_BUILDER_SELF;
    }
    st = cg_automaton_builder_state(&c->tables, n, token, next, &c->entry, err);
out:
    cg_host_free(c->host, token);
    cg_host_free(c->host, next);
    return st;
}

static cg_status none_create(const cg_host *host, const cg_vocabulary *vocab,
                             const cg_text_format *format, void **ret_self, cg_error *err)
{
    struct none *c;
    int32_t stop;
    cg_status st;

    CG_TRY(cg_constraint_check_format("none", host, vocab, format, &stop, err));
    if (stop < 0 && !n_more_stops(format))
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "none: the text format has no stop token to end a sequence with");
    if (format->max_new_tokens < 1)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "none: bound of %d new tokens, wanted at least 1",
                          format->max_new_tokens);
    c = cg_host_zalloc(host, 1, sizeof *c);
    if (!c)
        return host->fail(err, CG_ERR_NOMEM, "none: out of memory");
    c->host = host;
    c->format = format;
    CG_TRY_GOTO(st,
                vocab->encode(vocab->ctx, format->begin, (uint32_t)strlen(format->begin), c->begin,
                              NULL, MAX_BEGIN, &c->n_begin, err),
                out);
    CG_TRY_GOTO(st,
                cg_automaton_builder_init(&c->tables, "none", host, vocab->n_tokens, 1,
                                          vocab->n_tokens, err),
                out);
    CG_TRY_GOTO(st, make_state(c, vocab, stop, err), out);
    *ret_self = c;
    c = NULL;
out:
    none_destroy(c);
    return st;
}

static const cg_automaton *none_automaton(const void *self)
{
    return &((const struct none *)self)->tables.automaton;
}

static cg_status none_compile(void *self, const cg_literals *text, cg_program **ret_program,
                              cg_error *err)
{
    struct none *c = self;
    int32_t forced_start[3] = { 0, c->n_begin, c->n_begin };

    CG_TRY(cg_constraint_check_literals("none", c->host, text, err));
    return cg_automaton_builder_program(&c->tables, 1, &c->entry, forced_start, c->begin, 0,
                                        c->format->max_new_tokens, ret_program, err);
}

static void none_release(void *self, cg_program *program)
{
    struct none *c = self;

    cg_host_free(c->host, program);
}

static const cg_constraint_ops ops = {
    CG_SIZED(cg_constraint_ops),       .create = none_create,   .destroy = none_destroy,
    .automaton = none_automaton,       .compile = none_compile, .release = none_release,
    .features = CG_CONSTRAINT_FORMATS,
};

static const cg_plugin plugin = {
    CG_PLUGIN_HEADER(CG_PLUGIN_CONSTRAINT),
    .name = "none",
    .version = CG_VERSION_STRING,
    .description = "any token until a stop token; the text is checked afterwards",
    .ops = &ops,
};

cg_status cg_plugin_entry_v1(const cg_host *host, const cg_plugin **ret_plugin, cg_error *err)
{
    return cg_plugin_enter(host, &plugin, ret_plugin, err);
}
