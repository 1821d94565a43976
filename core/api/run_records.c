/* SPDX-License-Identifier: MIT */
#include "api/run_records.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "chem/elements.h"

static const char *const verdict_names[CG_VERDICTS] = {
    [CG_CONFORMER_OK] = "ok",
    [CG_CONFORMER_WRONG_MOLECULE] = "wrong molecule",
    [CG_CONFORMER_PARSE_FAILURE] = "parse failure",
    [CG_CONFORMER_UNFINISHED] = "unfinished",
    [CG_CONFORMER_INVALID_GEOMETRY] = "invalid geometry",
};

void cg_run_records_free(cg_run_records *r)
{
    if (!r)
        return;
    cg_molblock_destroy(r->block);
    free(r->elements);
    cg_sybyl_finish(&r->sybyl);
    cg_buf_finish(&r->frame);
    cg_buf_finish(&r->failed);
    free(r);
}

/* ---- before sampling ---------------------------------------------------------------------- */

void cg_run_records_prepare(const cg_run_writer *w, cg_pipeline_molecule *m)
{
    const cg_record_format format = w->formats.record;
    const cg_molecule *mol = w->formats.add_hs ? cg_hydrogen_placement_molecule(m->built.hydrogens)
                                               : m->built.template.molecule;
    const cg_smiles *graph = cg_molecule_graph(mol);
    cg_run_records *r = calloc(1, sizeof *r);

    m->user = r;
    if (!r) {
        cg_fail_nomem(&m->failure, "records");
        return;
    }
    r->n_atoms = graph->n_atoms;
    r->n_lost_stereo = cg_molecule_n_lost_stereo(m->built.template.molecule);
    if (format == CG_RECORD_SDF || format == CG_RECORD_PDB) {
        cg_molblock_create(mol, &r->block, &m->failure);
        return;
    }
    if (format == CG_RECORD_MOL2 && cg_sybyl_assign(mol, &r->sybyl, &m->failure) != CG_OK)
        return;
    r->elements = calloc(graph->n_atoms, sizeof *r->elements);
    if (!r->elements) {
        cg_fail_nomem(&m->failure, "records");
        return;
    }
    for (size_t i = 0; i < graph->n_atoms; i++)
        r->elements[i] = cg_element_symbol(graph->atoms[i].element);
}

/* ---- one record --------------------------------------------------------------------------- */

/* The molblock of a conformer, a fresh string. */
static cg_status write_molblock(const cg_run_records *r, const char *name, const double (*xyz)[3],
                                char **ret_text, cg_error *err)
{
    size_t name_len = strlen(name), cap = cg_molblock_bound(r->block, name_len), len;
    char *text = malloc(cap);
    cg_status st;

    if (!text)
        return cg_fail_nomem(err, "records");
    CG_TRY_GOTO(st, cg_molblock_write(r->block, name, name_len, xyz, text, cap, &len, err), out);
    *ret_text = text;
    text = NULL;
out:
    free(text);
    return st;
}

/*
 * A record's extra data items and their texts; `items` point into the same object, so it must not
 * be copied.
 */
struct data_items {
    char checks[CG_CHECK_NAMES_MAX], retry[16], repair[CG_REPAIR_COUNTS_TEXT];
    char energy[32], released[32], gradient[32], cluster_size[16];
    cg_tag items[9];
    size_t n;
};

/*
 * Makes the data items of a conformer:
 * - with geometry tests, "repaired" (--geometry repair) or "invalid_atoms" (count): failures by
 *   cause, "none", or "not tested" for a molecule without geometry tables;
 * - with checks, "checks": the names of the failed ones, else "unchecked" if one that applies could
 *   not be done, else "pass";
 * - with --minimize, "minimized": "yes", or "no" for a molecule without parameters;
 * - with an energy, "energy"; "force_field" if that is not MMFF94; and if it was minimised
 * "energy_released" (both kcal/mol) and "gradient" (greatest component, kcal/mol/Å);
 * - with --prune, "cluster_size": the number of conformers that it stands for, itself included;
 * - with retries, "retry": the retry round it was sampled in, 0 for the first.
 */
static void make_data_items(const cg_run_writer *w, const cg_pipeline_molecule *m,
                            const cg_parsed_conformer *c, struct data_items *t)
{
    const cg_engine *e = w->engine;

    t->n = 0;
    if (e->builder.geometry != CG_GEOMETRY_OFF) {
        if (m->built.template.geometry)
            cg_repair_counts_text(&c->repair, t->repair, sizeof t->repair);
        else
            snprintf(t->repair, sizeof t->repair, "not tested");
        t->items[t->n++] =
            (cg_tag) { e->builder.geometry == CG_GEOMETRY_REPAIR ? "repaired" : "invalid_atoms",
                       t->repair };
    }
    if (m->built.checker) {
        cg_check_outcome(c->checks_failed, c->checks_unchecked, t->checks, sizeof t->checks);
        t->items[t->n++] = (cg_tag) { "checks", t->checks };
    }
    if (w->minimize)
        t->items[t->n++] = (cg_tag) { "minimized", c->is_minimized ? "yes" : "no" };
    if (c->has_energy) {
        const char *field = cg_minimization_force_field(m->built.minimization);

        snprintf(t->energy, sizeof t->energy, "%.4f", c->energy);
        t->items[t->n++] = (cg_tag) { "energy", t->energy };
        if (strcmp(field, "MMFF94") != 0)
            t->items[t->n++] = (cg_tag) { "force_field", field };
    }
    if (c->is_minimized) {
        snprintf(t->released, sizeof t->released, "%.4f", c->released);
        snprintf(t->gradient, sizeof t->gradient, "%.4f", c->gradient);
        t->items[t->n++] = (cg_tag) { "energy_released", t->released };
        t->items[t->n++] = (cg_tag) { "gradient", t->gradient };
    }
    if (c->cluster_size) {
        snprintf(t->cluster_size, sizeof t->cluster_size, "%" PRId32, c->cluster_size);
        t->items[t->n++] = (cg_tag) { "cluster_size", t->cluster_size };
    }
    if (e->info.retry) {
        snprintf(t->retry, sizeof t->retry, "%" PRIu32, c->retry);
        t->items[t->n++] = (cg_tag) { "retry", t->retry };
    }
}

