/* SPDX-License-Identifier: MIT */
#include "eval/evaluate.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/index.h"
#include "base/pool.h"
#include "base/size.h"
#include "chem/rdkit_c.h"
#include "chem/rdkit_fail.h"
#include "eval/configuration.h"
#include "eval/identity.h"
#include "eval/recovery.h"
#include "eval/rmsd.h"

enum {
    FEW_MAPS = 16,   /* automorphisms tried for the pairs that remain at a molecule's time limit */
    MAX_ISOMERS = 8, /* references of one formula that are tried as another state of a molecule */
};

/* ---- mismatches --------------------------------------------------------------------------- */

/* The list of mismatches under construction. */
struct mismatch_list {
    cg_eval_mismatch *items;
    size_t n, cap;
};

static void free_mismatch(cg_eval_mismatch *m)
{
    free(m->name);
    free(m->found);
    free(m->wanted);
}

static void mismatch_list_finish(struct mismatch_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        free_mismatch(&list->items[i]);
    free(list->items);
}

/* Copies the texts of `like`. */
static cg_status add_mismatch(struct mismatch_list *list, const cg_eval_mismatch *like,
                              cg_error *err)
{
    cg_eval_mismatch m = *like;

    m.name = strdup(like->name);
    m.found = strdup(like->found);
    m.wanted = strdup(like->wanted);
    if (!m.name || !m.found || !m.wanted ||
        cg_grow((void **)&list->items, &list->cap, list->n + 1, sizeof *list->items)) {
        free_mismatch(&m);
        return cg_fail_nomem(err, "evaluation");
    }
    list->items[list->n++] = m;
    return CG_OK;
}

/* Adds the records of m, which show another molecule than the reference; *ret_fault is the kind. */
static cg_status add_foreign(struct mismatch_list *list, int is_reference, const cg_conformers *m,
                             const cg_conformers *wanted, cg_eval_fault *ret_fault, cg_error *err)
{
    static const cg_eval_fault faults[] = {
        [CG_RELATION_OTHER] = CG_FAULT_MOLECULE,
        [CG_RELATION_PROTONATION] = CG_FAULT_PROTONATION,
        [CG_RELATION_TAUTOMER] = CG_FAULT_TAUTOMER,
    };
    cg_relation relation = CG_RELATION_OTHER;

    CG_TRY(cg_identity_relation(m->mol, wanted->mol, &relation, err));
    *ret_fault = faults[relation];
    return add_mismatch(list,
                        &(cg_eval_mismatch) { .fault = *ret_fault,
                                              .is_reference = is_reference,
                                              .n = m->n,
                                              .first_record = m->first_record,
                                              .name = m->name,
                                              .found = (char *)(uintptr_t)m->smiles,
                                              .wanted = (char *)(uintptr_t)wanted->smiles },
                        err);
}

static cg_status add_broken(struct mismatch_list *list, int is_reference, const cg_broken *b,
                            const char *wanted, cg_error *err)
{
    return add_mismatch(list,
                        &(cg_eval_mismatch) { .fault = CG_FAULT_BROKEN,
                                              .is_reference = is_reference,
                                              .n = b->n,
                                              .first_record = b->first_record,
                                              .name = b->name,
                                              .found = b->reason,
                                              .wanted = (char *)(uintptr_t)wanted },
                        err);
}

/* Moves the list to the result: references first, by fault, in order. */
static cg_status store_mismatches(struct mismatch_list *list, cg_eval_result *result, cg_error *err)
{
    size_t n = 0;

    result->mismatches = cg_alloc_array(list->n ? list->n : 1, sizeof *result->mismatches);
    if (!result->mismatches)
        return cg_fail_nomem(err, "evaluation");
    for (int file = 1; file >= 0; file--)
        for (int fault = 0; fault < CG_FAULT_COUNT; fault++)
            for (size_t i = 0; i < list->n; i++)
                if (list->items[i].is_reference == file && (int)list->items[i].fault == fault)
                    result->mismatches[n++] = list->items[i];
    result->n_mismatches = n;
    list->n = 0;
    return CG_OK;
}

/* ---- references --------------------------------------------------------------------------- */

/* The molecules of the reference file that are evaluated: one for each name. */
struct references {
    cg_conformer_file file; /* as the file that was read, with fewer molecules; all borrowed but the
                               array `molecules` */
    size_t *kept;           /* [molecules that were read] index of the one kept of its name */
};

/* Of two molecules with one name, the one that a data item `SMILES` states is kept, or else that of
 * more records. */
static int is_better(const cg_conformers *a, const cg_conformers *b)
{
    if (!a->n_stated != !b->n_stated)
        return a->n_stated > 0;
    return a->n > b->n;
}

static cg_status refuse_foreign(const cg_conformer_file *f, size_t a, size_t b, size_t more,
                                cg_error *err)
{
    const cg_conformers *x = &f->molecules[a], *y = &f->molecules[b];
    char others[64] = "";

    if (more)
        snprintf(others, sizeof others, " (and %zu more such molecule%s)", more,
                 more > 1 ? "s" : "");
    return cg_fail(err, CG_ERR_INPUT,
                   "'%s': records %zu and %zu have the name '%.60s' and are different molecules, "
                   "'%.100s' and '%.100s'%s; --on-mismatch drop evaluates one of them and lists "
                   "the others",
                   f->path, x->first_record, y->first_record, x->name, x->smiles, y->smiles,
                   others);
}

