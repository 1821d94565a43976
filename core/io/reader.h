/* SPDX-License-Identifier: MIT */
/**
 * @file reader.h  Reading an output file molecule by molecule: zst, gz, or plain text.
 *
 * The frames come from the seek table where it is there and right, else from walking through the
 * file; a gzip file is always walked (decompressed once), plain text is split at its records, the
 * records of one name that follow one another being a molecule. The file is not trusted: every size
 * is checked, and a frame is decompressed into memory that grows as data really come, up to
 * CG_FRAME_MAX_CONTENT.
 */
#ifndef CG_IO_READER_H
#define CG_IO_READER_H

#include "base/buf.h"
#include "io/container.h"

typedef struct cg_reader cg_reader;

/** CG_ERR_IO; CG_ERR_FORMAT where not one frame can be found in a file that is not empty. */
cg_status cg_reader_open(const char *path, cg_reader **ret_reader, cg_error *err);
/** The same over memory, borrowed until the reader is closed; `name` is used in errors. */
cg_status cg_reader_open_memory(const char *name, const void *bytes, size_t len,
                                cg_reader **ret_reader, cg_error *err);
void cg_reader_close(cg_reader *reader); /* accepts NULL */

cg_container_format cg_reader_format(const cg_reader *reader);
/** The frames come from a seek table. */
int cg_reader_has_table(const cg_reader *reader);
/** What was found wrong with the file while frames could still be listed, e.g. a cut-off end; or
 * "". */
const char *cg_reader_note(const cg_reader *reader);
size_t cg_reader_count(const cg_reader *reader);
/** Frame i < count; its `plain` is what the file says (or CG_FRAME_CONTENT_UNKNOWN). Borrowed. */
const cg_container_frame *cg_reader_frame(const cg_reader *reader, size_t i);

/**
 * Append the uncompressed bytes of frame i < count to `out`, at most `max` of them where max is not
 * 0. A whole read also checks sizes and checksums. CG_ERR_FORMAT, CG_ERR_LIMIT, CG_ERR_IO,
 * CG_ERR_NOMEM; then `out` may hold a part.
 */
cg_status cg_reader_read(cg_reader *reader, size_t i, size_t max, cg_buf *out, cg_error *err);
/** Append the molecule name that the first record of frame i carries. */
cg_status cg_reader_name(cg_reader *reader, size_t i, cg_buf *out, cg_error *err);
/** The first frame of that name; CG_ERR_INPUT where there is none. */
cg_status cg_reader_find(cg_reader *reader, const char *name, size_t *ret_i, cg_error *err);

#endif
