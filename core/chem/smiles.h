/* SPDX-License-Identifier: MIT */
/**
 * @file smiles.h  SMILES scanner: atoms, bonds and their positions in the text.
 *
 * The scanner implements the grammar but no chemistry: valence, aromaticity and stereo are RDKit's.
 * It has two uses: on input, to bound the texts passed to RDKit; and on RDKit's canonical SMILES,
 * to list the molecule's atoms in text order, which is confgen's atom order everywhere.
 */
#ifndef CG_CHEM_SMILES_H
#define CG_CHEM_SMILES_H

#include <confgen/status.h>

#include <stddef.h>
#include <stdint.h>

/** An atom. */
typedef struct cg_smiles_atom {
    uint32_t start;   /* offset of the atom's first byte, brackets included */
    uint32_t len;     /* bytes, brackets included */
    uint32_t map;     /* atom class ([CH3:7] is 7), 0 without */
    uint16_t isotope; /* mass number, 0 without */
    int16_t charge;   /* elementary charges */
    uint16_t degree;  /* bonds to other atoms of the text */
    uint8_t element;  /* atomic number, 0 for `*` and for skipped brackets */
    uint8_t n_h;      /* hydrogens written in the bracket */
    uint8_t bracket;  /* 1 in brackets */
    uint8_t aromatic; /* 1 in lower case */
    uint8_t chiral;   /* 0 none, 1 `@`, 2 `@@`, 3 a written class such as @SP1 */
} cg_smiles_atom;

/** A bond; first < second. Bonds are in text order; a ring bond is listed where it closes. */
typedef struct cg_smiles_bond {
    uint32_t first, second; /* atom indices */
    char symbol;            /* one of - = # $ : / \ or 0 where none is written */
} cg_smiles_bond;

/** A scanned SMILES. Zero first; cg_smiles_finish() releases. */
typedef struct cg_smiles {
    cg_smiles_atom *atoms; /* in text order */
    size_t n_atoms;
    cg_smiles_bond *bonds;
    size_t n_bonds;
    size_t n_components; /* dot-separated components */
} cg_smiles;

enum {
    CG_SMILES_STRICT = 1, /* parse bracket atoms; without it, brackets are skipped */
};

/**
 * Scans text[len], which need not be terminated. Time and memory are linear in len, except for a
 * linear search among the rings open at once.
 *
 * @param max_atoms  the scan stops with CG_ERR_LIMIT at the next atom
 * @return CG_OK; CG_ERR_INPUT with offset, the text found and the text wanted; CG_ERR_LIMIT;
 *         CG_ERR_NOMEM. On failure *ret_smiles is unchanged.
 */
cg_status cg_smiles_scan(const char *text, size_t len, uint32_t flags, size_t max_atoms,
                         cg_smiles *ret_smiles, cg_error *err);
void cg_smiles_finish(cg_smiles *smiles); /* accepts NULL and a zeroed struct */

/** 1 if text[len] is an atom that SMILES writes without brackets (`C`, `Cl`, `n`; not `*`). */
int cg_smiles_is_bare(const char *text, size_t len);

/** Describes byte `at` of text[len] for a message: "'C'" if printable, else "byte 0xe9"; "the end"
 * if at >= len. Returns buf. */
const char *cg_smiles_show_byte(const char *text, size_t len, size_t at, char buf[16]);

#endif