/* Selects a molecule for each name: best[i] is the one of i's name. */
static cg_status find_best(const cg_conformer_file *f, const cg_eval_settings *settings,
                           size_t *first, size_t *best, cg_error *err)
{
    cg_index names = { 0 };
    size_t n_foreign = 0, a = 0, b = 0;
    cg_status st = CG_OK;

    for (size_t i = 0; i < f->n_molecules && st == CG_OK; i++) {
        const char *name = f->molecules[i].name;
        uint64_t hash = cg_index_hash(name);

        first[i] = best[i] = i;
        for (size_t probe = 0, k;
             *name && (k = cg_index_next(&names, hash, &probe)) != CG_INDEX_NONE;)
            if (!strcmp(f->molecules[k].name, name))
                first[i] = k;
        if (first[i] == i) {
            if (*name && cg_index_add(&names, hash, i))
                st = cg_fail_nomem(err, f->path);
            continue;
        }
        if (!n_foreign++) {
            a = first[i];
            b = i;
        }
        if (is_better(&f->molecules[i], &f->molecules[best[first[i]]]))
            best[first[i]] = i;
    }
    for (size_t i = 0; i < f->n_molecules; i++)
        best[i] = best[first[i]];
    if (st == CG_OK && n_foreign && settings->on_mismatch == CG_MISMATCH_ERROR)
        st = refuse_foreign(f, a, b, n_foreign - 1, err);
    cg_index_finish(&names);
    return st;
}

static cg_status select_references(const cg_conformer_file *f, const cg_eval_settings *settings,
                                   struct references *ret_references, cg_error *err)
{
    struct references r = { .file = *f };
    size_t *first = cg_alloc_array(f->n_molecules, sizeof *first);
    size_t *best = cg_alloc_array(f->n_molecules, sizeof *best);
    cg_status st;

    r.file.n_molecules = 0;
    r.file.molecules = cg_alloc_array(f->n_molecules, sizeof *r.file.molecules);
    r.kept = cg_alloc_array(f->n_molecules, sizeof *r.kept);
    if (!first || !best || !r.file.molecules || !r.kept) {
        st = cg_fail_nomem(err, f->path);
        goto out;
    }
    CG_TRY_GOTO(st, find_best(f, settings, first, best, err), out);
    for (size_t i = 0; i < f->n_molecules; i++)
        if (best[i] == i) {
            r.kept[i] = r.file.n_molecules;
            r.file.molecules[r.file.n_molecules++] = f->molecules[i];
        }
    for (size_t i = 0; i < f->n_molecules; i++)
        r.kept[i] = r.kept[best[i]];
    *ret_references = r;
    r = (struct references) { 0 };
out:
    free(first);
    free(best);
    free(r.file.molecules);
    free(r.kept);
    return st;
}

static void references_finish(struct references *r)
{
    free(r->file.molecules);
    free(r->kept);
}

/* ---- assigning generated molecules to references ------------------------------------------ */

struct assignment {
    const cg_conformer_file *ref, *gen;
    cg_index names, smiles, flat_smiles, formulas; /* of the references */
    size_t *owner;             /* [gen molecules] their reference, or CG_INDEX_NONE */
    size_t *first, *next;      /* [ref], [gen] list of generated molecules of a reference */
    unsigned char *own_output; /* [ref] 1: has records under its own name */
    struct mismatch_list mismatches;
    cg_eval_notes notes;
};

/* Hash of the heavy atoms' elements. */
static uint64_t formula_hash(const cg_molecule *mol)
{
    const cg_smiles *graph = cg_molecule_graph(mol);
    uint32_t count[256] = { 0 };

    for (size_t i = 0; i < graph->n_atoms; i++)
        count[graph->atoms[i].element] += graph->atoms[i].element != 1;
    return XXH3_64bits(count, sizeof count);
}

static cg_status index_references(struct assignment *p, cg_error *err)
{
    const cg_conformer_file *f = p->ref;

    for (size_t i = 0; i < f->n_molecules; i++) {
        const cg_conformers *m = &f->molecules[i];

        if ((*m->name && cg_index_add(&p->names, cg_index_hash(m->name), i)) ||
            cg_index_add(&p->smiles, cg_index_hash(m->smiles), i) ||
            cg_index_add(&p->flat_smiles, cg_index_hash(m->flat_smiles), i) ||
            cg_index_add(&p->formulas, formula_hash(m->mol), i))
            return cg_fail_nomem(err, f->path);
    }
    return CG_OK;
}

/* The reference of a name, CG_INDEX_NONE if there is none or the name is empty. */
static size_t find_name(const struct assignment *p, const char *name)
{
    uint64_t hash = cg_index_hash(name);

    for (size_t probe = 0, i;
         *name && (i = cg_index_next(&p->names, hash, &probe)) != CG_INDEX_NONE;)
        if (!strcmp(p->ref->molecules[i].name, name))
            return i;
    return CG_INDEX_NONE;
}

/* The first reference with that SMILES, else with that flat SMILES, that has no output under its
 * name. */
static size_t find_molecule(const struct assignment *p, const cg_conformers *m)
{
    uint64_t hash = cg_index_hash(m->smiles);

    for (size_t probe = 0, i; (i = cg_index_next(&p->smiles, hash, &probe)) != CG_INDEX_NONE;)
        if (!p->own_output[i] && !strcmp(p->ref->molecules[i].smiles, m->smiles))
            return i;
    hash = cg_index_hash(m->flat_smiles);
    for (size_t probe = 0, i; (i = cg_index_next(&p->flat_smiles, hash, &probe)) != CG_INDEX_NONE;)
        if (!p->own_output[i] && !strcmp(p->ref->molecules[i].flat_smiles, m->flat_smiles))
            return i;
    return CG_INDEX_NONE;
}

/* Counts the reference records that are not evaluated: dropped and broken ones. */
static cg_status count_dropped(struct assignment *p, const cg_conformer_file *all,
                               const size_t *kept, cg_eval_molecule *molecules, cg_error *err)
{
    for (size_t i = 0; i < all->n_molecules; i++) {
        const cg_conformers *m = &all->molecules[i], *wanted = &p->ref->molecules[kept[i]];
        cg_eval_fault fault;

        if (m->first_record == wanted->first_record)
            continue;
        CG_TRY(add_foreign(&p->mismatches, 1, m, wanted, &fault, err));
        molecules[kept[i]].n_ref_dropped += m->n;
    }
    for (size_t i = 0; i < all->n_broken_names; i++) {
        const cg_broken *b = &all->broken[i];
        size_t r = find_name(p, b->name);

        if (r != CG_INDEX_NONE)
            molecules[r].n_ref_broken += b->n;
        CG_TRY(add_broken(&p->mismatches, 1, b,
                          r != CG_INDEX_NONE ? p->ref->molecules[r].smiles : "", err));
    }
    return CG_OK;
}

