/* SPDX-License-Identifier: MIT */
#include "automaton_builder.h"

#include <stdlib.h>
#include <string.h>

void *cg_host_zalloc(const cg_host *host, size_t n, size_t size)
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

void cg_host_free(const cg_host *host, void *memory)
{
    if (memory)
        host->free(host->ctx, memory);
}

/* A power of two, at least twice the states: open addressing needs empty buckets. */
static size_t bucket_count(size_t states)
{
    size_t n = 1;

    while (n < 2 * states)
        n *= 2;
    return n;
}

cg_status cg_automaton_builder_init(cg_automaton_builder *b, const char *name, const cg_host *host,
                                    int32_t n_tokens, int32_t capacity_states,
                                    int32_t capacity_transitions, cg_error *err)
{
    size_t states = (size_t)capacity_states, transitions = (size_t)capacity_transitions;
    size_t buckets = bucket_count(states);
    const struct {
        int32_t **array;
        size_t n;
    } arrays[] = {
        { &b->row, states + 1 },
        { &b->longest, states },
        { &b->token, transitions },
        { &b->next, transitions },
        { &b->head_row, transitions },
        { &b->head_token, (size_t)n_tokens },
        { &b->row_of_token, (size_t)n_tokens },
        { &b->bucket, buckets },
    };

    memset(b, 0, sizeof *b);
    b->host = host;
    b->name = name;
    b->n_tokens = n_tokens;
    b->bucket_mask = (uint32_t)buckets - 1;
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        *arrays[i].array = cg_host_zalloc(host, arrays[i].n, sizeof(int32_t));
        if (!*arrays[i].array) {
            cg_automaton_builder_finish(b);
            return host->fail(err, CG_ERR_NOMEM, "%s: out of memory for the automaton", name);
        }
    }
    b->row[0] = 0;
    for (int32_t i = 0; i < n_tokens; i++)
        b->row_of_token[i] = -1;
    for (size_t i = 0; i < buckets; i++)
        b->bucket[i] = -1;
    b->automaton = (cg_automaton) {
        CG_SIZED(cg_automaton),
        .capacity_states = capacity_states,
        .capacity_transitions = capacity_transitions,
        .capacity_head_rows = n_tokens,
        .row = b->row,
        .token = b->token,
        .next = b->next,
        .head_row = b->head_row,
        .head_token = b->head_token,
    };
    return CG_OK;
}

void cg_automaton_builder_finish(cg_automaton_builder *b)
{
    void *arrays[] = { b->row,      b->longest,    b->token,        b->next,
                       b->head_row, b->head_token, b->row_of_token, b->bucket };

    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++)
        cg_host_free(b->host, arrays[i]);
    memset(b, 0, sizeof *b);
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

static int is_state(const cg_automaton_builder *b, int32_t state, int32_t n, const int32_t *token,
                    const int32_t *next)
{
    int32_t r = b->row[state];

    if (b->row[state + 1] - r != n)
        return 0;
    for (int32_t i = 0; i < n; i++)
        if (b->token[r + i] != token[i] ||
            b->next[r + i] != (next[i] == CG_BUILDER_SELF ? state : next[i]))
            return 0;
    return 1;
}

static cg_status fail_full(const cg_automaton_builder *b, int32_t capacity, const char *of,
                           cg_error *err)
{
    return b->host->fail(
        err, CG_ERR_LIMIT,
        "%s: the automaton needs more than %d %s: use a number format with fewer digits, or "
        "split the molecules into several runs",
        b->name, capacity, of);
}

