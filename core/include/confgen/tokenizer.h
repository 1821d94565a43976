/* SPDX-License-Identifier: MIT */
/**
 * @file tokenizer.h  Tokenizers of Hugging Face model directories: BPE, WordPiece, WordLevel.
 *
 * A loaded tokenizer is immutable and may be used by any number of threads at the same time. Its
 * encoding is the canonical one: for every valid UTF-8 text, the ids equal those of the Hugging
 * Face `tokenizers` library, which models are trained with.
 */
#ifndef CONFGEN_TOKENIZER_H
#define CONFGEN_TOKENIZER_H

#include <stddef.h>
#include <stdint.h>

#include <confgen/sized.h>
#include <confgen/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A vocabulary with its splitting rules. Ids are in [0, cg_tokenizer_vocab_size). */
typedef struct cg_tokenizer cg_tokenizer;

/** Cache from pre-tokens to ids, of bounded size, shared by threads and tokenizers. */
typedef struct cg_token_cache cg_token_cache;

/** Half-open range of byte offsets into the input text. */
typedef struct cg_span {
    uint32_t start; /* first byte */
    uint32_t end;   /* behind the last byte */
} cg_span;

/**
 * Growable result of an encoding. Initialise with CG_TOKENS_INIT; each call replaces the contents
 * and reuses the memory; cg_tokens_finish() frees it. The list owns the arrays, which are valid
 * until the next call on it.
 */
typedef struct cg_tokens {
    uint32_t struct_size;
    uint32_t n_alloc; /* capacity of the arrays, in elements */
    size_t n;         /* tokens */
    int32_t *ids;     /* [n] */
    cg_span *spans;   /* [n] with CG_ENCODE_SPANS, otherwise unspecified */
} cg_tokens;

/** An empty list: `cg_tokens tokens = CG_TOKENS_INIT;` */
#define CG_TOKENS_INIT                                                                             \
    {                                                                                              \
        sizeof(cg_tokens), 0, 0, NULL, NULL                                                        \
    }

/** Growable list of ranges; same rules as cg_tokens. */
typedef struct cg_spans {
    uint32_t struct_size;
    uint32_t n_alloc; /* capacity of items */
    size_t n;         /* ranges */
    cg_span *items;   /* [n] */
} cg_spans;

/** An empty list. */
#define CG_SPANS_INIT                                                                              \
    {                                                                                              \
        sizeof(cg_spans), 0, 0, NULL                                                               \
    }

/** Frees the arrays; the list may be used again. Accepts NULL. */
CG_EXPORT void cg_tokens_finish(cg_tokens *tokens);
/** As cg_tokens_finish(). */
CG_EXPORT void cg_spans_finish(cg_spans *spans);

/* Flags of cg_tokenizer_encode */
#define CG_ENCODE_SPANS (UINT32_C(1) << 0) /* fill cg_tokens.spans */
#define CG_ENCODE_PLAIN (UINT32_C(1) << 1) /* treat added tokens in the text as ordinary text */

/* The text continues an earlier one: a blank that the tokenizer puts in front of a text is omitted
 * (after an added token it is not). */
#define CG_ENCODE_CONTINUED (UINT32_C(1) << 2)

/* Flags of cg_tokenizer_decode */
#define CG_DECODE_SKIP_SPECIAL (UINT32_C(1) << 0) /* omit special tokens */

/** Longest text of one call, in bytes. */
#define CG_TOKENIZER_TEXT_MAX (UINT32_C(1) << 26)

/** Ids are less than this limit; a file with a larger id is refused. */
#define CG_TOKENIZER_ID_MAX (INT32_C(1) << 24)

/**
 * Loads the tokenizer of a model directory: `tokenizer.json`, or else `vocab.json`, `merges.txt`,
 * `tokenizer_config.json` and (optional) `added_tokens.json`. tokenizer/README.md lists the
 * supported settings; all others are refused with the reason. The class of the tokenizer, which
 * may change what tokenizer.json says, is that of `tokenizer_config.json`,
 * `special_tokens_map.json` and `config.json`, where they exist.
 *
 * @param path           of the directory, or of a tokenizer.json, which is read alone
 * @param ret_tokenizer  owned by the caller, cg_tokenizer_destroy(); written on success only
 * @return CG_OK; CG_ERR_IO (no such file, not readable), CG_ERR_FORMAT (malformed),
 *         CG_ERR_UNSUPPORTED (valid, but not supported), CG_ERR_LIMIT, CG_ERR_NOMEM
 */
CG_EXPORT cg_status cg_tokenizer_load(const char *path, cg_tokenizer **ret_tokenizer,
                                      cg_error *err);
CG_EXPORT void cg_tokenizer_destroy(cg_tokenizer *tokenizer); /* accepts NULL */

/**
 * Encodes a text. Added tokens (such as `[SMILES]`) are recognised unless CG_ENCODE_PLAIN is set.
 * No token is added at the beginning or end.
 *
 * With CG_ENCODE_SPANS, spans[i] is the range of `text` that token i covers. The ranges are in
 * order and cover the text without gaps, unless a step of the tokenizer drops text. If
 * normalization changed a section of the text, each token inside it covers the whole section.
 *
 * @param cache   borrowed; NULL for none; does not affect the result
 * @param text    [len] UTF-8, len <= CG_TOKENIZER_TEXT_MAX; need not end in NUL
 * @param flags   CG_ENCODE_*
 * @param tokens  replaced; unspecified on failure
 * @return CG_OK; CG_ERR_INPUT (not UTF-8; the message has the offset; or a text without a token,
 * and there is none for unknown text), CG_ERR_LIMIT (too long, or the pre-tokenizer's pattern
 * exceeds its backtracking limit), CG_ERR_NOMEM Thread: any number at once, also with the same
 * cache.
 */