/* The first reference without output of which m is another protonation state or tautomer. */
static cg_status find_state(const struct assignment *p, const cg_conformers *m, size_t *ret_ref,
                            cg_error *err)
{
    uint64_t hash = formula_hash(m->mol);
    int tried = 0;

    *ret_ref = CG_INDEX_NONE;
    for (size_t probe = 0, i;
         tried < MAX_ISOMERS && (i = cg_index_next(&p->formulas, hash, &probe)) != CG_INDEX_NONE;) {
        cg_relation relation = CG_RELATION_OTHER;

        if (p->own_output[i])
            continue;
        tried++;
        CG_TRY(cg_identity_relation(m->mol, p->ref->molecules[i].mol, &relation, err));
        if (relation != CG_RELATION_OTHER) {
            *ret_ref = i;
            return CG_OK;
        }
    }
    return CG_OK;
}

/* Counts records that belong to a reference but show another molecule. */
static cg_status count_wrong(struct assignment *p, const cg_conformers *m, size_t r,
                             cg_eval_molecule *molecules, cg_error *err)
{
    cg_eval_fault fault;

    CG_TRY(add_foreign(&p->mismatches, 0, m, &p->ref->molecules[r], &fault, err));
    molecules[r].n_wrong += m->n;
    molecules[r].n_state += fault == CG_FAULT_MOLECULE ? 0 : m->n;
    return CG_OK;
}

/* Assigns by name and counts wrong and broken records. */
static cg_status assign_by_name(struct assignment *p, cg_eval_molecule *molecules, cg_error *err)
{
    for (size_t i = 0; i < p->gen->n_broken_names; i++) {
        const cg_broken *b = &p->gen->broken[i];
        size_t r = find_name(p, b->name);

        if (r != CG_INDEX_NONE) {
            molecules[r].n_broken += b->n;
            p->own_output[r] = 1;
        }
        CG_TRY(add_broken(&p->mismatches, 0, b,
                          r != CG_INDEX_NONE ? p->ref->molecules[r].smiles : "", err));
    }
    for (size_t g = 0; g < p->gen->n_molecules; g++) {
        const cg_conformers *m = &p->gen->molecules[g];
        size_t r = find_name(p, m->name);

        p->owner[g] = CG_INDEX_NONE;
        if (r == CG_INDEX_NONE)
            continue;
        p->notes.by_name++;
        p->own_output[r] = 1;
        if (!strcmp(m->flat_smiles, p->ref->molecules[r].flat_smiles)) {
            p->owner[g] = r;
            continue;
        }
        CG_TRY(count_wrong(p, m, r, molecules, err));
    }
    return CG_OK;
}

/* Assigns by SMILES or flat SMILES the molecules that have no name, or all others if no name
 * matches a reference. What is another state of a reference is wrong. */
static cg_status assign_by_smiles(struct assignment *p, cg_eval_molecule *molecules, cg_error *err)
{
    int gen_names = 0, names_match = p->notes.by_name > 0;

    for (size_t g = 0; g < p->gen->n_molecules; g++) {
        const cg_conformers *m = &p->gen->molecules[g];
        size_t state = CG_INDEX_NONE;

        gen_names |= *m->name != '\0';
        if (find_name(p, m->name) != CG_INDEX_NONE)
            continue;
        if (!*m->name || !names_match) {
            p->owner[g] = find_molecule(p, m);
            if (p->owner[g] == CG_INDEX_NONE)
                CG_TRY(find_state(p, m, &state, err));
        }
        if (p->owner[g] != CG_INDEX_NONE) {
            p->notes.by_smiles++;
            continue;
        }
        if (state != CG_INDEX_NONE) {
            CG_TRY(count_wrong(p, m, state, molecules, err));
            continue;
        }
        p->notes.extra++;
        CG_TRY(add_mismatch(&p->mismatches,
                            &(cg_eval_mismatch) { .fault = CG_FAULT_NO_REFERENCE,
                                                  .n = m->n,
                                                  .first_record = m->first_record,
                                                  .name = m->name,
                                                  .found = (char *)(uintptr_t)m->smiles,
                                                  .wanted = (char *)"" },
                            err));
    }
    p->notes.names_failed = gen_names && !names_match && p->names.n;
    return CG_OK;
}

/* `kept` maps the molecules of the whole reference file to those of p->ref. */
static cg_status assign(struct assignment *p, const cg_conformer_file *all, const size_t *kept,
                        cg_eval_molecule *molecules, cg_error *err)
{
    size_t n_ref = p->ref->n_molecules, n_gen = p->gen->n_molecules;

    p->owner = cg_alloc_array(n_gen, sizeof *p->owner);
    p->next = cg_alloc_array(n_gen, sizeof *p->next);
    p->first = cg_alloc_array(n_ref, sizeof *p->first);
    p->own_output = calloc(n_ref ? n_ref : 1, 1);
    if (!p->owner || !p->next || !p->first || !p->own_output)
        return cg_fail(err, CG_ERR_NOMEM, "evaluation of %zu molecules: out of memory", n_ref);
    CG_TRY(index_references(p, err));
    CG_TRY(count_dropped(p, all, kept, molecules, err));
    CG_TRY(assign_by_name(p, molecules, err));
    CG_TRY(assign_by_smiles(p, molecules, err));
    for (size_t r = 0; r < n_ref; r++)
        p->first[r] = CG_INDEX_NONE;
    for (size_t g = n_gen; g-- > 0;) /* backwards: lists are then in file order */
        if (p->owner[g] != CG_INDEX_NONE) {
            p->next[g] = p->first[p->owner[g]];
            p->first[p->owner[g]] = g;
            molecules[p->owner[g]].n_gen += p->gen->molecules[g].n;
        }
    return CG_OK;
}

