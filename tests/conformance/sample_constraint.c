/* SPDX-License-Identifier: MIT */
/*
 * A minimal constraint for vocabularies of bytes: an example, and the plugin that the checks of
 * constraints are tested with.
 */
#include <string.h>

#include <confgen/constraint.h>

enum {
    MAX_INTEGER = 6,
    MAX_DECIMALS = 8,
    /* states: sign, first digit, further integer digits, points after 0 and -0, decimals twice */
    MAX_STATES = 2 + MAX_INTEGER + 2 + 2 * MAX_DECIMALS,
    MAX_TRANSITIONS = MAX_STATES * 11,
    MAX_HEAD_ROWS = 12,
};

typedef struct sample {
    const cg_host *host;
    const cg_vocabulary *vocabulary;
    cg_text_format format;
    int32_t n_states, n_transitions, n_head_rows;
    int32_t row[MAX_STATES + 1], token[MAX_TRANSITIONS], next[MAX_TRANSITIONS];
    int32_t head_row[MAX_TRANSITIONS], head_token[MAX_HEAD_ROWS];
    cg_automaton automaton;
} sample;

static void destroy(void *self)
{
    sample *s = self;

    if (s)
        s->host->free(s->host->ctx, s);
}

static void allow(sample *s, int32_t token, int32_t next)
{
    s->token[s->n_transitions] = token;
    s->next[s->n_transitions] = next;
    s->head_row[s->n_transitions++] = -1;
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
        return; /* forced: no head row */
    for (int32_t i = from; i < s->n_transitions; i++) {
        int32_t c = 0;

        while (c < s->n_head_rows && s->head_token[c] != s->token[i])
            c++;
        if (c == s->n_head_rows)
            s->head_token[s->n_head_rows++] = s->token[i];
        s->head_row[i] = c;
    }
}

/*
 * State 0: sign or digit; 1: digit; 1 + i: after i integer digits; then after 0 and after -0; then
 * the decimals, and those of -0.00.. with only zeros so far: there is no negative zero.
 */
