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
    cg_container *container; /* NULL: complete already */
    cg_manifest *manifest;   /* NULL: no regular file */
    int has_failed;
    cg_append_file failed;
    int64_t last_index;
    int closed; /* finished, or a write failed */
    struct timespec synced;
    cg_error note;              /* for cg_output_state */
    cg_fingerprint_item *items; /* [n_items] the caller's and our own; texts borrowed */
    size_t n_items;
    const char *failed_path; /* borrowed while opening */
};

/* ---- opening ---------------------------------------------------------------------------- */

static int64_t file_size(const char *path)
{
    struct stat sb;

    return stat(path, &sb) ? -1 : (int64_t)sb.st_size;
}

/* Something is at `path` that is neither a regular file nor a directory. */
static int is_stream(const char *path)
{
    struct stat sb;

    return !strcmp(path, "-") ||
           (stat(path, &sb) == 0 && !S_ISREG(sb.st_mode) && !S_ISDIR(sb.st_mode));
}

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

/* Open the file of failures with its first `keep` bytes; 0: a new one with its header line. */
static cg_status open_failed(cg_output *o, const char *path, uint64_t keep, cg_error *err)
{
    cg_status st;

    if (!path)
        return CG_OK;
    st = cg_append_file_open(&o->failed, path, !keep, err);
    o->has_failed = 1;
    if (st != CG_OK)
        return st;
    if (!keep)
        return cg_append_file_write(&o->failed, cg_failure_header(), strlen(cg_failure_header()),
                                    err);
    return cg_append_file_truncate(&o->failed, keep, err);
}

static cg_status start(cg_output *o, cg_error *err)
{
    cg_status st;

    /* The output is emptied first: an empty one beside any manifest is safe to meet (resume). */
    if ((st = cg_container_create(o->path, o->format, &o->container, err)) != CG_OK)
        return st;
    if (o->manifest && (st = cg_manifest_start(o->manifest, o->items, o->n_items, err)) != CG_OK)
        return st;
    return open_failed(o, o->failed_path, 0, err);
}

/* Number of the manifest's molecules that stand whole in the files. */
static cg_status count_whole(const cg_output *o, size_t *ret_n, cg_error *err)
{
    int64_t size = file_size(o->path);
    int64_t failed_size = o->failed_path ? file_size(o->failed_path) : 0;
    int fd = open(o->path, O_RDONLY | O_CLOEXEC);
    size_t n = cg_manifest_count(o->manifest);
    cg_status st = CG_OK;
    cg_buf frame = { 0 };
    size_t i;

    if (fd < 0 && errno != ENOENT)
        return cg_fail(err, CG_ERR_IO, "'%s': cannot open: %s", o->path, strerror(errno));
    for (i = 0; fd >= 0 && i < n; i++) {
        const cg_manifest_line *l = cg_manifest_get(o->manifest, i);
        uint64_t have = 0;

        if (failed_size < 0 || l->failed_end > (uint64_t)failed_size || (int64_t)l->end > size)
            break;
        if (!l->size)
            continue;
        cg_buf_clear(&frame);
        if (cg_buf_reserve(&frame, l->size)) {
            st = cg_buf_check(&frame, o->path, err);
            break;
        }
        while (have < l->size) {
            ssize_t k =
                pread(fd, frame.data + have, l->size - have, (off_t)(l->end - l->size + have));

            if (k < 0 && errno == EINTR)
                continue;
            if (k <= 0)
                break;
            have += (uint64_t)k;
        }
        if (have < l->size || XXH3_64bits(frame.data, l->size) != l->hash)
            break;
    }
    if (fd >= 0)
        close(fd);
    cg_buf_finish(&frame);
    *ret_n = i;
    return st;
}

