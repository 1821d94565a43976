/* SPDX-License-Identifier: MIT */
/* grammar: the text of this molecule with one canonical number per coordinate (see grammar.h). */
#include <string.h>

#include "../common/compile_checks.h"
#include "grammar.h"

enum { MAX_STATES = 1 << 16, MAX_TRANSITIONS = 1 << 20 };

static void grammar_destroy(void *self)
{
    struct grammar *g = self;

    if (!g)
        return;
    grammar_free_literals(g);
    if (g->tables.host)
        cg_automaton_builder_finish(&g->tables);
    grammar_paths_finish(g, &g->decimals);
    cg_host_free(g->host, g->heads);
    cg_host_free(g->host, g->head_texts);
    cg_host_free(g->host, g->after_number);
    cg_host_free(g->host, g->ids);
    cg_host_free(g->host, g->ranges);
    cg_host_free(g->host, g->ends);
    pthread_mutex_destroy(&g->lock);
    cg_host_free(g->host, g);
}

static cg_status grammar_create(const cg_host *host, const cg_vocabulary *vocab,
                                const cg_text_format *format, void **ret_self, cg_error *err)
{
    struct grammar *g;
    int32_t stop;
    cg_status st;

    CG_TRY(cg_constraint_check_format("grammar", host, vocab, format, &stop, err));
    g = cg_host_zalloc(host, 1, sizeof *g);
    if (!g)
        return host->fail(err, CG_ERR_NOMEM, "grammar: out of memory");
    g->host = host;
    g->vocab = vocab;
    g->format = format;
    pthread_mutex_init(&g->lock, NULL);
    g->numbers = cg_constraint_numbers_of(format);
    /* the longest text to encode; a token is at least a byte */
    g->capacity = GRAMMAR_MAX_LITERAL + 5 * GRAMMAR_MAX_NUMBER + 3 * CG_MAX_SEPARATOR +
                  (int32_t)(strlen(format->begin) + strlen(format->end) + strlen(format->stop));
    g->ids = cg_host_zalloc(host, (size_t)g->capacity, sizeof *g->ids);
    g->ranges = cg_host_zalloc(host, (size_t)g->capacity, sizeof *g->ranges);
    g->ends = cg_host_zalloc(host, (size_t)g->capacity, sizeof *g->ends);
    if (!g->ids || !g->ranges || !g->ends) {
        st = grammar_nomem(g, err);
        goto out;
    }
    CG_TRY_GOTO(st,
                cg_automaton_builder_init(&g->tables, "grammar", host, vocab->n_tokens, MAX_STATES,
                                          MAX_TRANSITIONS, err),
                out);
    CG_TRY_GOTO(st, grammar_compile_numbers(g, err), out);
    CG_TRY_GOTO(st, grammar_find_number_ends(g, err), out);
    g->exit.next = CG_EXIT;
    if (!g->fields_are_atoms)
        CG_TRY_GOTO(st, grammar_continue(g, &g->exit, err), out);
    if (g->numbers.fields_per_literal > 1)
        CG_TRY_GOTO(st,
                    grammar_get_literal_locked(g, LITERAL_SEPARATOR, g->numbers.separator,
                                               (uint32_t)strlen(g->numbers.separator),
                                               &g->separator, err),
                    out);
    *ret_self = g;
    g = NULL;
out:
    grammar_destroy(g);
    return st;
}

static const cg_automaton *grammar_automaton(const void *self)
{
    return &((const struct grammar *)self)->tables.automaton;
}

/* Returns the literal before atom a; a = n_atoms: the last one. */
static cg_status atom_literal_locked(struct grammar *g, const cg_literals *text, int32_t a,
                                     struct literal **ret_literal, cg_error *err)
{
    const cg_range *r = &text->literal[a];
    enum literal_kind kind = a == 0               ? LITERAL_FIRST
                             : a == text->n_atoms ? LITERAL_LAST
                                                  : LITERAL_INNER;

    if (r->end - r->begin > GRAMMAR_MAX_LITERAL)
        return g->host->fail(err, CG_ERR_LIMIT,
                             "grammar: found %u bytes of SMILES text beside atom %d, wanted at "
                             "most %d",
                             r->end - r->begin, a < text->n_atoms ? a + 1 : a, GRAMMAR_MAX_LITERAL);
    return grammar_get_literal_locked(g, kind, text->text + r->begin, r->end - r->begin,
                                      ret_literal, err);
}

