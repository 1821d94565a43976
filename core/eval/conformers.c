/* SPDX-License-Identifier: MIT */
/*
 * The text is processed in chunks. The thread team parses the records of a chunk; new kinds of
 * records (keys of sdf.h) are identified with RDKit, again by the team; then, in file order, the
 * coordinates are permuted to their molecule's atom order and stored.
 */
#include "eval/conformers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/index.h"
#include "base/pool.h"
#include "base/size.h"
#include "eval/identity.h"
#include "eval/sdf.h"
#include "io/record.h"
#include "io/source.h"

enum {
    CHUNK = 4 << 20,       /* bytes of text */
    MAX_RECORD = 64 << 20, /* bytes of a record, data items included */
};

/* ---- identified molecules ----------------------------------------------------------------- */

/* A molecule with its own SMILES. The first molecule with a flat SMILES is the hub: the others with
 * this flat SMILES are mapped to it. */
struct identified {
    cg_molecule *mol;
    char *flat_smiles;
    size_t n_heavy;
    size_t hub;         /* index in the table; its own for a hub */
    uint16_t *to_hub;   /* [n_heavy] atom of the hub for atom i; NULL for a hub */
    uint16_t *from_hub; /* [n_heavy] atom for atom i of the hub; NULL for a hub */
    size_t n_hydrogens;
    uint16_t *h_to_hub;   /* [n_hydrogens] likewise; CG_NO_ATOM if the hub has none */
    uint16_t *h_from_hub; /* [n_hydrogens of the hub] */
};

struct cg_identity_table {
    struct identified *molecules; /* [n] */
    size_t n, cap;
    cg_index by_smiles, by_flat_smiles; /* by_flat_smiles: hubs only */
};

static void table_destroy(struct cg_identity_table *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->n; i++) {
        cg_molecule_destroy(t->molecules[i].mol);
        free(t->molecules[i].flat_smiles);
        free(t->molecules[i].to_hub);
        free(t->molecules[i].from_hub);
        free(t->molecules[i].h_to_hub);
        free(t->molecules[i].h_from_hub);
    }
    free(t->molecules);
    cg_index_finish(&t->by_smiles);
    cg_index_finish(&t->by_flat_smiles);
    free(t);
}

static cg_status map_to_hub(struct identified *k, const struct identified *hub, cg_error *err)
{
    k->to_hub = cg_alloc_array(k->n_heavy, sizeof *k->to_hub);
    k->from_hub = cg_alloc_array(k->n_heavy, sizeof *k->from_hub);
    k->h_to_hub = cg_alloc_array(k->n_hydrogens, sizeof *k->h_to_hub);
    k->h_from_hub = cg_alloc_array(hub->n_hydrogens, sizeof *k->h_from_hub);
    if (!k->to_hub || !k->from_hub || !k->h_to_hub || !k->h_from_hub)
        return cg_fail(err, CG_ERR_NOMEM, "molecule of %zu atoms: out of memory", k->n_heavy);
    if (hub->n_heavy != k->n_heavy)
        return cg_fail(err, CG_ERR_UNSUPPORTED,
                       "'%.60s' and '%.60s' have the same flat SMILES but %zu and "
                       "%zu heavy atoms",
                       cg_molecule_smiles(k->mol, NULL), cg_molecule_smiles(hub->mol, NULL),
                       k->n_heavy, hub->n_heavy);
    CG_TRY(cg_identity_match(k->mol, hub->mol, k->to_hub, k->h_to_hub, err));
    for (size_t i = 0; i < k->n_heavy; i++)
        k->from_hub[k->to_hub[i]] = (uint16_t)i;
    for (size_t i = 0; i < hub->n_hydrogens; i++)
        k->h_from_hub[i] = CG_NO_ATOM;
    for (size_t i = 0; i < k->n_hydrogens; i++)
        if (k->h_to_hub[i] != CG_NO_ATOM)
            k->h_from_hub[k->h_to_hub[i]] = (uint16_t)i;
    return CG_OK;
}

