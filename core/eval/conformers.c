/* SPDX-License-Identifier: MIT */
/*
 * Text is taken in batches. Of a batch the records are read by the team; kinds of records (keys of
 * sdf.h) that are new go to RDKit, by the team again; then, in the order of the file, coordinates
 * are brought into their molecule's order and kept.
 */
#include "eval/conformers.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/pool.h"
#include "base/size.h"
#include "eval/identity.h"
#include "eval/index.h"
#include "eval/sdf.h"
#include "io/record.h"
#include "io/source.h"

enum {
    BATCH = 4 << 20,       /* bytes of text */
    MAX_RECORD = 64 << 20, /* bytes of a record, data items included */
};

/* ---- molecules that the records show ------------------------------------------------------ */

/* A molecule by its SMILES. Of those with one graph the first is the hub that others map to. */
struct known {
    cg_molecule *mol;
    char *graph;
    size_t n_heavy;
    size_t hub;         /* place in the table; its own for a hub */
    uint16_t *to_hub;   /* [n_heavy] the hub's atom that is atom i; NULL for a hub */
    uint16_t *from_hub; /* [n_heavy] the atom that is the hub's atom i; NULL for a hub */
};

struct cg_identity_table {
    struct known *known; /* [n] of cap */
    size_t n, cap;
    cg_index by_smiles, by_graph; /* the latter: hubs */
};

static void table_destroy(struct cg_identity_table *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->n; i++) {
        cg_molecule_destroy(t->known[i].mol);
        free(t->known[i].graph);
        free(t->known[i].to_hub);
        free(t->known[i].from_hub);
    }
    free(t->known);
    cg_index_finish(&t->by_smiles);
    cg_index_finish(&t->by_graph);
    free(t);
}

static cg_status map_to_hub(struct known *k, const struct known *hub, cg_error *err)
{
    cg_status st;

    k->to_hub = cg_alloc_array(k->n_heavy, sizeof *k->to_hub);
    k->from_hub = cg_alloc_array(k->n_heavy, sizeof *k->from_hub);
    if (!k->to_hub || !k->from_hub)
        return cg_fail(err, CG_ERR_NOMEM, "molecule of %zu atoms: out of memory", k->n_heavy);
    if (hub->n_heavy != k->n_heavy)
        return cg_fail(err, CG_ERR_UNSUPPORTED,
                       "'%.60s' and '%.60s' have one graph and %zu and "
                       "%zu heavy atoms",
                       cg_molecule_smiles(k->mol, NULL), cg_molecule_smiles(hub->mol, NULL),
                       k->n_heavy, hub->n_heavy);
    st = cg_identity_match(k->mol, hub->mol, k->to_hub, err);
    for (size_t i = 0; st == CG_OK && i < k->n_heavy; i++)
        k->from_hub[k->to_hub[i]] = (uint16_t)i;
    return st;
}

/* Put what RDKit found into the table, or find it there; takes mol and graph from `id`. */
static cg_status table_add(struct cg_identity_table *t, cg_identity *id, size_t *ret_place,
                           cg_error *err)
{
    const char *smiles = cg_molecule_smiles(id->mol, NULL);
    uint64_t hash = cg_index_hash(smiles), graph_hash = cg_index_hash(id->graph);
    struct known k = { .mol = id->mol, .graph = id->graph, .n_heavy = id->n_heavy };
    cg_status st;

    for (size_t probe = 0, i; (i = cg_index_next(&t->by_smiles, hash, &probe)) != CG_INDEX_NONE;)
        if (!strcmp(cg_molecule_smiles(t->known[i].mol, NULL), smiles) &&
            !strcmp(t->known[i].graph, id->graph)) {
            *ret_place = i;
            return CG_OK;
        }
    k.hub = t->n;
    for (size_t probe = 0, i;
         (i = cg_index_next(&t->by_graph, graph_hash, &probe)) != CG_INDEX_NONE;)
        if (!strcmp(t->known[i].graph, id->graph)) {
            k.hub = i;
            break;
        }
    if (k.hub != t->n && (st = map_to_hub(&k, &t->known[k.hub], err)) != CG_OK)
        goto out;
    if (cg_grow((void **)&t->known, &t->cap, t->n + 1, sizeof *t->known) ||
        (k.hub == t->n && cg_index_add(&t->by_graph, graph_hash, t->n)) ||
        cg_index_add(&t->by_smiles, hash, t->n)) {
        st = cg_fail(err, CG_ERR_NOMEM, "out of memory for %zu molecules", t->n);
        goto out;
    }
    id->mol = NULL;
    id->graph = NULL;
    *ret_place = t->n;
    t->known[t->n++] = k;
    return CG_OK;
out:
    free(k.to_hub);
    free(k.from_hub);
    return st;
}

