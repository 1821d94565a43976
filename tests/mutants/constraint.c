/* SPDX-License-Identifier: MIT */
/*
 * binned: a constraint on multiples of 0.05, written from the public header, with one planted
 * fault: -DBUG=n. BUG 0 is without a fault, and BUG 32, which serves one format. From BUG 100 on
 * the plugin allows every decimal and declares it: BUG 100 is right over a vocabulary of bytes,
 * over others numbers have several paths. constraint.txt names the check that must detect each.
 *
 *     cc -O2 -fPIC -shared -fvisibility=hidden -DBUG=8 constraint.c -o mutant.so
 *     confgen plugins check ./mutant.so
 */
#include <stdlib.h>
#include <string.h>

#include <confgen/constraint.h>

#ifndef BUG
#define BUG 0
#endif

enum {
    HAS_ALL = BUG >= 100,
    MAX_STATES = 512,
    CAPACITY = 1 << 16, /* transitions */
    FEATURES = HAS_ALL     ? CG_CONSTRAINT_ALL_NUMBERS | CG_CONSTRAINT_EXACT
               : BUG == 11 ? CG_CONSTRAINT_ALL_NUMBERS
               : BUG == 12 ? CG_CONSTRAINT_CANONICAL
                           : 0,
};

/* What precedes a byte of a number. decimals: digits after the point, -1 before it. */
typedef struct place {
    int8_t comma, minus, integer, zero, decimals, above_zero, done;
} place;

struct binned {
    const cg_host *host;
    const cg_vocabulary *vocabulary;
    cg_text_format format;
    int32_t n_states, n_transitions, n_head_rows, entry[2], longest[2];
    place state[MAX_STATES];
    int32_t row[MAX_STATES + 1];
    int32_t *token, *next, *head_row; /* [CAPACITY] */
    int32_t *head_token;              /* [tokens of the vocabulary] */
    int32_t *other_row;               /* of BUG 13 */
    cg_automaton automaton;
    /* state that only faults use */
    char first_literal[64];
    int32_t n_compiled;
    const char *before;
};

/* ---- numbers ------------------------------------------------------------------------------- */

/* The bytes before the point. @return 0 if the number cannot go on with c */
static int step_integer(const struct binned *b, place *p, unsigned char c)
{
    if (c == '-') {
        if (p->minus || p->integer)
            return 0;
        p->minus = 1;
        return 1;
    }
    if (c == '.') {
        if (!p->integer)
            return 0;
        p->decimals = 0;
        return 1;
    }
    if (c < '0' || c > '9' || p->zero || p->integer >= b->format.max_integer_digits)
        return 0;
    p->zero = !p->integer && c == '0';
    p->integer++;
    p->above_zero |= c != '0';
    return 1;
}

/* May the number have this digit after the point? */
static int is_decimal(const place *p, unsigned char c)
{
    if (c < '0' || c > '9')
        return 0;
    if (HAS_ALL)
        return BUG != 101 || p->decimals != 1 || c != '7';
    return p->decimals == 1 ? c == '0' || c == '5' : p->decimals < 2 || c == '0';
}

static int step(const struct binned *b, place *p, unsigned char c)
{
    int32_t last_above_zero = HAS_ALL ? b->format.decimals : 2;

    if (p->done)
        return 0;
    if (p->comma) {
        p->comma = 0;
        return c == ',';
    }
    if (p->decimals < 0)
        return step_integer(b, p, c);
    if (!is_decimal(p, c))
        return 0;
    p->above_zero |= c != '0';
    p->decimals++;
    if (p->minus && !p->above_zero && p->decimals >= last_above_zero && BUG != 102)
        return 0; /* there is no negative zero */
    if (p->decimals == b->format.decimals)
        *p = (place) { .done = 1 };
    else if (p->above_zero)
        p->minus = 0; /* the same continuations */
    return 1;
}

/* ---- automaton ----------------------------------------------------------------------------- */

/* The state of a place; -2 if there are too many. */
static int32_t state_of(struct binned *b, const place *p)
{
    for (int32_t i = 0; i < b->n_states; i++)
        if (!memcmp(&b->state[i], p, sizeof *p))
            return i;
    if (b->n_states == MAX_STATES)
        return -2;
    b->state[b->n_states] = *p;
    return b->n_states++;
}