static void assignment_finish(struct assignment *p)
{
    cg_index_finish(&p->names);
    cg_index_finish(&p->smiles);
    cg_index_finish(&p->flat_smiles);
    cg_index_finish(&p->formulas);
    free(p->owner);
    free(p->first);
    free(p->next);
    free(p->own_output);
    mismatch_list_finish(&p->mismatches);
}

/* ---- one molecule ------------------------------------------------------------------------- */

/* Conformers of a molecule by what they show. */
struct stereo_count {
    uint64_t ref[CG_CONFIGURATION_COUNT], gen[CG_CONFIGURATION_COUNT];
};

struct evaluation {
    struct assignment assignment;
    const cg_eval_settings *settings;
    cg_eval_molecule *molecules;
    size_t *order;               /* [n] molecules by decreasing cost */
    cg_status *status;           /* [threads] a thread stops at its first failure */
    cg_error *errors;            /* [threads] */
    size_t *last_molecule;       /* [threads] the one evaluated last: that of the failure, if any */
    struct stereo_count *stereo; /* [n] */
    char **unchecked;            /* [n] reason why a molecule could not be checked, or NULL */
    char **no_parameters;        /* [n] why its relaxation cannot be measured, or NULL */
};

/* Generated conformers of a reference, in its order. */
struct generated {
    float (*xyz)[3];       /* [n][heavy atoms] */
    float (*hydrogens)[3]; /* [n][n_hydrogens of the reference] */
    size_t *bound_first;   /* [n + 1] as in cg_conformers; NULL without settings.relaxation */
    cg_bound_hydrogen *bound;
};

static void generated_finish(struct generated *g)
{
    free(g->xyz);
    free(g->hydrogens);
    free(g->bound_first);
    free(g->bound);
}

/* Makes room for the hydrogens that records of reference r have on heavy atoms, if they were
 * kept. */
static cg_status allocate_bound(const struct assignment *p, size_t r, size_t n_gen,
                                struct generated *out, cg_error *err)
{
    size_t n = 0;

    for (size_t g = p->first[r]; g != CG_INDEX_NONE; g = p->next[g]) {
        const cg_conformers *gen = &p->gen->molecules[g];

        if (!gen->bound_first)
            return CG_OK;
        n += gen->bound_first[gen->n];
    }
    out->bound_first = calloc(n_gen + 1, sizeof *out->bound_first);
    out->bound = cg_alloc_array(n, sizeof *out->bound);
    if (!out->bound_first || !out->bound)
        return cg_fail(err, CG_ERR_NOMEM, "%zu conformers: out of memory", n_gen);
    return CG_OK;
}

/* Copies them from gen's conformers to `out`, from its conformer `at` on. order[i] is gen's heavy
 * atom for heavy atom i of the reference; NULL: the same. */
static void copy_bound(const cg_conformers *gen, const uint16_t *order, size_t at,
                       struct generated *out)
{
    size_t n = out->bound_first[at];

    for (size_t c = 0; c < gen->n; c++) {
        for (size_t i = gen->bound_first[c]; i < gen->bound_first[c + 1]; i++) {
            cg_bound_hydrogen h = gen->bound[i];
            uint16_t heavy = h.heavy;

            for (uint16_t k = 0; order && k < gen->n_atoms; k++)
                if (order[k] == heavy)
                    h.heavy = k;
            out->bound[n++] = h;
        }
        out->bound_first[at + c + 1] = n;
    }
}

/* Copies the hydrogens of gen's conformers to `to`, [gen->n][ref->n_hydrogens]. order[i] is gen's
 * hydrogen for hydrogen i of ref, or CG_NO_ATOM; NULL: the same. */
static void copy_hydrogens(const cg_conformers *ref, const cg_conformers *gen,
                           const uint16_t *order, float (*to)[3])
{
    size_t n = ref->n_hydrogens;

    for (size_t c = 0; c < gen->n; c++)
        for (size_t i = 0; i < n; i++) {
            size_t at = order ? order[i] : i;

            for (int k = 0; k < 3; k++)
                to[c * n + i][k] =
                    at == CG_NO_ATOM ? NAN : gen->hydrogens[c * gen->n_hydrogens + at][k];
        }
}

/* Generated conformers of reference r; generated_finish(). */
static cg_status collect_generated(const struct assignment *p, size_t r, size_t n_gen,
                                   struct generated *ret_generated, cg_error *err)
{
    const cg_conformers *ref = &p->ref->molecules[r];
    size_t n_atoms = ref->n_atoms, values, n_done = 0;
    uint16_t *order = cg_alloc_array(n_atoms, sizeof *order);
    uint16_t *hydrogens = cg_alloc_array(ref->n_hydrogens, sizeof *hydrogens);
    struct generated out = { 0 };
    float(*to)[3];
    cg_status st = CG_OK;

