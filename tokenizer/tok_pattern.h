/* SPDX-License-Identifier: MIT */
/** @file tok_pattern.h  A compiled pre-tokenizer pattern and the walk over its matches. */
#ifndef CG_TOK_PATTERN_H
#define CG_TOK_PATTERN_H

#include <confgen/status.h>
#include <stddef.h>

/** Compiled pattern; immutable, shared by threads. */
typedef struct cg_pattern cg_pattern;

/**
 * Compile src[0..len): a regular expression, or (`literal`) a text to be found as it is.
 * @return CG_OK or the errors of cg_regex_translate(); CG_ERR_FORMAT where PCRE2 refuses the result
 */
cg_status cg_pattern_create(const char *src, size_t len, int literal, cg_pattern **ret_pattern,
                            cg_error *err);
void cg_pattern_destroy(cg_pattern *pattern); /* accepts NULL */

/** Working memory of one thread for any number of walks; zero-initialise, finish. */
typedef struct cg_match_memory {
    void *data;  /* pcre2_match_data */
    void *stack; /* pcre2_jit_stack and its context, taken when the small one does not do */
    void *context;
} cg_match_memory;

void cg_match_memory_finish(cg_match_memory *memory);

/** Position in a walk over the matches of one subject. */
typedef struct cg_match_walk {
    const cg_pattern *pattern;
    cg_match_memory *memory;
    const char *text;
    size_t len;
    size_t at;       /* where the next search begins */
    size_t last_end; /* end of the last match, SIZE_MAX before the first */
    int ascii;
} cg_match_walk;

/** Begin a walk. text is valid UTF-8, borrowed until the walk ends; ascii: no byte above 0x7f. */
static inline void cg_match_begin(cg_match_walk *walk, const cg_pattern *pattern,
                                  cg_match_memory *memory, const char *text, size_t len, int ascii)
{
    *walk = (cg_match_walk) { pattern, memory, text, len, 0, (size_t)-1, ascii };
}

/**
 * Next match from left to right, without overlap; an empty match directly after another match is
 * passed over.
 * @return 1 and the range, 0 at the end, -1 on failure (err: CG_ERR_LIMIT where the pattern
 *         backtracks beyond its bound, CG_ERR_NOMEM)
 */
int cg_match_next(cg_match_walk *walk, size_t *ret_start, size_t *ret_end, cg_error *err);

#endif