/* ---- what is read in ---------------------------------------------------------------------- */

/* A record of the batch. */
struct slot {
    size_t at, len; /* in the text */
    size_t xyz_at;  /* in the coordinates: room for all atoms that so much text can hold */
    cg_sdf_record record;
    size_t kind;
    cg_status status;
    char *trouble; /* what is wrong with it; NULL for a good one */
};

/* Records of one key and one SMILES. */
struct kind {
    uint64_t key[2];
    size_t n_atoms;
    size_t known;    /* its molecule */
    uint16_t *order; /* [heavy atoms] */
    char *trouble;   /* why RDKit did not take it; NULL where it did */
};

/* What RDKit says of a new kind. */
struct question {
    size_t kind, slot;
    cg_identity id;
    cg_status status;
    cg_error err;
};

/* What a molecule of the file has besides. */
struct group {
    size_t known;
    size_t cap;   /* conformers that its memory holds */
    int by_graph; /* the group takes every molecule of its graph */
};

struct reading {
    cg_conformer_file *file;
    cg_source *source;
    cg_team *team;
    cg_buf text;
    float (*xyz)[3];
    size_t xyz_cap;
    struct slot *slots;
    size_t n_slots, slots_cap;
    struct kind *kinds;
    size_t n_kinds, kinds_cap;
    cg_index kind_index;
    struct question *questions;
    size_t n_questions, questions_cap;
    struct group *groups; /* [file->n_molecules] */
    size_t molecules_cap, groups_cap;
    cg_index group_index;
    size_t broken_cap;
    cg_index broken_index;
    int at_end;
    int begun; /* the beginning of the file was looked at */
};

static cg_status nomem(const struct reading *r, cg_error *err)
{
    return cg_fail(err, CG_ERR_NOMEM, "'%s': out of memory after %zu records", r->file->path,
                   r->file->n_records);
}

/* ---- cutting text into records ------------------------------------------------------------ */

static cg_status check_beginning(struct reading *r, cg_error *err)
{
    cg_record_format format;

    r->begun = 1;
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

static cg_status add_slot(struct reading *r, size_t at, size_t end, cg_error *err)
{
    size_t blanks = at;

    while (blanks < end && strchr(" \t\r\n", r->text.data[blanks]))
        blanks++;
    if (blanks == end && r->at_end && end == r->text.len)
        return CG_OK; /* nothing but line ends behind the last record */
    if (cg_grow((void **)&r->slots, &r->slots_cap, r->n_slots + 1, sizeof *r->slots))
        return nomem(r, err);
    r->slots[r->n_slots++] = (struct slot) {
        .at = at,
        .len = end - at,
        .xyz_at = at / CG_SDF_MIN_ATOM_BYTES,
    };
    return CG_OK;
}

/* Slots for the whole records of the text; *ret_used: the bytes that they take. */
static cg_status cut(struct reading *r, size_t *ret_used, cg_error *err)
{
    const char *text = r->text.data;
    size_t start = 0, at = 0, len = r->text.len;
    cg_status st;

    r->n_slots = 0;
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
        if ((st = add_slot(r, start, where, err)) != CG_OK)
            return st;
        start = at = lf ? (size_t)(lf - text) + 1 : len;
    }
    if (r->at_end && start < len) {
        if ((st = add_slot(r, start, len, err)) != CG_OK)
            return st;
        start = len;
    }
    *ret_used = start;
    return CG_OK;
}

