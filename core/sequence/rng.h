/* SPDX-License-Identifier: MIT */
/**
 * @file rng.h  Counter-based random numbers: Philox4x32-10 (Salmon et al. 2011).
 *
 * A random number is a pure function of (seed, molecule, generation, token, attempt), so a
 * conformer does not depend on batch size, slot, shard, restart or thread.
 */
#ifndef CG_SEQUENCE_RNG_H
#define CG_SEQUENCE_RNG_H

#include <stdint.h>

#include <confgen/host_device.h>

/** Identifies the random stream of one conformer. */
typedef struct cg_rng_key {
    uint64_t seed;       /* of the run */
    uint64_t molecule;   /* index in the whole input */
    uint32_t generation; /* index among the molecule's conformers */
} cg_rng_key;

/** One block of Philox4x32-10. */
static inline CG_HOST_DEVICE void cg_philox4x32(const uint32_t counter[4], const uint32_t key[2],
                                                uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];

    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0;
        uint64_t p1 = (uint64_t)0xCD9E8D57u * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        uint32_t n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;

        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

/**
 * Uniform number in [0, 1) of 24 bits for the token at index `token` of the completion.
 *
 * @param attempt  number of roll-backs of the sequence so far; a conformer that is sampled again as
 *                 a whole has another seed: cg_rng_retry()
 */
static inline CG_HOST_DEVICE float cg_rng_uniform(const cg_rng_key *key, uint32_t token,
                                                  uint32_t attempt)
{
    uint32_t k[2] = { (uint32_t)key->seed, (uint32_t)(key->seed >> 32) };
    uint32_t c[4] = { (uint32_t)key->molecule, (uint32_t)(key->molecule >> 32) | attempt << 8,
                      key->generation, token };
    uint32_t r[4];

    cg_philox4x32(c, k, r);
    return (float)(r[0] >> 8) * 0x1p-24f;
}

/**
 * Seed of the `retry`-th retry of a conformer: the seed of the run for 0, else one independent of
 * it and of those of other retries (the mixing function of splitmix64, Steele et al. 2014).
 */
static inline uint64_t cg_rng_retry(uint64_t seed, uint32_t retry)
{
    uint64_t z = seed + retry * 0x9E3779B97F4A7C15u;

    if (!retry)
        return seed;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

#endif
