/* SPDX-License-Identifier: MIT */
/*
 * Encodes texts for comparisons and measurements by tools/check_tokenizer.py.
 *
 *   encode_lines DIR [--cache N] [--spans] [--plain] [--pretokens | --prompt] < texts > ids
 *   encode_lines DIR --bench SECONDS [--cache N] < texts
 *
 * Input, per text: its length in bytes in decimal, a newline, the bytes, a newline.
 * Output, one line per text: its ids (with --spans `id:start:end`; with --pretokens `start:end`;
 * with
 * --prompt also the tokens around a prompt) joined by blanks, or `error: ` and the reason. With
 * --bench, one thread encodes all texts repeatedly for SECONDS and prints `tokens N bytes N seconds
 * S hits N misses N`.
 */
#include <confgen/tokenizer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct text {
    char *bytes;
    size_t len;
} text;

static int read_text(text *t)
{
    unsigned long len;

    if (scanf("%lu", &len) != 1 || getchar() != '\n' || len > CG_TOKENIZER_TEXT_MAX)
        return 0;
    t->bytes = malloc(len + 1);
    t->len = len;
    if (!t->bytes || fread(t->bytes, 1, len, stdin) != len || getchar() != '\n') {
        free(t->bytes);
        return 0;
    }
    return 1;
}

static double now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

static void print_ids(const cg_tokenizer *tok, cg_token_cache *cache, const text *t, uint32_t flags,
                      int pretokens, cg_tokens *tokens, cg_spans *spans)
{
    cg_error err = CG_ERROR_INIT;
    cg_status st = pretokens
                       ? cg_tokenizer_pretokens(tok, t->bytes, t->len, spans, &err)
                       : cg_tokenizer_encode(tok, cache, t->bytes, t->len, flags, tokens, &err);

    if (st != CG_OK) {
        printf("error: %s\n", err.msg);
        return;
    }
    for (size_t i = 0; i < (pretokens ? spans->n : tokens->n); i++) {
        if (i)
            putchar(' ');
        if (pretokens)
            printf("%u:%u", spans->items[i].start, spans->items[i].end);
        else if (flags & CG_ENCODE_SPANS)
            printf("%d:%u:%u", tokens->ids[i], tokens->spans[i].start, tokens->spans[i].end);
        else
            printf("%d", tokens->ids[i]);
    }
    putchar('\n');
}

static void print_some(const int32_t *ids, int32_t n)
{
    for (int32_t i = 0; i < n; i++)
        printf("%d ", ids[i]);
}

static void print_prompt(const cg_tokenizer *tok, const text *t, cg_tokens *tokens)
{
    cg_prompt_tokens around = CG_PROMPT_TOKENS_INIT;
    cg_error err = CG_ERROR_INIT;

    if (cg_tokenizer_prompt_tokens(tok, &around, &err) != CG_OK ||
        cg_tokenizer_encode(tok, NULL, t->bytes, t->len, 0, tokens, &err) != CG_OK) {
        printf("error: %s\n", err.msg);
        return;
    }
    print_some(around.prefix, around.n_prefix);
    print_some(tokens->ids, (int32_t)tokens->n);
    print_some(around.suffix, around.n_suffix);
    putchar('\n');
}

static int bench(const cg_tokenizer *tok, cg_token_cache *cache, double seconds, cg_tokens *tokens)
{
    cg_token_cache_stats stats = CG_TOKEN_CACHE_STATS_INIT;
    size_t n = 0, cap = 0, n_tokens = 0, n_bytes = 0;
    cg_error err = CG_ERROR_INIT;
    text *texts = NULL, t;
    double start, spent;

    while (read_text(&t)) {
        if (n == cap) {
            cap = cap ? 2 * cap : 1024;
            texts = realloc(texts, cap * sizeof *texts);
            if (!texts)
                return 3;
        }
        texts[n++] = t;
    }
    start = now();
    do {
        for (size_t i = 0; i < n; i++) {
            if (cg_tokenizer_encode(tok, cache, texts[i].bytes, texts[i].len, 0, tokens, &err) !=
                CG_OK) {
                fprintf(stderr, "text %zu: %s\n", i, err.msg);
                return 1;
            }
            n_tokens += tokens->n;
            n_bytes += texts[i].len;
        }
        spent = now() - start;
    } while (spent < seconds);
    if (cache)
        cg_token_cache_get_stats(cache, &stats);
    printf("tokens %zu bytes %zu seconds %.6f hits %llu misses %llu\n", n_tokens, n_bytes, spent,
           (unsigned long long)stats.hits, (unsigned long long)stats.misses);
    while (n)
        free(texts[--n].bytes);
    free(texts);
    return 0;
}

int main(int argc, char **argv)
{
    cg_error err = CG_ERROR_INIT;
    cg_tokenizer *tok = NULL;
    cg_token_cache *cache = NULL;
    cg_tokens tokens = CG_TOKENS_INIT;
    cg_spans spans = CG_SPANS_INIT;
    double seconds = 0;
    uint32_t flags = 0;
    int rc = 0, pretokens = 0, prompt = 0;
    text t;

    if (argc < 2) {
        fprintf(stderr, "usage: encode_lines DIR [--cache N] [--spans] [--plain] "
                        "[--pretokens | --prompt] [--bench SECONDS]\n");
        return 2;
    }
    for (int i = 2; i < argc; i++) {
        if (!strcmp(argv[i], "--spans")) {
            flags |= CG_ENCODE_SPANS;
        } else if (!strcmp(argv[i], "--plain")) {
            flags |= CG_ENCODE_PLAIN;
        } else if (!strcmp(argv[i], "--pretokens")) {
            pretokens = 1;
        } else if (!strcmp(argv[i], "--prompt")) {
            prompt = 1;
        } else if (!strcmp(argv[i], "--bench") && i + 1 < argc) {
            seconds = atof(argv[++i]);
        } else if (!strcmp(argv[i], "--cache") && i + 1 < argc) {
            if (cg_token_cache_create(strtoul(argv[++i], NULL, 10), &cache, &err) != CG_OK)
                goto failed;
        } else {
            fprintf(stderr, "encode_lines: %s: unknown option, or its value is missing\n", argv[i]);
            return 2;
        }
    }
    if (cg_tokenizer_load(argv[1], &tok, &err) != CG_OK)
        goto failed;
    if (seconds > 0)
        rc = bench(tok, cache, seconds, &tokens);
    else
        while (read_text(&t)) {
            if (prompt)
                print_prompt(tok, &t, &tokens);
            else
                print_ids(tok, cache, &t, flags, pretokens, &tokens, &spans);
            free(t.bytes);
        }
    cg_tokens_finish(&tokens);
    cg_spans_finish(&spans);
    cg_tokenizer_destroy(tok);
    cg_token_cache_destroy(cache);
    return rc;
failed:
    fprintf(stderr, "encode_lines: %s\n", err.msg);
    cg_token_cache_destroy(cache);
    return 3;
}
