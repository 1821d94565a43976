/* SPDX-License-Identifier: MIT */
/* Output files: lists, names and reads every frame of the input. */

#include "io/reader.h"
#include "io/record.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* Reaches the end of frames in a corpus of small files, without the time of a zip bomb. */
    enum { MAX_READ = 1 << 20, MAX_FRAMES = 64 };
    cg_error err = CG_ERROR_INIT;
    cg_reader *r = NULL;
    cg_buf text = { 0 };
    uint64_t end = 0;

    if (cg_reader_open_memory("fuzz", data, size, &r, &err) != CG_OK) {
        require_refusal(err.code, &err);
        return 0;
    }
    for (size_t i = 0; i < cg_reader_count(r) && i < MAX_FRAMES; i++) {
        const cg_container_frame *f = cg_reader_frame(r, i);

        require(f->offset >= end && f->size <= size && f->offset <= size - f->size);
        end = f->offset + f->size;
        cg_buf_clear(&text);
        if (cg_reader_read(r, i, MAX_READ, &text, &err) == CG_OK) {
            require(text.len <= MAX_READ);
            if (text.len)
                require(cg_record_count(cg_record_detect(text.data, text.len), text.data,
                                        text.len) >= 0);
        }
        if (f->content_size < MAX_READ) {
            cg_buf_clear(&text);
            require(cg_reader_read(r, i, 0, &text, &err) != CG_OK || text.len == f->content_size);
        }
        cg_buf_clear(&text);
        cg_reader_name(r, i, &text, &err);
    }
    cg_buf_finish(&text);
    cg_reader_close(r);
    return 0;
}
