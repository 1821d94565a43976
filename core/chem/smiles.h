/* SPDX-License-Identifier: MIT */
/**
 * @file smiles.h  A scanner for SMILES: atoms, bonds and where they stand in the text.
 *
 * It knows the grammar and no chemistry: valences, aromaticity and stereo are RDKit's. It is used
 * twice: on input, to bound what RDKit gets to see, and on RDKit's canonical SMILES, to learn the
 * molecule's atoms in the order of the text, which is confgen's atom order everywhere.
 */
#ifndef CG_CHEM_SMILES_H
#define CG_CHEM_SMILES_H

#include <confgen/status.h>

#include <stddef.h>
#include <stdint.h>

/** An atom, in the order of the text. */
typedef struct cg_smiles_atom {
    uint32_t start;   /* offset of the atom's first byte, brackets included */
    uint32_t len;     /* bytes, brackets included */
    uint32_t map;     /* atom class ([CH3:7] is 7), 0 without */
    uint16_t isotope; /* mass number, 0 without */
    int16_t charge;   /* elementary charges */
    uint16_t degree;  /* bonds to other atoms of the text */
    uint8_t element;  /* atomic number, 0 for `*` and for brackets that were skipped */
    uint8_t n_h;      /* hydrogens written in the bracket */
    uint8_t bracket;  /* 1 in brackets */
    uint8_t aromatic; /* 1 in lower case */
    uint8_t chiral;   /* 0 none, 1 `@`, 2 `@@`, 3 a written class such as @SP1 */
} cg_smiles_atom;

/** A bond; first < second. Ring closures stand where the ring is closed. */
typedef struct cg_smiles_bond {
    uint32_t first, second; /* atom indices */
    char symbol;            /* one of - = # $ : / \ or 0 where none is written */
} cg_smiles_bond;

/** What a scan found. Zero first; cg_smiles_finish() releases. */
typedef struct cg_smiles {
    cg_smiles_atom *atoms;
    size_t n_atoms;
    cg_smiles_bond *bonds;
    size_t n_bonds;
    size_t n_components; /* pieces between dots */
} cg_smiles;

enum {
    CG_SMILES_STRICT = 1, /* read what stands in brackets; without, brackets are only skipped */
};

/**
 * Scan text[len], which need not be terminated. Time and memory are linear in len, apart from a
 * search among the rings that are open at once.
 *
 * @param max_atoms  more atoms than that are CG_ERR_LIMIT, found without scanning on
 * @return CG_OK; CG_ERR_INPUT with offset, what was found and what was wanted; CG_ERR_LIMIT;
 *         CG_ERR_NOMEM. On failure *ret is unchanged.
 */
cg_status cg_smiles_scan(const char *text, size_t len, uint32_t flags, size_t max_atoms,
                         cg_smiles *ret, cg_error *err);
void cg_smiles_finish(cg_smiles *smiles); /* accepts NULL and a zeroed struct */

/** 1 if text[len] is an atom that SMILES write without brackets (`C`, `Cl`, `n`; not `*`). */
int cg_smiles_is_bare(const char *text, size_t len);

/** "'C'" for a printable byte of text[len], "byte 0xe9" style otherwise, "the end" at or beyond
 * len; in buf, which is returned. For error texts. */
const char *cg_smiles_show_byte(const char *text, size_t len, size_t at, char buf[16]);

#endif
