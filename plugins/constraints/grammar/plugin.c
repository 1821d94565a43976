/* SPDX-License-Identifier: MIT */
/*
 * grammar: exactly the texts of the molecule with one number per coordinate, each in exactly the
 * tokens that the tokenizer makes of it.
 *
 * How the tables come about. A pre-tokenizer cuts a text into pieces, and no token crosses a cut.
 * Two cuts exist around every number, whatever its digits: one between the point and the decimals,
 * and one behind the decimals (both are verified, for every text that is compiled; a tokenizer
 * without them is refused). So the text falls into stretches that are tokenized independently:
 *
 *     decimals | literal sign integer '.' | decimals | literal sign integer '.' | decimals |
 * literal end
 *
 * where a literal is what stands between two numbers: "," or ">[O]<" and the like.
 *
 *  - decimals: all 10^d of them are tokenized once and become states (D). After "-0." the decimals
 *    must not be all zero; that is a second entry (N).
 *  - literal sign integer '.': only the last piece of the literal can be merged with the number
 * behind it
 *    ("]<-" is one piece for some tokenizers, ",-12." for others). The pieces before it are the
 *    same for every number: forced tokens. The last piece, the *tail*, is tokenized with every sign
 *    and integer, and becomes states that lead on to D and N. Tails are few and are remembered, and
 *    so are whole literals: most molecules need no tokenization at all.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <confgen/constraint.h>

#include "../common/compile_checks.h"
#include "../common/automaton_builder.h"

enum {
    MAX_NUMBER = 16, /* bytes of sign, integer, point, decimals, and what ends a number */
    MAX_GAP = 4096,  /* bytes of one literal; a SMILES is bounded before */
    CAP_STATES = 1 << 16,
    CAP_TRANSITIONS = 1 << 20,
    GAP_BUCKETS = 1 << 14,
    MAX_GAP_BYTES =
        64 << 20, /* of all literals that are remembered; others are compiled each time */
};

/* Where a literal stands: behind the begin token, between two numbers, before the end. */
enum place { AT_BEGIN, BETWEEN, AT_END };

/* A compiled literal: forced tokens, then the state in which the number begins. */
struct literal {
    struct literal *link;
    enum place place;
    uint32_t hash, len;
    int32_t entry; /* CG_EXIT at the end */
    int32_t n_head;
    int32_t *head; /* [n_head], behind the struct; the text follows it */
    char *text;
};

/* Every number's part before the decimals, as "sign integer point". */
struct prefix {
    char text[MAX_NUMBER];
    uint32_t len;
    int32_t then; /* state of the decimals behind it */
};

struct grammar {
    const cg_host *host;
    const cg_vocabulary *vocab;
    const cg_text_format *format;
    pthread_mutex_t lock; /* all below */
    cg_automaton_builder tables;
    char number[MAX_NUMBER]; /* what stands before a literal that is compiled, e.g. "0.001" */
    struct prefix *prefixes;
    int32_t n_prompt_slots;
    struct literal *literals[GAP_BUCKETS];
    struct literal *tails; /* text: the tail alone */
    struct literal *loose; /* of the molecule that is being compiled: not remembered */
    size_t gap_bytes;
    int32_t *ids; /* scratch of encode(), [cap] */
    cg_range *ranges;
    uint32_t *ends;
    int32_t cap;
};

static cg_status nomem(const struct grammar *g, cg_error *err)
{
    return g->host->fail(err, CG_ERR_NOMEM, "grammar: out of memory");
}

/* ---- tokenizing with a context ----------------------------------------------------------------
 */

/*
 * Tokens of text[begin, end), which must be bounded by token boundaries; they are left in
 * g->ids[*ret_first .. + *ret_n].
 */
static cg_status encode_within(struct grammar *g, const char *text, uint32_t len, uint32_t begin,
                               uint32_t end, int32_t *ret_first, int32_t *ret_n, cg_error *err)
{
    int32_t n, first, last;
    cg_status status =
        g->vocab->encode(g->vocab->ctx, text, len, g->ids, g->ranges, g->cap, &n, err);

    if (status != CG_OK)
        return status;
    for (first = 0; first < n && g->ranges[first].begin < begin; first++)
        ;
    for (last = first; last < n && g->ranges[last].end <= end; last++)
        ;
    if (first == last || g->ranges[first].begin != begin || g->ranges[last - 1].end != end)
        return g->host->fail(err, CG_ERR_UNSUPPORTED,
                             "grammar: in '%.80s' no token ends at byte %u or %u: the tokenizer "
                             "merges numbers with what surrounds them",
                             text, begin, end);
    *ret_first = first;
    *ret_n = last - first;
    return CG_OK;
}

