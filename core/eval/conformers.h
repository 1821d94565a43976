/* SPDX-License-Identifier: MIT */
/**
 * @file conformers.h  Conformer sets from SDF: plain, .gz, .zst, our own frames; from anywhere.
 *
 * Records are grouped into molecules by name and graph, wherever in the file they stand; records
 * without a name by the SMILES they carry, or by graph. The graph is the molecule without stereo
 * and isotopes, since a conformer with an inverted centre is still a conformer of its molecule.
 *
 * A record's molecule is the one of its data item `SMILES`, where that has the graph of its block;
 * otherwise the one that the block shows, stereo perceived from the coordinates. Coordinates are
 * kept for heavy atoms, in the order of the canonical SMILES (cg_molecule), whatever the order in
 * the file; atoms that the graph cannot tell apart may be exchanged, the same way in every record
 * of the same atom order.
 */
#ifndef CG_EVAL_CONFORMERS_H
#define CG_EVAL_CONFORMERS_H

#include "chem/molecule.h"

/** The conformers of a molecule. */
typedef struct cg_conformers {
    char *name;             /* title line of its records; "" without */
    const cg_molecule *mol; /* that its first record says it is; the file's */
    const char *smiles;     /* canonical: cg_molecule_smiles(mol) */
    const char *graph;      /* canonical SMILES without stereo and isotopes; the file's */
    size_t n_atoms;         /* heavy atoms: those of `mol` that are not hydrogen */
    size_t n;               /* conformers, >= 1 */
    size_t first_record;    /* its first, from 1 */
    float (*xyz)[3];        /* [n][n_atoms][3] Å, about the centroid of the record's atoms */
} cg_conformers;

/** Records of a name that could not be read. */
typedef struct cg_broken {
    char *name; /* "" for those without one */
    size_t n;
} cg_broken;

/** Zero first; cg_conformer_file_finish() releases. */
typedef struct cg_conformer_file {
    char *path;
    size_t n_molecules;
    cg_conformers *molecules;   /* [n_molecules] in the order of their first records */
    size_t n_records, n_broken; /* in all */
    size_t n_broken_names;
    cg_broken *broken;   /* [n_broken_names] in the order of the file */
    char *first_trouble; /* file, record, what was wrong with the first broken one; NULL without */
    struct cg_identity_table *identities; /* what molecules and graphs belong to */
} cg_conformer_file;

/**
 * Read a whole file ("-": standard input). Memory: the coordinates that are kept, and some
 * megabytes of text.
 *
 * @param n_threads  >= 1; the result does not depend on it
 * @param ret_file   cg_conformer_file_finish(); unchanged on failure
 * @return CG_OK, with broken records counted; CG_ERR_IO; CG_ERR_FORMAT where the file is no SDF or
 *         its compressed data are damaged or cut off; CG_ERR_LIMIT for a record of more than 64
 *         MiB; CG_ERR_NOMEM.
 */
cg_status cg_conformer_file_read(const char *path, int n_threads, cg_conformer_file *ret_file,
                                 cg_error *err);
/** The same over memory; `name` is used in errors. */
cg_status cg_conformer_file_read_memory(const char *name, const void *bytes, size_t len,
                                        int n_threads, cg_conformer_file *ret_file, cg_error *err);
void cg_conformer_file_finish(cg_conformer_file *file); /* accepts NULL and a zeroed struct */

#endif
