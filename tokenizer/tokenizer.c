/* SPDX-License-Identifier: MIT */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "base/sized_struct.h"
#include "tok_impl.h"

cg_tokenizer *cg_tokenizer_new(void)
{
    static _Atomic uint32_t next_serial = 1; /* owner number in a shared cache */
    cg_tokenizer *t = calloc(1, sizeof *t);

    if (t)
        t->serial = atomic_fetch_add_explicit(&next_serial, 1, memory_order_relaxed);
    return t;
}

void cg_general_destroy(cg_general *general)
{
    if (!general)
        return;
    cg_normalizer_finish(&general->normalizer);
    cg_steps_finish(&general->steps);
    cg_words_finish(&general->words);
    free(general);
}

void cg_tokenizer_destroy(cg_tokenizer *tokenizer)
{
    if (!tokenizer)
        return;
    cg_vocab_finish(&tokenizer->vocab);
    cg_added_finish(&tokenizer->added_raw);
    cg_added_finish(&tokenizer->added_norm);
    cg_pretok_finish(&tokenizer->pretok);
    cg_general_destroy(tokenizer->general);
    free(tokenizer);
}

int32_t cg_tokenizer_vocab_size(const cg_tokenizer *tokenizer)
{
    return tokenizer->vocab.n_ids;
}

static unsigned flags_of(const cg_tokenizer *t, int32_t id)
{
    return id >= 0 && id < t->vocab.n_ids ? t->vocab.flags[id] : 0;
}

cg_status cg_tokenizer_prompt_tokens(const cg_tokenizer *tokenizer, cg_prompt_tokens *ret,
                                     cg_error *err)
{
    const cg_class_prompt *p = &tokenizer->prompt;
    cg_prompt_tokens tokens = CG_PROMPT_TOKENS_INIT;

    CG_TRY(cg_sized_struct_check(ret, "cg_prompt_tokens", err));
    if (*p->unsettled)
        return cg_fail(err, CG_ERR_UNSUPPORTED, "%s", p->unsettled);
    for (int32_t i = 0; i < p->ids.n_prefix + p->ids.n_suffix; i++) {
        int32_t id = i < p->ids.n_prefix ? p->ids.prefix[i] : p->ids.suffix[i - p->ids.n_prefix];

        if (!(flags_of(tokenizer, id) & CG_TOKEN_PRESENT))
            return cg_fail(err, CG_ERR_UNSUPPORTED,
                           "post_processor: token %d, which it writes around a prompt, is not in "
                           "the vocabulary",
                           id);
    }
    tokens.n_prefix = p->ids.n_prefix;
    tokens.n_suffix = p->ids.n_suffix;
    tokens.prefix = p->ids.prefix;
    tokens.suffix = p->ids.suffix;
    cg_fill_struct(ret, &tokens);
    return CG_OK;
}

cg_status cg_tokenizer_token_bytes(const cg_tokenizer *tokenizer, int32_t id,
                                   const char **ret_bytes, size_t *ret_len)
{
    if (!(flags_of(tokenizer, id) & CG_TOKEN_PRESENT))
        return CG_ERR_INPUT;
    *ret_bytes = tokenizer->vocab.bytes + tokenizer->vocab.offset[id];
    *ret_len = tokenizer->vocab.length[id];
    return CG_OK;
}

int cg_tokenizer_is_added(const cg_tokenizer *tokenizer, int32_t id)
{
    return (flags_of(tokenizer, id) & CG_TOKEN_ADDED) != 0;
}

int cg_tokenizer_is_special(const cg_tokenizer *tokenizer, int32_t id)
{
    return (flags_of(tokenizer, id) & CG_TOKEN_SPECIAL) != 0;
}

int32_t cg_tokenizer_token_id(const cg_tokenizer *tokenizer, const char *bytes, size_t len)
{
    return cg_vocab_find(&tokenizer->vocab, bytes, len);
}

/* 1 if encoding has put the blank that a token begins with in front of its section. */
static size_t front_blank(const cg_tokenizer *t, const int32_t *ids, size_t i)
{
    const cg_vocab *v = &t->vocab;
    int at_front =
        t->front != CG_FRONT_NONE &&
        (i == 0 || (t->front == CG_FRONT_SECTION && (v->flags[ids[i - 1]] & CG_TOKEN_ADDED)));

    return at_front && !(v->flags[ids[i]] & CG_TOKEN_ADDED) && v->length[ids[i]] &&
           v->bytes[v->offset[ids[i]]] == ' ';
}

cg_status cg_tokenizer_decode(const cg_tokenizer *tokenizer, const int32_t *ids, size_t n,
                              uint32_t flags, char **ret_bytes, size_t *ret_len, cg_error *err)
{
    const cg_vocab *v = &tokenizer->vocab;
    size_t len = 0, at = 0;
    char *bytes;

    for (size_t i = 0; i < n; i++) {
        unsigned f = flags_of(tokenizer, ids[i]);

        if (!(f & CG_TOKEN_PRESENT))
            return cg_fail(err, CG_ERR_INPUT, "token %zu: id %d is not in the vocabulary of %d", i,
                           ids[i], v->n_ids);
        if ((f & CG_TOKEN_SPECIAL) && (flags & CG_DECODE_SKIP_SPECIAL))
            continue;
        if (cg_add(len, v->length[ids[i]] - front_blank(tokenizer, ids, i), &len))
            return cg_fail(err, CG_ERR_LIMIT, "decoding %zu tokens: the text is too long", n);
    }
    bytes = len < SIZE_MAX ? malloc(len + 1) : NULL;
    if (!bytes)
        return cg_fail(err, CG_ERR_NOMEM, "decoding %zu tokens: out of memory", n);
    for (size_t i = 0; i < n; i++) {
        size_t skip;

        if ((v->flags[ids[i]] & CG_TOKEN_SPECIAL) && (flags & CG_DECODE_SKIP_SPECIAL))
            continue;
        skip = front_blank(tokenizer, ids, i);
        memcpy(bytes + at, v->bytes + v->offset[ids[i]] + skip, v->length[ids[i]] - skip);
        at += v->length[ids[i]] - skip;
    }
    bytes[len] = '\0';
    *ret_bytes = bytes;
    *ret_len = len;
    return CG_OK;
}
