/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checker.h"

enum {
    SLOTS = 5,
    LAYERS = 3,
    HEADS = 2,
    DIM = 8,
    MAX_LEN = 150,
    MAX_ROWS = 400, /* tokens of one append */
};

/* What a cache must hold: a number for every token; elements of keys and values follow from it. */
struct suite {
    checker c;
    watch_host watch;
    const cg_cache_ops *ops;
    void *self;
    uint32_t token[SLOTS][MAX_LEN];
    int32_t valid[SLOTS]; /* tokens that were stored */
    int32_t room[SLOTS];  /* tokens that were reserved */
    int32_t shares;       /* prefixes shared since all was empty */
    uint32_t next;
    cg_kv_view view[LAYERS]; /* as last seen */
};

static cg_cache_config make_config(void)
{
    return (cg_cache_config) {
        CG_SIZED(cg_cache_config), .device = CG_DEVICE_CPU, .dtype = CG_F32, .n_layers = LAYERS,
        .n_slots = SLOTS,          .n_kv_heads = HEADS,     .head_dim = DIM, .max_len = MAX_LEN,
    };
}

static float element(uint32_t token, int32_t layer, int32_t head, int32_t d, int32_t value)
{
    uint32_t h = token * 2654435761u + (uint32_t)(((layer * HEADS + head) * DIM + d) * 2 + value);

    h ^= h >> 15;
    h *= 2246822519u;
    return (float)(h >> 8); /* exact in f32 */
}

/* ---- model --------------------------------------------------------------------------------- */

static void model_clear(struct suite *s)
{
    memset(s->valid, 0, sizeof s->valid);
    memset(s->room, 0, sizeof s->room);
    memset(s->view, 0, sizeof s->view);
    s->shares = 0;
}

static int create(struct suite *s, const cg_cache_config *config)
{
    cg_error err = CG_ERROR_INIT;
    cg_status st;

    model_clear(s);
    s->self = NULL;
    st = s->ops->create(&s->watch.host, config, &s->self, &err);
    return expect(&s->c, st == CG_OK, "create() failed (%d): %s", st, err.msg) &&
           expect(&s->c, s->self != NULL, "create() succeeded but gave NULL");
}

/* ---- views --------------------------------------------------------------------------------- */

static int same_places(const cg_kv_view *a, const cg_kv_view *b)
{
    return a->k == b->k && a->v == b->v && a->page_table == b->page_table &&
           a->block_tokens == b->block_tokens && a->table_stride == b->table_stride &&
           a->block_stride == b->block_stride && a->head_stride == b->head_stride &&
           a->token_stride == b->token_stride;
}

static int check_view(struct suite *s, int32_t layer, const cg_kv_view *v)
{
    const cg_kv_view *old = &s->view[layer];
    int64_t row = DIM * (int64_t)sizeof(float);

    expect(&s->c,
           v->struct_size >= offsetof(cg_kv_view, generation) + sizeof v->generation &&
               v->device == CG_DEVICE_CPU && v->dtype == CG_F32 && v->n_slots == SLOTS &&
               v->n_kv_heads == HEADS && v->head_dim == DIM,
           "view of layer %d: not the shape that was asked for", layer);
    if (!expect(&s->c,
                v->block_tokens >= 1 && v->k && v->v &&
                    (v->page_table != NULL) == (s->ops->paged != 0),
                "view of layer %d: %d tokens a block, k %p, v %p, page table %p, but paged is %d",
                layer, v->block_tokens, v->k, v->v, (const void *)v->page_table, s->ops->paged))
        return 0;
    expect(&s->c,
           (v->token_stride >= row || v->token_stride <= -row) &&
               (v->head_stride >= row || v->head_stride <= -row) && v->token_stride % 4 == 0 &&
               v->head_stride % 4 == 0 && v->block_stride % 4 == 0,
           "view of layer %d: strides %lld, %lld, %lld", layer, (long long)v->block_stride,
           (long long)v->head_stride, (long long)v->token_stride);
    if (CG_HAS_SIZE(s->ops, block_tokens) && s->ops->block_tokens)
        expect(&s->c, v->block_tokens == s->ops->block_tokens,
               "view of layer %d: %d tokens a block, but %d were announced", layer, v->block_tokens,
               s->ops->block_tokens);
    if (old->struct_size && old->generation == v->generation)
        expect(&s->c, same_places(old, v),
               "layer %d: a pointer or stride changed, but generation %llu did not", layer,
               (unsigned long long)v->generation);
    s->view[layer] = *v;
    return 1;
}

