/* SPDX-License-Identifier: MIT */
/** @file tok_pattern.h  Compiled pre-tokenizer patterns and iteration over their matches. */
#ifndef CG_TOK_PATTERN_H
#define CG_TOK_PATTERN_H

#include <confgen/status.h>
#include <stddef.h>

/** Compiled pattern; immutable, may be shared by threads. */
typedef struct cg_pattern cg_pattern;

/**
 * Compiles src[0..len): a regular expression, or with `literal` a text to match verbatim.
 * @return CG_OK or the errors of cg_regex_translate(); CG_ERR_FORMAT if PCRE2 refuses the result
 */
cg_status cg_pattern_create(const char *src, size_t len, int literal, cg_pattern **ret_pattern,
                            cg_error *err);
void cg_pattern_destroy(cg_pattern *pattern); /* accepts NULL */

/** Working memory of one thread for any number of iterations; zero-initialise, finish. */
typedef struct cg_match_memory {
    void *data;  /* pcre2_match_data */
    void *stack; /* pcre2_jit_stack and its match context, created when the default stack is full */
    void *context;
} cg_match_memory;

void cg_match_memory_finish(cg_match_memory *memory);

/** Iterator over the matches of one subject. */
typedef struct cg_match_iterator {
    const cg_pattern *pattern;
    cg_match_memory *memory;
    const char *text;
    size_t len;
    size_t at;       /* start of the next search */
    size_t last_end; /* end of the last match, SIZE_MAX before the first */
    int ascii;
} cg_match_iterator;

/** Starts an iteration. text is valid UTF-8, borrowed until its end; ascii: no byte above 0x7f. */
static inline void cg_match_start(cg_match_iterator *it, const cg_pattern *pattern,
                                  cg_match_memory *memory, const char *text, size_t len, int ascii)
{
    *it = (cg_match_iterator) { pattern, memory, text, len, 0, (size_t)-1, ascii };
}

/**
 * Finds the next match, left to right without overlap. An empty match directly after another match
 * is skipped.
 * @return 1 and the range, 0 at the end, -1 on failure (err: CG_ERR_LIMIT if the pattern exceeds
 * its backtracking limit, CG_ERR_NOMEM)
 */
int cg_match_next(cg_match_iterator *it, size_t *ret_start, size_t *ret_end, cg_error *err);

#endif
