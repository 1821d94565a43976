/* SPDX-License-Identifier: MIT */
#include "automaton_builder.h"

#include <stdlib.h>
#include <string.h>

void *cg_take(const cg_host *host, size_t n, size_t size)
{
    size_t bytes;
    void *memory;

    if (__builtin_mul_overflow(n ? n : 1, size, &bytes))
        return NULL;
    memory = host->alloc(host->ctx, bytes);
    if (memory)
        memset(memory, 0, bytes);
    return memory;
}

void cg_give(const cg_host *host, void *memory)
{
    if (memory)
        host->free(host->ctx, memory);
}

cg_status cg_automaton_builder_init(cg_automaton_builder *t, const cg_host *host, int32_t n_tokens,
                                    int32_t capacity_states, int32_t capacity_transitions,
                                    cg_error *err)
{
    size_t states = (size_t)capacity_states, transitions = (size_t)capacity_transitions;
    uint32_t buckets = 1;

    memset(t, 0, sizeof *t);
    while (buckets < 2 * (uint32_t)capacity_states)
        buckets *= 2;
    t->host = host;
    t->n_tokens = n_tokens;
    t->bucket_mask = buckets - 1;
    t->row = cg_take(host, states + 1, sizeof *t->row);
    t->longest = cg_take(host, states, sizeof *t->longest);
    t->token = cg_take(host, transitions, sizeof *t->token);
    t->next = cg_take(host, transitions, sizeof *t->next);
    t->head_row = cg_take(host, transitions, sizeof *t->head_row);
    t->head_token = cg_take(host, (size_t)n_tokens, sizeof *t->head_token);
    t->column_of = cg_take(host, (size_t)n_tokens, sizeof *t->column_of);
    t->bucket = cg_take(host, buckets, sizeof *t->bucket);
    if (!t->row || !t->longest || !t->token || !t->next || !t->head_row || !t->head_token ||
        !t->column_of || !t->bucket) {
        cg_automaton_builder_finish(t);
        return host->fail(err, CG_ERR_NOMEM, "automaton tables: out of memory");
    }
    t->row[0] = 0;
    for (int32_t i = 0; i < n_tokens; i++)
        t->column_of[i] = -1;
    for (uint32_t i = 0; i < buckets; i++)
        t->bucket[i] = -1;
    t->automaton = (cg_automaton) {
        CG_SIZED(cg_automaton),
        .capacity_states = capacity_states,
        .capacity_transitions = capacity_transitions,
        .capacity_head_rows = n_tokens,
        .row = t->row,
        .token = t->token,
        .next = t->next,
        .head_row = t->head_row,
        .head_token = t->head_token,
    };
    return CG_OK;
}

void cg_automaton_builder_finish(cg_automaton_builder *t)
{
    void *arrays[] = { t->row,      t->longest,    t->token,     t->next,
                       t->head_row, t->head_token, t->column_of, t->bucket };

    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++)
        cg_give(t->host, arrays[i]);
    memset(t, 0, sizeof *t);
}

static uint32_t hash_state(int32_t n, const int32_t *token, const int32_t *next)
{
    uint32_t h = 2166136261u;

    for (int32_t i = 0; i < n; i++) {
        h = (h ^ (uint32_t)token[i]) * 16777619u;
        h = (h ^ (uint32_t)next[i]) * 16777619u;
    }
    return h ^ h >> 15;
}

static int is_state(const cg_automaton_builder *t, int32_t state, int32_t n, const int32_t *token,
                    const int32_t *next)
{
    int32_t r = t->row[state];

    if (t->row[state + 1] - r != n)
        return 0;
    for (int32_t i = 0; i < n; i++)
        if (t->token[r + i] != token[i] ||
            t->next[r + i] != (next[i] == CG_BUILDER_SELF ? state : next[i]))
            return 0;
    return 1;
}

cg_status cg_automaton_builder_state(cg_automaton_builder *t, int32_t n, const int32_t *token,
                                     const int32_t *next, int32_t *ret_state, cg_error *err)
{
    uint32_t at = hash_state(n, token, next) & t->bucket_mask;
    int32_t s = t->n_states, first = t->n_transitions, longest = 0;

    for (; t->bucket[at] >= 0; at = (at + 1) & t->bucket_mask) {
        if (is_state(t, t->bucket[at], n, token, next)) {
            *ret_state = t->bucket[at];
            return CG_OK;
        }
    }
    if (s == t->automaton.capacity_states || n > t->automaton.capacity_transitions - first)
        return t->host->fail(err, CG_ERR_LIMIT,
                             "automaton: more than %d states or %d transitions are needed",
                             t->automaton.capacity_states, t->automaton.capacity_transitions);
    for (int32_t i = 0; i < n; i++) {
        int32_t to = next[i] == CG_BUILDER_SELF ? s : next[i];
        int32_t rest = to == CG_EXIT ? 0 : to == s ? CG_BUILDER_CYCLE : t->longest[to];

        t->token[first + i] = token[i];
        t->next[first + i] = to;
        if (n > 1 && t->column_of[token[i]] < 0) {
            t->column_of[token[i]] = t->n_head_rows;
            t->head_token[t->n_head_rows++] = token[i];
        }
        t->head_row[first + i] = n > 1 ? t->column_of[token[i]] : -1;
        if (rest == CG_BUILDER_CYCLE)
            longest = CG_BUILDER_CYCLE;
        else if (longest != CG_BUILDER_CYCLE && rest + 1 > longest)
            longest = rest + 1;
    }
    t->longest[s] = longest;
    t->n_transitions = first + n;
    t->row[s + 1] = first + n;
    t->n_states = s + 1;
    t->bucket[at] = s;
    *ret_state = s;
    return CG_OK;
}