static int add_transition(struct binned *b, int32_t from, int32_t token)
{
    uint32_t len = 0, i = 0;
    int32_t special = 0, next = CG_EXIT;
    const char *bytes = b->vocabulary->token(b->vocabulary->ctx, token, &len, &special);
    place p = b->state[from];

    if (!bytes || special || !len)
        return 1;
    while (i < len && step(b, &p, (unsigned char)bytes[i]))
        i++;
    if (i < len)
        return 1;
    if (!p.done)
        next = state_of(b, &p);
    if (next == -2 || b->n_transitions == CAPACITY)
        return 0;
    b->token[b->n_transitions] = token;
    b->next[b->n_transitions] = next;
    b->head_row[b->n_transitions++] = -1;
    return 1;
}

static int add_transitions(struct binned *b, int32_t from, int32_t *row_of)
{
    b->row[from] = b->n_transitions;
    for (int32_t t = 0; t < b->vocabulary->n_tokens; t++)
        if (!add_transition(b, from, t))
            return 0;
    b->row[from + 1] = b->n_transitions;
    if (b->n_transitions - b->row[from] > 1)
        for (int32_t i = b->row[from]; i < b->n_transitions; i++) {
            int32_t t = b->token[i];

            if (row_of[t] < 0) {
                row_of[t] = b->n_head_rows;
                b->head_token[b->n_head_rows++] = t;
            }
            b->head_row[i] = row_of[t];
        }
    return b->n_transitions > b->row[from];
}

static int build(struct binned *b, int32_t *row_of)
{
    const place first = { .decimals = -1 }, other = { .comma = 1, .decimals = -1 };

    for (int32_t i = 0; i < b->vocabulary->n_tokens; i++)
        row_of[i] = -1;
    b->entry[0] = state_of(b, &first);
    b->entry[1] = state_of(b, &other);
    b->longest[0] = 1 + b->format.max_integer_digits + 1 + b->format.decimals;
    b->longest[1] = 1 + b->longest[0];
    for (int32_t s = 0; s < b->n_states; s++) /* states are appended meanwhile */
        if (!add_transitions(b, s, row_of))
            return 0;
    return 1;
}

static void swap(int32_t *a, int32_t *b)
{
    int32_t c = *a;

    *a = *b;
    *b = c;
}

/* Faults of the tables. */
static void damage_tables(struct binned *b)
{
    int32_t first = b->row[0];

    switch (BUG) {
    case 1: /* transitions out of order */
        swap(&b->token[first], &b->token[first + 1]);
        swap(&b->head_row[first], &b->head_row[first + 1]);
        swap(&b->next[first], &b->next[first + 1]);
        break;
    case 2: /* a state that does not exist */
        b->next[0] = b->n_states + 3;
        break;
    case 3: /* a number that does not end */
        b->next[b->row[1]] = 1;
        break;
    case 4: /* the head row of another token */
        b->head_row[first] = b->head_row[first + 1];
        break;
    case 14: /* the head row of a forced token */
        for (int32_t s = 0; s < b->n_states; s++)
            if (b->row[s + 1] - b->row[s] == 1)
                b->head_row[b->row[s]] = 0;
        break;
    case 15: /* an unused id */
        b->token[b->row[1] - 1] = b->vocabulary->n_tokens - 1;
        b->head_token[b->head_row[b->row[1] - 1]] = b->vocabulary->n_tokens - 1;
        break;
    case 20: /* states far outside of the tables */
        for (int32_t i = 0; i < b->n_transitions; i++)
            if (b->next[i] != CG_EXIT)
                b->next[i] = 1000000000;
        break;
    }
}

static void destroy(void *self)
{
    struct binned *b = self;

    if (!b)
        return;
    b->host->free(b->host->ctx, b->token);
    b->host->free(b->host->ctx, b->next);
    b->host->free(b->host->ctx, b->head_row);
    b->host->free(b->host->ctx, b->head_token);
    b->host->free(b->host->ctx, b->other_row);
    b->host->free(b->host->ctx, b);
}

