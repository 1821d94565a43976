/* SPDX-License-Identifier: MIT */
#include "eval/identity.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "chem/rdkit_c.h"
#include "chem/rdkit_fail.h"
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

/* Matches two graphs with their isotopes, or without if they differ in them. */
static cg_status match_graphs(cg_heavy_graph *from, cg_heavy_graph *to, uint16_t *ret_order,
                              cg_error *err)
{
    cg_heavy_graph *graphs[] = { from, to };
    cg_status st = cg_isomorphism_find(from, to, ret_order, err);

    if (st != CG_ERR_UNSUPPORTED)
        return st;
    for (int g = 0; g < 2; g++)
        for (size_t i = 0; i < graphs[g]->n; i++)
            graphs[g]->label[i] &= 0xffff;
    return cg_isomorphism_find(from, to, ret_order, err);
}

/* Is hydrogen j of `to` among the first n matched ones? */
static int is_taken(const uint16_t *matched, size_t n, size_t j)
{
    for (size_t i = 0; i < n; i++)
        if (matched[i] == j)
            return 1;
    return 0;
}

/* ret_hydrogens[i]: the hydrogen of `to` for hydrogen i of `from`, of the same isotope and bound to
 * the matched heavy atom; CG_NO_ATOM without. `order` is a match of the heavy atoms. */
static void match_hydrogens(const cg_heavy_graph *from, const cg_heavy_graph *to,
                            const uint16_t *order, uint16_t *ret_hydrogens)
{
    for (size_t i = 0; i < from->n_hydrogens; i++) {
        const cg_hydrogen *a = &from->hydrogens[i];
        int wanted = a->heavy == CG_NO_ATOM ? CG_NO_ATOM : order[a->heavy];

        ret_hydrogens[i] = CG_NO_ATOM;
        for (size_t j = 0; j < to->n_hydrogens && ret_hydrogens[i] == CG_NO_ATOM; j++) {
            const cg_hydrogen *b = &to->hydrogens[j];

            if (b->isotope == a->isotope &&
                (b->heavy == CG_NO_ATOM ? CG_NO_ATOM : to->atom[b->heavy]) == wanted &&
                !is_taken(ret_hydrogens, i, j))
                ret_hydrogens[i] = (uint16_t)j;
        }
    }
}

/* Lists the hydrogens of the block with the heavy atoms of the molecule that bear them; id->order
 * is known. */
static cg_status find_bound(const cg_heavy_graph *in_block, size_t n_atoms, cg_identity *id,
                            cg_error *err)
{
    uint16_t *heavy = cg_alloc_array(n_atoms, sizeof *heavy); /* of mol, for an atom of the block */

    id->bound = cg_alloc_array(in_block->n_hydrogens, sizeof *id->bound);
    if (!heavy || !id->bound) {
        free(heavy);
        return cg_fail(err, CG_ERR_NOMEM, "molecule of %zu atoms: out of memory", n_atoms);
    }
    for (size_t i = 0; i < id->n_heavy; i++)
        heavy[id->order[i]] = (uint16_t)i;
    for (size_t i = 0; i < in_block->n_hydrogens; i++) {
        cg_hydrogen h = in_block->hydrogens[i];

        if (h.heavy == CG_NO_ATOM || h.atom >= n_atoms)
            continue;
        h.heavy = heavy[in_block->atom[h.heavy]];
        id->bound[id->n_bound++] = h;
    }
    free(heavy);
    return CG_OK;
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
    id.from_smiles = id.mol != NULL;
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
    CG_TRY_GOTO(st, match_graphs(&canonical, &in_block, id.order, err), out);
    for (size_t i = 0; i < id.n_heavy; i++)
        if (canonical.n != id.n_heavy || id.order[i] >= n_atoms) {
            st = cg_fail(err, CG_ERR_UNSUPPORTED, "RDKit reports other atoms than the block has");
            goto out;
        }
    id.n_hydrogens = canonical.n_hydrogens;
    id.hydrogens = cg_alloc_array(id.n_hydrogens, sizeof *id.hydrogens);
    if (!id.hydrogens) {
        st = cg_fail(err, CG_ERR_NOMEM, "molecule of %zu atoms: out of memory", n_atoms);
        goto out;
    }
    match_hydrogens(&canonical, &in_block, id.order, id.hydrogens);
    for (size_t i = 0; i < id.n_hydrogens; i++) {
        if (id.hydrogens[i] != CG_NO_ATOM)
            id.hydrogens[i] = in_block.hydrogens[id.hydrogens[i]].atom;
        if (id.hydrogens[i] >= n_atoms)
            id.hydrogens[i] = CG_NO_ATOM;
    }
    CG_TRY_GOTO(st, find_bound(&in_block, n_atoms, &id, err), out);
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
    free(identity->hydrogens);
    free(identity->bound);
    memset(identity, 0, sizeof *identity);
}

