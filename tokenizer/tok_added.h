/* SPDX-License-Identifier: MIT */
/** @file tok_added.h  Added tokens: texts that are one token wherever they occur. */
#ifndef CG_TOK_ADDED_H
#define CG_TOK_ADDED_H

#include <confgen/status.h>
#include <stddef.h>
#include <stdint.h>

/** Longest content of an added token, in bytes. */
#define CG_ADDED_MAX 4096

#define CG_ADDED_SINGLE_WORD 0x01 /* matches only without adjacent word characters */
#define CG_ADDED_LSTRIP      0x02 /* includes white space before it */
#define CG_ADDED_RSTRIP      0x04 /* includes white space after it */

typedef struct cg_added_token {
    char *content; /* [len], owned by the set */
    size_t len;
    int32_t id;
    uint32_t flags; /* CG_ADDED_* */
} cg_added_token;

/** Added tokens that are searched together. Zero-initialise, add, finalize; then immutable. */
typedef struct cg_added_set {
    cg_added_token *tokens; /* [n], sorted by content once finalized */
    size_t n, cap;
    uint32_t first[257]; /* tokens that start with byte b: [first[b], first[b + 1]) */
} cg_added_set;

/** Adds a token; copies content[0..len), 1 <= len <= CG_ADDED_MAX. CG_ERR_LIMIT, CG_ERR_NOMEM. */
cg_status cg_added_add(cg_added_set *set, const char *content, size_t len, int32_t id,
                       uint32_t flags, cg_error *err);
/** Sorts, removes duplicates and builds first[]. Of equal contents, which only normalization
 * causes, the lowest id is kept. */
void cg_added_finalize(cg_added_set *set);
void cg_added_finish(cg_added_set *set);

typedef struct cg_added_match {
    size_t start, end;
    int32_t id;
} cg_added_match;

/**
 * Finds the next added token in text[0..len): the leftmost one, and of those the longest.
 *
 * @param from  start of the search; advanced to the end of the token's content
 * @param used  end of the previous match, whose white space is not matched again
 * @return 1 and the match, 0 if there is none
 */
int cg_added_next(const cg_added_set *set, const char *text, size_t len, size_t *from, size_t used,
                  cg_added_match *ret_match);

#endif
