/* SPDX-License-Identifier: MIT */
/*
 * The example of a constraint as it was in 1.0 and 1.1, whose headers it is compiled against:
 * numbers byte by byte. Tokens are found by encode(), so that it serves other vocabularies, too.
 */
#include <string.h>

#include <confgen/constraint.h>

#include "unasked.h"

enum {
    MAX_INTEGER = 6,
    MAX_DECIMALS = 8,
    /* states: sign, first digit, further integer digits, point, decimals */
    MAX_STATES = 2 + MAX_INTEGER + 1 + MAX_DECIMALS,
    MAX_TRANSITIONS = MAX_STATES * 11,
    MAX_COLUMNS = 12,
};

typedef struct sample {
    const cg_host *host;
    const cg_vocabulary *vocabulary;
    cg_text_format format;
    int32_t id[256]; /* tokens of a byte */
    int32_t n_states, n_transitions, n_columns;
    int32_t row[MAX_STATES + 1], token[MAX_TRANSITIONS], next[MAX_TRANSITIONS];
    int32_t column[MAX_TRANSITIONS], column_token[MAX_COLUMNS];
    cg_automaton automaton;
} sample;

static void destroy(void *self)
{
    sample *s = self;

    if (s)
        s->host->free(s->host->ctx, s);
}

/* Transitions of a state are in ascending order of token. */
static void allow(sample *s, char byte, int32_t next)
{
    int32_t token = s->id[(unsigned char)byte], i = s->n_transitions++;

    for (; i > s->row[s->n_states] && s->token[i - 1] > token; i--) {
        s->token[i] = s->token[i - 1];
        s->next[i] = s->next[i - 1];
    }
    s->token[i] = token;
    s->next[i] = next;
    s->column[s->n_transitions - 1] = -1;
}

static void allow_digits(sample *s, char first, int32_t next)
{
    for (char digit = first; digit <= '9'; digit++)
        allow(s, digit, next);
}

static void end_state(sample *s)
{
    int32_t from = s->row[s->n_states];

    s->row[++s->n_states] = s->n_transitions;
    if (s->n_transitions - from < 2)
        return; /* forced: nothing is sampled */
    for (int32_t i = from; i < s->n_transitions; i++) {
        int32_t c = 0;

        while (c < s->n_columns && s->column_token[c] != s->token[i])
            c++;
        if (c == s->n_columns)
            s->column_token[s->n_columns++] = s->token[i];
        s->column[i] = c;
    }
}

/* State 0: sign or digit; 1: digit; 1 + i: i integer digits are there; then the decimals. */
static void build(sample *s)
{
    int32_t digits = s->format.max_integer_digits, decimals = s->format.decimals;
    int32_t zero = 2 + digits, point = zero + 1; /* after a 0; after the point */

    for (int32_t st = 0; st < 2; st++) {
        if (st == 0)
            allow(s, '-', 1);
        allow(s, '0', zero);
        allow_digits(s, '1', 2);
        end_state(s);
    }
    for (int32_t i = 1; i <= digits; i++) {
        allow(s, '.', point);
        if (i < digits)
            allow_digits(s, '0', 2 + i);
        end_state(s);
    }
    allow(s, '.', point);
    end_state(s);
    for (int32_t i = 1; i <= decimals; i++) {
        allow_digits(s, '0', i < decimals ? point + i : CG_EXIT);
        end_state(s);
    }
}

static cg_status create(const cg_host *host, const cg_vocabulary *vocabulary,
                        const cg_text_format *format, void **ret_self, cg_error *err)
{
    static const char bytes[] = "-.0123456789";
    int32_t id, n;
    sample *s;

    unasked(text_at(format, format->struct_size, FORMAT_NUMBERS) != NULL, "listed numbers");
    unasked(word_at(format, format->struct_size, FORMAT_STRIP) != 0, "numbers without zeros");
    unasked(word_at(format, format->struct_size, FORMAT_FIELDS) % 3 != 0, "fields of codes");
    unasked(text_at(format, format->struct_size, FORMAT_SEPARATOR) &&
                strcmp(text_at(format, format->struct_size, FORMAT_SEPARATOR), ","),
            "another separator");
    if (format->decimals < 1 || format->decimals > MAX_DECIMALS || format->max_integer_digits < 1 ||
        format->max_integer_digits > MAX_INTEGER)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "numbers of %d and %d digits, wanted 1 to %d and 1 to %d",
                          format->max_integer_digits, format->decimals, MAX_INTEGER, MAX_DECIMALS);
    if (vocabulary->encode(vocabulary->ctx, format->stop, (uint32_t)strlen(format->stop), &id, NULL,
                           1, &n, NULL) != CG_OK ||
        n != 1)
        return host->fail(err, CG_ERR_UNSUPPORTED, "the stop text '%s' is no single token",
                          format->stop);
    s = host->alloc(host->ctx, sizeof *s);
    if (!s)
        return host->fail(err, CG_ERR_NOMEM, "constraint: out of memory");
    memset(s, 0, sizeof *s);
    s->host = host;
    s->vocabulary = vocabulary;
    s->format = *format;
    for (const char *b = bytes; *b; b++)
        if (vocabulary->encode(vocabulary->ctx, b, 1, &s->id[(unsigned char)*b], NULL, 1, &n,
                               NULL) != CG_OK ||
            n != 1) {
            destroy(s);
            return host->fail(err, CG_ERR_UNSUPPORTED, "no token for '%c'", *b);
        }
    build(s);
    s->automaton = (cg_automaton) {
        CG_SIZED(cg_automaton),
        .capacity_states = MAX_STATES,
        .capacity_transitions = MAX_TRANSITIONS,
        .capacity_columns = MAX_COLUMNS,
        .row = s->row,
        .token = s->token,
        .next = s->next,
        .column = s->column,
        .column_token = s->column_token,
    };
    *ret_self = s;
    return CG_OK;
}

