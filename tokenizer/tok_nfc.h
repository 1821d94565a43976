/* SPDX-License-Identifier: MIT */
/** @file tok_nfc.h  Unicode normalization form C, with the way back to the offsets of the input. */
#ifndef CG_TOK_NFC_H
#define CG_TOK_NFC_H

#include <confgen/status.h>
#include <stddef.h>
#include <stdint.h>

/** A stretch that was normalized on its own: where it begins before and after. */
typedef struct cg_nfc_part {
    uint32_t from;    /* offset in the input */
    uint32_t to;      /* offset in the output */
    uint32_t changed; /* 1: bytes differ, so positions inside mean the whole stretch */
} cg_nfc_part;

/** Result and working memory; zero-initialise, use for any number of texts, finish. */
typedef struct cg_nfc {
    char *text; /* [len] normalized */
    size_t len;
    cg_nfc_part *parts; /* [n_parts + 1]; the last one is the end of both texts */
    size_t n_parts;
    size_t text_cap, parts_cap, points_cap;
    int32_t *points; /* code points of one stretch */
} cg_nfc;

/**
 * Normalize valid UTF-8. *ret_same is 1, and the result not filled in, if nothing changes.
 *
 * Characters that came after Unicode 9.0 are left as they are and never reordered: that is what the
 * reference implementation does, and ids must not depend on the Unicode version of a library.
 *
 * @return CG_OK, CG_ERR_NOMEM. Time is linear in len.
 */
cg_status cg_nfc_run(cg_nfc *nfc, const char *text, size_t len, int *ret_same, cg_error *err);

/** Offset in the input of output offset `at`; `is_end`: the end of a range, not its start. */
size_t cg_nfc_origin(const cg_nfc *nfc, size_t at, int is_end);

void cg_nfc_finish(cg_nfc *nfc);

#endif