static int by_tokens(const void *pa, const void *pb)
{
    const cg_path *a = pa, *b = pb;
    int32_t n = a->n < b->n ? a->n : b->n;

    for (int32_t i = 0; i < n; i++)
        if (a->token[i] != b->token[i])
            return a->token[i] < b->token[i] ? -1 : 1;
    return a->n < b->n ? -1 : a->n > b->n;
}

/* The state behind the first `depth` tokens, which all of paths [begin, end) share. */
static cg_status paths_state(cg_automaton_builder *t, const cg_path *paths, int32_t begin,
                             int32_t end, int32_t depth, int32_t *ret_state, cg_error *err)
{
    int32_t n = 0, cap = 0;
    int32_t *token, *next;
    cg_status status = CG_OK;

    for (int32_t i = begin; i < end; i++) {
        if (paths[i].n == depth) {
            if (end - begin > 1)
                return t->host->fail(err, CG_ERR_UNSUPPORTED,
                                     "two texts have the tokens of one: the tokenizer does not cut "
                                     "numbers in a way that tells where they end");
            *ret_state = paths[i].then;
            return CG_OK;
        }
        cap += i == begin || paths[i].token[depth] != paths[i - 1].token[depth];
    }
    token = cg_take(t->host, (size_t)cap, sizeof *token);
    next = cg_take(t->host, (size_t)cap, sizeof *next);
    if (!token || !next)
        status = t->host->fail(err, CG_ERR_NOMEM, "automaton: out of memory");
    for (int32_t i = begin; i < end && status == CG_OK;) {
        int32_t j = i + 1;

        while (j < end && paths[j].token[depth] == paths[i].token[depth])
            j++;
        token[n] = paths[i].token[depth];
        status = paths_state(t, paths, i, j, depth + 1, &next[n], err);
        n++;
        i = j;
    }
    if (status == CG_OK)
        status = cg_automaton_builder_state(t, n, token, next, ret_state, err);
    cg_give(t->host, token);
    cg_give(t->host, next);
    return status;
}

cg_status cg_automaton_builder_paths(cg_automaton_builder *t, cg_path *paths, int32_t n_paths,
                                     int32_t *ret_state, cg_error *err)
{
    qsort(paths, (size_t)n_paths, sizeof *paths, by_tokens);
    return paths_state(t, paths, 0, n_paths, 0, ret_state, err);
}

cg_status cg_automaton_builder_program(const cg_automaton_builder *t, int32_t n_fields,
                                       const int32_t *entry, const int32_t *forced_start,
                                       const int32_t *forced_token, int32_t fields_per_atom,
                                       int32_t bound, cg_program **ret_program, cg_error *err)
{
    int32_t n_span = forced_start[n_fields + 1];
    size_t ints = (size_t)n_fields + (size_t)n_fields + 2 + (size_t)n_span;
    cg_program *p = cg_take(t->host, 1, sizeof *p + ints * sizeof(int32_t));
    int32_t *at, bounded = 1;
    int64_t max_tokens = n_span;

    if (!p)
        return t->host->fail(err, CG_ERR_NOMEM, "program of %d fields: out of memory", n_fields);
    for (int32_t f = 0; f < n_fields; f++) {
        if (t->longest[entry[f]] == CG_BUILDER_CYCLE)
            bounded = 0;
        max_tokens += t->longest[entry[f]];
    }
    if (!bounded)
        max_tokens = (int64_t)n_span + bound;
    if (max_tokens > INT32_MAX) {
        cg_give(t->host, p);
        return t->host->fail(err, CG_ERR_LIMIT, "program of %d fields: more than 2^31 tokens",
                             n_fields);
    }
    at = (int32_t *)(p + 1);
    *p = (cg_program) {
        CG_SIZED(cg_program),
        .n_fields = n_fields,
        .n_states = t->n_states,
        .n_transitions = t->n_transitions,
        .n_head_rows = t->n_head_rows,
        .max_tokens = (int32_t)max_tokens,
        .fields_per_atom = fields_per_atom,
        .entry = at,
        .forced_start = at + n_fields,
        .forced_token = at + n_fields + n_fields + 2,
    };
    memcpy(at, entry, (size_t)n_fields * sizeof *at);
    memcpy(at + n_fields, forced_start, ((size_t)n_fields + 2) * sizeof *at);
    if (n_span)
        memcpy(at + n_fields + n_fields + 2, forced_token, (size_t)n_span * sizeof *at);
    *ret_program = p;
    return CG_OK;
}
