/* SPDX-License-Identifier: MIT */
/** @file tok_testing.h  Small tokenizers for tests. Test code only. */
#ifndef TOK_TESTING_H
#define TOK_TESTING_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tok_impl.h"
#include "tok_finalize.h"
#include "tok_text.h"

/** Parts of a tokenizer.json as JSON text; NULL selects the default. */
typedef struct tok_parts {
    const char *pre_tokenizer; /* default: Split of \d|\s, isolated, then ByteLevel */
    const char *normalizer;    /* default: null */
    const char *decoder;       /* default: ByteLevel */
    const char *post_processor;
    const char *vocab;  /* after the 256 bytes, e.g. `,"ab":256` */
    const char *merges; /* list items, e.g. `"a b"` */
    const char *added;  /* list items */
    const char *model;  /* further members, e.g. `,"ignore_merges":true` */
} tok_parts;

#define BYTE_LEVEL "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":false}"
#define SPLIT(pattern, behavior)                                                                   \
    "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"" pattern "\"},\"behavior\":\"" behavior         \
    "\",\"invert\":false}"
#define SEQUENCE(items) "{\"type\":\"Sequence\",\"pretokenizers\":[" items "]}"
#define ADDED(id, content, special, normalized)                                                    \
    "{\"id\":" #id ",\"content\":\"" content "\",\"single_word\":false,\"lstrip\":false,"          \
    "\"rstrip\":false,\"normalized\":" #normalized ",\"special\":" #special "}"

static inline const char *tok_or(const char *text, const char *default_text)
{
    return text ? text : default_text;
}

/** JSON text; free() it. Ids 0 to 255 are the bytes. noinline avoids a false warning of gcc 12. */
static __attribute__((noinline, unused)) char *tok_json(const tok_parts *p)
{
    char *out = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&out, &size);

    ck_assert_ptr_nonnull(f);
    fprintf(f, "{\"version\":\"1.0\",\"added_tokens\":[%s],\"normalizer\":%s,\"pre_tokenizer\":%s,",
            tok_or(p->added, ""), tok_or(p->normalizer, "null"),
            tok_or(p->pre_tokenizer, SEQUENCE(SPLIT("\\\\d|\\\\s", "Isolated") "," BYTE_LEVEL)));
    fprintf(f, "\"post_processor\":%s,\"decoder\":%s,\"model\":{\"type\":\"BPE\",\"vocab\":{",
            tok_or(p->post_processor, "null"), tok_or(p->decoder, "{\"type\":\"ByteLevel\"}"));
    for (int b = 0; b < 256; b++) {
        char utf[4];
        size_t n = cg_utf8_put(cg_byte_char((uint8_t)b), utf);

        fprintf(f, "%s\"%s%.*s\":%d", b ? "," : "", b == '"' || b == '\\' ? "\\" : "", (int)n, utf,
                b);
    }
    fprintf(f, "%s},\"merges\":[%s]%s}}", tok_or(p->vocab, ""), tok_or(p->merges, ""),
            tok_or(p->model, ""));
    fclose(f);
    return out;
}

static inline cg_status tok_try(const tok_parts *p, cg_tokenizer **ret, cg_error *err)
{
    char *json = tok_json(p);
    cg_status st = cg_tokenizer_from_json(
        "t.json", &(cg_json_texts) { .tokenizer = json, .tokenizer_len = strlen(json) }, ret, err);

    free(json);
    return st;
}

static inline cg_tokenizer *tok_make(const tok_parts *p)
{
    cg_error err = CG_ERROR_INIT;
    cg_tokenizer *t = NULL;

    ck_assert_msg(tok_try(p, &t, &err) == CG_OK, "%s", err.msg);
    return t;
}

/** Loading the parts must fail with this status and a message that contains `words`. */
static inline void tok_refused(const tok_parts *p, cg_status status, const char *words)
{
    cg_error err = CG_ERROR_INIT;
    cg_tokenizer *t = NULL;
    cg_status st = tok_try(p, &t, &err);

    ck_assert_msg(st == status && err.code == status, "status %d: %s", (int)st, err.msg);
    ck_assert_msg(strstr(err.msg, words) != NULL, "'%s' is not in: %s", words, err.msg);
    ck_assert_msg(!strncmp(err.msg, "t.json:", 7), "%s", err.msg);
    ck_assert_ptr_null(t);
}

/** The ids of a text, or with CG_ENCODE_SPANS `id:start:end`, joined by blanks, must be `want`. */
static inline void tok_encodes(const cg_tokenizer *t, cg_token_cache *cache, const char *text,
                               uint32_t flags, const char *want)
{
    cg_tokens tokens = CG_TOKENS_INIT;
    cg_error err = CG_ERROR_INIT;
    char *got = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&got, &size);

    ck_assert_msg(cg_tokenizer_encode(t, cache, text, strlen(text), flags, &tokens, &err) == CG_OK,
                  "%s: %s", text, err.msg);
    for (size_t i = 0; i < tokens.n; i++) {
        fprintf(f, "%s%d", i ? " " : "", tokens.ids[i]);
        if (flags & CG_ENCODE_SPANS)
            fprintf(f, ":%u:%u", tokens.spans[i].start, tokens.spans[i].end);
    }
    fclose(f);
    ck_assert_str_eq(got, want);
    free(got);
    cg_tokens_finish(&tokens);
}

/** The pre-tokens of a text, `start:end` joined by blanks, must be `want`. */
static inline void tok_pretokens(const cg_tokenizer *t, const char *text, const char *want)
{
    cg_spans spans = CG_SPANS_INIT;
    cg_error err = CG_ERROR_INIT;
    char *got = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&got, &size);

    ck_assert_msg(cg_tokenizer_pretokens(t, text, strlen(text), &spans, &err) == CG_OK, "%s",
                  err.msg);
    for (size_t i = 0; i < spans.n; i++)
        fprintf(f, "%s%u:%u", i ? " " : "", spans.items[i].start, spans.items[i].end);
    fclose(f);
    ck_assert_str_eq(got, want);
    free(got);
    cg_spans_finish(&spans);
}

/** Runs a NULL-terminated list of tests as one suite; returns the exit status. */
static inline int tok_run(const char *name, const TTest **tests)
{
    Suite *s = suite_create(name);
    TCase *tc = tcase_create(name);
    SRunner *sr;
    int failed;

    tcase_set_timeout(tc, 60);
    for (; *tests; tests++)
        tcase_add_test(tc, *tests);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}

#endif
