/* SPDX-License-Identifier: MIT */
/**
 * @file unasked.h  What a plugin of 1.0 or 1.1 cannot see, at its place in 1.2 (../1.2.txt): the
 * members by which a host asks for features. A host that asks an older plugin for one ends the
 * process.
 */
#ifndef CG_TESTS_ABI_UNASKED_H
#define CG_TESTS_ABI_UNASKED_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PROBLEM_FEATURES = 68, /* cg_attention_problem.features */
    CONFIG_FEATURES = 48,  /* cg_cache_config.features */
    FORMAT_FIELDS = 48,    /* cg_text_format.fields_per_literal: 3, or 0 for 3 */
    FORMAT_STRIP = 52,     /* strip_zeros: 0 */
    FORMAT_SEPARATOR = 56, /* separator: ",", or NULL for "," */
    FORMAT_NUMBERS = 64,   /* numbers: NULL */
};

static inline void unasked(int asked, const char *what)
{
    if (!asked)
        return;
    fprintf(stderr, "a plugin of an older minor is asked for %s\n", what);
    abort();
}

static inline uint32_t word_at(const void *sized, uint32_t struct_size, uint32_t offset)
{
    uint32_t word = 0;

    if (struct_size >= offset + sizeof word)
        memcpy(&word, (const char *)sized + offset, sizeof word);
    return word;
}

static inline const char *text_at(const void *sized, uint32_t struct_size, uint32_t offset)
{
    const char *text = NULL;

    if (struct_size >= offset + sizeof text)
        memcpy(&text, (const char *)sized + offset, sizeof text);
    return text;
}

#endif
