/* SPDX-License-Identifier: MIT */
/**
 * @file buf.h  Growable byte buffer.
 *
 * A zeroed cg_buf is an empty buffer. A failed allocation latches: the buffer keeps its contents,
 * further writes do nothing, and one cg_buf_check() at the end reports the failure. Once anything
 * was written, data[len] is a NUL byte that len does not count.
 */
#ifndef CG_BASE_BUF_H
#define CG_BASE_BUF_H

#include <stddef.h>

#include <confgen/status.h>

typedef struct cg_buf {
    char *data; /* owned; NULL until the first write */
    size_t len;
    size_t cap;
    int failed; /* an allocation failed since the last clear */
} cg_buf;

/** Frees the memory and zeroes the buffer, which can be used again. Accepts NULL. */
void cg_buf_finish(cg_buf *buf);
/** Empties the buffer and resets a failure; keeps the memory. */
void cg_buf_clear(cg_buf *buf);
/** Reserves n more bytes. @return 0, or -1 with the failure latched */
int cg_buf_reserve(cg_buf *buf, size_t n);

void cg_buf_put(cg_buf *buf, const void *bytes, size_t n);
void cg_buf_putc(cg_buf *buf, char c);
void cg_buf_puts(cg_buf *buf, const char *text);
void cg_buf_printf(cg_buf *buf, const char *fmt, ...) CG_PRINTF(2, 3);

/** Returns the bytes as a NUL-terminated string, borrowed until the next write; "" when empty. */
const char *cg_buf_text(const cg_buf *buf);

/** CG_OK, or CG_ERR_NOMEM "<what>: out of memory" when an allocation failed. */
cg_status cg_buf_check(const cg_buf *buf, const char *what, cg_error *err);

#endif