/* Is `at` in the ascending list of cuts? 0 always is. */
static int is_cut(const uint32_t *ends, int32_t n, uint32_t at)
{
    for (int32_t i = 0; i < n; i++)
        if (ends[i] == at)
            return 1;
    return at == 0;
}

/* The cuts of a text without added tokens, in g->ends; those at a and b must be among them. */
static cg_status cut(struct grammar *g, const char *text, uint32_t len, uint32_t a, uint32_t b,
                     int32_t *ret_n, cg_error *err)
{
    cg_status status = g->vocab->pretokenize(g->vocab->ctx, text, len, g->ends, g->cap, ret_n, err);

    if (status == CG_OK && (!is_cut(g->ends, *ret_n, a) || !is_cut(g->ends, *ret_n, b)))
        return g->host->fail(err, CG_ERR_UNSUPPORTED,
                             "grammar: the pre-tokenizer does not cut '%.80s' at bytes %u and %u: "
                             "it merges decimals with what surrounds them",
                             text, a, b);
    return status;
}

/* ---- decimals ----------------------------------------------------------------------------- */

/* States of all decimals; those of "-0." less the zero. */
static cg_status compile_decimals(struct grammar *g, int32_t *ret_any, int32_t *ret_nonzero,
                                  cg_error *err)
{
    int32_t d = g->format->decimals, count = 1;
    int32_t per = d + 1; /* tokens of one, at most (bytes) */
    cg_path *paths;
    int32_t *tokens;
    cg_status status = CG_OK;

    for (int32_t i = 0; i < d; i++)
        count *= 10;
    paths = cg_take(g->host, (size_t)count, sizeof *paths);
    tokens = cg_take(g->host, (size_t)count * (size_t)per, sizeof *tokens);
    if (!paths || !tokens)
        status = nomem(g, err);
    for (int32_t i = 0; i < count && status == CG_OK; i++) {
        char text[MAX_NUMBER + 4];
        int32_t first, n;
        int len = snprintf(text, sizeof text, "0.%0*d,", (int)d, (int)i);

        status = cut(g, text, (uint32_t)len, 2, 2 + (uint32_t)d, &n, err);
        if (status == CG_OK)
            status = encode_within(g, text, (uint32_t)len, 2, 2 + (uint32_t)d, &first, &n, err);
        if (status != CG_OK)
            break;
        memcpy(tokens + (size_t)i * (size_t)per, g->ids + first, (size_t)n * sizeof *tokens);
        paths[i] = (cg_path) { tokens + (size_t)i * (size_t)per, n, CG_EXIT };
    }
    if (status == CG_OK) /* paths[0] is the zero; the call sorts, so it comes first */
        status = cg_automaton_builder_paths(&g->tables, paths + 1, count - 1, ret_nonzero, err);
    if (status == CG_OK)
        status = cg_automaton_builder_paths(&g->tables, paths, count, ret_any, err);
    cg_give(g->host, paths);
    cg_give(g->host, tokens);
    return status;
}

static cg_status make_prefixes(struct grammar *g, cg_error *err)
{
    int32_t integers = 1, any = 0, nonzero = 0;
    cg_status status = compile_decimals(g, &any, &nonzero, err);

    if (status != CG_OK)
        return status;
    for (int32_t i = 0; i < g->format->max_integer_digits; i++)
        integers *= 10;
    g->prefixes = cg_take(g->host, (size_t)integers * 2, sizeof *g->prefixes);
    if (!g->prefixes)
        return nomem(g, err);
    for (int32_t i = 0; i < 2 * integers; i++) {
        struct prefix *p = &g->prefixes[g->n_prompt_slots++];
        int negative = i >= integers, value = i % integers;

        p->len = (uint32_t)snprintf(p->text, sizeof p->text, "%s%d.", negative ? "-" : "", value);
        p->then = negative && value == 0 ? nonzero : any;
    }
    return CG_OK;
}