/* Finds an identity in the table or adds it; then mol and flat_smiles move out of `id`. */
static cg_status table_add(struct cg_identity_table *t, cg_identity *id, size_t *ret_index,
                           cg_error *err)
{
    const char *smiles = cg_molecule_smiles(id->mol, NULL);
    uint64_t hash = cg_index_hash(smiles), flat_hash = cg_index_hash(id->flat_smiles);
    struct identified k = { .mol = id->mol,
                            .flat_smiles = id->flat_smiles,
                            .n_heavy = id->n_heavy,
                            .n_hydrogens = id->n_hydrogens };
    cg_status st;

    for (size_t probe = 0, i; (i = cg_index_next(&t->by_smiles, hash, &probe)) != CG_INDEX_NONE;)
        if (!strcmp(cg_molecule_smiles(t->molecules[i].mol, NULL), smiles) &&
            !strcmp(t->molecules[i].flat_smiles, id->flat_smiles)) {
            *ret_index = i;
            return CG_OK;
        }
    k.hub = t->n;
    for (size_t probe = 0, i;
         (i = cg_index_next(&t->by_flat_smiles, flat_hash, &probe)) != CG_INDEX_NONE;)
        if (!strcmp(t->molecules[i].flat_smiles, id->flat_smiles)) {
            k.hub = i;
            break;
        }
    if (k.hub != t->n)
        CG_TRY_GOTO(st, map_to_hub(&k, &t->molecules[k.hub], err), out);
    if (cg_grow((void **)&t->molecules, &t->cap, t->n + 1, sizeof *t->molecules) ||
        (k.hub == t->n && cg_index_add(&t->by_flat_smiles, flat_hash, t->n)) ||
        cg_index_add(&t->by_smiles, hash, t->n)) {
        st = cg_fail(err, CG_ERR_NOMEM, "out of memory for %zu molecules", t->n);
        goto out;
    }
    id->mol = NULL;
    id->flat_smiles = NULL;
    *ret_index = t->n;
    t->molecules[t->n++] = k;
    return CG_OK;
out:
    free(k.to_hub);
    free(k.from_hub);
    free(k.h_to_hub);
    free(k.h_from_hub);
    return st;
}

/* ---- state of reading --------------------------------------------------------------------- */

/* A record of the chunk. */
struct chunk_record {
    size_t at, len; /* in the text */
    size_t xyz_at;  /* in the coordinates, with space for as many atoms as the text can hold */
    cg_sdf_record sdf;
    size_t kind;
    cg_status status;
    char *reason; /* why it is broken; NULL if it is not */
};

/* Records with the same key and SMILES, or with the same key and name if they have no SMILES. */
struct record_kind {
    uint64_t key[2];
    size_t n_atoms;
    size_t molecule;     /* index in the identity table */
    int from_smiles;     /* as in cg_identity */
    uint16_t *order;     /* [heavy atoms] as cg_identity.order */
    uint16_t *hydrogens; /* as cg_identity.hydrogens */
    size_t n_bound;
    cg_hydrogen *bound; /* [n_bound] as cg_identity.bound */
    char *reason;       /* why it could not be identified; NULL if it was */
};

/* Identification of a new kind, from one of its records. */
struct lookup {
    size_t kind, record;
    cg_identity id;
    cg_status status;
    cg_error err;
};

/* Grouping data of a molecule of the file. */
struct group {
    size_t molecule; /* index in the identity table */
    size_t cap;      /* of xyz, in conformers */
    size_t hydrogens_cap, bound_cap, bound_first_cap;
    int by_flat_smiles; /* takes every molecule of its flat SMILES, not only that of its SMILES */
};

