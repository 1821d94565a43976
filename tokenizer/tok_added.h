/* SPDX-License-Identifier: MIT */
/** @file tok_added.h  Added tokens: texts that are one token wherever they stand. */
#ifndef CG_TOK_ADDED_H
#define CG_TOK_ADDED_H

#include <confgen/status.h>
#include <stddef.h>
#include <stdint.h>

/** Longest content of an added token, in bytes. */
#define CG_ADDED_MAX 4096

#define CG_ADDED_SINGLE_WORD 0x01 /* only where no word character touches it */
#define CG_ADDED_LSTRIP      0x02 /* takes the white space before it */
#define CG_ADDED_RSTRIP      0x04 /* takes the white space after it */

typedef struct cg_added_token {
    char *content; /* [len], owned by the set */
    size_t len;
    int32_t id;
    uint32_t flags; /* CG_ADDED_* */
} cg_added_token;

/** Added tokens that are looked for together; zero-initialise, add, seal; then immutable. */
typedef struct cg_added_set {
    cg_added_token *tokens; /* [n], sorted by content once sealed */
    size_t n, cap;
    uint32_t first[257]; /* tokens that begin with byte b: [first[b], first[b + 1]) */
} cg_added_set;

/** content[0..len), 1 <= len <= CG_ADDED_MAX, is copied. CG_OK, CG_ERR_LIMIT, CG_ERR_NOMEM. */
cg_status cg_added_add(cg_added_set *set, const char *content, size_t len, int32_t id,
                       uint32_t flags, cg_error *err);
/** Sort. Of equal contents, which only normalization can bring about, the first added stays. */
void cg_added_seal(cg_added_set *set);
void cg_added_finish(cg_added_set *set);

typedef struct cg_added_match {
    size_t start, end;
    int32_t id;
} cg_added_match;

/**
 * Next added token in text[0..len), leftmost first, the longest at its place.
 *
 * @param from  where to search; moved behind the token's content
 * @param used  end of what earlier tokens took: white space before it is not taken again
 * @return 1 and the match, 0 if there is none
 */
int cg_added_next(const cg_added_set *set, const char *text, size_t len, size_t *from, size_t used,
                  cg_added_match *ret_match);

#endif
