/* SPDX-License-Identifier: MIT */
#include "tok_bpe.h"
#include "tok_testing.h"

/* A vocabulary of all strings over {a, b} up to length 6, with merges in random order. */
static void random_vocab(cg_vocab *v, unsigned seed)
{
    enum { N = 126 };
    char text[N][8];
    int n = 0, order[N * 6], pairs[N * 6][3], n_pairs = 0;

    for (int b = 0; b < 256; b++) {
        char c = (char)b;

        ck_assert_int_eq(cg_vocab_set(v, b, &c, 1, CG_TOKEN_BYTES, NULL), CG_OK);
    }
    for (int len = 1; len <= 6; len++)
        for (int bits = 0; bits < 1 << len; bits++, n++) {
            for (int i = 0; i < len; i++)
                text[n][i] = (char)('a' + (bits >> i & 1));
            text[n][len] = '\0';
            if (len > 1)
                ck_assert_int_eq(
                    cg_vocab_set(v, 300 + n, text[n], (size_t)len, CG_TOKEN_BYTES, NULL), CG_OK);
        }
    for (int l = 0; l < n; l++)
        for (int r = 0; r < n; r++) {
            char both[16];

            snprintf(both, sizeof both, "%.7s%.7s", text[l], text[r]);
            for (int m = 0; m < n && n_pairs < N * 6; m++)
                if (!strcmp(both, text[m]) && rand_r(&seed) % 3) {
                    pairs[n_pairs][0] = l < 2 ? text[l][0] : 300 + l;
                    pairs[n_pairs][1] = r < 2 ? text[r][0] : 300 + r;
                    pairs[n_pairs++][2] = 300 + m;
                }
        }
    for (int i = 0; i < n_pairs; i++) {
        int k = rand_r(&seed) % (i + 1);

        order[i] = order[k];
        order[k] = i;
    }
    ck_assert_int_eq(cg_vocab_reserve_merges(v, (size_t)n_pairs, NULL), CG_OK);
    for (int i = 0; i < n_pairs; i++)
        cg_vocab_merge(v, pairs[order[i]][0], pairs[order[i]][1], (uint32_t)i, pairs[order[i]][2]);
    ck_assert_int_eq(cg_vocab_finalize(v, NULL), CG_OK);
}

/* Direct implementation of the definition: repeatedly merges the pair of lowest rank, the leftmost
 * of equals. */
static size_t plain_bpe(const cg_vocab *v, const char *s, size_t n, int32_t *ids)
{
    for (size_t i = 0; i < n; i++)
        ids[i] = v->byte_id[(uint8_t)s[i]];
    for (;;) {
        const cg_merge_bucket *best = NULL;
        size_t at = 0;

        for (size_t i = 0; i + 1 < n; i++) {
            const cg_merge_bucket *m = cg_merge_find(v, ids[i], ids[i + 1]);

            if (m && (!best || m->rank < best->rank)) {
                best = m;
                at = i;
            }
        }
        if (!best)
            return n;
        ids[at] = best->id;
        memmove(ids + at + 1, ids + at + 2, (n - at - 2) * sizeof *ids);
        n--;
    }
}

START_TEST(short_and_long_pretokens_follow_the_definition)
{
    enum { MOST = 400 };
    cg_bpe_memory memory = { 0 };
    unsigned seed = 5;

    for (int round = 0; round < 20; round++) {
        cg_vocab v = { 0 };

        random_vocab(&v, (unsigned)round);
        for (int k = 0; k < 60; k++) {
            size_t len = 1 + (size_t)rand_r(&seed) % (k % 3 ? 60 : MOST), n = 0, want, bytes = 0;
            int32_t ids[MOST], expect[MOST];
            char s[MOST];

            for (size_t i = 0; i < len; i++)
                s[i] = (char)('a' + (rand_r(&seed) % 10 < 4) + 20 * (rand_r(&seed) % 40 == 0));
            ck_assert_int_eq(cg_bpe_encode(&v, &memory, s, len, ids, &n), 0);
            want = plain_bpe(&v, s, len, expect);
            ck_assert_uint_eq(n, want);
            ck_assert_mem_eq(ids, expect, n * sizeof *ids);
            for (size_t i = 0; i < n; i++)
                bytes += v.length[ids[i]];
            ck_assert_uint_eq(bytes, len);
        }
        cg_vocab_finish(&v);
    }
    cg_bpe_memory_finish(&memory);
}
END_TEST

START_TEST(a_million_bytes_are_fast)
{
    enum { N = 1000000 };
    char *s = malloc(N);
    int32_t *ids = malloc(N * sizeof *ids);
    cg_bpe_memory memory = { 0 };
    cg_vocab v = { 0 };
    size_t n, bytes = 0;

    random_vocab(&v, 3);
    for (int i = 0; i < N; i++)
        s[i] = (char)('a' + i * 7 % 3 % 2);
    ck_assert_int_eq(cg_bpe_encode(&v, &memory, s, N, ids, &n), 0);
    for (size_t i = 0; i < n; i++)
        bytes += v.length[ids[i]];
    ck_assert_uint_eq(bytes, N);
    cg_bpe_memory_finish(&memory);
    cg_vocab_finish(&v);
    free(s);
    free(ids);
}
END_TEST

int main(void)
{
    const TTest *tests[] = { short_and_long_pretokens_follow_the_definition,
                             a_million_bytes_are_fast, NULL };

    return tok_run("tok_bpe", tests);
}
