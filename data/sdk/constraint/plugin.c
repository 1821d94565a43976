/* SPDX-License-Identifier: MIT-0 */
/*
 * @NAME@: a constraint plugin of confgen.
 *
 * The plugin forces the text of the molecule and leaves the numbers to the model: decimals with all
 * digits, each in the tokens that the tokenizer makes of it. Tokenizers that merge a number with
 * the text around it are refused. Change in this order:
 *
 *   1. is_head() and is_decimals(): the numbers that are allowed. Without CG_CONSTRAINT_ALL_NUMBERS
 *      in `ops` if some number is not: geometry repair then cannot be used;
 *   2. check_format(): the number formats that the plugin supports;
 *   3. compile(): what is forced around the numbers.
 *
 * The automaton is made once, in create(): a number is a *head* (comma, sign, integer, point) and
 * its *decimals*. The texts of each kind become a tree of states, a token a step.
 *
 *     fields 1, 4, ..:  heads without a comma  -> decimals (after "-0.": those above zero) -> exit
 *     the others:       heads with a comma     -> the same decimals
 *
 * The contract is <confgen/constraint.h>.
 */
#define _POSIX_C_SOURCE 200809L /* stpcpy */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <confgen/constraint.h>

enum {
    MAX_INTEGER_DIGITS = 3,
    MAX_DECIMALS = 4,
    MAX_NUMBER = 16,    /* bytes of a head or of decimals */
    MAX_ATOMS = 100000, /* of a molecule: sizes cannot overflow */
    MAX_TEXT = 1 << 26, /* bytes of a molecule */
};

/* A transition while the tree grows. */
struct edge {
    int32_t from, token, next; /* next: a state or CG_EXIT */
    int32_t sibling;           /* the previous edge from the same state, -1: none */
};

/* All state of a constraint. A plugin keeps none in globals. */
struct constraint {
    const cg_host *host;
    const cg_vocabulary *vocabulary; /* borrowed until destroy() */
    const cg_text_format *format;    /* borrowed too */
    int32_t head[2];                 /* entry states: without and with a comma */
    int32_t decimals[2];             /* states after a head: any decimals, those above zero */
    int32_t longest_head[2], longest_decimals; /* tokens */
    int32_t n_states, n_edges, n_head_rows, capacity;
    struct edge *edge;  /* [capacity]; freed at the end of create() */
    int32_t *last_edge; /* [capacity + 1] of a state; freed too */
    int32_t *row, *token, *next, *head_row, *head_token; /* of the automaton */
    cg_automaton automaton;
};

static cg_status no_memory(const struct constraint *c, cg_error *err)
{
    return c->host->fail(err, CG_ERR_NOMEM, "@NAME@: out of memory");
}

/* Memory for n numbers of 32 bits, zeroed. */
static int32_t *allocate(const struct constraint *c, size_t n)
{
    int32_t *memory = c->host->alloc(c->host->ctx, (n + 1) * sizeof *memory);

    if (memory)
        memset(memory, 0, (n + 1) * sizeof *memory);
    return memory;
}

static void destroy(void *self) /* also of a constraint that create() could not finish */
{
    struct constraint *c = self;

    if (!c)
        return;
    c->host->free(c->host->ctx, c->edge);
    c->host->free(c->host->ctx, c->last_edge);
    c->host->free(c->host->ctx, c->row);
    c->host->free(c->host->ctx, c->token);
    c->host->free(c->host->ctx, c->next);
    c->host->free(c->host->ctx, c->head_row);
    c->host->free(c->host->ctx, c->head_token);
    c->host->free(c->host->ctx, c);
}

/* ---- the numbers that are allowed ----------------------------------------------------------- */

/* A sign and an integer without leading zeros. */
static int is_head(int negative, int32_t integer)
{
    (void)negative;
    (void)integer;
    return 1;
}

/* Decimals as a whole number: 25 is .025 where there are three. `above_zero`: after "-0.". */
static int is_decimals(int32_t decimals, int above_zero)
{
    return decimals > 0 || !above_zero; /* there is no negative zero */
}

/* ---- the tree of states --------------------------------------------------------------------- */

static int32_t new_state(struct constraint *c)
{
    c->last_edge[c->n_states] = -1;
    return c->n_states++;
}