struct reader {
    cg_conformer_file *file;
    cg_kept_hydrogens kept;
    cg_source *source;
    cg_team *team;
    cg_buf text;
    float (*xyz)[3];
    size_t xyz_cap;
    struct chunk_record *records;
    size_t n_records, records_cap;
    struct record_kind *kinds;
    size_t n_kinds, kinds_cap;
    cg_index kind_index;
    struct lookup *lookups;
    size_t n_lookups, lookups_cap;
    struct group *groups; /* [file->n_molecules] */
    size_t molecules_cap, groups_cap;
    cg_index group_index;
    size_t broken_cap;
    cg_index broken_index;
    int at_end;
    int start_checked;
};

/* ---- splitting text into records ---------------------------------------------------------- */

/* Skips a byte order mark; refuses data that are not an SDF. */
static cg_status check_start(struct reader *r, cg_error *err)
{
    cg_record_format format;

    r->start_checked = 1;
    if (r->text.len >= 3 && !memcmp(r->text.data, "\xef\xbb\xbf", 3)) {
        r->text.len -= 3;
        memmove(r->text.data, r->text.data + 3, r->text.len + 1);
    }
    if (!r->text.len)
        return CG_OK;
    if (memchr(r->text.data, '\0', r->text.len))
        return cg_fail(err, CG_ERR_FORMAT, "'%s' is neither zstd nor gzip nor text, wanted an SDF",
                       r->file->path);
    format = cg_record_detect(r->text.data, r->text.len);
    if (format != CG_RECORD_SDF)
        return cg_fail(err, CG_ERR_FORMAT, "'%s' holds records of format %s, wanted an SDF",
                       r->file->path, cg_record_format_name(format));
    return CG_OK;
}

/* Adds the record in text[at, end) to the chunk. xyz_at leaves space for as many atoms as the text
 * before it can hold, so that threads write coordinates without locks. */
static cg_status add_record(struct reader *r, size_t at, size_t end, cg_error *err)
{
    size_t blanks = at;

    while (blanks < end && strchr(" \t\r\n", r->text.data[blanks]))
        blanks++;
    if (blanks == end && r->at_end && end == r->text.len)
        return CG_OK; /* only white space after the last record */
    if (cg_grow((void **)&r->records, &r->records_cap, r->n_records + 1, sizeof *r->records))
        return cg_fail_nomem(err, r->file->path);
    r->records[r->n_records++] = (struct chunk_record) {
        .at = at,
        .len = end - at,
        .xyz_at = at / CG_SDF_MIN_ATOM_BYTES,
    };
    return CG_OK;
}

/* Lists the complete records of the text; *ret_used: their total length. */
static cg_status split(struct reader *r, size_t *ret_used, cg_error *err)
{
    const char *text = r->text.data;
    size_t start = 0, at = 0, len = r->text.len;

    r->n_records = 0;
    while (at < len) {
        const char *mark = memchr(text + at, '$', len - at), *lf;
        size_t where;

        if (!mark)
            break;
        where = (size_t)(mark - text);
        at = where + 1;
        if ((where && text[where - 1] != '\n') || len - where < 4 || memcmp(mark, "$$$$", 4) != 0)
            continue;
        lf = memchr(mark, '\n', len - where);
        if (!lf && !r->at_end)
            break;
        CG_TRY(add_record(r, start, where, err));
        start = at = lf ? (size_t)(lf - text) + 1 : len;
    }
    if (r->at_end && start < len) {
        CG_TRY(add_record(r, start, len, err));
        start = len;
    }
    *ret_used = start;
    return CG_OK;
}

/* Reads until the text has `want` bytes, or to the end of the file. */
static cg_status fill(struct reader *r, size_t want, cg_error *err)
{
    while (!r->at_end && r->text.len < want) {
        size_t n;

        if (cg_buf_reserve(&r->text, want - r->text.len))
            return cg_fail_nomem(err, r->file->path);
        CG_TRY(cg_source_read(r->source, r->text.data + r->text.len, want - r->text.len, &n, err));
        r->text.len += n;
        r->text.data[r->text.len] = '\0';
        r->at_end = !n;
    }
    return r->start_checked ? CG_OK : check_start(r, err);
}

/* ---- reading records ---------------------------------------------------------------------- */