/* ---- literals ---------------------------------------------------------------------------------
 */

static uint32_t hash_text(const char *text, uint32_t len)
{
    uint32_t h = 2166136261u;

    for (uint32_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)text[i]) * 16777619u;
    return h ^ h >> 15;
}

static struct literal *gap_new(const struct grammar *g, enum place place, const char *text,
                               uint32_t len, const int32_t *head, int32_t n_head, int32_t entry)
{
    struct literal *literal =
        cg_take(g->host, 1, sizeof *literal + (size_t)n_head * sizeof *head + len + 1);

    if (!literal)
        return NULL;
    literal->place = place;
    literal->hash = hash_text(text, len);
    literal->len = len;
    literal->entry = entry;
    literal->n_head = n_head;
    literal->head = (int32_t *)(literal + 1);
    if (n_head)
        memcpy(literal->head, head, (size_t)n_head * sizeof *head);
    literal->text = (char *)(literal->head + n_head);
    memcpy(literal->text, text, len);
    return literal;
}

/* The state in which the numbers behind `tail` begin: the tail with every sign and integer. */
static cg_status tail_entry(struct grammar *g, const char *tail, uint32_t len, int32_t *ret_entry,
                            cg_error *err)
{
    uint32_t hash = hash_text(tail, len);
    int32_t per = (int32_t)len + MAX_NUMBER;
    cg_path *paths;
    int32_t *tokens;
    char *text;
    struct literal *known;
    cg_status status = CG_OK;

    for (known = g->tails; known; known = known->link)
        if (known->hash == hash && known->len == len && !memcmp(known->text, tail, len)) {
            *ret_entry = known->entry;
            return CG_OK;
        }
    paths = cg_take(g->host, (size_t)g->n_prompt_slots, sizeof *paths);
    tokens = cg_take(g->host, (size_t)g->n_prompt_slots * (size_t)per, sizeof *tokens);
    text = cg_take(g->host, (size_t)len + 2 * MAX_NUMBER, 1);
    if (!paths || !tokens || !text)
        status = nomem(g, err);
    for (int32_t i = 0; i < g->n_prompt_slots && status == CG_OK; i++) {
        const struct prefix *p = &g->prefixes[i];
        int32_t first, n;

        memcpy(text, tail, len);
        memcpy(text + len, p->text, p->len);
        snprintf(text + len + p->len, MAX_NUMBER, "%0*d,", (int)g->format->decimals, 1);
        status = cut(g, text, (uint32_t)strlen(text), 0, len + p->len, &n, err);
        if (status == CG_OK)
            status =
                encode_within(g, text, (uint32_t)strlen(text), 0, len + p->len, &first, &n, err);
        if (status != CG_OK)
            break;
        memcpy(tokens + (size_t)i * (size_t)per, g->ids + first, (size_t)n * sizeof *tokens);
        paths[i] = (cg_path) { tokens + (size_t)i * (size_t)per, n, p->then };
    }
    if (status == CG_OK)
        status = cg_automaton_builder_paths(&g->tables, paths, g->n_prompt_slots, ret_entry, err);
    if (status == CG_OK) {
        known = gap_new(g, BETWEEN, tail, len, NULL, 0, *ret_entry);
        if (known) {
            known->link = g->tails;
            g->tails = known;
        } else {
            status = nomem(g, err);
        }
    }
    cg_give(g->host, paths);
    cg_give(g->host, tokens);
    cg_give(g->host, text);
    return status;
}

/*
 * Where the literal's last piece begins: the last cut within text[begin, end] that there is
 * whatever number follows. Tries each shape of number (sign, count of integer digits).
 */
static cg_status find_tail(struct grammar *g, char *text, uint32_t begin, uint32_t end,
                           uint32_t *ret_tail, cg_error *err)
{
    uint32_t tail = end;

    for (int again = 1; again;) {
        again = 0;
        for (int32_t digits = 1; digits <= g->format->max_integer_digits; digits++)
            for (int negative = 0; negative < 2; negative++) {
                int len = sprintf(text + end, "%s%.*s.%0*d,", negative ? "-" : "", (int)digits,
                                  "1234567", (int)g->format->decimals, 1);
                int32_t n;
                cg_status status =
                    cut(g, text, end + (uint32_t)len, begin, end + (uint32_t)len - 1, &n, err);

                if (status != CG_OK)
                    return status;
                for (; !is_cut(g->ends, n, tail); tail--)
                    again = 1;
            }
    }
    *ret_tail = tail;
    return CG_OK;
}

