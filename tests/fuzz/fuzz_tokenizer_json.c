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

/* The input is tokenizer.json and, each behind a NUL, tokenizer_config.json,
 * special_tokens_map.json and config.json. */
static cg_json_texts split_input(const char *data, size_t size)
{
    const char *text[4] = { data, NULL, NULL, NULL };
    size_t len[4] = { size, 0, 0, 0 };

    for (size_t i = 0; i < 3; i++) {
        const char *nul = len[i] ? memchr(text[i], 0, len[i]) : NULL;

        if (!nul)
            break;
        text[i + 1] = nul + 1;
        len[i + 1] = len[i] - (size_t)(nul + 1 - text[i]);
        len[i] = (size_t)(nul - text[i]);
    }
    return (cg_json_texts) { text[0], text[1], text[2], text[3], len[0], len[1], len[2], len[3] };
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cg_error err = CG_ERROR_INIT;
    cg_token_cache *cache = NULL;
    cg_tokenizer *t = NULL;

    cg_json_texts input = split_input((const char *)data, size);
    cg_prompt_tokens prompt = CG_PROMPT_TOKENS_INIT;

    if (cg_tokenizer_from_json("fuzz", &input, &t, &err) != CG_OK) {
        require_refusal(err.code, &err);
        require(!t);
        return 0;
    }
    require(cg_token_cache_create(16, &cache, NULL) == CG_OK);
    if (cg_tokenizer_prompt_tokens(t, &prompt, &err) == CG_OK)
        for (int32_t i = 0; i < prompt.n_prefix; i++)
            require(prompt.prefix[i] < cg_tokenizer_vocab_size(t));
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        for (int round = 0; round < 2; round++)
            encode(t, cache, texts[i]);
    cg_token_cache_destroy(cache);
    cg_tokenizer_destroy(t);
    return 0;
}
