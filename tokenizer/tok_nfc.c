/* SPDX-License-Identifier: MIT */
#include "tok_nfc.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/error.h"
#include "base/size.h"
#include "tok_text.h"

/* Characters added after Unicode 9.0 that combine, compose or decompose, which the reference does
 * not know. Entirely new blocks are listed as a whole. */
static const struct {
    uint32_t first, last;
} newer_ranges[] = {
    { 0x07fd, 0x07fd },   { 0x0897, 0x089f },   { 0x08ca, 0x08d3 },   { 0x09fe, 0x09fe },
    { 0x0c3c, 0x0c3c },   { 0x0d3b, 0x0d3c },   { 0x0eba, 0x0eba },   { 0x1715, 0x1715 },
    { 0x1abf, 0x1aff },   { 0x1df6, 0x1dfa },   { 0x32ff, 0x32ff },   { 0xa7f1, 0xa7f4 },
    { 0xa82c, 0xa82c },   { 0xab69, 0xab69 },   { 0x105c0, 0x105ff }, { 0x10780, 0x107bf },
    { 0x10d24, 0x10d27 }, { 0x10d69, 0x10d6d }, { 0x10eab, 0x10eac }, { 0x10efa, 0x10eff },
    { 0x10f46, 0x10f50 }, { 0x10f82, 0x10f85 }, { 0x11070, 0x11070 }, { 0x1133b, 0x1133b },
    { 0x11380, 0x113ff }, { 0x1145e, 0x1145e }, { 0x11839, 0x1183a }, { 0x11900, 0x11946 },
    { 0x119e0, 0x119e0 }, { 0x11a34, 0x11a34 }, { 0x11a47, 0x11a47 }, { 0x11a99, 0x11a99 },
    { 0x11d42, 0x11d45 }, { 0x11d97, 0x11d97 }, { 0x11f41, 0x11f42 }, { 0x16100, 0x1613f },
    { 0x16d40, 0x16d7f }, { 0x16ff0, 0x16ff1 }, { 0x1ccd6, 0x1ccf9 }, { 0x1e030, 0x1e08f },
    { 0x1e130, 0x1e136 }, { 0x1e2ae, 0x1e2ae }, { 0x1e2ec, 0x1e2ef }, { 0x1e4ec, 0x1e4ef },
    { 0x1e5ee, 0x1e5ef }, { 0x1f16c, 0x1f16c }, { 0x1fbf0, 0x1fbf9 },
};

static int is_newer(uint32_t cp)
{
    size_t lo = 0, hi = sizeof newer_ranges / sizeof newer_ranges[0];

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (cp > newer_ranges[mid].last)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < sizeof newer_ranges / sizeof newer_ranges[0] && cp >= newer_ranges[lo].first;
}

static int combining_class(int32_t cp)
{
    return utf8proc_get_property(cp)->combining_class;
}

static int by_class(const void *a, const void *b)
{
    const int32_t *x = a, *y = b; /* code point, class, position */

    if (x[1] != y[1])
        return x[1] < y[1] ? -1 : 1;
    return x[2] < y[2] ? -1 : 1;
}

/* Canonical order within a run of combining marks. Long runs use qsort(), as a text may consist of
 * one run. */
static int order_run(int32_t *p, size_t n)
{
    int32_t(*keys)[3];

    if (n <= 32) {
        for (size_t i = 1; i < n; i++) {
            int32_t cp = p[i];
            int cc = combining_class(cp);
            size_t j = i;

            for (; j && combining_class(p[j - 1]) > cc; j--)
                p[j] = p[j - 1];
            p[j] = cp;
        }
        return 0;
    }
    keys = cg_alloc_array(n, sizeof *keys);
    if (!keys)
        return -1;
    for (size_t i = 0; i < n; i++) {
        keys[i][0] = p[i];
        keys[i][1] = combining_class(p[i]);
        keys[i][2] = (int32_t)i;
    }
    qsort(keys, n, sizeof *keys, by_class);
    for (size_t i = 0; i < n; i++)
        p[i] = keys[i][0];
    free(keys);
    return 0;
}

static int put_bytes(cg_nfc *nfc, const char *bytes, size_t n)
{
    if (cg_grow((void **)&nfc->text, &nfc->text_cap, nfc->len + n, 1))
        return -1;
    memcpy(nfc->text + nfc->len, bytes, n);
    nfc->len += n;
    return 0;
}

