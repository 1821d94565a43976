/* SPDX-License-Identifier: MIT */
#include "manifest.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/append_file.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/size.h"
#include "io/container.h"

enum { VERSION = 2 };

static const char first_bytes[] = "{\"confgen_manifest\":"; /* of every manifest */

struct entry {
    cg_manifest_line line;
    size_t frames_end; /* number of frames up to and including its own */
    uint64_t text_end; /* offset in the manifest */
};

struct cg_manifest {
    cg_append_file file;
    json_t *header; /* NULL: none */
    uint64_t header_end;
    struct entry *entries; /* [n] of cap */
    size_t n, cap;
    cg_container_frame *frames; /* [n_frames] of frames_cap: those of all entries */
    size_t n_frames, frames_cap;
    int complete;
    uint64_t end, failed_end; /* sizes of the files if complete */
};

/* ---- checksums -------------------------------------------------------------------------- */

/* Every line ends in `,"sum":"<XXH3 of the bytes before, 16 hex digits>"}`. */
enum { SUM_BYTES = 26 };

static void put_sum(cg_buf *line)
{
    cg_buf_printf(line, ",\"sum\":\"%016" PRIx64 "\"}\n", XXH3_64bits(line->data, line->len));
}

static int has_right_sum(const char *line, size_t len)
{
    char text[SUM_BYTES + 1];

    if (len < SUM_BYTES)
        return 0;
    snprintf(text, sizeof text, ",\"sum\":\"%016" PRIx64 "\"}", XXH3_64bits(line, len - SUM_BYTES));
    return !memcmp(line + len - SUM_BYTES, text, SUM_BYTES);
}

/* ---- reading ---------------------------------------------------------------------------- */

/* Reads a non-negative integer member. 0, or -1 if it is absent or of another type. */
static int get_u64(const json_t *object, const char *key, uint64_t *ret_value)
{
    const json_t *v = json_object_get(object, key);

    if (!json_is_integer(v) || json_integer_value(v) < 0)
        return -1;
    *ret_value = (uint64_t)json_integer_value(v);
    return 0;
}

/* As get_u64() for a count, bounded so that sums of hostile values cannot overflow. */
static int get_count(const json_t *object, const char *key, int64_t *ret_count)
{
    uint64_t v;

    if (get_u64(object, key, &v) || v > UINT32_MAX)
        return -1;
    *ret_count = (int64_t)v;
    return 0;
}

static int get_hash(const json_t *object, uint64_t *ret_hash)
{
    const char *text = json_string_value(json_object_get(object, "xxh"));
    char *end;

    if (!text || strlen(text) != 16 || strspn(text, "0123456789abcdef") != 16)
        return -1;
    *ret_hash = strtoull(text, &end, 16);
    return 0;
}

static size_t frames_end(const cg_manifest *m, size_t n)
{
    return n ? m->entries[n - 1].frames_end : 0;
}

/* Adds an entry with the frames behind those of the entries, [line->n_frames]. */
static cg_status add_entry(cg_manifest *m, const cg_manifest_line *line, uint64_t text_end,
                           cg_error *err)
{
    if (cg_grow((void **)&m->entries, &m->cap, m->n + 1, sizeof *m->entries))
        return cg_fail_nomem(err, m->file.name);
    m->n_frames = frames_end(m, m->n) + line->n_frames;
    m->entries[m->n++] = (struct entry) { *line, m->n_frames, text_end };
    return CG_OK;
}

/* Reads the sizes of frame i of a line; from a line without "frames", those of the line. 0, or -1.
 */