/* Read on until `want` bytes of text are there, or the end. */
static cg_status fill(struct reading *r, size_t want, cg_error *err)
{
    while (!r->at_end && r->text.len < want) {
        size_t n;
        cg_status st;

        if (cg_buf_reserve(&r->text, want - r->text.len))
            return nomem(r, err);
        st = cg_source_read(r->source, r->text.data + r->text.len, want - r->text.len, &n, err);
        if (st != CG_OK)
            return st;
        r->text.len += n;
        r->text.data[r->text.len] = '\0';
        r->at_end = !n;
    }
    return r->begun ? CG_OK : check_beginning(r, err);
}

/* ---- reading records ---------------------------------------------------------------------- */

static void read_slot(void *ctx, int64_t i, int worker)
{
    struct reading *r = ctx;
    struct slot *s = &r->slots[i];
    cg_error err = CG_ERROR_INIT;

    (void)worker;
    s->status = cg_sdf_read(r->text.data + s->at, s->len, r->xyz + s->xyz_at,
                            s->len / CG_SDF_MIN_ATOM_BYTES, &s->record, &err);
    if (s->status != CG_OK && !(s->trouble = strdup(err.msg)))
        s->status = CG_ERR_NOMEM;
}

static cg_status add_kind(struct reading *r, size_t slot, const uint64_t key[2], uint64_t hash,
                          cg_error *err)
{
    if (cg_grow((void **)&r->kinds, &r->kinds_cap, r->n_kinds + 1, sizeof *r->kinds) ||
        cg_grow((void **)&r->questions, &r->questions_cap, r->n_questions + 1,
                sizeof *r->questions) ||
        cg_index_add(&r->kind_index, hash, r->n_kinds))
        return nomem(r, err);
    r->questions[r->n_questions++] =
        (struct question) { .kind = r->n_kinds, .slot = slot, .err = CG_ERROR_INIT };
    r->kinds[r->n_kinds++] = (struct kind) {
        .key = { key[0], key[1] },
        .n_atoms = r->slots[slot].record.n_atoms,
    };
    return CG_OK;
}

/* The kind of a record; a new one becomes a question. */
static cg_status find_kind(struct reading *r, size_t slot, cg_error *err)
{
    struct slot *s = &r->slots[slot];
    const cg_sdf_record *rec = &s->record;
    XXH128_hash_t smiles = XXH3_128bits(rec->smiles ? rec->smiles : "", rec->smiles_len);
    uint64_t key[2] = { rec->key[0] ^ smiles.low64, rec->key[1] ^ smiles.high64 };

    for (size_t probe = 0, i; (i = cg_index_next(&r->kind_index, key[0], &probe)) != CG_INDEX_NONE;)
        if (r->kinds[i].key[0] == key[0] && r->kinds[i].key[1] == key[1] &&
            r->kinds[i].n_atoms == rec->n_atoms) {
            s->kind = i;
            return CG_OK;
        }
    s->kind = r->n_kinds;
    return add_kind(r, slot, key, key[0], err);
}

static void ask(void *ctx, int64_t i, int worker)
{
    struct reading *r = ctx;
    struct question *q = &r->questions[i];
    const cg_sdf_record *rec = &r->slots[q->slot].record;
    char *block = malloc(rec->block_len + 2);

    (void)worker;
    if (!block) {
        q->status = cg_fail(&q->err, CG_ERR_NOMEM, "out of memory");
        return;
    }
    memcpy(block, rec->block, rec->block_len);
    memcpy(block + rec->block_len, "\n", 2); /* the last line of a file may lack it */
    q->status =
        cg_identity_find(block, rec->n_atoms, rec->smiles, rec->smiles_len, &q->id, &q->err);
    free(block);
}

