/* SPDX-License-Identifier: MIT */
/**
 * @file enriched.h  Enriched SMILES: a canonical SMILES with numbers for its atoms or tokens.
 *
 *   CC[NH3+]   ->   [C]<0.000,0.000,0.000>[C]<1.520,0.000,0.000>[NH3+]<2.011,1.398,0.000>
 *
 * The text follows a format (format/conformer_format.h). All characters of the SMILES other than
 * its bare atoms are kept byte for byte; ring digits and branches follow the coordinates.
 * Coordinates are in Å.
 */
#ifndef CG_CHEM_ENRICHED_H
#define CG_CHEM_ENRICHED_H

#include "chem/molecule.h"
#include "format/conformer_format.h"

/**
 * The literals of a molecule: its enriched text without the numbers.
 *
 *   literal(0) numbers literal(1) numbers ... literal(n_groups)
 *
 * A group is an atom with its three numbers, or, with codes, a token of the SMILES with its code.
 * In the format molgen-v3 literal(0) is `[C]<`, later ones are `>...[X]<`, the last is `>` and the
 * rest. The marks around a code belong to the code. Literal i, for i in [0, n_groups], is
 * text[literal_at[i] .. literal_at[i + 1]): literals follow one another without separators.
 *
 * Zero first; cg_enriched_split_finish() releases.
 */
typedef struct cg_enriched_split {
    size_t n_atoms;
    size_t n_groups;
    const uint32_t *literal_at; /* [n_groups + 2] */
    const char *text;           /* [literal_at[n_groups + 1]], and a terminating NUL */
    void *block;                /* owned: holds the arrays above */
} cg_enriched_split;

/** Parsed enriched text. Zero first; cg_enriched_finish() releases. */
typedef struct cg_enriched {
    char *smiles; /* plain SMILES, terminated */
    size_t smiles_len;
    size_t n_atoms;
    size_t n_codes;
    double (*xyz)[3]; /* [n_atoms] Å, the number's nearest double; NULL with codes */
    int32_t *codes;   /* [n_codes] of a format with codes, else NULL */
} cg_enriched;

/**
 * Computes the literals of a plain SMILES.
 *
 * @return CG_OK; CG_ERR_INPUT if the text is not a SMILES; CG_ERR_UNSUPPORTED if a bracket atom is
 *         indistinguishable from one whose brackets the format adds ([C] without hydrogens would be
 *         read back as C); CG_ERR_LIMIT above 16 MiB; CG_ERR_NOMEM.
 */
cg_status cg_enriched_split_smiles(const char *smiles, size_t len,
                                   const cg_conformer_format *format, cg_enriched_split *ret_split,
                                   cg_error *err);
/** As cg_enriched_split_smiles() for the canonical SMILES of a molecule, without a second scan. */
cg_status cg_enriched_split_molecule(const cg_molecule *mol, const cg_conformer_format *format,
                                     cg_enriched_split *ret_split, cg_error *err);
void cg_enriched_split_finish(cg_enriched_split *split); /* accepts NULL and a zeroed struct */

/** Upper bound of the bytes that cg_enriched_write() and cg_enriched_write_codes() write,
 * terminating NUL included. */
size_t cg_enriched_bound(const cg_enriched_split *split);

/**
 * Writes enriched text of coordinates xyz[n_atoms][3]. Decimals are truncated toward zero, except
 * that a value within a millionth of the last digit's unit of a multiple of that unit is rounded to
 * the multiple, which makes reading and writing a text lossless.
 *
 * @param format  of the split; no codes
 * @param buf     [cap], cap >= cg_enriched_bound(); terminated
 * @return CG_OK; CG_ERR_LIMIT if a number is not finite or has more digits than the format, or buf
 *         is too short. On failure buf is unspecified.
 */
cg_status cg_enriched_write(const cg_enriched_split *split, const cg_conformer_format *format,
                            const double (*xyz)[3], char *buf, size_t cap, size_t *ret_len,
                            cg_error *err);

/** Writes enriched text of codes[n_groups]. CG_ERR_LIMIT if one is not below the number of codes;
 * otherwise as cg_enriched_write(). */
cg_status cg_enriched_write_codes(const cg_enriched_split *split, const cg_conformer_format *format,
                                  const int32_t *codes, char *buf, size_t cap, size_t *ret_len,
                                  cg_error *err);

/**
 * Parses enriched text of any molecule. The parser is strict: writing the result reproduces
 * text[len] byte for byte, except that the value of an open end of bins is the outermost edge.
 *
 * @return CG_OK; CG_ERR_INPUT with byte offset, the text found and the text wanted; CG_ERR_LIMIT
 *         above 16 MiB; CG_ERR_NOMEM. On failure *ret_enriched is unchanged.
 */
cg_status cg_enriched_parse(const char *text, size_t len, const cg_conformer_format *format,
                            cg_enriched *ret_enriched, cg_error *err);
void cg_enriched_finish(cg_enriched *enriched); /* accepts NULL and a zeroed struct */

/**
 * Reads the coordinates of enriched text of a known molecule: every byte outside the numbers must
 * equal the literals in `split`.
 *
 * @param format   of the split; no codes
 * @param ret_xyz  [split->n_atoms][3] Å; unspecified on failure
 * @return as cg_enriched_parse().
 */
cg_status cg_enriched_read(const cg_enriched_split *split, const cg_conformer_format *format,
                           const char *text, size_t len, double (*ret_xyz)[3], cg_error *err);

/** Reads the codes of a known molecule: ret_codes[split->n_groups]; otherwise as
 * cg_enriched_read(). */
cg_status cg_enriched_read_codes(const cg_enriched_split *split, const cg_conformer_format *format,
                                 const char *text, size_t len, int32_t *ret_codes, cg_error *err);

#endif