static int get_frame(const json_t *list, size_t i, const cg_manifest_line *l,
                     cg_container_frame *ret_frame)
{
    const json_t *sizes = json_array_get(list, i);
    const json_t *size = json_array_get(sizes, 0), *content_size = json_array_get(sizes, 1);
    cg_container_frame f = { 0, l->size, l->content_size };

    if (list && (!json_is_integer(size) || !json_is_integer(content_size)))
        return -1;
    if (list)
        f = (cg_container_frame) { 0, (uint64_t)json_integer_value(size),
                                   (uint64_t)json_integer_value(content_size) };
    if (!f.size || f.size > UINT32_MAX || f.content_size > CG_FRAME_MAX_CONTENT)
        return -1;
    *ret_frame = f;
    return 0;
}

/*
 * Reads the frames of a line behind those of the entries. *ret_ok = 0 if they are not valid or do
 * not add up to the line's sizes.
 */
static cg_status get_frames(cg_manifest *m, const json_t *o, cg_manifest_line *l, int *ret_ok,
                            cg_error *err)
{
    const json_t *list = json_object_get(o, "frames");
    uint64_t offset = l->end - l->size, content_size = 0;
    cg_container_frame *frames;

    *ret_ok = 0;
    l->n_frames = list ? json_array_size(list) : l->size > 0;
    if (list && l->n_frames < 2)
        return CG_OK;
    if (cg_grow((void **)&m->frames, &m->frames_cap, m->n_frames + l->n_frames, sizeof *m->frames))
        return cg_fail_nomem(err, m->file.name);
    frames = m->frames + m->n_frames;
    for (size_t i = 0; i < l->n_frames; i++) {
        if (get_frame(list, i, l, &frames[i]))
            return CG_OK;
        frames[i].offset = offset;
        offset += frames[i].size;
        content_size += frames[i].content_size;
    }
    *ret_ok = offset == l->end && content_size == l->content_size;
    return CG_OK;
}

/* Reads a molecule without its frames and checks it against the previous one. 0, or -1. */
static int get_line(const cg_manifest *m, const json_t *o, cg_manifest_line *l)
{
    const cg_manifest_line *previous = m->n ? &m->entries[m->n - 1].line : NULL;

    if (get_count(o, "i", &l->index) || get_u64(o, "end", &l->end) ||
        get_u64(o, "size", &l->size) || get_u64(o, "plain", &l->content_size) ||
        get_hash(o, &l->hash) || get_count(o, "records", &l->n_records) ||
        get_count(o, "failed", &l->n_failed) || get_u64(o, "failed_end", &l->failed_end))
        return -1;
    l->n_molecules = 1;
    if (json_object_get(o, "molecules") &&
        (get_count(o, "molecules", &l->n_molecules) || !l->n_molecules || l->size))
        return -1;
    if (!previous)
        return l->end == l->size ? 0 : -1;
    return l->index > previous->index && l->end >= previous->end &&
                   l->size == l->end - previous->end && l->failed_end >= previous->failed_end
               ? 0
               : -1;
}

/* Adds the object of a valid line, which ends at offset `end`; *ret_stop = 1 if none may follow. */
static cg_status add_object(cg_manifest *m, json_t *o, uint64_t end, int *ret_stop, cg_error *err)
{
    cg_manifest_line line = { 0 };
    int ok;

    *ret_stop = 1;
    if (!m->header) {
        if (!json_is_integer(json_object_get(o, "confgen_manifest")) ||
            !json_is_object(json_object_get(o, "fingerprint")))
            return CG_OK;
        m->header = json_incref(o);
        m->header_end = end;
    } else if (json_is_true(json_object_get(o, "complete"))) {
        m->complete = !get_u64(o, "end", &m->end) && !get_u64(o, "failed_end", &m->failed_end);
        return CG_OK;
    } else {
        if (get_line(m, o, &line))
            return CG_OK;
        CG_TRY(get_frames(m, o, &line, &ok, err));
        if (!ok)
            return CG_OK;
        CG_TRY(add_entry(m, &line, end, err));
    }
    *ret_stop = 0;
    return CG_OK;
}