static cg_status check_format(const cg_host *host, const cg_vocabulary *v, const cg_text_format *f,
                              cg_error *err)
{
    int32_t id[4], n = 0;

    if (!CG_HAS_SIZE(f, max_new_tokens) || !CG_HAS(v, pretokenize))
        return host->fail(err, CG_ERR_UNSUPPORTED, "binned: the host is too old");
    if (f->decimals < 2 || f->decimals > 6 || f->max_integer_digits < 1 ||
        f->max_integer_digits > 4)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "binned: numbers of %d integer digits and %d decimals",
                          f->max_integer_digits, f->decimals);
    if (BUG == 32 && f->decimals != 4)
        return host->fail(err, CG_ERR_UNSUPPORTED, "binned: for one model alone");
    if (!f->begin || !f->end || !f->stop)
        return host->fail(err, CG_ERR_UNSUPPORTED, "binned: no texts");
    if (*f->stop &&
        (v->encode(v->ctx, f->stop, (uint32_t)strlen(f->stop), id, NULL, 4, &n, NULL) || n != 1))
        return host->fail(err, CG_ERR_UNSUPPORTED, "binned: the stop text '%s' is not one token",
                          f->stop);
    return CG_OK;
}

static const char *last_end; /* of the constraint created last, for fault 30 */

static cg_status create(const cg_host *host, const cg_vocabulary *v, const cg_text_format *f,
                        void **ret_self, cg_error *err)
{
    size_t bytes = CAPACITY * sizeof(int32_t);
    size_t tokens = (size_t)(v->n_tokens > 0 ? v->n_tokens : 1) * sizeof(int32_t);
    int32_t *row_of;
    struct binned *b;
    int built;

    CG_TRY(check_format(host, v, f, err));
    b = host->alloc(host->ctx, sizeof *b);
    if (!b)
        return host->fail(err, CG_ERR_NOMEM, "binned: out of memory");
    memset(b, 0, sizeof *b);
    b->host = host;
    b->vocabulary = v;
    memcpy(&b->format, f, f->struct_size < sizeof b->format ? f->struct_size : sizeof b->format);
    b->token = host->alloc(host->ctx, bytes);
    b->next = host->alloc(host->ctx, bytes);
    b->head_row = host->alloc(host->ctx, bytes);
    b->head_token = host->alloc(host->ctx, tokens);
    b->other_row = host->alloc(host->ctx, sizeof b->row);
    row_of = host->alloc(host->ctx, tokens);
    if (!b->token || !b->next || !b->head_row || !b->head_token || !b->other_row || !row_of) {
        host->free(host->ctx, row_of);
        destroy(b);
        return host->fail(err, CG_ERR_NOMEM, "binned: out of memory");
    }
    built = build(b, row_of);
    host->free(host->ctx, row_of);
    if (!built) {
        destroy(b);
        return host->fail(err, CG_ERR_UNSUPPORTED, "binned: this vocabulary cannot write numbers");
    }
    b->automaton = (cg_automaton) { CG_SIZED(cg_automaton),
                                    .capacity_states = b->n_states,
                                    .capacity_transitions = b->n_transitions,
                                    .capacity_head_rows = b->n_head_rows,
                                    .row = b->row,
                                    .token = b->token,
                                    .next = b->next,
                                    .head_row = b->head_row,
                                    .head_token = b->head_token };
    damage_tables(b);
    last_end = b->format.end;
    *ret_self = b;
    return CG_OK;
}

static const cg_automaton *automaton(const void *self)
{
    return &((const struct binned *)self)->automaton;
}

/* ---- programs ------------------------------------------------------------------------------ */

static cg_status check_literals(const cg_host *host, const cg_literals *text, cg_error *err)
{
    if (text->struct_size < sizeof *text || text->n_atoms < 1 || text->n_atoms > 1 << 20)
        return host->fail(err, CG_ERR_INPUT, "binned: %d atoms", text->n_atoms);
    for (int32_t i = 0; i <= text->n_atoms; i++)
        if (text->literal[i].end < text->literal[i].begin)
            return host->fail(err, CG_ERR_INPUT, "binned: literal %d ends before it begins", i);
    return CG_OK;
}

