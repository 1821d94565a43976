/* SPDX-License-Identifier: MIT */
/**
 * @file conformers.h  Conformer sets from SDF: plain, .gz, .zst, our own frames; from anywhere.
 *
 * Records are grouped into molecules by name, or by canonical SMILES where names do not serve.
 * Coordinates are kept for heavy atoms, in the order of the canonical SMILES (cg_molecule),
 * whatever the order in the file.
 */
#ifndef CG_EVAL_CONFORMERS_H
#define CG_EVAL_CONFORMERS_H

#include "chem/molecule.h"

/** The conformers of a molecule. */
typedef struct cg_conformers {
    char *name;       /* title line of its records; "" without */
    char *smiles;     /* canonical, of the molecule its records say they are */
    cg_molecule *mol; /* that molecule */
    size_t n_atoms;   /* heavy atoms: those of `mol` that are not hydrogen */
    size_t n;         /* conformers */
    size_t n_wrong;   /* records under this name that show another graph; not among the n */
    size_t n_broken;  /* records that could not be read; not among the n */
    float (*xyz)[3];  /* [n][n_atoms][3] Å */
} cg_conformers;

typedef struct cg_conformer_file {
    char *path;
    size_t n_molecules;
    cg_conformers *molecules;   /* [n_molecules] in the order of the file */
    size_t n_records, n_broken; /* in all */
    char *first_trouble; /* file, record, what was wrong with the first broken one; NULL without */
} cg_conformer_file;

/**
 * Read a whole file.
 *
 * @param n_threads  >= 1
 * @param ret_file   cg_conformer_file_finish(); unchanged on failure
 * @return CG_OK, with broken records counted; CG_ERR_IO, CG_ERR_FORMAT, CG_ERR_NOMEM.
 */
cg_status cg_conformer_file_read(const char *path, int n_threads, cg_conformer_file *ret_file,
                                 cg_error *err);
void cg_conformer_file_finish(cg_conformer_file *file); /* accepts NULL and a zeroed struct */

#endif
