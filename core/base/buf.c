/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"

void cg_buf_finish(cg_buf *b)
{
    if (!b)
        return;
    free(b->data);
    memset(b, 0, sizeof *b);
}

void cg_buf_clear(cg_buf *b)
{
    b->len = 0;
    b->failed = 0;
    if (b->data)
        b->data[0] = '\0';
}

int cg_buf_reserve(cg_buf *b, size_t n)
{
    size_t want;

    if (b->failed || cg_add(b->len, n, &want) || cg_add(want, 1, &want) || /* 1 for the NUL */
        cg_grow((void **)&b->data, &b->cap, want, 1)) {
        b->failed = 1;
        return -1;
    }
    return 0;
}

void cg_buf_put(cg_buf *b, const void *bytes, size_t n)
{
    if (cg_buf_reserve(b, n))
        return;
    if (n)
        memcpy(b->data + b->len, bytes, n);
    b->len += n;
    b->data[b->len] = '\0';
}

void cg_buf_putc(cg_buf *b, char c)
{
    cg_buf_put(b, &c, 1);
}

void cg_buf_puts(cg_buf *b, const char *text)
{
    cg_buf_put(b, text, strlen(text));
}

void cg_buf_printf(cg_buf *b, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0) {
        b->failed = 1;
        return;
    }
    if (cg_buf_reserve(b, (size_t)n))
        return;
    va_start(ap, fmt);
    vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->len += (size_t)n;
}

const char *cg_buf_text(const cg_buf *b)
{
    return b->data ? b->data : "";
}

cg_status cg_buf_check(const cg_buf *b, const char *what, cg_error *err)
{
    return b->failed ? cg_fail_nomem(err, what) : CG_OK;
}
