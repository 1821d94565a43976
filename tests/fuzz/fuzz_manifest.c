/* SPDX-License-Identifier: MIT */
/*
 * Manifests, as --resume reads them. The first byte selects: the rest is the file; or each of its
 * lines lacks its checksum and final brace, which are added, so that the fields are reached.
 *
 * Lines that are accepted are consistent; truncated, continued and completed, the manifest reads
 * back as it was written.
 */
#include <inttypes.h>
#include <xxhash.h>

#include "base/buf.h"
#include "io/manifest.h"

#include "fuzz.h"

static const cg_fingerprint_item items[] = { { "input", "list.smi", NULL }, { "seed", "7", NULL } };

enum { N_ITEMS = sizeof items / sizeof items[0] };

/* Appends the checksum to each line of text[size]. */
static void seal(const char *text, size_t size, cg_buf *out)
{
    for (size_t at = 0; at < size;) {
        const char *line = text + at, *lf = memchr(line, '\n', size - at);
        size_t len = lf ? (size_t)(lf - line) : size - at;

        cg_buf_put(out, line, len);
        cg_buf_printf(out, ",\"sum\":\"%016" PRIx64 "\"}\n", XXH3_64bits(line, len));
        at += len + 1;
    }
}

/* The frames of line i add up to its sizes and end where it ends. */
static void check_frames(const cg_manifest *m, size_t i)
{
    const cg_manifest_line *l = cg_manifest_get(m, i);
    uint64_t at = l->end - l->size, content_size = 0;
    const cg_container_frame *frames;
    size_t first, n;

    cg_manifest_frames(m, i, &first);
    frames = cg_manifest_frames(m, i + 1, &n);
    require(n - first == l->n_frames && (l->n_frames > 0) == (l->size > 0));
    for (size_t k = first; k < n; k++) {
        require(frames[k].offset == at && frames[k].size);
        at += frames[k].size;
        content_size += frames[k].content_size;
    }
    require(!l->n_frames || (at == l->end && content_size == l->content_size));
}

static void check_lines(const cg_manifest *m)
{
    uint64_t end, failed_end;

    for (size_t i = 0; i < cg_manifest_count(m); i++) {
        const cg_manifest_line *l = cg_manifest_get(m, i);
        const cg_manifest_line *previous = i ? cg_manifest_get(m, i - 1) : NULL;

        require(l->index >= 0 && l->n_records >= 0 && l->n_failed >= 0);
        require(l->end - l->size == (previous ? previous->end : 0) && l->end >= l->size);
        require(!previous || (l->index > previous->index && l->failed_end >= previous->failed_end));
        check_frames(m, i);
    }
    if (!cg_manifest_has_header(m))
        require(!cg_manifest_count(m) && !cg_manifest_is_complete(m, &end, &failed_end));
}

/* Drops half of the lines, appends one and completes; the file must read back so. */
static void check_continued(cg_manifest *m, const char *path)
{
    size_t kept = cg_manifest_count(m) / 2;
    cg_manifest_line last = { .index = -1 }, *lines = NULL;
    cg_container_frame frames[2] = { { 0, 500, 4000 }, { 0, 312, 411 } };
    cg_error err = CG_ERROR_INIT;
    cg_manifest *reread = NULL;
    uint64_t end, failed_end;

    if (kept)
        last = *cg_manifest_get(m, kept - 1);
    if (last.index >= UINT32_MAX || last.end > INT64_MAX / 2 || last.failed_end > INT64_MAX / 2)
        return; /* a run does not get there */
    lines = calloc(kept + 1, sizeof *lines);
    require(lines);
    for (size_t i = 0; i < kept; i++)
        lines[i] = *cg_manifest_get(m, i);
    lines[kept] = (cg_manifest_line) { .index = last.index + 1,
                                       .end = last.end + 812,
                                       .size = 812,
                                       .content_size = 4411,
                                       .n_frames = 2,
                                       .hash = UINT64_C(0x81d2000000000001),
                                       .n_records = 10,
                                       .n_failed = 1,
                                       .n_molecules = 1,
                                       .failed_end = last.failed_end + 44 };
    require_ok(cg_manifest_truncate(m, kept, &err), &err);
    frames[0].offset = last.end;
    frames[1].offset = last.end + 500;
    require_ok(cg_manifest_append(m, &lines[kept], frames, &err), &err);
    check_frames(m, kept);
    require_ok(cg_manifest_complete(m, last.end + 845, last.failed_end + 44, &err), &err);
    cg_manifest_close(m);
    require_ok(cg_manifest_open(path, 1, &reread, &err), &err);
    require(cg_manifest_count(reread) == kept + 1);
    for (size_t i = 0; i <= kept; i++)
        require(!memcmp(cg_manifest_get(reread, i), &lines[i], sizeof *lines));
    check_lines(reread);
    require(cg_manifest_is_complete(reread, &end, &failed_end));
    require(end == last.end + 845 && failed_end == last.failed_end + 44);
    cg_manifest_close(reread);
    free(lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cg_error err = CG_ERROR_INIT;
    cg_buf text = { 0 };
    cg_manifest *m = NULL;
    char path[600];
    cg_status st;

    if (size < 1)
        return -1;
    if (data[0] & 1)
        seal((const char *)data + 1, size - 1, &text);
    else
        cg_buf_put(&text, data + 1, size - 1);
    snprintf(path, sizeof path, "%s", fuzz_write("m", text.data, text.len));
    cg_buf_finish(&text);
    st = cg_manifest_open(path, 1, &m, &err);
    if (st != CG_OK) {
        require_refusal(st, &err);
        return 0;
    }
    check_lines(m);
    st = cg_manifest_check(m, items, N_ITEMS, &err);
    if (st != CG_OK)
        require_refusal(st, &err);
    if (cg_manifest_has_header(m))
        check_continued(m, path);
    else
        cg_manifest_close(m);
    return 0;
}