    if (!cg_mul(n_gen, n_atoms, &values))
        out.xyz = cg_alloc_array(values, sizeof *out.xyz);
    if (!cg_mul(n_gen, ref->n_hydrogens, &values))
        out.hydrogens = cg_alloc_array(values, sizeof *out.hydrogens);
    if (!order || !hydrogens || !out.xyz || !out.hydrogens) {
        st = cg_fail(err, CG_ERR_NOMEM, "%zu conformers: out of memory", n_gen);
        goto out;
    }
    CG_TRY_GOTO(st, allocate_bound(p, r, n_gen, &out, err), out);
    to = out.xyz;
    for (size_t g = p->first[r]; g != CG_INDEX_NONE; g = p->next[g]) {
        const cg_conformers *gen = &p->gen->molecules[g];

        if (gen->n_atoms != n_atoms) {
            st = cg_fail(err, CG_ERR_UNSUPPORTED, "found %zu heavy atoms in '%.100s', wanted %zu",
                         gen->n_atoms, gen->smiles, n_atoms);
            goto out;
        }
        if (!strcmp(gen->smiles, ref->smiles)) {
            memcpy(to, gen->xyz, gen->n * n_atoms * sizeof *to);
            copy_hydrogens(ref, gen, NULL, out.hydrogens + n_done * ref->n_hydrogens);
            if (out.bound_first)
                copy_bound(gen, NULL, n_done, &out);
        } else {
            CG_TRY_GOTO(st, cg_identity_match(ref->mol, gen->mol, order, hydrogens, err), out);
            copy_hydrogens(ref, gen, hydrogens, out.hydrogens + n_done * ref->n_hydrogens);
            if (out.bound_first)
                copy_bound(gen, order, n_done, &out);
            for (size_t c = 0; c < gen->n; c++)
                for (size_t i = 0; i < n_atoms; i++)
                    memcpy(to[c * n_atoms + i], gen->xyz[c * n_atoms + order[i]], sizeof *to);
        }
        to += gen->n * n_atoms;
        n_done += gen->n;
    }
    *ret_generated = out;
    out = (struct generated) { 0 };
out:
    free(order);
    free(hydrogens);
    generated_finish(&out);
    return st;
}

static cg_status find_maps(const struct evaluation *e, const cg_conformers *ref,
                           cg_symmetry *ret_symmetry, cg_error *err)
{
    cg_symmetry plain = { .n_atoms = ref->n_atoms, .n_maps = 1 };

    if (e->settings->rmsd == CG_RMSD_BEST)
        return cg_symmetry_find(ref->mol, e->settings->symmetry, e->settings->max_maps,
                                ret_symmetry, err);
    plain.maps = cg_alloc_array(ref->n_atoms, sizeof *plain.maps);
    if (!plain.maps)
        return cg_fail(err, CG_ERR_NOMEM, "molecule of %zu atoms: out of memory", ref->n_atoms);
    for (size_t i = 0; i < ref->n_atoms; i++)
        plain.maps[i] = (uint16_t)i;
    *ret_symmetry = plain;
    return CG_OK;
}

/* Compares torsions, if the molecule has any that are compared. */
static cg_status compare_torsions(const cg_conformers *ref, const float (*gen_xyz)[3],
                                  cg_eval_molecule *m, cg_error *err)
{
    cg_torsions *torsions = NULL;
    cg_status st = CG_OK;

    CG_TRY(cg_torsions_create(ref->smiles, ref->n_atoms, &torsions, err));
    if (torsions)
        st = cg_recovery_torsions(torsions, (const float(*)[3])ref->xyz, ref->n, gen_xyz, m->n_gen,
                                  ref->n_atoms, &m->bioactive, err);
    cg_torsions_destroy(torsions);
    return st;
}

static cg_status compare(const struct evaluation *e, const cg_conformers *ref,
                         const float (*gen_xyz)[3], cg_eval_molecule *m, cg_error *err)
{
    cg_rmsd_limits limits = { .seconds = e->settings->seconds, .few_maps = FEW_MAPS };
    cg_rmsd_set *a = NULL, *b = NULL;
    cg_symmetry symmetry = { 0 };
    cg_rmsd_count count = { 0 };
    cg_status st;

    CG_TRY(find_maps(e, ref, &symmetry, err));
    m->n_maps = symmetry.n_maps;
    m->maps_limited = symmetry.limited;
    m->ref_min = cg_alloc_array(m->n_ref, sizeof *m->ref_min);
    m->gen_min = cg_alloc_array(m->n_gen, sizeof *m->gen_min);
    if (!m->ref_min || !m->gen_min) {
        st = cg_fail_nomem(err, "RMSD");
        goto out;
    }
    CG_TRY_GOTO(st, cg_rmsd_set_create((const float(*)[3])ref->xyz, ref->n, ref->n_atoms, &a, err),
                out);
    if (e->settings->bioactive) {
        CG_TRY_GOTO(st,
                    cg_recovery_compare(a, m->n_ref, gen_xyz, m->n_gen, &symmetry, &limits,
                                        m->ref_min, m->gen_min, &m->bioactive, &count, err),
                    out);
        m->time_limited = count.limited;
        st = compare_torsions(ref, gen_xyz, m, err);
        goto out;
    }
    CG_TRY_GOTO(st, cg_rmsd_set_create(gen_xyz, m->n_gen, ref->n_atoms, &b, err), out);
    CG_TRY_GOTO(st, cg_rmsd_minima(a, b, &symmetry, &limits, m->ref_min, m->gen_min, &count, err),
                out);
    m->time_limited = count.limited;
out:
    cg_rmsd_set_destroy(a);
    cg_rmsd_set_destroy(b);
    cg_symmetry_finish(&symmetry);
    return st;
}

/* Coordinates in the order of the SMILES, from those of heavy atoms and of hydrogens. */
static void merge_atoms(const cg_molecule *mol, const float (*heavy)[3],
                        const float (*hydrogens)[3], float (*out)[3])
{
    const cg_smiles *graph = cg_molecule_graph(mol);

    for (size_t i = 0; i < graph->n_atoms; i++)
        memcpy(out[i], graph->atoms[i].element == 1 ? *hydrogens++ : *heavy++, sizeof out[i]);
}

static void count_verdict(cg_eval_molecule *m, const cg_verdict *v)
{
    m->checked++;
    m->passed_all += !v->failed && !v->unchecked;
    m->unchecked += !v->failed && v->unchecked;
    for (int k = 0; k < CG_CHECK_COUNT; k++) {
        m->check_done[k] += v->done >> k & 1;
        m->check_failed[k] += v->failed >> k & 1;
        m->check_unchecked[k] += v->unchecked >> k & 1;
    }
}