/* Records that the section at input offset `from` starts at output offset `to`. */
static int put_part(cg_nfc *nfc, size_t from, size_t to, int changed)
{
    /* consecutive unchanged sections are one: offsets advance equally */
    if (nfc->n_parts && !nfc->parts[nfc->n_parts - 1].changed && !changed)
        return 0;
    if (cg_grow((void **)&nfc->parts, &nfc->parts_cap, nfc->n_parts + 2, sizeof *nfc->parts))
        return -1;
    nfc->parts[nfc->n_parts++] = (cg_nfc_part) { (uint32_t)from, (uint32_t)to, (uint32_t)changed };
    return 0;
}

/* Normalizes a section; its first character does not combine with earlier ones. */
static int normalize_section(cg_nfc *nfc, enum cg_normal_form form, const char *text, size_t from,
                             size_t to)
{
    size_t n = 0, run = 0, start = nfc->len;
    int options =
        UTF8PROC_DECOMPOSE | (form == CG_FORM_KC || form == CG_FORM_KD ? UTF8PROC_COMPAT : 0);
    utf8proc_ssize_t composed;
    int same;

    for (size_t i = from, len; i < to; i += len) {
        uint32_t cp = cg_utf8_get(text + i, &len);
        utf8proc_ssize_t got;
        int boundary = 0;

        /* the longest decomposition has 18 code points */
        if (cg_grow((void **)&nfc->points, &nfc->points_cap, n + 20, sizeof *nfc->points))
            return -1;
        got = utf8proc_decompose_char((int32_t)cp, nfc->points + n, 20, options, &boundary);
        if (got < 0 || got > 20)
            return -1;
        n += (size_t)got;
    }
    for (size_t i = 0; i <= n; i++) {
        if (i < n && combining_class(nfc->points[i]))
            continue;
        if (i - run > 1 && order_run(nfc->points + run, i - run))
            return -1;
        run = i + 1;
    }
    composed = form == CG_FORM_D || form == CG_FORM_KD
                   ? (utf8proc_ssize_t)n
                   : utf8proc_normalize_utf32(nfc->points, (utf8proc_ssize_t)n,
                                              UTF8PROC_COMPOSE | UTF8PROC_STABLE);
    if (composed < 0)
        return -1;
    for (utf8proc_ssize_t i = 0; i < composed; i++) {
        char buf[4];
        size_t len = cg_utf8_put((uint32_t)nfc->points[i], buf);

        if (put_bytes(nfc, buf, len))
            return -1;
    }
    same = nfc->len - start == to - from && !memcmp(nfc->text + start, text + from, to - from);
    return put_part(nfc, from, start, !same);
}

cg_status cg_nfc_run(cg_nfc *nfc, enum cg_normal_form form, const char *text, size_t len,
                     int *ret_same, cg_error *err)
{
    size_t i = 0;

    nfc->len = 0;
    nfc->n_parts = 0;
    while (i < len) {
        size_t from = i, n;
        uint32_t cp = cg_utf8_get(text + i, &n);
        int newer = is_newer(cp);

        /* A section is one character and the non-ASCII ones after it: ASCII and newer characters
         * never combine with preceding ones. */
        for (i += n; !newer && i < len && (unsigned char)text[i] >= 0x80; i += n)
            if (is_newer(cg_utf8_get(text + i, &n)))
                break;
        if (newer || i - from == 1) {
            if (put_part(nfc, from, nfc->len, 0) || put_bytes(nfc, text + from, i - from))
                goto nomem;
        } else if (normalize_section(nfc, form, text, from, i)) {
            goto nomem;
        }
    }
    *ret_same = nfc->n_parts == 0 || (nfc->n_parts == 1 && !nfc->parts[0].changed);
    if (!*ret_same)
        nfc->parts[nfc->n_parts] = (cg_nfc_part) { (uint32_t)len, (uint32_t)nfc->len, 0 };
    return CG_OK;
nomem:
    return cg_fail(err, CG_ERR_NOMEM, "normalizing a text of %zu bytes: out of memory", len);
}

size_t cg_nfc_origin(const cg_nfc *nfc, size_t at, int is_end)
{
    size_t lo = 0, hi = nfc->n_parts; /* the part is in [lo, hi) */
    size_t key = is_end && at ? at - 1 : at;
    const cg_nfc_part *part;

    if (at >= nfc->len)
        return nfc->parts[nfc->n_parts].from;
    while (hi - lo > 1) {
        size_t mid = lo + (hi - lo) / 2;

        if (nfc->parts[mid].to <= key)
            lo = mid;
        else
            hi = mid;
    }
    part = &nfc->parts[lo];
    if (!part->changed)
        return part->from + (at - part->to);
    return is_end ? part[1].from : part->from;
}

void cg_nfc_finish(cg_nfc *nfc)
{
    free(nfc->text);
    free(nfc->parts);
    free(nfc->points);
    memset(nfc, 0, sizeof *nfc);
}
