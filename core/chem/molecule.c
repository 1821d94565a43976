/* SPDX-License-Identifier: MIT */
#include "chem/molecule.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/size.h"
#include "chem/mol2.h"
#include "chem/rdkit_c.h"
#include "chem/rdkit_fail.h"
#include "chem/refusal.h"

enum {
    MAX_ROUNDS = 4, /* of parsing and writing, until a canonical SMILES must have converged */
    SHOWN = 60,     /* bytes of a SMILES quoted in a message */
};

struct cg_molecule {
    char *smiles;
    char *canonical; /* NULL: smiles */
    size_t len;
    cg_smiles graph;
    size_t n_heavy;
    size_t n_fragments;
    size_t n_lost_stereo;
    int charge;
    char radical[CG_RADICAL_TEXT]; /* see cg_molecule_radical() */
};

/* Refuses a text that is empty, too long, not printable ASCII or not SMILES, before RDKit parses
 * it. */
static cg_status check_text(const char *smiles, size_t len, const cg_molecule_limits *limits,
                            cg_error *err)
{
    cg_smiles raw = { 0 };
    cg_status st;

    if (len == 0)
        return cg_fail(err, CG_ERR_INPUT, "SMILES: found an empty text, wanted a molecule");
    if (len > limits->max_chars)
        return cg_fail(err, CG_ERR_LIMIT, "SMILES: found %zu bytes, wanted at most %zu", len,
                       limits->max_chars);
    /* RDKit reads up to the first NUL and takes the text after a blank for a name. */
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)smiles[i];
        char buf[16];

        if (c <= 0x20 || c >= 0x7f)
            return cg_fail(err, CG_ERR_INPUT, "SMILES offset %zu: found %s, wanted printable ASCII",
                           i, cg_smiles_show_byte(smiles, len, i, buf));
    }
    st = cg_smiles_scan(smiles, len, 0, limits->max_atoms, &raw, err);
    cg_smiles_finish(&raw);
    return st;
}

/* Repeats parsing and writing until the canonical SMILES is a fixed point; free_ptr(). */
static cg_status canonicalize(const char *smiles, char **ret_text, cg_error *err)
{
    char reason[256] = "";
    size_t len = strlen(smiles);
    char *previous = NULL;
    cg_status st = CG_OK;

    for (int round = 0; round < MAX_ROUNDS; round++) {
        const char *from = previous ? previous : smiles;
        char *text = cgrd_canonical_smiles(from, reason, sizeof reason);

        if (!text) {
            st = round == 0
                     ? cg_refuse_unread(smiles, len, reason, err)
                     : cg_rdkit_fail(err, CG_ERR_UNSUPPORTED,
                                     "SMILES '%.*s': RDKit refuses its own canonical SMILES: %s",
                                     SHOWN, smiles, reason);
            goto out;
        }
        if (strcmp(text, from) == 0) {
            *ret_text = text;
            goto out;
        }
        free_ptr(previous);
        previous = text;
    }
    st = cg_refuse_smiles(
        err, CG_ERR_UNSUPPORTED, smiles, len,
        "its canonical SMILES still changes after %d rounds of parsing and writing", MAX_ROUNDS);
out:
    free_ptr(previous);
    return st;
}

static size_t find_root(size_t *parent, size_t i)
{
    while (parent[i] != i)
        i = parent[i] = parent[parent[i]];
    return i;
}

/* Counts the connected components by union-find over the bonds. */
static cg_status count_fragments(cg_molecule *mol, cg_error *err)
{
    const cg_smiles *g = &mol->graph;
    size_t *parent = cg_alloc_array(g->n_atoms, sizeof *parent);

    if (!parent)
        return cg_fail_nomem(err, "molecule");
    for (size_t i = 0; i < g->n_atoms; i++)
        parent[i] = i;
    mol->n_fragments = g->n_atoms;
    for (size_t i = 0; i < g->n_bonds; i++) {
        size_t a = find_root(parent, g->bonds[i].first);
        size_t b = find_root(parent, g->bonds[i].second);

        mol->n_fragments -= a != b;
        parent[a] = b;
    }
    free(parent);
    return CG_OK;
}

/* Refuses atoms and bonds of the canonical SMILES that are not served; the text itself is checked
 * before. Counts heavy atoms and charge. */