/* Put the answer to a question where the records of its kind find it. */
static cg_status settle(struct reading *r, struct question *q, cg_error *err)
{
    struct kind *kind = &r->kinds[q->kind];

    if (q->status == CG_OK)
        q->status = table_add(r->file->identities, &q->id, &kind->known, &q->err);
    if (q->status == CG_ERR_NOMEM)
        return nomem(r, err);
    if (q->status != CG_OK) {
        kind->trouble = strdup(q->err.msg);
        return kind->trouble ? CG_OK : nomem(r, err);
    }
    kind->order = q->id.order;
    q->id.order = NULL;
    return CG_OK;
}

/* ---- keeping conformers ------------------------------------------------------------------- */

static cg_status add_molecule(struct reading *r, const struct slot *s, size_t known, int by_graph,
                              uint64_t hash, cg_error *err)
{
    cg_conformer_file *f = r->file;
    const struct known *k = &f->identities->known[known];
    char *name;

    if (cg_grow((void **)&f->molecules, &r->molecules_cap, f->n_molecules + 1,
                sizeof *f->molecules) ||
        cg_grow((void **)&r->groups, &r->groups_cap, f->n_molecules + 1, sizeof *r->groups) ||
        !(name = strndup(s->record.name, s->record.name_len)))
        return nomem(r, err);
    if (cg_index_add(&r->group_index, hash, f->n_molecules)) {
        free(name);
        return nomem(r, err);
    }
    r->groups[f->n_molecules] = (struct group) { .known = known, .by_graph = by_graph };
    f->molecules[f->n_molecules++] = (cg_conformers) {
        .name = name,
        .mol = k->mol,
        .smiles = cg_molecule_smiles(k->mol, NULL),
        .graph = f->identities->known[k->hub].graph,
        .n_atoms = k->n_heavy,
        .first_record = f->n_records,
    };
    return CG_OK;
}

/* Where the record of a molecule belongs: the molecule of its name and graph; without a name, of
 * the SMILES it carries, or of its graph. */
static cg_status find_molecule(struct reading *r, const struct slot *s, size_t *ret, cg_error *err)
{
    const cg_conformer_file *f = r->file;
    const cg_sdf_record *rec = &s->record;
    size_t known = r->kinds[s->kind].known;
    size_t hub = f->identities->known[known].hub;
    int by_graph = rec->name_len || !rec->smiles;
    uint64_t hash = XXH3_64bits_withSeed(rec->name, rec->name_len, by_graph ? hub : ~known);

    for (size_t probe = 0, i;
         (i = cg_index_next(&r->group_index, hash, &probe)) != CG_INDEX_NONE;) {
        const struct group *g = &r->groups[i];
        const char *name = f->molecules[i].name;

        if (g->by_graph == by_graph && strlen(name) == rec->name_len &&
            !memcmp(name, rec->name, rec->name_len) &&
            (by_graph ? f->identities->known[g->known].hub == hub : g->known == known)) {
            *ret = i;
            return CG_OK;
        }
    }
    *ret = f->n_molecules;
    return add_molecule(r, s, known, by_graph, hash, err);
}

