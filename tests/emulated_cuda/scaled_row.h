/* SPDX-License-Identifier: MIT */
/** @file scaled_row.h  A head of a token as a view with scales holds it. */
#ifndef EMULATED_SCALED_ROW_H
#define EMULATED_SCALED_ROW_H

#include <check.h>
#include <confgen/quantise.h>

#include "conformance/element.h"

static const cg_dtype scaled_types[] = { CG_I8, CG_F8_E4M3, CG_F8_E5M2 };
enum { N_SCALED_TYPES = sizeof scaled_types / sizeof *scaled_types };

/** Fails unless the scale and the codes are those of n numbers, bit by bit. */
static inline void expect_scaled_row(const uint8_t *codes, float scale, const float *numbers, int n,
                                     cg_dtype type)
{
    uint32_t largest = 0;
    float wanted;

    for (int i = 0; i < n; i++)
        if ((float_bits(numbers[i]) & 0x7fffffff) > largest)
            largest = float_bits(numbers[i]) & 0x7fffffff;
    wanted = cg_kv_scale(largest, type);
    ck_assert_float_eq(scale, wanted);
    for (int i = 0; i < n; i++) {
        uint8_t code[4];

        element_store(code, type, numbers[i] / wanted);
        ck_assert_uint_eq(codes[i], code[0]);
    }
}

#endif
