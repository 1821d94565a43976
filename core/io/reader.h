/* SPDX-License-Identifier: MIT */
/**
 * @file reader.h  Reads an output file frame by frame: zst, gz, or plain text.
 *
 * Frames are listed by the seek table if it is present and consistent, else by scanning the file. A
 * gzip file is always scanned (and decompressed once). Plain text is split into records;
 * consecutive records of one name are a frame, which ends as one that is written
 * (CG_FRAME_FULL_CONTENT). The file is not trusted: every size is checked,
 * and memory for a frame grows only with the bytes decompressed, up to CG_FRAME_MAX_CONTENT.
 */
#ifndef CG_IO_READER_H
#define CG_IO_READER_H

#include "base/buf.h"
#include "io/container.h"

typedef struct cg_reader cg_reader;

/** CG_ERR_IO; CG_ERR_FORMAT if no frame can be found in a file that is not empty; CG_ERR_NOMEM. */
cg_status cg_reader_open(const char *path, cg_reader **ret_reader, cg_error *err);
/** As cg_reader_open() for memory, borrowed until the reader is closed; `name` is for messages. */
cg_status cg_reader_open_memory(const char *name, const void *bytes, size_t len,
                                cg_reader **ret_reader, cg_error *err);
void cg_reader_close(cg_reader *reader); /* accepts NULL */

cg_container_format cg_reader_format(const cg_reader *reader);
/** 1 if the frames were listed by a seek table. */
int cg_reader_has_table(const cg_reader *reader);
/** A defect of the file that did not prevent listing frames, e.g. a truncated end; or "". */
const char *cg_reader_note(const cg_reader *reader);
size_t cg_reader_count(const cg_reader *reader);
/** Frame i < count; its content_size is as stored in the file. Borrowed. */
const cg_container_frame *cg_reader_frame(const cg_reader *reader, size_t i);

/**
 * Appends the uncompressed bytes of frame i < count to `out`, at most `max` of them unless max is
 * 0. A complete read also verifies sizes and checksums. CG_ERR_FORMAT, CG_ERR_LIMIT, CG_ERR_IO,
 * CG_ERR_NOMEM; then `out` may hold a part.
 */
cg_status cg_reader_read(cg_reader *reader, size_t i, size_t max, cg_buf *out, cg_error *err);
/** Appends the molecule name in the first record of frame i. */
cg_status cg_reader_name(cg_reader *reader, size_t i, cg_buf *out, cg_error *err);
/**
 * *ret_continues = 1 if frame i continues the molecule of the frame before: that is full, and has
 * the same name.
 */
cg_status cg_reader_continues(cg_reader *reader, size_t i, int *ret_continues, cg_error *err);
/** Finds the first frame with that name among those from number `from` on; CG_ERR_INPUT if there is
 * none. */
cg_status cg_reader_find(cg_reader *reader, const char *name, size_t from, size_t *ret_i,
                         cg_error *err);

#endif
