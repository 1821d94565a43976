/* SPDX-License-Identifier: MIT */
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/error.h"
#include "base/size.h"
#include "io/append_file.h"
#include "io/record.h"

enum { SYNC_SECONDS = 30 };

struct cg_output {
    char *path;
    cg_container_format format;
    cg_container *container; /* NULL: already complete */
    cg_manifest *manifest;   /* NULL: not a regular file */
    int has_failed;          /* `failed` is open */
    cg_append_file failed;
    int64_t last_index;
    int closed; /* finished, or a write failed */
    struct timespec synced;
    cg_error note;              /* for cg_output_state */
    cg_fingerprint_item *items; /* [n_items] of the caller and our own; texts borrowed */
    size_t n_items;
    const char *failed_path; /* borrowed during cg_output_open() */
};

/* ---- opening ---------------------------------------------------------------------------- */

/* -1 if there is no such file. */
static int64_t file_size(const char *path)
{
    struct stat sb;

    return stat(path, &sb) ? -1 : (int64_t)sb.st_size;
}

/* Standard output, or an existing path that is neither a regular file nor a directory. */
static int is_stream(const char *path)
{
    struct stat sb;

    return !strcmp(path, "-") ||
           (stat(path, &sb) == 0 && !S_ISREG(sb.st_mode) && !S_ISDIR(sb.st_mode));
}

/* Copies the caller's fingerprint and adds the items that this file defines. */
static cg_status make_items(cg_output *o, const cg_output_options *opt, cg_error *err)
{
    o->items = cg_alloc_array(opt->n_fingerprint + 2, sizeof *o->items);
    if (!o->items)
        return cg_fail_nomem(err, o->path);
    if (opt->n_fingerprint)
        memcpy(o->items, opt->fingerprint, opt->n_fingerprint * sizeof *o->items);
    o->n_items = opt->n_fingerprint;
    o->items[o->n_items++] =
        (cg_fingerprint_item) { "container", cg_container_format_name(opt->format) };
    o->items[o->n_items++] =
        (cg_fingerprint_item) { "file of failures",
                                opt->failed_path ? opt->failed_path : "(none)" };
    return CG_OK;
}

/* Opens the failure file and keeps its first `keep` bytes; 0: empties it and writes the header. */
static cg_status open_failed(cg_output *o, const char *path, uint64_t keep, cg_error *err)
{
    if (!path)
        return CG_OK;
    o->has_failed = 1;
    CG_TRY(cg_append_file_open(&o->failed, path, !keep, err));
    if (!keep)
        return cg_append_file_write(&o->failed, cg_failure_header(), strlen(cg_failure_header()),
                                    err);
    return cg_append_file_truncate(&o->failed, keep, err);
}

static cg_status start(cg_output *o, cg_error *err)
{
    /* The output is emptied first: resume handles an empty output next to any manifest. */
    CG_TRY(cg_container_create(o->path, o->format, &o->container, err));
    if (o->manifest)
        CG_TRY(cg_manifest_start(o->manifest, o->items, o->n_items, err));
    return open_failed(o, o->failed_path, 0, err);
}

/* Reads the frame of a molecule and compares its hash; `frame` is scratch. */
static cg_status check_frame(const cg_output *o, int fd, const cg_manifest_line *l, cg_buf *frame,
                             int *ret_intact, cg_error *err)
{
    uint64_t have = 0;

    *ret_intact = 1;
    if (!l->size)
        return CG_OK;
    cg_buf_clear(frame);
    if (cg_buf_reserve(frame, l->size))
        return cg_buf_check(frame, o->path, err);
    while (have < l->size) {
        ssize_t k = pread(fd, frame->data + have, l->size - have, (off_t)(l->end - l->size + have));

        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            break;
        have += (uint64_t)k;
    }
    *ret_intact = have == l->size && XXH3_64bits(frame->data, l->size) == l->hash;
    return CG_OK;
}

