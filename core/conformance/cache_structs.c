/* SPDX-License-Identifier: MIT */
/*
 * Structs of another length than the plugin's, as hosts of other minors have them: rules 1 and 2 of
 * plugin.h.
 */
#include "cache_suite.h"

#include <string.h>

#include "fenced_memory.h"

enum {
    ROOM = 1024,       /* bytes of a result, with what is behind it */
    GUARD_BYTE = 0x5c, /* behind a result, and of unknown members of an argument */
    UNKNOWN = 40,      /* bytes of members that no plugin knows yet */
};

/* ---- results ------------------------------------------------------------------------------- */

/* A result of view() or stats() in a struct of some length. */
struct result {
    union {
        uint32_t struct_size;
        cg_kv_view view;
        cg_cache_stats stats;
        unsigned char bytes[ROOM];
    };
};

static void result_prepare(struct result *r, uint32_t size)
{
    memset(r->bytes, 0, size);
    memset(r->bytes + size, GUARD_BYTE, ROOM - size);
    r->struct_size = size;
}

/*
 * Records whether a function has filled a struct of `size` bytes like the one in `full`, of which
 * bytes [first, known) have a meaning beside struct_size, and nothing behind it.
 */
static void check_result(cache_suite *s, const struct result *r, const struct result *full,
                         uint32_t size, uint32_t first, uint32_t known, const char *what)
{
    uint32_t n = size < known ? size / 8 * 8 : known, same = first, zero = known, intact = size;

    while (same < n && r->bytes[same] == full->bytes[same])
        same++;
    while (zero < size && r->bytes[zero] == 0)
        zero++;
    while (intact < ROOM && r->bytes[intact] == GUARD_BYTE)
        intact++;
    expect(&s->rec, intact == ROOM, "%s with a struct_size of %u: byte %u behind it was written",
           what, size, intact);
    expect(&s->rec, same >= n,
           "%s with a struct_size of %u: byte %u is %u, wanted %u as with a struct_size of %u",
           what, size, same, r->bytes[same], full->bytes[same], known);
    expect(&s->rec, zero >= size,
           "%s with a struct_size of %u: byte %u of members behind the plugin's is %u, wanted 0",
           what, size, zero, r->bytes[zero]);
    expect(&s->rec, r->struct_size <= size, "%s: struct_size was %u, is %u", what, size,
           r->struct_size);
}

static int call_view(cache_suite *s, uint32_t size, struct result *r)
{
    cg_error err = CG_ERROR_INIT;

    result_prepare(r, size);
    if (!expect(&s->rec, s->ops->view(s->self, 0, &r->view, &err) == CG_OK,
                "view() with a struct_size of %u failed: %s", size, err.msg))
        return 0;
    r->view.generation = 1; /* may change with every call */
    return 1;
}

/* A plugin of an older minor may assign a whole struct, which is shorter than the host's. */
static int keeps_sizes(const cache_suite *s)
{
    return CG_HAS_SIZE(s->ops, features);
}

static void check_views(cache_suite *s)
{
    const uint32_t first = offsetof(cg_kv_view, v_head_dim); /* length of 1.0 and 1.1 */
    const uint32_t known = sizeof(cg_kv_view);
    struct result full, r;

    if (!call_view(s, known, &full))
        return;
    for (uint32_t size = keeps_sizes(s) ? first : known; size <= known + UNKNOWN;
         size += size < first + 8 ? 1 : 3)
        if (call_view(s, size, &r))
            check_result(s, &r, &full, size, offsetof(cg_kv_view, device), known, "view()");
    if (call_view(s, ROOM / 2, &r))
        check_result(s, &r, &full, ROOM / 2, offsetof(cg_kv_view, device), known, "view()");
}

static void check_stats(cache_suite *s)
{
    const uint32_t known = sizeof(cg_cache_stats);
    struct result full, r;

    result_prepare(&full, known);
    s->ops->stats(s->self, &full.stats);
    for (uint32_t size = keeps_sizes(s) ? offsetof(cg_cache_stats, blocks_shared) : known;
         size <= known + UNKNOWN; size += 3) {
        result_prepare(&r, size);
        s->ops->stats(s->self, &r.stats);
        /* padding has no value */
        check_result(s, &r, &full, size, offsetof(cg_cache_stats, bytes_allocated), known,
                     "stats()");
    }
}

/* ---- arguments ----------------------------------------------------------------------------- */

/* A struct of `size` bytes: the first ones of `from` [known], others of no known meaning. */
static void *fenced_copy(const char *name, const void *from, uint32_t known, uint32_t size)
{
    char *copy = fenced_alloc(name, size, 8, 1);

    memset(copy, GUARD_BYTE, size);
    memcpy(copy, from, size < known ? size : known);
    memcpy(copy, &size, sizeof size);
    return copy;
}

/* Creates a cache with a configuration of `size` bytes, fills it and checks its content. */
static void check_config(cache_suite *s, uint32_t size)
{
    int32_t n[5] = { 7, 0, 20, 1, 3 };
    cg_cache_config config = cache_config(s);
    cg_cache_config *copy =
        fenced_copy("a configuration of this length", &config, sizeof config, size);
    cg_error err = CG_ERROR_INIT;
    char violation[256];
    cg_status st;

    cache_model_clear(s);
    s->self = NULL;
    st = s->ops->supports(&s->test_host.host, copy, &err);
    expect(&s->rec, st == CG_OK, "supports() of a configuration of %u bytes: %s", size, err.msg);
    st = s->ops->create(&s->test_host.host, copy, &s->self, &err);
    expect(&s->rec, !fenced_violation(violation, sizeof violation),
           "supports() or create() with a configuration of %u bytes %s", size, violation);
    fenced_free(copy);
    if (!expect(&s->rec, st == CG_OK && s->self, "create() with a configuration of %u bytes: %s",
                size, err.msg))
        return;
    for (int32_t i = 0; i < 5; i++)
        n[i] = cache_reserve(s, i, n[i]) ? n[i] : 0;
    s->append_size = size > sizeof config ? (int32_t)sizeof(cg_cache_append) + UNKNOWN : 0;
    cache_append_all(s, n);
    s->append_size = 0;
    cache_check_content(s, "create() with a configuration of another length");
    if (size == sizeof config) {
        check_views(s);
        check_stats(s);
    }
    cache_destroy(s);
}

void cache_check_structs(cache_suite *s)
{
    const uint32_t first = offsetof(cg_cache_config, features); /* length of 1.0 and 1.1 */

    if (!test_begin(&s->rec, "structs of other minors"))
        return;
    for (uint32_t size = first; size <= sizeof(cg_cache_config) + UNKNOWN; size += 8)
        check_config(s, size);
    check_config(s, sizeof(cg_cache_config));
    test_end(&s->rec);
}