static cg_status check_atoms(cg_molecule *mol, cg_error *err)
{
    const cg_smiles *g = &mol->graph;

    CG_TRY(cg_refuse_unsupported(mol->smiles, mol->len, err));
    for (size_t i = 0; i < g->n_atoms; i++) {
        mol->n_heavy += g->atoms[i].element != 1;
        mol->charge += g->atoms[i].charge;
    }
    if (mol->n_heavy == 0)
        return cg_refuse_smiles(err, CG_ERR_UNSUPPORTED, mol->smiles, mol->len,
                                "found only hydrogens (%zu), wanted a heavy atom", g->n_atoms);
    return CG_OK;
}

static size_t count_chirality_marks(const char *smiles)
{
    size_t n = 0;

    for (const char *at = smiles; (at = strchr(at, '@')) != NULL; n++)
        at += strspn(at, "@");
    return n;
}

/* Counts the stereo elements of `smiles` that its canonical SMILES lacks. Marks / and \ may change
 * in number without a loss. */
static cg_status count_lost_stereo(cg_molecule *mol, const char *smiles, cg_error *err)
{
    char reason[256] = "";
    int n;

    if (!strpbrk(smiles, "/\\") &&
        count_chirality_marks(smiles) == count_chirality_marks(mol->smiles))
        return CG_OK;
    n = cgrd_count_lost_stereo(smiles, reason, sizeof reason);
    if (n < 0)
        return cg_rdkit_fail(err, CG_ERR_UNSUPPORTED,
                             "SMILES '%.*s': RDKit cannot compare its stereo: %s", SHOWN, smiles,
                             reason);
    mol->n_lost_stereo = (size_t)n;
    return CG_OK;
}

/* Describes the atom, if the canonical SMILES has one, whose bracket holds only its element. */
static cg_status find_radical(cg_molecule *mol, const char *smiles, size_t len, cg_error *err)
{
    for (size_t i = 0; i < mol->graph.n_atoms; i++) {
        const cg_smiles_atom *a = &mol->graph.atoms[i];

        if (a->bracket && cg_smiles_is_bare(mol->smiles + a->start + 1, a->len - 2))
            return cg_describe_radical(smiles, len, mol->radical, err);
    }
    return CG_OK;
}

/* Scans `smiles`, which RDKit reads, and copies it. */
static cg_status set_graph(cg_molecule *mol, const char *smiles, size_t max_atoms, cg_error *err)
{
    cg_status st;

    mol->smiles = strdup(smiles);
    if (!mol->smiles)
        return cg_fail_nomem(err, "SMILES");
    mol->len = strlen(smiles);
    st = cg_smiles_scan(mol->smiles, mol->len, CG_SMILES_STRICT, max_atoms, &mol->graph, err);
    if (st != CG_OK)
        return cg_fail_prefix(err, st == CG_ERR_INPUT ? CG_ERR_UNSUPPORTED : st,
                              "canonical SMILES '%.*s'", SHOWN, mol->smiles);
    CG_TRY(check_atoms(mol, err));
    return count_fragments(mol, err);
}

cg_status cg_molecule_parse_limited(const char *smiles, size_t len,
                                    const cg_molecule_limits *limits, cg_molecule **ret_mol,
                                    cg_error *err)
{
    cg_molecule *mol = NULL;
    char *canonical = NULL;
    char *copy = NULL;
    cg_status st;

    CG_TRY(check_text(smiles, len, limits, err));
    mol = calloc(1, sizeof *mol);
    copy = cg_alloc_array(len + 1, 1);
    if (!mol || !copy) {
        st = cg_fail_nomem(err, "SMILES");
        goto out;
    }
    memcpy(copy, smiles, len);
    copy[len] = '\0';
    CG_TRY_GOTO(st, cg_refuse_unsupported(copy, len, err), out);
    CG_TRY_GOTO(st, canonicalize(copy, &canonical, err), out);
    CG_TRY_GOTO(st, set_graph(mol, canonical, limits->max_atoms, err), out);
    CG_TRY_GOTO(st, find_radical(mol, copy, len, err), out);
    CG_TRY_GOTO(st, count_lost_stereo(mol, copy, err), out);
    *ret_mol = mol;
    mol = NULL;
out:
    free_ptr(canonical);
    free(copy);
    cg_molecule_destroy(mol);
    return st;
}

cg_status cg_molecule_parse(const char *smiles, size_t len, cg_molecule **ret_mol, cg_error *err)
{
    static const cg_molecule_limits limits = { CG_MOLECULE_MAX_CHARS, CG_MOLECULE_MAX_ATOMS };

    return cg_molecule_parse_limited(smiles, len, &limits, ret_mol, err);
}