/* *ret_unchecked: why some tests cannot be done for the molecule; NULL if all can. */
static cg_status check(const cg_conformers *ref, const struct generated *gen, cg_eval_molecule *m,
                       char **ret_unchecked, cg_error *err)
{
    float(*xyz)[3] = cg_alloc_array(cg_molecule_n_atoms(ref->mol), sizeof *xyz);
    cg_checker *checker = NULL;
    const char *reason;
    cg_status st = CG_OK;

    if (!xyz) {
        st = cg_fail_nomem(err, "checks");
        goto out;
    }
    CG_TRY_GOTO(st, cg_checker_create(ref->mol, &checker, err), out);
    if (cg_checker_unchecked(checker, &reason) && !(*ret_unchecked = strdup(reason))) {
        st = cg_fail_nomem(err, "checks");
        goto out;
    }
    for (size_t i = 0; i < m->n_gen; i++) {
        cg_verdict verdict = { 0 };

        merge_atoms(ref->mol, (const float(*)[3])gen->xyz + i * ref->n_atoms,
                    (const float(*)[3])gen->hydrogens + i * ref->n_hydrogens, xyz);
        CG_TRY_GOTO(st, cg_checker_run(checker, (const float(*)[3])xyz, &verdict, err), out);
        count_verdict(m, &verdict);
    }
out:
    free(xyz);
    cg_checker_destroy(checker);
    return st;
}

/* Measures relaxation energies. *ret_reason: why MMFF94 cannot; NULL if it can. */
static cg_status relax(const cg_conformers *ref, const struct generated *gen, cg_eval_molecule *m,
                       char **ret_reason, cg_error *err)
{
    const size_t n_text = cg_molecule_n_atoms(ref->mol);
    cg_relaxation_input input = {
        .mol = ref->mol, .n = m->n_gen, .bound_first = gen->bound_first, .bound = gen->bound
    };
    float(*xyz)[3] = NULL;
    float *energies = cg_alloc_array(m->n_gen, sizeof *energies);
    cg_error reason = CG_ERROR_INIT;
    size_t size;
    cg_status st;

    if (!cg_mul(m->n_gen, n_text, &size))
        xyz = cg_alloc_array(size, sizeof *xyz);
    if (!energies || !xyz) {
        st = cg_fail_nomem(err, "relaxation energies");
        goto out;
    }
    for (size_t i = 0; i < m->n_gen; i++)
        merge_atoms(ref->mol, (const float(*)[3])gen->xyz + i * ref->n_atoms,
                    (const float(*)[3])gen->hydrogens + i * ref->n_hydrogens, xyz + i * n_text);
    input.xyz = (const float(*)[3])xyz;
    st = cg_relaxation_measure(&input, energies, &reason);
    if (st == CG_ERR_UNSUPPORTED) {
        *ret_reason = strdup(reason.msg);
        st = *ret_reason ? CG_OK : cg_fail_nomem(err, "relaxation energies");
    } else if (st != CG_OK) {
        cg_fail(err, st, "%s", reason.msg);
    } else {
        m->relaxation_energy = energies;
        energies = NULL;
    }
out:
    free(xyz);
    free(energies);
    return st;
}

/* Judges the stereo of all conformers of a molecule. */
static cg_status judge_stereo(const cg_conformers *ref, const float (*gen_xyz)[3],
                              cg_eval_molecule *m, struct stereo_count *count, cg_error *err)
{
    cg_configuration *c = NULL;
    cg_configuration_verdict verdict;
    cg_status st;

    CG_TRY(cg_configuration_create(ref, &c, err));
    for (size_t i = 0; i < ref->n; i++) {
        CG_TRY_GOTO(st,
                    cg_configuration_judge(c, (const float(*)[3])ref->xyz + i * ref->n_atoms,
                                           &verdict, err),
                    out);
        count->ref[verdict]++;
    }
    for (size_t i = 0; i < m->n_gen; i++) {
        CG_TRY_GOTO(st, cg_configuration_judge(c, gen_xyz + i * ref->n_atoms, &verdict, err), out);
        count->gen[verdict]++;
    }
    m->n_stereo = count->gen[CG_CONFIGURATION_ENANTIOMER] + count->gen[CG_CONFIGURATION_OTHER];
    m->n_ref_stereo = count->ref[CG_CONFIGURATION_ENANTIOMER] + count->ref[CG_CONFIGURATION_OTHER];
    m->stereo_untested = cg_configuration_untested(c) || count->ref[CG_CONFIGURATION_UNKNOWN] ||
                         count->gen[CG_CONFIGURATION_UNKNOWN];
    st = CG_OK;
out:
    cg_configuration_destroy(c);
    return st;
}

/* Rotatable bonds, as counted by RDKit. */
static cg_status count_rotatable(const cg_conformers *ref, cg_eval_molecule *m, cg_error *err)
{
    size_t size = 0;
    char *pkl = get_mol(ref->smiles, &size, "{}");
    char *text = pkl ? get_descriptors(pkl, size) : NULL;
    json_t *root = text ? json_loads(text, 0, NULL) : NULL;
    json_t *value = json_object_get(root, "NumRotatableBonds");
    cg_status st = CG_OK;

    if (json_is_number(value))
        m->n_rotatable = (uint32_t)json_number_value(value);
    else
        st = cg_rdkit_fail(err, CG_ERR_UNSUPPORTED, "RDKit cannot count its rotatable bonds");
    json_decref(root);
    free_ptr(text);
    free_ptr(pkl);
    return st;
}

