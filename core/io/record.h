/* SPDX-License-Identifier: MIT */
/**
 * @file record.h  Conformers as text: SDF, extended XYZ, enriched SMILES, JSON lines, PDB, mol2.
 *
 * sdf       The molblock with the name as its title line, then the data items name, SMILES,
 *           generation, seed and the extra tags, then "$$$$".
 * xyz       Number of atoms; `Properties=species:S:1:pos:R:3 name="..." smiles="..."
 *           generation=G seed=S` and the extra tags as KEY="..."; one line per atom.
 * smiles3d  Enriched SMILES, name, generation, seed, extra tags as KEY=VALUE; tab-separated.
 * json      {"name":, "smiles":, "generation":, "seed":, "elements": [..], "xyz": [[x,y,z], ..]},
 *           then the extra tags as strings; one line.
 * pdb       COMPND with the name; REMARK   6 with SMILES, generation, seed and the extra tags, a
 * key and its value; the atoms as HETATM of one residue, UNL; CONECT, a neighbour twice for a
 *           double bond and three times for a triple bond; END.
 * mol2      MOLECULE with the name, ATOM with SYBYL types and formal charges, UNITY_ATOM_ATTR with
 *           the charges that are not 0, BOND, SUBSTRUCTURE of one residue, UNL, and COMMENT with
 *           SMILES, generation, seed and the extra tags, a key and its value on a line.
 *
 * A name is written byte for byte, or refused by cg_record_check_name() if the format cannot hold
 * it. In tags, control characters are replaced by blanks (in JSON by escapes). Coordinates are in
 * ångström.
 */
#ifndef CG_IO_RECORD_H
#define CG_IO_RECORD_H

#include "base/buf.h"

/** The first line of a .mol2 record. */
#define CG_MOL2_START "@<TRIPOS>MOLECULE"

typedef enum cg_record_format {
    CG_RECORD_SDF = 0,
    CG_RECORD_XYZ,
    CG_RECORD_SMILES3D,
    CG_RECORD_JSON,
    CG_RECORD_PDB,
    CG_RECORD_MOL2,
} cg_record_format;

/** An extra data item. The key is a word of letters, digits and '_'. */
typedef struct cg_tag {
    const char *key;
    const char *value;
} cg_tag;

/** Contents of a record, all borrowed. Each format needs only the members it writes. */
typedef struct cg_record_conformer {
    const char *name;
    const char *smiles;
    int64_t generation; /* 0-based */
    uint64_t seed;
    size_t n_atoms;
    const char *const *elements; /* [n_atoms] element symbols: xyz, json, mol2 */
    const double (*xyz)[3];      /* [n_atoms] ångström, finite: xyz, json, mol2 */
    int decimals;                /* of the coordinates in xyz and json, 0 to 17 */
    const char *text;            /* enriched SMILES as generated: smiles3d */
    const char *molblock;        /* title line to "M  END", V2000 or V3000: sdf; V2000: pdb */
    const cg_tag *tags;          /* [n_tags] */
    size_t n_tags;
    const char *const *atom_types;   /* [n_atoms] SYBYL types: mol2 */
    const int *charges;              /* [n_atoms] formal charges: mol2 */
    const uint32_t (*bond_atoms)[2]; /* [n_bonds] from 0: mol2 */
    const char *const *bond_types;   /* [n_bonds] "1", "2", "3", "ar", "am": mol2 */
    size_t n_bonds;
} cg_record_conformer;

/** Parses "sdf", "xyz", "smiles3d", "json", "pdb", "mol2". CG_ERR_USAGE lists the formats. */
cg_status cg_record_format_parse(const char *name, cg_record_format *ret_format, cg_error *err);
/** The name, which is also the file extension without its dot. Static storage. */
const char *cg_record_format_name(cg_record_format format);

/**
 * CG_ERR_INPUT for a name that a record of this format cannot hold: one with a control character
 * (all but json), one that starts with "$$$$" (sdf), one that is not UTF-8 (json), one that starts
 * with '@' or '#' or ends with a backslash (mol2).
 */
cg_status cg_record_check_name(cg_record_format format, const char *name, cg_error *err);

/**
 * Appends the record of one conformer to `out`. CG_ERR_INPUT from cg_record_check_name();
 * CG_ERR_INTERNAL if the conformer lacks a member that the format needs or has a coordinate that is
 * not finite; CG_ERR_NOMEM. On failure `out` is unchanged.
 */
cg_status cg_record_write(cg_record_format format, const cg_record_conformer *conformer,
                          cg_buf *out, cg_error *err);

/** Header line of a failure file, with its line end. Static storage. */
const char *cg_failure_header(void);
/**
 * Appends a line of a failure file: line number, name, SMILES, generation (-1: all, written '-'),
 * reason, raw text; tab-separated, with `\t`, `\n`, `\r`, `\\` and `\xNN` escapes, and a leading
 * `'` where cg_text_is_formula(). `raw` may be NULL. Running out of memory latches in `out`.
 */
void cg_failure_write(int64_t line, const char *name, const char *smiles, int64_t generation,
                      const char *reason, const char *raw, cg_buf *out);

/* ---- reading back, for listings ---------------------------------------------------------- */

/**
 * Detects the format of bytes written by cg_record_write() (or of any SDF) by their start;
 * CG_RECORD_SDF unless another format is recognised.
 */
cg_record_format cg_record_detect(const char *text, size_t len);
/** Appends the name in the first record of `text`, if it has one. */
void cg_record_name(cg_record_format format, const char *text, size_t len, cg_buf *out);
/** Number of records in `text`, an unfinished last one included. */
int64_t cg_record_count(cg_record_format format, const char *text, size_t len);

#endif