/* The greatest number that may be the atoms that a V3000 block states: RDKit takes memory for as
 * many before it reads one. (V2000 has three digits.) */
static unsigned long stated_atoms(const char *block)
{
    unsigned long most = 0;

    for (const char *line = block; line; line = strchr(line, '\n')) {
        const char *at = line + (*line == '\n');

        line = at;
        if (strncmp(at, "M  V30", 6))
            continue;
        at += 6 + strspn(at + 6, " \t");
        if (strncasecmp(at, "COUNTS", 6))
            continue;
        at += 6 + strspn(at + 6, " \t");
        if (isdigit((unsigned char)*at) && strtoul(at, NULL, 10) > most)
            most = strtoul(at, NULL, 10);
    }
    return most;
}

cg_status cg_molecule_from_molblock(const char *molblock, cg_molecule **ret_mol, cg_error *err)
{
    /* An atom takes a line of the block, so the block bounds the SMILES with explicit [H]. */
    static const cg_molecule_limits limits = { CG_MOLECULE_MAX_BLOCK, CG_MOLECULE_MAX_BLOCK };
    size_t block_len = strnlen(molblock, CG_MOLECULE_MAX_BLOCK + 1);
    unsigned long n_stated;
    size_t size = 0;
    char *pkl, *smiles = NULL;
    cg_status st;

    if (block_len > CG_MOLECULE_MAX_BLOCK)
        return cg_fail(err, CG_ERR_LIMIT, "molblock: found more than %d bytes",
                       CG_MOLECULE_MAX_BLOCK);
    n_stated = stated_atoms(molblock);
    if (n_stated > block_len)
        return cg_fail(err, CG_ERR_INPUT, "molblock: states %lu atoms, but has %zu bytes", n_stated,
                       block_len);
    if (!strstr(molblock, "M  END") || cg_mol2_is_record(molblock))
        return cg_fail(err, CG_ERR_INPUT, "molblock: found no line 'M  END'");
    pkl = get_mol(molblock, &size, "{\"removeHs\":false}");
    if (!pkl)
        return cg_rdkit_fail(err, CG_ERR_INPUT, "molblock: RDKit cannot read it");
    if (has_coords(pkl, size) == 3)
        smiles = get_smiles(pkl, size, "{}");
    if (!smiles) {
        st = cg_rdkit_fail(err, CG_ERR_INPUT, "molblock: found no 3D coordinates");
        goto out;
    }
    st = cg_molecule_parse_limited(smiles, strlen(smiles), &limits, ret_mol, err);
out:
    free_ptr(pkl);
    free_ptr(smiles);
    return st;
}

/* RDKit's molecule of a block, NULL if it cannot read it. A .mol2 is read with the charges that it
 * states. Where that is no molecule, or one with unpaired electrons, charges are RDKit's guess. */
static cg_status read_block(const char *block, int is_mol2, char **ret_pkl, size_t *ret_size,
                            cg_error *err)
{
    cg_buf stated = { 0 };
    cg_status st = CG_OK;

    *ret_pkl = NULL;
    if (is_mol2) {
        CG_TRY_GOTO(st, cg_mol2_state_charges(block, &stated, err), out);
        *ret_pkl = get_mol(cg_buf_text(&stated), ret_size, "{\"radicals\":false}");
        if (!*ret_pkl && errno == ENOMEM)
            goto out;
    }
    if (!*ret_pkl)
        *ret_pkl = get_mol(block, ret_size, "{}");
out:
    cg_buf_finish(&stated);
    return st;
}

static const char hydrogens_wanted[] =
    "a .mol2 has all hydrogens, which 'obabel IN.mol2 -h -O OUT.mol2' adds";

/* Refuses a block that RDKit cannot read. */
static cg_status refuse_block(const char *block, int is_mol2, cg_error *err)
{
    if (is_mol2 && !cg_mol2_has_hydrogens(block))
        return cg_rdkit_fail(err, CG_ERR_INPUT,
                             "RDKit cannot read the molecule; found no hydrogens: %s",
                             hydrogens_wanted);
    return cg_rdkit_fail(err, CG_ERR_INPUT, "RDKit cannot read the molecule");
}