/* Number of leading molecules of the manifest that are intact in the files. */
static cg_status count_intact(const cg_output *o, size_t *ret_n, cg_error *err)
{
    int64_t size = file_size(o->path);
    int64_t failed_size = o->failed_path ? file_size(o->failed_path) : 0;
    int fd = open(o->path, O_RDONLY | O_CLOEXEC);
    cg_buf frame = { 0 };
    cg_status st = CG_OK;
    size_t n = 0;

    if (fd < 0 && errno != ENOENT)
        return cg_fail(err, CG_ERR_IO, "'%s': cannot open: %s", o->path, strerror(errno));
    for (; fd >= 0 && n < cg_manifest_count(o->manifest); n++) {
        const cg_manifest_line *l = cg_manifest_get(o->manifest, n);
        int intact;

        if (failed_size < 0 || l->failed_end > (uint64_t)failed_size || (int64_t)l->end > size)
            break;
        CG_TRY_GOTO(st, check_frame(o, fd, l, &frame, &intact, err), out);
        if (!intact)
            break;
    }
    *ret_n = n;
out:
    if (fd >= 0)
        close(fd);
    cg_buf_finish(&frame);
    return st;
}

/* *ret_finished: the manifest is complete and the output ends in the trailer of these frames. */
static cg_status is_finished(const cg_output *o, const cg_container_frame *frames, size_t n_frames,
                             int *ret_finished, cg_error *err)
{
    uint64_t end, failed_end,
        from = n_frames ? frames[n_frames - 1].offset + frames[n_frames - 1].size : 0;
    cg_buf trailer = { 0 }, found = { 0 };
    cg_status st;
    int fd = -1;

    *ret_finished = 0;
    if (!cg_manifest_is_complete(o->manifest, &end, &failed_end))
        return CG_OK;
    CG_TRY_GOTO(st, cg_container_trailer(o->format, frames, n_frames, &trailer, err), out);
    if (end != from + trailer.len || file_size(o->path) != (int64_t)end ||
        (o->failed_path && file_size(o->failed_path) != (int64_t)failed_end))
        goto out;
    if (cg_buf_reserve(&found, trailer.len)) {
        st = cg_buf_check(&found, o->path, err);
        goto out;
    }
    fd = open(o->path, O_RDONLY | O_CLOEXEC);
    *ret_finished = fd >= 0 &&
                    pread(fd, found.data, trailer.len, (off_t)from) == (ssize_t)trailer.len &&
                    (!trailer.len || !memcmp(found.data, trailer.data, trailer.len));
out:
    if (fd >= 0)
        close(fd);
    cg_buf_finish(&trailer);
    cg_buf_finish(&found);
    return st;
}

static cg_status refuse_without_manifest(const char *path, cg_error *err)
{
    return cg_fail(
        err, CG_ERR_MISMATCH,
        "'%s' exists without a readable manifest and cannot be resumed; start again with "
        "--overwrite",
        path);
}

/* Opens an existing output for appending, truncated after its last intact molecule. A complete
 * output is left as it is. Without a manifest header the output is started if it is empty, else
 * refused. */
