/* SPDX-License-Identifier: MIT */
/**
 * @file buf.h  Growable byte buffer.
 *
 * A zeroed cg_buf is an empty buffer. A failed allocation latches: the buffer keeps what it held,
 * further writes do nothing, and the one check at the end (cg_buf_check) tells. While the buffer
 * holds anything, data[len] is a NUL byte that does not count.
 */
#ifndef CG_BASE_BUF_H
#define CG_BASE_BUF_H

#include <stddef.h>

#include <confgen/status.h>

typedef struct cg_buf {
    char *data; /* owned; NULL while nothing was ever written */
    size_t len;
    size_t cap;
    int failed; /* an allocation failed since the last clear */
} cg_buf;

/** Free the memory and zero the buffer, which can be used again. Accepts NULL. */
void cg_buf_finish(cg_buf *buf);
/** Empty the buffer and forget a failure; keeps the memory. */
void cg_buf_clear(cg_buf *buf);
/** Make room for n more bytes; 0, or -1 with the failure latched. */
int cg_buf_reserve(cg_buf *buf, size_t n);

void cg_buf_put(cg_buf *buf, const void *bytes, size_t n);
void cg_buf_putc(cg_buf *buf, char c);
void cg_buf_puts(cg_buf *buf, const char *text);
void cg_buf_printf(cg_buf *buf, const char *fmt, ...) CG_PRINTF(2, 3);

/** The bytes as a NUL-terminated string; "" when empty. Borrowed until the next write. */
const char *cg_buf_text(const cg_buf *buf);

/** CG_OK, or CG_ERR_NOMEM "<what>: out of memory" when an allocation failed. */
cg_status cg_buf_check(const cg_buf *buf, const char *what, cg_error *err);

#endif