/* Adds the path of the canonical tokens of a text from a state to `to`. */
static cg_status add_text(struct constraint *c, int32_t from, const char *text, int32_t to,
                          int32_t *longest, cg_error *err)
{
    const cg_vocabulary *v = c->vocabulary;
    int32_t ids[MAX_NUMBER], n = 0;

    CG_TRY(v->encode(v->ctx, text, (uint32_t)strlen(text), ids, NULL, MAX_NUMBER, &n, err));
    for (int32_t i = 0; i < n; i++) {
        int32_t e = c->last_edge[from];

        while (e >= 0 && c->edge[e].token != ids[i])
            e = c->edge[e].sibling;
        if (e >= 0 && (i == n - 1 || c->edge[e].next == CG_EXIT))
            return c->host->fail(err, CG_ERR_UNSUPPORTED,
                                 "@NAME@: the tokens of '%s' are those of another number", text);
        if (e < 0) {
            e = c->n_edges++;
            c->edge[e] = (struct edge) { from, ids[i], to, c->last_edge[from] };
            c->last_edge[from] = e;
            if (i < n - 1)
                c->edge[e].next = new_state(c);
        }
        from = c->edge[e].next;
    }
    if (n > *longest)
        *longest = n;
    return CG_OK;
}

static int32_t power_of_ten(int32_t n)
{
    int32_t p = 1;

    while (n-- > 0)
        p *= 10;
    return p;
}

static cg_status add_heads(struct constraint *c, int comma, cg_error *err)
{
    int32_t n = power_of_ten(c->format->max_integer_digits);
    char text[MAX_NUMBER];

    c->head[comma] = new_state(c);
    for (int negative = 0; negative < 2; negative++)
        for (int32_t i = 0; i < n; i++)
            if (is_head(negative, i)) {
                snprintf(text, sizeof text, "%s%s%d.", comma ? "," : "", negative ? "-" : "",
                         (int)i);
                CG_TRY(add_text(c, c->head[comma], text, c->decimals[negative && i == 0],
                                &c->longest_head[comma], err));
            }
    return CG_OK;
}

static cg_status add_decimals(struct constraint *c, int above_zero, cg_error *err)
{
    int32_t n = power_of_ten(c->format->decimals);
    char text[MAX_NUMBER];

    c->decimals[above_zero] = new_state(c);
    for (int32_t i = 0; i < n; i++)
        if (is_decimals(i, above_zero)) {
            snprintf(text, sizeof text, "%0*d", (int)c->format->decimals, (int)i);
            CG_TRY(add_text(c, c->decimals[above_zero], text, CG_EXIT, &c->longest_decimals, err));
        }
    return CG_OK;
}

static int by_state_and_token(const void *pa, const void *pb)
{
    const struct edge *a = pa, *b = pb;

    return a->from != b->from ? (a->from > b->from) - (a->from < b->from)
                              : (a->token > b->token) - (a->token < b->token);
}

/* Makes the automaton of the edges. A state of one transition is forced: it has no head row. */
static cg_status make_tables(struct constraint *c, cg_error *err)
{
    size_t n_tokens = (size_t)c->vocabulary->n_tokens;
    int32_t *head_row_of; /* [n_tokens] head row + 1 of a token, 0: none yet */

    c->row = allocate(c, (size_t)c->n_states + 1);
    c->token = allocate(c, (size_t)c->n_edges);
    c->next = allocate(c, (size_t)c->n_edges);
    c->head_row = allocate(c, (size_t)c->n_edges);
    c->head_token = allocate(c, n_tokens);
    head_row_of = allocate(c, n_tokens);
    if (!c->row || !c->token || !c->next || !c->head_row || !c->head_token || !head_row_of) {
        c->host->free(c->host->ctx, head_row_of);
        return no_memory(c, err);
    }
    qsort(c->edge, (size_t)c->n_edges, sizeof *c->edge, by_state_and_token);
    for (int32_t i = 0; i < c->n_edges; i++)
        c->row[c->edge[i].from + 1] = i + 1;
    for (int32_t i = 0; i < c->n_edges; i++) {
        const struct edge *e = &c->edge[i];

        c->token[i] = e->token;
        c->next[i] = e->next;
        c->head_row[i] = -1;
        if (c->row[e->from + 1] - c->row[e->from] > 1) {
            if (!head_row_of[e->token]) {
                c->head_token[c->n_head_rows] = e->token;
                head_row_of[e->token] = ++c->n_head_rows;
            }
            c->head_row[i] = head_row_of[e->token] - 1;
        }
    }
    c->host->free(c->host->ctx, head_row_of);
    c->automaton = (cg_automaton) {
        CG_SIZED(cg_automaton),
        .capacity_states = c->n_states,
        .capacity_transitions = c->n_edges,
        .capacity_head_rows = c->vocabulary->n_tokens,
        .row = c->row,
        .token = c->token,
        .next = c->next,
        .head_row = c->head_row,
        .head_token = c->head_token,
    };
    return CG_OK;
}

/* ---- create() ------------------------------------------------------------------------------- */