static const cg_automaton *automaton(const void *self)
{
    return &((const sample *)self)->automaton;
}

struct writer {
    const sample *s;
    int32_t *ids;
    int32_t n, cap;
};

static cg_status write_text(struct writer *w, const char *text, size_t len, cg_error *err)
{
    const cg_vocabulary *v = w->s->vocabulary;
    int32_t n = 0;
    cg_status st =
        v->encode(v->ctx, text, (uint32_t)len, w->ids + w->n, NULL, w->cap - w->n, &n, err);

    if (st == CG_OK)
        w->n += n;
    return st;
}

static void release(void *self, cg_program *program)
{
    sample *s = self;

    if (program)
        s->host->free(s->host->ctx, program);
}

static cg_status check_template(const sample *s, const cg_template *text, cg_error *err)
{
    if (text->n_atoms < 1 || text->n_atoms > 100000)
        return s->host->fail(err, CG_ERR_INPUT, "a molecule of %d atoms", text->n_atoms);
    for (int32_t i = 0; i <= text->n_atoms; i++)
        if (text->gap[i].begin > text->gap[i].end ||
            (i > 0 && text->gap[i].begin != text->gap[i - 1].end))
            return s->host->fail(err, CG_ERR_INPUT, "gap %d runs from %u to %u", i,
                                 text->gap[i].begin, text->gap[i].end);
    return CG_OK;
}

static cg_status compile(void *self, const cg_template *text, cg_program **ret_program,
                         cg_error *err)
{
    sample *s = self;
    const cg_text_format *f = &s->format;
    cg_status st = check_template(s, text, err);
    struct writer w = { .s = s };
    int32_t *entry, *span_start;
    cg_program *p;

    if (st != CG_OK)
        return st;
    /* a byte is at least a part of a token; two commas an atom */
    w.cap = (int32_t)(text->gap[text->n_atoms].end + strlen(f->begin) + strlen(f->end) +
                      strlen(f->stop)) +
            2 * text->n_atoms;
    p = s->host->alloc(s->host->ctx,
                       sizeof *p + (size_t)(6 * text->n_atoms + 2 + w.cap) * sizeof(int32_t));
    if (!p)
        return s->host->fail(err, CG_ERR_NOMEM, "constraint: out of memory");
    entry = (int32_t *)(p + 1);
    span_start = entry + 3 * text->n_atoms;
    w.ids = span_start + 3 * text->n_atoms + 2;
    span_start[0] = 0;
    st = write_text(&w, f->begin, strlen(f->begin), err);
    for (int32_t i = 0; i <= text->n_atoms && st == CG_OK; i++) {
        st = write_text(&w, text->text + text->gap[i].begin, text->gap[i].end - text->gap[i].begin,
                        err);
        for (int32_t c = 0; c < 3 && i < text->n_atoms && st == CG_OK; c++) {
            if (c > 0)
                st = write_text(&w, ",", 1, err);
            entry[3 * i + c] = 0;
            span_start[3 * i + c + 1] = w.n;
        }
    }
    if (st == CG_OK)
        st = write_text(&w, f->end, strlen(f->end), err);
    if (st == CG_OK)
        st = write_text(&w, f->stop, strlen(f->stop), err);
    if (st != CG_OK) {
        release(s, p);
        return st;
    }
    span_start[3 * text->n_atoms + 1] = w.n;
    *p = (cg_program) {
        CG_SIZED(cg_program),
        .n_fields = 3 * text->n_atoms,
        .n_states = s->n_states,
        .n_transitions = s->n_transitions,
        .n_columns = s->n_columns,
        .max_tokens = w.n + 3 * text->n_atoms * (2 + f->max_integer_digits + f->decimals),
        .fields_per_atom = 3,
        .entry = entry,
        .span_start = span_start,
        .span_token = w.ids,
    };
    *ret_program = p;
    return CG_OK;
}

static const cg_constraint_ops ops = {
    CG_SIZED(cg_constraint_ops), .create = create,   .destroy = destroy,
    .automaton = automaton,      .compile = compile, .release = release,
};

static const cg_plugin plugin = {
    CG_SIZED(cg_plugin),
    .kind = CG_PLUGIN_CONSTRAINT,
    .abi_major = CG_PLUGIN_ABI_MAJOR,
    .abi_minor = CG_PLUGIN_ABI_MINOR,
    .name = NAME,
    .version = CG_VERSION_STRING,
    .description = "numbers byte by byte",
    .ops = &ops,
};

cg_status cg_plugin_entry_v1(const cg_host *host, const cg_plugin **ret_plugin, cg_error *err)
{
    (void)err;
    if (!cg_host_is_complete(host))
        return CG_ERR_PLUGIN;
    *ret_plugin = &plugin;
    return CG_OK;
}
