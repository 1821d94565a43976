/* SPDX-License-Identifier: MIT */
#include "output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/append_file.h"
#include "base/error.h"
#include "base/size.h"
#include "io/record.h"

enum {
    SYNC_SECONDS = 30,
    MAX_JOINED = 1000,    /* molecules without a frame in one line of the manifest */
    HASH_CHUNK = 1 << 20, /* bytes that are read at a time */
};

struct cg_output {
    char *path;
    cg_container_format format;
    cg_append_file file;     /* the output until the container takes it over */
    cg_container *container; /* NULL: already complete */
    cg_manifest *manifest;   /* NULL: not a regular file */
    int has_failed;          /* `failed` is open */
    cg_append_file failed;
    int64_t last_index;
    size_t n_frames;           /* of complete molecules */
    XXH3_state_t *frames_hash; /* of the frames behind them, which are parts of the next molecule */
    cg_manifest_line joined;   /* molecules without a frame that have no line yet, if any */
    XXH3_state_t *joined_failed; /* hash of their failures; NULL before the first */
    int closed;                  /* finished, or a write failed */
    struct timespec synced;
    cg_error note;              /* for cg_output_state */
    cg_fingerprint_item *items; /* [n_items] of the caller and our own; texts borrowed */
    size_t n_items;
};

/* ---- opening ---------------------------------------------------------------------------- */

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
        (cg_fingerprint_item) { "container", cg_container_format_name(opt->format), NULL };
    o->items[o->n_items++] =
        (cg_fingerprint_item) { "file of failures", opt->failed_path ? opt->failed_path : "(none)",
                                NULL };
    return CG_OK;
}

/* Keeps the first `keep` bytes of the failure file; 0: empties it and writes the header. */
static cg_status keep_failed(cg_output *o, uint64_t keep, cg_error *err)
{
    if (!o->has_failed)
        return CG_OK;
    CG_TRY(cg_append_file_truncate(&o->failed, keep, err));
    if (keep)
        return CG_OK;
    return cg_append_file_write(&o->failed, cg_failure_header(), strlen(cg_failure_header()), err);
}

/* The manifest comes last: resume handles an empty output and an empty list of failures next to any
 * manifest. */
static cg_status start(cg_output *o, cg_error *err)
{
    CG_TRY(cg_append_file_truncate(&o->file, 0, err));
    CG_TRY(keep_failed(o, 0, err));
    if (o->manifest)
        CG_TRY(cg_manifest_start(o->manifest, o->items, o->n_items, err));
    return cg_container_open(&o->file, o->format, NULL, 0, &o->container, err);
}

/* Reads up to n bytes at an offset; returns how many there are. */
static size_t read_at(int fd, void *bytes, size_t n, uint64_t offset)
{
    size_t have = 0;

    while (have < n) {
        ssize_t k = pread(fd, (char *)bytes + have, n - have, (off_t)(offset + have));

        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            break;
        have += (size_t)k;
    }
    return have;
}

/* The hash of a molecule's frames, and of its failures with the first as the seed. */
static uint64_t hash_molecule(const XXH3_state_t *frames, uint64_t frames_len, const char *failed,
                              size_t failed_len)
{
    uint64_t hash = frames_len ? XXH3_64bits_digest(frames) : 0;

    return failed_len ? XXH3_64bits_withSeed(failed, failed_len, hash) : hash;
}

/* Replaces *hash by that of the bytes [from, end) of a file with it as the seed; an empty range
 * leaves it. Returns 0 if the file is shorter. */
static int hash_range(int fd, uint64_t from, uint64_t end, XXH3_state_t *state, char *chunk,
                      uint64_t *hash)
{
    if (from == end)
        return 1;
    XXH3_64bits_reset_withSeed(state, *hash);
    while (from < end) {
        size_t n = end - from < HASH_CHUNK ? (size_t)(end - from) : HASH_CHUNK;

        if (read_at(fd, chunk, n, from) != n)
            return 0;
        XXH3_64bits_update(state, chunk, n);
        from += n;
    }
    *hash = XXH3_64bits_digest(state);
    return 1;
}

