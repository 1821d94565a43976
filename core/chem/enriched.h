/* SPDX-License-Identifier: MIT */
/**
 * @file enriched.h  Enriched SMILES: a canonical SMILES with coordinates after every atom.
 *
 *   CC[NH3+]   ->   [C]<0.000,0.000,0.000>[C]<1.520,0.000,0.000>[NH3+]<2.011,1.398,0.000>
 *
 * Atoms that SMILES writes without brackets are wrapped in brackets; bracket atoms and all other
 * characters are kept byte for byte; ring digits and branches follow the coordinates. A number is
 * an optional `-`, 1 to max_int_digits digits without a leading zero, `.`, exactly `decimals`
 * digits; never a negative zero. Coordinates are in Å.
 */
#ifndef CG_CHEM_ENRICHED_H
#define CG_CHEM_ENRICHED_H

#include "chem/molecule.h"

/**
 * The literals of a molecule: its enriched text without the numbers.
 *
 *   literal(0) x,y,z literal(1) x,y,z ... literal(n_atoms)       with x,y,z the numbers of one atom
 *
 * literal(0) is `[C]<`, later ones are `>...[X]<`, the last is `>` and the rest. Literal i, for i
 * in [0, n_atoms], is text[literal_at[i] .. literal_at[i + 1]): literals follow one another
 * without separators. The descriptor of atom i, brackets included, is the desc_len[i] bytes at
 * text[desc_at[i]]: literal i up to, but without, its last byte `<`.
 *
 * Zero first; cg_enriched_split_finish() releases.
 */
typedef struct cg_enriched_split {
    size_t n_atoms;
    const uint32_t *literal_at; /* [n_atoms + 2] */
    const uint32_t *desc_at;    /* [n_atoms] */
    const uint32_t *desc_len;   /* [n_atoms] */
    const char *text;           /* [literal_at[n_atoms + 1]], and a terminating NUL */
    void *block;                /* owned: holds the four arrays above */
} cg_enriched_split;

/** Parsed enriched text. Zero first; cg_enriched_finish() releases. */
typedef struct cg_enriched {
    char *smiles; /* plain SMILES, terminated */
    size_t smiles_len;
    size_t n_atoms;
    double (*xyz)[3]; /* [n_atoms] Å, the decimal's nearest double */
} cg_enriched;

/** Limits of a number format: decimals and digits before the point. */
enum { CG_ENRICHED_MAX_DECIMALS = 6, CG_ENRICHED_MAX_INT_DIGITS = 6 };

/**
 * Computes the literals of a plain SMILES.
 *
 * @return CG_OK; CG_ERR_INPUT if the text is not a SMILES; CG_ERR_UNSUPPORTED if a bracket atom is
 *         indistinguishable from a wrapped one ([C] without hydrogens would be read back as C);
 *         CG_ERR_LIMIT above 16 MiB; CG_ERR_NOMEM.
 */
cg_status cg_enriched_split_smiles(const char *smiles, size_t len, cg_enriched_split *ret_split,
                                   cg_error *err);
/** As cg_enriched_split_smiles() for the canonical SMILES of a molecule, without a second scan. */
cg_status cg_enriched_split_molecule(const cg_molecule *mol, cg_enriched_split *ret_split,
                                     cg_error *err);
void cg_enriched_split_finish(cg_enriched_split *split); /* accepts NULL and a zeroed struct */

/** Upper bound of the bytes that cg_enriched_write() writes, terminating NUL included. */
size_t cg_enriched_bound(const cg_enriched_split *split, int decimals, int max_int_digits);

/**
 * Writes enriched text: xyz[n_atoms][3] truncated toward zero to `decimals` digits. A value within
 * a millionth of the last digit's unit of a multiple of that unit is rounded to the multiple, which
 * makes reading and writing a text lossless.
 *
 * @param decimals        1 to CG_ENRICHED_MAX_DECIMALS
 * @param max_int_digits  1 to CG_ENRICHED_MAX_INT_DIGITS
 * @param buf             [cap], cap >= cg_enriched_bound(); terminated
 * @return CG_OK; CG_ERR_LIMIT if a number is not finite or has more digits before the point, or buf
 *         is too short; CG_ERR_USAGE for a number format out of range. On failure buf is
 *         unspecified.
 */
cg_status cg_enriched_write(const cg_enriched_split *split, const double (*xyz)[3], int decimals,
                            int max_int_digits, char *buf, size_t cap, size_t *ret_len,
                            cg_error *err);

/**
 * Parses enriched text of any molecule. The parser is strict: with `decimals` given, writing the
 * result with cg_enriched_write() reproduces text[len] byte for byte.
 *
 * @param decimals        digits after the point; 0: any number from 1 to 6
 * @param max_int_digits  at most this many digits before the point; 0: 6
 * @return CG_OK; CG_ERR_INPUT with byte offset, the text found and the text wanted; CG_ERR_USAGE
 *         for a number format out of range; CG_ERR_LIMIT above 16 MiB; CG_ERR_NOMEM. On failure
 *         *ret_enriched is unchanged.
 */
cg_status cg_enriched_parse(const char *text, size_t len, int decimals, int max_int_digits,
                            cg_enriched *ret_enriched, cg_error *err);
void cg_enriched_finish(cg_enriched *enriched); /* accepts NULL and a zeroed struct */

/**
 * Reads the coordinates of enriched text of a known molecule: every byte outside the numbers must
 * equal the literals in `split`.
 *
 * @param ret_xyz  [split->n_atoms][3] Å; unspecified on failure
 * @return as cg_enriched_parse().
 */
cg_status cg_enriched_read(const cg_enriched_split *split, const char *text, size_t len,
                           int decimals, int max_int_digits, double (*ret_xyz)[3], cg_error *err);

#endif