static void parse_record(void *ctx, int64_t i, int worker)
{
    struct reader *r = ctx;
    struct chunk_record *s = &r->records[i];
    cg_error err = CG_ERROR_INIT;

    (void)worker;
    s->status = cg_sdf_read(r->text.data + s->at, s->len, r->xyz + s->xyz_at,
                            s->len / CG_SDF_MIN_ATOM_BYTES, &s->sdf, &err);
    if (s->status != CG_OK && !(s->reason = strdup(err.msg)))
        s->status = CG_ERR_NOMEM;
}

static cg_status add_kind(struct reader *r, size_t record, const uint64_t key[2], uint64_t hash,
                          cg_error *err)
{
    if (cg_grow((void **)&r->kinds, &r->kinds_cap, r->n_kinds + 1, sizeof *r->kinds) ||
        cg_grow((void **)&r->lookups, &r->lookups_cap, r->n_lookups + 1, sizeof *r->lookups) ||
        cg_index_add(&r->kind_index, hash, r->n_kinds))
        return cg_fail_nomem(err, r->file->path);
    r->lookups[r->n_lookups++] =
        (struct lookup) { .kind = r->n_kinds, .record = record, .err = CG_ERROR_INIT };
    r->kinds[r->n_kinds++] = (struct record_kind) {
        .key = { key[0], key[1] },
        .n_atoms = r->records[record].sdf.n_atoms,
    };
    return CG_OK;
}

/* Sets the kind of a record; a new kind is queued for identification. Without an item SMILES the
 * stereo is that of the coordinates, which names may tell apart: the name is then part of the key.
 */
static cg_status find_kind(struct reader *r, size_t record, cg_error *err)
{
    struct chunk_record *s = &r->records[record];
    const cg_sdf_record *rec = &s->sdf;
    XXH128_hash_t text = rec->smiles ? XXH3_128bits(rec->smiles, rec->smiles_len)
                                     : XXH3_128bits_withSeed(rec->name, rec->name_len, 1);
    uint64_t key[2] = { rec->key[0] ^ text.low64, rec->key[1] ^ text.high64 };

    for (size_t probe = 0, i; (i = cg_index_next(&r->kind_index, key[0], &probe)) != CG_INDEX_NONE;)
        if (r->kinds[i].key[0] == key[0] && r->kinds[i].key[1] == key[1] &&
            r->kinds[i].n_atoms == rec->n_atoms) {
            s->kind = i;
            return CG_OK;
        }
    s->kind = r->n_kinds;
    return add_kind(r, record, key, key[0], err);
}

/* Identifies the molecule of a new kind of record (team loop over the lookups). */
static void run_lookup(void *ctx, int64_t i, int worker)
{
    struct reader *r = ctx;
    struct lookup *q = &r->lookups[i];
    const cg_sdf_record *rec = &r->records[q->record].sdf;
    char *block = malloc(rec->block_len + 2);

    (void)worker;
    if (!block) {
        q->status = cg_fail_nomem(&q->err, "molblock");
        return;
    }
    memcpy(block, rec->block, rec->block_len);
    memcpy(block + rec->block_len, "\n", 2); /* the last line of a file may lack it */
    q->status =
        cg_identity_find(block, rec->n_atoms, rec->smiles, rec->smiles_len, &q->id, &q->err);
    free(block);
}

/* Stores the result of a lookup in its kind. */
static cg_status store_lookup(struct reader *r, struct lookup *q, cg_error *err)
{
    struct record_kind *kind = &r->kinds[q->kind];

    if (q->status == CG_OK)
        q->status = table_add(r->file->identities, &q->id, &kind->molecule, &q->err);
    if (q->status == CG_ERR_NOMEM)
        return cg_fail_nomem(err, r->file->path);
    if (q->status != CG_OK) {
        kind->reason = strdup(q->err.msg);
        return kind->reason ? CG_OK : cg_fail_nomem(err, r->file->path);
    }
    kind->from_smiles = q->id.from_smiles;
    kind->order = q->id.order;
    kind->hydrogens = q->id.hydrogens;
    kind->n_bound = q->id.n_bound;
    kind->bound = q->id.bound;
    q->id.order = q->id.hydrogens = NULL;
    q->id.bound = NULL;
    return CG_OK;
}

