/* SPDX-License-Identifier: MIT */
/*
 * The vocab.json form of a tokenizer: vocab.json, merges.txt, tokenizer_config.json and
 * added_tokens.json, each preceded by byte 0x1e. A tokenizer that loads must encode a text, with
 * spans in order and inside the text, and decode the tokens.
 */

#include "tok_impl.h"

#include "fuzz.h"

static const char sample[] = "[SMILES]CC(=O)N1[/SMILES][CONFORMER][C]<-1.234,0.500,12.000>[N]<"
                             " don't 1234567\r\n\xc3\xa9 e\xcc\x81 \xe2\x80\xa8";

static cg_status load(const char *text, size_t size, cg_tokenizer **ret, cg_error *err)
{
    cg_vocab_merges_files f = { 0 };
    const char **part[] = { &f.vocab, &f.merges, &f.config, &f.added_tokens, &f.model_config };
    size_t *len[] = { &f.vocab_len, &f.merges_len, &f.config_len, &f.added_tokens_len,
                      &f.model_config_len };
    int n = 0;

    f.vocab = f.merges = f.config = "";
    for (size_t at = 0; n < 5 && at < size && text[at] == 0x1e; n++) {
        const char *begin = text + at + 1, *end = memchr(begin, 0x1e, size - at - 1);

        *part[n] = begin;
        *len[n] = end ? (size_t)(end - begin) : size - at - 1;
        at += 1 + *len[n];
    }
    return cg_tokenizer_from_vocab_merges("fuzz", &f, ret, err);
}

static void check_spans(const cg_tokens *t, size_t len)
{
    uint32_t at = 0;

    for (size_t i = 0; i < t->n; i++) {
        require(t->spans[i].start <= t->spans[i].end && t->spans[i].end <= len);
        require(t->spans[i].end >= at);
        at = t->spans[i].end;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cg_error err = CG_ERROR_INIT;
    cg_tokenizer *t = NULL;
    cg_tokens tokens = CG_TOKENS_INIT;
    char *back = NULL;
    size_t back_len = 0, n = sizeof sample - 1;

    if (load((const char *)data, size, &t, &err) != CG_OK) {
        require_refusal(err.code, &err);
        return 0;
    }
    if (cg_tokenizer_encode(t, NULL, sample, n, CG_ENCODE_SPANS, &tokens, &err) == CG_OK) {
        check_spans(&tokens, n);
        for (size_t i = 0; i < tokens.n; i++)
            require(tokens.ids[i] >= 0 && tokens.ids[i] < cg_tokenizer_vocab_size(t));
        require(cg_tokenizer_decode(t, tokens.ids, tokens.n, 0, &back, &back_len, &err) == CG_OK);
        free(back);
    } else {
        require_refusal(err.code, &err);
    }
    cg_tokens_finish(&tokens);
    cg_tokenizer_destroy(t);
    return 0;
}
