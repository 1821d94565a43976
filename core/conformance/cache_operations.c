/* SPDX-License-Identifier: MIT */
/* Calls that fill, share, shorten and empty slots, at random and as a run makes them. */
#include "cache_suite.h"

#include <stdlib.h>
#include <string.h>

enum {
    APPEND_ELEMENTS = 3 << 20, /* stored by one append, over all layers */
    LONG_APPEND = 600,         /* tokens of a long one */
    LONGEST_APPEND = 6000,     /* where its elements are few */
};

/* ---- random arguments ---------------------------------------------------------------------- */

static int32_t random_slot(cache_suite *s)
{
    return random_in(&s->rec, 0, s->shape.n_slots - 1);
}

/* A slot with tokens, if one of some at random has any. */
static int32_t random_filled_slot(cache_suite *s)
{
    int32_t slot = random_slot(s);

    for (int32_t i = 0; i < 8 && !s->slots[slot].valid; i++)
        slot = random_slot(s);
    return slot;
}

/* A length in [0, n]: none, all, all but one, a multiple of 16, or any. */
static int32_t random_length(cache_suite *s, int32_t n)
{
    switch (random_in(&s->rec, 0, 6)) {
    case 0:
        return 0;
    case 1:
        return n;
    case 2:
        return n ? n - 1 : 0;
    case 3:
        return random_in(&s->rec, 0, n) / 16 * 16;
    default:
        return random_in(&s->rec, 0, n);
    }
}

/* Most tokens of an append; rarely that of a long prompt whatever it costs. */
static int32_t append_limit(cache_suite *s)
{
    int64_t per_token = (int64_t)s->shape.n_layers * s->shape.n_kv_heads *
                        (s->shape.head_dim + s->shape.v_head_dim);
    int64_t limit = APPEND_ELEMENTS / per_token + 1;

    if (limit > LONGEST_APPEND)
        return LONGEST_APPEND;
    return limit < LONG_APPEND && random_in(&s->rec, 0, 39) == 0 ? LONG_APPEND : (int32_t)limit;
}

/* ---- append -------------------------------------------------------------------------------- */

/*
 * Appends at most n[slot] tokens to every slot: as many as fit into it and, in all, as one append
 * holds. Reserves their room first, sometimes more.
 */
static void append_some(cache_suite *s, int32_t *n, int32_t limit)
{
    for (int32_t i = 0; i < s->shape.n_slots; i++) {
        cache_slot *t = &s->slots[i];
        int32_t more = s->shape.max_len - t->valid < n[i] ? s->shape.max_len - t->valid : n[i];
        int32_t wanted;

        more = more < limit ? more : limit;
        wanted = random_in(&s->rec, 0, 9) ? t->valid + more
                                          : random_in(&s->rec, t->valid + more, s->shape.max_len);
        if (more && wanted > t->reserved && !cache_reserve(s, i, wanted))
            more = 0;
        n[i] = more;
        limit -= more;
    }
    cache_append_all(s, n);
    for (int32_t i = 0; i < s->shape.n_slots && s->window; i++) {
        /* the first of the new tokens is the newest of those that its query reads */
        int32_t lost = s->slots[i].valid - n[i] + 1 - s->window;

        if (n[i] && lost > s->slots[i].lost)
            s->slots[i].lost = lost;
    }
}

static int32_t *alloc_counts(const cache_suite *s)
{
    int32_t *n = calloc((size_t)s->shape.n_slots, sizeof *n);

    if (!n)
        abort();
    return n;
}

static void do_append(cache_suite *s)
{
    int32_t *n = alloc_counts(s), limit = append_limit(s);

    switch (random_in(&s->rec, 0, 3)) {
    case 0: /* a step of decoding */
        for (int32_t i = 0; i < s->shape.n_slots; i++)
            n[i] = random_in(&s->rec, 0, 3) > 0;
        break;
    case 1: /* a prompt, or a part of it */
        n[random_slot(s)] = random_in(&s->rec, 1, limit);
        break;
    case 2:
        for (int32_t i = 0; i < 5; i++)
            n[random_slot(s)] = random_in(&s->rec, 0, 40);
        break;
    default: /* a token and the forced ones after it */
        for (int32_t i = 0; i < s->shape.n_slots; i++)
            n[i] = random_in(&s->rec, 0, 3);
    }
    append_some(s, n, limit);
    free(n);
}

