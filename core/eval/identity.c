/* SPDX-License-Identifier: MIT */
#include "eval/identity.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "chem/rdkit_c.h"
#include "chem/rdkit_fail.h"
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
        return cg_rdkit_fail(err, CG_ERR_UNSUPPORTED, "RDKit cannot read back its own SMILES");
    st = cg_heavy_graph_read(pkl, size, ret_graph, err);
    free_ptr(pkl);
    return st;
}

/* Flat SMILES of an RDKit pickle; free(). */
static cg_status find_flat_smiles(const char *pkl, size_t size, char **ret_flat_smiles,
                                  cg_error *err)
{
    char *text = get_smiles(pkl, size, "{\"doIsomericSmiles\":false}");
    cg_molecule *mol = NULL;
    char *flat_smiles;
    cg_status st;

    if (!text)
        return cg_rdkit_fail(err, CG_ERR_INPUT, "RDKit cannot write its SMILES");
    st = cg_molecule_parse_limited(text, strlen(text), &limits, &mol, err);
    free_ptr(text);
    if (st != CG_OK)
        return st;
    flat_smiles = strdup(cg_molecule_smiles(mol, NULL));
    if (flat_smiles)
        *ret_flat_smiles = flat_smiles;
    else
        st = cg_fail_nomem(err, "flat SMILES");
    cg_molecule_destroy(mol);
    return st;
}

/* Parses an accompanying SMILES. *ret_mol is owned by the caller; NULL if the SMILES is invalid,
 * exceeds the default limits of cg_molecule_parse() or has another flat SMILES than the block.
 * Fails only if memory runs out. */
static cg_status parse_accompanying(const char *smiles, size_t len, const char *flat_smiles,
                                    cg_molecule **ret_mol, cg_error *err)
{
    cg_molecule *mol = NULL;
    char *pkl = NULL, *found = NULL;
    size_t size = 0;
    cg_status st;

    CG_TRY_GOTO(st, cg_molecule_parse(smiles, len, &mol, NULL), out);
    if (strcmp(cg_molecule_smiles(mol, NULL), flat_smiles) != 0) {
        pkl = get_mol(cg_molecule_smiles(mol, NULL), &size, "{}");
        if (!pkl) {
            st = cg_rdkit_fail(NULL, CG_OK, "refused");
            goto out;
        }
        CG_TRY_GOTO(st, find_flat_smiles(pkl, size, &found, NULL), out);
        if (strcmp(found, flat_smiles) != 0)
            goto out;
    }
    *ret_mol = mol;
    mol = NULL;
out:
    free_ptr(pkl);
    free(found);
    cg_molecule_destroy(mol);
    return st == CG_ERR_NOMEM ? cg_fail_nomem(err, "accompanying SMILES") : CG_OK;
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
        return cg_rdkit_fail(err, CG_ERR_INPUT,
                             "RDKit cannot read its atoms and bonds as a molecule");
    CG_TRY_GOTO(st, find_flat_smiles(pkl, size, &id.flat_smiles, err), out);
    if (smiles)
        CG_TRY_GOTO(st, parse_accompanying(smiles, smiles_len, id.flat_smiles, &id.mol, err), out);
    if (!id.mol) {
        own = get_smiles(pkl, size, "{}");
        if (!own) {
            st = cg_rdkit_fail(err, CG_ERR_INPUT, "RDKit cannot write its SMILES");
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
    free(identity->flat_smiles);
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
    if (st != CG_OK)
        cg_fail_prefix(err, st, "'%.60s' and '%.60s'", cg_molecule_smiles(from, NULL),
                       cg_molecule_smiles(to, NULL));
    cg_heavy_graph_finish(&a);
    cg_heavy_graph_finish(&b);
    return st;
}
