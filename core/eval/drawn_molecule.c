/* SPDX-License-Identifier: MIT */
#include "eval/drawn_molecule.h"

#include "base/error.h"
#include "base/size.h"
#include "eval/identity.h"
#include "eval/projection.h"
#include "eval/sdf.h"
#include "io/reader.h"
#include "io/record.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct drawn_reader {
    cg_reader *file;
    const char *path, *name; /* name: that of the molecule, or NULL until the first record */
    size_t limit;
    cg_drawn_molecule *m;
    cg_identity first, now; /* of the first record that was drawn, and of the last other kind */
    uint64_t key[2];        /* of `now`, or of `first` if that is empty */
    size_t key_atoms;
    uint16_t *order; /* [n_atoms of the sticks] atom of the block, for records of that key */
    float (*block)[3];
    size_t block_cap;
    size_t record;
    int ended; /* a record of another name, or one beyond the limit, was found */
};

/* Counts a record that is not drawn; keeps the reason of the first one. */
static cg_status skip_record(struct drawn_reader *r, size_t *count, const char *reason,
                             cg_error *err)
{
    cg_error text = CG_ERROR_INIT; /* cg_fail() escapes unprintable bytes */

    (*count)++;
    if (r->m->reason)
        return CG_OK;
    cg_fail(&text, CG_ERR_INPUT, "'%s': '%.60s': record %zu: %s", r->path, r->name, r->record,
            reason);
    r->m->reason = strdup(text.msg);
    return r->m->reason ? CG_OK : cg_fail_nomem(err, r->path);
}

/* Sets the order of atoms for records of the kind of `now`, which is of the first one's molecule.
 */
static cg_status match_kind(struct drawn_reader *r, cg_error *err)
{
    uint16_t match[CG_SDF_MAX_HEAVY];

    CG_TRY(cg_identity_match(r->first.mol, r->now.mol, match, NULL, err));
    for (size_t i = 0; i < r->first.n_heavy; i++)
        r->order[i] = r->now.order[match[i]];
    return CG_OK;
}

/* Makes the molecule of the first record. */
static cg_status start_molecule(struct drawn_reader *r, cg_error *err)
{
    r->first = r->now;
    r->now = (cg_identity) { 0 };
    CG_TRY(cg_sticks_init(r->first.mol, &r->m->sticks, err));
    r->m->smiles = strdup(cg_molecule_smiles(r->first.mol, NULL));
    r->order = cg_alloc_array(r->first.n_heavy, sizeof *r->order);
    if (!r->m->smiles || !r->order)
        return cg_fail_nomem(err, r->path);
    memcpy(r->order, r->first.order, r->first.n_heavy * sizeof *r->order);
    return CG_OK;
}

/* Identifies the molecule of a record, unless its kind is that of the record before it. *ret_reason
 * is an empty text, or why the record is not drawn; *ret_other: it is of another molecule. */
static cg_status identify(struct drawn_reader *r, const cg_sdf_record *rec, cg_error *ret_reason,
                          int *ret_other, cg_error *err)
{
    char *block;
    cg_status st;

    *ret_other = 0;
    if (r->order && r->key[0] == rec->key[0] && r->key[1] == rec->key[1] &&
        r->key_atoms == rec->n_atoms)
        return CG_OK;
    block = malloc(rec->block_len + 2);
    if (!block)
        return cg_fail_nomem(err, r->path);
    memcpy(block, rec->block, rec->block_len);
    memcpy(block + rec->block_len, "\n", 2); /* the last line of a file may lack it */
    cg_identity_finish(&r->now);
    st = cg_identity_find(block, rec->n_atoms, rec->smiles, rec->smiles_len, &r->now, ret_reason);
    free(block);
    if (st == CG_OK && !r->order)
        return start_molecule(r, err);
    if (st == CG_OK && strcmp(r->now.flat_smiles, r->first.flat_smiles)) {
        *ret_other = 1;
        cg_fail(ret_reason, CG_ERR_INPUT, "found another molecule, '%.60s', wanted '%.60s'",
                r->now.flat_smiles, r->first.flat_smiles);
        return CG_OK;
    }
    if (st == CG_OK)
        st = match_kind(r, ret_reason);
    return st == CG_ERR_NOMEM ? cg_fail_nomem(err, r->path) : CG_OK;
}

