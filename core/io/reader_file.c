/* SPDX-License-Identifier: MIT */
/* The shared part of a reader below its backends: bytes of the file, list of frames. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/size.h"
#include "io/reader_internal.h"

cg_status cg_reader_read_at(const cg_reader *r, uint64_t offset, void *out, size_t n, size_t *ret_n,
                            cg_error *err)
{
    size_t done = 0;

    if (offset >= r->size)
        n = 0;
    else if (n > r->size - offset)
        n = (size_t)(r->size - offset);
    if (r->fd < 0) {
        if (n)
            memcpy(out, r->mem + offset, n);
        done = n;
    }
    while (done < n) {
        ssize_t k = pread(r->fd, (char *)out + done, n - done, (off_t)(offset + done));

        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return cg_fail(err, CG_ERR_IO, "'%s': cannot read: %s", r->name, strerror(errno));
        if (k == 0)
            break; /* the file was truncated meanwhile */
        done += (size_t)k;
    }
    *ret_n = done;
    return CG_OK;
}

cg_status cg_reader_add_frame(cg_reader *r, uint64_t offset, uint64_t size, uint64_t content_size,
                              cg_error *err)
{
    if (cg_grow((void **)&r->frames, &r->frames_cap, r->n_frames + 1, sizeof *r->frames))
        return cg_fail(err, CG_ERR_NOMEM, "'%s': out of memory for %zu frames", r->name,
                       r->n_frames);
    r->frames[r->n_frames++] = (cg_container_frame) { offset, size, content_size };
    return CG_OK;
}
