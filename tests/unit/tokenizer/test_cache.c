/* SPDX-License-Identifier: MIT */
#include "tok_cache.h"

#include <pthread.h>

#include "tok_testing.h"

static cg_token_cache_stats stats_of(const cg_token_cache *c)
{
    cg_token_cache_stats s = CG_TOKEN_CACHE_STATS_INIT;

    cg_token_cache_get_stats(c, &s);
    return s;
}

START_TEST(entries_are_found_by_their_owner_only)
{
    int32_t ids[CG_CACHE_IDS_MAX], in[3] = { 5, -1, 7 };
    cg_token_cache *c = NULL;

    ck_assert_int_eq(cg_token_cache_create(100, &c, NULL), CG_OK);
    ck_assert_uint_eq(stats_of(c).capacity, 128);
    ck_assert_uint_eq(cg_token_cache_find(c, 1, 42, "abc", 3, ids), 0);
    cg_token_cache_store(c, 1, 42, "abc", 3, in, 3);
    ck_assert_uint_eq(cg_token_cache_find(c, 1, 42, "abc", 3, ids), 3);
    ck_assert_mem_eq(ids, in, sizeof in);
    ck_assert_uint_eq(cg_token_cache_find(c, 2, 42, "abc", 3, ids), 0);
    ck_assert_uint_eq(cg_token_cache_find(c, 1, 42, "abd", 3, ids), 0);
    ck_assert_uint_eq(cg_token_cache_find(c, 1, 42, "ab", 2, ids), 0);
    ck_assert_uint_eq(stats_of(c).entries, 1);
    cg_token_cache_destroy(c);
    cg_token_cache_destroy(NULL);
}
END_TEST

START_TEST(capacity_is_fixed_and_long_entries_are_rejected)
{
    char text[CG_CACHE_BYTES_MAX + 1];
    int32_t ids[CG_CACHE_IDS_MAX + 1] = { 0 };
    cg_token_cache *c = NULL;

    memset(text, 'a', sizeof text);
    ck_assert_int_eq(cg_token_cache_create(1, &c, NULL), CG_OK);
    ck_assert_uint_eq(stats_of(c).capacity, 4);
    cg_token_cache_store(c, 1, 0, text, sizeof text, ids, 1);
    cg_token_cache_store(c, 1, 0, text, 20, ids, CG_CACHE_IDS_MAX + 1);
    ck_assert_uint_eq(stats_of(c).entries, 0);
    cg_token_cache_store(c, 1, 0, text, CG_CACHE_BYTES_MAX, ids, CG_CACHE_IDS_MAX);
    ck_assert_uint_eq(cg_token_cache_find(c, 1, 0, text, CG_CACHE_BYTES_MAX, ids),
                      CG_CACHE_IDS_MAX);
    for (uint64_t i = 0; i < 1000; i++)
        cg_token_cache_store(c, 1, i << 60 | i, (const char *)&i, sizeof i, ids, 1);
    ck_assert_uint_eq(stats_of(c).entries, 4);
    cg_token_cache_destroy(c);
}
END_TEST

START_TEST(capacities_out_of_range_are_refused)
{
    cg_error err = CG_ERROR_INIT;
    cg_token_cache *c = NULL;

    ck_assert_int_eq(cg_token_cache_create(0, &c, &err), CG_ERR_USAGE);
    ck_assert_int_eq(cg_token_cache_create(((size_t)1 << 24) + 1, &c, &err), CG_ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(err.msg, "16777217"));
    ck_assert_ptr_null(c);
}
END_TEST

typedef struct job {
    const cg_tokenizer *tok;
    cg_token_cache *cache;
    unsigned seed;
    int bad;
} job;

/* Pre-tokens that merge to two tokens: all go through the cache. */
static void *encode_many(void *arg)
{
    cg_tokens plain = CG_TOKENS_INIT, cached = CG_TOKENS_INIT;
    job *j = arg;

    for (int i = 0; i < 3000; i++) {
        char text[64];
        int n = snprintf(text, sizeof text, "ab%c%c 1 ab%c ab%c%c", 'a' + rand_r(&j->seed) % 26,
                         'a' + rand_r(&j->seed) % 26, 'a' + rand_r(&j->seed) % 26,
                         'a' + rand_r(&j->seed) % 5, 'a' + rand_r(&j->seed) % 5);

        j->bad |= cg_tokenizer_encode(j->tok, NULL, text, (size_t)n, 0, &plain, NULL) != CG_OK;
        j->bad |= cg_tokenizer_encode(j->tok, j->cache, text, (size_t)n, 0, &cached, NULL) != CG_OK;
        j->bad |= plain.n != cached.n || memcmp(plain.ids, cached.ids, plain.n * sizeof *plain.ids);
    }
    cg_tokens_finish(&plain);
    cg_tokens_finish(&cached);
    return NULL;
}

START_TEST(threads_share_a_cache)
{
    enum { N = 4 };
    cg_tokenizer *t =
        tok_make(&(tok_parts) { .vocab = ",\"ab\":256,\"abc\":257", .merges = "\"a b\",\"ab c\"" });
    cg_tokenizer *other = tok_make(&(tok_parts) { .vocab = ",\"bc\":256", .merges = "\"b c\"" });
    cg_token_cache *c = NULL;
    cg_token_cache_stats s;
    pthread_t thread[N];
    job jobs[N];

    ck_assert_int_eq(cg_token_cache_create(64, &c, NULL),
                     CG_OK); /* small: entries are constantly replaced */
    for (unsigned i = 0; i < N; i++) {
        jobs[i] = (job) { i % 2 ? other : t, c, i, 0 };
        ck_assert_int_eq(pthread_create(&thread[i], NULL, encode_many, &jobs[i]), 0);
    }
    for (int i = 0; i < N; i++)
        pthread_join(thread[i], NULL);
    for (int i = 0; i < N; i++)
        ck_assert_int_eq(jobs[i].bad, 0);
    s = stats_of(c);
    ck_assert_uint_gt(s.hits, 0);
    ck_assert_uint_gt(s.misses, 64);
    ck_assert_uint_le(s.entries, s.capacity);
    ck_assert_uint_gt(s.entries, s.capacity / 2);
    cg_token_cache_destroy(c);
    cg_tokenizer_destroy(t);
    cg_tokenizer_destroy(other);
}
END_TEST

START_TEST(statistics_are_exact_for_one_thread)
{
    cg_tokenizer *t = tok_make(&(tok_parts) { .vocab = ",\"ab\":256", .merges = "\"a b\"" });
    cg_token_cache *c = NULL;
    cg_token_cache_stats s;

    ck_assert_int_eq(cg_token_cache_create(1000, &c, NULL), CG_OK);
    tok_encodes(t, c, "abx 1 abx ab aby", 0, "256 120 32 49 32 256 120 32 256 32 256 121");
    s = stats_of(c);
    ck_assert_uint_eq(s.hits, 1);   /* the second abx */
    ck_assert_uint_eq(s.misses, 2); /* abx, aby; ab and the single bytes need no cache */
    ck_assert_uint_eq(s.entries, 2);
    tok_encodes(t, c, "aby", 0, "256 121");
    ck_assert_uint_eq(stats_of(c).hits, 2);
    cg_token_cache_destroy(c);
    cg_tokenizer_destroy(t);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        entries_are_found_by_their_owner_only, capacity_is_fixed_and_long_entries_are_rejected,
        capacities_out_of_range_are_refused,   threads_share_a_cache,
        statistics_are_exact_for_one_thread,   NULL
    };

    return tok_run("tok_cache", tests);
}