/* Value of a data item as a text in buf; 0 if there is none, or one that is longer. */
static int item_text(const char *text, size_t len, const char *key, char *buf, size_t cap)
{
    const char *value;
    size_t n;

    if (!cg_sdf_item(text, len, key, &value, &n) || n >= cap)
        return 0;
    memcpy(buf, value, n);
    buf[n] = '\0';
    return n > 0;
}

/* Adds the conformer whose coordinates are in r->block. */
static cg_status add_conformer(struct drawn_reader *r, const char *text, size_t len, cg_error *err)
{
    cg_drawn_molecule *m = r->m;
    cg_drawn_conformer c = { .record = r->record, .generation = -1, .energy = NAN };
    size_t atoms = m->sticks.n_atoms, size;
    char value[512], *end;
    float(*to)[3];

    if (cg_mul(atoms, sizeof *m->xyz, &size) ||
        cg_grow((void **)&m->xyz, &m->xyz_cap, m->n + 1, size) ||
        cg_grow((void **)&m->conformers, &m->cap, m->n + 1, sizeof *m->conformers))
        return cg_fail_nomem(err, r->path);
    to = m->xyz + m->n * atoms;
    for (size_t i = 0; i < atoms; i++)
        memcpy(to[i], r->block[r->order[i]], sizeof to[i]);
    cg_view_centre(atoms, to);
    if (item_text(text, len, "generation", value, sizeof value)) {
        long long g = strtoll(value, &end, 10);

        c.generation = *end || g < 0 ? -1 : g;
    }
    if (item_text(text, len, "energy", value, sizeof value)) {
        double energy = strtod(value, &end);

        c.energy = *end || !isfinite(energy) ? NAN : energy;
    }
    if (item_text(text, len, "checks", value, sizeof value) && !(c.checks = strdup(value)))
        return cg_fail_nomem(err, r->path);
    m->conformers[m->n++] = c;
    return CG_OK;
}

/* Whether the record is of the molecule; the first record names it. */
static cg_status is_of_molecule(struct drawn_reader *r, const cg_sdf_record *rec, int *ret_is,
                                cg_error *err)
{
    if (!r->m->name) {
        r->m->name = r->name ? strdup(r->name) : strndup(rec->name, rec->name_len);
        if (!r->m->name)
            return cg_fail_nomem(err, r->path);
        r->name = r->m->name;
    }
    *ret_is = strlen(r->name) == rec->name_len && !memcmp(r->name, rec->name, rec->name_len);
    return CG_OK;
}

static cg_status read_record(struct drawn_reader *r, const char *text, size_t len, cg_error *err)
{
    cg_error reason = CG_ERROR_INIT;
    cg_sdf_record rec = { 0 };
    int is = 0, other = 0;
    cg_status st;

    if (cg_grow((void **)&r->block, &r->block_cap, len / CG_SDF_MIN_ATOM_BYTES + 1,
                sizeof *r->block))
        return cg_fail_nomem(err, r->path);
    st = cg_sdf_read(text, len, r->block, r->block_cap, &rec, &reason);
    if (st == CG_ERR_NOMEM)
        return cg_fail_nomem(err, r->path);
    CG_TRY(is_of_molecule(r, &rec, &is, err));
    if (!is) {
        r->ended = r->m->n > 0;
        return CG_OK;
    }
    if (r->m->n == r->limit) {
        r->m->more = r->ended = 1;
        return CG_OK;
    }
    r->record++;
    if (st == CG_OK)
        CG_TRY(identify(r, &rec, &reason, &other, err));
    if (other && !rec.name_len) { /* without names, another molecule begins */
        r->ended = 1;
        return CG_OK;
    }
    if (*reason.msg)
        return skip_record(r, other ? &r->m->n_other : &r->m->n_broken, reason.msg, err);
    r->key[0] = rec.key[0];
    r->key[1] = rec.key[1];
    r->key_atoms = rec.n_atoms;
    return add_conformer(r, text, len, err);
}