static cg_status keep(struct reading *r, const struct slot *s, cg_error *err)
{
    const struct kind *kind = &r->kinds[s->kind];
    const float(*from)[3] = (const float(*)[3])(r->xyz + s->xyz_at);
    const struct known *mine, *theirs = &r->file->identities->known[kind->known];
    float(*to)[3];
    cg_conformers *m;
    size_t place, size;
    cg_status st;

    if ((st = find_molecule(r, s, &place, err)) != CG_OK)
        return st;
    m = &r->file->molecules[place];
    mine = &r->file->identities->known[r->groups[place].known];
    if (cg_mul(m->n_atoms, sizeof *m->xyz, &size) ||
        cg_grow((void **)&m->xyz, &r->groups[place].cap, m->n + 1, size))
        return nomem(r, err);
    to = m->xyz + m->n * m->n_atoms;
    for (size_t i = 0; i < m->n_atoms; i++) {
        size_t at = i;

        if (mine != theirs) { /* over the hub of both */
            at = mine->to_hub ? mine->to_hub[at] : at;
            at = theirs->from_hub ? theirs->from_hub[at] : at;
        }
        memcpy(to[i], from[kind->order[at]], sizeof to[i]);
    }
    m->n++;
    return CG_OK;
}

static cg_status count_broken(struct reading *r, const struct slot *s, const char *trouble,
                              cg_error *err)
{
    cg_conformer_file *f = r->file;
    const cg_sdf_record *rec = &s->record;
    uint64_t hash = XXH3_64bits(rec->name, rec->name_len);
    char *name;

    f->n_broken++;
    if (!f->first_trouble) {
        cg_error text = CG_ERROR_INIT; /* cg_fail() makes hostile bytes readable */

        cg_fail(&text, CG_ERR_INPUT, "'%s': record %zu ('%.*s'): %s", f->path, f->n_records,
                (int)(rec->name_len < 60 ? rec->name_len : 60), rec->name, trouble);
        f->first_trouble = strdup(text.msg);
        if (!f->first_trouble)
            return nomem(r, err);
    }
    for (size_t probe = 0, i; (i = cg_index_next(&r->broken_index, hash, &probe)) != CG_INDEX_NONE;)
        if (strlen(f->broken[i].name) == rec->name_len &&
            !memcmp(f->broken[i].name, rec->name, rec->name_len)) {
            f->broken[i].n++;
            return CG_OK;
        }
    if (cg_grow((void **)&f->broken, &r->broken_cap, f->n_broken_names + 1, sizeof *f->broken) ||
        cg_index_add(&r->broken_index, hash, f->n_broken_names) ||
        !(name = strndup(rec->name, rec->name_len)))
        return nomem(r, err);
    f->broken[f->n_broken_names++] = (cg_broken) { name, 1 };
    return CG_OK;
}

/* ---- the file ----------------------------------------------------------------------------- */

static cg_status take_batch(struct reading *r, cg_error *err)
{
    size_t room = r->text.len / CG_SDF_MIN_ATOM_BYTES + 1;
    cg_status st = CG_OK;

    if (cg_grow((void **)&r->xyz, &r->xyz_cap, room, sizeof *r->xyz))
        return nomem(r, err);
    cg_team_loop(r->team, (int64_t)r->n_slots, read_slot, r);
    r->n_questions = 0;
    for (size_t i = 0; i < r->n_slots; i++) {
        if (r->slots[i].status == CG_ERR_NOMEM)
            return nomem(r, err);
        if (!r->slots[i].trouble && (st = find_kind(r, i, err)) != CG_OK)
            return st;
    }
    cg_team_loop(r->team, (int64_t)r->n_questions, ask, r);
    for (size_t i = 0; i < r->n_questions; i++) {
        if (st == CG_OK)
            st = settle(r, &r->questions[i], err);
        cg_identity_finish(&r->questions[i].id);
    }
    for (size_t i = 0; st == CG_OK && i < r->n_slots; i++) {
        struct slot *s = &r->slots[i];
        const char *trouble = s->trouble ? s->trouble : r->kinds[s->kind].trouble;

        r->file->n_records++;
        st = trouble ? count_broken(r, s, trouble, err) : keep(r, s, err);
    }
    return st;
}

static void end_batch(struct reading *r, size_t used)
{
    for (size_t i = 0; i < r->n_slots; i++)
        free(r->slots[i].trouble);
    r->n_slots = 0;
    if (used)
        memmove(r->text.data, r->text.data + used, r->text.len - used);
    r->text.len -= used;
}