cg_status cg_automaton_builder_state(cg_automaton_builder *b, int32_t n, const int32_t *token,
                                     const int32_t *next, int32_t *ret_state, cg_error *err)
{
    uint32_t at = hash_state(n, token, next) & b->bucket_mask;
    int32_t s = b->n_states, first = b->n_transitions, longest = 0;

    for (; b->bucket[at] >= 0; at = (at + 1) & b->bucket_mask) {
        if (is_state(b, b->bucket[at], n, token, next)) {
            *ret_state = b->bucket[at];
            return CG_OK;
        }
    }
    if (s == b->automaton.capacity_states)
        return fail_full(b, b->automaton.capacity_states, "states", err);
    if (n > b->automaton.capacity_transitions - first)
        return fail_full(b, b->automaton.capacity_transitions, "transitions", err);
    for (int32_t i = 0; i < n; i++) {
        int32_t to = next[i] == CG_BUILDER_SELF ? s : next[i];
        int32_t rest = to == CG_EXIT ? 0 : to == s ? CG_BUILDER_CYCLE : b->longest[to];

        b->token[first + i] = token[i];
        b->next[first + i] = to;
        if (n > 1 && b->row_of_token[token[i]] < 0) {
            b->row_of_token[token[i]] = b->n_head_rows;
            b->head_token[b->n_head_rows++] = token[i];
        }
        b->head_row[first + i] = n > 1 ? b->row_of_token[token[i]] : -1;
        if (rest == CG_BUILDER_CYCLE)
            longest = CG_BUILDER_CYCLE;
        else if (longest != CG_BUILDER_CYCLE && rest + 1 > longest)
            longest = rest + 1;
    }
    b->longest[s] = longest;
    b->n_transitions = first + n;
    b->row[s + 1] = first + n;
    b->n_states = s + 1;
    b->bucket[at] = s;
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

int cg_paths_have_prefixes(cg_path *paths, int32_t n_paths)
{
    qsort(paths, (size_t)n_paths, sizeof *paths, by_tokens);
    for (int32_t i = 1; i < n_paths; i++)
        if (paths[i - 1].n < paths[i].n && !memcmp(paths[i - 1].token, paths[i].token,
                                                   (size_t)paths[i - 1].n * sizeof *paths[i].token))
            return 1;
    return 0;
}

static cg_status fail_ambiguous(const cg_automaton_builder *b, cg_error *err)
{
    return b->host->fail(err, CG_ERR_UNSUPPORTED,
                         "%s: two texts share their tokens: the tokens of this tokenizer do not "
                         "show where numbers end",
                         b->name);
}

/* Transitions of a state that is not yet in the tables, ascending. */
struct transitions {
    int32_t n;
    int32_t *token, *next;
};

/* Merges the transitions of `state` into t, which has room for them. */
static cg_status merge_state(const cg_automaton_builder *b, int32_t state, struct transitions *t,
                             cg_error *err)
{
    int32_t first = b->row[state], i = b->row[state + 1], k = t->n, at = k + i - first;

    t->n = at;
    while (i > first) { /* from the last one, which moves farthest */
        if (k > 0 && t->token[k - 1] == b->token[i - 1])
            return fail_ambiguous(b, err);
        if (k > 0 && t->token[k - 1] > b->token[i - 1]) {
            t->token[--at] = t->token[--k];
            t->next[at] = t->next[k];
        } else {
            t->token[--at] = b->token[--i];
            t->next[at] = b->next[i];
        }
    }
    return CG_OK;
}

/* Builds the state after the first `depth` tokens, which all of paths [begin, end) share. */
static cg_status state_of_paths(cg_automaton_builder *b, const cg_path *paths, int32_t begin,
                                int32_t end, int32_t depth, int32_t *ret_state, cg_error *err)
{
    struct transitions t = { 0 };
    int32_t after = CG_EXIT, capacity = 0;
    cg_status st = CG_OK;

    if (paths[begin].n == depth) {
        after = paths[begin].next;
        if (end - begin == 1) {
            *ret_state = after;
            return CG_OK;
        }
        if (after == CG_EXIT)
            return fail_ambiguous(b, err);
        capacity = b->row[after + 1] - b->row[after];
        begin++;
    }
    for (int32_t i = begin; i < end; i++) {
        if (paths[i].n == depth) /* an equal path */
            return fail_ambiguous(b, err);
        capacity += i == begin || paths[i].token[depth] != paths[i - 1].token[depth];
    }
    t.token = cg_host_zalloc(b->host, (size_t)capacity, sizeof *t.token);
    t.next = cg_host_zalloc(b->host, (size_t)capacity, sizeof *t.next);
    if (!t.token || !t.next) {
        st = b->host->fail(err, CG_ERR_NOMEM, "%s: out of memory for the automaton", b->name);
        goto out;
    }
    for (int32_t i = begin, j; i < end; i = j, t.n++) {
        for (j = i + 1; j < end && paths[j].token[depth] == paths[i].token[depth]; j++)
            ;
        t.token[t.n] = paths[i].token[depth];
        CG_TRY_GOTO(st, state_of_paths(b, paths, i, j, depth + 1, &t.next[t.n], err), out);
    }
    if (after != CG_EXIT)
        CG_TRY_GOTO(st, merge_state(b, after, &t, err), out);
    st = cg_automaton_builder_state(b, t.n, t.token, t.next, ret_state, err);
out:
    cg_host_free(b->host, t.token);
    cg_host_free(b->host, t.next);
    return st;
}

cg_status cg_automaton_builder_paths(cg_automaton_builder *b, cg_path *paths, int32_t n_paths,
                                     int32_t *ret_state, cg_error *err)
{
    qsort(paths, (size_t)n_paths, sizeof *paths, by_tokens);
    return state_of_paths(b, paths, 0, n_paths, 0, ret_state, err);
}

cg_status cg_automaton_builder_program(const cg_automaton_builder *b, int32_t n_fields,
                                       const int32_t *entry, const int32_t *forced_start,
                                       const int32_t *forced_token, int32_t fields_per_atom,
                                       int32_t bound, cg_program **ret_program, cg_error *err)
{
    int32_t n_forced = forced_start[n_fields + 1];
    size_t ints = (size_t)n_fields + (size_t)n_fields + 2 + (size_t)n_forced;
    cg_program *p = cg_host_zalloc(b->host, 1, sizeof *p + ints * sizeof(int32_t));
    int32_t *at, bounded = 1;
    int64_t max_tokens = n_forced;

    if (!p)
        return b->host->fail(err, CG_ERR_NOMEM, "%s: out of memory for a program of %d fields",
                             b->name, n_fields);
    for (int32_t f = 0; f < n_fields; f++) {
        if (b->longest[entry[f]] == CG_BUILDER_CYCLE)
            bounded = 0;
        max_tokens += b->longest[entry[f]];
    }
    if (!bounded)
        max_tokens = (int64_t)n_forced + bound;
    if (max_tokens > INT32_MAX) {
        cg_host_free(b->host, p);
        return b->host->fail(err, CG_ERR_LIMIT, "program of %d fields: more than 2^31 tokens",
                             n_fields);
    }
    at = (int32_t *)(p + 1);
    *p = (cg_program) {
        CG_SIZED(cg_program),
        .n_fields = n_fields,
        .n_states = b->n_states,
        .n_transitions = b->n_transitions,
        .n_head_rows = b->n_head_rows,
        .max_tokens = (int32_t)max_tokens,
        .fields_per_atom = fields_per_atom,
        .entry = at,
        .forced_start = at + n_fields,
        .forced_token = at + n_fields + n_fields + 2,
    };
    memcpy(at, entry, (size_t)n_fields * sizeof *at);
    memcpy(at + n_fields, forced_start, ((size_t)n_fields + 2) * sizeof *at);
    if (n_forced)
        memcpy(at + n_fields + n_fields + 2, forced_token, (size_t)n_forced * sizeof *at);
    *ret_program = p;
    return CG_OK;
}
