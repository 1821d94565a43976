/* SPDX-License-Identifier: MIT */
/*
 * template: fixed-length fields, as in 3DMolGen's logits processor v4.3; a baseline for
 * measurements.
 *
 * The molecule is written with a placeholder, "0.000,0.000,0.000", for every coordinate triple, and
 * tokenized once. Tokens of placeholders are free: the model may write any token made of digits,
 * '.', ',' and '-' there. All other tokens are forced. The count of free tokens is that of the
 * placeholder, so a triple that needs more (some tokenizers use a token for a minus sign or for a
 * fourth decimal) is truncated, and one that needs fewer is filled with junk. Both were measured;
 * neither can happen with `grammar`.
 */
#include <pthread.h>
#include <string.h>

#include <confgen/constraint.h>

#include "../common/compile_checks.h"
#include "../common/automaton_builder.h"

/* Three decimals whatever the model's number format is, as in that processor. */
static const char placeholder[] = "0.000,0.000,0.000";

/* Most free tokens of one triple: a token is at least a byte. */
enum { MAX_CHAIN = sizeof placeholder - 1 };

struct template_constraint {
    const cg_host *host;
    const cg_vocabulary *vocab;
    const cg_text_format *format;
    pthread_mutex_t lock; /* guards all members below once create() has returned */
    cg_automaton_builder tables;
    int32_t n_free;
    int32_t *free_token; /* [n_free] ascending */
    int32_t *next;       /* [n_free] scratch */
    int32_t n_chain;
    int32_t chain[MAX_CHAIN]; /* chain[k]: state with k + 1 free tokens left */
};

static cg_status nomem(const struct template_constraint *t, cg_error *err)
{
    return t->host->fail(err, CG_ERR_NOMEM, "template: out of memory");
}

static void template_destroy(void *self)
{
    struct template_constraint *t = self;

    if (!t)
        return;
    if (t->tables.host) /* not initialised if create() failed early */
        cg_automaton_builder_finish(&t->tables);
    cg_host_free(t->host, t->free_token);
    cg_host_free(t->host, t->next);
    pthread_mutex_destroy(&t->lock);
    cg_host_free(t->host, t);
}

static int is_numeric(const char *bytes, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++)
        if (!strchr("0123456789.,-", bytes[i]) || !bytes[i])
            return 0;
    return len > 0;
}

static cg_status find_free_tokens(struct template_constraint *t, cg_error *err)
{
    t->free_token = cg_host_zalloc(t->host, (size_t)t->vocab->n_tokens, sizeof *t->free_token);
    t->next = cg_host_zalloc(t->host, (size_t)t->vocab->n_tokens, sizeof *t->next);
    if (!t->free_token || !t->next)
        return nomem(t, err);
    for (int32_t id = 0; id < t->vocab->n_tokens; id++) {
        uint32_t len;
        int32_t special;
        const char *bytes = t->vocab->token(t->vocab->ctx, id, &len, &special);

        if (bytes && !special && is_numeric(bytes, len))
            t->free_token[t->n_free++] = id;
    }
    if (t->n_free < 2)
        return t->host->fail(err, CG_ERR_UNSUPPORTED,
                             "template: %d tokens of digits, '.', ',' and '-' in this vocabulary, "
                             "wanted at least 2",
                             t->n_free);
    return CG_OK;
}

/* The placeholder has decimals of one length, with commas between them. */
static cg_status check_numbers(const cg_host *host, const cg_text_format *format, cg_error *err)
{
    cg_constraint_numbers numbers = cg_constraint_numbers_of(format);
    const char *found = numbers.listed                    ? "numbers from a list"
                        : numbers.strip_zeros             ? "decimals without trailing zeros"
                        : numbers.fields_per_literal != 3 ? "one number between two literals"
                        : strcmp(numbers.separator, ",")  ? "a separator other than ','"
                                                          : NULL;

    if (!found)
        return CG_OK;
    return host->fail(err, CG_ERR_UNSUPPORTED,
                      "template: the text format has %s, wanted triples of decimals as '%s': use "
                      "--constraint grammar",
                      found, placeholder);
}