static int has_element(const cg_kv_view *v, int32_t slot, int32_t head, int32_t pos, int32_t d,
                       uint32_t token, int32_t layer)
{
    int64_t at = cg_kv_offset(v, slot, head, pos) + d * (int64_t)sizeof(float);
    float k, x;

    memcpy(&k, (const char *)v->k + at, sizeof k);
    memcpy(&x, (const char *)v->v + at, sizeof x);
    return k == element(token, layer, head, d, 0) && x == element(token, layer, head, d, 1);
}

/* Everything that was stored is where the views say. */
static int check_content(struct suite *s, const char *after)
{
    for (int32_t layer = 0; layer < LAYERS; layer++) {
        cg_error err = CG_ERROR_INIT;
        cg_kv_view v = { 0 };

        if (!expect(&s->c, s->ops->view(s->self, layer, &v, &err) == CG_OK,
                    "view() of layer %d failed: %s", layer, err.msg) ||
            !check_view(s, layer, &v))
            return 0;
        for (int32_t slot = 0; slot < SLOTS; slot++) {
            if (!v.page_table && !expect(&s->c, s->room[slot] <= v.block_tokens,
                                         "slot %d has room for %d tokens in blocks of %d", slot,
                                         s->room[slot], v.block_tokens))
                return 0;
            for (int32_t pos = 0; v.page_table && pos < s->room[slot]; pos += v.block_tokens) {
                int32_t page = v.page_table[slot * v.table_stride + pos / v.block_tokens];

                if (!expect(&s->c, page >= 0, "after %s: token %d of slot %d lies in page %d",
                            after, pos, slot, page))
                    return 0;
            }
            for (int32_t pos = 0; pos < s->valid[slot]; pos++)
                for (int32_t head = 0; head < HEADS; head++)
                    for (int32_t d = 0; d < DIM; d++)
                        if (!has_element(&v, slot, head, pos, d, s->token[slot][pos], layer))
                            return expect(&s->c, 0,
                                          "after %s: layer %d, slot %d, head %d, token %d of %d, "
                                          "element %d is not what was stored",
                                          after, layer, slot, head, pos, s->valid[slot], d);
        }
    }
    return expect(&s->c, 1, "%s", after);
}

static void check_stats(struct suite *s, const cg_cache_config *config, const char *after)
{
    cg_cache_stats st = { CG_SIZED(cg_cache_stats) };
    int32_t used = 0;

    s->ops->stats(s->self, &st);
    for (int32_t i = 0; i < SLOTS; i++)
        used += s->room[i];
    expect(&s->c,
           st.bytes_used >= 0 && st.bytes_used <= st.bytes_allocated && st.blocks_shared >= 0 &&
               st.grown >= 0,
           "after %s: %lld of %lld bytes used, %lld blocks shared, grown %lld times", after,
           (long long)st.bytes_used, (long long)st.bytes_allocated, (long long)st.blocks_shared,
           (long long)st.grown);
    expect(&s->c, (used > 0) == (st.bytes_used > 0),
           "after %s: %d tokens are reserved, but %lld bytes are used", after, used,
           (long long)st.bytes_used);
    expect(&s->c, s->shares || st.blocks_shared == 0,
           "after %s: %lld blocks shared, but nothing was", after, (long long)st.blocks_shared);
    expect(&s->c, !config->max_bytes || st.bytes_allocated <= config->max_bytes,
           "after %s: %lld bytes allocated, the bound is %lld", after,
           (long long)st.bytes_allocated, (long long)config->max_bytes);
}

/* ---- operations ---------------------------------------------------------------------------- */