/* Whether the files hold a molecule, whose failures begin at `failed_start`, as it was written;
 * `chunk` is for the bytes. */
static int is_intact(const cg_output *o, const cg_manifest_line *l, uint64_t failed_start,
                     char *chunk)
{
    uint64_t failed_end = o->has_failed ? l->failed_end : failed_start, hash = 0;

    return l->end <= o->file.size && failed_start <= failed_end &&
           (!o->has_failed || failed_end <= o->failed.size) &&
           hash_range(o->file.fd, l->end - l->size, l->end, o->frames_hash, chunk, &hash) &&
           hash_range(o->failed.fd, failed_start, failed_end, o->frames_hash, chunk, &hash) &&
           hash == l->hash;
}

/*
 * *ret_n: number of leading molecules of the manifest that are intact in the files. *ret_foreign:
 * the output is not empty, and no molecule of the manifest that has a frame is intact.
 */
static cg_status count_intact(const cg_output *o, size_t *ret_n, int *ret_foreign, cg_error *err)
{
    size_t n_all = cg_manifest_count(o->manifest), n = 0;
    uint64_t failed_start = strlen(cg_failure_header());
    char *chunk = malloc(HASH_CHUNK);
    int leading = 1, n_frames = 0, n_found = 0;

    if (!chunk)
        return cg_fail_nomem(err, o->path);
    for (size_t i = 0; i < n_all && (leading || !n_found); i++) {
        const cg_manifest_line *l = cg_manifest_get(o->manifest, i);
        int intact = is_intact(o, l, failed_start, chunk);

        failed_start = l->failed_end;
        n_frames += l->size > 0;
        n_found += l->size > 0 && intact;
        leading = leading && intact;
        n += (size_t)leading;
    }
    *ret_n = n;
    *ret_foreign = o->file.size && n_frames && !n_found;
    free(chunk);
    return CG_OK;
}