enum { BLOCK_DECIMALS = 4 }; /* of a molblock */

/* Decimals of coordinates: those of the model's text; where others count, those of a core, of added
 * hydrogens or of a minimum, at least as many as a molblock has. */
static int32_t decimals_of(const cg_run_writer *w, const cg_pipeline_molecule *m)
{
    const int32_t decimals = w->engine->info.decimals;
    const int is_computed = m->built.core.core || w->formats.add_hs || w->minimize;

    return is_computed && decimals < BLOCK_DECIMALS ? BLOCK_DECIMALS : decimals;
}

static cg_status write_record(const cg_run_writer *w, const cg_pipeline_molecule *m,
                              int32_t generation, const cg_parsed_conformer *c, cg_buf *out,
                              cg_error *err)
{
    const cg_run_records *r = m->user;
    char *molblock = NULL, *body = NULL;
    struct data_items items;
    cg_record_conformer record = {
        .name = m->input.name,
        .smiles = cg_molecule_smiles(m->built.template.molecule, NULL),
        .generation = generation,
        .seed = w->engine->info.seed,
        .n_atoms = r->n_atoms,
        .elements = r->elements,
        .xyz = (const double(*)[3])c->xyz,
        .decimals = decimals_of(w, m),
        .tags = items.items,
        .atom_types = r->sybyl.atom_types,
        .charges = r->sybyl.charges,
        .bond_atoms = (const uint32_t(*)[2])r->sybyl.bond_atoms,
        .bond_types = r->sybyl.bond_types,
        .n_bonds = r->sybyl.n_bonds,
    };
    cg_status st = CG_OK;

    make_data_items(w, m, c, &items);
    record.n_tags = items.n;
    if (r->block) {
        CG_TRY_GOTO(st, write_molblock(r, m->input.name, record.xyz, &molblock, err), out);
        record.molblock = molblock;
    } else if (w->formats.record == CG_RECORD_SMILES3D) {
        body = strndup(c->body, c->body_len);
        if (!body) {
            st = cg_fail_nomem(err, "records");
            goto out;
        }
        record.text = body;
    }
    st = cg_record_write(w->formats.record, &record, out, err);
out:
    free(molblock);
    free(body);
    return st;
}

/* ---- a frame ------------------------------------------------------------------------------ */

static cg_status write_generation(const cg_run_writer *w, cg_pipeline_molecule *m,
                                  int32_t generation, cg_buf *out, cg_error *err)
{
    cg_run_records *r = m->user;
    cg_parsed_conformer *c = &m->built.generations[generation].parsed;
    char reason[CG_ERROR_TEXT + 32];
    cg_status st = CG_OK;

    if (c->dropped) {
        r->n_dropped++;
        return CG_OK;
    }
    r->counts[c->verdict]++;
    if (c->verdict == CG_CONFORMER_OK) {
        st = write_record(w, m, generation, c, out, err);
    } else {
        snprintf(reason, sizeof reason, "%s: %s", verdict_names[c->verdict], c->reason);
        if (!r->first_reason[0])
            snprintf(r->first_reason, sizeof r->first_reason, "%.250s", reason);
        cg_failure_write(m->input.line, m->input.name, m->input.smiles, generation, reason, c->text,
                         &r->failed);
    }
    cg_parsed_conformer_finish(c); /* the molecule may wait long to be emitted */
    return st;
}

static cg_status write_next(const cg_run_writer *w, cg_pipeline_molecule *m, cg_buf *out,
                            cg_error *err)
{
    cg_run_records *r = m->user;
    int32_t position = r->next++;

    return write_generation(w, m, m->finished.order ? m->finished.order[position] : position, out,
                            err);
}

static cg_status write_frame(const cg_run_writer *w, cg_pipeline_molecule *m, cg_buf *out,
                             cg_error *err)
{
    cg_run_records *r = m->user;

    cg_buf_clear(&r->frame);
    while (r->next < m->input.n_generations && out->len < w->frame_bytes)
        CG_TRY(write_next(w, m, out, err));
    CG_TRY(cg_buf_check(out, "records", err));
    CG_TRY(cg_buf_check(&r->failed, "failures", err));
    r->plain = out->len;
    if (!out->len)
        return CG_OK;
    return cg_frame_compress(w->formats.container, CG_CONTAINER_LEVEL, out->data, out->len,
                             &r->frame, err);
}

void cg_run_records_write(const cg_run_writer *w, cg_pipeline_molecule *m)
{
    cg_buf out = { 0 };

    write_frame(w, m, &out, &m->failure);
    cg_buf_finish(&out);
}
