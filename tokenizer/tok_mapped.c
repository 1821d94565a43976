/* SPDX-License-Identifier: MIT */
#include "tok_mapped.h"

#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "tok_text.h"

/* Offsets have 31 bits: cg_spans of segments use the highest one (tok_split.c). */
#define MAX_LEN ((size_t)1 << 31)

void cg_mapped_finish(cg_mapped *m)
{
    free(m->text);
    free(m->from);
    free(m->to);
    memset(m, 0, sizeof *m);
}

static int grow(cg_mapped *m, size_t more)
{
    size_t want = m->len + more;

    return want >= MAX_LEN || cg_grow((void **)&m->text, &m->text_cap, want, 1) ||
                   cg_grow((void **)&m->from, &m->from_cap, want, sizeof *m->from) ||
                   cg_grow((void **)&m->to, &m->to_cap, want, sizeof *m->to)
               ? -1
               : 0;
}

int cg_mapped_put(cg_mapped *m, const char *bytes, size_t n, uint32_t from, uint32_t to)
{
    if (grow(m, n))
        return -1;
    for (size_t i = 0; i < n; i++) {
        m->text[m->len] = bytes[i];
        m->from[m->len] = from;
        m->to[m->len++] = to;
    }
    return 0;
}

int cg_mapped_put_char(cg_mapped *m, uint32_t cp, uint32_t from, uint32_t to)
{
    char bytes[4];

    return cg_mapped_put(m, bytes, cg_utf8_put(cp, bytes), from, to);
}

int cg_mapped_copy(cg_mapped *m, const cg_mapped *source, size_t start, size_t end)
{
    size_t n = end - start;

    if (!n)
        return 0;
    if (grow(m, n))
        return -1;
    memcpy(m->text + m->len, source->text + start, n);
    memcpy(m->from + m->len, source->from + start, n * sizeof *m->from);
    memcpy(m->to + m->len, source->to + start, n * sizeof *m->to);
    m->len += n;
    return 0;
}
