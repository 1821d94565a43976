/* SPDX-License-Identifier: MIT */
#include "eval/identity.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "chem/rdkit_c.h"
#include "eval/isomorphism.h"
#include "eval/sdf.h"

/* Wide enough for the SMILES, with explicit hydrogens, of any block that is accepted. */
static const cg_molecule_limits limits = { CG_SDF_MAX_BLOCK, CG_SDF_MAX_ATOMS };

/* Heavy-atom graph of a molecule, in the order of its canonical SMILES. */
static cg_status read_graph(const cg_molecule *mol, cg_heavy_graph *ret_graph, cg_error *err)
{
    size_t size = 0;
    char *pkl = get_mol(cg_molecule_smiles(mol, NULL), &size, "{}");
    cg_status st;

    if (!pkl)
        return cg_fail(err, CG_ERR_UNSUPPORTED, "RDKit cannot read back its own SMILES");
    st = cg_heavy_graph_read(pkl, size, ret_graph, err);
    free_ptr(pkl);
    return st;
}

/* Canonical SMILES without stereo and isotopes of an RDKit pickle. */
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
        st = cg_fail_nomem(err, "graph of a molecule");
    cg_molecule_destroy(mol);
    return st;
}

/* Molecule of an accompanying SMILES; NULL if that is invalid or has another graph. */
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
    cg_heavy_graph canonical = { 0 }, in_block = { 0 };
    char *pkl, *own = NULL;
    size_t size = 0;
    cg_status st;

    /* Keep hydrogens: the order refers to all atoms of the block. */
    pkl = get_mol(block, &size, "{\"removeHs\":false}");
    if (!pkl)
        return cg_fail(err, CG_ERR_INPUT, "RDKit cannot read its atoms and bonds as a molecule");
    CG_TRY_GOTO(st, find_graph(pkl, size, &id.graph, err), out);
    if (smiles)
        id.mol = molecule_of_smiles(smiles, smiles_len, id.graph);
    if (!id.mol) {
        own = get_smiles(pkl, size, "{}");
        if (!own) {
            st = cg_fail(err, CG_ERR_INPUT, "RDKit cannot write its SMILES");
            goto out;
        }
        CG_TRY_GOTO(st, cg_molecule_parse_limited(own, strlen(own), &limits, &id.mol, err), out);
    }
    id.n_heavy = cg_molecule_n_heavy(id.mol);
    id.order = cg_alloc_array(id.n_heavy, sizeof *id.order);
    if (!id.order) {
        st = cg_fail(err, CG_ERR_NOMEM, "molecule of %zu atoms: out of memory", n_atoms);
        goto out;
    }
    CG_TRY_GOTO(st, read_graph(id.mol, &canonical, err), out);
    CG_TRY_GOTO(st, cg_heavy_graph_read(pkl, size, &in_block, err), out);
    CG_TRY_GOTO(st, cg_isomorphism_find(&canonical, &in_block, id.order, err), out);
    for (size_t i = 0; i < id.n_heavy; i++)
        if (canonical.n != id.n_heavy || id.order[i] >= n_atoms) {
            st = cg_fail(err, CG_ERR_UNSUPPORTED, "RDKit reports other atoms than the block has");
            goto out;
        }
    *ret_identity = id;
    memset(&id, 0, sizeof id);
out:
    cg_heavy_graph_finish(&canonical);
    cg_heavy_graph_finish(&in_block);
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

    CG_TRY_GOTO(st, read_graph(from, &a, err), out);
    CG_TRY_GOTO(st, read_graph(to, &b, err), out);
    /* Report indices among the heavy atoms instead of among all atoms. */
    for (size_t i = 0; i < b.n; i++)
        b.atom[i] = (uint16_t)i;
    if (a.n == cg_molecule_n_heavy(from))
        st = cg_isomorphism_find(&a, &b, ret_order, err);
    else
        st = cg_fail(err, CG_ERR_UNSUPPORTED, "RDKit reports other atoms than the SMILES has");
out:
    cg_heavy_graph_finish(&a);
    cg_heavy_graph_finish(&b);
    return st;
}