static cg_status template_create(const cg_host *host, const cg_vocabulary *vocab,
                                 const cg_text_format *format, void **ret_self, cg_error *err)
{
    struct template_constraint *t;
    int32_t stop;
    cg_status st;

    CG_TRY(cg_constraint_check_format("template", host, vocab, format, &stop, err));
    CG_TRY(check_numbers(host, format, err));
    t = cg_host_zalloc(host, 1, sizeof *t);
    if (!t)
        return host->fail(err, CG_ERR_NOMEM, "template: out of memory");
    t->host = host;
    t->vocab = vocab;
    t->format = format;
    pthread_mutex_init(&t->lock, NULL);
    CG_TRY_GOTO(st, find_free_tokens(t, err), out);
    CG_TRY_GOTO(st,
                cg_automaton_builder_init(&t->tables, "template", host, vocab->n_tokens, MAX_CHAIN,
                                          MAX_CHAIN * t->n_free, err),
                out);
    *ret_self = t;
    t = NULL;
out:
    template_destroy(t);
    return st;
}

static const cg_automaton *template_automaton(const void *self)
{
    return &((const struct template_constraint *)self)->tables.automaton;
}

/* Returns the state with n free tokens left, 1 <= n <= MAX_CHAIN. */
static cg_status chain_state_locked(struct template_constraint *t, int32_t n, int32_t *ret_state,
                                    cg_error *err)
{
    for (; t->n_chain < n; t->n_chain++) {
        int32_t next = t->n_chain ? t->chain[t->n_chain - 1] : CG_EXIT;

        for (int32_t i = 0; i < t->n_free; i++)
            t->next[i] = next;
        CG_TRY(cg_automaton_builder_state(&t->tables, t->n_free, t->free_token, t->next,
                                          &t->chain[t->n_chain], err));
    }
    *ret_state = t->chain[n - 1];
    return CG_OK;
}

/* Buffers of the molecule being compiled. room: bytes of its text and a terminating zero. */
struct compile_scratch {
    int32_t n_atoms;
    char *text;             /* with placeholders */
    uint32_t len;           /* bytes of text */
    cg_range *placeholders; /* [n_atoms] bytes of each atom's placeholder */
    int32_t *ids;           /* [room] tokens of the text, n_ids used */
    cg_range *ranges;       /* [room] bytes of each token, n_ids used */
    int32_t n_ids;
    int32_t *entry;        /* [n_atoms] */
    int32_t *forced_start; /* [n_atoms + 2] */
    int32_t *forced_token; /* [room], forced_start[n_atoms + 1] used */
};

static void scratch_finish(const struct template_constraint *t, struct compile_scratch *s)
{
    cg_host_free(t->host, s->text);
    cg_host_free(t->host, s->placeholders);
    cg_host_free(t->host, s->ids);
    cg_host_free(t->host, s->ranges);
    cg_host_free(t->host, s->entry);
    cg_host_free(t->host, s->forced_start);
    cg_host_free(t->host, s->forced_token);
}

static cg_status scratch_init(const struct template_constraint *t, const cg_literals *text,
                              struct compile_scratch *s, cg_error *err)
{
    size_t atoms = (size_t)text->n_atoms;
    size_t room = strlen(t->format->begin) + strlen(t->format->end) + strlen(t->format->stop) +
                  (text->literal[atoms].end - text->literal[0].begin) +
                  atoms * strlen(placeholder) + 1;

    if (room > INT32_MAX)
        return t->host->fail(err, CG_ERR_LIMIT,
                             "template: molecule of %zu bytes, wanted at most %d", room, INT32_MAX);
    s->n_atoms = text->n_atoms;
    s->text = cg_host_zalloc(t->host, room, 1);
    s->placeholders = cg_host_zalloc(t->host, atoms, sizeof *s->placeholders);
    s->ids = cg_host_zalloc(t->host, room, sizeof *s->ids); /* a token is at least a byte */
    s->ranges = cg_host_zalloc(t->host, room, sizeof *s->ranges);
    s->entry = cg_host_zalloc(t->host, atoms, sizeof *s->entry);
    s->forced_start = cg_host_zalloc(t->host, atoms + 2, sizeof *s->forced_start);
    s->forced_token = cg_host_zalloc(t->host, room, sizeof *s->forced_token);
    if (!s->text || !s->placeholders || !s->ids || !s->ranges || !s->entry || !s->forced_start ||
        !s->forced_token)
        return nomem(t, err);
    return CG_OK;
}

