/* SPDX-License-Identifier: MIT */
/**
 * @file sdf.h  One record of an SDF: coordinates, and a key of all that is not coordinates.
 *
 * A set of conformers repeats a molecule's atoms and bonds in every record. So coordinates are read
 * here, without RDKit, and atoms and bonds are only reduced to a key: RDKit is asked about the
 * first record of each key, and what it said holds for the others. What tells stereo (parities,
 * wedges) is no part of the key, since the coordinates decide about stereo.
 */
#ifndef CG_EVAL_SDF_H
#define CG_EVAL_SDF_H

#include <confgen/status.h>

#include <stddef.h>
#include <stdint.h>

enum {
    CG_SDF_MAX_ATOMS = 2048,       /* of a block, hydrogens too; bounds what RDKit gets to see */
    CG_SDF_MAX_HEAVY = 512,        /* of them that are not hydrogen */
    CG_SDF_MAX_BLOCK = 256 << 10,  /* bytes of a block */
    CG_SDF_MAX_COORDINATE = 10000, /* Å, either way */
    CG_SDF_MIN_ATOM_BYTES = 18,    /* no atom takes fewer bytes of text: "M  V30 1 C 0 0 0 0" */
};

/** A record. Texts are borrowed from the text that was read and are not terminated. */
typedef struct cg_sdf_record {
    const char *name; /* title line without blanks around it, or else the data item `name` */
    size_t name_len;
    const char *smiles; /* data item `SMILES`; NULL without */
    size_t smiles_len;
    const char *block; /* title line to "M  END" and the end of that line */
    size_t block_len;
    size_t n_atoms;  /* of the block, hydrogens too */
    uint64_t key[2]; /* of atoms, bonds and properties of the block, stereo marks left out */
} cg_sdf_record;

/**
 * Read a record, V2000 or V3000: text[len] without its "$$$$" line.
 *
 * @param ret_xyz     [cap][3] Å about the centroid of all atoms (float is finer there), file order;
 *                    cap >= len / CG_SDF_MIN_ATOM_BYTES is always enough
 * @param ret_record  on failure its name and SMILES are those of the record all the same, as far as
 *                    it has them
 * @return CG_OK; CG_ERR_INPUT with line, what was found and what was wanted; CG_ERR_LIMIT for more
 *         atoms or bytes than the bounds; CG_ERR_NOMEM.
 */
cg_status cg_sdf_read(const char *text, size_t len, float (*ret_xyz)[3], size_t cap,
                      cg_sdf_record *ret_record, cg_error *err);

#endif
