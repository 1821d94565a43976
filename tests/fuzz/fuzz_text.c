/* SPDX-License-Identifier: MIT */
/*
 * The tokenizer on any text. The first byte selects a tokenizer: the default model's, one with
 * Llama-3's splitting, one that normalizes to NFC and has added tokens that take white space.
 *
 * A text is refused if it is not UTF-8, and only then. Its ids are in the vocabulary, their spans
 * cover the text, a cache changes nothing, no token crosses a boundary of the pre-tokens, and
 * decoding gives the text where the tokenizer does not normalize it.
 */
#include "base/file.h"
#include "tok_impl.h"
#include "tok_text.h"

#include "fuzz.h"

static const struct source {
    const char *path; /* in the source tree */
    int changes_text; /* normalizes, and drops white space beside added tokens */
} sources[] = {
    { "data/confgen-default/tokenizer.json", 0 },
    { "tests/data/tokenizers/llama3_test/tokenizer.json", 0 },
    { "tests/fuzz/corpus/tokenizer_json/nfc_flags.json", 1 },
};

enum { N_SOURCES = sizeof sources / sizeof sources[0] };

static cg_tokenizer *tokenizers[N_SOURCES];
static cg_token_cache *cache;

static void open_all(void)
{
    cg_error err = CG_ERROR_INIT;

    for (int i = 0; i < N_SOURCES; i++) {
        char *path = cg_path_join(FUZZ_SOURCE_ROOT, sources[i].path);
        cg_bytes bytes = { 0 };

        require(path);
        require_ok(cg_file_read(path, CG_TOKENIZER_FILE_MAX, &bytes, &err), &err);
        require_ok(cg_tokenizer_from_json(path,
                                          &(cg_json_texts) { .tokenizer = (const char *)bytes.data,
                                                             .tokenizer_len = bytes.len },
                                          &tokenizers[i], &err),
                   &err);
        cg_bytes_release(&bytes);
        free(path);
    }
    require_ok(cg_token_cache_create(1024, &cache, &err), &err);
}

static void check_ids(const cg_tokenizer *t, const cg_tokens *tokens, size_t len)
{
    uint32_t start = 0, end = 0;

    for (size_t i = 0; i < tokens->n; i++) {
        const cg_span *s = &tokens->spans[i];

        require(tokens->ids[i] >= 0 && tokens->ids[i] < cg_tokenizer_vocab_size(t));
        require(s->start >= start && s->start <= end && s->end >= end && s->end <= len);
        start = s->start;
        end = s->end;
    }
    require(end == len);
}

/* Every end of a pre-token is the end of a token. */
static void check_boundaries(const cg_tokenizer *t, const char *text, size_t len,
                             const cg_tokens *tokens)
{
    cg_error err = CG_ERROR_INIT;
    cg_spans spans = CG_SPANS_INIT;
    size_t at = 0;

    require_ok(cg_tokenizer_pretokens(t, text, len, &spans, &err), &err);
    for (size_t i = 0; i < spans.n; i++) {
        while (at < tokens->n && tokens->spans[at].end < spans.items[i].end)
            at++;
        require(at < tokens->n && tokens->spans[at].end == spans.items[i].end);
    }
    cg_spans_finish(&spans);
}

static void check_decoded(const cg_tokenizer *t, const cg_tokens *tokens, const char *text,
                          size_t len, int exact)
{
    cg_error err = CG_ERROR_INIT;
    char *bytes = NULL;
    size_t n = 0;

    require_ok(cg_tokenizer_decode(t, tokens->ids, tokens->n, 0, &bytes, &n, &err), &err);
    require(!exact || (n == len && !memcmp(bytes, text, len)));
    free(bytes);
}

static void check_text(const struct source *source, const cg_tokenizer *t, const char *text,
                       size_t len, uint32_t flags)
{
    cg_error err = CG_ERROR_INIT;
    cg_tokens plain = CG_TOKENS_INIT, cached = CG_TOKENS_INIT;
    int ascii, is_plain = (flags & CG_ENCODE_PLAIN) != 0, valid;
    cg_status st;

    valid = cg_utf8_check(text, len, &ascii) == len;
    st = cg_tokenizer_encode(t, NULL, text, len, flags | CG_ENCODE_SPANS, &plain, &err);
    require((st == CG_ERR_INPUT) == !valid);
    if (st != CG_OK) {
        require_refusal(st, &err);
        require(!valid || st == CG_ERR_LIMIT);
    } else {
        check_ids(t, &plain, len);
        for (int round = 0; round < 2; round++) {
            require_ok(cg_tokenizer_encode(t, cache, text, len, flags, &cached, &err), &err);
            require(cached.n == plain.n);
            require(!plain.n || !memcmp(cached.ids, plain.ids, plain.n * sizeof *plain.ids));
        }
        if (is_plain && (ascii || !source->changes_text))
            check_boundaries(t, text, len, &plain);
        check_decoded(t, &plain, text, len, !source->changes_text || (is_plain && ascii));
    }
    cg_tokens_finish(&plain);
    cg_tokens_finish(&cached);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int i;

    if (size < 1)
        return -1;
    if (!cache)
        open_all();
    i = data[0] % N_SOURCES;
    check_text(&sources[i], tokenizers[i], (const char *)data + 1, size - 1, 0);
    check_text(&sources[i], tokenizers[i], (const char *)data + 1, size - 1, CG_ENCODE_PLAIN);
    return 0;
}