/* Parses the line text[len], which ends at offset `end`. *ret_stop = 1: ignore the rest. */
static cg_status parse_line(cg_manifest *m, const char *text, size_t len, uint64_t end,
                            int *ret_stop, cg_error *err)
{
    json_t *o;
    cg_status st;

    *ret_stop = 1;
    if (!has_right_sum(text, len))
        return CG_OK;
    errno = 0;
    o = json_loadb(text, len, 0, NULL);
    if (!o && errno == ENOMEM)
        return cg_fail_nomem(err, m->file.name);
    /* The line is intact: ignoring it would discard finished molecules. */
    if (!o)
        return cg_fail(err, CG_ERR_FORMAT,
                       "'%s': the line that ends at offset %llu is intact but cannot be parsed",
                       m->file.name, (unsigned long long)end);
    st = add_object(m, o, end, ret_stop, err);
    json_decref(o);
    return st;
}

/* Whether a text is a manifest, or the start of one: the first write may have been interrupted. */
static int is_manifest(const char *text, size_t len)
{
    size_t n = sizeof first_bytes - 1;

    return !memcmp(text, first_bytes, len < n ? len : n);
}

static cg_status load(cg_manifest *m, cg_error *err)
{
    cg_bytes bytes = { 0 };
    const char *text;
    cg_status st = CG_OK;
    int stop = 0;

    if (lseek(m->file.fd, 0, SEEK_SET) < 0)
        return cg_fail(err, CG_ERR_IO, "'%s': cannot seek", m->file.name);
    CG_TRY(cg_file_read_open(m->file.fd, m->file.name, SIZE_MAX, &bytes, err));
    text = (const char *)bytes.data;
    if (!is_manifest(text, bytes.len)) {
        st = cg_fail(err, CG_ERR_MISMATCH,
                     "'%s' exists and is no manifest of confgen, wanted this name for the manifest "
                     "of the output: move the file, or choose another output",
                     m->file.name);
        goto out;
    }
    for (size_t pos = 0; !stop && pos < bytes.len;) {
        const char *line = text + pos;
        const char *lf = memchr(line, '\n', bytes.len - pos);

        if (!lf) /* the last write was interrupted */
            break;
        pos += (size_t)(lf - line) + 1;
        CG_TRY_GOTO(st, parse_line(m, line, (size_t)(lf - line), pos, &stop, err), out);
    }
out:
    cg_bytes_release(&bytes);
    return st;
}

cg_status cg_manifest_open(const char *path, int may_exist, cg_manifest **ret_manifest,
                           cg_error *err)
{
    cg_manifest *m = calloc(1, sizeof *m);
    cg_status st;

    if (!m)
        return cg_fail_nomem(err, path);
    CG_TRY_GOTO(st, cg_append_file_open(&m->file, path, may_exist, err), out);
    if (!m->file.regular) {
        st = cg_fail(err, CG_ERR_IO, "'%s' is not a regular file", path);
        goto out;
    }
    CG_TRY_GOTO(st, load(m, err), out);
    *ret_manifest = m;
    m = NULL;
out:
    cg_manifest_discard(m);
    return st;
}

static void free_manifest(cg_manifest *m)
{
    json_decref(m->header);
    free(m->entries);
    free(m->frames);
    free(m);
}

void cg_manifest_discard(cg_manifest *m)
{
    if (!m)
        return;
    cg_append_file_discard(&m->file);
    free_manifest(m);
}

void cg_manifest_close(cg_manifest *m)
{
    if (!m)
        return;
    cg_append_file_close(&m->file);
    free_manifest(m);
}

int cg_manifest_has_header(const cg_manifest *m)
{
    return m->header != NULL;
}

size_t cg_manifest_count(const cg_manifest *m)
{
    return m->n;
}

const cg_manifest_line *cg_manifest_get(const cg_manifest *m, size_t i)
{
    return &m->entries[i].line;
}

const cg_container_frame *cg_manifest_frames(const cg_manifest *m, size_t n, size_t *ret_n_frames)
{
    *ret_n_frames = frames_end(m, n);
    return m->frames;
}