/* *ret_finished: the manifest is complete and the output ends in the trailer of these frames. */
static cg_status is_finished(const cg_output *o, const cg_container_frame *frames, size_t n_frames,
                             int *ret_finished, cg_error *err)
{
    uint64_t end, failed_end,
        from = n_frames ? frames[n_frames - 1].offset + frames[n_frames - 1].size : 0;
    cg_buf trailer = { 0 }, found = { 0 };
    cg_status st;

    *ret_finished = 0;
    if (!cg_manifest_is_complete(o->manifest, &end, &failed_end))
        return CG_OK;
    CG_TRY_GOTO(st, cg_container_trailer(o->format, frames, n_frames, &trailer, err), out);
    if (end != from + trailer.len || o->file.size != end ||
        (o->has_failed && o->failed.size != failed_end))
        goto out;
    if (cg_buf_reserve(&found, trailer.len)) {
        st = cg_buf_check(&found, o->path, err);
        goto out;
    }
    *ret_finished = read_at(o->file.fd, found.data, trailer.len, from) == trailer.len &&
                    (!trailer.len || !memcmp(found.data, trailer.data, trailer.len));
out:
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

/* Refuses a failure file that holds anything but failures. */
static cg_status check_failed(const cg_output *o, cg_error *err)
{
    const char *header = cg_failure_header();
    char found[256];
    size_t n = strlen(header);

    if (!o->has_failed)
        return CG_OK;
    n = read_at(o->failed.fd, found, n < sizeof found ? n : sizeof found, 0);
    if (!memcmp(found, header, n))
        return CG_OK;
    return cg_fail(err, CG_ERR_MISMATCH,
                   "'%s' is no list of failures, wanted the --failed file of the run to resume",
                   o->failed.name);
}

/* Starts a run that was to be resumed; nothing may be lost by it. */
static cg_status resume_without_header(cg_output *o, cg_error *err)
{
    if (o->file.size)
        return refuse_without_manifest(o->path, err);
    if (o->failed.size > strlen(cg_failure_header()))
        return cg_fail(err, CG_ERR_MISMATCH,
                       "'%s' exists, and '%s' has no manifest of the run that it belongs to; start "
                       "again with --overwrite",
                       o->failed.name, o->path);
    CG_TRY(check_failed(o, err));
    return start(o, err);
}

/* Continues an existing output after its last intact molecule. A complete output is left as it is.
 * Without a manifest header the output is started if it is empty, else refused. */
static cg_status resume(cg_output *o, cg_output_state *state, cg_error *err)
{
    size_t n = 0, n_all = cg_manifest_count(o->manifest);
    const cg_container_frame *frames;
    const cg_manifest_line *last;
    int finished = 0, foreign = 0;

    if (!cg_manifest_has_header(o->manifest))
        return resume_without_header(o, err);
    CG_TRY(cg_manifest_check(o->manifest, o->items, o->n_items, err));
    CG_TRY(check_failed(o, err));
    CG_TRY(count_intact(o, &n, &foreign, err));
    if (foreign)
        return cg_fail(
            err, CG_ERR_MISMATCH,
            "'%s'%s%s%s holds none of the molecules that its manifest lists as they were "
            "written: it is another file, or damaged; start again with --overwrite",
            o->path, o->has_failed ? " with '" : "", o->has_failed ? o->failed.name : "",
            o->has_failed ? "'" : "");
    for (size_t i = 0; i < n; i++) {
        const cg_manifest_line *l = cg_manifest_get(o->manifest, i);

        state->n_records += l->n_records;
        state->n_failed += l->n_failed;
        state->n_molecules += l->n_molecules;
        state->n_molecules_failed += l->n_failed > 0 || !l->n_records ? l->n_molecules : 0;
    }
    frames = cg_manifest_frames(o->manifest, n, &o->n_frames);
    last = n ? cg_manifest_get(o->manifest, n - 1) : NULL;
    state->next_index = last ? last->index + 1 : 0;
    o->last_index = last ? last->index : -1;
    state->kind = n ? CG_OUTPUT_RESUMED : CG_OUTPUT_FRESH;
    if (n < n_all)
        cg_fail(&o->note, CG_ERR_FORMAT,
                "'%s': of %zu lines of the manifest only the molecules of the first %zu are intact "
                "in the file; the others are generated again",
                o->path, n_all, n);
    else
        CG_TRY(is_finished(o, frames, o->n_frames, &finished, err));
    if (finished) {
        state->kind = CG_OUTPUT_COMPLETE;
        return CG_OK;
    }
    /* The manifest is truncated last: if interrupted, the next resume finds molecules missing. */
    CG_TRY(cg_container_open(&o->file, o->format, frames, o->n_frames, &o->container, err));
    CG_TRY(keep_failed(o, last ? last->failed_end : 0, err));
    return cg_manifest_truncate(o->manifest, n, err);
}

static cg_status refuse_existing(const char *path, cg_error *err)
{
    struct stat sb;

    if (cg_is_stream(path) || lstat(path, &sb))
        return CG_OK;
    return cg_fail(err, CG_ERR_USAGE,
                   "'%s' exists: --resume continues an unfinished run, --overwrite starts again",
                   path);
}

/* Opens and locks all files; nothing is changed in those that exist. */
static cg_status open_files(cg_output *o, const cg_output_options *opt, cg_error *err)
{
    const char *paths[] = { o->path, NULL, opt->failed_path };
    int may_exist = opt->resume || opt->overwrite;
    cg_buf manifest_path = { 0 };
    cg_status st;

    if (!cg_is_stream(o->path)) {
        cg_buf_printf(&manifest_path, "%s.manifest", o->path);
        CG_TRY_GOTO(st, cg_buf_check(&manifest_path, o->path, err), out);
        paths[1] = cg_buf_text(&manifest_path);
    }
    for (int i = 0; i < 3; i++)
        if (paths[i] && !may_exist)
            CG_TRY_GOTO(st, refuse_existing(paths[i], err), out);
    CG_TRY_GOTO(st, cg_append_file_open(&o->file, o->path, may_exist, err), out);
    if (o->file.regular && paths[1])
        CG_TRY_GOTO(st, cg_manifest_open(paths[1], may_exist, &o->manifest, err), out);
    o->has_failed = opt->failed_path != NULL;
    if (o->has_failed)
        st = cg_append_file_open(&o->failed, opt->failed_path, may_exist, err);
out:
    cg_buf_finish(&manifest_path);
    return st;
}

/* Closes a refused output; files that it created are removed. */
static void discard(cg_output *o)
{
    cg_append_file_discard(&o->file);
    cg_append_file_discard(&o->failed);
    cg_manifest_discard(o->manifest);
    o->manifest = NULL;
    cg_output_close(o);
}

cg_status cg_output_open(const char *path, const cg_output_options *opt, cg_output **ret_output,
                         cg_output_state *state, cg_error *err)
{
    cg_output *o = NULL;
    cg_status st;

    memset(state, 0, sizeof *state);
    state->note = "";
    if (opt->resume && opt->overwrite)
        return cg_fail(err, CG_ERR_USAGE,
                       "--resume and --overwrite exclude each other: continue, or start again");
    if (opt->resume && cg_is_stream(path))
        return cg_fail(err, CG_ERR_USAGE, "--resume requires a regular file, '%s' is none", path);
    if (!(o = calloc(1, sizeof *o)) || !(o->path = strdup(path)) ||
        !(o->frames_hash = XXH3_createState())) {
        st = cg_fail_nomem(err, path);
        goto out;
    }
    o->format = opt->format;
    o->last_index = -1;
    o->note = (cg_error)CG_ERROR_INIT;
    clock_gettime(CLOCK_MONOTONIC, &o->synced);
    CG_TRY_GOTO(st, make_items(o, opt, err), out);
    CG_TRY_GOTO(st, open_files(o, opt, err), out);
    CG_TRY_GOTO(st, opt->resume ? resume(o, state, err) : start(o, err), out);
    XXH3_64bits_reset(o->frames_hash);
    state->note = o->note.msg;
    *ret_output = o;
    o = NULL;
out:
    if (o)
        discard(o);
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
static void undo_molecule(cg_output *o, uint64_t failed_end)
{
    cg_container_keep(o->container, o->n_frames, NULL);
    if (o->has_failed)
        cg_append_file_truncate(&o->failed, failed_end, NULL);
}

static cg_status write_joined(cg_output *o, cg_error *err)
{
    if (o->manifest && o->joined.n_molecules)
        CG_TRY(cg_manifest_append(o->manifest, &o->joined, NULL, err));
    o->joined = (cg_manifest_line) { 0 };
    return CG_OK;
}

/*
 * Joins molecules without a frame, so a list of bad lines does not become a manifest of its size.
 * Where a line ends depends on the molecules only: a resumed run writes the same manifest. If the
 * run is killed before, a resumed one processes them again.
 */
static cg_status join(cg_output *o, const cg_manifest_line *line, const cg_output_molecule *m,
                      cg_error *err)
{
    int64_t n_molecules = o->joined.n_molecules + 1, n_failed = o->joined.n_failed + line->n_failed;
    uint64_t hash = o->joined.hash;

    if (o->has_failed && m->failed_len) { /* equals hash_molecule() of all their failures */
        if (!o->joined_failed && !(o->joined_failed = XXH3_createState()))
            return cg_fail_nomem(err, o->path);
        if (!hash)
            XXH3_64bits_reset(o->joined_failed);
        XXH3_64bits_update(o->joined_failed, m->failed_text, m->failed_len);
        hash = XXH3_64bits_digest(o->joined_failed);
    }
    o->joined = *line;
    o->joined.n_molecules = n_molecules;
    o->joined.n_failed = n_failed;
    o->joined.hash = hash;
    return n_molecules == MAX_JOINED || n_failed > INT32_MAX ? write_joined(o, err) : CG_OK;
}

/* Writes the failures and the manifest line of a molecule whose frames are written. */
static cg_status write_bookkeeping(cg_output *o, const cg_output_molecule *m, cg_error *err)
{
    cg_manifest_line line = { .index = m->index,
                              .end = cg_container_size(o->container),
                              .n_records = m->n_records,
                              .n_failed = m->n_failed,
                              .n_molecules = 1 };
    const cg_container_frame *frames = cg_container_frames(o->container, &line.n_frames);

    frames = line.n_frames ? frames + o->n_frames : NULL;
    line.n_frames -= o->n_frames;
    for (size_t i = 0; i < line.n_frames; i++) {
        line.size += frames[i].size;
        line.content_size += frames[i].content_size;
    }
    if (o->has_failed && m->failed_len)
        CG_TRY(cg_append_file_write(&o->failed, m->failed_text, m->failed_len, err));
    line.failed_end = o->failed.size;
    line.hash =
        hash_molecule(o->frames_hash, line.size, m->failed_text, o->has_failed ? m->failed_len : 0);
    if (!line.n_frames)
        return join(o, &line, m, err);
    CG_TRY(write_joined(o, err));
    return o->manifest ? cg_manifest_append(o->manifest, &line, frames, err) : CG_OK;
}

/* Writes a frame of the next molecule. */
static cg_status write_frame(cg_output *o, const void *frame, size_t len, uint64_t content_size,
                             cg_error *err)
{
    CG_TRY(cg_container_append_frame(o->container, frame, len, content_size, err));
    if (len)
        XXH3_64bits_update(o->frames_hash, frame, len);
    return CG_OK;
}

static cg_status write_molecule(cg_output *o, const cg_output_molecule *m, uint64_t content_size,
                                cg_error *err)
{
    CG_TRY(write_frame(o, m->bytes, m->len, content_size, err));
    return write_bookkeeping(o, m, err);
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
    st = write_molecule(o, m, content_size, err);
    if (st != CG_OK) {
        undo_molecule(o, failed_end);
        return st;
    }
    o->last_index = m->index;
    cg_container_frames(o->container, &o->n_frames);
    XXH3_64bits_reset(o->frames_hash);
    CG_TRY(sync_periodically(o, err));
    o->closed = 0;
    return CG_OK;
}

cg_status cg_output_put_part(cg_output *o, const void *frame, size_t len, uint64_t content_size,
                             cg_error *err)
{
    cg_status st;

    if (o->closed || !o->container)
        return cg_fail(err, CG_ERR_INTERNAL, "'%s': part of a molecule after the end", o->path);
    st = write_frame(o, frame, len, content_size, err);
    if (st != CG_OK) {
        o->closed = 1;
        undo_molecule(o, o->failed.size);
    }
    return st;
}

cg_status cg_output_drop_parts(cg_output *o, cg_error *err)
{
    size_t n;

    cg_container_frames(o->container, &n);
    if (n == o->n_frames)
        return CG_OK;
    o->closed = 1; /* until the parts are removed */
    if (!o->manifest)
        return cg_fail(err, CG_ERR_IO,
                       "'%s': a molecule failed after some of its records were written, which "
                       "cannot be removed from a stream: write to a file",
                       o->path);
    CG_TRY(cg_container_keep(o->container, o->n_frames, err));
    XXH3_64bits_reset(o->frames_hash);
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
    CG_TRY(write_joined(o, err));
    CG_TRY(cg_manifest_complete(o->manifest, cg_container_size(o->container), o->failed.size, err));
    return cg_manifest_sync(o->manifest, err);
}

void cg_output_close(cg_output *o)
{
    if (!o)
        return;
    cg_append_file_close(&o->file);
    cg_container_close(o->container);
    cg_append_file_close(&o->failed);
    cg_manifest_close(o->manifest);
    XXH3_freeState(o->joined_failed);
    XXH3_freeState(o->frames_hash);
    free(o->items);
    free(o->path);
    free(o);
}