cg_status cg_identity_match(const cg_molecule *from, const cg_molecule *to, uint16_t *ret_order,
                            uint16_t *ret_hydrogens, cg_error *err)
{
    cg_heavy_graph a = { 0 }, b = { 0 };
    cg_status st;

    CG_TRY_GOTO(st, read_graph(from, &a, err), out);
    CG_TRY_GOTO(st, read_graph(to, &b, err), out);
    /* Report indices among the heavy atoms instead of among all atoms. */
    for (size_t i = 0; i < b.n; i++)
        b.atom[i] = (uint16_t)i;
    if (a.n == cg_molecule_n_heavy(from))
        st = match_graphs(&a, &b, ret_order, err);
    else
        st = cg_fail(err, CG_ERR_UNSUPPORTED, "RDKit reports other atoms than the SMILES has");
    if (st == CG_OK && ret_hydrogens)
        match_hydrogens(&a, &b, ret_order, ret_hydrogens);
out:
    if (st != CG_OK)
        cg_fail_prefix(err, st, "'%.60s' and '%.60s'", cg_molecule_smiles(from, NULL),
                       cg_molecule_smiles(to, NULL));
    cg_heavy_graph_finish(&a);
    cg_heavy_graph_finish(&b);
    return st;
}

/* Hydrogens and charges of a molecule. */
struct protons {
    int hydrogens, charge, charged_atoms;
};

static cg_status count_protons(const cg_molecule *mol, struct protons *ret_protons, cg_error *err)
{
    size_t size = 0;
    char *pkl = get_mol(cg_molecule_smiles(mol, NULL), &size, "{}");
    char *text = pkl ? get_smiles(pkl, size, "{\"allHsExplicit\":true}") : NULL;
    struct protons p = { .charge = cg_molecule_charge(mol) };
    cg_smiles graph = { 0 };
    cg_status st;

    if (text)
        st = cg_smiles_scan(text, strlen(text), CG_SMILES_STRICT, CG_SDF_MAX_ATOMS, &graph, err);
    else
        st = cg_rdkit_fail(err, CG_ERR_UNSUPPORTED, "RDKit cannot read back its own SMILES");
    for (size_t i = 0; i < graph.n_atoms; i++) {
        p.hydrogens += graph.atoms[i].n_h + (graph.atoms[i].element == 1);
        p.charged_atoms += graph.atoms[i].charge != 0;
    }
    *ret_protons = p;
    cg_smiles_finish(&graph);
    free_ptr(text);
    free_ptr(pkl);
    return st;
}

/* Reduces a graph to the elements of its atoms and which are bonded. */
static void keep_skeleton(cg_heavy_graph *g)
{
    for (size_t i = 0; i < g->n; i++)
        g->label[i] &= 0xff00;
    for (uint32_t k = 0; g->n && k < g->first[g->n]; k++)
        g->type[k] = 1;
}

static int same_elements(const cg_molecule *a, const cg_molecule *b)
{
    const cg_smiles *graphs[] = { cg_molecule_graph(a), cg_molecule_graph(b) };
    int count[256] = { 0 };

    for (int g = 0; g < 2; g++)
        for (size_t i = 0; i < graphs[g]->n_atoms; i++)
            count[graphs[g]->atoms[i].element] += g ? -1 : 1;
    for (int z = 2; z < 256; z++)
        if (count[z])
            return 0;
    return 1;
}

static cg_status match_skeletons(const cg_molecule *a, const cg_molecule *b, cg_error *err)
{
    cg_heavy_graph ga = { 0 }, gb = { 0 };
    uint16_t *order = NULL;
    cg_status st;

    CG_TRY_GOTO(st, read_graph(a, &ga, err), out);
    CG_TRY_GOTO(st, read_graph(b, &gb, err), out);
    keep_skeleton(&ga);
    keep_skeleton(&gb);
    order = cg_alloc_array(ga.n, sizeof *order);
    st = order ? cg_isomorphism_find(&ga, &gb, order, err) : cg_fail_nomem(err, "molecule");
out:
    free(order);
    cg_heavy_graph_finish(&ga);
    cg_heavy_graph_finish(&gb);
    return st;
}

cg_status cg_identity_relation(const cg_molecule *a, const cg_molecule *b,
                               cg_relation *ret_relation, cg_error *err)
{
    struct protons pa = { 0 }, pb = { 0 };
    cg_status st;

    if (!same_elements(a, b)) { /* most pairs; the rest takes milliseconds */
        *ret_relation = CG_RELATION_OTHER;
        return CG_OK;
    }
    st = match_skeletons(a, b, err);
    if (st == CG_OK)
        st = count_protons(a, &pa, err);
    if (st == CG_OK)
        st = count_protons(b, &pb, err);
    if (st == CG_ERR_NOMEM)
        return st;
    if (st != CG_OK || pa.hydrogens - pb.hydrogens != pa.charge - pb.charge)
        *ret_relation = CG_RELATION_OTHER;
    else if (pa.charge == pb.charge && pa.charged_atoms == pb.charged_atoms)
        *ret_relation = CG_RELATION_TAUTOMER;
    else
        *ret_relation = CG_RELATION_PROTONATION;
    return CG_OK;
}