/* The output ends behind its frames as a finished one does. */
static cg_status ends_right(const cg_output *o, const cg_container_frame *frames, size_t n_frames,
                            int *ret_right, cg_error *err)
{
    uint64_t end, failed_end,
        from = n_frames ? frames[n_frames - 1].offset + frames[n_frames - 1].size : 0;
    cg_buf tail = { 0 }, found = { 0 };
    cg_status st;
    int fd = -1;

    *ret_right = 0;
    if (!cg_manifest_is_complete(o->manifest, &end, &failed_end))
        return CG_OK;
    st = cg_container_trailer(o->format, frames, n_frames, &tail, err);
    if (st != CG_OK || end != from + tail.len || file_size(o->path) != (int64_t)end ||
        (o->failed_path && file_size(o->failed_path) != (int64_t)failed_end))
        goto out;
    if (cg_buf_reserve(&found, tail.len)) {
        st = cg_buf_check(&found, o->path, err);
        goto out;
    }
    fd = open(o->path, O_RDONLY | O_CLOEXEC);
    *ret_right = fd >= 0 && pread(fd, found.data, tail.len, (off_t)from) == (ssize_t)tail.len &&
                 (!tail.len || !memcmp(found.data, tail.data, tail.len));
out:
    if (fd >= 0)
        close(fd);
    cg_buf_finish(&tail);
    cg_buf_finish(&found);
    return st;
}

static cg_status refuse_without_manifest(const char *path, cg_error *err)
{
    return cg_fail(err, CG_ERR_MISMATCH,
                   "'%s' exists without a readable manifest beside it, so it cannot be resumed; "
                   "start again with --overwrite",
                   path);
}

static cg_status resume(cg_output *o, cg_output_state *state, cg_error *err)
{
    size_t n = 0, n_all = cg_manifest_count(o->manifest), n_frames = 0;
    const cg_manifest_line *last;
    cg_container_frame *frames = NULL;
    int right = 0;
    cg_status st;

    if (!cg_manifest_has_header(o->manifest)) {
        return file_size(o->path) > 0 ? refuse_without_manifest(o->path, err) : start(o, err);
    }
    if ((st = cg_manifest_check(o->manifest, o->items, o->n_items, err)) != CG_OK)
        return st;
    if ((st = count_whole(o, &n, err)) != CG_OK)
        return st;
    if (!(frames = cg_alloc_array(n, sizeof *frames)))
        return cg_fail_nomem(err, o->path);
    for (size_t i = 0; i < n; i++) {
        const cg_manifest_line *l = cg_manifest_get(o->manifest, i);

        if (l->size)
            frames[n_frames++] = (cg_container_frame) { l->end - l->size, l->size, l->plain };
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
                "'%s': of %zu molecules in the manifest only the first %zu are whole in the file; "
                "the others are made again",
                o->path, n_all, n);
    else if ((st = ends_right(o, frames, n_frames, &right, err)) != CG_OK)
        goto out;
    if (right) {
        state->kind = CG_OUTPUT_COMPLETE;
        goto out;
    }
    /* The manifest is cut last: until then it tells of molecules that the next resume will miss. */
    st = cg_container_reopen(o->path, o->format, frames, n_frames, &o->container, err);
    if (st == CG_OK)
        st = open_failed(o, o->failed_path, last ? last->failed_end : 0, err);
    if (st == CG_OK)
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
                   "'%s' exists: --resume goes on with an unfinished run, --overwrite starts again",
                   path);
}

cg_status cg_output_open(const char *path, const cg_output_options *opt, cg_output **ret,
                         cg_output_state *state, cg_error *err)
{
    cg_output *o = NULL;
    cg_buf manifest_path = { 0 };
    cg_status st;

    memset(state, 0, sizeof *state);
    state->note = "";
    if (opt->resume && opt->overwrite)
        return cg_fail(err, CG_ERR_USAGE,
                       "--resume and --overwrite exclude each other: go on, or start again");
    if (opt->resume && is_stream(path))
        return cg_fail(err, CG_ERR_USAGE, "--resume needs a file, '%s' is none", path);
    if (opt->failed_path && !strcmp(opt->failed_path, path))
        return cg_fail(err, CG_ERR_USAGE, "output and file of failures are both '%s'", path);
    if (!opt->resume && !opt->overwrite) {
        if ((st = refuse_existing(path, err)) != CG_OK)
            return st;
        if (opt->failed_path && (st = refuse_existing(opt->failed_path, err)) != CG_OK)
            return st;
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
    if ((st = make_items(o, opt, err)) != CG_OK)
        goto out;
    if (!is_stream(path)) {
        cg_buf_printf(&manifest_path, "%s.manifest", path);
        if ((st = cg_buf_check(&manifest_path, path, err)) != CG_OK)
            goto out;
        /* Before the manifest is created: a refusal leaves nothing behind. */
        if (opt->resume && file_size(path) > 0 && file_size(manifest_path.data) < 0) {
            st = refuse_without_manifest(path, err);
            goto out;
        }
        st = cg_manifest_open(cg_buf_text(&manifest_path), &o->manifest, err);
        if (st != CG_OK)
            goto out;
    }
    st = opt->resume ? resume(o, state, err) : start(o, err);
    if (st != CG_OK)
        goto out;
    o->failed_path = NULL;
    state->note = o->note.msg;
    *ret = o;
    o = NULL;
out:
    cg_buf_finish(&manifest_path);
    cg_output_close(o);
    return st;
}

/* ---- writing ---------------------------------------------------------------------------- */

static cg_status sync_all(cg_output *o, cg_error *err)
{
    cg_status st = cg_container_sync(o->container, err);

    if (st == CG_OK && o->has_failed)
        st = cg_append_file_sync(&o->failed, err);
    if (st == CG_OK && o->manifest)
        st = cg_manifest_sync(o->manifest, err);
    return st;
}

static cg_status sync_sometimes(cg_output *o, cg_error *err)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec - o->synced.tv_sec < SYNC_SECONDS)
        return CG_OK;
    o->synced = now;
    return sync_all(o, err);
}