/* Compile gap_text[0, len). */
static cg_status compile_gap(struct grammar *g, enum place place, const char *gap_text,
                             uint32_t len, struct literal **ret_gap, cg_error *err)
{
    const char *before = place == AT_BEGIN ? g->format->begin : g->number;
    const char *end = g->format->end, *stop = g->format->stop;
    uint32_t gap_begin = (uint32_t)strlen(before), gap_end = gap_begin + len;
    /* The begin token is itself part of the head, and no text: pieces start anew behind it. */
    uint32_t head_begin = place == AT_BEGIN ? 0 : gap_begin, head_end = 0;
    uint32_t skip = place == AT_BEGIN ? gap_begin : 0;
    char *text = cg_take(g->host, (size_t)gap_end + strlen(end) + strlen(stop) + 2 * MAX_NUMBER, 1);
    int32_t first = 0, n = 0, entry = CG_EXIT;
    cg_status status = CG_OK;

    if (!text)
        return nomem(g, err);
    memcpy(text, before, gap_begin);
    memcpy(text + gap_begin, gap_text, len);
    if (place == AT_END) {
        status = cut(g, text, gap_end, gap_begin, gap_end, &n, err);
        strcpy(text + gap_end, end);
        strcat(text + gap_end, stop);
        head_end = (uint32_t)strlen(text);
    } else {
        status = find_tail(g, text + skip, gap_begin - skip, gap_end - skip, &head_end, err);
        head_end += skip;
        if (status == CG_OK)
            status =
                tail_entry(g, gap_text + (head_end - gap_begin), gap_end - head_end, &entry, err);
        sprintf(text + gap_end, "1.%0*d,", (int)g->format->decimals, 1);
    }
    n = 0;
    if (status == CG_OK && head_end > head_begin)
        status =
            encode_within(g, text, (uint32_t)strlen(text), head_begin, head_end, &first, &n, err);
    if (status == CG_OK) {
        *ret_gap = gap_new(g, place, gap_text, len, g->ids + first, n, entry);
        if (!*ret_gap)
            status = nomem(g, err);
    }
    cg_give(g->host, text);
    return status;
}

/* Are ids[0, n) what the literal and a number behind it accept? Walks the tables as a decoder does.
 */
static int accepts(const struct grammar *g, const struct literal *literal, const int32_t *ids,
                   int32_t n)
{
    int32_t state = literal->entry, i = 0;

    for (; i < literal->n_head; i++)
        if (i >= n || ids[i] != literal->head[i])
            return 0;
    for (; state != CG_EXIT; i++) {
        int32_t t = g->tables.row[state], end = g->tables.row[state + 1];

        while (t < end && (i >= n || g->tables.token[t] != ids[i]))
            t++;
        if (t == end)
            return 0;
        state = g->tables.next[t];
    }
    return i == n;
}

/*
 * The argument at the top of this file rests on the pre-tokenizer looking at shapes, not at single
 * digits, and never back across a cut. Try it: numbers of every shape behind this literal,
 * tokenized as a whole, must be what the tables accept.
 */
static cg_status verify_gap(struct grammar *g, const struct literal *literal, cg_error *err)
{
    const char *before = literal->place == AT_BEGIN ? g->format->begin : g->number;
    uint32_t gap_begin = (uint32_t)strlen(before);
    uint32_t begin = literal->place == AT_BEGIN ? 0 : gap_begin;
    int32_t integers = g->n_prompt_slots / 2;
    int d = (int)g->format->decimals;
    char *text = cg_take(g->host, (size_t)gap_begin + literal->len + 2 * MAX_NUMBER, 1);
    cg_status status = CG_OK;

    if (!text)
        return nomem(g, err);
    /* 0, 3, 9, 21, 45, 93, 189: some of every number of digits, with either sign */
    for (int32_t v = 0; v < integers; v = 2 * v + 3)
        for (int32_t i = v; i < g->n_prompt_slots && status == CG_OK; i += integers) {
            int32_t first, n;
            int len = sprintf(text, "%s%s%s%0*d>", before, literal->text, g->prefixes[i].text, d,
                              7 * i % 97 + 1);

            status =
                encode_within(g, text, (uint32_t)len, begin, (uint32_t)len - 1, &first, &n, err);
            if (status == CG_OK && !accepts(g, literal, g->ids + first, n))
                status = g->host->fail(err, CG_ERR_UNSUPPORTED,
                                       "grammar: the tokenizer cuts '%.80s' differently from its "
                                       "parts",
                                       text);
        }
    cg_give(g->host, text);
    return status;
}