static cg_status evaluate_molecule(const struct evaluation *e, size_t r, cg_error *err)
{
    const cg_conformers *ref = &e->assignment.ref->molecules[r];
    cg_eval_molecule *m = &e->molecules[r];
    double start = cg_now();
    struct generated gen = { 0 };
    cg_status st;

    CG_TRY_GOTO(st, count_rotatable(ref, m, err), out);
    if (m->n_gen) {
        CG_TRY_GOTO(st, collect_generated(&e->assignment, r, m->n_gen, &gen, err), out);
        CG_TRY_GOTO(st, compare(e, ref, (const float(*)[3])gen.xyz, m, err), out);
        if (e->settings->checks)
            CG_TRY_GOTO(st, check(ref, &gen, m, &e->unchecked[r], err), out);
        if (e->settings->relaxation)
            CG_TRY_GOTO(st, relax(ref, &gen, m, &e->no_parameters[r], err), out);
    }
    CG_TRY_GOTO(st, judge_stereo(ref, (const float(*)[3])gen.xyz, m, &e->stereo[r], err), out);
    cg_eval_molecule_figures(m, e->settings->delta);
    m->seconds = cg_now() - start;
out:
    generated_finish(&gen);
    return st;
}

static void evaluate_item(void *ctx, int64_t i, int worker)
{
    struct evaluation *e = ctx;
    size_t r = e->order[i];

    if (e->status[worker] != CG_OK)
        return;
    e->status[worker] = evaluate_molecule(e, r, &e->errors[worker]);
    e->last_molecule[worker] = r;
}

/* ---- all molecules ------------------------------------------------------------------------ */

struct cost {
    double cost;
    size_t molecule;
};

static int decreasing(const void *a, const void *b)
{
    const struct cost *x = a, *y = b;

    if (x->cost != y->cost)
        return x->cost < y->cost ? 1 : -1;
    return (x->molecule > y->molecule) - (x->molecule < y->molecule);
}

/* Most expensive molecules first, so that all threads finish at about the same time. */
static cg_status order_molecules(struct evaluation *e, cg_error *err)
{
    size_t n = e->assignment.ref->n_molecules;
    struct cost *costs = cg_alloc_array(n, sizeof *costs);

    e->order = cg_alloc_array(n, sizeof *e->order);
    if (!costs || !e->order) {
        free(costs);
        return cg_fail(err, CG_ERR_NOMEM, "evaluation of %zu molecules: out of memory", n);
    }
    for (size_t i = 0; i < n; i++)
        costs[i] =
            (struct cost) { (double)e->molecules[i].n_ref * (double)e->molecules[i].n_gen, i };
    qsort(costs, n, sizeof *costs, decreasing);
    for (size_t i = 0; i < n; i++)
        e->order[i] = costs[i].molecule;
    free(costs);
    return CG_OK;
}

/*
 * Only the worker that fails stops; the others evaluate the remaining molecules. The error of the
 * lowest worker that failed is reported.
 */
static cg_status run_all(struct evaluation *e, int n_threads, cg_error *err)
{
    cg_team *team = NULL;

    e->status = calloc((size_t)n_threads, sizeof *e->status);
    e->errors = calloc((size_t)n_threads, sizeof *e->errors);
    e->last_molecule = calloc((size_t)n_threads, sizeof *e->last_molecule);
    e->unchecked = calloc(e->assignment.ref->n_molecules, sizeof *e->unchecked);
    e->no_parameters = calloc(e->assignment.ref->n_molecules, sizeof *e->no_parameters);
    e->stereo = calloc(e->assignment.ref->n_molecules, sizeof *e->stereo);
    if (!e->status || !e->errors || !e->last_molecule || !e->unchecked || !e->no_parameters ||
        !e->stereo)
        return cg_fail_nomem(err, "evaluation");
    CG_TRY(cg_team_create(n_threads, &team, err));
    cg_team_loop(team, (int64_t)e->assignment.ref->n_molecules, evaluate_item, e);
    cg_team_destroy(team);
    for (int w = 0; w < n_threads; w++)
        if (e->status[w] != CG_OK)
            return cg_fail(err, e->status[w], "molecule '%.60s' ('%.100s'): %s",
                           e->molecules[e->last_molecule[w]].name,
                           e->molecules[e->last_molecule[w]].smiles, e->errors[w].msg);
    return CG_OK;
}

static void evaluation_finish(struct evaluation *e)
{
    for (size_t i = 0; e->unchecked && i < e->assignment.ref->n_molecules; i++)
        free(e->unchecked[i]);
    for (size_t i = 0; e->no_parameters && i < e->assignment.ref->n_molecules; i++)
        free(e->no_parameters[i]);
    free(e->unchecked);
    free(e->no_parameters);
    free(e->stereo);
    free(e->order);
    free(e->status);
    free(e->errors);
    free(e->last_molecule);
    assignment_finish(&e->assignment);
}

static void note_reasons(const struct evaluation *e, cg_eval_notes *notes)
{
    for (size_t i = 0; i < e->assignment.ref->n_molecules; i++)
        if (e->no_parameters[i] && !*notes->no_parameters)
            snprintf(notes->no_parameters, sizeof notes->no_parameters, "'%.60s': %.180s",
                     e->molecules[i].name, e->no_parameters[i]);
    for (size_t i = 0; i < e->assignment.ref->n_molecules; i++) {
        if (!e->unchecked[i])
            continue;
        if (!notes->unchecked++)
            snprintf(notes->unchecked_reason, sizeof notes->unchecked_reason, "%s",
                     e->unchecked[i]);
    }
}

/* Lists the molecules with conformers of another configuration. */
static cg_status list_stereo(struct evaluation *e, cg_error *err)
{
    static const struct {
        cg_configuration_verdict verdict;
        cg_eval_fault fault;
    } kinds[] = {
        { CG_CONFIGURATION_ENANTIOMER, CG_FAULT_ENANTIOMER },
        { CG_CONFIGURATION_OTHER, CG_FAULT_STEREOISOMER },
        { CG_CONFIGURATION_OPEN, CG_FAULT_OPEN_STEREO },
    };
    const cg_conformer_file *ref = e->assignment.ref;

    for (size_t i = 0; i < 2 * ref->n_molecules; i++)
        for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
            size_t r = i / 2;
            int is_reference = i % 2 == 0;
            const uint64_t *n = is_reference ? e->stereo[r].ref : e->stereo[r].gen;
            cg_eval_mismatch m = { .fault = kinds[k].fault,
                                   .is_reference = is_reference,
                                   .n = n[kinds[k].verdict],
                                   .name = ref->molecules[r].name,
                                   .found = (char *)"",
                                   .wanted = (char *)(uintptr_t)ref->molecules[r].smiles };

            if (m.n)
                CG_TRY(add_mismatch(&e->assignment.mismatches, &m, err));
        }
    return CG_OK;
}