CG_EXPORT cg_status cg_tokenizer_encode(const cg_tokenizer *tokenizer, cg_token_cache *cache,
                                        const char *text, size_t len, uint32_t flags,
                                        cg_tokens *tokens, cg_error *err);

/** Tokens of a prompt beside those of its text. The arrays are the tokenizer's. */
typedef struct cg_prompt_tokens {
    uint32_t struct_size;
    int32_t n_prefix;      /* tokens in front */
    int32_t n_suffix;      /* tokens behind */
    const int32_t *prefix; /* [n_prefix] in front of the text, such as <s> */
    const int32_t *suffix; /* [n_suffix] behind it, such as </s> */
} cg_prompt_tokens;

/** No tokens. */
#define CG_PROMPT_TOKENS_INIT                                                                      \
    {                                                                                              \
        sizeof(cg_prompt_tokens), 0, 0, NULL, NULL                                                 \
    }

/**
 * Fills *ret with the tokens that `tokenizer(prompt)` of Hugging Face transformers writes around
 * the ids of cg_tokenizer_encode(): those of the post-processor of tokenizer.json or of the
 * tokenizer's class.
 *
 * @param ret  written on success only
 * @return CG_OK; CG_ERR_UNSUPPORTED with what was found if versions 4 and 5 of transformers write
 *         different tokens, or one that the vocabulary does not have
 */
CG_EXPORT cg_status cg_tokenizer_prompt_tokens(const cg_tokenizer *tokenizer, cg_prompt_tokens *ret,
                                               cg_error *err);

/**
 * Lists the pre-tokens of a text, with added tokens treated as ordinary text. Pre-tokens are
 * encoded independently: no token crosses a boundary. Parameters and errors as
 * cg_tokenizer_encode().
 */
CG_EXPORT cg_status cg_tokenizer_pretokens(const cg_tokenizer *tokenizer, const char *text,
                                           size_t len, cg_spans *spans, cg_error *err);

/**
 * Decodes a token sequence to bytes: those of cg_tokenizer_token_bytes(), without the blank that
 * encoding puts in front of a text. The result may end inside a UTF-8 character.
 *
 * @param ids        [n]
 * @param flags      CG_DECODE_*
 * @param ret_bytes  [*ret_len + 1], NUL after the last byte; free() it
 * @return CG_OK; CG_ERR_INPUT (no such id), CG_ERR_LIMIT, CG_ERR_NOMEM; outputs written on success
 */
CG_EXPORT cg_status cg_tokenizer_decode(const cg_tokenizer *tokenizer, const int32_t *ids, size_t n,
                                        uint32_t flags, char **ret_bytes, size_t *ret_len,
                                        cg_error *err);

/** Largest id + 1. Smaller ids may be unused. */
CG_EXPORT int32_t cg_tokenizer_vocab_size(const cg_tokenizer *tokenizer);

/**
 * Returns the bytes that a token decodes to: the text bytes of a vocabulary token (without "##" of
 * WordPiece, with ' ' for U+2581 of Metaspace), the content of an added token. The tokenizer owns
 * them. They are not NUL-terminated and may be part of a character.
 *
 * @return CG_OK; CG_ERR_INPUT if no token has this id (outputs unchanged)
 */
CG_EXPORT cg_status cg_tokenizer_token_bytes(const cg_tokenizer *tokenizer, int32_t id,
                                             const char **ret_bytes, size_t *ret_len);

/** 1 if the id is an added token (matched before the text is split), otherwise 0. */
CG_EXPORT int cg_tokenizer_is_added(const cg_tokenizer *tokenizer, int32_t id);

/** 1 if the id is an added token marked special, otherwise 0. */
CG_EXPORT int cg_tokenizer_is_special(const cg_tokenizer *tokenizer, int32_t id);

/** Id of the token with exactly these bytes, added tokens first; -1 if none. */
CG_EXPORT int32_t cg_tokenizer_token_id(const cg_tokenizer *tokenizer, const char *bytes,
                                        size_t len);

/** Statistics of a cache since its creation. */
typedef struct cg_token_cache_stats {
    uint32_t struct_size;
    uint32_t reserved;
    uint64_t hits;     /* pre-tokens found in the cache */
    uint64_t misses;   /* pre-tokens looked up, not found and encoded */
    uint64_t entries;  /* pre-tokens stored now */
    uint64_t capacity; /* maximum number of stored pre-tokens */
} cg_token_cache_stats;

/** Zero counts. */
#define CG_TOKEN_CACHE_STATS_INIT                                                                  \
    {                                                                                              \
        sizeof(cg_token_cache_stats), 0, 0, 0, 0, 0                                                \
    }

/**
 * Creates a cache for at least `capacity` pre-tokens (1 to 2^24; rounded up to a power of two). It
 * uses 128 bytes per entry, allocated here and never grown; when full, a new entry replaces an old
 * one. Pre-tokens longer than 48 bytes or of more than 16 tokens are not cached, nor are those that
 * are a single token and need no cache.
 */
CG_EXPORT cg_status cg_token_cache_create(size_t capacity, cg_token_cache **ret_cache,
                                          cg_error *err);
/** No other thread may be using the cache. Accepts NULL. */
CG_EXPORT void cg_token_cache_destroy(cg_token_cache *cache);
/** Thread: any, at any time. The counts are read one by one, not as one snapshot. */
CG_EXPORT void cg_token_cache_get_stats(const cg_token_cache *cache,
                                        cg_token_cache_stats *ret_stats);

#ifdef __cplusplus
}
#endif

#endif