/* Append `n[slot]` tokens to every slot, the slots' tokens interleaved, some places left out. */
static void append(struct suite *s, const int32_t *n)
{
    static const size_t row = (size_t)HEADS * DIM;
    int32_t slot[MAX_ROWS], pos[MAX_ROWS], left[SLOTS], rows = 0, more = 1;
    uint32_t token[MAX_ROWS];
    size_t pad = (size_t)random_in(&s->c, 0, 5), width = row + pad;
    float *k = guarded_alloc(MAX_ROWS * width * sizeof *k, 64);
    float *v = guarded_alloc(MAX_ROWS * width * sizeof *v, 64);

    if (!k || !v)
        abort();
    memcpy(left, n, sizeof left);
    while (more) {
        more = 0;
        for (int32_t i = 0; i < SLOTS && rows + 1 < MAX_ROWS; i++) {
            if (left[i] == 0)
                continue;
            if (random_in(&s->c, 0, 9) == 0) {
                slot[rows] = -1; /* to be skipped; its keys and values are NaN */
                pos[rows] = 1 << 30;
                token[rows++] = 0;
            }
            slot[rows] = i;
            pos[rows] = s->valid[i];
            token[rows] = s->next++;
            s->token[i][s->valid[i]++] = token[rows++];
            left[i]--;
            more = 1;
        }
    }
    for (int32_t layer = 0; layer < LAYERS; layer++) {
        cg_error err = CG_ERROR_INIT;
        cg_status st;

        for (int32_t i = 0; i < rows; i++)
            for (int32_t j = 0; j < HEADS * DIM && slot[i] >= 0; j++) {
                k[(size_t)i * width + (size_t)j] = element(token[i], layer, j / DIM, j % DIM, 0);
                v[(size_t)i * width + (size_t)j] = element(token[i], layer, j / DIM, j % DIM, 1);
            }
        st = s->ops->append(s->self, layer,
                            &(cg_cache_append) {
                                CG_SIZED(cg_cache_append),
                                .n_tokens = rows,
                                .slot = slot,
                                .pos = pos,
                                .k = k,
                                .v = v,
                                .k_stride = (int64_t)(width * sizeof *k),
                                .v_stride = (int64_t)(width * sizeof *v),
                                .dtype = CG_F32,
                            },
                            &err);
        expect(&s->c, st == CG_OK, "append() to layer %d failed (%d): %s", layer, st, err.msg);
    }
    guarded_free(k);
    guarded_free(v);
}

static int32_t random_slot(struct suite *s)
{
    return random_in(&s->c, 0, SLOTS - 1);
}

/* Room for len tokens; 0 if there is no memory, which must leave all as it was. */
static int reserve(struct suite *s, int32_t slot, int32_t len)
{
    cg_error err = CG_ERROR_INIT;
    cg_status st = s->ops->reserve(s->self, slot, len, &err);

    if (st != CG_OK) {
        expect(&s->c, st == CG_ERR_NOMEM && err.msg[0], "reserve(%d, %d): status %d, text '%s'",
               slot, len, st, err.msg);
        return 0;
    }
    if (len > s->room[slot])
        s->room[slot] = len;
    return 1;
}

static void do_append(struct suite *s)
{
    int32_t n[SLOTS] = { 0 };

    for (int32_t i = 0; i < SLOTS; i++) {
        int32_t want = random_in(&s->c, 0, 2) ? random_in(&s->c, 0, 3) : random_in(&s->c, 0, 40);

        if (want > MAX_LEN - s->valid[i])
            want = MAX_LEN - s->valid[i];
        if (s->valid[i] + want <= s->room[i] ||
            (random_in(&s->c, 0, 1) && reserve(s, i, s->valid[i] + want)))
            n[i] = want;
    }
    append(s, n);
}

static void do_share(struct suite *s)
{
    int32_t dst = random_slot(s), src = random_slot(s), len;
    cg_error err = CG_ERROR_INIT;
    cg_status st;

    if (dst == src)
        return;
    len = random_in(&s->c, 0, s->valid[src]);
    s->ops->release(s->self, dst);
    s->valid[dst] = s->room[dst] = 0;
    st = s->ops->share_prefix(s->self, dst, src, len, &err);
    if (st != CG_OK) {
        expect(&s->c, st == CG_ERR_NOMEM && err.msg[0],
               "share_prefix(%d, %d, %d): status %d, text '%s'", dst, src, len, st, err.msg);
        return;
    }
    memcpy(s->token[dst], s->token[src], (size_t)len * sizeof **s->token);
    s->valid[dst] = s->room[dst] = len;
    s->shares += len > 0;
}

static const char *random_operation(struct suite *s)
{
    int32_t slot = random_slot(s);
    cg_error err = CG_ERROR_INIT;

    switch (random_in(&s->c, 0, 9)) {
    case 0:
    case 1:
        (void)reserve(s, slot, random_in(&s->c, 0, MAX_LEN));
        return "reserve";
    case 2:
        s->ops->release(s->self, slot);
        s->valid[slot] = s->room[slot] = 0;
        return "release";
    case 3: {
        int32_t len = random_in(&s->c, 0, s->valid[slot]);

        expect(&s->c, s->ops->truncate(s->self, slot, len, &err) == CG_OK,
               "truncate(%d, %d) failed: %s", slot, len, err.msg);
        s->valid[slot] = s->room[slot] = len; /* what was behind may be gone */
        return "truncate";
    }
    case 4:
    case 5:
        do_share(s);
        return "share_prefix";
    default:
        do_append(s);
        return "append";
    }
}