/* Fills in what is known before the comparison. */
static cg_status prepare(const cg_conformer_file *ref, const cg_conformer_file *gen,
                         cg_eval_result *result, cg_error *err)
{
    result->ref_path = strdup(ref->path);
    result->gen_path = strdup(gen->path);
    result->molecules = calloc(ref->n_molecules, sizeof *result->molecules);
    if (!result->ref_path || !result->gen_path || !result->molecules)
        return cg_fail_nomem(err, "evaluation");
    result->n_molecules = ref->n_molecules;
    for (size_t i = 0; i < ref->n_molecules; i++) {
        const cg_conformers *c = &ref->molecules[i];
        cg_eval_molecule *m = &result->molecules[i];

        m->name = strdup(c->name);
        m->smiles = strdup(c->smiles);
        if (!m->name || !m->smiles)
            return cg_fail_nomem(err, "evaluation");
        m->n_heavy = (uint32_t)c->n_atoms;
        m->n_ref = c->n;
        if (result->settings.bioactive)
            m->bioactive = cg_bioactive_missing();
    }
    result->summary.n_broken = gen->n_broken;
    result->summary.n_ref_broken = ref->n_broken;
    return CG_OK;
}

cg_status cg_evaluate(const cg_conformer_file *ref, const cg_conformer_file *gen,
                      const cg_eval_settings *settings, int n_threads, cg_eval_result *ret_result,
                      cg_eval_notes *ret_notes, cg_error *err)
{
    cg_eval_result result = { .settings = *settings };
    struct references references = { 0 };
    struct evaluation e = { .assignment = { .ref = &references.file, .gen = gen },
                            .settings = settings };
    double start = cg_now();
    cg_status st;

    for (size_t i = 0; settings->relaxation && i < gen->n_molecules; i++)
        if (!gen->molecules[i].bound_first)
            return cg_fail(err, CG_ERR_INPUT,
                           "'%s' was read without its hydrogens, which relaxation energies need",
                           gen->path);
    if (!ref->n_molecules)
        return cg_fail(err, CG_ERR_INPUT, "'%s' has no reference conformer that can be read%s%s",
                       ref->path, ref->first_broken_reason ? "; first broken record: " : "",
                       ref->first_broken_reason ? ref->first_broken_reason : "");
    CG_TRY(select_references(ref, settings, &references, err));
    CG_TRY_GOTO(st, prepare(&references.file, gen, &result, err), out);
    e.molecules = result.molecules;
    CG_TRY_GOTO(st, assign(&e.assignment, ref, references.kept, result.molecules, err), out);
    CG_TRY_GOTO(st, order_molecules(&e, err), out);
    CG_TRY_GOTO(st, run_all(&e, n_threads, err), out);
    CG_TRY_GOTO(st, list_stereo(&e, err), out);
    CG_TRY_GOTO(st, store_mismatches(&e.assignment.mismatches, &result, err), out);
    CG_TRY_GOTO(st, cg_eval_summarize(&result, err), out);
    result.summary.n_extra = e.assignment.notes.extra;
    result.summary.seconds = cg_now() - start;
    note_reasons(&e, &e.assignment.notes);
    *ret_result = result;
    if (ret_notes)
        *ret_notes = e.assignment.notes;
    memset(&result, 0, sizeof result);
out:
    evaluation_finish(&e);
    references_finish(&references);
    cg_eval_result_finish(&result);
    return st;
}

void cg_eval_warn_of_matching(const cg_eval_result *r, const cg_eval_notes *notes,
                              const cg_conformer_file *gen, char ret_text[CG_EVAL_WARNING_TEXT])
{
    ret_text[0] = '\0';
    if (notes->names_failed)
        snprintf(ret_text, CG_EVAL_WARNING_TEXT,
                 "no name in '%s' is a name in '%s'; molecules were matched by canonical SMILES: "
                 "%zu of %zu found a reference",
                 r->gen_path, r->ref_path, notes->by_smiles, notes->by_smiles + notes->extra);
    else if (gen->n_molecules && !notes->by_name && !notes->by_smiles)
        snprintf(ret_text, CG_EVAL_WARNING_TEXT, "no molecule of '%s' is in '%s'", r->gen_path,
                 r->ref_path);
}

cg_status cg_evaluate_files(const char *ref_path, const char *gen_path,
                            const cg_eval_settings *settings, int n_threads,
                            cg_conformer_file *ret_gen, cg_eval_result *ret_result,
                            cg_eval_notes *ret_notes, cg_error *err)
{
    const cg_kept_hydrogens kept =
        settings->relaxation ? CG_KEEP_HYDROGENS : CG_KEEP_TEXT_HYDROGENS;
    cg_conformer_file ref = { 0 }, gen = { 0 };
    double start = cg_now();
    cg_status st;

    CG_TRY_GOTO(st, cg_conformer_file_read(ref_path, CG_KEEP_TEXT_HYDROGENS, n_threads, &ref, err),
                out);
    CG_TRY_GOTO(st, cg_conformer_file_read(gen_path, kept, n_threads, &gen, err), out);
    CG_TRY_GOTO(st, cg_evaluate(&ref, &gen, settings, n_threads, ret_result, ret_notes, err), out);
    ret_result->summary.seconds = cg_now() - start;
    *ret_gen = gen;
    memset(&gen, 0, sizeof gen);
out:
    cg_conformer_file_finish(&ref);
    cg_conformer_file_finish(&gen);
    return st;
}