/* Writes the forced text before atom i, or behind the last one. Returns its length. */
static size_t write_forced(struct binned *b, const cg_literals *text, int32_t i, char *buffer)
{
    size_t n = text->literal[i].end - text->literal[i].begin;
    char *at = buffer;

    if (BUG == 35) /* lengths of 8 bits */
        n = (uint8_t)n;
    if (BUG == 31 && n > 60) /* long literals are cut */
        n = 60;
    if (i == 0)
        at = stpcpy(at, b->format.begin);
    memcpy(at, text->text + text->literal[i].begin, n);
    if (BUG == 105 && i == 0) { /* of the same length, the first literal of an earlier molecule */
        if (strlen(b->first_literal) == n)
            memcpy(at, b->first_literal, n);
        else if (n < sizeof b->first_literal && !b->first_literal[0])
            memcpy(b->first_literal, at, n);
    }
    at += n;
    if (i == text->n_atoms)
        at = stpcpy(at, BUG == 30 ? last_end : b->format.end);
    if (i == text->n_atoms && BUG != 103) /* the sequence does not stop */
        at = stpcpy(at, b->format.stop);
    return (size_t)(at - buffer);
}

static cg_status encode_forced(struct binned *b, const cg_literals *text, int32_t i, char *buffer,
                               int32_t *ret_ids, int32_t cap, int32_t *ret_n, cg_error *err)
{
    const cg_vocabulary *v = b->vocabulary;
    size_t n = write_forced(b, text, i, buffer);

    return v->encode(v->ctx, buffer, (uint32_t)n, ret_ids, NULL, cap, ret_n, err);
}

/* Faults of a program with n forced tokens. */
static void damage_program(struct binned *b, cg_program *p, int32_t n, const cg_literals *text)
{
    static int32_t calls;
    int32_t *token = (int32_t *)p->forced_token;

    switch (BUG) {
    case 5:
        p->fields_per_atom = 2;
        break;
    case 6: /* the fields are those of atoms */
        p->fields_per_atom = 0;
        break;
    case 7:
        p->max_tokens -= 5;
        break;
    case 29: /* the forced tokens twice */
        p->max_tokens += n;
        break;
    case 8: /* another molecule */
        if (n > 4)
            token[4] ^= 1;
        break;
    case 9: /* not the same program each time */
        if (calls++ % 7 == 6 && n > 4)
            token[4] ^= 1;
        break;
    case 16: /* the entries of a compiled program change */
        if (b->n_compiled == 5)
            memcpy(b->other_row, b->row, sizeof b->row);
        if (b->n_compiled == 5)
            b->automaton.row = b->other_row;
        break;
    case 17: /* another program after 200 others */
        if (b->n_compiled > 200 && p->n_fields > 3)
            swap((int32_t *)p->entry, (int32_t *)p->entry + 1);
        break;
    case 18: /* large molecules lose their last literal */
        if (text->n_atoms > 200)
            ((int32_t *)p->forced_start)[p->n_fields + 1]--;
        break;
    case 19: /* the caller's text */
        ((char *)text->text)[0] = '[' + (b->n_compiled == 3);
        break;
    case 21: /* reads the text of the molecule before */
        if (b->before)
            p->max_tokens += b->before[0] == 0;
        b->before = text->text;
        break;
    case 22: /* reads behind the text */
        p->max_tokens += text->text[text->literal[text->n_atoms].end] == 1;
        break;
    case 23: /* a crash */
        if (text->n_atoms > 100)
            *(volatile int32_t *)(uintptr_t)16 = 1;
        break;
    case 24: /* the end of the process, as if all were well */
        if (text->n_atoms > 100)
            exit(0);
        break;
    case 36: /* more fields than it has room for */
        if (p->n_fields > 1024)
            token[n - 2] ^= 1;
        break;
    case 104: /* y begins as x, without the comma */
        for (int32_t f = 1; f < p->n_fields; f += 3)
            ((int32_t *)p->entry)[f] = b->entry[0];
        break;
    }
}

/* State that threads share; only faults 25 to 28 read it. */
static int32_t shared_fields;
static int32_t *volatile shared_tokens;
static int32_t *volatile shared_entry;
static char shared_buffer[1 << 20];