static cg_status check_format(const struct constraint *c, cg_error *err)
{
    const cg_vocabulary *v = c->vocabulary;
    const cg_text_format *f = c->format;
    int32_t id, n = 0;

    if (f->decimals < 1 || f->decimals > MAX_DECIMALS || f->max_integer_digits < 1 ||
        f->max_integer_digits > MAX_INTEGER_DIGITS)
        return c->host->fail(err, CG_ERR_UNSUPPORTED,
                             "@NAME@: numbers of %d integer digits and %d decimals, wanted 1 to "
                             "%d and 1 to %d",
                             f->max_integer_digits, f->decimals, MAX_INTEGER_DIGITS, MAX_DECIMALS);
    if (!f->begin || !f->end || !f->stop)
        return c->host->fail(err, CG_ERR_UNSUPPORTED,
                             "@NAME@: a text format without begin, end and stop");
    if (f->stop[0] &&
        (v->encode(v->ctx, f->stop, (uint32_t)strlen(f->stop), &id, NULL, 1, &n, NULL) != CG_OK ||
         n != 1))
        return c->host->fail(err, CG_ERR_UNSUPPORTED, "@NAME@: the stop text '%s' is not one token",
                             f->stop);
    return CG_OK;
}

/*
 * Checks that the tokens of a text are those of its parts, as compile() puts them together: then a
 * sequence is in the canonical tokens of its text, as in training.
 */
static cg_status check_parts(const struct constraint *c, cg_error *err)
{
    const cg_vocabulary *v = c->vocabulary;
    char decimals[MAX_NUMBER], text[256];
    const char *parts[] = { "[C]<", "-1.",    decimals, ",-2.",   decimals,
                            ",0.",  decimals, ">[O]<",  "2.",     decimals,
                            ",3.",  decimals, ",-0.",   decimals, ">" };
    int32_t whole[sizeof text], part[sizeof text], n_whole = 0, n = 0, n_parts = 0;

    snprintf(decimals, sizeof decimals, "%0*d", (int)c->format->decimals, 1);
    text[0] = '\0';
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        strcat(text, parts[i]);
        CG_TRY(v->encode(v->ctx, parts[i], (uint32_t)strlen(parts[i]), part + n_parts, NULL,
                         (int32_t)sizeof text - n_parts, &n, err));
        n_parts += n;
    }
    CG_TRY(v->encode(v->ctx, text, (uint32_t)strlen(text), whole, NULL, (int32_t)sizeof text,
                     &n_whole, err));
    if (n_whole != n_parts || memcmp(whole, part, (size_t)n_whole * sizeof *whole) != 0)
        return c->host->fail(err, CG_ERR_UNSUPPORTED,
                             "@NAME@: this tokenizer merges numbers with the text around them: in "
                             "'%s' the tokens are not those of the parts",
                             text);
    return CG_OK;
}

static cg_status create(const cg_host *host, const cg_vocabulary *vocabulary,
                        const cg_text_format *format, void **ret_self, cg_error *err)
{
    struct constraint *c = host->alloc(host->ctx, sizeof *c);
    int32_t n_heads, n_decimals;
    cg_status st;

    if (!c)
        return host->fail(err, CG_ERR_NOMEM, "@NAME@: out of memory");
    memset(c, 0, sizeof *c); /* destroy() may meet it half built */
    c->host = host;
    c->vocabulary = vocabulary;
    c->format = format;
    CG_TRY_GOTO(st, check_format(c, err), out);
    CG_TRY_GOTO(st, check_parts(c, err), out);
    /* a token is at least a byte, an edge at most a token of a text */
    n_heads = 4 * power_of_ten(format->max_integer_digits);
    n_decimals = 2 * power_of_ten(format->decimals);
    c->capacity = n_heads * (format->max_integer_digits + 3) + n_decimals * format->decimals;
    c->edge = host->alloc(host->ctx, (size_t)c->capacity * sizeof *c->edge);
    c->last_edge = allocate(c, (size_t)c->capacity + 4);
    if (!c->edge || !c->last_edge) {
        st = no_memory(c, err);
        goto out;
    }
    for (int i = 0; i < 2; i++)
        CG_TRY_GOTO(st, add_decimals(c, i, err), out);
    for (int i = 0; i < 2; i++)
        CG_TRY_GOTO(st, add_heads(c, i, err), out);
    CG_TRY_GOTO(st, make_tables(c, err), out);
    host->free(host->ctx, c->edge);
    host->free(host->ctx, c->last_edge);
    c->edge = NULL;
    c->last_edge = NULL;
    *ret_self = c;
    c = NULL;
out:
    destroy(c);
    return st;
}

static const cg_automaton *automaton(const void *self)
{
    return &((const struct constraint *)self)->automaton;
}