static void build(sample *s)
{
    int32_t digits = s->format.max_integer_digits, decimals = s->format.decimals;
    int32_t zero = 2 + digits, point = zero + 2, zeros = point + decimals;

    for (int32_t st = 0; st < 2; st++) {
        if (st == 0)
            allow(s, '-', 1);
        allow(s, '0', zero + st);
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
    allow(s, '.', zeros);
    end_state(s);
    for (int32_t i = 1; i <= decimals; i++) {
        allow_digits(s, '0', i < decimals ? point + i : CG_EXIT);
        end_state(s);
    }
    for (int32_t i = 1; i <= decimals; i++) {
        if (i < decimals)
            allow(s, '0', zeros + i);
        allow_digits(s, '1', i < decimals ? point + i : CG_EXIT);
        end_state(s);
    }
}

/* Is the token of every byte of a number, and of the comma, that byte? */
static int has_bytes(const cg_vocabulary *vocabulary)
{
    uint32_t len;
    int32_t special;

    for (const char *c = "-.,0123456789"; *c; c++) {
        const char *bytes = vocabulary->token(vocabulary->ctx, *c, &len, &special);

        if (!bytes || len != 1 || *bytes != *c)
            return 0;
    }
    return 1;
}

static cg_status create(const cg_host *host, const cg_vocabulary *vocabulary,
                        const cg_text_format *format, void **ret_self, cg_error *err)
{
    int32_t id, n;
    sample *s;

    if (format->decimals < 1 || format->decimals > MAX_DECIMALS || format->max_integer_digits < 1 ||
        format->max_integer_digits > MAX_INTEGER)
        return host->fail(
            err, CG_ERR_UNSUPPORTED,
            "numbers of %d integer digits and %d decimals, wanted 1 to %d and 1 to %d",
            format->max_integer_digits, format->decimals, MAX_INTEGER, MAX_DECIMALS);
    if (!has_bytes(vocabulary))
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "found a vocabulary of longer tokens, wanted one of bytes");
    if (vocabulary->encode(vocabulary->ctx, format->stop, (uint32_t)strlen(format->stop), &id, NULL,
                           1, &n, NULL) != CG_OK ||
        n != 1)
        return host->fail(err, CG_ERR_UNSUPPORTED, "the stop text '%s' is not one token",
                          format->stop);
    s = host->alloc(host->ctx, sizeof *s);
    if (!s)
        return host->fail(err, CG_ERR_NOMEM, "constraint: out of memory");
    memset(s, 0, sizeof *s);
    s->host = host;
    s->vocabulary = vocabulary;
    /* a host of another minor passes a shorter or longer struct */
    memcpy(&s->format, format,
           format->struct_size < sizeof s->format ? format->struct_size : sizeof s->format);
    build(s);
    s->automaton = (cg_automaton) {
        CG_SIZED(cg_automaton),
        .capacity_states = MAX_STATES,
        .capacity_transitions = MAX_TRANSITIONS,
        .capacity_head_rows = MAX_HEAD_ROWS,
        .row = s->row,
        .token = s->token,
        .next = s->next,
        .head_row = s->head_row,
        .head_token = s->head_token,
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

    CG_TRY(v->encode(v->ctx, text, (uint32_t)len, w->ids + w->n, NULL, w->cap - w->n, &n, err));
    w->n += n;
    return CG_OK;
}

static void release(void *self, cg_program *program)
{
    sample *s = self;

    if (program)
        s->host->free(s->host->ctx, program);
}

static cg_status check_literals(const sample *s, const cg_literals *text, cg_error *err)
{
    if (text->n_atoms < 1 || text->n_atoms > 100000)
        return s->host->fail(err, CG_ERR_INPUT, "molecule of %d atoms, wanted 1 to 100000",
                             text->n_atoms);
    for (int32_t i = 0; i <= text->n_atoms; i++)
        if (text->literal[i].begin > text->literal[i].end ||
            (i > 0 && text->literal[i].begin != text->literal[i - 1].end))
            return s->host->fail(err, CG_ERR_INPUT,
                                 "literal %d is bytes %u to %u, wanted consecutive literals", i,
                                 text->literal[i].begin, text->literal[i].end);
    return CG_OK;
}

static cg_status compile(void *self, const cg_literals *text, cg_program **ret_program,
                         cg_error *err)
{
    sample *s = self;
    const cg_text_format *f = &s->format;
    struct writer w = { .s = s };
    int32_t *entry, *forced_start;
    cg_program *p;
    cg_status st;

    CG_TRY(check_literals(s, text, err));
    /* a token is at least a byte; two commas per atom */
    w.cap = (int32_t)(text->literal[text->n_atoms].end + strlen(f->begin) + strlen(f->end) +
                      strlen(f->stop)) +
            2 * text->n_atoms;
    p = s->host->alloc(s->host->ctx,
                       sizeof *p + (size_t)(6 * text->n_atoms + 2 + w.cap) * sizeof(int32_t));
    if (!p)
        return s->host->fail(err, CG_ERR_NOMEM, "constraint: out of memory");
    entry = (int32_t *)(p + 1);
    forced_start = entry + 3 * text->n_atoms;
    w.ids = forced_start + 3 * text->n_atoms + 2;
    forced_start[0] = 0;
    CG_TRY_GOTO(st, write_text(&w, f->begin, strlen(f->begin), err), out);
    for (int32_t i = 0; i <= text->n_atoms; i++) {
        CG_TRY_GOTO(st,
                    write_text(&w, text->text + text->literal[i].begin,
                               text->literal[i].end - text->literal[i].begin, err),
                    out);
        for (int32_t c = 0; c < 3 && i < text->n_atoms; c++) {
            if (c > 0)
                CG_TRY_GOTO(st, write_text(&w, ",", 1, err), out);
            entry[3 * i + c] = 0;
            forced_start[3 * i + c + 1] = w.n;
        }
    }
    CG_TRY_GOTO(st, write_text(&w, f->end, strlen(f->end), err), out);
    CG_TRY_GOTO(st, write_text(&w, f->stop, strlen(f->stop), err), out);
    forced_start[3 * text->n_atoms + 1] = w.n;
    *p = (cg_program) {
        CG_SIZED(cg_program),
        .n_fields = 3 * text->n_atoms,
        .n_states = s->n_states,
        .n_transitions = s->n_transitions,
        .n_head_rows = s->n_head_rows,
        .max_tokens = w.n + 3 * text->n_atoms * (2 + f->max_integer_digits + f->decimals),
        .fields_per_atom = 3,
        .entry = entry,
        .forced_start = forced_start,
        .forced_token = w.ids,
    };
    *ret_program = p;
    p = NULL;
out:
    release(s, p);
    return st;
}

static const cg_constraint_ops ops = {
    CG_SIZED(cg_constraint_ops),
    .create = create,
    .destroy = destroy,
    .automaton = automaton,
    .compile = compile,
    .release = release,
    .features = CG_CONSTRAINT_ALL_NUMBERS | CG_CONSTRAINT_EXACT | CG_CONSTRAINT_CANONICAL,
};

static const cg_plugin plugin = {
    CG_PLUGIN_HEADER(CG_PLUGIN_CONSTRAINT),
    .name = "sample",
    .version = CG_VERSION_STRING,
    .description = "numbers byte by byte, an example and test subject",
    .ops = &ops,
};

cg_status cg_plugin_entry_v1(const cg_host *host, const cg_plugin **ret_plugin, cg_error *err)
{
    return cg_plugin_enter(host, &plugin, ret_plugin, err);
}