static void release_all(struct suite *s, const cg_cache_config *config)
{
    for (int32_t i = 0; i < SLOTS; i++)
        s->ops->release(s->self, i);
    memset(s->valid, 0, sizeof s->valid);
    memset(s->room, 0, sizeof s->room);
    s->shares = 0;
    check_stats(s, config, "all was released");
}

/* ---- checks -------------------------------------------------------------------------------- */

static void check_refusals(struct suite *s)
{
    cg_cache_config good = make_config();
    struct {
        const char *what;
        cg_cache_config config;
    } bad[] = {
        { "a configuration of 8 bytes", good },
        { "no layers", good },
        { "no slots", good },
        { "no heads", good },
        { "a head size of 0", good },
        { "no tokens", good },
        { "a negative bound", good },
        { "an unknown device", good },
        { "an unknown element type", good },
        { "a negative number of slots", good },
    };

    bad[0].config.struct_size = 8;
    bad[1].config.n_layers = 0;
    bad[2].config.n_slots = 0;
    bad[3].config.n_kv_heads = 0;
    bad[4].config.head_dim = 0;
    bad[5].config.max_len = 0;
    bad[6].config.max_bytes = -1;
    bad[7].config.device = 77;
    bad[8].config.dtype = 99;
    bad[9].config.n_slots = -3;
    checker_begin(&s->c, "nonsense is refused");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cg_error err = CG_ERROR_INIT;
        void *self = NULL;

        expect_refused(&s->c, s->ops->supports(&s->watch.host, &bad[i].config, &err), &err,
                       bad[i].what);
        err = (cg_error)CG_ERROR_INIT;
        expect_refused(&s->c, s->ops->create(&s->watch.host, &bad[i].config, &self, &err), &err,
                       bad[i].what);
        expect(&s->c, self == NULL, "%s: a cache was handed out", bad[i].what);
    }
    expect_clean(&s->c, &s->watch, "refusals");
    checker_end(&s->c);
}

static void check_range(struct suite *s)
{
    static const int32_t bad_slots[] = { -1, SLOTS, INT32_MAX, INT32_MIN };
    static const int32_t bad_lens[] = { -1, MAX_LEN + 1, INT32_MAX, INT32_MIN };
    static const int32_t bad_layers[] = { -1, LAYERS, INT32_MAX, INT32_MIN };
    cg_cache_config config = make_config();
    int32_t some[SLOTS] = { 20, 0, 33, 0, 0 };

    checker_begin(&s->c, "what is out of range is refused");
    if (create(s, &config) && reserve(s, 0, 20) && reserve(s, 2, 33)) {
        append(s, some);
        for (int32_t i = 0; i < 4; i++) {
            cg_error err = CG_ERROR_INIT;
            cg_kv_view view;

            expect_refused(&s->c, s->ops->reserve(s->self, bad_slots[i], 1, &err), &err,
                           "reserve() in no slot");
            expect_refused(&s->c, s->ops->reserve(s->self, 0, bad_lens[i], &err), &err,
                           "reserve() of no length");
            expect_refused(&s->c, s->ops->truncate(s->self, bad_slots[i], 0, &err), &err,
                           "truncate() of no slot");
            expect_refused(&s->c, s->ops->truncate(s->self, 0, bad_lens[i], &err), &err,
                           "truncate() to no length");
            expect_refused(&s->c, s->ops->share_prefix(s->self, bad_slots[i], 0, 1, &err), &err,
                           "share_prefix() with no slot");
            expect_refused(&s->c, s->ops->share_prefix(s->self, 1, bad_slots[i], 1, &err), &err,
                           "share_prefix() of no slot");
            expect_refused(&s->c, s->ops->share_prefix(s->self, 1, 0, bad_lens[i], &err), &err,
                           "share_prefix() of no length");
            expect_refused(&s->c, s->ops->view(s->self, bad_layers[i], &view, &err), &err,
                           "view() of no layer");
            s->ops->release(s->self, bad_slots[i]); /* has no status: must do nothing */
        }
        check_content(s, "refusals");
        check_stats(s, &config, "refusals");
    }
    s->ops->destroy(s->self);
    expect_clean(&s->c, &s->watch, "destroy()");
    checker_end(&s->c);
}

