/* SPDX-License-Identifier: MIT */
/* confgen bench tokenizer: tokens/s per thread, with and without the cache. */
#include <confgen/build_info.h>
#include <confgen/tokenizer.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "table.h"

enum { MAX_CELLS = 16, MIN_ROUNDS = 3, CACHE_ENTRIES = 1 << 16, MAX_TEXT = 1 << 28 };

static const struct command_option options[] = {
    { "model", 'm', "DIR",
      "folder of the tokenizer, or a tokenizer.json (default: the default model's)" },
    { "threads", 't', "N,...", "default 1; each thread encodes the whole file" },
    { "seconds", 'S', "S", "time to measure each cell (default 5), at least three rounds" },
};

const struct command_page page_bench_tokenizer = {
    .name = "bench tokenizer",
    .summary = "tokens/s of the tokenizer",
    .usage = "confgen bench tokenizer FILE [options]\n",
    .text = "",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .notes = "FILE is UTF-8 text; each line is encoded separately. The threads share a cache, "
             "which the warm-up fills and all rounds use, as in a long run.",
};

struct text {
    char *bytes;
    size_t len, n_lines;
    size_t *line; /* [n_lines + 1] offsets; line i ends one byte before line[i + 1] */
};

struct tokenizer_cell {
    int32_t threads;
    cg_token_cache *cache; /* NULL: none */
    struct samples rate;   /* tokens/s per thread */
};

struct encode_task {
    const cg_tokenizer *tokenizer;
    cg_token_cache *cache;
    const struct text *text;
    size_t n_tokens;
    double seconds;
    cg_status status;
    cg_error err;
};

static void *encode_all(void *arg)
{
    struct encode_task *t = arg;
    cg_tokens tokens = CG_TOKENS_INIT;
    double start = cg_now();

    t->status = CG_OK;
    t->n_tokens = 0;
    for (size_t i = 0; i < t->text->n_lines && t->status == CG_OK; i++) {
        size_t from = t->text->line[i];

        t->status = cg_tokenizer_encode(t->tokenizer, t->cache, t->text->bytes + from,
                                        t->text->line[i + 1] - 1 - from, 0, &tokens, &t->err);
        t->n_tokens += tokens.n;
        if (t->status != CG_OK)
            fprintf(stderr, "confgen: line %zu:\n", i + 1);
    }
    t->seconds = cg_now() - start;
    cg_tokens_finish(&tokens);
    return NULL;
}

/* *ret_rate: tokens/s of the slowest thread; *ret_tokens: tokens of the file. */
static cg_status run_cell(const cg_tokenizer *tokenizer, const struct text *text,
                          const struct tokenizer_cell *c, double *ret_rate, size_t *ret_tokens,
                          cg_error *err)
{
    pthread_t *ids = calloc((size_t)c->threads, sizeof *ids);
    struct encode_task *tasks = calloc((size_t)c->threads, sizeof *tasks);
    cg_status st = CG_OK;
    double slowest = 0;

    if (!ids || !tasks)
        out_of_memory();
    for (int32_t i = 0; i < c->threads; i++) {
        tasks[i] = (struct encode_task) { .tokenizer = tokenizer, .cache = c->cache, .text = text };
        if (pthread_create(&ids[i], NULL, encode_all, &tasks[i]))
            out_of_memory();
    }
    for (int32_t i = 0; i < c->threads; i++) {
        pthread_join(ids[i], NULL);
        slowest = tasks[i].seconds > slowest ? tasks[i].seconds : slowest;
        if (tasks[i].status != CG_OK) {
            st = tasks[i].status;
            *err = tasks[i].err;
        }
    }
    *ret_tokens = tasks[0].n_tokens;
    *ret_rate = (double)tasks[0].n_tokens / slowest;
    free(ids);
    free(tasks);
    return st;
}

static int read_text(const char *path, struct text *t)
{
    FILE *f = fopen(path, "re");
    size_t cap = 0, n;

    if (!f)
        return -1;
    do {
        if (t->len == cap) {
            cap = cap ? 2 * cap : 1 << 16;
            t->bytes = realloc(t->bytes, cap);
            if (!t->bytes)
                out_of_memory();
        }
        n = fread(t->bytes + t->len, 1, cap - t->len, f);
        t->len += n;
    } while (n && t->len <= MAX_TEXT);
    if (ferror(f) || t->len > MAX_TEXT) {
        errno = t->len > MAX_TEXT ? EFBIG : EIO;
        fclose(f);
        return -1;
    }
    fclose(f);
    while (t->len && t->bytes[t->len - 1] == '\n')
        t->len--;
    t->n_lines = t->len ? 1 : 0;
    for (size_t i = 0; i < t->len; i++)
        t->n_lines += t->bytes[i] == '\n';
    t->line = calloc(t->n_lines + 1, sizeof *t->line);
    if (!t->line)
        out_of_memory();
    for (size_t i = 0, k = 0; i < t->len; i++)
        if (t->bytes[i] == '\n')
            t->line[++k] = i + 1;
    t->line[t->n_lines] = t->len + 1;
    return 0;
}