cg_status cg_smiles_of_block(const char *block, char **ret_smiles, cg_error *err)
{
    enum { MAX_ATOMS = 4 * CG_MOLECULE_MAX_ATOMS }; /* with hydrogens; time grows with the cube */
    const int is_mol2 = cg_mol2_is_record(block);
    unsigned long n_stated = 0;
    size_t size = 0;
    char *pkl, *text = NULL;
    cg_status st = CG_OK;

    if (strnlen(block, CG_MOLECULE_MAX_BLOCK + 1) > CG_MOLECULE_MAX_BLOCK)
        return cg_fail(err, CG_ERR_LIMIT, "the molecule has more than %d bytes",
                       CG_MOLECULE_MAX_BLOCK);
    if (is_mol2)
        CG_TRY(cg_mol2_check(block, MAX_ATOMS, err));
    else
        n_stated = stated_atoms(block);
    if (n_stated > MAX_ATOMS)
        return cg_fail(err, CG_ERR_LIMIT, "the molecule states %lu atoms, wanted at most %d",
                       n_stated, MAX_ATOMS);
    CG_TRY(read_block(block, is_mol2, &pkl, &size, err));
    text = pkl ? get_smiles(pkl, size, "{}") : NULL;
    if (!text)
        st = refuse_block(block, is_mol2, err);
    else if (!*text)
        st = cg_fail(err, CG_ERR_INPUT, "the molecule has no atoms");
    else if (is_mol2 && cgrd_find_radical(text) >= 0)
        st = cg_fail(
            err, CG_ERR_INPUT,
            "found atoms without the hydrogens that they need in '%.100s': %s; radicals are not "
            "supported",
            text, hydrogens_wanted);
    else if (!(*ret_smiles = strdup(text)))
        st = cg_fail_nomem(err, "molecule");
    free_ptr(text);
    free_ptr(pkl);
    return st;
}

cg_status cg_molecule_with_hydrogens(const cg_molecule *mol, const char *smiles,
                                     cg_molecule **ret_mol, cg_error *err)
{
    cg_molecule *with = calloc(1, sizeof *with);
    cg_status st;

    if (!with)
        return cg_fail_nomem(err, "SMILES");
    with->n_lost_stereo = mol->n_lost_stereo;
    with->canonical = strdup(cg_molecule_canonical_smiles(mol));
    if (!with->canonical) {
        st = cg_fail_nomem(err, "SMILES");
        goto out;
    }
    CG_TRY_GOTO(st, set_graph(with, smiles, SIZE_MAX, err), out);
    *ret_mol = with;
    with = NULL;
out:
    cg_molecule_destroy(with);
    return st;
}

void cg_molecule_destroy(cg_molecule *mol)
{
    if (!mol)
        return;
    cg_smiles_finish(&mol->graph);
    free(mol->smiles);
    free(mol->canonical);
    free(mol);
}

const char *cg_molecule_smiles(const cg_molecule *mol, size_t *ret_len)
{
    if (ret_len)
        *ret_len = mol->len;
    return mol->smiles;
}

const char *cg_molecule_radical(const cg_molecule *mol)
{
    return mol->radical;
}

const char *cg_molecule_canonical_smiles(const cg_molecule *mol)
{
    return mol->canonical ? mol->canonical : mol->smiles;
}

const cg_smiles *cg_molecule_graph(const cg_molecule *mol)
{
    return &mol->graph;
}

size_t cg_molecule_n_atoms(const cg_molecule *mol)
{
    return mol->graph.n_atoms;
}

size_t cg_molecule_n_heavy(const cg_molecule *mol)
{
    return mol->n_heavy;
}

int cg_molecule_charge(const cg_molecule *mol)
{
    return mol->charge;
}

size_t cg_molecule_n_lost_stereo(const cg_molecule *mol)
{
    return mol->n_lost_stereo;
}

size_t cg_molecule_n_fragments(const cg_molecule *mol)
{
    return mol->n_fragments;
}

cg_status cg_molecule_plain_smiles(const cg_molecule *mol, char **ret_smiles, cg_error *err)
{
    size_t size = 0;
    char *pkl = get_mol(mol->smiles, &size, "{}");
    char *text = pkl ? get_smiles(pkl, size, "{\"doIsomericSmiles\":false}") : NULL;
    char *copy = text ? strdup(text) : NULL;
    cg_status st = CG_OK;

    if (!text)
        st = cg_rdkit_fail(err, CG_ERR_UNSUPPORTED,
                           "SMILES '%.*s': RDKit does not write it without stereo marks", SHOWN,
                           mol->smiles);
    else if (!copy)
        st = cg_fail_nomem(err, "molecule");
    else
        *ret_smiles = copy;
    free_ptr(text);
    free_ptr(pkl);
    return st;
}