static cg_status compile(void *self, const cg_literals *text, cg_program **ret_program,
                         cg_error *err)
{
    struct binned *b = self;
    int32_t n_fields, n = 0, *entry, *start, *token;
    int64_t longest = 0;
    size_t room;
    char *buffer;
    cg_program *p;

    CG_TRY(check_literals(b->host, text, err));
    n_fields = shared_fields = 3 * text->n_atoms;
    room = strlen(b->format.begin) + strlen(b->format.end) + strlen(b->format.stop) + 1;
    for (int32_t i = 0; i <= text->n_atoms; i++)
        room += text->literal[i].end - text->literal[i].begin;
    buffer = b->host->alloc(b->host->ctx, room);
    p = b->host->alloc(b->host->ctx,
                       sizeof *p + (2 * (size_t)n_fields + 2 + room) * sizeof(int32_t));
    if (!buffer || !p) {
        b->host->free(b->host->ctx, buffer);
        b->host->free(b->host->ctx, p);
        return b->host->fail(err, CG_ERR_NOMEM, "binned: out of memory");
    }
    entry = shared_entry = (int32_t *)(p + 1);
    start = entry + n_fields;
    token = start + n_fields + 2;
    for (int32_t f = 0; f <= n_fields; f++) {
        int32_t got = 0;
        cg_status st = CG_OK;

        start[f] = n;
        if (f % 3 == 0)
            st = encode_forced(b, text, f / 3, BUG == 28 ? shared_buffer : buffer, token + n,
                               (int32_t)room - n, &got, err);
        if (BUG == 34) /* takes the failure for an empty text */
            st = CG_OK;
        if (st != CG_OK) {
            if (BUG != 33) /* else leaks it */
                b->host->free(b->host->ctx, buffer);
            b->host->free(b->host->ctx, p);
            return st;
        }
        for (int32_t i = 0; BUG == 106 && f > 0 && f < n_fields && i < got; i++)
            token[n + i] = (unsigned char)buffer[i]; /* ids are assumed to be bytes */
        n += got;
        if (f < n_fields) {
            (BUG == 27 ? shared_entry : entry)[f] = b->entry[f % 3 != 0];
            longest += b->longest[f % 3 != 0];
        }
    }
    start[n_fields + 1] = n;
    b->host->free(b->host->ctx, buffer);
    *p = (cg_program) {
        CG_SIZED(cg_program),          .n_fields = BUG == 25 ? shared_fields : n_fields,
        .n_states = b->n_states,       .n_transitions = b->n_transitions,
        .n_head_rows = b->n_head_rows, .max_tokens = (int32_t)longest + n,
        .fields_per_atom = 3,          .entry = entry,
        .forced_start = start,         .forced_token = token
    };
    shared_tokens = token;
    for (volatile int32_t i = 0; BUG == 26 && i < 50000;)
        i = i + 1;
    for (int32_t i = 0; BUG == 26 && i < n; i++)
        token[i] = shared_tokens[i];
    b->n_compiled++;
    if (BUG == 37) { /* memory of its own, which nothing frees */
        void *volatile memory = malloc(1000);

        memset(memory, 1, 1000);
    }
    damage_program(b, p, n, text);
    *ret_program = p;
    return CG_OK;
}

static void release(void *self, cg_program *program)
{
    struct binned *b = self;

    if (BUG != 10) /* a leak */
        b->host->free(b->host->ctx, program);
}

static const cg_constraint_ops ops = {
    CG_SIZED(cg_constraint_ops), .create = create,   .destroy = destroy,   .automaton = automaton,
    .compile = compile,          .release = release, .features = FEATURES,
};

static const cg_plugin plugin = {
    CG_PLUGIN_HEADER(CG_PLUGIN_CONSTRAINT), .name = "binned", .version = "0.1",
    .description = "multiples of 0.05",     .ops = &ops,
};

cg_status cg_plugin_entry_v1(const cg_host *host, const cg_plugin **ret_plugin, cg_error *err)
{
    return cg_plugin_enter(host, &plugin, ret_plugin, err);
}