int cg_manifest_is_complete(const cg_manifest *m, uint64_t *ret_end, uint64_t *ret_failed_end)
{
    *ret_end = m->end;
    *ret_failed_end = m->failed_end;
    return m->complete;
}

/* ---- fingerprint ------------------------------------------------------------------------ */

static void put_header(cg_buf *b, const cg_fingerprint_item *items, size_t n)
{
    cg_buf_printf(b, "%s%d,\"fingerprint\":{", first_bytes, VERSION);
    for (size_t i = 0; i < n; i++) {
        if (i)
            cg_buf_putc(b, ',');
        cg_json_put_string(b, items[i].key);
        cg_buf_putc(b, ':');
        cg_json_put_string(b, items[i].value);
    }
    cg_buf_putc(b, '}');
    cg_buf_printf(b, ",\"notes\":{");
    for (size_t i = 0, n_notes = 0; i < n; i++) {
        if (!items[i].note)
            continue;
        if (n_notes++)
            cg_buf_putc(b, ',');
        cg_json_put_string(b, items[i].key);
        cg_buf_putc(b, ':');
        cg_json_put_string(b, items[i].note);
    }
    cg_buf_putc(b, '}');
    put_sum(b);
}

/* "'VALUE' (NOTE)" of an item of a header */
static void describe_item(const json_t *header, const char *key, char *ret_text, size_t cap)
{
    const char *value =
        json_string_value(json_object_get(json_object_get(header, "fingerprint"), key));
    const char *note = json_string_value(json_object_get(json_object_get(header, "notes"), key));

    snprintf(ret_text, cap, note ? "'%.150s' (%.150s)" : "'%.200s'", value ? value : "(none)",
             note ? note : "");
}

static cg_status fail_mismatch(const cg_manifest *m, const char *key, const json_t *wanted_header,
                               cg_error *err)
{
    char found[320], wanted[320];

    describe_item(m->header, key, found, sizeof found);
    describe_item(wanted_header, key, wanted, sizeof wanted);
    return cg_fail(err, CG_ERR_MISMATCH,
                   "'%s': the run to resume had %s %s, this one has %s; resume with the same "
                   "settings or start again with --overwrite",
                   m->file.name, key, found, wanted);
}

cg_status cg_manifest_check(const cg_manifest *m, const cg_fingerprint_item *items, size_t n_items,
                            cg_error *err)
{
    json_int_t version = json_integer_value(json_object_get(m->header, "confgen_manifest"));
    json_t *found = json_object_get(m->header, "fingerprint");
    json_t *wanted_header = NULL, *wanted, *value;
    cg_buf text = { 0 };
    cg_status st = CG_OK;
    const char *key;

    if (version != VERSION)
        return cg_fail(err, CG_ERR_MISMATCH,
                       "'%s' has version %lld, wanted version %d; start again with --overwrite",
                       m->file.name, (long long)version, VERSION);
    /* Compare after writing and parsing: bytes that JSON cannot hold are replaced in both. */
    put_header(&text, items, n_items);
    CG_TRY_GOTO(st, cg_buf_check(&text, m->file.name, err), out);
    wanted_header = json_loadb(text.data, text.len, 0, NULL);
    wanted = json_object_get(wanted_header, "fingerprint");
    if (!wanted) {
        st = cg_fail_nomem(err, m->file.name);
        goto out;
    }
    json_object_foreach(wanted, key, value)
    {
        const json_t *old = json_object_get(found, key);

        if (!old || !json_equal(old, value)) {
            st = fail_mismatch(m, key, wanted_header, err);
            goto out;
        }
    }
    json_object_foreach(found, key, value)
    {
        if (!json_object_get(wanted, key)) {
            st = fail_mismatch(m, key, wanted_header, err);
            goto out;
        }
    }
out:
    json_decref(wanted_header);
    cg_buf_finish(&text);
    return st;
}