static cg_status read_all(struct reading *r, cg_error *err)
{
    size_t want = BATCH;

    for (;;) {
        size_t used = 0;
        cg_status st = fill(r, want, err);

        if (st == CG_OK)
            st = cut(r, &used, err);
        if (st == CG_OK)
            st = take_batch(r, err);
        end_batch(r, used);
        if (st != CG_OK || (r->at_end && !r->text.len))
            return st;
        /* A record longer than what is there: more text, up to a bound. */
        if (used)
            want = BATCH;
        else if (want >= MAX_RECORD)
            return cg_fail(err, CG_ERR_LIMIT,
                           "'%s': record %zu has more than %d bytes, wanted an SDF", r->file->path,
                           r->file->n_records + 1, MAX_RECORD);
        else
            want *= 2;
    }
}

/* Give back what the arrays have too much; where that fails they stay as they are. */
static void trim_memory(cg_conformer_file *f)
{
    for (size_t i = 0; i < f->n_molecules; i++) {
        cg_conformers *m = &f->molecules[i];
        void *p = realloc(m->xyz, m->n * m->n_atoms * sizeof *m->xyz);

        m->xyz = p ? p : m->xyz;
    }
}

static void reading_finish(struct reading *r)
{
    for (size_t i = 0; i < r->n_kinds; i++) {
        free(r->kinds[i].order);
        free(r->kinds[i].trouble);
    }
    free(r->kinds);
    free(r->slots);
    free(r->questions);
    free(r->groups);
    free(r->xyz);
    cg_index_finish(&r->kind_index);
    cg_index_finish(&r->group_index);
    cg_index_finish(&r->broken_index);
    cg_buf_finish(&r->text);
    cg_team_destroy(r->team);
    cg_source_close(r->source);
}

/* Takes the source. */
static cg_status read_source(const char *path, cg_source *source, int n_threads,
                             cg_conformer_file *ret_file, cg_error *err)
{
    cg_conformer_file file = { 0 };
    struct reading r = { .file = &file, .source = source };
    cg_status st;

    file.path = strdup(path);
    file.identities = calloc(1, sizeof *file.identities);
    if (!file.path || !file.identities)
        st = cg_fail(err, CG_ERR_NOMEM, "'%s': out of memory", path);
    else
        st = cg_team_create(n_threads, &r.team, err);
    if (st == CG_OK)
        st = read_all(&r, err);
    reading_finish(&r);
    if (st == CG_OK) {
        trim_memory(&file);
        *ret_file = file;
    } else {
        cg_conformer_file_finish(&file);
    }
    return st;
}

cg_status cg_conformer_file_read(const char *path, int n_threads, cg_conformer_file *ret_file,
                                 cg_error *err)
{
    cg_source *source;
    cg_status st = cg_source_open(path, &source, err);

    return st == CG_OK ? read_source(path, source, n_threads, ret_file, err) : st;
}

cg_status cg_conformer_file_read_memory(const char *name, const void *bytes, size_t len,
                                        int n_threads, cg_conformer_file *ret_file, cg_error *err)
{
    cg_source *source;
    cg_status st = cg_source_open_memory(name, bytes, len, &source, err);

    return st == CG_OK ? read_source(name, source, n_threads, ret_file, err) : st;
}

void cg_conformer_file_finish(cg_conformer_file *file)
{
    if (!file)
        return;
    for (size_t i = 0; i < file->n_molecules; i++) {
        free(file->molecules[i].name);
        free(file->molecules[i].xyz);
    }
    for (size_t i = 0; i < file->n_broken_names; i++)
        free(file->broken[i].name);
    free(file->molecules);
    free(file->broken);
    free(file->first_trouble);
    free(file->path);
    table_destroy(file->identities);
    memset(file, 0, sizeof *file);
}