/*
 * Find the literal, or compile and remember it. Beyond MAX_GAP_BYTES of them it lives for the
 * molecule that is being compiled: a long run of ever new molecules is served, in bounded memory.
 */
static cg_status get_gap(struct grammar *g, enum place place, const char *text, uint32_t len,
                         struct literal **ret_gap, cg_error *err)
{
    uint32_t hash = hash_text(text, len);
    struct literal **bucket = &g->literals[(hash + (uint32_t)place) % GAP_BUCKETS];
    struct literal *literal;
    cg_status status;

    for (literal = *bucket; literal; literal = literal->link)
        if (literal->hash == hash && literal->len == len && literal->place == place &&
            !memcmp(literal->text, text, len)) {
            *ret_gap = literal;
            return CG_OK;
        }
    if (len > MAX_GAP)
        return g->host->fail(err, CG_ERR_LIMIT,
                             "grammar: %u bytes between two atoms; at most %d are served", len,
                             MAX_GAP);
    status = compile_gap(g, place, text, len, &literal, err);
    if (status != CG_OK)
        return status;
    if (place != AT_END && (status = verify_gap(g, literal, err)) != CG_OK) {
        cg_give(g->host, literal);
        return status;
    }
    if (g->gap_bytes > MAX_GAP_BYTES)
        bucket = &g->loose;
    else
        g->gap_bytes += sizeof *literal + len + (size_t)literal->n_head * sizeof(int32_t);
    literal->link = *bucket;
    *bucket = literal;
    *ret_gap = literal;
    return CG_OK;
}

static void free_gaps(const struct grammar *g, struct literal **list)
{
    while (*list) {
        struct literal *literal = *list;

        *list = literal->link;
        cg_give(g->host, literal);
    }
}

/* ---- the plugin --------------------------------------------------------------------------- */

static void grammar_destroy(void *self)
{
    struct grammar *g = self;

    if (!g)
        return;
    for (int32_t b = 0; b < GAP_BUCKETS; b++)
        free_gaps(g, &g->literals[b]);
    free_gaps(g, &g->tails);
    free_gaps(g, &g->loose);
    if (g->tables.host)
        cg_automaton_builder_finish(&g->tables);
    cg_give(g->host, g->prefixes);
    cg_give(g->host, g->ids);
    cg_give(g->host, g->ranges);
    cg_give(g->host, g->ends);
    pthread_mutex_destroy(&g->lock);
    cg_give(g->host, g);
}

static cg_status grammar_create(const cg_host *host, const cg_vocabulary *vocab,
                                const cg_text_format *format, void **ret_self, cg_error *err)
{
    struct grammar *g;
    struct literal *comma;
    int32_t stop;
    cg_status status = cg_constraint_check_format("grammar", host, vocab, format, &stop, err);

    if (status != CG_OK)
        return status;
    g = cg_take(host, 1, sizeof *g);
    if (!g)
        return host->fail(err, CG_ERR_NOMEM, "grammar: out of memory");
    g->host = host;
    g->vocab = vocab;
    g->format = format;
    pthread_mutex_init(&g->lock, NULL);
    snprintf(g->number, sizeof g->number, "0.%0*d", (int)format->decimals, 1);
    /* a token is a byte or more */
    g->cap = MAX_GAP + 4 * MAX_NUMBER +
             (int32_t)(strlen(format->begin) + strlen(format->end) + strlen(format->stop));
    g->ids = cg_take(host, (size_t)g->cap, sizeof *g->ids);
    g->ranges = cg_take(host, (size_t)g->cap, sizeof *g->ranges);
    g->ends = cg_take(host, (size_t)g->cap, sizeof *g->ends);
    status = g->ids && g->ranges && g->ends ? CG_OK : nomem(g, err);
    if (status == CG_OK)
        status = cg_automaton_builder_init(&g->tables, host, vocab->n_tokens, CAP_STATES,
                                           CAP_TRANSITIONS, err);
    if (status == CG_OK)
        status = make_prefixes(g, err);
    if (status == CG_OK)
        status = get_gap(g, BETWEEN, ",", 1, &comma, err);
    if (status != CG_OK) {
        grammar_destroy(g);
        return status;
    }
    *ret_self = g;
    return CG_OK;
}

