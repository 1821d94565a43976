/* SPDX-License-Identifier: MIT */
#include "byte_vocabulary.h"

#include <string.h>

static const char *const added[] = { "[CONFORMER]", "[/CONFORMER]", "<|endoftext|>" };
enum { N_ADDED = sizeof added / sizeof *added };

enum { N_BYTES = 256 };

struct context {
    const cg_host *host;
    char bytes[N_BYTES];
};

static const char *token(const void *ctx, int32_t id, uint32_t *ret_len, int32_t *ret_special)
{
    const struct context *c = ctx;

    if (id < 0 || id >= BYTE_UNUSED)
        return NULL;
    *ret_special = id >= BYTE_ADDED;
    *ret_len = id < BYTE_ADDED ? 1 : (uint32_t)strlen(added[id - BYTE_ADDED]);
    return id < BYTE_ADDED ? &c->bytes[id] : added[id - BYTE_ADDED];
}

/* Index of the added token at the start of the text, or -1. */
static int32_t added_at(const char *text, uint32_t len)
{
    for (int32_t i = 0; i < N_ADDED; i++) {
        size_t n = strlen(added[i]);

        if (n <= len && memcmp(text, added[i], n) == 0)
            return i;
    }
    return -1;
}

static cg_status encode(const void *ctx, const char *text, uint32_t len, int32_t *ret_ids,
                        cg_range *ret_ranges, int32_t cap, int32_t *ret_n, cg_error *err)
{
    const struct context *c = ctx;
    int32_t n = 0;

    for (uint32_t i = 0, bytes; i < len; i += bytes, n++) {
        int32_t special = added_at(text + i, len - i);

        bytes = special >= 0 ? (uint32_t)strlen(added[special]) : 1;
        if (n >= cap)
            continue; /* count it */
        ret_ids[n] = special >= 0 ? BYTE_ADDED + special : (unsigned char)text[i];
        if (ret_ranges)
            ret_ranges[n] = (cg_range) { i, i + bytes };
    }
    *ret_n = n;
    if (n > cap)
        return c->host->fail(err, CG_ERR_LIMIT, "text of %d tokens, wanted at most %d", n, cap);
    return CG_OK;
}

static int class_of(char ch)
{
    if (ch >= '0' && ch <= '9')
        return 0;
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') ? 1 : 2;
}

static cg_status pretokenize(const void *ctx, const char *text, uint32_t len, uint32_t *ret_ends,
                             int32_t cap, int32_t *ret_n, cg_error *err)
{
    const struct context *c = ctx;
    int32_t n = 0;

    for (uint32_t i = 1; i <= len; i++) {
        if (i < len && class_of(text[i]) == class_of(text[i - 1]))
            continue;
        if (n < cap)
            ret_ends[n] = i;
        n++;
    }
    *ret_n = n;
    if (n > cap)
        return c->host->fail(err, CG_ERR_LIMIT, "text of %d pre-tokens, wanted at most %d", n, cap);
    return CG_OK;
}

cg_vocabulary *byte_vocabulary_create(const cg_host *host)
{
    struct {
        cg_vocabulary vocabulary;
        struct context context;
    } *v = host->alloc(host->ctx, sizeof *v);

    if (!v)
        return NULL;
    v->context.host = host;
    for (int i = 0; i < N_BYTES; i++)
        v->context.bytes[i] = (char)i;
    v->vocabulary = (cg_vocabulary) {
        CG_SIZED(cg_vocabulary), .n_tokens = BYTE_N_TOKENS, .ctx = &v->context,
        .token = token,          .encode = encode,          .pretokenize = pretokenize,
    };
    return &v->vocabulary;
}