/* Arrays of the molecule being compiled. */
struct work {
    int32_t fields_per_atom, n_fields;
    int32_t *entry;           /* [n_fields] */
    int32_t *forced_start;    /* [n_fields + 2] */
    int32_t *forced_token;    /* [forced_start[n_fields + 1]] */
    struct literal **literal; /* [n_fields + 1] before each field, and the last one */
};

static cg_status compile_locked(struct grammar *g, const cg_literals *text, struct work *w,
                                cg_program **ret_program, cg_error *err)
{
    int32_t n_forced = 0;

    for (int32_t f = 0; f <= w->n_fields; f++) {
        if (f % w->fields_per_atom)
            w->literal[f] = g->separator;
        else
            CG_TRY(atom_literal_locked(g, text, f / w->fields_per_atom, &w->literal[f], err));
        n_forced += w->literal[f]->n_forced;
        w->forced_start[f + 1] = n_forced;
    }
    for (int32_t f = 0; f < w->n_fields; f++) {
        const struct literal *literal = w->literal[f];

        w->entry[f] = literal->entry;
        if (g->fields_are_atoms)
            CG_TRY(grammar_get_entry(g, literal->tail, literal->skip,
                                     &w->literal[f + 1]->closing->first_number, &w->entry[f], err));
    }
    w->forced_token = cg_host_zalloc(g->host, (size_t)n_forced, sizeof *w->forced_token);
    if (!w->forced_token)
        return grammar_nomem(g, err);
    for (int32_t f = 0; f <= w->n_fields; f++)
        if (w->literal[f]->n_forced)
            memcpy(w->forced_token + w->forced_start[f], w->literal[f]->forced,
                   (size_t)w->literal[f]->n_forced * sizeof *w->forced_token);
    return cg_automaton_builder_program(&g->tables, w->n_fields, w->entry, w->forced_start,
                                        w->forced_token, w->fields_per_atom, 0, ret_program, err);
}

static cg_status grammar_compile(void *self, const cg_literals *text, cg_program **ret_program,
                                 cg_error *err)
{
    struct grammar *g = self;
    struct work w = { 0 };
    cg_status st;

    CG_TRY(cg_constraint_check_literals("grammar", g->host, text, err));
    w.fields_per_atom = g->fields_are_atoms ? 1 : g->numbers.fields_per_literal;
    w.n_fields = w.fields_per_atom * text->n_atoms;
    w.entry = cg_host_zalloc(g->host, (size_t)w.n_fields, sizeof *w.entry);
    w.forced_start = cg_host_zalloc(g->host, (size_t)w.n_fields + 2, sizeof *w.forced_start);
    w.literal = cg_host_zalloc(g->host, (size_t)w.n_fields + 1, sizeof(struct literal *));
    if (!w.entry || !w.forced_start || !w.literal) {
        st = grammar_nomem(g, err);
        goto out;
    }
    pthread_mutex_lock(&g->lock);
    st = compile_locked(g, text, &w, ret_program, err);
    grammar_free_uncached_locked(g);
    pthread_mutex_unlock(&g->lock);
out:
    cg_host_free(g->host, w.entry);
    cg_host_free(g->host, w.forced_start);
    cg_host_free(g->host, w.forced_token);
    cg_host_free(g->host, w.literal);
    return st;
}

static void grammar_release(void *self, cg_program *program)
{
    struct grammar *g = self;

    cg_host_free(g->host, program);
}

static const cg_constraint_ops ops = {
    CG_SIZED(cg_constraint_ops),
    .create = grammar_create,
    .destroy = grammar_destroy,
    .automaton = grammar_automaton,
    .compile = grammar_compile,
    .release = grammar_release,
    .features = CG_CONSTRAINT_FORMATS | CG_CONSTRAINT_ALL_NUMBERS | CG_CONSTRAINT_EXACT |
                CG_CONSTRAINT_CANONICAL,
};

static const cg_plugin plugin = {
    CG_PLUGIN_HEADER(CG_PLUGIN_CONSTRAINT),
    .name = "grammar",
    .version = CG_VERSION_STRING,
    .description = "the molecule's text with one canonical number per coordinate",
    .ops = &ops,
};

cg_status cg_plugin_entry_v1(const cg_host *host, const cg_plugin **ret_plugin, cg_error *err)
{
    return cg_plugin_enter(host, &plugin, ret_plugin, err);
}