static const cg_automaton *grammar_automaton(const void *self)
{
    return &((const struct grammar *)self)->tables.automaton;
}

/* The literal that stands before field f; f = n_fields: the end. */
static cg_status field_gap(struct grammar *g, const cg_literals *text, int32_t f,
                           struct literal **ret_gap, cg_error *err)
{
    const cg_range *r = &text->literal[f / 3];

    if (f % 3)
        return get_gap(g, BETWEEN, ",", 1, ret_gap, err);
    return get_gap(g,
                   f == 0                   ? AT_BEGIN
                   : f == 3 * text->n_atoms ? AT_END
                                            : BETWEEN,
                   text->text + r->begin, r->end - r->begin, ret_gap, err);
}

static cg_status grammar_compile(void *self, const cg_literals *text, cg_program **ret_program,
                                 cg_error *err)
{
    struct grammar *g = self;
    int32_t n_fields, n_span = 0;
    int32_t *entry, *forced_start, *forced_token = NULL;
    struct literal **literals;
    cg_status status = cg_constraint_check_literals("grammar", g->host, text, err);

    if (status != CG_OK)
        return status;
    n_fields = 3 * text->n_atoms;
    entry = cg_take(g->host, (size_t)n_fields, sizeof *entry);
    forced_start = cg_take(g->host, (size_t)n_fields + 2, sizeof *forced_start);
    literals = cg_take(g->host, (size_t)n_fields + 1, sizeof(struct literal *));
    if (!entry || !forced_start || !literals)
        status = nomem(g, err);
    pthread_mutex_lock(&g->lock);
    for (int32_t f = 0; f <= n_fields && status == CG_OK; f++) {
        status = field_gap(g, text, f, &literals[f], err);
        if (status != CG_OK)
            break;
        if (f < n_fields)
            entry[f] = literals[f]->entry;
        n_span += literals[f]->n_head;
        forced_start[f + 1] = n_span;
    }
    if (status == CG_OK) {
        forced_token = cg_take(g->host, (size_t)n_span, sizeof *forced_token);
        if (!forced_token)
            status = nomem(g, err);
    }
    if (status == CG_OK) {
        for (int32_t f = 0; f <= n_fields; f++)
            if (literals[f]->n_head)
                memcpy(forced_token + forced_start[f], literals[f]->head,
                       (size_t)literals[f]->n_head * sizeof *forced_token);
        status = cg_automaton_builder_program(&g->tables, n_fields, entry, forced_start,
                                              forced_token, 3, 0, ret_program, err);
    }
    free_gaps(g, &g->loose);
    pthread_mutex_unlock(&g->lock);
    cg_give(g->host, entry);
    cg_give(g->host, forced_start);
    cg_give(g->host, forced_token);
    cg_give(g->host, literals);
    return status;
}

static void grammar_release(void *self, cg_program *program)
{
    struct grammar *g = self;

    cg_give(g->host, program);
}

static const cg_constraint_ops ops = {
    CG_SIZED(cg_constraint_ops),    .create = grammar_create,   .destroy = grammar_destroy,
    .automaton = grammar_automaton, .compile = grammar_compile, .release = grammar_release,
};

static const cg_plugin plugin = {
    CG_PLUGIN_HEADER(CG_PLUGIN_CONSTRAINT),
    .name = "grammar",
    .version = CG_VERSION_STRING,
    .description = "this molecule, one canonical number a coordinate, nothing else",
    .ops = &ops,
};

cg_status cg_plugin_entry_v1(const cg_host *host, const cg_plugin **ret_plugin, cg_error *err)
{
    return cg_plugin_enter(host, &plugin, ret_plugin, err);
}