static cg_status resume(cg_output *o, cg_output_state *state, cg_error *err)
{
    size_t n = 0, n_all = cg_manifest_count(o->manifest), n_frames = 0;
    const cg_manifest_line *last;
    cg_container_frame *frames = NULL;
    int finished = 0;
    cg_status st = CG_OK;

    if (!cg_manifest_has_header(o->manifest))
        return file_size(o->path) > 0 ? refuse_without_manifest(o->path, err) : start(o, err);
    CG_TRY(cg_manifest_check(o->manifest, o->items, o->n_items, err));
    CG_TRY(count_intact(o, &n, err));
    if (!(frames = cg_alloc_array(n, sizeof *frames)))
        return cg_fail_nomem(err, o->path);
    for (size_t i = 0; i < n; i++) {
        const cg_manifest_line *l = cg_manifest_get(o->manifest, i);

        if (l->size)
            frames[n_frames++] =
                (cg_container_frame) { l->end - l->size, l->size, l->content_size };
        state->n_records += l->n_records;
        state->n_failed += l->n_failed;
        state->n_molecules_failed += l->n_failed > 0 || !l->n_records;
    }
    state->n_molecules = (int64_t)n;
    last = n ? cg_manifest_get(o->manifest, n - 1) : NULL;
    state->next_index = last ? last->index + 1 : 0;
    o->last_index = last ? last->index : -1;
    state->kind = n ? CG_OUTPUT_RESUMED : CG_OUTPUT_FRESH;
    if (n < n_all)
        cg_fail(&o->note, CG_ERR_FORMAT,
                "'%s': of %zu molecules in the manifest only the first %zu are intact in the file; "
                "the others are generated again",
                o->path, n_all, n);
    else
        CG_TRY_GOTO(st, is_finished(o, frames, n_frames, &finished, err), out);
    if (finished) {
        state->kind = CG_OUTPUT_COMPLETE;
        goto out;
    }
    /* The manifest is truncated last: if interrupted, the next resume finds molecules missing. */
    CG_TRY_GOTO(st, cg_container_reopen(o->path, o->format, frames, n_frames, &o->container, err),
                out);
    CG_TRY_GOTO(st, open_failed(o, o->failed_path, last ? last->failed_end : 0, err), out);
    st = cg_manifest_truncate(o->manifest, n, err);
out:
    free(frames);
    return st;
}

static cg_status refuse_existing(const char *path, cg_error *err)
{
    if (is_stream(path) || file_size(path) < 0)
        return CG_OK;
    return cg_fail(err, CG_ERR_USAGE,
                   "'%s' exists: --resume continues an unfinished run, --overwrite starts again",
                   path);
}

cg_status cg_output_open(const char *path, const cg_output_options *opt, cg_output **ret_output,
                         cg_output_state *state, cg_error *err)
{
    cg_output *o = NULL;
    cg_buf manifest_path = { 0 };
    cg_status st;

    memset(state, 0, sizeof *state);
    state->note = "";
    if (opt->resume && opt->overwrite)
        return cg_fail(err, CG_ERR_USAGE,
                       "--resume and --overwrite exclude each other: continue, or start again");
    if (opt->resume && is_stream(path))
        return cg_fail(err, CG_ERR_USAGE, "--resume requires a regular file, '%s' is none", path);
    if (opt->failed_path && !strcmp(opt->failed_path, path))
        return cg_fail(err, CG_ERR_USAGE, "output and failure file are both '%s'", path);
    if (!opt->resume && !opt->overwrite) {
        CG_TRY(refuse_existing(path, err));
        if (opt->failed_path)
            CG_TRY(refuse_existing(opt->failed_path, err));
    }
    if (!(o = calloc(1, sizeof *o)) || !(o->path = strdup(path))) {
        st = cg_fail_nomem(err, path);
        goto out;
    }
    o->format = opt->format;
    o->failed_path = opt->failed_path;
    o->last_index = -1;
    o->note = (cg_error)CG_ERROR_INIT;
    clock_gettime(CLOCK_MONOTONIC, &o->synced);
    CG_TRY_GOTO(st, make_items(o, opt, err), out);
    if (!is_stream(path)) {
        cg_buf_printf(&manifest_path, "%s.manifest", path);
        CG_TRY_GOTO(st, cg_buf_check(&manifest_path, path, err), out);
        /* Before the manifest is created: a refusal leaves no file. */
        if (opt->resume && file_size(path) > 0 && file_size(manifest_path.data) < 0) {
            st = refuse_without_manifest(path, err);
            goto out;
        }
        CG_TRY_GOTO(st, cg_manifest_open(cg_buf_text(&manifest_path), &o->manifest, err), out);
    }
    CG_TRY_GOTO(st, opt->resume ? resume(o, state, err) : start(o, err), out);
    o->failed_path = NULL;
    state->note = o->note.msg;
    *ret_output = o;
    o = NULL;
out:
    cg_buf_finish(&manifest_path);
    cg_output_close(o);
    return st;
}

/* ---- writing ---------------------------------------------------------------------------- */