static void print(struct tokenizer_cell *cells, int n, const struct text *text, size_t n_tokens)
{
    static const char *const headings[] = { "threads",         "cache", "tokens/s per thread",
                                            "MB/s per thread", "hits",  "misses" };
    struct text_table t;

    printf("%zu texts, %zu bytes, %zu tokens; medians of %zu rounds\n\n", text->n_lines, text->len,
           n_tokens, cells[0].rate.n);
    table_begin(&t, "rlrrrr", headings);
    for (int i = 0; i < n; i++) {
        cg_token_cache_stats stats = CG_TOKEN_CACHE_STATS_INIT;
        double rate = samples_median(&cells[i].rate);

        table_cell(&t, "%d", cells[i].threads);
        table_cell(&t, "%s", cells[i].cache ? "yes" : "no");
        table_cell(&t, "%.0f", rate);
        table_cell(&t, "%.2f", rate * (double)text->len / (double)n_tokens * 1e-6);
        if (cells[i].cache)
            cg_token_cache_get_stats(cells[i].cache, &stats);
        table_cell(&t, "%llu", (unsigned long long)stats.hits);
        table_cell(&t, "%llu", (unsigned long long)stats.misses);
    }
    table_print(&t, stdout);
}

static cg_status measure(const cg_tokenizer *tokenizer, const struct text *text,
                         struct tokenizer_cell *cells, int n_cells, double seconds,
                         size_t *ret_tokens, cg_error *err)
{
    double rate, start = 0;

    for (int round = -1; round < MIN_ROUNDS || cg_now() - start < seconds * n_cells; round++) {
        if (round == 0)
            start = cg_now(); /* round -1 is the warm-up */
        for (int i = 0; i < n_cells; i++) {
            CG_TRY(run_cell(tokenizer, text, &cells[i], &rate, ret_tokens, err));
            if (round >= 0)
                samples_add(&cells[i].rate, rate);
        }
    }
    return CG_OK;
}

int bench_tokenizer(int argc, char **argv)
{
    struct tokenizer_cell cells[2 * MAX_CELLS] = { 0 };
    int32_t threads[MAX_CELLS] = { 1 };
    int option, n_threads = 1, n_cells = 0;
    const char *model = NULL, *file;
    char path[PATH_MAX];
    double seconds = 5;
    struct text text = { 0 };
    size_t n_tokens = 0;
    cg_tokenizer *tokenizer = NULL;
    cg_error err = CG_ERROR_INIT;
    cg_status st;

    command_name = "bench tokenizer";
    while ((option = next_option(argc, argv, &page_bench_tokenizer)) != -1)
        if (option == 'm')
            model = optarg;
        else if (option == 't')
            n_threads = parse_ints("--threads", optarg, 1, CG_MAX_THREADS, threads, MAX_CELLS);
        else
            seconds = parse_real("--seconds", optarg);
    file = single_operand(argc, argv, "FILE");
    if (read_text(file, &text)) {
        fprintf(stderr, "confgen: '%s': %s\n", file, strerror(errno));
        free(text.bytes);
        return EXIT_ENVIRONMENT;
    }
    if (!text.n_lines)
        usage_error("'%s': contains no text", file);
    if (!model) {
        CG_TRY_GOTO(st, cg_data_path("confgen-default", path, sizeof path, &err), out);
        model = path;
    }
    CG_TRY_GOTO(st, cg_tokenizer_load(model, &tokenizer, &err), out);
    for (int i = 0; i < n_threads; i++) {
        cells[n_cells++].threads = threads[i];
        cells[n_cells].threads = threads[i];
        CG_TRY_GOTO(st, cg_token_cache_create(CACHE_ENTRIES, &cells[n_cells++].cache, &err), out);
    }
    CG_TRY_GOTO(st, measure(tokenizer, &text, cells, n_cells, seconds, &n_tokens, &err), out);
    print(cells, n_cells, &text, n_tokens);
out:
    for (int i = 0; i < n_cells; i++) {
        cg_token_cache_destroy(cells[i].cache);
        samples_finish(&cells[i].rate);
    }
    cg_tokenizer_destroy(tokenizer);
    free(text.line);
    free(text.bytes);
    return st == CG_OK ? EXIT_OK : report_error(&err);
}