/* ---- storing conformers ------------------------------------------------------------------- */

/* Adds a molecule to the file for the first record of a group. */
static cg_status add_molecule(struct reader *r, const struct chunk_record *s, size_t molecule,
                              int by_flat_smiles, uint64_t hash, cg_error *err)
{
    cg_conformer_file *f = r->file;
    const struct identified *k = &f->identities->molecules[molecule];
    char *name;

    if (cg_grow((void **)&f->molecules, &r->molecules_cap, f->n_molecules + 1,
                sizeof *f->molecules) ||
        cg_grow((void **)&r->groups, &r->groups_cap, f->n_molecules + 1, sizeof *r->groups) ||
        !(name = strndup(s->sdf.name, s->sdf.name_len)))
        return cg_fail_nomem(err, r->file->path);
    if (cg_index_add(&r->group_index, hash, f->n_molecules)) {
        free(name);
        return cg_fail_nomem(err, r->file->path);
    }
    r->groups[f->n_molecules] =
        (struct group) { .molecule = molecule, .by_flat_smiles = by_flat_smiles };
    f->molecules[f->n_molecules++] = (cg_conformers) {
        .name = name,
        .mol = k->mol,
        .smiles = cg_molecule_smiles(k->mol, NULL),
        .flat_smiles = f->identities->molecules[k->hub].flat_smiles,
        .n_atoms = k->n_heavy,
        .n_hydrogens = k->n_hydrogens,
        .first_record = f->n_records,
    };
    return CG_OK;
}

/* Molecule of the file that a record belongs to: by name and flat SMILES; without a name, by
 * the SMILES it carries, or else by flat SMILES. */
static cg_status find_molecule(struct reader *r, const struct chunk_record *s, size_t *ret_molecule,
                               cg_error *err)
{
    const cg_conformer_file *f = r->file;
    const cg_sdf_record *rec = &s->sdf;
    size_t molecule = r->kinds[s->kind].molecule;
    size_t hub = f->identities->molecules[molecule].hub;
    int by_flat_smiles = rec->name_len || !rec->smiles;
    uint64_t hash =
        XXH3_64bits_withSeed(rec->name, rec->name_len, by_flat_smiles ? hub : ~molecule);

    for (size_t probe = 0, i;
         (i = cg_index_next(&r->group_index, hash, &probe)) != CG_INDEX_NONE;) {
        const struct group *g = &r->groups[i];
        const char *name = f->molecules[i].name;

        if (g->by_flat_smiles == by_flat_smiles && strlen(name) == rec->name_len &&
            !memcmp(name, rec->name, rec->name_len) &&
            (by_flat_smiles ? f->identities->molecules[g->molecule].hub == hub
                            : g->molecule == molecule)) {
            *ret_molecule = i;
            return CG_OK;
        }
    }
    *ret_molecule = f->n_molecules;
    return add_molecule(r, s, molecule, by_flat_smiles, hash, err);
}

/* Appends the hydrogens of a record to its molecule's, in the order of `group`; `own` is the
 * record's molecule. */
static cg_status store_hydrogens(struct reader *r, const struct chunk_record *s,
                                 const struct identified *group, const struct identified *own,
                                 cg_conformers *m, size_t *cap, cg_error *err)
{
    const uint16_t *from = r->kinds[s->kind].hydrogens;
    float(*to)[3];
    size_t size;

    if (!m->n_hydrogens)
        return CG_OK;
    if (cg_mul(m->n_hydrogens, sizeof *m->hydrogens, &size) ||
        cg_grow((void **)&m->hydrogens, cap, m->n + 1, size))
        return cg_fail_nomem(err, r->file->path);
    to = m->hydrogens + m->n * m->n_hydrogens;
    for (size_t i = 0; i < m->n_hydrogens; i++) {
        size_t at = i;

        if (group != own) { /* through their common hub */
            at = group->h_to_hub ? group->h_to_hub[at] : at;
            at = at != CG_NO_ATOM && own->h_from_hub ? own->h_from_hub[at] : at;
        }
        at = at != CG_NO_ATOM ? from[at] : at;
        for (int k = 0; k < 3; k++)
            to[i][k] = at != CG_NO_ATOM ? r->xyz[s->xyz_at + at][k] : NAN;
    }
    return CG_OK;
}

