/* SPDX-License-Identifier: MIT */
#include "eval/identity.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "chem/rdkit_c.h"
#include "eval/sdf.h"

/* Of SMILES with all hydrogens written: as long as a block may make them. */
static const cg_molecule_limits limits = { CG_SDF_MAX_BLOCK, CG_SDF_MAX_ATOMS };

/* Atoms of the target for the atoms of the query, the first match that RDKit finds. */
static cg_status match(const char *query, size_t query_size, size_t n, const char *target,
                       size_t target_size, size_t n_target, uint16_t *ret_order, cg_error *err)
{
    char *text = get_substruct_matches(target, target_size, query, query_size,
                                       "{\"uniquify\":false,\"maxMatches\":1}");
    json_t *root = text ? json_loads(text, 0, NULL) : NULL;
    json_t *atoms = json_object_get(json_array_get(root, 0), "atoms");
    unsigned char *seen = calloc(n_target ? n_target : 1, 1);
    cg_status st = CG_OK;

    free_ptr(text);
    if (!seen) {
        st = cg_fail(err, CG_ERR_NOMEM, "matching %zu atoms: out of memory", n);
    } else if (json_array_size(atoms) != n) {
        st = cg_fail(err, CG_ERR_UNSUPPORTED, "RDKit does not find the SMILES' atoms in it");
    } else {
        for (size_t i = 0; st == CG_OK && i < n; i++) {
            json_int_t at = json_integer_value(json_array_get(atoms, i));

            if (at < 0 || (size_t)at >= n_target || seen[at]) {
                st = cg_fail(err, CG_ERR_UNSUPPORTED, "RDKit's match has atom %lld, of %zu, wrong",
                             (long long)at, n_target);
            } else {
                seen[at] = 1;
                ret_order[i] = (uint16_t)at;
            }
        }
    }
    json_decref(root);
    free(seen);
    return st;
}

/* The heavy atoms of a molecule, in the order of its canonical SMILES; free_ptr(). */
static char *heavy_atoms(const cg_molecule *mol, size_t *ret_size)
{
    char *pkl = get_mol(cg_molecule_smiles(mol, NULL), ret_size, "{}");

    if (pkl && !remove_all_hs(&pkl, ret_size)) {
        free_ptr(pkl);
        return NULL;
    }
    return pkl;
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
    char *pkl, *query = NULL, *own = NULL;
    size_t size = 0, query_size = 0;
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
    query = heavy_atoms(id.mol, &query_size);
    if (!id.order || !query) {
        st = cg_fail(err, CG_ERR_NOMEM, "molecule of %zu atoms: out of memory", n_atoms);
        goto out;
    }
    st = match(query, query_size, id.n_heavy, pkl, size, n_atoms, id.order, err);
    if (st != CG_OK)
        goto out;
    *ret_identity = id;
    memset(&id, 0, sizeof id);
out:
    free_ptr(query);
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
    size_t from_size = 0, to_size = 0;
    char *a = heavy_atoms(from, &from_size), *b = heavy_atoms(to, &to_size);
    cg_status st;

    if (a && b)
        st = match(a, from_size, cg_molecule_n_heavy(from), b, to_size, cg_molecule_n_heavy(to),
                   ret_order, err);
    else
        st = cg_fail(err, CG_ERR_NOMEM, "matching two molecules: out of memory");
    free_ptr(a);
    free_ptr(b);
    return st;
}
