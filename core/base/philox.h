/* SPDX-License-Identifier: MIT */
/** @file philox.h  Counter-based random numbers: Philox4x32-10 (Salmon et al. 2011). */
#ifndef CG_BASE_PHILOX_H
#define CG_BASE_PHILOX_H

#include <stdint.h>

#include <confgen/status.h>

/** Computes the four random words of a counter and a key. */
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

#endif