/* Appends all hydrogens of a record on heavy atoms to its molecule's. */
static cg_status store_bound(struct reader *r, const struct chunk_record *s, struct group *g,
                             const struct identified *group, const struct identified *own,
                             cg_conformers *m, cg_error *err)
{
    const struct record_kind *kind = &r->kinds[s->kind];
    size_t n = m->bound_first ? m->bound_first[m->n] : 0;

    if (cg_grow((void **)&m->bound_first, &g->bound_first_cap, m->n + 2, sizeof *m->bound_first) ||
        cg_grow((void **)&m->bound, &g->bound_cap, n + kind->n_bound + 1, sizeof *m->bound))
        return cg_fail_nomem(err, r->file->path);
    m->bound_first[m->n] = n;
    for (size_t i = 0; i < kind->n_bound; i++) {
        uint16_t heavy = kind->bound[i].heavy;

        if (group != own) { /* through their common hub */
            heavy = own->to_hub ? own->to_hub[heavy] : heavy;
            heavy = group->from_hub ? group->from_hub[heavy] : heavy;
        }
        m->bound[n].heavy = heavy;
        memcpy(m->bound[n++].xyz, r->xyz[s->xyz_at + kind->bound[i].atom], sizeof m->bound->xyz);
    }
    m->bound_first[m->n + 1] = n;
    return CG_OK;
}

/* Appends the conformer of a record to its molecule. */
static cg_status store_conformer(struct reader *r, const struct chunk_record *s, cg_error *err)
{
    const struct record_kind *kind = &r->kinds[s->kind];
    const float(*from)[3] = (const float(*)[3])(r->xyz + s->xyz_at);
    const struct identified *group, *own = &r->file->identities->molecules[kind->molecule];
    float(*to)[3];
    cg_conformers *m;
    size_t index, size;

    CG_TRY(find_molecule(r, s, &index, err));
    m = &r->file->molecules[index];
    group = &r->file->identities->molecules[r->groups[index].molecule];
    if (cg_mul(m->n_atoms, sizeof *m->xyz, &size) ||
        cg_grow((void **)&m->xyz, &r->groups[index].cap, m->n + 1, size))
        return cg_fail_nomem(err, r->file->path);
    to = m->xyz + m->n * m->n_atoms;
    for (size_t i = 0; i < m->n_atoms; i++) {
        size_t at = i;

        if (group != own) { /* through their common hub */
            at = group->to_hub ? group->to_hub[at] : at;
            at = own->from_hub ? own->from_hub[at] : at;
        }
        memcpy(to[i], from[kind->order[at]], sizeof to[i]);
    }
    CG_TRY(store_hydrogens(r, s, group, own, m, &r->groups[index].hydrogens_cap, err));
    if (r->kept == CG_KEEP_HYDROGENS)
        CG_TRY(store_bound(r, s, &r->groups[index], group, own, m, err));
    m->n++;
    m->n_stated += kind->from_smiles != 0;
    return CG_OK;
}