static void write_text(const struct template_constraint *t, const cg_literals *text,
                       struct compile_scratch *s)
{
    char *at = stpcpy(s->text, t->format->begin);

    for (int32_t a = 0; a <= s->n_atoms; a++) {
        size_t len = text->literal[a].end - text->literal[a].begin;

        memcpy(at, text->text + text->literal[a].begin, len);
        at += len;
        if (a == s->n_atoms)
            break;
        s->placeholders[a].begin = (uint32_t)(at - s->text);
        at = stpcpy(at, placeholder);
        s->placeholders[a].end = (uint32_t)(at - s->text);
    }
    at = stpcpy(at, t->format->end);
    at = stpcpy(at, t->format->stop);
    s->len = (uint32_t)(at - s->text);
}

/* Splits the tokens into free ones (in a placeholder) and forced ones (all others). */
static cg_status split_tokens_locked(struct template_constraint *t, struct compile_scratch *s,
                                     cg_error *err)
{
    const cg_range *ranges = s->ranges;
    int32_t i = 0, n_forced = 0;

    for (int32_t a = 0; a < s->n_atoms; a++) {
        const cg_range *bytes = &s->placeholders[a];
        int32_t first;

        for (; i < s->n_ids && ranges[i].end <= bytes->begin; i++)
            s->forced_token[n_forced++] = s->ids[i];
        s->forced_start[a + 1] = n_forced;
        for (first = i; i < s->n_ids && ranges[i].begin < bytes->end; i++)
            ;
        if (first == i || ranges[first].begin != bytes->begin || ranges[i - 1].end != bytes->end)
            return t->host->fail(err, CG_ERR_UNSUPPORTED,
                                 "template: in '%.80s' no token ends at byte %u or %u: the "
                                 "tokenizer merges the placeholder with the text around it",
                                 s->text, bytes->begin, bytes->end);
        CG_TRY(chain_state_locked(t, i - first, &s->entry[a], err));
    }
    for (; i < s->n_ids; i++)
        s->forced_token[n_forced++] = s->ids[i];
    s->forced_start[s->n_atoms + 1] = n_forced;
    return CG_OK;
}

static cg_status template_compile(void *self, const cg_literals *text, cg_program **ret_program,
                                  cg_error *err)
{
    struct template_constraint *t = self;
    struct compile_scratch scratch = { 0 };
    cg_status st;

    CG_TRY(cg_constraint_check_literals("template", t->host, text, err));
    CG_TRY_GOTO(st, scratch_init(t, text, &scratch, err), out);
    write_text(t, text, &scratch);
    CG_TRY_GOTO(st,
                t->vocab->encode(t->vocab->ctx, scratch.text, scratch.len, scratch.ids,
                                 scratch.ranges, (int32_t)scratch.len, &scratch.n_ids, err),
                out);
    pthread_mutex_lock(&t->lock);
    st = split_tokens_locked(t, &scratch, err);
    if (st == CG_OK)
        st = cg_automaton_builder_program(&t->tables, scratch.n_atoms, scratch.entry,
                                          scratch.forced_start, scratch.forced_token, 1, 0,
                                          ret_program, err);
    pthread_mutex_unlock(&t->lock);
out:
    scratch_finish(t, &scratch);
    return st;
}

static void template_release(void *self, cg_program *program)
{
    struct template_constraint *t = self;

    cg_host_free(t->host, program);
}

static const cg_constraint_ops ops = {
    CG_SIZED(cg_constraint_ops),       .create = template_create,   .destroy = template_destroy,
    .automaton = template_automaton,   .compile = template_compile, .release = template_release,
    .features = CG_CONSTRAINT_FORMATS,
};

static const cg_plugin plugin = {
    CG_PLUGIN_HEADER(CG_PLUGIN_CONSTRAINT),
    .name = "template",
    .version = CG_VERSION_STRING,
    .description = "fixed-length fields, a baseline for measurements",
    .ops = &ops,
};

cg_status cg_plugin_entry_v1(const cg_host *host, const cg_plugin **ret_plugin, cg_error *err)
{
    return cg_plugin_enter(host, &plugin, ret_plugin, err);
}
