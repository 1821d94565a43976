/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/error.h"
#include "template/template.h"

/* cg_vocabulary.token */
static const char *token(const void *ctx, int32_t id, uint32_t *ret_len, int32_t *ret_special)
{
    const cg_vocabulary_adapter *a = ctx;
    const char *bytes;
    size_t len;

    if (cg_tokenizer_token_bytes(a->tokenizer, id, &bytes, &len) != CG_OK)
        return NULL;
    *ret_len = (uint32_t)len;
    *ret_special = cg_tokenizer_is_added(a->tokenizer, id);
    return bytes;
}

/* cg_vocabulary.encode */
static cg_status encode(const void *ctx, const char *text, uint32_t len, int32_t *ret_ids,
                        cg_range *ret_ranges, int32_t cap, int32_t *ret_n, cg_error *err)
{
    const cg_vocabulary_adapter *a = ctx;
    cg_tokens tokens = CG_TOKENS_INIT;
    uint32_t flags = CG_ENCODE_CONTINUED | (ret_ranges ? CG_ENCODE_SPANS : 0);
    cg_status st;

    CG_TRY_GOTO(st, cg_tokenizer_encode(a->tokenizer, a->cache, text, len, flags, &tokens, err),
                out);
    if (tokens.n > (size_t)cap) {
        st = cg_fail(err, CG_ERR_LIMIT, "a text of %u bytes has %zu tokens, wanted at most %d", len,
                     tokens.n, cap);
        goto out;
    }
    *ret_n = (int32_t)tokens.n;
    for (size_t i = 0; i < tokens.n; i++) {
        ret_ids[i] = tokens.ids[i];
        if (ret_ranges)
            ret_ranges[i] = (cg_range) { tokens.spans[i].start, tokens.spans[i].end };
    }
out:
    cg_tokens_finish(&tokens);
    return st;
}

/* cg_vocabulary.pretokenize */
static cg_status pretokenize(const void *ctx, const char *text, uint32_t len, uint32_t *ret_ends,
                             int32_t cap, int32_t *ret_n, cg_error *err)
{
    const cg_vocabulary_adapter *a = ctx;
    cg_spans spans = CG_SPANS_INIT;
    cg_status st;

    CG_TRY_GOTO(st, cg_tokenizer_pretokens(a->tokenizer, text, len, &spans, err), out);
    if (spans.n > (size_t)cap) {
        st = cg_fail(err, CG_ERR_LIMIT, "a text of %u bytes has %zu pre-tokens, wanted at most %d",
                     len, spans.n, cap);
        goto out;
    }
    *ret_n = (int32_t)spans.n;
    for (size_t i = 0; i < spans.n; i++)
        ret_ends[i] = spans.items[i].end;
out:
    cg_spans_finish(&spans);
    return st;
}

void cg_vocabulary_init(cg_vocabulary_adapter *a, const cg_tokenizer *tokenizer,
                        cg_token_cache *cache)
{
    a->tokenizer = tokenizer;
    a->cache = cache;
    a->vocabulary = (cg_vocabulary) {
        CG_SIZED(cg_vocabulary),
        .n_tokens = cg_tokenizer_vocab_size(tokenizer),
        .ctx = a,
        .token = token,
        .encode = encode,
        .pretokenize = pretokenize,
    };
}