/* Appends `more` tokens to a slot in as many calls as that takes. */
static void fill_slot(cache_suite *s, int32_t slot, int32_t more)
{
    int32_t *n = alloc_counts(s);

    while (more > 0 && !s->rec.gpu_lost) {
        int32_t before = s->slots[slot].valid;

        memset(n, 0, (size_t)s->shape.n_slots * sizeof *n);
        n[slot] = more;
        append_some(s, n, random_in(&s->rec, 1, append_limit(s)));
        if (s->slots[slot].valid == before)
            break;
        more -= s->slots[slot].valid - before;
    }
    free(n);
}

/* ---- share, truncate, release -------------------------------------------------------------- */

void cache_release(cache_suite *s, int32_t slot)
{
    s->ops->release(s->self, slot);
    cache_model_truncate(s, slot, 0);
}

void cache_share_into(cache_suite *s, int32_t dst, int32_t src, int32_t len)
{
    cache_slot *to = &s->slots[dst], *from = &s->slots[src];
    cg_error err = CG_ERROR_INIT;
    cg_status st;

    st = s->ops->share_prefix(s->self, dst, src, len, &err);
    if (st != CG_OK) {
        expect(&s->rec, cache_is_nomem(s, st) && err.msg[0],
               "share_prefix(%d, %d, %d): status %d, text '%s'" CACHE_WANTED_NOMEM, dst, src, len,
               st, err.msg);
        return;
    }
    memcpy(to->token, from->token, (size_t)len * sizeof *to->token);
    to->valid = to->reserved = to->shared = len;
    to->unchecked = 0;
    to->lost = from->lost < len ? from->lost : len;
    from->shared = from->shared > len ? from->shared : len;
    s->shares += len > 0;
}

void cache_share(cache_suite *s, int32_t dst, int32_t src, int32_t len)
{
    if (dst == src || len < 0)
        return;
    cache_release(s, dst);
    cache_share_into(s, dst, src, len);
}

static void do_share(cache_suite *s)
{
    int32_t src = random_filled_slot(s), len = random_length(s, s->slots[src].valid);
    int32_t n = random_in(&s->rec, 0, 3) ? 1 : random_in(&s->rec, 1, s->shape.n_slots / 2 + 1);

    for (int32_t i = 0; i < n; i++)
        cache_share(s, random_slot(s), src, len);
}

void cache_truncate(cache_suite *s, int32_t slot, int32_t len)
{
    cg_error err = CG_ERROR_INIT;

    expect(&s->rec, s->ops->truncate(s->self, slot, len, &err) == CG_OK,
           "truncate(%d, %d) failed: %s", slot, len, err.msg);
    cache_model_truncate(s, slot, len);
}

/*
 * Takes tokens back without a call, as the CUDA executor does: the next ones are stored over them.
 * Those that another slot may share are kept, and those before the window, whose memory may be
 * gone.
 */
static void do_rewind(cache_suite *s, int32_t slot)
{
    cache_slot *t = &s->slots[slot];
    int32_t reserved = t->reserved, first = t->shared > t->lost ? t->shared : t->lost;
    int32_t len = random_in(&s->rec, first, t->valid);

    if (len == 0)
        return;
    cache_model_truncate(s, slot, len);
    t->reserved = reserved;
}