/* ---- compile(): on any number of threads at once, so it changes nothing in *self --------------
 */

static cg_status check_literals(const struct constraint *c, const cg_literals *text, cg_error *err)
{
    if (text->n_atoms < 1 || text->n_atoms > MAX_ATOMS)
        return c->host->fail(err, CG_ERR_INPUT, "@NAME@: %d atoms, wanted 1 to %d", text->n_atoms,
                             MAX_ATOMS);
    for (int32_t i = 0; i <= text->n_atoms; i++)
        if (text->literal[i].begin > text->literal[i].end || text->literal[i].end > MAX_TEXT ||
            (i > 0 && text->literal[i].begin != text->literal[i - 1].end))
            return c->host->fail(err, CG_ERR_INPUT,
                                 "@NAME@: literal %d is bytes %u to %u, wanted consecutive "
                                 "literals of at most %d bytes",
                                 i, text->literal[i].begin, text->literal[i].end, MAX_TEXT);
    return CG_OK;
}

/* Writes the forced text before atom i, or behind the last one, to `buffer`; returns its length. */
static size_t forced_text(const struct constraint *c, const cg_literals *text, int32_t i,
                          char *buffer)
{
    size_t n = text->literal[i].end - text->literal[i].begin;
    char *at = buffer;

    if (i == 0)
        at = stpcpy(at, c->format->begin);
    memcpy(at, text->text + text->literal[i].begin, n);
    at += n;
    if (i == text->n_atoms)
        at = stpcpy(stpcpy(at, c->format->end), c->format->stop);
    return (size_t)(at - buffer);
}

static cg_status compile(void *self, const cg_literals *text, cg_program **ret_program,
                         cg_error *err)
{
    const struct constraint *c = self;
    const cg_vocabulary *v = c->vocabulary;
    int32_t *entry, *forced_start, *forced_token, n_fields, n_forced = 0, n = 0;
    cg_program *p = NULL;
    char *buffer = NULL;
    size_t room;
    cg_status st;

    CG_TRY(check_literals(c, text, err));
    n_fields = 3 * text->n_atoms;
    /* bytes of all forced texts: a token is at least a byte */
    room = strlen(c->format->begin) + strlen(c->format->end) + strlen(c->format->stop) +
           (text->literal[text->n_atoms].end - text->literal[0].begin) + 1;
    buffer = c->host->alloc(c->host->ctx, room);
    p = c->host->alloc(c->host->ctx,
                       sizeof *p + (2 * (size_t)n_fields + 2 + room) * sizeof(int32_t));
    if (!buffer || !p) {
        st = no_memory(c, err);
        goto out;
    }
    entry = (int32_t *)(p + 1);
    forced_start = entry + n_fields;
    forced_token = forced_start + n_fields + 2;
    for (int32_t f = 0; f <= n_fields; f++) { /* forced text f, then field f */
        forced_start[f] = n_forced;
        if (f % 3 == 0) {
            size_t len = forced_text(c, text, f / 3, buffer);

            CG_TRY_GOTO(st,
                        v->encode(v->ctx, buffer, (uint32_t)len, forced_token + n_forced, NULL,
                                  (int32_t)room - n_forced, &n, err),
                        out);
            n_forced += n;
        }
        if (f < n_fields)
            entry[f] = c->head[f % 3 != 0];
    }
    forced_start[n_fields + 1] = n_forced;
    *p = (cg_program) {
        CG_SIZED(cg_program),
        .n_fields = n_fields,
        .n_states = c->n_states,
        .n_transitions = c->automaton.capacity_transitions,
        .n_head_rows = c->n_head_rows,
        .max_tokens = n_forced + text->n_atoms * (c->longest_head[0] + 2 * c->longest_head[1] +
                                                  3 * c->longest_decimals),
        .fields_per_atom = 3,
        .entry = entry,
        .forced_start = forced_start,
        .forced_token = forced_token,
    };
    *ret_program = p;
    p = NULL;
    st = CG_OK;
out:
    c->host->free(c->host->ctx, p);
    c->host->free(c->host->ctx, buffer);
    return st;
}

static void release(void *self, cg_program *program)
{
    const struct constraint *c = self;

    c->host->free(c->host->ctx, program);
}

/*
 * Without CG_CONSTRAINT_FORMATS the host passes only decimals with all digits, three to an atom,
 * with commas between them.
 */
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
    .name = "@NAME@",
    .version = "0.1",
    .description = "the molecule's text with any decimals",
    .ops = &ops,
};

/* The one exported symbol. */
cg_status cg_plugin_entry_v1(const cg_host *host, const cg_plugin **ret_plugin, cg_error *err)
{
    return cg_plugin_enter(host, &plugin, ret_plugin, err);
}
