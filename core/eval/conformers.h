/* SPDX-License-Identifier: MIT */
/**
 * @file conformers.h  Reads conformer sets from SDF: plain, .gz, .zst, confgen's own files.
 *
 * Records are grouped into molecules by name and flat SMILES (identity.h), independent of their
 * order in the file; records without a name by their SMILES, or else by flat SMILES. Stereo is
 * ignored because a conformer with an inverted stereocentre is still a conformer of its molecule.
 *
 * A record's molecule is that of its data item `SMILES` if that has the block's flat SMILES;
 * otherwise that of the block, with stereo perceived from the coordinates. Coordinates are kept for
 * heavy atoms in the order of the canonical SMILES (cg_molecule), whatever the order in the file.
 * Atoms that are equivalent without stereo may be exchanged, in the same way in all records with
 * the same atom order.
 */
#ifndef CG_EVAL_CONFORMERS_H
#define CG_EVAL_CONFORMERS_H

#include "chem/molecule.h"

/** A hydrogen of a record. */
typedef struct cg_bound_hydrogen {
    uint16_t heavy; /* heavy atom of `mol` that bears it */
    float xyz[3];   /* Å, relative to the centroid of the record's atoms */
} cg_bound_hydrogen;

/** The conformers of a molecule. */
typedef struct cg_conformers {
    char *name;              /* title line of its records; "" without */
    const cg_molecule *mol;  /* of its first record; owned by the file */
    const char *smiles;      /* canonical: cg_molecule_smiles(mol) */
    const char *flat_smiles; /* canonical SMILES without stereo and isotopes; owned by the file */
    size_t n_atoms;          /* heavy atoms of `mol` */
    size_t n;                /* conformers, >= 1 */
    size_t n_stated;         /* of them those whose data item `SMILES` is this molecule */
    size_t first_record;     /* number of its first record, from 1 */
    float (*xyz)[3];       /* [n][n_atoms][3] Å, relative to the centroid of the record's atoms */
    size_t n_hydrogens;    /* hydrogens that are atoms of `mol`: [2H], and those of [H]/N=C */
    float (*hydrogens)[3]; /* [n][n_hydrogens] likewise; NaN for one that the record lacks */
    /* All hydrogens that the records have on heavy atoms, with CG_KEEP_HYDROGENS: conformer c has
     * bound[bound_first[c]] to bound[bound_first[c + 1] - 1], in the order of its record. */
    size_t *bound_first; /* [n + 1]; NULL without CG_KEEP_HYDROGENS */
    cg_bound_hydrogen *bound;
} cg_conformers;

/** Broken records, those that could not be read, of one name. */
typedef struct cg_broken {
    char *name; /* "" for records without one */
    size_t n;
    size_t first_record; /* number of the first of them, from 1 */
    char *reason;        /* of the first of them */
} cg_broken;

/** Zero first; cg_conformer_file_finish() releases. */
typedef struct cg_conformer_file {
    char *path;
    size_t n_molecules;
    cg_conformers *molecules;   /* [n_molecules] in the order of their first records */
    size_t n_records, n_broken; /* of the whole file */
    size_t n_broken_names;
    cg_broken *broken;         /* [n_broken_names] in the order of the file */
    char *first_broken_reason; /* file, record and error of the first broken record; NULL without */
    struct cg_identity_table *identities; /* owns the molecules and flat SMILES */
} cg_conformer_file;

/** Which hydrogens are kept. */
typedef enum cg_kept_hydrogens {
    CG_KEEP_TEXT_HYDROGENS = 0, /* those that are atoms of the canonical SMILES */
    CG_KEEP_HYDROGENS,          /* all */
} cg_kept_hydrogens;

/**
 * Reads a whole file ("-": standard input). Memory: the kept coordinates and some megabytes of
 * text.
 *
 * @param n_threads  >= 1; the result does not depend on it
 * @param ret_file   cg_conformer_file_finish(); unchanged on failure
 * @return CG_OK, with broken records counted; CG_ERR_IO; CG_ERR_FORMAT if the file is not an SDF or
 *         its compressed data are damaged or truncated; CG_ERR_LIMIT for a record of more than 64
 *         MiB; CG_ERR_NOMEM
 */
cg_status cg_conformer_file_read(const char *path, cg_kept_hydrogens kept, int n_threads,
                                 cg_conformer_file *ret_file, cg_error *err);
/** The same from memory, without `bound`; `name` is used in messages. */
cg_status cg_conformer_file_read_memory(const char *name, const void *bytes, size_t len,
                                        int n_threads, cg_conformer_file *ret_file, cg_error *err);
void cg_conformer_file_finish(cg_conformer_file *file); /* accepts NULL and a zeroed struct */

#endif
