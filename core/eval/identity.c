/* SPDX-License-Identifier: MIT */
#include "eval/identity.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "chem/rdkit_c.h"
#include "eval/isomorphism.h"
#include "eval/sdf.h"

/* Of SMILES with all hydrogens written: as long as a block may make them. */
static const cg_molecule_limits limits = { CG_SDF_MAX_BLOCK, CG_SDF_MAX_ATOMS };

/* The heavy atoms of a molecule, in the order of its canonical SMILES. */
static cg_status read_graph(const cg_molecule *mol, cg_heavy_graph *ret_graph, cg_error *err)
{
    size_t size = 0;
    char *pkl = get_mol(cg_molecule_smiles(mol, NULL), &size, "{}");
    cg_status st;

    if (!pkl)
        return cg_fail(err, CG_ERR_UNSUPPORTED, "RDKit cannot read its SMILES again");
    st = cg_heavy_graph_read(pkl, size, ret_graph, err);
    free_ptr(pkl);
    return st;
}

/* Canonical SMILES without stereo and isotopes of a molecule in RDKit's form. */
static cg_status find_graph(const char *pkl, size_t size, char **ret_graph, cg_error *err)
{
    char *flat = get_smiles(pkl, size, "{\"doIsomericSmiles\":false}");
    cg_molecule *mol = NULL;
    char *graph;
    cg_status st;

    if (!flat)
        return cg_fail(err, CG_ERR_INPUT, "RDKit cannot write its SMILES");
    st = cg_molecule_parse_limited(flat, strlen(flat), &limits, &mol, err);
    free_ptr(flat);
    if (st != CG_OK)
        return st;
    graph = strdup(cg_molecule_smiles(mol, NULL));
    if (graph)
        *ret_graph = graph;
    else
        st = cg_fail(err, CG_ERR_NOMEM, "graph of a molecule: out of memory");
    cg_molecule_destroy(mol);
    return st;
}

/* The molecule of a SMILES that came along, NULL where it is none or has another graph. */
static cg_molecule *molecule_of_smiles(const char *smiles, size_t len, const char *graph)
{
    cg_molecule *mol = NULL;
    char *pkl, *found = NULL;
    size_t size = 0;

    if (cg_molecule_parse(smiles, len, &mol, NULL) != CG_OK)
        return NULL;
    if (!strcmp(cg_molecule_smiles(mol, NULL), graph))
        return mol;
    pkl = get_mol(cg_molecule_smiles(mol, NULL), &size, "{}");
    if (!pkl || find_graph(pkl, size, &found, NULL) != CG_OK || strcmp(found, graph) != 0) {
        cg_molecule_destroy(mol);
        mol = NULL;
    }
    free_ptr(pkl);
    free(found);
    return mol;
}

cg_status cg_identity_find(const char *block, size_t n_atoms, const char *smiles, size_t smiles_len,
                           cg_identity *ret_identity, cg_error *err)
{
    cg_identity id = { 0 };
    cg_heavy_graph wanted = { 0 }, shown = { 0 };
    char *pkl, *own = NULL;
    size_t size = 0;
    cg_status st;

    /* Hydrogens stay: the match is to the block's atoms. */
    pkl = get_mol(block, &size, "{\"removeHs\":false}");
    if (!pkl)
        return cg_fail(err, CG_ERR_INPUT, "RDKit cannot read its atoms and bonds as a molecule");
    if ((st = find_graph(pkl, size, &id.graph, err)) != CG_OK)
        goto out;
    if (smiles)
        id.mol = molecule_of_smiles(smiles, smiles_len, id.graph);
    if (!id.mol) {
        own = get_smiles(pkl, size, "{}");
        if (!own) {
            st = cg_fail(err, CG_ERR_INPUT, "RDKit cannot write its SMILES");
            goto out;
        }
        if ((st = cg_molecule_parse_limited(own, strlen(own), &limits, &id.mol, err)) != CG_OK)
            goto out;
    }
    id.n_heavy = cg_molecule_n_heavy(id.mol);
    id.order = cg_alloc_array(id.n_heavy, sizeof *id.order);
    if (!id.order) {
        st = cg_fail(err, CG_ERR_NOMEM, "molecule of %zu atoms: out of memory", n_atoms);
        goto out;
    }
    if ((st = read_graph(id.mol, &wanted, err)) != CG_OK ||
        (st = cg_heavy_graph_read(pkl, size, &shown, err)) != CG_OK ||
        (st = cg_isomorphism_find(&wanted, &shown, id.order, err)) != CG_OK)
        goto out;
    for (size_t i = 0; i < id.n_heavy; i++)
        if (wanted.n != id.n_heavy || id.order[i] >= n_atoms) {
            st = cg_fail(err, CG_ERR_UNSUPPORTED, "RDKit has other atoms than the block");
            goto out;
        }
    *ret_identity = id;
    memset(&id, 0, sizeof id);
out:
    cg_heavy_graph_finish(&wanted);
    cg_heavy_graph_finish(&shown);
    free_ptr(own);
    free_ptr(pkl);
    cg_identity_finish(&id);
    return st;
}

void cg_identity_finish(cg_identity *identity)
{
    if (!identity)
        return;
    cg_molecule_destroy(identity->mol);
    free(identity->graph);
    free(identity->order);
    memset(identity, 0, sizeof *identity);
}

cg_status cg_identity_match(const cg_molecule *from, const cg_molecule *to, uint16_t *ret_order,
                            cg_error *err)
{
    cg_heavy_graph a = { 0 }, b = { 0 };
    cg_status st;

    if ((st = read_graph(from, &a, err)) != CG_OK || (st = read_graph(to, &b, err)) != CG_OK)
        goto out;
    /* Places among all atoms become places among the heavy ones. */
    for (size_t i = 0; i < b.n; i++)
        b.atom[i] = (uint16_t)i;
    if (a.n == cg_molecule_n_heavy(from))
        st = cg_isomorphism_find(&a, &b, ret_order, err);
    else
        st = cg_fail(err, CG_ERR_UNSUPPORTED, "RDKit has other atoms than the SMILES");
out:
    cg_heavy_graph_finish(&a);
    cg_heavy_graph_finish(&b);
    return st;
}