void cache_gather(cache_suite *s, int32_t slot)
{
    cache_slot *t = &s->slots[slot];
    int32_t from = random_length(s, t->valid), n = 0, every = random_in(&s->rec, 1, 4);
    int32_t *keep = guarded_alloc((size_t)(t->valid - from + 1) * sizeof *keep, 64);
    cg_error err = CG_ERROR_INIT;
    cg_status st;

    if (!keep)
        abort();
    if (t->valid - from > 64 && random_in(&s->rec, 0, 1))
        from = t->valid - random_in(&s->rec, 1, 64); /* a tree of drafted tokens */
    for (int32_t pos = from; pos < t->valid; pos++)
        if (random_in(&s->rec, 0, every) == 0)
            keep[n++] = pos;
    st = s->ops->gather(s->self, slot, from, keep, n, &err);
    expect(&s->rec, guarded_intact(keep), "gather() wrote outside of its arguments");
    if (expect(&s->rec, st == CG_OK || (cache_is_nomem(s, st) && err.msg[0]),
               "gather(%d, %d, %d tokens of %d): status %d, text '%s'", slot, from, n, t->valid, st,
               err.msg) &&
        st == CG_OK) {
        for (int32_t i = 0; i < n; i++)
            t->token[from + i] = t->token[keep[i]];
        cache_model_truncate(s, slot, from + n);
        t->shared = t->shared < from ? t->shared : from;
        t->unchecked = t->unchecked < from ? t->unchecked : from;
    }
    guarded_free(keep);
}

const char *cache_random_operation(cache_suite *s)
{
    int32_t slot = random_slot(s);

    switch (random_in(&s->rec, 0, 13)) {
    case 0:
    case 1:
        (void)cache_reserve(s, slot, random_length(s, s->shape.max_len));
        return "reserve";
    case 2:
        cache_release(s, slot);
        return "release";
    case 3:
    case 4:
        slot = random_filled_slot(s);
        cache_truncate(s, slot, random_length(s, s->slots[slot].valid));
        return "truncate";
    case 5:
    case 6:
        do_share(s);
        return "share_prefix";
    case 7:
        do_rewind(s, random_filled_slot(s));
        do_append(s);
        return "append over tokens taken back";
    case 8:
        if (s->features & CG_CACHE_GATHER) {
            cache_gather(s, random_filled_slot(s));
            return "gather";
        }
        /* fall through */
    default:
        do_append(s);
        return "append";
    }
}

void cache_release_all(cache_suite *s, const cg_cache_config *config)
{
    for (int32_t i = 0; i < s->shape.n_slots; i++)
        cache_release(s, i);
    s->shares = 0;
    cache_check_stats(s, config, "the release of all slots");
}

/* ---- a run --------------------------------------------------------------------------------- */

/* One token, and forced ones after some, for every slot that has tokens. */
static void decode(cache_suite *s, int32_t steps)
{
    int32_t *n = alloc_counts(s);

    for (int32_t step = 0; step < steps && !s->rec.gpu_lost; step++) {
        for (int32_t i = 0; i < s->shape.n_slots; i++)
            n[i] = s->slots[i].valid ? random_in(&s->rec, 0, 4) ? 1 : 5 : 0;
        append_some(s, n, LONG_APPEND);
    }
    free(n);
}

/*
 * The last slots hold prompts. Each prompt is shared by some of the others and released while they
 * decode; then some roll back.
 */
void cache_run_like(cache_suite *s)
{
    int32_t n_slots = s->shape.n_slots, n_prompts = n_slots / 8 + 1, n = n_slots - n_prompts;

    for (int32_t i = 0; i < n_prompts; i++) {
        int32_t prompt = n_slots - 1 - i;
        int32_t len = random_in(&s->rec, 1, s->shape.max_len < 600 ? s->shape.max_len : 600);

        if (i) /* the first is long */
            len = len / 8 + 1;
        fill_slot(s, prompt, len);
        for (int32_t k = i; k < n; k += n_prompts)
            cache_share(s, k, prompt, s->slots[prompt].valid - random_in(&s->rec, 0, 1));
        if (!cache_check_content(s, "prompts shared with sequences"))
            return;
    }
    decode(s, 3);
    for (int32_t i = 0; i < n_prompts; i += 2)
        cache_release(s, n_slots - 1 - i);
    decode(s, 3);
    if (!cache_check_content(s, "steps of decoding"))
        return;
    for (int32_t i = 0; i < n; i += 3)
        cache_truncate(s, i, random_length(s, s->slots[i].valid));
    decode(s, 2);
    fill_slot(s, random_slot(s), s->shape.max_len); /* to the end of a slot */
    cache_check_content(s, "a full slot");
}