/* Counts a broken record under its name; keeps the reason of the first one. */
static cg_status count_broken(struct reader *r, const struct chunk_record *s, const char *reason,
                              cg_error *err)
{
    cg_conformer_file *f = r->file;
    const cg_sdf_record *rec = &s->sdf;
    uint64_t hash = XXH3_64bits(rec->name, rec->name_len);
    char *name, *copy;

    f->n_broken++;
    if (!f->first_broken_reason) {
        cg_error text = CG_ERROR_INIT; /* cg_fail() escapes unprintable bytes */

        cg_fail(&text, CG_ERR_INPUT, "'%s': record %zu ('%.*s'): %s", f->path, f->n_records,
                (int)(rec->name_len < 60 ? rec->name_len : 60), rec->name, reason);
        f->first_broken_reason = strdup(text.msg);
        if (!f->first_broken_reason)
            return cg_fail_nomem(err, r->file->path);
    }
    for (size_t probe = 0, i; (i = cg_index_next(&r->broken_index, hash, &probe)) != CG_INDEX_NONE;)
        if (strlen(f->broken[i].name) == rec->name_len &&
            !memcmp(f->broken[i].name, rec->name, rec->name_len)) {
            f->broken[i].n++;
            return CG_OK;
        }
    if (cg_grow((void **)&f->broken, &r->broken_cap, f->n_broken_names + 1, sizeof *f->broken) ||
        cg_index_add(&r->broken_index, hash, f->n_broken_names))
        return cg_fail_nomem(err, r->file->path);
    name = strndup(rec->name, rec->name_len);
    copy = strdup(reason);
    if (!name || !copy) {
        free(name);
        free(copy);
        return cg_fail_nomem(err, r->file->path);
    }
    f->broken[f->n_broken_names++] = (cg_broken) { name, 1, f->n_records, copy };
    return CG_OK;
}

/* ---- the file ----------------------------------------------------------------------------- */

/* Parses the records of the chunk on all threads, identifies new kinds on all threads, then stores
 * conformers in file order. */
static cg_status process_chunk(struct reader *r, cg_error *err)
{
    size_t room = r->text.len / CG_SDF_MIN_ATOM_BYTES + 1;
    cg_status st = CG_OK;

    if (cg_grow((void **)&r->xyz, &r->xyz_cap, room, sizeof *r->xyz))
        return cg_fail_nomem(err, r->file->path);
    cg_team_loop(r->team, (int64_t)r->n_records, parse_record, r);
    r->n_lookups = 0;
    for (size_t i = 0; i < r->n_records; i++) {
        if (r->records[i].status == CG_ERR_NOMEM)
            return cg_fail_nomem(err, r->file->path);
        if (!r->records[i].reason)
            CG_TRY(find_kind(r, i, err));
    }
    cg_team_loop(r->team, (int64_t)r->n_lookups, run_lookup, r);
    for (size_t i = 0; i < r->n_lookups && st == CG_OK; i++)
        st = store_lookup(r, &r->lookups[i], err);
    for (size_t i = 0; i < r->n_lookups; i++)
        cg_identity_finish(&r->lookups[i].id);
    if (st != CG_OK)
        return st;
    for (size_t i = 0; i < r->n_records; i++) {
        struct chunk_record *s = &r->records[i];
        const char *reason = s->reason ? s->reason : r->kinds[s->kind].reason;

        r->file->n_records++;
        if (reason)
            CG_TRY(count_broken(r, s, reason, err));
        else
            CG_TRY(store_conformer(r, s, err));
    }
    return CG_OK;
}

/* Frees the records of the chunk and moves the unused text to the start. */
static void drop_chunk(struct reader *r, size_t used)
{
    for (size_t i = 0; i < r->n_records; i++)
        free(r->records[i].reason);
    r->n_records = 0;
    if (used)
        memmove(r->text.data, r->text.data + used, r->text.len - used);
    r->text.len -= used;
}

/* Reads the file in chunks of whole records. */
static cg_status read_all(struct reader *r, cg_error *err)
{
    size_t want = CHUNK;

    for (;;) {
        size_t used = 0;
        cg_status st;

        CG_TRY(fill(r, want, err));
        CG_TRY(split(r, &used, err));
        st = process_chunk(r, err);
        drop_chunk(r, used);
        if (st != CG_OK || (r->at_end && !r->text.len))
            return st;
        /* Without a complete record the text must grow, up to a limit. */
        if (used)
            want = CHUNK;
        else if (want >= MAX_RECORD)
            return cg_fail(
                err, CG_ERR_LIMIT,
                "'%s': record %zu has no end ('$$$$') within %d bytes, the limit; wanted an SDF "
                "file",
                r->file->path, r->file->n_records + 1, MAX_RECORD);
        else
            want *= 2;
    }
}