/* Take a molecule back of which not everything could be written. */
static void take_back(cg_output *o, int frame, uint64_t failed_end)
{
    if (frame)
        cg_container_drop_last(o->container, NULL);
    if (o->has_failed)
        cg_append_file_truncate(&o->failed, failed_end, NULL);
}

cg_status cg_output_put_frame(cg_output *o, const cg_output_molecule *m, uint64_t plain,
                              cg_error *err)
{
    uint64_t failed_end = o->failed.size;
    cg_manifest_line line;
    cg_status st;

    if (o->closed || !o->container || m->index <= o->last_index)
        return cg_fail(err, CG_ERR_INTERNAL,
                       "'%s': molecule %lld after molecule %lld, or after the end", o->path,
                       (long long)m->index, (long long)o->last_index);
    o->closed = 1; /* until all went well */
    st = cg_container_append_frame(o->container, m->bytes, m->len, plain, err);
    if (st != CG_OK)
        return st;
    if (o->has_failed && m->failed_len) {
        st = cg_append_file_write(&o->failed, m->failed_text, m->failed_len, err);
        if (st != CG_OK) {
            take_back(o, m->len > 0, failed_end);
            return st;
        }
    }
    line = (cg_manifest_line) { .index = m->index,
                                .end = cg_container_size(o->container),
                                .size = m->len,
                                .plain = plain,
                                .hash = m->len ? XXH3_64bits(m->bytes, m->len) : 0,
                                .n_records = m->n_records,
                                .n_failed = m->n_failed,
                                .failed_end = o->failed.size };
    if (o->manifest && (st = cg_manifest_append(o->manifest, &line, err)) != CG_OK) {
        take_back(o, m->len > 0, failed_end);
        return st;
    }
    o->last_index = m->index;
    if ((st = sync_sometimes(o, err)) != CG_OK)
        return st;
    o->closed = 0;
    return CG_OK;
}

cg_status cg_output_put(cg_output *o, const cg_output_molecule *m, cg_error *err)
{
    cg_output_molecule framed = *m;
    cg_buf frame = { 0 };
    cg_status st = CG_OK;

    if (m->len)
        st = cg_frame_compress(o->format, CG_CONTAINER_LEVEL, m->bytes, m->len, &frame, err);
    framed.bytes = frame.data;
    framed.len = frame.len;
    if (st == CG_OK)
        st = cg_output_put_frame(o, &framed, m->len, err);
    cg_buf_finish(&frame);
    return st;
}

cg_status cg_output_finish(cg_output *o, cg_error *err)
{
    cg_status st;

    if (!o->container && !o->closed)
        return CG_OK; /* it was complete when it was opened */
    if (o->closed)
        return cg_fail(err, CG_ERR_INTERNAL, "'%s': finished twice, or after a failed write",
                       o->path);
    o->closed = 1;
    if ((st = cg_container_finish(o->container, err)) != CG_OK)
        return st;
    if (o->has_failed && (st = cg_append_file_sync(&o->failed, err)) != CG_OK)
        return st;
    if (!o->manifest)
        return CG_OK;
    st = cg_manifest_complete(o->manifest, cg_container_size(o->container), o->failed.size, err);
    return st == CG_OK ? cg_manifest_sync(o->manifest, err) : st;
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
