/* SPDX-License-Identifier: MIT */
/**
 * @file rng.h  The random numbers of sampling, counter-based.
 *
 * A random number is a pure function of (seed, molecule, generation, token, attempt), so a
 * conformer does not depend on batch size, slot, shard, restart or thread.
 */
#ifndef CG_SEQUENCE_RNG_H
#define CG_SEQUENCE_RNG_H

#include "base/philox.h"

/** Identifies the random stream of one conformer. */
typedef struct cg_rng_key {
    uint64_t seed;       /* of the run */
    uint64_t molecule;   /* index in the whole input */
    uint32_t generation; /* index among the molecule's conformers */
} cg_rng_key;

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
