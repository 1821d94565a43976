/* SPDX-License-Identifier: MIT */
#include "chem/hydrogens.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "chem/rdkit_c.h"
#include "chem/rdkit_fail.h"

enum {
    FIRST_RING = 100, /* canonical SMILES number their rings below */
    RING_CHARS = 10,  /* "%(12345)" and its terminator, rounded up */
};

struct cg_hydrogens {
    char *pkl; /* the molecule of the canonical SMILES */
    size_t pkl_size;
    size_t n_text;         /* atoms of the canonical SMILES */
    cg_molecule *molecule; /* all atoms */
};

/* Appends an atom of the text in brackets, without its hydrogens. */
static char *put_atom(char *out, const char *smiles, const cg_smiles_atom *a)
{
    const char *atom = smiles + a->start;
    size_t len = a->len, h = len;

    if (!a->bracket)
        return out + sprintf(out, "[%.*s]", (int)len, atom);
    if (a->n_h) /* the last H counts hydrogens: others name elements and classes (@TH1) */
        while (atom[--h] != 'H')
            ;
    memcpy(out, atom, h);
    out += h;
    h += h < len;
    while (h < len && atom[h] >= '0' && atom[h] <= '9')
        h++;
    memcpy(out, atom + h, len - h);
    return out + (len - h);
}

/*
 * The SMILES with all hydrogens as atoms at its end: "CO" is
 * "[C]%(100)%(101)%(102)[O]%(103).[H]%(100).[H]%(101).[H]%(102).[H]%(103)". A ring bond directly
 * after an atom has the place that a hydrogen in its bracket has for chirality. `counts` is
 * [n_atoms] hydrogens. NULL when out of memory; free().
 */
static char *write_smiles(const cg_molecule *mol, const unsigned char *counts)
{
    size_t len, ring = FIRST_RING, n_hs = 0, done = 0;
    const char *smiles = cg_molecule_smiles(mol, &len);
    const cg_smiles *g = cg_molecule_graph(mol);
    char *text, *out;

    for (size_t i = 0; i < g->n_atoms; i++)
        n_hs += counts[i];
    text = out = cg_alloc_array(len + 2 * g->n_atoms + 1 + n_hs * (4 + 2 * RING_CHARS), 1);
    if (!text)
        return NULL;
    for (size_t i = 0; i < g->n_atoms; i++) {
        const cg_smiles_atom *a = &g->atoms[i];

        memcpy(out, smiles + done, a->start - done);
        out = put_atom(out + (a->start - done), smiles, a);
        done = a->start + a->len;
        for (unsigned k = 0; k < counts[i]; k++)
            out += sprintf(out, "%%(%zu)", ring++);
    }
    memcpy(out, smiles + done, len - done + 1);
    out += len - done;
    for (size_t k = FIRST_RING; k < ring; k++)
        out += sprintf(out, ".[H]%%(%zu)", k);
    return text;
}

cg_status cg_hydrogens_create(const cg_molecule *mol, cg_hydrogens **ret, cg_error *err)
{
    const char *smiles = cg_molecule_smiles(mol, NULL);
    cg_hydrogens *h = calloc(1, sizeof *h);
    char reason[256] = "RDKit counts another number of atoms than its SMILES";
    size_t n = 0;
    unsigned char *counts = NULL;
    char *text = NULL;
    cg_status st;

    if (!h)
        return cg_fail_nomem(err, "hydrogens");
    h->n_text = cg_molecule_n_atoms(mol);
    counts = cgrd_count_hs(smiles, &n, reason, sizeof reason);
    if (counts && n == h->n_text)
        h->pkl = get_mol(smiles, &h->pkl_size, "{\"removeHs\":false}");
    if (!h->pkl) {
        st = cg_rdkit_fail(err, CG_ERR_UNSUPPORTED, "'%.60s': hydrogens cannot be added: %s",
                           smiles, reason);
        goto out;
    }
    text = write_smiles(mol, counts);
    if (!text) {
        st = cg_fail_nomem(err, "hydrogens");
        goto out;
    }
    CG_TRY_GOTO(st, cg_molecule_with_hydrogens(mol, text, &h->molecule, err), out);
    *ret = h;
    h = NULL;
out:
    free_ptr((char *)counts);
    free(text);
    cg_hydrogens_destroy(h);
    return st;
}

void cg_hydrogens_destroy(cg_hydrogens *h)
{
    if (!h)
        return;
    free_ptr(h->pkl);
    cg_molecule_destroy(h->molecule);
    free(h);
}

const cg_molecule *cg_hydrogens_molecule(const cg_hydrogens *h)
{
    return h->molecule;
}

cg_status cg_hydrogens_place(const cg_hydrogens *h, double (*xyz)[3], cg_error *err)
{
    char reason[256] = "";
    size_t n_hs = cg_molecule_n_atoms(h->molecule) - h->n_text;

    if (cgrd_place_hs(h->pkl, h->pkl_size, (const double(*)[3])xyz, h->n_text, xyz + h->n_text,
                      n_hs, reason, sizeof reason))
        return CG_OK;
    return cg_rdkit_fail(err, CG_ERR_UNSUPPORTED, "hydrogens cannot be placed: %s", reason);
}