static void check_random(struct suite *s)
{
    cg_cache_config config = make_config();

    checker_begin(&s->c, "content after random operations");
    for (int32_t round = 0; round < checker_rounds(&s->c, 6); round++) {
        if (!create(s, &config))
            break;
        for (int32_t i = 0; i < 150; i++) {
            const char *after = random_operation(s);

            check_stats(s, &config, after);
            if (!check_content(s, after))
                break;
        }
        release_all(s, &config);
        s->ops->destroy(s->self);
        expect_clean(&s->c, &s->watch, "destroy()");
    }
    checker_end(&s->c);
}

/* Bytes that one token of one slot takes at least. */
static int64_t token_bytes(void)
{
    return (int64_t)LAYERS * 2 * HEADS * DIM * (int64_t)sizeof(float);
}

/* Less memory than all slots want: what fails leaves what was there. */
static void check_bound(struct suite *s)
{
    checker_begin(&s->c, "the bound of memory is kept");
    for (int32_t round = 0; round < checker_rounds(&s->c, 8); round++) {
        cg_cache_config config = make_config();
        cg_error err = CG_ERROR_INIT;
        cg_status st;

        config.max_bytes = token_bytes() * random_in(&s->c, 16, SLOTS * MAX_LEN);
        model_clear(s);
        s->self = NULL;
        st = s->ops->create(&s->watch.host, &config, &s->self, &err);
        if (st != CG_OK) { /* so little that there is no beginning */
            expect(&s->c, st == CG_ERR_NOMEM && err.msg[0] && !s->self,
                   "create() within %lld bytes: status %d, text '%s'", (long long)config.max_bytes,
                   st, err.msg);
            continue;
        }
        for (int32_t i = 0; i < 80; i++) {
            const char *after = random_operation(s);

            check_stats(s, &config, after);
            if (!check_content(s, after))
                break;
        }
        s->ops->destroy(s->self);
        expect_clean(&s->c, &s->watch, "destroy()");
    }
    checker_end(&s->c);
}

static void check_no_memory(struct suite *s)
{
    cg_cache_config config = make_config();
    int32_t some[SLOTS] = { 9, 9, 9, 9, 9 };

    checker_begin(&s->c, "create() and reserve() without memory");
    s->ops->destroy(NULL);
    for (int32_t k = 0; k < 100; k++) {
        cg_error err = CG_ERROR_INIT;
        cg_status st;
        int met;

        model_clear(s);
        s->self = NULL;
        atomic_store(&s->watch.until_failure, k);
        st = s->ops->create(&s->watch.host, &config, &s->self, &err);
        if (st != CG_OK) {
            expect(&s->c, st == CG_ERR_NOMEM && err.msg[0] && !s->self,
                   "allocation %d failed: status %d, text '%s'", k, st, err.msg);
        } else {
            for (int32_t i = 0; i < SLOTS; i++)
                some[i] = reserve(s, i, 9 + 30 * i) ? 9 : 0;
            append(s, some);
            (void)reserve(s, 0, MAX_LEN);
            check_content(s, "an allocation failed");
            s->ops->destroy(s->self);
        }
        met = atomic_exchange(&s->watch.until_failure, -1) < 0;
        expect_clean(&s->c, &s->watch, "a failed allocation");
        if (!met)
            break;
    }
    checker_end(&s->c);
}

int32_t cg_conformance_cache(const cg_cache_ops *ops, const cg_host *host,
                             const cg_conformance_options *options)
{
    struct suite s = { .ops = ops };
    cg_cache_config config = make_config();
    cg_error err = CG_ERROR_INIT;
    cg_status st;

    checker_init(&s.c, options);
    watch_host_init(&s.watch, host);
    check_refusals(&s);
    st = ops->supports(&s.watch.host, &config, &err);
    if (st != CG_OK) {
        checker_begin(&s.c, "f32 on the CPU");
        expect_refused(&s.c, st, &err, "f32 on the CPU");
        expect(&s.c, 0, "is not served, and nothing else is tried: %s", err.msg);
        checker_end(&s.c);
        return s.c.failures;
    }
    check_range(&s);
    check_random(&s);
    check_bound(&s);
    check_no_memory(&s);
    return s.c.failures;
}
