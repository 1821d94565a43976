/* SPDX-License-Identifier: MIT */
/*
 * tokenizer.json. A tokenizer that loads must encode a few texts, with spans inside the text and
 * the same ids with a cache, and decode them.
 */

#include "tok_impl.h"

#include "fuzz.h"

static const char *const texts[] = {
    "",
    "[SMILES]C[nH]1cc(Cl)c1[/SMILES][CONFORMER][C]<-1.234,0.123,-12.345>",
    " it's\t2 \xc3\xa9 e\xcc\x81 \xed\x95\x9c\xea\xb8\x80\xe3\x80\x80\xf0\x9f\x98\x80\r\n\n  x",
};

static void encode(const cg_tokenizer *t, cg_token_cache *cache, const char *text)
{
    cg_tokens plain = CG_TOKENS_INIT, cached = CG_TOKENS_INIT;
    cg_spans spans = CG_SPANS_INIT;
    size_t len = strlen(text), size;
    char *bytes;

    if (cg_tokenizer_encode(t, NULL, text, len, CG_ENCODE_SPANS, &plain, NULL) == CG_OK) {
        for (size_t i = 0; i < plain.n; i++)
            require(plain.spans[i].start <= plain.spans[i].end && plain.spans[i].end <= len);
        require(cg_tokenizer_encode(t, cache, text, len, 0, &cached, NULL) == CG_OK);
        require(cached.n == plain.n);
        require(!plain.n || !memcmp(cached.ids, plain.ids, plain.n * sizeof *plain.ids));
        require(cg_tokenizer_decode(t, plain.ids, plain.n, 0, &bytes, &size, NULL) == CG_OK);
        free(bytes);
    }
    if (cg_tokenizer_pretokens(t, text, len, &spans, NULL) == CG_OK)
        for (size_t i = 0; i < spans.n; i++)
            require(spans.items[i].start <= spans.items[i].end && spans.items[i].end <= len);
    cg_tokens_finish(&plain);
    cg_tokens_finish(&cached);
    cg_spans_finish(&spans);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cg_error err = CG_ERROR_INIT;
    cg_token_cache *cache = NULL;
    cg_tokenizer *t = NULL;

    if (cg_tokenizer_from_json("fuzz", (const char *)data, size, &t, &err) != CG_OK) {
        require_refusal(err.code, &err);
        require(!t);
        return 0;
    }
    require(cg_token_cache_create(16, &cache, NULL) == CG_OK);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        for (int round = 0; round < 2; round++)
            encode(t, cache, texts[i]);
    cg_token_cache_destroy(cache);
    cg_tokenizer_destroy(t);
    return 0;
}
