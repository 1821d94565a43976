/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>

#include "sequence/rng.h"

/* Known answers of the Random123 distribution (Salmon et al. 2011). */
START_TEST(philox_known_answers)
{
    static const struct {
        uint32_t counter[4], key[2], want[4];
    } cases[] = {
        { { 0, 0, 0, 0 }, { 0, 0 }, { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 } },
        { { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff },
          { 0xffffffff, 0xffffffff },
          { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd } },
        { { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344 },
          { 0xa4093822, 0x299f31d0 },
          { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 } },
    };
    uint32_t out[4];

    cg_philox4x32(cases[_i].counter, cases[_i].key, out);
    for (int i = 0; i < 4; i++)
        ck_assert_uint_eq(out[i], cases[_i].want[i]);
}
END_TEST

START_TEST(numbers_depend_on_every_part_of_the_key)
{
    cg_rng_key key = { 1, 2, 3 }, other = key;
    float u = cg_rng_uniform(&key, 4, 0);

    ck_assert(u >= 0 && u < 1);
    ck_assert(cg_rng_uniform(&key, 4, 0) == u);
    ck_assert(cg_rng_uniform(&key, 5, 0) != u);
    ck_assert(cg_rng_uniform(&key, 4, 1) != u);
    other.seed = 9;
    ck_assert(cg_rng_uniform(&other, 4, 0) != u);
    other = key;
    other.molecule = 9;
    ck_assert(cg_rng_uniform(&other, 4, 0) != u);
    other = key;
    other.generation = 9;
    ck_assert(cg_rng_uniform(&other, 4, 0) != u);
}
END_TEST

START_TEST(retries_have_distinct_seeds)
{
    uint64_t seen[64];
    int n = 0;

    for (uint64_t seed = 0; seed < 4; seed++) {
        ck_assert_uint_eq(cg_rng_retry(seed, 0), seed);
        for (uint32_t retry = 0; retry < 16; retry++) {
            seen[n] = cg_rng_retry(seed, retry);
            for (int i = 0; i < n; i++)
                ck_assert_uint_ne(seen[i], seen[n]);
            n++;
        }
    }
    /* the first values of splitmix64 from state 0 */
    ck_assert_uint_eq(cg_rng_retry(0, 1), 0xE220A8397B1DCDAFu);
    ck_assert_uint_eq(cg_rng_retry(0, 2), 0x6E789E6AA1B965F4u);
}
END_TEST

START_TEST(numbers_are_uniform)
{
    enum { N = 100000, BINS = 10 };
    cg_rng_key key = { 42, 0, 0 };
    int bins[BINS] = { 0 };
    double chi2 = 0;

    for (uint32_t i = 0; i < N; i++)
        bins[(int)(cg_rng_uniform(&key, i, 0) * BINS)]++;
    for (int b = 0; b < BINS; b++)
        chi2 += (bins[b] - N / BINS) * (double)(bins[b] - N / BINS) / (N / BINS);
    ck_assert_msg(chi2 < 27.9, "chi2 %g over 9 degrees of freedom", chi2); /* p = 0.001 */
}
END_TEST

int main(void)
{
    Suite *s = suite_create("rng");
    TCase *tc = tcase_create("philox");
    SRunner *sr;
    int failed;

    tcase_add_loop_test(tc, philox_known_answers, 0, 3);
    tcase_add_test(tc, numbers_depend_on_every_part_of_the_key);
    tcase_add_test(tc, retries_have_distinct_seeds);
    tcase_add_test(tc, numbers_are_uniform);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