/* ---- writing ---------------------------------------------------------------------------- */

static cg_status write_text(cg_manifest *m, const cg_buf *text, cg_error *err)
{
    CG_TRY(cg_buf_check(text, m->file.name, err));
    return cg_append_file_write(&m->file, text->data, text->len, err);
}

cg_status cg_manifest_start(cg_manifest *m, const cg_fingerprint_item *items, size_t n_items,
                            cg_error *err)
{
    cg_buf text = { 0 };
    cg_status st;

    json_decref(m->header);
    m->header = NULL;
    m->n = m->n_frames = 0;
    m->complete = 0;
    CG_TRY(cg_append_file_truncate(&m->file, 0, err));
    put_header(&text, items, n_items);
    CG_TRY_GOTO(st, write_text(m, &text, err), out);
    m->header_end = m->file.size;
    m->header = json_loadb(text.data, text.len, 0, NULL);
    if (!m->header)
        st = cg_fail_nomem(err, m->file.name);
out:
    cg_buf_finish(&text);
    return st;
}

cg_status cg_manifest_truncate(cg_manifest *m, size_t n, cg_error *err)
{
    m->n = n;
    m->n_frames = frames_end(m, n);
    m->complete = 0;
    return cg_append_file_truncate(&m->file, n ? m->entries[n - 1].text_end : m->header_end, err);
}

cg_status cg_manifest_append(cg_manifest *m, const cg_manifest_line *l,
                             const cg_container_frame *frames, cg_error *err)
{
    cg_buf text = { 0 };
    cg_status st;

    if (cg_grow((void **)&m->entries, &m->cap, m->n + 1, sizeof *m->entries) ||
        cg_grow((void **)&m->frames, &m->frames_cap, m->n_frames + l->n_frames, sizeof *m->frames))
        return cg_fail_nomem(err, m->file.name);
    if (l->n_frames)
        memcpy(m->frames + m->n_frames, frames, l->n_frames * sizeof *frames);
    cg_buf_printf(&text,
                  "{\"i\":%" PRId64 ",\"end\":%" PRIu64 ",\"size\":%" PRIu64 ",\"plain\":%" PRIu64
                  ",\"xxh\":\"%016" PRIx64 "\",\"records\":%" PRId64 ",\"failed\":%" PRId64
                  ",\"failed_end\":%" PRIu64,
                  l->index, l->end, l->size, l->content_size, l->hash, l->n_records, l->n_failed,
                  l->failed_end);
    if (l->n_molecules != 1)
        cg_buf_printf(&text, ",\"molecules\":%" PRId64, l->n_molecules);
    for (size_t i = 0; l->n_frames > 1 && i < l->n_frames; i++)
        cg_buf_printf(&text, "%s[%" PRIu64 ",%" PRIu64 "]", i ? "," : ",\"frames\":[",
                      frames[i].size, frames[i].content_size);
    if (l->n_frames > 1)
        cg_buf_putc(&text, ']');
    put_sum(&text);
    CG_TRY_GOTO(st, write_text(m, &text, err), out);
    st = add_entry(m, l, m->file.size, err);
out:
    cg_buf_finish(&text);
    return st;
}

cg_status cg_manifest_complete(cg_manifest *m, uint64_t end, uint64_t failed_end, cg_error *err)
{
    cg_buf text = { 0 };
    cg_status st;

    cg_buf_printf(&text, "{\"complete\":true,\"end\":%" PRIu64 ",\"failed_end\":%" PRIu64, end,
                  failed_end);
    put_sum(&text);
    CG_TRY_GOTO(st, write_text(m, &text, err), out);
    m->complete = 1;
    m->end = end;
    m->failed_end = failed_end;
out:
    cg_buf_finish(&text);
    return st;
}

cg_status cg_manifest_sync(cg_manifest *m, cg_error *err)
{
    return cg_append_file_sync(&m->file, err);
}
