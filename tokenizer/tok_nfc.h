/* SPDX-License-Identifier: MIT */
/** @file tok_nfc.h  Normal forms of Unicode, with a map back to offsets of the input. */
#ifndef CG_TOK_NFC_H
#define CG_TOK_NFC_H

#include <confgen/status.h>
#include <stddef.h>
#include <stdint.h>

enum cg_normal_form { CG_FORM_C, CG_FORM_D, CG_FORM_KC, CG_FORM_KD };

/** A section that was normalized independently: its start before and after. */
typedef struct cg_nfc_part {
    uint32_t from;    /* offset in the input */
    uint32_t to;      /* offset in the output */
    uint32_t changed; /* 1: bytes differ; positions inside map to the whole section */
} cg_nfc_part;

/** Result and working memory. Zero-initialise, use for any number of texts, finish. */
typedef struct cg_nfc {
    char *text; /* [len] normalized */
    size_t len;
    cg_nfc_part *parts; /* [n_parts + 1]; the last one marks the end of both texts */
    size_t n_parts;
    size_t text_cap, parts_cap, points_cap;
    int32_t *points; /* code points of one section */
} cg_nfc;

/**
 * Normalizes valid UTF-8. If nothing changes, *ret_same is 1 and the result is not set.
 *
 * Characters newer than Unicode 9.0 are neither composed nor reordered, as in the reference
 * implementation: ids must not depend on the Unicode version of a library.
 *
 * @return CG_OK, CG_ERR_NOMEM. Time is linear in len.
 */
cg_status cg_nfc_run(cg_nfc *nfc, enum cg_normal_form form, const char *text, size_t len,
                     int *ret_same, cg_error *err);

/** Input offset of the output offset `at`, the start of a range, or with `is_end` its end. */
size_t cg_nfc_origin(const cg_nfc *nfc, size_t at, int is_end);

void cg_nfc_finish(cg_nfc *nfc);

#endif