/* Shrinks the arrays to their contents; one that cannot shrink stays as it is. */
static void trim_memory(cg_conformer_file *f)
{
    for (size_t i = 0; i < f->n_molecules; i++) {
        cg_conformers *m = &f->molecules[i];
        void *p = realloc(m->xyz, m->n * m->n_atoms * sizeof *m->xyz);

        m->xyz = p ? p : m->xyz;
        if (!m->n_hydrogens)
            continue;
        p = realloc(m->hydrogens, m->n * m->n_hydrogens * sizeof *m->hydrogens);
        m->hydrogens = p ? p : m->hydrogens;
    }
}

static void reader_finish(struct reader *r)
{
    for (size_t i = 0; i < r->n_kinds; i++) {
        free(r->kinds[i].order);
        free(r->kinds[i].hydrogens);
        free(r->kinds[i].bound);
        free(r->kinds[i].reason);
    }
    free(r->kinds);
    free(r->records);
    free(r->lookups);
    free(r->groups);
    free(r->xyz);
    cg_index_finish(&r->kind_index);
    cg_index_finish(&r->group_index);
    cg_index_finish(&r->broken_index);
    cg_buf_finish(&r->text);
    cg_team_destroy(r->team);
    cg_source_close(r->source);
}

/* Takes ownership of the source. */
static cg_status read_source(const char *path, cg_kept_hydrogens kept, cg_source *source,
                             int n_threads, cg_conformer_file *ret_file, cg_error *err)
{
    cg_conformer_file file = { 0 };
    struct reader r = { .file = &file, .kept = kept, .source = source };
    cg_status st;

    file.path = strdup(path);
    file.identities = calloc(1, sizeof *file.identities);
    if (!file.path || !file.identities) {
        st = cg_fail_nomem(err, path);
        goto out;
    }
    CG_TRY_GOTO(st, cg_team_create(n_threads, &r.team, err), out);
    CG_TRY_GOTO(st, read_all(&r, err), out);
    trim_memory(&file);
    *ret_file = file;
    memset(&file, 0, sizeof file);
out:
    reader_finish(&r);
    cg_conformer_file_finish(&file);
    return st;
}

cg_status cg_conformer_file_read(const char *path, cg_kept_hydrogens kept, int n_threads,
                                 cg_conformer_file *ret_file, cg_error *err)
{
    cg_source *source;

    CG_TRY(cg_source_open(path, NULL, &source, err));
    return read_source(path, kept, source, n_threads, ret_file, err);
}

cg_status cg_conformer_file_read_memory(const char *name, const void *bytes, size_t len,
                                        int n_threads, cg_conformer_file *ret_file, cg_error *err)
{
    cg_source *source;

    CG_TRY(cg_source_open_memory(name, bytes, len, &source, err));
    return read_source(name, CG_KEEP_TEXT_HYDROGENS, source, n_threads, ret_file, err);
}

void cg_conformer_file_finish(cg_conformer_file *file)
{
    if (!file)
        return;
    for (size_t i = 0; i < file->n_molecules; i++) {
        free(file->molecules[i].name);
        free(file->molecules[i].xyz);
        free(file->molecules[i].hydrogens);
        free(file->molecules[i].bound_first);
        free(file->molecules[i].bound);
    }
    for (size_t i = 0; i < file->n_broken_names; i++) {
        free(file->broken[i].name);
        free(file->broken[i].reason);
    }
    free(file->molecules);
    free(file->broken);
    free(file->first_broken_reason);
    free(file->path);
    table_destroy(file->identities);
    memset(file, 0, sizeof *file);
}
