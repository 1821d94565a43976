/* SPDX-License-Identifier: MIT */
#include "conformer_text.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_STEPS = 1 << 20 }; /* of a search */

static uint32_t put(char *at, const char *text, size_t len)
{
    memcpy(at, text, len);
    return (uint32_t)len;
}

void conformer_text_init(conformer_text *t, const number_texts *numbers,
                         const cg_text_format *format, const cg_literals *literals)
{
    int32_t per = numbers->per_literal, n = per * literals->n_atoms;
    size_t room = strlen(format->begin) + strlen(format->end) + strlen(format->stop) +
                  literals->literal[literals->n_atoms].end +
                  (size_t)n * strlen(numbers->separator) + 1;
    uint32_t at = 0;

    *t = (conformer_text) { .numbers = numbers, .n_numbers = n };
    t->bytes = malloc(room);
    t->start = malloc(((size_t)n + 2) * sizeof *t->start);
    if (!t->bytes || !t->start)
        abort();
    for (int32_t k = 0; k <= n; k++) {
        const cg_range *literal = &literals->literal[k / per];

        t->start[k] = at;
        if (k == 0)
            at += put(t->bytes, format->begin, strlen(format->begin));
        if (k % per)
            at += put(t->bytes + at, numbers->separator, strlen(numbers->separator));
        else
            at +=
                put(t->bytes + at, literals->text + literal->begin, literal->end - literal->begin);
    }
    at += put(t->bytes + at, format->end, strlen(format->end));
    at += put(t->bytes + at, format->stop, strlen(format->stop));
    t->start[n + 1] = at;
}

void conformer_text_finish(conformer_text *t)
{
    free(t->bytes);
    free(t->start);
    *t = (conformer_text) { 0 };
}

/* ---- the whole text ------------------------------------------------------------------------ */

struct reading {
    const conformer_text *t;
    const char *text;
    uint32_t len;
    cg_range *numbers;
    uint32_t farthest; /* position that could not be read */
    int32_t at_number; /* that a number was wanted there: its index; else -1 */
    int32_t fixed;     /* else this fixed text */
    int32_t n_steps;
};

static void fail_at(struct reading *r, uint32_t at, int32_t number, int32_t fixed)
{
    if (at < r->farthest)
        return;
    r->farthest = at;
    r->at_number = number;
    r->fixed = fixed;
}

/* Reads fixed text k at `at`, and all behind it. Numbers may be the start of other ones, so each
 * length that is a number is tried. */
static int read_from(struct reading *r, int32_t k, uint32_t at)
{
    const conformer_text *t = r->t;
    uint32_t len = t->start[k + 1] - t->start[k], max;
    int found = 0;

    if (++r->n_steps > MAX_STEPS)
        return 0;
    if (len > r->len - at || memcmp(r->text + at, t->bytes + t->start[k], len)) {
        fail_at(r, at, -1, k);
        return 0;
    }
    at += len;
    if (k == t->n_numbers) {
        if (at == r->len)
            return 1;
        fail_at(r, at, -1, k);
        return 0;
    }
    max = r->len - at < t->numbers->max_len ? r->len - at : t->numbers->max_len;
    for (uint32_t n = max; n > 0; n--)
        if (number_index(t->numbers, r->text + at, n) >= 0) {
            found = 1;
            r->numbers[k] = (cg_range) { at, at + n };
            if (read_from(r, k + 1, at + n))
                return 1;
        }
    if (!found)
        fail_at(r, at, k, -1);
    return 0;
}

int conformer_text_parse(const conformer_text *t, const char *text, uint32_t len,
                         cg_range *ret_numbers, char *ret_why, size_t cap)
{
    struct reading r = { .t = t, .text = text, .len = len, .numbers = ret_numbers };
    int shown;

    if (read_from(&r, 0, 0))
        return 1;
    shown = len - r.farthest < 40 ? (int)(len - r.farthest) : 40;
    if (r.at_number >= 0)
        snprintf(ret_why, cap, "found '%.*s' at byte %u, wanted a number of the format (number %d)",
                 shown, text + r.farthest, r.farthest, r.at_number);
    else
        snprintf(ret_why, cap, "found '%.*s' at byte %u, wanted '%.*s'", shown, text + r.farthest,
                 r.farthest, (int)(t->start[r.fixed + 1] - t->start[r.fixed]),
                 t->bytes + t->start[r.fixed]);
    return 0;
}

/* ---- forced parts -------------------------------------------------------------------------- */

/*
 * Positions: all bytes of fixed text k and the number behind it count start[k + 1] - start[k] + 1,
 * so fixed text k begins at start[k] + k.
 */
static int32_t fixed_at(const conformer_text *t, uint32_t at)
{
    int32_t lo = 0, hi = t->n_numbers;

    while (lo < hi) { /* the last k with start[k] + k <= at */
        int32_t mid = lo + (hi - lo + 1) / 2;

        if (t->start[mid] + (uint32_t)mid <= at)
            lo = mid;
        else
            hi = mid - 1;
    }
    return lo;
}

/* Is part[len] the text at position `at`? Numbers at both ends of the part may be cut. */
static int matches(const conformer_text *t, const char *part, uint32_t len, uint32_t at,
                   int is_start, int32_t *n_steps, uint32_t *ret_at)
{
    while (len > 0) {
        int32_t k = fixed_at(t, at);
        uint32_t byte = at - (uint32_t)k, n = 0;

        if (++*n_steps > MAX_STEPS)
            return 0;
        if (byte < t->start[k + 1]) {
            if (t->bytes[byte] != *part)
                return 0;
            part++, len--, at++, is_start = 0;
            continue;
        }
        if (k == t->n_numbers)
            return 0;
        while (n < len && n < t->numbers->max_len && t->numbers->is_digit[(unsigned char)part[n]])
            n++;
        if (n == len) { /* it ends within the number or with it */
            *ret_at = at;
            return 1;
        }
        for (; n > 0; n--)
            if (matches(t, part + n, len - n, at + 1, 0, n_steps, ret_at))
                return 1;
        if (!is_start)
            return 0;
        at++;
        is_start = 0;
    }
    *ret_at = at;
    return 1;
}

int conformer_text_find(const conformer_text *t, const char *part, uint32_t len, uint32_t *at)
{
    uint32_t end = t->start[t->n_numbers + 1] + (uint32_t)t->n_numbers;
    int32_t n_steps = 0;

    for (uint32_t i = *at; i <= end; i++)
        if (matches(t, part, len, i, 1, &n_steps, at))
            return 1;
    return 0;
}