/* Reads the records of a frame's text. */
static cg_status read_records(struct drawn_reader *r, const char *text, size_t len, cg_error *err)
{
    size_t start = 0, at = 0;

    while (at < len && !r->ended) {
        const char *lf = memchr(text + at, '\n', len - at);
        size_t next = lf ? (size_t)(lf - text) + 1 : len;
        int ends = next - at >= 4 && !memcmp(text + at, "$$$$", 4);
        size_t end = ends ? at : next;

        at = next;
        if (!ends && next < len)
            continue;
        if (strspn(text + start, " \t\r\n") < end - start)
            CG_TRY(read_record(r, text + start, end - start, err));
        start = next;
    }
    return CG_OK;
}

static cg_status read_frames(struct drawn_reader *r, size_t i, cg_error *err)
{
    cg_buf text = { 0 };
    cg_status st = CG_OK;

    for (; i < cg_reader_count(r->file) && !r->ended; i++) {
        cg_record_format format;

        cg_buf_clear(&text);
        CG_TRY_GOTO(st, cg_reader_read(r->file, i, 0, &text, err), out);
        if (!text.len)
            continue;
        format = cg_record_detect(text.data, text.len);
        if (format != CG_RECORD_SDF) {
            st = cg_fail(err, CG_ERR_FORMAT, "'%s' holds records of format %s, wanted an SDF",
                         r->path, cg_record_format_name(format));
            goto out;
        }
        CG_TRY_GOTO(st, read_records(r, cg_buf_text(&text), text.len, err), out);
    }
out:
    cg_buf_finish(&text);
    return st;
}

cg_status cg_drawn_molecule_read(const char *path, const char *name, size_t limit,
                                 cg_drawn_molecule *ret, cg_error *err)
{
    cg_drawn_molecule m = { 0 };
    struct drawn_reader r = { .path = path, .name = name, .limit = limit, .m = &m };
    cg_error no_frame = CG_ERROR_INIT;
    size_t first = 0;
    cg_status st;

    CG_TRY_GOTO(st, cg_reader_open(path, &r.file, err), out);
    if (name) {
        st = cg_reader_find(r.file, name, 0, &first, &no_frame);
        if (st == CG_ERR_INPUT) /* another program's frame may hold it behind another molecule */
            first = 0;
        else if (st != CG_OK)
            CG_TRY_GOTO(st, cg_fail(err, st, "%s", no_frame.msg), out);
    }
    CG_TRY_GOTO(st, read_frames(&r, first, err), out);
    if (!m.n && !m.reason && *no_frame.msg) {
        st = cg_fail(err, CG_ERR_INPUT, "%s", no_frame.msg);
        goto out;
    }
    if (!m.n) {
        st = m.reason ? cg_fail(err, CG_ERR_FORMAT, "%s; no record can be drawn", m.reason)
                      : cg_fail(err, CG_ERR_FORMAT, "'%s' holds no record, wanted an SDF", path);
        goto out;
    }
    *ret = m;
    m = (cg_drawn_molecule) { 0 };
out:
    cg_reader_close(r.file);
    cg_identity_finish(&r.first);
    cg_identity_finish(&r.now);
    free(r.order);
    free(r.block);
    cg_drawn_molecule_finish(&m);
    return st;
}

void cg_drawn_molecule_finish(cg_drawn_molecule *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->n; i++)
        free(m->conformers[i].checks);
    free(m->conformers);
    free(m->xyz);
    free(m->name);
    free(m->smiles);
    free(m->reason);
    cg_sticks_finish(&m->sticks);
    *m = (cg_drawn_molecule) { 0 };
}