static cg_status sync_all(cg_output *o, cg_error *err)
{
    CG_TRY(cg_container_sync(o->container, err));
    if (o->has_failed)
        CG_TRY(cg_append_file_sync(&o->failed, err));
    return o->manifest ? cg_manifest_sync(o->manifest, err) : CG_OK;
}

/* Syncs if the last sync is SYNC_SECONDS ago. */
static cg_status sync_periodically(cg_output *o, cg_error *err)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec - o->synced.tv_sec < SYNC_SECONDS)
        return CG_OK;
    o->synced = now;
    return sync_all(o, err);
}

/* Undoes a molecule that could not be written completely. */
static void undo_molecule(cg_output *o, int has_frame, uint64_t failed_end)
{
    if (has_frame)
        cg_container_drop_last(o->container, NULL);
    if (o->has_failed)
        cg_append_file_truncate(&o->failed, failed_end, NULL);
}

/* Writes the failures and the manifest line of a molecule whose frame is written. */
static cg_status write_bookkeeping(cg_output *o, const cg_output_molecule *m, uint64_t content_size,
                                   cg_error *err)
{
    cg_manifest_line line;

    if (o->has_failed && m->failed_len)
        CG_TRY(cg_append_file_write(&o->failed, m->failed_text, m->failed_len, err));
    line = (cg_manifest_line) { .index = m->index,
                                .end = cg_container_size(o->container),
                                .size = m->len,
                                .content_size = content_size,
                                .hash = m->len ? XXH3_64bits(m->bytes, m->len) : 0,
                                .n_records = m->n_records,
                                .n_failed = m->n_failed,
                                .failed_end = o->failed.size };
    return o->manifest ? cg_manifest_append(o->manifest, &line, err) : CG_OK;
}

cg_status cg_output_put_frame(cg_output *o, const cg_output_molecule *m, uint64_t content_size,
                              cg_error *err)
{
    uint64_t failed_end = o->failed.size;
    cg_status st;

    if (o->closed || !o->container || m->index <= o->last_index)
        return cg_fail(err, CG_ERR_INTERNAL,
                       "'%s': molecule %lld after molecule %lld, or after the end", o->path,
                       (long long)m->index, (long long)o->last_index);
    o->closed = 1; /* until all writes have succeeded */
    CG_TRY(cg_container_append_frame(o->container, m->bytes, m->len, content_size, err));
    st = write_bookkeeping(o, m, content_size, err);
    if (st != CG_OK) {
        undo_molecule(o, m->len > 0, failed_end);
        return st;
    }
    o->last_index = m->index;
    CG_TRY(sync_periodically(o, err));
    o->closed = 0;
    return CG_OK;
}

cg_status cg_output_put(cg_output *o, const cg_output_molecule *m, cg_error *err)
{
    cg_output_molecule framed = *m;
    cg_buf frame = { 0 };
    cg_status st;

    if (m->len)
        CG_TRY_GOTO(st,
                    cg_frame_compress(o->format, CG_CONTAINER_LEVEL, m->bytes, m->len, &frame, err),
                    out);
    framed.bytes = frame.data;
    framed.len = frame.len;
    st = cg_output_put_frame(o, &framed, m->len, err);
out:
    cg_buf_finish(&frame);
    return st;
}

cg_status cg_output_finish(cg_output *o, cg_error *err)
{
    if (!o->container && !o->closed)
        return CG_OK; /* already complete when opened */
    if (o->closed)
        return cg_fail(err, CG_ERR_INTERNAL, "'%s': finished twice, or after a failed write",
                       o->path);
    o->closed = 1;
    CG_TRY(cg_container_finish(o->container, err));
    if (o->has_failed)
        CG_TRY(cg_append_file_sync(&o->failed, err));
    if (!o->manifest)
        return CG_OK;
    CG_TRY(cg_manifest_complete(o->manifest, cg_container_size(o->container), o->failed.size, err));
    return cg_manifest_sync(o->manifest, err);
}

void cg_output_close(cg_output *o)
{
    if (!o)
        return;
    cg_container_close(o->container);
    cg_append_file_close(&o->failed);
    cg_manifest_close(o->manifest);
    free(o->items);
    free(o->path);
    free(o);
}
